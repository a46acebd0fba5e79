"""What is done for the songs of a crate ahead of time: listening to them, separating them."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from pathlib import Path
from threading import Condition, Event, Thread
from typing import TYPE_CHECKING

from stemlab.errors import StemlabError, told
from stemlab.library import sidecar
from stemlab.library.facts import Facts, find, keep_rhythm
from stemlab.library.rhythm import analyse
from stemlab.library.store import FINAL, Store
from stemlab.widgets.parts.feed import Producer, stand_back, usual_separator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from stemlab.library.store import Track
    from stemlab.separator import Separator


class Listening:
    """Listens to songs in a thread, one after another, before they are loaded.

    Parameters
    ----------
    found
        Called in the thread with the path of each song whose facts were found and kept.
    """

    def __init__(self, found: Callable[[str], None]) -> None:
        self._found = found
        self._waiting: deque[str] = deque()
        self._changed = Condition()
        self._closed = False
        self._thread: Thread | None = None

    def take(self, paths: Iterable[str]) -> None:
        """Listen to these songs next, and to no others."""
        with self._changed:
            self._waiting = deque(paths)
            if self._waiting and not self._thread:
                self._thread = Thread(target=self._work, name="stemlab listening", daemon=True)
                self._thread.start()
            self._changed.notify()

    def close(self) -> None:
        """End after the song that is being listened to; nobody waits for it."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify()

    def _work(self) -> None:
        stand_back()
        while path := self._next():
            with suppress(Exception):  # it is told where the song is loaded
                find(Path(path), Store().note(path))
                if not self._closed:
                    self._found(path)

    def _next(self) -> str:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._waiting)
            return "" if self._closed else self._waiting.popleft()


class Preparation:
    """Separates songs one after another in a thread and finds their rhythm, as a deck would.

    What it made is kept, also of songs that were cancelled.

    Parameters
    ----------
    progress
        Called in the thread with the share that is done of each song that waits or is under way,
        by path, in their order.
    done
        Called in the thread with the path of each song that is finished.
    failed
        Called in the thread with a sentence on each song that could not be separated.
    """

    def __init__(
        self,
        progress: Callable[[dict[str, float]], None],
        done: Callable[[str], None],
        failed: Callable[[str], None],
    ) -> None:
        self._progress, self._done, self._failed = progress, done, failed
        self._shares: dict[str, float] = {}
        self._changed = Condition()
        self._closed = False
        self._thread: Thread | None = None

    def add(self, paths: Iterable[str]) -> None:
        """Have songs separated after those that wait already."""
        with self._changed:
            self._shares |= {path: 0.0 for path in paths if path not in self._shares}
            if not self._thread:
                self._thread = Thread(target=self._work, name="stemlab crate", daemon=True)
                self._thread.start()
            self._changed.notify()
        self._progress(dict(self._shares))

    def cancel(self, paths: Iterable[str]) -> None:
        """Take songs from those that wait, and stop the one that is under way."""
        with self._changed:
            for path in paths:
                self._shares.pop(path, None)
        self._progress(dict(self._shares))

    def close(self) -> None:
        """Cancel all, and wait for the window that is being separated."""
        with self._changed:
            self._closed = True
            self._shares.clear()
            self._changed.notify()
        if self._thread:
            self._thread.join()

    def _work(self) -> None:
        while path := self._next():
            try:
                self._prepare(path)
            except Exception as error:  # noqa: BLE001 - one odd song does not stop the others
                self._failed(told(error, path))
            self.cancel([path])

    def _next(self) -> str:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._shares)
            return next(iter(self._shares), "")

    def _prepare(self, path: str) -> None:
        separator, store = usual_separator(), Store()
        track, note = store.open(path, separator), store.note(path)
        if (track.states < FINAL).any():
            self._separate(path, track, separator)
        if path in self._shares and not Facts.read(sidecar.read(note)).rhythm:
            keep_rhythm(note, analyse(track))
        if path in self._shares:
            self._done(path)

    def _separate(self, path: str, track: Track, separator: Separator) -> None:
        ended = Event()
        errors: list[Exception] = []

        def on_block(_block: object) -> None:
            if (track.states == FINAL).all():
                ended.set()

        def on_error(error: Exception) -> None:
            errors.append(error)
            ended.set()

        producer = Producer(track, separator, on_block, on_error)
        while path in self._shares and not ended.wait(0.3):
            self._report(path, track.separated)
        producer.close()
        if errors:
            raise StemlabError(f"{path}: separation stopped ({errors[0]}); try it again")

    def _report(self, path: str, share: float) -> None:
        with self._changed:
            if path not in self._shares:
                return
            self._shares[path] = share
            shares = dict(self._shares)
        self._progress(shares)
