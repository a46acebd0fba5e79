"""Time bent straight and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemlab.library.grid import even, is_grid, uneven

STEPS = st.lists(st.tuples(st.floats(0.5, 4), st.floats(0.5, 4)), min_size=1, max_size=20)


@given(STEPS, st.floats(-100, 500))
def test_there_and_back(steps: list[tuple[float, float]], seconds: float) -> None:
    knots = [(float(a), float(b)) for a, b in np.cumsum([(0.0, 0.0), *steps], axis=0)]
    assert is_grid(knots)
    assert float(uneven(knots, even(knots, seconds))) == pytest.approx(seconds, abs=1e-6)


def test_no_knots_leave_time_as_it_is() -> None:
    assert float(even((), 3.5)) == float(uneven((), 3.5)) == 3.5


@pytest.mark.parametrize(
    "knots",
    [
        None,
        "abc",
        7,
        {},
        [[0, 0]],
        [[0, 0], [1]],
        [[0, 0], [1, float("nan")]],
        [[0, 0], [0, 1]],
        [[0, 1], [1, 0]],
        [[0, 0], [1, 11]],
        [[0, 0], [1, 0.05]],
        [[0, 0], [1e300, 1e300]],
        [[i, i] for i in range(100_001)],
        [0, 1],
        [[["a"]]],
    ],
)
def test_what_is_no_grid(knots: object) -> None:
    assert not is_grid(knots)


def test_none_is_a_grid_as_well() -> None:
    assert is_grid([])
    assert is_grid(())
