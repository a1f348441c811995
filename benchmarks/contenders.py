"""What is timed: ours, and the same work as users of PyTorch, NumPy and plain Keras write it.

Each contender is a function that sets itself up and returns (work, units): `work()` does the same amount of training
every time, `units` is how many steps (perceptron) or images (convnet) that is. Frameworks are imported inside, so that
a process loads only its own.
"""

import threading

import numpy as np

EPOCHS = 20  # of the circles, for one timing: 20 x 20 steps of 10 examples
BATCH = 128
IMAGES = 10 * BATCH  # for one timing of the convnet
LOOP_IMAGES = 40 * BATCH  # for one epoch of the comparison of loops: what an epoch costs by itself must not count
# Multiply-adds counted as two, forward and backward, of the homework's network on one image of 32x32 (of 28x28: 104e6).
FLOP_AN_IMAGE = 134e6
ETA = 0.07


def circles():
    from rdfia_keras.data import load_vectors, one_hot

    data = load_vectors("circles")
    return data.train.x, one_hot(data.train.y, 2), data.test.x, one_hot(data.test.y, 2)


def images(count: int = IMAGES):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8), rng.integers(0, 10, count)


# --- the perceptron ---------------------------------------------------------------------------------------------------


def ours_mlp(implementation: str):
    """One implementation as `rdfia mlp` runs it: every epoch with train and test loss and accuracy."""
    from rdfia_keras.system.backend import set_up_backend

    set_up_backend("cpu")
    from rdfia_keras.data import load_vectors
    from rdfia_keras.experiments.perceptron import CIRCLES
    from rdfia_keras.training.perceptron import Trainer, init

    data = load_vectors("circles")
    trainer = Trainer(implementation, CIRCLES.config, data, init(CIRCLES.config, data))

    def work():
        for first in range(0, EPOCHS, trainer.chunk):
            trainer.epochs(first, trainer.chunk)

    return work, EPOCHS * 20


def torch_hand():
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

    return work, EPOCHS * 20


def torch_autograd():
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

    return work, EPOCHS * 20


def torch_optim():
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

    return work, EPOCHS * 20


def numpy_hand():
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

    return work, EPOCHS * 20


def keras_fit_mlp():
    """`model.fit` of a Keras model, as the Keras tutorials write it."""
    import keras

    x, y, x_test, y_test = circles()
    model = keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(10, activation="tanh"), keras.layers.Dense(2, activation="softmax")]
    )
    model.compile(keras.optimizers.SGD(ETA), "categorical_crossentropy", metrics=["accuracy"])

    def work():
        model.fit(x, y, batch_size=10, epochs=2, verbose=0, validation_data=(x_test, y_test))

    return work, 2 * 20


# --- the convnet ------------------------------------------------------------------------------------------------------


