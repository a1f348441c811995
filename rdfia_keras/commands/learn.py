"""Commands for students: learn, with start, check, hint, solution, run and play; and grade for teachers."""

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rdfia_keras.commands._options import Command, Debug, Json
from rdfia_keras.commands._output import plain_errors, show
from rdfia_keras.commands.grade import grade
from rdfia_keras.config import MlpConfig, RunOptions, settings
from rdfia_keras.errors import RdfiaError
from rdfia_keras.result import Result

if TYPE_CHECKING:
    from rdfia_keras.learn.student import CheckedFile

Seed = Annotated[int, typer.Option(help="Decides the inputs.", min=0)]
Name = Annotated[str, typer.Argument(help="An exercise, as rdfia learn lists them.", metavar="NAME")]
Only = Annotated[
    list[str] | None, typer.Option("--only", metavar="NAME", help="Check this function; repeat it for more.")
]
Watch = Annotated[bool, typer.Option("--watch", help="Check again whenever a file is saved; Ctrl-C ends it.")]
_MLP = settings(MlpConfig)
MlpFile = Annotated[
    Path | None,
    typer.Argument(help="A file like mlp.py, or its folder.", show_default="mlp.py here, else in homework/"),
]
Lr = Annotated[float, _MLP["lr"]]
BatchSize = Annotated[int, _MLP["batch_size"]]
Hidden = Annotated[int, _MLP["hidden_units"]]
Epochs = Annotated[int, replace(_MLP["epochs"], help="Training epochs.", shown_default="")]
TrainingSeed = Annotated[int, _MLP["seed"]]


