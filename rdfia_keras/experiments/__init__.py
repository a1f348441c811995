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
    on,
    on_dataset,
    same_identity,
)
from rdfia_keras.experiments.report_figures import FIGURES, ReportFigure, figures_of
from rdfia_keras.experiments.sweeps import SWEEPS, Sweep, declare_sweep

__all__ = [
    "FIGURES",
    "LADDER",
    "MODERN_LADDER",
    "REGISTRY",
    "SWEEPS",
    "Experiment",
    "ReportClaim",
    "ReportFigure",
    "Sweep",
    "bonus_experiments",
    "declare",
    "declare_sweep",
    "figures_of",
    "match_registered",
    "on",
    "on_dataset",
    "same_identity",
]
