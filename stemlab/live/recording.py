"""What is heard live and its stems, kept in files, sample for sample side by side."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from stemlab.errors import AudioError
from stemlab.sound.audio import RATE, Reader, writing
from stemlab.sound.fifo import reblock
from stemlab.sound.stem_mp4 import StemFileWriter

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from stemlab.spectral import Samples

INPUT = "input"
FORMS = ("flac", "stem.mp4")
"""What a take may be written as."""


class LiveRecording:
    """Writes the input and each stem as they come, into a folder of their own.

    The files have their names from the start, and can be read up to the last tenth of a second
    whatever ends the recording: a full disk, or a process that is killed.

    Parameters
    ----------
    folder
        Where to; made if need be.
    stems
        Their names.
    rate
        Samples per second.
    form
        One of `FORMS`: ``"flac"`` for ``input.flac`` and a file for each stem, of 24 bits;
        ``"stem.mp4"`` for one file with the input as its mix, of the folder's name, for DJ programs
        (AAC, so that stems no longer sum to the input to the last bit). It takes the place of the
        others once all is recorded.

    Attributes
    ----------
    length
        Samples written.
    error
        Why no more can be written, in a sentence or ``""``.

    Raises
    ------
    AudioError
        If the folder cannot be made or written to.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as home:
    ...     recording = LiveRecording(Path(home) / "take", ["vocals"])
    ...     recording.write(np.zeros((44_100, 2)), np.zeros((1, 44_100, 2)))
    ...     told = recording.stop()
    ...     sorted(file.name for file in (Path(home) / "take").iterdir())
    ['input.flac', 'vocals.flac']
    """

    def __init__(
        self, folder: Path, stems: Sequence[str], rate: int = RATE, form: str = "flac"
    ) -> None:
        self.folder, self.stems, self.rate, self.form = folder, list(stems), rate, form
        self.length, self.error = 0, ""
        self._files: list[soundfile.SoundFile] = []
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            for path in self._paths:
                self._files.append(soundfile.SoundFile(path, "w", rate, 2, subtype="PCM_24"))

    def write(self, mix: Samples, stems: Samples) -> None:
        """Append the input [n, 2] and its stems [stems, n, 2]; nothing after an error."""
        if self.error:
            return
        try:
            for file, sound in zip(self._files, (mix, *stems), strict=True):
                with writing(self.folder):
                    file.write(np.nan_to_num(sound).clip(-1, 1))
        except AudioError as error:
            self.error = str(error)
        else:
            self.length += len(mix)

    def stop(self) -> str:
        """End it; return what became of it in a sentence."""
        for file in self._files:
            with contextlib.suppress(soundfile.LibsndfileError, AssertionError, OSError):
                file.close()
        if self.form == "stem.mp4" and not self.error and self.length:
            self._join()
        seconds = f"{self.length / self.rate:.1f} s of input and stems"
        if self.error:
            return f"Recording ended, {self.error}. {seconds} are in {self.folder}"
        return f"{seconds} saved in {self.folder}"

    @property
    def _paths(self) -> list[Path]:
        return [self.folder / f"{name}.flac" for name in (INPUT, *self.stems)]

    def _join(self) -> None:
        """Put a stem file in the place of the others, or tell why they stay."""
        path = self.folder / f"{self.folder.name}.stem.mp4"
        try:
            with contextlib.ExitStack() as stack:
                readers = [stack.enter_context(Reader(path, self.rate)) for path in self._paths]
                writer = stack.enter_context(StemFileWriter(path, self.stems, self.rate))
                blocks = (reblock(reader.blocks(), self.rate) for reader in readers)
                for mix, *stems in zip(*blocks, strict=True):
                    writer.write(mix, np.stack(stems))
        except AudioError as error:
            self.error = str(error)
        else:
            for flac in self._paths:
                flac.unlink()
