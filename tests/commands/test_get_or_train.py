"""Which finished run stands for an experiment, which is resumed, and which is trained anew."""

import json
import shutil

import pytest
from rdfia_keras.sections.get_or_train import get_or_train, query_of
from stored_runs import change, no_data, query, store

from rdfia_keras.config import CONFIGS, RunOptions
from rdfia_keras.errors import RdfiaError
from rdfia_keras.experiments import REGISTRY
from rdfia_keras.experiments.registry import BASELINE, BATCH_NORM, CIRCLES, LR_1, NORMALIZE
from rdfia_keras.runs.files import to_json
from rdfia_keras.runs.run import Run
from rdfia_keras.runs.store import Query, RunStore


def find(root, asked: Query):
    return RunStore(root).find_finished(asked)


def small(experiment, **settings):
    """With the network that is trained fastest."""
    return change(experiment, **{"network": "dense", "batch_size": 16, "epochs": 1, "lr": 0.01, **settings})


# --- what is found ----------------------------------------------------------------------------------------------------


def test_a_run_is_found_by_its_settings_whatever_its_folder(tmp_path):
    store(tmp_path, BASELINE, name="moved-elsewhere")
    found = find(tmp_path, query(BASELINE))
    assert (found.record.experiment, found.record.epochs, found.folder.name) == ("baseline", 30, "moved-elsewhere")
    assert found.config == BASELINE.config
    assert find(tmp_path, query(NORMALIZE)) is None


@pytest.mark.parametrize(
    ("settings", "precision"),
    [
        ({"seed": 1}, None),
        ({"epochs": 29}, None),
        ({"precision": "mixed_bfloat16"}, "float32"),
        ({"lr": 0.2}, None),
    ],
)
def test_a_run_with_other_settings_is_not_taken(tmp_path, settings, precision):
    store(tmp_path, change(BASELINE, **settings))
    assert find(tmp_path, query(BASELINE, precision=precision)) is None


def test_smoke_tests_and_real_runs_do_not_stand_for_each_other(tmp_path):
    store(tmp_path, BASELINE, quick=True, epochs=2)
    assert find(tmp_path, query(BASELINE)) is None
    assert find(tmp_path, query(BASELINE, quick=True)).record.epochs == 2


def test_the_longest_of_several_runs_and_any_precision_unless_one_is_asked_for(tmp_path):
    store(tmp_path, BASELINE)
    store(tmp_path, change(BASELINE, precision="mixed_bfloat16", epochs=40), name="longer")
    assert find(tmp_path, query(BASELINE)).folder.name == "longer"
    assert find(tmp_path, query(BASELINE, precision="float32")).folder.name == "baseline"


def test_a_diverged_run_is_taken_and_an_interrupted_one_is_not(tmp_path):
    store(tmp_path, LR_1, status="failed", epochs=3)
    store(tmp_path, BASELINE, status="interrupted", epochs=3)
    assert find(tmp_path, query(LR_1)).record.status == "failed"
    assert find(tmp_path, query(BASELINE)) is None


def test_a_divergence_in_one_precision_says_nothing_of_another(tmp_path):
    store(tmp_path, change(BASELINE, precision="mixed_float16"), status="failed", epochs=3)
    assert find(tmp_path, query(BASELINE)) is None
    store(tmp_path, BASELINE, name="whole")
    assert find(tmp_path, query(BASELINE)).folder.name == "whole"


def test_a_run_of_one_implementation_does_not_stand_for_all_four_but_the_other_way_round(tmp_path):
    store(tmp_path, change(CIRCLES, implementation="manual"))
    assert find(tmp_path, query(CIRCLES)) is None
    store(tmp_path, CIRCLES, name="all")
    assert find(tmp_path, query(CIRCLES)).folder.name == "all"
    shutil.rmtree(tmp_path / "mlp" / "circles")
    assert find(tmp_path, query(change(CIRCLES, implementation="tape"))).folder.name == "all"


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b"[]", b"\xff", b'{"section": "cnn"}'),
        *(b'{"section": "x", "settings": {}}', b'{"schema": 1, "section": "x", "settings": {}}'),
        *(b'{"schema": 2, "section": "cnn", "config": {}}', b'{"schema": 2, "section": "cnn", "config": {"lr": -1}}'),
    ],
)
def test_a_damaged_record_is_passed_over(tmp_path, content):
    store(tmp_path, BASELINE)
    (tmp_path / "cnn" / "other").mkdir()
    (tmp_path / "cnn" / "other" / "metrics.json").write_bytes(content)
    assert find(tmp_path, query(BASELINE)).folder.name == "baseline"


@pytest.mark.parametrize("experiment", REGISTRY.values(), ids=lambda e: e.name)
def test_configs_come_back_from_json(experiment):
    config = experiment.config
    again = CONFIGS[experiment.section].from_dict(json.loads(to_json(config.to_dict())))
    assert again == config and isinstance(again, type(config))


