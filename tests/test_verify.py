"""`rdfia verify`: the first epochs of a run, trained again, are equal to its record, close to it, or different."""

import csv
import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rdfia_keras.commands._app import app
from rdfia_keras.runs.run import Run
from rdfia_keras.training.verification import Verification


def rdfia(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("results")
    done = rdfia("mlp", "--implementation", "manual", "--epochs", 3, "--out", out)
    assert done.exit_code == 0, done.stderr
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
    ("factor", "result", "exit_code"), [(1, "equal", 0), (1.001, "close", 0), (1.1, "different", 1)]
)
def test_first_epochs_are_compared_with_the_record(trained, tmp_path, factor, result, exit_code):
    run = with_loss_times(factor, trained, tmp_path / "results" / "mlp" / "run")
    done = rdfia("verify", run, "--epochs", 2, "--json")
    assert done.exit_code == exit_code, done.stderr
    (row,) = json.loads(done.stdout)["runs"]
    assert (row["result"], row["epoch"], row["changes"]) == (result, "2", [])
    assert [path.name for path in (tmp_path / "results" / "mlp").iterdir() if path.is_dir()] == ["run"]


def test_a_verification_that_a_signal_stopped_says_so(trained):
    run = Run(trained)
    rows = run.history()
    assert [Verification(run, rows, rows[:1], (), code).verdict for code in (143, 1)] == ["interrupted", "different"]


def test_other_processor_is_named(trained, tmp_path):
    run = with_loss_times(1.001, trained, tmp_path / "mlp" / "run")
    record = json.loads((run / "metrics.json").read_text())
    record["environment"]["cpu"] = "another one"
    (run / "metrics.json").write_text(json.dumps(record))
    assert "instead of another one" in rdfia("verify", run).stdout


def test_other_data_are_refused(trained, tmp_path):
    run = with_loss_times(1, trained, tmp_path / "mlp" / "run")
    record = json.loads((run / "metrics.json").read_text())
    record["dataset"]["digest"] = "0" * 16
    (run / "metrics.json").write_text(json.dumps(record))
    done = rdfia("verify", run)
    assert done.exit_code == 1 and "is another one now" in done.stderr


def test_what_has_no_epochs_is_refused():
    done = rdfia("verify", "reference/svm/kernels")
    assert done.exit_code == 1 and "not trained in epochs" in done.stderr


def test_reference_is_verified(circles_mat):
    done = rdfia("verify", "reference/mlp/circles", "--data-dir", circles_mat, "--json")
    assert done.exit_code == 0, done.stderr
    assert {row["result"] for row in json.loads(done.stdout)["runs"]} <= {"equal", "close"}
