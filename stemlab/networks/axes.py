"""The order of a network's axes, written as einops writes it: ``"1 (c r) f t"``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Size = int | None

NAMES = {
    "t": "time frames",
    "f": "frequency bins",
    "c": "channels",
    "r": "real and imaginary part",
    "s": "stems",
}
PATTERN = re.compile(r"(1|[a-z]|\([a-z]( [a-z])+\))( (1|[a-z]|\([a-z]( [a-z])+\)))*")


@dataclass(frozen=True)
class Axes:
    """The axes of a network's input or output, from the outermost inwards.

    Parameters
    ----------
    text
        A letter of `NAMES` for each axis, 1 for one of length 1; letters in brackets share an axis,
        of which the last runs fastest. `einops.rearrange` reads the same.

    Raises
    ------
    ValueError
        If it is not written so, or has a letter twice.

    Examples
    --------
    >>> axes = Axes("1 (c r) f t")
    >>> packed = axes.pack(np.zeros((7, 5, 2, 2), np.float32), "tfcr")
    >>> packed.shape, axes.unpack(packed, "tfcr", {"t": 7, "f": 5, "c": 2, "r": 2}).shape
    ((1, 4, 5, 7), (7, 5, 2, 2))
    """

    text: str

    def __post_init__(self) -> None:
        """Refuse what is no order of axes."""
        if not PATTERN.fullmatch(self.text) or not set(self.letters) <= NAMES.keys():
            raise ValueError(
                f"axes are written like '1 (c r) f t', with {', '.join(NAMES)}, not {self.text!r}"
            )
        if len(set(self.letters)) < len(self.letters):
            raise ValueError(f"{self.text!r} has an axis twice")

    @cached_property
    def letters(self) -> str:
        """The letters in order."""
        return re.sub("[^a-z]", "", self.text)

    @cached_property
    def groups(self) -> list[str]:
        """The letters of each axis; none for one of length 1."""
        return [re.sub("[^a-z]", "", axis) for axis in re.findall(r"\([^)]*\)|\S", self.text)]

    def shape(self, sizes: Mapping[str, int]) -> list[int]:
        """Return the lengths of the axes.

        >>> Axes("1 (c r) f t").shape({"t": 7, "f": 5, "c": 2, "r": 2})
        [1, 4, 5, 7]
        """
        return [prod(sizes[letter] for letter in group) for group in self.groups]

    def pack(self, array: NDArray[np.float32], order: str) -> NDArray[np.float32]:
        """Lay out an array whose axes are in `order` as the network reads it."""
        sizes = dict(zip(order, array.shape, strict=True))
        turned = array.transpose([order.index(letter) for letter in self.letters])
        return np.ascontiguousarray(turned.reshape(self.shape(sizes)))

    def unpack(self, array: NDArray[Any], order: str, sizes: Mapping[str, int]) -> NDArray[Any]:
        """Return what the network gave with its axes in `order`."""
        apart = array.reshape([sizes[letter] for letter in self.letters])
        return apart.transpose([self.letters.index(letter) for letter in order])

    def fits(self, shape: Sequence[Size], sizes: Mapping[str, int]) -> bool:
        """Whether a network's shape, with None where any length goes, can be this.

        >>> Axes("1 t f").fits([None, 7, 5], {"t": 7, "f": 5})
        True
        """
        wanted = self.shape(sizes)
        return len(shape) == len(wanted) and all(
            there in (None, length) for there, length in zip(shape, wanted, strict=True)
        )
