"""The package from Python: training, loading, looking and predicting."""

import numpy as np
import pytest
from stored_runs import change, store

import rdfia_keras as rdfia
from rdfia_keras.errors import ConfigError, RdfiaError
from rdfia_keras.experiments import REGISTRY
from rdfia_keras.result import Result

pytestmark = pytest.mark.usefixtures("unrendered")


def test_a_trained_run_has_its_history_and_is_found_again(tmp_path, capsys):
    run = rdfia.train("circles", epochs=3, lr=0.03, implementation="manual", out=tmp_path)
    assert run.metrics["status"] == "ok" and run.metrics["epochs"] == 3 and run.settings["lr"] == 0.03
    assert run.history["epoch"].tolist() == [1, 2, 3] and run.history["test_loss"].dtype == float
    assert run.metrics["final"] == run.history["test_accuracy"][-1]
    assert run.metrics["best"] == run.history["test_accuracy"].max()
    again = rdfia.train("circles", epochs=3, lr=0.03, implementation="manual", out=tmp_path)
    assert again.folder == run.folder and len(list((tmp_path / "mlp").glob("[!.]*"))) == 1
    loaded = rdfia.load_run(run.name, out=tmp_path)
    assert loaded.folder == run.folder and repr(loaded).startswith("LoadedRun('mlp/") and "best test" in repr(loaded)
    assert len(run.plot().axes) == 2


def test_each_implementation_has_a_history_of_all_epochs(tmp_path):
    run = rdfia.train("circles", epochs=2, implementation="all", out=tmp_path)
    assert list(run.histories) == ["manual", "tape", "layers", "optimizer"]
    assert [history["epoch"].tolist() for history in run.histories.values()] == [[1, 2]] * 4
    assert len(run.history["test_loss"]) == 2 and len(run.plot().axes) >= 2


def test_commands_answer_from_python(tmp_path):
    rows = rdfia.sweep("circles", grid={"lr": (0.03, 0.2)}, seeds=1, quick=True, out=tmp_path)["rows"]
    assert [row["settings"]["lr"] for row in rows] == [0.03, 0.2]
    assert [row["epochs"] for row in rows] == [20, 20], "as many as were trained"
    names = [row["run"] for row in rdfia.list_runs(tmp_path, section="mlp")]
    assert len(names) == 2
    compared = rdfia.compare(*names, out=tmp_path)
    assert compared["differing"] == ["lr"] and compared["plot"].is_file()
    (path,) = rdfia.figure(7, out=tmp_path)
    assert path == tmp_path / "figures" / "figure-07.png" and path.is_file()


def test_a_reference_run_loads_by_name():
    run = rdfia.load_run("reference/cnn/batch-norm")
    assert run.metrics["published"] == 0.85 and len(run.history["epoch"]) == run.metrics["epochs"]
    assert run.settings["batch_norm"] is True
    with pytest.raises(RdfiaError, match=r"ships without model\.keras"):
        run.predict(np.zeros((1, 32, 32, 3), np.uint8))


def test_kernels_have_no_epochs(tmp_path):
    run = rdfia.train("svm", kernel="linear", C=1.0, out=tmp_path)
    assert run.history == {} and run.metrics["best"] > 0.4
    assert "<img" not in run._repr_html_()
    with pytest.raises(RdfiaError, match="no epochs to plot"):
        run.plot()


def test_a_notebook_shows_a_run_and_no_foreign_tags(tmp_path):
    evil = change(REGISTRY["baseline"], dataset="<script>alert(1)</script>")
    run = rdfia.load_run(store(tmp_path, evil, name="<img src=x>"), out=tmp_path)
    shown = run._repr_html_()
    assert "&lt;script&gt;" in shown and "<script" not in shown and "<img src=x" not in shown
    assert 'src="data:image/png;base64,' in shown


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda out: rdfia.train("augmnt", out=out), "did you mean augment"),
        (lambda out: rdfia.train("augment", epoch=2, out=out), "did you mean epochs"),
        (lambda out: rdfia.train("augment", lr=-1, out=out), "lr"),
        (lambda out: rdfia.train("circles", quick=True, device="tpu", out=out), "device"),
        (lambda out: rdfia.list_runs(out, sectoin="mlp"), "no filter 'sectoin': did you mean section"),
        (lambda out: rdfia.list_runs(out, name="circles"), "choose from section, experiment, status, settings"),
    ],
)
def test_a_wrong_call_is_one_sentence(tmp_path, call, sentence):
    with pytest.raises(ConfigError, match=sentence):
        call(tmp_path)


def test_an_unfinished_run_says_how_to_resume(tmp_path):
    folder = store(tmp_path, REGISTRY["baseline"])
    (folder / "metrics.json").rename(folder / "config.json")
    with pytest.raises(RdfiaError, match="has not ended yet"):
        rdfia.load_run(folder, out=tmp_path)


def test_the_environment_names_the_data_folder_as_for_the_commands(tmp_path, monkeypatch):
    monkeypatch.setenv("RDFIA_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(RdfiaError, match="nowhere does not exist"):
        rdfia.train("kernels", out=tmp_path)


def test_a_run_on_other_data_is_not_used_again(tmp_path):
    store(tmp_path, REGISTRY["kernels"], epochs=1, digest="other data")
    assert rdfia.train("kernels", out=tmp_path).folder.name == "kernels-2"


@pytest.mark.parametrize(
    ("call", "of", "trains"),
    [("sweep", "circles", "run_sweep.run_sweep"), ("figure", "1", "figures.draw_figures")],
)
def test_a_script_does_not_go_on_with_a_part_of_what_was_interrupted(monkeypatch, call, of, trains):
    monkeypatch.setattr(f"rdfia_keras.analysis.{trains}", lambda *_, **__: Result(data={}, exit_code=130))
    with pytest.raises(KeyboardInterrupt, match="the same call resumes it"):
        getattr(rdfia, call)(of)
