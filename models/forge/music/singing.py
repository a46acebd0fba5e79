"""Speech made to sing: its vowels are held, and moved to the pitch of a note.

Pitch-synchronous overlap-add (Moulines and Charpentier 1990) leaves the timbre of a voice as it is:
each period of the voice is cut out and laid down again at the distance that the note asks for.
Consonants keep their pace and come before the beat; the pitch moves as singers' does, with
overshoot, drift and late vibrato (Saitou, Goto, Unoki and Akagi 2007).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import librosa
import numpy as np
from scipy import ndimage, signal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    Mono = npt.NDArray[np.float32]
    Curve = npt.NDArray[np.float64]

RATE = 44_100
TRACKED = 16_000
"""Samples per second in which pitch is looked for."""
FRAME = 0.01
"""Seconds between two values of pitch and level."""
LOWEST, HIGHEST = 65.0, 600.0
"""Hertz of a speaking voice."""
BREATH = 0.005
"""Seconds between two cuts where there is no pitch."""
FINER = 4
"""Factor on the rate in which pieces are cut, so that they can be placed between samples."""
PROMINENCE = 3.0
"""Decibels by which a vowel stands out of what is around it."""
SHORTEST = 0.04
"""Seconds of a vowel that can be held."""
WANDER = 13.0
"""Radians a second in which a held vowel moves to and fro."""
PERIODS = 4
"""Fewest periods of a vowel that can be held."""
ONSET, CODA = 0.15, 0.2
"""Most seconds before and after a vowel that belong to its syllable."""


@dataclass(frozen=True)
class Syllable:
    """A vowel and the consonants around it.

    Attributes
    ----------
    sound
        Mono, at `RATE`.
    cuts
        Samples at which a period begins; where there is no pitch, every `BREATH` seconds.
    voiced
        Whether each cut is that of a period.
    vowel
        First and last sample of what may be held.
    """

    sound: Mono
    cuts: npt.NDArray[np.int64]
    voiced: npt.NDArray[np.bool_]
    vowel: tuple[int, int]

    @property
    def onset(self) -> int:
        """Samples before the vowel."""
        return self.vowel[0]

    @property
    def coda(self) -> int:
        """Samples after the vowel."""
        return len(self.sound) - self.vowel[1]

    @cached_property
    def hertz(self) -> float:
        """Pitch of the vowel."""
        inside = (self.cuts >= self.vowel[0]) & (self.cuts <= self.vowel[1])
        return RATE / float(np.median(np.diff(self.cuts[inside])))

    @cached_property
    def finer(self) -> Mono:
        """The sound at `FINER` times the rate."""
        return np.asarray(signal.resample_poly(self.sound, FINER, 1), np.float32)


@dataclass(frozen=True)
class Note:
    """A syllable on a pitch.

    Attributes
    ----------
    start, stop
        Samples between which its vowel sounds.
    pitch
        MIDI number.
    """

    syllable: Syllable
    start: int
    stop: int
    pitch: float


@dataclass(frozen=True)
class Manner:
    """How somebody sings.

    Attributes
    ----------
    vibrato
        Semitones that it swings to each side.
    glide
        Seconds from note to note; 0 is a tuning machine's step.
    tract
        Factor on the length of the throat: 1.1 is a taller singer's.
    cents
        Out of tune.
    late
        Seconds behind the beat, about.
    """

    vibrato: float = 0.4
    glide: float = 0.06
    tract: float = 1.0
    cents: float = 0.0
    late: float = 0.0


def syllables(speech: Mono) -> list[Syllable]:
    """Take a clip of one speaker apart, in order; what has no clear vowel is left out."""
    pitch = track(speech)
    level = _levels(speech, len(pitch))
    vowels = list(_vowels(pitch, level))
    found = []
    for index, (start, peak, stop) in enumerate(vowels):
        before = _quietest(level, vowels[index - 1][1], peak) if index else 0
        after = _quietest(level, peak, vowels[index + 1][1]) if index + 1 < len(vowels) else None
        first = max(before, start - round(ONSET / FRAME))
        last = min(after or len(pitch), stop + round(CODA / FRAME))
        found.append(_cut(speech, pitch, (first, start, stop, last)))
    return [syllable for syllable in found if _can_be_held(syllable)]


def track(speech: Mono) -> Curve:
    """Return the pitch in hertz every `FRAME` seconds, 0 where there is none (pYIN)."""
    slow = librosa.resample(speech, orig_sr=RATE, target_sr=TRACKED)
    pitch, voiced, _ = librosa.pyin(
        slow,
        fmin=LOWEST,
        fmax=HIGHEST,
        sr=TRACKED,
        frame_length=1024,
        hop_length=round(FRAME * TRACKED),
        resolution=0.3,
    )
    return np.where(voiced, np.nan_to_num(pitch), 0.0)


def _levels(speech: Mono, frames: int) -> Curve:
    """Return the level in dB below 4 kHz every `FRAME` seconds."""
    low = signal.sosfilt(signal.butter(2, 4000, fs=RATE, output="sos"), speech)
    power = ndimage.gaussian_filter1d(low.astype(np.float64) ** 2, 0.8 * FRAME * RATE)
    places = np.minimum(np.arange(frames) * FRAME * RATE, len(speech) - 1).astype(int)
    return np.asarray(10 * np.log10(power[places] + 1e-10))


def _vowels(pitch: Curve, level: Curve) -> Iterator[tuple[int, int, int]]:
    """Yield frames where a vowel starts, is loudest and stops."""
    loudness = np.where(pitch > 0, level, -100.0)
    peaks, _ = signal.find_peaks(
        np.pad(loudness, 1, constant_values=-101.0), -45, prominence=PROMINENCE, distance=10
    )
    for peak in peaks - 1:
        start, stop = peak, peak
        held = (loudness > loudness[peak] - 2 * PROMINENCE) & (pitch > 0)
        while start > 0 and held[start - 1]:
            start -= 1
        while stop + 1 < len(held) and held[stop + 1]:
            stop += 1
        yield start, int(peak), stop


def _quietest(level: Curve, first: int, last: int) -> int:
    return first + int(np.argmin(level[first : last + 1]))


def _cut(speech: Mono, pitch: Curve, frames: tuple[int, int, int, int]) -> Syllable:
    """Cut out frames (first, vowel's start, vowel's stop, last)."""
    first, start, stop, last = (round(frame * FRAME * RATE) for frame in frames)
    sound = speech[first:last]
    start, stop = max(0, start - first), min(stop - first, len(sound))
    cuts, voiced = _periods(sound, pitch[frames[0] : frames[3]])
    margin = (stop - start) // 6
    return Syllable(sound, cuts, voiced, (start + margin, stop - margin))


def _periods(sound: Mono, pitch: Curve) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Find where the periods begin: each as alike the one before as can be."""
    cuts, voiced = [0], [False]
    while cuts[-1] < len(sound):
        place = cuts[-1]
        hertz = pitch[min(int(place / RATE / FRAME), len(pitch) - 1)] if len(pitch) else 0.0
        if not hertz:
            cuts.append(place + round(BREATH * RATE))
        elif not voiced[-1]:
            period = round(RATE / hertz)
            loudest = int(np.argmax(np.abs(sound[place : place + period])))
            cuts.append(place + max(loudest, 1))
        else:
            cuts.append(_next_period(sound, place, round(RATE / hertz)))
        voiced.append(bool(hertz))
    return np.array(cuts), np.array(voiced)


