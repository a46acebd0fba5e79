"""Models: where they are, and the runtimes that run their `.tflite` networks."""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
import sys
import warnings
from dataclasses import replace
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from threading import Lock, get_native_id
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import numpy as np
import platformdirs

from stemlab.card import Card
from stemlab.child import FOLDER, python
from stemlab.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

DEFAULT = "stemlab-4"

# Both have one API; the first installed that the card allows is taken, the faster one first.
RUNTIMES = {
    "ai-edge-litert": "ai_edge_litert.interpreter",
    "tflite-runtime": "tflite_runtime.interpreter",
}

# Runs a network once, on silence.
TRIAL = """
import importlib, sys
interpreter = importlib.import_module(sys.argv[1]).Interpreter(model_path=sys.argv[2])
interpreter.allocate_tensors()
interpreter.invoke()
"""
LONGEST_TRIAL = 120  # seconds


class ModelWarning(UserWarning):
    """A model runs, but not as was asked."""


def shipped_models() -> Path:
    """Return the folder of the models that come with stemlab."""
    package = Path(__file__).parent
    inside = package / "models"
    return inside if inside.is_dir() else package.parent / "models"


def user_models() -> Path:
    """Return the folder of the models that the user added; STEMLAB_MODELS names another."""
    chosen = os.environ.get("STEMLAB_MODELS")
    return Path(chosen) if chosen else platformdirs.user_data_path("stemlab") / "models"


def paths() -> dict[str, Path]:
    """Return the network file of each installed model by name, shipped ones first."""
    folders = (shipped_models(), user_models())
    found: dict[str, Path] = {}
    for path in (path for folder in folders for path in sorted(folder.glob("*.tflite"))):
        found.setdefault(path.stem, path)
    return found


def cards() -> tuple[list[Card], list[ModelError]]:
    """Return the cards of the installed models, and what is wrong with those that are none."""
    read: list[Card] = []
    broken: list[ModelError] = []
    for path in paths().values():
        try:
            read.append(Card.read(path))
        except ModelError as error:
            broken.append(error)
    return read, broken


def song_models() -> list[str]:
    """Return the names of the installed models that separate songs: not those for live sound."""
    return [card.path.stem for card in cards()[0] if not card.streams]


def find(name: str | Path) -> Card:
    """Return the card of a model by its name, or by the path of its `.tflite` file.

    Raises
    ------
    ModelError
        If there is no such model.

    Examples
    --------
    >>> find("stemlab-4").stems
    ('vocals', 'drums', 'bass', 'other')
    """
    installed = paths()
    if str(name) in installed:
        return Card.read(installed[str(name)])
    if Path(name).suffix == ".tflite":
        return Card.read(Path(name))
    raise ModelError(
        f"{name}: no such model; installed are {', '.join(installed)} "
        "(`stemlab models add` gets more)"
    )


