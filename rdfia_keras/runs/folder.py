"""A run's folder: made atomically, locked while it is written, never mixed with another run's."""

import json
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from rdfia_keras.config import CONFIGS, Config
from rdfia_keras.errors import RdfiaError
from rdfia_keras.runs import checkpoints
from rdfia_keras.runs.files import make_folder, to_json, write_atomic
from rdfia_keras.runs.records import HISTORY_COLUMNS, Record, environment, history_bytes, numerics, read_record


class Run:
    """One run's folder, `out/section/name`, locked against a second writer until it is closed.

    The lock lies beside the folder, as `.name.lock`: Windows deletes no folder with an open file.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._lock = FileLock(folder.with_name(f".{folder.name}.lock"))

    @classmethod
    def create(
        cls, out: Path, section: str, name: str, facts: Mapping[str, Any], config: Config, overwrite: bool = False
    ) -> "Run":
        """Make a new folder, `name` or else `name-2`, `name-3`, ..., and write `config.json` into it.

        Args:
            out: The results folder; made when absent.
            section: `mlp`, `svm` or `cnn`.
            name: The experiment's name.
            facts: What else to keep: options, data set, device; argv, versions and machine are added.
            config: What decides the run.
            overwrite: Replace the folder `name` when it holds a finished run, instead of numbering a new one.

        Raises:
            RdfiaError: When the folder cannot be made or written, before any training.
        """
        parent = make_folder(out / section)
        if overwrite and (parent / name).exists():
            remove_run(parent / name)
        run = cls(new_folder(parent, name))
        try:
            run._hold()
            content = {"argv": sys.argv[1:], "experiment": name, "config": config.to_dict(), **facts, **environment()}
            run.write_json("config.json", content)
        except RdfiaError:
            run.close()
            shutil.rmtree(run.folder, ignore_errors=True)
            raise
        return run

    @classmethod
    def open(cls, folder: Path) -> "Run":
        """A run to resume: its folder, locked, without what a killed process had half written.

        Raises:
            RdfiaError: When it is no run's folder, or another process is writing it.
        """
        run = cls(folder)
        run.facts()
        run._hold()
        for part in folder.rglob(".*.part*"):
            part.unlink(missing_ok=True)
        return run

    def facts(self) -> dict[str, Any]:
        """The content of `config.json`.

        Raises:
            RdfiaError: When the folder has no readable `config.json`.
        """
        path = self.folder / "config.json"
        try:
            facts = json.loads(path.read_text(encoding="utf-8"))
            _ = facts["config"], facts["section"]
            return dict(facts)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise RdfiaError(f"{self.folder} is not a run's folder: {path.name} is missing or damaged") from error

    def config(self) -> Config:
        """What decided this run.

        Raises:
            RdfiaError: When `config.json` cannot be read, or has settings that this version does not know.
        """
        facts = self.facts()
        try:
            return CONFIGS[facts["section"]].from_dict(facts["config"])
        except (RdfiaError, KeyError, TypeError) as error:
            raise RdfiaError(f"{self.folder}: config.json has settings that this version does not know") from error

    def lengthen(self, epochs: int) -> None:
        """Note in `config.json` that a resumed run was made longer."""
        facts, config = self.facts(), self.config()
        if config.epochs != epochs:
            self.write_json("config.json", {**facts, "config": replace(config, epochs=epochs).to_dict()})

    def note_resume(self, done: int) -> list[str]:
        """Note in `config.json` that a run is resumed with other versions, or on another machine, than until now.

        A resume that ended before it finished an epoch has changed nothing, and is forgotten.

        Args:
            done: Its finished epochs, of all implementations together.

        Returns:
            Each difference on which the last bits of a training depend, in words.
        """
        facts = self.facts()
        resumed, backend = facts.get("resumed", []), facts.get("backend", "tensorflow")
        changes = [change for change in resumed if change["after_epoch"] < done]
        before = numerics(facts, backend)
        for change in changes:
            before |= {name: change[name] for name in before.keys() & change}
        now = numerics(environment(), backend)
        changed = {name: now[name] for name, value in before.items() if value is not None and now[name] != value}
        if changed:
            changes.append({"after_epoch": done, **changed})
        if changes != resumed:
            self.write_json("config.json", {**facts, "resumed": changes})
        return [f"{name} {value} instead of {before[name]}" for name, value in changed.items()]

    def environment(self) -> dict[str, Any]:
        """Versions and machine, and what changed of them when the run was resumed."""
        with suppress(RdfiaError):  # A record is written although `config.json` was lost meanwhile.
            if resumed := self.facts().get("resumed"):
                return {**environment(), "resumed": resumed}
        return dict(environment())

    def status(self, epochs: int | None = None) -> str:
        """`ok`, `failed`, `interrupted`, or `unfinished`: the process died, or it has fewer epochs than asked for.

        Args:
            epochs: How many are asked for; None for the run's own number.
        """
        stored = read_record(self.folder)
        if stored is None:
            return "unfinished"
        with suppress(RdfiaError):
            asked = epochs or self.config().epochs or 0
            if stored.record.status == "ok" and stored.record.epochs < asked:
                return "unfinished"
        return stored.record.status

    def is_free(self) -> bool:
        """Whether no process is writing this run."""
        try:
            with FileLock(self._lock.lock_file).acquire(timeout=0):
                return True
        except (Timeout, OSError):
            return False

    def _hold(self) -> None:
        """Take the lock; the system lets go of it when the process ends, however it ends."""
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise RdfiaError(f"{self.folder} is being written by another process; wait for it to end") from error
        except OSError as error:
            raise RdfiaError(f"cannot write into {self.folder}: {error.strerror}; choose another --out") from error

    def close(self) -> None:
        """Let go of the lock."""
        self._lock.release()

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def write(self, name: str, data: bytes) -> None:
        write_atomic(self.folder / name, data)

    def write_json(self, name: str, value: Mapping[str, Any]) -> None:
        self.write(name, to_json(dict(value)).encode())

    def write_history(self, rows: Iterable[Mapping[str, Any]], columns: Sequence[str] = HISTORY_COLUMNS) -> None:
        self.write("history.csv", history_bytes(rows, columns))

    def write_record(self, record: Record) -> None:
        """Write `metrics.json`. Do it last: a run whose status is ok has all its files."""
        self.write_json("metrics.json", record.to_dict())

    def has_checkpoint(self) -> bool:
        return (self.folder / checkpoints.FOLDER).is_dir()


def new_folder(parent: Path, name: str) -> Path:
    """Make `parent/name`, or else `name-2`, `name-3`, ...

    Raises:
        RdfiaError: When it cannot be made.
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


def remove_run(folder: Path) -> None:
    """Delete a run's folder.

    Raises:
        RdfiaError: When it is no run's, or another process is writing it.
    """
    if not any((folder / name).is_file() for name in ("config.json", "metrics.json")):
        raise RdfiaError(
            f"--overwrite: {folder} is not a run's folder (it has neither config.json nor metrics.json); "
            "remove it by hand"
        )
    held = Run(folder)
    held._hold()
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise RdfiaError(f"--overwrite: cannot remove {folder}: {error.strerror}") from error
    finally:
        held.close()
