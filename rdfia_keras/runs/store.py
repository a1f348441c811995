"""The runs below a results folder: which finished one fits, which can be resumed, which to delete.

A run is found by its settings, not by its folder's name, so that a record which came without its checkpoints, with this
package for example, serves as well.
"""

import json
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rdfia_keras.config import Config, MlpConfig
from rdfia_keras.errors import RdfiaError
from rdfia_keras.runs.files import file_digests
from rdfia_keras.runs.folder import Run, remove_run
from rdfia_keras.runs.records import StoredRun, read_record

# A training that diverged ended as well.
FINISHED = ("ok", "failed")
RESUMABLE = ("unfinished", "interrupted")


@dataclass(frozen=True, kw_only=True)
class Query:
    """Which runs will do.

    Attributes:
        config: Of the experiment; its seed is that of the run, its epochs are the least.
        precision: None for any.
        quick: Whether smoke tests are asked for, which never stand for real runs.
        exact: Settings that must be equal although they make no other experiment, `epochs` for example.
    """

    config: Config
    precision: str | None = None
    quick: bool = False
    exact: tuple[str, ...] = ()

    def fits(self, config: Config, quick: bool) -> bool:
        """Whether a run of `config` may stand for the experiment, whatever its number of epochs."""
        precision = getattr(config, "precision", None)
        return (
            type(config) is type(self.config)
            and config.identity() == self.config.identity()
            and config.seed == self.config.seed
            and quick == self.quick
            and all(getattr(config, name) == getattr(self.config, name) for name in self.exact)
            and self._has_implementations(config)
            and (self.precision is None or precision is None or precision == self.precision)
        )

    def _has_implementations(self, config: Config) -> bool:
        if not (isinstance(config, MlpConfig) and isinstance(self.config, MlpConfig)):
            return True
        return set(self.config.implementations) <= set(config.implementations)

    @property
    def epochs(self) -> int:
        return self.config.epochs or 0

    def key(self) -> dict[str, Any]:
        """What two queries have in common exactly when one run will do for both; JSON."""
        config = self.config
        chosen = {
            name: getattr(config, name) for name in ("seed", "implementation", *self.exact) if hasattr(config, name)
        }
        precision = self.precision or getattr(config, "precision", None)
        return {**group(config, self.quick), **chosen, "precision": precision}


def group(config: Config, quick: bool) -> dict[str, Any]:
    """What all runs of an experiment from one seed have in common; JSON."""
    return {"section": config.section, "identity": config.identity(), "seed": config.seed, "quick": quick}


