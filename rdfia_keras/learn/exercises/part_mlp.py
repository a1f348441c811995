"""Theory and part 2.1 (a): a perceptron with one hidden layer, in NumPy.

    h_tilde = W_h x + b_h        h     = tanh(h_tilde)           hidden layer, for one example x
    y_tilde = W_y h + b_y        y_hat = softmax(y_tilde)        output layer

Arrays hold a batch of N examples, one in each row: x (N, n_x) for n_x inputs, h_tilde and h (N, n_h) for n_h hidden
units, y_tilde and y_hat (N, n_y) for n_y classes. y_tilde are the logits, y_hat the probabilities of the classes. The
targets y (N, n_y) are one-hot: 1 in the column of the right class, 0 elsewhere. The weights are W_h (n_h, n_x) and
W_y (n_y, n_h), the biases b_h (n_h,) and b_y (n_y,).

The loss is the mean over the batch, and every gradient is the gradient of that mean. grad_y_tilde divides by N; the
other gradients are computed from it, so they do not divide by N again.
"""

import numpy as np

from rdfia_keras.learn.exercise import CustomLossCase, core, differences, edge, exercise


def one_hot(rng, examples, classes):
    """Targets; every class occurs where there are enough examples."""
    return np.eye(classes)[rng.permutation(np.arange(examples) % classes)]


def draw_params(rng, n_x, n_h, n_y):
    """Weights and biases that are not zero."""
    return {
        "W_h": rng.normal(size=(n_h, n_x)),
        "b_h": rng.normal(size=n_h),
        "W_y": rng.normal(size=(n_y, n_h)),
        "b_y": rng.normal(size=n_y),
    }


# --- forward ----------------------------------------------------------------------------------------------------------


