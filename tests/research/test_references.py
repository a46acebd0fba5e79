from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest

from stemlab import demo
from stemlab.errors import AudioError, AudioWarning, SettingError
from stemlab.research.layouts import find_songs
from stemlab.research.references import Mixed, Song, match, read_stretch, unmatched
from stemlab.sound.audio import Audio, Reader, load, save
from stemlab.sound.stem_mp4 import StemFileWriter

if TYPE_CHECKING:
    from pathlib import Path

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


def test_a_reference_may_hold_several_stems() -> None:
    found = match(STEMS, ["bass+other", "drums", "vocals"])
    assert [(t.name, t.stems, t.references) for t in found] == [
        ("vocals", (0,), ("vocals",)),
        ("drums", (1,), ("drums",)),
        ("bass+other", (2, 3), ("bass+other",)),
    ]
    [_, rest] = match(["vocals", "accompaniment"], ["bass+other", "drums", "vocals"])
    assert rest.references == ("bass+other", "drums")


def test_what_no_stem_is_named_for_is_other() -> None:
    references = ["vocals", "bass", "drums", "other", "guitar", "bowed_strings"]
    assert match(STEMS, references)[-1].references == ("other", "guitar", "bowed_strings")
    assert match(STEMS, ["vocals", "guitar", "piano"])[-1].references == ("guitar", "piano")
    assert match(["vocals", "accompaniment"], references)[1].references == tuple(references[1:])
    [*_, rest] = match(STEMS, ["vocals", "bass+other", "guitar"])
    assert (rest.stems, rest.references) == ((2, 3), ("bass+other", "guitar"))


def test_stems_without_a_reference_are_left_out_and_named() -> None:
    targets = match(STEMS, ["vocals", "drums"])
    assert [target.name for target in targets] == ["vocals", "drums"]
    assert unmatched(STEMS, targets) == ["bass", "other"]
    with pytest.raises(SettingError, match="no reference for drums, bass among guitar"):
        match(["drums", "bass"], ["guitar"])


def test_what_is_compared_can_be_asked_for() -> None:
    found = match(STEMS, ["vocals", "drums", "bass", "guitar"], "vocals, bass+other")
    assert [(t.name, t.stems, t.references) for t in found] == [
        ("vocals", (0,), ("vocals",)),
        ("bass+other", (2, 3), ("bass", "guitar")),
    ]
    [same] = match(STEMS, ["vocals", "drums", "bass+other"], "bass+other")
    assert same.references == ("bass+other",)
    [mapped] = match(STEMS, ["lead", "choir", "drums", "band"], "vocals=lead+choir")
    assert (mapped.name, mapped.references) == ("vocals", ("lead", "choir"))
    some = match(STEMS, ["vocals", "drums"], "drums,bass+other")
    assert unmatched(STEMS, some, "drums,bass+other") == ["bass+other"]
    with pytest.raises(SettingError, match="kazoo: no such stem; the model has vocals"):
        match(STEMS, ["vocals"], "kazoo")
    with pytest.raises(SettingError, match=r"no reference for bass\+other among vocals"):
        match(STEMS, ["vocals"], "bass+other")


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


def test_mixed_sounds_are_read_in_step(library: Path) -> None:
    song = find_songs(library)[1]
    assert isinstance(song, Song)
    with (
        Mixed([stem for [stem] in song.stems.values()], SECOND) as mixed,
        Reader(song.mixed[0].path) as mixture,
    ):
        for block in mixture.blocks(10_000):
            np.testing.assert_allclose(mixed.take(len(block)), block, atol=1e-4)
        assert not mixed.take(10).any()
