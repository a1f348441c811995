"""Experiments: named configs, and what the report says of them. This needs the standard library only."""

from rdfia_keras.experiments.registry import (
    LADDER,
    MODERN_LADDER,
    REGISTRY,
    Experiment,
    ReportClaim,
    bonus_experiments,
    declare,
    match_registered,
    on_dataset,
)
from rdfia_keras.experiments.report_figures import FIGURES, ReportFigure, figure_keys, figures_of
from rdfia_keras.experiments.sweeps import SWEEPS, Sweep, declare_sweep
