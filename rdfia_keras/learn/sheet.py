"""From verdicts to grades: points, the teacher's marks and comments, the sheet and the feedback."""

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rdfia_keras.errors import RdfiaError, did_you_mean
from rdfia_keras.learn.checker import RIGHT, UNWRITTEN, Verdict
from rdfia_keras.learn.exercise import VERSION
from rdfia_keras.learn.exercises import EXERCISES
from rdfia_keras.learn.gradebook import GradedSubmission
from rdfia_keras.learn.submissions import Submission
from rdfia_keras.runs.files import write_atomic

# Of an exercise's points, the part for ordinary inputs; special cases count once those are all right.
CORE_SHARE = 0.7
# The questions of the homework, for marks that a person gives: theory, the two practical parts of the perceptron and
# the SVM, and those on convolutional networks.
HAND_GRADED_QUESTIONS = (*(f"T{i}" for i in range(1, 18)), "2.1", "2.2", *(f"Q{i}" for i in range(1, 35)))
OVERRIDES, COMMENTS = "overrides.csv", "comments.csv"


def share(verdict: Verdict) -> float:
    """What part of the points a verdict earns, from 0 to 1."""
    if verdict.status == RIGHT:
        return 1.0
    (core, all_core), (edge, all_edge) = verdict.core, verdict.edge
    if core < all_core:
        return CORE_SHARE * core / all_core
    return CORE_SHARE + (1 - CORE_SHARE) * edge / all_edge if all_core and all_edge else 0.0


# --- the teacher's files ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Remark:
    """A line of the teacher's.

    Attributes:
        student, number: Of whom; see `Submission`.
        column: An exercise or a question; nothing is the submission as a whole.
        points: In place of the computed ones, or None.
        comment: For the feedback, or nothing.
    """

    student: str
    number: str
    column: str
    points: float | None = None
    comment: str = ""


def read_points(path: Path | None) -> dict[str, float]:
    """The points of each exercise: one where a file does not say otherwise.

    Args:
        path: A CSV file with the columns exercise and points.

    Raises:
        RdfiaError: When it cannot be read, names no exercise, or one twice.
    """
    points = dict.fromkeys(EXERCISES, 1.0)
    seen: set[str] = set()
    for line, row in _rows(path, ("exercise", "points")) if path else []:
        name = row["exercise"]
        if name not in points:
            raise RdfiaError(f"{path}, line {line}: there is no exercise {name}: {did_you_mean(name, points)}")
        if name in seen:
            raise RdfiaError(f"{path}, line {line}: {name} is there twice: leave one out")
        seen.add(name)
        points[name] = _number(path, line, row["points"], least=0.0)
    return points


def read_remarks(folder: Path, class_: Sequence[Submission]) -> list[Remark]:
    """Marks in overrides.csv, with student, exercise and points, and comments in comments.csv; neither need be there.

    Raises:
        RdfiaError: When one cannot be read, names no student or exercise, or marks something twice.
    """
    remarks: list[Remark] = []
    for file, value in ((OVERRIDES, "points"), (COMMENTS, "comment")):
        path = folder / file
        for line, row in _rows(path, ("student", "exercise", value)) if path.exists() else []:
            student, column = row["student"], row["exercise"]
            columns = (*EXERCISES, *HAND_GRADED_QUESTIONS)
            matching = [one for one in class_ if _is_called(one, student)]
            if len(matching) != 1:
                how_many = f"{len(matching)} students" if matching else "no student"
                raise RdfiaError(
                    f"{path}, line {line}: {how_many} called {student or 'nothing'}: give the name or the number as "
                    "in the sheet"
                )
            if column not in columns and (column or value == "points"):
                raise RdfiaError(f"{path}, line {line}: there is no column {column}: {did_you_mean(column, columns)}")
            points = _number(path, line, row["points"]) if value == "points" else None
            student = matching[0].student
            if points is not None and any((one.student, one.column) == (student, column) for one in remarks):
                raise RdfiaError(f"{path}, line {line}: {column} of {student} is there twice: leave one out")
            number = matching[0].number
            comment = row["comment"] if value == "comment" else ""
            remarks.append(Remark(student, number, column, points, comment))
    return remarks


