"""Live separation in the browser: what goes in comes out in stems, as late as the lab says."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from conftest import PATIENCE
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


@pytest.fixture(scope="module")
def live(notebook: Notebook) -> str:
    """Listen to the microphone, which hears the demo; wait until stems are played."""
    notebook.run(SHOW)
    name = notebook.run("print(live.model_id)").strip()
    notebook.wait(f"globalThis.stemlab?.players.has('{name}')")
    notebook.page.get_by_role("button", name="Start", exact=True).click()
    notebook.wait(f"stemlab.players.get('{name}').live.report.sounding", 2 * PATIENCE)
    return name


def delay(notebook: Notebook, live: str) -> float:
    """Return by how many seconds the sum of the stems is late, once it is just what went in."""
    notebook.page.evaluate(BOTH, live)  # each start makes a new source
    end = time.monotonic() + 2 * PATIENCE
    while (found := lag(notebook.record("both", 3)))[1] < 0.99:
        assert time.monotonic() < end, found
    return found[0]


def lag(sound: NDArray[np.float32]) -> tuple[float, float]:
    """Return by how many seconds the second channel is late, and how alike both are then."""
    alike = correlate(sound[:, 1], sound[:, 0])[len(sound) - 1 :]
    late = int(alike.argmax())
    size = np.linalg.norm(sound[late:, 1]) * np.linalg.norm(sound[: len(sound) - late, 0])
    return late / RATE, float(alike[late] / (size + 1e-9))


def test_stems_sum_to_what_was_heard_so_late(notebook: Notebook, live: str) -> None:
    """The sum of all stems is the input, as late as the account says."""
    limiter = 96 / RATE
    late = delay(notebook, live)
    notebook.eventually("'total' in live.account", "True")
    told = float(notebook.run("print(live.account['total'])"))
    assert abs(late - limiter - told) < 0.01
    parts = ("algorithmic", "compute", "transport", "blocks and buffer")
    assert notebook.run(
        f"print(abs(sum(live.account[part] for part in {parts}) - live.account['total']) < 1e-6)"
    ).startswith("True")


def test_the_kernel_does_not_seem_busy(notebook: Notebook, live: str) -> None:
    """JupyterLab draws much anew each time, so it is not told of every message."""
    sent = f"stemlab.players.get('{live}').live.sent"
    notebook.wait(f"stemlab.players.get('{live}').live.report.sounding")
    before = notebook.page.evaluate(sent)
    assert notebook.evaluate(BUSY, None) == 0
    assert notebook.page.evaluate(sent) > before + RATE


def test_a_fader_takes_a_stem_away(notebook: Notebook, live: str) -> None:
    delay(notebook, live)
    before = np.sqrt(np.square(notebook.record("both", 2)).mean(0))
    notebook.run("live.solo('bass')")
    notebook.wait(f"stemlab.players.get('{live}').live.gains()[0] === 0")
    after = np.sqrt(np.square(notebook.record("both", 2)).mean(0))
    notebook.run("live.solo()")
    assert 0.01 * before[1] < after[1] < 0.8 * before[1]


def test_it_is_silent_until_it_is_asked(notebook: Notebook, live: str) -> None:
    level = f"stemlab.players.get('{live}').live.monitor.gain.value"
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
    level = f"stemlab.players.get('{live}').live.monitor.gain.value"
    notebook.wait(f"{level} > 0.99" if aloud else f"{level} < 0.01")
    notebook.eventually("live.aloud", str(aloud))


@pytest.mark.usefixtures("live")
def test_its_picture_rolls(notebook: Notebook) -> None:
    """The page has the cells that the kernel has; there is sound in them, and it goes on."""
    notebook.run("from stemlab import MaskView; view = MaskView(live); display(view)")
    newest = "document.querySelector('.stemlab-maskview').view"
    notebook.wait("document.querySelector('.stemlab-maskview')?.view?.song.first > 100")
    notebook.page.locator(".stemlab-maskview").scroll_into_view_if_needed()  # else it rests
    end = notebook.page.evaluate(f"{newest}.song.end")
    notebook.wait(f"{newest}.song.end > {end} + 20 && {newest}.port.first > 100")
    notebook.run("live.running = False")
    notebook.eventually("live.worker.heard - live.worker.made < live.worker.delay + 256", "True")
    notebook.eventually("view.picture.first == live.worker.made // live.stft.hop", "True")
    told = notebook.run(
        "cells = view.picture.columns[-100:]; print(view.picture.first, cells.sum(), cells.max())"
    )
    first, total, loudest = map(int, told.split())
    notebook.wait(f"{newest}.song.first === {first}")
    found = notebook.page.evaluate(
        """(song) => {
          const columns = Array.from({ length: 100 }, (_, i) => song.place(song.end - 100 + i));
          const cells = (at) => song.bytes.subarray(at * song.size, (at + 1) * song.size);
          const sum = (bytes) => bytes.reduce((total, byte) => total + byte, 0);
          return columns.reduce((total, at) => total + sum(cells(at)), 0);
        }""",
        notebook.page.evaluate_handle(f"{newest}.song"),
    )
    assert found == total
    assert loudest > 0
    notebook.run("view.close(); live.running = True")
    notebook.wait("[...stemlab.players.values()].some(({ live }) => live?.playing)")


@pytest.mark.usefixtures("live")
def test_a_take_is_saved(notebook: Notebook, lab: Lab) -> None:
    for _ in range(5):  # what a busy machine lost is silent: then once more
        lost = notebook.run("live.recording = False; print(live.worker.lost)")
        heard, stems = take(notebook, lab)
        if notebook.run("print(live.worker.lost)") == lost:
            break
    assert len(heard) > RATE
    assert np.abs(heard).max() > 0.01
    assert conservation(heard, stems) < -100


def take(notebook: Notebook, lab: Lab) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Record more than a second by the button; return the input and the stems that were saved."""
    record = notebook.page.locator("[data-control='Record input and stems']")
    record.click()
    notebook.eventually("live.recording", "True")
    notebook.eventually("live.worker.made - live._recorded._start > 44100", "True")
    record.click()
    told = notebook.page.get_by_role("status", name="Recording").filter(has_text="saved in")
    told.wait_for()
    folder = lab.root / told.inner_text().split("saved in ")[1]
    sounds = {path.stem: load(path).samples for path in folder.iterdir()}
    return sounds.pop("input"), np.stack([*sounds.values()])


def test_a_killed_worker_is_replaced(notebook: Notebook, live: str) -> None:
    notebook.run("import os, signal; os.kill(live.worker.pid, signal.SIGKILL)")
    notebook.page.locator(".stemlab-live .complaint", has_text="another took over").wait_for()
    delay(notebook, live)
    notebook.screenshot(OUT / "live.png", ".stemlab-live")


def test_a_source_that_ends_is_told(notebook: Notebook, live: str) -> None:
    """As when it is unplugged, or its tab is closed."""
    track = f"stemlab.players.get('{live}').live.track"
    notebook.page.evaluate(f"{track}.dispatchEvent(new Event('ended'))")
    notebook.page.locator(".stemlab-live .complaint", has_text="was unplugged").wait_for()
    notebook.eventually("live.running", "False")
    notebook.page.get_by_role("button", name="Start", exact=True).click()
    notebook.wait(f"stemlab.players.get('{live}').live.report.sounding")


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


def test_closing_ends_the_process(notebook: Notebook, live: str) -> None:
    notebook.run("import psutil; pid = live.worker.pid; live.close()")
    notebook.wait(f"!stemlab.players.has('{live}')")
    notebook.eventually("psutil.pid_exists(pid)", "False")
