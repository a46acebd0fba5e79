"""How much memory a stretch of code takes."""

from __future__ import annotations

import contextlib
import tracemalloc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextlib.contextmanager
def traced() -> Iterator[Callable[[], int]]:
    """Provide what tells the most bytes that were held so far beside those held before."""
    tracemalloc.start()
    try:
        yield lambda: tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
