from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemlab import masks as m
from stemlab.research.metrics import sdr
from stemlab.spectral import Spectrum, Stft

RNG = np.random.default_rng(1)


def some_masks(frames: int = 30, bins: int = 40, stems: int = 3) -> m.Masks:
    return m.normalise(RNG.random((frames, bins, 2, stems)) ** 4)


def references(stems: int = 3) -> Spectrum:
    shape = (20, 33, 2, stems)
    loudness = 10 ** RNG.standard_normal(shape)
    phase = np.exp(2j * np.pi * RNG.random(shape))
    waves: Spectrum = (loudness * phase).astype(np.complex64)
    return waves


def assert_masks(masks: m.Masks) -> None:
    assert masks.dtype == np.float32
    assert masks.min() >= 0
    np.testing.assert_allclose(masks.sum(-1), 1, atol=1e-6)


@pytest.mark.parametrize(
    "oracle", [m.ideal_ratio_mask, m.ideal_binary_mask, m.phase_sensitive_mask]
)
def test_oracles_are_masks_and_better_than_equal_shares(oracle: m.Oracle) -> None:
    stems = references()
    masks = oracle(stems)
    assert_masks(masks)
    mixture = stems.sum(-1)
    for j, estimate in enumerate(np.moveaxis(m.apply(masks, mixture), -1, 0)):
        reference = stems[..., j]
        assert sdr_of(reference, estimate) > sdr_of(reference, mixture / 3) + 1


def sdr_of(reference: Spectrum, estimate: Spectrum) -> float:
    return sdr(*(np.stack([x.real, x.imag]) for x in (reference, estimate)))


def test_oracles_find_stems_that_do_not_overlap() -> None:
    stems = references()
    owner = RNG.integers(0, 3, stems.shape[:-1])
    stems *= owner[..., None] == np.arange(3)
    for oracle in (m.ideal_ratio_mask, m.ideal_binary_mask, m.phase_sensitive_mask):
        np.testing.assert_allclose(m.apply(oracle(stems), stems.sum(-1)), stems, atol=1e-5)


def test_a_binary_mask_is_one_or_nothing_and_shares_silence() -> None:
    stems = references()
    stems[0] = 0
    masks = m.ideal_binary_mask(stems)
    np.testing.assert_allclose(masks[0], 1 / 3, rtol=1e-6)
    assert set(np.unique(masks[1:])) == {0, 1}
    np.testing.assert_array_equal(masks[1:].argmax(-1), np.abs(stems[1:]).argmax(-1))


@given(st.floats(0.1, 8))
def test_sharpen_keeps_masks_and_their_order(exponent: float) -> None:
    masks = some_masks(2, 3)
    sharper = m.sharpen(masks, exponent)
    assert_masks(sharper)
    assert np.array_equal(sharper.argmax(-1), masks.argmax(-1))
    assert (sharper.max(-1) >= masks.max(-1)).all() == (exponent >= 1)


def test_extension_leaves_the_band_and_sums_to_one() -> None:
    masks = some_masks()
    full = m.extend(masks, 100)
    assert_masks(full)
    np.testing.assert_array_equal(full[:, :40], masks)
    np.testing.assert_allclose(full[:, 70], masks[:, 20:].mean(1), atol=1e-6)


@pytest.mark.parametrize("extension", m.EXTENSIONS)
def test_every_extension_sums_to_one(extension: str) -> None:
    full = m.extend(some_masks(), 100, extension)
    assert_masks(full)
    assert (full[:, 40:] == full[:, 40:41]).all()


def test_extensions_are_those_of_their_names() -> None:
    masks = some_masks()
    np.testing.assert_allclose(m.extend(masks, 41, "average")[:, 40], masks.mean(1), atol=1e-6)
    np.testing.assert_allclose(m.extend(masks, 41, "even")[:, 40], 1 / masks.shape[-1])


def test_silence_is_shared_evenly() -> None:
    np.testing.assert_allclose(m.ideal_ratio_mask(np.zeros((1, 2, 2, 4), np.complex64)), 0.25)


NATIVE = Stft(256, 64)


@pytest.mark.parametrize(
    "target", [Stft(256, 64, "hamming"), Stft(256, 32), Stft(512, 100), Stft(64, 16), Stft(100, 90)]
)
@pytest.mark.parametrize("cut", [1, 7, 1000])
def test_regrid_gives_masks_for_every_frame(target: Stft, cut: int) -> None:
    """Where the native frames reach further beyond the end, so do the new masks."""
    length = 5000
    native = some_masks(NATIVE.frames(length), 100)
    regridder = m.Regridder(NATIVE, target, 100)
    parts = [regridder.push(native[i : i + cut]) for i in range(0, len(native), cut)]
    rest = regridder.flush(target.frames(length))
    new = np.concatenate([*parts, *([] if rest is None else [rest])])
    assert_masks(new)
    assert len(new) >= target.frames(length)
    band = 100 * target.n_fft / 256
    assert abs(new.shape[1] - band) <= max(1, target.n_fft / 256)


def test_regrid_is_the_identity_at_the_native_grid() -> None:
    native = some_masks(50, 100)
    np.testing.assert_array_equal(m.Regridder(NATIVE, Stft(256, 64), 100).push(native), native)


def test_regrid_keeps_places_in_time_and_frequency() -> None:
    """A mask that is linear in time and frequency is carried over exactly."""
    target = Stft(512, 100)

    def ramp(stft: Stft, frames: int, bins: int) -> m.Masks:
        time = stft.centre(np.arange(frames, dtype=np.float64)) / 10_000
        hertz = np.arange(bins) / stft.n_fft
        first = 0.3 + time[:, None] + 0.5 * hertz
        masks: m.Masks = np.stack([first, 1 - first], -1)[:, :, None].astype(np.float32)
        return masks

    new = m.Regridder(NATIVE, target, 129).push(ramp(NATIVE, 60, 129))
    inside = slice(4, None)  # the first frames lie before the first native one
    np.testing.assert_allclose(new[inside], ramp(target, len(new), 257)[inside], atol=1e-5)


@pytest.mark.parametrize("extension", m.EXTENSIONS)
def test_no_frames_are_extended_to_none(extension: str) -> None:
    """As live sound comes that does not fill a frame yet."""
    none = np.zeros((0, 1024, 2, 4), np.float32)
    assert m.extend(none, 2049, extension).shape == (0, 2049, 2, 4)
