"""The store finds the run that fits, resumes what can go on, and deletes nothing else."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from rdfia_keras.sections.get_or_train import query_of

from rdfia_keras.config import CnnConfig, Config, MlpConfig, SvmConfig
from rdfia_keras.errors import RdfiaError
from rdfia_keras.experiments import REGISTRY
from rdfia_keras.experiments.registry import BASELINE, NORMALIZE
from rdfia_keras.runs.record import Record
from rdfia_keras.runs.run import Run
from rdfia_keras.runs.store import Query, RunStore, reference_store

CNN = CnnConfig(epochs=5).resolve()
MLP = MlpConfig(epochs=5).resolve()
SVM = SvmConfig().resolve()


def begin(out: Path, name: str, config: Config = CNN, quick: bool = False, section: str = "") -> Run:
    facts = {"section": section or config.section, "options": {"quick": quick}}
    return Run.create(out, config.section, name, facts, config)


def keep(out: Path, name: str, config: Config = CNN, status: str = "ok", quick: bool = False, **more) -> Path:
    """A run that came to an end."""
    epochs = config.epochs or 0
    last = {"epoch": epochs, "test_accuracy": 0.7, "test_loss": 1.0}
    values = {"best": last, "final": last, "epochs": epochs, "seconds": 1.0, "device": "cpu", **more}
    with begin(out, name, config, quick) as run:
        run.write_record(
            Record(
                status=status,
                section=config.section,
                experiment=name,
                config=config,
                reference={},
                quick=quick,
                dataset={"name": config.dataset},
                **values,
            )
        )
    return run.folder


def cut_off(
    out: Path, name: str, config: Config = CNN, quick: bool = False, epochs: int = 0, checkpoint: bool = True
) -> Path:
    """A run whose process was killed after some epochs."""
    with begin(out, name, config, quick) as run:
        run.write_history([{"epoch": epoch + 1} for epoch in range(epochs)])
        if checkpoint:
            (run.folder / "checkpoints").mkdir()
    return run.folder


def found(out: Path, query: Query) -> Path | None:
    stored = RunStore(out).find_finished(query)
    return stored and stored.folder


# --- finished runs ----------------------------------------------------------------------------------------------------


def test_a_run_is_found_by_its_settings_and_not_by_its_name(tmp_path):
    assert found(tmp_path, Query(config=CNN)) is None
    folder = keep(tmp_path, "a name of its own", CNN)
    keep(tmp_path, "baseline", CnnConfig(lr=0.5, epochs=5).resolve())
    assert found(tmp_path, Query(config=CNN)) == folder
    assert found(tmp_path, Query(config=CnnConfig(epochs=5))) == folder
    (folder / "config.json").unlink()
    assert found(tmp_path, Query(config=CNN)) == folder


@pytest.mark.parametrize(
    "other",
    [
        *(replace(CNN, seed=1), replace(CNN, epochs=4), replace(CNN, lr=0.2), replace(CNN, dataset="mnist")),
        *(replace(CNN, normalize=True), replace(CNN, augmentations=("crop",)), replace(CNN, network="dense")),
        MLP,
    ],
    ids=lambda config: str(config.to_dict())[:60],
)
def test_another_run_does_not_fit(tmp_path, other):
    keep(tmp_path, "x", other)
    assert found(tmp_path, Query(config=CNN)) is None
    assert found(tmp_path, Query(config=other)) is not None


def test_of_several_runs_the_longest_whole_one_is_taken(tmp_path):
    keep(tmp_path, "five", CNN)
    nine = keep(tmp_path, "nine", replace(CNN, epochs=9))
    keep(tmp_path, "seven", replace(CNN, epochs=7))
    keep(tmp_path, "twelve", replace(CNN, epochs=12), status="interrupted")
    assert found(tmp_path, Query(config=CNN)) == nine
    assert found(tmp_path, Query(config=replace(CNN, epochs=10))) is None


def test_a_run_that_is_shorter_than_it_was_to_be_does_not_fit(tmp_path):
    keep(tmp_path, "x", CNN, epochs=3)
    assert found(tmp_path, Query(config=CNN)) is None
    assert found(tmp_path, Query(config=replace(CNN, epochs=3))) is not None


def test_a_run_that_diverged_counts_when_there_is_no_whole_one(tmp_path):
    diverged = keep(tmp_path, "diverged", CNN, status="failed", epochs=2)
    assert found(tmp_path, Query(config=CNN)) == diverged
    assert found(tmp_path, Query(config=CNN, precision="float32")) == diverged
    # In another precision it might not diverge.
    assert found(tmp_path, Query(config=CNN, precision="mixed_bfloat16")) is None
    whole = keep(tmp_path, "whole", CNN)
    assert found(tmp_path, Query(config=CNN)) == whole


def test_smoke_tests_and_results_never_stand_for_each_other(tmp_path):
    quick = keep(tmp_path, "quick", replace(CNN, epochs=2), quick=True)
    assert found(tmp_path, Query(config=CNN)) is None
    assert found(tmp_path, Query(config=replace(CNN, epochs=1))) is None
    # A smoke test is as long as smoke tests are.
    assert found(tmp_path, Query(config=CNN, quick=True)) == quick
    result = keep(tmp_path, "result", CNN)
    assert found(tmp_path, Query(config=CNN)) == result and found(tmp_path, Query(config=CNN, quick=True)) == quick


def test_precision_counts_when_it_is_asked_for(tmp_path):
    folder = keep(tmp_path, "x", replace(CNN, precision="mixed_bfloat16"))
    assert found(tmp_path, Query(config=CNN)) == folder
    assert found(tmp_path, Query(config=CNN, precision="mixed_bfloat16")) == folder
    assert found(tmp_path, Query(config=CNN, precision="float32")) is None


def test_the_implementations_that_are_asked_for_must_be_there(tmp_path):
    keep(tmp_path, "tape", replace(MLP, implementation="tape"))
    assert found(tmp_path, Query(config=MLP)) is None
    assert found(tmp_path, Query(config=replace(MLP, implementation="manual"))) is None
    assert found(tmp_path, Query(config=replace(MLP, implementation="tape"))) is not None
    every = keep(tmp_path, "all", MLP)
    assert found(tmp_path, Query(config=MLP)) == every
    assert found(tmp_path, Query(config=replace(MLP, implementation="manual"))) == every


def test_kernels_have_no_epochs(tmp_path):
    folder = keep(tmp_path, "kernels", SVM, final=None, epochs=0)
    assert found(tmp_path, Query(config=SVM)) == folder
    assert found(tmp_path, Query(config=SvmConfig(kernel="rbf"))) is None


def test_damaged_records_are_passed_over(tmp_path):
    for number, content in enumerate(["", "[]", '{"schema": 2}']):
        folder = tmp_path / "cnn" / f"damaged-{number}"
        folder.mkdir(parents=True)
        (folder / "metrics.json").write_text(content)
    folder = keep(tmp_path, "x")
    assert found(tmp_path, Query(config=CNN)) == folder
    assert [stored.folder for stored in RunStore(tmp_path).runs()] == [folder]


@pytest.mark.parametrize("known", REGISTRY.values(), ids=lambda known: known.name)
def test_the_package_ships_a_run_of_every_experiment(known):
    query = query_of(known, seed=0, epochs=None, precision=None, quick=False)
    stored = reference_store().find_finished(query)
    assert stored is not None and stored.folder.name == known.name
    assert stored.record.status == "ok" or known.name == "lr-1"


# --- runs to resume ---------------------------------------------------------------------------------------------------


def test_a_run_that_was_cut_off_can_be_resumed(tmp_path):
    store, query = RunStore(tmp_path), Query(config=CNN)
    assert store.find_resumable(query) is None
    folder = cut_off(tmp_path, "x", epochs=2)
    assert store.find_resumable(query) == folder
    assert store.find_resumable(Query(config=replace(CNN, epochs=9))) == folder
    # A run can grow and not shrink.
    assert store.find_resumable(Query(config=replace(CNN, epochs=3))) is None
    assert store.find_resumable(Query(config=replace(CNN, lr=0.3))) is None
    assert store.find_resumable(Query(config=replace(CNN, seed=1))) is None
    assert store.find_resumable(Query(config=CNN, quick=True)) is None
    assert store.find_resumable(Query(config=CNN, precision="mixed_bfloat16")) is None


def test_a_shorter_finished_run_can_be_resumed(tmp_path):
    folder = keep(tmp_path, "x")
    (folder / "checkpoints").mkdir()
    assert RunStore(tmp_path).find_resumable(Query(config=replace(CNN, epochs=9))) == folder


def test_without_a_checkpoint_only_a_run_without_epochs_can_be_resumed(tmp_path):
    cut_off(tmp_path, "lost", epochs=2, checkpoint=False)
    assert RunStore(tmp_path).find_resumable(Query(config=CNN)) is None
    begun = cut_off(tmp_path, "only-begun", epochs=0, checkpoint=False)
    assert RunStore(tmp_path).find_resumable(Query(config=CNN)) == begun


def test_a_smoke_test_is_resumed_by_a_smoke_test(tmp_path):
    folder = cut_off(tmp_path, "x", replace(CNN, epochs=2), quick=True)
    assert RunStore(tmp_path).find_resumable(Query(config=replace(CNN, epochs=1), quick=True)) == folder
    assert RunStore(tmp_path).find_resumable(Query(config=CNN)) is None


def test_a_run_that_is_being_written_is_not_resumed(tmp_path):
    run = begin(tmp_path, "x")
    assert RunStore(tmp_path).find_resumable(Query(config=CNN)) is None
    run.close()
    assert RunStore(tmp_path).find_resumable(Query(config=CNN)) == run.folder


def begun_at(folder: Path, seconds: int) -> Path:
    os.utime(folder / "config.json", (10**9 + seconds, 10**9 + seconds))
    return folder


def test_the_latest_unfinished_run_is_one_that_can_go_on(tmp_path):
    store = RunStore(tmp_path)
    with pytest.raises(RdfiaError, match="no unfinished run"):
        store.latest_unfinished("cnn")
    waiting = begin(tmp_path, "waiting")
    for name, status in (("done", "ok"), ("diverged", "failed")):
        keep(tmp_path, name, status=status)
    running = begin(tmp_path, "running")
    with pytest.raises(RdfiaError, match=r"no unfinished run in .*cnn; name a run's folder, or see --out"):
        store.latest_unfinished("cnn")
    waiting.close()
    assert store.latest_unfinished("cnn") == waiting.folder
    running.close()
    begun_at(waiting.folder, 1), begun_at(running.folder, 2)
    assert store.latest_unfinished("cnn").name == "running"
    begun_at(waiting.folder, 3)
    assert store.latest_unfinished("cnn").name == "waiting"


def test_a_longer_run_is_unfinished_until_it_is_done(tmp_path):
    folder = keep(tmp_path, "x")
    with pytest.raises(RdfiaError, match="no unfinished run"):
        RunStore(tmp_path).latest_unfinished("cnn")
    with Run.open(folder) as run:
        run.lengthen(6)
    assert RunStore(tmp_path).latest_unfinished("cnn") == folder


def test_without_a_section_the_latest_of_all_is_taken(tmp_path):
    mlp, cnn = begun_at(cut_off(tmp_path, "a", MLP), 2), begun_at(keep(tmp_path, "b", CNN, status="interrupted"), 1)
    store = RunStore(tmp_path)
    assert (store.latest_unfinished(), store.latest_unfinished("cnn")) == (mlp, cnn)
    begun_at(cnn, 3)
    assert (store.latest_unfinished(), store.latest_unfinished("mlp")) == (cnn, mlp)


def test_kernels_that_were_cut_off_are_not_the_latest(tmp_path):
    folder = begun_at(cut_off(tmp_path, "x", MLP), 1)
    with begin(tmp_path, "kernels", SVM) as kernels:
        pass
    begun_at(kernels.folder, 2)
    assert RunStore(tmp_path).latest_unfinished() == folder


def test_a_damaged_run_is_told_of(tmp_path):
    begun_at(cut_off(tmp_path, "x"), 1)
    damaged = cut_off(tmp_path, "damaged")
    (damaged / "config.json").write_text("{")
    assert RunStore(tmp_path).latest_unfinished("cnn") == damaged


# --- deletion ---------------------------------------------------------------------------------------------------------


def test_only_the_runs_that_fit_are_deleted(tmp_path):
    gone = [keep(tmp_path, "finished"), cut_off(tmp_path, "cut-off", epochs=1), keep(tmp_path, "f", status="failed")]
    stay = [
        keep(tmp_path, "another-seed", replace(CNN, seed=1)),
        keep(tmp_path, "another-rate", replace(CNN, lr=0.3)),
        keep(tmp_path, "smoke-test", CNN, quick=True),
        cut_off(tmp_path, "another-cut-off", replace(CNN, batch_size=7)),
        keep(tmp_path, "perceptron", MLP),
    ]
    (tmp_path / "cnn" / "mine").mkdir()
    RunStore(tmp_path).delete(Query(config=CNN))
    assert not any(folder.exists() for folder in gone)
    assert all(folder.exists() for folder in (*stay, tmp_path / "cnn" / "mine"))
    RunStore(tmp_path).delete(Query(config=CNN))


def test_a_run_that_is_being_written_is_not_deleted(tmp_path):
    folder = keep(tmp_path, "x")
    with Run.open(folder):
        with pytest.raises(RdfiaError, match="another process"):
            RunStore(tmp_path).delete(Query(config=CNN))
        assert (folder / "metrics.json").exists()


def test_the_ladders_rungs_do_not_stand_for_each_other(tmp_path):
    folder = keep(tmp_path, "baseline", BASELINE.config)
    assert found(tmp_path, Query(config=BASELINE.config)) == folder
    assert found(tmp_path, Query(config=NORMALIZE.config)) is None
