"""Parts 3 and 4: convolution and pooling, in NumPy.

Images are (N, H, W, C): example, row, column, channel. Kernels are (k, k, C, F): F filters, each of k x k places and C
channels. A convolution is what deep learning calls so: the kernel is not flipped.
"""

import numpy as np

from rdfia_keras.learn.exercise import OwnLoss, core, differences, edge, exercise

# --- sizes and counts -------------------------------------------------------------------------------------------------


@exercise(
    "1, 8",
    hints=(
        "The first window begins at -p, the last at most at x + p - k, and they are s apart: "
        "floor((x + 2p - k) / s) + 1 windows. A filter has k · k · z weights. A dense layer has a weight for "
        "each pair of an input and an output.",
        "x, y, z is the input, width, height, F the output: x · y · z values in, width · height · F values out.",
    ),
    returns="width, height, conv_parameters, dense_parameters",
)
def conv_cost(x, y, z, k, s, p, F):
    """Questions 1 and 8: output size and parameters of a convolution, against a fully-connected layer.

        width = ⌊(x - k + 2p) / s⌋ + 1        and height alike, with y

    Parameters are weights and biases: one bias for a filter, one for an output of the fully-connected layer, which has
    as many inputs and outputs as the convolution and one weight for each pair of them. (The report counts two weights
    for a pair, and z outputs at a place.)

    Args:
        x, y, z: Width, height and channels of the input.
        k: Side of the filters.
        s: Stride.
        p: Padding: so many zeros on each of the four sides.
        F: Number of filters.

    Returns:
        width and height of the output, parameters of the convolution, and of the fully-connected layer.

    Example:
        >>> conv_cost(2, 2, 1, 2, 1, 0, 3)
        [1, 1, 15, 15]

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
    "You round up: a window that does not fit whole is left out, so round down.",
    {"(x - k + 2 * p) // s": "-((k - x - 2 * p) // s)", "(y - k + 2 * p) // s": "-((k - y - 2 * p) // s)"},
)
conv_cost.mistake(
    "The padding counts once; it lies on both sides, so it is 2p.",
    {"(x - k + 2 * p)": "(x - k + p)", "(y - k + 2 * p)": "(y - k + p)"},
)
conv_cost.mistake(
    "The + 1 is missing: there is a window at the start too, before any step.",
    {"(x - k + 2 * p) // s + 1": "(x - k + 2 * p) // s", "(y - k + 2 * p) // s + 1": "(y - k + 2 * p) // s"},
)
conv_cost.mistake("Your filters have one channel; a filter reads all z channels of its input.", {"k * k * z": "k * k"})
conv_cost.mistake(
    "You count a bias for each place; a filter has one, which all places share.",
    {"F * (k * k * z + 1)": "F * (k * k * z + width * height)"},
)
conv_cost.mistake("The biases of the filters are missing, one each.", {"(k * k * z + 1)": "(k * k * z)"})
conv_cost.mistake(
    "The biases of the fully-connected layer are missing, one for each output.", {"(x * y * z + 1)": "(x * y * z)"}
)
conv_cost.mistake(
    "A connection has one weight, not two. The report counts two, and z outputs at a place.",
    {"(x * y * z + 1) * (width * height * F)": "2 * (x * y * z) * (width * height * z)"},
)
conv_cost.mistake(
    "Your fully-connected layer has one output for each place; the convolution has F there.",
    {"(width * height * F)": "(width * height)"},
)


@exercise(
    "7",
    hints=(
        "A layer looks at k outputs of the layer below. They lie `distance` pixels apart, so the field grows by "
        "(k - 1) · distance. Afterwards its own outputs lie s times as far apart.",
        "Start with side = 1 and distance = 1: a pixel sees itself. Both are whole numbers.",
    ),
    returns="side, distance",
)
def receptive_field(layers):
    """Question 7: how many pixels of the image, in one direction, an output of the last layer depends on.

        side ← side + (k - 1) · distance        distance ← distance · s        layer by layer, from side = distance = 1

    Args:
        layers: A list of (k, s), kernel and stride, from the first layer to the last.

    Returns:
        side, the pixels in one direction, and distance, the pixels between the fields of two neighbours.

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
    "You add k - 1 pixels; it is k - 1 outputs of the layer below, which lie `distance` pixels apart.",
    {"(k - 1) * distance": "k - 1"},
)
receptive_field.mistake(
    "A layer's own stride comes too early: it moves the outputs of this layer apart, not its inputs.",
    {"side += (k - 1) * distance\n        distance *= s": "distance *= s\n        side += (k - 1) * distance"},
)
receptive_field.mistake(
    "You multiply the side by k; a layer adds (k - 1) · distance.", {"side += (k - 1) * distance": "side *= k"}
)
receptive_field.mistake("You add the strides; they multiply.", {"distance *= s": "distance += s"})
receptive_field.mistake("You add k steps; between k outputs there are k - 1.", {"(k - 1) * distance": "k * distance"})
receptive_field.mistake("You return the area; the side was asked for.", {"return side,": "return side**2,"})
receptive_field.mistake("The strides are left out.", {"distance *= s": "pass"})


