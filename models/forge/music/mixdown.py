"""Mixing and mastering: what a desk does to each stem, and to their sum."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from music.beats import BAR
from music.draw import chance, pick
from music.effects import (
    HOP,
    RATE,
    apply,
    bell,
    chorus,
    compression,
    crush,
    drive,
    ducking,
    echo,
    haas,
    highpass,
    limiting,
    lowpass,
    mono_below,
    phaser,
    reverb,
    rms,
    room,
    sweep,
    width,
)  # fmt: skip

if TYPE_CHECKING:
    from music.effects import Curve, Sound
    from music.song import Song

Rng = np.random.Generator


def mix_drums(song: Song, low: Sound, high: Sound, *, acoustic: bool) -> Sound:
    """Give the kit a room, glue, dirt and colour."""
    rng = song.rng
    if song.chance(0.7):
        high = bell(high, rng.uniform(160, 260), rng.uniform(-10, -1))
    if song.chance(0.85):
        seconds = rng.uniform(0.15, 0.9) if song.chance(0.75) else rng.uniform(0.9, 2.5)
        space = room(rng, seconds, rng.uniform(0.3, 0.9), rng.uniform(0, 0.02))
        wet = np.float32(rng.uniform(0.05, 0.5 if acoustic else 0.35))
        high = high + wet * reverb(high + low * np.float32(rng.uniform(0, 0.5)), space)
    bus = low + high
    if song.chance(0.75):
        attack, release = rng.uniform(0.001, 0.03), rng.uniform(0.05, 0.3)
        bus = apply(bus, compression(bus, rng.uniform(-6, 3), rng.uniform(2, 8), attack, release))
    if song.chance(0.45):
        bus = drive(bus, rng.uniform(1, 5), pick(rng, ["tanh", "tube", "hard"]))
    if song.chance(0.06):
        bus = crush(bus, int(rng.integers(7, 12)), int(rng.integers(1, 5)))
    if song.chance(0.15):
        bus = lowpass(bus, rng.uniform(4000, 12_000))
    if song.chance(0.3):
        bus = bell(bus, rng.uniform(150, 6000), rng.uniform(-5, 5))
    if song.chance(0.15):
        bus = sweep(bus, _opening(song), rng.uniform(0.7, 2), "lowpass")
    return mono_below(highpass(bus, 25), 120)


def _opening(song: Song) -> Curve:
    """Open a filter over the intro and the builds, and leave it open elsewhere."""
    bars = song.sections[-1].first + song.sections[-1].bars
    curve = np.full(bars * 8, 18_000.0)
    for section in song.sections:
        if section.name in {"intro", "build", "break"}:
            span = slice(section.first * 8, (section.first + section.bars) * 8)
            curve[span] = np.geomspace(song.rng.uniform(200, 1500), 16_000, section.bars * 8)
    return curve


def mix_bass(song: Song, sound: Sound, kicks: list[float]) -> Sound:
    """Give the bass drive, colour and glue; mono below 120 Hz."""
    rng = song.rng
    if song.chance(0.3):
        sound = drive(sound, rng.uniform(1, 6), pick(rng, ["tanh", "tube", "hard", "fold"]))
    if song.chance(0.15):
        sound = sweep(sound, _opening(song), rng.uniform(0.7, 2))
    if song.chance(0.15):
        sound = chorus(sound, rng.uniform(0.2, 2), rng.uniform(0.0005, 0.003), 0.5)
    if song.chance(0.25):
        sound = bell(sound, rng.uniform(60, 2000), rng.uniform(-6, 6))
    if song.chance(0.6):
        sound = bell(sound, rng.uniform(50, 90), rng.uniform(0, 8), 0.6)
    if song.chance(0.35):
        sound = lowpass(sound, rng.uniform(300, 3000), 1)
    if song.chance(0.6):
        sound = apply(sound, compression(sound, rng.uniform(-4, 3), rng.uniform(2, 6), 0.01, 0.15))
    if kicks and song.chance(0.6 if song.electronic else 0.1):
        sound = _ducked(song, sound, kicks)
    return mono_below(highpass(sound, 28), 120)


def _ducked(song: Song, sound: Sound, kicks: list[float]) -> Sound:
    depth, release = song.rng.uniform(0.3, 1), song.rng.uniform(0.08, 0.35)
    return apply(sound, ducking(song.samples, kicks, depth, release))


def mix_part(song: Song, sound: Sound, kicks: list[float]) -> Sound:
    """Colour a part, gate or duck it, place it in the field, and let it echo."""
    rng = song.rng
    beat = 60 / song.clock.tempo
    if song.chance(0.2 if song.electronic else 0.35):
        sound = _amplified(song, sound)
    if song.chance(0.25 if song.electronic else 0.08):
        sound = apply(sound, _gate(song))
    if song.chance(0.2):
        middle, swing, rate = rng.uniform(600, 3000), rng.uniform(0.5, 2), rng.uniform(0.03, 1)
        time = np.arange(0, song.samples, WOBBLE) / RATE
        curve = middle * 2 ** (swing * np.sin(2 * np.pi * rate * time))
        sound = sweep(
            sound, curve, rng.uniform(0.7, 4), pick(rng, ["lowpass", "lowpass", "bandpass"])
        )
    if song.chance(0.12):
        time = np.arange(0, song.samples, WOBBLE) / RATE
        curve = 800 * 2 ** (1.5 * np.sin(2 * np.pi * rng.uniform(0.05, 0.8) * time))
        sound = phaser(sound, curve, pick(rng, [4, 6, 8]))
    if song.chance(0.25):
        sound = chorus(sound, rng.uniform(0.2, 1.5), rng.uniform(0.001, 0.004))
    if song.chance(0.06):
        sound = crush(sound, int(rng.integers(6, 11)), int(rng.integers(1, 6)))
    if song.chance(0.6):
        sound = lowpass(sound, rng.uniform(900, 6000), 1)
    sound = highpass(sound, float(rng.uniform(80, 280)))
    if kicks and song.chance(0.45 if song.electronic else 0.05):
        sound = _ducked(song, sound, kicks)
    sound = _panned(song, sound)
    if song.chance(0.4):
        step = beat * pick(rng, [0.25, 0.5, 0.75, 0.75, 1])
        sound = echo(
            sound, step, rng.uniform(0.2, 0.7), rng.uniform(0.1, 0.5), cross=song.chance(0.6)
        )
    return sound * np.float32(10 ** (rng.normal(0, 3) / 20) / (rms(sound) + 1e-6))


WOBBLE = 1024
"""Samples between two values of a slow filter's corner."""


