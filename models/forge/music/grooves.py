"""Electronic and pop music of our own, composed, played and mixed from a seed.

    python -m music.grooves DATA POOL [SONGS]

Each song draws a style, a kit, a bass and up to five other parts, arranges them in sections, and
is mastered. DATA is the folder of samples that `oneshots` knows; what is missing is synthesised.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import trange

from music import beats, machines, synths, tunes
from music.beats import BAR, Hit
from music.draw import pick
from music.effects import RATE, highpass, reverb, rms, room, width
from music.mixdown import balance, master, mix_bass, mix_drums, mix_part
from music.pool import has_song, write_song
from music.song import FULL, compose

if TYPE_CHECKING:
    from collections.abc import Callable

    from music.effects import Sound
    from music.song import Section, Song
    from music.synths import Note, Voice

SOURCE = "grooves"
SONGS = 280
LICENCE = (
    "Composed and synthesised by models/forge/music/grooves.py. One-shots: sonic-pi-samples (CC0); "
    "pastabass, growlybass, double-bass, electric-bass, gogodze-kit, frankensnare, guitars (CC0); "
    "DrumGizmo MuldjordKit (CC BY 4.0); Debian hydrogen-drumkits (CC0, CC BY 3.0, CC BY-SA 3.0, "
    "GPL-2, GPL-2+)"
)


def gather(data: Path, pool: Path, validation: Path) -> None:
    """Write the songs to the pool; none to the validation folder, where only real songs count."""
    del validation
    write_songs(data, pool, SONGS)


def write_songs(data: Path, pool: Path, count: int) -> None:
    """Write songs 0 to `count`, except those that are there."""
    for seed in trange(count, desc=SOURCE, unit="song"):
        if not has_song(pool, SOURCE, f"{seed:04}"):
            stems = {name: stem.T for name, stem in make(seed, data).items()}
            write_song(pool, SOURCE, f"{seed:04}", stems, LICENCE)


def make(seed: int, data: Path) -> dict[str, Sound]:
    """Compose, play, mix and master one song; its stems as float32 ``[2, samples]``."""
    song = compose(np.random.default_rng([4, seed]), data)
    drums, kicks = play_drums(song)
    stems = {"drums": drums, "bass": play_bass(song, kicks), "other": play_other(song, kicks)}
    return master(song.rng, balance(song.rng, stems))


# Drums


def play_drums(song: Song) -> tuple[Sound, list[float]]:
    """Play the kit and mix it; also return the seconds of the kicks, for side chains."""
    rng = song.rng
    acoustic = song.chance(song.style.acoustic)
    kit = (machines.acoustic_kit if acoustic else machines.electronic_kit)(rng, song.data)
    hits = [hit for section in song.sections for hit in _section_hits(song, section)]
    hits = sorted(_unique(hits), key=lambda hit: hit.step)
    jitter = rng.uniform(0.001, 0.006) if acoustic else rng.uniform(0, 0.001)
    times = [max(0.0, song.clock(hit.step) + rng.normal(0, jitter)) for hit in hits]
    low, high = (np.zeros((2, song.samples), np.float32) for _ in range(2))
    ends = _chokes(hits, times)
    for hit, time, end in zip(hits, times, ends, strict=True):
        sound = kit.hit(hit.role, hit.force, rng)
        if end is not None:
            sound = _choked(sound, end - time)
        start = round(time * RATE)
        bus = (low if hit.role == "kick" else high)[:, start : start + sound.shape[1]]
        bus += sound[:, : bus.shape[1]]
    kicks = [time for hit, time in zip(hits, times, strict=True) if hit.role == "kick"]
    return mix_drums(song, low, high, acoustic=acoustic), kicks


def _section_hits(song: Song, section: Section) -> list[Hit]:
    """Play a section's groove: whole, thinned out, or silent in a break; a fill leads on."""
    rng, first = song.rng, section.first * BAR
    steps = section.bars * BAR
    groove = beats.groove(rng, song.style, 0.15 if section.name in FULL else 0.4)
    if section.name == "break":
        light = [role for role in groove if role in {"hat", "shaker", "perc", "rim"}]
        kept = [] if song.chance(0.6) else light
    elif section.name in {"intro", "outro"}:
        kept = [] if song.chance(0.25) else [role for role in groove if song.chance(0.6)]
    else:
        kept = list(groove)
    hits = list(beats.play({role: groove[role] for role in kept}, first, section.bars, rng))
    if section.name == "build" or (section.name == "break" and song.chance(0.4)):
        hits += [Hit(h.step, pick(rng, ["snare", "clap"]), h.force) for h in _build(first, steps)]
    elif kept and song.chance(0.8):
        length = pick(rng, [2, 4, 8, 16])
        start = first + steps - length
        hits = [h for h in hits if h.step < start or h.role not in {"snare", "kick", "clap", "tom"}]
        hits += beats.fill(rng, start, length)
    if kept and song.chance(0.75 if section.name in FULL else 0.4):
        hits.append(Hit(first, "crash", 1.0))
    return hits


def _build(first: int, steps: int) -> list[Hit]:
    """Beat ever faster over the section's second half."""
    half = steps / 2
    rates = [(0.0, 0.5, 4.0), (0.5, 0.75, 2.0), (0.75, 0.9, 1.0), (0.9, 1.0, 0.5)]
    places = np.concatenate([np.arange(a * half, b * half, step) for a, b, step in rates])
    return [Hit(first + half + at, "snare", 0.3 + 0.6 * at / half) for at in places.tolist()]


