"""The same convnets in PyTorch, as someone who knows PyTorch writes them.

Images are channels-last, crops and flips are one gather over the batch with an offset for each image, loss and accuracy
are summed as tensors and read once an epoch, bfloat16 is `torch.autocast`, optimizers are the fused ones where there
are such. `compiled` puts augmentation, preprocessing, network and loss into one `torch.compile`.
"""

from collections.abc import Callable
from typing import Any

from benchmarks.noise import CIFAR, images
from benchmarks.registry import Work
from rdfia_keras.config import CnnConfig


def training(config: CnnConfig, count: int, shape: tuple[int, int, int] = CIFAR, compiled: bool = False) -> Work:
    """Epochs over `count` images."""
    import torch

    model, batch, y = _model_and_data(config, count, shape)
    optimizer = _optimizer(config, model)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.95 if config.schedule == "exponential" else 1.0)
    measure = _measure(config, model, batch, y, compiled)

    def work() -> None:
        model.train()
        order = torch.randperm(count)
        total, right = torch.zeros(()), torch.zeros((), dtype=torch.int64)
        for rows in order.split(config.batch_size):
            loss, correct = measure(rows)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(rows)
            right += correct
        schedule.step()
        total.item(), right.item()

    return Work(work, count)


def evaluation(config: CnnConfig, count: int, compiled: bool = False) -> Work:
    """Loss and accuracy over `count` images in batches of 500, as ours has them."""
    import torch

    model, batch, y = _model_and_data(config, count, CIFAR)
    measure = _measure(config, model, batch, y, compiled)
    model.eval()

    def work() -> None:
        total, right = torch.zeros(()), torch.zeros((), dtype=torch.int64)
        with torch.inference_mode():
            for rows in torch.arange(count).split(500):
                loss, correct = measure(rows)
                total += loss * len(rows)
                right += correct
        total.item(), right.item()

    return Work(work, count)


def _measure(config: CnnConfig, model: Any, batch: Callable[[Any], Any], y: Any, compiled: bool) -> Callable:
    """Mean loss and number of right answers of some rows of the data."""
    import torch

    def measure(rows):
        labels = y[rows]
        with torch.autocast("cpu", torch.bfloat16, enabled=config.precision == "mixed_bfloat16"):
            logits = model(batch(rows)).float()
        loss = torch.nn.functional.cross_entropy(logits, labels)
        return loss, (logits.detach().argmax(1) == labels).sum()

    return torch.compile(measure, dynamic=False) if compiled else measure


def _optimizer(config: CnnConfig, model: Any) -> Any:
    """The config's optimizer, with the constants that Keras gives it."""
    from torch import optim

    parameters, lr = model.parameters(), config.lr
    if config.optimizer == "rmsprop":
        return optim.RMSprop(parameters, lr, alpha=0.9, eps=1e-7)
    if config.optimizer == "adam":
        return optim.Adam(parameters, lr, eps=1e-7, fused=True)
    momentum = 0.0 if config.optimizer == "sgd" else 0.9
    return optim.SGD(parameters, lr, momentum, nesterov=config.optimizer == "nesterov", fused=True)


def _model_and_data(config: CnnConfig, count: int, shape: tuple[int, int, int]) -> tuple[Any, Callable, Any]:
    """The network, what makes its inputs of some rows of the images, and the labels."""
    import torch

    numbers, labels = images(count, shape)
    # Channels-last: in memory (N, H, W, C).
    x = torch.from_numpy(numbers)
    prepare = _preprocessing(config, numbers)

    def batch(rows):
        return prepare(_augmented(config, x, rows)).permute(0, 3, 1, 2)

    model = _network(config, shape).to(memory_format=torch.channels_last)
    return model, batch, torch.from_numpy(labels)


def _augmented(config: CnnConfig, x: Any, rows: Any) -> Any:
    """Rows of the images, each cropped and flipped by itself, by one gather."""
    import torch

    if not config.augmentations:
        return x[rows]
    assert config.augmentations == ("crop", "flip")
    count, full = len(rows), x.shape[1]
    size = full * 7 // 8
    window = torch.arange(size)
    top, left = torch.randint(0, full - size + 1, (2, count, 1)).unbind()
    flipped = torch.rand(count, 1) < 0.5
    down, across = top + window, left + torch.where(flipped, size - 1 - window, window)
    return x[rows[:, None, None], down[:, :, None], across[:, None, :]]


def _preprocessing(config: CnnConfig, numbers: Any) -> Callable:
    """From uint8 (N, H, W, C) to float32: to [0, 1], and standardized or whitened with the images' statistics."""
    import torch

    from rdfia_keras.models.statistics import channel_statistics, principal_axes

    if config.whitening:
        mean, variances, vectors = principal_axes(numbers)
        matrix = torch.from_numpy((vectors / (variances.clip(0) + config.whitening_epsilon) ** 0.5) @ vectors.T)
        centre = torch.from_numpy(mean * 255)
        return lambda x: ((x.flatten(1).float() - centre) @ (matrix / 255)).view(x.shape)
    if config.normalize:
        mean, std = (torch.tensor(values) * 255 for values in channel_statistics(numbers))
        return lambda x: (x.float() - mean) / std
    return lambda x: x.float() / 255


def _network(config: CnnConfig, shape: tuple[int, int, int]) -> Any:
    """The networks of `rdfia_keras.models.convnet`, layer by layer."""
    from torch import nn

    channels = shape[2]
    dropout = [nn.Dropout(config.dropout_rate)] if config.dropout_rate else []
    if config.network == "dense":
        pixels = shape[0] * shape[1] * channels
        return nn.Sequential(nn.Flatten(), nn.Linear(pixels, 100), nn.Tanh(), *dropout, nn.Linear(100, 10))
    if config.network == "lenet":
        return nn.Sequential(
            *(nn.Conv2d(channels, 6, 5, padding=2), nn.Tanh(), nn.MaxPool2d(2)),
            *(nn.Conv2d(6, 16, 5), nn.Tanh(), nn.MaxPool2d(2), nn.Flatten()),
            *(nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), *dropout, nn.Linear(84, 10)),
        )
    layers = []
    for number, filters in enumerate((32, 64, 64), start=1):
        layers.append(nn.Conv2d(channels, filters, 5, padding=2))
        if config.batch_norm:
            layers.append(nn.BatchNorm2d(filters, eps=1e-3, momentum=0.01))
        layers += [nn.ReLU(inplace=True), nn.MaxPool2d(2, ceil_mode=number == 3)]
        channels = filters
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(1024, 1000), nn.ReLU(), *dropout, nn.Linear(1000, 10))
