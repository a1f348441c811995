"""Images looked up at other places: bilinear, by gathers of whole pixels, which every back end and XLA can compile.

Keras's own `affine_transform` and `perspective_transform` call an operation of TensorFlow that XLA cannot compile, and
XLA is what Keras uses on a GPU.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

# A tensor of whichever back end.
Tensor = Any


def index_dtype() -> str:
    """Return the integer type to compute indices in: TensorFlow keeps int32 arithmetic of a GPU in host memory."""
    return "int64" if keras.backend.backend() == "tensorflow" else "int32"


def gather_pixels(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Gather whole pixels of each image: (N, H, W, C), (N, h, w), (N, h, w) -> (N, h, w, C), same dtype.

    Rows and columns are of `index_dtype` and lie within the image.
    """
    height, width, channels = images.shape[1:]
    number = ops.arange(ops.shape(images)[0], dtype=index_dtype())[:, None, None]
    # One gather from a flat list: ten times faster than rows first and columns then.
    return ops.take(ops.reshape(images, (-1, channels)), (number * height + rows) * width + columns, axis=0)


def sample(images: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """Sample bilinearly, black outside: float32 (N, H, W, C), (N, h, w), (N, h, w) -> (N, h, w, C).

    The rows y and the columns x are counted in pixels from the first one's centre.
    """
    height, width = images.shape[1:3]
    top, left = ops.floor(y), ops.floor(x)
    total = 0.0
    for row, along_y in ((top, top + 1 - y), (top + 1, y - top)):
        for column, along_x in ((left, left + 1 - x), (left + 1, x - left)):
            inside = (row >= 0) & (row <= height - 1) & (column >= 0) & (column <= width - 1)
            weight = ops.cast(inside, "float32") * along_y * along_x
            places = (ops.clip(row, 0, height - 1), ops.clip(column, 0, width - 1))
            pixels = gather_pixels(images, *(ops.cast(place, index_dtype()) for place in places))
            total = total + weight[..., None] * pixels
    return total


def project(images: Tensor, matrix: list[list[Tensor]]) -> Tensor:
    """Warp images: pixel (x, y) shows the place (x', y') of the original, with (x', y', w) = matrix · (x, y, 1) / w.

    Args:
        images: float32 (N, H, W, C).
        matrix: Three rows of three tensors (N,): the projective map from the output to the input.
    """
    height, width = images.shape[1:3]
    rows, columns = np.mgrid[0:height, 0:width].astype("float32")
    x, y, w = (a[:, None, None] * columns + b[:, None, None] * rows + c[:, None, None] for a, b, c in matrix)
    return sample(images, y / w, x / w)


def rectangle_to(corners: Tensor, width: float, height: float) -> list[list[Tensor]]:
    """Compute the projective map that takes a rectangle's corners to four others (Heckbert 1989, section 2.2.3).

    `corners`, (N, 4, 2) as (x, y), are where (0, 0), (width, 0), (0, height) and (width, height) go.
    """
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = ((corners[:, i, 0], corners[:, i, 1]) for i in range(4))
    # First the map of the unit square.
    dx1, dx2, sx = x1 - x3, x2 - x3, x0 - x1 + x3 - x2
    dy1, dy2, sy = y1 - y3, y2 - y3, y0 - y1 + y3 - y2
    determinant = dx1 * dy2 - dx2 * dy1
    g, h = (sx * dy2 - dx2 * sy) / determinant, (dx1 * sy - sx * dy1) / determinant
    a, b, c = x1 - x0 + g * x1, x2 - x0 + h * x2, x0
    d, e, f = y1 - y0 + g * y1, y2 - y0 + h * y2, y0
    return [
        [a / width, b / height, c],
        [d / width, e / height, f],
        [g / width, h / height, ops.ones_like(x0)],
    ]


def inverse(matrix: list[list[Tensor]]) -> list[list[Tensor]]:
    """Invert a projective map, up to a factor, which changes nothing: its adjugate."""
    (a, b, c), (d, e, f), (g, h, i) = matrix
    return [
        [e * i - f * h, c * h - b * i, b * f - c * e],
        [f * g - d * i, a * i - c * g, c * d - a * f],
        [d * h - e * g, b * g - a * h, a * e - b * d],
    ]
