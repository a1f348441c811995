"""`rdfia learn grade` on a made class: right, partly right, and each kind of bad input. NumPy only.

Submissions that could do harm run isolated here, as they would for a teacher.
"""

import ast
import csv
import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rdfia_keras.errors import RdfiaError
from rdfia_keras.learn import gradebook, protocol, sandbox, sheet, worker
from rdfia_keras.learn.checker import Checker
from rdfia_keras.learn.exercises import EXERCISES
from rdfia_keras.learn.session import Limits
from rdfia_keras.learn.skeletons import skeleton
from rdfia_keras.learn.submissions import Submission, home_of, is_copy, is_long, modules, read_class

pytestmark = pytest.mark.skipif(not shutil.which("bwrap"), reason="bubblewrap is not installed")

LIMITS = Limits(submission=4.0, exercise=1.0, keras_exercise=1.0)
HEAD = "import numpy as np\n\n\n"
SOFTMAX = """def softmax(y_tilde):
    e = np.exp(y_tilde - y_tilde.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


"""
ACCURACY = """def accuracy(y_tilde, y):
    return np.mean(np.argmax(y_tilde, axis=1) == np.argmax(y, axis=1))


"""


def softmax(body):
    return f"{HEAD}def softmax(y_tilde):\n    {body}\n\n\n{ACCURACY}"


def notebook(*cells):
    return json.dumps({"cells": [{"cell_type": "code", "source": cell} for cell in cells], "nbformat": 4})


