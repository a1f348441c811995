"""`benchmarks/gpu.py` measures on a CPU when it is told to, and says what to do where a GPU is missing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "gpu.py"


def run(*arguments: object, path: Path | None = None) -> subprocess.CompletedProcess:
    """The script in a process of its own, with only what is in the folder `path` as other programs."""
    env = {**os.environ, "PATH": str(path)} if path else None
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=280)


def nvidia_smi(folder: Path, prints: str, code: int = 0) -> Path:
    """A folder with an nvidia-smi that prints a line, as a driver without a card behind it does."""
    script = folder / "nvidia-smi"
    script.write_text(f"#!/bin/sh\necho '{prints}'\nexit {code}\n")
    script.chmod(0o755)
    return folder


def test_a_quick_run_on_the_cpu_measures_and_writes_its_record(tmp_path):
    done = run("--device", "cpu", "--quick", "--only", "tensorflow", "--precisions", "float32", "--out", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    record = json.loads((tmp_path / "gpu.json").read_text())
    assert record["device"] == "cpu" and record["card"] is None and record["quick"]
    assert record["versions"]["tensorflow"] and record["python"]
    checks = {(check["of"], check["check"]): check["ok"] for check in record["checks"]}
    assert checks == {
        ("driver", "nvidia-smi"): None,
        **{("tensorflow", name): True for name in ("libraries", "devices", "one training step", "matrix product")},
    }
    rates = record["rates"]
    assert [(row["rung"], row["xla"]) for row in rates] == [
        ("baseline", "auto"),
        ("batch-norm", "on"),
        ("batch-norm", "off"),
    ]
    for row in rates:
        assert row["framework"] == "tensorflow" and row["precision"] == "float32" and "CPU" in row["placed"]
        assert row["images_per_second"] == pytest.approx(64 / row["seconds"][1])
        flop = 134e6 if row["rung"] == "baseline" else 104e6
        peak = record["peak_tflops"]["tensorflow"] * 1e12
        assert row["share_of_peak"] == pytest.approx(row["images_per_second"] * flop / peak)
    (whole,) = record["whole"]
    assert len(whole["seconds"]) == whole["epochs"] == 2 and whole["total"] > sum(whole["seconds"])
    # A CPU, or two epochs, can meet no target for fifty on a GPU.
    assert [target["met"] for target in record["targets"]] == [None]
    assert "| TensorFlow | float32 | baseline |" in done.stdout


def test_without_a_driver_the_first_check_says_so_and_nothing_else_is_tried(tmp_path):
    done = run("--out", tmp_path, path=tmp_path)
    assert done.returncode == 1
    assert "no NVIDIA driver" in done.stdout and "to do: " in done.stdout
    assert "tensorflow" not in done.stdout and "nothing was measured" in done.stderr
    assert not (tmp_path / "gpu.json").exists()


def test_a_broken_driver_is_quoted(tmp_path):
    message = "Failed to initialize NVML: Driver/library version mismatch"
    done = run("--out", tmp_path, path=nvidia_smi(tmp_path, message, 18))
    assert done.returncode == 1
    assert message in done.stdout and "restart the machine" in done.stdout


def test_a_card_that_the_back_end_does_not_see_is_told_with_what_to_install(tmp_path):
    path = nvidia_smi(tmp_path, "Tesla T4, 550.54.15, 15360 MiB, 7.5")
    done = run("--only", "tensorflow", "--out", tmp_path, path=path)
    assert done.returncode == 1, done.stdout
    assert "OK      Tesla T4, 15360 MiB, compute capability 7.5, driver 550.54.15" in done.stdout
    assert "rdfia-keras[gpu]" in done.stdout or "built without CUDA" in done.stdout
    assert "one training step" not in done.stdout
    assert not (tmp_path / "gpu.json").exists()


@pytest.mark.parametrize(
    "arguments",
    [("--epochs", "1"), ("--only", "theano"), ("--data-dir", "nowhere"), ("--out", SCRIPT), ("--torch-python", "none")],
)
def test_a_bad_option_gets_one_sentence(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and len(done.stderr.splitlines()) == 1
    assert arguments[0] in done.stderr
