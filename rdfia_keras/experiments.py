"""Experiments: frozen declarations of everything that decides a run, with the homework's figure and published value.

A new experiment is one `replace(...)` line in the registry below.
"""

import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path


@dataclass(frozen=True)
class MlpExperiment:
    """A perceptron with one hidden layer (homework part 2.1).

    Attributes:
        dataset: `circles`, `digits` or `mnist`.
        hidden: n_h, the number of hidden units.
        std: Standard deviation of the initial weights.
        lr: eta, the learning rate of plain SGD.
        published: Test accuracy in the report, as a fraction.
    """

    name: str
    figure: int | None = None
    question: int | None = None
    published: float | None = None
    dataset: str = "circles"
    hidden: int = 10
    std: float = 0.3
    epochs: int = 150
    batch_size: int = 10
    lr: float = 0.07
    seed: int = 0


@dataclass(frozen=True)
class CnnExperiment:
    """A convolutional network on images (homework parts 4 and 5).

    Attributes:
        model: `cifar` (the homework's network), `lenet` or `dense` (the two of figure 6).
        normalize: Subtract the training set's mean and divide by its standard deviation, per channel.
        augment: Random transformations of the training images, in order: `crop`, `flip`.
        dropout: Probability of dropping a unit between fc4 and fc5; 0 for none.
        schedule: `constant`, `exponential`, `step` or `inverse`, applied once an epoch.
        published: Best test accuracy in the report, as a fraction.
    """

    name: str
    figure: int | None = None
    question: int | None = None
    published: float | None = None
    dataset: str = "cifar10"
    model: str = "cifar"
    epochs: int = 30
    batch_size: int = 128
    lr: float = 0.1
    normalize: bool = False
    augment: tuple[str, ...] = ()
    dropout: float = 0.0
    batch_norm: bool = False
    optimizer: str = "sgd"
    schedule: str = "constant"
    precision: str = "float32"
    seed: int = 0


CIRCLES = MlpExperiment("circles", figure=1, question=1, published=0.94)

MNIST_DENSE = CnnExperiment(
    "mnist-dense", figure=6, question=13, published=0.949, dataset="mnist", model="dense", epochs=10
)
MNIST_LENET = replace(MNIST_DENSE, name="mnist-lenet", published=0.989, model="lenet")

BASELINE = CnnExperiment("baseline", figure=7, question=15, published=0.70)
NORMALIZE = replace(BASELINE, name="normalize", figure=11, question=19, published=0.758, normalize=True)
AUGMENT = replace(
    NORMALIZE, name="augment", figure=12, question=22, published=0.80, augment=("crop", "flip"), epochs=50
)
SCHEDULE = replace(AUGMENT, name="schedule", figure=18, question=26, published=0.81, schedule="exponential")
DROPOUT = replace(SCHEDULE, name="dropout", figure=22, question=29, published=0.82, dropout=0.5)
BATCH_NORM = replace(DROPOUT, name="batch-norm", figure=23, question=34, published=0.85, batch_norm=True)

LADDER = (BASELINE, NORMALIZE, AUGMENT, SCHEDULE, DROPOUT, BATCH_NORM)
REGISTRY = {e.name: e for e in (CIRCLES, MNIST_DENSE, MNIST_LENET, *LADDER)}

# What may differ between a run and the declared experiment whose published value it stands beside.
_NOT_COMPARED = ("name", "figure", "question", "published", "seed", "epochs", "precision")

# How long a run is that repeats no declaration.
_EPOCHS = {"circles": 150, "mnist": 10, "digits": 30}
_OTHER_EPOCHS = 30


def identify(experiment: MlpExperiment | CnnExperiment, epochs: int | None) -> MlpExperiment | CnnExperiment:
    """Complete what the options say: name, figure and published value of the declaration that it repeats.

    Only seed, precision and the number of epochs may differ from a declaration. Without one, the name is made of the
    options and nothing published stands beside the run.

    Args:
        experiment: With any name, figure, question, published value and epochs: they are set here.
        epochs: What the user asked for; None for the declaration's, or for what suits the data set.
    """
    for known in REGISTRY.values():
        if type(known) is type(experiment) and _settings(known) == _settings(experiment):
            return replace(known, seed=experiment.seed, epochs=epochs or known.epochs, **_precision(experiment))
    return replace(
        experiment,
        name=describe(experiment),
        figure=None,
        question=None,
        published=None,
        epochs=epochs or _EPOCHS.get(experiment.dataset, _OTHER_EPOCHS),
    )


def _precision(experiment: MlpExperiment | CnnExperiment) -> dict:
    return {"precision": experiment.precision} if isinstance(experiment, CnnExperiment) else {}


def _settings(experiment: MlpExperiment | CnnExperiment) -> dict:
    return {key: value for key, value in asdict(experiment).items() if key not in _NOT_COMPARED}


def describe(experiment: MlpExperiment | CnnExperiment) -> str:
    """A folder name made of what differs from the section's first experiment: `digits-normalize-augment-dropout`."""
    default = CIRCLES if isinstance(experiment, MlpExperiment) else BASELINE
    words = []
    for key, value in _settings(experiment).items():
        if value == getattr(default, key):
            continue
        if key == "dataset":
            words.append(re.sub(r"[^\w.-]+", "-", Path(value).name) or "images")
        elif isinstance(value, str):
            words.append(value)
        elif isinstance(value, bool | tuple):
            words.append(key.replace("_", "-"))
        elif key == "dropout" and value == DROPOUT.dropout:
            words.append("dropout")
        else:
            words.append(f"{key.replace('_', '-')}-{value:g}")
    if isinstance(experiment, CnnExperiment) and words and not experiment.normalize and _on_a_rung(experiment):
        words.append("no-normalize")
    name = "-".join(words) or default.name
    return f"{name}-other" if name in REGISTRY else name


def _on_a_rung(experiment: CnnExperiment) -> bool:
    """Whether a rung above normalize is on: the homework has none of them without it."""
    return any((experiment.augment, experiment.dropout, experiment.batch_norm, experiment.schedule != "constant"))
