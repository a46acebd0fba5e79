"""The encoders of Spleeter's two-stem checkpoint, in a file that any backend can read.

python models/forge/four_stems/spleeter_encoders.py FILE.npz
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from spleeter_2stems import checkpoint

if TYPE_CHECKING:
    from four_stems.network import Encoder

LEVELS = 5
# What TensorFlow numbered through the stems: its name, how many a stem has, its variables.
KINDS = (
    ("conv2d", 7, ("kernel", "bias")),
    ("batch_normalization", 12, ("gamma", "beta", "moving_mean", "moving_variance")),
)


def read_encoders(reader: Any) -> list[Encoder]:
    """Return the encoders of vocals and accompaniment from a reader of the checkpoint."""
    return [[_level(reader, stem, level) for level in range(LEVELS)] for stem in range(2)]


def _level(reader: Any, stem: int, level: int) -> tuple[Any, ...]:
    arrays = []
    for kind, per_stem, parts in KINDS:
        number = per_stem * stem + level
        name = f"{kind}_{number}" if number else kind
        arrays += [reader.get_tensor(f"{name}/{part}") for part in parts]
    return tuple(arrays)


def main(file: str) -> None:
    """Copy kernels, biases and norms."""
    import tensorflow as tf

    encoders = read_encoders(tf.train.load_checkpoint(str(checkpoint())))
    arrays = {
        f"{stem}.{level}.{part}": array
        for stem, encoder in enumerate(encoders)
        for level, arrays in enumerate(encoder)
        for part, array in enumerate(arrays)
    }
    np.savez(file, **arrays)


if __name__ == "__main__":
    main(*sys.argv[1:])
