"""Runs that are kept, gone on with or begun; the ladder and the report's figures made from them."""

import json
import shutil
from dataclasses import asdict, replace

import numpy as np
import pytest

from rdfia_keras import records
from rdfia_keras.data import load_vectors
from rdfia_keras.errors import RdfiaError
from rdfia_keras.experiments import (
    BASELINE,
    BATCH_1,
    BATCH_NORM,
    CIRCLES,
    FIGURES,
    LADDER,
    LR_1,
    NORMALIZE,
    REGISTRY,
    SVM_KERNELS,
    CnnExperiment,
    SvmExperiment,
)
from rdfia_keras.sections import Options, figures, improve, kept, svm
from rdfia_keras.sections import mlp as mlp_section


def wanted(experiment, quick=False, precision=None, seed=0):
    return kept.Wanted(seed, getattr(experiment, "epochs", 0), precision, quick)


def no_data(*names):
    raise AssertionError(f"a kept run must not load {names}")


def history(epochs: int, best: float) -> list[dict]:
    """Curves that rise to `best` in the last epoch but one."""
    rows = []
    for epoch in range(1, epochs + 1):
        accuracy = best - 0.01 * abs(epochs - 1 - epoch)
        rows.append(
            {
                "epoch": epoch,
                "lr": 0.1,
                "train_loss": 2 / epoch,
                "train_accuracy": min(1, accuracy + 0.1),
                "test_loss": 2.5 / epoch,
                "test_accuracy": max(0, accuracy),
                "seconds": 1.0,
            }
        )
    return rows


def keep(out, experiment, best=0.7, status="ok", quick=False, name=None, epochs=None) -> None:
    """A record as a repository has it: without `config.json`, checkpoint and model."""
    folder = out / experiment.section / (name or experiment.name)
    folder.mkdir(parents=True)
    rows, extra = history(epochs or experiment.epochs, best), {}
    if experiment.section == "mlp":
        names = ("manual", "tape", "layers", "optimizer") if experiment is CIRCLES else ("manual",)
        extra["implementations"] = dict.fromkeys(names)
        rows = [{"implementation": implementation, **row} for implementation in names for row in rows]
    (folder / "history.csv").write_bytes(records.history_bytes(rows, tuple(rows[0])))
    record = records.metrics(
        status,
        experiment.section,
        asdict(experiment),
        quick=quick,
        dataset={"name": experiment.dataset},
        best=records.milestone(records.best_row(rows)),
        final=records.milestone(rows[-1]),
        epochs=len(rows),
        seconds=1.0,
        **extra,
    )
    (folder / "metrics.json").write_text(records.to_json(record))


def settings_of(found) -> tuple:
    return found and (found.experiment.name, found.epochs, found.folder.name)


def test_a_kept_run_is_found_by_its_settings_whatever_its_folder(tmp_path):
    keep(tmp_path, BASELINE, name="moved-elsewhere")
    assert settings_of(kept.find(tmp_path, BASELINE, wanted(BASELINE))) == ("baseline", 30, "moved-elsewhere")
    assert kept.find(tmp_path, NORMALIZE, wanted(NORMALIZE)) is None


@pytest.mark.parametrize(
    ("change", "looked_for"),
    [
        ({"seed": 1}, {}),
        ({"epochs": 29}, {}),
        ({"precision": "mixed_bfloat16"}, {"precision": "float32"}),
        ({"lr": 0.2}, {}),
    ],
)
def test_a_run_with_other_settings_is_not_taken(tmp_path, change, looked_for):
    keep(tmp_path, replace(BASELINE, **change))
    assert kept.find(tmp_path, BASELINE, wanted(BASELINE, **looked_for)) is None


def test_quick_and_real_runs_do_not_stand_for_each_other(tmp_path):
    keep(tmp_path, BASELINE, quick=True, epochs=2)
    assert kept.find(tmp_path, BASELINE, wanted(BASELINE)) is None
    assert kept.find(tmp_path, BASELINE, wanted(BASELINE, quick=True)).epochs == 2


def test_the_longest_of_several_runs_and_any_precision_unless_one_is_asked_for(tmp_path):
    keep(tmp_path, BASELINE)
    keep(tmp_path, replace(BASELINE, precision="mixed_bfloat16", epochs=40), name="longer")
    assert kept.find(tmp_path, BASELINE, wanted(BASELINE)).folder.name == "longer"
    assert kept.find(tmp_path, BASELINE, wanted(BASELINE, precision="float32")).folder.name == "baseline"


