"""Effects on stereo sound ``float32 [2, samples]``: filters, rooms, echoes, drive, dynamics.

Channels come first here, for then every filter and gain runs along contiguous memory.
Gains that change are laid out once per frame of `HOP` samples and interpolated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import scipy.fft
from scipy import ndimage, signal

if TYPE_CHECKING:
    from collections.abc import Callable

RATE = 44_100
HOP = 64
"""Samples between two values of a gain that follows the sound."""
WINDOW = 1024
"""Samples of the short-time spectra in which moving filters are applied."""

EARLY, DENSITY = 0.02, 0.03
"""Seconds of a room's early reflections, and the share of their samples that sound."""
INAUDIBLE = 1e-4
"""Of its greatest power, below which a sound counts as silent."""

Sound = npt.NDArray[np.float32]
Curve = npt.NDArray[np.floating[Any]]
Ratio = npt.NDArray[np.float32]
Response = npt.NDArray[np.complex64]


def highpass(sound: Sound, hz: float, order: int = 2) -> Sound:
    """Remove what lies below `hz` (Butterworth)."""
    return _filter(sound, signal.butter(order, hz, "highpass", fs=RATE, output="sos"))


def lowpass(sound: Sound, hz: float, order: int = 2) -> Sound:
    """Remove what lies above `hz` (Butterworth)."""
    return _filter(sound, signal.butter(order, hz, "lowpass", fs=RATE, output="sos"))


def bandpass(sound: Sound, low: float, high: float, order: int = 1) -> Sound:
    """Keep what lies between `low` and `high` hertz (Butterworth)."""
    return _filter(sound, signal.butter(order, [low, high], "bandpass", fs=RATE, output="sos"))


def bell(sound: Sound, hz: float, db: float, q: float = 0.8) -> Sound:
    """Raise or lower the band around `hz` (R. Bristow-Johnson's equaliser cookbook)."""
    omega = 2 * np.pi * hz / RATE
    gain, alpha = 10 ** (db / 40), np.sin(omega) / (2 * q)
    numerator = [1 + alpha * gain, -2 * np.cos(omega), 1 - alpha * gain]
    denominator = [1 + alpha / gain, -2 * np.cos(omega), 1 - alpha / gain]
    return _filter(sound, signal.tf2sos(numerator, denominator))


def _filter(sound: Sound, sos: Any) -> Sound:
    return signal.sosfilt(np.asarray(sos, np.float32), sound).astype(np.float32, copy=False)


def sweep(sound: Sound, hz: Curve, resonance: float = 1.0, kind: str = "lowpass") -> Sound:
    """Filter by a resonant two-pole whose corner follows `hz`, a curve over the sound's length.

    The frequency response of the analogue filter, ``1 / (1 + jx/Q − x²)`` at ``x = f / corner``,
    multiplies short-time spectra.
    """

    def response(x: Ratio) -> Response:
        passed = {"lowpass": np.ones_like(x), "highpass": -x * x, "bandpass": 1j * x}[kind]
        return np.asarray(passed / (1 - x * x + 1j * x / resonance), np.complex64)

    return _moving(sound, hz, response)


def phaser(sound: Sound, hz: Curve, stages: int = 4) -> Sound:
    """Mix the sound with itself through `stages` all-passes whose corner follows `hz`."""

    def response(x: Ratio) -> Response:
        return np.asarray(0.5 + 0.5 * ((1 - 1j * x) / (1 + 1j * x)) ** stages, np.complex64)

    return _moving(sound, hz, response)


def _moving(
    sound: Sound,
    hz: Curve,
    response: Callable[[Ratio], Response],
) -> Sound:
    hop, length = WINDOW // 2, sound.shape[-1]
    count = length // hop + 2
    padded = np.zeros((*sound.shape[:-1], (count + 1) * hop), np.float32)
    padded[..., hop : hop + length] = sound
    window = np.sqrt(signal.windows.hann(WINDOW, sym=False)).astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW, -1)[..., ::hop, :]
    spectra = scipy.fft.rfft(frames * window)
    corner = np.interp(np.linspace(0, 1, count), np.linspace(0, 1, len(hz)), hz)
    bins = np.fft.rfftfreq(WINDOW, 1 / RATE)
    ratio = (bins / np.clip(corner, 20, 20_000)[:, None]).astype(np.float32)
    spectra *= response(ratio)
    pieces = scipy.fft.irfft(spectra).astype(np.float32) * window
    out = np.zeros_like(padded)
    halves = out.reshape(*out.shape[:-1], count + 1, hop)
    halves[..., :-1, :] += pieces[..., :hop]
    halves[..., 1:, :] += pieces[..., hop:]
    return out[..., hop : hop + length]


