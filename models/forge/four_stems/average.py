"""Average the weights of training runs that began at the same weights, or one at the other's.

    python models/forge/four_stems/average.py WEIGHTS.npz WEIGHTS.npz … OUT.npz

What each run alone learnt better is mostly kept (Wortsman et al., "Robust fine-tuning of zero-shot
models", 2022).
"""

from __future__ import annotations

import sys

import numpy as np


def main(*files: str) -> None:
    """Write the mean of all but the last file to the last."""
    *runs, out = files
    arrays = [[array for _, array in np.load(run).items()] for run in runs]  # names vary, order not
    means = [np.mean(same, axis=0) for same in zip(*arrays, strict=True)]
    np.savez(out, **dict(zip(np.load(runs[0]), means, strict=True)))


if __name__ == "__main__":
    main(*sys.argv[1:])
