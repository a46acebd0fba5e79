"""Tags are kept; those that do not fit are left out, not the song."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

import mutagen
import pytest
from memory import traced
from mutagen.apev2 import APEv2, APEValue
from mutagen.flac import FLAC, Picture
from sounds import noise

from stemlab.sound.audio import (
    RATE,
    WRITE_SUFFIXES,
    Audio,
    AudioWarning,
    Reader,
    Tags,
    Writer,
    load,
    save,
)
from stemlab.sound.stem_mp4 import StemFileWriter
from stemlab.sound.tags import read_tags

if TYPE_CHECKING:
    from pathlib import Path

JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 4
HUGE = b"\xff\xd8\xff\xe0" + bytes(17_000_000)
SOUND = noise(5000)


def stem_file(path: Path, tags: Tags) -> None:
    with StemFileWriter(path, ["vocals"], RATE, tags) as writer:
        writer.write(SOUND, SOUND[None])


def test_a_cover_that_does_not_fit_is_left_out(tmp_path: Path) -> None:
    with pytest.warns(AudioWarning, match=r"x\.flac: its tag cover does not fit into this format"):
        save(tmp_path / "x.flac", Audio(SOUND), Tags("Lied", "Wir", track="3", cover=HUGE))
    assert read_tags(tmp_path / "x.flac") == Tags("Lied", "Wir", track="3")
    assert len(load(tmp_path / "x.flac").samples) == 5000


@pytest.mark.parametrize("suffix", sorted(WRITE_SUFFIXES - {".flac"}))
def test_a_cover_of_17_mb_fits_elsewhere(tmp_path: Path, suffix: str) -> None:
    save(tmp_path / f"x{suffix}", Audio(SOUND), Tags("Lied", cover=HUGE))
    assert read_tags(tmp_path / f"x{suffix}") == Tags("Lied", cover=HUGE)
    assert len(load(tmp_path / f"x{suffix}").samples) == 5000


@pytest.mark.parametrize("track", ["20240101", "3/20240101", "99999999999999999999"])
def test_a_track_number_that_does_not_fit_is_left_out(tmp_path: Path, track: str) -> None:
    with pytest.warns(AudioWarning, match=r"x\.stem\.mp4: its tag track does not fit"):
        stem_file(tmp_path / "x.stem.mp4", Tags("Lied", track=track, cover=JPEG))
    assert read_tags(tmp_path / "x.stem.mp4") == Tags("Lied", cover=JPEG)
    save(tmp_path / "x.flac", Audio(SOUND), Tags("Lied", track=track))
    assert read_tags(tmp_path / "x.flac").track == track


@pytest.mark.parametrize("suffix", [*sorted(WRITE_SUFFIXES), ".stem.mp4"])
def test_several_artists_are_kept(tmp_path: Path, suffix: str) -> None:
    path, tags = tmp_path / f"x{suffix}", Tags("Lied", "Anna; Bert", genre="Ska; Dub")
    stem_file(path, tags) if suffix == ".stem.mp4" else save(path, Audio(SOUND), tags)
    assert read_tags(path) == tags


def test_several_artists_stay_several(tmp_path: Path) -> None:
    save(tmp_path / "x.flac", Audio(SOUND), Tags(artist="Anna; Bert"))
    assert FLAC(tmp_path / "x.flac")["artist"] == ["Anna", "Bert"]


@pytest.mark.parametrize("suffix", sorted(WRITE_SUFFIXES))
@pytest.mark.parametrize("role", [0, 3, 4, 6])
def test_a_cover_keeps_its_role(tmp_path: Path, suffix: str, role: int) -> None:
    save(tmp_path / f"x{suffix}", Audio(SOUND), Tags(cover=JPEG, cover_role=role))
    assert read_tags(tmp_path / f"x{suffix}") == Tags(cover=JPEG, cover_role=role)


def test_the_front_cover_is_chosen(tmp_path: Path) -> None:
    save(tmp_path / "x.flac", Audio(SOUND))
    file = FLAC(tmp_path / "x.flac")
    for role in (4, 3):
        picture = Picture()
        picture.type, picture.data = role, JPEG + bytes([role])
        file.add_picture(picture)
    file.save()
    assert read_tags(tmp_path / "x.flac") == Tags(cover=JPEG + b"\3")


def test_ape_tags_are_read_and_do_not_disturb(tmp_path: Path) -> None:
    save(tmp_path / "x.mp3", Audio(SOUND))
    tags = APEv2()
    tags.update({"Title": "Lied", "Artist": ["Anna", "Bert"], "Year": "1999", "Track": "3/12"})
    tags["Cover Art (Front)"] = APEValue(b"front.jpg\0" + JPEG, 1)
    tags.save(tmp_path / "x.mp3")
    with Reader(tmp_path / "x.mp3") as reader:
        assert reader.tags == Tags("Lied", "Anna; Bert", date="1999", track="3/12", cover=JPEG)
    # The padding of the last frame may show: libav does not cut it off there.
    assert 0 <= len(load(tmp_path / "x.mp3").samples) - 5000 < 1152


def test_id3_goes_before_ape(tmp_path: Path) -> None:
    save(tmp_path / "x.mp3", Audio(SOUND), Tags("Lied"))
    tags = APEv2()
    tags.update({"Title": "Altes", "Artist": "Anna"})
    tags.save(tmp_path / "x.mp3")
    assert read_tags(tmp_path / "x.mp3") == Tags("Lied", "Anna")


def test_what_is_compressed_is_not_unpacked(tmp_path: Path) -> None:
    save(tmp_path / "x.mp3", Audio(SOUND), Tags(artist="Wir"))
    sound = (tmp_path / "x.mp3").read_bytes()
    size = sum(byte << 7 * place for place, byte in enumerate(reversed(sound[6:10])))
    frames = [
        _frame(b"TIT2", zlib.compress(b"\x03" + b"A" * 60_000_000), 0x0008),
        sound[10 : 10 + size],
    ]
    tag = b"".join(frames)
    (tmp_path / "x.mp3").write_bytes(b"ID3\4\0\0" + _syncsafe(len(tag)) + tag + sound[10 + size :])
    with traced() as peak:
        found = read_tags(tmp_path / "x.mp3")
        assert peak() < 5_000_000
    assert (found.title, found.artist) == ("", "Wir")


def _frame(name: bytes, data: bytes, flags: int) -> bytes:
    return name + _syncsafe(len(data)) + struct.pack(">H", flags) + data


def _syncsafe(number: int) -> bytes:
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))


def test_endless_texts_are_cut(tmp_path: Path) -> None:
    save(tmp_path / "x.flac", Audio(SOUND), Tags("Lied " * 100_000, "Wir"))
    assert read_tags(tmp_path / "x.flac") == Tags(("Lied " * 200), "Wir")


@pytest.mark.parametrize(
    ("key", "kind"), [("Title", 1), ("Artist", 2), ("Cover Art (Front)", 0)], ids=str
)
def test_ape_tags_of_an_odd_kind_do_not_cost_the_others(
    tmp_path: Path, key: str, kind: int
) -> None:
    save(tmp_path / "x.mp3", Audio(SOUND), Tags("Lied", "Wir"))
    ape = APEv2()
    ape[key] = APEValue(b"odd" if kind == 1 else "odd", kind)
    ape.save(tmp_path / "x.mp3")
    assert read_tags(tmp_path / "x.mp3") == Tags("Lied", "Wir")


def test_boxes_within_boxes_are_no_reason_to_refuse_a_song(tmp_path: Path) -> None:
    stem_file(tmp_path / "x.stem.mp4", Tags("Lied"))
    nested = b""
    for _ in range(1500):
        nested = struct.pack(">I4s", 8 + len(nested), b"moov") + nested
    with (tmp_path / "x.stem.mp4").open("ab") as file:
        file.write(nested)
    assert len(load(tmp_path / "x.stem.mp4").samples) == 5000
    assert read_tags(tmp_path / "x.stem.mp4") in (Tags(), Tags("Lied"))


def test_a_disk_without_room_for_tags_is_no_matter_of_fitting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise mutagen.MutagenError(OSError(28, "No space left on device"))

    monkeypatch.setattr(FLAC, "save", full)
    with (
        pytest.raises(Exception, match="cannot be written"),
        Writer(tmp_path / "x.flac", RATE, Tags("Lied")) as writer,
    ):
        writer.write(SOUND)
    assert not list(tmp_path.iterdir())
