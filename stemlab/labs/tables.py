"""Tables of the lesson on masks whose values are also seen: bars, and cells in colour, as HTML."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from stemlab.pictures import colours

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

INK, FAINT = "#0072b2", "#999999"
CAPTION = "caption-side: bottom; text-align: left; padding: 4px 0"
NAME = "text-align: right; white-space: nowrap"
LIGHT = 2 / 3  # of magma's colours, from where on it is light
SILENT = -30.0  # dB, as dark as it gets


def bars(values: Mapping[str, float], chosen: str, label: str) -> str:
    """Return a bar for each value, the chosen one in colour.

    Examples
    --------
    >>> "<th scope='row'" in bars({"binary": 3, "ratio": 5}, "ratio", "SDR in dB")
    True
    """
    most = max(1e-9, *values.values())

    def row(name: str, value: float) -> str:
        hue, weight = (INK, 700) if name == chosen else (FAINT, 400)
        bar = f"width: {max(0.0, 80 * value / most):.1f}%; background: {hue}"
        return (
            f"<tr><th scope='row' style='{NAME}; font-weight: {weight}'>{escape(name)}"
            "</th><td style='width: 100%'><span style='display: inline-block; height: 14px; "
            f"vertical-align: -2px; margin-right: 8px; {bar}'></span>{_number(value)}</td></tr>"
        )

    rows = "".join(row(name, value) for name, value in values.items())
    look = "width: 100%; max-width: 760px; border-spacing: 8px 1px; line-height: 1.4"
    return _table(look, label, rows)


def leaks(table: NDArray[np.float64], stems: Sequence[str], asked: tuple[int, int]) -> str:
    """Return how much of each true stem goes where, [true, estimate] in dB of it.

    What is not known yet, NaN, stays open; the one that is asked for is ringed.
    """
    head = "".join(f"<th scope='col'>{escape(name)}</th>" for name in stems)
    rows = "".join(
        f"<tr><th scope='row' style='text-align: right; padding-right: 8px'>{escape(name)}</th>"
        + "".join(_cell(value, ringed=(i, j) == asked) for j, value in enumerate(table[i]))
        + "</tr>"
        for i, name in enumerate(stems)
    )
    said = "Rows: of the true stem. Columns: in the model's. In dB of the true stem."
    return _table("border-spacing: 2px", said, f"<tr><td></td>{head}</tr>{rows}")


def _cell(value: float, *, ringed: bool) -> str:
    unknown = np.isnan(value)
    share = 0.0 if unknown else float(np.clip(1 - value / SILENT, 0, 1))
    red, green, blue = colours.magma()[round(255 * share)]
    ink = "#000" if share > LIGHT else "#fff"
    ring = " outline: 3px solid #56b4e9; outline-offset: -3px;" if ringed else ""
    return (
        f"<td style='min-width: 72px; padding: 5px 10px; text-align: center; color: {ink}; "
        f"background: rgb({red} {green} {blue});{ring}'>{'' if unknown else _number(value)}</td>"
    )


def _table(look: str, caption: str, rows: str) -> str:
    said = f"<caption style='{CAPTION}'>{escape(caption)}</caption>"
    return f"<table style='{look}'>{said}{rows}</table>"


def _number(value: float) -> str:
    return f"{value:.1f}".replace("-", "−")
