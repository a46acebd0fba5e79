"""The DJ decks: two songs side by side, stem by stem and beat on beat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stemlab.widgets.decks.console import Deck, Decks

if TYPE_CHECKING:
    from pathlib import Path

    from stemlab.separator import Separation
    from stemlab.sound.audio import Audio

    Song = str | Path | Audio | Separation | dict[str, Audio] | Deck


def decks(
    a: Song | None = None,
    b: Song | None = None,
    folder: str | Path = "",
    out: str | Path = "",
) -> Decks:
    """Put songs on two decks.

    Parameters
    ----------
    a, b
        A sound file, anything else that `StemPlayer` takes, a deck that is ready, or nothing.
    folder
        Where more songs are, to be loaded from the crate.
    out
        Where recordings and exports go; by default where the kernel works.

    Returns
    -------
    Decks
        What to show; ``.a`` and ``.b`` are the decks.

    Examples
    --------
    >>> import numpy as np
    >>> from stemlab.sound.audio import Audio
    >>> tone = Audio(np.zeros((44_100, 2), np.float32))
    >>> both = decks({"vocals": tone, "drums": tone})
    >>> both.a.tempo, both.b
    (1.0, None)
    >>> both.close()
    """
    desk = Decks(_on_deck(a), _on_deck(b))
    desk.folder = str(folder)
    desk.out = str(out) or desk.out
    return desk


def _on_deck(song: Song | None) -> Deck | None:
    return song if song is None or isinstance(song, Deck) else Deck(song)
