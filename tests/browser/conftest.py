"""A real JupyterLab with a real kernel in a real Chromium, and an ear at what it plays."""

from __future__ import annotations

import base64
import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import requests
from chromium import chromium
from playwright.sync_api import Browser, Page, sync_playwright

from stemlab import demo
from stemlab.lab import unseen
from stemlab.sound.audio import Audio, load, save

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
]
# What the microphone hears, over and over: a file beside the lab's folder.
MICROPHONE = "microphone.wav"
# Seconds that anything may take on a machine that does much else.
PATIENCE = 60
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}
RUN = """async (code) => {
  const { shell, commands } = globalThis.jupyterapp;
  const notebook = shell.currentWidget.content;
  const last = notebook.model.cells.length;
  notebook.model.sharedModel.insertCell(last, { cell_type: "code", source: code });
  notebook.activeCellIndex = last;
  await commands.execute("notebook:run-cell");
  notebook.widgets[last].node.scrollIntoView({ block: "end" });
  return notebook.model.cells.get(last).sharedModel.getOutputs();
}"""
# Each act happens when its share of the recording is done: by the sound's clock, not the page's.
RECORD = """async ([id, seconds, acts]) => {
  const { output, context } = globalThis.stemlab.players.get(id) ?? globalThis.kept[id];
  const source = `registerProcessor("ear", class extends AudioWorkletProcessor {
    state = "connecting"; // until then it would hear silence
    constructor() {
      super();
      this.port.onmessage = ({ data }) => (this.state = data);
    }
    process([[left, right]]) {
      const silence = new Float32Array(128);
      const heard = [(left ?? silence).slice(), (right ?? left ?? silence).slice()];
      if (this.state === "listening") this.port.postMessage(heard);
      return this.state !== "done";
    }
  })`;
  const ears = (globalThis.ears ??= new WeakMap()); // a module is a context's
  if (!ears.has(context)) ears.set(context, context.audioWorklet.addModule(
    URL.createObjectURL(new Blob([source], { type: "text/javascript" }))));
  await ears.get(context);
  const ear = new AudioWorkletNode(context, "ear", { numberOfOutputs: 0, channelCount: 2,
    channelCountMode: "explicit" });
  const samples = new Float32Array(2 * Math.ceil(seconds * context.sampleRate));
  const todo = acts.map((act) => new Function("player", act));
  const apart = samples.length / (todo.length + 1);
  let at = 0;
  await new Promise((done) => {
    ear.port.onmessage = ({ data: [left, right] }) => {
      for (let i = 0; i < left.length && at < samples.length; i++) {
        samples[at++] = left[i];
        samples[at++] = right[i];
      }
      while (todo.length && at > apart * (acts.length - todo.length + 1))
        todo.shift()(globalThis.stemlab.players.get(id));
      if (at === samples.length) done();
    };
    output.connect(ear);
    ear.port.postMessage("listening");
  });
  output.disconnect(ear);
  ear.port.onmessage = null;
  ear.port.postMessage("done"); // else it would go on to the end of the page
  let text = "";
  const bytes = new Uint8Array(samples.buffer);
  for (let i = 0; i < bytes.length; i += 32768)
    text += String.fromCharCode(...bytes.subarray(i, i + 32768));
  return btoa(text);
}"""
# Playwright waits for ever for what a page works out.
WITHIN = """(given) => Promise.race([
  (%s)(given),
  new Promise((_, fail) => setTimeout(() => fail(new Error("not done within %d s")), 1000 * %d)),
])"""


CELLS = "jupyterapp.shell.currentWidget.content.model.sharedModel.cells.length"
LEAVE = """(count) => {
  const { sharedModel } = jupyterapp.shell.currentWidget.content.model;
  sharedModel.deleteCellRange(count, sharedModel.cells.length);
}"""
FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note whether this try of a test has failed."""
    report = yield
    item.stash[FAILED] = report.failed or (report.when != "setup" and item.stash[FAILED])
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let a test of the browser try again: sound in real time can miss its moment beside others."""
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.flaky(reruns=2))


