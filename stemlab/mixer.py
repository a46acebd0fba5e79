"""Mixing stems: level, mute, solo and pan of each, and cross-fades between two mixes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from stemlab.spectral import Samples


@dataclass(frozen=True)
class Mix:
    """Settings of the faders, one entry of each list for each stem.

    Parameters
    ----------
    levels
        Linear gains, 1 is the stem as it was.
    mutes
        Stems that are silent; by default none.
    solos
        If any is set, the others are silent too.
    pans
        -1 left to 1 right. A balance: the side that is turned away from falls linearly to
        nothing, the other keeps its level.
    master
        Linear gain of the sum.

    Examples
    --------
    >>> Mix([1.0, 0.5], mutes=[False, True]).gains().tolist()
    [[1.0, 1.0], [0.0, 0.0]]
    """

    levels: Sequence[float]
    mutes: Sequence[bool] = field(default=())
    solos: Sequence[bool] = field(default=())
    pans: Sequence[float] = field(default=())
    master: float = 1.0

    @property
    def audible(self) -> NDArray[np.float32]:
        """Level of each stem with mutes and solos applied, [stems]."""
        count = len(self.levels)
        solos = np.array(self.solos or [False] * count)
        open_ = ~np.array(self.mutes or [False] * count) & (solos | ~solos.any())
        return np.asarray(self.levels, np.float32) * open_

    def gains(self) -> NDArray[np.float32]:
        """Return the gains of each stem, left and right, [stems, 2]."""
        pans = np.asarray(self.pans or [0.0] * len(self.levels), np.float32)
        sides = np.minimum(1, np.stack([1 - pans, 1 + pans], axis=1))
        gains: NDArray[np.float32] = self.audible[:, None] * sides * np.float32(self.master)
        return gains

    def render(self, stems: Samples) -> Samples:
        """Mix stems [stems, samples, 2] down to [samples, 2]; nothing is limited.

        Examples
        --------
        >>> stems = np.ones((2, 4, 2), np.float32)
        >>> Mix([1.0, 0.5], pans=[-1.0, 0.0]).render(stems)[0].tolist()
        [1.5, 0.5]
        """
        sound: Samples = np.einsum("snc,sc->nc", stems, self.gains())
        return sound


def crossfade(first: Mix, second: Mix, share: float) -> Mix:
    """Return the mix a `share` (0 to 1) of the way from one to another.

    Levels as they sound, pans and master move in straight lines, so that a stem that is muted in
    one of them fades.

    Examples
    --------
    >>> half = crossfade(Mix([1.0, 1.0]), Mix([1.0, 1.0], mutes=[False, True]), 0.5)
    >>> half.levels
    [1.0, 0.5]
    """
    levels = (1 - share) * first.audible + share * second.audible
    count = len(levels)
    start, stop = (np.array(mix.pans or [0.0] * count) for mix in (first, second))
    pans = (1 - share) * start + share * stop
    master = (1 - share) * first.master + share * second.master
    return replace(
        first, levels=levels.tolist(), mutes=(), solos=(), pans=pans.tolist(), master=master
    )
