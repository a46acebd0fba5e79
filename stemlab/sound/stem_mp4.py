"""Stem files: a mix and its four stems in one ``.stem.mp4``, as Native Instruments defines it.

Five stereo AAC tracks, the mix first and alone enabled, so that other players play just it; names
and colours of the stems as JSON in the box ``moov/udta/stem``. Cues are no part of that format:
Traktor keeps them in its own collection. They are written as chapters, in Nero's box
``moov/udta/chpl``, since FFmpeg, VLC and mpv show those and nothing else minds them (QuickTime's
chapters would be a sixth track); colours, loops and stem layouts, for which chapters have no room,
as a note in a tag of our own (`stemlab.sound.tags.write_note`). The layout follows the files that
Native Instruments' Stem Creator and MP4Box write, and what Mixxx's ``steminfoimporter`` reads:
``moov`` stands before the sound. The box format is that of ISO/IEC 14496-12.
"""

from __future__ import annotations

import contextlib
import io
import json
import struct
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from stemlab.errors import AudioError
from stemlab.sound.audio import (
    RATE,
    Audio,
    Growing,
    Reader,
    check_sound,
    replacing,
    warn_of_tags,
    writing,
)
from stemlab.sound.drafts import settled
from stemlab.sound.tags import Tags, write_note, write_tags

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt
    from av import AudioFrame, AudioStream, Packet
    from typing_extensions import Self

    Samples = npt.NDArray[np.float32]

__all__ = ["StemFileWriter", "is_own", "read_stems", "stem_names"]

SLOTS = ("drums", "bass", "other", "vocals")
"""Native Instruments' order of the stems."""

_COLOURS = ("#009E73", "#D55E00", "#CC79A7", "#56B4E9")
# Stems of other names go first where the accompaniment belongs best.
_SPARE_ORDER = (2, 0, 1, 3)
_EMPTY = "(empty)"
_LONGEST_NAME = 255  # bytes of a chapter's

_BIT_RATE = 256_000
_LONGEST_TEXT = 2**20  # bytes of what names the stems
_LONGEST = 2**32 - 2**28  # chunk offsets have 32 bits; the rest is for the index

# Both off: the stems as they are sum to the mix.
_MASTERING = {
    "compressor": {
        "enabled": False,
        "input_gain": 0.5,
        "output_gain": 0.5,
        "threshold": 0,
        "dry_wet": 50,
        "attack": 0.003,
        "release": 0.3,
        "ratio": 3,
        "hp_cutoff": 300,
    },
    "limiter": {"enabled": False, "threshold": 0, "ceiling": -0.35, "release": 0.05},
}


def slots(names: Sequence[str]) -> list[int | None]:
    """Tell which stem goes to which of the four places.

    Stems that Native Instruments knows go to their own place, others to what is left.

    Parameters
    ----------
    names
        Names of the stems, at most four.

    Returns
    -------
    list
        For each of `SLOTS` an index into ``names``, or None for silence.

    Examples
    --------
    >>> slots(["vocals", "drums", "bass", "other"])
    [1, 2, 3, 0]
    >>> slots(["vocals", "accompaniment"])
    [None, None, 1, 0]
    """
    places: list[int | None] = [None] * len(SLOTS)
    strangers = []
    for i, name in enumerate(names):
        place = SLOTS.index(name.lower()) if name.lower() in SLOTS else None
        if place is None or places[place] is not None:
            strangers.append(i)
        else:
            places[place] = i
    free = (place for place in _SPARE_ORDER if places[place] is None)
    for i, place in zip(strangers, free, strict=False):
        places[place] = i
    return places


