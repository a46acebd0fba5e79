"""The beats of a song: how fast they come, when, and how many make a bar.

First the song is straightened: in windows of some seconds the onsets are laid over one another at
a rough tempo, and Viterbi's algorithm follows where in a beat they fall (what a drummer does to it
is then known, whatever the beat turns out to be). All that comes after hears an even song.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import savgol_filter, welch

from stemlab.library import grid, keys
from stemlab.sound.compiled import librosa

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats: TypeAlias = npt.NDArray[np.floating[Any]]
    Knots: TypeAlias = tuple[tuple[float, float], ...]

RATE = 22_050
"""Samples per second that are listened to."""
BEATS = {3: 3, 4: 4, 6: 2, 12: 4}
"""Beats in a bar of each metre: 3/4, 4/4, 6/8 and 12/8, in which a beat has three eighths."""

_WINDOW, _HOP = 512, 64  # samples: 23 ms, so that an onset is known to 3 ms
_FRAMES = RATE / _HOP  # frames per second
_LAG = 4  # frames between which the flux is taken: its peak then lies on the onset
_PIECE = 16_384  # frames, 48 s, that are transformed at once
_BANDS = (0, 6, 40, _WINDOW // 2)  # edges in bins: kick up to 260 Hz, snare up to 1.7 kHz, hats
_WEIGHTS = (1.5, 1.0, 1.0)  # hats often sound off the beat, kicks seldom
_SPREAD = 0.006  # seconds by which strokes that belong together differ

_COARSE = 4  # frames that are joined for a rough tempo
_MIDDLE = 120.0  # seconds of the song that tell it
_ROUGHLY = 0.04
_FINEST = 10.0  # Hz: strokes that follow one another faster tell nothing of bars
_MISTAKEN = (1, 2, 1 / 2, 4 / 3, 3 / 4, 3 / 2, 2 / 3, 3, 1 / 3, 5 / 4, 4 / 5)
_SLOWEST, _FASTEST = 40.0, 240.0  # beats a minute
_CLEAR = 0.1  # noise reaches 0.05

_TURNS = 32  # in which a fine spectrum is found
_PHASES = 96  # parts of a beat
_STEP = 1.0  # second from one window to the next
_SMOOTH = 15  # steps
_STEADY = 0.015  # seconds, RMS: songs made to a click seem to be off by up to 12 ms
_GAIN = 1.1  # by which beats must become clearer for a grid to be bent
_EIGHTHS = 110.0  # beats a minute from which six may be eighths
_ALTERNATE = 0.15
_EMPTY = 0.25  # of the strokes on the beat: what a place has on which nobody plays


@dataclass(frozen=True)
class Beats:
    """Beats of a song; `first` and `bpm` hold where time is even."""

    bpm: float
    first: float
    metre: int
    clarity: float
    knots: Knots


def flux(samples: Floats) -> Floats:
    """Measure how much louder each of the bands becomes (spectral flux; Böck & Widmer, 2013).

    Returns
    -------
    ndarray
        Onset strength [bands, frames], 345 frames a second.
    """
    count = 1 + len(samples) // _HOP
    pieces = [(begin, min(begin + _PIECE, count)) for begin in range(0, count, _PIECE)]
    loudest = max(_magnitude(samples, *piece).max() for piece in pieces)
    parts = []
    for begin, end in pieces:
        before = min(begin, _LAG)
        magnitude = _magnitude(samples, begin - before, end)
        parts.append(_rise(np.log1p(100 * magnitude / loudest))[:, before:])
    return np.concatenate(parts, axis=1)


def _magnitude(samples: Floats, begin: int, end: int) -> Floats:
    """Return the spectrum of some frames [bins, frames], each around its `_HOP`-th sample."""
    first, last = begin * _HOP - _WINDOW // 2, (end - 1) * _HOP + _WINDOW // 2
    heard = np.pad(samples[max(0, first) : last], (max(0, -first), max(0, last - len(samples))))
    magnitude: Floats = np.abs(librosa().stft(heard, n_fft=_WINDOW, hop_length=_HOP, center=False))
    return magnitude


def _rise(loudness: Floats) -> Floats:
    strength: Floats = librosa().onset.onset_strength_multi(
        S=loudness, sr=RATE, hop_length=_HOP, lag=_LAG, channels=list(_BANDS), center=False
    )
    return strength


def find(onsets: Floats, tones: Floats, heard: float) -> Beats | None:
    """Find the beats in the `flux` of a song.

    Parameters
    ----------
    onsets
        Of the whole song.
    tones, heard
        `keys.tones` of a part of it, and the second at which that begins.
    """
    rough = _rough(onsets.mean(axis=0))
    knots = _followed(onsets, 60 / rough)
    straight = _straightened(onsets, knots)
    if _pulse(straight, rough) < _GAIN * _pulse(onsets, rough):
        knots, straight = (), onsets
    bpm = _tempo(straight.mean(axis=0), rough)
    bpm, metre = _metre(straight, bpm)
    clarity = _clarity(straight.mean(axis=0), bpm)
    if clarity < _CLEAR:
        return None
    beat = 60 / bpm
    offset = _phase(straight, bpm) * beat
    times = np.arange(offset, straight.shape[1] / _FRAMES, beat)
    changes = _changes(tones, grid.uneven(knots, times) - heard)
    offset += _downbeat(straight, changes, times, BEATS[metre]) * beat
    return Beats(bpm, offset, metre, clarity, knots)


# --- a song that breathes ---------------------------------------------------------------------


def _rough(flux: Floats) -> float:
    """Find a tempo roughly by librosa's tempogram, then by spectra of twelve seconds each."""
    begin = max(0, len(flux) - round(_MIDDLE * _FRAMES)) // 2
    part = flux[begin : begin + round(_MIDDLE * _FRAMES)]
    slow = part[: len(part) // _COARSE * _COARSE].reshape(-1, _COARSE).mean(axis=1)
    rough = librosa().feature.tempo(
        onset_envelope=slow, sr=RATE, hop_length=_COARSE * _HOP, ac_size=4.0
    )
    window = min(len(part), round(12 * _FRAMES))
    size = 1 << (8 * window).bit_length()
    _, power = welch(part - part.mean(), _FRAMES, nperseg=window, nfft=size)
    return _sharpened(power, float(rough[0]), 8, _ROUGHLY)[0]


def _followed(onsets: Floats, beat: float) -> Knots:
    """Follow the beats through a song, at first roughly, then by what a beat of it sounds like."""
    count = onsets.shape[1] / _FRAMES / _STEP
    if count < 2 * _SMOOTH:
        return ()
    knots = _bend((), _drift(onsets, beat, 6.0, 0.05, None))
    straight = _straightened(onsets, knots)
    whole = _clear(_folded(straight, beat), beat)
    knots = _bend(knots, _drift(straight, beat, 10.0, 0.02, whole))
    times, even = np.transpose(knots)
    off = even - np.polyval(np.polyfit(times, even, 1), times)
    return knots[::2] if off.std() > _STEADY else ()


def _drift(
    onsets: Floats, beat: float, window: float, fastest: float, whole: Floats | None
) -> Floats:
    """Measure by how many seconds the beats are late in each step, up to a constant.

    Parameters
    ----------
    onsets
        Onset strength [bands, frames].
    beat
        Seconds a beat.
    window
        Seconds that are laid over one another.
    fastest
        Seconds a second that the beats may run away.
    whole
        Onset strength [bands, phases] of a beat of the song, where it is known.
    """
    centres = np.arange(0, onsets.shape[1] / _FRAMES, _STEP)
    spans = [
        (round((c - window / 2) * _FRAMES), round((c + window / 2) * _FRAMES)) for c in centres
    ]
    folds = (_clear(_folded(onsets, beat, max(0, a), b), beat) for a, b in spans)
    fits = np.stack([_alike(fold, whole) for fold in folds], axis=1)
    chances = np.exp(fits - fits.max(axis=0))
    reach = math.ceil(fastest * _STEP / beat * _PHASES)
    moves = librosa().sequence.transition_local(
        _PHASES, 2 * reach + 1, window="triangle", wrap=True
    )
    path = librosa().sequence.viterbi(chances / chances.sum(axis=0), moves)
    late: Floats = np.unwrap(path.astype(float), period=_PHASES) / _PHASES * beat
    return late


def _alike(fold: Floats, whole: Floats | None) -> Floats:
    """Tell how well a beat begins at each phase: by its bands, or by how it sounds elsewhere."""
    if whole is None:
        return np.asarray(np.dot(_WEIGHTS, np.log(fold + 0.05)))
    here, there = (np.fft.rfft(part - part.mean(axis=1, keepdims=True)) for part in (fold, whole))
    both: Floats = np.fft.irfft(here * there.conj(), _PHASES).sum(axis=0)
    return both * 2 / _PHASES


def _bend(knots: Knots, late: Floats) -> Knots:
    """Bend a grid further: by how late beats are at each step of its even time."""
    smooth = savgol_filter(late, _SMOOTH, 2)
    steps = np.arange(len(late)) * _STEP
    pairs = zip(grid.uneven(knots, steps), steps - (smooth - smooth[0]), strict=True)
    return tuple((float(a), float(b)) for a, b in pairs)


def _straightened(onsets: Floats, knots: Knots) -> Floats:
    """Have onsets as if the song were played evenly."""
    count = onsets.shape[1]
    frames = np.arange(int(grid.even(knots, count / _FRAMES) * _FRAMES))
    at = grid.uneven(knots, frames / _FRAMES) * _FRAMES
    return np.stack([np.interp(at, np.arange(count), band) for band in onsets])


def _pulse(onsets: Floats, bpm: float) -> float:
    """Measure how much of the onsets repeats with every beat."""
    return _sharpened(_power(onsets.mean(axis=0)), bpm, 8, _ROUGHLY / 2)[1]


# --- an even song -----------------------------------------------------------------------------


def _power(flux: Floats) -> Floats:
    """Return the power spectrum of onsets over what noise has, finely.

    Its bins lie so close that one transform for all would take many times the memory: each turn
    finds some of them, by a coarse spectrum of the onsets shifted by a part of its bins.
    """
    size = 1 << (50 * len(flux)).bit_length()
    swing, shift = flux - flux.mean(), -2j * np.pi / size * np.arange(len(flux))
    power = np.empty((size // _TURNS // 2 + 1, _TURNS), np.float32)
    for turn in range(_TURNS):
        coarse = np.fft.fft(swing * np.exp(turn * shift), size // _TURNS)[: len(power)]
        power[:, turn] = np.square(np.abs(coarse))
    power = power.reshape(-1)[: size // 2 + 1]
    power -= np.median(power[: round(_FINEST / _FRAMES * size)])
    return power


def _tempo(flux: Floats, rough: float) -> float:
    """Find the beats a minute, by least squares.

    The function of period T that fits the onsets best takes Σₖ |F(k/T)|² out of their energy, F
    being their Fourier transform. Of the rough tempo and those that are mistaken for it, that is
    taken whose bars and beats explain most; of those nearby that whose beats do.
    """
    power = _power(flux)
    tempos = [rough * ratio for ratio in _MISTAKEN if _SLOWEST <= rough * ratio <= _FASTEST]
    near = [_sharpened(power, bpm, 4, _ROUGHLY) for bpm in tempos]
    fits = {bpm: _bars(power, bpm) * math.sqrt(max(0, beats)) for bpm, beats in near}
    bpm = max(fits, key=lambda bpm: fits[bpm] * _usual(bpm))
    return _sharpened(power, bpm, 32, 0.004)[0]


def _sharpened(power: Floats, bpm: float, harmonics: int, reach: float) -> tuple[float, float]:
    """Return the tempo nearby whose harmonics have the most power, and that power."""
    trials = bpm * np.linspace(1 - reach, 1 + reach, 4001)
    bins = np.multiply.outer(
        np.arange(1, harmonics + 1), trials / 60 / _FRAMES * 2 * (len(power) - 1)
    )
    sums = power[np.rint(bins).astype(int)].sum(axis=0)
    best = int(sums.argmax())
    return float(trials[best]), float(sums[best])


def _bars(power: Floats, bpm: float) -> float:
    """Measure how much of the onsets repeats with every four beats."""
    bars = bpm / 4
    return _sharpened(power, bars, round(60 * _FINEST / bars), 0.002)[1]


def _usual(bpm: float) -> float:
    """Weigh tempos as librosa does: 120 is most usual, 60 and 240 much less."""
    return math.exp(-0.5 * math.log2(bpm / 120) ** 2)


def _clarity(flux: Floats, bpm: float) -> float:
    """Correlate the onsets, to 12 ms, with themselves a beat later: 0 to 1."""
    smooth = gaussian_filter1d(flux - flux.mean(), _SPREAD * _FRAMES)
    lag = round(60 / bpm * _FRAMES)
    correlation = np.dot(smooth[lag:], smooth[:-lag]) / np.dot(smooth, smooth)
    return float(np.clip(correlation, 0, 1))


def _phase(onsets: Floats, bpm: float) -> float:
    """Find where in a beat's time the beats fall: 0 to 1 from the first frame on."""
    count = round(60 / bpm * _FRAMES)
    folded = _folded(onsets, 60 / bpm, count=count)
    beat = int(np.dot(_WEIGHTS, np.log(_clear(folded, 60 / bpm) + 1e-3)).argmax())
    near = np.arange(beat - round(0.03 * _FRAMES), beat + round(0.03 * _FRAMES) + 1)
    total = gaussian_filter1d(folded.sum(axis=0), 1.0, mode="wrap")
    peak = near[total[near % count].argmax()]
    before, here, after = total[(peak + np.array([-1, 0, 1])) % count]
    bend = before - 2 * here + after
    vertex = 0.5 * (before - after) / bend if bend else 0.0
    return float((peak + 0.5 + vertex) / count % 1)


def _folded(
    onsets: Floats, beat: float, start: int = 0, stop: int | None = None, count: int = _PHASES
) -> Floats:
    """Lay beats over one another: mean onset strength [bands, count] in parts of a beat."""
    heard = range(onsets.shape[1])[start:stop]
    frames = np.arange(heard.start, heard.stop)
    parts = (frames * (count / beat / _FRAMES)).astype(int) % count
    sums = [np.bincount(parts, band[start:stop], count) for band in onsets]
    mean: Floats = np.stack(sums) / np.maximum(1, np.bincount(parts, minlength=count))
    return mean


def _clear(folded: Floats, beat: float) -> Floats:
    """Have each band of a folded beat as loud as the others, and join what belongs together."""
    even = folded / (folded.mean(axis=1, keepdims=True) + 1e-9)
    width = max(0.5, _SPREAD / beat * folded.shape[1])
    clear: Floats = gaussian_filter1d(even, width, mode="wrap")
    return clear


# --- bars -------------------------------------------------------------------------------------


def _metre(onsets: Floats, bpm: float) -> tuple[float, int]:
    """Tell by strokes between the beats and by what repeats which metre it is, and its beats.

    Beats that are halves of a dotted one, or its eighths, become it; those that are all that is
    played, with a snare drum on every fourth, are the halves of slower ones.
    """
    if _is_compound(_strokes(onsets, 120 / bpm)):
        bpm /= 2
    strokes = _strokes(onsets, 60 / bpm)
    if _is_compound(strokes):
        return bpm, _compound(strokes)
    if _is_bare(strokes) and bpm / 2 > _SLOWEST:
        bpm /= 2
        strokes = _strokes(onsets, 60 / bpm)
    if _likeness(strokes, 3, 9) <= _likeness(strokes, 4, 8):
        return bpm, 4
    if bpm < _EIGHTHS or _likeness(strokes, 6) < _likeness(strokes, 3) + _ALTERNATE:
        return bpm, 3
    return bpm / 3, _compound(_strokes(onsets, 180 / bpm))


def _strokes(onsets: Floats, beat: float) -> Floats:
    """Return the onset strength of each twelfth of each beat [beats, bands, 12], from 0 up."""
    offset = _phase(onsets, 60 / beat) * beat
    parts = np.rint((np.arange(onsets.shape[1]) / _FRAMES - offset) / beat * 12).astype(int)
    parts -= 12 * math.floor(parts[0] / 12)
    count = parts[-1] // 12
    sums = [np.bincount(parts, band)[: 12 * count] for band in onsets]
    each = np.stack(sums).reshape(len(onsets), count, 12)
    loud: Floats = each / (each.mean(axis=(1, 2), keepdims=True) + 1e-9)
    return loud.transpose(1, 0, 2)


def _profile(strokes: Floats) -> Floats:
    """Return how much is played in each twelfth of a beat, in the band that is busiest there.

    0 is as little as anywhere in a band, 1 as much; where nearly nothing is, noise stays small.
    """
    bands = strokes.mean(axis=0)
    bands = bands - bands.min(axis=1, keepdims=True)
    busiest: Floats = (bands / np.maximum(1, bands.max(axis=1, keepdims=True))).max(axis=0)
    return np.roll(busiest, -int(bands.sum(axis=0).argmax()))


def _is_compound(strokes: Floats) -> bool:
    """Tell whether beats have three parts: more than a swing, which leaves the first third out."""
    profile = _profile(strokes)
    return bool(profile[[4, 8]].min() > _EMPTY > profile[[2, 3, 6, 9, 10]].max())


def _compound(strokes: Floats) -> int:
    """Tell 12/8 from 6/8, in which every second beat is alike."""
    return 12 if _likeness(strokes, 4) > _likeness(strokes, 2) + _ALTERNATE else 6


def _is_bare(strokes: Floats) -> bool:
    """Tell whether nothing is played between beats, and what is on them takes four or six."""
    between = _profile(strokes)[[3, 4, 6, 8, 9]].max()
    snare = strokes[:, 1:2]
    four = _likeness(snare, 4) - _likeness(snare, 2)
    six = _likeness(strokes, 6) - max(_likeness(strokes, 3), _likeness(strokes, 4))
    return bool(between < _EMPTY and max(four, six) > _ALTERNATE)


def _likeness(strokes: Floats, *lags: int) -> float:
    """Correlate beats with those some later: 1 if they are alike, 0 if no more than any."""
    each = strokes - strokes.mean(axis=0)
    energy = np.square(each).mean() or 1.0
    within = [lag for lag in lags if lag < len(each)]
    return float(sum(np.mean(each[lag:] * each[:-lag]) for lag in within) / energy / len(lags))


def _changes(tones: Floats, times: Floats) -> Floats:
    """Measure how much the chord changes at each of these seconds of `tones`; 0 outside."""
    columns = np.rint(times * RATE / keys.HOP).astype(int)
    inside = np.flatnonzero((columns > 0) & (columns < tones.shape[1] - 1))
    change = np.zeros(len(times))
    if len(inside) > 2:  # noqa: PLR2004
        chords = np.add.reduceat(tones, columns[inside], axis=1)
        chords /= np.linalg.norm(chords, axis=0) + 1e-9
        change[inside[1:]] = np.linalg.norm(np.diff(chords, axis=1), axis=0)
    return change


def _downbeat(onsets: Floats, changes: Floats, times: Floats, bar: int) -> int:
    """Guess which beat opens a bar: bass drums sound there, snare drums do not, chords change."""
    at = np.minimum((times * _FRAMES).astype(int), onsets.shape[1] - 1)
    kick, snare = (gaussian_filter1d(band, 0.01 * _FRAMES)[at] for band in onsets[:2])
    drums = kick - snare
    score = drums / (drums.std() + 1e-9) + changes / (changes.std() + 1e-9)
    return int(np.argmax([score[beat::bar].mean() for beat in range(bar)]))
