"""Whitening of the pixels with the training set's principal axes (question 21)."""

import math
from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from rdfia_keras.models.augmentation import PACKAGE
from rdfia_keras.system.backend import uses_tf32

# By name of `config.WHITENINGS`: the matrix (d, d) that centred pixels are multiplied with, from scaled and plain
# eigenvectors.
MATRICES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "zca": lambda scaled, vectors: scaled @ vectors.T,
    "pca": lambda scaled, vectors: scaled,
}


@keras.saving.register_keras_serializable(PACKAGE)
class Whitening(keras.layers.Layer):
    """Whitening: along each eigenvector of the training set, a variance λ becomes λ / (λ + ε) (question 21).

    With the covariance U diag(λ) Uᵀ, PCA gives diag(λ + ε)^-½ Uᵀ (x - mean): uncorrelated coordinates along the
    eigenvectors, in which no neighbourhood is left. ZCA turns them back, U diag(λ + ε)^-½ Uᵀ (x - mean). For ε = 0 all
    variances are 1, and ZCA gives of all white images the ones nearest to the original; where λ is far below ε, a
    direction stays small.

    Input and output (N, H, W, C), float32.

    Args:
        kind: `zca` or `pca`.
        epsilon: ε, added to the variances λ, of pixels in [0, 1]: directions of less variance are not blown up.
    """

    def __init__(self, kind: str = "zca", epsilon: float = 0.01, **kwargs):
        if kind not in MATRICES:
            raise ValueError(f"unknown whitening {kind!r}; expected {' or '.join(MATRICES)}")
        super().__init__(dtype="float32", **{key: value for key, value in kwargs.items() if key != "dtype"})
        self.kind, self.epsilon = kind, epsilon

    def build(self, input_shape):
        """Make the mean and the matrix, for images of a fixed size."""
        if None in input_shape[1:]:
            raise ValueError(
                f"Whitening needs images of a fixed size and got an input of shape {tuple(input_shape)}: it has a "
                "weight for each pair of pixels; give keras.Input a height and a width"
            )
        size = math.prod(input_shape[1:])
        self.mean = self.add_weight((size,), "zeros", trainable=False, name="mean")
        self.matrix = self.add_weight((size, size), "zeros", trainable=False, name="matrix")

    def adapt(self, mean: np.ndarray, variances: np.ndarray, vectors: np.ndarray) -> None:
        """Take the principal axes of the training set, never of another: see `principal_axes`."""
        scaled = vectors / np.sqrt(np.maximum(variances, 0) + self.epsilon)
        self.mean.assign(mean)
        self.matrix.assign(MATRICES[self.kind](scaled, vectors))

    def call(self, images):
        """Whiten images (N, H, W, C)."""
        shape = ops.shape(images)
        x = ops.reshape(images, (shape[0], -1)) - self.mean
        x = product_of_parts(x, self.matrix) if uses_tf32() else x @ self.matrix
        return ops.reshape(x, (shape[0], *images.shape[1:]))

    def compute_output_shape(self, input_shape):
        """Return the shape of the input."""
        return input_shape

    def get_config(self):
        """Return what the layer is made of."""
        return {**super().get_config(), "kind": self.kind, "epsilon": self.epsilon}


def product_of_parts(x, y):
    """Multiply x @ y in float32 to 22 binary digits, on a GPU that multiplies by TF32's 11, in four products.

    Where variances are small, whitened pixels are small differences of large terms, and TF32's errors show. Keras has
    no option for the precision of a product.
    """
    (x_high, x_low), (y_high, y_low) = two_parts(x), two_parts(y)
    small = ops.matmul(x_high, y_low) + ops.matmul(x_low, y_high) + ops.matmul(x_low, y_low)
    return ops.matmul(x_high, y_high) + small


def two_parts(x):
    """Split x, float32, into a sum: its first 11 binary digits, which TF32 holds exactly, and the other 13.

    The bits are cut off as bits: a compiler may take a rounding by arithmetic, or by a cast, for no operation.
    """
    x = ops.convert_to_tensor(x)
    high = ops.view(ops.bitwise_and(ops.view(x, "int32"), -(1 << 13)), "float32")
    return high, x - high
