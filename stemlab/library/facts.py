"""What is found out about a song by listening to it, kept in its note: rhythm and loudness."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from stemlab.library import grid, sidecar
from stemlab.library.loudness import SILENCE, loudness
from stemlab.library.rhythm import Rhythm, analyse
from stemlab.sound.tags import read_note, replay_gain

if TYPE_CHECKING:
    from pathlib import Path

REFERENCE = -18.0
"""LUFS that a song has with its ReplayGain."""
FASTEST = 1000
"""Beats a minute beyond which none are believed."""


@dataclass(frozen=True)
class Facts:
    """What is known of a song; None is not yet.

    Attributes
    ----------
    rhythm
        Tempo, beats and key.
    loudness
        Integrated, in LUFS.
    """

    rhythm: Rhythm | None = None
    loudness: float | None = None

    @property
    def whole(self) -> bool:
        """Whether nothing is left to find out."""
        return self.rhythm is not None and self.loudness is not None

    @classmethod
    def read(cls, note: dict[str, Any]) -> Facts:
        """Take from a note what it holds of this, whoever wrote it.

        Examples
        --------
        >>> Facts.read({"rhythm": {"bpm": "fast"}, "loudness": -9.5})
        Facts(rhythm=None, loudness=-9.5)
        """
        match note.get("loudness"):
            case float() | int() as found if SILENCE <= found <= -SILENCE:
                return cls(_rhythm(note.get("rhythm")), float(found))
        return cls(_rhythm(note.get("rhythm")), None)


def _rhythm(kept: Any) -> Rhythm | None:
    match kept:
        case {
            "bpm": float() | int() as bpm,
            "first_beat": float() | int() as first,
            "key": str(key),
            "confidence": float() | int() as confidence,
        } if 0 <= bpm <= FASTEST and abs(first) <= grid.FARTHEST and math.isfinite(confidence):
            rhythm = Rhythm(float(bpm), float(first), key, float(confidence), **_more(kept))
            with suppress(ValueError):
                return rhythm if rhythm.camelot or not key else None
    return None


def _more(kept: dict[str, Any]) -> dict[str, Any]:
    """Return what older notes do not hold, where it is plausible."""
    more: dict[str, Any] = {}
    match kept:
        case {"metre": 3 | 4 | 6 | 12 as metre, "tuning": float() | int() as tuning}:
            more = {"metre": metre, "tuning": float(tuning)} if math.isfinite(tuning) else {}
    if grid.is_grid(knots := kept.get("knots", ())):
        more["knots"] = tuple((float(a), float(b)) for a, b in knots)
    return more


def keep(note: Path | None, **facts: Any) -> None:
    """Put facts into a song's note, where it has one."""
    if note:
        with suppress(OSError):  # the disk is full: they are found again
            sidecar.add(note, **facts)


def keep_rhythm(note: Path | None, rhythm: Rhythm) -> None:
    """Put a rhythm, found or corrected, into a song's note."""
    keep(note, rhythm=asdict(rhythm))


def remembered(song: Path | None, note: Path) -> dict[str, Any]:
    """Return what a song's note holds, and what the file itself brings along beside it."""
    return (read_note(song) if song else {}) | sidecar.read(note)


def find(song: Path, note: Path) -> Facts:
    """Return what is known of a song; find out the rest, and keep it.

    Raises
    ------
    AudioError
        If the song cannot be read.
    """
    known = Facts.read(remembered(song, note))
    if known.whole:
        return known
    found = Facts(
        known.rhythm or analyse(song), known.loudness or said_loudness(song) or loudness(song)
    )
    if found.rhythm:
        keep_rhythm(note, found.rhythm)
    keep(note, loudness=found.loudness)
    return found


def said_loudness(song: Path) -> float | None:
    """Return the loudness of a song by its ReplayGain tag, if it has one."""
    gain = replay_gain(song)
    return None if gain is None else REFERENCE - gain
