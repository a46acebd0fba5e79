"""Measure live separation in a real browser: how late the stems are, gaps in them, what it costs.

    python tests/benchmarks/latency.py [--seconds 60] [--busy]

A file of music is the microphone. Prints one JSON object: for each setting the seconds from the
player's cell until it can start, and from Start to the first separated sound; the parts of the
latency in milliseconds, medians over the time and at most; gaps heard; and the shares of one core
that the processes take. With ``--busy`` another process keeps one core busy. The machine should
do nothing else.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import psutil
import typer

sys.path.insert(0, str(Path(__file__).parents[1] / "browser"))

from conftest import open_lab

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Lab, Notebook

SETTINGS = {
    "alone": "",
    "with its picture": "from stemlab import MaskView; display(MaskView(live))",
    "recording": "live.recording = True",
}
SHOW = """
from stemlab.widgets.live import LivePlayer
live = LivePlayer()
display(live)
"""
# ms from Start to the first separated sound
START = """async (name) => {
  const { live } = stemlab.players.get(name);
  const begin = performance.now();
  live.toggle();
  const sleep = () => new Promise((done) => setTimeout(done, 5));
  while (!(live.playing && live.report.heard > 1536)) await sleep();
  return performance.now() - begin;
}"""
EVERY = 2  # seconds between two looks


def main(
    seconds: Annotated[float, typer.Option(help="for each setting")] = 60,
    *,
    busy: Annotated[bool, typer.Option("--busy", help="beside a busy process")] = False,
    only: Annotated[str, typer.Option(help="one setting's name")] = "",
) -> None:
    """Print what was measured."""
    settings = {name: code for name, code in SETTINGS.items() if only in ("", name)}
    with tempfile.TemporaryDirectory() as home, open_lab(Path(home)) as lab, _beside(busy=busy):
        found = {name: measure(lab, code, seconds) for name, code in settings.items()}
    sys.stdout.write(json.dumps(found, indent=1) + "\n")


def measure(lab: Lab, code: str, seconds: float) -> dict[str, Any]:
    """Return what a setting takes."""
    notebook = lab.open()
    notebook.run("from stemlab.widgets.live import LivePlayer")
    begin = time.monotonic()
    notebook.run(SHOW + code)
    name = notebook.run("print(live.model_id)").strip()
    notebook.wait(f"globalThis.stemlab?.players.has('{name}')")
    loaded = time.monotonic() - begin
    started = notebook.evaluate(START, name) / 1000
    time.sleep(10)  # the notebook settles
    account, dropouts, shares = _watch(notebook, name, seconds)
    notebook.page.context.close()
    lab.end_kernels()
    return {
        "loaded, s": round(loaded, 2),
        "started, s": round(started, 2),
        "latency, ms": account,
        "gaps heard": dropouts,
        "shares of a core": shares,
    }


def _watch(notebook: Notebook, name: str, seconds: float) -> tuple[Any, int, Any]:
    """Return the account, gaps and shares of the time from now on."""
    player = f"stemlab.players.get('{name}').live"
    dropouts = notebook.page.evaluate(f"{player}.account.gaps")
    before, begin = _busy_seconds(), time.monotonic()
    looks: list[dict[str, float]] = []
    while time.monotonic() < begin + seconds:
        time.sleep(EVERY)
        looks.append(notebook.page.evaluate(f"{player}.model.get('account')"))
    passed = time.monotonic() - begin
    after = _busy_seconds()
    account = {
        part: [round(1000 * float(value), 1) for value in np.percentile(values, (50, 100))]
        for part in looks[0]
        if None not in (values := [look[part] for look in looks])
    }
    shares = {kind: round((after[kind] - before.get(kind, 0)) / passed, 3) for kind in after}
    return account, notebook.page.evaluate(f"{player}.account.gaps") - dropouts, shares


def _busy_seconds() -> dict[str, float]:
    """Return the seconds of a core that this process's children have taken, by kind."""
    found: dict[str, float] = {}
    for process in psutil.Process().children(recursive=True):
        with process.oneshot():
            words, times = " ".join(process.cmdline()), process.cpu_times()
        found[_kind(words)] = found.get(_kind(words), 0) + times.user + times.system
    return found


def _kind(words: str) -> str:
    kinds = {
        "--type=renderer": "page",
        "audio.mojom": "browser's sound",
        "chrom": "browser",
        "ipykernel": "kernel",
        "jupyterlab": "server",
        "while True": "busy process",
    }
    return next((kind for part, kind in kinds.items() if part in words), "other")


@contextmanager
def _beside(*, busy: bool) -> Iterator[None]:
    """Keep a core busy meanwhile."""
    if not busy:
        yield
        return
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    typer.run(main)
