"""logWMSE: how loud the error is to the ear, also where the reference is silent."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.signal
import soxr

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stemlab.spectral import Samples

RATE = 44_100
# Errors below are not heard; relative to a mixture of 0 dB.
INAUDIBLE = 10 ** (-68 / 20)
# The scale: a tenth is about as much as a tenth of a dB of SDR.
SCALE, TINY = -4.0, 1e-8
TAPS = 4000


def log_wmse(mix: Samples, reference: Samples, estimate: Samples, rate: int) -> float:
    """Return ``−4·ln(mean(e²) + 10⁻⁸)``, the mean over the channels; the higher the better.

    The error e is what differs between estimate and reference, both weighted by the sensitivity of
    the ear and scaled so that the weighted mixture has a power of 1; where it is below −68 dB it
    counts as nothing, so 73.7 is perfect (Jordal, "log-wmse-audio-quality" 0.2, 2023; the weighting
    after Fenton and Lee, "A perceptual model of punch", 2017).

    Parameters
    ----------
    mix, reference, estimate
        [samples, channels], full scale ±1.
    rate
        Samples per second; the metric is defined at 44.1 kHz, others are resampled.

    Examples
    --------
    >>> mix = np.random.default_rng(0).uniform(-1, 1, (44_100, 1)).astype(np.float32)
    >>> round(log_wmse(mix, 0 * mix, 0.1 * mix, 44_100), 1)
    18.4
    """
    sounds = [mix, reference, estimate]
    if rate != RATE:
        sounds = [soxr.resample(sound, rate, RATE, quality="HQ") for sound in sounds]
    heard = [scipy.signal.oaconvolve(s, _ear()[:, None], "same", axes=0) for s in sounds]
    power = np.mean(np.square(heard[0]), axis=0)
    error = (heard[2] - heard[1])[:, power > 0] / np.sqrt(power[power > 0])
    error[np.abs(error) < INAUDIBLE] = 0
    silent = np.zeros(np.count_nonzero(power == 0))
    errors = np.concatenate([np.mean(np.square(error), axis=0), silent])
    return float(np.mean(SCALE * np.log(errors + TINY)))


@cache
def _ear() -> NDArray[np.float64]:
    """Return the weighting as an impulse response without phase, [taps].

    A shelf of 5 dB above 1.5 kHz, a high-pass at 120 Hz, 2.5 dB at 500 Hz and a low-pass at 10 kHz
    that runs forwards and backwards.
    """
    turn = np.linspace(0, np.pi, 2 * 2048 + 1)
    once = [
        _shelf(1500, 5, 1 / np.sqrt(2)),
        scipy.signal.butter(2, 120, "high", fs=RATE),
        _peak(500, 2.5, 1.5 / np.sqrt(2)),
    ]
    low = scipy.signal.butter(1, 10_000, "low", fs=RATE)
    response = np.abs(scipy.signal.freqz(*low, worN=turn)[1]) ** 2
    for coefficients in once:
        response *= np.abs(scipy.signal.freqz(*coefficients, worN=turn)[1])
    impulse = np.fft.fftshift(np.fft.irfft(response))
    middle = len(impulse) // 2 + 1
    taps: NDArray[np.float64] = impulse[middle - TAPS // 2 : middle + TAPS // 2]
    return taps


def _shelf(frequency: float, gain: float, quality: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return a high shelf of the Audio EQ Cookbook (Bristow-Johnson), numerator first."""
    a, cosine, alpha = _cookbook(frequency, gain, quality)
    more, less, bend = a + 1, a - 1, 2 * np.sqrt(a) * alpha
    b = a * np.array([more + less * cosine + bend, -2 * (less + more * cosine),
                      more + less * cosine - bend])  # fmt: skip
    poles = [more - less * cosine + bend, 2 * (less - more * cosine), more - less * cosine - bend]
    return b, np.array(poles)


def _peak(frequency: float, gain: float, quality: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return a peaking filter of the same book."""
    a, cosine, alpha = _cookbook(frequency, gain, quality)
    zeros = np.array([1 + alpha * a, -2 * cosine, 1 - alpha * a])
    return zeros, np.array([1 + alpha / a, -2 * cosine, 1 - alpha / a])


def _cookbook(frequency: float, gain: float, quality: float) -> tuple[float, float, float]:
    turn = 2 * np.pi * frequency / RATE
    return 10 ** (gain / 40), float(np.cos(turn)), float(np.sin(turn) / (2 * quality))
