"""Gains follow the faders, and rendering is the sum they say."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stemlab.mixer import Mix, crossfade

bools = st.lists(st.booleans(), min_size=4, max_size=4)
levels = st.lists(st.floats(0, 1.5, width=32), min_size=4, max_size=4)
pans = st.lists(st.floats(-1, 1, width=32), min_size=4, max_size=4)


@given(levels, bools, bools)
def test_muted_and_not_soloed_are_silent(
    level: list[float], mutes: list[bool], solos: list[bool]
) -> None:
    audible = Mix(level, mutes, solos).audible
    for stem in range(4):
        silent = mutes[stem] or (any(solos) and not solos[stem])
        assert audible[stem] == (0 if silent else np.float32(level[stem]))


@given(levels, pans, st.floats(0, 1.5, width=32))
def test_render_is_the_weighted_sum(level: list[float], pan: list[float], master: float) -> None:
    stems = np.random.default_rng(0).standard_normal((4, 50, 2)).astype(np.float32)
    mix = Mix(level, pans=pan, master=master)
    expected = (stems * mix.gains()[:, None]).sum(0)
    np.testing.assert_allclose(mix.render(stems), expected, atol=1e-4)
    assert (mix.gains() <= 1.5 * 1.5).all()


def test_pan_is_a_balance() -> None:
    gains = Mix([1.0] * 3, pans=[-1.0, 0.0, 0.5]).gains()
    np.testing.assert_allclose(gains, np.array([[1, 0], [1, 1], [0.5, 1]]))


@given(levels, bools, st.floats(0, 1))
def test_crossfade_goes_from_one_to_the_other(
    level: list[float], solos: list[bool], share: float
) -> None:
    first, second = Mix(level), Mix(level, solos=solos, master=0.5)
    for mix, at in ((first, 0.0), (second, 1.0)):
        np.testing.assert_allclose(crossfade(first, second, at).gains(), mix.gains(), atol=1e-6)
    between = crossfade(first, second, share).gains()
    low, high = np.minimum(first.gains(), second.gains()), first.gains()
    assert (between >= low - 1e-6).all()
    assert (between <= high + 1e-6).all()
