"""Parts 3 and 4: convolution and pooling, in NumPy.

Images are (N, H, W, C): N examples of H rows, W columns and C channels, such as red, green and blue. A kernel is
(k, k, C, F): F filters of k rows, k columns and C channels. A convolution moves each filter over the image; at each
place it multiplies the window under the filter by the filter, entry by entry, and sums. The stride s is the number of
pixels from one window to the next, the padding p the number of zeros put on each side of the image first. As everywhere
in deep learning, the kernel is not flipped.
"""

import numpy as np

from rdfia_keras.learn.exercise import CustomLossCase, core, differences, edge, exercise

# --- sizes and counts -------------------------------------------------------------------------------------------------


@exercise(
    "1, 8",
    hints=(
        "The first window begins at -p, the last at x + p - k at most, and they are s apart: "
        "floor((x + 2p - k) / s) + 1 windows. A filter has k · k · z weights and a bias. A fully-connected layer has a "
        "weight for each pair of an input and an output, and a bias for each output.",
        "The input has x · y · z values, the output width · height · F.",
    ),
    returns="width, height, conv_parameters, dense_parameters",
)
def conv_cost(x, y, z, k, s, p, F):
    """Questions 1 and 8: output size and parameters of a convolution, compared with a fully-connected layer.

        width = ⌊(x - k + 2p) / s⌋ + 1        height likewise, with y in place of x

    Count weights and biases. The convolution has one bias for each filter. The fully-connected layer has as many inputs
    and outputs as the convolution, one weight for each pair of an input and an output, and one bias for each output.
    (The homework's report counts two weights for each pair, z outputs at each place instead of F, and no biases.)

    Args:
        x: Width of the input.
        y: Height of the input.
        z: Channels of the input.
        k: Height and width of the filters.
        s: Stride.
        p: Padding: the number of zeros on each of the four sides.
        F: Number of filters, which are the channels of the output.

    Returns:
        width and height of the output, number of parameters of the convolution, and of the fully-connected layer.

    Example:
        >>> conv_cost(2, 2, 1, 2, 2, 1, 3)
        [2, 2, 15, 60]

    Allowed: plain Python.
    """
    width = (x - k + 2 * p) // s + 1
    height = (y - k + 2 * p) // s + 1
    conv_parameters = F * (k * k * z + 1)
    dense_parameters = (x * y * z + 1) * (width * height * F)
    return width, height, conv_parameters, dense_parameters


@conv_cost.inputs
def _(rng):
    yield core("a first layer on colour images", 32, 30, 3, 5, 1, 2, 16)
    yield core("a stride that does not divide", 12, 10, 4, 3, 2, 1, 5)
    yield core("no padding, a stride of 3", *(int(n) for n in rng.integers(20, 30, 2)), 2, 4, 3, 0, 6)
    yield edge("more padding than kernel", 8, 7, 2, 2, 3, 2, 3)
    yield edge("a window that covers the input once", 4, 4, 3, 4, 1, 0, 2)


conv_cost.mistake(
    "You round up. A window that does not fit completely is left out: round down.",
    {"(x - k + 2 * p) // s": "-((k - x - 2 * p) // s)", "(y - k + 2 * p) // s": "-((k - y - 2 * p) // s)"},
)
conv_cost.mistake(
    "You add the padding once. It is on both sides: add 2p.",
    {"(x - k + 2 * p)": "(x - k + p)", "(y - k + 2 * p)": "(y - k + p)"},
)
conv_cost.mistake(
    "The + 1 is missing: count the first window, too.",
    {"(x - k + 2 * p) // s + 1": "(x - k + 2 * p) // s", "(y - k + 2 * p) // s + 1": "(y - k + 2 * p) // s"},
)
conv_cost.mistake("Your filters have one channel; a filter has all z channels of its input.", {"k * k * z": "k * k"})
conv_cost.mistake(
    "You count a bias for each place; a filter has one bias, shared by all places.",
    {"F * (k * k * z + 1)": "F * (k * k * z + width * height)"},
)
conv_cost.mistake("The biases of the filters are missing: one for each filter.", {"(k * k * z + 1)": "(k * k * z)"})
conv_cost.mistake(
    "The biases of the fully-connected layer are missing: one for each output.", {"(x * y * z + 1)": "(x * y * z)"}
)
conv_cost.mistake(
    "You count the fully-connected layer as the report does: two weights for each pair, z outputs at each place, no "
    "biases. Count one weight, F outputs, and the biases.",
    {"(x * y * z + 1) * (width * height * F)": "2 * (x * y * z) * (width * height * z)"},
)
conv_cost.mistake(
    "Your fully-connected layer has one output for each place; the convolution has F at each place.",
    {"(width * height * F)": "(width * height)"},
)


