"""Songs from MIDI: parted into drums, bass and the rest, played by SoundFonts or samples.

Every section of a file is played twice, in another tempo, key and sound each time: once by
SoundFonts alone, once with recorded basses, drum kits and guitars in their place. The SoundFonts
come from Debian and are played by fluidsynth.
"""

from __future__ import annotations

import copy
import itertools
import subprocess
import tempfile
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pretty_midi
import soundfile
from tqdm.auto import tqdm

from music import sampler
from music.effects import (
    RATE,
    Sound,
    apply,
    bell,
    compression,
    drive,
    ducking,
    highpass,
    reverb,
    rms,
    room,
    width,
)
from music.pool import has_song, write_song

if TYPE_CHECKING:
    from collections.abc import Iterator

    Rng = np.random.Generator

SOURCE = "midi"
PLANET_BLUPI = Path("/usr/share/planetblupi/music")
SOUNDFONTS = Path("/usr/share/sounds")
GENERAL = {"sf2/FluidR3_GM.sf2": 0.5, "sf2/TimGM6mb.sf2": 0.4, "sf3/MuseScore_General.sf3": 0.1}
"""SoundFonts by how often they play; the last takes 8 s to load and is kin of the first."""
KITS = ("sf2/Black_Pearl_4_LV2.sf2", "sf2/Red_Zeppelin_4_LV2.sf2")
"""SoundFonts of a drum kit alone, which answer on melodic channels."""
SCORES = {False: "BSD-3-Clause (Freedoom)", True: "GPL-3.0-or-later (Planet Blupi)"}
SOUNDS = "MIT, GPL-2.0, CC BY-SA 3.0 (SoundFonts)"
SAMPLES = "CC0 1.0, CC BY 4.0, GPL-2.0, CC BY-SA 3.0 (samples)"

SECTION = 130.0
"""Seconds of a song, about."""
SECTIONS = 6
"""At most, of one file: the longest are loops that go round many times."""
TAIL = 2.0
TAKES = 2

C3 = 48
BASSES = range(32, 40)
LOW_STRINGS_AND_BRASS = {42, 43, 58}
PERCUSSION = {47, *range(112, 120), 127} - {114}
GUITARS = range(24, 32)
BASS_DRUMS = (35, 36)
SHORT_SOUNDS = (6, 7, 11, 12, 13, 15, 45, 46, 55, 80, 81, 84, 87, 98, 104, 106, 107, 108, 114)
SYNTHESISERS = (*range(80, 104), 38, 39, 50, 51, 54, 62, 63)
DRUM_KITS = (0, 8, 16, 24, 25, 32, 40)
LEVELS = {"drums": -18.0, "bass": -19.0, "other": -16.0}
"""RMS of a stem where it sounds, in dB."""


@dataclass(frozen=True)
class Part:
    """A part of a song that one instrument plays, and the stem that it belongs to."""

    stem: str
    instrument: Any


def gather(data: Path, pool: Path, validation: Path) -> None:  # noqa: ARG001
    """Play every MIDI file in ``data`` and of Planet Blupi; none is kept for validation."""
    files = sorted({*data.rglob("*.mid"), *PLANET_BLUPI.glob("*.mid")})
    for file, take in tqdm(list(itertools.product(shuffled(files), range(TAKES))), SOURCE):
        perform(file, take, data, pool)


def shuffled(files: list[Path]) -> list[Path]:
    """Mix the files, so that training on the first ones sees all kinds."""
    order = np.random.default_rng(0).permutation(len(files))
    return [files[index] for index in order]


def perform(file: Path, take: int, data: Path, pool: Path) -> None:
    """Write the sections of a file that have at least two stems."""
    try:
        score = read(file)
    except (OSError, EOFError, ValueError, LookupError) as problem:
        tqdm.write(f"{file} is left out, it cannot be read as MIDI: {problem}")
        return
    for number, (start, stop) in enumerate(sections(score)):
        name = f"{file.stem}-{number}-{take}"
        if has_song(pool, SOURCE, name):
            continue
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        parts = list(arrange(score, start, stop, rng))
        if len({part.stem for part in parts}) > 1:
            stems = play(parts, rng, data if take else None)
            stereo = {stem: sound.T for stem, sound in stems.items()}
            write_song(pool, SOURCE, name, stereo, licence(file, take))


