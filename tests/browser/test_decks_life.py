"""Decks through what a session brings: reloads, tabs, restarts, songs that come and go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from desk import (
    FLAT,
    RATE,
    click,
    falls_silent,
    has,
    heard,
    is_at,
    make,
    now,
    play,
    tell,
    true,
)

from stemlab import demo
from stemlab.sound.audio import Audio, load, save

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Lab, Notebook
    from desk import Samples

pytestmark = pytest.mark.browser


# A controller that has learnt a pad; whoever asks for MIDI gets its input as an object of his own.
PAD = """() => {
  const inputs = [];
  navigator.requestMIDIAccess = async () => {
    inputs.push({ onmidimessage: null });
    return { inputs: new Map([["1", inputs.at(-1)]]) };
  };
  localStorage.setItem("stemlab-midi", JSON.stringify({ "144 0": "Play A" }));
  const data = Uint8Array.of(0x90, 0, 100);
  globalThis.pad = () => inputs.forEach((input) => input.onmidimessage?.({ data }));
}"""


def sounds(sound: Samples) -> bool:
    """Whether the tones of deck A are heard."""
    return has(sound, FLAT)


@pytest.fixture
def notebook(own_notebook: Notebook) -> Notebook:
    return own_notebook


def test_reload_plays_on(notebook: Notebook) -> None:
    names = make(notebook)
    tell(notebook, "desk.crossfader = 0")
    play(notebook, names, "a")
    notebook.save()
    before = now(notebook, names.a)
    notebook.page.reload()
    notebook.wait(f"globalThis.stemlab?.players.get('{names.a}')?.now() > {before} + 0.5", 120)
    heard(notebook, names.desk, sounds)


def test_a_deck_may_end_before_the_console(notebook: Notebook) -> None:
    """While it plays, the page tells the kernel every second where it is."""
    names = make(notebook)
    play(notebook, names, "a")
    tell(notebook, "desk.a.close()")
    notebook.wait(f"!stemlab.players.has('{names.a}')")
    notebook.page.wait_for_timeout(2500)
    assert not notebook.problems


def test_reload_keeps_what_was_recorded(notebook: Notebook, tmp_path: Path) -> None:
    names = make(notebook)
    tell(notebook, f"desk.crossfader = 0; desk.out = {str(tmp_path)!r}")
    play(notebook, names, "a")
    click(notebook, "Record")
    start = now(notebook, names.a)
    is_at(notebook, names.a, start + 5, 80)
    notebook.save()
    notebook.page.reload()
    notebook.wait("globalThis.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel")
    true(notebook, "'Recorded' in desk.note and not desk.recording")
    (path,) = tmp_path.iterdir()
    assert len(load(path).samples) > 2 * RATE


def test_a_second_tab_is_silent_until_it_is_asked(lab: Lab, notebook: Notebook) -> None:
    names = make(notebook)
    tell(notebook, "desk.crossfader = 0")
    play(notebook, names, "a")
    notebook.save()
    second = lab.join(notebook)
    second.wait(f"globalThis.stemlab?.players.has('{names.desk}')")
    second.page.get_by_role("button", name="Play A", exact=True).wait_for()
    heard(notebook, names.desk, sounds)
    assert not second.record(names.desk, 0.5).any()
    click(second, "Play A")
    second.wait(f"stemlab.players.get('{names.a}').playing")
    notebook.eventually("desk.a.owner", second.page.evaluate("stemlab.page"))
    heard(second, names.desk, sounds)
    falls_silent(notebook, names.desk)
    assert not second.problems


def test_a_kernel_restart_leaves_no_sound(notebook: Notebook) -> None:
    names = make(notebook)
    tell(notebook, "desk.crossfader = 0")
    notebook.run("desk.play()")
    heard(notebook, names.desk, sounds)
    notebook.keep(names.desk)
    notebook.page.evaluate("jupyterapp.shell.currentWidget.sessionContext.restartKernel()")
    falls_silent(notebook, names.desk)


def test_clearing_and_closing_leave_no_sound(notebook: Notebook) -> None:
    names = make(notebook)
    tell(notebook, "desk.crossfader = 0")
    notebook.run("desk.play()")
    heard(notebook, names.desk, sounds)
    notebook.page.evaluate("jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
    falls_silent(notebook, names.desk)
    true(notebook, "not desk.a.playing and not desk.b.playing")
    notebook.run("display(desk); desk.play()")
    heard(notebook, names.desk, sounds)
    notebook.keep(names.desk)
    notebook.run("desk.close()")
    falls_silent(notebook, names.desk)


def test_two_views_of_the_decks(notebook: Notebook, tmp_path: Path) -> None:
    """A pad acts once; both show the song that comes, also the one that is left alone."""
    songs = {name: tmp_path / f"{name}.wav" for name in ("one", "two")}
    for level, path in zip((0.1, 0.2), songs.values(), strict=True):  # alike, they were one song
        save(path, Audio(np.full((2 * RATE, 2), level, np.float32)))
    shown = (
        "[...document.querySelectorAll('.deck.B .title')].map((node) => node.textContent).join()"
    )
    notebook.page.evaluate(PAD)
    make(notebook)
    notebook.run("import ipywidgets; beside = ipywidgets.VBox([desk]); display(beside)")
    notebook.wait(f"{shown} === 'Untitled,Untitled'")
    notebook.page.evaluate("pad()")
    true(notebook, "desk.a.playing")
    notebook.run(f"desk.load('b', {str(songs['one'])!r})")
    notebook.wait(f"{shown} === 'one,one'")
    notebook.run("beside.children = []")
    notebook.run(f"desk.load('b', {str(songs['two'])!r})")
    notebook.wait(f"{shown} === 'two'")
    notebook.page.evaluate("pad()")
    true(notebook, "not desk.a.playing")


def test_two_hundred_seeks(notebook: Notebook) -> None:
    """On both decks, B synced: A sounds where it went last, B with it, memory does not grow."""
    names = make(notebook)
    memory = "import psutil; print(psutil.Process().memory_info().rss)"
    tell(notebook, "desk.crossfader = 0; desk.b.synced = True; desk.play()")
    seeks = """async ([a, b]) => {
      for (let i = 0; i < 200; i++) {
        stemlab.players.get(a).seek((i * 7.3) % 80);
        stemlab.players.get(b).seek((i * 3.1) % 80);
        await new Promise((done) => setTimeout(done, 15));
      }
      stemlab.players.get(a).seek(10);
    }"""
    notebook.page.evaluate(seeks, [names.a, names.b])
    is_at(notebook, names.a, 10.1, 60)
    before = int(notebook.run(memory))
    notebook.page.evaluate(seeks, [names.a, names.b])
    is_at(notebook, names.a, 10.1, 60)
    heard(notebook, names.desk, sounds)
    start = now(notebook, names.b)
    notebook.wait(f"stemlab.players.get('{names.b}').now() !== {start}")
    assert int(notebook.run(memory)) - before < 40e6


def test_crate_loads_a_song(notebook: Notebook, tmp_path: Path) -> None:
    """A folder's songs are listed with their lengths; one replaces the song on deck B."""
    names = make(notebook)
    tone = Audio(np.full((2 * RATE, 2), 0.1, np.float32))
    for name in ("one", "two"):
        save(tmp_path / f"{name}.wav", tone)
    notebook.run("song_b = desk.b")
    folder = notebook.page.get_by_role("combobox", name="Folder of songs").last
    folder.fill(str(tmp_path))
    folder.press("Enter")
    row = notebook.page.locator(".stemlab-decks .crate tbody tr", has_text="two").last
    row.wait_for()
    row.scroll_into_view_if_needed()
    assert row.locator("td").all_inner_texts()[1:4] == ["two", "", "0:02"]
    click(notebook, "Load two on B")
    notebook.page.locator(".deck.B .title", has_text="two").last.wait_for()
    true(notebook, "desk.b.title == 'two' and not song_b.comm")
    folder.fill("/nowhere")
    folder.press("Enter")
    notebook.page.locator(
        ".crate .complaint", has_text="/nowhere: there is no such folder"
    ).wait_for()
    assert notebook.page.evaluate("id => stemlab.players.has(id)", names.a)


