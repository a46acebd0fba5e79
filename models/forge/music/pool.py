"""The pool: songs as stems on disk, for training to draw from.

    POOL/<source>/<song>/{vocals,drums,bass,other}.wav   16-bit, 44 100 Hz, stereo, equally long
    POOL/<source>/<song>/song.json                       source and licence

A stem without a file is silent. Where a recording holds bass and other as one, ``bass+other.wav``
stands for both, and ``drums+bass+other.wav`` where all but the voice is one: in validation alone.
"""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import numpy as np
import soundfile

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy.typing as npt

    Samples = npt.NDArray[np.float32]

RATE = 44_100
REST = "drums+bass+other"
STEMS = ("vocals", "drums", "bass", "other", "bass+other", REST)
PEAK = 10 ** (-1 / 20)


def has_song(pool: Path, source: str, song: str) -> bool:
    """Tell whether the song was written before."""
    return (pool / source / song / "song.json").exists()


def list_songs(pool: Path) -> list[Path]:
    """Return the folder of every song, sorted."""
    return sorted(card.parent for card in pool.glob("*/[!.]*/song.json"))


def write_song(
    pool: Path, source: str, song: str, stems: Mapping[str, Samples], licence: str
) -> Path:
    """Write a song, whole or not at all; return its folder.

    Parameters
    ----------
    pool, source, song
        The song's place: ``pool/source/song``. What lies there is replaced.
    stems
        float32 ``[samples, 2]`` by stem, full scale ±1, equally long. All are scaled by one
        factor that brings the peak of their sum to −1 dBFS, or of the loudest stem if higher.
    licence
        Of the music and the sounds in it, for the model card.

    Raises
    ------
    ValueError
        A stem is unknown, badly shaped or not finite, or all are silent.
    """
    _check(song, stems)
    parts = {stem: samples for stem, samples in stems.items() if np.any(samples)}
    peak = max(np.abs(part).max() for part in (sum(parts.values()), *parts.values()))
    folder, unfinished = pool / source / song, pool / source / f".{song}"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    for stem, samples in parts.items():
        soundfile.write(unfinished / f"{stem}.wav", samples * (PEAK / peak), RATE, "PCM_16")
    card = {"source": source, "licence": licence}
    (unfinished / "song.json").write_text(json.dumps(card, indent=1) + "\n")
    shutil.rmtree(folder, ignore_errors=True)
    return unfinished.rename(folder)


def _check(song: str, stems: Mapping[str, Samples]) -> None:
    if unknown := set(stems) - set(STEMS):
        raise ValueError(f"{song}: no stem is called {sorted(unknown)}; there are {STEMS}.")
    if len(shapes := {samples.shape for samples in stems.values()}) != 1:
        raise ValueError(f"{song}: stems must be equally long, not {sorted(shapes)}.")
    if shapes.pop()[1:] != (2,):
        raise ValueError(f"{song}: stems must be stereo, [samples, 2].")
    if not all(np.isfinite(samples).all() for samples in stems.values()):
        raise ValueError(f"{song}: a stem holds values that are not finite.")
    if not any(np.any(samples) for samples in stems.values()):
        raise ValueError(f"{song}: all stems are silent.")