@exercise(
    "7",
    hints=(
        "A layer looks at k outputs of the layer below. They lie `distance` pixels apart, so the field grows by "
        "(k - 1) · distance. Afterwards its own outputs lie s times as far apart.",
        "There are no arrays: side and distance are integers, and both start at 1, since a pixel sees only itself.",
    ),
    returns="side, distance",
)
def receptive_field(layers):
    """Question 7: the receptive field, the pixels of the image that an output of the last layer depends on.

        side ← side + (k - 1) · distance        distance ← distance · s        layer by layer, from side = distance = 1

    Args:
        layers: A list of (k, s), kernel size and stride, from the first layer to the last.

    Returns:
        side, the number of pixels of the field in one direction, and distance, the number of pixels from the field of
        one output to that of the next.

    Example:
        >>> receptive_field([(2, 2), (2, 2)])
        [4, 4]

    Allowed: plain Python.
    """
    side, distance = 1, 1
    for k, s in layers:
        side += (k - 1) * distance
        distance *= s
    return side, distance


@receptive_field.inputs
def _(rng):
    yield core("two convolutions of 3", [(3, 1), (3, 1)])
    yield core("the homework's network", [(5, 1), (2, 2), (5, 1), (2, 2), (5, 1), (2, 2)])
    yield core("drawn layers", [(int(k), int(s)) for k, s in rng.integers([3, 2], [8, 4], (4, 2))])
    yield edge("no layer", [])
    yield edge("one layer of stride 4", [(11, 4)])


receptive_field.mistake(
    "You add k - 1 pixels. Add (k - 1) · distance: the outputs of the layer below are `distance` pixels apart.",
    {"(k - 1) * distance": "k - 1"},
)
receptive_field.mistake(
    "You multiply distance by s too early. The stride spaces a layer's outputs, not its inputs: update side first.",
    {"side += (k - 1) * distance\n        distance *= s": "distance *= s\n        side += (k - 1) * distance"},
)
receptive_field.mistake(
    "You multiply the side by k; add (k - 1) · distance.", {"side += (k - 1) * distance": "side *= k"}
)
receptive_field.mistake("You add the strides; multiply them.", {"distance *= s": "distance += s"})
receptive_field.mistake(
    "You add k steps; between k outputs there are k - 1 steps.", {"(k - 1) * distance": "k * distance"}
)
receptive_field.mistake("You return the area of the field; return its side.", {"return side,": "return side**2,"})
receptive_field.mistake(
    "You leave out the strides: multiply distance by s after each layer.", {"distance *= s": "pass"}
)


