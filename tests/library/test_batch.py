"""Many songs: on processes here, and on a Dask cluster that loses a worker."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import pytest
from dask_cluster import Cluster, wait_until

from stemlab import demo
from stemlab.cluster import connect
from stemlab.errors import SettingError
from stemlab.library.batch import _separator, separate_all
from stemlab.model import find
from stemlab.research.metrics import conservation
from stemlab.sound.audio import Audio, load, save

if TYPE_CHECKING:
    from collections.abc import Iterator

    from distributed import Client

SECOND = 44_100
SONGS = 6
STEMS = ("vocals", "accompaniment")
MODEL = "spleeter-2stems"
SHARED = "/dev/shm/sem."  # noqa: S108 - where semaphores lie


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """Write some songs of the demo's seconds, in folders, and a file that is none."""
    folder = tmp_path / "library"
    sound = np.tile(load(demo.path()).samples, (2, 1))
    for number in range(SONGS):
        path = folder / f"artist {number % 2}" / f"song {number}.flac"
        path.parent.mkdir(parents=True, exist_ok=True)
        save(path, Audio(sound[number * SECOND : (number + 12) * SECOND]))
    (folder / "damaged.mp3").write_bytes(b"no sound")
    return folder


def folders(library: Path, out: Path) -> dict[Path, Path]:
    songs = sorted(path for path in library.rglob("*") if path.is_file())
    return {song: out / song.relative_to(library).with_suffix("") for song in songs}


def assert_whole(library: Path, out: Path) -> None:
    """Check that each song has its stems, and that nothing else is there."""
    wanted = set()
    for song in library.rglob("*.flac"):
        folder = out / song.relative_to(library).with_suffix("")
        stems = [load(folder / f"{stem}.wav").samples for stem in STEMS]
        assert conservation(load(song).samples, stems) < -120
        wanted |= {folder / f"{stem}.wav" for stem in STEMS} | {folder / ".stemlab.json"}
    assert {path for path in out.rglob("*") if path.is_file()} == wanted
    assert not [*out.rglob(".stemlab-*")]


def stamps(out: Path) -> dict[Path, int]:
    return {
        path: path.stat().st_mtime_ns
        for path in out.rglob("*.wav")
        if not path.parent.name.startswith(".")
    }


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    (tmp_path / "dask").mkdir()
    with Cluster(tmp_path / "dask") as cluster:
        yield cluster


def test_a_worker_keeps_a_model_until_its_card_is_corrected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = SimpleNamespace(state=SimpleNamespace(nthreads=1))
    monkeypatch.setattr("distributed.get_worker", lambda: worker)
    network = Path(shutil.copy(find(MODEL).path, tmp_path))
    card = network.with_suffix(".json")
    known = json.loads(find(MODEL).path.with_suffix(".json").read_text())
    card.write_text(json.dumps(known))
    first = _separator(find(network))
    assert _separator(find(network)) is first
    card.write_text(json.dumps(known | {"stems": [*reversed(known["stems"])]}))
    assert _separator(find(network)).stems == first.stems[::-1]


def test_a_worker_that_is_killed_loses_nothing(
    library: Path, tmp_path: Path, cluster: Cluster
) -> None:
    from distributed import Client

    out = tmp_path / "out"
    songs = folders(library, out)
    reports: list[dict[str, Any]] = []
    finished: dict[Path, int] = {}
    with (
        Client(cluster.address) as client,
        contextlib.closing(separate_all(songs, MODEL, client)) as work,
    ):
        client.wait_for_workers(2)
        for report in work:
            reports.append(report)
            if not finished and "error" not in report:
                victim = busy(client, out)
                cluster.workers[victim].kill()
                cluster.workers[victim].wait()
                assert [*out.rglob(".stemlab-*")]
                finished = stamps(out)
    assert finished
    assert sorted(report["song"] for report in reports) == sorted(map(str, songs))
    [failed] = [report for report in reports if "error" in report]
    assert "damaged.mp3" in failed["error"]
    assert_whole(library, out)
    after = stamps(out)
    assert {path: after[path] for path in finished} == finished


