"""Tempo, beat grid and key of a song, as a DJ needs them, and the hand that corrects them."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from scipy.ndimage import gaussian_filter1d, median_filter

from stemlab.errors import SettingError
from stemlab.sound.audio import RATE, Audio, Reader, resample

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    import numpy.typing as npt

    Floats: TypeAlias = npt.NDArray[np.floating[Any]]

SPAN = 120.0
"""Seconds from the middle of a song that `analyse` listens to."""
SHORTEST = 4.0
"""Seconds below which there is no telling a beat or a key."""
BAR = 4
"""Beats per bar; nothing else is guessed."""

_RATE = 22_050
_WINDOW, _HOP = 512, 64  # samples: 23 ms, so that an onset is known to 3 ms
_FRAMES = _RATE / _HOP  # frames per second
_LAG = 4  # frames between which the flux is taken: its peak then lies on the onset
_BANDS = (0, 6, 40, _WINDOW // 2)  # edges in bins: kick up to 260 Hz, snare up to 1.7 kHz, hats
_WEIGHTS = (1.5, 1.0, 1.0)  # hats often sound off the beat, kicks seldom
_FINEST = 10.0  # Hz: strokes that follow one another faster tell nothing of bars
_MISTAKEN = (1, 4 / 3, 3 / 4, 3 / 2, 2 / 3, 5 / 4, 4 / 5)
_CLEAR = 0.1  # noise reaches 0.05
_QUIET = 1e-5  # RMS, -100 dB
_FLAT = 0.2  # spread of the twelve tones over their mean: noise 0.1, songs from 0.2
_OCTAVES, _FINENESS, _CQT_HOP = 7, 3, 2048
_BASS_OCTAVES = 2

NAMES = ("C", "D♭", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B")
"""Names of the twelve tonics."""

# How often each tone is played in a key, from the tonic up: Albrecht & Shanahan, "The use of large
# corpora to train a new type of key-finding algorithm", 2013, with the numbers that collections of
# key profiles give. On the demo song and on cadences they tell relative and parallel keys apart
# where Krumhansl's and Temperley's do not.
_PROFILES = {
    "major": (0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081),
    "minor": (0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052),
}
_BASS = 0.5  # what the bass, which plays roots, counts beside the whole


@dataclasses.dataclass(frozen=True)
class Rhythm:
    """Where the beats of a song are, and its key.

    Parameters
    ----------
    bpm
        Beats a minute, the same throughout; 0 if there is no beat.
    first_beat
        Seconds at which beat 0 falls, most likely the first of a bar.
    key
        Such as ``"A minor"``; empty if there is none.
    confidence
        0 (no beat) to 1 (a metronome): the autocorrelation of the onsets at a beat's distance,
        called pulse clarity by Lartillot et al., 2008. Songs have 0.2 to 0.6.

    Examples
    --------
    >>> rhythm = Rhythm(bpm=120, first_beat=0.25, key="A minor", confidence=0.5)
    >>> rhythm.beat_at(1.25), rhythm.time_of(4), rhythm.camelot
    (2.0, 2.25, '8A')
    """

    bpm: float
    first_beat: float
    key: str
    confidence: float

    @property
    def camelot(self) -> str:
        """The key's hour on the Camelot wheel, on which neighbours mix well; empty without a key.

        Examples
        --------
        >>> [Rhythm(0, 0, key, 0).camelot for key in ("C major", "A minor", "E minor", "")]
        ['8B', '8A', '9A', '']
        """
        if not self.key:
            return ""
        tonic, mode = self.key.split()
        fifths = 7 * (NAMES.index(tonic) - (9 if mode == "minor" else 0))
        return f"{(7 + fifths) % 12 + 1}{'A' if mode == 'minor' else 'B'}"

    @property
    def beat(self) -> float:
        """Seconds from one beat to the next.

        Raises
        ------
        SettingError
            If there is no beat.
        """
        if not self.bpm:
            raise SettingError("no beat was found in this song; tap its tempo first")
        return 60 / self.bpm

    def beat_at(self, seconds: float) -> float:
        """Return the beat, with its fraction, that is played at a time of the song."""
        return (seconds - self.first_beat) / self.beat

    def time_of(self, beat: float) -> float:
        """Return the seconds at which a beat is played."""
        return self.first_beat + beat * self.beat

    def doubled(self) -> Rhythm:
        """Count twice as fast."""
        return dataclasses.replace(self, bpm=2 * self.bpm)

    def halved(self) -> Rhythm:
        """Count half as fast."""
        return dataclasses.replace(self, bpm=self.bpm / 2)

    def shifted(self, seconds: float) -> Rhythm:
        """Move the whole grid later, or earlier where negative."""
        return dataclasses.replace(self, first_beat=self.first_beat + seconds)

    def tapped(self, times: Sequence[float]) -> Rhythm:
        """Take tempo and beats from taps, the first of them on the first beat of a bar.

        Parameters
        ----------
        times
            Seconds of the song at which each beat was tapped, at least two.

        Raises
        ------
        SettingError
            If there are fewer than two, or they do not follow one another.

        Examples
        --------
        >>> rhythm = Rhythm(0, 0, "", 0).tapped([10.0, 10.5, 11.0, 12.0])
        >>> round(rhythm.bpm, 3), round(rhythm.time_of(0), 3)
        (120.0, 0.0)
        """
        beat, start = _line(times)
        return dataclasses.replace(
            self, bpm=60 / beat, first_beat=start % (BAR * beat), confidence=1.0
        )


def tap(times: Sequence[float]) -> float:
    """Return the beats a minute of taps, by least squares; one left out does not matter.

    Parameters
    ----------
    times
        Seconds, at least two.

    Raises
    ------
    SettingError
        If there are fewer than two, or they do not follow one another.

    Examples
    --------
    >>> round(tap([0.0, 0.49, 1.01, 2.0]), 1)
    119.7
    """
    return 60 / _line(times)[0]


def _line(times: Sequence[float]) -> tuple[float, float]:
    """Fit seconds a beat, and the time of the first tap, through taps."""
    gaps = np.diff(times)
    if not len(gaps) or gaps.min() <= 0:
        raise SettingError("a tempo needs two taps or more, one after the other; tap again")
    beats = np.concatenate([[0], np.cumsum(np.maximum(1, np.rint(gaps / np.median(gaps))))])
    beat, start = np.polyfit(beats, times, 1)
    return float(beat), float(start)


def analyse(song: Audio | str | os.PathLike[str]) -> Rhythm:
    """Find tempo, beats and key from the middle two minutes of a song.

    The beats are taken to come evenly, as in music played to a click; music that breathes gets the
    grid that fits best. What is silent, shorter than `SHORTEST` or without a pulse has no beats:
    ``bpm`` and ``confidence`` are 0.

    Parameters
    ----------
    song
        The sound itself, or its file.

    Returns
    -------
    Rhythm
        The grid in seconds of the whole song, and the key.

    Raises
    ------
    AudioError
        If the file cannot be read.
    """
    samples, start = _middle(song)
    samples = samples - samples.mean() if len(samples) else samples
    if len(samples) < SHORTEST * _RATE or np.sqrt(np.mean(samples**2)) < _QUIET:
        return Rhythm(0.0, 0.0, "", 0.0)
    flux, tones = _flux(samples), _tones(samples)
    key = _key(tones)
    bpm = _tempo(flux.mean(axis=0))
    clarity = _clarity(flux.mean(axis=0), bpm)
    if clarity < _CLEAR:
        return Rhythm(0.0, 0.0, key, 0.0)
    beat = 60 / bpm
    offset = start + _phase(flux, bpm) * beat
    offset += _downbeat(flux[0], tones, bpm, offset - start) * beat
    # A first beat that is found a little before the song begins is still its first.
    early = 0.1 * beat
    return Rhythm(bpm, (offset + early) % (BAR * beat) - early, key, clarity)


def warm_up() -> None:
    """Let librosa compile what `analyse` needs, some seconds at the first call; for a thread."""
    ticks = np.zeros((8 * RATE, 2), np.float32)
    ticks[:: RATE // 2] = 1
    analyse(Audio(ticks))


def _middle(song: Audio | str | os.PathLike[str]) -> tuple[Floats, float]:
    """Return mono samples at `_RATE`, and the second of the song at which they start."""
    if isinstance(song, Audio):
        begin = max(0, len(song.samples) - round(SPAN * song.rate)) // 2
        part = song.samples[begin : begin + round(SPAN * song.rate)]
        return resample(Audio(part, song.rate), _RATE).samples.mean(axis=1), begin / song.rate
    count = round(SPAN * _RATE)
    with Reader(song, _RATE) as reader:
        begin = max(0, (reader.length or 0) - count) // 2
        blocks, got = [], 0
        for block in reader.blocks(start=begin):
            blocks.append(block.mean(axis=1))
            got += len(block)
            if got >= count:
                break
    return np.concatenate(blocks)[:count], begin / _RATE


# --- beats: onset strength [bands, frames] at `_FRAMES` a second ------------------------------


def _flux(samples: Floats) -> Floats:
    """Measure how much louder each of the bands becomes (spectral flux; Böck & Widmer, 2013)."""
    import librosa

    magnitude = np.abs(librosa.stft(samples, n_fft=_WINDOW, hop_length=_HOP))
    flux: Floats = librosa.onset.onset_strength_multi(
        S=np.log1p(100 * magnitude / magnitude.max()),
        sr=_RATE,
        hop_length=_HOP,
        lag=_LAG,
        channels=list(_BANDS),
        center=False,
    )
    return flux


def _tempo(flux: Floats) -> float:
    """Find the beats a minute: roughly by librosa's tempogram, then by least squares.

    The function of period T that fits the onsets best takes Σₖ |F(k/T)|² out of their energy, F
    being their Fourier transform. Of the rough tempo and those that dotted rhythms mistake for it,
    that is taken whose bars and beats explain most; of those nearby that whose beats do.
    """
    import librosa

    coarse = 4
    slow = flux[: len(flux) // coarse * coarse].reshape(-1, coarse).mean(axis=1)
    rough = librosa.feature.tempo(
        onset_envelope=slow, sr=_RATE, hop_length=coarse * _HOP, ac_size=SHORTEST
    )
    size = 1 << (50 * len(flux)).bit_length()
    power = np.square(np.abs(np.fft.rfft(flux - flux.mean(), size)), dtype=np.float64)
    power -= np.median(power[: round(_FINEST / _FRAMES * size)])
    near = [_sharpened(power, float(rough[0]) * ratio, 4, 0.04) for ratio in _MISTAKEN]
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
    """Measure how much of the onsets repeats with every bar."""
    bars = bpm / BAR
    return _sharpened(power, bars, round(60 * _FINEST / bars), 0.002)[1]


def _usual(bpm: float) -> float:
    """Weigh tempos as librosa does: 120 is most usual, 60 and 240 much less."""
    return math.exp(-0.5 * math.log2(bpm / 120) ** 2)


def _clarity(flux: Floats, bpm: float) -> float:
    """Correlate the onsets, to 12 ms, with themselves a beat later: 0 to 1."""
    smooth = gaussian_filter1d(flux - flux.mean(), 0.006 * _FRAMES)
    lag = round(60 / bpm * _FRAMES)
    correlation = np.dot(smooth[lag:], smooth[:-lag]) / np.dot(smooth, smooth)
    return float(np.clip(correlation, 0, 1))


def _phase(flux: Floats, bpm: float) -> float:
    """Find where in a beat's time the beats fall: 0 to 1 from the first frame on."""
    count = round(60 / bpm * _FRAMES)
    folded = np.stack([_folded(band, bpm, count) for band in flux])
    width = 0.006 * _FRAMES
    clear = gaussian_filter1d(folded / folded.mean(axis=1, keepdims=True), width, mode="wrap")
    beat = int(np.dot(_WEIGHTS, np.log(clear + 1e-3)).argmax())
    near = np.arange(beat - round(0.03 * _FRAMES), beat + round(0.03 * _FRAMES) + 1)
    total = gaussian_filter1d(folded.sum(axis=0), 1.0, mode="wrap")
    peak = near[total[near % count].argmax()]
    before, here, after = total[(peak + np.array([-1, 0, 1])) % count]
    bend = before - 2 * here + after
    vertex = 0.5 * (before - after) / bend if bend else 0.0
    return float((peak + 0.5 + vertex) / count % 1)


