"""Damaged files in a run's folder, and runs that cannot or need not be resumed."""

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


@pytest.mark.parametrize("damage", ["truncated", "emptied", "flipped"])
def test_a_damaged_checkpoint_falls_back_and_two_are_told(whole, finished, tmp_path, damage):
    for count in (1, 2):
        for name in ("last.ckpt", "previous.ckpt")[:count]:
            path = finished / "checkpoints" / name
            content = path.read_bytes()
            half = len(content) // 2
            flipped = content[:half] + bytes([byte ^ 1 for byte in content[half : half + 1]]) + content[half + 1 :]
            path.write_bytes({"truncated": content[:1000], "emptied": b"", "flipped": flipped}[damage])
        # In the second round the checkpoints are those of the first round's seven epochs.
        done = ends_here("resume", finished, "--epochs", 6 + count, cwd=tmp_path, code=0 if count == 1 else 1)
        if count == 1:
            assert "resuming after epoch 5 in" in done.stderr
            assert numbers(finished)[:6] == numbers(whole) and len(numbers(finished)) == 7
        else:
            assert_one_sentence(done.stderr)
            assert "damaged" in done.stderr and "start a new run" in done.stderr


@pytest.mark.parametrize(
    ("name", "resume"),
    [
        ("config.json", ("cnn", "--resume")),
        ("config.json", ("resume",)),
        ("metrics.json", ("cnn", "--resume")),
        ("history.csv", ("resume",)),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_a_damaged_text_file_is_told_or_made_anew(whole, finished, tmp_path, name, resume):
    (finished / name).write_bytes(b"\x00{")
    if name == "config.json":
        done = ends_here(*resume, finished, cwd=tmp_path, code=1)
        assert_one_sentence(done.stderr)
        assert "config.json is missing or damaged" in done.stderr
    else:
        epochs = 6 if name == "metrics.json" else 7
        ends_here(*resume, finished, "--epochs", epochs, cwd=tmp_path, code=0)
        assert numbers(finished)[:6] == numbers(whole) and len(numbers(finished)) == epochs
        assert record(finished)["status"] == "ok"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--lr", "0.5"), "lr (--lr) was 0.01 and is now 0.5; only epochs (--epochs) may change"),
        (("--seed", "3"), "seed (--seed) was 0 and is now 3; only epochs (--epochs) may change"),
        (("--model", "lenet"), "network (--model) was dense and is now lenet; only epochs (--epochs) may change"),
        (
            ("--validation", "0.2"),
            "validation (--validation) was 0.0 and is now 0.2; only epochs (--epochs) may change",
        ),
        (("--dataset", "mnist"), "dataset (--dataset) was"),
        (("--epochs", "2"), "epochs (--epochs) was 6 and can only grow"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_resume_refuses_what_differs(finished, tmp_path, options, words):
    done = ends_here("cnn", "--resume", finished, *options, cwd=tmp_path, code=1)
    assert_one_sentence(done.stderr)
    assert f"cannot resume {finished}: {words}" in done.stderr
    if options[0] == "--epochs":
        again = ends_here("resume", finished, *options, cwd=tmp_path, code=1)
        assert again.stderr == done.stderr


@pytest.mark.parametrize(
    ("resume", "digest", "words"),
    [
        (("cnn", "--resume"), "digest", "is another one now"),
        (("resume",), "digest", "is another one now"),
        (("resume",), "validation_digest", "other examples would be held out for validation"),
    ],
    ids=str,
)
def test_resume_refuses_other_data(finished, tmp_path, resume, digest, words):
    config = json.loads((finished / "config.json").read_text())
    config["dataset"][digest] = "0" * 16
    (finished / "config.json").write_text(json.dumps(config))
    done = ends_here(*resume, finished, "--epochs", 7, cwd=tmp_path, code=1)
    assert_one_sentence(done.stderr)
    assert words in done.stderr


def test_resume_refuses_another_section_and_a_folder_without_unfinished_runs(finished, tmp_path):
    done = ends_here("mlp", "--resume", finished, cwd=tmp_path, code=1)
    assert_one_sentence(done.stderr)
    assert "not of rdfia mlp" in done.stderr
    for resume in (("cnn", "--resume"), ("resume",)):
        done = ends_here(*resume, cwd=tmp_path, code=1)
        assert_one_sentence(done.stderr)
        assert "there is no unfinished run in" in done.stderr


def test_a_quick_run_can_be_made_longer_and_a_refused_resume_changes_nothing(tmp_path):
    done = ends_here("cnn", "--dataset", "digits", "--model", "dense", "--quick", cwd=tmp_path, code=0)
    folder = folder_of(done, tmp_path)
    before = (folder / "config.json").read_bytes()
    env = {**ENV, "CUDA_VISIBLE_DEVICES": "-1"}
    refused = fork("cnn", "--resume", folder, "--epochs", 4, "--device", "gpu", cwd=tmp_path, env=env)
    _, err = refused.communicate(timeout=PATIENCE)
    assert refused.returncode == 1 and "--device gpu" in err and (folder / "config.json").read_bytes() == before
    ends_here("resume", folder, "--epochs", 4, cwd=tmp_path, code=0)
    assert len(numbers(folder)) == 4 and record(folder)["quick"] is True


@pytest.mark.parametrize("resume", [("cnn", "--resume"), ("resume",)], ids=" ".join)
def test_resuming_a_finished_run_rewrites_nothing(finished, tmp_path, resume):
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*")}
    done = ends_here(*resume, finished, cwd=tmp_path, code=0)
    assert "is finished already" in done.stderr and done.stdout.splitlines()[-1] == str(finished)
    assert {path: path.stat().st_mtime_ns for path in finished.rglob("*")} == before
