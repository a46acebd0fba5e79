"""Live separation: sound in as it comes, stems out a known and fixed time later."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from stemlab.errors import SettingError
from stemlab.fifo import Fifo
from stemlab.masks import EXTENSIONS, apply, extend
from stemlab.separator import StemBlock
from stemlab.spectral import Stft

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stemlab.masks import Masks
    from stemlab.model import StemModel
    from stemlab.spectral import Samples, Spectrum

# As long in analysis as the models' own transform, and a quarter as late.
STFT = Stft(4096, 256, synthesis=1024)


class LiveSeparator:
    """Separates a stream with a short delay.

    Sound passes through a transform with a short synthesis window, see `stemlab.spectral.Stft`; the
    masks come from the model's last run and are held until the next. Each run reads a window of T
    frames whose newest one ends with the newest sample. The frames are those of the asymmetric
    analysis, every hop of the model's: their shape differs from what the model was trained on, but
    a mask then holds for just the sound that it was made from.

    The U-Nets look at whole windows, of a multiple of 64 frames, so that each run computes T frames
    anew for the few that are.

    Parameters
    ----------
    model
        Loaded with as many frames as a run shall read.
    stft
        The transform the masks are applied in; as long as the model's, and some of its hops are one
        of the model's.
    update
        Hops of the model from run to run.
    lookahead
        Hops of the model that the sound waits, for masks that know what follows.
    extension
        How the masks go on above the model's band, a name of `stemlab.masks.EXTENSIONS`.
    before
        Sound before the first sample, [n, 2]; `context` samples are enough.

    Raises
    ------
    SettingError
        If a setting has no meaning.

    Examples
    --------
    >>> from stemlab.model import StemModel
    >>> live = LiveSeparator(StemModel("stemlab-4-fast", frames=64))
    >>> live.delay / live.model.card.sample_rate
    0.0464...
    >>> live.push(np.zeros((4096, 2), np.float32)).stems.shape
    (4, 2304, 2)
    """

    def __init__(
        self,
        model: StemModel,
        *,
        stft: Stft = STFT,
        update: int = 2,
        lookahead: int = 1,
        extension: str = "octave",
        before: Samples | None = None,
    ) -> None:
        self.model, self.stft = model, stft
        self.update, self.lookahead, self.extension = update, lookahead, extension
        self._check()
        card = model.card
        self._ratio = card.hop // stft.hop
        self._history = np.zeros((card.frames, card.bins, 2), np.float32)
        self._masks: Masks = np.full(
            (lookahead + 1, stft.bins, 2, len(card.stems)), 1 / len(card.stems), np.float32
        )
        self._ran = 0  # where the newest of the known masks is, in hops of the model
        if before is not None:
            self._recall(before)
        self._analyser, self._synthesiser = stft.analyser(before), stft.synthesiser()
        self._mix: Fifo[np.float32] = Fifo()
        self._waiting: deque[Spectrum] = deque()
        self._taken = self._made = self._start = 0

    @property
    def delay(self) -> int:
        """Samples from a sample's coming to its stems' going out, without the time to compute."""
        return self.stft.delay + self.lookahead * self.model.card.hop

    @property
    def context(self) -> int:
        """Samples that a run of the model reads."""
        return self.stft.lead + self.model.card.frames * self.model.card.hop

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
                self._hear(np.abs(frame[: self.model.card.bins]))
            if len(self._waiting) > self.lookahead * self._ratio:
                spectra.append(self._waiting.popleft())
                masks.append(self._nearest())
                self._made += 1
        shape = self._masks.shape[1:]
        return self._block(
            np.array(spectra, np.complex64).reshape(-1, *shape[:2]),
            np.array(masks, np.float32).reshape(-1, *shape),
        )

    def _check(self) -> None:
        card, stft = self.model.card, self.stft
        if stft.n_fft != card.n_fft or card.hop % stft.hop:
            raise SettingError(
                f"n_fft {stft.n_fft} and hop {stft.hop}: live, {card.name} wants n_fft "
                f"{card.n_fft} and a hop that divides {card.hop}"
            )
        if self.update < 1:
            raise SettingError(f"update {self.update}: it must be 1 hop of the model or more")
        if not 0 <= self.lookahead < card.frames:
            raise SettingError(
                f"look-ahead {self.lookahead}: choose 0 or more, below the {card.frames} frames "
                "of the model's window"
            )
        if self.extension not in EXTENSIONS:
            raise SettingError(
                f"{self.extension}: no such band extension; choose one of {', '.join(EXTENSIONS)}"
            )

    def _recall(self, before: Samples) -> None:
        """Read the sound before the first sample as the frames that end with it."""
        card = self.model.card
        hops = min(len(before) // card.hop, card.frames)
        first = len(before) - hops * card.hop
        analyser = self.stft.analyser(before[:first])
        spectrum = analyser.push(before[first:])[self._ratio - 1 :: self._ratio, : card.bins]
        self._history[card.frames - hops :] = np.abs(spectrum)
        self._run()

    def _hear(self, magnitude: NDArray[np.float32]) -> None:
        """Take a frame of the model's, [F, 2]; run it if it is time."""
        self._history[:-1] = self._history[1:]
        self._history[-1] = magnitude
        if self._taken // self._ratio % self.update == 0:
            self._run()
            self._ran = self._taken // self._ratio

    def _run(self) -> None:
        newest = self.model.masks(self._history)[-len(self._masks) :]
        self._masks = extend(newest, self.stft.bins, self.extension)

    def _nearest(self) -> Masks:
        """Return the masks known for the next frame, or else the newest, [bins, 2, stems]."""
        behind = self._ran - (self._made + 1) // self._ratio
        return self._masks[-1 - min(max(behind, 0), self.lookahead)]

    def _block(self, spectrum: Spectrum, masks: Masks) -> StemBlock:
        parts = self._synthesiser.push(apply(masks[..., :-1], spectrum))
        mix = self._mix.take(len(parts))
        stems = np.concatenate([parts, (mix - parts.sum(-1))[..., None]], axis=-1)
        start, frame = self._start, self._made - len(spectrum)
        self._start += len(mix)
        return StemBlock(start, mix, np.moveaxis(stems, -1, 0), frame, spectrum, masks)
