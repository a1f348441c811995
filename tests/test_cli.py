"""The command: exit codes, what goes where, and what a wrong option or a bad input is told."""

import json
import re

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st

from rdfia_keras import __version__
from rdfia_keras.analysis.run_list import SORT_KEYS
from rdfia_keras.commands._output import plain_errors
from rdfia_keras.config.sections import AUGMENTATIONS
from rdfia_keras.errors import ConfigError, choose
from rdfia_keras.experiments import REGISTRY
from rdfia_keras.learn.exercises import EXERCISES


def test_version(rdfia_here):
    done = rdfia_here("--version")
    assert (done.returncode, done.stdout) == (0, f"rdfia {__version__}\n")


# Besides the values of settings, which tests/test_config.py covers.
@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        ("nonsense", "nonsense"),
        ("mlp --nonsense", "--nonsense"),
        ("mlp --animate --check-gradients", "--animate needs a training: leave --check-gradients out"),
        ("mlp --animate --dataset digits", "needs dataset (--dataset) circles or a CSV file of points"),
        ("mlp --animate --lbfgs", "leave lbfgs (--lbfgs) out"),
        ("mlp --lbfgs --lr 3", "lbfgs (--lbfgs) and lr (--lr) exclude each other"),
        ("mlp --lbfgs --implementation tape", "lbfgs (--lbfgs) needs implementation"),
        ("cnn --dataset digits --xla on --deterministic", "exclude each other"),
        ("improve nonsense", "there is no experiment 'nonsense'"),
        ("improve adam --bonus", "--bonus, --modern and names exclude each other"),
        ("sweep init --seeds 0", "seeds (--seeds) must be at least 1, not 0"),
        ("sweep init --name a/b", "leave out slashes and a leading dot"),
        ("explain conv --kernel 99", "a filter of 99 does not fit"),
        ("figure", "NUMBER"),
        ("figure 7 24", "there is no figure 24"),
        ("augment-preview hues", "there is no augmentation 'hues': did you mean hue?"),
        ("explain conv --kernel 0", "--kernel"),
        ("explain whitening --epsilon 0", "--epsilon"),
        ("list --part nonsense", "part (--part) must be one of"),
        ("playground --lbfgs", "No such option: --lbfgs"),
    ],
)
def test_a_wrong_option_is_named_and_exits_2(rdfia_here, wide, tmp_path, args, sentence):
    done = rdfia_here(*args.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr and "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ("cnn --dataset no/such/folder", ["no/such/folder"]),
        ("mlp --data-dir missing", ["missing", "does not exist"]),
        ("mlp --out a-file", ["a-file", "is a file"]),
        ("mlp --out a-file/below", ["a-file"]),
        ("mlp --data-dir broken", ["circles.mat"]),
        ("cnn --data-dir broken --dataset mnist", ["mnist.npz"]),
        ("cnn --data-dir broken", ["data_batch_"]),
        ("cnn --dataset digits --quick --validation 0.001", ["0 of the", "of class 0", "--validation"]),
        ("mlp --train-examples 201", ["circles has 200 training examples", "--train-examples", "leave it out"]),
    ],
)
def test_a_bad_input_gets_one_sentence_and_exits_1(rdfia_here, tmp_path, args, words):
    (tmp_path / "a-file").write_text("x")
    (tmp_path / "broken" / "cifar-10-batches-py").mkdir(parents=True)
    for name in ("circles.mat", "mnist.npz", "cifar-10-batches-py/data_batch_2"):
        (tmp_path / "broken" / name).write_text("<html>404</html>")
    done = rdfia_here(*args.split())
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done.stderr
    for word in words:
        assert word in done.stderr


def test_an_error_on_an_odd_name_is_one_line_without_control_characters(rdfia_here):
    done = rdfia_here("cnn", "--dataset", "no\n\x1b[31m\u202efolder/")
    assert r"no\n\x1b[31m\u202efolder is not a folder" in done.stderr and done.stderr.count("\n") == 1


LONG = "x" * 5000


@pytest.mark.parametrize(
    "args",
    [
        f"inspect {LONG}",
        f"compare {LONG} {LONG}y",
        f"predict digits {LONG}.png",
        f"resume {LONG}",
        f"cnn --dataset {LONG}",
        f"svm --data-dir {LONG}",
        f"learn check {LONG}",
        f"learn grade {LONG}",
        f"learn --dir {LONG}",
        f"learn hint {LONG}",
        f"improve {LONG}",
        f"runs --out {LONG}",
        f"runs --sort {LONG}",
    ],
)
def test_a_name_that_is_too_long_is_named(rdfia_here, args):
    done = rdfia_here(*args.split())
    assert done.returncode in (1, 2) and "unexpected" not in done.stderr
    sentence = done.stderr.rpartition("error: ")[2]
    assert "xxx" in sentence and sentence.count("\n") == 1 and len(sentence) < 700


NAMES = {"experiment": REGISTRY, "exercise": EXERCISES, "augmentation": AUGMENTATIONS, "sort key": SORT_KEYS}


