"""Other right ways to solve the exercises: loops, einsum, equal formulas. The checker must not find fault with them.

A function belongs to the exercise before the two underscores of its name. Three more ways are made of each solution in
`ways`: in float32, as lists, and with floats for integers. `styled` writes a solution in another style.
"""

import ast
import itertools
import math

import numpy as np

from rdfia_keras.learn.causes import Reference, call_here
from rdfia_keras.learn.checker import judge
from rdfia_keras.learn.exercises import of_part
from rdfia_keras.learn.skeletons import skeleton


def softmax__loops(y_tilde):
    rows = []
    for row in y_tilde:
        exponentials = [math.exp(entry - max(row)) for entry in row]
        rows.append([e / sum(exponentials) for e in exponentials])
    return np.array(rows)


def softmax__logarithm(y_tilde):
    shifted = y_tilde - np.max(y_tilde, axis=-1)[:, None]
    return np.exp(shifted - np.log(np.sum(np.exp(shifted), axis=-1))[:, None])


def softmax__differences(y_tilde):
    with np.errstate(over="ignore"):
        return 1 / np.exp(y_tilde[:, None, :] - y_tilde[:, :, None]).sum(axis=2)


def forward__einsum(params, x, softmax):
    h_tilde = np.einsum("nx,hx->nh", x, params["W_h"]) + params["b_h"]
    h = np.tanh(h_tilde)
    y_tilde = np.einsum("nh,yh->ny", h, params["W_y"]) + params["b_y"]
    return h_tilde, h, y_tilde, softmax(y_tilde)


def forward__loops(params, x, softmax):
    h_tilde = np.array([[row @ w + b for w, b in zip(params["W_h"], params["b_h"], strict=True)] for row in x])
    h = 2 / (1 + np.exp(-2 * h_tilde)) - 1
    y_tilde = np.array([params["W_y"] @ row + params["b_y"] for row in h])
    return [h_tilde, h, y_tilde, softmax(y_tilde)]


def forward__columns(params, x, softmax):
    h_tilde = params["W_h"].dot(x.T) + params["b_h"][:, None]
    h = np.tanh(h_tilde)
    y_tilde = params["W_y"].dot(h) + params["b_y"][:, None]
    return h_tilde.T, h.T, y_tilde.T, softmax(y_tilde.T)


def cross_entropy__loops(y_tilde, y):
    total = 0.0
    for scores, target in zip(y_tilde, y, strict=True):
        largest = max(scores)
        total += largest + math.log(sum(math.exp(s - largest) for s in scores))
        total -= sum(t * s for t, s in zip(target, scores, strict=True))
    return total / len(y)


def cross_entropy__logaddexp(y_tilde, y):
    return np.mean(np.logaddexp.reduce(y_tilde, axis=1) - y_tilde[y == 1])


def cross_entropy__log_softmax(y_tilde, y):
    shifted = y_tilde - y_tilde.max(axis=1, keepdims=True)
    log_softmax = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return -np.einsum("ni,ni->", y, log_softmax) / len(y)


def accuracy__loops(y_tilde, y):
    hits = 0
    for scores, target in zip(y_tilde.tolist(), y.tolist(), strict=True):
        hits += scores.index(max(scores)) == target.index(1)
    return hits / len(y)


def accuracy__labels(y_tilde, y):
    return np.count_nonzero(np.argmax(y_tilde, 1) == np.where(y)[1]) / y.shape[0]


def accuracy__pick(y_tilde, y):
    return y[np.arange(len(y)), y_tilde.argmax(1)].mean()


def grad_y_tilde__loops(y_hat, y):
    return np.array([[(p - t) / len(y) for p, t in zip(*rows, strict=True)] for rows in zip(y_hat, y, strict=True)])


def grad_y_tilde__subtract_at_the_class(y_hat, y):
    grad = y_hat.copy()
    grad[y == 1] -= 1
    return grad / y.shape[0]


def grad_y_tilde__jacobian(y_hat, y):
    jacobian = np.einsum("ni,ij->nij", y_hat, np.eye(y.shape[1])) - np.einsum("ni,nj->nij", y_hat, y_hat)
    return np.einsum("nij,nj->ni", jacobian, -y / y_hat) / len(y)


