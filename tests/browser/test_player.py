"""The player in the browser: every sound is measured where it leaves the page."""

from __future__ import annotations

from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING

import numpy as np
import pytest

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
from stemlab.audio import Audio
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
player.seek(1)
player.play()
"""


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


def hears(notebook: Notebook, player: str, expected: dict[str, float]) -> None:
    """Check the level of each tone, in dB, to ±0.1; below -60 it only has to be gone."""
    found = levels(notebook.record(player, 0.4))
    for name, decibels in expected.items():
        if decibels < -60:
            assert (found[name] < -60).all(), (name, found)
        else:
            np.testing.assert_allclose(found[name], decibels, atol=0.1, err_msg=str(found))


def settles(notebook: Notebook, expression: str, expected: str) -> None:
    """Check a value in the kernel, which hears of the page's doings a little later."""
    value = ""
    for _ in range(20):
        value = notebook.run(f"print({expression})").strip()
        if value == expected:
            break
        notebook.page.wait_for_timeout(100)
    assert value == expected


def sounds_from(notebook: Notebook, player: str, seconds: float) -> None:
    """Wait until a player is heard a little after a position."""
    low, high = seconds + 0.05, seconds + 15
    notebook.wait(f"((t) => t > {low} && t < {high})(stemlab.players.get('{player}').now())")


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
    notebook.run(RESET)
    sounds_from(notebook, shared, 1)
    yield shared
    assert not notebook.problems


FLAT = dict.fromkeys(TONES, 0.0)


def test_tones_arrive_as_they_are(notebook: Notebook, player: str) -> None:
    hears(notebook, player, FLAT)


@pytest.mark.parametrize("stem", TONES)
def test_mute(notebook: Notebook, player: str, stem: str) -> None:
    notebook.page.get_by_role("button", name=f"Mute {stem}").last.click()
    notebook.page.wait_for_timeout(60)
    hears(notebook, player, {**FLAT, stem: -100.0})


@pytest.mark.parametrize("stem", TONES)
def test_solo(notebook: Notebook, player: str, stem: str) -> None:
    notebook.page.get_by_role("button", name=f"Solo {stem}").last.click()
    notebook.page.wait_for_timeout(60)
    hears(notebook, player, {**dict.fromkeys(TONES, -100.0), stem: 0.0})


@pytest.mark.parametrize("stem", TONES)
def test_level_from_the_page(notebook: Notebook, player: str, stem: str) -> None:
    notebook.page.get_by_role("slider", name=f"{stem.title()} level").last.fill("0.5")
    notebook.page.wait_for_timeout(60)
    hears(notebook, player, {**FLAT, stem: 20 * np.log10(0.5)})
    settles(notebook, f"player.{stem}", "0.5")


@pytest.mark.parametrize("level", [0.01, 0.8, 1.5])
def test_level_from_python(notebook: Notebook, player: str, level: float) -> None:
    notebook.run(f"player.vocals = {level}")
    notebook.page.wait_for_timeout(100)
    hears(notebook, player, {**FLAT, "vocals": 20 * np.log10(level)})


def test_pan(notebook: Notebook, player: str) -> None:
    notebook.run("player.drums_pan = -0.5")
    notebook.page.wait_for_timeout(100)
    left, right = levels(notebook.record(player, 0.4))["drums"]
    np.testing.assert_allclose([left, right], [0, 20 * np.log10(0.5)], atol=0.1)


def test_page_and_mix_agree(notebook: Notebook, player: str) -> None:
    notebook.run("player.levels = [0.3, 1.2, 0.7, 1.0]; player.mute('other'); player.master = 0.5")
    notebook.page.wait_for_timeout(100)
    sides = notebook.run("print(*(player.mix.gains()[:3, 0]))").split()
    expected = [20 * np.log10(float(side)) for side in sides]
    hears(notebook, player, {**dict(zip(TONES, expected, strict=False)), "other": -100.0})


def test_limiter_holds_and_shows(notebook: Notebook, player: str) -> None:
    lamp = notebook.page.locator(".stemlab-player .limit").last
    assert "on" not in (lamp.get_attribute("class") or "").split()
    notebook.run("player.levels = [1.5] * 4; player.master = 1.5")
    notebook.page.wait_for_timeout(200)
    sound = notebook.record(player, 0.4)
    assert 0.9 < np.abs(sound).max() <= 0.9801
    assert "on" in (lamp.get_attribute("class") or "").split()


