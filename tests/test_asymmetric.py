"""Long analysis windows, short synthesis windows: the same sound, sooner."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import get_window

from stemlab import demo
from stemlab.errors import SettingError
from stemlab.masks import apply, normalise
from stemlab.research.metrics import conservation
from stemlab.sound.audio import load
from stemlab.spectral import Stft

LIVE = Stft(4096, 256, synthesis=1024)


@pytest.mark.parametrize("synthesis", [None, 2048, 1024, 512])
def test_a_click_comes_out_after_the_length_of_the_synthesis_window(synthesis: int | None) -> None:
    """Fed hop by hop, the first sample of a hop waits longest."""
    stft = Stft(4096, 256, synthesis=synthesis)
    analyser, synthesiser = stft.analyser(), stft.synthesiser()
    click = np.zeros((32 * stft.hop, 1), np.float32)
    click[8 * stft.hop] = 1
    given = 0
    for taken in range(stft.hop, len(click), stft.hop):
        samples = synthesiser.push(analyser.push(click[taken - stft.hop : taken]))
        if (samples > 0.5).any():
            break
        given += len(samples)
    assert given + samples[:, 0].argmax() == 8 * stft.hop
    assert samples.max() == pytest.approx(1, abs=1e-5)
    assert taken - 8 * stft.hop == stft.delay == (synthesis or 4096)


def test_stems_of_any_masks_sum_to_the_mix() -> None:
    mix = load(demo.path()).samples[:200_000]
    spectrum = LIVE.analyse(mix)
    weights = np.random.default_rng(1).random((*spectrum.shape, 3), dtype=np.float32)
    stems = LIVE.synthesise(apply(normalise(weights**4), spectrum), len(mix))
    assert conservation(mix, np.moveaxis(stems, -1, 0)) < -120


def test_the_pair_with_the_cosine_is_that_of_mauler_and_martin() -> None:
    """Their product is a Hann window, here half a sample off, as scipy's cosine is."""
    stft = Stft(4096, 256, "cosine", 1024)
    product = stft.taper[-1024:] * stft.synthesis_taper
    np.testing.assert_allclose(product, get_window("hann", 1024), atol=0.004)
    assert stft.taper.argmax() in {4096 - 513, 4096 - 512}


def test_a_synthesis_window_as_long_as_the_analysis_is_the_symmetric_pair() -> None:
    same = Stft(512, 128, synthesis=512)
    np.testing.assert_allclose(same.taper, Stft(512, 128).taper, atol=1e-7)
    np.testing.assert_allclose(same.synthesis_taper, same.taper, atol=1e-7)
    assert same.cola


def test_a_long_analysis_window_tells_apart_what_a_short_one_cannot() -> None:
    """Two tones 40 Hz apart, in the newest frame: a dip between them, or one hill."""
    time = np.arange(30_000)[:, None] / 44_100
    tones = sum(np.sin(2 * np.pi * f * time) for f in (1000, 1040)).astype(np.float32)

    def dip(stft: Stft) -> float:
        frame = np.abs(stft.analyser().push(tones)[-1, :, 0])
        low, middle, high = (round(f * stft.n_fft / 44_100) for f in (1000, 1020, 1040))
        return float(frame[middle] / min(frame[low], frame[high]))

    assert dip(LIVE) < 0.5
    assert dip(Stft(1024, 256)) > 0.9


@pytest.mark.parametrize(
    ("hop", "synthesis", "reason"),
    [
        (256, 8192, "choose 2 to 4096"),
        (256, 0, "choose 2 to 4096"),
        (256, 128, "longer than the window of 128"),
        (256, 256, "cannot reconstruct"),
    ],
)
def test_what_cannot_reconstruct_is_refused(hop: int, synthesis: int, reason: str) -> None:
    with pytest.raises(SettingError, match=reason):
        Stft(4096, hop, synthesis=synthesis)
