"""What predictions on a test set show: confusions and the worst mistakes."""

import numpy as np


def confusion(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Counts (n_y, n_y): true classes in rows, predicted ones in columns."""
    n_y = probabilities.shape[1]
    return np.bincount(labels * n_y + probabilities.argmax(axis=1), minlength=n_y * n_y).reshape(n_y, n_y)


def worst_mistakes(
    probabilities: np.ndarray, images: np.ndarray, labels: np.ndarray, classes: tuple[str, ...], limit: int = 24
) -> tuple[np.ndarray, list[str]]:
    """The misclassified images whose true class got the least probability, worst first, with captions."""
    predicted = probabilities.argmax(axis=1)
    truth = probabilities[np.arange(len(labels)), labels]
    order = np.argsort(truth, kind="stable")
    wrong = order[predicted[order] != labels[order]][:limit]
    captions = [f"{classes[labels[i]]} → {classes[predicted[i]]}\n{probabilities[i].max():.0%}" for i in wrong]
    return images[wrong], captions
