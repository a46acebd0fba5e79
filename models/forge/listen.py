"""Make what `models/README.md` lets one listen to: ten seconds of a song, and what becomes of it.

    python models/forge/listen.py FOLDER

FOLDER holds the true stems of "Caesium" from "Everything is Free" (CC0), which no training heard.
"""

from __future__ import annotations

import sys
from pathlib import Path

import soundfile

from stemlab.audio import Audio
from stemlab.references import find_songs, read_stretch
from stemlab.separator import Separator

PLACE = Path(__file__).parents[1] / "listen"
START, SECONDS = 60, 10
SMALL = 0.7  # of Vorbis' compression, 0 to 1


def main(folder: Path) -> None:
    """Write the mixture and both models' stems."""
    PLACE.mkdir(exist_ok=True)
    [song] = find_songs(folder)
    for model in ("stemlab-4", "stemlab-4-fast"):
        separator = Separator(model)
        mix, _ = read_stretch(song, [], separator.rate, START, SECONDS)
        separation = separator.separate(Audio(mix, separator.rate))
        for name, stem in separation.stems.items():
            write(f"{model}-{name}", stem)
    write("mixture", separation.mix)


def write(name: str, sound: Audio) -> None:
    """Write a sound as small as can be listened to."""
    path = PLACE / f"caesium-{name}.ogg"
    soundfile.write(path, sound.samples, sound.rate, subtype="VORBIS", compression_level=SMALL)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
