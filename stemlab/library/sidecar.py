"""Notes in JSON beside what they are about: written whole, read as if a stranger wrote them."""

from __future__ import annotations

import json
from threading import Lock
from typing import TYPE_CHECKING, Any

from stemlab.sound.drafts import alone, write_text

if TYPE_CHECKING:
    from pathlib import Path

_ADDING = Lock()
_MOST = 64 << 20  # bytes of a note; what is larger, or has no end, is none


def read(path: Path) -> dict[str, Any]:
    """Return what a note says; nothing if it is missing, cut or no note at all.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     note = Path(folder) / "note.json"
    ...     before = read(note)
    ...     write(note, {"bpm": 120})
    ...     before, read(note)
    ({}, {'bpm': 120})
    """
    try:
        if not path.is_file() or path.stat().st_size > _MOST:
            return {}
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def write(path: Path, note: dict[str, Any]) -> None:
    """Write a note, in place of the one that is there, whole or not at all.

    Raises
    ------
    OSError
        If that cannot be.
    """
    write_text(path, json.dumps(note, indent=1))


def add(path: Path, **facts: Any) -> None:
    """Put facts into a note beside those that it holds; its folder is made.

    Raises
    ------
    OSError
        If that cannot be.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     note = Path(folder) / "notes" / "a.json"
    ...     add(note, bpm=120)
    ...     add(note, key="A minor")
    ...     read(note)
    {'bpm': 120, 'key': 'A minor'}
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _ADDING, alone(path.parent):
        write(path, read(path) | facts)
