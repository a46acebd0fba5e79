"""The decks in the browser: tempo, key, beats and levels measured in what they play."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from conftest import PATIENCE, Notebook, _wait_for
from desk import (
    BOTH,
    FLAT,
    GONE,
    RATE,
    apart,
    click,
    clicks,
    has,
    heard,
    in_step,
    is_at,
    level,
    make,
    now,
    off_beat,
    pitch,
    play,
    press,
    reset,
    tell,
    true,
)

from stemlab import demo
from stemlab.sound.audio import load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Lab
    from desk import Names, Samples
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

OUT = Path(__file__).parents[2] / "out" / "screenshots"
MINUTE = 60
# Acts as soon as a player is heard at a second of its song, or less than 10 ms later.
AT = """([id, second, act]) => new Promise((resolve) => {
  const look = () => {
    const past = stemlab.players.get(id).now() - second;
    if (past < 0 || past > 0.01) return setTimeout(look);
    resolve(new Function(act)());
  };
  look();
})"""


@pytest.fixture(scope="module")
def shared(notebook: Notebook) -> Names:
    """Show one pair of decks for all tests."""
    return make(notebook)


@pytest.fixture
def names(notebook: Notebook, shared: Names) -> Iterator[Names]:
    """Put all controls to rest; the page must not complain."""
    reset(notebook)
    yield shared
    notebook.run("desk.a.pause(); desk.b.pause()")
    assert not notebook.problems


def sync(notebook: Notebook, names: Names) -> None:
    """Play the drums of both decks, B on the beat of A."""
    notebook.run("desk.a.solo('drums'); desk.b.solo('drums')")
    play(notebook, names, "a")
    play(notebook, names, "b")
    click(notebook, "Sync B")
    heard(notebook, "both", in_step, 2)


def test_started_together_they_stay_together(notebook: Notebook, names: Names) -> None:
    """Both play the same song; Space starts both. Not one sample differs over a minute."""
    notebook.run("song_b = desk.b; desk.b = Deck(song(first), rhythm=first)")
    twin = notebook.run("print(desk.b.model_id)").strip()
    notebook.wait(f"stemlab.players.has('{twin}')")
    notebook.page.evaluate(BOTH, [names.a, twin])
    tell(notebook, "desk.a.seek(0); desk.b.seek(0)")
    notebook.page.locator(".stemlab-decks").last.press("Space")
    sound = notebook.record("both", MINUTE)
    assert len(clicks(sound[:, 0])) > 100
    np.testing.assert_allclose(sound[:, 0], sound[:, 1], atol=1e-6)
    notebook.run("desk.b.close(); desk.b = song_b")
    notebook.wait(f"stemlab.players.has('{names.b}')")
    notebook.page.evaluate(BOTH, [names.a, names.b])


def test_starting_both_leaves_alone_what_plays(notebook: Notebook, names: Names) -> None:
    """No hundredth of a second of it is silent."""
    play(notebook, names, "a")
    sound = notebook.record(names.a, 2, press("Play both decks together"))
    assert np.abs(sound[:, 0]).reshape(-1, RATE // 100).max(1).min() > 0.01
    true(notebook, "desk.a.playing and desk.b.playing")


def test_a_synced_deck_keeps_to_the_beat(notebook: Notebook, names: Names) -> None:
    """For a minute the clicks of B lie within 10 ms of A's, which lie on a grid."""
    sync(notebook, names)
    true(notebook, "abs(desk.b.tempo - 120 / 126) < 1e-9")
    sound = notebook.record("both", MINUTE)
    beats = clicks(sound[:, 0])
    grid = np.polyval(np.polyfit(np.arange(len(beats)), beats, 1), np.arange(len(beats)))
    np.testing.assert_allclose(beats, grid, atol=0.002)
    assert len(beats) > 118
    assert np.abs(apart(sound)).max() < 0.01


def test_a_jump_to_where_a_block_begins(notebook: Notebook, names: Names) -> None:
    """The stretch reads what lies before the playhead: it has to be fetched, too."""
    notebook.run(
        f"from stemlab.library.store import BLOCK\ndesk.a.seek((170 * BLOCK + 100) / {RATE})"
    )
    notebook.run("desk.a.play(); desk.crossfader = 0")
    is_at(notebook, names.a, 63.3, 80)
    heard(notebook, names.desk, lambda sound: has(sound, FLAT))


