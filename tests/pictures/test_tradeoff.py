from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_hex

from stemlab.pictures import colours
from stemlab.pictures.tradeoff import (
    COSTS,
    SPAN,
    pareto,
    plot_heat_map,
    plot_tradeoff,
    point_tradeoff,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def panels(figure: Figure) -> dict[str, Axes]:
    return {title: axes for axes in figure.axes if (title := axes.get_title(loc="left"))}


@pytest.fixture(scope="module")
def swept() -> pd.DataFrame:
    """Make a sweep's table: two songs, six settings that cost more the better they are but one."""
    rows = [
        {
            "song": song, "estimate": "model", "stem": stem, "n_fft": n_fft, "hop": n_fft // part,
            "sdr": 3.0 + number - 4 * (n_fft == 2048 and part == 4) + i, "cpu": 0.1 * number,
        }
        for i, song in enumerate("ab")
        for stem in ("vocals", "drums")
        for number, (n_fft, part) in enumerate([(n, p) for n in (1024, 2048, 4096) for p in (2, 4)])
    ]  # fmt: skip
    oracle = {
        "song": "a",
        "estimate": "IRM",
        "stem": "drums",
        "n_fft": 1024,
        "hop": 256,
        "sdr": 12.0,
    }
    failed = {"song": "a", "estimate": "model", "n_fft": 64, "hop": 100, "error": "too long"}
    return pd.DataFrame([*rows, oracle, failed])


def test_the_tradeoff_shows_medians_and_their_front(swept: pd.DataFrame) -> None:
    [axes] = plot_tradeoff(swept, against="cpu").axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == (COSTS["cpu"], "SDR in dB")
    for points, line in zip(axes.collections, axes.lines, strict=False):
        offsets = np.asarray(points.get_offsets())
        np.testing.assert_allclose(offsets[:, 0], 0.1 * np.arange(6)[[1, 0, 3, 2, 5, 4]])
        front = offsets[pareto(*offsets.T)]
        drawn = np.asarray(line.get_xydata(), float)
        np.testing.assert_allclose(drawn, front[front[:, 0].argsort()])
        assert len(front) == 5
    assert np.asarray(axes.lines[-1].get_ydata())[0] == 12
    faces = [tuple(np.asarray(points.get_facecolor(), float)[0]) for points in axes.collections]
    assert [to_hex(face) for face in faces] == colours.hues(["vocals", "drums"])


def test_the_front_is_what_nothing_beats() -> None:
    cost, quality = np.random.default_rng(0).integers(0, 9, (2, 60)).astype(float)
    for i, best in enumerate(pareto(cost, quality)):
        better = (cost <= cost[i]) & (quality >= quality[i])
        better &= (cost < cost[i]) | (quality > quality[i])
        assert best == (not better.any())


def test_the_heat_map_shows_the_medians(swept: pd.DataFrame) -> None:
    figure = plot_heat_map(swept)
    shown = panels(figure)
    assert shown.keys() == {"vocals", "drums"}
    axes = shown["vocals"]
    assert axes.get_ylabel() == "window in samples"
    cells = np.asarray(axes.images[0].get_array())
    assert [label.get_text() for label in axes.get_yticklabels()] == ["1024", "2048", "4096"]
    assert cells[0].tolist()[:2] == [4.5, 3.5]
    assert {text.get_text() for text in axes.texts} == {
        f"{value:.2f}" for value in cells[~np.isnan(cells)]
    }


def test_little_differences_have_like_colours(swept: pd.DataFrame) -> None:
    flat = swept.assign(sdr=3 + swept.sdr / 1000)
    for figure, least in ((plot_heat_map(flat), SPAN), (plot_heat_map(swept), 4)):
        for axes in panels(figure).values():
            low, high = axes.images[0].get_clim()
            assert high - low >= least - 1e-9
            assert low <= np.nanmin(np.asarray(axes.images[0].get_array()))


def test_points_name_their_settings_and_hand_them_on(swept: pd.DataFrame) -> None:
    chosen: list[dict[str, object]] = []
    figure = point_tradeoff(swept, against="cpu", chosen=chosen.append)
    [axes] = plot_tradeoff(swept, against="cpu").axes
    for trace, points in zip(figure.data, axes.collections, strict=True):
        np.testing.assert_allclose(
            np.stack([trace.x, trace.y], 1), np.asarray(points.get_offsets())
        )
        front = pareto(np.asarray(trace.x), np.asarray(trace.y))
        assert set(np.asarray(trace.marker.size)[front]) == {13}
        for number, text in enumerate(trace.text):
            trace._dispatch_on_click(SimpleNamespace(point_inds=[number]), None)
            setting = chosen.pop()
            assert setting.keys() == {"n_fft", "hop"}
            assert text.startswith(f"{trace.name}: {trace.y[number]:.2f} dB SDR<br>")
            assert text.endswith(f"n_fft {setting['n_fft']}, hop {setting['hop']}")
    assert not chosen
    assert [line.y0 for line in figure.layout.shapes] == [12]


@pytest.mark.parametrize("plot", [plot_tradeoff, plot_heat_map])
def test_figures_stand_on_a_ground_of_their_own(plot: object, swept: pd.DataFrame) -> None:
    """They can be read on a dark page as on a light one."""
    assert callable(plot)
    figure = plot(swept.assign(latency=1.0))
    assert figure.get_facecolor() == (1, 1, 1, 1)
    assert not plt.get_fignums()
