from __future__ import annotations

import numpy as np
import pytest

from stemlab.networks.axes import Axes

SIZES = {"t": 7, "f": 5, "c": 2, "r": 2, "s": 3}


@pytest.mark.parametrize(
    "text", ["t f c r", "1 (c r) f t", "(r c) t f 1", "c 1 f r t", "(t f) (c r)"]
)
def test_what_is_packed_comes_back(text: str) -> None:
    array = np.random.default_rng(0).random((7, 5, 2, 2), np.float32)
    axes = Axes(text)
    packed = axes.pack(array, "tfcr")
    assert [*packed.shape] == axes.shape(SIZES)
    np.testing.assert_array_equal(axes.unpack(packed, "tfcr", SIZES), array)


def test_the_last_of_a_group_runs_fastest() -> None:
    array = np.arange(4, dtype=np.float32).reshape(1, 1, 2, 2)
    assert Axes("(c r) f t").pack(array, "tfcr").ravel().tolist() == [0, 1, 2, 3]
    assert Axes("(r c) f t").pack(array, "tfcr").ravel().tolist() == [0, 2, 1, 3]


@pytest.mark.parametrize(
    "text", ["", "t t", "t  f", "(t f", "t f)", "(t)", "((t f))", "t f x", "T F", "2 t f"]
)
def test_what_is_no_order(text: str) -> None:
    with pytest.raises(ValueError, match=r"axes are written like|axis twice"):
        Axes(text)


def test_open_lengths_fit_anything() -> None:
    axes = Axes("1 s (c r) f t")
    assert axes.fits([1, 3, 4, 5, None], SIZES)
    assert not axes.fits([1, 3, 4, 6, None], SIZES)
    assert not axes.fits([1, 3, 4, 5], SIZES)