def grads_output__einsum(grad_y_tilde, h):
    return np.einsum("ny,nh->yh", grad_y_tilde, h), np.einsum("ny->y", grad_y_tilde)


def grads_output__loops(grad_y_tilde, h):
    grad_W, grad_b = 0.0, 0.0
    for grad, row in zip(grad_y_tilde, h, strict=True):
        grad_W, grad_b = grad_W + np.outer(grad, row), grad_b + grad
    return grad_W, grad_b


def grads_output__ones(grad_y_tilde, h):
    both = grad_y_tilde.T @ np.hstack([h, np.ones((len(h), 1))])
    return both[:, :-1], both[:, -1]


grads_hidden__einsum, grads_hidden__loops, grads_hidden__ones = (
    grads_output__einsum,
    grads_output__loops,
    grads_output__ones,
)


def grad_h_tilde__einsum(grad_y_tilde, W_y, h):
    return np.einsum("ny,yh,nh->nh", grad_y_tilde, W_y, 1 - h * h)


def grad_h_tilde__loops(grad_y_tilde, W_y, h):
    return np.array([W_y.T @ grad * (1 - row) * (1 + row) for grad, row in zip(grad_y_tilde, h, strict=True)])


def grad_h_tilde__cosh(grad_y_tilde, W_y, h):
    return (W_y.T @ grad_y_tilde.T).T / np.cosh(np.arctanh(h)) ** 2


def sgd_step__loop(params, grads, eta):
    new = {}
    for name, value in params.items():
        new[name] = value - grads[name] * eta
    return new


def sgd_step__copies(params, grads, eta):
    new = {name: value.copy() for name, value in params.items()}
    for name in new:
        new[name] -= eta * grads[name]
    return new


def sgd_step__negative(params, grads, eta):
    return {name: np.add(params[name], -eta * grads[name]) for name in reversed(params)}


def train_epoch__shuffled_first(params, x, y, order, batch_size, eta, gradients, step):
    x, y = x[order], y[order]
    for start in range(0, len(x), batch_size):
        stop = start + batch_size
        params = step(params, gradients(params, x[start:stop], y[start:stop]), eta)
    return params


def train_epoch__while(params, x, y, order, batch_size, eta, gradients, step):
    rest = list(order)
    while rest:
        batch, rest = rest[:batch_size], rest[batch_size:]
        params = step(params, gradients(params, x[batch], y[batch]), eta)
    return params


def train_epoch__split(params, x, y, order, batch_size, eta, gradients, step):
    for batch in np.split(order, range(batch_size, len(order), batch_size)):
        params = step(params, gradients(params, np.take(x, batch, 0), np.take(y, batch, 0)), eta)
    return params


def rbf_kernel__loops(a, b, gamma):
    return np.array([[math.exp(-gamma * sum((p - q) ** 2)) for q in b] for p in a])


