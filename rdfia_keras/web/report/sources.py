"""Where the page's facts come from: the runs of a results folder and those that ship with the package, read once."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rdfia_keras.analysis.figures import Panel
from rdfia_keras.analysis.published import wanted_run
from rdfia_keras.analysis.run_list import read_runs
from rdfia_keras.analysis.seeds import Statistics, Trial
from rdfia_keras.experiments import Experiment
from rdfia_keras.runs.run import UNREADABLE_ERRORS, Run
from rdfia_keras.runs.store import RunStore, Snapshot, reference_snapshot
from rdfia_keras.web.report.weights import read_weights


@dataclass
class Sources:
    """The records that the page is made from.

    Attributes:
        out: The results folder, which need not exist.
        listed: Every run in it, also unfinished and damaged ones.
        own: Its finished runs.
        shipped: The package's.
        troubles: What could not be read: its name, and why.
        maps: Of the runs whose decision maps the page shows, by name, what `read_weights` gives.
    """

    out: Path
    listed: list[Run] = field(init=False)
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
        """Leave out what cannot be read inside, and list it in `troubles`."""
        try:
            yield
        except UNREADABLE_ERRORS as error:
            self.troubles.setdefault(name, str(error) or type(error).__name__)

    def panels(self, experiment: Experiment, label: str) -> Iterator[Panel]:
        """Yield the runs that a figure's panel may be drawn from: yours if there is one, then the package's."""
        query = wanted_run(experiment)
        for store, is_reference in ((self.own, False), (self.shipped, True)):
            run = None
            with self.reading(f"runs of {experiment.name}"):
                run = store.find_finished(query)
            if run:
                yield Panel(label, experiment, run, is_reference)

    def keeps_map(self, name: str, folder: Path) -> bool:
        """Return whether a run keeps its weights by epoch, which then are in `maps`."""
        if name not in self.maps:
            with self.reading(name):
                if weights := read_weights(folder):
                    self.maps[name] = weights
        return name in self.maps

    def statistics(self, experiment: Experiment) -> dict[str, Statistics | None]:
        """Return the statistics of your whole runs of an experiment, over its own epochs, by measure."""
        measured = []
        for run in self.own.of_experiment(experiment.config):
            record = run.result
            with self.reading(name_of(Panel("", experiment, run, is_reference=False))):
                if record.status == "ok" and not record.quick and record.epochs >= (experiment.config.epochs or 0):
                    measured.append(Trial.of(run, experiment.config).measures())
        return {measure: Statistics.of(values[measure] for values in measured) for measure in ("best", "final")}


def name_of(panel: Panel) -> str:
    """Return the name of a panel's run in lists: `cnn/augment`, `reference/cnn/augment`."""
    folder = panel.run.folder
    return f"{'reference/' if panel.is_reference else ''}{folder.parent.name}/{folder.name}"
