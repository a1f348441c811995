"""Run folders and files: atomic, numbered, locked, and readable whatever happened to them."""

import json
import platform
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from importlib import metadata
from pathlib import Path

import pytest
from stored_runs import record_of

from rdfia_keras.config import CnnConfig, Config, MlpConfig, SvmConfig
from rdfia_keras.errors import RdfiaError
from rdfia_keras.experiments import REGISTRY
from rdfia_keras.runs import environment as environments
from rdfia_keras.runs import files, history
from rdfia_keras.runs.environment import environment
from rdfia_keras.runs.record import SCHEMA, Record
from rdfia_keras.runs.run import Run
from rdfia_keras.runs.store import reference_store

CNN = CnnConfig(epochs=5).resolve()


def begin(out: Path, name: str = "circles", config: Config | None = None, **more) -> Run:
    return Run.create(out, name, config or MlpConfig(epochs=5), **more)


@pytest.fixture
def full_disk(monkeypatch):
    """A disk on which nothing can be flushed."""

    def full(_fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)


# --- folders ----------------------------------------------------------------------------------------------------------


def test_folders_are_numbered_when_taken(tmp_path):
    assert [begin(tmp_path).folder.name for _ in range(3)] == ["circles", "circles-2", "circles-3"]


def test_runs_at_once_get_separate_folders(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(lambda _: begin(tmp_path, "x", CNN), range(16)))
    assert len({run.folder for run in runs}) == 16
    assert all(json.loads((run.folder / "config.json").read_text())["versions"]["numpy"] for run in runs)


def test_config_json_holds_what_was_typed_and_what_decides_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["rdfia", "cnn", "--augment"])
    config = CnnConfig(augmentations=("crop", "flip")).resolve()
    with begin(tmp_path, "x", config, facts={"parameters": 3}):
        run = Run(tmp_path / "cnn" / "x")
        assert (run.started["argv"], run.started["parameters"]) == (["cnn", "--augment"], 3)
        assert (run.section, run.experiment, run.config) == ("cnn", "x", config)
        assert run.started["config"] == config.to_dict()


