"""The same as it comes: the streaming model, its stems, its recording."""
