"""A crate's songs, listed from what is known of them: a file is opened only if it is new."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from stemlab.errors import AudioError
from stemlab.library import playlists, sidecar
from stemlab.library.facts import Facts
from stemlab.library.songs import find_songs
from stemlab.library.store import NOTES, digest, recipe
from stemlab.sound.audio import Reader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stemlab.library.store import Store
    from stemlab.separator import Separator

_INDEX = "index.json"
_SHOWN = 300  # folders of a folder that are listed


@dataclass(frozen=True)
class Entry:
    """A song in a crate.

    Attributes
    ----------
    path, title, artist
        Its file, its name, and who plays it.
    seconds
        Its length.
    date
        When the file was changed, in seconds since 1970.
    bpm, key, camelot
        0 and empty until it was listened to, or if it has none.
    loudness
        LUFS; 0 until it was measured.
    separated
        Share of it whose stems are kept, 0 to 1.
    known
        Whether it was listened to.
    """

    path: str
    title: str
    artist: str
    seconds: float
    date: float
    bpm: float = 0.0
    key: str = ""
    camelot: str = ""
    loudness: float = 0.0
    separated: float = 0.0
    known: bool = False


class Collection:
    """Songs as a store knows them.

    Parameters
    ----------
    store
        Where their notes and stems are.
    separator
        What makes the stems that are asked for.
    """

    def __init__(self, store: Store, separator: Separator) -> None:
        self._store, self._separator = store, separator
        self._recipe = recipe(separator)
        self._path = store.root / NOTES / _INDEX
        self._seen: dict[str, Any] = sidecar.read(self._path)
        self._lock = Lock()

    def entries(self, place: str | Path) -> Iterator[Entry]:
        """Yield the songs below a folder, by name, or of a playlist, in its order.

        Files that cannot be read are left out.

        Raises
        ------
        AudioError
            If there is no such folder or playlist.
        """
        try:
            for path in _songs(Path(place).expanduser()):
                with suppress(Exception):  # one odd file does not end the list
                    yield self.entry(path)
        finally:
            self.keep()

    def entry(self, path: Path) -> Entry:
        """Return what is known of a song.

        Raises
        ------
        AudioError
            If it cannot be read.
        """
        seen = self._look(path)
        facts = Facts.read(sidecar.read(self._path.with_name(f"{seen['note']}.json")))
        rhythm = facts.rhythm
        return Entry(
            str(path),
            seen["title"],
            seen["artist"],
            seen["seconds"],
            seen["stamp"][1] / 1e9,
            *((rhythm.bpm, rhythm.key, rhythm.camelot) if rhythm else (0.0, "", "")),
            facts.loudness or 0.0,
            self._store.share(seen["track"]),
            facts.whole,
        )

    def keep(self) -> None:
        """Keep what was seen for the next time."""
        with self._lock, suppress(OSError):  # the disk is full: it is looked at again
            self._path.parent.mkdir(parents=True, exist_ok=True)
            sidecar.write(self._path, self._seen)

    def _look(self, path: Path) -> dict[str, Any]:
        """Return what the index says of a file; read the file if it is new or was changed."""
        try:
            status = path.stat()
        except (OSError, ValueError) as error:
            raise AudioError(f"{path}: cannot be read; check its name") from error
        stamp = [status.st_size, status.st_mtime_ns]
        match self._seen.get(str(path)):
            case {
                "stamp": known,
                "recipe": kept,
                "title": str(),
                "artist": str(),
                "seconds": float() | int(),
                "note": str(),
                "track": str(),
            } if known == stamp and kept == self._recipe:
                return {**self._seen[str(path)]}
        with Reader(path) as reader:
            title, artist = reader.tags.title or path.stem, reader.tags.artist
            seconds = (reader.length or 0) / reader.rate
        seen: dict[str, Any] = {
            "stamp": stamp,
            "recipe": self._recipe,
            "title": title,
            "artist": artist,
            "seconds": seconds,
            "note": self._store.note(path).stem,
            "track": digest(path, self._separator),
        }
        with self._lock:
            self._seen[str(path)] = seen
        return seen


def _songs(place: Path) -> Iterator[Path]:
    if place.is_file() and place.suffix.lower() in playlists.SUFFIXES:
        yield from playlists.read(place)
    elif place.is_dir():
        yield from find_songs(place)
    else:
        raise AudioError(f"{place}: there is no such folder or playlist; check its name")


def browse(place: str | Path) -> tuple[Path, list[str]]:
    """Return a folder, and the folders and playlists in it: the home folder if it is none."""
    folder = Path(place).expanduser()
    folder = folder if folder.is_dir() else Path.home()
    found: list[str] = []
    with suppress(OSError), os.scandir(folder) as listed:
        for one in listed:
            playlist = Path(one.name).suffix.lower() in playlists.SUFFIXES
            if not one.name.startswith(".") and (playlist or one.is_dir()):
                found.append(one.name)
    return folder.resolve(), sorted(found, key=str.casefold)[:_SHOWN]