def test_no_click(notebook: Notebook, player: str) -> None:
    """A hard edge of a 110 Hz tone would bend its curve by its amplitude, a glide does not."""
    notebook.run("player.solo('bass')")
    notebook.page.wait_for_timeout(100)
    notebook.page.evaluate(
        """id => {
          const act = [
            () => document.querySelector('[aria-label="Mute bass"]').click(),
            () => document.querySelector('[aria-label="Mute bass"]').click(),
            () => stemlab.players.get(id).seek(7.0011),
            () => stemlab.players.get(id).seek(3.0007),
          ];
          act.forEach((step, i) => setTimeout(step, 300 + 200 * i));
        }""",
        player,
    )
    sound = notebook.record(player, 1.5)
    assert np.abs(np.diff(sound, 2, axis=0)).max() < 0.015 * AMPLITUDE


def test_loop_is_seamless(notebook: Notebook, player: str) -> None:
    """Half a second holds whole periods of all tones: looping it sounds like none."""
    notebook.run("player.loop = [1.5, 2.0]")
    notebook.page.wait_for_timeout(2500)
    assert 1.4 < now(notebook, player) < 2.0
    hears(notebook, player, FLAT)


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
    edges: list[str] = []
    for _ in range(50):
        edges = notebook.run("print(*player.loop)").split()
        if edges:
            break
        notebook.page.wait_for_timeout(100)
    a, b = (float(edge) for edge in edges)
    np.testing.assert_allclose([a, b], SECONDS * np.array([100, 200]) / box["width"], atol=0.2)


def test_keyboard(notebook: Notebook, player: str) -> None:
    face = notebook.page.locator(".stemlab-player").last
    face.press("Space")
    notebook.page.wait_for_timeout(100)
    hears(notebook, player, dict.fromkeys(TONES, -100.0))
    notebook.page.locator(".stemlab-player .row .name", has_text="Bass").last.click()
    before = now(notebook, player)
    face.press("ArrowRight")
    assert now(notebook, player) == pytest.approx(before + 5, abs=0.01)
    face.press("ArrowLeft")
    assert now(notebook, player) == pytest.approx(before, abs=0.01)
    face.press("Space")
    for key, mutes, solos in (
        ("2", "0100", "0000"),
        ("Shift+3", "0100", "0010"),
        ("ArrowUp", "0100", "0010"),
        ("m", "0000", "0010"),
        ("s", "0000", "0110"),
    ):
        face.press(key)
        settles(
            notebook,
            "*(''.join(map(str, map(int, x))) for x in (player.mutes, player.solos))",
            f"{mutes} {solos}",
        )


def test_linked_sliders_move_while_the_kernel_works(notebook: Notebook, player: str) -> None:
    notebook.run("display(player.sliders)")
    handle = notebook.page.locator(".widget-hslider [role=slider]").first
    handle.focus()
    notebook.start("import time; time.sleep(4)")
    for _ in range(10):
        handle.press("PageDown")
    notebook.page.wait_for_timeout(100)
    level = float(handle.get_attribute("aria-valuenow") or 1)
    assert level < 0.95
    hears(notebook, player, {**FLAT, "vocals": 20 * np.log10(max(level, 1e-4))})


def test_two_hundred_seeks(notebook: Notebook, player: str) -> None:
    memory = "import psutil; print(psutil.Process().memory_info().rss)"
    seek = """async (id) => {
      for (let i = 0; i < 200; i++) {
        stemlab.players.get(id).seek((i * 7.3) % 38);
        await new Promise((done) => setTimeout(done, 15));
      }
      stemlab.players.get(id).seek(10);
    }"""
    notebook.page.evaluate(seek, player)
    before = int(notebook.run(memory))
    notebook.page.evaluate(seek, player)
    sounds_from(notebook, player, 10)
    hears(notebook, player, FLAT)
    assert int(notebook.run(memory)) - before < 30e6


