"""Two hours of stereo, whose memory must not grow."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from stemlab import demo
from stemlab.sound.audio import Reader, Writer, load

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.soak


def long_song(path: Path, minutes: float) -> Path:
    """Write the demo over and over, shifted so that no two rounds are alike."""
    samples = load(demo.path()).samples
    with Writer(path) as writer:
        left = int(minutes * 60 * 44_100)
        while left:
            piece = np.roll(samples, left % 1000, axis=0)[:left]
            writer.write(piece)
            left -= len(piece)
    return path


def peak_of_separation(song: Path, out: Path, kind: str = "flac") -> int:
    """Return the peak memory, in MB, of one run of the command line."""
    code = (
        "import sys, resource; from stemlab.cli import main\n"
        "try: main()\n"
        "except SystemExit as end:\n"
        "    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)\n"
        "    sys.exit(end.code)"
    )
    command = [sys.executable, "-c", code, "separate", str(song), "-o", str(out), "-f", kind]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-1])


def test_two_hours_need_no_more_memory_than_ten_minutes(tmp_path: Path) -> None:
    ten = peak_of_separation(long_song(tmp_path / "ten.flac", 10), tmp_path / "out")
    shutil.rmtree(tmp_path / "out")
    two_hours = long_song(tmp_path / "long.flac", 120)
    peak = peak_of_separation(two_hours, tmp_path / "out")
    print(f"peak memory: ten minutes {ten} MB, two hours {peak} MB")
    with Reader(tmp_path / "out" / "long" / "vocals.flac") as reader:
        assert reader.length == 120 * 60 * 44_100
    assert peak <= 600
    assert peak <= ten * 1.05
