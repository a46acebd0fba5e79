"""Live separation: sound in as it comes, stems out a known and fixed time later."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from stemlab.errors import SettingError
from stemlab.fifo import Fifo
from stemlab.masks import EXTENSIONS, apply, extend
from stemlab.separator import StemBlock, with_rest
from stemlab.spectral import Stft

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

    from numpy.typing import NDArray

    from stemlab.masks import Masks
    from stemlab.model import StemModel
    from stemlab.spectral import Samples, Spectrum

# As long in analysis as the models' own transform, and far sooner.
STFT = Stft(4096, 256, synthesis=768)
# Share of the model's window that the mirrored past takes, in place of the future.
MIRRORED = 1 / 4
# Runs whose times are kept.
TIMES = 100


class LiveSeparator:
    """Separates a stream with a short delay.

    Sound passes through a transform with a short synthesis window, see `stemlab.spectral.Stft`; the
    masks come from the model's last run and are held until the next. Each run reads a window of T
    frames whose newest one ends with the newest sample. The frames are those of the asymmetric
    analysis, every hop of the model's: their shape differs from what the model was trained on, but
    a mask then holds for just the sound that it was made from. (With no look-ahead, five excerpts
    of 20 s: 0.2 to 0.5 dB better for vocals, bass and other than frames of the model's own window,
    0.5 dB worse for drums.)

    The U-Nets look at whole windows, of a multiple of 64 frames, so that each run computes T frames
    anew for the few that are. A window that ended with the newest frame would tell them that the
    music stops there: the last quarter is the past in the mirror (0.4 to 0.7 dB better than none
    on five excerpts of 12 s).

    What it costs: the mean SDR of ``stemlab-4-fast`` on five excerpts of 30 s, in windows of 64
    frames, with masks that are 35 ms late, is 3.3 dB for vocals (whole songs: 4.2), 0.3 for drums
    (3.7), 6.0 for bass and other together (8.3). ``stemlab-4``, whose runs take more than twice as
    long and come half as often, falls to 2.0, −1.0 and 5.2 (from 5.2, 3.7 and 8.5).

    Parameters
    ----------
    model
        Loaded with as many frames as a run shall read.
    stft
        The transform the masks are applied in; as long as the model's, and some of its hops are one
        of the model's.
    update
        Hops of the model from run to run, at least.
    lookahead
        Hops of the model that the sound waits, for masks that know what follows.
    extension
        How the masks go on above the model's band, a name of `stemlab.masks.EXTENSIONS`.
    executor
        Where the model runs: a pool of one thread, which is the caller's to shut down. The sound
        then goes on with the masks that are there, and a machine that is too busy makes masks old,
        not holes. By default the model runs in `push`.
    before
        Sound before the first sample, [n, 2]; `context` samples are enough.

    Attributes
    ----------
    took
        Seconds that the newest runs of the model took, for whoever takes them out.

    Raises
    ------
    SettingError
        If a setting has no meaning.

    Examples
    --------
    >>> from stemlab.model import StemModel
    >>> live = LiveSeparator(StemModel("stemlab-4-fast", frames=64))
    >>> live.delay / live.model.card.sample_rate
    0.087...
    >>> live.push(np.zeros((8192, 2), np.float32)).stems.shape
    (4, 4608, 2)
    """

    def __init__(
        self,
        model: StemModel,
        *,
        stft: Stft = STFT,
        update: int = 2,
        lookahead: int = 3,
        extension: str = "octave",
        executor: Executor | None = None,
        before: Samples | None = None,
    ) -> None:
        self.model, self.stft = model, stft
        self.update, self.lookahead, self.extension = update, lookahead, extension
        self._check()
        self._executor = executor
        card = model.card
        self._ratio = card.hop // stft.hop
        self._mirrored = int(card.frames * MIRRORED)
        self._history = np.zeros((card.frames - self._mirrored, card.bins, 2), np.float32)
        self._masks: Masks = np.full(
            (lookahead + 1, stft.bins, 2, len(card.stems)), 1 / len(card.stems), np.float32
        )
        self.took: deque[float] = deque(maxlen=TIMES)
        self._run: Future[Masks] | None = None
        self._asked = self._ran = 0  # where the last run, and that of the masks, end; model's hops
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
        return self.stft.lead + len(self._history) * self.model.card.hop

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
        heard = card.frames - int(card.frames * MIRRORED)
        if not 0 <= self.lookahead < heard:
            raise SettingError(
                f"look-ahead {self.lookahead}: choose 0 or more, below the {heard} frames "
                "that the model hears"
            )
        if self.extension not in EXTENSIONS:
            raise SettingError(
                f"{self.extension}: no such band extension; choose one of {', '.join(EXTENSIONS)}"
            )

    def _recall(self, before: Samples) -> None:
        """Read the sound before the first sample as the frames that end with it."""
        card = self.model.card
        hops = min(len(before) // card.hop, len(self._history))
        first = len(before) - hops * card.hop
        analyser = self.stft.analyser(before[:first])
        spectrum = analyser.push(before[first:])[self._ratio - 1 :: self._ratio, : card.bins]
        self._history[len(self._history) - hops :] = np.abs(spectrum)
        self._masks = self._look(self._window())

    def _hear(self, magnitude: NDArray[np.float32]) -> None:
        """Take a frame of the model's, [F, 2]; run it if it is time."""
        self._history[:-1] = self._history[1:]
        self._history[-1] = magnitude
        here = self._taken // self._ratio
        if here - self._asked < self.update or self._run:
            return
        self._asked = here
        if self._executor:
            self._run = self._executor.submit(self._look, self._window())
        else:
            self._masks, self._ran = self._look(self._window()), here

    def _window(self) -> NDArray[np.float32]:
        """Return what the model reads now, [T, F, 2]."""
        return np.concatenate([self._history, self._history[: -self._mirrored - 1 : -1]])

    def _look(self, window: NDArray[np.float32]) -> Masks:
        """Return the masks of the newest frames of a window, [look-ahead + 1, bins, 2, stems]."""
        clock = time.perf_counter()
        newest = self.model.masks(window)[: len(self._history)][-len(self._masks) :]
        self.took.append(time.perf_counter() - clock)
        return extend(newest, self.stft.bins, self.extension)

    def _nearest(self) -> Masks:
        """Return the masks known for the next frame, or else the newest, [bins, 2, stems]."""
        if self._run and self._run.done():
            self._masks, self._ran, self._run = self._run.result(), self._asked, None
        behind = self._ran - (self._made + 1) // self._ratio
        nearest: Masks = self._masks[-1 - min(max(behind, 0), self.lookahead)]
        return nearest

    def _block(self, spectrum: Spectrum, masks: Masks) -> StemBlock:
        parts = self._synthesiser.push(apply(masks[..., :-1], spectrum))
        mix = self._mix.take(len(parts))
        start, frame = self._start, self._made - len(spectrum)
        self._start += len(mix)
        return StemBlock(start, mix, with_rest(parts, mix), frame, spectrum, masks)
