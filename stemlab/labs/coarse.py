"""Fewer bits for a network's weights: what rounding costs, to be measured and heard."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields, replace
from functools import cache, lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stemlab.audio import Audio
from stemlab.errors import SettingError
from stemlab.metrics import sdr
from stemlab.model import find
from stemlab.separator import Separator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from stemlab.labs.excerpt import Excerpt
    from stemlab.model import Card
    from stemlab.spectral import Samples

FAST = "stemlab-4-fast"
MOST = 127  # the largest int8 weight, the smallest is −127


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
    """Write a model whose int8 kernels are rounded further, and its card.

    Everything else of the file stays as it is, the scale of each output channel too; the rounded
    values are stored as int8 again, so that every runtime reads them.

    Parameters
    ----------
    card
        A model with int8 weights.
    bits
        2 to 8; at 8 nothing changes.
    folder
        Where both are written.

    Raises
    ------
    SettingError
        If the bits are too few or too many, or the model has no int8 weights.
    """
    if not 2 <= bits <= 8:  # noqa: PLR2004 - as documented
        raise SettingError(f"{bits} bits: choose 2 to 8, what an int8 weight can be rounded to")
    network = bytearray(card.path.read_bytes())
    packed = size = len(network)
    for kernel in _kernels(network):
        kernel[:] = round_weights(kernel, bits)
        packed -= kernel.size * (8 - bits) // 8
    if packed == size and bits < 8:  # noqa: PLR2004 - bits of an int8
        raise SettingError(f"{card.name} has no int8 weights to round; choose another model")
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


def _kernels(network: bytearray) -> Iterator[NDArray[np.int8]]:
    """Yield the int8 constants of a `.tflite` file in place, each flat."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(network, 0)
    graph = model.Subgraphs(0)
    for i in range(graph.TensorsLength()):
        tensor = graph.Tensors(i)
        buffer = model.Buffers(tensor.Buffer())
        if tensor.Type() == schema.TensorType.INT8 and buffer.Size():
            yield np.frombuffer(network, np.int8, buffer.Size(), buffer.Offset())


class Tried(NamedTuple):
    """A network of fewer bits: its stems, their SDR, its size in MB."""

    stems: dict[str, Samples]
    sdr: dict[str, float]
    size: float


@lru_cache(maxsize=8)
def try_bits(excerpt: Excerpt, bits: int) -> Tried:
    """Separate an excerpt with weights of so many bits of `stemlab-4-fast`; kept for next time."""
    rounded = coarse(FAST, bits)
    separation = Separator(rounded.card).separate(Audio(excerpt.mix, excerpt.rate))
    stems = {name: stem.samples for name, stem in separation.stems.items()}
    scores = {name: sdr(excerpt.stems[name], stem) for name, stem in stems.items()}
    return Tried(stems, scores, rounded.size / 1e6)
