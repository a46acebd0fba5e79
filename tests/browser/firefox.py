"""A page in Firefox, by WebDriver BiDi: https://w3c.github.io/webdriver-bidi."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from subprocess import DEVNULL
from typing import TYPE_CHECKING, Any

from conftest import PATIENCE
from websockets.sync.client import ClientConnection, connect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

NAMES = ("firefox-esr", "firefox")
PREFERENCES = {
    "media.autoplay.default": 0,  # sound needs no click
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "app.update.disabledForTesting": True,
    "services.settings.server": "data:,",  # asks nobody
}
# Typed arrays are lists in JSON.
CALL = """async (given) => JSON.stringify(await (%s)(JSON.parse(given)),
  (_, value) => ArrayBuffer.isView(value) ? Array.from(value) : value)"""


class FirefoxPage:
    """A tab."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._order("session.new", capabilities={})
        self._tab = self._order("browsingContext.getTree")["contexts"][0]["context"]

    def goto(self, address: str) -> None:
        """Load a page whole."""
        self._order("browsingContext.navigate", context=self._tab, url=address, wait="complete")

    def evaluate(self, function: str, given: object = None) -> Any:
        """Return what a JavaScript function makes of something, both as JSON."""
        found = self._order(
            "script.callFunction",
            functionDeclaration=CALL % function,
            arguments=[{"type": "string", "value": json.dumps(given)}],
            target={"context": self._tab},
            awaitPromise=True,
        )
        if found["type"] == "exception":
            raise RuntimeError(found["exceptionDetails"]["text"])
        value = found["result"].get("value")
        return None if value is None else json.loads(value)

    def _order(self, method: str, **params: object) -> Any:
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while (answer := json.loads(self._socket.recv())).get("id") != number:
            pass
        if answer["type"] == "error":
            raise RuntimeError(f"{method}: {answer['message']}")
        return answer["result"]


@contextmanager
def open_firefox() -> Iterator[FirefoxPage]:
    """Start Firefox with an empty profile and a silent sound device; yield its tab."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        profile = Path(home)
        lines = (f"user_pref({json.dumps(k)}, {json.dumps(v)});" for k, v in PREFERENCES.items())
        (profile / "user.js").write_text("\n".join(lines))
        with _sound(profile) as device, _running(profile, device) as address:  # noqa: SIM117
            with connect(address, max_size=None) as socket:
                yield FirefoxPage(socket)


@contextmanager
def _sound(home: Path) -> Iterator[str]:
    """Firefox needs a device to play; this one has no loudspeaker."""
    socket = home / "device"
    served = f"module-native-protocol-unix auth-anonymous=1 socket={socket}"
    command = ("pulseaudio", "-n", "--exit-idle-time=-1", "-L", "module-null-sink", "-L", served)
    with _ended(command, {"HOME": str(home), "XDG_RUNTIME_DIR": str(home)}):
        _wait_for(socket.exists)
        yield f"unix:{socket}"


@contextmanager
def _running(profile: Path, device: str) -> Iterator[str]:
    program = next(filter(None, map(shutil.which, NAMES)), NAMES[-1])
    command = (program, "--headless", "--remote-debugging-port=0", f"--profile={profile}")
    told = profile / "WebDriverBiDiServer.json"
    with _ended(command, {"HOME": str(profile), "PULSE_SERVER": device}):
        _wait_for(lambda: told.exists() and told.read_text().endswith("}"))
        server = json.loads(told.read_text())
        yield f"ws://{server['ws_host']}:{server['ws_port']}/session"


@contextmanager
def _ended(command: Sequence[str], environment: dict[str, str]) -> Iterator[None]:
    """Run a program meanwhile."""
    environment = {**os.environ, **environment}
    process = subprocess.Popen(command, env=environment, stdout=DEVNULL, stderr=DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _wait_for(there: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not there():
        assert time.monotonic() < end, "Firefox or PulseAudio did not start"
        time.sleep(0.1)
