"""Everything that is timed, and the ratios that this package aims at."""

from dataclasses import replace
from functools import partial
from typing import Any

from benchmarks import augmentation, convnet, perceptron, pytorch
from benchmarks.gpu_worker import RUNGS
from benchmarks.noise import CIFAR, MNIST, fastest, precisions
from benchmarks.registry import Group, Match, Ratio, Target
from rdfia_keras.config import AUGMENTATIONS, IMPLEMENTATIONS, OPTIMIZERS, CnnConfig
from rdfia_keras.experiments import REGISTRY

EAGER, COMPILED = "PyTorch eager", "PyTorch compiled"
COUNT = 40 * 128  # images of one timing: what an epoch costs by itself is little beside its steps
BEST_PYTORCH = (EAGER, COMPILED)


def against_pytorch(
    name: str, config: CnnConfig, target: Target, count: int = COUNT, shape=CIFAR, compiled: bool = True
) -> Match:
    """Training in this package and in PyTorch, eager and compiled."""
    contenders = {
        "ours": partial(convnet.ours, config, count, shape),
        EAGER: partial(pytorch.training, config, count, shape),
    }
    if compiled:
        contenders[COMPILED] = partial(pytorch.training, config, count, shape, compiled=True)
    return Match(name, contenders, (Ratio("ours", BEST_PYTORCH if compiled else (EAGER,), target),))


def in_each_precision(config: CnnConfig) -> list[CnnConfig]:
    return [replace(config, precision=precision) for precision in precisions()]


def _ladder() -> tuple[Match, ...]:
    """Compiled for the first and the last rung only: on a CPU it takes a minute, and its convolutions are slower."""
    compiled = (RUNGS[0], RUNGS[-1])
    return tuple(
        against_pytorch(f"{rung}, {config.precision}", config, 1.05, compiled=rung in compiled)
        for rung in RUNGS
        for config in in_each_precision(_convnet(rung))
    )


def _optimizers() -> tuple[Match, ...]:
    """At a tenth of the ladder's rate with momentum, as the registered experiments: noise must not diverge."""
    base = fastest(_convnet("normalize"))
    rates = {**OPTIMIZERS, "momentum": 0.01, "nesterov": 0.01}
    return tuple(
        against_pytorch(
            f"{name}, {base.precision}", replace(base, optimizer=name, lr=rates[name]), 1.05, compiled=False
        )
        for name in OPTIMIZERS
    )


def _augmentation(name: str) -> Match:
    keras_name, batch, each = "Keras", "torchvision, batch", "torchvision, image by image"
    contenders = {
        "ours": partial(augmentation.ours, name),
        keras_name: partial(augmentation.keras_layer, name),
        batch: partial(augmentation.torchvision, name),
        each: partial(augmentation.torchvision, name, image_by_image=True),
    }
    return Match(name, contenders, (Ratio("ours", (keras_name, batch), 1.0), Ratio("ours", (each,))))


def _networks() -> tuple[Match, ...]:
    """LeNet and the dense net take so little time an image that an epoch of them needs more images."""
    cases = (("zca", CIFAR, COUNT), ("mnist-lenet", MNIST, 2 * COUNT), ("mnist-dense", MNIST, 4 * COUNT))
    return tuple(
        against_pytorch(f"{name}, {config.precision}", config, 1.05, count, shape)
        for name, shape, count in cases
        for config in in_each_precision(_convnet(name))
    )


def _evaluation(config: CnnConfig) -> Match:
    contenders = {
        "ours": partial(convnet.ours_evaluation, config, 5000),
        EAGER: partial(pytorch.evaluation, config, 5000),
        COMPILED: partial(pytorch.evaluation, config, 5000, compiled=True),
    }
    return Match(f"evaluation, {config.precision}", contenders, (Ratio("ours", BEST_PYTORCH, 1.05),))


def _epoch(name: str) -> Match:
    """An epoch as long as CIFAR-10's: 50,000 images, and evaluation of 10,000."""
    config, sizes = fastest(_convnet(name)), (50_000, 10_000)
    contenders = {
        "rdfia cnn": partial(convnet.ours_as_the_command, config, *sizes),
        "loop": partial(convnet.ours_in_a_loop, config, *sizes),
    }
    return Match(f"{name}, {config.precision}", contenders, (Ratio("rdfia cnn", ("loop",), 0.97),))


def _loop(name: str) -> Match:
    config = fastest(_convnet(name))
    contenders = {
        "fit": partial(convnet.ours, config, COUNT),
        "train_on_batch": partial(convnet.ours_in_a_loop, config, COUNT),
    }
    return Match(f"{name}, {config.precision}", contenders, (Ratio("fit", ("train_on_batch",), 0.97),))


def _limits(config: CnnConfig) -> Match:
    contenders: dict[str, Any] = {
        "ours": partial(convnet.ours, config, COUNT),
        "matrix product": partial(convnet.matrix_product, config.precision),
    }
    ratios = [Ratio("ours", ("matrix product",), 0.7)]
    if config.precision == "float32":
        contenders["Keras fit"] = partial(convnet.keras_fit, COUNT, config.batch_size)
        ratios.append(Ratio("ours", ("Keras fit",)))
    return Match(f"baseline, {config.precision}", contenders, tuple(ratios))


