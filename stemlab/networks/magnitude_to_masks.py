"""Networks that read magnitudes and give masks, such as stemlab's own and Spleeter's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stemlab.masks import consistent

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stemlab.masks import AnyMasks
    from stemlab.spectral import Spectrum

READS = "tfc"
GIVES: tuple[str, ...] = ("tfcs",)
SAME_UNIT = False


def hear(spectrum: Spectrum) -> NDArray[np.float32]:
    """Return the magnitudes."""
    magnitude: NDArray[np.float32] = np.abs(spectrum)
    return magnitude


def read(heard: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what was heard, as it is."""
    return heard


def masks(given: NDArray[np.float32], _heard: NDArray[np.float32], stems: int) -> AnyMasks:
    """Return masks that sum to 1, see `stemlab.masks.consistent`."""
    return consistent(given, stems)