def test_sync_follows_tempo_and_jumps(notebook: Notebook, names: Names) -> None:
    sync(notebook, names)
    notebook.page.get_by_role("slider", name="Tempo A").last.fill("1.08")

    def faster(sound: Samples) -> bool:
        beat = np.median(np.diff(clicks(sound[:, 1]))) if in_step(sound) else np.inf
        return bool(abs(60 / beat - 120 * 1.08) < 0.1)

    heard(notebook, "both", faster, 4)
    click(notebook, "Jump -4 B")
    heard(notebook, "both", in_step, 2)


def test_a_seek_pulls_the_synced_deck_along(notebook: Notebook, names: Names) -> None:
    """A goes off the beat by mouse, by Python and by stopping; B falls in each time."""
    sync(notebook, names)
    box = notebook.page.locator(".deck.A .overview").last.bounding_box()
    assert box
    notebook.page.mouse.click(box["x"] + 0.3371 * box["width"], box["y"] + 20)
    is_at(notebook, names.a, 30, 45)
    heard(notebook, "both", in_step, 2)
    notebook.run("desk.a.seek(10.237)")
    is_at(notebook, names.a, 10.3, 25)
    heard(notebook, "both", in_step, 2)
    notebook.run("desk.a.pause()")
    notebook.wait(f"!stemlab.players.get('{names.a}').playing")
    play(notebook, names, "a")
    heard(notebook, "both", in_step, 2)


@pytest.mark.parametrize("hand", ["pointer", "key"])
def test_a_deck_off_the_beat_shows_it(notebook: Notebook, names: Names, hand: str) -> None:
    """Nudged off the beat, SYNC shows that it was lost; a click brings it back."""
    sync(notebook, names)
    lost = notebook.page.locator(".deck.B .sync.lost").last
    nudge = notebook.page.get_by_role("button", name="Nudge faster B").last
    if hand == "key":
        nudge.focus()
        notebook.page.keyboard.down("Space")
    else:
        nudge.dispatch_event("pointerdown", {"pointerId": 1})
    lost.wait_for()
    if hand == "key":
        notebook.page.keyboard.up("Space")
    else:
        nudge.dispatch_event("pointerup", {"pointerId": 1})
    heard(notebook, "both", lambda sound: not in_step(sound), 2)
    click(notebook, "Sync B")
    heard(notebook, "both", in_step, 2)
    lost.wait_for(state="hidden")
    true(notebook, "desk.b.synced")


def test_a_click_alone_is_a_short_nudge(notebook: Notebook, names: Names) -> None:
    """As by MIDI or a screen reader: B comes some 8 ms sooner, and no more."""
    sync(notebook, names)
    off = apart(notebook.record("both", 6, press("Nudge faster B")))
    assert -0.03 < off[-1] - off[0] < -0.004
    np.testing.assert_allclose(off[-3:], off[-1], atol=0.002)


def test_a_synced_deck_starts_on_the_beat(notebook: Notebook, names: Names) -> None:
    notebook.run("desk.a.solo('drums'); desk.b.solo('drums')")
    click(notebook, "Sync B")
    play(notebook, names, "a")
    play(notebook, names, "b")
    assert in_step(notebook.record("both", 2))


def test_at_rest_nothing_is_changed(notebook: Notebook, names: Names) -> None:
    play(notebook, names, "a")
    heard(notebook, names.desk, lambda sound: has(sound, FLAT))


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
    expected = dict(zip((440.0, 100.0), gains, strict=True))
    heard(notebook, names.desk, lambda sound: has(sound, expected))


def test_stems_of_each_deck(notebook: Notebook, names: Names) -> None:
    notebook.run("desk.play()")
    click(notebook, "Mute vocals A")
    click(notebook, "Solo vocals B")
    notebook.page.get_by_role("slider", name="Vocals level B").last.fill("0.5")
    half = 20 * np.log10(0.5)
    heard(notebook, names.a, lambda sound: has(sound, FLAT | {440.0: GONE}))
    heard(notebook, names.b, lambda sound: has(sound, {440.0: half, 100.0: GONE, 8000.0: GONE}))


