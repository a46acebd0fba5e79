"""Score sounds with the programs that define the metrics; `test_metrics.py` compares.

    python tests/research/reference_scores.py METRICS.PY SOUNDS.NPZ … > reference_scores.json

In an environment of its own with torch, torchaudio, librosa and log-wmse-audio-quality. METRICS.PY
is that of Music-Source-Separation-Training; each SOUNDS.NPZ has, at 44.1 kHz, `mix` [samples, 2],
`references` and `estimates` [stems, samples, 2].
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from log_wmse_audio_quality import calculate_log_wmse

RATE = 44_100


def scores(msst: Any, path: Path) -> list[dict[str, float]]:
    """Return the scores of each stem."""
    sounds = np.load(path)
    mix, references, estimates = (sounds[name] for name in ("mix", "references", "estimates"))
    return [
        {
            "sdr": float(msst.sdr(known.T[None], given.T[None])[0]),
            "si_sdr": float(msst.si_sdr(known.T, given.T)),
            "log_wmse": float(calculate_log_wmse(mix.T, given.T, known.T, RATE)),
            "l1_freq": float(msst.L1Freq_metric(known.T, given.T)),
            **dict(zip(("bleedless", "fullness"), both, strict=True)),
        }
        for known, given in zip(references, estimates, strict=True)
        for both in [map(float, msst.bleed_full(known.T, given.T))]
    ]


if __name__ == "__main__":
    spec = importlib.util.spec_from_file_location("msst", sys.argv[1])
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    print(json.dumps({Path(p).stem: scores(module, Path(p)) for p in sys.argv[2:]}, indent=1))
