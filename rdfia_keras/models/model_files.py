"""Saved models by file, by a run's folder or by a run's name; `digits` and `cifar10` ship with the package."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rdfia_keras.errors import ConfigError, RdfiaError
from rdfia_keras.experiments import REGISTRY
from rdfia_keras.runs.run import Run
from rdfia_keras.runs.store import REFERENCE, REFERENCE_FOLDER, find_run


@dataclass(frozen=True)
class SavedModel:
    """A `.keras` archive, named for the finished run that it lies in; a file by itself has no run."""

    path: Path
    name: str
    run: Run | None

    def classes(self, count: int) -> tuple[str, ...]:
        """Return the names of its classes: those of the run's record, or else numbers."""
        names = self.recorded_classes
        return names if len(names) == count else tuple(f"class {number}" for number in range(count))

    @property
    def recorded_classes(self) -> tuple[str, ...]:
        """The names of the classes that the run's record has; none of a file by itself."""
        return tuple(map(str, self.run.result.dataset.get("class_names") or ())) if self.run else ()

    @property
    def is_shipped(self) -> bool:
        """Whether the package brings it: nothing may be written beside it."""
        return self.path.is_relative_to(REFERENCE_FOLDER)

    @property
    def quick(self) -> bool:
        """Whether it was trained by a smoke test."""
        return self.run is not None and self.run.quick


def find_model(text: str, out: Path, best: bool) -> SavedModel:
    """Return the saved model that people mean by a `.keras` file, a run's folder or its name.

    With `best` it is the run's `best.keras` instead of its `model.keras`.

    Raises:
        ConfigError: If `best` is asked of a file.
        RdfiaError: If there is no such model.
    """
    path = Path(text)
    if path.suffix != ".keras":
        run = _find_run(text, out)
        run.check_readable()
        return SavedModel(model_file(run, best), run.name, run if run.record else None)
    if not path.is_file():
        raise RdfiaError(f"there is no model {path}; name a .keras file of rdfia cnn, or a run")
    if best:
        raise ConfigError("--best chooses between the models of a run; name the run's folder, or leave it out")
    run = Run(path.parent)
    return SavedModel(path, path.stem, run if run.record else None)


def shipped_model(dataset: str) -> SavedModel | None:
    """Return the package's own model of a data set, if it has one."""
    run = Run(REFERENCE_FOLDER / "cnn" / dataset, f"{REFERENCE}cnn/{dataset}")
    path = run.folder / "model.keras"
    return SavedModel(path, run.name, run) if path.is_file() else None


def _find_run(text: str, out: Path) -> Run:
    """Find a run as `find_run` does; of several sections, a bare name means cnn's."""
    if Path(text).name == text and not Path(text).exists():
        with suppress(RdfiaError):
            return find_run(f"cnn/{text}", out)
    return find_run(text, out)


def model_file(run: Run, best: bool) -> Path:
    """Return the file of a run's saved model.

    Raises:
        RdfiaError: If there is none.
    """
    file = run.folder / ("best.keras" if best else "model.keras")
    if run.section != "cnn":
        raise RdfiaError(f"{run.name} is a run of rdfia {run.section}, which saves no model; name one of rdfia cnn")
    if not file.is_file():
        train = f"rdfia improve {run.experiment}" if run.experiment in REGISTRY else "rdfia cnn"
        if run.folder.is_relative_to(REFERENCE_FOLDER):
            raise RdfiaError(
                f"{run.name} ships without {file.name}: train it with {train}, or name digits or cifar10, two small "
                f"networks that ship trained{' (without --best)' if best else ''}"
            )
        raise RdfiaError(f"{run.name} has no {file.name}: a run writes its models at its end; train it with {train}")
    return file
