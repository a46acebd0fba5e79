from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from stemlab.errors import AudioError
from stemlab.research.layouts import find_songs
from stemlab.research.references import Song, Source, match, read_stretch
from stemlab.sound.audio import Audio, save
from stemlab.sound.stem_mp4 import StemFileWriter

SECOND = 44_100
STEMS = ("vocals", "drums", "bass", "other")


def sound(path: Path, level: float = 0.1) -> None:
    """Write a tenth of a second that can be told from others by its level."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save(path, Audio(np.full((SECOND // 10, 2), level, np.float32)))


def written(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    dump = json.dumps if path.suffix == ".json" else yaml.safe_dump
    path.write_text(dump(content), encoding="utf-8")


def files(song: Song) -> dict[str, list[str]]:
    return {stem: [s.path.name for s in sources] for stem, sources in song.stems.items()}


def level(song: Song, stems: tuple[str, ...] = STEMS) -> tuple[float, list[float]]:
    """Return the level of the mixture and of what the stems are compared with."""
    mix, references = read_stretch(song, match(stems, song.stems), SECOND)
    return round(float(mix.mean()), 2), [round(float(one.mean()), 2) for one in references]


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """Write the layouts of MUSDB18-HQ and MUSDB18."""
    for name, loud in zip((*STEMS, "mixture"), (0.1, 0.1, 0.1, 0.1, 0.4), strict=True):
        sound(tmp_path / "train" / "Us - Song" / f"{name}.wav", loud)
    (tmp_path / "test").mkdir()
    with StemFileWriter(tmp_path / "test" / "Us - Other.stem.mp4", STEMS) as writer:
        stem = np.full((4, SECOND, 2), 0.1, np.float32)
        writer.write(stem.sum(0), stem)
    return tmp_path


def test_both_forms_of_musdb18_are_found(library: Path) -> None:
    other, song = find_songs(library)
    assert (other.name, song.name) == ("test/Us - Other", "train/Us - Song")
    assert set(other.stems) == set(song.stems) == set(STEMS)
    assert song.mix == Source(library / "train" / "Us - Song" / "mixture.wav")
    assert find_songs(library / "test" / "Us - Other.stem.mp4")[0].stems == other.stems


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
    nameless.write_bytes(known.stems["bass"][0].path.read_bytes().replace(b"stem{", b"none{"))
    [song] = find_songs(nameless)
    assert {name: s.stream for name, [s] in song.stems.items()} == {
        name: s.stream for name, [s] in known.stems.items()
    }


def test_folders_without_references(tmp_path: Path) -> None:
    (tmp_path / ".hidden").mkdir()
    for name in ("vocals", "drums"):
        save(tmp_path / ".hidden" / f"{name}.wav", Audio(np.zeros((100, 2), np.float32)))
    with pytest.raises(AudioError, match="no song with reference stems"):
        find_songs(tmp_path)
    with pytest.raises(AudioError, match="not a folder"):
        find_songs(tmp_path / "none")


def test_moisesdb(tmp_path: Path) -> None:
    """Its mixture is the sum of all tracks; a stem may have several."""
    song = tmp_path / "moisesdb" / "moisesdb_v0.1" / "0a1b"
    tracks = {"vocals": ["v1", "v2"], "bass": ["b1"], "guitar": ["g1"], "other_keys": ["k1"]}
    described = [
        {"id": stem, "stemName": stem, "tracks": [
            {"id": track, "trackType": "any", "extension": "wav", "has_bleed": False}
            for track in names
        ]}
        for stem, names in tracks.items()
    ]  # fmt: skip
    written(song / "data.json", {"song": "Song", "artist": "Us", "stems": described})
    for stem, names in tracks.items():
        for name in names:
            sound(song / stem / f"{name}.wav")
    [found] = find_songs(tmp_path)
    assert (found.name, found.mix) == ("Us - Song", None)
    assert files(found)["vocals"] == ["v1.wav", "v2.wav"]
    # No drums: their stem is left out.
    assert level(found) == (0.5, [0.2, 0.1, 0.2])


def test_songs_of_one_name_are_numbered(tmp_path: Path) -> None:
    for folder in ("1", "2"):
        track = [{"id": "t", "trackType": "any", "extension": "wav"}]
        stems = [{"stemName": stem, "tracks": track} for stem in ("vocals", "bass")]
        written(tmp_path / folder / "data.json", {"song": "Song", "artist": "Us", "stems": stems})
        for stem in ("vocals", "bass"):
            sound(tmp_path / folder / stem / "t.wav")
    assert [song.name for song in find_songs(tmp_path)] == ["Us - Song (1)", "Us - Song (2)"]


def test_slakh2100(tmp_path: Path) -> None:
    """One of its stems was described, but not rendered."""
    song = tmp_path / "slakh2100_flac_redux" / "test" / "Track01876"
    kinds = ["Guitar", "Drums", "Bass", "Piano", "Guitar"]
    stems = {
        f"S{i:02}": {"audio_rendered": i < 4, "inst_class": kind, "is_drum": kind == "Drums"}
        for i, kind in enumerate(kinds)
    }
    written(song / "metadata.yaml", {"UUID": "x", "audio_dir": "stems", "stems": stems})
    (song / "MIDI").mkdir()
    (song / "all_src.mid").touch()
    sound(song / "mix.flac", 0.4)
    for i in range(4):
        sound(song / "stems" / f"S{i:02}.flac")
    [found] = find_songs(tmp_path)
    assert files(found) == {"guitar": ["S00.flac"], "drums": ["S01.flac"], "bass": ["S02.flac"],
                            "piano": ["S03.flac"]}  # fmt: skip
    assert found.mix == Source(song / "mix.flac")
    assert level(found) == (0.4, [0.1, 0.1, 0.2])


@pytest.mark.parametrize("apart", [False, True])
def test_medleydb(tmp_path: Path, *, apart: bool) -> None:
    """What it says of a song lies beside it, or with that of all others."""
    title = "Us_Song"
    song = tmp_path / "Audio" / title
    instruments = ["electric bass", "drum set", "clean electric guitar", "male singer", "vocalists"]
    stems = {
        f"S{i:02}": {"component": "", "filename": f"{title}_STEM_{i:02}.wav", "instrument": name,
                     "raw": {"R01": {"filename": f"{title}_RAW_{i:02}_01.wav"}}}
        for i, name in enumerate(instruments, 1)
    }  # fmt: skip
    place = tmp_path / "Metadata" if apart else song
    written(place / f"{title}_METADATA.yaml", {"artist": "Us", "title": "Song", "stems": stems})
    sound(song / f"{title}_MIX.wav", 0.5)
    for i in range(1, 6):
        sound(song / f"{title}_STEMS" / f"{title}_STEM_{i:02}.wav")
        sound(song / f"{title}_RAW" / f"{title}_RAW_{i:02}_01.wav")
    [found] = find_songs(tmp_path)
    assert found.name == "Audio/Us_Song"
    assert set(found.stems) == {"vocals", "bass", "drums", "clean electric guitar"}
    assert level(found) == (0.5, [0.2, 0.1, 0.1, 0.1])


def test_msst_folders_of_stems(tmp_path: Path) -> None:
    """Songs are told by what their files' names share; lonely files are none."""
    for stem in STEMS:
        for song in ("1", "2"):
            sound(tmp_path / stem / f"{stem}_{song}.wav")
    sound(tmp_path / "bass" / "bass_3.wav")
    first, second = find_songs(tmp_path)
    assert (first.name, second.name) == ("1", "2")
    assert files(first) == {stem: [f"{stem}_1.wav"] for stem in STEMS}
    assert level(first) == (0.4, [0.1] * 4)


