"""From verdicts to grades: points, the teacher's marks and comments, the sheet and the feedback."""

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rdfia_keras.errors import RdfiaError, did_you_mean
from rdfia_keras.learn.checker import RIGHT, UNWRITTEN, Verdict
from rdfia_keras.learn.exercise import VERSION
from rdfia_keras.learn.exercises import EXERCISES
from rdfia_keras.learn.gradebook import GradedSubmission
from rdfia_keras.learn.submissions import Submission
from rdfia_keras.runs.files import make_folder, write_atomic

# Of an exercise's points, the part for ordinary inputs; special cases count once those are all right.
CORE_SHARE = 0.7
# The questions of the homework, for marks that a person gives: theory, the two practical parts of the perceptron and
# the SVM, and those on convolutional networks.
HAND_GRADED_QUESTIONS = (*(f"T{i}" for i in range(1, 18)), "2.1", "2.2", *(f"Q{i}" for i in range(1, 35)))
OVERRIDES, COMMENTS = "overrides.csv", "comments.csv"


def share(verdict: Verdict) -> float:
    """Return what part of the points a verdict earns, from 0 to 1."""
    if verdict.status == RIGHT:
        return 1.0
    (core, all_core), (edge, all_edge) = verdict.core, verdict.edge
    if core < all_core:
        return CORE_SHARE * core / all_core
    return CORE_SHARE + (1 - CORE_SHARE) * edge / all_edge if all_core and all_edge else 0.0


# --- the teacher's files ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Remark:
    """A line of the teacher's on a student.

    Attributes:
        column: An exercise or a question; nothing is the submission as a whole.
        points: In place of the computed ones, or None.
        comment: For the feedback, or an empty text.
    """

    column: str
    points: float | None = None
    comment: str = ""


# By student and number.
Remarks = Mapping[tuple[str, str], Sequence[Remark]]


def read_points(path: Path | None) -> dict[str, float]:
    """Return the points of each exercise: one where a file does not say otherwise.

    Args:
        path: A CSV file with the columns exercise and points.

    Raises:
        RdfiaError: If it cannot be read, names no exercise, or one twice.
    """
    points = dict.fromkeys(EXERCISES, 1.0)
    if path is None:
        return points
    listed: set[str] = set()
    for line, row in _rows(path, ("exercise", "points")):
        name = row["exercise"]
        if name not in points:
            raise RdfiaError(f"{path}, line {line}: there is no exercise {name}: {did_you_mean(name, points)}")
        if name in listed:
            raise RdfiaError(f"{path}, line {line}: {name} is there twice: leave one out")
        listed.add(name)
        points[name] = _points(path, line, row["points"], least=0.0)
    return points


def read_remarks(folder: Path, class_: Sequence[Submission]) -> dict[tuple[str, str], list[Remark]]:
    """Return marks in overrides.csv, with student, exercise and points, and comments in comments.csv.

    Args:
        folder: It need not have either file.
        class_: The students.

    Raises:
        RdfiaError: If one cannot be read, names no student or exercise, or marks something twice.
    """
    remarks: dict[tuple[str, str], list[Remark]] = {}
    columns = (*EXERCISES, *HAND_GRADED_QUESTIONS)
    for file, value in ((OVERRIDES, "points"), (COMMENTS, "comment")):
        path = folder / file
        for line, row in _rows(path, ("student", "exercise", value)) if path.exists() else []:
            name, column = row["student"], row["exercise"]
            students = [(student.student, student.number) for student in class_]
            matching = [student for student in students if name and name in (*student, _cell(student[0]))]
            if len(matching) != 1:
                how_many = f"{len(matching)} students" if matching else "no student"
                raise RdfiaError(
                    f"{path}, line {line}: {how_many} called {name or 'nothing'}: give the name or the number as "
                    "in the sheet"
                )
            if column not in columns and (column or value == "points"):
                raise RdfiaError(f"{path}, line {line}: there is no column {column}: {did_you_mean(column, columns)}")
            before = remarks.setdefault(matching[0], [])
            if value == "comment":
                before.append(Remark(column, comment=row["comment"]))
                continue
            if any(remark.column == column for remark in before):
                raise RdfiaError(f"{path}, line {line}: {column} of {matching[0][0]} is there twice: leave one out")
            before.append(Remark(column, _points(path, line, row["points"])))
    return remarks


