"""What the fault tests share: images and small disks."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock
from made_data import write_pictures


@pytest.fixture(scope="session")
def shared(tmp_path_factory, request) -> Callable[[str, Callable[[Path], object]], Path]:
    """A function that makes a folder once for all of pytest-xdist's workers. Tests only read what is in it."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if hasattr(request.config, "workerinput") else base

    def make(name: str, fill: Callable[[Path], object]) -> Path:
        folder = base / name
        with FileLock(base / f"{name}.lock"):
            if not folder.exists():
                part = base / f"{name}.part"
                shutil.rmtree(part, ignore_errors=True)
                part.mkdir()
                fill(part)
                part.rename(folder)
        return folder

    return make


@pytest.fixture(scope="session")
def pictures(shared) -> Path:
    """60 training and 20 test images of two classes: an epoch takes a fraction of a second."""

    def fill(folder: Path) -> None:
        write_pictures(folder / "own", {"night": 40, "day": 120}, {"train": 30, "test": 10}, (32, 32), noise=100)

    return shared("pictures", fill) / "own"


@pytest.fixture
def small_disk(tmp_path):
    """A function that mounts a file system of so many kB."""
    mounted = []

    def mount(kilobytes: int, options: str = "") -> Path:
        folder = tmp_path / "disk"
        folder.mkdir(exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k{options}", "tmpfs", str(folder)]
        if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("only root can mount a small disk")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)
