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
// The left side of each output that a processor plays in some seconds.
const played = (processor, seconds, outputs = 1) => {
  const sides = Array.from({ length: outputs }, () => []);
  for (let n = 0; n < (seconds * sampleRate) / 128; n++) {
    const made = sides.map(() => [new Float32Array(128), new Float32Array(128)]);
    processor.process([], made);
    made.forEach(([left], s) => sides[s].push(...left));
    globalThis.currentFrame += 128;
  }
  return sides;
};
"""


def run(text: str, code: str) -> Any:
    """Return what JavaScript tells that runs in one scope with a text that the page loads."""
    command = ["node", "--input-type=module", "--no-warnings", "-"]
    script = f"{STAGE}\n{text}\n{code}"
    done = subprocess.run(command, input=script, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)
