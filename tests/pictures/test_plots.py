from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
from matplotlib import pyplot as plt

from stemlab.pictures import colours
from stemlab.pictures.picture import SHOWN, Axis, Picture
from stemlab.pictures.plots import plot_masks, plot_spectrogram

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
