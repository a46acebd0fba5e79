"""The decks in the browser: tempo, key, beats and levels measured in what they play."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest
from conftest import Notebook, _free_port, _wait_for
from scipy.signal import find_peaks

from stemlab import demo
from stemlab.audio import Audio, save

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Lab
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

pytestmark = pytest.mark.browser

OUT = Path(__file__).parents[2] / "out" / "screenshots"
RATE = 44_100
SECONDS = 90
TONES = {"vocals": 440.0, "bass": 100.0, "other": 8000.0}
AMPLITUDE = 0.1
# Tones, and drums that click on every beat; A and B differ in tempo and in where their beats are.
MAKE = f"""
import numpy as np
from stemlab.audio import Audio
from stemlab.labs import decks
from stemlab.rhythm import Rhythm
from stemlab.widgets.decks import Deck

def song(rhythm):
    time = np.arange({SECONDS} * {RATE}) / {RATE}
    parts = {{k: {AMPLITUDE} * np.sin(2 * np.pi * f * time) for k, f in {TONES}.items()}}
    clicks = np.zeros(len(time))
    burst = 0.5 * np.exp(-np.arange(400) / 40) * np.sin(np.arange(400) * 0.3)
    for beat in np.arange(rhythm.first_beat, {SECONDS} - 1, rhythm.beat):
        start = round(beat * {RATE})
        clicks[start : start + 400] = burst
    parts = {{"vocals": parts["vocals"], "drums": clicks, **parts}}
    return {{k: Audio(np.stack([x, x], 1).astype("float32")) for k, x in parts.items()}}

first, second = Rhythm(120, 0.1, "A minor", 1), Rhythm(126, 0.33, "C major", 1)
desk = decks(Deck(song(first), rhythm=first), Deck(song(second), rhythm=second))
display(desk)
"""
RESET = """
for deck in (desk.a, desk.b):
    deck.pause()
    deck.levels, deck.tempo, deck.semitones, deck.loop = [1.0] * 4, 1.0, 0, []
    deck.eq, deck.kills, deck.filter, deck.synced = [0.0] * 3, [False] * 3, 0.0, False
    deck.cues, deck.cue = [-1.0] * 4, 0.0
    deck.mute(), deck.solo()
    deck.seek(4)
