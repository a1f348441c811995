"""Part 2.2: support vector machines on the circles, in NumPy.

The homework's kernels are scikit-learn's, with gamma = 1 / (n_x · var(x)) and coef0 = 0.
"""

import numpy as np

from rdfia_keras.learn.exercise import core, edge, exercise


@exercise(
    "2.2",
    hints=(
        "The squared distance of two points is the sum over their coordinates of (a_i - b_i)². "
        "a[:, None, :] - b[None, :, :] has all differences at once.",
        "differences (n, m, n_x); squares summed over the last axis (n, m); exponential (n, m).",
    ),
)
def rbf_kernel(a, b, gamma):
    """Part 2.2: the radial kernel of every point of a with every point of b.

        K_ij = exp(-gamma ‖a_i - b_j‖²)

    Args:
        a: (n, n_x), a point in each row.
        b: (m, n_x).
        gamma: How fast it falls with the distance.

    Returns:
        (n, m).

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
rbf_kernel.mistake(
    "You take the distance; the kernel has its square.", {"squares.sum(axis=2)": "np.sqrt(squares.sum(axis=2))"}
)
rbf_kernel.mistake(
    "You divide by 2 gamma², as with a standard deviation. gamma multiplies the squared distance.",
    {"-gamma * squares.sum(axis=2)": "-squares.sum(axis=2) / (2 * gamma**2)"},
)
rbf_kernel.mistake("The minus is missing: the kernel grows with the distance.", {"-gamma": "gamma"})
rbf_kernel.mistake("gamma is missing.", {"-gamma * ": "-"})
rbf_kernel.mistake(
    "Rows belong to a and columns to b: yours is transposed.",
    {"np.exp(-gamma * squares.sum(axis=2))": "np.exp(-gamma * squares.sum(axis=2)).T"},
)
rbf_kernel.mistake(
    "You take the mean of the squares over the coordinates; the distance has their sum.",
    {"squares.sum": "squares.mean"},
)
rbf_kernel.mistake(
    "The exponential is missing.", {"np.exp(-gamma * squares.sum(axis=2))": "-gamma * squares.sum(axis=2)"}
)


@exercise(
    "2.2",
    hints=(
        "All inner products at once are a matrix product: entry (i, j) is row i of a times row j of b.",
        "a (n, n_x) times b.T (n_x, m) is (n, m); gamma and the power work entry by entry.",
    ),
)
def poly_kernel(a, b, gamma, degree):
    """Part 2.2: the polynomial kernel of every point of a with every point of b.

        K_ij = (gamma ⟨a_i, b_j⟩)^degree

    There is no constant term: coef0 = 0, as in the homework. That is why only even degrees surround a disc.

    Args:
        a: (n, n_x), a point in each row.
        b: (m, n_x).
        gamma: A factor inside the power.
        degree: A whole number.

    Returns:
        (n, m).

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


poly_kernel.mistake("You add 1 inside the power; here coef0 is 0.", {"gamma * (a @ b.T)": "gamma * (a @ b.T) + 1"})
poly_kernel.mistake("gamma stands inside the power.", {"(gamma * (a @ b.T)) ** degree": "gamma * (a @ b.T) ** degree"})
poly_kernel.mistake("gamma is missing.", {"gamma * (a @ b.T)": "a @ b.T"})
poly_kernel.mistake(
    "You raise the coordinates to the power before their inner product is taken.",
    {"(gamma * (a @ b.T)) ** degree": "gamma**degree * (a**degree @ (b**degree).T)"},
)
poly_kernel.mistake("You multiply by the degree; it is a power.", {"** degree": "* degree"})
poly_kernel.mistake("Rows belong to a and columns to b: yours is transposed.", {"a @ b.T": "b @ a.T"})