class Notebook:
    """An open notebook: runs cells, listens to players."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.problems: list[str] = []
        page.on("pageerror", lambda error: self.problems.append(str(error)))

    def evaluate(self, function: str, given: object, seconds: float = PATIENCE) -> Any:
        """Return what a JavaScript function makes of something; it has so many seconds."""
        return self.page.evaluate(WITHIN % (function, seconds, seconds), given)

    def run(self, code: str) -> str:
        """Run code in a new cell; return what it printed or showed as text."""
        outputs = self.evaluate(RUN, code, 4 * PATIENCE)
        failed = [output for output in outputs if output["output_type"] == "error"]
        if failed:
            raise RuntimeError("\n".join(failed[0]["traceback"]))
        return "".join(_text(output) for output in outputs)

    def start(self, code: str) -> None:
        """Run code in a new cell and do not wait for it."""
        self.page.evaluate(RUN.replace("await commands", "commands"), code)

    def record(self, player: str, seconds: float, *acts: str) -> NDArray[np.float32]:
        """Return what a player's output plays from now on, [samples, 2] at 44 100 Hz.

        Meanwhile, at even distances, JavaScript acts on the `player`.
        """
        text = self.evaluate(RECORD, [player, seconds, list(acts)], PATIENCE + 2 * seconds)
        return np.frombuffer(base64.b64decode(text), np.float32).reshape(-1, 2)

    def keep(self, player: str) -> None:
        """Remember a player's output, to listen to it when the player is gone."""
        self.page.evaluate(
            "id => { (globalThis.kept ??= {})[id] = stemlab.players.get(id); }", player
        )

    def eventually(self, expression: str, expected: str) -> None:
        """Wait until Python prints a value: the kernel hears of the page a little later."""
        end = time.monotonic() + PATIENCE
        while (found := self.run(f"print({expression})").strip()) != expected:
            assert time.monotonic() < end, f"{expression} is {found}, not {expected}"

    def focused(self) -> str:
        """Return the name of what has the focus."""
        name: str = self.page.evaluate(
            "document.activeElement.ariaLabel ?? document.activeElement.innerText ?? ''"
        )
        return name

    def go_to(self, name: str, key: str = "Tab") -> None:
        """Press a key, at most twenty times, until something of that name has the focus."""
        for _ in range(20):
            self.page.keyboard.press(key)
            if self.focused() == name:
                return
        raise AssertionError(f"{name} is more than 20 times {key} away")

    def save(self) -> None:
        """Save the notebook, so that a page loaded anew finds its outputs."""
        self.page.evaluate("jupyterapp.commands.execute('docmanager:save')")
        self.wait("!jupyterapp.shell.currentWidget.context.model.dirty")

    def wait(self, expression: str, seconds: float = PATIENCE) -> None:
        """Wait until JavaScript is true in the page."""
        self.page.wait_for_function(expression, timeout=1000 * seconds)

    def screenshot(self, path: Path, selector: str) -> None:
        """Save a picture of the last element that a selector finds."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.page.locator(selector).last.screenshot(path=path)


class Lab:
    """A JupyterLab server and the browser that looks at it."""

    def __init__(self, root: Path, address: str, token: str, browser: Browser) -> None:
        self.root = root
        self.address = address
        self.token = token
        self.browser = browser

    def open(self, width: int = 1200, height: int = 900) -> Notebook:
        """Open an empty notebook with its own kernel in its own window."""
        name = f"{secrets.token_hex(4)}.ipynb"
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        empty = {"cells": [], "metadata": {"kernelspec": kernel}, "nbformat": 4}
        (self.root / name).write_text(json.dumps({**empty, "nbformat_minor": 5}))
        page = self.window(width, height)
        self.show(page, name)
        return Notebook(page)

    def window(self, width: int = 1200, height: int = 900) -> Page:
        """Open a browser window."""
        context = self.browser.new_context(viewport={"width": width, "height": height})
        context.set_default_timeout(1000 * PATIENCE)
        context.set_default_navigation_timeout(2000 * PATIENCE)
        return context.new_page()

    def pages(self) -> set[Page]:
        """Return the pages that are open."""
        return {page for context in self.browser.contexts for page in context.pages}

    def end_kernels(self) -> None:
        """Shut all kernels down: each may hold gigabytes."""
        kernels = f"{self.address}/api/kernels"
        signed = {"Authorization": f"token {self.token}"}
        running = requests.get(kernels, headers=signed, timeout=PATIENCE).json()
        for kernel in running:
            requests.delete(f"{kernels}/{kernel['id']}", headers=signed, timeout=PATIENCE)

    def join(self, notebook: Notebook) -> Notebook:
        """Open the same notebook in another tab."""
        page = notebook.page.context.new_page()
        name = notebook.page.evaluate("jupyterapp.shell.currentWidget.context.path")
        self.show(page, name)
        return Notebook(page)

    def show(self, page: Page, name: str) -> None:
        """Load a notebook into a page and wait for its kernel."""
        page.goto(f"{self.address}/lab/tree/{name}?reset&token={self.token}")
        page.wait_for_function(
            """() => globalThis.jupyterapp?.shell?.currentWidget?.sessionContext
                ?.session?.kernel?.status === "idle" """,
            timeout=2000 * PATIENCE,
        )


@contextmanager
def open_lab(home: Path) -> Iterator[Lab]:
    """Start a server, with all it writes in a folder, and a browser."""
    root = home / "notebooks"
    root.mkdir()
    _settle(home)
    port, token = _free_port(), secrets.token_hex(16)
    server = _serve(home, root, port, token)
    try:
        _wait_for(f"http://127.0.0.1:{port}/api?token={token}", server)
        with sync_playwright() as playwright:
            flags = [*FLAGS, f"--use-file-for-fake-audio-capture={home / MICROPHONE}"]
            browser = playwright.chromium.launch(executable_path=chromium(), args=flags)
            yield Lab(root, f"http://127.0.0.1:{port}", token, browser)
            browser.close()
    finally:
        server.terminate()
        server.wait(20)


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Start a server and a browser for all tests."""
    with open_lab(tmp_path_factory.mktemp("lab")) as lab:
        yield lab


