"""Networks of one's own: told what they are, described by a card, and installed."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from stemlab.card import Card
from stemlab.errors import ModelError
from stemlab.importers.guess import guess
from stemlab.importers.install import install, place
from stemlab.model import StemModel, paths, shipped_models, user_models
from stemlab.networks.runtimes import FORMATS, HOW_TO_GET, Trial, installed_runtimes, try_out

if TYPE_CHECKING:
    from pathlib import Path

LARGEST = 2 << 30  # bytes
TO_FILL_IN = ("licence", "stems")
"""Fields of a card that nobody can guess."""


@dataclass(frozen=True)
class Found:
    """What a network turned out to be.

    Attributes
    ----------
    inputs, outputs
        A line for each: name, numbers, shape.
    kind
        What it reads and gives, "" if that cannot be told.
    card
        Its card; `written` by this check, or there before.
    written
        Whether the card was written now.
    missing
        Fields of the card that are to be filled in.
    speed
        × real time, with a card that is whole.
    """

    inputs: list[str]
    outputs: list[str]
    kind: str
    card: Path
    written: bool
    missing: list[str]
    speed: float | None


def check(network: Path) -> Found:
    """Run a network in a process of its own and tell what it is.

    Where it has no card, one is written with what could be guessed, beside it.

    Raises
    ------
    ModelError
        If it cannot be run, or does not do what its card says.
    """
    trial, sha256 = _tried(network)
    file = network.with_suffix(".json")
    written = not file.exists()
    if written:
        _write_card(network, trial, sha256)
    missing = _missing(file)
    model = None if missing else _proved(network)
    return Found(
        [f"{t.name} {t.dtype} {_sizes(t.shape)}" for t in trial.inputs],
        [f"{t.name} {t.dtype} {_sizes(t.shape)}" for t in trial.outputs],
        model.card.kind if model else guess(trial.inputs, trial.outputs).get("kind", ""),
        file,
        written,
        missing,
        _speed(model) if model else None,
    )


def describe(network: Path, **said: Any) -> Path:
    """Write a network's card beside it, from what is said and what can be guessed.

    Parameters
    ----------
    network
        A `.tflite` or `.onnx` file.
    said
        Fields of `stemlab.card.Card`; what is neither said nor guessed stays to be filled in.

    Returns
    -------
    The card, which takes the place of an earlier one.

    Raises
    ------
    ModelError
        If the network cannot be run, or the card cannot be written.
    """
    return _write_card(network, *_tried(network), **said)


def _write_card(network: Path, trial: Trial, sha256: str, **said: Any) -> Path:
    unknown = ("frames", "bins", "n_fft", "hop", "kind", "reads", "gives", *TO_FILL_IN)
    facts: dict[str, Any] = {
        "name": network.stem,
        "version": "1",
        "source": "",
        "sha256": sha256,
        "sample_rate": 44_100,
        "window": "hann",
        "precision": "float32",
        "extension": "band",
        "training_data": "",
        "measured": {},
        "runtimes": [*FORMATS[network.suffix]],
        "scale": 1.0,
        "level": "plain",
        **dict.fromkeys(unknown),
        **guess(trial.inputs, trial.outputs),
        **said,
    }
    card = network.with_suffix(".json")
    try:
        card.write_text(json.dumps(facts, indent=2, default=str) + "\n", encoding="utf-8")
    except OSError as error:
        raise ModelError(f"{card}: cannot be written ({error.strerror})") from error
    return card


def add(network: Path) -> Path:
    """Install a network in the user's folder of models, by the card beside it.

    Returns
    -------
    The installed network; its name without the ending is that of the model.

    Raises
    ------
    ModelError
        If there is no card, the network does not do what it says, or it cannot be kept. Nothing
        is left behind.
    """
    if not network.with_suffix(".json").is_file():
        raise ModelError(
            f"{network}: has no card; `stemlab models check {network}` writes one to fill in"
        )
    card = _proved(network).card
    known = paths().get(network.stem)
    if known and (known.parent == shipped_models() or known.suffix != network.suffix):
        raise ModelError(f"{network.stem}: a model of this name is there; choose another name")
    facts = json.loads(network.with_suffix(".json").read_text(encoding="utf-8"))
    with place(card.name) as folder:
        return install(_copied(network, folder), user_models(), facts)


def _tried(network: Path) -> tuple[Trial, str]:
    """Return how a network does by itself, and its sha256.

    Raises
    ------
    ModelError
        If it is no file of a network, or cannot be run.
    """
    if network.suffix not in FORMATS:
        raise ModelError(f"{network}: a network is a file that ends in {' or '.join(FORMATS)}")
    try:
        if network.stat().st_size > LARGEST:
            raise ModelError(f"{network}: larger than {LARGEST >> 30} GiB; export a smaller one")
        sha256 = hashlib.sha256(network.read_bytes()).hexdigest()
    except OSError as error:
        raise ModelError(f"{network}: cannot be read ({error.strerror})") from error
    runtimes = installed_runtimes(network.suffix)
    if not runtimes:
        how = HOW_TO_GET[network.suffix]
        raise ModelError(f"{network}: no runtime for it is installed; `{how}` installs one")
    trial = try_out(network, FORMATS[network.suffix][runtimes[0]], sha256)
    if trial.fault:
        what = f"{trial.fault} of it" if trial.fatal else f"cannot run it ({trial.fault})"
        raise ModelError(f"{network}: {runtimes[0]} {what}; export it again")
    return trial, sha256


def _copied(network: Path, folder: Path) -> Path:
    copy = folder / network.name
    shutil.copyfile(network, copy)
    return copy


def _missing(card: Path) -> list[str]:
    """Return the fields that are null."""
    try:
        facts = json.loads(card.read_text(encoding="utf-8"))
        return [name for name, value in facts.items() if value is None and name != "synthesis"]
    except (OSError, ValueError, AttributeError, RecursionError):
        return []  # what is wrong with it is told by who reads it as a card


def _proved(network: Path) -> StemModel:
    """Return the model, after it made masks of noise that are what its card says."""
    model = StemModel(Card.read(network))
    model.masks(_noise(model))
    return model


def _noise(model: StemModel) -> Any:
    chance, card = np.random.default_rng(0), model.card
    parts = chance.standard_normal((card.frames, card.bins, 2, 2), np.float32)
    return model.hear(parts.view(np.complex64)[..., 0])


def _speed(model: StemModel) -> float:
    noise, start = _noise(model), time.perf_counter()
    model.masks(noise)
    card = model.card
    return card.frames * card.hop / card.sample_rate / (time.perf_counter() - start)


def _sizes(shape: Any) -> str:
    return "×".join("any" if length is None else str(length) for length in shape)
