"""The store finds the run that is wanted, resumes what can be resumed, and deletes nothing else."""

import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest
from stored_runs import record_of

from rdfia_keras.analysis.published import wanted_run
from rdfia_keras.config import CnnConfig, Config, MlpConfig, SvmConfig
from rdfia_keras.errors import RdfiaError
from rdfia_keras.experiments import REGISTRY
from rdfia_keras.experiments.registry import BATCH_NORM, CIRCLES
from rdfia_keras.runs.locks import lock_wanted
from rdfia_keras.runs.run import Run
from rdfia_keras.runs.store import Query, RunStore, Snapshot, reference_store

CNN = CnnConfig(epochs=5).resolve()
MLP = MlpConfig(epochs=5).resolve()
SVM = SvmConfig().resolve()
DATA = {"name": "made", "digest": "this data"}
# Each is another experiment, seed, precision, network, data set, or section than `CNN`.
OTHERS = [
    *(
        replace(CNN, seed=1),
        replace(CNN, lr=0.2),
        replace(CNN, dataset="mnist"),
        replace(CNN, precision="mixed_bfloat16"),
    ),
    *(replace(CNN, normalize=True), replace(CNN, augmentations=("crop",)), replace(CNN, network="dense")),
    MLP,
]


def begin(out: Path, name: str, config: Config = CNN, quick: bool = False) -> Run:
    return Run.create(out, name, config, {"options": {"quick": quick}, "dataset": DATA})


def finish(out: Path, name: str, config: Config = CNN, quick: bool = False, **values) -> Path:
    """Leave a run that ended."""
    with begin(out, name, config, quick) as run:
        run.write_record(record_of(config, experiment=name, quick=quick, **{"dataset": DATA, **values}))
    return run.folder


def cut_off(
    out: Path, name: str, config: Config = CNN, quick: bool = False, epochs: int = 0, checkpoint: bool = True
) -> Path:
    """Leave a run whose process was killed after some epochs."""
    with begin(out, name, config, quick) as run:
        scores = dict.fromkeys(("train_loss", "train_accuracy", "test_loss", "test_accuracy", "lr", "seconds"), 0.5)
        run.write_history([{"epoch": epoch + 1, **scores} for epoch in range(epochs)])
        if checkpoint:
            (run.folder / "checkpoints").mkdir()
    return run.folder


def finished(out: Path, config: Config, **query) -> Path | None:
    run = RunStore(out).find_finished(Query(config=config, **query))
    return run and run.folder


def resumable(out: Path, config: Config, **query) -> Path | None:
    run = RunStore(out).find_resumable(Query(config=config, **query))
    return run and run.folder


# --- finished runs ----------------------------------------------------------------------------------------------------


def test_a_run_is_found_by_its_settings_and_not_by_its_name(tmp_path):
    assert finished(tmp_path, CNN) is None
    folder = finish(tmp_path, "a name of its own", CNN)
    finish(tmp_path, "baseline", replace(CNN, lr=0.5))
    assert finished(tmp_path, CNN) == finished(tmp_path, CnnConfig(epochs=5)) == folder
    (folder / "config.json").unlink()
    assert finished(tmp_path, CNN) == folder


@pytest.mark.parametrize("other", OTHERS, ids=lambda config: str(config.to_dict())[:60])
def test_another_run_does_not_match(tmp_path, other):
    folder = finish(tmp_path, "x", other)
    assert finished(tmp_path, CNN) is None and finished(tmp_path, other) == folder
    cut = cut_off(tmp_path, "cut", other)
    assert resumable(tmp_path, CNN) is None and resumable(tmp_path, other) == cut


def test_a_run_on_other_data_does_not_match(tmp_path):
    folder, cut = finish(tmp_path, "x"), cut_off(tmp_path, "cut")
    assert finished(tmp_path, CNN, data="this data") == finished(tmp_path, CNN) == folder
    assert resumable(tmp_path, CNN, data="this data") == cut
    assert finished(tmp_path, CNN, data="other data") is resumable(tmp_path, CNN, data="other data") is None


def test_any_precision_matches_where_it_is_asked_for(tmp_path):
    folder = finish(tmp_path, "x", replace(CNN, precision="mixed_bfloat16"))
    assert finished(tmp_path, CNN, any_precision=True) == folder


def test_a_setting_that_does_not_define_the_experiment_matches_unless_it_must_be_equal(tmp_path):
    folder = finish(tmp_path, "x", replace(CNN, epochs=9))
    assert finished(tmp_path, CNN) == folder
    assert finished(tmp_path, CNN, also_equal=("epochs",)) is None


def test_two_queries_have_one_key_exactly_when_they_want_the_same_run():
    same = [Query(config=CNN), Query(config=CnnConfig(epochs=9))]
    assert len({query.key for query in same}) == 1
    different = [
        *(Query(config=config) for config in (CNN, *OTHERS)),
        *(Query(config=CNN, data="this data"), Query(config=CNN, data="other data"), Query(config=CNN, quick=True)),
        *(Query(config=replace(CNN, epochs=epochs), also_equal=("epochs",)) for epochs in (5, 6)),
    ]
    assert len({query.key for query in different}) == len(different)