@exercise(
    "10, 11",
    hints=(
        "A filter of 5 x 5 on z channels has 25 z weights and a bias. Padding keeps the size in a convolution, pooling "
        "halves it, and the filters of one layer are the channels of the next.",
        "Rows conv1, pool1, conv2, pool2, conv3, pool3, fc4, fc5, each [side, channels, parameters]. fc4 sees all "
        "side · side · 64 values of pool3.",
    ),
)
def layer_table(size, z, n_y):
    """Questions 10 and 11: output and parameters of every layer of the homework's network.

    conv1, conv2 and conv3 have 32, 64 and 64 filters of 5 x 5, padding 2 and stride 1; each is followed by max pooling
    of 2 x 2 with stride 2. fc4 has 1000 outputs, fc5 has n_y. Parameters are weights and biases.

    Args:
        size: Height and width of the image, a multiple of 8.
        z: Its channels.
        n_y: Number of classes.

    Returns:
        A row [side, channels, parameters] for each of conv1, pool1, conv2, pool2, conv3, pool3, fc4, fc5, (8, 3). The
        outputs of a fully-connected layer are channels of side 1. On 32 x 32 x 3 with 10 classes the last column sums
        to 1,191,170.

    Example:
        >>> layer_table(8, 1, 2)[:2]
        [[8, 32, 832], [4, 32, 0]]

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
    "Biases are missing in your counts: one for each filter and each output (without them 1,190,000 on CIFAR-10).",
    {"(5 * 5 * z + 1)": "(5 * 5 * z)", "(size * size * z + 1)": "(size * size * z)", "(1000 + 1)": "1000"},
)
layer_table.mistake(
    "Your convolutions lose 4 rows and columns; a padding of 2 keeps the size (question 8).",
    {"rows.append([size, filters, filters": "size -= 4\n        rows.append([size, filters, filters"},
)
layer_table.mistake(
    "fc4 sees more than the 64 channels: it is connected to all side · side · 64 values of pool3.",
    {"size * size * z + 1": "z + 1"},
)
layer_table.mistake("Pooling has no weights.", {"[size, filters, 0]": "[size, filters, 2 * 2 * filters]"})
layer_table.mistake("The filters are 5 x 5, not 3 x 3.", {"5 * 5 * z": "3 * 3 * z"})
layer_table.mistake(
    "Every convolution reads the image's channels in your table; it reads the filters of the layer before.",
    {"size, z = size // 2, filters": "size = size // 2", "size * size * z": "size * size * filters"},
)
layer_table.mistake(
    "Your filters have one channel each; a filter reads all channels of its input.", {"5 * 5 * z": "5 * 5"}
)


# --- convolution ------------------------------------------------------------------------------------------------------


@exercise(
    "1",
    hints=(
        "out[n, i, j, f] = b[f] + Σ over the window at (i · stride, j · stride) of x times filter f, over all "
        "channels. Pad x first. np.tensordot(window, w, axes=3) multiplies and sums over rows, columns and channels.",
        "x (N, H, W, C); padded (N, H + 2p, W + 2p, C); a window (N, k, k, C); times w (k, k, C, F) it is (N, F): the "
        "place (i, j) of all examples and filters.",
    ),
)
def conv2d(x, w, b, stride, padding):
    """Question 1: a convolution layer.

        out[n, i, j, f] = b_f + Σ_{u, v, c} x[n, i · stride + u, j · stride + v, c] · w[u, v, c, f]

    x is surrounded by `padding` zeros first. The kernel is not flipped.

    Args:
        x: (N, H, W, C).
        w: (k, k, C, F).
        b: (F,).
        stride: Rows and columns between two windows.
        padding: Zeros on each of the four sides.

    Returns:
        (N, H', W', F), with H' = ⌊(H - k + 2 padding) / stride⌋ + 1 and W' alike.

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
    "Your kernel is flipped, as in a mathematician's convolution. In deep learning it is not.",
    {"np.tensordot(window, w, axes=3)": "np.tensordot(window, w[::-1, ::-1], axes=3)"},
)
conv2d.mistake(
    "Your windows move by one pixel whatever the stride: window (i, j) begins at (i · stride, j · stride).",
    {"i * stride : i * stride + k, j * stride : j * stride + k": "i : i + k, j : j + k"},
)
conv2d.mistake(
    "Only the first channel is read; a filter sums over all of them.",
    {"np.tensordot(window, w, axes=3)": "np.tensordot(window[..., :1], w[:, :, :1], axes=3)"},
)
conv2d.mistake(
    "Rows and columns of the kernel are exchanged.",
    {"np.tensordot(window, w, axes=3)": "np.tensordot(window, w.transpose(1, 0, 2, 3), axes=3)"},
)
conv2d.mistake(
    "You pad with the pixels of the border; pad with zeros.",
    {"(padding, padding), (0, 0)))": '(padding, padding), (0, 0)), mode="edge")'},
)
conv2d.mistake("The bias is missing: one for each filter.", {" + b": ""})
conv2d.mistake(
    "You pad on one side only: the padding lies on all four.",
    {"(padding, padding), (padding, padding)": "(padding, 0), (padding, 0)"},
)
conv2d.mistake(
    "There is no padding in yours.",
    {"(padding, padding), (padding, padding)": "(0, 0), (0, 0)"},
)
conv2d.mistake("The ReLU is a layer of its own; leave it out here.", {"return out": "return np.maximum(out, 0)"})