@pytest.mark.parametrize(("tempo", "semitones"), [(1.16, 0), (0.84, 0), (1.0, 3), (1.08, -6)])
def test_tempo_keeps_the_pitch_and_key_the_tempo(
    notebook: Notebook, names: Names, tempo: float, semitones: int
) -> None:
    notebook.run("desk.a.solo('drums')")
    play(notebook, names, "a")
    notebook.run(f"desk.a.tempo, desk.a.semitones = {tempo}, {semitones}")

    def fast(sound: Samples) -> bool:
        beats = np.diff(clicks(sound[:, 0]))
        return len(beats) > 2 and bool(abs(np.median(beats) * tempo / 0.5 - 1) < 0.01)

    heard(notebook, names.a, fast, 3)
    notebook.run("desk.a.solo('vocals')")
    expected = 440 * 2 ** (semitones / 12)
    cents = 1200 * np.log2(pitch(heard(notebook, names.a, is_a_tone, 1), expected) / expected)
    assert abs(cents) < 1


def is_a_tone(sound: Samples) -> bool:
    """Whether the clicks have gone and a tone sounds."""
    return bool(0.5 < np.abs(sound).max() / 0.1 < 1.2)


def test_loop_of_beats(notebook: Notebook, names: Names) -> None:
    notebook.run("desk.a.solo('drums')")
    play(notebook, names, "a")
    click(notebook, "Loop 2 A")
    true(notebook, "desk.a.loop")
    a, b = (float(edge) for edge in notebook.run("print(*desk.a.loop)").split())
    assert b - a == pytest.approx(1.0)
    assert off_beat(a) < 1e-6
    times = clicks(notebook.record(names.a, 4)[:, 0])
    np.testing.assert_allclose(np.diff(times), 0.5, atol=0.002)
    assert a <= now(notebook, names.a) <= b
    click(notebook, "Loop 1 A")
    is_at(notebook, names.a, a, a + 0.1)
    times = clicks(notebook.record(names.a, 2)[:, 0])
    np.testing.assert_allclose(np.diff(times), 0.5, atol=0.002)
    assert a <= now(notebook, names.a) <= a + 0.5
    click(notebook, "Loop 1 A")
    is_at(notebook, names.a, b, b + 30)


def test_a_loop_whose_end_is_about_to_be_heard(notebook: Notebook, names: Names) -> None:
    """What is made is ahead of the ear and has passed the new end: it comes back on the beat."""
    notebook.run("desk.a.solo('drums')")
    play(notebook, names, "a")
    click(notebook, "Loop 2 A")
    true(notebook, "desk.a.loop")
    a = float(notebook.run("print(desk.a.loop[0])"))
    notebook.evaluate(AT, [names.a, a + 0.49, press("Loop 1 A")])
    times = clicks(notebook.record(names.a, 4)[:, 0])
    np.testing.assert_allclose(np.diff(times), 0.5, atol=0.002)
    assert a <= now(notebook, names.a) <= a + 0.5


def test_the_playhead_stays_in_its_loop(notebook: Notebook, names: Names) -> None:
    """Also where the last report is on the other side of a turn."""
    play(notebook, names, "a")
    click(notebook, "Loop 1 A")
    true(notebook, "desk.a.loop")
    a, b = json.loads(notebook.run("print(list(desk.a.loop))"))
    turns = f"""async () => {{
        const deck = stemlab.players.get("{names.a}"), places = [];
        await new Promise((done) => setTimeout(done, 1500));
        for (const until = performance.now() + 3000; performance.now() < until; ) {{
            places.push(deck.now());
            await new Promise((done) => setTimeout(done, 2));
        }}
        return places;
    }}"""
    places = np.array(notebook.page.evaluate(turns))
    assert len(places) > 50
    assert (np.diff(places) < 0).sum() > 2
    assert places.min() >= a
    assert places.max() <= b


def test_a_loop_is_ended_while_a_jump_is_on_its_way(notebook: Notebook, names: Names) -> None:
    """What got ready for the jump knew the loop that is no more."""
    play(notebook, names, "a")
    click(notebook, "Loop 2 A")
    true(notebook, "desk.a.loop")
    a = float(notebook.run("print(desk.a.loop[0])"))
    again = f"return new Promise(done => setTimeout(() => done({press('Loop 1 A')}), 40))"
    notebook.evaluate(AT, [names.a, a + 0.47, f"{press('Loop 1 A')}; {again}"])
    is_at(notebook, names.a, a + 1.5, a + 30)


