"""The formulas behind the answers to the report's questions: nothing here is trained.

Each function answers one question with plain data, and is checked in the tests against the real Keras layer or an
independent computation. Numbers of weights exclude biases unless the docstring says otherwise.
"""

import math
import timeit
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from rdfia_keras.errors import ConfigError

# (y, ŷ) to the loss of each example.
Loss = Callable[[np.ndarray, np.ndarray], np.ndarray]

# --- question 1 -------------------------------------------------------------------------------------------------------


def output_size(size: int, kernel: int, stride: int, padding: int) -> int:
    """Return ⌊(size - kernel + 2 padding) / stride⌋ + 1, the number of places that a filter can take.

    Raises:
        ConfigError: If the filter does not fit even once.
    """
    if size + 2 * padding < kernel:
        raise ConfigError(f"a filter of {kernel} does not fit into {size} pixels with a padding of {padding}")
    return (size - kernel + 2 * padding) // stride + 1


def conv_against_dense(shape: tuple[int, int, int], kernel: int, stride: int, padding: int) -> dict[str, Any]:
    """Compare one filter on an input of x * y * z with a fully-connected layer between the same input and output.

    Returns:
        `output` (x', y', 1), weights and bias of the filter, weights and biases of the fully-connected layer, and
        `report`, the report's count for the latter, as extracted: two weights for each connection, and z outputs a
        place (its z may have been z').
    """
    x, y, z = shape
    out = output_size(x, kernel, stride, padding), output_size(y, kernel, stride, padding)
    places = out[0] * out[1]
    return {
        "output": [*out, 1],
        "filter_weights": kernel * kernel * z,
        "filter_biases": 1,
        "dense_weights": x * y * z * places,
        "dense_biases": places,
        "report": x * y * z * 2 * places * z,
    }


# --- questions 7, 10, 11, 12 ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stage:
    """A convolution or a pooling: side of its window, distance of its outputs, and zeros around its input."""

    name: str
    kernel: int
    stride: int
    padding: int = 0


# The homework's network up to its fully-connected layers.
CIFAR_STAGES = (
    Stage("conv1", 5, 1, 2),
    Stage("pool1", 2, 2),
    Stage("conv2", 5, 1, 2),
    Stage("pool2", 2, 2),
    Stage("conv3", 5, 1, 2),
    Stage("pool3", 2, 2),
)


