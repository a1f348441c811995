"""A run on disk: one type to create, open, read, resume and record it."""

import csv
import functools
import io
import json
import shutil
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from rdfia_keras.config import CONFIGS, Config, RunOptions
from rdfia_keras.errors import RdfiaError
from rdfia_keras.runs import checkpoint
from rdfia_keras.runs.environment import bit_facts, environment
from rdfia_keras.runs.files import make_folder, to_json, write_atomic
from rdfia_keras.runs.history import EpochRow, history_bytes, read_history, scores, summary_rows
from rdfia_keras.runs.record import Record

FILES = ("config.json", "metrics.json")
# What reading a damaged file may raise.
UNREADABLE_ERRORS = (
    *(RdfiaError, OSError, ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError),
    RecursionError,
    csv.Error,
)


class RunLocked(RdfiaError):
    """Another process writes the run, or is about to train it."""


class Run:
    """A run's folder, `out/section/name`.

    Reading needs no lock. `create` and `open` lock the run against a second writer until `close`, or the end of a
    `with` block. The lock file lies beside the folder, as `.name.lock`: Windows deletes no folder with an open file.

    Args:
        folder: The folder of the run's files.
        name: Its name: `cnn/augment`, or `reference/cnn/augment` for a result of the package.

    Attributes:
        exit_code: The exit code for the process that trained it; None if this process did not.
    """

    def __init__(self, folder: Path, name: str = ""):
        self.folder = folder
        self.name = name or f"{folder.parent.name}/{folder.name}"
        self.exit_code: int | None = None

    @functools.cached_property
    def _lock(self) -> FileLock:
        folder = self.folder.resolve()  # The path `.` has no name.
        # The fallback would keep the lock after the end of a process on another machine.
        return FileLock(folder.with_name(f".{folder.name}.lock"), fallback_to_soft=False)

    def __repr__(self) -> str:
        return f"Run({self.name!r}, {self.status})"

    # --- making, opening, deleting ------------------------------------------------------------------------------------

    @classmethod
    def create(
        cls, out: Path, name: str, config: Config, facts: Mapping[str, Any] | None = None, overwrite: bool = False
    ) -> "Run":
        """Make a new folder, `name` or else `name-2`, `name-3`, ..., and write `config.json` into it.

        It holds the settings, the command line, versions, machine and `facts`: options, data set, device. With
        `overwrite` the folder `name` is replaced if it holds a run.

        Raises:
            RdfiaError: If the folder cannot be made or written, before any training.
        """
        parent = make_folder(out / config.section)
        if overwrite and (parent / name).exists():
            Run(parent / name).delete()
        run = cls(new_folder(parent, name))
        content = {"argv": sys.argv[1:], "section": config.section, "experiment": name, "config": config.to_dict()}
        try:
            run._acquire_lock()
            run._write_started({**content, **(facts or {}), **environment()})
        except RdfiaError:
            run.close()
            shutil.rmtree(run.folder, ignore_errors=True)
            raise
        return run

    @classmethod
    def open(cls, folder: Path) -> "Run":
        """Lock a run to resume it, and remove what a killed process left half written.

        Raises:
            RdfiaError: If it is not a run's folder.
            RunLocked: If another process writes it.
        """
        run = cls(folder)
        _ = run.started
        run._acquire_lock()
        for part in folder.rglob(".*.part*"):
            part.unlink(missing_ok=True)
        return run

    def delete(self) -> None:
        """Delete the folder.

        Raises:
            RdfiaError: If it is not a run's.
            RunLocked: If another process writes it.
        """
        if not any((self.folder / name).is_file() for name in FILES):
            raise RdfiaError(
                f"--overwrite: {self.folder} is not a run's folder (it has neither {' nor '.join(FILES)}); "
                "remove it by hand"
            )
        self._acquire_lock()
        try:
            shutil.rmtree(self.folder)
        except OSError as error:
            raise RdfiaError(f"--overwrite: cannot remove {self.folder}: {error.strerror}") from error
        finally:
            self.close()

    def is_locked(self) -> bool:
        """Return whether a process writes this run."""
        try:
            with Run(self.folder)._lock.acquire(timeout=0):
                return False
        except Timeout:
            return True
        except OSError:  # `open` says why.
            return False

    def _acquire_lock(self) -> None:
        """Take the lock. The system releases it when the process ends, however it ends."""
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise RunLocked(f"{self.folder} is being written by another process; wait for it to end") from error
        except OSError as error:
            raise RdfiaError(f"cannot write into {self.folder}: {error.strerror}; choose another --out") from error

    def close(self) -> None:
        """Release the lock."""
        self._lock.release()

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    # --- reading ------------------------------------------------------------------------------------------------------

    @functools.cached_property
    def started(self) -> dict[str, Any]:
        """The content of `config.json`: settings, options, data, device, versions.

        Raises:
            RdfiaError: If it is missing or damaged.
        """
        try:
            facts = json.loads((self.folder / "config.json").read_text(encoding="utf-8"))
            _ = facts["config"], facts["section"]
            return dict(facts)
        except UNREADABLE_ERRORS as error:
            raise RdfiaError(f"{self.folder} is not a run's folder: config.json is missing or damaged") from error

    @functools.cached_property
    def record(self) -> Record | None:
        """The content of `metrics.json`; None where there is none, or it is damaged."""
        try:
            return Record.from_dict(json.loads((self.folder / "metrics.json").read_text(encoding="utf-8")))
        except UNREADABLE_ERRORS:
            return None

    @functools.cached_property
    def config(self) -> Config:
        """All settings, as the run was started or last made longer.

        Raises:
            RdfiaError: If they cannot be read, or are of another version.
        """
        try:
            return CONFIGS[self.started["section"]].from_dict(self.started["config"])
        except UNREADABLE_ERRORS as error:
            if self.record:
                return self.record.config
            _ = self.started  # A damaged `config.json` is reported as such.
            raise RdfiaError(f"{self.folder}: config.json has settings that this version does not know") from error

    @property
    def result(self) -> Record:
        """The record of a finished run.

        Raises:
            RdfiaError: If there is none.
        """
        if self.record is None:
            raise RdfiaError(f"{self.name} has not ended yet ({self.status}): run rdfia resume {self.folder}")
        return self.record

    @property
    def section(self) -> str:
        """The section of its settings, or the folder that it lies in if they cannot be read."""
        with suppress(RdfiaError):
            return self.config.section
        return self.folder.parent.name

    def _started_fact(self, *path: str | int) -> Any:
        """Return a member of `config.json` by its path; None where it cannot be read."""
        with suppress(*UNREADABLE_ERRORS):
            fact: Any = self.started
            for name in path:
                fact = fact[name]
            return fact
        return None

    @property
    def experiment(self) -> str:
        """Name of its experiment; empty if it cannot be read."""
        return self.record.experiment if self.record else str(self._started_fact("experiment") or "")

    @property
    def quick(self) -> bool:
        """Whether it is a smoke test."""
        return self.record.quick if self.record else bool(self._started_fact("options", "quick"))

    @property
    def is_trial(self) -> bool:
        """Whether `rdfia sweep` or `rdfia ablate` started it."""
        return self._started_fact("argv", 0) in ("sweep", "ablate")

    @property
    def files(self) -> dict[str, str]:
        """Digests of the files that its settings name, by setting."""
        return (self.record.details.get("files") if self.record else self._started_fact("files")) or {}

    @property
    def data_digest(self) -> str | None:
        """Digest of its data set."""
        digest = self.record.dataset.get("digest") if self.record else self._started_fact("dataset", "digest")
        return digest if isinstance(digest, str) else None

    @property
    def epochs_asked(self) -> int:
        """The number of epochs that it was started or made longer for; 0 for what is not trained in epochs."""
        with suppress(RdfiaError):
            return self.config.epochs or 0
        return 0

    @property
    def epochs(self) -> int:
        """The number of finished epochs."""
        return self.record.epochs if self.record else len(self.curve())

    @property
    def status(self) -> str:
        """The way in which the run ended, one of `config.STATUSES`.

        `unfinished`: its process died or still trains, or it has fewer epochs than it was made longer for.
        """
        if self.record is None:
            try:
                _ = self.config
            except RdfiaError:
                return "unreadable"
            return "unreadable" if (self.folder / "metrics.json").exists() else "unfinished"
        if self.record.status == "ok" and self.record.epochs < self.epochs_asked:
            return "unfinished"
        return self.record.status

    def check_readable(self) -> None:
        """Refuse a run of which nothing can be read.

        Raises:
            RdfiaError: If its record, or without a record its settings, cannot be read.
        """
        if self.status == "unreadable":
            raise RdfiaError(f"cannot read {self.name}: the record in {self.folder} is damaged or of another version")

    def started_options(self) -> RunOptions:
        """Return the options that it was started with, once all is there of `config.json` that a resume needs.

        Raises:
            RdfiaError: If something is missing, or of another type.
        """
        facts = self.started
        try:
            values = {name: facts["options"][name] for name in ("quick", "deterministic", "device", "data_dir")}
            options = RunOptions(**{**values, "data_dir": values["data_dir"] and Path(values["data_dir"])})
            counts = [change["after_epoch"] for change in facts.get("resumed", [])]
            is_whole = isinstance(facts["backend"], str) and all(isinstance(count, int) for count in counts)
            if not (is_whole and all(isinstance(facts.get(name, {}), dict) for name in ("dataset", "files"))):
                raise TypeError("back end, data set, files or changes are none")
        except UNREADABLE_ERRORS as error:
            raise RdfiaError(
                f"cannot resume {self.folder}: config.json does not say how it was started; start a new run"
            ) from error
        return options

    def is_finished(self, epochs: int) -> bool:
        """Return whether it ended well after at least this number of epochs."""
        return self.record is not None and self.record.status == "ok" and self.record.epochs >= epochs

    def has_checkpoint(self) -> bool:
        """Return whether something was saved to resume from."""
        return (self.folder / checkpoint.FOLDER).is_dir()

    def history(self) -> list[EpochRow]:
        """Return a row for each epoch; of several implementations of the perceptron, one after the other.

        Raises:
            RdfiaError: If `history.csv` is missing or damaged.
        """
        path = self.folder / "history.csv"
        try:
            return read_history(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, TypeError, csv.Error) as error:
            raise RdfiaError(f"cannot read {path}: {error}; remove the folder to train it again") from error

    def histories(self) -> dict[str, list[EpochRow]]:
        """Return the `history` by implementation of the perceptron; other runs have one, without a name.

        Raises:
            RdfiaError: If `history.csv` is missing or damaged.
        """
        by_name: dict[str, list[EpochRow]] = {}
        for row in self.history():
            by_name.setdefault(row.get("implementation", ""), []).append(row)
        return by_name

    def curve(self) -> list[EpochRow]:
        """Return a row for each epoch, of the first implementation; none where `history.csv` cannot be read."""
        with suppress(*UNREADABLE_ERRORS):
            first = next(iter(self.histories().values()), [])
            return first if all(map(scores, first)) else []
        return []

    def summary(self) -> dict[str, Any]:
        """Return the run in one row, for lists and JSON. Accuracies are fractions; None where nothing is known."""
        record, settings = self.record, {}
        with suppress(RdfiaError):
            settings = self.config.resolve().to_dict()
        rows = [] if record or self.status != "unfinished" else self.curve()
        chosen = vars(record) if record else summary_rows(rows)
        best, selected, final = (chosen[name] or {} for name in ("best", "selected", "final"))
        digest = record and record.details.get("weights_digest")
        return {
            "run": self.name,
            "section": self.section,
            "seed": settings.get("seed"),
            "folder": self.folder,
            "status": self.status,
            "experiment": self.experiment,
            "quick": self.quick,
            "epochs": record.epochs if record else len(rows),
            "epochs_asked": self.epochs_asked,
            "best": best.get("test_accuracy"),
            "best_epoch": best.get("epoch"),
            "final": final.get("test_accuracy"),
            "selected": selected.get("test_accuracy"),
            "selected_epoch": selected.get("epoch"),
            "loss": final.get("test_loss"),
            "seconds": record.seconds if record else None,
            "parameters": record.details.get("parameters") if record else None,
            "weights_digest": next(iter(digest.values()), None) if isinstance(digest, dict) else digest,
            "data_digest": self.data_digest,
            "settings": settings,
        }

    # --- writing ------------------------------------------------------------------------------------------------------

    def write(self, name: str, data: bytes) -> None:
        """Write a file of the folder atomically."""
        write_atomic(self.folder / name, data)

    def write_arrays(self, name: str, arrays: Mapping[str, Any]) -> None:
        """Write a compressed `.npz` file of arrays by name."""
        content = io.BytesIO()
        np.savez_compressed(content, **arrays)
        self.write(name, content.getvalue())

    def write_history(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write `history.csv`."""
        self.write("history.csv", history_bytes(rows))

    def write_record(self, record: Record) -> None:
        """Write `metrics.json`. Do it last: a run whose status is ok has all its files."""
        self.write("metrics.json", to_json(record.to_dict()).encode())
        self.record = record

    def _write_started(self, facts: dict[str, Any]) -> None:
        self.write("config.json", to_json(facts).encode())
        self.started = facts
        self.__dict__.pop("config", None)

    def start_resume(self, epochs: int, done: int) -> list[str]:
        """Note in `config.json` the number of epochs and what changed of versions and machine.

        A resume that ended before it finished an epoch has changed nothing, and is forgotten.

        Args:
            epochs: The number of epochs that the run is to have.
            done: The finished epochs, of all implementations together.

        Returns:
            Each change on which the last bits of a training depend, in words.
        """
        facts, backend = self.started, self.started.get("backend", "tensorflow")
        resumed = facts.get("resumed", [])
        changes = [change for change in resumed if change["after_epoch"] < done]
        before = bit_facts(facts, backend)
        for change in changes:
            before |= {name: change[name] for name in before.keys() & change}
        now = bit_facts(environment(), backend)
        changed = {name: now[name] for name, value in before.items() if value is not None and now[name] != value}
        if changed:
            changes.append({"after_epoch": done, **changed})
        if changes != resumed or self.config.epochs != epochs:
            noted = {"resumed": changes} if changes else {}
            content = {name: value for name, value in facts.items() if name != "resumed"}
            self._write_started({**content, "config": replace(self.config, epochs=epochs).to_dict(), **noted})
        return [f"{name} {value} instead of {before[name]}" for name, value in changed.items()]

    def environment(self) -> dict[str, Any]:
        """Return versions and machine, and what changed of them when the run was resumed."""
        with suppress(RdfiaError):  # A record is written although `config.json` was lost meanwhile.
            if resumed := self.started.get("resumed"):
                return {**environment(), "resumed": resumed}
        return environment()


def new_folder(parent: Path, name: str) -> Path:
    """Make `parent/name`, or else `name-2`, `name-3`, ...

    Raises:
        RdfiaError: If it cannot be made.
    """
    number = 1
    while True:
        folder = parent / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir()
            return folder
        except FileExistsError:
            number += 1
        except OSError as error:
            raise RdfiaError(f"cannot make the folder {folder}: {error.strerror}; choose another --out") from error
