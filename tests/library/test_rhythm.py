"""Tempo, beats and key: clicks and chords whose truth is known, the demo's score, real songs."""

from __future__ import annotations

import functools
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from demo_song import score
from drums import drifting, even, played
from hypothesis import given
from hypothesis import strategies as st
from memory import traced
from sounds import SONGS

from stemlab import demo
from stemlab.errors import AudioError, SettingError
from stemlab.library import beats, rhythm
from stemlab.library.keys import NAMES
from stemlab.library.rhythm import SPAN, Rhythm, analyse, tap
from stemlab.sound.audio import RATE, Audio, Reader, save
from stemlab.sound.compiled import librosa

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt

    Samples = npt.NDArray[np.float32]


def clicks(bpm: float, first: float, seconds: float) -> Audio:
    """Make a metronome; a click is a woodblock of 20 ms."""
    samples = np.zeros((round(seconds * RATE), 2), np.float32)
    t = np.arange(900)
    block = 0.7 * np.exp(-t / 150) * np.sin(2 * np.pi * 1000 * t / RATE)
    for time in np.arange(first, seconds - 0.1, 60 / bpm):
        at = round(time * RATE)
        samples[at : at + 900] += block[:, None].astype(np.float32)
    return Audio(samples)


def chords(pitches: list[tuple[int, ...]], seconds: float = 1.0, repeats: int = 3) -> Audio:
    """Play chords of MIDI pitches, each with harmonics, over and over."""
    t = np.arange(round(seconds * RATE)) / RATE
    fade = np.minimum(1, np.minimum(t, seconds - t) / 0.02)
    parts = [
        sum(
            np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * k * t) / k**2
            for pitch in chord
            for k in (1, 2, 3, 4)
        )
        * fade
        for chord in pitches
    ]
    one = 0.05 * np.tile(np.concatenate(parts), repeats)
    return Audio(np.stack([one, one], axis=1).astype(np.float32))


class Endless:
    """A sound without an end: two seconds of clicks, over and over."""

    rate = RATE

    def blocks(self) -> Iterator[Samples]:
        part = clicks(120, 0.25, 2).samples
        while True:
            yield part


def off_grid(rhythm: Rhythm, time: float) -> float:
    """Return the seconds from a time to the nearest beat."""
    return abs(rhythm.time_of(round(rhythm.beat_at(time))) - time)


@pytest.mark.parametrize("bpm", [90.0, 100.5, 118.0, 128.0, 140.0, 150.0, 174.0])
@pytest.mark.parametrize("first", [0.05, 0.31])
def test_metronome(bpm: float, first: float) -> None:
    rhythm = analyse(clicks(bpm, first, 60))
    assert rhythm.bpm == pytest.approx(bpm, abs=0.01)
    assert off_grid(rhythm, first) < 0.004
    assert off_grid(rhythm, first + 60 / bpm * round(bpm)) < 0.004
    assert rhythm.confidence > 0.9


@functools.cache
def demo_rhythm() -> Rhythm:
    return analyse(demo.path())


def test_demo_song_keeps_its_score() -> None:
    rhythm = demo_rhythm()
    assert rhythm.bpm == pytest.approx(score.TEMPO, abs=0.05)
    for beat in range(4 * score.BARS):
        assert off_grid(rhythm, beat * score.BEAT) < 0.01
    bars = rhythm.beat_at(score.at(score.VERSE, 0)) / 4
    assert bars == pytest.approx(round(bars), abs=0.01)
    assert rhythm.key == "A minor"
    assert rhythm.camelot == "8A"
    assert rhythm.confidence > 0.3


def middle(song: str) -> tuple[Audio, float]:
    """Mix the middle of a real song from its stems; return it and the second where it starts."""
    mix = np.zeros((round(SPAN * RATE), 2), np.float32)
    start = 0
    for path in (SONGS / song).glob("*.opus"):
        with Reader(path) as reader:
            start = start or ((reader.length or 0) - len(mix)) // 2
            mix += next(reader.blocks(size=len(mix), start=start))
    return Audio(mix), start / RATE


@pytest.mark.parametrize(
    ("song", "bpm"), [("caesium", 130), ("hydrogen", 132), ("potassium", 90), ("rubidium", 132)]
)
def test_real_songs_made_to_a_click(song: str, bpm: float) -> None:
    part, start = middle(song)
    rhythm = analyse(part)
    assert rhythm.bpm == pytest.approx(bpm, abs=0.01)
    # Their files begin on a beat.
    assert off_grid(rhythm, -start) < 0.02
    assert 0.2 < rhythm.confidence < 0.6


def test_grid_is_of_the_whole_song_though_only_its_middle_is_heard(tmp_path: Path) -> None:
    song = clicks(123, 0.2, SPAN + 30)
    save(tmp_path / "long.flac", song)
    rhythm = analyse(tmp_path / "long.flac")
    assert off_grid(rhythm, 0.2) < 0.004
    assert rhythm.bpm == pytest.approx(analyse(song).bpm, abs=1e-3)
    assert off_grid(analyse(song), rhythm.first_beat) < 0.001


