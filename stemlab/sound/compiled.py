"""librosa, which numba compiles where it is imported first, by one process at a time.

Two processes that compile at once leave halves in numba's cache that do not fit each other, and
each process that loads them dies (https://github.com/numba/numba/issues/10128).
"""

from __future__ import annotations

import contextlib
import functools
import importlib
from typing import TYPE_CHECKING, Any

import platformdirs

if TYPE_CHECKING:
    from collections.abc import Iterator

_LONGEST = 120.0  # seconds: a process that was stopped while it compiles does not stop others


@functools.cache
def librosa() -> Any:
    """Import librosa, with all of it that is compiled when it is imported.

    The first time on a machine takes some ten seconds, later ones two.

    Raises
    ------
    ImportError
        If it is not installed.

    Examples
    --------
    >>> librosa().note_to_hz("A4").item()
    440.0
    """
    with _alone():
        importlib.import_module("librosa.core.pitch")  # brings core.audio and util.utils
        return importlib.import_module("librosa")


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    from filelock import FileLock, Timeout

    with contextlib.ExitStack() as held:
        # Where nothing can be written, numba keeps no cache there, either.
        with contextlib.suppress(Timeout, OSError, NotImplementedError):
            folder = platformdirs.user_cache_path("stemlab", ensure_exists=True)
            held.enter_context(FileLock(folder / "librosa.lock", timeout=_LONGEST))
        yield
