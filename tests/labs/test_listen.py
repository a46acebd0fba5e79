from __future__ import annotations

import numpy as np

from stemlab.labs.listen import listen
from stemlab.sound.audio import Audio


def test_a_song_has_faders_and_a_picture() -> None:
    tone = Audio(np.zeros((44_100, 2), np.float32))
    both = listen({"vocals": tone, "drums": tone})
    assert both.children == (both.player, both.view)
    assert "stemlab-compact" in both._dom_classes
    both.close()


def test_a_song_that_is_not_there_is_told_by_the_player() -> None:
    both = listen("nowhere.mp3")
    assert both.children == (both.player,)
    assert "nowhere.mp3" in both.player.error
    both.close()
