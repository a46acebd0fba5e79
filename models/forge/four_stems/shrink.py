"""Start a smaller live network as the larger one that is there, instead of from nothing.

    python models/forge/four_stems/shrink.py LARGE SMALL POOL WEIGHTS.npz SHRUNK.npz

LARGE and SMALL are names of `live_network.SHAPES`, WEIGHTS is what `train.py` or `restore.py` kept
of LARGE. SMALL gets the channels whose absence its layers would feel least: with the energy of what
a channel holds on sound of POOL, and of the weights that read it (as in Luo, Wu and Lin, "ThiNet",
ICCV 2017). What is left must be trained; `train.py` lets it learn the masks of LARGE.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import typer

from four_stems import live_network
from four_stems.mixtures import Mixtures
from four_stems.restore import read_moments, trained
from four_stems.train import load_weights, save_weights

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


class Wires(NamedTuple):
    """Which channels a convolution reads and writes, as numbers of groups; none: all that it has.

    A group is a level, from the finest on, or the vector.
    """

    reads: tuple[int, ...]
    writes: tuple[int, ...]


LEVELS = len(live_network.REACH)
VECTOR = LEVELS
WIRES = [
    Wires((), (0,)),
    *(Wires((level - 1,) * 2, (level,)) for level in range(1, LEVELS)),
    Wires((LEVELS - 1,), ()),
    Wires((), (VECTOR,)),
    *(Wires((VECTOR,) * 2, (VECTOR,)) for _ in live_network.STEPS_BACK),
    Wires((VECTOR,), ()),
    Wires((), (LEVELS - 1,)),
    Wires((LEVELS - 1,), (LEVELS - 1,)),
    *(
        wires
        for level in range(LEVELS - 2, -1, -1)
        for wires in (Wires((level + 1,), (level,) * 2), Wires((level,), (level,)))
    ),
    Wires((0,), ()),
]


def main(
    large: str,
    small: str,
    pool: Path,
    weights: Path,
    shrunk: Path,
    examples: Annotated[int, typer.Option(help="mixtures of three seconds")] = 32,
) -> None:
    """Shrink."""
    shape = live_network.SHAPES[small]
    old = live_network.build(live_network.at_the_hop_of(small, large))
    new = live_network.build(shape)
    load_weights(old, weights)
    felt = energies(old, Mixtures(pool, 0, shape.grid), examples)
    sizes = (*shape.channels, shape.vector)
    kept = [np.sort(np.argsort(-each)[:size]) for each, size in zip(felt, sizes, strict=True)]
    convolutions, norms = (
        zip(trained(old, kind), trained(new, kind), WIRES, strict=False)  # none after the last
        for kind in ("Conv2D", "BatchNormalization")
    )
    for before, after, wires in convolutions:
        reads, writes = (_places(groups, kept, felt) for groups in wires)
        kernel, bias = before.get_weights()
        after.set_weights([kernel[:, :, reads][..., writes], bias[writes]])
    for before, after, wires in norms:  # of one place of a level, where it stands side by side
        writes = _places(wires.writes[:1], kept, felt)
        after.set_weights([each[writes] for each in before.get_weights()])
    save_weights(new, shrunk)


def energies(model: Any, mixtures: Mixtures, examples: int) -> list[Array]:
    """Return, for each channel of each group, the energy of what it adds to the sums of layers."""
    layers = trained(model, "Conv2D")
    moments = read_moments(model, layers, mixtures, examples)
    felt: list[Any] = [0.0] * (VECTOR + 1)
    for layer, (_, square), wires in zip(layers, moments, WIRES, strict=True):
        added = square * np.square(layer.kernel).sum((0, 1, 3))
        for i, group in enumerate(wires.reads):
            felt[group] = felt[group] + np.split(added, len(wires.reads))[i]
    return felt


def _places(groups: tuple[int, ...], kept: list[Any], felt: list[Array]) -> Any:
    """Return where the channels that are kept of groups lie that stand side by side."""
    if not groups:
        return slice(None)
    sizes = [len(felt[group]) for group in groups]
    return np.concatenate([sum(sizes[:i]) + kept[group] for i, group in enumerate(groups)])


if __name__ == "__main__":
    typer.run(main)
