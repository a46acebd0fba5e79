from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from sounds import snr

from live.test_worker import play
from stemlab import demo
from stemlab.errors import AudioError
from stemlab.live.recording import LiveRecording
from stemlab.live.worker import LiveWorker
from stemlab.research.metrics import conservation
from stemlab.sound.audio import load
from stemlab.sound.stem_mp4 import read_stems

if TYPE_CHECKING:
    from pathlib import Path

SECOND = 44_100
HOP = 512
# One sample short of whole hops, the stems are just as late as the worker says: no more will come.
LEAD = 86 * HOP - 1


def test_input_and_stems_lie_side_by_side(tmp_path: Path) -> None:
    song = load(demo.path()).samples[8 * SECOND : 11 * SECOND]
    folder = tmp_path / "take"
    with LiveWorker() as worker:
        play(worker, song[:LEAD])
        first = worker.made
        recording = LiveRecording(worker, folder)
        play(worker, song[LEAD : LEAD + 172 * HOP])
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


def test_a_stem_file_has_the_input_first(tmp_path: Path) -> None:
    song = load(demo.path()).samples[8 * SECOND : 11 * SECOND]
    with LiveWorker() as worker:
        recording = LiveRecording(worker, tmp_path / "take", "stem.mp4")
        play(worker, song)
        seconds = recording.stop()
    mix, stems = read_stems(tmp_path / "take" / "take.stem.mp4")
    assert set(stems) == set(demo.STEMS)
    assert len(mix.samples) == round(seconds * SECOND)
    assert snr(mix.samples, song[: len(mix.samples)]) > 10
    total = np.sum([stem.samples for stem in stems.values()], axis=0)
    assert snr(total, mix.samples) > 10


def test_a_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with LiveWorker() as worker, pytest.raises(AudioError, match="choose another folder"):
        LiveRecording(worker, tmp_path / "file" / "take")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
