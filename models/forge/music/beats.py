"""Drum patterns by style, with fills, ghost notes and rolls: hits in steps of a sixteenth.

In a pattern each character is a sixteenth: ``X`` accent, ``x`` hit, ``o`` ghost note, ``r`` a roll
of two, ``t`` of three, ``.`` rest. A pattern lasts one or two bars of 16.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from music.draw import chance, pick

if TYPE_CHECKING:
    from collections.abc import Iterator

Rng = np.random.Generator
BAR = 16
FORCE = {"X": 1.0, "x": 0.8, "o": 0.4, "r": 0.65, "t": 0.6}
ROLLS = {"r": 2, "t": 3}


@dataclass(frozen=True)
class Style:
    """A family of grooves: its tempo, swing and kits, and alternatives of pattern by role."""

    tempo: tuple[int, int]
    swing: tuple[float, float]
    acoustic: float
    roles: dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Hit:
    """A drum hit: its step in the song, what is hit, and how hard."""

    step: float
    role: str
    force: float


STYLES: dict[str, Style] = {
    "house": Style((116, 130), (0, 0.18), 0.1, {
        "kick": ("X...X...X...X...", "X...X...X...X.x.", "X...X...X..xX...",
            "X...X...X...X...X...X...X..oX.x."),
        "clap": ("....X.......X...", "....X.......X..o", "....X..o....X...", "................"),
        "snare": ("................", "....x.......x...", "..............oo", "...o.....o..x..."),
        "hat": ("..x...x...x...x.", "x.x.x.x.x.x.x.x.", "xoxoxoxoxoxoxoxo", ".xxo.xxo.xxo.xxo",
            "................"),
        "open": ("..X...X...X...X.", "..x...x...x...x.", "................", "......x.......x."),
        "shaker": ("oxoxoxoxoxoxoxox", "xxxxxxxxxxxxxxxx", "................", "..x.o.x...x.o.x."),
        "perc": ("...x..x....x..x.", "..x..x....x..x.x", "................", "x..x..x...x.x..."),
        "rim": ("................", "...x......x.....", "x..x..x...x.x..."),
    }),
    "techno": Style((122, 145), (0, 0.06), 0.0, {
        "kick": ("X...X...X...X...", "X..oX...X..oX...", "X...X...X...X.o."),
        "clap": ("....X.......X...", "................", "............X..."),
        "hat": ("..x...x...x...x.", "xxxxxxxxxxxxxxxx", "x.xxx.xxx.xxx.xx", "................"),
        "open": ("..X...X...X...X.", "..x...x...x...x.", "................"),
        "ride": ("................", "x...x...x...x...", "x.x.x.x.x.x.x.x.", "..x...x...x...x."),
        "perc": ("...x..x...x..x..", "x..x..x..x..x..x", "..o.x...o.x...o.", ".....x.......x.."),
        "rim": ("................", "...x....x....x..", "x..x.x..x..x.x.."),
        "tom": ("................", "..........x..x..", "...x..o....x..o."),
    }),
    "trance": Style((128, 142), (0, 0), 0.0, {
        "kick": ("X...X...X...X...",),
        "clap": ("....X.......X...", "....x.......x..."),
        "open": ("..X...X...X...X.",),
        "hat": ("xoxoxoxoxoxoxoxo", "................", "x.x.x.x.x.x.x.x."),
        "shaker": ("................", "oxoxoxoxoxoxoxox"),
        "perc": ("................", "...x..x....x..x."),
    }),
    "trap": Style((68, 80), (0, 0.08), 0.0, {
        "kick": ("X.....x...x.....", "X..x......x..x..", "X......x..x.....",
            "X.....x.......x.X..x......x....."),
        "snare": ("........X.......", "........X.....o.", "........X......x"),
        "clap": ("........X.......", "................"),
        "hat": ("xxxxxxxxxxxxxxrr", "x.x.xrx.x.xtx.x.", "xxxxrrxxxxttxxxx", "x.xxx.xxrxxxx.tx",
            "x.x.x.x.x.x.x.tt"),
        "open": ("................", "..............x.", "......x........."),
        "perc": ("................", "...x.......x....", "............x.x."),
        "rim": ("................", "....x.....x....."),
    }),
    "drill": Style((70, 74), (0, 0.05), 0.0, {
        "kick": ("X......x..x.....X.....x....x....", "X.....x.........X..x......x....."),
        "snare": ("......X.......x.......X.....x...", "......X..............X.........x"),
        "hat": ("x..x..x.x..x..x.", "x..x..xtx..x..rx", "x..xr.x.x..x.tx."),
        "perc": ("................", "...x......x..x.."),
        "open": ("................", "..............x."),
    }),
    "boom-bap": Style((80, 98), (0.1, 0.4), 0.45, {
        "kick": ("X.x.......xx....", "X......x..x.....", "X..x....x.x.....", "X.....x..xx....o"),
        "snare": ("....X.......X...", "....X..o.o..X...", "....X..o....X..o"),
        "hat": ("x.x.x.x.x.x.x.x.", "x.xox.xox.xox.xo", "xoxoxoxoxoxoxoxo", "x...x...x...x..."),
        "open": ("................", "......x.........", "..............x."),
        "rim": ("................", "..........x....."),
        "perc": ("................", "...x..........x."),
        "shaker": ("................", "x.xxx.xxx.xxx.xx"),
    }),
    "drum-and-bass": Style((165, 178), (0, 0.06), 0.45, {
        "kick": ("X.........x.....", "X.....x...x.....", "X..o......x..o..",
            "X.........X.....X..x......x....."),
        "snare": ("....X.......X...", "....X..o.o..X...", "....X..o.o..X..o", "....X..ro...X.oo"),
        "hat": ("x.x.x.x.x.x.x.x.", "xxxxxxxxxxxxxxxx", "xoxxoxxoxxoxxoxo"),
        "ride": ("................", "x...x...x...x...", "x.x.x.x.x.x.x.x."),
        "shaker": ("................", "xoxoxoxoxoxoxoxo"),
        "perc": ("................", "...x..x..x......"),
        "open": ("................", "..........x....."),
    }),
    "breakbeat": Style((100, 140), (0, 0.2), 0.6, {
        "kick": ("X.X.......xx....", "X.x.......x..x..", "X.......x.x.....X.x.......x.....",
            "X..x..x...x....."),
        "snare": ("....X..o.o..X..o", "....X..o.oo.X.o.", "....X..o.o....X..o..X..o.o..X...",
            "....X.o...o.X..r"),
        "hat": ("x.x.x.x.x.x.x.x.", "xoxoxoxoxoxoxoxo", "x.xxx.x.x.xxx.x."),
        "open": ("................", "......x.........", "..............x."),
        "ride": ("................", "x.x.x.x.x.x.x.x."),
        "perc": ("................", "..x..x....x..x.."),
    }),
    "rock": Style((92, 168), (0, 0.06), 1.0, {
        "kick": ("X.......X.......", "X.....x.X.......", "X.x.....X.x.....", "X..x..x.X.......",
            "X.......x.X....."),
        "snare": ("....X.......X...", "....X.......X..o", "....X..o....X...", "....X..o.o..X..."),
        "hat": ("X.x.X.x.X.x.X.x.", "x.x.x.x.x.x.x.x.", "X...X...X...X...", "................",
            "xoxoxoxoxoxoxoxo"),
        "ride": ("................", "X.x.X.x.X.x.X.x.", "................", "X...X...X...X..."),
        "open": ("................", "..............x.", "x...x...x...x..."),
        "perc": ("................", "................", "x...x...x...x..."),
        "shaker": ("................", "x.x.x.x.x.x.x.x."),
    }),
    "punk": Style((150, 178), (0, 0), 1.0, {
        "kick": ("X...x...X...x...", "X.x...x.X.x...x.", "X..x..x.X..x..x."),
        "snare": ("....X.......X...", "..X...X...X...X.", "....X.......X.X."),
        "ride": ("................", "X...X...X...X..."),
        "open": ("X...X...X...X...", "x.x.x.x.x.x.x.x."),
        "crash": ("................", "X...X...X...X..."),
    }),
    "half-time": Style((130, 150), (0, 0.05), 0.5, {
        "kick": ("X.........x.....", "X.....x.........X..x......x.....", "X..x......x....."),
        "snare": ("........X.......", "........X.....oo", "........X..o...."),
        "hat": ("x.x.x.x.x.x.x.x.", "xxxxxxxxxxxxrrxx", "x...x...x...x..."),
        "open": ("................", "............x..."),
        "ride": ("................", "x...x...x...x..."),
        "perc": ("................", "...x..x....x...x"),
        "tom": ("................", "............x.xx"),
    }),
    "disco": Style((108, 126), (0, 0.08), 0.7, {
        "kick": ("X...X...X...X...", "X...X..xX...X..."),
        "snare": ("....X.......X...", "....X.......X.oo"),
        "clap": ("................", "....X.......X..."),
        "hat": ("x.o.x.o.x.o.x.o.", "xx.xxx.xxx.xxx.x"),
        "open": ("..X...X...X...X.",),
        "perc": ("................", "x..x..x..x..x.x.", "xoxxoxoxxoxoxxox"),
        "shaker": ("................", "x.xxx.xxx.xxx.xx"),
    }),
    "funk": Style((92, 116), (0, 0.22), 0.95, {
        "kick": ("X..x......x..x..", "X.x....x..x.....", "X..x..x...x....."),
        "snare": ("....X..o.o..X..o", "....X..o.o.oX.o.", ".o..X..o.o..X..."),
        "hat": ("xxxxxxxxxxxxxxxx", "XoxoXoxoXoxoXoxo", "x.xxx.xxx.x.x.xx"),
        "open": ("................", "......x.........", "..............x."),
        "perc": ("................", "..x..x....x..x.."),
    }),
    "reggaeton": Style((86, 102), (0, 0.05), 0.05, {
        "kick": ("X...X...X...X...", "X...x...X...x..."),
        "snare": ("...X..X....X..X.", "...x..X....x..X."),
        "rim": ("................", "...x..x....x..x."),
        "hat": ("x.x.x.x.x.x.x.x.", "................", "xoxoxoxoxoxoxoxo"),
        "perc": ("................", "x..x..x.x..x..x.", "......x.......xx"),
        "shaker": ("................", "x.xxx.xxx.xxx.xx"),
    }),
    "afro": Style((98, 122), (0.05, 0.2), 0.2, {
        "kick": ("X...X...X...X...", "X..x..x.X..x..x.", "X.....x.X......."),
        "rim": ("...x..x....x.x..", "x..x..x...x.x..."),
        "clap": ("................", "....x.......x..."),
        "shaker": ("xoxxxoxxxoxxxoxx", "x.xxx.xxx.xxx.xx"),
        "perc": ("x..xx.x.x.xx.x.x", ".xx..xx.x.x..xx.", "..x.xx....x.xx.."),
        "hat": ("..x...x...x...x.", "................"),
        "open": ("................", "..x...x...x...x."),
        "tom": ("................", ".............xx.", "......x.......x."),
    }),
    "garage": Style((126, 138), (0.2, 0.45), 0.1, {
        "kick": ("X.........x.....", "X......x..x.....", "X..x......x.....X.........x..x.."),
        "snare": ("....X.......X...", "....X..o....X..o"),
        "clap": ("....X.......X...", "................"),
        "hat": ("..x.x.x...x.x.x.", "x.xx..xxx.xx..xx", "..xr..x...xr..xx"),
        "open": ("..x...x...x...x.", "................"),
        "rim": (".x....o..x....o.", "...x..x....x...."),
        "perc": ("................", "......x..x...x.."),
    }),
    "ballad": Style((70, 92), (0, 0.08), 0.8, {
        "kick": ("X.......x.......", "X......xX.......", "X.........x....."),
        "snare": ("....X.......X...", "........X......."),
        "rim": ("................", "....x.......x..."),
        "hat": ("x.x.x.x.x.x.x.x.", "x...x...x...x...", "xoxoxoxoxoxoxoxo"),
        "ride": ("................", "x.x.x.x.x.x.x.x."),
        "shaker": ("................", "xoxoxoxoxoxoxoxo"),
    }),
    "shuffle": Style((48, 68), (0.5, 0.68), 0.9, {
        "kick": ("X...X...X...X...", "X..xX...X..xX...", "X.x.X.x.X.x.X.x."),
        "snare": ("..X...X...X...X.", "..X..oX...X..oX."),
        "hat": ("xxxxxxxxxxxxxxxx", "x.x.x.x.x.x.x.x."),
        "ride": ("................", "xxxxxxxxxxxxxxxx", "x.xxx.xxx.xxx.xx"),
    }),
}  # fmt: skip


def groove(rng: Rng, style: Style, spareness: float = 0.0) -> dict[str, str]:
    """Choose a pattern for each role; now and then move or add a hit."""
    chosen = {role: pick(rng, patterns) for role, patterns in style.roles.items()}
    for role in ("hat", "shaker", "perc", "rim", "ride", "open", "tom"):
        if role in chosen and chance(rng, spareness):
            chosen[role] = "." * BAR
    return {role: _varied(rng, pattern, role) for role, pattern in chosen.items()}


def _varied(rng: Rng, pattern: str, role: str) -> str:
    if set(pattern) == {"."} or chance(rng, 0.7):
        return pattern
    steps = list(pattern)
    place = int(rng.integers(1, len(steps)))
    if steps[place] == ".":
        steps[place] = "o" if role in {"snare", "kick", "hat"} else "x"
    elif steps[place] == "o":
        steps[place] = "."
    return "".join(steps)


def play(pattern: dict[str, str], first: int, bars: int, rng: Rng) -> Iterator[Hit]:
    """Play a groove over `bars` bars from step `first`, a little unevenly."""
    for role, steps in pattern.items():
        for step in range(bars * BAR):
            mark = steps[step % len(steps)]
            if mark == ".":
                continue
            count = ROLLS.get(mark, 1)
            for turn in range(count):
                force = FORCE[mark] * rng.normal(1, 0.05)
                yield Hit(first + step + turn / count, role, float(np.clip(force, 0.15, 1)))


def fill(rng: Rng, first: int, steps: int) -> list[Hit]:
    """Lead over in the last `steps` steps before a section: a roll, toms, stutters or a gap."""
    kind = pick(rng, ["roll", "toms", "build", "kicks", "mixed", "gap"])
    places = range(first, first + steps)
    if kind == "gap":
        return [Hit(first + steps - 2, "snare", 0.9)]
    if kind == "build":
        thirds = np.concatenate([np.arange(0, steps / 2, 1), np.arange(steps / 2, steps, 0.5)])
        return [Hit(first + at, "snare", 0.35 + 0.6 * at / steps) for at in thirds.tolist()]
    if kind == "kicks":
        return [Hit(at, "kick", 0.9) for at in places if at % 2 == 0 or chance(rng, 0.3)]
    if kind == "toms":
        falls = np.linspace(0.95, 0.15, steps)
        return [
            Hit(at, "tom", float(f))
            for at, f in zip(places, falls, strict=True)
            if chance(rng, 0.8)
        ]
    roles = ["snare"] if kind == "roll" else ["snare", "tom", "kick", "snare"]
    return [
        Hit(at, pick(rng, roles), float(rng.uniform(0.45, 1))) for at in places if chance(rng, 0.85)
    ]
