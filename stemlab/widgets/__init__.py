"""What the notebooks show: each widget is one .py beside one .js."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
_IMPORT = re.compile(r"^import \{[^}]*\} from \"(\.\.?/[^\"]+\.js)\";\n", re.MULTILINE)


def source(name: str) -> str:
    """Return the text of a file of this folder; `name` is relative to it."""
    return (HERE / name).read_text(encoding="utf-8")


def imports(name: str) -> list[str]:
    """Return the files that an ES module of this folder imports, relative to the folder."""
    beside = (HERE / name).parent
    return [
        (beside / other).resolve().relative_to(HERE.resolve()).as_posix()
        for other in _IMPORT.findall(source(name))
    ]


def module(*names: str) -> str:
    """Join ES modules and all that they import into the one text that anywidget loads.

    Their imports of each other fall away, since all now share one scope.
    """
    ordered: dict[str, None] = {}

    def add(name: str) -> None:
        if name not in ordered:
            for other in imports(name):
                add(other)
            ordered[name] = None

    for name in names:
        add(name)
    return "\n".join(_IMPORT.sub("", source(name)) for name in ordered)


WORKLET = module("engine/worklet.js")
"""The audio thread of players; a page loads it once for each sample rate."""
