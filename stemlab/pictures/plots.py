"""Figures to keep: what MaskView shows, drawn by matplotlib with the same colours and axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stemlab.pictures import colours
from stemlab.pictures.picture import SHOWN

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from numpy.typing import NDArray

    from stemlab.pictures.picture import Axis, Picture

# What the axes of costs and of settings are called.
COSTS = {
    "latency": "latency in s",
    "algorithmic": "algorithmic latency in s",
    "window_latency": "latency of the windows in s",
    "compute": "compute latency in s",
    "cpu": "CPU seconds per second of sound",
    "memory": "peak memory in bytes",
}
AXES = {
    "n_fft": "window in samples",
    "hop": "hop in samples",
    "exponent": "mask exponent",
    "past": "past in frames",
    "lookahead": "look-ahead in frames",
    "overlap": "overlap in frames",
}
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
    figure = _figure(9, 4)
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
    figure = _figure(12, max(4, 1.7 * len(picture.stems)))
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


def plot_tradeoff(table: pd.DataFrame, against: str = "latency", score: str = "sdr") -> Figure:
    """Draw quality against what it costs: a point for each setting and stem, medians over songs.

    Settings that no other beats in both are ringed and joined: the Pareto front of the stem. Dashed
    lines stand at the best oracle of the stem in any of the transforms.

    Parameters
    ----------
    table
        From `stemlab.research.sweep.sweep`.
    against
        Name of the column of the cost, one of `COSTS`.
    score
        Name of the column of the quality, such as ``"si_sdr"``.

    Examples
    --------
    >>> import pandas as pd
    >>> settings = {"n_fft": [1024, 2048, 4096], "sdr": [3.0, 5.0, 4.0], "cpu": [0.1, 0.2, 0.3]}
    >>> rows = pd.DataFrame(settings | {"song": "a", "stem": "bass", "estimate": "model"})
    >>> [axes] = plot_tradeoff(rows, against="cpu").axes
    >>> axes.get_xlabel(), axes.get_ylabel()
    ('CPU seconds per second of sound', 'SDR in dB')
    """
    figure = _figure(7, 4.5)
    axes = figure.subplots()
    stems = _stems(table)
    for stem, hue in zip(stems, colours.hues(stems), strict=True):
        own = table[table.stem == stem]
        medians = _medians(own[own.estimate == "model"], [against, score])
        cost, quality = medians[against].to_numpy(), medians[score].to_numpy()
        axes.scatter(cost, quality, 18, hue, label=stem)
        best = pareto(cost, quality)
        line = np.argsort(cost[best])
        axes.plot(cost[best][line], quality[best][line], "o-", color=hue, mfc="none", ms=9, lw=1)
        oracles = _medians(own[own.estimate != "model"], [score])
        if len(oracles):
            axes.axhline(oracles[score].max(), color=hue, ls="--", lw=1)
    axes.set_xlabel(COSTS[against])
    axes.set_ylabel(_unit(score))
    axes.grid(alpha=0.3)
    figure.legend(
        title="○ Pareto front\n– – best oracle", fontsize="small", loc="outside right upper"
    )
    return figure


def plot_heat_map(
    table: pd.DataFrame, rows: str = "n_fft", columns: str = "hop", score: str = "sdr"
) -> Figure:
    """Draw the model's quality over two settings, a panel for each stem, medians over all else.

    Parameters
    ----------
    table
        From `stemlab.research.sweep.sweep`.
    rows, columns
        Names of the columns of the settings.
    score
        Name of the column of the quality.
    """
    from matplotlib.colors import ListedColormap

    stems = _stems(table)
    lines = -(-len(stems) // 2)
    figure = _figure(9, 3.6 * lines)
    grid = figure.subplots(lines, 2, squeeze=False).ravel()
    for axes in grid[len(stems) :]:
        axes.remove()
    for axes, stem in zip(grid, stems, strict=False):
        own = table[(table.stem == stem) & (table.estimate == "model")]
        cells = own.pivot_table(index=rows, columns=columns, values=score, aggfunc="median")
        values = cells.to_numpy()
        image = axes.imshow(
            values, origin="lower", aspect="auto", cmap=ListedColormap(colours.magma() / 255)
        )
        middle = (np.nanmin(values) + np.nanmax(values)) / 2
        for (i, j), value in np.ndenumerate(values):
            if not np.isnan(value):
                ink = "white" if value < middle else "black"
                axes.text(j, i, f"{value:.2f}", ha="center", va="center", color=ink)
        axes.set_xticks(range(len(cells.columns)), map(_setting, cells.columns))
        axes.set_yticks(range(len(cells.index)), map(_setting, cells.index))
        axes.set_xlabel(AXES.get(columns, columns))
        axes.set_ylabel(AXES.get(rows, rows))
        axes.set_title(stem, loc="left")
        figure.colorbar(image, ax=axes, label=_unit(score))
    return figure


def pareto(cost: NDArray[np.float64], quality: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell which points no other beats: none is as cheap and better, or cheaper and as good.

    Examples
    --------
    >>> pareto(np.array([1.0, 2, 3]), np.array([5.0, 4, 6]))
    array([ True, False,  True])
    """
    no_dearer = cost[:, None] <= cost
    no_worse = quality[:, None] >= quality
    apart = (cost[:, None] < cost) | (quality[:, None] > quality)
    beaten: NDArray[np.bool_] = (no_dearer & no_worse & apart).any(0)
    return ~beaten


def _stems(table: pd.DataFrame) -> list[str]:
    return [str(stem) for stem in table.stem.dropna().unique()]


def _medians(table: pd.DataFrame, values: list[str]) -> pd.DataFrame:
    """Return the medians over songs, a row for each setting and oracle."""
    from stemlab.research.sweep import SETTINGS

    settings = [name for name in ("estimate", *SETTINGS) if name in table]
    return table.groupby(settings, dropna=False)[values].median()


def _setting(value: object) -> str:
    """Write a setting; where rows lack it pandas makes floats of whole numbers.

    >>> _setting(256.0), _setting(1.5), _setting("hann")
    ('256', '1.5', 'hann')
    """
    return f"{value:g}" if isinstance(value, (int, float)) else str(value)


def _unit(score: str) -> str:
    return f"{score.upper().replace('_', '-')} in dB"


def _figure(width: float, height: float) -> Figure:
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
