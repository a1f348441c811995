"""A copy without solutions: it checks as the whole one does, and has no text to read."""

import os
import subprocess
import sys

import pytest

from rdfia_keras.errors import RdfiaError
from rdfia_keras.learn import sealed
from rdfia_keras.learn.checking import check
from rdfia_keras.learn.exercises import EXERCISES

PAIR = """
from rdfia_keras.learn.checking import check
from rdfia_keras.learn.exercises import EXERCISES
one = EXERCISES["softmax"]
print(check(one, one.wrong(one.mistakes[0], one.mistakes[2]), seed=5).text())
"""
REFUSED = "this copy of rdfia-keras comes without solutions"


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("for students") / "a copy"
    sealed.write_copy(folder)
    return folder


@pytest.fixture
def python(copy, tmp_path):
    """Run Python with the copy in place of the package."""

    def run(*arguments):
        env = {**os.environ, "PYTHONPATH": str(copy)}
        return subprocess.run([sys.executable, *arguments], cwd=tmp_path, env=env, capture_output=True, text=True)

    return run


def test_a_file_is_checked_as_with_the_solutions(python, tmp_path):
    softmax = EXERCISES["softmax"]
    assert python("-m", "rdfia_keras", "learn", "start", "mlp").returncode == 0
    file = tmp_path / "homework" / "mlp.py"
    body = "e = np.exp(y_tilde)\n    return e / e.sum(axis=0, keepdims=True)\n"
    file.write_text(file.read_text().replace(softmax.skeleton, softmax.prompt + "\n    " + body))
    done = python("-m", "rdfia_keras", "learn", "check", "--only", "softmax")
    names = {}
    exec(f"import numpy as np\ndef softmax(y_tilde):\n    {body}", names)
    told = check(softmax, names["softmax"]).text()[1:]
    assert len(told) > 4 and "\n".join(told) in done.stdout.replace("\n  ", "\n")


def test_two_mistakes_are_named_for_any_seed(python):
    softmax = EXERCISES["softmax"]
    expected = check(softmax, softmax.wrong(softmax.mistakes[0], softmax.mistakes[2]), seed=5).text()
    assert python("-c", PAIR).stdout == f"{expected}\n"


@pytest.mark.parametrize("command", [("solution", "softmax"), ("grade", "class")])
def test_what_needs_the_solutions_says_so(python, tmp_path, command):
    (tmp_path / "class").mkdir()
    (tmp_path / "class" / "mlp.py").write_text("")
    done = python("-m", "rdfia_keras", "learn", *command)
    assert (done.returncode, done.stderr) == (1, f"error: {REFUSED}\n")


def test_no_text_of_a_solution_is_in_it(copy):
    files = [path.read_bytes() for path in (copy / "rdfia_keras" / "learn" / "exercises").iterdir()]
    for exercise in EXERCISES.values():
        assert not any(exercise.source.splitlines()[-1].strip().encode() in data for data in files), exercise.name


def test_another_version_of_python_is_told(tmp_path):
    (tmp_path / "mlp.bin").write_bytes(b"\0\0\r\n")
    with pytest.raises(RdfiaError, match="another version of Python"):
        sealed.run_sealed("mlp", str(tmp_path / "mlp.py"), {})


def test_a_folder_that_is_there_is_left_alone(tmp_path):
    with pytest.raises(RdfiaError, match="is there already"):
        sealed.write_copy(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RdfiaError, match=r"cannot make the folder .*students: Not a directory; name another one"):
        sealed.write_copy(tmp_path / "file" / "students")
