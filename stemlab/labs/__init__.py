"""What the notebooks open."""

from stemlab.labs.decks import decks

__all__ = ["decks"]
