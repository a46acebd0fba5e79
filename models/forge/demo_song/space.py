"""Rooms: reverberation by synthetic impulse responses, echoes, and simple filters."""

from __future__ import annotations

import numpy as np
from scipy import signal

from .tape import RATE, Samples

EARLY, DENSITY = 0.015, 0.04
"""Seconds of early reflections, and the share of their samples that sound."""
BAND_EDGES = (150.0, 400.0, 1000.0, 2500.0, 6000.0)


def bandpass(sound: Samples, low: float, high: float, order: int = 2) -> Samples:
    """Keep what lies between `low` and `high` hertz (Butterworth)."""
    sos = signal.butter(order, [low, high], "bandpass", fs=RATE, output="sos")
    return np.asarray(signal.sosfilt(sos, sound, axis=0))


def highpass(sound: Samples, cutoff: float, order: int = 2) -> Samples:
    """Remove what lies below `cutoff` hertz (Butterworth)."""
    sos = signal.butter(order, cutoff, "highpass", fs=RATE, output="sos")
    return np.asarray(signal.sosfilt(sos, sound, axis=0))


def lowpass(sound: Samples, cutoff: float, order: int = 2) -> Samples:
    """Remove what lies above `cutoff` hertz (Butterworth)."""
    sos = signal.butter(order, cutoff, "lowpass", fs=RATE, output="sos")
    return np.asarray(signal.sosfilt(sos, sound, axis=0))


def peak(sound: Samples, frequency: float, gain_db: float, q: float = 0.9) -> Samples:
    """Raise or lower a band around `frequency` hertz (bell of R. Bristow-Johnson's cookbook)."""
    omega = 2 * np.pi * frequency / RATE
    amplitude, alpha = 10 ** (gain_db / 40), np.sin(omega) / (2 * q)
    b = [1 + alpha * amplitude, -2 * np.cos(omega), 1 - alpha * amplitude]
    a = [1 + alpha / amplitude, -2 * np.cos(omega), 1 - alpha / amplitude]
    return np.asarray(signal.lfilter(b, a, sound, axis=0))


def impulse_response(
    rng: np.random.Generator, decay: float, *, bright: float = 0.5, predelay: float = 0.0
) -> Samples:
    """Make a room: stereo noise that dies away by 60 dB in `decay` seconds, `[samples, 2]`.

    Highs die sooner: from the lowest band to the highest the time falls to `bright` of it.
    The first moments are sparse, as early reflections are (Moorer 1979, "About this
    reverberation business").
    """
    time = np.arange(round(1.1 * decay * RATE)) / RATE
    noise = rng.standard_normal((len(time), 2))
    edges = (20.0, *BAND_EDGES, 20_000.0)
    decays = np.linspace(decay, decay * bright, len(edges) - 1)
    bands = zip(edges, edges[1:], decays, strict=False)
    room = sum(
        bandpass(noise, low, high) * np.exp(-6.91 * time / band_decay)[:, None]
        for low, high, band_decay in bands
    )
    early = (time < EARLY)[:, None]
    room = np.where(early & (rng.random((len(time), 2)) > DENSITY), 0.0, room)
    room = np.asarray(room * np.minimum(1, 0.3 + time / 0.02)[:, None])
    room /= np.sqrt((room**2).sum(axis=0))
    return np.pad(room, ((round(predelay * RATE), 0), (0, 0)))


def reverberate(sound: Samples, room: Samples) -> Samples:
    """Return only the reverberation of a stereo `sound`, cut to its length."""
    return np.asarray(signal.oaconvolve(sound, room, axes=0)[: len(sound)])


def ping_pong(sound: Samples, delay: float, feedback: float, repeats: int = 5) -> Samples:
    """Return only the echoes of a stereo `sound`, darker and swapping sides each time."""
    echo = np.zeros_like(sound)
    shift = round(delay * RATE)
    source = sound
    for _ in range(repeats):
        moved = np.zeros_like(source)
        moved[shift:] = source[:-shift, ::-1]
        source = feedback * lowpass(highpass(moved, 200), 4500, 1)
        echo += source
    return echo
