"""From verdicts to grades: points, the teacher's marks and comments, the sheet and the feedback."""

import csv
import io
import json
import math
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rdfia_keras.errors import RdfiaError, did_you_mean
from rdfia_keras.learn.checker import RIGHT, UNWRITTEN, Verdict
from rdfia_keras.learn.exercise import VERSION
from rdfia_keras.learn.exercises import EXERCISES, find
from rdfia_keras.learn.gradebook import RESULTS, GradedSubmission
from rdfia_keras.learn.submissions import Submission
from rdfia_keras.runs.files import make_folder, write_atomic

# Of an exercise's points, the part for ordinary inputs; special cases count once those are all right.
CORE_SHARE = 0.7
# The questions of the homework, for marks that a person gives: theory, the two practical parts of the perceptron and
# the SVM, and those on convolutional networks.
HAND_GRADED_QUESTIONS = (*(f"T{i}" for i in range(1, 18)), "2.1", "2.2", *(f"Q{i}" for i in range(1, 35)))
# How months begin in English, French, German, Spanish and Italian.
_MONTHS = (
    "jan feb mar apr may jun jul aug sep oct nov dec "
    "fév avr mai jui aoû déc mär okt dez ene abr ago dic gen mag giu lug set ott"
)
_MONTH_AND_NUMBER = re.compile(rf"\b({_MONTHS.replace(' ', '|')})\w*\.?[\s-]+\d", re.IGNORECASE)
OVERRIDES, COMMENTS = "overrides.csv", "comments.csv"
# The other columns of the sheet; whatever else it has is the teacher's own.
BEFORE, AFTER = ("student", "number"), ("exercises", "of", "questions", "total", "exercises version", "remarks")


def share(verdict: Verdict) -> float:
    """Return what part of the points a verdict earns, from 0 to 1."""
    if verdict.status == RIGHT:
        return 1.0
    (core, all_core), (edge, all_edge) = verdict.core, verdict.edge
    if core < all_core:
        return CORE_SHARE * core / all_core
    return CORE_SHARE + (1 - CORE_SHARE) * edge / all_edge if all_core and all_edge else 0.0


# --- the teacher's files ----------------------------------------------------------------------------------------------


# Name and number.
Student = tuple[str, str]


@dataclass(frozen=True)
class Remarks:
    """The teacher's lines on students, by exercise or question.

    Attributes:
        points: In place of the computed ones.
        comments: For the feedback; those without an exercise are on the submission as a whole.
    """

    points: dict[Student, dict[str, float]] = field(default_factory=lambda: defaultdict(dict))
    comments: dict[Student, dict[str, list[str]]] = field(default_factory=lambda: defaultdict(dict))


def read_points(path: Path | None, only: Sequence[str] = ()) -> dict[str, float]:
    """Return the points of each exercise that counts: one where a file does not say otherwise.

    Args:
        path: A CSV file with the columns exercise and points.
        only: The exercises that count; all of them if there is none.

    Raises:
        RdfiaError: If the file cannot be read, names no exercise, or one twice.
        ConfigError: If `only` names none.
    """
    counted = [find(name).name for name in only] or EXERCISES
    points = dict.fromkeys(EXERCISES, 1.0)
    listed: set[str] = set()
    if path is not None:
        for line, row in _rows(path, ("exercise", "points")):
            name = row["exercise"]
            if name not in points:
                raise RdfiaError(f"{path}, line {line}: there is no exercise {name}: {did_you_mean(name, points)}")
            if name in listed:
                raise RdfiaError(f"{path}, line {line}: {name} is there twice: leave one out")
            listed.add(name)
            points[name] = _points(path, line, row["points"], least=0.0)
    return {name: value for name, value in points.items() if name in counted}


