"""The decks' kernel side: rhythm, the crate's songs ahead of time, what is saved, bad songs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import traitlets

from stemlab import demo
from stemlab.errors import AudioError, SettingError
from stemlab.labs import decks
from stemlab.library import grid, playlists, sidecar
from stemlab.library.facts import Facts, find
from stemlab.library.keys import NAMES
from stemlab.library.rhythm import Rhythm
from stemlab.library.songs import find_songs
from stemlab.library.store import Store
from stemlab.separator import Separator
from stemlab.sound.audio import RATE, Audio, load, save
from stemlab.sound.stem_mp4 import read_stems
from stemlab.widgets import __file__ as widgets
from stemlab.widgets import module, source
from stemlab.widgets.decks.ahead import Preparation
from stemlab.widgets.decks.console import CURVES, PRESETS, Deck, Decks
from stemlab.widgets.parts.recorder import Recording

HOUSE = Path(widgets).parent
TONE = Audio(np.full((44_100, 2), 0.1, np.float32))
LONG = 240  # seconds that anything may take on a machine that does much else


def test_a_stem_file_brings_back_what_was_prepared(tmp_path: Path) -> None:
    """On a machine whose store knows nothing of it; what is changed there comes first."""
    deck = Deck(dict.fromkeys(("vocals", "drums", "bass", "other"), TONE))
    deck.rhythm = Rhythm(120, 0.25, "A minor", 1, 3, 12.0, ((0, 0), (10, 10.2), (20, 20)))
    layout = {"levels": [1.0, 0.0, 0.5, 1.0], "mutes": [False, True, False, False]}
    cue = {"at": 0.25, "end": 0.75, "name": "Drop", "hue": "#12b886"} | layout
    deck.cue, deck.trim, deck.last_loop = 0.5, -2.5, [0.25, 0.75]
    deck.loudness, deck.cues = -9.5, [cue, *deck.cues[1:]]
    desk = Decks(deck)
    desk.out = str(tmp_path)
    path = desk.save("a", "stem.mp4")
    again = Deck(path, Separator(), store=Store(tmp_path / "store"))
    assert again.known == deck.known
    again.trim = 1.0
    again.close()
    last = Deck(path, Separator(), store=Store(tmp_path / "store"))
    assert last.known == deck.known | {"trim": 1.0}
    last.close()
    desk.close()


def test_rhythm_is_found_and_kept_with_the_song(tmp_path: Path) -> None:
    separator, store = Separator(), Store(tmp_path)
    deck = Deck(demo.path(), separator, store=store)
    limit = time.monotonic() + LONG
    while not deck.bpm and time.monotonic() < limit:
        time.sleep(0.1)
    assert deck.rhythm.bpm > 0
    deck.first_beat += 0.25
    corrected = deck.rhythm
    deck.close()
    again = Deck(demo.path(), separator, store=store)
    assert again.rhythm == corrected
    again.close()


def test_what_is_prepared_comes_back(tmp_path: Path) -> None:
    """With another model, too, and with the stems deleted."""
    song = Audio(np.full((RATE, 2), 0.1, np.float32))
    deck = Deck(song, store=Store(tmp_path))
    deck.rhythm = Rhythm(120, 0, "", 1)
    deck.cue, deck.trim, deck.loop, deck.loop = 0.5, -2.5, [0.25, 0.75], []
    marked = {"at": 0.25, "end": 0.75, "name": "Drop", "hue": "#12b886"}
    layout = {"levels": [1.0, 0.0, 0.5, 1.0], "mutes": [False, True, False, False]}
    deck.cues = [marked | layout, *deck.cues[1:]]
    deck.close()
    for folder in tmp_path.glob("*/track.json"):
        shutil.rmtree(folder.parent)
    again = Deck(song, Separator("spleeter-2stems"), store=Store(tmp_path))
    assert again.bpm == 120
    assert (again.cue, again.trim, again.last_loop) == (0.5, -2.5, [0.25, 0.75])
    assert again.cues[0] == marked | layout
    assert not any(again.cues[1:])
    again.close()


def test_loudness_is_measured_or_read_from_the_tag(tmp_path: Path) -> None:
    from mutagen.flac import FLAC

    path = tmp_path / "song.flac"
    time_ = np.arange(5 * RATE) / RATE
    tone = 0.1 * np.sin(2 * np.pi * 1000 * time_)
    save(path, Audio(np.stack([tone, tone], 1).astype(np.float32)))
    measured = find(path, tmp_path / "a.json").loudness
    assert measured == pytest.approx(-20, abs=0.1)
    assert find(path, tmp_path / "a.json").loudness == measured
    tagged = FLAC(path)
    tagged["replaygain_track_gain"] = "-6.5 dB"
    tagged.save()
    assert find(path, tmp_path / "b.json").loudness == -11.5


def test_a_song_of_another_rate_is_refused() -> None:
    """It would play too slowly, or too fast."""
    deck = Deck({"vocals": Audio(TONE.samples, 48_000)})
    assert deck.error == "this song has 48000 Hz and decks 44100; resample it"
    assert deck.track is None
    deck.close()


def test_a_rhythm_that_is_given_is_taken() -> None:
    rhythm = Rhythm(120, 0.5, "E minor", 1.0)
    deck = Deck({"vocals": TONE}, rhythm=rhythm)
    assert deck.rhythm == rhythm
    deck.close()


def test_a_song_that_cannot_be_read_is_told() -> None:
    desk = decks("nowhere.mp3")
    assert desk.a
    assert "nowhere.mp3" in desk.a.error
    assert desk.b is None
    desk.close()


@pytest.mark.parametrize(
    "change", [{"tempo": 3.0}, {"semitones": 7}, {"eq": [0.0]}, {"filter": 1.5}, {"cues": []}]
)
def test_settings_out_of_range_are_refused(change: dict[str, object]) -> None:
    deck = Deck({"vocals": TONE}, rhythm=Rhythm(120, 0, "", 1))
    with pytest.raises(traitlets.TraitError):
        deck.set_trait(*next(iter(change.items())))
    deck.close()


def test_page_and_kernel_have_the_same_names() -> None:
    page = "".join(source(f"decks/{name}.js") for name in ("turntable", "curves", "deck"))
    presets = page.partition("PRESETS = {")[2].partition("};")[0]
    assert re.findall(r'^  "?([A-Z][\w %]*)"?:', presets, re.MULTILINE) == list(PRESETS)
    curves = page.partition("CURVES = {")[2].partition("};")[0]
    assert re.findall(r'^  "?([a-z ]+)"?:', curves, re.MULTILINE) == list(CURVES)
    tonics = source("decks/harmony.js").partition("TONICS = [")[2].partition("]")[0]
    assert tuple(re.findall(r'"(.+?)"', tonics)) == NAMES


@pytest.mark.parametrize("name", ["decks/face.js", "player.js", "engine/stretch.js"])
def test_files_that_are_joined_share_no_name(name: str) -> None:
    """They have one scope."""
    kinds = r"^(?:export )?(?:const|let|class|(?:async )?function) (\w+)"
    names = re.findall(kinds, module(name), re.MULTILINE)
    assert sorted(names) == sorted(set(names))


def test_songs_are_listened_to_before_they_are_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was found is there at the next start, and the folder is remembered."""
    monkeypatch.setenv("STEMLAB_STORE", str(tmp_path / "store"))
    music = tmp_path / "music"
    music.mkdir()
    shutil.copy(demo.path(), music / "song.ogg")
    (music / "broken.mp3").write_bytes(b"not sound")
    for _ in range(2):
        desk = decks(folder=music)
        limit = time.monotonic() + LONG
        while not (desk.songs and desk.songs[0]["known"]) and time.monotonic() < limit:
            time.sleep(0.05)
        [song] = desk.songs
        assert song["bpm"] == pytest.approx(106, abs=1)
        assert song["camelot"] == "8A"
        assert -30 < song["loudness"] < -5
        desk.close()
    assert Decks().folders == [str(music)]


