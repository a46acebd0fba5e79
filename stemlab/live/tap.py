"""All that a live worker hears and makes, for whoever keeps it or shows it."""

from __future__ import annotations

from threading import Event, Thread
from typing import TYPE_CHECKING

import numpy as np

from stemlab.masks import normalise
from stemlab.separator import StemBlock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stemlab.live.worker import LiveWorker
    from stemlab.spectral import Samples, Stft

# Seconds between two pictures: a page scrolls that often.
EVERY = 0.1


def tap(
    worker: LiveWorker, start: int, enough: Event, every: float
) -> Iterator[tuple[int, Samples, Samples]]:
    """Yield all that is made from a sample on, a second at most at once, until it is enough.

    Parameters
    ----------
    worker
        Holds the newest seconds; what is older by then is silent.
    start
        The first sample.
    enough
        Set, it ends with what was made before.
    every
        Seconds between two looks at what has come.

    Yields
    ------
    start, input, stems
        The number of the first sample, [n, 2] and [stems, n, 2].
    """
    ended = False
    while not ended:
        ended = enough.wait(every)
        made = worker.made
        while start < made:
            count = min(made - start, worker.rate)
            both = worker.read_both(start, count)
            yield start, *(both or _silence(len(worker.stems), count))
            start += count


def _silence(stems: int, count: int) -> tuple[Samples, Samples]:
    return np.zeros((count, 2), np.float32), np.zeros((stems, count, 2), np.float32)


class LiveSpectra:
    """A thread that takes the spectra of what is made live, and hands them on block by block.

    Live stems come from masks of another transform. Those of this one are taken from the stems:
    ``|STFT(stem)| / Σ |STFT(stem)|``.

    Parameters
    ----------
    worker
        What is heard, from now on.
    stft
        The transform; its frame 0 ends with the first hop that the worker heard.
    hear
        Called in the thread, ten times a second while there is sound.
    """

    def __init__(self, worker: LiveWorker, stft: Stft, hear: Callable[[StemBlock], None]) -> None:
        self._worker, self._stft, self._hear = worker, stft, hear
        self._enough = Event()
        self._thread = Thread(target=self._work, name="stemlab live spectra", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it."""
        self._enough.set()
        self._thread.join()

    def _work(self) -> None:
        stft = self._stft
        frame = -(-self._worker.made // stft.hop)
        analyser = stft.analyser()
        for start, mix, stems in tap(self._worker, frame * stft.hop, self._enough, EVERY):
            channels = stems.transpose(1, 2, 0).reshape(len(mix), -1)
            spectra = analyser.push(channels).reshape(-1, stft.bins, 2, len(stems))
            masks = normalise(np.abs(spectra))
            self._hear(StemBlock(start, mix, stems, frame, spectra.sum(-1), masks))
            frame += len(spectra)
