"""A model that runs on a window once: what is turned behind it is heard at once."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import replace
from functools import cached_property, lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from stemlab.model import StemModel
from stemlab.research.account import windows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stemlab.masks import AnyMasks
    from stemlab.research.account import Account
    from stemlab.separator import Separator

# Windows whose masks are kept; those of four stems take 17 MB.
KEPT = 12


class Run(NamedTuple):
    """The masks of a window, and the seconds and CPU seconds that they took."""

    masks: AnyMasks
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
        self._first: Run | None = None  # slower than those that follow
        self._window: NDArray[np.inexact[Any]] | None = None  # what it read
        self.used: list[tuple[Run, bool]] = []
        self._kept: OrderedDict[bytes, Run] = OrderedDict()

    def masks(self, heard: NDArray[np.inexact[Any]]) -> AnyMasks:
        """Return the masks [T, F, 2, stems] of what it hears of a window [T, F, 2]."""
        key = blake2b(np.ascontiguousarray(heard).data).digest()
        known = key in self._kept
        run = self._kept.pop(key) if known else self._run(heard)
        if self._first is None:
            self._first, self._window = run, heard.copy()
        self._kept[key] = run
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        self.used.append((run, known))
        return run.masks.copy()

    def _run(self, heard: NDArray[np.inexact[Any]]) -> Run:
        wall, cpu = time.perf_counter(), time.process_time()
        masks = super().masks(heard)
        return Run(masks, time.perf_counter() - wall, time.process_time() - cpu)

    @cached_property
    def _again(self) -> Run:
        """The first run, repeated: it counts for it."""
        assert self._window is not None  # noqa: S101 - for mypy
        return self._run(self._window)

    def complete(
        self, account: Account, separator: Separator, samples: int, used: list[tuple[Run, bool]]
    ) -> Account:
        """Add to the account of a sound of so many samples what the remembered runs had taken.

        A slow first run is repeated, and counts as it then is.
        """
        wall = cpu = 0.0
        for run, known in used:
            counts = self._again if run is self._first else run
            wall += counts.wall - (0 if known else run.wall)
            cpu += counts.cpu - (0 if known else run.cpu)
        runs, step = windows(separator, samples), separator.step / separator.rate
        compute = account.compute + wall / runs
        return replace(
            account, compute=compute, speed=step / compute, cpu=account.cpu + cpu / (runs * step)
        )


@lru_cache(maxsize=2)
def remembering(model: str, runtime: str | None, threads: int) -> Memory:
    """Return a model by its name or file, loaded once.

    Raises
    ------
    ModelError
        If it cannot run.
    """
    return Memory(model, runtime, threads)