def test_overwrite_replaces_a_run_and_nothing_else(tmp_path):
    with begin(tmp_path) as run:
        run.write("old.txt", b"old")
    again = begin(tmp_path, overwrite=True)
    assert again.folder.name == "circles" and not (again.folder / "old.txt").exists()
    (tmp_path / "mlp" / "mine").mkdir()
    (tmp_path / "mlp" / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(RdfiaError, match="not a run's folder"):
        begin(tmp_path, "mine", overwrite=True)
    assert (tmp_path / "mlp" / "mine" / "thesis.txt").read_text() == "x"


def test_a_record_that_came_without_its_config_can_be_overwritten(tmp_path):
    with begin(tmp_path) as run:
        run.write_record(record_of(MlpConfig(epochs=5)))
    (run.folder / "config.json").unlink()
    with begin(tmp_path, overwrite=True) as again:
        assert again.folder == run.folder and not (run.folder / "metrics.json").exists()


@pytest.fixture
def other_process(tmp_path):
    """A process that is writing the run `circles`, until its stdin is closed."""
    code = (
        "import sys; from pathlib import Path; from rdfia_keras.config import MlpConfig;"
        "from rdfia_keras.runs.run import Run; run = Run.create(Path(sys.argv[1]), 'circles', MlpConfig(epochs=5));"
        "print('locked', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "locked\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_run_that_another_process_writes_is_left_alone(tmp_path, other_process):
    folder = tmp_path / "mlp" / "circles"
    assert Run(folder).is_locked()
    for write in (lambda: begin(tmp_path, overwrite=True), lambda: Run.open(folder)):
        with pytest.raises(RdfiaError, match="is being written by another process; wait for it to end"):
            write()
    assert (folder / "config.json").exists()
    other_process.communicate("")
    assert not Run(folder).is_locked()
    assert begin(tmp_path, overwrite=True).folder == folder


def test_the_lock_lies_beside_the_folder_and_is_no_run(tmp_path):
    run = begin(tmp_path)
    assert run.is_locked() and Run(run.folder).is_locked()
    assert [path.name for path in run.folder.iterdir()] == ["config.json"]
    assert {path.name for path in run.folder.parent.iterdir()} == {"circles", ".circles.lock"}
    run.close()
    assert not run.is_locked()


def test_opening_a_run_removes_half_written_files(tmp_path):
    with begin(tmp_path) as run:
        (run.folder / "checkpoints").mkdir()
        halves = [run.folder / ".metrics.json.12.part", run.folder / "checkpoints" / ".last.ckpt.12.part"]
        for path in halves:
            path.write_bytes(b"half")
        whole = run.folder / "checkpoints" / "last.ckpt"
        whole.write_bytes(b"whole")
    Run.open(run.folder).close()
    assert not any(path.exists() for path in halves) and whole.read_bytes() == b"whole"


def test_a_run_that_cannot_be_created_leaves_no_folder(tmp_path, full_disk):
    with pytest.raises(RdfiaError, match="No space left"):
        begin(tmp_path)
    assert not [path for path in (tmp_path / "mlp").iterdir() if path.is_dir()]


DAMAGED = r"circles is not a run's folder: config\.json is missing or damaged"
UNKNOWN = r"circles: config\.json has settings that this version does not know"
CONFIG = MlpConfig().to_dict()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        *((text, DAMAGED) for text in ("", "{", "[]", "3", '{"config": {}}', '{"section": "mlp"}')),
        *(
            (json.dumps({"section": "mlp", "config": CONFIG, **changes}), UNKNOWN)
            for changes in ({"section": "rnn"}, {"config": {"width": 3}}, {"config": {"lr": -1}}, {"config": 3})
        ),
    ],
)
def test_a_damaged_config_is_named_unless_the_record_has_the_settings(tmp_path, content, message):
    with begin(tmp_path) as run:
        (run.folder / "config.json").write_text(content)
        with pytest.raises(RdfiaError, match=message):
            _ = Run(run.folder).config
        run.write_record(record_of(MlpConfig(lr=0.5).resolve()))
    assert Run(run.folder).config.lr == 0.5


# --- files ------------------------------------------------------------------------------------------------------------


