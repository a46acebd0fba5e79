"""Endless mixtures to learn from, drawn from the pool and never twice the same.

A mixture is a stretch of one song, or of stems that never met. Each stem is played faster or
slower, turned up or down, equalised, widened, driven or given a room, some are left out, and at
times a bus compressor works on all. The targets are truncated phase-sensitive masks (Erdogan et
al., 2015).
"""

from __future__ import annotations

import multiprocessing
from collections import deque
from dataclasses import dataclass, field
from functools import reduce
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import scipy.fft
import scipy.ndimage
import scipy.signal
import soundfile
from music.pool import list_songs

from four_stems.network import BINS, STEMS, to_blocks
from stemlab.spectral import Stft

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

Samples: TypeAlias = "NDArray[np.float32]"
Batch: TypeAlias = "tuple[NDArray[np.float32], NDArray[np.float32]]"

RATE = 44_100
BOTH = "bass+other"
ABSENT = {"vocals": 0.3, "drums": 0.12, "bass": 0.12, "other": 0.08}
LEVEL = 10 ** (-20 / 20)  # RMS of a stem that met its mixture by chance
SILENCE = 1e-4
SONGS_STAND = 25  # batches before new songs are looked for
APART = 5  # batches between a mixture and itself with its sides swapped
# Real multitracks are few and worth more than their minutes.
WORTH = {
    "everything-is-free": 4.0,
    "midi": 1.2,
    "grooves": 2.0,
    "lmms": 3.0,
    "voices-klettres": 1.0,
    "voices-ktuberling": 1.0,
    "voices-hedgewars": 1.0,
    "voices-fillets": 1.0,
    "voices-speech": 0.3,
    "singers": 4.0,
    "taught": 2.0,
    "taught-games": 0.3,
    "trackers": 0.6,
}
TAUGHT = ("taught", "taught-games")  # songs of which a model told the stems
AS_TAUGHT = 0.6  # of their mixtures: the song as it is, to learn its teacher's masks
AS_STRAYS = 0.25  # what such a song is worth where its stems are taken apart


@dataclass(frozen=True)
class Grid:
    """The cells of an example: frames of a transform, and what a network makes blocks of.

    Attributes
    ----------
    frames
        T, about three seconds.
    rows, columns
        Frames and bins of a block.
    lookahead
        Frames that the network has heard beyond the one whose masks it gives.
    """

    stft: Stft = field(default_factory=Stft)
    frames: int = 128
    rows: int = 2
    columns: int = 2
    lookahead: int = 0

    @property
    def length(self) -> int:
        """Samples of an example."""
        return (self.frames + self.lookahead - 1) * self.stft.hop + self.stft.n_fft

    def blocks(self, cells: NDArray[np.float32]) -> NDArray[np.float32]:
        """Rearrange [..., T, F, channels, stems] into blocks."""
        return to_blocks(cells, self.rows, self.columns)


@dataclass(frozen=True)
class Song:
    """A song of the pool: how long it is and which stems it has on disk."""

    folder: Path
    frames: int
    stems: frozenset[str]

    @classmethod
    def open(cls, folder: Path) -> Song:
        """Look at a song's folder."""
        stems = {file.stem for file in folder.glob("*.wav")}
        frames = min(soundfile.info(folder / f"{stem}.wav").frames for stem in stems)
        return cls(folder, frames, frozenset(stems))

    @property
    def taught(self) -> bool:
        """Whether a model told the stems."""
        return self.folder.parent.name in TAUGHT

    def read(self, stem: str, start: int, length: int) -> Samples:
        """Return a stretch of a stem, silence where it has none."""
        samples = np.zeros((length, 2), np.float32)
        if stem in self.stems:
            read, _ = soundfile.read(
                self.folder / f"{stem}.wav", length, start, dtype="float32", always_2d=True
            )
            samples[: len(read)] = read
        return samples