def _rows(path: Path, columns: tuple[str, ...]) -> list[tuple[int, dict[str, str]]]:
    """Return the rows of a CSV file with the numbers of their lines; comma or semicolon, as spreadsheets write it."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise RdfiaError(f"cannot read {path}: {getattr(error, 'strerror', None) or 'save it as UTF-8'}") from error
    first = text.partition("\n")[0]
    reader = csv.DictReader(io.StringIO(text), delimiter=";" if first.count(";") > first.count(",") else ",")
    names = [(name or "").strip().lower() for name in reader.fieldnames or []]
    reader.fieldnames = names
    if missing := [name for name in columns if name not in names]:
        raise RdfiaError(f"{path} has no column {missing[0]}: its first line should be {','.join(columns)}")
    if twice := [name for name in columns if names.count(name) > 1]:
        raise RdfiaError(f"{path} has two columns {twice[0]}: leave one out")
    try:
        return [
            (reader.line_num, {name: str(row[name] or "").strip() for name in names if name})
            for row in reader
            if any(row.values())
        ]
    except csv.Error as error:
        raise RdfiaError(f"{path} cannot be read after line {reader.line_num}: {error}") from error


def _number(text: str) -> float | None:
    """Return a finite number, with a point or a comma, or None."""
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _points(path: Path, line: int, text: str, least: float = float("-inf")) -> float:
    value = _number(text)
    if value is None or value < least:
        raise RdfiaError(f"{path}, line {line}: {text or 'nothing'} is no number of points")
    return value


# --- the sheet --------------------------------------------------------------------------------------------------------


def sheet(
    class_: Sequence[GradedSubmission], points: Mapping[str, float], remarks: Remarks, before: Path | None = None
) -> tuple[str, list[float]]:
    """Return the sheet as CSV, a row for each student, and their totals.

    Args:
        class_: In the order of the rows.
        points: Points by exercise.
        remarks: Marks of the teacher's, which win.
        before: The sheet of an earlier call: marks that somebody entered for the questions stay.

    Raises:
        RdfiaError: If `before` cannot be read, or has such marks for somebody who is not in the class.
    """
    entered = _entered_marks(before, class_)
    file, totals = io.StringIO(), []
    writer = csv.writer(file, lineterminator="\n")
    columns = (*EXERCISES, *HAND_GRADED_QUESTIONS)
    writer.writerow(["student", "number", *columns, "total", "of", "exercises version", "remarks"])
    for graded in class_:
        student = _cell(graded.student), _cell(graded.number)
        marks: dict[str, float | str] = {
            verdict.name: round(share(verdict) * points[verdict.name], 4) for verdict in graded.verdicts
        }
        marks |= entered.get(student, {})
        for remark in remarks.get((graded.student, graded.number), ()):
            if remark.points is not None:
                marks[remark.column] = remark.points
        totals.append(round(sum(mark for mark in marks.values() if isinstance(mark, float)), 4))
        cells = [f"{mark:g}" if isinstance(mark, float) else mark for mark in (marks.get(name, "") for name in columns)]
        note = " ".join(graded.problems[:3])
        if graded.copies:
            note = f"{note} Equal to our solution but for names: {', '.join(graded.copies)}.".strip()
        writer.writerow([*student, *cells, f"{totals[-1]:g}", f"{sum(points.values()):g}", VERSION, _cell(note)])
    return file.getvalue(), totals


def _entered_marks(
    path: Path | None, class_: Sequence[GradedSubmission]
) -> dict[tuple[str, str], dict[str, float | str]]:
    """Return what somebody entered for the questions in a sheet, by student and number."""
    if path is None or not path.exists():
        return {}
    try:
        rows = _rows(path, ("student", "number"))
    except RdfiaError as error:
        raise RdfiaError(f"{path} would be replaced, but is no sheet of this command: choose another --out") from error
    present = {(_cell(graded.student), _cell(graded.number)) for graded in class_}
    entered: dict[tuple[str, str], dict[str, float | str]] = {}
    for _, row in rows:
        texts = {name: row.get(name.lower(), "") for name in HAND_GRADED_QUESTIONS}
        marks = {name: text if (value := _number(text)) is None else value for name, text in texts.items() if text}
        student = row["student"], row["number"]
        if marks and student not in present:
            raise RdfiaError(
                f"{path} has marks for {student[0]}, who is not among the submissions, and they would be lost: choose "
                "another --out, or take them out"
            )
        entered[student] = marks
    return entered


def _cell(text: str) -> str:
    """Return text for a spreadsheet, which takes what begins so for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


# --- feedback ---------------------------------------------------------------------------------------------------------


def feedback(graded: GradedSubmission, points: Mapping[str, float], remarks: Remarks) -> str:
    """Return what a student reads: what `rdfia learn check` says, with points and the teacher's comments."""
    by_column: dict[str, list[Remark]] = {}
    for remark in remarks.get((graded.student, graded.number), ()):
        by_column.setdefault(remark.column, []).append(remark)
    lines = [graded.student, "", *(remark.comment for remark in by_column.get("", [])), *graded.problems]
    for verdict in graded.verdicts:
        own = by_column.get(verdict.name, [])
        marks = [remark.points for remark in own if remark.points is not None]
        earned = marks[0] if marks else share(verdict) * points[verdict.name]
        status, *details = verdict.text()
        lines += [f"{status:<36}{earned:g} of {points[verdict.name]:g}", *details]
        lines += [f"    {remark.comment}" for remark in own if remark.comment]
    for name in HAND_GRADED_QUESTIONS:
        for remark in by_column.get(name, []):
            lines.append(f"{name}: {remark.comment if remark.points is None else format(remark.points, 'g')}")
    right = sum(verdict.status == RIGHT for verdict in graded.verdicts)
    written = sum(verdict.status != UNWRITTEN for verdict in graded.verdicts)
    lines += ["", f"{right} of {len(graded.verdicts)} right, {written} written"]
    return "\n".join(lines).strip() + "\n"


def file_names(class_: Sequence[GradedSubmission]) -> list[str]:
    """Return a name for each student's feedback, without anything that means something to a file system."""
    names: list[str] = []
    for graded in class_:
        stem = re.sub(r"[^\w-]+", "-", f"{graded.student} {graded.number}".strip()).strip("-")[:80]
        # A file system counts bytes, 255 of them, and some are for a temporary name.
        stem = stem.encode()[:200].decode(errors="ignore") or "student"
        name, count = stem, 1
        while name.lower() in (other.lower() for other in names):
            count += 1
            name = f"{stem}-{count}"
        names.append(name)
    return names


def write_feedback(
    folder: Path, class_: Sequence[GradedSubmission], points: Mapping[str, float], remarks: Remarks
) -> None:
    """Write a text file for each student.

    Raises:
        RdfiaError: If the folder cannot be written.
    """
    make_folder(folder)
    for name, graded in zip(file_names(class_), class_, strict=True):
        write_atomic(folder / f"{name}.txt", feedback(graded, points, remarks).encode())
