"""Records of runs that nothing trained, as a repository has them: for tests of what is found, drawn and compared."""

import json
from dataclasses import asdict, replace
from pathlib import Path

from rdfia_keras.config import Config, MlpConfig
from rdfia_keras.data import Dataset
from rdfia_keras.errors import RdfiaError
from rdfia_keras.experiments import Experiment
from rdfia_keras.runs.files import to_json
from rdfia_keras.runs.history import history_bytes, summary_rows
from rdfia_keras.runs.record import Record
from rdfia_keras.runs.store import Query


def change(experiment: Experiment, **settings) -> Experiment:
    """The same experiment with other settings, under the same name."""
    return replace(experiment, config=replace(experiment.config, **settings))


def query(experiment: Experiment, quick: bool = False) -> Query:
    """A query for a run of the experiment, in any precision."""
    return Query(config=experiment.config, any_precision=True, quick=quick)


def record_of(config: Config, **values) -> Record:
    """Return the record of a whole run, with other values where they are given."""
    epochs = config.epochs or 0
    last = {"epoch": epochs, "test_accuracy": 0.7, "test_loss": 1.0}
    usual = {"status": "ok", "experiment": "x", "report": {}, "quick": False, "dataset": {"name": config.dataset}}
    usual |= {"best": last, "final": last, "epochs": epochs, "seconds": 1.0, "device": "cpu"}
    return Record(section=config.section, config=config, **{**usual, **values})


def edit(path: Path, **changes) -> None:
    """Change some entries of a JSON file, such as a record, by hand."""
    path.write_text(to_json({**json.loads(path.read_text()), **changes}))


def diverged_at_once(out: Path, experiment: Experiment) -> Path:
    """Leave a run whose loss was not finite in its first epoch; return the folder."""
    folder = store(out, experiment, status="failed", epochs=1)
    (folder / "history.csv").write_text("epoch,lr,train_loss,train_accuracy,test_loss,test_accuracy,seconds\n")
    edit(folder / "metrics.json", best=None, final=None, epochs=0)
    return folder


def no_data(config: Config) -> Dataset:
    raise AssertionError(f"a stored run must not load {config.dataset}")


def data_gone(config: Config) -> Dataset:
    """Fail as the loader does whose files were removed: a finished run can be used all the same."""
    raise RdfiaError(f"{config.dataset} is gone")


def history(epochs: int, best: float) -> list[dict]:
    """Curves that rise to `best` in the last epoch but one."""
    rows = []
    for epoch in range(1, epochs + 1):
        accuracy = best - 0.01 * abs(epochs - 1 - epoch)
        rows.append(
            {
                "epoch": epoch,
                "lr": 0.1,
                "train_loss": 2 / epoch,
                "train_accuracy": min(1, accuracy + 0.1),
                "test_loss": 2.5 / epoch,
                "test_accuracy": max(0, accuracy),
                "seconds": 1.0,
            }
        )
    return rows


def store(
    out: Path,
    experiment: Experiment,
    best: float = 0.7,
    status: str = "ok",
    quick: bool = False,
    name: str | None = None,
    epochs: int | None = None,
    digest: str | None = None,
) -> Path:
    """Leave a record without `config.json`, checkpoint and model, by default of unknown data; return the folder."""
    folder = out / experiment.section / (name or experiment.name)
    folder.mkdir(parents=True)
    config = experiment.config
    rows = history(epochs or config.epochs, best)
    if isinstance(config, MlpConfig):
        rows = [{"implementation": implementation, **row} for implementation in config.implementations for row in rows]
    (folder / "history.csv").write_bytes(history_bytes(rows))
    record = record_of(
        config,
        status=status,
        experiment=experiment.name,
        report=asdict(experiment.report),
        quick=quick,
        dataset={"name": config.dataset, "digest": digest},
        epochs=rows[-1]["epoch"],
        **summary_rows(rows),
    )
    (folder / "metrics.json").write_text(to_json(record.to_dict()))
    return folder
