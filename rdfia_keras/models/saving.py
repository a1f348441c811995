"""Saved models: written atomically, and read without trusting them."""

import json
import os
import warnings
import zipfile
from pathlib import Path

import keras

from rdfia_keras.errors import RdfiaError

# Importing these registers the layers of this package that a model may hold.
from rdfia_keras.models import augmentation, blocks, whitening  # noqa: F401
from rdfia_keras.models.augmentation import PACKAGE
from rdfia_keras.models.normalization import plain
from rdfia_keras.runs.files import write_atomic

# All of Keras that a model saved here is made of: an archive is data from outside, and layers are code.
_KERAS_CLASSES = {
    *("Functional", "InputLayer", "Rescaling", "Normalization", "Conv2D", "Activation", "MaxPooling2D"),
    *("GlobalMaxPooling2D", "BatchNormalization", "Flatten", "Dense", "Dropout", "DTypePolicy", "Zeros", "Ones"),
    *("GlorotUniform", "__keras_tensor__", "__tensor__"),
}


def own_classes() -> set[str]:
    """Return the registered names of this package's layers."""
    return {name for name in keras.saving.get_custom_objects() if name.startswith(f"{PACKAGE}>")}


def save_model(model: keras.Model, path: Path) -> None:
    """Write a `.keras` archive, atomically and without the optimizer: what it takes to predict.

    Raises:
        RdfiaError: If it cannot be written; what was there before is intact then.
    """
    part = path.with_name(f".{path.stem}.{os.getpid()}.part.keras")
    try:
        _plain_model(model).save(part)
        write_atomic(path, part.read_bytes())
    except OSError as error:
        raise RdfiaError(
            f"cannot write {path}: {error.strerror or error}; make room or choose another --out"
        ) from error
    finally:
        part.unlink(missing_ok=True)


def _plain_model(model: keras.Model) -> keras.Model:
    """Copy the model without its optimizer, with Keras's own layers in place of those that only compute faster."""
    copy = keras.models.clone_model(keras.Model(model.input, model.output, name=model.name), clone_function=plain)
    copy.set_weights(model.get_weights())
    return copy


def load_model(path: str | Path) -> keras.Model:
    """Load a model that `rdfia cnn` saved: raw uint8 images in, logits out.

    Args:
        path: A `.keras` archive, which is not trusted: only the layers that this package uses are made.

    Raises:
        RdfiaError: If the file is missing, damaged, or asks for anything else.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))
            if archive.testzip() is not None:
                raise zipfile.BadZipFile("a checksum does not match")
        foreign = sorted(_foreign_classes(config))
        if foreign:
            raise RdfiaError(f"{path} asks for {', '.join(foreign)}, which no model of rdfia has; it was not loaded")
        with warnings.catch_warnings():
            # Keras leaves layers whose weights are not in the archive as they were drawn, and only warns.
            warnings.filterwarnings("error", message="Skipping ")
            model = keras.saving.load_model(path, compile=False, safe_mode=True)
        # One input and one output, whichever way the archive lists them.
        return keras.Model(model.inputs[0], model.outputs[0], name=model.name)
    except RdfiaError:
        raise
    except OSError as error:
        raise RdfiaError(f"cannot read the model {path}: {error.strerror or error}") from error
    except Exception as error:  # Keras answers a damaged archive with whatever its parsers happen to raise.
        raise RdfiaError(f"{path} is not a model saved by rdfia, or it is damaged ({type(error).__name__})") from error


def _foreign_classes(config: object) -> set[str]:
    """Return every class that a model's configuration names and that is not one of this package's or Keras's."""
    if isinstance(config, list):
        return set().union(*map(_foreign_classes, config))
    if not isinstance(config, dict):
        return set()
    foreign = set().union(*map(_foreign_classes, config.values()))
    name = config.get("class_name")
    if name is not None:
        own = config.get("registered_name") == f"{PACKAGE}>{name}" and f"{PACKAGE}>{name}" in own_classes()
        module = config.get("module")
        builtin = name in _KERAS_CLASSES and (module is None or str(module).split(".")[0] == "keras")
        if not (own or builtin):
            foreign.add(str(name))
    return foreign
