"""`rdfia verify`: the first epochs of a run, trained again, are equal to its record, close to it, or different."""

import csv
import json
import shutil
from pathlib import Path

import pytest
from command_line import invoke
from stored_runs import edit

from rdfia_keras.runs.run import Run
from rdfia_keras.training.verification import Verification


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("results")
    done = invoke("mlp", "--implementation", "manual", "--epochs", 3, "--out", out)
    assert done.returncode == 0, done.stderr
    return next((out / "mlp").iterdir())


def with_loss_times(factor: float, run: Path, folder: Path) -> Path:
    """Copy a run and multiply the training losses of its history."""
    shutil.copytree(run, folder)
    with (folder / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    with (folder / "history.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows({**row, "train_loss": float(row["train_loss"]) * factor} for row in rows)
    return folder


@pytest.mark.parametrize(
    ("factor", "result", "returncode"), [(1, "equal", 0), (1.001, "close", 0), (1.1, "different", 1)]
)
def test_first_epochs_are_compared_with_the_record(trained, tmp_path, factor, result, returncode):
    run = with_loss_times(factor, trained, tmp_path / "results" / "mlp" / "run")
    done = invoke("verify", run, "--epochs", 2, "--json")
    assert done.returncode == returncode, done.stderr
    (row,) = json.loads(done.stdout)["runs"]
    assert (row["result"], row["epoch"], row["changes"]) == (result, "2", [])
    assert [path.name for path in (tmp_path / "results" / "mlp").iterdir() if path.is_dir()] == ["run"]


def test_a_verification_that_a_signal_stopped_says_so(trained):
    run = Run(trained)
    rows = run.history()
    assert [Verification(run, rows, rows[:1], (), code).verdict for code in (143, 1)] == ["interrupted", "different"]


def test_other_processor_is_named(trained, tmp_path):
    run = with_loss_times(1.001, trained, tmp_path / "mlp" / "run")
    edit(run / "metrics.json", environment=Run(run).result.environment | {"cpu": "another one"})
    assert "instead of another one" in invoke("verify", run).stdout


def test_other_data_are_refused(trained, tmp_path):
    run = with_loss_times(1, trained, tmp_path / "mlp" / "run")
    edit(run / "metrics.json", dataset=Run(run).result.dataset | {"digest": "0" * 16})
    done = invoke("verify", run)
    assert done.returncode == 1 and "is another one now" in done.stderr


def test_what_has_no_epochs_is_refused():
    done = invoke("verify", "reference/svm/kernels")
    assert done.returncode == 1 and "not trained in epochs" in done.stderr


def test_reference_is_verified(circles_mat):
    done = invoke("verify", "reference/mlp/circles", "--data-dir", circles_mat, "--json")
    assert done.returncode == 0, done.stderr
    assert {row["result"] for row in json.loads(done.stdout)["runs"]} <= {"equal", "close"}