def test_of_an_endless_song_the_begin_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rhythm, "LONGEST", 30)
    found = analyse(Endless())
    assert found.bpm == pytest.approx(120, abs=0.01)
    assert off_grid(found, 1000.25) < 0.05


@pytest.mark.parametrize("piece", [5, 1000, 10**6])
def test_onsets_are_those_of_a_spectrum_of_the_whole(
    monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    monkeypatch.setattr(beats, "_PIECE", piece)
    samples = np.random.default_rng(0).normal(0, 0.1, 4 * beats.RATE + 17).astype(np.float32)
    samples[: 2 * beats.RATE] *= 0.1  # the loudest of all counts, not that of a piece
    magnitude = np.abs(librosa().stft(samples, n_fft=512, hop_length=64))
    loud = np.log1p(100 * magnitude / magnitude.max())
    rise = np.maximum(0, loud[:, 4:] - loud[:, :-4])
    bands = [rise[a:b].mean(axis=0) for a, b in ((0, 6), (6, 40), (40, 256))]
    found = beats.flux(samples)
    np.testing.assert_allclose(found, np.pad(bands, ((0, 0), (4, 0))), atol=1e-6)


def test_memory_of_ten_minutes_is_little_more_than_their_sound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rhythm, "LONGEST", 600)
    sound = 600 * beats.RATE * 4
    samples = rhythm._mono(Endless())
    assert samples.nbytes == sound
    with traced() as peak:
        rhythm._mono(Endless())
        assert peak() < 1.2 * sound
    with traced() as peak:
        beats.flux(samples)
        assert peak() < 2 * sound
    onsets = np.resize(beats.flux(samples[: 30 * beats.RATE]).mean(axis=0), sound // 4 // 64)
    with traced() as peak:
        beats._power(onsets)
        assert peak() < 2 * sound


# Root position, the root also in the bass; semitones over the tonic.
MAJOR = [(-24, 0, 4, 7), (-19, 5, 9, 12), (-17, 7, 11, 14), (-24, 0, 4, 7)]
MINOR = [(-24, 0, 3, 7), (-19, 5, 8, 12), (-17, 7, 10, 14), (-24, 0, 3, 7)]


@pytest.mark.parametrize("tonic", [0, 3, 6, 10])
@pytest.mark.parametrize(("mode", "cadence"), [("major", MAJOR), ("minor", MINOR)])
def test_key_of_a_cadence(tonic: int, mode: str, cadence: list[tuple[int, ...]]) -> None:
    played = chords([tuple(60 + tonic + tone for tone in chord) for chord in cadence])
    assert analyse(played).key == f"{NAMES[tonic]} {mode}"


ROCK = {"kick": "X.....x.X.......", "snare": "....X.......X...", "hat": "x.x.x.x.x.x.x.x."}
GROOVES: dict[str, tuple[int, int, float, dict[str, str]]] = {
    # metre, steps a beat, beats a minute, strokes of a bar
    "rock": (4, 4, 118, ROCK),
    "3/4": (3, 2, 100, {"kick": "X.....", "snare": "..x.x.", "hat": "x.x.x."}),
    "6/8": (6, 3, 60, {"kick": "X.x...", "snare": "...X..", "hat": "xxxxxx"}),
    "12/8": (12, 3, 70, {"kick": "X.....x.xx..", "snare": "...X.....X..", "hat": "xxxxxxxxxxxx"}),
    "one-drop": (4, 2, 140, {"kick": "....X...", "snare": "....X...", "hat": "XoxoXoxo"}),
    "shuffle": (4, 3, 120, {"kick": "X.....X..x..", "snare": "...X.....X..",
        "hat": "x.xx.xx.xx.x"}),
    "half time": (4, 4, 66, {"kick": "X.......X.x.....", "snare": "....X.......X...",
        "hat": "x.x.x.x.x.x.x.x."}),
}  # fmt: skip


@pytest.mark.parametrize("groove", GROOVES)
def test_metre_and_tempo_of_a_groove(groove: str) -> None:
    metre, grid, bpm, pattern = GROOVES[groove]
    rhythm = analyse(played(pattern, grid, 40, even(bpm, 0.3)))
    assert rhythm.metre == metre
    assert rhythm.bpm == pytest.approx(bpm, abs=0.02)
    assert off_grid(rhythm, 0.3) < 0.01
    assert rhythm.knots == ()


@pytest.mark.parametrize(
    ("groove", "slow", "fast"), [("rock", 118, 122), ("rock", 128, 122), ("6/8", 60, 62)]
)
def test_grid_follows_a_drummer(groove: str, slow: float, fast: float) -> None:
    _, grid, _, pattern = GROOVES[groove]
    when = drifting(slow, fast, 90, 0.3)
    rhythm = analyse(played(pattern, grid, 90, when))
    beats = when(np.arange(60.0 if groove == "6/8" else 160.0))
    first = rhythm.beat_at(beats[0])
    assert max(off_grid(rhythm, beat) for beat in beats) < 0.02
    assert [round(rhythm.beat_at(beat) - first) for beat in beats] == list(range(len(beats)))
    assert rhythm.bpm == pytest.approx((slow + fast) / 2, rel=0.01)


@pytest.mark.parametrize("cents", [-30, 33, 50])
def test_tuning_is_found_and_leaves_the_key(cents: float) -> None:
    song = chords([tuple(60 + tone for tone in chord) for chord in MAJOR])
    time = np.arange(0, len(song.samples) - 1, 2 ** (cents / 1200))
    other = [np.interp(time, np.arange(len(song.samples)), side) for side in song.samples.T]
    rhythm = analyse(Audio(np.stack(other, axis=1).astype(np.float32)))
    assert rhythm.key == "C major"
    assert rhythm.tuning == pytest.approx(cents, abs=3)


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros((10 * RATE, 2)),
        np.random.default_rng(0).normal(0, 0.1, (20 * RATE, 2)),
        np.random.default_rng(0).normal(0, 0.1, (RATE, 2)),
        np.zeros((0, 2)),
    ],
    ids=["silence", "noise", "one second", "nothing"],
)
def test_what_has_no_rhythm(samples: Samples) -> None:
    assert analyse(Audio(samples.astype(np.float32))) == Rhythm(0, 0, "", 0)


