"""Short-time Fourier transform: analysis and synthesis, whole or block by block."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from stemlab.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Samples: TypeAlias = NDArray[np.float32]
Spectrum: TypeAlias = NDArray[np.complex64]
Window: TypeAlias = str | tuple[Any, ...]

# Frames transformed at once: their working set stays in the cache.
BATCH = 64
# Below this ratio of weakest to strongest overlap, float32 no longer reconstructs.
NOLA_FLOOR = 1e-4
# So much may a sum of float32 windows vary that is constant on paper.
CONSTANT = 1e-5
# Periodic windows of the shipped models; scipy.signal, which knows all, takes 48 MB.
_USUAL: dict[str, Callable[[int], NDArray[np.float64]]] = {
    "hann": lambda length: np.hanning(length + 1)[:-1],
    "cosine": lambda length: np.sin(np.pi * (np.arange(length) + 0.5) / (length + 1)),
}


@dataclass(frozen=True)
class Stft:
    """A pair of transforms that gives back what it was given.

    Frame i starts at sample ``i·hop − (n_fft − hop)``, so that each sample lies in all the frames
    it can lie in and the sum of squared windows repeats every `hop` samples. Synthesis is the
    weighted overlap-add of Griffin and Lim (1984), the least-squares inverse for a spectrum that
    was changed: ``x[n] = Σ w[n−t]·y_t[n−t] / Σ w²[n−t]``.

    A sample is final when the last frame it lies in is complete, so the delay is the length of the
    window. For a shorter one, `synthesis` makes the pair asymmetric: the analysis window keeps its
    length, hence its resolution, rises slowly and falls fast; the synthesis window covers only the
    newest `synthesis` samples of each frame, and is such that the product of both is the squared
    window of that length, which overlaps to the same sum as before (Mauler and Martin, "A low
    delay, variable resolution, perfect reconstruction spectral analysis-synthesis system for speech
    enhancement", 2007; theirs is the window ``"cosine"`` here).

    Parameters
    ----------
    n_fft
        Length of analysis window and transform, in samples.
    hop
        Step from frame to frame, in samples.
    window
        Any window that `scipy.signal.get_window` knows, such as ``"hann"`` or ``("kaiser", 8.6)``.
    synthesis
        Length of the synthesis window, in samples; by default that of the analysis window.

    Raises
    ------
    SettingError
        If the window is unknown, the hop is longer than the window, or the overlapped windows
        leave samples that cannot be reconstructed (the NOLA condition); or if the synthesis window
        is longer than the analysis window, or less than two samples.

    Examples
    --------
    >>> stft = Stft(1024, 256)
    >>> noise = np.random.default_rng(0).standard_normal((5000, 2), dtype=np.float32)
    >>> spectrum = stft.analyse(noise)
    >>> spectrum.shape
    (23, 513, 2)
    >>> bool(np.allclose(stft.synthesise(spectrum, 5000), noise, atol=1e-5))
    True
    >>> quick = Stft(1024, 64, synthesis=256)  # as sharp, and four times as soon
    >>> bool(np.allclose(quick.synthesise(quick.analyse(noise), 5000), noise, atol=1e-5))
    True
    """

    n_fft: int = 4096
    hop: int = 1024
    window: Window = "hann"
    synthesis: int | None = None

    def __post_init__(self) -> None:
        """Refuse a pair of window and hop that cannot reconstruct."""
        if self.n_fft < 2 or self.hop < 1:  # noqa: PLR2004 - the shortest transform with a bin
            raise SettingError(
                f"n_fft {self.n_fft} and hop {self.hop}: n_fft must be 2 or more, the hop 1 or more"
            )
        if not 2 <= self.delay <= self.n_fft:  # noqa: PLR2004 - it rises and it falls
            raise SettingError(
                f"synthesis window of {self.synthesis} samples: choose 2 to {self.n_fft}, "
                "the length of the analysis window"
            )
        if self.hop > self.delay:
            raise SettingError(
                f"hop {self.hop} is longer than the window of {self.delay} samples: "
                "samples between the windows would be lost; choose a shorter hop"
            )
        if not self.evenness > NOLA_FLOOR:
            raise SettingError(
                f"window {self.window!r} of {self.delay} samples with hop {self.hop} cannot "
                "reconstruct (NOLA): some samples lie only under the window's zeros; "
                "choose a shorter hop"
            )

    @property
    def bins(self) -> int:
        """Number of frequency bins, n_fft // 2 + 1."""
        return self.n_fft // 2 + 1

    @property
    def evenness(self) -> float:
        """Weakest to strongest sum of overlapped squared windows: 1 is constant, 0 loses samples.

        Above 0 the transform reconstructs (NOLA, nonzero overlap-add). At 1 (COLA, constant
        overlap-add) errors of the masks weigh alike at all places in a hop. See
        `scipy.signal.check_NOLA` and `check_COLA`; the window is squared since it is applied twice.
        """
        return float(self._overlap.min() / self._overlap.max())

    @property
    def cola(self) -> bool:
        """Whether the overlapped squared windows are constant, to float32."""
        return self.evenness > 1 - CONSTANT

    @property
    def lead(self) -> int:
        """Samples by which the first frame starts before the sound: n_fft − hop."""
        return self.n_fft - self.hop

    @property
    def delay(self) -> int:
        """Samples from a sample's coming to its going out: the length of the synthesis window."""
        return self.n_fft if self.synthesis is None else self.synthesis

    def frames(self, length: int) -> int:
        """Return the number of frames that a sound of `length` samples is made of again."""
        return -(-(length + self.delay - self.hop) // self.hop) if length else 0

    def centre(self, frame: NDArray[np.float64] | float) -> Any:
        """Return the sample at the middle of a frame's synthesis window."""
        return (frame + 1) * self.hop - self.delay / 2

    def analyse(self, samples: Samples) -> Spectrum:
        """Transform a whole sound [samples, channels] to [frames, bins, channels]."""
        analyser = Analyser(self)
        return np.concatenate([analyser.push(samples), analyser.flush()])

    def synthesise(self, spectrum: NDArray[np.complexfloating[Any, Any]], length: int) -> Samples:
        """Transform [frames, bins, …] back to the first `length` samples, [length, …]."""
        return Synthesiser(self).push(spectrum)[:length]

    def analyser(self, before: Samples | None = None) -> Analyser:
        """Return a block-by-block analysis; `before` [n, channels] precedes its first sample."""
        return Analyser(self, before)

    def synthesiser(self) -> Synthesiser:
        """Return a block-by-block synthesis that starts at frame 0."""
        return Synthesiser(self)

    @cached_property
    def taper(self) -> NDArray[np.float32]:
        """The analysis window, [n_fft]; periodic, unless it is asymmetric."""
        if self.synthesis is None:
            return self._made(self.n_fft).astype(np.float32)
        fall = self.delay // 2
        rising = self._made(2 * (self.n_fft - fall))[: self.n_fft - fall]
        falling = self._made(self.delay)[self.delay - fall :]
        whole: NDArray[np.float32] = np.concatenate([rising, falling], dtype=np.float32)
        return whole

    @cached_property
    def synthesis_taper(self) -> NDArray[np.float32]:
        """The synthesis window, [synthesis]: what makes of the analysis window the product."""
        if self.synthesis is None:
            return self.taper
        analysis = self.taper[-self.delay :].astype(np.float64)
        product = self._made(self.delay) ** 2
        quotient = np.zeros(self.delay)
        np.divide(product, analysis, out=quotient, where=analysis > 0)
        return quotient.astype(np.float32)

    @cached_property
    def weight(self) -> NDArray[np.float32]:
        """The synthesis window over the sum of the overlapped products of both, [synthesis]."""
        overlap = np.resize(self._overlap, self.delay)
        weight: NDArray[np.float32] = (self.synthesis_taper / overlap).astype(np.float32)
        return weight

    def _made(self, length: int) -> NDArray[np.float64]:
        """Return the periodic window of a length."""
        if isinstance(self.window, str) and self.window in _USUAL:
            return _USUAL[self.window](length)
        from scipy.signal import get_window

        try:
            made: NDArray[np.float64] = get_window(self.window, length).astype(np.float64)
        except (ValueError, TypeError) as error:
            raise SettingError(
                f"window {self.window!r} cannot be made: {error}; "
                "name one that scipy.signal.get_window knows"
            ) from error
        return made

    @cached_property
    def _overlap(self) -> NDArray[np.float64]:
        """Sum over one hop of the overlapped products of both windows, [hop]."""
        periods = -(-self.delay // self.hop)
        product = np.zeros(periods * self.hop)
        analysis = self.taper[-self.delay :].astype(np.float64)
        product[: self.delay] = analysis * self.synthesis_taper
        total: NDArray[np.float64] = product.reshape(periods, self.hop).sum(0)
        return total


def beside(spectra: Sequence[Spectrum]) -> Spectrum:
    """Put the spectra of stems, each [frames, bins, channels], side by side on a last axis.

    In memory they stay one behind the other: sums over stems then take a tenth of the time.

    Examples
    --------
    >>> beside([Stft().analyse(np.zeros((44_100, 2), np.float32))] * 4).shape
    (47, 2049, 2, 4)
    """
    rows: Spectrum = np.stack([spectrum.swapaxes(1, 2) for spectrum in spectra])
    return np.moveaxis(rows, 0, -1).swapaxes(1, 2)


class Analyser:
    """Samples in, block by block; frames out as soon as they are complete."""

    def __init__(self, stft: Stft, before: Samples | None = None) -> None:
        self._stft = stft
        self._tail = None if before is None else self._lead_in(before)
        self._pushed = 0
        self._frames = 0

    def push(self, samples: Samples) -> Spectrum:
        """Take [n, channels]; return the frames that this completes, [frames, bins, channels]."""
        if self._tail is None:
            self._tail = self._lead_in(samples[:0])
        self._pushed += len(samples)
        joined = np.concatenate([self._tail, samples])
        count = max(0, (len(joined) - self._stft.lead) // self._stft.hop)
        self._frames += count
        self._tail = joined[count * self._stft.hop :]
        return self._transform(joined, count)

    def flush(self) -> Spectrum:
        """Return the frames that reach beyond the end, as if silence followed."""
        if self._tail is None:
            return np.zeros((0, self._stft.bins, 2), np.complex64)
        missing = self._stft.frames(self._pushed) - self._frames
        silence = np.zeros((missing * self._stft.hop, *self._tail.shape[1:]), np.float32)
        return self._transform(np.concatenate([self._tail, silence]), missing)

    def _lead_in(self, before: Samples) -> Samples:
        """Return the `lead` samples that the first frame reaches back to, silence if unknown."""
        known = before[max(0, len(before) - self._stft.lead) :]
        return np.pad(known, ((self._stft.lead - len(known), 0), *[(0, 0)] * (known.ndim - 1)))

    def _transform(self, samples: Samples, count: int) -> Spectrum:
        stft = self._stft
        spectrum = np.empty((count, samples.shape[1], stft.bins), np.complex64)
        channels = np.ascontiguousarray(samples.T)
        for start in range(0, count, BATCH):
            stop = min(start + BATCH, count)
            piece = channels[:, start * stft.hop : (stop - 1) * stft.hop + stft.n_fft]
            views = np.lib.stride_tricks.sliding_window_view(piece, stft.n_fft, axis=1)
            frames = views[:, :: stft.hop].swapaxes(0, 1)
            spectrum[start:stop] = scipy.fft.rfft(frames * stft.taper)
        return np.moveaxis(spectrum, 1, 2)


class Synthesiser:
    """Frames in, block by block; samples out as soon as no later frame can change them.

    The `Stft.frames(length)` frames of a sound give `length` samples and a few beyond its end.
    """

    def __init__(self, stft: Stft) -> None:
        self._stft = stft
        self._skip = self._reach = stft.delay - stft.hop
        self._tail: Samples | None = None

    def push(self, spectrum: NDArray[np.complexfloating[Any, Any]]) -> Samples:
        """Take [frames, bins, …]; return the samples that are final now, [n, …]."""
        stft, count = self._stft, len(spectrum)
        rows = np.moveaxis(spectrum, 1, -1)
        total = np.zeros((*rows.shape[1:-1], count * stft.hop + self._reach), np.float32)
        if self._tail is not None:
            total[..., : self._reach] = self._tail
        for first in range(0, count, BATCH):
            whole = scipy.fft.irfft(rows[first : first + BATCH], stft.n_fft)
            frames = whole[..., -stft.delay :]
            frames *= stft.weight
            for start, frame in enumerate(frames, first):
                total[..., start * stft.hop : start * stft.hop + stft.delay] += frame
        self._tail = total[..., count * stft.hop :].copy()
        samples = np.moveaxis(total[..., : count * stft.hop], -1, 0)
        skipped = min(self._skip, len(samples))
        self._skip -= skipped
        return samples[skipped:]
