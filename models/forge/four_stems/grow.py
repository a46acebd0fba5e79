"""Start a larger live network as the smaller one that is there, instead of from nothing.

    python models/forge/four_stems/grow.py SMALL LARGE POOL WEIGHTS.npz GROWN.npz

SMALL and LARGE are names of `live_network.SHAPES`, WEIGHTS is what `train.py` or `restore.py` kept
of SMALL. LARGE gets its channels and, beside them, new ones that start at random and that the old
ones do not hear, so that it gives the same masks (Chen, Goodfellow and Shlens, "Net2Net", 2016).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import typer

from four_stems import live_network
from four_stems.mixtures import Mixtures
from four_stems.restore import settle, trained
from four_stems.train import load_weights

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float32]


def main(
    small: str,
    large: str,
    pool: Path,
    weights: Path,
    grown: Path,
    examples: Annotated[int, typer.Option(help="mixtures of three seconds")] = 32,
) -> None:
    """Grow."""
    shapes = live_network.SHAPES
    old, new = (live_network.build(shapes[name]) for name in (small, large))
    load_weights(old, weights)
    for kind in ("Conv2D", "BatchNormalization"):
        for before, after in zip(trained(old, kind), trained(new, kind), strict=True):
            arrays = zip(before.get_weights(), after.get_weights(), strict=True)
            after.set_weights([placed(*pair) for pair in arrays])
    settle(new, Mixtures(pool, 0, shapes[large].grid), examples)
    np.savez(grown, **{each.path: np.asarray(each.value) for each in new.variables})


def placed(old: Array, new: Array) -> Array:
    """Return the new array with the old one in its places; new inputs do not reach old outputs."""
    outputs = places(old.shape[-1], new.shape[-1])
    result = new.copy()
    if old.ndim == 1:
        result[outputs] = old
        return result
    inputs = places(old.shape[-2], new.shape[-2])
    result[..., outputs] = 0
    result[..., inputs[:, None], outputs] = old
    return result


def places(old: int, new: int) -> Any:
    """Return where the old channels lie among the new ones: spread evenly.

    So they lie right, too, where channels of several layers or bands stand side by side.
    """
    return np.arange(old) * new // old


if __name__ == "__main__":
    typer.run(main)
