"""The benchmark times what users get, beside references that are undisturbed by it."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
from benchmarks import measurements, rendering  # noqa: E402
from benchmarks.matches import Match, Ratio, compare  # noqa: E402

NEEDS_TORCH = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is in the extra 'bench'")
# Runs code, and prints what is set when Keras is imported and what `fit` is called with.
SPY = """
import importlib.abc, importlib.util, json, os, sys
PREFIXES = ("TF_", "XLA_", "KERAS_", "OMP_", "MKL_", "CUDA_", "JAX_")
class Spy(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != "keras":
            return None
        sys.meta_path.remove(self)
        self.environment = {k: v for k, v in os.environ.items() if k.startswith(PREFIXES) and "LOG" not in k}
        spec = importlib.util.find_spec("keras")
        execute = spec.loader.exec_module
        def exec_module(module):
            execute(module)
            module.Model.fit = lambda model, *_, **__: self.tell(model)
        spec.loader.exec_module = exec_module
        return spec
    def tell(self, model):
        import keras, tensorflow as tf
        from tensorflow.python.framework import config as framework
        layers = {layer.name: [layer.dtype_policy.name, getattr(layer, "jit_compile", None)] for layer in model.layers}
        optimizer = {key: value for key, value in model.optimizer.get_config().items() if key != "learning_rate"}
        threads = tf.config.threading
        print("settings", json.dumps({
            "environment": self.environment, "backend": keras.backend.backend(), "floatx": keras.config.floatx(),
            "policy": keras.config.dtype_policy().name, "format": keras.config.image_data_format(),
            "threads": [threads.get_intra_op_parallelism_threads(), threads.get_inter_op_parallelism_threads()],
            "devices": keras.distribution.list_devices(), "jit_compile": model.jit_compile,
            "tf jit": tf.config.optimizer.get_jit(), "options": tf.config.optimizer.get_experimental_options(),
            "eager": model.run_eagerly, "steps_per_execution": model.steps_per_execution,
            "deterministic": framework.is_op_determinism_enabled(), "layers": layers, "optimizer": optimizer,
        }), flush=True)
        os._exit(0)
sys.meta_path.insert(0, Spy())
exec(sys.argv.pop(1))
"""
CONTENDER = "from benchmarks import package as p; p.train(p.Training(p.experiment_config(%r), 256)).run()"
COMMAND = "import runpy; runpy.run_module('rdfia_keras', run_name='__main__', alter_sys=True)"
# The step of the ladder that has every improvement.
RUNG, OPTIONS = "batch-norm", ["--augment", "--schedule", "exponential", "--dropout", "--batch-norm"]


def run(*arguments: str, folder: Path = ROOT, **variables: str) -> subprocess.CompletedProcess:
    """Run Python where it finds the benchmarks."""
    # PyTorch's threads wait in loops for each other, which takes minutes where other tests run on the same cores.
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **variables}
    env.pop("TF_ENABLE_ONEDNN_OPTS", None)
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=env, capture_output=True, text=True, timeout=150
    )


def settings(folder: Path, code: str, *arguments: str) -> dict:
    """Return what a process finds set when it trains."""
    done = run("-c", SPY, code, *arguments, folder=folder)
    assert "settings " in done.stdout, done.stderr
    return json.loads(done.stdout.partition("settings ")[2])


def test_a_contender_trains_with_the_settings_of_the_command(tmp_path):
    """A contender that imported Keras first ran at half the speed on a CPU without AVX-512."""
    contender = settings(tmp_path, CONTENDER % RUNG)
    options = ["--dataset", "digits", "--quick", "--device", "cpu", *OPTIONS]
    assert contender == settings(tmp_path, COMMAND, "cnn", *options)
    assert contender["environment"]["TF_ENABLE_ONEDNN_OPTS"] == "1"


def measure(contenders: str) -> tuple[dict, dict, str]:
    """Return the values and facts of a match, each contender in its process, and what was printed about it."""
    code = f"""if 1:
        import json, sys
        from functools import partial
        from benchmarks import convnet_pytorch, matches, package, recipe_pytorch, transforms, turns
        def training(name, shape=(32, 32, 3)):
            return package.Training(package.experiment_config(name), 256, 256, shape)
        print(json.dumps(turns.measure(matches.Match("small", {contenders}), "images/s", 2)))
        assert not {{"keras", "tensorflow", "torch"}} & set(sys.modules), "only contenders load a framework"
    """
    done = run("-c", code)
    assert done.returncode == 0, done.stderr
    return *json.loads(done.stdout), done.stderr


def test_contenders_take_turns_and_one_that_cannot_start_is_skipped_with_a_sentence():
    values, facts, printed = measure("""{
        "command": partial(package.train, training("baseline"), as_the_command=True),
        "loop": partial(package.train_in_a_loop, training("baseline"), with_evaluation=True),
        "layer": partial(transforms.keras_layer, "crop"),
        "broken": partial(package.command, ["-c", "import a_library_that_is_missing"]),
    }""")
    assert {name: len(turns) for name, turns in values.items()} == {"command": 2, "loop": 2, "layer": 2}
    assert all(value > 0 for turns in values.values() for value in turns)
    assert facts == {"layer": {"draws": "per batch", "xla": True, "name": "RandomCrop"}}
    assert "broken is skipped" in printed and "No module named 'a_library_that_is_missing'" in printed


@NEEDS_TORCH
def test_contenders_of_pytorch_work():
    values, facts, _ = measure("""{
        "ladder": partial(convnet_pytorch.train, training("batch-norm")),
        "lenet": partial(convnet_pytorch.train, training("mnist-lenet", (28, 28, 1))),
        "adam": partial(convnet_pytorch.train, training("adam")),
        "evaluation": partial(convnet_pytorch.evaluate, training("normalize")),
        "recipe": partial(recipe_pytorch.train, training("modern-fast")),
        "crop": partial(transforms.torchvision, "crop"),
    }""")
    assert len(values) == 6 and facts == {"crop": {"draws": "per batch"}}


@NEEDS_TORCH
def test_pytorch_crops_and_flips_each_image_by_itself_and_needs_no_tensorflow():
    code = """if 1:
        import sys, torch
        from benchmarks.convnet_pytorch import CnnConfig, _augmented
        x = torch.arange(32 * 32, dtype=torch.int32).view(1, 32, 32, 1).repeat(200, 1, 1, 1)
        out = _augmented(CnnConfig(augmentations=("crop", "flip")).resolve(), x, torch.arange(200))
        step = out[:, 0, 1, 0] - out[:, 0, 0, 0]
        assert set(step.tolist()) == {1, -1} and 60 < (step == 1).sum() < 140
        corner = torch.where(step == 1, out[:, 0, 0, 0], out[:, 0, -1, 0])
        assert set((corner // 32).tolist()) == set((corner % 32).tolist()) == {0, 1, 2, 3, 4}
        assert (out[:, 1:] - out[:, :-1] == 32).all() and out.shape == (200, 28, 28, 1)
        assert "tensorflow" not in sys.modules
    """
    assert run("-c", code).returncode == 0


def test_the_ratio_that_is_worse_for_us_counts():
    values = {"ours": [10.0, 12.0, 8.0], "slow": [5.0, 6.0, 4.0], "fast": [20.0, 12.0, 16.0]}
    match = Match("m", {}, (Ratio("ours", ("slow", "fast", "absent"), 1.05),))
    for unit, to, ratio in (("images/s", "fast", 0.5), ("s", "slow", 2.0)):
        (row,) = compare(match, unit, values)
        assert (row["to"], row["ratio"], row["met"]) == (to, ratio, False)


@pytest.mark.parametrize(("value", "shown"), [(1.0491, "1.049"), (1.0524, "1.05"), (0.767, "0.767"), (1.2412, "1.24")])
def test_a_ratio_that_just_misses_its_target_does_not_look_as_if_it_met_it(value, shown):
    match = Match("m", {}, (Ratio("ours", ("other",), 1.05),))
    (row,) = compare(match, "images/s", {"ours": [value], "other": [1.0]})
    assert rendering.sentence(row, "images/s").startswith(f"ours: {shown} of other, target ≥ 1.05: ")


def test_the_help_names_the_groups_of_a_gpu_too():
    text = " ".join(run("-m", "benchmarks", "--help").stdout.split())
    assert re.search(r"on every device: ladder, .*; on the CPU: augmentation, .*; on a GPU: xla, whole ", text)


def test_measurements_of_another_machine_are_not_added_to(tmp_path):
    path = tmp_path / "benchmarks.json"
    measurements.save(path, {"machine": {"cpu": "one"}, "groups": {"ladder": {}}})
    assert measurements.read_or_begin(path, {"cpu": "one"})["groups"] == {"ladder": {}}
    assert measurements.read_or_begin(path, {"cpu": "another"}) == {"machine": {"cpu": "another"}, "groups": {}}


def test_the_page_is_what_the_measurements_give():
    measured = measurements.read(ROOT / "results" / "benchmarks" / "benchmarks.json")
    page = (ROOT / "docs" / "performance.md").read_text()
    assert rendering.update(page, measured) == page
    shown = set(re.findall(r"<!-- end (\w+) -->", page))
    assert len(shown) > 10 and shown <= set(rendering.blocks(measured))


@pytest.mark.parametrize(
    ("prints", "sentence"),
    [
        (None, "there is no nvidia-smi"),
        ("Driver/library version mismatch", "says: Driver/library version mismatch; restart"),
        ("Tesla T4, 550.54.15, 15360 MiB, 7.5", "back end sees no GPU"),
    ],
)
def test_without_a_usable_gpu_nothing_is_measured_and_it_says_what_to_do(prints, sentence, tmp_path):
    """A stand-in for nvidia-smi prints what a driver without a card behind it does."""
    if prints:
        (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\necho '{prints}'\n")
        (tmp_path / "nvidia-smi").chmod(0o755)
    done = run("-m", "benchmarks", "--device", "gpu", "--out", str(tmp_path), PATH=str(tmp_path))
    assert done.returncode == 1 and "nothing was measured" in done.stderr
    assert sentence in done.stderr and not (tmp_path / "gpu.json").exists()
