"""Sound files in and out: any format, rate and channel count becomes float32 stereo blocks."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import io
import math
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from stemlab.errors import AudioError, AudioWarning
from stemlab.sound.decoders import AUDIO_SUFFIXES, LOUDEST, open_source
from stemlab.sound.drafts import drafting, settled
from stemlab.sound.fifo import reblock
from stemlab.sound.hearing import bundle
from stemlab.sound.tags import Tags, read_tags, write_tags
from stemlab.sound.unbroken import unbroken

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType
    from typing import Any

    import numpy.typing as npt
    from typing_extensions import Buffer, Self

    from stemlab.sound.decoders import Source

    Samples = npt.NDArray[np.float32]

__all__ = [
    "AUDIO_SUFFIXES",
    "RATE",
    "WRITE_SUFFIXES",
    "Audio",
    "AudioWarning",
    "Reader",
    "Sound",
    "Tags",
    "Writer",
    "load",
    "opened",
    "resample",
    "resampled",
    "save",
]

RATE = 44_100
"""Samples per second of everything inside stemlab."""

LONGEST = 24 * 3600
"""Seconds of a song: kilobytes of what is silent and compressed well may hold days."""

_BLOCK = 65_536  # samples, where nothing else is asked for

# What soxr's filter rings, in output samples: starting so much earlier changes nothing above
# -118 dB (measured from 1 to 768 kHz).
_RINGING = 8192

# libsndfile's Vorbis encoder overruns its stack when it is given much at once.
_VORBIS = 4096

_FORMATS: dict[str, dict[str, Any]] = {
    ".wav": {"format": "WAV", "subtype": "FLOAT"},
    ".flac": {"format": "FLAC", "subtype": "PCM_24"},
    ".ogg": {"format": "OGG", "subtype": "VORBIS", "compression_level": 0.2},
    ".mp3": {"format": "MP3", "bitrate_mode": "VARIABLE", "compression_level": 0.0},
}
WRITE_SUFFIXES = frozenset(_FORMATS)
"""What `Writer` can write."""

_WAV_LIMIT = 2**32 - 2**16  # a RIFF size has 32 bits; the rest is for header and tags


class Sound(Protocol):
    """What gives its samples in blocks, so that no one has to hold all of them."""

    @property
    def rate(self) -> int:
        """Samples per second."""

    def blocks(self) -> Iterator[Samples]:
        """Yield the sound in order, float32 ``[n, 2]`` each."""


@dataclasses.dataclass(frozen=True)
class Audio:
    """A stretch of stereo sound.

    Parameters
    ----------
    samples
        Floats ``[samples, 2]``, full scale ±1; kept as float32.
    rate
        Samples per second.

    Raises
    ------
    AudioError
        If it is not two channels of floats side by side, or a sample is infinite, not a number or
        beyond all sound.

    Examples
    --------
    >>> Audio(np.zeros((22_050, 2), np.float32)).duration
    0.5
    """

    samples: Samples
    rate: int = RATE

    def __post_init__(self) -> None:
        """Refuse what is no sound."""
        given = np.asarray(self.samples)
        if given.ndim != 2 or given.shape[1] != 2 or given.dtype.kind != "f":  # noqa: PLR2004
            raise AudioError(
                f"sound: has the shape {list(given.shape)} of {given.dtype}, not [samples, 2] of "
                "floats; transpose it if channels come first, repeat mono, scale integers to ±1"
            )
        object.__setattr__(self, "samples", given.astype(np.float32, copy=False))
        if self.rate <= 0:
            raise AudioError(f"sound: {self.rate} samples per second; give what it was recorded at")
        check_sound("sound", self.samples)

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.rate

    def blocks(self) -> Iterator[Samples]:
        """Yield the samples in blocks, [n, 2] each."""
        for start in range(0, len(self.samples), _BLOCK):
            yield self.samples[start : start + _BLOCK]

    def _repr_mimebundle_(self, **_asked: object) -> dict[str, str]:
        """Show a small player in a notebook."""
        return bundle({"": self.samples}, self.rate)


class Reader:
    """A sound file, read in blocks with memory that does not grow with its length.

    Parameters
    ----------
    path
        A file with one of `AUDIO_SUFFIXES`.
    rate
        Samples per second wanted; the sound is resampled to it.
    stream
        Which audio stream of the file; only mp4 files have more than one.

    Raises
    ------
    AudioError
        If the file is missing, damaged, empty or not sound.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     song = Path(folder) / "song.flac"
    ...     save(song, Audio(np.zeros((1000, 2), np.float32)))
    ...     with Reader(song) as reader:
    ...         [len(block) for block in reader.blocks(size=400)]
    [400, 400, 200]
    """

    def __init__(self, path: str | os.PathLike[str], rate: int = RATE, *, stream: int = 0) -> None:
        self.path = Path(path)
        self.rate = rate
        self._stream = stream
        self._source = open_source(self.path, stream)

    @property
    def length(self) -> int | None:
        """Samples at `rate` that the header promises; None if it does not say.

        Exact for whole wav, flac, aiff, ogg, opus, mp3 with a Xing header and mp4 files: the file's
        ``samples · rate / its rate``, rounded. An estimate for aac, webm and other mp3
        files, too much for files that are cut off, too little for those that were joined: what
        `blocks` yields is what there is.
        """
        length, ratio = self._source.length, self._source.rate / self.rate
        return None if length is None else int(length / ratio + 0.5)  # just as soxr counts

    @functools.cached_property
    def tags(self) -> Tags:
        """Title, artist and so on, and the cover."""
        return read_tags(self.path)

    def blocks(self, size: int = _BLOCK, start: int = 0) -> Iterator[Samples]:
        """Yield the sound from sample ``start`` on.

        The samples are the same wherever one starts (below -110 dB where they are resampled).
        One `Reader` gives one stream at a time: a new one ends those before it.

        Parameters
        ----------
        size
            Samples a block; the last may be shorter.
        start
            First sample, counted at `rate`.

        Yields
        ------
        ndarray
            float32 ``[size, 2]``.

        Raises
        ------
        AudioError
            If there is no sound at all, or a sample is not a number.

        Warns
        -----
        AudioWarning
            If the file ends before its stated length.
        """
        self.close()
        self._source = source = open_source(self.path, self._stream)
        up, down = _ratio(source.rate, self.rate)
        # Output sample k·up falls on input sample k·down: only there may a resampler start.
        k = max(0, start - _RINGING) // up if up != down else start
        pieces = _counted(source.read(k * down), self.path, k * down, source)
        wanted = resampled(pieces, source.rate, self.rate)
        yield from reblock(_skipped(wanted, start - k * up), size)

    def close(self) -> None:
        """Let go of the file."""
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _ratio(source_rate: int, rate: int) -> tuple[int, int]:
    divisor = math.gcd(source_rate, rate)
    return rate // divisor, source_rate // divisor


def _counted(
    pieces: Iterable[Samples], path: Path, begin: int, source: Source
) -> Iterator[Samples]:
    """Pass pieces on, and tell if they end before the header says."""
    end, most = begin, LONGEST * source.rate
    for piece in pieces:
        end += len(piece)
        if end > most:
            raise AudioError(
                f"{path}: goes on for more than {LONGEST // 3600} hours; cut it into parts"
            )
        yield piece
    if not end:
        raise AudioError(f"{path}: has a header but contains no sound; copy or export it again")
    if source.exact and source.length is not None and end < source.length:
        warnings.warn(
            f"{path}: breaks off after {end / source.rate:.2f} of"
            f" {source.length / source.rate:.2f} s; copy it again to get all of it",
            AudioWarning,
            stacklevel=4,
        )


def resampled(pieces: Iterable[Samples], source_rate: int, rate: int) -> Iterator[Samples]:
    """Change the sampling rate of sound as it comes; what `resample` does to a whole one."""
    if source_rate == rate:
        yield from pieces
        return
    import soxr

    stream = soxr.ResampleStream(source_rate, rate, 2, dtype="float32")
    for piece in pieces:
        yield stream.resample_chunk(np.ascontiguousarray(piece))
    yield stream.resample_chunk(np.zeros((0, 2), np.float32), last=True)


def _skipped(pieces: Iterable[Samples], count: int) -> Iterator[Samples]:
    for piece in pieces:
        yield piece[count:]
        count = max(0, count - len(piece))


@contextlib.contextmanager
def opened(song: Sound | str | os.PathLike[str], rate: int = RATE) -> Iterator[Sound]:
    """Give a sound as it is, or what is in its file at a rate.

    Raises
    ------
    AudioError
        If the file is missing, damaged, empty or not sound.
    """
    if isinstance(song, str | os.PathLike):
        with Reader(song, rate) as reader:
            yield reader
    else:
        yield song


def load(path: str | os.PathLike[str], rate: int = RATE) -> Audio:
    """Read a whole sound file.

    Parameters
    ----------
    path
        A file with one of `AUDIO_SUFFIXES`.
    rate
        Samples per second wanted.

    Returns
    -------
    Audio
        All of its samples, float32 ``[samples, 2]``.

    Raises
    ------
    AudioError
        If the file is missing, damaged, empty or not sound.
    """
    with Reader(path, rate) as reader:
        return Audio(np.concatenate(list(reader.blocks())), rate)


def resample(audio: Audio, rate: int) -> Audio:
    """Change the sampling rate with soxr's high-quality filter.

    Parameters
    ----------
    audio
        Any sound.
    rate
        Samples per second wanted.

    Returns
    -------
    Audio
        ``samples · rate / audio.rate`` samples, rounded.

    Examples
    --------
    >>> len(resample(Audio(np.zeros((48_000, 2), np.float32), 48_000), RATE).samples)
    44100
    """
    pieces = resampled([audio.samples], audio.rate, rate)
    return Audio(np.concatenate(list(pieces)), rate)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say in one sentence why a file cannot be written, whichever library finds out."""
    import mutagen
    import soundfile

    try:
        with unbroken():
            yield
    except (OSError, AssertionError, mutagen.MutagenError, soundfile.LibsndfileError) as error:
        # soundfile only says "system error", or asserts that all was written.
        reason = getattr(error, "strerror", None) or "the disk may be full"
        raise AudioError(
            f"{settled(path)}: cannot be written ({reason});"
            " choose a folder that exists, has room and may be written to"
        ) from error


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``, and move it there if all goes well.

    Parameters
    ----------
    path
        The file to be; its folder must exist.

    Yields
    ------
    Path
        Of the same name, in a hidden folder beside it that is removed in any case.

    Raises
    ------
    AudioError
        If the folder is missing or full, or may not be written to.
    """
    with contextlib.ExitStack() as stack:
        with writing(path):
            part = stack.enter_context(drafting(path.parent)) / path.name
        yield part
        with writing(path):
            part.replace(path)


def check_sound(name: object, block: Samples) -> None:
    """Refuse what is no sound: infinite, not a number or beyond `LOUDEST`."""
    # Not `min < -LOUDEST or max > LOUDEST`: that is false for NaN.
    if block.size and not (block.min() >= -LOUDEST and block.max() <= LOUDEST):
        raise AudioError(f"{name}: refused, a sample is infinite or not a number; mend its source")


def warn_clipping(path: Path, peak: float) -> None:
    """Warn if a written file goes over full scale, where its format clips."""
    if peak > 1:
        warnings.warn(
            f"{settled(path)}: peaks {20 * math.log10(peak):.1f} dB over full scale and is clipped"
            " there; lower its level or use wav",
            AudioWarning,
            stacklevel=4,
        )


def warn_of_tags(path: Path, left_out: Iterable[str]) -> None:
    """Warn of tags that a format has no room for."""
    for name in left_out:
        warnings.warn(
            f"{path}: its tag {name} does not fit into this format and is left out",
            AudioWarning,
            stacklevel=4,
        )


class _Disk(io.FileIO):
    """A file that notes why a write failed: of those on closing, libsndfile says nothing."""

    error: OSError | None = None

    def write(self, data: Buffer, /) -> int:
        view = memoryview(data)
        done = 0
        try:
            while done < len(view):
                done += super().write(view[done:])
        except OSError as error:
            self.error = error
        return done

    def check(self) -> None:
        """Raise what went wrong."""
        if self.error is not None:
            raise self.error


class Growing:
    """A file that is written under another name until its ``with`` has ended well."""

    path: Path
    _stack: contextlib.ExitStack
    _clips = True
    _peak = 0.0

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)
        if error is None and self._clips:
            warn_clipping(self.path, self._peak)


class Writer(Growing):
    """A sound file, written block by block under another name until it is whole.

    wav holds float32, so that nothing clips and stems still sum to their mix; flac has 24 bits,
    ogg is Vorbis of quality 8, mp3 LAME's best variable rate.

    Parameters
    ----------
    path
        Where to; the suffix, one of `WRITE_SUFFIXES`, chooses the format.
    rate
        Samples per second.
    tags
        What to write beside the sound.

    Raises
    ------
    AudioError
        If the format is unknown or cannot hold the rate, or the folder cannot be written to.

    Warns
    -----
    AudioWarning
        If sound in a format that clips goes over full scale.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with Writer(Path(folder) / "tone.wav") as writer:
    ...         writer.write(np.full((100, 2), 0.5, np.float32))
    ...     float(load(Path(folder) / "tone.wav").samples.max())
    0.5
    """

    def __init__(
        self, path: str | os.PathLike[str], rate: int = RATE, tags: Tags | None = None
    ) -> None:
        self.path = Path(path)
        self.rate = rate
        self.tags = tags
        self._suffix = self.path.suffix.lower()
        self._clips = self._suffix != ".wav"
        self._length = 0
        if self._suffix not in WRITE_SUFFIXES:
            known = " ".join(sorted(WRITE_SUFFIXES))
            raise AudioError(f"{path}: not a format that can be written; use one of {known}")

    def __enter__(self) -> Self:
        import soundfile

        with contextlib.ExitStack() as stack:
            self._part = stack.enter_context(replacing(self.path))
            self._disk = stack.enter_context(_Disk(self._part, "w+"))
            try:
                with unbroken():
                    self._file = soundfile.SoundFile(
                        self._disk, "w", self.rate, 2, **_FORMATS[self._suffix]
                    )
                    stack.push(self._finish)
            except soundfile.LibsndfileError as error:
                reason = error.error_string.removeprefix("Error : ").rstrip(".")
                raise AudioError(f"{settled(self.path)}: {reason}; use wav or flac") from error
            self._stack = stack.pop_all()
        return self

    def write(self, block: Samples) -> None:
        """Append a block.

        Parameters
        ----------
        block
            float32 ``[samples, 2]``.

        Raises
        ------
        AudioError
            If a sample is not a number, the disk is full or the file would be too long.
        """
        check_sound(settled(self.path), block)
        self._length += len(block)
        if self._suffix == ".wav" and self._length * 8 > _WAV_LIMIT:
            raise AudioError(
                f"{settled(self.path)}: is too long for wav, which ends at 4 GiB; use flac"
            )
        if self._clips:
            self._peak = max(self._peak, float(np.abs(block).max(initial=0)))
            block = np.clip(block, -1, 1)  # LAME ends the process far above
        piece = _VORBIS if self._suffix == ".ogg" else max(1, len(block))
        with writing(self.path):
            for i in range(0, len(block), piece):
                self._file.write(block[i : i + piece])
                self._disk.check()

    def _finish(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        with writing(self.path):
            self._file.close()
            self._disk.close()
            self._disk.check()
            if error is None and self.tags:
                warn_of_tags(settled(self.path), write_tags(self._part, self.tags))


def save(path: str | os.PathLike[str], audio: Audio, tags: Tags | None = None) -> None:
    """Write a whole sound file.

    Parameters
    ----------
    path
        Where to; the suffix, one of `WRITE_SUFFIXES`, chooses the format.
    audio
        What to write.
    tags
        What to write beside the sound.

    Raises
    ------
    AudioError
        If it cannot be written; nothing is left behind then.
    """
    with Writer(path, audio.rate, tags) as writer:
        writer.write(audio.samples)
