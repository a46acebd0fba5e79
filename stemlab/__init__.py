"""Stem separation you can see, hear and take apart, on your own machine.

Examples
--------
>>> import stemlab
>>> song = stemlab.separate(stemlab.demo.path())
>>> sorted(song.stems)
['bass', 'drums', 'other', 'vocals']
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from stemlab import demo
    from stemlab.model import StemModel
    from stemlab.separator import Separation, Separator
    from stemlab.sound.audio import Audio, load, save
    from stemlab.spectral import Stft
    from stemlab.widgets.maskview import MaskView
    from stemlab.widgets.player import StemPlayer

__all__ = [
    "Audio",
    "MaskView",
    "Separation",
    "Separator",
    "StemModel",
    "StemPlayer",
    "Stft",
    "demo",
    "load",
    "save",
    "separate",
]

_HOMES = {
    "Audio": "stemlab.sound.audio",
    "load": "stemlab.sound.audio",
    "save": "stemlab.sound.audio",
    "StemModel": "stemlab.model",
    "Separation": "stemlab.separator",
    "Separator": "stemlab.separator",
    "Stft": "stemlab.spectral",
    "MaskView": "stemlab.widgets.maskview",
    "StemPlayer": "stemlab.widgets.player",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for, so that `import stemlab` costs nothing."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in __all__:
        return import_module(f"stemlab.{name}")
    raise AttributeError(f"module 'stemlab' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Name what `__getattr__` gives, for tab completion; helpers stay unseen."""
    return __all__


def separate(
    song: str | Path | Audio,
    progress: Callable[[float], object] | None = None,
    *,
    model: StemModel | str | Path | None = None,
) -> Separation:
    """Separate a song with a model, by default the best; see `Separator.separate`."""
    from stemlab.model import DEFAULT
    from stemlab.separator import Separator

    return Separator(model or DEFAULT).separate(song, progress)