class StemFileWriter(Growing):
    """A ``.stem.mp4`` file, written block by block under another name until it is whole.

    Memory grows by an index of some 15 kB a second of sound, nothing else.

    Parameters
    ----------
    path
        Where to; its name ends in ``.stem.mp4``.
    names
        Names of the stems, one to four. Places they leave free are filled with silence.
    rate
        Samples per second, one that AAC knows (8 000 to 96 000).
    tags
        What to write beside the sound.
    note, chapters
        What else to keep with it, as JSON has it, and seconds with their names, rising.

    Raises
    ------
    AudioError
        If the name, the number of stems or the rate does not fit, or the file cannot be written.

    Warns
    -----
    AudioWarning
        If mix or stems go over full scale, where players clip them.

    Examples
    --------
    >>> import tempfile
    >>> vocals, rest = np.zeros((2, 1000, 2), np.float32)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     song = Path(folder) / "song.stem.mp4"
    ...     with StemFileWriter(song, ["vocals", "accompaniment"]) as writer:
    ...         writer.write(vocals + rest, np.stack([vocals, rest]))
    ...     mix, stems = read_stems(song)
    >>> len(mix.samples), sorted(stems)
    (1000, ['accompaniment', 'vocals'])
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        names: Sequence[str],
        rate: int = RATE,
        tags: Tags | None = None,
        note: dict[str, Any] | None = None,
        chapters: Sequence[tuple[float, str]] = (),
    ) -> None:
        self.path = Path(path)
        self.names = tuple(names)
        self.rate = rate
        self.tags = tags or Tags()
        self.note, self.chapters = note, chapters
        self._places = slots(names)
        self._length = 0
        self._check()

    def _check(self) -> None:
        import av

        if not self.path.name.lower().endswith(".stem.mp4"):
            raise AudioError(
                f"{settled(self.path)}: not a stem file by its name; let it end in .stem.mp4"
            )
        if not 1 <= len(self.names) <= len(SLOTS):
            raise AudioError(
                f"{settled(self.path)}: a stem file holds one to four stems, not {len(self.names)};"
                " choose fewer or write them as wav or flac"
            )
        rates = av.Codec("aac", "w").audio_rates or []
        if self.rate not in rates:
            raise AudioError(
                f"{settled(self.path)}: AAC cannot hold {self.rate} samples per second; use {RATE}"
            )

    def __enter__(self) -> Self:
        import av

        with contextlib.ExitStack() as stack:
            self._part = stack.enter_context(replacing(self.path))
            self._raw = self._part.with_name("raw.mp4")
            with _muxing(self.path):
                # A time scale of whole samples keeps the length exact.
                self._container = av.open(
                    f"file:{self._raw}",
                    "w",
                    format="ipod",
                    options={"movie_timescale": str(self.rate)},
                )
            # Encoding takes the time, and one stream knows nothing of the other.
            self._pool = stack.enter_context(ThreadPoolExecutor(1 + len(SLOTS)))
            stack.push(self._finish)
            self._streams = [self._add_stream() for _ in range(1 + len(SLOTS))]
            self._stack = stack.pop_all()
        return self

    def _add_stream(self) -> AudioStream:
        stream = self._container.add_stream("aac", rate=self.rate, layout="stereo")
        stream.bit_rate = _BIT_RATE
        stream.time_base = Fraction(1, self.rate)
        return stream

    def write(self, mix: Samples, stems: Samples) -> None:
        """Append a block.

        Parameters
        ----------
        mix
            float32 ``[samples, 2]``.
        stems
            float32 ``[stems, samples, 2]`` in the order of ``names``.

        Raises
        ------
        AudioError
            If a sample is not a number, the disk is full or the file would be too long.
        """
        check_sound(settled(self.path), mix)
        check_sound(settled(self.path), stems)
        silence = np.zeros_like(mix)
        placed = [silence if i is None else stems[i] for i in self._places]
        self._peak = max(
            self._peak, *(float(np.abs(part).max(initial=0)) for part in (mix, *stems))
        )
        with _muxing(self.path):
            frames = [self._frame(samples) for samples in (mix, *placed)]
            for packets in self._pool.map(_encoded, self._streams, frames):
                self._container.mux(packets)
        self._length += len(mix)

    def _frame(self, samples: Samples) -> AudioFrame:
        from av import AudioFrame

        planes = np.ascontiguousarray(samples.T, np.float32)
        frame = AudioFrame.from_ndarray(planes, format="fltp", layout="stereo")
        frame.sample_rate = self.rate
        frame.pts = self._length
        return frame

    def _finish(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        with _muxing(self.path):
            if error is None:
                for stream in self._streams:
                    self._container.mux(stream.encode(None))
            self._container.close()
            if error is None:
                warn_of_tags(settled(self.path), write_tags(self._raw, self.tags))
                if self.note:
                    write_note(self._raw, self.note)
                self._assemble()

    def _assemble(self) -> None:
        """Write the file anew with its index in front, and the names of the stems in it."""
        names = [_EMPTY if i is None else self.names[i] for i in self._places]
        if self._raw.stat().st_size > _LONGEST:
            raise AudioError(
                f"{settled(self.path)}: is too long for a stem file of 4 GiB; use wav or flac"
            )
        with self._raw.open("rb") as raw, self._part.open("wb") as part:
            boxes = {kind: (begin, end) for kind, begin, _, end in _boxes(raw, 0, _size(raw))}
            head, moov = (_cut(raw, *boxes[kind]) for kind in (b"ftyp", b"moov"))
            more = _box(b"stem", _manifest(names))
            if self.chapters:
                more += _box(b"chpl", _chapter_list(self.chapters))
            moov = _with_user_data(moov, more)
            moved = len(head) + len(moov) - boxes[b"mdat"][0]
            part.write(head + _with_moved_chunks(moov, moved))
            raw.seek(boxes[b"mdat"][0])
            _copy(raw, part, boxes[b"mdat"][1] - boxes[b"mdat"][0])


def _encoded(stream: AudioStream, frame: AudioFrame) -> list[Packet[AudioStream]]:
    return stream.encode(frame)


@contextlib.contextmanager
def _muxing(path: Path) -> Iterator[None]:
    import av

    with writing(path):
        try:
            yield
        except av.FFmpegError as error:
            raise OSError(error.errno, error.strerror) from error


def _manifest(names: Sequence[str]) -> bytes:
    stems = [{"name": name, "color": colour} for name, colour in zip(names, _COLOURS, strict=True)]
    return json.dumps({"mastering_dsp": _MASTERING, "version": 1, "stems": stems}).encode()


def _boxes(file: BinaryIO, begin: int, end: int) -> Iterator[tuple[bytes, int, int, int]]:
    """Yield the kind, first byte, first byte of the body, and end of each box in a range."""
    while begin + 8 <= end:
        file.seek(begin)
        size, kind = struct.unpack(">I4s", file.read(8))
        body = begin + 8
        if size == 1:
            size = struct.unpack(">Q", file.read(8).ljust(8, b"\0"))[0]
            body = begin + 16
        last = end if size == 0 else begin + size
        if last < body or last > end:
            return
        yield kind, begin, body, last
        begin = last


def _find(file: BinaryIO, path: Sequence[bytes], begin: int, end: int) -> list[tuple[int, int]]:
    """Find all boxes down a path; return the begin and end of each body."""
    if not path:
        return [(begin, end)]
    inside = [box for box in _boxes(file, begin, end) if box[0] == path[0]]
    return [hit for _, _, body, last in inside for hit in _find(file, path[1:], body, last)]


def _size(file: BinaryIO) -> int:
    return file.seek(0, io.SEEK_END)


def _cut(file: BinaryIO, begin: int, end: int) -> bytes:
    file.seek(begin)
    return file.read(end - begin)


def _copy(source: BinaryIO, target: BinaryIO, count: int) -> None:
    while count:
        piece = source.read(min(count, 2**20))
        target.write(piece)
        count -= len(piece)


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _chapter_list(chapters: Sequence[tuple[float, str]]) -> bytes:
    """Return Nero's box of chapters: version 1, then for each tenths of microseconds and a name."""
    marks = []
    for seconds, name in chapters:
        coded = name.encode()[:_LONGEST_NAME].decode(errors="ignore").encode()
        marks.append(struct.pack(">QB", round(1e7 * seconds), len(coded)) + coded)
    return struct.pack(">IIB", 1 << 24, 0, len(marks)) + b"".join(marks)


