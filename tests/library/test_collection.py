"""A crate is listed from what is known; only what is new or was changed is opened."""

from __future__ import annotations

import os
import shutil
import time
from typing import TYPE_CHECKING

import pytest

from stemlab import demo
from stemlab.errors import AudioError
from stemlab.library import facts
from stemlab.library.collection import Collection, browse
from stemlab.library.rhythm import Rhythm
from stemlab.library.store import NOTES, Store
from stemlab.separator import Separator

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def separator() -> Separator:
    return Separator()


@pytest.fixture
def music(tmp_path: Path) -> Path:
    """Return a folder with a song, another, and a playlist of the second."""
    folder = tmp_path / "music"
    (folder / "more").mkdir(parents=True)
    shutil.copy(demo.path(), folder / "a.ogg")
    shutil.copy(demo.path().with_stem("bass"), folder / "more" / "b.ogg")
    (folder / "set.m3u").write_text("more/b.ogg\nmore/gone.ogg\n")
    return folder


def test_songs_with_what_is_known_of_them(
    tmp_path: Path, music: Path, separator: Separator
) -> None:
    store = Store(tmp_path / "store")
    facts.keep_rhythm(store.note(music / "a.ogg"), Rhythm(106, 0, "A minor", 1))
    facts.keep(store.note(music / "a.ogg"), loudness=-11.5)
    first, second = Collection(store, separator).entries(music)
    assert (first.bpm, first.camelot, first.loudness, first.known) == (106, "8A", -11.5, True)
    assert (first.seconds > 10, first.separated, second.known) == (True, 0, False)
    [listed] = Collection(store, separator).entries(music / "set.m3u")
    assert listed.path == str(music / "more" / "b.ogg")
    track = store.open(music / "a.ogg", separator)
    track.states[:] = 2
    assert next(Collection(store, separator).entries(music)).separated == 1
    sharper = Separator(exponent=2)  # which would make other stems
    assert next(Collection(store, sharper).entries(music)).separated == 0


def test_files_are_opened_again_only_if_they_changed(
    tmp_path: Path, music: Path, separator: Separator, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "store")
    before = [*Collection(store, separator).entries(music)]
    with monkeypatch.context() as patch:
        patch.setattr("stemlab.library.collection.Reader", None)  # whoever opens one fails
        assert [*Collection(store, separator).entries(music)] == before
    os.utime(music / "a.ogg", (1, 1))
    assert next(Collection(store, separator).entries(music)).date == 1


def test_two_thousand_songs_are_listed_within_a_second(
    tmp_path: Path, separator: Separator
) -> None:
    """Once they are known. In processor time, since the machine may be busy."""
    store, folder = Store(tmp_path / "store"), tmp_path / "music"
    folder.mkdir()
    collection = Collection(store, separator)
    shutil.copy(demo.path(), folder / "song.ogg")
    seen = collection._look(folder / "song.ogg")
    collection.keep()
    for number in range(2000):
        path = folder / f"{number}.ogg"
        path.write_bytes(b"")
        note = f"{number:032x}"
        stamp = [0, path.stat().st_mtime_ns]
        collection._seen[str(path)] = seen | {"stamp": stamp, "note": note}
        (store.root / NOTES / f"{note}.json").write_text('{"loudness": -9.0}')
    collection.keep()
    begin = time.process_time()
    songs = [*Collection(store, separator).entries(folder)]
    assert time.process_time() - begin < 1
    assert len(songs) == 2001


def test_a_place_that_is_none(tmp_path: Path, separator: Separator) -> None:
    with pytest.raises(AudioError, match="no such folder or playlist"):
        next(Collection(Store(tmp_path), separator).entries(tmp_path / "nowhere"))


def test_browsing(music: Path) -> None:
    assert browse(music) == (music.resolve(), ["more", "set.m3u"])
    assert browse("/nowhere")[0].is_dir()
