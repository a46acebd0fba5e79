"""Many processes, and what they leave unsaid."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from stemlab.cluster import connect, run

if TYPE_CHECKING:
    import pytest


def test_whoever_handles_all_logs_is_not_flooded(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("distributed"), "propagate", True)
    with caplog.at_level(logging.DEBUG), connect(1) as client:
        assert [result for _, result in run(client, abs, [(-1,)])] == [1]
    assert not [record for record in caplog.records if record.name.startswith("distributed")]
