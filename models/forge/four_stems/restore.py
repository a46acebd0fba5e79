"""Weights to go on training from, read back from the networks that ship.

    python models/forge/four_stems/restore.py ENCODERS.npz POOL WEIGHTS.npz [EXAMPLES]

`stemlab-4` holds our whole decoder; two of its kernels as int8, which `stemlab-4-fast-float32`
holds as floats. Its norms were merged into the layers before them. They come back as norms that
change nothing on sound like that of POOL: mean and variance are those of mixtures, scale and
offset undo them.
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
from spleeter_2stems import MODELS

from four_stems import network
from four_stems.mixtures import Grid, Mixtures

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Array = NDArray[np.float32]

EXAMPLES = 32  # mixtures of three seconds
LAYERS = ("CONV_2D", "FULLY_CONNECTED")
UNMERGED = slice(7, None, 4)  # of the norms: those after the dense layers of four levels


def main(encoders: str, pool: str, weights: str, examples: str = str(EXAMPLES)) -> None:
    """Write the weights, named and ordered as `train.keep` does."""
    model = network.build(network.load_encoders(Path(encoders)), Grid().frames)
    fill(model)
    settle(model, Mixtures(Path(pool), 0, Grid()), int(examples))
    np.savez(weights, **{each.path: np.asarray(each.value) for each in model.variables})


def fill(model: Any) -> None:
    """Give the decoder its weights; the norms take what they read for already normal."""
    exact = [each for name, each in read("stemlab-4-fast-float32") if name in LAYERS]
    shipped = list(read("stemlab-4"))
    kernels = [whole(each, exact) for name, each in shipped if name in LAYERS]
    convolutions = in_order_of_making([each for each in kernels if each[0].shape[1:-1]])
    dense = [each for each in kernels if not each[0].shape[1:-1]]
    for layer, (kernel, bias) in zip(trained(model, "Conv2D"), convolutions, strict=True):
        layer.set_weights([kernel.transpose(1, 2, 3, 0), bias])
    for layer, (kernel, bias) in zip(trained(model, "Dense"), dense, strict=True):
        layer.set_weights([kernel.T, bias])
    factors = [
        [each[0] for name, each in shipped if name == kind and each and each[0].ndim]
        for kind in ("MUL", "ADD")
    ]
    for norm in trained(model, "BatchNormalization"):
        norm.gamma.assign(np.full(norm.gamma.shape, np.sqrt(1 + norm.epsilon)))
    unmerged = trained(model, "BatchNormalization")[UNMERGED]
    for norm, scale, offset in zip(unmerged, *factors, strict=True):
        norm.gamma.assign(scale * np.sqrt(1 + norm.epsilon))
        norm.beta.assign(offset)


def trained(model: Any, kind: str) -> list[Any]:
    """Return the layers of a kind that are not Spleeter's, in the order in which they are made."""
    return [each for each in model.layers if type(each).__name__ == kind and each.trainable]


def in_order_of_making(convolutions: list[list[Array]]) -> list[list[Array]]:
    """Sort what is computed level by level as `network.decode` makes it.

    In the file our encoder and what the decoder reads at its level take turns, from the finest
    level on; then comes the decoder, from the coarsest level on, with two convolutions each.
    """
    turns = 2 * network.LEVELS
    own, features, rest = convolutions[:turns:2], convolutions[1:turns:2], convolutions[turns:]
    levels = zip(features[::-1], rest[::2], rest[1::2], strict=True)
    return [*own, *(each for level in levels for each in level)]


def whole(constants: list[Array], exact: list[list[Array]]) -> list[Array]:
    """Return kernel and bias; where the kernel is int8, the float one with the same bias."""
    if len(constants) > 1:
        return constants
    return next(each for each in exact if np.array_equal(each[-1], constants[-1]))


def read(name: str) -> Iterator[tuple[str, list[Array]]]:
    """Yield what our decoder computes, in order: operation and constant float operands."""
    plain = tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = tf.lite.Interpreter(
        str(MODELS / f"{name}.tflite"), experimental_op_resolver_type=plain
    )
    interpreter.allocate_tensors()
    operations = interpreter._get_ops_details()  # noqa: SLF001 no public way
    made = {output for each in operations for output in each["outputs"]}
    first = max(i for i, each in enumerate(operations) if each["op_name"] == "SPACE_TO_DEPTH")
    end = next(
        i for i, each in enumerate(operations) if i > first and each["op_name"] == "LOGISTIC"
    )
    for each in operations[first:end]:
        constants = [interpreter.get_tensor(i) for i in each["inputs"] if i not in made]
        yield each["op_name"], [array for array in constants if array.dtype == np.float32]


def settle(model: Any, mixtures: Mixtures, examples: int) -> None:
    """Let the norms know mean and variance of what they read, and do what they did."""
    norms = trained(model, "BatchNormalization")
    heard = keras.Model(model.input, [norm.input for norm in norms])
    moments = []
    for _ in range(examples):
        magnitude, _ = mixtures.example()
        moments.append([_moments(np.asarray(x)) for x in heard(magnitude[None])])
    for norm, of_norm in zip(norms, zip(*moments, strict=True), strict=True):
        mean, square = np.mean(of_norm, axis=0)
        scale, offset = norm.gamma / np.sqrt(1 + norm.epsilon), norm.beta
        variance = square - mean**2
        norm.set_weights(
            [scale * np.sqrt(variance + norm.epsilon), offset + scale * mean, mean, variance]
        )


def _moments(x: Array) -> tuple[Any, Any]:
    """Return the means of numbers and of their squares by channel."""
    return x.mean((0, 1, 2), np.float64), (x.astype(np.float64) ** 2).mean((0, 1, 2))


if __name__ == "__main__":
    main(*sys.argv[1:])
