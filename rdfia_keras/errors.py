"""The exceptions that a user is meant to read."""


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
