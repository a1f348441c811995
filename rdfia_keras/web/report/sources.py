"""Where the page's facts come from: the runs of a results folder and those that ship with the package, read once."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rdfia_keras.analysis.run_list import read_runs
from rdfia_keras.analysis.seeds import Statistics, Trial
from rdfia_keras.experiments import Experiment
from rdfia_keras.report.figures import Panel
from rdfia_keras.report.page.maps import read as read_map
from rdfia_keras.runs.listing import DAMAGE, ListedRun
from rdfia_keras.runs.records import StoredRun
from rdfia_keras.runs.reference import reference_snapshot
from rdfia_keras.runs.store import Query, RunStore, Snapshot


@dataclass
class Sources:
    """The records that the page is made from.

    Attributes:
        out: The results folder, which need not exist.
        query: Which run of an experiment will do.
        listed: Every run in it, also unfinished and damaged ones.
        own: Its finished runs.
        shipped: The package's.
        troubles: What could not be read: its name, and why.
        maps: Of the runs whose decision maps the page shows, by name, what `maps.read` gives.
    """

    out: Path
    query: Callable[[Experiment], Query]
    listed: list[ListedRun] = field(init=False)
    own: Snapshot = field(init=False)
    shipped: Snapshot = field(init=False)
    troubles: dict[str, str] = field(default_factory=dict)
    maps: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.listed = read_runs(RunStore(self.out)) if self.out.is_dir() else []
        damaged = {run.folder for run in self.listed if run.status == "unreadable"}
        self.own, self.shipped = Snapshot(self.out, without=damaged), reference_snapshot()

    @contextmanager
    def reading(self, name: str) -> Iterator[None]:
        """What is read inside may be damaged: then it is left out and listed."""
        try:
            yield
        except DAMAGE as error:
            self.troubles.setdefault(name, str(error) or type(error).__name__)

    def panels(self, experiment: Experiment, label: str) -> Iterator[Panel]:
        """The runs that a figure's panel may be drawn from: yours if there is one, then the package's."""
        query = self.query(experiment)
        for store, is_reference in ((self.own, False), (self.shipped, True)):
            found = None
            with self.reading(f"runs of {experiment.name}"):
                found = store.find_finished(query)
            if found:
                yield Panel(label, experiment, found, is_reference)

    def keeps_map(self, name: str, folder: Path) -> bool:
        """Whether a run keeps its weights by epoch, which then are in `maps`."""
        if name not in self.maps:
            with self.reading(name):
                if kept := read_map(folder):
                    self.maps[name] = kept
        return name in self.maps

    def spreads(self, experiment: Experiment) -> dict[str, Statistics | None]:
        """Mean and spread over your whole runs of an experiment, over its own epochs, by measure of test accuracy."""
        measured = []
        for run in self.own.of_experiment(experiment.config):
            record = run.record
            with self.reading(name_of(run, False)):
                if record.status == "ok" and not record.quick and record.epochs >= (experiment.config.epochs or 0):
                    measured.append(Trial.of(run, experiment.config).measures())
        return {measure: Statistics.of(one[measure] for one in measured) for measure in ("best", "final")}


def name_of(run: StoredRun, is_reference: bool) -> str:
    """How lists call a run: `cnn/augment`, `reference/cnn/augment`."""
    return f"{'reference/' if is_reference else ''}{run.folder.parent.name}/{run.folder.name}"
