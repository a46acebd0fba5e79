"""Decks in a notebook whose songs are known tones and clicks, and an ear for them."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from conftest import PATIENCE
from scipy.signal import find_peaks

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Notebook
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

RATE = 44_100
SECONDS = 90
TONES = {"vocals": 440.0, "bass": 100.0, "other": 8000.0}
FLAT = dict.fromkeys(TONES.values(), 0.0)  # dB: all as they were made
GONE = -100.0
AMPLITUDE = 0.1
# Tones, and drums that click on every beat; A and B differ in tempo and in where their beats are.
MAKE = f"""
import numpy as np
from stemlab.sound.audio import Audio
from stemlab.labs import decks
from stemlab.library.rhythm import Rhythm
from stemlab.widgets.decks.console import Deck

def song(rhythm):
    time = np.arange({SECONDS} * {RATE}) / {RATE}
    parts = {{k: {AMPLITUDE} * np.sin(2 * np.pi * f * time) for k, f in {TONES}.items()}}
    clicks = np.zeros(len(time))
    burst = 0.5 * np.exp(-np.arange(400) / 40) * np.sin(np.arange(400) * 0.3)
    for beat in np.arange(rhythm.first_beat, {SECONDS} - 1, rhythm.beat):
        start = round(beat * {RATE})
        clicks[start : start + 400] = burst
    parts = {{"vocals": parts["vocals"], "drums": clicks, **parts}}
    return {{k: Audio(np.stack([x, x], 1).astype("float32")) for k, x in parts.items()}}

first, second = Rhythm(120, 0.1, "A minor", 1), Rhythm(126, 0.33, "C major", 1)
desk = decks(Deck(song(first), rhythm=first), Deck(song(second), rhythm=second))
display(desk)
"""
RESET = """
desk.recording = False
for deck in (desk.a, desk.b):
    deck.pause()
    deck.levels, deck.tempo, deck.semitones, deck.loop = [1.0] * 4, 1.0, 0, []
    deck.stem_filters, deck.cents = [0.0] * 4, 0.0
    deck.eq, deck.kills, deck.filter, deck.synced = [0.0] * 3, [False] * 3, 0.0, False
    deck.cues, deck.cue, deck.pfl = [{}] * 8, 0.0, False
    deck.mute(), deck.solo()
    deck.seek(4)
