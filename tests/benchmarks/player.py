"""Measure the player in a real browser: fader to sound, first sound, seeking.

Run as ``python tests/benchmarks/player.py [SONG.mp3]``; without a song the demo is used. Prints one
JSON object; times in milliseconds.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "browser"))

from conftest import open_lab

from stemlab import demo

if TYPE_CHECKING:
    from conftest import Lab, Notebook

MOVES = 50
# Where to seek, in shares of the song: away from what was separated before.
PLACES = (0.9, 0.3, 0.6, 0.45, 0.75, 0.2, 0.97, 0.5)
STEADY = """
import numpy as np
from stemlab.sound.audio import Audio
from stemlab.widgets.player import StemPlayer
player = StemPlayer({"steady": Audio(np.full((40 * 44_100, 2), 0.4, np.float32))})
display(player, player.sliders)
slider = player.sliders.children[0].children[0]
"""
# Sets a model's trait and looks for the frame at which the steady sound begins to change.
MOVE = """async ([player, model, trait, moves]) => {
  const { output, context, manager } = stemlab.players.get(player);
  const source = `registerProcessor("step", class extends AudioWorkletProcessor {
    process([[left]]) {
      for (let i = 1; left && i < left.length; i++) {
        const steps = Math.abs(left[i] - left[i - 1]) > 1e-4;
        if (steps && !this.moving) this.port.postMessage((currentFrame + i) / sampleRate);
        if (steps) this.last = currentFrame;
        this.moving = currentFrame - this.last < 4410;
      }
      return true;
    }
  })`;
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  await (globalThis.stepper ??= context.audioWorklet.addModule(url));
  const ear = new AudioWorkletNode(context, "step", { numberOfOutputs: 0 });
  output.connect(ear);
  const fader = await manager.get_model(model);
  const delays = [];
  for (let i = 0; i < moves; i++) {
    await new Promise((done) => setTimeout(done, 250 + 50 * Math.random()));
    const changed = new Promise((done) => { ear.port.onmessage = ({ data }) => done(data); });
    const begin = context.currentTime;
    fader.set(trait, i % 2 ? 1 : 0.5);
    fader.save_changes();
    delays.push(1000 * ((await changed) - begin));
  }
  output.disconnect(ear);
  return delays;
}"""
SOUND = """async ([player, to]) => {
  const deck = stemlab.players.get(player);
  const begin = performance.now();
  if (to === null) document.querySelector(".stemlab-player .play").click();
  else deck.seek(to);
  while (!(deck.now() > (to ?? 0) + 0.001 && deck.now() < (to ?? 0) + 5))
    await new Promise((done) => setTimeout(done, 2));
  return performance.now() - begin;
}"""


def spread(delays: list[float]) -> dict[str, float]:
    """Return median, 95th percentile and maximum."""
    low, high, most = np.percentile(delays, [50, 95, 100])
    return {"median": round(low, 1), "p95": round(high, 1), "max": round(most, 1)}


def faders(lab: Lab) -> dict[str, Any]:
    """Return the delays from a fader's event to the first changed sample."""
    notebook = lab.open()
    notebook.run(STEADY)
    player, slider = notebook.run("print(player.model_id, slider.model_id)").split()
    notebook.wait(f"globalThis.stemlab?.players.has('{player}')")
    notebook.run("player.loop = [0, 38]; player.play()")
    notebook.wait(f"stemlab.players.get('{player}').now() > 0.3")
    found = {}
    for state, code in (("idle", "pass"), ("busy", "while True: sum(range(999))")):
        notebook.start(code)
        for way, model, trait in (("own", player, "steady"), ("jslink", slider, "value")):
            delays = notebook.page.evaluate(MOVE, [player, model, trait, MOVES])
            found[f"{way}, kernel {state}"] = spread(delays)
    notebook.page.context.close()
    lab.end_kernels()  # one is still busy
    return found


def sounds(lab: Lab, song: str) -> dict[str, Any]:
    """Return the delays from play or seek until the audio clock moves."""
    found: dict[str, Any] = {}
    for state in ("new", "stored"):
        notebook = lab.open()
        player = _open(notebook, song)
        found[f"play, {state}"] = round(notebook.page.evaluate(SOUND, [player, None]))
        duration = float(notebook.run("print(player.duration)"))
        places = [duration * share for share in PLACES]
        seeks = [notebook.page.evaluate(SOUND, [player, place]) for place in places]
        found[f"seek, {state}"] = spread(seeks)
        notebook.wait(
            "!document.querySelector('.stemlab-player .health').innerText.includes('%')", 600
        )
        if state == "new":
            found["separated at × real time"] = float(notebook.run("print(player.speed)"))
        notebook.page.context.close()
    return found


def _open(notebook: Notebook, song: str) -> str:
    notebook.run(
        "from stemlab.widgets.player import StemPlayer\n"
        f"player = StemPlayer({song!r})\ndisplay(player)"
    )
    player = notebook.run("print(player.model_id)").strip()
    notebook.wait(f"globalThis.stemlab?.players.has('{player}')")
    return player


if __name__ == "__main__":
    track = sys.argv[1] if len(sys.argv) > 1 else str(demo.path())
    with tempfile.TemporaryDirectory() as home, open_lab(Path(home)) as lab:
        measured = {"faders": faders(lab), "sounds": sounds(lab, track)}
        sys.stdout.write(json.dumps(measured, indent=1) + "\n")
