"""A process that separates live, so that a busy interpreter never makes a hole in the sound.

Sound goes there and back through rings of shared memory, addressed by the number of a sample since
the start. The memory has no name and goes with its last process. Each side rings a bell, a byte
through a socket, when it has written; a socket that closes says that the other side has ended.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import multiprocessing
import os
import select
import signal
import socket
import time
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock, Thread
from typing import TYPE_CHECKING

import numpy as np
from numpy.ctypeslib import as_array

from stemlab.errors import SettingError, StemlabError
from stemlab.live.model import StreamModel
from stemlab.live.separator import LiveSeparator
from stemlab.model import StemModel, find

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.context import SpawnContext

    from numpy.typing import NDArray
    from typing_extensions import Self

    from stemlab.spectral import Samples, Stft

# Frames of a window, where nothing else is said.
FRAMES = 64
# Seconds of sound in a ring.
HELD = 12
# Seconds that the process may lag behind before it leaves out what it missed.
LAG = 0.5
# Stretches, and runs of the model, whose times are kept.
TIMES = 4096
# Seconds to wait for a process to load its model, and to end.
LOADING, ENDING = 60, 5
# Seconds between looks at a process that has not loaded, or is gone.
GLANCE = 0.01
# Places of the counts of samples: how many came in, are made, were left out in all; and the last of
# these stretches, its first and the one behind it.
HEARD, MADE, LOST, GAP, RESUMED = range(5)


class WorkerError(StemlabError):
    """The live worker cannot be started, or kept running."""


@dataclass(frozen=True)
class Live:
    """How to separate live.

    Attributes
    ----------
    model
        Name of a model, or its file.
    frames
        T, frames that a run of a model that reads windows reads: a multiple of 64, by default 64.
    stft, update, lookahead
        See `stemlab.live.separator.LiveSeparator`.
    threads
        Threads of the model. One leaves the other cores to whoever plays, and waits for nobody.
    """

    model: str = "stemlab-4-live"
    frames: int | None = None
    update: int | None = None
    lookahead: int | None = None
    threads: int = 1
    stft: Stft | None = None

    def load(self) -> StemModel | StreamModel:
        """Load the model.

        Raises
        ------
        ModelError, SettingError
            If it is not there, or does not go with the settings.
        """
        card = find(self.model)
        if not card.streams:
            return StemModel(card, frames=self.frames or FRAMES, threads=self.threads)
        if self.frames is not None:
            raise SettingError(
                f"{card.name} reads frame by frame: leave frames out, or choose another model"
            )
        return StreamModel(card, threads=self.threads)

    def separator(
        self,
        model: StemModel | StreamModel,
        executor: Executor | None = None,
        before: Samples | None = None,
    ) -> LiveSeparator:
        """Return a separator with these settings."""
        return LiveSeparator(
            model,
            stft=self.stft,
            update=self.update,
            lookahead=self.lookahead,
            executor=executor,
            before=before,
        )


class Ring:
    """The newest sound of a stream in memory that processes share, [channels] a sample."""

    def __init__(self, context: SpawnContext, length: int, channels: int) -> None:
        self._memory = context.RawArray(ctypes.c_float, length * channels)
        self.channels = channels

    def write(self, start: int, samples: Samples) -> None:
        """Write [n, channels] as the samples from `start` on."""
        ring = self._ring
        ring[np.arange(start, start + len(samples)) % len(ring)] = samples

    def read(self, start: int, count: int) -> Samples:
        """Return the `count` samples from `start` on, [count, channels]."""
        ring = self._ring
        samples: Samples = ring[np.arange(start, start + count) % len(ring)]
        return samples

    def __len__(self) -> int:
        return len(self._ring)

    @property
    def _ring(self) -> Samples:
        ring: Samples = as_array(self._memory).reshape(-1, self.channels)
        return ring


class Times:
    """The newest times that something took, in memory that processes share."""

    def __init__(self, context: SpawnContext) -> None:
        self._count = context.RawArray(ctypes.c_int64, 1)
        self._times = context.RawArray(ctypes.c_double, TIMES)

    def note(self, seconds: float) -> None:
        """Keep a time."""
        self._times[self._count[0] % TIMES] = seconds
        self._count[0] += 1

    def seconds(self) -> NDArray[np.float64]:
        """Return the times in no order."""
        times: NDArray[np.float64] = as_array(self._times)[: self._count[0]].copy()
        return times


@dataclass(frozen=True)
class Shared:
    """The memory between both processes."""

    mix: Ring
    stems: Ring
    counts: ctypes.Array[ctypes.c_int64]
    blocks: Times
    runs: Times


class LiveWorker:
    """Separates a stream in a process of its own, and in another one should that one end.

    A second process waits with its model loaded, so that the sound is back at once.

    Parameters
    ----------
    live
        How to separate.

    Attributes
    ----------
    stems
        Names of the stems.
    rate
        Samples per second.
    delay
        Samples by which stems are late, without the time to compute.
    setting
        How it separates, in words.
    notice
        A sentence on what happened last, empty if nothing did.
    restarts
        How often a process had to take the place of another.

    Raises
    ------
    ModelError, SettingError
        If the model or a setting is wrong.
    WorkerError
        If the process cannot be started.

    Examples
    --------
    Processes are started anew, so a script has to say ``if __name__ == "__main__":`` first.

    >>> with LiveWorker() as worker:
    ...     worker.push(np.zeros((8192, 2), np.float32))
    ...     worker.wait(4096, seconds=30)
    ...     worker.read(0, 4096).shape
    True
    (4, 4096, 2)
    """

    def __init__(self, live: Live | None = None) -> None:
        self.live = live or Live()
        separator = self.live.separator(self.live.load())
        card = separator.model.card
        self.stems, self.rate, self.delay = card.stems, card.sample_rate, separator.delay
        self.setting = separator.source.setting
        self.notice, self.restarts = "", 0
        self._closing, self._lock = False, Lock()
        self._context = multiprocessing.get_context("spawn")
        length = HELD * self.rate
        if separator.context > length // 2:
            raise SettingError(
                f"frames {card.frames}: live, windows of {HELD / 2:g} s are the longest; "
                "choose fewer frames"
            )
        self._shared = Shared(
            Ring(self._context, length, 2),
            Ring(self._context, length, 2 * len(self.stems)),
            self._context.RawArray(ctypes.c_int64, 5),
            Times(self._context),
            Times(self._context),
        )
        self._counts = self._shared.counts
        self._running, self._spare = self._start(), self._start()
        children = (self._running, self._spare)
        unready = [child for child in children if not child.ready()]
        if unready:
            for child in children:
                child.end()
            raise WorkerError(_why_not(unready[0]))
        self._running.ring()
        self._watch = Thread(target=self._keep_running, name="stemlab live", daemon=True)
        self._watch.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The number of the process that separates."""
        return self._running.process.pid

    @property
    def heard(self) -> int:
        """Samples pushed."""
        return self._counts[HEARD]

    @property
    def made(self) -> int:
        """Samples up to which the stems are made."""
        return self._counts[MADE]

    @property
    def lost(self) -> int:
        """Samples among those that are silence, since no process could separate them in time."""
        return self._counts[LOST]

    @property
    def gap(self) -> range:
        """The last stretch of samples that were lost."""
        return range(self._counts[GAP], self._counts[RESUMED])

    @property
    def compute(self) -> NDArray[np.float64]:
        """Seconds from sound's coming to the process to its stems, for the newest stretches."""
        return self._shared.blocks.seconds()

    @property
    def runs(self) -> NDArray[np.float64]:
        """Seconds that the newest runs of the model took, beside the sound."""
        return self._shared.runs.seconds()

    def push(self, samples: Samples) -> None:
        """Give the next samples, [n, 2]; never waits.

        Raises
        ------
        SettingError
            If that is not their shape, or there are too many at once.
        """
        if samples.shape != (len(samples), 2) or len(samples) > LAG * self.rate:
            raise SettingError(
                f"sound of shape {samples.shape}: live, it comes as [samples, 2], "
                f"{LAG:g} s at most at once"
            )
        self._shared.mix.write(self.heard, samples)
        self._counts[HEARD] += len(samples)
        self._running.ring()

    def wait(self, stop: int, seconds: float) -> bool:
        """Wait until stems are made up to sample `stop`; False if they are not within `seconds`."""
        end = time.monotonic() + seconds
        while self.made < stop and (left := end - time.monotonic()) > 0 and not self._closing:
            self._running.listen(left)
        return self.made >= stop

    def read(self, start: int, count: int) -> Samples | None:
        """Return `count` samples of the stems from `start` on, [stems, count, 2].

        None if they are not made yet, or so old that the ring has gone over them.
        """
        oldest = max(0, self.heard - len(self._shared.stems))
        if start + count > self.made or start < oldest:
            return None
        samples = self._shared.stems.read(start, count)
        return samples.reshape(count, len(self.stems), 2).swapaxes(0, 1)

    def read_both(self, start: int, count: int) -> tuple[Samples, Samples] | None:
        """Return `count` samples of the input from `start` on, [count, 2], and their stems.

        None where `read` has none.
        """
        mix, stems = self._shared.mix.read(start, count), self.read(start, count)
        return None if stems is None else (mix, stems)

    def close(self) -> None:
        """End the processes and wait for them."""
        with self._lock:
            self._closing = True
        for child in (self._running, self._spare):
            child.end()
        self._watch.join()

    def _start(self) -> _Child:
        return _Child(self._context, self.live, self._shared)

    def _keep_running(self) -> None:
        """Whenever the process ends, let the one that waits take its place."""
        while True:
            ended = self._running
            ended.process.join()
            with self._lock:
                if self._closing:
                    return
                self._running = self._spare if self._spare.process.is_alive() else self._start()
            ended.end()
            self._running.ring()
            if not self._running.ready():
                if self._running.killed:
                    continue
                self.notice = _why_not(self._running)
                return
            self.restarts += 1
            self.notice = (
                f"the live worker ended ({ended.fate}) and another took over; "
                "the time in between may be silent"
            )
            with self._lock:
                if not self._closing:
                    self._spare = self._start()


