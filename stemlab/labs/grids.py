"""What it costs to carry masks from the model's own grid to that of another transform."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stemlab.masks import apply, carry, ideal_ratio_mask
from stemlab.metrics import sdr
from stemlab.separator import Separator
from stemlab.spectral import Stft

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stemlab.masks import Masks
    from stemlab.model import StemModel
    from stemlab.spectral import Samples


def oracle(references: Samples, stft: Stft) -> Masks:
    """Return the ratio masks of references [stems, samples, 2] in a transform."""
    return ideal_ratio_mask(np.stack([stft.analyse(stem) for stem in references], axis=-1))


def compare(
    model: StemModel, mix: Samples, references: Samples, grids: Iterable[tuple[int, int]]
) -> list[dict[str, str | float]]:
    """Tell in dB how well a model's first stem comes out of other grids, and what masks could do.

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

    Returns
    -------
    For each grid the SDR of the first stem with the oracle ratio mask of that grid, with the
    native grid's carried over, and with the model's carried over.
    """
    native = model.card.stft
    masks = oracle(references, native)

    def quality(stft: Stft, masks: Masks) -> float:
        stem = stft.synthesise(apply(masks[..., :1], stft.analyse(mix)), len(mix))[..., 0]
        return sdr(references[0], stem)

    rows: list[dict[str, str | float]] = []
    for n_fft, hop in grids:
        stft = Stft(n_fft, hop)
        blocks = Separator(model, stft=stft).stream([mix])
        separated = np.concatenate([block.stems[0] for block in blocks])
        rows.append(
            {
                "grid": f"{n_fft} / {hop}",
                "IRM of this grid": quality(stft, oracle(references, stft)),
                "IRM carried to it": quality(stft, carry(masks, native, stft, len(mix))),
                "model": sdr(references[0], separated),
            }
        )
    return rows