desk.a.rhythm, desk.b.rhythm = first, second
desk.crossfader, desk.curve, desk.master = 0.0, "constant power", 1.0
"""
BOTH = """([a, b]) => {
  const { context, output } = stemlab.players.get(a);
  const merger = context.createChannelMerger(2);
  output.connect(merger, 0, 0);
  stemlab.players.get(b).output.connect(merger, 0, 1);
  (globalThis.kept ??= {}).both = { output: merger, context };
}"""


class Names(NamedTuple):
    """What the page calls the decks and their sum."""

    a: str
    b: str
    desk: str


@pytest.fixture(scope="module")
def shared(notebook: Notebook) -> Names:
    """Show one pair of decks for all tests."""
    notebook.run(MAKE)
    printed = notebook.run("print(desk.a.model_id, desk.b.model_id, desk.model_id)")
    names = Names(*printed.split())
    for name in names:
        notebook.wait(f"globalThis.stemlab?.players.has('{name}')")
    notebook.page.evaluate(BOTH, [names.a, names.b])
    return names


@pytest.fixture
def names(notebook: Notebook, shared: Names) -> Iterator[Names]:
    """Stop both decks and put all controls to rest; the page must not complain."""
    notebook.run(RESET)
    notebook.page.wait_for_timeout(150)
    yield shared
    notebook.run("desk.a.pause(); desk.b.pause()")
    assert not notebook.problems


def click(notebook: Notebook, name: str) -> None:
    """Press a button of the decks."""
    notebook.page.get_by_role("button", name=name, exact=True).last.click()


def settles(notebook: Notebook, truth: str) -> None:
    """Wait until something is true in the kernel, which hears of the page a little later."""
    for _ in range(20):
        if notebook.run(f"print({truth})").strip() == "True":
            return
        notebook.page.wait_for_timeout(100)
    raise AssertionError(truth)


def now(notebook: Notebook, deck: str) -> float:
    """Return the second of the song that is heard."""
    seconds: float = notebook.page.evaluate("id => stemlab.players.get(id).now()", deck)
    return seconds


def play(notebook: Notebook, which: str) -> None:
    """Start a deck and let it settle."""
    notebook.run(f"desk.{which}.play()")
    notebook.page.wait_for_timeout(300)


def level(sound: Samples, frequency: float) -> float:
    """Return the level of a tone in dB of what was put in."""
    time = np.arange(len(sound)) / RATE
    window = np.hanning(len(sound))
    wave = window * np.exp(-2j * np.pi * frequency * time)
    return float(20 * np.log10(2 * abs(wave @ sound[:, 0]) / window.sum() / AMPLITUDE + 1e-6))


def pitch(sound: Samples, near: float) -> float:
    """Return the frequency of the tone nearest to `near` Hz, by a parabola through its peak."""
    size = 1 << 19
    spectrum = np.abs(np.fft.rfft(sound[:, 0] * np.hanning(len(sound)), size))
    low, high = (int(near * ratio * size / RATE) for ratio in (0.94, 1.06))
    k = low + int(spectrum[low:high].argmax())
    before, here, after = np.log(spectrum[k - 1 : k + 2])
    return float((k + 0.5 * (before - after) / (before - 2 * here + after)) * RATE / size)


def clicks(sound: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the seconds at which a channel clicks, where nothing but drums sounds."""
    loud = np.abs(sound)
    found, _ = find_peaks(loud, height=0.4 * loud.max(), distance=RATE // 8)
    return np.asarray(found / RATE)


def off_beat(seconds: float) -> float:
    """Return the distance of a second of song A from its nearest beat."""
    return abs((seconds - 0.1 + 0.25) % 0.5 - 0.25)


def away(times: NDArray[np.float64], grid: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how many seconds each time lies from the nearest of a grid."""
    distances = times[:, None] - grid[None, :]
    nearest = np.abs(distances).argmin(axis=1)
    return np.asarray(distances[np.arange(len(times)), nearest])


def test_started_together_they_stay_together(notebook: Notebook, names: Names) -> None:
    """Both play the same drums at one sample; Space starts both."""
    notebook.run("song_b = desk.b; desk.b = Deck(song(first), rhythm=first)")
    twin = notebook.run("print(desk.b.model_id)").strip()
    notebook.wait(f"stemlab.players.has('{twin}')")
    notebook.page.evaluate(BOTH, [names.a, twin])
    notebook.run("desk.a.seek(0); desk.b.seek(0)")
    notebook.page.wait_for_timeout(300)
    notebook.page.locator(".stemlab-decks").last.press("Space")
    sound = notebook.record("both", 3)
    assert np.abs(sound).max() > 0.2
    np.testing.assert_allclose(sound[:, 0], sound[:, 1], atol=1e-6)
    notebook.page.wait_for_timeout(2000)
    sound = notebook.record("both", 1)
    np.testing.assert_allclose(sound[:, 0], sound[:, 1], atol=1e-6)
    notebook.run("desk.b.close(); desk.b = song_b")
    notebook.wait(f"stemlab.players.has('{names.b}')")
    notebook.page.evaluate(BOTH, [names.a, names.b])


def test_at_rest_nothing_is_changed(notebook: Notebook, names: Names) -> None:
    play(notebook, "a")
    sound = notebook.record(names.desk, 0.5)
    found = {name: level(sound, tone) for name, tone in TONES.items()}
    np.testing.assert_allclose([*found.values()], 0, atol=0.1)


@pytest.mark.parametrize(
    ("curve", "place", "gains"),
    [
        ("constant power", 0.5, (-3.01, -3.01)),
        ("linear", 0.25, (-2.5, -12.04)),
        ("cut", 0.5, (0.0, 0.0)),
        ("cut", 1.0, (-100.0, 0.0)),
    ],
)
def test_crossfader(
    notebook: Notebook, names: Names, curve: str, place: float, gains: tuple[float, float]
) -> None:
    notebook.run("desk.a.solo('vocals'); desk.b.solo('bass'); desk.play()")
    notebook.page.get_by_role("combobox", name="Crossfader curve").last.select_option(curve)
    notebook.page.get_by_role("slider", name="Crossfader").last.fill(str(place))
    notebook.page.wait_for_timeout(400)
    sound = notebook.record(names.desk, 0.5)
    for found, expected in zip((level(sound, 440), level(sound, 100)), gains, strict=True):
        assert found == pytest.approx(expected, abs=0.1) or max(found, expected) < -60


def test_stems_of_each_deck(notebook: Notebook, names: Names) -> None:
    notebook.run("desk.play()")
    click(notebook, "Mute vocals A")
    click(notebook, "Solo vocals B")
    notebook.page.get_by_role("slider", name="Vocals level B").last.fill("0.5")
    notebook.page.wait_for_timeout(300)
    first, second = notebook.record(names.a, 0.4), notebook.record(names.b, 0.4)
    assert level(first, 440) < -40  # which clicks reach
    assert level(first, 100) == pytest.approx(0, abs=0.1)
    assert level(second, 440) == pytest.approx(20 * np.log10(0.5), abs=0.1)
    assert level(second, 100) < -60


def test_tempo_keeps_the_pitch_and_key_the_tempo(notebook: Notebook, names: Names) -> None:
    notebook.run("desk.a.mute('drums')")
    play(notebook, "a")
    for tempo, semitones in ((1.16, 0), (0.84, 0), (1.0, 3), (1.08, -6)):
        notebook.run(f"desk.a.tempo, desk.a.semitones = {tempo}, {semitones}")
        notebook.page.wait_for_timeout(250)
        at = "id => { const { now, context } = stemlab.players.get(id);"
        at += " return [now(), context.currentTime]; }"
        before = notebook.page.evaluate(at, names.a)
        sound = notebook.record(names.a, 1)
        after = notebook.page.evaluate(at, names.a)
        speed = (after[0] - before[0]) / (after[1] - before[1])
        assert speed == pytest.approx(tempo, rel=0.01)
        expected = 440 * 2 ** (semitones / 12)
        assert pitch(sound, expected) == pytest.approx(expected, rel=0.0005)  # 1 cent


def test_loop_of_beats(notebook: Notebook, names: Names) -> None:
    notebook.run("desk.a.solo('drums')")
    play(notebook, "a")
    click(notebook, "Loop 2 A")
    settles(notebook, "bool(desk.a.loop)")
    a, b = (float(edge) for edge in notebook.run("print(*desk.a.loop)").split())
    assert b - a == pytest.approx(1.0)
    assert off_beat(a) < 1e-6
    times = clicks(notebook.record(names.a, 4)[:, 0])
    np.testing.assert_allclose(np.diff(times), 0.5, atol=0.002)
    assert a <= now(notebook, names.a) <= b
    click(notebook, "Loop 1 A")
    notebook.page.wait_for_timeout(700)
    assert a <= now(notebook, names.a) <= a + 0.5
    click(notebook, "Loop 1 A")
    notebook.page.wait_for_timeout(1200)
    assert now(notebook, names.a) > b


def test_jumps_stay_on_the_beat(notebook: Notebook, names: Names) -> None:
    """Jumps, forward and back beyond what the page has, do not break the row of clicks."""
    notebook.run("desk.a.solo('drums'); desk.a.seek(40)")
    play(notebook, "a")
    before = now(notebook, names.a)
    notebook.page.evaluate(
        """() => ["Jump 4 A", "Jump -1 A", "Jump 4 A"].forEach((name, i) => setTimeout(
          () => document.querySelector(`[aria-label="${name}"]`).click(), 400 + 600 * i))"""
    )
    times = clicks(notebook.record(names.a, 3)[:, 0])
    np.testing.assert_allclose(np.diff(times), 0.5, atol=0.002)
    assert now(notebook, names.a) - before > 3 + 3.5 - 0.2


def test_hot_cues_and_cue_point(notebook: Notebook, names: Names) -> None:
    play(notebook, "a")
    click(notebook, "Hot cue 1 A")
    settles(notebook, "desk.a.cues[0] > 0")
    cue = float(notebook.run("print(desk.a.cues[0])"))
    assert off_beat(cue) < 1e-6
    notebook.run("desk.a.seek(60)")
    notebook.page.wait_for_timeout(300)
    click(notebook, "Hot cue 1 A")
    notebook.page.wait_for_timeout(200)
    assert cue <= now(notebook, names.a) < cue + 1
    notebook.page.get_by_role("button", name="Hot cue 1 A").last.click(button="right")
    settles(notebook, "desk.a.cues[0] == -1")
    notebook.run("desk.a.pause(); desk.a.seek(20)")
    notebook.page.wait_for_timeout(200)
    click(notebook, "Cue A")
    play(notebook, "a")
    click(notebook, "Cue A")
    notebook.page.wait_for_timeout(200)
    assert now(notebook, names.a) == pytest.approx(20, abs=1e-3)
    settles(notebook, "not desk.a.playing")


def test_grid_is_correctable(notebook: Notebook, names: Names) -> None:
    notebook.run("desk.b.first_beat = 0.0")
    play(notebook, "b")
    click(notebook, "Double tempo B")
    settles(notebook, "desk.b.bpm == 252")
    click(notebook, "Halve tempo B")
    click(notebook, "Grid later B")
    settles(notebook, "desk.b.bpm == 126 and abs(desk.b.first_beat - 0.01) < 1e-6")
    times = notebook.page.evaluate(
        """async (id) => {
          const times = [];
          for (let i = 0; i < 5; i++) {
            document.querySelector('[aria-label="Tap B"]').click();
            times.push(stemlab.players.get(id).now());
            await new Promise((done) => setTimeout(done, 600));
          }
          return times;
        }""",
        names.b,
    )
    beat, start = np.polyfit(np.arange(5), times, 1)
    settles(notebook, f"abs(desk.b.bpm - {60 / beat}) < 2")
    settles(notebook, f"abs((desk.b.first_beat - {start}) / {beat} % 1 - 0.5) > 0.45")
    notebook.page.get_by_role("combobox", name="Key of the song B").last.select_option("E minor")
    settles(notebook, "desk.b.rhythm.camelot == '9A'")


@pytest.mark.usefixtures("names")
def test_sync_falls_in_and_stays(notebook: Notebook) -> None:
    """The clicks of B lie on those of A within 10 ms, through changes of A's tempo as well."""
    notebook.run("desk.a.solo('drums'); desk.b.solo('drums'); desk.a.play()")
    notebook.page.wait_for_timeout(330)
    play(notebook, "b")
    click(notebook, "Sync B")
    notebook.page.wait_for_timeout(400)
    sound = notebook.record("both", 16)
    together(sound)
    settles(notebook, "abs(desk.b.tempo - 120 / 126) < 1e-9")
    notebook.page.get_by_role("slider", name="Tempo A").last.fill("1.08")
    notebook.page.wait_for_timeout(300)
    sound = notebook.record("both", 5)
    together(sound)
    beat = np.median(np.diff(clicks(sound[:, 1])))
    assert 60 / beat == pytest.approx(120 * 1.08, abs=0.1)
    click(notebook, "Jump -4 B")
    notebook.page.wait_for_timeout(400)
    together(notebook.record("both", 2))


@pytest.mark.usefixtures("names")
def test_a_synced_deck_starts_on_the_beat(notebook: Notebook) -> None:
    notebook.run("desk.a.solo('drums'); desk.b.solo('drums')")
    click(notebook, "Sync B")
    play(notebook, "a")
    notebook.run("desk.b.play()")
    notebook.page.wait_for_timeout(900)
    together(notebook.record("both", 2))


def together(sound: Samples) -> None:
    """Check that both channels click within 10 ms of one another."""
    first, second = clicks(sound[:, 0]), clicks(sound[:, 1])
    inner = second[(second > 0.1) & (second < len(sound) / RATE - 0.1)]
    assert len(inner) >= len(first) - 2
    assert np.abs(away(inner, first)).max() < 0.01


def test_presets_and_mashup(notebook: Notebook, names: Names) -> None:
    notebook.run("desk.beats = 2; desk.play()")
    notebook.page.wait_for_timeout(300)
    click(notebook, "Drums only A")
    notebook.page.wait_for_timeout(500)
    half = level(notebook.record(names.a, 0.05), 8000)
    assert -40 < half < -1
    notebook.page.wait_for_timeout(700)
    assert level(notebook.record(names.a, 0.4), 440) < -40  # which clicks reach
    click(notebook, "Vocals of A over B")
    notebook.page.wait_for_timeout(1400)
    first, second = notebook.record(names.a, 0.4), notebook.record(names.b, 0.4)
    levels = [level(sound, tone) for sound in (first, second) for tone in TONES.values()]
    expected = [0, -100, -100, -100, 0, 0]
    np.testing.assert_allclose(np.maximum(levels, -40), np.maximum(expected, -40), atol=0.1)
    settles(notebook, "desk.crossfader == 0.5")


def test_equaliser_and_filter(notebook: Notebook, names: Names) -> None:
    notebook.run("desk.a.mute('drums')")
    play(notebook, "a")

    def heard() -> list[float]:
        notebook.page.wait_for_timeout(150)
        sound = notebook.record(names.a, 0.4)
        return [level(sound, tone) for tone in (100, 440, 8000)]

    click(notebook, "Kill low A")
    low, mid, high = heard()
    assert (low < -25, abs(high) < 0.1, abs(mid) < 3) == (True, True, True)
    click(notebook, "Kill low A")
    notebook.page.get_by_role("slider", name="High A").last.fill("-12")
    low, mid, high = heard()
    assert (low, mid, high) == pytest.approx((0, 0, -12), abs=0.5)
    notebook.run("desk.a.eq = [0.0] * 3; desk.a.filter = -0.6")
    low, _, high = heard()
    assert (abs(low) < 1, high < -25) == (True, True)
    notebook.run("desk.a.filter = 0.6")
    low, _, high = heard()
    assert (low < -25, abs(high) < 1) == (True, True)
    notebook.run("desk.a.filter = 0.0")
    np.testing.assert_allclose(heard(), 0, atol=0.1)


@pytest.mark.usefixtures("names")
def test_keyboard(notebook: Notebook) -> None:
    face = notebook.page.locator(".stemlab-decks").last
    for key in ("q", "p", "i", "1", "7", "ArrowRight"):
        face.press(key)
    settles(notebook, "desk.a.playing and desk.b.playing and desk.b.synced")
    settles(notebook, "min(desk.a.cues[0], desk.b.cues[0]) > 0 and desk.crossfader == 0.05")


def test_crate_loads_a_song(notebook: Notebook, names: Names, tmp_path: Path) -> None:
    """A folder's songs are listed with their lengths; one replaces the song on deck B."""
    tone = Audio(np.full((2 * RATE, 2), 0.1, np.float32))
    for name in ("one", "two"):
        save(tmp_path / f"{name}.wav", tone)
    notebook.run("song_b = desk.b")
    folder = notebook.page.get_by_role("textbox", name="Folder of songs").last
    folder.fill(str(tmp_path))
    folder.press("Enter")
    row = notebook.page.locator(".stemlab-decks .crate tbody tr", has_text="two").last
    row.wait_for()
    assert row.locator("td").all_inner_texts()[1:3] == ["two", "0:02"]
    click(notebook, "Load two on B")
    notebook.page.locator(".deck.B .title", has_text="two").last.wait_for()
    settles(notebook, "desk.b.title == 'two' and not song_b.comm")
    folder.fill("/nowhere")
    folder.press("Enter")
    notebook.page.locator(
        ".crate .complaint", has_text="/nowhere: there is no such folder"
    ).wait_for()
    notebook.run("desk.folder = ''; desk.b = Deck(song(second), rhythm=second)")
    assert notebook.page.evaluate("id => stemlab.players.has(id)", names.a)


def test_midi_learns(notebook: Notebook, names: Names) -> None:
    """A simulated controller's fader works the crossfader it was taught, a pad plays deck A."""
    notebook.page.evaluate(
        """() => {
          const input = { onmidimessage: null };
          globalThis.fader = (...data) => input.onmidimessage({ data: Uint8Array.from(data) });
          navigator.requestMIDIAccess = async () => ({ inputs: new Map([["1", input]]) });
        }"""
    )
    click(notebook, "Learn MIDI")
    notebook.page.get_by_role("slider", name="Crossfader").last.click()
    notebook.page.evaluate("fader(0xb0, 7, 64)")
    click(notebook, "Play A")
    notebook.page.evaluate("fader(0x90, 36, 100)")
    click(notebook, "Learn MIDI")
    assert notebook.run("print(desk.crossfader, desk.a.playing)").split() == ["0.0", "False"]
    notebook.page.evaluate("fader(0xb0, 7, 127)")
    notebook.page.evaluate("fader(0x90, 36, 100)")
    settles(notebook, "desk.crossfader == 1 and desk.a.playing")
    assert names.desk


@pytest.mark.usefixtures("names")
def test_stream_to_record(notebook: Notebook) -> None:
    """Ipywebrtc's recorder takes the master; what it saves has the tones."""
    notebook.run("desk.a.play()")
    notebook.run(
        "import ipywebrtc\n"
        "recorder = ipywebrtc.AudioRecorder(stream=desk.stream, codecs='pcm'); display(recorder)\n"
        "recorder.recording = True"
    )
    notebook.page.wait_for_timeout(2500)
    notebook.run("recorder.recording = False")
    settles(notebook, "len(recorder.audio.value) > 10_000")
    heard = notebook.run(
        "import av, io\n"
        "frames = av.open(io.BytesIO(recorder.audio.value)).decode(audio=0)\n"
        "sound = np.concatenate([f.to_ndarray().reshape(-1) for f in frames])\n"
        "print(np.abs(sound).max())"
    )
    assert float(heard) > 0.1


def test_the_app_plays(lab: Lab, tmp_path: Path) -> None:
    """`stemlab decks A B` serves the decks without code, and they sound."""
    port = _free_port()
    command = [sys.executable, "-m", "stemlab", "decks", *[str(demo.path())] * 2]
    command += ["--no-browser", f"--port={port}"]
    home = {"STEMLAB_STORE": str(tmp_path / "store"), "JUPYTER_CONFIG_DIR": str(tmp_path)}
    with (tmp_path / "log").open("wb") as log:
        app = subprocess.Popen(command, env=os.environ | home, stdout=log, stderr=log)
    try:
        _wait_for(f"http://127.0.0.1:{port}/voila/static/voila.js", app)
        page = lab.browser.new_context(viewport={"width": 1200, "height": 900}).new_page()
        page.goto(f"http://127.0.0.1:{port}")
        page.get_by_role("button", name="Play A").click(timeout=60_000)
        page.wait_for_function("[...stemlab.players.values()].some((live) => live.now?.() > 1)")
        deck = page.evaluate("[...stemlab.players].find(([, live]) => live.now)[0]")
        assert np.abs(Notebook(page).record(deck, 2)).max() > 0.05
        assert page.locator(".jp-InputArea").count() == 0
        page.locator(".deck.A .bpm", has_text=".").wait_for(timeout=60_000)
        for name in ("Jump 4 A", "Hot cue 1 A", "Sync B", "Play B", "Loop 8 B", "Mute vocals B"):
            page.get_by_role("button", name=name, exact=True).click()
        page.get_by_role("slider", name="Crossfader").fill("0.5")
        page.wait_for_timeout(3000)
        OUT.mkdir(parents=True, exist_ok=True)
        page.locator(".stemlab-decks").screenshot(path=OUT / "decks.png")
        page.context.close()
    finally:
        app.terminate()
        app.wait(20)
