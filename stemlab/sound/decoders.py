"""Decoders: a sound file as stereo blocks at its own rate, through libsndfile or libav."""

from __future__ import annotations

import contextlib
import io
import math
import os
import warnings
from typing import TYPE_CHECKING, Protocol

import numpy as np

from stemlab.errors import AudioError, AudioWarning
from stemlab.sound.ogg import Window, links

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt
    from av import AudioFrame, AudioLayout, AudioResampler, AudioStream, Packet

    Samples = npt.NDArray[np.float32]

AUDIO_SUFFIXES = frozenset(
    {".aac", ".aif", ".aiff", ".flac", ".m4a", ".mp3", ".mp4", ".oga", ".ogg", ".opus"}
    | {".wav", ".webm"}
)

RATES = range(1_000, 768_001)
CHANNELS = range(1, 65)

# How files begin that libsndfile reads to their end, and to the sample.
_SNDFILE = (b"RIFF", b"RF64", b"FORM", b"OggS")
# What libsndfile says of a length that the header leaves open; libav reads such a file to its end.
_UNKNOWN = (0, 2**63 - 1)
# Samples read at once.
_PIECE = 4096
# Lossy decoders are exact again this many samples after a jump (measured; an AAC frame is 1024,
# the longest Vorbis block 8192).
_PREROLL = 16_384
# 60 dB over full scale in 16-bit integers; nothing recorded is louder than that.
LOUDEST = 2.0**25
# Playlists and subtitles may name other files, or the network: libav shall know neither.
_CONTAINERS = "aac,aiff,flac,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mp3,ogg,wav"
# Files that are nothing but frames, each with these bits at its head: what has not is no sound.
_RAW = {"aac": 0xFFF0, "flac": 0xFFF8, "mp3": 0xFFE0}
# What mp3 and m4a are decoded to: floats, a plane for each of two channels.
_USUAL = ("fltp", "stereo")
# Silence takes one byte for at most so many samples; a header that promises more is wrong.
_DENSEST = {"flac": 8192, "mp3": 64, "ogg": 8192}

_HALF = math.sqrt(0.5)
_LEFT_RIGHT = {
    "FL": (1.0, 0.0),
    "FR": (0.0, 1.0),
    "FC": (_HALF, _HALF),
    "LFE": (0.0, 0.0),
    "BL": (_HALF, 0.0),
    "BR": (0.0, _HALF),
    "FLC": (1.0, 0.0),
    "FRC": (0.0, 1.0),
    "BC": (0.5, 0.5),
    "SL": (_HALF, 0.0),
    "SR": (0.0, _HALF),
    "TC": (0.5, 0.5),
    "TFL": (_HALF, 0.0),
    "TFC": (0.5, 0.5),
    "TFR": (0.0, _HALF),
    "TBL": (_HALF, 0.0),
    "TBC": (0.5, 0.5),
    "TBR": (0.0, _HALF),
    "DL": (1.0, 0.0),
    "DR": (0.0, 1.0),
    "WL": (_HALF, 0.0),
    "WR": (0.0, _HALF),
    "LFE2": (0.0, 0.0),
}
_LAYOUTS = (
    "FC",
    "FL FR",
    "FL FR FC",
    "FL FR BL BR",
    "FL FR FC BL BR",
    "FL FR FC LFE BL BR",
    "FL FR FC LFE BC SL SR",
    "FL FR FC LFE BL BR SL SR",
)
# libsndfile hands Vorbis (Vorbis I, 4.3.9) and Opus (RFC 7845, 5.1.1.2) out as they are coded.
_VORBIS_LAYOUTS = (
    "FC",
    "FL FR",
    "FL FC FR",
    "FL FR BL BR",
    "FL FC FR BL BR",
    "FL FC FR BL BR LFE",
    "FL FC FR SL SR BC LFE",
    "FL FC FR SL SR BL BR LFE",
)


