"""Chart: a drawing on a canvas, there as soon as its data are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anywidget
import traitlets

from stemlab.pictures import colours
from stemlab.widgets import module, source
from stemlab.widgets.parts.lifetime import Fleeting

if TYPE_CHECKING:
    from stemlab.pictures.drawing import Drawing


class Chart(Fleeting, anywidget.AnyWidget):
    """Panels with lines, areas and cells, painted in the page in its theme.

    Examples
    --------
    >>> from stemlab.pictures.drawing import Drawing, Panel, Scale, line
    >>> wave = line([0, 1], [0, 0.5], "#0072b2")
    >>> chart = Chart()
    >>> chart.show(Drawing("a line", [Panel("Wave", Scale(0, 1), Scale(-1, 1), [wave])]))
    >>> chart.told, len(chart.panels)
    ('a line', 1)
    >>> chart.close()
    """

    _esm = module("chart.js")
    _css = source("chart.css")
    told = traitlets.Unicode().tag(sync=True)
    panels = traitlets.List(traitlets.Dict()).tag(sync=True)
    table = traitlets.Bytes().tag(sync=True)

    def __init__(self) -> None:
        super().__init__(table=colours.magma().tobytes(), layout={"width": "100%"})

    def show(self, drawing: Drawing) -> None:
        """Show another drawing."""
        with self.hold_sync():
            self.told = drawing.told
            self.panels = drawing.plain()
