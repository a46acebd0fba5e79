"""What a page loads, run in Node: no browser, and sound as fast as it can be made."""

from __future__ import annotations

import json
import subprocess
from typing import Any

# As much of a page and of its audio thread as the modules look for.
STAGE = """
Object.assign(globalThis, {
  document: { body: { dataset: {} } },
  sampleRate: 44100,
  currentFrame: 0,
  registerProcessor: () => {},
  AudioWorkletProcessor: class {
    port = { posted: [], postMessage: (message) => this.port.posted.push(message) };
  },
});
const tell = (found) => console.log(JSON.stringify(found));
"""


def run(text: str, code: str) -> Any:
    """Return what JavaScript tells that runs in one scope with a text that the page loads."""
    command = ["node", "--input-type=module", "--no-warnings", "-"]
    script = f"{STAGE}\n{text}\n{code}"
    done = subprocess.run(command, input=script, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)
