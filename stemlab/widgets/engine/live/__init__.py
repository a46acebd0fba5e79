"""Live separation in the page: transform, network, and the audio thread they run in."""
