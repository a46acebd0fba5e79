from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stemlab import demo
from stemlab.audio import Audio, load, save
from stemlab.errors import AudioError, SettingError
from stemlab.evaluation import Song, evaluate, find_songs, match
from stemlab.metrics import sdr
from stemlab.separator import Separator

SECONDS = slice(20 * 44_100, 26 * 44_100)


@pytest.fixture(scope="module")
def references(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds of the demo's stems without a mixture, the bass ending early."""
    folder = tmp_path_factory.mktemp("songs") / "song"
    folder.mkdir()
    for name, path in demo.stem_paths().items():
        samples = load(path).samples[SECONDS]
        save(folder / f"{name}.wav", Audio(samples[: 100_000 if name == "bass" else None]))
    return folder


def test_songs_are_found_at_both_depths(references: Path) -> None:
    [song] = find_songs(references)
    assert song == find_songs(references.parent)[0]
    assert song.mix is None
    assert set(song.stems) == {"vocals", "drums", "bass", "other"}
    [shipped] = find_songs(Path(demo.__file__).parent)
    assert shipped.mix == demo.path()


def test_scores_are_those_of_the_separated_arrays(references: Path) -> None:
    separator = Separator()
    [song] = find_songs(references)
    stems = {name: load(path).samples for name, path in song.stems.items()}
    stems["bass"] = np.pad(stems["bass"], ((0, len(stems["drums"]) - 100_000), (0, 0)))
    mix: Audio = Audio(np.sum([*stems.values()], 0, dtype=np.float32))
    separation = separator.separate(mix)
    seconds: list[float] = []
    scores = evaluate(song, separator, seconds.append)
    assert abs(sum(seconds) - mix.duration) < 1e-6
    vocals = stems.pop("vocals")
    expected = {"vocals": vocals, "accompaniment": np.sum([*stems.values()], 0)}
    for name, reference in expected.items():
        assert abs(scores[name] - sdr(reference, separation.stems[name].samples)) < 0.01


def test_stems_without_a_reference_are_named() -> None:
    known = {"guitar": Path("guitar.wav"), "vocals": Path("vocals.wav")}
    with pytest.raises(SettingError, match="no reference for drums, bass among guitar, vocals"):
        match(["vocals", "drums", "bass"], known)
    with pytest.raises(SettingError, match="no reference for bass"):
        match(["guitar", "vocals", "bass"], known)


def test_a_folder_without_references(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="no song with reference stems"):
        find_songs(tmp_path)
    with pytest.raises(AudioError, match="not a folder"):
        find_songs(tmp_path / "none")


def test_damaged_references_are_named(tmp_path: Path) -> None:
    (tmp_path / "vocals.wav").write_text("no sound")
    song = Song("song", demo.path(), {"vocals": tmp_path / "vocals.wav", "rest": demo.path()})
    with pytest.raises(AudioError, match=r"vocals\.wav"):
        evaluate(song, Separator())
