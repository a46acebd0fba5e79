"""MaskView in the browser: the pixels it paints, the words it says, and when."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Notebook

OUT = Path(__file__).parents[2] / "out" / "screenshots"
pytestmark = pytest.mark.browser

TONES = {"vocals": 440.0, "drums": 1000.0, "bass": 110.0, "other": 3000.0}
MAKE = f"""
import numpy as np, psutil
from stemlab.sound.audio import Audio
from stemlab.widgets.maskview import MaskView
from stemlab.widgets.player import StemPlayer
time = np.arange(60 * 44_100) / 44_100
tones = {{
    name: Audio(np.stack([0.1 * np.sin(2 * np.pi * f * time)] * 2, 1).astype("float32"))
    for name, f in {TONES}.items()
}}
player = StemPlayer(tones)
view = MaskView(player)
display(player, view)
"""
# The view of the last output; `known`: seconds that it has the cells of.
VIEW = """globalThis.shown = () => [...document.querySelectorAll(".stemlab-maskview")].at(-1)?.view;
globalThis.known = () => {
  if (!shown()) return 0;
  const { painted, grid } = shown().song;
  return painted.reduce((sum, one) => sum + one, 0) / grid.pace;
};
// Where a point of a panel is on the screen.
globalThis.place = (index, time, hertz) => {
  const { canvas, painter, port } = shown();
  const box = canvas.getBoundingClientRect();
  const panel = painter.panels[index];
  return [box.x + port.x(panel, time), box.y + port.y(panel, hertz)];
};
// The brightest pixel within two of a point, red + green + blue.
globalThis.bright = (index, time, hertz) => {
  const { canvas, painter, port } = shown();
  const scale = canvas.width / canvas.clientWidth;
  const panel = painter.panels[index];
  const [x, y] = [port.x(panel, time), port.y(panel, hertz)].map((n) => Math.round(n * scale) - 2);
  const { data } = canvas.getContext("2d").getImageData(x, y, 5, 5);
  let most = 0;
  for (let i = 0; i < data.length; i += 4) {
    most = Math.max(most, data[i] + data[i + 1] + data[i + 2]);
  }
  return most;
};
globalThis.painted = async () => {
  shown().canvas.scrollIntoView({ block: "center" });
  const before = shown().frames;
  shown().stale = true;
  while (shown().frames === before) await new Promise(requestAnimationFrame);
};
null
"""
MIXTURE, HEARD, VOCALS, DRUMS = 0, 1, 2, 3
# Compares the play-head on the canvas with what is heard, in the very task that painted it: what
# else keeps the browser busy comes before or after.
PLAYHEAD = """async ([id, count]) => {
  const live = stemlab.players.get(id);
  const view = shown();
  const { canvas, painter, port } = view;
  const panel = painter.panels[0];
  // Above the tones, and below the title, which covers the head.
  const row = Math.round(port.y(panel, 6000));
  const away = [];
  const measure = () => {
    const { data } = canvas.getContext("2d").getImageData(panel.x, row, panel.w, 1);
    const white = Array.from({ length: panel.w }, (_, x) => x).filter((x) => data[4 * x] > 250);
    const head = white.reduce((sum, x) => sum + x + 0.5, 0) / white.length;
    away.push(port.pointAt(panel, panel.x + head, row).time - live.now());
  };
  await new Promise((done) => {
    view.update = (at) => {
      const { frames } = view;
      Object.getPrototypeOf(view).update.call(view, at);
      if (view.frames > frames) measure();
      if (away.length === count) done();
    };
  });
  delete view.update;
  return away;
}"""
# Counts paintings and the browser's own frames while the song moves on by some seconds.
PACE = """async ([id, seconds]) => {
  const live = stemlab.players.get(id);
  const [since, first] = [live.now(), shown().frames];
  let ticks = 0;
  while (live.now() < since + seconds) {
    await new Promise(requestAnimationFrame);
    ticks++;
  }
  return [shown().frames - first, ticks];
}"""


@pytest.fixture(scope="module")
def player(notebook: Notebook) -> str:
    """Show a player of four tones and a view of it; return the player's name."""
    notebook.run(MAKE)
    notebook.page.evaluate(VIEW)
    name = notebook.run("print(player.model_id)").strip()
    notebook.wait(f"globalThis.stemlab?.players.has('{name}') && known() > 59.5")
    return name


