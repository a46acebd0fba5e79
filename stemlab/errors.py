"""Errors that a user can mend: each message names the thing, what is wrong and what to do."""

from importlib.util import find_spec


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


class ModelWarning(UserWarning):
    """A model runs, but not as was asked."""


class AudioWarning(UserWarning):
    """A sound file that was read or written, but not quite as it should be."""


class ClusterWarning(UserWarning):
    """Work goes on, but not as it should."""


def told(error: Exception, thing: object) -> str:
    """Return a sentence on any error that met a thing.

    Examples
    --------
    >>> told(AudioError("a.wav: is empty"), "a.wav"), told(KeyError("b"), "b.wav")
    ('a.wav: is empty', "b.wav: KeyError: 'b'")
    """
    known = isinstance(error, StemlabError)
    return str(error) if known else f"{thing}: {type(error).__name__}: {error}"


def need(module: str, said: str, extra: str) -> None:
    """Refuse to go on without a library that not everybody installs.

    Parameters
    ----------
    module
        What is imported.
    said
        What needs it, and its name, such as ``"a table needs pandas"``.
    extra
        The extra of stemlab that brings it.

    Raises
    ------
    SettingError
        If it is not there.

    Examples
    --------
    >>> need("nonesuch", "a table needs nonesuch", "research")
    Traceback (most recent call last):
    stemlab.errors.SettingError: a table needs nonesuch, which is not installed; ...
    """
    if find_spec(module) is None:
        raise SettingError(
            f"{said}, which is not installed; `pip install 'stemlab[{extra}]'` installs it"
        )
