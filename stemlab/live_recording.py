"""What a live worker hears and makes, kept in files, sample for sample side by side."""

from __future__ import annotations

from contextlib import ExitStack
from threading import Event, Thread
from typing import TYPE_CHECKING

import numpy as np

from stemlab.audio import Writer
from stemlab.errors import AudioError

if TYPE_CHECKING:
    from pathlib import Path

    from stemlab.live_worker import LiveWorker
    from stemlab.spectral import Samples

INPUT = "input"
# Seconds between two looks at what has come: the worker holds twelve.
EVERY = 0.25


class LiveRecording:
    """Writes the input and each stem to files of their own from now on, until it is stopped.

    What the worker lost is silent in the stems. In a folder of their own, ``input.flac`` and a file
    for each stem, of 24 bits; they are there once it is stopped.

    Parameters
    ----------
    worker
        What is recorded; it goes on afterwards.
    folder
        Where to; made if need be.

    Raises
    ------
    AudioError
        If the folder cannot be made or written to.

    Examples
    --------
    ::

        recording = LiveRecording(worker, Path("take 1"))
        …
        seconds = recording.stop()
    """

    def __init__(self, worker: LiveWorker, folder: Path) -> None:
        self._worker, self._folder = worker, folder
        self._start = self._taken = worker.made
        self._enough, self._error = Event(), ""
        names = (INPUT, *worker.stems)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with ExitStack() as files:
                self._writers = [
                    files.enter_context(Writer(folder / f"{name}.flac", worker.rate))
                    for name in names
                ]
                self._files = files.pop_all()
        except OSError as error:
            raise AudioError(
                f"{folder}: cannot be written ({error.strerror}); choose another folder"
            ) from error
        self._thread = Thread(target=self._work, name="stemlab recording", daemon=True)
        self._thread.start()

    def stop(self) -> float:
        """End it; return how many seconds were recorded.

        Raises
        ------
        AudioError
            If the files could not be written; then there are none.
        """
        self._enough.set()
        self._thread.join()
        if self._error:
            raise AudioError(self._error)
        return (self._taken - self._start) / self._worker.rate

    def _work(self) -> None:
        try:
            with self._files:
                while not self._enough.wait(EVERY):
                    self._take()
                self._take()
        except AudioError as error:
            self._error = str(error)

    def _take(self) -> None:
        """Write what was made since the last time."""
        made = self._worker.made
        while self._taken < made:
            count = min(made - self._taken, self._worker.rate)
            for writer, sound in zip(self._writers, self._sounds(count), strict=True):
                writer.write(sound)
            self._taken += count

    def _sounds(self, count: int) -> list[Samples]:
        """Return the next samples of input and stems; silence where they are gone already."""
        both = self._worker.read_both(self._taken, count)
        if both is None:
            return [np.zeros((count, 2), np.float32)] * len(self._writers)
        mix, stems = both
        return [mix, *stems]
