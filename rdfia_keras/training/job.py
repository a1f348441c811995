"""One training, of any section: its experiment, data and options, and the run that it fills."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from rdfia_keras import plots
from rdfia_keras.config import Config, RunOptions
from rdfia_keras.data import Dataset
from rdfia_keras.experiments import Experiment
from rdfia_keras.runs.files import file_digests
from rdfia_keras.runs.record import Record
from rdfia_keras.runs.run import Run
from rdfia_keras.system.backend import backend_name
from rdfia_keras.system.terminal import note

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Training and test examples of a smoke test, and its epochs.
QUICK_EXAMPLES = {"mlp": 2000, "cnn": 500, "svm": 500}
QUICK_EPOCHS = {"mlp": 20, "cnn": 2}
# Kernels take time with the square of the examples; more than these make no visible difference.
MAX_KERNEL_EXAMPLES = 5000


def prepare_data(data: Dataset, config: Config, quick: bool) -> Dataset:
    """Return the data that a run uses: `train_examples` of them, few in a smoke test, some held out for validation.

    Raises:
        RdfiaError: If there are fewer examples than asked for, or a class has too few to hold a part out.
    """
    count, validation = getattr(config, "train_examples", None), getattr(config, "validation", 0.0)
    if config.section == "svm" and not quick:
        data = data.take(MAX_KERNEL_EXAMPLES)
    if quick:
        data, count = data.take(QUICK_EXAMPLES[config.section]), count and min(count, QUICK_EXAMPLES[config.section])
    return data.draw(count, config.seed).hold_out(validation, config.seed)


def report_large_batch(data: Dataset, config: Config) -> None:
    """Say that a mini-batch takes the whole training set: each epoch is then one step."""
    size, count = getattr(config, "batch_size", 1), len(data.train)
    if size > count and not getattr(config, "lbfgs", False):
        note(f"batch_size (--batch-size) is {size} and there are {count} training examples: each epoch is one step")


def report_cut_epochs(epochs: int | None, quick: bool, *sections: str) -> None:
    """Say that a smoke test of some sections trains fewer epochs than are asked for, if a number is asked for."""
    for most in sorted({QUICK_EPOCHS[section] for section in sections if section in QUICK_EPOCHS}):
        if quick and epochs and epochs > most:
            note(f"--quick trains at most {most} epochs")


def run_name(experiment: Experiment) -> str:
    """Name the folder of an experiment's run: `augment`, and `augment-seed-2` with another seed than 0."""
    seed = experiment.config.seed
    return f"{experiment.name}-seed-{seed}" if seed else experiment.name


@dataclass
class Job:
    """One training: what it needs, and its run, which is locked until the end of `with job.run:`.

    `data` are as `prepare_data` returns them, `device` is as `check_device` does.
    """

    experiment: Experiment
    data: Dataset
    options: RunOptions
    device: str
    run: Run

    @classmethod
    def start(
        cls,
        experiment: Experiment,
        data: Dataset,
        options: RunOptions,
        device: str,
        resumed: Run | None = None,
        **facts: Any,
    ) -> "Job":
        """Take the run to resume, or create one, with all in its `config.json` that a resume needs.

        `facts` are further members of `config.json`.
        """
        if resumed:
            return cls(experiment, data, options, device, resumed)
        started = {
            "dataset": {**data.describe(), "source": data.source},
            "device": device,
            "backend": backend_name(),
            "files": file_digests(experiment.config),
            "options": {
                "quick": options.quick,
                "data_dir": options.data_dir and str(options.data_dir.resolve()),
                "deterministic": options.deterministic,
                "device": options.device,
            },
            **facts,
        }
        name = run_name(experiment)
        run = Run.create(options.out, name, experiment.config, started, overwrite=options.overwrite)
        return cls(experiment, data, options, device, run)

    @property
    def config(self) -> Any:
        """The settings."""
        return self.experiment.config

    @property
    def title(self) -> str:
        """Title of pictures: experiment, data and seed."""
        return f"{self.experiment.name} on {self.data.name}, seed {self.config.seed}" + self.figure_note()

    def figure_note(self, number: int | None = None) -> str:
        """Return ` (figure 7)` where the report shows the experiment."""
        figure = self.experiment.report.figure
        return f" (figure {number or figure})" if figure else ""

    def report_environment_change(self, done: int) -> None:
        """Record what may change the last bits of a run that is resumed after `done` epochs, and print a warning."""
        if changed := self.run.start_resume(self.config.epochs or done, done):
            note(
                f"warning: {self.run.folder} is resumed with {', '.join(changed)}: it may end with other bits than a "
                "run that was never interrupted"
            )

    def save_figure(self, name: str, figure: "Figure") -> None:
        """Write a figure into the run's folder, marked if it comes from a smoke test."""
        plots.save(figure, self.run.folder / name, smoke_test=self.options.quick)

    def write_record(self, *, details: Mapping[str, Any], **outcome: Any) -> None:
        """Write `metrics.json`, which completes the run; `outcome` are further fields of `Record`."""
        self.run.write_record(
            Record(
                section=self.experiment.section,
                experiment=self.experiment.name,
                config=self.config,
                report=asdict(self.experiment.report),
                quick=self.options.quick,
                dataset=self.data.describe(),
                device=self.device,
                details=details,
                environment=self.run.environment(),
                **outcome,
            )
        )


def shorten(experiment: Experiment) -> Experiment:
    """Return the experiment over the few epochs of a smoke test."""
    config = experiment.config
    if config.epochs is None:
        return experiment
    return replace(experiment, config=replace(config, epochs=min(config.epochs, QUICK_EPOCHS[config.section])))
