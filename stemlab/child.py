"""Interpreters that are started: code in the folder where somebody works is not theirs to run."""

from __future__ import annotations

import sys
from pathlib import Path

# Python before 3.11 has no -P: it imports first from the folder where it starts. What can start
# elsewhere starts here, where nobody but the owner of the machine writes.
FOLDER = Path(sys.executable).anchor
SAFE = ("-P",) if sys.version_info >= (3, 11) else ()


def python(*arguments: str) -> list[str]:
    """Return the command of an interpreter.

    Examples
    --------
    >>> python("-m", "this")[-2:]
    ['-m', 'this']
    """
    return [sys.executable, *SAFE, *arguments]
