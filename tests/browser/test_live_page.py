"""Live separation in the browser: what goes in comes out in stems, just as late as the lab says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.signal import correlate

from stemlab.research.metrics import conservation
from stemlab.sound.audio import load

if TYPE_CHECKING:
    from conftest import Lab, Notebook
    from numpy.typing import NDArray

pytestmark = pytest.mark.browser

RATE = 44_100
OUT = Path(__file__).parents[2] / "out" / "screenshots"
SHOW = """
from stemlab.widgets.live import LivePlayer
live = LivePlayer()
display(live)
"""
# What goes in as the first channel, what comes out as the second.
BOTH = """(id) => {
  const { live, context, output } = stemlab.players.get(id);
  const merger = context.createChannelMerger(2);
  live.source.connect(merger, 0, 0);
  output.connect(merger, 0, 1);
  (globalThis.kept ??= {}).both = { output: merger, context };
}"""


# How often the kernel gets busy or idle in two seconds, as JupyterLab sees it.
BUSY = """async () => {
  const { sessionContext } = jupyterapp.shell.currentWidget;
  let changes = 0;
  const count = () => changes++;
  await new Promise((done) => setTimeout(done, 500));
  sessionContext.statusChanged.connect(count);
  await new Promise((done) => setTimeout(done, 2000));
  sessionContext.statusChanged.disconnect(count);
  return changes;
}"""


# Whether a second comes in which the picture is drawn twenty times.
PICTURES = """async () => {
  const { view } = document.querySelector(".stemlab-maskview");
  for (;;) {
    const before = view.frames;
    await new Promise((done) => setTimeout(done, 1000));
    if (view.frames - before >= 20) return true;
  }
}"""
# Behind the newest column, behind the newest on the canvas, the loudest cell there.
NEWEST = """((view) => {
  const { strip } = view.painter;
  const painted = strip.first + strip.step * (strip.painted.lastIndexOf(1) + 1);
  return [view.song.end, painted, strip.cells.reduce((a, b) => Math.max(a, b), 0)];
})"""
# Whether a picture's newest column is what is heard now, and in view.
SHOWS_NOW = """((live) => {
  const { song, port } = document.querySelector(".stemlab-maskview").view;
  const newest = song.grid.origin + (song.end - 1) / song.grid.pace;
  const inView = newest > port.start && newest < port.start + port.span + 1 / song.grid.pace;
  return song.has(song.end - 1) && inView && Math.abs(newest - live.report.time) < 1;
})"""
BLOCK_THE_PAGE = "const end = Date.now() + 500; while (Date.now() < end);"
LATE = 512 - 128 + 1024 + 95  # samples: a block, the algorithm, the limiter
LATER = 1024 - 128 + 3072 + 95  # the same of the cleaner network


@pytest.fixture(scope="module")
def live(notebook: Notebook) -> str:
    """Listen to the microphone, which hears the demo; wait until stems are played."""
    notebook.run(SHOW)
    name = notebook.run("print(live.model_id)").strip()
    notebook.wait(f"globalThis.stemlab?.players.has('{name}')")
    begin(notebook, name)
    return name


def begin(notebook: Notebook, live: str) -> None:
    """Press Start, and wait until something is heard."""
    notebook.page.get_by_role("button", name="Start", exact=True).click()
    player = f"stemlab.players.get('{live}').live"
    # The report of the start before may still be there: it has input, too.
    notebook.wait(f"{player}.source && {player}.report.input > 0")


def delay(notebook: Notebook, live: str) -> int:
    """Return by how many samples the sum of the stems is late, which is just what went in."""
    notebook.page.evaluate(BOTH, live)  # each start makes a new source
    late, alike = lag(notebook.record("both", 2))
    assert alike > 0.99
    return late


def lag(sound: NDArray[np.float32]) -> tuple[int, float]:
    """Return by how many samples the second channel is late, and how alike both are then."""
    alike = correlate(sound[:, 1], sound[:, 0])[len(sound) - 1 :]
    late = int(alike.argmax())
    size = np.linalg.norm(sound[late:, 1]) * np.linalg.norm(sound[: len(sound) - late, 0])
    return late, float(alike[late] / (size + 1e-9))


def test_stems_sum_to_what_was_heard_so_late(notebook: Notebook, live: str) -> None:
    """The sum of all stems is the input, as late as the account says and below 35 ms."""
    late = delay(notebook, live) / RATE
    notebook.eventually("'total' in live.account", "True")
    account = json.loads(notebook.run("import json; print(json.dumps(live.account))"))
    inside = sum(account[part] for part in ("block", "algorithm", "limiter"))
    devices = sum(account[part] or 0 for part in ("input device", "buffer", "output device"))
    assert late < 0.035
    assert inside == pytest.approx(late, abs=1e-6)
    assert account["total"] == pytest.approx(inside + devices)
    assert 0 <= account["compute"] <= account["compute p99"]
    notebook.page.get_by_role("button", name="Measure block, algorithm").click()
    notebook.eventually("'measured' in live.account", "True")
    assert float(notebook.run("print(live.account['measured'])")) == pytest.approx(late, abs=1e-4)


def test_another_network_takes_over(notebook: Notebook, live: str) -> None:
    """While it listens; its picture rolls on, also after a while. Then the sooner one again."""
    notebook.run("from stemlab import MaskView; view = MaskView(live); display(view)")
    choice = notebook.page.get_by_role("combobox", name="Model")
    player = f"stemlab.players.get('{live}').live"
    notebook.wait(f"{player}.report.time > 20")
    for named, late in (("Cleaner", LATER), ("Sooner", LATE)):
        choice.select_option(
            label=next(x for x in choice.all_inner_texts()[0].split("\n") if named in x)
        )
        notebook.wait(f"{player}.chain.engine.card.name === {player}.model.get('model')")
        notebook.wait(f"{player}.report.heard > 44100")
        assert delay(notebook, live) == late
        notebook.page.locator(".stemlab-maskview").scroll_into_view_if_needed()  # else it rests
        notebook.wait(f"{SHOWS_NOW}({player})", 5)
        pace = "document.querySelector('.stemlab-maskview').view.song.grid.pace"
        assert notebook.page.evaluate(f"{pace} * {player}.chain.engine.card.hop") == RATE
        assert notebook.run("print(live.card.name == live.model)").strip() == "True"
    notebook.run("view.close()")


def test_the_kernel_does_not_seem_busy(notebook: Notebook, live: str) -> None:
    """JupyterLab draws much anew each time, so it is not told of every message."""
    heard = f"stemlab.players.get('{live}').live.report.time"
    before = notebook.page.evaluate(heard)
    assert notebook.evaluate(BUSY, None) == 0
    assert notebook.page.evaluate(heard) > before + 1


def test_the_sound_goes_on_beside_a_cell_that_computes(notebook: Notebook, live: str) -> None:
    """And beside a page that does nothing but count."""
    notebook.run("import time")
    notebook.start("end = time.time() + 3\nwhile time.time() < end: pass")
    notebook.page.evaluate(BOTH, live)
    late, alike = lag(notebook.record("both", 2, *2 * [BLOCK_THE_PAGE]))
    assert alike > 0.99
    assert late == LATE
    assert notebook.run("print('done')").strip() == "done"


def test_a_fader_takes_a_stem_away(notebook: Notebook, live: str) -> None:
    notebook.page.evaluate(BOTH, live)
    before = np.sqrt(np.square(notebook.record("both", 2)).mean(0))
    notebook.run("live.solo('bass')")
    notebook.wait(f"stemlab.players.get('{live}').live.gains()[0] === 0")
    after = np.sqrt(np.square(notebook.record("both", 2)).mean(0))
    notebook.run("live.solo()")
    assert 0.01 * before[1] < after[1] < 0.8 * before[1]


def test_it_is_silent_until_it_is_asked(notebook: Notebook, live: str) -> None:
    level = f"stemlab.players.get('{live}').live.chain.monitor.gain.value"
    notebook.run("live.aloud = False")
    notebook.wait(f"{level} < 0.01")
    notebook.page.get_by_role("button", name="Hear the stems; wear headphones").click()
    notebook.wait(f"{level} > 0.99")
    notebook.eventually("live.aloud", "True")
    notebook.run("live.aloud = False")
    notebook.wait(f"{level} < 0.01")


@pytest.mark.parametrize(("key", "aloud"), [("h", True), ("Escape", False)])
def test_a_key_silences(notebook: Notebook, live: str, key: str, *, aloud: bool) -> None:
    """It does wherever the keyboard's focus is in the panel."""
    notebook.run(f"live.aloud = {not aloud}")
    notebook.wait(
        f"stemlab.players.get('{live}').live.model.get('aloud') === {str(not aloud).lower()}"
    )
    notebook.page.get_by_role("slider", name="Drums level").press(key)
    level = f"stemlab.players.get('{live}').live.chain.monitor.gain.value"
    notebook.wait(f"{level} > 0.99" if aloud else f"{level} < 0.01")
    notebook.eventually("live.aloud", str(aloud))


