"""What is unfinished is told from what was left over, and signals come after a library's write."""

from __future__ import annotations

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest

from stemlab.errors import AudioError
from stemlab.library import sidecar
from stemlab.sound.audio import Writer
from stemlab.sound.drafts import drafting, sweep, write_text

if TYPE_CHECKING:
    from pathlib import Path

HOLD = """
import sys, time
from pathlib import Path
from stemlab.sound.drafts import drafting
with drafting(Path(sys.argv[1])) as draft:
    (draft / "song.wav").touch()
    print("ready", flush=True)
    time.sleep(600)
"""


def test_a_draft_outlives_others_but_not_its_maker(tmp_path: Path) -> None:
    (tmp_path / ".stemlab-0").mkdir()
    (tmp_path / ".stemlab-1.wav").touch()
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        sweep(tmp_path)
        [held] = tmp_path.iterdir()
        assert (held / "song.wav").exists()
        process.kill()
    with drafting(tmp_path) as draft:
        assert [*tmp_path.iterdir()] == [draft]
    assert not [*tmp_path.iterdir()]


def test_drafts_side_by_side_do_not_cost_each_other(tmp_path: Path) -> None:
    def write(name: str) -> None:
        for number in range(150):
            write_text(tmp_path / name, f"{number}")

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor() as pool:
            list(pool.map(write, "abc"))
    finally:
        sys.setswitchinterval(before)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == dict.fromkeys(
        "abc", "149"
    )


NOTE = """
import sys
from pathlib import Path
from stemlab.library import sidecar
for number in range(50):
    sidecar.add(Path(sys.argv[1]), **{f"{sys.argv[2]}{number}": number})
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no locks on folders")
def test_two_programs_may_add_to_one_note(tmp_path: Path) -> None:
    note = tmp_path / "note.json"
    running = [
        subprocess.Popen([sys.executable, "-c", NOTE, str(note), name]) for name in ("a", "b")
    ]
    assert [process.wait(60) for process in running] == [0, 0]
    assert len(sidecar.read(note)) == 100


def test_a_signal_comes_after_the_write_it_fell_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from stemlab.sound.audio import _Disk

    write = _Disk.write

    def interrupted(disk: _Disk, data: bytes) -> int:
        signal.raise_signal(signal.SIGINT)
        return write(disk, data)

    monkeypatch.setattr(_Disk, "write", interrupted)
    with pytest.raises(KeyboardInterrupt), Writer(tmp_path / "a.flac") as writer:
        writer.write(np.zeros((9, 2), np.float32))
    assert not [*tmp_path.iterdir()]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_messages_name_what_will_be(tmp_path: Path) -> None:
    with (
        drafting(tmp_path) as draft,
        pytest.raises(AudioError) as told,
        Writer(draft / "vocals.wav") as writer,
    ):
        writer.write(np.full((9, 2), np.nan, np.float32))
    assert str(told.value).startswith(f"{tmp_path / 'vocals.wav'}: refused")
