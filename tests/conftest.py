"""What all tests share."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """Let signals stop what tests start, also under nohup and in the background.

    There they are ignored, and programs inherit that. They do not inherit a handler.
    """
    for stop in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(stop) is signal.SIG_IGN:
            signal.signal(stop, lambda *_: None)
