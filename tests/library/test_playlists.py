"""Playlists of other programs, also those that mean harm."""

from __future__ import annotations

from pathlib import Path

import pytest

from stemlab.errors import AudioError
from stemlab.library import playlists

REKORDBOX = """<?xml version="1.0" encoding="UTF-8"?>
<DJ_PLAYLISTS Version="1.0.0"><COLLECTION Entries="3">
<TRACK TrackID="1" Name="A" Location="file://localhost/music/Caf%C3%A9%20%231.mp3"/>
<TRACK TrackID="2" Name="B" Location="file://server/share/b.mp3"/>
<TRACK TrackID="3" Name="C" Location="file:///music/c.mp3"/>
</COLLECTION><PLAYLISTS><NODE Type="1"><TRACK Key="1"/></NODE></PLAYLISTS></DJ_PLAYLISTS>"""
LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))


@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "cp1252"])
def test_m3u(tmp_path: Path, coding: str) -> None:
    path = tmp_path / "set.m3u"
    lines = ["#EXTM3U", "#EXTINF:1,x", "Café.mp3", "", "/else/b.flac", "sub\\c.wav", "Café.mp3"]
    path.write_bytes("\r\n".join([*lines, "http://radio.example/stream"]).encode(coding))
    expected = [tmp_path / "Café.mp3", Path("/else/b.flac"), tmp_path / "sub" / "c.wav"]
    assert playlists.read(path) == expected


def test_songs_elsewhere_in_the_net_are_left_out(tmp_path: Path) -> None:
    names = [r"\\evil.example\share\a.mp3", "//evil.example/share/a.mp3"]
    names += [f"file://{host}//evil.example/share/a.mp3" for host in ("", "localhost")]
    names += ["file://evil.example/a.mp3", "file:////evil.example/a.mp3", "smb://evil.example/a"]
    path = tmp_path / "set.m3u8"
    path.write_text("\n".join([*names, "here.mp3"]), encoding="utf-8")
    assert playlists.read(path) == [tmp_path / "here.mp3"]


def test_the_drive_of_an_address(tmp_path: Path) -> None:
    path = tmp_path / "set.m3u8"
    path.write_text("file://localhost/C:/Users/DJ/a%20b.mp3", encoding="utf-8")
    assert playlists.read(path) == [tmp_path / "C:/Users/DJ/a b.mp3"]


def test_rekordbox(tmp_path: Path) -> None:
    path = tmp_path / "collection.xml"
    path.write_text(REKORDBOX, encoding="utf-8")
    assert playlists.read(path) == [Path("/music/Café #1.mp3"), Path("/music/c.mp3")]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<DJ_PLAYLISTS>",
        f'<!DOCTYPE x [<!ENTITY l0 "ha">{LAUGHS}]><x>&l11;</x>',
        '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><TRACK Location="&e;"/>',
    ],
)
def test_what_is_no_collection_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "collection.xml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(AudioError, match="no rekordbox collection"):
        playlists.read(path)


def test_a_playlist_that_is_not_there() -> None:
    with pytest.raises(AudioError, match="cannot be read"):
        playlists.read(Path("nowhere.m3u"))
