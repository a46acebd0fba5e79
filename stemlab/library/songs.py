"""Which files below a folder are songs, and where the stems of each go."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from typing import TYPE_CHECKING, Any

from stemlab.errors import SettingError
from stemlab.library import sidecar
from stemlab.sound.decoders import AUDIO_SUFFIXES
from stemlab.sound.stem_mp4 import is_own

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

RECORD = ".stemlab.json"
"""Lies beside stems: tells of each file what it was made from; beside a song's, its name."""
SONG = "song"
"""The key of that name."""
PLACE = "place"
"""The key of a digest of where that song lay: two may have one name."""


def find_songs(root: Path) -> Iterator[Path]:
    """Yield the songs below a folder, by name in each.

    What stemlab wrote is none, nor what is hidden. Links are followed, and whatever they lead to
    comes once.
    """
    seen: set[Path] = set()
    links: list[Path] = []
    yield from _below(root, seen, links)
    while links:  # what lies here under its own name came first
        link = links.pop(0)
        if link.is_dir():
            yield from _below(link, seen, links)
        elif _is_new(link, seen) and _is_song(link):
            yield link


def _below(folder: Path, seen: set[Path], links: list[Path]) -> Iterator[Path]:
    if not _is_new(folder, seen):
        return
    real = folder.resolve()
    record = _record(real)
    for entry in _listed(folder):
        path = folder / entry.name
        if entry.is_symlink():
            links.append(path)
        elif entry.is_dir():
            yield from _below(path, seen, links)
        elif (
            entry.is_file()  # before it is opened: a pipe would be waited for
            and _sounds(path)
            and not _is_noted(entry.name, record)
            and real / entry.name not in seen
        ):
            seen.add(real / entry.name)
            yield path


def _listed(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted((e for e in entries if e.name[0] != "."), key=lambda e: e.name)
    except OSError:  # closed to us, or gone
        return []


def _is_new(path: Path, seen: set[Path]) -> bool:
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError):  # leads nowhere, or round in circles
        return False
    known = real in seen
    seen.add(real)
    return not known


def _is_song(link: Path) -> bool:
    real = link.resolve()
    return link.is_file() and _sounds(link) and not _is_noted(real.name, _record(real.parent))


def _sounds(path: Path) -> bool:
    return path.suffix.lower() in AUDIO_SUFFIXES and not is_own(path)


def _record(folder: Path) -> dict[str, Any] | None:
    """Return the record in a folder, None if there is none."""
    return sidecar.read(folder / RECORD) if (folder / RECORD).exists() else None


def _is_noted(name: str, record: dict[str, Any] | None) -> bool:
    """Whether a record says that a file is ours: all beside a song's stems, else what it names."""
    return record is not None and (not record or SONG in record or name in record)


def note(path: Path) -> None:
    """Note that a file is ours in a folder of others, which may be songs.

    Raises
    ------
    OSError
        If that cannot be.
    """
    if path.parent.is_dir():  # a note does not make it
        sidecar.add(path.parent / RECORD, **{path.name: ""})


def folders(places: Mapping[Path, Path], out: Path) -> dict[Path, Path]:
    """Return where the stems of songs go, each at its place below a folder, without its suffix.

    Songs that differ in nothing else keep their suffix, also from one that has its stems there,
    but one that has its stems already keeps them where they are.

    Raises
    ------
    SettingError
        If two songs would share a folder.

    Examples
    --------
    >>> from pathlib import Path
    >>> songs = {Path(name): Path(name) for name in ("a.wav", "b.wav", "b.mp3")}
    >>> [folder.as_posix() for folder in folders(songs, Path("out")).values()]
    ['out/a', 'out/b.wav', 'out/b.mp3']
    """
    alike = Counter(_alike(place) for place in places.values())
    found = {
        song: _folder(song.name, place, out, alone=alike[_alike(place)] == 1)
        for song, place in places.items()
    }
    uses = Counter(found.values())
    twice = [str(song) for song, folder in found.items() if uses[folder] > 1]
    if twice:
        raise SettingError(
            f"{' and '.join(twice)} would be written to one folder; "
            "separate them one by one, each with another -o"
        )
    return found


def _folder(song: str, place: Path, out: Path, *, alone: bool) -> Path:
    choices = [out / _plain(place), out / place]
    owners = [sidecar.read(folder / RECORD).get(SONG) for folder in choices]
    if song in owners:
        return choices[owners.index(song)]
    return choices[0 if alone and owners[0] is None else 1]


def _alike(place: Path) -> str:
    """Return a name that is the same of places which some disks do not tell apart."""
    return unicodedata.normalize("NFC", str(_plain(place))).casefold()


def _plain(place: Path) -> Path:
    return place.with_name(place.stem) if place.stem.strip(".") else place
