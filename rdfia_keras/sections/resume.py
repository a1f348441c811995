"""Resume a run that was cut off, or make a finished one longer."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rdfia_keras.config import CnnConfig, Config, MlpConfig, RunOptions, dataset_name, label
from rdfia_keras.data import Dataset, load_images, load_vectors
from rdfia_keras.errors import RdfiaError
from rdfia_keras.experiments import match_registered
from rdfia_keras.report.result import Result
from rdfia_keras.runs.files import file_digests
from rdfia_keras.runs.folder import Run
from rdfia_keras.runs.records import read_record
from rdfia_keras.runs.store import RunStore
from rdfia_keras.sections import cnn, mlp
from rdfia_keras.sections.common import Finished, prepare
from rdfia_keras.system.backend import backend_name, set_up_backend
from rdfia_keras.system.terminal import note

TRAIN: dict[str, Callable[..., Finished]] = {"mlp": mlp.train, "cnn": cnn.train}


def run(
    folder: Path | None,
    options: RunOptions,
    given: Mapping[str, Any] | None = None,
    section: str | None = None,
    **more: Any,
) -> Result:
    """Resume a run; it ends with the same bits as one that was never interrupted.

    Args:
        folder: The run's folder, or its name below `options.out`; None for the latest unfinished one there.
        options: Its `data_dir` and `device` count if they are in `given`; the others are those of the run's start.
        given: Settings that the user names now: only the number of epochs may differ, and only grow.
        section: The section whose runs may be resumed; None for any.
        more: Passed to the section, such as `animate` of mlp.

    Raises:
        RdfiaError: When the folder is no such run's, or something differs from its start.
    """
    given = given or {}
    if folder is None:
        folder = RunStore(options.out).latest_unfinished(section or "*")
    elif not folder.exists():
        folder = RunStore(options.out).folder_of(folder.as_posix()) or folder
    with Run.open(folder) as resumed:
        facts = resumed.facts()
        if facts["section"] not in TRAIN or section not in (None, facts["section"]):
            wanted = f"not of rdfia {section}" if section else "which cannot be resumed; run it again"
            raise RdfiaError(f"cannot resume {folder}: this is a run of rdfia {facts['section']}, {wanted}")
        config = resumed.config()
        epochs = check_settings(resumed, config, given)
        check_backend(resumed, facts["backend"])
        if resumed.status(epochs) == "ok":
            note(f"{folder} is finished already; --epochs makes it longer")
            return _finished(folder).result()
        check_files(resumed, facts, config)
        options = _options_of(facts["options"], options, given)
        data = _load(config, options.data_dir)
        check_data(resumed, facts, data, options.quick)
        set_up_backend(options.device, options.deterministic)
        return resume(resumed, config.with_epochs(epochs), data, options, **more).result()


def resume(resumed: Run, config: Config, data: Dataset, options: RunOptions, **more: Any) -> Finished:
    """Train a run on from its last checkpoint."""
    return TRAIN[config.section](match_registered(config), data, options, resumed, **more)


def check_settings(resumed: Run, config: Config, given: Mapping[str, Any]) -> int:
    """The number of epochs that is asked for, once nothing else differs.

    Raises:
        RdfiaError: With what differs.
    """
    own = config.epochs or 0
    for name, value in given.items():
        known = getattr(config, name, value)
        value = _whole(name, value)
        if name != "epochs" and known != value:
            raise RdfiaError(
                f"cannot resume {resumed.folder}: {label(config, name)} was {known} and is now {value}; only epochs "
                "(--epochs) may change, so leave the option out or start a new run"
            )
    asked = given.get("epochs") or own
    if asked < own:
        raise RdfiaError(
            f"cannot resume {resumed.folder}: epochs (--epochs) was {own} and can only grow, not become {asked}"
        )
    return int(asked)


def _whole(name: str, value: Any) -> Any:
    """The value of a setting as a run's `config.json` keeps it: paths are whole there."""
    if name == "init":
        return value and str(Path(value).resolve())
    return dataset_name(value) if name == "dataset" else value


def check_backend(resumed: Run, backend: str) -> None:
    """Refuse another back end than the run's, before that is imported."""
    if backend != backend_name():
        raise RdfiaError(
            f"cannot resume {resumed.folder}: it was started with the {backend} back end and this is {backend_name()}; "
            f"set KERAS_BACKEND={backend}"
        )


def check_files(resumed: Run, facts: Mapping[str, Any], config: Config) -> None:
    """Refuse other points or other initial weights than those of the files that the run was started with."""
    recorded = facts.get("files", {})
    for name, digest in file_digests(config).items():
        if digest != recorded.get(name):
            raise RdfiaError(
                f"cannot resume {resumed.folder}: {getattr(config, name)} is another file now (digest {digest}, was "
                f"{recorded.get(name)}); put the old one back or start a new run"
            )


def check_data(resumed: Run, facts: Mapping[str, Any], data: Dataset, quick: bool) -> None:
    """Refuse other data than the run's."""
    config = resumed.config()
    assert isinstance(config, MlpConfig | CnnConfig)
    now, recorded = prepare(data, config, quick).describe(), facts["dataset"]
    if now["digest"] != recorded["digest"]:
        raise RdfiaError(
            f"cannot resume {resumed.folder}: the data set {data.name} is another one now (digest {now['digest']}, "
            f"was {recorded['digest']}); point --data-dir to the one it was started with"
        )
    if now.get("validation_digest") != recorded.get("validation_digest"):
        raise RdfiaError(
            f"cannot resume {resumed.folder}: other examples would be held out for validation than at its start; "
            "resume it with the versions that it was started with, or start a new run"
        )


def _load(config: Config, data_dir: Path | None) -> Dataset:
    load = load_images if config.section == "cnn" else load_vectors
    return load(config.dataset, data_dir)


def _options_of(recorded: Mapping[str, Any], options: RunOptions, given: Mapping[str, Any]) -> RunOptions:
    """The options of the run's start, with what the user names now."""
    data_dir = given.get("data_dir") or recorded["data_dir"]
    return replace(
        options,
        quick=recorded["quick"],
        deterministic=recorded["deterministic"],
        device=given.get("device") or recorded["device"],
        data_dir=Path(data_dir) if data_dir else None,
        overwrite=False,
    )


def _finished(folder: Path) -> Finished:
    stored = read_record(folder)
    assert stored is not None, "its status is ok"
    return Finished(stored.record, folder)
