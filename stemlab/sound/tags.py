"""Tags: who plays what, and the cover, read from any sound file and written to those we make."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import io
import json
import os
import struct
import zlib
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
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
# Tags of one's own are named by who made them and what they are.
_NOTE = "----:stemlab:note"
_APE = {name: name for name in _ID3} | {"date": "year"}
_PICTURE = "metadata_block_picture"
_FRONT_COVER = 3
_MOST_GAIN = 60  # dB; a tag that says more is damaged
_LONGEST = 1000  # characters of a text that are taken
_MOST = 16 << 20  # bytes of a note
# How several artists of one song stand in one text.
_AND = "; "


@dataclasses.dataclass(frozen=True)
class Tags:
    """What a sound file says about itself; whatever it does not say is empty.

    Parameters
    ----------
    title, artist, album, date, genre, track
        Text as it stands in the file; ``track`` may read ``"3"`` or ``"3/12"``. Several artists
        are set apart by ``"; "``.
    cover
        The front cover or, where there is none, another picture; a whole JPEG or PNG file.
    cover_role
        What the cover shows, as ID3 and flac number it: 3 is the front, 4 the back.

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
    cover_role: int = dataclasses.field(default=_FRONT_COVER, repr=False)

    @property
    def cover_type(self) -> str:
        """Media type of the cover, told by its first bytes."""
        return "image/png" if self.cover.startswith(b"\x89PNG") else "image/jpeg"

    @property
    def texts(self) -> dict[str, str]:
        """The text fields that are not empty, by name."""
        texts = {name: getattr(self, name) for name in _ID3}
        return {name: text for name, text in texts.items() if text}

    @property
    def values(self) -> dict[str, list[str]]:
        """The text fields that are not empty, several artists or genres one by one."""
        several = {"artist", "genre"}
        return {
            name: text.split(_AND) if name in several else [text]
            for name, text in self.texts.items()
        }


class _Bounded(io.BufferedReader):
    """A file that makes no room for more than it has, whatever length mutagen was told."""

    def read(self, size: int | None = -1, /) -> bytes:
        most = os.fstat(self.fileno()).st_size
        return super().read(most if size is None or size < 0 else min(size, most))


def _forgiving() -> contextlib.suppress:
    """Have tags that are damaged, in whatever way, end the reading without a word.

    Frames of ID3 that are compressed count as damaged: mutagen makes room for all that they hold,
    which may be a thousand times the file.
    """
    from mutagen.id3 import _frames

    vars(_frames)["zlib"] = _REFUSING
    return contextlib.suppress(Exception)


def _refuse(_data: bytes) -> bytes:
    raise zlib.error


_REFUSING = SimpleNamespace(decompress=_refuse, error=zlib.error)


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

    with _forgiving(), _Bounded(io.FileIO(path)) as bounded:
        file = mutagen.File(bounded)
        tags = _from_libav(path) if file is None else _from_mutagen(file)
        return _completed(tags, _from_ape(path))
    return Tags()


def replay_gain(path: Path) -> float | None:
    """Return the decibels by which a file's ReplayGain tag would have it played louder, if any.

    Its reference is -18 LUFS (ReplayGain 2.0), so such a song has ``-18 - gain``.
    """
    import mutagen

    with _forgiving(), _Bounded(io.FileIO(path)) as bounded:
        file = mutagen.File(bounded)
        said = {str(key).casefold(): value for key, value in dict(file or {}).items()}
        for key, value in said.items():
            if key.endswith("replaygain_track_gain"):
                found = float(_plain(value).casefold().removesuffix("db"))
                return found if abs(found) <= _MOST_GAIN else None
    return None


def _plain(value: Any) -> str:
    """Return the text of a tag in any of the formats."""
    first = value[0] if isinstance(value, list) else getattr(value, "text", [value])[0]
    return bytes(first).decode() if isinstance(first, bytes) else str(first)


def _joined(values: Iterable[object]) -> str:
    return _AND.join(text for value in values if (text := str(value)))


def _completed(tags: Tags, others: Tags) -> Tags:
    """Fill what tags leave empty from others."""
    texts: dict[str, Any] = {
        name: text[:_LONGEST] for name, text in (others.texts | tags.texts).items()
    }
    best = tags if tags.cover else others
    return Tags(**texts, cover=best.cover, cover_role=best.cover_role)


def _from_ape(path: Path) -> Tags:
    """Read an APEv2 tag, which stands at a file's end beside any other."""
    from mutagen.apev2 import APEv2

    with _forgiving(), _Bounded(io.FileIO(path)) as bounded:
        tags: Any = APEv2(bounded)
        texts: dict[str, Any] = {
            name: _joined(tags[key]) for name, key in _APE.items() if key in tags
        }
        fronts = [tags[key].value for key in ("Cover Art (Front)",) if key in tags]
        # The picture stands behind its file name.
        return Tags(**texts, cover=fronts[0].partition(b"\0")[2] if fronts else b"")
    return Tags()


def _with_picture(texts: dict[str, Any], pictures: Iterable[Any]) -> Tags:
    """Add the front cover, or the first picture if there is none."""
    ranked = sorted(pictures, key=lambda picture: picture.type != _FRONT_COVER)
    if not ranked:
        return Tags(**texts)
    return Tags(**texts, cover=bytes(ranked[0].data), cover_role=int(ranked[0].type))


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
    texts = {name: _joined(tags[key].text) for name, key in _ID3.items() if key in tags}
    return _with_picture(texts, tags.getall("APIC"))


