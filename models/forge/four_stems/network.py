"""The four-stem U-Net: Spleeter's encoders, frozen, under a decoder of our own.

Spleeter's encoders (Hennequin et al., JOSS 5(50), 2020) have heard 24 000 real songs; what they
notice on the way down is read by a decoder that is small enough to train without an accelerator. A
slim encoder of our own, on compressed magnitude, adds what theirs, on linear magnitude, pass over.

Cells are handled in blocks of 2 × 2, as `stemlab.importers.polyphase` describes: a grid [T, F, C]
of cells is [T/2, F/2, 4·C] of blocks. Masks leave the network as blocks, in the order (cell of the
block, channel, stem).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

STEMS = ("vocals", "drums", "bass", "other")
BINS = 1024
LEVELS = 5  # of Spleeter's six; the sixth holds half its weights
STRIDE = 2**LEVELS  # frames: T is a multiple
CHANNELS = (16, 32, 64, 96, 128)  # of the decoder, from the finest level to the coarsest
BOTTLENECK = 32  # of the dense layers along frequency
CELLS = 4 * 2  # cells of a block × channels
EPSILON = 1e-7

Encoder = list[tuple[Any, ...]]  # per level: kernel, bias, gamma, beta, mean, variance


def load_encoders(file: Path) -> list[Encoder]:
    """Read Spleeter's encoders, one per stem, as `spleeter_encoders.py` wrote them."""
    with np.load(file) as stored:
        return [
            [
                tuple(stored[f"{stem}.{level}.{part}"] for part in range(6))
                for level in range(LEVELS)
            ]
            for stem in range(2)
        ]


def build(encoders: Sequence[Encoder], frames: int) -> Any:
    """Return the Keras model from magnitude [batch, T, 1024, 2] to masks in blocks.

    The masks have the shape [batch, T/2, 512, 4 · 2 · stems] and sum to 1 over the stems.
    """
    import keras

    magnitude = keras.Input((frames, BINS, 2), name="magnitude")
    skips = [encode(magnitude, encoder, f"encoder{i}") for i, encoder in enumerate(encoders)]
    return keras.Model(magnitude, ratio(decode(magnitude, skips)))


def encode(magnitude: Any, encoder: Encoder, name: str) -> list[Any]:
    """Return the activations of one of Spleeter's encoders after each norm, finest first."""
    import keras

    activations = []
    x = magnitude
    for level, (kernel, bias, *norm) in enumerate(encoder):
        convolution = keras.layers.Conv2D(
            kernel.shape[-1], 5, 2, "same", trainable=False, name=f"{name}_convolution{level}"
        )
        x = convolution(x)
        convolution.set_weights([kernel, bias])
        normed = keras.layers.BatchNormalization(
            epsilon=1e-3, trainable=False, name=f"{name}_norm{level}"
        )
        x = normed(x)
        normed.set_weights(norm)
        activations.append(x)
        x = keras.ops.leaky_relu(x, 0.2)
    return activations


def decode(magnitude: Any, skips: Sequence[Sequence[Any]]) -> Any:
    """Return the logits of the masks, in blocks, from the encoders' activations."""
    from keras import layers, ops

    own = _own_encoder(magnitude)
    x = None
    for level in reversed(range(LEVELS)):
        channels = CHANNELS[level]
        seen = [compress(encoder[level]) for encoder in skips]
        features = layers.Conv2D(channels, 1)(ops.concatenate([*seen, own[level]], -1))
        features = _norm(features, f"features{level}")
        x = features if x is None else features + ops.depth_to_space(x, 2)
        x = _residual(ops.relu(x), channels)
        if level:
            x = x + _along_frequency(x)
            x = _norm(layers.Conv2D(4 * CHANNELS[level - 1], 3, padding="same")(x))
    return layers.Conv2D(CELLS * len(STEMS), 3, padding="same", name="masks")(x)


def ratio(logits: Any) -> Any:
    """Return the masks u² / Σu² of the sigmoids u, in blocks; the sum is a convolution by ones."""
    from keras import ops

    powers = ops.square(ops.sigmoid(logits)) + EPSILON
    return powers / total(powers, range(len(STEMS)))


def total(powers: Any, stems: Sequence[int]) -> Any:
    """Return, at each place of [..., cells · stems], the sum over some of the stems."""
    from keras import ops

    cells = powers.shape[-1] // len(STEMS)
    kernel = np.zeros((1, 1, cells, len(STEMS), cells, len(STEMS)), np.float32)
    for cell in range(cells):
        kernel[0, 0, cell, list(stems), cell] = 1
    kernel = kernel.reshape(1, 1, powers.shape[-1], -1)
    return ops.conv(powers, ops.convert_to_tensor(kernel, powers.dtype))


def compress(x: Any) -> Any:
    """Return x / √(1 + |x|): linear where small, a root where large; made of fast operations."""
    from keras import ops

    return x / ops.sqrt(1 + ops.abs(x))


def to_blocks(cells: NDArray[np.float32], rows: int = 2, columns: int = 2) -> NDArray[np.float32]:
    """Rearrange [..., T, F, channels, stems] into [..., T/rows, F/columns, cells · stems]."""
    *batch, frames, bins, channels, stems = cells.shape
    size = (frames // rows, rows, bins // columns, columns, channels * stems)
    split = np.moveaxis(cells.reshape(*batch, *size), -4, -3)
    return split.reshape(*batch, frames // rows, bins // columns, -1)


def _own_encoder(magnitude: Any) -> list[Any]:
    from keras import layers, ops

    x = ops.space_to_depth(ops.sqrt(ops.sqrt(magnitude + EPSILON)), 2)
    x = _norm(layers.Conv2D(CHANNELS[0], 3, padding="same")(x))
    activations = [layers.ReLU(name="own0")(x)]
    for channels in CHANNELS[1:]:
        x = layers.Conv2D(channels, 3, 2, "same")(activations[-1])
        activations.append(ops.relu(_norm(x)))
    return activations


def _residual(x: Any, channels: int) -> Any:
    from keras import layers, ops

    y = _norm(layers.Conv2D(channels, 3, padding="same")(x))
    return x + ops.relu(y)


def _along_frequency(x: Any) -> Any:
    """Return what two dense layers along frequency make of each channel.

    Choi et al., "Investigating U-Nets with various intermediate blocks for spectrogram-based
    singing voice separation", ISMIR 2020.
    """
    from keras import layers, ops

    bins = x.shape[2]
    y = ops.transpose(x, (0, 1, 3, 2))
    y = layers.Dense(BOTTLENECK, activation="relu")(y)
    y = ops.transpose(layers.Dense(bins)(y), (0, 1, 3, 2))
    return ops.relu(_norm(y))


def _norm(x: Any, name: str | None = None) -> Any:
    from keras import layers

    return layers.BatchNormalization(momentum=0.98, epsilon=1e-3, name=name)(x)
