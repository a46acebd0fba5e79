"""The kernel's side of live input, with blocks as a page sends them."""

from __future__ import annotations

import numpy as np

from stemlab.widgets.live import LivePlayer

BLOCK = np.full((1024, 2), 0.1, np.float32)


def test_what_the_page_left_out_is_silence_however_long() -> None:
    player = LivePlayer()
    assert player.worker
    for line, start, heard in [("a", 0, 1024), ("a", 90_000, 91_024), ("b", 0, 92_048)]:
        message = {"kind": "sound", "line": line, "start": start}
        player._receive(player, message, [BLOCK.tobytes()])
        assert player.worker.heard == heard
    player.close()
