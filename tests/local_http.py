"""A web server on this machine that answers as told."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path


@contextmanager
def serving(
    pieces: Iterable[bytes], *, length: int | None = None, status: int = 200
) -> Iterator[str]:
    """Serve `pieces`, claiming `length` bytes, to whoever asks; yield the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            if length is not None:
                self.send_header("Content-Length", str(length))
            self.end_headers()
            with suppress(ConnectionError):
                for piece in pieces:
                    self.wfile.write(piece)

        log_message: Callable[..., None] = lambda *_: None

    with _listening(Handler) as address:
        yield f"{address}/archive.tar.gz"


@contextmanager
def serving_folder(folder: Path) -> Iterator[str]:
    """Serve the files of a folder; yield its address."""

    class Handler(SimpleHTTPRequestHandler):
        log_message: Callable[..., None] = lambda *_: None

    with _listening(partial(Handler, directory=str(folder))) as address:
        yield address


@contextmanager
def _listening(handler: Callable[..., BaseHTTPRequestHandler]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
