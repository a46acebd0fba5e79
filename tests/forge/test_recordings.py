"""Recorded training music: what `music.recordings` and `music.lmms` write and decide."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
import zlib
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
from music import lmms, recordings
from music.pool import PEAK, RATE, STEMS
from sounds import encode, noise

from stemlab.sound.audio import load

if TYPE_CHECKING:
    from pathlib import Path

PROJECT = """<lmms-project><song><trackcontainer>
<track type="1" name="Beat"><bbtrack><trackcontainer>
<track type="0" name="Kick " muted="0"/><track type="0" name="Snare" muted="1"/>
</trackcontainer></bbtrack></track>
<track type="0" name="Lead" muted="0"/><track type="2" name="Voice"/><track type="5" name="Tempo"/>
</trackcontainer></song></lmms-project>"""


@pytest.fixture
def project(tmp_path: Path) -> ET.Element:
    packed = tmp_path / "song.mmpz"
    content = PROJECT.encode()
    packed.write_bytes(len(content).to_bytes(4, "big") + zlib.compress(content))
    return lmms.read_project(packed)


def test_tracks_are_numbered_inside_beats_too(project: ET.Element) -> None:
    names = [name for name, _ in lmms.numbered_tracks(project)]
    assert names == ["00 Kick", "01 Snare", "02 Lead", "03 Voice"]


def test_muting_keeps_what_the_author_muted(project: ET.Element) -> None:
    lmms.mute(project, {"02 Lead"})
    muted = {name for name, track in lmms.numbered_tracks(project) if track.get("muted") == "1"}
    assert muted == {"01 Snare", "02 Lead"}


def test_plain_and_packed_projects_read_alike(project: ET.Element, tmp_path: Path) -> None:
    plain = tmp_path / "song.mmp"
    plain.write_text(PROJECT)
    assert ET.tostring(lmms.read_project(plain)) == ET.tostring(project)


def test_labels_are_stems_and_a_third_is_held_back() -> None:
    projects = json.loads(lmms.TRACKS.read_text())
    assert all(set(p["tracks"].values()) <= {*STEMS, None} for p in projects.values())
    held_back = [p for p in projects.values() if p["use"] == "validation"]
    assert {p["use"] for p in projects.values()} == {"training", "validation"}
    assert len(projects) / 4 < len(held_back) < len(projects) / 2
    for project in held_back:
        assert {"drums", "bass", "other"} <= set(project["tracks"].values())


def test_everything_is_free_is_shared_out(tmp_path: Path) -> None:
    parts = {file: noise(48_000, seed=i) for i, file in enumerate(("vocals", "drums", "other"))}
    for song in recordings.EVERYTHING_IS_FREE:
        (tmp_path / "stems" / song).mkdir(parents=True)
        for file, samples in parts.items():
            encode(tmp_path / "stems" / song / f"{file}.opus", samples, 48_000, "libopus")
    pool, validation = tmp_path / "pool", tmp_path / "validation"
    recordings.everything_is_free(tmp_path / "stems", pool, validation)
    written = {
        root: {f.parent.name for f in root.rglob("song.json")} for root in (pool, validation)
    }
    assert written == {pool: {"hydrogen", "potassium"}, validation: {"caesium", "rubidium"}}

    caesium = validation / "everything-is-free" / "caesium"
    stems = {file.stem: load(file).samples for file in caesium.glob("*.wav")}
    assert set(stems) == {"vocals", "drums", "bass+other"}
    assert np.abs(sum(stems.values())).max() == pytest.approx(PEAK, abs=2e-4)


def tone(hertz: float, seconds: float) -> recordings.Samples:
    time = np.arange(round(seconds * RATE)) / RATE
    return np.repeat(0.5 * np.sin(2 * np.pi * hertz * time)[:, None], 2, axis=1).astype(np.float32)


def test_faster_is_higher() -> None:
    sound = recordings.faster(tone(440, 1), 1.19)
    loudest = np.abs(np.fft.rfft(sound[:, 0])).argmax() * RATE / len(sound)
    assert len(sound) == pytest.approx(RATE / 1.19, abs=2)
    assert loudest == pytest.approx(440 * 1.19, abs=2)


def test_loop_goes_round_without_a_gap() -> None:
    sound = noise(30_011)
    looped = recordings.loop(sound, np.random.default_rng(0))
    assert len(looped) == recordings.SECONDS * RATE
    np.testing.assert_array_equal(looped[30_011:60_022], sound)


def test_phrase_rests_moves_and_clicks_nowhere() -> None:
    line = recordings.phrase(tone(100, 2), np.random.default_rng(1))
    again = recordings.phrase(tone(100, 2), np.random.default_rng(1))
    np.testing.assert_array_equal(line, again)
    assert line.shape == (recordings.SECONDS * RATE, 2)
    assert 0.05 < np.mean(line[:, 0] == 0) < 0.6
    # The steepest that a tone of 0.5 climbs at the highest pitch (five semitones up), and a little.
    assert np.abs(np.diff(line[:, 0])).max() < 0.5 * 2 * np.pi * 100 * 2 ** (5 / 12) / RATE * 1.1
    heard = np.abs(np.fft.rfft(line[:, 0] * np.hanning(len(line))))
    pitches = heard.reshape(-1)[: 200 * recordings.SECONDS]
    peaks = {step: pitches[round(100 * 2 ** (step / 12) * recordings.SECONDS)] for step in (-5, 3)}
    assert min(peaks.values()) > 20 * np.median(pitches)


def test_single_sounds_and_loops_become_songs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (
        *(f"loop_{name}" for name in recordings.LOOPS),
        *(f"bass_{name}" for name in recordings.BASSES),
        *recordings.OTHERS,
    ):
        soundfile.write(tmp_path / f"{name}.flac", tone(200, 0.2), RATE)
    monkeypatch.setattr(recordings, "SONIC_PI", tmp_path)
    monkeypatch.setattr(recordings, "SECONDS", 4)
    monkeypatch.setattr(recordings, "SPEEDS", {"plain": 1.0})
    recordings.sonic_pi(tmp_path / "pool")
    stems = [file.stem for file in (tmp_path / "pool").rglob("*.wav")]
    counts = {stem: stems.count(stem) for stem in set(stems)}
    assert counts == {"drums": 7, "bass": 6, "other": 8}
