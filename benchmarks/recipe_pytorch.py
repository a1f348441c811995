"""The training of `modern-fast` in PyTorch, as someone who knows PyTorch writes it after cifar10-airbench.

Images are normalized and padded once, flip and translation are one gather over the batch, the network is channels-last,
bfloat16 is `torch.autocast`, the optimizer is fused. `compiled` puts network and loss into one `torch.compile`.
"""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.convnet_pytorch import gathered
from benchmarks.matches import Work
from benchmarks.noise import images
from benchmarks.package import CnnConfig, Training, cifar10, image_statistics

PAD, DECAY, FAST_BIASES, OUTPUT_SCALE = 2, 0.95**5, 64, 1 / 9


def train(training: Training, compiled: bool = False) -> Work:
    """Time epochs over noise."""
    train_epoch, _ = _training(training, *images(training.images, training.shape), compiled)
    epochs = itertools.count()
    return Work(lambda: train_epoch(next(epochs)), training.images)


def train_to_accuracy(training: Training, accuracy: float) -> Work:
    """Time trainings on CIFAR-10 until one ends with a test accuracy; evaluation after each epoch is included."""
    data = cifar10()

    def work() -> None:
        reached = 0.0
        while reached < accuracy:
            train_epoch, evaluate = _training(training, data.train.x, data.train.y)
            for epoch in range(training.config.epochs or 0):
                train_epoch(epoch)
                reached = evaluate(data.test.x, data.test.y)

    return Work(work, warm_ups=0)


def _training(training: Training, x: np.ndarray, y: np.ndarray, compiled: bool = False) -> tuple[Callable, Callable]:
    """Return a function that trains an epoch, and one that returns the accuracy on images."""
    import torch

    config, device = training.config, torch.device("cuda" if training.device == "gpu" else "cpu")
    mixed = config.precision == "mixed_bfloat16"
    mean, std = image_statistics(config, x)

    def prepared(pixels: np.ndarray, pad: int) -> Any:
        """Return normalized images, mirrored at their edges, (N, H, W, C)."""
        planes = ((torch.from_numpy(pixels).float() / 255 - torch.tensor(mean)) / torch.tensor(std)).permute(0, 3, 1, 2)
        padded = torch.nn.functional.pad(planes, (pad,) * 4, mode="reflect")
        return padded.permute(0, 2, 3, 1).contiguous().to(device, torch.bfloat16 if mixed else torch.float32)

    inputs, labels = prepared(x, PAD), torch.from_numpy(y).to(device)
    half = torch.randint(0, 2, (len(y),), device=device)
    model = _network(config, prepared(x[:5000], 0).float().cpu()).to(device, memory_format=torch.channels_last)
    batches = -(-len(y) // config.batch_size)
    optimizer, update = _optimizer(config, model, batches * (config.epochs or 1))

    def forward(batch, smoothing=0.0, targets=None):
        with torch.autocast(device.type, torch.bfloat16, enabled=mixed):
            logits = model(batch.permute(0, 3, 1, 2)).float() * OUTPUT_SCALE
        if targets is None:
            return logits
        return torch.nn.functional.cross_entropy(logits, targets, label_smoothing=smoothing), logits.detach()

    step = torch.compile(forward, dynamic=False) if compiled else forward

    def train_epoch(epoch: int) -> None:
        model.train()
        total = right = 0
        for rows in torch.randperm(len(y), device=device).split(config.batch_size):
            batch = gathered(inputs, rows, x.shape[1], (half[rows, None] + epoch) % 2 == 0)
            loss, logits = step(batch, config.label_smoothing, labels[rows])
            optimizer.zero_grad()
            loss.backward()
            update()
            total, right = total + loss.detach() * len(rows), right + (logits.argmax(1) == labels[rows]).sum()
        total.item(), right.item()

    def evaluate(test_x: np.ndarray, test_y: np.ndarray) -> float:
        model.eval()
        with torch.inference_mode():
            batches = prepared(test_x, 0).split(500)
            predicted = torch.cat([forward(batch).argmax(1) for batch in batches]).cpu().numpy()
        return float((predicted == test_y).mean())

    return train_epoch, evaluate


def _network(config: CnnConfig, normalized: Any) -> Any:
    """Return `rdfia_keras.models.blocks`, layer by layer; its first convolution whitens patches of the images."""
    import torch
    from torch import nn

    def convolution(inputs, filters):
        layer = nn.Conv2d(inputs, filters, 3, padding=1, bias=False)
        nn.init.dirac_(layer.weight.data[:inputs])
        return layer

    def normalization(filters):
        layer = nn.BatchNorm2d(filters, momentum=0.4)
        layer.weight.requires_grad = False
        return layer

    whitening = nn.Conv2d(3, 24, 2)
    patches = normalized.unfold(1, 2, 1).unfold(2, 2, 1).reshape(-1, 12).double()
    variances, vectors = torch.linalg.eigh(torch.cov(patches.T))
    scaled = (vectors / (variances + 5e-4).sqrt()).T.flip(0).view(12, 3, 2, 2)
    whitening.weight.data[:] = torch.cat([scaled, -scaled])
    whitening.weight.requires_grad = False
    layers, channels = [whitening, nn.SiLU()], 24
    for filters in (64, 192, 192) if config.network == "wide-blocks" else (64, 128, 128):
        layers += [convolution(channels, filters), nn.MaxPool2d(2), normalization(filters), nn.SiLU()]
        layers += [convolution(filters, filters), normalization(filters), nn.SiLU()]
        channels = filters
    return nn.Sequential(*layers, nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(channels, 10, bias=False))


def _optimizer(config: CnnConfig, model: Any, steps: int) -> tuple[Any, Callable[[], None]]:
    """Return Nesterov's SGD, and a function that updates the weights, the learning rate and the averages."""
    import torch

    # PyTorch adds weight decay to the gradient, where the momentum of 0.9 makes it ten times as strong.
    decay = config.weight_decay / 10
    trained = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    fast = {id(layer.bias) for layer in model if isinstance(layer, torch.nn.BatchNorm2d)}
    groups = [
        {"params": [w for w in trained.values() if id(w) not in fast], "weight_decay": decay},
        {
            "params": [w for w in trained.values() if id(w) in fast],
            "lr": FAST_BIASES * config.lr,
            "weight_decay": decay / FAST_BIASES,
        },
    ]
    optimizer = torch.optim.SGD(groups, config.lr, momentum=0.9, nesterov=True, fused=True)

    def rate(step: int) -> float:
        done = min(step / steps, 1.0)
        return min(0.2 + 0.8 * done / 0.23, 0.07 + 0.93 * (1 - done) / 0.77)

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    averages, count = [weight.detach().clone() for weight in trained.values()], itertools.count(1)

    def update() -> None:
        optimizer.step()
        schedule.step()
        step = next(count)
        if step % 5 == 0 or step >= steps:
            share = 1 - DECAY * min(step / steps, 1.0) ** 3 if step % 5 == 0 else 0.0
            with torch.no_grad():
                torch._foreach_lerp_(averages, list(trained.values()), share)
                torch._foreach_copy_(list(trained.values()), averages)

    return optimizer, update
