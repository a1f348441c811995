"""A perceptron with one hidden layer, written four ways (homework part 2.1, theory questions 7 and 14-17).

    h_tilde = W_h x + b_h        h     = tanh(h_tilde)
    y_tilde = W_y h + b_y        y_hat = softmax(y_tilde)

Examples are the rows of x, (batch, n_x); targets are one-hot rows y, (batch, n_y); the loss is the cross-entropy,
averaged over the batch. The four implementations differ only in how much is left to the libraries:

    manual     forward, loss, backward and SGD by hand
    tape       GradientTape for the backward pass, the rest by hand
    layers     Keras layers and loss as well
    optimizer  Keras optimizer as well

Everything is float64, so that four ways of writing the same sum stay equal to many digits over 150 epochs. The maths
is written for one batch; `compile_epochs` turns whole epochs of it into one compiled function.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import keras
import numpy as np
import tensorflow as tf

PARAMETERS = ("W_h", "b_h", "W_y", "b_y")


def forward(params: dict, x: tf.Tensor) -> dict[str, tf.Tensor]:
    """Compute every intermediate result, from x to y_hat (question 7)."""
    h_tilde = tf.matmul(x, params["W_h"], transpose_b=True) + params["b_h"]
    h = tf.tanh(h_tilde)
    y_tilde = tf.matmul(h, params["W_y"], transpose_b=True) + params["b_y"]
    e = tf.exp(y_tilde - tf.reduce_max(y_tilde, axis=1, keepdims=True))
    y_hat = e / tf.reduce_sum(e, axis=1, keepdims=True)
    return {"x": x, "h": h, "y_tilde": y_tilde, "y_hat": y_hat}


def cross_entropy(y_tilde: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Compute -Σ y_i ỹ_i + log Σ exp ỹ_i, averaged over the batch (question 14)."""
    # The largest ỹ leaves the exponential, which would overflow.
    largest = tf.reduce_max(y_tilde, axis=1)
    log_sum = largest + tf.math.log(tf.reduce_sum(tf.exp(y_tilde - largest[:, None]), axis=1))
    return tf.reduce_mean(log_sum - tf.reduce_sum(y * y_tilde, axis=1))


def backward(params: dict, outputs: dict, y: tf.Tensor) -> dict[str, tf.Tensor]:
    """Compute the gradient of the averaged loss with respect to each parameter (questions 15-17)."""
    grad_y_tilde = (outputs["y_hat"] - y) / tf.cast(tf.shape(y)[0], y.dtype)
    grad_h_tilde = tf.matmul(grad_y_tilde, params["W_y"]) * (1 - outputs["h"] ** 2)
    return {
        "W_h": tf.matmul(grad_h_tilde, outputs["x"], transpose_a=True),
        "b_h": tf.reduce_sum(grad_h_tilde, axis=0),
        "W_y": tf.matmul(grad_y_tilde, outputs["h"], transpose_a=True),
        "b_y": tf.reduce_sum(grad_y_tilde, axis=0),
    }


def sgd(params: dict, grads: dict, eta: float) -> None:
    """Take one step down the gradient, in place."""
    for name, param in params.items():
        param.assign_sub(eta * grads[name])