@pytest.mark.usefixtures("live")
def test_its_picture_rolls_without_the_kernel(notebook: Notebook) -> None:
    """Twenty pictures a second or more, of sound, on either axis; the kernel sleeps meanwhile."""
    notebook.run("from stemlab import MaskView; view = MaskView(live); display(view)")
    view = "document.querySelector('.stemlab-maskview').view"
    notebook.wait("document.querySelector('.stemlab-maskview')?.view?.song.first > 100")
    notebook.page.locator(".stemlab-maskview").scroll_into_view_if_needed()  # else it rests
    assert notebook.run("print(live._kept)").strip() == "False"
    for scale in ("log", "linear"):
        notebook.run(f"view.scale = '{scale}'")
        notebook.wait(f"{view}.song.grid.scale === '{scale}'")
        notebook.start("time.sleep(5)")
        assert notebook.evaluate(PICTURES, None)
        end, newest, loudest = notebook.page.evaluate(f"{NEWEST}({view})")
        assert newest >= end - RATE // 512
        assert loudest > 100
    notebook.screenshot(OUT / "live-picture.png", ".stemlab-maskview")
    notebook.run("view.close()")


@pytest.mark.usefixtures("live")
def test_a_take_is_saved(notebook: Notebook, lab: Lab) -> None:
    record = notebook.page.locator("[data-control='Record input and stems']")
    record.click()
    notebook.eventually("live._recording is not None and live._recording.length > 44100", "True")
    record.click()
    told = notebook.page.get_by_role("status", name="Recording").filter(has_text="saved in")
    told.wait_for()
    assert notebook.run("print(live.missing, live.notice)").strip() == "0"
    folder = lab.root / (told.text_content() or "").split("saved in ")[1]
    sounds = {path.stem: load(path).samples for path in folder.iterdir()}
    heard = sounds.pop("input")
    assert len(heard) > RATE
    assert np.abs(heard).max() > 0.01
    assert conservation(heard, np.stack([*sounds.values()])) < -100


