"""A small pen for graphs of ONNX; needs the package ``onnx``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

OPSET, IR = 17, 8  # of 2022: all runtimes that are still installed know it

Value: TypeAlias = "str | NDArray[Any] | np.floating[Any]"
"""The name of what an operation gave, or a constant."""


class Graph:
    """A graph that is written operation by operation.

    Examples
    --------
    >>> graph = Graph()
    >>> low, high = graph.split("x", [1, 3], axis=2)
    >>> graph.op("Add", low, np.ones(1, np.float32)) == low
    False
    """

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._named = 0

    def op(self, kind: str, *inputs: Value, **attributes: Any) -> str:
        """Add an operation; return the name of its output."""
        [output] = self._add(kind, inputs, 1, attributes)
        return output

    def split(self, x: str, lengths: Sequence[int], axis: int) -> list[str]:
        """Cut `x` along an axis."""
        return self._add("Split", (x, np.array(lengths)), len(lengths), {"axis": axis})

    def halves(self, x: str, axis: int) -> list[str]:
        """Cut `x` in two along an axis."""
        return self._add("Split", (x,), 2, {"axis": axis})

    def write(self, path: Path, x: str, reads: list[int], y: str, gives: list[int]) -> None:
        """Write the graph from `x` to `y`, of these shapes."""
        import onnx
        from onnx import TensorProto, helper

        ends = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in ((x, reads), (y, gives))
        ]
        graph = helper.make_graph(self._nodes, "network", ends[:1], ends[1:], self._constants)
        opset = [helper.make_opsetid("", OPSET)]
        onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=IR), str(path))

    def _add(
        self, kind: str, inputs: Sequence[Value], outputs: int, attributes: dict[str, Any]
    ) -> list[str]:
        from onnx import helper

        read = [each if isinstance(each, str) else self._constant(each) for each in inputs]
        given = [self._name() for _ in range(outputs)]
        self._nodes.append(helper.make_node(kind, read, given, **attributes))
        return given

    def _constant(self, array: NDArray[Any] | np.floating[Any]) -> str:
        from onnx import numpy_helper

        name = self._name()
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def _name(self) -> str:
        self._named += 1
        return f"v{self._named}"
