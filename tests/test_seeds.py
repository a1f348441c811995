"""Statistics over seeds: against the histories that ship with the package, and on runs that a test makes up."""

import csv
import json
import math
import statistics
from dataclasses import replace
from types import SimpleNamespace

import pytest
import scipy.stats

from rdfia_keras.analysis import seeds
from rdfia_keras.analysis.published import compare_with_published, reference_run
from rdfia_keras.experiments import LADDER, REGISTRY
from rdfia_keras.experiments.registry import BATCH_1, BATCH_50, CIRCLES, KERAS_LADDER, LR_2
from rdfia_keras.runs.store import REFERENCE_FOLDER, reference_store
from tools.tables import TABLES

BATCH_NORM_KERAS = KERAS_LADDER[-1]


def accuracies(name: str, seed: int) -> list[float]:
    folder = REFERENCE_FOLDER / "cnn" / (f"{name}-seed-{seed}" if seed else name)
    with (folder / "history.csv").open() as file:
        return [float(row["test_accuracy"]) for row in csv.DictReader(file)]


def row_of(table: str, column: str, name: str) -> dict[str, str]:
    (row,) = (row for row in TABLES[table]() if row[column] == name)
    return row


# --- the reference ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rung", LADDER, ids=lambda rung: rung.name)
def test_a_row_of_the_ladder_is_the_mean_over_its_seeds(rung):
    row = row_of("ladder", "step", rung.name)
    n, epochs = int(row["n"]), int(row["epochs"])
    assert n and sorted(seeds.reference_trials(rung)) == list(range(n))
    curves = [accuracies(rung.name, seed)[:epochs] for seed in range(n)]
    measures = {"mean of the last 5": lambda c: statistics.fmean(c[-5:]), "last": lambda c: c[-1], "best": max}
    for heading, measure in measures.items():
        values = [measure(curve) for curve in curves]
        spread = f" ± {100 * statistics.stdev(values):.2f}" if n > 1 else ""
        assert row[heading] == f"{100 * statistics.fmean(values):.2f}{spread} %"


@pytest.mark.parametrize("rung", LADDER[1:], ids=lambda rung: rung.name)
def test_a_gain_is_over_the_epochs_that_both_have(rung):
    compared = seeds.difference_to_base(rung)
    assert compared.epochs == min(rung.config.epochs, 30 if rung.base in ("baseline", "normalize") else 50)
    after, before = (
        [statistics.fmean(accuracies(name, seed)[compared.epochs - 5 : compared.epochs]) for seed in range(n)]
        for name, n in zip((rung.name, rung.base), compared.seeds, strict=True)
    )
    gain = statistics.fmean(after) - statistics.fmean(before)
    differences = [b - a for a, b in zip(before, after, strict=False)]
    assert (compared.paired.n, compared.paired.mean) == (len(differences), pytest.approx(statistics.fmean(differences)))
    low, high = compared.interval
    half = (high - low) / 2
    assert compared.gain == pytest.approx(gain) and low + half == pytest.approx(gain)
    row = row_of("gains", "experiment", rung.name)
    assert row["gain, points"] == f"{100 * gain:+.2f}"
    assert (row["result"] == "settled") == (low > 0 or high < 0) == (compared.p_value < 0.05)


@pytest.mark.parametrize("experiment", [CIRCLES, LR_2, BATCH_1, BATCH_50], ids=lambda one: one.name)
def test_the_circles_are_means_over_twenty_seeds(experiment):
    row = row_of("results", "experiment", experiment.name)
    final = seeds.reference_statistics(experiment, "final")
    assert final.n == 20 and (row["reference, last"], row["seeds"]) == (final.percents(), "0 to 19")
    sweeps = [json.loads(path.read_text())["rows"] for path in REFERENCE_FOLDER.glob("sweeps/*/sweep.json")]
    swept = [row for rows in sweeps for row in rows if row["experiment"] == experiment.name]
    last = reference_run(experiment).history()[-1]["test_accuracy"]
    assert swept and all(row["final"]["values"][0] == last for row in swept), "seed 0 is the run"


def test_of_two_runs_from_one_seed_the_longer_one_counts():
    """The reference has one of `batch-norm-keras` over 60 epochs and one over 50 in another precision."""
    trial = seeds.reference_trials(BATCH_NORM_KERAS)[0]
    assert [row["test_accuracy"] for row in trial.rows] == accuracies("batch-norm-keras", 0)[:50]


@pytest.mark.parametrize("epochs", [30, 50, 60])
def test_a_longer_reference_run_is_compared_over_the_experiments_epochs(epochs):
    experiment = replace(BATCH_NORM_KERAS, config=replace(BATCH_NORM_KERAS.config, epochs=epochs))
    run = reference_run(experiment)
    assert run.record.epochs == 60
    compared = compare_with_published(experiment, run, reference_store())
    assert compared["reference"] == pytest.approx(max(accuracies("batch-norm-keras", 0)[:epochs]))


# --- runs that a test makes up ----------------------------------------------------------------------------------------


def rows(*values):
    return [{"test_accuracy": value} for value in values]


