"""The modules of a widget share one scope when they are joined."""

from __future__ import annotations

import re

import pytest

from stemlab.widgets import HERE, module, source

ENTRIES = sorted(
    path.relative_to(HERE).as_posix()
    for path in HERE.rglob("*.js")
    if "vendor" not in path.parts and "export default" in path.read_text(encoding="utf-8")
)
DECLARED = re.compile(
    r"^(?:export )?(?:async )?(?:const|let|class|function\*?) (\w+)", re.MULTILINE
)


@pytest.mark.parametrize("entry", ENTRIES)
def test_no_name_is_declared_twice(entry: str) -> None:
    names = DECLARED.findall(module(entry))
    assert len(names) > len(DECLARED.findall(source(entry)))
    assert sorted(names) == sorted(set(names))
