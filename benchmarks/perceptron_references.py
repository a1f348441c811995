"""The training of the perceptron on the circles in NumPy, and in PyTorch by hand and with its layers.

Every epoch has 20 steps of 10 examples, then loss and accuracy of both sets.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.matches import Work
from benchmarks.package import PERCEPTRON_EPOCHS, circles

ETA = 0.07


def _epochs(permutation: Callable[[int], Any], step: Callable[[Any], None], measure: Callable[[], None]) -> Work:
    def work() -> None:
        for _ in range(PERCEPTRON_EPOCHS):
            order = permutation(200)
            for first in range(0, 200, 10):
                step(order[first : first + 10])
            measure()

    return Work(work, PERCEPTRON_EPOCHS * 20)


def _tensors() -> Any:
    """Return the circles as tensors: x and y of the training set, then of the test set."""
    import torch

    return tuple(torch.tensor(values, dtype=torch.float32) for values in circles())


def numpy_by_hand() -> Work:
    """Time forward, backward and SGD by hand in NumPy."""
    x, y, x_test, y_test = circles()
    rng = np.random.default_rng(0)
    w_h, b_h = rng.normal(0, 0.3, (10, 2)), np.zeros(10)
    w_y, b_y = rng.normal(0, 0.3, (2, 10)), np.zeros(2)

    def forward(x):
        h = np.tanh(x @ w_h.T + b_h)
        e = np.exp(h @ w_y.T + b_y)
        return h, e / e.sum(axis=1, keepdims=True)

    def step(batch):
        nonlocal w_h, b_h, w_y, b_y
        bx, by = x[batch], y[batch]
        h, y_hat = forward(bx)
        g_y = (y_hat - by) / 10
        g_h = (g_y @ w_y) * (1 - h**2)
        w_y -= ETA * (g_y.T @ h)
        b_y -= ETA * g_y.sum(axis=0)
        w_h -= ETA * (g_h.T @ bx)
        b_h -= ETA * g_h.sum(axis=0)

    def measure():
        for a, b in ((x, y), (x_test, y_test)):
            _, y_hat = forward(a)
            -(b * np.log(y_hat)).sum(axis=1).mean(), (y_hat.argmax(1) == b.argmax(1)).mean()

    return _epochs(rng.permutation, step, measure)


def torch_by_hand() -> Work:
    """Time forward, backward and SGD by hand with PyTorch's tensors."""
    import torch

    x, y, x_test, y_test = _tensors()
    w_h, b_h = torch.randn(10, 2) * 0.3, torch.zeros(10)
    w_y, b_y = torch.randn(2, 10) * 0.3, torch.zeros(2)

    def forward(x):
        h = torch.tanh(x @ w_h.T + b_h)
        return h, torch.softmax(h @ w_y.T + b_y, dim=1)

    def step(batch):
        nonlocal w_h, b_h, w_y, b_y
        bx, by = x[batch], y[batch]
        h, y_hat = forward(bx)
        g_y = y_hat - by
        g_h = (g_y @ w_y) * (1 - h**2)
        w_y -= ETA * (g_y.T @ h) / 10
        b_y -= ETA * g_y.mean(dim=0)
        w_h -= ETA * (g_h.T @ bx) / 10
        b_h -= ETA * g_h.mean(dim=0)

    def measure():
        for a, b in ((x, y), (x_test, y_test)):
            _, y_hat = forward(a)
            -(b * torch.log(y_hat)).sum(dim=1).mean().item(), (y_hat.argmax(1) == b.argmax(1)).float().mean().item()

    return _epochs(torch.randperm, step, measure)


def torch_layers() -> Work:
    """Time torch.nn layers and loss with torch.optim.SGD."""
    import torch

    x, y, x_test, y_test = _tensors()
    model = torch.nn.Sequential(torch.nn.Linear(2, 10), torch.nn.Tanh(), torch.nn.Linear(10, 2))
    criterion = torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=ETA)

    def step(batch):
        optimizer.zero_grad()
        criterion(model(x[batch]), y[batch]).backward()
        optimizer.step()

    def measure():
        with torch.no_grad():
            for a, b in ((x, y), (x_test, y_test)):
                logits = model(a)
                criterion(logits, b).item(), (logits.argmax(1) == b.argmax(1)).float().mean().item()

    return _epochs(torch.randperm, step, measure)
