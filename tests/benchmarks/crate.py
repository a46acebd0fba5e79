"""Seconds in which the crate lists a folder of songs that are known.

    python tests/benchmarks/crate.py [SONGS]

Each song has a note with rhythm and loudness. Prints one JSON object: ``first`` opens every file,
``known`` finds them in the index, in seconds of the clock and of the processor.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from stemlab import demo
from stemlab.library import facts
from stemlab.library.collection import Collection
from stemlab.library.rhythm import Rhythm
from stemlab.library.store import NOTES, Store
from stemlab.separator import Separator

if TYPE_CHECKING:
    from collections.abc import Callable


def timed(act: Callable[[], int]) -> dict[str, float]:
    """Return what something took."""
    clock, processor = time.perf_counter(), time.process_time()
    songs = act()
    return {
        "songs": songs,
        "seconds": round(time.perf_counter() - clock, 2),
        "processor": round(time.process_time() - processor, 2),
    }


def measured(folder: Path, count: int) -> dict[str, dict[str, float]]:
    """List so many songs, first unknown, then known."""
    store, separator = Store(folder / "store"), Separator()
    music = folder / "music"
    music.mkdir()
    song = shutil.copy(demo.path().with_stem("vocals"), music)
    for number in range(count):
        shutil.copy(song, music / f"{number}.ogg")
        with (music / f"{number}.ogg").open("ab") as file:
            file.write(f"{number}".encode())  # a song is known by its bytes

    def listed() -> int:
        return sum(1 for _ in Collection(store, separator).entries(music))

    first = timed(listed)
    rhythm = Rhythm(120, 0, "A minor", 1)
    index = json.loads((store.root / NOTES / "index.json").read_text())
    for seen in index.values():
        note = store.root / NOTES / f"{seen['note']}.json"
        facts.keep_rhythm(note, rhythm)
        facts.keep(note, loudness=-9.0)
    return {"first": first, "known": timed(listed)}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        told = measured(Path(place), int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
    print(json.dumps(told, indent=1))
