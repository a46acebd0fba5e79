"""Spleeter's U-Net of the voice, arranged so that steps of 8 bits cost it little.

On the way up each layer reads its skip and what comes from below. The two are convolved apart, in
steps of their own, and what comes from below before its norm: there silence is 0, a step of every
scale, which it is not after the norm's offset. What a kernel makes of the offset is the same
everywhere but at the edges, and is added to what it makes of the rest. In the four corners of a
window it is not quite what Spleeter has.

What is slow on cells runs on their 2 × 2 blocks; see `stemlab.importers.polyphase`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import keras
import numpy as np
from keras import layers, ops

from four_stems.network import CELLS, CHANNELS
from stemlab.importers import polyphase

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from four_stems.network import Encoder

    Array = NDArray[np.float32]

DEEPEST = 5  # level: the sixth
EPSILON = 1e-3  # of Spleeter's norms
SMALLEST = 1e-9  # loudness of a channel
HIDDEN = 24  # channels between the two convolutions of `sharper`
LIMIT = 8.0  # of logits that these read


class Norm(NamedTuple):
    """A norm as scale and offset; `evened` is what brings what it reads nearer to one loudness."""

    scale: Array
    offset: Array
    evened: Array


def encode(
    blocks: Any, encoder: Encoder, name: str, loudest: float | None = None
) -> tuple[list[Any], list[Any]]:
    """Return what leaves each convolution of one of Spleeter's encoders, and each norm.

    Parameters
    ----------
    blocks
        Magnitude as 2 × 2 blocks [1, T/2, F/2, 8].
    name
        The convolutions' names begin with it.
    loudest
        Limit of the finest activations.
    """
    x, skips, normed = blocks, [], []
    for level, (kernel, bias, *norm) in enumerate(encoder):
        if level:
            x = convolved(x, f"{name}_down{level}", kernel, bias, strides=2)
        else:
            x = convolved(x, f"{name}_down0", polyphase.strided(kernel), bias)
        skips.append(x)
        layer = layers.BatchNormalization(epsilon=EPSILON)
        x = layer(x)
        layer.set_weights(norm)
        normed.append(x)
        x = ops.leaky_relu(x, 0.2)
        if loudest and not level:
            x = ops.minimum(x, loudest)
    return skips, normed


def decode(skips: Sequence[Any], deepest: Any, reader: Any) -> Any:
    """Return the logits of the voice's share, as 4 × 4 blocks [1, T/4, F/4, 32].

    Parameters
    ----------
    skips
        What leaves the encoder's convolutions, the finest first.
    deepest
        What leaves the norm of the last of them.
    reader
        Of the variables of Spleeter's two-stem checkpoint.
    """
    kernel, bias = _weights(reader, "conv2d", DEEPEST)
    x = convolved(ops.leaky_relu(deepest, 0.2), "voice_down5", kernel, bias, strides=2)
    kernel, bias, norm = _up(reader, DEEPEST)
    x = ops.relu(convolved(x, "voice_below5", kernel, bias))
    for level in reversed(range(DEEPEST)):
        x = ops.depth_to_space(x, 2)
        kernel, bias, following = _up(reader, level)
        strides = 1 if level else 2
        beside, below = np.split(kernel, 2, axis=2)
        columns, rows = _of_offset(x, below, norm.offset, strides)
        below = below * (norm.scale / norm.evened)[:, None]
        # One constant each: the converter would make one of both, as large as the sum.
        x = convolved(x, f"voice_below{level}", below, strides=strides) + (columns + bias)
        x += convolved(skips[level], f"voice_skip{level}", beside, strides=strides) + rows
        x, norm = ops.relu(x), following
    x = x * float(norm.scale[0] / norm.evened[0]) + float(norm.offset[0])
    kernel, bias = _weights(reader, "conv2d", DEEPEST + 1)
    return convolved(x, "voice_masks", polyphase.dilated(kernel), np.tile(bias, 16))


def sharper(weights: Path | None = None) -> Any:
    """Return the Keras model from our decoder's last features to the mask's logits, in blocks.

    Besides the features it reads the logits of the voice, Spleeter's and ours. Without weights it
    gives, of Spleeter's share v, the ratio mask v² / (v² + (1 − v)²), and less where we hear none.
    """
    last, theirs, ours = (
        keras.Input((None, None, channels)) for channels in (CHANNELS[0], CELLS, CELLS)
    )
    bounded = [ops.clip(each, -LIMIT, LIMIT) / 4 for each in (theirs, ours)]
    x = ops.concatenate([last, *bounded], -1)
    x = layers.Conv2D(HIDDEN, 3, padding="same", activation="relu", name="sharper0")(x)
    x = layers.Conv2D(CELLS, 3, padding="same", kernel_initializer="zeros", name="sharper1")(x)
    model = keras.Model([last, theirs, ours], 2 * theirs + ops.clip(ours, -LIMIT, 0) + x)
    if weights:
        with np.load(weights) as stored:
            model.set_weights([*stored.values()])
    return model


def convolved(x: Any, name: str, kernel: Array, bias: Array | None = None, strides: int = 1) -> Any:
    """Convolve with given weights."""
    layer = layers.Conv2D(
        kernel.shape[-1], kernel.shape[0], strides, "same", use_bias=bias is not None, name=name
    )
    y = layer(x)
    layer.set_weights([kernel] if bias is None else [kernel, bias])
    return y


def _up(reader: Any, level: int) -> tuple[Array, Array, Norm]:
    """Return kernel and bias of a layer on the way up, and the norm that follows.

    They bring what that norm reads nearer to one loudness.
    """
    kernel, bias = _weights(reader, "conv2d_transpose", DEEPEST - level)
    kernel = (polyphase.transposed if level else polyphase.twice_transposed)(kernel.swapaxes(2, 3))
    norm = _norm(reader, DEEPEST + 1 + DEEPEST - level)
    cells = kernel.shape[-1] // len(bias)
    evened = np.tile(norm.evened, cells)
    return kernel * evened, np.tile(bias, cells) * evened, norm


def _of_offset(x: Any, kernel: Array, offset: Array, strides: int) -> tuple[Array, Array]:
    """Return what a kernel makes of an offset: [1, 1, F, C], and what early and late times add."""
    constant = np.broadcast_to(offset, (1, *x.shape[1:])).astype(np.float32)
    made = np.asarray(ops.conv(constant, kernel.astype(np.float32), strides, "same"))
    row, column = (count // 2 for count in made.shape[1:3])
    columns = made[:, row : row + 1]
    return columns, made[:, :, column : column + 1] - columns[:, :, column : column + 1]


def _norm(reader: Any, number: int) -> Norm:
    parts = ("gamma", "beta", "moving_mean", "moving_variance")
    gamma, beta, mean, variance = _weights(reader, "batch_normalization", number, parts)
    scale = gamma / np.sqrt(variance + EPSILON)
    evened = np.abs(scale) / np.sqrt(np.abs(gamma) / np.median(np.abs(gamma)) + SMALLEST)
    return Norm(scale, beta - mean * scale, evened + SMALLEST)


def _weights(
    reader: Any, kind: str, number: int, parts: Sequence[str] = ("kernel", "bias")
) -> list[Array]:
    """Return the variables of a layer, of which TensorFlow calls the first `kind`, then kind_1."""
    name = f"{kind}_{number}" if number else kind
    return [reader.get_tensor(f"{name}/{part}") for part in parts]
