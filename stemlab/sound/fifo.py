"""First in, first out, along the first axis: what lets blocks of any size meet."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

Scalar = TypeVar("Scalar", bound=np.generic)


class Fifo(Generic[Scalar]):
    """Arrays go in at one end in any lengths and come out at the other in the lengths asked for.

    Examples
    --------
    >>> queue = Fifo()
    >>> queue.push(np.arange(3)); queue.push(np.arange(3, 5))
    >>> queue.take(4)
    array([0, 1, 2, 3])
    >>> len(queue)
    1
    """

    def __init__(self) -> None:
        self._arrays: deque[NDArray[Scalar]] = deque()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def push(self, array: NDArray[Scalar]) -> None:
        """Append `array` of shape [n, …]; it is kept, not copied."""
        self._arrays.append(array)
        self._length += len(array)

    def take(self, count: int) -> NDArray[Scalar]:
        """Remove and return the first `count` entries, [count, …].

        Raises
        ------
        IndexError
            If fewer are there, or nothing was ever pushed.
        """
        if count > self._length or not self._arrays:
            raise IndexError(f"{count} entries wanted, {self._length} are there")
        parts: list[NDArray[Scalar]] = []
        self._length -= count
        while count >= len(self._arrays[0]) and len(self._arrays) > 1:
            parts.append(self._arrays.popleft())
            count -= len(parts[-1])
        if count or not parts:
            parts.append(self._arrays[0][:count])
            self._arrays[0] = self._arrays[0][count:]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


def reblock(blocks: Iterable[NDArray[Any]], size: int) -> Iterator[NDArray[Any]]:
    """Yield the same entries in blocks of `size`, the last one shorter.

    Examples
    --------
    >>> [len(block) for block in reblock([np.zeros(5), np.zeros(2)], 3)]
    [3, 3, 1]
    """
    queue: Fifo[Any] = Fifo()
    for block in blocks:
        queue.push(block)
        while len(queue) >= size:
            yield queue.take(size)
    if len(queue):
        yield queue.take(len(queue))
