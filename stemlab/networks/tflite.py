"""Networks in `.tflite` files, by either of the runtimes that run them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import warnings
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stemlab.errors import ModelWarning
from stemlab.networks.tensors import Tensor, first_line, noise

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

OPEN = -1


class TfliteNetwork:
    """A network with one input.

    Parameters
    ----------
    path
        The file.
    module
        The runtime's, see `stemlab.networks.runtimes.RUNTIMES`.
    threads
        Threads to run on.
    delegates
        See `stemlab.model.StemModel`.
    shape
        Of the input, where the file leaves it open.
    resized
        Whether the input takes that shape though the file says another.

    Raises
    ------
    ValueError, RuntimeError
        If it cannot be run.
    """

    def __init__(
        self,
        path: Path,
        module: str,
        threads: int = 1,
        delegates: Sequence[str] = (),
        shape: Sequence[int] | None = None,
        *,
        resized: bool = False,
    ) -> None:
        how = (path, module, threads)
        where = shape, resized
        self._runs = (delegates and _accelerated(*how, delegates, *where)) or interpret(
            *how, (), *where
        )
        self.inputs = _tensors(self._runs.get_input_details())
        self.outputs = _tensors(self._runs.get_output_details())

    def run(self, array: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Return the outputs for an input."""
        self._runs.set_tensor(self._runs.get_input_details()[0]["index"], array)
        self._runs.invoke()
        return [self._runs.get_tensor(d["index"]) for d in self._runs.get_output_details()]

    def try_out(self) -> None:
        """Run once on noise."""
        for detail in self._runs.get_input_details():
            self._runs.set_tensor(detail["index"], noise(detail["shape"], detail["dtype"]))
        self._runs.invoke()


def _tensors(details: Sequence[dict[str, Any]]) -> list[Tensor]:
    return [Tensor(d["name"], _shape(d), d["dtype"].__name__) for d in details]


def _shape(detail: dict[str, Any]) -> list[int | None]:
    """Return a tensor's shape, with None where the file leaves it open."""
    sizes = zip(detail["shape"], detail["shape_signature"], strict=True)
    return [None if known == OPEN else int(size) for size, known in sizes]


def _accelerated(
    path: Path,
    module: str,
    threads: int,
    delegates: Sequence[str],
    shape: Sequence[int] | None,
    resized: bool,
) -> Any:
    try:
        for name in delegates:
            ctypes.CDLL(name)  # a clean OSError, where the runtimes' own loader stumbles
        loaded = [import_module(module).load_delegate(name) for name in delegates]
        return interpret(path, module, threads, loaded, shape, resized)
    except (ValueError, RuntimeError, OSError) as error:
        warnings.warn(
            f"{', '.join(delegates)} cannot be used ({first_line(error)}): "
            f"{path.stem} runs on the CPU",
            ModelWarning,
            stacklevel=6,
        )
        return None


def interpret(
    path: Path,
    module: str,
    threads: int,
    delegates: Sequence[Any] = (),
    shape: Sequence[int] | None = None,
    resized: bool = False,
) -> Any:
    """Return a runtime's own interpreter, ready to run."""
    with _hushed():
        interpreter = import_module(module).Interpreter(
            model_path=str(path),
            num_threads=threads,
            experimental_delegates=list(delegates) or None,
        )
        if shape:
            detail = interpreter.get_input_details()[0]
            is_open = OPEN in detail["shape_signature"]
            if (resized or is_open) and detail["shape"].tolist() != list(shape):
                interpreter.resize_tensor_input(detail["index"], shape)
        interpreter.allocate_tensors()
    return interpreter


@contextlib.contextmanager
def _hushed() -> Iterator[None]:
    """Keep the runtimes' greeting, which no setting turns off, from the terminal."""
    try:
        kept = os.dup(2)
    except OSError:  # a process without a standard error
        yield
        return
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