def test_tone_below_all_voices_has_no_beat() -> None:
    tone = 0.1 * np.sin(2 * np.pi * 40 * np.arange(10 * RATE) / RATE)
    assert analyse(Audio(np.stack([tone, tone], 1).astype(np.float32))).bpm == 0


def test_no_beats_say_so() -> None:
    with pytest.raises(SettingError, match="tap"):
        Rhythm(0, 0, "", 0).beat_at(1.0)


def test_damaged_file(tmp_path: Path) -> None:
    (tmp_path / "bad.mp3").write_bytes(b"not sound")
    with pytest.raises(AudioError, match=r"bad\.mp3"):
        analyse(tmp_path / "bad.mp3")


def test_warm_up_makes_the_next_call_fast() -> None:
    code = (
        "import time; from stemlab.library.rhythm import warm_up\n"
        "for _ in range(2): begin = time.perf_counter(); warm_up();"
        " print(time.perf_counter() - begin)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    cold, warm = map(float, done.stdout.split())
    assert warm < cold / 2


def test_corrections_keep_the_first_beat() -> None:
    rhythm = Rhythm(100, 0.5, "C major", 0.4)
    assert rhythm.doubled().bpm == 200
    assert rhythm.halved().doubled() == rhythm
    assert rhythm.doubled().time_of(8) == rhythm.time_of(4)
    assert rhythm.shifted(0.1).time_of(3) == pytest.approx(rhythm.time_of(3) + 0.1)
    assert rhythm.shifted(-0.2).bpm == 100


@given(st.floats(40, 240), st.floats(0, 600), st.floats(-1000, 1000))
def test_beats_and_seconds_are_inverse(bpm: float, first: float, beat: float) -> None:
    rhythm = Rhythm(bpm, first, "", 1)
    assert rhythm.beat_at(rhythm.time_of(beat)) == pytest.approx(beat, abs=1e-6)


@given(st.floats(60, 200), st.floats(0, 100), st.integers(0, 2**32 - 1))
def test_taps_of_an_unsteady_hand(bpm: float, start: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    taps = start + np.arange(16) * 60 / bpm + rng.uniform(-0.02, 0.02, 16)
    taps = np.delete(taps, 7)
    assert tap(list(taps)) == pytest.approx(bpm, rel=0.01)
    tapped = Rhythm(0, 0, "", 0).tapped(list(taps))
    assert off_grid(tapped, start) < 0.03


@pytest.mark.parametrize("times", [[], [1.0], [2.0, 1.0], [1.0, 1.0]])
def test_taps_that_are_none(times: list[float]) -> None:
    with pytest.raises(SettingError, match="tap"):
        tap(times)


def test_camelot_wheel() -> None:
    # https://mixedinkey.com/camelot-wheel: hour by hour, minor inside, major outside.
    minor = ["A♭", "E♭", "B♭", "F", "C", "G", "D", "A", "E", "B", "F♯", "D♭"]
    major = ["B", "F♯", "D♭", "A♭", "E♭", "B♭", "F", "C", "G", "D", "A", "E"]
    for hour, (inner, outer) in enumerate(zip(minor, major, strict=True), 1):
        assert Rhythm(0, 0, f"{inner} minor", 0).camelot == f"{hour}A"
        assert Rhythm(0, 0, f"{outer} major", 0).camelot == f"{hour}B"
