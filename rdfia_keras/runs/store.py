"""The runs below a results folder: which finished one can be used, which can be resumed, and which run a name means.

A run is found by what it is a run of, not by its folder's name, so that a record which came without its checkpoints,
with this package for example, can be used as well.
"""

import functools
import json
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rdfia_keras.config import Config, MlpConfig
from rdfia_keras.errors import RdfiaError, did_you_mean
from rdfia_keras.runs.files import file_digests
from rdfia_keras.runs.run import FILES, Run
from rdfia_keras.system.terminal import note

# A training that diverged has ended as well.
FINISHED = ("ok", "failed")
# The results that ship with the package, and how their names begin.
REFERENCE_FOLDER = Path(__file__).resolve().parents[1] / "reference"
REFERENCE = "reference/"


@dataclass(frozen=True, kw_only=True)
class Query:
    """A description of a run: two queries with one key want the same run, and a run that matches is such a run.

    Attributes:
        config: All settings. The number of epochs is a minimum.
        quick: Whether to find a smoke test, which never stands for a real run.
        any_precision: Whether a run in another precision can be used, as for the figures.
        data: Digest of the data set; None for any.
        also_equal: Settings that do not define the experiment and must be equal all the same, `epochs` for example.
    """

    config: Config
    quick: bool = False
    any_precision: bool = False
    data: str | None = None
    also_equal: tuple[str, ...] = ()

    @property
    def epochs(self) -> int:
        """The least number of epochs."""
        return self.config.epochs or 0

    @property
    def key(self) -> str:
        """The text that two runs share if they are the same: experiment, seed, precision, data and the like."""
        facts = self._facts(self.config)
        return json.dumps([self.config.experiment_key(), self.quick, self.data, facts], sort_keys=True, default=str)

    def matches(self, run: Run) -> bool:
        """Return whether a run fits, however long it is."""
        try:
            config = run.config
        except RdfiaError:
            return False
        return (
            run.quick == self.quick
            and config.experiment_key() == self.config.experiment_key()
            and self._facts(config) == self._facts(self.config)
            and self._has_implementations(config)
            and (self.data is None or run.data_digest == self.data)
            and run.files == file_digests(self.config)
        )

    def _facts(self, config: Config) -> dict[str, Any]:
        names = ["seed", *self.also_equal, *([] if self.any_precision else ["precision"])]
        names += ["epochs"] if config.epochs_shape_it and not self.quick else []
        return {name: getattr(config, name) for name in names if hasattr(config, name)}

    def _has_implementations(self, config: Config) -> bool:
        if not (isinstance(config, MlpConfig) and isinstance(self.config, MlpConfig)):
            return True
        return set(self.config.implementations) <= set(config.implementations)


class RunStore:
    """The runs of a results folder.

    Args:
        root: The folder, with a folder for each section.
        names: A pattern of the runs' folder names, where few of many are of interest.
    """

    def __init__(self, root: Path, names: str = "*"):
        self.root = root
        self.names = names

    def runs(self, section: str = "*") -> Iterator[Run]:
        """Yield every run, finished or not, by section and name."""
        files = (path for name in FILES for path in self.root.glob(f"{section}/{self.names}/{name}"))
        for folder in sorted({path.parent for path in files}):
            yield Run(folder, self.name_of(folder))

    def name_of(self, folder: Path) -> str:
        """Return what a run of this store is called."""
        prefix = REFERENCE if self.root == REFERENCE_FOLDER else ""
        return prefix + folder.relative_to(self.root).as_posix()

    def named(self, name: str) -> Run | None:
        """Return the run `section/name`, or the only one of this name in any section.

        Raises:
            RdfiaError: If there are several.
        """
        runs = list(self.runs())
        for run in runs:
            if run.name.removeprefix(REFERENCE) == name:
                return run
        runs = [run for run in runs if run.folder.name == name]
        if len(runs) > 1:
            raise RdfiaError(f"several runs are called {name}: name one of {', '.join(run.name for run in runs)}")
        return runs[0] if runs else None

    def candidates(self, query: Query) -> Iterable[Run]:
        """Return the runs among which `find_finished` looks."""
        return self.runs(query.config.section)

    def usable(self, query: Query) -> list[Run]:
        """Return every run that a query may take, on whichever data unless it names them."""
        return [run for run in self.candidates(query) if query.matches(run) and _is_usable(run, query)]

    def find_finished(self, query: Query) -> Run | None:
        """Return the longest run that ended well; without one a run that diverged, since it would diverge again."""
        return max(
            self.usable(query),
            key=lambda run: (run.result.status == "ok", run.result.epochs),
            default=None,
        )

    def find_resumable(self, query: Query) -> Run | None:
        """Return a run that was cut off, or is shorter than wanted, and that no process writes."""
        if query.config.epochs is None:  # Kernels are fitted in a moment.
            return None
        for run in self.runs(query.config.section):
            # Without a checkpoint there is nothing to resume from; without an epoch there is nothing to lose.
            if not run.has_checkpoint() and run.curve():
                continue
            # It would diverge again. In the query's precision `find_finished` returns it.
            if run.record and run.record.diverged:
                continue
            is_started = (run.folder / "config.json").exists()
            is_short = query.quick or run.epochs_asked <= query.epochs
            if is_started and query.matches(run) and is_short and not run.is_locked():
                return run
        return None

    def latest_unfinished(self) -> Run:
        """Return the run that was started last of those that can be resumed.

        A run that failed would fail again, and one that is being written is left alone; both can still be named.

        Raises:
            RdfiaError: If there is none.
        """
        runs = [run for run in self.runs() if _can_go_on(run) and not run.is_locked()]
        if not runs:
            raise RdfiaError(f"there is no unfinished run in {self.root}; name a run's folder, or see --out")
        return max(runs, key=lambda run: (run.folder / "config.json").stat().st_mtime)

    def delete(self, query: Query) -> None:
        """Delete the runs that `find_finished` or `find_resumable` would return, and no others."""
        for run in list(self.runs(query.config.section)):
            if query.matches(run):
                run.delete()


