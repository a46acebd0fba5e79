"""Live input: what a microphone, a line or a player sounds like without its drums."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import ipywidgets

from stemlab.live.choice import choose
from stemlab.widgets.live import LivePlayer
from stemlab.widgets.maskview import MaskView
from stemlab.widgets.player import StemPlayer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stemlab.live.choice import Trial
    from stemlab.live.worker import Live


class LiveLab(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """A live player with its moving picture.

    Attributes
    ----------
    player
        The `stemlab.widgets.live.LivePlayer`.
    view
        Its `stemlab.widgets.maskview.MaskView`; None if the player cannot run.
    trials
        The settings that were tried for it, the one taken last; empty if it was given one.
    """

    def __init__(self, player: LivePlayer, trials: Sequence[Trial] = ()) -> None:
        self.player, self.trials = player, trials
        self.view = MaskView(player) if player.worker else None
        tried = _told(trials) if trials else None
        super().__init__([part for part in (player, tried, self.view) if part])

    def close(self) -> None:
        """Stop listening, and end the process."""
        if self.view:
            self.view.close()
        self.player.close()
        super().close()


def live(heard: Any = None, *, latency: float = 0.1, setting: Live | None = None) -> LiveLab:
    """Separate a live source.

    Parameters
    ----------
    heard
        An ipywebrtc stream, or a `StemPlayer`, which is then heard as if it played live; by
        default what is chosen at *Source*: microphone, line-in or another tab.
    latency
        Largest algorithmic delay in seconds. The best setting within it for which this machine is
        fast enough is taken; see `stemlab.live.choice`.
    setting
        How to separate, instead.

    Returns
    -------
    LiveLab
        What to show; press Start. ``.player`` has faders, account and sources.

    Raises
    ------
    SettingError
        If no setting is within the latency.

    Examples
    --------
    ::

        ear = live()
        ear.player.solo("vocals")
        ear.player.account  # what its latency is made of
        sooner = live(latency=0.05)
    """
    stream = heard.stream if isinstance(heard, StemPlayer) else heard
    if setting:
        return LiveLab(LivePlayer(stream, setting))
    trials = choose(latency)
    return LiveLab(LivePlayer(stream, trials[-1].live), trials)


def _told(trials: Sequence[Trial]) -> ipywidgets.HTML:
    """Return what was tried on this machine, and what came of it."""
    lines = "".join(f"<li>{escape(str(trial))}</li>" for trial in trials)
    return ipywidgets.HTML(
        f"<details><summary>Why this setting?</summary><ol>{lines}</ol></details>"
    )