def _folded(band: Floats, bpm: float, count: int) -> Floats:
    """Lay all beats over one another: the mean onset strength in `count` parts of a beat."""
    parts = (np.arange(len(band)) * (bpm / 60 / _FRAMES * count)).astype(int) % count
    sums = np.bincount(parts, band, count)
    folded: Floats = sums / np.maximum(1, np.bincount(parts, minlength=count))
    return folded


def _downbeat(kick: Floats, tones: Floats, bpm: float, offset: float) -> int:
    """Guess which of `BAR` beats opens a bar: bass drums sound there and chords change."""
    times = np.arange(offset, len(kick) / _FRAMES - 60 / bpm, 60 / bpm)
    drum = gaussian_filter1d(kick, 0.01 * _FRAMES)[(times * _FRAMES).astype(int)]
    columns = np.append(times, times[-1] + 60 / bpm) * _RATE / _CQT_HOP
    edges = np.minimum(np.rint(columns).astype(int), tones.shape[1] - 1)
    chords = np.add.reduceat(tones, edges, axis=1)[:, :-1]
    chords /= np.linalg.norm(chords, axis=0) + 1e-9
    change = np.zeros(len(times))
    change[1:] = np.linalg.norm(np.diff(chords, axis=1), axis=0)
    score = drum / (drum.std() + 1e-9) + change / (change.std() + 1e-9)
    return int(np.argmax([score[beat::BAR].mean() for beat in range(BAR)]))


