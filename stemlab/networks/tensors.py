"""What goes into a network and comes out of it, whichever runtime runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray


class Tensor(NamedTuple):
    """An input or output: its name, its shape with None where any length goes, its numbers."""

    name: str
    shape: Sequence[int | None]
    dtype: str


class Network(Protocol):
    """A network that a runtime has loaded."""

    inputs: list[Tensor]
    outputs: list[Tensor]

    def run(self, array: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Return the outputs for the one input."""

    def try_out(self) -> None:
        """Run once, on whatever is in the inputs."""


def first_line(error: BaseException) -> str:
    """Return an error's first line, or its name."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
