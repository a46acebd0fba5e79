"""The runtimes, which of them run a file, and a trial of a file in a process that may die of it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from stemlab.child import FOLDER, python
from stemlab.networks.onnx import OnnxNetwork
from stemlab.networks.tensors import Network, Tensor, first_line
from stemlab.networks.tflite import TfliteNetwork

if TYPE_CHECKING:
    from collections.abc import Sequence

# Those of `.tflite` have one API; the first installed that the card allows is taken, the faster
# one first.
RUNTIMES = {
    "ai-edge-litert": "ai_edge_litert.interpreter",
    "tflite-runtime": "tflite_runtime.interpreter",
}
FORMATS = {".tflite": RUNTIMES, ".onnx": {"onnxruntime": "onnxruntime"}}
"""The modules of the runtimes, by their names, by the end of the files' names."""
HOW_TO_GET = {".tflite": "pip install ai-edge-litert", ".onnx": "pip install 'stemlab[onnx]'"}

# Of a trial: seconds of a processor, and of the clock, since a busy machine gives few of them.
LONGEST_TRIAL, LONGEST_WAIT = 120, 600
TOO_LONG = getattr(signal, "SIGXCPU", 1 << 10)  # never, on Windows
MOST_MEMORY = 8 << 30  # bytes, of a trial


class Trial(NamedTuple):
    """How a network does in a process of its own: what is wrong, or what goes in and out.

    A fault that is not fatal can be looked at in this process, too.
    """

    fault: str
    fatal: bool
    inputs: list[Tensor]
    outputs: list[Tensor]


def installed_runtimes(suffix: str = ".tflite") -> list[str]:
    """Return the names of the runtimes that are there for a kind of file, the faster one first."""
    return [name for name, module in FORMATS[suffix].items() if find_spec(module.split(".")[0])]


def load(path: Path, module: str, threads: int, **how: Any) -> Network:
    """Return a network, loaded; see `TfliteNetwork` and `OnnxNetwork`."""
    if path.suffix == ".onnx":
        return OnnxNetwork(path, module, threads, how.get("shape"))
    return TfliteNetwork(path, module, threads, **how)


def try_out(path: Path, module: str, sha256: str, shape: Sequence[int] | None = None) -> Trial:
    """Run a network once on noise, in a process of its own, the first time that this is asked."""
    return _tried(path.resolve(), module, sha256, None if shape is None else tuple(shape))


@cache
def _tried(path: Path, module: str, _sha256: str, shape: tuple[int, ...] | None) -> Trial:
    command = python("-m", __name__, str(path), module, json.dumps(shape), str(LONGEST_TRIAL))
    try:
        ended = subprocess.run(  # noqa: S603 - all of it is ours
            command, cwd=FOLDER, capture_output=True, timeout=LONGEST_WAIT, check=False
        )
    except subprocess.TimeoutExpired:
        return Trial(f"does not come to the end within {LONGEST_WAIT} s", True, [], [])
    if ended.returncode == -TOO_LONG:
        return Trial(f"does not come to the end within {LONGEST_TRIAL} s", True, [], [])
    if ended.returncode not in (0, 1):
        return Trial(f"crashes (exit code {ended.returncode}) because", True, [], [])
    if ended.returncode:
        lines = ended.stderr.decode(errors="replace").strip().splitlines()
        return Trial((lines or ["no reason given"])[-1].split(": ", 1)[-1], False, [], [])
    told = json.loads(ended.stdout.splitlines()[-1])
    return Trial("", False, *([Tensor(*tensor) for tensor in tensors] for tensors in told))


def _main(path: str, module: str, shape: str, seconds: str) -> None:
    with suppress(ImportError, ValueError, OSError):  # no such limits on Windows
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), LONGEST_WAIT))
    network = load(Path(path), module, 1, shape=json.loads(shape))
    network.try_out()
    print(json.dumps([network.inputs, network.outputs]))  # noqa: T201 - for who started this


if __name__ == "__main__":
    try:
        _main(*sys.argv[1:])
    except Exception as error:  # noqa: BLE001 - told to who started this
        sys.exit(f"{type(error).__name__}: {first_line(error)}")
