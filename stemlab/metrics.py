"""How good, and how whole, a separation is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray


def decibels(ratio: float) -> float:
    """Return a ratio of powers in dB, −inf for 0.

    Examples
    --------
    >>> round(decibels(2), 2)
    3.01
    """
    return float(10 * np.log10(ratio)) if ratio > 0 else float("-inf")


def energy(signal: NDArray[Any]) -> float:
    """Return the sum of squares in float64."""
    return float(np.sum(np.square(signal, dtype=np.float64)))


class Sdr:
    """Signal-to-distortion ratio, ``10·log10 Σs² / Σ(s − ŝ)²``, gathered block by block.

    The plain SDR of the Music Demixing Challenge (Mitsufuji et al., 2022): no filter or gain is
    forgiven. Infinite for a perfect estimate, −inf for any estimate of silence.

    Examples
    --------
    >>> account = Sdr()
    >>> account.add(np.ones(10), np.full(10, 0.9))
    >>> round(account.value, 1)
    20.0
    """

    def __init__(self) -> None:
        self._signal = 0.0
        self._distortion = 0.0

    def add(self, reference: NDArray[Any], estimate: NDArray[Any]) -> None:
        """Take account of one block of both, of the same shape."""
        self._signal += energy(reference)
        self._distortion += energy(np.subtract(reference, estimate, dtype=np.float64))

    @property
    def value(self) -> float:
        """The ratio so far, in dB."""
        if self._distortion == 0:
            return float("inf")
        return decibels(self._signal / self._distortion)


def sdr(reference: NDArray[Any], estimate: NDArray[Any]) -> float:
    """Return the signal-to-distortion ratio of whole signals in dB; see `Sdr`."""
    account = Sdr()
    account.add(reference, estimate)
    return account.value


def conservation(mix: NDArray[Any], stems: Iterable[NDArray[Any]]) -> float:
    """Return by how many dB what the stems lack or add lies below the mix; −inf if they sum to it.

    Examples
    --------
    >>> conservation(np.ones(4), [np.full(4, 0.5), np.full(4, 0.5)])
    -inf
    """
    total = sum(np.asarray(stem, np.float64) for stem in stems)
    residual = energy(mix - total)
    return decibels(residual / energy(mix)) if residual else float("-inf")
