"""A crate of songs: what lies in a folder, and what is known of it already."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stemlab.audio import AUDIO_SUFFIXES, Reader
from stemlab.errors import AudioError
from stemlab.rhythm import Rhythm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stemlab.separator import Separator
    from stemlab.store import Store, Track


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
    for path in sorted(root.rglob("*")):
        if path.suffix.lower() in AUDIO_SUFFIXES and path.is_file():
            try:
                yield entry(path, separator, store)
            except AudioError:
                continue


def entry(path: Path, separator: Separator, store: Store) -> Entry:
    """Return what is known of a song.

    Raises
    ------
    AudioError
        If it cannot be read.
    """
    with Reader(path) as reader:
        title, seconds = reader.tags.title or path.stem, reader.length / reader.rate
    track = store.find(path, separator)
    if not track:
        return Entry(str(path), title, seconds)
    rhythm = kept_rhythm(track) or Rhythm(0, 0, "", 0)
    return Entry(str(path), title, seconds, rhythm.bpm, rhythm.key, track.separated)


def kept_rhythm(track: Track) -> Rhythm | None:
    """Return the rhythm that lies beside a track's stems."""
    file = track.folder / "rhythm.json" if track.folder else None
    return Rhythm(**json.loads(file.read_text())) if file and file.exists() else None


def keep_rhythm(track: Track, rhythm: Rhythm) -> None:
    """Put a rhythm beside a track's stems, where it has a place on the disk."""
    if track.folder:
        (track.folder / "rhythm.json").write_text(json.dumps(asdict(rhythm)))
