"""Draws from a random generator: a coin, and one of several."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

Choice = TypeVar("Choice")


def chance(rng: np.random.Generator, probability: float) -> bool:
    """Throw a coin that falls true with `probability`."""
    return bool(rng.random() < probability)


def pick(rng: np.random.Generator, choices: Sequence[Choice]) -> Choice:
    """Return one of `choices`, all as likely."""
    return choices[int(rng.integers(len(choices)))]
