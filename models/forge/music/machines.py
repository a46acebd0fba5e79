"""Drum machines: synthesised percussion after the 808, the 909 and their kin, and kits of it.

Every sound is drawn from a random generator, so that no two songs hear the same machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.signal import lfilter

from music import oneshots
from music.draw import chance, pick
from music.effects import RATE, bandpass, bell, crush, drive, highpass, lowpass

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from music.effects import Sound

Rng = np.random.Generator
ROLES = ("kick", "snare", "clap", "rim", "hat", "open", "ride", "crash", "tom", "shaker", "perc")
LEVELS = {
    "kick": 1.4, "snare": 0.7, "clap": 0.55, "rim": 0.4, "hat": 0.3, "open": 0.34, "ride": 0.3,
    "crash": 0.5, "tom": 0.5, "shaker": 0.22, "perc": 0.28,
}  # fmt: skip
"""Peak of a role at full force."""
CRUSHED, DULLED, GATED = 0.12, 0.25, 0.45
"""Cumulative shares of the sounds that were worn so."""


@dataclass(frozen=True)
class Kit:
    """Sounds by role, within a role from soft to loud, and how they lie in the mix."""

    sounds: dict[str, list[Sound]]
    levels: dict[str, float]
    pans: dict[str, float]

    def hit(self, role: str, force: float, rng: Rng) -> Sound:
        """Return the sound of a hit of `force` from 0 to 1, panned and levelled."""
        layers = self.sounds[role]
        place = force * (len(layers) - 1) + rng.normal(0, 0.06 * len(layers))
        sound = layers[int(np.clip(round(place), 0, len(layers) - 1))]
        pan = self.pans[role]
        level = self.levels[role] * (
            force**1.4 if role not in {"tom", "perc"} else 0.6 + 0.4 * force
        )
        gains = np.array([[min(1, 1 - pan)], [min(1, 1 + pan)]]) * level
        return sound * gains.astype(np.float32)


def kick(rng: Rng) -> Sound:
    """Sing a falling sine with a click: short and dry, long and deep, or driven hard."""
    style = rng.choice(["808", "909", "hard", "soft"], p=[0.3, 0.4, 0.15, 0.15])
    low = rng.uniform(38, 62)
    decay = rng.uniform(0.35, 1.1) if style == "808" else rng.uniform(0.1, 0.3)
    time = _time(2.5 * decay)
    jump = rng.uniform(1.5, 4) if style == "808" else rng.uniform(3, 9)
    pitch = low * (1 + jump * np.exp(-time / rng.uniform(0.006, 0.035)))
    tone = np.sin(_phase(pitch)) * np.exp(-time / decay * 2) * np.minimum(1, time / 0.001)
    click = _noise(rng, time) * np.exp(-time / rng.uniform(0.001, 0.006)) * rng.uniform(0, 0.5)
    sound = _stereo(tone) + highpass(_stereo(click), rng.uniform(800, 4000))
    if style == "hard":
        sound = drive(sound, rng.uniform(2, 8), pick(rng, ["tanh", "hard", "fold"]))
    return drive(sound, rng.uniform(0.5, 2.5))


def snare(rng: Rng) -> Sound:
    """Mix two drum-head modes with a rattle of noise."""
    time = _time(rng.uniform(0.2, 0.6))
    low = rng.uniform(150, 260)
    bend = 1 + rng.uniform(0, 0.6) * np.exp(-time / 0.015)
    body = sum(
        np.sin(_phase(low * ratio * bend)) * np.exp(-time / rng.uniform(0.03, 0.09))
        for ratio in (1, rng.uniform(1.5, 1.9))
    )
    wires = _stereo(_noise(rng, time) * np.exp(-time / rng.uniform(0.04, 0.16)))
    wires = bandpass(wires, rng.uniform(500, 1800), rng.uniform(6000, 15_000))
    share = rng.uniform(0.3, 1.2)
    return drive(_stereo(0.5 * body) * np.float32(share) + 2 * wires, rng.uniform(0.5, 3))


def clap(rng: Rng) -> Sound:
    """Repeat short bursts of noise, then let the room ring."""
    time = _time(rng.uniform(0.25, 0.7))
    starts = np.cumsum(rng.uniform(0.006, 0.014, rng.integers(2, 5)))
    envelope = np.exp(-np.maximum(time - starts[-1], 0) / rng.uniform(0.03, 0.15))
    envelope *= time >= starts[-1]
    for start in starts[:-1]:
        since = time - start
        envelope = np.maximum(envelope, (since >= 0) * np.exp(-np.maximum(since, 0) / 0.004))
    noise = rng.standard_normal((2, len(time)))
    centre = rng.uniform(900, 1800)
    return bandpass((noise * envelope).astype(np.float32), centre, 2.5 * centre) + 0.2 * highpass(
        (noise * envelope).astype(np.float32), 5000
    )


def rim(rng: Rng) -> Sound:
    """Click two high modes."""
    time = _time(0.12)
    modes = rng.uniform([400, 1500], [900, 2600])
    tone = sum(np.sin(2 * np.pi * mode * time) * np.exp(-time / 0.012) for mode in modes)
    return drive(_stereo(tone), rng.uniform(1, 4))


def metal(rng: Rng, decay: float, low: float) -> Sound:
    """Ring six square waves at odd ratios with noise, as the 808's cymbals do."""
    time = _time(min(3.0, 5 * decay))
    base = rng.uniform(260, 640)
    ratios = np.array([1, 1.34, 1.55, 1.88, 2.02, 2.7]) * rng.uniform(0.96, 1.04, 6)
    squares = sum(np.sign(np.sin(2 * np.pi * base * ratio * time)) for ratio in ratios)
    share = rng.uniform(0, 1)
    mixed = share * squares / 3 + (1 - share) * rng.standard_normal((2, len(time)))
    shaped = mixed * (0.7 * np.exp(-time / decay) + 0.3 * np.exp(-time / (decay / 5)))
    shaped = np.broadcast_to(shaped, (2, len(time))) * np.minimum(1, time / 0.0008)
    bright = highpass(np.asarray(shaped, np.float32), low, 3)
    return bell(bright, rng.uniform(6000, 11_000), rng.uniform(-4, 6))


