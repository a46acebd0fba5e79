"""Half an hour of live separation, idle and beside all that may disturb it.

``STEMLAB_SOAK_MINUTES`` makes it shorter or longer. A context that plays a tone and separates
nothing runs beside it: where that one has gaps, too, they are the machine's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from test_live_page import BLOCK_THE_PAGE, SHOW, begin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Lab, Notebook

pytestmark = [pytest.mark.browser, pytest.mark.soak]

MINUTES = float(os.environ.get("STEMLAB_SOAK_MINUTES", "30"))
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
  const lost = ({ playbackStats }) => 1000 * playbackStats.underrunDuration; // ms
  return {
    gaps: live.account.gaps,
    slowest: live.account.slowest, // ms of a hop
    lost: lost(live.chain.context),
    others: control.playbackStats.underrunEvents,
    othersLost: lost(control),
    heard: live.report.heard / live.rate,
    account: live.model.get("account"),
  };
}"""


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


def differences(before: dict[str, Any], after: dict[str, Any]) -> dict[str, float]:
    return {key: round(after[key] - before[key], 1) for key in before if key != "account"}


@pytest.mark.timeout(60 * MINUTES + 600)
@pytest.mark.parametrize("beside", ["nothing", "two loops", "a cell", "a blocked page"])
def test_no_gap_is_ours(lab: Lab, beside: str) -> None:
    notebook = lab.open()
    notebook.run(SHOW + "from stemlab import MaskView; display(MaskView(live))")
    name = notebook.run("print(live.model_id)").strip()
    notebook.wait(f"globalThis.stemlab?.players.has('{name}')")
    begin(notebook, name)
    notebook.page.evaluate(CONTROL)
    time.sleep(5)  # the notebook settles
    with loops(2 if beside == "two loops" else 0):
        before = notebook.page.evaluate(STATS, name)
        disturb(notebook, beside)
        time.sleep(60 * MINUTES)
        after = notebook.page.evaluate(STATS, name)
    found = differences(before, after)
    print(beside, json.dumps(found | {"account": after["account"]}))
    notebook.page.context.close()
    assert found["gaps"] <= found["others"]
