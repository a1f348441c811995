"""`rdfia learn`: the exercises of the homework, with start, check, hint and solution; run, play and grade are apart."""

import itertools
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rdfia_keras.commands._options import Debug, Json, PlainGroup, command, command_of
from rdfia_keras.commands._output import plain_errors, show
from rdfia_keras.commands.grade import grade
from rdfia_keras.commands.learn_play import play
from rdfia_keras.commands.learn_run import run
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


@command(options=(), examples=("rdfia learn start", "rdfia learn start mlp --notebook"))
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


@command(options=(), examples=("rdfia learn check", "rdfia learn check homework/mlp.py --only softmax"))
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
        data={
            "files": [
                {"file": file.file, "problem": file.problem, "verdicts": list(map(asdict, file.verdicts))}
                for file in checked
            ],
            "left_out": notes,
            "seed": seed,
        },
        lines=[
            *itertools.chain.from_iterable(map(_lines, checked)),
            *(f"Left out, because it fails: {note}" for note in notes),
            f"{right} of {len(verdicts)} right",
            *_next(checked),
        ],
        hint=hint,
        exit_code=0 if everything else 1,
    )


def _lines(file: "CheckedFile") -> list[str]:
    problem = [f"    It cannot be checked: {file.problem}"] if file.problem else []
    return [str(file.file), *problem, *(f"  {line}" for verdict in file.verdicts for line in verdict.text())]


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


@command(options=(), examples=("rdfia learn hint softmax",))
def hint(
    name: Name,
    shapes: Annotated[bool, typer.Option("--shapes", help="Also show the shapes.")] = False,
) -> Result:
    """Show a hint for one exercise: the formula, and with --shapes the shapes step by step."""
    from rdfia_keras.learn.exercises import find

    formula, steps = find(name).hints
    more = [steps] if shapes else [f"rdfia learn hint {name} --shapes gives the shapes step by step"]
    return Result(data={"exercise": name, "formula": formula, "shapes": steps}, lines=[formula, *more])


@command(options=(), examples=("rdfia learn solution softmax",))
def solution(name: Name) -> Result:
    """Show our solution of one exercise."""
    from rdfia_keras.learn.exercises import find

    source = find(name).source
    return Result(data={"exercise": name, "solution": source}, lines=source.splitlines())


app = typer.Typer(
    help="Write the pieces of the homework yourself, and find out what is wrong.",
    invoke_without_command=True,
    cls=PlainGroup,
    epilog="Start with: rdfia learn start",
)
app.callback()(plain_errors(overview))
for _function in (start, check, hint, solution, run, play, grade):
    command_of(_function).register(app)
