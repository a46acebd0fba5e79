"""Real songs whose stems a model tells: for the fast network to learn from its teacher.

`stemlab-4` parts them: its voice is Spleeter's, whose decoders heard 24 000 songs. Training mixes
its stems anew, across songs too (RemixIT: Tzinis et al. 2022, "Continual self-training with
bootstrapped remixing for speech enhancement"), or takes the songs as they are: then the student
learns its teacher's masks. Music of games has no singer; what the teacher takes for one there
belongs to other.

==============  ====================================================  ==============
songs           whose, from where                                     licence
==============  ====================================================  ==============
real            folk, rock and pop with singers; DATA/real, LICENCES   as told there
singularity     Max McCracken; the Debian package singularity-music    CC BY-SA 3.0
hedgewars       Hedgewars' composers; hedgewars-data                   GPL-2.0
warzone         Warzone 2100's composers; warzone2100-music            GPL-2.0-or-later
==============  ====================================================  ==============
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tqdm.auto import tqdm

from music.pool import has_song, write_song
from stemlab.separator import Separator
from stemlab.sound.audio import load

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = "taught"
PLAYED_SOURCE = "taught-games"
TEACHER = Path(__file__).parents[2] / "stemlab-4.tflite"
SUNG = {
    "zmij": "CC BY-SA 3.0, 4.0 (Zmij)",
    "karoryfer-mash-up": "CC BY-SA 3.0 (Karoryfer Lecolds)",
    "jamendolyrics": "CC BY-SA (Los Rombos)",
    "agb": "CC BY 4.0 (Josh Woodward)",
    "spleeter": "CC BY 3.0 (Steven M Bryant)",
}
GAMES = Path("/usr/share/games")
PLAYED = {
    "hedgewars/Data/Music": "GPL-2.0 (Hedgewars)",
    "singularity/music": "CC BY-SA 3.0 (Max McCracken)",
    "warzone2100/music/albums/aftermath_soundtrack": "GPL-2.0-or-later (Warzone 2100)",
}
HELD_BACK = (
    GAMES / "hedgewars/Data/Music/Rock.ogg",
    GAMES / "singularity/music/Coherence.ogg",
)
"""Music that no training hears: it accompanies singers in validation."""


def gather(data: Path, pool: Path, validation: Path) -> None:  # noqa: ARG001
    """Write every song that is not there yet, as its teacher hears it."""
    teacher = Separator(TEACHER)
    for name, file, licence in tqdm(list(songs(data / "real")), "Taught"):
        played = GAMES in file.parents
        source = PLAYED_SOURCE if played else SOURCE
        if not has_song(pool, source, name):
            parted = teacher.separate(load(file)).stems
            stems = {stem: audio.samples for stem, audio in parted.items()}
            if played:
                stems["other"] = stems["other"] + stems.pop("vocals")
            write_song(pool, source, name, stems, licence)


def songs(real: Path) -> Iterator[tuple[str, Path, str]]:
    """Yield name, file and licence of each song, those with singers first."""
    for folder, licence in SUNG.items():
        for file in sorted(real.glob(f"{folder}/*/mixture.opus")):
            yield file.parent.name, file, licence
    for folder, licence in PLAYED.items():
        for file in sorted((GAMES / folder).glob("*.o*")):
            if file not in HELD_BACK:
                yield f"{folder.split('/')[0]}-{file.stem}".lower().replace(" ", "-"), file, licence
