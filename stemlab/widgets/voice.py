"""Voice: a few seconds of the microphone, recorded in the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anywidget
import ipywidgets
import numpy as np
import traitlets as t

from stemlab.errors import SettingError
from stemlab.sound.audio import RATE
from stemlab.widgets import module, source
from stemlab.widgets.live import microphone
from stemlab.widgets.parts.lifetime import Fleeting

if TYPE_CHECKING:
    from stemlab.spectral import Samples


class Voice(Fleeting, anywidget.AnyWidget):
    """A button that records the microphone, which is not heard meanwhile.

    Attributes
    ----------
    source
        What it listens to: ``"microphone"``, the browser's default, or an input by its name.
    seconds
        How long.
    value
        What was recorded last, float32 [samples] at 44 100 Hz as bytes; none yet: ``b""``.
    error
        What keeps it from recording, in a sentence or ``""``.

    Examples
    --------
    >>> voice = Voice()
    >>> voice.samples.shape
    (0, 2)
    >>> voice.value = np.ones(3, np.float32).tobytes()
    >>> voice.samples.shape
    (3, 2)
    >>> voice.close()
    """

    _esm = module("voice.js")
    _css = source("voice.css")
    _microphone = t.Any(None, allow_none=True).tag(sync=True, **ipywidgets.widget_serialization)
    source = t.Unicode("microphone").tag(sync=True)
    seconds = t.Float(3).tag(sync=True)
    rate = t.Int(RATE, read_only=True).tag(sync=True)
    # Bytes come from the page as a view of memory.
    value = t.Bytes().tag(sync=True, from_json=lambda value, _: bytes(value))
    error = t.Unicode().tag(sync=True)

    def __init__(self) -> None:
        super().__init__()
        try:
            self._microphone = microphone()
        except SettingError as error:
            self.error = str(error)

    @property
    def samples(self) -> Samples:
        """What was recorded last, float32 [samples, 2]."""
        return samples_of(self.value)


def samples_of(value: bytes) -> Samples:
    """Return the `Voice.value` as sound, float32 [samples, 2]."""
    return np.frombuffer(value, np.float32)[:, None].repeat(2, 1)