def read_remarks(folder: Path, class_: Sequence[Submission]) -> Remarks:
    """Return marks in overrides.csv, with student, exercise and points, and comments in comments.csv.

    Args:
        folder: It need not have either file.
        class_: The students.

    Raises:
        RdfiaError: If one cannot be read, names no student or exercise, or marks something twice.
    """
    remarks = Remarks()
    columns = (*EXERCISES, *HAND_GRADED_QUESTIONS)
    for file, value in ((OVERRIDES, "points"), (COMMENTS, "comment")):
        path = folder / file
        for line, row in _rows(path, ("student", "exercise", value)) if path.exists() else []:
            name, column = row["student"], row["exercise"]
            students = [(each.student, each.number) for each in class_]
            matching = [student for student in students if name and name in (*student, _cell(student[0]))]
            if len(matching) != 1:
                how_many = f"{len(matching)} students" if matching else "no student"
                raise RdfiaError(
                    f"{path}, line {line}: {how_many} called {name or 'nothing'}: give the name or the number as "
                    "in the sheet"
                )
            if column not in columns and (column or value == "points"):
                raise RdfiaError(f"{path}, line {line}: there is no column {column!r}: {did_you_mean(column, columns)}")
            (student,) = matching
            if value == "comment":
                remarks.comments[student].setdefault(column, []).extend(filter(None, [row["comment"]]))
            elif column in remarks.points[student]:
                raise RdfiaError(f"{path}, line {line}: {column} of {student[0]} is there twice: leave one out")
            else:
                remarks.points[student][column] = _points(path, line, row["points"])
    return remarks


def _rows(path: Path, columns: tuple[str, ...]) -> list[tuple[int, dict[str, str]]]:
    """Return the rows of a CSV file of the teacher's, with the numbers of their lines."""
    table = _read_table(path)
    names = [name.strip().lower() for name in table.header]
    if missing := [name for name in columns if name not in names]:
        raise RdfiaError(f"{path} has no column {missing[0]}: its first line should be {','.join(columns)}")
    if twice := [name for name in columns if names.count(name) > 1]:
        raise RdfiaError(f"{path} has two columns {twice[0]}: leave one out")
    return [
        (line, {name: cell.strip() for name, cell in zip(names, row, strict=True) if name}) for line, row in table.rows
    ]


@dataclass(frozen=True)
class _Table:
    """A CSV file: its first line, the numbers and cells of the others, and what stands between the cells."""

    header: list[str]
    rows: list[tuple[int, list[str]]]
    delimiter: str


def _read_table(path: Path) -> _Table:
    """Return a CSV file as any spreadsheet saves it.

    Raises:
        RdfiaError: If it cannot be read.
    """
    try:
        text = _decoded(path.read_bytes()).replace("\r\n", "\n").replace("\r", "\n")
    except (OSError, UnicodeDecodeError) as error:
        raise RdfiaError(f"cannot read {path}: {getattr(error, 'strerror', None) or 'save it as UTF-8'}") from error
    said = re.match(r'sep=([^"\n])\n', text)
    text = text[said.end() :] if said else text
    first = text.lstrip("\n").partition("\n")[0]
    try:
        columns = {mark: len(next(csv.reader([first], delimiter=mark), [])) for mark in ",;\t|"}
    except csv.Error as error:
        raise RdfiaError(f"{path} cannot be read in its first line: {error}") from error
    delimiter = said[1] if said else max(columns, key=lambda mark: columns[mark])
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        lines = [(reader.line_num, row) for row in reader if any(row)]
    except csv.Error as error:
        raise RdfiaError(f"{path} cannot be read after line {reader.line_num - 1}: {error}") from error
    header = lines[0][1] if lines else []
    width = len(header)
    return _Table(header, [(line, [*row, *[""] * width][:width]) for line, row in lines[1:]], delimiter)


def _decoded(data: bytes) -> str:
    """Return text of an unknown encoding: Unicode, or else that of Windows or of the Mac in Western Europe."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16")
    if b"\0" in data[:4]:
        return data.decode("utf-16-le" if data[1:2] == b"\0" else "utf-16-be")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        # The same byte is a letter of a name in one, and a sign that no name has in the other.
        texts = [data.decode(encoding, errors="replace") for encoding in ("cp1252", "mac_roman")]
        return max(texts, key=lambda text: sum(char in "àâäáãåçèéêëìíîïñòóôöøùúûüßæœÀÂÄÅÇÈÉÊÎÔÖØÙÜ" for char in text))


def _number(text: str) -> float | None:
    """Return a finite number, with a point or a comma, also after a spreadsheet's apostrophe, or None."""
    try:
        value = float(text.strip().removeprefix("'").replace(",", "."))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _points(path: Path, line: int, text: str, least: float = float("-inf")) -> float:
    value = _number(text)
    if value is None or value < least:
        raise RdfiaError(f"{path}, line {line}: {text or 'nothing'} is no number of points")
    return value


def too_high(remarks: Remarks, points: Mapping[str, float]) -> list[str]:
    """Return a sentence for each mark in overrides.csv that is above the points of its exercise."""
    return [
        f"{OVERRIDES}: {student} has {mark:g} for {column}, which gives {points[column]:g} at most."
        for (student, _), given in remarks.points.items()
        for column, mark in given.items()
        if mark > points.get(column, math.inf)
    ]


