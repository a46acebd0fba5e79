"""Make what `models/README.md` lets one listen to: ten seconds of a song, and what becomes of it.

    python models/forge/listen.py FOLDER

FOLDER holds the true stems of "Caesium" from "Everything is Free" (CC0), which no training heard.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import soundfile
from four_stems import measure

from stemlab.live.model import LIVES
from stemlab.model import find
from stemlab.research.layouts import find_songs
from stemlab.research.references import read_stretch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PLACE = Path(__file__).parents[1] / "listen"
START, SECONDS = 60, 10
SMALL = 0.7  # of Vorbis' compression, 0 to 1


def main(folder: Path) -> None:
    """Write the mixture and the models' stems."""
    PLACE.mkdir(exist_ok=True)
    [song] = find_songs(folder)
    mix, _ = read_stretch(song, [], measure.RATE, START, SECONDS)
    write("mixture", mix)
    for model in ("stemlab-4", "stemlab-4-fast", *LIVES):
        for name, stem in measure.separation(find(model).path)(mix).items():
            write(f"{model}-{name}", stem)


def write(name: str, samples: NDArray[np.float32]) -> None:
    """Write a sound as small as can be listened to."""
    path = PLACE / f"caesium-{name}.ogg"
    soundfile.write(path, samples, measure.RATE, subtype="VORBIS", compression_level=SMALL)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
