"""What a note says of a song: today's, yesterday's and broken ones."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from memory import traced

from stemlab.library.facts import Facts
from stemlab.library.loudness import loudness
from stemlab.library.rhythm import Rhythm, analyse
from stemlab.library.store import Track
from stemlab.sound.audio import RATE, Audio

OLD = {"bpm": 120.0, "first_beat": 0.5, "key": "A minor", "confidence": 0.5}


def test_a_rhythm_comes_back_as_it_was_kept() -> None:
    rhythm = Rhythm(60, 0.5, "A minor", 0.5, 6, 33.0, ((0, 0), (10, 10.2), (20, 20)))
    note = json.loads(json.dumps({"rhythm": asdict(rhythm), "loudness": -9}))
    assert Facts.read(note) == Facts(rhythm, -9.0)


def test_a_note_of_before_there_were_metres_is_read() -> None:
    assert Facts.read({"rhythm": OLD}).rhythm == Rhythm(120, 0.5, "A minor", 0.5)


def test_a_track_is_heard_block_by_block() -> None:
    samples = np.zeros((40 * RATE, 2), np.float32)
    samples[:: RATE // 2] = 0.5
    song = Audio(samples)
    track = Track.of({"all": song})
    assert analyse(track) == analyse(song)
    with traced() as peak:
        found = loudness(track)
        assert peak() < samples.nbytes / 4
    assert found == pytest.approx(loudness(song), abs=0.01)


@pytest.mark.parametrize(
    "more",
    [
        {"metre": 5, "tuning": 0},
        {"metre": 4, "tuning": float("nan")},
        {"metre": [], "tuning": "a"},
        {"knots": [[0, 0], [0, 1]]},
        {"knots": [[10**400, 0], [1, 1]]},
        {"knots": {}},
    ],
)
def test_what_is_implausible_is_left_out(more: dict[str, Any]) -> None:
    assert Facts.read({"rhythm": OLD | more}).rhythm == Rhythm(120, 0.5, "A minor", 0.5)


@pytest.mark.parametrize("odd", [{"bpm": 1e300}, {"bpm": 1001}, {"bpm": -1}, {"first_beat": 1e7}])
def test_what_nobody_plays_is_not_believed(odd: dict[str, Any]) -> None:
    assert Facts.read({"rhythm": OLD | odd}).rhythm is None
