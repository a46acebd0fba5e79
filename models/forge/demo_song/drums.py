"""The drum kit: each drum a small physical sketch of membranes, wires and metal."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from .space import bandpass, highpass, impulse_response, lowpass, peak, reverberate
from .tape import RATE, Samples, lay, pan, seconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from .score import Hit

    Drum = Callable[[np.random.Generator, float], Samples]


def fall(time: Samples, decay: float) -> Samples:
    """Exponential decay that reaches 1/e after `decay` seconds."""
    return np.asarray(np.exp(-time / decay))


def sweep(time: Samples, end: float, bends: tuple[tuple[float, float], ...]) -> Samples:
    """Sine whose pitch falls to `end` hertz; each bend is (hertz above, decay in seconds)."""
    frequency = end + sum(height * fall(time, decay) for height, decay in bends)
    return np.asarray(np.sin(2 * np.pi * np.cumsum(frequency) / RATE))


def kick(rng: np.random.Generator, velocity: float) -> Samples:
    """Bass drum: a sine that falls from a knock to the skin's note, and the beater's click."""
    time = seconds(0.5)
    skin = sweep(time, 51, ((190 * velocity, 0.009), (58, 0.045)))
    body = np.tanh(1.7 * skin * fall(time, 0.15) * np.minimum(1, time / 0.0008))
    click = highpass(rng.standard_normal(len(time)) * fall(time, 0.0025), 1800)
    end = np.minimum(1, (0.5 - time) / 0.1)
    return np.asarray(velocity * (body + 0.22 * velocity * click) * end)


def snare(rng: np.random.Generator, velocity: float) -> Samples:
    """Snare drum: the first modes of the batter head and the wires' noise below it."""
    time = seconds(0.45)
    tension = 1 + 0.012 * rng.standard_normal()
    modes = ((192, 0.055, 0.75), (287, 0.035, 0.35), (396, 0.028, 0.3), (541, 0.02, 0.15))
    head = sum(
        level * sweep(time, f * tension, ((f * 0.35 * velocity, 0.006),)) * fall(time, decay)
        for f, decay, level in modes
    )
    noise = rng.standard_normal(len(time))
    rattle = fall(time, 0.025 + 0.04 * velocity) + 0.2 * fall(time, 0.12)
    wires = bandpass(noise, 1700, 9500, 1) * rattle * np.minimum(1, time / 0.0015)
    crack = highpass(noise, 2500) * fall(time, 0.006)
    return np.asarray(velocity * np.tanh(1.2 * (head + 0.62 * wires + 0.5 * velocity * crack)))


def rim(rng: np.random.Generator, velocity: float) -> Samples:
    """Cross-stick: short wooden modes."""
    time = seconds(0.12)
    wood = sum(
        np.sin(2 * np.pi * f * time + rng.uniform(0, 1)) * fall(time, decay)
        for f, decay in ((480, 0.018), (1120, 0.014), (1730, 0.012), (2640, 0.006))
    )
    stick = highpass(rng.standard_normal(len(time)), 3000) * fall(time, 0.003)
    return np.asarray(0.4 * velocity * (wood + stick))


def metal(rng: np.random.Generator, time: Samples, *, base: float) -> Samples:
    """Cymbal metal: many inharmonic partials, pairwise multiplied, above a wash of noise."""
    ratios = np.array([1.0, 1.342, 1.2312, 1.6532, 1.9523, 2.1523, 2.517, 3.17])
    phases = base * ratios[:, None] * time * (1 + 0.001 * rng.standard_normal())
    squares = np.sign(np.sin(2 * np.pi * (phases + rng.random((len(ratios), 1)))))
    rings = (squares[::2] * squares[1::2]).sum(axis=0) + 0.6 * squares.sum(axis=0)
    return np.asarray(0.2 * rings + 0.55 * rng.standard_normal(len(time)))


def hat(rng: np.random.Generator, velocity: float, *, decay: float = 0.028) -> Samples:
    """Hi-hat; the decay in seconds says how far it is open."""
    time = seconds(min(0.9, 9 * decay))
    ring = bandpass(metal(rng, time, base=421), 6800, 15_000)
    envelope = 0.55 * fall(time, decay * (0.6 + 0.6 * velocity)) + 0.45 * fall(time, decay / 3)
    tip = bandpass(rng.standard_normal(len(time)), 3000, 7000) * fall(time, 0.004)
    attack = np.minimum(1, time / 0.0004)
    return np.asarray(velocity**1.3 * (ring * envelope + 0.15 * tip) * attack)


