"""`rdfia learn` and its commands, as a student uses them: files, bad input, what is said and what is kept."""

import builtins
import json
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from right_solutions import solved
from right_solutions import verdict_of as check

import rdfia_keras.learn
from rdfia_keras.commands import learn
from rdfia_keras.learn import student
from rdfia_keras.learn.exercises import EXERCISES, PARTS, of_part
from rdfia_keras.learn.session import Limits
from rdfia_keras.learn.skeletons import notebook

SOFTMAX = "import numpy as np\n\n\ndef softmax(y_tilde):\n"


@pytest.fixture
def checked(rdfia_here, tmp_path, monkeypatch):
    """Check a file with this text."""

    def run(text, *options, name="mlp.py"):
        if "while True" in text:
            monkeypatch.setattr(student, "LIMITS", Limits(exercise=1.0))
        (tmp_path / name).write_text(text)
        return rdfia_here("learn", "check", name, *options)

    return run


def test_from_the_start_to_the_first_right_function(rdfia_here, tmp_path):
    first = rdfia_here("learn")
    assert "no file yet" in first.stdout and "Next: rdfia learn start" in first.stdout
    assert rdfia_here("learn", "start", "mlp").returncode == 0
    file = tmp_path / "homework" / "mlp.py"
    done = rdfia_here("learn", "check")
    assert done.returncode == 1 and done.stdout.count("not written yet") == len(of_part("mlp"))
    softmax = EXERCISES["softmax"]
    file.write_text(file.read_text().replace(softmax.skeleton, f"{softmax.source}\n"))
    assert rdfia_here("learn", "check", "--only", "softmax").returncode == 0
    listed = json.loads(rdfia_here("learn", "--json").stdout)["exercises"]
    assert [row["status"] for row in listed[:2]] == ["right", "not written yet"]
    file.write_text(file.read_text().replace("axis=1", "axis=0"))
    assert json.loads(rdfia_here("learn", "--json").stdout)["exercises"][0]["status"] == "changed since its check"


def test_nothing_of_the_students_is_overwritten(rdfia_here, tmp_path):
    (tmp_path / "homework").mkdir()
    (tmp_path / "homework" / "svm.py").write_text("mine")
    done = rdfia_here("learn", "start")
    assert "homework/svm.py is there already and is left as it is" in done.stdout
    assert (tmp_path / "homework" / "svm.py").read_text() == "mine"
    assert (tmp_path / "homework" / "training.py").is_file()


def test_a_notebook_is_checked_as_a_file_and_cell_by_cell(rdfia_here, tmp_path, monkeypatch, capsys):
    assert rdfia_here("learn", "start", "svm", "here", "--notebook").returncode == 0
    written = json.loads((tmp_path / "here" / "svm.ipynb").read_text())
    assert written["nbformat"] == 4 and len({cell["id"] for cell in written["cells"]}) == len(written["cells"])
    assert rdfia_here("learn", "check", "here/svm.ipynb").stdout.count("not written yet") == len(of_part("svm"))
    cells = ["".join(cell["source"]) for cell in json.loads(notebook("svm"))["cells"] if cell["cell_type"] == "code"]
    cells[1:2] = ["%matplotlib inline\n" + EXERCISES["rbf_kernel"].source, "rbf_kernel(0)"]
    monkeypatch.setattr(builtins, "get_ipython", lambda: SimpleNamespace(user_ns={"In": cells}), raising=False)
    for name in ("rbf_kernel", "poly_kernel"):
        rdfia_keras.learn.check(EXERCISES[name].solution)
    assert capsys.readouterr().out == "rbf_kernel         right\npoly_kernel        not written yet\n"


def test_what_a_student_prints_is_shown_but_not_in_the_verdict(rdfia, tmp_path):
    (tmp_path / "mlp.py").write_text(f"{SOFTMAX}    print('passed')\n    return y_tilde\n")
    done = rdfia("learn", "check", "mlp.py", "--json")
    assert json.loads(done.stdout)["files"][0]["verdicts"][0]["status"] == "wrong"
    assert done.stderr.count("passed") == 6


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("def softmax(y_tilde:\n", "It cannot be checked: mlp.py, line 1: SyntaxError: "),
        ("def softmax(y):\n    pass\nimport numpie\n", "Left out, because it fails: mlp.py, line 3: import numpie ->"),
        (
            "def softmax(y):\n    pass\nfor _ in iter(int, 1):\n    pass\n",
            "too long: mlp.py, line 3: for _ in iter(int, 1):",
        ),
        ("def softmax(y):\n    pass\nx = input()\n", "line 3: x = input() -> EOFError"),
        ("import os\nx = os._exit(0)\ndef softmax(y):\n    pass\n", "the process ended with exit code 0"),
        ("def softmax():\n    return 1\n", "The signature is softmax(); it should be softmax(y_tilde)."),
        ("softmax = 3\n", "softmax is the number 3, not a function: write def softmax(y_tilde)."),
        (
            "@undefined\ndef softmax(y):\n    pass\n",
            "softmax cannot be defined: mlp.py, line 1: @undefined -> NameError",
        ),
    ],
    ids=["syntax", "import", "loop", "input", "exit", "signature", "number", "decorator"],
)
def test_what_is_wrong_with_a_file(checked, text, sentence):
    done = checked(text, "--only", "softmax")
    assert done.returncode == 1
    assert sentence in " ".join(done.stdout.split())


