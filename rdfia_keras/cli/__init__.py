"""The command line: options in, one call, one place that prints. It imports nothing heavy by itself."""

from rdfia_keras.cli.app import app, main

__all__ = ["app", "main"]
