"""Singers: people who sang alone, with doubles, harmonies and choirs made of themselves.

==============================  ===================================================  ============
recordings (data/real/…)        who                                                  licence
==============================  ===================================================  ============
turkish-makam-acapella          six singers, in Turkish; MTG-UPF                     CC BY 4.0
vocadito                        three amateurs at home; Bittner et al. 2021          CC BY 4.0
vocalset                        a woman and a man, trained; Wilkins et al. 2018      CC BY 4.0
oatsu-singing                   a man, in Japanese; CrazY                            MIT
olpc-berklee                    held notes of soloists and choirs; Berklee           CC BY 3.0
==============================  ===================================================  ============

One singer is kept for validation: over pieces of games, held back as well, of whose stems nobody
knows more than their sum.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np
import python_stretch
from tqdm.auto import tqdm

from music import taught
from music.draw import chance, pick
from music.effects import RATE
from music.pool import REST, has_song, write_song
from music.voices import mixed, produced, read
from stemlab.sound.audio import load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from music.effects import Sound
    from music.singing import Mono

    Rng = np.random.Generator

SOURCE = "singers"
LICENCES = {
    "turkish-makam-acapella": "CC BY 4.0",
    "vocadito": "CC BY 4.0",
    "vocalset": "CC BY 4.0",
    "oatsu-singing": "MIT",
    "olpc-berklee": "CC BY 3.0",
}
HELD_BACK = {"guelcin_bu-aksam", "vocadito_14"}
TAKES = 3
CHOIRS = ((), (), (0,), (0, 0), (12,), (4,), (-5, 3), (0, 4, 7), (-12, 0, 12), (-5, 0, 0, 3, 7))
"""Semitones of the voices that sing along."""


def gather(data: Path, pool: Path, validation: Path) -> None:
    """Write every recording, each time produced in another way."""
    files = sorted(file for name in LICENCES for file in data.glob(f"real/{name}/*/vocals.opus"))
    held_back = [file for file in files if file.parent.name in HELD_BACK]
    for take in range(TAKES):
        for file in tqdm([file for file in files if file not in held_back], f"Singers, {take}"):
            write(pool, file, f"{file.parent.name}-{take}")
    for file, music in zip(held_back, taught.HELD_BACK, strict=True):
        over(validation, file, music)


def write(pool: Path, file: Path, song: str) -> None:
    """Write a song, unless it is there."""
    if has_song(pool, SOURCE, song):
        return
    rng = np.random.default_rng(zlib.crc32(song.encode()))
    licence = LICENCES[file.parents[1].name]
    write_song(pool, SOURCE, song, {"vocals": perform(read(file), rng).T}, licence)


def over(validation: Path, file: Path, music: Path) -> None:
    """Write a singer who was held back over music that was held back, 6 dB louder than it."""
    song = file.parent.name
    if has_song(validation, SOURCE, song):
        return
    rng = np.random.default_rng(zlib.crc32(song.encode()))
    voice = mixed(produced(read(file), 0, rng), rng).T
    rest = load(music).samples
    length = min(len(voice), len(rest))
    gain = 2 * np.sqrt(np.mean(rest[:length] ** 2) / np.mean(voice[:length] ** 2))
    stems = {"vocals": voice[:length] * np.float32(gain), REST: rest[:length]}
    write_song(validation, SOURCE, song, stems, LICENCES[file.parents[1].name])


def perform(voice: Mono, rng: Rng) -> Sound:
    """Produce a voice, at times in another key, and those that sing along; [2, samples]."""
    if chance(rng, 0.5):
        voice = transposed(voice, rng.uniform(-3, 3))
    total = produced(voice, 0, rng)
    for sound in choir(voice, rng):
        total = total + sound
    return mixed(total, rng)


def choir(voice: Mono, rng: Rng) -> Iterator[Sound]:
    """Yield copies of a voice: higher or lower, out of tune, late, quieter and to one side."""
    for index, semitones in enumerate(pick(rng, CHOIRS)):
        late = round(rng.uniform(0.005, 0.04) * RATE)
        copy = np.roll(transposed(voice, semitones + rng.normal(0, 0.1)), late)
        copy[:late] = 0
        side = (-1) ** index * rng.uniform(0.2, 0.9)
        gain = np.float32(10 ** (rng.uniform(-12, -3) / 20))
        yield gain * produced(copy, side, rng)


def transposed(voice: Mono, semitones: float) -> Mono:
    """Move a voice up or down; the length stays."""
    stretch = python_stretch.Signalsmith.Stretch()
    stretch.preset(1, RATE)
    stretch.setTransposeSemitones(semitones)
    found: Mono = np.asarray(stretch.process(voice[None]), np.float32)[0, : len(voice)]
    return np.pad(found, (0, len(voice) - len(found)))
