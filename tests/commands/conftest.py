"""A folder in which every command of the documentation can be run, on data that is made here."""

import json
import shutil
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from command_line import invoke
from documented import executable
from made_data import write_cifar, write_mnist, write_pictures
from PIL import Image
from right_solutions import solved

from rdfia_keras.analysis import inspection
from rdfia_keras.learn.exercises import PARTS
from rdfia_keras.learn.skeletons import skeleton


@pytest.fixture(autouse=True)
def no_graphs_left():
    """What a process of its own would forget is forgotten here after each test."""
    yield
    keras.backend.clear_session()


def made_pictures(folder: Path) -> None:
    """Pictures of two classes, as a user would bring them, and some by themselves."""
    write_pictures(folder / "my-pictures", {"night": 0, "day": 0}, {"train": 4, "test": 4}, noise=256)
    for name in ("holiday", "pictures"):
        shutil.copytree(folder / "my-pictures" / "test" / "day", folder / name)
    shutil.copy(folder / "holiday" / "00.png", folder / "dog.png")
    Image.open(folder / "dog.png").save(folder / "cat.jpg")
    (folder / "list.txt").write_text("cat.jpg\ndog.png\n")


def made_points(folder: Path) -> None:
    """Points of two classes, and weights of a perceptron that takes them."""
    rng = np.random.default_rng(2)
    rows = [
        f"{x:.3f},{y:.3f},{x > 0:d},{'test' if i % 4 == 3 else 'train'}"
        for i, (x, y) in enumerate(rng.normal(size=(40, 2)))
    ]
    (folder / "points.csv").write_text("\n".join(["x1,x2,class,split", *rows]))
    shapes = {"W_h": (10, 2), "b_h": 10, "W_y": (2, 10), "b_y": 2}
    weights = {name: rng.normal(0, 0.3, shape).tolist() for name, shape in shapes.items()}
    (folder / "weights.json").write_text(json.dumps(weights))


def made_class(folder: Path) -> None:
    """A class of two, as a folder and as an archive, and what a teacher writes beside it."""
    for student, text in (("ada", solved("mlp")), ("bob", skeleton("mlp"))):
        (folder / "submissions" / student).mkdir(parents=True)
        (folder / "submissions" / student / "mlp.py").write_text(text)
    with zipfile.ZipFile(folder / "all.zip", "w") as archive:
        archive.writestr("ada/mlp.py", solved("mlp"))
    (folder / "points.csv").write_text("exercise,points\nsoftmax,2\n")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A folder with everything that the documentation supposes to be there, with a few runs."""
    folder = tmp_path_factory.mktemp("some user's") / "home work"
    write_cifar(folder / "data" / "cifar-10-batches-py", count=20)
    write_mnist(folder / "data" / "mnist.npz", 40)
    made_pictures(folder)
    made_points(folder)
    (folder / "class").mkdir()
    made_class(folder / "class")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RDFIA_DATA", str(folder / "data"))
        patch.setenv("BROWSER", "true")
        patch.setenv("COLUMNS", "200")
        patch.chdir(folder)
        # As many images, but fewer strengths.
        patch.setattr(inspection, "BLURS", (0.0, 2.0))
        patch.setattr(inspection, "SHIFTS", (0, 4))
        for command in ("rdfia improve augment", "rdfia mlp", "rdfia learn start"):
            done = invoke(*executable(command))
            assert done.returncode == 0, done.stderr
        for part in PARTS:
            (folder / "homework" / f"{part}.py").write_text(solved(part))
        cell = {"cell_type": "code", "source": solved("mlp"), "metadata": {}, "outputs": []}
        notebook = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        (folder / "homework" / "mlp.ipynb").write_text(json.dumps(notebook))
        yield folder


def cut_off(results: Path) -> None:
    """A run that was killed after its epochs, before its record was written."""
    shutil.rmtree(results / "cnn" / "cut", ignore_errors=True)
    shutil.copytree(results / "cnn" / "augment", results / "cnn" / "cut")
    (results / "cnn" / "cut" / "metrics.json").unlink()


@pytest.fixture
def run_documented(workspace, monkeypatch):
    """Run a command as it is documented, but with little training; it ends with 0 and prints something."""

    def run_it(command: str) -> None:
        monkeypatch.chdir(workspace / "class" if "learn grade" in command else workspace)
        arguments = executable(command)
        if arguments == ["resume"]:
            cut_off(workspace / "results")
        stdin = (workspace / command.partition(" < ")[2].strip()).read_text() if " < " in command else None
        done = invoke(*arguments, stdin=stdin)
        assert done.returncode == 0, f"rdfia {' '.join(arguments)}\n{done.stderr[-2000:]}"
        assert done.stdout.strip()

    return run_it
