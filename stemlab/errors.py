"""Errors that a user can mend: each message names the thing, what is wrong and what to do."""


class StemlabError(Exception):
    """Base of every error raised on purpose; the command line prints it as one line."""


class AudioError(StemlabError):
    """A sound file that cannot be read or written."""


class ModelError(StemlabError):
    """A model that is missing, damaged, foreign or cannot run here."""


class SettingError(StemlabError, ValueError):
    """A setting that has no meaning, such as a hop longer than the window."""


class AudioWarning(UserWarning):
    """A sound file that was read or written, but not quite as it should be."""