def test_a_file_that_is_dropped_is_taken_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEMLAB_STORE", str(tmp_path))
    desk = Decks()
    data = demo.path().read_bytes()
    for start in range(0, len(data), 100_000):
        last = start + 100_000 >= len(data)
        piece: dict[str, object] = {"kind": "dropped", "side": "b", "name": "../my song.ogg"}
        piece |= {"first": start == 0, "last": last}
        desk._receive(desk, piece, [data[start : start + 100_000]])
    assert desk.b
    assert desk.b.path == tmp_path / "dropped" / "my song.ogg"
    assert desk.b.path.read_bytes() == data
    desk.close()


def test_what_was_played_is_exported(tmp_path: Path) -> None:
    desk = decks(demo.path(), out=tmp_path)
    assert desk.a
    for playing in (True, False, True):
        desk.a.playing = playing
    desk._receive(desk, {"kind": "export history"}, [])
    [path] = tmp_path.glob("*.m3u8")
    assert playlists.read(path) == [demo.path()]
    desk.close()


def test_songs_are_separated_ahead_of_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEMLAB_STORE", str(tmp_path / "store"))
    ended = threading.Event()
    shares: list[dict[str, float]] = []
    finished: list[str] = []
    complaints: list[str] = []

    def progress(now: dict[str, float]) -> None:
        shares.append(now)
        if len(shares) > 1 and not now:
            ended.set()

    preparation = Preparation(progress, finished.append, complaints.append)
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"not sound")
    preparation.add([str(bad), str(demo.path())])
    assert ended.wait(LONG)
    preparation.close()
    assert finished == [str(demo.path())]
    assert len(complaints) == 1
    assert "bad.wav" in complaints[0]
    track = Store().find(demo.path(), Separator())
    assert track
    assert track.separated == 1
    assert Facts.read(sidecar.read(Store().note(demo.path()))).rhythm