class Snapshot(RunStore):
    """The runs of a results folder as they are now, read once: for many queries.

    Args:
        without: Folders to leave out, because their records are damaged.
    """

    def __init__(self, root: Path, without: Collection[Path] = ()):
        super().__init__(root)
        self._by_experiment: dict[str, list[Run]] = {}
        for run in self.runs():
            with suppress(RdfiaError):
                if run.folder not in without and run.record:
                    self._by_experiment.setdefault(run.config.experiment_key(), []).append(run)

    def of_experiment(self, config: Config) -> list[Run]:
        """Return the finished runs of a config's experiment: from any seed, of any length, smoke tests as well."""
        return self._by_experiment.get(config.experiment_key(), [])

    def candidates(self, query: Query) -> Iterable[Run]:
        """Return the runs among which `find_finished` looks."""
        return self.of_experiment(query.config)


def _is_usable(run: Run, query: Query) -> bool:
    """Return whether a run that matches a query has ended, and is long enough."""
    record = run.record
    if record is None:
        return False
    if record.status == "ok":
        return record.epochs >= query.epochs or query.quick
    # In another precision it might not diverge.
    return record.diverged and getattr(record.config, "precision", None) == getattr(query.config, "precision", None)


def _can_go_on(run: Run) -> bool:
    """Return whether a run is trained in epochs and was cut short; a damaged one counts, so that it is reported."""
    if not (run.folder / "config.json").exists():
        return False
    with suppress(RdfiaError):
        return run.config.epochs is not None and (run.record is None or run.status in ("unfinished", "interrupted"))
    return True


def reference_store() -> RunStore:
    """Return the package's own results, to be read only."""
    return RunStore(REFERENCE_FOLDER)


# They do not change while a process runs.
@functools.cache
def reference_snapshot() -> Snapshot:
    """Return the package's own results, read once."""
    return Snapshot(REFERENCE_FOLDER)


def find_run(text: str | Path, out: Path) -> Run:
    """Return the run that a folder or a name means.

    Args:
        text: `results/cnn/augment`, `cnn/augment`, `augment` where only one section has it, or `reference/cnn/augment`.
        out: The results folder.

    Raises:
        RdfiaError: If there is none, or there are several.
    """
    store, reference, folder = RunStore(out), reference_store(), Path(text)
    name = folder.as_posix()
    if any((folder / file).is_file() for file in FILES):
        return Run(folder.resolve(), _name_of(folder.resolve(), out))
    if run := store.named(name):
        return run
    if run := reference.named(name.removeprefix(REFERENCE)):
        note(f"{text}: from the reference results of this package")
        return run
    names = [run.name for place in (store, reference) for run in place.runs()]
    names += [name.rpartition("/")[2] for name in names]
    hint = did_you_mean(name, names, otherwise="see rdfia runs and rdfia runs --reference")
    raise RdfiaError(f"there is no run {text} in {out}, no such folder and no such reference result: {hint}")


def _name_of(folder: Path, out: Path) -> str:
    """Name a run by its whole path: in the store, in the package, or else with its results folder's name."""
    for store in (RunStore(out.resolve()), reference_store()):
        with suppress(ValueError):
            return store.name_of(folder)
    return "/".join(folder.parts[-3:])
