"""How a model comes into the user's folder: made beside it, then moved there as a whole."""

from __future__ import annotations

import json
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from stemlab.errors import ModelError
from stemlab.model import user_models

if TYPE_CHECKING:
    from collections.abc import Iterator


def require(name: str, extra: str, *modules: str) -> None:
    """Make sure that what a model is made with is installed.

    Raises
    ------
    ModelError
        If it is not.
    """
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise ModelError(
            f"{name}: conversion needs {', '.join(missing)}; pip install 'stemlab[{extra}]'"
        )


@contextmanager
def place(name: str) -> Iterator[Path]:
    """Yield a folder on the user's disk of models in which a model is made; it goes afterwards.

    Raises
    ------
    ModelError
        If the disk does not take it.
    """
    models = user_models()
    try:
        models.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".adding-", dir=models) as folder:
            yield Path(folder)
    except OSError as error:
        raise ModelError(f"{models}: cannot keep {name} here ({error.strerror})") from error


def install(network: Path, models: Path, facts: dict[str, Any]) -> Path:
    """Move a finished network into the folder `models` and write its card there."""
    written = network.with_suffix(".json")
    written.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    described = written.replace(models / written.name)
    try:
        return network.replace(models / network.name)
    except BaseException:
        described.unlink()
        raise
