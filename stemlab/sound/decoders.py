"""Decoders: a sound file as stereo blocks at its own rate, through libsndfile or libav."""

from __future__ import annotations

import contextlib
import math
import warnings
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from stemlab.errors import AudioError, AudioWarning

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt
    from av import AudioFrame, AudioStream, Packet

    Samples = npt.NDArray[np.float32]

SNDFILE_SUFFIXES = frozenset({".aif", ".aiff", ".flac", ".mp3", ".oga", ".ogg", ".opus", ".wav"})
LIBAV_SUFFIXES = frozenset({".aac", ".m4a", ".mp4", ".webm"})
AUDIO_SUFFIXES = SNDFILE_SUFFIXES | LIBAV_SUFFIXES

RATES = range(1_000, 768_001)
CHANNELS = range(1, 65)

# PyAV 18 reads past the end of a frame that has more planes, and crashes.
_PLANES = 8
# Samples read at once: short, because what a broken flac holds before the break is lost with it.
_PIECE = 4096
# Lossy decoders are exact again this many samples after a jump (measured; an AAC frame is 1024,
# the longest Vorbis block 8192).
_PREROLL = 16_384
# 60 dB over full scale in 16-bit integers; nothing recorded is louder than that.
_LOUDEST = 2.0**25
# Playlists and subtitles may name other files, or the network: libav shall know neither.
_CONTAINERS = "aac,aiff,flac,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mp3,ogg,wav"

