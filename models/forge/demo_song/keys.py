"""All that is neither drums, bass nor voice: electric piano, pad, plucks and a riser."""

from __future__ import annotations

import numpy as np

from .bass import hertz
from .score import BEAT, Note, Part
from .space import bandpass, highpass, impulse_response, peak, ping_pong, reverberate
from .tape import RATE, Samples, lay, pan, seconds


def tine(note: Note, rng: np.random.Generator) -> Samples:
    """One note of the electric piano: a soft FM pair and the bell of the tine.

    Frequency modulation with a falling index (Chowning 1973); the index follows the touch.
    """
    time = seconds(note.length + 0.35)
    f = float(hertz(note.pitch)) * (1 + 0.0006 * rng.standard_normal())
    index = (0.35 + 1.5 * note.velocity**2) * np.exp(-time / 0.35) + 0.12
    body = np.sin(2 * np.pi * f * time + index * np.sin(2 * np.pi * f * time))
    bell = np.sin(2 * np.pi * 14 * f * time + 0.5) if 14 * f < RATE / 2 else np.zeros_like(time)
    bark = np.sin(2 * np.pi * 2 * f * time) * np.exp(-time / 0.5)
    envelope = np.exp(-time / (1.1 * (60 / note.pitch) ** 3)) * np.minimum(1, time / 0.002)
    release = np.minimum(1, np.exp(-(time - note.length) / 0.07))
    bell *= 0.07 * note.velocity * np.exp(-time / 0.09)
    return np.asarray(note.velocity * (body + 0.15 * bark + bell) * envelope * release)


def piano(notes: list[Note], length: float, rng: np.random.Generator) -> Samples:
    """Electric piano with its slow stereo tremolo, `[samples, 2]`."""
    tape = np.zeros(round(length * RATE))
    for note in notes:
        lay(tape, tine(note, rng), note.start)
    tape = highpass(np.tanh(0.7 * tape), 130)
    sway = 0.28 * np.sin(2 * np.pi * np.arange(len(tape)) / RATE / (2 * BEAT))
    return np.stack([tape * (1 - sway), tape * (1 + sway)], axis=1)


def saws(pitch: float, time: Samples, rng: np.random.Generator) -> Samples:
    """Five detuned saws whose upper partials fall as under a low-pass, `[samples, 2]`."""
    sound = np.zeros((len(time), 2))
    for cents, place in zip((-11, -5, 0, 6, 10), (-0.9, 0.5, 0, -0.5, 0.9), strict=True):
        f = float(hertz(pitch + cents / 100))
        order = np.arange(1, int(min(24, 5200 / f)) + 1)[:, None]
        level = 1 / order / np.sqrt(1 + (order * f / 1100) ** 4)
        partials = level * np.sin(2 * np.pi * order * (f * time + rng.random()))
        sound += pan(partials.sum(axis=0), place)
    return sound


def pad(notes: list[Note], length: float, rng: np.random.Generator) -> Samples:
    """Warm string-like pad, wide, `[samples, 2]`."""
    tape = np.zeros((round(length * RATE), 2))
    for note in notes:
        time = seconds(note.length + 0.5)
        swell = np.minimum(1, time / 0.25) * np.clip((time[-1] - time) / 0.5, 0, 1)
        lay(tape, note.velocity * saws(note.pitch, time, rng) * swell[:, None], note.start)
    return highpass(tape, 180)


def pluck(note: Note, rng: np.random.Generator) -> Samples:
    """Pluck a glassy note: partials that die the faster the higher they are."""
    time = seconds(note.length)
    f = float(hertz(note.pitch))
    order = np.arange(1, int(min(14, 9000 / f)) + 1)[:, None]
    level = np.sin(np.pi * order * 0.23) / order * np.exp(-order / (3 + 6 * note.velocity))
    decay = np.exp(-time * (3.0 + 2.2 * order))
    tones = np.sin(2 * np.pi * order * f * time + rng.uniform(0, 0.4, order.shape))
    end = np.minimum(1, (note.length - time) / 0.05) * np.minimum(1, time / 0.0015)
    return np.asarray(note.velocity * (level * decay * tones).sum(axis=0) * end)


def plucks(notes: list[Note], length: float, rng: np.random.Generator) -> Samples:
    """Plucked notes that wander between the sides, with echoes, `[samples, 2]`."""
    tape = np.zeros((round(length * RATE), 2))
    for number, note in enumerate(notes):
        lay(tape, pan(pluck(note, rng), 0.5 * (-1) ** number), note.start)
    return tape + 0.5 * ping_pong(tape, 0.75 * BEAT, 0.6)


def chop(note: Note, rng: np.random.Generator) -> Samples:
    """Chop a muted clavinet note: a bright string with two pick-ups, soon damped."""
    time = seconds(note.length + 0.08)
    f = float(hertz(note.pitch))
    order = np.arange(1, int(min(30, 11_000 / f)) + 1)[:, None]
    level = np.sin(np.pi * order * 0.11) * np.cos(np.pi * order * 0.31) / order**0.6
    decay = np.exp(-time * (6 + 1.3 * order)) * np.exp(-np.maximum(0, time - note.length) / 0.015)
    tones = np.sin(2 * np.pi * order * f * time + rng.uniform(0, 0.3, order.shape))
    sound = (level * np.exp(-order / (4 + 14 * note.velocity)) * decay * tones).sum(axis=0)
    return np.asarray(note.velocity * sound * np.minimum(1, time / 0.001))


def clavinet(notes: list[Note], length: float, rng: np.random.Generator) -> Samples:
    """Clavinet through a gentle phaser-like comb, left of the middle, `[samples, 2]`."""
    tape = np.zeros(round(length * RATE))
    for note in notes:
        lay(tape, chop(note, rng), note.start)
    tape = peak(highpass(np.tanh(1.5 * tape), 260), 1400, 4)
    late = np.pad(tape, (round(0.011 * RATE), 0))[: len(tape)]
    return pan(tape, -0.6) + 0.45 * pan(late, 0.7)


def riser(notes: list[Note], length: float, rng: np.random.Generator) -> Samples:
    """Noise that swells and brightens, `[samples, 2]`."""
    tape = np.zeros((round(length * RATE), 2))
    for note in notes:
        rise = seconds(note.length) / note.length
        noise = rng.standard_normal((len(rise), 2))
        bands = ((500, 1200, 0.25), (1200, 3000, 0.55), (3000, 9000, 0.9))
        sound = sum(
            bandpass(noise, low, high) * np.exp(-(((rise - top) / 0.35) ** 2))[:, None]
            for low, high, top in bands
        )
        swell = rise**2 * np.minimum(1, (1 - rise) / 0.01)
        lay(tape, np.asarray(sound) * swell[:, None], note.start)
    return tape


def play(part: Part, rng: np.random.Generator) -> Samples:
    """Play all keys together in their hall, `[samples, 2]`."""
    electric = 0.42 * piano(part.piano, part.length, rng)
    strings = 0.05 * pad(part.pad, part.length, rng)
    glass = 0.3 * plucks(part.pluck, part.length, rng)
    chops = 0.14 * clavinet(part.clavinet, part.length, rng)
    noise = 0.05 * riser(part.riser, part.length, rng)
    hall = impulse_response(rng, 1.9, bright=0.4, predelay=0.02)
    sent = highpass(0.6 * electric + 0.8 * strings + glass + 0.25 * chops, 250)
    dry = electric + strings + glass + chops + noise
    return np.asarray(dry + 0.3 * reverberate(sent, hall))
