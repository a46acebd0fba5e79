"""What a foreign network seems to read and give, told by the shapes of its input and output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stemlab.networks.tensors import Tensor

PAIR, BOTH = 2, 4
USUAL_FRAMES, USUAL_BINS = 256, 1025  # where any number goes


def guess(inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> dict[str, Any]:
    """Return fields of a `stemlab.card.Card`; what no guess can be made of is missing.

    Examples
    --------
    >>> from stemlab.networks.tensors import Tensor
    >>> read = Tensor("x", [1, 4, 2049, None], "float32")
    >>> given = Tensor("y", [1, 3, 4, 2049, None], "float32")
    >>> guessed = guess([read], [given])
    >>> guessed["kind"], guessed["reads"], guessed["gives"], guessed["n_fft"]
    ('spectrum to spectra', '1 (c r) f t', '1 s (c r) f t', 4096)
    """
    if len(inputs) != 1 or not outputs:
        return {}
    shape = inputs[0].shape
    reads = [*_read(shape)]
    if sorted("".join(reads).replace("1", "")) not in map(sorted, ("tf", "tfc", "tfcr")):
        return {}
    frames, bins = (_length(shape, reads, letter) for letter in "tf")
    facts = _grid(frames, bins) | {"reads": _written(reads)}
    gives = [*_given(outputs[0].shape, shape, reads, several=len(outputs) > 1)]
    if len(gives) != len(outputs[0].shape):
        return facts
    phase = "r" in "".join(reads)
    away = "spectra" if "r" in "".join(gives) else "masks"
    return facts | {
        "kind": f"{'spectrum' if phase else 'magnitude'} to {away}",
        "gives": _written(gives),
    }


def _grid(frames: int | None, bins: int | None) -> dict[str, Any]:
    """Return the transform that goes with so many frames and bins."""
    bins = bins or USUAL_BINS
    n_fft = 2 * max(1, 1 << (bins - 2).bit_length())
    return {"frames": frames or USUAL_FRAMES, "bins": bins, "n_fft": n_fft, "hop": n_fft // 4}


def _read(shape: Sequence[int | None]) -> Iterator[str]:
    """Yield what each axis of the input is: pairs are channels, then parts; then time and bins."""
    large = [i for i, n in enumerate(shape) if i and (n is None or n > BOTH)]
    high = max(large, key=lambda i: _like_bins(shape[i], i), default=None)
    pairs = iter("cr")
    for i, length in enumerate(shape):
        if i in large:
            yield "f" if i == high else "t"
        elif length == BOTH:
            yield "cr"
        elif length == PAIR:
            yield next(pairs, "?")
        else:
            yield "1" if length in (1, None) else "?"


def _like_bins(length: int | None, place: int) -> tuple[bool, int, int]:
    """Rank a length: bins are known, are one more than a power of two, are many, come last."""
    return (length is not None and (length - 1) & (length - 2) == 0, length or 0, place)


def _given(
    shape: Sequence[int | None],
    read: Sequence[int | None],
    axes: Sequence[str],
    *,
    several: bool,
) -> Iterator[str]:
    """Yield what each axis of an output is: those of the input in their order, and the stems."""
    left = list(zip(axes, read, strict=True))
    extra, apart = not several, len(shape) > len(axes)
    for length in shape:
        known = next((pair for pair in left if pair[1] == length), None)
        if known:
            left.remove(known)
            yield known[0]
        elif extra:
            extra = False
            shared = None if apart else _shared(length, left)
            yield f"s{shared}" if shared else "s"
        else:
            return


def _shared(length: int | None, left: list[tuple[str, int | None]]) -> str:
    """Return the axis, of the channels, that the stems share one of so many numbers with."""
    for axis, size in left:
        if axis in {"c", "cr"} and size and length and length % size == 0:
            left.remove((axis, size))
            return axis
    return ""


def _length(shape: Sequence[int | None], axes: Sequence[str], letter: str) -> int | None:
    return next(n for n, axis in zip(shape, axes, strict=True) if axis == letter)


def _written(axes: Sequence[str]) -> str:
    return " ".join(f"({' '.join(axis)})" if len(axis) > 1 else axis for axis in axes)