def class_of(outside, port):
    """Student, file name, text, points of softmax, of accuracy, words in the feedback."""
    forked = "import os\n    for _ in range(5):\n        os.fork()\n    return y_tilde"
    # Right on both ordinary inputs and one of three special ones, or on one of two ordinary ones.
    naive = "e = np.exp(y_tilde)\n    return e / e.sum(axis=1, keepdims=True)"
    columns = "e = np.exp(y_tilde - y_tilde.max(axis=1, keepdims=True))\n    return e / e.sum(axis=0, keepdims=True)"
    one_maximum = "e = np.exp(y_tilde - y_tilde.max())\n    return e / e.sum(axis=1, keepdims=True)"
    right = HEAD + SOFTMAX + ACCURACY
    wait = "while True:\n        pass"
    deaf = "while True:\n        try:\n            while True:\n                pass\n        except BaseException:\n"
    deaf += "            pass"
    read = "return open({!r}).read()"
    exercises = Path(sys.modules["rdfia_keras.learn.exercises.part_mlp"].__file__)
    patched = "np.exp = np.sum = lambda *a, **k: np.ones(3)\n    np.array_equal = np.allclose = lambda *a, **k: True\n"
    yield "right", "mlp.py", right, 1, 1, "softmax            right"
    yield "naive", "mlp.py", softmax(naive), 0.775, 1, "exp(1000) is too large"
    yield "columns", "mlp.py", softmax(columns), 0, 1, "Your columns sum to 1"
    yield "one maximum", "mlp.py", softmax(one_maximum), 0.85, 1, "the maximum of the whole batch"
    yield "only softmax", "mlp.py", HEAD + SOFTMAX, 1, 0, "accuracy           not written yet"
    yield "skeleton", "mlp.py", skeleton("mlp"), 0, 0, "softmax            not written yet"
    yield "notebook", "mlp.ipynb", notebook("!pip install x\nimport numpy as np", SOFTMAX, ACCURACY), 1, 1, "right"
    yield "magic", "all.ipynb", notebook("%matplotlib inline\n" + HEAD + SOFTMAX, "%%bash\nls", ACCURACY), 1, 1, "right"
    broken = notebook(HEAD + SOFTMAX, "def accuracy(:")
    yield (
        "broken cell",
        "mlp.ipynb",
        broken,
        1,
        0,
        "accuracy wrong 0 of 1 mlp.ipynb, cell 2, line 1: SyntaxError",
    )
    yield "broken notebook", "mlp.ipynb", "{", 0, 0, "is not a notebook"
    yield "loop", "mlp.py", softmax(wait), 0, 1, "softmax still runs after 1 s in mlp.py, line"
    yield "deaf loop", "mlp.py", softmax(deaf), 0, 1, "endless loop?"
    yield "fork bomb", "mlp.py", softmax(forked), 0, 1, "PermissionError"
    threads = "import threading, time\n    while True:\n        threading.Thread(target=time.sleep, args=[99]).start()"
    yield "threads", "mlp.py", softmax(threads), 0, 1, "can't start new thread"
    unshare = "import ctypes\n    return y_tilde * 0 + ctypes.CDLL(None).unshare(1 << 28)"
    yield "user namespace", "mlp.py", softmax(unshare), 0, 1, "] is -1; expected"
    yield "exit", "mlp.py", softmax("import os\n    os._exit(0)"), 0, 1, "exit code 0: does it call exit?"
    twice = right.replace("    e =", "    import os; os._exit(0)\n    e =").replace(
        "return np.mean", "import os; os._exit(1)"
    )
    more = "def grad_y_tilde(y_hat, y):\n    return (y_hat - y) / len(y)\n"
    yield "two deaths", "mlp.py", twice + more, 0, 0, "grad_y_tilde       right"
    loops = "".join(
        f"def {name}(*given):\n    while True: pass\n" for name in list(EXERCISES)[:6] if name != "accuracy"
    )
    yield "many loops", "mlp.py", loops + HEAD + ACCURACY, 0, 1, "softmax still runs after 1 s in mlp.py, line"
    loops = "".join(f"def {name}(*given):\n    {deaf}\n" for name in list(EXERCISES)[:6])
    yield "time used up", "mlp.py", loops, 0, 0, "It was not run, because the submission used its 4 s up before"
    yield "crash", "mlp.py", softmax("import ctypes\n    return ctypes.string_at(0)"), 0, 1, "ended by signal 11"
    forged = 'import os\n    for f in range(3, 20):\n        try:\n            os.write(f, b"passed" * 99)\n'
    forged += "        except OSError:\n            pass"
    yield "forged answer", "mlp.py", softmax(forged), 0, 1, "something that is no result"
    yield "huge array", "mlp.py", softmax("return np.zeros((9000, 9000))"), 0, 1, "more than 32 MB"
    yield "no memory", "mlp.py", softmax("return np.ones((10**6, 10**6))"), 0, 1, "MemoryError"
    yield "patched", "mlp.py", softmax(patched + "    return y_tilde"), 0, 1, "softmax            wrong"
    yield (
        "inspect",
        "mlp.py",
        softmax("import rdfia_keras.learn.exercises as e\n    return e.EXERCISES['softmax'](y_tilde)"),
        0,
        1,
        "rdfia_keras, which is not allowed",
    )
    hidden = '__import__("rdfia" + "_keras.learn.exercises.part_mlp")'
    yield "hidden import", "mlp.py", softmax(f"return {hidden}.softmax(y_tilde)"), 0, 1, "uses rdfia_keras"
    yield "reads ours", "mlp.py", softmax(read.format(str(exercises))), 0, 1, "FileNotFoundError"
    yield (
        "reads a neighbour",
        "mlp.py",
        softmax(read.format(str(outside / "right" / "mlp.py"))),
        0,
        1,
        "FileNotFoundError",
    )
    pickled = "import pickle\n    class A:\n        def __reduce__(self):\n            return (print, ())\n"
    pickled += "    return np.array([A()], dtype=object)"
    yield "pickle", "mlp.py", softmax(pickled), 0, 1, "expected numbers"
    write = f"open({str(outside / 'written')!r}, 'w').write('x')\n    return y_tilde"
    yield "write", "mlp.py", softmax(write), 0, 1, "No such file or directory"
    place = "open('/usr/written', 'w').write('x')\n    return y_tilde"
    yield "write to the system", "mlp.py", softmax(place), 0, 1, "Read-only file system"
    connect = f"import socket\n    socket.create_connection(('127.0.0.1', {port}))"
    yield "connection", "mlp.py", softmax(connect), 0, 1, "ConnectionRefusedError"
    yield "=formula()", "mlp.py", right, 1, 1, "right"
    number = 'import os\n    text = b\'{"value": {"v": 1\' + b"0" * 400 + b\'}, "changed": []}\'\n'
    number += forged[len("import os\n") :].replace('b"passed" * 99', "len(text).to_bytes(4, 'big') + bytes(4) + text")
    yield "forged number", "mlp.py", softmax(number), 0, 1, "something that is no result"
    fails = "class E(Exception):\n        def __str__(self):\n            raise SystemExit\n    raise E"
    yield "exception that fails", "mlp.py", softmax(fails), 0, 1, "fails when looked at"
    yield "closed files", "mlp.py", softmax("import os\n    os.closerange(0, 99)"), 0, 1, "cannot answer any more"
    printed = "import os\n    os.write(2, b'mine')\n    raise ValueError(os.pread(2, 9, 0))"
    yield "reads what is printed", "mlp.py", softmax(printed), 0, 1, "ValueError: b''"
    yield "many keys", "mlp.py", softmax("return {f'{i:0200}': i for i in range(9999)}"), 0, 1, "characters of text"
    yield "signal", "mlp.py", softmax("import os\n    os.kill(1, 9)\n    return 1"), 0, 1, "result has shape ()"
    yield "capitals", "MLP.IPYNB", "\ufeff" + notebook(right), 1, 1, "right"
    deep = f"def conv2d(x, W, b, stride, padding):\n    return {' + '.join(['x'] * 330)}\n"
    yield "deep", "mlp.py", right + deep, 1, 1, "right"


