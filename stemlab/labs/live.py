"""Live input: what a microphone, a line or a player sounds like without its drums."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets

from stemlab.live_worker import Live
from stemlab.widgets.live import LivePlayer
from stemlab.widgets.maskview import MaskView
from stemlab.widgets.player import StemPlayer

if TYPE_CHECKING:
    from stemlab.model import Card


class LiveLab(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """A live player with its moving picture.

    Attributes
    ----------
    player
        The `stemlab.widgets.live.LivePlayer`.
    view
        Its `stemlab.widgets.maskview.MaskView`; None if the player cannot run.
    """

    def __init__(self, player: LivePlayer) -> None:
        self.player = player
        self.view = MaskView(player) if player.worker else None
        super().__init__([part for part in (player, self.view) if part])

    def close(self) -> None:
        """Stop listening, and end the process."""
        if self.view:
            self.view.close()
        self.player.close()
        super().close()


def live(
    heard: Any = None,
    model: str | Card = "stemlab-4-fast",
    *,
    frames: int | None = None,
    update: int | None = None,
    lookahead: int | None = None,
) -> LiveLab:
    """Separate a live source.

    Parameters
    ----------
    heard
        An ipywebrtc stream, or a `StemPlayer`, which is then heard as if it played live; by
        default what is chosen at *Source*: microphone, line-in or another tab.
    model
        What separates.
    frames, update, lookahead
        Frames that a run of the model reads, hops from run to run, hops that the sound waits for
        what follows; see `stemlab.live.LiveSeparator`.

    Returns
    -------
    LiveLab
        What to show; press Start. ``.player`` has faders, account and sources.

    Examples
    --------
    ::

        ear = live()
        ear.player.solo("vocals")
        ear.player.account  # what its latency is made of
    """
    stream = heard.stream if isinstance(heard, StemPlayer) else heard
    name = model if isinstance(model, str) else str(model.path)
    settings = Live(name, frames=frames, update=update, lookahead=lookahead)
    return LiveLab(LivePlayer(stream, settings))
