"""The perceptron on the circles: this package's, and the same training in PyTorch, NumPy and plain Keras."""

import numpy as np

from benchmarks.registry import Work

EPOCHS = 20  # for one timing: 20 x 20 steps of 10 examples
ETA = 0.07


def circles():
    """x (200, 2) and one-hot labels (200, 2) of the training set, then of the test set."""
    from rdfia_keras.data import load_vectors, one_hot

    data = load_vectors("circles")
    return data.train.x, one_hot(data.train.y, 2), data.test.x, one_hot(data.test.y, 2)


def ours(implementation: str) -> Work:
    """One implementation as `rdfia mlp` runs it: every epoch with train and test loss and accuracy."""
    from rdfia_keras.system.backend import set_up_backend

    set_up_backend("cpu")
    from rdfia_keras.data import load_vectors
    from rdfia_keras.experiments.registry import CIRCLES
    from rdfia_keras.training.perceptron_epochs import Trainer, init

    data = load_vectors("circles")
    trainer = Trainer(implementation, CIRCLES.config, data, init(CIRCLES.config, data))

    def work():
        for first in range(0, EPOCHS, trainer.chunk):
            trainer.epochs(first, trainer.chunk)

    return Work(work, EPOCHS * 20)


def torch_by_hand() -> Work:
    """PyTorch tensors, forward, backward and SGD by hand, step by step."""
    import torch

    x, y, x_test, y_test = (torch.tensor(a, dtype=torch.float32) for a in circles())
    w_h, b_h = torch.randn(10, 2) * 0.3, torch.zeros(10)
    w_y, b_y = torch.randn(2, 10) * 0.3, torch.zeros(2)

    def forward(x):
        h = torch.tanh(x @ w_h.T + b_h)
        return h, torch.softmax(h @ w_y.T + b_y, dim=1)

    def measure(x, y):
        _, y_hat = forward(x)
        loss = -(y * torch.log(y_hat)).sum(dim=1).mean()
        return loss.item(), (y_hat.argmax(1) == y.argmax(1)).float().mean().item()

    def work():
        nonlocal w_h, b_h, w_y, b_y
        for _ in range(EPOCHS):
            order = torch.randperm(200)
            for i in range(0, 200, 10):
                batch = order[i : i + 10]
                bx, by = x[batch], y[batch]
                h, y_hat = forward(bx)
                g_y = y_hat - by
                g_h = (g_y @ w_y) * (1 - h**2)
                w_y -= ETA * (g_y.T @ h) / 10
                b_y -= ETA * g_y.mean(dim=0)
                w_h -= ETA * (g_h.T @ bx) / 10
                b_h -= ETA * g_h.mean(dim=0)
            measure(x, y)
            measure(x_test, y_test)

    return Work(work, EPOCHS * 20)


def torch_autograd() -> Work:
    """PyTorch tensors with autograd, SGD by hand."""
    import torch

    x, y, x_test, y_test = (torch.tensor(a, dtype=torch.float32) for a in circles())
    params = [torch.randn(10, 2) * 0.3, torch.zeros(10), torch.randn(2, 10) * 0.3, torch.zeros(2)]
    for p in params:
        p.requires_grad_()

    def loss_of(x, y):
        w_h, b_h, w_y, b_y = params
        logits = torch.tanh(x @ w_h.T + b_h) @ w_y.T + b_y
        return -(y * torch.log_softmax(logits, dim=1)).sum(dim=1).mean(), logits

    def work():
        for _ in range(EPOCHS):
            order = torch.randperm(200)
            for i in range(0, 200, 10):
                batch = order[i : i + 10]
                loss, _ = loss_of(x[batch], y[batch])
                loss.backward()
                with torch.no_grad():
                    for p in params:
                        p -= ETA * p.grad
                        p.grad.zero_()
            with torch.no_grad():
                for a, b in ((x, y), (x_test, y_test)):
                    loss, logits = loss_of(a, b)
                    loss.item(), (logits.argmax(1) == b.argmax(1)).float().mean().item()

    return Work(work, EPOCHS * 20)


def torch_optim() -> Work:
    """torch.nn layers and loss, torch.optim.SGD."""
    import torch

    x, y, x_test, y_test = (torch.tensor(a, dtype=torch.float32) for a in circles())
    model = torch.nn.Sequential(torch.nn.Linear(2, 10), torch.nn.Tanh(), torch.nn.Linear(10, 2))
    criterion = torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=ETA)

    def work():
        for _ in range(EPOCHS):
            order = torch.randperm(200)
            for i in range(0, 200, 10):
                batch = order[i : i + 10]
                optimizer.zero_grad()
                criterion(model(x[batch]), y[batch]).backward()
                optimizer.step()
            with torch.no_grad():
                for a, b in ((x, y), (x_test, y_test)):
                    logits = model(a)
                    criterion(logits, b).item(), (logits.argmax(1) == b.argmax(1)).float().mean().item()

    return Work(work, EPOCHS * 20)


def numpy_by_hand() -> Work:
    """NumPy by hand."""
    x, y, x_test, y_test = circles()
    rng = np.random.default_rng(0)
    w_h, b_h = rng.normal(0, 0.3, (10, 2)), np.zeros(10)
    w_y, b_y = rng.normal(0, 0.3, (2, 10)), np.zeros(2)

    def forward(x):
        h = np.tanh(x @ w_h.T + b_h)
        e = np.exp(h @ w_y.T + b_y)
        return h, e / e.sum(axis=1, keepdims=True)

    def work():
        nonlocal w_h, b_h, w_y, b_y
        for _ in range(EPOCHS):
            order = rng.permutation(200)
            for i in range(0, 200, 10):
                batch = order[i : i + 10]
                bx, by = x[batch], y[batch]
                h, y_hat = forward(bx)
                g_y = (y_hat - by) / 10
                g_h = (g_y @ w_y) * (1 - h**2)
                w_y -= ETA * (g_y.T @ h)
                b_y -= ETA * g_y.sum(axis=0)
                w_h -= ETA * (g_h.T @ bx)
                b_h -= ETA * g_h.sum(axis=0)
            for a, b in ((x, y), (x_test, y_test)):
                _, y_hat = forward(a)
                -(b * np.log(y_hat)).sum(axis=1).mean(), (y_hat.argmax(1) == b.argmax(1)).mean()

    return Work(work, EPOCHS * 20)


def keras_fit() -> Work:
    """`model.fit` of a Keras model, as the Keras tutorials write it."""
    import keras

    x, y, x_test, y_test = circles()
    model = keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(10, activation="tanh"), keras.layers.Dense(2, activation="softmax")]
    )
    model.compile(keras.optimizers.SGD(ETA), "categorical_crossentropy", metrics=["accuracy"])

    def work():
        model.fit(x, y, batch_size=10, epochs=2, verbose=0, validation_data=(x_test, y_test))

    return Work(work, 2 * 20)
