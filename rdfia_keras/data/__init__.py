"""Data sets by name or from a folder, as checked arrays. Importing this package imports NumPy only.

To add a data set, write a module of its name here that registers a loader, and declare the name in `config.py`:

>>> @vectors("moons")
... def load_vectors(data_dir):
...     return Dataset("moons", Split(...), Split(...), classes=("upper", "lower"))
"""

from rdfia_keras.config import IMAGE_DATASETS, VECTOR_DATASETS
from rdfia_keras.data.base import Dataset, Split, one_hot
from rdfia_keras.data.initial_weights import read_initial_weights
from rdfia_keras.data.loading import load_images, load_vectors

__all__ = [
    "IMAGE_DATASETS",
    "VECTOR_DATASETS",
    "Dataset",
    "Split",
    "load_images",
    "load_vectors",
    "one_hot",
    "read_initial_weights",
]
