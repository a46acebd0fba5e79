"""A song sounds before it is separated: the original first, its stems as they come."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from conftest import PATIENCE
from scipy.signal import butter, sosfiltfilt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Notebook
    from numpy.typing import NDArray

pytestmark = pytest.mark.browser

RATE = 44_100
AMPLITUDE = 0.8  # above what 16 bits a stem leave between them, 60 dB lower
# A separator that gives each stem its share of the sound, once it may.
MAKE = f"""
import itertools, threading
import numpy as np
from stemlab.library.rhythm import Rhythm
from stemlab.library.store import Store
from stemlab.separator import Separator, StemBlock
from stemlab.sound.audio import Audio
from stemlab.widgets.decks.console import Deck, Decks
from stemlab.widgets.player import StemPlayer

class Shares(Separator):
    def stream(self, blocks, before=None):
        at = 0
        for mix in blocks:
            gate.wait()
            stems = np.stack([share * mix for share in (0.4, 0.3, 0.2, 0.1)])
            yield StemBlock(at, mix, stems, 0, None, None)
            at += len(mix)

separator, numbers = Shares(), itertools.count(440)

def song():
    time = np.arange(60 * {RATE}) / {RATE}
    tone = {AMPLITUDE} * np.sin(2 * np.pi * next(numbers) * time)
    return Audio(np.stack([tone, tone], 1).astype("float32"))

def deck():
    return Deck(song(), separator, store=Store("originals"), rhythm=Rhythm(120, 0, "", 1))
"""
KINDS = {
    "player": "player = StemPlayer(song(), separator, store=Store('originals')); shown = player",
    "deck": "player = deck(); shown = Decks(player); shown.autogain = False",
}
# The first 20 s are separated.
SOME = f"""
quarter = player.track.read(0, 20 * {RATE})[0] / 4
player.track.write(0, np.stack([quarter] * 4), since=0, state=2)
player.vocals = 0
player.seek(5)
player.play()
"""
# One block is separated, from 4.1 s on, and five, from 5.9 s on.
PATCHES = """
from stemlab.library.store import BLOCK
for start, stop in (11 * BLOCK, 12 * BLOCK), (16 * BLOCK, 21 * BLOCK):
    quarter = player.track.read(start, stop - start)[0] / 4
    player.track.write(start, np.stack([quarter] * 4), since=start, state=2)
player.vocals = 0
player.seek(3)
player.play()
"""
# Milliseconds from a click on Play until something leaves the player.
PLAY = """([id, button]) => new Promise((done) => {
  const { output, context } = stemlab.players.get(id);
  const ear = new AnalyserNode(context, { fftSize: 2048 });
  output.connect(ear);
  const sound = new Float32Array(2048);
  const begin = performance.now();
  document.querySelector(`[data-control="${button}"]`).click();
  const wait = setInterval(() => {
    ear.getFloatTimeDomainData(sound);
    if (!sound.some((value) => value)) return;
    clearInterval(wait);
    done(performance.now() - begin);
  }, 4);
})"""


@pytest.fixture(scope="module")
def ready(notebook: Notebook) -> Notebook:
    """Define the songs."""
    notebook.run(MAKE)
    return notebook


@pytest.fixture
def busy() -> Iterator[None]:
    """Burn both cores with other work."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    yield
    for loop in loops:
        loop.kill()
        loop.wait()


def show(notebook: Notebook, kind: str) -> str:
    """Show a song that was never seen; return the page's name for it."""
    notebook.run(f"gate = threading.Event(); {KINDS[kind]}; display(shown)")
    name = notebook.run("print(player.model_id)").strip()
    notebook.wait(f"globalThis.stemlab?.players.has('{name}')")
    return name


def loudness(sound: NDArray[np.float32]) -> float:
    """Return the amplitude of the loudest, as a share of what was put in."""
    return float(np.abs(sound[:, 0]).max() / AMPLITUDE)


def comes_to(notebook: Notebook, name: str, loud: float) -> None:
    """Wait until it is as loud as it should be: what was ordered takes a moment."""
    end = time.monotonic() + PATIENCE
    while (found := loudness(notebook.record(name, 0.3))) != pytest.approx(loud, rel=0.01):
        assert time.monotonic() < end, found


@pytest.mark.parametrize("kind", KINDS)
def test_from_the_original_to_its_stems(ready: Notebook, kind: str) -> None:
    """Without vocals, 0.6 of the tone is left: heard as soon as they are apart, without a step."""
    name = show(ready, kind)
    ready.run("player.vocals = 0; player.play()")
    ready.wait(f"stemlab.players.get('{name}').now() > 1")
    ready.page.get_by_text("The original plays until this part is separated").wait_for()
    ready.run("threading.Timer(1.0, gate.set).start()")
    sound = ready.record(name, 6)
    assert loudness(sound[: RATE // 4]) == pytest.approx(1, rel=0.01)
    assert loudness(sound[-RATE // 4 :]) == pytest.approx(0.6, rel=0.01)
    rough = sosfiltfilt(butter(4, 5000, "high", fs=RATE, output="sos"), sound[:, 0])
    assert np.abs(rough[2000:-2000]).max() < 1e-3 * AMPLITUDE
    ready.run("player.pause(); shown.close()")


@pytest.mark.parametrize("kind", KINDS)
def test_a_leap_out_of_what_is_separated(ready: Notebook, kind: str) -> None:
    """Its original takes over with all stems, and faders act again where these are."""
    name = show(ready, kind)
    ready.run(SOME)
    comes_to(ready, name, 0.75)
    ready.run("player.seek(40)")
    comes_to(ready, name, 1)
    ready.run("player.seek(18)")  # and over the edge without a leap
    comes_to(ready, name, 0.75)
    ready.wait(f"stemlab.players.get('{name}').now() > 19")
    sound = ready.record(name, 3)
    assert loudness(sound) == pytest.approx(1, rel=0.01)
    assert loudness(sound[: RATE // 8]) == pytest.approx(0.75, rel=0.01)
    ready.run("player.pause(); gate.set(); shown.close()")


@pytest.mark.parametrize("kind", KINDS)
def test_stems_that_would_not_last_are_not_begun(ready: Notebook, kind: str) -> None:
    """What is separated comes in blocks; the voice does not leave and return with each."""
    name = show(ready, kind)
    ready.run(PATCHES)
    ready.wait(f"stemlab.players.get('{name}').now() > 3.2")
    sound = ready.record(name, 5)[:, 0]
    pieces = np.abs(sound[: len(sound) // 882 * 882]).reshape(-1, 882).max(1) / AMPLITUDE
    stems = np.flatnonzero(pieces < 0.9)  # 20 ms each
    assert np.all(np.diff(stems) == 1)
    assert len(stems) > 50
    ready.run("player.pause(); gate.set(); shown.close()")


@pytest.mark.usefixtures("busy")
def test_a_song_never_seen_plays_at_once_on_a_busy_machine(ready: Notebook) -> None:
    name = show(ready, "deck")
    waited = ready.evaluate(PLAY, [name, "Play A"])
    assert waited < 300
    ready.run("player.pause(); gate.set(); shown.close()")
