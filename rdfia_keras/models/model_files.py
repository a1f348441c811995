"""Saved models by file, by a run's folder or by a run's name."""

from dataclasses import dataclass
from pathlib import Path

from rdfia_keras.errors import ConfigError, RdfiaError
from rdfia_keras.runs.run import Run
from rdfia_keras.runs.store import find_run


@dataclass(frozen=True)
class SavedModel:
    """A model on disk.

    Attributes:
        path: The `.keras` archive.
        name: The run's name, or the file's.
        run: The finished run that it lies in; None for a file by itself.
    """

    path: Path
    name: str
    run: Run | None

    def classes(self, count: int) -> tuple[str, ...]:
        """Return the names of its classes: those of the run's record, or else numbers."""
        names = self.run.result.dataset.get("class_names") if self.run else None
        if names and len(names) == count:
            return tuple(map(str, names))
        return tuple(f"class {number}" for number in range(count))


def find_model(text: str, out: Path, best: bool) -> SavedModel:
    """Return the saved model that people mean by a file, a run's folder or its name.

    Args:
        text: A `.keras` file, a run's folder or a run's name.
        out: The results folder.
        best: Use the run's `best.keras` instead of its `model.keras`.

    Raises:
        ConfigError: If `best` is asked of a file.
        RdfiaError: If there is no such model.
    """
    path = Path(text)
    if path.suffix != ".keras":
        run = find_run(text, out)
        run.check_readable()
        return SavedModel(model_file(run, best), run.name, run if run.record else None)
    if not path.is_file():
        raise RdfiaError(f"there is no model {path}; name a .keras file of rdfia cnn, or a run")
    if best:
        raise ConfigError("--best chooses between the models of a run; name the run's folder, or leave it out")
    run = Run(path.parent)
    return SavedModel(path, path.stem, run if run.record else None)


def model_file(run: Run, best: bool) -> Path:
    """Return the file of a run's saved model.

    Raises:
        RdfiaError: If there is none.
    """
    file = run.folder / ("best.keras" if best else "model.keras")
    if run.section != "cnn":
        raise RdfiaError(f"{run.name} is a run of rdfia {run.section}, which saves no model; name one of rdfia cnn")
    if not file.is_file():
        raise RdfiaError(
            f"{run.name} has no {file.name}: results that ship with the package come without weights, and a run "
            f"writes its models at its end; train it with rdfia improve {run.experiment}"
        )
    return file
