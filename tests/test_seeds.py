"""Means over the seeds that ship with the package, held against the histories themselves."""

import csv
import json
import statistics
from dataclasses import replace
from pathlib import Path

import pytest
from rdfia_keras.report.docs import gains, ladder, results

from rdfia_keras.analysis.published import compare, reference_run
from rdfia_keras.analysis.seeds import compare_with_base, mean_of_last, paired_gain, reference_trials, spread_of
from rdfia_keras.experiments import LADDER
from rdfia_keras.experiments.registry import BATCH_NORM, DROPOUT
from rdfia_keras.experiments.registry import BATCH_NORM_PYTORCH
from rdfia_keras.experiments.registry import BATCH_1, BATCH_50, CIRCLES, LR_2
from rdfia_keras.report import judgement
from rdfia_keras.runs.store import REFERENCE_FOLDER, reference_store
from rdfia_keras.runs.store import Query

SEEDS = 3


def accuracies(name: str, seed: int) -> list[float]:
    folder = FOLDER / "cnn" / (f"{name}-seed-{seed}" if seed else name)
    with (folder / "history.csv").open() as file:
        return [float(row["test_accuracy"]) for row in csv.DictReader(file)]


@pytest.mark.parametrize("rung", LADDER, ids=lambda rung: rung.name)
def test_a_row_of_the_ladder_is_the_mean_over_its_seeds(rung):
    row = next(row for row in ladder() if row["rung"] == f"`{rung.name}`")
    n, epochs = int(row["n"]), int(row["epochs"])
    assert n >= SEEDS and sorted(reference_trials(rung)) == list(range(n))
    curves = [accuracies(rung.name, seed)[:epochs] for seed in range(n)]
    for measure, values in (("last", [c[-1] for c in curves]), ("best", [max(c) for c in curves])):
        expected = f"{100 * statistics.fmean(values):.2f} ± {100 * statistics.stdev(values):.2f} %"
        assert row[f"reference, {measure} epoch"] == expected


@pytest.mark.parametrize("rung", LADDER[1:], ids=lambda rung: rung.name)
def test_a_gain_is_over_the_epochs_that_both_have(rung):
    compared = compare_with_base(rung)
    shared = sorted(reference_trials(rung))
    assert compared.epochs == min(rung.config.epochs, 30 if rung.base in ("baseline", "normalize") else 50)
    means = [
        [statistics.fmean(accuracies(name, seed)[compared.epochs - 5 : compared.epochs]) for seed in shared]
        for name in (rung.base, rung.name)
    ]
    assert compared.gain.n == len(shared)
    assert compared.gain.mean == pytest.approx(
        statistics.fmean(after - before for before, after in zip(*means, strict=True))
    )
    row = next(row for row in gains() if row["experiment"] == f"`{rung.name}`")
    assert row["gain, points"] == f"{100 * compared.gain.mean:+.2f}"
    assert (row["larger than the noise"] == "yes") == (compared.gain.interval[0] > 0 or compared.gain.interval[1] < 0)


@pytest.mark.parametrize("experiment", [CIRCLES, LR_2, BATCH_1, BATCH_50], ids=lambda one: one.name)
def test_the_circles_are_means_over_twenty_seeds(experiment):
    row = next(row for row in results() if row["experiment"] == f"`{experiment.name}`")
    spread = spread_of(experiment, "final")
    assert spread.n == 20 and (row["reference, last"], row["seeds"]) == (spread.percents(), "0 to 19")
    rows = reference_run(experiment).history()
    swept = [one for one in _rows() if one["experiment"] == experiment.name]
    assert swept and all(one["final"]["values"][0] == rows[-1]["test_accuracy"] for one in swept), "seed 0 is the run"


def _rows():
    return [row for path in FOLDER.glob("sweeps/*/sweep.json") for row in json.loads(path.read_text())["rows"]]


def test_the_mean_of_the_last_epochs_takes_no_more_than_there_are():
    rows = [{"test_accuracy": value} for value in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.9)]
    assert mean_of_last(rows, 6) == pytest.approx(0.4) and mean_of_last(rows, 2) == pytest.approx(0.15)


# --- the choice of the epoch ------------------------------------------------------------------------------------------


