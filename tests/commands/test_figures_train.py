"""Figures that train the runs that they lack."""

import json
from functools import partial

from stored_runs import change, store

from rdfia_keras.analysis.figures import draw_figures
from rdfia_keras.analysis.published import wanted_run
from rdfia_keras.config import RunOptions
from rdfia_keras.experiments.registry import CIRCLES
from rdfia_keras.runs.run import Run
from rdfia_keras.training.get_or_train import Resources


def record_of(folder):
    return json.loads((folder / "metrics.json").read_text())


def test_a_smoke_test_trains_what_it_needs_and_then_draws_from_its_record(rdfia_here, tmp_path):
    refused = rdfia_here("figure", "2", "--quick")
    assert refused.returncode == 1 and "no smoke test of lr-2" in refused.stderr and "--train" in refused.stderr
    done = rdfia_here("figure", "2", "--quick", "--train")
    lines, picture = done.stdout.splitlines(), tmp_path / "results" / "figures" / "figure-02-quick.png"
    assert done.returncode == 0 and lines[0].startswith("QUICK") and lines[-1] == str(picture.relative_to(tmp_path))
    assert record_of(tmp_path / "results" / "mlp" / "lr-2")["quick"] is True
    before = picture.read_bytes()
    again = rdfia_here("figure", "2", "--quick")
    assert again.returncode == 0 and "lr-2: from results/mlp/lr-2" in again.stderr
    assert picture.read_bytes() == before


def test_train_makes_what_is_missing_instead_of_showing_the_reference(tmp_path):
    """Figure 1 needs all four implementations; the reference, and a run of one, are there."""
    resources = Resources(RunOptions(out=tmp_path))
    short = change(CIRCLES, epochs=2, implementation="manual")
    store(tmp_path, short, digest=resources.prepared(short.config).digest)
    result = draw_figures(["1"], partial(wanted_run, epochs=2), resources, train=True)
    record = record_of(tmp_path / "mlp" / "circles-2")
    assert record["details"]["implementations"].keys() == {"manual", "tape", "layers", "optimizer"}
    assert (record["epochs"], record["quick"]) == (2, False)
    (row,) = result.data["figures"]
    assert row["source"] == str(tmp_path / "mlp" / "circles-2") and row["best"] is not None
    assert result.paths[0].exists()


def test_an_interrupted_figure_says_how_to_go_on(tmp_path, monkeypatch):
    run = Run(store(tmp_path, change(CIRCLES, epochs=1), status="interrupted"))
    run.exit_code = 130
    monkeypatch.setattr(Resources, "train", lambda *args, **kwargs: run)
    result = draw_figures(["2"], wanted_run, Resources(RunOptions(out=tmp_path)), train=True)
    assert (result.exit_code, result.paths, result.hint) == (130, [], "interrupted; the same command resumes from here")


def test_svm_figures_need_no_tensorflow_and_no_retraining(rdfia, rdfia_here, tmp_path):
    # Keras would refuse such a back end.
    assert rdfia("figure", "4", "5", "--train", env={"KERAS_BACKEND": "none"}).returncode == 0
    done = rdfia_here("figure", "4", "5", "--json")
    assert "from results/svm/kernels" in done.stderr
    rows = json.loads(done.stdout)["figures"]
    assert [row["figure"] for row in rows] == ["Figure 4", "Figure 5"] and rows[0]["best"] > 0.9
    assert [path.name for path in (tmp_path / "results" / "svm").iterdir() if path.is_dir()] == ["kernels"]