desk.a.rhythm, desk.b.rhythm = first, second
desk.crossfader, desk.curve, desk.master = 0.0, "constant power", 1.0
"""
# Both decks as the two channels of one recording.
BOTH = """([a, b]) => {
  const { context, output } = stemlab.players.get(a);
  const merger = context.createChannelMerger(2);
  output.connect(merger, 0, 0);
  stemlab.players.get(b).output.connect(merger, 0, 1);
  (globalThis.kept ??= {}).both = { output: merger, context };
}"""
_ROUNDS = itertools.count()


class Names(NamedTuple):
    """What the page calls the decks and their sum."""

    a: str
    b: str
    desk: str


def make(notebook: Notebook) -> Names:
    """Show the decks."""
    notebook.run(MAKE)
    printed = notebook.run("print(desk.a.model_id, desk.b.model_id, desk.model_id)")
    names = Names(*printed.split())
    for name in names:
        notebook.wait(f"globalThis.stemlab?.players.has('{name}')")
    notebook.page.evaluate(BOTH, [names.a, names.b])
    return names


def tell(notebook: Notebook, code: str) -> None:
    """Run code and wait until the page has heard of what it did: messages keep their order."""
    note = f"told {next(_ROUNDS)}"
    notebook.run(f"{code}\ndesk.note = '{note}'")
    notebook.page.locator(".stemlab-decks .note", has_text=note).last.wait_for()


def reset(notebook: Notebook) -> None:
    """Stop both decks and put all controls to rest."""
    # What the last test clicked may reach the kernel after the first; not after the page answered.
    tell(notebook, RESET)
    tell(notebook, RESET)


def click(notebook: Notebook, name: str) -> None:
    """Press a button of the decks."""
    notebook.page.get_by_role("button", name=name, exact=True).last.click()


def press(name: str) -> str:
    """Return JavaScript that presses a button at once, as part of a recording."""
    return f"""document.querySelector('[data-control="{name}"]').click()"""


def true(notebook: Notebook, truth: str) -> None:
    """Wait until something is true in the kernel."""
    notebook.eventually(f"bool({truth})", "True")


def now(notebook: Notebook, deck: str) -> float:
    """Return the second of the song that is heard."""
    seconds: float = notebook.page.evaluate("id => stemlab.players.get(id).now()", deck)
    return seconds


def is_at(notebook: Notebook, deck: str, low: float, high: float) -> None:
    """Wait until a deck is heard between two seconds of its song."""
    notebook.wait(f"((t) => t >= {low} && t <= {high})(stemlab.players.get('{deck}').now())")


def play(notebook: Notebook, names: Names, which: str) -> None:
    """Start a deck and wait until it sounds."""
    name = getattr(names, which)
    start = now(notebook, name)
    notebook.run(f"desk.{which}.play()")
    notebook.wait(f"stemlab.players.get('{name}').now() > {start} + 0.3")


def heard(
    notebook: Notebook, name: str, good: Callable[[Samples], bool], seconds: float = 0.4
) -> Samples:
    """Listen until it sounds as it should: orders take a moment to come to the sound."""
    end = time.monotonic() + PATIENCE
    while not good(sound := notebook.record(name, seconds)):
        assert time.monotonic() < end, {tone: level(sound, f) for tone, f in TONES.items()}
    return sound


def falls_silent(notebook: Notebook, name: str) -> None:
    """Wait until nothing at all is heard."""
    heard(notebook, name, lambda sound: bool(np.abs(sound).max() == 0), 0.3)


def level(sound: Samples, frequency: float) -> float:
    """Return the level of a tone in dB of what was put in."""
    time = np.arange(len(sound)) / RATE
    window = np.hanning(len(sound))
    wave = window * np.exp(-2j * np.pi * frequency * time)
    return float(20 * np.log10(2 * abs(wave @ sound[:, 0]) / window.sum() / AMPLITUDE + 1e-6))


def has(sound: Samples, expected: dict[float, float]) -> bool:
    """Whether tones have their levels to ±0.1 dB; below -40, which clicks reach, they are gone."""
    found = {tone: level(sound, tone) for tone in expected}
    return all(
        abs(found[tone] - decibels) < 0.1 or max(found[tone], decibels) < -40
        for tone, decibels in expected.items()
    )


def pitch(sound: Samples, near: float) -> float:
    """Return the frequency of the tone nearest to `near` Hz, by a parabola through its peak."""
    size = 1 << 19
    spectrum = np.abs(np.fft.rfft(sound[:, 0] * np.hanning(len(sound)), size))
    low, high = (int(near * ratio * size / RATE) for ratio in (0.94, 1.06))
    k = low + int(spectrum[low:high].argmax())
    before, here, after = np.log(spectrum[k - 1 : k + 2])
    return float((k + 0.5 * (before - after) / (before - 2 * here + after)) * RATE / size)


def clicks(sound: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the seconds at which a channel clicks, where nothing but drums sounds."""
    loud = np.abs(sound)
    found, _ = find_peaks(loud, height=max(0.02, 0.4 * loud.max()), distance=RATE // 8)
    return np.asarray(found / RATE)


def off_beat(seconds: float) -> float:
    """Return the distance of a second of song A from its nearest beat."""
    return abs((seconds - 0.1 + 0.25) % 0.5 - 0.25)


def apart(sound: Samples) -> NDArray[np.float64]:
    """Return the seconds by which each click of the second channel is off the first's."""
    first, second = clicks(sound[:, 0]), clicks(sound[:, 1])
    inner = second[(second > 0.1) & (second < len(sound) / RATE - 0.1)]
    if len(first) < 2 or len(inner) < len(first) - 2:
        return np.array([np.inf])
    distances = inner[:, None] - first[None, :]
    return np.asarray(distances[np.arange(len(inner)), np.abs(distances).argmin(axis=1)])


def in_step(sound: Samples) -> bool:
    """Whether both channels click within 10 ms of one another."""
    return bool(np.abs(apart(sound)).max() < 0.01)
