"""The sources of the page: the runs of a results folder and those that ship with the package, read once."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rdfia_keras.analysis.figures import Panel
from rdfia_keras.analysis.published import other_data, runs_on_one_data_set, wanted_run
from rdfia_keras.analysis.run_list import read_runs
from rdfia_keras.analysis.seeds import Outcome, Statistics
from rdfia_keras.experiments import Experiment
from rdfia_keras.runs.run import UNREADABLE_ERRORS, Run
from rdfia_keras.runs.store import REFERENCE_FOLDER, RunStore, Snapshot, reference_snapshot
from rdfia_keras.web.report.weights import read_weights

# The size of all pictures in the page: the runs that come first show theirs, the others name the files.
MAX_PICTURE_BYTES = 3_000_000


class Sources:
    """The records that the page is made from.

    Attributes:
        out: The results folder, which need not exist.
        runs: Every run in it, also unfinished and damaged ones.
        own: Its finished runs.
        reference: The package's runs.
        troubles: Why a run or a sweep could not be read, by name.
        other_data: Which of your runs of an experiment are left out because of their data, by experiment.
        maps: The `read_weights` of the runs whose decision maps the page shows, by name.
        picture_bytes: How many bytes of pictures may still be put into the page.
    """

    def __init__(self, out: Path):
        self.out = out
        self.runs = read_runs(RunStore(out)) if out.is_dir() else []
        damaged = {run.folder for run in self.runs if run.status == "unreadable"}
        self.own, self.reference = Snapshot(out, without=damaged), reference_snapshot()
        self.troubles: dict[str, str] = {}
        self.other_data: dict[str, str] = {}
        self.maps: dict[str, dict[str, Any]] = {}
        self.picture_bytes = MAX_PICTURE_BYTES

    @contextmanager
    def reading(self, name: str) -> Iterator[None]:
        """Suppress the errors of unreadable files inside, and list the first one in `troubles`."""
        try:
            yield
        except UNREADABLE_ERRORS as error:
            self.troubles.setdefault(name, str(error) or type(error).__name__)

    def panels(self, experiment: Experiment, label: str, figure: Sequence[Experiment] = ()) -> Iterator[Panel]:
        """Yield the panels that a figure may show for an experiment: your run's if there is one, then the package's.

        Your run counts where it is on the same data as the others of the `figure`.
        """
        query, dataset = wanted_run(experiment), experiment.config.dataset
        together = [other for other in figure if other.config.dataset == dataset] or [experiment]
        with self.reading(f"runs of {experiment.name}"):
            runs = runs_on_one_data_set([wanted_run(other) for other in together], self.own)
            run = runs[together.index(experiment)]
            if left_out := other_data(query, self.own, run):
                self.other_data[experiment.name] = left_out
            if run and not run.folder.is_relative_to(REFERENCE_FOLDER):
                yield Panel(label, experiment, run)
        if shipped := self.reference.find_finished(query):
            yield Panel(label, experiment, shipped)

    def keeps_map(self, run: Run) -> bool:
        """Return whether a run keeps its weights by epoch, and put them into `maps`."""
        if run.name not in self.maps:
            with self.reading(run.name):
                if weights := read_weights(run.folder):
                    self.maps[run.name] = weights
        return run.name in self.maps

    def statistics(self, experiment: Experiment) -> dict[str, Statistics | None]:
        """Return the statistics of your whole runs of an experiment, over its own epochs, by measure."""
        measures = []
        runs, shipped = self.own.of_experiment(experiment.config), self.reference.of_experiment(experiment.config)
        # Of several data sets the reference's, or else one: nothing is averaged over two.
        digests = [run.data_digest for run in runs]
        both = [run.data_digest for run in shipped if run.data_digest in digests]
        digest = max(both or digests, key=digests.count, default=None)
        for run in (run for run in runs if run.data_digest == digest):
            record = run.result
            with self.reading(run.name):
                if record.status == "ok" and not record.quick and record.epochs >= (experiment.config.epochs or 0):
                    measures.append(Outcome.of(run, experiment.config).measures())
        return {measure: Statistics.of(values[measure] for values in measures) for measure in ("best", "final")}