def test_jumps_stay_on_the_beat(notebook: Notebook, names: Names) -> None:
    """Jumps, forward and back beyond what the page has, do not break the row of clicks."""
    tell(notebook, "desk.a.solo('drums'); desk.a.seek(40)")
    play(notebook, names, "a")
    before = now(notebook, names.a)
    acts = [press(f"Jump {beats} A") for beats in (4, -1, 4)]
    times = clicks(notebook.record(names.a, 6, *acts)[:, 0])
    np.testing.assert_allclose(np.diff(times), 0.5, atol=0.002)
    assert now(notebook, names.a) - before > 6 + 3.5 - 0.5


@pytest.mark.parametrize(
    ("place", "jump", "edge"),
    [(1, "Jump -4 A", "loop[0] - 0.1"), (80, "Jump 4 A", "loop[1] - 89.6")],
)
def test_a_loop_that_jumps_stays_in_the_song(
    notebook: Notebook, names: Names, place: float, jump: str, edge: str
) -> None:
    """At either end it stops at the last beat there is, and plays on."""
    tell(notebook, f"desk.a.solo('vocals'); desk.a.seek({place})")
    play(notebook, names, "a")
    click(notebook, "Loop 1 A")
    true(notebook, "desk.a.loop")
    for _ in range(8):
        click(notebook, jump)
    true(notebook, f"abs(desk.a.{edge}) < 1e-6")
    heard(notebook, names.a, lambda sound: has(sound, {440.0: 0.0}), 2)


def test_hot_cues_and_cue_point(notebook: Notebook, names: Names) -> None:
    play(notebook, names, "a")
    click(notebook, "Hot cue 1 A")
    true(notebook, "'at' in desk.a.cues[0]")
    cue = float(notebook.run("print(desk.a.cues[0]['at'])"))
    assert off_beat(cue) < 1e-6
    notebook.run("desk.a.seek(60)")
    is_at(notebook, names.a, 60.1, 80)
    click(notebook, "Hot cue 1 A")
    is_at(notebook, names.a, cue, cue + 20)
    notebook.page.get_by_role("button", name="Hot cue 1 A").last.click(button="right")
    notebook.page.get_by_role("textbox", name="Name of the hot cue A").last.fill("Drop")
    true(notebook, "desk.a.cues[0].get('name') == 'Drop'")
    click(notebook, "Clear hot cue A")
    true(notebook, "desk.a.cues[0] == {}")
    tell(notebook, "desk.a.pause(); desk.a.seek(20)")
    click(notebook, "Cue A")
    true(notebook, "abs(desk.a.cue - 20) < 1e-3")
    play(notebook, names, "a")
    click(notebook, "Cue A")
    is_at(notebook, names.a, 20 - 1e-3, 20 + 1e-3)
    true(notebook, "not desk.a.playing")


def test_grid_is_correctable(notebook: Notebook, names: Names) -> None:
    tell(notebook, "desk.b.first_beat = 0.0")
    play(notebook, names, "b")
    click(notebook, "Double tempo B")
    true(notebook, "desk.b.bpm == 252")
    click(notebook, "Halve tempo B")
    click(notebook, "Grid later B")
    true(notebook, "desk.b.bpm == 126 and abs(desk.b.first_beat - 0.01) < 1e-6")
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
    beat, middle = np.polyfit(np.arange(-2, 3), times, 1)
    true(notebook, f"abs(desk.b.bpm - {60 / beat}) < 2")
    true(notebook, f"abs((desk.b.first_beat - {middle}) * desk.b.bpm / 60 % 1 - 0.5) > 0.45")
    notebook.page.get_by_role("combobox", name="Key of the song B").last.select_option("E minor")
    true(notebook, "desk.b.rhythm.camelot == '9A'")


def test_presets_fade_in(notebook: Notebook, names: Names) -> None:
    """In eight beats, four seconds, the tones go little by little."""
    tell(notebook, "desk.beats = 8")
    play(notebook, names, "a")
    sound = notebook.record(names.a, 12, press("Drums only A"))
    parts = [level(part, 8000) for part in np.array_split(sound, 120)]
    assert parts[0] == pytest.approx(0, abs=0.2)
    assert parts[-1] < -40
    assert sum(-30 < part < -1 for part in parts) > 3


