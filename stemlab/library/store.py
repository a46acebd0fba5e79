"""Separated songs kept on disk: found again by what they hold, the longest unused go first.

A track keeps the mix and its stems as 16-bit integers, 16 384 steps to full scale: 6 dB of room
above it, noise at -95 dB, half the size of floats. It is written block by block, so that a player
can read what is there while the rest is still being separated.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import platformdirs

from stemlab.errors import AudioError
from stemlab.library import sidecar
from stemlab.sound.audio import Audio, Reader, resample
from stemlab.sound.drafts import PREFIX, discard, drafting

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

NOTES = "notes"
"""The folder of a store that holds a note on each song."""

# Lies in a track's folder, is written last and tells of what the other files hold.
_FACTS = "track.json"
_NAME = re.compile("[0-9a-f]{32}")
# Of tracks that were never finished, these days or once.
_DRAFT = re.compile(rf"{re.escape(PREFIX)}.*|\.[0-9a-f]{{16}}")


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
        """Return a track that is kept in a folder; what is written to it goes there.

        Raises
        ------
        AudioError
            If the folder does not hold a whole track.
        """
        facts = sidecar.read(folder / _FACTS)
        if not _is_whole(folder, facts):
            raise _damaged(folder)
        names, length = tuple(facts["names"]), facts["length"]
        mix, stems, states, overview = (
            np.memmap(folder / name, dtype, "r+", shape=shape)
            for name, (dtype, shape) in _layout(length, len(names)).items()
        )
        if states.max() > FINAL:
            raise _damaged(folder)
        return cls(
            facts["title"], names, length, facts["rate"], mix, stems, states, overview, folder
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
        return self.heard(start, stop), _floats(stems)

    def heard(self, start: int = 0, stop: int | None = None) -> Samples:
        """Return the mix from one sample to another, float32 [n, 2], full scale 1."""
        return _floats(self.mix[start:stop])

    def blocks(self) -> Iterator[Samples]:
        """Yield the mix in blocks, as `heard` returns it."""
        for start in range(0, self.length, BLOCK):
            yield self.heard(start, start + BLOCK)

    def original(self, block: int) -> NDArray[np.int16]:
        """Return the mix of a block, [BLOCK, 2], as it is kept; zeros after the song's end."""
        samples = self.mix[block * BLOCK : (block + 1) * BLOCK]
        return np.pad(samples, ((0, BLOCK - len(samples)), (0, 0)))

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
        try:
            if not (track := _kept(folder)):
                self._decode(song, separator, folder)
                track = Track.open(folder)
            os.utime(folder)
        except OSError as error:
            raise AudioError(
                f"{self.root}: cannot keep stems ({error.strerror}); "
                "free some disk or set STEMLAB_STORE to another folder"
            ) from error
        self._prune(keep=folder)
        return track

    def note(self, song: str | Path | Audio) -> Path:
        """Return where what is known of a song and was prepared for it is kept.

        It is named for the song's bytes alone: another model finds it again, and it stays when the
        stems are deleted.

        Raises
        ------
        AudioError
            If the song's file cannot be read.
        """
        return self.root / NOTES / f"{_known(song).hexdigest()[:32]}.json"

    def find(self, song: str | Path | Audio, separator: Separator) -> Track | None:
        """Return the track of a song and a separator if it is kept."""
        return _kept(self.root / digest(song, separator))

    def share(self, name: str) -> float:
        """Return the share that is separated of the track of a digest, 0 if it is not kept."""
        try:
            states = np.fromfile(self.root / name / "states", np.uint8)
        except OSError:
            return 0.0
        return float(np.count_nonzero(states) / len(states)) if len(states) else 0.0

    @property
    def size(self) -> int:
        """Bytes that the tracks take."""
        return sum(_size(folder) for folder in self._folders())

    def _folders(self) -> list[Path]:
        """Return the tracks' folders, longest unused first."""
        found = [path.parent for path in self.root.glob(f"*/{_FACTS}")]
        return sorted(found, key=_last_use)

    def _prune(self, keep: Path) -> None:
        self._sweep()
        excess = self.size - self.limit
        for folder in self._folders():
            if excess <= 0:
                return
            if folder != keep:
                excess -= _size(folder)
                self._remove(folder)

    def _remove(self, folder: Path) -> None:
        """Take a track away; whoever is interrupted in it leaves a draft, which is swept."""
        with contextlib.suppress(OSError), drafting(self.root) as draft:
            folder.rename(draft / folder.name)

    def _sweep(self) -> None:
        """Take away what was never finished, or never quite removed."""
        with contextlib.suppress(OSError):
            for path in self.root.iterdir():
                dead = _NAME.fullmatch(path.name) and not (path / _FACTS).exists()
                if dead or _DRAFT.fullmatch(path.name):
                    discard(path)

    def _decode(self, song: str | Path | Audio, separator: Separator, folder: Path) -> None:
        """Make a track with its mix, and show it under its name only when that is whole."""
        self.root.mkdir(parents=True, exist_ok=True)
        with drafting(self.root) as draft:
            whole = draft / folder.name
            whole.mkdir()
            self._fill(whole, song, separator)
            if folder.exists() and not _kept(folder):
                self._remove(folder)
            with contextlib.suppress(OSError):  # another process was quicker: its own is as good
                whole.rename(folder)

    def _fill(self, draft: Path, song: str | Path | Audio, separator: Separator) -> None:
        names, rate = separator.stems, separator.rate
        title, promised, blocks = _sound(song, rate)
        self._check_room(title, promised * (1 + len(names)) * 4)
        with (draft / "mix").open("wb") as file:
            for block in blocks:
                file.write(_integers(block).tobytes())
                length = file.tell() // 4
                if length > promised:  # headers need not tell the truth, nor anything
                    self._check_room(title, length * len(names) * 4)
        for name, size in _sizes(length, len(names)).items():
            _reserve(draft / name, size)
        facts = {"title": title, "names": names, "length": length, "rate": rate}
        sidecar.write(draft / _FACTS, facts)
        track = Track.open(draft)
        track.draw(0, 0, track.mix)

    def _check_room(self, title: str, needed: int) -> None:
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
    known = _known(song)
    known.update(recipe(separator).encode())
    return known.hexdigest()[:32]


