"""The bass guitar: plucked strings by additive synthesis, with slides."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .space import highpass, lowpass, peak
from .tape import RATE, Samples, lay, seconds

if TYPE_CHECKING:
    from .score import Note

PLUCK = 0.17
"""Where the string is plucked, as a share of its length from the bridge."""
HARMONICS = 36
SLIDE = 5
"""A rise by at least this many semitones is slid into."""


def hertz(pitch: float | Samples) -> float | Samples:
    """Frequency of a MIDI pitch."""
    return 440 * 2 ** ((pitch - 69) / 12)


def string(note: Note, slide_from: float, rng: np.random.Generator) -> Samples:
    """One plucked note, `[samples]`: partials of a stiff string, the high ones dying first.

    Amplitudes sin(πkβ)/k of a string plucked at β, frequencies k·f·√(1 + Bk²)
    (Fletcher and Rossing, "The Physics of Musical Instruments", ch. 2 and 9).
    """
    time = seconds(note.length + 0.06)
    pitch = note.pitch + (slide_from - note.pitch) * np.exp(-time / 0.035)
    pitch = pitch + 0.12 * np.exp(-time / 0.02)
    phase = 2 * np.pi * np.cumsum(np.asarray(hertz(pitch))) / RATE
    order = np.arange(1, HARMONICS + 1)
    strength = np.sin(np.pi * order * PLUCK) / order**0.85
    brightness = np.exp(-order / (5 + 16 * note.velocity))
    stretch = order * np.sqrt(1 + 6e-5 * order**2)
    fade = 1 / 0.9 + order * 1.1 + 0.09 * order**2
    sound = sum(
        level * np.sin(k * phase + angle) * np.exp(-time * rate)
        for level, k, angle, rate in zip(
            strength * brightness, stretch, rng.uniform(0, 0.6, HARMONICS), fade, strict=True
        )
    )
    finger = lowpass(rng.standard_normal(len(time)), 2500) * np.exp(-time / 0.006)
    gate = np.minimum(1, time / 0.003) * np.minimum(1, (time[-1] - time) / 0.05)
    return np.asarray(note.velocity * (sound + 0.12 * finger) * gate)


def play(notes: list[Note], length: float, rng: np.random.Generator) -> Samples:
    """Play `notes` one after the other for `length` seconds, `[samples, 2]`."""
    tape = np.zeros(round(length * RATE))
    before = 0.0
    for note in sorted(notes, key=lambda note: note.start):
        rises = SLIDE <= note.pitch - before <= 2 * SLIDE
        lay(tape, string(note, note.pitch - 2 if rises else note.pitch, rng), note.start)
        before = note.pitch
    driven = np.tanh(1.6 * tape) + 0.35 * lowpass(tape, 120)
    sound = peak(peak(highpass(driven, 32), 750, 2.5), 240, -2)
    return np.stack([sound, sound], axis=1)
