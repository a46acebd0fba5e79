"""Stopped at any moment by a signal, a kill, a full disk: whole or not at all, foreign files stay.

Each kind runs in an interpreter of its own, which says what came of each attempt.
"""

from __future__ import annotations

import contextlib
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from stemlab.cli import _Interrupted, _stoppable
from stemlab.errors import AudioError
from stemlab.library.export import FORMATS, export
from stemlab.library.store import Store
from stemlab.separator import StemBlock
from stemlab.sound.audio import Audio, Tags, load, save
from stemlab.sound.stem_mp4 import read_stems
from stemlab.sound.unbroken import STOPS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

LENGTH = 40_000
ROOT = Path(__file__).parents[2]
TAGS = Tags(title="Title", artist="Artist", cover=b"\xff\xd8\xff" + bytes(9000))


class Halves:
    """Separates into two equal halves, at once."""

    stems = ("vocals", "drums")
    rate = 44_100
    settings = ()
    model = SimpleNamespace(card=SimpleNamespace(recipe=(), name="halves"))

    def stream(self, blocks: Iterable[Any]) -> Iterator[StemBlock]:
        nothing: Any = np.zeros((0, 0, 2))
        for block in blocks:
            for mix in np.array_split(block, 8):
                yield StemBlock(0, mix, np.stack([mix / 2, mix / 2]), 0, nothing, nothing)


class Place:
    """A song, the folder of its stems, and what somebody else has beside them."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.kind = kind
        self.song = folder / "song.wav"
        sound = np.random.default_rng(0).normal(0, 0.1, (LENGTH, 2)).astype(np.float32)
        save(self.song, Audio(sound), TAGS)
        self.out = folder / "out"
        self.foreign = self.out / "song" / "vocals.txt"

    def make(self) -> None:
        export(self.song, self.out / "song", Halves(), kind=self.kind)  # type: ignore[arg-type]

    def clear(self) -> None:
        for path in sorted(self.out.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        self.foreign.parent.mkdir(parents=True, exist_ok=True)
        self.foreign.write_text("mine")

    def fault(self, *, whole: bool, leftovers: bool = False) -> str:
        """Say what is wrong with what is there."""
        if self.foreign.read_text() != "mine":
            return "a foreign file is lost"
        left = [path for path in self.out.rglob("*") if path.name.startswith(".stemlab-")]
        if left and not leftovers:
            return f"left {left[0].name}"
        names = {p.name for p in (self.out / "song").iterdir() if p.name not in {*map(str, left)}}
        stems = [name for name in names if not name.startswith(".") and name != "vocals.txt"]
        return self._damage(stems) if whole or stems else ""

    def _damage(self, stems: list[str]) -> str:
        if self.kind == "stem.mp4":
            sounds = [read_stems(self.out / "song" / name)[0] for name in stems]
        else:
            sounds = [load(self.out / "song" / name) for name in stems]
        lengths = [len(sound.samples) for sound in sounds]
        wanted = [LENGTH] * (1 if self.kind == "stem.mp4" else 2)
        return "" if lengths == wanted else f"cut: {lengths}"


def timed(place: Place) -> float:
    """Return how long it takes, when all is loaded."""
    for _ in range(2):
        place.clear()
        begin = time.monotonic()
        place.make()
    return time.monotonic() - begin


def signals(place: Place, chance: random.Random) -> Callable[[], str]:
    seconds = timed(place)

    def attempt() -> str:
        place.clear()
        stop, delay = chance.choice(STOPS), chance.random() * 1.1 * seconds
        killer = threading.Timer(delay, os.kill, (os.getpid(), stop))
        finished = False
        try:
            with _stoppable():
                killer.start()
                place.make()
                finished = True
                killer.join()
                time.sleep(1)
                return "the signal was lost"
        except _Interrupted:
            return place.fault(whole=finished) or ("finished" if finished else "stopped")

    return attempt


def kills(place: Place, chance: random.Random) -> Callable[[], str]:
    seconds = timed(place)

    def attempt() -> str:
        place.clear()
        child = os.fork()
        if not child:
            place.make()
            os._exit(0)
        time.sleep(chance.random() * 1.1 * seconds)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        place.make()
        return place.fault(whole=True) or ("finished" if status == 0 else "stopped")

    return attempt


def full(place: Place, chance: random.Random) -> Callable[[], str]:
    timed(place)
    most = max(path.stat().st_size for path in (place.out / "song").iterdir())

    def attempt() -> str:
        place.clear()
        with limited(int(chance.random() * 1.1 * most)):
            try:
                place.make()
            except AudioError as error:
                said = str(error)
            else:
                said = ""
        if said and "cannot be written" not in said:
            return f"told wrongly: {said}"
        return place.fault(whole=not said) or ("stopped" if said else "finished")

    return attempt


@contextlib.contextmanager
def limited(size: int) -> Iterator[None]:
    """Let no file grow above a size, as if the disk were full."""
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))


def stored(place: Place, chance: random.Random) -> Callable[[], str]:
    """Kill while a song is decoded into the store; room ends there, too."""
    store = Store(place.out / "store")
    halves: Any = Halves()

    def opened() -> None:
        store.open(place.song, halves)

    begin = time.monotonic()
    opened()
    seconds = time.monotonic() - begin

    def attempt() -> str:
        place.clear()
        child = os.fork()
        if not child:
            opened()
            os._exit(0)
        time.sleep(chance.random() * 1.1 * seconds)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        with limited(chance.randrange(LENGTH * 4)), contextlib.suppress(AudioError):
            opened()
        opened()
        track = store.find(place.song, halves)
        if track is None or track.length != LENGTH or len([*store.root.iterdir()]) != 1:
            return f"damaged: {[*store.root.rglob('*')]}"
        return place.fault(whole=False) or ("finished" if status == 0 else "stopped")

    return attempt


def main(what: str, kind: str, count: int, folder: Path) -> None:
    warnings.simplefilter("ignore")
    chance = random.Random(f"{what} {kind}")  # noqa: S311
    attempt = globals()[what](Place(folder, kind), chance)
    for _ in range(count):
        sys.stdout.write(f"{attempt()}\n")
        sys.stdout.flush()


def outcomes(what: str, kind: str, count: int, folder: Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, __file__, what, kind, str(count), str(folder)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=3000,
    )
    assert (done.returncode, done.stderr) == (0, "")
    found = done.stdout.splitlines()
    assert len(found) == count
    return found


def assert_whole(found: list[str]) -> None:
    faults = [outcome for outcome in found if outcome not in {"stopped", "finished"}]
    print(f"{len(faults)} faults of {len(found)}, {found.count('stopped')} stopped")
    assert faults == []
    assert found.count("stopped") > len(found) // 4  # else little was tried


CASES = [
    *(("signals", kind, 25, 250) for kind in FORMATS),
    *(("kills", kind, 3, 30) for kind in ("flac", "stem.mp4")),
    *(("full", kind, 5, 20) for kind in FORMATS),
    ("stored", "wav", 5, 50),
]


@pytest.mark.parametrize(("what", "kind", "count", "_many"), CASES)
def test_stopped_at_any_moment(
    tmp_path: Path, what: str, kind: str, count: int, _many: int
) -> None:
    assert_whole(outcomes(what, kind, count, tmp_path))


@pytest.mark.soak
@pytest.mark.parametrize(("what", "kind", "_few", "count"), CASES)
def test_stopped_again_and_again(
    tmp_path: Path, what: str, kind: str, _few: int, count: int
) -> None:
    assert_whole(outcomes(what, kind, count, tmp_path))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
