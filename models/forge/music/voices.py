"""Voices: people who spoke for free software, in two dozen languages, made to sing.

======================  ==========================================================  =============
source                  who, from which Debian package                              licence
======================  ==========================================================  =============
voices-fillets          actors; fillets-ng-data-cs, fillets-ng-data-nl              GPL-2
voices-ktuberling       names of things in thirteen languages; ktuberling-data      GPL-2+
voices-klettres         letters and syllables in twenty languages; klettres-data    GPL-2+
voices-hedgewars        shouting characters, one of them sings; hedgewars-data      GFDL-1.3
voices-speech           all of them again, speaking                                 as above
======================  ==========================================================  =============

Each speaker sings songs that are made up while they go: lines of syllables in a key, some doubled,
some in harmony, in another manner and another throat each time.
"""

from __future__ import annotations

import itertools
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm.auto import tqdm

from music.draw import chance, pick
from music.effects import apply, bell, compression, drive, echo, highpass, lowpass, reverb, room
from music.pool import RATE, has_song, write_song
from music.singing import Manner, Note, Syllable, sing, syllables
from stemlab.sound.audio import load, resample

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from music.effects import Sound
    from music.singing import Mono

    Rng = np.random.Generator

SHARE = Path("/usr/share")
SECONDS = 60
"""Of a song."""
SPOKEN = 15
"""Seconds of a speaker's speech: each voice is heard, and singing outweighs it."""
MATERIAL = 40.0
"""Most seconds of speech that one song is made of."""
SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 3, 5, 7, 10), (0, 2, 4, 7, 9))
HIGHEST = 67
"""MIDI number of the highest tonic."""
GAP = 0.04
"""Of the loudest level in a clip; what is below it at its ends is cut away."""


@dataclass(frozen=True)
class Speaker:
    """One person's clips.

    Attributes
    ----------
    source, name
        Where the songs go in the pool, and what they are called.
    clips
        A folder below `SHARE`, and a pattern of files in it.
    songs
        How many, by how much there is of the voice.
    """

    source: str
    name: str
    clips: tuple[str, str]
    songs: int = 1

    @property
    def files(self) -> list[Path]:
        """The recordings, sorted."""
        folder, pattern = self.clips
        return sorted((SHARE / folder).glob(pattern))


LICENCES = {
    "voices-fillets": "GPL-2.0 (Fish Fillets)",
    "voices-ktuberling": "GPL-2.0-or-later (KTuberling)",
    "voices-klettres": "GPL-2.0-or-later (KLettres)",
    "voices-hedgewars": "GFDL-1.3 (Hedgewars)",
}
TUBERLING = ("ca", "da", "de", "el", "en", "fr", "gl", "lt", "nn", "ru", "sl", "uk", "wa")
KLETTRES = (
    "ar", "cs", "da", "de", "en", "en_GB", "es", "fr", "he", "hu", "it", "lt", "ml", "nb", "nds",
    "nl", "pt_BR", "ru", "tn", "uk",
)  # fmt: skip
HEDGEWARS = (
    "British", "Classic", "Default", "Default_es", "Default_pl", "Default_ru", "Default_uk",
    "HillBilly", "Mobster", "Pirate", "Russian", "Russian_pl", "Singer", "Surfer",
)  # fmt: skip
FISH = {"small": "*/{}/*-m-*.ogg", "big": "*/{}/*-v-*.ogg"}

SPEAKERS = (
    *(
        Speaker(
            "voices-fillets",
            f"{fish}-{tongue}",
            ("games/fillets-ng/sound", clips.format(tongue)),
            6,
        )
        for tongue in ("cs", "nl")
        for fish, clips in FISH.items()
    ),
    *(
        Speaker("voices-ktuberling", name, (f"ktuberling/sounds/{name}", "*"), 2)
        for name in TUBERLING
    ),
    *(Speaker("voices-klettres", name, (f"klettres/{name}", "*/*.ogg"), 2) for name in KLETTRES),
    *(
        Speaker(
            "voices-hedgewars",
            name.lower(),
            (f"games/hedgewars/Data/Sounds/voices/{name}", "*.ogg"),
            2,
        )
        for name in HEDGEWARS
    ),
)


