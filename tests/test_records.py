"""Run folders and files: atomic, numbered, locked, and readable again whichever version wrote them."""

import json
import platform
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from importlib import metadata
from pathlib import Path

import pytest
from rdfia_keras.runs.records import read_record

from rdfia_keras.config import CONFIGS, CnnConfig, MlpConfig, SvmConfig
from rdfia_keras.errors import RdfiaError
from rdfia_keras.experiments import REGISTRY
from rdfia_keras.runs import files, records
from rdfia_keras.runs.environment import environment
from rdfia_keras.runs.record import Record
from rdfia_keras.runs.run import Run
from rdfia_keras.runs.store import reference_store

FACTS = {"section": "mlp"}


def begin(out: Path, section: str = "mlp", name: str = "circles", config=None, **more) -> Run:
    config = config or CONFIGS[section](epochs=5)
    return Run.create(out, section, name, {"section": section}, config, **more)


def a_record(config=None, **changes) -> Record:
    config = config or CnnConfig(augmentations=("crop", "flip")).resolve()
    values = {
        "status": "ok",
        "section": config.section,
        "experiment": "x",
        "config": config,
        "reference": {"figure": 12, "question": "22", "published": 0.8, "comment": ""},
        "quick": False,
        "dataset": {"name": config.dataset, "counts": {"train": 3, "test": 2}, "digest": "0123"},
        "best": {"epoch": 4, "test_accuracy": 0.7, "test_loss": 1.0},
        "final": {"epoch": 5, "test_accuracy": 0.6, "test_loss": 1.1},
        "epochs": 5,
        "seconds": 2.5,
        "device": "cpu",
        "details": {"parameters": 12, "weights_digest": "ab"},
        "environment": {"python": "3.11"},
    }
    return Record(**{**values, **changes})


# --- folders ----------------------------------------------------------------------------------------------------------


def test_folders_are_numbered_when_taken(tmp_path):
    names = [begin(tmp_path).folder.name for _ in range(3)]
    assert names == ["circles", "circles-2", "circles-3"]


def test_runs_at_once_get_separate_folders(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(lambda _: begin(tmp_path, "cnn", "x"), range(16)))
    assert len({run.folder for run in runs}) == 16
    assert all(json.loads((run.folder / "config.json").read_text())["versions"]["numpy"] for run in runs)


def test_config_json_holds_what_was_typed_and_what_decides_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["rdfia", "cnn", "--augment"])
    config = CnnConfig(augmentations=("crop", "flip")).resolve()
    with Run.create(tmp_path, "cnn", "x", {"section": "cnn", "parameters": 3}, config) as run:
        facts = run.facts()
        assert (facts["argv"], facts["experiment"], facts["parameters"]) == (["cnn", "--augment"], "x", 3)
        assert facts["config"] == config.to_dict()
        assert run.config() == config


