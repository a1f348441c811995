"""Other right ways to solve the exercises, by equal formulas. The checker must not find fault with them.

A function belongs to the exercise before the two underscores of its name. Three more ways are made of each solution in
`ways`: in float32, as lists, and with floats for integers.
"""

import math

import numpy as np

from rdfia_keras.learn.causes import Reference, call_here
from rdfia_keras.learn.checker import judge
from rdfia_keras.learn.exercises import of_part
from rdfia_keras.learn.skeletons import skeleton


def softmax__differences(y_tilde):
    with np.errstate(over="ignore"):
        return 1 / np.exp(y_tilde[:, None, :] - y_tilde[:, :, None]).sum(axis=2)


def forward__loops(params, x, softmax):
    h_tilde = np.array([[row @ w + b for w, b in zip(params["W_h"], params["b_h"], strict=True)] for row in x])
    h = 2 / (1 + np.exp(-2 * h_tilde)) - 1
    y_tilde = np.array([params["W_y"] @ row + params["b_y"] for row in h])
    return [h_tilde, h, y_tilde, softmax(y_tilde)]


def cross_entropy__logaddexp(y_tilde, y):
    return np.mean(np.logaddexp.reduce(y_tilde, axis=1) - y_tilde[y == 1])


def accuracy__pick(y_tilde, y):
    return y[np.arange(len(y)), y_tilde.argmax(1)].mean()


def grad_y_tilde__jacobian(y_hat, y):
    jacobian = np.einsum("ni,ij->nij", y_hat, np.eye(y.shape[1])) - np.einsum("ni,nj->nij", y_hat, y_hat)
    return np.einsum("nij,nj->ni", jacobian, -y / y_hat) / len(y)


def grads_output__ones(grad_y_tilde, h):
    both = grad_y_tilde.T @ np.hstack([h, np.ones((len(h), 1))])
    return both[:, :-1], both[:, -1]


grads_hidden__ones = grads_output__ones


def grad_h_tilde__cosh(grad_y_tilde, W_y, h):
    return (W_y.T @ grad_y_tilde.T).T / np.cosh(np.arctanh(h)) ** 2


def sgd_step__negative(params, grads, eta):
    return {name: np.add(params[name], -eta * grads[name]) for name in reversed(params)}


def train_epoch__shuffled_first(params, x, y, order, batch_size, eta, gradients, step):
    x, y = x[order], y[order]
    for start in range(0, len(x), batch_size):
        stop = start + batch_size
        params = step(params, gradients(params, x[start:stop], y[start:stop]), eta)
    return params


