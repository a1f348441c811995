"""Section predict: the most probable classes of pictures, and where the network looked."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rdfia_keras.config import RunOptions
from rdfia_keras.data.image_folder import list_pictures, read_pictures
from rdfia_keras.errors import ConfigError, RdfiaError
from rdfia_keras.report.compare_runs import find_run
from rdfia_keras.report.result import Result
from rdfia_keras.runs.files import make_folder
from rdfia_keras.runs.records import StoredRun, read_record
from rdfia_keras.runs.store import RunStore
from rdfia_keras.system.backend import set_up_backend

if TYPE_CHECKING:
    import keras

# Rows of the picture: what still fits a screen.
DRAWN = 12


@dataclass(frozen=True)
class SavedModel:
    """A model on disk.

    Attributes:
        path: The `.keras` archive.
        run: The run that it lies in, None for a file by itself.
        name: What people call it.
    """

    path: Path
    run: StoredRun | None
    name: str

    def classes(self, count: int) -> tuple[str, ...]:
        """The names of its classes: those of the run's record, or else numbers."""
        known = self.run.record.dataset.get("class_names") if self.run else None
        if known and len(known) == count:
            return tuple(map(str, known))
        return tuple(f"class {number}" for number in range(count))


def run(
    model: str, names: Sequence[str], options: RunOptions, *, top: int = 5, best: bool = False, plot: Path | None = None
) -> Result:
    """Predict the classes of pictures.

    Args:
        model: A `.keras` file, a run's folder or its name.
        names: Image files and folders; `-` for a list of them on stdin.
        top: Classes to tell of each picture.
        best: Take the run's `best.keras`, not the model of its last epoch.
        plot: Where the picture goes; None for a file in `predict/` of the results folder.

    Raises:
        ConfigError: When `plot` is no PNG.
        RdfiaError: When there is no such model, or a picture cannot be read.
    """
    if plot and plot.suffix.lower() != ".png":
        raise ConfigError(f"--plot must end in .png, not {plot}")
    saved = find_model(model, options.out, best)
    paths = list_pictures(_from_stdin(names))
    path = plot or make_folder(options.out / "predict") / f"{saved.name.replace('/', '-')}.png"
    set_up_backend(options.device)
    from rdfia_keras.models.saving import load_model
    from rdfia_keras.training.fit import predict_images

    network = load_model(saved.path)
    images = read_pictures(paths, network.input.shape[1:])
    classes = saved.classes(network.output.shape[-1])
    probabilities = predict_images(network, images)
    tops = most_probable(probabilities, classes, top)
    method = draw(network, paths[:DRAWN], images[:DRAWN], probabilities[:DRAWN], tops[:DRAWN], saved.name, path)
    rows = [
        {"image": str(one), "classes": [{"class": name, "probability": value} for name, value in best_classes]}
        for one, best_classes in zip(paths, tops, strict=True)
    ]
    lines = [] if len(paths) <= DRAWN else [f"the picture shows the first {DRAWN} of {len(paths)}"]
    return Result(
        data={"model": str(saved.path), "classes": list(classes), "images": rows, "map": method, "plot": str(path)},
        table=[_table_row(row) for row in rows],
        lines=lines,
        paths=[path],
    )


def find_model(text: str, out: Path, best: bool) -> SavedModel:
    """The saved model that people mean by a file, a run's folder or its name.

    Raises:
        RdfiaError: When there is none.
    """
    path = Path(text)
    if path.suffix == ".keras":
        if not path.is_file():
            raise RdfiaError(f"there is no model {path}; name a .keras file of rdfia cnn, or a run")
        if best:
            raise ConfigError("--best chooses between the models of a run; name the run's folder, or leave it out")
        return SavedModel(path, read_record(path.parent), path.stem)
    found = find_run(text, RunStore(out))
    file = model_file(found.folder, found.name, found.section, found.experiment, best)
    return SavedModel(file, read_record(found.folder), found.name)


def model_file(folder: Path, name: str, section: str, experiment: str, best: bool) -> Path:
    """The saved model of a run.

    Raises:
        RdfiaError: When there is none.
    """
    file = folder / ("best.keras" if best else "model.keras")
    if section != "cnn":
        raise RdfiaError(f"{name} is a run of rdfia {section}, which saves no model; name one of rdfia cnn")
    if not file.is_file():
        raise RdfiaError(
            f"{name} has no {file.name}: results that ship with the package come without weights, and a run "
            f"writes its models at its end; train it with rdfia improve {experiment}"
        )
    return file


def _from_stdin(names: Sequence[str]) -> list[str]:
    """The names, with those on stdin, one a line, in place of `-`."""
    found: list[str] = []
    for name in names:
        found += [line.strip() for line in sys.stdin if line.strip()] if name == "-" else [name]
    return found


def most_probable(probabilities: np.ndarray, classes: Sequence[str], top: int) -> list[list[tuple[str, float]]]:
    """For each row of probabilities (N, n_y) the `top` classes with theirs, the most probable first."""
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :top]
    return [
        [(classes[label], float(row[label])) for label in chosen]
        for row, chosen in zip(probabilities, order, strict=True)
    ]


def draw(
    network: "keras.Model",
    paths: Sequence[Path],
    images: np.ndarray,
    probabilities: np.ndarray,
    tops: Sequence[Sequence[tuple[str, float]]],
    name: str,
    path: Path,
) -> str:
    """Draw the pictures as the network gets them, their bars and where it looked; returns the method of that."""
    from rdfia_keras import plots

    method, maps = where_it_looks(network, images, probabilities.argmax(axis=1))
    heading = f"{name}: picture, {method} of the first class, probabilities"
    make_folder(path.parent)
    plots.save(plots.prediction_rows(images, [one.name for one in paths], tops, maps, heading), path)
    return method


def where_it_looks(
    network: "keras.Model", images: np.ndarray, labels: np.ndarray
) -> tuple[str, list[tuple[np.ndarray, tuple[float, float, float, float]]]]:
    """Grad-CAM, or occlusion where the network has no convolution, with the name of the method."""
    from rdfia_keras.models.attribution import grad_cam, last_convolution, occlusion
    from rdfia_keras.training.fit import predict_images

    if last_convolution(network) is not None:
        method, maps = "Grad-CAM", grad_cam(network, images, labels)
    else:
        side = max(2, images.shape[1] // 4)
        hidden = occlusion(partial(predict_images, network), images, labels, side, max(1, side // 4))
        # What only raises the probability when hidden did not make the network decide so.
        method, maps = "occlusion", type(hidden)(np.maximum(hidden.values, 0), hidden.extent)
    return method, [(values, maps.extent) for values in maps.values]


def _table_row(row: dict[str, Any]) -> dict[str, str]:
    cells = {
        f"{number}.": f"{one['class']} {one['probability']:.1%}" for number, one in enumerate(row["classes"], start=1)
    }
    return {"image": row["image"], **cells}
