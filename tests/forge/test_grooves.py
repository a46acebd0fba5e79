"""The generator of electronic and pop music: what it composes, plays and mixes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from music import beats, effects, grooves, machines, oneshots, synths, tunes
from music.effects import RATE
from music.mixdown import master
from music.pool import has_song
from music.song import Clock, compose
from music.synths import Key, Note
from scipy.signal import welch
from sounds import DATA

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from music.effects import Sound
    from music.synths import Voice

    Maker = Callable[[np.random.Generator], Voice]


@pytest.fixture(scope="module")
def song() -> dict[str, Sound]:
    return grooves.make(7, DATA)


def share(sound: Sound, low: float, high: float) -> float:
    """Compute the share of power between two frequencies."""
    hz, power = welch(sound.mean(axis=0), RATE, nperseg=8192)
    return float(power[(hz >= low) & (hz < high)].sum() / power.sum())


def fundamental(sound: Sound) -> float:
    """Find the strongest frequency."""
    mono = sound.mean(axis=0)
    spectrum = np.abs(np.fft.rfft(mono * np.hanning(len(mono)), 8 * len(mono)))
    return float(spectrum.argmax() * RATE / (8 * len(mono)))


def test_stems_are_whole_and_within_six_decibels(song: dict[str, Sound]) -> None:
    assert list(song) == ["drums", "bass", "other"]
    shapes = {stem.shape for stem in song.values()}
    assert len(shapes) == 1
    assert 50 * RATE < shapes.pop()[1] < 100 * RATE
    levels = [20 * np.log10(effects.rms(stem)) for stem in song.values()]
    assert max(levels) - min(levels) < 7
    assert all(stem.dtype == np.float32 and np.isfinite(stem).all() for stem in song.values())


def test_bass_is_low_and_other_is_not(song: dict[str, Sound]) -> None:
    assert share(song["bass"], 30, 500) > 0.7
    assert share(song["other"], 0, 80) < 0.02
    low = effects.lowpass(song["bass"], 60, 4)
    assert np.abs(low[0] - low[1]).max() < 0.1 * np.abs(low).max()


def test_a_seed_gives_one_song_and_another_seed_another(song: dict[str, Sound]) -> None:
    again = grooves.make(7, DATA)
    assert all(np.array_equal(song[name], again[name]) for name in song)
    assert (
        compose(np.random.default_rng([4, 8]), DATA).clock
        != compose(np.random.default_rng([4, 7]), DATA).clock
    )


def test_songs_are_written_once_and_without_samples_too(tmp_path: Path) -> None:
    grooves.write_songs(tmp_path / "nowhere", tmp_path, 1)
    assert has_song(tmp_path, "grooves", "0000")
    card = tmp_path / "grooves" / "0000" / "song.json"
    written = card.stat().st_mtime_ns
    grooves.write_songs(tmp_path / "nowhere", tmp_path, 1)
    assert card.stat().st_mtime_ns == written


def test_mastering_treats_all_stems_alike() -> None:
    rng = np.random.default_rng(1)
    stems = {
        name: rng.normal(0, level, (2, RATE)).astype(np.float32)
        for name, level in (("drums", 0.3), ("bass", 0.2), ("other", 0.1))
    }
    louder = {"drums": stems["drums"] + stems["bass"], "bass": 0 * stems["bass"]}
    apart = master(np.random.default_rng(2), stems)
    joined = master(np.random.default_rng(2), {**louder, "other": stems["other"]})
    mix = sum(apart.values(), np.zeros_like(stems["bass"]))
    assert np.allclose(mix, sum(joined.values(), np.zeros_like(mix)), atol=1e-4)
    before = sum(stems.values(), np.zeros_like(mix))
    assert np.abs(mix).max() / effects.rms(mix) < np.abs(before).max() / effects.rms(before)


@pytest.mark.parametrize("name", beats.STYLES)
def test_patterns_are_whole_bars_of_known_marks(name: str) -> None:
    style = beats.STYLES[name]
    assert set(style.roles) <= set(machines.ROLES)
    for pattern in (pattern for patterns in style.roles.values() for pattern in patterns):
        assert len(pattern) in {16, 32}
        assert set(pattern) <= {*beats.FORCE, "."}


def test_rolls_divide_a_step() -> None:
    hits = list(beats.play({"hat": "t..............."}, 32, 1, np.random.default_rng(0)))
    assert [hit.step for hit in hits] == pytest.approx([32, 32 + 1 / 3, 32 + 2 / 3])


def test_swing_delays_odd_sixteenths_alone() -> None:
    clock = Clock(120, 0.6)
    assert clock(4) == pytest.approx(0.5)
    assert clock(1) == pytest.approx(0.125 * 1.3)


@pytest.mark.parametrize("role", machines.MAKERS)
def test_machines_sound_new_each_time_and_die_away(role: str) -> None:
    make = machines.MAKERS[role]
    one, other = make(np.random.default_rng(1)), make(np.random.default_rng(2))
    assert one.shape[0] == 2
    assert one.shape != other.shape or not np.allclose(one, other)
    tail = np.abs(one[:, -one.shape[1] // 20 :]).max()
    assert tail < 0.2 * np.abs(one).max()


def test_recorded_kits_offer_the_heart_of_a_drum_kit() -> None:
    found = oneshots.kits(DATA)
    assert len(found) >= 3
    assert all({"kick", "snare", "hat", "tom"} <= set(kit) for kit in found)


@pytest.mark.parametrize("player", oneshots.instruments(DATA, ""), ids=lambda each: each.name)
def test_recorded_instruments_play_the_pitch_asked_for(player: oneshots.Recorded) -> None:
    pitch = 45
    voice = synths._sampled(player, np.random.default_rng(0))
    sound = voice(Key(pitch, 1.0, 0.8, None))
    autocorrelation = np.correlate(sound[0, 8192:16384], sound[0, 8192:14336], "valid")
    first = round(RATE / 170)
    period = first + autocorrelation[first : round(RATE / 70)].argmax()
    assert RATE / period == pytest.approx(110, rel=0.03)


@pytest.mark.parametrize("family", [synths.BASSES, synths.SUSTAINED, synths.STRUCK])
@pytest.mark.parametrize("seed", range(3))
def test_voices_are_finite_and_stop(family: dict[str, Maker], seed: int) -> None:
    for name, make in family.items():
        voice = make(np.random.default_rng(seed))
        sound = voice(Key(48, 0.3, 0.9, 50))
        assert np.isfinite(sound).all(), name
        assert effects.rms(sound) > 0, name
        assert sound.shape[1] < 6 * RATE, name


def test_equal_notes_are_made_once() -> None:
    made: list[Key] = []

    def voice(key: Key) -> Sound:
        made.append(key)
        return np.ones((2, 100), np.float32)

    notes = [Note(step, 1, 60, 0.75) for step in range(8)]
    sound = synths.render(notes, voice, Clock(120, 0), 2 * RATE)
    assert len(made) == 1
    assert np.count_nonzero(sound[0]) == 800


def test_a_wave_is_band_limited_and_in_tune() -> None:
    wave = synths.Wave(synths.harmonics(np.random.default_rng(0), "saw"))
    tone = np.repeat(wave(1000.0, RATE)[None], 2, axis=0)
    assert fundamental(tone) == pytest.approx(1000, abs=1)
    assert share(tone, 17_500, 22_050) < 1e-5


def test_bass_lines_stay_in_range() -> None:
    for seed in range(40):
        rng = np.random.default_rng(seed)
        line = tunes.bass_line(rng, tunes.harmony(rng, dark=bool(seed % 2)))
        notes = [note for bar in range(4) for note in line(bar)]
        assert notes
        assert all(tunes.E1 <= note.pitch <= tunes.G3 for note in notes), seed


def test_a_sweep_follows_its_corner() -> None:
    noise = np.random.default_rng(0).standard_normal((2, 2 * RATE)).astype(np.float32)
    swept = effects.sweep(noise, np.geomspace(200, 12_000, 100))
    assert share(swept[:, :RATE], 4000, 22_050) < share(swept[:, RATE:], 4000, 22_050) / 2
    still = effects.sweep(noise, np.array([1000.0]))
    assert share(still, 0, 1000) > 0.5


def test_a_side_chain_falls_at_the_kick_and_returns() -> None:
    gain = effects.ducking(RATE, [0.25], 0.8, 0.2)
    at = round(0.25 * RATE / effects.HOP)
    assert gain[at] == pytest.approx(0.2, abs=0.01)
    assert gain[0] == gain[-1] == 1
