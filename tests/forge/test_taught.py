"""Songs whose stems a model tells: sung ones as it hears them, played ones without a voice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import soundfile
from music import taught
from music.pool import RATE, list_songs
from sounds import encode

from stemlab import demo
from stemlab.sound.audio import load

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

SECONDS = 6


def test_the_teacher_parts_songs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = [load(path).samples for path in demo.stem_paths().values()]
    mix = np.sum(parts, 0)[20 * RATE : (20 + SECONDS) * RATE]
    games = tmp_path / "games"
    sung = tmp_path / "real" / "zmij" / "sung" / "mixture.opus"
    for folder in (sung.parent, games / "tetris" / "music"):
        folder.mkdir(parents=True)
    encode(sung, mix, 48_000, "libopus")
    kept = games / "tetris" / "music" / "kept.ogg"
    for file in (kept, kept.with_stem("level 1")):
        soundfile.write(file, mix, RATE)
    monkeypatch.setattr(taught, "GAMES", games)
    monkeypatch.setattr(taught, "PLAYED", {"tetris/music": "CC0 1.0"})
    monkeypatch.setattr(taught, "HELD_BACK", (kept,))
    monkeypatch.setattr(taught, "TEACHER", taught.TEACHER.with_stem("stemlab-4-fast"))
    taught.gather(tmp_path, tmp_path / "pool", tmp_path)
    songs = list_songs(tmp_path / "pool")
    assert {
        f"{song.parent.name}/{song.name}": {f.stem for f in song.glob("*.wav")} for song in songs
    } == {
        "taught/sung": {"vocals", "drums", "bass", "other"},
        "taught-games/tetris-level-1": {"drums", "bass", "other"},
    }
    for song, file in zip(songs, (sung, kept.with_stem("level 1")), strict=True):
        stems = [soundfile.read(f)[0] for f in song.glob("*.wav")]
        heard, whole = np.sum(stems, 0)[:, 0], load(file).samples[:, 0]
        assert np.corrcoef(heard, whole)[0, 1] > 0.999
