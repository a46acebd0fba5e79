from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import check_COLA, get_window

from stemlab.errors import SettingError
from stemlab.research.metrics import sdr
from stemlab.sound.compiled import librosa
from stemlab.spectral import Samples, Stft, Window

WINDOWS: list[Window] = ["hann", "hamming", "boxcar", ("kaiser", 8.6)]
SYMMETRIC = [
    Stft(n_fft, hop, window)
    for n_fft, hop in [(64, 16), (64, 17), (256, 128), (1000, 250), (63, 20)]
    for window in WINDOWS
]
ASYMMETRIC = [
    Stft(n_fft, hop, window, synthesis)
    for n_fft, hop, synthesis in [(256, 16, 64), (256, 17, 63), (63, 5, 20), (256, 64, 256)]
    for window in ("hann", "cosine", "hamming", ("kaiser", 8.6))
]
GRIDS = st.sampled_from(SYMMETRIC + ASYMMETRIC)


def noise(length: int, channels: int = 2) -> Samples:
    return np.random.default_rng(length).standard_normal((length, channels), dtype=np.float32)


@given(GRIDS, st.integers(1, 3000))
@settings(deadline=None, max_examples=200)
def test_round_trip(stft: Stft, length: int) -> None:
    sound = noise(length)
    spectrum = stft.analyse(sound)
    assert spectrum.shape == (stft.frames(length), stft.bins, 2)
    assert sdr(sound, stft.synthesise(spectrum, length)) > 120


@given(GRIDS, st.lists(st.integers(0, 700), min_size=1))
@settings(deadline=None, max_examples=200)
def test_block_by_block_gives_the_same_samples(stft: Stft, lengths: list[int]) -> None:
    sound = noise(sum(lengths) + 1)
    analyser, synthesiser = stft.analyser(), stft.synthesiser()
    spectra = [analyser.push(block) for block in np.split(sound, np.cumsum(lengths))]
    spectra.append(analyser.flush())
    whole = stft.analyse(sound)
    np.testing.assert_array_equal(np.concatenate(spectra), whole)
    samples = np.concatenate([synthesiser.push(spectrum) for spectrum in spectra])
    assert sdr(stft.synthesise(whole, len(sound)), samples[: len(sound)]) > 130


def test_analysis_may_start_inside_a_sound() -> None:
    stft, sound = Stft(256, 64), noise(5000)
    later = stft.analyser(sound[:640]).push(sound[640:])
    np.testing.assert_array_equal(later, stft.analyse(sound)[10 : 10 + len(later)])


def test_frames_are_those_of_the_definition() -> None:
    stft, sound = Stft(512, 128), noise(2000)
    frame = 7
    start = frame * 128 - (512 - 128)
    expected = np.fft.rfft(sound[start : start + 512, 0] * get_window("hann", 512))
    np.testing.assert_allclose(stft.analyse(sound)[frame, :, 0], expected, atol=1e-4)


@pytest.mark.parametrize("window", ["hann", "cosine"])
@pytest.mark.parametrize("length", [8, 4096])
def test_usual_windows_are_those_of_scipy(window: str, length: int) -> None:
    taper = Stft(length, length // 4, window).taper
    np.testing.assert_allclose(taper, get_window(window, length), atol=1e-7)


def test_inner_frames_agree_with_librosa() -> None:
    sound = noise(20_000, 1)
    ours = Stft(1024, 256).analyse(sound)[..., 0]
    theirs = librosa().stft(sound[:, 0], n_fft=1024, hop_length=256, center=False).T
    np.testing.assert_allclose(ours[3 : 3 + len(theirs)], theirs, atol=1e-3)


def test_centre_is_the_middle_of_the_window() -> None:
    stft = Stft(1024, 256)
    click = np.zeros((4096, 1), np.float32)
    click[1280] = 1
    loudest = np.abs(stft.analyse(click)).sum((1, 2)).argmax()
    assert stft.centre(float(loudest)) == 1280


@pytest.mark.parametrize(
    ("n_fft", "hop", "window", "reason"),
    [
        (512, 513, "hann", "longer than the window"),
        (512, 0, "hann", "1 or more"),
        (1, 1, "hann", "2 or more"),
        (512, 512, "hann", "cannot reconstruct"),
        (4096, 3000, "flattop", "cannot reconstruct"),
        (512, 128, "no such window", "cannot be made"),
        (512, 128, ("kaiser",), "cannot be made"),
    ],
)
def test_what_cannot_reconstruct_is_refused(
    n_fft: int, hop: int, window: str | tuple[str], reason: str
) -> None:
    with pytest.raises(SettingError, match=reason):
        Stft(n_fft, hop, window)


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("hop", [64, 128, 250, 256])
def test_cola_is_that_of_scipy(window: Window, hop: int) -> None:
    stft = Stft(512, hop, window)
    squared: Any = get_window(window, 512) ** 2  # scipy's stubs know check_COLA by names alone
    assert stft.cola == check_COLA(squared, 512, 512 - hop, tol=1e-5 * squared.sum() / hop)
    assert 0 < stft.evenness <= 1
