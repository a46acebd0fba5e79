"""Make `stemlab-4-live` from trained weights: convert, measure, install.

    python models/forge/stemlab_4_live.py WEIGHTS.npz VALIDATION

WEIGHTS is what `four_stems/train.py` kept without Spleeter's encoders, VALIDATION the songs that
`music/gather.py` held back. Needs the extra `forge`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import stemlab_4
from four_stems.live_network import GRID
from spleeter_2stems import MODELS

from stemlab.importers import spleeter
from stemlab.live.model import StreamModel
from stemlab.networks.runtimes import installed_runtimes

NAME = "stemlab-4-live"
VERSION = "1.0.0"
NETWORK = MODELS.parent / ".cache" / NAME / f"{NAME}.tflite"


def main(weights: Path, validation: Path) -> None:
    """Make, measure and install."""
    script = stemlab_4.FORGE / "four_stems" / "live_graph.py"
    subprocess.run(  # noqa: S603 apart: tflite-runtime cannot live with TensorFlow
        [sys.executable, str(script), str(weights), str(NETWORK)], check=True
    )
    describe({})
    facts = {
        "bytes": NETWORK.stat().st_size,
        "seconds_per_frame": {runtime: speed(runtime) for runtime in installed_runtimes()},
        **stemlab_4.quality(NETWORK, stemlab_4.read(validation)),
    }
    describe(facts)
    spleeter.install(NETWORK, MODELS, json.loads(NETWORK.with_suffix(".json").read_text()))
    print(json.dumps(facts, indent=1))


def describe(facts: dict[str, Any]) -> None:
    """Write the card of the network beside it."""
    stft = GRID.stft
    network = NETWORK.read_bytes()
    card = spleeter.card("spleeter-2stems", network) | {
        "name": NAME,
        "version": VERSION,
        "licence": "MIT",
        "source": "models/forge/four_stems, live_network.py",
        "hop": stft.hop,
        "window": stft.window,
        "synthesis": stft.synthesis,
        "frames": 1,
        "lookahead": GRID.lookahead,
        "stems": stemlab_4.STEMS,
        "precision": "float32",
        "training_data": "see models/README.md",
        "measured": facts,
    }
    NETWORK.with_suffix(".json").write_text(json.dumps(card, indent=2) + "\n")


def speed(runtime: str) -> float:
    """Return the seconds that a frame takes on one thread, in the median."""
    model = StreamModel(NETWORK, runtime=runtime)
    noise = np.random.default_rng(0).random((1, model.card.bins, 2), np.float32)
    times = []
    for _ in range(300):
        start = time.perf_counter()
        model.masks(noise)
        times.append(time.perf_counter() - start)
    return round(float(np.median(times)), 6)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
