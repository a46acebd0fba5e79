"""What this machine holds: the speed of each stage, of the whole, and its memory."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from stemlab.account import peak_memory
from stemlab.audio import Reader
from stemlab.fifo import reblock
from stemlab.masks import apply, extend
from stemlab.separator import Separator

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from stemlab.model import StemModel
    from stemlab.spectral import Samples

# Each stage is timed on so much of the song, the best of a few runs.
EXCERPT = 12.0
RUNS = 3


@dataclass(frozen=True)
class Bench:
    """Measured on this machine.

    Attributes
    ----------
    model, precision, runtime, threads
        What ran.
    stages
        Speed of each stage alone, in × real time.
    speed
        Speed of the whole way from file to stems, in × real time.
    first_block
        Seconds from the call to the first stem block, in a warm process.
    peak_memory
        Of this process so far, in bytes.
    """

    model: str
    precision: str
    runtime: str
    threads: int
    stages: dict[str, float]
    speed: float
    first_block: float
    peak_memory: int


def bench(song: Path, model: StemModel) -> Bench:
    """Measure a model on a song.

    Raises
    ------
    AudioError
        If the song cannot be read.
    """
    separator = Separator(model)
    _whole(song, separator)
    speed, first_block = _whole(song, separator)
    return Bench(
        model=model.card.name,
        precision=model.card.precision,
        runtime=model.runtime,
        threads=model.threads,
        speed=speed,
        first_block=first_block,
        peak_memory=peak_memory(),
        stages=_stages(song, separator),
    )


def _stages(song: Path, separator: Separator) -> dict[str, float]:
    stft, card = separator.stft, separator.model.card
    count = int(EXCERPT * separator.rate)

    def decode() -> Samples:
        with Reader(song, separator.rate) as reader:
            return next(reblock(reader.blocks(), count))

    samples = np.resize(decode(), (count, 2))
    spectrum = stft.analyse(samples)
    magnitude = np.resize(np.abs(spectrum[:, : card.bins]), (card.frames, card.bins, 2))
    shape = (len(spectrum), *magnitude.shape[1:], len(card.stems))
    masks = np.resize(separator.model.masks(magnitude), shape)

    def mask() -> Any:
        return apply(extend(masks, spectrum.shape[1])[..., :-1], spectrum)

    stems = mask()
    window = card.frames * card.hop / separator.rate
    return {
        "decode": EXCERPT / _best(decode),
        "stft": EXCERPT / _best(lambda: stft.analyse(samples)),
        "model": window / _best(lambda: separator.model.masks(magnitude)),
        "masks": EXCERPT / _best(mask),
        "istft": EXCERPT / _best(lambda: stft.synthesise(stems, count)),
    }


def _best(work: Callable[[], object]) -> float:
    return min(_seconds(work) for _ in range(RUNS))


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _whole(song: Path, separator: Separator) -> tuple[float, float]:
    """Return × real time, and the seconds until the first block."""
    start = time.perf_counter()
    first = length = 0.0
    with Reader(song, separator.rate) as reader:
        for block in separator.stream(reader.blocks()):
            first = first or time.perf_counter() - start
            length += len(block.mix) / separator.rate
    return length / (time.perf_counter() - start), first