@pytest.mark.parametrize("head", ["instrum", "type"])
def test_msst_lists(tmp_path: Path, head: str) -> None:
    rows = [f"{head},path"]
    for stem in ("vocals", "other"):
        sound(tmp_path / "a" / f"{stem}_1.wav")
        sound(tmp_path / "Us - Song" / f"{stem}.wav")
        # From here, or from anywhere.
        rows += [f"{stem},{tmp_path / 'a' / f'{stem}_1.wav'}", f"{stem},Us - Song/{stem}.wav"]
    listed = tmp_path / "list.csv"
    listed.write_text("\n".join(rows), encoding="utf-8")
    one, other = find_songs(listed)
    assert (one.name, other.name) == ("1", "Us - Song")
    assert level(other, ("vocals", "other")) == (0.2, [0.1, 0.1])


def test_lists_that_are_none(tmp_path: Path) -> None:
    listed = tmp_path / "list.csv"
    for text, said in (
        ("a,b\n1,2\n", "must be instrum,path"),
        ("type,path\nvocals,a_1.wav\n", "no two stems"),
        ("type,path\nvocals,a/1.wav\nvocals,b/1.wav\n", "same stem of one song"),
    ):
        listed.write_text(text, encoding="utf-8")
        with pytest.raises(AudioError, match=said):
            find_songs(listed)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("type,path\nvocals,Us/v_1.wav\ndrums,Café/d_1.wav\n", "line 3 is not UTF-8"),
        ("type,path\nvocals,v_1.wav\n\ndrums\n", "line 4 lacks a stem or a path"),
        ("path,type\nv_1.wav\n", "line 2 lacks"),
        ("type,path\n,v_1.wav\n", "line 2 lacks"),
        ("type,path\nvocals,v_1.wav\ndrums," + 200_000 * "d", "line 3 cannot be read"),
    ],
)
def test_a_line_that_is_none_is_named(tmp_path: Path, text: str, said: str) -> None:
    listed = tmp_path / "list.csv"
    listed.write_text(text, encoding="cp1252")
    with pytest.raises(AudioError, match=rf"list\.csv: {said}"):
        find_songs(listed)


def test_a_list_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    listed = tmp_path / "list.csv"
    listed.write_text("type,path\nvocals,1.wav\ndrums,é/1.wav\n", "utf-8-sig")
    [song] = find_songs(listed)
    assert {*song.stems} == {"vocals", "drums"}


def test_a_dead_link_is_a_song_that_cannot_be_read(library: Path) -> None:
    (library / "test" / "dead.stem.mp4").symlink_to(library / "nowhere")
    found = {song.name: song for song in find_songs(library)}
    assert {*found} == {"test/Us - Other", "test/dead", "train/Us - Song"}
    with pytest.raises(AudioError, match=r"dead\.stem\.mp4"):
        level(found["test/dead"])


@pytest.mark.parametrize("text", ["[", "[]", '{"stems": 3}', '{"stems": [{"stemName": 1}]}'])
def test_a_damaged_description_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "data.json").write_text(text, encoding="utf-8")
    with pytest.raises(AudioError, match=r"data\.json: does not describe"):
        find_songs(tmp_path)


def test_some_stems_beside_a_mixture_are_a_song(tmp_path: Path) -> None:
    sound(tmp_path / "song" / "mix.wav", 0.3)
    sound(tmp_path / "song" / "vocals.wav")
    [song] = find_songs(tmp_path)
    assert level(song) == (0.3, [0.1])


def test_links_may_lead_round_in_circles(library: Path) -> None:
    (library / "train" / "back").symlink_to(library)
    assert len(find_songs(library)) == 2
