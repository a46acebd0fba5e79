"""Make a live model from trained weights: convert, measure, install.

    python models/forge/stemlab_4_live.py NAME WEIGHTS.npz VALIDATION

NAME is one of `four_stems.live_network.SHAPES`, WEIGHTS what `four_stems/train.py` kept of it,
VALIDATION the songs that `music/gather.py` held back. Needs the extra `forge`.
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
from four_stems.live_network import SHAPES
from spleeter_2stems import MODELS

from stemlab.importers import spleeter
from stemlab.importers.install import install
from stemlab.live.model import StreamModel
from stemlab.networks.runtimes import installed_runtimes

VERSIONS = {"stemlab-4-live": "1.1.0", "stemlab-4-live-100": "1.0.0"}


def main(name: str, weights: Path, validation: Path) -> None:
    """Make, measure and install."""
    network = MODELS.parent / ".cache" / name / f"{name}.tflite"
    script = stemlab_4.FORGE / "four_stems" / "live_graph.py"
    subprocess.run(  # noqa: S603 apart: tflite-runtime cannot live with TensorFlow
        [sys.executable, str(script), name, str(weights), str(network)], check=True
    )
    describe(network, {})
    facts = {
        "bytes": network.stat().st_size,
        "seconds_per_frame": {runtime: speed(network, runtime) for runtime in installed_runtimes()},
        **stemlab_4.quality(network, stemlab_4.read(validation)),
    }
    describe(network, facts)
    install(network, MODELS, json.loads(network.with_suffix(".json").read_text()))
    print(json.dumps(facts, indent=1))


def describe(network: Path, facts: dict[str, Any]) -> None:
    """Write the card of the network beside it."""
    name = network.stem
    grid = SHAPES[name].grid
    stft = grid.stft
    card = spleeter.card("spleeter-2stems", network.read_bytes()) | {
        "name": name,
        "version": VERSIONS[name],
        "licence": "MIT",
        "source": "models/forge/four_stems, live_network.py",
        "hop": stft.hop,
        "window": stft.window,
        "synthesis": stft.synthesis,
        "frames": 1,
        "lookahead": grid.lookahead,
        "stems": stemlab_4.STEMS,
        "precision": "float32",
        "training_data": "see models/README.md",
        "measured": facts,
    }
    network.with_suffix(".json").write_text(json.dumps(card, indent=2) + "\n")


def speed(network: Path, runtime: str) -> float:
    """Return the seconds that a frame takes on one thread, in the median."""
    model = StreamModel(network, runtime=runtime)
    noise = np.random.default_rng(0).random((1, model.card.bins, 2), np.float32)
    times = []
    for _ in range(300):
        start = time.perf_counter()
        model.masks(noise)
        times.append(time.perf_counter() - start)
    return round(float(np.median(times)), 6)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
