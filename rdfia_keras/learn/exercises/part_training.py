"""Part 5: what improves training, in NumPy: preprocessing, augmentation, schedules, optimizers, dropout, batch norm.

Images are (N, H, W, C): example, row, column, channel. A step of an optimizer takes a parameter w, the values that it
keeps for w from step to step, and the gradient, all of one shape. It returns the new parameter and the new values, and
leaves its arguments unchanged.
"""

import itertools

import numpy as np

from rdfia_keras.learn.exercise import core, edge, exercise

# --- preprocessing ----------------------------------------------------------------------------------------------------


@exercise(
    "19, 20",
    hints=(
        "(x - mean) / std, with the mean and standard deviation of each channel over examples, rows and columns of the "
        "training set. Use the same numbers for both sets.",
        "mean and std over the axes (0, 1, 2) are (C,); images (N, H, W, C) minus mean (C,) stay (N, H, W, C).",
    ),
    returns="train, test",
)
def normalize(train, test):
    """Questions 19 and 20: mean 0 and standard deviation 1 for each channel.

        (x - mean_c) / std_c        with the mean and std of channel c over the whole training set, for both sets

    Args:
        train: Training images, (N, H, W, C), uint8 (integers from 0 to 255).
        test: Test images, (M, H, W, C), uint8.

    Returns:
        Both sets, normalized, as floats of the same shapes.

    Example:
        >>> pixels = np.array([[0, 2], [0, 2]], np.uint8).reshape(1, 2, 2, 1)
        >>> normalize(pixels, pixels + np.uint8(1))[1][0, :, :, 0]  # test
        [[0.0, 2.0], [0.0, 2.0]]

    Allowed: NumPy, np.std with its defaults. Not keras.layers.Normalization.
    """
    mean = train.mean(axis=(0, 1, 2))
    std = train.std(axis=(0, 1, 2))
    return (train - mean) / std, (test - mean) / std