def test_mashup(notebook: Notebook, names: Names) -> None:
    notebook.run("desk.beats = 1; desk.play()")
    click(notebook, "Vocals A + music B")
    heard(notebook, names.a, lambda sound: has(sound, {440.0: 0, 100.0: GONE, 8000.0: GONE}))
    heard(notebook, names.b, lambda sound: has(sound, {440.0: GONE, 100.0: 0, 8000.0: 0}))
    true(notebook, "desk.crossfader == 0.5")


def test_equaliser_and_filter(notebook: Notebook, names: Names) -> None:
    notebook.run("desk.a.mute('drums')")
    play(notebook, names, "a")

    def bands(low: float, mid: float, high: float, slack: float) -> None:
        expected = np.array([low, mid, high])

        def good(sound: Samples) -> bool:
            found = np.array([level(sound, tone) for tone in (100, 440, 8000)])
            near = np.abs(found - expected) < slack
            return bool((near | (np.isnan(expected)) | (np.maximum(found, expected) < -25)).all())

        heard(notebook, names.a, good)

    click(notebook, "Kill low A")
    bands(GONE, 0, 0, 3)
    click(notebook, "Kill low A")
    notebook.page.get_by_role("slider", name="High A").last.fill("-12")
    bands(0, 0, -12, 0.5)
    notebook.run("desk.a.eq = [0.0] * 3; desk.a.filter = -0.6")
    bands(0, np.nan, GONE, 1)
    notebook.run("desk.a.filter = 0.6")
    bands(GONE, np.nan, 0, 1)
    notebook.run("desk.a.filter = 0.0")
    bands(0, 0, 0, 0.1)


@pytest.mark.usefixtures("names")
def test_keyboard(notebook: Notebook) -> None:
    face = notebook.page.locator(".stemlab-decks").last
    for key in ("q", "p", "i", "1", "7", "ArrowRight"):
        face.press(key)
    true(notebook, "desk.a.playing and desk.b.playing and desk.b.synced")
    true(notebook, "desk.a.cues[0] and desk.b.cues[0] and desk.crossfader == 0.05")


@pytest.mark.usefixtures("names")
def test_letters_are_left_to_what_chooses_by_them(notebook: Notebook) -> None:
    """They neither start a deck nor mark a cue."""
    curve = notebook.page.get_by_role("combobox", name="Crossfader curve").last
    for key in ("l", "q"):
        curve.press(key)
    true(notebook, "desk.curve == 'linear'")
    true(notebook, "not desk.a.playing and not any(desk.b.cues)")


STOPS = """([part, at]) => {
  const root = [...document.querySelectorAll(".stemlab-decks")].at(-1);
  const node = root.querySelector(part);
  const all = [...node.querySelectorAll("button, input, select")];
  if (at === "all") return all.filter((one) => one.tabIndex === 0 && one.checkVisibility()).length;
  return node.contains(document.activeElement) ? all.indexOf(document.activeElement) : -1;
}"""
PARTS = {"Deck A": ".deck.A", "Deck B": ".deck.B", "Mixer": ".mixer", "Crossfader": ".crossing"}
PARTS |= {"Crate": ".crate", "Save": ".saving"}


@pytest.mark.usefixtures("names")
@pytest.mark.parametrize("part", PARTS)
def test_every_control_is_at_most_twenty_tabs_away(notebook: Notebook, part: str) -> None:
    """The first stop leads straight to a part; each stop of it comes within twenty presses."""
    page, keyboard = notebook.page, notebook.page.keyboard
    page.locator(".stemlab-decks").last.focus()
    keyboard.press("Tab")
    assert notebook.focused().startswith("Go to")
    notebook.go_to(f"Go to: {part}", "ArrowRight")
    keyboard.press("Enter")
    reached = set()
    while (at := page.evaluate(STOPS, [PARTS[part], "now"])) >= 0:
        reached.add(at)
        keyboard.press("Tab")
    assert len(reached) == page.evaluate(STOPS, [PARTS[part], "all"])
    assert 0 < len(reached) <= 21  # the first without a press


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
    true(notebook, "desk.crossfader == 1 and desk.a.playing")
    assert names.desk


