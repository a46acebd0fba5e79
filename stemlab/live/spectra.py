"""Spectra of what is made live, for whoever analyses it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stemlab.masks import normalise
from stemlab.separator import StemBlock

if TYPE_CHECKING:
    from stemlab.spectral import Samples, Stft


class LiveSpectra:
    """Takes stems block by block and gives their spectra and masks in a transform of one's choice.

    Live stems come from masks of another transform. Those of this one are taken from the stems:
    ``|STFT(stem)| / Σ |STFT(stem)|``.

    Parameters
    ----------
    stft
        The transform; its frame 0 ends with the first hop of the stream.

    Examples
    --------
    >>> from stemlab.spectral import Stft
    >>> spectra = LiveSpectra(Stft())
    >>> block = spectra.push(1000, np.ones((2100, 2), np.float32), np.ones((1, 2100, 2)))
    >>> block.frame, block.start, len(block.mix), block.masks.shape
    (1, 1024, 2076, (2, 2049, 2, 1))
    """

    def __init__(self, stft: Stft) -> None:
        self._stft = stft
        self._analyser = stft.analyser()
        self._first = 0  # sample
        self._frame: int | None = None

    def push(self, start: int, mix: Samples, stems: Samples) -> StemBlock:
        """Take the input [n, 2] and its stems [stems, n, 2] from sample `start` on.

        What comes before the first whole hop is left out, and with it all of a short block.
        """
        stft = self._stft
        if self._frame is None:
            self._frame = -(-start // stft.hop)
            self._first = self._frame * stft.hop
        late = min(max(self._first - start, 0), len(mix))
        start, mix, stems = start + late, mix[late:], stems[:, late:]
        channels = stems.transpose(1, 2, 0).reshape(len(mix), 2 * len(stems))
        spectra = self._analyser.push(channels).reshape(-1, stft.bins, 2, len(stems))
        frame, self._frame = self._frame, self._frame + len(spectra)
        masks = normalise(np.abs(spectra))
        return StemBlock(start, mix, stems, frame, spectra.sum(-1), masks)