def overview(
    ctx: typer.Context,
    folder: Annotated[
        Path | None, typer.Option("--dir", help="Where your files are.", show_default="here, else homework/")
    ] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """List the exercises: what is solved, and what is next."""
    if ctx.invoked_subcommand is not None:
        return
    from rdfia_keras.learn.exercises import EXERCISES
    from rdfia_keras.learn.student import folder_of, statuses

    folder = folder_of(folder)
    status_of = statuses(folder)
    rows = [
        {
            "exercise": exercise.name,
            "question": exercise.question,
            "file": f"{exercise.part}.py",
            "status": status_of[exercise.name],
        }
        for exercise in EXERCISES.values()
    ]
    unsolved = [row for row in rows if row["status"] != "right"]
    lines = [f"{len(rows) - len(unsolved)} of {len(rows)} are right."]
    if unsolved and all(row["status"] == "no file yet" for row in rows):
        lines.append("Next: rdfia learn start writes the files with the functions to fill in.")
    elif unsolved:
        file = folder / unsolved[0]["file"]
        lines.append(f"Next: {unsolved[0]['exercise']} in {file}, then rdfia learn check {file}")
    show(Result(data={"exercises": rows, "folder": folder}, table=rows, lines=lines), json)


def start(
    topic: Annotated[
        str | None,
        typer.Argument(help="mlp, mlp_keras, svm, conv, conv_keras or training.", show_default="all of them"),
    ] = None,
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where the files go.")] = Path("homework"),
    notebook: Annotated[
        bool, typer.Option("--notebook", help="Write notebooks, whose cells check themselves.")
    ] = False,
) -> Result:
    """Write the files with the functions to fill in. A file that is there already is left as it is."""
    from rdfia_keras.learn import skeletons
    from rdfia_keras.learn.exercises import PARTS, of_part

    parts = [topic] if topic else list(PARTS)
    counts = {part: len(of_part(part)) for part in parts}
    paths = {part: skeletons.start(part, folder, notebook) for part in parts}
    lines = [
        f"{path}: {counts[part]} exercise{'s' * (counts[part] != 1)}"
        if new
        else f"{path} is there already and is left as it is"
        for part, (path, new) in paths.items()
    ]
    first = paths[parts[0]][0]
    then = "open it in Jupyter" if notebook else f"fill in its first function, then run rdfia learn check {first}"
    return Result(
        data={"files": {str(path): "written" if new else "kept" for path, new in paths.values()}},
        lines=[*lines, f"Next: {first}: {then}"],
    )


def check(
    file: Annotated[
        Path | None, typer.Argument(help="A file, or a folder.", show_default="the files here, else in homework/")
    ] = None,
    only: Only = None,
    watch: Watch = False,
    seed: Seed = 0,
) -> Result:
    """Check your functions: right, not written yet, or wrong and how. The exit code is 0 when all are right."""
    from rdfia_keras.learn.student import student_files

    files = student_files(file)
    if watch:
        _watch(files, only or [], seed)
        return Result(data={})
    return _check(files, only or [], seed)


def _check(files: list[Path], only: list[str], seed: int) -> Result:
    from rdfia_keras.learn.student import check_files, remember

    checked, notes = check_files(files, only, seed)
    if not checked:
        raise RdfiaError(
            f"{files[0]} has none of the functions of rdfia learn; rdfia learn start writes files that have"
        )
    hint = ""
    try:
        for file in checked:
            remember(file)
    except RdfiaError as error:
        hint = f"the progress is not kept: {error}"
    verdicts = [verdict for file in checked for verdict in file.verdicts]
    right = sum(verdict.status == "right" for verdict in verdicts)
    everything = right == len(verdicts) and not any(file.problem for file in checked)
    return Result(
        data={"files": [_data(file) for file in checked], "left_out": notes, "seed": seed},
        lines=[*_lines(checked), *_left_out(notes), f"{right} of {len(verdicts)} right", *_next(checked)],
        hint=hint,
        exit_code=0 if everything else 1,
    )


def _data(checked: "CheckedFile") -> dict[str, Any]:
    return {
        "file": checked.file,
        "problem": checked.problem,
        "verdicts": [verdict.as_dict() for verdict in checked.verdicts],
    }


def _lines(checked: "list[CheckedFile]") -> list[str]:
    lines = []
    for file in checked:
        lines.append(f"{file.file}")
        if file.problem:
            lines.append(f"    It cannot be checked: {file.problem}")
        for verdict in file.verdicts:
            lines += [f"  {line}" for line in verdict.text()]
    return lines


def _left_out(notes: list[str]) -> list[str]:
    """Return the statements at the top level of the files that failed."""
    return [f"Left out, because it fails: {note}" for note in notes]


def _next(checked: "list[CheckedFile]") -> list[str]:
    """Return where the first exercise is that is not right yet."""
    for file in checked:
        for verdict in file.verdicts:
            if verdict.status != "right":
                return [f"Next: {verdict.name} in {file.file}; rdfia learn hint {verdict.name} helps"]
    return []


def _watch(files: list[Path], only: list[str], seed: int) -> None:
    """Check once, then whenever a file changes, until Ctrl-C."""
    checked: dict[Path, float] = {}
    try:
        while True:
            times = {file: file.stat().st_mtime for file in files if file.exists()}
            changed = [file for file, modified in times.items() if checked.get(file) != modified]
            if changed:
                result = _check(changed if not only else files, only, seed)
                print("\n".join([time.strftime("%H:%M:%S"), *result.lines, ""]), flush=True)
            checked = times
            time.sleep(0.3)
    except KeyboardInterrupt:
        return


def hint(
    name: Name,
    shapes: Annotated[bool, typer.Option("--shapes", help="Also show the shapes.")] = False,
) -> Result:
    """Help with one exercise: the formula, and with --shapes the shapes step by step."""
    from rdfia_keras.learn.exercises import find

    formula, steps = find(name).hints
    more = [steps] if shapes else [f"rdfia learn hint {name} --shapes gives the shapes step by step"]
    return Result(data={"exercise": name, "formula": formula, "shapes": steps}, lines=[formula, *more])


def solution(name: Name) -> Result:
    """Show our solution of one exercise."""
    from rdfia_keras.learn.exercises import find

    source = find(name).source
    return Result(data={"exercise": name, "solution": source}, lines=source.splitlines())


def run(
    options: RunOptions,
    file: MlpFile = None,
    lr: Lr = MlpConfig.lr,
    batch_size: BatchSize = MlpConfig.batch_size,
    hidden_units: Hidden = MlpConfig.hidden_units,
    epochs: Epochs = 150,
    seed: TrainingSeed = 0,
) -> Result:
    """Train the perceptron on the circles with your functions, and with ours for what is not written yet."""
    from rdfia_keras.learn.student import perceptron_file
    from rdfia_keras.sections import homework

    config = MlpConfig(lr=lr, batch_size=batch_size, hidden_units=hidden_units, epochs=epochs, seed=seed)
    return homework.run(perceptron_file(file), config, options)


def play(
    options: RunOptions,
    file: MlpFile = None,
    lr: Lr = MlpConfig.lr,
    batch_size: BatchSize = MlpConfig.batch_size,
    hidden_units: Hidden = MlpConfig.hidden_units,
    epochs: Epochs = 150,
    seed: TrainingSeed = 0,
    open_page: Annotated[bool, typer.Option("--open", help="Show the page in the browser.")] = False,
) -> Result:
    """Write the playground with the weights that your functions train."""
    from rdfia_keras.learn.student import perceptron_file
    from rdfia_keras.sections import homework

    config = MlpConfig(lr=lr, batch_size=batch_size, hidden_units=hidden_units, epochs=epochs, seed=seed)
    return homework.play(perceptron_file(file), config, options, open_page)


app = typer.Typer(
    help="Write the pieces of the homework yourself, and find out what is wrong.",
    invoke_without_command=True,
    epilog="Start with: rdfia learn start",
)
app.callback()(plain_errors(overview))
for _command in (
    Command(start, "start", None, (), ("rdfia learn start", "rdfia learn start mlp --notebook")),
    Command(check, "check", None, (), ("rdfia learn check", "rdfia learn check homework/mlp.py --only softmax")),
    Command(hint, "hint", None, (), ("rdfia learn hint softmax",)),
    Command(solution, "solution", None, (), ()),
    Command(run, "run", None, ("out", "data_dir", "quick"), ("rdfia learn run", "rdfia learn run mlp.py --lr 2")),
    Command(play, "play", None, ("out", "data_dir", "quick"), ("rdfia learn play --open",)),
    Command(grade, "grade", None, (), ("rdfia learn grade submissions/ --seed 7",)),
):
    _command.register(app)
