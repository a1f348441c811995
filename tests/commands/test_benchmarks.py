"""The benchmark times what users get, beside references that are undisturbed by it."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

# So long, in seconds, a process may take on a machine that does other things as well.
PATIENCE = 150
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
from benchmarks.registry import Group, Match, Ratio  # noqa: E402

from benchmarks import record, tables  # noqa: E402

# Runs a module with arguments, and prints what is set when Keras is imported and what `fit` is called with.
SPY = """
import importlib.abc, importlib.util, json, os, runpy, sys

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
        optimizer = model.optimizer.get_config()
        optimizer.pop("learning_rate")
        print("settings", json.dumps({
            "environment": self.environment, "backend": keras.backend.backend(), "floatx": keras.config.floatx(),
            "policy": keras.config.dtype_policy().name, "format": keras.config.image_data_format(),
            "threads": [tf.config.threading.get_intra_op_parallelism_threads(),
                        tf.config.threading.get_inter_op_parallelism_threads()],
            "devices": keras.distribution.list_devices(), "jit_compile": model.jit_compile,
            "tf jit": tf.config.optimizer.get_jit(), "options": tf.config.optimizer.get_experimental_options(),
            "eager": model.run_eagerly, "steps_per_execution": model.steps_per_execution,
            "deterministic": framework.is_op_determinism_enabled(), "layers": layers, "optimizer": optimizer,
        }), flush=True)
        os._exit(0)

sys.meta_path.insert(0, Spy())
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""
RUNGS = {
    "baseline": [],
    "batch-norm": ["--augment", "--schedule", "exponential", "--dropout", "--batch-norm"],
}


def settings(arguments: list[str], folder: Path) -> dict:
    """What a process finds set when it trains."""
    env = {key: value for key, value in os.environ.items() if key != "TF_ENABLE_ONEDNN_OPTS"}
    env["PYTHONPATH"] = str(ROOT)
    done = subprocess.run(
        [sys.executable, "-c", SPY, *arguments], cwd=folder, env=env, capture_output=True, text=True, timeout=PATIENCE
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("settings ")]
    assert lines, done.stderr
    return json.loads(lines[0].removeprefix("settings "))


@pytest.mark.parametrize("rung", RUNGS)
def test_a_contender_trains_with_the_settings_of_the_command(rung, tmp_path):
    """A contender that imported Keras first ran at half the speed on a CPU without AVX-512."""
    worker = settings(["benchmarks.worker", "ladder", f"{rung}, float32", "ours"], tmp_path)
    options = ["--dataset", "digits", "--quick", "--device", "cpu", *RUNGS[rung]]
    assert worker == settings(["rdfia_keras", "cnn", *options], tmp_path)
    assert worker["environment"]["TF_ENABLE_ONEDNN_OPTS"] == "1"


def work(*contenders: str) -> list[list[str]]:
    """Sets contenders up in a process and lets each work: its units, and the modules of interest that it has."""
    code = (
        "import os, sys\n"
        "from benchmarks import augmentation, convnet, perceptron, pytorch\n"
        "from benchmarks.groups import REGISTRY\n"
        f"for make in ({', '.join(f'lambda: {contender}' for contender in contenders)}):\n"
        "    work = make()\n"
        "    work.run()\n"
        "    print(int(work.units), *sorted({'tensorflow', 'torch'} & set(sys.modules)), flush=True)\n"
        "os._exit(0)"  # As the worker does: `fit` waits in a thread for its next epoch.
    )
    # PyTorch's threads wait in loops for each other, which takes minutes where other tests run on the same cores.
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return [line.split() for line in done.stdout.splitlines()[-len(contenders) :]]


def test_contenders_of_tensorflow_work_without_pytorch():
    for units, *modules in work(
        "convnet.ours_as_the_command(REGISTRY['baseline'].config, 256, 256)",
        "convnet.ours_in_a_loop(REGISTRY['baseline'].config, 256, 256)",
        "perceptron.ours('manual')",
        "augmentation.keras_layer('blur')",
    ):
        assert int(units) > 0
        assert modules == ["tensorflow"]


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is only in the extra 'bench'")
def test_contenders_of_pytorch_work_without_tensorflow():
    for units, *modules in work(
        "pytorch.training(REGISTRY['batch-norm'].config, 256)",
        "pytorch.training(REGISTRY['mnist-lenet'].config, 256, (28, 28, 1))",
        "pytorch.training(REGISTRY['adam'].config, 256)",
        "augmentation.torchvision('crop')",
    ):
        assert int(units) > 0
        assert modules == ["torch"]


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is only in the extra 'bench'")
def test_pytorch_crops_and_flips_each_image_by_itself():
    code = """
import torch
from benchmarks.pytorch import _augmented
from rdfia_keras.config import CnnConfig
x = torch.arange(32 * 32, dtype=torch.int32).view(1, 32, 32, 1).repeat(200, 1, 1, 1)
out = _augmented(CnnConfig(augmentations=("crop", "flip")).resolve(), x, torch.arange(200))
assert out.shape == (200, 28, 28, 1)
step = out[:, 0, 1, 0] - out[:, 0, 0, 0]
assert set(step.tolist()) == {1, -1} and 60 < (step == 1).sum() < 140
corner = torch.where(step == 1, out[:, 0, 0, 0], out[:, 0, -1, 0])
assert set((corner // 32).tolist()) == set((corner % 32).tolist()) == {0, 1, 2, 3, 4}
assert (out[:, 1:] - out[:, :-1] == 32).all()
"""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], env=env, check=True, timeout=PATIENCE)


def test_the_ratio_that_is_worse_for_us_counts():
    values = {"ours": [10.0, 12.0, 8.0], "slow": [5.0, 6.0, 4.0], "fast": [20.0, 12.0, 16.0]}
    match = Match("m", {}, (Ratio("ours", ("slow", "fast", "absent"), 1.05),))
    (rate,) = record.ratios(Group("g", "G", "images/s", (match,)), match, values)
    assert (rate["to"], rate["ratio"], rate["met"]) == ("fast", 0.5, False)
    (cost,) = record.ratios(Group("g", "G", "s", (match,)), match, values)
    assert (cost["to"], cost["ratio"], cost["met"]) == ("slow", 2.0, False)


def test_a_record_of_another_machine_is_not_added_to(tmp_path):
    path = tmp_path / "benchmarks.json"
    record.save(path, {"machine": {"cpu": "one"}, "groups": {"ladder": {}}})
    assert record.load(path, {"cpu": "one"})["groups"] == {"ladder": {}}
    assert record.load(path, {"cpu": "another"}) == {"machine": {"cpu": "another"}, "groups": {}}


def test_the_page_is_what_the_record_gives():
    known = json.loads((ROOT / "results" / "benchmarks" / "benchmarks.json").read_text())
    page = (ROOT / "docs" / "performance.md").read_text()
    assert tables.updated(page, known) == page
    for name in tables.blocks(known):
        assert f"<!-- {name} -->" in page
