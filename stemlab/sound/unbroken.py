"""Signals wait while a library calls back into Python, where what they raise would be lost."""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STOPS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
"""Signals that ask for an end."""


@contextlib.contextmanager
def unbroken() -> Iterator[Callable[[], None]]:
    """Hold back signals that ask for an end; their handlers are called afterwards.

    What it provides calls them at once: where an end does no harm.

    Examples
    --------
    >>> done = []
    >>> before = signal.signal(signal.SIGTERM, lambda *_: done.append("stopped"))
    >>> with unbroken():
    ...     signal.raise_signal(signal.SIGTERM)
    ...     done.append("whole")
    >>> done
    ['whole', 'stopped']
    >>> _ = signal.signal(signal.SIGTERM, before)
    """
    if threading.current_thread() is not threading.main_thread():  # signals go to the main one
        yield lambda: None
        return
    came: list[tuple[int, Any]] = []
    handlers = {number: signal.getsignal(number) for number in STOPS}
    ours = {number: handler for number, handler in handlers.items() if callable(handler)}

    def hear() -> None:
        while came:
            number, frame = came.pop(0)
            ours[signal.Signals(number)](number, frame)

    try:
        for number in ours:
            signal.signal(number, lambda *what: came.append(what))
        yield hear
    finally:
        for number, handler in ours.items():
            signal.signal(number, handler)
        hear()