def point(notebook: Notebook, panel: int, time: float, hertz: float) -> str:
    """Point at a place with the mouse; return what the view says of it."""
    notebook.page.evaluate("painted()")
    x, y = notebook.page.evaluate("([p, t, f]) => place(p, t, f)", [panel, time, hertz])
    notebook.page.mouse.move(x, y)
    notebook.page.evaluate("painted()")
    return notebook.page.locator(".stemlab-maskview .readout").last.inner_text()


def bright(notebook: Notebook, panel: int, time: float, hertz: float) -> int:
    """Return how bright the canvas is at a place, 0 to 765."""
    notebook.page.evaluate("painted()")
    found: int = notebook.page.evaluate("([p, t, f]) => bright(p, t, f)", [panel, time, hertz])
    return found


def start(notebook: Notebook) -> float:
    """Return the time at the left edge."""
    time: float = notebook.page.evaluate("shown().port.start")
    return time


@pytest.mark.usefixtures("player")
def test_pointing_reads_level_and_masks(notebook: Notebook) -> None:
    for i, (stem, hertz) in enumerate(TONES.items()):
        words = point(notebook, i % 3, 2.0, hertz).split("\n")
        assert words[0] in {"0:01.99", "0:02.00", "0:02.01"}
        assert f"{stem} 1.00" in words
        level = float(words[2].replace("−", "-").split()[0])
        # 0.1 of full scale; between two bins a Hann window reads up to 1.4 dB low.
        assert -21.6 <= level <= -19.8
        assert words[3] == f"heard {words[2]}"
    number, unit, _ = point(notebook, VOCALS, 4.0, 440).split("\n")[1].split()
    assert unit == "Hz"
    assert float(number) == pytest.approx(440, rel=0.02)
    assert "(A4)" in point(notebook, VOCALS, 4.0, 440)


@pytest.mark.usefixtures("player")
def test_what_is_heard_follows_the_faders(notebook: Notebook) -> None:
    notebook.page.mouse.move(0, 0)
    full = bright(notebook, HEARD, 3, 1000)
    vocals = bright(notebook, HEARD, 3, 440)
    assert full == bright(notebook, MIXTURE, 3, 1000) > 300
    for code, share in [("player.drums = 0.1", 0.9), ("player.drums_mute = True", 0.1)]:
        notebook.run(code)
        notebook.wait("shown().moment.gains[1] < 0.2")
        assert bright(notebook, HEARD, 3, 1000) < share * full
        assert bright(notebook, HEARD, 3, 440) == vocals
        assert bright(notebook, MIXTURE, 3, 1000) == full
    notebook.run("player.drums_mute = False\nplayer.drums = 1.0")
    notebook.wait("shown().moment.gains[1] === 1")
    assert bright(notebook, HEARD, 3, 1000) == full


