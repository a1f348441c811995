"""`rdfia resume`: a run goes on as it was started and ends as if it had never been interrupted, or is refused."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from command_line import invoke
from stored_runs import edit

from rdfia_keras.config import SvmConfig
from rdfia_keras.runs import checkpoint
from rdfia_keras.runs.run import Run

pytestmark = pytest.mark.usefixtures("unrendered")
MLP = ("mlp", "--implementation", "manual", "--lr", "0.1")
NAME = "lr-0.1"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return the run of a number of epochs, trained once."""
    folders: dict[int, Path] = {}

    def train(epochs: int) -> Path:
        if epochs not in folders:
            out = tmp_path_factory.mktemp("trained")
            done = invoke(*MLP, "--epochs", epochs, "--out", out)
            assert done.returncode == 0, done.stderr
            folders[epochs] = out / "mlp" / NAME
        return folders[epochs]

    return train


@pytest.fixture
def cut_off(tmp_path, trained):
    """Leave a run of four epochs as a process leaves it that was killed after the second one."""

    def make(out: str = "results", name: str = NAME) -> Path:
        folder = tmp_path / out / "mlp" / name
        shutil.copytree(trained(2), folder)
        with Run.open(folder) as run:
            run.start_resume(4, 2)
        (folder / "metrics.json").unlink()
        return folder

    return make


def outcome(folder: Path) -> tuple:
    """All that a training computes."""
    run = Run(folder)
    rows = [{key: value for key, value in row.items() if key != "seconds"} for row in run.history()]
    return run.status, run.result.epochs, run.result.details["weights_digest"], rows


def error_of(done) -> str:
    """The one sentence on stderr, where nothing is on stdout."""
    assert done.stdout == "" and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done.stderr
    return done.stderr.removeprefix("error: ").rstrip("\n")


@pytest.mark.parametrize("words", [["resume"], ["resume", "lr-0.1"]], ids=" ".join)
def test_a_resumed_run_ends_as_one_that_was_never_interrupted(rdfia_here, cut_off, trained, words):
    folder = cut_off()
    done = rdfia_here(*words)
    assert done.returncode == 0, done.stderr
    assert folder.name == NAME and outcome(folder) == outcome(trained(4))
    assert "other bits" not in done.stderr and "resumed" not in Run(folder).result.environment
    assert [path.name for path in folder.parent.iterdir() if path.is_dir()] == [NAME]


def test_a_run_is_resumed_from_within_its_folder(rdfia_here, cut_off, monkeypatch):
    folder = cut_off()
    monkeypatch.chdir(folder)
    assert rdfia_here("resume", ".").returncode == 0 and Run(folder).result.epochs == 4
    assert {path.name for path in folder.parent.iterdir()} <= {NAME, f".{NAME}.lock"}


def test_a_resume_with_another_number_of_threads_is_reported_and_recorded(rdfia_here, cut_off):
    folder = cut_off()
    now = Run(folder).started["threads"]
    edit(folder / "config.json", threads=99)
    done = rdfia_here("resume")
    assert done.returncode == 0, done.stderr
    warning = f"warning: results/mlp/{NAME} is resumed with threads {now} instead of 99: it may end with other bits"
    assert warning in done.stderr
    assert Run(folder).result.environment["resumed"] == [{"after_epoch": 2, "threads": now}]


def test_a_finished_run_stays_as_it_is_and_can_be_made_longer(rdfia_here, tmp_path, trained):
    folder = tmp_path / "run"
    shutil.copytree(trained(2), folder)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    again = rdfia_here("resume", folder)
    assert again.returncode == 0 and "is finished already; --epochs makes it longer" in again.stderr
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    assert again.stdout.splitlines()[-1] == str(folder)
    longer = rdfia_here("resume", folder, "--epochs", "4")
    assert longer.returncode == 0, longer.stderr
    assert outcome(folder) == outcome(trained(4))
    assert json.loads((folder / "config.json").read_text())["config"]["epochs"] == 4


@pytest.mark.parametrize(
    ("epochs", "code", "sentence"),
    [
        (3, 2, "epochs (--epochs) was 4 and can only grow, not become 3"),
        (0, 2, "epochs (--epochs) must be at least 1, not 0"),
        (-1, 2, "epochs (--epochs) must be at least 1, not -1"),
    ],
)
def test_a_run_cannot_be_made_shorter(rdfia_here, cut_off, epochs, code, sentence):
    folder = cut_off()
    done = rdfia_here("resume", "results/mlp/lr-0.1", "--epochs", epochs)
    assert done.returncode == code and sentence in error_of(done)
    assert not (folder / "metrics.json").exists()


