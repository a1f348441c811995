"""Part 2.2: support vector machines on the circles, in NumPy.

A support vector machine (SVM) separates two classes with the widest margin. A kernel K(a, b) says how alike two points
are; with it the border between the classes can be curved. The circles are points in the plane, one class around the
other. The homework uses scikit-learn's kernels, with gamma = 1 / (n_x · var(x)) and coef0 = 0.
"""

import numpy as np

from rdfia_keras.learn.exercise import core, edge, exercise


@exercise(
    "2.2",
    hints=(
        "K_ij = exp(-gamma · squared distance). The squared distance of two points is the sum of the squared "
        "differences of their coordinates; a[:, None, :] - b[None, :, :] holds all differences.",
        "Differences (n, m, n_x); their squares summed over the last axis (n, m); exponential (n, m).",
    ),
)
def rbf_kernel(a, b, gamma):
    """Part 2.2: the radial (RBF) kernel of each point of a with each point of b.

        K_ij = exp(-gamma ‖a_i - b_j‖²)

    Args:
        a: (n, n_x), a point in each row.
        b: (m, n_x).
        gamma: A positive number. The larger it is, the faster the kernel falls with the distance.

    Returns:
        K, (n, m).

    Example:
        >>> rbf_kernel(np.array([[0.0, 0.0], [1.0, 1.0]]), np.array([[0.0, 0.0], [1.0, 1.0]]), np.log(2))
        [[1.0, 0.25], [0.25, 1.0]]

    Allowed: NumPy. Not sklearn.metrics.pairwise.
    """
    squares = (a[:, None, :] - b[None, :, :]) ** 2
    return np.exp(-gamma * squares.sum(axis=2))


def _points(rng):
    yield core("4 points and 3 points of the plane", rng.normal(size=(4, 2)), rng.normal(size=(3, 2)), 0.4)
    yield core("3 points and 3 points in space", rng.normal(size=(3, 3)), rng.normal(size=(3, 3)), 0.7)
    yield edge("one point and one point", rng.normal(size=(1, 2)), rng.normal(size=(1, 2)), 0.5)


rbf_kernel.inputs(_points)
rbf_kernel.mistake("You use the distance; use its square.", {"squares.sum(axis=2)": "np.sqrt(squares.sum(axis=2))"})
rbf_kernel.mistake(
    "You divide by 2 gamma², as if gamma were a standard deviation. Multiply the squared distance by gamma.",
    {"-gamma * squares.sum(axis=2)": "-squares.sum(axis=2) / (2 * gamma**2)"},
)
rbf_kernel.mistake("The minus is missing: your kernel grows with the distance, but it must fall.", {"-gamma": "gamma"})
rbf_kernel.mistake("gamma is missing: multiply the squared distance by it.", {"-gamma * ": "-"})
rbf_kernel.mistake(
    "Your result is transposed: rows belong to a, columns to b.",
    {"np.exp(-gamma * squares.sum(axis=2))": "np.exp(-gamma * squares.sum(axis=2)).T"},
)
rbf_kernel.mistake(
    "You take the mean of the squares over the coordinates; take their sum.",
    {"squares.sum": "squares.mean"},
)
rbf_kernel.mistake(
    "The exponential is missing: apply np.exp.",
    {"np.exp(-gamma * squares.sum(axis=2))": "-gamma * squares.sum(axis=2)"},
)


@exercise(
    "2.2",
    hints=(
        "The matrix product a bᵀ holds all inner products: its entry (i, j) is ⟨a_i, b_j⟩. Multiply by gamma, then "
        "raise to the power degree.",
        "a (n, n_x) @ b.T (n_x, m) is (n, m); gamma and the power apply entry by entry.",
    ),
)
def poly_kernel(a, b, gamma, degree):
    """Part 2.2: the polynomial kernel of each point of a with each point of b.

        K_ij = (gamma ⟨a_i, b_j⟩)^degree

    ⟨a_i, b_j⟩ is the inner product of two points. No constant is added inside the power: coef0 = 0, as in the homework.
    (This is why only even degrees can separate a disc from the points around it.)

    Args:
        a: (n, n_x), a point in each row.
        b: (m, n_x).
        gamma: A factor inside the power.
        degree: A positive integer.

    Returns:
        K, (n, m).

    Example:
        >>> poly_kernel(np.array([[1.0, 0.0], [1.0, 1.0]]), np.array([[2.0, 0.0], [0.0, 1.0]]), 0.5, 2)
        [[1.0, 0.0], [1.0, 0.25]]

    Allowed: NumPy. Not sklearn.metrics.pairwise.
    """
    return (gamma * (a @ b.T)) ** degree


@poly_kernel.inputs
def _(rng):
    for case, degree in zip(_points(rng), (2, 3, 4), strict=True):
        yield type(case)(case.label, (*case.arguments, degree), case.edge)


poly_kernel.mistake(
    "You add 1 inside the power; add nothing (coef0 = 0).", {"gamma * (a @ b.T)": "gamma * (a @ b.T) + 1"}
)
poly_kernel.mistake(
    "You multiply by gamma after the power; multiply before it.",
    {"(gamma * (a @ b.T)) ** degree": "gamma * (a @ b.T) ** degree"},
)
poly_kernel.mistake("gamma is missing: multiply the inner products by it.", {"gamma * (a @ b.T)": "a @ b.T"})
poly_kernel.mistake(
    "You raise the coordinates to the power; take the inner products first, then the power.",
    {"(gamma * (a @ b.T)) ** degree": "gamma**degree * (a**degree @ (b**degree).T)"},
)
poly_kernel.mistake("You multiply by degree; raise to the power degree.", {"** degree": "* degree"})
poly_kernel.mistake("Your result is transposed: rows belong to a, columns to b.", {"a @ b.T": "b @ a.T"})


