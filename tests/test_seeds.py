"""Means over the seeds that ship with the package, held against the histories themselves."""

import csv
import statistics

import pytest

from rdfia_keras.experiments import LADDER
from rdfia_keras.report.docs import gains, ladder
from rdfia_keras.report.seeds import compare_with_base, mean_of_last, reference_trials
from rdfia_keras.runs.reference import FOLDER

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
    row = next(row for row in gains() if row["rung"] == f"`{rung.name}`")
    assert row["gain, points"] == f"{100 * compared.gain.mean:+.2f}"
    assert (row["larger than the noise"] == "yes") == (compared.gain.low > 0 or compared.gain.high < 0)


def test_the_mean_of_the_last_epochs_takes_no_more_than_there_are():
    rows = [{"test_accuracy": value} for value in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.9)]
    assert mean_of_last(rows, 6) == pytest.approx(0.4) and mean_of_last(rows, 2) == pytest.approx(0.15)
