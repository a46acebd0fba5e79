"""What the notebooks open."""

from stemlab.labs.decks import decks
from stemlab.labs.live import live
from stemlab.labs.tune import tune

__all__ = ["decks", "live", "tune"]
