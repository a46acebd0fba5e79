"""What was tried in the tuning lab: a list to go back by, and A/B with the setting before."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import ipywidgets

from stemlab.labs.bill import duration

if TYPE_CHECKING:
    from collections.abc import Callable

    from stemlab.labs.trial import Outcome

    Values = dict[str, Any]

STYLE = """<style>
.stemlab-history select { font-size: 12px; font-variant-numeric: tabular-nums; }
.stemlab-history .widget-select { flex: 1; }
</style>"""


class History(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """All settings that were heard, the newest on top; choosing one goes back to it.

    Parameters
    ----------
    labels
        What settings are called, where that is not their name.
    choose
        Called with the values to go back to.

    Attributes
    ----------
    tried
        The values of each row.
    before
        What was heard before what is heard now.
    """

    def __init__(self, labels: dict[str, str], choose: Callable[[Values], None]) -> None:
        self.tried: list[Values] = []
        self.before: Values | None = None
        self._now: Values | None = None
        self._labels, self._choose = labels, choose
        self._rows: list[str] = []
        self._swap = ipywidgets.Button(
            description="A/B: the setting before",
            tooltip="Hear the setting before; press again to come back",
            disabled=True,
            layout=ipywidgets.Layout(width="auto"),
        )
        self._swap.on_click(self._go_to_before)
        self._list = ipywidgets.Select(rows=5, layout=ipywidgets.Layout(width="97%"))
        self._list.description = "history"
        self._list.style.description_width = "50px"
        self._list.observe(self._go_back, "index")
        super().__init__([ipywidgets.HTML(STYLE), self._swap, self._list])
        self.add_class("stemlab-history")

    def add(self, values: Values, outcome: Outcome) -> None:
        """Note what is heard now."""
        if values == self._now:
            return
        self.before, self._now = self._now, values
        self._swap.disabled = self.before is None
        if values not in self.tried:
            self.tried.insert(0, values)
            self._rows.insert(0, self._row(values, outcome))
            self._list.options = self._rows
        self._list.index = self.tried.index(values)

    def _go_to_before(self, _: object) -> None:
        if self.before is not None:
            self._choose(self.before)

    def _go_back(self, change: Any) -> None:
        values = None if change["new"] is None else self.tried[change["new"]]
        if values not in (None, self._now):
            self._choose(values)

    def _row(self, values: Values, outcome: Outcome) -> str:
        first, account = self.tried[-1], outcome.account
        differs = [
            f"{self._labels.get(name, name)} {_written(value)}"
            for name, value in values.items()
            if value != first[name]
        ]
        known = [value for value in outcome.sdr.values() if not math.isnan(value)]
        facts = [
            f"{len(self.tried)}. {', '.join(differs) or 'as it began'}",
            *([f"{sum(known) / len(known):.2f} dB"] if known else []),
            duration(account.algorithmic),
            f"{account.speed:.0f} ×",
        ]
        return " · ".join(facts)


def _written(value: Any) -> str:
    """Write a value.

    >>> _written(16.1234), _written(4096), _written("1/4")
    ('16.1', '4096', '1/4')
    """
    return f"{value:.3g}" if isinstance(value, float) else str(value)