def no_numbers(marks: Sequence["Marks"]) -> list[str]:
    """Return a sentence for each text that stands in place of a student's marks."""
    columns: dict[tuple[str, str], list[str]] = defaultdict(list)
    for own in marks:
        for name, mark in own.all.items():
            if isinstance(mark, str):
                columns[own.graded.student, mark].append(name)
    return [
        f"{student} has {text!r} for {', '.join(names)}, which is no number and counts 0."
        for (student, text), names in columns.items()
    ]


# --- the sheet --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Earlier:
    """What a teacher's spreadsheet has saved.

    Attributes:
        marks: Marks entered for questions and in place of computed points, by student and number.
        own: The teacher's own columns, and their cells by student and number.
        cells: See `own`.
        delimiter: What stands between the cells.
        decimal: The decimal mark.
    """

    marks: Mapping[Student, Mapping[str, float | str]] = field(default_factory=dict)
    own: Sequence[str] = ()
    cells: Mapping[Student, Sequence[str]] = field(default_factory=dict)
    delimiter: str = ","
    decimal: str = "."


@dataclass(frozen=True)
class Marks:
    """A student's marks: numbers, or a text that counts nothing.

    Attributes:
        graded: The student's submission.
        computed: The points of each exercise that counts.
        all: Those and the questions', with what the teacher gives in their place.
        comments: The teacher's; see `Remarks`.
    """

    graded: GradedSubmission
    computed: Mapping[str, float]
    all: Mapping[str, float | str]
    comments: Mapping[str, Sequence[str]]

    @property
    def student(self) -> Student:
        """Whose they are."""
        return self.graded.student, self.graded.number

    def sum(self, columns: Sequence[str]) -> float:
        """Return the sum of the numbers in some columns."""
        return round(sum(mark for name in columns if isinstance(mark := self.all.get(name), float)), 4)

    @property
    def exercises(self) -> float:
        """The points of the exercises."""
        return self.sum(list(self.computed))

    @property
    def questions(self) -> float:
        """The points of the questions."""
        return self.sum(HAND_GRADED_QUESTIONS)

    @property
    def has_questions(self) -> bool:
        """Whether a mark for a question was entered."""
        return any(name in self.all for name in HAND_GRADED_QUESTIONS)

    @property
    def total(self) -> float:
        """The points of both."""
        return round(self.exercises + self.questions, 4)


def mark(
    class_: Sequence[GradedSubmission], points: Mapping[str, float], remarks: Remarks, earlier: Earlier
) -> list[Marks]:
    """Return the marks of each student: overrides win over what was entered in the sheet, and this over the computed.

    The points are those of the exercises that count, here and in the functions below.
    """
    result = []
    for graded in class_:
        student = graded.student, graded.number
        computed = {verdict.name: round(share(verdict) * points[verdict.name], 4) for verdict in graded.verdicts}
        given = {**computed, **earlier.marks.get(student, {}), **remarks.points.get(student, {})}
        result.append(Marks(graded, computed, given, remarks.comments.get(student, {})))
    return result