@exercise(
    "10, 11",
    hints=(
        "A filter of 5 x 5 on z channels has 25 z weights and a bias. The convolutions keep the size, pooling "
        "halves it, and a layer has as many input channels as the layer before has filters.",
        "Rows conv1, pool1, conv2, pool2, conv3, pool3, fc4, fc5, each [side, channels, parameters]. The inputs of fc4 "
        "are all side · side · 64 values of pool3.",
    ),
)
def layer_table(size, z, n_y):
    """Questions 10 and 11: output size and parameters of every layer of the homework's network.

    conv1, conv2 and conv3 have 32, 64 and 64 filters of 5 x 5, padding 2 and stride 1. After each comes a max pooling
    (pool1, pool2, pool3), which keeps the largest value of each 2 x 2 window and halves the size. fc4 and fc5 are
    fully-connected, with 1000 and n_y outputs. Parameters are weights and biases.

    Args:
        size: Height and width of the image, a multiple of 8.
        z: Channels of the image.
        n_y: Number of classes.

    Returns:
        (8, 3): a row [side, channels, parameters] for each of conv1, pool1, conv2, pool2, conv3, pool3, fc4, fc5. side
        is the height and width of the output. The outputs of a fully-connected layer count as channels, with side 1.

    Example:
        >>> layer_table(8, 1, 2)[:2]
        [[8, 32, 832], [4, 32, 0]]

        The last column of layer_table(32, 3, 10) sums to 1,191,170.

    Allowed: plain Python.
    """
    rows = []
    for filters in (32, 64, 64):
        rows.append([size, filters, filters * (5 * 5 * z + 1)])
        size, z = size // 2, filters
        rows.append([size, filters, 0])
    rows.append([1, 1000, 1000 * (size * size * z + 1)])
    rows.append([1, n_y, n_y * (1000 + 1)])
    return rows


@layer_table.inputs
def _(rng):
    yield core("CIFAR-10", 32, 3, 10)
    yield core("other images", 8 * int(rng.integers(5, 9)), int(rng.integers(4, 7)), int(rng.integers(11, 40)))
    yield edge("the smallest image", 8, 1, 2)


layer_table.mistake(
    "The biases are missing: one for each filter and each output of fc4 and fc5.",
    {"(5 * 5 * z + 1)": "(5 * 5 * z)", "(size * size * z + 1)": "(size * size * z)", "(1000 + 1)": "1000"},
)
layer_table.mistake(
    "Your convolutions shrink the image by 4 rows and columns; a padding of 2 keeps the size (question 8).",
    {"rows.append([size, filters, filters": "size -= 4\n        rows.append([size, filters, filters"},
)
layer_table.mistake(
    "Your fc4 has 64 inputs; it has all side · side · 64 values of pool3.",
    {"size * size * z + 1": "z + 1"},
)
layer_table.mistake(
    "You count parameters for the poolings; they have none.", {"[size, filters, 0]": "[size, filters, 2 * 2 * filters]"}
)
layer_table.mistake("You count filters of 3 x 3; they are 5 x 5.", {"5 * 5 * z": "3 * 3 * z"})
layer_table.mistake(
    "All your convolutions have z input channels, as the image has. conv2 has the 32 of conv1, conv3 the 64 of conv2.",
    {"size, z = size // 2, filters": "size = size // 2", "size * size * z": "size * size * filters"},
)
layer_table.mistake("Your filters have one channel; a filter has all channels of its input.", {"5 * 5 * z": "5 * 5"})


# --- convolution ------------------------------------------------------------------------------------------------------


@exercise(
    "1",
    hints=(
        "Pad x with np.pad. Then out[n, i, j, f] = b[f] + Σ of the window at (i · stride, j · stride) times filter f, "
        "over rows, columns and channels: np.tensordot(window, w, axes=3) is that sum for all examples and filters.",
        "x (N, H, W, C); padded (N, H + 2 padding, W + 2 padding, C); a window (N, k, k, C); np.tensordot of it and w "
        "(k, k, C, F) is (N, F), which is out[:, i, j] without the bias.",
    ),
)
def conv2d(x, w, b, stride, padding):
    """Question 1: a convolution layer.

        out[n, i, j, f] = b[f] + Σ_{u, v, c} x[n, i · stride + u, j · stride + v, c] · w[u, v, c, f]

    x in the formula is padded with zeros already. The kernel is not flipped.

    Args:
        x: (N, H, W, C), before padding.
        w: (k, k, C, F), the kernel.
        b: (F,), a bias for each filter.
        stride: Rows and columns from one window to the next.
        padding: Number of zeros on each of the four sides.

    Returns:
        out, (N, H', W', F), with H' = ⌊(H - k + 2 padding) / stride⌋ + 1 and W' likewise.

    Example:
        >>> x = np.array([[1.0, 2.0], [3.0, 4.0]]).reshape(1, 2, 2, 1)
        >>> w = np.array([[1.0, 0.0], [0.0, 10.0]]).reshape(2, 2, 1, 1)
        >>> conv2d(x, w, np.array([0.5]), 1, 0)
        [[[[41.5]]]]

    Allowed: NumPy. Not scipy.signal, and no library with a convolution.
    """
    k = len(w)
    padded = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    rows = (padded.shape[1] - k) // stride + 1
    columns = (padded.shape[2] - k) // stride + 1
    out = np.zeros((len(x), rows, columns, w.shape[3]))
    for i in range(rows):
        for j in range(columns):
            window = padded[:, i * stride : i * stride + k, j * stride : j * stride + k]
            out[:, i, j] = np.tensordot(window, w, axes=3) + b
    return out