@pytest.fixture(scope="module")
def monkeypatch_module():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def made(tmp_path_factory, monkeypatch_module):
    """The class, with a server that waits for connections, and what came of the class."""
    folder = tmp_path_factory.mktemp("class")
    server = socket.create_server(("127.0.0.1", 0))
    students = list(class_of(folder / "in", server.getsockname()[1]))
    for name, file, text, *_ in students:
        (folder / "in" / name).mkdir(parents=True)
        (folder / "in" / name / file).write_text(text)
    (folder / "in" / "right" / "old").mkdir()
    (folder / "in" / "right" / "old" / "mlp.py").write_text(skeleton("mlp"))
    (folder / "in" / "empty").mkdir()
    (folder / "in" / "link").mkdir()
    (folder / "in" / "link" / "mlp.py").symlink_to(folder / "in" / "right" / "mlp.py")
    monkeypatch_module.setattr(tempfile, "tempdir", str(folder))
    monkeypatch_module.setattr(sandbox, "SCRIPT", shutil.copy(sandbox.SCRIPT, folder / "worker.py"))
    files = sorted(folder.rglob("*"))
    graded = gradebook.grade_class(read_class(folder / "in"), folder / "kept", seed=5, limits=LIMITS)
    server.settimeout(0)
    with pytest.raises(BlockingIOError):
        server.accept()
    server.close()
    assert not processes()
    assert [path for path in sorted(folder.rglob("*")) if "kept" not in path.parts] == files
    return students, folder, graded


@pytest.fixture(autouse=True)
def own_worker(monkeypatch, tmp_path):
    """A copy of the worker's script, by which its processes can be told from those of other tests."""
    shutil.copy(sandbox.SCRIPT, tmp_path.parent / f"{tmp_path.name}-worker.py")
    monkeypatch.setattr(sandbox, "SCRIPT", tmp_path.parent / f"{tmp_path.name}-worker.py")


def processes():
    """Processes that run submissions of this test."""
    ids = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if str(sandbox.SCRIPT) in path.read_text():
                ids.append(path.parent.name)
    return ids


def rows_of(text):
    return {row["student"]: row for row in csv.DictReader(io.StringIO(text))}


def written(class_, points, remarks=None, before=Path("no sheet"), computed=""):
    """Return the sheet, with what is in an earlier one, and the marks."""
    earlier = sheet.read_sheet(before, class_, computed)
    marks = sheet.mark(class_, points, remarks or sheet.Remarks(), earlier)
    return sheet.sheet(marks, points, earlier), marks


def test_every_student_of_the_class_gets_the_grade_expected(made):
    students, _, graded = made
    assert len(graded) >= 35
    points = dict.fromkeys(EXERCISES, 1.0)
    text, marks = written(graded, points)
    rows = rows_of(text)
    by_name = {own.graded.student: own for own in marks}
    wrong = []
    for name, _, _, softmax_points, accuracy_points, words in students:
        row = rows[f"'{name}" if name.startswith("=") else name]
        got = (float(row["softmax"]), float(row["accuracy"]))
        text = " ".join(sheet.feedback(by_name[name], points).split())
        if got != pytest.approx((softmax_points, accuracy_points)) or " ".join(words.split()) not in text:
            wrong.append(f"{name}: {text[:600]}")
    assert not wrong, "\n".join(wrong)
    assert rows["empty"]["total"] == rows["link"]["total"] == "0"
    assert "no .py or .ipynb file" in rows["empty"]["remarks"]
    assert "a link or a special file, which is not followed" in rows["link"]["remarks"]


