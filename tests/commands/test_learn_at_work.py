"""`rdfia learn run` and `play`: the perceptron trained with a student's functions."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import right_solutions

from rdfia_keras.commands import learn_run
from rdfia_keras.learn import student
from rdfia_keras.learn.exercises import EXERCISES, of_part
from rdfia_keras.learn.session import Limits
from rdfia_keras.learn.skeletons import skeleton

NAMES = [one.name for one in of_part("mlp")]


def solved(**others):
    return right_solutions.solved("mlp", **others)


def mistaken(name, number):
    """The text of a solution with a mistake."""
    return EXERCISES[name].wrong_source(EXERCISES[name].mistakes[number])


@pytest.fixture
def run(rdfia_here, tmp_path):
    def at_work(text, *options, command="run"):
        (tmp_path / "mlp.py").write_text(text)
        return rdfia_here("learn", command, "mlp.py", *options)

    return at_work


def test_right_functions_train_as_rdfia_mlp_does(run, tmp_path):
    """The same weights and order; another program adds up in another order."""
    from rdfia_keras.config import MlpConfig
    from rdfia_keras.data import load_vectors
    from rdfia_keras.data.initial_weights import init
    from rdfia_keras.training.perceptron_epochs import CompiledEpochs, State, fit

    done = run(solved(), "--epochs", "30", "--seed", "1", "--json")
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    assert (data["written"], data["wrong"], len(data["history"])) == (NAMES, [], 30)
    config, circles = MlpConfig(epochs=30, seed=1), load_vectors("circles")
    history = list(fit("manual", config, circles, State(init(config, circles)), False, CompiledEpochs()))
    for name in learn_run.SCORES:
        expected = [row[name] for row in history]
        np.testing.assert_allclose([row[name] for row in data["history"]], expected, rtol=0, atol=1e-12)
    for name in ("curves.png", "decision-map.png"):
        assert (tmp_path / "results" / "learn" / name).read_bytes().startswith(b"\x89PNG")
    weights = json.loads((tmp_path / "results" / "learn" / "weights.json").read_text())
    assert np.shape(weights["W_h"]) == (10, 2)


def test_what_is_not_written_is_ours_and_named(run):
    done = run(solved(accuracy=None, sgd_step=None), "--quick", "--epochs", "3")
    assert done.returncode == 0
    assert "QUICK" in done.stdout and "too few to compare" in done.stdout
    assert "Ours, because they are not written yet: accuracy, sgd_step." in done.stdout
    assert "Your curves are ours, to the last digit." in done.stdout


def test_a_wrong_function_is_trained_with_and_named(run):
    done = run(solved(grad_h_tilde=mistaken("grad_h_tilde", 0)), "--epochs", "3")
    sentence = EXERCISES["grad_h_tilde"].mistakes[0].sentence
    assert done.returncode == 0 and f"grad_h_tilde is wrong. Likely cause: {sentence}" in done.stdout
    assert "Your curves differ from ours from epoch 1 on." in done.stdout


def test_the_documentation_shows_what_is_printed(run):
    unwritten = dict.fromkeys(("grads_hidden", "sgd_step", "train_epoch"))
    done = run(solved(grad_h_tilde=mistaken("grad_h_tilde", 0), **unwritten))
    shown = (Path(__file__).parents[2] / "docs" / "learn.md").read_text(encoding="utf-8")
    assert f"```\n{done.stdout}```\n" in shown, done.stdout


def test_a_training_that_diverges(run, tmp_path):
    done = run(solved(sgd_step=mistaken("sgd_step", 0)), "--lr", "50", "--epochs", "20")
    assert done.returncode == 1 and re.search(r"Training diverges in epoch \d+: the loss is no longer", done.stdout)
    weights = json.loads((tmp_path / "results" / "learn" / "weights.json").read_text())
    assert all(np.isfinite(weights[name]).all() for name in weights)


@pytest.mark.parametrize(
    "function, sentence",
    [
        (
            "def softmax(y_tilde):\n    return y_tilde @ y_tilde\n",
            r"softmax: mlp.py, line \d+: return y_tilde @",
        ),
        (
            "def softmax(y_tilde):\n    return y_tilde[0]\n",
            r"the result has shape \(2,\); expected \(\d+, 2\)",
        ),
        ("def softmax():\n    return 1\n", r"The signature is softmax\(\); it should be softmax\(y_tilde\)"),
        (
            "def softmax(y_tilde):\n    while True: pass\n",
            r"an epoch of the training still runs after 1 s in mlp.py, line \d+",
        ),
        ("def softmax(y_tilde):\n    import os; os._exit(7)\n", "while it trained, the process ended with exit code 7"),
        (
            "def softmax(y_tilde):\n    return s(y_tilde)\n\n\nfrom scipy.special import softmax as s\n",
            "softmax uses scipy",
        ),
    ],
    ids=["raises", "shape", "signature", "loop", "exit", "library"],
)
def test_a_function_that_cannot_be_used(run, monkeypatch, tmp_path, function, sentence):
    monkeypatch.setattr(student, "LIMITS", Limits(exercise=1.0 if "while" in function else 10.0))
    done = run(solved(softmax=function), "--epochs", "2")
    assert (done.returncode, done.stdout) == (1, "")
    assert re.search(sentence, done.stderr) and "Traceback" not in done.stderr, done.stderr
    assert not (tmp_path / "results").exists()


def test_a_problem_in_the_last_smaller_batch_is_found_too(run):
    function = "def grad_y_tilde(y_hat, y):\n    return (y_hat - y) / len(y) if len(y) == 60 else y_hat[:, :1]\n"
    done = run(solved(grad_y_tilde=function), "--epochs", "1", "--batch-size", "60")
    assert done.returncode == 1 and "grad_y_tilde: the result has shape (20, 1); expected (20, 2)." in done.stderr


def test_a_forward_of_another_form_for_the_points_of_the_map_is_found(run):
    forward = EXERCISES["forward"].source.replace(
        "    return", "    y_tilde = y_tilde[:9] if len(x) > 999 else y_tilde\n    return"
    )
    done = run(solved(forward=forward), "--epochs", "1")
    assert done.returncode == 1 and "forward: the y_tilde of many points has shape (9, 2)" in done.stderr, done.stderr


def test_lists_are_fine(run):
    softmax = "def softmax(y_tilde):\n    e = np.exp(y_tilde)\n    return (e / e.sum(axis=1, keepdims=True)).tolist()\n"
    assert "Your curves are ours" in run(solved(softmax=softmax), "--epochs", "2").stdout


def test_the_playground_begins_from_the_trained_weights(run, tmp_path):
    done = run(solved(), "--quick", command="play")
    assert done.returncode == 0 and "The page begins from your weights after 20 epochs." in done.stdout
    html = (tmp_path / "results" / "learn" / "playground.html").read_text(encoding="utf-8")
    facts = json.loads(re.search(r'playground-facts">(.*?)</script>', html, re.DOTALL)[1])
    assert facts["initial"] == json.loads((tmp_path / "results" / "learn" / "weights.json").read_text())


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (("nowhere.py",), "there is no nowhere.py"),
        ((), "run rdfia learn start first"),
    ],
)
def test_bad_arguments(rdfia_here, arguments, sentence):
    done = rdfia_here("learn", "run", *arguments)
    assert done.returncode in (1, 2) and sentence in done.stderr


def test_a_file_of_another_part(rdfia_here, tmp_path):
    (tmp_path / "svm.py").write_text(skeleton("svm"))
    assert "svm.py has none of the perceptron's functions" in rdfia_here("learn", "run", "svm.py").stderr


def test_it_needs_no_tensorflow(tmp_path):
    (tmp_path / "mlp.py").write_text(solved())
    code = (
        "import sys; from pathlib import Path; from rdfia_keras.config import MlpConfig, RunOptions;"
        "from rdfia_keras.commands.learn_play import play; from rdfia_keras.commands.learn_run import run;"
        "play(MlpConfig(epochs=1), RunOptions(), Path('mlp.py'));"
        "run(MlpConfig(epochs=1), RunOptions(), Path('mlp.py'));"
        "print([name for name in ('tensorflow', 'keras', 'jax') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