@conv2d.inputs
def _(rng):
    for make, label, (n, height, width, z, k, filters), stride, padding in (
        (core, "all sizes different", (2, 5, 6, 3, 2, 4), 1, 1),
        (core, "stride 2", (2, 7, 6, 2, 3, 3), 2, 1),
        (core, "all sizes 3", (3, 3, 3, 3, 3, 3), 1, 1),
        (edge, "one example, one channel, no padding", (1, 4, 4, 1, 3, 1), 1, 0),
        (edge, "a stride that leaves out the last column", (1, 4, 5, 2, 2, 2), 2, 0),
    ):
        x, w, b = rng.normal(size=(n, height, width, z)), rng.normal(size=(k, k, z, filters)), rng.normal(size=filters)
        yield make(label, x, w, b, stride, padding)


conv2d.mistake(
    "You flip the kernel, as mathematics defines a convolution. In deep learning it is not flipped.",
    {"np.tensordot(window, w, axes=3)": "np.tensordot(window, w[::-1, ::-1], axes=3)"},
)
conv2d.mistake(
    "Your windows move by one pixel, whatever the stride. Window (i, j) begins at (i · stride, j · stride).",
    {"i * stride : i * stride + k, j * stride : j * stride + k": "i : i + k, j : j + k"},
)
conv2d.mistake(
    "You read only the first channel; sum over all channels.",
    {"np.tensordot(window, w, axes=3)": "np.tensordot(window[..., :1], w[:, :, :1], axes=3)"},
)
conv2d.mistake(
    "You exchange rows and columns of the kernel: w[u, v] belongs to row u and column v of the window.",
    {"np.tensordot(window, w, axes=3)": "np.tensordot(window, w.transpose(1, 0, 2, 3), axes=3)"},
)
conv2d.mistake(
    "You pad with the pixels at the border; pad with zeros.",
    {"(padding, padding), (0, 0)))": '(padding, padding), (0, 0)), mode="edge")'},
)
conv2d.mistake("The bias is missing: add b, one number for each filter.", {" + b": ""})
conv2d.mistake(
    "You pad only at the top and on the left; pad on all four sides.",
    {"(padding, padding), (padding, padding)": "(padding, 0), (padding, 0)"},
)
conv2d.mistake(
    "You do not pad x: put `padding` zeros on each of the four sides.",
    {"(padding, padding), (padding, padding)": "(0, 0), (0, 0)"},
)
conv2d.mistake(
    "You apply a ReLU, which is a separate layer; leave it out.", {"return out": "return np.maximum(out, 0)"}
)


