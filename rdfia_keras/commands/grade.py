"""`rdfia learn grade`: mark a class."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rdfia_keras.commands._options import command
from rdfia_keras.errors import RdfiaError
from rdfia_keras.result import Result

if TYPE_CHECKING:
    from rdfia_keras.learn.gradebook import GradedSubmission

Submissions = Annotated[
    Path,
    typer.Argument(metavar="SUBMISSIONS", help="A folder or archive with a folder, file or archive for each student."),
]
Sheet = Annotated[Path, typer.Option("--out", help="The sheet; feedback and overview go beside it.", dir_okay=False)]
Seed = Annotated[int, typer.Option(help="Decides the inputs; keep it to yourself.", min=0)]
Points = Annotated[
    Path | None,
    typer.Option("--points", help="A CSV file with exercise,points.", show_default="one point an exercise"),
]
Trusted = Annotated[bool, typer.Option("--trusted", help="Run submissions with limits, but without isolation.")]


@command(options=(), examples=("rdfia learn grade submissions/ --seed 7",))
def grade(
    submissions: Submissions,
    grades: Sheet = Path("grades.csv"),
    seed: Seed = 0,
    points: Points = None,
    trusted: Trusted = False,
) -> Result:
    """Grade a class: a sheet, a feedback for each student, and an overview. What has not changed is not run again."""
    if sys.platform == "win32":
        raise RdfiaError("grading needs Linux, or macOS with --trusted: use the container that docs/teach.md gives")
    from rdfia_keras.learn import gradebook, sheet
    from rdfia_keras.learn.submissions import read_class
    from rdfia_keras.plots import class_bars, save
    from rdfia_keras.runs.files import write_atomic

    _check_out(grades, submissions, points)
    folder = grades.parent
    exercise_points = sheet.read_points(points)
    class_ = read_class(submissions)
    remarks = sheet.read_remarks(folder, class_)
    results = folder / gradebook.RESULTS
    graded = gradebook.grade_class(class_, results, seed=seed, isolated=not trusted, report=_report)
    table, totals = sheet.sheet(graded, exercise_points, remarks, grades)
    write_atomic(grades, table.encode())
    sheet.write_feedback(folder / "feedback", graded, exercise_points, remarks)
    rows = gradebook.overview(graded)
    picture, page = folder / "overview.png", folder / "overview.html"
    save(class_bars([(row.name, row.right, row.wrong, row.unwritten) for row in rows]), picture)
    most = sum(exercise_points.values())
    write_atomic(page, gradebook.overview_page(graded, totals, most, picture.name).encode())
    mean = sum(totals) / len(totals)
    return Result(
        data={
            "students": [
                {"student": submission.student, "number": submission.number, "total": total}
                for submission, total in zip(graded, totals, strict=True)
            ],
            "of": most,
            "seed": seed,
            "isolated": not trusted,
        },
        lines=[f"{len(graded)} submissions, {mean:.1f} of {most:g} points on average"],
        paths=[grades, folder / "feedback", picture, page],
    )


def _check_out(grades: Path, submissions: Path, points: Path | None) -> None:
    """Refuse a sheet that would replace another file, or be taken for a submission the next time."""
    reserved = ("overrides.csv", "comments.csv", "overview.html", "overview.png")
    if grades.name in reserved or (points and grades.resolve() == points.resolve()):
        raise RdfiaError(f"--out {grades} is the name of another file: choose another one, such as grades.csv")
    if submissions.is_dir() and grades.resolve().is_relative_to(submissions.resolve()):
        raise RdfiaError(f"--out {grades} lies among the submissions: choose another folder for it")


def _report(graded: "GradedSubmission", number: int, of: int) -> None:
    right = sum(verdict.status == "right" for verdict in graded.verdicts)
    print(f"{number} of {of}: {graded.student}: {right} right", file=sys.stderr, flush=True)
