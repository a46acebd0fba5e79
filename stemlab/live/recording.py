"""What a live worker hears and makes, kept in files, sample for sample side by side."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from threading import Event, Thread
from typing import TYPE_CHECKING

from stemlab.errors import AudioError
from stemlab.live.tap import tap
from stemlab.sound.audio import Writer
from stemlab.sound.stem_mp4 import StemFileWriter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from stemlab.live.worker import LiveWorker
    from stemlab.spectral import Samples

INPUT = "input"
# Seconds between two looks at what has come: the worker holds twelve.
EVERY = 0.25


class LiveRecording:
    """Writes the input and each stem from now on, until it is stopped.

    What the worker lost is silent in the stems. They are in a folder of their own, there once it
    is stopped.

    Parameters
    ----------
    worker
        What is recorded; it goes on afterwards.
    folder
        Where to; made if need be.
    form
        One of `FORMS`: ``"flac"`` for ``input.flac`` and a file for each stem, of 24 bits;
        ``"stem.mp4"`` for one file with the input as its mix, of the folder's name, for DJ programs
        (AAC, so that stems no longer sum to the input to the last bit).

    Raises
    ------
    AudioError
        If the folder cannot be made or written to, or a stem file cannot hold so many stems.

    Examples
    --------
    ::

        recording = LiveRecording(worker, Path("take 1"))
        …
        seconds = recording.stop()
    """

    def __init__(self, worker: LiveWorker, folder: Path, form: str = "flac") -> None:
        self._worker = worker
        self._start = self._stop = worker.made
        self._enough, self._error = Event(), ""
        new = not folder.exists()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with ExitStack() as files:
                self._write = FORMS[form](files, folder, worker)
                self._files = files.pop_all()
        except (OSError, AudioError) as error:
            if new:
                with suppress(OSError):
                    folder.rmdir()
            if isinstance(error, AudioError):
                raise
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
        return (self._stop - self._start) / self._worker.rate

    def _work(self) -> None:
        try:
            with self._files:
                for start, mix, stems in tap(self._worker, self._start, self._enough, EVERY):
                    self._write(mix, stems)
                    self._stop = start + len(mix)
        except AudioError as error:
            self._error = str(error)


def _flacs(
    files: ExitStack, folder: Path, worker: LiveWorker
) -> Callable[[Samples, Samples], None]:
    writers = [
        files.enter_context(Writer(folder / f"{name}.flac", worker.rate))
        for name in (INPUT, *worker.stems)
    ]

    def write(mix: Samples, stems: Samples) -> None:
        for writer, sound in zip(writers, (mix, *stems), strict=True):
            writer.write(sound)

    return write


def _stem_file(
    files: ExitStack, folder: Path, worker: LiveWorker
) -> Callable[[Samples, Samples], None]:
    path = folder / f"{folder.name}.stem.mp4"
    return files.enter_context(StemFileWriter(path, worker.stems, worker.rate)).write


# What a take may be written as.
FORMS = {"flac": _flacs, "stem.mp4": _stem_file}