def test_one_bad_function_does_not_hide_the_next(checked):
    text = solved("mlp").replace(EXERCISES["softmax"].source, "def softmax(y_tilde):\n    while True:\n        pass\n")
    out = " ".join(checked(text, "--only", "softmax", "--only", "accuracy").stdout.split())
    assert "softmax still runs after 1 s in mlp.py, line" in out and "accuracy right" in out and "1 of 2 right" in out


def test_files_beside_it(checked, tmp_path):
    """A student's own modules can be imported, and one that is called like a library's hides nothing."""
    (tmp_path / "random.py").write_text("raise RuntimeError")
    (tmp_path / "helpers.py").write_text("from numpy import exp")
    solution = EXERCISES["softmax"].source.replace("    e = np", "    import helpers\n\n    e = helpers")
    assert "right" in checked(f"import numpy as np\n\n\n{solution}", "--only", "softmax").stdout


def test_the_documentation_shows_what_is_printed():
    shown = (Path(__file__).parents[1] / "docs" / "learn.md").read_text(encoding="utf-8")
    softmax = EXERCISES["softmax"]
    batch_sum, _, overflow, *_ = softmax.mistakes
    for function in (softmax.wrong(batch_sum, overflow), softmax.wrong(overflow), softmax.solution):
        text = "\n".join(f"  {line}" for line in check(softmax, function).text())
        assert f"\n{text}\n" in shown, text
    for exercise in EXERCISES.values():
        assert exercise.name in shown


def test_the_documentation_shows_each_step_from_the_start_to_the_first_gradient(rdfia_here, tmp_path):
    shown = (Path(__file__).parents[1] / "docs" / "learn.md").read_text(encoding="utf-8")
    file, gradient = tmp_path / "homework" / "mlp.py", EXERCISES["grad_y_tilde"]
    steps = [rdfia_here("learn", "start"), rdfia_here("learn", "check", "--only", "softmax")]
    softmax = EXERCISES["softmax"]
    empty = file.read_text().replace(softmax.skeleton, f"{softmax.source}\n")
    file.write_text(empty)
    steps.append(rdfia_here("learn", "check", "--only", "softmax"))
    for body in (gradient.source.replace(" / len(y)", ""), gradient.source):
        file.write_text(empty.replace(gradient.skeleton, f"{body}\n"))
        steps.append(rdfia_here("learn", "check", "--only", "grad_y_tilde"))
    assert [step.returncode for step in steps] == [0, 1, 0, 1, 0]
    for step in steps:
        assert f"```\n{step.stdout}```\n" in shown, step.stdout


def test_functions_in_a_file_of_any_name(checked):
    assert "softmax            right" in checked(solved("mlp"), name="mine.py").stdout
    done = checked("x = 1\n", name="other.py")
    assert done.returncode == 1 and "other.py has none of the functions" in done.stderr


@pytest.mark.parametrize(
    "arguments, code, sentence",
    [
        (("check",), 1, "run rdfia learn start first"),
        (("check", "nowhere.py"), 1, "there is no nowhere.py"),
        (("start", "mpl"), 2, "did you mean mlp?"),
        (("hint", "sofmax"), 2, "did you mean softmax?"),
        (("solution", "nothing"), 2, "rdfia learn lists them"),
    ],
)
def test_bad_arguments(rdfia_here, arguments, code, sentence):
    done = rdfia_here("learn", *arguments)
    assert done.returncode == code and sentence in done.stderr


def test_a_word_that_is_no_exercise_where_there_are_files(checked):
    done = checked(solved("mlp"), "sofmax")
    assert done.returncode == 2 and "there is no exercise or file 'sofmax': did you mean softmax?" in done.stderr
    assert "rdfia learn lists them" in checked(solved("mlp"), "nothing").stderr


def test_a_second_start_names_the_first_function_that_is_not_right(rdfia_here, tmp_path):
    rdfia_here("learn", "start")
    file = tmp_path / "homework" / "mlp.py"
    file.write_text(file.read_text().replace(EXERCISES["softmax"].skeleton, EXERCISES["softmax"].source + "\n"))
    rdfia_here("learn", "check", "softmax")
    following = "Next: forward in homework/mlp.py, then rdfia learn check homework/mlp.py"
    for command in (("learn",), ("learn", "start"), ("learn", "start", "mlp")):
        assert rdfia_here(*command).stdout.splitlines()[-1] == following
    assert "Next: rbf_kernel in homework/svm.py" in rdfia_here("learn", "start", "svm").stdout