@pytest.fixture
def pretend(monkeypatch):
    """Replace the reference's runs by histories: experiment to seed to rows."""

    def replace(**histories):
        def trials(experiment):
            runs = histories.get(experiment.name.replace("-", "_"), {})
            return {seed: SimpleNamespace(rows=history) for seed, history in runs.items()}

        monkeypatch.setattr(seeds, "reference_trials", trials)
        seeds.statistics_at.cache_clear()

    yield replace
    seeds.statistics_at.cache_clear()


def test_measures_are_of_the_first_epochs_only():
    measured = seeds.measures(rows(0.1, 0.9, 0.3, 0.4, 0.5, 0.6, 0.99), 6)
    assert measured == {"best": 0.9, "last": 0.6, "last_five": pytest.approx(0.54)}
    assert seeds.measures(rows(0.1, 0.2, 0.3), 2)["last_five"] == pytest.approx(0.15)


def test_the_standard_deviation_pools_the_sample_variances_of_what_has_several_seeds(pretend):
    flat = {seed: rows(*[0.5 + 0.01 * seed] * 30) for seed in (0, 1)}
    wide = {seed: rows(*[0.6 + 0.02 * seed] * 50) for seed in (0, 1, 2)}
    others = {"mnist_lenet": {0: rows(0.1), 1: rows(0.9)}, "baseline_keras": {0: rows(0.1), 1: rows(0.9)}}
    pretend(baseline=flat, dropout=wide, augment={0: rows(*[0.7] * 50)}, **others)
    variance = (1 * statistics.variance([0.50, 0.51]) + 2 * statistics.variance([0.60, 0.62, 0.64])) / 3
    assert seeds.pooled(30, "pytorch")[0] == {name: pytest.approx(variance**0.5) for name in seeds.MEASURES}
    assert seeds.pooled(50, "pytorch")[0]["last"] == pytest.approx(0.02)
    pretend(baseline={0: rows(*[0.5] * 30)})
    assert seeds.pooled(30, "pytorch")[0] == {}


def test_a_difference_is_over_equal_epochs_with_a_pooled_interval(pretend):
    base = {seed: rows(*[0.8 + 0.01 * seed] * 30, *[0.99] * 20) for seed in (0, 1, 2)}
    pretend(augment_keras=base, adam={0: rows(*[0.9, *[0.83] * 28, 0.825])})
    compared = seeds.difference_to_base(REGISTRY["adam"])
    assert (compared.epochs, compared.seeds) == (30, (1, 3))
    assert compared.differences == {
        "best": pytest.approx(0.09),
        "last": pytest.approx(0.015),
        "last_five": pytest.approx(0.019),
    }
    # One run against three, whose standard deviation of 0.01 has two degrees of freedom.
    half = scipy.stats.t.ppf(0.975, 2) * 0.01 * math.sqrt(1 + 1 / 3)
    assert compared.interval == (pytest.approx(0.019 - half), pytest.approx(0.019 + half))
    assert compared.p_value == pytest.approx(2 * scipy.stats.t.sf(0.019 / (0.01 * math.sqrt(4 / 3)), 2))
    assert row_of("bonus", "experiment", "adam")["result"] == "not settled"


def test_an_interval_of_two_experiments_with_equal_spread_is_the_two_sample_test(pretend):
    first, second = [0.80, 0.81, 0.82], [0.84, 0.85, 0.86]
    pretend(
        augment={seed: rows(*[value] * 50) for seed, value in enumerate(first)},
        schedule={seed: rows(*[value] * 50) for seed, value in enumerate(second)},
    )
    compared = seeds.difference_to_base(REGISTRY["schedule"])
    expected = scipy.stats.ttest_ind(second, first)
    assert compared.p_value == pytest.approx(expected.pvalue)
    assert compared.interval == pytest.approx(tuple(expected.confidence_interval(0.95)))


def test_several_differences_are_settled_with_holms_correction():
    def with_p(p):
        return seeds.Difference(30, (1, 3), {}, {"last_five": 0.01}, None if p is None else (0, 1), p, None)

    # Of four: 0.01 x 4 and 0.015 x 3 pass, 0.03 x 2 does not, nor does what comes after it.
    p_values = {"a": 0.03, "b": 0.01, "c": 0.04, "d": 0.015, "e": None}
    assert seeds.settled({name: with_p(p) for name, p in p_values.items()}) == {
        **dict.fromkeys("ace", False),
        "b": True,
        "d": True,
    }


def test_what_has_no_base_or_no_run_is_not_compared(pretend):
    assert seeds.difference_to_base(REGISTRY["mnist-dense"]) is None
    pretend(augment_keras={0: rows(*[0.8] * 50)})
    assert seeds.difference_to_base(REGISTRY["adam"]) is None


def test_each_data_set_has_a_pool_of_its_own(pretend):
    def seeds_of(*accuracies):
        return {seed: rows(*[accuracy] * 30) for seed, accuracy in enumerate(accuracies)}

    pretend(baseline_keras=seeds_of(0.6, 0.7), mnist_lenet=seeds_of(0.98), mnist_flip=seeds_of(0.97))
    assert seeds.difference_to_base(REGISTRY["mnist-flip"]).interval is None
    pretend(baseline_keras=seeds_of(0.6, 0.7), mnist_lenet=seeds_of(0.98, 0.99), mnist_flip=seeds_of(0.97))
    assert seeds.pooled(10, "keras", dataset="mnist") == (
        {name: pytest.approx(0.005 * 2**0.5) for name in seeds.MEASURES},
        1,
    )
