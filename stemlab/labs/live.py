"""Live input: what a microphone, a line or a player sounds like without its drums."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stemlab.live_worker import Live
from stemlab.widgets.live import LivePlayer, microphone
from stemlab.widgets.player import StemPlayer

if TYPE_CHECKING:
    from stemlab.model import Card


def live(
    heard: Any = None,
    model: str | Card = "stemlab-4-fast",
    *,
    frames: int = 64,
    update: int = 2,
    lookahead: int = 3,
) -> LivePlayer:
    """Separate a live source.

    Parameters
    ----------
    heard
        An ipywebrtc stream, or a `StemPlayer`, which is then heard as if it played live; by
        default the microphone or line-in.
    model
        What separates.
    frames, update, lookahead
        Frames that a run of the model reads, hops from run to run, hops that the sound waits for
        what follows; see `stemlab.live.LiveSeparator`.

    Returns
    -------
    LivePlayer
        What to show; press Start.

    Examples
    --------
    ::

        ear = live()
        ear.solo("vocals")
        ear.account  # what its latency is made of
    """
    stream = heard.stream if isinstance(heard, StemPlayer) else heard
    name = model if isinstance(model, str) else str(model.path)
    settings = Live(name, frames=frames, update=update, lookahead=lookahead)
    return LivePlayer(microphone() if stream is None else stream, settings)
