"""The kinds of networks: what the rest of stemlab knows of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from stemlab.networks import (
    magnitude_to_magnitudes,
    magnitude_to_masks,
    spectrum_to_masks,
    spectrum_to_spectra,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from stemlab.spectral import Spectrum


class Kind(Protocol):
    """What a network hears of a mixture, and how masks are made of what it gives.

    Attributes
    ----------
    READS
        The axes of what it reads, by `stemlab.networks.axes.NAMES`.
    GIVES
        The axes of what it may give.
    SAME_UNIT
        Whether it gives what it reads: sound, and not shares of it.
    """

    READS: str
    GIVES: tuple[str, ...]
    SAME_UNIT: bool

    def hear(self, spectrum: Spectrum, /) -> Any:
        """Return what it hears of a spectrum [frames, bins, channels]."""

    def read(self, heard: Any, /) -> NDArray[np.float32]:
        """Return what was heard as numbers along `READS`."""

    def masks(self, given: Any, heard: Any, stems: int, /) -> Any:
        """Return masks [T, F, channels, stems] that sum to 1, real or complex.

        Parameters
        ----------
        given
            What the network gave, [T, F, channels, stems], complex where it has the axis r; the
            last stem may be missing.
        heard
            What it heard.
        stems
            How many there are.
        """


KINDS: dict[str, Kind] = {
    "magnitude to masks": magnitude_to_masks,
    "magnitude to magnitudes": magnitude_to_magnitudes,
    "spectrum to masks": spectrum_to_masks,
    "spectrum to spectra": spectrum_to_spectra,
}
"""By the name on the card."""
