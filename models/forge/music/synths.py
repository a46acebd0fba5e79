"""Synthesisers and sampled instruments: voices that play one note as ``float32 [2, samples]``.

`BASSES` and `KEYS` make voices: each draws its patch (waves, envelopes, filter, detuning) from a
random generator, so that a name stands for a family of sounds rather than for one.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.signal import lfilter

from music import oneshots
from music.draw import chance, pick
from music.effects import RATE, bandpass, drive, highpass, lowpass, sweep

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy.typing as npt

    from music.effects import Curve, Sound

Rng = np.random.Generator
TABLE = 8192
"""Samples of a wave's period."""
TOP = 17_000
"""Hertz above which no partial is made."""
LOWEST_OCTAVE = 38
"""Pitch up to which nothing sounds an octave lower."""


@dataclass(frozen=True)
class Note:
    """A note: its step and length in sixteenths, MIDI pitch, force, and where it slides from."""

    step: float
    length: float
    pitch: int
    force: float = 0.8
    slide: int | None = None


@dataclass(frozen=True)
class Key:
    """What a voice hears of a note; equal keys sound equal."""

    pitch: int
    seconds: float
    force: float
    slide: int | None

    @property
    def hz(self) -> float:
        """Return the fundamental frequency."""
        return float(440 * 2 ** ((self.pitch - 69) / 12))

    @property
    def time(self) -> Sound:
        """Return the seconds since the attack, with room for a short release."""
        return np.arange(round((self.seconds + 0.06) * RATE), dtype=np.float32) / RATE


if TYPE_CHECKING:
    Voice = Callable[[Key], Sound]


def render(notes: list[Note], voice: Voice, times: Callable[[float], float], samples: int) -> Sound:
    """Play the notes; `times` gives the seconds of a step. Equal notes are made once."""
    out = np.zeros((2, samples), np.float32)
    play = functools.cache(voice)
    for note in notes:
        start = round(times(note.step) * RATE)
        seconds = round(times(note.step + note.length) - times(note.step), 2)
        sound = play(Key(note.pitch, max(seconds, 0.04), round(4 * note.force) / 4, note.slide))
        piece = out[:, start : start + sound.shape[1]]
        piece += np.float32(note.force) * sound[:, : piece.shape[1]]
    return out


# Waves and envelopes


def harmonics(rng: Rng, kind: str) -> npt.NDArray[np.complex128]:
    """Draw the spectrum of a period: saw, square, pulse, hollow organ, or any other."""
    n = np.arange(1, 513)
    if kind == "saw":
        return 1 / n + 0j
    if kind == "square":
        return (n % 2) / n + 0j
    if kind == "pulse":
        return np.asarray(np.sin(np.pi * n * rng.uniform(0.08, 0.4)) / n + 0j)
    if kind == "triangle":
        return np.asarray((n % 2) / n**2 * np.where(n % 4 == 1, 1, -1) + 0j)
    if kind == "organ":
        bars = np.zeros(512, complex)
        bars[[0, 1, 2, 3, 5, 7, 11, 15]] = rng.uniform(0, 1, 8) ** 1.5
        bars[0] += 0.5
        return bars
    slope, holes = rng.uniform(0.7, 2), rng.random(512) < rng.uniform(0.3, 1)
    strength = n**-slope * (holes | (n == 1)) * rng.uniform(0.2, 1, 512)
    return np.asarray(strength * np.exp(2j * np.pi * rng.random(512)))


