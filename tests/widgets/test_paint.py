from __future__ import annotations

import numpy as np
import pytest

from stemlab.errors import SettingError
from stemlab.pictures.picture import Axis, Picture
from stemlab.spectral import Stft
from stemlab.widgets.paint import PaintMask, spread

FRAMES = 30
STFT = Stft()


def picture(axis: Axis | None = None) -> Picture:
    noise = np.random.default_rng(0).standard_normal((FRAMES, STFT.bins, 2))
    return Picture.of(noise.astype(np.complex64), axis=axis)


@pytest.mark.parametrize("axis", [Axis(), Axis("log", 40, 16_000, 192), Axis("linear", 0, 8000)])
def test_all_painted_is_all_kept_and_nothing_nothing(axis: Axis) -> None:
    shown = picture(axis)
    size = FRAMES * axis.rows
    full = spread(bytes([255]) * size, shown)
    assert full.shape == (FRAMES, STFT.bins)
    np.testing.assert_allclose(full, 1, atol=1e-5)
    assert not spread(bytes(size), shown).any()


def test_a_band_keeps_the_bins_inside_and_no_others() -> None:
    shown = picture()
    rows = np.zeros((FRAMES, shown.axis.rows), np.uint8)
    low, high = shown.axis.row(np.array([500.0, 2000.0])).astype(int)
    rows[5:10, low:high] = 255
    kept = spread(rows.tobytes(), shown)
    hertz = np.arange(STFT.bins) * shown.rate / STFT.n_fft
    assert (kept[5:10, (hertz > 530) & (hertz < 1930)] > 0.99).all()
    assert not kept[5:10, (hertz < 470) | (hertz > 2100)].any()
    assert not kept[:5].any()
    assert not kept[10:].any()


def test_a_row_narrower_than_a_bin_counts_as_much_as_it_covers() -> None:
    shown = picture()
    rows = np.zeros((FRAMES, shown.axis.rows), np.uint8)
    rows[:, int(shown.axis.row(np.array(60.0)))] = 255
    kept = spread(rows.tobytes(), shown)[0]
    edges = shown.axis.edges()
    row = int(shown.axis.row(np.array(60.0)))
    share = (edges[row + 1] - edges[row]) / (shown.rate / STFT.n_fft)
    assert kept.sum() == pytest.approx(share, rel=0.15)
    assert np.count_nonzero(kept) <= 2


def test_a_mask_of_another_size_is_refused() -> None:
    canvas = PaintMask(picture())
    before = canvas.value
    with pytest.raises(SettingError, match="not 3"):
        canvas.value = b"abc"
    assert canvas.value == before


def test_a_view_of_memory_from_the_page_is_taken() -> None:
    canvas = PaintMask(picture())
    stroke = np.full(len(canvas.value), 255, np.uint8)
    canvas.set_state({"value": stroke.data})
    assert canvas.value == stroke.tobytes()


def test_a_picture_too_long_for_a_column_a_frame_is_refused() -> None:
    with pytest.raises(SettingError, match="shorter excerpt"):
        PaintMask(Picture([], 40_000))