def test_crate_separates_ahead_of_time(notebook: Notebook, tmp_path: Path) -> None:
    """All but the song that is cancelled; progress is shown, then the mark, tempo and key."""
    song = load(demo.path()).samples
    for name, gain in (("one", 1.0), ("two", 0.9), ("long", 0.8)):
        save(tmp_path / f"{name}.wav", Audio(np.tile(song * gain, (9 if name == "long" else 1, 1))))
    notebook.run("from stemlab.labs import decks\ndesk = decks(); display(desk)")
    folder = notebook.page.get_by_role("combobox", name="Folder of songs").last
    folder.fill(str(tmp_path))
    folder.press("Enter")
    rows = notebook.page.locator(".stemlab-decks .crate tbody tr")
    rows.nth(2).wait_for()
    click(notebook, "Separate all")
    bar = notebook.page.get_by_role("progressbar", name="Separation of long").last
    bar.wait_for()
    notebook.wait("[...document.querySelectorAll('.crate progress')].some((bar) => bar.value > 0)")
    click(notebook, "Cancel long")
    bar.wait_for(state="hidden")
    for name in ("one", "two"):
        row = rows.filter(has_text=name)
        row.get_by_role("img", name="separated").wait_for(timeout=240_000)
        row.scroll_into_view_if_needed()
        assert row.locator("td").all_inner_texts()[4:6] == ["106.0", "8A A minor"]
    true(notebook, "desk.preparing == {}")
    assert rows.filter(has_text="long").get_by_role("button", name="Separate long").is_visible()