def test_the_longest_whole_run_of_several_is_taken(tmp_path):
    finish(tmp_path, "five", CNN)
    nine = finish(tmp_path, "nine", replace(CNN, epochs=9))
    finish(tmp_path, "seven", replace(CNN, epochs=7))
    finish(tmp_path, "twelve", replace(CNN, epochs=12), status="interrupted")
    finish(tmp_path, "cut short", replace(CNN, epochs=12), epochs=3)
    assert finished(tmp_path, CNN) == nine
    assert finished(tmp_path, replace(CNN, epochs=10)) is None


def test_a_run_that_diverged_counts_when_there_is_no_whole_run(tmp_path):
    diverged = finish(tmp_path, "diverged", CNN, status="failed", epochs=2)
    assert finished(tmp_path, CNN) == diverged
    # In another precision it might not diverge, and it is not trained on.
    (diverged / "checkpoints").mkdir()
    other = replace(CNN, precision="mixed_bfloat16")
    assert finished(tmp_path, other, any_precision=True) is resumable(tmp_path, other, any_precision=True) is None
    whole = finish(tmp_path, "whole", CNN)
    assert finished(tmp_path, CNN) == whole


def test_a_run_whose_device_failed_is_resumed(tmp_path):
    folder = finish(tmp_path, "x", status="failed", epochs=2, details={"failed_on_device": True})
    (folder / "checkpoints").mkdir()
    assert finished(tmp_path, CNN) is None and resumable(tmp_path, CNN) == folder


def test_smoke_tests_and_results_never_stand_for_each_other(tmp_path):
    quick = finish(tmp_path, "quick", replace(CNN, epochs=2), quick=True)
    assert finished(tmp_path, CNN) is finished(tmp_path, replace(CNN, epochs=1)) is None
    # A smoke test is as long as smoke tests are.
    assert finished(tmp_path, CNN, quick=True) == quick
    result = finish(tmp_path, "result", CNN)
    assert finished(tmp_path, CNN) == result and finished(tmp_path, CNN, quick=True) == quick


def test_the_implementations_that_are_asked_for_must_be_there(tmp_path):
    manual, tape = (replace(MLP, implementation=name) for name in ("manual", "tape"))
    folder = finish(tmp_path, "tape", tape)
    assert finished(tmp_path, MLP) is finished(tmp_path, manual) is None
    assert finished(tmp_path, tape) == folder
    every = finish(tmp_path, "all", MLP)
    assert finished(tmp_path, MLP) == finished(tmp_path, manual) == every


def test_kernels_have_no_epochs(tmp_path):
    folder = finish(tmp_path, "kernels", SVM, final=None, epochs=0)
    assert finished(tmp_path, SVM) == folder
    assert finished(tmp_path, SvmConfig(kernel="rbf")) is None


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"\xff", b'{"schema": 2}', b'{"section": "cnn", "config": {"lr": -1}}']
)
def test_damaged_records_are_passed_over(tmp_path, content):
    damaged = tmp_path / "cnn" / "damaged"
    damaged.mkdir(parents=True)
    (damaged / "metrics.json").write_bytes(content)
    folder = finish(tmp_path, "x")
    assert finished(tmp_path, CNN) == folder
    assert [run.folder for run in Snapshot(tmp_path).of_experiment(CNN)] == [folder]


def test_a_snapshot_finds_what_its_store_finds(tmp_path):
    folders = [finish(tmp_path, str(seed), replace(CNN, seed=seed)) for seed in range(2)]
    finish(tmp_path, "other", replace(CNN, lr=0.3))
    cut_off(tmp_path, "cut")
    snapshot = Snapshot(tmp_path, without=folders[1:])
    assert snapshot.find_finished(Query(config=CNN)).folder == folders[0]
    assert snapshot.find_finished(Query(config=replace(CNN, seed=1))) is None
    finish(tmp_path, "later", replace(CNN, epochs=9))
    assert [run.folder for run in snapshot.of_experiment(CNN)] == folders[:1]


@pytest.mark.parametrize("experiment", REGISTRY.values(), ids=lambda e: e.name)
def test_the_package_ships_a_run_of_every_experiment(experiment):
    run = reference_store().find_finished(wanted_run(experiment))
    assert run is not None and run.folder.name == experiment.name
    assert run.status == "ok" or experiment.name == "lr-1"


