"""The ladder in PyTorch, as its users write it for a GPU: what `gpu.py` compares with.

Images stay on the device, channels-last; each image is cropped and flipped by itself in one gather; autocast, and
`torch.compile` of the network with its loss. Loss and accuracy are summed on the device and read once an epoch.
"""

import time
from collections.abc import Callable
from typing import Any

import torch
from gpu_worker import Fault, Job, product_type
from torch import nn

from rdfia_keras.config import CnnConfig
from rdfia_keras.data import Dataset, Split

EVALUATION_BATCH = 500
TYPES = {"float32": torch.float32, "mixed_bfloat16": torch.bfloat16, "mixed_float16": torch.float16}
Tensors = tuple[torch.Tensor, torch.Tensor]


def libraries(job: Job) -> dict[str, str]:
    version = str(torch.__version__)
    if job.device == "gpu" and not torch.version.cuda:
        raise Fault(f"torch {version}, built without CUDA", "install the CUDA build: see pytorch.org/get-started")
    return {"says": f"torch {version}, built for CUDA {torch.version.cuda}", "version": version}


def devices(job: Job) -> dict[str, str]:
    if job.device == "cpu":
        return {"says": f"cpu, {torch.get_num_threads()} threads"}
    if not torch.cuda.is_available():
        raise Fault("torch sees no GPU", "update NVIDIA's driver, or install the build for the driver's CUDA version")
    return {"says": torch.cuda.get_device_name(0)}


def product(job: Job, times: int) -> float:
    """Seconds of some products, one after the other."""
    dtype = getattr(torch, product_type(job))
    a = (torch.randn(job.matrix, job.matrix) / job.matrix**0.5).to(where(job.device), dtype)
    for _ in range(2):  # The first is not counted.
        begin, x = time.perf_counter(), a
        for _ in range(times):
            x = x @ a
        x.float().sum().item()
    return time.perf_counter() - begin


def where(device: str) -> torch.device:
    return torch.device("cuda" if device == "gpu" else "cpu")


def train(data: Dataset, config: CnnConfig, device: str, tf32: bool) -> dict[str, Any]:
    """A training of a rung: the seconds of each epoch, evaluation included, and of all of it."""
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = True
    torch.manual_seed(config.seed)
    begin, seconds = time.perf_counter(), []
    one_epoch = epochs(data, config, where(device))
    for epoch in range(config.epochs or 0):
        start = time.perf_counter()
        one_epoch(epoch)
        seconds.append(time.perf_counter() - start)
    return {"seconds": seconds, "total": time.perf_counter() - begin, "placed": str(where(device))}


def epochs(data: Dataset, config: CnnConfig, device: torch.device) -> Callable[[int], dict[str, float]]:
    """A function that trains for an epoch, evaluates, and returns the mean losses and accuracies."""
    size = data.train.x.shape[1] * 7 // 8 if config.augmentations else data.train.x.shape[1]
    model = network(config, size).to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=config.lr or 0.1)
    scaler = torch.amp.GradScaler(device.type, enabled=config.precision == "mixed_float16")
    train_set, test_set = on_device(data.train, device), on_device(data.test, device)
    mean, std = statistics(train_set[0], config)

    def loss_and_hits(images: torch.Tensor, labels: torch.Tensor) -> Tensors:
        inputs = (images.permute(0, 3, 1, 2).float() / 255 - mean) / std
        with torch.autocast(device.type, TYPES[config.precision], enabled=config.precision != "float32"):
            logits = model(inputs).float()
        return nn.functional.cross_entropy(logits, labels), (logits.argmax(1) == labels).sum()

    # Without `dynamic=False` the last, smaller batch makes all shapes dynamic, and all batches slower.
    compiled = torch.compile(loss_and_hits, dynamic=False)

    def run(epoch: int) -> dict[str, float]:
        if config.schedule == "exponential":
            optimizer.param_groups[0]["lr"] = (config.lr or 0.1) * 0.95**epoch
        model.train()
        losses, hits = torch.zeros((), device=device), torch.zeros((), device=device)
        for rows in torch.randperm(len(train_set[1]), device=device).split(config.batch_size):
            images = crop_and_flip(train_set[0], rows, size) if config.augmentations else train_set[0][rows]
            loss, right = compiled(images, train_set[1][rows])
            optimizer.zero_grad(set_to_none=True)
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            losses += loss.detach() * len(rows)
            hits += right
        count = len(train_set[1])
        done = {"loss": losses.item() / count, "accuracy": hits.item() / count}
        return {**done, **evaluate(model, compiled, test_set, size)}

    return run


def evaluate(model: nn.Module, compiled: Callable[..., Tensors], test_set: Tensors, size: int) -> dict[str, float]:
    """Mean loss and accuracy over the centres of the test images."""
    images, labels = test_set
    begin = (images.shape[1] - size) // 2
    images = images[:, begin : begin + size, begin : begin + size]
    model.eval()
    losses = hits = torch.zeros((), device=images.device)
    with torch.no_grad():
        parts = zip(images.split(EVALUATION_BATCH), labels.split(EVALUATION_BATCH), strict=True)
        for part, part_labels in parts:
            loss, right = compiled(part.contiguous(), part_labels)
            losses, hits = losses + loss * len(part), hits + right
    return {"test_loss": losses.item() / len(labels), "test_accuracy": hits.item() / len(labels)}


def network(config: CnnConfig, size: int) -> nn.Module:
    """The homework's network on images of `size` pixels."""
    layers: list[nn.Module] = []
    for number, (inputs, outputs) in enumerate(((3, 32), (32, 64), (64, 64)), start=1):
        layers.append(nn.Conv2d(inputs, outputs, 5, padding=2))
        layers += [nn.BatchNorm2d(outputs)] if config.batch_norm else []
        layers += [nn.ReLU(), nn.MaxPool2d(2, ceil_mode=number == 3)]
        size = -(-size // 2) if number == 3 else size // 2
    layers += [nn.Flatten(), nn.Linear(64 * size**2, 1000), nn.ReLU()]
    layers += [nn.Dropout(config.dropout_rate)] if config.dropout_rate else []
    return nn.Sequential(*layers, nn.Linear(1000, 10))


def on_device(split: Split, device: torch.device) -> Tensors:
    """Images, uint8 (N, H, W, C), and labels."""
    return torch.from_numpy(split.x).to(device), torch.from_numpy(split.y).to(device)


def statistics(images: torch.Tensor, config: CnnConfig) -> Tensors:
    """Mean and standard deviation of each channel, on pixels in [0, 1]; 0 and 1 without normalization."""
    channels = images.shape[-1]
    if not config.normalize:
        return torch.zeros(1, channels, 1, 1, device=images.device), torch.ones(1, channels, 1, 1, device=images.device)
    flat = images[:5000].reshape(-1, channels).float() / 255
    return flat.mean(0).view(1, -1, 1, 1), flat.std(0).view(1, -1, 1, 1)


def crop_and_flip(images: torch.Tensor, rows: torch.Tensor, size: int) -> torch.Tensor:
    """Some of the images (N, H, W, C), each cropped to (size, size) and flipped by itself."""
    count, device, steps = len(rows), images.device, torch.arange(size, device=images.device)
    room = images.shape[1] - size + 1
    top, left = torch.randint(0, room, (2, count, 1), device=device)
    columns = torch.where(torch.rand(count, 1, device=device) < 0.5, steps.flip(0), steps) + left
    return images[rows[:, None, None], (steps + top)[:, :, None], columns[:, None, :]]