_HALF = math.sqrt(0.5)
_LEFT_RIGHT = {
    "FL": (1.0, 0.0),
    "FR": (0.0, 1.0),
    "FC": (_HALF, _HALF),
    "LFE": (0.0, 0.0),
    "BL": (_HALF, 0.0),
    "BR": (0.0, _HALF),
    "SL": (_HALF, 0.0),
    "SR": (0.0, _HALF),
    "BC": (0.5, 0.5),
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
# libsndfile hands these two out as they are coded.
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

    length: int
    """Samples that the header promises, 0 if it does not say."""

    exact: bool
    """Whether the header counts samples, so that fewer mean a truncated file."""

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
    if path.suffix.lower() in SNDFILE_SUFFIXES and not _is_endless_mp3(path):
        import soundfile

        with contextlib.suppress(soundfile.LibsndfileError):
            return _SndfileSource(path)
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
    try:
        with path.open("rb") as file:
            first = file.read(1)
    except OSError as error:
        raise AudioError(
            f"{path}: cannot be opened ({error.strerror}); check its permissions"
        ) from error
    if not first:
        raise AudioError(f"{path}: is empty (0 bytes); copy or export it again")


def _is_endless_mp3(path: Path) -> bool:
    """Tell whether an mp3 says nothing of its length; libsndfile would guess it, and cut there."""
    if path.suffix.lower() != ".mp3":
        return False
    import mutagen
    from mutagen.mp3 import BitrateMode, MPEGInfo

    try:
        with path.open("rb") as file:
            return bool(MPEGInfo(file).bitrate_mode == BitrateMode.UNKNOWN)
    except mutagen.MutagenError:
        return True


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


def _check_samples(path: Path, samples: Samples, position: int, rate: int) -> None:
    # Not `peak > _LOUDEST`: that is false for NaN.
    if samples.size and not np.abs(samples).max() <= _LOUDEST:
        bad = position + int(np.argmin((np.abs(samples) <= _LOUDEST).all(axis=1)))
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


def default_layout(channels: int, subtype: str = "") -> tuple[str, ...]:
    """Name the channels of a file that does not name them.

    Up to eight channels stand in the order of WAVE (Microsoft's ``dwChannelMask``) and flac (RFC
    9639, 9.1.3), in Vorbis (Vorbis I, 4.3.9) and Opus (RFC 7845, 5.1.1.2) in that of Vorbis. More
    have no standard names and are called by number.

    Parameters
    ----------
    channels
        How many there are.
    subtype
        libsndfile's name of the coding; only ``VORBIS`` and ``OPUS`` matter.

    Returns
    -------
    tuple
        Names of the channels as `downmix` knows them.

    Examples
    --------
    >>> default_layout(5)
    ('FL', 'FR', 'FC', 'BL', 'BR')
    >>> default_layout(5, "OPUS")
    ('FL', 'FC', 'FR', 'BL', 'BR')
    """
    if channels > len(_LAYOUTS):
        return tuple(str(i) for i in range(channels))
    layouts = _VORBIS_LAYOUTS if subtype in {"OPUS", "VORBIS"} else _LAYOUTS
    return tuple(layouts[channels - 1].split())


def _to_stereo(samples: Samples, layout: tuple[str, ...]) -> Samples:
    return samples if layout == ("FL", "FR") else samples @ downmix(layout)


class _SndfileSource:
    """wav, flac, ogg, opus, mp3 and aiff."""

    exact = True

    def __init__(self, path: Path) -> None:
        import soundfile

        self._path = path
        self._file = soundfile.SoundFile(path)
        self.rate, self.length = self._file.samplerate, self._file.frames
        _check_header(path, self.rate, self._file.channels)
        self._layout = default_layout(self._file.channels, self._file.subtype)

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


class _LibavSource:
    """m4a, aac, mp4, webm, and whatever else libsndfile does not know."""

    def __init__(self, path: Path, stream: int) -> None:
        import av

        self._path = path
        self._damaged = False
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
        # Only the mp4 family counts samples; others give milliseconds, or guess.
        self.length = self._duration()
        self.exact = self.length > 0 and self._container.format.name.startswith("mov")

    def _duration(self) -> int:
        import av

        if self._stream.duration and self._stream.time_base:
            return max(0, round(self._stream.duration * self._stream.time_base * self.rate))
        return max(0, (self._container.duration or 0) * self.rate // av.time_base)

    def read(self, start: int) -> Iterator[Samples]:
        position = self._seek(start)
        for frame, piece in self._decoded():
            if position is None:
                position = self._position(frame)
            _check_samples(self._path, piece, position, self.rate)
            # Encoders fill the last frame up: what lies past the stated length is not music.
            end = max(0, self.length - position) if self.exact else None
            wanted = piece[max(0, start - position) : end]
            position += len(piece)
            if len(wanted):
                yield wanted

    def _seek(self, start: int) -> int | None:
        """Jump to before ``start``; return the sample that comes next, or None if frames tell."""
        import av

        base = self._stream.time_base
        if not self.exact or start <= _PREROLL or base is None:
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
        for packet in self._packets():
            frames = _decoded_packet(packet)
            if frames is None:
                damaged += length > 0
                continue
            for frame in frames:
                for _ in range(damaged):
                    self._warn_of_damage()
                    yield frame, np.zeros((length, 2), np.float32)
                damaged, length = 0, frame.samples
                yield frame, self._samples(frame)

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
        names = tuple(channel.name for channel in frame.layout.channels)
        if frame.sample_rate != self.rate:
            raise AudioError(f"{self._path}: changes its rate halfway; export it again at one rate")
        if len(names) > _PLANES and frame.format.is_planar:
            raise AudioError(f"{self._path}: has {len(names)} channels; convert it to wav or flac")
        samples = _to_float(frame.to_ndarray())
        samples = samples.T if frame.format.is_planar else samples.reshape(-1, len(names))
        known = all(name in _LEFT_RIGHT for name in names)
        return _to_stereo(samples, names if known else default_layout(len(names)))

    def close(self) -> None:
        self._container.close()


def _decoded_packet(packet: Packet[AudioStream]) -> list[AudioFrame] | None:
    import av

    with contextlib.suppress(av.FFmpegError):
        return packet.decode()
    return None


def _to_float(samples: npt.NDArray[Any]) -> Samples:
    """Scale whatever a decoder gives to float32, full scale 1."""
    if samples.dtype.kind == "f":
        return samples.astype(np.float32, copy=False)
    if samples.dtype.kind == "u":
        middle = 2.0 ** (8 * samples.itemsize - 1)
        return ((samples - middle) / middle).astype(np.float32)
    return (samples / -float(np.iinfo(samples.dtype).min)).astype(np.float32)
