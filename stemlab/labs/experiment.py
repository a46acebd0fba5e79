"""One step of a lesson: something to move, and the sound, words and picture that follow it."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakSet

import ipywidgets
import numpy as np

from stemlab.errors import StemlabError
from stemlab.sound.audio import RATE, Audio
from stemlab.widgets.chart import Chart
from stemlab.widgets.maskview import MaskView
from stemlab.widgets.parts.lifetime import Fleeting
from stemlab.widgets.player import StemPlayer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from stemlab.masks import Masks
    from stemlab.pictures.drawing import Drawing
    from stemlab.spectral import Samples, Spectrum


ROW = {"flex_flow": "row wrap", "align_items": "flex-end"}


@dataclass(frozen=True)
class Outcome:
    """What an experiment gives for one setting of its controls.

    Attributes
    ----------
    sounds
        What plays, by name, each [samples, 2]; names, number and length stay the same. Or what
        works them out, when the picture has gone out.
    words
        What to know of it, in HTML; or what works it out, when the sound has gone out.
    drawing
        What to see of it, if a `MaskView` does not show it.
    cells
        What a `MaskView` shows, as its `show` takes it; without them, what the sounds look like.
    """

    sounds: dict[str, Samples] | Callable[[], dict[str, Samples]]
    words: str | Callable[[], str]
    drawing: Drawing | None = None
    cells: tuple[Spectrum, Masks] | None = None


class Experiment(Fleeting, ipywidgets.VBox):  # type: ignore[misc]
    """Controls, and below them what they make: words, picture, player.

    Each change is worked out in a thread of its own and heard at once where the music plays; of
    changes that come meanwhile only the last is worked out. Only one experiment plays at a time.

    Parameters
    ----------
    make
        Takes the controls' values by name. What is wrong with them it says by raising a
        `StemlabError`: its sentence is shown below the controls, and all else stays as it was.
    controls
        Widgets with a value, by name.
    solo
        Which of the sounds is heard alone at first; all of them without it.
    starts
        The control whose change is heard at once, also where nothing plays yet.
    view
        Whether a `MaskView` shows the sounds as parts of their sum.

    Attributes
    ----------
    controls, player, words, chart
        The parts; ``controls["stem"].value = "bass"`` does what the page does. The chart is there
        only where there is something to draw.

    Examples
    --------
    >>> import numpy as np
    >>> def tone(level):
    ...     return Outcome({"tone": np.full((44_100, 2), level, np.float32)}, f"level {level}")
    >>> half = Experiment(tone, {"level": ipywidgets.FloatSlider(0.5, max=1)})
    >>> half.controls["level"].value = 0.25
    >>> half.settle()
    >>> half.words.value, float(half.player.track.read(0, 1)[0].max())
    ('level 0.25', 0.25)
    >>> half.close()
    """

    _all: ClassVar[WeakSet[Experiment]] = WeakSet()

    def __init__(
        self,
        make: Callable[..., Outcome],
        controls: Mapping[str, Any],
        *,
        solo: str = "",
        starts: str = "",
        view: bool = False,
    ) -> None:
        self._make = make
        self._starts = starts
        self._lock = Lock()
        self._worker: Thread | None = None
        self.controls = dict(controls)
        self.words = ipywidgets.HTML()
        self._values = self._read()
        outcome = make(**self._values)
        self.chart = Chart() if outcome.drawing else None
        self.player = StemPlayer(_audio(outcome))
        self.player.loop = [0.0, self.player.duration]
        if solo:
            self.player.solo(solo)
        self.player.observe(self._alone, "playing")
        self.view: MaskView | None = None
        self._draw(outcome)
        self._say(outcome)
        for control in self.controls.values():
            control.observe(self._change, "value")
        if view:
            self.view = MaskView(self.player, outcome.cells)
        chart = [self.chart] if self.chart else []
        masks = [self.view] if self.view else []
        row = ipywidgets.Box([*self.controls.values()], layout=ROW)
        super().__init__([row, self.words, *chart, self.player, *masks])
        self._all.add(self)

    def close(self) -> None:
        """Stop the sound and remove all."""
        self._all.discard(self)
        self.settle()
        for part in (self.view, self.chart):
            if part:
                part.close()
        self.player.close()
        super().close()

    def _read(self) -> dict[str, Any]:
        return {name: control.value for name, control in self.controls.items()}

    def settle(self) -> None:
        """Wait until all follows the controls."""
        while self._worker and self._worker.is_alive():
            self._worker.join()

    def _change(self, _change: Any) -> None:
        """Follow the controls, but let the page's messages through meanwhile."""
        self._worker = Thread(target=self._follow, daemon=True)
        self._worker.start()

    def _follow(self) -> None:
        with self._lock:
            values = self._read()
            before, self._values = self._values, values
            if values == before:
                return
            try:
                outcome = self._make(**values)
            except StemlabError as error:
                self.words.value = f"<b>{escape(str(error))}</b>"
                return
            self._draw(outcome)
            self.player.replace(_audio(outcome))
            if self._starts and values[self._starts] != before[self._starts]:
                self.player.play()
            self.player.settle()  # the view's picture before the words
            self._say(outcome)

    def _draw(self, outcome: Outcome) -> None:
        if self.chart and outcome.drawing:
            self.chart.show(outcome.drawing)
        if self.view and outcome.cells:
            self.view.show(*outcome.cells)

    def _say(self, outcome: Outcome) -> None:
        words = outcome.words
        self.words.value = words if isinstance(words, str) else words()

    def _alone(self, change: Any) -> None:
        """Let the others fall silent when this one plays."""
        for other in list(self._all) if change["new"] else []:
            if other is not self:
                other.player.pause()