def room(
    rng: np.random.Generator, seconds: float, bright: float = 0.5, predelay: float = 0.0
) -> Sound:
    """Make a room's impulse response: noise that dies by 60 dB in `seconds`, highs sooner.

    The first moments are sparse, as early reflections are (Moorer 1979).
    """
    samples = round(1.1 * seconds * RATE)
    time = np.arange(samples, dtype=np.float32) / RATE
    noise = rng.standard_normal((2, samples), np.float32)
    noise[:, (time < EARLY) & (rng.random(samples) > DENSITY)] = 0
    low, middle = lowpass(noise, 800), lowpass(noise, 4000)
    bands = ((low, 1.0), (middle - low, 0.5 + bright / 2), (noise - middle, bright))
    tail = sum(band * np.exp(-6.91 / (seconds * share) * time) for band, share in bands)
    tail = highpass(np.pad(tail, ((0, 0), (round(predelay * RATE), 0))), 120)
    return np.asarray(tail / np.sqrt(np.sum(tail**2, axis=1, keepdims=True)), np.float32)


def reverb(sound: Sound, response: Sound) -> Sound:
    """Return the room's answer alone, about as loud as the sound."""
    answer = signal.oaconvolve(sound, response, axes=-1)[:, : sound.shape[1]]
    return answer.astype(np.float32, copy=False)


def echo(sound: Sound, seconds: float, feedback: float, wet: float, *, cross: bool) -> Sound:
    """Add dark echoes, from ear to ear where `cross`."""
    step = round(seconds * RATE)
    out, tap = sound.copy(), lowpass(sound, 5000, 1) * np.float32(wet)
    for turn in range(1, 7):
        if turn * step >= sound.shape[1]:
            break
        tap = tap[::-1] if cross else tap
        out[:, turn * step :] += tap[:, : sound.shape[1] - turn * step]
        tap *= np.float32(feedback)
    return out


def chorus(sound: Sound, hz: float, depth: float, wet: float = 0.7) -> Sound:
    """Add a copy whose delay swings by `depth` seconds, in each ear at another phase."""
    samples = sound.shape[1]
    time = np.arange(samples, dtype=np.float32)
    out = sound.copy()
    for ear, phase in enumerate((0.0, 1.7)):
        delay = RATE * (0.004 + depth * (1 + np.sin(2 * np.pi * hz / RATE * time + phase)))
        place = np.maximum(time - delay, 0)
        whole = place.astype(np.int32)
        part = (place - whole).astype(np.float32)
        line = sound[ear]
        out[ear] += wet * (
            line[whole] * (1 - part) + line[whole + 1 - (whole + 1 >= samples)] * part
        )
    return out


def drive(sound: Sound, gain: float, kind: str = "tanh") -> Sound:
    """Distort a sound whose peak counts as 1; the level stays near what it was."""
    level = np.float32(np.abs(sound).max() + 1e-9)
    pushed = sound * np.float32(gain / level)
    if kind == "hard":
        pushed = np.clip(pushed, -1, 1)
    elif kind == "tube":
        pushed = np.tanh(pushed + np.float32(0.3)) - np.tanh(np.float32(0.3))
    elif kind == "fold":
        pushed = np.sin(pushed * np.float32(1.6))
    else:
        pushed = np.tanh(pushed)
    before, after = np.sqrt(np.mean(sound**2)), np.sqrt(np.mean(pushed**2))
    return np.asarray(pushed * np.float32(before / (after + 1e-9)), np.float32)


