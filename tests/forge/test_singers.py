"""Singers: what they sing with themselves is in tune with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
from music import singers, taught
from music.pool import RATE, REST, list_songs
from sounds import encode, noise

if TYPE_CHECKING:
    from pathlib import Path

    from music.singing import Mono


def tone(hertz: float, seconds: float) -> Mono:
    time = np.arange(round(seconds * RATE)) / RATE
    return np.asarray(0.3 * np.sin(2 * np.pi * hertz * time), np.float32)


def loudest(sound: Mono) -> float:
    """Return the strongest frequency in the middle of a sound."""
    middle = sound[len(sound) // 4 : -len(sound) // 4]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    return float(spectrum.argmax() * RATE / len(middle))


@pytest.mark.parametrize("semitones", [-5, 0.3, 12])
def test_transposed_is_higher_not_shorter(semitones: float) -> None:
    voice = tone(220, 2)
    moved = singers.transposed(voice, semitones)
    assert moved.shape == voice.shape
    assert loudest(moved) == pytest.approx(220 * 2 ** (semitones / 12), rel=0.01)


def test_a_choir_sings_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(singers, "CHOIRS", ((0, 12),))
    low, high = singers.choir(tone(220, 2), np.random.default_rng(0))
    assert loudest(low.sum(0)) == pytest.approx(220, rel=0.03)
    assert loudest(high.sum(0)) == pytest.approx(440, rel=0.03)
    left, right = (low**2).sum(1)
    assert left < right
    assert not low[:, : RATE // 250].any()


def test_recordings_become_songs_and_one_singer_is_held_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for singer in ("one", "two"):
        file = tmp_path / "real" / "vocadito" / singer / "vocals.opus"
        file.parent.mkdir(parents=True)
        encode(file, np.repeat(tone(200, 2)[:, None], 2, 1), 48_000, "libopus")
    soundfile.write(tmp_path / "music.flac", 0.1 * noise(RATE), RATE)
    monkeypatch.setattr(singers, "HELD_BACK", {"two"})
    monkeypatch.setattr(singers, "TAKES", 2)
    monkeypatch.setattr(taught, "HELD_BACK", (tmp_path / "music.flac",))
    pool, validation = tmp_path / "pool", tmp_path / "validation"
    singers.gather(tmp_path, pool, validation)
    assert [song.name for song in list_songs(pool)] == ["one-0", "one-1"]
    (held_back,) = list_songs(validation)
    voice, rest = (soundfile.read(held_back / f"{stem}.wav")[0] for stem in ("vocals", REST))
    assert voice.shape == rest.shape
    assert 20 * np.log10(voice.std() / rest.std()) == pytest.approx(6, abs=0.5)
