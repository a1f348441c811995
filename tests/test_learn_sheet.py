"""The sheet of a class, after a spreadsheet saved it: whatever its form, nothing that a teacher entered is lost."""

import csv
import io
import json
import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rdfia_keras.errors import RdfiaError
from rdfia_keras.learn import gradebook, sheet
from rdfia_keras.learn.checker import RIGHT, WRONG, Verdict

HALF = Verdict("softmax", WRONG, core=(1, 2), edge=(0, 2))
POINTS = {"softmax": 2.0, "forward": 1.5}


def graded(name, number=""):
    return gradebook.GradedSubmission(name, number, (HALF, Verdict("forward", RIGHT)), (f"Odd: {name}",))


def write(class_, before=Path("no sheet"), computed=""):
    earlier = sheet.read_sheet(before, class_, computed)
    marks = sheet.mark(class_, POINTS, sheet.Remarks(), earlier)
    return sheet.sheet(marks, POINTS, earlier), marks


def table(text, delimiter=","):
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter))


def saved(rows, delimiter, decimal, newline="\r\n"):
    """Return rows as a spreadsheet saves them."""
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter, lineterminator=newline)
    writer.writerow(rows[0])
    for row in rows:
        cells = list(row.values())
        writer.writerow(cell.replace(".", decimal) if re.fullmatch(r"\d+\.\d+", cell) else cell for cell in cells)
    return file.getvalue()


TEXTS = st.text(st.sampled_from("aé=+-@\"';,\t\n|1.x "), max_size=8)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    delimiter=st.sampled_from(",;\t"),
    decimal=st.sampled_from(".,"),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252", "mac_roman"]),
    names=st.lists(st.sampled_from(["Ève", "=1+1", "s2;=1+1", "O'Neil", '"q"', "Zoé, B"]), min_size=1, unique=True),
    own=TEXTS,
    mark=st.integers(0, 400).map(lambda number: number / 16),
    edited=st.booleans(),
)
def test_what_a_teacher_entered_comes_back_from_any_spreadsheet(delimiter, decimal, encoding, names, own, mark, edited):
    assume(encoding != "mac_roman" or names != ["Ève"])  # The Mac's È is the é of Windows: nothing tells them apart.
    class_ = [graded(name, f"00{number}") for number, name in enumerate(names)]
    text, marks = write(class_)
    rows = table(text)
    rows[0] |= {"T1": f"{mark:g}", "Q2": "late", "Mine": own}
    for row in rows[1:]:
        row["Mine"] = "Année"
    if edited:
        rows[0]["softmax"] = f"{mark + 3:g}"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "grades.csv"
        path.write_bytes(saved(rows, delimiter, decimal).encode(encoding))
        again, _ = write(class_, path, sheet.computed_record(marks))
    kept = table(again, delimiter)
    for before, after in zip(rows, kept, strict=True):
        for name in ("student", "number", "softmax", "forward", "T1", "Q2"):
            assert re.sub(r"(\.\d{3})0$", r"\1", after[name].replace(",", ".")) == before[name].replace(",", ".")
        assert after["Mine"] == before["Mine"]
    exercises = mark + 3 + 1.5 if edited else 0.7 + 1.5
    assert float(kept[0]["exercises"].replace(",", ".")) == pytest.approx(exercises)
    assert float(kept[0]["questions"].replace(",", ".")) == mark
    assert float(kept[0]["total"].replace(",", ".")) == pytest.approx(exercises + mark)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(name=TEXTS, delimiter=st.sampled_from(",;\t|"))
def test_no_cell_of_a_student_is_a_formula_wherever_a_spreadsheet_splits(name, delimiter):
    for row in csv.reader(io.StringIO(write([graded(name)])[0], newline=""), delimiter=delimiter):
        assert not [cell for cell in row if cell.lstrip(' "').startswith(("=", "+", "-", "@", "\t", "\r"))]


