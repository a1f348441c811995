"""Experiments: named configs, and what the report claims of them. This needs the standard library only."""

# ruff: noqa: I001  (in the order of the report, which is that of every list)
from rdfia_keras.experiments import perceptron, kernels, ladder, bonus
from rdfia_keras.experiments.bonus import bonus_experiments
from rdfia_keras.experiments.base import REGISTRY, Experiment, Reference, declare, on, same_identity
from rdfia_keras.experiments.figures import FIGURES, ReportFigure, figures_of
from rdfia_keras.experiments.ladder import LADDER
from rdfia_keras.experiments.matching import describe, match_registered, on_dataset
from rdfia_keras.experiments.sweeps import STUDIES, Sweep, declare_sweep, study_of

__all__ = [
    "FIGURES",
    "LADDER",
    "REGISTRY",
    "STUDIES",
    "Experiment",
    "Reference",
    "ReportFigure",
    "Sweep",
    "bonus",
    "bonus_experiments",
    "declare",
    "declare_sweep",
    "describe",
    "figures_of",
    "kernels",
    "ladder",
    "match_registered",
    "on",
    "on_dataset",
    "perceptron",
    "same_identity",
    "study_of",
]
