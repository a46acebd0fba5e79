from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import pytest
from sounds import lag

from stemlab import demo
from stemlab.errors import SettingError
from stemlab.live.model import StreamModel
from stemlab.live.separator import LiveSeparator
from stemlab.research.metrics import conservation, sdr
from stemlab.sound.audio import load

if TYPE_CHECKING:
    from stemlab.spectral import Samples

SECOND = 44_100


@pytest.fixture(scope="module")
def model() -> StreamModel:
    return StreamModel("stemlab-4-live")


@pytest.fixture(scope="module")
def song() -> Samples:
    return load(demo.path()).samples[8 * SECOND : 10 * SECOND]


def separate(live: LiveSeparator, mix: Samples, *lengths: int) -> Samples:
    """Push a sound in blocks of these lengths in turn, and silence until it is through."""
    ended = np.concatenate([mix, np.zeros((live.delay, 2), np.float32)])
    cuts = np.resize(lengths or len(ended), len(ended)).cumsum()
    blocks = np.split(ended, cuts[cuts < len(ended)])
    return np.concatenate([live.push(block).stems for block in blocks], axis=1)[:, : len(mix)]


def test_stems_sum_to_the_mix_and_are_not_the_mix(model: StreamModel, song: Samples) -> None:
    stems = separate(LiveSeparator(model), song)
    assert stems.shape == (4, *song.shape)
    assert conservation(song, stems) < -120
    assert all(sdr(song, stem) < 10 for stem in stems)


def test_blocks_of_any_size_give_the_same_stems(model: StreamModel, song: Samples) -> None:
    whole = separate(LiveSeparator(model), song)
    pieces = separate(LiveSeparator(model), song, 1, 700, 128, 5000, 256)
    assert sdr(whole, pieces) > 120


def test_stretches_follow_each_other(model: StreamModel, song: Samples) -> None:
    live = LiveSeparator(model)
    blocks = [live.push(block) for block in np.split(song, range(1000, len(song), 1000))]
    for block, following in itertools.pairwise(blocks):
        assert following.start == block.start + len(block.mix)
        assert following.frame == block.frame + len(block.spectrum)
        assert block.masks.shape == (*block.spectrum.shape, 4)
    mixed = np.concatenate([block.mix for block in blocks])
    np.testing.assert_array_equal(mixed, song[: len(mixed)])


def test_clicks_come_out_of_the_live_model_after_35_ms(model: StreamModel) -> None:
    live = LiveSeparator(model)
    assert live.delay == 1536
    check_clicks(live)


def check_clicks(live: LiveSeparator) -> None:
    """Push clicks a hop at a time, as soon as there is one."""
    hop = live.stft.hop
    clicks = np.zeros((SECOND // 2, 2), np.float32)
    clicks[np.random.default_rng(0).integers(0, len(clicks) - live.delay, 20)] = 0.5
    made, delays = [], []
    for taken in range(hop, len(clicks), hop):
        block = live.push(clicks[taken - hop : taken])
        if len(block.mix):
            delays.append(taken - block.start)
            made.append(block.stems.sum(0))
    assert max(delays) == live.delay
    heard = np.concatenate([np.zeros((live.delay, 2), np.float32), *made])
    assert lag(heard, clicks) == live.delay


def test_a_stream_begins_anew(model: StreamModel, song: Samples) -> None:
    first, second = (separate(LiveSeparator(model), song) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_an_extension_that_is_not_there_is_refused(model: StreamModel) -> None:
    with pytest.raises(SettingError, match="no such band extension"):
        LiveSeparator(model, extension="none")
