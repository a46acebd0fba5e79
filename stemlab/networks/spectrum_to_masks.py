"""Networks that read spectra and give masks, real or complex."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stemlab.masks import consistent

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stemlab.masks import AnyMasks
    from stemlab.spectral import Spectrum

READS = "tfcr"
GIVES: tuple[str, ...] = ("tfcs", "tfcsr")
SAME_UNIT = False


def hear(spectrum: Spectrum) -> Spectrum:
    """Return the spectrum."""
    return spectrum


def read(heard: Spectrum) -> NDArray[np.float32]:
    """Return real and imaginary part, side by side."""
    whole = np.ascontiguousarray(heard, np.complex64)
    return whole[..., None].view(np.float32)


def masks(given: AnyMasks, _heard: Spectrum, stems: int) -> AnyMasks:
    """Return masks that sum to 1, see `stemlab.masks.consistent`."""
    return consistent(given, stems)