def test_a_query_asks_for_the_experiments_own_epochs_and_all_implementations_only_for_figure_1():
    assert query_of(BATCH_NORM, 3, None, "float32", False) == Query(
        config=change(BATCH_NORM, seed=3).config, precision="float32"
    )
    assert query_of(BATCH_NORM, 0, 7, None, True) == Query(config=change(BATCH_NORM, epochs=7).config, quick=True)
    assert query_of(CIRCLES, 0, None, None, False).config.implementations == ("manual", "tape", "layers", "optimizer")
    assert query_of(REGISTRY["batch-1"], 0, None, None, False).config.implementations == ("manual",)
    assert query_of(REGISTRY["kernels"], 5, None, None, False).config.seed == 5


# --- what is trained --------------------------------------------------------------------------------------------------

RUNG = small(BASELINE)


@pytest.fixture(scope="module")
def trained(tiny_images, tmp_path_factory):
    """A results folder with a finished run of `RUNG`."""
    out = tmp_path_factory.mktemp("trained")
    get_or_train(RUNG, query(RUNG), RunOptions(out=out), lambda config: tiny_images)
    return out


@pytest.fixture
def results(trained, tmp_path):
    """A copy of it for one test."""
    return shutil.copytree(trained, tmp_path / "results")


def test_a_finished_run_is_taken_without_loading_its_data(tmp_path):
    folder = store(tmp_path, BASELINE)
    found, finished = get_or_train(BASELINE, query(BASELINE), RunOptions(out=tmp_path), no_data)
    assert (found.folder, finished) == (folder, None)


def test_what_is_missing_is_trained_with_the_queries_settings(tmp_path, tiny_images):
    asked = query(small(BASELINE, seed=3), precision="mixed_bfloat16")
    found, finished = get_or_train(BASELINE, asked, RunOptions(out=tmp_path), lambda config: tiny_images)
    assert found.folder == finished.folder == tmp_path / "cnn" / "baseline-seed-3"
    assert (found.config.seed, found.config.precision, found.record.epochs) == (3, "mixed_bfloat16", 1)
    assert get_or_train(BASELINE, asked, RunOptions(out=tmp_path), no_data)[0].folder == found.folder


def test_a_diverged_run_is_given_back_as_what_came_of_it(tmp_path, tiny_images):
    wild = small(BASELINE, network="cifar", lr=1e30)
    found, finished = get_or_train(wild, query(wild), RunOptions(out=tmp_path), lambda config: tiny_images)
    assert (found.record.status, finished.exit_code) == ("failed", 1)
    assert get_or_train(wild, query(wild), RunOptions(out=tmp_path), no_data)[1] is None


def runs_in(out) -> list[str]:
    return sorted(path.name for path in (out / "cnn").iterdir() if path.is_dir())


def test_the_folder_of_a_run_that_ended_before_its_first_epoch_is_used(results, tiny_images):
    folder = results / "cnn" / "baseline"
    shutil.rmtree(folder / "checkpoints")
    for name in ("metrics.json", "history.csv"):
        (folder / name).unlink()
    again, _ = get_or_train(RUNG, query(RUNG), RunOptions(out=results), lambda config: tiny_images)
    assert runs_in(results) == ["baseline"] and again.record.status == "ok"


def test_a_record_that_is_too_short_and_has_no_checkpoint_is_left_alone(tmp_path, tiny_images):
    folder = store(tmp_path, small(BASELINE, epochs=2))
    before = (folder / "metrics.json").read_bytes()
    longer = small(BASELINE, epochs=3)
    get_or_train(longer, query(longer), RunOptions(out=tmp_path), lambda config: tiny_images)
    assert runs_in(tmp_path) == ["baseline", "baseline-2"] and (folder / "metrics.json").read_bytes() == before


def test_a_run_is_not_resumed_with_other_data(results, tiny_images):
    (results / "cnn" / "baseline" / "metrics.json").unlink()
    with pytest.raises(RdfiaError, match="another one now"):
        get_or_train(RUNG, query(RUNG), RunOptions(out=results), lambda config: tiny_images.take(10))


def test_overwrite_trains_again_and_deletes_no_other_run(results, tiny_images):
    store(results, change(RUNG, seed=1), name="other-seed")
    with pytest.raises(AssertionError, match="must not load"):
        get_or_train(RUNG, query(RUNG), RunOptions(out=results, overwrite=True), no_data)
    assert runs_in(results) == ["other-seed"]
    store(results, change(RUNG, seed=2), name="baseline")
    options = RunOptions(out=results, overwrite=True, quick=True)
    get_or_train(RUNG, query(RUNG, quick=True), options, lambda config: tiny_images)
    assert runs_in(results) == ["baseline", "baseline-2", "other-seed"]


def test_a_record_that_came_without_its_config_can_be_overwritten(tmp_path):
    folder = store(tmp_path, BASELINE)
    with Run.create(tmp_path, "cnn", "baseline", {"section": "cnn"}, BASELINE.config, overwrite=True) as run:
        assert run.folder == folder
    assert not (folder / "metrics.json").exists() and (folder / "config.json").exists()