def test_a_sheet_with_the_line_ends_of_an_old_mac(tmp_path):
    (tmp_path / "grades.csv").write_bytes(b"student,number,T1,Mine\rAda,,3,\rBob,,4,ja\r")
    text, marks = write([graded("Ada"), graded("Bob")], tmp_path / "grades.csv")
    assert [own.questions for own in marks] == [3, 4] and table(text)[1]["Mine"] == "ja"


@pytest.mark.parametrize("said", ["'3", "3,0", " 3 ", "３"])
def test_a_number_as_a_spreadsheet_writes_it(tmp_path, said):
    (tmp_path / "grades.csv").write_text(f"sep=;\nstudent;number;T1\nAda;7;{said}\n")
    assert write([graded("Ada", "007")], tmp_path / "grades.csv")[1][0].questions == 3


def test_letters_that_an_encoding_lacks_come_back(tmp_path):
    (tmp_path / "grades.csv").write_text("student,number,T1\n??,,1\n?,,2\n")
    text, marks = write([graded("张伟"), graded("张")], tmp_path / "grades.csv")
    assert [own.questions for own in marks] == [1, 2] and [row["student"] for row in table(text)] == ["张伟", "张"]


def test_rounding_is_no_edit_and_what_is_cleared_is_computed_again(tmp_path):
    class_ = [graded("Ada"), graded("Bob")]
    _, marks = write(class_)
    marks[0].computed["softmax"] = 0.7031
    (tmp_path / "grades.csv").write_text("student,number,softmax,forward\nAda,,0.70,\nBob,,absent,1\n")
    ada, bob = write(class_, tmp_path / "grades.csv", sheet.computed_record(marks))[1]
    assert ada.all == {"softmax": 0.7, "forward": 1.5} and bob.all == {"softmax": "absent", "forward": 1.0}


def test_points_that_a_spreadsheet_takes_for_thousands_are_no_edit(tmp_path):
    class_ = [graded("Ada"), graded("Bob"), graded("Eve")]
    _, marks = write(class_)
    for own in marks:
        own.computed["softmax"] = 0.775
    (tmp_path / "grades.csv").write_text("student;number;softmax;forward\nAda;;775;1,5\nBob;;7750;15\nEve;;776;1,5\n")
    ada, bob, eve = write(class_, tmp_path / "grades.csv", sheet.computed_record(marks))[1]
    assert (ada.all["softmax"], bob.all["softmax"], eve.all["softmax"]) == (0.7, 0.7, 776)
    assert bob.all["forward"] == 15


@pytest.mark.parametrize("mark, text", [(0.775, "0.7750"), (1.7755, "1.7755"), (0.7, "0.7"), (1000.0, "1000")])
def test_no_number_of_the_sheet_has_three_decimals(mark, text):
    earlier = sheet.Earlier(marks={("Ada", ""): {"T1": mark}})
    marks = sheet.mark([graded("Ada")], POINTS, sheet.Remarks(), earlier)
    (row,) = table(sheet.sheet(marks, POINTS, earlier))
    assert row["T1"] == row["questions"] == text


@pytest.mark.parametrize(
    "name", ["1-2", "1E5", "3.4", "10:30", "Jan 3", "mai 2024", "Mon Sept. 3", "007", "Group 1", "Juan"]
)
def test_a_name_stays_a_text_and_is_found_again(tmp_path, name):
    text, _ = write([graded(name)])
    shown = table(text)[0]["student"]
    assert shown == (name if name in ("007", "Group 1", "Juan") else f"'{name}")
    (tmp_path / "grades.csv").write_text(f"student,number,T1\n{shown},,2\n")
    assert write([graded(name)], tmp_path / "grades.csv")[1][0].questions == 2


@pytest.mark.parametrize(
    "text, words",
    [
        (
            "student,number,Mine\nEve,,late\n",
            "has marks for Eve, who is not among the submissions, .*: correct the name",
        ),
        ("student,number\nAda,\nAda,\n", "has two rows for Ada"),
    ],
)
def test_rather_than_lose_something_it_stops(tmp_path, text, words):
    (tmp_path / "grades.csv").write_text(text)
    with pytest.raises(RdfiaError, match=words):
        write([graded("Ada")], tmp_path / "grades.csv")


