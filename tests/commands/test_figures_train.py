"""Figures that train the runs that they lack."""

import json
from dataclasses import replace

from stored_runs import change, query, store

from rdfia_keras.config import RunOptions
from rdfia_keras.data import load_vectors
from rdfia_keras.experiments import FIGURES
from rdfia_keras.experiments.registry import BATCH_1, CIRCLES
from rdfia_keras.sections import figure


def draw(key, out, asked, **options):
    return figure.run([FIGURES[key]], asked, RunOptions(out=out), **options)


def test_a_smoke_test_trains_what_it_needs(tmp_path):
    circles = load_vectors("circles")
    drawn = figure.run(
        [replace(FIGURES["3"], panels=FIGURES["3"].panels[:1])],
        lambda experiment: query(experiment, quick=True),
        RunOptions(out=tmp_path, quick=True),
        load=lambda config: circles,
    )
    assert drawn.quick and drawn.paths[0].name == "figure-03-quick.png" and drawn.paths[0].exists()
    assert drawn.data["figures"][0]["best"] > 0.4
    assert json.loads((tmp_path / "mlp" / BATCH_1.name / "metrics.json").read_text())["quick"] is True


def test_train_makes_what_is_missing_instead_of_showing_the_reference(tmp_path):
    circles = load_vectors("circles")
    short = lambda experiment: query(change(experiment, epochs=2, implementation="manual"))  # noqa: E731
    (row,) = draw("2", tmp_path, short, train=True, load=lambda config: circles).data["figures"]
    assert row["source"] == str(tmp_path / "mlp" / "lr-2") and row["best"] is not None
    record = json.loads((tmp_path / "mlp" / "lr-2" / "metrics.json").read_text())
    assert (record["epochs"], record["quick"]) == (2, False)


def test_figure_1_needs_all_four_implementations(tmp_path):
    circles = load_vectors("circles")
    store(tmp_path, change(CIRCLES, epochs=2, implementation="manual"))
    short = lambda experiment: query(change(experiment, epochs=2))  # noqa: E731
    drawn = draw("1", tmp_path, short, train=True, load=lambda config: circles)
    record = json.loads((tmp_path / "mlp" / "circles-2" / "metrics.json").read_text())
    assert record["details"]["implementations"].keys() == {"manual", "tape", "layers", "optimizer"}
    assert drawn.paths[0].exists()