def sheet(marks: Sequence[Marks], points: Mapping[str, float], earlier: Earlier) -> str:
    """Return the sheet as CSV, a row for each student, in the form in which a spreadsheet saved it before."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n", delimiter=earlier.delimiter)
    columns = (*points, *HAND_GRADED_QUESTIONS)
    writer.writerow([*BEFORE, *columns, *AFTER, *earlier.own])
    most = sum(points.values())
    for own in marks:
        numbers = [own.all.get(name, "") for name in columns]
        numbers += [own.exercises, most, own.questions, own.total]
        texts = [_written(mark).replace(".", earlier.decimal) if isinstance(mark, float) else mark for mark in numbers]
        note = " ".join(own.graded.problems[:3])
        if own.graded.copies:
            note = f"{note} Equal to our solution but for names: {', '.join(own.graded.copies)}.".strip()
        kept = earlier.cells.get(own.student, [""] * len(earlier.own))
        writer.writerow([*map(_cell, own.student), *texts, VERSION, _cell(note), *kept])
    return file.getvalue()


def _written(mark: float) -> str:
    """Return a mark as text. Where a comma is the decimal mark, a spreadsheet takes 0.775 for 775, and 0.7750 not."""
    text = f"{mark:.10g}"
    return f"{text}0" if re.fullmatch(r"-?\d+\.\d{3}", text) else text


def read_sheet(path: Path, class_: Sequence[GradedSubmission], computed: str = "") -> Earlier:
    """Return what a teacher entered in the sheet of an earlier call.

    Args:
        path: It need not exist.
        class_: The students.
        computed: What `computed_record` gave in that call; a cell of an exercise that says something else is a mark.

    Raises:
        RdfiaError: If it cannot be read, or has something of the teacher's for somebody who is not in the class.
    """
    if not path.exists():
        return Earlier()
    table = _read_table(path)
    names = [_known(name) for name in table.header]
    if any(names.count(name) != 1 for name in BEFORE):
        raise RdfiaError(f"{path} would be replaced, but is no sheet of this command: choose another --out")
    before = _computed_before(path, computed) if computed else {}
    marks, cells = {}, {}
    for _, row in table.rows:
        by_name = {name: cell.strip() for name, cell in zip(names, row, strict=True) if name}
        own = [cell for name, cell in zip(names, row, strict=True) if not name]
        student = _student(by_name["student"], by_name["number"], class_)
        given = dict(_entered(by_name, before.get(student, {}) if student else {}))
        if student is None and (given or any(own)):
            raise RdfiaError(
                f"{path} has marks for {by_name['student']}, who is not among the submissions, and they would be "
                "lost: correct the name, which a spreadsheet may have changed, choose another --out, or take them out"
            )
        if student and (student in cells):
            raise RdfiaError(f"{path} has two rows for {by_name['student']}: leave one out")
        if student:
            marks[student], cells[student] = given, own
    own_names = [title for title, name in zip(table.header, names, strict=True) if not name]
    comma = table.delimiter != "," and any(re.fullmatch(r"-?\d+,\d+", cell) for _, row in table.rows for cell in row)
    return Earlier(marks, own_names, cells, table.delimiter, "," if comma else ".")


def _computed_before(path: Path, record: str) -> dict[Student, dict[str, float]]:
    """Return the computed points of the earlier call, by student and number."""
    try:
        return {
            (name, number): {exercise: float(value) for exercise, value in points.items()}
            for name, number, points in json.loads(record)
        }
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise RdfiaError(
            f"{path} cannot be told from the computed points, because their record is damaged: restore "
            f"{path.parent / RESULTS}, or delete it and enter your marks for exercises in {OVERRIDES}"
        ) from error


def _known(title: str) -> str:
    """Return the column of the sheet that a title names, an empty text if it is the teacher's own."""
    columns = (*BEFORE, *EXERCISES, *HAND_GRADED_QUESTIONS, *AFTER)
    return {name.lower(): name for name in columns}.get(title.strip().lower().replace(",", "."), "")


def _entered(cells: Mapping[str, str], computed: Mapping[str, float]) -> Iterator[tuple[str, float | str]]:
    """Yield the marks in a row that a person gave."""
    for name in (*EXERCISES, *HAND_GRADED_QUESTIONS):
        text = cells.get(name, "")
        value = _number(text)
        if text and name in HAND_GRADED_QUESTIONS:
            yield name, text if value is None else value
        elif text and name in computed:
            # A spreadsheet that shows two digits saves two.
            digits = max(2, len(text.replace(",", ".").partition(".")[2]))
            if value is None:
                yield name, text
            elif abs(value - computed[name]) > 0.5 * 10.0**-digits + 1e-9 and not _misread(value, computed[name]):
                yield name, value


def _misread(value: float, written: float) -> bool:
    """Return whether a spreadsheet took the decimal mark of what was written for a mark of thousands."""
    texts = [text for text in (f"{written:.10g}", _written(written)) if len(text.partition(".")[2]) >= 3]
    return value in [float(text.replace(".", "")) for text in texts]


def _student(name: str, number: str, class_: Sequence[GradedSubmission]) -> Student | None:
    """Return the one student whom a row is about, although a spreadsheet drops apostrophes and leading zeros."""
    for same in (_cell, _plain, _western):
        row = same(name), same(number)
        found = {
            (graded.student, graded.number)
            for graded in class_
            if row in ((same(graded.student), same(graded.number)), (same(_cell(graded.student)), same(graded.number)))
        }
        if len(found) == 1:
            return found.pop()
    return None


def _plain(text: str) -> str:
    """Return text without what a spreadsheet adds or drops."""
    return unicodedata.normalize("NFC", " ".join(text.split())).removeprefix("'").lstrip("0")