def test_a_failed_write_leaves_the_old_file(tmp_path, full_disk):
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(RdfiaError, match="No space left"):
        files.write_atomic(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_json_has_no_nan_which_other_languages_refuse():
    text = files.to_json({"a": float("nan"), "b": [float("inf"), (1.5, -float("inf"))], "c": Path("é"), "d": {1: None}})
    assert json.loads(text, parse_constant=pytest.fail) == {
        "a": None,
        "b": [None, [1.5, None]],
        "c": "é",
        "d": {"1": None},
    }


ROW = {**dict.fromkeys(history.HISTORY_COLUMNS, 0.5), "epoch": 1, "train_loss": 1 / 3, "train_accuracy": 2e-17}


@pytest.mark.parametrize(
    ("row", "columns"),
    [
        (ROW, history.HISTORY_COLUMNS),
        (
            ROW | {"validation_loss": 1 / 3, "validation_accuracy": 0.25},
            (*history.HISTORY_COLUMNS, *history.VALIDATION_COLUMNS),
        ),
        ({"implementation": "tape"} | ROW, ("implementation", *history.HISTORY_COLUMNS)),
    ],
    ids=["plain", "validation set", "perceptron"],
)
def test_history_is_written_in_full_and_read_again(tmp_path, row, columns):
    with begin(tmp_path) as run:
        run.write_history([row])
        assert run.history() == run.curve() == [row]
    assert (run.folder / "history.csv").read_text().splitlines()[0].split(",") == list(columns)


@pytest.mark.parametrize(
    "content", [None, b"epoch,lr\n1,x\n", b"epoch,lr\n1\n", b"\xff\xfe", b"epoch\n" + b"1" * 200_000], ids=str
)
def test_a_history_that_cannot_be_read_is_named(tmp_path, content):
    if content is not None:
        (tmp_path / "history.csv").write_bytes(content)
    with pytest.raises(RdfiaError, match=r"history\.csv: .*; remove the folder to train it again"):
        Run(tmp_path).history()
    assert Run(tmp_path).curve() == []


# --- records ----------------------------------------------------------------------------------------------------------


def test_the_epoch_is_chosen_by_validation_accuracy_where_there_is_one():
    def row(epoch, test, **validation):
        return {"epoch": epoch, "test_accuracy": test, "test_loss": 1.0, **validation}

    plain = [row(1, 0.4), row(2, 0.9), row(3, 0.9)]
    validated = [
        {**values, "validation_accuracy": accuracy, "validation_loss": 2.0}
        for values, accuracy in zip(plain, (0.7, 0.6, 0.7), strict=True)
    ]
    # The first of the highest.
    assert history.best_row(plain) is history.chosen_row(plain) is plain[1]
    assert history.selected_row(plain) is history.best_row([]) is None
    assert history.selected_row(validated) is history.chosen_row(validated) is validated[0]
    assert history.summary_rows(plain) == {"best": plain[1], "selected": None, "final": plain[2]}
    assert history.summary_rows(validated)["selected"] == validated[0]
    assert history.summary_rows([]) == {"best": None, "selected": None, "final": None}


def test_a_pause_does_not_count_as_training():
    rows = [{"seconds": 2.0}, {"seconds": 7200.0}, {"seconds": 2.0}]
    assert history.duration(rows) == 6.0 and history.duration([]) == 0.0


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
    more = {"report": {"figure": 12, "published": 0.8}, "details": {"parameters": 12, "weights_digest": "ab"}}
    more |= {"reason": "why not", "selected": {"epoch": 2, "test_accuracy": 0.5, "test_loss": 1.0}}
    record = record_of(config, environment={"python": "3.11"}, **more)
    with begin(tmp_path, "x", config) as run:
        run.write_record(record)
    again = Run(run.folder)
    assert again.record == again.result == record and again.config == config
    values = json.loads((run.folder / "metrics.json").read_text())
    assert values["schema"] == SCHEMA == 2 and values["config"] == config.to_dict()


def test_a_record_from_before_a_setting_has_its_default():
    values = json.loads(json.dumps(record_of(CnnConfig(validation=0.1).resolve()).to_dict()))
    del values["selected"], values["config"]["validation"], values["config"]["framework_defaults"]
    record = Record.from_dict(values)
    assert record.selected is None
    assert (record.config.validation, record.config.framework_defaults) == (0, "keras")


CHANGED = (
    *({"section": "rnn"}, {"config": {"lr": -1}}, {"config": {"width": 1}}, {"schema": 1}, {"status": "good"}),
    {"final": {"test_accuracy": 0.5, "test_loss": {}}},
    *({"details": {"parameters": "x"}}, {"details": {"weights_digest": [1]}}, {"details": {"files": [1]}}),
    *({"details": {"weights_digest": {"manual": 3}}}, {"dataset": {"digest": {}}}),
)


@pytest.mark.parametrize(
    "content",
    [
        *("", "{", "[]", "null", '{"schema": 2}', '{"schema": 3, "section": "mlp"}'),
        *(files.to_json({**record_of(CNN).to_dict(), **changes}) for changes in CHANGED),
    ],
    ids=[*"abcdef", *map(str, CHANGED)],
)
def test_a_damaged_or_unknown_record_is_none(tmp_path, content):
    assert Run(tmp_path).record is None
    (tmp_path / "metrics.json").write_text(content)
    run = Run(tmp_path)
    assert run.record is None and run.status == "unreadable"
    with pytest.raises(RdfiaError, match="damaged or of another version"):
        run.check_readable()


def test_a_run_without_a_record_has_no_result(tmp_path):
    with begin(tmp_path) as run, pytest.raises(RdfiaError, match=r"has not ended yet \(unfinished\): run rdfia resume"):
        _ = run.result


def test_every_record_that_ships_with_the_package_is_read():
    store = reference_store()
    folders = sorted(path.parent for path in store.root.glob("*/*/metrics.json"))
    assert [run.folder for run in store.runs()] == folders
    for run in store.runs():
        record = run.result
        assert record.status in ("ok", "failed") and not record.quick
        if record.section != "svm":
            assert len(run.history()) >= record.epochs > 0
            chosen = {"best": record.best, "selected": record.selected, "final": record.final}
            assert history.summary_rows(run.curve()) == chosen
        if experiment := REGISTRY.get(record.experiment):
            assert record.report == asdict(experiment.report)


def test_a_run_is_finished_only_with_all_the_epochs_that_are_asked_for(tmp_path):
    with begin(tmp_path, "x", CNN) as run:
        assert run.status == "unfinished"
        for status in ("interrupted", "failed", "ok"):
            run.write_record(record_of(CNN, status=status))
            assert (run.status, run.is_finished(5)) == (status, status == "ok")
        assert not run.is_finished(6)
        run.start_resume(6, 5)
        assert run.status == "unfinished" and run.config == Run(run.folder).config == replace(CNN, epochs=6)
        run.write_record(record_of(replace(CNN, epochs=6), epochs=6))
        assert run.status == Run(run.folder).status == "ok"


# --- where a run was trained ------------------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path):
    with begin(tmp_path, "x", CNN, facts={"backend": "tensorflow"}) as run:
        yield run


def test_a_run_notes_what_changed_of_the_machine_when_it_was_resumed(run, monkeypatch):
    started = run.started
    threads = started["threads"]
    assert run.start_resume(5, 1) == [] and run.started == started
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", str(threads + 1))
    assert run.start_resume(5, 2) == [f"threads {threads + 1} instead of {threads}"]
    assert run.start_resume(5, 3) == []
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", str(threads))
    assert run.start_resume(5, 4) == [f"threads {threads} instead of {threads + 1}"]
    changes = [{"after_epoch": 2, "threads": threads + 1}, {"after_epoch": 4, "threads": threads}]
    assert run.environment()["resumed"] == changes
    assert Run(run.folder).started == started | {"resumed": changes}


def test_a_resume_that_finished_no_epoch_leaves_no_note(run, monkeypatch):
    threads = run.started["threads"]
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", str(threads + 1))
    assert run.start_resume(5, 2) == run.start_resume(5, 2) == [f"threads {threads + 1} instead of {threads}"]
    assert run.environment()["resumed"] == [{"after_epoch": 2, "threads": threads + 1}]
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", str(threads))
    assert run.start_resume(5, 2) == [] and "resumed" not in run.environment()


def test_a_resume_notes_versions_and_processor_but_nothing_that_the_start_did_not_note(run):
    facts = {name: value for name, value in run.started.items() if name != "threads"}
    versions = facts["versions"] | {"tensorflow": "2.0.0", "matplotlib": "1.0", "jax": "0.1"}
    run.write("config.json", files.to_json(facts | {"cpu": "an abacus", "versions": versions}).encode())
    now = {"tensorflow": metadata.version("tensorflow"), "processor": environment()["cpu"]}
    resumed = Run(run.folder)
    assert resumed.start_resume(5, 7) == [
        f"tensorflow {now['tensorflow']} instead of 2.0.0",
        f"processor {now['processor']} instead of an abacus",
    ]
    assert Run(run.folder).started["resumed"] == [{"after_epoch": 7, **now}]


def test_a_run_that_lost_its_config_json_still_knows_the_machine(run):
    (run.folder / "config.json").unlink()
    assert Run(run.folder).environment() == environment()


@pytest.mark.parametrize(
    ("release", "terse", "recorded"),
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
def test_only_the_version_of_a_kernel_is_recorded(monkeypatch, release, terse, recorded):
    monkeypatch.setattr(platform, "release", lambda: release)
    monkeypatch.setattr(platform, "platform", lambda **_: terse)
    environments._installation.cache_clear()
    try:
        assert environment()["platform"] == recorded
    finally:
        environments._installation.cache_clear()
