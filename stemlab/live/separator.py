"""Live separation: sound in as it comes, stems out a known and fixed time later."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from stemlab.errors import SettingError
from stemlab.live.model import delay
from stemlab.masks import EXTENSIONS, apply, extend
from stemlab.separator import StemBlock, with_rest
from stemlab.sound.fifo import Fifo

if TYPE_CHECKING:
    from stemlab.live.model import StreamModel
    from stemlab.spectral import Samples, Spectrum


class LiveSeparator:
    """Separates a stream with a short delay.

    Sound passes through a transform with a short synthesis window, see `stemlab.spectral.Stft`. The
    model, trained on the frames of just that transform, reads each of them once, as it comes, and
    gives the masks of the one that the sound waits at. The page's live player does the same in the
    browser (``widgets/engine/live``), and is tested against this.

    Parameters
    ----------
    model
        What separates; nobody else may use it meanwhile.
    extension
        How the masks go on above the model's band, a name of `stemlab.masks.EXTENSIONS`.

    Raises
    ------
    SettingError
        If there is no such extension.

    Examples
    --------
    >>> from stemlab.live.model import StreamModel
    >>> live = LiveSeparator(StreamModel("stemlab-4-live"))
    >>> live.delay / live.model.card.sample_rate
    0.034...
    >>> live.push(np.zeros((8192, 2), np.float32)).stems.shape
    (4, 7168, 2)
    """

    def __init__(self, model: StreamModel, *, extension: str = "octave") -> None:
        if extension not in EXTENSIONS:
            known = ", ".join(EXTENSIONS)
            raise SettingError(f"{extension}: no such band extension; choose one of {known}")
        self.model, self.extension = model, extension
        self.stft = model.card.stft
        model.forget()
        self._analyser, self._synthesiser = self.stft.analyser(), self.stft.synthesiser()
        self._mix: Fifo[np.float32] = Fifo()
        self._waiting: deque[Spectrum] = deque()
        self._made = self._start = 0

    @property
    def delay(self) -> int:
        """Samples from a sample's coming to its stems' going out, without the time to compute."""
        return delay(self.model.card)

    def push(self, samples: Samples) -> StemBlock:
        """Take [n, 2], some seconds at most; return the stretch that this makes final.

        Stretches follow each other without gaps from the first sample on. The last stem is what
        the others leave of the mixture, so that they sum to it.
        """
        self._mix.push(samples)
        frames = self._analyser.push(samples)
        known = self.model.masks(np.abs(frames[:, : self.model.card.bins]))
        self._waiting.extend(frames)
        count = max(0, len(self._waiting) - self.model.card.lookahead)
        spectra = [self._waiting.popleft() for _ in range(count)]
        spectrum = np.array(spectra, np.complex64).reshape(-1, self.stft.bins, 2)
        masks = known[len(known) - count :]
        frame, self._made = self._made, self._made + count
        full = extend(masks, self.stft.bins, self.extension)
        parts = self._synthesiser.push(apply(full[..., :-1], spectrum))
        mix = self._mix.take(len(parts))
        start, self._start = self._start, self._start + len(mix)
        stems = with_rest(parts, mix)
        return StemBlock(start, mix, stems, frame, spectrum, masks, self.extension)
