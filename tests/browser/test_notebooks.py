"""Every notebook from top to bottom in a real browser, with its sound."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from axe import faults
from conftest import Notebook

from stemlab.lab import FIRST, shipped_notebooks

if TYPE_CHECKING:
    from conftest import Lab
    from playwright.sync_api import FloatRect, Page

pytestmark = pytest.mark.browser

NOTEBOOKS = sorted(path.name for path in shipped_notebooks().glob("*.ipynb"))
PICTURES = Path(__file__).parents[2] / "out"
SEPARATED = "document.querySelector('.stemlab-maskview').view.song.painted.every((one) => one)"
RUN_ALL = """async () => {
  await jupyterapp.commands.execute("notebook:run-all-cells");
  const cells = [...jupyterapp.shell.currentWidget.content.model.cells];
  return cells.flatMap((cell) => cell.sharedModel.getOutputs?.() ?? [])
    .filter((output) => output.output_type === "error")
    .map((output) => output.evalue);
}"""


def opened(lab: Lab, name: str, width: int = 1200, height: int = 900) -> Page:
    """Open a copy of a shipped notebook in its own window and run all its cells."""
    shutil.copy(shipped_notebooks() / name, lab.root)
    page = lab.window(width, height)
    lab.show(page, name)
    assert page.evaluate(RUN_ALL) == []
    return page


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebooks_keep_no_output(name: str) -> None:
    cells = json.loads((shipped_notebooks() / name).read_text())["cells"]
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)


def test_the_first_notebook_plays(lab: Lab) -> None:
    """It opens at its top, with faders and masks on one screen, at rest, and sounds."""
    page = opened(lab, FIRST, 1280, 800)
    page.wait_for_timeout(500)  # JupyterLab goes to the last cell
    top = "document.querySelector('.jp-WindowedPanel-outer').scrollTop"
    assert page.evaluate(top) == 0
    both = page.locator(".stemlab-compact").first
    assert both.get_by_role("slider", name="Vocals level").input_value() == "1"
    page.keyboard.press("Escape")  # from now on it is the reader's
    both.evaluate("node => node.scrollIntoView()")
    for part in (".stemlab-player", ".stemlab-maskview"):
        box = both.locator(part).bounding_box()
        assert box is not None
        assert box["y"] > 80
        assert box["y"] + box["height"] < 780
    PICTURES.mkdir(exist_ok=True)
    page.screenshot(path=PICTURES / "one-screen.png")
    page.evaluate(f"{top} = 0")
    play = page.get_by_role("button", name="Play", exact=True).first
    play.wait_for(state="visible")
    box = play.bounding_box()
    assert box is not None
    assert box["y"] + box["height"] < 900
    player = page.evaluate("[...stemlab.players.keys()][0]")
    both.locator(".stemlab-player").focus()
    Notebook(page).go_to("Play")
    page.keyboard.press("Enter")
    Notebook(page).wait(f"stemlab.players.get('{player}').now() > 0.2")
    Notebook(page).go_to("Vocals level")
    page.keyboard.press("ArrowLeft")
    Notebook(page).wait(f"Math.abs(stemlab.players.get('{player}').gains()[0] - 0.95) < 1e-6")
    page.keyboard.press("ArrowRight")
    sound = Notebook(page).record(player, 4)
    assert np.sqrt(np.mean(np.square(sound))) > 0.02
    picture_of_the_first_notebook(page, player)
    assert_usable(page)


def assert_usable(page: Page) -> None:
    """Assert that everybody can use what the notebook shows."""
    for theme in ("Dark", "Light"):
        assert faults(page, theme) == []


def picture_of_the_first_notebook(page: Page, player: str) -> None:
    """Take the README's first picture: the player in the chorus, and its masks."""
    page.set_viewport_size({"width": 1200, "height": 1800})
    page.evaluate(f"stemlab.players.get('{player}').seek(27)")
    Notebook(page).wait(SEPARATED, 120)
    Notebook(page).wait(f"stemlab.players.get('{player}').now() > 30")
    first = page.locator(".stemlab-player").first.bounding_box()
    last = page.locator(".stemlab-maskview").first.bounding_box()
    assert first is not None
    assert last is not None
    area: FloatRect = {
        "x": first["x"] - 4,
        "y": first["y"] - 4,
        "width": first["width"] + 8,
        "height": last["y"] + last["height"] - first["y"] + 8,
    }
    page.screenshot(path=PICTURES / "start.png", clip=area)


