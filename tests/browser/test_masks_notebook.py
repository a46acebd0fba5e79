"""A student's way through the lesson on masks: what is moved changes what is seen and heard."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from axe import faults
from conftest import PATIENCE, Notebook
from test_notebooks import opened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Lab
    from numpy.typing import NDArray
    from playwright.sync_api import Locator

pytestmark = pytest.mark.browser

OUT = Path(__file__).parents[2] / "out"
STEPS = """
from stemlab.labs.experiment import Experiment
steps = [shown for shown in Out.values() if isinstance(shown, Experiment)]
"""
# All that a cell shows: charts, tables, the cells of a MaskView.
SEEN = """(cell) => {
  const sum = (bytes) => bytes.reduce((total, byte, i) => (31 * total + byte * (i % 97)) | 0, 7);
  const views = [...cell.querySelectorAll(".stemlab-maskview")];
  const charts = [...cell.querySelectorAll(".stemlab-chart canvas")].map((one) => one.toDataURL());
  const tables = [...cell.querySelectorAll("table")].map((table) => table.innerHTML);
  return [...charts, ...tables, ...views.map((root) => sum(root.view.song.bytes))].join();
}"""
# Where a time and a frequency are on the canvas to paint on.
PLACE = """([time, hertz]) => {
  const { canvas, port, box } = document.querySelector(".stemlab-paint").sheet;
  const frame = canvas.getBoundingClientRect();
  return [frame.x + port.x(box, time), frame.y + port.y(box, hertz)];
}"""
SHEET = "document.querySelector('.stemlab-paint').sheet"
# The picture that one paints on, without its axes.
SHOWN = f"{SHEET}.image.toDataURL()"
PAINTED = "document.querySelector('.stemlab-paint').sheet.mask.cells.filter(Boolean).length"
# The mask at a time, from low to high.
COLUMN = """(time) => {
  const { grid, cells } = document.querySelector(".stemlab-paint").sheet.mask;
  const column = Math.floor((time - grid.origin) * grid.pace);
  return [...cells.subarray(column * grid.rows, (column + 1) * grid.rows)];
}"""
# Which player plays.
LOUD = """async () => {
  for (;;) {
    const playing = [...stemlab.players].find(([, live]) => live.playing && live.now() > 0.1);
    if (playing) return playing[0];
    await new Promise((done) => setTimeout(done, 20));
  }
}"""
# Whether JupyterLab leaves the drawing of cells to what the browser sees.
SKIPPED = """[...document.querySelectorAll(".jp-Cell")]
  .some((cell) => getComputedStyle(cell).contentVisibility === "auto")"""
LOOK = "(node) => node.textContent + node.style.left"
LOOP = 0.5  # seconds


class Step:
    """An experiment of the notebook, playing a short loop."""

    def __init__(self, notebook: Notebook, index: int, code: str) -> None:
        self.notebook = notebook
        self.cell = notebook.page.locator(".jp-CodeCell", has_text=code).first
        self.cell.scroll_into_view_if_needed()
        self.name = notebook.run(
            f"steps[{index}].player.loop = [2.0, {2 + LOOP}]\nsteps[{index}].player.seek(2.0)\n"
            f"steps[{index}].player.play()\nprint(steps[{index}].player.model_id)"
        ).strip()
        live = f"globalThis.stemlab.players.get('{self.name}')"
        notebook.wait(f"{live}?.playing && {live}.now() > 2.05")
        self.sound, self.picture = self.hear(), self.seen()

    def hear(self) -> NDArray[np.float64]:
        """Return the spectrum of one turn of the loop, the same wherever it began."""
        sound = self.notebook.record(self.name, LOOP)
        spectrum: NDArray[np.float64] = np.abs(np.fft.rfft(sound, axis=0))
        return spectrum

    def seen(self) -> str:
        text: str = self.cell.evaluate(SEEN)
        return text

    def slider(self, name: str) -> Locator:
        return self.cell.locator(".widget-slider", has_text=name).locator(".noUi-handle")

    def choose(self, name: str, option: str) -> None:
        self.cell.get_by_label(name, exact=True).select_option(option)

    def press(self, name: str) -> None:
        self.cell.get_by_role("button", name=name, exact=True).click()

    def changes(self, what: str = "sound and picture") -> None:
        """Wait until what is heard or seen differs from the last time."""
        if "sound" in what:
            self.sound = self._until(self.hear, self.sound, apart)
        if "picture" in what:
            self.picture = self._until(self.seen, self.picture, str.__ne__)

    def falls_silent(self) -> None:
        self.sound = self._until(self.hear, self.sound, lambda now, _: np.abs(now).max() < 1)

    def _until(self, look: Any, before: Any, differs: Any) -> Any:
        end = time.monotonic() + PATIENCE
        while not differs(now := look(), before):
            assert time.monotonic() < end, f"nothing changed in {self.name}"
        return now


def apart(now: NDArray[np.float64], before: NDArray[np.float64]) -> bool:
    """Tell whether two spectra differ by more than what a limiter or a seam makes of them."""
    return float(np.linalg.norm(now - before)) > 0.1 * float(np.linalg.norm(before) + 1)


def stroke(notebook: Notebook, *places: tuple[float, float]) -> None:
    """Draw with the mouse from place to place, each in seconds and Hz."""
    mouse, (start, *others) = notebook.page.mouse, places
    mouse.move(*notebook.page.evaluate(PLACE, start))
    mouse.down()
    for place in others:
        mouse.move(*notebook.page.evaluate(PLACE, place), steps=4)
    mouse.up()


def painted(notebook: Notebook) -> int:
    """Return how many cells of the mask are painted."""
    return int(notebook.page.evaluate(PAINTED))


@pytest.fixture(scope="module")
def lesson(lab: Lab) -> Iterator[Notebook]:
    """Open the notebook once, run it, and take hold of its experiments."""
    page = opened(lab, "01_masks.ipynb")
    notebook = Notebook(page)
    notebook.run(STEPS)
    yield notebook
    page.context.close()


def test_it_opens_with_something_to_play(lesson: Notebook) -> None:
    lesson.page.evaluate("document.querySelector('.jp-WindowedPanel-outer').scrollTo(0, 0)")
    play = lesson.page.get_by_role("button", name="Play", exact=True).first
    play.wait_for(state="visible")
    box = play.bounding_box()
    assert box is not None
    assert box["y"] + box["height"] < 900
    lesson.page.screenshot(path=OUT / "masks.png")


def test_a_song_that_is_not_there_is_told_in_a_sentence(lesson: Notebook) -> None:
    with pytest.raises(RuntimeError) as told:
        lesson.run("explore.Excerpt.of('nowhere.mp3')")
    assert str(told.value).startswith("AudioError: nowhere.mp3")
    assert "\n" not in str(told.value)


def test_a_player_goes_on_out_of_sight(lesson: Notebook) -> None:
    """JupyterLab does not draw what is out of sight: sound, clock and play-head go on behind it."""
    assert lesson.page.evaluate(SKIPPED)
    first = lesson.page.locator(".stemlab-player").first
    first.scroll_into_view_if_needed()
    first.get_by_role("button", name="Play", exact=True).click()
    live = f"stemlab.players.get('{lesson.page.evaluate(LOUD)}')"
    for outer in (1e6, 0):
        at = lesson.page.evaluate(f"{live}.now()")
        lesson.page.evaluate(
            f"document.querySelector('.jp-WindowedPanel-outer').scrollTop = {outer}"
        )
        lesson.wait(f"Math.abs({live}.now() - {at}) > 0.5")
    first.scroll_into_view_if_needed()
    for part in (".time", ".overview .head"):
        seen = first.locator(part).evaluate(LOOK)
        lesson.wait(f"({LOOK})(document.querySelector('.stemlab-player {part}')) !== '{seen}'")
    first.get_by_role("button", name="Pause", exact=True).click()


def test_from_a_wave_to_its_picture(lesson: Notebook) -> None:
    step = Step(lesson, 0, "waves(excerpt, singer)")
    step.slider("pitch").press("PageUp")
    step.changes()
    step.choose("sound", "a voice")
    step.changes()
    step.slider("window in samples").press("Home")
    step.changes("picture")
    step.cell.screenshot(path=OUT / "masks-waves.png")
    step.slider("windows up to").press("Home")
    step.falls_silent()
    step.changes("picture")


def test_ones_own_voice_is_recorded_seen_and_heard(lesson: Notebook) -> None:
    lesson.run("steps[0].controls['until'].value = 3000")
    step = Step(lesson, 0, "waves(excerpt, singer)")
    lesson.run("steps[0].player.pause()")
    step.press("Record 3 seconds of your voice")
    step.cell.get_by_text("Recorded.").wait_for()
    lesson.eventually("steps[0].controls['sound'].value", "your voice")
    lesson.eventually("steps[0].player.playing", "True")
    step.changes()
    step.cell.screenshot(path=OUT / "masks-voice.png")
    seconds, loud = lesson.run(
        "print(len(singer.samples) / 44_100, (singer.samples ** 2).mean() ** 0.5)"
    ).split()
    assert 2.8 < float(seconds) < 3.5
    assert float(loud) > 0.01


def test_window_and_hop(lesson: Notebook) -> None:
    step = Step(lesson, 1, "explore.windows")
    assert not apart(step.hear(), step.sound)
    # What differs most to the ear comes first.
    for name in ("keep the loudest", "window in samples", "hop"):
        step.slider(name).press("Home")
        step.changes()
    step.choose("sound", "two tones")
    step.changes()
    step.cell.screenshot(path=OUT / "masks-windows.png")


def test_a_true_mask(lesson: Notebook) -> None:
    step = Step(lesson, 2, "explore.true_mask")
    step.choose("stem", "bass")
    step.changes()
    step.press("the true stem")
    step.changes()


def test_kinds_of_masks(lesson: Notebook) -> None:
    step = Step(lesson, 3, "explore.kinds")
    step.slider("threshold").press("PageUp")
    step.changes()
    step.press("ratio")
    step.changes()
    step.slider("exponent").press("PageDown")
    step.changes()
    step.press("phase-sensitive")
    step.changes()
    step.press("what leaks in")
    step.changes()
    step.press("what is cut out")
    step.changes()
    step.choose("stem", "drums")
    step.changes()


def test_painting(lesson: Notebook) -> None:
    step = Step(lesson, 4, "explore.paint")
    assert np.abs(step.sound).max() < 1
    step.press("Paint with: rectangle")
    step.cell.locator("canvas").first.scroll_into_view_if_needed()
    stroke(lesson, (1.9, 200), (2.6, 4000))
    step.changes()
    step.cell.screenshot(path=OUT / "masks-paint.png")
    step.press("Erase from the mask")
    step.press("Paint with: brush")
    thickness = step.cell.get_by_label("Thickness")
    cut = []
    for key in ("Home", "End"):
        thickness.press(key)
        before = painted(lesson)
        stroke(lesson, (1.9, 500), (2.6, 500))
        step.changes()
        cut.append(before - painted(lesson))
    assert 0 < 5 * cut[0] < cut[1]
    step.press("Undo the last stroke")
    step.changes()
    step.press("Clear the mask")
    step.falls_silent()
    step.press("Add to the mask")
    step.press("Paint with: harmonics")
    thickness.press("Home")
    stroke(lesson, (1.9, 300), (2.6, 300))
    step.changes()
    column = lesson.page.evaluate(COLUMN, 2.3)
    assert np.count_nonzero(np.diff(column) > 0) > 10  # as many harmonics
    step.press("Undo the last stroke")
    step.falls_silent()
    canvas = step.cell.get_by_role("application").first
    canvas.focus()
    canvas.press("b")
    for key in (" ", *["Shift+ArrowLeft"] * 6, *["Shift+ArrowDown"] * 3, " "):
        canvas.press(key)
    step.changes()
    step.press("Clear the mask")
    step.changes()
    step.press("the model's")
    step.changes()
    step.choose("stem", "drums")
    step.changes()


def test_what_is_painted_is_heard_and_seen(lesson: Notebook) -> None:
    """A stroke starts the sound and ends with the mouse's button; a chosen mask is also seen."""
    page = lesson.page
    lesson.run("steps[4].player.pause(); steps[4].controls['stem'].value = 'vocals'")
    cell = page.locator(".jp-CodeCell", has_text="explore.paint").first
    cell.locator(".stemlab-paint canvas").scroll_into_view_if_needed()
    cell.get_by_role("button", name="the oracle's", exact=True).click()
    lesson.wait(f"{SHEET}.model.get('other').byteLength > 0")
    own = page.evaluate(SHOWN)
    stroke(lesson, (1.9, 400), (2.6, 400))
    assert "painting" not in cell.locator(".stemlab-paint .readout").inner_text()
    lesson.eventually("steps[4].player.playing", "True")
    lesson.eventually("steps[4].controls['hear'].value", "mine")
    lesson.wait(f"{SHEET}.model.get('other').byteLength === 0")
    mine = page.evaluate(SHOWN)
    assert mine != own
    cell.get_by_role("button", name="Compare with the goal").click()
    assert page.evaluate(SHOWN) != mine
    assert cell.get_by_text("missing").is_visible()
    cell.screenshot(path=OUT / "masks-goal.png")
    cell.get_by_role("button", name="Compare with the goal").click()
    assert not cell.get_by_text("missing").is_visible()


