"""The song that ships with stemlab: "Take me apart", its mix and its four stems, CC0."""

from __future__ import annotations

from pathlib import Path

STEMS = ("vocals", "drums", "bass", "other")
"""Names of the stems, in the order of the default models."""


def path() -> Path:
    """Return the file of the mix, 44.1 kHz stereo Ogg Vorbis.

    Examples
    --------
    >>> path().name
    'mix.ogg'
    """
    return Path(__file__).with_name("mix.ogg")


def stem_paths() -> dict[str, Path]:
    """Return the files of the true stems by name; they sum to the mix but for their coding.

    Examples
    --------
    >>> [file.name for file in stem_paths().values()]
    ['vocals.ogg', 'drums.ogg', 'bass.ogg', 'other.ogg']
    """
    return {name: path().with_name(f"{name}.ogg") for name in STEMS}
