"""A Dask cluster for tests: a scheduler and two workers, each a process that talks TCP."""

from __future__ import annotations

import contextlib
import json
import random
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typing_extensions import Self


def wait_until(true: Callable[[], object], patience: float = 240) -> None:
    end = time.monotonic() + patience
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def free_port() -> int:
    """Return a port that no outgoing connection is given: a client could meet itself there."""
    for port in random.sample(range(20_000, 32_000), 100):
        with socket.socket() as one, contextlib.suppress(OSError):
            one.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no port is free")


class Cluster:
    """As a context manager; what it writes lies in a folder that is there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known = folder / "scheduler.json"
        self._begin(free_port())

    def _begin(self, port: int) -> None:
        words = (
            "--port",
            port,
            "--scheduler-file",
            self._known,
            "--dashboard-address",
            "127.0.0.1:0",
        )
        self._scheduler = self._start("scheduler", *words)
        wait_until(lambda: self._known.exists() and self._known.read_text().endswith("}"))
        self.address: str = json.loads(self._known.read_text())["address"]
        self.workers = {name: self._worker(name) for name in ("one", "two")}

    def _worker(self, name: str) -> subprocess.Popen[bytes]:
        how = ("--nthreads", 1, "--no-nanny", "--no-dashboard")
        return self._start("worker", self.address, "--name", name, *how)

    def _start(self, *words: object) -> subprocess.Popen[bytes]:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        command = [sys.executable, "-m", "dask", *map(str, words), "--host", "127.0.0.1"]
        return subprocess.Popen(command, cwd=self._folder, **quiet)  # type: ignore[call-overload, no-any-return]

    def stop(self) -> None:
        for process in (self._scheduler, *self.workers.values()):
            process.kill()
            process.wait()

    def restart(self) -> None:
        """Kill all, and start them again where they were."""
        self.stop()
        self._known.unlink()
        self._begin(int(self.address.rpartition(":")[2]))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
