"""From a wave to its picture, and one's own voice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.signal import find_peaks
from sounds import snr

from stemlab import demo
from stemlab.labs.excerpt import Excerpt
from stemlab.labs.waves import Voice, waves
from stemlab.research.metrics import energy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from stemlab.labs.experiment import Experiment

RATE = 44_100


@pytest.fixture(scope="module")
def excerpt() -> Excerpt:
    return Excerpt.of(demo.path(), start=16, seconds=2)


@pytest.fixture
def voice() -> Iterator[Voice]:
    voice = Voice()
    yield voice
    voice.close()


@pytest.fixture
def step(excerpt: Excerpt, voice: Voice) -> Iterator[Experiment]:
    step = waves(excerpt, voice)
    yield step
    step.close()


def move(step: Experiment, **values: object) -> None:
    for name, value in values.items():
        step.controls[name].value = value
        step.settle()


def heard(step: Experiment) -> NDArray[np.float32]:
    assert step.player.track is not None
    _, [sound] = step.player.track.read(0, step.player.track.length)
    return np.asarray(sound)


def peaks(step: Experiment) -> list[float]:
    """Return where the Fourier transform that is drawn has its peaks, in Hz."""
    assert step.chart is not None
    [mark] = step.chart.panels[1]["marks"]
    level, hertz = (np.frombuffer(mark[axis], np.float32) for axis in ("x", "y"))
    return [float(hertz[place]) for place in find_peaks(level, -30)[0]]


def test_a_sine_is_one_peak_and_two_are_two(step: Experiment) -> None:
    move(step, window=8192, pitch=600)
    assert peaks(step) == pytest.approx([600], abs=10)
    move(step, sound="two sines")
    assert peaks(step) == pytest.approx([600, 900], abs=10)


def test_one_hears_as_far_as_one_sees(step: Experiment) -> None:
    assert step.chart is not None
    assert np.abs(heard(step)[2 * RATE :]).max() > 0.1
    whole = step.chart.panels[2]["marks"][0]["columns"]
    move(step, until=1500)
    assert np.abs(heard(step)[: round(1.5 * RATE)]).max() > 0.1
    assert not heard(step)[round(1.5 * RATE) :].any()
    assert step.chart.panels[2]["marks"][0]["columns"] == pytest.approx(whole / 2, abs=3)


def test_what_is_recorded_is_heard_at_once(step: Experiment, voice: Voice) -> None:
    move(step, sound="your voice")
    assert "press Record" in step.words.value
    move(step, sound="a sine")
    sung = 0.1 * np.sin(2 * np.pi * 300 * np.arange(3 * RATE) / RATE)
    voice.value = sung.astype(np.float32).tobytes()
    step.settle()
    assert step.controls["sound"].value == "your voice"
    assert step.player.playing
    assert snr(heard(step)[:, 0], 5 * sung) > 60
    assert peaks(step) == pytest.approx([300], abs=20)


def test_who_sings_takes_the_singers_place(excerpt: Excerpt, voice: Voice) -> None:
    assert excerpt.sung(voice.samples) is excerpt
    voice.value = np.sin(np.arange(RATE) / 10, dtype=np.float32).tobytes()
    now = excerpt.sung(voice.samples)
    assert energy(now.stems["vocals"]) == pytest.approx(energy(excerpt.stems["vocals"]), rel=1e-3)
    change = now.stems["vocals"] - excerpt.stems["vocals"]
    np.testing.assert_allclose(now.mix, excerpt.mix + change, atol=1e-6)
    assert snr(sum(now.separated.values(), np.zeros_like(now.mix)), now.mix) > 100
    np.testing.assert_array_equal(now.stems["drums"], excerpt.stems["drums"])
    assert now.known
    assert not np.array_equal(now.masks, excerpt.masks)
