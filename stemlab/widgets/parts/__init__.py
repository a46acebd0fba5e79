"""What widgets are built of: controls, faders, transport, axes, cells, feed, recorder."""