class Mixtures:
    """Draws mixtures from a pool.

    Parameters
    ----------
    pool
        Folder of songs, see `music.pool`.
    seed
        The same seed draws the same mixtures.
    grid
        What an example is made of.
    """

    def __init__(self, pool: Path, seed: int, grid: Grid) -> None:
        self._grid = grid
        self._chance = np.random.default_rng(seed)
        self._songs = [Song.open(folder) for folder in list_songs(pool)]
        worth = np.array([_worth(song) for song in self._songs])
        alone = worth * np.array([AS_STRAYS if song.taught else 1 for song in self._songs])
        self._odds = {
            stem: _normalised(alone * np.array([stem in song.stems for song in self._songs]))
            for stem in (*STEMS, BOTH)
        }
        self._any = _normalised(worth * np.array([len(song.stems) > 1 for song in self._songs]))

    def batch(self, size: int) -> Batch:
        """Return magnitudes [size, T, 1024, 2] and what `train.mask_loss` takes, as blocks."""
        examples = [self.example() for _ in range(size)]
        magnitudes, wanted = zip(*examples, strict=True)
        return np.stack(magnitudes), np.stack(wanted)

    def example(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return one magnitude and its targets."""
        while True:
            stems, merged = self._together() if self._happens(0.6) else self._by_chance()
            mix = stems.sum(0)
            if np.abs(mix).max() > SILENCE:
                break
        stems *= self._glue(mix)
        stems *= 10 ** self._chance.uniform(-0.9, -0.05) / np.abs(stems.sum(0)).max()
        return _features(stems, self._grid, merged=merged)

    def _together(self) -> tuple[Samples, bool]:
        """Return a stretch of one song, [stems, samples, 2], and whether other holds the bass."""
        song = self._songs[self._chance.choice(len(self._songs), p=self._any)]
        speed, start = self._place(song)
        merged = BOTH in song.stems
        names = ["vocals", "drums", "bass", BOTH if merged else "other"]
        stems = [self._read(song, name, start, speed) for name in names]
        if song.taught and self._happens(AS_TAUGHT):
            return np.stack(stems), False
        if "vocals" not in song.stems:
            stems[0] = self._stray("vocals", 10 ** self._chance.uniform(-0.4, 0.2))
        kept = [self._treat(stem, name) for stem, name in zip(stems, STEMS, strict=True)]
        return self._leave_out(np.stack(kept), 0.5), merged

    def _by_chance(self) -> tuple[Samples, bool]:
        """Return stems from four songs."""
        merged = bool(self._odds[BOTH].any()) and self._happens(0.1)
        names = ["vocals", "drums", "", BOTH] if merged else STEMS
        stems = [
            self._treat(self._stray(name, 1.0), stem)
            for name, stem in zip(names, STEMS, strict=True)
        ]
        return self._leave_out(np.stack(stems), 1.0), merged

    def _stray(self, name: str, gain: float) -> Samples:
        """Return a stretch of a stem of any song at the usual level, not silent if it can be."""
        if not name or not self._odds[name].any():
            return np.zeros((self._grid.length, 2), np.float32)
        for _ in range(4):
            song = self._songs[self._chance.choice(len(self._songs), p=self._odds[name])]
            speed, start = self._place(song)
            samples = self._read(song, name, start, speed)
            level = float(np.sqrt(np.mean(samples**2)))
            if level > 10 * SILENCE:
                break
        return samples * np.float32(gain * LEVEL / max(level, SILENCE))

    def _place(self, song: Song) -> tuple[float, int]:
        speed = float(self._chance.choice([1.0, self._chance.uniform(0.84, 1.19)], p=[0.4, 0.6]))
        return speed, int(
            self._chance.integers(max(1, song.frames - int(self._grid.length * speed)))
        )

    def _read(self, song: Song, stem: str, start: int, speed: float) -> Samples:
        import soxr

        samples = song.read(stem, start, int(self._grid.length * speed) + 16)
        if speed != 1 and samples.any():
            samples = soxr.resample(samples, speed, 1, quality="LQ")
        fitted = np.zeros((self._grid.length, 2), np.float32)
        fitted[: len(samples)] = samples[: self._grid.length]
        return fitted

    def _treat(self, samples: Samples, stem: str) -> Samples:
        chance = self._chance
        if not samples.any():
            return samples
        if self._happens(0.25):
            samples = _driven(samples, chance.uniform(1, 12 if stem == "bass" else 5))
        if self._happens(0.5):
            samples = _equalised(samples, chance.normal(0, 4, 8))
        if stem != "bass" and self._happens(0.2):
            samples = _in_a_room(samples, chance)
        if self._happens(0.5):
            samples = samples[:, ::-1]
        samples = _widened(samples, chance.choice([0.0, 1.0, chance.uniform(0.3, 1.6)]), chance)
        return (samples * 10 ** (chance.uniform(-8, 6) / 20)).astype(np.float32)

    def _happens(self, probability: float) -> bool:
        return bool(self._chance.random() < probability)

    def _leave_out(self, stems: Samples, odds: float) -> Samples:
        kept = [self._chance.random() >= odds * ABSENT[stem] for stem in STEMS]
        return stems * np.array(kept, np.float32)[:, None, None]

    def _glue(self, mix: Samples) -> Samples:
        """Return the gain curve [samples, 1] of a bus compressor, often flat."""
        if self._happens(0.6):
            return np.ones((1, 1), np.float32)
        window = int(RATE * self._chance.uniform(0.01, 0.08))
        power = scipy.ndimage.uniform_filter1d((mix**2).mean(1), window)
        np.maximum(power, 0, out=power)  # sums of what fell silent round to less
        level = np.sqrt(power) / max(float(np.sqrt(power.mean())), SILENCE)
        gain = np.maximum(level, 0.5) ** -self._chance.uniform(0.2, 0.7)
        return gain[:, None].astype(np.float32)


def batches(pool: Path, size: int, seed: int, grid: Grid, producers: int = 1) -> Iterator[Batch]:
    """Yield batches for ever, made ahead by processes of their own; each also mirrored."""
    context = multiprocessing.get_context("spawn")
    ready = context.Queue(maxsize=6)
    for number in range(producers):
        context.Process(
            target=_produce, args=(pool, size, seed + number, grid, ready), daemon=True
        ).start()
    seen: deque[Batch] = deque()
    while True:
        magnitudes, wanted = ready.get()
        seen.append((magnitudes, wanted.astype(np.float32)))
        yield seen[-1]
        if len(seen) > APART:
            yield sides_swapped(*seen.popleft())


def _produce(
    pool: Path, size: int, seed: int, grid: Grid, ready: multiprocessing.Queue[Batch]
) -> None:
    for round_ in range(1_000_000):  # the pool may grow meanwhile: look again now and then
        mixtures = Mixtures(pool, seed + 1000 * round_, grid)
        for _ in range(SONGS_STAND):
            magnitudes, wanted = mixtures.batch(size)
            ready.put((magnitudes, wanted.astype(np.float16)))


def sides_swapped(magnitudes: NDArray[np.float32], wanted: NDArray[np.float32]) -> Batch:
    """Return a batch with left and right exchanged."""
    stems = len(STEMS)
    cells = (wanted.shape[-1] - 1) // (stems + 1)  # of a block, in both channels
    targets, weights, flag = np.split(wanted, [cells * stems, cells * stems + cells], -1)
    targets = targets.reshape(*wanted.shape[:3], -1, 2, stems)[..., ::-1, :]
    weights = weights.reshape(*wanted.shape[:3], -1, 2)[..., ::-1]
    parts = [part.reshape(*wanted.shape[:3], -1) for part in (targets, weights, flag)]
    return np.ascontiguousarray(magnitudes[..., ::-1]), np.concatenate(parts, -1)


def _features(
    stems: Samples, grid: Grid, *, merged: bool
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the mixture's magnitude [T, 1024, 2] and targets, weights and flag in blocks."""
    spectra = {i: _spectrum(stem, grid.stft) for i, stem in enumerate(stems) if stem.any()}
    mixture = reduce(np.add, spectra.values())
    magnitude = np.abs(mixture)
    phasor = mixture.conj() / (magnitude**2 + 1e-9)
    targets = np.zeros((*mixture.shape, len(stems)), np.float32)
    for number, spectrum in spectra.items():
        share = spectrum.real * phasor.real - spectrum.imag * phasor.imag
        np.clip(share, 0, 1, out=targets[..., number])
    weights = (magnitude / (magnitude.mean() + 1e-9))[..., None].clip(0, 30)
    judged = slice(grid.frames)
    wanted = [grid.blocks(targets[judged]), grid.blocks(weights[judged])]
    flag = np.full((*wanted[0].shape[:2], 1), merged)
    heard = magnitude[grid.lookahead :]
    return heard.astype(np.float32), np.concatenate([*wanted, flag], -1).astype(np.float32)


def _spectrum(samples: Samples, stft: Stft) -> NDArray[np.complex64]:
    """Return the spectrum [T, 1024, 2] of whole frames."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, stft.n_fft, axis=0)[:: stft.hop]
    spectrum = scipy.fft.rfft(frames * stft.taper, axis=-1)[..., :BINS]
    return np.ascontiguousarray(spectrum.swapaxes(1, 2))


def _driven(samples: Samples, drive: float) -> Samples:
    peak = np.abs(samples).max()
    driven: Samples = np.tanh(samples * np.float32(drive / peak)) * np.float32(
        peak / np.tanh(drive)
    )
    return driven


def _equalised(samples: Samples, decibels: NDArray[np.float64]) -> Samples:
    """Apply gains given at eight places from 40 Hz to 14 kHz."""
    spectrum = scipy.fft.rfft(samples, axis=0)
    frequencies = np.fft.rfftfreq(len(samples), 1 / RATE).clip(20)
    knots = np.log(np.geomspace(40, 14_000, len(decibels)))
    gains = 10 ** (np.interp(np.log(frequencies), knots, decibels) / 20)
    return scipy.fft.irfft(spectrum * gains[:, None].astype(np.float32), len(samples), axis=0)


def _in_a_room(samples: Samples, chance: np.random.Generator) -> Samples:
    """Add a room: noise that dies away, a little later and duller than the sound."""
    seconds = chance.uniform(0.15, 1.5)
    time = np.arange(int(seconds * RATE)) / RATE
    noise = chance.normal(size=(len(time), 2)) * np.exp(-6.9 * time / seconds)[:, None]
    noise[: int(chance.uniform(0, 0.03) * RATE)] = 0
    noise = scipy.signal.lfilter([1 - 0.6], [1, -0.6], noise, axis=0)
    noise *= chance.uniform(0.1, 0.6) / np.sqrt((noise**2).sum(0))
    wet = scipy.signal.oaconvolve(samples, noise.astype(np.float32), axes=0)
    return samples + wet[: len(samples)]


def _widened(samples: Samples, width: float, chance: np.random.Generator) -> Samples:
    middle = samples.mean(1, keepdims=True)
    side = (samples[:, :1] - samples[:, 1:]) / 2 * np.float32(width)
    balance = np.float32(chance.choice([0, chance.uniform(-0.3, 0.3)], p=[0.7, 0.3]))
    return np.concatenate([(middle + side) * (1 - balance), (middle - side) * (1 + balance)], 1)


def _worth(song: Song) -> float:
    return song.frames * WORTH.get(song.folder.parent.name, 2.0)


def _normalised(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    return odds / odds.sum() if odds.any() else odds