def test_overwrite_replaces_a_run_and_nothing_else(tmp_path):
    with begin(tmp_path) as run:
        run.write("old.txt", b"old")
    again = begin(tmp_path, overwrite=True)
    assert again.folder.name == "circles" and not (again.folder / "old.txt").exists()
    (tmp_path / "mlp" / "mine").mkdir()
    (tmp_path / "mlp" / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(RdfiaError, match="not a run's folder"):
        begin(tmp_path, name="mine", overwrite=True)
    assert (tmp_path / "mlp" / "mine" / "thesis.txt").read_text() == "x"


@pytest.fixture
def held(tmp_path):
    """A run that another process is writing, until its stdin is closed."""
    code = (
        "import sys; from pathlib import Path; from rdfia_keras.config import MlpConfig;"
        "from rdfia_keras.runs.run import Run;"
        "run = Run.create(Path(sys.argv[1]), 'mlp', 'circles', {'section': 'mlp'}, MlpConfig(epochs=5));"
        "print('held', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout.readline() == "held\n"
        yield other
    finally:
        other.kill()
        other.communicate()


def test_a_run_that_another_process_writes_is_left_alone(tmp_path, held):
    folder = tmp_path / "mlp" / "circles"
    assert not Run(folder).is_free()
    with pytest.raises(RdfiaError, match="is being written by another process; wait for it to end"):
        begin(tmp_path, overwrite=True)
    with pytest.raises(RdfiaError, match="is being written by another process; wait for it to end"):
        Run.open(folder)
    assert (folder / "config.json").exists()
    held.communicate("")
    assert Run(folder).is_free()
    assert begin(tmp_path, overwrite=True).folder == folder


def test_a_process_that_is_killed_lets_go_of_its_run(tmp_path, held):
    held.kill()
    held.wait()
    with Run.open(tmp_path / "mlp" / "circles") as run:
        assert run.status() == "unfinished"


def test_the_lock_lies_beside_the_folder_and_is_no_run(tmp_path):
    run = begin(tmp_path)
    assert not run.is_free() and not Run(run.folder).is_free()
    assert [path.name for path in run.folder.iterdir()] == ["config.json"]
    assert {path.name for path in run.folder.parent.iterdir()} == {"circles", ".circles.lock"}
    run.close()
    assert run.is_free()


def test_opening_a_run_removes_what_a_killed_process_had_half_written(tmp_path):
    with begin(tmp_path) as run:
        (run.folder / "checkpoints").mkdir()
        halves = [run.folder / ".metrics.json.12.part", run.folder / "checkpoints" / ".last.ckpt.12.part"]
        for path in halves:
            path.write_bytes(b"half")
        whole = run.folder / "checkpoints" / "last.ckpt"
        whole.write_bytes(b"whole")
    Run.open(run.folder).close()
    assert not any(path.exists() for path in halves) and whole.read_bytes() == b"whole"


def test_a_run_that_cannot_be_begun_leaves_no_folder(tmp_path, monkeypatch):
    def full(_fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(RdfiaError, match="No space left"):
        begin(tmp_path)
    assert not [path for path in (tmp_path / "mlp").iterdir() if path.is_dir()]


@pytest.mark.parametrize("content", ["", "{", "[]", "3", '{"config": {}}', '{"section": "mlp"}'])
def test_a_damaged_config_is_named(tmp_path, content):
    with begin(tmp_path) as run:
        (run.folder / "config.json").write_text(content)
        with pytest.raises(RdfiaError, match=r"circles is not a run's folder: config\.json is missing or damaged"):
            run.config()


@pytest.mark.parametrize(
    "changes",
    [{"section": "rnn"}, {"config": {"width": 3}}, {"config": {"lr": -1}}, {"config": 3}],
    ids=str,
)
def test_settings_that_this_version_does_not_know_are_told_of(tmp_path, changes):
    with begin(tmp_path) as run:
        run.write_json("config.json", {**run.facts(), **changes})
        with pytest.raises(RdfiaError, match=r"circles: config\.json has settings that this version does not know"):
            run.config()


# --- files ------------------------------------------------------------------------------------------------------------


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    files.write_atomic(tmp_path / "a", b"old")

    def full(_fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(RdfiaError, match="No space left"):
        files.write_atomic(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_keep_holds_the_one_before(tmp_path):
    for content in (b"1", b"2", b"3"):
        files.write_atomic(tmp_path / "last", content, keep=tmp_path / "previous")
    assert ((tmp_path / "last").read_bytes(), (tmp_path / "previous").read_bytes()) == (b"3", b"2")


def test_json_has_no_nan_which_other_languages_refuse():
    text = files.to_json({"a": float("nan"), "b": [float("inf"), (1.5, -float("inf"))], "c": Path("é"), "d": {1: None}})
    assert json.loads(text, parse_constant=pytest.fail) == {
        "a": None,
        "b": [None, [1.5, None]],
        "c": "é",
        "d": {"1": None},
    }


def test_history_is_written_in_full(tmp_path):
    row = {**dict.fromkeys(records.HISTORY_COLUMNS, 0.5), "epoch": 1, "train_loss": 1 / 3, "train_accuracy": 2e-17}
    data = records.history_bytes([row])
    header, line = data.decode().splitlines()
    assert header.split(",") == list(records.HISTORY_COLUMNS)
    assert [float(text) for text in line.split(",")] == [row[key] for key in records.HISTORY_COLUMNS]
    (tmp_path / "history.csv").write_bytes(data)
    assert Run(tmp_path, a_record()).history() == [row]


def test_a_history_has_validation_columns_where_there_is_a_validation_set(tmp_path):
    row = {**dict.fromkeys(records.HISTORY_COLUMNS, 0.5), "epoch": 1}
    validated = {**row, "validation_loss": 1 / 3, "validation_accuracy": 0.25}
    data = records.history_bytes([validated])
    assert data.decode().splitlines()[0].split(",") == [*records.HISTORY_COLUMNS, *records.VALIDATION_COLUMNS]
    (tmp_path / "history.csv").write_bytes(data)
    assert Run(tmp_path, a_record()).history() == [validated]


@pytest.mark.parametrize("content", [None, "epoch,lr\n1,x\n", "epoch,lr\n1\n", b"\xff\xfe"], ids=str)
def test_a_history_that_cannot_be_read_is_named(tmp_path, content):
    if content is not None:
        (tmp_path / "history.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(RdfiaError, match=r"history\.csv: .*; remove the folder to train it again"):
        Run(tmp_path, a_record()).history()


# --- records ----------------------------------------------------------------------------------------------------------


def test_best_is_the_first_of_the_highest():
    rows = [{"epoch": i, "test_accuracy": a} for i, a in enumerate((0.1, 0.9, 0.9, 0.3))]
    assert records.best_row(rows)["epoch"] == 1 and records.best_row([]) is None


def test_the_epoch_is_selected_by_validation_accuracy_where_there_is_one():
    def row(epoch, test, **validation):
        return {"epoch": epoch, "test_accuracy": test, "test_loss": 1.0, **validation}

    plain = [row(1, 0.4), row(2, 0.9), row(3, 0.5)]
    validated = [
        row(*values, validation_accuracy=accuracy, validation_loss=2.0)
        for values, accuracy in zip(((1, 0.4), (2, 0.9), (3, 0.5)), (0.7, 0.6, 0.7), strict=True)
    ]
    assert records.selected_row(plain) is None and records.chosen_row(plain) is plain[1]
    assert records.selected_row(validated) is records.chosen_row(validated) is validated[0]
    assert records.best_model(plain) == {"epoch": 2, "chosen_by": "test accuracy"}
    assert records.best_model(validated) == {"epoch": 1, "chosen_by": "validation accuracy"}
    assert records.summary_rows(plain) == {
        "best": {"epoch": 2, "test_accuracy": 0.9, "test_loss": 1.0},
        "selected": None,
        "final": {"epoch": 3, "test_accuracy": 0.5, "test_loss": 1.0},
    }
    assert records.summary_rows(validated)["selected"] == {
        "epoch": 1,
        "test_accuracy": 0.4,
        "test_loss": 1.0,
        "validation_loss": 2.0,
        "validation_accuracy": 0.7,
    }
    assert records.summary_rows([]) == {"best": None, "selected": None, "final": None}


def test_a_record_from_before_there_was_a_validation_set_is_read():
    selected = {"epoch": 2, "test_accuracy": 0.5, "test_loss": 1.0}
    record = a_record(CnnConfig(validation=0.1).resolve(), selected=selected)
    values = json.loads(json.dumps(record.to_dict()))
    assert Record.from_dict(values).selected == selected
    del values["selected"], values["config"]["validation"]
    old = Record.from_dict(values)
    assert old.selected is None and old.config.validation == 0
    assert old.config.identity() != record.config.identity()


def test_a_pause_does_not_count_as_training():
    rows = [{"seconds": 2.0}, {"seconds": 7200.0}, {"seconds": 2.0}]
    assert records.duration(rows) == 6.0 and records.duration([]) == 0.0


@pytest.mark.parametrize(
    "config",
    [
        MlpConfig(implementation="tape").resolve(),
        SvmConfig(kernel="poly").resolve(),
        CnnConfig(whitening="zca", augmentations=("hue",), dropout_rate=0.3).resolve(),
    ],
    ids=lambda config: config.section,
)
def test_a_record_comes_back_as_it_was(tmp_path, config):
    record = a_record(config, reason="why not")
    with Run.create(tmp_path, config.section, "x", {"section": config.section}, config) as run:
        run.write_record(record)
    stored = read_record(run.folder)
    assert stored == Run(run.folder, record) and stored.config == config
    values = json.loads((run.folder / "metrics.json").read_text())
    assert values["schema"] == records.SCHEMA == 2 and values["config"] == config.to_dict()


def test_a_record_from_before_frameworks_defaults_were_a_setting_has_kerass():
    values = a_record(CnnConfig().resolve()).to_dict()
    del values["config"]["framework_defaults"]
    assert Record.from_dict(values).config.framework_defaults == "keras"


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", '{"schema": 2}', '{"schema": 3, "section": "mlp"}', '{"schema": 1, "section": "cnn"}'],
)
def test_a_damaged_record_is_none(tmp_path, content):
    assert read_record(tmp_path) is None
    (tmp_path / "metrics.json").write_text(content)
    assert read_record(tmp_path) is None


@pytest.mark.parametrize("changes", [{"section": "rnn"}, {"config": {"lr": -1}}, {"config": {"width": 1}}], ids=str)
def test_a_record_that_this_version_does_not_know_is_none(tmp_path, changes):
    (tmp_path / "metrics.json").write_text(files.to_json({**a_record().to_dict(), **changes}))
    assert read_record(tmp_path) is None


def schema_1(section: str, settings: dict, **more) -> dict:
    """A record as the first version wrote it: the report's claims among the settings, everything on one level."""
    claims = {"name": "x", "figure": 12, "question": 22, "published": 0.8, "reported": "", "others": [0.79, 0.81]}
    return {
        "schema": 1,
        "status": "ok",
        "section": section,
        "experiment": "x",
        "figure": 12,
        "question": 22,
        "published": 0.8,
        "reason": None,
        "quick": False,
        "dataset": {"name": settings["dataset"]},
        "best": {"epoch": 4, "test_accuracy": 0.7, "test_loss": 1.0},
        "final": {"epoch": 5, "test_accuracy": 0.6, "test_loss": 1.1},
        "seed": 3,
        "device": "cpu",
        "seconds": 2.5,
        "settings": {**claims, "base": None, **settings},
        "environment": {"python": "3.11"},
        **more,
    }


CNN_1 = {
    "dataset": "cifar10",
    "model": "cifar",
    "normalize": True,
    "augment": ["crop", "flip"],
    "schedule": "exponential",
    "dropout": 0.5,
    "batch_norm": True,
    "whiten": "",
    "epsilon": 0.01,
    "optimizer": "sgd",
    "lr": 0.1,
    "batch_size": 128,
    "epochs": 5,
    "precision": "float32",
    "seed": 3,
}


def test_a_convnets_record_of_the_first_version_is_read():
    record = Record.from_dict(schema_1("cnn", CNN_1, parameters=12))
    assert record.config == CnnConfig(
        normalize=True,
        augmentations=("crop", "flip"),
        schedule="exponential",
        dropout_rate=0.5,
        batch_norm=True,
        lr=0.1,
        epochs=5,
        seed=3,
    )
    assert (record.status, record.epochs, record.seconds, record.device) == ("ok", 5, 2.5, "cpu")
    assert record.details == {"parameters": 12}
    assert record.reference == {
        "figure": 12,
        "question": "22",
        "published": 0.8,
        "comment": "",
    }
    whitened = Record.from_dict(schema_1("cnn", {**CNN_1, "normalize": False, "whiten": "zca", "epsilon": 0.1}))
    assert (whitened.config.whitening, whitened.config.whitening_epsilon) == ("zca", 0.1)


def test_other_sections_records_of_the_first_version_are_read():
    mlp = {"dataset": "circles", "hidden": 4, "std": 0.1, "batch_size": 10, "lr": 0.07, "epochs": 5, "seed": 3}
    record = Record.from_dict(schema_1("mlp", mlp, implementations={"tape": {}}))
    assert record.config == MlpConfig(hidden_units=4, init_std=0.1, epochs=5, seed=3, implementation="tape")
    all_four = {name: {} for name in ("manual", "tape", "layers", "optimizer")}
    assert Record.from_dict(schema_1("mlp", mlp, implementations=all_four)).config.implementation == "all"
    machine = {"kernel": "poly", "C": 3.0, "degree": 4}
    svm = {"dataset": "circles", "seed": 3, "settings": [machine], "sweep": []}
    one = Record.from_dict(schema_1("svm", svm, final=None, scores=[1]))
    assert one.config == SvmConfig(kernel="poly", C=3.0, degree=4, seed=3)
    assert one.details == {"scores": [1]} and one.epochs == 0
    panels = Record.from_dict(schema_1("svm", {**svm, "settings": [machine, machine]}, final=None))
    assert panels.config == SvmConfig(seed=3)


def test_every_record_that_ships_with_the_package_is_read():
    store = reference_store()
    folders = sorted(path.parent for path in store.root.glob("*/*/metrics.json"))
    assert [stored.folder for stored in store.runs()] == folders
    for stored in store.runs():
        assert stored.record.status in ("ok", "failed") and not stored.record.quick
        if stored.record.section != "svm":
            assert len(stored.history()) >= stored.record.epochs > 0
        if experiment := REGISTRY.get(stored.record.experiment):
            assert stored.record.reference == asdict(experiment.reference)


def test_a_run_notes_where_it_is_resumed_otherwise_than_until_then(tmp_path, monkeypatch):
    with Run.create(tmp_path, "cnn", "x", {"section": "cnn", "backend": "tensorflow"}, CnnConfig().resolve()) as run:
        begun = run.facts()
        threads = begun["threads"]
        assert run.note_resume(1) == [] and run.facts() == begun
        monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", str(threads + 1))
        assert run.note_resume(2) == [f"threads {threads + 1} instead of {threads}"]
        assert run.note_resume(3) == []
        monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", str(threads))
        assert run.note_resume(4) == [f"threads {threads} instead of {threads + 1}"]
        changes = [{"after_epoch": 2, "threads": threads + 1}, {"after_epoch": 4, "threads": threads}]
        assert run.environment()["resumed"] == changes
        assert run.facts() == begun | {"resumed": changes}


def test_a_resume_that_finished_no_epoch_leaves_no_note(tmp_path, monkeypatch):
    with Run.create(tmp_path, "cnn", "x", {"section": "cnn", "backend": "tensorflow"}, CnnConfig().resolve()) as run:
        threads = run.facts()["threads"]
        monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", str(threads + 1))
        assert run.note_resume(2) == run.note_resume(2) == [f"threads {threads + 1} instead of {threads}"]
        assert run.environment()["resumed"] == [{"after_epoch": 2, "threads": threads + 1}]
        monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", str(threads))
        assert run.note_resume(2) == [] and "resumed" not in run.environment()


def test_versions_and_processor_count_as_well_but_not_what_an_earlier_version_did_not_note(tmp_path):
    with Run.create(tmp_path, "cnn", "x", {"section": "cnn", "backend": "tensorflow"}, CnnConfig().resolve()) as run:
        facts = run.facts()
        del facts["threads"]
        versions = facts["versions"] | {"tensorflow": "2.0.0", "matplotlib": "1.0", "jax": "0.1"}
        run.write_json("config.json", facts | {"cpu": "an abacus", "versions": versions})
        now = {"tensorflow": metadata.version("tensorflow"), "processor": environment()["cpu"]}
        assert run.note_resume(7) == [
            f"tensorflow {now['tensorflow']} instead of 2.0.0",
            f"processor {now['processor']} instead of an abacus",
        ]
        assert run.facts()["resumed"] == [{"after_epoch": 7, **now}]


@pytest.mark.parametrize(
    ("release", "terse", "told"),
    [
        (
            "6.18.44-build-7-of-host",
            "Linux-6.18.44-build-7-of-host-x86_64-with-glibc2.36",
            "Linux-6.18.44-x86_64-with-glibc2.36",
        ),
        ("23.5.0", "macOS-14.5-arm64-arm-64bit", "macOS-14.5-arm64-arm-64bit"),
        ("11", "Windows-11", "Windows-11"),
    ],
)
def test_of_a_kernel_only_the_version_is_recorded(monkeypatch, release, terse, told):
    monkeypatch.setattr(platform, "release", lambda: release)
    monkeypatch.setattr(platform, "platform", lambda **_: terse)
    records._installation.cache_clear()
    try:
        assert records.environment()["platform"] == told
    finally:
        records._installation.cache_clear()


def test_a_run_that_lost_its_config_json_still_knows_the_machine(tmp_path):
    with begin(tmp_path) as run:
        (run.folder / "config.json").unlink()
        assert run.environment() == environment()


def test_a_run_is_finished_only_with_all_the_epochs_that_are_asked_for(tmp_path):
    config = CnnConfig(epochs=5).resolve()
    with Run.create(tmp_path, "cnn", "x", {"section": "cnn"}, config) as run:
        assert run.status() == "unfinished"
        for status in ("interrupted", "failed"):
            run.write_record(a_record(config, status=status))
            assert run.status() == status
        run.write_record(a_record(config))
        assert (run.status(), run.status(6)) == ("ok", "unfinished")
        run.lengthen(6)
        assert run.status() == "unfinished" and run.config() == replace(config, epochs=6)
        run.write_record(a_record(replace(config, epochs=6), epochs=6))
        assert run.status() == "ok"