class Source(Protocol):
    """One opened sound file."""

    rate: int
    """Samples per second."""

    length: int | None
    """Samples that the header promises; None if it does not say, or what cannot be."""

    exact: bool
    """Whether fewer samples mean a truncated file; asked when all is read."""

    def read(self, start: int) -> Iterator[Samples]:
        """Yield ``[samples, 2]`` from sample ``start`` on to the end; call it once."""

    def close(self) -> None:
        """Let go of the file."""


def open_source(path: Path, stream: int = 0) -> Source:
    """Open a sound file with the decoder that suits it.

    Parameters
    ----------
    path
        A file with one of `AUDIO_SUFFIXES`.
    stream
        Which of the file's audio streams to read; only mp4 files have more than one.

    Raises
    ------
    AudioError
        If there is no such file, or it cannot be read or is not sound.
    """
    _check_file(path)
    begins = _beginning(path)
    if begins in _SNDFILE:
        import soundfile

        with contextlib.suppress(soundfile.LibsndfileError), _readable(path):
            return _ChainedSource(path) if begins == b"OggS" else _SndfileSource(path)
    return _LibavSource(path, stream)


def _check_file(path: Path) -> None:
    if path.suffix.lower() not in AUDIO_SUFFIXES:
        known = " ".join(sorted(AUDIO_SUFFIXES))
        raise AudioError(f"{path}: not a sound file that can be read here; use one of {known}")
    if path.is_dir():
        raise AudioError(f"{path}: is a folder; name a sound file inside it")
    if not path.exists():
        raise AudioError(f"{path}: there is no such file; check its name and folder")
    if not path.is_file():
        raise AudioError(f"{path}: is not a regular file; copy its sound to one")


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise AudioError(
            f"{path}: cannot be opened ({error.strerror}); check its permissions"
        ) from error


def _beginning(path: Path) -> bytes:
    with _readable(path), path.open("rb") as file:
        first = file.read(4)
    if not first:
        raise AudioError(f"{path}: is empty (0 bytes); copy or export it again")
    return first


def _check_header(path: Path, rate: int, channels: int) -> None:
    if not rate or not channels:
        raise _damaged(path)
    if rate not in RATES:
        raise AudioError(
            f"{path}: claims {rate} samples per second, which no sound has;"
            f" export it again with {RATES[0]} to {RATES[-1]}"
        )
    if channels not in CHANNELS:
        raise AudioError(
            f"{path}: claims {channels} channels;"
            f" export it again with {CHANNELS[0]} to {CHANNELS[-1]}"
        )


def _damaged(path: Path) -> AudioError:
    return AudioError(f"{path}: is damaged or not the sound its name says; export it again")


def _changing(path: Path) -> AudioError:
    return AudioError(f"{path}: changes its rate halfway; export it again at one rate")


def _check_samples(path: Path, samples: Samples, position: int, rate: int) -> None:
    # Not `peak > LOUDEST`: that is false for NaN.
    if samples.size and not np.abs(samples).max() <= LOUDEST:
        bad = position + int(np.argmin((np.abs(samples) <= LOUDEST).all(axis=1)))
        raise AudioError(
            f"{path}: a sample {bad / rate:.3f} s after the start is infinite or not a number;"
            " export it again, or repair it there"
        )


def downmix(layout: tuple[str, ...]) -> npt.NDArray[np.float32]:
    """Gains that mix any channels down to two, after ITU-R BS.775-3, table 2.

    Centre and surrounds enter at -3 dB, the low-frequency effects not at all. All gains are scaled
    so that no side sums to more than 1: full scale in stays full scale out. A single channel goes
    to both sides as it is. Where names are unknown, even channels go left and odd ones right.

    Parameters
    ----------
    layout
        Names of the channels, such as ``("FL", "FR", "FC", "LFE", "BL", "BR")``.

    Returns
    -------
    ndarray
        Gains, float32 ``[channels, 2]``.

    Examples
    --------
    >>> downmix(("FC",)).tolist()
    [[1.0, 1.0]]
    >>> [[round(gain, 2) for gain in gains] for gains in downmix(("FL", "FR", "FC")).tolist()]
    [[0.59, 0.0], [0.0, 0.59], [0.41, 0.41]]
    """
    sides = ((1.0, 0.0), (0.0, 1.0))
    gains = np.array([_LEFT_RIGHT.get(name, sides[i % 2]) for i, name in enumerate(layout)])
    loudest = gains.sum(axis=0).max() or 1.0
    return (gains / loudest).astype(np.float32)