@exercise(
    "1, T13",
    hints=(
        "Each output gives its gradient to every pixel of its window, times the weight between them, and to every "
        "weight, times the pixel. Windows overlap and weights are shared, so all of it adds up (+=). The bias meets "
        "a 1 at every place.",
        "Place (i, j): grad_out[:, i, j] (N, F); window (N, k, k, C). To the weights: summed over N, (k, k, C, F). To "
        "the pixels: summed over F, (N, k, k, C). At last cut the padding off: (N, H, W, C).",
    ),
    returns="grad_x, grad_w, grad_b",
)
def conv2d_backward(grad_out, x, w, padding):
    """Questions 1 and T13: the gradients of a convolution layer of stride 1.

        grad_w[u, v, c, f] = Σ_{n, i, j} grad_out[n, i, j, f] · x[n, i + u, j + v, c]
        grad_x[n, i + u, j + v, c] gets grad_out[n, i, j, f] · w[u, v, c, f] added, for all i, j, u, v and f
        grad_b[f] = Σ_{n, i, j} grad_out[n, i, j, f]

    Rows and columns count from the corner of the padded input; grad_x is returned without the padding.

    Args:
        grad_out: (N, H', W', F), the gradient with respect to the output, with its 1 / N.
        x: (N, H, W, C), the input before padding.
        w: (k, k, C, F).
        padding: Zeros on each of the four sides.

    Returns:
        grad_x (N, H, W, C), grad_w (k, k, C, F) and grad_b (F,).

    Example:
        >>> x = np.array([[1.0, 2.0], [3.0, 4.0]]).reshape(1, 2, 2, 1)
        >>> w = np.array([[1.0, 0.0], [0.0, 10.0]]).reshape(2, 2, 1, 1)
        >>> conv2d_backward(np.array(2.0).reshape(1, 1, 1, 1), x, w, 0)[1][:, :, 0, 0]
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


conv2d_backward.own_loss = OwnLoss("conv2d", _through_conv2d)
conv2d_backward.mistake(
    "Where windows overlap, the last one overwrites the others in grad_x: add (+=) instead of assigning.",
    {"j : j + k] += ": "j : j + k] = "},
)
conv2d_backward.mistake(
    "grad_w keeps only the last place: every place uses the same weights, so their gradients add up (+=).",
    {"grad_w += ": "grad_w[:] = "},
)
conv2d_backward.mistake(
    "The kernel is turned once too often for grad_x: pixel (i + u, j + v) met w[u, v].",
    {"np.tensordot(grad, w, axes=(1, 3))": "np.tensordot(grad, w[::-1, ::-1], axes=(1, 3))"},
)
conv2d_backward.mistake(
    "grad_b still has a value for each place: a filter has one bias for all places, so sum over them too.",
    {"axis=(0, 1, 2)": "axis=0"},
)
conv2d_backward.mistake(
    "grad_b is a mean; the places and examples add up.", {"grad_out.sum(axis=": "grad_out.mean(axis="}
)
conv2d_backward.mistake(
    "grad_w is divided by N a second time; grad_out has the 1 / N already.",
    {"return grad_x, grad_w, grad_b": "return grad_x, grad_w / len(x), grad_b"},
)
conv2d_backward.mistake(
    "grad_x still has the padding around it: cut it off.",
    {"grad_padded[:, padding : padding + x.shape[1], padding : padding + x.shape[2]]": "grad_padded"},
)
conv2d_backward.mistake(
    "You cut the padding off at one end only: pixel (0, 0) of x lies at (padding, padding).",
    {"[:, padding : padding + x.shape[1], padding : padding + x.shape[2]]": "[:, : x.shape[1], : x.shape[2]]"},
)


# --- pooling ----------------------------------------------------------------------------------------------------------


@exercise(
    "3, 9",
    hints=(
        "The largest of each 2 x 2 window, each channel by itself; windows do not overlap, and an odd last row or "
        "column is left out.",
        "x cut to (N, 2 · rows, 2 · columns, C); as (N, rows, 2, columns, 2, C) its axes 2 and 4 are the places within "
        "a window; the maximum over them is (N, rows, columns, C).",
    ),
)
def max_pool(x):
    """Questions 3 and 9: max pooling of 2 x 2 with stride 2.

        out[n, i, j, c] = max of x[n, 2i, 2j, c], x[n, 2i, 2j + 1, c], x[n, 2i + 1, 2j, c], x[n, 2i + 1, 2j + 1, c]

    Args:
        x: (N, H, W, C).

    Returns:
        (N, ⌊H / 2⌋, ⌊W / 2⌋, C). An odd last row or column is left out.

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
    yield core("all sizes different", rng.normal(size=(3, 4, 6, 2)))
    yield core("all sizes 4", rng.normal(size=(4, 4, 4, 4)))
    yield edge("an odd last row and column", rng.normal(size=(2, 5, 7, 3)))
    yield edge("all entries negative", -1 - rng.random((1, 4, 4, 1)))


