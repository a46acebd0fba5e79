"""The crate's kernel side: songs of a folder or playlist, what is known of them, the history."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets as t

from stemlab.errors import AudioError, StemlabError
from stemlab.library import sidecar
from stemlab.library.collection import Collection, browse
from stemlab.library.export import free_path
from stemlab.library.store import NOTES, Store
from stemlab.widgets.decks.ahead import Listening, Preparation
from stemlab.widgets.parts.feed import usual_separator
from stemlab.widgets.parts.lifetime import weakly

if TYPE_CHECKING:
    from collections.abc import Iterable

FOLDERS = 12
"""Folders and playlists that are remembered."""
PLAYED = 1000
"""Songs of the history."""
SHOWN = 1.0  # seconds between two states of the crate that are shown
LARGEST = 1 << 30  # bytes of a file that is dropped

_REMEMBERED = "crate.json"
_DROPPED = "dropped"


class Crate(anywidget.AnyWidget):
    """A widget with a crate.

    Attributes
    ----------
    folder
        Where the songs are: a folder, or a playlist (M3U, M3U8 or rekordbox's XML).
    folders
        Those that were looked into before, the last first; they are remembered.
    songs
        What is in the crate, a dict for each `stemlab.library.collection.Entry`.
    preparing
        The share that is done, 0 to 1, of each song that is being separated or waits for it, by
        path.
    history
        What was played, the first first: dicts with "path", "title", "seconds" and "time".
    error
        What is wrong with the folder or a song of it, in one sentence, or ``""``.
    """

    folder = t.Unicode().tag(sync=True)
    folders = t.List(t.Unicode()).tag(sync=True)
    songs = t.List(t.Dict()).tag(sync=True)
    preparing = t.Dict().tag(sync=True)
    history = t.List(t.Dict()).tag(sync=True)
    error = t.Unicode().tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        self._changing = Lock()
        self._entries: dict[str, dict[str, Any]] = {}
        self._collected: Collection | None = None
        self._shown = 0.0
        self._drop_path: Path | None = None
        self._preparation = Preparation(
            weakly(self._prepared_to), weakly(self._look_again), weakly(self._complain)
        )
        self._listening = Listening(weakly(self._look_again))
        kept = sidecar.read(self._kept).get("folders")
        folders = [one for one in kept if isinstance(one, str)] if isinstance(kept, list) else []
        super().__init__(folders=folders[:FOLDERS], **traits)

    @property
    def _kept(self) -> Path:
        return Store().root / NOTES / _REMEMBERED

    def prepare(self, *songs: str | Path) -> None:
        """Separate songs in the background, ahead of time; without names all of the crate."""
        self._preparation.add(map(str, songs or [song["path"] for song in self.songs]))

    @property
    def _collection(self) -> Collection:
        with self._changing:
            self._collected = self._collected or Collection(Store(), usual_separator())
            return self._collected

    @t.observe("folder")
    def _browse(self, _change: Any) -> None:
        Thread(target=self._look, args=(self.folder,), daemon=True).start()

    def _look(self, folder: str) -> None:
        """Show the songs of a folder as they are found, until another is chosen; then listen."""
        self._entries, self.songs, self.error = {}, [], ""
        self._listening.take([])
        if not folder:
            return
        try:
            for song in self._collection.entries(folder):
                if folder != self.folder:
                    return
                self._entries[song.path] = asdict(song)
                self._show()
        except StemlabError as error:
            self._complain(str(error))
        self._show(now=True)
        if self._entries:
            self._remember_folder(folder)
            self._listening.take(path for path, song in self._entries.items() if not song["known"])

    def _show(self, *, now: bool = False) -> None:
        if now or time.monotonic() - self._shown > SHOWN:
            self.songs, self._shown = list(self._entries.values()), time.monotonic()

    def _remember_folder(self, folder: str) -> None:
        others = [other for other in self.folders if other != folder]
        self.folders = [folder, *others][:FOLDERS]
        try:
            sidecar.add(self._kept, folders=self.folders)
        except OSError as error:
            self._complain(f"the folder is not remembered ({error.strerror})")

    def _look_again(self, path: str) -> None:
        """Bring what the crate says of a song up to date."""
        if path not in self._entries:
            return
        try:
            self._entries[path] = asdict(self._collection.entry(Path(path)))
        except AudioError:  # it is gone
            del self._entries[path]
        waits = any(not song["known"] for song in self._entries.values())
        self._show(now=not waits)

    def _prepared_to(self, shares: dict[str, float]) -> None:
        self.preparing = shares

    def _complain(self, sentence: str) -> None:
        self.error = sentence

    def _remember(self, path: str, title: str, seconds: float) -> None:
        """Note that a song is played, unless it is the last that was."""
        if not self.history or self.history[-1]["path"] != path:
            song = {"path": path, "title": title, "seconds": seconds, "time": time.time()}
            self.history = [*self.history, song][-PLAYED:]

    def _serve(self, message: dict[str, Any]) -> None:
        """Do what the page asks of the crate."""
        match message:
            case {"kind": "prepare", "paths": list(paths)}:
                self.error = ""
                self._preparation.add(paths)
            case {"kind": "cancel", "paths": list(paths)}:
                self._preparation.cancel(paths)
            case {"kind": "browse", "path": str(path)}:
                here, names = browse(path)
                self.send({"kind": "browsed", "path": str(here), "names": names})

    def _receive_file(self, piece: dict[str, Any], buffers: Iterable[Any]) -> Path | None:
        """Add a piece to a file that was dropped on the page; return it when it is whole.

        Raises
        ------
        AudioError
            If it is too large or cannot be written.
        """
        match piece:
            case {"name": str(name), "first": bool(first), "last": bool(last)}:
                folder = Store().root / _DROPPED
                if first:
                    self._drop_path = free_path(folder, Path(name).stem, Path(name).suffix[1:])
                if not self._drop_path:
                    return None
                try:
                    with self._drop_path.open("ab") as file:
                        for buffer in buffers:
                            file.write(buffer)
                        size = file.tell()
                except OSError as error:
                    raise AudioError(f"{name}: cannot be taken in ({error.strerror})") from error
                if size > LARGEST:
                    self._drop_path.unlink()
                    self._drop_path = None
                    raise AudioError(f"{name}: larger than a gigabyte; look for it in its folder")
                return self._dropped() if last else None
        return None

    def _dropped(self) -> Path | None:
        path, self._drop_path = self._drop_path, None
        if path and (self.folder == str(path.parent) or not self.folder):
            self.folder = ""
            self.folder = str(path.parent)
        return path

    def _close_crate(self) -> None:
        self._listening.close()
        self._preparation.close()
