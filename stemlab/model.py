"""Models: where they are, and how they are run."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from threading import Lock, get_native_id
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import platformdirs

from stemlab.card import Card
from stemlab.errors import ModelError
from stemlab.networks.kinds import KINDS
from stemlab.networks.runtimes import FORMATS, HOW_TO_GET, installed_runtimes, load, try_out
from stemlab.networks.tensors import first_line
from stemlab.networks.tflite import interpret

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from stemlab.masks import AnyMasks
    from stemlab.networks.tensors import Network
    from stemlab.spectral import Spectrum

DEFAULT = "stemlab-4"


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
    for path in (path for folder in folders for path in sorted(folder.glob("*"))):
        if path.suffix in FORMATS:
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
    """Return the card of a model by its name, or by the path of its network's file.

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
    if Path(name).suffix in FORMATS:
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
        The model, by its card, name or the path of its network's file.
    runtime
        A name of `stemlab.networks.runtimes.FORMATS`; by default the fastest that is installed and
        fits the model.
    threads
        Threads to run on; by default all cores, four at most.
    delegates
        Shared libraries of accelerators for a `.tflite` file, such as ``"libedgetpu.so.1"``. Where
        they cannot be loaded or used, a `ModelWarning` says so and the CPU does the work.
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
    >>> import numpy as np
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
        self._network = self._load(delegates)
        self._check_tensors()

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
        key = (known.path.resolve(), known, runtime, threads, frames, _niceness())
        with _sharing:
            model = _shared.get(key)
            if model is None:
                model = cls(known, runtime=runtime, threads=threads, frames=frames)
                _shared[key] = model
        return model

    def hear(self, spectrum: Spectrum) -> NDArray[np.inexact[Any]]:
        """Return what it reads of a mixture's spectrum [frames, F, 2]: as it is, or magnitudes."""
        heard: NDArray[np.inexact[Any]] = KINDS[self.card.kind].hear(spectrum)
        return heard

    def masks(self, heard: NDArray[np.inexact[Any]]) -> AnyMasks:
        """Return the masks [T, F, 2, stems] of what it hears of a window [T, F, 2]; thread-safe.

        They are complex where it also changes the phase.

        Raises
        ------
        ModelError
            If what its network gives is no number, or not of the shape that the card says.
        """
        try:
            with self._lock:
                return self.card.ports.masks(self._network, heard)
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"{self.card.path}: {first_line(error)}") from error

    def _load(self, delegates: Sequence[str]) -> Network:
        how: dict[str, Any] = {"shape": self.card.ports.shape}
        if self.card.path.suffix == ".tflite":
            how |= {"delegates": delegates, "resized": self._resized}
        try:
            _try_out(self.card, self.runtime, self.card.ports.shape)
            module = FORMATS[self.card.path.suffix][self.runtime]
            return load(self.card.path, module, self.threads, **how)
        except (ValueError, RuntimeError) as error:
            reason = f"its network is not made for windows of {self.card.frames} frames"
            raise _refused(self.card, self.runtime, error, self._resized and reason) from error

    def _check_tensors(self) -> None:
        try:
            self.card.ports.check(self._network)
        except ValueError as error:
            reason = f"its network is not made for windows of {self.card.frames} frames"
            said = reason if self._resized else f"{error}; `stemlab models check` tells what it is"
            raise ModelError(f"{self.card.path}: {said}") from error


_shared: WeakValueDictionary[tuple[object, ...], StemModel] = WeakValueDictionary()
_sharing = Lock()


def _niceness() -> int:
    """Return how far this thread stands back for others; only Linux knows it of each thread."""
    on_linux = sys.platform == "linux"
    return os.getpriority(os.PRIO_PROCESS, get_native_id()) if on_linux else 0


def load_interpreter(card: Card, runtime: str | None, threads: int) -> tuple[str, Any]:
    """Return the name of the runtime taken, and a `.tflite` network in it.

    Raises
    ------
    ModelError
        If no runtime can run it.
    """
    chosen = _choose_runtime(card, runtime)
    try:
        _try_out(card, chosen)
        return chosen, interpret(card.path, FORMATS[".tflite"][chosen], threads)
    except (ValueError, RuntimeError) as error:
        raise _refused(card, chosen, error) from error


def _try_out(card: Card, runtime: str, shape: Sequence[int] | None = None) -> None:
    """Let a foreign network run in a process that may die of it before it runs in this one."""
    if card.sha256 in _shipped():
        return
    trial = try_out(card.path, FORMATS[card.path.suffix][runtime], card.sha256, shape)
    if trial.fatal:
        raise ModelError(
            f"{card.path}: {runtime} {trial.fault} of this network; "
            "it is broken or means harm: get it again, from somebody you trust"
        )
    if trial.fault:
        raise ValueError(trial.fault)


@cache
def _shipped() -> set[str]:
    return {Card.read(path).sha256 for path in shipped_models().glob("*.tflite")}


def _refused(card: Card, runtime: str, error: Exception, reason: str | bool = "") -> ModelError:
    kind = {".tflite": "a TensorFlow Lite", ".onnx": "an ONNX"}[card.path.suffix]
    return ModelError(
        f"{card.path}: {runtime} cannot run this file ({first_line(error)}); "
        f"{reason or f'it is not {kind} model for this version'}"
    )


def _choose_runtime(card: Card, wanted: str | None) -> str:
    suffix = card.path.suffix
    names = [name for runtimes in FORMATS.values() for name in runtimes]
    if wanted is not None and wanted not in names:
        raise ModelError(f"{wanted}: no such runtime; stemlab knows {', '.join(names)}")
    installed = installed_runtimes(suffix)
    usable = [name for name in installed if name in card.runtimes and wanted in (None, name)]
    if not usable:
        raise ModelError(
            f"{card.name} runs on {' or '.join(card.runtimes)}"
            f"{f', {wanted} was asked for' if wanted else ''}; installed: "
            f"{', '.join(installed) or 'none'}; `{HOW_TO_GET[suffix]}` installs one"
        )
    return usable[0]


def cores() -> int:
    """Return how many cores this process may use."""
    allowed: set[int] = getattr(os, "sched_getaffinity", lambda _: set[int]())(0)
    return len(allowed) or os.cpu_count() or 1