def _with_user_data(moov: bytes, boxes: bytes) -> bytes:
    """Append boxes to ``moov/udta``, which the muxer always writes."""
    [(begin, end)] = _find(io.BytesIO(moov), [b"moov", b"udta"], 0, len(moov))
    udta = _box(b"udta", moov[begin:end] + boxes)
    return _box(b"moov", moov[8 : begin - 8] + udta + moov[end:])


def _with_moved_chunks(moov: bytes, distance: int) -> bytes:
    """Shift every chunk offset (ISO/IEC 14496-12, 8.7.5) by ``distance`` bytes."""
    moved = bytearray(moov)
    table = [b"moov", b"trak", b"mdia", b"minf", b"stbl"]
    for kind, form in ((b"stco", ">u4"), (b"co64", ">u8")):
        for begin, end in _find(io.BytesIO(moov), [*table, kind], 0, len(moov)):
            offsets = np.frombuffer(moov[begin + 8 : end], form).astype(np.int64) + distance
            moved[begin + 8 : end] = offsets.astype(form).tobytes()
    return bytes(moved)


def read_stems(path: str | os.PathLike[str], rate: int = RATE) -> tuple[Audio, dict[str, Audio]]:
    """Read the mix and the stems of a stem file.

    Parameters
    ----------
    path
        A ``.stem.mp4`` or ``.stem.m4a`` file.
    rate
        Samples per second wanted.

    Returns
    -------
    mix : Audio
        The first stream.
    stems : dict
        The other streams by the names that stand in the file, all as long as the mix. Places that
        `StemFileWriter` filled with silence are left out.

    Raises
    ------
    AudioError
        If the file cannot be read or is not a stem file.
    """
    path = Path(path)
    mix = _stream(path, 0, rate)
    names = stem_names(path)
    stems = {
        name: _fitted(_stream(path, 1 + i, rate), len(mix.samples))
        for i, name in enumerate(names)
        if name != _EMPTY
    }
    return mix, stems


