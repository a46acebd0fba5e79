"""Songs whose stems are known: what of a model's stems they can be compared with, and reading."""

from __future__ import annotations

import warnings
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stemlab.errors import AudioError, AudioWarning, SettingError
from stemlab.sound.audio import Reader
from stemlab.sound.fifo import Fifo

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from typing_extensions import Self

    from stemlab.spectral import Samples

# The stem of a model that takes what no other one does.
REST = "other"
# Coders pad: references that end so many seconds before the mixture are not too short.
PADDING = 0.1


class Source(NamedTuple):
    """Where a sound is: a file, and which of its audio streams."""

    path: Path
    stream: int = 0


@dataclass(frozen=True)
class Song:
    """A song with references: its mixture, None where it is their sum, and stems by name.

    A stem is the sum of one or more sounds. One that holds several stems, because they were not
    recorded apart, is named for all of them, as in ``"bass+other"``.
    """

    name: str
    mix: Source | None
    stems: Mapping[str, tuple[Source, ...]]

    @property
    def mixed(self) -> list[Source]:
        """What sums to the mixture."""
        return [self.mix] if self.mix else [*chain(*self.stems.values())]

    def warn_short(self, rate: int) -> None:
        """Warn of references that end before the mixture does.

        Raises
        ------
        AudioError
            If a file cannot be read.

        Warns
        -----
        AudioWarning
            For each of them; what is missing counts as silence.
        """
        for sentence in self.short(rate):
            warnings.warn(
                f"{sentence}; what is missing counts as silence", AudioWarning, stacklevel=2
            )

    def short(self, rate: int) -> Iterator[str]:
        """Yield a sentence on each reference that ends before the mixture does.

        Raises
        ------
        AudioError
            If a file cannot be read.
        """
        whole = max(_seconds(source, rate) for source in self.mixed)
        for name, sources in self.stems.items():
            seconds = max(_seconds(source, rate) for source in sources)
            if seconds < whole - PADDING:
                path = sources[0].path
                yield f"{path}: {name} ends at {seconds:.1f} s, the mix at {whole:.1f} s"


class Target(NamedTuple):
    """What is compared: stems of the model and references that should sum to the same."""

    name: str
    stems: tuple[int, ...]
    references: tuple[str, ...]


def match(stems: Sequence[str], references: Iterable[str], wanted: str = "") -> list[Target]:
    """Return what of a model's stems can be compared with references.

    Stems are compared with the reference of their name. What no stem is named for is part of
    ``other`` or, without such a stem, of the only one that has no reference: of vocals, drums,
    guitar and piano, a model's accompaniment is the last three. A reference that holds several
    stems, such as ``bass+other``, is compared with their sum. Stems without a reference are left
    out; `unmatched` names them.

    Parameters
    ----------
    wanted
        What to compare instead: names of stems with commas between; ``bass+other`` is a sum of
        stems, ``vocals=lead+choir`` says which references a stem is compared with.

    Raises
    ------
    SettingError
        If nothing can be compared, or what is wanted is no stem of the model.

    Examples
    --------
    >>> match(["vocals", "rest"], ["vocals", "drums", "bass"])
    [Target(name='vocals', stems=(0,), references=('vocals',)),
     Target(name='rest', stems=(1,), references=('drums', 'bass'))]
    >>> match(["vocals", "drums", "other"], ["vocals", "drums", "guitar"], "drums+other")
    [Target(name='drums+other', stems=(1, 2), references=('drums', 'guitar'))]
    """
    known = [*references]
    found = _natural(stems, known)
    if wanted:
        entries = wanted.split(",")
        found = [target for entry in entries if (target := _wanted(entry, stems, known, found))]
    if not found:
        raise SettingError(
            f"no reference for {wanted or ', '.join(stems)} among {', '.join(known)}; "
            f"name the files after the model's stems: {', '.join(stems)}; "
            "one that holds several is named for all, such as bass+other"
        )
    return found


def unmatched(stems: Sequence[str], targets: Iterable[Target], wanted: str = "") -> list[str]:
    """Return the names of what `match` found no reference for.

    Examples
    --------
    >>> stems = ["vocals", "drums", "bass"]
    >>> unmatched(stems, match(stems, ["vocals", "bass"]))
    ['drums']
    """
    if wanted:
        names = [_name(entry) for entry in wanted.split(",")]
        found = {target.name for target in targets}
        return [name for name in names if name not in found]
    taken = {index for target in targets for index in target.stems}
    return [name for index, name in enumerate(stems) if index not in taken]


