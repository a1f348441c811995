"""Figures from records and arrays; nothing here trains, and nothing is shared between two figures.

Every function but `decision_animation` returns a `matplotlib.figure.Figure` for `save`. Accuracies come as fractions
and are drawn in percent.
"""

from rdfia_keras.plots.attribution import (
    attribution_grid,
    class_scores,
    filter_grid,
    prediction_rows,
    reliability,
    robustness,
)
from rdfia_keras.plots.comparisons import backprop_cost, comparison, number, svm_sweep
from rdfia_keras.plots.curves import implementations, learning_curves, notice, runs_side_by_side
from rdfia_keras.plots.images import augmentation_grid, confusion_matrix, image_grid, receptive_fields, score_maps
from rdfia_keras.plots.maps import decision_animation, decision_map, svm_panels
from rdfia_keras.plots.saving import MAX_BYTES, SMOKE_TEST_MARK, mark_smoke_test, save
from rdfia_keras.plots.sweeps import sweep_curves, sweep_points

__all__ = [
    "MAX_BYTES",
    "SMOKE_TEST_MARK",
    "attribution_grid",
    "augmentation_grid",
    "backprop_cost",
    "class_scores",
    "comparison",
    "confusion_matrix",
    "decision_animation",
    "decision_map",
    "filter_grid",
    "image_grid",
    "implementations",
    "learning_curves",
    "mark_smoke_test",
    "notice",
    "number",
    "prediction_rows",
    "receptive_fields",
    "reliability",
    "robustness",
    "runs_side_by_side",
    "save",
    "score_maps",
    "svm_panels",
    "svm_sweep",
    "sweep_curves",
    "sweep_points",
]
