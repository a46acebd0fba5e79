"""The key of a song, and how far it is tuned from 440 Hz."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from scipy.ndimage import median_filter

from stemlab.sound.compiled import librosa

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats: TypeAlias = npt.NDArray[np.floating[Any]]

NAMES = ("C", "D♭", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B")
"""Names of the twelve tonics."""
HOP = 2048
"""Samples between two columns of `tones`."""

_FLAT = 0.2  # spread of the twelve tones over their mean: noise 0.1, songs from 0.2
_OCTAVES, _FINENESS = 7, 3
_BASS_OCTAVES = 2
_BASS = 0.5  # what the bass, which plays roots, counts beside the whole
_HIGHEST = 0.55  # of a semitone: between two tones, a song is taken for too high

# How often each tone is played in a key, from the tonic up: Albrecht & Shanahan, "The use of large
# corpora to train a new type of key-finding algorithm", 2013, with the numbers that collections of
# key profiles give. On the demo song and on cadences they tell relative and parallel keys apart
# where Krumhansl's and Temperley's do not.
_PROFILES = {
    "major": (0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081),
    "minor": (0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052),
}


def tuning(samples: Floats, rate: int) -> float:
    """Find by what part of a semitone the instruments are above 440 Hz: -0.45 to 0.55.

    It is the circular mean of what the pitches of spectral peaks are off their semitones.
    """
    pitches, strengths = librosa().piptrack(y=samples, sr=rate, n_fft=4096)
    heard = pitches > 0
    turns = np.exp(2j * np.pi * 12 * np.log2(pitches[heard] / 440))
    off = float(np.angle(np.sum(strengths[heard] * turns))) / (2 * np.pi)
    return off if off > _HIGHEST - 1 else off + 1


def tones(samples: Floats, rate: int, off: float) -> Floats:
    """Measure how loud each tone is, without drums: those are short, and broad in frequency.

    Parameters
    ----------
    samples, rate
        Mono sound.
    off
        Its `tuning`.

    Returns
    -------
    ndarray
        Constant-Q magnitudes [bins, frames], three bins a semitone from C1 up, each `HOP` samples.
    """
    magnitude = np.abs(
        librosa().cqt(
            samples,
            sr=rate,
            hop_length=HOP,
            fmin=librosa().note_to_hz("C1") * 2 ** (off / 12),
            n_bins=_OCTAVES * 12 * _FINENESS,
            bins_per_octave=12 * _FINENESS,
            tuning=0.0,
        )
    )
    held = median_filter(magnitude, (1, 9))
    loud = np.log1p(10 * held / (np.percentile(held, 99) + 1e-9))
    clear: Floats = np.maximum(0, loud - median_filter(loud, (2 * _FINENESS + 1, 1)))
    return clear


def key_of(tones: Floats) -> str:
    """Name the key whose profile correlates best with the tones, and with those of the bass."""
    whole, bass = _chroma(tones), _chroma(tones[: _BASS_OCTAVES * 12 * _FINENESS])
    if whole.std() <= _FLAT * whole.mean():
        return ""
    fits = {
        f"{NAMES[tonic]} {mode}": _correlation(np.roll(profile, tonic), whole)
        + _BASS * _correlation(np.roll(profile, tonic), bass)
        for mode, profile in _PROFILES.items()
        for tonic in range(12)
    }
    return max(fits, key=lambda key: fits[key])


def _correlation(profile: Floats, chroma: Floats) -> float:
    return float(np.corrcoef(profile, chroma)[0, 1]) if chroma.std() else 0.0


def _chroma(tones: Floats) -> Floats:
    """Sum each of the twelve tones over octaves and time; the sum of all is 1."""
    semitone = (np.arange(len(tones)) + _FINENESS // 2) // _FINENESS % 12
    chroma: Floats = np.bincount(semitone, tones.sum(axis=1), 12).astype(np.float64)
    return chroma / (chroma.sum() or 1.0)