def recipe(separator: Separator) -> str:
    """Return a digest of all of that which lies in the separator."""
    settings = (FORMAT, separator.model.card.recipe, separator.settings)
    return hashlib.sha256(repr(settings).encode()).hexdigest()[:32]


def _known(song: str | Path | Audio) -> hashlib._Hash:
    known = hashlib.sha256()
    if isinstance(song, Audio):
        known.update(repr((song.rate, song.samples.shape)).encode())
        known.update(np.ascontiguousarray(song.samples).data)
    else:
        _digest_file(known, Path(song))
    return known


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


def _layout(length: int, stems: int) -> dict[str, tuple[type[Any], tuple[int, ...]]]:
    """Return type and shape of the array in each file of a track, in the order of its fields."""
    blocks = -(-length // BLOCK)
    return {
        "mix": (np.int16, (length, 2)),
        "stems": (np.int16, (blocks, stems, BLOCK, 2)),
        "states": (np.uint8, (blocks,)),
        "overview": (np.uint8, (1 + stems, COLUMNS)),
    }


def _sizes(length: int, stems: int) -> dict[str, int]:
    """Return the bytes of each file of a track."""
    return {
        name: math.prod(shape) * np.dtype(dtype).itemsize
        for name, (dtype, shape) in _layout(length, stems).items()
    }


def _reserve(path: Path, size: int) -> None:
    """Give a file its size, and room on the disk.

    Without room, writing to it as memory would not raise an error but end the process (SIGBUS).
    """
    with path.open("ab") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
        else:
            for _ in range(file.tell(), size, 1 << 20):
                file.write(bytes(min(1 << 20, size - file.tell())))


def _is_whole(folder: Path, facts: dict[str, Any]) -> bool:
    """Tell whether a folder holds what its note says, which may be anything."""
    match facts:
        case {"title": str(), "names": [_, *_] as names, "length": int(length), "rate": int(rate)}:
            plain = length > 0 and rate > 0 and all(isinstance(name, str) for name in names)
            sizes = _sizes(length, len(names)).items()
            return plain and all(_bytes(folder / name) == size for name, size in sizes)
    return False


def _damaged(folder: Path) -> AudioError:
    return AudioError(f"{folder}: what was kept of this song is damaged; open it again")


def _kept(folder: Path) -> Track | None:
    """Return the track in a folder, if it is there and whole."""
    try:
        return Track.open(folder)
    except (AudioError, OSError):
        return None


def _bytes(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else -1
    except OSError:
        return -1


def _size(folder: Path) -> int:
    return sum(max(0, _bytes(file)) for file in folder.glob("*"))


def _last_use(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError:  # another process has just pruned it
        return 0.0


def _integers(samples: Samples) -> NDArray[np.int16]:
    integers: NDArray[np.int16] = np.rint(samples * STEPS).clip(-32768, 32767).astype(np.int16)
    return integers


def _floats(samples: NDArray[np.int16]) -> Samples:
    return samples.astype(np.float32) / STEPS