def test_stream_for_ipywebrtc(notebook: Notebook, player: str) -> None:
    name = notebook.run("print(player.stream.model_id)").strip()
    notebook.page.wait_for_timeout(300)
    peak = notebook.page.evaluate(
        """async ([name, id]) => {
          const { context, manager } = stemlab.players.get(id);
          const model = await manager.get_model(name);
          const source = context.createMediaStreamSource(await model.captureStream());
          const analyser = context.createAnalyser();
          source.connect(analyser);
          const samples = new Float32Array(2048);
          for (let tries = 0; tries < 50 && !samples.some((x) => x > 0.2); tries++) {
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
    notebook.page.wait_for_timeout(300)
    notebook.screenshot(OUT / "player.png", ".stemlab-player")
    assert (OUT / "player.png").stat().st_size > 5000


@pytest.mark.usefixtures("player")
def test_closing_stops_the_sound(notebook: Notebook) -> None:
    other = open_player(notebook, "other")
    notebook.keep(other)
    hears(notebook, other, FLAT)
    notebook.run("other.close()")
    assert np.abs(notebook.record(other, 0.3))[-4000:].max() == 0


@pytest.mark.usefixtures("player")
def test_clearing_the_output_stops_the_sound(notebook: Notebook) -> None:
    other = open_player(notebook, "other")
    hears(notebook, other, FLAT)
    notebook.page.evaluate("jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
    notebook.page.wait_for_timeout(300)
    assert np.abs(notebook.record(other, 0.3))[-4000:].max() == 0


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
    told.wait_for(timeout=5000)
    assert not notebook.problems


def test_reload_plays_on(lab: Lab) -> None:
    notebook = lab.open()
    name = open_player(notebook)
    notebook.page.evaluate("jupyterapp.commands.execute('docmanager:save')")
    notebook.page.wait_for_timeout(500)
    before = now(notebook, name)
    notebook.page.reload()
    notebook.wait(f"globalThis.stemlab?.players.get('{name}')?.now() > {before} + 0.5", 40)
    hears(notebook, name, FLAT)
    notebook.page.context.close()


def test_a_second_tab_is_silent_until_it_is_asked(lab: Lab) -> None:
    first = lab.open()
    name = open_player(first)
    first.page.evaluate("jupyterapp.commands.execute('docmanager:save')")
    first.page.wait_for_timeout(500)
    second = lab.join(first)
    second.wait(f"globalThis.stemlab?.players.has('{name}')")
    second.page.wait_for_timeout(500)
    hears(second, name, dict.fromkeys(TONES, -100.0))
    hears(first, name, FLAT)
    second.page.locator(".stemlab-player .play").last.click()
    second.wait(f"stemlab.players.get('{name}').playing")
    second.page.wait_for_timeout(700)
    hears(second, name, FLAT)
    hears(first, name, dict.fromkeys(TONES, -100.0))
    first.page.context.close()


def test_a_kernel_restart_leaves_no_sound(lab: Lab) -> None:
    notebook = lab.open()
    name = open_player(notebook)
    notebook.keep(name)
    notebook.page.evaluate("jupyterapp.shell.currentWidget.sessionContext.restartKernel()")
    notebook.page.wait_for_timeout(1500)
    assert np.abs(notebook.record(name, 0.3))[-4000:].max() == 0
    notebook.page.context.close()


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
    notebook.page.evaluate("id => stemlab.players.get(id).seek(40)", name)
    sounds_from(notebook, name, 40)
    notebook.run("player.mute('vocals')")
    notebook.page.wait_for_timeout(200)
    begin = now(notebook, name)
    heard = notebook.record(name, 1.0)
    start, count = int((begin - 0.3) * RATE), int(1.6 * RATE)
    loudness = notebook.run(
        f"import numpy as np; print(*[np.sqrt((stem**2).mean()) for stem in "
        f"player.track.read({start}, {count})[1]])"
    ).split()
    rest = float(loudness[1])
    assert np.sqrt((heard**2).mean()) == pytest.approx(rest, rel=0.4)
    notebook.screenshot(OUT / "player_song.png", ".stemlab-player")
    notebook.wait(
        "document.querySelector('.health').innerText.includes(' separated') && "
        "!document.querySelector('.health').innerText.includes('%')",
        60,
    )
    again = notebook.run("other = StemPlayer(demo.path()); print(other.separated)").strip()
    assert again == "1.0"
    assert not notebook.problems
    notebook.page.context.close()


def test_a_busy_kernel_is_told(lab: Lab) -> None:
    """Without answers the page plays what it has and says why no more comes."""
    notebook = lab.open()
    name = open_player(notebook)
    notebook.page.evaluate("id => { stemlab.players.get(id).seek(0); }", name)
    notebook.wait("document.querySelector('.health').innerText.startsWith('30 s')")
    notebook.run("player._receive = lambda *_: None; player._msg_callbacks.callbacks.clear()")
    notebook.page.evaluate("id => stemlab.players.get(id).seek(39)", name)
    told = notebook.page.locator(".stemlab-player .complaint")
    told.filter(has_text="The kernel does not answer").wait_for(timeout=6000)
    notebook.page.context.close()


@pytest.mark.soak
def test_ten_minutes_beside_a_busy_core(lab: Lab) -> None:
    notebook = lab.open()
    name = open_player(notebook)
    notebook.run(f"player.loop = [0, {SECONDS - 2}]")  # longer than what the page keeps
    notebook.start("import time\nend = time.time() + 600\nwhile time.time() < end: sum(range(999))")
    notebook.page.wait_for_timeout(600_000)
    hears(notebook, name, FLAT)
    assert "· 0 underruns ·" in notebook.page.locator(".stemlab-player .health").inner_text()
    notebook.page.context.close()
