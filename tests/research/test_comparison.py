from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.stats

from stemlab.research.comparison import Difference, difference, interval


@pytest.mark.parametrize("statistic", [np.median, np.mean])
def test_the_interval_is_that_of_scipy(statistic: Any) -> None:
    values = np.random.default_rng(1).normal(5, 2, 11)
    wanted = scipy.stats.bootstrap(
        (values,), statistic, n_resamples=10_000, method="percentile"
    ).confidence_interval
    assert interval([*values], statistic) == pytest.approx([*wanted], abs=0.2)


def test_it_holds_the_truth_about_as_often_as_it_says() -> None:
    """Of twenty songs; with few a bootstrap is a little too sure."""
    rng = np.random.default_rng(0)
    intervals = [interval([*rng.normal(5, 2, 20)], np.mean) for _ in range(200)]
    assert 0.88 < np.mean([low < 5 < high for low, high in intervals]) < 0.98


def test_one_song_tells_nothing_of_others() -> None:
    assert np.isnan(interval([3.0])).all()
    alone = Difference(1, 1, 0.5, float("nan"), float("nan"))
    assert str(alone) == "better on 1 of 1 songs, +0.5 dB"


def test_models_are_compared_on_songs_that_both_know() -> None:
    def songs(**scores: float) -> dict[str, dict[str, dict[str, float]]]:
        return {song: {"bass": {"sdr": sdr}} for song, sdr in scores.items()}

    ours, theirs = songs(a=5.0, b=np.nan, c=1.0), songs(a=4.0, b=4.0, d=1.0)
    gain = difference(ours, theirs, "bass", "sdr")
    assert gain
    assert (gain.better, gain.songs, gain.mean) == (1, 1, 1.0)
    assert difference(ours, theirs, "drums", "sdr") is None