def test_headphones_hear_ahead_of_the_crossfader(notebook: Notebook, names: Names) -> None:
    """PFL lets them hear a deck that the room does not, on an output that was chosen."""
    notebook.page.evaluate(
        """id => { const { phones, context } = stemlab.players.get(id);
          (globalThis.kept ??= {}).phones = { output: phones, context }; }""",
        names.desk,
    )
    notebook.run("desk.crossfader = 1; desk.a.levels = [1, 0, 1, 1]; desk.a.master = 0.0")
    play(notebook, names, "a")
    click(notebook, "Headphones A")
    heard(notebook, "phones", lambda sound: has(sound, FLAT))
    heard(notebook, names.desk, lambda sound: has(sound, dict.fromkeys(FLAT, GONE)))
    told = notebook.page.locator(".stemlab-decks > .complaint").last
    told.filter(has_text="Choose the output of your headphones").wait_for()
    output = notebook.page.get_by_role("combobox", name="Output of the headphones").last
    output.select_option("?")
    notebook.wait(
        "[...document.querySelectorAll('.stemlab-decks select.output')].at(-1).length > 2"
    )
    output.select_option(index=1)
    told.filter(has_text="Choose").wait_for(state="detached")
    chosen = output.input_value()
    assert chosen not in {"", "?"}
    click(notebook, "Headphones A")
    heard(notebook, "phones", lambda sound: not sound.any())
    notebook.run("desk.a.master = 1.0")


def test_without_a_second_output_the_headphones_say_so(notebook: Notebook, names: Names) -> None:
    notebook.page.evaluate(
        """() => { globalThis.setSink = HTMLMediaElement.prototype.setSinkId;
          delete HTMLMediaElement.prototype.setSinkId; }"""
    )
    output = notebook.page.get_by_role("combobox", name="Output of the headphones").last
    output.select_option("?")
    told = notebook.page.locator(".stemlab-decks > .complaint").last
    told.filter(has_text="no second output for headphones").wait_for()
    notebook.page.evaluate("() => { HTMLMediaElement.prototype.setSinkId = globalThis.setSink; }")
    output.select_option("")
    assert names.desk


