"""Many songs, overnight: one task a song, here or on a Dask cluster."""

from __future__ import annotations

import contextlib
import time
import warnings
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

from stemlab.cluster import Failure, connect, run
from stemlab.errors import AudioWarning
from stemlab.library.export import Export, export
from stemlab.model import StemModel, find
from stemlab.separator import Separator
from stemlab.sound.drafts import sweep

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from pathlib import Path

    from stemlab.card import Card
    from stemlab.cluster import Where

# What became of a song: "song" and either "error", or "files" by stem, "seconds" of sound, "speed"
# in × real time, "reused" and "warnings".
Report: TypeAlias = dict[str, Any]

# Seconds that workers which are ended may take to let go of what they were writing.
GRACE = 5


def separate_all(
    folders: Mapping[Path, Path],
    model: str,
    where: Where = None,
    *,
    kind: str = "wav",
    stems: Sequence[str] = (),
    force: bool = False,
) -> Generator[Report, None, None]:
    """Separate songs into files, several at a time; yield a report on each as it is done.

    What is there already is not made again, so a library that was interrupted goes on where it
    stopped. A song whose worker dies is given to another worker; one that cannot be separated does
    not stop the rest.

    Parameters
    ----------
    folders
        Where the stems of each song go. The workers of a cluster must see both under these paths.
    model
        Name of a model or its file, the same on all workers.
    where
        See `stemlab.cluster.Where`.
    kind, stems, force
        See `stemlab.library.export.export`.

    Raises
    ------
    SettingError
        If there is no cluster.
    """
    places = [(song.absolute(), folder.absolute()) for song, folder in folders.items()]
    unfinished = dict(enumerate(folder for _, folder in places))
    try:
        with connect(where) as client:
            tasks = [(song, folder, model, kind, tuple(stems), force) for song, folder in places]
            with contextlib.closing(run(client, _separate, tasks)) as results:
                for index, result, _ in results:
                    unfinished.pop(index)
                    failed = isinstance(result, Failure)
                    report = {"error": result.why} if failed else result
                    yield {"song": str([*folders][index])} | report
    finally:
        if where is None or isinstance(where, int):  # workers elsewhere may still be at it
            end = time.monotonic() + GRACE
            for folder in unfinished.values():
                while not _clear(folder) and time.monotonic() < end:
                    time.sleep(0.05)


def _separate(
    song: Path, folder: Path, model: str, kind: str, stems: Sequence[str], force: bool
) -> Report:
    """Do the work of one song, on a worker."""
    start = time.perf_counter()
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", AudioWarning)
            separator = _separator(find(model))
            made = export(song, folder, separator, kind=kind, stems=stems, force=force)
    finally:
        _clear(folder)
    said = [str(w.message) for w in caught if issubclass(w.category, AudioWarning)]
    return report(made, start) | {"warnings": said}


@lru_cache(maxsize=2)
def _separator(card: Card) -> Separator:
    """Return the separator of a model; a card that is corrected is another model."""
    from distributed import get_worker

    return Separator(StemModel(card, threads=get_worker().state.nthreads))


def _clear(folder: Path) -> bool:
    """Take away what a worker that was ended left half-written; return whether it is all gone."""
    gone = sweep(folder)
    with contextlib.suppress(OSError):
        folder.rmdir()
    return gone


def report(made: Export, start: float) -> Report:
    """Return what became of a song whose work began at `start` of `time.perf_counter`."""
    speed = made.seconds / (time.perf_counter() - start)
    return {
        "files": {name: str(path) for name, path in made.files.items()},
        "seconds": round(made.seconds, 3),
        "speed": None if made.reused else round(speed, 1),
        "reused": made.reused,
    }


def summary(reports: Sequence[Report], seconds: float) -> dict[str, Any]:
    """Count what became of songs in so many seconds.

    Examples
    --------
    >>> done = {"song": "a.mp3", "seconds": 60.0, "reused": False}
    >>> summary([done, {"song": "b.mp3", "error": "damaged"}], 2)
    {'separated': 1, 'reused': 0, 'failed': 1, 'sound': 60.0, 'seconds': 2, 'speed': 30.0}
    """
    made = [report for report in reports if "error" not in report]
    new = [report for report in made if not report["reused"]]
    sound = sum(report["seconds"] for report in new)
    return {
        "separated": len(new),
        "reused": len(made) - len(new),
        "failed": len(reports) - len(made),
        "sound": round(sound, 3),
        "seconds": round(seconds, 3),
        "speed": round(sound / seconds, 1),
    }
