"""The singer: a source-filter synthesiser that sings syllables.

Every glottal pulse is built in the frequency domain: the spectrum of the source (Doval,
d'Alessandro and Henrich 2003, "The voice source as a causal/anticausal linear filter") times
that of the vocal tract (a cascade of resonances; Fant 1960, Klatt 1980), placed between
samples by a linear phase and overlap-added. Noise passes through the same tract. Pitch moves
as singers' does: overshoot, drift and late vibrato (Saitou, Unoki and Akagi 2005).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import signal

from .bass import hertz
from .phones import CONSONANTS, GLIDES, INHALE, SILENCE, STOPS, VOWELS, Phone
from .tape import RATE, Samples

if TYPE_CHECKING:
    from .score import Syllable

Spectra = npt.NDArray[np.complex128]

TICK = 0.001
"""Seconds between two values of a control track."""
PULSE = 2048
"""Samples of one pulse with its resonances."""
LEAD_IN = 384
"""Samples of a pulse before the moment of closure, for the opening glottis."""
VOICE, NOISE = 870.0, 0.3
"""Factors that bring an open vowel to an RMS of 1, and breath and hiss to their place below."""
FRAME, HOP = 512, 128
"""Noise is filtered in frames."""
UPPER_FORMANTS = np.array([4150.0, 4950.0, 6100, 7300, 8500, 9700, 10_900, 12_100, 13_300, 14_500])
REST = 0.1
"""After a rest of so many seconds a note is approached from below."""
SCOOP, SCOOP_LENGTH = 1.3, 0.05
"""Semitones and seconds of that approach."""
LONG = 0.5
"""Seconds that a note must last to get vibrato."""
INAUDIBLE = 0.002
"""Below this level no pulse is made."""
RELEASE = 0.07
"""Seconds in which an open vowel dies away."""
BATCH = 512
EVENNESS = 0.35
"""How far vowels are brought to one loudness: 0 as the tract gives them, 0.5 all alike."""


@dataclass(frozen=True)
class Singer:
    """One take of one voice."""

    seed: int
    cents: float = 0.0
    """How far the whole take is out of tune."""
    late: float = 0.0
    """Seconds behind the beat."""
    tract: float = 1.0
    """Factor on all formants: shorter vocal tracts have higher ones."""
    effort: float = 1.0
    """0 is soft and breathy, 1 full."""


@dataclass(frozen=True)
class Segment:
    """A phone from `start` seconds to the start of the next one, at a level."""

    start: float
    phone: Phone
    level: float


def phonemes(name: str) -> tuple[Phone, ...]:
    """Return the steady sounds of a consonant."""
    return STOPS[name] if name in STOPS else (CONSONANTS[name],)


def vowel(name: str, length: float) -> list[tuple[Phone, float]]:
    """Return the steady parts of a vowel with their durations; a glide moves near its end."""
    if name not in GLIDES:
        return [(VOWELS[name], length)]
    first, last = GLIDES[name]
    glide = min(0.22, 0.45 * length)
    return [(VOWELS[first], length - glide), (VOWELS[last], glide)]


def segments(syllables: list[Syllable]) -> list[Segment]:
    """Set phones in time: vowels begin on the beat, consonants before it, codas end the note."""
    line = [Segment(-1.0, SILENCE, 0.0)]
    for syllable in syllables:
        core = next(i for i, p in enumerate(syllable.phones) if p in VOWELS or p in GLIDES)
        onset = [p for name in syllable.phones[:core] for p in phonemes(name)]
        coda = [p for name in syllable.phones[core + 1 :] for p in phonemes(name)]
        tail = min(sum(p.length for p in coda), 0.5 * syllable.length)
        scale = tail / max(1e-9, sum(p.length for p in coda))
        begin = syllable.start - sum(p.length for p in onset)
        parts = [(p, p.length) for p in onset]
        parts += vowel(syllable.phones[core], syllable.length - tail)
        parts += [(p, p.length * scale) for p in coda]
        if syllable.breath:
            inhale = (Segment(begin - 0.32, INHALE, 0.35), Segment(begin - 0.06, SILENCE, 0.0))
            line = [s for s in line if s.start < inhale[0].start]
            line += inhale
        line = [s for s in line if s.start < begin]
        level = syllable.velocity / 0.8
        for phone, length in parts:
            line.append(Segment(begin, phone, level))
            begin += length
        line.append(Segment(begin, parts[-1][0], 0.0 if coda else 0.35 * level))
        line.append(Segment(begin + RELEASE, SILENCE, 0.0))
    return line


def smooth(track: Samples, duration: float) -> Samples:
    """Round off steps with a Hann window of `duration` seconds, along the first axis."""
    window = np.hanning(round(duration / TICK) + 2)
    window = (window / window.sum()).reshape(-1, *[1] * (track.ndim - 1))
    padded = np.pad(track, ((len(window), len(window)), *[(0, 0)] * (track.ndim - 1)), mode="edge")
    kept = slice(len(window), len(window) + len(track))
    return np.asarray(signal.fftconvolve(padded, window, "same", axes=0)[kept])


@dataclass(frozen=True)
class Tracks:
    """The singer's movements, one value each `TICK`, all `[ticks]` but `formants` `[ticks, 3]`."""

    formants: Samples
    voice: Samples
    breath: Samples
    noise: Samples
    noise_centre: Samples
    noise_width: Samples
    nasal: Samples

    @classmethod
    def of(cls, line: list[Segment], ticks: int) -> Tracks:
        """Move from phone to phone: the tract takes its time, the glottis is faster."""
        starts = np.array([s.start for s in line])
        index = np.maximum(0, np.searchsorted(starts, np.arange(ticks) * TICK, "right") - 1)
        levels = np.array([s.level for s in line])

        def steps(name: str) -> Samples:
            values = np.array([getattr(s.phone, name) for s in line], dtype=float)
            return np.asarray(values[index])

        targets = np.array([s.phone.formants for s in line], dtype=float)
        for i in range(len(line) - 2, -1, -1):
            targets[i] = np.where(targets[i] == 0, targets[i + 1], targets[i])
        targets = np.where(targets == 0, (600, 1400, 2800), targets)
        return cls(
            np.exp(smooth(np.log(targets[index]), 0.07)),
            smooth(steps("voice") * levels[index], 0.035),
            smooth(steps("breath") * levels[index], 0.03),
            smooth(steps("noise") * levels[index], 0.012),
            steps("noise_centre"),
            steps("noise_width"),
            smooth(steps("nasal"), 0.04),
        )


