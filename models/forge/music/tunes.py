"""Harmony and lines: chord progressions, bass lines, comping, arpeggios, melodies.

Lines are drawn as short motifs that repeat over the chords, as pop music's do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from music.beats import BAR
from music.draw import chance, pick
from music.synths import Note

if TYPE_CHECKING:
    from collections.abc import Callable

Rng = np.random.Generator
E1, G3 = 28, 55
"""The range of the bass, in MIDI pitch."""
SCALES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "harmonic minor": (0, 2, 3, 5, 7, 8, 11),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
}
PROGRESSIONS = (
    (0, 4, 5, 3), (5, 3, 0, 4), (0, 5, 3, 4), (0, 3, 4, 3), (0, 5, 2, 6), (0, 6, 5, 6),
    (0, 0, 3, 3),
    (0, 0, 0, 0), (0, 3, 0, 4), (1, 4, 0, 0), (0, 2, 3, 4), (3, 4, 2, 5), (0, 0, 5, 4),
    (0, 6, 3, 5),
    (5, 5, 3, 4), (0, 1, 0, 1), (0, 3, 6, 2), (2, 5, 1, 4),
)  # fmt: skip
COLOURS = (
    (0, 2, 4),
    (0, 2, 4),
    (0, 2, 4, 6),
    (0, 2, 4, 8),
    (0, 4),
    (0, 3, 4),
    (0, 1, 4),
    (0, 2, 4, 6, 8),
)
"""Chord tones as scale steps above the root: triads, sevenths, ninths, fifths, suspensions."""
COMPS = (
    "X...............", "X.......X.......", "X...X...X...X...", "..x...x...x...x.",
    "X..x..x...x..x..",
    "X..x..x.X..x..x.", "x.x.x.x.x.x.x.x.", "...x..x....x..x.", "X.....x...x.....",
    "x..x..x..x..x.x.",
    "X..X............", "xxxxxxxxxxxxxxxx", "x.xxx.xxx.xxx.xx", "..x..x..x..x..x.",
    "X.x...x.X.x..x..",
    "......x.......x.", "....x.......x...",
)  # fmt: skip
BASS_RHYTHMS = (
    "x.x.x.x.x.x.x.x.", "..x...x...x...x.", ".xxx.xxx.xxx.xxx", "xxxxxxxxxxxxxxxx",
    "X..x..x.X..x..x.",
    "X.....x...x.....", "X..x....X..x..x.", "X.......x.......", "X...............",
    "x...x...x...x...",
    "X..x..x...x.x...", "x.xx..x.x.xx..x.", "X......x..x.....", "x..xx..x..x.x.xx",
)  # fmt: skip


@dataclass(frozen=True)
class Harmony:
    """A key with its scale, and a chord for each bar, as a step of the scale."""

    root: int
    scale: tuple[int, ...]
    degrees: tuple[int, ...]
    colour: tuple[int, ...]

    def degree(self, bar: int) -> int:
        """Return the step of the scale on which the chord of a bar stands."""
        return self.degrees[bar % len(self.degrees)]

    def pitch(self, step: int) -> int:
        """Return the MIDI pitch of a step of the scale; step 0 is the key's root in octave 0."""
        octave, place = divmod(step, len(self.scale))
        return 12 + self.root + 12 * octave + self.scale[place]

    def bass(self, bar: int, above: int = 0) -> int:
        """Return a pitch from E1 up, `above` scale steps over the bar's root."""
        root = self.pitch(self.degree(bar))
        low = E1 + (root - E1) % 12
        return low + self.pitch(self.degree(bar) + above) - root

    def chord(self, bar: int, centre: int) -> list[int]:
        """Return the bar's chord, each tone in the octave around `centre`."""
        steps = (self.degree(bar) + each for each in self.colour)
        return sorted({centre - 6 + (self.pitch(step) - centre + 6) % 12 for step in steps})


def harmony(rng: Rng, *, dark: bool) -> Harmony:
    """Draw a key, a scale and a progression; chords change every bar or every second."""
    names = ["minor", "dorian", "phrygian", "harmonic minor"] if dark else list(SCALES)
    progression = pick(rng, PROGRESSIONS)
    bars = 2 if chance(rng, 0.25) else 1
    degrees = tuple(degree for degree in progression for _ in range(bars))
    colour = pick(rng, COLOURS)
    return Harmony(int(rng.integers(12)), SCALES[pick(rng, names)], degrees, colour)


def bass_line(rng: Rng, chords: Harmony) -> Callable[[int], list[Note]]:
    """Draw a way of playing bass; it gives the notes of a bar."""
    kind = pick(rng, ["pulse", "octaves", "walk", "riff", "riff", "long", "pulse"])
    rhythm = pick(rng, BASS_RHYTHMS) if kind != "long" else BASS_RHYTHMS[7 + rng.integers(2)]
    length = pick(rng, [0.5, 0.8, 1.0])
    motif = [int(each) for each in rng.choice([0, 0, 0, 4, 7, 2, 6, -1, 3], BAR)]
    lift = 12 if chance(rng, 0.12) else 0
    slides = 0.25 * chance(rng, 0.4)
    fixed = kind == "riff" and chance(rng, 0.3)

    def bar(number: int) -> list[Note]:
        steps = "x...x...x...x..." if kind == "walk" else rhythm
        notes: list[Note] = []
        for turn, (at, until, mark) in enumerate(_spans(steps)):
            above = {"walk": (0, 2, 4, 5)[turn % 4], "riff": motif[at]}.get(kind, 0)
            pitch = chords.bass(0 if fixed else number, above) + lift
            pitch += 12 if kind == "octaves" and turn % 2 else 0
            pitch = pitch - 12 if pitch > G3 else pitch
            slide = notes[-1].pitch if notes and chance(rng, slides) else None
            force = 1.0 if mark == "X" else 0.8
            notes.append(
                Note(number * BAR + at, (until - at) * length, max(E1, pitch), force, slide)
            )
        return notes

    return bar


