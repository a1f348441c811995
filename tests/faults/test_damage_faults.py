"""Damaged files in a run's folder, and what a resume refuses or leaves alone."""

import json
import shutil
from pathlib import Path

import pytest
from processes import ENV, PATIENCE, PLAIN, assert_one_sentence, ends_here, folder_of, fork, numbers, record


@pytest.fixture(scope="session")
def whole(pictures, shared) -> Path:
    """The folder of a finished run of six epochs; no test writes in it or takes its lock."""

    def fill(folder: Path) -> None:
        done = ends_here("cnn", "--dataset", pictures, *PLAIN, "--epochs", 6, cwd=folder, code=0)
        folder_of(done, folder).rename(folder / "run")

    return shared("finished", fill) / "run"


@pytest.fixture
def finished(whole, tmp_path) -> Path:
    """A copy of it, for one test."""
    return shutil.copytree(whole, tmp_path / "run")


def test_a_damaged_checkpoint_falls_back_and_two_are_refused(whole, finished, tmp_path):
    for count in (1, 2):
        for name in ("last.ckpt", "previous.ckpt")[:count]:
            path = finished / "checkpoints" / name
            path.write_bytes(path.read_bytes()[:1000])
        # In the second round the checkpoints are those of the first round's seven epochs.
        done = ends_here("resume", finished, "--epochs", 6 + count, cwd=tmp_path, code=0 if count == 1 else 1)
        if count == 1:
            assert "resuming after epoch 5 in" in done.stderr
            assert numbers(finished)[:6] == numbers(whole) and len(numbers(finished)) == 7
        else:
            assert_one_sentence(done.stderr)
            assert "damaged" in done.stderr and "start a new run" in done.stderr


@pytest.mark.parametrize(("name", "epochs"), [("metrics.json", 6), ("history.csv", 7)])
def test_a_damaged_text_file_is_written_anew(whole, finished, tmp_path, name, epochs):
    (finished / name).write_bytes(b"\x00{")
    ends_here("resume", finished, "--epochs", epochs, cwd=tmp_path, code=0)
    assert numbers(finished)[:6] == numbers(whole) and len(numbers(finished)) == epochs
    assert record(finished)["status"] == "ok"


@pytest.mark.parametrize(
    ("is_finished", "digest", "words"),
    [
        (True, "digest", "is another one now"),
        (False, "validation_digest", "other examples would be held out for validation"),
    ],
    ids=["finished", "cut off"],
)
def test_resume_refuses_other_data(finished, tmp_path, is_finished, digest, words):
    path = finished / ("metrics.json" if is_finished else "config.json")
    content = json.loads(path.read_text())
    content["dataset"][digest] = "0" * 16
    path.write_text(json.dumps(content))
    if not is_finished:
        (finished / "metrics.json").unlink()
    done = ends_here("resume", finished, "--epochs", 7, cwd=tmp_path, code=1)
    assert_one_sentence(done.stderr)
    assert words in done.stderr


def test_a_quick_run_can_be_made_longer_and_a_refused_resume_changes_nothing(tmp_path):
    done = ends_here("cnn", "--dataset", "digits", "--network", "dense", "--quick", cwd=tmp_path, code=0)
    folder = folder_of(done, tmp_path)
    before = (folder / "config.json").read_bytes()
    env = {**ENV, "CUDA_VISIBLE_DEVICES": "-1"}
    refused = fork("resume", folder, "--epochs", 4, "--device", "gpu", cwd=tmp_path, env=env)
    _, err = refused.communicate(timeout=PATIENCE)
    assert refused.returncode == 1 and "--device gpu" in err and (folder / "config.json").read_bytes() == before
    ends_here("resume", folder, "--epochs", 4, cwd=tmp_path, code=0)
    assert len(numbers(folder)) == 4 and record(folder)["quick"] is True