def _next_period(sound: Mono, place: int, period: int) -> int:
    """Return where the sound is most like it is around `place`, about a period later."""
    half, slack = period // 2, period // 6
    model = sound[max(0, place - half) : place + half]
    begin = max(0, place - half) + period - slack
    field = sound[begin : begin + len(model) + 2 * slack]
    if len(field) <= len(model) or not model.any():
        return place + period
    likeness = signal.correlate(field, model, "valid", "direct")
    return place + period - slack + int(np.argmax(likeness))


def _can_be_held(syllable: Syllable) -> bool:
    start, stop = syllable.vowel
    inside = syllable.voiced[(syllable.cuts >= start) & (syllable.cuts <= stop)]
    return stop - start > SHORTEST * RATE and len(inside) >= PERIODS and bool(inside.all())


def sing(notes: Sequence[Note], length: int, manner: Manner, rng: np.random.Generator) -> Mono:
    """Sing notes in order.

    Parameters
    ----------
    length
        Samples of the result.

    Returns
    -------
    float32 [length], every vowel at an RMS of about 0.1.
    """
    track = np.zeros(length + RATE, np.float32)
    hertz = 440 * 2 ** ((melody(notes, len(track), manner, rng) - 69) / 12)
    for index, note in enumerate(notes):
        late = round(max(0.0, rng.normal(manner.late, 0.012)) * RATE)
        nearest = notes[index + 1] if index + 1 < len(notes) else None
        stop = note.stop
        if nearest and nearest.start - stop < RATE // 20:
            stop = nearest.start - nearest.syllable.onset - note.syllable.coda
        hold = max(stop - note.start, round(SHORTEST * RATE))
        begin = note.start + late - note.syllable.onset
        if begin >= 0:
            _lay(track, begin, note.syllable, hold, hertz, manner.tract)
    return track[:length]