def hat(rng: Rng) -> Sound:
    """Close the hi-hat."""
    return metal(rng, rng.uniform(0.012, 0.06), rng.uniform(4500, 9000))


def open_hat(rng: Rng) -> Sound:
    """Open the hi-hat."""
    return metal(rng, rng.uniform(0.12, 0.4), rng.uniform(4000, 8000))


def ride(rng: Rng) -> Sound:
    """Ring a ride cymbal: a ping over a wash."""
    time = _time(1.0)
    bells = rng.uniform(2500, 8000, 6)
    ping = np.sin(2 * np.pi * np.outer(bells, time)).sum(0) * np.exp(
        -time / rng.uniform(0.04, 0.15)
    )
    return metal(rng, rng.uniform(0.2, 0.4), 3000)[:, : len(time)] + _stereo(0.07 * ping)


def crash(rng: Rng) -> Sound:
    """Crash."""
    return metal(rng, rng.uniform(0.4, 0.9), rng.uniform(1500, 4000))


def tom(rng: Rng) -> Sound:
    """Drop a sine, with a little skin."""
    decay = rng.uniform(0.12, 0.4)
    time = _time(3 * decay)
    pitch = rng.uniform(90, 160) * (1 + rng.uniform(0.2, 1) * np.exp(-time / 0.03))
    skin = bandpass(_stereo(_noise(rng, time) * np.exp(-time / 0.02)), 300, 3000)
    return _stereo(np.sin(_phase(pitch)) * np.exp(-time / decay)) + rng.uniform(0, 0.6) * skin


def shaker(rng: Rng) -> Sound:
    """Swell and stop a hiss."""
    time = _time(rng.uniform(0.06, 0.16))
    rise = rng.uniform(0.005, 0.04)
    shape = np.minimum(1, time / rise) * np.exp(-np.maximum(time - rise, 0) / 0.02)
    hiss = (rng.standard_normal((2, len(time))) * shape).astype(np.float32)
    return bandpass(hiss, rng.uniform(3000, 6000), rng.uniform(8000, 16_000))


def perc(rng: Rng) -> Sound:
    """Play a conga, a cowbell, a wood block or a zap."""
    time = _time(rng.uniform(0.15, 0.5))
    kind = pick(rng, ["conga", "cowbell", "block", "zap"])
    fade = np.exp(-time / rng.uniform(0.02, 0.12))
    if kind == "conga":
        base = rng.uniform(170, 420)
        tone = np.sin(_phase(base * (1 + 0.25 * np.exp(-time / 0.01)))) * fade
    elif kind == "cowbell":
        tone = sum(np.sign(np.sin(2 * np.pi * hz * time)) for hz in (562, 845)) * fade
    elif kind == "block":
        tone = np.sin(2 * np.pi * rng.uniform(700, 2200) * time) * np.exp(-time / 0.02)
    else:
        tone = np.sin(_phase(rng.uniform(200, 400) + 5000 * np.exp(-time / 0.02))) * fade
    return highpass(_stereo(tone), 120)


MAKERS: dict[str, Callable[[Rng], Sound]] = {
    "kick": kick, "snare": snare, "clap": clap, "rim": rim, "hat": hat, "open": open_hat,
    "ride": ride, "crash": crash, "tom": tom, "shaker": shaker, "perc": perc,
}  # fmt: skip