@settings(max_examples=100, deadline=None, derandomize=True)
@given(data=st.data(), kind=st.sampled_from(list(NAMES)), shout=st.booleans())
def test_a_name_is_known_in_any_case_and_with_a_typo_suggested(data, kind, shout):
    name = data.draw(st.sampled_from([name for name in NAMES[kind] if len(name) > 3]))
    place = data.draw(st.integers(0, len(name) - 1))
    letter = data.draw(st.sampled_from(["", "x", name[place] * 2]))
    typo = name[:place] + letter + name[place + 1 :]
    name, typo = (text.upper() if shout else text for text in (name, typo))
    assert choose(kind, name, NAMES[kind]) == name.lower()
    if typo.lower() not in NAMES[kind]:
        with pytest.raises(ConfigError, match=f"there is no {kind} '{typo}': did you mean .*\\?$"):
            choose(kind, typo, NAMES[kind])


def test_no_network_and_no_file_names_three_ways_out(rdfia_here, offline):
    done = rdfia_here("cnn")
    assert done.returncode == 1
    for word in (
        "put cifar-10-python.tar.gz or the unpacked cifar-10-batches-py/ in a folder",
        "--data-dir",
        "--dataset digits",
    ):
        assert word in done.stderr
    assert done.stderr.count("\n") == 1


def test_debug_shows_the_traceback(rdfia):
    done = rdfia("mlp", "--data-dir", "missing", "--debug")
    assert done.returncode == 1 and "Traceback" in done.stderr and "error: " in done.stderr


def test_mlp_refuses_another_back_end(rdfia_here, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    done = rdfia_here("mlp")
    assert done.returncode == 1 and done.stderr.startswith("error: rdfia mlp is written with TensorFlow")


# --- each command answers ---------------------------------------------------------------------------------------------

# What takes longer, or needs a trained network: cnn, demo, improve, sweep (tests/commands), predict and inspect
# (tests/commands/test_attribution.py), resume (tests/test_resume.py), learn (tests/test_learn_commands.py), and what
# tests/test_theory.py calls.
ANSWERS = {
    "mlp --check-gradients": ["W_h", "b_h", "W_y", "b_y", "largest relative error"],
    "mlp --implementation manual --epochs 2": ["results/mlp/circles"],
    "svm": ["linear", "sigmoid", "rbf", "poly", "results/svm/kernels"],
    "sweep bonus --set dataset=digits --seeds 1 --dry-run": ["trials: ", " missing"],
    "runs --reference --section svm": ["reference/svm/kernels"],
    "compare reference/cnn/baseline reference/cnn/augment": ["baseline", "augment", ".png"],
    "list --part svm": ["kernels"],
    "figure 4 5": ["results/figures/figure-04.png\nresults/figures/figure-05.png"],
    "report": ["results/report.html"],
    "playground": ["results/playground.html"],
    "augment-preview hue blur --dataset digits": ["results/augment-preview-hue-blur.png"],
    "explain conv --x 224 --y 224": ["75 weights + 1 bias", "224 x 224 x 1"],
    "explain conv --x 10 --y 7 --z 2 --kernel 3 --stride 2 --padding 0": ["4 x 3 x 1"],
    "explain layers": ["1,025,000", "total 1,191,170"],
    "explain bow-svm": ["119 times"],
    "explain loss": ["simplified"],
    "explain dropout": ["2.000"],
    "explain softmax": ["softmax"],
    "explain likelihood": ["negative log-likelihood"],
    "explain backprop-cost --quick": ["backprop-cost.png"],
    "explain receptive-field": ["14 x 14", "receptive-fields.png"],
}


@pytest.mark.parametrize("args", ANSWERS)
def test_a_command_answers_on_stdout_and_what_it_names_is_written(rdfia_here, unrendered, tmp_path, args):
    done = rdfia_here(*args.split())
    assert done.returncode == 0, done.stderr
    assert not re.search(r"^(error|warning): ", done.stderr, re.M)
    for word in ANSWERS[args]:
        assert word in done.stdout
    for path in re.findall(r"^results/.*$", done.stdout, re.M):
        assert (tmp_path / path).exists()


@pytest.mark.parametrize(
    ("args", "most"),
    [
        ("mlp --implementation manual --quick --epochs 21", [20]),
        ("mlp --implementation manual --quick --epochs 3", []),
        ("mlp --implementation manual --quick", []),
        ("sweep mlp cnn --set epochs=2,30 --set dataset=digits --dry-run --quick", [2, 20]),
        ("sweep mlp --set epochs=2,30 --dry-run", []),
    ],
)
def test_a_smoke_test_says_that_it_trains_fewer_epochs_than_are_asked_for(rdfia_here, unrendered, args, most):
    done = rdfia_here(*args.split())
    assert done.returncode == 0, done.stderr
    assert re.findall(r"^--quick trains at most (\d+) epochs$", done.stderr, re.M) == list(map(str, most))


def test_check_gradients_differ_by_rounding_alone(rdfia_here):
    assert json.loads(rdfia_here("mlp", "--check-gradients", "--json").stdout)["largest"] < 1e-6


def test_what_was_large_is_named_where_memory_runs_out(capsys):
    @plain_errors
    def command(**_):
        raise MemoryError("Unable to allocate 3 TiB")

    with pytest.raises(typer.Exit):
        command(hidden_units=100_000_000, batch_size=10)
    error = capsys.readouterr().err
    assert "for --hidden-units 100,000,000 and --batch-size 10; try a smaller --hidden-units" in error
    assert error.endswith("(Unable to allocate 3 TiB)\n")
