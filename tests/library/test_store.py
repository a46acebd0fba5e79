"""Tracks hold what was put in, the store finds them again and keeps to its limit."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from dataclasses import fields, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from stemlab import demo
from stemlab.card import ABOUT, Card
from stemlab.errors import AudioError
from stemlab.library.store import BLOCK, FINAL, ROUGH, Store, Track, digest
from stemlab.separator import Separator
from stemlab.sound.audio import Audio, Reader, load, save

if TYPE_CHECKING:
    from pathlib import Path

    from stemlab.spectral import Samples


@pytest.fixture(scope="module")
def separator() -> Separator:
    return Separator("spleeter-2stems")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def noise(samples: int, seed: int = 0) -> Samples:
    return 0.3 * np.random.default_rng(seed).standard_normal((samples, 2)).astype(np.float32)


def test_a_track_holds_its_stems() -> None:
    stems = {"a": Audio(noise(40_000)), "b": Audio(noise(40_000, 1))}
    track = Track.of(stems)
    mix, parts = track.read(16_000, 9000)
    expected = np.stack([stem.samples[16_000:25_000] for stem in stems.values()])
    np.testing.assert_allclose(parts, expected, atol=0.5001 / 16_384)
    np.testing.assert_allclose(mix, expected.sum(0), atol=0.5001 / 16_384)
    assert track.separated == 1


def test_stems_that_differ_are_refused() -> None:
    with pytest.raises(AudioError, match=r"differ in samples \(a 9, b 10\)"):
        Track.of({"a": Audio(noise(9)), "b": Audio(noise(10))})
    with pytest.raises(AudioError, match=r"differ in Hz \(a 44100, b 48000\)"):
        Track.of({"a": Audio(noise(9)), "b": Audio(noise(9), 48_000)})
    with pytest.raises(AudioError, match="no stems"):
        Track.of({})


def test_a_block_counts_when_it_is_whole(store: Store, separator: Separator) -> None:
    track = store.open(Audio(noise(3 * BLOCK + 100)), separator)
    stems = np.ones((2, BLOCK, 2), np.float32)
    track.write(BLOCK - 10, stems, since=BLOCK - 10, state=ROUGH)
    assert track.spans() == []
    track.write(2 * BLOCK - 10, stems, since=BLOCK - 10, state=ROUGH)
    assert track.spans() == [(BLOCK, 2 * BLOCK)]
    track.write(3 * BLOCK - 10, stems[:, :110], since=BLOCK - 10, state=ROUGH)
    assert track.spans() == [(BLOCK, 3 * BLOCK + 100)]


def test_rough_does_not_replace_final(store: Store, separator: Separator) -> None:
    track = store.open(Audio(noise(2 * BLOCK)), separator)
    track.write(0, np.ones((2, BLOCK, 2), np.float32), since=0, state=FINAL)
    track.write(0, np.zeros((2, 2 * BLOCK, 2), np.float32), since=0, state=ROUGH)
    assert track.states.tolist() == [FINAL, ROUGH]
    _, stems = track.read(0, 2 * BLOCK)
    assert stems[:, :BLOCK].min() == 1
    assert stems[:, BLOCK:].max() == 0


def test_overview_shows_peaks() -> None:
    sound = np.zeros((160_000, 2), np.float32)
    sound[80_050, 1] = -0.5
    track = Track.of({"a": Audio(sound)})
    assert track.overview[1, 800] == 127
    assert np.delete(track.overview[1], 800).max() == 1


def test_a_song_is_found_again(store: Store, separator: Separator, tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    save(path, Audio(noise(60_000)))
    track = store.open(path, separator)
    np.testing.assert_allclose(track.read(0, 60_000)[0], load(path).samples, atol=1e-4)
    track.write(0, np.ones((2, 60_000, 2), np.float32), since=0, state=FINAL)
    copy = shutil.copy(path, tmp_path / "copy.wav")
    again = store.open(copy, separator)
    assert again.folder == track.folder
    assert again.separated == 1
    other = Separator(separator.model, exponent=2.0)
    assert store.open(path, other).folder != track.folder


# Another value of all that decides what a model's stems are.
OTHER: dict[str, Any] = {
    "sha256": "0" * 64,
    "sample_rate": 48_000,
    "n_fft": 2048,
    "hop": 512,
    "window": "hamming",
    "frames": 256,
    "bins": 512,
    "stems": ("accompaniment", "vocals"),
    "extension": "mean",
    "synthesis": 1024,
    "lookahead": 1,
    "kind": "magnitude to magnitudes",
    "reads": "1 c f t",
    "gives": "1 s t f",
    "scale": 0.5,
    "level": "standard",
}


def corrected(separator: Separator, **said: Any) -> Separator:
    """Return what has the settings of a separator, and a card that says something else."""
    model = SimpleNamespace(card=replace(separator.model.card, **said))
    return cast("Separator", SimpleNamespace(model=model, settings=separator.settings))


def test_stems_are_those_of_a_card_as_it_is_now(separator: Separator) -> None:
    song = Audio(noise(1000))
    assert {*OTHER, *ABOUT} == {each.name for each in fields(Card)}
    known = [digest(song, corrected(separator, **{name: OTHER[name]})) for name in OTHER]
    assert len({*known, digest(song, separator)}) == len(OTHER) + 1


def test_what_a_card_tells_beside_it_changes_no_stems(separator: Separator) -> None:
    told = {"licence": "MIT", "source": "a friend", "measured": {"sdr": 9.0}, "version": "2"}
    song = Audio(noise(1000))
    assert digest(song, corrected(separator, **told)) == digest(song, separator)


def test_the_same_numbers_at_another_rate_are_another_song(
    store: Store, separator: Separator
) -> None:
    songs = [Audio(noise(1000), rate) for rate in (44_100, 22_050)]
    assert len({digest(song, separator) for song in songs}) == 2
    assert len({store.note(song) for song in songs}) == 2


def test_the_note_of_a_file_is_named_for_its_bytes(store: Store, tmp_path: Path) -> None:
    (tmp_path / "song").write_bytes(b"music")
    wanted = hashlib.sha256(b"music").hexdigest()[:32]
    assert store.note(tmp_path / "song").name == f"{wanted}.json"


def test_the_longest_unused_go_first(separator: Separator, tmp_path: Path) -> None:
    songs = [Audio(noise(20_000, seed)) for seed in range(4)]
    size = Store(tmp_path / "one")
    size.open(songs[0], separator)
    store = Store(tmp_path / "store", limit=3 * size.size)
    folders = []
    for age, song in enumerate(songs[:3]):
        folder = store.open(song, separator).folder
        assert folder
        os.utime(folder, (age, age))
        folders.append(folder)
    store.open(songs[0], separator)  # used again
    store.open(songs[3], separator)
    assert [folder.exists() for folder in folders] == [True, False, True]
    assert store.size <= store.limit


def test_what_cannot_be_read_leaves_nothing(
    store: Store, separator: Separator, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.mp3"
    broken.write_bytes(b"no music" * 100)
    for path in (broken, tmp_path / "nowhere.mp3"):
        with pytest.raises(AudioError, match=path.name):
            store.open(path, separator)
    assert not store.root.exists() or list(store.root.iterdir()) == []


def test_a_full_disk_is_told(
    store: Store, separator: Separator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(AudioError, match=r"need 3\d MB and .* has room for 0 MB"):
        store.open(demo.path(), separator)
    assert list(store.root.iterdir()) == []


def test_a_song_longer_than_it_says_fills_no_disk(
    store: Store, separator: Separator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Reader, "length", None)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=3_000_000))
    with pytest.raises(AudioError, match=r"need 3 MB and .* has room for 3 MB"):
        store.open(demo.path(), separator)
    assert list(store.root.iterdir()) == []


@pytest.mark.parametrize("name", ["track.json", "mix", "stems", "states", "overview"])
@pytest.mark.parametrize("left", [None, b"", b"[]", b"cut"])
def test_a_damaged_track_is_made_anew(
    store: Store, separator: Separator, name: str, left: bytes | None
) -> None:
    song = Audio(noise(20_000))
    folder = store.open(song, separator).folder
    assert folder
    (folder / name).unlink()
    if left is not None:
        (folder / name).write_bytes(left)
    assert store.find(song, separator) is None
    assert store.open(song, separator).length == 20_000
    assert [*store.root.iterdir()] == [folder]


def test_what_is_dead_goes_and_what_is_not_ours_stays(store: Store, separator: Separator) -> None:
    for name in ("0" * 32, ".0123456789abcdef", ".stemlab-7", "music"):
        (store.root / name).mkdir(parents=True)
        (store.root / name / "stems").write_bytes(bytes(100))
    folder = store.open(Audio(noise(20_000)), separator).folder
    assert {*store.root.iterdir()} == {folder, store.root / "music"}


def test_a_file_where_a_folder_should_be(store: Store, separator: Separator) -> None:
    song = Audio(noise(20_000))
    store.root.mkdir()
    (store.root / digest(song, separator)).touch()
    assert store.open(song, separator).length == 20_000
    shutil.rmtree(store.root)
    store.root.touch()
    with pytest.raises(AudioError, match="cannot keep stems"):
        store.open(song, separator)


def test_a_disk_that_fills_up_is_told(
    store: Store, separator: Separator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(AudioError, match="No space left"):
        store.open(Audio(noise(20_000)), separator)
    assert list(store.root.iterdir()) == []
