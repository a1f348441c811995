"""The tutorial, cell by cell, and what is left of it."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from documented import ROOT

import rdfia_keras as rdfia
from rdfia_keras.errors import RdfiaError

TUTORIAL = ROOT / "docs" / "tutorial.ipynb"


def plain_python(cell: str) -> str:
    """A cell whose shell commands run in a process of their own, and fail loudly."""
    call = r"import subprocess, sys; subprocess.run([sys.executable, '-m', 'rdfia_keras', *'\1'.split()], check=True)"
    return re.sub(r"^!rdfia (.*)$", call, cell, flags=re.MULTILINE)


@pytest.fixture(scope="module")
def tutorial(tmp_path_factory) -> Path:
    """The results of the tutorial's cells, run in one process and in order, as a notebook runs them."""
    folder = tmp_path_factory.mktemp("tutorial")
    notebook = json.loads(TUTORIAL.read_text(encoding="utf-8"))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert len(cells) >= 8 and all(cell["outputs"] == [] for cell in cells)
    script = "\n".join(plain_python("".join(cell["source"])) for cell in cells)
    done = subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / "results"


def test_a_network_of_the_tutorial_predicts_probabilities(tutorial):
    run = rdfia.load_run("cnn/digits-lenet", out=tutorial)
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3)).astype(np.uint8)
    probabilities = run.predict(images)
    assert probabilities.shape == (3, 10) and probabilities.sum(axis=1) == pytest.approx(1)
    assert run.predict(images, best=True).shape == (3, 10)
    for wrong in (images[:, :28], images / 255):
        with pytest.raises(RdfiaError, match=r"takes uint8 \(N, 32, 32, 3\)"):
            run.predict(wrong)
