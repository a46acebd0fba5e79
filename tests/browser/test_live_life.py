"""What live separation outlives: its kernel, many starts and stops."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import psutil
import pytest
from conftest import Lab
from far import far
from test_live_page import BOTH, LATE, RATE, SHOW, begin, lag

from stemlab.sound.audio import load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Notebook

pytestmark = pytest.mark.browser


# Presses Start or Stop so many times.
CYCLE = """async ([name, times]) => {
  for (let i = 0; i < times; i++) {
    stemlab.players.get(name).live.toggle();
    await new Promise((done) => setTimeout(done, 100));
  }
}"""
# Seconds of sound between a mute and the first report in which the stem is not heard: the least of
# five, for the page may have other work meanwhile.
MUTE = """async (name) => {
  const { live } = stemlab.players.get(name);
  const moment = () => new Promise((done) => setTimeout(done, 1));
  const times = [];
  while (times.length < 5) {
    const stem = live.report.peaks.findIndex((peak) => peak > 0.01);
    await moment();
    if (stem < 0) continue;
    const begin = live.report.time;
    live.change("mutes", stem, true);
    while (live.report.peaks[stem] > 1e-4) await moment();
    times.push(live.report.time - begin);
    live.change("mutes", stem, false);
  }
  return Math.min(...times);
}"""


def listen(lab: Lab) -> tuple[Notebook, str]:
    """Open a notebook that listens to the microphone; return it and the player's name."""
    notebook = lab.open()
    notebook.run(SHOW)
    name = notebook.run("print(live.model_id)").strip()
    notebook.wait(f"globalThis.stemlab?.players.has('{name}')")
    begin(notebook, name)
    return notebook, name


@pytest.fixture
def listening(lab: Lab) -> Iterator[tuple[Notebook, str]]:
    notebook, name = listen(lab)
    yield notebook, name
    notebook.page.context.close()


@pytest.fixture
def far_away(lab: Lab) -> Iterator[tuple[Notebook, str]]:
    """Listen where the kernel is a tenth of a second away, each way."""
    with far(int(lab.address.split(":")[-1]), 0.1) as port:
        beside = Lab(lab.root, f"http://127.0.0.1:{port}", lab.token, lab.browser)
        notebook, name = listen(beside)
        yield notebook, name
        notebook.page.context.close()


def check_sound(notebook: Notebook, name: str) -> None:
    """Check that the sum of the stems is what goes in, just as late as it should be."""
    notebook.page.evaluate(BOTH, name)
    late, alike = lag(notebook.record("both", 2))
    assert alike > 0.99
    assert late == LATE


def test_a_killed_kernel_leaves_the_sound_and_the_take(
    lab: Lab, listening: tuple[Notebook, str]
) -> None:
    notebook, name = listening
    notebook.run("live.recording = True")
    notebook.eventually("live._recording.length > 44100", "True")
    folder = lab.root / notebook.run("print(live.folder)").strip()
    notebook.start("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    told = notebook.page.locator(".stemlab-live .complaint", has_text="the sound goes on")
    told.wait_for()
    assert folder.name in told.inner_text()
    for path in folder.iterdir():
        sound = load(path).samples
        assert len(sound) > 0.8 * RATE
        assert np.abs(sound).max() > 0
    check_sound(notebook, name)
    live = f"stemlab.players.get('{name}').live"
    notebook.page.evaluate(f"{live}.change('solos', 2, true)")
    notebook.wait(f"{live}.gains()[0] === 0")
    before, after = np.square(notebook.record("both", 2)).mean(0)
    assert 1e-4 * before < after < 0.8 * before


def test_a_kernel_far_away_changes_no_sound(far_away: tuple[Notebook, str]) -> None:
    notebook, name = far_away
    notebook.run("blocks = []\nlive.on_block(blocks.append)")
    check_sound(notebook, name)
    assert notebook.evaluate(MUTE, name) < 0.2  # there and back again
    check_sound(notebook, name)
    notebook.eventually("sum(len(block.mix) for block in blocks) > 2 * 44100", "True")
    assert notebook.run("print(live.missing)").strip() == "0"


def test_many_starts_and_stops_leave_nothing(listening: tuple[Notebook, str]) -> None:
    """Neither memory nor sound that hangs on: the page has one thread and one network for all."""
    notebook, name = listening
    live = f"stemlab.players.get('{name}').live"
    notebook.evaluate(CYCLE, [name, 20])
    before = page_memory()
    notebook.evaluate(CYCLE, [name, 80])
    notebook.wait(f"{live}.playing && {live}.report.input > 0")
    assert page_memory() < before + 60e6
    check_sound(notebook, name)
    notebook.page.evaluate(f"{live}.toggle()")
    notebook.wait(f"{live}.chain.context.state === 'suspended'")


def test_a_slow_machine_separates_beside_the_audio_thread(
    listening: tuple[Notebook, str],
) -> None:
    notebook, name = listening
    live = f"stemlab.players.get('{name}').live"
    notebook.page.evaluate(f"{live}.stepAside({live}.chain)")
    told = notebook.page.get_by_role("status", name="What is heard")
    told.filter(has_text="this machine is slow").wait_for()
    notebook.wait(f"{live}.model.get('account').margin > 0.04 && {live}.report.input > 0")
    notebook.wait(f"{live}.chain.master.peaks[0] > 0.01")
    notebook.page.evaluate(f"{live}.change('mutes', 0, true)")
    notebook.wait(f"{live}.report.peaks[0] < 1e-4 && {live}.report.peaks[1] > 0")


def page_memory() -> int:
    """Return the bytes of all pages of this process's browser."""
    children = psutil.Process().children(recursive=True)
    pages = [child for child in children if "--type=renderer" in child.cmdline()]
    return sum(page.memory_info().rss for page in pages)