@exercise(
    "1, T13",
    hints=(
        "For each place (i, j): add grad_out times the window to grad_w, and grad_out times w to the window of grad_x. "
        "Windows overlap and all places share the weights, so add (+=). grad_b sums grad_out over examples and places.",
        "At place (i, j), grad_out[:, i, j] is (N, F), the window of the padded x (N, k, k, C). Their product, summed "
        "over N, is (k, k, C, F), for grad_w. grad_out[:, i, j] times w, summed over F, is (N, k, k, C), for grad_x. "
        "Finally cut the padding off grad_x: (N, H, W, C).",
    ),
    returns="grad_x, grad_w, grad_b",
)
def conv2d_backward(grad_out, x, w, padding):
    """Questions 1 and T13: the gradients of a convolution layer of stride 1.

        grad_w[u, v, c, f]     = Σ_{n, i, j} grad_out[n, i, j, f] · x[n, i + u, j + v, c]
        grad_x[n, row, col, c] = Σ grad_out[n, i, j, f] · w[u, v, c, f]        over f and all i + u = row, j + v = col
        grad_b[f]              = Σ_{n, i, j} grad_out[n, i, j, f]

    x and grad_x in the formulas are padded; return grad_x without the padding.

    Args:
        grad_out: (N, H', W', F), the gradient with respect to the output of conv2d, divided by N already.
        x: (N, H, W, C), before padding.
        w: (k, k, C, F), the kernel.
        padding: Number of zeros on each of the four sides.

    Returns:
        grad_x (N, H, W, C), grad_w (k, k, C, F) and grad_b (F,).

    Example:
        >>> x = np.array([[1.0, 2.0], [3.0, 4.0]]).reshape(1, 2, 2, 1)
        >>> w = np.array([[1.0, 0.0], [0.0, 10.0]]).reshape(2, 2, 1, 1)
        >>> conv2d_backward(np.array(2.0).reshape(1, 1, 1, 1), x, w, 0)[1][:, :, 0, 0]  # grad_w
        [[2.0, 4.0], [6.0, 8.0]]

    Allowed: NumPy.
    """
    k = len(w)
    padded = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    grad_padded, grad_w = np.zeros(padded.shape), np.zeros(w.shape)
    for i in range(grad_out.shape[1]):
        for j in range(grad_out.shape[2]):
            grad = grad_out[:, i, j]
            grad_w += np.tensordot(padded[:, i : i + k, j : j + k], grad, axes=(0, 0))
            grad_padded[:, i : i + k, j : j + k] += np.tensordot(grad, w, axes=(1, 3))
    grad_x = grad_padded[:, padding : padding + x.shape[1], padding : padding + x.shape[2]]
    grad_b = grad_out.sum(axis=(0, 1, 2))
    return grad_x, grad_w, grad_b


@conv2d_backward.inputs
def _(rng):
    for make, label, (n, height, width, z, k, filters), padding in (
        (core, "all sizes different", (2, 4, 5, 3, 2, 4), 1),
        (core, "all sizes 3", (3, 3, 3, 3, 3, 3), 1),
        (core, "no padding", (2, 4, 3, 1, 2, 2), 0),
        (edge, "one example, one output", (1, 3, 3, 2, 3, 1), 0),
    ):
        out = n, height + 2 * padding - k + 1, width + 2 * padding - k + 1, filters
        x, w = rng.normal(size=(n, height, width, z)), rng.normal(size=(k, k, z, filters))
        yield make(label, rng.normal(size=out), x, w, padding)


def _through_conv2d(conv2d, grad_out, x, w, padding):
    zero = np.zeros(w.shape[3])

    def loss(x, w, b):
        return (grad_out * conv2d(x, w, b, 1, padding)).sum()

    return (
        differences(lambda moved: loss(moved, w, zero), x),
        differences(lambda moved: loss(x, moved, zero), w),
        differences(lambda moved: loss(x, w, moved), zero),
    )


