"""docs/choices.md: the choices that it names are those of the code."""

import inspect
import re
from pathlib import Path

import keras
import pytest

from rdfia_keras.config import OPTIMIZERS, CnnConfig, MlpConfig, flag, settings
from rdfia_keras.experiments import LADDER, REGISTRY, bonus_experiments
from rdfia_keras.models import augmentation, pytorch_defaults, svm
from rdfia_keras.training.optimizers import PYTORCH_DEFAULTS
from rdfia_keras.training.schedules import SCHEDULES, IterationDecay

TEXT = (Path(__file__).resolve().parents[1] / "docs" / "choices.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in TEXT.splitlines()
    if line.startswith("| ") and not line.startswith("| ---")
]
HERE = {row[0]: row[2] if len(row) == 4 else row[1] for row in ROWS}
PYTORCH = {row[0]: row[2] for row in ROWS if len(row) == 3}


def default(function, name):
    return inspect.signature(function).parameters[name].default


def rate(schedule, epoch):
    return SCHEDULES[schedule](1.0).rate(epoch)


MLP, BASELINE, AUGMENT = MlpConfig().resolve(), LADDER[0].config, LADDER[2].config
AFFINE = {name: default(augmentation.RandomAffine, name) for name in ("degrees", "shift", "scale", "shear")}
# By row: what its column "here" begins with, or holds.
CHOICES = {
    "hidden units n_h": f"{MLP.hidden_units}",
    "learning rate": f"{MLP.lr}; {REGISTRY['lr-2'].config.lr:g}",
    "epochs": f"{BASELINE.epochs} up to normalizing",
    "initial weights": f"N(0, {MLP.init_std}²)",
    "values of C in figure 5": f"{len(svm.SWEEP_C)}, from {svm.SWEEP_C[0]:g} to {svm.SWEEP_C[-1]:g}",
    "crop": f"{augmentation.crop_size(32)} of 32 pixels",
    "schedule of question 26": f"{rate('exponential', 1):g} an epoch",
    "dropout": f"{LADDER[4].config.dropout_rate:g} before the last layer",
    "whitening": f"ε = {REGISTRY['zca'].config.whitening_epsilon or 0.01:g}",
    "intensity, contrast": "factors from {:g} to {:g}".format(
        1 - default(augmentation.RandomIntensity, "amount"), 1 + default(augmentation.RandomIntensity, "amount")
    ),
    "hue": f"up to {default(augmentation.RandomHue, 'amount')} of a turn",
    "affine": "turn {degrees}°, shift {shift}, scale {scale}, shear {shear}°".format(**AFFINE),
    "perspective": f"distortion {default(augmentation.RandomPerspective, 'distortion')}",
    "blur": f"{default(augmentation.RandomBlur, 'size')} pixels, sigma from 0.1 to "
    f"{default(augmentation.RandomBlur, 'sigma'):g}",
    "RMSprop, Adam": f"{OPTIMIZERS['rmsprop']}",
    "step decay": f"{IterationDecay.kept} to the power of t",
    "inverse decay": f"1 / (1 + {1 / rate('inverse', 1) - 1:.1f} epoch)",
}


@pytest.mark.parametrize("row", CHOICES)
def test_a_choice_is_the_codes(row):
    # Rows of two tables share a name.
    assert any(CHOICES[row] in cells[2] for cells in ROWS if cells[0] == row), (CHOICES[row], HERE[row])


def test_lengths_and_batches_are_those_of_the_experiments():
    assert [one.config.epochs for one in LADDER] == [30, 30, 50, 50, 50, 50] and MLP.epochs == 150
    assert {one.config.epochs for one in bonus_experiments() if one.reference.question in ("21", "25", "28")} == {30}
    assert (MLP.batch_size, BASELINE.batch_size, BASELINE.lr) == (10, 128, 0.1)
    assert REGISTRY["rotation"].config.augmentations[-1] == "rotation" and HERE["rotation"] == "15°"
    assert (rate("step", 9), rate("step", 10)) == (1, pytest.approx(0.1))
    assert {REGISTRY[name].config.lr for name in ("momentum", "momentum-lr-0.1")} == {0.01, 0.1}


def test_the_defaults_are_keras_and_the_packages_of_pytorch():
    layer, norm = keras.layers.Conv2D(1, 3), keras.layers.BatchNormalization()
    assert type(layer.kernel_initializer).__name__ == "GlorotUniform"
    assert type(layer.bias_initializer).__name__ == "Zeros" and HERE["their biases"] == "0"
    stays, epsilon = "batch-norm: share of the moving average that stays", "batch-norm: epsilon"
    assert (float(HERE[stays]), float(HERE[epsilon])) == (norm.momentum, norm.epsilon)
    assert float(PYTORCH[stays]) == pytorch_defaults.BATCH_NORM_MOMENTUM
    assert float(PYTORCH[epsilon]) == pytorch_defaults.BATCH_NORM_EPSILON
    rmsprop, adam = keras.optimizers.RMSprop(), keras.optimizers.Adam()
    assert (float(HERE["RMSprop: rho"]), HERE["RMSprop: epsilon"]) == (rmsprop.rho, f"{rmsprop.epsilon} in the root")
    assert float(HERE["Adam: epsilon"]) == adam.epsilon
    assert float(PYTORCH["RMSprop: rho"]) == PYTORCH_DEFAULTS["rmsprop"]["rho"]
    assert float(PYTORCH["Adam: epsilon"]) == PYTORCH_DEFAULTS["adam"]["epsilon"]


def test_every_option_in_the_table_exists():
    from rdfia_keras.config import RunOptions, SvmConfig

    known = {
        flag(name, known)
        for kind in (MlpConfig, SvmConfig, CnnConfig, RunOptions)
        for name, known in settings(kind).items()
    }
    named = set(re.findall(r"`(--[a-zA-Z-]+)", TEXT))
    assert len(named) > 15 and named <= known
