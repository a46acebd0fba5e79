"""A server on this machine as if it were far away: ``python far.py PORT SECONDS`` prints its port.

All that goes through that takes so many seconds, each way.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter
    from collections.abc import Iterator

HERE = "127.0.0.1"


@contextmanager
def far(port: int, seconds: float) -> Iterator[int]:
    """Yield a port through which a server is far away, in a process that waits for nobody."""
    command = [sys.executable, __file__, str(port), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield int(process.stdout.readline())
        process.terminate()


async def serve(port: int, seconds: float) -> None:
    async def join(reader: StreamReader, writer: StreamWriter) -> None:
        back, forth = await asyncio.open_connection(HERE, port)
        await asyncio.gather(carry(reader, forth, seconds), carry(back, writer, seconds))

    server = await asyncio.start_server(join, HERE, 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def carry(reader: StreamReader, writer: StreamWriter, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    while data := await reader.read(65536):
        loop.call_later(seconds, writer.write, data)
    loop.call_later(seconds, writer.close)


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2])))