def test_a_rerun_runs_only_what_changed_and_gives_the_same(made):
    _, folder, graded = made
    ran = []

    def grade():
        def report(submission, *_):
            ran.append(submission.student)

        return gradebook.grade_class(read_class(folder / "in"), folder / "kept", seed=5, limits=LIMITS, report=report)

    assert (grade(), ran) == (graded, [])
    results = {json.loads(file.read_text())["student"]: file for file in (folder / "kept").iterdir()}
    results["right"].unlink()
    results["naive"].write_text("{ half a fi")
    assert (grade(), sorted(ran)) == (graded, ["naive", "right"])


def test_killed_in_the_middle_and_repeated_gives_the_same_file(tmp_path, rdfia_here):
    for i in range(4):
        (tmp_path / "in" / f"student {i}").mkdir(parents=True)
        wait = "import time\n    time.sleep(0.3)\n    return y_tilde" if i else "return y_tilde"
        (tmp_path / "in" / f"student {i}" / "mlp.py").write_text(softmax(wait))
    code = f"from pathlib import Path; from rdfia_keras.learn import sandbox; sandbox.SCRIPT = Path('{sandbox.SCRIPT}')"
    code += "; from rdfia_keras.commands._app import main; main()"
    command = [sys.executable, "-c", code, "learn", "grade", "in", "--out", "killed/grades.csv", "--seed", "4"]
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    first = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while first.poll() is None and not list(tmp_path.glob("killed/.rdfia-grades/*.json")):
        time.sleep(0.01)
    assert first.poll() is None and processes()
    first.kill()
    first.wait()
    assert not (tmp_path / "killed" / "grades.csv").exists()
    for _ in range(1500):  # Not by the clock, which goes on while a virtual machine is paused.
        if not processes():
            break
        time.sleep(0.02)
    assert not processes()
    for out in ("killed", "whole"):
        assert rdfia_here("learn", "grade", "in", "--out", f"{out}/grades.csv", "--seed", "4").returncode == 0
    killed, whole = ((tmp_path / out / "grades.csv").read_bytes() for out in ("killed", "whole"))
    assert killed == whole and killed.count(b"\n") == 5


