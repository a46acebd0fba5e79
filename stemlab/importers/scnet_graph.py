"""SCNet's layers as a graph of ONNX, filled from its state dict.

Tong et al., "SCNet: Sparse Compression Network for Music Source Separation", ICASSP 2024
(https://arxiv.org/abs/2401.13276); the names of its parts are those of the authors' code
(https://github.com/starrytong/SCNet). Written anew for one window of a fixed number of frames,
without a change to what it computes:

- A convolution along time, which they run for each frequency, is one over the plane with a kernel
  of height 1.
- The spectrum along time between its recurrent layers is a product with cosines and sines.
- A layer that reads the same channels twice has the sum of both kernels.
- The scale and offset of a norm before a recurrent layer are in that layer's weights.
- A mean over a plane is taken axis by axis: runtimes add up a million numbers in float32.
"""

from __future__ import annotations

import math
from itertools import count, takewhile
from typing import TYPE_CHECKING

import numpy as np

from stemlab.importers.onnx_graph import Graph

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Weights = NDArray[np.float32]

# How the bins are shared out among three bands, and each band's step from bin to bin.
LOW, MIDDLE = 0.175, 0.392
STEPS = (1, 4, 16)
EPSILON = np.float32(1e-5)
LSTM = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def write(tensors: Mapping[str, Weights], path: Path, bins: int, frames: int) -> None:
    """Write the network for windows of `frames` frames, an even number, of `bins` bins.

    It reads [1, (channels parts), bins, frames], brought to a common level, and gives
    [1, (stems channels parts), bins, frames] of that level.

    Raises
    ------
    ValueError
        If the tensors are not those of such a network.
    """
    layers = _Layers(tensors)
    x = "x"
    levels: list[tuple[str, list[int], list[int]]] = []
    for level in layers.numbers("encoder.{}.globalconv.weight"):
        lengths = bands(bins if not levels else sum(levels[-1][2]))
        x, skip, shorter = layers.encode(x, level, lengths)
        levels.append((skip, lengths, shorter))
    x = layers.separate(x, frames)
    for level, (skip, lengths, shorter) in enumerate(reversed(levels)):
        x = layers.decode(x, level, skip, shorter, lengths)
    layers.finish()
    reads = tensors["encoder.0.SDlayer.convs.0.weight"].shape[1]
    gives = tensors[f"decoder.{len(levels) - 1}.1.convtrs.0.bias"].shape[0]
    layers.graph.write(path, "x", [1, reads, bins, frames], x, [1, gives, bins, frames])


def bands(bins: int) -> list[int]:
    """Return how many of the bins lie in each band.

    >>> bands(2049)
    [359, 803, 887]
    """
    low, middle = math.ceil(bins * LOW), math.ceil(bins * (LOW + MIDDLE))
    return [low, middle - low, bins - middle]


