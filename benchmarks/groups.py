"""Everything that is measured on a device, and the ratios that this package aims at."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from benchmarks import convnet_pytorch, package, perceptron_references, plain_keras, recipe_pytorch, transforms
from benchmarks.device import Card, precisions
from benchmarks.matches import Contender, Group, Match, Ratio, Target, Work
from benchmarks.noise import CIFAR, MNIST
from benchmarks.package import AUGMENTATIONS, IMPLEMENTATIONS, OPTIMIZERS, Training

# The ladder's networks, by the names of experiments with Keras's defaults: initial weights cost no time.
RUNGS = ("baseline", "normalize", "augment", "schedule", "dropout", "batch-norm")
# At a tenth of the ladder's rate with momentum, as the registered experiments: noise must not diverge.
RATES = {**OPTIMIZERS, "momentum": 0.01, "nesterov": 0.01}
# LeNet and the dense net take so little time an image that an epoch of them needs more images.
NETWORKS = (("zca", 1, CIFAR), ("mnist-lenet", 2, MNIST), ("mnist-dense", 4, MNIST))
BATCH_SIZES = (32, 64, 128, 256, 512, 1024)
RDFIA = ["-m", "rdfia_keras"]
# For `rdfia cnn`: the first and the last rung, and what needs most memory.
OPTIONS = {
    "baseline": [],
    "batch-norm": ["--augment", "--schedule", "exponential", "--dropout", "--batch-norm"],
    "zca": ["--whitening", "zca"],
}
MOST_MEGABYTES, MOST_SECONDS_ON_H100 = 1600, 60
TIMED_ACCURACY = 0.92


def groups(card: Card | None = None) -> dict[str, Group]:
    """Return by name what is measured on a GPU, or without one on the CPU."""
    every = (*_of_every_device(partial(_trainings, card)), *(_of_a_gpu(card) if card else _of_a_cpu()))
    return {group.name: group for group in every}


def _trainings(card: Card | None, name: str, **settings: Any) -> list[Training]:
    """Return trainings of a registered convnet in each precision of the device; the fastest comes last.

    An epoch has so many images that what it costs by itself is little beside its steps.
    """
    count, device = (400 * 128, "gpu") if card else (40 * 128, "cpu")
    trainings = []
    for precision in precisions(card):
        policy = "float32" if precision == "tf32" else precision
        config = replace(package.experiment_config(name), precision=policy, **settings)
        trainings.append(Training(config, count, device=device, tf32=bool(card) and precision != "float32"))
    return trainings


def _match(name: str, training: Training, target: Target, functions: Mapping[str, Callable[..., Work]]) -> Match:
    """Return a match between functions of one training; the first aims at a ratio to the others."""
    first, *others = functions
    contenders = {label: partial(function, training) for label, function in functions.items()}
    return Match(f"{name}, {training.precision}", contenders, (Ratio(first, tuple(others), target),))


def _against_pytorch(
    name: str, training: Training, compiled: bool = True, function=package.train, reference=convnet_pytorch.train
) -> Match:
    functions = {"ours": function, "PyTorch eager": reference}
    if compiled:
        functions["PyTorch compiled"] = partial(reference, compiled=True)
    return _match(name, training, 1.0 if training.device == "gpu" else 1.05, functions)


def _of_every_device(trainings: Callable[..., list[Training]]) -> tuple[Group, ...]:
    ladder = [(rung, training) for rung in RUNGS for training in trainings(rung)]
    optimizers = [(name, trainings("normalize", optimizer=name, lr=rate)[-1]) for name, rate in RATES.items()]
    networks = [
        (name, replace(training, images=times * training.images, shape=shape))
        for name, times, shape in NETWORKS
        for training in trainings(name)
    ]
    augment, batch_norm = trainings("augment")[-1], trainings("batch-norm")[-1]
    loops = {"baseline": trainings("baseline")[-1], "batch-norm": batch_norm}
    in_loops = {"fit": package.train, "train_on_batch": package.train_in_a_loop}
    return (
        Group("ladder", tuple(_rung(*rung) for rung in ladder)),
        Group("optimizers", tuple(_against_pytorch(*case, compiled=False) for case in optimizers)),
        Group("networks", tuple(_against_pytorch(*case) for case in networks)),
        Group("recipe", (_recipe(trainings("modern-fast")[-1]),)),
        Group("accuracy", (_time_to_accuracy(trainings("modern-fast")[-1]),), "s", turns=3, on_request=True),
        Group("evaluation", tuple(map(_evaluation, trainings("normalize")))),
        Group("limits", tuple(map(_limits, trainings("baseline")))),
        Group("loop", tuple(_match(*case, 0.97, in_loops) for case in loops.items())),
        Group("epoch", (_epoch(batch_norm),)),
        Group("batches", (_batches(augment),)),
        Group("size", (_size(augment),)),
    )


def _rung(name: str, training: Training) -> Match:
    # On a CPU compiling takes a minute, and its convolutions are slower.
    return _against_pytorch(name, training, compiled=training.device == "gpu" or name in (RUNGS[0], RUNGS[-1]))


def _evaluation(training: Training) -> Match:
    training = replace(training, images=50_000 if training.device == "gpu" else 5000)
    return _against_pytorch(
        "evaluation", training, function=package.evaluate_images, reference=convnet_pytorch.evaluate
    )


def _recipe(training: Training) -> Match:
    """Return epochs of the second ladder's recipe, of ten of its batches."""
    # A triangle is of a training's length, which is not fixed here.
    config = replace(training.config, schedule="constant")
    few = replace(training, config=config, images=10 * config.batch_size)
    return _against_pytorch("modern-fast", few, reference=recipe_pytorch.train)


