"""What it costs to carry masks from the model's own grid to that of another transform."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stemlab.masks import apply, carry, ideal_ratio_mask
from stemlab.research.metrics import sdr
from stemlab.separator import Separator
from stemlab.spectral import Stft, beside

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stemlab.masks import Masks
    from stemlab.model import StemModel
    from stemlab.spectral import Samples


class Quality(NamedTuple):
    """SDR of a stem in a grid, in dB.

    Attributes
    ----------
    grid
        Its n_fft and hop.
    oracle, carried
        With the oracle ratio mask of this grid, and with that of the model's grid carried over.
    model
        With the model's mask carried over.
    """

    grid: str
    oracle: float
    carried: float
    model: float


def oracle(references: Samples, stft: Stft) -> Masks:
    """Return the ratio masks of references [stems, samples, 2] in a transform."""
    return ideal_ratio_mask(beside([stft.analyse(stem) for stem in references]))


def compare(
    model: StemModel, mix: Samples, references: Samples, grids: Iterable[tuple[int, int]]
) -> list[Quality]:
    """Tell how well a model's first stem comes out of other grids, and what masks could do.

    Parameters
    ----------
    model
        Its own grid is where masks are carried from.
    mix
        [samples, 2].
    references
        Of its stems, [stems, samples, 2].
    grids
        Pairs of n_fft and hop.
    """
    native = model.card.stft
    masks = oracle(references, native)

    def quality(stft: Stft, masks: Masks) -> float:
        stem = stft.synthesise(apply(masks[..., :1], stft.analyse(mix)), len(mix))[..., 0]
        return sdr(references[0], stem)

    def separated(stft: Stft) -> Samples:
        blocks = Separator(model, stft=stft).stream([mix])
        return np.concatenate([block.stems[0] for block in blocks])

    return [
        Quality(
            f"{stft.n_fft} / {stft.hop}",
            quality(stft, oracle(references, stft)),
            quality(stft, carry(masks, native, stft, len(mix))),
            sdr(references[0], separated(stft)),
        )
        for stft in (Stft(n_fft, hop) for n_fft, hop in grids)
    ]
