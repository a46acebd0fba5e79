"""Tags: who plays what, and the cover, read from any sound file and written to those we make."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import io
import os
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

_ID3 = {
    "title": "TIT2",
    "artist": "TPE1",
    "album": "TALB",
    "date": "TDRC",
    "genre": "TCON",
    "track": "TRCK",
}
_VORBIS = {name: name for name in _ID3} | {"track": "tracknumber"}
_MP4 = {
    "title": "\xa9nam",
    "artist": "\xa9ART",
    "album": "\xa9alb",
    "date": "\xa9day",
    "genre": "\xa9gen",
}
_PICTURE = "metadata_block_picture"
_FRONT_COVER = 3


@dataclasses.dataclass(frozen=True)
class Tags:
    """What a sound file says about itself; whatever it does not say is empty.

    Parameters
    ----------
    title, artist, album, date, genre, track
        Text as it stands in the file; ``track`` may read ``"3"`` or ``"3/12"``.
    cover
        The front cover, a whole JPEG or PNG file.

    Examples
    --------
    >>> Tags(title="Falcon 69", artist="The Easton Ellises").title
    'Falcon 69'
    """

    title: str = ""
    artist: str = ""
    album: str = ""
    date: str = ""
    genre: str = ""
    track: str = ""
    cover: bytes = dataclasses.field(default=b"", repr=False)

    @property
    def cover_type(self) -> str:
        """Media type of the cover, told by its first bytes."""
        return "image/png" if self.cover.startswith(b"\x89PNG") else "image/jpeg"

    @property
    def texts(self) -> dict[str, str]:
        """The text fields that are not empty, by name."""
        texts = {name: getattr(self, name) for name in _ID3}
        return {name: text for name, text in texts.items() if text}


class _Bounded(io.BufferedReader):
    """A file that makes no room for more than it has, whatever length mutagen was told."""

    def read(self, size: int | None = -1, /) -> bytes:
        most = os.fstat(self.fileno()).st_size
        return super().read(most if size is None or size < 0 else min(size, most))


def read_tags(path: Path) -> Tags:
    """Read the tags of any sound file.

    Parameters
    ----------
    path
        A sound file. Tags that are damaged count as none: they are no reason to refuse a song.

    Returns
    -------
    Tags
        What was found.
    """
    import mutagen

    with contextlib.suppress(
        mutagen.MutagenError, OSError, ValueError, LookupError, struct.error, OverflowError
    ):
        with _Bounded(io.FileIO(path)) as bounded:
            file = mutagen.File(bounded)
        return _from_libav(path) if file is None else _from_mutagen(file)
    return Tags()


def _from_mutagen(file: Any) -> Tags:
    from mutagen.id3 import ID3
    from mutagen.mp4 import MP4Tags

    if file.tags is None:
        return Tags()
    if isinstance(file.tags, ID3):
        return _from_id3(file.tags)
    if isinstance(file.tags, MP4Tags):
        return _from_mp4(file.tags)
    return _from_vorbis(file.tags, getattr(file, "pictures", []))


def _from_id3(tags: Any) -> Tags:
    texts: dict[str, Any] = {name: str(tags[key]) for name, key in _ID3.items() if key in tags}
    pictures = tags.getall("APIC")
    return Tags(**texts, cover=pictures[0].data if pictures else b"")


def _from_mp4(tags: Any) -> Tags:
    texts: dict[str, Any] = {name: str(tags[key][0]) for name, key in _MP4.items() if tags.get(key)}
    if tags.get("trkn"):
        texts["track"] = "/".join(str(number) for number in tags["trkn"][0] if number)
    covers = tags.get("covr")
    return Tags(**texts, cover=bytes(covers[0]) if covers else b"")


def _from_vorbis(tags: Any, pictures: list[Any]) -> Tags:
    from mutagen.flac import Picture

    texts: dict[str, Any] = {
        name: str(tags[key][0]) for name, key in _VORBIS.items() if tags.get(key)
    }
    # flac has blocks for pictures, ogg hides them among the texts.
    coded = [Picture(base64.b64decode(block)) for block in tags.get(_PICTURE, [])]
    covers = [bytes(picture.data) for picture in [*pictures, *coded]]
    return Tags(**texts, cover=covers[0] if covers else b"")


def _from_libav(path: Path) -> Tags:
    import av

    with av.open(f"file:{path}", metadata_errors="replace") as container:
        found = {key.lower(): text for key, text in container.metadata.items()}
    texts: dict[str, Any] = {name: found[name] for name in _ID3 if name in found}
    return Tags(**texts)


def write_tags(path: Path, tags: Tags) -> None:
    """Write tags into a finished wav, flac, ogg, mp3 or mp4 file, as its suffix says.

    Parameters
    ----------
    path
        The file to change.
    tags
        What to write; empty fields are left out.
    """
    if not tags.texts and not tags.cover:
        return
    writers = {".flac": _write_flac, ".ogg": _write_ogg, ".mp4": _write_mp4}
    writers.get(path.suffix.lower(), _write_id3)(path, tags)


def _write_id3(path: Path, tags: Tags) -> None:
    import mutagen
    from mutagen import id3

    file = mutagen.File(path)
    if file.tags is None:
        file.add_tags()
    for name, text in tags.texts.items():
        file.tags.add(getattr(id3, _ID3[name])(encoding=id3.Encoding.UTF8, text=text))
    if tags.cover:
        file.tags.add(id3.APIC(mime=tags.cover_type, type=_FRONT_COVER, data=tags.cover))
    file.save()


def _picture(tags: Tags) -> Any:
    from mutagen.flac import Picture

    picture = Picture()
    picture.type, picture.mime, picture.data = _FRONT_COVER, tags.cover_type, tags.cover
    return picture


def _write_flac(path: Path, tags: Tags) -> None:
    from mutagen.flac import FLAC

    file = FLAC(path)
    file.update({_VORBIS[name]: text for name, text in tags.texts.items()})
    if tags.cover:
        file.add_picture(_picture(tags))
    file.save()


def _write_ogg(path: Path, tags: Tags) -> None:
    from mutagen.oggvorbis import OggVorbis

    file = OggVorbis(path)
    file.update({_VORBIS[name]: text for name, text in tags.texts.items()})
    if tags.cover:
        file[_PICTURE] = base64.b64encode(_picture(tags).write()).decode()
    file.save()


def _write_mp4(path: Path, tags: Tags) -> None:
    from mutagen.mp4 import MP4, MP4Cover

    file = MP4(path)
    file.update({_MP4[name]: text for name, text in tags.texts.items() if name in _MP4})
    numbers = [int(part) for part in tags.track.split("/") if part.isdecimal()]
    if numbers:
        file["trkn"] = [(*numbers, 0)[:2]]
    if tags.cover:
        png = tags.cover_type == "image/png"
        form = MP4Cover.FORMAT_PNG if png else MP4Cover.FORMAT_JPEG
        file["covr"] = [MP4Cover(tags.cover, imageformat=form)]
    file.save()
