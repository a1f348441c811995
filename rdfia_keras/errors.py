"""The exceptions that a user is meant to read."""

import difflib
from collections.abc import Iterable


class RdfiaError(Exception):
    """Something the user can mend; the message is one plain sentence that names the fix.

    The command line prints it on stderr, without a traceback, and exits 1.
    """


class ConfigError(RdfiaError, ValueError):
    """A setting, or a combination of settings, that cannot be run.

    From Python it is a `ValueError`; the command line prints the same sentence and exits 2.

    Attributes:
        fields: Names of the settings concerned.
    """

    def __init__(self, message: str, fields: tuple[str, ...] = ()):
        super().__init__(message)
        self.fields = fields


def did_you_mean(name: str, names: Iterable[str], otherwise: str = "") -> str:
    """Return how the error on an unknown name ends: with the closest name, or else with all of them.

    Args:
        name: The unknown name.
        names: The names to choose from.
        otherwise: What to write instead of all names.
    """
    names = list(dict.fromkeys(names))
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.55)
    return f"did you mean {near[0]}?" if near else otherwise or f"choose from {', '.join(names)}"
