"""A DJ's whole session without a mouse: by the keyboard, and by a controller; then all is back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from desk import RATE, tell, true

from stemlab.sound.audio import Audio, load, save

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Notebook

pytestmark = pytest.mark.browser

SECONDS = 20
BEGIN = """
from stemlab.labs import decks
from stemlab.library import facts
from stemlab.library.rhythm import Rhythm
from stemlab.library.store import Store
from pathlib import Path
for song in {songs}:
    note = Store().note(Path(song))
    facts.keep_rhythm(note, Rhythm(120, 0.0, "A minor", 1))
    facts.keep(note, loudness=-14.0)
desk = decks(out={out!r})
display(desk)
"""
AGAIN = """
from stemlab.labs import decks
desk = decks({two!r}, {one!r})
display(desk)
"""
# A controller that has learnt a pad for each control that is named, and how to press one.
CONTROLLER = """(names) => {
  const input = { onmidimessage: null };
  navigator.requestMIDIAccess = async () => ({ inputs: new Map([["1", input]]) });
  const bound = Object.fromEntries(names.map((name, i) => [`144 ${i}`, name]));
  localStorage.setItem("stemlab-midi", JSON.stringify(bound));
  globalThis.pad = (name) =>
    input.onmidimessage({ data: Uint8Array.of(0x90, names.indexOf(name), 100) });
}"""
PADS = [
    *("Next song", "Load chosen song on A", "Load chosen song on B", "Play A", "Play B", "Sync B"),
    *("Mute vocals A", "Hot cue 5 A", "Edit hot cues A", "Hot cue recalls the stems A"),
    *("Close hot cue A", "Loop 4 A", "Vocals A + music B", "Record", "Cue A"),
]
FOCUS = "document.activeElement.getAttribute('aria-label')"


@pytest.fixture
def notebook(own_notebook: Notebook) -> Notebook:
    return own_notebook


class Keys:
    """Works the decks with the keyboard alone."""

    def __init__(self, notebook: Notebook) -> None:
        self.notebook, self.page = notebook, notebook.page

    def focus(self) -> None:
        """Come back to the decks: a cell that a test runs takes the focus away."""
        self.page.locator(".stemlab-decks").last.focus()

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def tab(self, name: str) -> None:
        """Go from tab stop to tab stop until a control has the focus."""
        for _ in range(100):
            if self.page.evaluate(FOCUS) == name:
                return
            self.press("Tab")
        raise AssertionError(f"{name} is no tab stop")

    def load(self, songs: Path) -> None:
        self.focus()
        self.tab("Folder of songs")
        self.page.keyboard.type(str(songs))
        self.press("Enter")
        self.page.locator(".crate tbody tr").nth(1).wait_for()
        self.tab("Search the crate")
        self.page.keyboard.type("two")
        self.press("Enter")
        self.tab("Previous song")
        self.press("ArrowRight", "ArrowRight")
        assert self.page.evaluate(FOCUS) == "Load chosen song on A"
        self.press("Enter")
        self.press("Slash", "Control+a")
        self.page.keyboard.type("one")
        self.press("Enter")
        self.tab("Load chosen song on A")
        self.press("Shift+ArrowRight")

    def play(self) -> None:
        self.focus()
        self.press("q")

    def prepare(self) -> None:
        """Mark a cue, have it recall that the vocals are mute, and name it."""
        self.focus()
        self.press("z", "a")
        true(self.notebook, "desk.a.mutes[0] and 'at' in desk.a.cues[4]")
        self.focus()
        self.tab("Hot cue 1 A")
        self.press("ArrowLeft", "Enter")
        self.press(*["ArrowLeft"] * 4, "Enter")
        self.page.keyboard.type("Drop")
        self.tab("Hot cue recalls the stems A")
        self.press("Enter", "ArrowLeft", "Enter")

    def mix(self) -> None:
        self.focus()
        self.press("r", "p", "i", "g")

    def record(self) -> None:
        self.focus()
        self.press("Shift+R")

    def stop(self) -> None:
        self.focus()
        self.press("w")


class Controller:
    """Works the decks with a controller alone, but for the folder."""

    def __init__(self, notebook: Notebook) -> None:
        self.notebook, self.page = notebook, notebook.page
        self.page.evaluate(CONTROLLER, PADS)

    def pads(self, *names: str) -> None:
        for name in names:
            self.page.evaluate("(name) => pad(name)", name)

    def load(self, songs: Path) -> None:
        tell(self.notebook, f"desk.folder = {str(songs)!r}")
        self.page.locator(".crate tbody tr").nth(1).wait_for()
        self.pads("Next song", "Load chosen song on B", "Next song", "Load chosen song on A")

    def play(self) -> None:
        self.pads("Play A")

    def prepare(self) -> None:
        self.pads("Mute vocals A", "Hot cue 5 A")
        true(self.notebook, "desk.a.mutes[0] and 'at' in desk.a.cues[4]")
        self.pads("Edit hot cues A", "Hot cue 5 A", "Hot cue recalls the stems A")
        self.pads("Close hot cue A")

    def mix(self) -> None:
        self.pads("Loop 4 A", "Play B", "Sync B", "Vocals A + music B")

    def record(self) -> None:
        self.pads("Record")

    def stop(self) -> None:
        self.pads("Cue A")


@pytest.mark.parametrize("hand", [Keys, Controller])
def test_a_session(notebook: Notebook, tmp_path: Path, hand: type[Keys | Controller]) -> None:
    songs, out = tmp_path / "songs", tmp_path / "out"
    songs.mkdir()
    one, two = (str(songs / f"{name}.wav") for name in ("one", "two"))
    noise = np.random.default_rng(1).normal(0, 0.1, (SECONDS * RATE, 2)).astype(np.float32)
    for path, sound in ((one, noise), (two, noise[::-1])):
        save(path, Audio(sound))
    session = hand(notebook)
    notebook.run(BEGIN.format(songs=[one, two], out=str(out)))
    notebook.page.locator(".stemlab-decks .crate").wait_for()
    session.load(songs)
    for side, name in (("A", "two"), ("B", "one")):
        notebook.page.locator(f".deck.{side} .title", has_text=name).wait_for()
    session.play()
    deck = notebook.run("print(desk.a.model_id)").strip()
    notebook.wait(f"stemlab.players.get('{deck}')?.now() > 1")
    session.prepare()
    true(notebook, "desk.a.cues[4].get('mutes') == [True, False, False, False]")
    session.mix()
    true(notebook, "len(desk.a.loop) == 2 and desk.b.playing and desk.b.synced")
    true(notebook, "desk.a.levels == [1, 0, 0, 0] and desk.b.levels == [0, 1, 1, 1]")
    session.record()
    true(notebook, "desk.recording")
    notebook.page.wait_for_function(
        "(from) => stemlab.page && performance.now() > from + 2000",
        arg=notebook.page.evaluate("performance.now()"),
    )
    session.record()
    true(notebook, "'Recorded' in desk.note")
    session.stop()
    true(notebook, "not desk.a.playing")
    state = "[desk.a.cues, desk.a.last_loop, desk.folders]"
    before = json.loads(notebook.run(f"import json; print(json.dumps({state}))"))
    assert before[0][4].get("name") == ("Drop" if hand is Keys else None)
    notebook.run("desk.close()")
    [recorded] = out.iterdir()
    assert np.abs(load(recorded).samples).max() > 0.01
    notebook.page.evaluate("jupyterapp.shell.currentWidget.sessionContext.restartKernel()")
    notebook.run(AGAIN.format(one=one, two=two))
    after = json.loads(notebook.run(f"import json; print(json.dumps({state}))"))
    assert after == before
    notebook.page.locator(".stemlab-decks").last.press("a")
    true(notebook, "desk.a.playing and desk.a.mutes == [True, False, False, False]")
