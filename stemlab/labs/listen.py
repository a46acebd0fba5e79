"""The first minute: a song's faders and its masks on one screen, what `00_start.ipynb` opens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ipywidgets

from stemlab.widgets.maskview import MaskView
from stemlab.widgets.player import StemPlayer

if TYPE_CHECKING:
    from pathlib import Path

    from stemlab.sound.audio import Audio


class Listening(ipywidgets.VBox):  # type: ignore[misc]
    """Faders, and right below them what they do to the picture.

    Parameters
    ----------
    song
        As for `StemPlayer`.

    Attributes
    ----------
    player, view
        The parts.

    Examples
    --------
    >>> import numpy as np
    >>> from stemlab.sound.audio import Audio
    >>> tone = Audio(np.zeros((44_100, 2), np.float32))
    >>> both = listen({"vocals": tone, "drums": tone})
    >>> both.player.stems, both.view.stems
    (['vocals', 'drums'], ['vocals', 'drums'])
    >>> both.close()
    """

    def __init__(self, song: str | Path | Audio | dict[str, Audio]) -> None:
        self.player = StemPlayer(song)
        shown = [self.player]
        if self.player.track:
            self.view = MaskView(self.player)
            shown.append(self.view)
        super().__init__(shown)
        self.add_class("stemlab-compact")

    def close(self) -> None:
        """Stop the sound and remove all."""
        for part in self.children:
            part.close()
        super().close()


def listen(song: str | Path | Audio | dict[str, Audio]) -> Listening:
    """Play a song while it is being separated, with its masks in sight; see `Listening`."""
    return Listening(song)
