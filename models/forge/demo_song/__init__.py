"""The demo song "Take me apart": written, played, sung and mixed by this package alone.

Every sound is synthesised with numpy and scipy from a fixed seed; no sample of anybody is used.
Render it again from the repository root with ``PYTHONPATH=models/forge python -m demo_song``.
"""
