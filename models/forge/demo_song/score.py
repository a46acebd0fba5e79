"""What is played: tempo, swing, form, harmony and the line of every instrument."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

TEMPO = 106.0
"""Beats a minute."""
BEAT = 60 / TEMPO
BAR = 4 * BEAT
BARS = 24
TAIL = 3.4
"""Seconds that the last chord rings on after the last bar."""
LENGTH = BARS * BAR + TAIL
SWING = 0.57
"""Where between two eighths the sixteenth falls; 0.5 is straight."""

INTRO, VERSE, CHORUS, BREAK, LAST_CHORUS, ENDING = 0, 4, 12, 16, 18, 22
"""First bars of the parts of the song."""


# fmt: off
LEVEL = [
    (0.0, 0.95), ((VERSE - 0.1) * BAR, 0.95), (VERSE * BAR, 0.86), ((CHORUS - 1) * BAR, 0.88),
    (CHORUS * BAR - 0.1, 0.95), (CHORUS * BAR, 1.0), (LENGTH - 1.6, 1.0), (LENGTH - 0.05, 0.0),
]
# fmt: on
"""The hand on the fader of the whole mix, (seconds, gain): up to the chorus, out at the end."""


def at(bar: int, step: float) -> float:
    """Return the time in seconds of a swung sixteenth; `step` counts from 0 within the bar."""
    eighth, rest = divmod(step / 2, 1)
    swung = rest * 2 * SWING if rest <= 1 / 2 else SWING + (rest - 1 / 2) * 2 * (1 - SWING)
    return bar * BAR + (eighth + swung) * BEAT / 2


@dataclass(frozen=True)
class Note:
    """One note: start and length in seconds, pitch as a MIDI number, velocity 0–1."""

    start: float
    length: float
    pitch: float
    velocity: float = 0.8


@dataclass(frozen=True)
class Hit:
    """One stroke on a drum: time in seconds, name of the drum, velocity 0–1."""

    start: float
    drum: str
    velocity: float


@dataclass(frozen=True)
class Syllable(Note):
    """One sung note: its phones in ARPAbet, and whether a breath is taken before it."""

    phones: tuple[str, ...] = ()
    breath: bool = False


# --- harmony: root of the bass and voicing of the keys ---------------------------------------

CHORDS = {
    "Am9": (33, (55, 59, 60, 64)),
    "D13": (38, (54, 60, 64, 71)),
    "Fmaj9": (29, (55, 57, 60, 64)),
    "E7#9": (28, (56, 62, 67, 71)),
    "G13": (31, (53, 59, 64, 69)),
    "Em7": (28, (55, 59, 62, 64)),
    "Dm9": (38, (53, 57, 60, 64)),
}
VERSE_CHANGES = ("Am9", "D13", "Fmaj9", "E7#9")
CHORUS_CHANGES = ("Fmaj9", "G13", "Em7", "Am9")


def chords(bar: int) -> list[tuple[float, str]]:
    """Return the chords of a bar with the steps on which they begin."""
    if bar == ENDING:
        return [(0, "Fmaj9"), (8, "G13")]
    if bar > ENDING:
        return [(0, "Am9")]
    if bar == VERSE - 1 or bar == BREAK + 1:
        return [(0, "E7#9")]
    if BREAK <= bar < LAST_CHORUS:
        return [(0, "Fmaj9")]
    changes = CHORUS_CHANGES if is_chorus(bar) else VERSE_CHANGES
    name = changes[bar % 4 if bar < BREAK else (bar - LAST_CHORUS) % 4]
    return [(0, name), (8, "Dm9")] if bar == BREAK - 1 else [(0, name)]


def is_chorus(bar: int) -> bool:
    """Tell whether a bar belongs to one of the two choruses."""
    return CHORUS <= bar < BREAK or LAST_CHORUS <= bar < ENDING


# --- drums -----------------------------------------------------------------------------------
# A letter a step: '.' rest, 'g' ghost, 'o' soft, 'x' normal, 'X' accent.
VELOCITY = {"g": 0.22, "o": 0.5, "x": 0.78, "X": 1.0}

GROOVES: dict[str, dict[str, str]] = {
    "count-in": {"hat": "x.o.x.o.x.o.x.oo", "rim": "....x.......x..."},
    "intro": {"kick": "X......x..x.....", "hat": "xgogxgogxgogxgog", "rim": "....x..g....x..g"},
    "verse a": {
        "kick": "X......x..x.....",
        "snare": "....X..g.g..X..g",
        "hat": "xgxoxgxoxgxoxg..",
        "open": "..............o.",
    },
    "verse b": {
        "kick": "X..x...x..x...o.",
        "snare": "....X..g.g..X.g.",
        "hat": "xgxoxgxoxgxoxgxo",
    },
    "chorus": {
        "kick": "X..x..x...X..x..",
        "snare": "....X..g.g..X..g",
        "clap": "....x.......x...",
        "hat": "XgogXgogXgogXgog",
        "open": "..x...x...x...x.",
        "shaker": "xoxoxoxoxoxoxoxo",
    },
    "fill": {
        "kick": "X..x...x..x.....",
        "snare": "....X..g.gooX.x.",
        "hat": "xgxoxgxox.......",
        "tom high": "............x...",
        "tom mid": ".............xx.",
        "tom low": "...............X",
    },
    "big fill": {
        "kick": "X......x........",
        "snare": "....X.xoxx......",
        "hat": "xgxox...........",
        "tom high": "..........xx....",
        "tom mid": "............xx..",
        "tom low": "..............XX",
        "clap": "....x...........",
    },
    "break": {"kick": "X...............", "rim": "......x.....x...", "shaker": "o.g.o.g.o.g.o.g."},
    "build": {
        "kick": "X.......X...X.X.",
        "snare": "g.g.g.g.ogogooxX",
        "shaker": "o.g.o.g.oooooooo",
    },
    "stop": {"kick": "X.....x.X.....x.", "snare": "....X.......X..x", "hat": "x.x.x.x.x.x.x.x."},
    "end": {"kick": "X...............", "snare": "o..............."},
}

FORM = (
    *("count-in", "count-in", "intro", "fill"),
    *("verse a", "verse b", "verse a", "fill"),
    *("verse a", "verse b", "verse a", "big fill"),
    *("chorus", "chorus", "chorus", "fill"),
    *("break", "build"),
    *("chorus", "chorus", "chorus", "big fill"),
    *("stop", "end"),
)
CRASHES = (VERSE, CHORUS, LAST_CHORUS, ENDING, BARS - 1)


def drum_hits(bar: int) -> list[Hit]:
    """Return the strokes of one bar."""
    hits = [
        Hit(at(bar, step), drum, VELOCITY[letter])
        for drum, line in GROOVES[FORM[bar]].items()
        for step, letter in enumerate(line)
        if letter != "."
    ]
    return [*hits, Hit(at(bar, 0), "crash", 0.8)] if bar in CRASHES else hits


# --- bass ------------------------------------------------------------------------------------
# (step, semitones above the root, steps long, velocity)
Riff = tuple[tuple[float, int, float, float], ...]

# fmt: off
BASS_RIFFS: dict[str, Riff] = {
    "rest": (),
    "long": ((0, 0, 14, 0.8),),
    "verse a": (
        (0, 0, 4.5, 1.0), (6, 12, 1, 0.6), (7, 0, 2, 0.9), (10, 0, 2, 0.9), (12, 7, 1.5, 0.7),
        (14, 9, 1, 0.7), (15, 12, 1, 0.8),
    ),
    "verse b": (
        (0, 0, 3, 1.0), (3, 0, 1, 0.7), (5, 12, 1, 0.6), (7, 7, 2, 0.9), (10, 0, 3, 0.9),
        (14, 2, 1, 0.7), (15, 3, 1, 0.7),
    ),
    "chorus": (
        (0, 0, 2.5, 1.0), (3, 0, 2, 0.9), (6, 12, 1.5, 0.9), (8, 0, 1.5, 0.7), (10, 0, 2.5, 1.0),
        (13, 7, 1, 0.8), (14, 12, 1.6, 0.8),
    ),
    "half": ((0, 0, 3, 1.0), (3, 0, 2, 0.8), (6, 12, 1.5, 0.8)),
}
# fmt: on


def bass_riff(bar: int) -> Riff:
    """Return the figure that the bass plays over each chord of a bar."""
    if bar < INTRO + 2 or bar == BREAK:
        return BASS_RIFFS["rest"] if bar < INTRO + 2 else BASS_RIFFS["long"]
    if bar in {BREAK + 1, BARS - 1}:
        return BASS_RIFFS["long"]
    if len(chords(bar)) > 1:
        return BASS_RIFFS["half"]
    if is_chorus(bar):
        return BASS_RIFFS["chorus"]
    return BASS_RIFFS["verse b" if bar % 2 else "verse a"]


def bass_notes(bar: int) -> list[Note]:
    """Return the bass notes of one bar."""
    return [
        Note(at(bar, begin + step), length * BEAT / 4, CHORDS[name][0] + interval, velocity)
        for begin, name in chords(bar)
        for step, interval, length, velocity in bass_riff(bar)
    ]


# --- keys ------------------------------------------------------------------------------------
COMPING = {  # (step, steps long, velocity)
    "long": ((0, 15, 0.7),),
    "verse": ((0, 5, 0.75), (7, 1.5, 0.5), (10, 4, 0.65)),
    "chorus": ((0, 2.5, 0.8), (3, 2, 0.7), (6, 3.5, 0.85), (10, 2, 0.7), (13, 2.5, 0.7)),
}


def comping(bar: int) -> str:
    """Return which rhythm the electric piano plays in a bar."""
    if bar < INTRO + 2 or BREAK <= bar < LAST_CHORUS or bar == BARS - 1:
        return "long"
    return "chorus" if is_chorus(bar) else "verse"


def piano_notes(bar: int) -> list[Note]:
    """Return the notes of the electric piano in one bar, spread a little as fingers do."""
    changes = chords(bar)
    notes = []
    for step, length, velocity in COMPING[comping(bar)]:
        name = [name for begin, name in changes if begin <= step][-1]
        seconds = TAIL + BAR if bar == BARS - 1 else length * BEAT / 4
        notes += [
            Note(at(bar, step) + 0.006 * finger, seconds, pitch, velocity - 0.04 * finger)
            for finger, pitch in enumerate(CHORDS[name][1])
        ]
    return notes


def pad_notes(bar: int) -> list[Note]:
    """Return the long chords of the pad; it rests in the first bars and in the verse."""
    if bar < INTRO + 2 or VERSE <= bar < VERSE + 4:
        return []
    changes = [*chords(bar), (16.0, "")]
    return [
        Note(at(bar, begin), (end - begin) * BEAT / 4, pitch, 0.7)
        for (begin, name), (end, _) in pairwise(changes)
        for pitch in (*CHORDS[name][1], CHORDS[name][1][0] + 12)
    ]


# fmt: off
HOOK = (  # (step over two bars, pitch)
    (0, 76), (3, 74), (6, 72), (8, 69), (11, 72), (14, 74), (16, 76), (19, 79), (22, 76), (24, 74),
    (27, 72), (30, 71),
)
# fmt: on
ARPEGGIO = (0, 2, 1, 3, 2, 4, 3, 1)


def pluck_notes(bar: int) -> list[Note]:
    """Return the plucked notes: the hook in intro, break and ending, arpeggios in the chorus."""
    if bar < VERSE or BREAK <= bar < LAST_CHORUS or bar == ENDING:
        return [
            Note(at(bar, step % 16), 1.0, pitch, 0.8 if step % 8 == 0 else 0.65)
            for step, pitch in HOOK
            if step // 16 == bar % 2
        ]
    if not is_chorus(bar):
        return []
    tones = (*CHORDS[chords(bar)[0][1]][1], CHORDS[chords(bar)[0][1]][1][0] + 12)
    return [
        Note(at(bar, step), 0.6, tones[ARPEGGIO[step % 8]] + 12, 0.55 if step % 4 else 0.7)
        for step in range(16)
    ]


CLAVINET = {  # (step, which tone of the chord, steps long)
    0: ((2, 2, 0.6), (3, 1, 0.5), (6, 3, 0.8), (9, 2, 0.5), (11, 1, 0.6), (14, 3, 0.8)),
    1: (
        (2, 2, 0.6),
        (5, 3, 0.6),
        (6, 2, 0.8),
        (9, 1, 0.5),
        (12, 2, 0.5),
        (13, 3, 0.7),
        (15, 2, 0.5),
    ),
}


def clavinet_notes(bar: int) -> list[Note]:
    """Return the muted chops of the clavinet: second half of the verse, and the choruses."""
    if not (VERSE + 4 <= bar < BREAK or LAST_CHORUS <= bar < ENDING):
        return []
    tones = CHORDS[chords(bar)[0][1]][1]
    return [
        Note(
            at(bar, step),
            length * BEAT / 4,
            tones[tone] + 12 * (tone == 1),
            0.8 if tone == len(tones) - 1 else 0.5,
        )
        for step, tone, length in CLAVINET[bar % 2]
    ]


RISER = Note(at(BREAK, 8), at(LAST_CHORUS, 0) - at(BREAK, 8), 0)
"""Swelling noise through the break into the last chorus."""


# --- voice -----------------------------------------------------------------------------------
# (bar, step, steps long, pitch, phones); a '+' before the phones asks for a breath.
Line = tuple[tuple[int, float, float, float, str], ...]

# fmt: off
VERSE_LINES: Line = (
    (4, 2, 2, 57, "+EH V"), (4, 4, 2, 60, "R IY"), (4, 6, 2, 60, "L IH"), (4, 8, 2, 62, "D AH L"),
    (4, 10, 7, 64, "S AW N D"),
    (5, 4, 2, 64, "+F AO L Z"), (5, 6, 2, 62, "IH N"), (5, 8, 2, 60, "T UW"),
    (5, 10, 6, 57, "L AY N"),
    (6, 2, 2, 57, "+HH IY R"), (6, 4, 2, 60, "DH AH"), (6, 6, 3, 62, "R UW M"),
    (6, 9, 2, 64, "G OW"), (6, 11, 6, 67, "R AW N D"),
    (7, 4, 3, 64, "+Y AO R Z"), (7, 7, 3, 62, "AE N D"), (7, 10, 5, 59, "M AY N"),
    (8, 2, 2, 60, "+EH V"), (8, 4, 2, 64, "R IY"), (8, 6, 2, 64, "S IH NG"),
    (8, 8, 2, 62, "G AH L"), (8, 10, 6, 67, "T OW N"),
    (9, 3, 3, 66, "+N OW Z"), (9, 6, 2, 64, "W EH R"), (9, 8, 2, 62, "T UW"),
    (9, 10, 5, 64, "G OW"),
    (10, 2, 2, 64, "+S OW"), (10, 4, 2, 64, "T ER N"), (10, 6, 2, 67, "IH T"),
    (10, 8, 3, 69, "AH P"), (10, 11, 5, 67, "N AW"),
    (11, 2, 2, 67, "+L EH"), (11, 4, 2, 69, "T IH T"), (11, 6, 9, 71, "SH OW"),
)
CHORUS_LINES: Line = (
    (0, 0, 3, 69, "+T EY K"), (0, 3, 3, 67, "M IY"), (0, 6, 2, 64, "AH"), (0, 8, 7, 67, "P AA R T"),
    (1, 2, 2, 67, "+L IH"), (1, 4, 2, 69, "S AH N"), (1, 6, 2, 71, "T UW"), (1, 8, 3, 69, "M AY"),
    (1, 11, 4.5, 67, "HH AA R T"),
    (2, 0, 2, 67, "+P UH T"), (2, 2, 2, 67, "M IY"), (2, 4, 3, 71, "B AE K"), (2, 7, 2, 67, "T UW"),
    (2, 9, 2, 67, "G EH"), (2, 11, 4, 64, "DH ER"),
    (3, 0, 3, 64, "+W EH R"), (3, 3, 3, 67, "Y UW"), (3, 6, 9, 69, "S T AA R T"),
)
# fmt: on
HARMONY_PITCHES = (65, 64, 60, 64, 62, 65, 67, 65, 62, 64, 64, 67, 64, 64, 59, 60, 64, 64)
# fmt: off
BREAK_LINES: Line = (
    (16, 4, 4, 64, "+OW"), (16, 8, 7, 67, "OW"),
    (17, 2, 3, 64, "+Y EH"), (17, 5, 6, 68, "AA"), (17, 12, 4, 71, "OW"),
)
ENDING_LINES: Line = (
    (22, 0, 3, 69, "+T EY K"), (22, 3, 3, 67, "M IY"), (22, 6, 2, 64, "AH"),
    (22, 8, 6, 67, "P AA R T"),
    (23, 0, 3, 67, "+OW"), (23, 3, 18, 69, "OW"),
)
# fmt: on


SHORT = 2
"""Syllables of so many steps are sung lighter."""


def sing(lines: Line, bar: int = 0) -> list[Syllable]:
    """Set sung lines in time, shifted by `bar` bars."""
    return [
        Syllable(
            at(bar + line_bar, step),
            length * BEAT / 4,
            pitch,
            0.68 if length <= SHORT else 0.8,
            tuple(phones.removeprefix("+").split()),
            phones.startswith("+"),
        )
        for line_bar, step, length, pitch, phones in lines
    ]


def lead() -> list[Syllable]:
    """Return all that the lead sings."""
    return [
        *sing(VERSE_LINES),
        *sing(CHORUS_LINES, CHORUS),
        *sing(BREAK_LINES),
        *sing(CHORUS_LINES, LAST_CHORUS),
        *sing(ENDING_LINES),
    ]


def doubles() -> list[Syllable]:
    """Return what is sung twice more, left and right."""
    return [
        *sing(CHORUS_LINES, CHORUS),
        *sing(CHORUS_LINES, LAST_CHORUS),
        *sing(ENDING_LINES),
    ]


def harmony() -> list[Syllable]:
    """Return the second voice of the choruses, a third or so below the lead."""
    lines = tuple(
        (bar, step, length, pitch, phones)
        for (bar, step, length, _, phones), pitch in zip(CHORUS_LINES, HARMONY_PITCHES, strict=True)
    )
    return [*sing(lines, CHORUS), *sing(lines, LAST_CHORUS)]


# --- the whole, or some bars of it -----------------------------------------------------------

Event = TypeVar("Event", Note, Hit, Syllable)


@dataclass(frozen=True)
class Part:
    """Everything that begins in some bars, in seconds from the first of them."""

    length: float
    level: list[tuple[float, float]]
    """The hand on the fader: (seconds, gain)."""
    drums: list[Hit]
    bass: list[Note]
    piano: list[Note]
    pad: list[Note]
    clavinet: list[Note]
    pluck: list[Note]
    riser: list[Note]
    lead: list[Syllable]
    doubles: list[Syllable]
    harmony: list[Syllable]


def part(first: int = 0, last: int = BARS) -> Part:
    """Return what is played from bar `first` to before bar `last`, and `TAIL` to ring out."""
    begin, end = at(first, 0), at(last, 0)

    def cut(events: list[Event]) -> list[Event]:
        kept = (e for e in events if begin <= e.start < end)
        return [replace(e, start=e.start - begin) for e in kept]

    def bars(play: Callable[[int], list[Event]]) -> list[Event]:
        return cut([event for bar in range(first, last) for event in play(bar)])

    return Part(
        length=end - begin + TAIL,
        level=[(time - begin, gain) for time, gain in LEVEL],
        drums=bars(drum_hits),
        bass=bars(bass_notes),
        piano=bars(piano_notes),
        pad=bars(pad_notes),
        clavinet=bars(clavinet_notes),
        pluck=bars(pluck_notes),
        riser=cut([RISER]),
        lead=cut(lead()),
        doubles=cut(doubles()),
        harmony=cut(harmony()),
    )
