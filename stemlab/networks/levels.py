"""How a network wants the numbers of a window: as they are, or brought to a common level."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

SILENCE = np.float32(1e-5)


class Levelled(NamedTuple):
    """The numbers of a window as the network wants them, and how to take that back."""

    numbers: NDArray[np.float32]
    factor: np.float32
    offset: np.float32


def _plain(numbers: NDArray[np.float32]) -> Levelled:
    return Levelled(numbers, np.float32(1), np.float32(0))


def _standard(numbers: NDArray[np.float32]) -> Levelled:
    offset, factor = numbers.mean(), numbers.std() + SILENCE
    return Levelled((numbers - offset) / factor, factor, offset)


def _log(numbers: NDArray[np.float32]) -> Levelled:
    return Levelled(np.log1p(numbers), np.float32(1), np.float32(0))


LEVELS: dict[str, Callable[[NDArray[np.float32]], Levelled]] = {
    "plain": _plain,
    "standard": _standard,
    "log": _log,
}
"""Plain: as they are. Standard: of mean 0 and standard deviation 1 in each window. Log: ln(1 + x),
only for magnitudes of which masks are made."""
