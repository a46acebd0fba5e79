"""MaskView: spectrogram, masks and what is heard, in step with the player."""

from __future__ import annotations

from functools import singledispatch
from threading import Lock
from typing import TYPE_CHECKING, Any

import anywidget
import ipywidgets
import numpy as np
import traitlets

from stemlab.errors import SettingError
from stemlab.pictures import colours, picture
from stemlab.pictures.picture import Axis, Picture
from stemlab.separator import Separation
from stemlab.widgets import module, source
from stemlab.widgets.live import LivePlayer
from stemlab.widgets.parts.faders import Faders
from stemlab.widgets.parts.lifetime import Fleeting, weakly
from stemlab.widgets.player import StemPlayer

if TYPE_CHECKING:
    from stemlab.masks import Masks
    from stemlab.separator import StemBlock
    from stemlab.spectral import Spectrum

# Columns a message: some 300 kB, so that sound for the player gets in between.
COLUMNS = 256
# Seconds of a stream that are kept.
KEPT = 30.0


class MaskView(Fleeting, anywidget.AnyWidget):
    """A live picture of a mixture, its masks and what is heard.

    The left side shows the mixture's levels and below them ``mixture x Σ gain·mask``, painted in
    the browser as faders move; the right side shows the mask of each stem. Pointing reads time,
    frequency, levels and masks; Ctrl and the wheel zoom in time, Alt and the wheel in
    frequency; dragging scrolls, a click moves the play-head, and all of it works by keyboard.

    Parameters
    ----------
    shown
        A `StemPlayer`, whose clock, faders and separation the view follows; a `LivePlayer`, whose
        newest half minute the page paints by itself; or what is finished: a `Separation`, or a
        `Picture` of any spectrum and masks, with a play-head (`position`) and gains (`levels`) of
        the view's own.
    cells
        What a player's view shows from the start, as `show` takes it.

    Raises
    ------
    SettingError
        If it is none of these, or the player has nothing to play.

    Attributes
    ----------
    picture
        What is shown, also for `plot_spectrogram` and `plot_masks`; empty for a `LivePlayer`.
    position
        Play-head of a view without a player, in seconds.
    levels
        Gains of a view without a player, one for each stem.
    live
        Whether there is only what sounds now, and nowhere to go to.
    scale
        Of the frequency axis, ``"log"`` or ``"linear"``; a `Picture` keeps its own.

    Examples
    --------
    >>> from stemlab.spectral import Stft
    >>> noise = np.random.default_rng(0).standard_normal((44_100, 2), dtype=np.float32)
    >>> spectrum = Stft().analyse(noise)
    >>> half = np.full((*spectrum.shape, 2), 0.5, np.float32)
    >>> view = MaskView(Picture.of(spectrum, half, ["vocals", "accompaniment"]))
    >>> view.levels = [1, 0]  # keep the vocals only
    """

    _esm = module("maskview.js")
    _css = source("parts/canvas.css") + source("maskview.css")

    player = traitlets.Instance(Faders, allow_none=True).tag(
        sync=True, **ipywidgets.widget_serialization
    )
    stems = traitlets.List(traitlets.Unicode()).tag(sync=True)
    hues = traitlets.List(traitlets.Unicode()).tag(sync=True)
    tables = traitlets.Bytes().tag(sync=True)
    grid = traitlets.Dict().tag(sync=True)
    levels = traitlets.List(traitlets.Float()).tag(sync=True)
    position = traitlets.Float(0).tag(sync=True)
    live = traitlets.Bool().tag(sync=True)
    scale = traitlets.Enum(("log", "linear"), "log").tag(sync=True)
    scales = traitlets.List(traitlets.Unicode()).tag(sync=True)  # among which one may choose

    def __init__(
        self,
        shown: StemPlayer | LivePlayer | Separation | Picture,
        cells: tuple[Spectrum, Masks] | None = None,
    ) -> None:
        self._heard = shown if isinstance(shown, StemPlayer) else None
        self._shown = shown
        self._given = cells
        self.picture = self._begun(Axis())
        self._lock = Lock()
        self._asked = False
        names = list(self.picture.stems)
        hues = colours.hues(names)
        super().__init__(
            player=shown if isinstance(shown, Faders) else None,
            live=isinstance(shown, LivePlayer),
            stems=names,
            hues=hues,
            tables=_tables(hues),
            grid=self._grid(),
            levels=[1.0] * len(names),
            scale=self.picture.axis.scale,
            scales=[self.picture.axis.scale] if shown is self.picture else ["log", "linear"],
        )
        self.on_msg(self._answer)
        self._painter = weakly(self._paint)
        if self._heard and not cells:
            self._heard.on_block(self._painter)
        if isinstance(shown, LivePlayer):
            shown.observe(weakly(self._reframe), "model")

    @traitlets.validate("scale")
    def _check_scale(self, proposal: dict[str, Any]) -> str:
        scale: str = proposal["value"]
        if self.scales and scale not in self.scales:
            raise SettingError(
                f"a Picture keeps its axis: make one with Axis({scale!r}), or show the song"
            )
        return scale

    @traitlets.observe("scale")
    def _rescale(self, change: dict[str, Any]) -> None:
        """Paint all anew on the other axis."""
        if change["new"] != self.picture.axis.scale:
            self._renew(Axis(change["new"]))

    def _reframe(self, _change: object) -> None:
        """Paint all anew with the frames of another model."""
        self._renew(self.picture.axis)

    def _renew(self, axis: Axis) -> None:
        with self._lock:
            self.picture = self._begun(axis)
            self.grid = self._grid()
            if self._asked:
                self._post_all()
        if self._heard and not self._given:
            self._heard.on_block(self._painter, remove=True)
            self._heard.on_block(self._painter)

    def _begun(self, axis: Axis) -> Picture:
        """Return the picture as far as it is known at once."""
        picture = _picture(self._shown, axis)
        if self._given:
            picture.paint(0, *self._given)
        return picture

    def _grid(self) -> dict[str, Any]:
        grid, live = grid_of(self.picture), self._shown
        return _rolling(grid, live, self.picture) if isinstance(live, LivePlayer) else grid

    def show(self, spectrum: Spectrum, masks: Masks) -> None:
        """Show these from now on, and no longer what the player's stems look like.

        For masks that are known before they are heard: the whole song's, as `Picture.paint` takes
        them. What is heard looks a little different: the windows of a transform overlap, so a part
        of what one leaves out comes back by the next.
        """
        self.end()
        with self._lock:
            self._given = (spectrum, masks)
            self._add(0, spectrum, masks)

    def end(self) -> None:
        """Follow the player no longer."""
        if self._heard:
            self._heard.on_block(self._painter, remove=True)

    def _paint(self, block: StemBlock) -> None:
        """Take a part that was separated; called on the player's thread."""
        with self._lock:
            if not self._given:
                self._add(block.frame, block.spectrum, block.masks)

    def _add(self, frame: int, spectrum: Spectrum, masks: Masks) -> None:
        touched = self.picture.paint(frame, spectrum, masks)
        if self._asked:
            self._post(touched)

    def _answer(self, _widget: object, _content: object, _buffers: object) -> None:
        """Send all that is painted to a page that has just come."""
        with self._lock:
            self._asked = True
            self._post_all()

    def _post_all(self) -> None:
        edges = np.flatnonzero(np.diff(self.picture.painted, prepend=False, append=False))
        for start, stop in edges.reshape(-1, 2):
            self._post(range(start, stop))

    def _post(self, columns: range) -> None:
        for first in columns[::COLUMNS]:
            count = min(COLUMNS, columns.stop - first)
            cells = self.picture.columns[first : first + count]
            self.send({"first": int(first)}, [cells.data])


