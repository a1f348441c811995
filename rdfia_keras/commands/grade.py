"""`rdfia learn grade`: mark a class."""

import sys
from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rdfia_keras.commands._options import command
from rdfia_keras.errors import ConfigError, RdfiaError
from rdfia_keras.result import Result

if TYPE_CHECKING:
    from rdfia_keras.learn.gradebook import GradedSubmission

Submissions = Annotated[
    Path,
    typer.Argument(metavar="SUBMISSIONS", help="A folder or archive with a folder, file or archive for each student."),
]
Sheet = Annotated[Path, typer.Option("--out", help="The sheet; feedback and overview go beside it.", dir_okay=False)]
Seed = Annotated[
    int | None,
    typer.Option(help="Decides the inputs; keep it to yourself.", min=0, show_default="drawn once, then kept"),
]
Only = Annotated[
    list[str] | None,
    typer.Option(
        "--only", metavar="NAME", help="Count this exercise or part; a,b or repeat it for more.", show_default="all"
    ),
]
Points = Annotated[
    Path | None,
    typer.Option(
        "--points", help="A CSV file with the columns exercise and points.", show_default="one point an exercise"
    ),
]
Trusted = Annotated[bool, typer.Option("--trusted", help="Run submissions with limits, but without isolation.")]


@command(options=(), examples=("rdfia learn grade submissions/ --seed 7",))
def grade(
    submissions: Submissions,
    grades: Sheet = Path("grades.csv"),
    seed: Seed = None,
    points: Points = None,
    only: Only = None,
    trusted: Trusted = False,
) -> Result:
    """Grade a class: a sheet, a feedback for each student, and an overview. What has not changed is not run again."""
    if sys.platform == "win32":
        raise RdfiaError("grading needs Linux, or macOS with --trusted: use the container that docs/teach.md gives")
    from rdfia_keras.learn import gradebook, sheet
    from rdfia_keras.learn.exercises import listed
    from rdfia_keras.learn.submissions import read_class
    from rdfia_keras.plots import class_bars, save
    from rdfia_keras.runs.files import write_atomic

    _check_out(grades, submissions, points)
    folder, results = grades.parent, grades.parent / gradebook.RESULTS
    counted = sheet.read_points(points, listed(only or []))
    class_ = read_class(submissions)
    remarks = sheet.read_remarks(folder, class_)
    seed = gradebook.seed_of(results, seed)
    report = partial(_report, counted)
    graded = gradebook.grade_class(class_, results, seed=seed, isolated=not trusted, report=report)
    graded = gradebook.restrict(graded, counted)
    marks = sheet.write_sheet(grades, results, graded, counted, remarks)
    sheet.write_feedback(folder / "feedback", marks, counted)
    picture, page = folder / "overview.png", folder / "overview.html"
    rows = gradebook.overview(graded)
    save(class_bars([(row.name, row.right, row.wrong, row.unwritten) for row in rows]), picture)
    most, totals = sum(counted.values()), [own.exercises for own in marks]
    write_atomic(page, gradebook.overview_page(graded, totals, most, picture.name).encode())
    return Result(
        data={"students": sheet.as_rows(marks), "of": most, "seed": seed, "isolated": not trusted},
        lines=[
            gradebook.average(totals, most),
            f"The inputs are those of seed {seed}; it is kept in {results}.",
            *sheet.too_high(remarks, counted),
            *sheet.no_numbers(marks),
            *([] if any(own.has_questions for own in marks) else [_next(grades)]),
        ],
        paths=[grades, folder / "feedback", picture, page],
    )


def _next(grades: Path) -> str:
    return (
        f"To mark the questions too, enter the marks in {grades}, save it, and run the same command again: the "
        "feedback then has them."
    )


def _check_out(grades: Path, submissions: Path, points: Path | None) -> None:
    """Refuse a sheet that would replace another file, or be taken for a submission the next time."""
    reserved = ("overrides.csv", "comments.csv", "overview.html", "overview.png")
    if grades.name in reserved or (points and grades.resolve() == points.resolve()):
        raise ConfigError(f"--out {grades} is the name of another file: choose another one, such as grades.csv")
    if grades.suffix.lower() in (".xlsx", ".xls", ".ods", ".numbers"):
        raise ConfigError(
            f"--out {grades}: the sheet is CSV, which every spreadsheet opens: choose a name like grades.csv"
        )
    if submissions.is_dir() and grades.resolve().is_relative_to(submissions.resolve()):
        raise ConfigError(f"--out {grades} lies among the submissions: choose another folder for it")


def _report(counted: Collection[str], graded: "GradedSubmission", number: int, of: int) -> None:
    right = sum(verdict.status == "right" for verdict in graded.verdicts if verdict.name in counted)
    print(f"{number} of {of}: {graded.student}: {right} of {len(counted)} right", file=sys.stderr, flush=True)
