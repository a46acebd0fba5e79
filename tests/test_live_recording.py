from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from test_live_worker import play

from stemlab import demo
from stemlab.audio import load
from stemlab.errors import AudioError
from stemlab.live_recording import LiveRecording
from stemlab.live_worker import LiveWorker
from stemlab.metrics import conservation

if TYPE_CHECKING:
    from pathlib import Path

SECOND = 44_100


def test_input_and_stems_lie_side_by_side(tmp_path: Path) -> None:
    song = load(demo.path()).samples[8 * SECOND : 11 * SECOND]
    folder = tmp_path / "take"
    with LiveWorker() as worker:
        play(worker, song[:SECOND])
        first = worker.made
        recording = LiveRecording(worker, folder)
        play(worker, song[SECOND:])
        seconds = recording.stop()
        last = worker.made
        play(worker, song[:SECOND])  # it goes on, and is recorded no more
    assert {file.name for file in folder.iterdir()} == {
        f"{name}.flac" for name in ("input", *demo.STEMS)
    }
    sound = load(folder / "input.flac").samples
    stems = np.stack([load(folder / f"{name}.flac").samples for name in demo.STEMS])
    assert len(sound) == last - first == round(seconds * SECOND)
    np.testing.assert_allclose(sound, song[first:last], atol=2**-22)
    assert conservation(sound, stems) < -100


def test_a_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with LiveWorker() as worker, pytest.raises(AudioError, match="choose another folder"):
        LiveRecording(worker, tmp_path / "file" / "take")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
