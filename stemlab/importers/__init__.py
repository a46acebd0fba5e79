"""Other people's networks, downloaded and converted."""
