"""Networks that read the mixture's spectrum and give those of the stems.

The ratio of a stem's spectrum to the mixture's is a complex mask: what was given comes back when it
is applied, and all else, from the cross-fade to the sum that is the mix, is as with other masks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stemlab.masks import consistent
from stemlab.networks import spectrum_to_masks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stemlab.masks import AnyMasks

READS, hear, read = spectrum_to_masks.READS, spectrum_to_masks.hear, spectrum_to_masks.read
GIVES: tuple[str, ...] = ("tfcsr",)
SAME_UNIT = True
# Below what float32 audio leaves in a cell, in full scales: no ratio means anything there.
NOTHING = np.float32(1e-8)


def masks(given: NDArray[np.inexact[Any]], heard: NDArray[np.inexact[Any]], stems: int) -> AnyMasks:
    """Return the ratios, complex as what is given; what they lack of 1 is shared out.

    See `consistent`.
    """
    mixture = heard.astype(given.dtype, copy=False)[..., None]
    ratios = np.zeros(given.shape, given.dtype)
    np.divide(given, mixture, out=ratios, where=np.abs(mixture) > NOTHING)
    return consistent(ratios, stems)
