"""Gather all training music: make each song that is not there yet.

    python models/forge/music/gather.py --data DATA POOL VALIDATION

DATA holds stems/SONG/{vocals,drums,other}.opus, MIDI files in midi/ and recorded samples in
samples/NAME, where a NAME is a clone of its origin on GitHub, or its sounds in another format:

    stems           ichbinsoftware/everythingisfree (four of its songs, mixed down to three stems)
    midi            freedoom/freedoom
    pastabass       sfzinstruments/karoryfer.pastabass
    growlybass      sfzinstruments/karoryfer.growlybass
    gogodze-kit     sfzinstruments/karoryfer.gogodze-phu-vol-ii
    frankensnare    sfzinstruments/karoryfer.frankensnare
    double-bass     sfzinstruments/dsmolken.double-bass
    electric-bass   freepats/electric-bass-YR
    guitars         kmturley/karoryfer.black-and-green-guitars
    muldjord-kit    sfzinstruments/DrumGizmo.MuldjordKit (a file for each hit, such as Snare-01:
                    the sum of its microphones; as cloned it is left out)

and singers and songs in real/SOURCE/NAME/{vocals,mixture}.opus, as `music.singers` and
`music.taught` name them.

SoundFonts, drum kits, loops, songs, voices, modules and LMMS come from Debian, without a network.
POOL and VALIDATION are laid out as `music.pool` tells; no training may see VALIDATION. Needs the
extra `forge`.
"""

from __future__ import annotations

import importlib
import shutil
import sys
from ctypes.util import find_library
from pathlib import Path
from typing import Annotated

import typer

FORGE = Path(__file__).resolve().parents[1]
SOURCES = ("recordings", "singers", "trackers", "taught", "voices", "midi", "grooves", "lmms")

PACKAGES = {
    "fluid-soundfont-gm": "/usr/share/sounds/sf2/FluidR3_GM.sf2",
    "musescore-general-soundfont": "/usr/share/sounds/sf3/MuseScore_General.sf3",
    "timgm6mb-soundfont": "/usr/share/sounds/sf2/TimGM6mb.sf2",
    "avldrums.lv2-soundfont": "/usr/share/sounds/sf2/Black_Pearl_4_LV2.sf2",
    "planetblupi-music-midi": "/usr/share/planetblupi/music",
    "hydrogen-drumkits": "/usr/share/hydrogen/data/drumkits",
    "fretsonfire-songs-muldjord": "/usr/share/games/fretsonfire/data/songs/muldjord",
    "fretsonfire-songs-sectoid": "/usr/share/games/fretsonfire/data/songs/sectoid",
    "sonic-pi-samples": "/usr/share/sonic-pi/samples",
    "lmms-common": "/usr/share/lmms/projects",
    "fillets-ng-data-cs": "/usr/share/games/fillets-ng/sound/barrel/cs",
    "fillets-ng-data-nl": "/usr/share/games/fillets-ng/sound/barrel/nl",
    "ktuberling-data": "/usr/share/ktuberling/sounds",
    "klettres-data": "/usr/share/klettres",
    "hedgewars-data": "/usr/share/games/hedgewars/Data/Sounds/voices",
    "singularity-music": "/usr/share/games/singularity/music",
    "warzone2100-music": "/usr/share/games/warzone2100/music",
    "bb": "/usr/share/bb",
    "biniax2-data": "/usr/share/games/biniax2",
    "bomberclone-data": "/usr/share/games/bomberclone",
    "circuslinux-data": "/usr/share/games/circuslinux",
    "flobopuyo": "/usr/share/games/flobopuyo",
    "freedroid-data": "/usr/share/games/freedroid",
    "gl-117-data": "/usr/share/games/gl-117",
    "heroes-sound-tracks": "/usr/share/games/heroes",
    "madbomber-data": "/usr/share/games/madbomber",
    "njam-data": "/usr/share/games/njam",
    "pekka-kana-2-data": "/usr/share/games/pekka-kana-2",
    "penguin-command": "/usr/share/games/penguin-command",
    "pingus-data": "/usr/share/games/pingus",
    "rafkill-data": "/usr/share/games/rafkill",
    "tecnoballz-data": "/usr/share/games/tecnoballz",
    "vodovod": "/usr/share/games/vodovod",
    "pachi-data": "/usr/share/pachi",
}
PROGRAMS = ("fluidsynth", "lmms")
LIBRARIES = {"libopenmpt0": "openmpt"}


def main(
    pool: Path,
    validation: Path,
    data: Annotated[Path, typer.Option(exists=True, file_okay=False)],
) -> None:
    """Make all songs that are not there yet."""
    if missing := [*missing_folders(data), *missing_packages()]:
        sys.exit(f"Missing: {', '.join(missing)}. Install or fetch them, then run this again.")
    for source in SOURCES:
        importlib.import_module(f"music.{source}").gather(data, pool, validation)


def missing_folders(data: Path) -> list[str]:
    """Return the folders that the data lack."""
    wanted = [data / name for name in ("stems", "samples", "midi", "real")]
    return [f"folder {folder}" for folder in wanted if not folder.is_dir()]


def missing_packages() -> list[str]:
    """Return the Debian packages that are not installed."""
    programs = [program for program in PROGRAMS if not shutil.which(program)]
    libraries = [package for package, name in LIBRARIES.items() if not find_library(name)]
    files = [package for package, file in PACKAGES.items() if not Path(file).exists()]
    return [f"Debian package {package}" for package in (*programs, *libraries, *files)]


if __name__ == "__main__":
    # Beside this file lie modules, not the package that holds them.
    sys.path[0] = str(FORGE)
    typer.run(main)