def crash(rng: np.random.Generator, velocity: float) -> Samples:
    """Crash cymbal: the wash opens after the stroke and sinks slowly."""
    time = seconds(2.6)
    bright = highpass(metal(rng, time, base=357), 5200) * fall(time, 0.5)
    dark = bandpass(metal(rng, time, base=236), 900, 6000) * fall(time, 0.8)
    swell = np.minimum(1, 0.35 + time / 0.03) * np.minimum(1, (2.6 - time) / 0.8)
    return np.asarray(0.5 * velocity * (bright + 0.45 * dark) * swell)


def clap(rng: np.random.Generator, velocity: float) -> Samples:
    """Several hands, each a few milliseconds late, and the room behind them."""
    time = seconds(0.35)
    spread = 0.03
    envelope = 0.35 * fall(np.maximum(0, time - spread), 0.07) * (time > spread)
    for late in rng.uniform(0, spread, 5):
        envelope += (time >= late) * fall(np.maximum(0, time - late), 0.006)
    return 0.7 * velocity * bandpass(rng.standard_normal(len(time)), 950, 4200, 1) * envelope


def shaker(rng: np.random.Generator, velocity: float) -> Samples:
    """Shaker: seeds that swell and stop."""
    time = seconds(0.11)
    envelope = np.sin(np.pi * np.minimum(1, time / 0.09)) ** 3
    seeds = bandpass(rng.standard_normal(len(time)), 5200, 12_000)
    return np.asarray(0.5 * velocity * seeds * envelope)


def tom(rng: np.random.Generator, velocity: float, *, pitch: float) -> Samples:
    """Tom-tom at `pitch` hertz."""
    time = seconds(0.6)
    head = sweep(time, pitch, ((pitch * 0.5, 0.03),)) * fall(time, 0.16)
    second = sweep(time, pitch * 1.59, ((pitch * 0.5, 0.02),)) * fall(time, 0.06)
    stick = lowpass(rng.standard_normal(len(time)), 5000) * fall(time, 0.008)
    return np.asarray(velocity * np.tanh(1.3 * (head + 0.35 * second + 0.4 * stick)))


# Drum, place between left and right, level, share of room.
KIT: dict[str, tuple[Drum, float, float, float]] = {
    "kick": (kick, 0.0, 0.95, 0.05),
    "snare": (snare, 0.05, 0.72, 0.3),
    "rim": (rim, -0.15, 0.6, 0.4),
    "hat": (hat, 0.35, 0.3, 0.08),
    "open": (partial(hat, decay=0.16), 0.35, 0.24, 0.1),
    "crash": (crash, -0.45, 0.4, 0.2),
    "clap": (clap, -0.1, 0.42, 0.35),
    "shaker": (shaker, -0.55, 0.32, 0.1),
    "tom high": (partial(tom, pitch=165.0), 0.3, 0.7, 0.25),
    "tom mid": (partial(tom, pitch=122.0), -0.05, 0.75, 0.25),
    "tom low": (partial(tom, pitch=88.0), -0.4, 0.85, 0.25),
}


def play(hits: list[Hit], length: float, rng: np.random.Generator) -> Samples:
    """Play `hits` on the kit for `length` seconds, `[samples, 2]`."""
    close = np.zeros((round(length * RATE), 2))
    sent = np.zeros_like(close)
    for hit in sorted(hits, key=lambda hit: (hit.start, hit.drum)):
        drum, place, level, share = KIT[hit.drum]
        velocity = hit.velocity * rng.uniform(0.92, 1.04)
        late = rng.normal(0, 0.0015) if hit.drum != "kick" else 0.0
        sound = pan(level * drum(rng, velocity), place)
        lay(close, sound, hit.start + late)
        lay(sent, share * sound, hit.start + late)
    room = reverberate(
        lowpass(highpass(sent, 120), 8000, 1), impulse_response(rng, 0.55, predelay=0.006)
    )
    return peak(close + 1.1 * room, 380, -2.5)
