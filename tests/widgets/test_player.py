"""The player's kernel side, and notebooks that run without a page."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from stemlab import demo
from stemlab.errors import SettingError
from stemlab.sound.audio import Audio
from stemlab.widgets.player import StemPlayer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from stemlab.separator import StemBlock


@pytest.fixture
def player() -> Iterator[StemPlayer]:
    sound = Audio(np.full((50_000, 2), 0.1, np.float32))
    player = StemPlayer({"vocals": sound, "drums": sound})
    yield player
    player.close()


def test_names_and_lists_are_one(player: StemPlayer) -> None:
    player.vocals = 0.5
    player.drums_mute = True
    player.pans = [-1.0, 1.0]
    assert player.levels == [0.5, 1.0]
    assert player.mutes == [False, True]
    assert (player.vocals_pan, player.drums_pan) == (-1.0, 1.0)
    np.testing.assert_allclose(player.mix.gains(), np.array([[0.5, 0], [0, 0]]))


def test_mute_and_solo_by_name(player: StemPlayer) -> None:
    player.mute("vocals")
    player.solo("drums")
    assert (player.mutes, player.solos) == ([True, False], [False, True])
    player.mute()
    assert player.mutes == [False, False]
    with pytest.raises(SettingError, match='no stem "flute" here; there are vocals, drums'):
        player.mute("flute")


def test_levels_stay_in_range(player: StemPlayer) -> None:
    with pytest.raises(Exception, match=r"1\.5"):
        player.vocals = 3


def test_only_what_fits_takes_the_place(player: StemPlayer) -> None:
    sound = Audio(np.zeros((49_999, 2), np.float32))
    with pytest.raises(SettingError, match="vocals, drums of 50000 samples"):
        player.replace({"vocals": sound, "drums": sound})
    assert player.track
    assert player.track.length == 50_000


def test_who_listens_hears_the_other_sound(player: StemPlayer) -> None:
    heard: list[StemBlock] = []
    player.on_block(heard.append)
    sound = Audio(np.full((50_000, 2), 0.25, np.float32))
    player.replace({"vocals": sound, "drums": sound})
    end = time.monotonic() + 60
    while not any(float(block.mix[-1, 0]) == 0.5 for block in heard):
        assert time.monotonic() < end


def test_seek_stays_in_the_song(player: StemPlayer) -> None:
    player.seek(99)
    assert player.position == player.duration


def test_bad_input_is_a_sentence() -> None:
    player = StemPlayer("nowhere.mp3")
    assert player.error.startswith("nowhere.mp3: ")
    assert player.track is None
    taken = StemPlayer({"master": Audio(np.zeros((9, 2), np.float32))})
    assert taken.error == 'a stem cannot be called "master" here; rename it'


def test_what_is_there_is_handed_on(player: StemPlayer) -> None:
    done = threading.Event()
    blocks: list[StemBlock] = []

    def take(block: StemBlock) -> None:
        blocks.append(block)
        if block.start + len(block.mix) == 50_000:
            done.set()

    player.on_block(take)
    assert done.wait(200)
    np.testing.assert_allclose(blocks[0].mix, 0.2, atol=1e-3)
    np.testing.assert_allclose(blocks[0].masks.sum(-1), 1, atol=1e-5)


def test_a_closed_player_forgets(player: StemPlayer) -> None:
    player.on_block(print)
    player.close()
    player.on_block(print, remove=True)
    assert player._listeners == []


def test_no_thread_outlives_the_player(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEMLAB_STORE", str(tmp_path))
    before = set(threading.enumerate())
    StemPlayer(demo.path()).close()
    assert not [
        thread for thread in set(threading.enumerate()) - before if "stemlab" in thread.name
    ]


def test_a_notebook_runs_without_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As under nbconvert --execute: the kernel ends while separation is under way."""
    monkeypatch.setenv("STEMLAB_STORE", str(tmp_path))
    code = (
        "from stemlab import demo\nfrom stemlab.widgets.player import StemPlayer\n"
        "player = StemPlayer(demo.path())\nplayer.play()\nplayer.vocals = 0.5\nplayer"
    )
    cell = {"id": "a", "cell_type": "code", "source": code, "metadata": {}, "outputs": []}
    facts = {"cells": [{**cell, "execution_count": None}], "metadata": {}, "nbformat": 4}
    path = tmp_path / "one.ipynb"
    path.write_text(json.dumps({**facts, "nbformat_minor": 5}))
    command = [sys.executable, "-m", "nbconvert", "--execute", "--inplace", "--to", "notebook"]
    subprocess.run([*command, str(path)], check=True, capture_output=True, timeout=250)
    shown = json.loads(path.read_text())["cells"][0]["outputs"][-1]
    assert "application/vnd.jupyter.widget-view+json" in shown["data"]
