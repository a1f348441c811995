"""Plain Keras, as its tutorials write it, and products of large matrices, as the most that a device can reach."""

from benchmarks.matches import Work
from benchmarks.noise import CIFAR, images
from benchmarks.package import Training, circles, set_up

# Multiply-adds counted as two, forward and backward, of the homework's network on one image of 32x32.
FLOP_AN_IMAGE = 134e6


def fit_convnet(training: Training) -> Work:
    """Time `model.fit` of the homework's network in float32, on as many images as a training has."""
    import keras
    from keras import layers

    x, y = images(training.images)
    model = keras.Sequential([keras.Input(CIFAR), layers.Rescaling(1 / 255)])
    for filters in (32, 64, 64):
        model.add(layers.Conv2D(filters, 5, padding="same", activation="relu"))
        model.add(layers.MaxPooling2D(2))
    for layer in (layers.Flatten(), layers.Dense(1000, activation="relu"), layers.Dense(10, activation="softmax")):
        model.add(layer)
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", metrics=["accuracy"])

    def work() -> None:
        model.fit(x, y, batch_size=training.config.batch_size, verbose=0)

    return Work(work, training.images)


def fit_perceptron() -> Work:
    """Time `model.fit` of the perceptron on the circles, with evaluation."""
    import keras

    x, y, x_test, y_test = circles()
    model = keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(10, activation="tanh"), keras.layers.Dense(2, activation="softmax")]
    )
    model.compile(keras.optimizers.SGD(0.07), "categorical_crossentropy", metrics=["accuracy"])

    def work() -> None:
        model.fit(x, y, batch_size=10, epochs=2, verbose=0, validation_data=(x_test, y_test))

    return Work(work, 2 * 20)


def matrix_product(training: Training) -> Work:
    """Time large square products in a training's precision, counted as the images that their operations amount to."""
    set_up(training.device, training.tf32)
    import tensorflow as tf

    n, times = (8192, 20) if training.device == "gpu" else (2048, 4)
    a, b = (tf.cast(tf.random.normal((n, n)), training.config.precision.removeprefix("mixed_")) for _ in range(2))

    @tf.function
    def product():
        return tf.linalg.matmul(a, b)

    def work() -> None:
        for _ in range(times):
            product()[0, 0].numpy()

    return Work(work, times * 2 * n**3 / FLOP_AN_IMAGE)