max_pool.mistake("You take the average of the window; the largest entry is asked for.", {"windows.max": "windows.mean"})
max_pool.mistake("You take the smallest entry.", {"windows.max": "windows.min"})
max_pool.mistake(
    "Your windows move by one pixel; with a stride of 2 they do not overlap.",
    {"windows.max(axis=(2, 4))": "np.lib.stride_tricks.sliding_window_view(x, (2, 2), (1, 2)).max(axis=(4, 5))"},
)
max_pool.mistake(
    "You keep an odd last row and column; a window that is not whole is left out here.",
    {
        "rows, columns = x.shape[1] // 2, x.shape[2] // 2": "x = np.pad(x, ((0, 0), (0, x.shape[1] % 2), "
        "(0, x.shape[2] % 2), (0, 0)), constant_values=-np.inf)\n    rows, columns = x.shape[1] // 2, x.shape[2] // 2"
    },
)
max_pool.mistake(
    "Your windows take pixels from far apart: in the reshape each axis splits into (rows, 2), not into (2, rows).",
    {"rows, 2, columns, 2, x.shape[3])": "2, rows, 2, columns, x.shape[3])", "axis=(2, 4)": "axis=(1, 3)"},
)
max_pool.mistake(
    "You take the maximum over the channels too; each channel is pooled by itself.",
    {"windows.max(axis=(2, 4))": "windows.max(axis=(2, 4, 5))"},
)
max_pool.mistake(
    "You take every second pixel; the largest of each window is asked for.",
    {"windows.max(axis=(2, 4))": "windows[:, :, 0, :, 0]"},
)
max_pool.mistake(
    "Negative entries become 0: your maximum starts from 0.",
    {"windows.max(axis=(2, 4))": "windows.max(axis=(2, 4), initial=0)"},
)


