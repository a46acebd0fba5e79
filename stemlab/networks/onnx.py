"""Networks in `.onnx` files, by onnxruntime; needs the extra ``onnx``."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from stemlab.networks.tensors import Tensor, first_line, noise

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

TYPES = {"tensor(float)": "float32", "tensor(double)": "float64", "tensor(float16)": "float16"}
FATAL = 4  # the least that onnxruntime says by itself
OPEN = 16  # frames, bins or whatever is left open, in a network that is only tried out


class OnnxNetwork:
    """A network with one input.

    Parameters
    ----------
    path
        The file; it holds all its weights.
    module
        The runtime's, ``"onnxruntime"``.
    threads
        Threads to run on.
    shape
        Of the input, where the file leaves it open.

    Raises
    ------
    ValueError
        If it cannot be run.
    """

    def __init__(
        self, path: Path, module: str, threads: int = 1, shape: Sequence[int] | None = None
    ) -> None:
        library = import_module(module)
        options = library.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = threads, FATAL
        self._shape = shape
        try:
            # From memory: then it can point to no other file.
            self._runs = library.InferenceSession(
                path.read_bytes(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its errors have no name of their own
            raise ValueError(_said(error)) from error
        self.inputs = _tensors(self._runs.get_inputs())
        self.outputs = _tensors(self._runs.get_outputs())

    def run(self, array: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Return the outputs for an input."""
        return self._given({self.inputs[0].name: array})

    def try_out(self) -> None:
        """Run once on noise."""
        self._given({tensor.name: self._noise(tensor) for tensor in self.inputs})

    def _noise(self, tensor: Tensor) -> NDArray[Any]:
        wanted = self._shape or ()
        if len(wanted) != len(tensor.shape):
            wanted = [1, *[OPEN] * len(tensor.shape)][: len(tensor.shape)]
        shape = [
            asked if known is None else known
            for asked, known in zip(wanted, tensor.shape, strict=True)
        ]
        return noise(shape, tensor.dtype)

    def _given(self, inputs: dict[str, NDArray[Any]]) -> list[NDArray[np.float32]]:
        try:
            outputs: list[NDArray[np.float32]] = self._runs.run(None, inputs)
        except Exception as error:
            raise ValueError(_said(error)) from error
        return outputs


def _tensors(nodes: Sequence[Any]) -> list[Tensor]:
    return [
        Tensor(
            node.name,
            [length if isinstance(length, int) else None for length in node.shape],
            TYPES.get(node.type, node.type.removeprefix("tensor(").removesuffix(")")),
        )
        for node in nodes
    ]


def _said(error: Exception) -> str:
    """Return what onnxruntime says without its codes.

    >>> _said(Exception("[ONNXRuntimeError] : 7 : INVALID_PROTOBUF : It failed."))
    'It failed.'
    """
    line = first_line(error)
    return line.split(" : ", 3)[-1] if line.startswith("[ONNXRuntimeError]") else line
