"""How well a model does on songs whose stems are known."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stemlab.audio import AUDIO_SUFFIXES, Reader
from stemlab.errors import AudioError, SettingError
from stemlab.fifo import Fifo
from stemlab.metrics import Sdr

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from stemlab.separator import Separator
    from stemlab.spectral import Samples

MIXTURES = ("mix", "mixture")


@dataclass(frozen=True)
class Song:
    """A song with references: its mixture, None where it is their sum, and stems by name."""

    name: str
    mix: Path | None
    stems: dict[str, Path]


def find_songs(folder: Path) -> list[Song]:
    """Return the songs with references in a folder, or in the folders inside it.

    A song is a folder of ``<stem>.<suffix>`` files and, if the mixture is not simply their sum, a
    ``mix.<suffix>`` or ``mixture.<suffix>``, as in MUSDB18-HQ.

    Raises
    ------
    AudioError
        If there is none.
    """
    if not folder.is_dir():
        raise AudioError(f"{folder}: not a folder; give one that holds a mix and its stems")
    inside = sorted(path for path in folder.iterdir() if path.is_dir())
    songs = [song for path in (folder, *inside) if (song := _song(path))]
    if not songs:
        raise AudioError(
            f"{folder}: no song with reference stems; expected files such as "
            "mix.wav, vocals.wav, drums.wav here or in folders inside"
        )
    return songs


def _song(folder: Path) -> Song | None:
    files = {
        path.stem.lower(): path
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in AUDIO_SUFFIXES and not path.name.startswith(".")
    }
    mixes = [files.pop(name) for name in MIXTURES if name in files]
    return Song(folder.name, mixes[0] if mixes else None, files) if len(files) > 1 else None


def match(stems: Sequence[str], references: Mapping[str, Path]) -> dict[str, list[Path]]:
    """Return for each of the model's stems the references that sum to it.

    A stem without a reference of its name is what the unmatched references sum to, if it is the
    only one: of vocals, drums, bass and other, a model's accompaniment is the last three.

    Raises
    ------
    SettingError
        If more than one stem has no reference, or none are left for it.

    Examples
    --------
    >>> match(["vocals", "rest"], {"vocals": "v.wav", "drums": "d.wav", "bass": "b.wav"})
    {'vocals': ['v.wav'], 'rest': ['d.wav', 'b.wav']}
    """
    left = {name: path for name, path in references.items() if name not in stems}
    without = [stem for stem in stems if stem not in references]
    if len(without) > 1 or (without and not left):
        raise SettingError(
            f"no reference for {', '.join(without)} among {', '.join(references)}; "
            f"name the files after the model's stems: {', '.join(stems)}"
        )
    return {stem: [references[stem]] if stem in references else [*left.values()] for stem in stems}


def evaluate(
    song: Song,
    separator: Separator,
    progress: Callable[[float], object] | None = None,
) -> dict[str, float]:
    """Return the SDR of each stem of a separated song, in dB; see `stemlab.metrics.Sdr`.

    Parameters
    ----------
    song
        From `find_songs`. References shorter than the mixture end in silence.
    progress
        Called with the seconds that have just been done.
    """
    sources = match(separator.stems, song.stems)
    accounts = {stem: Sdr() for stem in separator.stems}
    with ExitStack() as stack:
        known = {stem: _Sum(paths, separator.rate, stack) for stem, paths in sources.items()}
        mix = _Sum([song.mix] if song.mix else [*song.stems.values()], separator.rate, stack)
        for block in separator.stream(mix.blocks()):
            for stem, estimate in zip(separator.stems, block.stems, strict=True):
                accounts[stem].add(known[stem].take(len(estimate)), estimate)
            if progress:
                progress(len(block.mix) / separator.rate)
    return {stem: account.value for stem, account in accounts.items()}


class _Sum:
    """Files mixed together, read in step."""

    def __init__(self, paths: Sequence[Path], rate: int, stack: ExitStack) -> None:
        self._blocks = [stack.enter_context(Reader(path, rate)).blocks() for path in paths]
        self._queue: Fifo[np.float32] = Fifo()

    def blocks(self) -> Iterator[Samples]:
        """Yield the sum until the longest file ends."""
        while (block := self._next()) is not None:
            yield block

    def take(self, count: int) -> Samples:
        """Return the next `count` samples, silence after the end."""
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