def test_a_diverged_run_is_kept_and_an_interrupted_one_is_not(tmp_path):
    keep(tmp_path, LR_1, status="failed", epochs=3)
    keep(tmp_path, BASELINE, status="interrupted", epochs=3)
    assert kept.find(tmp_path, LR_1, wanted(LR_1)).record["status"] == "failed"
    assert kept.find(tmp_path, BASELINE, wanted(BASELINE)) is None


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"section": "cnn"}', b'{"section": "x", "settings": {}}', b"\xff"]
)
def test_a_damaged_record_is_passed_over(tmp_path, content):
    keep(tmp_path, BASELINE)
    (tmp_path / "cnn" / "other").mkdir()
    (tmp_path / "cnn" / "other" / "metrics.json").write_bytes(content)
    assert kept.find(tmp_path, BASELINE, wanted(BASELINE)).folder.name == "baseline"


@pytest.mark.parametrize("experiment", REGISTRY.values(), ids=lambda e: e.name)
def test_experiments_come_back_from_json(experiment):
    again = kept.experiment_of(experiment.section, json.loads(records.to_json(asdict(experiment))))
    assert again == experiment and isinstance(again, type(experiment))


def small(experiment: CnnExperiment, **changes) -> CnnExperiment:
    return replace(experiment, batch_size=16, epochs=1, lr=0.01, **changes)


def test_improve_trains_what_is_missing_and_keeps_what_is_there(tmp_path, tiny_images, monkeypatch):
    rungs = (small(BASELINE), small(NORMALIZE), small(BATCH_NORM))
    options = Options(tmp_path)
    first = improve.run(rungs, "ladder", wanted, options, lambda name: tiny_images)
    assert [row["experiment"] for row in first.rows] == ["baseline", "normalize", "batch-norm"]
    assert first.exit_code == 0 and (tmp_path / "improve" / "ladder.png").stat().st_size > 5000
    assert json.loads((tmp_path / "improve" / "ladder.json").read_text())["rows"][0]["best"] == first.rows[0]["best"]
    again = improve.run(rungs, "ladder", wanted, options, no_data)
    assert again.rows == first.rows
    shutil.rmtree(tmp_path / "cnn" / "normalize")
    loaded = []
    third = improve.run(rungs, "ladder", wanted, options, lambda name: loaded.append(name) or tiny_images)
    assert len(loaded) == 1 and [row["best"] for row in third.rows] == [row["best"] for row in first.rows]


def test_improve_goes_on_with_a_run_that_was_killed(tmp_path, tiny_images):
    """A killed run has a checkpoint and no record: only the epochs that it lacks are trained."""
    whole = replace(small(BATCH_NORM), epochs=3)
    improve.run((whole,), "one", wanted, Options(tmp_path / "whole"), lambda name: tiny_images)
    improve.run((replace(whole, epochs=2),), "one", wanted, Options(tmp_path / "cut"), lambda name: tiny_images)
    folder = tmp_path / "cut" / "cnn" / "batch-norm"
    (folder / "metrics.json").unlink()
    before = (folder / "history.csv").read_text().splitlines()
    improve.run((whole,), "one", wanted, Options(tmp_path / "cut"), lambda name: tiny_images)
    after = (folder / "history.csv").read_text().splitlines()
    assert after[:3] == before and len(after) == 4
    digests = [
        json.loads((tmp_path / name / "cnn" / "batch-norm" / "metrics.json").read_text())["weights_digest"]
        for name in ("whole", "cut")
    ]
    assert digests[0] == digests[1]
    assert [path.name for path in (tmp_path / "cut" / "cnn").iterdir()] == ["batch-norm"]


def test_improve_uses_the_folder_of_a_run_that_ended_before_its_first_epoch(tmp_path, tiny_images):
    improve.run((small(BASELINE),), "one", wanted, Options(tmp_path), lambda name: tiny_images)
    folder = tmp_path / "cnn" / "baseline"
    shutil.rmtree(folder / "checkpoints")
    for name in ("metrics.json", "history.csv"):
        (folder / name).unlink()
    improve.run((small(BASELINE),), "one", wanted, Options(tmp_path), lambda name: tiny_images)
    assert [path.name for path in (tmp_path / "cnn").iterdir()] == ["baseline"] and (folder / "metrics.json").exists()