def test_a_figure_wants_the_experiments_own_epochs_and_all_implementations_only_for_figure_1():
    def wanted(experiment, **changes):
        return replace(experiment.config, **changes)

    assert wanted_run(BATCH_NORM, 3) == Query(config=wanted(BATCH_NORM, seed=3), any_precision=True)
    bfloat16 = wanted(BATCH_NORM, epochs=7, precision="mixed_bfloat16")
    assert wanted_run(BATCH_NORM, 0, 7, "mixed_bfloat16", True) == Query(config=bfloat16, quick=True)
    assert wanted_run(CIRCLES).config.implementations == ("manual", "tape", "layers", "optimizer")
    assert wanted_run(REGISTRY["batch-1"]).config.implementations == ("manual",)
    assert wanted_run(REGISTRY["kernels"], 5).config.seed == 5


# --- runs to resume ---------------------------------------------------------------------------------------------------


def test_a_run_can_grow_and_not_shrink(tmp_path):
    assert resumable(tmp_path, CNN) is None
    folder = cut_off(tmp_path, "x", epochs=2)
    assert resumable(tmp_path, CNN) == resumable(tmp_path, replace(CNN, epochs=9)) == folder
    assert resumable(tmp_path, replace(CNN, epochs=3)) is None


def test_a_shorter_finished_run_can_be_resumed(tmp_path):
    folder = finish(tmp_path, "x")
    (folder / "checkpoints").mkdir()
    assert resumable(tmp_path, replace(CNN, epochs=9)) == folder


def test_without_a_checkpoint_only_a_run_without_epochs_can_be_resumed(tmp_path):
    cut_off(tmp_path, "lost", epochs=2, checkpoint=False)
    assert resumable(tmp_path, CNN) is None
    only_started = cut_off(tmp_path, "only-started", epochs=0, checkpoint=False)
    assert resumable(tmp_path, CNN) == only_started


def test_a_smoke_test_is_resumed_by_a_smoke_test(tmp_path):
    folder = cut_off(tmp_path, "x", replace(CNN, epochs=2), quick=True)
    assert resumable(tmp_path, replace(CNN, epochs=1), quick=True) == folder
    assert resumable(tmp_path, CNN) is None


def test_a_run_that_is_being_written_is_not_resumed(tmp_path):
    with begin(tmp_path, "x") as run:
        assert resumable(tmp_path, CNN) is None
    assert resumable(tmp_path, CNN) == run.folder


def started_at(folder: Path, seconds: int) -> Path:
    os.utime(folder / "config.json", (10**9 + seconds, 10**9 + seconds))
    return folder


def test_the_latest_unfinished_run_is_one_that_can_be_resumed(tmp_path):
    store = RunStore(tmp_path)
    with begin(tmp_path, "running") as running:
        for name, status in (("done", "ok"), ("diverged", "failed")):
            finish(tmp_path, name, status=status)
        # What is not trained in epochs is not resumed.
        begin(tmp_path, "kernels", SVM).close()
        with pytest.raises(RdfiaError, match=r"no unfinished run in .*; name a run's folder, or see --out"):
            store.latest_unfinished()
        waiting = started_at(finish(tmp_path, "waiting", MLP, status="interrupted"), 1)
        assert store.latest_unfinished().folder == waiting
    started_at(running.folder, 2)
    assert store.latest_unfinished().folder == running.folder
    started_at(waiting, 3)
    assert store.latest_unfinished().folder == waiting


def test_a_damaged_run_is_the_latest_so_that_it_is_reported(tmp_path):
    started_at(cut_off(tmp_path, "x"), 1)
    damaged = cut_off(tmp_path, "damaged")
    (damaged / "config.json").write_text("{")
    assert RunStore(tmp_path).latest_unfinished().folder == damaged


# --- deletion ---------------------------------------------------------------------------------------------------------


def test_only_the_runs_that_match_are_deleted(tmp_path):
    matching = [finish(tmp_path, "a"), cut_off(tmp_path, "b", epochs=1), finish(tmp_path, "c", status="failed")]
    others = [
        *(finish(tmp_path, f"other-{number}", config) for number, config in enumerate(OTHERS)),
        finish(tmp_path, "smoke-test", CNN, quick=True),
        finish(tmp_path, "other-data", dataset={"digest": "other data"}),
        cut_off(tmp_path, "other-cut-off", replace(CNN, batch_size=7)),
    ]
    (tmp_path / "cnn" / "mine").mkdir()
    RunStore(tmp_path).delete(Query(config=CNN, data="this data"))
    assert not any(folder.exists() for folder in matching)
    assert all(folder.exists() for folder in (*others, tmp_path / "cnn" / "mine"))


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS])
def test_a_file_system_without_locks_is_one_sentence(tmp_path, monkeypatch, number):
    run = cut_off(tmp_path, "cut-off")

    def flock(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", flock)
    assert RunStore(tmp_path).latest_unfinished().folder == run
    sentence = rf"cannot write into .*: {os.strerror(number)}; choose another --out"
    with pytest.raises(RdfiaError, match=sentence):
        Run.open(run)
    with pytest.raises(RdfiaError, match=sentence):
        Run.create(tmp_path, "circles", MlpConfig())
    with pytest.raises(RdfiaError, match=sentence):
        lock_wanted(tmp_path, Query(config=MlpConfig()))