def read(file: Path) -> Any:
    """Read a MIDI file as a ``pretty_midi.PrettyMIDI``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Many files have tempo marks outside their first track.
        return pretty_midi.PrettyMIDI(str(file))


def licence(file: Path, take: int) -> str:
    """Name the licences of a score and of the sounds that play it."""
    score = SCORES[PLANET_BLUPI in file.parents]
    return "; ".join([score, SOUNDS, *([SAMPLES] if take else [])])


def sections(score: Any) -> list[tuple[float, float]]:
    """Divide a score into equal stretches of about `SECTION` seconds."""
    length = max((note.end for each in score.instruments for note in each.notes), default=0.0)
    count = max(1, round(length / SECTION))
    edges = np.linspace(0, length, count + 1).tolist()
    return list(itertools.pairwise(edges))[:SECTIONS] if length else []


def arrange(score: Any, start: float, stop: float, rng: Rng) -> Iterator[Part]:
    """Yield the parts that sound between two times, in another tempo, key and orchestration."""
    stretch, shift = rng.uniform(0.85, 1.15), int(rng.integers(-4, 5))
    style = rng.choice(["as written", "as written", "short", "synthetic"])
    for original in score.instruments:
        stem = role(original)
        part = between(original, start, stop, stretch)
        if not part.notes:
            continue
        if not part.is_drum:
            for note in part.notes:
                note.pitch = int(np.clip(note.pitch + shift, 0, 127))
        part.program = orchestrate(part, stem, str(style), rng)
        yield Part(stem, part)


def role(instrument: Any) -> str:
    """Tell which stem a part belongs to, by its program and its register.

    >>> role(pretty_midi.Instrument(33)), role(pretty_midi.Instrument(0, is_drum=True))
    ('bass', 'drums')
    """
    if instrument.is_drum or instrument.program in PERCUSSION:
        return "drums"
    if instrument.program in BASSES:
        return "bass"
    pitches = np.array([note.pitch for note in instrument.notes] or [127])
    limit = C3 + 6 if instrument.program in LOW_STRINGS_AND_BRASS else C3
    low = np.mean(pitches < limit) > 0.8  # noqa: PLR2004
    return "bass" if low and is_monophonic(instrument) else "other"


def is_monophonic(instrument: Any) -> bool:
    """Tell whether next to no two notes begin together."""
    starts = np.sort([note.start for note in instrument.notes])
    return bool(np.mean(np.diff(starts) < 0.02) < 0.1)  # noqa: PLR2004


def between(original: Any, start: float, stop: float, stretch: float) -> Any:
    """Cut an instrument's part out, with the controllers as they stand at its start."""
    part = pretty_midi.Instrument(original.program, original.is_drum)
    for note in original.notes:
        if start <= note.start < stop:
            moved = copy.copy(note)
            moved.start = (note.start - start) * stretch
            moved.end = (min(note.end, stop) - start) * stretch
            part.notes.append(moved)
    part.pitch_bends = list(moments(original.pitch_bends, start, stop, stretch, lambda _: 0))
    part.control_changes = list(
        moments(original.control_changes, start, stop, stretch, lambda change: change.number)
    )
    return part


def moments(events: Any, start: float, stop: float, stretch: float, key: Any) -> Iterator[Any]:
    """Yield the events between two times, and before them the last earlier one of each kind."""
    standing = {key(event): event for event in events if event.time < start}
    for event in (*standing.values(), *(each for each in events if start <= each.time < stop)):
        moved = copy.copy(event)
        moved.time = max(event.time - start, 0) * stretch
        yield moved


def orchestrate(part: Any, stem: str, style: str, rng: Rng) -> int:
    """Choose the General MIDI program, from 0, that plays a part."""
    if part.is_drum:
        return int(rng.choice(DRUM_KITS)) if rng.random() < 0.6 else part.program  # noqa: PLR2004
    if stem == "bass" and rng.random() < 0.6:  # noqa: PLR2004
        return int(rng.choice(BASSES))
    if stem == "other" and style == "short":
        return int(rng.choice(SHORT_SOUNDS))
    if stem == "other" and style == "synthetic":
        return int(rng.choice(SYNTHESISERS))
    return int(part.program)


def play(parts: list[Part], rng: Rng, data: Path | None) -> dict[str, Sound]:
    """Play parts, by recorded samples where ``data`` holds some; sounds ``[2, samples]``."""
    times = [note.start for part in parts for note in kicks(part.instrument)]
    sounds: dict[str, list[Sound]] = {}
    soundfonts = [SOUNDFONTS / name for name in rng.choice([*GENERAL], 2, p=[*GENERAL.values()])]
    for stem in ("drums", "bass", "other"):
        mine = [part.instrument for part in parts if part.stem == stem]
        sampled = [each for each in mine if data and is_sampled(each, stem, rng)]
        rest = [each for each in mine if each not in sampled]
        played = [sampler.perform(stem, each, data, rng) for each in sampled if data]
        if rest:
            played.append(synthesise(rest, soundfonts[stem == "bass"], rng))
        if played := [sound for sound in played if sound.any()]:
            sounds[stem] = played
    length = max(sound.shape[1] for played in sounds.values() for sound in played)
    stems = {
        stem: finish(stem, np.sum([pad(sound, length) for sound in played], axis=0), rng)
        for stem, played in sounds.items()
    }
    if rng.random() < 0.2:  # noqa: PLR2004
        pump(stems, times, rng)
    return stems