def electronic_kit(rng: Rng, data: Path) -> Kit:
    """Choose every sound for itself: a machine's, or a recorded one-shot."""
    recorded = rng.uniform(0.1, 0.9)
    sounds = {}
    for role in ROLES:
        count = 3 if role in {"tom", "perc"} else 1
        drawn = role in oneshots.ELECTRONIC and chance(rng, recorded)
        if drawn and (files := oneshots.single_sound(rng, data, role)):
            sounds[role] = _take(rng, files, count)
        else:
            sounds[role] = [_unit(MAKERS[role](rng)) for _ in range(count)]
        if role in {"snare", "clap", "kick"} and chance(rng, 0.3):
            sounds[role] = [_layered(each, _unit(MAKERS[role](rng))) for each in sounds[role]]
    return _placed(rng, _worn(rng, sounds), spread=0.35)


def acoustic_kit(rng: Rng, data: Path) -> Kit:
    """Set up one recorded drum kit, with what it lacks borrowed; often with another snare."""
    found = oneshots.kits(data)
    if not found:
        return electronic_kit(rng, data)
    files = dict(pick(rng, found))
    if chance(rng, 0.3):
        files["snare"] = oneshots.single_sound(rng, data, "snare", "frankensnare") or files["snare"]
    sounds = {}
    tuning = {"kick": 1.12, "snare": 1.12, "tom": 1.12}
    for role in ROLES:
        spread = tuning.get(role, 1.04)
        ratio = float(np.round(spread ** rng.uniform(-1, 1), 3))
        if role in files:
            layers = _thin(files[role], 7)
            sounds[role] = [_cut(oneshots.read(path, ratio)) for path in layers]
        elif (
            borrowed := oneshots.single_sound(rng, data, role)
            if role in oneshots.ELECTRONIC
            else []
        ):
            sounds[role] = _take(rng, borrowed, 3)
        else:
            sounds[role] = [_unit(MAKERS[role](rng))]
    return _placed(rng, sounds, spread=0.6)


def _take(rng: Rng, files: list[Path], count: int) -> list[Sound]:
    """Read `count` sounds of a group, all moved in pitch alike."""
    chosen = [files[int(place)] for place in np.sort(rng.choice(len(files), count))]
    ratio = float(np.round(1.25 ** rng.uniform(-1, 1), 3))
    return [_cut(oneshots.read(path, ratio)) for path in chosen]


def _thin(files: list[Path], count: int) -> list[Path]:
    places = np.linspace(0, len(files) - 1, min(count, len(files)))
    return [files[round(place)] for place in places]


def _worn(rng: Rng, sounds: dict[str, list[Sound]]) -> dict[str, list[Sound]]:
    """Send some sounds through a sampler of few bits, a filter, or a gate."""
    worn = {}
    for role, layers in sounds.items():
        fate, amount = rng.random(), rng.random()
        changed = layers
        if fate < CRUSHED:
            changed = [crush(each, 6 + int(6 * amount), 1 + int(4 * amount)) for each in layers]
        elif fate < DULLED:
            changed = [lowpass(each, 3000 + 9000 * amount) for each in layers]
        elif fate < GATED:
            changed = [_gated(each, 0.08 + 0.25 * amount) for each in layers]
        worn[role] = [_unit(each) for each in changed]
    return worn


def _placed(rng: Rng, sounds: dict[str, list[Sound]], spread: float) -> Kit:
    wide = {role: float(rng.uniform(-spread, spread)) for role in sounds}
    wide |= {role: 0.25 * wide[role] for role in ("kick", "snare", "clap")}
    levels = {role: LEVELS[role] * 10 ** (rng.normal(0, 2.2) / 20) for role in sounds}
    return Kit(sounds, levels, wide)


def _layered(one: Sound, other: Sound) -> Sound:
    length = max(one.shape[1], other.shape[1])
    padded = (np.pad(each, ((0, 0), (0, length - each.shape[1]))) for each in (one, other))
    return _unit(sum(padded, np.zeros((2, length), np.float32)))


def _cut(sound: Sound) -> Sound:
    """End a long recording after 3 s, softly."""
    return _gated(sound, 3.0)


def _gated(sound: Sound, seconds: float) -> Sound:
    length = min(round(seconds * RATE), sound.shape[1])
    fade = np.minimum(1, np.arange(length, 0, -1) / max(1, length // 6)).astype(np.float32)
    return sound[:, :length] * fade


def _unit(sound: Sound) -> Sound:
    return np.asarray(sound / (np.abs(sound).max() + 1e-9), np.float32)


def _time(seconds: float) -> Sound:
    return np.arange(round(seconds * RATE), dtype=np.float32) / RATE


def _phase(hz: Sound) -> Sound:
    return (2 * np.pi * np.cumsum(hz, dtype=np.float64) / RATE).astype(np.float32)


def _noise(rng: Rng, time: Sound) -> Sound:
    """Make noise that is a little brown, as drums are."""
    tilt = lfilter([1], [1, -rng.uniform(0, 0.7)], rng.standard_normal(len(time)))
    return np.asarray(tilt / np.abs(tilt).max(), np.float32)


def _stereo(mono: Sound) -> Sound:
    return np.repeat(np.asarray(mono, np.float32)[None], 2, axis=0)