def _stream(path: Path, index: int, rate: int) -> Audio:
    with Reader(path, rate, stream=index) as reader:
        return Audio(np.concatenate(list(reader.blocks())), rate)


def _fitted(audio: Audio, length: int) -> Audio:
    missing = max(0, length - len(audio.samples))
    return Audio(np.pad(audio.samples[:length], ((0, missing), (0, 0))), audio.rate)


def stem_names(path: Path) -> list[str]:
    """Return the names of a stem file's streams after the first, the mix.

    Raises
    ------
    AudioError
        If the file cannot be read or does not name them.
    """
    try:
        return [str(stem["name"]) for stem in _stems(path)]
    except OSError as error:
        raise AudioError(f"{path}: cannot be read ({error.strerror}); check its name") from error
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise AudioError(
            f"{path}: does not name its stems, so it is no stem file; separate it first"
        ) from error


def _stems(path: Path) -> list[dict[str, Any]]:
    """Return what a file says of its stems; anything may be wrong with it."""
    with path.open("rb") as file:
        [(begin, end), *_] = _find(file, [b"moov", b"udta", b"stem"], 0, _size(file))
        if end - begin > _LONGEST_TEXT:
            raise ValueError("no honest text is so long")
        manifest = _cut(file, begin, end)
    # Some writers end the text with a zero byte.
    stems: list[dict[str, Any]] = json.loads(manifest.rstrip(b"\0"))["stems"]
    return stems


def is_own(path: Path) -> bool:
    """Tell whether `StemFileWriter` wrote a file: nobody else gives stems these colours."""
    if not path.name.lower().endswith((".stem.mp4", ".stem.m4a")):
        return False
    try:
        return tuple(stem["color"] for stem in _stems(path)) == _COLOURS
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return False