@exercise(
    "2.2, T1",
    hints=(
        "Train on (x, y) and compute the accuracy on (x_val, y_val). Loop over kernels in their order and over "
        "sorted(Cs); replace the best pair only if the accuracy is strictly higher.",
        "predict(x_val) is (M,), like y_val; the mean of predict(x_val) == y_val is one number.",
    ),
    returns="kernel, C",
)
def choose_svm(x, y, x_val, y_val, kernels, Cs, fit):
    """Part 2.2 and T1: choose the kernel and C on the validation set.

    C is the price of errors on the training set: the smaller C, the wider the margin. Train each kernel with each C on
    the training set, and choose the pair with the highest accuracy on the validation set. Among equal accuracies choose
    the kernel that comes first in `kernels`, then the smallest C.

    Args:
        x: (N, n_x), training examples.
        y: (N,), their classes, as integers.
        x_val: (M, n_x), validation examples.
        y_val: (M,), their classes.
        kernels: Names, such as ["linear", "rbf"].
        Cs: The values of C to try, in any order.
        fit: A function: fit(kernel, C, x, y) trains an SVM and returns a function predict. predict(points) takes
            points (K, n_x) and returns their classes (K,).

    Returns:
        The name of the kernel, and C.

    Example:
        With kernels ["linear", "rbf"], Cs [1, 10], and validation accuracies of 50 % and 60 % for linear, 95 % and 95 %
        for rbf, return "rbf", 1.

    Allowed: NumPy; training goes through fit.
    """
    best, best_accuracy = ("", 0.0), -1.0
    for kernel in kernels:
        for C in sorted(Cs):
            predict = fit(kernel, C, x, y)
            right = predict(x_val) == y_val
            if right.mean() > best_accuracy:
                best, best_accuracy = (kernel, C), right.mean()
    return best


def classifiers(hits):
    """Return a `fit` that makes classifiers with as many validation examples right as a table says.

    The first coordinate of an example is its class, so a classifier knows what is right, and what is wrong. Its errors
    are below the right class for C of at most 1, else above.

    Args:
        hits: For (kernel, C) the right answers after training on 6, 10 and 4 examples, and on the training set itself.
    """

    def fit(kernel, C, x, y):
        trained_on_6, trained_on_10, trained_on_4, on_training_set = hits[kernel, C]
        if not np.array_equal(np.asarray(x)[:, 0], y):
            raise ValueError("fit(kernel, C, x, y): x and y do not belong together")

        def predict(points):
            count = {6: trained_on_6, 10: trained_on_10, 4: trained_on_4}[len(x)]
            count = on_training_set if len(points) == 6 else count
            classes = points[:, 0].astype(int)
            return np.where(np.arange(len(points)) < count, classes, classes + (1 if C > 1 else -1))

        return predict

    return fit


@choose_svm.inputs
def _(rng):
    sets = []
    for count in (6, 4):
        classes = rng.integers(0, 2, count)
        sets += [np.column_stack([classes, rng.normal(size=count)]), classes]
    yield core(
        "one best SVM, which is not the best on the training set",
        *sets,
        ["linear", "rbf"],
        [1.0, 10.0],
        classifiers(
            {
                ("linear", 1.0): (1, 2, 2, 6),
                ("linear", 10.0): (2, 4, 3, 5),
                ("rbf", 1.0): (3, 3, 2, 4),
                ("rbf", 10.0): (2, 2, 4, 3),
            }
        ),
    )
    yield edge(
        "equally good SVMs, and C in no order",
        *sets,
        ["poly", "rbf"],
        [10.0, 100.0, 1.0, 0.1],
        classifiers(
            {
                ("poly", 0.1): (1, 2, 1, 3),
                ("poly", 1.0): (3, 3, 2, 2),
                ("poly", 10.0): (3, 4, 2, 6),
                ("poly", 100.0): (3, 2, 1, 6),
                ("rbf", 0.1): (3, 2, 3, 5),
                ("rbf", 1.0): (3, 1, 3, 5),
                ("rbf", 10.0): (0, 1, 4, 4),
                ("rbf", 100.0): (2, 3, 2, 6),
            }
        ),
    )


choose_svm.mistake(
    "You compute the accuracy on the training set, which an SVM can learn by heart. Use the validation set.",
    {"predict(x_val) == y_val": "predict(x) == y"},
)
choose_svm.mistake(
    "Among equal accuracies you take the last. Replace the best pair only if the accuracy is strictly higher.",
    {"> best_accuracy": ">= best_accuracy"},
)
choose_svm.mistake(
    "You train on the validation set too, so it no longer stands for new examples. Train on the training set only.",
    {"fit(kernel, C, x, y)": "fit(kernel, C, np.concatenate([x, x_val]), np.concatenate([y, y_val]))"},
)
choose_svm.mistake(
    "You train on the validation set; train on the training set.",
    {"fit(kernel, C, x, y)": "fit(kernel, C, x_val, y_val)"},
)
choose_svm.mistake(
    "Among equal accuracies you take the C that comes first in Cs; take the smallest.", {"sorted(Cs)": "Cs"}
)
choose_svm.mistake(
    "Among equal accuracies you take the largest C; take the smallest.", {"sorted(Cs)": "sorted(Cs, reverse=True)"}
)
choose_svm.mistake(
    "You choose the pair with the most errors; choose the one with the fewest.",
    {"right = predict(x_val) == y_val": "right = predict(x_val) != y_val"},
)
choose_svm.mistake("You try only the first kernel; try all of them.", {"in kernels": "in kernels[:1]"})