def ours_cnn(precision: str = "float32", augment: bool = False, count: int = IMAGES, **rungs):
    """The homework's network as `rdfia cnn` trains it: one epoch of `training.fit`, with the callbacks of a run.

    A single `fit` goes on through all timings, as in a run, and waits between two epochs.
    """
    model, config, data = _ours(precision, augment, count, **rungs)
    import keras

    from rdfia_keras.training.batches import batches
    from rdfia_keras.training.callbacks import EpochHistory, EpochSeeds, StopOnDivergence, StopOnRequest
    from rdfia_keras.training.schedules import SCHEDULES

    go, done = threading.Semaphore(0), threading.Semaphore(0)

    class Gate(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            go.acquire()

        def on_epoch_end(self, epoch, logs=None):
            done.release()

    seeds = EpochSeeds(config.seed)
    callbacks = [Gate(), seeds, SCHEDULES[config.schedule](config.lr), StopOnDivergence(), EpochHistory()]

    def train():
        epoch = batches(data.train, config.batch_size, seeds.order)
        model.fit(epoch, epochs=10_000, shuffle=False, verbose=0, callbacks=[*callbacks, StopOnRequest(False)])

    threading.Thread(target=train, daemon=True).start()

    def work():
        go.release()
        done.acquire()

    return work, count


def ours_hand_written_loop(precision: str = "float32", augment: bool = False, count: int = IMAGES, **rungs):
    """The same training in a loop over `train_on_batch`: what `fit` with callbacks is measured against."""
    model, config, data = _ours(precision, augment, count, **rungs)
    from rdfia_keras.training.callbacks import epoch_order, set_random_streams
    from rdfia_keras.training.schedules import SCHEDULES

    schedule, epoch = SCHEDULES[config.schedule](config.lr), 0

    def work():
        nonlocal epoch
        set_random_streams(model, config.seed, epoch)
        model.optimizer.learning_rate = schedule.rate(epoch)
        order = epoch_order(config.seed, epoch, count)
        for begin in range(0, count, config.batch_size):
            rows = order[begin : begin + config.batch_size]
            logs = model.train_on_batch(data.train.x[rows], data.train.y[rows], return_dict=True)
            float(logs["loss"]), float(logs["accuracy"])
        epoch += 1

    return work, count


def ours_evaluation(precision: str = "float32"):
    """Loss and accuracy over a test set, as after each epoch of `rdfia cnn`."""
    model, _, data = _ours(precision, False, IMAGES)
    from rdfia_keras.training.batches import batches
    from rdfia_keras.training.fit import EVALUATION_BATCH

    test = batches(data.train, EVALUATION_BATCH)
    return lambda: model.evaluate(test, verbose=0), IMAGES


def _ours(precision: str, augment: bool, count: int, **rungs):
    # Before anything of Keras is imported, as in the command: what it sets is read at that import.
    from rdfia_keras.system.backend import set_up_backend

    set_up_backend("cpu")
    from rdfia_keras.config import CnnConfig
    from rdfia_keras.data import Dataset, Split
    from rdfia_keras.models.convnet import build_convnet
    from rdfia_keras.training.fit import compile_model

    x, y = images(count)
    data = Dataset("noise", Split(x, y), Split(x[:BATCH], y[:BATCH]), tuple("0123456789"))
    augmentations = ("crop", "flip") if augment else ()
    config = CnnConfig(normalize=True, precision=precision, augmentations=augmentations, **rungs).resolve()
    model = build_convnet(config, data)
    compile_model(model, config)
    return model, config, data


def torch_cnn(bfloat16: bool = False, augment: bool = False):
    """The same network in PyTorch: channels-last, SGD, and each image cropped and flipped by itself."""
    import torch
    from torch import nn

    size = 28 if augment else 32
    x, y, model = _torch_network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    criterion = nn.CrossEntropyLoss()

    def crop_and_flip(batch):
        out = []
        for image in batch:
            top, left = torch.randint(0, 5, (2,)).tolist()
            image = image[:, top : top + size, left : left + size]
            out.append(image.flip(2) if torch.rand(()) < 0.5 else image)
        return torch.stack(out).contiguous(memory_format=torch.channels_last)

    def work():
        model.train()
        order = torch.randperm(IMAGES)
        right = total = 0.0
        for i in range(0, IMAGES, BATCH):
            batch = order[i : i + BATCH]
            inputs, labels = x[batch], y[batch]
            if augment:
                inputs = crop_and_flip(inputs)
            inputs = _torch_normalize(inputs)
            with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
                logits = model(inputs)
                loss = criterion(logits.float(), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
            right += (logits.argmax(1) == labels).sum().item()

    return work, IMAGES


def torch_evaluation(bfloat16: bool = False):
    """Loss and accuracy over a test set, without gradients."""
    import torch

    x, y, model = _torch_network()
    criterion = torch.nn.CrossEntropyLoss()
    size = 500  # as ours has it

    def work():
        model.eval()
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            for i in range(0, IMAGES, size):
                inputs, labels = x[i : i + size], y[i : i + size]
                logits = model(_torch_normalize(inputs)).float()
                criterion(logits, labels).item(), (logits.argmax(1) == labels).sum().item()

    return work, IMAGES


def _torch_network():
    """Images and labels as tensors, and the homework's network, channels-last."""
    import torch
    from torch import nn

    x, y = images()
    x, y = torch.from_numpy(x).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last), torch.from_numpy(y)
    model = nn.Sequential(
        nn.Conv2d(3, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(64, 64, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True),
        nn.Flatten(), nn.Linear(1024, 1000), nn.ReLU(), nn.Linear(1000, 10),
    ).to(memory_format=torch.channels_last)  # fmt: skip
    return x, y, model


def _torch_normalize(images):
    import torch

    mean = torch.tensor([0.4914, 0.4822, 0.4465]).view(1, 3, 1, 1)
    std = torch.tensor([0.2470, 0.2435, 0.2616]).view(1, 3, 1, 1)
    return (images.float() / 255 - mean) / std


def matrix_product(dtype: str):
    """What the machine can do at most: large square products, counted as the images that their operations amount to."""
    import tensorflow as tf

    from rdfia_keras.system.backend import set_up_backend

    set_up_backend("cpu")
    n, times = 2048, 4
    a, b = (tf.cast(tf.random.normal((n, n)), dtype) for _ in range(2))

    @tf.function
    def product():
        return tf.linalg.matmul(a, b)

    def work():
        for _ in range(times):
            product()[0, 0].numpy()

    return work, times * 2 * n**3 / FLOP_AN_IMAGE


def keras_fit_cnn():
    """Plain `model.fit` of the same network, without what this package sets."""
    import keras
    from keras import layers

    x, y = images()
    model = keras.Sequential([keras.Input((32, 32, 3)), layers.Rescaling(1 / 255)])
    for filters in (32, 64, 64):
        model.add(layers.Conv2D(filters, 5, padding="same", activation="relu"))
        model.add(layers.MaxPooling2D(2))
    for layer in (layers.Flatten(), layers.Dense(1000, activation="relu"), layers.Dense(10, activation="softmax")):
        model.add(layer)
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", metrics=["accuracy"])

    def work():
        model.fit(x, y, batch_size=BATCH, verbose=0)

    return work, IMAGES


CONTENDERS = {
    "mlp": {
        **{f"ours: {name}": (ours_mlp, (name,)) for name in ("manual", "tape", "layers", "optimizer")},
        "PyTorch by hand": (torch_hand, ()),
        "PyTorch autograd": (torch_autograd, ()),
        "PyTorch nn + optim": (torch_optim, ()),
        "NumPy by hand": (numpy_hand, ()),
        "Keras fit": (keras_fit_mlp, ()),
    },
    "cnn": {
        "ours: float32": (ours_cnn, ("float32", False)),
        "ours: float32, crop + flip": (ours_cnn, ("float32", True)),
        "ours: mixed_bfloat16": (ours_cnn, ("mixed_bfloat16", False)),
        "ours: mixed_bfloat16, crop + flip": (ours_cnn, ("mixed_bfloat16", True)),
        "PyTorch float32": (torch_cnn, (False, False)),
        "PyTorch float32, crop + flip": (torch_cnn, (False, True)),
        "PyTorch bfloat16": (torch_cnn, (True, False)),
        "PyTorch bfloat16, crop + flip": (torch_cnn, (True, True)),
        "Keras fit": (keras_fit_cnn, ()),
        "matrix product float32": (matrix_product, ("float32",)),
        "matrix product bfloat16": (matrix_product, ("bfloat16",)),
    },
    "loop": {
        f"{way}, {rung}, {precision}": (function, (precision, rung != "baseline", LOOP_IMAGES), rungs)
        for precision in ("float32", "mixed_bfloat16")
        for rung, rungs in {"baseline": {}, "batch-norm": {"dropout_rate": 0.5, "batch_norm": True}}.items()
        for way, function in {"fit": ours_cnn, "train_on_batch": ours_hand_written_loop}.items()
    },
    "evaluation": {
        "ours: float32": (ours_evaluation, ("float32",)),
        "ours: mixed_bfloat16": (ours_evaluation, ("mixed_bfloat16",)),
        "PyTorch float32": (torch_evaluation, (False,)),
        "PyTorch bfloat16": (torch_evaluation, (True,)),
    },
    "scaling": {
        f"ours: {count:,} images, {precision}": (ours_cnn, (precision, True, count))
        for precision in ("float32", "mixed_bfloat16")
        for count in (5_000, 50_000)
    },
}
