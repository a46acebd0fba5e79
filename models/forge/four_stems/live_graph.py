"""The inference graph of the live network: a frame and what it remembers in, both out again.

    python models/forge/four_stems/live_graph.py NAME WEIGHTS.npz FILE.tflite

NAME is one of `live_network.SHAPES`, WEIGHTS what `train.py` kept of it. What each layer keeps of
the past travels as one vector, `state`, that starts as zeros; see `stemlab.live.model`.
"""

from __future__ import annotations

import os
import sys
from math import prod
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
sys.path.insert(0, str(Path(__file__).parents[1]))

import keras
import tensorflow as tf
from keras import ops

from four_stems import graphs, live_network, network
from four_stems.train import load_weights


def main(name: str, weights: str, file: str) -> None:
    """Convert."""
    shape = live_network.SHAPES[name]
    trained = live_network.build(shape)
    load_weights(trained, Path(weights))
    graph = step(shape)
    for layer in graph.layers:
        if layer.weights:
            layer.set_weights(trained.get_layer(layer.name).get_weights())
    graphs.write(Path(file), tf.lite.TFLiteConverter.from_keras_model(graph).convert())


def step(shape: live_network.Shape) -> Any:
    """Return the Keras model of one frame: magnitude and state to masks and state."""
    keras.backend.clear_session()  # layers are named as those of the trained network
    magnitude = keras.Input(batch_shape=(1, 1, network.BINS, 2), name="magnitude")
    memory = Memory(_sizes(magnitude, shape))
    masks = _masks(magnitude, memory, shape)
    return keras.Model(
        {"magnitude": magnitude, "state": memory.state},
        {"masks": masks, "state": memory.updated()},
    )


class Memory:
    """Cuts the state into what each layer keeps, and gathers what they keep next."""

    def __init__(self, sizes: list[tuple[int, ...]]) -> None:
        self.state = keras.Input(batch_shape=(1, sum(map(prod, sizes))), name="state")
        self._sizes, self._place = iter(sizes), 0
        self._kept: list[Any] = []

    def past(self, x: Any, frames: int) -> Any:
        """Return what x was some frames before."""
        size = next(self._sizes)
        kept = self.state[:, self._place : self._place + prod(size)]
        self._place += prod(size)
        oldest = prod(size) // frames
        self._kept += [kept[:, oldest:], ops.reshape(x, (1, oldest))]
        return ops.reshape(kept[:, :oldest], (1, 1, *size[1:]))

    def updated(self) -> Any:
        """Return the next state."""
        return ops.concatenate([part for part in self._kept if part.shape[-1]], -1)


def _sizes(magnitude: Any, shape: live_network.Shape) -> list[tuple[int, ...]]:
    """Return frames, bands and channels of what each layer keeps."""
    sizes: list[tuple[int, ...]] = []

    def noted(x: Any, frames: int) -> Any:
        sizes.append((frames, *x.shape[2:]))
        return x

    live_network.logits(magnitude, noted, shape)
    keras.backend.clear_session()
    return sizes


def _masks(magnitude: Any, memory: Memory, shape: live_network.Shape) -> Any:
    """Return masks [1, 1, F, 2, stems]."""
    bins, block = network.BINS, live_network.BLOCK
    powers = graphs.softened(live_network.logits(magnitude, memory.past, shape))
    masks = powers / network.total(powers, range(len(network.STEMS)))
    blocks = ops.reshape(magnitude, (1, 1, bins // block, block * 2))
    steady = graphs.steady(masks, blocks, block)
    return ops.reshape(steady, (1, 1, bins, 2, len(network.STEMS)))


if __name__ == "__main__":
    main(*sys.argv[1:])
