"""Exercises of the lesson on masks: each takes an answer and says why it is right or not yet."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.signal import get_window

from stemlab.labs.coarse import try_bits
from stemlab.research.metrics import sdr

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from stemlab.labs.excerpt import Excerpt

RATE = 44_100
# So deep must the valley between two tones be, in dB, for them to be two on the picture.
VALLEY = 3.0
# A loss of SDR that hardly anyone hears, in dB.
HARDLY = 0.2
# Sums of masks may be off by so much, in cells that are above so much of the loudest.
NEAR, LOUD = 0.01, 1e-3


@dataclass(frozen=True)
class Verdict:
    """Whether an answer is right, and why."""

    right: bool
    why: str

    def __str__(self) -> str:
        return f"{'✔ Right.' if self.right else '✘ Not yet.'} {self.why}"

    def _repr_html_(self) -> str:
        return f"<p style='font-size: 15px'><b>{escape(str(self))}</b></p>"


def shortest_window(window: Any, low: float = 440.0, high: float = 466.16) -> Verdict:
    """Check which power of two is the shortest window that shows two tones apart.

    Parameters
    ----------
    window
        The answer, in samples at 44 100 Hz.
    low, high
        The tones, in Hz.

    Examples
    --------
    >>> print(shortest_window(2048))
    ✘ Not yet. With 2048 samples, 46 ms, the level between the tones does not dip; they are two ...
    """
    if not isinstance(window, int) or window < 2 or window & (window - 1):  # noqa: PLR2004
        return Verdict(
            False, "Answer with a power of two, such as 1024: the FFT is fastest with these."
        )
    dip = valley(window, low, high)
    between = f"dips by {dip:.0f} dB" if dip > 0 else "does not dip"
    facts = (
        f"With {window} samples, {1000 * window / RATE:.0f} ms, the level between the tones "
        f"{between}; they are two from {VALLEY:.0f} dB on"
    )
    if dip < VALLEY:
        return Verdict(False, f"{facts}: they merge into one. Choose a longer window.")
    if valley(window // 2, low, high) >= VALLEY:
        return Verdict(
            False, f"{facts}, which is more than enough. Half the window is enough, too."
        )
    return Verdict(True, f"{facts}. Half of it would merge them into one; twice smears time.")


def heard_pitch(hertz: Any) -> Verdict:
    """Check which pitch one hears whose lines in the picture lie at 660, 880 and 1100 Hz.

    Examples
    --------
    >>> print(heard_pitch(660))
    ✘ Not yet. 660 Hz is the lowest line, but 880 is no multiple of it. Which tone has all three ...
    """
    lines = (660, 880, 1100)
    if not isinstance(hertz, (int, float)) or hertz <= 0:
        return Verdict(False, "Answer with a frequency in Hz, such as 660.")
    misses = [line for line in lines if line % hertz]
    if not misses and hertz == 220:  # noqa: PLR2004 - the answer
        return Verdict(
            True,
            "They are the third, fourth and fifth multiple of 220 Hz, its overtones. The ear hears "
            "the pitch of the stack, even where its lowest line is missing, as on a telephone.",
        )
    if not misses:
        return Verdict(False, f"All are multiples of {hertz:g} Hz, but also of a higher tone.")
    first = "is the lowest line, but" if hertz == lines[0] else "does not fit:"
    return Verdict(
        False,
        f"{hertz:g} Hz {first} {misses[0]} is no multiple of it. Which tone has all three among "
        "its overtones?",
    )


def valley(window: int, low: float, high: float) -> float:
    """Return by how many dB the level between two tones dips below the weaker one."""
    time = np.arange(window) / RATE
    sound = np.sin(2 * np.pi * low * time) + np.cos(2 * np.pi * high * time)
    padded = np.fft.rfft(sound * get_window("hann", window), 16 * max(window, 4096))
    level = 20 * np.log10(np.abs(padded) + 1e-9)
    places = np.rint(np.array([low, (low + high) / 2, high]) * 2 * (len(level) - 1) / RATE)
    at_low, between, at_high = level[places.astype(int)]
    return float(min(at_low, at_high) - between)


def mask_function(
    function: Callable[[NDArray[np.float32], NDArray[np.float32]], Any],
    excerpt: Excerpt,
    stem: str = "vocals",
) -> Verdict:
    """Check a student's mask: a function of the magnitudes of a stem and of the rest.

    Parameters
    ----------
    function
        Takes two arrays [frames, bins, 2] and returns the mask of the first.
    excerpt, stem
        What it is tried on.
    """
    own, rest = (np.abs(part) for part in np.moveaxis(excerpt.against_rest(stem), -1, 0))
    try:
        with np.errstate(all="ignore"):
            mask, other = (np.asarray(function(*pair)) for pair in ((own, rest), (rest, own)))
    except Exception as error:  # noqa: BLE001 - whatever a student's code does
        return Verdict(False, f"Your function stopped: {error!r}.")
    if wrong := fault(mask, own.shape):
        return Verdict(False, wrong)
    target = excerpt.stems[stem]
    found = sdr(target, excerpt.sound(mask * excerpt.spectrum))
    wiener = excerpt.sound(own**2 / (own**2 + rest**2 + 1e-9) * excerpt.spectrum)
    if found < (sdr(target, excerpt.mix) + sdr(target, wiener)) / 2:
        why = f"SDR {found:.1f} dB is little. Does your mask ask which of the two is louder?"
        return Verdict(False, why.replace("-", "−"))
    loud = own + rest > LOUD * (own + rest).max()
    away = float(np.abs(mask + other - 1)[loud].max())
    if away > NEAR:
        why = f"your masks of stem and rest sum to 1 only within {away:.2f}: they lose or add sound"
        return Verdict(False, f"SDR {found:.1f} dB, but {why}.")
    return Verdict(True, f"SDR {found:.1f} dB, and your masks of stem and rest sum to 1.")


def fault(mask: NDArray[Any], shape: tuple[int, ...]) -> str:
    """Return what keeps an array from being a mask, or nothing."""
    if mask.shape != shape:
        return f"A mask needs a value for each cell: {list(shape)}, not {list(mask.shape)}."
    if not np.isfinite(mask).all():
        return "Some values are not numbers: where both are silent, 0 is divided by 0. Add 1e-9."
    low, high = float(mask.min()), float(mask.max())
    if low < 0 or high > 1 + NEAR:
        values = f"Values go from {low:.2f} to {high:.2f}".replace("-", "−")
        return f"{values}: a mask keeps a share, between 0 and 1."
    return ""


def half_fader(decibels: Any) -> Verdict:
    """Check by how many dB a stem falls whose fader stands at a half.

    Examples
    --------
    >>> print(half_fader(-6))
    ✔ Right. 20·log10(0.5) = −6.02 dB: half the amplitude, a quarter of the energy.
    """
    try:
        answer = -abs(float(decibels))
    except (TypeError, ValueError):
        return Verdict(False, "Answer with a number, such as -1.5.")
    if abs(answer + 6.02) < 0.1:  # noqa: PLR2004 - rounded answers count
        why = "20·log10(0.5) = −6.02 dB: half the amplitude, a quarter of the energy."
        return Verdict(True, why)
    if abs(answer + 3.01) < 0.1:  # noqa: PLR2004
        return Verdict(False, "−3 dB is half the energy; a fader halves the amplitude.")
    return Verdict(False, "A fader multiplies the amplitude; in decibels that is 20·log10(factor).")


def best_phase(answer: Any, excerpt: Excerpt, stem: str = "vocals") -> Verdict:
    """Check which phase, of those that need no true stem, gives the best SDR.

    Parameters
    ----------
    answer
        ``"mixture"``, ``"zero"`` or ``"random"``.
    excerpt, stem
        What it is measured on.
    """
    size = np.abs(excerpt.spectra[stem])
    noise = np.random.default_rng(0).uniform(-np.pi, np.pi, size.shape)
    angles = {"mixture": np.angle(excerpt.spectrum), "zero": np.zeros_like(size), "random": noise}
    if answer not in angles:
        return Verdict(False, f'Answer with one of "{", ".join(angles)}".')
    found = {
        name: sdr(excerpt.stems[stem], excerpt.sound((size * np.exp(1j * a)).astype(np.complex64)))
        for name, a in angles.items()
    }
    listed = ", ".join(f"{name} {value:.1f} dB" for name, value in found.items())
    if answer == max(found, key=found.__getitem__):
        why = "Where a stem is loud the mixture's phase is nearly its own."
        return Verdict(True, f"{listed.replace('-', '−')}. {why}")
    return Verdict(
        False, f"It has {found[answer]:.1f} dB".replace("-", "−") + "; another has more."
    )


def fewest_bits(bits: Any, excerpt: Excerpt, stem: str = "vocals") -> Verdict:
    """Check how few bits a weight may have before a stem loses 0.2 dB of SDR."""
    if not isinstance(bits, int) or not 2 <= bits <= 8:  # noqa: PLR2004 - what step 10 offers
        return Verdict(False, "Answer with a whole number from 2 to 8.")
    full = try_bits(excerpt, 8).sdr[stem]

    def change(count: int) -> float:
        return try_bits(excerpt, count).sdr[stem] - full

    facts = f"With {bits} bits the SDR changes by {_signed(change(bits))} dB"
    if change(bits) < -HARDLY:
        return Verdict(False, f"{facts}. Each bit less doubles the step size.")
    if bits > 2 and change(bits - 1) >= -HARDLY:  # noqa: PLR2004
        return Verdict(False, f"{facts}, with {bits - 1} by only {_signed(change(bits - 1))} dB.")
    return Verdict(True, f"{facts}; with one bit less the loss is more than {HARDLY} dB.")


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")