def _perceptron() -> Match:
    ours = [f"ours: {name}" for name in IMPLEMENTATIONS]
    hand, optim = "PyTorch by hand", "PyTorch nn + optim"
    contenders = {
        **{f"ours: {name}": partial(perceptron.ours, name) for name in IMPLEMENTATIONS},
        hand: perceptron.torch_by_hand,
        "PyTorch autograd": perceptron.torch_autograd,
        optim: perceptron.torch_optim,
        "NumPy by hand": perceptron.numpy_by_hand,
        "Keras fit": perceptron.keras_fit,
    }
    ratios = [*(Ratio(name, (hand,), 0.35) for name in ours), *(Ratio(name, (optim,), 0.06) for name in ours)]
    return Match("circles", contenders, (*ratios, Ratio(ours[0], ("NumPy by hand",)), Ratio(ours[0], ("Keras fit",))))


def _batches() -> Match:
    base = fastest(_convnet("augment"))
    contenders = {
        f"batches of {size}": partial(convnet.ours, replace(base, batch_size=size), 4096)
        for size in (32, 64, 128, 256, 512, 1024)
    }
    return Match(f"augment, {base.precision}", contenders, ())


def _size() -> Match:
    config = fastest(_convnet("augment"))
    contenders = {f"{count:,} images": partial(convnet.ours, config, count) for count in (5_000, 50_000)}
    ratio = Ratio("50,000 images", ("5,000 images",), (0.95, 1.05))
    return Match(f"augment, {config.precision}", contenders, (ratio,))


def _commands() -> Match:
    rdfia = ["-m", "rdfia_keras"]
    contenders = {
        "rdfia mlp": [*rdfia, "mlp"],
        "rdfia cnn --dataset digits --quick": [*rdfia, "cnn", "--dataset", "digits", "--quick"],
        "import tensorflow": ["-c", "import tensorflow"],
        "rdfia --help": [*rdfia, "--help"],
        "import typer": ["-c", "import typer"],
    }
    return Match(
        "whole commands",
        contenders,
        (
            Ratio("rdfia mlp", ("import tensorflow",), 1.7),
            Ratio("rdfia cnn --dataset digits --quick", ("import tensorflow",)),
            Ratio("rdfia --help", ("import typer",), 4.0),
        ),
    )


def _trials() -> Match:
    """Eight trainings of the digits convnet, one core each; needs Ray and two cores.

    Ray gives its processes a low priority: set RAY_worker_niceness=0 where other work runs.
    """
    ray = ["-m", "rdfia_keras", "sweep", "cnn", "--seeds", "8", "--ray", "--num-cpus", "1"]
    contenders = {
        "rdfia sweep --ray": [*ray, "--set", "dataset=digits", "--set", "epochs=10"],
        "8 rdfia cnn, two at a time": ["-m", "benchmarks.side_by_side", "8", "--dataset", "digits", "--epochs", "10"],
    }
    return Match("digits convnet", contenders, (Ratio("rdfia sweep --ray", ("8 rdfia cnn, two at a time",), 1.1),))


def _memory() -> Match:
    """`rdfia cnn` of each rung, and with ZCA whitening, over as many images as CIFAR-10 has."""
    exponential = ["--augment", "--schedule", "exponential"]
    flags = {
        "baseline": [],
        "normalize": ["--normalize"],
        "augment": ["--augment"],
        "schedule": exponential,
        "dropout": [*exponential, "--dropout"],
        "batch-norm": [*exponential, "--dropout", "--batch-norm"],
        "zca": ["--whiten", "zca"],
    }
    common = ["-m", "rdfia_keras", "cnn", "--epochs", "1", "--device", "cpu", "--precision", precisions()[-1]]
    ratios = tuple(Ratio(name, (), 1600) for name in flags)
    return Match(f"one epoch, {precisions()[-1]}", {name: [*common, *more] for name, more in flags.items()}, ratios)


def _convnet(name: str) -> CnnConfig:
    config = REGISTRY[name].config
    assert isinstance(config, CnnConfig)
    return config


GROUPS = {
    group.name: group
    for group in (
        Group("ladder", "The ladder: training", "images/s", _ladder()),
        Group("optimizers", "Optimizers: training", "images/s", _optimizers()),
        Group("augmentation", "Augmentation alone", "images/s", tuple(_augmentation(name) for name in AUGMENTATIONS)),
        Group("networks", "Whitening and the other networks: training", "images/s", _networks()),
        Group(
            "evaluation",
            "Evaluation",
            "images/s",
            tuple(_evaluation(config) for config in in_each_precision(_convnet("normalize"))),
        ),
        Group("perceptron", "The perceptron", "µs/step", (_perceptron(),)),
        Group("limits", "Beside plain Keras and the machine's limit", "images/s",
              tuple(_limits(config) for config in in_each_precision(_convnet("baseline")))),
        Group("loop", "fit beside a loop", "images/s", (_loop("baseline"), _loop("batch-norm"))),
        Group("epoch", "An epoch of rdfia cnn beside a loop", "images/s", (_epoch("batch-norm"),)),
        Group("batches", "Batch sizes", "images/s", (_batches(),)),
        Group("size", "Sizes of the data", "images/s", (_size(),)),
        Group("commands", "Whole commands", "s", (_commands(),), kind="commands"),
        Group("trials", "Trials side by side", "s", (_trials(),), kind="commands"),
        Group("memory", "Peak memory of rdfia cnn", "MB", (_memory(),), kind="memory"),
    )
}  # fmt: skip
