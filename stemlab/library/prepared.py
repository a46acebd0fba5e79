"""What a DJ prepares of a song: its cue point, hot cues, loop and trim, kept in its note."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from typing import Any

CUES = 8
"""Hot cues of a song."""
TRIM = 12.0
"""Decibels that a song may be made louder or softer by hand."""
LONGEST_NAME = 40

_MOST = 1e9  # of any number in a note
_HUE = re.compile("#[0-9a-f]{6}")


@dataclass
class Prepared:
    """What was prepared of a song.

    Attributes
    ----------
    cue
        Seconds of the cue point.
    cues
        One dict for each hot cue, empty where there is none: "at" in seconds, perhaps "end" of the
        loop that begins there, "name", "hue" such as "#12b886", and "levels" and "mutes" of the
        stems that it recalls.
    loop
        ``[]``, or ``[a, b]`` in seconds.
    trim
        Decibels.

    Examples
    --------
    >>> Prepared.read({"cue": 1.5, "cues": [{"at": 2}, {"at": -1}, "no cue"], "trim": 99})
    Prepared(cue=1.5, cues=[{'at': 2.0}, {}, {}, {}, {}, {}, {}, {}], loop=[], trim=0.0)
    """

    cue: float = 0.0
    cues: list[dict[str, Any]] = field(default_factory=lambda: [{} for _ in range(CUES)])
    loop: list[float] = field(default_factory=list)
    trim: float = 0.0

    @classmethod
    def read(cls, note: dict[str, Any]) -> Prepared:
        """Take from a note what it holds of this, whoever wrote it."""
        cues = [valid_cue(cue) for cue in _listed(note.get("cues"))][:CUES]
        loop = [_seconds(edge) for edge in _listed(note.get("loop"))]
        trim = _number(note.get("trim"))
        return cls(
            max(0.0, _seconds(note.get("cue"))),
            cues + [{} for _ in range(CUES - len(cues))],
            loop if len(loop) == 2 and 0 <= loop[0] < loop[1] else [],  # noqa: PLR2004 - its ends
            trim if trim is not None and abs(trim) <= TRIM else 0.0,
        )

    @property
    def chapters(self) -> list[tuple[float, str]]:
        """The hot cues in their order in the song: seconds, and names.

        Examples
        --------
        >>> Prepared(cues=[{"at": 9.0}, {}, {"at": 2.5, "name": "Drop"}]).chapters
        [(2.5, 'Drop'), (9.0, 'Cue 1')]
        """
        marked = [(i, cue) for i, cue in enumerate(self.cues, 1) if "at" in cue]
        return sorted((cue["at"], cue.get("name", f"Cue {i}")) for i, cue in marked)

    def note(self) -> dict[str, Any]:
        """Return what to keep."""
        return asdict(self)


def valid_cue(cue: Any) -> dict[str, Any]:
    """Return what is right in a hot cue; nothing if it is none."""
    if not isinstance(cue, dict) or _seconds(cue.get("at")) < 0:
        return {}
    good: dict[str, Any] = {"at": _seconds(cue["at"])}
    if _seconds(cue.get("end")) > good["at"]:
        good["end"] = _seconds(cue["end"])
    if isinstance(name := cue.get("name"), str) and name:
        good["name"] = name[:LONGEST_NAME]
    if isinstance(hue := cue.get("hue"), str) and _HUE.fullmatch(hue):
        good["hue"] = hue
    return good | _layout(cue)


def _layout(cue: dict[str, Any]) -> dict[str, Any]:
    levels, mutes = _listed(cue.get("levels")), _listed(cue.get("mutes"))
    numbers = [number for level in levels if (number := _number(level)) is not None]
    fits = bool(levels) and len(levels) == len(mutes) == len(numbers)
    if not fits or not all(0 <= level <= 1.5 for level in numbers):  # noqa: PLR2004 - the fader's
        return {}
    return {"levels": numbers, "mutes": [bool(mute) for mute in mutes]}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _number(value: Any) -> float | None:
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if plain and abs(value) < _MOST else None  # nor nan


def _seconds(value: Any) -> float:
    """Return a time, -1 if it is none."""
    number = _number(value)
    return -1.0 if number is None or number < 0 else number
