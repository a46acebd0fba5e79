"""What the notebooks open."""

from stemlab.labs.decks import decks
from stemlab.labs.tune import tune

__all__ = ["decks", "tune"]
