"""The real command in a process of its own: exit codes, what goes where, and what is not imported."""

import subprocess
import sys

import pytest

from rdfia_keras import __version__

BACK_ENDS = ("tensorflow", "keras", "jax")
HEAVY = (*BACK_ENDS, "numpy", "matplotlib", "sklearn", "scipy")
LIGHT = [
    (["--help"], HEAVY),
    (["--version"], HEAVY),
    (["mlp", "--help"], HEAVY),
    (["cnn", "--lr", "nonsense"], HEAVY),
    (["cnn", "--dropout", "--dropout-rate", "7"], HEAVY),
    (["svm", "--kernel", "rbf", "--quick"], BACK_ENDS),
    (["runs", "--reference"], (*BACK_ENDS, "matplotlib", "sklearn", "scipy")),
]


@pytest.mark.parametrize(
    ("args", "absent"), LIGHT, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_what_a_light_command_does_not_need_is_not_imported(args, absent, tmp_path):
    code = (
        "import sys, atexit\n"
        f"atexit.register(lambda: print('HEAVY', [m for m in {absent!r} if m in sys.modules]))\n"
        f"sys.argv = ['rdfia', *{args!r}]\n"
        "from rdfia_keras.commands._app import main\nmain()\n"
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
        (["mlp", "--resume", "--check-gradients"], "--check-gradients cannot go with --resume"),
        (["mlp", "--resume", "--deterministic"], "--deterministic cannot go with --resume"),
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
        (["cnn", "--dataset", "digits", "--xla", "on", "--deterministic"], "exclude each other"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_option_is_named_and_exits_2(rdfia_here, monkeypatch, args, word):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "dumb")
    done = rdfia_here(*args)
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
        (
            ["cnn", "--dataset", "digits", "--quick", "--validation", "0.001"],
            ["0 of the", "of class 0", "--validation"],
        ),
        (["mlp", "--train-examples", "201"], ["circles has 200 training examples", "--train-examples", "leave it out"]),
        (["mlp", "--validation", "0.999"], ["100 of the 100", "choose another fraction"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_a_bad_input_gets_one_sentence_and_exits_1(rdfia_here, tmp_path, args, words):
    (tmp_path / "a-file").write_text("x")
    (tmp_path / "broken" / "cifar-10-batches-py").mkdir(parents=True)
    for name in ("circles.mat", "mnist.npz", "cifar-10-batches-py/data_batch_2"):
        (tmp_path / "broken" / name).write_text("<html>404</html>")
    done = rdfia_here(*args)
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


def test_debug_shows_the_traceback(rdfia):
    done = rdfia("mlp", "--data-dir", "missing", "--debug")
    assert done.returncode == 1 and "Traceback" in done.stderr and "error: " in done.stderr


def test_check_gradients_prints_a_table(rdfia_here):
    done = rdfia_here("mlp", "--check-gradients")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines[1:5]] == ["W_h", "b_h", "W_y", "b_y"]
    assert float(lines[-1].split()[-1]) < 1e-6


def test_mlp_refuses_another_back_end(rdfia):
    done = rdfia("mlp", env={"KERAS_BACKEND": "jax"})
    assert done.returncode == 1 and done.stderr.startswith("error: rdfia mlp is written with TensorFlow")


def test_svm_prints_the_homeworks_panels(rdfia_here):
    done = rdfia_here("svm")
    assert done.returncode == 0, done.stderr
    rows = done.stdout.splitlines()
    assert [row.split()[0] for row in rows[1:5]] == ["linear", "sigmoid", "rbf", "poly"]
    assert rows[-1].endswith("results/svm/kernels")
