"""What the notebooks show: each widget is one .py beside one .js."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent


def source(name: str) -> str:
    """Return the text of a file that lies beside this one."""
    return (HERE / name).read_text(encoding="utf-8")


def module(*names: str) -> str:
    """Join ES modules into the one text that anywidget loads, in order of dependence.

    Their imports of each other fall away, since all now share one scope.
    """
    siblings = re.compile(r"^import \{[^}]*\} from \"\./.*\";\n", re.MULTILINE)
    return "\n".join(siblings.sub("", source(name)) for name in names)


WORKLET = module("tape.js", "worklet.js", "liveworklet.js")
"""The audio thread of players and of live input; a page loads it once for all."""
