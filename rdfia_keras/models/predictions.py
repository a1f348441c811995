"""Scores of predictions: confusions, the worst mistakes, scores by class and calibration."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rdfia_keras.result import percent


def confusion(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return counts (n_y, n_y): true classes in rows, predicted ones in columns."""
    n_y = probabilities.shape[1]
    return np.bincount(labels * n_y + probabilities.argmax(axis=1), minlength=n_y * n_y).reshape(n_y, n_y)


def worst_mistakes(
    probabilities: np.ndarray, images: np.ndarray, labels: np.ndarray, classes: tuple[str, ...], limit: int = 24
) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Return the misclassified images whose true class is least probable, worst first, captions, and their indices."""
    predicted = probabilities.argmax(axis=1)
    truth = probabilities[np.arange(len(labels)), labels]
    order = np.argsort(truth, kind="stable")
    wrong = order[predicted[order] != labels[order]][:limit]
    captions = [f"{classes[labels[i]]} → {classes[predicted[i]]}\n{percent(probabilities[i].max(), 0)}" for i in wrong]
    return images[wrong], captions, wrong


def most_probable(probabilities: np.ndarray, classes: Sequence[str], top: int) -> list[list[tuple[str, float]]]:
    """Return, for each row of probabilities (N, n_y), the `top` classes with theirs, the most probable first."""
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :top]
    return [
        [(classes[label], float(row[label])) for label in chosen]
        for row, chosen in zip(probabilities, order, strict=True)
    ]


def class_rows(probabilities: np.ndarray, labels: np.ndarray, classes: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return for each class its images, recall (the accuracy on them) and precision; 0 where nothing is predicted."""
    from sklearn.metrics import precision_recall_fscore_support

    precision, recall, _, counts = precision_recall_fscore_support(
        labels, probabilities.argmax(axis=1), labels=range(len(classes)), zero_division=0
    )
    return [
        {"class": name, "images": int(n), "recall": float(r), "precision": float(p)}
        for name, n, r, p in zip(classes, counts, recall, precision, strict=True)
    ]


def calibration(probabilities: np.ndarray, labels: np.ndarray, bins: int = 15) -> tuple[list[dict[str, float]], float]:
    """Return the bins of a reliability diagram, and the expected calibration error (arXiv 1706.04599, eq. 3).

    The confidence of a prediction is its probability; the error is the mean over all predictions of the difference
    between the accuracy and the mean confidence of its bin. The bins are equally wide, and hold their upper edges.

    Returns:
        A row for each bin (low, high, count, confidence, accuracy), and the error, a fraction.
    """
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    edges = np.linspace(0, 1, bins + 1)
    places = np.clip(np.digitize(confidence, edges, right=True) - 1, 0, bins - 1)
    rows, error = [], 0.0
    for number in range(bins):
        inside = places == number
        count = int(inside.sum())
        mean, accuracy = (float(confidence[inside].mean()), float(right[inside].mean())) if count else (0.0, 0.0)
        error += count / len(labels) * abs(accuracy - mean)
        low, high = float(edges[number]), float(edges[number + 1])
        rows.append({"low": low, "high": high, "count": count, "confidence": mean, "accuracy": accuracy})
    return rows, error
