"""Training music: recorded, rendered and synthesised songs as stems in one layout."""