def test_resume_takes_the_latest_unfinished_run_of_any_section_in_out(rdfia_here, cut_off):
    older, newer = cut_off("here", "older"), cut_off("here", "newer")
    elsewhere = cut_off("elsewhere")
    os.utime(older / "config.json", (10**9, 10**9))
    done = rdfia_here("resume", "--out", "here", "--json")
    assert done.returncode == 0, done.stderr
    assert (newer / "metrics.json").exists()
    assert not (older / "metrics.json").exists() and not (elsewhere / "metrics.json").exists()
    assert rdfia_here("resume", "--out", "here").returncode == 0 and (older / "metrics.json").exists()
    done = rdfia_here("resume", "--out", "here")
    assert done.returncode == 1 and "there is no unfinished run in here;" in error_of(done)


def test_kernels_are_refused_and_are_not_the_latest_run(rdfia_here):
    Run.create(Path("results"), "kernels", SvmConfig()).close()
    done = rdfia_here("resume", "results/svm/kernels")
    sentence = "cannot resume results/svm/kernels: this is a run of rdfia svm, which cannot be resumed; run it again"
    assert (done.returncode, error_of(done)) == (1, sentence)
    assert "there is no unfinished run in results;" in error_of(rdfia_here("resume"))


@pytest.mark.parametrize("content", [None, "{", "[]", '{"section": "mlp"}'], ids=str)
def test_a_folder_that_is_no_run_is_refused(rdfia_here, tmp_path, content):
    (tmp_path / "folder").mkdir()
    if content is not None:
        (tmp_path / "folder" / "config.json").write_text(content)
    done = rdfia_here("resume", "folder")
    sentence = "folder is not a run's folder: config.json is missing or damaged"
    assert (done.returncode, error_of(done)) == (1, sentence)


@pytest.mark.parametrize(
    "changed",
    [
        {"options": {"quick": False}},
        {"options": []},
        {"options": {"quick": False, "data_dir": 3, "deterministic": False, "device": "auto"}},
        {"options": {"quick": False, "data_dir": None, "deterministic": False, "device": "abacus"}},
        {"backend": None},
        {"dataset": "circles"},
        {"resumed": [{}]},
    ],
    ids=str,
)
def test_a_run_that_does_not_say_how_it_was_started_is_refused(rdfia_here, cut_off, changed):
    folder = cut_off()
    edit(folder / "config.json", **changed)
    done = rdfia_here("resume", NAME)
    sentence = f"cannot resume {folder.relative_to(Path.cwd())}: config.json does not say how it was started"
    assert (done.returncode, error_of(done)) == (1, f"{sentence}; start a new run")


@pytest.mark.parametrize(
    "change",
    [
        lambda arrays, meta: meta.update(history=[1]),
        lambda arrays, meta: meta["history"].update(manual=3),
        lambda arrays, meta: meta["history"]["manual"][1].update(epoch=7),
        lambda arrays, meta: meta["history"]["manual"][1].update(test_loss="low"),
        lambda arrays, meta: meta["history"]["manual"][1].pop("train_accuracy"),
        lambda arrays, meta: meta.pop("epochs_kept"),
        lambda arrays, meta: arrays.update({"manual/last/W_h": np.zeros((3, 3))}),
        lambda arrays, meta: arrays.pop("manual/last/b_y"),
        lambda arrays, meta: arrays.update(weights=np.zeros(3)),
    ],
    ids=range(9),
)
def test_a_whole_checkpoint_of_another_training_is_refused(rdfia_here, cut_off, change):
    folder = cut_off()
    arrays, meta = checkpoint.load_last(folder)
    change(arrays, meta)
    checkpoint.save_next(folder, arrays, meta)
    done = rdfia_here("resume", NAME)
    sentence = "its checkpoint is of another training than its settings describe; start a new run"
    assert (done.returncode, error_of(done)) == (1, f"cannot resume {folder.relative_to(Path.cwd())}: {sentence}")


def test_a_name_of_no_run_is_refused_with_the_closest_name(rdfia_here, cut_off):
    cut_off()
    done = rdfia_here("resume", "mlp/lr-0.2")
    assert done.returncode == 1 and "mlp/lr-0.1" in error_of(done)