def _time_to_accuracy(training: Training) -> Match:
    functions = {
        "ours": partial(package.train_to_accuracy, accuracy=TIMED_ACCURACY),
        "PyTorch eager": partial(recipe_pytorch.train_to_accuracy, accuracy=TIMED_ACCURACY),
    }
    return _match("modern-fast to 92 %", training, 0.8, functions)


def _limits(training: Training) -> Match:
    contenders: dict[str, Contender] = {
        "ours": partial(package.train, training),
        "matrix product": partial(plain_keras.matrix_product, training),
    }
    # On a GPU without a target: 5x5 convolutions are far from what large products reach there.
    ratios = [Ratio("ours", ("matrix product",), 0.7 if training.device == "cpu" else None)]
    if training.device == "cpu" and training.precision == "float32":
        contenders["Keras fit"] = partial(plain_keras.fit_convnet, training)
        ratios.append(Ratio("ours", ("Keras fit",)))
    return Match(f"baseline, {training.precision}", contenders, tuple(ratios))


def _epoch(training: Training) -> Match:
    """Return an epoch as long as CIFAR-10's: 50,000 images, and evaluation of 10,000."""
    training = replace(training, images=50_000, test_images=10_000)
    command = partial(package.train, as_the_command=True)
    loop = partial(package.train_in_a_loop, with_evaluation=True)
    return _match("batch-norm", training, 0.97, {"rdfia cnn": command, "loop": loop})


def _batches(training: Training) -> Match:
    few = replace(training, images=4096)
    contenders = {f"batches of {size}": partial(package.train, few, batch_size=size) for size in BATCH_SIZES}
    return Match(f"augment, {training.precision}", contenders)


def _size(training: Training) -> Match:
    sizes = {f"{count:,} images": replace(training, images=count) for count in (5_000, 50_000)}
    contenders = {label: partial(package.train, sized) for label, sized in sizes.items()}
    few, many = sizes
    return Match(f"augment, {training.precision}", contenders, (Ratio(many, (few,), (0.95, 1.05)),))