def wander(rng: np.random.Generator, ticks: int, cutoff: float) -> Samples:
    """Slow noise of unit variance below `cutoff` hertz, `[ticks]`."""
    sos = signal.butter(2, cutoff, fs=1 / TICK, output="sos")
    noise = np.asarray(signal.sosfilt(sos, rng.standard_normal(ticks + 4000)))[4000:]
    return np.asarray(noise / np.sqrt(cutoff * TICK * 2))


def pitch_track(notes: list[Syllable], ticks: int, rng: np.random.Generator) -> Samples:
    """Return the sung pitch in MIDI numbers, `[ticks]`.

    Steps between notes pass a second-order system (ω = 48 rad/s, ζ = 0.6), so that the voice
    overshoots a little; long notes get vibrato after a third of a second.
    """
    time = np.arange(ticks) * TICK
    starts = np.array([n.start - 0.03 for n in notes])
    index = np.maximum(0, np.searchsorted(starts, time, "right") - 1)
    target = np.array([n.pitch for n in notes])[index]
    since = time - starts[index]
    gaps = np.array([a.start - b.start - b.length for a, b in zip(notes[1:], notes, strict=False)])
    scoop = np.concatenate([[SCOOP], np.where(gaps > REST, SCOOP, 0.0)])[index]
    target = target - scoop * (since < SCOOP_LENGTH)
    omega, zeta = 48.0, 0.6
    b, a = signal.bilinear([omega**2], [1, 2 * zeta * omega, omega**2], 1 / TICK)
    moved = signal.lfilter(b, a, target - target[0]) + target[0]
    length = np.array([n.length for n in notes])[index]
    depth = 0.42 * np.clip((since - 0.32) / 0.35, 0, 1) * (length > LONG)
    rate = 5.6 + 0.25 * wander(rng, ticks, 1.0)
    vibrato = smooth(depth, 0.1) * np.sin(2 * np.pi * np.cumsum(rate) * TICK)
    drift = 0.09 * wander(rng, ticks, 2.5) + 0.03 * wander(rng, ticks, 12.0)
    return np.asarray(moved + vibrato + drift)


