"""The song that ships: whole, in tune with its own score, and made by its recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
from demo_song import mixdown, score

from stemlab import demo
from stemlab.sound.compiled import librosa

if TYPE_CHECKING:
    import numpy.typing as npt

    Song = dict[str, npt.NDArray[np.float32]]


def decibels(ratio: float) -> float:
    return 20 * float(np.log10(ratio))


def rms(sound: npt.NDArray[np.floating[Any]]) -> float:
    return float(np.sqrt(np.mean(np.square(sound, dtype=np.float64))))


@pytest.fixture(scope="module")
def song() -> Song:
    files = {"mix": demo.path(), **demo.stem_paths()}
    return {name: soundfile.read(file, dtype="float32")[0] for name, file in files.items()}


@pytest.mark.parametrize("name", ["mix", *demo.STEMS])
def test_format(name: str) -> None:
    info = soundfile.info(demo.path().with_name(f"{name}.ogg"))
    assert (info.samplerate, info.channels, info.subtype) == (44_100, 2, "VORBIS")
    assert info.frames == round(score.LENGTH * 44_100)
    assert 45 <= info.duration <= 60


def test_few_megabytes() -> None:
    assert sum(file.stat().st_size for file in [demo.path(), *demo.stem_paths().values()]) < 4e6


def test_public_domain() -> None:
    assert "CC0-1.0" in demo.path().with_name("LICENSE").read_text(encoding="utf-8")


def test_stems_sum_to_the_mix_but_for_their_coding(song: Song) -> None:
    total = np.sum([song[name] for name in demo.STEMS], axis=0)
    assert decibels(rms(total - song["mix"]) / rms(song["mix"])) < -20


def test_levels_of_a_commercial_mix(song: Song) -> None:
    assert -16 < decibels(rms(song["mix"])) < -12
    assert max(decibels(np.abs(sound).max()) for sound in song.values()) < -1


@pytest.mark.parametrize("name", demo.STEMS)
def test_every_stem_is_heard(song: Song, name: str) -> None:
    assert decibels(rms(song[name]) / rms(song["mix"])) > -10


def test_begins_at_once_and_ends_in_silence(song: Song) -> None:
    assert decibels(rms(song["mix"][:4410])) > -40
    assert np.abs(song["mix"][-1000:]).max() < 1e-3


def test_tempo_is_the_scores(song: Song) -> None:
    mono = song["mix"].mean(axis=1)
    _, beats = librosa().beat.beat_track(y=mono, sr=44_100, hop_length=512, units="time")
    period = np.polyfit(np.arange(len(beats)), beats, 1)[0]
    assert 60 / period == pytest.approx(score.TEMPO, rel=0.01)


def test_voice_is_in_tune(song: Song) -> None:
    note = score.sing(score.ENDING_LINES)[-1]
    held = slice(round((note.start + 0.5) * 44_100), round((note.start + 1.5) * 44_100))
    mono = song["vocals"][held].mean(axis=1)
    pitch = librosa().yin(mono, fmin=200, fmax=800, sr=44_100, frame_length=4096)
    assert librosa().hz_to_midi(np.median(pitch)) == pytest.approx(note.pitch, abs=0.3)


def test_recipe_repeats_itself() -> None:
    bars = score.VERSE + 4, score.VERSE + 5
    first, second = mixdown.stems(*bars), mixdown.stems(*bars)
    for name in demo.STEMS:
        np.testing.assert_array_equal(first[name], second[name])
        assert rms(first[name]) > 0.01


def test_master_keeps_the_sum_below_the_ceiling() -> None:
    rng = np.random.default_rng(0)
    loud = {name: rng.standard_normal((44_100, 2)) for name in demo.STEMS}
    mix = np.sum(list(mixdown.master(loud, [(0.0, 1.0)]).values()), axis=0)
    assert mixdown.CEILING * 0.8 < np.abs(mix).max() <= mixdown.CEILING + 1e-9


@pytest.mark.soak
def test_shipped_files_are_what_the_recipe_renders(song: Song) -> None:
    for name, sound in mixdown.stems().items():
        assert decibels(rms(song[name] - sound) / rms(sound)) < -12