def _natural(stems: Sequence[str], references: Sequence[str]) -> list[Target]:
    """Match by name; what is left of the references goes to the stem that takes the rest."""
    known = {name: tuple(stems.index(part) for part in name.split("+") if part in stems)
             for name in references}  # fmt: skip
    targets = {
        indices: Target(name, indices, (name,))
        for name, indices in known.items()
        if len(indices) == len(name.split("+"))
    }
    names = {target.name for target in targets.values()}
    left = tuple(name for name in known if name not in names)
    without = [index for index in range(len(stems)) if index not in {*chain(*targets)}]
    rest = stems.index(REST) if REST in stems else without[0] if len(without) == 1 else None
    if targets and left and rest is not None:  # else nothing tells what the files are
        place = next((indices for indices in targets if rest in indices), (rest,))
        own = targets.get(place, Target(stems[rest], place, ()))
        targets[place] = own._replace(references=own.references + left)
    return sorted(targets.values(), key=lambda target: target.stems)


def _wanted(
    entry: str, stems: Sequence[str], references: Sequence[str], found: Sequence[Target]
) -> Target | None:
    """Return the target that an entry asks for, None where the song lacks a part of it."""
    name, _, files = entry.partition("=")
    parts = [part.strip() for part in name.split("+")]
    if unknown := [part for part in parts if part not in stems]:
        raise SettingError(f"{', '.join(unknown)}: no such stem; the model has {', '.join(stems)}")
    indices = tuple(sorted(stems.index(part) for part in parts))
    if files:
        named = tuple(file.strip() for file in files.split("+"))
        return Target(_name(entry), indices, named) if {*named} <= {*references} else None
    inside = [target for target in found if {*target.stems} <= {*indices}]
    if {*chain(*(target.stems for target in inside))} != {*indices}:
        return None
    summed = chain(*(target.references for target in inside))
    return Target(_name(entry), indices, tuple(summed))


def _name(entry: str) -> str:
    return entry.partition("=")[0].strip()


class Mixed:
    """Files mixed together and read in step, as a context manager.

    Parameters
    ----------
    sources
        The files.
    rate
        Samples per second.
    start
        First sample.
    """

    def __init__(self, sources: Iterable[Source], rate: int, start: int = 0) -> None:
        self._sources, self._rate, self._start = list(sources), rate, start
        self._queue: Fifo[np.float32] = Fifo()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._blocks = [
                stack.enter_context(Reader(path, self._rate, stream=stream)).blocks(
                    start=self._start
                )
                for path, stream in self._sources
            ]
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def blocks(self) -> Iterator[Samples]:
        """Yield the sum, [samples, 2] each, until the longest file ends."""
        while (block := self._next()) is not None:
            yield block

    def take(self, count: int) -> Samples:
        """Return the next `count` samples, [count, 2], silence after the end."""
        while len(self._queue) < count:
            block = self._next()
            silence = np.zeros((count - len(self._queue), 2), np.float32)
            self._queue.push(silence if block is None else block)
        return self._queue.take(count)

    def _next(self) -> Samples | None:
        """Return the sum of the files' next blocks, None after the end of the last one."""
        blocks = [block for source in self._blocks if (block := next(source, None)) is not None]
        if not blocks:
            return None
        total = np.zeros((max(map(len, blocks)), 2), np.float32)
        for block in blocks:
            total[: len(block)] += block
        return total


def read_stretch(
    song: Song,
    targets: Sequence[Target],
    rate: int,
    start: float = 0,
    seconds: float | None = None,
) -> tuple[Samples, Samples]:
    """Return a stretch of a song's mixture [samples, 2] and of its references.

    Parameters
    ----------
    targets
        From `match`: the references are summed as they say, [targets, samples, 2].
    rate
        Samples per second.
    start, seconds
        Where the stretch begins, and its length; to the song's end by default.

    Raises
    ------
    AudioError
        If a file cannot be read, or the song ends before the start.
    """
    first = round(start * rate)
    length = round(max(_seconds(source, rate) for source in song.mixed) * rate)
    count = length - first if seconds is None else min(round(seconds * rate), length - first)
    if count <= 0:
        raise AudioError(
            f"{song.name}: ends at {length / rate:.1f} s, the stretch would start at {start:g} s; "
            "choose an earlier start"
        )
    mixture, *references = [
        _taken(sources, rate, first, count)
        for sources in (song.mixed, *(references_of(song.stems, target) for target in targets))
    ]
    return mixture, np.stack(references) if references else np.zeros(
        (0, *mixture.shape), np.float32
    )


def references_of(stems: Mapping[str, tuple[Source, ...]], target: Target) -> list[Source]:
    """Return the sources that sum to a target."""
    return [*chain(*(stems[name] for name in target.references))]


def _taken(sources: Sequence[Source], rate: int, first: int, count: int) -> Samples:
    with Mixed(sources, rate, first) as mixed:
        return mixed.take(count)


def _seconds(source: Source, rate: int) -> float:
    with Reader(source.path, rate, stream=source.stream) as reader:
        return (reader.length or sum(map(len, reader.blocks()))) / rate
