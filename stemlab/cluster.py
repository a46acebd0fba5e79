"""Work for many processes, on this machine or on a Dask cluster: the same code for both."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
import time
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from stemlab.child import FOLDER, SAFE, python
from stemlab.errors import ClusterWarning, SettingError, StemlabError, need

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

    from distributed import Client, Future
    from distributed.deploy.spec import SpecCluster
    from distributed.security import Security

# Where work is done: on so many processes here (None: one for each core), by the scheduler at an
# address such as "tcp://10.0.0.1:8786", or by a `distributed.Client`.
Where: TypeAlias = "Client | str | int | None"

# Seconds to wait for a scheduler, for its first worker, and for either to come back.
KNOCK, PATIENCE, HOPE = 10, 60, 300
# What a worker that is ended leaves is no news.
TIDY = "ignore::UserWarning:multiprocessing.resource_tracker"
# Seconds between looks at what is done, and at who is there.
GLANCE, LOOK = 0.05, 5


@dataclass(frozen=True)
class Failure:
    """A task that did not succeed, and why, in one sentence."""

    why: str


class Done(NamedTuple):
    """A task that is done: which one, what came of it, and the name of the worker, if known."""

    task: int
    result: Any
    worker: str


@contextlib.contextmanager
def connect(where: Where = None) -> Iterator[Client]:
    """Provide a client of a Dask cluster, which for a number or None is started here and ended.

    Each worker here is an interpreter of its own, works on one task at a time and shares the
    machine's memory equally with the others: one that takes more is ended and started again.

    Raises
    ------
    SettingError
        If Dask is not installed, the number is below 1, or the scheduler or its workers cannot be
        reached.

    Examples
    --------
    >>> with connect(1) as client:
    ...     list(run(client, divmod, [(7, 2), (1, 0)]))
    [Done(task=0, result=(3, 1), worker='0'),
     Done(task=1, result=Failure(why='ZeroDivisionError: ...'), worker='0')]
    """
    need("distributed", "many processes need Dask", "cluster")
    from distributed import Client

    # Where others handle all logs, as TensorFlow makes it, it would tell each of its steps.
    logging.getLogger("distributed").propagate = False
    if isinstance(where, Client):
        _await_workers(where, "the client's scheduler")
        yield where
        return
    if isinstance(where, str):
        from distributed.utils import silence_logging_cmgr

        # A scheduler that goes away is told by `run`.
        with silence_logging_cmgr(logging.CRITICAL), _client(where) as client:
            _await_workers(client, where)
            yield client
        return
    with _local(where) as cluster, Client(cluster) as client:
        yield client


def run(
    client: Client, work: Callable[..., Any], tasks: Sequence[tuple[Any, ...]]
) -> Generator[Done, None, None]:
    """Call a function with each tuple of arguments; yield what is done, as it is done.

    A task whose worker dies is given to another. One that raises, or that ends four workers, gives
    a `Failure`. When the scheduler goes away, what was not done is given to the one that comes
    back in its place. What has not begun is called off when the generator is closed.

    Raises
    ------
    SettingError
        If scheduler or workers are gone and none come for `HOPE` seconds.

    Warns
    -----
    ClusterWarning
        When the scheduler goes away.
    """
    left = dict(enumerate(tasks))
    while True:
        for done in _round(client, work, left):
            del left[done.task]
            yield done
        if not left:
            return
        warnings.warn("the scheduler went away; waiting for it", ClusterWarning, stacklevel=2)
        _await_return(client)


def _round(
    client: Client, work: Callable[..., Any], tasks: Mapping[int, tuple[Any, ...]]
) -> Iterator[Done]:
    """Yield what is done of tasks as long as the scheduler is there."""
    futures = [client.submit(_call, work, *task, pure=False) for task in tasks.values()]
    indices = {future.key: index for future, index in zip(futures, tasks, strict=True)}
    try:
        for future in _finished(client, futures):
            if found := _result(future):
                yield Done(indices[future.key], *found)
            future.release()
    finally:
        with contextlib.suppress(Exception):  # the scheduler may be gone
            client.cancel(futures)


def _call(work: Callable[..., Any], *task: Any) -> tuple[Any, str]:
    """Do a task; return what came of it, and the name of this worker."""
    from distributed import get_worker

    try:
        result = work(*task)
    except Exception as error:  # noqa: BLE001 - one task does not stop the others
        result = _failure(error)
    return result, str(get_worker().name)


def _finished(client: Client, futures: Sequence[Future[Any]]) -> Iterator[Future[Any]]:
    """Yield futures as they are done; give up when there is nobody left to do them."""
    from distributed import as_completed

    waiting = as_completed(futures)
    seen = looked = time.monotonic()
    while not waiting.is_empty():
        if waiting.has_ready():
            yield next(waiting)
            continue
        time.sleep(GLANCE)
        now = time.monotonic()
        if now - looked > LOOK:
            looked, seen = now, now if _has_workers(client) else seen
        if now - seen > HOPE:
            raise SettingError("no workers are left; start again, what is done is kept")


def _await_return(client: Client) -> None:
    end = time.monotonic() + HOPE
    while not _has_workers(client):
        if time.monotonic() > end:
            raise SettingError(
                "the scheduler went away and did not come back; start again, what is done is kept"
            )
        time.sleep(GLANCE)


def _has_workers(client: Client) -> bool:
    try:  # it would wait for a scheduler that went away
        return client.status == "running" and bool(client.nthreads())
    except OSError:  # nor a scheduler
        return False


def _result(future: Future[Any]) -> tuple[Any, str] | None:
    """Return what came of a task and who did it, None if it went away with the scheduler."""
    from distributed import CancelledError

    if future.status == "cancelled":
        return None
    try:
        error = future.exception() if future.status == "error" else None
        return (_failure(error), "") if error else future.result()
    except (OSError, CancelledError):  # on the way here
        return None


def _failure(error: Exception) -> Failure:
    from distributed import KilledWorker

    if isinstance(error, StemlabError):
        return Failure(str(error))
    if isinstance(error, KilledWorker):
        return Failure(
            "its worker was ended again and again, most likely because memory ran out; "
            "use fewer workers with more memory each"
        )
    return Failure(f"{type(error).__name__}: {error}")


@contextlib.contextmanager
def _local(count: int | None) -> Iterator[SpecCluster]:
    """Start a scheduler in this process and workers that end with it.

    Unlike those of `distributed.LocalCluster`, the workers do not import the caller's script. All
    of them run what they are sent: keys, which no other user of the machine can read, keep others
    out.
    """
    from dask.system import CPU_COUNT
    from distributed import Scheduler
    from distributed.deploy.spec import SpecCluster
    from distributed.security import Security
    from distributed.system import MEMORY_LIMIT

    count = CPU_COUNT if count is None else count
    if count < 1:
        raise SettingError(f"{count} workers: at least one is needed")
    need("cryptography", "what they say to each other needs cryptography", "cluster")
    security = Security.temporary()
    here = {"host": "127.0.0.1", "dashboard": False}
    scheduler = here | {
        "protocol": "tls://",
        "security": security,
        "dashboard_address": "127.0.0.1:0",
    }
    worker = {
        "nthreads": 1,
        "memory_limit": MEMORY_LIMIT // count,
        "death_timeout": PATIENCE,
        "silence_logs": logging.CRITICAL,
    }
    kind = _worker_class(_keys(security))
    with SpecCluster(
        scheduler={"cls": Scheduler, "options": scheduler},
        workers={
            index: {
                "cls": kind,
                "options": {"worker_kwargs": here | worker | {"name": f"{index}"}},
            }
            for index in range(count)
        },
        security=security,
        silence_logs=logging.CRITICAL,
    ) as cluster:
        yield cluster


def _keys(security: Security) -> dict[str, str]:
    """Return what lets a worker in, as settings of Dask: in its environment no other user looks."""
    tls = security.get_tls_config_for_role("worker")
    settings = {"TLS__CA_FILE": "ca_file", "TLS__WORKER__CERT": "cert", "TLS__WORKER__KEY": "key"}
    keys = {setting: tls[name] for setting, name in settings.items()}
    keys["REQUIRE_ENCRYPTION"] = "True"
    return {f"DASK_DISTRIBUTED__COMM__{setting}": key for setting, key in keys.items()}


def _worker_class(keys: Mapping[str, str]) -> Any:
    """Return the kind of worker that is started as `stemlab.child` says, with keys.

    Where that is safe it stays in this folder: what it is to read may have a path that begins here.
    """
    import psutil
    from distributed.deploy.subprocess import SubprocessWorker

    class Worker(SubprocessWorker):
        async def _start(self) -> None:
            what = json.dumps({"cls": self.worker_class, "opts": self.worker_kwargs})
            command = python("-m", "dask", "spec", self.scheduler, "--spec", what)
            self.process = await asyncio.create_subprocess_exec(
                *command,
                cwd=None if SAFE else FOLDER,
                env={**os.environ, **keys, "PYTHONWARNINGS": TIDY},
            )

        async def close(self) -> None:
            """End it, but not Python's tracker, which takes its semaphores off /dev/shm."""
            if self.process and self.process.returncode is None:
                process = psutil.Process(self.process.pid)
                for each in (*process.children(recursive=True), process):
                    if not any("resource_tracker" in word for word in each.cmdline()):
                        each.kill()
                await self.process.wait()
            await super().close()

    return Worker


def _client(address: str) -> Client:
    from distributed import Client
    from distributed.comm.addressing import get_address_host_port

    try:
        socket.create_connection(get_address_host_port(address), KNOCK).close()
        return Client(address, timeout=HOPE)  # so long it looks for one that went away
    except (OSError, ValueError) as error:
        raise SettingError(
            f"{address}: no Dask scheduler answers there; "
            "start one with `dask scheduler` and give the address it shows"
        ) from error


def _await_workers(client: Client, name: str) -> None:
    try:
        client.wait_for_workers(1, timeout=PATIENCE)
    except TimeoutError as error:
        raise SettingError(
            f"{name}: no workers there; start some with `dask worker` and the scheduler's address"
        ) from error
