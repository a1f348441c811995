"""The command in other people's environments: encodings, full disks, left-over settings of Matplotlib and Keras."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from rdfia_keras.errors import RdfiaError
from rdfia_keras.system.backend import set_up_backend

RDFIA = (sys.executable, "-m", "rdfia_keras")
# All run in one process, which takes its environment once.
CHEAP = (
    "explain likelihood",
    "explain loss",
    "list",
    "runs --reference",
    "compare reference/cnn/baseline nothing",
    "svm --kernel rbf --quick",
    "predict digits digit.png",
)
# No such backend of Matplotlib, no folder for temporary files, and a locale without UTF-8.
ENVIRONMENT = {
    "MPLBACKEND": "module://absent.backend",
    "TMPDIR": "/absent",
    "LANG": "C",
    "LC_ALL": "C",
    "PYTHONUTF8": "0",
    "PYTHONCOERCECLOCALE": "0",
    "PYTHONIOENCODING": "ascii",
}
SEVERAL = (
    "import sys\nfrom rdfia_keras.commands._app import main\n"
    "for words in sys.argv[1:]:\n"
    "    sys.argv = ['rdfia', *words.split()]\n"
    "    try:\n        main()\n"
    "    except SystemExit as end:\n        print('ended', end.code)\n"
)


def test_every_cheap_command_prints_whatever_the_environment(tmp_path):
    """One of them loads a network that another process saved."""
    Image.new("L", (32, 32)).save(tmp_path / "digit.png")
    env = {**os.environ, **ENVIRONMENT}
    command = [sys.executable, "-c", SEVERAL, *CHEAP]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, timeout=120)
    codes = [part[0] for part in done.stdout.decode("ascii").split("ended ")[1:]]
    assert codes == [*"0000", "1", "0", "0"], done
    assert b"unexpected" not in done.stderr and b"Traceback" not in done.stderr


@pytest.mark.parametrize("args", ["list", "--help"])
def test_a_full_disk_behind_standard_output_is_one_sentence(tmp_path, args):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*RDFIA, *args.split()], cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("error: cannot write to standard output: ") and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "words"),
    [("torch", "rdfia works with tensorflow and jax"), ("theano", "set KERAS_BACKEND=tensorflow"), ("", None)],
)
def test_a_back_end_that_cannot_train_is_named_before_it_is_loaded(monkeypatch, tmp_path, name, words):
    monkeypatch.setenv("KERAS_BACKEND", name)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    if words is None:
        set_up_backend("cpu")
        return
    with pytest.raises(RdfiaError, match=words):
        set_up_backend("cpu")


JSON = st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=5), st.lists, max_leaves=3)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(content=st.fixed_dictionaries({}, optional={"backend": JSON | st.just("tensorflow"), "floatx": JSON}) | JSON)
def test_any_keras_json_of_other_work_is_passed_over_or_named(tmp_path_factory, content):
    home = tmp_path_factory.mktemp("home")
    (home / "keras.json").write_text(json.dumps(content))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_HOME", str(home))
        patch.delenv("KERAS_BACKEND", raising=False)
        try:
            set_up_backend("cpu")
        except RdfiaError as error:
            assert content["backend"] != "tensorflow" and "set KERAS_BACKEND=tensorflow" in str(error)


def test_a_left_over_keras_json_changes_nothing_or_is_named(tmp_path, rdfia, rdfia_here, image_folder):
    args, home = ("explain", "start", "--dataset", image_folder, "--seeds", "1", "--json"), tmp_path / "home"
    home.mkdir()
    usual = rdfia_here(*args)
    other = {"floatx": "float16", "epsilon": 0.1, "image_data_format": "channels_first", "backend": "tensorflow"}
    (home / "keras.json").write_text(json.dumps(other))
    done = rdfia(*args, env={"KERAS_HOME": str(home)})
    assert done.returncode == 0 and done.stdout == usual.stdout, done.stderr
    (home / "keras.json").write_text(json.dumps({**other, "floatx": "bfloat16"}))
    done = rdfia(*args, env={"KERAS_HOME": str(home)})
    assert done.returncode == 1 and "keras.json has a value that Keras refuses" in done.stderr


@given(text=st.text(), encoding=st.sampled_from(["ascii", "cp1252", "latin1", "utf-8"]))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_any_text_is_printed_in_any_encoding(text, encoding):
    import io
    from unittest.mock import patch

    from rdfia_keras.commands._output import prepare_streams

    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict")
    with patch.object(sys, "stdout", stream):
        prepare_streams()
        print(text + "\udc80", flush=True)
    assert stream.buffer.getvalue().decode(encoding)


def test_a_page_is_written_where_no_browser_opens(rdfia_here, monkeypatch):
    monkeypatch.setattr("webbrowser.open", lambda address: False)
    done = rdfia_here("playground", "--open")
    assert done.returncode == 0 and "results/playground.html" in done.stdout
    assert "no browser can be started here" in done.stderr
