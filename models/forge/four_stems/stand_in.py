"""What stands in for Spleeter's finest activations: a convolution of our own encoder's.

At the finest level two of three numbers that the decoder reads are Spleeter's, compressed; to make
and to gather them takes a tenth of the network's time. A 3 × 3 convolution of what our encoder has
there, fitted by least squares, tells the decoder nearly the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from four_stems.mixtures import Grid, Mixtures
from four_stems.network import to_blocks

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SIZE = 3  # of the kernel
EVERY = 4  # rows of blocks of which one counts: neighbours are much alike


def fit(trained: Any, pool: Path, examples: int) -> tuple[Any, Any]:
    """Return kernel [3, 3, in, out] and bias [out] that come closest to the finest features.

    Parameters
    ----------
    trained
        The network of `network.build`, trained.
    pool
        Songs, see `music.pool`; so many mixtures of them are drawn as for training.
    """
    import keras

    own, features = (trained.get_layer(name).output for name in ("own0", "features0"))
    heard = keras.Model(trained.input, [own, features])
    mixtures = Mixtures(pool, 0, Grid(frames=trained.input.shape[1]))
    products = []
    for _ in range(examples):
        magnitude, _ = mixtures.example()
        known, wanted = (np.asarray(x)[0] for x in heard(magnitude[None]))
        products.append(_products(known, wanted, _loudness(magnitude)))
    among, with_wanted = np.sum([a for a, _ in products], 0), np.sum([b for _, b in products], 0)
    solution = np.linalg.lstsq(among, with_wanted, rcond=None)[0].astype(np.float32)
    return solution[:-1].reshape(SIZE, SIZE, own.shape[-1], -1), solution[-1]


def _products(
    known: NDArray[np.float32], wanted: NDArray[np.float32], weight: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the sums of the normal equations over the places [T, F] of one mixture."""
    beside = SIZE // 2
    padded = np.pad(known, ((beside, beside), (beside, beside), (0, 0)))
    patches = np.lib.stride_tricks.sliding_window_view(  # type: ignore[call-overload]  # two axes
        padded, (SIZE, SIZE), (0, 1)
    )[::EVERY]
    rows = np.moveaxis(patches, 2, -1).reshape(-1, SIZE * SIZE * known.shape[-1])
    rows = np.concatenate([rows, np.ones((len(rows), 1), np.float32)], -1)
    weighted = rows * weight[::EVERY].reshape(-1, 1)
    targets = wanted[::EVERY].reshape(len(rows), -1)
    return (weighted.T @ rows).astype(np.float64), (weighted.T @ targets).astype(np.float64)


def _loudness(magnitude: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the root of each block's magnitude [T/2, F/2]: errors count more where it is loud."""
    loudness: NDArray[np.float32] = np.sqrt(to_blocks(magnitude[..., None]).sum(-1) + 1e-3)
    return loudness