def test_a_mask_is_painted_by_keyboard_alone(lesson: Notebook) -> None:
    lesson.run("""
canvas = steps[4].controls["painted"]
canvas.value = bytes(len(canvas.value))
steps[4].player.pause()""")
    page = lesson.page
    page.locator(".stemlab-paint button").first.focus()
    lesson.go_to(page.locator(".stemlab-paint canvas").first.get_attribute("aria-label") or "")
    for key in ("b", " ", *["Shift+ArrowLeft"] * 3, " "):
        page.keyboard.press(key)
    assert painted(lesson) > 10
    lesson.eventually("steps[4].player.playing", "True")


def test_phase(lesson: Notebook) -> None:
    step = Step(lesson, 5, "explore.phase")
    for name in ("zero", "random", "its own"):
        step.press(name)
        step.changes()
    step.choose("stem", "bass")
    step.changes()


def test_separators_by_hand(lesson: Notebook) -> None:
    for index, code in ((6, "try_mask(excerpt, drums"), (7, "try_mask(excerpt, voice")):
        step = Step(lesson, index, code)
        step.press("the oracle's")
        step.changes()
        step.press("mine")
        step.changes()


def test_a_network_of_ones_own(lesson: Notebook) -> None:
    """It is heard, seen and drawn while it learns; unheard music comes out too, after 20 epochs."""
    step = Step(lesson, 8, "learn.learn()")
    step.press("Train")
    step.changes()
    step.changes()
    step.choose("hear", "music it has not heard")
    step.changes()
    step.cell.get_by_text("6 s, 1 frame, linear").wait_for()
    step.cell.screenshot(path=OUT / "masks-learn.png")
    unheard = (
        "steps[8].wait(); print(steps[8].runs[-1].sdrs[-1]['music it has not heard']['vocals'])"
    )
    assert float(lesson.run(unheard)) > 5
    lesson.run("steps[8].close()")