def default_layout(channels: int) -> tuple[str, ...]:
    """Name the channels of a file that does not name them.

    Up to eight channels stand in the order of WAVE (Microsoft's ``dwChannelMask``) and flac (RFC
    9639, 9.1.3). More have no standard names and are called by number.

    Parameters
    ----------
    channels
        How many there are.

    Returns
    -------
    tuple
        Names of the channels as `downmix` knows them.

    Examples
    --------
    >>> default_layout(5)
    ('FL', 'FR', 'FC', 'BL', 'BR')
    """
    if channels > len(_LAYOUTS):
        return tuple(str(i) for i in range(channels))
    return tuple(_LAYOUTS[channels - 1].split())


def _named(layout: AudioLayout) -> tuple[str, ...]:
    names = tuple(channel.name for channel in layout.channels)
    return names if all(name in _LEFT_RIGHT for name in names) else default_layout(len(names))


def _to_stereo(samples: Samples, layout: tuple[str, ...]) -> Samples:
    return samples if layout == ("FL", "FR") else samples @ downmix(layout)


class _SndfileSource:
    """wav and aiff, and links of ogg and opus."""

    exact = True

    def __init__(self, path: Path, window: Window | None = None) -> None:
        import soundfile

        self._path = path
        # As bytes: soundfile encodes a name strictly, and not each is UTF-8.
        name = path if os.name == "nt" else os.fsencode(path)
        self._file = soundfile.SoundFile(window or name)
        self.rate, self.length = self._file.samplerate, self._file.frames
        _check_header(path, self.rate, self._file.channels)
        if self.length in _UNKNOWN:
            raise soundfile.LibsndfileError(0)
        self._layout = _layout_of(path, self._file.channels, self._file.subtype)

    def read(self, start: int) -> Iterator[Samples]:
        position = max(0, min(start, self.length) - _PREROLL)
        for piece in self._pieces(position):
            _check_samples(self._path, piece, position, self.rate)
            wanted = piece[max(0, start - position) :]
            position += len(piece)
            if len(wanted):
                yield _to_stereo(wanted, self._layout)

    def _pieces(self, position: int) -> Iterator[Samples]:
        import soundfile

        # A file that breaks off ends here; the reader notes how much is missing.
        with contextlib.suppress(soundfile.LibsndfileError):
            if position:
                self._file.seek(position)
            while position < self.length:
                # libsndfile 1.2.2 gives wrong samples where the last read of an Opus file is short.
                left = self.length - position
                count = left if left < 2 * _PIECE else _PIECE
                piece = self._file.read(count, dtype="float32", always_2d=True)
                if not len(piece):
                    return
                yield piece
                position += len(piece)

    def close(self) -> None:
        self._file.close()


class _ChainedSource:
    """ogg and opus, of one link or more."""

    exact = True

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open = contextlib.ExitStack()
        self._links: list[tuple[tuple[int, int], int, int]] = []
        for link in links(path):  # open one by one: there may be more than descriptors
            with self._open:
                source = self._opened(link)
                self._links.append((link, source.rate, source.length))
        self.rate = self._links[0][1]
        self.length: int | None = sum(length for *_, length in self._links)

    def _opened(self, link: tuple[int, int]) -> _SndfileSource:
        window = self._open.enter_context(Window(self._path, *link))
        return self._open.enter_context(contextlib.closing(_SndfileSource(self._path, window)))

    def read(self, start: int) -> Iterator[Samples]:
        for link, rate, length in self._links:
            if rate != self.rate:
                raise _changing(self._path)
            if start < length:
                with self._open:
                    yield from self._opened(link).read(start)
            start = max(0, start - length)

    def close(self) -> None:
        self._open.close()


