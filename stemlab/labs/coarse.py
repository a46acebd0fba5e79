"""Fewer bits for a network's weights: what rounding costs, to be measured and heard."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import fields, replace
from functools import cache, lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from stemlab.errors import SettingError
from stemlab.model import StemModel, find
from stemlab.research.metrics import sdr
from stemlab.separator import Separator
from stemlab.sound.audio import Audio

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from stemlab.card import Card
    from stemlab.labs.excerpt import Excerpt
    from stemlab.spectral import Samples

FAST = "stemlab-4-fast"
EXACT = "stemlab-4-fast-float32"  # what its weights were rounded from
MOST = 127  # the largest int8 weight, the smallest is −127
INT8, HALF, FLOAT = 8, 16, 32  # bits
BITS = (FLOAT, HALF, INT8, 6, 5, 4, 3, 2)
"""What `try_bits` offers."""
KERNEL = 1024  # numbers that a constant of floats has at least, to be a kernel


class Coarse(NamedTuple):
    """A network with rounded kernels, and the bytes it would take with them packed tightly."""

    card: Card
    size: int


def round_weights(weights: NDArray[np.int8], bits: int) -> NDArray[np.int8]:
    """Round int8 weights to what so many bits hold, 0 and as many steps on both sides of it.

    Examples
    --------
    >>> round_weights(np.array([-127, -20, 3, 40, 100], np.int8), 3)
    array([-127,   0,   0,  42,  85], dtype=int8)
    """
    steps = 2 ** (bits - 1) - 1
    rounded: NDArray[np.float64] = np.rint(np.rint(weights * (steps / MOST)) * (MOST / steps))
    return rounded.astype(np.int8)


def coarsen(card: Card, bits: int, folder: Path) -> Coarse:
    """Write a model whose kernels are rounded further, and its card.

    Everything else of the file stays as it is, the scale of each output channel too; the rounded
    values are stored as what they were, so that every runtime reads them.

    Parameters
    ----------
    card
        A model with int8 weights, or for 16 bits with floats.
    bits
        2 to 8, at 8 nothing changes; or 16.
    folder
        Where both are written.

    Raises
    ------
    SettingError
        If the bits are none of these, or the model has no such weights.
    """
    if not 2 <= bits <= INT8 and bits != HALF:  # noqa: PLR2004 - as documented
        raise SettingError(
            f"{bits} bits: choose 2 to 8, what an int8 weight can be rounded to, or 16 for floats"
        )
    if card.path.suffix != ".tflite":
        raise SettingError(f"{card.name}: only weights of .tflite files can be rounded")
    whole = FLOAT if bits == HALF else INT8
    network = bytearray(card.path.read_bytes())
    packed = size = len(network)
    for kernel in _kernels(network, whole):
        kernel[:] = kernel.astype(np.float16) if bits == HALF else round_weights(kernel, bits)
        packed -= kernel.size * (whole - bits) // 8
    if packed == size and bits != INT8:
        kind = "float" if bits == HALF else "int8"
        raise SettingError(f"{card.name} has no {kind} weights to round; choose another model")
    path = folder / f"{card.name}-{bits}-bit.tflite"
    path.write_bytes(network)
    digest = hashlib.sha256(network).hexdigest()
    rounded = replace(card, path=path, sha256=digest, precision=f"{bits}-bit weights")
    known = {field.name: getattr(rounded, field.name) for field in fields(rounded)}
    known.pop("path")
    path.with_suffix(".json").write_text(json.dumps(known), encoding="utf-8")
    return Coarse(rounded, packed)


@cache
def coarse(model: str, bits: int) -> Coarse:
    """Return a model, by its name or file, with its weights rounded to so many bits.

    Made on demand, kept until this process ends.

    Raises
    ------
    StemlabError
        If there is no such model, or it cannot be rounded; see `coarsen`.
    """
    return coarsen(find(model), bits, Path(_folder().name))


@cache
def _folder() -> TemporaryDirectory[str]:
    """Return a folder that is removed with this process."""
    return TemporaryDirectory(prefix="stemlab-")


def _kernels(network: bytearray, bits: int) -> Iterator[NDArray[Any]]:
    """Yield the int8 or float kernels of a `.tflite` file in place, each flat."""
    from ai_edge_litert import schema_py_generated as schema

    types = schema.TensorType
    kind, dtype, least = (
        (types.INT8, np.dtype(np.int8), 1)
        if bits == INT8
        else (types.FLOAT32, np.dtype(np.float32), KERNEL)
    )
    model = schema.Model.GetRootAs(network, 0)
    graph = model.Subgraphs(0)
    for i in range(graph.TensorsLength()):
        tensor = graph.Tensors(i)
        constant = _bytes(network, model.Buffers(tensor.Buffer()))
        if tensor.Type() == kind and constant.size >= least * dtype.itemsize:
            yield constant.view(dtype)


def _bytes(network: bytearray, buffer: Any) -> NDArray[np.uint8]:
    """Return a constant in place: large files keep them behind the graph."""
    if buffer.Size():
        return np.frombuffer(network, np.uint8, buffer.Size(), buffer.Offset())
    inside: NDArray[np.uint8] = buffer.DataAsNumpy()
    return inside if buffer.DataLength() else np.zeros(0, np.uint8)


class Tried(NamedTuple):
    """A network of fewer bits: its stems, their SDR, its size in MB, how fast it was here."""

    stems: dict[str, Samples]
    sdr: dict[str, float]
    size: float
    speed: float


@lru_cache(maxsize=len(BITS))
def try_bits(excerpt: Excerpt, bits: int) -> Tried:
    """Separate an excerpt with weights of so many `BITS` of `stemlab-4-fast`; kept for next time.

    The speed is that of a window of the network, in seconds of sound a second.
    """
    if bits == FLOAT:
        exact = find(EXACT)
        rounded = Coarse(exact, exact.path.stat().st_size)
    else:
        rounded = coarse(EXACT if bits == HALF else FAST, bits)
    model = StemModel(rounded.card)
    separation = Separator(model).separate(Audio(excerpt.mix, excerpt.rate))
    stems = {name: stem.samples for name, stem in separation.stems.items()}
    scores = {name: sdr(excerpt.stems[name], stem) for name, stem in stems.items()}
    return Tried(stems, scores, rounded.size / 1e6, _speed(model))


def _speed(model: StemModel) -> float:
    card = model.card
    window = np.zeros((card.frames, card.bins, 2), np.float32)
    clock = time.perf_counter()
    model.masks(window)
    return card.frames * card.hop / card.sample_rate / (time.perf_counter() - clock)
