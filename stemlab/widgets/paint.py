"""PaintMask: a mask painted by hand on a mixture's spectrogram."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anywidget
import ipywidgets
import numpy as np
import traitlets

from stemlab.errors import SettingError
from stemlab.pictures import picture as pictures
from stemlab.pictures.picture import Picture
from stemlab.widgets import module, source
from stemlab.widgets.maskview import grid_of
from stemlab.widgets.parts.lifetime import Fleeting
from stemlab.widgets.player import StemPlayer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stemlab.spectral import Spectrum


class PaintMask(Fleeting, anywidget.AnyWidget):
    """A spectrogram to paint a mask on: brush, harmonics, rectangle; add, erase, undo, clear.

    By mouse, pen or finger, or by keyboard: arrows move a cursor, space lowers and lifts the brush.

    Parameters
    ----------
    picture
        The mixture, with a frame to each column.

    Attributes
    ----------
    value
        The mask, uint8 [columns, rows] as bytes, 255 where all is kept; sent by the page at the end
        of each stroke. Set it to paint from Python.
    other
        Another mask to look at in place of one's own, like `value`, or ``b""``; a stroke ends it.
    goal
        A mask that the one seen can be compared with, like `value`, or ``b""``.
    player
        Whose play-head is shown, if any.

    Raises
    ------
    SettingError
        If the picture joins several frames to a column, or `value` has another size than it.

    Examples
    --------
    >>> from stemlab.pictures.picture import Picture
    >>> noise = np.random.default_rng(0).standard_normal((40, 2049, 2)).astype(np.complex64)
    >>> canvas = PaintMask(Picture.of(noise))
    >>> canvas.value = bytes([255]) * len(canvas.value)
    >>> round(float(spread(canvas.value, canvas.picture).min()), 3)
    1.0
    """

    _esm = module("paint.js")
    _css = source("parts/canvas.css") + source("paint.css")

    # Bytes come from the page as a view of memory.
    value = traitlets.Bytes().tag(sync=True, from_json=lambda value, _: bytes(value))
    other = traitlets.Bytes().tag(sync=True, from_json=lambda value, _: bytes(value))
    goal = traitlets.Bytes().tag(sync=True)
    cells = traitlets.Bytes().tag(sync=True)
    table = traitlets.Bytes().tag(sync=True)
    grid = traitlets.Dict().tag(sync=True)
    player = traitlets.Instance(StemPlayer, allow_none=True).tag(
        sync=True, **ipywidgets.widget_serialization
    )

    def __init__(self, picture: Picture) -> None:
        if picture.stride > 1:
            raise SettingError("the sound is too long to paint on; take a shorter excerpt")
        self.picture = picture
        levels = picture.columns[:, 0]
        super().__init__(
            cells=levels.tobytes(),
            table=pictures.level_table().tobytes(),
            grid=grid_of(picture),
            value=bytes(levels.size),
            layout={"width": "100%"},
        )

    @traitlets.validate("value", "other", "goal")
    def _fits(self, proposal: dict[str, Any]) -> bytes:
        none = proposal["trait"].name != "value" and not proposal["value"]
        if not none and len(proposal["value"]) != len(self.cells):
            raise SettingError(
                f"a mask for this picture has {len(self.cells)} bytes, not {len(proposal['value'])}"
            )
        return bytes(proposal["value"])


def spread(value: bytes, picture: Picture) -> NDArray[np.float32]:
    """Carry a painted mask from the rows of its picture to the bins of the transform.

    Each bin takes the mean of the rows that it reaches over; beyond the axis the outermost.

    Parameters
    ----------
    value
        uint8 [columns, rows] as bytes.
    picture
        What it was painted on.

    Returns
    -------
    float32 [frames, bins], 0 to 1.
    """
    painted = np.frombuffer(value, np.uint8).reshape(len(picture.columns), -1)
    return painted.astype(np.float32) @ (_reach(picture) / np.float32(255))


def gathered(mask: NDArray[np.float32], spectrum: Spectrum, picture: Picture) -> bytes:
    """Carry a mask from the bins of the transform to the rows of a picture, for `PaintMask`.

    Each row takes the mask where it is loudest.

    Parameters
    ----------
    mask
        [frames, bins, channels].
    spectrum
        The mixture, like the mask.
    picture
        The mixture's.

    Returns
    -------
    uint8 [columns, rows] as bytes.
    """
    masks = mask[..., None]
    shown = Picture.of(
        spectrum, masks, ["mask"], stft=picture.stft, rate=picture.rate, axis=picture.axis
    )
    return shown.columns[:, 1].tobytes()


def _reach(picture: Picture) -> NDArray[np.float32]:
    """Return how much each row counts in each bin, [rows, bins]; columns sum to 1."""
    axis, width = picture.axis, picture.rate / picture.stft.n_fft
    borders = (np.arange(picture.stft.bins + 1) - 0.5) * width
    places = axis.row(borders.clip(axis.low, axis.high))
    low, high = places[:-1], places[1:]
    # A bin that lies beyond the axis is a point at its end.
    low = np.minimum(low, axis.rows - 1e-3)
    high = np.maximum(high, low + 1e-3)
    rows = np.arange(axis.rows)[:, None]
    overlap = np.minimum(high, rows + 1) - np.maximum(low, rows)
    weights: NDArray[np.float32] = (overlap.clip(0) / (high - low)).astype(np.float32)
    return weights