class StemModel:
    """A network ready to run.

    Parameters
    ----------
    card
        The model, by its card, name or the path of its `.tflite` file.
    runtime
        A name of `RUNTIMES`; by default the fastest that is installed and fits the model.
    threads
        Threads to run on; by default all cores, four at most.
    delegates
        Shared libraries of accelerators, such as ``"libedgetpu.so.1"``. Where they cannot be
        loaded or used, a `ModelWarning` says so and the CPU does the work.
    frames
        T, by default the card's: shorter windows answer sooner and know less. The `card` of the
        loaded model says the same.

    Raises
    ------
    ModelError
        If the model is not there, damaged, foreign, no runtime can run it, or its network is
        not made for windows of that many frames.

    Examples
    --------
    >>> model = StemModel("stemlab-4")
    >>> masks = model.masks(np.zeros((model.card.frames, model.card.bins, 2), np.float32))
    >>> masks.shape
    (512, 1024, 2, 4)
    """

    def __init__(
        self,
        card: Card | str | Path = DEFAULT,
        *,
        runtime: str | None = None,
        threads: int | None = None,
        delegates: Sequence[str] = (),
        frames: int | None = None,
    ) -> None:
        known = card if isinstance(card, Card) else find(card)
        if known.streams:
            raise ModelError(
                f"{known.name}: made for live sound, frame by frame (`labs.live`); "
                f"choose another, such as {DEFAULT}"
            )
        known.verify()
        self.card = replace(known, frames=frames or known.frames)
        self._resized = self.card.frames != known.frames
        self.runtime = _choose_runtime(self.card, runtime)
        self.threads = threads or min(4, cores())
        self._lock = Lock()
        self._interpreter = self._load(delegates)
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]
        self._check_shapes()

    @classmethod
    def shared(
        cls,
        card: Card | str | Path = DEFAULT,
        *,
        runtime: str | None = None,
        threads: int | None = None,
        frames: int | None = None,
    ) -> StemModel:
        """Return a model that all who ask for the same have together: it is loaded once.

        Only those whose threads stand as high with the system, since those of the model inherit it.

        Examples
        --------
        >>> StemModel.shared("stemlab-4") is StemModel.shared(find("stemlab-4"))
        True
        """
        known = card if isinstance(card, Card) else find(card)
        known.verify()
        key = (known.path.resolve(), known.sha256, runtime, threads, frames, _niceness())
        with _sharing:
            model = _shared.get(key)
            if model is None:
                model = cls(known, runtime=runtime, threads=threads, frames=frames)
                _shared[key] = model
        return model

    def masks(self, magnitude: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the masks [T, F, 2, stems] of a magnitude spectrogram [T, F, 2]; thread-safe."""
        with self._lock:
            self._interpreter.set_tensor(self._input, np.ascontiguousarray(magnitude[None]))
            self._interpreter.invoke()
            masks: NDArray[np.float32] = self._interpreter.get_tensor(self._output)[0]
        return masks

    def _load(self, delegates: Sequence[str]) -> Any:
        try:
            return (delegates and self._accelerated(delegates)) or self._interpret()
        except (ValueError, RuntimeError) as error:
            reason = f"its network is not made for windows of {self.card.frames} frames"
            raise _refused(self.card, self.runtime, error, self._resized and reason) from error

    def _accelerated(self, delegates: Sequence[str]) -> Any:
        library = import_module(RUNTIMES[self.runtime])
        try:
            for name in delegates:
                ctypes.CDLL(name)  # a clean OSError, where the runtimes' own loader stumbles
            loaded = [library.load_delegate(name) for name in delegates]
            return self._interpret(loaded)
        except (ValueError, RuntimeError, OSError) as error:
            warnings.warn(
                f"{', '.join(delegates)} cannot be used ({_first_line(error)}): "
                f"{self.card.name} runs on the CPU",
                ModelWarning,
                stacklevel=5,
            )
            return None

    def _interpret(self, delegates: Sequence[Any] = ()) -> Any:
        resized = [1, self.card.frames, self.card.bins, 2] if self._resized else None
        return _interpret(self.card, self.runtime, self.threads, delegates, resized)

    def _check_shapes(self) -> None:
        card = self.card
        wanted = [1, card.frames, card.bins, 2]
        details = (
            self._interpreter.get_input_details()[0],
            self._interpreter.get_output_details()[0],
        )
        shapes = [detail["shape"].tolist() for detail in details]
        if shapes != [wanted, [*wanted, len(card.stems)]]:
            raise ModelError(
                f"{card.path}: takes {shapes[0]} and gives {shapes[1]} where its card says "
                f"{wanted} and {[*wanted, len(card.stems)]}; this is not a stemlab model"
            )


_shared: WeakValueDictionary[tuple[object, ...], StemModel] = WeakValueDictionary()
_sharing = Lock()


def _niceness() -> int:
    """Return how far this thread stands back for others; only Linux knows it of each thread."""
    on_linux = sys.platform == "linux"
    return os.getpriority(os.PRIO_PROCESS, get_native_id()) if on_linux else 0


def installed_runtimes() -> list[str]:
    """Return the names of the runtimes that are there, the faster one first."""
    return [name for name, module in RUNTIMES.items() if find_spec(module.split(".")[0])]


def load_interpreter(card: Card, runtime: str | None, threads: int) -> tuple[str, Any]:
    """Return the name of the runtime taken, and a model's network in it.

    Raises
    ------
    ModelError
        If no runtime can run it.
    """
    chosen = _choose_runtime(card, runtime)
    try:
        return chosen, _interpret(card, chosen, threads)
    except (ValueError, RuntimeError) as error:
        raise _refused(card, chosen, error) from error


def _interpret(
    card: Card,
    runtime: str,
    threads: int,
    delegates: Sequence[Any] = (),
    resized: Sequence[int] | None = None,
) -> Any:
    _try_out(card, runtime)
    with _hushed():
        interpreter = import_module(RUNTIMES[runtime]).Interpreter(
            model_path=str(card.path),
            num_threads=threads,
            experimental_delegates=list(delegates) or None,
        )
        if resized:
            [detail] = interpreter.get_input_details()
            interpreter.resize_tensor_input(detail["index"], resized)
        interpreter.allocate_tensors()
    return interpreter


def _try_out(card: Card, runtime: str) -> None:
    """Let a foreign network run in a process that may die of it before it runs in this one."""
    if card.sha256 in _shipped():
        return
    if fault := _fault(card.path.resolve(), card.sha256, RUNTIMES[runtime]):
        raise ModelError(
            f"{card.path}: {runtime} {fault} of this network; "
            "it is broken or means harm: get it again, from somebody you trust"
        )


@cache
def _shipped() -> set[str]:
    return {Card.read(path).sha256 for path in shipped_models().glob("*.tflite")}


@cache
def _fault(network: Path, _sha256: str, module: str) -> str:
    """Say how a process ends that runs a network once, if not well or by a Python exception."""
    command = python("-c", TRIAL, module, str(network))
    try:
        ended = subprocess.run(  # noqa: S603 - all of it is ours
            command, cwd=FOLDER, capture_output=True, timeout=LONGEST_TRIAL, check=False
        )
    except subprocess.TimeoutExpired:
        return f"does not come to the end within {LONGEST_TRIAL} s"
    return "" if ended.returncode in (0, 1) else f"crashes (exit code {ended.returncode}) because"


def _refused(card: Card, runtime: str, error: Exception, reason: str | bool = "") -> ModelError:
    return ModelError(
        f"{card.path}: {runtime} cannot run this file ({_first_line(error)}); "
        f"{reason or 'it is not a TensorFlow Lite model for this version'}"
    )


def _choose_runtime(card: Card, wanted: str | None) -> str:
    installed = installed_runtimes()
    if wanted is not None and wanted not in RUNTIMES:
        raise ModelError(f"{wanted}: no such runtime; stemlab knows {', '.join(RUNTIMES)}")
    usable = [name for name in installed if name in card.runtimes and wanted in (None, name)]
    if not usable:
        raise ModelError(
            f"{card.name} runs on {' or '.join(card.runtimes)}"
            f"{f', {wanted} was asked for' if wanted else ''}; installed: "
            f"{', '.join(installed) or 'none'}; install one with pip"
        )
    return usable[0]


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


def cores() -> int:
    """Return how many cores this process may use."""
    allowed: set[int] = getattr(os, "sched_getaffinity", lambda _: set[int]())(0)
    return len(allowed) or os.cpu_count() or 1


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