def busy(client: Client, out: Path) -> str:
    """Wait until songs are half-written; return the name of a worker that is at it."""
    names = {address: info["name"] for address, info in client.scheduler_info()["workers"].items()}
    found: list[str] = []

    def at_work() -> bool:
        parts = [*out.rglob(".stemlab-*/*.wav")]
        found[:] = [names[address] for address, keys in client.processing().items() if keys]
        return bool(parts and found)

    wait_until(at_work)
    return found[0]


def test_songs_are_done_though_the_scheduler_dies(
    library: Path, tmp_path: Path, cluster: Cluster
) -> None:
    out = tmp_path / "out"
    words = ("separate", library, "-o", out, "-m", MODEL, "--scheduler", cluster.address)
    command = [sys.executable, "-m", "stemlab", *map(str, words)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        wait_until(lambda: [*out.rglob("*/song*/*.wav")])
        cluster.restart()
        said, complaint = process.communicate(timeout=240)
    assert process.returncode == 1
    assert sorted(complaint.decode().splitlines())[1:] == [
        "stemlab: warning: the scheduler went away; waiting for it"
    ]
    assert b"damaged.mp3" in complaint
    assert said.count("→".encode()) == SONGS
    assert_whole(library, out)


def test_workers_here_leave_nothing_in_shared_memory() -> None:
    with connect(1) as client:
        assert client.submit(abs, -1).result() == 1
        workers = psutil.Process().children(recursive=True)
        maps = [Path(f"/proc/{worker.pid}/maps").read_text() for worker in workers]
        used = {int(line.split()[4]) for line in "".join(maps).splitlines() if SHARED in line}
        assert used & in_shared_memory()
    wait_until(lambda: not used & in_shared_memory())


def in_shared_memory() -> set[int]:
    """Return the numbers of the semaphores that have a name there; others still come and go."""
    found = set()
    for path in Path(SHARED).parent.glob("sem.*"):
        with contextlib.suppress(OSError):
            found.add(path.stat().st_ino)
    return found


def test_where_nobody_works_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stemlab.cluster.KNOCK", 1)
    with (
        pytest.raises(SettingError, match="no Dask scheduler answers"),
        connect("tcp://127.0.0.1:9"),
    ):
        pass
    with pytest.raises(SettingError, match="at least one"), connect(0):
        pass
    monkeypatch.setattr("stemlab.errors.find_spec", lambda _: None)
    with pytest.raises(SettingError, match=r"stemlab\[cluster\]"), connect(1):
        pass


def stemlab(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stemlab", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_workers_here_do_a_library_and_go_on_where_they_stopped(
    library: Path, tmp_path: Path
) -> None:
    for song in [*library.rglob("*.flac")][2:]:
        song.unlink()
    out = tmp_path / "out"
    words = ("separate", library, "-o", out, "-m", MODEL, "--workers", 2)
    said = stemlab(*words, "--json")
    assert said.returncode == 1
    assert "damaged.mp3" in said.stderr
    assert "Traceback" not in said.stderr
    total = json.loads(said.stdout)["summary"]
    assert (total["separated"], total["reused"], total["failed"]) == (2, 0, 1)
    assert total["sound"] == 24
    assert_whole(library, out)
    before = stamps(out)
    (library / "damaged.mp3").unlink()
    shutil.rmtree(next(path for path in out.rglob("*") if path.name.startswith("song")))
    said = stemlab(*words)
    assert said.returncode == 0
    assert "1 separated, 1 already there, 0 failed" in said.stdout
    assert_whole(library, out)
    assert len(stamps(out).items() & before.items()) == 2


def test_workers_and_a_cluster_exclude_each_other(library: Path, tmp_path: Path) -> None:
    said = stemlab("separate", library, "-o", tmp_path, "--workers", 2, "--scheduler", "tcp://x:1")
    assert said.returncode == 1
    assert said.stderr.count("\n") == 1
    assert "choose one" in said.stderr


def test_an_interruption_leaves_nothing_half_written(library: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ("separate", library, "-o", out, "--workers", 2)
    command = [sys.executable, "-m", "stemlab", *map(str, words)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        wait_until(lambda: [*out.rglob(".stemlab-*/*.wav")])
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=240)
    assert process.returncode == 130
    assert b"Traceback" not in said
    assert not [*out.rglob(".stemlab-*")]
    assert all(path.parent.joinpath(".stemlab.json").exists() for path in stamps(out))
