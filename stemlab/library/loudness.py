"""How loud a song is, so that two of them can be played equally loud."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stemlab.sound.audio import opened

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    import av.filter

    from stemlab.sound.audio import Samples, Sound

SILENCE = -70.0
"""LUFS below which nothing counts: the gate of EBU R 128, and what a silent song has."""

_KEY = "lavfi.r128.I"


def loudness(song: Sound | str | os.PathLike[str]) -> float:
    """Measure the integrated loudness of a whole song (EBU R 128, by FFmpeg's ebur128 filter).

    Memory does not grow with its length; a minute of it takes a tenth of a second.

    Parameters
    ----------
    song
        The sound itself, or its file.

    Returns
    -------
    float
        LUFS, -70 for silence and for what is shorter than 0.4 s. A gain of ``10 ** (x / 20)``
        makes it x LU louder.

    Raises
    ------
    AudioError
        If the file cannot be read.

    Examples
    --------
    A tone of 1 kHz on both sides is as loud as its amplitude says, in dB:

    >>> from stemlab.sound.audio import Audio
    >>> tone = 0.1 * np.sin(2 * np.pi * 1000 * np.arange(44_100) / 44_100)
    >>> round(loudness(Audio(np.stack([tone, tone], axis=1).astype(np.float32))), 1)
    -20.0
    """
    with opened(song) as sound:
        return _integrated(sound.blocks(), sound.rate)


def _integrated(blocks: Iterable[Samples], rate: int) -> float:
    # PyAV gives a frame's metadata from 18.1 on only; FFmpeg itself writes them with every version.
    with tempfile.TemporaryDirectory() as folder:
        note = Path(folder) / "loudness"
        _measure(blocks, rate, note)
        said = note.read_text(encoding="ascii").rpartition(f"{_KEY}=")[2]
    return max(SILENCE, float(said)) if said else SILENCE


def _measure(blocks: Iterable[Samples], rate: int, note: Path) -> None:
    """Note the loudness until then after each 0.1 s."""
    import av.filter

    graph = av.filter.Graph()
    graph.link_nodes(
        graph.add_abuffer(sample_rate=rate, format="flt", layout="stereo"),
        graph.add("ebur128", metadata="1"),
        graph.add("ametadata", mode="print", key=_KEY, file=str(note)),
        graph.add("abuffersink"),
    ).configure()
    for block in blocks:
        packed = np.ascontiguousarray(block, np.float32).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(packed, format="flt", layout="stereo")
        frame.sample_rate = rate
        graph.push(frame)
        _run(graph)
    graph.push(None)
    _run(graph)


def _run(graph: av.filter.Graph) -> None:
    """Have all that was pushed go through."""
    import av

    with suppress(av.error.BlockingIOError, av.error.EOFError):
        while graph.pull():
            pass
