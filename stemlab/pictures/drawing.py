"""What a chart in the page shows: panels with axes, and lines, areas and cells on them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from stemlab.pictures.picture import Axis, Picture, level_steps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

# Something on a panel, as the page reads it; made by the functions below.
Mark: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Scale:
    """An axis.

    Attributes
    ----------
    low, high
        Its ends.
    label
        What stands beside it.
    scale
        ``"linear"``, or ``"log"``: equal ratios are equally far apart.
    ticks
        Values to mark and what is written there; without them round values.
    """

    low: float
    high: float
    label: str = ""
    scale: Literal["log", "linear"] = "linear"
    ticks: Sequence[tuple[float, str]] = ()

    @classmethod
    def of(cls, axis: Axis) -> Scale:
        """Return the frequency axis of a picture."""
        return cls(axis.low, axis.high, "frequency in Hz", axis.scale)


@dataclass(frozen=True)
class Panel:
    """A title, two axes, and what is drawn on them, the last on top; `wide` beside the others."""

    title: str
    x: Scale
    y: Scale
    marks: Sequence[Mark]
    wide: float = 1


@dataclass(frozen=True)
class Drawing:
    """Panels side by side, and in words what they show, for those who cannot see it.

    Examples
    --------
    >>> wave = line([0, 1], [0, 0.5], "#0072b2", "after")
    >>> drawing = Drawing("a line", [Panel("Wave", Scale(0, 1), Scale(-1, 1), [wave])])
    >>> [panel["title"] for panel in drawing.plain()]
    ['Wave']
    """

    told: str
    panels: Sequence[Panel]

    def plain(self) -> list[dict[str, Any]]:
        """Return the panels as the page takes them."""
        return [asdict(panel) for panel in self.panels]


def line(
    x: ArrayLike,
    y: ArrayLike,
    hue: str,
    name: str = "",
    width: float = 1.5,
    *,
    dots: bool = False,
) -> Mark:
    """Return a line through points, with dots on them or without; its name is in the legend."""
    shared = {"kind": "line", "hue": hue, "name": name, "width": width, "dots": dots}
    return {**shared, "x": _floats(x), "y": _floats(y)}


def area(x: ArrayLike, low: ArrayLike, high: ArrayLike, hue: str, name: str = "") -> Mark:
    """Return the area between two lines."""
    shared = {"kind": "area", "hue": hue, "name": name}
    return {**shared, "x": _floats(x), "low": _floats(low), "high": _floats(high)}


def rule(x: float, text: str = "") -> Mark:
    """Return an upright line, with a word at its top."""
    return {"kind": "rule", "x": x, "text": text}


def cells(picture: Picture, shares: NDArray[np.float32], columns: slice = slice(None)) -> Mark:
    """Return cells [columns, rows] from 0, dark, to 1, light; of a picture, or some columns of it.

    The panel's upright axis is the picture's.
    """
    return _cells(picture, np.rint(shares[columns] * 255).astype(np.uint8), columns)


def levels(picture: Picture, columns: slice = slice(None)) -> Mark:
    """Return the levels of a picture as cells."""
    return _cells(picture, level_steps()[picture.columns[columns, 0]], columns)


def _cells(picture: Picture, steps: NDArray[np.uint8], columns: slice) -> Mark:
    first, _, _ = columns.indices(len(picture.columns))
    left = picture.origin + first / picture.pace
    right = left + len(steps) / picture.pace
    size = {"columns": len(steps), "rows": picture.axis.rows}
    return {"kind": "cells", "bytes": steps.tobytes(), **size, "left": left, "right": right}


def _floats(values: ArrayLike) -> bytes:
    return np.asarray(values, np.float32).tobytes()