def resonance(f: Samples, centre: Samples, width: Samples) -> Spectra:
    """Transfer function of one formant, unity at 0 Hz: `f [bins]`, the others `[n, 1]`."""
    own = centre**2 + width**2 / 4
    return np.asarray(own / ((width / 2 + 1j * f) ** 2 + centre**2))


def tract(f: Samples, formants: Samples, nasal: Samples) -> Spectra:
    """Transfer function of the vocal tract, `[n, bins]`, from formants `[n, 3]`, nasality `[n]`."""
    widths = 45 + formants * np.array([0.045, 0.035, 0.045])
    widths = widths * (1 + 1.2 * nasal[:, None])
    response = np.prod([resonance(f, c, 60 + 0.045 * c) for c in UPPER_FORMANTS], axis=0)[None]
    for i in range(3):
        response = response * resonance(f, formants[:, i, None], widths[:, i, None])
    pole, zero = (resonance(f, np.array([[c]]), np.array([[90.0]])) for c in (270.0, 900.0))
    return np.asarray(response * (1 + nasal[:, None] * (pole / zero * 0.8 - 1)))


def glottis(f: Samples, pitch: Samples, effort: Samples) -> Spectra:
    """Spectrum of the flow's derivative, `[n, bins]`: pitch in hertz and effort (0–1) `[n]`.

    An anticausal resonance (the glottal formant) and a causal tilt that effort lifts.
    """
    centre = (pitch * (1.05 + 0.25 * effort))[:, None]
    opening = np.conj((1j * f / centre) / (1 - (f / centre) ** 2 + 1j * f / (centre * 1.1)))
    return np.asarray(opening / (1 + 1j * f / (1000 + 4500 * effort[:, None])))


def pulse_times(pitch: Samples, voiced: Samples, rng: np.random.Generator) -> Samples:
    """Moments of glottal closure in seconds, with jitter, where `voiced` `[ticks]` holds."""
    cycles = np.cumsum(pitch) * TICK
    times = np.interp(np.arange(1, int(cycles[-1])), cycles, np.arange(len(pitch)) * TICK)
    times = times[np.interp(times, np.arange(len(voiced)) * TICK, voiced) > INAUDIBLE]
    period = 1 / np.interp(times, np.arange(len(pitch)) * TICK, pitch)
    return np.asarray(times + 0.006 * period * rng.standard_normal(len(times)))


def voiced_sound(
    tracks: Tracks, pitch: Samples, effort: Samples, length: int, rng: np.random.Generator
) -> Samples:
    """Overlap-add all glottal pulses, `[samples]`; `pitch` in hertz."""
    grid = np.arange(len(pitch)) * TICK
    times = pulse_times(pitch, tracks.voice, rng)
    f = np.fft.rfftfreq(PULSE, 1 / RATE)
    tape = np.zeros(length + 2 * PULSE)
    for first in range(0, len(times), BATCH):
        t = times[first : first + BATCH]
        now = (np.interp(t, grid, pitch), np.interp(t, grid, effort))
        formants = np.stack([np.interp(t, grid, tracks.formants[:, i]) for i in range(3)], axis=1)
        level = np.interp(t, grid, tracks.voice) * (1 + 0.04 * rng.standard_normal(len(t)))
        place = t * RATE - LEAD_IN
        whole = np.floor(place).astype(int)
        shift = np.exp(-2j * np.pi * f * ((place - whole + LEAD_IN) / RATE)[:, None])
        spectrum = glottis(f, *now) * tract(f, formants, np.interp(t, grid, tracks.nasal)) * shift
        power = (np.abs(spectrum) ** 2).sum(axis=1) * now[0]
        pulses = np.fft.irfft(spectrum * (level * power**-EVENNESS)[:, None])
        np.add.at(tape, whole[:, None] + PULSE + np.arange(PULSE), pulses)
    return tape[PULSE : PULSE + length]