class Manual:
    """(a) Everything by hand."""

    def __init__(self, params: dict[str, np.ndarray], eta: float):
        self.params = {name: tf.Variable(value, name=name) for name, value in params.items()}
        # A variable, so that one compiled function serves every learning rate.
        self.eta = tf.Variable(eta, dtype=tf.float64)

    def restart(self, params: dict[str, np.ndarray], eta: float) -> None:
        """Begin again from other weights of the same shapes, with another learning rate."""
        for name, value in params.items():
            self.params[name].assign(value)
        self.eta.assign(eta)

    def logits(self, x: tf.Tensor) -> tf.Tensor:
        """Compute y_tilde."""
        return forward(self.params, x)["y_tilde"]

    def loss(self, y_tilde: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """Compute the cross-entropy, averaged over the batch."""
        return cross_entropy(y_tilde, y)

    def step(self, x: tf.Tensor, y: tf.Tensor) -> None:
        """Train on one batch."""
        outputs = forward(self.params, x)
        sgd(self.params, backward(self.params, outputs, y), self.eta)

    def weights(self) -> dict[str, np.ndarray]:
        """Return the parameters by name."""
        return {name: param.numpy() for name, param in self.params.items()}


class Tape(Manual):
    """(b) TensorFlow differentiates; forward, loss and SGD stay by hand."""

    def step(self, x: tf.Tensor, y: tf.Tensor) -> None:
        """Train on one batch."""
        with tf.GradientTape() as tape:
            loss = self.loss(self.logits(x), y)
        sgd(self.params, tape.gradient(loss, self.params), self.eta)


class Layers:
    """(c) Keras layers and loss; SGD by hand."""

    def __init__(self, params: dict[str, np.ndarray], eta: float):
        n_h, n_x = params["W_h"].shape
        n_y = len(params["b_y"])
        self.model = keras.Sequential(
            [
                keras.Input((n_x,), dtype="float64"),
                keras.layers.Dense(n_h, activation="tanh", dtype="float64"),
                keras.layers.Dense(n_y, dtype="float64"),
            ]
        )
        self.cross_entropy = keras.losses.CategoricalCrossentropy(from_logits=True, dtype="float64")
        self.eta = tf.Variable(eta, dtype=tf.float64)
        self._set_weights(params)

    def _set_weights(self, params: dict[str, np.ndarray]) -> None:
        # Keras keeps a layer's weights as (inputs, units): the transpose of the homework's.
        self.model.set_weights([params["W_h"].T, params["b_h"], params["W_y"].T, params["b_y"]])

    def restart(self, params: dict[str, np.ndarray], eta: float) -> None:
        """Begin again from other weights of the same shapes, with another learning rate."""
        self._set_weights(params)
        self.eta.assign(eta)

    def logits(self, x: tf.Tensor) -> tf.Tensor:
        """Compute y_tilde."""
        return self.model(x)

    def loss(self, y_tilde: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """Compute the cross-entropy, averaged over the batch."""
        return self.cross_entropy(y, y_tilde)

    def gradients(self, x: tf.Tensor, y: tf.Tensor) -> list[tf.Tensor]:
        """Differentiate the loss with respect to each variable of the model."""
        with tf.GradientTape() as tape:
            loss = self.loss(self.logits(x), y)
        return tape.gradient(loss, [variable.value for variable in self.model.trainable_variables])

    def step(self, x: tf.Tensor, y: tf.Tensor) -> None:
        """Train on one batch."""
        for variable, gradient in zip(self.model.trainable_variables, self.gradients(x, y), strict=True):
            variable.assign_sub(self.eta * gradient)

    def weights(self) -> dict[str, np.ndarray]:
        """Return the parameters by name, as the homework has them."""
        W_h, b_h, W_y, b_y = self.model.get_weights()
        return {"W_h": W_h.T, "b_h": b_h, "W_y": W_y.T, "b_y": b_y}


class Optimizer(Layers):
    """(d) The Keras optimizer takes the step as well."""

    def __init__(self, params: dict[str, np.ndarray], eta: float):
        super().__init__(params, eta)
        # Given a number, Keras keeps it as float32; of a function it takes the float64 as it is.
        self.sgd = keras.optimizers.SGD(lambda: self.eta)
        self.sgd.build(self.model.trainable_variables)

    def step(self, x: tf.Tensor, y: tf.Tensor) -> None:
        """Train on one batch."""
        self.sgd.apply(self.gradients(x, y), self.model.trainable_variables)


# By name of `config.IMPLEMENTATIONS`: a class made from initial weights and eta.
IMPLEMENTATIONS: dict[str, type[Manual] | type[Layers]] = {
    "manual": Manual,
    "tape": Tape,
    "layers": Layers,
    "optimizer": Optimizer,
}


def compile_epochs(network: Manual | Layers, batch_size: int, bounds: Sequence[int]) -> Callable:
    """Return a function (x, y, orders, count) that trains for `count` epochs in one compiled call.

    The rows of x and y up to the first of `bounds`, N, are for training, those up to the next for testing, and what
    follows, if there are two, for validation. `orders`, (at least count, N), has a permutation of the training examples
    for each epoch; the result, of as many rows, has loss and accuracy of each part after the epoch. No Python runs
    between the steps, and XLA makes one loop of them: a call costs more than the hundred steps of five epochs on the
    circles. Examples left over after an epoch's last full batch make a smaller batch of their own.
    """

    def take(x: tf.Tensor, y: tf.Tensor, batch: tf.Tensor) -> None:
        network.step(tf.gather(x, batch), tf.gather(y, batch))

    @tf.function(jit_compile=True)
    def train(x, y, orders, count):
        examples = orders.shape[1]
        measured = tf.TensorArray(tf.float64, size=orders.shape[0], element_shape=(2 * len(bounds) + 2,))
        steps = examples // batch_size
        epoch = tf.constant(0)
        # A loop over `tf.range(count)` would be compiled anew for each count.
        while epoch < count:
            # One index at a time: XLA starts `orders[epoch, n:]` at 0 when epoch is a tensor.
            order = orders[epoch]
            batches = tf.reshape(order[: steps * batch_size], (steps, batch_size))
            for i in tf.range(steps):
                take(x, y, batches[i])
            if examples > steps * batch_size:
                take(x, y, order[steps * batch_size :])
            measured = measured.write(epoch, measure(network, x, y, bounds))
            epoch += 1
        return measured.stack()

    return train


def lbfgs(
    params: dict[str, np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    bounds: Sequence[int],
    iterations: int,
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Minimize the loss over the whole training set by SciPy's L-BFGS, with the gradients by hand (question 28).

    Args:
        params: The initial weights, by name.
        x: Examples (N, n_x), as `compile_epochs` takes them.
        y: One-hot targets (N, n_y).
        bounds: As `compile_epochs` takes them.
        iterations: The largest number of iterations; fewer are made if the line search finds nothing better.

    Returns:
        The weights after the last iteration; and (iterations, 4 or 6): what `compile_epochs` measures after each, the
        last row again for those that were not needed.
    """
    from scipy.optimize import minimize

    network = Manual(params, eta=0.0)
    data, rows = tensors(x[: bounds[0]], y[: bounds[0]]), []
    whole = tensors(x, y)

    @tf.function(jit_compile=True)
    def loss_and_gradients(x, y):
        outputs = forward(network.params, x)
        grads = backward(network.params, outputs, y)
        flat = tf.concat([tf.reshape(grads[name], [-1]) for name in PARAMETERS], axis=0)
        return cross_entropy(outputs["y_tilde"], y), flat

    @tf.function(jit_compile=True)
    def measured(x, y):
        return measure(network, x, y, bounds)

    def function(flat: np.ndarray) -> tuple[float, np.ndarray]:
        _assign(network.params, flat)
        loss, gradient = loss_and_gradients(*data)
        return float(loss), gradient.numpy()

    def after_iteration(flat: np.ndarray) -> None:
        _assign(network.params, flat)
        rows.append(measured(*whole).numpy())

    start = np.concatenate([params[name].ravel() for name in PARAMETERS])
    result = minimize(
        function, start, jac=True, method="L-BFGS-B", callback=after_iteration, options={"maxiter": iterations}
    )
    _assign(network.params, result.x)
    rows = rows or [measured(*whole).numpy()]
    return network.weights(), np.array(rows + [rows[-1]] * (iterations - len(rows)))


def _assign(params: dict[str, tf.Variable], flat: np.ndarray) -> None:
    """Set the parameters from one vector that holds them one after the other."""
    ends = np.cumsum([np.prod(params[name].shape) for name in PARAMETERS])
    for name, part in zip(PARAMETERS, np.split(flat, ends[:-1]), strict=True):
        params[name].assign(part.reshape(params[name].shape))


def measure(network: Manual | Layers, x: tf.Tensor, y: tf.Tensor, bounds: Sequence[int]) -> tf.Tensor:
    """Compute loss and accuracy over the rows up to each bound and after the last: (4,) for one bound, (6,) for two.

    One forward pass serves all of them.
    """
    y_tilde = network.logits(x)
    right = tf.cast(tf.argmax(y_tilde, axis=1) == tf.argmax(y, axis=1), tf.float64)
    parts = [slice(*part) for part in pairwise((0, *bounds, None))]
    return tf.stack([f for part in parts for f in (network.loss(y_tilde[part], y[part]), tf.reduce_mean(right[part]))])


def predict(network: Manual | Layers, x: np.ndarray) -> np.ndarray:
    """Compute y_hat (N, n_y): each row sums to one."""
    return tf.nn.softmax(network.logits(tf.constant(x))).numpy()


def check_gradients(params: dict[str, np.ndarray], x: np.ndarray, y: np.ndarray, limit: int = 200) -> list[dict]:
    """Compare each parameter's hand-written gradient with GradientTape's and with central finite differences.

    Args:
        params: The weights by name, float64.
        x: Examples (N, n_x).
        y: One-hot targets (N, n_y).
        limit: The largest number of entries of a parameter to difference, spread evenly over it.

    Returns:
        A row for each parameter: `parameter`, `shape`, `entries checked`, `tape` and `finite_differences`: the largest
        absolute difference divided by the largest absolute entry of either gradient; 0 where both are zero, as they
        are for W_h and b_h when W_y is.
    """
    network = Manual(params, eta=0.0)
    x, y = tf.constant(x), tf.constant(y)
    by_hand = backward(network.params, forward(network.params, x), y)
    with tf.GradientTape() as tape:
        loss = network.loss(network.logits(x), y)
    by_tape = tape.gradient(loss, network.params)
    rows = []
    for name, value in params.items():
        hand = by_hand[name].numpy()
        entries = np.unique(np.linspace(0, value.size - 1, min(limit, value.size)).astype(int))
        differences = _central_differences(params, name, entries, x, y)
        rows.append(
            {
                "parameter": name,
                "shape": list(value.shape),
                "entries checked": len(entries),
                "tape": _relative_error(hand, by_tape[name].numpy()),
                "finite_differences": _relative_error(hand.ravel()[entries], differences),
            }
        )
    return rows


def _relative_error(first: np.ndarray, second: np.ndarray) -> float:
    """Divide the largest absolute difference of two arrays by the largest absolute entry of both; 0 for two zeros."""
    scale = max(np.abs(first).max(), np.abs(second).max())
    return float(np.abs(first - second).max() / scale) if scale else 0.0


def _central_differences(
    params: dict[str, np.ndarray], name: str, entries: np.ndarray, x: tf.Tensor, y: tf.Tensor, delta: float = 1e-5
) -> np.ndarray:
    """Return (loss(w + δ) - loss(w - δ)) / 2δ of each entry; δ = 1e-5 balances rounding and the third derivative."""
    losses = {}
    for sign in (+1, -1):
        for entry in entries:
            moved = params[name].copy()
            moved.ravel()[entry] += sign * delta
            losses[sign, entry] = float(cross_entropy(forward({**params, name: moved}, x)["y_tilde"], y))
    return np.array([(losses[+1, entry] - losses[-1, entry]) / (2 * delta) for entry in entries])


def tensors(*arrays: np.ndarray) -> tuple[tf.Tensor, ...]:
    """Convert NumPy arrays to tensors, once, so that no epoch copies them again."""
    return tuple(tf.constant(array) for array in arrays)
