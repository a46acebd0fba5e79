"""The mixing desk: players to stems, stems to a mix that is exactly their sum."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage, signal

from . import bass, drums, keys, score, voice
from .space import highpass, impulse_response, peak, ping_pong, reverberate
from .tape import RATE, Samples, pan

if TYPE_CHECKING:
    from .score import Part

STEMS = ("vocals", "drums", "bass", "other")
SEED = 1906
CEILING = 10 ** (-2.2 / 20)
KNEE = 6.0
"""Decibels over which a compressor sets in."""
GAINS = {"vocals": 1.45, "drums": 0.85, "bass": 0.9, "other": 0.6}
"""Faders of the stems."""


def decibel_level(sound: Samples, attack: float, release: float) -> Samples:
    """Level of a stereo sound in dB that rises and falls with these times, `[samples]`."""
    power = (sound**2).mean(axis=1)
    fast, slow = (
        signal.lfilter([c], [1, c - 1], power)
        for c in (1 - np.exp(-1 / (RATE * t)) for t in (attack, release))
    )
    return np.asarray(10 * np.log10(np.maximum(fast, slow) + 1e-10))


def compress(
    sound: Samples, threshold: float, ratio: float, attack: float = 0.008, release: float = 0.12
) -> Samples:
    """Reduce by `ratio` what lies above `threshold` dB, with a soft knee."""
    over = decibel_level(sound, attack, release) - threshold
    bent = (over + KNEE / 2) ** 2 / (2 * KNEE)
    over = np.where(np.abs(over) < KNEE / 2, bent, np.maximum(over, 0))
    return np.asarray(sound * 10 ** (-over * (1 - 1 / ratio) / 20)[:, None])


def limiting_gain(sound: Samples, ceiling: float, lookahead: float = 0.004) -> Samples:
    """Gain that keeps a stereo sound below `ceiling`, smooth and looking ahead, `[samples]`."""
    size = 2 * round(lookahead * RATE) + 1
    need = np.minimum(1, ceiling / np.maximum(np.abs(sound).max(axis=1), 1e-9))
    lowest = ndimage.minimum_filter1d(need, 2 * size - 1)
    window = np.hanning(size + 2)[1:-1]
    return np.asarray(
        signal.fftconvolve(np.pad(lowest, size // 2, "edge"), window / window.sum(), "valid")
    )


def duck(sound: Samples, kicks: list[float], depth: float) -> Samples:
    """Let the bass drum through: dip by `depth` at each kick, for a fifth of a second."""
    gain = np.ones(len(sound))
    time = np.arange(round(0.3 * RATE)) / RATE
    dip = 1 - depth * np.minimum(1, time / 0.004) * np.exp(-((time / 0.12) ** 2))
    for start in kicks:
        first = round(start * RATE)
        part = gain[first : first + len(dip)]
        np.minimum(part, dip[: len(part)], out=part)
    return sound * gain[:, None]


def excite(sound: Samples) -> Samples:
    """Add the air that a bright microphone and a driven preamplifier would."""
    top = highpass(sound, 2500)
    return sound + 0.8 * highpass(np.tanh(4 * top), 5500)


def choir(part: Part, rng: np.random.Generator) -> Samples:
    """All takes of the singer, placed, compressed and in their plate, `[samples, 2]`."""
    takes = (
        (part.lead, voice.Singer(11), 0.0, 1.0),
        (part.doubles, voice.Singer(12, -7, 0.012, 0.98), -0.75, 0.42),
        (part.doubles, voice.Singer(13, 8, 0.018, 1.02), 0.75, 0.42),
        (part.harmony, voice.Singer(14, 4, 0.01, 1.01, 0.8), 0.45, 0.45),
        (part.harmony, voice.Singer(15, -5, 0.016, 0.97, 0.8), -0.45, 0.45),
    )
    sound = np.zeros((round(part.length * RATE), 2))
    for syllables, singer, place, level in takes:
        sound += 0.28 * level * pan(voice.perform(syllables, part.length, singer), place)
    sound = excite(compress(highpass(sound, 120), -22, 3.5, 0.006, 0.1))
    sound = peak(sound, 3600, 3)
    plate = reverberate(highpass(sound, 300), impulse_response(rng, 1.5, bright=0.6, predelay=0.03))
    echo = ping_pong(sound, 0.75 * score.BEAT, 0.35, 4)
    return np.asarray(sound + 0.2 * plate + 0.18 * echo)


def stems(first: int = 0, last: int = score.BARS) -> dict[str, Samples]:
    """Record the bars from `first` to before `last` and mix them; each stem `[samples, 2]`.

    One gain over time, found on the sum and given to all stems alike, keeps the peak of the
    mix below the ceiling: so the stems still sum to the mix.
    """
    part = score.part(first, last)
    rngs = {name: np.random.default_rng([SEED, i]) for i, name in enumerate(STEMS)}
    kicks = [hit.start for hit in part.drums if hit.drum == "kick"]
    low = bass.play(part.bass, part.length, rngs["bass"])
    played = {
        "vocals": choir(part, rngs["vocals"]),
        "drums": compress(drums.play(part.drums, part.length, rngs["drums"]), -16, 3, 0.015),
        "bass": compress(duck(low, kicks, 0.35), -20, 4),
        "other": compress(duck(keys.play(part, rngs["other"]), kicks, 0.25), -18, 2),
    }
    return master({name: GAINS[name] * played[name] for name in STEMS}, part.level)


def master(tracks: dict[str, Samples], level: list[tuple[float, float]]) -> dict[str, Samples]:
    """Ride the fader, then give all stems the gain that keeps their sum below the ceiling."""
    mix = np.sum(list(tracks.values()), axis=0)
    times, gains = zip(*level, strict=True)
    fader = np.interp(np.arange(len(mix)) / RATE, times, gains)
    gain = fader * limiting_gain(mix * fader[:, None], CEILING)
    return {name: track * gain[:, None] for name, track in tracks.items()}