class _Child:
    """A process that separates once its bell has rung, and ends when the bell is gone."""

    def __init__(self, context: SpawnContext, live: Live, shared: Shared) -> None:
        self._bell, theirs = socket.socketpair()
        self._bell.setblocking(False)
        self._loaded = context.RawArray(ctypes.c_int8, 1)
        self.process = context.Process(
            target=_serve, args=(live, shared, theirs, self._loaded), daemon=True
        )
        self.process.start()
        theirs.close()

    @property
    def fate(self) -> str:
        """How it ended."""
        code = self.process.exitcode or 0
        return f"by signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    @property
    def killed(self) -> bool:
        """Whether somebody else ended it."""
        return (self.process.exitcode or 0) < 0

    def ready(self) -> bool:
        """Wait until its model is loaded; False if it ends before."""
        end = time.monotonic() + LOADING
        while not self._loaded[0] and time.monotonic() < end and self.process.is_alive():
            self.process.join(GLANCE)
        return bool(self._loaded[0])

    def ring(self) -> None:
        """Say that there is something new."""
        with contextlib.suppress(OSError):  # full of rings unheard, or gone
            self._bell.send(b".")

    def listen(self, seconds: float) -> None:
        """Wait until it rings, some milliseconds only if it cannot any more."""
        with contextlib.suppress(OSError, ValueError):
            if not select.select([self._bell], [], [], seconds)[0] or self._bell.recv(4096):
                return
        time.sleep(GLANCE)

    def end(self) -> None:
        """Let it end, and make it if it does not."""
        self._bell.close()
        if not self._loaded[0]:
            self.process.terminate()
        self.process.join(ENDING)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


