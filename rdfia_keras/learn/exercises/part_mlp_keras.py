"""Part 2.1 (b) to (d): the perceptron again, with TensorFlow's gradients, Keras's layers and Keras's optimizer.

Names and shapes are those of part (a): W_h (n_h, n_x), b_h (n_h,), W_y (n_y, n_h), b_y (n_y,); x (N, n_x) and y
(N, n_y) have an example in each row.
"""

import numpy as np

from rdfia_keras.learn.exercise import core, edge, exercise
from rdfia_keras.learn.exercises.part_mlp import draw_params, one_hot
from rdfia_keras.learn.worker import Deferred, Factory

keras, tf = Deferred("keras"), Deferred("tensorflow")


@exercise(
    "2.1",
    hints=(
        "with tf.GradientTape() as tape: records what is computed inside the block. Compute the loss there; then "
        "tape.gradient(loss, params) is ∂loss/∂w for each w in params. A tape can be used once only.",
        "loss(params, x, y) is one number, a tensor; tape.gradient of it and a dict is a dict with the same names, "
        "each gradient of its parameter's shape.",
    ),
)
def gradients_tape(loss, params, x, y):
    """Part 2.1 (b): the gradients of a loss, computed by TensorFlow.

        ∂loss(params, x, y) / ∂w        for each parameter w

    Args:
        loss: A function: loss(params, x, y) returns one number, a tensor.
        params: A dict of tf.Variable: the parameters by their names.
        x: (N, n_x), a tensor.
        y: (N, n_y), a tensor.

    Returns:
        A dict with the gradient of each parameter, a tensor, under the same names.

    Example:
        For params {"w": tf.Variable([[1.0, 2.0], [3.0, 4.0]])} and a loss that is the sum of the squares of w, the
        gradient of w is [[2.0, 4.0], [6.0, 8.0]].

    Allowed: TensorFlow.
    """
    with tf.GradientTape() as tape:
        value = loss(params, x, y)
    return tape.gradient(value, params)


def perceptron_loss(params, x, y):
    """Return the loss of the perceptron, averaged over the batch."""
    h = tf.tanh(tf.matmul(x, params["W_h"], transpose_b=True) + params["b_h"])
    y_tilde = tf.matmul(h, params["W_y"], transpose_b=True) + params["b_y"]
    return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels=y, logits=y_tilde))


def _variables(params):
    return Factory(lambda: {name: tf.Variable(value) for name, value in params.items()})


@gradients_tape.inputs
def _(rng):
    for make, label, (n, n_x, n_h, n_y) in ((core, "a perceptron", (5, 2, 4, 3)), (edge, "one example", (1, 3, 3, 3))):
        x, y = tf.constant(rng.normal(size=(n, n_x))), tf.constant(one_hot(rng, n, n_y))
        yield make(label, perceptron_loss, _variables(draw_params(rng, n_x, n_h, n_y)), x, y)


@gradients_tape.observed
def _(result, loss, params, x, y):
    if not isinstance(result, dict):
        return result
    return {name: None if gradient is None else np.asarray(gradient) for name, gradient in result.items()}


gradients_tape.mistake(
    "You compute the loss outside the tape: compute it inside the `with` block.",
    {
        "with tf.GradientTape() as tape:\n        value = loss(params, x, y)": "value = loss(params, x, y)\n"
        "    with tf.GradientTape() as tape:\n        pass"
    },
)
gradients_tape.mistake(
    ".numpy() turns the loss into a plain number, which the tape cannot differentiate: keep the tensor.",
    {"value = loss(params, x, y)": "value = loss(params, x, y).numpy()"},
)
gradients_tape.mistake(
    "float() turns the loss into a plain number, which the tape cannot differentiate: keep the tensor.",
    {"value = loss(params, x, y)": "value = float(loss(params, x, y))"},
)
gradients_tape.mistake(
    "You call tape.gradient more than once. Ask for all gradients in one call: tape.gradient(loss, params).",
    {"tape.gradient(value, params)": "{name: tape.gradient(value, param) for name, param in params.items()}"},
)
gradients_tape.mistake(
    "You multiply the loss by N, which makes it a sum over the batch. Differentiate the loss as it is.",
    {"value = loss(params, x, y)": "value = loss(params, x, y) * len(x)"},
)
gradients_tape.mistake(
    "You return a list; return a dict with the names of params.",
    {"tape.gradient(value, params)": "tape.gradient(value, list(params.values()))"},
)


