"""The player in the browser: every sound is measured where it leaves the page."""

from __future__ import annotations

import secrets
import time
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING

import numpy as np
import pytest
from conftest import PATIENCE

from stemlab.widgets import module

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Lab, Notebook
    from numpy.typing import NDArray

pytestmark = pytest.mark.browser

OUT = Path(__file__).parents[2] / "out" / "screenshots"
RATE = 44_100
TONES = {"vocals": 440.0, "drums": 1000.0, "bass": 110.0, "other": 3000.0}
AMPLITUDE = 0.2
SECONDS = 40
TONES_CELL = f"""
import numpy as np
from stemlab.sound.audio import Audio
from stemlab.widgets.player import StemPlayer
time = np.arange({SECONDS} * {RATE}) / {RATE}
tones = {{
    name: Audio(np.stack([{AMPLITUDE} * np.sin(2 * np.pi * f * time)] * 2, 1).astype("float32"))
    for name, f in {TONES}.items()
}}
"""
RESET = """
player.levels, player.pans = [1.0] * 4, [0.0] * 4
player.mute(), player.solo()
player.loop, player.master = [], 1.0
player.play()
"""
# How the first player can be hidden and shown, or get less room; the notebook's panel is given.
CLOSE = """(panel) => {
  const { shell } = jupyterapp;
  for (const other of [...shell.widgets("main")]) if (other.id !== panel) other.close();
  shell.activateById(panel);
}"""
HIDDEN = {
    "folded": (
        "() => jupyterapp.commands.execute('notebook:hide-cell-outputs')",
        "() => jupyterapp.commands.execute('notebook:show-cell-outputs')",
    ),
    "under another tab": ("() => jupyterapp.commands.execute('launcher:create')", CLOSE),
    "beside another": (
        """async (panel) => {
          const { shell, commands } = jupyterapp;
          const other = await commands.execute("launcher:create");
          shell.add(other, "main", { mode: "split-right", ref: panel });
          shell.activateById(panel);
        }""",
        CLOSE,
    ),
}
CHOOSE = """() => {
  const { content } = jupyterapp.shell.currentWidget;
  const holds = ({ node }) => node.querySelector(".stemlab-player");
  content.activeCellIndex = content.widgets.findIndex(holds);
}"""
IN_SIGHT = "document.querySelector('.stemlab-player')?.checkVisibility()"
# What RESET sets has come to the page.
AT_REST = """(id) => {
  const player = stemlab.players.get(id);
  const loops = [...document.querySelectorAll('[data-control="Loop off"]')];
  return player.playing && player.gains().every((gain) => gain === 1)
    && loops.every((button) => button.ariaPressed === "false");
}"""


# What a page and two frames of it, as Colab shows cells in, are called by the engine.
NAMES = """async (text) => {
  const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  const names = [stemlab.page];
  for (const _ of "12") {
    const frame = document.createElement("iframe");
    document.body.append(frame);
    names.push((await frame.contentWindow.eval(`import("${url}")`)).page().page);
    frame.remove();
  }
  return names;
}"""


