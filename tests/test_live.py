from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.sounds import lag

from stemlab import demo
from stemlab.audio import load
from stemlab.errors import SettingError
from stemlab.live import STFT, LiveSeparator
from stemlab.metrics import conservation, sdr
from stemlab.model import StemModel
from stemlab.spectral import Stft

if TYPE_CHECKING:
    from stemlab.spectral import Samples

SECOND = 44_100


@pytest.fixture(scope="module")
def model() -> StemModel:
    return StemModel("stemlab-4-fast", frames=64, threads=1)


@pytest.fixture(scope="module")
def song() -> Samples:
    return load(demo.path()).samples[8 * SECOND : 11 * SECOND]


def separate(live: LiveSeparator, mix: Samples, *lengths: int) -> Samples:
    """Push a sound in blocks of these lengths in turn, and silence until it is through."""
    ended = np.concatenate([mix, np.zeros((live.delay, 2), np.float32)])
    cuts = np.resize(lengths or len(ended), len(ended)).cumsum()
    blocks = np.split(ended, cuts[cuts < len(ended)])
    return np.concatenate([live.push(block).stems for block in blocks], axis=1)[:, : len(mix)]


def test_stems_sum_to_the_mix_and_are_not_the_mix(model: StemModel, song: Samples) -> None:
    stems = separate(LiveSeparator(model), song)
    assert stems.shape == (4, *song.shape)
    assert conservation(song, stems) < -120
    assert all(sdr(song, stem) < 10 for stem in stems)


def test_blocks_of_any_size_give_the_same_stems(model: StemModel, song: Samples) -> None:
    whole = separate(LiveSeparator(model), song)
    pieces = separate(LiveSeparator(model), song, 1, 700, 128, 5000, 256)
    assert sdr(whole, pieces) > 120


def test_stretches_follow_each_other(model: StemModel, song: Samples) -> None:
    live = LiveSeparator(model, lookahead=2)
    blocks = [live.push(block) for block in np.split(song, range(1000, len(song), 1000))]
    for block, following in zip(blocks, blocks[1:], strict=False):
        assert following.start == block.start + len(block.mix)
        assert following.frame == block.frame + len(block.spectrum)
        assert block.masks.shape == (*block.spectrum.shape, 4)
    mixed = np.concatenate([block.mix for block in blocks])
    np.testing.assert_array_equal(mixed, song[: len(mixed)])


@pytest.mark.parametrize(("lookahead", "synthesis"), [(0, 1024), (2, 1024), (0, 512)])
def test_clicks_come_out_after_the_delay(model: StemModel, lookahead: int, synthesis: int) -> None:
    """The stems are laid out by when they come: without a hole they cannot be played sooner."""
    stft = Stft(4096, 128, synthesis=synthesis)
    live = LiveSeparator(model, stft=stft, lookahead=lookahead, update=8)
    clicks = np.zeros((SECOND // 2, 2), np.float32)
    clicks[np.random.default_rng(0).integers(0, len(clicks) - live.delay, 20)] = 0.5
    made, delays = [], []
    for taken in range(stft.hop, len(clicks), stft.hop):
        block = live.push(clicks[taken - stft.hop : taken])
        if len(block.mix):
            delays.append(taken - block.start)
            made.append(block.stems.sum(0))
    assert max(delays) == live.delay
    heard = np.concatenate([np.zeros((live.delay, 2), np.float32), *made])
    assert lag(heard, clicks) == live.delay


def test_lookahead_and_runs_that_come_often_make_it_better(model: StemModel) -> None:
    folder = demo.path().parent
    mix, drums = (
        load(folder / f"{name}.ogg").samples[8 * SECOND : 12 * SECOND] for name in ("mix", "drums")
    )
    settings = [(8, 0), (1, 0), (1, 3)]
    quality = [
        sdr(drums, separate(LiveSeparator(model, update=update, lookahead=ahead), mix)[1])
        for update, ahead in settings
    ]
    assert quality == sorted(quality)
    assert quality[0] > sdr(drums, mix) + 1


def test_it_may_start_inside_a_song(model: StemModel, song: Samples) -> None:
    whole = LiveSeparator(model, update=1)
    start = whole.context // model.card.hop * model.card.hop + model.card.hop
    later = LiveSeparator(model, update=1, before=song[:start])
    expected, found = separate(whole, song)[:, start:], separate(later, song[start:])
    settled = STFT.delay
    assert sdr(expected[:, settled:], found[:, settled:]) > 60


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"update": 0}, "1 hop of the model or more"),
        ({"lookahead": -1}, "choose 0 or more"),
        ({"lookahead": 64}, "below the 64 frames"),
        ({"stft": Stft(2048, 256)}, "wants n_fft 4096"),
        ({"stft": Stft(4096, 600)}, "divides 1024"),
        ({"extension": "none"}, "no such band extension"),
    ],
)
def test_settings_without_meaning_are_refused(
    model: StemModel, settings: dict[str, int], reason: str
) -> None:
    with pytest.raises(SettingError, match=reason):
        LiveSeparator(model, **settings)  # type: ignore[arg-type]
