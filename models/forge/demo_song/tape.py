"""The tape on which all players are recorded: sample rate, laying sounds down, panning."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float64]
"""Mono `[samples]` or stereo `[samples, 2]`, full scale ±1."""

RATE = 44_100


def seconds(duration: float) -> Samples:
    """Return the time of each sample of a sound `duration` seconds long, `[samples]`."""
    return np.arange(round(duration * RATE)) / RATE


def lay(tape: Samples, sound: Samples, start: float) -> None:
    """Add `sound` to `tape` from `start` seconds on; what hangs over either end is cut."""
    first = round(start * RATE)
    skip = max(0, -first)
    count = min(len(tape) - first, len(sound))
    if count > skip:
        tape[first + skip : first + count] += sound[skip:count]


def pan(mono: Samples, position: float) -> Samples:
    """Place a mono sound between left (−1) and right (1) at constant power, `[samples, 2]`."""
    angle = (position + 1) * np.pi / 4
    return np.asarray(2**0.5 * mono[:, None] * np.array([np.cos(angle), np.sin(angle)]))