@pytest.fixture(scope="module", autouse=True)
def _end_kernels(lab: Lab) -> Iterator[None]:
    """Leave no kernel of a file's notebooks behind."""
    yield
    lab.end_kernels()


@pytest.fixture(autouse=True)
def _clean_for_the_next(lab: Lab, request: pytest.FixtureRequest) -> Iterator[None]:
    """Close what a test has opened; if it failed, take its cells out of the notebook."""
    notebook = request.getfixturevalue("notebook") if "notebook" in request.fixturenames else None
    cells = notebook and notebook.page.evaluate(CELLS)
    opened = lab.pages()
    yield
    for page in lab.pages() - opened:
        page.close()
        if not page.context.pages:
            page.context.close()
    if notebook and request.node.stash[FAILED]:
        notebook.page.evaluate(LEAVE, cells)


@pytest.fixture(scope="module")
def notebook(lab: Lab) -> Iterator[Notebook]:
    """One notebook for the tests of a file."""
    notebook = lab.open()
    yield notebook
    notebook.page.context.close()


@pytest.fixture
def own_notebook(lab: Lab) -> Iterator[Notebook]:
    """Give each test a notebook of its own; the page must not complain."""
    notebook = lab.open()
    yield notebook
    notebook.page.context.close()
    assert not notebook.problems


def _settle(home: Path) -> None:
    song = load(demo.path())
    save(home / MICROPHONE, Audio(song.samples[15 * song.rate : 30 * song.rate]))
    for name, settings in SETTINGS.items():
        path = home / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings))


def _serve(home: Path, root: Path, port: int, token: str) -> subprocess.Popen[bytes]:
    folders = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "STEMLAB_MODELS": "models",
        "STEMLAB_STORE": "store",
    }
    here = {name: str(home / folder) for name, folder in folders.items()}
    with (home / "server.log").open("wb") as log:
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
                *("--ip=127.0.0.1", f"--port={port}", f"--ServerApp.root_dir={root}"),
                *(f"--IdentityProvider.token={token}", "--LabApp.expose_app_in_browser=True"),
                unseen(),
            ],
            env={**os.environ, **here},
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def _wait_for(address: str, server: subprocess.Popen[bytes]) -> None:
    for _ in range(20 * PATIENCE):
        try:
            with urllib.request.urlopen(address):  # noqa: S310 - our own server
                return
        except OSError:
            if server.poll() is not None:
                break
            time.sleep(0.1)
    raise RuntimeError("JupyterLab did not start")


def _text(output: dict[str, Any]) -> str:
    text = output.get("text") or output.get("data", {}).get("text/plain", "")
    return text if isinstance(text, str) else "".join(text)