def gather(data: Path, pool: Path, validation: Path) -> None:  # noqa: ARG001
    """Let every speaker speak, then sing; first one song of each."""
    for speaker in tqdm(SPEAKERS, "Speech"):
        write(pool, speaker, "voices-speech", f"{speaker.source[7:]}-{speaker.name}")
    rounds = max(speaker.songs for speaker in SPEAKERS)
    for number, speaker in tqdm(
        list(itertools.product(range(rounds), shuffled(SPEAKERS))), "Songs"
    ):
        if number < speaker.songs:
            write(pool, speaker, speaker.source, f"{speaker.name}-{number}")


def shuffled(speakers: Sequence[Speaker]) -> list[Speaker]:
    """Mix the speakers, so that training on the first songs hears all kinds."""
    return [speakers[index] for index in np.random.default_rng(0).permutation(len(speakers))]


def write(pool: Path, speaker: Speaker, source: str, song: str) -> None:
    """Write a song, or speech, unless it is there."""
    if has_song(pool, source, song):
        return
    rng = np.random.default_rng(zlib.crc32(f"{source}/{song}".encode()))
    spoken = source == "voices-speech"
    heard = list(clips(speaker, SPOKEN if spoken else MATERIAL, rng))
    sound = (speak if spoken else perform)(heard, rng)
    write_song(pool, source, song, {"vocals": sound.T}, LICENCES[speaker.source])


def clips(speaker: Speaker, seconds: float, rng: Rng) -> Iterator[Mono]:
    """Yield clips in any order, `seconds` in all or all there are."""
    total = 0.0
    files = speaker.files
    for index in rng.permutation(len(files)):
        clip = trimmed(read(files[index]))
        if len(clip) > RATE // 5:
            total += len(clip) / RATE
            yield clip
        if total > seconds:
            return


def read(file: Path) -> Mono:
    """Read a file as mono at `RATE`."""
    audio = load(file)
    if audio.rate != RATE:
        audio = resample(audio, RATE)
    return np.asarray(audio.samples.mean(axis=1), np.float32)


def trimmed(clip: Mono) -> Mono:
    """Cut silence off both ends, and bring the peak to 1."""
    loud = np.flatnonzero(np.abs(clip) > GAP * np.abs(clip).max(initial=0))
    if not len(loud):
        return clip[:0]
    piece = clip[loud[0] : loud[-1] + 1]
    return np.asarray(piece / np.abs(piece).max(), np.float32)


def perform(speech: Sequence[Mono], rng: Rng) -> Sound:
    """Sing `SECONDS` of what was said, float32 [2, samples]."""
    words = [found for clip in speech if (found := syllables(clip))]
    if not words:
        raise ValueError("There is no vowel in it.")
    tune = list(lines(words, rng))
    length = SECONDS * RATE
    manner = Manner(
        vibrato=pick(rng, [0, 0.2, 0.4, 0.6, 0.9]),
        glide=pick(rng, [0, 0.04, 0.06, 0.09]),
        tract=rng.uniform(0.9, 1.12),
    )
    lead = produced(sing([note for line in tune for note in line], length, manner, rng), 0, rng)
    total = lead
    for voice in backing(tune, length, manner, rng):
        total = total + voice
    return mixed(total, rng)


def speak(speech: Sequence[Mono], rng: Rng) -> Sound:
    """Return clips with short rests between, `SPOKEN` seconds at most; float32 [2, samples]."""
    line: list[Mono] = []
    for clip in speech:
        level = float(np.sqrt(np.mean(clip**2)))
        line += [
            clip * np.float32(0.1 / level),
            np.zeros(int(rng.uniform(0.05, 0.4) * RATE), np.float32),
        ]
    return mixed(produced(np.concatenate(line)[: SPOKEN * RATE], 0, rng), rng)


