"""What every test needs: a quiet backend, tiny images, and the real command, in a process of its own or in this one."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

from made_data import real, write_pictures

from rdfia_keras.data import Dataset, Split


@pytest.fixture
def circles_mat(tmp_path) -> Path:
    """A data folder with the course's own circles."""
    shutil.copy(real("circles.mat") / "circles.mat", tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def tiny_images() -> Dataset:
    """Three classes of 32x32 colour noise, each brighter than the one before: learnable in a few steps."""
    rng = np.random.default_rng(0)

    def split(count: int) -> Split:
        y = np.arange(count) % 3
        x = rng.integers(0, 60, (count, 32, 32, 3)) + 60 * y[:, None, None, None]
        return Split(x.astype(np.uint8), y.astype(np.int64))

    return Dataset("tiny", split(48), split(24), ("dark", "grey", "bright"), "made")


@pytest.fixture
def rdfia(tmp_path):
    """Run `rdfia ARGS` in `tmp_path`; the process is returned with its texts."""

    def run(*args: str, env: dict | None = None, cwd: Path | None = None, timeout: float = 120):
        return subprocess.run(
            [sys.executable, "-m", "rdfia_keras", *map(str, args)],
            cwd=cwd or tmp_path,
            env={key: value for key, value in os.environ.items() if key != "RDFIA_DATA"} | (env or {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    return run


@pytest.fixture
def rdfia_here(tmp_path, monkeypatch):
    """The same in this process, which spares the seconds that TensorFlow takes to start."""
    from command_line import invoke

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RDFIA_DATA", raising=False)
    return invoke


@pytest.fixture
def unrendered(monkeypatch) -> None:
    """Draw figures but do not render them, which takes most of a short command's time."""
    monkeypatch.setattr("rdfia_keras.plots.png.png", lambda figure: b"not rendered")


@pytest.fixture
def wide(monkeypatch) -> None:
    """Help pages and typer's own errors without colours and line breaks."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "dumb")


@pytest.fixture
def offline(tmp_path_factory, monkeypatch) -> Path:
    """Hide the user's cache, data folder and network; return the empty cache, Keras's home."""
    for name in ("https_proxy", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path_factory.mktemp("keras")))
    monkeypatch.delenv("RDFIA_DATA", raising=False)
    return Path(os.environ["KERAS_HOME"])


@pytest.fixture
def image_folder(tmp_path) -> Path:
    """A folder of pictures as a user would bring them: two classes, 8 training and 4 test images each."""
    return write_pictures(tmp_path / "my pictures", {"night": 40, "day": 200}, {"train": 8, "test": 4})
