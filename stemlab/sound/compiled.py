"""librosa, which numba compiles where it is imported first, by one process at a time.

Two processes that compile at once leave halves in numba's cache that do not fit each other, and
each process that loads them dies (https://github.com/numba/numba/issues/10128).
"""

from __future__ import annotations

import contextlib
import functools
import importlib
from typing import Any

import platformdirs

_LONGEST = 120.0  # seconds: a process that was stopped while it compiles does not stop others


@functools.cache
def librosa() -> Any:
    """Import librosa, with all of it that is compiled when it is imported.

    Took 17 s where nothing was compiled yet, and 1.7 s later, on an idle machine.

    Raises
    ------
    ImportError
        If it is not installed.

    Examples
    --------
    >>> librosa().note_to_hz("A4").item()
    440.0
    """
    from filelock import FileLock, Timeout

    with contextlib.ExitStack() as alone:
        with contextlib.suppress(Timeout, OSError, NotImplementedError):  # then without the lock
            folder = platformdirs.user_cache_path("stemlab", ensure_exists=True)
            alone.enter_context(FileLock(folder / "librosa.lock", timeout=_LONGEST))
        importlib.import_module("librosa.core.pitch")  # brings core.audio and util.utils
        return importlib.import_module("librosa")
