"""Tempo, beat grid and key of a song, as a DJ needs them, and the hand that corrects them."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from stemlab.errors import SettingError
from stemlab.library import beats, grid, keys
from stemlab.library.keys import NAMES
from stemlab.sound.audio import RATE, Audio, opened, resampled

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    import numpy.typing as npt

    from stemlab.sound.audio import Sound

    Floats: TypeAlias = npt.NDArray[np.floating[Any]]

SPAN = 120.0
"""Seconds from the middle of a song that tell its key."""
LONGEST = 3 * 3600
"""Seconds of a song that are listened to; so many take 1.4 GB of memory meanwhile."""
SHORTEST = 4.0
"""Seconds below which there is no telling a beat or a key."""

_QUIET = 1e-5  # RMS, -100 dB


@dataclasses.dataclass(frozen=True)
class Rhythm:
    """Where the beats of a song are, and its key.

    Parameters
    ----------
    bpm
        Beats a minute, on the whole; 0 if there is no beat.
    first_beat
        Seconds, even, at which beat 0 falls, most likely the first of a bar.
    key
        Such as ``"A minor"``; empty if there is none.
    confidence
        0 (no beat) to 1 (a metronome): the autocorrelation of the onsets at a beat's distance,
        called pulse clarity by Lartillot et al., 2008. Songs have 0.2 to 0.6.
    metre
        3, 4, 6 or 12: 3/4, 4/4, 6/8 and 12/8. The beats of the last two are dotted quarters.
    tuning
        Cents by which the song is tuned above 440 Hz, -45 to 55.
    knots
        Where the tempo is not the same throughout: the song's seconds and those at which a click
        would play the same (`stemlab.library.grid`).

    Examples
    --------
    >>> rhythm = Rhythm(bpm=120, first_beat=0.25, key="A minor", confidence=0.5)
    >>> rhythm.beat_at(1.25), rhythm.time_of(4), rhythm.camelot
    (2.0, 2.25, '8A')

    A drummer who hurries from the tenth second on:

    >>> hurry = Rhythm(120, 0, "", 1, knots=((0, 0), (10, 10), (20, 20.5)))
    >>> hurry.beat_at(10), hurry.beat_at(20), hurry.time_of(41)
    (20.0, 41.0, 20.0)
    """

    bpm: float
    first_beat: float
    key: str
    confidence: float
    metre: int = 4
    tuning: float = 0.0
    knots: tuple[tuple[float, float], ...] = ()

    @property
    def camelot(self) -> str:
        """The key's hour on the Camelot wheel, on which neighbours mix well; empty without a key.

        Examples
        --------
        >>> [Rhythm(0, 0, key, 0).camelot for key in ("C major", "A minor", "E minor", "")]
        ['8B', '8A', '9A', '']
        """
        if not self.key:
            return ""
        tonic, mode = self.key.split()
        fifths = 7 * (NAMES.index(tonic) - (9 if mode == "minor" else 0))
        return f"{(7 + fifths) % 12 + 1}{'A' if mode == 'minor' else 'B'}"

    @property
    def beat(self) -> float:
        """Seconds, even, from one beat to the next.

        Raises
        ------
        SettingError
            If there is no beat.
        """
        if not self.bpm:
            raise SettingError("no beat was found in this song; tap its tempo first")
        return 60 / self.bpm

    @property
    def bar(self) -> int:
        """Beats in a bar."""
        return beats.BEATS[self.metre]

    def beat_at(self, seconds: float) -> float:
        """Return the beat, with its fraction, that is played at a time of the song."""
        return float(grid.even(self.knots, seconds) - self.first_beat) / self.beat

    def time_of(self, beat: float) -> float:
        """Return the seconds at which a beat is played."""
        return float(grid.uneven(self.knots, self.first_beat + beat * self.beat))

    def doubled(self) -> Rhythm:
        """Count twice as fast."""
        return dataclasses.replace(self, bpm=2 * self.bpm)

    def halved(self) -> Rhythm:
        """Count half as fast."""
        return dataclasses.replace(self, bpm=self.bpm / 2)

    def shifted(self, seconds: float) -> Rhythm:
        """Move the whole grid later, or earlier where negative."""
        return dataclasses.replace(self, first_beat=self.first_beat + seconds)

    def tapped(self, times: Sequence[float]) -> Rhythm:
        """Take a steady tempo and beats from taps, the first on the first beat of a bar.

        Parameters
        ----------
        times
            Seconds of the song at which each beat was tapped, at least two.

        Raises
        ------
        SettingError
            If there are fewer than two, or they do not follow one another.

        Examples
        --------
        >>> rhythm = Rhythm(0, 0, "", 0).tapped([10.0, 10.5, 11.0, 12.0])
        >>> round(rhythm.bpm, 3), round(rhythm.time_of(0), 3)
        (120.0, 0.0)
        """
        beat, start = _line(times)
        first = start % (self.bar * beat)
        return dataclasses.replace(self, bpm=60 / beat, first_beat=first, confidence=1.0, knots=())


def tap(times: Sequence[float]) -> float:
    """Return the beats a minute of taps, by least squares; one left out does not matter.

    Parameters
    ----------
    times
        Seconds, at least two.

    Raises
    ------
    SettingError
        If there are fewer than two, or they do not follow one another.

    Examples
    --------
    >>> round(tap([0.0, 0.49, 1.01, 2.0]), 1)
    119.7
    """
    return 60 / _line(times)[0]


def _line(times: Sequence[float]) -> tuple[float, float]:
    """Fit seconds a beat, and the time of the first tap, through taps."""
    gaps = np.diff(times)
    if not len(gaps) or gaps.min() <= 0:
        raise SettingError("a tempo needs two taps or more, one after the other; tap again")
    beats = np.concatenate([[0], np.cumsum(np.maximum(1, np.rint(gaps / np.median(gaps))))])
    beat, start = np.polyfit(beats, times, 1)
    return float(beat), float(start)


def analyse(song: Sound | str | os.PathLike[str]) -> Rhythm:
    """Find tempo, beats, metre and key of a song.

    What is silent, shorter than `SHORTEST` or without a pulse has no beats: ``bpm`` and
    ``confidence`` are 0. What comes after `LONGEST` is not heard: there the last tempo goes on.

    Parameters
    ----------
    song
        The sound itself, or its file.

    Returns
    -------
    Rhythm
        The grid in seconds of the song, and the key.

    Raises
    ------
    AudioError
        If the file cannot be read.
    """
    samples = _mono(song)
    if len(samples) < SHORTEST * beats.RATE or _level(samples) < _QUIET:
        return Rhythm(0.0, 0.0, "", 0.0)
    begin = max(0, len(samples) - round(SPAN * beats.RATE)) // 2
    part = samples[begin : begin + round(SPAN * beats.RATE)]
    tuning = keys.tuning(part[: 30 * beats.RATE], beats.RATE)
    tones = keys.tones(part, beats.RATE, tuning)
    key = keys.key_of(tones)
    plain = Rhythm(0.0, 0.0, key, 0.0, tuning=round(100 * tuning, 1) if key else 0.0)
    onsets = beats.flux(samples)
    del samples, part  # large, and heard by now
    found = beats.find(onsets, tones, begin / beats.RATE)
    return plain if found is None else _with(plain, found)


def _with(rhythm: Rhythm, found: beats.Beats) -> Rhythm:
    """Add beats, the first of them at the begin of the song."""
    even = dataclasses.replace(
        rhythm,
        bpm=found.bpm,
        confidence=found.clarity,
        metre=found.metre,
        knots=found.knots,
    )
    # A first beat that is found a little before the song begins is still its first.
    early = 0.1 * even.beat
    first = (found.first + early) % (even.bar * even.beat) - early
    return dataclasses.replace(even, first_beat=first)


def warm_up() -> None:
    """Let librosa compile what `analyse` needs, some seconds at the first call; for a thread."""
    ticks = np.zeros((8 * RATE, 2), np.float32)
    ticks[:: RATE // 2] = 1
    try:
        analyse(Audio(ticks))
    except RuntimeError:  # numba once walks over builtins, where IPython keeps a cell's result
        analyse(Audio(ticks))


def _mono(song: Sound | str | os.PathLike[str]) -> Floats:
    """Return a song's mono samples at `beats.RATE`, around 0, of `LONGEST` seconds at most."""
    most = LONGEST * beats.RATE
    mono = bytearray()  # grows in place, where a list of blocks would be held twice
    with opened(song, beats.RATE) as sound:
        for block in resampled(sound.blocks(), sound.rate, beats.RATE):
            mono += block.mean(axis=1).data
            if len(mono) >= 4 * most:
                break
    samples: Floats = np.frombuffer(mono, np.float32)[:most]
    samples -= samples.mean() if len(samples) else 0
    return samples


def _level(samples: Floats) -> float:
    """Return the root of their mean square."""
    return math.sqrt(np.dot(samples, samples) / len(samples))
