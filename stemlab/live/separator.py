"""Live separation: sound in as it comes, stems out a known and fixed time later."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from stemlab.errors import SettingError
from stemlab.live.masks import MaskSource, StreamedMasks, WindowedMasks
from stemlab.live.model import StreamModel
from stemlab.masks import EXTENSIONS, apply, extend
from stemlab.separator import StemBlock, with_rest
from stemlab.sound.fifo import Fifo
from stemlab.spectral import Stft

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from numpy.typing import NDArray

    from stemlab.masks import Masks
    from stemlab.model import StemModel
    from stemlab.spectral import Samples, Spectrum

# For models that read windows: as long in analysis as their own transform, and far sooner; and
# their hops from run to run, and those that the sound waits.
STFT = Stft(4096, 256, synthesis=768)
UPDATE, LOOKAHEAD = 2, 3


class LiveSeparator:
    """Separates a stream with a short delay.

    Sound passes through a transform with a short synthesis window, see `stemlab.spectral.Stft`. The
    masks come from one of two kinds of models:

    - a `stemlab.live.model.StreamModel`, made for this: trained on the frames of its asymmetric
      transform, it reads each of them once, as it comes, and gives the masks of the one that the
      sound waits at;
    - a `stemlab.model.StemModel`, which reads whole windows; see
      `stemlab.live.masks.WindowedMasks`.

    Parameters
    ----------
    model
        What separates; nobody else may use it meanwhile.
    stft
        The transform the masks are applied in; as long as the model's, and some of its hops are one
        of the model's. By default a causal model's own, or `STFT`.
    update, lookahead, executor
        See `stemlab.live.masks.WindowedMasks`; a causal model has its own look-ahead, and a frame
        of it is too little work to do elsewhere.
    extension
        How the masks go on above the model's band, a name of `stemlab.masks.EXTENSIONS`.
    before
        Sound before the first sample, [n, 2]; `context` samples are enough.

    Attributes
    ----------
    source
        Where the masks come from.

    Raises
    ------
    SettingError
        If a setting has no meaning.

    Examples
    --------
    >>> live = LiveSeparator(StreamModel("stemlab-4-live"))
    >>> live.delay / live.model.card.sample_rate
    0.034...
    >>> live.push(np.zeros((8192, 2), np.float32)).stems.shape
    (4, 7168, 2)
    """

    def __init__(
        self,
        model: StemModel | StreamModel,
        *,
        stft: Stft | None = None,
        update: int | None = None,
        lookahead: int | None = None,
        extension: str = "octave",
        executor: Executor | None = None,
        before: Samples | None = None,
    ) -> None:
        self.model = model
        self.stft = stft or (model.card.stft if model.card.streams else STFT)
        self.extension = extension
        self._check()
        self.source = _source(model, update, lookahead, executor)
        self._ratio = model.card.hop // self.stft.hop
        if before is not None:
            self._recall(before)
        self._analyser, self._synthesiser = self.stft.analyser(before), self.stft.synthesiser()
        self._mix: Fifo[np.float32] = Fifo()
        self._waiting: deque[Spectrum] = deque()
        self._taken = self._made = self._start = 0

    @property
    def delay(self) -> int:
        """Samples from a sample's coming to its stems' going out, without the time to compute."""
        return self.stft.delay + self.source.lookahead * self.model.card.hop

    @property
    def context(self) -> int:
        """Samples before the first that make a difference."""
        return self.stft.lead + self.source.known * self.model.card.hop

    def push(self, samples: Samples) -> StemBlock:
        """Take [n, 2], some seconds at most; return the stretch that this makes final.

        Stretches follow each other without gaps from the first sample on. The last stem is what
        the others leave of the mixture, so that they sum to it.
        """
        self._mix.push(samples)
        spectra, masks = [], []
        for frame in self._analyser.push(samples):
            self._waiting.append(frame)
            self._taken += 1
            if self._taken % self._ratio == 0:
                self.source.hear(np.abs(frame[: self.model.card.bins]))
            if len(self._waiting) > self.source.lookahead * self._ratio:
                spectra.append(self._waiting.popleft())
                masks.append(self.source.at((self._made + 1) // self._ratio))
                self._made += 1
        card, bins = self.model.card, self.stft.bins
        known = np.array(masks, np.float32).reshape(-1, card.bins, 2, len(card.stems))
        return self._block(
            np.array(spectra, np.complex64).reshape(-1, bins, 2),
            extend(known, bins, self.extension),
        )

    def _check(self) -> None:
        card, stft = self.model.card, self.stft
        if stft.n_fft != card.n_fft or card.hop % stft.hop:
            raise SettingError(
                f"n_fft {stft.n_fft} and hop {stft.hop}: live, {card.name} needs n_fft "
                f"{card.n_fft} and a hop that divides {card.hop}"
            )
        if self.extension not in EXTENSIONS:
            raise SettingError(
                f"{self.extension}: no such band extension; choose one of {', '.join(EXTENSIONS)}"
            )

    def _recall(self, before: Samples) -> None:
        """Read the sound before the first sample as the frames that end with it."""
        card = self.model.card
        hops = min(len(before) // card.hop, self.source.known)
        first = len(before) - hops * card.hop
        spectrum = self.stft.analyser(before[:first]).push(before[first:])
        self.source.recall(_magnitude(spectrum[self._ratio - 1 :: self._ratio], card.bins))

    def _block(self, spectrum: Spectrum, masks: Masks) -> StemBlock:
        parts = self._synthesiser.push(apply(masks[..., :-1], spectrum))
        mix = self._mix.take(len(parts))
        start, frame = self._start, self._made - len(spectrum)
        self._start += len(mix)
        return StemBlock(start, mix, with_rest(parts, mix), frame, spectrum, masks)


def _magnitude(spectrum: Spectrum, bins: int) -> NDArray[np.float32]:
    magnitude: NDArray[np.float32] = np.abs(spectrum[:, :bins])
    return magnitude


def _source(
    model: StemModel | StreamModel,
    update: int | None,
    lookahead: int | None,
    executor: Executor | None,
) -> MaskSource:
    if not isinstance(model, StreamModel):
        return WindowedMasks(
            model,
            UPDATE if update is None else update,
            LOOKAHEAD if lookahead is None else lookahead,
            executor,
        )
    if (update, lookahead) != (None, None):
        raise SettingError(
            f"{model.card.name} reads frame by frame, with a look-ahead of its own: leave "
            "update and lookahead out, or choose another model"
        )
    return StreamedMasks(model)