def test_what_is_heard_is_recorded(notebook: Notebook, names: Names, tmp_path: Path) -> None:
    """The file has the tones as they sounded, from no more pieces than Jupyter lets through."""
    tell(notebook, f"desk.out = {str(tmp_path)!r}; desk.kind = 'flac'; desk.a.mute('drums')")
    play(notebook, names, "a")
    heard(notebook, names.desk, lambda sound: has(sound, FLAT))
    click(notebook, "Record")
    notebook.page.get_by_role("button", name="Stop recording").last.wait_for()
    start = now(notebook, names.a)
    is_at(notebook, names.a, start + 6, 90)
    click(notebook, "Stop recording")
    note = notebook.page.locator(".stemlab-decks .note", has_text="Recorded 00:").last
    note.wait_for()
    (path,) = tmp_path.iterdir()
    assert str(path) in (note.text_content() or "")
    assert path.suffix == ".flac"
    sound = load(path).samples
    assert len(sound) > 4 * RATE
    assert has(sound[len(sound) // 2 : len(sound) // 2 + RATE], FLAT)


def test_a_recording_that_cannot_be_written_is_told(
    notebook: Notebook, names: Names, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    tell(notebook, f"desk.out = {str(tmp_path / 'file')!r}")
    click(notebook, "Record")
    notebook.page.locator(".stemlab-decks .note", has_text="choose another folder").last.wait_for()
    true(notebook, "not desk.recording")
    assert names.desk


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("a vocals", {440.0: 0.0, 100.0: GONE}),
        ("a mix", {440.0: -6.02, 100.0: 0.0, 8000.0: GONE}),
        ("a stem.mp4", {}),
    ],
)
def test_export(
    notebook: Notebook, names: Names, tmp_path: Path, what: str, expected: dict[float, float]
) -> None:
    code = "desk.a.levels = [0.5, 1, 1, 1]; desk.a.mute('other', 'drums'); desk.kind = 'wav'"
    tell(notebook, f"{code}; desk.out = {str(tmp_path / 'new')!r}")
    notebook.page.get_by_role("combobox", name="What to save").last.select_option(what)
    click(notebook, "Save")
    note = notebook.page.locator(".stemlab-decks .note", has_text="Saved").last
    note.wait_for(timeout=4000 * PATIENCE)
    (path,) = (tmp_path / "new").glob("[!.]*")
    assert note.text_content() == f"Saved {path}"
    sound = load(path).samples
    assert len(sound) == pytest.approx(90 * RATE, abs=2048)
    assert has(sound[RATE : 2 * RATE], expected)
    assert names.desk


# The lower edges of what has to be in view.
LOWEST = """[".crossing", ".crate tbody tr:nth-child(2)"].map((one) =>
  document.querySelector(one).getBoundingClientRect().bottom)"""


def opened(lab: Lab, address: str, link: str) -> Page:
    """Open the app: it says at once that it starts, and asks no other server for anything."""
    page = lab.window(1280, 800)
    elsewhere: list[str] = []
    page.on("request", lambda request: elsewhere.append(request.url))
    page.goto(address + link, wait_until="commit")
    page.get_by_text("Starting…").wait_for(timeout=5000)
    page.get_by_role("button", name="Play A").wait_for()
    assert not [url for url in elsewhere if not url.startswith((address, "blob:", "data:"))]
    return page


def test_the_app_plays(lab: Lab, tmp_path: Path) -> None:
    """`stemlab decks A B` serves the decks without code, and they sound."""
    log = tmp_path / "log"
    song = tmp_path / "Music" / demo.path().name
    command = [sys.executable, "-m", "stemlab", "decks", str(song), str(song)]
    command += ["--no-browser"]
    home = {"STEMLAB_STORE": str(tmp_path / "store"), "JUPYTER_CONFIG_DIR": str(tmp_path)}
    home["HOME"] = str(tmp_path)
    song.parent.mkdir()
    for part in ("mix", "drums", "bass"):
        shutil.copy(demo.path().with_stem(part), song.parent)
    with log.open("wb") as file:
        app = subprocess.Popen(command, env=os.environ | home, stderr=file)
    try:
        while not (found := re.findall(r"(http://127\S*)(/voila\S*token=\w+)", log.read_text())):
            assert app.poll() is None
            time.sleep(0.1)
        [address, link] = found[-1]
        _wait_for(f"{address}/login", app)
        page = opened(lab, address, link)
        page.get_by_role("button", name="Play A").click()
        page.wait_for_function("[...stemlab.players.values()].some((live) => live.now?.() > 1)")
        deck = page.evaluate("[...stemlab.players].find(([, live]) => live.now)[0]")
        assert np.abs(Notebook(page).record(deck, 2)).max() > 0.05
        assert page.locator(".jp-InputArea").count() == 0
        page.locator(".deck.A .bpm", has_text=".").wait_for(timeout=4000 * PATIENCE)
        for name in ("Jump 4 A", "Hot cue 1 A", "Sync B", "Play B", "Loop 8 B", "Mute vocals B"):
            page.get_by_role("button", name=name, exact=True).click()
        page.get_by_role("slider", name="Crossfader").fill("0.5")
        page.get_by_role("combobox", name="Folder of songs").fill("~/Music")
        page.get_by_role("combobox", name="Folder of songs").press("Enter")
        page.get_by_role("textbox", name="Folder to save to").fill("~/Music/stemlab")
        page.get_by_role("textbox", name="Folder to save to").press("Tab")
        page.locator(".crate .done >> visible=true").first.wait_for(timeout=4000 * PATIENCE)
        assert max(page.evaluate(LOWEST)) < 800
        page.wait_for_function(
            "[...stemlab.players.values()].filter((live) => live.now?.() > 3).length === 2"
        )
        OUT.mkdir(parents=True, exist_ok=True)
        page.locator(".stemlab-decks").screenshot(path=OUT / "decks.png")
        assert len(page.context.request.get(f"{address}/api/kernels").json()) == 1
        context = page.context
        page.close(run_before_unload=True)
        end = time.monotonic() + 20  # by itself a kernel would wait a minute
        while context.request.get(f"{address}/api/kernels").json():
            assert time.monotonic() < end
            time.sleep(0.1)
        context.close()
    finally:
        app.terminate()
        app.wait(PATIENCE)
