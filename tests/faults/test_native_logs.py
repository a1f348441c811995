"""What native libraries print stays off the terminal, and is shown when they take the process with them."""

import os
import re
import signal
import subprocess
import sys

import pytest

from rdfia_keras.errors import RdfiaError
from rdfia_keras.system import backend, native_logs

PROGRESS = re.compile(r"(manual|tape|layers|optimizer)  epoch \d+/\d+  loss ")
WATCHER = "the process ended inside a native library"


@pytest.fixture
def training(tmp_path):
    """A perceptron in a process of its own that trains for minutes."""
    args = ["mlp", "--implementation", "layers", "--epochs", "1000000"]
    process = subprocess.Popen(
        [sys.executable, "-m", "rdfia_keras", *args],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_library_that_ends_the_process_is_quoted(rdfia, tmp_path):
    done = rdfia("mlp", "--quick", env={"XLA_FLAGS": "--xla_no_such_flag=1"})
    assert done.returncode != 0 and done.stdout == ""
    first, *quoted = done.stderr.splitlines()
    assert first == f"{WATCHER}, which printed:"
    assert 1 <= len(quoted) <= 8 and any("xla_no_such_flag" in line for line in quoted)
    assert "Traceback" not in done.stderr


def test_with_debug_it_prints_by_itself(rdfia):
    done = rdfia("mlp", "--quick", "--debug", env={"XLA_FLAGS": "--xla_no_such_flag=1"})
    assert done.returncode != 0
    assert "xla_no_such_flag" in done.stderr and WATCHER not in done.stderr


def test_a_normal_run_shows_nothing_of_the_native_logs(rdfia):
    args = ("mlp", "--quick", "--implementation", "layers")
    done = rdfia(*args, env={"TF_CPP_MIN_LOG_LEVEL": "0", "TF_CPP_MAX_VLOG_LEVEL": "0"})
    assert done.returncode == 0 and done.stderr
    assert all(PROGRESS.match(line) for line in done.stderr.splitlines()), done.stderr


def test_a_gpu_that_is_not_there_is_told_in_a_sentence(rdfia, tmp_path):
    done = rdfia("mlp", "--quick", "--device", "gpu", env={"CUDA_VISIBLE_DEVICES": "-1"})
    assert done.returncode == 1 and done.stdout == ""
    first, *quoted = done.stderr.splitlines()
    assert first.startswith("error: --device gpu: the tensorflow back end sees no GPU; ")
    for word in ("pip install 'rdfia-keras[gpu]'", "nvidia-smi", "--device cpu"):
        assert word in first
    assert len(quoted) <= 8 and all(line.startswith("  tensorflow: ") for line in quoted)
    assert not (tmp_path / "results").exists()


def test_the_native_librarys_reason_stands_below_the_sentence(tmp_path, monkeypatch):
    """Where TensorFlow logs errors, its own words about CUDA follow."""
    lines = [f"E0000 failed call number {number}" for number in range(20)]
    (tmp_path / "log").write_text(
        "\n".join(["I0000 a notice", *lines, "2026-01-01 00:00:00.1: W tensorflow/x.cc:1] y"])
    )
    with (tmp_path / "log").open("rb") as log:
        monkeypatch.setattr(native_logs, "_log", log)
        monkeypatch.setattr(backend, "has_gpu", lambda: False)
        with pytest.raises(RdfiaError) as caught:
            backend.check_device("gpu")
    first, *quoted = str(caught.value).splitlines()
    assert first.startswith("--device gpu: the tensorflow back end sees no GPU")
    assert quoted == [f"  tensorflow: {line}" for line in lines[-8:]]


def test_kill_9_leaves_only_progress_on_stderr(training):
    seen = training.stderr.readline()
    assert PROGRESS.match(seen), seen
    os.kill(training.pid, signal.SIGKILL)
    out, err = training.communicate(timeout=30)
    assert training.returncode == -signal.SIGKILL and out == ""
    assert all(PROGRESS.match(line) for line in err.splitlines()), err


def test_ctrl_c_ends_in_good_order_and_without_a_word_of_the_watcher(training, tmp_path):
    assert PROGRESS.match(training.stderr.readline())
    os.kill(training.pid, signal.SIGINT)
    _, err = training.communicate(timeout=60)
    assert training.returncode == 130
    assert "stopping after this batch; press Ctrl-C again to stop at once" in err and WATCHER not in err
    (folder,) = [path for path in (tmp_path / "results" / "mlp").iterdir() if path.is_dir()]
    assert err.splitlines()[-1] == f"interrupted; resume it with: rdfia resume results/mlp/{folder.name}"


def test_a_sentence_about_a_wrong_option_is_all_that_is_printed(rdfia):
    done = rdfia("cnn", "--dropout", "--dropout-rate", "7")
    sentence = "error: dropout_rate (--dropout-rate) must be between 0 and 1 (0: none), not 7.0\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", sentence)