def _layout_of(path: Path, channels: int, subtype: str) -> tuple[str, ...]:
    """Name a file's channels, which libsndfile does not."""
    if subtype in {"OPUS", "VORBIS"} and channels <= len(_VORBIS_LAYOUTS):
        return tuple(_VORBIS_LAYOUTS[channels - 1].split())
    if channels > 2:  # noqa: PLR2004
        with contextlib.suppress(AudioError), contextlib.closing(_LibavSource(path, 0)) as source:
            if len(source.layout) == channels:
                return source.layout
    return default_layout(channels)


class _LibavSource:
    """flac, mp3, m4a, aac, mp4, webm, and whatever else libsndfile does not know."""

    def __init__(self, path: Path, stream: int) -> None:
        import av

        self._path = path
        self._damaged = False
        self._packers: dict[tuple[str, str], AudioResampler] = {}
        try:
            self._container = av.open(
                f"file:{path}",
                metadata_errors="replace",
                options={"format_whitelist": _CONTAINERS, "protocol_whitelist": "file"},
            )
        except (av.FFmpegError, ValueError) as error:
            raise _damaged(path) from error
        try:
            self._open_stream(stream)
        except BaseException:
            self._container.close()
            raise

    def _open_stream(self, stream: int) -> None:
        streams = self._container.streams.audio
        if stream >= len(streams):
            raise AudioError(f"{self._path}: contains no sound; name a file that does")
        self._stream = streams[stream]
        codec = self._stream.codec_context
        if codec is None:
            raise AudioError(f"{self._path}: is in a form unknown here; convert it to wav or flac")
        self.rate = codec.sample_rate
        _check_header(self._path, self.rate, codec.channels)
        self.layout = _named(codec.layout)
        self._kind = self._container.format.name.partition(",")[0]
        self.length = self._duration()
        # Only the mp4 family and flac count samples; others give milliseconds, or guess.
        self.exact = self.length is not None and self._kind in {"mov", "flac"}

    def _duration(self) -> int | None:
        import av

        stream = self._stream
        if stream.duration and stream.time_base:
            skipped = min(0, stream.start_time or 0)  # what Opus plays in
            length = round((stream.duration + skipped) * stream.time_base * self.rate)
        else:
            length = (self._container.duration or 0) * self.rate // av.time_base
        most = _DENSEST.get(self._kind, math.inf) * self._path.stat().st_size
        return length if 0 < length <= most else None

    def read(self, start: int) -> Iterator[Samples]:
        position = self._seek(start)
        for frame, piece in self._decoded():
            if position is None:
                position = self._position(frame)
            _check_samples(self._path, piece, position, self.rate)
            wanted = piece[max(0, start - position) : self._end(position)]
            position += len(piece)
            if len(wanted):
                yield wanted

    def _end(self, position: int) -> int | None:
        """Tell where in a frame the music ends: encoders of mp4 files fill the last one up."""
        if self._kind != "mov" or self.length is None:
            return None
        return max(0, self.length - position)

    def _seek(self, start: int) -> int | None:
        """Jump to before ``start``; return the sample that comes next, or None if frames tell."""
        import av

        base = self._stream.time_base
        # Joined files count anew in the middle: only mp4 files say reliably what is where.
        if self._kind != "mov" or not self.exact or start <= _PREROLL or base is None:
            return 0
        try:
            self._container.seek(int((start - _PREROLL) / self.rate / base), stream=self._stream)
        except av.FFmpegError as error:
            raise _damaged(self._path) from error
        return None

    def _position(self, frame: AudioFrame) -> int:
        base = self._stream.time_base
        if frame.pts is None or base is None:
            raise AudioError(f"{self._path}: does not say where its parts belong; export it again")
        return round((frame.pts - (self._stream.start_time or 0)) * base * self.rate)

    def _decoded(self) -> Iterator[tuple[AudioFrame, Samples]]:
        """Decode; damaged packets become silence, so that what follows stays in time."""
        damaged = length = 0
        last = b""
        for packet in self._packets():
            last = bytes(packet) or last
            frames = _decoded_packet(packet)
            if frames is None:
                damaged += length > 0 and self._is_sound(packet)
                continue
            for frame in frames:
                for _ in range(damaged):
                    self._warn_of_damage()
                    yield frame, np.zeros((length, 2), np.float32)
                damaged, length = 0, frame.samples
                yield frame, self._samples(frame)
        # An mp3's count of frames is often stale: only a last frame that is cut off tells.
        if self._kind == "mp3":
            self.exact = _is_cut(last)

    def _is_sound(self, packet: Packet[AudioStream]) -> bool:
        """Tell damaged sound from what is none, as tags between two files that were joined."""
        mark = _RAW.get(self._kind, 0)
        return int.from_bytes(bytes(packet)[:2], "big") & mark == mark

    def _warn_of_damage(self) -> None:
        if not self._damaged:
            self._damaged = True
            warnings.warn(
                f"{self._path}: is damaged, some of it is silent; copy it again to get all of it",
                AudioWarning,
                stacklevel=2,
            )

    def _packets(self) -> Iterator[Packet[AudioStream]]:
        import av

        # A file that breaks off ends here; the reader notes how much is missing.
        with contextlib.suppress(av.FFmpegError):
            yield from self._container.demux(self._stream)

    def _samples(self, frame: AudioFrame) -> Samples:
        if frame.sample_rate != self.rate:
            raise _changing(self._path)
        # Joined files may change from mono to stereo.
        kind = (frame.format.name, frame.layout.name)
        if kind == _USUAL:
            return _woven(frame)
        layout = _named(frame.layout)
        return _to_stereo(self._packed(frame, kind).reshape(-1, len(layout)), layout)

    def _packed(self, frame: AudioFrame, kind: tuple[str, str]) -> Samples:
        """Return a frame's samples as float32, full scale 1, channel by channel."""
        from av import AudioResampler

        # PyAV 18 reads past the end of a frame of eight planes or more, and crashes.
        packer = self._packers.setdefault(kind, AudioResampler(format="flt"))
        packed: list[Samples] = [part.to_ndarray()[0] for part in packer.resample(frame)]
        return np.concatenate(packed)

    def close(self) -> None:
        self._container.close()


def _woven(frame: AudioFrame) -> Samples:
    """Return a frame of `_USUAL` form as [samples, 2]; a fifth of the time of a packer."""
    samples = np.empty((frame.samples, 2), np.float32)
    for channel, plane in enumerate(frame.planes):
        samples[:, channel] = np.frombuffer(memoryview(plane), np.float32, frame.samples)
    return samples


def _decoded_packet(packet: Packet[AudioStream]) -> list[AudioFrame] | None:
    import av

    with contextlib.suppress(av.FFmpegError):
        return packet.decode()
    return None


def _is_cut(packet: bytes) -> bool:
    """Tell whether an mp3's frame is shorter than it says (ISO/IEC 11172-3, 2.4.3.1)."""
    from mutagen.mp3 import HeaderNotFoundError, MPEGFrame

    try:
        frame = MPEGFrame(io.BytesIO(packet.ljust(4, b"\0")))
    except HeaderNotFoundError:
        return False
    slots = 144 if frame.version == 1 else 72
    return len(packet) < slots * frame.bitrate // frame.sample_rate + frame.padding
