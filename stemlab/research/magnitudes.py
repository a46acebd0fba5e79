"""Metrics of magnitudes as MSST, Music-Source-Separation-Training, defines them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stemlab.errors import need
from stemlab.sound.compiled import librosa

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stemlab.spectral import Samples

# Transform and bands that bleedless and fullness are defined with; magnitudes 80 dB below the
# loudest count as no less.
N_FFT, HOP, BANDS, RANGE = 4096, 1024, 512, 80


def l1_frequency(reference: Samples, estimate: Samples) -> float:
    """Return ``100 / (1 + 10·mean| |Ŝ| − |S| |)``, at most 100.

    Magnitudes of a transform of 2048 samples every 1024, without a window (MSST, ``l1_freq``). It
    depends on the level: silence in both is perfect, and quiet songs have better values.

    Parameters
    ----------
    reference, estimate
        [samples, channels], full scale ±1.

    Examples
    --------
    >>> one = np.sin(np.arange(4096, dtype=np.float32))[:, None]
    >>> l1_frequency(one, one)
    100.0
    """
    known, given = (
        _magnitudes(sound, 2048, "boxcar", "reflect") for sound in (reference, estimate)
    )
    return float(100 / (1 + 10 * np.mean(np.abs(given - known))))


def bleedless_and_fullness(reference: Samples, estimate: Samples, rate: int) -> tuple[float, float]:
    """Return how little an estimate adds, and how little it lacks; both at most 100.

    In the decibels of 512 mel bands, ``100 / (1 + m)`` where m is the mean of what the estimate has
    more than the reference, or less, over the cells where it does (MSST, ``bleedless`` and
    ``fullness``).

    Parameters
    ----------
    reference, estimate
        [samples, channels].
    rate
        Samples per second.

    Examples
    --------
    >>> one = np.sin(np.arange(8192, dtype=np.float32))[:, None]
    >>> bleedless, fullness = bleedless_and_fullness(one, one / 2, 44_100)
    >>> bleedless, round(fullness, 1)
    (100.0, 14.2)
    """
    known, given = (_mel_decibels(sound, rate) for sound in (reference, estimate))
    difference = given - known
    more, less = difference[difference > 0], -difference[difference < 0]
    return _score(more), _score(less)


def _score(excess: NDArray[np.float32]) -> float:
    return float(100 / (1 + excess.mean(dtype=np.float64))) if excess.size else 100.0


def _mel_decibels(sound: Samples, rate: int) -> NDArray[np.float32]:
    magnitudes = _magnitudes(sound, N_FFT, "hann", "constant")
    bands = librosa().filters.mel(sr=rate, n_fft=N_FFT, n_mels=BANDS)
    levels: NDArray[np.float32] = librosa().amplitude_to_db(
        bands @ magnitudes, ref=1.0, amin=1e-10, top_db=RANGE
    )
    return levels


def _magnitudes(sound: Samples, n_fft: int, window: str, beyond: Any) -> NDArray[np.float32]:
    """Return magnitudes [channels, bins, frames]; `beyond` is what is heard before and after."""
    need("librosa", "these metrics need librosa", "research")
    spectra = librosa().stft(
        np.ascontiguousarray(sound.T), n_fft=n_fft, hop_length=HOP, window=window, pad_mode=beyond
    )
    magnitudes: NDArray[np.float32] = np.abs(spectra)
    return magnitudes
