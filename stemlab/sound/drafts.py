"""What is being written lies in a hidden folder, apart from what is whole.

Its maker holds a lock on it, which the system takes away when the process ends, however it ends:
so a draft that is left over can be told from one that somebody is working on.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from stemlab.sound.unbroken import unbroken

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = ".stemlab-"
"""How the name of a draft begins."""


@contextlib.contextmanager
def drafting(folder: Path) -> Iterator[Path]:
    """Provide a hidden folder in an existing one, and take it away at the end.

    Drafts beside it that a process which is gone has left go, too.

    Raises
    ------
    OSError
        If the folder is missing or full, or may not be written to.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as name:
    ...     with drafting(Path(name)) as draft:
    ...         (draft / "song.wav").touch()
    ...         none_left = sweep(Path(name))  # it is held
    ...         (draft / "song.wav").exists()
    ...     [*Path(name).iterdir()]
    True
    []
    """
    sweep(folder)
    begun: list[tuple[Path, int]] = []
    try:
        with unbroken():
            begun.append(_begin(folder))
        yield begun[0][0]
    finally:
        with unbroken():
            for draft, handle in begun:
                shutil.rmtree(draft, ignore_errors=True)
                _let_go(handle)


def write_text(path: Path, text: str) -> None:
    """Write a text file, in place of the one that is there, whole or not at all.

    Raises
    ------
    OSError
        If that cannot be.
    """
    with drafting(path.parent) as draft:
        written = draft / path.name
        written.write_text(text, encoding="utf-8")
        written.replace(path)


def sweep(folder: Path) -> bool:
    """Take away the drafts in a folder that nobody works on; return whether none is left."""
    for draft in folder.glob(f"{PREFIX}*"):
        discard(draft)
    return not any(folder.glob(f"{PREFIX}*"))


def discard(path: Path) -> None:
    """Take away a file or folder of ours unless somebody holds it."""
    handle = _hold(path)
    if handle is None:
        return
    try:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    finally:
        _let_go(handle)


def settled(path: Path) -> Path:
    """Return where a file will be when it is whole, which is what a message should name.

    Examples
    --------
    >>> settled(Path("out") / ".stemlab-0f" / "vocals.wav").as_posix()
    'out/vocals.wav'
    """
    return Path(*(part for part in path.parts if not part.startswith(PREFIX)))


def _begin(folder: Path) -> tuple[Path, int]:
    while True:
        draft = folder / f"{PREFIX}{secrets.token_hex(8)}"
        draft.mkdir()
        try:
            handle = _open(draft)
        except FileNotFoundError:  # somebody was quick to take it for a leftover
            continue
        with contextlib.suppress(OSError):  # where no locks are known nobody takes drafts away
            _lock(handle)
        if draft.exists():
            return draft, handle
        _let_go(handle)  # or a little later


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep others who ask for the same from a folder meanwhile, where locks are known."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            handle = _open(folder)
            stack.callback(_let_go, handle)
            _lock(handle)
        yield


def _hold(path: Path) -> int | None:
    """Return a descriptor that holds the lock; None if somebody else has it, or none is known."""
    try:
        handle = _open(path)
    except OSError:
        return None
    try:
        _lock(handle, wait=False)
    except OSError:
        _let_go(handle)
        return None
    return handle


# Windows has no locks on folders: there no draft is ever taken for a leftover.
if sys.platform == "win32":

    def _open(_path: Path) -> int:
        return -1

    def _lock(_handle: int, *, wait: bool = True) -> None:
        raise OSError(wait)

    def _let_go(_handle: int) -> None:
        pass

else:
    import fcntl

    def _open(path: Path) -> int:
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW)

    def _lock(handle: int, *, wait: bool = True) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))

    def _let_go(handle: int) -> None:
        os.close(handle)
