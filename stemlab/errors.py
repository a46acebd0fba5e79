"""Errors that a user can mend: each message names the thing, what is wrong and what to do."""


class StemlabError(Exception):
    """Base of every error raised on purpose; command line and notebooks show it as one line."""

    def _render_traceback_(self) -> list[str]:
        """Give IPython the sentence in place of a traceback."""
        return [f"{type(self).__name__}: {self}"]


class AudioError(StemlabError):
    """A sound file that cannot be read or written."""


class ModelError(StemlabError):
    """A model that is missing, damaged, foreign or cannot run here."""


class SettingError(StemlabError, ValueError):
    """A setting that has no meaning, such as a hop longer than the window."""


class AudioWarning(UserWarning):
    """A sound file that was read or written, but not quite as it should be."""
