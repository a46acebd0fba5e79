"""The keyboard: while a widget has the focus, its keys are its own and not the notebook's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from axe import faults

if TYPE_CHECKING:
    from conftest import Notebook
    from playwright.sync_api import Locator

pytestmark = pytest.mark.browser

CELL = """
import ipywidgets
import numpy as np
from stemlab import Audio, MaskView, StemPlayer
tone = np.sin(np.arange(4 * 44_100) / 30)[:, None].repeat(2, 1).astype("float32") / 4
player = StemPlayer({"vocals": Audio(tone), "drums": Audio(tone)})
beside = ipywidgets.FloatSlider(0.5, max=1, step=0.1, description="beside")
display(ipywidgets.VBox([beside, player, MaskView(player)]))
"""
# What JupyterLab's commands would change.
STATE = """() => {
  const { content } = globalThis.jupyterapp.shell.currentWidget;
  const cells = content.widgets.map((cell) => [cell.model.id, cell.model.type]);
  return JSON.stringify([cells, content.activeCellIndex, content.mode]);
}"""
# Cut, delete, insert, copy and paste, undo, change the kind, select, run.
COMMANDS = ["x", "d", "d", "a", "b", "c", "v", "z", "y", "m", "j", "k", "ArrowUp", "ArrowDown"]
COMMANDS += ["ArrowLeft", "ArrowRight", "Enter", "Shift+Enter"]


@pytest.fixture(scope="module", autouse=True)
def _widgets(notebook: Notebook) -> None:
    notebook.run(CELL)
    notebook.page.locator(".stemlab-maskview canvas").wait_for()


def controls(notebook: Notebook) -> dict[str, Locator]:
    """Return something of each kind that takes the focus, by name."""
    page = notebook.page
    return {
        "fader": page.get_by_role("slider", name="Vocals level"),
        "pan": page.get_by_role("slider", name="Drums pan"),
        "button": page.get_by_role("button", name="Mute drums"),
        "player": page.locator(".stemlab-player"),
        "picture": page.locator(".stemlab-maskview canvas"),
        "picture's button": page.locator(".stemlab-maskview button").first,
        "ipywidgets' slider": page.locator(".noUi-handle").first,
    }


@pytest.mark.parametrize(
    "control",
    ["fader", "pan", "button", "player", "picture", "picture's button", "ipywidgets' slider"],
)
def test_no_command_of_the_notebook_acts(notebook: Notebook, control: str) -> None:
    node = controls(notebook)[control]
    node.focus()
    before = notebook.page.evaluate(STATE)
    for key in COMMANDS:
        notebook.page.keyboard.press(key)
    assert notebook.page.evaluate(STATE) == before
    assert node.evaluate("node => node === document.activeElement")


def test_the_arrows_move_a_fader_by_five_percent(notebook: Notebook) -> None:
    notebook.run("player.vocals = 1.0")
    fader = controls(notebook)["fader"]
    fader.focus()
    for key in ("ArrowLeft", "ArrowDown", "ArrowDown", "ArrowRight"):
        notebook.page.keyboard.press(key)
    notebook.eventually("round(player.vocals, 6)", "0.9")


def test_the_notebook_can_still_be_saved(notebook: Notebook) -> None:
    """Else the browser would offer to save its page."""
    controls(notebook)["fader"].focus()
    with notebook.page.expect_response(lambda reply: reply.request.method == "PUT"):
        notebook.page.keyboard.press("Control+s")


def test_every_control_is_at_most_twenty_tabs_away(notebook: Notebook) -> None:
    """From before the player to behind it: only the chosen stem's controls are stops."""
    notebook.page.get_by_role("button", name="Play", exact=True).focus()
    names: list[str] = []
    while not names or names[-1] != "Master level":
        notebook.page.keyboard.press("Tab")
        names.append(notebook.focused())
        assert len(names) <= 20
    assert {"Loop start", "Position in the song", "Vocals level", "Vocals pan"} <= set(names)
    assert "Drums level" not in names


def test_the_player_is_played_by_keyboard_alone(notebook: Notebook) -> None:
    notebook.run("""
player.mutes = player.solos = [False] * len(player.stems)
player.vocals = player.drums = 1.0
player.playing, player.loop = False, [0, player.duration]""")
    keyboard, live = notebook.page.keyboard, "[...stemlab.players.values()][0]"
    notebook.wait(f"!{live}.playing")
    notebook.page.locator(".stemlab-player").focus()
    keyboard.press("Space")
    notebook.wait(f"{live}.playing")
    chosen = notebook.page.locator(".stemlab-player .selected .name")
    while chosen.inner_text() != "Drums":
        keyboard.press("ArrowDown")
    notebook.go_to("Drums level")
    keyboard.press("ArrowLeft")
    notebook.wait(f"Math.abs({live}.gains()[1] - 0.95) < 1e-6")
    keyboard.press("Shift+Tab")  # to solo, and up to the vocals' solo
    keyboard.press("ArrowUp")
    assert notebook.focused() == "Solo vocals"
    keyboard.press("Enter")
    notebook.wait(f"{live}.gains()[1] === 0")
    notebook.go_to("Position in the song", "Shift+Tab")
    keyboard.press("Space")
    notebook.wait(f"!{live}.playing")
    keyboard.press("Home")
    notebook.wait(f"{live}.now() < 0.1")
    keyboard.press("Shift+ArrowRight")
    notebook.wait(f"Math.abs({live}.now() - 1) < 0.1")
    notebook.run("player.solo(); player.loop = []")


def test_a_held_key_acts_once_and_a_held_arrow_goes_on(notebook: Notebook) -> None:
    notebook.run("player.mute(); player.pause(); player.seek(0)")
    keyboard, live = notebook.page.keyboard, "[...stemlab.players.values()][0]"
    notebook.wait(f"!{live}.playing && {live}.now() === 0")
    notebook.page.locator(".stemlab-player").focus()
    for key in ("1", "1", "Shift", "ArrowRight", "ArrowRight"):
        keyboard.down(key)
    for key in ("1", "Shift", "ArrowRight"):
        keyboard.up(key)
    notebook.eventually("player.mutes", "[True, False]")
    notebook.wait(f"Math.abs({live}.now() - 2) < 0.1")
    notebook.run("player.mute()")


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_everybody_can_use_the_widgets(notebook: Notebook, theme: str) -> None:
    notebook.run("display(player.sliders)")
    assert faults(notebook.page, theme) == []
