"""Small networks as others might bring them, in `.onnx` files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from stemlab.importers.own import describe

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from onnx import NodeProto

    Shape = Sequence[int | str]

BINS = 513
GRID = {"n_fft": 1024, "hop": 256, "frames": 64, "bins": BINS}


def write(
    path: Path,
    nodes: Sequence[NodeProto],
    reads: Shape,
    gives: Shape,
    constants: Mapping[str, Any],
) -> Path:
    """Write a network that reads ``x`` and gives ``y``."""
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, reads)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, gives)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    opset = [helper.make_opsetid("", 17)]
    made = helper.make_model(graph, opset_imports=opset, ir_version=8)
    onnx.save(made, str(path))
    return path


def sigmoid_masks(path: Path) -> Path:
    """Magnitudes of one channel to two masks of a voice and drums, x / (x + 1) and 1 / 2."""
    nodes = [
        helper.make_node("Add", ["x", "one"], ["more"]),
        helper.make_node("Div", ["x", "more"], ["voice"]),
        helper.make_node("Mul", ["x", "none"], ["nothing"]),
        helper.make_node("Add", ["nothing", "half"], ["drums"]),
        helper.make_node("Concat", ["voice", "drums"], ["y"], axis=1),
    ]
    constants = {"one": np.float32(1), "none": np.float32(0), "half": np.float32(0.5)}
    return write(path, nodes, ["b", 1, "t", BINS], ["b", 2, "t", BINS], constants)


def complex_masks(path: Path) -> Path:
    """Spectra to complex masks that depend on them and lack something of 1."""
    nodes = [
        helper.make_node("Tanh", ["x"], ["soft"]),
        helper.make_node("Unsqueeze", ["soft", "last"], ["apart"]),
        helper.make_node("Mul", ["apart", "weights"], ["weighed"]),
        helper.make_node("Add", ["weighed", "weights"], ["y"]),
    ]
    weights = np.array([0.5, 0.3, -0.2], np.float32)
    constants = {"last": np.array([4]), "weights": weights}
    return write(path, nodes, ["t", BINS, 2, 2], ["t", BINS, 2, 2, 3], constants)


def magnitudes(path: Path) -> Path:
    """Magnitudes to those of a stem that is louder at low frequencies, as Open-Unmix would give."""
    low = np.linspace(1, 0, BINS, dtype=np.float32)[None, :, None]
    nodes = [helper.make_node("Mul", ["x", "low"], ["y"])]
    shape: Shape = ["b", 2, BINS, "t"]
    return write(path, nodes, shape, shape, {"low": low})


def spectra(path: Path) -> Path:
    """Spectra to those of three stems: a low and a high one, and one that is turned and softer."""
    low = np.linspace(1, 0, BINS, dtype=np.float32)[:, None]
    turned = np.full((BINS, 1), 0.2, np.float32)
    weights = np.stack([low, 0.8 * (1 - low), turned])[None, :, None]
    nodes = [
        helper.make_node("Unsqueeze", ["x", "first"], ["apart"]),
        helper.make_node("Mul", ["apart", "weights"], ["y"]),
    ]
    constants = {"first": np.array([1]), "weights": weights}
    return write(path, nodes, [1, 4, BINS, "t"], [1, 3, 4, BINS, "t"], constants)


FOREIGN: dict[str, tuple[Any, dict[str, Any]]] = {
    "magnitude to masks": (
        sigmoid_masks,
        {"stems": ["vocals", "drums", "other"], "reads": "1 1 t f", "gives": "1 s t f"},
    ),
    "magnitude to magnitudes": (
        magnitudes,
        {
            "stems": ["vocals", "other"],
            "reads": "1 c f t",
            "gives": "1 c f t",
            "scale": 0.25,
            "level": "standard",
        },
    ),
    "spectrum to masks": (
        complex_masks,
        {"stems": ["vocals", "drums", "other"], "reads": "t f c r", "gives": "t f c r s"},
    ),
    "spectrum to spectra": (
        spectra,
        {"stems": ["bass", "drums", "other"], "scale": 0.25, "level": "standard"},
    ),
}
"""A network of each kind, and what its card has to say."""


def model(kind: str, folder: Path, /, **said: Any) -> Path:
    """Write a network of a kind, and its card."""
    make, known = FOREIGN[kind]
    network: Path = make(folder / f"{kind.replace(' ', '-')}.onnx")
    describe(network, **(GRID | {"kind": kind, "licence": "none"} | known | said))
    return network
