"""The exercises that are about Keras: every mistake is named, other right solutions pass."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from right_solutions import verdict_of as check

from rdfia_keras.learn.causes import call_here, same
from rdfia_keras.learn.checker import RIGHT, WRONG
from rdfia_keras.learn.exercises import EXERCISES

KERAS = [exercise for exercise in EXERCISES.values() if exercise.uses_keras]
by_name = {"ids": lambda value: getattr(value, "name", "")}


def test_a_mistake_is_named():
    exercise = EXERCISES["gradients_tape"]
    for mistake in exercise.mistakes:
        verdict = check(exercise, exercise.wrong(mistake))
        assert verdict.status == WRONG and verdict.causes == (mistake.sentence,)


def test_two_mistakes_at_once_are_both_named():
    exercise = EXERCISES["keras_perceptron"]
    softmax, float32 = exercise.mistakes[1], exercise.mistakes[4]
    assert check(exercise, exercise.wrong(softmax, float32)).causes == (softmax.sentence, float32.sentence)


@pytest.mark.parametrize("exercise", KERAS, **by_name)
def test_mistakes_differ_from_the_solution_and_from_each_other(exercise):
    """That is what a mistake's name hangs on; each is run once, for Keras builds slowly."""
    cases = exercise.draw(0)
    functions = [exercise.solution, *(exercise.wrong(mistake) for mistake in exercise.mistakes)]
    outcomes = [[call_here(function, case, exercise) for case in cases] for function in functions]
    alike = [
        (i, j) for i, j in itertools.combinations(range(len(functions)), 2) if all(map(same, outcomes[i], outcomes[j]))
    ]
    assert alike == []


def gradients_tape__watched(loss, params, x, y):
    copies = {name: tf.constant(param) for name, param in params.items()}
    with tf.GradientTape() as tape:
        tape.watch(copies)
        value = loss(copies, x, y)
    return tape.gradient(value, copies)


def gradients_tape__arrays(loss, params, x, y):
    with tf.GradientTape() as tape:
        value = loss(params, x, y)
    return {name: grad.numpy() for name, grad in tape.gradient(value, params).items()}


def gradients_tape__function(loss, params, x, y):
    @tf.function
    def gradients(x, y):
        with tf.GradientTape() as tape:
            value = loss(params, x, y)
        return tape.gradient(value, params)

    return dict(gradients(x, y))


def keras_perceptron__subclass(params):
    class Perceptron(keras.Model):
        def __init__(self):
            super().__init__(dtype="float64")
            self.hidden = keras.layers.Dense(len(params["b_h"]), activation="tanh", dtype="float64")
            self.last = keras.layers.Dense(len(params["b_y"]), dtype="float64")

        def call(self, x):
            return self.last(self.hidden(x))

    model = Perceptron()
    model(np.zeros((1, params["W_h"].shape[1])))
    model.set_weights([params["W_h"].T, params["b_h"], params["W_y"].T, params["b_y"]])
    return model


def keras_perceptron__initializers(params):
    def dense(w, b, activation=None):
        constant = keras.initializers.Constant
        return keras.layers.Dense(
            len(b), activation, kernel_initializer=constant(w.T), bias_initializer=constant(b), dtype="float64"
        )

    first, last = dense(params["W_h"], params["b_h"], "tanh"), dense(params["W_y"], params["b_y"])
    return keras.Sequential([keras.Input((params["W_h"].shape[1],), dtype="float64"), first, last])


def keras_step__train_on_batch(model, optimizer, x, y):
    model.compile(optimizer, keras.losses.CategoricalCrossentropy(from_logits=True))
    return np.asarray(model.train_on_batch(x, y)).reshape(())


def keras_step__sum_over_the_batch(model, optimizer, x, y):
    loss_function = keras.losses.CategoricalCrossentropy(from_logits=True, reduction="sum")
    with tf.GradientTape() as tape:
        loss = loss_function(y, model(x)) / len(x)
    weights = model.trainable_variables
    optimizer.apply_gradients(list(zip(tape.gradient(loss, weights), weights, strict=True)))
    return loss


def build_convnet__ops(size, n_y):
    x = images = keras.Input((size, size, 3))
    for number, filters in enumerate((32, 64, 64)):
        x = keras.ops.relu(keras.layers.Conv2D(filters, 5, padding="same")(x))
        x = keras.ops.max_pool(x, 2, 2, padding="same" if number == 2 else "valid")
    x = keras.layers.Flatten()(x)
    for units, activation in ((1000, "relu"), (n_y, None)):
        x = keras.layers.Dense(units, activation=activation)(x)
    return keras.Model(images, x)


def build_convnet__pool_before_the_relu(size, n_y):
    layers = [keras.Input((size, size, 3))]
    for number, filters in enumerate((32, 64, 64)):
        layers += [keras.layers.Conv2D(filters, 5, padding="same", name=f"conv{number + 1}")]
        layers += [keras.layers.MaxPool2D(2, 2, "same" if number == 2 else "valid"), keras.layers.ReLU()]
    return keras.Sequential(
        [*layers, keras.layers.Flatten(), keras.layers.Dense(1000, "relu"), keras.layers.Dense(n_y)]
    )


def build_convnet__subclass(size, n_y):
    class Convnet(keras.Model):
        def __init__(self):
            super().__init__()
            self.fc5, self.fc4 = keras.layers.Dense(n_y), keras.layers.Dense(1000, "relu")
            self.convolutions = [keras.layers.Conv2D(n, 5, padding="same", activation="relu") for n in (32, 64, 64)]
            self.pools = [keras.layers.MaxPooling2D(padding=rounding) for rounding in ("valid", "valid", "same")]
            self.flatten = keras.layers.Flatten()

        def call(self, x):
            for convolution, pool in zip(self.convolutions, self.pools, strict=True):
                x = pool(convolution(x))
            return self.fc5(self.fc4(self.flatten(x)))

    return Convnet()


@pytest.mark.parametrize("exercise", KERAS, **by_name)
def test_other_solutions_are_right(exercise):
    others = [function for name, function in globals().items() if name.partition("__")[0] == exercise.name]
    assert len(others) >= 2
    for function in [exercise.solution, *others]:
        verdict = check(exercise, function, seed=1)
        assert (verdict.status, verdict.lines) == (RIGHT, ()), function.__name__