conv2d_backward.custom_loss = CustomLossCase("conv2d", _through_conv2d)
conv2d_backward.mistake(
    "Where windows overlap, the last one overwrites the others in your grad_x: add (+=) instead of assigning.",
    {"j : j + k] += ": "j : j + k] = "},
)
conv2d_backward.mistake(
    "Your grad_w keeps only the last place. All places use the same weights: add their gradients (+=).",
    {"grad_w += ": "grad_w[:] = "},
)
conv2d_backward.mistake(
    "You flip the kernel for grad_x. Pixel (i + u, j + v) was multiplied by w[u, v]: use w as it is.",
    {"np.tensordot(grad, w, axes=(1, 3))": "np.tensordot(grad, w[::-1, ::-1], axes=(1, 3))"},
)
conv2d_backward.mistake(
    "Your grad_b still has a value for each place. A filter has one bias for all places: sum over them too.",
    {"axis=(0, 1, 2)": "axis=0"},
)
conv2d_backward.mistake(
    "Your grad_b is a mean; sum over the examples and places.", {"grad_out.sum(axis=": "grad_out.mean(axis="}
)
conv2d_backward.mistake(
    "You divide grad_w by N again; grad_out is divided by N already.",
    {"return grad_x, grad_w, grad_b": "return grad_x, grad_w / len(x), grad_b"},
)
conv2d_backward.mistake(
    "Your grad_x still has the padding around it: cut it off.",
    {"grad_padded[:, padding : padding + x.shape[1], padding : padding + x.shape[2]]": "grad_padded"},
)
conv2d_backward.mistake(
    "You cut rows and columns off at the end only. Pixel (0, 0) of x is at (padding, padding) of the padded array.",
    {"[:, padding : padding + x.shape[1], padding : padding + x.shape[2]]": "[:, : x.shape[1], : x.shape[2]]"},
)


# --- pooling ----------------------------------------------------------------------------------------------------------


@exercise(
    "3, 9",
    hints=(
        "Take the largest entry of each 2 x 2 window, for each channel separately. Windows do not overlap, and an odd "
        "last row or column is left out.",
        "With rows = H // 2 and columns = W // 2: cut x to (N, 2 rows, 2 columns, C) and reshape it to "
        "(N, rows, 2, columns, 2, C). Axes 2 and 4 are the window; the maximum over both is (N, rows, columns, C).",
    ),
)
def max_pool(x):
    """Questions 3 and 9: max pooling of 2 x 2 with stride 2.

        out[n, i, j, c] = max of x[n, 2i, 2j, c], x[n, 2i, 2j + 1, c], x[n, 2i + 1, 2j, c], x[n, 2i + 1, 2j + 1, c]

    Args:
        x: (N, H, W, C).

    Returns:
        out, (N, ⌊H / 2⌋, ⌊W / 2⌋, C). An odd last row or column is left out.

    Example:
        >>> max_pool(np.array([[1.0, 2.0], [4.0, 3.0]]).reshape(1, 2, 2, 1))
        [[[[4.0]]]]

    Allowed: NumPy.
    """
    rows, columns = x.shape[1] // 2, x.shape[2] // 2
    windows = x[:, : 2 * rows, : 2 * columns].reshape(len(x), rows, 2, columns, 2, x.shape[3])
    return windows.max(axis=(2, 4))


@max_pool.inputs
def _(rng):
    yield core("all sizes different", rng.normal(size=(3, 8, 6, 2)))
    yield core("all sizes 4", rng.normal(size=(4, 4, 4, 4)))
    yield edge("an odd last row and column", rng.normal(size=(2, 7, 9, 3)))
    yield edge("all entries negative", -1 - rng.random((1, 4, 4, 1)))


max_pool.mistake("You take the mean of the window; take its largest entry.", {"windows.max": "windows.mean"})
max_pool.mistake("You take the smallest entry; take the largest.", {"windows.max": "windows.min"})
max_pool.mistake(
    "Your windows move by one pixel; with stride 2 they move by two and do not overlap.",
    {"windows.max(axis=(2, 4))": "np.lib.stride_tricks.sliding_window_view(x, (2, 2), (1, 2)).max(axis=(4, 5))"},
)
max_pool.mistake(
    "You keep an odd last row and column; leave out windows that are not complete.",
    {
        "rows, columns = x.shape[1] // 2, x.shape[2] // 2": "x = np.pad(x, ((0, 0), (0, x.shape[1] % 2), "
        "(0, x.shape[2] % 2), (0, 0)), constant_values=-np.inf)\n    rows, columns = x.shape[1] // 2, x.shape[2] // 2"
    },
)
max_pool.mistake(
    "Your windows combine pixels that are far apart. In the reshape, split H into (rows, 2), not into (2, rows).",
    {"rows, 2, columns, 2, x.shape[3])": "2, rows, 2, columns, x.shape[3])", "axis=(2, 4)": "axis=(1, 3)"},
)
max_pool.mistake(
    "You take the maximum over the channels too; pool each channel separately.",
    {"windows.max(axis=(2, 4))": "windows.max(axis=(2, 4, 5))"},
)
max_pool.mistake(
    "You take every second pixel; take the largest of each window.",
    {"windows.max(axis=(2, 4))": "windows[:, :, 0, :, 0]"},
)
max_pool.mistake(
    "Your maximum includes a 0, so negative entries become 0. Use the entries of the window only.",
    {"windows.max(axis=(2, 4))": "windows.max(axis=(2, 4), initial=0)"},
)


