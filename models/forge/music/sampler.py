"""Recorded basses, drum kits and guitars that play the notes of a MIDI part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from music import oneshots
from music.effects import RATE, Sound, drive, highpass, lowpass

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from music.oneshots import Recorded

    Rng = np.random.Generator

T = TypeVar("T")

TAIL = 2.0
FURTHEST = 9
"""Semitones that a sample is moved at most; further notes are moved by octaves."""

# General MIDI's drum map.
GENERAL_MIDI: dict[str, tuple[int, ...]] = {
    "kick": (35, 36),
    "snare": (38, 40),
    "rim": (37, 31, 76, 77, 75),
    "clap": (39,),
    "hat": (42, 44),
    "open": (46,),
    "tom": (41, 43, 45, 47, 48, 50),
    "crash": (49, 52, 55, 57),
    "ride": (51, 53, 59),
    "shaker": (54, 69, 70, 82),
    "perc": (56, 60, 61, 62, 63, 64, 65, 66, 67, 68, 73, 74, 78, 79, 80, 81),
}
ROLES = {note: role for role, notes in GENERAL_MIDI.items() for note in notes}
INSTEAD = {"rim": "snare", "clap": "snare", "shaker": "hat", "open": "hat", "ride": "crash"}
LOUDNESS = {"kick": 1.0, "snare": 0.9, "tom": 0.8, "hat": 0.4, "open": 0.45, "ride": 0.4}
LOOSENESS = 0.004
"""Seconds by which a player misses the beat, as a standard deviation."""
RELEASE = {"bass": 0.09, "other": 0.15}


def perform(stem: str, instrument: Any, data: Path, rng: Rng) -> Sound:
    """Play a part, a ``pretty_midi.Instrument``, as drums, bass or other; ``[2, samples]``."""
    if stem == "drums":
        return drums(instrument.notes, choose(oneshots.kits(data), rng), rng)
    if stem == "bass":
        return amplifier(pitched(instrument.notes, bass(data, rng), RELEASE["bass"], rng), rng)
    return guitars(instrument.notes, data, rng)


def choose(found: Sequence[T], rng: Rng) -> T:
    """Draw one."""
    return found[int(rng.integers(len(found)))]


def bass(data: Path, rng: Rng) -> Recorded:
    """Draw a bass: first its library, for they differ in size, then which of its sounds."""
    library = choose(("growlybass", "pastabass", "double-bass", "electric-bass"), rng)
    return choose(oneshots.instruments(data, library), rng)


def guitars(notes: Any, data: Path, rng: Rng) -> Sound:
    """Play a guitar, or two of them left and right, as records often have it."""
    kind = "stac" if rng.random() < 0.3 else "ord"  # noqa: PLR2004
    found = [each for each in oneshots.instruments(data, "guitars") if each.name.endswith(kind)]
    left = cabinet(pitched(notes, choose(found, rng), RELEASE["other"], rng), rng)
    if rng.random() < 0.5:  # noqa: PLR2004
        return left
    right = cabinet(pitched(notes, choose(found, rng), RELEASE["other"], rng), rng)
    in_phase = np.float32(1 if np.vdot(left, right) > 0 else -1)
    return np.stack([left[0], in_phase * right[1]])


def drums(notes: Any, kit: oneshots.Kit, rng: Rng) -> Sound:
    """Play General MIDI drum notes on a recorded kit."""
    pans = {note: rng.uniform(-0.4, 0.4) for note in ROLES}
    out = silence(notes)
    for turn, note in enumerate(notes):
        role = ROLES.get(note.pitch, "perc")
        files = kit.get(role) or kit.get(INSTEAD.get(role, "snare")) or kit["kick"]
        hit = oneshots.read(layer(files, note.velocity / 127, turn))
        if role == "open":
            hit = until(hit, next_hat(notes, note.start) - note.start, 0.03)
        gain = LOUDNESS.get(role, 0.5) * (note.velocity / 127) ** 1.5
        place(out, hit, note.start, gain, pans.get(note.pitch, 0.0))
    return out


def next_hat(notes: Any, after: float) -> float:
    """Return when the open hi-hat is next struck or closed, in seconds."""
    hats = (*GENERAL_MIDI["hat"], *GENERAL_MIDI["open"])
    later = (note.start for note in notes if note.pitch in hats and note.start > after)
    return min(later, default=after + 60)


def layer(files: Sequence[Path], force: float, turn: int) -> Path:
    """Choose among files, sorted from soft to loud, by force; neighbours take turns."""
    around = (-1, 0, 1)[turn % 3] if len(files) > 4 else 0  # noqa: PLR2004
    return files[min(max(round(force * (len(files) - 1)) + around, 0), len(files) - 1)]


def pitched(notes: Any, instrument: Recorded, release: float, rng: Rng) -> Sound:
    """Play notes on a recorded instrument, each until its end and a fading release."""
    out = silence(notes)
    detuned = rng.choice([-0.06, 0, 0.06])
    lowest, highest = min(instrument.notes), max(instrument.notes)
    for turn, note in enumerate(notes):
        pitch = within(note.pitch, lowest, highest)
        recorded = instrument.nearest(pitch)
        path = layer(instrument.notes[recorded], note.velocity / 127, turn)
        sound = oneshots.read(path, 2 ** ((pitch + detuned - recorded) / 12))
        sound = until(sound, note.end - note.start, release)
        late = max(0, note.start + rng.normal(0, LOOSENESS))
        place(out, sound, late, (note.velocity / 127) ** 1.3, 0.0)
    return out


def within(pitch: int, lowest: int, highest: int) -> int:
    """Move a pitch by octaves into what an instrument can play.

    >>> within(18, 28, 60), within(61, 28, 60), within(100, 28, 60)
    (30, 61, 64)
    """
    below, above = lowest - FURTHEST, highest + FURTHEST
    return pitch + 12 * max(0, -((pitch - below) // 12)) - 12 * max(0, -((above - pitch) // 12))


def until(sound: Sound, seconds: float, release: float) -> Sound:
    """End a sound after some seconds, faded over `release` more."""
    hold = round(seconds * RATE)
    piece = sound[:, : hold + round(release * RATE)].copy()
    fading = piece[:, hold:]
    fading *= np.linspace(1, 0, round(release * RATE), dtype=np.float32)[: fading.shape[1]] ** 2
    return piece


def place(out: Sound, sound: Sound, seconds: float, gain: float, pan: float) -> None:
    """Add a sound to the track, panned from −1 to 1."""
    start = round(seconds * RATE)
    piece = sound[:, : max(0, out.shape[1] - start)]
    gains = gain * np.array([[1 - max(pan, 0)], [1 + min(pan, 0)]])
    out[:, start : start + piece.shape[1]] += gains.astype(np.float32) * piece


def silence(notes: Any) -> Sound:
    """Make an empty track that is long enough for notes and their tail."""
    end = max(note.end for note in notes)
    return np.zeros((2, round((end + TAIL) * RATE)), np.float32)


def amplifier(sound: Sound, rng: Rng) -> Sound:
    """Send a bass straight in, or through a driven amplifier whose loudspeaker dulls it."""
    if rng.random() < 0.5:  # noqa: PLR2004
        return sound
    driven = lowpass(drive(sound, 10 ** rng.uniform(0.2, 1.5), "tube"), rng.uniform(2000, 6000), 3)
    share = np.float32(rng.uniform(0.3, 1))
    return sound * (1 - share) + driven * share


def cabinet(sound: Sound, rng: Rng) -> Sound:
    """Play a guitar clean, crunchy or distorted through a guitar loudspeaker's narrow band."""
    amount = str(rng.choice(["clean", "crunch", "lead"]))
    gain = {"clean": 1.2, "crunch": 6.0, "lead": 30.0}[amount] * rng.uniform(0.7, 1.5)
    driven = drive(highpass(sound, 100), gain, "tube")
    return lowpass(driven, rng.uniform(3500, 6000), 4)
