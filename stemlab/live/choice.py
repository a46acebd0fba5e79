"""The best live setting that this machine is fast enough for: tried in turn, the best first."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from stemlab.errors import SettingError
from stemlab.live.worker import Live

if TYPE_CHECKING:
    from collections.abc import Sequence

# By quality (see models/README.md), the best first.
SETTINGS = (
    Live("stemlab-4-fast", update=1),
    Live("stemlab-4-fast", update=2),
    Live("stemlab-4-fast", update=4),
    Live("stemlab-4-live"),
)
# Share of one core that may go into it; the rest is for what else comes.
LOAD = 0.75
TAKEN, FORCED = "taken", "taken, because no lighter setting is within this latency"
# Seconds of sound that are separated to see how long it takes.
TRIED = 0.5


@dataclass(frozen=True)
class Trial:
    """A setting, and how it did on this machine.

    Attributes
    ----------
    live
        The setting.
    setting
        What it does, in words.
    delay
        Seconds by which its stems are late, without the time to compute.
    load
        Share of one core's time that it takes, or None if it was not tried.
    verdict
        What came of it, in words.
    """

    live: Live
    setting: str
    delay: float
    load: float | None
    verdict: str

    def __str__(self) -> str:
        """Say it all in a line."""
        load = "" if self.load is None else f", {self.load:.0%} of a core"
        return f"{self.setting}: {1000 * self.delay:.0f} ms delay{load}: {self.verdict}"


def choose(latency: float = 0.1, settings: Sequence[Live] = SETTINGS) -> list[Trial]:
    """Try settings until this machine is fast enough for one; take the last of those returned.

    Parameters
    ----------
    latency
        Seconds by which stems may be late, without the time to compute.
    settings
        Best first. If the machine is too slow for all of them, the lightest within the
        latency is taken.

    Raises
    ------
    SettingError
        If no setting is within the latency.

    Examples
    --------
    >>> [*_, taken] = choose(latency=0.05)
    >>> taken.live.model
    'stemlab-4-live'
    """
    trials: list[Trial] = []
    for live in settings:
        trials.append(_try(live, latency))
        if trials[-1].verdict == TAKEN:
            return trials
    tried = [trial for trial in trials if trial.load is not None]
    if not tried:
        soonest = min(trial.delay for trial in trials)
        raise SettingError(
            f"latency {1000 * latency:g} ms: the fastest setting takes {1000 * soonest:.0f} ms"
        )
    lightest = min(tried, key=lambda trial: trial.load or 0)
    return [*trials, replace(lightest, verdict=FORCED)]


def _try(live: Live, latency: float) -> Trial:
    model = live.load()
    separator = live.separator(model)
    rate, hop = model.card.sample_rate, model.card.hop
    setting, delay = f"{live.model}, {separator.source.setting}", separator.delay / rate
    if delay > latency:
        return Trial(live, setting, delay, None, f"more than {1000 * latency:g} ms")
    noise = np.random.default_rng(0).standard_normal((int(TRIED * rate), 2), np.float32)
    blocks = np.array_split(0.1 * noise, len(noise) // hop)
    separator.push(blocks[0])
    start = time.perf_counter()
    for block in blocks:
        separator.push(block)
    load = (time.perf_counter() - start) / TRIED
    verdict = TAKEN if load <= LOAD else f"more than {LOAD:.0%}, which leaves too little reserve"
    return Trial(live, setting, delay, load, verdict)