@normalize.inputs
def _(rng):
    def images(count, height, width, z):
        # Channels and images differ in brightness and contrast, and so do the two sets.
        brightness = rng.integers(0, 100, (count, 1, 1, z)) + 20 * np.arange(z)
        contrast = rng.integers(20, 60, (count, 1, 1, z))
        return (brightness + contrast * rng.random((count, height, width, z))).astype(np.uint8)

    yield core("all sizes different", images(6, 4, 5, 3), images(2, 4, 5, 3) // 2)
    yield core("all sizes 3", images(3, 3, 3, 3), images(3, 3, 3, 3) + np.uint8(40))
    yield edge("one test image, one channel", images(4, 2, 3, 1), images(1, 2, 3, 1))


normalize.mistake(
    "You normalize the test set with its own mean and std. The network learned on the scale of the training set: use "
    "the mean and std of the training set (question 20).",
    {"(test - mean) / std": "(test - test.mean(axis=(0, 1, 2))) / test.std(axis=(0, 1, 2))"},
)
normalize.mistake(
    "You compute mean and std from both sets together; compute them from the training set only (question 20).",
    {
        "train.mean(axis=(0, 1, 2))": "np.concatenate([train, test]).mean(axis=(0, 1, 2))",
        "train.std(axis=(0, 1, 2))": "np.concatenate([train, test]).std(axis=(0, 1, 2))",
    },
)
normalize.mistake(
    "You take the mean of each image's std (on CIFAR-10, scaled to 0 to 1, the often copied 0.20). It leaves out how "
    "images differ from each other: take the std over all pixels of all images (0.247).",
    {"train.std(axis=(0, 1, 2))": "train.std(axis=(1, 2)).mean(axis=0)"},
)
normalize.mistake(
    "You divide by the variance; divide by its square root, the standard deviation.", {"train.std(": "train.var("}
)
normalize.mistake(
    "You subtract a mean for each pixel; subtract one mean for each channel.",
    {"train.mean(axis=(0, 1, 2))": "train.mean(axis=0)"},
)
normalize.mistake(
    "You subtract a mean and divide by a std for each pixel; use one of each for a channel.",
    {"train.mean(axis=(0, 1, 2))": "train.mean(axis=0)", "train.std(axis=(0, 1, 2))": "train.std(axis=0)"},
)
normalize.mistake(
    "You divide by the variance of pixels from 0 to 1; divide by its square root, the standard deviation.",
    {"train.std(axis=(0, 1, 2))": "train.var(axis=(0, 1, 2)) / 255"},
)
normalize.mistake(
    "Your std divides by N - 1 (ddof=1); leave ddof at 0, its default in NumPy.",
    {"train.std(axis=(0, 1, 2))": "train.std(axis=(0, 1, 2), ddof=1)"},
)
normalize.mistake(
    "You use one mean for all channels; use each channel's own.", {"train.mean(axis=(0, 1, 2))": "train.mean()"}
)
normalize.mistake(
    "You use one std for all channels; use each channel's own.", {"train.std(axis=(0, 1, 2))": "train.std()"}
)
normalize.mistake(
    "You convert the mean to uint8: 12.7 becomes 12, and pixels below the mean wrap around to 255. Subtract floats.",
    {"train.mean(axis=(0, 1, 2))": "train.mean(axis=(0, 1, 2)).astype(np.uint8)"},
)
normalize.mistake(
    "You leave the test set as it is; normalize it too.",
    {"(test - mean) / std": "test / 1.0"},
)


@exercise(
    "21",
    hints=(
        "Compute the covariance of train, then its eigenvalues λ and eigenvectors U (np.linalg.eigh). Rotate x - mean "
        "to the eigenvectors, divide by sqrt(λ + eps), rotate back: multiply by U diag(1 / sqrt(λ + eps)) Uᵀ.",
        "train - mean (N, d); covariance (d, d) with 1 / N; U (d, d), an eigenvector in each column; the product "
        "U diag(...) Uᵀ (d, d); x - mean (M, d) @ that product is (M, d).",
    ),
)
def zca(train, x, eps):
    """Question 21: ZCA whitening, which makes the pixels uncorrelated with variance 1 (if eps is 0).

        (x - mean) U diag(1 / √(λ + eps)) Uᵀ        where (train - mean)ᵀ (train - mean) / N = U diag(λ) Uᵀ

    The matrix on the right is the covariance of the training set: λ are its eigenvalues, the columns of U its
    eigenvectors. The mean and the covariance are always those of train, for every x.

    Args:
        train: (N, d), a flattened image in each row.
        x: (M, d), the images to whiten.
        eps: Added to each eigenvalue λ, so that an eigenvalue of 0 causes no division by 0.

    Returns:
        (M, d).

    Example:
        >>> train = np.array([[2.0, 1.0], [2.0, -1.0], [-2.0, 1.0], [-2.0, -1.0]])
        >>> zca(train, np.array([[4.0, 0.0], [0.0, 4.0]]), 0.0)
        [[2.0, 0.0], [0.0, 4.0]]

    Allowed: NumPy, including np.linalg. Not sklearn.decomposition.
    """
    mean = train.mean(axis=0)
    covariance = (train - mean).T @ (train - mean) / len(train)
    variances, vectors = np.linalg.eigh(covariance)
    matrix = vectors / np.sqrt(variances + eps) @ vectors.T
    return (x - mean) @ matrix


@zca.inputs
def _(rng):
    for make, label, examples, others, d in (
        (core, "12 images of 4 pixels", 12, 3, 4),
        (core, "whitening the training set's own size", 9, 9, 3),
        (edge, "more pixels than images", 3, 2, 5),
        (edge, "one image", 8, 1, 3),
    ):
        mixing = rng.normal(size=(d, d)) + 2 * np.diag(1 + np.arange(d))
        train = rng.normal(size=(examples, d)) @ mixing + 3
        yield make(label, train, rng.normal(size=(others, d)) @ mixing + 2, 0.5)


zca.mistake(
    "You compute PCA whitening. Multiply by Uᵀ at the end, to rotate back to pixels.",
    {"vectors / np.sqrt(variances + eps) @ vectors.T": "vectors / np.sqrt(variances + eps)"},
)
zca.mistake(
    "You subtract the mean of x; subtract the mean of train.", {"(x - mean) @ matrix": "(x - x.mean(axis=0)) @ matrix"}
)
zca.mistake(
    "You divide by λ + eps; divide by its square root.",
    {"np.sqrt(variances + eps)": "(variances + eps)"},
)
zca.mistake("You do not divide the covariance by N.", {" / len(train)": ""})
zca.mistake(
    "You divide the covariance by N - 1, as np.cov does by default; divide by N.",
    {" / len(train)": " / (len(train) - 1)"},
)
zca.mistake(
    "You add eps to the root; add it to λ, under the root.",
    {"np.sqrt(variances + eps)": "(np.sqrt(np.maximum(variances, 0)) + eps)"},
)
zca.mistake("You do not subtract the mean from x.", {"(x - mean) @ matrix": "x @ matrix"})
zca.mistake(
    "You do not subtract the mean from train before you compute the covariance.",
    {"(train - mean).T @ (train - mean)": "train.T @ train"},
)
zca.mistake("You multiply by the root of λ + eps; divide by it.", {"vectors / np.sqrt": "vectors * np.sqrt"})
zca.mistake(
    "You use the covariance of x; use the covariance of train.",
    {"(train - mean).T @ (train - mean) / len(train)": "(x - x.mean(axis=0)).T @ (x - x.mean(axis=0)) / len(x)"},
)


@exercise(
    "22",
    hints=(
        "For each image draw top from 0 to H - size and left from 0 to W - size, both ends included, and mirror it "
        "with probability 1/2. rng.integers(0, n) never returns n.",
        "image (H, W, C); crop = image[top : top + size, left : left + size] is (size, size, C); crop[:, ::-1] mirrors "
        "it; all crops (N, size, size, C).",
    ),
)
def crop_flip(images, size, rng):
    """Question 22: a random crop and a random horizontal flip, drawn anew for each image.

    All positions of the crop are equally likely, including the last row and the last column. Each crop is mirrored left
    to right with probability 1/2.

    Args:
        images: (N, H, W, C).
        size: Height and width of the crops.
        rng: A numpy.random.Generator; draw from it as you like.

    Returns:
        (N, size, size, C).

    Example:
        For one image [[1, 2], [3, 4]] and size 1, the result is 1, 2, 3 or 4, each with probability 1/4.

    Allowed: NumPy. Not keras.layers.RandomCrop or RandomFlip.
    """
    crops = []
    for image in images:
        top = rng.integers(0, image.shape[0] - size + 1)
        left = rng.integers(0, image.shape[1] - size + 1)
        crop = image[top : top + size, left : left + size]
        mirrored = rng.random() < 0.5
        crops.append(crop[:, ::-1] if mirrored else crop)
    return np.array(crops)


def _positions(count, height, width, z):
    """Images whose pixels say where they are: 1000 · image + 100 · row + 10 · column + channel."""
    image, row, column, channel = np.indices((count, height, width, z))
    return 1000 * image + 100 * row + 10 * column + channel


@crop_flip.inputs
def _(rng):
    for make, label, shape, size in (
        (core, "400 images of 8 x 7", (400, 8, 7, 2), 3),
        (core, "400 images of 6 x 6", (400, 6, 6, 1), 4),
        (edge, "crops as large as the image", (400, 4, 4, 3), 4),
    ):
        yield make(label, _positions(*shape), size, np.random.default_rng(rng.integers(2**32)))


@crop_flip.observed
def _(results, images, size, rng):
    """Where the crops of two calls came from, read off their pixels, and what that says of the draws.

    What depends on the draws is left out, so that equal mistakes give equal facts.
    """
    results = [np.asarray(result) for result in results]
    shape = next(
        (result.shape for result in results if result.shape != (len(images), size, size, images.shape[3])), None
    )
    facts = {"the shape": np.array(shape or results[0].shape)}
    if shape:
        return facts
    # Floats are fine where their values are right.
    result, images = np.concatenate(results).round().astype(int), np.concatenate([images, images])
    numbers, row, column = result // 1000, result // 100 % 10, result // 10 % 10
    own = np.tile(np.arange(len(images) // 2), 2)[:, None, None, None]
    facts["each crop is of its own image"] = _yes((numbers == own).all())
    tops, lefts = row.min(axis=(1, 2, 3)), column.min(axis=(1, 2, 3))
    mirrored = column[:, 0, 0, 0] > column[:, 0, -1, 0]
    upside_down = row[:, 0, 0, 0] > row[:, -1, 0, 0]
    whole = _crops(images, size, tops, lefts, mirrored, upside_down)
    facts["each crop is a part of its image, perhaps mirrored"] = _yes(np.array_equal(whole, np.concatenate(results)))
    if "no" in list(facts.values())[1:]:
        return facts
    facts["some crops are upside down"] = _yes(upside_down.any())
    facts["mirrored crops"] = _mirrored(*np.split(mirrored, 2))
    places = tops * 10 + lefts
    first, second = np.split(places, 2)
    facts["all crops have the same place"] = _yes(np.ptp(first) == 0 and np.ptp(second) == 0)
    if facts["all crops have the same place"] == "yes":
        return facts
    last = images.shape[1] - size, images.shape[2] - size
    expected = len(places) / ((last[0] + 1) * (last[1] + 1))
    counts = np.unique(places, return_counts=True)[1]
    facts |= {
        "the rows and columns of crops are drawn independently": _yes((tops != lefts).any()),
        "some crops reach the first row and the first column": _yes(tops.min() == 0 and lefts.min() == 0),
        "some crops reach the last row": _yes(tops.max() == last[0]),
        "some crops reach the last column": _yes(lefts.max() == last[1]),
        "a second call draws other places": _yes((first != second).any()),
    }
    if "no" in list(facts.values())[-5:]:
        return facts
    # Six standard deviations.
    return facts | {"all places are equally likely": _yes((np.abs(counts - expected) < 6 * np.sqrt(expected)).all())}


def _mirrored(*calls):
    """Return which crops are mirrored in two calls, in words that do not depend on the draws."""
    if any(mirrored.mean() in (0, 1) for mirrored in calls):
        return "all or none of the batch"
    if np.array_equal(*calls):
        return "the same in every call"
    share = np.mean(calls)
    # Five standard deviations of 800 draws.
    return "half of the batch" if abs(share - 0.5) < 0.088 else f"{share:.0%} of the batch"


def _crops(images, size, tops, lefts, mirrored, upside_down):
    """Return the crops at given places; a place that lies outside is moved inside."""
    places = np.arange(size)
    rows = np.minimum(tops[:, None] + places, images.shape[1] - 1)
    columns = np.minimum(lefts[:, None] + places, images.shape[2] - 1)
    rows[upside_down] = rows[upside_down, ::-1]
    columns[mirrored] = columns[mirrored, ::-1]
    return images[np.arange(len(images))[:, None, None], rows[:, :, None], columns[:, None, :]]


def _yes(fact):
    return "yes" if fact else "no"


A_GENERATOR_OF_YOUR_OWN = (
    "You make a generator with a fixed seed, so every call draws the same numbers. Draw from the rng that you are "
    "given."
)
crop_flip.mistake(A_GENERATOR_OF_YOUR_OWN, {"    crops = []": "    rng = np.random.default_rng(0)\n    crops = []"})
crop_flip.mistake(
    "You cut all images at the same position; draw a position for each image.",
    {
        "top = rng": "top = top if crops else rng",
        "left = rng": "left = left if crops else rng",
    },
)
crop_flip.mistake(
    "You never draw the last position: rng.integers leaves out its upper end, so pass H - size + 1 and W - size + 1.",
    {
        "image.shape[0] - size + 1": "max(image.shape[0] - size, 1)",
        "image.shape[1] - size + 1": "max(image.shape[1] - size, 1)",
    },
)
crop_flip.mistake(
    "You turn images upside down. A horizontal flip exchanges left and right: reverse the columns.",
    {"crop[:, ::-1]": "crop[::-1]"},
)
crop_flip.mistake(
    "You mirror all images or none; draw a random number for each image.",
    {"mirrored = rng.random() < 0.5": "mirrored = mirrored if crops else rng.random() < 0.5"},
)
crop_flip.mistake(
    "You use the same number for top and left; draw both.",
    {"left = rng.integers(0, image.shape[1] - size + 1)": "left = top"},
)
crop_flip.mistake(
    "Your flip transposes the image; reverse its columns instead.",
    {"crop[:, ::-1]": "crop.transpose(1, 0, 2)"},
)
crop_flip.mistake(
    "You cut every crop from the first image; cut one from each image.", {"crop = image[top": "crop = images[0][top"}
)


# --- schedules and optimizers -----------------------------------------------------------------------------------------


@exercise(
    "26, 28",
    hints=(
        "exponential multiplies by r in each epoch, step only in every t_u-th epoch; inverse divides eta_0 by "
        "1 + r · t. t // t_u is the floor of t / t_u.",
        "There are no arrays: arguments and result are numbers.",
    ),
)
def schedule(kind, eta_0, r, t, t_u):
    """Questions 26 and 28: the learning rate of an epoch.

        exponential    eta_0 · r^t
        step           eta_0 · r^⌊t / t_u⌋
        inverse        eta_0 / (1 + r t)

    ⌊ ⌋ rounds down. (The homework's report leaves it out, which makes the step decay exponential.)

    Args:
        kind: "exponential", "step" or "inverse".
        eta_0: The learning rate of the first epoch, which is epoch 0.
        r: The factor of a decay for exponential and step; the speed of the decay for inverse.
        t: The epoch, counted from 0.
        t_u: Number of epochs from one decay to the next, for step.

    Returns:
        One number.

    Example:
        >>> [schedule("step", 8.0, 0.5, 3, 2), schedule("inverse", 8.0, 0.5, 2, 2)]
        [4.0, 4.0]

    Allowed: plain Python, NumPy.
    """
    if kind == "exponential":
        return eta_0 * r**t
    if kind == "step":
        return eta_0 * r ** (t // t_u)
    return eta_0 / (1 + r * t)


@schedule.inputs
def _(rng):
    eta_0 = float(rng.uniform(0.1, 0.5))
    for kind in ("exponential", "step", "inverse"):
        yield core(f"{kind}, within a step", kind, eta_0, 0.8, 7, 4)
        yield core(f"{kind}, later", kind, eta_0, 0.6, 11, 4)
        yield edge(f"{kind}, the first epoch", kind, eta_0, 0.8, 0, 4)
        yield edge(f"{kind}, the first epoch of a step", kind, eta_0, 0.7, 6, 3)


schedule.mistake(
    "You do not round t / t_u down in the step decay, as in the report. Without the floor there are no steps.",
    {"(t // t_u)": "(t / t_u)"},
)
schedule.mistake(
    "You are one epoch ahead: the first epoch is t = 0 and has the learning rate eta_0.",
    {"r**t": "r ** (t + 1)", "(t // t_u)": "((t + 1) // t_u)", "1 + r * t": "1 + r * (t + 1)"},
)
schedule.mistake(
    "Your inverse decay is exponential: you divide by (1 + r)^t; divide by 1 + r t.",
    {"eta_0 / (1 + r * t)": "eta_0 / (1 + r) ** t"},
)
schedule.mistake("In the exponential decay you multiply r by t; raise r to the power t.", {"r**t": "r * t"})
schedule.mistake("In the exponential decay you use e^(-r t); use r^t.", {"r**t": "np.exp(-r * t)"})
schedule.mistake(
    "In the step decay you round t / t_u to the nearest integer; round down.", {"(t // t_u)": "round(t / t_u)"}
)
schedule.mistake(
    "In the step decay you multiply r by the number of steps; raise r to that power.",
    {"r ** (t // t_u)": "r * (t // t_u)"},
)
schedule.mistake("The 1 is missing in the inverse decay: divide by 1 + r t.", {"(1 + r * t)": "np.float64(r * t)"})


def _states(rng, *states):
    """Cases of an optimizer's step: parameter, states (each drawn positive) and gradient, then the settings."""
    for make, label, shape in (
        (core, "a matrix", (2, 3)),
        (core, "a square matrix", (3, 3)),
        (edge, "one entry", (1,)),
    ):
        arrays = [rng.normal(size=shape), *(0.2 + rng.random(shape) for _ in states), 0.3 + rng.random(shape)]
        yield make(label, *arrays)
    arrays = [rng.normal(size=4), *(np.zeros(4) for _ in states), np.array([0.0, 1.5, -2, 0.01])]
    yield edge("the first step, and a gradient of 0", *arrays)


def _with(cases, *settings):
    """Yield the cases with settings in turn."""
    for case, values in zip(cases, itertools.cycle(settings)):
        yield type(case)(case.label, (*case.arguments, *values), case.edge)


@exercise(
    "28",
    hints=(
        "First the velocity, then the parameter with the new velocity: v = beta · v + grad, w = w - eta · v.",
        "w, v, grad and both results have the same shape.",
    ),
    returns="w, v",
)
def momentum_step(w, v, grad, eta, beta):
    """Question 28: a step of stochastic gradient descent (SGD) with momentum, as PyTorch writes it.

        v ← beta v + ∂loss/∂w        w ← w - η v

    (Keras includes η in v, which gives the same steps while η is constant. The report multiplies the gradient by
    1 - beta, so its steps are shorter by that factor.)

    Args:
        w: The parameter.
        v: Its velocity, 0 before the first step.
        grad: The gradient ∂loss/∂w.
        eta: The learning rate η.
        beta: The factor by which the old velocity is multiplied, such as 0.9.

    Returns:
        The new w and the new v.

    Example:
        >>> w, v, grad = np.array([[1.0, 1.0], [0.0, 0.0]]), np.array([[0.0, 2.0], [0.0, 2.0]]), np.ones((2, 2))
        >>> momentum_step(w, v, grad, 0.1, 0.5)[0]  # w
        [[0.9, 0.8], [-0.1, -0.2]]

    Allowed: NumPy.
    """
    v_new = beta * v + grad
    return w - eta * v_new, v_new


@momentum_step.inputs
def _(rng):
    yield from _with(_states(rng, "v"), (0.3, 0.8), (0.5, 0.4))


momentum_step.mistake(
    "You multiply the gradient by 1 - beta, as the report does; add it without a factor.",
    {"+ grad": "+ (1 - beta) * grad"},
)
momentum_step.mistake(
    "You move w along the gradient; move it along the new velocity.", {"w - eta * v_new": "w - eta * grad"}
)
momentum_step.mistake("You move w along the old velocity; use the new one.", {"w - eta * v_new": "w - eta * v"})
momentum_step.mistake("You add the step to w; subtract it.", {"w - eta": "w + eta"})
momentum_step.mistake("You return the old velocity, so it never grows; return the new one.", {", v_new": ", v"})
momentum_step.mistake(
    "Your velocity includes the learning rate, as in Keras. Here v = beta v + grad, and eta multiplies v in the step.",
    {"+ grad": "+ eta * grad", "w - eta * v_new": "w - v_new"},
)
momentum_step.mistake(
    "Your velocity includes the learning rate and the sign, as in Keras. Here v = beta v + grad, and w = w - eta v.",
    {"+ grad": "- eta * grad", "w - eta * v_new": "w + v_new"},
)
momentum_step.mistake("The learning rate is missing: multiply the velocity by it.", {"w - eta * v_new": "w - v_new"})
momentum_step.mistake(
    "You compute Nesterov momentum, which looks one step ahead. For plain momentum, move w along the new v.",
    {"w - eta * v_new": "w - eta * (beta * v_new + grad)"},
)


@exercise(
    "28",
    hints=(
        "First update s, the running mean of the squared gradients. Then divide the gradient by the root of the new s, "
        "plus eps: w - eta · grad / (sqrt(s) + eps).",
        "w, s, grad and both results have the same shape; squares and roots are taken entry by entry.",
    ),
    returns="w, s",
)
def rmsprop_step(w, s, grad, eta, beta, eps):
    """Question 28: a step of RMSprop.

        s ← beta s + (1 - beta) (∂loss/∂w)²        w ← w - η ∂loss/∂w / (√s + eps)

    (The report leaves eps out: then a gradient of 0 at the first step is 0 / 0.)

    Args:
        w: The parameter.
        s: The running mean of its squared gradients, 0 before the first step.
        grad: The gradient ∂loss/∂w.
        eta: The learning rate η.
        beta: The factor by which the old s is multiplied, such as 0.9.
        eps: A small number, added to the root.

    Returns:
        The new w and the new s.

    Example:
        >>> w, s, grad = np.zeros((2, 2)), np.zeros((2, 2)), np.array([[2.0, 0.0], [-4.0, 0.0]])
        >>> rmsprop_step(w, s, grad, 0.3, 0.75, 1.0)[0]  # w
        [[-0.3, 0.0], [0.4, 0.0]]

    Allowed: NumPy.
    """
    s_new = beta * s + (1 - beta) * grad**2
    return w - eta * grad / (np.sqrt(s_new) + eps), s_new


@rmsprop_step.inputs
def _(rng):
    yield from _with(_states(rng, "s"), (0.3, 0.8, 0.1), (0.5, 0.4, 0.2))


rmsprop_step.mistake("Your s averages the gradients; average their squares.", {"grad**2": "grad"})
rmsprop_step.mistake("You divide by s; divide by its square root.", {"np.sqrt(s_new)": "s_new"})
rmsprop_step.mistake(
    "eps is missing, as in the report. Where s is 0 you divide 0 by 0: add eps to the root.",
    {"(np.sqrt(s_new) + eps)": "np.sqrt(s_new)"},
)
rmsprop_step.mistake(
    "You add eps under the root; add it to the root.", {"np.sqrt(s_new) + eps": "np.sqrt(s_new + eps)"}
)
rmsprop_step.mistake(
    "The factor 1 - beta of the squared gradient is missing: s is a mean, not a sum.",
    {"(1 - beta) * grad**2": "grad**2"},
)
rmsprop_step.mistake("You divide by the root of the old s; use the new one.", {"np.sqrt(s_new)": "np.sqrt(s)"})
rmsprop_step.mistake(
    "You exchange beta and 1 - beta: beta multiplies the old s.",
    {"beta * s + (1 - beta) * grad**2": "(1 - beta) * s + beta * grad**2"},
)
rmsprop_step.mistake("You return the old s, so it never changes; return the new one.", {", s_new": ", s"})


@exercise(
    "28",
    hints=(
        "Both running means start at 0 and are too small at first: after t steps m is too small by the factor "
        "1 - beta1^t, and s by 1 - beta2^t. m̂ = m / (1 - beta1^t) and ŝ = s / (1 - beta2^t) correct this for the step; "
        "return m and s without the correction.",
        "All arrays have the shape of w. At the first step, t = 1, m̂ is the gradient and ŝ its square.",
    ),
    returns="w, m, s",
)
def adam_step(w, m, s, grad, t, eta, beta1, beta2, eps):
    """Question 28: a step of Adam.

        m ← beta1 m + (1 - beta1) g        s ← beta2 s + (1 - beta2) g²        with g = ∂loss/∂w
        w ← w - η m̂ / (√ŝ + eps)           with m̂ = m / (1 - beta1^t) and ŝ = s / (1 - beta2^t)

    This is Adam as published. (The report puts eps under the root and multiplies the step by g once more.)

    Args:
        w: The parameter.
        m: The running mean of its gradients, 0 before the first step.
        s: The running mean of the squared gradients, 0 before the first step.
        grad: The gradient g.
        t: The number of this step, 1 for the first.
        eta: The learning rate η.
        beta1: The factor by which the old m is multiplied.
        beta2: The factor by which the old s is multiplied.
        eps: A small number, added to the root.

    Returns:
        The new w, m and s (m and s, not m̂ and ŝ).

    Example:
        >>> zero, grad = np.zeros((2, 2)), np.array([[3.0, 0.0], [-3.0, 1.0]])
        >>> adam_step(zero, zero, zero, grad, 1, 0.4, 0.9, 0.99, 1.0)[0]  # w
        [[-0.3, 0.0], [0.3, -0.2]]

    Allowed: NumPy.
    """
    m_new = beta1 * m + (1 - beta1) * grad
    s_new = beta2 * s + (1 - beta2) * grad**2
    m_hat = m_new / (1 - beta1**t)
    s_hat = s_new / (1 - beta2**t)
    return w - eta * m_hat / (np.sqrt(s_hat) + eps), m_new, s_new


@adam_step.inputs
def _(rng):
    cases, settings = _states(rng, "m", "s"), ((0.3, 0.8, 0.9, 0.1), (0.5, 0.4, 0.3, 0.2))
    yield from _with(cases, *((t, *settings[i % 2]) for i, t in enumerate((3, 4, 2, 1))))


adam_step.mistake(
    "You use m and s instead of m̂ and ŝ. They start at 0, so the first steps have the wrong length: the very first is "
    "3.2 times too long with the usual beta1 = 0.9 and beta2 = 0.999.",
    {"m_new / (1 - beta1**t)": "m_new", "s_new / (1 - beta2**t)": "s_new"},
)
adam_step.mistake("You correct only s; correct m too.", {"m_new / (1 - beta1**t)": "m_new"})
adam_step.mistake("You correct only m; correct s too.", {"s_new / (1 - beta2**t)": "s_new"})
adam_step.mistake(
    "You count t from 0: at the first step 1 - beta^0 is 0, and you divide by it. The first step is t = 1.",
    {"(1 - beta1**t)": "np.float64(1 - beta1 ** (t - 1))", "(1 - beta2**t)": "np.float64(1 - beta2 ** (t - 1))"},
)
adam_step.mistake(
    "In the correction you multiply beta by t; raise beta to the power t.",
    {"beta1**t": "beta1 * t", "beta2**t": "beta2 * t"},
)
adam_step.mistake(
    "You add eps under the root, as the report does; add it to the root.",
    {"(np.sqrt(s_hat) + eps)": "np.sqrt(s_hat + eps)"},
)
adam_step.mistake(
    "You return m̂ and ŝ, which would be corrected again at the next step. Return m and s.",
    {"m_new, s_new": "m_hat, s_hat"},
)
adam_step.mistake(
    "You multiply the step by the gradient once more, as the report does; m̂ takes the place of the gradient.",
    {"eta * m_hat": "eta * m_hat * grad"},
)
adam_step.mistake("Your s averages the gradients; average their squares.", {"grad**2": "grad"})
adam_step.mistake("You divide by ŝ; divide by its square root.", {"np.sqrt(s_hat)": "s_hat"})


# --- regularization ---------------------------------------------------------------------------------------------------


@exercise(
    "32, 33",
    hints=(
        "In training, set each entry to 0 with probability p, and divide the others by 1 - p. The mean stays the same, "
        "so in test return x.",
        "rng.random(x.shape) is (N, d), a number from 0 to 1 for each entry; comparing it with p gives booleans "
        "(N, d); x times them is (N, d).",
    ),
)
def dropout(x, p, training, rng):
    """Questions 32 and 33: dropout, as in PyTorch and Keras.

        in training    0 with probability p, otherwise x / (1 - p); drawn independently for each entry of x
        in test        x

    Args:
        x: (N, d), an example in each row.
        p: The probability that an entry is dropped, that is, set to 0. At least 0 and below 1.
        training: True in training, False in test.
        rng: A numpy.random.Generator; draw from it as you like.

    Returns:
        (N, d).

    Example:
        >>> dropout(np.array([[1.0, 2.0], [3.0, 4.0]]), 0.5, False, np.random.default_rng(0))
        [[1.0, 2.0], [3.0, 4.0]]

        In training, with p = 0.5, each of these entries becomes 0 or twice as large.

    Allowed: NumPy. Not keras.layers.Dropout.
    """
    if not training:
        return x
    kept = rng.random(x.shape) >= p
    return x * kept / (1 - p)


@dropout.inputs
def _(rng):
    for make, label, p, training in (
        (core, "training, p = 0.25", 0.25, True),
        (core, "training, p = 0.6", 0.6, True),
        (core, "test, p = 0.25", 0.25, False),
        (edge, "training, nothing is dropped", 0.0, True),
    ):
        x = 1.0 + np.arange(100 * 100).reshape(100, 100)
        yield make(label, x, p, training, np.random.default_rng(rng.integers(2**32)))


@dropout.observed
def _(results, x, p, training, rng):
    """Return what happened to the entries in two calls, from the factors between results and x."""
    results = [np.asarray(result) for result in results]
    facts = {"the shape": np.array(next((result.shape for result in results if result.shape != x.shape), x.shape))}
    if tuple(facts["the shape"]) != x.shape:
        return facts
    factors = np.concatenate(results) / np.concatenate([x, x])
    dropped = factors == 0
    share, kept = dropped.mean(), factors[~dropped]
    least, most = (f"{kept.min():.3g}", f"{kept.max():.3g}") if kept.size else ("none stays",) * 2
    facts["the factor of the entries that stay"] = least if least == most else f"{least} to {most}"
    if share == 0:
        return facts | {"the share of dropped entries": "none"}
    first, second = np.split(dropped, 2)
    different = np.unique(first, axis=0).shape[0], np.unique(first, axis=1).shape[1]
    facts["the number of examples that drop different entries"] = np.array(different[0])
    facts["the number of entries that are dropped independently"] = np.array(different[1])
    facts["a second call drops other entries"] = _yes((first != second).any())
    if different != x.shape:
        return facts
    # Five standard deviations of 20,000 draws.
    near = [name for name, value in (("p", p), ("1 - p", 1 - p)) if abs(share - value) < 0.018]
    return facts | {"the share of dropped entries": near[0] if near else f"{share:.0%}"}


dropout.mistake(A_GENERATOR_OF_YOUR_OWN, {"rng.random(": "np.random.default_rng(0).random("})
dropout.mistake(
    "You do not divide the entries that stay by 1 - p, so in test the values are larger than in training.",
    {"x * kept / (1 - p)": "x * kept"},
)
dropout.mistake(
    "You scale x in test. Training divides by 1 - p already: in test, return x.",
    {"        return x\n": "        return x * (1 - p)\n"},
)
dropout.mistake("You keep an entry with probability p; drop it with probability p.", {">= p": "< p"})
dropout.mistake(
    "You keep an entry with probability p and divide by p; drop it with probability p and divide by 1 - p.",
    {">= p": "< p", "/ (1 - p)": "/ np.float64(p)"},
)
dropout.mistake(
    "You drop the same entries in all examples; draw a number for each entry of each example.",
    {"rng.random(x.shape)": "rng.random(x.shape[1:])"},
)
dropout.mistake(
    "You drop whole examples; draw a number for each entry.", {"rng.random(x.shape)": "rng.random((len(x), 1))"}
)
dropout.mistake("You drop entries in test too; in test, return x.", {"    if not training:\n        return x\n": ""})
dropout.mistake("You divide by p; divide by 1 - p.", {"/ (1 - p)": "/ np.float64(p)"})


@exercise(
    "34",
    hints=(
        "In training, compute mean and variance of each feature over the batch, and update the running values with "
        "them. In test, take the running values instead. In both, y = gamma (x - mean) / sqrt(variance + eps) + beta.",
        "x (N, d); its mean and variance over axis 0 (d,), like gamma, beta and the running values; y (N, d).",
    ),
    returns="y, mean, var",
)
def batch_norm(x, gamma, beta, mean, var, momentum, training, eps):
    """Question 34: batch normalization of a layer's outputs, as in Keras.

        y = gamma (x - μ) / √(σ² + eps) + beta        for each feature, that is, each column of x

    In training, μ and σ² are the mean and variance of the batch (np.var, which divides by N), and they update the
    running values: mean ← momentum · mean + (1 - momentum) · μ, and var likewise with σ². In test, μ and σ² are the
    running values mean and var, which do not change. (PyTorch's momentum is 1 minus Keras's.)

    Args:
        x: (N, d), an example in each row.
        gamma: (d,), the scale, which the network learns.
        beta: (d,), the shift, which the network learns.
        mean: (d,), the running mean.
        var: (d,), the running variance.
        momentum: The factor by which the old running values are multiplied, such as 0.99.
        training: True in training, False in test.
        eps: A small number, added to the variance.

    Returns:
        y (N, d), and the new running values mean (d,) and var (d,).

    Example:
        >>> one, zero = np.ones(2), np.zeros(2)
        >>> batch_norm(np.array([[1.0, 2.0], [3.0, 8.0]]), one, zero, zero, one, 0.5, True, 0.0)[:2]  # y, mean
        [[[-1.0, -1.0], [1.0, 1.0]], [1.0, 2.5]]

    Allowed: NumPy. Not keras.layers.BatchNormalization.
    """
    mu, sigma2 = mean, var
    if training:
        mu, sigma2 = x.mean(axis=0), x.var(axis=0)
        mean = momentum * mean + (1 - momentum) * mu
        var = momentum * var + (1 - momentum) * sigma2
    y = gamma * (x - mu) / np.sqrt(sigma2 + eps) + beta
    return y, mean, var


@batch_norm.inputs
def _(rng):
    for make, label, (n, d), training in (
        (core, "training, 6 examples of 4 features", (6, 4), True),
        (core, "training, 3 examples of 3 features", (3, 3), True),
        (core, "test", (5, 4), False),
        (edge, "training, one example", (1, 3), True),
        (edge, "test, one example", (1, 3), False),
    ):
        vectors = [0.5 + rng.random(d) for _ in range(4)]
        x = 2 + 3 * rng.normal(size=(n, d))
        yield make(label, x, *vectors, 0.4 if n == d else 0.8, training, 0.1)


batch_norm.mistake(
    "You normalize each example over its features, which is layer normalization. Normalize each feature over the "
    "batch, axis 0.",
    {"x.mean(axis=0), x.var(axis=0)": "x.mean(axis=1, keepdims=True), x.var(axis=1, keepdims=True)"},
)
batch_norm.mistake(
    "In test you use the mean and variance of the batch, so an example's result depends on the others. Use the running "
    "values.",
    {"mu, sigma2 = mean, var": "mu, sigma2 = x.mean(axis=0), x.var(axis=0)"},
)
batch_norm.mistake(
    "You multiply the new value by momentum, as PyTorch does; multiply the old running value by it, as Keras does.",
    {
        "momentum * mean + (1 - momentum) * mu": "(1 - momentum) * mean + momentum * mu",
        "momentum * var + (1 - momentum) * sigma2": "(1 - momentum) * var + momentum * sigma2",
    },
)
batch_norm.mistake(
    "You do not update the running values in training, so in test they say nothing about the data.",
    {
        "mean = momentum * mean + (1 - momentum) * mu": "mean = 1 * mean",
        "var = momentum * var + (1 - momentum) * sigma2": "var = 1 * var",
    },
)
batch_norm.mistake(
    "You divide the variance by N - 1 (ddof=1); divide by N.",
    {"x.var(axis=0)": "x.var(axis=0, ddof=1)"},
)
batch_norm.mistake(
    "You add eps to the root; add it to the variance, under the root.",
    {"np.sqrt(sigma2 + eps)": "(np.sqrt(sigma2) + eps)"},
)
batch_norm.mistake(
    "gamma and beta are missing: multiply by gamma, then add beta.", {"gamma * (x - mu)": "(x - mu)", " + beta": ""}
)
batch_norm.mistake(
    "In training you normalize with the running values; use the mean and variance of the batch.",
    {"y = gamma * (x - mu) / np.sqrt(sigma2 + eps)": "y = gamma * (x - mean) / np.sqrt(var + eps)"},
)
batch_norm.mistake(
    "You divide by the variance; divide by its square root.", {"np.sqrt(sigma2 + eps)": "(sigma2 + eps)"}
)
batch_norm.mistake(
    "You ignore `training`. In test, use the running values, and do not update them.",
    {"    if training:\n": "    if True:\n"},
)
