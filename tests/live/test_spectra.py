"""Blocks of what is made live."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from stemlab.live.spectra import LiveSpectra
from stemlab.separator import StemBlock
from stemlab.spectral import Stft

STFT = Stft()


@pytest.mark.parametrize("lengths", [(3000, 3000), (100, 400, 5500), (1, 23, 1, 2000, 3975)])
def test_blocks_follow_each_other_from_a_whole_hop_on(lengths: tuple[int, ...]) -> None:
    """However short the first ones are."""
    sound = np.random.default_rng(0).standard_normal((1000 + sum(lengths), 2)).astype(np.float32)
    spectra, at, blocks = LiveSpectra(STFT), 1000, list[StemBlock]()
    for length in lengths:
        part = sound[at : at + length]
        block = spectra.push(at, part, 0.5 * np.stack([part, part]))
        blocks += [block] if len(block.mix) else []
        at += length
    assert all(a.start + len(a.mix) == b.start for a, b in pairwise(blocks))
    np.testing.assert_array_equal(np.concatenate([b.mix for b in blocks]), sound[1024:])
    found = np.concatenate([b.spectrum for b in blocks])
    whole = STFT.analyser().push(sound[1024:])
    np.testing.assert_allclose(found, whole, rtol=0, atol=1e-3)
    assert all(a.frame + len(a.spectrum) == b.frame for a, b in pairwise(blocks))
