"""The page's side of the sound: its output, the audio thread, live inputs."""
