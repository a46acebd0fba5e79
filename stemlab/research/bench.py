"""How fast this machine is: the speed of each stage and of the whole, and the memory used."""

from __future__ import annotations

import contextlib
import gc
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from stemlab.live.separator import LiveSeparator
from stemlab.masks import apply, extend
from stemlab.research.account import peak_memory
from stemlab.separator import Separator
from stemlab.sound.audio import Reader
from stemlab.sound.fifo import reblock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from stemlab.live.model import StreamModel
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


@dataclass(frozen=True)
class LiveBench:
    """What live separation costs natively, measured on this machine; the page does it in wasm.

    Attributes
    ----------
    model
        What ran.
    algorithmic_ms
        Delay on an infinitely fast machine: the synthesis window and the look-ahead.
    compute_ms, compute_p99_ms
        To separate a block, median and 99th percentile.
    blocks, dropouts
        Blocks of a hop that were separated, and those among them whose stems were not there before
        the next block came.
    """

    model: str
    algorithmic_ms: float
    compute_ms: float
    compute_p99_ms: float
    blocks: int
    dropouts: int


def bench_live(song: Path, model: StreamModel, seconds: float = 10) -> LiveBench:
    """Separate a song as if it came from a microphone, block by block as the clock goes.

    Raises
    ------
    AudioError
        If the song cannot be read.
    """
    card = model.card
    with Reader(song, card.sample_rate) as reader:
        mix = next(reblock(reader.blocks(), int(seconds * card.sample_rate)))
    separator = LiveSeparator(model)
    count = int(seconds * card.sample_rate / card.hop)
    with ThreadPoolExecutor(1, initializer=_be_prompt) as sound_card:
        took, late = sound_card.submit(_perform, separator, mix, count).result()
    gc.unfreeze()
    median, worst = (float(value) for value in np.percentile(took, (50, 99)) * 1000)
    return LiveBench(
        model=card.name,
        algorithmic_ms=1000 * separator.delay / card.sample_rate,
        compute_ms=median,
        compute_p99_ms=worst,
        blocks=count,
        dropouts=sum(late),
    )


def _perform(separator: LiveSeparator, mix: Samples, count: int) -> tuple[list[float], list[bool]]:
    """Push a sound, over and over, by the clock.

    Returns
    -------
    The seconds that each block took, and whether its stems came later than the next block.
    """
    hop = separator.stft.hop
    length = hop / separator.model.card.sample_rate
    took, late = [], []
    begin = time.perf_counter()
    for number in range(count):
        block = mix.take(range(number * hop, (number + 1) * hop), axis=0, mode="wrap")
        due = begin + number * length
        time.sleep(max(0, due - time.perf_counter()))
        clock = time.perf_counter()
        separator.push(block)
        took.append(time.perf_counter() - clock)
        late.append(time.perf_counter() > due + length)
    return took, late


def _be_prompt() -> None:
    """Have this thread do at once what it has to, as the threads of audio programs do.

    Linux allows it to whom ``ulimit -r`` is above 0. And the garbage collector no longer looks
    through what is there by now, which takes it longer than a buffer lasts, until `gc.unfreeze`.
    """
    with contextlib.suppress(AttributeError, OSError):
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    gc.collect()
    gc.freeze()


def _stages(song: Path, separator: Separator) -> dict[str, float]:
    stft, card = separator.stft, separator.model.card
    count = int(EXCERPT * separator.rate)

    def decode() -> Samples:
        with Reader(song, separator.rate) as reader:
            return next(reblock(reader.blocks(), count))

    samples = np.resize(decode(), (count, 2))
    spectrum = stft.analyse(samples)
    heard = separator.model.hear(spectrum[:, : card.bins])
    window = np.resize(heard, (card.frames, card.bins, 2))
    shape = (len(spectrum), *window.shape[1:], len(card.stems))
    masks = np.resize(separator.model.masks(window), shape)

    def mask() -> Any:
        return apply(extend(masks, spectrum.shape[1])[..., :-1], spectrum)

    stems = mask()
    seconds = card.frames * card.hop / separator.rate
    return {
        "decode": EXCERPT / _best(decode),
        "stft": EXCERPT / _best(lambda: stft.analyse(samples)),
        "model": seconds / _best(lambda: separator.model.masks(window)),
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