def _unique(hits: list[Hit]) -> list[Hit]:
    """Keep the harder of two hits on one drum at once."""
    best: dict[tuple[float, str], Hit] = {}
    for hit in hits:
        place = (hit.step, hit.role)
        if place not in best or best[place].force < hit.force:
            best[place] = hit
    return list(best.values())


def _chokes(hits: list[Hit], times: list[float]) -> list[float | None]:
    """Find when the next hi-hat stops an open one."""
    ends: list[float | None] = [None] * len(hits)
    coming: float | None = None
    for place in range(len(hits) - 1, -1, -1):
        if hits[place].role in {"open", "hat"}:
            ends[place] = coming if hits[place].role == "open" else None
            coming = times[place]
    return ends


def _choked(sound: Sound, seconds: float) -> Sound:
    length = min(sound.shape[1], max(0, round(seconds * RATE)) + 200)
    fade = np.minimum(1, np.arange(length, 0, -1) / 300).astype(np.float32)
    return sound[:, :length] * fade


# Bass


def play_bass(song: Song, kicks: list[float]) -> Sound:
    """Play one bass line where the song is full and another elsewhere, with rests of sections."""
    rng = song.rng
    lines = [tunes.bass_line(rng, song.chords) for _ in range(2)]
    notes: list[Note] = []
    for section in song.sections:
        plays = {"break": 0.35, "intro": 0.4, "build": 0.5, "outro": 0.7}.get(section.name, 0.97)
        if song.chance(plays):
            line = lines[0] if section.name in FULL else lines[1]
            for bar in range(section.first, section.first + section.bars):
                notes += line(bar)
    if not notes:
        notes = lines[0](song.sections[0].first)
    sound = synths.render(notes, _bass_voice(song), song.clock, song.samples)
    if song.chance(0.2):
        layer = synths.sub(rng)
        sound += np.float32(rng.uniform(0.3, 1)) * synths.render(
            notes, layer, song.clock, song.samples
        )
    return mix_bass(song, sound, kicks)


def _bass_voice(song: Song) -> Voice:
    rng = song.rng
    if song.chance(0.15 if song.electronic else 0.8):
        return synths.recorded_bass(rng, song.data)
    if song.name in {"trap", "drill", "half-time", "boom-bap"} and song.chance(0.6):
        return synths.long_808(rng)
    return synths.BASSES[pick(rng, list(synths.BASSES))](rng)


# Other


def play_other(song: Song, kicks: list[float]) -> Sound:
    """Play two to five parts, each in sections of its own, and the sweeps between them."""
    rng = song.rng
    count = int(rng.integers(2, 6))
    total, send = (np.zeros((2, song.samples), np.float32) for _ in range(2))
    for place in range(count):
        part = mix_part(song, _play_part(song, sounding=place == 0), kicks)
        total += part
        if song.chance(0.75):
            send += np.float32(rng.uniform(0.05, 0.7)) * part
    if np.any(send):
        space = room(rng, rng.uniform(0.4, 4), rng.uniform(0.2, 0.8), rng.uniform(0, 0.05))
        total += reverb(send, space)
    if song.electronic and song.chance(0.5):
        total += np.float32(0.3 * rms(total)) * _sweeps(song)
    return highpass(total, float(rng.uniform(80, 130)))


def _play_part(song: Song, *, sounding: bool) -> Sound:
    """Play a part in sections of its own; in all of them if `sounding`."""
    rng = song.rng
    line, voice = _part(song)
    notes: list[Note] = []
    for section in song.sections:
        plays = {"break": 0.6, "intro": 0.45, "outro": 0.45, "build": 0.5}.get(section.name, 0.65)
        if song.chance(1 if sounding else plays + 0.15 * (section.name in FULL)):
            for bar in range(section.first, section.first + section.bars):
                notes += line(bar)
    sound = synths.render(notes, voice, song.clock, song.samples)
    return width(sound, rng.uniform(0, 0.4)) if song.chance(0.2) else sound


def _part(song: Song) -> tuple[Callable[[int], list[Note]], Voice]:
    """Draw what a part plays and on what."""
    rng, chords = song.rng, song.chords

    def struck() -> Voice:
        if song.chance(0.2 if song.electronic else 0.55):
            return synths.guitar(rng, song.data)
        return synths.STRUCK[pick(rng, list(synths.STRUCK))](rng)

    kinds = ["comp", "comp", "held", "arpeggio", "arpeggio", "melody", "ostinato", "foley"]
    kind = str(rng.choice(kinds))
    if kind == "comp":
        return tunes.comping(rng, chords), struck()
    if kind == "held":
        return tunes.held(rng, chords), synths.SUSTAINED[pick(rng, list(synths.SUSTAINED))](rng)
    if kind == "arpeggio":
        return tunes.arpeggio(rng, chords), struck()
    if kind == "melody":
        return tunes.melody(rng, chords), synths.lead(rng) if song.chance(0.6) else struck()
    if kind == "ostinato":
        return tunes.ostinato(rng, chords), struck()
    return tunes.ostinato(rng, chords), synths.foley(rng, song.data)


def _sweeps(song: Song) -> Sound:
    """Rise or fall into new sections; RMS about 1 where heard."""
    out = np.zeros((2, song.samples), np.float32)
    for section in song.sections[1:]:
        if song.chance(0.6):
            seconds = song.clock(BAR) * float(song.rng.choice([1, 2, 4]))
            sound = synths.riser(song.rng, seconds)
            start = max(0, round(song.clock(section.first * BAR) * RATE) - sound.shape[1])
            out[:, start : start + sound.shape[1]] += sound / (rms(sound) + 1e-6)
    return out


if __name__ == "__main__":
    given = sys.argv[1:]
    write_songs(Path(given[0]), Path(given[1]), int(given[2]) if given[2:] else SONGS)
