"""The inference graph of stemlab-4-fast, from trained weights to `.tflite`.

    python models/forge/four_stems/fast_graph.py WEIGHTS.npz POOL FOLDER [EXAMPLES]

writes stemlab-4-fast.tflite to FOLDER/float32 and, convolving int8 numbers, to FOLDER/int8.
WEIGHTS is what `train.py` kept, POOL what it learnt from. It is the trained network, made light:

- A convolution stands in for Spleeter's finest activations, see `stand_in.py`.
- What they hand down the levels is capped, so that steps of 8 bits stay small for what is quiet.
- The ears are drawn together before the masks are made of logits, and each mask is one sigmoid.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
sys.path.insert(0, str(Path(__file__).parents[1]))

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from spleeter_2stems import checkpoint

from four_stems import network, stand_in
from four_stems.graphs import FRAMES, apart, load, quantise, times, write
from four_stems.spleeter_encoders import read_encoders
from four_stems.voice import convolved, encode

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = "stemlab-4-fast.tflite"
EXAMPLES = 40  # mixtures of 12 s to fit the stand-in
LOUDEST = 50.0  # of Spleeter's finest activations
# Slope and offset of logits: the sigmoid of these is nearly (0.55 to 1.14 of) u^1.5 of the trained
# sigmoid u, see `graphs.softened`.
SOFTENED = (1.5, -0.6)
SILENT = 1e-30  # keeps 0/0 from the masks
STEMS = len(network.STEMS)


def main(weights: str, pool: str, folder: str, examples: str = str(EXAMPLES)) -> None:
    """Write the network in both precisions."""
    reader = tf.train.load_checkpoint(str(checkpoint()))
    trained = load(reader, Path(weights))
    graph = light(read_encoders(reader), trained, stand_in.fit(trained, Path(pool), int(examples)))
    exact = tf.lite.TFLiteConverter.from_keras_model(graph).convert()
    write(Path(folder, "float32", NAME), exact)
    write(Path(folder, "int8", NAME), quantise(exact))


def light(encoders: Sequence[network.Encoder], trained: Any, stand: tuple[Any, Any]) -> Any:
    """Return the Keras model from magnitude to masks."""
    magnitude = keras.Input(batch_shape=(1, FRAMES, network.BINS, 2), name="magnitude")
    blocks = ops.space_to_depth(magnitude, 2)
    own = keras.Model(trained.input, trained.get_layer("own0").output)(magnitude)
    skips = [
        level
        for name, encoder in zip(("voice", "rest"), encoders, strict=True)
        for level in encode(blocks, encoder, name, LOUDEST)[1][1:]
    ]
    x = _decoder(trained)([own, convolved(own, "features0", *stand), *skips])
    logits = _steady_logits(x, blocks, *trained.get_layer("masks").get_weights())
    return keras.Model(magnitude, {"masks": _masks(logits)})


def _decoder(trained: Any) -> Any:
    """Return what the trained decoder makes of our finest activations, features and skips."""
    ends = ["own0", "features0"]
    ends += [f"encoder{i}_norm{level}" for i in range(2) for level in range(1, network.LEVELS)]
    heard = [trained.get_layer(name).output for name in ends]
    return keras.Model(heard, trained.get_layer("masks").input)


def _steady_logits(x: Any, blocks: Any, kernel: Any, bias: Any) -> Any:
    """Return the logits of the masks, of which both ears share the middle where both hear the same.

    The last convolution gives the middle of the ears' logits and how far each ear is from it.
    """
    places, each = np.eye(network.CELLS // 2), np.eye(STEMS)
    to_middle = np.kron(places, np.kron([[0.5, 0.5], [0.5, -0.5]], each))
    to_ears = np.kron(places, np.kron([[1, 1], [1, -1]], each))
    middle, side = np.repeat([[1, 0], [0, 1]], STEMS, axis=1)
    free = ops.minimum(apart(blocks, len(places)), 1)
    gates = times(free, np.kron(places, side)) + np.tile(middle, len(places)).astype("float32")
    parts = convolved(x, "masks", kernel @ to_middle, bias @ to_middle)
    slope, offset = SOFTENED
    return times(parts * gates, slope * to_ears) + offset


def _masks(logits: Any) -> Any:
    """Return masks [1, T, F, 2, stems], the shares of the sigmoids."""
    powers = ops.sigmoid(logits)
    total = times(powers, np.kron(np.eye(network.CELLS), np.ones((STEMS, STEMS)))) + SILENT
    cells = ops.depth_to_space(powers / total, 2)
    return ops.reshape(cells, (1, -1, network.BINS, 2, STEMS))


if __name__ == "__main__":
    main(*sys.argv[1:])
