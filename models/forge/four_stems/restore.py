"""Weights to go on training from, read back from the networks that ship.

    python models/forge/four_stems/restore.py POOL WEIGHTS.npz --encoders ENCODERS.npz

`stemlab-4` holds our whole decoder, most kernels as int8; where `stemlab-4-fast-float32` has the
same ones, as floats, they are taken from there. Without Spleeter's encoders it is a live network
that is read. Norms were merged into the layers before them. They come back as norms that change
nothing on sound like that of POOL: mean and variance are those of mixtures, scale and offset undo
them.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
sys.path.insert(0, str(Path(__file__).parents[1]))

import keras
import numpy as np
import tensorflow as tf
import typer
from spleeter_2stems import MODELS

from four_stems import live_network, network
from four_stems.mixtures import Grid, Mixtures
from four_stems.train import save_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Array = NDArray[np.float32]
    Arrays = list[Array]

SAME = 1e-4  # biases of one kernel do not differ by more
LAYERS = {"Conv2D": "CONV_2D", "Dense": "FULLY_CONNECTED"}


def main(
    pool: Path,
    weights: Path,
    encoders: Annotated[
        Path | None, typer.Option(help="Spleeter's; without, a live network is read")
    ] = None,
    live: Annotated[str, typer.Option(help="which live network")] = "stemlab-4-live",
    examples: Annotated[int, typer.Option(help="mixtures of three seconds")] = 32,
) -> None:
    """Write the weights, named and ordered as `train.keep` does."""
    grid = Grid() if encoders else live_network.SHAPES[live].grid
    if encoders:
        model = network.build(network.load_encoders(encoders), grid.frames)
        fill(model, "stemlab-4", as_made)
    else:
        model = live_network.build(live_network.SHAPES[live])
        fill(model, live, list)
    settle(model, Mixtures(pool, 0, grid), examples)
    save_weights(model, weights)


def fill(model: Any, name: str, order: Callable[[list[Arrays]], list[Arrays]]) -> None:
    """Give a network its weights; the norms take what they read for already normal.

    What the shipped network computes before ours is not ours: the last constants are taken.
    """
    shipped, exact = list(read(name)), [arrays for _, arrays in read("stemlab-4-fast-float32")]
    for kind, operation in LAYERS.items():
        layers = trained(model, kind)
        found = [arrays for each, arrays in shipped if each == operation]
        kernels = [whole(each, exact) for each in found[len(found) - len(layers) :]]
        kernels = order(kernels) if kind == "Conv2D" else kernels
        for layer, (kernel, bias) in zip(layers, kernels, strict=True):
            layer.set_weights([np.moveaxis(kernel, 0, -1), bias])
    norms = trained(model, "BatchNormalization")
    for norm in norms:
        norm.gamma.assign(np.full(norm.gamma.shape, np.sqrt(1 + norm.epsilon)))
    unmerged = [norm for norm in norms if not is_merged(norm)]
    scales, offsets = (vectors(shipped, kind)[-len(unmerged) :] for kind in ("MUL", "ADD"))
    for norm, scale, offset in zip(unmerged, scales, offsets, strict=True):
        norm.gamma.assign(scale * norm.gamma)
        norm.beta.assign(offset)


def trained(model: Any, kind: str) -> list[Any]:
    """Return the layers of a kind that are not Spleeter's, in the order in which they are made."""
    return [each for each in model.layers if type(each).__name__ == kind and each.trainable]


def is_merged(norm: Any) -> bool:
    """Tell whether a norm follows a convolution at once, which then does its work."""
    return isinstance(norm.input._keras_history.operation, keras.layers.Conv2D)  # noqa: SLF001


def as_made(convolutions: list[Arrays]) -> list[Arrays]:
    """Sort what is computed level by level as `network.decode` makes it.

    In the file our encoder and what the decoder reads at its level take turns, from the finest
    level on; then comes the decoder, from the coarsest level on, with two convolutions each.
    """
    turns = 2 * network.LEVELS
    own, features, rest = convolutions[:turns:2], convolutions[1:turns:2], convolutions[turns:]
    levels = zip(features[::-1], rest[::2], rest[1::2], strict=True)
    return [*own, *(each for level in levels for each in level)]


def whole(constants: Arrays, exact: list[Arrays]) -> Arrays:
    """Return kernel and bias, the kernel from where the same one is not rounded, if anywhere."""
    shapes = [each.shape for each in constants]
    same = (
        each
        for each in exact
        if [array.shape for array in each] == shapes
        and np.allclose(each[-1], constants[-1], atol=SAME)
    )
    return next(same, constants)


def vectors(shipped: list[tuple[str, Arrays]], kind: str) -> Arrays:
    """Return the constant vectors, one number a channel, of an operation's occurrences."""
    return [
        array for each, arrays in shipped if each == kind for array in arrays if array.ndim == 1
    ]


def read(name: str) -> Iterator[tuple[str, Arrays]]:
    """Yield what is computed up to our sigmoid, the first: operation and constants."""
    plain = tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = tf.lite.Interpreter(
        str(MODELS / f"{name}.tflite"), experimental_op_resolver_type=plain
    )
    interpreter.allocate_tensors()
    operations = interpreter._get_ops_details()  # noqa: SLF001 no public way
    made = {output for each in operations for output in each["outputs"]}
    last = next(i for i, each in enumerate(operations) if each["op_name"] == "LOGISTIC")
    scales = {
        each["index"]: each["quantization_parameters"]["scales"]
        for each in interpreter.get_tensor_details()
    }
    for each in operations[:last]:
        constants = [
            (interpreter.get_tensor(i), scales[i]) for i in each["inputs"] if i not in made
        ]
        yield each["op_name"], [floats(*pair) for pair in constants if pair[0].dtype != np.int32]


def floats(constant: Array, scales: Array) -> Array:
    """Return a constant as floats: int8 kernels have a scale for each output channel, first."""
    if constant.dtype != np.int8:
        return constant
    return constant * scales.reshape(-1, *[1] * (constant.ndim - 1))


def settle(model: Any, mixtures: Mixtures, examples: int) -> None:
    """Let the norms know mean and variance of what they read, and do what they did."""
    norms = trained(model, "BatchNormalization")
    for norm, (mean, square) in zip(
        norms, read_moments(model, norms, mixtures, examples), strict=True
    ):
        scale = norm.gamma / np.sqrt(norm.moving_variance + norm.epsilon)
        offset = norm.beta - scale * norm.moving_mean
        variance = square - mean**2
        norm.set_weights(
            [scale * np.sqrt(variance + norm.epsilon), offset + scale * mean, mean, variance]
        )


def read_moments(
    model: Any, layers: list[Any], mixtures: Mixtures, examples: int
) -> list[NDArray[np.float64]]:
    """Return, for each of a network's layers, the `_moments` of what it reads on mixtures."""
    inputs = keras.Model(model.input, [layer.input for layer in layers])
    moments = []
    for _ in range(examples):
        magnitude, _ = mixtures.example()
        moments.append([_moments(np.asarray(x)) for x in inputs(magnitude[None])])
    return [np.mean(of_layer, axis=0) for of_layer in zip(*moments, strict=True)]


def _moments(x: Array) -> tuple[Any, Any]:
    """Return the means of numbers and of their squares by channel."""
    return x.mean((0, 1, 2), np.float64), (x.astype(np.float64) ** 2).mean((0, 1, 2))


if __name__ == "__main__":
    typer.run(main)