def lines(words: Sequence[Sequence[Syllable]], rng: Rng) -> Iterator[list[Note]]:
    """Yield lines of a song until it is over: syllables in a key, in time."""
    eighth = RATE * 30 / rng.uniform(70, 140)
    scale = pick(rng, SCALES)
    spoken = float(np.median([12 * np.log2(s.hertz / 440) + 69 for word in words for s in word]))
    tonic = min(round(spoken) + int(rng.integers(-3, 7)), HIGHEST)
    texts = itertools.cycle(words)
    now, degree = 4, 0
    while now * eighth < SECONDS * RATE:
        line: list[Note] = []
        for syllable in itertools.islice(
            itertools.chain.from_iterable(texts), int(rng.integers(4, 11))
        ):
            need = (syllable.onset + syllable.coda + RATE // 20) / eighth
            beats = max(round(need), int(rng.choice([1, 1, 1, 1, 2, 2, 2, 3, 4, 6])))
            degree = int(np.clip(degree + rng.choice([-3, -2, -1, -1, 0, 1, 1, 2, 4]), -4, 8))
            start, stop = round(now * eighth), round((now + beats) * eighth)
            line.append(Note(syllable, start, stop, tonic + step(scale, degree)))
            now += beats
        final = line[-1]
        line[-1] = replace(final, stop=final.stop + round(eighth * rng.integers(0, 6)))
        if line[-1].stop > (SECONDS - 1) * RATE:
            return
        yield line
        now = int(np.ceil(line[-1].stop / eighth)) + int(rng.choice([1, 1, 2, 2, 4]))


def step(scale: Sequence[int], degree: int) -> int:
    """Return the semitones from the tonic to a degree of a scale.

    >>> [step((0, 2, 4, 5, 7, 9, 11), degree) for degree in (-1, 0, 2, 7)]
    [-1, 0, 4, 12]
    """
    octave, place = divmod(degree, len(scale))
    return 12 * octave + scale[place]


def backing(
    tune: Sequence[Sequence[Note]], length: int, manner: Manner, rng: Rng
) -> Iterator[Sound]:
    """Yield doubles and harmonies, each on some of the lines, to one side."""
    intervals = pick(
        rng, [(), (), (0,), (0, 0), (0, 4), (3, 7), (-12, 12), (4, 7, 12), (0, 0, 3, 7)]
    )
    some = [line for line in tune if chance(rng, 0.6)] or list(tune)
    for index, interval in enumerate(intervals):
        notes = [replace(note, pitch=note.pitch + interval) for line in some for note in line]
        other = replace(
            manner,
            tract=manner.tract * rng.uniform(0.96, 1.05),
            cents=rng.normal(0, 8),
            late=rng.uniform(0, 0.03),
        )
        side = (-1) ** index * rng.uniform(0.2, 0.9)
        gain = np.float32(10 ** (rng.uniform(-12, -3) / 20))
        yield gain * produced(sing(notes, length, other, rng), side, rng)


def produced(voice: Mono, pan: float, rng: Rng) -> Sound:
    """Place a voice in the field, its lows and its peaks taken away."""
    sound = np.stack([voice * np.float32(min(1, 1 - pan)), voice * np.float32(min(1, 1 + pan))])
    sound = highpass(sound, rng.uniform(70, 160))
    sound = bell(sound, rng.uniform(2500, 6000), rng.uniform(-2, 6))
    return apply(sound, compression(sound, rng.uniform(-6, 2), rng.uniform(2, 5), 0.005, 0.12))


def mixed(voice: Sound, rng: Rng) -> Sound:
    """Give a voice what a record gives it: a room, echoes, dirt, a telephone now and then."""
    if chance(rng, 0.25):
        voice = drive(voice, rng.uniform(1, 4), "tube")
    if chance(rng, 0.06):
        voice = lowpass(highpass(voice, 350), 3500)
    dry = voice
    if chance(rng, 0.3):
        voice = echo(
            voice,
            rng.uniform(0.15, 0.5),
            rng.uniform(0.2, 0.5),
            rng.uniform(0.1, 0.35),
            cross=chance(rng, 0.5),
        )
    if chance(rng, 0.8):
        space = room(rng, rng.uniform(0.4, 3), rng.uniform(0.3, 0.9), rng.uniform(0, 0.06))
        voice = voice + np.float32(rng.uniform(0.05, 0.4)) * reverb(dry, space)
    return voice