@exercise(
    "3, 9, T13",
    hints=(
        "The output is the largest entry of the window, so only that entry gets the gradient: ∂out/∂x is 1 there and 0 "
        "elsewhere. Among equal entries take the first, row by row, as np.argmax does.",
        "grad_out (N, ⌊H / 2⌋, ⌊W / 2⌋, C): each of its entries goes to one of four places of grad_x (N, H, W, C). "
        "The argmax of a 2 x 2 window is 0 or 1 in the first row, 2 or 3 in the second.",
    ),
)
def max_pool_backward(grad_out, x):
    """Questions 3, 9 and T13: the gradient of max pooling of 2 x 2 with stride 2.

    The gradient of an output goes to the largest entry of its window, among equal entries to the first, row by row. All
    other entries get 0.

    Args:
        grad_out: (N, ⌊H / 2⌋, ⌊W / 2⌋, C), the gradient with respect to the output of max_pool.
        x: (N, H, W, C), the input of max_pool.

    Returns:
        grad_x, (N, H, W, C).

    Example:
        >>> x = np.array([[1.0, 2.0], [4.0, 3.0]]).reshape(1, 2, 2, 1)
        >>> max_pool_backward(np.array(5.0).reshape(1, 1, 1, 1), x)[0, :, :, 0]
        [[0.0, 0.0], [5.0, 0.0]]

    Allowed: NumPy.
    """
    grad_x = np.zeros(x.shape)
    for n, i, j, c in np.ndindex(grad_out.shape):
        window = x[n, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2, c]
        row, column = divmod(window.argmax(), 2)
        grad_x[n, 2 * i + row, 2 * j + column, c] = grad_out[n, i, j, c]
    return grad_x


@max_pool_backward.inputs
def _(rng):
    yield core("all sizes different", rng.normal(size=(2, 3, 4, 5)), rng.normal(size=(2, 6, 8, 5)))
    yield core("all sizes 4", rng.normal(size=(4, 2, 2, 4)), rng.normal(size=(4, 4, 4, 4)))
    yield edge("an odd last row and column", rng.normal(size=(1, 2, 1, 2)), rng.normal(size=(1, 5, 3, 2)))
    ties = np.array([[1.0, 1, 0, 2], [1, 0, 2, 2], [3, 3, 0, 0], [3, 3, 0, 0]]).reshape(1, 4, 4, 1)
    yield edge("equal entries", rng.normal(size=(1, 2, 2, 1)), ties)


def _through_max_pool(max_pool, grad_out, x):
    return differences(lambda moved: (grad_out * max_pool(moved)).sum(), x)


