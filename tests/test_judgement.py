"""The bonus against the spread of seeds: equal epochs, three measures, and what results.md concludes."""

import re
import statistics
from pathlib import Path

import pytest
import scipy.stats

from rdfia_keras.analysis.seeds import reference_trials
from rdfia_keras.experiments import LADDER, REGISTRY, bonus_experiments
from rdfia_keras.report import docs, judgement

ROOT = Path(__file__).resolve().parents[1]
RESULTS = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
AUGMENT = REGISTRY["augment"]


def rows(*accuracies):
    return [{"test_accuracy": one} for one in accuracies]


class Runs:
    """The runs of each experiment that a test pretends the reference to have: histories by seed."""

    def __init__(self, **histories):
        self.histories = histories

    def __call__(self, experiment):
        known = self.histories.get(experiment.name.replace("-", "_"), {})
        return {seed: type("Trial", (), {"rows": history}) for seed, history in known.items()}


@pytest.fixture
def pretend(monkeypatch):
    """Replaces the reference's runs by those of `Runs(...)`."""

    def replace(**histories):
        monkeypatch.setattr(judgement, "reference_trials", Runs(**histories))
        judgement.spreads.cache_clear()

    yield replace
    judgement.spreads.cache_clear()


def test_measures_are_of_the_first_epochs_only():
    seen = judgement.measures(rows(0.1, 0.9, 0.3, 0.4, 0.5, 0.6, 0.99), 6)
    assert seen == {"best": 0.9, "last": 0.6, "mean of the last 5": pytest.approx(0.54)}


def test_the_noise_pools_the_sample_variances_of_what_has_several_seeds(pretend):
    flat = {seed: rows(*[0.5 + 0.01 * seed] * 30) for seed in (0, 1)}
    wide = {seed: rows(*[0.6 + 0.02 * seed] * 50) for seed in (0, 1, 2)}
    pretend(baseline=flat, dropout=wide, augment={0: rows(*[0.7] * 50)}, mnist_lenet={0: rows(0.1), 1: rows(0.9)})
    variance = (1 * statistics.variance([0.50, 0.51]) + 2 * statistics.variance([0.60, 0.62, 0.64])) / 3
    assert judgement.noise(30) == {name: pytest.approx(variance**0.5) for name in judgement.MEASURES}
    assert judgement.noise(50)["last"] == pytest.approx(0.02)
    pretend(baseline={0: rows(*[0.5] * 30)})
    assert judgement.noise(30) == {}


def test_a_difference_is_over_equal_epochs_and_clear_beyond_twice_the_noise(pretend):
    base = {seed: rows(*[0.8 + 0.01 * seed] * 30, *[0.99] * 20) for seed in (0, 1, 2)}
    pretend(augment=base, adam={0: rows(*[0.9, *[0.83] * 28, 0.825])})
    one = judgement.judge(REGISTRY["adam"])
    assert (one.epochs, one.seeds) == (30, (1, 3)) and one.noise["last"] == pytest.approx(0.01)
    assert one.differences == {
        "best": pytest.approx(0.09),
        "last": pytest.approx(0.015),
        "mean of the last 5": pytest.approx(0.019),
    }
    assert one.clear == ("best",)
    assert docs._bonus_row(REGISTRY["adam"], one)["larger than twice the spread"] == "only best"


def test_what_has_no_base_no_run_or_other_data_is_not_judged(pretend):
    assert judgement.judge(REGISTRY["mnist-dense"]) is None
    assert judgement.judge(REGISTRY["mnist-flip"]).noise == {}
    pretend(augment={0: rows(*[0.8] * 50)})
    assert judgement.judge(REGISTRY["adam"]) is None


def test_the_reference_itself_has_several_seeds_of_rungs_of_30_epochs():
    assert all(0.0005 < std < 0.01 for std in judgement.noise(30).values())
    (normalize,) = [one for one in LADDER if one.name == "normalize"]
    assert judgement.spreads(normalize, 30)["last"].n == len(reference_trials(normalize)) >= 3
    assert judgement.spreads(normalize, 50) is None


