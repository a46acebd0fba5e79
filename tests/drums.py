"""Drummers for tests: patterns of strokes, played as evenly or unevenly as one likes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.signal import butter, sosfilt

from stemlab.sound.audio import RATE, Audio

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

LEVELS = {"X": 1.0, "x": 0.7, "o": 0.4, ".": 0.0}


def played(
    pattern: dict[str, str], grid: int, seconds: float, when: Callable[[Floats], Floats]
) -> Audio:
    """Play a pattern of a bar again and again.

    Parameters
    ----------
    pattern
        Strokes of ``kick``, ``snare``, ``hat`` and ``skank``, one character a step.
    grid
        Steps a beat.
    seconds
        How long.
    when
        Gives the seconds at which beats, with their fraction, are played.
    """
    rng = np.random.default_rng(0)
    song = np.zeros(round(seconds * RATE))
    for name, strokes in pattern.items():
        sound = VOICES[name](rng)
        levels = np.array([LEVELS[stroke] for stroke in strokes])
        steps = np.arange(8 * seconds * grid)
        for time, level in zip(when(steps / grid), np.resize(levels, len(steps)), strict=True):
            at = round(time * RATE)
            if level and 0 <= at < len(song):
                song[at : at + len(sound)] += level * sound[: len(song) - at]
    song += rng.normal(0, 0.002, len(song))
    return Audio(np.stack([song, song], axis=1).astype(np.float32) * np.float32(0.3))


def even(bpm: float, first: float = 0.0) -> Callable[[Floats], Floats]:
    """Play to a click."""
    return lambda beats: first + beats * 60 / bpm


def drifting(slow: float, fast: float, seconds: float, first: float) -> Callable[[Floats], Floats]:
    """Speed up evenly from one tempo to another within some seconds."""
    time = np.arange(-10, seconds + 10, 0.001)
    beats = np.cumsum(slow + (fast - slow) * time / seconds) * 0.001 / 60
    beats -= np.interp(first, time, beats)
    return lambda wanted: np.interp(wanted, beats, time)


def _kick(_rng: np.random.Generator) -> Floats:
    time = np.arange(round(0.25 * RATE)) / RATE
    pitch = 50 * time + 120 * 0.02 * (1 - np.exp(-time / 0.02))
    hit: Floats = np.sin(2 * np.pi * pitch) * np.exp(-time / 0.08)
    return hit


def _noise(low: float, high: float, seconds: float) -> Callable[[np.random.Generator], Floats]:
    band = butter(2, [low, high], "bandpass", fs=RATE, output="sos")

    def hit(rng: np.random.Generator) -> Floats:
        time = np.arange(round(6 * seconds * RATE)) / RATE
        noise = sosfilt(band, rng.normal(0, 1, len(time))) * np.exp(-time / seconds)
        scaled: Floats = noise / np.abs(noise).max()
        return scaled

    return hit


def _skank(_rng: np.random.Generator) -> Floats:
    time = np.arange(round(0.15 * RATE)) / RATE
    chord = sum(np.sin(2 * np.pi * pitch * time) for pitch in (262, 330, 392))
    hit: Floats = 0.2 * chord * np.exp(-time / 0.05)
    return hit


VOICES: dict[str, Callable[[np.random.Generator], Floats]] = {
    "kick": _kick,
    "snare": _noise(300, 4000, 0.06),
    "hat": _noise(7000, 16000, 0.02),
    "skank": _skank,
}
