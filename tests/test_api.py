"""The package from Python: training, loading, looking and predicting; and the tutorial, cell by cell."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from stored_runs import change, store

import rdfia_keras as rdfia
from rdfia_keras.errors import ConfigError, RdfiaError
from rdfia_keras.experiments import REGISTRY

ROOT = Path(__file__).resolve().parents[1]
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


def test_importing_the_package_loads_nothing_heavy():
    code = "import sys, rdfia_keras; print(sorted({'numpy', 'keras', 'tensorflow', 'typer'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert {"train", "load_run", "Run"} <= set(dir(rdfia))


def test_a_trained_run_has_its_history_and_is_found_again(tmp_path, capsys):
    run = rdfia.train("circles", epochs=3, lr=0.03, implementation="manual", out=tmp_path)
    assert run.metrics["status"] == "ok" and run.metrics["epochs"] == 3 and run.settings["lr"] == 0.03
    assert run.history["epoch"].tolist() == [1, 2, 3] and run.history["test_loss"].dtype == float
    assert run.metrics["final"] == run.history["test_accuracy"][-1]
    assert run.metrics["best"] == run.history["test_accuracy"].max()
    again = rdfia.train("circles", epochs=3, lr=0.03, implementation="manual", out=tmp_path)
    assert again.folder == run.folder and len(list((tmp_path / "mlp").glob("[!.]*"))) == 1
    loaded = rdfia.load_run(run.name, out=tmp_path)
    assert loaded.folder == run.folder and repr(loaded).startswith("Run('mlp/") and "best test" in repr(loaded)
    assert len(run.plot().axes) == 2


def test_a_reference_run_loads_by_name():
    run = rdfia.load_run("reference/cnn/batch-norm")
    assert run.metrics["published"] == 0.85 and len(run.history["epoch"]) == run.metrics["epochs"]
    assert run.settings["batch_norm"] is True
    with pytest.raises(RdfiaError, match="come without weights"):
        run.predict(np.zeros((1, 32, 32, 3), np.uint8))


def test_a_machine_has_no_epochs(tmp_path):
    run = rdfia.train("svm", kernel="linear", C=1.0, out=tmp_path)
    assert run.history == {} and run.metrics["best"] > 0.4
    assert "<img" not in run._repr_html_()
    with pytest.raises(RdfiaError, match="no epochs to plot"):
        run.plot()


def test_a_network_of_the_tutorial_predicts_probabilities(tutorial):
    run = rdfia.load_run("cnn/digits-lenet", out=tutorial)
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3)).astype(np.uint8)
    probabilities = run.predict(images)
    assert probabilities.shape == (3, 10) and probabilities.sum(axis=1) == pytest.approx(1)
    assert run.predict(images, best=True).shape == (3, 10)
    for wrong in (images[:, :28], images / 255):
        with pytest.raises(RdfiaError, match=r"takes uint8 \(N, 32, 32, 3\)"):
            run.predict(wrong)


def test_a_notebook_shows_a_run_and_no_foreign_tags(tmp_path):
    evil = change(REGISTRY["baseline"], dataset="<script>alert(1)</script>")
    run = rdfia.load_run(store(tmp_path, evil, name="<img src=x>"), out=tmp_path)
    shown = run._repr_html_()
    assert "&lt;script&gt;" in shown and "<script" not in shown and "<img src=x" not in shown
    assert 'src="data:image/png;base64,' in shown


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda out: rdfia.train("augmnt", out=out), "did you mean augment"),
        (lambda out: rdfia.train("augment", epoch=2, out=out), "did you mean epochs"),
        (lambda out: rdfia.train("augment", lr=-1, out=out), "lr"),
        (lambda out: rdfia.train("circles", quick=True, device="tpu", out=out), "device"),
    ],
)
def test_a_wrong_call_is_one_sentence(tmp_path, call, said):
    with pytest.raises(ConfigError, match=said):
        call(tmp_path)


def test_an_unfinished_run_says_how_to_resume(tmp_path):
    folder = store(tmp_path, REGISTRY["baseline"])
    (folder / "metrics.json").rename(folder / "config.json")
    with pytest.raises(RdfiaError, match="has not ended yet"):
        rdfia.load_run(folder, out=tmp_path)
