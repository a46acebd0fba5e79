"""How fast this machine is: the speed of each stage and of the whole, and the memory used."""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from stemlab.live.worker import LiveWorker, be_prompt
from stemlab.masks import apply, extend
from stemlab.research.account import peak_memory
from stemlab.separator import Separator
from stemlab.sound.audio import Reader
from stemlab.sound.fifo import reblock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from stemlab.live.worker import Live
    from stemlab.model import StemModel
    from stemlab.spectral import Samples

# Each stage is timed on so much of the song, the best of a few runs.
EXCERPT = 12.0
RUNS = 3
# Live, in samples: what is pushed at once, and how much later than it could a player reads.
INPUT_BLOCK, BUFFER = 512, 1024
# Seconds to wait for the stems of the last block.
PATIENCE = 10


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
    """What live separation costs, measured on this machine with a worker, without a browser.

    Attributes
    ----------
    model, setting
        What ran, and how.
    algorithmic_ms
        Delay on an infinitely fast machine: the synthesis window and the look-ahead.
    input_block_ms
        Sound that is gathered before it is pushed.
    compute_ms, compute_p99_ms
        From sound's coming to the worker to its stems, median and 99th percentile.
    turnaround_ms, turnaround_p99_ms
        From a block's pushing until its stems can be read: the way to the worker and back, and the
        computing between.
    buffer_ms
        How much later than that a player reads, so that it does not run dry.
    total_ms
        From a sample's coming to its stems' being played: algorithm, input block and buffer.
    masks_ms, masks_p99_ms
        A run of the model: where it reads windows, the sound does not wait for it.
    blocks, dropouts
        Blocks that were played, and those among them that were not there in time.
    restarts
        How often a worker ended.
    """

    model: str
    setting: str
    algorithmic_ms: float
    input_block_ms: float
    compute_ms: float
    compute_p99_ms: float
    turnaround_ms: float
    turnaround_p99_ms: float
    buffer_ms: float
    total_ms: float
    masks_ms: float
    masks_p99_ms: float
    blocks: int
    dropouts: int
    restarts: int


def bench_live(song: Path, live: Live, seconds: float = 10) -> LiveBench:
    """Play a song to a live worker as if it came from a microphone, and its stems.

    Raises
    ------
    AudioError
        If the song cannot be read.
    StemlabError
        If the worker cannot be started.
    """
    with LiveWorker(live) as worker:
        with Reader(song, worker.rate) as reader:
            count = int(seconds * worker.rate)
            mix = next(reblock(reader.blocks(), count))
        late = worker.delay + INPUT_BLOCK + BUFFER
        with ThreadPoolExecutor(1, initializer=be_prompt) as sound_card:
            dropouts, turnaround = sound_card.submit(_perform, worker, mix, count, late).result()
        second = 1000 / worker.rate
        compute, turned, masks = (
            [float(value) for value in np.percentile(times, (50, 99)) * 1000]
            for times in (worker.compute, turnaround, worker.runs)
        )
        return LiveBench(
            model=live.model,
            setting=worker.setting,
            algorithmic_ms=worker.delay * second,
            input_block_ms=INPUT_BLOCK * second,
            compute_ms=compute[0],
            compute_p99_ms=compute[1],
            turnaround_ms=turned[0],
            turnaround_p99_ms=turned[1],
            buffer_ms=BUFFER * second,
            total_ms=late * second,
            masks_ms=masks[0],
            masks_p99_ms=masks[1],
            blocks=len(dropouts),
            dropouts=sum(dropouts),
            restarts=worker.restarts,
        )


def _perform(
    worker: LiveWorker, mix: Samples, count: int, late: int
) -> tuple[list[bool], list[float]]:
    """Push a sound, over and over, and read its stems `late` samples later, by the clock.

    Returns
    -------
    Whether each block read was missing, and the seconds from each push to its stems.
    """
    dropouts, turnaround = [], []
    pushed: deque[tuple[int, float]] = deque()
    begin = time.perf_counter()
    # One sample short of whole hops, so that it is the worst case: each waits for a hop to fill.
    for stop in range(INPUT_BLOCK - 1, count, INPUT_BLOCK):
        block = mix.take(range(max(0, stop - INPUT_BLOCK), stop), axis=0, mode="wrap")
        _sleep_until(begin + stop / worker.rate)
        worker.push(block)
        pushed.append((stop - worker.delay, time.perf_counter()))
        if stop >= late:
            dropouts.append(_missing(worker, stop - late))
        following = begin + (stop + INPUT_BLOCK) / worker.rate
        worker.wait(stop - worker.delay, following - time.perf_counter())
        while pushed and worker.made >= pushed[0][0]:
            turnaround.append(time.perf_counter() - pushed.popleft()[1])
    while pushed and worker.wait(pushed[0][0], PATIENCE):
        turnaround.append(time.perf_counter() - pushed.popleft()[1])
    return dropouts, turnaround


def _missing(worker: LiveWorker, first: int) -> bool:
    """Whether the stems of the block from sample `first` on are not there, or were lost."""
    lost = worker.gap
    silent = first < lost.stop and lost.start < first + INPUT_BLOCK
    return silent or worker.read(first, INPUT_BLOCK) is None


def _sleep_until(moment: float) -> None:
    if (left := moment - time.perf_counter()) > 0:
        time.sleep(left)


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