def crush(sound: Sound, bits: int, hold: int) -> Sound:
    """Round to `bits` and hold every `hold`-th sample."""
    level = np.float32(np.abs(sound).max() / 2 ** (bits - 1) + 1e-9)
    held = np.repeat(sound[:, ::hold], hold, axis=1)[:, : sound.shape[1]]
    return np.asarray(np.round(held / level) * level, np.float32)


def haas(sound: Sound, milliseconds: float) -> Sound:
    """Delay the right ear: wide, not louder."""
    shift = round(milliseconds / 1000 * RATE)
    out = sound.copy()
    out[1, shift:] = sound[1, : sound.shape[1] - shift]
    out[1, :shift] = 0
    return out


def width(sound: Sound, amount: float) -> Sound:
    """Scale the difference between the ears: 0 is mono, 1 leaves it."""
    middle = sound.mean(axis=0)
    return np.asarray(middle + np.float32(amount) * (sound - middle), np.float32)


def mono_below(sound: Sound, hz: float) -> Sound:
    """Take the difference between the ears away below `hz`."""
    side = highpass((sound[:1] - sound[1:]) / 2, hz)
    middle = (sound[:1] + sound[1:]) / 2
    return np.concatenate([middle + side, middle - side])


def compression(sound: Sound, db: float, ratio: float, attack: float, release: float) -> Curve:
    """Compute a compressor's gain for each frame; `db` lies above the sound's RMS.

    The gain falls and rises with the time constants `attack` and `release`, in seconds.
    """
    power = _frames(sound**2).mean(axis=-1)
    loud = 10 * np.log10(power + 1e-9)
    threshold = 10 * np.log10(power[power >= INAUDIBLE * power.max()].mean() + 1e-9) + db
    wanted = (np.maximum(loud - threshold, 0) * (1 / ratio - 1)).tolist()
    fall, rise = (1 - float(np.exp(-HOP / RATE / each)) for each in (attack, release))
    now, gains = 0.0, []
    for aim in wanted:
        now += (fall if aim < now else rise) * (aim - now)
        gains.append(now)
    return 10 ** (np.asarray(gains) / 20)


def limiting(sound: Sound, ceiling: float) -> Curve:
    """Compute the gain for each frame that keeps peaks under `ceiling`, looking 6 ms ahead."""
    need = np.minimum(1, ceiling / (_frames(np.abs(sound)).max(axis=-1) + 1e-9))
    return ndimage.uniform_filter1d(ndimage.minimum_filter1d(need, 9), 7)


def ducking(samples: int, times: list[float], depth: float, release: float) -> Curve:
    """Compute the gain of a side chain that falls at each of `times` and comes back."""
    gain = np.ones(samples // HOP + 1)
    shape = np.arange(round(1.5 * release * RATE / HOP)) / (release * RATE / HOP)
    dip = 1 - depth * np.clip(1 - shape, 0, 1) ** 1.5
    for time in times:
        start = round(time * RATE / HOP)
        piece = gain[start : start + len(dip)]
        np.minimum(piece, dip[: len(piece)], out=piece)
    return gain


def apply(sound: Sound, gain: Curve) -> Sound:
    """Multiply by a gain laid out per frame."""
    steps = np.append(gain, gain[-1]).astype(np.float32)[:, None]
    ramp = np.arange(HOP, dtype=np.float32) / HOP
    curve = (steps[:-1] + ramp * np.diff(steps, axis=0)).ravel()
    missing = max(0, sound.shape[1] - len(curve))
    return np.asarray(sound * np.pad(curve, (0, missing), "edge")[: sound.shape[1]], np.float32)


def rms(sound: Sound) -> float:
    """Compute the root mean square where the sound is not silent; 0 for silence."""
    power = _frames(sound**2).mean(axis=-1)
    return float(np.sqrt(power[power >= INAUDIBLE * power.max()].mean()))


def _frames(sound: Sound) -> Sound:
    """Lay both channels side by side in frames: ``[frames, 2 · HOP]``."""
    count = -(-sound.shape[1] // HOP)
    padded = np.pad(sound, ((0, 0), (0, count * HOP - sound.shape[1])))
    return padded.reshape(2, count, HOP).swapaxes(0, 1).reshape(count, 2 * HOP)
