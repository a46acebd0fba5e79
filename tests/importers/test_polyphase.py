"""Each rearranged kernel against the convolution it stands for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stemlab.importers import polyphase

RNG = np.random.default_rng(0)
Array = NDArray[np.float64]


def convolve(grid: Array, kernel: Array, stride: int = 1, dilation: int = 1) -> Array:
    """Return TensorFlow's convolution of [T, F, C] with padding ``same``, by its definition."""
    reach = (kernel.shape[0] - 1) * dilation + 1
    padding = max(reach - stride, 0)
    edges = (padding // 2, padding - padding // 2)
    padded = np.pad(grid, (edges, edges, (0, 0)))
    total = np.zeros((*(np.array(grid.shape[:2]) // stride), kernel.shape[3]))
    for i, row in enumerate(kernel):
        for j, weights in enumerate(row):
            read = padded[i * dilation :, j * dilation :][: grid.shape[0], : grid.shape[1]]
            total += read[::stride, ::stride] @ weights
    return total


def to_blocks(grid: Array, size: int = 2) -> Array:
    """Return space to depth, [T/size, F/size, size²·C]."""
    height, width, channels = grid.shape
    cells = grid.reshape(height // size, size, width // size, size, channels).swapaxes(1, 2)
    return cells.reshape(height // size, width // size, size**2 * channels)


def test_stride() -> None:
    grid, kernel = RNG.random((12, 16, 3)), RNG.random((5, 5, 3, 4))
    found = convolve(to_blocks(grid), polyphase.strided(kernel))
    np.testing.assert_allclose(found, convolve(grid, kernel, stride=2))


def test_dilation() -> None:
    grid, kernel = RNG.random((12, 16, 3)), RNG.random((4, 4, 3, 2))
    found = convolve(to_blocks(grid, 4), polyphase.dilated(kernel))
    np.testing.assert_allclose(found, to_blocks(convolve(grid, kernel, dilation=2), 4))


def test_transpose() -> None:
    """The transpose is defined by ⟨stride(x), y⟩ = ⟨x, transpose(y)⟩ with the kernel turned."""
    fine, coarse, kernel = RNG.random((12, 16, 4)), RNG.random((6, 8, 3)), RNG.random((5, 5, 3, 4))
    blocks = convolve(coarse, polyphase.transposed(kernel))
    strided = convolve(fine, kernel.swapaxes(2, 3), stride=2)
    np.testing.assert_allclose((strided * coarse).sum(), (to_blocks(fine) * blocks).sum())


def test_transpose_to_larger_blocks() -> None:
    coarse, kernel = RNG.random((6, 8, 3)), RNG.random((5, 5, 3, 4))
    blocks = convolve(coarse, polyphase.transposed(kernel)).reshape(6, 8, 2, 2, 4)
    cells = blocks.swapaxes(1, 2).reshape(12, 16, 4)
    found = convolve(coarse, polyphase.twice_transposed(kernel), stride=2)
    np.testing.assert_allclose(found, to_blocks(cells, 4))
