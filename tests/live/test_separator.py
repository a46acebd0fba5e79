from __future__ import annotations

import itertools
from concurrent.futures import Executor, Future
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sounds import lag

from stemlab import demo
from stemlab.errors import SettingError
from stemlab.live.model import StreamModel
from stemlab.live.separator import STFT, LiveSeparator
from stemlab.model import StemModel
from stemlab.research.metrics import conservation, sdr
from stemlab.sound.audio import load
from stemlab.spectral import Stft

if TYPE_CHECKING:
    from collections.abc import Callable

    from stemlab.spectral import Samples

SECOND = 44_100


@pytest.fixture(scope="module")
def model() -> StemModel:
    return StemModel("stemlab-4-fast", frames=64, threads=1)


@pytest.fixture(scope="module")
def causal() -> StreamModel:
    return StreamModel("stemlab-4-live")


@pytest.fixture(scope="module", params=["windows", "frame by frame"])
def either(request: pytest.FixtureRequest) -> StemModel | StreamModel:
    chosen: StemModel | StreamModel = request.getfixturevalue(
        "model" if request.param == "windows" else "causal"
    )
    return chosen


@pytest.fixture(scope="module")
def song() -> Samples:
    return load(demo.path()).samples[8 * SECOND : 10 * SECOND]


def separate(live: LiveSeparator, mix: Samples, *lengths: int) -> Samples:
    """Push a sound in blocks of these lengths in turn, and silence until it is through."""
    ended = np.concatenate([mix, np.zeros((live.delay, 2), np.float32)])
    cuts = np.resize(lengths or len(ended), len(ended)).cumsum()
    blocks = np.split(ended, cuts[cuts < len(ended)])
    return np.concatenate([live.push(block).stems for block in blocks], axis=1)[:, : len(mix)]


def test_stems_sum_to_the_mix_and_are_not_the_mix(
    either: StemModel | StreamModel, song: Samples
) -> None:
    stems = separate(LiveSeparator(either), song)
    assert stems.shape == (4, *song.shape)
    assert conservation(song, stems) < -120
    assert all(sdr(song, stem) < 10 for stem in stems)


def test_blocks_of_any_size_give_the_same_stems(
    either: StemModel | StreamModel, song: Samples
) -> None:
    whole = separate(LiveSeparator(either), song)
    pieces = separate(LiveSeparator(either), song, 1, 700, 128, 5000, 256)
    assert sdr(whole, pieces) > 120


def test_stretches_follow_each_other(either: StemModel | StreamModel, song: Samples) -> None:
    live = LiveSeparator(either)
    blocks = [live.push(block) for block in np.split(song, range(1000, len(song), 1000))]
    for block, following in itertools.pairwise(blocks):
        assert following.start == block.start + len(block.mix)
        assert following.frame == block.frame + len(block.spectrum)
        assert block.masks.shape == (*block.spectrum.shape, 4)
    mixed = np.concatenate([block.mix for block in blocks])
    np.testing.assert_array_equal(mixed, song[: len(mixed)])


@pytest.mark.parametrize(("lookahead", "synthesis"), [(0, 1024), (2, 1024), (0, 512)])
def test_clicks_come_out_after_the_delay(model: StemModel, lookahead: int, synthesis: int) -> None:
    """The stems are laid out by when they come: without a hole they cannot be played sooner."""
    stft = Stft(4096, 128, synthesis=synthesis)
    check_clicks(LiveSeparator(model, stft=stft, lookahead=lookahead, update=8))


def test_clicks_come_out_of_the_live_model_after_35_ms(causal: StreamModel) -> None:
    live = LiveSeparator(causal)
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


def test_lookahead_makes_it_better(model: StemModel) -> None:
    folder = demo.path().parent
    mix, drums = (
        load(folder / f"{name}.ogg").samples[8 * SECOND : 10 * SECOND] for name in ("mix", "drums")
    )
    at_once, later = (
        sdr(drums, separate(LiveSeparator(model, lookahead=ahead), mix)[1]) for ahead in (0, 3)
    )
    assert sdr(drums, mix) + 1 < at_once < later


def test_it_may_start_inside_a_song(model: StemModel, song: Samples) -> None:
    whole = LiveSeparator(model, update=4)
    start = 56 * model.card.hop
    assert start > whole.context
    later = LiveSeparator(model, update=4, before=song[:start])
    expected, found = separate(whole, song)[:, start:], separate(later, song[start:])
    settled = STFT.delay
    assert sdr(expected[:, settled:], found[:, settled:]) > 60


def test_the_live_model_may_start_inside_a_song(causal: StreamModel, song: Samples) -> None:
    """It remembers longer than it hears again, so that the masks are nearly the same."""
    start = 64 * causal.card.hop
    expected = separate(LiveSeparator(causal), song)[:, start:]
    found = separate(LiveSeparator(causal, before=song[:start]), song[start:])
    settled = causal.card.stft.delay
    assert sdr(expected[:, settled:], found[:, settled:]) > 30


class Later(Executor):
    """Does what it was given only when it is told."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Future[Any], Callable[[], Any]]] = []

    def submit(self, work: Callable[..., Any], /, *given: Any, **named: Any) -> Future[Any]:
        """Keep a piece of work."""
        future: Future[Any] = Future()
        self.waiting.append((future, partial(work, *given, **named)))
        return future

    def work(self) -> None:
        """Do what is waiting."""
        while self.waiting:
            future, work = self.waiting.pop()
            future.set_result(work())


def test_sound_does_not_wait_for_a_model_that_runs_elsewhere(
    model: StemModel, song: Samples
) -> None:
    """Its first masks share the mixture evenly; those of a late run hold from then on."""
    later = Later()
    live = LiveSeparator(model, executor=later)
    early = live.push(song[:SECOND])
    assert len(later.waiting) == 1
    np.testing.assert_allclose(early.stems[0], early.mix / 4, atol=1e-5)
    later.work()
    late = live.push(song[SECOND:])
    assert len(later.waiting) == 1
    assert sdr(late.mix[STFT.delay :] / 4, late.stems[0, STFT.delay :]) < 10
    later.work()
    assert len(early.mix) + len(late.mix) > 2 * SECOND - live.delay - STFT.hop


def test_the_live_model_has_its_own_look_ahead(causal: StreamModel) -> None:
    with pytest.raises(SettingError, match="stemlab-4-live reads frame by frame"):
        LiveSeparator(causal, lookahead=3)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"update": 0}, "1 hop of the model or more"),
        ({"lookahead": -1}, "choose 0 or more"),
        ({"lookahead": 64}, "below the 48 frames"),
        ({"stft": Stft(2048, 256)}, "needs n_fft 4096"),
        ({"stft": Stft(4096, 600)}, "divides 1024"),
        ({"extension": "none"}, "no such band extension"),
    ],
)
def test_settings_without_meaning_are_refused(
    model: StemModel, settings: dict[str, int], reason: str
) -> None:
    with pytest.raises(SettingError, match=reason):
        LiveSeparator(model, **settings)  # type: ignore[arg-type]
