"""Models that others publish, added by their names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stemlab.errors import ModelError
from stemlab.importers import scnet, spleeter

if TYPE_CHECKING:
    from pathlib import Path

ADDABLE = {name: spleeter.DESIGNS[name].stems for name in spleeter.ADDABLE} | {
    scnet.NAME: scnet.STEMS
}
"""The stems of each."""


def add(name: str, source_file: Path | None = None, *, progress: bool = False) -> Path:
    """Install a model in the user's model folder.

    Parameters
    ----------
    name
        One of `ADDABLE`.
    source_file
        The published file where it is on disk already; otherwise it is downloaded.
    progress
        Show a progress bar.

    Returns
    -------
    Path
        The network's file, its card beside it.

    Raises
    ------
    ModelError
        If the name is unknown, an extra is missing, or the file cannot be had, is not the published
        one, or cannot be converted. Nothing is left behind.
    """
    if name not in ADDABLE:
        raise ModelError(f"{name}: no such model to add; there are {', '.join(ADDABLE)}")
    if name == scnet.NAME:
        return scnet.add(source_file, progress=progress)
    return spleeter.add(name, source_file, progress=progress)