def test_only_names_that_there_are(checked):
    done = checked(solved("mlp"), "--only", "conv2d")
    assert done.returncode == 1 and "conv2d belongs in conv.py" in done.stderr
    assert "did you mean softmax?" in checked(solved("mlp"), "--only", "sofmax").stderr


@pytest.mark.parametrize(
    "arguments, files",
    [
        (("elsewhere",), {f"elsewhere/{part}.py" for part in PARTS}),
        (("mlp", "svm"), {"homework/mlp.py", "homework/svm.py"}),
        (("svm", "conv", "here"), {"here/svm.py", "here/conv.py"}),
    ],
)
def test_start_takes_topics_and_a_folder(rdfia_here, tmp_path, arguments, files):
    assert rdfia_here("learn", "start", *arguments).returncode == 0
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.glob("*/*.py")} == files


@pytest.mark.parametrize(
    "arguments, names",
    [
        (("softmax",), ["softmax"]),
        (("rbf_kernel", "softmax"), ["softmax", "rbf_kernel"]),
        (("mlp.py", "svm.py", "--only", "softmax,svm"), ["softmax", *(exercise.name for exercise in of_part("svm"))]),
    ],
)
def test_check_takes_exercises_and_files(rdfia_here, tmp_path, arguments, names):
    for part in ("mlp", "svm"):
        (tmp_path / f"{part}.py").write_text(solved(part))
    done = rdfia_here("learn", "check", *arguments, "--json")
    verdicts = [verdict["name"] for file in json.loads(done.stdout)["files"] for verdict in file["verdicts"]]
    assert (done.returncode, verdicts) == (0, names)


def test_after_the_last_function_of_a_file_comes_the_next_file(checked, rdfia_here):
    assert "Next: gradients_tape; rdfia learn start mlp_keras writes its file" in checked(solved("mlp")).stdout
    assert "there is no folder nowhere" in rdfia_here("learn", "--dir", "nowhere").stderr


def test_a_helper_that_changes_and_a_notebook_are_seen(checked, rdfia_here):
    text = SOFTMAX.replace("def", "def helper(x):\n    return x\n\n\ndef") + "    return helper(y_tilde)\n"
    checked(text)
    status = [json.loads(rdfia_here("learn", "--json").stdout)["exercises"][0]["status"]]
    Path("mlp.py").write_text(text.replace("return x", "return 2 * x"))
    status.append(json.loads(rdfia_here("learn", "--json").stdout)["exercises"][0]["status"])
    Path("mlp.py").unlink()
    rdfia_here("learn", "start", "mlp", ".", "--notebook")
    listed = json.loads(rdfia_here("learn", "--json").stdout)["exercises"][0]
    assert [*status, listed["status"], listed["file"]] == [
        "wrong",
        "changed since its check",
        "not written yet",
        "mlp.ipynb",
    ]


def test_a_cell_checks_a_lambda(monkeypatch, capsys):
    cells = ["import numpy as np", "softmax = lambda y_tilde: y_tilde"]
    softmax = lambda y_tilde: y_tilde  # noqa: E731
    namespace = SimpleNamespace(user_ns={"In": cells, "softmax": softmax})
    monkeypatch.setattr(builtins, "get_ipython", lambda: namespace, raising=False)
    rdfia_keras.learn.check(softmax)
    assert "softmax            wrong" in capsys.readouterr().out


def test_nothing_written_is_not_called_the_students(rdfia_here):
    rdfia_here("learn", "start", "mlp")
    done = rdfia_here("learn", "run")
    assert done.returncode == 1 and "is written yet" in done.stderr and not done.stdout


def test_a_hint_and_a_solution(rdfia_here):
    formula, shapes = EXERCISES["conv2d"].hints
    assert formula in rdfia_here("learn", "hint", "conv2d").stdout
    assert shapes not in rdfia_here("learn", "hint", "conv2d").stdout
    assert shapes in rdfia_here("learn", "hint", "conv2d", "--shapes").stdout
    assert rdfia_here("learn", "solution", "conv2d").stdout.strip() == EXERCISES["conv2d"].source.strip()


def test_watch_checks_again_when_a_file_changes(checked, rdfia_here, tmp_path, monkeypatch):
    file = tmp_path / "mlp.py"
    naps = iter(range(3))

    def sleep(seconds):
        nap = next(naps)
        if nap == 1:
            file.write_text(f"{SOFTMAX}    raise KeyError('second')\n")
        if nap == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr(learn.time, "strftime", lambda form: "now")
    done = checked(f"{SOFTMAX}    raise KeyError('first')\n", "--watch", "--only", "softmax")
    assert done.returncode == 0
    assert [word in done.stdout for word in ("first", "second")] == [True, True] and done.stdout.count("now") == 2