_ASSIGN = "grad_x[n, 2 * i + row, 2 * j + column, c] = grad_out[n, i, j, c]"
_BLOCK = "grad_x[n, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2, c]"
max_pool_backward.custom_loss = CustomLossCase("max_pool", _through_max_pool)
max_pool_backward.mistake(
    "You spread the gradient over all four entries, as for average pooling. Give it to the largest entry only.",
    {_ASSIGN: f"{_BLOCK} = grad_out[n, i, j, c] / 4"},
)
max_pool_backward.mistake(
    "You give the gradient to all equal entries; give it to the first only.",
    {_ASSIGN: f"{_BLOCK} = grad_out[n, i, j, c] * (window == window.max())"},
)
max_pool_backward.mistake(
    "Among equal entries you give the gradient to the last; give it to the first.",
    {"divmod(window.argmax(), 2)": "divmod(3 - window[::-1, ::-1].argmax(), 2)"},
)
max_pool_backward.mistake(
    "You put 1 at the largest entry; put the gradient of the output there.", {"= grad_out[n, i, j, c]": "= 1"}
)
max_pool_backward.mistake(
    "You put the value of the largest entry in grad_x; put the gradient of the output there.",
    {"= grad_out[n, i, j, c]": "= window.max()"},
)
max_pool_backward.mistake(
    "You give the gradient to all four entries; give it to the largest only.",
    {_ASSIGN: f"{_BLOCK} = grad_out[n, i, j, c]"},
)


@exercise(
    "5",
    hints=(
        "Row i of W has the weights of unit i, in the order of the flattened map. Filter i has the same weights: "
        "kernel[:, :, :, i] is row i reshaped to (h, w, c).",
        "W (n, h · w · c); W.T (h · w · c, n); reshaped (h, w, c, n). b (n,) stays as it is.",
    ),
    returns="kernel, bias",
)
def dense_as_conv(W, b, h, w, c):
    """Question 5: the convolution that computes the same as a fully-connected layer on maps x of shape (h, w, c).

        Σ_{i, j, k} x[i, j, k] · kernel[i, j, k, unit] = (W x.reshape(-1))[unit]

    Args:
        W: (n, h · w · c), the weights of a unit in each row. The map is flattened as NumPy and Keras do it, by
            x.reshape(-1): the channel changes fastest, then the column, then the row.
        b: (n,), the biases of the units.
        h: Rows of the map.
        w: Columns of the map.
        c: Channels of the map.

    Returns:
        kernel (h, w, c, n), a filter for each unit, and bias (n,).

    Example:
        >>> dense_as_conv(np.array([[1, 2, 3, 4], [5, 6, 7, 8]]), np.array([9, 10]), 2, 2, 1)[0][:, :, 0, 1]  # filter 1
        [[5, 6], [7, 8]]

    Allowed: NumPy.
    """
    kernel = W.T.reshape(h, w, c, len(W))
    return kernel, b


@dense_as_conv.inputs
def _(rng):
    for make, label, (n, h, w, c) in (
        (core, "all sizes different", (5, 2, 3, 4)),
        (core, "all sizes 3", (3, 3, 3, 3)),
        (edge, "one unit", (1, 2, 3, 2)),
    ):
        yield make(label, rng.normal(size=(n, h * w * c)), rng.normal(size=n), h, w, c)


dense_as_conv.mistake(
    "You do not transpose W. Units are its rows, but filters are the last axis: transpose W before the reshape.",
    {"W.T.reshape": "W.reshape"},
)
dense_as_conv.mistake(
    "You use PyTorch's order (channel, row, column); here it is (row, column, channel).",
    {"W.T.reshape(h, w, c, len(W))": "W.reshape(len(W), c, h, w).transpose(2, 3, 1, 0)"},
)
dense_as_conv.mistake(
    "You flip the kernel; in deep learning a convolution does not flip it.",
    {"len(W))": "len(W))[::-1, ::-1]"},
)
dense_as_conv.mistake(
    "You exchange rows and columns: reshape to (h, w, c), not to (w, h, c).",
    {"W.T.reshape(h, w, c, len(W))": "W.T.reshape(w, h, c, len(W)).transpose(1, 0, 2, 3)"},
)
dense_as_conv.mistake(
    "Your filters are the first axis, as in PyTorch; make them the last: (h, w, c, n).",
    {"W.T.reshape(h, w, c, len(W))": "W.reshape(len(W), h, w, c)"},
)
dense_as_conv.mistake(
    "You return zeros as the bias; each filter has the bias of its unit.", {"return kernel, b": "return kernel, 0 * b"}
)
