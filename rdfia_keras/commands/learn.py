"""`rdfia learn`: the exercises of the homework, with start, check, hint and solution; run, play and grade are apart."""

import itertools
import time
from dataclasses import asdict
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rdfia_keras.commands._options import Debug, Json, PlainGroup, command
from rdfia_keras.commands._output import plain_errors, show
from rdfia_keras.commands.grade import grade
from rdfia_keras.commands.learn_play import play
from rdfia_keras.commands.learn_run import run
from rdfia_keras.errors import ConfigError, RdfiaError, choose, in_any_case
from rdfia_keras.result import Result

if TYPE_CHECKING:
    from rdfia_keras.learn.student import CheckedFile

Seed = Annotated[int, typer.Option(help="Decides the inputs.", min=0)]
Name = Annotated[str, typer.Argument(help="An exercise, as rdfia learn lists them.", metavar="NAME")]
Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="NAME", help="Check this function or part; a,b or repeat it for more."),
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
    from rdfia_keras.learn.student import folder_of, part_files, statuses

    if folder is not None and not folder.is_dir():
        raise RdfiaError(f"there is no folder {folder}: rdfia learn start writes the files")
    folder = folder_of(folder)
    status_of, files = statuses(folder), part_files(folder)
    rows = [
        {
            "exercise": exercise.name,
            "question": exercise.question,
            "file": files.get(exercise.part, Path(f"{exercise.part}.py")).name,
            "status": status_of[exercise.name],
        }
        for exercise in EXERCISES.values()
    ]
    lines = [f"{sum(row['status'] == 'right' for row in rows)} of {len(rows)} right."]
    if all(row["status"] == "no file yet" for row in rows):
        lines.append("Next: rdfia learn start writes the files with the functions to fill in.")
    else:
        lines += [f"Next: {text}" for text in _first_unsolved(rows, folder)]
    show(Result(data={"exercises": rows, "folder": folder}, table=rows, lines=lines), json)


def _first_unsolved(rows: list[dict[str, str]], folder: Path) -> list[str]:
    """Return where to go on, nothing where all exercises are right."""
    row = next((row for row in rows if row["status"] != "right"), None)
    if row is None:
        return []
    file = folder / row["file"]
    return [f"{row['exercise']} in {file}, then rdfia learn check {file}"]


@command(options=(), examples=("rdfia learn start", "rdfia learn start mlp --notebook"))
def start(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TOPIC]... [DIR]",
            help="mlp, mlp_keras, svm, conv, conv_keras or training, and where the files go.",
            show_default="all topics, in homework/",
        ),
    ] = None,
    notebook: Annotated[
        bool, typer.Option("--notebook", help="Write notebooks, whose cells check themselves.")
    ] = False,
) -> Result:
    """Write the files with the functions to fill in. A file that is there already is left as it is."""
    from rdfia_keras.learn import skeletons
    from rdfia_keras.learn.exercises import of_part
    from rdfia_keras.learn.student import statuses

    parts, folder = _topics_and_folder(names or [])
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
    following = [f"{first}: {then}"]
    if not any(new for _, new in paths.values()):
        status_of = statuses(folder)
        rows = [
            {"exercise": exercise.name, "file": path.name, "status": status_of[exercise.name]}
            for part, (path, _) in paths.items()
            for exercise in of_part(part)
        ]
        following = _first_unsolved(rows, folder) or ["rdfia learn run trains with your functions."]
    return Result(
        data={"files": {str(path): "written" if new else "kept" for path, new in paths.values()}},
        lines=[*lines, *(f"Next: {text}" for text in following)],
    )


def _topics_and_folder(names: list[str]) -> tuple[list[str], Path]:
    """Return the topics among names, all where there are none, and the folder, which comes last."""
    from rdfia_keras.learn.exercises import PARTS, of_part

    names = [name if Path(name).exists() else in_any_case(name, PARTS) for name in names]
    topics, last = (names, "") if not names or names[-1] in PARTS else (names[:-1], names[-1])
    # A name like a topic's is a slip, unless there is such a folder.
    if last and not topics and "/" not in last and not Path(last).exists() and get_close_matches(last, PARTS):
        topics = names
    for topic in topics:
        of_part(topic)
    return list(dict.fromkeys(topics)) or list(PARTS), Path(last or "homework")


@command(options=(), examples=("rdfia learn check", "rdfia learn check softmax", "rdfia learn check homework/mlp.py"))
def check(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE]...",
            help="Files, a folder, or exercises.",
            show_default="the files here, else in homework/",
        ),
    ] = None,
    only: Only = None,
    watch: Watch = False,
    seed: Seed = 0,
) -> Result:
    """Check your functions: right, not written yet, or wrong and how. The exit code is 0 when all are right."""
    from rdfia_keras.learn.exercises import EXERCISES, listed
    from rdfia_keras.learn.student import folder_of, part_files, student_files

    exercises = [name for name in names or [] if in_any_case(name, EXERCISES) in EXERCISES and not Path(name).exists()]
    for name in names or []:
        # A word without a folder and an ending; before rdfia learn start it may be the folder of the files to come.
        if not ("/" in name or "." in name or Path(name).exists()) and part_files(folder_of(None)):
            choose("exercise or file", name, EXERCISES, "rdfia learn lists them")
    places: list[Path | None] = [Path(name) for name in names or [] if name not in exercises]
    exercises += listed(only or [])
    files = list(dict.fromkeys(file for place in places or [None] for file in student_files(place)))
    if len({file.parent for file in files}) > 1:
        raise ConfigError("these files are in different folders: check one folder at a time")
    if watch:
        _watch(files, exercises, seed)
        return Result(data={})
    return _check(files, exercises, seed)


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
            *notes,
            *([f"{right} of {len(verdicts)} right"] if verdicts else []),
            *_next(checked),
        ],
        hint=hint,
        exit_code=0 if everything else 1,
    )


def _lines(file: "CheckedFile") -> list[str]:
    problem = [f"    It cannot be checked: {file.problem}"] if file.problem else []
    return [str(file.file), *problem, *(f"  {line}" for verdict in file.verdicts for line in verdict.text())]


def _next(checked: "list[CheckedFile]") -> list[str]:
    """Return where the first exercise is that is not right yet, among those checked and then beside them."""
    from rdfia_keras.learn.exercises import EXERCISES
    from rdfia_keras.learn.student import part_files, statuses

    for file in checked:
        for verdict in file.verdicts:
            if verdict.status != "right":
                return [f"Next: {verdict.name} in {file.file}; rdfia learn hint {verdict.name} helps"]
    if any(file.problem for file in checked):
        return []
    folder = checked[0].file.parent
    seen = {verdict.name for file in checked for verdict in file.verdicts}
    left = [name for name, status in statuses(folder).items() if name not in seen and status != "right"]
    if not left:
        return ["Next: rdfia learn run trains with your functions."]
    part = EXERCISES[left[0]].part
    where = part_files(folder).get(part)
    return [f"Next: {left[0]} in {where}" if where else f"Next: {left[0]}; rdfia learn start {part} writes its file"]


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
for _command in (start, check, hint, solution, run, play, grade):
    _command.register(app)
