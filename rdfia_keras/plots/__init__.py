"""Figures from records and arrays; nothing here trains.

Every function but `decision_animation` returns a `matplotlib.figure.Figure` for `save`. Accuracies come as fractions
and are drawn in percent.
"""

from rdfia_keras.plots.drawing import (
    backprop_cost,
    comparison,
    implementations,
    learning_curves,
    notice,
    runs_side_by_side,
    svm_sweep,
    sweep_curves,
    sweep_points,
)
from rdfia_keras.plots.images import (
    attribution_grid,
    augmentation_grid,
    filter_grid,
    image_grid,
    prediction_rows,
    receptive_fields,
    score_maps,
)
from rdfia_keras.plots.maps import decision_animation, decision_map, map_axis, svm_panels
from rdfia_keras.plots.png import save
from rdfia_keras.plots.scores import class_bars, class_scores, confusion_matrix, reliability, robustness