def test_the_network_answers_frame_by_frame(lesson: Notebook) -> None:
    step = Step(lesson, 9, "explore.network")
    step.slider("frames arrived").press("Home")
    step.falls_silent()
    step.changes("picture")
    step.slider("frames arrived").press("End")
    step.changes()


def test_bleeding_is_predicted_then_heard(lesson: Notebook) -> None:
    step = Step(lesson, 10, "explore.bleed")
    assert np.abs(step.sound).max() < 1
    step.slider("my guess").press("ArrowLeft")
    step.changes("picture")
    step.press("Show and hear")
    step.changes()
    step.choose("of the true", "drums")
    step.changes()
    step.choose("in the model's", "bass")
    step.changes()


def test_stems_sum_to_the_mix_until_masks_are_spoilt(lesson: Notebook) -> None:
    step = Step(lesson, 11, "explore.sums")
    step.press("Solo missing")
    step.falls_silent()
    step.press("each mask squared")
    step.changes()
    step.slider("amplify what is missing").press("ArrowRight")
    step.changes()


def test_fewer_bits(lesson: Notebook) -> None:
    step = Step(lesson, 12, "explore.precision")
    step.slider("bits per weight").press("Home")
    step.changes()
    step.choose("stem", "drums")
    step.changes()
    step.slider("bits per weight").press("End")
    step.changes("picture")
    step.cell.screenshot(path=OUT / "masks-bits.png")


