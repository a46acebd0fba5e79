"""Playlists of other programs: M3U, M3U8 and rekordbox's XML read, M3U8 written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit
from xml.parsers import expat

from stemlab.errors import AudioError
from stemlab.sound.drafts import write_text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

M3U = (".m3u", ".m3u8")
REKORDBOX = ".xml"
SUFFIXES = (*M3U, REKORDBOX)

_MOST = 64 << 20  # bytes of a playlist
_SCHEME = "file://"
_DRIVE = re.compile(r"^/(?=[A-Za-z]:)")  # in an address a slash stands before a drive


def read(path: Path) -> list[Path]:
    """Return the songs of a playlist, in order, each once; whether they are there is not asked.

    Parameters
    ----------
    path
        A file that ends in one of `SUFFIXES`. Names in it may be relative to its folder, or file
        addresses; songs elsewhere in the net are left out.

    Raises
    ------
    AudioError
        If it cannot be read, or is no such playlist.
    """
    try:
        if path.stat().st_size > _MOST:
            raise AudioError(f"{path}: larger than any playlist; check its name")
        data = path.read_bytes()
    except OSError as error:
        raise AudioError(f"{path}: cannot be read ({error.strerror}); check its name") from error
    names = _rekordbox(path, data) if path.suffix.lower() == REKORDBOX else _lines(data)
    found = (_place(name, path.parent) for name in names)
    return list(dict.fromkeys(song for song in found if song))


def _lines(data: bytes) -> list[str]:
    """Return the names in an M3U, which may be in UTF-8 or older."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")
    return [line for raw in text.splitlines() if (line := raw.strip()) and line[0] != "#"]


def _rekordbox(path: Path, data: bytes) -> list[str]:
    """Return the places of all tracks of a collection; declarations, which could hurt, not."""
    places: list[str] = []

    def begin(name: str, attributes: dict[str, str]) -> None:
        if name == "TRACK" and (place := attributes.get("Location")):
            places.append(place)

    def refuse(*_declaration: Any) -> None:
        raise ValueError("declarations")

    parser = expat.ParserCreate()
    parser.StartElementHandler = begin
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, ValueError) as error:
        raise AudioError(
            f"{path}: no rekordbox collection; export it anew as XML from rekordbox"
        ) from error
    return places


def _place(name: str, folder: Path) -> Path | None:
    if name.startswith(_SCHEME):
        address = urlsplit(name)
        if address.netloc not in ("", "localhost"):
            return None
        name = _DRIVE.sub("", unquote(address.path))
    elif "://" in name:
        return None
    name = name.replace("\\", "/")
    # Windows would look for it in the net, and tell whoever answers who is asking.
    if "\0" in name or name.startswith("//"):
        return None
    return folder / name


def write(path: Path, songs: Iterable[tuple[Path, str, float]]) -> None:
    """Write songs, each with its title and seconds, as an M3U8.

    Raises
    ------
    AudioError
        If the file cannot be written. Nothing is left then.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "set.m3u8"
    ...     write(path, [(Path("/music/a.mp3"), "A song", 61.2)])
    ...     print(path.read_text(), *read(path))
    #EXTM3U
    #EXTINF:61,A song
    /music/a.mp3
     /music/a.mp3
    """
    lines = ["#EXTM3U"]
    for song, title, seconds in songs:
        lines += [f"#EXTINF:{round(seconds)},{' '.join(title.split())}", str(song)]
    try:
        write_text(path, "\n".join([*lines, ""]))
    except OSError as error:
        raise AudioError(
            f"{path}: cannot be written ({error.strerror}); choose another folder"
        ) from error
