"""Many processes: who does what, what survives, and what they leave unsaid."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import pytest
from dask_cluster import Cluster

from stemlab.cluster import connect, run
from stemlab.errors import ClusterWarning, SettingError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with Cluster(tmp_path) as cluster:
        yield cluster


def test_whoever_handles_all_logs_is_not_flooded(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("distributed"), "propagate", True)
    with caplog.at_level(logging.DEBUG), connect(1) as client:
        assert [*run(client, abs, [(-1,)])] == [(0, 1, "0")]
    assert not [record for record in caplog.records if record.name.startswith("distributed")]


def test_nobody_without_the_keys_gets_in() -> None:
    """Scheduler and workers run whatever they are sent, and other users may reach their ports."""
    from distributed import Client
    from distributed.security import Security

    with connect(1) as client:
        assert [*run(client, abs, [(-1,)])] == [(0, 1, "0")]
        [(worker, facts)] = client.scheduler_info()["workers"].items()
        scheduler: str = client.scheduler_info()["address"]
        for address in (scheduler, worker, facts["nanny"]):
            assert address.startswith("tls://127.0.0.1:")
        plain = scheduler.replace("tls", "tcp")
        for address, security in ((plain, None), (scheduler, Security.temporary())):
            with pytest.raises(OSError, match=r"[Tt]imed out|reset by peer|does not match"):
                Client(address, security=security, timeout=2)


def test_a_scheduler_may_go_away_and_come_back(
    cluster: Cluster, capfd: pytest.CaptureFixture[str]
) -> None:
    """What was done is not done again; what was under way is."""
    with connect(cluster.address) as client:
        results = run(client, time.sleep, [(0,), (0.5,), (0.6,), (0.7,)])
        assert next(results).task == 0
        cluster.restart()
        with pytest.warns(ClusterWarning, match="went away; waiting"):
            left = [*results]
    assert sorted(done.task for done in left) == [1, 2, 3]
    assert {done.result for done in left} == {None}
    assert {done.worker for done in left} <= {"one", "two"}
    assert capfd.readouterr().err == ""


def test_a_scheduler_that_stays_away_is_told(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect(cluster.address) as client:
        results = run(client, time.sleep, [(0,), (600,), (600,)])
        assert next(results).task == 0
        monkeypatch.setattr("stemlab.cluster.HOPE", 2)
        cluster.stop()
        with (
            pytest.warns(ClusterWarning, match="went away"),
            pytest.raises(SettingError, match="did not come back; start again"),
        ):
            next(results)
