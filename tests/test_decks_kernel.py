"""The decks' kernel side: rhythm found and kept, songs that cannot be played, both sides' names."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
import traitlets

from stemlab import demo
from stemlab.audio import Audio
from stemlab.labs import decks
from stemlab.rhythm import NAMES, Rhythm
from stemlab.separator import Separator
from stemlab.store import Store
from stemlab.widgets import source
from stemlab.widgets.decks import CURVES, PRESETS, Deck

if TYPE_CHECKING:
    from pathlib import Path

TONE = Audio(np.full((44_100, 2), 0.1, np.float32))


def test_rhythm_is_found_and_kept_with_the_song(tmp_path: Path) -> None:
    separator, store = Separator(), Store(tmp_path)
    deck = Deck(demo.path(), separator, store=store)
    limit = time.monotonic() + 60
    while not deck.bpm and time.monotonic() < limit:
        time.sleep(0.1)
    assert deck.rhythm.bpm > 0
    deck.first_beat += 0.25
    corrected = deck.rhythm
    deck.close()
    again = Deck(demo.path(), separator, store=store)
    assert again.rhythm == corrected
    again.close()


def test_a_rhythm_that_is_given_is_taken() -> None:
    rhythm = Rhythm(120, 0.5, "E minor", 1.0)
    deck = Deck({"vocals": TONE}, rhythm=rhythm)
    assert deck.rhythm == rhythm
    deck.close()


def test_a_song_that_cannot_be_read_is_told() -> None:
    desk = decks("nowhere.mp3")
    assert desk.a
    assert "nowhere.mp3" in desk.a.error
    assert desk.b is None
    desk.close()


@pytest.mark.parametrize(
    "change", [{"tempo": 3.0}, {"semitones": 7}, {"eq": [0.0]}, {"filter": 1.5}, {"cues": []}]
)
def test_settings_out_of_range_are_refused(change: dict[str, object]) -> None:
    deck = Deck({"vocals": TONE}, rhythm=Rhythm(120, 0, "", 1))
    with pytest.raises(traitlets.TraitError):
        deck.set_trait(*next(iter(change.items())))
    deck.close()


def test_page_and_kernel_have_the_same_names() -> None:
    page = source("turntable.js") + source("decks.js")
    presets = page.partition("PRESETS = {")[2].partition("};")[0]
    assert re.findall(r'^  "?([A-Z][\w %]*)"?:', presets, re.MULTILINE) == list(PRESETS)
    curves = page.partition("CURVES = {")[2].partition("};")[0]
    assert re.findall(r'^  "?([a-z ]+)"?:', curves, re.MULTILINE) == list(CURVES)
    tonics = page.partition("TONICS = [")[2].partition("]")[0]
    assert tuple(re.findall(r'"(.+?)"', tonics)) == NAMES
