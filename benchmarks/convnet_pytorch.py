"""The convnets in PyTorch, as someone who knows PyTorch writes them.

Images are channels-last, crops and flips are one gather over the batch with an offset for each image, loss and accuracy
are summed as tensors and read once an epoch, bfloat16 is `torch.autocast`, optimizers are the fused ones where there
are such. `compiled` puts augmentation, preprocessing, network and loss into one `torch.compile`.
"""

from collections.abc import Callable
from typing import Any

from benchmarks.matches import Work
from benchmarks.noise import images
from benchmarks.package import CnnConfig, Training, image_statistics


def train(training: Training, compiled: bool = False) -> Work:
    """Time epochs over the images."""
    import torch

    config, model, batch, y = training.config, *_model_and_data(training)
    optimizer = _optimizer(config, model)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.95 if config.schedule == "exponential" else 1.0)
    scaler = torch.amp.GradScaler(y.device.type, enabled=config.precision == "mixed_float16")
    measure = _measure(training, model, batch, y, compiled)

    def work() -> None:
        model.train()
        total = right = 0
        for rows in torch.randperm(len(y), device=y.device).split(config.batch_size):
            loss, correct = measure(rows)
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            total, right = total + loss.detach() * len(rows), right + correct
        schedule.step()
        total.item(), right.item()

    return Work(work, training.images)


def evaluate(training: Training, compiled: bool = False) -> Work:
    """Time loss and accuracy over the images in batches of 500, as this package has them."""
    import torch

    model, batch, y = _model_and_data(training)
    measure = _measure(training, model, batch, y, compiled)
    model.eval()

    def work() -> None:
        total = right = 0
        with torch.inference_mode():
            for rows in torch.arange(len(y), device=y.device).split(500):
                loss, correct = measure(rows)
                total, right = total + loss * len(rows), right + correct
        total.item(), right.item()

    return Work(work, training.images)


def _measure(training: Training, model: Any, batch: Callable[[Any], Any], y: Any, compiled: bool) -> Callable:
    """Return a function of some rows of the data, which gives their mean loss and number of right answers."""
    import torch

    dtype = torch.float16 if training.config.precision == "mixed_float16" else torch.bfloat16
    mixed, kind = training.config.precision != "float32", y.device.type

    def measure(rows):
        labels = y[rows]
        with torch.autocast(kind, dtype, enabled=mixed):
            logits = model(batch(rows)).float()
        loss = torch.nn.functional.cross_entropy(logits, labels)
        return loss, (logits.detach().argmax(1) == labels).sum()

    return torch.compile(measure, dynamic=False) if compiled else measure


def _optimizer(config: CnnConfig, model: Any) -> Any:
    """Return the config's optimizer, with the constants that Keras gives it."""
    from torch import optim

    parameters, lr = model.parameters(), config.lr
    if config.optimizer == "rmsprop":
        return optim.RMSprop(parameters, lr, alpha=0.9, eps=1e-7)
    if config.optimizer == "adam":
        return optim.Adam(parameters, lr, eps=1e-7, fused=True)
    momentum = 0.0 if config.optimizer == "sgd" else 0.9
    return optim.SGD(parameters, lr, momentum, nesterov=config.optimizer == "nesterov", fused=True)


def _model_and_data(training: Training) -> tuple[Any, Callable, Any]:
    """Return the network, what makes its inputs of some rows of the images, and the labels."""
    import torch

    if training.device == "gpu" and not torch.cuda.is_available():
        raise SystemExit("torch sees no GPU: it is a build without CUDA, or for a newer driver")
    torch.set_float32_matmul_precision("high" if training.tf32 else "highest")
    torch.backends.cudnn.allow_tf32 = training.tf32
    torch.backends.cudnn.benchmark = True
    device, config = torch.device("cuda" if training.device == "gpu" else "cpu"), training.config
    numbers, labels = images(training.images, training.shape)
    # Channels-last: in memory (N, H, W, C).
    x = torch.from_numpy(numbers).to(device)
    prepare = _preprocessing(config, numbers, device)

    def batch(rows):
        return prepare(_augmented(config, x, rows)).permute(0, 3, 1, 2)

    model = _network(config, training.shape).to(device, memory_format=torch.channels_last)
    return model, batch, torch.from_numpy(labels).to(device)


def _augmented(config: CnnConfig, x: Any, rows: Any) -> Any:
    """Return rows of the images, each cropped and flipped by itself, by one gather."""
    import torch

    if not config.augmentations:
        return x[rows]
    assert config.augmentations == ("crop", "flip")
    size = x.shape[1] * 7 // 8
    return gathered(x, rows, size, torch.rand(len(rows), 1, device=x.device) < 0.5)


def gathered(x: Any, rows: Any, size: int, flipped: Any) -> Any:
    """Return a window of each of some rows of images (N, H, W, C), at a place of its own, some of them mirrored."""
    import torch

    window = torch.arange(size, device=x.device)
    top, left = torch.randint(0, x.shape[1] - size + 1, (2, len(rows), 1), device=x.device).unbind()
    down, across = top + window, left + torch.where(flipped, size - 1 - window, window)
    return x[rows[:, None, None], down[:, :, None], across[:, None, :]]


def _preprocessing(config: CnnConfig, numbers: Any, device: Any) -> Callable:
    """Return what brings uint8 to float32 in [0, 1], standardized or whitened with the images' statistics."""
    import torch

    if config.whitening:
        mean, variances, vectors = image_statistics(config, numbers)
        matrix = (vectors / (variances.clip(0) + config.whitening_epsilon) ** 0.5) @ vectors.T
        centre, scaled = (torch.from_numpy(values).to(device) for values in (mean * 255, matrix / 255))
        return lambda x: ((x.flatten(1).float() - centre) @ scaled).view(x.shape)
    if config.normalize:
        mean, std = (torch.tensor(values, device=device) * 255 for values in image_statistics(config, numbers))
        return lambda x: (x.float() - mean) / std
    return lambda x: x.float() / 255


def _network(config: CnnConfig, shape: tuple[int, int, int]) -> Any:
    """Return the networks of `rdfia_keras.models.convnet`, layer by layer."""
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
