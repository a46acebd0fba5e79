from __future__ import annotations

from threading import Event
from typing import TYPE_CHECKING

import numpy as np
import pytest

from live.test_worker import play, until
from stemlab import demo
from stemlab.live.tap import LiveSpectra, tap
from stemlab.live.worker import LiveWorker
from stemlab.sound.audio import load
from stemlab.spectral import Stft

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stemlab.separator import StemBlock


SECOND = 44_100
SONG = load(demo.path()).samples[8 * SECOND : 11 * SECOND]


@pytest.fixture(scope="module")
def worker() -> Iterator[LiveWorker]:
    with LiveWorker() as worker:
        yield worker


def test_spectra_are_those_of_what_was_heard(worker: LiveWorker) -> None:
    play(worker, SONG[:5000])
    stft = Stft()
    blocks: list[StemBlock] = []
    spectra = LiveSpectra(worker, stft, blocks.append)
    play(worker, SONG[5000:])
    until(lambda: blocks and blocks[-1].start + len(blocks[-1].mix) == worker.made)
    spectra.close()
    first = blocks[0].frame
    found = np.concatenate([block.spectrum for block in blocks])
    expected = stft.analyse(SONG[: worker.made])[first : first + len(found)]
    assert len(found) == worker.made // stft.hop - first
    full = -(-stft.lead // stft.hop)  # frames that reach back to before the first sample
    np.testing.assert_allclose(found[full:], expected[full:], atol=1e-3)
    for block in blocks:
        assert block.masks.shape == (*block.spectrum.shape, 4)
        np.testing.assert_allclose(block.masks.sum(-1), 1, atol=1e-5)
    play(worker, SONG[:5000])
    assert blocks[-1].start + len(blocks[-1].mix) < worker.made  # closed, it hears no more


def test_what_is_gone_is_silent(worker: LiveWorker) -> None:
    worker.push(np.ones((100, 2), np.float32))
    enough = Event()
    enough.set()
    stretches = list(tap(worker, worker.made - 20 * SECOND, enough, every=0))
    starts = [start for start, _, _ in stretches]
    assert np.diff(starts).max() == worker.rate
    assert not stretches[0][1].any()
    assert stretches[0][2].shape == (4, worker.rate, 2)
    assert stretches[-1][1].any()