def test_what_the_documentation_says_of_the_run_with_a_validation_set():
    (run,) = (run for run in reference_store().runs("cnn") if run.record.selected)
    record, rows = run.record, run.history()
    assert record.best["epoch"] == record.selected["epoch"] == record.final["epoch"] == len(rows) == 50
    assert record.selected["validation_accuracy"] == max(row["validation_accuracy"] for row in rows)
    assert record.dataset["counts"] == {"train": 45_000, "test": 10_000, "validation": 5_000}
    text = (Path(__file__).resolve().parents[1] / "docs" / "results.md").read_text(encoding="utf-8")
    assert f"{record.selected['validation_accuracy']:.2%}".replace("%", " %") + " on the validation" in text
    gaps = {
        (experiment.name, epochs): spreads["best"].mean - spreads["last"].mean
        for experiment in LADDER
        for epochs in (30, 50)
        if (spreads := judgement.spreads(experiment, epochs))
    }
    assert max(gaps, key=gaps.get) == ("augment", 50)
    assert f"by up to {100 * max(gaps.values()):.2f} points in the mean over seeds (`augment`" in " ".join(text.split())
    largest = max(max(rows) - rows[-1] for rows in (accuracies("augment", seed) for seed in range(SEEDS)))
    assert f"in one of its seeds by {100 * largest:.2f}." in text


@pytest.mark.parametrize("epochs", [30, 50, 60])
def test_a_longer_reference_run_is_compared_over_the_experiments_epochs(epochs):
    experiment = replace(BATCH_NORM, config=BATCH_NORM.config.with_epochs(epochs))
    run = reference_run(experiment)
    assert run.record.epochs == 60
    compared = compare(experiment, run, reference_store(), lambda base: Query(config=base.config))
    assert compared["reference"] == pytest.approx(max(accuracies("batch-norm", 0)[:epochs]))


# --- PyTorch's defaults -----------------------------------------------------------------------------------------------


def test_what_the_documentation_says_of_pytorchs_defaults():
    root = Path(__file__).resolve().parents[1]
    readme, text = (
        " ".join((root / name).read_text(encoding="utf-8").split()) for name in ("README.md", "docs/results.md")
    )
    assert f"With Keras's, `batch-norm` ends at {spread_of(BATCH_NORM, 'final').percents()}" in readme
    assert f"the latter had ended at {spread_of(BATCH_NORM, 'final').percents()}" in text
    runs = {one.name: reference_trials(one) for one in (*LADDER, DROPOUT, BATCH_NORM)}
    assert all(max(row["test_accuracy"] for row in trial.rows) > 0.85 for trial in runs["batch-norm-pytorch"].values())
    ends = {
        name: {seed: mean_of_last(trial.rows, 50) for seed, trial in runs[name].items()}
        for name in ("schedule", "dropout", "batch-norm")
    }

    def said(gain, where):
        low, high = (100 * end for end in gain.interval)
        return f"{100 * gain.mean:+.2f} points {where} (95 % interval {low:+.2f} to {high:+.2f}, n = {gain.n})"

    assert said(paired_gain(ends["schedule"], ends["dropout"]), "over `schedule`") in text
    gain = paired_gain(ends["dropout"], ends["batch-norm"])
    assert said(gain, "there") in text
    assert not gain.is_clear and compare_with_base(BATCH_NORM_PYTORCH).gain.is_clear
    dropout = compare_with_base(DROPOUT).gain
    assert "For dropout, no difference is shown" in text and not dropout.is_clear


def test_what_the_documentation_says_of_batch_norm_in_float32():
    """One run tells the defaults from the precision, and a tenth fewer images from all, as far as one run can."""
    docs = Path(__file__).resolve().parents[1] / "docs"
    text, performance = (" ".join((docs / name).read_text().split()) for name in ("results.md", "performance.md"))
    runs = {run.folder.name: run for run in reference_store().runs("cnn")}
    assert runs["batch-norm-float32"].config.identity() == BATCH_NORM.config.identity()
    mean = 100 * mean_of_last(runs["batch-norm-float32"].history(), 50)
    fewer = 100 * mean_of_last(runs["batch-norm-validation-0.1"].history(), 50)
    of_seed_0 = 100 * mean_of_last(runs["batch-norm"].history(), 50)
    pytorch, bfloat16 = (
        100 * statistics.fmean(mean_of_last(trial.rows, 50) for trial in reference_trials(one).values())
        for one in (BATCH_NORM_PYTORCH, BATCH_NORM)
    )
    spread = 100 * judgement.noise(50)[judgement.MEASURES[-1]]
    assert f"50 epochs) tells them apart as far as one run can: {mean:.2f} % in the mean" in text
    assert f"That is {pytorch - mean:.2f} points below" in text and f"and {mean - bfloat16:.2f} above" in text
    assert f"Twice the spread over seeds is {2 * spread:.2f} points" in text
    assert mean - bfloat16 < 2 * spread < pytorch - mean
    assert f"cost {mean - fewer:.2f} points in the mean" in text and f"the spread of {spread:.2f} points" in text
    assert f"{mean:.2f} % in float32 and {of_seed_0:.2f} % in mixed_bfloat16" in performance


def test_of_two_runs_from_one_seed_the_longer_one_counts():
    """The reference has one of `batch-norm` over 60 epochs and one over 50 in another precision."""
    trial = reference_trials(BATCH_NORM)[0]
    assert [row["test_accuracy"] for row in trial.rows] == accuracies("batch-norm", 0)[:50]