def melody(notes: Sequence[Note], length: int, manner: Manner, rng: np.random.Generator) -> Curve:
    """Return the pitch of every sample as a MIDI number."""
    step = round(FRAME * RATE)
    frames = length // step + 2
    aims = np.full(frames, notes[0].pitch)
    held = np.zeros(frames)
    for note in notes:
        first, last = note.start // step, max(note.stop // step, note.start // step + 1)
        aims[first:] = note.pitch
        held[first:last] = np.arange(min(last, frames) - first) * FRAME
    if manner.glide:
        # Under-damped, so that it overshoots a little; begun early, so that it arrives in time.
        natural = 1 / (manner.glide * RATE / step)
        damping = 0.8
        b, a = signal.bilinear([natural**2], [1, 2 * damping * natural, natural**2], fs=1.0)
        shifted = np.append(aims[round(manner.glide / FRAME) :], np.full(frames, aims[-1]))[:frames]
        aims = signal.lfilter(b, a, shifted - shifted[0]) + shifted[0]
    rate = rng.uniform(5, 6.5) + ndimage.gaussian_filter1d(rng.normal(0, 3, frames), 30)
    swing = np.clip((held - rng.uniform(0.15, 0.35)) / 0.3, 0, 1) * manner.vibrato
    drift = ndimage.gaussian_filter1d(rng.normal(0, 1, frames), 15) * 0.5
    wave = swing * np.sin(2 * np.pi * np.cumsum(rate) * FRAME)
    whole = aims + wave + (drift if manner.glide else 0) + manner.cents / 100
    return np.interp(np.arange(length) / step, np.arange(frames), whole)


def _lay(
    track: Mono,
    begin: int,
    syllable: Syllable,
    hold: int,
    hertz: Curve,
    tract: float,
) -> None:
    """Add a syllable whose vowel lasts `hold` samples, its first sample at `begin`."""
    start, stop = syllable.vowel
    vowel = syllable.sound[start:stop]
    gain = 0.1 / (float(np.sqrt(np.mean(vowel**2))) + 1e-6)
    cuts, last = syllable.cuts, len(syllable.cuts) - 2
    end = start + hold + syllable.coda
    place = float(max(cuts[1], 1))
    while place < end:
        source = _source(place, start, stop, hold)
        index = int(np.clip(np.searchsorted(cuts, source), 1, last))
        before, after = cuts[index] - cuts[index - 1], cuts[index + 1] - cuts[index]
        out = begin + place
        pitched = syllable.voiced[index] and out < len(hertz)
        step = RATE / hertz[max(0, int(out))] if pitched else float(after)
        scale = gain * (np.sqrt(min(1.0, step / after)) if pitched else 1.0)
        _add(track, out, syllable.finer, cuts[index], (before, after), scale, tract)
        place += step


def _source(place: float, start: int, stop: int, hold: int) -> float:
    """Return the sample of the speech that is heard at a sample of the song."""
    if place < start:
        return place
    if place > start + hold:
        return place - hold + (stop - start)
    share = (place - start) / hold
    # To and fro: a period that is only repeated buzzes.
    share += 0.15 * np.sin(WANDER * (place - start) / RATE) * (hold > stop - start)
    return start + float(np.clip(share, 0, 1)) * (stop - start)


def _add(
    track: Mono,
    out: float,
    finer: Mono,
    cut: int,
    widths: tuple[int, int],
    scale: float,
    tract: float,
) -> None:
    """Add one piece, faded in and out over its neighbours, its cut at `out`."""
    before, after = widths
    left, right = max(int(np.ceil(out - before)), 0), min(int(out + after), len(track) - 1)
    if right <= left:
        return
    time = np.arange(left, right + 1) - out
    places = np.rint((cut + time / tract) * FINER).astype(np.int64)
    inside = (places >= 0) & (places < len(finer))
    fade = 0.5 + 0.5 * np.cos(np.pi * time / np.where(time < 0, before, after))
    piece = finer[np.clip(places, 0, len(finer) - 1)] * fade * inside
    track[left : right + 1] += (scale * piece).astype(np.float32)