def rbf_kernel__binomial(a, b, gamma):
    return np.exp(-gamma * ((a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T))


def rbf_kernel__norm(a, b, gamma):
    return np.e ** (-gamma * np.linalg.norm(a[:, None] - b, axis=-1) ** 2)


def poly_kernel__loops(a, b, gamma, degree):
    return np.array([[math.pow(gamma * np.dot(p, q), degree) for q in b] for p in a])


def poly_kernel__einsum(a, b, gamma, degree):
    return gamma**degree * np.einsum("ik,jk->ij", a, b) ** degree


def poly_kernel__products(a, b, gamma, degree):
    return np.prod([gamma * np.inner(a, b)] * degree, axis=0)


def choose_svm__max(x, y, x_val, y_val, kernels, Cs, fit):
    def accuracy(pair):
        return np.mean(fit(*pair, x, y)(x_val) == y_val)

    return max(itertools.product(kernels, sorted(Cs)), key=accuracy)


def choose_svm__table(x, y, x_val, y_val, kernels, Cs, fit):
    Cs = sorted(Cs)
    table = np.array([[sum(fit(kernel, C, x, y)(x_val) == y_val) for C in Cs] for kernel in kernels])
    i, j = np.unravel_index(table.argmax(), table.shape)
    return kernels[i], Cs[j]


def choose_svm__errors(x, y, x_val, y_val, kernels, Cs, fit):
    found = []
    for place, kernel in enumerate(kernels):
        for C in Cs:
            found.append((np.count_nonzero(fit(kernel, C, x, y)(x_val) - y_val), place, C, kernel))
    return [min(found)[3], min(found)[2]]


def conv_cost__count(x, y, z, k, s, p, F):
    width, height = (len(range(-p, size + p - k + 1, s)) for size in (x, y))
    return width, height, F * k**2 * z + F, x * y * z * width * height * F + width * height * F


def conv_cost__floor(x, y, z, k, s, p, F):
    width, height = math.floor((x + 2 * p - k) / s + 1), int(np.floor((y + 2 * p - k) / s)) + 1
    return [width, height, F * (z * k * k + 1), width * height * F * (1 + x * y * z)]


def conv_cost__array(x, y, z, k, s, p, F):
    width, height = (np.array([x, y]) + 2 * p - k + s) // s
    return width, height, np.sum([k * k * z] * F) + F, (width * height * F) * (x * y * z + 1)


def receptive_field__backwards(layers):
    side, distance = 1, 1
    for k, s in reversed(layers):
        side, distance = (side - 1) * s + k, distance * s
    return side, distance


def receptive_field__products(layers):
    strides = [s for _, s in layers]
    return 1 + sum((k - 1) * math.prod(strides[:i]) for i, (k, _) in enumerate(layers)), math.prod(strides)


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


def layer_table__floats(size, z, n_y):
    return np.array(layer_table__written_out(size, z, n_y), float)


def _padded(x, padding):
    n, height, width, z = x.shape
    out = np.zeros((n, height + 2 * padding, width + 2 * padding, z))
    out[:, padding : padding + height, padding : padding + width] = x
    return out


def conv2d__windows(x, w, b, stride, padding):
    windows = np.lib.stride_tricks.sliding_window_view(_padded(x, padding), w.shape[:2], axis=(1, 2))
    return np.einsum("nijcuv,uvcf->nijf", windows[:, ::stride, ::stride], w) + b


def conv2d__over_the_kernel(x, w, b, stride, padding):
    x, k = _padded(x, padding), len(w)
    rows, columns = x.shape[1] - k + 1, x.shape[2] - k + 1
    out = sum(x[:, u : u + rows, v : v + columns] @ w[u, v] for u in range(k) for v in range(k))
    return out[:, ::stride, ::stride] + b


def conv2d__matrix(x, w, b, stride, padding):
    x, k = np.pad(x, [(0, 0), (padding,) * 2, (padding,) * 2, (0, 0)]), w.shape[0]
    rows = range(0, x.shape[1] - k + 1, stride)
    columns = range(0, x.shape[2] - k + 1, stride)
    flat = np.array([[[one[i : i + k, j : j + k].ravel() for j in columns] for i in rows] for one in x])
    return flat @ w.reshape(-1, w.shape[3]) + b


def conv2d_backward__windows(grad_out, x, w, padding):
    k = len(w)
    windows = np.lib.stride_tricks.sliding_window_view(_padded(x, padding), (k, k), axis=(1, 2))
    grad_w = np.einsum("nijcuv,nijf->uvcf", windows, grad_out)
    around = np.lib.stride_tricks.sliding_window_view(_padded(grad_out, k - 1), (k, k), axis=(1, 2))
    full = np.einsum("nijfuv,uvcf->nijc", around, w[::-1, ::-1])
    inside = slice(padding, -padding or None)
    return full[:, inside, inside], grad_w, np.einsum("nijf->f", grad_out)


def conv2d_backward__over_the_kernel(grad_out, x, w, padding):
    padded, k = _padded(x, padding), len(w)
    rows, columns = grad_out.shape[1:3]
    grad_padded, grad_w = 0 * padded, 0 * w
    for u, v in np.ndindex(k, k):
        grad_w[u, v] = np.einsum("nijc,nijf->cf", padded[:, u : u + rows, v : v + columns], grad_out)
        grad_padded[:, u : u + rows, v : v + columns] += grad_out @ w[u, v].T
    _, height, width, _ = x.shape
    return grad_padded[:, padding:, padding:][:, :height, :width], grad_w, grad_out.reshape(-1, w.shape[3]).sum(0)


def conv2d_backward__examples(grad_out, x, w, padding):
    parts = [conv2d_backward__windows(g[None], one[None], w, padding) for g, one in zip(grad_out, x, strict=True)]
    grads_x, grads_w, grads_b = zip(*parts, strict=True)
    return np.concatenate(grads_x), sum(grads_w), sum(grads_b)


def max_pool__slices(x):
    x = x[:, : x.shape[1] // 2 * 2, : x.shape[2] // 2 * 2]
    rows = np.maximum(x[:, ::2], x[:, 1::2])
    return np.maximum(rows[:, :, ::2], rows[:, :, 1::2])


def max_pool__loops(x):
    out = np.empty((len(x), x.shape[1] // 2, x.shape[2] // 2, x.shape[3]))
    for n, i, j, c in np.ndindex(out.shape):
        out[n, i, j, c] = x[n, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2, c].max()
    return out


def max_pool__sorted(x):
    windows = np.lib.stride_tricks.sliding_window_view(x, (2, 2), axis=(1, 2))[:, ::2, ::2]
    return np.sort(windows.reshape(*windows.shape[:4], 4), axis=-1)[..., -1]


def max_pool_backward__masks(grad_out, x):
    grad_x, left = np.zeros(x.shape), np.ones(grad_out.shape, bool)
    rows, columns = (2 * size for size in grad_out.shape[1:3])
    largest = max_pool__slices(x)
    for u, v in np.ndindex(2, 2):
        hit = left & (x[:, u:rows:2, v:columns:2] == largest)
        grad_x[:, u:rows:2, v:columns:2] = hit * grad_out
        left &= ~hit
    return grad_x


def max_pool_backward__loops(grad_out, x):
    grad_x = np.zeros_like(x)
    for n, i, j, c in np.ndindex(grad_out.shape):
        places = [(2 * i + u, 2 * j + v) for u in (0, 1) for v in (0, 1)]
        row, column = max(places, key=lambda place: x[n, place[0], place[1], c])
        grad_x[n, row, column, c] += grad_out[n, i, j, c]
    return grad_x


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


def dense_as_conv__loops(W, b, h, w, c):
    kernel = np.zeros((h, w, c, len(W)))
    for i, j, k in np.ndindex(h, w, c):
        kernel[i, j, k] = W[:, (i * w + j) * c + k]
    return kernel, b


def dense_as_conv__stack(W, b, h, w, c):
    return np.stack([row.reshape(h, w, c) for row in W], axis=3), np.array(b)


def normalize__flat(train, test):
    pixels = train.reshape(-1, train.shape[-1]) / 255
    return [(images / 255 - pixels.mean(0)) / pixels.std(0) for images in (train, test)]


def normalize__moments(train, test):
    floats = train.astype(float)
    mean = np.einsum("nijc->c", floats) / floats[..., 0].size
    std = np.sqrt(np.einsum("nijc->c", floats**2) / floats[..., 0].size - mean**2)
    return (train - mean) / std, (test - mean) / std


def normalize__channels(train, test):
    train, test = train.astype(np.float64), test.astype(np.float64)
    for c in range(train.shape[3]):
        mean, std = train[..., c].mean(), train[..., c].std()
        train[..., c], test[..., c] = (train[..., c] - mean) / std, (test[..., c] - mean) / std
    return train, test


def zca__diagonal(train, x, eps):
    mean = train.mean(0)
    values, U = np.linalg.eigh(np.cov(train.T, ddof=0))
    return (x - mean) @ U @ np.diag((values + eps) ** -0.5) @ U.T


def zca__svd(train, x, eps):
    centred = train - train.mean(axis=0, keepdims=True)
    U, values, _ = np.linalg.svd(centred.T @ centred / len(train))
    return np.einsum("ij,jk,k,lk->il", x - train.mean(axis=0), U, 1 / np.sqrt(values + eps), U)


def zca__loops(train, x, eps):
    mean = sum(train) / len(train)
    covariance = sum(np.outer(row - mean, row - mean) for row in train) / len(train)
    values, U = np.linalg.eigh(covariance)
    matrix = sum(np.outer(u, u) / np.sqrt(v + eps) for v, u in zip(values, U.T, strict=True))
    return np.array([matrix @ (row - mean) for row in x])


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


def crop_flip__windows(images, size, rng):
    windows = np.lib.stride_tricks.sliding_window_view(images, (size, size), axis=(1, 2)).transpose(0, 1, 2, 4, 5, 3)
    out = [one[rng.integers(len(one)), rng.integers(one.shape[1])] for one in windows]
    return np.array([one[:, :: rng.choice([1, -1])] for one in out])


def schedule__dict(kind, eta_0, r, t, t_u):
    return {"exponential": eta_0 * r**t, "step": eta_0 * r ** math.floor(t / t_u), "inverse": eta_0 / (1 + r * t)}[kind]


def schedule__loops(kind, eta_0, r, t, t_u):
    eta = eta_0
    for epoch in range(1, t + 1):
        if kind == "exponential" or (kind == "step" and epoch % t_u == 0):
            eta *= r
    return 1 / (1 / eta_0 + r * t / eta_0) if kind == "inverse" else eta


def schedule__logarithms(kind, eta_0, r, t, t_u):
    if kind == "inverse":
        return np.divide(eta_0, 1 + t * r)
    return np.exp(np.log(eta_0) + (t if kind == "exponential" else t // t_u) * np.log(r))


def momentum_step__in_two_lines(w, v, grad, eta, beta):
    v = grad + v * beta
    w = w - v * eta
    return w, v


def momentum_step__copies(w, v, grad, eta, beta):
    w, v = w.copy(), v.copy()
    v *= beta
    v += grad
    w -= eta * v
    return [w, v]


def momentum_step__terms(w, v, grad, eta, beta):
    return w - eta * beta * v - eta * grad, np.add(beta * v, grad)


def rmsprop_step__squares(w, s, grad, eta, beta, eps):
    s = s + (1 - beta) * (grad * grad - s)
    return w - eta / (s**0.5 + eps) * grad, s


def rmsprop_step__loops(w, s, grad, eta, beta, eps):
    new_w, new_s = w.copy(), s.copy()
    for i in np.ndindex(w.shape):
        new_s[i] = beta * s[i] + (1 - beta) * grad[i] ** 2
        new_w[i] -= eta * grad[i] / (math.sqrt(new_s[i]) + eps)
    return new_w, new_s


def rmsprop_step__average(w, s, grad, eta, beta, eps):
    s = np.average([s, np.square(grad)], axis=0, weights=[beta, 1 - beta])
    return np.subtract(w, np.divide(eta * grad, eps + np.sqrt(s))), s


def adam_step__step_size(w, m, s, grad, t, eta, beta1, beta2, eps):
    m, s = m + (1 - beta1) * (grad - m), s + (1 - beta2) * (grad**2 - s)
    root = math.sqrt(1 - beta2**t)
    return w - eta * root / (1 - beta1**t) * m / (np.sqrt(s) + eps * root), m, s


def adam_step__powers(w, m, s, grad, t, eta, beta1, beta2, eps):
    m = beta1 * m + grad - beta1 * grad
    s = beta2 * s + np.square(grad) * (1 - beta2)
    return w - eta * (m / (1 - math.pow(beta1, t))) * ((s / (1 - math.pow(beta2, t))) ** 0.5 + eps) ** -1, m, s


def adam_step__loops(w, m, s, grad, t, eta, beta1, beta2, eps):
    new = [w.copy(), m.copy(), s.copy()]
    for i in np.ndindex(w.shape):
        new[1][i] = beta1 * m[i] + (1 - beta1) * grad[i]
        new[2][i] = beta2 * s[i] + (1 - beta2) * grad[i] ** 2
        new[0][i] -= eta * new[1][i] / (1 - beta1**t) / (math.sqrt(new[2][i] / (1 - beta2**t)) + eps)
    return new


def dropout__binomial(x, p, training, rng):
    return x * rng.binomial(1, 1 - p, x.shape) / (1 - p) if training else x.copy()


def dropout__where(x, p, training, rng):
    if training:
        return np.where(rng.random(x.shape) < p, 0, x / (1 - p))
    return x


def dropout__loops(x, p, training, rng):
    if not training:
        return x
    return [[0.0 if rng.random() < p else entry / (1 - p) for entry in row] for row in x]


def batch_norm__standard_deviation(x, gamma, beta, mean, var, momentum, training, eps):
    if not training:
        return (x - mean) * gamma / np.sqrt(var + eps) + beta, mean, var
    mu = x.sum(axis=0) / len(x)
    std = np.std(x, axis=0)
    running = mean + (1 - momentum) * (mu - mean), var + (1 - momentum) * (std**2 - var)
    return gamma * (x - mu) * (std**2 + eps) ** -0.5 + beta, *running


def batch_norm__moments(x, gamma, beta, mean, var, momentum, training, eps):
    mu, sigma2 = (x.mean(0), (x**2).mean(0) - x.mean(0) ** 2) if training else (mean, var)
    scale = gamma / np.sqrt(sigma2 + eps)
    if training:
        mean, var = (momentum * old + (1 - momentum) * new for old, new in ((mean, mu), (var, sigma2)))
    return x * scale + (beta - mu * scale), mean, var


def batch_norm__features(x, gamma, beta, mean, var, momentum, training, eps):
    y, mean, var = np.zeros(x.shape), mean.copy(), var.copy()
    for i, column in enumerate(x.T):
        mu, sigma2 = (column.mean(), column.var()) if training else (mean[i], var[i])
        y[:, i] = gamma[i] * (column - mu) / math.sqrt(sigma2 + eps) + beta[i]
        mean[i] = momentum * mean[i] + (1 - momentum) * mu
        var[i] = momentum * var[i] + (1 - momentum) * sigma2
    return y, mean, var


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
    """At least five right functions for an exercise."""
    own = [function for name, function in globals().items() if name.partition("__")[0] == exercise.name]
    return [in_float32(exercise.solution), as_lists(exercise.solution), in_floats(exercise.solution), *own]


# What a file may make of the function `inner`, under its name again.
STYLES = {
    "helper": "def {name}({args}):\n    return {inner}({args})\n",
    "keywords": "def {name}({args}):\n    return {inner}({keywords})\n",
    "annotated": "def {name}({annotated}) -> object:\n    result: object = {inner}({args})\n    return result\n",
    "nested": "def {name}({args}):\n    def compute():\n        return {inner}({args})\n\n    return compute()\n",
    "lambda": "{name} = lambda {args}: {inner}({args})\n",
    "default": "def {name}({args}, verbose=False):\n    return {inner}({args})\n",
    "star": "def {name}(*given, **options):\n    return {inner}(*given, **options)\n",
    "partial": "import functools\n{name} = functools.partial({inner})\n",
    "method": "class A:\n    def run(self, {args}):\n        return {inner}({args})\n\n{name} = A().run\n",
    "callable": "class B:\n    def __call__(self, {args}):\n        return {inner}({args})\n\n{name} = B()\n",
    "try": "def {name}({args}):\n    try:\n        return {inner}({args})\n    finally:\n        print(end='')\n",
}


class _Renamed(ast.NodeTransformer):
    """Other names for NumPy and for all variables."""

    def visit_Name(self, node):
        names = {"np": "numpy"} | {name: f"my_{name}" for name in self.variables}
        return ast.Name(names.get(node.id, node.id), node.ctx)

    def visit_FunctionDef(self, node):
        self.variables = {item.arg for item in node.args.args}
        stored = [item for item in ast.walk(node) if isinstance(item, ast.Name) and isinstance(item.ctx, ast.Store)]
        self.variables |= {item.id for item in stored}
        for item in node.args.args:
            item.arg = f"my_{item.arg}"
        return self.generic_visit(node)


def styled(exercise, styles, renamed=False):
    """The text of a file with our solution, wrapped in these styles, one around the other."""
    text = "import numpy\nimport numpy as np\n" + exercise.source
    names = [f"my_{name}" if renamed else name for name in exercise.parameters]
    if renamed:
        text = ast.unparse(_Renamed().visit(ast.parse(text)))
    for number, style in enumerate(styles):
        forms = {"args": ", ".join(names), "keywords": ", ".join(f"{name}={name}" for name in names)}
        annotated = ", ".join(f"{name}: object" for name in names)
        inner = f"inner_{number}"
        text += f"\n{inner} = {exercise.name}\n"
        text += STYLES[style].format(name=exercise.name, inner=inner, annotated=annotated, **forms)
    return text


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