def _of_a_cpu() -> tuple[Group, ...]:
    return (
        Group("augmentation", tuple(map(_augmentation, AUGMENTATIONS))),
        Group("perceptron", (_perceptron(),), "µs/step"),
        Group("commands", (_commands(),), "s"),
        Group("memory", (_memory(),), "MB", turns=1),
    )


def _augmentation(name: str) -> Match:
    batch, each = "torchvision, batch", "torchvision, image by image"
    contenders = {
        "ours": partial(transforms.package_layer, name),
        "Keras": partial(transforms.keras_layer, name),
        batch: partial(transforms.torchvision, name),
        each: partial(transforms.torchvision, name, image_by_image=True),
    }
    return Match(name, contenders, (Ratio("ours", ("Keras", batch), 1.0), Ratio("ours", (each,))))


def _perceptron() -> Match:
    implementations = {f"ours: {name}": partial(package.perceptron, name) for name in IMPLEMENTATIONS}
    hand, layers, numpy, keras = "PyTorch by hand", "PyTorch nn + optim", "NumPy by hand", "Keras fit"
    references: dict[str, Contender] = {
        hand: perceptron_references.torch_by_hand,
        layers: perceptron_references.torch_layers,
        numpy: perceptron_references.numpy_by_hand,
        keras: plain_keras.fit_perceptron,
    }
    ratios = [Ratio(name, (to,), target) for to, target in ((hand, 0.35), (layers, 0.06)) for name in implementations]
    ratios += [Ratio("ours: manual", (to,)) for to in (numpy, keras)]
    return Match("circles", {**implementations, **references}, tuple(ratios))


def _commands() -> Match:
    mlp, digits, tensorflow = "rdfia mlp", "rdfia cnn --dataset digits --quick", "import tensorflow"
    contenders = {
        mlp: partial(package.command, [*RDFIA, "mlp"]),
        digits: partial(package.command, [*RDFIA, "cnn", "--dataset", "digits", "--quick"]),
        tensorflow: partial(package.command, ["-c", tensorflow]),
        "rdfia --help": partial(package.command, [*RDFIA, "--help"]),
        "import typer": partial(package.command, ["-c", "import typer"]),
    }
    heavy = (Ratio(mlp, (tensorflow,), 1.7), Ratio(digits, (tensorflow,)))
    return Match("whole commands", contenders, (*heavy, Ratio("rdfia --help", ("import typer",), 4.0)))


def _memory() -> Match:
    """Return `rdfia cnn` over as many images as CIFAR-10 has."""
    precision = precisions(None)[-1]
    common = [*RDFIA, "cnn", "--epochs", "1", "--device", "cpu", "--precision", precision]
    contenders = {
        name: partial(package.command, [*common, *options], noise=True, memory=True)
        for name, options in OPTIONS.items()
    }
    return Match(f"one epoch, {precision}", contenders, tuple(Ratio(name, (), MOST_MEGABYTES) for name in OPTIONS))


def _of_a_gpu(card: Card) -> tuple[Group, ...]:
    trainings = _trainings(card, "batch-norm")
    memory = {training.precision: partial(package.peak_gpu_memory, training) for training in trainings}
    return (
        Group("xla", tuple(map(_xla, trainings))),
        Group("memory", (Match("batch-norm", memory),), "MB", turns=1),
        Group("whole", (_whole(card, trainings[-1]),), "s", turns=1),
    )


def _xla(training: Training) -> Match:
    functions = {"--xla on": partial(package.train, xla="on"), "--xla off": partial(package.train, xla="off")}
    return _match("batch-norm", training, None, functions)


def _whole(card: Card, training: Training) -> Match:
    name = "rdfia cnn --epochs 50"
    options = [*OPTIONS["batch-norm"], "--epochs", "50", "--device", "gpu", "--precision", training.config.precision]
    contenders = {name: partial(package.command, [*RDFIA, "cnn", *options], noise=True)}
    target = MOST_SECONDS_ON_H100 if "H100" in card.name else None
    return Match(f"batch-norm, {training.precision}", contenders, (Ratio(name, (), target),))