def test_an_interruption_waits_for_nobody_and_keeps_nothing_half_done(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    wait = "while True:\n        try:\n            while True:\n                pass\n        except BaseException:\n"
    class_ = [
        Submission(name, "", (("mlp.py", softmax(body).encode()),))
        for name, body in (("a", "return y_tilde"), ("b", f"{wait}            pass"))
    ]

    def report(*_):
        raise KeyboardInterrupt

    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        gradebook.grade_class(class_, tmp_path / "kept", seed=0, limits=Limits(60, 30, 30), report=report)
    assert time.monotonic() - begin < 10 and not processes()
    assert [json.loads(path.read_text())["student"] for path in (tmp_path / "kept").iterdir()] == ["a"]


def test_a_submission_on_which_the_judge_fails_costs_nobody_else_anything(tmp_path, monkeypatch):
    def grade(submission, checker):
        if submission.student == "b":
            raise OverflowError("too\nlarge")
        return gradebook.GradedSubmission(submission.student, "", ())

    monkeypatch.setattr(gradebook, "grade_submission", grade)
    graded = gradebook.grade_class([Submission(name, "", ()) for name in "abc"], tmp_path, seed=0)
    assert [submission.student for submission in graded] == ["a", "b", "c"] and len(list(tmp_path.iterdir())) == 2
    assert "could not be judged (OverflowError: too large)" in graded[1].problems[0]
    assert {verdict.status for verdict in graded[1].verdicts} == {"wrong"} and len(graded[1].verdicts) == len(EXERCISES)


# --- reading ----------------------------------------------------------------------------------------------------------


def contents(where):
    class_ = read_class(where)
    return [(student.student, student.number, [path for path, _ in student.files]) for student in class_]


def test_moodle_downloads_are_understood_as_folder_and_as_archive(tmp_path):
    names = ("Ada Ångström_4711_assignsubmission_file_/mlp.py", "Bo Zwei_12_assignsubmission_file_mlp.ipynb")
    expected = [("Ada Ångström", "4711", ["mlp.py"]), ("Bo Zwei", "12", ["mlp.ipynb"])]
    for name in names:
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_text("{}")
    assert contents(tmp_path / "in") == expected
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for name in names:
            archive.writestr(name, "{}")
        archive.writestr("__MACOSX/x.py", "")
    with tarfile.open(tmp_path / "all.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "in", "class")
    assert contents(tmp_path / "all.zip") == contents(tmp_path / "all.tar.gz") == expected


def test_files_and_archives_of_students(tmp_path):
    (tmp_path / "carl.py").write_text("")
    (tmp_path / "dora").mkdir()
    with zipfile.ZipFile(tmp_path / "dora" / "work.zip", "w") as archive:
        archive.writestr("deep/mlp.py", "x = 1")
        archive.writestr("../../escaped.py", "x = 1")
    (tmp_path / "dora" / "work.zip").rename(tmp_path / "dora" / "WORK.ZIP")
    (tmp_path / "erik.zip").write_bytes(b"no archive")
    (tmp_path / "fay").mkdir()
    assert contents(tmp_path) == [
        ("carl", "", ["carl.py"]),
        ("dora", "", ["deep/mlp.py", "escaped.py"]),
        ("erik", "", []),
        ("fay", "", []),
    ]
    assert "cannot be read" in read_class(tmp_path)[2].problems[0]
    assert not list(tmp_path.parent.glob("escaped.py"))


def test_archives_that_are_meant_to_do_harm(tmp_path):
    def made(*files):
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files:
                archive.writestr(name, content)
        return data.getvalue()

    bomb = io.BytesIO()
    with tarfile.open(fileobj=bomb, mode="w:bz2") as tar:
        tar.addfile(tarfile.TarInfo("mlp.py"))
    several = made(*((f"{i}.py", bytes(4 << 20)) for i in range(9)))
    files = {"b.tar": bomb.getvalue(), "c.zip": several, "d.zip": made(("x.py", bytes(5 << 20)))}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    words = ("cannot be read", "more than 200 files or 32 MB", "x.py: it has more than 4 MB")
    for submission, expected in zip(read_class(tmp_path), words, strict=True):
        assert expected in submission.problems[0] and sum(len(data) for _, data in submission.files) <= 32 << 20
    with pytest.raises(RdfiaError, match="no folder"):
        read_class(tmp_path / "b.tar")


def test_names_are_told_without_control_characters_and_stay_apart(tmp_path):
    for name in (b"a\x1b", b"a\n", b"\xff", b" b "):
        (tmp_path / os.fsdecode(name)).mkdir()
    (tmp_path / " b " / "x\ny.py").write_text("def")
    class_ = read_class(tmp_path)
    assert [submission.student for submission in class_] == ["b", "a", "a (2)", "?"]
    assert modules(class_[0])[0].problems == ["x y.py, line 1: SyntaxError: invalid syntax."]


def test_what_is_less_deep_is_read_first_however_deep_the_rest_is(tmp_path, monkeypatch):
    (tmp_path / "in" / "ada" / "env").mkdir(parents=True)
    for i in range(201):
        (tmp_path / "in" / "ada" / "env" / f"{i}.py").write_text("")
    (tmp_path / "in" / "ada" / "mlp.py").write_text("")
    (tmp_path / "in" / "bo").mkdir()
    monkeypatch.chdir(tmp_path / "in" / "bo")
    for _ in range(1100):
        Path("d").mkdir()
        os.chdir("d")
    os.chdir(tmp_path)
    ada, bo = read_class(tmp_path / "in")
    subprocess.run(["rm", "-rf", "in/bo"], check=True)  # pytest's own way is recursive.
    assert len(ada.files) == 200 and "mlp.py" in dict(ada.files) and not bo.files
    assert ada.problems == ("It has more than 200 files or 32 MB: the rest is not read.",)


def test_files_with_one_name_stay_apart_and_the_one_filled_in_counts():
    filled, empty = notebook(HEAD + SOFTMAX).encode(), skeleton("mlp").encode()
    for files in ((("mlp.ipynb", filled), ("mlp.py", empty)), (("mlp.py", empty), ("old/mlp.ipynb", filled))):
        made = modules(Submission("x", "", files))
        assert {module.name for module in made} == {"mlp", "mlp_2"}
        assert home_of(EXERCISES["softmax"], made).file.endswith(".ipynb")


def test_more_code_than_a_homework_has_is_not_read():
    files = tuple((f"{name}.py", b"x = 1\n" + b"#" * 300_000) for name in "ab")
    first, second = sorted(modules(Submission("x", "", files)), key=lambda module: module.file)
    assert first.pieces and not second.pieces and "more than 512 kB of code" in second.problems[0]


def test_the_documentation_names_the_functions_in_which_copies_are_found():
    page = (Path(__file__).parents[1] / "docs" / "teach.md").read_text(encoding="utf-8")
    listed = re.search(r"Only longer functions are\ncompared, .*?: (.*?)\. Students", page, re.DOTALL)[1]
    assert re.findall(r"`(\w+)`", listed) == [name for name, exercise in EXERCISES.items() if is_long(exercise)]


@pytest.mark.parametrize(
    "content, words",
    [
        (None, "there is no"),
        ("", "no folder, .zip or .tar"),
        ((), "no submissions"),
        (("mlp.py",), r"looks like one student's files \(mlp\)"),
        (("mlp (1).py", "svm.ipynb"), r"looks like one student's files \(mlp \(1\), svm\)"),
    ],
)
def test_no_class(tmp_path, content, words):
    where = tmp_path / "class"
    if isinstance(content, tuple):
        where.mkdir()
        for name in content:
            (where / name).write_text(HEAD)
    elif content is not None:
        where.write_text(content)
    with pytest.raises(RdfiaError, match=words):
        read_class(where)


def test_a_copy_of_our_solution_is_marked_whatever_its_names():
    exercise = EXERCISES["conv2d"]
    renamed = exercise.source.replace("stride", "step").replace("padding", "p")
    copied = renamed.replace(":\n", ":\n    # mine\n", 1)
    other = exercise.source.replace("return ", "return 1 * ")
    for text, marked in ((copied, True), (other, False), ("conv2d = 1", False)):
        (module,) = modules(Submission("x", "", (("conv.py", text.encode()),)))
        assert is_copy(exercise, module) == marked
    short = Submission("x", "", (("mlp.py", EXERCISES["grad_y_tilde"].source.encode()),))
    assert not is_copy(EXERCISES["grad_y_tilde"], modules(short)[0])


# --- the sheet --------------------------------------------------------------------------------------------------------


@pytest.fixture
def two(made):
    _, _, graded = made
    return [submission for submission in graded if submission.student in ("right", "naive")]


def test_points_overrides_and_comments(two, tmp_path):
    (tmp_path / "points.csv").write_text("exercise;points\nsoftmax;4,5\n")
    (tmp_path / "overrides.csv").write_text("student,exercise,points\nnaive,softmax,4\nright,T3,2\n")
    (tmp_path / "comments.csv").write_text("student,exercise,comment\nnaive,softmax,Nearly.\nnaive,,See me.\n")
    points = sheet.read_points(tmp_path / "points.csv")
    assert points["softmax"] == 4.5 and points["forward"] == 1
    remarks = sheet.read_remarks(tmp_path, two)
    assert sheet.too_high(remarks, points) == []
    (above,) = sheet.too_high(remarks, dict.fromkeys(EXERCISES, 1.0))
    assert above == "overrides.csv: naive has 4 for softmax, which gives 1 at most."
    text, marks = written(two, points, remarks)
    rows = rows_of(text)
    assert (rows["naive"]["softmax"], rows["naive"]["total"], rows["right"]["softmax"]) == ("4", "5", "4.5")
    assert tuple(rows["right"][name] for name in ("T3", "exercises", "of", "questions", "total")) == (
        ("2", "5.5", "37.5", "2", "7.5")
    )
    text = sheet.feedback(marks[0], points)
    assert "4 of 4.5" in text and "Nearly." in text and "See me." in text
    text = sheet.feedback(marks[1], points)
    assert "Nearly" not in text
    assert "Exercises: 5.5 of 37.5 points\nQuestions: 2 points\nTotal: 7.5 points" in text and "T3: 2" in text


def test_another_file_is_no_sheet_and_marks_that_are_no_numbers_count_nothing(two, tmp_path):
    points = dict.fromkeys(EXERCISES, 1.0)
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(RdfiaError, match="is no sheet of this command"):
        written(two, points, before=tmp_path / "other.csv")
    (tmp_path / "odd.csv").write_text("student,number,T2,T3\nright,,nan,late\n")
    odd = rows_of(written(two, points, before=tmp_path / "odd.csv")[0])["right"]
    assert (odd["T2"], odd["T3"], odd["total"]) == ("nan", "late", "2")


def test_a_student_is_found_by_the_name_in_the_sheet(made, tmp_path):
    (tmp_path / "overrides.csv").write_text("student,exercise,points\n'=formula(),softmax,0.5\n")
    remarks = sheet.read_remarks(tmp_path, made[2])
    assert remarks.points == {("=formula()", ""): {"softmax": 0.5}}


def test_a_long_name_is_a_name_of_a_file():
    graded = [gradebook.GradedSubmission("学" * 80, number, ()) for number in "78"]
    names = sheet.file_names(graded)
    assert len(set(names)) == 2 and all(len(name.encode()) <= 210 for name in names)


@pytest.mark.parametrize(
    "file, text, words",
    [
        ("points.csv", "exercise,points\nsoftmx,1\n", "did you mean softmax"),
        ("points.csv", "exercise,points\nsoftmax,many\n", "line 2: many is no number"),
        ("points.csv", "name,mark\n", "should be exercise,points"),
        ("overrides.csv", "student,exercise,points\nnobody,softmax,1\n", "no student called nobody"),
        ("overrides.csv", "student,exercise,points\nright,softmx,1\n", "did you mean softmax"),
        ("comments.csv", "student,comment\n", "has no column exercise"),
        ("points.csv", "exercise,points\nsoftmax,1\nsoftmax,2\n", "line 3: softmax is there twice"),
        ("points.csv", "exercise,points\nsoftmax,nan\n", "nan is no number"),
        ("points.csv", "exercise,points,points\nsoftmax,1,2\n", "two columns points"),
        ("points.csv", f"exercise,points\n{'x' * 200_000},2\n", "cannot be read after line 1: field larger"),
        ("points.csv", "x" * 200_000, "cannot be read in its first line: field larger"),
        ("overrides.csv", "student,exercise,points\nright,T1,1\nright,T1,2\n", "line 3: T1 of right is there twice"),
        ("overrides.csv", "student,exercise,points\n,softmax,1\n", "no student called nothing"),
        ("overrides.csv", "student,exercise,points\nright,softmax\n", "nothing is no number"),
    ],
)
def test_a_mistake_in_the_teachers_files_is_one_sentence(two, tmp_path, file, text, words):
    (tmp_path / file).write_text(text)
    with pytest.raises(RdfiaError, match=words):
        if file == "points.csv":
            sheet.read_points(tmp_path / file)
        sheet.read_remarks(tmp_path, two)


def test_the_overview_counts(made):
    _, _, graded = made
    first = gradebook.overview(graded)[0]
    assert first.name == "softmax" and first.right + first.wrong + first.unwritten == len(graded)
    assert any("Your columns sum to 1" in cause for cause, _ in first.causes)
    page = gradebook.overview_page(graded, [1.0] * len(graded), 34, "overview.png")
    assert "Most often wrong: softmax" in page


def test_copies_of_exercises_that_do_not_count_are_not_listed(two):
    copied = gradebook.restrict([replace(two[0], copies=("conv2d", "zca"))], ("softmax", "zca"))
    page = gradebook.overview_page(copied, [1.0], 2, "overview.png")
    assert "conv2d" not in page and "<li>naive: zca" in page
    text, _ = written(copied, {"softmax": 1.0, "zca": 1.0})
    assert rows_of(text)["naive"]["remarks"].endswith("Equal to our solution but for names: zca.")


# --- what comes from a worker, and isolation --------------------------------------------------------------------------


def test_arrays_come_back_as_they_were_sent(monkeypatch):
    # Judges run in threads, and Python 3.11 parses in one thread at a time.
    monkeypatch.setattr(ast, "parse", None)
    for array in (np.arange(6.0).reshape(2, 3), np.asfortranarray(np.eye(3, 2)), np.array(True), np.zeros((0, 2))):
        encoder = worker.Encoder()
        tree = json.loads(json.dumps(encoder.encode([np.ones(2, "float16"), array])))
        _, got = protocol.read_value(tree, b"".join(encoder.blobs))
        assert got.dtype == array.dtype and np.array_equal(got, array)


@pytest.mark.parametrize(
    "content",
    [
        [0, "<f8", [4]],
        [8, "<f8", [3]],
        [-8, "<f8", [1]],
        [0, "<f8", [-1]],
        [0, "<f8", [10**9, 10**9, 10**9]],
        [0, "<f8", [1.5]],
        [0, "<f8", "3"],
        [0, "<f8", [1] * 100],
        [0, "|O", [3]],
        [0, "<U2", [3]],
        [0, "<f8,<f8", [1]],
        [0, "<f7", [1]],
        ["0", "<f8", [3]],
        [0, "<f8"],
        [0],
        {},
        None,
    ],
)
def test_what_is_no_array_is_refused(content):
    with pytest.raises(protocol.BadAnswer):
        protocol.read_value({"a": content}, np.zeros(3).tobytes())


@pytest.mark.parametrize(
    "tree",
    [
        *({}, [], None, {"a": 1}, {"z": 1}, {"v": [1]}, {"t": 3}, {"d": [1]}, {"v": 1, "a": 2}, {"v": 10**400}),
        # Small answers that would be large results: the same bytes again and again, and many entries.
        {"l": [{"a": [0, "|i1", [9]]}, {"a": [0, "|i1", [9]]}]},
        {"l": [{"v": 0}] * 201_000},
    ],
)
def test_what_is_no_result_is_refused(tree):
    with pytest.raises(protocol.BadAnswer):
        protocol.read_value(tree, bytes(9))


def test_where_bubblewrap_is_missing_the_sentence_names_the_ways(tmp_path, monkeypatch, rdfia_here):
    (tmp_path / "in" / "ada").mkdir(parents=True)
    monkeypatch.setattr(sandbox.shutil, "which", lambda name: None)
    refused = rdfia_here("learn", "grade", "in")
    assert refused.returncode == 1 and not (tmp_path / "grades.csv").exists()
    assert all(words in refused.stderr for words in ("package bubblewrap", "container", "docs/teach.md", "--trusted"))
    monkeypatch.undo()
    monkeypatch.setattr(sandbox, "_bubblewrap", lambda keras: ["bwrap", "--no-such-option"])
    with pytest.raises(RdfiaError, match=r"cannot be isolated here: bwrap: Unknown option --no-such-option"):
        sandbox.check_isolation()


def grade_one(text, **settings):
    submission = Submission("x", "", (("mlp.py", text.encode()),))
    with sandbox.Workers(hidden=True, **settings) as workers:
        graded = gradebook.grade_submission(submission, Checker(workers, 0, LIMITS))
    return {verdict.name: verdict for verdict in graded.verdicts}


def test_trusted_submissions_run_with_limits(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    text = softmax("import os\n    os.makedirs('a/b', exist_ok=True)\n    os.fork()\n    return np.ones((9**9,))")
    verdicts = grade_one(text)
    assert verdicts["accuracy"].status == "right" and "MemoryError" in verdicts["softmax"].lines[0]
    assert not list(tmp_path.iterdir()) and not processes()


def test_a_student_sees_neither_others_nor_the_exercises(monkeypatch):
    """What lies in memory and in reach of a worker: nothing of the reference, no environment, an empty folder."""
    monkeypatch.setenv("RDFIA_SECRET", "x")
    text = HEAD + (
        "def softmax(y_tilde):\n    import gc, os, sys\n"
        "    ours = [m for m in sys.modules if 'exercise' in m or 'rdfia' in m]\n"
        "    found = [o for o in gc.get_objects() if isinstance(o, dict) and 'grads_hidden' in o]\n"
        "    few = len([p for p in os.listdir('/proc') if p.isdigit()]) < 4\n"
        "    raise ValueError(f'{ours} {found} {os.listdir()} {few} {\"RDFIA_SECRET\" in os.environ}')\n"
    )
    assert "[] [] [] True False" in grade_one(text, isolated=True)["softmax"].lines[0]


def test_the_command(tmp_path, rdfia_here):
    (tmp_path / "in" / "ada").mkdir(parents=True)
    (tmp_path / "in" / "ada" / "mlp.py").write_text(HEAD + SOFTMAX)
    done = rdfia_here("learn", "grade", "in", "--out", "out/grades.csv", "--seed", "3")
    assert done.returncode == 0, done.stderr
    assert "1 submission, 1.0 of 34 points on average" in done.stdout and "1 of 1: ada: 1 of 34 right" in done.stderr
    names = {"grades.csv", "feedback", "overview.png", "overview.html", ".rdfia-grades"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
    assert (tmp_path / "out" / "feedback" / "ada.txt").read_text().startswith("ada\n\nsoftmax            right")
    for out, words in (
        ("in/g.csv", "among the submissions"),
        ("out/overrides.csv", "the name of another file"),
        ("g.xlsx", "is CSV"),
    ):
        refused = rdfia_here("learn", "grade", "in", "--out", out)
        assert refused.returncode == 2 and words in refused.stderr
    wrong = rdfia_here("learn", "grade", "nowhere")
    assert wrong.returncode == 1 and "there is no nowhere" in wrong.stderr
