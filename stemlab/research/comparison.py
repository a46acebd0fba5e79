"""How sure a score is over some songs, and whether one model is better than another on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from stemlab.research.evaluation import Scores

# Samples of the songs that are drawn.
DRAWS = 10_000
CONFIDENCE = 0.95
# Scores that are no decibels.
PLAIN = ("log_wmse", "l1_freq", "bleedless", "fullness")


def interval(
    values: Sequence[float], statistic: Callable[..., Any] = np.median
) -> tuple[float, float]:
    """Return where the statistic of other songs of the same kind would lie, in 95 of 100 cases.

    The percentiles of a bootstrap: as many songs are drawn again and again, some twice (Efron and
    Tibshirani, "An Introduction to the Bootstrap", 1993). It says the same each time. One song
    tells nothing: not a number.

    Examples
    --------
    >>> interval([5.0, 6.0, 7.0, 8.0], np.mean)
    (5.5, 7.5)
    """
    if len(values) < 2:  # noqa: PLR2004
        return float("nan"), float("nan")
    drawn = np.random.default_rng(0).choice(np.asarray(values, float), (DRAWS, len(values)))
    low, high = np.quantile(statistic(drawn, axis=1), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


@dataclass(frozen=True)
class Difference:
    """How much better one model is than another on the songs that both were heard on.

    Attributes
    ----------
    better, songs
        On how many songs of how many.
    mean, low, high
        Mean of the differences, and its `interval`.
    unit
        ``"dB"``, or none.

    Examples
    --------
    >>> print(Difference(9, 11, 0.3, 0.1, 0.5))
    better on 9 of 11 songs, +0.3 dB [0.1, 0.5]
    """

    better: int
    songs: int
    mean: float
    low: float
    high: float
    unit: str = "dB"

    def __str__(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        known = "" if np.isnan(self.low) else f" [{self.low:.1f}, {self.high:.1f}]"
        return f"better on {self.better} of {self.songs} songs, {self.mean:+.1f}{unit}{known}"


def difference(
    ours: Mapping[str, Mapping[str, Scores]],
    theirs: Mapping[str, Mapping[str, Scores]],
    stem: str,
    metric: str,
) -> Difference | None:
    """Compare the scores of two models, song by song; None if they have no song in common.

    Parameters
    ----------
    ours, theirs
        Scores by song and stem, from `stemlab.research.evaluation.evaluate`.

    Examples
    --------
    >>> def songs(*scores):
    ...     return {str(i): {"bass": {"sdr": sdr}} for i, sdr in enumerate(scores)}
    >>> print(difference(songs(5.0, 6.0, 7.0), songs(4.0, 5.5, 7.5), "bass", "sdr"))
    better on 2 of 3 songs, +0.3 dB [-0.5, 1.0]
    """
    known, others = (of_songs(scores, stem, metric) for scores in (ours, theirs))
    gains = [known[song] - others[song] for song in known if song in others]
    if not gains:
        return None
    unit = "" if metric in PLAIN else "dB"
    low, high = interval(gains, np.mean)
    return Difference(
        sum(gain > 0 for gain in gains), len(gains), float(np.mean(gains)), low, high, unit
    )


def of_songs(
    scores: Mapping[str, Mapping[str, Scores]], stem: str, metric: str
) -> dict[str, float]:
    """Return one score of each song that has it, leaving out those that are not finite."""
    found = {song: stems[stem][metric] for song, stems in scores.items() if stem in stems}
    return {song: value for song, value in found.items() if np.isfinite(value)}