def _is_called(one: Submission, text: str) -> bool:
    """Whether a name or number, also as the sheet writes it, is this student's."""
    return bool(text) and text in (one.student, _cell(one.student), one.number)


def _rows(path: Path, columns: tuple[str, ...]) -> list[tuple[int, dict[str, str]]]:
    """The rows of a CSV file with the numbers of their lines; comma or semicolon, as spreadsheets write it."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise RdfiaError(f"cannot read {path}: {getattr(error, 'strerror', None) or 'save it as UTF-8'}") from error
    head = text.partition("\n")[0]
    reader = csv.DictReader(io.StringIO(text), delimiter=";" if head.count(";") > head.count(",") else ",")
    found = [(name or "").strip().lower() for name in reader.fieldnames or []]
    reader.fieldnames = found
    if missing := [name for name in columns if name not in found]:
        raise RdfiaError(f"{path} has no column {missing[0]}: its first line should be {','.join(columns)}")
    if twice := [name for name in columns if found.count(name) > 1]:
        raise RdfiaError(f"{path} has two columns {twice[0]}: leave one out")
    try:
        return [
            (reader.line_num, {name: str(row[name] or "").strip() for name in found if name})
            for row in reader
            if any(row.values())
        ]
    except csv.Error as error:
        raise RdfiaError(f"{path} cannot be read after line {reader.line_num}: {error}") from error


def _number(path: Path | None, line: int, text: str, least: float = float("-inf")) -> float:
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        value = float("nan")
    if not least <= value < float("inf"):
        raise RdfiaError(f"{path}, line {line}: {text or 'nothing'} is no number of points")
    return value


# --- the sheet --------------------------------------------------------------------------------------------------------


def _remarks_of(graded: GradedSubmission, remarks: Sequence[Remark]) -> list[Remark]:
    return [one for one in remarks if (one.student, one.number) == (graded.student, graded.number)]


def sheet(
    class_: Sequence[GradedSubmission],
    points: Mapping[str, float],
    remarks: Sequence[Remark],
    before: Path | None = None,
) -> tuple[str, list[float]]:
    """The sheet as CSV, a row for each student, and their totals.

    Args:
        class_: In the order of the rows.
        points: Of each exercise.
        remarks: Marks of the teacher's, which win.
        before: The sheet of an earlier call: marks that somebody entered for the questions are kept.

    Raises:
        RdfiaError: When `before` cannot be read, or has such marks for somebody who is not in the class.
    """
    kept = _entered(before)
    _all_there(kept, class_, before)
    file, totals = io.StringIO(), []
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(
        ["student", "number", *EXERCISES, *HAND_GRADED_QUESTIONS, "total", "of", "exercises version", "remarks"]
    )
    for graded in class_:
        cells: dict[str, float | str] = {one.name: round(share(one) * points[one.name], 4) for one in graded.verdicts}
        cells |= kept.get((_cell(graded.student), _cell(graded.number)), {})
        cells |= {
            one.column: one.points for one in _remarks_of(graded, remarks) if one.points is not None and one.column
        }
        marks = [cells.get(name, "") for name in (*EXERCISES, *HAND_GRADED_QUESTIONS)]
        total = round(sum(mark for mark in marks if isinstance(mark, float)), 4)
        totals.append(total)
        most = sum(points.values())
        writer.writerow(
            [
                _cell(graded.student),
                _cell(graded.number),
                *(f"{mark:g}" if isinstance(mark, float) else mark for mark in marks),
                f"{total:g}",
                f"{most:g}",
                VERSION,
                _cell(" ".join(_told(graded))),
            ]
        )
    return file.getvalue(), totals


def _entered(path: Path | None) -> dict[tuple[str, str], dict[str, float | str]]:
    """What somebody entered for the questions in a sheet, by student and number."""
    if path is None or not path.exists():
        return {}
    entered = {}
    try:
        rows = _rows(path, ("student", "number"))
    except RdfiaError as error:
        raise RdfiaError(f"{path} would be replaced, but is no sheet of this command: choose another --out") from error
    for _, row in rows:
        marks: dict[str, float | str] = {}
        for name in HAND_GRADED_QUESTIONS:
            if text := row.get(name.lower(), ""):
                marks[name] = text
                with suppress(ValueError):
                    value = float(text.replace(",", "."))
                    marks[name] = value if math.isfinite(value) else text
        entered[row["student"], row["number"]] = marks
    return entered


def _all_there(
    entered: Mapping[tuple[str, str], object], class_: Sequence[GradedSubmission], path: Path | None
) -> None:
    present = {(_cell(one.student), _cell(one.number)) for one in class_}
    if gone := [who for who, marks in entered.items() if marks and who not in present]:
        raise RdfiaError(
            f"{path} has marks for {gone[0][0]}, who is not among the submissions, and they would be lost: choose "
            "another --out, or take them out"
        )


def _told(graded: GradedSubmission) -> list[str]:
    """What a teacher should look at in a submission."""
    told = list(graded.problems[:3])
    if graded.copies:
        told.append(f"Equal to our solution but for names: {', '.join(graded.copies)}.")
    return told


def _cell(text: str) -> str:
    """Text for a spreadsheet, which takes what begins so for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def feedback(graded: GradedSubmission, points: Mapping[str, float], remarks: Sequence[Remark]) -> str:
    """What a student reads: what `rdfia learn check` says of each exercise, with points and the teacher's comments."""
    mine = _remarks_of(graded, remarks)
    lines = [graded.student, "", *(one.comment for one in mine if not one.column and one.comment)]
    lines += list(graded.problems)
    for verdict in graded.verdicts:
        marks = [one.points for one in mine if one.column == verdict.name and one.points is not None]
        earned = marks[-1] if marks else share(verdict) * points[verdict.name]
        status, *told = verdict.text()
        lines.append(f"{status:<36}{earned:g} of {points[verdict.name]:g}")
        lines += told
        lines += [f"    {one.comment}" for one in mine if one.column == verdict.name and one.comment]
    for name in HAND_GRADED_QUESTIONS:
        given = [one for one in mine if one.column == name]
        lines += [f"{name}: {one.points:g}" for one in given if one.points is not None]
        lines += [f"{name}: {one.comment}" for one in given if one.comment]
    right = sum(one.status == RIGHT for one in graded.verdicts)
    written = sum(one.status != UNWRITTEN for one in graded.verdicts)
    lines += ["", f"{right} of {len(graded.verdicts)} right, {written} written"]
    return "\n".join(lines).strip() + "\n"


def file_names(class_: Sequence[GradedSubmission]) -> list[str]:
    """A name for each student's feedback, without anything that means something to a file system."""
    names: list[str] = []
    for graded in class_:
        stem = re.sub(r"[^\w-]+", "-", f"{graded.student} {graded.number}".strip()).strip("-")[:80]
        # A file system counts bytes, 255 of them, and some are for a temporary name.
        stem = stem.encode()[:200].decode(errors="ignore") or "student"
        name, count = stem, 1
        while name.lower() in (known.lower() for known in names):
            count += 1
            name = f"{stem}-{count}"
        names.append(name)
    return names


def write_feedback(
    folder: Path, class_: Sequence[GradedSubmission], points: Mapping[str, float], remarks: Sequence[Remark]
) -> None:
    """Write a text file for each student.

    Raises:
        RdfiaError: When the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RdfiaError(f"cannot make {folder}: {error.strerror}; choose another --out") from error
    for name, graded in zip(file_names(class_), class_, strict=True):
        write_atomic(folder / f"{name}.txt", feedback(graded, points, remarks).encode())
