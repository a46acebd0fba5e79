"""The live U-Nets: masks for a frame from that and what was before, as soon as it has come.

Nothing in it looks ahead or strides in time, so that each frame is computed once: a layer sees the
frame at hand and one from some frames before, kept from when it was new. Down the levels these
reach back 1, 2, 4 and 8 frames, and in the middle, where a frame is a vector, 1 … 64 (a causal
temporal convolution network, as in Luo and Mesgarani, "Conv-TasNet", 2019): 147 frames in all.

`stemlab-4-live-100` has the transform of the models for songs: a sample lies in four frames, the
last of which ends up to 93 ms after it. `stemlab-4-live` has a short synthesis window, one frame of
look-ahead and half the hop, so it reaches back twice as many frames (à trous, as in Yu and Koltun,
"Multi-scale context aggregation by dilated convolutions", 2016): layers of both see the same
stretches of time, and one can start as the other.

Bins are handled in blocks of eight, [T, 1024, C] as [T, 128, 8·C]; masks leave it so, in the order
(bin of the block, channel, stem).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from four_stems.mixtures import Grid
from four_stems.network import BINS, EPSILON, STEMS, ratio
from stemlab.spectral import Stft

if TYPE_CHECKING:
    from collections.abc import Callable

    Past = Callable[[Any, int], Any]

BLOCK = 8  # bins
CELLS = BLOCK * 2  # of a block, in both channels
REACH = (1, 2, 4, 8)  # frames back, at each level
SQUEEZED = 24  # channels of the coarsest level that go into the vector
STEPS_BACK = (1, 2, 4, 8, 16, 32, 64)  # frames back, of the layers on the vector


@dataclass(frozen=True)
class Shape:
    """How large a live network is, and what it reads.

    Attributes
    ----------
    channels
        Of the levels, from the finest to the coarsest.
    vector
        Numbers that a frame comes down to in the middle.
    """

    grid: Grid
    channels: tuple[int, ...]
    vector: int

    @property
    def apart(self) -> int:
        """What the frames that a layer reaches back are multiplied by."""
        return Stft().hop // self.grid.stft.hop


SHAPES = {
    "stemlab-4-live": Shape(
        Grid(Stft(4096, 512, "cosine", synthesis=1024), 256, 1, BLOCK, lookahead=1),
        (32, 48, 64, 96),
        192,
    ),
    "stemlab-4-live-100": Shape(Grid(Stft(), 128, 1, BLOCK), (48, 72, 96, 144), 288),
}


def at_the_hop_of(name: str, other: str) -> Shape:
    """Return the network of another shape as it is where frames come as for the named one."""
    return replace(SHAPES[other], grid=SHAPES[name].grid)


def build(shape: Shape, frames: int | None = None) -> Any:
    """Return the Keras model from magnitude [batch, T, 1024, 2] to masks in blocks.

    What was before the first frame is silence. By default T is that of the grid.
    """
    import keras

    magnitude = keras.Input((frames or shape.grid.frames, BINS, 2), name="magnitude")
    return keras.Model(magnitude, ratio(logits(magnitude, silence, shape)))


def silence(x: Any, frames: int) -> Any:
    """Return [batch, T, …] as it was some frames before, with silence before the first."""
    from keras import ops

    return ops.pad(x, [[0, 0], [frames, 0], [0, 0], [0, 0]])[:, : x.shape[1]]


def logits(magnitude: Any, past: Past, shape: Shape) -> Any:
    """Return the logits of the masks [batch, T, 128, 64]; `past` gives what was frames before."""
    from keras import layers, ops

    def before(x: Any, reach: int) -> Any:
        return past(x, reach * shape.apart)

    skips = []
    x = ops.sqrt(ops.sqrt(magnitude + EPSILON))
    x = ops.reshape(x, (-1, magnitude.shape[1], BINS // BLOCK, BLOCK * 2))
    for level, (channels, reach) in enumerate(zip(shape.channels, REACH, strict=True)):
        both = ops.concatenate([before(x, reach), x], -1)
        x = _heard(both, channels, width=3 if level else 5, stride=2 if level else 1)
        skips.append(x)
    x = x + _remembered(x, before, shape.vector)
    for level, channels in reversed(list(enumerate(shape.channels))):
        if level < len(shape.channels) - 1:
            finer = layers.Conv2D(2 * channels, (1, 3), padding="same")(x)
            finer = ops.reshape(finer, (-1, x.shape[1], 2 * x.shape[2], channels))
            x = ops.relu(_norm(finer) + skips[level])
        x = x + _heard(x, channels)
    return layers.Conv2D(CELLS * len(STEMS), (1, 3), padding="same", name="masks")(x)


def _heard(x: Any, channels: int, width: int = 3, stride: int = 1) -> Any:
    from keras import layers, ops

    return ops.relu(_norm(layers.Conv2D(channels, (1, width), (1, stride), "same")(x)))


def _remembered(x: Any, past: Past, vector: int) -> Any:
    """Return what a vector of the whole frame adds, which has its own, longer past."""
    from keras import layers, ops

    frames, bands, channels = x.shape[1:]
    y = ops.relu(_norm(layers.Conv2D(SQUEEZED, 1)(x)))
    y = ops.reshape(y, (-1, frames, 1, bands * SQUEEZED))
    y = _heard(y, vector, 1)
    for reach in STEPS_BACK:
        y = y + _heard(ops.concatenate([past(y, reach), y], -1), vector, 1)
    y = _heard(y, bands * SQUEEZED, 1)
    y = ops.reshape(y, (-1, frames, bands, SQUEEZED))
    return ops.relu(_norm(layers.Conv2D(channels, 1)(y)))


def _norm(x: Any) -> Any:
    from keras import layers

    return layers.BatchNormalization(momentum=0.98, epsilon=1e-3)(x)
