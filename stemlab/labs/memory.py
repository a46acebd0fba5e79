"""A model that runs on a window once: what is turned behind it is heard at once."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import replace
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stemlab.account import windows
from stemlab.model import StemModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stemlab.account import Account
    from stemlab.separator import Separator

# Windows whose masks are kept; those of four stems take 17 MB.
KEPT = 12


class Run(NamedTuple):
    """The masks of a window, and the seconds and CPU seconds that they took."""

    masks: NDArray[np.float32]
    wall: float
    cpu: float


class Memory(StemModel):
    """A `StemModel` that keeps the masks of the last windows, and what they took.

    Attributes
    ----------
    used
        The runs that it was asked for since this list was cleared, and whether it remembered them.
    """

    def __init__(self, model: str, runtime: str | None, threads: int) -> None:
        super().__init__(model, runtime=runtime, threads=threads)
        # Its first run is not like the others.
        super().masks(np.zeros((self.card.frames, self.card.bins, 2), np.float32))
        self.used: list[tuple[Run, bool]] = []
        self._kept: OrderedDict[bytes, Run] = OrderedDict()

    def masks(self, magnitude: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the masks [T, F, 2, stems] of a magnitude spectrogram [T, F, 2]."""
        key = blake2b(np.ascontiguousarray(magnitude).data).digest()
        known = key in self._kept
        run = self._kept.pop(key) if known else self._run(magnitude)
        self._kept[key] = run
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        self.used.append((run, known))
        return run.masks.copy()

    def _run(self, magnitude: NDArray[np.float32]) -> Run:
        wall, cpu = time.perf_counter(), time.process_time()
        masks = super().masks(magnitude)
        return Run(masks, time.perf_counter() - wall, time.process_time() - cpu)

    def complete(self, account: Account, separator: Separator, samples: int) -> Account:
        """Add to the account of a sound of so many samples what the remembered runs had taken."""
        remembered = [run for run, known in self.used if known]
        self.used.clear()
        runs, step = windows(separator, samples), separator.step / separator.rate
        compute = account.compute + sum(run.wall for run in remembered) / runs
        cpu = account.cpu + sum(run.cpu for run in remembered) / (runs * step)
        return replace(account, compute=compute, speed=step / compute, cpu=cpu)


@lru_cache(maxsize=2)
def remembering(model: str, runtime: str | None, threads: int) -> Memory:
    """Return a model by its name or file, loaded once.

    Raises
    ------
    ModelError
        If it cannot run.
    """
    return Memory(model, runtime, threads)
