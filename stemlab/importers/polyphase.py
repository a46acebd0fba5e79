"""Strided, transposed and dilated convolutions as dense ones on blocks of cells.

A grid [T, F, C] holds the same numbers as the grid [T/2, F/2, 4·C] of its 2 × 2 blocks (space to
depth). On blocks a convolution of stride 2, its transpose and a convolution of dilation 2 are plain
convolutions of a rearranged kernel (Shi et al., "Is the deconvolution layer the same as a
convolutional layer?", 2016). The result is the same; CPUs get there about three times as fast.

The kernels are TensorFlow's, [height, width, inputs, outputs], with its padding ``same``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    Kernel = NDArray[np.floating[Any]]


def strided(kernel: Kernel) -> Kernel:
    """Return the 3 × 3 kernel, from blocks to cells, of a 5 × 5 convolution of stride 2.

    Output m reads inputs 2m + i − 1 for i = 0 … 4.
    """
    taps = ((i, (i - 1) // 2, (i - 1) % 2, 0) for i in range(5))
    return _rearranged(kernel, taps, (3, 2, 1))


def transposed(kernel: Kernel) -> Kernel:
    """Return the 3 × 3 kernel, from cells to blocks, of a transposed 5 × 5 one of stride 2.

    Output 2m + p sums input (2m + p + 1 − i) / 2 for the i = 0 … 4 where that is whole.
    """
    taps = ((i, (p + 1 - i) // 2, 0, p) for p in (0, 1) for i in range(5) if (p + 1 - i) % 2 == 0)
    return _rearranged(kernel, taps, (3, 1, 2))


def twice_transposed(kernel: Kernel) -> Kernel:
    """Return the 4 × 4 kernel of stride 2, from cells to blocks of 4 × 4, of what `transposed` is.

    Output 4m + p sums inputs 2m + (p + 1 − i) / 2 for the i = 0 … 4 where that is whole. One cell's
    few outputs would leave most of a vector register empty.
    """
    taps = (
        (i, (p + 1 - i) // 2 - 1, 0, p) for p in range(4) for i in range(5) if (p + 1 - i) % 2 == 0
    )
    return _rearranged(kernel, taps, (4, 1, 4))


def dilated(kernel: Kernel) -> Kernel:
    """Return the 3 × 3 kernel, from and to blocks of 4 × 4, of a 4 × 4 convolution of dilation 2.

    Output 4m + p reads inputs 4m + p + 2i − 3 for i = 0 … 3.
    """
    taps = ((i, (p + 2 * i - 3) // 4, (p + 2 * i - 3) % 4, p) for p in range(4) for i in range(4))
    return _rearranged(kernel, taps, (3, 4, 4))


def _rearranged(
    kernel: Kernel, taps: Iterable[tuple[int, int, int, int]], shape: tuple[int, int, int]
) -> Kernel:
    """Place each weight of a kernel where it acts on blocks.

    Along either axis `taps` lists (place in the old kernel, block read from the one written, cell
    read in its block, cell written in its block); `shape` is (new size, cells read, cells written).
    """
    size, read, written = shape
    places = np.zeros((kernel.shape[0], *shape), kernel.dtype)
    for old, block, source, target in taps:
        places[old, block + size // 2, source, target] = 1
    new: Kernel = np.einsum("itpa,juqb,ijco->tupqcabo", places, places, kernel)
    inputs, outputs = kernel.shape[2:]
    return new.reshape(size, size, read**2 * inputs, written**2 * outputs)