def _amplified(song: Song, sound: Sound) -> Sound:
    """Drive an amplifier and hear it through its cabinet."""
    rng = song.rng
    pushed = drive(sound, 10 ** rng.uniform(0, 1.6), pick(rng, ["tanh", "tube", "hard"]))
    voiced = bell(pushed, rng.uniform(1500, 3500), rng.uniform(0, 7))
    boxed = lowpass(highpass(voiced, rng.uniform(80, 150)), rng.uniform(3500, 7000), 4)
    return haas(boxed, rng.uniform(5, 22)) if song.chance(0.3) else boxed


def _gate(song: Song) -> Curve:
    """Chop to a rhythm of sixteenths, as a gate keyed from a sequencer does."""
    rng = song.rng
    steps = rng.random(BAR) < rng.uniform(0.4, 0.8)
    steps[0] = True
    floor, share = rng.uniform(0, 0.25), rng.uniform(0.4, 1)
    end = song.samples / RATE * song.clock.tempo / 15
    place = np.linspace(0, end, song.samples // HOP + 1)
    is_open = steps[place.astype(int) % BAR] & (place % 1 < share)
    return np.where(is_open, 1.0, floor)


def _panned(song: Song, sound: Sound) -> Sound:
    rng = song.rng
    pan = rng.uniform(-0.7, 0.7) * song.chance(0.6)
    if song.chance(0.12):
        time = np.arange(song.samples, dtype=np.float32) / RATE
        swing = 0.7 * np.sin(2 * np.pi * np.float32(rng.uniform(0.1, 2)) * time)
        return np.asarray(sound * np.stack([1 - swing, 1 + swing]), np.float32)
    return np.asarray(sound * np.array([[1 - pan], [1 + pan]], np.float32), np.float32)


def balance(rng: Rng, stems: dict[str, Sound]) -> dict[str, Sound]:
    """Set each stem's level, as heard while it plays, within 6 dB of the others'."""
    aims = {"drums": rng.normal(0, 1.5), "bass": rng.normal(-1, 2), "other": rng.normal(0, 2)}
    return {
        name: stem * np.float32(10 ** (np.clip(aims[name], -3, 3) / 20) / (rms(stem) + 1e-6))
        for name, stem in stems.items()
    }


def master(rng: Rng, stems: dict[str, Sound]) -> dict[str, Sound]:
    """Glue, limit and colour the mix, by treating all stems alike: they still sum to it."""
    mix = sum(stems.values(), np.zeros_like(stems["drums"]))
    gain = compression(mix, rng.uniform(-3, 3), rng.uniform(1.2, 3), rng.uniform(0.01, 0.05), 0.2)
    loud = apply(mix, gain)
    ceiling = float(np.abs(loud).max()) * 10 ** (-rng.uniform(2, 11) / 20)
    gain = gain * limiting(loud, ceiling)
    top = rng.uniform(11_000, 17_000) if chance(rng, 0.25) else None
    narrow = rng.uniform(0, 0.7) if chance(rng, 0.15) else None

    def colour(stem: Sound) -> Sound:
        stem = apply(stem, gain)
        stem = stem if top is None else lowpass(stem, top, 6)
        return stem if narrow is None else width(stem, narrow)

    return {name: colour(stem) for name, stem in stems.items()}
