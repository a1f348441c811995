"""Part 4: the homework's convolutional network, in Keras."""

import numpy as np

from rdfia_keras.learn.exercise import core, edge, exercise
from rdfia_keras.learn.worker import Deferred

keras = Deferred("keras")


@exercise(
    "8, 9, 10, 15",
    hints=(
        "Three times a convolution with ReLU and a max pooling, then Flatten, a Dense layer with ReLU, and one without "
        'activation. padding="same" keeps the size in a convolution and rounds up in a pooling; "valid" rounds down.',
        "For 32 x 32: conv1 and pool1 give 16 x 16 x 32, conv2 and pool2 8 x 8 x 64, conv3 and pool3 4 x 4 x 64; "
        "flattened 1024; fc4 1000; fc5 n_y.",
    ),
)
def build_convnet(size, n_y):
    """Questions 8 to 10 and 15: the network for CIFAR-10.

        conv1, pool1, conv2, pool2, conv3, pool3, flatten, fc4, fc5

    The convolutions have 32, 64 and 64 filters of 5 x 5 with ReLU and keep the size of the image. After each comes a
    max pooling of 2 x 2 with stride 2. pool1 and pool2 round an odd size down; pool3 rounds it up, so that images of
    28 x 28 end at 4 x 4, like those of 32 x 32. fc4 has 1000 units with ReLU, fc5 has n_y units and returns logits.

    Args:
        size: Height and width of the images, which have three channels.
        n_y: Number of classes.

    Returns:
        A Keras model from images (N, size, size, 3), of floats, to logits (N, n_y).

    Example:
        build_convnet(32, 10).count_params() is 1,191,170: 2,432 + 51,264 + 102,464 in the
        convolutions, 1,025,000 in fc4 and 10,010 in fc5.

    Allowed: Keras.
    """
    model = keras.Sequential([keras.Input((size, size, 3))])
    for filters, rounding in ((32, "valid"), (64, "valid"), (64, "same")):
        model.add(keras.layers.Conv2D(filters, 5, padding="same", activation="relu"))
        model.add(keras.layers.MaxPooling2D(2, padding=rounding))
    model.add(keras.layers.Flatten())
    model.add(keras.layers.Dense(1000, activation="relu"))
    model.add(keras.layers.Dense(n_y))
    return model


@build_convnet.inputs
def _(rng):
    size, (n_y, few) = int(rng.choice([16, 24])), map(int, rng.permutation(np.arange(3, 30))[:2])
    yield core(f"{size} x {size} images of {n_y} classes", size, n_y)
    yield edge(f"20 x 20 images of {few} classes: 5 x 5 before the last pooling", 20, few)


@build_convnet.observed
def _(model, size, n_y):
    """Return what the network computes, for weights that depend on their shapes only, however its layers are nested."""
    image = np.random.default_rng([size, n_y]).random((1, size, size, 3)).astype(np.float32)
    model(image)
    weights = model.get_weights()
    kernels = sorted((weight.shape for weight in weights if weight.ndim > 1), key=lambda shape: (-len(shape), shape))
    model.set_weights([_drawn([size, n_y], weight.shape) for weight in weights])
    output = np.asarray(model(image))
    return {
        "the shapes of the kernels": ", ".join(" x ".join(map(str, shape)) for shape in kernels),
        "the number of parameters": np.array(model.count_params()),
        "the output sums to 1": "yes" if np.allclose(output.sum(axis=1), 1, atol=1e-4) else "no",
        "the output with given weights": output,
    }


def _drawn(seed, shape):
    fan_in = max(int(np.prod(shape[:-1])), 1)
    return np.random.default_rng([*seed, *shape]).normal(0, np.sqrt(2 / fan_in), shape).astype(np.float32)


build_convnet.mistake(
    "Your filters are 3 x 3; make them 5 x 5 (with 3 x 3, build_convnet(32, 10) has 1,091,330 parameters).",
    {"Conv2D(filters, 5": "Conv2D(filters, 3"},
)
build_convnet.mistake(
    'Your convolutions cut off two rows and columns on each side; padding="same" keeps the size (question 8).',
    {'5, padding="same", ': "5, "},
)
build_convnet.mistake(
    'Your pool3 rounds an odd size down; round up, with padding="same".',
    {'(64, "same")': '(64, "valid")'},
)
build_convnet.mistake(
    "You return probabilities; return logits: leave out the softmax.",
    {"Dense(n_y)": 'Dense(n_y, activation="softmax")'},
)
build_convnet.mistake(
    'Your convolutions have no ReLU: give them activation="relu".',
    {'padding="same", activation="relu"': 'padding="same"'},
)
build_convnet.mistake(
    'Your fc4 has no ReLU: give it activation="relu".', {'Dense(1000, activation="relu")': "Dense(1000)"}
)
build_convnet.mistake("You use average pooling; use max pooling.", {"MaxPooling2D": "AveragePooling2D"})