# --- key: constant-Q magnitudes [bins, frames], `_FINENESS` bins a semitone, from C1 up -----


def _tones(samples: Floats) -> Floats:
    """Measure how loud each tone is, without drums: those are short, and broad in frequency."""
    import librosa

    magnitude = np.abs(
        librosa.cqt(
            samples,
            sr=_RATE,
            hop_length=_CQT_HOP,
            fmin=librosa.note_to_hz("C1"),
            n_bins=_OCTAVES * 12 * _FINENESS,
            bins_per_octave=12 * _FINENESS,
            tuning=_tuning(samples[: 30 * _RATE]),
        )
    )
    held = median_filter(magnitude, (1, 9))
    loud = np.log1p(10 * held / (np.percentile(held, 99) + 1e-9))
    tones: Floats = np.maximum(0, loud - median_filter(loud, (2 * _FINENESS + 1, 1)))
    return tones


def _tuning(samples: Floats) -> float:
    """Find by what part of a semitone the instruments are off 440 Hz."""
    import librosa

    pitches, strengths = librosa.piptrack(y=samples, sr=_RATE)
    heard = pitches > 0
    if not heard.any():
        return 0.0
    strong = heard & (strengths >= np.median(strengths[heard]))
    return float(librosa.pitch_tuning(pitches[strong]))


def _key(tones: Floats) -> str:
    """Name the key whose profile correlates best with the tones of the song and of its bass."""
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