def _from_mp4(tags: Any) -> Tags:
    texts: dict[str, Any] = {
        name: _joined(tags[key]) for name, key in _MP4.items() if tags.get(key)
    }
    if tags.get("trkn"):
        texts["track"] = "/".join(str(number) for number in tags["trkn"][0] if number)
    covers = tags.get("covr")
    return Tags(**texts, cover=bytes(covers[0]) if covers else b"")


def _from_vorbis(tags: Any, pictures: list[Any]) -> Tags:
    from mutagen.flac import Picture

    texts: dict[str, Any] = {
        name: _joined(tags[key]) for name, key in _VORBIS.items() if tags.get(key)
    }
    # flac has blocks for pictures, ogg hides them among the texts.
    coded = [Picture(base64.b64decode(block)) for block in tags.get(_PICTURE, [])]
    return _with_picture(texts, [*pictures, *coded])


def _from_libav(path: Path) -> Tags:
    import av

    with av.open(f"file:{path}", metadata_errors="replace") as container:
        found = {key.lower(): text for key, text in container.metadata.items()}
    texts: dict[str, Any] = {name: found[name] for name in _ID3 if name in found}
    return Tags(**texts)


def write_tags(path: Path, tags: Tags) -> list[str]:
    """Write tags into a finished wav, flac, ogg, mp3 or mp4 file, as its suffix says.

    Parameters
    ----------
    path
        The file to change.
    tags
        What to write; empty fields are left out.

    Returns
    -------
    list
        Names of the fields that the format has no room for.
    """
    if not tags.texts and not tags.cover:
        return []
    if _written(path, tags):
        return []
    kept, left_out = Tags(), []
    for name in (*tags.texts, *(["cover"] if tags.cover else [])):
        more = dataclasses.replace(kept, cover_role=tags.cover_role, **{name: getattr(tags, name)})
        if _written(path, more):
            kept = more
        else:
            left_out.append(name)
    return left_out


def _written(path: Path, tags: Tags) -> bool:
    """Write tags if they fit; a full disk is no matter of fitting."""
    import mutagen

    writers = {".flac": _write_flac, ".ogg": _write_ogg, ".mp4": _write_mp4}
    try:
        writers.get(path.suffix.lower(), _write_id3)(path, tags)
    except (mutagen.MutagenError, ValueError, struct.error, OverflowError) as error:
        if isinstance(error.__context__, OSError) or any(
            isinstance(a, OSError) for a in error.args
        ):
            raise
        return False
    return True


def _write_id3(path: Path, tags: Tags) -> None:
    import mutagen
    from mutagen import id3

    file = mutagen.File(path)
    if file.tags is None:
        file.add_tags()
    for name, texts in tags.values.items():
        file.tags.add(getattr(id3, _ID3[name])(encoding=id3.Encoding.UTF8, text=texts))
    if tags.cover:
        file.tags.add(id3.APIC(mime=tags.cover_type, type=tags.cover_role, data=tags.cover))
    file.save()


def _picture(tags: Tags) -> Any:
    from mutagen.flac import Picture

    picture = Picture()
    picture.type, picture.mime, picture.data = tags.cover_role, tags.cover_type, tags.cover
    return picture


def _write_flac(path: Path, tags: Tags) -> None:
    from mutagen.flac import FLAC

    file = FLAC(path)
    file.clear_pictures()
    file.update({_VORBIS[name]: texts for name, texts in tags.values.items()})
    if tags.cover:
        file.add_picture(_picture(tags))
    file.save()


def _write_ogg(path: Path, tags: Tags) -> None:
    from mutagen.oggvorbis import OggVorbis

    file = OggVorbis(path)
    file.update({_VORBIS[name]: texts for name, texts in tags.values.items()})
    if tags.cover:
        file[_PICTURE] = base64.b64encode(_picture(tags).write()).decode()
    file.save()


def _write_mp4(path: Path, tags: Tags) -> None:
    from mutagen.mp4 import MP4, MP4Cover

    file = MP4(path)
    file.update({_MP4[name]: texts for name, texts in tags.values.items() if name in _MP4})
    numbers = [int(part) for part in tags.track.split("/") if part.isdecimal()]
    if numbers:
        file["trkn"] = [(*numbers, 0)[:2]]
    if tags.cover:
        png = tags.cover_type == "image/png"
        form = MP4Cover.FORMAT_PNG if png else MP4Cover.FORMAT_JPEG
        file["covr"] = [MP4Cover(tags.cover, imageformat=form)]
    file.save()


def write_note(path: Path, note: dict[str, Any]) -> None:
    """Write what no tag has room for into an mp4 file: as JSON, in a free-form tag of our own.

    Such tags are what Serato keeps its cues in, too; who does not know them leaves them alone.
    """
    from mutagen.mp4 import MP4

    file = MP4(path)
    file[_NOTE] = [json.dumps(note).encode()]
    file.save()


def read_note(path: Path) -> dict[str, Any]:
    """Return what `write_note` wrote; nothing if it did not, or if that is damaged."""
    from mutagen.mp4 import MP4

    if not path.name.lower().endswith((".mp4", ".m4a")):
        return {}
    with _forgiving(), _Bounded(io.FileIO(path)) as bounded:
        written = bytes(MP4(bounded)[_NOTE][0])
        found = json.loads(written) if len(written) <= _MOST else {}
        return found if isinstance(found, dict) else {}
    return {}