def levels(sound: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
    """Return the amplitude of each tone, left and right, in dB of what was put in."""
    time = np.arange(len(sound)) / RATE
    window = np.hanning(len(sound))
    found = {}
    for name, frequency in TONES.items():
        wave = np.exp(-2j * np.pi * frequency * time) * window
        amplitude = 2 * np.abs(wave @ sound) / window.sum()
        found[name] = 20 * np.log10(amplitude / AMPLITUDE + 1e-6)
    return found


def are(found: dict[str, NDArray[np.float64]], expected: dict[str, float]) -> bool:
    """Whether each tone has its level, in dB, to ±0.1; below -60 it only has to be gone."""
    return all(
        (found[name] < -60).all() if decibels < -60 else (abs(found[name] - decibels) < 0.1).all()
        for name, decibels in expected.items()
    )


def hears(notebook: Notebook, player: str, expected: dict[str, float]) -> None:
    """Wait until each tone has its level: orders take a moment to come to the sound."""
    end = time.monotonic() + PATIENCE / 3  # while the tones last
    while not are(found := levels(notebook.record(player, 0.4)), expected):
        assert time.monotonic() < end, (expected, found)


def falls_silent(notebook: Notebook, player: str) -> None:
    """Wait until nothing at all is heard of a player."""
    end = time.monotonic() + PATIENCE
    while (loudest := np.abs(notebook.record(player, 0.2)).max()) > 0:
        assert time.monotonic() < end, loudest


def sounds_from(notebook: Notebook, player: str, seconds: float) -> None:
    """Wait until a player is heard a little after a position."""
    low, high = seconds + 0.05, seconds + 15
    notebook.wait(f"((t) => t > {low} && t < {high})(stemlab.players.get('{player}').now())")


def seek(notebook: Notebook, player: str, seconds: float) -> None:
    """Jump, on the page, and wait until it is heard from there."""
    notebook.page.evaluate("([id, to]) => stemlab.players.get(id).seek(to)", [player, seconds])
    sounds_from(notebook, player, seconds)


def now(notebook: Notebook, player: str) -> float:
    """Return the position that is heard."""
    seconds: float = notebook.page.evaluate("id => stemlab.players.get(id).now()", player)
    return seconds


def open_player(notebook: Notebook, variable: str = "player") -> str:
    """Start a player of four tones; return the name that the page knows it by."""
    notebook.run(f"if 'tones' not in globals():{indent(TONES_CELL, '    ')}")
    notebook.run(f"{variable} = StemPlayer(tones); display({variable})")
    name = notebook.run(f"print({variable}.model_id)").strip()
    notebook.wait(f"globalThis.stemlab?.players.has('{name}')")
    notebook.run(f"{variable}.play()")
    notebook.wait(f"stemlab.players.get('{name}').now() > 0.2")
    return name


@pytest.fixture(scope="module")
def shared(notebook: Notebook) -> str:
    """One player for the tests that leave it whole."""
    return open_player(notebook)


@pytest.fixture
def player(notebook: Notebook, shared: str) -> Iterator[str]:
    """Play the shared player with all faders at rest; the page must not complain."""
    bring_to_rest(notebook, shared)
    seek(notebook, shared, 1)
    yield shared
    assert not notebook.problems


def bring_to_rest(notebook: Notebook, player: str) -> None:
    """Reset until it lasts: what the last test clicked may reach the kernel after the reset."""
    end = time.monotonic() + PATIENCE
    rested = False
    while not rested:
        assert time.monotonic() < end, "the player does not come to rest"
        notebook.run(RESET)
        notebook.page.wait_for_timeout(100)
        rested = notebook.page.evaluate(AT_REST, player)


FLAT = dict.fromkeys(TONES, 0.0)


def test_a_player_that_was_out_of_sight_goes_on(notebook: Notebook, player: str) -> None:
    """JupyterLab does not render cells that are out of sight: clock and play-head resume."""
    notebook.run("import IPython; IPython.display.HTML('<div style=\"height: 3000px\"></div>')")
    notebook.run("print('below')")  # the page shows it
    notebook.wait("document.querySelector('.stemlab-player').getBoundingClientRect().bottom < -999")
    notebook.page.wait_for_timeout(1500)
    goes_on(notebook, player)


@pytest.mark.parametrize("way", HIDDEN)
def test_whatever_hid_a_player_it_goes_on(notebook: Notebook, player: str, way: str) -> None:
    """Also if the window gets narrower meanwhile."""
    page = notebook.page
    hide, show = HIDDEN[way]
    notebook.run("player.loop = [0, 38]")
    page.evaluate(CHOOSE)
    panel = page.evaluate("jupyterapp.shell.currentWidget.id")
    page.evaluate(hide, panel)
    notebook.wait(f"!({IN_SIGHT})" if way != "beside another" else IN_SIGHT)
    page.set_viewport_size({"width": 1024, "height": 768})
    page.wait_for_timeout(500)
    page.evaluate(show, panel)
    notebook.wait(IN_SIGHT)
    goes_on(notebook, player)
    page.set_viewport_size({"width": 1200, "height": 900})
    goes_on(notebook, player)


def goes_on(notebook: Notebook, player: str) -> None:
    """Wait until the first player's clock and play-head move, on the screen; it also sounds."""
    assert np.abs(notebook.record(player, 0.3)).max() > 0.01
    face = notebook.page.locator(".stemlab-player").first
    face.scroll_into_view_if_needed()
    clock = face.locator(".time")
    first, left = clock.screenshot(), head(notebook)
    end = time.monotonic() + PATIENCE
    while clock.screenshot() == first or head(notebook) == left:  # not only there but drawn
        assert time.monotonic() < end, "clock or play-head stand still"
    minutes, seconds = clock.inner_text().split(":")
    assert 60 * int(minutes) + float(seconds) == pytest.approx(now(notebook, player), abs=0.5)


def head(notebook: Notebook) -> float:
    """Return where the first player's play-head stands, in px."""
    box = notebook.page.locator(".stemlab-player .overview .head").first.bounding_box()
    assert box is not None
    return box["x"]


def test_tones_arrive_as_they_are(notebook: Notebook, player: str) -> None:
    hears(notebook, player, FLAT)
    assert are(levels(notebook.record(player, 2)), FLAT)


@pytest.mark.parametrize("stem", TONES)
def test_mute(notebook: Notebook, player: str, stem: str) -> None:
    notebook.page.get_by_role("button", name=f"Mute {stem}").last.click()
    hears(notebook, player, {**FLAT, stem: -100.0})


@pytest.mark.parametrize("stem", TONES)
def test_solo(notebook: Notebook, player: str, stem: str) -> None:
    notebook.page.get_by_role("button", name=f"Solo {stem}").last.click()
    hears(notebook, player, {**dict.fromkeys(TONES, -100.0), stem: 0.0})


@pytest.mark.parametrize("stem", TONES)
def test_level_from_the_page(notebook: Notebook, player: str, stem: str) -> None:
    notebook.page.get_by_role("slider", name=f"{stem.title()} level").last.fill("0.5")
    hears(notebook, player, {**FLAT, stem: 20 * np.log10(0.5)})
    notebook.eventually(f"player.{stem}", "0.5")


@pytest.mark.parametrize("level", [0.01, 0.8, 1.5])
def test_level_from_python(notebook: Notebook, player: str, level: float) -> None:
    notebook.run(f"player.vocals = {level}")
    hears(notebook, player, {**FLAT, "vocals": 20 * np.log10(level)})


def test_pan(notebook: Notebook, player: str) -> None:
    notebook.run("player.drums_pan = -0.5")
    half = 20 * np.log10(0.5)
    end = time.monotonic() + PATIENCE / 3
    while True:
        left, right = levels(notebook.record(player, 0.4))["drums"]
        if abs(left) < 0.1 and abs(right - half) < 0.1:
            break
        assert time.monotonic() < end, (left, right)


def test_page_and_mix_agree(notebook: Notebook, player: str) -> None:
    notebook.run("player.levels = [0.3, 1.2, 0.7, 1.0]; player.mute('other'); player.master = 0.5")
    sides = notebook.run("print(*(player.mix.gains()[:3, 0]))").split()
    expected = [20 * np.log10(float(side)) for side in sides]
    hears(notebook, player, {**dict(zip(TONES, expected, strict=False)), "other": -100.0})


def test_limiter_holds_and_shows(notebook: Notebook, player: str) -> None:
    lamp = notebook.page.locator(".stemlab-player .limit").last
    lit = notebook.page.locator(".stemlab-player .limit.on").last
    hears(notebook, player, FLAT)
    lit.wait_for(state="detached")
    notebook.run("player.levels = [1.5] * 4; player.master = 1.5")
    lit.wait_for()
    assert lamp.get_attribute("role") == "status"
    sound = notebook.record(player, 0.4)
    assert 0.9 < np.abs(sound).max() <= 0.9801


def test_no_click(notebook: Notebook, player: str) -> None:
    """A hard edge of a 110 Hz tone would bend its curve by its amplitude, a glide does not."""
    notebook.run("player.solo('bass')")
    hears(notebook, player, {**dict.fromkeys(TONES, -100.0), "bass": 0.0})
    mute = """document.querySelector('[aria-label="Mute bass"]').click()"""
    jumps = ("player.seek(7.0011)", "player.seek(3.0007)")
    sound = notebook.record(player, 1.5, mute, mute, *jumps)
    assert np.abs(np.diff(sound, 2, axis=0)).max() < 0.015 * AMPLITUDE
    assert 3 < now(notebook, player) < 7


def test_other_sound_takes_over(notebook: Notebook, player: str) -> None:
    """Half the bass in the bass's place: the song plays on, without a gap or a click."""
    notebook.run("player.solo('bass')")
    expected = dict.fromkeys(TONES, -100.0)
    hears(notebook, player, {**expected, "bass": 0.0})
    notebook.run("""
import threading
softer = {name: Audio(tone.samples / 2) for name, tone in tones.items()}
threading.Timer(1, player.replace, [softer]).start()""")
    try:
        sound = notebook.record(player, 3)
        assert np.abs(np.diff(sound, 2, axis=0)).max() < 0.015 * AMPLITUDE
        hears(notebook, player, {**expected, "bass": -6.02})
    finally:  # other tests, and another try, play the tones
        notebook.run("player.replace(tones)")
    hears(notebook, player, {**expected, "bass": 0.0})
    assert 1 < now(notebook, player) < 35


def test_loop_is_seamless(notebook: Notebook, player: str) -> None:
    """Half a second holds whole periods of all tones: looping it sounds like none."""
    notebook.run("player.loop = [1.5, 2.0]")
    notebook.page.locator('[data-control="Loop off"][aria-pressed="true"]').last.wait_for()
    seek(notebook, player, 1.5)
    assert are(levels(notebook.record(player, 1.2)), FLAT)
    assert 1.4 < now(notebook, player) < 2.05


def test_loop_between_two_clicks(notebook: Notebook, player: str) -> None:
    start, end, off = (
        notebook.page.get_by_role("button", name=name, exact=True).last
        for name in ("Loop start", "Loop end", "Loop off")
    )
    seek(notebook, player, 3)
    start.dispatch_event("click")  # at once: the song plays on meanwhile
    notebook.wait(f"stemlab.players.get('{player}').now() > {now(notebook, player) + 0.6}")
    end.dispatch_event("click")
    notebook.eventually("len(player.loop)", "2")
    a, b = map(float, notebook.run("print(*player.loop)").split())
    assert 3 < a < b - 0.5
    # What is heard is behind the audio thread, which has passed the end: it goes back at once.
    notebook.wait(f"stemlab.players.get('{player}').now() < {(a + b) / 2}")
    assert off.get_attribute("aria-pressed") == "true"
    notebook.record(player, b - a)
    assert a - 0.1 <= now(notebook, player) <= b + 0.3
    off.dispatch_event("click")
    notebook.eventually("player.loop", "[]")
    notebook.wait(f"stemlab.players.get('{player}').now() > {b + 0.4}")


def test_seek_with_the_mouse(notebook: Notebook, player: str) -> None:
    wave = notebook.page.locator(".stemlab-player .overview").last
    box = wave.bounding_box()
    assert box
    wave.click(position={"x": box["width"] / 2, "y": 20})
    sounds_from(notebook, player, SECONDS / 2)
    hears(notebook, player, FLAT)
    wave.drag_to(wave, source_position={"x": 200, "y": 20}, target_position={"x": 80, "y": 20})
    sounds_from(notebook, player, SECONDS * 80 / box["width"])


@pytest.mark.usefixtures("player")
def test_loop_with_the_mouse(notebook: Notebook) -> None:
    wave = notebook.page.locator(".stemlab-player .overview").last
    notebook.page.keyboard.down("Shift")
    wave.drag_to(wave, source_position={"x": 100, "y": 20}, target_position={"x": 200, "y": 20})
    notebook.page.keyboard.up("Shift")
    box = wave.bounding_box()
    assert box
    notebook.eventually("len(player.loop)", "2")
    edges = [float(edge) for edge in notebook.run("print(*player.loop)").split()]
    np.testing.assert_allclose(edges, SECONDS * np.array([100, 200]) / box["width"], atol=0.2)


def test_keyboard(notebook: Notebook, player: str) -> None:
    face = notebook.page.locator(".stemlab-player").last
    face.press("Space")
    hears(notebook, player, dict.fromkeys(TONES, -100.0))
    notebook.page.locator(".stemlab-player .row .name", has_text="Bass").last.click()
    before = now(notebook, player)
    for key, away in (("ArrowRight", 5), ("Shift+ArrowRight", 6), ("ArrowLeft", 1), ("Home", None)):
        face.press(key)
        place = 0 if away is None else before + away
        assert now(notebook, player) == pytest.approx(place, abs=0.01)
    face.press("Space")
    for key, mutes, solos in (
        ("2", "0100", "0000"),
        ("Shift+3", "0100", "0010"),
        ("ArrowUp", "0100", "0010"),
        ("m", "0000", "0010"),
        ("s", "0000", "0110"),
    ):
        face.press(key)
        notebook.eventually(
            "*(''.join(map(str, map(int, x))) for x in (player.mutes, player.solos))",
            f"{mutes} {solos}",
        )


def test_a_jump_is_believed_at_once(notebook: Notebook, player: str) -> None:
    """What the audio thread reported before it heard of a jump must not move the play-head back."""
    notebook.run("player.pause()")
    hears(notebook, player, dict.fromkeys(TONES, -100.0))
    astray = """async (id) => {
      const player = stemlab.players.get(id);
      let astray = 0;
      for (let i = 0; i < 100; i++) {
        const to = (i * 7.3) % 38;
        player.seek(to);
        for (let k = 0; k < 8; k++) {
          await new Promise((done) => setTimeout(done, 4));
          astray += Math.abs(player.now() - to) > 0.001;
        }
      }
      return astray;
    }"""
    assert notebook.page.evaluate(astray, player) == 0


def test_linked_sliders_move_while_the_kernel_works(
    lab: Lab, notebook: Notebook, player: str
) -> None:
    notebook.run("display(player.sliders)")
    handle = notebook.page.locator(".widget-hslider [role=slider]").first
    handle.focus()
    enough = lab.root / secrets.token_hex(4)
    notebook.start(
        f"import pathlib, time\nwhile not pathlib.Path('{enough}').exists(): time.sleep(0.05)"
    )
    try:
        for _ in range(10):
            handle.press("PageDown")
        level = float(handle.get_attribute("aria-valuenow") or 1)
        assert level < 0.95
        hears(notebook, player, {**FLAT, "vocals": 20 * np.log10(max(level, 1e-4))})
        # The kernel's status speaks of the page's messages, too; the cell's mark of the cell alone.
        assert notebook.page.locator(".jp-InputPrompt", has_text="[*]").count() == 1
    finally:
        enough.touch()


JUMPS = """async (id) => {
  for (let i = 0; i < 200; i++) {
    stemlab.players.get(id).seek((i * 7.3) % 30);
    await new Promise((done) => setTimeout(done, 15));
  }
  stemlab.players.get(id).seek(10);
}"""


def test_two_hundred_seeks(notebook: Notebook, player: str) -> None:
    memory = "import psutil; print(psutil.Process().memory_info().rss)"
    notebook.page.evaluate(JUMPS, player)
    before = int(notebook.run(memory))
    notebook.page.evaluate(JUMPS, player)
    sounds_from(notebook, player, 10)
    hears(notebook, player, FLAT)
    assert int(notebook.run(memory)) - before < 30e6


def test_stream_for_ipywebrtc(notebook: Notebook, player: str) -> None:
    name = notebook.run("print(player.stream.model_id)").strip()
    peak = notebook.page.evaluate(
        """async ([name, id]) => {
          const { context, manager } = stemlab.players.get(id);
          const model = await manager.get_model(name);
          while (!Object.hasOwn(model, "captureStream"))
            await new Promise((done) => setTimeout(done, 20));
          const source = context.createMediaStreamSource(await model.captureStream());
          const analyser = context.createAnalyser();
          source.connect(analyser);
          const samples = new Float32Array(2048);
          for (let tries = 0; tries < 500 && !samples.some((x) => x > 0.2); tries++) {
            await new Promise((done) => setTimeout(done, 100));
            analyser.getFloatTimeDomainData(samples);
          }
          return Math.max(...samples);
        }""",
        [name, player],
    )
    assert peak > AMPLITUDE


@pytest.mark.usefixtures("player")
def test_screenshots(notebook: Notebook) -> None:
    notebook.run("player.vocals = 0.5")
    notebook.page.locator(".stemlab-player .figure", has_text="50 %").last.wait_for()
    notebook.screenshot(OUT / "player.png", ".stemlab-player")
    assert (OUT / "player.png").stat().st_size > 5000


def test_a_song_of_another_rate_sounds_as_it_is(notebook: Notebook, player: str) -> None:
    """Beside the one of 44.1 kHz: it has a context of its own."""
    sound = 'Audio(tones["vocals"].samples[:480_000], 48_000)'
    notebook.run(f'other = StemPlayer({{"tone": {sound}}}); display(other); other.play()')
    other = notebook.run("print(other.model_id)").strip()
    notebook.wait(f"globalThis.stemlab?.players.get('{other}')?.now() > 0.3")
    sounds = [notebook.record(name, 0.5)[:, 0] for name in (player, other)]
    assert [len(sound) for sound in sounds] == [22_050, 24_000]
    pitch = 2 * np.argmax(np.abs(np.fft.rfft(sounds[1] * np.hanning(24_000))))
    assert pitch == pytest.approx(TONES["vocals"] * 48 / 44.1, abs=2)
    notebook.run("other.close()")


@pytest.mark.usefixtures("player")
def test_closing_stops_the_sound(notebook: Notebook) -> None:
    other = open_player(notebook, "other")
    notebook.keep(other)
    hears(notebook, other, FLAT)
    notebook.run("other.close()")
    falls_silent(notebook, other)


@pytest.mark.usefixtures("player")
def test_clearing_the_output_stops_the_sound(notebook: Notebook) -> None:
    other = open_player(notebook, "other")
    hears(notebook, other, FLAT)
    notebook.page.evaluate("jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
    falls_silent(notebook, other)


@pytest.mark.parametrize(
    ("song", "sentence"),
    [
        ('"nowhere.mp3"', "nowhere.mp3"),
        ('{"a": Audio(tones["bass"].samples[:9]), "b": tones["bass"]}', "a 9, b"),
    ],
)
def test_bad_input_is_told_in_one_sentence(notebook: Notebook, song: str, sentence: str) -> None:
    notebook.run(f"display(StemPlayer({song}))")
    told = notebook.page.locator(".stemlab-player.broken").filter(has_text=sentence)
    told.wait_for()
    assert not notebook.problems


def test_reload_plays_on(lab: Lab) -> None:
    notebook = lab.open()
    name = open_player(notebook)
    notebook.save()
    before = now(notebook, name)
    notebook.page.reload()
    notebook.wait(f"globalThis.stemlab?.players.get('{name}')?.now() > {before} + 0.5")
    hears(notebook, name, FLAT)


def test_a_second_tab_is_silent_until_it_is_asked(lab: Lab) -> None:
    first = lab.open()
    name = open_player(first)
    first.save()
    second = lab.join(first)
    second.wait(f"globalThis.stemlab?.players.has('{name}')")
    second.page.get_by_text("Playing in another tab").wait_for()
    falls_silent(second, name)
    hears(first, name, FLAT)
    second.page.locator(".stemlab-player .play").last.click()
    second.wait(f"stemlab.players.get('{name}').playing")
    hears(second, name, FLAT)
    falls_silent(first, name)


def test_each_frame_of_a_tab_asks_for_itself(notebook: Notebook, player: str) -> None:
    assert player
    assert len({*notebook.evaluate(NAMES, module("engine/output.js"))}) == 3


def test_a_kernel_restart_leaves_no_sound(lab: Lab) -> None:
    notebook = lab.open()
    name = open_player(notebook)
    notebook.keep(name)
    hears(notebook, name, FLAT)
    notebook.page.evaluate("jupyterapp.shell.currentWidget.sessionContext.restartKernel()")
    falls_silent(notebook, name)


def test_a_song_plays_while_it_is_separated(lab: Lab) -> None:
    """Demo song: starts, jumps to what is not separated, sounds like its stems, opens again."""
    notebook = lab.open()
    notebook.run(
        "from stemlab import demo\n"
        "from stemlab.widgets.player import StemPlayer\n"
        "player = StemPlayer(demo.path()); display(player)"
    )
    name = notebook.run("print(player.model_id)").strip()
    notebook.wait(f"globalThis.stemlab?.players.has('{name}')")
    notebook.page.locator(".stemlab-player .play").click()
    sounds_from(notebook, name, 0)
    seek(notebook, name, 40)
    notebook.run("player.mute('vocals')")
    notebook.wait(f"stemlab.players.get('{name}').gains()[0] === 0")
    sounds_like_its_stems(notebook, name)
    notebook.screenshot(OUT / "player_song.png", ".stemlab-player")
    notebook.page.locator(".health", has_text="Ready").wait_for(timeout=2000 * PATIENCE)
    again = notebook.run("other = StemPlayer(demo.path()); print(other.separated)").strip()
    assert again == "1.0"
    assert not notebook.problems


def sounds_like_its_stems(notebook: Notebook, player: str) -> None:
    """Wait until a second from 40 s on is as loud as the kernel's stems without vocals."""
    loudness = "float(np.sqrt((player.track.read({}, {})[1][1:].sum(0)**2).mean()))"
    end = time.monotonic() + PATIENCE
    while True:
        seek(notebook, player, 40)
        begin = now(notebook, player)
        heard = float(np.sqrt((notebook.record(player, 1.0) ** 2).mean()))
        start, count = int((begin - 0.3) * RATE), int(1.6 * RATE)
        rest = notebook.run(f"import numpy as np; print({loudness.format(start, count)})")
        if heard == pytest.approx(float(rest), rel=0.4):
            return
        assert time.monotonic() < end, (heard, rest)


def test_a_slow_machine_is_told(lab: Lab) -> None:
    """Where separation is slower than the song, the page says why its faders do not act."""
    notebook = lab.open()
    notebook.run("""
import time
from stemlab import demo
from stemlab.sound.audio import Audio, load
from stemlab.separator import Separator
from stemlab.library.store import Store
from stemlab.widgets.player import StemPlayer

class Slow(Separator):
    def stream(self, blocks, before=None):
        for block in super().stream(blocks, before):
            time.sleep(2 * len(block.mix) / self.rate)
            yield block

song = Audio(load(demo.path()).samples[:25 * 44_100])
player = StemPlayer(song, Slow(), store=Store('slow'))
player.vocals = 0
display(player)
player.play()""")
    told = notebook.page.locator(".stemlab-player .complaint")
    told.filter(has_text="this machine separates at 0.").wait_for(timeout=2000 * PATIENCE)
    assert "The original plays" in told.inner_text()


def test_a_browser_that_waits_for_a_click_says_so(lab: Lab) -> None:
    """As where autoplay is not allowed: the context is suspended until the page is clicked."""
    notebook = lab.open()
    name = open_player(notebook)
    notebook.page.evaluate("id => stemlab.players.get(id).context.suspend()", name)
    told = notebook.page.locator(".stemlab-player .complaint")
    told.filter(has_text="The browser needs a click").wait_for()
    told.click()
    told.filter(has_not_text="click").wait_for(state="attached")
    hears(notebook, name, FLAT)


def test_a_busy_kernel_is_told(lab: Lab) -> None:
    """Without answers the page plays what it has and says why no more comes."""
    notebook = lab.open()
    name = open_player(notebook)
    notebook.run("player.pause(); player.seek(0)")
    notebook.page.locator(".health[title*='30 s buffered']").wait_for()
    notebook.run("player._receive = lambda *_: None; player._msg_callbacks.callbacks.clear()")
    notebook.page.evaluate("id => { stemlab.players.get(id).seek(39); }", name)
    told = notebook.page.locator(".stemlab-player .complaint")
    told.filter(has_text="The kernel does not answer").wait_for()


@pytest.mark.soak
def test_ten_minutes_beside_a_busy_core(lab: Lab) -> None:
    notebook = lab.open()
    name = open_player(notebook)
    notebook.run(f"player.loop = [0, {SECONDS - 2}]")  # longer than what the page keeps
    notebook.start("import time\nend = time.time() + 600\nwhile time.time() < end: sum(range(999))")
    notebook.page.wait_for_timeout(600_000)
    hears(notebook, name, FLAT)
    health = notebook.page.locator(".stemlab-player .health")
    assert "· 0 underruns ·" in str(health.get_attribute("title"))


def heap(notebook: Notebook) -> int:
    """Return the bytes that the page's JavaScript holds, buffers of sound included."""
    devtools = notebook.page.context.new_cdp_session(notebook.page)
    devtools.send("HeapProfiler.enable")
    devtools.send("HeapProfiler.collectGarbage")
    usage = devtools.send("Runtime.getHeapUsage")
    devtools.detach()
    return int(usage["usedSize"] + usage.get("backingStorageSize", 0))


@pytest.mark.soak
def test_a_page_does_not_grow_with_seeks(lab: Lab) -> None:
    notebook = lab.open()
    name = open_player(notebook)
    sizes = []
    for _ in range(6):
        notebook.page.evaluate(JUMPS, name)
        sounds_from(notebook, name, 10)
        sizes.append(heap(notebook))
    print("page's heap after each 200 seeks, MB:", *(round(size / 1e6, 1) for size in sizes))
    assert sizes[-1] - sizes[0] < 5e6
