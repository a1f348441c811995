"""The real command in a process of its own: exit codes, what goes where, and what is not imported."""

import json
import os
import pty
import re
import subprocess
import sys

import pytest

from rdfia_keras import __version__

LIGHT = [
    ["--help"],
    ["--version"],
    ["mlp", "--help"],
    ["cnn", "--lr", "nonsense"],
    ["svm", "--kernel", "rbf", "--quick"],
]


@pytest.mark.parametrize("args", LIGHT, ids=" ".join)
def test_tensorflow_is_not_imported(args, tmp_path):
    code = (
        "import sys, atexit\n"
        "atexit.register(lambda: print('HEAVY', [m for m in ('tensorflow', 'keras', 'jax') if m in sys.modules]))\n"
        f"sys.argv = ['rdfia', *{args!r}]\n"
        "from rdfia_keras.cli import main\nmain()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "HEAVY []", done.stdout + done.stderr


def test_version(rdfia):
    done = rdfia("--version")
    assert (done.returncode, done.stdout) == (0, f"rdfia {__version__}\n")


@pytest.mark.parametrize(
    ("args", "word"),
    [
        (["nonsense"], "nonsense"),
        (["mlp", "--nonsense"], "--nonsense"),
        (["mlp", "--epochs", "0"], "--epochs"),
        (["mlp", "--epochs", "three"], "valid integer"),
        (["mlp", "--lr", "0"], "--lr"),
        (["mlp", "--lr", "nan"], "--lr"),
        (["mlp", "--lr", "inf"], "--lr"),
        (["mlp", "--batch-size", "-1"], "--batch-size"),
        (["mlp", "--hidden", "0"], "--hidden"),
        (["mlp", "--seed", "-1"], "--seed"),
        (["cnn", "--seed", "4294967296"], "--seed"),
        (["mlp", "--resume", "--implementation", "tape"], "--implementation cannot go with --resume"),
        (["cnn", "--resume", "--quick"], "--quick cannot go with --resume"),
        (["cnn", "--resume", "RUN", "--overwrite"], "--overwrite cannot go with --resume"),
        (["mlp", "--dataset", "cifar10"], "cifar10"),
        (["mlp", "--device", "tpu"], "tpu"),
        (["svm", "--C", "1"], "--kernel"),
        (["svm", "--kernel", "rbf", "--C", "0"], "--C"),
        (["svm", "--kernel", "rbf", "--degree", "2"], "--degree"),
        (["cnn", "--dropout-rate", "0.3"], "--dropout"),
        (["cnn", "--dropout", "--dropout-rate", "1"], "between 0 and 1"),
        (["cnn", "--model", "lenet", "--batch-norm"], "--batch-norm"),
        (["cnn", "--schedule", "cosine"], "cosine"),
        (["cnn", "--precision", "float64"], "float64"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_option_is_named_and_exits_2(rdfia, args, word):
    done = rdfia(*args, env={"COLUMNS": "200", "TERM": "dumb"})
    assert done.returncode == 2
    assert word in done.stderr and done.stdout == ""
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["cnn", "--dataset", "nonsense"], ["nonsense", "cifar10", "folder"]),
        (["cnn", "--dataset", "no/such/folder"], ["no/such/folder"]),
        (["mlp", "--data-dir", "missing"], ["missing", "does not exist"]),
        (["cnn", "--resume", ""], ["--resume", "empty"]),
        (["cnn", "--resume"], ["no unfinished run"]),
        (["mlp", "--resume", "broken"], ["broken", "is not a run's folder"]),
        (["mlp", "--out", "a-file"], ["a-file", "is a file"]),
        (["mlp", "--out", "a-file/below"], ["a-file"]),
        (["mlp", "--data-dir", "broken"], ["circles.mat"]),
        (["cnn", "--data-dir", "broken", "--dataset", "mnist"], ["mnist.npz"]),
        (["cnn", "--data-dir", "broken"], ["data_batch_1"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_a_bad_input_gets_one_sentence_and_exits_1(rdfia, tmp_path, args, words):
    (tmp_path / "a-file").write_text("x")
    (tmp_path / "broken" / "cifar-10-batches-py").mkdir(parents=True)
    for name in ("circles.mat", "mnist.npz", "cifar-10-batches-py/data_batch_2"):
        (tmp_path / "broken" / name).write_text("<html>404</html>")
    done = rdfia(*args)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done.stderr
    for word in words:
        assert word in done.stderr


def test_no_network_and_no_file_names_three_ways_out(rdfia, tmp_path):
    proxy = "http://127.0.0.1:9"
    env = {"https_proxy": proxy, "http_proxy": proxy, "KERAS_HOME": str(tmp_path / "cache")}
    done = rdfia("cnn", env=env)
    assert done.returncode == 1
    for word in ("cifar-10-python.tar.gz", "--data-dir", "--dataset digits"):
        assert word in done.stderr
    assert done.stderr.count("\n") == 1


def test_gpu_asked_for_and_none_visible(rdfia):
    done = rdfia("mlp", "--quick", "--device", "gpu", env={"CUDA_VISIBLE_DEVICES": "-1"})
    assert done.returncode == 1
    assert done.stderr.startswith("error: --device gpu") and "rdfia-keras[gpu]" in done.stderr


def test_debug_shows_the_traceback(rdfia):
    done = rdfia("mlp", "--data-dir", "missing", "--debug")
    assert done.returncode == 1 and "Traceback" in done.stderr and "error: " in done.stderr


def test_mlp_quick_end_to_end(rdfia, tmp_path):
    done = rdfia("mlp", "--quick", "--out", "with space/é")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("QUICK")
    assert [line.split()[0] for line in lines[2:6]] == ["manual", "tape", "layers", "optimizer"]
    folder = tmp_path / lines[-1]
    assert folder == tmp_path / "with space" / "é" / "mlp" / "circles"
    names = {path.name for path in folder.iterdir()} - {".lock"}
    assert names >= {"config.json", "metrics.json", "history.csv", "curves.png", "decision-map.png"}
    record = json.loads((folder / "metrics.json").read_text())
    assert record["quick"] is True and record["status"] == "ok"
    assert record["largest_difference"] < 1e-6
    assert len((folder / "history.csv").read_text().splitlines()) == 1 + 4 * 20
    # Neither TensorFlow's log nor Keras's progress reaches the user: one line an epoch is all.
    assert len(done.stderr.splitlines()) == 4 * 20
    assert all(re.match(r"(manual|tape|layers|optimizer)  epoch ", line) for line in done.stderr.splitlines())


def test_check_gradients_prints_a_table(rdfia):
    done = rdfia("mlp", "--check-gradients")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines[1:5]] == ["W_h", "b_h", "W_y", "b_y"]
    assert float(lines[-1].split()[-1]) < 1e-6


def test_cnn_quick_with_json(rdfia, tmp_path):
    args = ("cnn", "--dataset", "digits", "--augment", "--dropout", "--quick", "--json", "--batch-size", "256")
    done = rdfia(*args)
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["parameters"] == 1_191_170
    assert record["epochs"] == 2 and record["dataset"]["name"] == "digits"
    folder = tmp_path / "results" / "cnn" / record["experiment"]
    names = {path.name for path in folder.iterdir()}
    assert names >= {"model.keras", "best.keras", "curves.png", "confusion.png", "mistakes.png", "augmented.png"}
    assert all((folder / name).stat().st_size < 150_000 for name in names if name.endswith(".png"))
    config = json.loads((folder / "config.json").read_text())
    assert config["argv"] == [*args]
    assert config["experiment"]["augment"] == ["crop", "flip"] and config["versions"]["keras"]


def test_an_image_folder_of_ones_own(rdfia, tmp_path, image_folder):
    done = rdfia("cnn", "--dataset", image_folder, "--epochs", "1", "--model", "dense", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    folder = done.stdout.splitlines()[-1]
    assert folder == str(tmp_path / "out" / "cnn" / "my-pictures-dense")
    counts = json.loads((tmp_path / folder / "metrics.json").read_text())["dataset"]["counts"]
    assert counts == {"train": 16, "test": 8}


def test_mlp_refuses_another_back_end(rdfia):
    done = rdfia("mlp", env={"KERAS_BACKEND": "jax"})
    assert done.returncode == 1 and done.stderr.startswith("error: rdfia mlp is written with TensorFlow")


def test_svm_prints_the_homeworks_panels(rdfia):
    done = rdfia("svm")
    assert done.returncode == 0, done.stderr
    rows = done.stdout.splitlines()
    assert [row.split()[0] for row in rows[1:5]] == ["linear", "sigmoid", "rbf", "poly"]
    assert rows[-1].endswith("results/svm/kernels")


def test_a_terminal_gets_a_bar_with_the_time_left(tmp_path):
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "rdfia_keras", "mlp", "--implementation", "manual", "--epochs", "400"],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=child,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "160"},
    )
    os.close(child)
    shown = b""
    try:
        while chunk := os.read(parent, 4096):
            shown += chunk
    except OSError:  # Linux's way of saying that the other end is closed.
        pass
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and b"manual" in out
    assert re.search(rb"0:00:\d\d", shown) and b"epoch 400/400" in shown
