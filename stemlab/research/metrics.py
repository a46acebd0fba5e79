"""How good, and how whole, a separation is."""

from __future__ import annotations

from functools import cache
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from stemlab.errors import need

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

# Names of the BSSEval scores, in museval's order.
BSS = ("bss_sdr", "isr", "sir", "sar")


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
    """Signal-to-distortion ratio, plain and scale-invariant, gathered block by block.

    Both are infinite for a perfect estimate and not a number for a silent reference.

    Examples
    --------
    >>> account = Sdr()
    >>> account.add(np.array([1.0, 2.0]), np.array([0.9, 1.8]))
    >>> round(account.value, 1), account.scale_invariant > 100
    (20.0, True)
    """

    def __init__(self) -> None:
        self._signal = 0.0
        self._estimate = 0.0
        self._both = 0.0
        self._distortion = 0.0

    def add(self, reference: NDArray[Any], estimate: NDArray[Any]) -> None:
        """Take account of one block of both, of the same shape."""
        self._signal += energy(reference)
        self._estimate += energy(estimate)
        self._both += float(np.sum(np.multiply(reference, estimate, dtype=np.float64)))
        self._distortion += energy(np.subtract(reference, estimate, dtype=np.float64))

    @property
    def value(self) -> float:
        """``10·log10 Σs² / Σ(s − ŝ)²`` so far, in dB.

        The plain SDR of the Music Demixing Challenge (Mitsufuji et al., 2022): no filter or gain is
        forgiven.
        """
        return _ratio(self._signal, self._distortion, self._signal)

    @property
    def scale_invariant(self) -> float:
        """``10·log10 Σ(gs)² / Σ(gs − ŝ)²`` so far, in dB, where ``g = Σsŝ / Σs²``.

        A wrong level is forgiven (Le Roux et al., "SDR – half-baked or well done?", 2019).
        """
        target = self._both**2 / self._signal if self._signal else 0.0
        return _ratio(target, max(0.0, self._estimate - target), self._signal)


def _ratio(target: float, distortion: float, reference: float) -> float:
    if not reference:
        return float("nan")
    if not target:
        return float("-inf")
    return decibels(target / distortion) if distortion else float("inf")


def sdr(reference: NDArray[Any], estimate: NDArray[Any]) -> float:
    """Return the plain signal-to-distortion ratio of whole signals in dB; see `Sdr`."""
    account = Sdr()
    account.add(reference, estimate)
    return account.value


def bss_eval(
    references: NDArray[np.floating[Any]], estimates: NDArray[np.floating[Any]], rate: int
) -> list[dict[str, float]]:
    """Return the BSSEval v4 scores of each stem in dB, as `museval` defines and reports them.

    The median over windows of one second; filters of 512 samples are forgiven (Stöter, Liutkus and
    Ito, "The 2018 Signal Separation Evaluation Campaign", 2018). It takes far longer than any
    separation, some seconds and 100 MB a stem for ten seconds of sound.

    Parameters
    ----------
    references, estimates
        [stems, samples, channels].
    rate
        Samples per second.

    Returns
    -------
    For each stem ``bss_sdr``, ``isr`` (spatial distortion), ``sir`` (interference) and ``sar``
    (artefacts); not a number where the reference or the estimate is silent.

    Raises
    ------
    SettingError
        If museval is not installed.
    """
    need("museval", "SIR and SAR need museval", "research")
    heard = [i for i, pair in enumerate(zip(references, estimates, strict=True)) if _audible(*pair)]
    scores = [dict.fromkeys(BSS, float("nan")) for _ in references]
    if heard:
        measured = museval_metrics().bss_eval
        *windows, _ = measured(references[heard], estimates[heard], window=rate, hop=rate)
        for i, values in zip(heard, np.stack(windows, 1), strict=True):
            scores[i] = {name: _median(v) for name, v in zip(BSS, values, strict=True)}
    return scores


@cache
def museval_metrics() -> Any:
    """Return museval's module of measures, without the package around it.

    On import the package looks for the program ffmpeg, which the measures do not need, and fails
    where there is none.
    """
    package = find_spec("museval")
    found = PathFinder.find_spec("metrics", package.submodule_search_locations if package else [])
    if found is None or found.loader is None:
        raise ImportError("museval has no module metrics")
    module = module_from_spec(found)
    found.loader.exec_module(module)
    return module


def _audible(*signals: NDArray[Any]) -> bool:
    # museval calls silent what its channels cancel out to.
    return all(bool(signal.sum(-1).any()) for signal in signals)


def _median(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else float("nan")


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
