"""Separation follows the listener and ends as the whole song's; sending keeps to its credit."""

from __future__ import annotations

import queue
import time
from threading import Semaphore
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from stemlab import demo
from stemlab.errors import SettingError
from stemlab.library.store import BLOCK, FINAL, MISSING, ROUGH, Store, Track
from stemlab.model import StemModel
from stemlab.separator import Separator
from stemlab.sound.audio import Audio, load
from stemlab.widgets.parts import feed
from stemlab.widgets.parts.feed import Producer, Sender, replay

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from stemlab.separator import StemBlock


def wait(condition: Callable[[], bool], seconds: float = 200) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture(scope="module")
def separator() -> Separator:
    return Separator()


@pytest.fixture(scope="module")
def song() -> Audio:
    return Audio(load(demo.path()).samples[: 45 * 44_100])


def test_jumps_end_as_the_whole_song(tmp_path: Path, separator: Separator, song: Audio) -> None:
    track = Store(tmp_path).open(song, separator)
    blocks: list[StemBlock] = []
    errors: list[Exception] = []
    producer = Producer(track, separator, blocks.append, errors.append)
    wait(lambda: len(blocks) > 0)
    for target in (80, 8, 20, 28, 100, 40):  # far away, and just ahead of the stream
        producer.urge(target)
        wait(lambda block=target: bool(track.states[block]))  # type: ignore[misc]
        if target == 80:
            assert track.separated < 1  # it jumped
    wait(lambda: bool((track.states == FINAL).all()))
    producer.close()
    assert not errors
    whole = separator.separate(Audio(track.read(0, track.length)[0]))
    expected = np.stack([stem.samples for stem in whole.stems.values()])
    np.testing.assert_allclose(track.read(0, track.length)[1], expected, atol=2e-4)
    hop = separator.stft.hop
    for block in blocks:  # the frames that go with these samples lie on the song's grid
        assert abs(block.frame * hop - block.start) <= separator.stft.n_fft


class Turnstile(StemModel):
    """A model that runs a window for each ticket."""

    def __init__(self) -> None:
        super().__init__("spleeter-2stems")
        self.tickets = Semaphore(1)

    def masks(self, heard: NDArray[np.inexact[Any]]) -> NDArray[Any]:
        self.tickets.acquire()
        return super().masks(heard)


def test_a_jump_does_not_wait_for_the_window_under_way(tmp_path: Path, song: Audio) -> None:
    model = Turnstile()
    separator = Separator(model)
    track = Store(tmp_path).open(song, separator)
    errors: list[Exception] = []
    producer = Producer(track, separator, lambda _: None, errors.append)
    wait(lambda: track.separated > 0)
    producer.urge(80, ahead=60)  # the listener can wait
    assert producer._urgent() is None
    producer.urge(80)  # the stream is held up in its second window
    wait(lambda: bool((track.states[80:90] == ROUGH).all()))
    assert track.states[79] == track.states[96] == MISSING
    model.tickets.release(100)
    wait(lambda: bool((track.states == FINAL).all()))
    producer.close()
    assert not errors


def test_a_network_that_has_no_short_windows_jumps_with_its_own(
    tmp_path: Path, separator: Separator, song: Audio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "SHORTEST", 0.6)  # 32 frames: less than the U-Net's stride
    track = Store(tmp_path).open(song, separator)
    errors: list[Exception] = []
    producer = Producer(track, separator, lambda _: None, errors.append)
    assert producer._nimble() is separator
    wait(lambda: track.separated > 0)
    producer.urge(80)
    wait(lambda: bool(track.states[80]))
    producer.close()
    assert not errors


def test_replay_gives_back_mix_and_masks(separator: Separator, song: Audio) -> None:
    whole = separator.separate(song)
    track = Track.of(whole)
    blocks = list(replay(track, separator.stft))
    mix = np.concatenate([block.mix for block in blocks])
    np.testing.assert_allclose(mix, song.samples, atol=1e-4)
    frames = np.concatenate([block.spectrum for block in blocks])
    expected = separator.stft.analyse(song.samples)
    np.testing.assert_allclose(frames, expected, atol=0.05)
    masks = np.concatenate([block.masks for block in blocks])
    np.testing.assert_allclose(masks.sum(-1), 1, atol=1e-5)


def test_sending_keeps_to_credit_and_order() -> None:
    track = Track.of({"a": Audio(np.zeros((20 * BLOCK, 2), np.float32))})
    sent: queue.Queue[tuple[str, int]] = queue.Queue()
    sender = Sender(track, lambda line, block, _whole: sent.put((line, block)))
    sender.want("page", 0, list(range(10)), [], 0, 4)
    assert [sent.get(timeout=5)[1] for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(queue.Empty):
        sent.get(timeout=0.1)
    sender.want("page", 1, [15, 99, 16], [], 3, 4)  # a jump; three have arrived; 99 is no block
    assert [sent.get(timeout=5)[1] for _ in range(2)] == [15, 16]
    sender.want("page", 1, [17, 18, 19], [], 6, 4)
    sender.want("another", 0, [0], [], 0, 4)
    assert sorted(sent.get(timeout=5) for _ in range(4)) == [
        *(("another", 0), ("page", 17), ("page", 18), ("page", 19)),
    ]
    sender.close()


def test_the_original_goes_at_once_and_stems_as_they_come() -> None:
    track = Track.of({"a": Audio(np.zeros((3 * BLOCK, 2), np.float32))})
    track.states[:] = MISSING
    sent: queue.Queue[tuple[str, int, bool]] = queue.Queue()
    sender = Sender(track, lambda *what: sent.put(what))
    assert sender.want("page", 0, [0, 1], [], 0, 4) == 0
    assert [sent.get(timeout=5) for _ in range(2)] == [("page", 0, False), ("page", 1, False)]
    track.states[1] = FINAL
    sender.notify()
    assert sent.get(timeout=5) == ("page", 1, True)
    # A jump: the page has the original of 0 still, and nothing of 2.
    assert sender.want("page", 1, [2], [0], 3, 4) == 0
    assert sent.get(timeout=5) == ("page", 2, False)
    track.states[:] = FINAL
    sender.notify()
    assert [sent.get(timeout=5) for _ in range(2)] == [("page", 0, True), ("page", 2, True)]
    sender.close()


def test_a_failure_is_told(tmp_path: Path, separator: Separator) -> None:
    track = Store(tmp_path).open(Audio(np.zeros((BLOCK, 2), np.float32)), separator)
    errors: list[Exception] = []

    def refuse(_block: StemBlock) -> None:
        raise OSError("disk is gone")

    producer = Producer(track, separator, refuse, errors.append)
    wait(lambda: bool(errors))
    producer.close()
    assert str(errors[0]) == "disk is gone"


@pytest.mark.parametrize("odd", ["blocks", "stems", "received", "credit"])
def test_a_malformed_wish_does_not_end_the_sending(odd: str) -> None:
    track = Track.of({"a": Audio(np.zeros((2 * BLOCK, 2), np.float32))})
    sent: queue.Queue[tuple[str, int, bool]] = queue.Queue()
    sender = Sender(track, lambda *what: sent.put(what))
    wish: dict[str, Any] = {"epoch": 1, "blocks": [1], "stems": [], "received": 0, "credit": 2}
    with pytest.raises(SettingError, match="whole numbers"):
        sender.want("page", **wish | {odd: ["x"]})
    sender.want("page", **wish)
    assert sent.get(timeout=60) == ("page", 1, True)
    sender.close()