def kicks(instrument: Any) -> list[Any]:
    """Return the notes that are a bass drum's."""
    return [note for note in instrument.notes if instrument.is_drum and note.pitch in BASS_DRUMS]


def pump(stems: dict[str, Sound], times: list[float], rng: Rng) -> None:
    """Duck bass and other under the bass drum, as dance music does."""
    depth, release = rng.uniform(0.4, 0.95), rng.uniform(0.1, 0.4)
    for stem in {"bass", "other"} & set(stems):
        gain = ducking(stems[stem].shape[1], times, depth, release)
        stems[stem] = apply(stems[stem], gain)


def is_sampled(instrument: Any, stem: str, rng: Rng) -> bool:
    """Choose whether recorded samples play a part."""
    if stem == "drums":
        return bool(instrument.is_drum)
    return stem == "bass" or (instrument.program in GUITARS and rng.random() < 0.7)  # noqa: PLR2004


def pad(sound: Sound, length: int) -> Sound:
    """Append silence."""
    return np.pad(sound, ((0, 0), (0, length - sound.shape[1])))


def synthesise(instruments: list[Any], soundfont: Path, rng: Rng) -> Sound:
    """Play instruments together through fluidsynth; drums at times by a kit of their own."""
    score = pretty_midi.PrettyMIDI()
    score.instruments = instruments
    if all(each.is_drum for each in instruments) and rng.random() < 0.5:  # noqa: PLR2004
        soundfont = SOUNDFONTS / str(rng.choice(KITS))
        for each in instruments:
            each.is_drum, each.program = False, 0
    settings = {
        "audio.file.format": "float",
        "synth.gain": 0.4,
        "synth.reverb.active": int(rng.random() < 0.5),  # noqa: PLR2004
        "synth.reverb.room-size": rng.uniform(0.1, 0.9),
        "synth.chorus.active": int(rng.random() < 0.3),  # noqa: PLR2004
        "synth.polyphony": 128,
    }
    with tempfile.TemporaryDirectory() as folder:
        notes, sound = Path(folder, "part.mid"), Path(folder, "part.wav")
        score.write(str(notes))
        options = [option for key, value in settings.items() for option in ("-o", f"{key}={value}")]
        command = ["fluidsynth", "-niq", "-F", str(sound), "-r", str(RATE), *options]
        subprocess.run([*command, soundfont, notes], check=True, capture_output=True)  # noqa: S603
        samples = soundfile.read(sound, dtype="float32", always_2d=True)[0]
    end = round((score.get_end_time() + TAIL) * RATE)
    return np.ascontiguousarray(samples[:end].T)


def finish(stem: str, sound: Sound, rng: Rng) -> Sound:
    """Mix a stem: tone, bus compression, room and level, chosen by chance."""
    sound = in_phase(colour(stem, sound, rng))
    if rng.random() < {"drums": 0.6, "bass": 0.6, "other": 0.3}[stem]:
        ratio, attack, release = rng.uniform(2, 8), rng.uniform(0.002, 0.03), rng.uniform(0.05, 0.3)
        sound = apply(sound, compression(sound, rng.uniform(-6, 3), ratio, attack, release))
    if rng.random() < {"drums": 0.7, "bass": 0.15, "other": 0.6}[stem]:
        response = room(rng, 0.2 * 8 ** rng.random(), rng.uniform(0.2, 0.9), rng.uniform(0, 0.03))
        sound = sound + np.float32(rng.uniform(0.05, 0.5)) * reverb(sound, response)
    loudness = 10 ** ((LEVELS[stem] + rng.uniform(-4, 4)) / 20)
    return (sound * (loudness / (rms(sound) + 1e-9))).astype(np.float32)


def colour(stem: str, sound: Sound, rng: Rng) -> Sound:
    """Give a stem its tone: other without lows, a bass in the middle and at times driven."""
    if stem == "bass":
        gain = 10 ** rng.uniform(0.2, 1.2) if rng.random() < 0.4 else 1.0  # noqa: PLR2004
        sound = width(drive(sound, gain, str(rng.choice(["tanh", "tube"]))), rng.uniform(0, 0.6))
    else:
        sound = bell(sound, rng.uniform(3000, 9000), rng.uniform(0, 8), 0.5)
    if stem == "other":
        sound = highpass(sound, 80 * 3.5 ** rng.random())
    return bell(sound, 100 * 60 ** rng.random(), rng.uniform(-5, 5))


def in_phase(sound: Sound) -> Sound:
    """Narrow a sound whose ears cancel: some stereo samples do, records do not."""
    middle, side = (np.linalg.norm(sound[0] + sign * sound[1]) for sign in (1, -1))
    return width(sound, min(1.0, float(middle / (side + 1e-9))))
