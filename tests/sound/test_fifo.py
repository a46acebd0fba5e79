from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemlab.sound.fifo import Fifo, reblock


@given(st.lists(st.integers(0, 9)), st.integers(1, 12))
def test_reblock_keeps_every_entry_in_order(lengths: list[int], size: int) -> None:
    whole = np.arange(sum(lengths))
    blocks = list(reblock(np.split(whole, np.cumsum(lengths)[:-1]) if lengths else [], size))
    assert all(len(block) == size for block in blocks[:-1])
    assert np.array_equal(np.concatenate([whole[:0], *blocks]), whole)


def test_more_than_there_is_cannot_be_taken() -> None:
    queue: Fifo[np.int64] = Fifo()
    queue.push(np.arange(3))
    with pytest.raises(IndexError, match="4 entries wanted, 3 are there"):
        queue.take(4)
    assert len(queue) == 3
