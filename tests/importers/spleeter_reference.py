"""What Spleeter itself computes, and our conversions of the same checkpoint.

Run in a process of its own, for TensorFlow's sake. Each command leaves in FOLDER `audio.npy`
[samples, 2] or made-up input, `reference.npz` (magnitude [chunks, T, F, 2], masks [chunks, T, F, 2,
stems] and, from a graph, stems [stems, samples, 2]) and the networks.
"""

from __future__ import annotations

import sys
from functools import reduce
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from stemlab.importers.spleeter import DESIGNS, EPSILON, convert, quantise

if TYPE_CHECKING:
    from collections.abc import Callable

tf1 = tf.compat.v1


def graph(name: str, checkpoint: str, folder: str) -> None:
    """Separate `audio.npy` with the graph and the variables of a checkpoint."""
    stems = DESIGNS[name].stems
    with tf.Graph().as_default(), tf1.Session() as session:
        tf1.train.import_meta_graph(f"{checkpoint}.meta").restore(session, checkpoint)
        ratios = [session.graph.get_tensor_by_name(f"truediv{end(n)}:0") for n in range(len(stems))]
        for ratio, stem in zip(ratios, stems, strict=True):
            assert ratio.op.inputs[0].op.inputs[0].op.inputs[0].name == f"{stem}_spectrogram/mul:0"
        magnitude, masks, separated = session.run(
            [
                "strided_slice_3:0",
                ratios,
                [f"strided_slice_{13 + 10 * n}:0" for n in range(len(stems))],
            ],
            {"waveform:0": np.load(f"{folder}/audio.npy")},
        )
    keep(folder, magnitude, masks, stems=np.stack(separated))
    network = convert(DESIGNS[name], Path(checkpoint))
    Path(folder, "float32.tflite").write_bytes(network)
    Path(folder, "int8.tflite").write_bytes(quantise(network))


def random(meta: str, index: str, checkpoint: str) -> None:
    """Fill the variables of a graph with random values, under the names and shapes of an index."""
    generator = np.random.default_rng(4)
    shapes = tf.train.load_checkpoint(index).get_variable_to_shape_map()
    with tf.Graph().as_default(), tf1.Session() as session:
        saver = tf1.train.import_meta_graph(meta)
        variables = tf1.global_variables()
        assert {v.op.name: list(v.shape) for v in variables} == shapes
        initial = {v.initializer.inputs[1]: drawn(generator, v.op.name, v.shape) for v in variables}
        session.run([v.initializer for v in variables], initial)
        saver.save(session, checkpoint)


def deezer(wheel: str, folder: str) -> None:
    """Run Deezer's own softmax U-Nets, which no graph at hand has, on random weights."""
    sys.path.insert(0, wheel)
    # Where Keras 2 had it; that name is all the package still needs of it.
    sys.modules["tensorflow.compat.v1.keras.initializers"] = tf.keras.initializers
    unet = import_module("spleeter.model.functions.unet")
    design = DESIGNS["spleeter-5stems"]
    made: dict[str, list[Any]] = {"Conv2D": [], "Conv2DTranspose": [], "BatchNormalization": []}
    for kind, layers in made.items():
        setattr(unet, kind, recorded(getattr(unet, kind), layers))
    magnitude = np.random.default_rng(5).gamma(0.5, 4, (1, 64, 1024, 2)).astype(np.float32)

    def run() -> list[Any]:
        how = {"conv_activation": "ELU", "deconv_activation": "ELU"}
        return list(unet.softmax_unet(tf.constant(magnitude), design.stems, how).values())

    run()
    values = filled(made)
    for kind, layers in made.items():
        setattr(unet, kind, replayed(layers))
    squares = [output**2 for output in run()]
    total = reduce(tf.add, squares) + EPSILON
    masks = [(square + EPSILON / len(squares)) / total for square in squares]
    keep(folder, magnitude, masks)
    network = convert(design, saved(values, f"{folder}/model"), frames=64)
    Path(folder, "float32.tflite").write_bytes(network)


def keep(folder: str, magnitude: Any, masks: list[Any], **more: Any) -> None:
    np.savez(f"{folder}/reference.npz", magnitude=magnitude, masks=np.stack(masks, -1), **more)


def end(number: int) -> str:
    return f"_{number}" if number else ""


def drawn(generator: np.random.Generator, name: str, shape: Any) -> Any:
    """Return random values that keep signals alive through the net."""
    if name == "global_step":
        return 0
    if name.endswith("kernel"):
        fan_in = np.prod(shape[:2]) * shape[3 if "transpose" in name else 2]
        return generator.normal(0, np.sqrt(2 / fan_in), shape)
    if name.endswith(("gamma", "variance")):
        return generator.uniform(0.5, 1.5, shape)
    return generator.normal(0, 0.3, shape)


def recorded(kind: Any, layers: list[Any]) -> Any:
    def make(*arguments: Any, **options: Any) -> Any:
        layers.append(kind(*arguments, **options))
        return layers[-1]

    return make


def replayed(layers: list[Any]) -> Any:
    again = iter(layers)
    return lambda *_, **__: next(again)


def filled(made: dict[str, list[Any]]) -> dict[str, Any]:
    """Give the layers random weights; return these under the names TensorFlow 1 gave them."""
    generator = np.random.default_rng(5)
    names = {"Conv2D": "conv2d", "Conv2DTranspose": "conv2d_transpose"}
    values = {}
    for kind, layers in made.items():
        for number, layer in enumerate(layers):
            for weight in layer.weights:
                name = f"{names.get(kind, 'batch_normalization')}{end(number)}/{weight.name}"
                values[name] = np.float32(drawn(generator, name, weight.shape))
                weight.assign(values[name])
    return values


def saved(values: dict[str, Any], checkpoint: str) -> Path:
    with tf.Graph().as_default(), tf1.Session() as session:
        variables = [tf1.get_variable(name, initializer=value) for name, value in values.items()]
        session.run([variable.initializer for variable in variables])
        tf1.train.Saver(variables).save(session, checkpoint, write_meta_graph=False)
    return Path(checkpoint)


if __name__ == "__main__":
    COMMANDS: dict[str, Callable[..., None]] = {"graph": graph, "random": random, "deezer": deezer}
    COMMANDS[sys.argv[1]](*sys.argv[2:])
