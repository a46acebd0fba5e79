"""What networks read and give, one file a kind, and the runtimes that run them."""