def _audio(outcome: Outcome) -> dict[str, Audio]:
    sounds = outcome.sounds if isinstance(outcome.sounds, dict) else outcome.sounds()
    return {name: Audio(sound, RATE) for name, sound in sounds.items()}


def kept_and_rest(mix: Samples, kept: Samples) -> dict[str, Samples]:
    """Return what is kept of a mixture and what is not, which sum to it; each [samples, 2]."""
    return {"kept": kept, "rest": mix - kept}


def db(value: float) -> str:
    """Write decibels.

    >>> db(-3.14159)
    '−3.1 dB'
    """
    if not np.isfinite(value):
        return "−∞ dB" if value < 0 else "∞ dB"
    return f"{round(value, 1) + 0.0:.1f} dB".replace("-", "−")


def wide(width: int) -> dict[str, object]:
    """Return the look of a control that is so many pixels wide, with its name in full."""
    look = {"width": f"{width}px", "margin": "2px 12px 2px 2px"}
    return {"layout": look, "style": {"description_width": "initial"}}


def menu(name: str, options: Sequence[str], value: str | None = None) -> ipywidgets.Dropdown:
    """Return a menu of names."""
    return ipywidgets.Dropdown(
        options=options, value=value or options[0], description=name, **wide(250)
    )


def choice(name: str, options: Sequence[str]) -> ipywidgets.ToggleButtons:
    """Return buttons of which one is down."""
    style = {"description_width": "50px", "button_width": "auto"}
    look = {"width": "max-content", "margin": "2px 12px 2px 2px"}
    return ipywidgets.ToggleButtons(options=options, description=name, style=style, layout=look)


def steps(name: str, options: Sequence[object], value: object) -> ipywidgets.SelectionSlider:
    """Return a slider over some values."""
    return ipywidgets.SelectionSlider(
        options=options, value=value, description=name, continuous_update=False, **wide(330)
    )


def slider(
    name: str,
    value: float,
    low: float,
    high: float,
    step: float,
    width: int = 330,
) -> ipywidgets.FloatSlider:
    """Return a slider over numbers."""
    return ipywidgets.FloatSlider(
        value,
        min=low,
        max=high,
        step=step,
        description=name,
        continuous_update=False,
        **wide(width),
    )
