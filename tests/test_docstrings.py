"""The examples in docstrings run. Those of the exercises are in test_learn, with their results."""

import contextlib
import doctest
import importlib
from pathlib import Path

import keras
import numpy as np
import pytest

import rdfia_keras
from rdfia_keras.data import Split

MODULES = (
    *("api", "models.augmentation", "system.signals", "system.terminal"),
    *("training.callbacks", "training.schedules"),
)


def examples():
    for name in MODULES:
        module = importlib.import_module(f"rdfia_keras.{name}")
        found = [test for test in doctest.DocTestFinder().find(module) if test.examples]
        assert found, f"{name} has no example"
        yield from (pytest.param(test, id=test.name.removeprefix("rdfia_keras.")) for test in found)


@pytest.mark.parametrize("test", list(examples()))
def test_an_example_runs(test, tmp_path, monkeypatch, unrendered):
    monkeypatch.chdir(tmp_path)
    images = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3)).astype(np.uint8)
    x, y = images.reshape(8, -1)[:, :4] / 255, np.arange(8) % 2
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, activation="softmax")])
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.SGD(0.1), loss, metrics=["accuracy"])

    def work():
        raise KeyboardInterrupt

    names = {**test.globs, "contextlib": contextlib, "keras": keras, "Path": Path, "rdfia_keras": rdfia_keras}
    names |= {"images": images, "x": x, "y": y, "x_test": x, "y_test": y}
    names |= {"model": model, "loss": loss, "split": Split(x, y), "work": work}
    with contextlib.suppress(KeyboardInterrupt):
        for example in test.examples:
            exec(compile(example.source, test.name, "single"), names)