def test_the_decks_notebook_plays(lab: Lab) -> None:
    page = opened(lab, "02_decks.ipynb")
    page.evaluate(
        "jupyterapp.shell.currentWidget.content.node.querySelector"
        "('.jp-WindowedPanel-outer').scrollTo(0, 0)"
    )
    play = page.get_by_role("button", name="Play A").first
    play.wait_for(state="visible")
    box = play.bounding_box()
    assert box is not None
    assert box["y"] + box["height"] < 900
    page.locator(".stemlab-decks").focus()
    page.keyboard.press("q")
    page.wait_for_function(
        "[...stemlab.players.values()].some((live) => live.playing && live.now() > 0.2)"
    )
    decks = page.evaluate("[...stemlab.players].filter(([, live]) => !live.now)[0][0]")
    sound = Notebook(page).record(decks, 3)
    assert np.sqrt(np.mean(np.square(sound))) > 0.01
    page.screenshot(path=PICTURES / "decks.png")
    assert_usable(page)


@pytest.mark.timeout(600)  # it trains a network
def test_the_network_notebook_trains_and_plays(lab: Lab) -> None:
    """Its own model stands in the player and in the table, beside those that are shipped."""
    page = opened(lab, "05_your_network.ipynb", 1200, 1800)
    table = page.locator("table.dataframe")
    table.wait_for()
    assert {"my-network", "stemlab-4", "IRM"} <= {*table.locator("th").all_inner_texts()}
    table.scroll_into_view_if_needed()
    page.screenshot(path=PICTURES / "network.png")
    page.get_by_role("button", name="Play", exact=True).first.click()
    player = page.evaluate("[...stemlab.players.keys()][0]")
    Notebook(page).wait(f"stemlab.players.get('{player}').now() > 0.2")
    assert np.sqrt(np.mean(np.square(Notebook(page).record(player, 3)))) > 0.02


def test_without_tensorflow_one_sentence_says_what_is_missing(lab: Lab) -> None:
    """It ends the run: nothing that builds on it begins."""
    notebook = json.loads((shipped_notebooks() / "05_your_network.ipynb").read_text())
    first = next(cell for cell in notebook["cells"] if cell["cell_type"] == "code")
    first["source"].insert(0, "import sys; sys.modules['tensorflow'] = None\n")
    (lab.root / "without.ipynb").write_text(json.dumps(notebook))
    page = lab.window()
    lab.show(page, "without.ipynb")
    [sentence] = page.evaluate(RUN_ALL)
    assert sentence.startswith("training needs TensorFlow, which is not installed; `pip install")
    assert page.locator(".jp-OutputArea-output[data-mime-type*=stderr]").all_inner_texts() == [
        f"SettingError: {sentence}"
    ]


def test_the_live_notebook_listens(lab: Lab) -> None:
    """Its last cell lets it hear the player in place of the microphone; the picture rolls."""
    page = opened(lab, "04_live.ipynb")
    start = page.get_by_role("button", name="Start", exact=True).first
    start.wait_for(state="visible")
    page.get_by_role("combobox", name="Source").select_option("The notebook’s own sound")
    page.locator(".stemlab-live").focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Play", exact=True).first.click()
    page.wait_for_function("[...stemlab.players.values()].some(({ live }) => live?.playing)")
    page.wait_for_function("document.querySelector('.stemlab-maskview').view.song.first > 0")
    live = page.evaluate("[...stemlab.players].find(([, { live }]) => live)[0]")
    notebook = Notebook(page)
    notebook.wait(f"stemlab.players.get('{live}').live.report.peaks[0] > 0.01")
    assert np.sqrt(np.mean(np.square(notebook.record(live, 3)))) > 0.01
    page.screenshot(path=PICTURES / "live.png")
    assert_usable(page)
