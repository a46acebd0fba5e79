"""Quality against what it costs, of a sweep: figures to keep, and one to point at."""

from __future__ import annotations

from functools import partial
from textwrap import wrap
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from stemlab.errors import need
from stemlab.pictures import colours
from stemlab.pictures.plots import new_figure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pandas as pd
    from matplotlib.figure import Figure
    from numpy.typing import NDArray
    from plotly.callbacks import Points
    from plotly.graph_objects import FigureWidget

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

# dB that a heat map's colours span at least, so that what nobody hears does not look like much.
SPAN = 3.0
# Letters in a line of what a point tells.
LINE = 45


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
    figure = new_figure(7, 4.5)
    axes = figure.subplots()
    for stem in _clouds(table, against, score):
        axes.scatter(stem.cost, stem.quality, 18, stem.hue, label=stem.name)
        best = pareto(stem.cost, stem.quality)
        cost, quality = stem.cost[best], stem.quality[best]
        line = np.argsort(cost)
        axes.plot(cost[line], quality[line], "o-", color=stem.hue, mfc="none", ms=9, lw=1)
        if stem.oracle is not None:
            axes.axhline(stem.oracle, color=stem.hue, ls="--", lw=1)
    axes.set_xlabel(COSTS[against])
    axes.set_ylabel(f"{_name(score)} in dB")
    axes.grid(alpha=0.3)
    figure.legend(
        title="○ Pareto front\n– – best oracle", fontsize="small", loc="outside right upper"
    )
    return figure


def point_tradeoff(
    table: pd.DataFrame,
    against: str = "latency",
    score: str = "sdr",
    *,
    chosen: Callable[[dict[str, Any]], object] | None = None,
) -> FigureWidget:
    """Show quality against what it costs: as `plot_tradeoff`, but each point names its setting.

    Parameters
    ----------
    table, against, score
        See `plot_tradeoff`.
    chosen
        Called with the settings of a point that is clicked, by the names of the table's columns:
        ``lab.show`` of the tuning lab makes it heard.

    Raises
    ------
    SettingError
        If plotly or anywidget is not installed.

    Examples
    --------
    >>> import pandas as pd
    >>> settings = {"n_fft": [1024, 2048, 4096], "sdr": [3.0, 5.0, 4.0], "cpu": [0.1, 0.2, 0.3]}
    >>> rows = pd.DataFrame(settings | {"song": "a", "stem": "bass", "estimate": "model"})
    >>> figure = point_tradeoff(rows, against="cpu")
    >>> figure.data[0].text[1]
    'bass: 5.00 dB SDR<br>0.2 CPU seconds per second of sound<br>n_fft 2048'
    """
    need("plotly", "figures to point at need plotly", "research")
    need("anywidget", "figures to point at need anywidget", "lab")
    from plotly.graph_objects import FigureWidget

    figure = FigureWidget()
    for stem in _clouds(table, against, score):
        figure.add_scatter(
            x=stem.cost,
            y=stem.quality,
            name=stem.name,
            mode="markers",
            marker={"color": stem.hue, "size": np.where(pareto(stem.cost, stem.quality), 13, 7)},
            text=[
                f"{stem.name}: {quality:.2f} dB {_name(score)}<br>{cost:.3g} {COSTS[against]}"
                f"<br>{_words(settings)}"
                for settings, cost, quality in zip(
                    stem.settings, stem.cost, stem.quality, strict=True
                )
            ],
            hovertemplate="%{text}<extra></extra>",
        )
        if chosen is not None:
            figure.data[-1].on_click(partial(_hand_on, stem.settings, chosen))
        if stem.oracle is not None:
            figure.add_hline(stem.oracle, line={"color": stem.hue, "dash": "dash", "width": 1})
    figure.update_layout(
        xaxis_title=COSTS[against],
        yaxis_title=f"{_name(score)} in dB",
        legend_title_text="large: Pareto front<br>– – best oracle",
        template="plotly_white",
        height=420,
        margin={"l": 60, "r": 10, "t": 20, "b": 50},
    )
    return figure


def _hand_on(
    settings: Sequence[dict[str, Any]],
    chosen: Callable[[dict[str, Any]], object],
    _trace: object,
    points: Points,
    _state: object,
) -> None:
    for index in points.point_inds:
        chosen(settings[index])


class _Cloud(NamedTuple):
    """A stem's points: medians over songs, a point for each setting of the model."""

    name: str
    hue: str
    settings: list[dict[str, Any]]
    cost: NDArray[np.float64]
    quality: NDArray[np.float64]
    oracle: float | None


def _clouds(table: pd.DataFrame, against: str, score: str) -> Iterator[_Cloud]:
    from stemlab.research.sweep import known_settings

    stems = _stems(table)
    for stem, hue in zip(stems, colours.hues(stems), strict=True):
        own = table[table.stem == stem]
        medians = _medians(own[own.estimate == "model"], [against, score]).reset_index()
        oracles = _medians(own[own.estimate != "model"], [score])
        yield _Cloud(
            stem,
            hue,
            [known_settings(row) for row in medians.to_dict("records")],
            medians[against].to_numpy(),
            medians[score].to_numpy(),
            float(oracles[score].max()) if len(oracles) else None,
        )


def _words(settings: dict[str, Any]) -> str:
    told = ", ".join(f"{name} {_setting(value)}" for name, value in settings.items())
    return "<br>".join(wrap(told, LINE))


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
    figure = new_figure(9, 3.6 * lines)
    grid = figure.subplots(lines, 2, squeeze=False).ravel()
    for axes in grid[len(stems) :]:
        axes.remove()
    for axes, stem in zip(grid, stems, strict=False):
        own = table[(table.stem == stem) & (table.estimate == "model")]
        cells = own.pivot_table(index=rows, columns=columns, values=score, aggfunc="median")
        values = cells.to_numpy()
        low, high = _limits(values)
        image = axes.imshow(
            values,
            origin="lower",
            aspect="auto",
            cmap=ListedColormap(colours.magma() / 255),
            vmin=low,
            vmax=high,
        )
        for (i, j), value in np.ndenumerate(values):
            if not np.isnan(value):
                ink = "white" if value < (low + high) / 2 else "black"
                axes.text(j, i, f"{value:.2f}", ha="center", va="center", color=ink)
        axes.set_xticks(range(len(cells.columns)), map(_setting, cells.columns))
        axes.set_yticks(range(len(cells.index)), map(_setting, cells.index))
        axes.set_xlabel(AXES.get(columns, columns))
        axes.set_ylabel(AXES.get(rows, rows))
        axes.set_title(stem, loc="left")
        figure.colorbar(image, ax=axes, label=f"{_name(score)} in dB")
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


def _limits(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the values of the first and the last colour, at least `SPAN` apart.

    >>> _limits(np.array([5.0, 5.1])), _limits(np.array([1.0, 9.0]))
    ((3.55, 6.55), (1.0, 9.0))
    """
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    more = max(0.0, SPAN - (high - low)) / 2
    return low - more, high + more


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


def _name(score: str) -> str:
    return score.upper().replace("_", "-")
