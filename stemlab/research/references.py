"""Songs whose stems are known: folders of stems, stem files, MUSDB18 in both its forms."""

from __future__ import annotations

import warnings
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stemlab.errors import AudioError, AudioWarning, SettingError
from stemlab.sound.audio import AUDIO_SUFFIXES, Reader
from stemlab.sound.fifo import Fifo
from stemlab.sound.stem_mp4 import SLOTS, stem_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from typing_extensions import Self

    from stemlab.spectral import Samples

MIXTURES = ("mix", "mixture")
STEM_FILES = (".stem.mp4", ".stem.m4a")
# Other names of stems, as in MUSDB18's files.
ALIASES = {"vox": "vocals", "vocal": "vocals"}
# Coders pad: references that end so many seconds before the mixture are not too short.
PADDING = 0.1


class Source(NamedTuple):
    """Where a sound is: a file, and which of its audio streams."""

    path: Path
    stream: int = 0


@dataclass(frozen=True)
class Song:
    """A song with references: its mixture, None where it is their sum, and stems by name.

    A stem that holds several, because they were not recorded apart, is named for all of them, as in
    ``"bass+other"``.
    """

    name: str
    mix: Source | None
    stems: dict[str, Source]

    @property
    def mixed(self) -> list[Source]:
        """What sums to the mixture."""
        return [self.mix] if self.mix else [*self.stems.values()]

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
        for name, source in self.stems.items():
            seconds = _seconds(source, rate)
            if seconds < whole - PADDING:
                yield f"{source.path}: {name} ends at {seconds:.1f} s, the mix at {whole:.1f} s"


def find_songs(place: Path) -> list[Song]:
    """Return the songs with references at a place, and in all folders below it.

    A song is a folder of ``<stem>.<suffix>`` files and, if the mixture is not simply their sum, a
    ``mix.<suffix>`` or ``mixture.<suffix>``, as in MUSDB18-HQ; or a ``.stem.mp4`` file, as in
    MUSDB18.

    Raises
    ------
    AudioError
        If there is none.
    """
    if place.is_file():
        return [_stem_file(place, place.name)]
    if not place.is_dir():
        raise AudioError(f"{place}: not a folder; give one that holds a mix and its stems")
    songs = []
    for path in (place, *sorted(place.rglob("*"))):
        name = place.name if path == place else path.relative_to(place).as_posix()
        if any(part.startswith(".") for part in path.relative_to(place).parts):
            continue
        if path.is_file() and path.name.lower().endswith(STEM_FILES):
            songs.append(_stem_file(path, name))
        elif path.is_dir() and (song := _folder(path, name)):
            songs.append(song)
    if not songs:
        raise AudioError(
            f"{place}: no song with reference stems; expected files such as "
            "mix.wav, vocals.wav, drums.wav here or in folders inside, or .stem.mp4 files"
        )
    return songs


def _folder(folder: Path, name: str) -> Song | None:
    files = {
        path.stem.lower(): Source(path)
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in AUDIO_SUFFIXES
        and not path.name.startswith(".")
        and not path.name.lower().endswith(STEM_FILES)
    }
    mixes = [files.pop(mixture) for mixture in MIXTURES if mixture in files]
    return Song(name, mixes[0] if mixes else None, files) if len(files) > 1 else None


def _stem_file(path: Path, name: str) -> Song:
    try:
        names = [ALIASES.get(stem.lower(), stem.lower()) for stem in stem_names(path)]
    except AudioError:
        names = list(SLOTS)  # MUSDB18 keeps Native Instruments' order and no names
    stems = {stem: Source(path, i) for i, stem in enumerate(names, 1)}
    stems.pop("(empty)", None)
    return Song(name.removesuffix(path.suffix).removesuffix(".stem"), Source(path), stems)


class Target(NamedTuple):
    """What is compared: stems of the model and references that should sum to the same."""

    name: str
    stems: tuple[int, ...]
    references: tuple[str, ...]


def match(stems: Sequence[str], references: Iterable[str]) -> list[Target]:
    """Return what of a model's stems can be compared with references.

    A stem without a reference of its name is what the unmatched references sum to, if it is the
    only one: of vocals, drums, bass and other, a model's accompaniment is the last three. A
    reference that holds several stems, such as ``bass+other``, is compared with their sum.

    Raises
    ------
    SettingError
        If more than one stem has no reference, or none are left for it.

    Examples
    --------
    >>> match(["vocals", "rest"], ["vocals", "drums", "bass"])
    [Target(name='vocals', stems=(0,), references=('vocals',)),
     Target(name='rest', stems=(1,), references=('drums', 'bass'))]
    """
    known = {name: tuple(stems.index(part) for part in name.split("+") if part in stems)
             for name in references}  # fmt: skip
    targets = [
        Target(name, indices, (name,))
        for name, indices in known.items()
        if len(indices) == len(name.split("+"))
    ]
    taken = {index for target in targets for index in target.stems}
    without = [index for index in range(len(stems)) if index not in taken]
    left = tuple(name for name in known if name not in {target.name for target in targets})
    if len(without) > 1 or (without and not left):
        raise SettingError(
            f"no reference for {', '.join(stems[i] for i in without)} among {', '.join(known)}; "
            f"name the files after the model's stems: {', '.join(stems)}; "
            "one that holds several is named for all, such as bass+other"
        )
    targets += [Target(stems[index], (index,), left) for index in without]
    return sorted(targets, key=lambda target: target.stems)


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


def references_of(stems: Mapping[str, Source], target: Target) -> list[Source]:
    """Return the sources that sum to a target."""
    return [stems[name] for name in target.references]


def _taken(sources: Sequence[Source], rate: int, first: int, count: int) -> Samples:
    with Mixed(sources, rate, first) as mixed:
        return mixed.take(count)


def _seconds(source: Source, rate: int) -> float:
    with Reader(source.path, rate, stream=source.stream) as reader:
        return (reader.length or sum(map(len, reader.blocks()))) / rate
