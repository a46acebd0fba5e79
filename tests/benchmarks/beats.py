"""Beats, tempo and metre found in songs whose beats are known, beside librosa's own tracker.

    apt-get install fluidsynth fluid-soundfont-gm
    python tests/benchmarks/beats.py [FOLDER OF MIDI]

Each song is played as written, and by a drummer who is not steady: from 1.7 % below the tempo to
1.7 % above it (118 to 122 at 120), wandering by 0.5 % within 20 seconds, each note 4 ms off.
Prints one JSON object. F-measure is mir_eval's: a beat counts within 70 ms, from the sixth second
on. ``half`` and ``double`` are the shares of songs counted at half or twice the written tempo,
``right`` at the written one. ``within_20ms`` is the share of true beats that lie on the grid.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mir_eval
import numpy as np
import pretty_midi

from stemlab.library.rhythm import Rhythm, analyse
from stemlab.sound.audio import Audio, load
from stemlab.sound.compiled import librosa

if TYPE_CHECKING:
    from collections.abc import Iterator

    Floats = np.ndarray[Any, np.dtype[np.floating[Any]]]

MIDI = Path(__file__).resolve().parents[3] / "shared" / "data" / "midi"
SOUNDFONT = "/usr/share/sounds/sf2/FluidR3_GM.sf2"
SONGS = 26  # that are played, by name
LONGEST = 150.0  # seconds
METRES = {(4, 4): 4, (2, 4): 4, (3, 4): 3, (6, 8): 6, (12, 8): 12}
ON_GRID = 0.9  # share of strokes within 1/32 beat of a twelfth: the tempo is that of the music
NEAR = 0.04  # of the tempo
DRIFT, WANDER, PERIOD, UNSTEADY = 0.0169, 0.005, 20.0, 0.004


@dataclass(frozen=True)
class Song:
    """A song whose beats are known, in seconds."""

    sound: Audio
    beats: Floats
    metre: int


def songs(folder: Path, *, steady: bool) -> Iterator[Song]:
    """Play the songs of one metre that keep to their written beat."""
    for number, file in enumerate(sorted(folder.rglob("*.mid"))):
        score = read(file)
        marks = {(mark.numerator, mark.denominator) for mark in score.time_signature_changes}
        metre = METRES.get(next(iter(marks), (0, 0)), 0) if len(marks) == 1 else 0
        if metre and len(score.get_tempo_changes()[0]) == 1 and gridded(score):
            stop = min(LONGEST, score.get_end_time())
            beats = score.get_beats()
            if not steady:
                score, beats = unsteady(score, beats, number)
            yield Song(played(score, stop), beats[beats < stop], metre)


def read(file: Path) -> Any:
    """Read a MIDI file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # many have tempo marks outside their first track
        return pretty_midi.PrettyMIDI(str(file))


def gridded(score: Any) -> bool:
    """Tell whether drums play, for half a minute at least, on the beats that are written."""
    strokes = [n.start for part in score.instruments if part.is_drum for n in part.notes]
    if len(strokes) < 60 or score.get_end_time() < 30:
        return False
    beats = score.get_beats()
    at = 12 * np.interp(strokes, beats, np.arange(len(beats)))
    return float(np.mean(np.abs(at - np.rint(at)) < 12 / 32)) > ON_GRID


def unsteady(score: Any, beats: Floats, seed: int) -> tuple[Any, Floats]:
    """Have a score played unsteadily; return it and when its beats are then."""
    end = score.get_end_time() + 1
    grid = np.linspace(0, end, 20 * round(end))
    speed = 1 - DRIFT + 2 * DRIFT * grid / end
    speed += WANDER * np.sin(2 * np.pi * (grid / PERIOD + seed / 7))
    then = np.append(0, np.cumsum(np.diff(grid) / speed[:-1]))
    rng = np.random.default_rng(seed)
    free = pretty_midi.PrettyMIDI(resolution=960)
    free.instruments = score.instruments
    for part in free.instruments:
        for note in part.notes:
            late = rng.normal(0, UNSTEADY)
            both = np.interp([note.start, note.end], grid, then) + late
            note.start, note.end = np.maximum(0, both)
        for event in (*part.control_changes, *part.pitch_bends):
            event.time = float(np.interp(event.time, grid, then))
    return free, np.interp(beats, grid, then)


def played(score: Any, stop: float) -> Audio:
    """Render a score with fluidsynth."""
    with tempfile.TemporaryDirectory() as folder:
        notes, sound = Path(folder, "song.mid"), Path(folder, "song.wav")
        score.write(str(notes))
        options = ["-niq", "-r", "44100", "-g", "0.4", "-F", str(sound)]
        subprocess.run(["fluidsynth", *options, SOUNDFONT, str(notes)], check=True)
        audio = load(sound)
    return Audio(audio.samples[: round(stop * audio.rate)], audio.rate)


def own(song: Song) -> tuple[Floats, Rhythm]:
    """Find a song's beats by `stemlab.library.rhythm`."""
    rhythm = analyse(song.sound)
    if not rhythm.bpm:
        return np.zeros(0), rhythm
    first, last = (rhythm.beat_at(time) for time in (0, song.sound.duration))
    beats = [rhythm.time_of(beat) for beat in range(int(np.ceil(first)), int(last) + 1)]
    return np.array(beats), rhythm


def librosas(song: Song) -> Floats:
    """Find them by librosa's tracker."""
    sound = song.sound
    mono = librosa().resample(sound.samples.mean(axis=1), orig_sr=sound.rate, target_sr=22_050)
    beats: Floats = librosa().beat.beat_track(y=mono, sr=22_050, units="time")[1]
    return beats


def scores(true: Floats, found: Floats) -> dict[str, float]:
    """Compare beats."""
    trimmed = mir_eval.beat.trim_beats(true), mir_eval.beat.trim_beats(found)
    ratio = np.median(np.diff(true)) / np.median(np.diff(found)) if len(found) > 1 else 0.0
    inside = true[(true > true[0]) & (true < true[-1])]
    nearest = np.abs(inside[:, None] - found[None]).min(axis=1) if len(found) else inside + 1
    return {
        "f_measure": float(mir_eval.beat.f_measure(*trimmed)),
        "right": float(abs(ratio - 1) < NEAR),
        "half": float(abs(2 * ratio - 1) < NEAR),
        "double": float(abs(ratio / 2 - 1) < NEAR),
        "within_20ms": float(np.mean(nearest < 0.02)),
    }


def measured(folder: Path, *, steady: bool) -> dict[str, Any]:
    """Return the means over all songs."""
    ours, theirs, metres = [], [], []
    for song in itertools.islice(songs(folder, steady=steady), SONGS):
        beats, rhythm = own(song)
        ours.append(scores(song.beats, beats))
        theirs.append(scores(song.beats, librosas(song)))
        metres.append(rhythm.metre == song.metre)
    mean = [{key: round(float(np.mean([s[key] for s in part])), 3) for key in part[0]}
            for part in (ours, theirs)]  # fmt: skip
    right = {"songs": len(ours), "metre": round(float(np.mean(metres)), 3)}
    return {"stemlab": mean[0] | right, "librosa": mean[1]}


if __name__ == "__main__":
    place = Path(sys.argv[1]) if len(sys.argv) > 1 else MIDI
    told = {"steady": measured(place, steady=True), "drummer": measured(place, steady=False)}
    print(json.dumps(told, indent=1))