class _Layers:
    """The layers, each with the weights of its name."""

    def __init__(self, tensors: Mapping[str, Weights]) -> None:
        self.graph = Graph()
        self._tensors = dict(tensors)

    def numbers(self, name: str) -> list[int]:
        """Return for which numbers there is a tensor of that name."""
        return [*takewhile(lambda n: name.format(n) in self._tensors, count())]

    def finish(self) -> None:
        """Make sure that nothing is left."""
        if self._tensors:
            raise ValueError(f"{next(iter(self._tensors))} has no place in the network")

    def encode(self, x: str, level: int, lengths: Sequence[int]) -> tuple[str, str, list[int]]:
        """Return what goes on, what the decoder sees of this level, and its bands' lengths."""
        made = [
            self._band(part, f"encoder.{level}", band, length)
            for band, (part, length) in enumerate(
                zip(self.graph.split(x, lengths, axis=2), lengths, strict=True)
            )
        ]
        skip = self.graph.op("Concat", *(band for band, _ in made), axis=2)
        x = self.graph.op("Conv", skip, *self._taken(f"encoder.{level}.globalconv"), pads=[1] * 4)
        return x, skip, [length for _, length in made]

    def separate(self, x: str, frames: int) -> str:
        """Apply the recurrent layers, along frequency and time, and along the spectrum of time."""
        x = self.graph.op("Transpose", self.graph.op("Squeeze", x, np.array([0])), perm=[1, 2, 0])
        for layer in self.numbers("separation_net.dp_modules.{}.norm_layers.0.weight"):
            name = f"separation_net.dp_modules.{layer}"
            x = self._recurrent(self._recurrent(x, name, axis=0), name, axis=1)
            x = self._inverse(x, frames) if layer % 2 else self._transformed(x, frames)
        x = self.graph.op("Transpose", x, perm=[2, 0, 1])
        return self.graph.op("Unsqueeze", x, np.array([0]))

    def decode(
        self, x: str, level: int, skip: str, lengths: Sequence[int], longer: Sequence[int]
    ) -> str:
        """Return the bands, each as long as it was in the encoder."""
        kernel, bias = self._taken(f"decoder.{level}.0.conv")
        first, second = np.split(kernel, 2, axis=1)
        x = self.graph.op("Conv", self.graph.op("Add", x, skip), first + second, bias, pads=[1] * 4)
        parts = self.graph.split(self._gated(x), lengths, axis=2)
        made = [
            self._lengthened(part, f"decoder.{level}.1.convtrs.{band}", band, short, long)
            for band, (part, short, long) in enumerate(zip(parts, lengths, longer, strict=True))
        ]
        return self.graph.op("Concat", *made, axis=2)

    def _band(self, x: str, block: str, band: int, length: int) -> tuple[str, int]:
        """Return a band, shortened, and its length."""
        kernel, bias = self._taken(f"{block}.SDlayer.convs.{band}")
        high, step = kernel.shape[2], STEPS[band]
        padding = high - 1 if step == 1 else -length % step
        pads = [padding // 2, 0, padding - padding // 2, 0]
        x = self.graph.op("Conv", x, kernel, bias, strides=[step, 1], pads=pads)
        module = f"{block}.conv_modules.{band}.layers"
        for layer in self.numbers(module + ".{}.0.weight"):
            x = self.graph.op("Add", x, self._along_time(x, f"{module}.{layer}"))
        return self._gelu(x), (length + padding - high) // step + 1

    def _along_time(self, x: str, name: str) -> str:
        """Apply the convolutions along time; the norms are of each frequency by itself."""
        along = {"pads": [0, 1, 0, 1]}
        x = self._normed(x, [3, 1], *self._affine(f"{name}.0"))
        kernel, bias = self._taken(f"{name}.1")
        x = self._gated(self.graph.op("Conv", x, kernel[:, :, None], bias, **along))
        kernel, bias = self._taken(f"{name}.3")
        x = self.graph.op("Conv", x, kernel[:, :, None], bias, group=len(kernel), **along)
        x = self._normed(x, [3, 1], *self._affine(f"{name}.4"))
        x = self.graph.op("Mul", x, self.graph.op("Sigmoid", x))
        kernel, bias = self._taken(f"{name}.6")
        return self.graph.op("Conv", x, kernel[:, :, None], bias)

    def _recurrent(self, x: str, name: str, axis: int) -> str:
        """Add to x [bins, frames, channels] what a recurrent layer along an axis makes of it."""
        graph = self.graph
        scale, offset = self._taken(f"{name}.norm_layers.{axis}")
        weights = self._lstm(f"{name}.lstm_layers.{axis}", scale, offset)
        turn = {"perm": [1, 0, 2]}
        y = self._normed(x, [2, 1, 0])
        y = graph.op("Transpose", y, **turn) if axis else y
        hidden = weights[1].shape[2]
        y = graph.op("LSTM", y, *weights, direction="bidirectional", hidden_size=hidden)
        y = graph.op("Transpose", y, perm=[2, 0, 1, 3] if axis else [0, 2, 1, 3])
        y = graph.op("Reshape", y, np.array([0, 0, -1]))
        kernel, bias = self._taken(f"{name}.linear_layers.{axis}")
        return graph.op("Add", x, graph.op("Add", graph.op("MatMul", y, kernel.T), bias))

    def _lstm(self, name: str, scale: Weights, offset: Weights) -> list[Weights]:
        """Return the weights of an LSTM as ONNX orders them, for an input that lacks its scale."""
        ways = [[self._take(f"{name}.{part}_l0{way}") for part in LSTM] for way in ("", "_reverse")]
        inputs = np.stack([_ordered(way[0] * scale) for way in ways])
        states = np.stack([_ordered(way[1]) for way in ways])
        biases = [
            np.concatenate([_ordered(way[2] + way[0] @ offset), _ordered(way[3])]) for way in ways
        ]
        return [inputs, states, np.stack(biases)]

    def _transformed(self, x: str, frames: int) -> str:
        """Return the spectrum over the frames, its parts side by side as channels."""
        cosines, sines = _waves(frames)
        parts = [self.graph.op("MatMul", wave, x) for wave in (cosines, -sines)]
        return self.graph.op("Concat", *parts, axis=2)

    def _inverse(self, x: str, frames: int) -> str:
        """Return the frames of a spectrum."""
        cosines, sines = (wave.T * _twice(frames) for wave in _waves(frames))
        real, imaginary = self.graph.halves(x, axis=2)
        return self.graph.op(
            "Add",
            self.graph.op("MatMul", cosines, real),
            self.graph.op("MatMul", -sines, imaginary),
        )

    def _lengthened(self, x: str, name: str, band: int, short: int, long: int) -> str:
        """Return a band of `long` bins: what is too much is cut off on both sides."""
        kernel, bias = self._taken(name)
        step = STEPS[band]
        surplus = (short - 1) * step + kernel.shape[2] - long
        pads = [surplus // 2, 0, surplus - surplus // 2, 0]
        return self.graph.op("ConvTranspose", x, kernel, bias, strides=[step, 1], pads=pads)

    def _normed(self, x: str, axes: Sequence[int], *affine: Weights) -> str:
        """Bring x to mean 0 and variance 1 over the axes, then to scale and offset if given."""
        graph = self.graph
        centred = graph.op("Sub", x, self._mean(x, axes))
        variance = self._mean(graph.op("Mul", centred, centred), axes)
        spread = graph.op("Sqrt", graph.op("Add", variance, EPSILON))
        scale, *offset = affine or (np.ones(1, np.float32),)
        y = graph.op("Mul", centred, graph.op("Div", scale, spread))
        return graph.op("Add", y, *offset) if offset else y

    def _mean(self, x: str, axes: Sequence[int]) -> str:
        for axis in axes:
            x = self.graph.op("ReduceMean", x, axes=[axis])
        return x

    def _gated(self, x: str) -> str:
        """Return the first half of the channels, weighed by the second."""
        first, second = self.graph.halves(x, axis=1)
        return self.graph.op("Mul", first, self.graph.op("Sigmoid", second))

    def _gelu(self, x: str) -> str:
        """Return x · (1 + erf(x / √2)) / 2."""
        graph = self.graph
        bent = graph.op("Erf", graph.op("Div", x, np.float32(math.sqrt(2))))
        whole = graph.op("Mul", x, graph.op("Add", bent, np.float32(1)))
        return graph.op("Mul", whole, np.float32(0.5))

    def _affine(self, name: str) -> list[Weights]:
        """Return scale and offset of the channels of [1, channels, bins, frames]."""
        return [part[:, None, None] for part in self._taken(name)]

    def _taken(self, name: str) -> list[Weights]:
        return [self._take(f"{name}.{part}") for part in ("weight", "bias")]

    def _take(self, name: str) -> Weights:
        if name not in self._tensors:
            raise ValueError(f"{name} is missing")
        return self._tensors.pop(name)


def _ordered(gates: Weights) -> Weights:
    """Return weights of input, forget, cell and output gate in the order of ONNX."""
    entry, forget, cell, output = np.split(gates, 4)
    return np.concatenate([entry, output, forget, cell])


def _waves(frames: int) -> tuple[Weights, Weights]:
    """Return cosines and sines of the orthonormal transform, [frames // 2 + 1, frames]."""
    turns = np.outer(np.arange(frames // 2 + 1), np.arange(frames)) % frames
    angles = 2 * np.pi * turns / frames
    waves = [wave(angles) / math.sqrt(frames) for wave in (np.cos, np.sin)]
    return waves[0].astype(np.float32), waves[1].astype(np.float32)


def _twice(frames: int) -> Weights:
    """Return how often each frequency counts: those that have a negative twin, twice."""
    counts = np.full(frames // 2 + 1, 2, np.float32)
    counts[[0, -1]] = 1
    return counts
