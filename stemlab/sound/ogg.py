"""Links of an ogg file: files joined end to end are one file too (RFC 3533, section 4)."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from typing_extensions import Buffer

_HEADER = 27  # bytes of a page before its table of segments; RFC 3533, section 6
_FLAGS = 5
_FIRST = 2  # the flag of a stream's first page


def links(path: Path) -> list[tuple[int, int]]:
    """Return first byte and end of each file that was joined into an ogg file.

    Parameters
    ----------
    path
        An ogg file. What follows on damage counts to the link before it.

    Returns
    -------
    list
        One pair for a file that is whole by itself.
    """
    begins = [0]
    was_first = True
    for at, first in _pages(path):
        # The streams of one link, such as sound and picture, begin side by side.
        if first and not was_first:
            begins.append(at)
        was_first = first
    return list(zip(begins, [*begins[1:], path.stat().st_size], strict=True))


def _pages(path: Path) -> Iterator[tuple[int, bool]]:
    """Yield where each page begins, and whether it is its stream's first."""
    at = 0
    with path.open("rb") as file:
        while len(header := file.read(_HEADER)) == _HEADER and header.startswith(b"OggS"):
            yield at, bool(header[_FLAGS] & _FIRST)
            table = file.read(header[-1])
            at += _HEADER + len(table) + sum(table)
            file.seek(at)


class Window(io.RawIOBase):
    """A stretch of a file that reads like a file of its own.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "file"
    ...     _ = path.write_bytes(b"abcdef")
    ...     with Window(path, 2, 5) as window:
    ...         window.seek(1), window.read()
    (1, b'de')
    """

    def __init__(self, path: Path, begin: int, end: int) -> None:
        self._file = path.open("rb")
        self._begin, self._end, self._at = begin, end, 0

    def seekable(self) -> bool:
        """Tell that one may jump."""
        return True

    def readable(self) -> bool:
        """Tell that one may read."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Jump, counted from the stretch's begin, its end or where one is."""
        self._at = offset + (0, self._at, self._end - self._begin)[whence]
        return self._at

    def readinto(self, buffer: Buffer, /) -> int:
        """Read as much as fits."""
        view = memoryview(buffer)
        self._file.seek(self._begin + self._at)
        left = max(0, self._end - self._begin - self._at)
        count = self._file.readinto(view[: min(len(view), left)])
        self._at += count
        return count

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
        super().close()
