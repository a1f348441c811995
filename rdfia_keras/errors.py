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


def in_any_case(text: str, names: Iterable[str]) -> str:
    """Return the name that equals a text but for its case; the text itself where there is none."""
    names = list(names)
    return text if text in names else next((name for name in names if name.lower() == text.lower()), text)


def choose(what: str, text: str, names: Iterable[str], otherwise: str = "") -> str:
    """Return the name that a text means, in any case.

    Args:
        what: What has these names, for the error.
        text: What was typed.
        names: The names to choose from.
        otherwise: As in `did_you_mean`.

    Raises:
        ConfigError: If there is none.
    """
    names = list(names)
    if (name := in_any_case(text, names)) in names:
        return name
    raise ConfigError(f"there is no {what} {text!r}: {did_you_mean(text, names, otherwise)}")


def did_you_mean(name: str, names: Iterable[str], otherwise: str = "") -> str:
    """Return how the error on an unknown name ends: with the closest name, or else with all of them.

    Args:
        name: The unknown name.
        names: The names to choose from.
        otherwise: What to write instead of all names.
    """
    names = list(dict.fromkeys(names))
    near = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.55)
    return f"did you mean {near[0]}?" if near else otherwise or f"choose from {', '.join(names)}"
