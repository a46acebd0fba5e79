"""A crate: the songs of a folder, what is known of them, and their separation ahead of time."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Condition, Event, Thread
from typing import TYPE_CHECKING

from stemlab.errors import AudioError, StemlabError
from stemlab.library import sidecar
from stemlab.library.facts import Facts, find_rhythm, keep_rhythm
from stemlab.library.rhythm import Rhythm
from stemlab.library.songs import find_songs
from stemlab.library.store import FINAL, Store
from stemlab.sound.audio import Reader
from stemlab.widgets.parts.feed import Producer, usual_separator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from stemlab.library.store import Track
    from stemlab.separator import Separator


@dataclass(frozen=True)
class Entry:
    """A song in a crate.

    Attributes
    ----------
    path, title
        Its file and its name.
    seconds
        Its length.
    bpm, key
        0 and empty until it was on a deck.
    separated
        Share of it whose stems are kept, 0 to 1.
    """

    path: str
    title: str
    seconds: float
    bpm: float = 0.0
    key: str = ""
    separated: float = 0.0


def entries(folder: str | Path, separator: Separator, store: Store) -> Iterator[Entry]:
    """Yield the songs below a folder by name; files that cannot be read are left out.

    Raises
    ------
    AudioError
        If there is no such folder.
    """
    root = Path(folder).expanduser()
    if not root.is_dir():
        raise AudioError(f"{folder}: there is no such folder; check its name")
    for path in find_songs(root):
        with suppress(AudioError):
            yield entry(path, separator, store)


def entry(path: Path, separator: Separator, store: Store) -> Entry:
    """Return what is known of a song.

    Raises
    ------
    AudioError
        If it cannot be read.
    """
    with Reader(path) as reader:
        title, seconds = reader.tags.title or path.stem, (reader.length or 0) / reader.rate
    rhythm = Facts.read(sidecar.read(store.note(path))).rhythm or Rhythm(0, 0, "", 0)
    track = store.find(path, separator)
    separated = track.separated if track else 0.0
    return Entry(str(path), title, seconds, rhythm.bpm, rhythm.key, separated)


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
            except StemlabError as error:
                self._failed(str(error))
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
            keep_rhythm(note, find_rhythm(track))
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