def test_a_cancelled_song_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEMLAB_STORE", str(tmp_path))
    finished: list[str] = []
    preparation = Preparation(lambda _: None, finished.append, finished.append)
    preparation.add([str(demo.path())])
    preparation.cancel([str(demo.path())])
    preparation.close()
    assert finished == []
    assert not [t for t in threading.enumerate() if t.name == "stemlab crate"]


@pytest.fixture
def desk(tmp_path: Path) -> Decks:
    """Return decks with two stems on A, vocals at half their level."""
    stems = {"vocals": TONE, "drums": Audio(2 * TONE.samples)}
    deck = Deck(stems, rhythm=Rhythm(120, 0, "", 1))
    deck.vocals = 0.5
    return decks(deck, out=tmp_path / "new")


def test_stems_and_mix_are_saved(desk: Decks) -> None:
    vocals, mix = desk.save("a", "vocals"), desk.save("a", "mix")
    assert (vocals.name, mix.name) == ("vocals.wav", "mix.wav")
    np.testing.assert_allclose(load(vocals).samples, 0.1, atol=1e-4)
    np.testing.assert_allclose(load(mix).samples, 0.25, atol=1e-4)
    assert desk.save("a", "mix").name == "mix 2.wav"
    desk.kind = "flac"
    np.testing.assert_allclose(load(desk.save("a", "mix")).samples, 0.25, atol=1e-4)
    _, stems = read_stems(desk.save("a", "stem.mp4"))
    assert sorted(stems) == ["drums", "vocals"]
    assert not [*find_songs(vocals.parent)]
    desk.close()


def test_what_cannot_be_saved_is_told(desk: Decks, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="no stem 'flute' here; there are vocals, drums"):
        desk.save("a", "flute")
    with pytest.raises(AudioError, match="no song on deck B"):
        desk.save("b", "mix")
    (tmp_path / "file").touch()
    desk.out = str(tmp_path / "file" / "below")
    with pytest.raises(AudioError, match="choose another folder"):
        desk.save("a", "mix")
    desk.close()


def webm(path: Path, samples: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> bytes:
    """Return sound as MediaRecorder gives it: floats in Matroska."""
    with av.open(str(path), "w", format="matroska") as container:
        stream = container.add_stream("pcm_f32le", rate=RATE, layout="stereo")
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="flt", layout="stereo")
        frame.sample_rate, frame.time_base = RATE, Fraction(1, RATE)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path.read_bytes()


def test_a_recording_grows_with_its_pieces(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).uniform(-1, 1, (RATE, 2)).astype(np.float32)
    data = webm(tmp_path / "in.mkv", samples)
    sentences: list[str] = []
    recording = Recording(tmp_path / "out.wav", sentences.append)
    for start in range(0, len(data), 50_000):
        recording.add(data[start : start + 50_000])
    recording.close()
    np.testing.assert_array_equal(load(tmp_path / "out.wav").samples, samples)
    assert sentences == [f"Recorded 00:01 to {tmp_path / 'out.wav'}"]


@pytest.mark.parametrize("pieces", [[], [b"no sound at all"]])
def test_a_recording_of_nothing_leaves_nothing(tmp_path: Path, pieces: list[bytes]) -> None:
    sentences: list[str] = []
    recording = Recording(tmp_path / "out.wav", sentences.append)
    for piece in pieces:
        recording.add(piece)
    recording.close()
    assert list(tmp_path.iterdir()) == []
    assert len(sentences) == 1
    assert sentences[0].startswith("Not recorded: ")


@pytest.mark.parametrize("title", ["long " * 100, "ä" * 300])
def test_a_long_title_is_cut_to_what_a_file_may_be_called(title: str, tmp_path: Path) -> None:
    desk = Decks(Deck({"vocals": TONE}))
    assert desk.a
    assert desk.a.track
    desk.a.track.title, desk.out = title, str(tmp_path)
    desk._save("a", "vocals")
    [path] = tmp_path.glob("*.wav")
    assert desk.note == f"Saved {path}"
    desk.close()


def test_page_and_kernel_bend_time_alike() -> None:
    knots = [(0.0, 0.0), (10.0, 10.2), (15.0, 15.0), (30.0, 31.0)]
    times = [-3.0, 0.0, 4.2, 10.0, 14.9, 30.0, 40.0]
    file = (HOUSE / "decks" / "grid.js").as_uri()
    code = (
        f'import {{ even, uneven }} from "{file}"; const knots = {json.dumps(knots)};'
        "const both = (x) => [even(knots, x), uneven(knots, x)];"
        f"console.log(JSON.stringify({times}.map(both)))"
    )
    command = ["node", "--input-type=module", "--no-warnings", "-e", code]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    here = np.stack([grid.even(knots, times), grid.uneven(knots, times)], axis=1)
    assert np.allclose(json.loads(said), here)
