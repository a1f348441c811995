"""The numbers of `rdfia inspect`: what a network is good at, how sure it is, and what disturbs it."""

from collections.abc import Callable
from typing import Any

import numpy as np

from rdfia_keras.data import Dataset, Split
from rdfia_keras.models.predictions import calibration, class_rows

# Test images of each measurement of blur and shift: a standard error of at most 1.2 points.
MAX_PERTURBED_IMAGES = 2000
BLURS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)  # standard deviation of the Gaussian, pixels
SHIFTS = (0, 1, 2, 4, 6, 8)  # pixels

Predict = Callable[[np.ndarray], np.ndarray]


def measure(predict: Predict, probabilities: np.ndarray, data: Dataset) -> dict[str, Any]:
    """Return the numbers of an inspection; accuracies, recalls, precisions and confidences are fractions."""
    test = data.test
    bins, error = calibration(probabilities, test.y)
    return {
        "test_images": len(test),
        "accuracy": float((probabilities.argmax(axis=1) == test.y).mean()),
        "expected_calibration_error": error,
        "mean_confidence": float(probabilities.max(axis=1).mean()),
        "classes": class_rows(probabilities, test.y, data.classes),
        "calibration": bins,
        **perturbations(predict, test),
    }


def perturbations(predict: Predict, test: Split) -> dict[str, Any]:
    """Return the accuracy on blurred and on shifted test images, `MAX_PERTURBED_IMAGES` at equal distances at most."""
    count = min(len(test), MAX_PERTURBED_IMAGES)
    chosen = test.pick(np.unique(np.linspace(0, len(test) - 1, count).astype(int)))

    def accuracy(images: np.ndarray) -> float:
        return float((predict(images).argmax(axis=1) == chosen.y).mean())

    shifts = [pixels for pixels in SHIFTS if pixels < min(chosen.x.shape[1:3])]
    return {
        "disturbed_images": len(chosen),
        "blur": [{"sigma": sigma, "accuracy": accuracy(blur(chosen.x, sigma))} for sigma in BLURS],
        "shift": [
            {"pixels": pixels, "accuracy": float(np.mean([accuracy(images) for images in shift(chosen.x, pixels)]))}
            for pixels in shifts
        ],
    }


def blur(images: np.ndarray, sigma: float) -> np.ndarray:
    """Blur images uint8 (N, H, W, C) by a Gaussian of `sigma` pixels; the edge is repeated outside."""
    from scipy.ndimage import gaussian_filter

    smooth = gaussian_filter(images.astype(np.float32), (0, sigma, sigma, 0), mode="nearest")
    return np.round(smooth).astype(np.uint8)


def shift(images: np.ndarray, pixels: int) -> list[np.ndarray]:
    """Move images uint8 (N, H, W, C) down, up, right and left; the edge is repeated where nothing was."""
    if not pixels:
        return [images]
    _, height, width, _ = images.shape
    padded = np.pad(images, ((0, 0), (pixels, pixels), (pixels, pixels), (0, 0)), mode="edge")
    corners = ((0, pixels), (2 * pixels, pixels), (pixels, 0), (pixels, 2 * pixels))
    return [padded[:, top : top + height, left : left + width] for top, left in corners]