@pytest.mark.parametrize("record", ["\ufffd", "[3]", '[["Ada", "", {"softmax": "x"}]]', "[" * 100_000])
def test_a_damaged_record_of_the_computed_points_stops_it(tmp_path, record):
    (tmp_path / "grades.csv").write_text("student,number,softmax\nAda,,0.5\n")
    with pytest.raises(RdfiaError, match=r"their record is damaged: restore .*rdfia-grades"):
        write([graded("Ada")], tmp_path / "grades.csv", record)


def test_the_seed_is_drawn_once_and_kept(tmp_path):
    drawn = gradebook.seed_of(tmp_path, None)
    assert drawn > 0 and gradebook.seed_of(tmp_path, None) == drawn
    assert gradebook.seed_of(tmp_path, 7) == gradebook.seed_of(tmp_path, None) == 7
    (tmp_path / "seed.txt").write_text("9" * 5000)  # More digits than Python reads.
    assert gradebook.seed_of(tmp_path, None) <= 10**6


@pytest.mark.parametrize("only", [",", "softmax,"])
def test_a_name_that_is_empty_is_no_exercise(only):
    with pytest.raises(RdfiaError, match="there is no exercise ''"):
        sheet.read_points(None, only.split(","))


def test_the_command_keeps_the_sheet_and_counts_what_is_asked_for(tmp_path, rdfia_here):
    (tmp_path / "in" / "é").mkdir(parents=True)
    (tmp_path / "in" / "é" / "svm.py").write_text("x = 1\n")
    grade = ("learn", "grade", "in", "--only", "softmax,forward", "--json", "--trusted")
    first = json.loads(rdfia_here(*grade).stdout)
    assert first["of"] == 2 and first["seed"] > 0
    file = tmp_path / "grades.csv"
    assert file.read_bytes().startswith(b"\xef\xbb\xbf")
    rows = table(file.read_text(encoding="utf-8-sig"))
    file.write_bytes(saved([rows[0] | {"softmax": "0.5", "T1": "1.5", "Groupe": "é"}], ";", ",").encode("cp1252"))
    for _ in range(2):
        second = json.loads(rdfia_here(*grade).stdout)
    assert "Next:" not in rdfia_here(*grade[:-2], "--trusted").stdout
    assert (second["seed"], second["students"][0]["total"]) == (first["seed"], 2)
    kept = table(file.read_text(encoding="utf-8-sig"), ";")[0]
    assert (kept["softmax"], kept["T1"], kept["Groupe"], kept["of"]) == ("0,5", "1,5", "é", "2")
    assert "Questions: 1.5 points" in next((tmp_path / "feedback").iterdir()).read_text()


def test_a_text_in_place_of_a_mark_counts_0_and_is_named(tmp_path):
    text, marks = write([graded("Ann")])
    rows = table(text)
    rows[0] |= {"forward": "x", "Q4": "A", "T1": "A"}
    file = tmp_path / "grades.csv"
    file.write_text(saved(rows, ",", "."), encoding="utf-8")
    _, marks = write([graded("Ann")], file, sheet.computed_record(marks))
    assert sheet.no_numbers(marks) == [
        "Ann has 'x' for forward, which is no number and counts 0.",
        "Ann has 'A' for T1, Q4, which is no number and counts 0.",
    ]
    assert marks[0].total == marks[0].all["softmax"]


def test_a_mark_for_an_exercise_that_is_left_out_is_not_lost(tmp_path):
    file = tmp_path / "grades.csv"
    class_ = [graded("Ann")]
    sheet.write_sheet(file, tmp_path, class_, POINTS, sheet.Remarks())
    rows = table(file.read_text(encoding="utf-8-sig"))
    rows[0]["forward"] = "0.25"
    file.write_bytes(before := saved(rows, ",", ".").encode())
    softmax = {"softmax": 2.0}
    with pytest.raises(RdfiaError, match="has your mark for forward of Ann, and --only leaves forward out"):
        sheet.write_sheet(file, tmp_path, gradebook.restrict(class_, softmax), softmax, sheet.Remarks())
    assert file.read_bytes() == before
