from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from stemlab import demo
from stemlab.errors import AudioError, AudioWarning, SettingError
from stemlab.research.references import Mixed, Song, Source, find_songs, match, read_stretch
from stemlab.sound.audio import Audio, Reader, load, save
from stemlab.sound.stem_mp4 import StemFileWriter

SECOND = 44_100
STEMS = ("vocals", "drums", "bass", "other")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the layouts of MUSDB18-HQ and MUSDB18, two seconds each."""
    folder = tmp_path_factory.mktemp("musdb")
    hq = folder / "train" / "Us - Song"
    hq.mkdir(parents=True)
    (folder / "test").mkdir()
    sounds = [load(path).samples[20 * SECOND : 22 * SECOND] for path in demo.stem_paths().values()]
    for name, sound in zip(STEMS, sounds, strict=True):
        save(hq / f"{name}.wav", Audio(sound))
    mix = np.sum(sounds, 0, dtype=np.float32)
    save(hq / "mixture.wav", Audio(mix))
    with StemFileWriter(folder / "test" / "Us - Other.stem.mp4", STEMS) as writer:
        writer.write(mix, np.stack(sounds))
    return folder


def test_both_forms_of_musdb18_are_found(library: Path) -> None:
    other, song = find_songs(library)
    assert (other.name, song.name) == ("test/Us - Other", "train/Us - Song")
    assert set(other.stems) == set(song.stems) == set(STEMS)
    assert song.mix == Source(library / "train" / "Us - Song" / "mixture.wav")
    assert find_songs(library / "test" / "Us - Other.stem.mp4")[0].stems == other.stems


def test_both_forms_hold_the_same_sounds(library: Path) -> None:
    targets = match(["vocals", "accompaniment"], STEMS)
    from_file, from_folder = (
        read_stretch(song, targets, SECOND, 0.5, 1) for song in find_songs(library)
    )
    for lossy, exact in zip(from_file, from_folder, strict=True):
        assert lossy.shape == exact.shape
        assert np.square(lossy - exact).sum() < 0.05 * np.square(exact).sum()
    mix, references = from_folder
    np.testing.assert_allclose(references.sum(0), mix, atol=1e-4)


def test_a_stem_file_of_another_hand() -> None:
    """The excerpt of MUSDB18 that stempeg brings: names in upper case, the voice called Vox."""
    [place] = find_spec("stempeg").submodule_search_locations  # type: ignore[union-attr, misc]
    [song] = find_songs(next(Path(place).glob("data/*.stem.mp4")))
    assert set(song.stems) == set(STEMS)
    mix, references = read_stretch(song, match(STEMS, song.stems), SECOND)
    assert references.shape == (4, *mix.shape)
    assert np.square(references.sum(0) - mix).sum() < 0.1 * np.square(mix).sum()


def test_a_stem_file_without_names_has_the_usual_order(library: Path, tmp_path: Path) -> None:
    [known] = find_songs(library / "test")
    nameless = tmp_path / "nameless.stem.mp4"
    nameless.write_bytes(known.stems["bass"].path.read_bytes().replace(b"stem{", b"none{"))
    [song] = find_songs(nameless)
    assert {name: s.stream for name, s in song.stems.items()} == {
        name: s.stream for name, s in known.stems.items()
    }


def test_a_reference_may_hold_several_stems() -> None:
    found = match(STEMS, ["bass+other", "drums", "vocals"])
    assert [(t.name, t.stems, t.references) for t in found] == [
        ("vocals", (0,), ("vocals",)),
        ("drums", (1,), ("drums",)),
        ("bass+other", (2, 3), ("bass+other",)),
    ]
    [_, rest] = match(["vocals", "accompaniment"], ["bass+other", "drums", "vocals"])
    assert rest.references == ("bass+other", "drums")


def test_stems_without_a_reference_are_named() -> None:
    with pytest.raises(SettingError, match="no reference for drums, bass among guitar, vocals"):
        match(["vocals", "drums", "bass"], ["guitar", "vocals"])
    with pytest.raises(SettingError, match="no reference for bass"):
        match(["guitar", "vocals", "bass"], ["guitar", "vocals"])


def test_a_stretch_is_where_it_should_be(library: Path) -> None:
    song = find_songs(library)[1]
    targets = match(STEMS, song.stems)
    whole, stems = read_stretch(song, targets, SECOND)
    mix, references = read_stretch(song, targets, SECOND, 0.5, 60)
    np.testing.assert_array_equal(mix, whole[SECOND // 2 :])
    np.testing.assert_array_equal(references, stems[:, SECOND // 2 :])
    with pytest.raises(AudioError, match=r"ends at 2\.0 s"):
        read_stretch(song, targets, SECOND, 2)


def test_short_references_are_named_and_end_in_silence(library: Path, tmp_path: Path) -> None:
    folder = tmp_path / "song"
    shutil.copytree(library / "train" / "Us - Song", folder)
    save(folder / "bass.wav", Audio(load(folder / "bass.wav").samples[:SECOND]))
    [song] = find_songs(folder)
    with pytest.warns(AudioWarning, match=r"bass ends at 1\.0 s, the mix at 2\.0 s"):
        song.warn_short(SECOND)
    _, references = read_stretch(song, match(STEMS, song.stems), SECOND)
    assert not references[2, SECOND:].any()
    find_songs(library)[0].warn_short(SECOND)


def test_folders_without_references(tmp_path: Path) -> None:
    (tmp_path / ".hidden").mkdir()
    for name in ("vocals", "drums"):
        save(tmp_path / ".hidden" / f"{name}.wav", Audio(np.zeros((100, 2), np.float32)))
    with pytest.raises(AudioError, match="no song with reference stems"):
        find_songs(tmp_path)
    with pytest.raises(AudioError, match="not a folder"):
        find_songs(tmp_path / "none")


def test_mixed_sounds_are_read_in_step(library: Path) -> None:
    song = find_songs(library)[1]
    assert isinstance(song, Song)
    with Mixed(song.stems.values(), SECOND) as mixed, Reader(song.mixed[0].path) as mixture:
        for block in mixture.blocks(10_000):
            np.testing.assert_allclose(mixed.take(len(block)), block, atol=1e-4)
        assert not mixed.take(10).any()