def _why_not(child: _Child) -> str:
    return (
        f"the live worker cannot start ({child.fate}): the terminal shows why; "
        'in a script, use it only below `if __name__ == "__main__":`'
    )


def _serve(
    live: Live, shared: Shared, bell: socket.socket, loaded: ctypes.Array[ctypes.c_int8]
) -> None:
    """Separate from the first ring on, until the bell is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # what interrupts a notebook's cell comes here too
    bell.setblocking(False)
    model = live.load()
    model.masks(np.zeros((model.card.frames, model.card.bins, 2), np.float32))
    be_prompt()
    loaded[0] = 1
    rings = _rings(bell)
    next(rings, None)
    with ThreadPoolExecutor(1) as executor:
        while _follow(live, model, executor, shared, bell, rings):
            pass


def be_prompt() -> None:
    """Have this thread do at once what it has to, since sound does not wait.

    Where the system allows it, it goes before others that are busy, as the threads of audio
    programs do: Linux allows it to whom ``ulimit -r`` is above 0. Threads that it starts are not
    meant: a run of the model may wait. And the garbage collector no longer looks through what is
    there by now, which takes it longer than a buffer lasts, until `gc.unfreeze`.
    """
    with contextlib.suppress(AttributeError, OSError):
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    gc.collect()
    gc.freeze()


def _rings(bell: socket.socket) -> Iterator[None]:
    """Yield at each ring, or at many at once, until the other side has ended."""
    with contextlib.suppress(OSError):
        while select.select([bell], [], []) and bell.recv(4096):
            yield


def _follow(
    live: Live,
    model: StemModel | StreamModel,
    executor: Executor,
    shared: Shared,
    bell: socket.socket,
    rings: Iterator[None],
) -> bool:
    """Separate what comes from now on; False at the end, True if it lags too far behind."""
    counts, card = shared.counts, model.card
    lag = LAG * card.sample_rate
    taken = _begin(shared, lag)
    known = min(taken, HELD * card.sample_rate // 2)
    separator = live.separator(model, executor, shared.mix.read(taken - known, known))
    lag += counts[HEARD] - taken  # what came in meanwhile is soon caught up with
    while (waiting := counts[HEARD] - taken) <= lag:
        if not waiting:
            if next(rings, bell) is bell:
                return False
            continue
        clock = time.perf_counter()
        block = separator.push(shared.mix.read(taken, min(waiting, card.hop)))
        taken += min(waiting, card.hop)
        shared.stems.write(counts[MADE], np.concatenate(block.stems, axis=1))
        counts[MADE] += len(block.mix)
        shared.blocks.note(time.perf_counter() - clock)
        while separator.source.took:
            shared.runs.note(separator.source.took.popleft())
        with contextlib.suppress(OSError):  # full of rings unheard, or gone
            bell.send(b".")
    return True


def _begin(shared: Shared, lag: float) -> int:
    """Return the next sample to take: where the stems end, unless that is too long ago.

    Then what is not made is lost and silent.
    """
    counts, stems = shared.counts, shared.stems
    start, made = counts[HEARD], counts[MADE]
    if start - made <= lag:
        return made
    silent = min(start - made, len(stems))
    stems.write(start - silent, np.zeros((silent, stems.channels), np.float32))
    counts[LOST] += start - made
    counts[GAP], counts[RESUMED] = made, start
    counts[MADE] = start
    return start