@exercise(
    "2.1",
    hints=(
        "keras.Sequential of an Input of n_x, a Dense layer of n_h units with tanh, and one of n_y units without "
        "activation. Keras computes x @ kernel + bias, so a kernel is (inputs, units): the transpose of W.",
        "model.set_weights takes W_h.T (n_x, n_h), b_h (n_h,), W_y.T (n_h, n_y), b_y (n_y,), in this order.",
    ),
)
def keras_perceptron(params):
    """Part 2.1 (c): the perceptron built from Keras layers, with given weights.

        y_tilde = W_y tanh(W_h x + b_h) + b_y

    Args:
        params: A dict of float64 arrays: W_h (n_h, n_x), b_h (n_h,), W_y (n_y, n_h), b_y (n_y,).

    Returns:
        A Keras model from x (N, n_x) to y_tilde (N, n_y), the logits before the softmax. It computes in float64, as
        NumPy does in part (a).

    Example:
        With W_h and W_y the 2 x 2 identity and biases of 0, the model gives tanh(x).

    Allowed: Keras; a layer takes dtype="float64".
    """
    n_h, n_x = params["W_h"].shape
    n_y = len(params["b_y"])
    hidden = keras.layers.Dense(n_h, activation="tanh", dtype="float64")
    output = keras.layers.Dense(n_y, dtype="float64")
    model = keras.Sequential([keras.Input((n_x,), dtype="float64"), hidden, output])
    model.set_weights([params["W_h"].T, params["b_h"], params["W_y"].T, params["b_y"]])
    return model


@keras_perceptron.inputs
def _(rng):
    yield core("2 inputs, 4 hidden units, 3 outputs", draw_params(rng, 2, 4, 3))
    yield core("all sizes 3", draw_params(rng, 3, 3, 3))


@keras_perceptron.observed
def _(model, params):
    n_x = params["W_h"].shape[1]
    x = np.linspace(-1, 1, 4 * n_x).reshape(4, n_x)
    outputs = np.asarray(model(x))
    exact = np.tanh(x @ params["W_h"].T + params["b_h"]) @ params["W_y"].T + params["b_y"]
    error = np.abs(outputs - exact).max() if outputs.shape == exact.shape else 1
    return {
        "the dtype of the outputs": str(outputs.dtype),
        "the output": outputs,
        "a layer computes in float32": "yes" if 1e-12 < error < 1e-4 else "no",
    }


keras_perceptron.mistake(
    "You do not transpose W_h and W_y, which works only if all sizes are equal. A Keras kernel is (inputs, units).",
    {'params["W_h"].T': 'params["W_h"]', 'params["W_y"].T': 'params["W_y"]'},
)
keras_perceptron.mistake(
    "Your last layer has a softmax. Return the logits: give the last layer no activation.",
    {"Dense(n_y, ": 'Dense(n_y, activation="softmax", '},
)
keras_perceptron.mistake('Your hidden layer has no activation: give it activation="tanh".', {'activation="tanh", ': ""})
keras_perceptron.mistake("Your hidden layer uses ReLU; use tanh.", {'"tanh"': '"relu"'})
keras_perceptron.mistake(
    'Your model computes in float32, Keras\'s default: give every layer dtype="float64".',
    {
        'dtype="float64")\n    output': 'dtype="float32")\n    output',
        'dtype="float64")\n    model': 'dtype="float32")\n    model',
        '(n_x,), dtype="float64"': '(n_x,), dtype="float32"',
    },
)
keras_perceptron.mistake(
    'Your hidden layer computes in float32, Keras\'s default: give every layer dtype="float64".',
    {'dtype="float64")\n    output': 'dtype="float32")\n    output', '(n_x,), dtype="float64"': "(n_x,)"},
)
keras_perceptron.mistake(
    "Your last layer has a tanh too: give it no activation.", {"Dense(n_y, ": 'Dense(n_y, activation="tanh", '}
)


