"""A song's frame: style, tempo, key and form, drawn from a random generator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from music import beats, tunes
from music.beats import BAR, STYLES
from music.draw import chance, pick
from music.effects import RATE

if TYPE_CHECKING:
    from pathlib import Path

Rng = np.random.Generator
FORMS = (
    "intro groove break drop drop outro", "groove drop break drop",
    "intro verse chorus verse chorus", "verse chorus break chorus",
    "intro build drop break build drop", "drop groove drop outro",
    "groove groove break drop", "intro groove drop", "verse verse chorus chorus", "break drop drop",
)  # fmt: skip
EVEN = 0.5
"""Share of acoustic kits from which a style counts as a band's, not a machine's."""
FULL = {"drop", "chorus"}


@dataclass(frozen=True)
class Section:
    """A stretch of bars with one character."""

    name: str
    first: int
    bars: int


@dataclass(frozen=True)
class Clock:
    """When each sixteenth falls: tempo and swing."""

    tempo: float
    swing: float

    def __call__(self, step: float) -> float:
        """Return the seconds of a step; odd steps come late by the swing."""
        late = 0.5 * self.swing * (1 - abs((step % 2) - 1))
        return (step + late) * 15 / self.tempo


@dataclass(frozen=True)
class Song:
    """What all parts of a song share."""

    rng: Rng
    data: Path
    style: beats.Style
    name: str
    clock: Clock
    chords: tunes.Harmony
    sections: list[Section]
    samples: int

    @property
    def electronic(self) -> bool:
        """Tell whether machines play it."""
        return self.style.acoustic < EVEN

    def chance(self, probability: float) -> bool:
        """Throw a coin."""
        return chance(self.rng, probability)


def compose(rng: Rng, data: Path) -> Song:
    """Draw style, tempo, key and form."""
    name = pick(rng, list(STYLES))
    style = STYLES[name]
    clock = Clock(float(rng.uniform(*style.tempo)), float(rng.uniform(*style.swing)))
    sections = _sections(rng, rng.uniform(60, 88), 4 * clock(BAR))
    end = sections[-1].first + sections[-1].bars
    samples = round((clock(end * BAR) + 1.5) * RATE)
    chords = tunes.harmony(rng, dark=style.acoustic < EVEN)
    return Song(rng, data, style, name, clock, chords, sections, samples)


def _sections(rng: Rng, seconds: float, phrase: float) -> list[Section]:
    """Share out phrases of four bars among the sections of a form."""
    names = pick(rng, FORMS).split()
    phrases = max(2, round(seconds / phrase))
    names = names[-phrases:]
    weights = np.array(
        [2.0 if name in FULL or name in {"groove", "verse"} else 1.0 for name in names]
    )
    extra = rng.multinomial(phrases - len(names), weights / weights.sum())
    lengths = [4 * (1 + int(more)) for more in extra]
    firsts = np.cumsum([0, *lengths[:-1]]).tolist()
    return [Section(*each) for each in zip(names, firsts, lengths, strict=True)]
