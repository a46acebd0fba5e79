from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_hex

from stemlab.pictures import colours
from stemlab.pictures.picture import SHOWN, Axis, Picture
from stemlab.pictures.plots import (
    COSTS,
    pareto,
    plot_heat_map,
    plot_masks,
    plot_spectrogram,
    plot_tradeoff,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STEMS = ("vocals", "drums", "bass", "piano", "other")


def song(axis: Axis | None = None) -> Picture:
    random = np.random.default_rng(0)
    spectrum = (100 * random.standard_normal((50, 2049, 2))).astype(np.complex64)
    masks = random.random((50, 2049, 2, len(STEMS))).astype(np.float32)
    return Picture.of(spectrum, masks / masks.sum(-1, keepdims=True), STEMS, axis=axis)


def panels(figure: Figure) -> dict[str, Axes]:
    return {title: axes for axes in figure.axes if (title := axes.get_title(loc="left"))}


def test_the_figure_shows_the_cells_of_the_picture() -> None:
    picture = song()
    gains = [1, 0, 0.5, 0, 1]
    shown = panels(plot_masks(picture, gains))
    wanted = {
        "Mixture": picture.levels(),
        "What you keep": picture.heard(gains),
        **{f"Mask: {stem}": picture.masks()[..., i] for i, stem in enumerate(STEMS)},
    }
    assert shown.keys() == wanted.keys()
    for title, cells in wanted.items():
        np.testing.assert_array_equal(np.array(shown[title].images[0].get_array()), cells.T)


def test_colours_are_the_widgets() -> None:
    shown = panels(plot_masks(song()))
    for stem, hue in zip(STEMS, colours.hues(STEMS), strict=True):
        image = shown[f"Mask: {stem}"].images[0]
        assert image.get_clim() == (0, 1)
        np.testing.assert_array_equal(
            image.to_rgba(np.array([0.0, 0.4999, 1.0]), bytes=True)[:, :3],
            colours.ramp(hue, dark=False)[[0, 127, 255]],
        )
    assert shown["Mixture"].images[0].get_clim() == SHOWN


@pytest.mark.parametrize("axis", [Axis(), Axis("linear", 0, 16_000)])
def test_ticks_stand_at_their_frequencies(axis: Axis) -> None:
    [axes] = panels(plot_spectrogram(song(axis))).values()
    edges = np.interp(axes.get_yticks(), np.arange(axis.rows + 1), axis.edges())
    for hertz, label in zip(edges, axes.get_yticklabels(), strict=True):
        number, unit = label.get_text().split()
        wanted = float(number) * (1000 if unit == "kHz" else 1)
        assert hertz == pytest.approx(wanted, rel=0.001, abs=0.001)
    assert axes.images[0].get_extent()[:2] == pytest.approx(
        (-0.0348, -0.0348 + 50 / 43.066), abs=1e-3
    )


def test_figures_are_kept_as_files_and_not_left_open() -> None:
    file = io.BytesIO()
    plot_spectrogram(song()).savefig(file, format="png")
    assert plt.imread(io.BytesIO(file.getvalue())).std() > 0.05
    assert not plt.get_fignums()


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


@pytest.mark.parametrize("plot", [plot_tradeoff, plot_heat_map])
def test_figures_stand_on_a_ground_of_their_own(plot: object, swept: pd.DataFrame) -> None:
    """They can be read on a dark page as on a light one."""
    assert callable(plot)
    figure = plot(swept.assign(latency=1.0))
    assert figure.get_facecolor() == (1, 1, 1, 1)
    assert not plt.get_fignums()