def receptive_fields(stages: tuple[Stage, ...], size: int = 32) -> list[dict[str, Any]]:
    """Return the receptive field of a neuron of each stage, on an image of size x size: question 7.

    A kernel of k looks at k outputs of the stage before, which are `apart` pixels from each other.

    Returns:
        For each stage `side`, the pixels in one direction, padding included; `pixels`, its square; `apart`, the pixels
        between two neighbours; `begin`, the first row in the field of the neuron in the middle, negative in the
        padding; `least` and `most`, the pixels of the image in the fields of its neurons.
    """
    side, apart, first, count, rows = 1, 1, 0, size, []
    for stage in stages:
        side += (stage.kernel - 1) * apart
        first -= stage.padding * apart
        apart *= stage.stride
        count = -(-(count + 2 * stage.padding - stage.kernel + 1) // stage.stride)
        begins = [first + i * apart for i in range(count)]
        inside = [min(begin + side, size) - max(begin, 0) for begin in begins]
        rows.append(
            {
                "layer": stage.name,
                "side": side,
                "pixels": side**2,
                "apart": apart,
                "begin": begins[count // 2],
                "least": min(inside) ** 2,
                "most": max(inside) ** 2,
            }
        )
    return rows


def layer_counts(shape: tuple[int, int, int], n_y: int) -> list[dict[str, Any]]:
    """Return question 10's table from the homework's formulas: layer, output, weights (biases included)."""
    height, width, depth = shape
    counts: list[tuple[str, tuple[int, ...], int]] = []
    for number, filters in enumerate((32, 64, 64), start=1):
        counts.append((f"conv{number}", (height, width, filters), filters * (5 * 5 * depth + 1)))
        # A padding of (k - 1) / 2 = 2 keeps the size (question 8); pooling by 2 halves it (question 9), the last one
        # rounds up.
        height, width = (-(-side // 2) if number == 3 else side // 2 for side in (height, width))
        depth = filters
        counts.append((f"pool{number}", (height, width, depth), 0))
    counts += [("fc4", (1000,), 1000 * (height * width * depth + 1)), ("fc5", (n_y,), n_y * (1000 + 1))]
    return [{"layer": layer, "output": list(output), "weights": weights} for layer, output, weights in counts]


def bow_svm(words: int, classes: int, network: int) -> dict[str, Any]:
    """Count a linear machine for each class on a histogram of visual words: question 12."""
    weights, biases = words * classes, classes
    return {"weights": weights, "biases": biases, "network": network, "ratio": network / (weights + biases)}


# --- theory, questions 6, 8 and 9 -------------------------------------------------------------------------------------


def softmax_and_sum(y_tilde: np.ndarray) -> list[dict[str, float]]:
    """Return outputs (n_y,) divided by their sum, and by softmax: only the latter are all positive."""
    e = np.exp(y_tilde - y_tilde.max())
    shares, probabilities = y_tilde / y_tilde.sum(), e / e.sum()
    return [
        {"output": float(output), "by_sum": float(share), "softmax": float(probability)}
        for output, share, probability in zip(y_tilde, shares, probabilities, strict=True)
    ]


def cross_entropy_of(y: np.ndarray, y_hat: np.ndarray) -> np.ndarray:
    """Return -Σ y_i log ŷ_i: (N, n_y), (N, n_y) -> (N,)."""
    return -(y * np.log(y_hat)).sum(axis=-1)


def binary_cross_entropies_of(y: np.ndarray, y_hat: np.ndarray) -> np.ndarray:
    """Return -Σ [y_i log ŷ_i + (1 - y_i) log(1 - ŷ_i)], which the report differentiates: (N, n_y), (N, n_y) -> (N,)."""
    return -(y * np.log(y_hat) + (1 - y) * np.log(1 - y_hat)).sum(axis=-1)


def squared_error_of(y: np.ndarray, y_hat: np.ndarray) -> np.ndarray:
    """Return Σ (y_i - ŷ_i)²: (N, n_y), (N, n_y) -> (N,)."""
    return ((y - y_hat) ** 2).sum(axis=-1)


def losses_as_likelihoods() -> list[dict[str, Any]]:
    """Compare each loss with the negative log-likelihood that it is, and give its gradient at the truth and elsewhere.

    Returns:
        A row a loss: `loss`; `distribution`, whose negative log-likelihood it is, the Gaussian's with variance ½ and
        without its constant; `difference`, the largest over some random examples, relative to the likelihood; and
        `at_truth` and `elsewhere`, the derivatives by ŷ_i for y = (1, 0, 0) and ŷ = (0.7, 0.2, 0.1).
    """
    from scipy import stats

    rng, examples, n_y = np.random.default_rng(0), 100, 3
    y_hat, y = rng.dirichlet(np.ones(n_y), examples), np.eye(n_y)[rng.integers(0, n_y, examples)]
    draws = [stats.multinomial.logpmf(truth, 1, probabilities) for truth, probabilities in zip(y, y_hat, strict=True)]
    coins = stats.bernoulli.logpmf(y, y_hat).sum(axis=1)
    gaussian = stats.norm.logpdf(y, y_hat, math.sqrt(0.5)).sum(axis=1) + n_y * math.log(math.pi) / 2
    kinds: list[tuple[str, str, Loss, np.ndarray]] = [
        ("cross-entropy", "one draw among the classes", cross_entropy_of, np.array(draws)),
        ("cross-entropy of each output (the report's)", "a coin for each class", binary_cross_entropies_of, coins),
        ("squared error", "a Gaussian around each output", squared_error_of, gaussian),
    ]
    return [
        {
            "loss": name,
            "distribution": distribution,
            "difference": float(np.abs(loss(y, y_hat) / -log_likelihood - 1).max()),
            **_derivatives(loss),
        }
        for name, distribution, loss, log_likelihood in kinds
    ]


def _derivatives(loss: Loss) -> dict[str, Any]:
    """Return ∂ℓ/∂ŷ_i by central differences: at the true class, and at the two others."""
    y, y_hat, delta = np.array([1.0, 0, 0]), np.array([0.7, 0.2, 0.1]), 1e-6
    steps = delta * np.eye(3)
    at_truth, *elsewhere = (loss(y, y_hat + steps) - loss(y, y_hat - steps)) / (2 * delta)
    return {"at_truth": float(at_truth), "elsewhere": [float(slope) for slope in elsewhere]}


# --- theory, question 14 ----------------------------------------------------------------------------------------------


def naive_cross_entropy(y_tilde: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return -Σ y_i log(softmax(ỹ)_i), term by term as it is defined: (N, n_y), (N, n_y) -> (N,)."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        e = np.exp(y_tilde)
        return -(y * np.log(e / e.sum(axis=1, keepdims=True))).sum(axis=1)


def simplified_cross_entropy(y_tilde: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return -Σ y_i ỹ_i + log Σ exp ỹ_i, the largest ỹ taken out of the exponential: (N, n_y), (N, n_y) -> (N,)."""
    largest = y_tilde.max(axis=1)
    log_sum = largest + np.log(np.exp(y_tilde - largest[:, None]).sum(axis=1))
    return log_sum - (y * y_tilde).sum(axis=1)


def compare_losses(scales: tuple[float, ...] = (1, 10, 100, 1000)) -> list[dict[str, Any]]:
    """Compare the two losses on float64 logits of growing size, averaged over 100 examples."""
    rng, n_y = np.random.default_rng(0), 10
    logits, y = rng.normal(size=(100, n_y)), np.eye(n_y)[rng.integers(0, n_y, 100)]
    rows = []
    for scale in scales:
        naive, simple = naive_cross_entropy(scale * logits, y), simplified_cross_entropy(scale * logits, y)
        finite = np.isfinite(naive)
        rows.append(
            {
                "scale": scale,
                "naive": float(naive.mean()),
                "simplified": float(simple.mean()),
                "not_finite": int((~finite).sum()),
                "difference": float(np.abs(naive - simple)[finite].max()) if finite.any() else math.nan,
            }
        )
    return rows


# --- question 21 ------------------------------------------------------------------------------------------------------


def whitened_variances(variances: np.ndarray, epsilon: float, reach: tuple[float, ...] = (0.5, 0.9)) -> dict[str, Any]:
    """Return how white whitening makes images: each direction of variance λ (d,) comes out with λ / (λ + epsilon).

    Returns:
        `directions` d, `mean` of the variances that come out, and `at_least`: how many of them reach each of `reach`.
    """
    after = np.maximum(variances, 0) / (np.maximum(variances, 0) + epsilon)
    return {
        "directions": len(after),
        "mean": float(after.mean()),
        "at_least": {str(least): int((after >= least).sum()) for least in reach},
    }


# --- question 33 ------------------------------------------------------------------------------------------------------


def dropout_scaling(rates: tuple[float, ...]) -> list[dict[str, Any]]:
    """Apply dropout to ones; return the share dropped, the value of the others, and the means in training and test."""
    import keras

    rows = []
    for rate in rates:
        layer = keras.layers.Dropout(rate, seed=0)
        ones = np.ones((1, 100_000), np.float32)
        training, test = (keras.ops.convert_to_numpy(layer(ones, training=on)) for on in (True, False))
        rows.append(
            {
                "rate": rate,
                "dropped": float((training == 0).mean()),
                "kept_become": float(training.max()),
                "expected": 1 / (1 - rate),
                "mean_training": float(training.mean()),
                "mean_test": float(test.mean()),
            }
        )
    return rows


# --- theory, question 12 ----------------------------------------------------------------------------------------------


@dataclass
class DeepNet:
    """A chain of tanh layers of equal width with a squared error: the smallest net that has a depth."""

    weights: list[np.ndarray]

    @classmethod
    def draw(cls, depth: int, width: int, seed: int = 0) -> "DeepNet":
        """Draw the weights from a normal distribution that keeps the size of the signal."""
        rng = np.random.default_rng(seed)
        return cls([rng.normal(0, 1 / math.sqrt(width), (width, width)) for _ in range(depth)])

    def loss(self, x: np.ndarray, y: np.ndarray) -> float:
        """Return ½ Σ (h - y)², with h the last layer's output."""
        for w in self.weights:
            x = np.tanh(x @ w)
        return 0.5 * float(((x - y) ** 2).sum())

    def backprop(self, x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
        """Return all gradients from one pass forward and one back: time grows with the depth."""
        h = [x]
        for w in self.weights:
            h.append(np.tanh(h[-1] @ w))
        grad, grads = h[-1] - y, []
        for w, below, above in zip(self.weights[::-1], h[-2::-1], h[:0:-1], strict=True):
            grad = grad * (1 - above**2)
            grads.append(below.T @ grad)
            grad = grad @ w.T
        return grads[::-1]

    def naive(self, x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
        """Return all gradients by moving each weight and computing the net twice: time grows with the depth squared."""
        grads, delta = [], 1e-6
        for w in self.weights:
            grad = np.zeros_like(w)
            for entry in np.ndindex(w.shape):
                before = w[entry]
                w[entry] = before + delta
                more = self.loss(x, y)
                w[entry] = before - delta
                grad[entry] = (more - self.loss(x, y)) / (2 * delta)
                w[entry] = before
            grads.append(grad)
        return grads


def backprop_cost(depths: tuple[int, ...], times: int = 5) -> list[dict[str, Any]]:
    """Time both ways to compute all gradients as layers are added, in seconds, and compare the results.

    Each time is the shortest of several runs: whatever else the machine does only makes a run longer.
    """
    rng, examples, width = np.random.default_rng(1), 10, 8
    x, y = rng.normal(size=(examples, width)), rng.normal(size=(examples, width))
    rows = []
    for depth in depths:
        net = DeepNet.draw(depth, width)
        backprop, naive = _seconds(net.backprop, x, y, times=10 * times), _seconds(net.naive, x, y, times=times)
        pairs = zip(net.backprop(x, y), net.naive(x, y), strict=True)
        rows.append(
            {
                "layers": depth,
                "weights": depth * width * width,
                "backprop": backprop,
                "naive": naive,
                "ratio": naive / backprop,
                "difference": float(max(np.abs(a - b).max() for a, b in pairs)),
            }
        )
    return rows


def _seconds(function: Callable[..., object], *arguments: np.ndarray, times: int) -> float:
    """Return the shortest duration of a call."""
    return min(timeit.repeat(lambda: function(*arguments), repeat=times, number=1))
