"""The one exception a user is meant to read."""


class LssError(Exception):
    """Something the user can mend: names the file or setting, what is wrong with it, and the remedy.

    The command line prints its message without a traceback and exits with status 2.
    """
