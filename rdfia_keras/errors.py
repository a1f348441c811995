"""The one exception that a user is meant to read."""


class RdfiaError(Exception):
    """Something the user can mend; the message is one plain sentence that names the fix.

    The command line prints it on stderr, without a traceback, and exits 1.
    """
