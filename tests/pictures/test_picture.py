from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stemlab.errors import SettingError
from stemlab.masks import normalise
from stemlab.pictures import picture as picture_module
from stemlab.pictures.picture import CEILING, FLOOR, Axis, Picture, level_bytes
from stemlab.spectral import Stft

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stemlab.spectral import Spectrum

RATE = 44_100
STEMS = ("vocals", "drums", "bass")
STEP = (CEILING - FLOOR) / 255


def tone(hertz: float, amplitude: float, seconds: float = 0.5) -> NDArray[np.float32]:
    time = np.arange(int(seconds * RATE)) / RATE
    wave = (amplitude * np.sin(2 * np.pi * hertz * time)).astype(np.float32)
    return np.stack([wave, wave], 1)


def noise(frames: int, seed: int = 0) -> tuple[Spectrum, NDArray[np.float32]]:
    random = np.random.default_rng(seed)
    spectrum = random.standard_normal((frames, 2049, 2)) + 1j * random.standard_normal(
        (frames, 2049, 2)
    )
    masks = normalise(random.random((frames, 2049, 2, len(STEMS))))
    return spectrum.astype(np.complex64), masks


@settings(max_examples=20, deadline=None)
@given(
    hertz=st.floats(100, 15_000),
    amplitude=st.floats(0.003, 1),
    n_fft=st.sampled_from([1024, 2048, 4096, 8192]),
    scale=st.sampled_from(["log", "linear"]),
)
def test_a_tone_reads_its_own_level_and_frequency(
    hertz: float, amplitude: float, n_fft: int, scale: str
) -> None:
    stft = Stft(n_fft, n_fft // 4)
    axis = Axis("log") if scale == "log" else Axis("linear", 0, 20_000)
    shown = Picture.of(stft.analyse(tone(hertz, amplitude)), stft=stft, axis=axis)
    middle = shown.levels()[len(shown.columns) // 2]
    # Half a bin off, a Hann window reads 1.42 dB low.
    assert -1.45 - STEP <= middle.max() - 20 * np.log10(amplitude) <= STEP
    edges = axis.edges()
    loudest = np.flatnonzero(middle == middle.max())
    bin_width = RATE / n_fft
    assert edges[loudest[0]] - bin_width <= hertz <= edges[loudest[-1] + 1] + bin_width


@settings(max_examples=30, deadline=None)
@given(bin_=st.integers(3, 1857), n_fft=st.just(4096))
def test_every_bin_within_the_axis_is_shown(bin_: int, n_fft: int) -> None:
    spectrum = np.zeros((1, 2049, 1), np.complex64)
    spectrum[0, bin_] = n_fft / 4
    row = Axis().row(np.array([bin_ * RATE / n_fft]))[0]
    shown = Picture.of(spectrum).levels()[0]
    assert shown.max() == pytest.approx(CEILING, abs=STEP)
    # Rows narrower than a bin repeat it: the tone's own row is among them, or next to them.
    assert np.abs(np.flatnonzero(shown == shown.max()) + 0.5 - row).min() <= 1


def test_bytes_grow_with_the_level_and_give_it_back() -> None:
    decibels = np.linspace(FLOOR, CEILING, 1000)
    packed = level_bytes((10 ** (decibels / 10)).astype(np.float32))
    assert (np.diff(packed.astype(int)) >= 0).all()
    np.testing.assert_allclose(FLOOR + packed * STEP, decibels, atol=0.51 * STEP)
    assert level_bytes(np.array([0, 1e-12, 100], np.float32)).tolist() == [0, 0, 255]


def test_masks_sum_to_one_in_every_cell() -> None:
    spectrum, masks = noise(20)
    shown = Picture.of(spectrum, masks, STEMS).columns[:, 1:].sum(1, dtype=int)
    assert np.abs(shown - 255).max() <= len(STEMS) / 2


def test_a_cell_shows_the_masks_of_its_loudest_bin() -> None:
    spectrum, masks = noise(4)
    spectrum[:, 1000] *= 100
    shown = Picture.of(spectrum, masks, STEMS)
    row = int(shown.axis.row(np.array([1000 * RATE / 4096]))[0])
    power = np.abs(spectrum[:, 1000]) ** 2
    wanted = np.einsum("fc,fcs->fs", power / power.sum(1, keepdims=True), masks[:, 1000])
    np.testing.assert_allclose(shown.masks()[:, row], wanted, atol=0.51 / 255)


def test_silence_has_no_level_and_its_own_masks() -> None:
    masks = np.broadcast_to(np.array([0.2, 0.8], np.float32), (2, 2049, 2, 2))
    shown = Picture.of(np.zeros((2, 2049, 2), np.complex64), masks, ("a", "b"))
    assert not shown.columns[:, 0].any()
    np.testing.assert_array_equal(shown.columns[:, 1:].max((0, 2)), [51, 204])


@pytest.mark.parametrize("frames", [200, picture_module.MOST_COLUMNS * 3])
def test_blocks_in_any_order_paint_what_the_whole_does(frames: int) -> None:
    spectrum, masks = noise(200)
    whole, blocks = Picture(STEMS, frames), Picture(STEMS, frames)
    whole.paint(0, spectrum, masks)
    for start in (130, 0, 67, 67):
        part = slice(start, start + 70)
        touched = blocks.paint(start, spectrum[part], masks[part])
        assert blocks.painted[touched.start : touched.stop].all()
    np.testing.assert_array_equal(whole.columns[:200, 0], blocks.columns[:200, 0])
    np.testing.assert_array_equal(whole.painted, blocks.painted)
    # Where two frames of a column are equally loud to a byte, either may be shown.
    differs = (whole.columns[:200] != blocks.columns[:200]).mean()
    assert differs == 0 if frames == 200 else differs < 0.02


def test_a_long_song_keeps_few_columns_and_every_click() -> None:
    stft = Stft(64, 16)
    two_hours = stft.frames(7200 * RATE)
    shown = Picture((), two_hours, stft=stft, axis=Axis("log", 1000, 20_000, 16))
    assert len(shown.columns) <= picture_module.MOST_COLUMNS
    assert shown.end == pytest.approx(7200, abs=2 / shown.pace)
    spectrum = np.zeros((5000, 33, 1), np.complex64)
    spectrum[3210, 20] = 16
    shown.paint(1_000_000, spectrum)
    [column], _ = np.nonzero(shown.columns[:, 0])
    assert column == 1_003_210 // shown.stride
    assert shown.columns.max() == 255


def test_columns_lie_where_the_sound_is() -> None:
    click = np.zeros((RATE, 2), np.float32)
    click[22_050] = 1
    shown = Picture.of(Stft().analyse(click))
    loudest = shown.columns[:, 0].sum(1, dtype=int).argmax()
    time = shown.origin + (loudest + 0.5) / shown.pace
    assert time == pytest.approx(0.5, abs=0.5 / shown.pace)


def test_stems_give_back_the_masks_that_made_them() -> None:
    stems = {"vocals": tone(440, 0.2, 6), "drums": tone(3000, 0.1, 6)}
    shown = Picture.of_stems(stems)
    assert shown.painted.all()
    low, high = shown.axis.row(np.array([441.0, 3000.0])).astype(int)
    np.testing.assert_allclose(shown.masks()[10:-10, low], [[1, 0]] * len(shown.columns[10:-10]))
    np.testing.assert_allclose(shown.masks()[10:-10, high], [[0, 1]] * len(shown.columns[10:-10]))
    mixture = Picture.of(Stft().analyse(stems["vocals"] + stems["drums"]))
    np.testing.assert_array_equal(shown.columns[:, 0], mixture.columns[:, 0])


def test_heard_is_the_mixture_times_gains_and_masks() -> None:
    spectrum, masks = noise(10)
    shown = Picture.of(spectrum, masks, STEMS)
    np.testing.assert_allclose(shown.heard([1, 1, 1]), shown.levels(), atol=0.06)
    np.testing.assert_allclose(shown.heard([0.5] * 3), shown.levels() - 6.02, atol=0.06)
    only = shown.levels() + 20 * np.log10(np.maximum(shown.masks()[..., 1], 1e-5))
    np.testing.assert_allclose(shown.heard([0, 1, 0]), only, atol=1e-3)


@pytest.mark.parametrize(
    ("spectrum", "masks", "message"),
    [
        ((4, 1025, 2), (4, 1025, 2, 3), "pass the stft it was made with"),
        ((4, 2049, 2), (4, 2049, 2, 2), "3 named stems ask for"),
        ((4, 2049, 2), None, "missing"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(
    spectrum: tuple[int, ...], masks: tuple[int, ...] | None, message: str
) -> None:
    mixture = np.zeros(spectrum, np.complex64)
    with pytest.raises(SettingError, match=message):
        Picture.of(mixture, None if masks is None else np.zeros(masks, np.float32), STEMS)