def noisy_sound(tracks: Tracks, pitch: Samples, length: int, rng: np.random.Generator) -> Samples:
    """Breath through the tract, and hiss at its narrow places, `[samples]`."""
    grid = np.arange(len(pitch)) * TICK
    frames = length // HOP
    t = np.arange(frames) * HOP / RATE
    index = np.minimum((t / TICK).astype(int), len(pitch) - 1)
    f = np.fft.rfftfreq(FRAME, 1 / RATE)
    samples = np.arange(length + FRAME) / RATE
    flutter = 1 + 0.6 * np.sin(2 * np.pi * np.interp(samples, grid, np.cumsum(pitch) * TICK))
    breath = rng.standard_normal(length + FRAME) * flutter
    hiss = rng.standard_normal(length + FRAME)
    spots = np.arange(frames)[:, None] * HOP + np.arange(FRAME)
    window = np.hanning(FRAME + 1)[:-1]
    shape = tract(f, tracks.formants[index], tracks.nasal[index])
    shape = shape * (f / 1500 / (1 + (f / 1500) ** 2))
    centre, width = tracks.noise_centre[index, None], tracks.noise_width[index, None]
    narrow = np.exp(-(((f - centre) / width) ** 2)) + 0.25 / (1 + ((f - centre) / width) ** 2)
    spectrum = np.fft.rfft(breath[spots] * window) * shape * tracks.breath[index, None]
    spectrum += np.fft.rfft(hiss[spots] * window) * narrow * tracks.noise[index, None]
    tape = np.zeros(length + FRAME)
    np.add.at(tape, spots, np.fft.irfft(spectrum))
    return tape[FRAME // 2 : FRAME // 2 + length]


def tuned(formants: Samples, pitch: Samples) -> Samples:
    """Keep the first formant above the pitch, as singers do who open the mouth for high notes."""
    return np.maximum(formants, np.stack([1.05 * pitch, 1.6 * pitch, 0 * pitch], axis=1))


def perform(syllables: list[Syllable], length: float, singer: Singer) -> Samples:
    """Sing `syllables` for `length` seconds, `[samples]` mono."""
    rng = np.random.default_rng(singer.seed)
    ticks = int(length / TICK) + 1
    samples = round(length * RATE)
    if not syllables:
        return np.zeros(samples)
    taken = [
        replace(
            syllable,
            start=syllable.start + singer.late + 0.006 * rng.standard_normal(),
            pitch=syllable.pitch + singer.cents / 100,
        )
        for syllable in syllables
    ]
    pitch = np.asarray(hertz(pitch_track(taken, ticks, rng)))
    mood = wander(rng, ticks, 3.0)
    tracks = Tracks.of(segments(taken), ticks)
    tracks = replace(
        tracks,
        formants=tuned(tracks.formants * singer.tract, pitch),
        voice=tracks.voice * (1 + 0.06 * mood),
    )
    effort = singer.effort * np.clip(0.5 + 0.5 * (pitch - 200) / 300 + 0.06 * mood, 0, 1)
    sung = voiced_sound(tracks, pitch, effort, samples, rng)
    return VOICE * sung + NOISE * noisy_sound(tracks, pitch, samples, rng)