# --- what results.md says of it ---------------------------------------------------------------------------------------

GAIN = {"zca", "flip", "momentum", "nesterov", "step"}
LOSE = {"lr-1", "batch-32", "batch-512", "affine", "blur", "rmsprop", "pca", "vertical-flip", "momentum-lr-0.1"}
LOSE |= {"intensity-hue", "intensity-contrast", "perspective"}
NOT_CLEAR = {"adam", "inverse", "rotation"}


def test_the_conclusions_of_results_md_are_those_of_the_table():
    judged = {one.name: judgement.judge(one) for one in bonus_experiments()}
    for name in GAIN | LOSE:
        one = judged[name]
        assert len(one.clear) == len(judgement.MEASURES), name
        assert (one.differences["best"] > 0) == (name in GAIN), name
    assert all(len(judged[name].clear) < len(judgement.MEASURES) for name in NOT_CLEAR)
    hue, contrast = judged["intensity-hue"], judged["intensity-contrast"]
    assert all(abs(hue.values[name] - contrast.values[name]) < 2 * hue.noise[name] for name in judgement.MEASURES)


def test_results_md_says_how_perspective_and_adam_were_judged():
    said = " ".join(RESULTS.split())
    best, last, mean = judgement.MEASURES
    one = judgement.judge(REGISTRY["perspective"])
    assert f"loses {-100 * one.differences[best]:.1f} and {-100 * one.differences[last]:.1f} points in the best" in said
    assert f"{-100 * one.differences[mean]:.2f} points where twice the spread is {200 * one.noise[mean]:.2f}" in said
    adam = judgement.judge(REGISTRY["adam"])
    assert adam.clear == (mean,) and f"{100 * adam.differences[mean]:.2f} points above it in the mean" in said


@pytest.mark.parametrize(("n", "freedom", "words"), [(1, 16, "one in ten"), (3, 12, "one in 33")])
def test_how_often_the_bar_is_passed_by_chance(n, freedom, words):
    """The chance that Student's t exceeds twice the spread over the standard deviation of a difference of means."""
    of_difference = (1 / 3 + 1 / n) ** 0.5
    chance = 2 * scipy.stats.t.sf(2 / of_difference, freedom)
    assert round(1 / chance) == {"one in ten": 10, "one in 33": 33}[words] and words in " ".join(RESULTS.split())
    known = [one for one in REGISTRY.values() if one.section == "cnn" and one.config.dataset == judgement.DATASET]
    spreads = [judgement.spreads(one, 30 if n == 1 else 50) for one in known]
    assert sum(one["best"].n - 1 for one in spreads if one) == freedom


def test_the_85_of_batch_norm_with_kerass_defaults_stands_beside_its_epochs():
    history = [row["test_accuracy"] for row in docs.reference_run(REGISTRY["batch-norm"]).history()]
    best = max(history)
    said = " ".join(RESULTS.split())
    assert f"{best:.2%}".replace("%", " %") + f" in epoch {history.index(best) + 1}" in said
    assert f"{100 * history[59]:.2f} % in the last" in said and f"reaches {100 * max(history[:50]):.2f} %" in said


def test_the_training_accuracies_beside_the_augmentations_are_the_records():
    def train_accuracy(name):
        return docs.reference_run(REGISTRY[name]).history()[29]["train_accuracy"]

    names = [one.name for one in bonus_experiments() if one.reference.question == "25"]
    low, high = re.search(r"at (\d+) to (\d+) % by then, against (?:\d+) %", RESULTS).groups()
    assert {f"{100 * train_accuracy(name):.0f}" for name in names} >= {low, high}
    assert min(map(train_accuracy, names)) == pytest.approx(int(low) / 100, abs=0.005)
    assert f"against {100 * train_accuracy('augment'):.0f} %" in RESULTS
