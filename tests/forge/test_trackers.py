"""Tracker modules: instruments are sorted into stems, and stems add up to the song."""

from __future__ import annotations

import struct
from ctypes.util import find_library
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
from music import trackers
from music.pool import RATE, list_songs
from music.trackers import Module, by_sound

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

# Only training needs the library; CI installs it.
pytestmark = pytest.mark.skipif(not find_library("openmpt"), reason="needs libopenmpt0")

LINE = (428, 381, 339, 320, 285)  # periods of C, D, E, F, G in a ProTracker module
SECONDS = 5


def sample(hertz: float, die: float) -> NDArray[np.float64]:
    """Return half a second at the 8 287 Hz of a C, that dies away at a rate."""
    time = np.arange(4144) / 8287
    return np.asarray(np.sin(2 * np.pi * hertz * time) * np.exp(-die * time))


SAMPLES = {
    "Snare 1": (sample(3000, 30), (428,)),
    "": (sample(50, 2), LINE),
    "someone@example.org": (sample(1000, 2), LINE),
    "unsure": (sample(180, 0), LINE[:3]),
}


def module(samples: dict[str, tuple[NDArray[np.float64], tuple[int, ...]]]) -> bytes:
    """Write a module in which each sample plays a line, on a channel of its own, every 8 rows."""
    heads, data, rows = b"", b"", np.zeros((64, 4, 4), np.uint8)
    for channel, (name, (wave, periods)) in enumerate(samples.items()):
        content = (wave * 60).astype(np.int8).tobytes()
        heads += name.encode().ljust(22, b"\0")
        heads += struct.pack(">HBBHH", len(content) // 2, 0, 64, 0, 1)
        for row in range(0, 64, 8):
            period = periods[row // 8 % len(periods)]
            rows[row, channel] = (period >> 8, period & 255, (channel + 1) << 4, 0)
        data += content
    heads += (bytes(22) + struct.pack(">HBBHH", 0, 0, 64, 0, 1)) * (31 - len(samples))
    return (
        b"song".ljust(20, b"\0") + heads + b"\1\x7f" + bytes(128) + b"M.K." + rows.tobytes() + data
    )


def test_names_and_notes_are_read() -> None:
    found = Module(module(SAMPLES))
    assert found.names[:4] == list(SAMPLES)
    assert [len(pitches) for pitches in found.pitches[:5]] == [1, 5, 5, 3, 0]


def test_instruments_alone_sum_to_the_song() -> None:
    found = Module(module(SAMPLES))
    alone = [found.play([number], SECONDS) for number in range(4)]
    together = found.play(range(4), SECONDS)
    assert len(together) == SECONDS * RATE
    assert np.abs(np.sum(alone, 0) - together).max() < 1e-3 * np.abs(together).max()
    assert all(np.abs(each).max() > 0.01 for each in alone)


def test_instruments_are_sorted_by_name_then_by_sound() -> None:
    found = Module(module(SAMPLES))
    roles = [trackers.role(found, number) for number in range(5)]
    assert roles == ["drums", "bass", "other", "", ""]


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("HugeBass", "bass"),
        ("bassdrum", "drums"),
        ("bass-oboe:*", "other"),
        ("Soft Voice", ""),
        ("closed hihat", "drums"),
        ("DX-Strings.Lead", "other"),
    ],
)
def test_names_tell_stems(name: str, stem: str) -> None:
    found = Module(module({name: SAMPLES[""]}))
    assert trackers.role(found, 0) == stem


def test_one_pitch_that_lasts_may_be_anything() -> None:
    steady = np.sin(np.arange(RATE) * 0.3).astype(np.float32)
    assert by_sound(steady, 1) == ""


def test_songs_of_two_stems_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "games" / "heroes"
    folder.mkdir(parents=True)
    (folder / "Song 1.mod").write_bytes(module(SAMPLES))
    (folder / "one.mod").write_bytes(module({"bass": SAMPLES[""]}))
    monkeypatch.setattr(trackers, "SHARE", tmp_path)
    monkeypatch.setattr(trackers, "HELD_BACK", 2**32)  # none
    monkeypatch.setattr(trackers, "SHORTEST", 5)
    trackers.gather(tmp_path, tmp_path / "pool", tmp_path / "validation")
    (song,) = list_songs(tmp_path / "pool")
    assert song.name == "heroes-song-1"
    assert {file.stem for file in song.glob("*.wav")} == {"drums", "bass", "other"}
    assert soundfile.info(song / "bass.wav").channels == 2