def test_improve_refuses_to_go_on_with_other_data(tmp_path, tiny_images):
    improve.run((small(BASELINE),), "one", wanted, Options(tmp_path), lambda name: tiny_images)
    (tmp_path / "cnn" / "baseline" / "metrics.json").unlink()
    with pytest.raises(RdfiaError, match="another one now"):
        improve.run((small(BASELINE),), "one", wanted, Options(tmp_path), lambda name: tiny_images.take(10))


def test_overwrite_trains_again_and_deletes_no_other_run(tmp_path, tiny_images):
    load = lambda name: tiny_images  # noqa: E731
    rung = small(BASELINE)
    improve.run((rung,), "one", wanted, Options(tmp_path), load)
    keep(tmp_path, replace(rung, seed=1), name="other-seed")
    with pytest.raises(AssertionError, match="must not load"):
        improve.run((rung,), "one", wanted, Options(tmp_path, overwrite=True), no_data)
    assert [path.name for path in (tmp_path / "cnn").iterdir()] == ["other-seed"]
    keep(tmp_path, replace(rung, seed=2), name="baseline")
    improve.run((rung,), "one", lambda e: wanted(e, quick=True), Options(tmp_path, overwrite=True, quick=True), load)
    assert {path.name for path in (tmp_path / "cnn").iterdir()} == {"other-seed", "baseline", "baseline-2"}


def test_a_clones_record_can_be_overwritten(tmp_path):
    keep(tmp_path, BASELINE)
    records.Run.create(tmp_path, "cnn", "baseline", {"experiment": {"name": "x"}}, overwrite=True)
    assert not (tmp_path / "cnn" / "baseline" / "metrics.json").exists()


def test_a_taste_leaves_the_pictures_of_real_runs_alone(tmp_path, tiny_images):
    rung = small(BASELINE)
    improve.run((rung,), "ladder", wanted, Options(tmp_path), lambda name: tiny_images)
    before = (tmp_path / "improve" / "ladder.png").read_bytes()
    options = Options(tmp_path, quick=True)
    improve.run((rung,), "ladder", lambda e: wanted(e, quick=True), options, lambda name: tiny_images)
    assert (tmp_path / "improve" / "ladder.png").read_bytes() == before
    assert (tmp_path / "improve" / "ladder-quick.png").exists()


def test_a_record_that_is_too_short_and_has_no_checkpoint_is_left_alone(tmp_path, tiny_images):
    keep(tmp_path, replace(small(BASELINE), epochs=2))
    longer = replace(small(BASELINE), epochs=3)
    improve.run((longer,), "one", wanted, Options(tmp_path), lambda name: tiny_images)
    assert sorted(path.name for path in (tmp_path / "cnn").iterdir()) == ["baseline", "baseline-2"]


def test_the_comparison_has_the_experiment_below_over_as_many_epochs(tmp_path):
    keep(tmp_path, BASELINE, best=0.7)
    keep(tmp_path, replace(NORMALIZE, epochs=30), best=0.75)
    row = improve.compare(kept.find(tmp_path, NORMALIZE, wanted(NORMALIZE)), tmp_path, wanted)
    assert (row["best"], row["base_best"], row["published"]) == (pytest.approx(0.75), pytest.approx(0.7), 0.758)


def test_other_images_have_nothing_published():
    moved = [improve.on_dataset(rung, "digits") for rung in LADDER]
    assert all(e.published is None and e.base is None and e.dataset == "digits" for e in moved)
    assert len({e.name for e in moved}) == len(LADDER)
    assert improve.on_dataset(BASELINE, "cifar10") is BASELINE


@pytest.fixture(scope="module")
def all_kept(tmp_path_factory):
    """A results folder with a record for everything, as the repository has it."""
    out = tmp_path_factory.mktemp("results")
    for experiment in REGISTRY.values():
        if not isinstance(experiment, SvmExperiment):
            keep(out, experiment, best=experiment.published or 0.6)
    svm.run(SVM_KERNELS, load_vectors("circles"), Options(out))
    return out


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_drawn_from_kept_records_alone(all_kept, name):
    drawn = figures.make(FIGURES[name], wanted, Options(all_kept), no_data)
    assert drawn.exit_code == 0 and 5000 < drawn.path.stat().st_size < 150_000
    assert len(drawn.rows) == len(FIGURES[name].panels)
    if name.isdigit():
        assert drawn.path.name == f"figure-{int(name):02d}.png"


def test_a_figures_rows_have_ours_beside_the_published_value(all_kept):
    (row,) = figures.make(FIGURES["12"], wanted, Options(all_kept), no_data).rows
    assert (row["published"], row["best"], row["experiment"]) == (0.80, pytest.approx(0.80), "augment")