def rbf_kernel__binomial(a, b, gamma):
    return np.exp(-gamma * ((a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T))


def poly_kernel__products(a, b, gamma, degree):
    return np.prod([gamma * np.inner(a, b)] * degree, axis=0)


def choose_svm__errors(x, y, x_val, y_val, kernels, Cs, fit):
    found = []
    for place, kernel in enumerate(kernels):
        for C in Cs:
            found.append((np.count_nonzero(fit(kernel, C, x, y)(x_val) - y_val), place, C, kernel))
    return [min(found)[3], min(found)[2]]


def conv_cost__floor(x, y, z, k, s, p, F):
    width, height = math.floor((x + 2 * p - k) / s + 1), int(np.floor((y + 2 * p - k) / s)) + 1
    return [width, height, F * (z * k * k + 1), width * height * F * (1 + x * y * z)]


def receptive_field__marked(layers):
    first, last, distance = 0, 0, 1
    for k, s in layers:
        last += (k - 1) * distance
        distance = distance * s
    return [last - first + 1, distance]


def layer_table__written_out(size, z, n_y):
    table = [[size, 32, 32 * (25 * z + 1)], [size // 2, 32, 0], [size // 2, 64, 51264], [size // 4, 64, 0]]
    table += [[size // 4, 64, 102464], [size // 8, 64, 0]]
    return np.array([*table, [1, 1000, 1000 * (size * size + 1)], [1, n_y, 1001 * n_y]])


def layer_table__tuples(size, z, n_y):
    channels, rows = [z, 32, 64, 64], []
    for i in range(3):
        side = size // 2**i
        rows += [(side, channels[i + 1], channels[i + 1] * 25 * channels[i] + channels[i + 1])]
        rows += [(side / 2, channels[i + 1], 0)]
    inputs = (size // 8) ** 2 * 64
    return (*rows, (1, 1000, inputs * 1000 + 1000), (1, n_y, n_y * 1000 + n_y))


def _padded(x, padding):
    n, height, width, z = x.shape
    out = np.zeros((n, height + 2 * padding, width + 2 * padding, z))
    out[:, padding : padding + height, padding : padding + width] = x
    return out


def conv2d__windows(x, w, b, stride, padding):
    windows = np.lib.stride_tricks.sliding_window_view(_padded(x, padding), w.shape[:2], axis=(1, 2))
    return np.einsum("nijcuv,uvcf->nijf", windows[:, ::stride, ::stride], w) + b


def conv2d_backward__windows(grad_out, x, w, padding):
    k = len(w)
    windows = np.lib.stride_tricks.sliding_window_view(_padded(x, padding), (k, k), axis=(1, 2))
    grad_w = np.einsum("nijcuv,nijf->uvcf", windows, grad_out)
    around = np.lib.stride_tricks.sliding_window_view(_padded(grad_out, k - 1), (k, k), axis=(1, 2))
    full = np.einsum("nijfuv,uvcf->nijc", around, w[::-1, ::-1])
    inside = slice(padding, -padding or None)
    return full[:, inside, inside], grad_w, np.einsum("nijf->f", grad_out)


def max_pool__sorted(x):
    windows = np.lib.stride_tricks.sliding_window_view(x, (2, 2), axis=(1, 2))[:, ::2, ::2]
    return np.sort(windows.reshape(*windows.shape[:4], 4), axis=-1)[..., -1]


def max_pool_backward__argmax(grad_out, x):
    n, rows, columns, z = grad_out.shape
    cut = x[:, : 2 * rows, : 2 * columns].reshape(n, rows, 2, columns, 2, z).transpose(0, 1, 3, 5, 2, 4)
    one_hot = np.eye(4)[cut.reshape(n, rows, columns, z, 4).argmax(-1)] * grad_out[..., None]
    grad_x = np.zeros(x.shape)
    grad_x[:, : 2 * rows, : 2 * columns] = (
        one_hot.reshape(n, rows, columns, z, 2, 2).transpose(0, 1, 4, 2, 5, 3).reshape(n, 2 * rows, 2 * columns, z)
    )
    return grad_x


def dense_as_conv__moveaxis(W, b, h, w, c):
    return np.moveaxis(W.reshape(-1, h, w, c), 0, -1), b.copy()


def normalize__moments(train, test):
    floats = train.astype(float)
    mean = np.einsum("nijc->c", floats) / floats[..., 0].size
    std = np.sqrt(np.einsum("nijc->c", floats**2) / floats[..., 0].size - mean**2)
    return (train - mean) / std, (test - mean) / std


def zca__svd(train, x, eps):
    centred = train - train.mean(axis=0, keepdims=True)
    U, values, _ = np.linalg.svd(centred.T @ centred / len(train))
    return np.einsum("ij,jk,k,lk->il", x - train.mean(axis=0), U, 1 / np.sqrt(values + eps), U)


def crop_flip__drawn_at_once(images, size, rng):
    n, height, width, _ = images.shape
    tops, lefts = rng.integers(height - size + 1, size=n), rng.integers(width - size + 1, size=n)
    crops = np.stack([one[t : t + size, x : x + size] for one, t, x in zip(images, tops, lefts, strict=True)])
    mirrored = rng.integers(2, size=n).astype(bool)
    crops[mirrored] = crops[mirrored, :, ::-1]
    return crops


def crop_flip__flip_first(images, size, rng):
    out = []
    for image in images:
        if rng.choice([True, False]):
            image = np.fliplr(image)
        top = rng.integers(0, image.shape[0] - size, endpoint=True)
        left = int(rng.random() * (image.shape[1] - size + 1))
        out.append(image[top : top + size, left : left + size])
    return out


def schedule__logarithms(kind, eta_0, r, t, t_u):
    if kind == "inverse":
        return np.divide(eta_0, 1 + t * r)
    return np.exp(np.log(eta_0) + (t if kind == "exponential" else t // t_u) * np.log(r))


def momentum_step__terms(w, v, grad, eta, beta):
    return w - eta * beta * v - eta * grad, np.add(beta * v, grad)


def rmsprop_step__average(w, s, grad, eta, beta, eps):
    s = np.average([s, np.square(grad)], axis=0, weights=[beta, 1 - beta])
    return np.subtract(w, np.divide(eta * grad, eps + np.sqrt(s))), s


def adam_step__step_size(w, m, s, grad, t, eta, beta1, beta2, eps):
    m, s = m + (1 - beta1) * (grad - m), s + (1 - beta2) * (grad**2 - s)
    root = math.sqrt(1 - beta2**t)
    return w - eta * root / (1 - beta1**t) * m / (np.sqrt(s) + eps * root), m, s


def dropout__binomial(x, p, training, rng):
    return x * rng.binomial(1, 1 - p, x.shape) / (1 - p) if training else x.copy()


def dropout__loops(x, p, training, rng):
    if not training:
        return x
    return [[0.0 if rng.random() < p else entry / (1 - p) for entry in row] for row in x]


def batch_norm__moments(x, gamma, beta, mean, var, momentum, training, eps):
    mu, sigma2 = (x.mean(0), (x**2).mean(0) - x.mean(0) ** 2) if training else (mean, var)
    scale = gamma / np.sqrt(sigma2 + eps)
    if training:
        mean, var = (momentum * old + (1 - momentum) * new for old, new in ((mean, mu), (var, sigma2)))
    return x * scale + (beta - mu * scale), mean, var


# --- the ways that every exercise has ---------------------------------------------------------------------------------


def each(value, change):
    """A result with every array changed."""
    if isinstance(value, dict):
        return {key: each(entry, change) for key, entry in value.items()}
    if isinstance(value, tuple):
        return tuple(each(entry, change) for entry in value)
    return change(value) if isinstance(value, np.ndarray | np.floating) else value


def in_float32(solution):
    def function(*arguments):
        def change(array):
            return array.astype(np.float32) if array.dtype.kind == "f" else array

        return each(solution(*each(arguments, change)), change)

    return function


def as_lists(solution):
    return lambda *arguments: each(solution(*arguments), lambda array: array.tolist())


def in_floats(solution):
    """Integers as floats, as np.zeros gives them to those who fill it."""

    def function(*arguments):
        value = solution(*arguments)
        values = value if isinstance(value, tuple) else (value,)
        values = tuple(np.asarray(part, float) if np.asarray(part).dtype.kind in "iu" else part for part in values)
        return values if isinstance(value, tuple) else values[0]

    return function


def ways(exercise):
    """At least four right functions for an exercise."""
    own = [function for name, function in globals().items() if name.partition("__")[0] == exercise.name]
    return [in_float32(exercise.solution), as_lists(exercise.solution), in_floats(exercise.solution), *own]


def solved(part, **functions):
    """A part's file with our solutions, other texts where they are given, and the skeleton where that is None."""
    text = skeleton(part)
    for exercise in of_part(part):
        function = functions.get(exercise.name, exercise.source)
        text = text.replace(exercise.skeleton, exercise.skeleton if function is None else f"{function}\n")
    return text


def verdict_of(exercise, function, seed=0, functions=None):
    """The verdict on a function of this process, which no worker runs."""
    reference = Reference(exercise, seed)
    outcomes = [call_here(function, case, exercise) for case in reference.cases]
    loss = exercise.custom_loss
    needed = loss and (functions or {}).get(loss.needs)
    return judge(
        reference,
        outcomes,
        loss.gradient(needed, *reference.cases[reference.gradient_at].arguments) if needed else None,
    )