def test_blind(lesson: Notebook) -> None:
    def value(name: str) -> str:
        return lesson.run(f"print(steps[13].controls['{name}'].value)").strip()

    step = Step(lesson, 13, "explore.blind")
    assert value("pair") == "8 bits against 2"
    assert not step.cell.locator(".stemlab-player .wave canvas").first.is_visible()
    assert step.cell.get_by_role("button", name="Loop start").text_content() not in {*"ABX"}
    step.press("A" if value("hear") == "B" else "B")
    step.changes("sound")
    trial = int(value("trial"))
    step.press("X is A")
    lesson.eventually("steps[13].controls['trial'].value", str(trial + 1))
    step.cell.get_by_text(f"of {trial} so far").wait_for()
    step.choose("stem", "drums" if value("stem") == "other" else "other")
    step.changes("sound")
    assert lesson.problems == []


@pytest.mark.parametrize("theme", ["Dark", "Light"])
def test_nothing_is_wider_than_the_page(lesson: Notebook, theme: str) -> None:
    change = "(theme) => jupyterapp.commands.execute('apputils:change-theme', { theme })"
    lesson.page.evaluate(change, f"JupyterLab {theme}")
    lesson.wait(f"document.body.dataset.jpThemeLight === '{str(theme == 'Light').lower()}'")
    outer = "document.querySelector('.jp-WindowedPanel-outer')"
    assert lesson.page.evaluate(f"{outer}.scrollWidth <= {outer}.clientWidth")
    lesson.page.locator(".stemlab-paint").scroll_into_view_if_needed()
    lesson.page.screenshot(path=OUT / f"masks-{theme.lower()}.png")


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_everybody_can_use_the_notebook(lesson: Notebook, theme: str) -> None:
    assert faults(lesson.page, theme) == []
