"""What the sections share: smoke tests, results, and small computations on predictions."""

import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rdfia_keras.analysis import tables
from rdfia_keras.config import CnnConfig, MlpConfig, RunOptions
from rdfia_keras.experiments import Experiment
from rdfia_keras.report.result import Result
from rdfia_keras.runs.files import file_digests
from rdfia_keras.runs.folder import Run
from rdfia_keras.runs.records import Record
from rdfia_keras.system.backend import backend_name
from rdfia_keras.system.terminal import note

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from rdfia_keras.data import Dataset

# Of the training and of the test set, in a smoke test of mlp or cnn; and the epochs.
QUICK_EXAMPLES = 2000
QUICK_EPOCHS = {"mlp": 20, "cnn": 2}


@dataclass(frozen=True)
class Finished:
    """A run that ended, however it ended.

    Attributes:
        record: The content of its `metrics.json`.
        folder: Its folder.
        exit_code: What the process should exit with.
    """

    record: Record
    folder: Path
    exit_code: int = 0

    def result(self) -> Result:
        """What the command answers with."""
        hint = f"interrupted; resume it with: rdfia resume {shlex.quote(str(self.folder))}"
        return Result(
            data=self.record.to_dict(),
            table=tables.run_table(self.record),
            lines=tables.run_lines(self.record),
            paths=[self.folder],
            hint=hint if self.record.status == "interrupted" else "",
            quick=self.record.quick,
            exit_code=self.exit_code,
        )


def prepare(data: "Dataset", config: MlpConfig | CnnConfig, quick: bool) -> "Dataset":
    """The data that a run uses: few examples in a smoke test, as many as are asked for, with a validation set.

    Data that are prepared already stay as they are.

    Raises:
        RdfiaError: When there are fewer examples, or a class has too few to hold that part out.
    """
    count = config.train_examples
    if quick:
        data, count = data.take(QUICK_EXAMPLES), count and min(count, QUICK_EXAMPLES)
    return data.draw(count, config.seed).hold_out(config.validation, config.seed)


def shorten(experiment: Experiment) -> Experiment:
    """The experiment over the few epochs of a smoke test."""
    config = experiment.config
    if config.epochs is None:
        return experiment
    return replace(experiment, config=config.with_epochs(min(config.epochs, QUICK_EPOCHS[config.section])))


def create_run(experiment: Experiment, data: "Dataset", options: RunOptions, device: str, **more: Any) -> Run:
    """A new run's folder, with all in its `config.json` that a resume needs."""
    facts = {
        "section": experiment.section,
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
        **more,
    }
    name = run_name(experiment)
    return Run.create(options.out, experiment.section, name, facts, experiment.config, overwrite=options.overwrite)


def run_name(experiment: Experiment) -> str:
    """What the folder of an experiment's run is called: `augment`, and `augment-seed-2` with another seed than 0."""
    seed = experiment.config.seed
    return f"{experiment.name}-seed-{seed}" if seed else experiment.name


def begin_resume(run: Run, config: MlpConfig | CnnConfig, done: int) -> None:
    """Note in a run's folder how long it gets and what may change its last bits, of which the user is told.

    Args:
        config: With the epochs that are asked for.
        done: The finished epochs, of all implementations together.
    """
    run.lengthen(config.epochs or done)
    if changed := run.note_resume(done):
        note(
            f"note: {run.folder} is resumed with {', '.join(changed)}: it may end with other bits than a run that was "
            "never interrupted"
        )


def make_record(
    run: Run, experiment: Experiment, data: "Dataset", options: RunOptions, *, details: Mapping[str, Any], **rest: Any
) -> Record:
    """The record of a run, with what was published beside it."""
    return Record(
        section=experiment.section,
        experiment=experiment.name,
        config=experiment.config,
        reference=asdict(experiment.reference),
        quick=options.quick,
        dataset=data.describe(),
        details=details,
        environment=run.environment(),
        **rest,
    )


def save_figure(run: Run, name: str, figure: "Figure", quick: bool) -> None:
    """Write a figure into a run's folder, marked if it comes of a smoke test."""
    from rdfia_keras import plots

    plots.save(figure, run.folder / name, smoke_test=quick)