@exercise(
    "2.1",
    hints=(
        "Inside a tape, compute keras.losses.CategoricalCrossentropy(from_logits=True) of y and model(x). Then take "
        "the gradients with respect to model.trainable_variables, and pass both to optimizer.apply_gradients.",
        "model(x) is (N, n_y); the loss is one number; the gradients are a list as long as model.trainable_variables; "
        "apply_gradients takes pairs: zip(gradients, variables).",
    ),
)
def keras_step(model, optimizer, x, y):
    """Part 2.1 (d): one training step with a Keras optimizer.

    The loss is the mean cross-entropy of the batch, as in part (a). The optimizer changes the model's weights once.

    Args:
        model: A Keras model from x to logits (N, n_y).
        optimizer: A Keras optimizer.
        x: (N, n_x).
        y: (N, n_y), one-hot.

    Returns:
        The loss before the step, one number.

    Example:
        For a model of two classes that gives logits of 0, whatever x and y are, the loss is log 2 = 0.6931.

    Allowed: Keras and TensorFlow.
    """
    cross_entropy = keras.losses.CategoricalCrossentropy(from_logits=True)
    with tf.GradientTape() as tape:
        loss = cross_entropy(y, model(x))
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
    return loss


def _model(params):
    n_h, n_x = params["W_h"].shape
    layers = [keras.layers.Dense(n_h, activation="tanh"), keras.layers.Dense(len(params["b_y"]))]
    model = keras.Sequential([keras.Input((n_x,)), *layers])
    model.set_weights([params["W_h"].T, params["b_h"], params["W_y"].T, params["b_y"]])
    return model


@keras_step.inputs
def _(rng):
    for make, label, (n, n_x, n_h, n_y) in ((core, "a perceptron", (5, 2, 4, 3)), (edge, "one example", (1, 3, 3, 2))):
        params = draw_params(rng, n_x, n_h, n_y)
        x, y = rng.normal(size=(n, n_x)).astype(np.float32), one_hot(rng, n, n_y).astype(np.float32)
        model, optimizer = Factory(lambda params=params: _model(params)), Factory(lambda: keras.optimizers.SGD(0.5))
        yield make(label, model, optimizer, x, y)


@keras_step.observed
def _(result, model, optimizer, x, y):
    names = ("hidden weights", "hidden biases", "output weights", "output biases")
    after = {f"{name} after the step": value for name, value in zip(names, model.get_weights(), strict=True)}
    return {"the loss": np.asarray(result)} | after


keras_step.mistake("Your loss treats the logits as probabilities: pass from_logits=True.", {"(from_logits=True)": "()"})
keras_step.mistake(
    "You return the loss after the step; return the loss before it.",
    {"return loss": "return cross_entropy(y, model(x))"},
)
keras_step.mistake(
    "You change the hidden layer only: use all of model.trainable_variables.",
    {
        "tape.gradient(loss, model.trainable_variables)": "tape.gradient(loss, model.trainable_variables[:2])",
        "(zip(gradients, model.trainable_variables": "(zip(gradients, model.trainable_variables[:2]",
    },
)
keras_step.mistake(
    "You take two steps; take one.",
    {"    return loss": "    optimizer.apply_gradients(zip(gradients, model.trainable_variables))\n    return loss"},
)
keras_step.mistake(
    "You compute the gradients but do not apply them: call the optimizer.", {"optimizer.apply_gradients": "list"}
)
keras_step.mistake(
    "You exchange targets and outputs: Keras's losses take y first, then the model's output.",
    {"cross_entropy(y, model(x))": "cross_entropy(model(x), y)"},
)