@exercise(
    "T6, T7",
    hints=(
        "Divide the exponentials of each row by their sum. exp(1000) is too large for a float, so first subtract the "
        "row's maximum m: the result stays the same, because exp(y_tilde_i - m) = exp(y_tilde_i) / exp(m), and exp(m) "
        "cancels in the fraction.",
        "y_tilde (N, n_y); maximum of each row (N, 1), with axis=1 and keepdims=True; exponentials (N, n_y); their sum "
        "over each row (N, 1); result (N, n_y).",
    ),
)
def softmax(y_tilde):
    """Questions T6 and T7: turn the logits into probabilities.

        y_hat_i = exp(y_tilde_i) / Σ_j exp(y_tilde_j)        for each example, over its classes i and j

    Args:
        y_tilde: (N, n_y), an example in each row. Entries can be 1000 or more.

    Returns:
        y_hat, (N, n_y). Each row sums to 1.

    Example:
        >>> softmax(np.array([[0.0, 0.0], [np.log(3), 0.0]]))
        [[0.5, 0.5], [0.75, 0.25]]

    Allowed: NumPy. Not scipy.special.softmax.
    """
    e = np.exp(y_tilde - y_tilde.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


@softmax.inputs
def _(rng):
    yield core("4 examples of 3 classes", rng.normal(size=(4, 3)))
    yield core("3 examples of 3 classes", rng.normal(size=(3, 3)))
    yield edge("one example", rng.normal(size=(1, 4)))
    yield edge("entries of 1000", 1000 + rng.normal(size=(4, 3)).round(2))
    yield edge("one row far below the others", np.array([[1000.0, 1001, 1002], [1, 2, 4], [-1000, -1003, -1001]]))
    yield edge("entries of one row far apart", np.array([[-1000.0, 0, 1000], [1, 2, 4]]))


softmax.mistake(
    "You divide by the sum over the whole batch. Each row is one example and must sum to 1: sum over axis 1.",
    {"e.sum(axis=1, keepdims=True)": "e.sum()"},
    name="whole-batch",
)
softmax.mistake(
    "Your columns sum to 1, not your rows. The classes of one example lie along axis 1.",
    {"e.sum(axis=1, keepdims=True)": "e.sum(axis=0, keepdims=True)"},
    name="columns",
)
softmax.mistake(
    "exp(1000) is too large for a float: it becomes inf, and inf / inf is NaN. Subtract each row's maximum first.",
    {"y_tilde - y_tilde.max(axis=1, keepdims=True)": "y_tilde"},
)
softmax.mistake(
    "You subtract the maximum of the whole batch. In a row far below it every exponential is exp(-1000) = 0, and 0 / 0 "
    "is NaN: subtract each row's own maximum.",
    {"y_tilde.max(axis=1, keepdims=True)": "y_tilde.max()"},
)
for _kind, _name in (("min", "minimum"), ("mean", "mean")):
    softmax.mistake(
        f"You subtract each row's {_name}. Entries far above it still overflow: subtract the maximum.",
        {"y_tilde.max(": f"y_tilde.{_kind}("},
    )
softmax.mistake(
    "Your sums have shape (N,), so NumPy divides column j by the sum of row j, or raises an error if the shapes do not "
    "fit. Use keepdims=True.",
    {"e.sum(axis=1, keepdims=True)": "e.sum(axis=1)"},
)
softmax.mistake(
    "You return the logarithm of the softmax; return the softmax itself.",
    {"e / e.sum(axis=1, keepdims=True)": "np.log(e / e.sum(axis=1, keepdims=True))"},
)


@exercise(
    "T7",
    hints=(
        "For a whole batch, with examples in rows: h_tilde = x W_hᵀ + b_h, then h = tanh(h_tilde), "
        "y_tilde = h W_yᵀ + b_y, y_hat = softmax(y_tilde).",
        "x (N, n_x) @ W_h.T (n_x, n_h) is h_tilde (N, n_h); b_h (n_h,) is added to each row; h (N, n_h) @ "
        "W_y.T (n_h, n_y) is y_tilde (N, n_y); y_hat (N, n_y).",
    ),
    returns="h_tilde, h, y_tilde, y_hat",
)
def forward(params, x, softmax):
    """Question T7: the forward pass, returning every intermediate result.

        h_tilde = W_h x + b_h        h     = tanh(h_tilde)
        y_tilde = W_y h + b_y        y_hat = softmax(y_tilde)        for each example x

    Args:
        params: A dict with W_h (n_h, n_x), b_h (n_h,), W_y (n_y, n_h) and b_y (n_y,).
        x: (N, n_x), an example in each row.
        softmax: A correct function: softmax(y_tilde) returns y_hat, both (N, n_y).

    Returns:
        h_tilde (N, n_h), h (N, n_h), y_tilde (N, n_y) and y_hat (N, n_y).

    Example:
        >>> identity, zero = np.eye(2), np.zeros(2)
        >>> params = {"W_h": identity, "b_h": zero, "W_y": np.array([[1.0, 1.0], [0.0, 1.0]]), "b_y": zero}
        >>> forward(params, np.array([[0.0, 0.0], [np.log(3), 0.0]]), softmax)[2]  # y_tilde
        [[0.0, 0.0], [0.8, 0.0]]

    Allowed: NumPy.
    """
    h_tilde = x @ params["W_h"].T + params["b_h"]
    h = np.tanh(h_tilde)
    y_tilde = h @ params["W_y"].T + params["b_y"]
    y_hat = softmax(y_tilde)
    return h_tilde, h, y_tilde, y_hat


@forward.inputs
def _(rng):
    yield core("all sizes different", draw_params(rng, 2, 4, 3), rng.normal(size=(5, 2)), softmax.solution)
    yield core("all sizes 3", draw_params(rng, 3, 3, 3), rng.normal(size=(3, 3)), softmax.solution)
    yield edge("one example", draw_params(rng, 2, 4, 3), rng.normal(size=(1, 2)), softmax.solution)


forward.mistake(
    "You compute x @ W_h, which fits only if n_h = n_x. W_h is (n_h, n_x): multiply by its transpose.",
    {'x @ params["W_h"].T': 'x @ params["W_h"]'},
)
forward.mistake(
    "You compute h @ W_y, which fits only if n_y = n_h. W_y is (n_y, n_h): multiply by its transpose.",
    {'h @ params["W_y"].T': 'h @ params["W_y"]'},
)
forward.mistake(
    "You do not add b_h. This goes unnoticed while b_h is 0, as it often is at the start of training.",
    {' + params["b_h"]': ""},
    name="no-b_h",
)
forward.mistake(
    "You do not add b_y. This goes unnoticed while b_y is 0, as it often is at the start of training.",
    {' + params["b_y"]': ""},
    name="no-b_y",
)
forward.mistake(
    "You compute y_tilde from h_tilde instead of h. Without tanh, two linear layers do no more than one (T3).",
    {"h @ params": "h_tilde @ params"},
    name="no-tanh",
)
forward.mistake(
    "You return the softmax's result as y_tilde. Return y_tilde as it is before the softmax; only y_hat is after it.",
    {"y_hat = softmax(y_tilde)": "y_tilde = softmax(y_tilde)\n    y_hat = y_tilde"},
    name="softmax-twice",
)
forward.mistake(
    "Your y_hat is the softmax of the softmax; apply it once.",
    {"y_hat = softmax(y_tilde)": "y_hat = softmax(softmax(y_tilde))"},
)
# An empty dict stands for any.
forward.mistake(
    "You return y_hat and a dict, as in the course's own skeleton; return h_tilde, h, y_tilde and y_hat in this order.",
    {"return h_tilde, h, y_tilde, y_hat": "return y_hat, {}"},
)
forward.mistake(
    "Your hidden layer uses the sigmoid; use tanh.",
    {"np.tanh(h_tilde)": "1 / (1 + np.exp(-h_tilde))"},
    name="sigmoid",
)
forward.mistake(
    "Your hidden layer uses ReLU; use tanh.",
    {"np.tanh(h_tilde)": "np.maximum(h_tilde, 0)"},
    name="relu",
)


@exercise(
    "T14",
    hints=(
        "log Σ_i exp(y_tilde_i) = m + log Σ_i exp(y_tilde_i - m) for any number m. Let m be the largest entry of the "
        "row: then no exponential overflows, and the sum is at least 1.",
        "Maximum of each row (N, 1); y_tilde minus it (N, n_y); log of the sum of exponentials (N,); the maxima as "
        "(N,), to add them again; y * y_tilde summed over axis 1 (N,); losses (N,); their mean is one number.",
    ),
)
def cross_entropy(y_tilde, y):
    """Question T14: the mean cross-entropy loss, computed from the logits.

        loss = -Σ_i y_i y_tilde_i + log Σ_i exp(y_tilde_i)        for each example, then the mean over the batch

    This is -Σ_i y_i log y_hat_i with the formula of the softmax put in for y_hat_i.

    Args:
        y_tilde: (N, n_y), the logits. Entries can be 1000 or more.
        y: (N, n_y), one-hot.

    Returns:
        One number.

    Example:
        >>> cross_entropy(np.array([[0.0, 0.0], [1000.0, 0.0]]), np.array([[1.0, 0.0], [0.0, 1.0]]))
        500.34657359

        The loss is log 2 = 0.693 for the first example and 1000 for the second; the mean is 500.35.

    Allowed: NumPy. Not scipy.special.logsumexp.
    """
    largest = y_tilde.max(axis=1, keepdims=True)
    e = np.exp(y_tilde - largest)
    losses = largest[:, 0] + np.log(e.sum(axis=1)) - (y * y_tilde).sum(axis=1)
    return losses.mean()


@cross_entropy.inputs
def _(rng):
    yield core("5 examples of 3 classes", rng.normal(size=(5, 3)), one_hot(rng, 5, 3))
    yield core("3 examples of 3 classes", rng.normal(size=(3, 3)), one_hot(rng, 3, 3))
    yield edge("one example", rng.normal(size=(1, 4)), one_hot(rng, 1, 4))
    sure, wrong = rng.permutation(np.eye(3)), [[0], [1], [1]]
    said = np.where(wrong, np.roll(sure, 1, axis=1), sure)
    yield edge("logits of 1000 and -1000, one right and two wrong", 2000 * sure - 1000, said)
    far = np.array([[1000.0, 1001, 1002], [1, 2, 4], [-1000, -1003, -1001]])
    yield edge("one row far below the others", far, one_hot(rng, 3, 3))


_LOSSES = "largest[:, 0] + np.log(e.sum(axis=1)) - (y * y_tilde).sum(axis=1)"
cross_entropy.mistake("You sum over the batch; take the mean.", {"losses.mean()": "losses.sum()"}, name="sum")
cross_entropy.mistake(
    "You take the mean over the classes too. Sum over the classes; take the mean over the examples only.",
    {"losses.mean()": "losses.mean() / y.shape[1]"},
    name="mean-of-classes",
)
cross_entropy.mistake(
    "You compute -Σ y log y_hat. It fails when a probability underflows to 0: log 0 is -inf, and 0 · inf is NaN. Use "
    "the formula with y_tilde.",
    {_LOSSES: "-(y * np.log(e / e.sum(axis=1, keepdims=True))).sum(axis=1)"},
)
cross_entropy.mistake(
    "You take the logarithm of the right class's probability. It underflows to 0 when the example is wrong by far, and "
    "log 0 is -inf. Use the formula with y_tilde.",
    {_LOSSES: "-np.log((y * e / e.sum(axis=1, keepdims=True)).sum(axis=1))"},
)
for _epsilon in (1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-11, 1e-12, 1e-15, 1e-16, 2.0**-52, 1e-20, 1e-30, 1e-300):
    cross_entropy.mistake(
        "You add a small number inside the logarithm, or clip the probabilities at one. That bounds the loss of an "
        "example that is wrong by far. Use the formula with y_tilde, which needs no such number.",
        {_LOSSES: f"-(y * np.log(e / e.sum(axis=1, keepdims=True) + {_epsilon})).sum(axis=1)"},
    )
cross_entropy.mistake(
    "You apply the softmax first, and then the formula, which includes it: put y_tilde itself into the formula.",
    {
        _LOSSES: "np.log(np.exp(e / e.sum(axis=1, keepdims=True)).sum(axis=1)) "
        "- (y * e / e.sum(axis=1, keepdims=True)).sum(axis=1)"
    },
)
cross_entropy.mistake(
    "exp(1000) is too large for a float and becomes inf. Subtract each row's maximum before exp; add it after log.",
    {"y_tilde.max(axis=1, keepdims=True)": "np.zeros((len(y), 1))"},
)
cross_entropy.mistake(
    "You subtract the maximum of the whole batch. In a row far below it every exponential is 0, and log 0 is -inf: "
    "subtract each row's own maximum.",
    {"y_tilde.max(axis=1, keepdims=True)": "np.full((len(y), 1), y_tilde.max())"},
)
cross_entropy.mistake(
    "You subtract each row's maximum before exp, but do not add it again after log.", {"largest[:, 0] + ": ""}
)
cross_entropy.mistake(
    "The sign is wrong: the loss must fall when the right class becomes more probable.",
    {"losses.mean()": "-losses.mean()"},
    name="sign",
)
cross_entropy.mistake(
    "You sum the exponentials of the targets y; sum those of y_tilde.",
    {"largest[:, 0] + np.log(e.sum(axis=1))": "np.log(np.exp(y).sum(axis=1))"},
)
_TWO_CLASSES = (
    "You use the two-class loss, -y log y_hat - (1 - y) log(1 - y_hat), for each class (T8). With a softmax, keep only "
    "-y log y_hat."
)
cross_entropy.mistake(
    _TWO_CLASSES,
    {_LOSSES: "-np.log(np.abs(1 - y - e / e.sum(axis=1, keepdims=True))).sum(axis=1)"},
    name="two-class-loss",
)
cross_entropy.mistake(
    _TWO_CLASSES,
    {
        "losses = " + _LOSSES: "p = e / e.sum(axis=1, keepdims=True)\n"
        "    losses = -(y * np.log(p) + (1 - y) * np.log(1 - p)).sum(axis=1)"
    },
)
cross_entropy.mistake("You return a loss for each example; return their mean.", {"losses.mean()": "losses"})
cross_entropy.mistake("The term -Σ y_i y_tilde_i is missing.", {" - (y * y_tilde).sum(axis=1)": ""}, name="no-target")


@exercise(
    "2.1",
    hints=(
        "The predicted class is the position of the largest y_tilde; the right class is the position of the 1 in y. "
        "The accuracy is the mean of (predicted class == right class).",
        "np.argmax over axis 1 turns y_tilde (N, n_y) into (N,), and y too; comparing them gives N booleans (N,); "
        "their mean is one number.",
    ),
)
def accuracy(y_tilde, y):
    """Part 2.1: the fraction of the examples that are classified correctly.

    Args:
        y_tilde: (N, n_y). The predicted class is the position of the largest entry; if several are equal, of the first.
        y: (N, n_y), one-hot.

    Returns:
        One number between 0 and 1.

    Example:
        >>> accuracy(np.array([[2.0, 1.0], [3.0, 1.0]]), np.array([[1.0, 0.0], [0.0, 1.0]]))
        0.5

    Allowed: NumPy. Not sklearn.metrics.
    """
    right = y_tilde.argmax(axis=1) == y.argmax(axis=1)
    return right.mean()


@accuracy.inputs
def _(rng):
    y = one_hot(rng, 7, 3)
    # Four of seven right; the others say the next class.
    said = np.where(np.arange(7)[:, None] < 4, y, np.roll(y, 1, axis=1))
    yield core("7 examples of 3 classes", said + 0.1 * rng.random((7, 3)), y)
    y = one_hot(rng, 4, 4)
    said = np.where(np.arange(4)[:, None] < 1, y, np.roll(y, 1, axis=1))
    yield core("4 examples of 4 classes", said + 0.1 * rng.random((4, 4)), y)
    yield edge("one example", np.array([[0.5, -1, 2]]), np.array([[0.0, 0, 1]]))
    ties = np.array([[1.0, 1, 0], [0, 2, 2], [3, 3, 3], [5, 5, 1]])
    yield edge("equal entries", ties, np.eye(3)[[0, 1, 0, 1]])


accuracy.mistake(
    "You compare class numbers with the one-hot rows of y. Take the argmax of y too.",
    {"y_tilde.argmax(axis=1) == y.argmax(axis=1)": "y_tilde.argmax(axis=1)[:, None] == y"},
)
accuracy.mistake(
    "You compare all entries of the one-hot rows, so equal zeros count as right. Compare one class for each example.",
    {"y_tilde.argmax(axis=1) == y.argmax(axis=1)": "np.eye(y.shape[1])[y_tilde.argmax(axis=1)] == y"},
)
accuracy.mistake(
    "Your argmax runs over the examples (axis 0). The classes of an example lie along axis 1.",
    {"y_tilde.argmax(axis=1) == y.argmax(axis=1)": "y_tilde.argmax(axis=0) == y.argmax(axis=0)"},
)
accuracy.mistake("You return how many are right; divide by N.", {"right.mean()": "right.sum()"})
accuracy.mistake(
    "You return right or wrong for each example; return their mean, which is one number.", {"right.mean()": "right"}
)
for _percentage in ("100 * right.mean()", "int(100 * right.mean())", "round(100 * right.mean())"):
    accuracy.mistake("You return a percentage; return a fraction, between 0 and 1.", {"right.mean()": _percentage})
accuracy.mistake("You divide by the number of entries; divide by N.", {"right.mean()": "right.sum() / y.size"})
accuracy.mistake(
    "You compare class numbers, (N,), with the one-hot rows of y, (N, n_y). Take the argmax of y too.",
    {"y_tilde.argmax(axis=1) == y.argmax(axis=1)": "y_tilde.argmax(axis=1) == y"},
)
accuracy.mistake(
    "Your argmax has no axis, so it finds one place of the whole array. Take the argmax of each row: axis 1.",
    {"y_tilde.argmax(axis=1) == y.argmax(axis=1)": "y_tilde.argmax() == y.argmax()"},
)
accuracy.mistake(
    "You return the fraction that is wrong; return the fraction that is right.", {"right.mean()": "1 - right.mean()"}
)
accuracy.mistake(
    "Among equal entries you take the last; take the first.",
    {"y_tilde.argmax(axis=1)": "(y.shape[1] - 1 - y_tilde[:, ::-1].argmax(axis=1))"},
)


# --- backward ---------------------------------------------------------------------------------------------------------


@exercise(
    "T15",
    hints=(
        "The derivative of -Σ y_i y_tilde_i is -y_i. The derivative of log Σ exp(y_tilde_j) is "
        "exp(y_tilde_i) / Σ exp(y_tilde_j), which is y_hat_i. The mean over the batch adds the factor 1 / N.",
        "y_hat (N, n_y) minus y (N, n_y) is (N, n_y); divide it by N = len(y).",
    ),
)
def grad_y_tilde(y_hat, y):
    """Question T15: the gradient of the loss with respect to y_tilde.

        ∂loss / ∂y_tilde = (y_hat - y) / N

    The loss is the mean over the batch: divide by N here, and only here.

    Args:
        y_hat: (N, n_y), the softmax of y_tilde.
        y: (N, n_y), one-hot.

    Returns:
        (N, n_y).

    Example:
        >>> grad_y_tilde(np.array([[0.5, 0.5], [0.75, 0.25]]), np.array([[1.0, 0.0], [0.0, 1.0]]))
        [[-0.25, 0.25], [0.375, -0.375]]

    Allowed: NumPy.
    """
    return (y_hat - y) / len(y)


@grad_y_tilde.inputs
def _(rng):
    yield core("5 examples of 3 classes", softmax(rng.normal(size=(5, 3))), one_hot(rng, 5, 3))
    yield core("3 examples of 3 classes", softmax(rng.normal(size=(3, 3))), one_hot(rng, 3, 3))
    yield edge("one example", softmax(rng.normal(size=(1, 4))), one_hot(rng, 1, 4))


def _through_softmax(cross_entropy, y_hat, y):
    # log y_hat is a y_tilde whose softmax is y_hat.
    return differences(lambda y_tilde: cross_entropy(y_tilde, y), np.log(y_hat))


grad_y_tilde.custom_loss = CustomLossCase("cross_entropy", _through_softmax)
grad_y_tilde.mistake("Divide by N: the loss is a mean over the batch.", {" / len(y)": ""}, name="no-mean")
grad_y_tilde.mistake(
    "The sign is wrong: where y_hat is larger than y, the loss grows with y_tilde.",
    {"(y_hat - y)": "(y - y_hat)"},
    name="sign",
)
grad_y_tilde.mistake(
    "You use -y / y_hat, the gradient with respect to y_hat. With respect to y_tilde it is y_hat - y.",
    {"(y_hat - y)": "(-y / y_hat)"},
    name="before-softmax",
)
grad_y_tilde.mistake(
    "You multiply by y_hat (1 - y_hat), a derivative of the softmax; y_hat - y includes it already.",
    {"(y_hat - y)": "(y_hat - y) * y_hat * (1 - y_hat)"},
    name="softmax-again",
)
grad_y_tilde.mistake("You divide by the number of classes; divide by the number of examples.", {"len(y)": "y.shape[1]"})
grad_y_tilde.mistake("You divide by the number of entries; divide by the number of examples.", {"len(y)": "y.size"})
grad_y_tilde.mistake(
    "You have a factor of 2, as in the derivative of the squared error (T8). The cross-entropy has none.",
    {"(y_hat - y)": "2 * (y_hat - y)"},
    name="squared-error",
)


@exercise(
    "T16",
    hints=(
        "In y_tilde[n, i], W_y[i, j] is multiplied by h[n, j]. So ∂loss/∂W_y[i, j] is the sum over the examples n of "
        "grad_y_tilde[n, i] · h[n, j]. b_y[i] is multiplied by 1: ∂loss/∂b_y[i] is the sum of grad_y_tilde[n, i].",
        "grad_y_tilde.T (n_y, N) @ h (N, n_h) is (n_y, n_h), the shape of W_y. grad_y_tilde summed over axis 0 is "
        "(n_y,), the shape of b_y.",
    ),
    returns="grad_W_y, grad_b_y",
)
def grads_output(grad_y_tilde, h):
    """Question T16: the gradients of the output layer's weights and bias.

        grad_W_y = Σ_n grad_y_tilde_n h_nᵀ        grad_b_y = Σ_n grad_y_tilde_n

    Sum over the examples n; grad_y_tilde_n and h_n are rows n, written as column vectors.

    Args:
        grad_y_tilde: (N, n_y), divided by N already.
        h: (N, n_h), the outputs of the hidden layer.

    Returns:
        grad_W_y (n_y, n_h) and grad_b_y (n_y,).

    Example:
        >>> grads_output(np.array([[1.0, -1.0], [2.0, -2.0]]), np.array([[1.0, 0.0], [3.0, 1.0]]))[0]  # grad_W_y
        [[7.0, 2.0], [-7.0, -2.0]]

    Allowed: NumPy.
    """
    grad_W_y = grad_y_tilde.T @ h
    grad_b_y = grad_y_tilde.sum(axis=0)
    return grad_W_y, grad_b_y


def _two_layers(rng):
    """Sizes (N, outputs, inputs) of a layer, with their labels."""
    yield core("all sizes different", rng.normal(size=(5, 3)), rng.normal(size=(5, 4)))
    yield core("all sizes 3", rng.normal(size=(3, 3)), rng.normal(size=(3, 3)))
    yield edge("one example", rng.normal(size=(1, 3)), rng.normal(size=(1, 4)))


grads_output.inputs(_two_layers)
grads_output.mistake(
    "Your grad_W_y is transposed: give it the shape of W_y, (n_y, n_h).", {"grad_y_tilde.T @ h": "h.T @ grad_y_tilde"}
)
grads_output.mistake(
    "You divide grad_W_y by N again; grad_y_tilde is divided by N already.",
    {"grad_y_tilde.T @ h": "grad_y_tilde.T @ h / len(h)"},
    name="mean-again",
)
grads_output.mistake(
    "Your grad_b_y is a mean over the examples, which divides by N again. Take the sum.",
    {"grad_y_tilde.sum(axis=0)": "grad_y_tilde.mean(axis=0)"},
    name="bias-mean",
)
grads_output.mistake(
    "You sum grad_b_y over the classes (axis 1). Each output has its own bias: sum over the examples, axis 0.",
    {"grad_y_tilde.sum(axis=0)": "grad_y_tilde.sum(axis=1)"},
)
grads_output.mistake(
    "Your grad_b_y is one number. Each output has its own bias: sum over the examples only, axis 0.",
    {"grad_y_tilde.sum(axis=0)": "grad_y_tilde.sum()"},
)
for _shape in ("[None]", "[:, None]"):
    grads_output.mistake(
        "Your grad_b_y has an axis too many (keepdims=True keeps it); give it the shape of b_y, (n_y,).",
        {"grad_y_tilde.sum(axis=0)": f"grad_y_tilde.sum(axis=0){_shape}"},
    )
grads_output.mistake(
    "Your grad_b_y still has a row for each example: sum over the examples, axis 0.",
    {"grad_y_tilde.sum(axis=0)": "grad_y_tilde"},
)


@exercise(
    "T17",
    hints=(
        "h[n, j] acts on every output i through W_y[i, j], so with examples in rows ∂loss/∂h = grad_y_tilde W_y. "
        "Multiply by the derivative of tanh: 1 - tanh(h_tilde)², which is 1 - h².",
        "grad_y_tilde (N, n_y) @ W_y (n_y, n_h) is (N, n_h); multiplied entry by entry by 1 - h**2 (N, n_h), it "
        "stays (N, n_h).",
    ),
)
def grad_h_tilde(grad_y_tilde, W_y, h):
    """Question T17: the gradient of the loss with respect to h_tilde.

        grad_h_tilde = (W_yᵀ grad_y_tilde) ⊙ (1 - h²)        for each example; ⊙ multiplies entry by entry

    Args:
        grad_y_tilde: (N, n_y), divided by N already.
        W_y: (n_y, n_h).
        h: (N, n_h), which is tanh(h_tilde).

    Returns:
        (N, n_h).

    Example:
        >>> W_y, h = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[0.0, 0.5], [0.5, 0.0]])
        >>> grad_h_tilde(np.array([[1.0, 0.0], [0.0, 1.0]]), W_y, h)
        [[1.0, 1.5], [2.25, 4.0]]

    Allowed: NumPy.
    """
    grad_h = grad_y_tilde @ W_y
    return grad_h * (1 - h**2)


@grad_h_tilde.inputs
def _(rng):
    for make, label, (n, n_h, n_y) in (
        (core, "all sizes different", (5, 4, 3)),
        (core, "all sizes 3", (3, 3, 3)),
        (edge, "one example", (1, 4, 3)),
    ):
        yield make(label, rng.normal(size=(n, n_y)), rng.normal(size=(n_y, n_h)), np.tanh(rng.normal(size=(n, n_h))))


grad_h_tilde.mistake("The derivative of tanh is missing: multiply by 1 - h².", {" * (1 - h**2)": ""}, name="no-slope")
grad_h_tilde.mistake(
    "You take the tanh a second time: h is tanh(h_tilde) already, so the derivative is 1 - h².",
    {"1 - h**2": "1 - np.tanh(h) ** 2"},
    name="tanh-twice",
)
grad_h_tilde.mistake(
    "You use h (1 - h), the derivative of the sigmoid; that of tanh is 1 - h².",
    {"(1 - h**2)": "h * (1 - h)"},
    name="sigmoid-slope",
)
grad_h_tilde.mistake("You use 1 - h. The derivative of tanh has a square: 1 - h².", {"h**2": "h"}, name="no-square")
grad_h_tilde.mistake(
    "You transpose W_y. With examples in rows, multiply by W_y itself: grad_y_tilde @ W_y.",
    {"grad_y_tilde @ W_y": "grad_y_tilde @ W_y.T"},
)
grad_h_tilde.mistake(
    "You divide by N again; grad_y_tilde is divided by N already.", {"(1 - h**2)": "(1 - h**2) / len(h)"}
)


@exercise(
    "T17",
    hints=(
        "h_tilde = W_h x + b_h has the form of y_tilde = W_y h + b_y. Use the formulas of grads_output, with "
        "grad_h_tilde in place of grad_y_tilde and x in place of h.",
        "grad_h_tilde.T (n_h, N) @ x (N, n_x) is (n_h, n_x), the shape of W_h. grad_h_tilde summed over axis 0 is "
        "(n_h,), the shape of b_h.",
    ),
    returns="grad_W_h, grad_b_h",
)
def grads_hidden(grad_h_tilde, x):
    """Question T17: the gradients of the hidden layer's weights and bias.

        grad_W_h = Σ_n grad_h_tilde_n x_nᵀ        grad_b_h = Σ_n grad_h_tilde_n

    Sum over the examples n; grad_h_tilde_n and x_n are rows n, written as column vectors.

    Args:
        grad_h_tilde: (N, n_h), divided by N already.
        x: (N, n_x).

    Returns:
        grad_W_h (n_h, n_x) and grad_b_h (n_h,).

    Example:
        >>> grads_hidden(np.array([[1.0, -1.0], [2.0, 0.0]]), np.array([[1.0, 0.0], [3.0, 1.0]]))[0]  # grad_W_h
        [[7.0, 2.0], [-1.0, 0.0]]

    Allowed: NumPy.
    """
    grad_W_h = grad_h_tilde.T @ x
    grad_b_h = grad_h_tilde.sum(axis=0)
    return grad_W_h, grad_b_h


grads_hidden.inputs(_two_layers)
grads_hidden.mistake(
    "Your grad_W_h is transposed: give it the shape of W_h, (n_h, n_x).", {"grad_h_tilde.T @ x": "x.T @ grad_h_tilde"}
)
grads_hidden.mistake(
    "You divide grad_W_h by N again; grad_h_tilde is divided by N already.",
    {"grad_h_tilde.T @ x": "grad_h_tilde.T @ x / len(x)"},
    name="mean-again",
)
grads_hidden.mistake(
    "Your grad_b_h is a mean over the examples, which divides by N again. Take the sum.",
    {"grad_h_tilde.sum(axis=0)": "grad_h_tilde.mean(axis=0)"},
    name="bias-mean",
)
grads_hidden.mistake(
    "You sum grad_b_h over the units (axis 1). Each unit has its own bias: sum over the examples, axis 0.",
    {"grad_h_tilde.sum(axis=0)": "grad_h_tilde.sum(axis=1)"},
)

for _shape in ("[None]", "[:, None]"):
    grads_hidden.mistake(
        "Your grad_b_h has an axis too many (keepdims=True keeps it); give it the shape of b_h, (n_h,).",
        {"grad_h_tilde.sum(axis=0)": f"grad_h_tilde.sum(axis=0){_shape}"},
    )


def _output_layer(forward, grad_y_tilde, h):
    """Both gradients of Σ grad_y_tilde · y_tilde, y_tilde being the student's; the hidden layer passes h on."""
    n_y, n_h = grad_y_tilde.shape[1], h.shape[1]

    def loss(W_y, b_y):
        # tanh(arctanh(h)) = h, and a normally distributed h is scaled into the range of tanh first.
        params = {"W_h": np.eye(n_h), "b_h": np.zeros(n_h), "W_y": W_y, "b_y": b_y}
        return (grad_y_tilde * forward(params, np.arctanh(h / SCALE), softmax)[2]).sum() * SCALE

    zero_W, zero_b = np.zeros((n_y, n_h)), np.zeros(n_y)
    return differences(lambda W_y: loss(W_y, zero_b), zero_W), differences(
        lambda b_y: loss(zero_W, b_y) / SCALE, zero_b
    )


def _hidden_layer(forward, grad_h_tilde, x):
    """Both gradients of Σ grad_h_tilde · h_tilde, h_tilde being the student's."""
    n_h, n_x = grad_h_tilde.shape[1], x.shape[1]

    def loss(W_h, b_h):
        params = {"W_h": W_h, "b_h": b_h, "W_y": np.eye(n_h), "b_y": np.zeros(n_h)}
        return (grad_h_tilde * forward(params, x, softmax)[0]).sum()

    zero_W, zero_b = np.zeros((n_h, n_x)), np.zeros(n_h)
    return differences(lambda W_h: loss(W_h, zero_b), zero_W), differences(lambda b_h: loss(zero_W, b_h), zero_b)


def _through_tanh(forward, grad_y_tilde, W_y, h):
    """Return the gradient of Σ grad_y_tilde · y_tilde with respect to h_tilde, which is x where W_h is the identity."""
    n_h = h.shape[1]
    params = {"W_h": np.eye(n_h), "b_h": np.zeros(n_h), "W_y": W_y, "b_y": np.zeros(len(W_y))}
    return differences(lambda h_tilde: (grad_y_tilde * forward(params, h_tilde, softmax)[2]).sum(), np.arctanh(h))


SCALE = 10.0
grads_output.custom_loss = CustomLossCase("forward", _output_layer)
grads_hidden.custom_loss = CustomLossCase("forward", _hidden_layer)
grad_h_tilde.custom_loss = CustomLossCase("forward", _through_tanh)


# --- training ---------------------------------------------------------------------------------------------------------


@exercise(
    "T10, T11",
    hints=(
        "The loss grows along the gradient, so subtract it: w - eta · gradient, for each name in params. Make a new "
        "dict of new arrays: w -= ... would change the arrays in params.",
        "Each new parameter has the shape of the old one, which is also the shape of its gradient.",
    ),
)
def sgd_step(params, grads, eta):
    """Questions T10 and T11: one step of stochastic gradient descent.

        w ← w - η ∂loss/∂w        for each parameter w

    Args:
        params: A dict of arrays: the parameters by their names, such as "W_h".
        grads: A dict with the gradient of each parameter, under the same names.
        eta: The learning rate η.

    Returns:
        A new dict with new arrays. Leave the arrays in params unchanged.

    Example:
        >>> sgd_step({"w": np.array([[1.0, 2.0], [3.0, 4.0]])}, {"w": np.array([[10.0, 0.0], [0.0, -10.0]])}, 0.1)["w"]
        [[0.0, 2.0], [3.0, 5.0]]

    Allowed: NumPy.
    """
    return {name: params[name] - eta * grads[name] for name in params}


@sgd_step.inputs
def _(rng):
    yield core("a perceptron", draw_params(rng, 2, 4, 3), draw_params(rng, 2, 4, 3), 0.3)
    yield core("one parameter", {"w": rng.normal(size=(2, 2))}, {"w": rng.normal(size=(2, 2))}, 0.7)
    yield edge("no learning rate", {"w": rng.normal(size=3)}, {"w": rng.normal(size=3)}, 0.0)


sgd_step.mistake(
    "You add the step, but the loss grows along the gradient: subtract it.", {"- eta": "+ eta"}, name="uphill"
)
sgd_step.mistake(
    "You change the arrays in params (-= works in place). Make new ones.",
    {"params[name] - eta * grads[name] for": "np.subtract(params[name], eta * grads[name], out=params[name]) for"},
)
sgd_step.mistake(
    "The learning rate is missing: multiply the gradient by it.", {"eta * grads[name]": "grads[name]"}, name="no-eta"
)
sgd_step.mistake(
    "You return the step, -eta · gradient; return the parameter after it, w - eta · gradient.",
    {"params[name] - eta": "-eta"},
    name="only-steps",
)
sgd_step.mistake(
    "You divide by the learning rate; multiply by it.", {"eta * grads[name]": "grads[name] / np.float64(eta)"}
)
sgd_step.mistake(
    "You multiply the gradient by the parameter; multiply it by eta only.",
    {"eta * grads[name]": "eta * grads[name] * params[name]"},
    name="times-weight",
)


@exercise(
    "T10, 2.1",
    hints=(
        "for start in range(0, len(order), batch_size): the batch is order[start : start + batch_size]. A slice may "
        "reach beyond the end: the last batch is then smaller. Pass the params that one step returns to the next.",
        "batch = order[start : start + batch_size] are row numbers (batch_size,); x[batch] is (batch_size, n_x), "
        "y[batch] (batch_size, n_y).",
    ),
)
def train_epoch(params, x, y, order, batch_size, eta, gradients, step):
    """Part 2.1: one epoch of mini-batch gradient descent.

    Go once through all examples, in batches, and take one step for each batch.

    Args:
        params: A dict of arrays.
        x: (N, n_x), the training examples.
        y: (N, n_y), their targets.
        order: The row numbers 0 to N - 1, shuffled. Take the examples in this order.
        batch_size: Examples in a batch. If N is not a multiple of it, the last batch is smaller.
        eta: The learning rate.
        gradients: A function: gradients(params, x_batch, y_batch) returns a dict, the gradient of each parameter.
        step: A function: step(params, grads, eta) returns the new parameters, like sgd_step.

    Returns:
        The parameters after the epoch.

    Example:
        Let params be {"w": np.array(0.0)}, x = [[1.0], [5.0]] and batch_size = 1, and let each step move w halfway
        to the x of its batch. With order [0, 1], w becomes 0.5, then 2.75; with order [1, 0], 2.5, then 1.75.

    Allowed: NumPy.
    """
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        grads = gradients(params, x[batch], y[batch])
        params = step(params, grads, eta)
    return params


def linear_gradients(params, x, y):
    """Of the squared error of a linear model, averaged over the batch."""
    error = x @ params["W"].T - y
    return {"W": 2 * error.T @ x / len(x)}


@train_epoch.inputs
def _(rng):
    for make, label, examples, size in (
        (core, "6 examples in batches of 2", 6, 2),
        (edge, "7 examples in batches of 3: the last has one", 7, 3),
        (edge, "batches of one example", 4, 1),
        (edge, "a batch larger than the data", 3, 10),
    ):
        W = rng.normal(size=(2, 3))
        x, y = rng.normal(size=(examples, 3)), rng.normal(size=(examples, 2))
        order = np.roll(np.arange(examples), 1)
        yield make(label, {"W": W}, x, y, order, size, 0.1, linear_gradients, sgd_step.solution)


train_epoch.mistake(
    "You leave out the examples after the last full batch. Take them as a smaller batch.",
    {"range(0, len(order), batch_size)": "range(0, len(order) - batch_size + 1, batch_size)"},
)
train_epoch.mistake(
    "You compute all gradients with the parameters from the start of the epoch. Use the parameters that the step "
    "before returned.",
    {"for start": "first = params\n    for start", "gradients(params,": "gradients(first,"},
    name="first-weights",
)
train_epoch.mistake(
    "You do not use order. Take the rows of x and y in that order.",
    {"order[start : start + batch_size]": "slice(start, start + batch_size)"},
    name="no-order",
)
train_epoch.mistake(
    "You take x in the given order but y in the original one, so examples get wrong targets. Use one order for both.",
    {"y[batch]": "y[start : start + batch_size]"},
    name="y-in-place",
)
train_epoch.mistake(
    "You take y in the given order but x in the original one, so examples get wrong targets. Use one order for both.",
    {"x[batch]": "x[start : start + batch_size]"},
)
train_epoch.mistake(
    "You return after the first batch: move the return out of the loop.",
    {"\n    return params": "\n        return params"},
    name="one-step",
)
train_epoch.mistake(
    "You take all examples as one batch, so there is only one step. Take batch_size examples at a time.",
    {"order[start : start + batch_size]": "order", "range(0, len(order), batch_size)": "range(1)"},
)
