"""Which files are songs: not what stemlab wrote, not what is hidden, everything once."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stemlab.library import sidecar
from stemlab.library.songs import RECORD, find_songs, folders, note
from stemlab.sound.audio import load
from stemlab.sound.stem_mp4 import StemFileWriter


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def found(root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in find_songs(root)]


def test_what_stemlab_wrote_or_is_hidden_is_no_song(tmp_path: Path) -> None:
    touch(tmp_path, "a.wav", "b/c.mp3", "._a.wav", ".stemlab-1.wav", ".trash/d.wav", "notes.txt")
    touch(tmp_path, "a/vocals.wav", "a/live/e.flac", "b.wav/f.ogg")
    (tmp_path / "a" / RECORD).write_text("[")
    silence = np.zeros((2048, 2), np.float32)
    with StemFileWriter(tmp_path / "own.stem.mp4", ["vocals"]) as writer:
        writer.write(silence, silence[None])
    touch(tmp_path, "bought.stem.mp4")
    assert found(tmp_path) == [
        "a/live/e.flac",
        "a.wav",
        "b/c.mp3",
        "b.wav/f.ogg",
        "bought.stem.mp4",
    ]


def test_links_are_followed_once(tmp_path: Path) -> None:
    root = tmp_path / "music"
    touch(root, "x.wav", "d/y.wav")
    touch(tmp_path, "far/z.wav", "far/stems/vocals.wav", f"far/stems/{RECORD}")
    for name, target in {
        "again.wav": "x.wav",
        "loop": ".",
        "e": "d",
        "far": str(tmp_path / "far"),
        "nowhere.wav": "gone.wav",
        "vocals.wav": str(tmp_path / "far" / "stems" / "vocals.wav"),
        "round.wav": "round.wav",
    }.items():
        (root / name).symlink_to(target)
    assert found(root) == ["d/y.wav", "x.wav", "far/z.wav"]


def test_a_finished_song_keeps_its_folder(tmp_path: Path) -> None:
    alone = {Path("song.wav"): Path("song.wav")}
    [folder] = folders(alone, tmp_path).values()
    assert folder == tmp_path / "song"
    folder.mkdir()
    sidecar.write(folder / RECORD, {"song": "song.wav"})
    both = alone | {Path("song.flac"): Path("song.flac")}
    assert [*folders(both, tmp_path).values()] == [tmp_path / "song", tmp_path / "song.flac"]


def test_a_folder_is_not_taken_from_another_song(tmp_path: Path) -> None:
    (tmp_path / "song").mkdir()
    sidecar.write(tmp_path / "song" / RECORD, {"song": "song.wav"})
    for name in ("song.wav", "song.flac", "song.flac"):
        [folder] = folders({Path(name): Path(name)}, tmp_path).values()
        assert folder == tmp_path / ("song" if name == "song.wav" else name)


def test_names_that_some_disks_do_not_tell_apart(tmp_path: Path) -> None:
    names = ["Intro.wav", "intro.mp3", "S\u00f6ng.wav", "So\u0308ng.mp3"]
    found = folders({Path(name): Path(name) for name in names}, tmp_path)
    assert [folder.name for folder in found.values()] == names


def test_ten_thousand_songs_take_no_time(tmp_path: Path) -> None:
    many = {Path(f"{n}.wav"): Path(f"{n}.wav") for n in range(10_000)}
    start = time.monotonic()
    assert len({*folders(many, tmp_path).values()}) == 10_000
    assert time.monotonic() - start < 10


@pytest.mark.parametrize(
    "text", ["", "[]", "[" * 100_000, "{", '"a"', "\ud800".encode("utf-8", "surrogatepass")]
)
def test_a_note_may_be_anything(tmp_path: Path, text: str | bytes) -> None:
    (tmp_path / "note").write_bytes(text if isinstance(text, bytes) else text.encode())
    assert sidecar.read(tmp_path / "note") == {}


def test_a_file_of_ours_among_songs_is_none(tmp_path: Path) -> None:
    touch(tmp_path, "song.wav", "song (vocals).wav", "song (drums).wav")
    note(tmp_path / "song (vocals).wav")
    note(tmp_path / "song (drums).wav")
    assert found(tmp_path) == ["song.wav"]


@pytest.mark.skipif(os.name == "nt", reason="names are Unicode there")
@pytest.mark.parametrize("suffix", [".wav", ".aiff", ".flac", ".ogg", ".mp3"])
def test_a_name_that_is_not_utf8_is_read(tmp_path: Path, suffix: str) -> None:
    plain = tmp_path / f"plain{suffix}"
    soundfile.write(plain, np.full((4000, 2), 0.25, np.float32), 44_100)
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9" + suffix.encode()))
    plain.rename(odd)
    [song] = find_songs(tmp_path)
    assert song == odd
    assert load(song).samples.mean() == pytest.approx(0.25, abs=0.01)


@pytest.mark.skipif(os.name == "nt", reason="Windows has neither pipes nor devices in folders")
def test_pipes_and_what_has_no_end_are_passed_over(tmp_path: Path) -> None:
    touch(tmp_path, "a.wav")
    (tmp_path / RECORD).symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "b.stem.mp4")
    (tmp_path / "c").mkdir()
    os.mkfifo(tmp_path / "c" / RECORD)
    touch(tmp_path, "c/d.wav")
    assert sidecar.read(tmp_path / RECORD) == sidecar.read(tmp_path / "c" / RECORD) == {}
    assert found(tmp_path) == []
    (tmp_path / RECORD).unlink()
    assert found(tmp_path) == ["a.wav"]