@exercise(
    "2.2, T1",
    hints=(
        "Train on (x, y), judge on (x_val, y_val). Go through the kernels in their order and through the C from the "
        "smallest: only a strictly better accuracy replaces what you have.",
        "predict(x_val) is (M,), as y_val; the mean of their equality is one number.",
    ),
    returns="kernel, C",
)
def choose_svm(x, y, x_val, y_val, kernels, Cs, fit):
    """Part 2.2 and T1: choose kernel and C on the validation set.

    Every kernel with every C is trained on the training set; the best on the validation set wins. Among equals the
    kernel that comes first in `kernels` wins, then the smallest C: it has the widest margin.

    Args:
        x: (N, n_x), training examples.
        y: (N,), their class numbers.
        x_val: (M, n_x), validation examples.
        y_val: (M,), their class numbers.
        kernels: Names, such as ["linear", "rbf"].
        Cs: Numbers, in any order.
        fit: fit(kernel, C, x, y) trains a machine and returns predict, a function of (K, n_x) that gives (K,).

    Returns:
        The name of the kernel, and C.

    Example:
        Validation accuracies of linear 50 % and 60 % and of rbf 95 % and 95 %, at C = 1 and 10: the answer is "rbf", 1.

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


def machines(hits):
    """A `fit` whose machines get as many validation examples right as a table says.

    The first coordinate of an example is its class, so that a machine knows what it should answer, and gets wrong.

    Args:
        hits: For (kernel, C) the right answers after training on 6, 10 and 4 examples, and on the training set itself.
    """

    def fit(kernel, C, x, y):
        trained_on_6, trained_on_10, trained_on_4, on_training_set = hits[kernel, C]

        def predict(points):
            known = {6: trained_on_6, 10: trained_on_10, 4: trained_on_4}[len(x)]
            known = on_training_set if len(points) == 6 else known
            classes = points[:, 0].astype(int)
            return np.where(np.arange(len(points)) < known, classes, 1 - classes)

        return predict

    return fit


@choose_svm.inputs
def _(rng):
    sets = []
    for count in (6, 4):
        classes = rng.integers(0, 2, count)
        sets += [np.column_stack([classes, rng.normal(size=count)]), classes]
    yield core(
        "one best machine, which is not the best on the training set",
        *sets,
        ["linear", "rbf"],
        [1.0, 10.0],
        machines(
            {
                ("linear", 1.0): (1, 2, 2, 6),
                ("linear", 10.0): (2, 4, 3, 5),
                ("rbf", 1.0): (3, 3, 2, 4),
                ("rbf", 10.0): (2, 2, 4, 3),
            }
        ),
    )
    yield edge(
        "equal machines, and C in no order",
        *sets,
        ["poly", "rbf"],
        [10.0, 0.1, 1.0],
        machines(
            {
                ("poly", 0.1): (1, 2, 1, 3),
                ("poly", 1.0): (3, 3, 2, 2),
                ("poly", 10.0): (3, 4, 2, 6),
                ("rbf", 0.1): (3, 2, 3, 5),
                ("rbf", 1.0): (3, 1, 3, 5),
                ("rbf", 10.0): (0, 1, 4, 4),
            }
        ),
    )


choose_svm.mistake(
    "You choose by the accuracy on the training set, which a machine may know by heart: judge on the validation set.",
    {"predict(x_val) == y_val": "predict(x) == y"},
)
choose_svm.mistake(
    "Among equals you take the last. Only a strictly better accuracy replaces what you have.",
    {"> best_accuracy": ">= best_accuracy"},
)
choose_svm.mistake(
    "You train on the validation set too; then it cannot judge any more.",
    {"fit(kernel, C, x, y)": "fit(kernel, C, np.concatenate([x, x_val]), np.concatenate([y, y_val]))"},
)
choose_svm.mistake("You train on the validation set.", {"fit(kernel, C, x, y)": "fit(kernel, C, x_val, y_val)"})
choose_svm.mistake(
    "Among equals you take the C that comes first in the list; the smallest was asked for.", {"sorted(Cs)": "Cs"}
)
choose_svm.mistake(
    "You take the machine with the most errors.", {"right = predict(x_val) == y_val": "right = predict(x_val) != y_val"}
)
choose_svm.mistake("You try the first kernel only.", {"in kernels": "in kernels[:1]"})
