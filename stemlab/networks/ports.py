"""How a window goes into a network, and masks come out of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from stemlab.networks.axes import Axes
from stemlab.networks.kinds import KINDS
from stemlab.networks.levels import LEVELS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stemlab.masks import AnyMasks
    from stemlab.networks.tensors import Network

CHANNELS, PARTS = 2, 2


@dataclass(frozen=True)
class Ports:
    """What a card says of a network's input and output.

    Parameters
    ----------
    kind, reads, gives, scale, level
        See `stemlab.card.Card`.
    frames, bins, stems
        T, F and the number of stems.

    Raises
    ------
    ValueError
        If they do not go together.
    """

    kind: str
    reads: str
    gives: str
    scale: float
    level: str
    frames: int
    bins: int
    stems: int

    def __post_init__(self) -> None:
        """Refuse axes that do not belong to the kind."""
        kind, channel = KINDS[self.kind], "c" if "c" in self._into.letters else ""
        _check("reads", self.reads, [kind.READS.replace("c", channel)])
        given = [letters.replace("c", channel) for letters in kind.GIVES]
        _check("gives", self.gives, given + [letters.replace("s", "") for letters in given])
        if self.level == "log" and ("r" in kind.READS or kind.SAME_UNIT):
            raise ValueError("level is log, which is for magnitudes of which masks are made")

    def masks(self, network: Network, heard: NDArray[np.inexact[Any]]) -> AnyMasks:
        """Return a network's masks [T, F, 2, stems] of what it hears of a window [T, F, 2].

        Raises
        ------
        ValueError
            If what it gives is no number, or has another shape.
        """
        kind = KINDS[self.kind]
        numbers = kind.read(heard)
        if "c" in self._order_in:
            given = self._ask(network, numbers)
        else:
            channels = [self._ask(network, numbers[:, :, i]) for i in range(CHANNELS)]
            given = np.stack(channels, 2)
        masks: AnyMasks = kind.masks(given, heard, self.stems)
        return masks

    def check(self, network: Network) -> None:
        """Make sure that a network takes and gives this.

        Raises
        ------
        ValueError
            If it does not.
        """
        if len(network.inputs) != 1:
            raise ValueError(f"takes {len(network.inputs)} inputs, where a window is one")
        reads, gives = self._into, self._out_of
        for tensor in (*network.inputs, *network.outputs):
            if tensor.dtype != "float32":
                raise ValueError(f"{tensor.name} is of {tensor.dtype}, where float32 is needed")
        fits = reads.fits(network.inputs[0].shape, self._sizes) and any(
            len(network.outputs) == (1 if "s" in gives.letters else stems)
            and all(gives.fits(t.shape, self._sizes | {"s": stems}) for t in network.outputs)
            for stems in self._counts
        )
        if not fits:
            shapes = [_shown(tensors) for tensors in (network.inputs, network.outputs)]
            wanted = [reads.shape(self._sizes), gives.shape(self._sizes | {"s": self.stems})]
            raise ValueError(
                f"takes {shapes[0]} and gives {shapes[1]} where its card says {wanted[0]} "
                f"and {wanted[1]}"
            )

    @property
    def shape(self) -> list[int]:
        """Of the input."""
        return self._into.shape(self._sizes)

    @cached_property
    def _into(self) -> Axes:
        return Axes(self.reads)

    @cached_property
    def _out_of(self) -> Axes:
        return Axes(self.gives)

    @cached_property
    def _sizes(self) -> dict[str, int]:
        return {"t": self.frames, "f": self.bins, "c": CHANNELS, "r": PARTS}

    @property
    def _counts(self) -> tuple[int, ...]:
        """How many stems it may give."""
        return (self.stems, self.stems - 1) if self.stems > 1 else (self.stems,)

    @cached_property
    def _order_in(self) -> str:
        return "".join(letter for letter in "tfcr" if letter in self._into.letters)

    def _ask(self, network: Network, numbers: NDArray[np.float32]) -> NDArray[np.inexact[Any]]:
        """Return what it gives, [T, F, …, stems], complex if it has parts."""
        scaled = numbers if self.scale == 1 else numbers * np.float32(self.scale)
        levelled = LEVELS[self.level](scaled)
        given = self._unpacked(network.run(self._into.pack(levelled.numbers, self._order_in)))
        if KINDS[self.kind].SAME_UNIT:
            given = (given * levelled.factor + levelled.offset) / np.float32(self.scale)
        if "r" not in self._out_of.letters:
            return given
        paired: NDArray[np.complex64] = np.ascontiguousarray(given).view(np.complex64)[..., 0]
        return paired

    def _unpacked(self, outputs: list[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return the outputs as one, [T, F, …, stems, …]."""
        axes = self._out_of
        order = "".join(letter for letter in "tfcsr" if letter in axes.letters)
        one = prod(self._sizes[letter] for letter in order if letter != "s")
        sizes = self._sizes | {"s": outputs[0].size // one}
        stems = sizes["s"] if "s" in order else len(outputs)
        if stems not in self._counts or any([*o.shape] != axes.shape(sizes) for o in outputs):
            raise ValueError(
                f"gives {[[*output.shape] for output in outputs]}, "
                f"where its card says {axes.shape(self._sizes | {'s': self.stems})}"
            )
        apart = [axes.unpack(output, order, sizes) for output in outputs]
        whole = apart[0] if "s" in order else np.stack(apart, -1 if "r" not in order else -2)
        if not np.isfinite(whole.sum()):
            raise ValueError("gives what is no number")
        return whole


def _check(field: str, text: str, allowed: list[str]) -> None:
    if sorted(Axes(text).letters) not in map(sorted, allowed):
        wanted = " or ".join(" ".join(letters) for letters in allowed)
        raise ValueError(f"{field} is {text!r}, where this kind has {wanted}, in any order")


def _shown(tensors: Any) -> Any:
    shapes = [["any" if n is None else n for n in tensor.shape] for tensor in tensors]
    return shapes[0] if len(shapes) == 1 else shapes
