"""Half an hour of live separation, idle and beside all that may disturb it; many starts and pages.

``STEMLAB_SOAK_MINUTES`` makes it shorter or longer. A context that plays a tone and separates
nothing runs beside it: where that one has gaps, too, they are the machine's.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from chromium import chromium
from conftest import FLAGS, MICROPHONE, PATIENCE, Lab
from test_live_life import CYCLE, check_sound, listen, page_memory
from test_live_page import BLOCK_THE_PAGE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Notebook

pytestmark = [pytest.mark.browser, pytest.mark.soak]

MINUTES = float(os.environ.get("STEMLAB_SOAK_MINUTES", "30"))
CASES = [
    ("this user", "nothing"),
    ("this user", "two loops"),
    ("this user", "a cell"),
    ("this user", "a blocked page"),
    ("this user", "a killed kernel"),
    ("ordinary user", "nothing"),
    ("ordinary user", "two loops"),
]
# Root's audio threads are real-time ones; those of others only where the system allows it.
ORDINARY = ("setpriv", "--bounding-set=-sys_nice", "--inh-caps=-sys_nice")
CONTROL = """async () => {
  const context = new AudioContext({ sampleRate: 44100, latencyHint: "interactive" });
  globalThis.control = context;
  const tone = new OscillatorNode(context);
  tone.connect(new GainNode(context, { gain: 0 })).connect(context.destination);
  tone.start();
  await context.resume();
}"""
STATS = """(name) => {
  const { live } = stemlab.players.get(name);
  const lost = ({ playbackStats }) => 1000 * playbackStats.underrunDuration;
  return {
    "gaps": live.account.gaps,
    "lost ms": lost(live.chain.context),
    "other's gaps": control.playbackStats.underrunEvents,
    "other's lost ms": lost(control),
    "slowest hop ms": live.account.slowest,
    "heard s": live.report.heard / live.rate,
  };
}"""


@pytest.fixture(scope="module")
def table() -> Iterator[list[dict[str, Any]]]:
    """Take what was found; print it at the end."""
    rows: list[dict[str, Any]] = []
    yield rows
    for row in rows:
        print("\n" + " | ".join(f"{name} {value}" for name, value in row.items()), end="")
    print()


@pytest.fixture
def home(request: pytest.FixtureRequest, lab: Lab) -> Iterator[tuple[str, Lab]]:
    """Return a browser whose audio thread is a real-time one, and one whose is not."""
    if request.param == "this user":
        yield request.param, lab
        return
    program = lab.root.parent / "ordinary"
    rights = ORDINARY if os.geteuid() == 0 else ()
    program.write_text(f'#!/bin/sh\nexec {" ".join(rights)} {chromium()} "$@"\n')
    program.chmod(0o755)
    flags = [*FLAGS, f"--use-file-for-fake-audio-capture={lab.root.parent / MICROPHONE}"]
    browser = lab.browser.browser_type.launch(executable_path=program, args=flags)
    yield request.param, Lab(lab.root, lab.address, lab.token, browser)
    browser.close()


@contextmanager
def loops(count: int) -> Iterator[None]:
    """Keep so many cores busy meanwhile."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def disturb(notebook: Notebook, beside: str) -> None:
    """Begin what lasts as long as the test."""
    if beside == "a cell":
        until = f"end = time.time() + {60 * MINUTES}"
        notebook.start(f"import time; {until}\nwhile time.time() < end: pass")
    if beside == "a blocked page":
        notebook.page.evaluate(f"setInterval(() => {{ {BLOCK_THE_PAGE} }}, 1000)")
    if beside == "a killed kernel":
        death = f"time.sleep({30 * MINUTES}); os.kill(os.getpid(), signal.SIGKILL)"
        notebook.start(f"import os, signal, time; {death}")


@pytest.mark.timeout(60 * MINUTES + 600)
@pytest.mark.parametrize(("home", "beside"), CASES, indirect=["home"])
def test_no_gap_is_ours(home: tuple[str, Lab], beside: str, table: list[dict[str, Any]]) -> None:
    """As an ordinary user on a busy machine there are some, and the panel says why."""
    user, lab = home
    notebook, name = listen(lab)
    notebook.run("from stemlab import MaskView; display(MaskView(live))")
    notebook.page.evaluate(CONTROL)
    time.sleep(5)  # the notebook settles
    told = notebook.page.get_by_role("status", name="What is heard")
    with loops(2 if beside == "two loops" else 0):
        before = notebook.page.evaluate(STATS, name)
        disturb(notebook, beside)
        time.sleep(60 * MINUTES)
        after = notebook.page.evaluate(STATS, name)
        said = "interrupt" in told.inner_text()
    found = {key: round(after[key] - before[key], 1) for key in before}
    table.append({"user": user, "beside": beside, **found, "told": said})
    assert found["heard s"] > 0.97 * 60 * MINUTES
    assert found["gaps"] <= found["other's gaps"] or (user != "this user" and said)


@pytest.mark.timeout(1200)
def test_starts_tabs_and_pages_leave_nothing(lab: Lab, table: list[dict[str, Any]]) -> None:
    """Neither memory in page and kernel nor sound that hangs on."""
    notebook, name = listen(lab)
    kernel = psutil.Process(int(notebook.run("import os; print(os.getpid())")))
    notebook.save()
    live = f"stemlab.players.get('{name}').live"
    found: list[tuple[float, float]] = []
    for _ in range(4):
        notebook.evaluate(CYCLE, [name, 50], 4 * PATIENCE)
        notebook.wait(f"{live}.playing && {live}.report.input > 0")
        check_sound(notebook, name)
        beside = lab.join(notebook)
        beside.wait(f"globalThis.stemlab?.players.has('{name}')", 2 * PATIENCE)
        beside.page.close()
        notebook.page.reload()
        notebook.wait(f"globalThis.stemlab?.players.get('{name}')?.live.playing", 2 * PATIENCE)
        found.append((page_memory() / 1e6, kernel.memory_info().rss / 1e6))
    notebook.run("live.close()")
    notebook.wait(f"!stemlab.players.has('{name}')")
    pages, kernels = ([round(mb) for mb in each] for each in zip(*found, strict=True))
    table.append({"100 starts, 4 tabs, 4 reloads": "", "pages MB": pages, "kernel MB": kernels})
    assert pages[-1] < pages[0] + 60
    assert kernels[-1] < kernels[0] + 20