class Wave:
    """A period of a given spectrum, band-limited for the pitch at which it is read."""

    def __init__(self, spectrum: npt.NDArray[np.complex128]) -> None:
        self.spectrum = spectrum
        self.tables: dict[int, Sound] = {}

    def __call__(self, hz: float | Curve, samples: int, phase: float = 0.0) -> Sound:
        """Read the wave at `hz`, for each sample or for all, starting at `phase` of a period."""
        if isinstance(hz, np.ndarray):
            turns = np.cumsum(hz, dtype=np.float64) / RATE + phase
            highest = float(hz.max())
        else:
            turns, highest = np.arange(samples) * (hz / RATE) + phase, hz
        table = self._table(max(1, min(512, int(TOP / highest))))
        return np.asarray(table[(turns * TABLE).astype(np.int64) & (TABLE - 1)])

    def _table(self, count: int) -> Sound:
        limit = int(2 ** (np.floor(2 * np.log2(count)) / 2))
        if limit not in self.tables:
            full = np.zeros(TABLE // 2 + 1, complex)
            full[1 : limit + 1] = -1j * self.spectrum[:limit]
            period = np.fft.irfft(full)
            self.tables[limit] = (period / np.abs(period).max()).astype(np.float32)
        return self.tables[limit]


def envelope(key: Key, attack: float, decay: float, sustain: float, release: float = 0.05) -> Sound:
    """Rise linearly, fall exponentially to `sustain`, and be let go when the key is."""
    time = np.arange(round((key.seconds + 5 * release) * RATE), dtype=np.float32) / RATE
    held = np.minimum(1, time / max(attack, 0.001))
    held *= sustain + (1 - sustain) * np.exp(-np.maximum(time - attack, 0) / decay)
    return np.asarray(held * np.exp(-np.maximum(time - key.seconds, 0) / release), np.float32)


def _glide(key: Key, samples: int, seconds: float) -> float | Curve:
    if key.slide is None:
        return key.hz
    time = np.arange(samples) / RATE
    return np.asarray(key.hz * 2 ** ((key.slide - key.pitch) / 12 * np.exp(-time / seconds)))


def _stereo(mono: Sound) -> Sound:
    return np.repeat(np.asarray(mono, np.float32)[None], 2, axis=0)


def _decaying(start: float, end: float, seconds: float, samples: int) -> Curve:
    time = np.arange(0, samples, 128) / RATE
    return np.asarray(end + (start - end) * np.exp(-time / seconds))


# Basses


def sub(rng: Rng) -> Voice:
    """Hold a sine, more or less rounded off."""
    push, release = rng.uniform(0.3, 3), rng.uniform(0.02, 0.1)

    def voice(key: Key) -> Sound:
        shape = envelope(key, 0.004, 1, 0.8, release)
        tone = _SINE(_glide(key, len(shape), 0.05), len(shape))
        return _stereo(np.tanh(push * tone) / np.tanh(push) * shape)

    return voice


def long_808(rng: Rng) -> Voice:
    """Let a kick's sine ring as a bass note: a drop at the start, a slow decay, drive."""
    decay, drop, push = rng.uniform(0.4, 2.0), rng.uniform(0, 2), rng.uniform(0.8, 7)
    kind = pick(rng, ["tanh", "tube", "hard"])
    glide = rng.uniform(0.03, 0.12)

    def voice(key: Key) -> Sound:
        shape = envelope(key, 0.002, decay, 0.05, 0.03)
        fall = 1 + drop * np.exp(-np.arange(len(shape)) / (0.012 * RATE))
        tone = _SINE(_glide(key, len(shape), glide) * fall, len(shape))
        return _stereo(drive(_stereo(tone), push, kind)[0] * shape)

    return voice


def analogue(rng: Rng) -> Voice:
    """Filter saws or pulses by an envelope, over a square an octave below at times."""
    wave = Wave(harmonics(rng, pick(rng, ["saw", "square", "pulse", "other"])))
    under = rng.uniform(0, 0.8) * chance(rng, 0.5)
    detune, corner = rng.uniform(0, 0.006), rng.uniform(1.5, 8)
    opening, seconds = rng.uniform(1, 14), rng.uniform(0.04, 0.4)
    resonance, sustain = rng.uniform(0.7, 4), rng.uniform(0, 1)

    def voice(key: Key) -> Sound:
        shape = envelope(key, 0.003, rng_decay, sustain, 0.04)
        size = len(shape)
        tone = wave(_glide(key, size, 0.04), size) + wave(key.hz * (1 + detune), size, 0.3)
        tone = tone + np.float32(under) * _SQUARE(
            key.hz / 2 if key.pitch > LOWEST_OCTAVE else key.hz, size
        )
        curve = key.hz * _decaying(corner + opening * key.force, corner, seconds, size)
        return _stereo(sweep((tone * shape)[None], curve, resonance)[0])

    rng_decay = rng.uniform(0.08, 0.8)
    return voice


def reese(rng: Rng) -> Voice:
    """Beat detuned saws against each other under a slowly moving filter."""
    count, spread = int(rng.integers(2, 6)), rng.uniform(0.003, 0.02)
    wave = Wave(harmonics(rng, pick(rng, ["saw", "saw", "pulse"])))
    low, high, rate = rng.uniform(150, 500), rng.uniform(500, 4000), rng.uniform(0.1, 4)
    resonance, wide = rng.uniform(0.7, 2.5), rng.uniform(0, 0.6)
    push = rng.uniform(0.5, 4)
    phases = rng.random((2, count))

    def voice(key: Key) -> Sound:
        shape = envelope(key, 0.008, 1, 0.9, 0.05)
        size = len(shape)
        ratios = 1 + np.linspace(-spread, spread, count)
        pitch = _glide(key, size, 0.08)
        ears = [
            sum(wave(pitch * ratio, size, each) for ratio, each in zip(ratios, ear, strict=True))
            for ear in phases
        ]
        middle = np.float32(1 - wide) * ears[0]
        tone = np.stack([middle + np.float32(wide) * ear for ear in ears]) * shape
        time = np.arange(0, size, 128) / RATE
        curve = low + (high - low) * (0.5 - 0.5 * np.cos(2 * np.pi * rate * time))
        return drive(sweep(tone, curve, resonance), push)

    return voice


def fm_bass(rng: Rng) -> Voice:
    """Modulate a sine's phase by another whose strength decays."""
    ratio = pick(rng, [0.5, 1, 1, 2, 2, 3, 4, 7])
    strong, weak, seconds = rng.uniform(1.5, 7), rng.uniform(0, 1.2), rng.uniform(0.03, 0.3)
    sustain = rng.uniform(0.1, 0.9)

    def voice(key: Key) -> Sound:
        shape = envelope(key, 0.002, 0.4, sustain, 0.04)
        return _stereo(_fm(key, len(shape), ratio, strong * key.force, weak, seconds) * shape)

    return voice


def acid(rng: Rng) -> Voice:
    """Squelch: one saw or square, a filter near to singing, accents and slides."""
    wave = Wave(harmonics(rng, pick(rng, ["saw", "square"])))
    base, opening = rng.uniform(150, 500), rng.uniform(600, 4000)
    resonance, seconds = rng.uniform(4, 12), rng.uniform(0.05, 0.25)
    push = rng.uniform(0.8, 5)

    def voice(key: Key) -> Sound:
        shape = envelope(key, 0.002, 0.3, 0.3, 0.02)
        size = len(shape)
        tone = wave(_glide(key, size, 0.03), size) * shape
        curve = _decaying(base + opening * key.force**2, base, seconds, size)
        return _stereo(drive(sweep(tone[None], curve, resonance), push)[0])

    return voice


def recorded_bass(rng: Rng, data: Path) -> Voice:
    """Play one of the recorded basses, clean or driven, with or without its highs."""
    players = oneshots.instruments(data, "growlybass|pastabass|double-bass|electric-bass")
    if not players:
        return analogue(rng)
    player = pick(rng, players)
    push = rng.uniform(2, 12) if chance(rng, 0.35) else 0
    kind, top = pick(rng, ["tanh", "hard", "tube"]), float(rng.uniform(1500, 9000))
    return _sampled(
        player, rng, lambda sound: lowpass(drive(sound, push, kind) if push else sound, top)
    )


def slap(rng: Rng) -> Voice:
    """Pluck a string by partials that die the sooner the higher, with a knock on top."""
    count, slope = int(rng.integers(12, 28)), rng.uniform(0.6, 1.3)
    decay, place, knock = rng.uniform(0.4, 1.4), rng.uniform(0.05, 0.3), rng.uniform(0, 0.5)

    def voice(key: Key) -> Sound:
        shape = envelope(key, 0.001, 1, 1, 0.03)
        time = np.arange(len(shape), dtype=np.float32) / RATE
        n = np.arange(1, count + 1)[:, None]
        strength = (np.abs(np.sin(np.pi * n * place)) / n**slope).astype(np.float32)
        fall = np.exp(-time * (1 + 0.25 * n.astype(np.float32)) / np.float32(decay))
        tone = (strength * fall * np.sin(2 * np.pi * key.hz * n.astype(np.float32) * time)).sum(0)
        hit = np.random.default_rng(key.pitch).standard_normal(len(time)) * np.exp(-time / 0.004)
        return _stereo((tone + knock * key.force * hit.astype(np.float32)) * shape)

    return voice


# Keys, strings and leads


def supersaw(rng: Rng) -> Voice:
    """Stack detuned saws across the stereo field."""
    count, spread = int(rng.integers(4, 8)), rng.uniform(0.003, 0.014)
    wave = Wave(harmonics(rng, pick(rng, ["saw", "saw", "saw", "pulse", "other"])))
    attack, release, sustain = rng.uniform(0.003, 0.05), rng.uniform(0.03, 0.3), rng.uniform(0.5, 1)
    top = rng.uniform(1800, 14_000)
    phases = rng.random((2, count))

    def voice(key: Key) -> Sound:
        shape = envelope(key, attack, 0.5, sustain, release)
        ears = _spread(wave, key.hz, phases, spread, len(shape)) * shape
        return lowpass(ears, top * (0.6 + 0.4 * key.force))

    return voice


def pad(rng: Rng) -> Voice:
    """Swell slowly: wide, soft, its filter in motion."""
    count, spread = int(rng.integers(2, 5)), rng.uniform(0.002, 0.01)
    wave = Wave(harmonics(rng, pick(rng, ["saw", "pulse", "other", "other", "triangle"])))
    attack, release = rng.uniform(0.1, 0.9), rng.uniform(0.2, 0.8)
    low, high, rate = rng.uniform(300, 1200), rng.uniform(1200, 7000), rng.uniform(0.05, 0.6)
    air = rng.uniform(0, 0.25) * chance(rng, 0.4)
    phases = rng.random((2, count))

    def voice(key: Key) -> Sound:
        shape = envelope(key, attack, 2, 0.8, release)
        size = len(shape)
        ears = _spread(wave, key.hz, phases, spread, size)
        if air:
            hiss = np.random.default_rng(key.pitch).standard_normal((2, size), np.float32)
            ears += np.float32(air) * bandpass(hiss, key.hz * 1.9, key.hz * 4.2)
        time = np.arange(0, size, 256) / RATE
        curve = low + (high - low) * (0.5 - 0.5 * np.cos(2 * np.pi * rate * time))
        return sweep(ears * shape, curve, 0.9)

    return voice


def pluck(rng: Rng) -> Voice:
    """Close a filter quickly behind each attack."""
    wave = Wave(harmonics(rng, pick(rng, ["saw", "square", "pulse", "other"])))
    decay, seconds = rng.uniform(0.06, 0.5), rng.uniform(0.02, 0.15)
    opening, corner, resonance = rng.uniform(4, 30), rng.uniform(1, 3), rng.uniform(0.7, 4)
    spread, phases = rng.uniform(0, 0.006), rng.random((2, 2))

    def voice(key: Key) -> Sound:
        shape = envelope(key, 0.001, decay, 0.03, 0.08)
        ears = _spread(wave, key.hz, phases, spread, len(shape)) * shape
        curve = key.hz * _decaying(corner + opening * key.force, corner, seconds, len(shape))
        return sweep(ears, curve, resonance)

    return voice


def organ(rng: Rng) -> Voice:
    """Pull drawbars; the loudspeaker turns."""
    wave = Wave(harmonics(rng, "organ"))
    rate, depth, click = rng.uniform(0.7, 7), rng.uniform(0, 0.3), rng.uniform(0, 0.3)

    def voice(key: Key) -> Sound:
        shape = envelope(key, 0.004, 1, 1, 0.02)
        time = np.arange(len(shape), dtype=np.float32) / RATE
        tone = wave(key.hz * (1 + 0.004 * depth * np.sin(2 * np.pi * rate * time)), len(shape))
        swing = np.stack([1 + depth * np.sin(2 * np.pi * rate * time + ear) for ear in (0, 1.6)])
        tick = (
            click
            * np.random.default_rng(key.pitch).standard_normal(len(time))
            * np.exp(-time / 0.003)
        )
        return np.asarray((tone + tick) * shape * swing, np.float32)

    return voice


def electric_piano(rng: Rng) -> Voice:
    """Strike tines: two pairs of FM, the higher brief."""
    bright, ratio = rng.uniform(0.3, 2.2), pick(rng, [1, 1, 2, 3])
    tine, decay = pick(rng, [7, 11, 14, 15]), rng.uniform(0.6, 2)
    rate, depth = rng.uniform(2, 7), rng.uniform(0, 0.5)

    def voice(key: Key) -> Sound:
        shape = envelope(key, 0.002, decay, 0.05, 0.12)
        size = len(shape)
        body = _fm(key, size, ratio, bright * key.force * 1.5, 0.1, 0.5)
        ping = _fm(key, size, tine, bright * key.force, 0, 0.06)
        time = np.arange(size, dtype=np.float32) / RATE
        pan = depth * np.sin(2 * np.pi * rate * time)
        return np.asarray((body + 0.4 * ping) * shape * np.stack([1 + pan, 1 - pan]), np.float32)

    return voice


def bell(rng: Rng) -> Voice:
    """Ring inharmonic partials, struck or modulated."""
    ratio = pick(rng, [1.41, 2.76, 3.5, 5.4, 1.99, 4.07])
    strong, decay = rng.uniform(1, 5), rng.uniform(0.3, 2.5)

    def voice(key: Key) -> Sound:
        shape = envelope(key, 0.001, decay, 0, 0.3)
        return _stereo(_fm(key, len(shape), ratio, strong * key.force, 0.3, decay / 3) * shape)

    return voice


def mallet(rng: Rng) -> Voice:
    """Strike a bar: marimba, kalimba, glass."""
    ratios = pick(rng, [(1.0, 4.0, 9.2), (1.0, 2.76, 5.4), (1.0, 3.0, 6.8), (1.0, 2.0, 3.0)])
    decay, bright = rng.uniform(0.08, 0.7), rng.uniform(0.1, 0.7)

    def voice(key: Key) -> Sound:
        shape = envelope(key, 0.001, 3, 1, 0.1)
        time = np.arange(len(shape), dtype=np.float32) / RATE
        tone = sum(
            bright**place
            * np.sin(2 * np.pi * key.hz * ratio * time)
            * np.exp(-time * ratio / decay)
            for place, ratio in enumerate(ratios)
        )
        knock = 0.2 * key.force * np.random.default_rng(key.pitch).standard_normal(len(time))
        return _stereo((tone + knock * np.exp(-time / 0.003)) * shape)

    return voice


def strings(rng: Rng) -> Voice:
    """Bow an ensemble of detuned saws, each with its own vibrato."""
    count, attack = int(rng.integers(3, 6)), rng.uniform(0.05, 0.3)
    rates, depth = rng.uniform(4.5, 6.5, (2, count)), rng.uniform(0.002, 0.006)
    phases, top = rng.random((2, count)), rng.uniform(2500, 9000)
    ratios = 1 + rng.normal(0, 0.003, (2, count))

    def voice(key: Key) -> Sound:
        shape = envelope(key, attack, 3, 0.9, 0.2)
        time = np.arange(len(shape)) / RATE
        ears = np.zeros((2, len(shape)), np.float32)
        for ear, player in np.ndindex(2, count):
            swing = np.sin(2 * np.pi * (rates[ear, player] * time + phases[ear, player]))
            pitch = key.hz * ratios[ear, player] * (1 + depth * swing)
            ears[ear] += _SAW(np.asarray(pitch), len(shape), phases[ear, player])
        return lowpass(highpass(ears * shape, 200, 1), top)

    return voice


def lead(rng: Rng) -> Voice:
    """Sing a melody with portamento and vibrato."""
    wave = Wave(harmonics(rng, pick(rng, ["saw", "square", "pulse", "other", "triangle"])))
    glide, rate, depth = rng.uniform(0.01, 0.12), rng.uniform(4, 7), rng.uniform(0, 0.012)
    top, resonance, push = rng.uniform(1500, 9000), rng.uniform(0.7, 3), rng.uniform(0, 4)
    detune = rng.uniform(0, 0.01)

    def voice(key: Key) -> Sound:
        shape = envelope(key, 0.008, 0.6, 0.7, 0.06)
        size = len(shape)
        time = np.arange(size) / RATE
        swing = 1 + depth * np.minimum(1, time / 0.4) * np.sin(2 * np.pi * rate * time)
        pitch = np.asarray(_glide(key, size, glide) * swing)
        ears = np.stack([wave(pitch, size), wave(pitch * (1 + detune), size, 0.4)]) * shape
        filtered = sweep(ears, np.array([top, 0.7 * top]), resonance)
        return drive(filtered, push) if push > 1 else filtered

    return voice


def brass(rng: Rng) -> Voice:
    """Blow: the harder, the brighter, and brighter after the attack than in it."""
    attack, top, spread = rng.uniform(0.02, 0.09), rng.uniform(4, 12), rng.uniform(0.001, 0.006)
    phases = rng.random((2, 3))

    def voice(key: Key) -> Sound:
        shape = envelope(key, attack, 0.5, 0.75, 0.05)
        ears = _spread(_SAW, key.hz, phases, spread, len(shape)) * shape
        curve = key.hz * (1 + top * key.force * shape[::256])
        return sweep(ears, curve, 0.9)

    return voice


def string_pluck(rng: Rng) -> Voice:
    """Pluck a string by feedback through a delay (Karplus and Strong 1983)."""
    damp, bright = rng.uniform(0.985, 0.999), rng.uniform(1500, 9000)

    def voice(key: Key) -> Sound:
        shape = envelope(key, 0.001, 4, 1, 0.08)
        period = max(2, round(RATE / key.hz - 0.5))
        burst = np.zeros((2, len(shape)), np.float32)
        burst[:, :period] = np.random.default_rng(key.pitch).uniform(-1, 1, (1, period))
        feedback = np.zeros(period + 2, np.float32)
        feedback[0], feedback[period], feedback[period + 1] = 1, -damp / 2, -damp / 2
        string = lfilter(np.ones(1, np.float32), feedback, lowpass(burst, bright)[0])
        return _stereo(string.astype(np.float32) * shape)

    return voice


def glass(rng: Rng) -> Voice:
    """Blend noise into a pitch: a resonant bank played by wind."""
    count, narrow = int(rng.integers(2, 6)), rng.uniform(0.004, 0.04)
    attack = rng.uniform(0.02, 0.5)

    def voice(key: Key) -> Sound:
        shape = envelope(key, attack, 2, 0.8, 0.3)
        hiss = np.random.default_rng(key.pitch).standard_normal((2, len(shape)), np.float32)
        partials = [key.hz * n for n in range(1, count + 1) if key.hz * n < TOP / 2]
        tone = sum(
            bandpass(hiss, hz * (1 - narrow), hz * (1 + narrow)) / n
            for n, hz in enumerate(partials, 1)
        )
        return np.asarray(tone, np.float32) * shape

    return voice


def guitar(rng: Rng, data: Path) -> Voice:
    """Play one of the recorded electric guitars."""
    players = oneshots.instruments(data, "guitars")
    return _sampled(pick(rng, players), rng) if players else string_pluck(rng)


TONAL_HITS = (
    "elec_(?!.*(snare|kick|cymbal|tom))|perc_(bell|impact)|glitch_perc|ambi_(glass|piano)|guit_"
    "|tabla_(na|tun)"
)


def foley(rng: Rng, data: Path) -> Voice:
    """Play a recorded blip, ping or knock at pitches of its own."""
    files = oneshots.matching(data, "sonic-pi", TONAL_HITS)
    if not files:
        return mallet(rng)
    path, centre = pick(rng, files), int(rng.integers(58, 74))
    longest = rng.uniform(0.1, 1.0)

    def voice(key: Key) -> Sound:
        sound = oneshots.read(path, round(float(2 ** ((key.pitch - centre) / 12)), 4))
        length = min(sound.shape[1], round(longest * RATE))
        fade = np.minimum(1, np.arange(length, 0, -1) / (0.3 * length)).astype(np.float32)
        return sound[:, :length] * fade

    return voice


def riser(rng: Rng, seconds: float) -> Sound:
    """Sweep noise or a tone up, or down after a hit."""
    size = round(seconds * RATE)
    time = np.linspace(0, 1, size, dtype=np.float32)
    hiss = rng.standard_normal((2, size), np.float32)
    curve = 200 * 2 ** (6 * np.linspace(0, 1, 200) ** rng.uniform(0.7, 2))
    sound = sweep(hiss, curve, rng.uniform(1, 6), pick(rng, ["lowpass", "bandpass", "highpass"]))
    if chance(rng, 0.4):
        sound += 2 * _stereo(_SAW(np.asarray(150 * 2 ** (3 * time.astype(float))), size))
    sound *= time ** rng.uniform(1, 2.5)
    return sound[:, ::-1] if chance(rng, 0.3) else sound


def _spread(
    wave: Wave, hz: float, phases: npt.NDArray[np.float64], spread: float, size: int
) -> Sound:
    """Sum the wave over detuned copies, with other phases in each ear."""
    ratios = 1 + np.linspace(-spread, spread, phases.shape[1])
    ears = np.zeros((2, size), np.float32)
    for ear, copy in np.ndindex(*phases.shape):
        ears[ear] += wave(hz * float(ratios[copy]), size, float(phases[ear, copy]))
    return ears


def _fm(key: Key, size: int, ratio: float, strong: float, weak: float, seconds: float) -> Sound:
    """Modulate a sine's phase; the index falls from `strong` to `weak` (Chowning 1973)."""
    time = np.arange(size, dtype=np.float32) / RATE
    index = weak + (strong - weak) * np.exp(-time / seconds)
    index = index * min(1.0, 8000 / (key.hz * ratio))
    swing = _SINE(key.hz * ratio, size) * index
    carrier = _glide(key, size, 0.04)
    turns = np.cumsum(np.broadcast_to(carrier, size), dtype=np.float64) / RATE
    return np.asarray(np.sin(2 * np.pi * (turns % 1) + swing), np.float32)


def _sampled(
    player: oneshots.Recorded, rng: Rng, shape: Callable[[Sound], Sound] = lambda sound: sound
) -> Voice:
    picks = np.random.default_rng(rng.integers(2**32))

    def voice(key: Key) -> Sound:
        pitch = player.nearest(key.pitch)
        layers = player.notes[pitch]
        place = round(key.force * (len(layers) - 1) + picks.normal(0, 1))
        ratio = round(float(2 ** ((key.pitch - pitch) / 12)), 4)
        sound = oneshots.read(layers[int(np.clip(place, 0, len(layers) - 1))], ratio)
        length = min(sound.shape[1], round((key.seconds + 0.12) * RATE))
        let_go = np.minimum(1, np.arange(length, 0, -1) / (0.1 * RATE)).astype(np.float32)
        return shape(sound[:, :length]) * let_go

    return voice


_SINE = Wave(np.eye(1, 512)[0] + 0j)
_SQUARE = Wave(harmonics(np.random.default_rng(0), "square"))
_SAW = Wave(harmonics(np.random.default_rng(0), "saw"))

BASSES: dict[str, Callable[[Rng], Voice]] = {
    "sub": sub, "808": long_808, "analogue": analogue, "reese": reese, "fm": fm_bass, "acid": acid,
    "slap": slap,
}  # fmt: skip
SUSTAINED: dict[str, Callable[[Rng], Voice]] = {
    "supersaw": supersaw, "pad": pad, "strings": strings, "organ": organ, "glass": glass,
    "brass": brass,
}  # fmt: skip
STRUCK: dict[str, Callable[[Rng], Voice]] = {
    "pluck": pluck, "bell": bell, "mallet": mallet, "electric piano": electric_piano,
    "string": string_pluck, "supersaw": supersaw, "organ": organ,
}  # fmt: skip