@pytest.mark.usefixtures("live")
def test_python_gets_blocks_late_but_complete(notebook: Notebook) -> None:
    """Also who asks for them again at once."""
    notebook.run("""
import time
blocks, lost = [], live.missing
live.on_block(blocks.append)
live.on_block(blocks.append, remove=True)
live.on_block(blocks.append)
time.sleep(3)""")
    notebook.eventually("sum(len(block.mix) for block in blocks) > 2 * 44100", "True")
    notebook.run("live.on_block(blocks.append, remove=True)")
    told = notebook.run("""
ends = [block.start + len(block.mix) for block in blocks]
print(ends[:-1] == [block.start for block in blocks[1:]], live.missing - lost)
print(max(abs(block.stems.sum(0) - block.mix).max() for block in blocks) < 1e-6)
print(max(abs(block.mix).max() for block in blocks) > 0.01)""")
    assert told.split() == ["True", "0", "True", "True"]


def test_a_thread_that_is_interrupted_is_told(notebook: Notebook, live: str) -> None:
    """Hops that take longer than their sound, though most do not."""
    told = notebook.page.get_by_role("status", name="What is heard")
    notebook.page.evaluate(f"stemlab.players.get('{live}').live.account.hear([30, 30, 30, 2])")
    told.filter(has_text="other programs interrupt the audio thread").wait_for()
    notebook.screenshot(OUT / "live-interrupted.png", ".stemlab-live")


def test_a_source_that_ends_is_told(notebook: Notebook, live: str) -> None:
    """As when it is unplugged, or its tab is closed."""
    track = f"stemlab.players.get('{live}').live.track"
    notebook.page.evaluate(f"{track}.dispatchEvent(new Event('ended'))")
    notebook.page.locator(".stemlab-live .complaint", has_text="was unplugged").wait_for()
    notebook.eventually("live.running", "False")
    begin(notebook, live)
    assert delay(notebook, live) == LATE
    notebook.screenshot(OUT / "live.png", ".stemlab-live")


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("NotFoundError", "no microphone or line-in here"),
        ("NotReadableError", "Another program uses the input"),
        ("NotAllowedError", "no permission to listen"),
    ],
)
def test_what_cannot_be_heard_is_told(
    notebook: Notebook, live: str, reason: str, told: str
) -> None:
    notebook.page.evaluate(
        """(reason) => {
          navigator.mediaDevices.getUserMedia = async () => {
            throw new DOMException("no", reason);
          };
        }""",
        reason,
    )
    notebook.run("live.running = False")
    notebook.run("live.running = True")
    notebook.page.locator(".stemlab-live .complaint", has_text=told).wait_for()
    notebook.eventually("live.running", "False")
    assert notebook.page.evaluate("id => stemlab.players.get(id).live.source", live) is None


def test_closing_ends_the_thread(notebook: Notebook, live: str) -> None:
    notebook.keep(live)
    notebook.run("live.close()")
    notebook.wait(f"!stemlab.players.has('{live}')")
    notebook.wait(f"kept['{live}'].context.state === 'closed'")
