"""Songs that breathe: their time bent straight, so that beats come evenly, and back.

A grid is a list of knots ``(seconds, even)``, both rising: what the song plays at `seconds` it
would play at `even`, were it played to a click. Between knots time runs evenly, beyond them as
beside the outermost. Without knots both are the same. ``widgets/decks/grid.js`` does what this
file does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Floats: TypeAlias = npt.NDArray[np.floating[Any]]
    Knots: TypeAlias = Sequence[tuple[float, float]]


MOST, FARTHEST, STEEPEST = 100_000, 1e6, 10
"""Knots of a grid, their seconds, and even seconds for each, beyond which none is believed."""


def even(knots: Knots, seconds: npt.ArrayLike) -> Floats:
    """Return when a click would play what the song plays at these seconds.

    Examples
    --------
    >>> even([(0, 0), (10, 10), (20, 21)], [5, 15, 30]).tolist()
    [5.0, 15.5, 32.0]
    """
    return _bent(np.asarray(seconds, float), *np.transpose(knots)) if knots else _same(seconds)


def uneven(knots: Knots, even: npt.ArrayLike) -> Floats:
    """Return the seconds of the song at which it plays what a click would play then.

    Examples
    --------
    >>> uneven([(0, 0), (10, 10), (20, 21)], [5, 15.5, 32]).tolist()
    [5.0, 15.0, 30.0]
    """
    return _bent(np.asarray(even, float), *np.transpose(knots)[::-1]) if knots else _same(even)


def is_grid(knots: object) -> bool:
    """Tell whether something read from a file is a grid: two knots or more, or none.

    Nobody plays ten times as fast as a click, or ten times as slowly.
    """
    try:
        pairs = np.asarray(knots, float)
    except (TypeError, ValueError, OverflowError):
        return False
    if not pairs.size:
        return pairs.shape == (0,)
    shaped = pairs.ndim == 2 and pairs.shape[1] == 2 and len(pairs) > 1  # noqa: PLR2004
    if not shaped or len(pairs) > MOST or not (np.abs(pairs) < FARTHEST).all():
        return False
    seconds, even = np.diff(pairs, axis=0).T
    slow, fast = seconds / STEEPEST, seconds * STEEPEST
    return bool((seconds > 0).all() and (slow <= even).all() and (even <= fast).all())


def _same(times: npt.ArrayLike) -> Floats:
    return np.asarray(times, float)


def _bent(times: Floats, at: Floats, to: Floats) -> Floats:
    """Interpolate; extrapolate by the outermost slopes."""
    first, last = (to[1] - to[0]) / (at[1] - at[0]), (to[-1] - to[-2]) / (at[-1] - at[-2])
    inside = np.interp(times, at, to)
    before, after = np.minimum(0, times - at[0]), np.maximum(0, times - at[-1])
    bent: Floats = inside + before * first + after * last
    return bent
