"""What goes into a network and comes out of it, whichever runtime runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class Tensor(NamedTuple):
    """An input or output: its name, its shape with None where any length goes, its numbers."""

    name: str
    shape: Sequence[int | None]
    dtype: str


def noise(shape: Sequence[int], dtype: Any) -> NDArray[Any]:
    """Return noise of deviation 1, the same each time; of whole numbers only zeros.

    >>> bool(noise([2, 3], "float32").std() > 0), noise([2], "int64")
    (True, array([0, 0]))
    """
    if not np.issubdtype(dtype, np.floating):
        return np.zeros(shape, dtype)
    return np.random.default_rng(0).standard_normal(shape, np.float32).astype(dtype)


class Network(Protocol):
    """A network that a runtime has loaded."""

    inputs: list[Tensor]
    outputs: list[Tensor]

    def run(self, array: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Return the outputs for the one input."""

    def try_out(self) -> None:
        """Run once on noise."""


def first_line(error: BaseException) -> str:
    """Return an error's first line, or its name."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
