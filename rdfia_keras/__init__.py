"""A deep-learning homework, section by section, in Keras 3."""

__version__ = "0.1.0"
