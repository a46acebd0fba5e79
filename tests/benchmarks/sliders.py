"""Measure how soon the pictures of `01_masks` follow their sliders, in a real browser.

    python tests/benchmarks/sliders.py [--moves 10]

Prints one JSON object: for each slider the milliseconds from a key on it until the page has drawn
what follows, the median and the longest. The machine should do nothing else.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

sys.path.insert(0, str(Path(__file__).parents[1] / "browser"))

from conftest import Notebook, open_lab
from test_notebooks import opened

if TYPE_CHECKING:
    from playwright.sync_api import Page

# Cells by what their code has, and their sliders.
SLIDERS = {
    "waves(excerpt, singer)": ("pitch", "windows up to"),
    "explore.windows": ("window in samples", "hop", "keep the loudest"),
    "explore.kinds": ("threshold",),
    "explore.network": ("frames arrived",),
    "explore.bleed": ("my guess",),
    "learn.learn": ("after epoch",),
}
# A key on a slider's handle, and the next frame in which chart, masks or table have changed.
MOVE = """async (cell, [name, key]) => {
  const named = (one) => one.textContent.includes(name);
  const slider = [...cell.querySelectorAll(".widget-slider")].find(named);
  const chart = cell.querySelector(".stemlab-chart")?.charter;
  const view = cell.querySelector(".stemlab-maskview")?.view;
  const table = () => cell.querySelector(".widget-html table")?.innerHTML;
  const [shown, cells, words] = [chart?.model.get("panels"), view?.song.version, table()];
  const changed = () => chart ? chart.model.get("panels") !== shown
    : view ? view.song.version !== cells : table() !== words;
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  const begin = performance.now();
  const press = new KeyboardEvent("keydown", { key, bubbles: true });
  slider.querySelector(".noUi-handle").dispatchEvent(press);
  while (!changed()) {
    await frame();
    if (performance.now() - begin > 10_000) throw new Error(`${name}: nothing changed`);
  }
  await frame();
  return performance.now() - begin;
}"""
REST = 300  # ms until all else has followed


def main(moves: Annotated[int, typer.Option(help="of each slider")] = 10) -> None:
    """Print what was measured."""
    with tempfile.TemporaryDirectory() as home, open_lab(Path(home)) as lab:
        page = opened(lab, "01_masks.ipynb", 1280, 800)
        train(page)
        found = {
            name: measure(page, code, name, moves)
            for code, names in SLIDERS.items()
            for name in names
        }
    sys.stdout.write(json.dumps(found, indent=1) + "\n")


def train(page: Page) -> None:
    """Have a network whose epochs can be gone through."""
    Notebook(page).run("""
from stemlab.labs.learn import Lesson
[lesson] = [shown for shown in Out.values() if isinstance(shown, Lesson)]
lesson.train(); lesson.wait()""")


def measure(page: Page, code: str, name: str, moves: int) -> dict[str, float]:
    """Return the milliseconds that a slider takes, up and down in turn."""
    cell = page.locator(".jp-CodeCell", has_text=code).first
    cell.scroll_into_view_if_needed()
    cell.locator(".widget-slider", has_text=name).locator(".noUi-handle").press("Home")
    times = []
    for move in range(moves):
        page.wait_for_timeout(REST)
        times.append(cell.evaluate(MOVE, [name, ("ArrowRight", "ArrowLeft")[move % 2]]))
    return {"median": round(float(np.median(times))), "longest": round(max(times))}


if __name__ == "__main__":
    typer.run(main)
