"""`stemlab decks` attacked: each attempt is refused and logged, and the server goes on."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil
import pytest
import requests
from websocket import WebSocket, WebSocketBadStatusException, create_connection

from stemlab.labs.app import MOST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PATIENCE = 60
NEWEST = "v1.kernel.websocket.jupyter.org"
PAGE = "/voila/render/app.ipynb"
# The app, but kernels without a page end after seconds, not a minute.
HASTY = """
import stemlab.lab as lab
for usual, hasty in (("timeout=60", "timeout=8"), ("interval=10", "interval=1")):
    lab.APP = [option.replace(usual, hasty) for option in lab.APP]
lab.open_decks([], browser=False)
"""


@dataclass
class App:
    process: subprocess.Popen[bytes]
    host: str
    token: str
    log: Path

    def get(self, path: str, **headers: str) -> requests.Response:
        signed = {"Authorization": f"token {self.token}"} | headers
        return requests.get(f"http://{self.host}{path}", headers=signed, timeout=PATIENCE)

    def kernels(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get("/api/kernels").json()
        return found

    def page(self) -> str:
        """Open a page; return its kernel."""
        before = {kernel["id"] for kernel in self.kernels()}
        assert self.get(PAGE).status_code == 200
        [new] = {kernel["id"] for kernel in self.kernels()} - before
        return str(new)

    def connect(self, kernel: str, *, token: str | None = None, **more: Any) -> WebSocket:
        """Open the websocket of a page."""
        query = f"?token={self.token if token is None else token}&session_id=page"
        address = f"ws://{self.host}/api/kernels/{kernel}/channels{query}"
        return create_connection(address, timeout=PATIENCE, **more)


def start(home: Path) -> App:
    homes = dict.fromkeys(("HOME", "JUPYTER_CONFIG_DIR", "IPYTHONDIR", "STEMLAB_STORE"), str(home))
    log = home / "log"
    with log.open("wb") as file:
        command = [sys.executable, "-c", HASTY]
        process = subprocess.Popen(command, env=os.environ | homes, stderr=file)
    wait_until(lambda: re.search(r"token=\w+", log.read_text()) or process.poll())
    assert process.poll() is None, log.read_text()
    [host, token] = re.findall(r"http://(127[^/]*)/\S*token=(\w+)", log.read_text())[-1]
    app = App(process, host, token, log)
    wait_until(lambda: answers(app))
    return app


def answers(app: App) -> bool:
    try:
        return app.get("/api").ok
    except requests.ConnectionError:
        return False


def wait_until(true: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    app = start(tmp_path_factory.mktemp("app"))
    yield app
    app.process.terminate()
    app.process.wait(PATIENCE)


@pytest.mark.parametrize(
    "path", [PAGE, "/", "/api/kernels", "/api/contents", "/voila/tree", "/files/app.ipynb"]
)
@pytest.mark.parametrize("token", ["", "wrong"])
def test_nobody_enters_without_the_token(app: App, path: str, token: str) -> None:
    where = f"http://{app.host}{path}?token={token}"
    answer = requests.get(where, timeout=PATIENCE)
    assert answer.status_code == 403 or "/login" in answer.url
    assert requests.post(where, timeout=PATIENCE).status_code in (403, 405)
    log = app.log.read_text()
    assert re.search(rf"30[12] GET {re.escape(path)}|403 GET {re.escape(path)}", log)
    assert re.search(rf"40[35] POST {re.escape(path)}", log)
    assert not app.kernels()


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8888", "127.0.0.1.evil.example"])
def test_another_name_than_this_machine_is_refused(app: App, host: str) -> None:
    """As a page has it whose name was bound to 127.0.0.1 once it was loaded."""
    assert app.get(PAGE, Host=host).status_code == 403
    assert f"non-local 'Host' {host.split(':', maxsplit=1)[0]}" in app.log.read_text()
    assert not app.kernels()


def test_websockets_of_strangers_are_refused(app: App) -> None:
    kernel = app.page()
    for attempt in (
        {"token": ""},
        {"token": "wrong"},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"host": "evil.example"},
    ):
        with pytest.raises(WebSocketBadStatusException, match="403"):
            app.connect(kernel, **attempt)
    assert "Blocking Cross Origin WebSocket Attempt.  Origin: http://evil" in app.log.read_text()
    app.connect(kernel).close()


def test_many_pages_have_few_kernels_and_these_end_with_them(app: App) -> None:
    wait_until(lambda: not app.kernels())
    with ThreadPoolExecutor(3 * MOST) as pool:
        codes = [*pool.map(lambda _: app.get(PAGE).status_code, range(3 * MOST))]
    assert sorted(codes) == [200] * MOST + [503] * 2 * MOST
    assert "pages with decks are open" in app.log.read_text()
    shown = app.connect(app.kernels()[0]["id"])
    wait_until(lambda: len(app.kernels()) == 1)
    time.sleep(11)  # longer than it may be idle
    assert len(app.kernels()) == 1
    shown.close()
    wait_until(lambda: not app.kernels())


def test_a_page_that_closes_ends_its_kernel_and_no_other_can(app: App) -> None:
    browser = requests.Session()
    before = {kernel["id"] for kernel in app.kernels()}
    browser.get(f"http://{app.host}{PAGE}?token={app.token}", timeout=PATIENCE)
    [kernel] = {kernel["id"] for kernel in app.kernels()} - before
    end = f"http://{app.host}/voila/api/shutdown/{kernel}"
    form = {"_xsrf": browser.cookies["_xsrf"]}
    foreign = {"Origin": "http://evil.example"}
    assert browser.post(end, timeout=PATIENCE).status_code == 403
    assert browser.post(end, form, headers=foreign, timeout=PATIENCE).status_code == 404
    assert kernel in {kernel["id"] for kernel in app.kernels()}
    assert browser.post(end, form, timeout=PATIENCE).status_code == 204
    assert kernel not in {kernel["id"] for kernel in app.kernels()}


@pytest.mark.parametrize("protocols", [[], [NEWEST]])
def test_what_is_no_message_stops_nothing(app: App, protocols: list[str]) -> None:
    socket = app.connect(app.page(), subprotocols=protocols)
    count = (1 << 62).to_bytes(8, "little")
    for junk in (b"", b"\0", b"\xff" * 8, count, count * 9, b"\1" + bytes(40), os.urandom(500)):
        socket.send_binary(junk)
    for text in ("", "{", "[]", "null", '{"channel": []}', '{"channel": "shell"}', "[" * 100_000):
        socket.send(text)
    begin = time.monotonic()
    assert app.get("/api").ok
    assert time.monotonic() - begin < 30
    socket.close()
    assert "Refused a message" in app.log.read_text()
    server = psutil.Process(app.process.pid)
    assert server.memory_info().rss < 1 << 30
    answering = app.connect(app.kernels()[-1]["id"])
    answering.send(json.dumps(question()))
    wait_until(lambda: json.loads(answering.recv())["msg_type"] == "kernel_info_reply")
    answering.close()
    wait_until(lambda: not app.kernels())


def question() -> dict[str, Any]:
    header = {"msg_id": "1", "msg_type": "kernel_info_request", "session": "page", "username": ""}
    parts: dict[str, Any] = {"parent_header": {}, "metadata": {}, "content": {}, "buffers": []}
    return parts | {"channel": "shell", "header": header | {"version": "5.3"}}


def test_sigterm_ends_server_and_kernels(tmp_path: Path) -> None:
    app = start(tmp_path)
    app.page()
    children = psutil.Process(app.process.pid).children(recursive=True)
    assert children
    app.process.send_signal(signal.SIGTERM)
    app.process.wait(PATIENCE)
    assert not psutil.wait_procs(children, 10)[1]