def _western(text: str) -> str:
    """Return text as a spreadsheet saves it in an encoding that lacks some of its letters."""
    return _plain(text).encode("cp1252", "replace").decode("cp1252")


def computed_record(marks: Sequence[Marks]) -> str:
    """Return the computed points as JSON, to tell a teacher's edits from them in the next call."""
    return json.dumps([[*own.student, own.computed] for own in marks])


def as_rows(marks: Sequence[Marks]) -> list[dict[str, Any]]:
    """Return the points of each student, for programs."""
    names = ("student", "number", "exercises", "questions", "total")
    return [dict(zip(names, (*own.student, own.exercises, own.questions, own.total), strict=True)) for own in marks]


def write_sheet(
    path: Path, results: Path, class_: Sequence[GradedSubmission], points: Mapping[str, float], remarks: Remarks
) -> list[Marks]:
    """Write the sheet, with what the teacher entered in it, and return the marks.

    The sheet before is kept in `results`, the folder of what is kept between calls. The other arguments are those of
    `mark`.

    Raises:
        RdfiaError: If the earlier sheet cannot be read or has a mark for an exercise that does not count, or a file
            cannot be written.
    """
    record = results / f"{path.name}.json"
    computed = record.read_text(encoding="utf-8", errors="replace") if record.is_file() else ""
    earlier = read_sheet(path, class_, computed)
    for (student, _), given in earlier.marks.items():
        if lost := [name for name in given if name in EXERCISES and name not in points]:
            raise RdfiaError(
                f"{path} has your mark for {lost[0]} of {student}, and --only leaves {lost[0]} out: put the mark into "
                f"{OVERRIDES} and clear its cell, or choose another --out"
            )
    marks = mark(class_, points, remarks, earlier)
    if path.exists():
        write_atomic(results / f"before-{path.name}", path.read_bytes())
    # With its mark of UTF-8, Excel shows accents.
    write_atomic(path, sheet(marks, points, earlier).encode("utf-8-sig"))
    write_atomic(record, computed_record(marks).encode())
    return marks


def _cell(text: str) -> str:
    """Return text for a spreadsheet, which takes what begins so for a formula, whatever separator it splits at.

    It takes a name like 1-2 or Jan 3 for a date, and 1E5 for a number.
    """
    if (re.fullmatch(r"[\d\s.,:/Ee+-]+", text) and not text.isdecimal()) or _MONTH_AND_NUMBER.search(text):
        return f"'{text}"
    return re.sub(r"(^['\" ]*|[;,|\t\r\n][\s\"]*)(?=[=+\-@＝＋－＠\t\r])", r"\1'", text)


# --- feedback ---------------------------------------------------------------------------------------------------------


def feedback(marks: Marks, points: Mapping[str, float]) -> str:
    """Return what a student reads: what `rdfia learn check` says, with points, marks and the teacher's comments."""
    graded, comments = marks.graded, marks.comments
    lines = [graded.student, "", *comments.get("", []), *graded.problems]
    for verdict in graded.verdicts:
        status, *details = verdict.text()
        lines += [f"{status:<36}{_shown(marks.all[verdict.name])} of {points[verdict.name]:g}", *details]
        lines += [f"    {comment}" for comment in comments.get(verdict.name, [])]
    for name in HAND_GRADED_QUESTIONS:
        told = [_shown(marks.all[name])] if name in marks.all else []
        lines += [f"{name}: {text}" for text in [*told, *comments.get(name, [])]]
    right = sum(verdict.status == RIGHT for verdict in graded.verdicts)
    written = sum(verdict.status != UNWRITTEN for verdict in graded.verdicts)
    lines += ["", f"{right} of {len(graded.verdicts)} right, {written} written"]
    lines.append(f"Exercises: {marks.exercises:g} of {sum(points.values()):g} points")
    if marks.has_questions:
        lines += [f"Questions: {marks.questions:g} points", f"Total: {marks.total:g} points"]
    return "\n".join(lines).strip() + "\n"


def _shown(mark: float | str) -> str:
    return f"{mark:g}" if isinstance(mark, float) else mark


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


def write_feedback(folder: Path, marks: Sequence[Marks], points: Mapping[str, float]) -> None:
    """Write a text file for each student.

    Raises:
        RdfiaError: If the folder cannot be written.
    """
    make_folder(folder)
    for name, own in zip(file_names([own.graded for own in marks]), marks, strict=True):
        write_atomic(folder / f"{name}.txt", feedback(own, points).encode())