class RunStore:
    """The runs of a results folder.

    Args:
        root: The folder, with a folder for each section.
        names: A pattern of the runs' folder names, where few of many are of interest.
    """

    def __init__(self, root: Path, names: str = "*"):
        self.root = root
        self.names = names

    def runs(self, section: str = "*") -> Iterator[StoredRun]:
        """Every run with a whole record, by section and name."""
        for path in sorted(self.root.glob(f"{section}/{self.names}/metrics.json")):
            if stored := read_record(path.parent):
                yield stored

    def folders(self) -> list[Path]:
        """Every run's folder, with a record or without, by section and name."""
        files = (path for name in ("config.json", "metrics.json") for path in self.root.glob(f"*/*/{name}"))
        return sorted({path.parent for path in files})

    def folder_of(self, name: str) -> Path | None:
        """The folder `section/name`, or the only one that is called so in any section.

        Raises:
            RdfiaError: When there are several.
        """
        folders = {folder.relative_to(self.root).as_posix(): folder for folder in self.folders()}
        if name in folders:
            return folders[name]
        found = [below for below, folder in folders.items() if folder.name == name]
        if len(found) > 1:
            raise RdfiaError(f"several runs are called {name}: name one of {', '.join(found)}")
        return folders[found[0]] if found else None

    def candidates(self, query: Query) -> Iterable[StoredRun]:
        """Runs with a whole record among which `find_finished` looks."""
        return self.runs(query.config.section)

    def find_finished(self, query: Query) -> StoredRun | None:
        """The whole run of most epochs; without one a run that diverged, since it would diverge again."""
        found, files = [], file_digests(query.config)
        for stored in self.candidates(query):
            record = stored.record
            if not query.fits(record.config, record.quick) or record.details.get("files", {}) != files:
                continue
            whole = record.status == "ok" and (record.epochs >= query.epochs or query.quick)
            # In another precision it might not diverge.
            asked = query.precision or getattr(query.config, "precision", None)
            diverged = record.diverged and getattr(record.config, "precision", None) == asked
            if whole or diverged:
                found.append(stored)
        return max(found, key=lambda run: (run.record.status == "ok", run.record.epochs), default=None)

    def find_resumable(self, query: Query) -> Path | None:
        """The folder of a run that was cut off, or is shorter than asked for, and that nobody is writing."""
        for run in self._folders(query.config.section):
            # Without a checkpoint there is nothing to resume from; without an epoch there is nothing to lose.
            if not run.has_checkpoint() and _has_epochs(run.folder):
                continue
            with suppress(RdfiaError):
                config, facts = run.config(), run.facts()
                same_files = facts.get("files", {}) == file_digests(query.config)
                if same_files and query.fits(config, facts.get("options", {}).get("quick", False)):
                    short = query.quick or (config.epochs or 0) <= query.epochs
                    if short and run.is_free():
                        return run.folder
        return None

    def latest_unfinished(self, section: str = "*") -> Path:
        """The folder of the run that started last of those that can be resumed.

        A run that failed would fail again, and one that is being written is left alone; both can still be named.

        Raises:
            RdfiaError: When there is none.
        """
        folders = [
            run.folder
            for run in self._folders(section)
            if _is_resumable(run) and run.status() in RESUMABLE and run.is_free()
        ]
        if not folders:
            where = self.root if section == "*" else self.root / section
            raise RdfiaError(f"there is no unfinished run in {where}; name a run's folder, or see --out")
        return max(folders, key=lambda folder: (folder / "config.json").stat().st_mtime)

    def delete(self, query: Query) -> None:
        """Delete the runs that `find_finished` or `find_resumable` would give, and no others."""
        for stored in list(self.runs(query.config.section)):
            if query.fits(stored.record.config, stored.record.quick):
                remove_run(stored.folder)
        for run in self._folders(query.config.section):
            with suppress(RdfiaError):
                if query.fits(run.config(), run.facts().get("options", {}).get("quick", False)):
                    remove_run(run.folder)

    def _folders(self, section: str) -> Iterator[Run]:
        for path in sorted(self.root.glob(f"{section}/{self.names}/config.json")):
            yield Run(path.parent)


class Snapshot(RunStore):
    """The finished runs of a results folder as they are now, read once: for many queries.

    Args:
        without: Folders to leave out, because their records are damaged.
    """

    def __init__(self, root: Path, without: Collection[Path] = ()):
        super().__init__(root)
        self._groups: dict[str, list[StoredRun]] = {}
        self._experiments: dict[str, list[StoredRun]] = {}
        for stored in self.runs():
            if stored.folder in without:
                continue
            facts = group(stored.config, stored.record.quick)
            self._groups.setdefault(_key(facts), []).append(stored)
            self._experiments.setdefault(_key(_experiment(facts)), []).append(stored)

    def of_experiment(self, config: Config) -> list[StoredRun]:
        """The runs of a config's experiment: from any seed, of any length, smoke tests as well."""
        return self._experiments.get(_key(_experiment(group(config, False))), [])

    def candidates(self, query: Query) -> Iterable[StoredRun]:
        return self._groups.get(_key(group(query.config, query.quick)), [])


def _experiment(facts: dict[str, Any]) -> dict[str, Any]:
    """Of the facts of `group`, those that all runs of an experiment have in common."""
    return {name: facts[name] for name in ("section", "identity")}


def _key(facts: dict[str, Any]) -> str:
    return json.dumps(facts, sort_keys=True)


def _is_resumable(run: Run) -> bool:
    """Whether a run is trained in epochs, as kernels are not. A damaged one counts, to be told of."""
    with suppress(RdfiaError):
        return "epochs" in run.facts()["config"]
    return True


def _has_epochs(folder: Path) -> bool:
    """Whether the history, if there is one, has a row below its header."""
    try:
        return (folder / "history.csv").read_bytes().count(b"\n") > 1
    except OSError:
        return False