def test_a_figure_is_drawn_again_byte_by_byte(all_kept):
    pictures = [figures.make(FIGURES["7"], wanted, Options(all_kept), no_data).path.read_bytes() for _ in range(2)]
    assert pictures[0] == pictures[1]


def test_a_figure_without_records_trains_what_it_needs(tmp_path):
    circles = load_vectors("circles")
    drawn = figures.make(
        replace(FIGURES["3"], panels=FIGURES["3"].panels[:1]),
        lambda e: wanted(e, quick=True),
        Options(tmp_path, quick=True),
        lambda section, name: circles,
    )
    assert drawn.path.exists() and drawn.rows[0]["best"] > 0.4
    assert json.loads((tmp_path / "mlp" / BATCH_1.name / "metrics.json").read_text())["quick"] is True


def test_a_killed_svm_run_is_made_again(tmp_path):
    circles = load_vectors("circles")
    svm.run(SVM_KERNELS, circles, Options(tmp_path))
    (tmp_path / "svm" / "kernels" / "metrics.json").unlink()
    assert figures.make(FIGURES["5"], wanted, Options(tmp_path), lambda section, name: circles).path.exists()


def test_a_missing_history_names_the_file(tmp_path):
    keep(tmp_path, BASELINE)
    (tmp_path / "cnn" / "baseline" / "history.csv").unlink()
    with pytest.raises(RdfiaError, match=r"history\.csv"):
        figures.make(FIGURES["7"], wanted, Options(tmp_path), no_data)


def test_a_diverged_run_has_its_figure(tmp_path):
    keep(tmp_path, LR_1, status="failed", epochs=3)
    assert figures.make(FIGURES["10"], wanted, Options(tmp_path), no_data).path.exists()


def test_a_run_that_diverged_at_once_has_a_figure_and_a_row(tmp_path):
    keep(tmp_path, BASELINE, status="failed", epochs=1)
    folder = tmp_path / "cnn" / "baseline"
    (folder / "history.csv").write_bytes(records.history_bytes([]))
    record = json.loads((folder / "metrics.json").read_text()) | {"best": None, "final": None}
    (folder / "metrics.json").write_text(records.to_json(record))
    assert figures.make(FIGURES["7"], wanted, Options(tmp_path), no_data).path.exists()
    keep(tmp_path, NORMALIZE)
    row = improve.compare(kept.find(tmp_path, NORMALIZE, wanted(NORMALIZE)), tmp_path, wanted)
    assert row["base_best"] is None


def test_a_divergence_in_one_number_format_says_nothing_of_another(tmp_path):
    keep(tmp_path, replace(BASELINE, precision="mixed_float16"), status="failed", epochs=3)
    assert kept.find(tmp_path, BASELINE, wanted(BASELINE)) is None
    keep(tmp_path, BASELINE, name="whole")
    assert kept.find(tmp_path, BASELINE, wanted(BASELINE)).folder.name == "whole"


def test_figure_1_needs_all_four_implementations(tmp_path):
    circles = load_vectors("circles")
    short = replace(CIRCLES, epochs=2)
    mlp_section.run(short, ("manual",), circles, Options(tmp_path))
    drawn = figures.make(
        FIGURES["1"], lambda e: replace(wanted(e), epochs=2), Options(tmp_path), lambda section, name: circles
    )
    assert json.loads((tmp_path / "mlp" / "circles-2" / "metrics.json").read_text())["implementations"].keys() == {
        *("manual", "tape", "layers", "optimizer")
    }
    assert drawn.path.exists()


def test_a_damaged_panels_file_is_named(all_kept, tmp_path):
    shutil.copytree(all_kept / "svm", tmp_path / "svm")
    for content in (b"", b"PK", b"x" * 100):
        (tmp_path / "svm" / "kernels" / "panels.npz").write_bytes(content)
        with pytest.raises(RdfiaError, match=r"panels\.npz"):
            figures.make(FIGURES["4"], wanted, Options(tmp_path), no_data)


def test_a_record_has_no_path_of_the_machine(tmp_path):
    result = mlp_section.run(replace(CIRCLES, epochs=2), ("manual",), load_vectors("circles"), Options(tmp_path))
    text = (result.folder / "metrics.json").read_text()
    assert str(tmp_path) not in text and "/" not in json.loads(text)["dataset"].get("source", "")
    assert np.isfinite(json.loads(text)["seconds"])
