"""What others wrote for the audio thread, unchanged but for their exports."""
