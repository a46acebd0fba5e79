from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from sounds import snr

from stemlab import demo
from stemlab.errors import AudioError
from stemlab.live.recording import LiveRecording
from stemlab.research.metrics import conservation
from stemlab.sound.audio import load
from stemlab.sound.stem_mp4 import read_stems

if TYPE_CHECKING:
    from pathlib import Path

SECOND = 44_100
BLOCK = 8192
NAMES = tuple(demo.STEMS)
STEMS = 0.5 * np.stack(
    [load(path).samples[8 * SECOND : 10 * SECOND] for path in demo.stem_paths().values()]
)
MIX = STEMS.sum(0)


def record(recording: LiveRecording) -> None:
    for start in range(0, len(MIX), BLOCK):
        recording.write(MIX[start : start + BLOCK], STEMS[:, start : start + BLOCK])


def test_input_and_stems_lie_side_by_side(tmp_path: Path) -> None:
    recording = LiveRecording(tmp_path / "take", NAMES)
    record(recording)
    assert recording.stop() == f"2.0 s of input and stems saved in {tmp_path / 'take'}"
    heard = load(tmp_path / "take" / "input.flac").samples
    stems = np.stack([load(tmp_path / "take" / f"{name}.flac").samples for name in NAMES])
    np.testing.assert_allclose(heard, MIX, atol=2**-22)
    assert conservation(heard, stems) < -100


def test_a_stem_file_has_the_input_first(tmp_path: Path) -> None:
    recording = LiveRecording(tmp_path / "take", NAMES, form="stem.mp4")
    record(recording)
    recording.stop()
    assert [path.name for path in (tmp_path / "take").iterdir()] == ["take.stem.mp4"]
    mix, stems = read_stems(tmp_path / "take" / "take.stem.mp4")
    assert set(stems) == set(NAMES)
    assert len(mix.samples) == len(MIX)
    assert snr(mix.samples, MIX) > 10


def test_what_is_no_number_is_silent(tmp_path: Path) -> None:
    recording = LiveRecording(tmp_path / "take", NAMES)
    recording.write(np.full((BLOCK, 2), np.nan), np.full((4, BLOCK, 2), np.inf))
    record(recording)
    recording.stop()
    heard = load(tmp_path / "take" / "input.flac").samples
    assert not heard[:BLOCK].any()
    np.testing.assert_allclose(heard[BLOCK:], MIX, atol=2**-22)


def test_a_full_disk_keeps_what_was_written(tmp_path: Path) -> None:
    code = (
        "import resource, signal, sys; from pathlib import Path; import numpy as np\n"
        "from stemlab.live.recording import LiveRecording\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))\n"
        "recording = LiveRecording(Path(sys.argv[1]), ['vocals'])\n"
        f"noise = np.random.default_rng(0).uniform(-0.5, 0.5, (20, {BLOCK}, 2))\n"
        "for block in noise: recording.write(block, block[None])\n"
        "print(recording.length, recording.stop())"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "take")]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    length, sentence = told.split(maxsplit=1)
    assert sentence.startswith("Recording ended")
    assert 0 < int(length) < 20 * BLOCK
    for name in ("input", "vocals"):
        assert len(load(tmp_path / "take" / f"{name}.flac").samples) > int(length) - SECOND / 5


def test_a_killed_process_leaves_files_that_can_be_read(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; import numpy as np\n"
        "from stemlab.live.recording import LiveRecording\n"
        "recording = LiveRecording(Path(sys.argv[1]), ['vocals'])\n"
        f"noise = np.random.default_rng(0).uniform(-0.5, 0.5, (20, {BLOCK}, 2))\n"
        "for block in noise: recording.write(block, block[None])\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "take")], check=False)
    heard = load(tmp_path / "take" / "input.flac").samples
    expected = np.random.default_rng(0).uniform(-0.5, 0.5, (20, BLOCK, 2)).reshape(-1, 2)
    assert len(heard) > len(expected) - SECOND / 5
    np.testing.assert_allclose(heard, expected[: len(heard)], atol=2**-22)


def test_a_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(AudioError, match="choose a folder"):
        LiveRecording(tmp_path / "file" / "take", NAMES)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
