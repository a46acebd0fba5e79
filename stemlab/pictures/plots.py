"""Figures to keep: what MaskView shows, drawn by matplotlib with the same colours and axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stemlab.pictures import colours
from stemlab.pictures.picture import SHOWN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from numpy.typing import NDArray

    from stemlab.pictures.picture import Axis, Picture

KILO = 1000
OCTAVES = np.outer(10.0 ** np.arange(1, 5), (1, 3)).ravel()


def plot_spectrogram(picture: Picture) -> Figure:
    """Draw the mixture's levels.

    Parameters
    ----------
    picture
        What to draw: `Picture.of` a spectrum, or the `picture` of a MaskView.

    Examples
    --------
    >>> from stemlab.pictures.picture import Picture
    >>> noise = np.random.default_rng(0).standard_normal((40, 2049, 2)).astype(np.complex64)
    >>> figure = plot_spectrogram(Picture.of(noise))
    >>> [axes.get_ylabel() for axes in figure.axes]
    ['', 'dB']
    """
    figure = new_figure(9, 4)
    [axes] = _column(figure, 1)
    draw_levels(axes, picture, picture.levels(), "Mixture")
    return figure


def plot_masks(picture: Picture, levels: Sequence[float] | None = None) -> Figure:
    """Draw the mixture and beside it the mask of each stem.

    Parameters
    ----------
    picture
        What to draw: `Picture.of` a spectrum and its masks, or the `picture` of a MaskView.
    levels
        Gains of the stems: what is kept with them, mixture x Σ gain·mask, is drawn too.

    Examples
    --------
    >>> from stemlab.pictures.picture import Picture
    >>> noise = np.random.default_rng(0).standard_normal((40, 2049, 2)).astype(np.complex64)
    >>> half = np.full((40, 2049, 2, 2), 0.5, np.float32)
    >>> figure = plot_masks(Picture.of(noise, half, ["vocals", "accompaniment"]))
    >>> titles = [axes.get_title(loc="left") for axes in figure.axes]
    >>> [title for title in titles if title]
    ['Mixture', 'Mask: vocals', 'Mask: accompaniment']
    """
    figure = new_figure(12, max(4, 1.7 * len(picture.stems)))
    left, right = figure.subfigures(1, 2, squeeze=False)[0]
    panels = {"Mixture": picture.levels()}
    if levels is not None:
        panels["What you keep"] = picture.heard(levels)
    for axes, (title, cells) in zip(_column(left, len(panels)), panels.items(), strict=True):
        draw_levels(axes, picture, cells, title)
    masks, hues = picture.masks(), colours.hues(picture.stems)
    for i, axes in enumerate(_column(right, len(hues))):
        table = colours.ramp(hues[i], dark=False)
        draw_cells(axes, picture, masks[..., i], f"Mask: {picture.stems[i]}", table, (0, 1))
    return figure


def new_figure(width: float, height: float) -> Figure:
    """Return a figure that a notebook shows where it is the cell's value, and only there."""
    from matplotlib import pyplot as plt

    figure = plt.figure(figsize=(width, height), layout="constrained")
    plt.close(figure)
    return figure


def _column(figure: Figure | SubFigure, count: int) -> list[Axes]:
    """Return axes one below the other that zoom together."""
    column = list(figure.subplots(count, 1, sharex=True, sharey=True, squeeze=False)[:, 0])
    column[-1].set_xlabel("time in s")
    return column


def draw_levels(axes: Axes, picture: Picture, cells: NDArray[np.float32], title: str) -> None:
    """Draw levels [columns, rows] in dB on the picture's axes."""
    draw_cells(axes, picture, cells, title, colours.magma(), SHOWN, "dB")


def draw_cells(
    axes: Axes,
    picture: Picture,
    cells: NDArray[np.float32],
    title: str,
    table: colours.Table,
    limits: tuple[float, float],
    unit: str = "",
) -> None:
    """Draw cells [columns, rows] on the picture's axes.

    Parameters
    ----------
    axes
        Where; the vertical axis is labelled, the time axis is not.
    picture
        What the cells' columns and rows stand for.
    cells
        Values, [columns, rows].
    title
        Stands above.
    table, limits, unit
        Colours, the values of the first and the last of them, and what is written beside them.
    """
    from matplotlib.colors import ListedColormap

    image = axes.imshow(
        cells.T,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        extent=(picture.origin, picture.end, 0, picture.axis.rows),
        cmap=ListedColormap(table / 255),
        vmin=limits[0],
        vmax=limits[1],
    )
    axes.set_title(title, loc="left")
    axes.figure.colorbar(image, ax=axes, label=unit, pad=0.01)
    hertz = _ticks(picture.axis)
    axes.set_yticks(picture.axis.row(hertz), [_label(value) for value in hertz])


def _ticks(axis: Axis) -> NDArray[np.float64]:
    """Return the round frequencies that the axis shows."""
    from matplotlib.ticker import MaxNLocator

    if axis.scale == "log":
        hertz = OCTAVES
    else:
        evenly = MaxNLocator(10, steps=[1, 2, 5, 10])
        hertz = np.asarray(evenly.tick_values(axis.low, axis.high))
    return hertz[(hertz >= axis.low) & (hertz <= axis.high)]


def _label(hertz: float) -> str:
    """Write a frequency.

    >>> _label(500), _label(2000)
    ('500 Hz', '2 kHz')
    """
    return f"{hertz / 1000:g} kHz" if hertz >= KILO else f"{hertz:g} Hz"
