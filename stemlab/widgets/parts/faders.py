"""The faders of a widget with stems: level, mute, solo and pan of each, and the master."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anywidget
import ipywidgets
import traitlets as t

from stemlab.errors import SettingError
from stemlab.mixer import Mix
from stemlab.pictures.colours import hues
from stemlab.widgets.parts.lifetime import Fleeting

if TYPE_CHECKING:
    from collections.abc import Sequence

# The lists of the mix, the scalar traits that go with them, and where they rest.
FIELDS: dict[str, tuple[str, Any]] = {
    "levels": ("", 1.0),
    "mutes": ("_mute", False),
    "solos": ("_solo", False),
    "pans": ("_pan", 0.0),
}


class Faders(Fleeting, anywidget.AnyWidget):
    """A widget with a fader for each stem.

    Attributes
    ----------
    stems
        Names of the stems. Each is an attribute too, its level from 0 to 1.5:
        ``player.vocals = 0.5``; so are ``player.vocals_mute``, ``_solo`` and ``_pan``.
    levels, mutes, solos, pans
        The same as lists; assign a new list to change one.
    master
        Level of the sum, 0 to 1.5. A limiter follows it.
    """

    stems = t.List(t.Unicode()).tag(sync=True)
    colours = t.List(t.Unicode()).tag(sync=True)
    levels = t.List(t.Float(min=0, max=1.5)).tag(sync=True)
    mutes = t.List(t.Bool()).tag(sync=True)
    solos = t.List(t.Bool()).tag(sync=True)
    pans = t.List(t.Float(min=-1, max=1)).tag(sync=True)
    master = t.Float(1.0, min=0, max=1.5).tag(sync=True)

    def _with_stems(self, stems: Sequence[str]) -> dict[str, Any]:
        """Add each stem's own traits; return the values of all, for the constructor."""
        taken = [name for name in stems if hasattr(self, name)]
        if taken:
            raise SettingError(f'a stem cannot be called "{taken[0]}" here; rename it')
        facts: dict[str, Any] = {"stems": list(stems), "colours": hues(stems)}
        for field, (suffix, rest) in FIELDS.items():
            kind = self.traits()[field]._trait  # noqa: SLF001 - of the list's items
            names = [name + suffix for name in stems]
            self.add_traits(**{name: _like(kind, rest).tag(sync=True) for name in names})
            self.observe(self._collect, names)
            facts[field] = [rest] * len(names)
        self.observe(self._spread, list(FIELDS))
        return facts

    def mute(self, *names: str) -> None:
        """Silence these stems and no others."""
        self.mutes = self._chosen(names)

    def solo(self, *names: str) -> None:
        """Let only these stems sound; without names all that are not muted."""
        self.solos = self._chosen(names)

    def _chosen(self, names: tuple[str, ...]) -> list[bool]:
        unknown = [name for name in names if name not in self.stems]
        if unknown:
            raise SettingError(f'no stem "{unknown[0]}" here; there are {", ".join(self.stems)}')
        return [name in names for name in self.stems]

    @property
    def mix(self) -> Mix:
        """The faders as they stand; `Mix.render` makes the same sound as the page."""
        return Mix(self.levels, self.mutes, self.solos, self.pans, self.master)

    @property
    def sliders(self) -> ipywidgets.VBox:
        """All faders and buttons as ipywidgets, linked in the browser, not through the kernel."""
        rows = [self._controls(name) for name in self.stems]
        master = ipywidgets.FloatSlider(description="master", min=0, max=1.5, step=0.01)
        ipywidgets.jslink((self, "master"), (master, "value"))
        return ipywidgets.VBox([*rows, master])

    def _controls(self, name: str) -> ipywidgets.HBox:
        controls = {
            "": ipywidgets.FloatSlider(description=name, min=0, max=1.5, step=0.01),
            "_mute": ipywidgets.ToggleButton(description="mute", tooltip=f"Mute {name}"),
            "_solo": ipywidgets.ToggleButton(description="solo", tooltip=f"Solo {name}"),
            "_pan": ipywidgets.FloatSlider(description="pan", min=-1, max=1, step=0.01),
        }
        for suffix, control in controls.items():
            control.value = getattr(self, name + suffix)
            ipywidgets.jslink((self, name + suffix), (control, "value"))
        return ipywidgets.HBox(list(controls.values()))

    def notify_change(self, change: Any) -> None:
        """Send a trait and what follows from it to the page in one message.

        In two, the page would answer the first with the old value of the second.
        """
        with self.hold_sync():
            super().notify_change(change)

    def _collect(self, _change: Any) -> None:
        """Let the lists follow a stem's trait."""
        for field, (suffix, _) in FIELDS.items():
            setattr(self, field, [getattr(self, name + suffix) for name in self.stems])

    def _spread(self, change: Any) -> None:
        """Let the stems' traits follow a list."""
        suffix, _ = FIELDS[change["name"]]
        with self.hold_trait_notifications():
            for name, value in zip(self.stems, change["new"], strict=True):
                self.set_trait(name + suffix, value)


def _like(kind: t.TraitType[Any, Any], rest: Any) -> t.TraitType[Any, Any]:
    """Return a new trait of the kind of a list's items."""
    if isinstance(kind, t.Float):
        return t.Float(rest, min=kind.min, max=kind.max)
    return t.Bool(rest)
