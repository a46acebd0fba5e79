from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from stemlab import demo
from stemlab.errors import ModelError, SettingError
from stemlab.live.worker import Live, LiveWorker, WorkerError, be_prompt
from stemlab.research.metrics import conservation, sdr
from stemlab.sound.audio import load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stemlab.spectral import Samples

SECOND = 44_100
BLOCK = 2048
MEMORY = "/dev/shm/"  # noqa: S108 - where Linux keeps what processes share

ORPHANS = """
import time
from stemlab.live.worker import LiveWorker
import psutil
if __name__ == "__main__":
    worker = LiveWorker()
    print(*(child.pid for child in psutil.Process().children()), flush=True)
    time.sleep(600)
"""


@pytest.fixture(scope="module")
def song() -> Samples:
    return load(demo.path()).samples[8 * SECOND : 12 * SECOND]


@pytest.fixture
def worker() -> Iterator[LiveWorker]:
    with LiveWorker() as worker:
        yield worker


def until(condition: Callable[[], object], seconds: float = 100) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def play(worker: LiveWorker, sound: Samples) -> range:
    """Push a sound no faster than it is separated; return where its stems are."""
    first = worker.heard
    for start in range(0, len(sound), BLOCK):
        worker.push(sound[start : start + BLOCK])
        assert worker.wait(worker.heard - worker.delay - 256, seconds=60)
    return range(first, worker.made)


def tracker() -> set[int]:
    """Return the process that Python keeps to clean up after others, once there were any."""
    return {child.pid for child in psutil.Process().children() if "tracker" in str(child.cmdline())}


def shared_memory(pid: int) -> list[Path]:
    """Return the files, by the names they have or had, through which a process shares memory."""
    maps = psutil.Process(pid).memory_maps(grouped=True)
    return [Path(part.path) for part in maps if part.path.startswith(MEMORY)]


def test_stems_sum_to_the_mix_and_nothing_is_left_behind(song: Samples) -> None:
    children = {child.pid for child in psutil.Process().children()}
    with LiveWorker() as worker:
        made = play(worker, song)
        stems = worker.read(0, made.stop)
        assert worker.read(worker.heard - 1, 1) is None
        assert worker.read(-1, 1) is None
        assert worker.lost == worker.restarts == 0
        assert not worker.notice
        until(lambda: len(worker.runs))
        assert len(worker.compute) > 20
        assert worker.pid
        shared = shared_memory(worker.pid)
        assert shared or not Path(MEMORY).exists()
        assert not any(path.exists() for path in shared), "a name would outlive the processes"
        pids = [child.pid for child in psutil.Process().children() if child.pid not in children]
        assert worker.pid in pids
    assert stems is not None
    mix = song[: made.stop]
    assert conservation(mix, stems) < -120
    assert all(sdr(mix / 4, stem[: len(mix)]) < 20 for stem in stems)
    assert not any(map(psutil.pid_exists, set(pids) - tracker()))


def test_another_process_takes_over_when_one_is_killed(worker: LiveWorker, song: Samples) -> None:
    play(worker, song[:SECOND])
    killed = worker.pid
    assert killed
    os.kill(killed, signal.SIGKILL)
    until(lambda: worker.restarts == 1)
    assert "ended (by signal SIGKILL) and another took over" in worker.notice
    assert not psutil.pid_exists(killed)
    made = play(worker, song[SECOND:])
    stems = worker.read(0, made.stop)
    assert stems is not None
    assert conservation(song[: made.stop], stems) < -120
    assert worker.lost == 0


def test_what_a_stopped_process_missed_is_left_out(worker: LiveWorker, song: Samples) -> None:
    """It does not lag behind for ever."""
    play(worker, song[:SECOND])
    assert worker.pid
    os.kill(worker.pid, signal.SIGSTOP)
    for start in range(SECOND, 3 * SECOND, BLOCK):
        worker.push(song[start : min(start + BLOCK, 3 * SECOND)])
    os.kill(worker.pid, signal.SIGCONT)
    until(lambda: worker.lost)
    made = play(worker, song[3 * SECOND :])
    assert made.stop >= 4 * SECOND - worker.delay - 256
    assert SECOND < worker.lost == len(worker.gap) < 2 * SECOND + worker.delay + 256
    silent = worker.read(worker.gap.start, len(worker.gap))
    assert silent is not None
    assert not silent.any()
    assert worker.restarts == 0


def test_sound_of_another_shape_is_refused(worker: LiveWorker, song: Samples) -> None:
    for wrong in (song[:100, :1], song[:100, 0], song):
        with pytest.raises(SettingError, match=r"comes as \[samples, 2\], 0.5 s at most"):
            worker.push(wrong)
    assert worker.heard == 0


def test_processes_end_with_their_parent() -> None:
    with subprocess.Popen([sys.executable, "-c", ORPHANS], stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(pids) >= 2
        parent.kill()
    until(lambda: not any(map(psutil.pid_exists, pids)))


def test_a_script_without_a_guard_is_told_of_it(tmp_path: Path) -> None:
    script = tmp_path / "live.py"
    script.write_text("from stemlab.live.worker import LiveWorker\nLiveWorker()\n", "utf-8")
    ended = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert WorkerError.__name__ in ended.stderr
    assert 'use it only below `if __name__ == "__main__":`' in ended.stderr


def test_what_is_there_is_not_looked_through_again() -> None:
    with ThreadPoolExecutor(1, initializer=be_prompt) as prompt:
        prompt.submit(gc.collect).result()
        assert gc.get_freeze_count() > 10_000
        assert len(gc.get_objects()) < 10_000
    gc.unfreeze()
    assert gc.get_freeze_count() == 0


def test_settings_without_meaning_are_refused() -> None:
    with pytest.raises(ModelError, match="no such model"):
        LiveWorker(Live(model="none"))
    with pytest.raises(ModelError, match="not made for windows of 40 frames"):
        LiveWorker(Live("stemlab-4-fast", frames=40))
    with pytest.raises(SettingError, match="choose fewer frames"):
        LiveWorker(Live("stemlab-4-fast", frames=512))
    with pytest.raises(SettingError, match="stemlab-4-live reads frame by frame"):
        LiveWorker(Live(frames=64))
    with pytest.raises(SettingError, match="1 hop"):
        LiveWorker(Live("stemlab-4-fast", update=0))
