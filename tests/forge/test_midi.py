"""Training music from MIDI: which part is which stem, recorded instruments in tune and in time."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pretty_midi
import pytest
import soundfile
from music import midi, oneshots, sampler
from music.pool import RATE, has_song, list_songs, write_song
from sounds import DATA, noise

if TYPE_CHECKING:
    from music.effects import Sound

SEED = 7
GATHER = Path(__file__).parents[2] / "models" / "forge" / "music" / "gather.py"


def part(program: int, *notes: tuple[int, float, float], drums: bool = False) -> Any:
    """Make a part of (pitch, start, end)."""
    made = pretty_midi.Instrument(program, is_drum=drums)
    made.notes = [pretty_midi.Note(100, pitch, start, end) for pitch, start, end in notes]
    return made


def song(path: Path) -> Path:
    """Write a short song for drums and bass."""
    score = pretty_midi.PrettyMIDI()
    beats = [(36 if beat % 2 == 0 else 38, beat / 2, beat / 2 + 0.2) for beat in range(8)]
    lines = [(28 + step, step / 2, step / 2 + 0.4) for step in range(8)]
    score.instruments = [part(0, *beats, drums=True), part(33, *lines)]
    score.write(str(path))
    return path


def fundamental(sound: Sound) -> float:
    """Find the fundamental frequency by autocorrelation, 25 to 400 Hz."""
    mono = sound.mean(axis=0)
    spectrum = np.abs(np.fft.rfft(mono, 2 * len(mono))) ** 2
    shortest = RATE // 400
    same = np.fft.irfft(spectrum)[shortest : RATE // 25]
    # The first lag that is nearly as good as the best: its multiples fit as well.
    first = int(np.argmax(same > 0.9 * same.max()))
    return float(RATE / (shortest + first + np.argmax(same[first : first + 40])))


@pytest.mark.parametrize(
    ("instrument", "stem"),
    [
        (part(0, (36, 0, 1), drums=True), "drums"),
        (part(118, (60, 0, 1)), "drums"),
        (part(38, (60, 0, 1)), "bass"),
        (part(81, (40, 0, 1), (43, 1, 2), (36, 2, 3)), "bass"),
        (part(43, (50, 0, 1), (52, 1, 2)), "bass"),
        (part(30, (40, 0, 1), (47, 0, 1), (52, 0, 1)), "other"),
        (part(81, (70, 0, 1), (72, 1, 2)), "other"),
    ],
    ids=["kit", "melodic tom", "synth bass", "low line", "contrabass", "power chord", "lead"],
)
def test_parts_go_to_the_stem_that_they_sound_like(instrument: Any, stem: str) -> None:
    assert midi.role(instrument) == stem


def test_a_section_starts_with_the_controllers_as_they_stand() -> None:
    whole = part(48, (60, 0, 1), (62, 4, 6), (64, 9, 10))
    whole.control_changes = [
        pretty_midi.ControlChange(7, value, time) for value, time in ((30, 0), (90, 2), (60, 5))
    ]
    cut = midi.between(whole, 4, 8, stretch=0.5)
    assert [(note.pitch, note.start, note.end) for note in cut.notes] == [(62, 0, 1)]
    assert [(each.value, each.time) for each in cut.control_changes] == [(90, 0), (60, 0.5)]


def test_sections_cover_a_long_song_without_overlap() -> None:
    score = pretty_midi.PrettyMIDI()
    score.instruments = [part(0, (60, 0, 1), (60, 399, 400))]
    stretches = midi.sections(score)
    assert stretches[0][0] == 0
    assert stretches[-1][1] == 400
    assert all(a[1] == b[0] for a, b in itertools.pairwise(stretches))


@pytest.mark.parametrize("library", ["growlybass", "pastabass", "double-bass", "electric-bass"])
def test_recorded_basses_are_in_tune(library: str) -> None:
    for instrument in oneshots.instruments(DATA, library):
        for pitch in (33, 40):
            notes = part(33, (pitch, 0, 0.9)).notes
            sound = sampler.pitched(notes, instrument, 0.05, np.random.default_rng(SEED))
            heard = fundamental(sound[:, RATE // 20 : 2 * RATE // 5])
            octaves = np.log2(heard / (440 / 2 ** ((69 - pitch) / 12)))
            assert abs(octaves - round(octaves)) < 0.5 / 12, (instrument.name, pitch)
            assert octaves < 0.5, (instrument.name, pitch)


def test_samples_are_found_as_their_makers_lay_them_out(tmp_path: Path) -> None:
    originals = {
        "pastabass/samples/fetuccine/e2_vl1_rr1.wav": "pastabass/fetuccine",
        "growlybass/sustain/e2_ff_rr1.wav": "growlybass/sustain",
        "electric-bass/samples/finger/E.flac": "electric-bass/samples_finger",
        "double-bass/pizz/pizz_e1_fa.flac": "double-bass/pizz",
        "guitars/Samples/green_ord/twang_e3_f_rr1.wav": "guitars/green_ord",
        "gogodze-kit/Samples/front_mic/ks_vl1_rr1.wav": "gogodze-kit/front_mic",
    }
    for name in originals:
        file = tmp_path / "samples" / name
        file.parent.mkdir(parents=True)
        soundfile.write(file, noise(RATE // 10), RATE)
    found = oneshots.instruments(tmp_path, ".*")
    assert {each.name for each in found} == set(originals.values()) - {"gogodze-kit/front_mic"}
    assert {pitch for each in found for pitch in each.notes} == {28, 40}
    assert len(oneshots.matching(tmp_path, "gogodze-kit/front_mic", "ks_")) == 1
    assert oneshots.matching(tmp_path, "gogodze-kit/oh_mic", "ks_") == []


def test_a_note_sounds_from_its_start_to_its_end() -> None:
    instrument = oneshots.instruments(DATA, "electric-bass")[0]
    notes = part(33, (35, 1.0, 1.5)).notes
    sound = sampler.pitched(notes, instrument, 0.1, np.random.default_rng(SEED))
    heard = np.flatnonzero(np.abs(sound).max(axis=0) > 1e-3) / RATE
    assert heard[0] == pytest.approx(1.0, abs=0.03)
    assert 1.4 < heard[-1] < 1.65


def test_every_kit_plays_every_role_of_general_midi() -> None:
    pitches = [notes[0] for notes in sampler.GENERAL_MIDI.values()]
    beat = part(0, *((pitch, at / 5, at / 5 + 0.1) for at, pitch in enumerate(pitches)), drums=True)
    for kit in oneshots.kits(DATA):
        sound = sampler.drums(beat.notes, kit, np.random.default_rng(SEED))
        starts = [round(note.start * RATE) for note in beat.notes]
        assert all(np.abs(sound[:, start : start + RATE // 10]).max() > 0.01 for start in starts)


def test_a_closed_hi_hat_ends_an_open_one() -> None:
    kit = next(kit for kit in oneshots.kits(DATA) if "open" in kit)
    opened = part(0, (46, 0, 0.1), drums=True).notes
    closed = part(0, (46, 0, 0.1), (42, 0.1, 0.2), drums=True).notes
    ringing, choked = (
        sampler.drums(notes, kit, np.random.default_rng(SEED)) for notes in (opened, closed)
    )
    hat = sampler.drums(closed[1:], kit, np.random.default_rng(SEED))
    assert np.abs(ringing[:, RATE // 5 :]).max() > 2 * np.abs(choked - hat)[:, RATE // 5 :].max()


def test_a_mixed_stem_keeps_to_its_place() -> None:
    white = np.random.default_rng(SEED).standard_normal((2, 4 * RATE)).astype(np.float32)
    against = np.stack([white[0], 0.2 * white[1] - white[0]])
    for seed in range(5):
        other = midi.finish("other", white, np.random.default_rng(seed))
        power = np.abs(np.fft.rfft(other[0])) ** 2
        lows = power[: 4 * 50].sum() / power.sum()
        assert lows < 0.1 * 50 / (RATE / 2)
        bass = midi.colour("bass", against, np.random.default_rng(seed))
        assert np.vdot(*midi.in_phase(bass)) >= -1e-3 * np.sum(bass**2)


def test_songs_are_made_once_and_always_alike(tmp_path: Path) -> None:
    file = song(tmp_path / "short.mid")
    for pool in (tmp_path / "a", tmp_path / "b"):
        midi.perform(file, 1, DATA, pool)
    (made,) = list_songs(tmp_path / "a")
    stems = {stem: soundfile.read(made / f"{stem}.wav")[0] for stem in ("drums", "bass")}
    assert stems["drums"].shape == stems["bass"].shape
    peaks = [np.abs(sound).max() for sound in (sum(stems.values()), *stems.values())]
    assert max(peaks) == pytest.approx(10 ** (-1 / 20), abs=1e-3)
    twin = tmp_path / "b" / "midi" / made.name
    assert (made / "bass.wav").read_bytes() == (twin / "bass.wav").read_bytes()
    before = (made / "bass.wav").stat().st_mtime_ns
    midi.perform(file, 1, DATA, tmp_path / "a")
    assert (made / "bass.wav").stat().st_mtime_ns == before


def test_a_broken_file_is_left_out_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.mid"
    for content in (b"", b"no music", song(tmp_path / "short.mid").read_bytes()[:100]):
        broken.write_bytes(content)
        midi.perform(broken, 0, DATA, tmp_path / "pool")
        assert "broken.mid is left out" in capsys.readouterr().out
    assert list_songs(tmp_path / "pool") == []


def test_a_song_in_the_pool_is_whole_scaled_and_labelled(tmp_path: Path) -> None:
    drums, bass = noise(RATE, seed=1), noise(RATE, seed=2)
    silent = np.zeros_like(drums)
    stems = {"drums": drums, "bass": bass, "other": silent}
    folder = write_song(tmp_path, "test", "one", stems, "CC0 1.0")
    assert has_song(tmp_path, "test", "one")
    assert {file.name for file in folder.iterdir()} == {"drums.wav", "bass.wav", "song.json"}
    read = soundfile.read(folder / "drums.wav", dtype="float32")[0]
    factor = np.vdot(read, drums) / np.vdot(drums, drums)
    np.testing.assert_allclose(read, factor * drums, atol=2 / 32768)
    assert json.loads((folder / "song.json").read_text())["licence"] == "CC0 1.0"


@pytest.mark.parametrize(
    ("stems", "complaint"),
    [
        ({"guitar": noise(100)}, "no stem is called"),
        ({"drums": noise(100), "bass": noise(99)}, "equally long"),
        ({"drums": noise(100)[:, :1]}, "stereo"),
        ({"drums": np.full((9, 2), np.nan, np.float32)}, "not finite"),
        ({"drums": np.zeros((9, 2), np.float32)}, "silent"),
    ],
)
def test_the_pool_refuses_broken_songs(tmp_path: Path, stems: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        write_song(tmp_path, "test", "one", stems, "CC0 1.0")
    assert not has_song(tmp_path, "test", "one")
    assert list(tmp_path.iterdir()) == []


def test_the_command_names_what_is_missing(tmp_path: Path) -> None:
    command = [sys.executable, str(GATHER), "--data", str(tmp_path), "pool", "held"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert result.returncode == 1
    assert str(tmp_path / "samples") in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "pool").exists()
