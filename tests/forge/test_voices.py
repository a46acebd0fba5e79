"""Training voices: what is sung is in tune, and what is written can be heard."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
from music import voices
from music.pool import RATE, list_songs
from music.singing import Manner, Note, Syllable, sing, syllables, track

import stemlab.demo

if TYPE_CHECKING:
    from music.singing import Mono

SPEECH = Path(stemlab.demo.__file__).with_name("vocals.ogg")


@pytest.fixture(scope="module")
def clip() -> Mono:
    """Four seconds of a voice."""
    whole = voices.read(SPEECH)
    loudest = int(np.argmax(np.convolve(whole**2, np.ones(100), "same")))
    start = min(max(0, loudest - RATE), len(whole) - 4 * RATE)
    return voices.trimmed(whole[start : start + 4 * RATE])


@pytest.fixture(scope="module")
def syllable(clip: Mono) -> Syllable:
    found = syllables(clip)
    assert len(found) > 1
    return max(found, key=lambda each: each.vowel[1] - each.vowel[0])


@pytest.mark.parametrize("semitones", [-3, 0, 7])
def test_a_note_is_in_tune_and_as_long_as_it_should_be(syllable: Syllable, semitones: int) -> None:
    pitch = 12 * np.log2(syllable.hertz / 440) + 69 + semitones
    note = Note(syllable, RATE, 2 * RATE, pitch)
    plain = Manner(vibrato=0, glide=0)
    sound = sing([note], 4 * RATE, plain, np.random.default_rng(0))
    heard = track(sound)
    held = heard[120:190]
    cents = 1200 * np.log2(held[held > 0] / (syllable.hertz * 2 ** (semitones / 12)))
    assert np.mean(held > 0) > 0.8
    assert abs(np.median(cents)) < 25
    vowel = sound[round(1.2 * RATE) : round(1.8 * RATE)]
    assert np.sqrt(np.mean(vowel**2)) == pytest.approx(0.1, rel=0.6)
    assert not sound[: RATE - syllable.onset - RATE // 10].any()
    assert not sound[2 * RATE + syllable.coda + RATE // 4 :].any()


def test_a_speaker_speaks_and_sings(
    clip: Mono, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    soundfile.write(tmp_path / "clip.wav", clip, RATE)
    speaker = voices.Speaker("voices-klettres", "xx", (".", "*.wav"))
    monkeypatch.setattr(voices, "SHARE", tmp_path)
    monkeypatch.setattr(voices, "SPEAKERS", (speaker,))
    monkeypatch.setattr(voices, "SECONDS", 10)
    pool = tmp_path / "pool"
    voices.gather(tmp_path, pool, tmp_path)
    songs = {folder.parent.name: folder for folder in list_songs(pool)}
    assert set(songs) == {"voices-klettres", "voices-speech"}
    for folder in songs.values():
        assert json.loads((folder / "song.json").read_text())["licence"].startswith("GPL-2.0")
        assert [file.name for file in folder.glob("*.wav")] == ["vocals.wav"]
        sound, _ = soundfile.read(folder / "vocals.wav", always_2d=True)
        assert sound.shape[1] == 2
        assert 0.02 < sound.std() < np.abs(sound).max() < 0.95