@exercise(
    "3, 9, T13",
    hints=(
        "Only the largest entry of a window reached the output, so it alone gets the gradient; the others get 0. Among "
        "equals the first one counts, row by row.",
        "grad_out (N, rows, columns, C): each of its entries goes to one of four places of grad_x (N, H, W, C). "
        "argmax of a 2 x 2 window counts 0, 1 in the first row and 2, 3 in the second.",
    ),
)
def max_pool_backward(grad_out, x):
    """Questions 3, 9 and T13: the gradient of max pooling of 2 x 2 with stride 2.

    The gradient of an output goes to the largest entry of its window; among equal ones to the first, row by row.

    Args:
        grad_out: (N, ⌊H / 2⌋, ⌊W / 2⌋, C).
        x: (N, H, W, C), the input of the pooling.

    Returns:
        (N, H, W, C).

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
    yield core("all sizes different", rng.normal(size=(2, 2, 3, 1)), rng.normal(size=(2, 4, 6, 1)))
    yield core("all sizes 4", rng.normal(size=(4, 2, 2, 4)), rng.normal(size=(4, 4, 4, 4)))
    yield edge("an odd last row and column", rng.normal(size=(1, 2, 1, 2)), rng.normal(size=(1, 5, 3, 2)))
    ties = np.array([[1.0, 1, 0, 2], [1, 0, 2, 2], [3, 3, 0, 0], [3, 3, 0, 0]]).reshape(1, 4, 4, 1)
    yield edge("equal entries", rng.normal(size=(1, 2, 2, 1)), ties)


def _through_max_pool(max_pool, grad_out, x):
    return differences(lambda moved: (grad_out * max_pool(moved)).sum(), x)


_PLACES = "row, column = divmod(window.argmax(), 2)"
_ASSIGN = "grad_x[n, 2 * i + row, 2 * j + column, c] = grad_out[n, i, j, c]"
_BLOCK = "grad_x[n, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2, c]"
max_pool_backward.own_loss = OwnLoss("max_pool", _through_max_pool)
max_pool_backward.mistake(
    "You spread the gradient over all four entries, as average pooling does. Only the largest one reached the output.",
    {_ASSIGN: f"{_BLOCK} = grad_out[n, i, j, c] / 4"},
)
max_pool_backward.mistake(
    "Among equal entries all get the gradient; only the first one does.",
    {_ASSIGN: f"{_BLOCK} = grad_out[n, i, j, c] * (window == window.max())"},
)
max_pool_backward.mistake(
    "Among equal entries the last one gets the gradient; the first one does.",
    {"divmod(window.argmax(), 2)": "divmod(3 - window[::-1, ::-1].argmax(), 2)"},
)
max_pool_backward.mistake(
    "You mark the largest entry with 1; the gradient goes there.", {"= grad_out[n, i, j, c]": "= 1"}
)
max_pool_backward.mistake(
    "You put the largest entry itself where its gradient belongs.", {"= grad_out[n, i, j, c]": "= window.max()"}
)
max_pool_backward.mistake(
    "All four entries get the whole gradient; only the largest one reached the output.",
    {_ASSIGN: f"{_BLOCK} = grad_out[n, i, j, c]"},
)


@exercise(
    "5",
    hints=(
        "Row i of W is what unit i reads of the flattened map, in the order row, column, channel. Filter i reads the "
        "same numbers at the same places: reshape the row to (h, w, c).",
        "W (n, h · w · c); W.T (h · w · c, n); reshaped (h, w, c, n). b (n,) stays as it is.",
    ),
    returns="kernel, bias",
)
def dense_as_conv(W, b, h, w, c):
    """Question 5: the convolution that does what a fully-connected layer does.

        Σ_{i, j, k} x[i, j, k] · kernel[i, j, k, unit] = (W x.reshape(-1))[unit]        on maps of (h, w, c)

    Args:
        W: (n, h · w · c), a unit in each row. It was made for maps that are flattened as NumPy and Keras do it:
            channels change first, then columns, then rows.
        b: (n,).
        h, w, c: Rows, columns and channels of the map.

    Returns:
        kernel (h, w, c, n), and bias (n,).

    Example:
        >>> dense_as_conv(np.array([[1, 2, 3, 4], [5, 6, 7, 8]]), np.array([9, 10]), 2, 2, 1)[0][:, :, 0, 1]
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
    "Units are the rows of W, and filters the last axis of a kernel: transpose W before the reshape.",
    {"W.T.reshape": "W.reshape"},
)
dense_as_conv.mistake(
    "That is PyTorch's order (channel, row, column); here channels change first.",
    {"W.T.reshape(h, w, c, len(W))": "W.reshape(len(W), c, h, w).transpose(2, 3, 1, 0)"},
)
dense_as_conv.mistake(
    "The kernel is flipped; in deep learning a convolution does not flip it.",
    {"len(W))": "len(W))[::-1, ::-1]"},
)
dense_as_conv.mistake(
    "Rows and columns are exchanged; on square maps the shapes hide it.",
    {"W.T.reshape(h, w, c, len(W))": "W.T.reshape(w, h, c, len(W)).transpose(1, 0, 2, 3)"},
)
dense_as_conv.mistake(
    "Your filters are the first axis, as in PyTorch; here they are the last: (h, w, c, n).",
    {"W.T.reshape(h, w, c, len(W))": "W.reshape(len(W), h, w, c)"},
)
dense_as_conv.mistake("The bias is lost: a filter has one as a unit has.", {"return kernel, b": "return kernel, 0 * b"})