def test_playhead_keeps_step_with_the_sound(notebook: Notebook, player: str) -> None:
    notebook.run("player.play()")
    notebook.wait(f"stemlab.players.get('{player}').now() > 1")
    notebook.page.evaluate("painted()")
    away = [abs(a) for a in notebook.page.evaluate(PLAYHEAD, [player, 30])]
    assert sorted(away)[len(away) // 2] < 0.05


def test_frames_come_often_and_cost_the_kernel_little(notebook: Notebook, player: str) -> None:
    notebook.run("player.play()")
    notebook.wait(f"stemlab.players.get('{player}').playing")
    notebook.run("busy = sum(psutil.Process().cpu_times()[:2])")
    notebook.page.evaluate("painted()")
    frames, ticks = notebook.page.evaluate(PACE, [player, 8])
    busy = float(notebook.run("print(sum(psutil.Process().cpu_times()[:2]) - busy)"))
    # Every second one of the browser's sixty a second, or all of them where it has fewer.
    assert frames >= 0.4 * ticks
    # The player, which the view looks at, included.
    assert busy / 8 <= 0.05


def test_a_click_seeks_and_a_drag_scrolls(notebook: Notebook, player: str) -> None:
    notebook.run("player.pause()")
    notebook.wait(f"!stemlab.players.get('{player}').playing")
    target = start(notebook) + 9
    point(notebook, MIXTURE, target, 500)
    notebook.page.mouse.down()
    notebook.page.mouse.up()
    notebook.wait(f"Math.abs(stemlab.players.get('{player}').now() - {target}) < 0.1")
    notebook.page.evaluate("painted()")
    left = start(notebook)
    x, y = notebook.page.evaluate(f"place(0, {left + 9}, 500)")
    earlier, _ = notebook.page.evaluate(f"place(0, {left + 6}, 500)")
    notebook.page.mouse.move(x, y)
    notebook.page.mouse.down()
    notebook.page.mouse.move(earlier, y, steps=3)
    notebook.page.mouse.up()
    assert start(notebook) == pytest.approx(left + 3, abs=0.05)


@pytest.mark.usefixtures("player")
def test_the_wheel_zooms_about_the_pointer(notebook: Notebook) -> None:
    time = start(notebook) + 4
    notebook.page.evaluate("painted()")
    x, y = notebook.page.evaluate(f"place(0, {time}, 1000)")
    span = notebook.page.evaluate("shown().port.span")
    notebook.page.mouse.move(x, y)
    notebook.page.keyboard.down("Control")
    notebook.page.mouse.wheel(0, -200)
    notebook.wait(f"shown().port.span < 0.8 * {span}")
    notebook.page.keyboard.up("Control")
    assert notebook.page.evaluate(f"place(0, {time}, 1000)")[0] == pytest.approx(x, abs=1)
    notebook.page.keyboard.down("Alt")
    notebook.page.mouse.wheel(0, -200)
    notebook.wait("shown().port.top - shown().port.bottom < 0.8")
    notebook.page.keyboard.up("Alt")
    assert notebook.page.evaluate(f"place(0, {time}, 1000)") == pytest.approx([x, y], abs=1)


@pytest.mark.usefixtures("player")
def test_the_wheel_alone_scrolls_the_page(notebook: Notebook) -> None:
    span = notebook.page.evaluate("shown().port.span")
    notebook.page.mouse.move(*notebook.page.evaluate(f"place(0, {start(notebook) + 4}, 1000)"))
    top = notebook.page.evaluate("shown().canvas.getBoundingClientRect().top")
    notebook.page.mouse.wheel(0, -200)
    notebook.wait(f"shown().canvas.getBoundingClientRect().top > {top} + 50")
    assert notebook.page.evaluate("shown().port.span") == span


def test_the_keyboard_does_it_all(notebook: Notebook, player: str) -> None:
    cell = "jupyterapp.shell.currentWidget.content.activeCellIndex"
    canvas = notebook.page.locator(".stemlab-maskview canvas").last
    spoken = notebook.page.locator(".stemlab-maskview .spoken").last
    assert "vocals, drums, bass, other" in (canvas.get_attribute("aria-label") or "")
    canvas.focus()
    active = notebook.page.evaluate(cell)
    canvas.press("Home")
    assert notebook.page.evaluate("shown().port.span") == pytest.approx(60, abs=0.2)
    notebook.page.mouse.move(0, 0)
    canvas.press("ArrowRight")
    first = spoken.inner_text()
    canvas.press("ArrowUp")
    assert first != spoken.inner_text()
    assert "vocals 0." in first
    for key in ("+", "+", "Shift+ArrowLeft", "PageUp"):
        before = notebook.page.evaluate("[shown().port.start, shown().port.span, shown().port.top]")
        canvas.press(key)
        after = notebook.page.evaluate("[shown().port.start, shown().port.span, shown().port.top]")
        assert before != after
    canvas.press("Enter")
    wanted = notebook.page.evaluate("shown().moment.point.time")
    notebook.wait(f"Math.abs(stemlab.players.get('{player}').now() - {wanted}) < 0.1")
    canvas.press("Escape")
    assert notebook.page.evaluate("shown().moment.point") is None
    followed = notebook.page.evaluate("shown().follow")
    canvas.focus()
    for _ in range(3):  # as held: to press what is down repeats it
        notebook.page.keyboard.down("f")
    notebook.page.keyboard.up("f")
    assert notebook.page.evaluate("shown().follow") is not followed
    assert notebook.page.evaluate(cell) == active


@pytest.mark.parametrize(
    ("theme", "dark"), [("JupyterLab Dark", True), ("JupyterLab Light", False)]
)
@pytest.mark.usefixtures("player")
def test_it_follows_the_theme(notebook: Notebook, theme: str, *, dark: bool) -> None:
    change = "(theme) => jupyterapp.commands.execute('apputils:change-theme', { theme })"
    notebook.page.evaluate(change, theme)
    notebook.wait(f"document.body.dataset.jpThemeLight === '{str(not dark).lower()}'")
    notebook.wait(f"shown().painter.theme.dark === {str(dark).lower()}")
    notebook.page.evaluate("shown().port.showAll()")
    # The gap above the first panel, and an empty place of a mask.
    corner = "shown().canvas.getContext('2d').getImageData(1, 1, 1, 1).data[0]"
    notebook.page.evaluate("painted()")
    assert (notebook.page.evaluate(corner) < 60) == dark
    assert (bright(notebook, DRUMS, 10, 440) < 200) == dark


@pytest.mark.usefixtures("player")
def test_the_frequency_axis_can_be_linear(notebook: Notebook) -> None:
    """Where a tone lies on the canvas moves; what the pointer reads there stays."""
    log = notebook.page.evaluate("place(0, 5, 1000)[1]")
    toggle = notebook.page.get_by_role("button", name="Logarithmic frequency axis").last
    toggle.click()
    notebook.wait("shown().song.grid.scale === 'linear' && known() > 59.5")
    assert toggle.get_attribute("aria-pressed") == "false"
    assert notebook.page.evaluate("place(0, 5, 1000)[1]") > log + 50
    assert bright(notebook, DRUMS, 5, TONES["drums"]) > 300
    assert "drums 1.00" in point(notebook, MIXTURE, 5, TONES["drums"])
    notebook.eventually("view.picture.axis.scale", "linear")
    notebook.run("view.scale = 'log'")
    notebook.wait("shown().song.grid.scale === 'log' && known() > 59.5")
    assert toggle.get_attribute("aria-pressed") == "true"


def test_a_picture_alone_has_its_own_levels_and_playhead(notebook: Notebook) -> None:
    notebook.run("""
from stemlab.pictures.picture import Picture
from stemlab.separator import Separation
alone = MaskView(Picture.of_stems({name: tone.samples for name, tone in tones.items()}))
alone.position = 2.5
display(alone)""")
    notebook.wait("shown()?.model.get('player') === null && known() > 59")
    assert notebook.page.evaluate("shown().moment.time") == 2.5
    notebook.page.evaluate("shown().port.scrollTo(0)")
    full = bright(notebook, HEARD, 5, 1000)
    assert full > 300
    button = notebook.page.get_by_role("button", name="Keep drums")
    assert button.get_attribute("aria-pressed") == "true"
    button.click()
    notebook.wait("shown().moment.gains[1] === 0")
    assert bright(notebook, HEARD, 5, 1000) < 0.1 * full
    notebook.eventually("alone.levels", "[1.0, 0.0, 1.0, 1.0]")
    point(notebook, MIXTURE, 7, 1000)
    notebook.page.mouse.down()
    notebook.page.mouse.up()
    notebook.eventually("abs(alone.position - 7) < 0.1", "True")


@pytest.mark.usefixtures("player")
def test_screenshot(notebook: Notebook) -> None:
    notebook.run("""
from stemlab import demo
song = StemPlayer(demo.path())
display(song, MaskView(song))""")
    notebook.wait("shown()?.model.get('player') && known() > 30", 120)
    notebook.run("song.seek(20)")
    notebook.run("song.levels = [0.0] + [1.0] * (len(song.stems) - 1)")
    notebook.wait("shown().moment.time > 19.9 && shown().moment.gains[0] === 0")
    point(notebook, HEARD, 24, 500)
    notebook.screenshot(OUT / "maskview.png", ".stemlab-maskview")
    assert (OUT / "maskview.png").stat().st_size > 50_000


def test_a_page_loaded_anew_gets_the_cells_again(notebook: Notebook) -> None:
    page = notebook.page
    notebook.save()
    page.reload()
    page.wait_for_selector(".stemlab-maskview canvas")
    page.evaluate(VIEW)
    notebook.wait("known() > 30")
