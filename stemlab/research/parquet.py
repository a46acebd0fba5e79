"""Tables of results as ``.parquet`` files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stemlab.errors import SettingError, need
from stemlab.sound.audio import replacing

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd


def check(out: Path) -> None:
    """Make sure that a table can be written, before work begins.

    Raises
    ------
    SettingError
        If it is no ``.parquet`` file, lies nowhere, or a library is missing.
    """
    if out.suffix != ".parquet":
        raise SettingError(f"{out}: the result is a .parquet file; give it such a name")
    if not out.parent.is_dir():
        raise SettingError(f"{out}: there is no folder {out.parent}; make it, or choose another")
    for library in ("pandas", "pyarrow"):
        need(library, f"a table needs {library}", "research")


def write(table: pd.DataFrame, out: Path) -> None:
    """Write a table whole or not at all; its ``attrs`` are kept."""
    with replacing(out) as part:
        table.to_parquet(part, index=False)
