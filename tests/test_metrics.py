from __future__ import annotations

import numpy as np

from stemlab.metrics import Sdr, conservation, sdr


def test_sdr_of_known_noise() -> None:
    rng = np.random.default_rng(0)
    signal, noise = rng.standard_normal((2, 100_000, 2))
    assert abs(sdr(signal, signal + 0.1 * noise) - 20) < 0.1


def test_sdr_by_blocks_is_that_of_the_whole() -> None:
    reference, estimate = np.random.default_rng(0).standard_normal((2, 1000, 2))
    account = Sdr()
    for block in np.split(np.arange(1000), [1, 10, 500]):
        account.add(reference[block], estimate[block])
    assert abs(account.value - sdr(reference, estimate)) < 1e-9


def test_limits() -> None:
    one, zero = np.ones(4), np.zeros(4)
    assert sdr(one, one) == np.inf
    assert sdr(zero, one) == -np.inf
    assert abs(conservation(one, [one, 1e-3 * one]) + 60) < 1e-6
