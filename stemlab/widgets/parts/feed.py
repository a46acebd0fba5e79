"""The threads behind a player: two separate ahead of the listener, one sends to the pages."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from functools import cache
from threading import Condition, Lock, Thread, get_native_id
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from stemlab.errors import ModelError, SettingError
from stemlab.library.store import BLOCK, FINAL, MISSING, ROUGH
from stemlab.masks import normalise
from stemlab.model import StemModel
from stemlab.separator import Separator, StemBlock
from stemlab.spectral import beside

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from stemlab.library.store import Track
    from stemlab.spectral import Samples, Stft

Made = TypeVar("Made")

# A listener who can hear less than so many seconds without a missing block waits for it.
SOON = 4
# Blocks ahead of the stream that it reaches as soon as a leap would.
NEAR = 5
NOWHERE = -BLOCK
# Seconds after which is looked again whether something has become urgent.
TICK = 0.5
# By how much the stream stands back, as `nice` counts: leaps, and what a user does, go first.
NICE = 10
# Seconds that the windows of a leap have at least.
SHORTEST = 2.5
# Lines kept; those of pages that were closed fall out.
LINES = 8


class Run(NamedTuple):
    """A stretch to separate in one stream, in samples.

    Attributes
    ----------
    start, stop
        Its ends.
    target
        The block for which it is made.
    exact
        Where its sound begins to be just as the whole song's.
    leap
        Whether none of it ever is.
    """

    start: int
    stop: int
    target: int
    exact: int
    leap: bool = False


def unhurried(make: Callable[[], Made]) -> Made:
    """Make something whose threads stand back for others, such as a separator for a `Producer`.

    A thread inherits the priority of the one that starts it. Only Linux has one for each thread.
    """
    with ThreadPoolExecutor(1, initializer=stand_back) as pool:
        return pool.submit(make).result()


def stand_back() -> None:
    """Let other threads go before this one."""
    if sys.platform == "linux":
        with suppress(OSError):  # where nobody may change priorities
            os.setpriority(os.PRIO_PROCESS, get_native_id(), NICE)


@cache
def usual_separator() -> Separator:
    """Return the default separator: one for all songs, since it takes half a second to load."""
    return unhurried(Separator)


class Producer:
    """Separates a track in two threads: one leaps to what a listener waits for, one does it all.

    A leap is a short window of the model, on an interpreter of its own: it waits for nothing that
    is under way, and the other thread stands back meanwhile. A short window knows less and is not
    on the whole song's grid, so its sound is rough; the other thread replaces it later.

    Parameters
    ----------
    track
        What to fill.
    separator
        What to fill it with.
    on_block
        Called in a thread, one call at a time, with each block that was stored.
    on_error
        Called with an exception that ended the threads.
    """

    def __init__(
        self,
        track: Track,
        separator: Separator,
        on_block: Callable[[StemBlock], None],
        on_error: Callable[[Exception], None],
    ) -> None:
        self._track = track
        self._separator = separator
        self._on_block = on_block
        self._on_error = on_error
        self._storing = Lock()
        self._changed = Condition()
        self._wanted, self._due = 0, 0.0
        self._reach_of_leaps = 0  # samples
        self._head = NOWHERE  # sample that the stream has come to
        self._near = self._coming = range(0)  # blocks that it reaches at once, and soon
        self._ready = self._leaping = self._closed = False
        self._made = self._spent = 0.0
        self._threads = [
            Thread(target=self._work, args=(work,), name=f"stemlab {name}", daemon=True)
            for name, work in (("separation", self._settle), ("leaps", self._leap))
        ]
        for thread in self._threads:
            thread.start()

    @property
    def speed(self) -> float:
        """Seconds of sound separated in a second; 0 before the first."""
        return self._made / self._spent if self._spent else 0.0

    def urge(self, block: int, ahead: float = 0) -> None:
        """Say which block is needed next, and how many seconds can be heard without it."""
        with self._changed:
            self._wanted, self._due = block, time.monotonic() + ahead
            self._changed.notify_all()

    def close(self) -> None:
        """Stop after the windows that are being separated, and wait for them."""
        self._end()
        for thread in self._threads:
            thread.join()

    def _end(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _work(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - a thread has nobody above it to raise to
            self._end()
            self._on_error(error)

    def _settle(self) -> None:
        """Separate what is listened to, what follows it, the rest; leaps go first."""
        stand_back()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or not self._held_up())
                run = None if self._closed else self._choose()
            if run is None:
                return self._end()
            self._reach(run.start, run.target)
            with closing(self._blocks(run, self._separator)) as stops:
                for stop in stops:
                    if self._leave(stop, run.target):
                        break
            self._near = self._coming = range(0)
            self._head = NOWHERE

    def _held_up(self) -> bool:
        return self._leaping or (self._ready and self._urgent() is not None)

    def _choose(self) -> Run | None:
        """Return the whole song's stream from before the first block that is wanted."""
        states, separator, wanted = self._track.states, self._separator, self._wanted
        waiting = np.flatnonzero(states[wanted:] == MISSING) + wanted
        unfinished = np.flatnonzero(states < FINAL)
        if not len(unfinished):
            return None
        target = int(waiting[0] if len(waiting) else unfinished[0])
        start = max(0, target * BLOCK - separator.lead_in) // separator.step * separator.step
        return Run(start, self._track.length, target, start + separator.lead_in if start else 0)

    def _leave(self, stop: int, target: int) -> bool:
        """Whether the stream, having come to sample `stop`, should end here."""
        states, here, wanted = self._track.states, stop // BLOCK, self._wanted
        if stop >= self._track.length:
            return False
        self._reach(stop, target)
        missing = np.flatnonzero(states[wanted:] == MISSING) + wanted
        elsewhere = bool(len(missing)) and int(missing[0]) not in self._coming
        return elsewhere or (here >= target and bool(states[here] == FINAL))

    def _reach(self, stop: int, target: int) -> None:
        """Say that the stream has come to sample `stop` and will soon be past `target`."""
        here, ahead = stop // BLOCK, self._separator.step // BLOCK + 2
        with self._changed:
            self._near = range(here, here + NEAR)
            self._coming = range(here, max(here, target) + ahead)
            self._changed.notify_all()

    def _leap(self) -> None:
        """Give the listener something to hear wherever it is missing."""
        with self._changed:  # the first sound of all comes sooner without a second model to load
            self._changed.wait_for(lambda: self._closed or self._made)
        nimble = self._separator if self._closed else self._nimble()
        card = nimble.model.card
        self._reach_of_leaps = card.frames * card.hop - (card.n_fft - card.hop)
        while (run := self._next_leap()) is not None:
            deque(self._blocks(run, nimble), maxlen=0)

    def _next_leap(self) -> Run | None:
        """Wait until a leap is needed; None ends them."""
        with self._changed:
            self._ready, self._leaping = True, False
            self._changed.notify_all()
            while (target := self._urgent()) is None and not self._closed:
                self._changed.wait(TICK)  # what was not urgent becomes so as time goes by
            if target is None or self._closed:
                return None
            run = self._jump(target)
            self._leaping = True
            return run

    def _nimble(self) -> Separator:
        """Return the separator with short windows, or itself if its network cannot have them."""
        whole, model = self._separator, self._separator.model
        card = model.card
        least = SHORTEST * card.sample_rate / card.hop
        parts = 2 ** int(np.log2(max(1, card.frames / least)))
        if parts == 1:
            return whole
        try:
            short = StemModel.shared(
                card, runtime=model.runtime, threads=model.threads, frames=card.frames // parts
            )
        except ModelError:
            return whole
        return Separator(short, stft=whole.stft, exponent=whole.exponent, extension=whole.extension)

    def _urgent(self) -> int | None:
        """Return the block that a listener waits for, unless it is on its way."""
        if self._due - time.monotonic() > SOON:
            return None
        wanted = self._wanted
        soon = self._track.states[wanted : wanted + SOON * self._track.rate // BLOCK]
        missing = np.flatnonzero(soon == MISSING)
        if not len(missing):
            return None
        target = wanted + int(missing[0])
        return None if target in self._near else target

    def _jump(self, target: int) -> Run:
        stft = self._separator.stft
        start = max(0, target * BLOCK - stft.n_fft) // stft.hop * stft.hop
        stop = min(start + self._reach_of_leaps, self._track.length)
        if target < self._near.start:  # what follows is there
            stop = min(stop, self._near.start * BLOCK)
        return Run(start, stop, target, self._track.length, leap=True)

    def _blocks(self, run: Run, separator: Separator) -> Generator[int, None, None]:
        """Separate and store a run; yield the sample that each block has come to."""
        hop = separator.stft.hop
        clock = time.perf_counter()
        with closing(separator.stream(self._mix(run), self._before(run.start))) as stream:
            for block in stream:
                frame = run.start // hop + block.frame
                placed = replace(block, start=run.start + block.start, frame=frame)
                with self._storing:
                    if run.leap and self._caught_up(placed):
                        return
                    self._store(placed, run)
                    if not run.leap:
                        self._made += len(block.mix) / self._track.rate
                        self._spent += time.perf_counter() - clock
                    self._on_block(placed)
                clock = time.perf_counter()
                if self._closed:
                    return
                yield placed.start + len(placed.mix)

    def _store(self, block: StemBlock, run: Run) -> None:
        stop = block.start + len(block.mix)
        if not run.leap:
            self._head = stop
        if block.start < run.exact + BLOCK:
            # The first window of a stream inside the song lacks the overlap of those before.
            since = run.start + self._separator.stft.n_fft if run.start else 0
            self._track.write(block.start, block.stems, since=since, state=ROUGH)
        if stop > run.exact:
            first = max(block.start, run.exact)
            settled = block.stems[:, first - block.start :]
            self._track.write(first, settled, since=run.exact, state=FINAL)

    def _caught_up(self, block: StemBlock) -> bool:
        """Whether a leap's block meets the stream, which goes on from there."""
        here = self._head // BLOCK
        return block.start < (here + 1) * BLOCK and here * BLOCK < block.start + len(block.mix)

    def _before(self, start: int) -> Samples | None:
        lead = min(start, self._separator.stft.n_fft)
        return self._track.heard(start - lead, start) if lead else None

    def _mix(self, run: Run) -> Iterator[Samples]:
        size = 65_536
        stop = min(run.stop, self._track.length)
        for at in range(run.start, stop, size):
            yield self._track.heard(at, min(at + size, stop))


@dataclass
class Line:
    """A page's connection to a track: what it waits for, in the order in which it will play it.

    Attributes
    ----------
    blocks, stems
        Of which it has nothing yet, and of which it has the original.
    """

    epoch: int = -1
    blocks: deque[int] = field(default_factory=deque)
    stems: deque[int] = field(default_factory=deque)
    sent: int = 0
    received: int = 0
    credit: int = 0


class Sender:
    """Sends blocks to the pages that asked for them: the original at once, stems as they come.

    Nothing is sent that was not asked for, and no more is under way than a page allows.

    Parameters
    ----------
    track
        Where the blocks come from.
    send
        Called in the thread with the name of a page's line, the number of a block, and whether
        its stems go, or the original.
    """

    def __init__(self, track: Track, send: Callable[[str, int, bool], None]) -> None:
        self._track = track
        self._send = send
        self._lines: dict[str, Line] = {}
        self._changed = Condition()
        self._closed = False
        self._thread = Thread(target=self._work, name="stemlab sender", daemon=True)
        self._thread.start()

    def want(
        self,
        line: str,
        epoch: int,
        blocks: list[int],
        stems: list[int],
        received: int,
        credit: int,
    ) -> int | None:
        """Take a page's wish.

        Parameters
        ----------
        line
            Its name; a page that was reloaded has a new one.
        epoch
            A new one forgets what was wished before.
        blocks
            Numbers of blocks of which it has nothing.
        stems
            Of those of which it has the original.
        received
            How many have arrived since the line was opened.
        credit
            How many may be under way.

        Returns
        -------
        int or None
            The first of its blocks that is not separated yet.

        Raises
        ------
        SettingError
            If these are no numbers.
        """
        known = range(len(self._track.states))
        if not all(isinstance(n, int) for n in (epoch, *blocks, *stems, received, credit)):
            raise SettingError(f"line {line}: a page asks with whole numbers")
        with self._changed:
            state = self._lines.setdefault(line, Line())
            while len(self._lines) > LINES:
                del self._lines[next(iter(self._lines))]
            state.received, state.credit = received, credit
            if state.epoch != epoch:
                state.epoch = epoch
                state.blocks.clear()
                state.stems.clear()
            state.blocks.extend(block for block in blocks if block in known)
            state.stems.extend(block for block in stems if block in known)
            self._changed.notify()
            waiting = (*state.stems, *state.blocks)
            return next((k for k in waiting if not self._track.states[k]), None)

    def forget(self, line: str) -> None:
        """Drop a line that its page has given up."""
        with self._changed:
            self._lines.pop(line, None)

    def notify(self) -> None:
        """Say that blocks have come."""
        with self._changed:
            self._changed.notify()

    def close(self) -> None:
        """Stop and wait for the block that is being sent."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._next())
                job = self._next()
                if self._closed or job is None:
                    return
                name, block, whole = job
                line = self._lines.pop(name)
                (line.blocks if block in line.blocks else line.stems).remove(block)
                if not whole:
                    line.stems.append(block)
                line.sent += 1
                self._lines[name] = line  # at the end: the others' turn
            self._send(name, block, whole)

    def _next(self) -> tuple[str, int, bool] | None:
        """Return the first line with credit, its next block, and whether that is separated."""
        for name, line in self._lines.items():
            if line.sent - line.received < line.credit:
                for block in (*line.blocks, *line.stems):
                    whole = bool(self._track.states[block])
                    if whole or block in line.blocks:
                        return name, block, whole
        return None


def replay(track: Track, stft: Stft) -> Iterator[StemBlock]:
    """Yield what is separated already as a separator would have.

    The masks are not kept, so they are taken from the stems: ``|STFT(stem)| / Σ |STFT(stem)|``.
    """
    size = 8 * 64 * stft.hop
    for begin, end in track.spans():
        first = -(-begin // stft.hop) * stft.hop
        for start in range(first, end, size):
            yield _again(track, stft, start, min(size, end - start))


def _again(track: Track, stft: Stft, start: int, count: int) -> StemBlock:
    lead = min(start, -(-stft.lead // stft.hop) * stft.hop)
    mix, stems = track.read(start - lead, lead + count)
    first = lead // stft.hop
    # At the end of the song some more frames reach beyond it.
    last = start + count >= track.length
    frames = slice(first, None if last else first + -(-count // stft.hop))
    spectrum = stft.analyse(mix)[frames]
    sizes = np.abs(beside([stft.analyse(stem)[frames] for stem in stems]))
    return StemBlock(
        start, mix[lead:], stems[:, lead:], start // stft.hop, spectrum, normalise(sizes)
    )
