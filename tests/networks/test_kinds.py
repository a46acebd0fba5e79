"""A foreign network of each kind: imported, separated, in a sweep."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from foreign import BINS, model

from stemlab import demo
from stemlab.importers.own import add
from stemlab.model import StemModel, find
from stemlab.networks.kinds import KINDS
from stemlab.research.metrics import conservation, sdr
from stemlab.research.sweep import MODEL, Setting, sweep
from stemlab.separator import Separator
from stemlab.sound.audio import load
from stemlab.spectral import Stft

if TYPE_CHECKING:
    from stemlab.spectral import Samples


@pytest.fixture(scope="module", params=KINDS)
def network(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return model(request.param, tmp_path_factory.mktemp("foreign"))


@pytest.fixture(scope="module")
def music() -> Samples:
    return load(demo.path()).samples[27 * 44_100 : 31 * 44_100]


def stems_of(separator: Separator, blocks: list[Samples]) -> Samples:
    return np.concatenate([block.stems for block in separator.stream(blocks)], axis=1)


def test_stems_sum_to_the_mix_in_any_transform(network: Path, music: Samples) -> None:
    for stft in (None, Stft(2048, 512), Stft(1024, 256, "boxcar")):
        for exponent in (1.0, 1.7):
            stems = stems_of(Separator(network, stft=stft, exponent=exponent), [music])
            assert np.isfinite(stems).all()
            assert conservation(music, stems) < -120


def test_a_stream_is_the_whole(network: Path, music: Samples) -> None:
    separator = Separator(network)
    whole = stems_of(separator, [music])
    assert sdr(whole, stems_of(separator, np.array_split(music, 11))) > 120


def test_masks_for_pictures_are_real_and_sum_to_one(network: Path, music: Samples) -> None:
    separator = Separator(network)
    for block in separator.stream([music]):
        assert block.masks.dtype == np.float32
        assert block.masks.min() >= 0
        np.testing.assert_allclose(block.masks.sum(-1), 1, atol=1e-5)
        assert block.masks.shape == (*block.spectrum.shape, len(separator.stems))


def test_it_stands_in_a_sweep(
    network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEMLAB_MODELS", str(tmp_path / "models"))
    name = add(network).stem
    table = sweep(
        [Setting(model=name), Setting(model=name, n_fft=2048)],
        Path(demo.__file__).parent,
        tmp_path / "sweep.parquet",
        where=1,
        start=20,
        seconds=2,
        metrics=("sdr",),
    )
    assert table.error.isna().all()
    own = table[table.estimate == MODEL]
    assert set(own.stem) <= set(find(name).stems)
    assert len(own) == 2 * own.stem.nunique() > 2
    assert (own.conservation < -120).all()
    assert np.isfinite(own.sdr).all()


def test_spectra_come_back_as_they_were_given(tmp_path: Path, music: Samples) -> None:
    """Here they sum to the mix but for the last, which then is what the others leave."""
    network = model("spectrum to spectra", tmp_path, stems=["low", "high", "turned", "rest"])
    low, high, turned, rest = stems_of(Separator(network), [music])
    assert sdr(0.2 * music, turned) > 80
    assert sdr(0.8 * (music - low), high) > 80
    assert sdr(music - low - high - turned, rest) > 100


def test_magnitudes_come_back_as_they_were_given(tmp_path: Path, music: Samples) -> None:
    """Of one stem: the other is what it leaves. By cells, since the mixture's phase is kept."""
    network = StemModel(model("magnitude to magnitudes", tmp_path, level="plain"))
    heard = network.hear(Stft(1024, 256).analyse(music)[:64])
    stem = network.masks(heard)[..., 0] * heard
    np.testing.assert_allclose(stem, heard * np.linspace(1, 0, BINS)[:, None], atol=1e-5)


def test_silence_stays_silent(network: Path) -> None:
    stems = stems_of(Separator(network), [np.zeros((50_000, 2), np.float32)])
    assert not stems.any()
