"""The report's figures: from your runs, from the reference, or trained when that is asked for."""

import shutil
from pathlib import Path

import pytest
from stored_runs import change, diverged_at_once, no_data, query, store

from rdfia_keras.analysis import figures, tables
from rdfia_keras.analysis.figures import draw_figures
from rdfia_keras.analysis.published import reference_run, wanted_run
from rdfia_keras.config import RunOptions
from rdfia_keras.data import load_vectors
from rdfia_keras.errors import RdfiaError
from rdfia_keras.experiments import FIGURES, REGISTRY
from rdfia_keras.experiments.registry import BASELINE, CIRCLES, LR_1, SVM_KERNELS
from rdfia_keras.training.get_or_train import Resources
from rdfia_keras.web.report import parts
from rdfia_keras.web.report.sources import Sources


@pytest.fixture(scope="module")
def all_stored(tmp_path_factory):
    """A results folder with a record for everything."""
    out = tmp_path_factory.mktemp("results")
    for experiment in REGISTRY.values():
        if experiment is not SVM_KERNELS:
            store(out, experiment, best=experiment.report.published or 0.6)
    Resources(RunOptions(out=out)).train(SVM_KERNELS, RunOptions(out=out))
    return out


@pytest.fixture
def results(all_stored, tmp_path):
    """The same for a test of its own to write into."""
    return shutil.copytree(all_stored, tmp_path / "results")


def draw(key, out, query=wanted_run, load=no_data, train=False):
    """Draw a figure as `rdfia figure` does without options; nothing is loaded or trained unless it is asked for."""
    return draw_figures([key], query, Resources(RunOptions(out=out), load), train)


@pytest.mark.parametrize("key", ["1", "3", "4", "5", "7", "flips"])
def test_every_kind_of_figure_is_drawn_from_your_records_alone(all_stored, key):
    results, drawn = all_stored, draw(key, all_stored)
    (path,) = drawn.paths
    assert drawn.exit_code == 0 and 5000 < path.stat().st_size < 150_000
    assert len(drawn.data["figures"]) == len(FIGURES[key].panels)
    assert all(row["source"].startswith(str(results)) and row["best"] for row in drawn.data["figures"])
    assert path.parent == results / "figures"
    assert path.name == (f"figure-{int(key):02d}.png" if key.isdigit() else f"figure-{key}.png")


@pytest.mark.parametrize("key", FIGURES)
def test_without_runs_every_figure_is_drawn_from_the_reference(tmp_path, unrendered, key):
    if missing := [experiment.name for experiment, _ in FIGURES[key].panels if reference_run(experiment) is None]:
        with pytest.raises(RdfiaError, match=f"no finished run of {missing[0]} with seed 0 .*; add --train"):
            draw(key, tmp_path)
        return
    drawn = draw(key, tmp_path)
    assert drawn.paths[0].exists()
    for row in drawn.data["figures"]:
        assert row["source"] == "the reference" and row["best"] is None and 0.09 < row["reference"] <= 1
    assert [path.name for path in tmp_path.iterdir()] == ["figures"]


def test_a_row_has_yours_beside_the_published_value_and_the_reference(all_stored, unrendered):
    (row,) = draw("12", all_stored).data["figures"]
    assert (row["published"], row["best"], row["experiment"]) == (0.80, pytest.approx(0.80), "augment")
    assert row["reference"] not in (None, row["best"])


def test_the_final_accuracy_that_the_report_gives_stands_beside_ours_of_the_last_epoch():
    run = reference_run(CIRCLES)
    best, last = (100 * milestone["test_accuracy"] for milestone in (run.record.best, run.record.final))
    assert best != last
    panel = figures.Panel("a", CIRCLES, run)
    title = figures.picture(FIGURES["1"], [panel]).get_suptitle()
    assert f"reference {last:.1f} % in the last epoch, published 94.0 %" in " ".join(title.split())
    table = tables.run_table(run.record)
    assert {row["published"] for row in table} == {"around 94 % (last epoch)"}


def test_only_the_figure_that_the_report_numbers_shows_its_number():
    """The 94 % of figure 1 is no number of figure 3, which shows the same experiment."""
    panels = [figures.Panel(label, one, reference_run(one)) for one, label in FIGURES["3"].panels]
    drawn = figures.picture(FIGURES["3"], panels)
    titles = [" ".join(axes.get_title().split()) for axes in drawn.axes]
    assert any("best test 96.0 %" in title for title in titles) and not any("published" in title for title in titles)


