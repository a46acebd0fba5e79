"""Live input: what a microphone, a line or a player sounds like without its drums."""

from __future__ import annotations

from functools import cached_property
from html import escape
from typing import Any

import ipywidgets

from stemlab.widgets.live import LivePlayer
from stemlab.widgets.maskview import MaskView
from stemlab.widgets.parts.lifetime import Fleeting
from stemlab.widgets.player import StemPlayer

PARTS = {
    "input device": "what the browser reports for the microphone or line-in",
    "block": "samples are gathered, a hop of the transform, before they are separated",
    "algorithm": "the transform's window and the model's look-ahead",
    "margin": "a Worker separates, since the audio thread is too slow here: so much later",
    "limiter": "the master listens ahead, so that nothing clips",
    "buffer": "what the browser keeps ready for the output",
    "output device": "what the browser reports for it",
    "total": "from the microphone to the ear",
    "measured": "block, algorithm and limiter, found by the hiss that Measure plays in",
    "compute": "to separate a block, half of them take less; the buffer hides it",
    "compute p99": "99 of 100 take less; with more than the buffer there are gaps",
}
"""What each part of the latency is."""


class LiveLab(Fleeting, ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
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
        self.view = None if player.error else MaskView(player)
        super().__init__([part for part in (player, self.view) if part])

    @cached_property
    def table(self) -> ipywidgets.HTML:
        """The latency of this machine in its parts, as it is now."""
        shown = ipywidgets.HTML()

        def show(_change: object = None) -> None:
            shown.value = _table(self.player.account, self.player.dropouts)

        self.player.observe(show, "account")
        show()
        return shown

    def close(self) -> None:
        """Stop listening."""
        if self.view:
            self.view.close()
        self.player.close()
        super().close()


def live(heard: Any = None) -> LiveLab:
    """Separate a live source.

    Parameters
    ----------
    heard
        An ipywebrtc stream, or a `StemPlayer`, which is then heard as if it played live; by
        default what is chosen at *Source*: microphone, line-in or another tab.

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
    return LiveLab(LivePlayer(heard.stream if isinstance(heard, StemPlayer) else heard))


def _table(account: dict[str, float | None], gaps: int) -> str:
    """Return the account as a table, the parts in the order in which sound passes them."""
    rows = [
        f"<tr><th scope='row'>{escape(part)}</th><td>{_milliseconds(account[part])}</td>"
        f"<td>{told}</td></tr>"
        for part, told in PARTS.items()
        if part in account
    ]
    if not rows:
        return "Press Start above: then this machine's figures stand here."
    last = f"<tr><th scope='row'>gaps</th><td>{gaps}</td><td>since the start</td></tr>"
    head = "".join(f"<th scope='col'>{name}</th>" for name in ("part", "ms", "what it is"))
    return f"<table><tr>{head}</tr>{''.join(rows)}{last}</table>"


def _milliseconds(seconds: float | None) -> str:
    return "unknown" if seconds is None else f"{1000 * seconds:.1f}"
