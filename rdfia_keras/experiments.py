"""Experiments: frozen declarations of everything that decides a run, with the homework's figure and published value.

A new experiment is one `replace(...)` line in the registry below.
"""

from dataclasses import asdict, dataclass, replace


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


def identify(experiment: CnnExperiment) -> CnnExperiment:
    """Give a run the name, figure and published value of the declaration it repeats, or a name made of its options.

    Only seed, precision and the number of epochs may differ from a declaration.
    """
    for known in REGISTRY.values():
        if type(known) is type(experiment) and _settings(known) == _settings(experiment):
            return replace(
                experiment,
                name=known.name,
                figure=known.figure,
                question=known.question,
                published=known.published,
            )
    return replace(experiment, name=describe(experiment), figure=None, question=None, published=None)


def _settings(experiment: CnnExperiment) -> dict:
    return {key: value for key, value in asdict(experiment).items() if key not in _NOT_COMPARED}


def describe(experiment: CnnExperiment) -> str:
    """A short folder name made of what differs from the baseline, such as `digits-normalize-augment-dropout`."""
    words = []
    if experiment.dataset != BASELINE.dataset:
        words.append(experiment.dataset)
    if experiment.model != BASELINE.model:
        words.append(experiment.model)
    words += [word for word in ("normalize", "augment", "dropout") if getattr(experiment, word)]
    words += ["batch-norm"] if experiment.batch_norm else []
    for key in ("optimizer", "schedule"):
        if getattr(experiment, key) != getattr(BASELINE, key):
            words.append(getattr(experiment, key))
    for key, letter in (("lr", "lr"), ("batch_size", "batch")):
        if getattr(experiment, key) != getattr(BASELINE, key):
            words.append(f"{letter}{getattr(experiment, key):g}")
    return "-".join(words) or "baseline"
