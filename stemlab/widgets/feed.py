"""The two threads behind a player: one separates ahead of the listener, one sends to the pages."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field, replace
from threading import Condition, Thread
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stemlab.masks import normalise
from stemlab.separator import StemBlock
from stemlab.store import BLOCK, FINAL, MISSING, ROUGH, STEPS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stemlab.separator import Separator
    from stemlab.spectral import Samples, Stft
    from stemlab.store import Track


# Seconds ahead of the listener within which a block that is missing is urgent.
SOON = 4
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
    """

    start: int
    stop: int
    target: int
    exact: int


class Producer:
    """Separates a track in a thread: first what is listened to, then the rest.

    Parameters
    ----------
    track
        What to fill.
    separator
        What to fill it with.
    on_block
        Called in the thread with each block that was stored.
    on_error
        Called with an exception that ended the thread.
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
        self._wanted = 0
        self._closed = False
        self._made = self._spent = 0.0
        self._thread = Thread(target=self._work, name="stemlab separation", daemon=True)
        self._thread.start()

    @property
    def speed(self) -> float:
        """Seconds of sound separated in a second; 0 before the first."""
        return self._made / self._spent if self._spent else 0.0

    def urge(self, block: int) -> None:
        """Say which block is needed next."""
        self._wanted = block

    def close(self) -> None:
        """Stop after the window that is being separated, and wait for it."""
        self._closed = True
        self._thread.join()

    def _work(self) -> None:
        try:
            while not self._closed and (run := self._choose()):
                self._run(run)
        except Exception as error:  # noqa: BLE001 - a thread has nobody above it to raise to
            self._on_error(error)

    def _choose(self) -> Run | None:
        """Return what to separate next: what is listened to, what follows it, the rest."""
        states, separator, wanted = self._track.states, self._separator, self._wanted
        waiting = np.flatnonzero(states[wanted:] == MISSING) + wanted
        unfinished = np.flatnonzero(states < FINAL)
        if not len(unfinished):
            return None
        target = int(waiting[0] if len(waiting) else unfinished[0])
        if len(waiting) and (target - wanted) * BLOCK < SOON * self._track.rate:
            return self._quick(target)
        start = max(0, target * BLOCK - separator.context) // separator.step * separator.step
        return Run(start, self._track.length, target, start + separator.context if start else 0)

    def _quick(self, target: int) -> Run:
        """Return the run that gives a block soonest: one window of the model that begins there.

        It is not the whole song's grid of windows, so its sound is rough.
        """
        card, stft = self._separator.model.card, self._separator.stft
        start = max(0, target * BLOCK - stft.n_fft) // stft.hop * stft.hop
        if not start:
            return Run(0, self._track.length, target, 0)
        return Run(start, start + card.frames * card.hop, target, self._track.length)

    def _run(self, run: Run) -> None:
        """Separate until the run or its use ends."""
        hop = self._separator.stft.hop
        clock = time.perf_counter()
        stream = self._separator.stream(self._mix(run), self._before(run.start))
        for block in stream:
            frame = run.start // hop + block.frame
            placed = replace(block, start=run.start + block.start, frame=frame)
            self._store(placed, run)
            self._made += len(block.mix) / self._track.rate
            self._spent += time.perf_counter() - clock
            self._on_block(placed)
            clock = time.perf_counter()
            if self._closed or self._leave(placed.start + len(placed.mix), run.target):
                break
        stream.close()

    def _store(self, block: StemBlock, run: Run) -> None:
        stop = block.start + len(block.mix)
        if block.start < run.exact + BLOCK:
            # The first window of a stream inside the song lacks the overlap of those before.
            since = run.start + self._separator.stft.n_fft
            self._track.write(block.start, block.stems, since=since, state=ROUGH)
        if stop > run.exact:
            first = max(block.start, run.exact)
            settled = block.stems[:, first - block.start :]
            self._track.write(first, settled, since=run.exact, state=FINAL)

    def _leave(self, stop: int, target: int) -> bool:
        """Whether the stream, having come to sample `stop`, should end here."""
        states, here = self._track.states, stop // BLOCK
        if here >= len(states) or here < target:
            return False
        ahead = self._separator.step // BLOCK + 1
        wanted = self._wanted
        missing = np.flatnonzero(states[wanted:] == MISSING) + wanted
        elsewhere = bool(len(missing)) and not here <= missing[0] <= here + ahead
        return elsewhere or bool(states[here] == FINAL)

    def _before(self, start: int) -> Samples | None:
        lead = min(start, self._separator.stft.n_fft)
        return self._track.mix[start - lead : start].astype(np.float32) / STEPS if lead else None

    def _mix(self, run: Run) -> Iterator[Samples]:
        size = 65_536
        stop = min(run.stop, self._track.length)
        for at in range(run.start, stop, size):
            yield self._track.mix[at : min(at + size, stop)].astype(np.float32) / STEPS


@dataclass
class Line:
    """A page's connection to a track: what it waits for, in the order in which it will play it."""

    epoch: int = -1
    blocks: deque[int] = field(default_factory=deque)
    sent: int = 0
    received: int = 0
    credit: int = 0


class Sender:
    """Sends blocks to the pages that asked for them, as soon as they are there.

    Nothing is sent that was not asked for, and no more is under way than a page allows.

    Parameters
    ----------
    track
        Where the blocks come from.
    send
        Called in the thread with the name of a page's line and the number of a block.
    """

    def __init__(self, track: Track, send: Callable[[str, int], None]) -> None:
        self._track = track
        self._send = send
        self._lines: dict[str, Line] = {}
        self._changed = Condition()
        self._closed = False
        self._thread = Thread(target=self._work, name="stemlab sender", daemon=True)
        self._thread.start()

    def want(
        self, line: str, epoch: int, blocks: list[int], received: int, credit: int
    ) -> int | None:
        """Take a page's wish.

        Parameters
        ----------
        line
            Its name; a page that was reloaded has a new one.
        epoch
            A new one forgets what was wished before.
        blocks
            Numbers of blocks.
        received
            How many have arrived since the line was opened.
        credit
            How many may be under way.

        Returns
        -------
        int or None
            The first of its blocks that is not there yet.
        """
        known = range(len(self._track.states))
        with self._changed:
            state = self._lines.setdefault(line, Line())
            while len(self._lines) > LINES:
                del self._lines[next(iter(self._lines))]
            state.received, state.credit = received, credit
            if state.epoch != epoch:
                state.epoch = epoch
                state.blocks.clear()
            state.blocks.extend(block for block in blocks if block in known)
            self._changed.notify()
            return next((k for k in state.blocks if not self._track.states[k]), None)

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
                name, block = job
                line = self._lines.pop(name)
                line.blocks.remove(block)
                line.sent += 1
                self._lines[name] = line  # at the end: the others' turn
            self._send(name, block)

    def _next(self) -> tuple[str, int] | None:
        """Return the first line with credit whose next block is there."""
        for name, line in self._lines.items():
            if line.sent - line.received < line.credit:
                for block in line.blocks:
                    if self._track.states[block]:
                        return name, block
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
    frames = slice(lead // stft.hop, lead // stft.hop + -(-count // stft.hop))
    spectrum = stft.analyse(mix)[frames]
    sizes = np.stack([np.abs(stft.analyse(stem)[frames]) for stem in stems], axis=-1)
    return StemBlock(
        start, mix[lead:], stems[:, lead:], start // stft.hop, spectrum, normalise(sizes)
    )