def comping(rng: Rng, chords: Harmony) -> Callable[[int], list[Note]]:
    """Draw a rhythm in which whole chords are struck, short or held, strummed or at once."""
    rhythm = pick(rng, COMPS)
    length = pick(rng, [0.3, 0.6, 1.0])
    centre, strum = int(rng.integers(56, 72)), rng.uniform(0, 0.2) * chance(rng, 0.3)
    doubled = chance(rng, 0.3)

    def bar(number: int) -> list[Note]:
        pitches = chords.chord(number, centre)
        pitches = [*pitches, pitches[0] + 12] if doubled else pitches
        return [
            Note(
                number * BAR + at + strum * turn,
                (until - at) * length,
                pitch,
                1.0 if mark == "X" else 0.75,
            )
            for at, until, mark in _spans(rhythm)
            for turn, pitch in enumerate(pitches)
        ]

    return bar


def held(rng: Rng, chords: Harmony) -> Callable[[int], list[Note]]:
    """Hold each bar's chord."""
    centre = int(rng.integers(50, 74))

    def bar(number: int) -> list[Note]:
        return [Note(number * BAR, BAR, pitch, 0.8) for pitch in chords.chord(number, centre)]

    return bar


def arpeggio(rng: Rng, chords: Harmony) -> Callable[[int], list[Note]]:
    """Break the chord up, down, both or at random, over one to three octaves."""
    centre, octaves = int(rng.integers(56, 78)), int(rng.integers(1, 4))
    step = float(rng.choice([0.5, 1, 1, 1, 1.5, 2, 4 / 3], p=[0.05, 0.2, 0.2, 0.2, 0.1, 0.2, 0.05]))
    order = rng.permutation(24)
    kind, length = pick(rng, ["up", "down", "both", "random"]), rng.uniform(0.3, 1.2)
    rests = rng.random(int(rng.integers(5, 17))) < rng.uniform(0, 0.35)

    def bar(number: int) -> list[Note]:
        tones = [p + 12 * o for o in range(octaves) for p in chords.chord(number, centre)]
        tones = {"down": tones[::-1], "both": tones + tones[-2:0:-1]}.get(kind, tones)
        places = order if kind == "random" else range(len(tones))
        return [
            Note(number * BAR + turn * step, step * length,
    tones[places[turn % len(places)] % len(tones)],
                 0.95 if turn % 4 == 0 else 0.7)
            for turn in range(round(BAR / step))
            if not rests[turn % len(rests)]
        ]  # fmt: skip

    return bar


def melody(rng: Rng, chords: Harmony) -> Callable[[int], list[Note]]:
    """Walk along the scale in a rhythm of two bars, from chord tones, now and then sliding."""
    rhythms = [_random_rhythm(rng, rng.uniform(0.2, 0.55)) for _ in range(2)]
    moves = [np.cumsum(rng.choice([-2, -1, -1, 0, 1, 1, 2, 4], BAR)) % 9 for _ in range(2)]
    octave = int(rng.integers(4, 7)) * 7
    slides, length = rng.uniform(0, 0.6), pick(rng, [0.5, 0.9, 1.0])

    def bar(number: int) -> list[Note]:
        notes: list[Note] = []
        for turn, (at, until, _) in enumerate(_spans(rhythms[number % 2])):
            pitch = chords.pitch(
                octave + chords.degree(number) % 7 + int(moves[number % 2][turn]) - 4
            )
            slide = notes[-1].pitch if notes and chance(rng, slides) else None
            notes.append(
                Note(
                    number * BAR + at,
                    (until - at) * length,
                    pitch,
                    float(rng.uniform(0.6, 1)),
                    slide,
                )
            )
        return notes

    return bar


def ostinato(rng: Rng, chords: Harmony) -> Callable[[int], list[Note]]:
    """Repeat one short figure, like percussion with a pitch, heedless of the chords."""
    rhythm = _random_rhythm(rng, rng.uniform(0.15, 0.6))
    figure = [chords.pitch(35 + int(step)) for step in rng.choice([0, 0, 0, 2, 4, 7, -3], BAR)]
    length = rng.uniform(0.3, 1.0)

    def bar(number: int) -> list[Note]:
        return [Note(number * BAR + at, length, figure[at], pick(rng, [0.5, 0.75, 1.0]))
                for at, _, _ in _spans(rhythm)]  # fmt: skip

    return bar


def _random_rhythm(rng: Rng, density: float) -> str:
    weights = density * np.tile([1.6, 0.5, 1.1, 0.6], BAR // 4)
    steps = rng.random(BAR) < weights
    steps[int(rng.integers(0, 3))] = True
    return "".join("x" if step else "." for step in steps)


def _spans(rhythm: str) -> list[tuple[int, int, str]]:
    """List (start, end, mark) of each hit; one lasts until the next."""
    starts = [at for at, mark in enumerate(rhythm) if mark != "."]
    return [
        (at, until, rhythm[at])
        for at, until in zip(starts, [*starts[1:], len(rhythm)], strict=True)
    ]
