from __future__ import annotations

import pytest

from stemlab.errors import SettingError
from stemlab.live import choice
from stemlab.live.choice import SETTINGS, TAKEN, choose


def test_the_best_that_the_machine_holds_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "LOAD", 100)
    [first] = choose(latency=1)
    assert first.live == SETTINGS[0]
    assert first.verdict == TAKEN
    assert str(first).startswith(
        "stemlab-4-fast, windows of 64 frames every 1, look-ahead 3: 87 ms"
    )
    assert "% of a core: taken" in str(first)


def test_what_comes_too_late_is_passed_over() -> None:
    late, *_, taken = choose(latency=0.05)
    assert late.load is None
    assert str(late).endswith("87 ms delay: more than 50 ms")
    assert taken.live.model == "stemlab-4-live"
    assert taken.delay < 0.05


def test_a_busy_machine_takes_the_lightest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "LOAD", 0)
    *tried, taken = choose(latency=1, settings=(SETTINGS[0], SETTINGS[-1]))
    assert all("leaves too little" in trial.verdict for trial in tried)
    assert taken.live == SETTINGS[-1]
    assert "no lighter setting" in str(taken)


def test_no_setting_is_soon_enough() -> None:
    with pytest.raises(SettingError, match=r"latency 10 ms: the fastest setting takes 35 ms"):
        choose(latency=0.01)
