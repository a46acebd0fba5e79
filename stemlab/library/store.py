"""Separated songs kept on disk: found again by what they hold, the longest unused go first.

A track keeps the mix and its stems as 16-bit integers, 16 384 steps to full scale: 6 dB of room
above it, noise at -95 dB, half the size of floats. It is written block by block, so that a player
can read what is there while the rest is still being separated.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import platformdirs

from stemlab.errors import AudioError
from stemlab.sound.audio import Audio, Reader, resample

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from stemlab.separator import Separation, Separator
    from stemlab.spectral import Samples

BLOCK = 16_384
"""Samples in a block."""
STEPS = 16_384
"""Integer steps per unit of amplitude."""
COLUMNS = 1600
"""Columns of a track's overview."""
FORMAT = 1

# How far a block is: not separated; separated near the edge of a stream that started inside the
# song, good to hear; just as the whole song's separation has it.
MISSING, ROUGH, FINAL = 0, 1, 2


@dataclass
class Track:
    """A song's mix and stems, some of them perhaps still to come.

    Attributes
    ----------
    title, names, length, rate
        What it is called, its stems' names, its length in samples, samples per second.
    mix
        int16 [length, 2].
    stems
        int16 [blocks, stems, BLOCK, 2]: one block is one stretch of memory.
    states
        uint8 [blocks]: MISSING, ROUGH or FINAL.
    overview
        uint8 [1 + stems, COLUMNS]: peaks of the mix and of each stem, 255 at full scale.
    folder
        Where it is kept; None for one in memory.

    Examples
    --------
    >>> sound = Audio(np.full((50_000, 2), 0.5, np.float32))
    >>> track = Track.of({"all": sound})
    >>> track.spans()
    [(0, 50000)]
    >>> mix, stems = track.read(100, 3)
    >>> stems.shape, float(stems.max())
    ((1, 3, 2), 0.5)
    """

    title: str
    names: tuple[str, ...]
    length: int
    rate: int
    mix: NDArray[np.int16]
    stems: NDArray[np.int16]
    states: NDArray[np.uint8]
    overview: NDArray[np.uint8]
    folder: Path | None = None

    @classmethod
    def of(cls, stems: Separation | dict[str, Audio], title: str = "") -> Track:
        """Return a track in memory with stems that are at hand.

        Raises
        ------
        AudioError
            If there are none, or they differ in length or rate.
        """
        parts = stems if isinstance(stems, dict) else stems.stems
        _check_alike(parts)
        samples = np.stack([part.samples for part in parts.values()])
        rate = next(iter(parts.values())).rate
        track = cls._blank(title, tuple(parts), samples.shape[1], rate)
        whole = samples.sum(0) if isinstance(stems, dict) else stems.mix.samples
        track.mix[:] = _integers(whole)
        track.draw(0, 0, track.mix)
        track.write(0, samples, since=0, state=FINAL)
        return track

    @classmethod
    def _blank(cls, title: str, names: tuple[str, ...], length: int, rate: int) -> Track:
        blocks = -(-length // BLOCK)
        return cls(
            title,
            names,
            length,
            rate,
            np.zeros((length, 2), np.int16),
            np.zeros((blocks, len(names), BLOCK, 2), np.int16),
            np.zeros(blocks, np.uint8),
            np.zeros((1 + len(names), COLUMNS), np.uint8),
        )

    @classmethod
    def open(cls, folder: Path) -> Track:
        """Return a track that is kept in a folder; what is written to it goes there."""
        facts = json.loads((folder / "track.json").read_text())
        names, length = tuple(facts["names"]), facts["length"]
        blocks = -(-length // BLOCK)

        def array(name: str, dtype: type[Any], *shape: int) -> NDArray[Any]:
            return np.memmap(folder / name, dtype, "r+", shape=shape)

        return cls(
            facts["title"],
            names,
            length,
            facts["rate"],
            array("mix", np.int16, length, 2),
            array("stems", np.int16, blocks, len(names), BLOCK, 2),
            array("states", np.uint8, blocks),
            array("overview", np.uint8, 1 + len(names), COLUMNS),
            folder,
        )

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.length / self.rate

    @property
    def separated(self) -> float:
        """Share of the song that is separated, 0 to 1."""
        return float(np.count_nonzero(self.states) / len(self.states))

    def spans(self) -> list[tuple[int, int]]:
        """Return the stretches (start, stop) that are separated, in samples, in order."""
        edges = np.flatnonzero(np.diff(self.states > MISSING, prepend=False, append=False))
        pairs = (edges * BLOCK).reshape(-1, 2)
        return [(int(start), min(int(stop), self.length)) for start, stop in pairs]

    def read(self, start: int, count: int) -> tuple[Samples, Samples]:
        """Return mix [n, 2] and stems [stems, n, 2]; zeros where nothing is separated yet."""
        stop = min(start + count, self.length)
        first, last = start // BLOCK, -(-stop // BLOCK)
        blocks = np.concatenate(list(self.stems[first:last]), axis=1)
        stems = blocks[:, start - first * BLOCK : stop - first * BLOCK]
        return _floats(self.mix[start:stop]), _floats(stems)

    def write(self, start: int, stems: Samples, *, since: int, state: int) -> None:
        """Store stems [stems, n, 2] from sample `start` on.

        Parameters
        ----------
        start
            First sample.
        stems
            What follows on what was written before.
        since
            Where the unbroken stretch began that these samples continue: blocks that
            lie wholly in it get the new state.
        state
            ROUGH or FINAL; final blocks are not overwritten by rough ones.
        """
        stop = start + stems.shape[1]
        samples = _integers(stems)
        for k in range(start // BLOCK, -(-stop // BLOCK)):
            if self.states[k] <= state:
                a, b = max(start, k * BLOCK), min(stop, (k + 1) * BLOCK)
                part = samples[:, a - start : b - start]
                self.stems[k, :, a - k * BLOCK : b - k * BLOCK] = part
        for row, stem in enumerate(samples):
            self.draw(row + 1, start, stem)
        full = len(self.states) if stop >= self.length else stop // BLOCK
        done = self.states[-(-since // BLOCK) : full]
        np.maximum(done, state, out=done)

    def draw(self, row: int, start: int, samples: NDArray[np.int16]) -> None:
        """Raise a row of the overview to the peaks of samples [n, 2]."""
        stop = start + len(samples)
        columns = np.arange(start * COLUMNS // self.length, (stop - 1) * COLUMNS // self.length + 1)
        first = np.maximum(-(-columns * self.length // COLUMNS) - start, 0)
        highest = np.maximum.reduceat(samples, first).max(1).astype(np.int32)
        lowest = np.minimum.reduceat(samples, first).min(1).astype(np.int32)
        peaks = np.maximum(highest, -lowest) * 255 // STEPS
        # Silence that is separated is told from what is not by one step.
        heights = np.clip(peaks, 1, 255).astype(np.uint8)
        self.overview[row, columns] = np.maximum(self.overview[row, columns], heights)


class Store:
    """A folder of tracks with a limit to its size.

    Parameters
    ----------
    root
        The folder; by default STEMLAB_STORE or the user's cache.
    limit
        Bytes it may hold. The tracks that were not opened for longest are deleted first; the one
        that is being opened stays in any case.
    """

    def __init__(self, root: str | Path | None = None, limit: int = 20_000_000_000) -> None:
        chosen = root or os.environ.get("STEMLAB_STORE")
        self.root = Path(chosen) if chosen else platformdirs.user_cache_path("stemlab") / "tracks"
        self.limit = limit

    def open(self, song: str | Path | Audio, separator: Separator) -> Track:
        """Return the track of a song and a separator, decoded if it is new.

        Its name is a digest of the song's bytes and of everything that shapes its stems, so a
        song that was renamed or copied is found again, and another model has its own track.

        Raises
        ------
        AudioError
            If the song cannot be read or the disk has no room for it.
        """
        folder = self.root / digest(song, separator)
        if not (folder / "track.json").exists():
            self._decode(song, separator, folder)
        os.utime(folder)
        self._prune(keep=folder)
        return Track.open(folder)

    def find(self, song: str | Path | Audio, separator: Separator) -> Track | None:
        """Return the track of a song and a separator if it is kept."""
        folder = self.root / digest(song, separator)
        return Track.open(folder) if (folder / "track.json").exists() else None

    @property
    def size(self) -> int:
        """Bytes that the tracks take."""
        return sum(_size(folder) for folder in self._folders())

    def _folders(self) -> list[Path]:
        """Return the tracks' folders, longest unused first."""
        found = [path.parent for path in self.root.glob("*/track.json")]
        return sorted(found, key=lambda folder: folder.stat().st_mtime)

    def _prune(self, keep: Path) -> None:
        excess = self.size - self.limit
        for folder in self._folders():
            if excess <= 0:
                return
            if folder != keep:
                excess -= _size(folder)
                shutil.rmtree(folder, ignore_errors=True)

    def _decode(self, song: str | Path | Audio, separator: Separator, folder: Path) -> None:
        """Make a track with its mix, and show it under its name only when that is whole."""
        self.root.mkdir(parents=True, exist_ok=True)
        draft = self.root / f".{secrets.token_hex(8)}"
        draft.mkdir()
        try:
            self._fill(draft, song, separator)
            if not folder.exists():
                draft.rename(folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def _fill(self, draft: Path, song: str | Path | Audio, separator: Separator) -> None:
        names, rate = separator.stems, separator.rate
        title, promised, blocks = _sound(song, rate)
        self._check_room(title, promised, len(names))
        with (draft / "mix").open("wb") as file:
            for block in blocks:
                file.write(_integers(block).tobytes())
            length = file.tell() // 4
        count = -(-length // BLOCK)
        for name, size in (
            ("stems", count * len(names) * BLOCK * 4),
            ("states", count),
            ("overview", (1 + len(names)) * COLUMNS),
        ):
            with (draft / name).open("wb") as file:
                file.truncate(size)
        facts = {"title": title, "names": names, "length": length, "rate": rate}
        (draft / "track.json").write_text(json.dumps(facts))
        track = Track.open(draft)
        track.draw(0, 0, track.mix)

    def _check_room(self, title: str, length: int, stems: int) -> None:
        needed = length * (1 + stems) * 4
        free = shutil.disk_usage(self.root).free
        if needed > free:
            raise AudioError(
                f"{title}: its stems need {needed / 1e6:.0f} MB and {self.root} has room for "
                f"{free / 1e6:.0f} MB; free some disk or set STEMLAB_STORE to a larger one"
            )


def _sound(song: str | Path | Audio, rate: int) -> tuple[str, int, Iterator[Samples]]:
    """Return title, promised length and blocks [n, 2] of a song."""
    if isinstance(song, Audio):
        same = song if song.rate == rate else resample(song, rate)
        return "", len(same.samples), iter([same.samples])
    reader = Reader(song, rate)
    return reader.tags.title or Path(song).stem, reader.length or 0, _closing(reader)


def _closing(reader: Reader) -> Iterator[Samples]:
    with reader:
        yield from reader.blocks()


def digest(song: str | Path | Audio, separator: Separator) -> str:
    """Return a digest of all that decides how a song's stems sound.

    Raises
    ------
    AudioError
        If the song's file cannot be read.
    """
    known = hashlib.sha256()
    if isinstance(song, Audio):
        known.update(np.ascontiguousarray(song.samples).data)
    else:
        _digest_file(known, Path(song))
    card = separator.model.card
    settings = (FORMAT, card.sha256, card.frames, separator.settings)
    known.update(repr(settings).encode())
    return known.hexdigest()[:32]


def _digest_file(known: hashlib._Hash, path: Path) -> None:
    try:
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                known.update(piece)
    except OSError as error:
        raise AudioError(f"{path}: cannot be read ({error.strerror}); check its name") from error


def _check_alike(parts: dict[str, Audio]) -> None:
    if not parts:
        raise AudioError("there are no stems to play; give at least one")
    shapes = {name: (len(part.samples), part.rate) for name, part in parts.items()}
    for unit, index in (("samples", 0), ("Hz", 1)):
        values: Sequence[int] = [shape[index] for shape in shapes.values()]
        if len(set(values)) > 1:
            told = ", ".join(f"{name} {value}" for name, value in zip(shapes, values, strict=True))
            raise AudioError(f"the stems differ in {unit} ({told}); cut or resample them alike")
    if not next(iter(shapes.values()))[0]:
        raise AudioError("the stems hold no sound; give longer ones")


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())


def _integers(samples: Samples) -> NDArray[np.int16]:
    integers: NDArray[np.int16] = np.rint(samples * STEPS).clip(-32768, 32767).astype(np.int16)
    return integers


def _floats(samples: NDArray[np.int16]) -> Samples:
    return samples.astype(np.float32) / STEPS
