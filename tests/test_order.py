"""Arrows go one way: a room imports only from those above it, in Python and in JavaScript."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import stemlab
from stemlab import widgets

if TYPE_CHECKING:
    from collections.abc import Iterator

HOUSE = Path(stemlab.__file__).parent
ROOMS = (
    "errors", "demo", "child", "sound", "spectral", "masks", "networks", "card", "model",
    "separator", "mixer", "importers", "live", "cluster", "library", "research", "pictures",
    "widgets/engine", "widgets/parts", "widgets", "widgets/decks", "labs", "lab", "cli", "__main__",
)  # fmt: skip
"""From the ground up; `__init__` names what is public and stands beside them."""


def room(file: str) -> str:
    """Return the room of a file that is named relative to the house."""
    stem = Path(file).with_suffix("")
    inside = next((str(p) for p in (stem, *stem.parents) if str(p) in ROOMS), None)
    assert inside, f"{file} lies in no room of the list"
    return inside


def file_of(module: str) -> str | None:
    """Return the file of a module of ours, relative to the house; None for `stemlab` itself."""
    path = HOUSE.joinpath(*module.split(".")[1:])
    for found in (path.with_suffix(".py"), path / "__init__.py"):
        if found != HOUSE / "__init__.py" and found.exists():
            return found.relative_to(HOUSE).as_posix()
    return None


def imported(source: str) -> Iterator[str]:
    """Yield the modules of ours that a Python source imports, also inside functions."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.startswith("stemlab"))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("stemlab"):
            inner = [f"{node.module}.{name.name}" for name in node.names]
            yield from (name if file_of(name) else str(node.module) for name in inner)


def arrows(house: Path) -> Iterator[tuple[str, str]]:
    """Yield (file, file that it imports) of all Python and JavaScript below `house`."""
    for path in sorted(house.rglob("*.py")):
        name = path.relative_to(house).as_posix()
        if name != "__init__.py":
            for module in imported(path.read_text(encoding="utf-8")):
                if (other := file_of(module)) and other != name:
                    yield name, other
    for path in sorted((house / "widgets").rglob("*.js")):
        name = path.relative_to(house / "widgets").as_posix()
        for other in widgets.imports(name):
            yield f"widgets/{name}", f"widgets/{other}"


def wrong(pairs: list[tuple[str, str]]) -> list[str]:
    """Return a line for each arrow that runs against the order, and one for a circle."""
    backwards = [
        f"{file} imports {other}: {room(other)} stands above {room(file)}"
        for file, other in pairs
        if ROOMS.index(room(other)) > ROOMS.index(room(file))
    ]
    graph: dict[str, set[str]] = {}
    for file, other in pairs:
        graph.setdefault(file, set()).add(other)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as circle:
        backwards.append("circle: " + " ← ".join(circle.args[1]))
    return backwards


def test_arrows_go_one_way() -> None:
    assert wrong(list(arrows(HOUSE))) == []


@pytest.mark.parametrize(
    ("pair", "told"),
    [
        (("sound/audio.py", "library/store.py"), "sound/audio.py imports library/store.py"),
        (("widgets/engine/tape.js", "widgets/player.js"), "engine/tape.js imports widgets/player"),
        (("sound/fifo.py", "sound/audio.py"), "circle: "),
    ],
)
def test_a_wrong_arrow_is_named(pair: tuple[str, str], told: str) -> None:
    """Both files of it; also where it only closes a circle within a room."""
    assert told in wrong([*arrows(HOUSE), pair])[0]


def test_imports_inside_functions_are_seen() -> None:
    hidden = "def late():\n    from stemlab.library import store\n    import stemlab.cli\n"
    assert list(imported(hidden)) == ["stemlab.library.store", "stemlab.cli"]


def test_the_top_shows_the_way_of_a_sound() -> None:
    """No more than twelve modules beside the folders."""
    assert len(list(HOUSE.glob("[!_]*.py"))) <= 12
