"""A recording on its way to the disk: written while it comes from the page, whatever its length."""

from __future__ import annotations

import contextlib
import time
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING

import numpy as np

from stemlab.errors import AudioError
from stemlab.sound.audio import RATE, Writer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PATIENCE = 70.0
"""Seconds without a piece after which a page is taken to be gone."""


class Recording:
    """A sound file that grows with the pieces of a WebM stream, as MediaRecorder gives them.

    Parameters
    ----------
    path
        Where to; its suffix chooses the format. It is there when the recording has ended.
    told
        Called in a thread at the end, with a sentence on what became of it.
    """

    def __init__(self, path: Path, told: Callable[[str], None]) -> None:
        self.path = path
        self._told = told
        self._pieces: SimpleQueue[bytes] = SimpleQueue()
        self._rest = b""
        self._ended = False
        self._thread = Thread(target=self._work, name="stemlab recording", daemon=True)
        self._thread.start()

    def add(self, piece: bytes) -> None:
        """Take the next piece."""
        if piece:
            self._pieces.put(piece)

    def end(self) -> None:
        """Say that no more will come."""
        self._pieces.put(b"")

    def close(self) -> None:
        """End, and wait for the file."""
        self.end()
        self._thread.join()

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes of the stream, waiting for them, and none at its end."""
        if not self._rest and not self._ended:
            with contextlib.suppress(Empty):
                self._rest = self._pieces.get(timeout=PATIENCE)
            self._ended = not self._rest
        piece, self._rest = self._rest[:size], self._rest[size:]
        return piece

    def _work(self) -> None:
        try:
            seconds = self._write()
        except Exception as error:  # noqa: BLE001 - a thread has nobody above it to raise to
            self._told(f"Not recorded: {error}")
        else:
            length = time.strftime("%M:%S", time.gmtime(seconds))
            self._told(f"Recorded {length} to {self.path}")

    def _write(self) -> float:
        """Decode what comes and write it; return its seconds."""
        import av

        first = self.read(1 << 16)
        if not first:
            raise AudioError("no sound came from the page; record for longer, with the decks open")
        self._rest = first + self._rest
        count = 0
        resampler = av.AudioResampler(format="flt", layout="stereo", rate=RATE)
        with Writer(self.path) as writer, av.open(self, "r", format="webm") as container:
            for frame in container.decode(audio=0):
                for part in resampler.resample(frame):
                    samples = part.to_ndarray().reshape(-1, 2).astype(np.float32)
                    writer.write(samples)
                    count += len(samples)
        return count / RATE
