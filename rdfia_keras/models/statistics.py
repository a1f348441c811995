"""Statistics of the training set, and of it alone, for preprocessing (question 20)."""

import numpy as np


def channel_statistics(images: np.ndarray) -> tuple[list[float], list[float]]:
    """Compute mean and standard deviation per channel of uint8 images (N, H, W, C), on pixels in [0, 1].

    Counted exactly from each channel's histogram, without a float copy of the images. For the training set alone:
    question 20.
    """
    values = np.arange(256) / 255
    mean, std = [], []
    for channel in range(images.shape[-1]):
        share = np.bincount(images[..., channel].ravel(), minlength=256) / images[..., channel].size
        mean.append(float(share @ values))
        std.append(float(np.sqrt(share @ (values - mean[-1]) ** 2)))
    # A constant channel has nothing to normalise.
    return mean, [s if s > 0 else 1.0 for s in std]


def principal_axes(
    images: np.ndarray, size: tuple[int, int] | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compute mean (d,), variances (d,) and eigenvectors (d, d, in columns) of the pixels, largest variance first.

    For the training set alone: question 20 again. d is 3072 on CIFAR-10, where this takes some seconds. Images, uint8
    (N, H, W, C), are read as pixels in [0, 1]. Where a size is given, their centre of that size is used.
    """
    height, width = size or images.shape[1:3]
    # As a crop does in evaluation, also where there is no pixel in the middle.
    top, left = (images.shape[1] - height) // 2, (images.shape[2] - width) // 2
    images = images[:, top : top + height, left : left + width]
    mean = images.mean(axis=0, dtype=np.float64).ravel() / 255
    products = np.zeros((len(mean), len(mean)), np.float32)
    # A part at a time: all of CIFAR-10 as floats would be 600 MB.
    for begin in range(0, len(images), 5000):
        part = images[begin : begin + 5000].reshape(-1, len(mean)).astype(np.float32) / 255 - mean.astype(np.float32)
        products += part.T @ part
    variances, vectors = np.linalg.eigh(products / len(images))
    return mean.astype(np.float32), variances[::-1], vectors[:, ::-1]
