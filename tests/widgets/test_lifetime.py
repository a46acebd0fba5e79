"""Cells run again in a real kernel: what they no longer show ends, what is held or shown stays."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from jupyter_client.manager import start_new_kernel

if TYPE_CHECKING:
    from collections.abc import Iterator

SETUP = """
import gc, json, os, threading, time, ipywidgets, numpy as np, psutil
from stemlab import demo
from stemlab.labs.decks import decks
from stemlab.labs.experiment import Experiment, Outcome
from stemlab.labs.live import live
from stemlab.labs.tune import tune
from stemlab.pictures.picture import Picture
from stemlab.sound.audio import Audio
from stemlab.widgets.decks.console import Deck, Decks
from stemlab.widgets.maskview import MaskView
from stemlab.widgets.paint import PaintMask
from stemlab.widgets.parts import feed, lifetime
from stemlab.widgets.player import StemPlayer

feed.NICE = 0  # else a busy machine lets it wait
stems = {name: Audio(np.full((44_100, 2), 0.1, np.float32)) for name in ("vocals", "drums")}
picture = Picture.of(np.ones((40, 2049, 2), np.complex64))

def box(player):
    return ipywidgets.VBox([player, player.sliders])

def tone(level):
    return Outcome({"tone": np.full((44_100, 2), level, np.float32)}, "")

def slider():
    return {"level": ipywidgets.FloatSlider(0.5, max=1)}

def count():
    process = psutil.Process()
    while any(t.name == "stemlab end" for t in threading.enumerate()):
        time.sleep(0.05)
    ours = [t for t in threading.enumerate() if t.name.startswith("stemlab")]
    return {
        "widgets": len(lifetime._alive),
        "kept": len(lifetime._kept()),
        "threads": len(ours),
        "files": len([f for f in process.open_files() if os.environ["STEMLAB_STORE"] in f.path]),
        "MB": process.memory_info().rss / 1e6,
    }
