from __future__ import annotations

import mmap
from typing import TYPE_CHECKING

import numpy as np
import pytest

from stemlab import demo
from stemlab.model import StemModel
from stemlab.research.account import (
    measure,
    peak_memory,
    reset_peak_memory,
    window_latency,
    windows,
)
from stemlab.separator import Separator
from stemlab.sound.audio import load
from stemlab.spectral import Stft

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stemlab.spectral import Samples

SECOND = 44_100


@pytest.fixture(scope="module")
def model() -> StemModel:
    return StemModel("spleeter-2stems")


@pytest.fixture(scope="module")
def sound() -> Samples:
    return load(demo.path()).samples[10 * SECOND : 14 * SECOND]


def worst_wait(separator: Separator, sound: Samples) -> float:
    """Return the most seconds of sound that go in after a sample until its stems come out."""
    taken = given = waited = 0

    def blocks() -> Iterator[Samples]:
        nonlocal taken
        for block in np.split(sound, range(512, len(sound), 512)):
            taken += len(block)
            yield block

    for part in separator.stream(blocks()):
        if taken == len(sound):
            break
        waited = max(waited, taken - given)
        given += len(part.mix)
    return waited / SECOND


@pytest.mark.parametrize(
    "stft",
    [None, Stft(1024, 256), Stft(8192, 2048), Stft(synthesis=2048), Stft(4096, 256, synthesis=512)],
)
def test_no_sample_waits_longer_than_the_account_says(
    model: StemModel, sound: Samples, stft: Stft | None
) -> None:
    separator = Separator(model, stft=stft, past=448, lookahead=32, overlap=16)
    _, account = measure(separator, sound, block=512)
    seconds = worst_wait(separator, sound)
    assert seconds <= account.algorithmic + account.buffer + 1e-9
    assert seconds > account.algorithmic + separator.step / SECOND / 2


def test_windows_of_the_models_own_grid_are_waited_for(model: StemModel) -> None:
    own = window_latency(Separator(model))
    assert own == 4096 / SECOND
    shorter, longer = (window_latency(Separator(model, stft=Stft(n, n // 4))) for n in (1024, 8192))
    assert 1024 / SECOND < shorter < own < longer == 8192 / SECOND


def test_the_account_adds_up(model: StemModel, sound: Samples) -> None:
    separator = Separator(model, stft=Stft(2048, 1024))
    stems, account = measure(separator, sound, block=SECOND)
    assert stems.shape == (2, *sound.shape)
    assert account.conservation < -120
    assert account.latency == pytest.approx(
        account.window + account.lookahead + account.buffer + account.compute
    )
    assert account.lookahead == pytest.approx(64 * 1024 / SECOND)
    assert account.buffer > 1 + separator.step / SECOND
    assert account.compute == pytest.approx(separator.step / SECOND / account.speed)
    assert account.cpu > 0
    assert account.nola == pytest.approx(0.5)
    assert not account.cola


@pytest.mark.parametrize(("past", "lookahead"), [(0, 64), (300, 100), (448, 32)])
def test_runs_of_the_model_are_counted(
    model: StemModel, sound: Samples, monkeypatch: pytest.MonkeyPatch, past: int, lookahead: int
) -> None:
    ran, own, separator = [], model.masks, Separator(model, past=past, lookahead=lookahead)

    def counted(magnitude: Samples) -> Samples:
        ran.append(1)
        return own(magnitude)

    monkeypatch.setattr(model, "masks", counted)
    told: list[float] = []
    measure(separator, sound, progress=told.append)
    assert windows(separator, len(sound)) == len(ran)
    assert sum(told) == pytest.approx(len(sound) / SECOND)


def test_peak_memory_is_that_since_the_reset() -> None:
    reset_peak_memory()
    before = peak_memory()
    held = mmap.mmap(-1, 160_000_000)  # an array may lie where this process has memory left
    np.frombuffer(held, np.uint8)[:] = 1
    assert peak_memory() - before > 0.9 * len(held)
    del held
    reset_peak_memory()
    assert peak_memory() - before < 80_000_000
