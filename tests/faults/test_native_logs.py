"""What native libraries print stays off the terminal, and is shown when they take the process with them."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from processes import ENV, start

from rdfia_keras.learn.exercises import EXERCISES

PROGRESS = re.compile(r"(manual|tape|layers|optimizer)  epoch \d+/\d+  test ")
QUICK = ("mlp", "--quick", "--implementation", "layers")


def fails_where(cwd: Path, module: str, failure: str) -> subprocess.CompletedProcess:
    """Run a quick training where a native library prints a line and fails while a module is imported."""
    code = f"""
import os, sys

class Failing:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.write(2, b"E0000 a native line\\n")
            {failure}

sys.meta_path.insert(0, Failing())
sys.argv = ["rdfia", *{QUICK!r}]
from rdfia_keras.commands._app import main
main()
"""
    return subprocess.run([sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("module", ["keras", "rdfia_keras.training.perceptron_epochs"])
def test_a_crash_shows_where_it_happened(tmp_path, module):
    """While TensorFlow is imported, and after."""
    done = fails_where(tmp_path, module, "os.abort()")
    assert done.returncode == -signal.SIGABRT and done.stdout == ""
    assert "Fatal Python error: Aborted" in done.stderr and "in main" in done.stderr
    assert ("E0000 a native line" in done.stderr) == (module != "keras")


def test_an_import_that_fails_shows_what_was_printed(tmp_path):
    done = fails_where(tmp_path, "keras", "raise ImportError('libcudart.so: cannot open')")
    assert (done.returncode, done.stdout) == (1, "")
    sentence = "error: unexpected ImportError: libcudart.so: cannot open (--debug shows all of it)"
    assert done.stderr.splitlines() == ["E0000 a native line", sentence]


@pytest.mark.parametrize("options", [(), ("--debug",)], ids=str)
def test_a_library_that_ends_the_process_is_heard(rdfia, options):
    done = rdfia(*QUICK, *options, env={"XLA_FLAGS": "--xla_no_such_flag=1"})
    assert done.returncode != 0 and done.stdout == ""
    lines = done.stderr.splitlines()
    assert "xla_no_such_flag" in lines[-1] and (len(lines) == 1) == (options == ())


def test_a_gpu_that_is_not_there_is_named_in_one_sentence(rdfia, tmp_path):
    done = rdfia("mlp", "--quick", "--device", "gpu", env={"CUDA_VISIBLE_DEVICES": "-1"})
    assert done.returncode == 1 and done.stdout == ""
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith("error: --device gpu: the tensorflow back end sees no GPU; ")
    for word in ("pip install '.[gpu]' in a checkout", "nvidia-smi", "--debug", "--device cpu"):
        assert word in sentence
    assert not (tmp_path / "results").exists()


def test_a_run_and_a_signal_show_only_progress_and_the_commands_own_words(tmp_path):
    env = ENV | {"TF_CPP_MIN_LOG_LEVEL": "0", "TF_CPP_MAX_VLOG_LEVEL": "0"}
    training = start("mlp", "--implementation", "layers", "--epochs", 1_000_000, cwd=tmp_path, env=env)
    assert PROGRESS.match(training.stderr.readline())
    training.send_signal(signal.SIGINT)
    _, err = training.communicate(timeout=60)
    (folder,) = [path for path in (tmp_path / "results" / "mlp").iterdir() if path.is_dir()]
    assert training.returncode == 130
    assert [line for line in err.splitlines() if line and not PROGRESS.match(line)] == [
        "stopping after this batch; press Ctrl-C again to stop at once",
        f"interrupted; resume it with: rdfia resume results/mlp/{folder.name}",
    ]


def test_a_check_of_an_exercise_with_keras_prints_its_result_only(tmp_path):
    solution = EXERCISES["gradients_tape"].source
    (tmp_path / "mlp_keras.py").write_text(f"import tensorflow as tf\n\n\n{solution}\n")
    check = [sys.executable, "-m", "rdfia_keras", "learn", "check", "gradients_tape"]
    done = subprocess.run(check, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert "gradients_tape     right" in done.stdout and done.stderr == ""