def test_a_figure_is_on_one_data_set_and_says_what_it_leaves_out(tmp_path, capsys, unrendered):
    """A stray run on drawn circles is not drawn between two of the reference; alone it is, with its data named."""
    drawn = Resources(RunOptions(out=tmp_path)).prepared(CIRCLES.config).digest
    folder = store(tmp_path, change(CIRCLES, implementation="all"), best=0.9, digest=drawn)
    assert {row["source"] for row in draw("3", tmp_path).data["figures"]} == {"the reference"}
    assert f"circles: from the reference results of this package; left out, for it is on other data: {folder}" in (
        capsys.readouterr().err
    )
    (row,) = draw("1", tmp_path).data["figures"]
    assert (row["source"], row["data"]) == (str(folder), "on other data than the reference's")
    assert parts.report_figures(Sources(tmp_path))[2]["panels"][1]["source"] == "reference"
    store(tmp_path, CIRCLES, name="same", best=0.8, digest=reference_run(CIRCLES).data_digest)
    assert draw("1", tmp_path).data["figures"][0]["source"] == str(tmp_path / "mlp" / "same")
    assert Sources(tmp_path).statistics(CIRCLES)["best"].n == 1


def test_with_a_data_folder_only_runs_on_its_data_are_drawn(tmp_path, unrendered):
    """Without one any of yours is; where there is none on those data, the reference stands."""
    data = load_vectors("circles")
    options = RunOptions(out=tmp_path, data_dir=tmp_path)
    store(tmp_path, change(CIRCLES, implementation="all"), best=0.9, digest="others")
    resources = Resources(options, lambda _config: data)
    (row,) = draw_figures(["1"], wanted_run, resources, False).data["figures"]
    assert row["source"] == "the reference"
    mine = store(
        tmp_path, change(CIRCLES, implementation="all"), name="mine", digest=resources.prepared(CIRCLES.config).digest
    )
    (row,) = draw_figures(["1"], wanted_run, resources, False).data["figures"]
    assert row["source"] == str(mine)


def test_a_run_that_is_nowhere_is_an_error_that_names_train(tmp_path):
    with pytest.raises(RdfiaError, match=r"baseline with seed 5 and 30 epochs or more; add --train"):
        draw("7", tmp_path, lambda experiment: query(change(experiment, seed=5)))
    with pytest.raises(RdfiaError, match=r"in mixed_float16; add --train"):
        draw("7", tmp_path, lambda experiment: wanted_run(experiment, precision="mixed_float16"))


def test_a_killed_svm_run_is_made_again(results, unrendered):
    circles = load_vectors("circles")
    (results / "svm" / "kernels" / "metrics.json").unlink()
    drawn = draw("5", results, load=lambda config: circles, train=True)
    source = Path(drawn.data["figures"][0]["source"])
    assert drawn.paths[0].exists() and source.is_relative_to(results) and (source / "metrics.json").exists()


def test_a_missing_history_names_the_file(tmp_path):
    (store(tmp_path, BASELINE) / "history.csv").unlink()
    with pytest.raises(RdfiaError, match=r"baseline/history\.csv"):
        draw("7", tmp_path)


def test_a_diverged_run_has_its_figure(tmp_path, unrendered):
    store(tmp_path, LR_1, status="failed", epochs=3)
    drawn = draw("10", tmp_path)
    assert drawn.paths[0].exists() and drawn.data["figures"][0]["source"] == str(tmp_path / "cnn" / "lr-1")


def test_a_run_that_diverged_at_once_has_a_figure_and_a_row(tmp_path, unrendered):
    folder = diverged_at_once(tmp_path, BASELINE)
    drawn = draw("7", tmp_path)
    assert drawn.paths[0].exists()
    assert (drawn.data["figures"][0]["best"], drawn.data["figures"][0]["source"]) == (None, str(folder))


@pytest.mark.parametrize("content", [b"", b"PK", b"x" * 100])
def test_a_damaged_panels_file_is_named(results, content):
    (results / "svm" / "kernels" / "panels.npz").write_bytes(content)
    with pytest.raises(RdfiaError, match=r"panels\.npz"):
        draw("4", results)
