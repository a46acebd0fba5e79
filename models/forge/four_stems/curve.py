"""Draw the loss against the hours of music heard, from logs of `train.py` that followed each other.

python models/forge/four_stems/curve.py PICTURE.png LOG.jsonl …
"""

from __future__ import annotations

import json
import sys
from itertools import accumulate
from pathlib import Path

from matplotlib.figure import Figure

HOURS = 8 * 128 * 1024 / 44_100 / 3600  # of music in a step


def main(picture: str, *logs: str) -> None:
    """Draw."""
    runs = [
        [json.loads(line) for line in Path(log).read_text(encoding="utf-8").splitlines()]
        for log in logs
    ]
    starts = accumulate((run[-1]["step"] for run in runs), initial=0)
    figure = Figure(figsize=(7, 3.2), layout="constrained")
    axes = figure.subplots()
    for number, (start, run) in enumerate(zip(starts, runs, strict=False), 1):
        hours = [(start + line["step"]) * HOURS for line in run]
        axes.plot(hours, [line["loss"] for line in run], label=f"run {number}")
    axes.set(xlabel="music heard / h", ylabel="loss", title="Training")
    axes.legend(frameon=False)
    axes.grid(alpha=0.3)
    figure.savefig(picture, dpi=120)


if __name__ == "__main__":
    main(*sys.argv[1:])
