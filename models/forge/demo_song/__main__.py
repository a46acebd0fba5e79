"""Render the song and write its five files into `stemlab/demo`."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import soundfile

from stemlab.sound.tags import Tags, write_tags

from .mixdown import stems
from .tape import RATE, Samples

FOLDER = Path(__file__).parents[3] / "stemlab" / "demo"
TITLE = "Take me apart"
QUALITY = 0.5
"""Vorbis compression level of libsndfile: 0 is best."""
PIECE = 16_384


def write(path: Path, sound: Samples) -> None:
    """Write Ogg Vorbis in small pieces, for libsndfile overflows its stack on long ones."""
    with soundfile.SoundFile(
        path, "w", RATE, 2, format="OGG", subtype="VORBIS", compression_level=QUALITY
    ) as file:
        for start in range(0, len(sound), PIECE):
            file.write(sound[start : start + PIECE])


def main(folder: Path = FOLDER) -> None:
    """Render all and write mix and stems."""
    tracks = stems()
    for name, sound in {"mix": np.sum(list(tracks.values()), axis=0), **tracks}.items():
        write(folder / f"{name}.ogg", sound)
        title = TITLE if name == "mix" else f"{TITLE} ({name})"
        write_tags(folder / f"{name}.ogg", Tags(title=title, artist="stemlab", date="2026"))


main(*map(Path, sys.argv[1:]))