@singledispatch
def _picture(shown: object, _axis: Axis) -> Picture:
    """Return the picture of what is to be shown; a player's fills later."""
    raise SettingError(
        f"a {type(shown).__name__} cannot be shown: pass a StemPlayer, a Separation or a Picture"
    )


@_picture.register
def _(picture: Picture, _axis: Axis) -> Picture:
    return picture


@_picture.register
def _(player: StemPlayer, axis: Axis) -> Picture:
    if player.track is None:
        raise SettingError(player.error)
    track, stft = player.track, player.stft
    return Picture(track.names, stft.frames(track.length), stft=stft, rate=track.rate, axis=axis)


@_picture.register
def _(live: LivePlayer, axis: Axis) -> Picture:
    if live.error:
        raise SettingError(live.error)
    stft = live.card.stft
    columns = round(KEPT * live.rate / stft.hop)
    return Picture(live.stems, columns, stft=stft, rate=live.rate, axis=axis)


@_picture.register
def _(separation: Separation, axis: Axis) -> Picture:
    stems = {name: stem.samples for name, stem in separation.stems.items()}
    return Picture.of_stems(stems, rate=separation.rate, axis=axis)


def grid_of(shown: Picture) -> dict[str, Any]:
    """Return what the cells stand for, as maskview.js declares it."""
    return {
        "columns": len(shown.columns),
        "rows": shown.axis.rows,
        "pace": shown.pace,
        "origin": shown.origin,
        "scale": shown.axis.scale,
        "low": shown.axis.low,
        "high": shown.axis.high,
        "floor": picture.FLOOR,
        "ceiling": picture.CEILING,
        "shown": list(picture.SHOWN),
    }


def _rolling(grid: dict[str, Any], live: LivePlayer, shown: Picture) -> dict[str, Any]:
    """Return the grid of a stream: it begins behind as many columns as are kept.

    And with the bins of each row and the network whose frames they are, since the page makes the
    columns.
    """
    bins = {"starts": shown.starts.tolist(), "stop": shown.stop, "network": live.card.sha256}
    return grid | bins | {"origin": shown.origin - len(shown.columns) / shown.pace}


def _tables(hues: list[str]) -> bytes:
    """Return the colour tables: of levels, then of each mask by night, then by day."""
    masks = [colours.ramp(hue, dark=dark) for dark in (True, False) for hue in hues]
    tables: bytes = np.stack([picture.level_table(), *masks]).tobytes()
    return tables