"""
CELLS = {
    "a song": "StemPlayer(demo.path())",
    "stems": "display(StemPlayer(stems))",
    "not shown": "StemPlayer(stems).play()",
    "named": "mine = StemPlayer(stems)\nmine",
    "in a box with linked sliders": "box(StemPlayer(stems))",
    "a view of a player that stays": "MaskView(kept)",
    "decks": "decks(stems, stems)",
    "an experiment": "Experiment(tone, slider(), view=True)",
    "a canvas": "PaintMask(picture)",
    "live": "live()",
    "tuning": "tune()",
}


class Kernel:
    """A kernel that is spoken to as JupyterLab does."""

    def __init__(self) -> None:
        self.manager, self._client = start_new_kernel()

    def run(self, code: str, cell: str, **more: Any) -> str:
        """Run a cell; return what it printed."""
        return self._printed(self.start(code, cell, **more))

    def start(self, code: str, cell: str, **more: Any) -> str:
        """Have a cell run; return the name of the request."""
        facts = {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
        return self._send("execute_request", facts, metadata={"cellId": cell} | more)

    def set(self, comm: str, **state: object) -> None:
        """Set traits of a widget from the page."""
        self._printed(self._update(comm, state))

    def set_beside_a_cell(self, cell: str, comms: list[str], **state: object) -> str:
        """Set traits of widgets while a cell runs, as JupyterLab does; return what it printed."""
        subshell = self._subshell()
        running = self.start(cell, cell)
        for comm in comms:
            self._update(comm, state, subshell_id=subshell)
        return self._printed(running)

    def count(self) -> dict[str, float]:
        found: dict[str, float] = json.loads(self.run("print(json.dumps(count()))", "count"))
        return found

    def _update(self, comm: str, state: dict[str, object], **header: str) -> str:
        data = {"method": "update", "state": state, "buffer_paths": []}
        return self._send("comm_msg", {"comm_id": comm, "data": data}, header=header)

    def _subshell(self) -> str:
        """Open a thread that reads messages while a cell runs; return its name."""
        message = self._client.session.msg("create_subshell_request")
        self._client.control_channel.send(message)
        name: str = self._client.get_control_msg(timeout=200)["content"]["subshell_id"]
        return name

    def _send(self, kind: str, content: dict[str, Any], **more: dict[str, Any]) -> str:
        message = self._client.session.msg(kind, content, metadata=more.get("metadata"))
        message["header"] |= more.get("header", {})
        self._client.shell_channel.send(message)
        name: str = message["header"]["msg_id"]
        return name

    def _printed(self, request: str) -> str:
        """Return what came of a request, once it is done."""
        printed = ""
        while True:
            told = self._client.get_iopub_msg(timeout=200)
            if told["parent_header"].get("msg_id") != request:
                continue
            content = told["content"]
            assert told["msg_type"] != "error", content
            printed += content["text"] if told["msg_type"] == "stream" else ""
            if content.get("execution_state") == "idle":
                return printed

    def close(self) -> None:
        self._client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STEMLAB_STORE", os.fspath(tmp_path_factory.mktemp("store")))
        kernel = Kernel()
        try:
            kernel.run(SETUP, "setup")
            kernel.run("kept = StemPlayer(stems)\nkept", "kept")
            yield kernel
        finally:
            kernel.close()


@pytest.mark.parametrize("name", set(CELLS) - {"tuning"})
def test_a_cell_that_runs_again_leaves_nothing_behind(kernel: Kernel, name: str) -> None:
    assert_as_many(rerun(kernel, name, 5))


@pytest.mark.soak
@pytest.mark.parametrize("name", CELLS)
def test_twenty_runs_take_no_more_than_ten(kernel: Kernel, name: str) -> None:
    """By the tenth the model is there, and what ends behind the runs has begun to."""
    counts = rerun(kernel, name, 20)[9:]
    print(name, counts[0], counts[-1])
    assert counts[-1]["MB"] < 1.2 * counts[0]["MB"] + 30
    assert_as_many(counts)


def assert_as_many(counts: list[dict[str, float]]) -> None:
    """Check that the last run leaves no more than one of the first two."""
    for what in ("widgets", "kept", "threads", "files"):
        assert counts[-1][what] <= max(count[what] for count in counts[:2]), (what, counts)


def rerun(kernel: Kernel, name: str, times: int) -> list[dict[str, float]]:
    counts = []
    for _ in range(times):
        kernel.run(CELLS[name], name)
        counts.append(kernel.count())
    kernel.run("pass", name)
    return counts


def test_what_somebody_holds_or_another_cell_shows_stays(kernel: Kernel) -> None:
    kernel.run("one = StemPlayer(stems)", "makes")
    kernel.run("one", "shows")
    kernel.run("old, one = one.model_id, StemPlayer(stems)", "makes")
    alive = "print(old in lifetime._kept(), one.comm is not None)"
    assert kernel.run(alive, "asks") == "True True\n"
    kernel.run("one", "shows")
    assert kernel.run(alive, "asks") == "False True\n"
    kernel.run("pass", "shows")
    assert kernel.run("print(one.comm is None, one._sender._thread.is_alive())", "asks") == (
        "False True\n"
    )


def test_what_a_widget_knows_weakly_may_be_gone(kernel: Kernel) -> None:
    """Such as the bar of tqdm, which a sweep leaves."""
    made = "import weakref\nbox = ipywidgets.VBox()\nbox.bar = [weakref.proxy({*()})]\nbox"
    assert kernel.run(made, "shows") == ""
    assert kernel.run("pass", "shows") == ""


def test_a_page_reaches_what_is_held_and_not_shown(kernel: Kernel) -> None:
    comm = kernel.run(
        "held, other = StemPlayer(stems), ipywidgets.FloatSlider()\n"
        "ipywidgets.jslink((held, 'master'), (other, 'value'))\n"
        "print(held.model_id)",
        "holds",
    ).strip()
    kernel.run("gc.collect()", "asks")
    kernel.set(comm, master=0.25)
    assert kernel.run("print(held.master)", "asks") == "0.25\n"
    links = "print([link.comm is None for link in vars(held)[lifetime._LINKS]])"
    assert kernel.run(links, "asks") == "[False]\n"


def test_a_page_is_heard_while_a_cell_runs(kernel: Kernel) -> None:
    """Whatever cell made the widgets, or spoke to the page through them last."""
    comms = kernel.run(
        "player, heard = StemPlayer(stems), threading.Semaphore(0)\n"
        "slider = (sliders := player.sliders).children[0]\n"
        "for each in (player, slider):\n"
        "    each.observe(lambda _: heard.release(), 'tooltip')\n"
        "display(ipywidgets.VBox([player, sliders]))\n"
        "print(player.model_id, slider.model_id)",
        "shows",
    ).split()[-2:]
    cell = "print([heard.acquire(timeout=60) for _ in range(2)])"
    assert kernel.set_beside_a_cell(cell, comms, tooltip="new") == "[True, True]\n"


def test_decks_that_end_leave_their_decks_to_who_holds_them(kernel: Kernel) -> None:
    kernel.run("deck = Deck(stems)", "deck")
    for _ in range(3):
        kernel.run("Decks(deck)", "both")
    assert kernel.run("print(deck._sender._thread.is_alive())", "asks") == "True\n"


def test_a_cell_that_is_deleted_shows_nothing(kernel: Kernel) -> None:
    before = kernel.count()["widgets"]
    kernel.run("StemPlayer(stems)", "deleted")
    assert kernel.count()["widgets"] == before + 1
    kernel.run("pass", "asks", deletedCells=["deleted"])
    assert kernel.count()["widgets"] == before
