"""Run folders and files: atomic, numbered, locked, and readable again."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from rdfia_keras import records
from rdfia_keras.errors import RdfiaError
from rdfia_keras.experiments import AUGMENT, BASELINE, CIRCLES, LADDER, MNIST_LENET, REGISTRY, CnnExperiment, identify


def test_folders_are_numbered_when_taken(tmp_path):
    names = [records.Run.create(tmp_path, "mlp", "circles", {}).folder.name for _ in range(3)]
    assert names == ["circles", "circles-2", "circles-3"]


def test_runs_at_once_get_separate_folders(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(lambda _: records.Run.create(tmp_path, "cnn", "x", {}), range(16)))
    assert len({run.folder for run in runs}) == 16
    assert all(json.loads((run.folder / "config.json").read_text())["versions"]["numpy"] for run in runs)


def test_overwrite_replaces_a_run_and_nothing_else(tmp_path):
    run = records.Run.create(tmp_path, "mlp", "circles", {})
    run.write("old.txt", b"old")
    del run
    again = records.Run.create(tmp_path, "mlp", "circles", {}, overwrite=True)
    assert again.folder.name == "circles" and not (again.folder / "old.txt").exists()
    (tmp_path / "mlp" / "mine").mkdir()
    with pytest.raises(RdfiaError, match="not a run's folder"):
        records.Run.create(tmp_path, "mlp", "mine", {}, overwrite=True)


def test_overwrite_does_not_touch_a_run_that_another_process_writes(tmp_path):
    code = (
        "import sys; from pathlib import Path; from rdfia_keras.records import Run;"
        "run = Run.create(Path(sys.argv[1]), 'mlp', 'circles', {}); print('held', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout.readline() == "held\n"
    with pytest.raises(RdfiaError, match="another process"):
        records.Run.create(tmp_path, "mlp", "circles", {}, overwrite=True)
    other.communicate("")
    assert records.Run.create(tmp_path, "mlp", "circles", {}, overwrite=True).folder.name == "circles"


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    records.write_atomic(tmp_path / "a", b"old")

    def full(_fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(records.os, "fsync", full)
    with pytest.raises(RdfiaError, match="No space left"):
        records.write_atomic(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_keep_holds_the_one_before(tmp_path):
    for content in (b"1", b"2", b"3"):
        records.write_atomic(tmp_path / "last", content, keep=tmp_path / "previous")
    assert ((tmp_path / "last").read_bytes(), (tmp_path / "previous").read_bytes()) == (b"3", b"2")


def test_history_is_written_in_full():
    row = {**dict.fromkeys(records.HISTORY_COLUMNS, 0.5), "epoch": 1, "train_loss": 1 / 3, "train_accuracy": 2e-17}
    header, line = records.history_bytes([row]).decode().splitlines()
    assert header.split(",") == list(records.HISTORY_COLUMNS)
    assert [float(text) for text in line.split(",")] == [row[key] for key in records.HISTORY_COLUMNS]


def test_best_is_the_first_of_the_highest():
    rows = [{"epoch": i, "test_accuracy": a} for i, a in enumerate((0.1, 0.9, 0.9, 0.3))]
    assert records.best_row(rows)["epoch"] == 1 and records.best_row([]) is None


@pytest.mark.parametrize("known", [e for e in REGISTRY.values() if e.section != "svm"], ids=lambda e: e.name)
def test_a_run_that_repeats_a_declaration_gets_its_figure(known):
    published = ("name", "figure", "question", "published", "reported", "others", "base", "epochs")
    options = type(known)("", **{key: value for key, value in vars(known).items() if key not in published})
    assert identify(options, None) == known
    assert identify(options, 3).epochs == 3


def test_another_run_gets_a_name_of_its_options_and_nothing_published():
    run = identify(CnnExperiment("", dataset="digits", augment=("crop", "flip"), dropout=0.3, lr=0.01), None)
    assert run.name == "digits-lr-0.01-augment-dropout-0.3-no-normalize"
    assert run.figure is run.published is None and run.epochs == 30
    assert identify(CnnExperiment("", dataset="/data/my pictures"), None).name == "my-pictures"


def test_no_name_is_that_of_another_declaration():
    for rungs in ({"dropout": 0.5}, {"batch_norm": True}, {"augment": ("crop", "flip")}, {"schedule": "exponential"}):
        assert identify(CnnExperiment("", **rungs), None).name.endswith("-no-normalize")
        assert identify(CnnExperiment("", **rungs, normalize=True, batch_size=7), None).name not in REGISTRY


def finished(run: records.Run, status: str, epochs: int) -> None:
    run.write_json("metrics.json", {"status": status, "final": {"epoch": epochs}})


def test_the_latest_unfinished_run_is_one_that_can_go_on(tmp_path):
    config = {"experiment": {"name": "x", "epochs": 5}}
    with pytest.raises(RdfiaError, match="no unfinished run"):
        records.latest_unfinished(tmp_path, "cnn")
    waiting = records.Run.create(tmp_path, "cnn", "waiting", config)
    for name, status in (("done", "ok"), ("diverged", "failed")):
        finished(records.Run.create(tmp_path, "cnn", name, config), status, 5)
    running = records.Run.create(tmp_path, "cnn", "running", config)
    folder = waiting.folder
    del waiting
    assert records.latest_unfinished(tmp_path, "cnn") == folder
    del running
    assert records.latest_unfinished(tmp_path, "cnn").name == "running"


def test_a_longer_run_is_unfinished_until_it_is_done(tmp_path):
    run = records.Run.create(tmp_path, "cnn", "x", {"experiment": {"name": "x", "epochs": 5}})
    assert run.status() == "unfinished"
    finished(run, "ok", 5)
    assert (run.status(), run.status(6)) == ("ok", "unfinished")
    run.update_epochs(6)
    assert run.status() == "unfinished" and run.config()["experiment"]["epochs"] == 6


def test_the_ladder_is_the_reports():
    assert [(e.figure, e.question, e.published) for e in LADDER] == [
        (7, 15, 0.70),
        (11, 19, 0.758),
        (12, 22, 0.80),
        (18, 26, 0.81),
        (22, 29, 0.82),
        (23, 34, 0.85),
    ]
    assert (CIRCLES.figure, MNIST_LENET.figure, BASELINE.lr, AUGMENT.normalize) == (1, 6, 0.1, True)
