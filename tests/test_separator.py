from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sounds import SONGS

from stemlab import demo
from stemlab.errors import AudioError, SettingError
from stemlab.model import StemModel, song_models
from stemlab.networks.runtimes import installed_runtimes
from stemlab.research.metrics import conservation, energy, sdr
from stemlab.separator import Separator
from stemlab.sound.audio import Audio, Reader, load
from stemlab.spectral import Stft

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stemlab.spectral import Samples


@pytest.fixture(scope="session")
def separator() -> Separator:
    return Separator()


@pytest.fixture(scope="session")
def music() -> Samples:
    """Twenty-five seconds of a real song: longer than two of the model's windows."""
    parts = []
    for stem in ("vocals", "drums", "other"):
        with Reader(SONGS / "caesium" / f"{stem}.opus") as reader:
            parts.append(next(reader.blocks(25 * 44_100, start=60 * 44_100)))
    mix: Samples = np.sum(parts, 0)
    return mix


def stems_of(separator: Separator, blocks: Iterable[Samples], **how: Samples) -> Samples:
    return np.concatenate([block.stems for block in separator.stream(blocks, **how)], axis=1)


def alike(one: Samples, other: Samples) -> bool:
    """Tell whether two signals agree within −120 dB."""
    return one.shape == other.shape and sdr(one, other) > 120


@pytest.mark.parametrize("runtime", installed_runtimes())
@pytest.mark.parametrize("name", song_models())
def test_stems_sum_to_the_mix(name: str, runtime: str, music: Samples) -> None:
    separator = Separator(StemModel(name, runtime=runtime))
    stems = stems_of(separator, [music])
    assert stems.shape == (len(separator.stems), *music.shape)
    assert stems.dtype == np.float32
    assert conservation(music, stems) < -120


@pytest.mark.parametrize("window", ["hann", "hamming", "blackman", "boxcar", ("kaiser", 8.6)])
@pytest.mark.parametrize("hop", [512, 1000, 1024, 1365, 2048])
def test_stems_sum_to_the_mix_in_any_transform(
    window: str, hop: int, separator: Separator, music: Samples
) -> None:
    other = Separator(separator.model, stft=Stft(4096, hop, window))
    excerpt = music[: 3 * 44_100]
    assert conservation(excerpt, stems_of(other, [excerpt])) < -120


@pytest.mark.parametrize("n_fft", [1024, 2048, 8192])
def test_another_grid_gives_nearly_the_same_stems(
    n_fft: int, separator: Separator, music: Samples
) -> None:
    other = Separator(separator.model, stft=Stft(n_fft, n_fft // 4))
    native, carried = stems_of(separator, [music]), stems_of(other, [music])
    assert conservation(music, carried) < -120
    assert sdr(native, carried) > 12


@pytest.fixture(scope="module")
def excerpt(music: Samples) -> Samples:
    """Just longer than one of the model's windows."""
    return music[: int(12.5 * 44_100)]


@pytest.fixture(scope="module")
def whole(separator: Separator, excerpt: Samples) -> Samples:
    return stems_of(separator, [excerpt])


@given(st.lists(st.integers(1, 400_000), max_size=5))
@settings(max_examples=6, deadline=None)
def test_stream_is_the_whole_whatever_the_blocks(
    separator: Separator, excerpt: Samples, whole: Samples, lengths: list[int]
) -> None:
    assert alike(whole, stems_of(separator, np.split(excerpt, np.cumsum(lengths))))


def test_stream_of_single_samples_is_the_whole(separator: Separator, music: Samples) -> None:
    excerpt = music[:20_000]
    assert alike(stems_of(separator, [excerpt]), stems_of(separator, excerpt[:, None]))


def test_blocks_follow_each_other_and_their_masks_made_them(
    separator: Separator, music: Samples
) -> None:
    samples = frames = 0
    spectra, masks = [], []
    for block in separator.stream([music]):
        assert (block.start, block.frame) == (samples, frames)
        assert block.spectrum.shape == block.masks.shape[:-1]
        np.testing.assert_allclose(block.masks.sum(-1), 1, atol=1e-5)
        np.testing.assert_array_equal(block.mix, music[samples : samples + len(block.mix)])
        samples, frames = samples + len(block.mix), frames + len(block.masks)
        spectra.append(block.spectrum)
        masks.append(block.masks)
    assert samples == len(music)
    assert frames == separator.stft.frames(len(music))
    masked = np.concatenate(spectra)[..., None] * np.concatenate(masks)
    again = separator.stft.synthesise(masked, len(music))
    assert alike(np.moveaxis(again, -1, 0), stems_of(separator, [music]))


def test_stream_may_start_inside_a_song(separator: Separator, music: Samples) -> None:
    start, settled = separator.step, separator.step + separator.lead_in
    later = stems_of(separator, [music[start:]], before=music[:start])
    assert alike(later[:, separator.lead_in :], stems_of(separator, [music])[:, settled:])


def test_first_block_needs_less_than_two_windows(separator: Separator, music: Samples) -> None:
    """Where sound comes no faster than it is separated."""
    taken = 0

    def blocks() -> Iterable[Samples]:
        nonlocal taken
        for block in np.split(np.tile(music, (2, 1)), 50):
            taken += len(block)
            if taken > 12 * 44_100:
                time.sleep(1)
            yield block

    next(separator.stream(blocks()))
    assert taken < 1.9 * separator.step


def test_closing_a_stream_ends_its_threads(separator: Separator, music: Samples) -> None:
    before = threading.active_count()
    stream = separator.stream([music])
    next(stream)
    assert threading.active_count() == before + 2
    stream.close()
    assert threading.active_count() == before


@pytest.mark.parametrize("length", [1, 2, 1023, 1024, 4097])
def test_shortest_sounds_keep_their_length(separator: Separator, length: int) -> None:
    click = np.ones((length, 2), np.float32)
    stems = stems_of(separator, [click])
    assert stems.shape == (len(separator.stems), length, 2)
    assert conservation(click, stems) < -120


def test_silence_stays_silent(separator: Separator) -> None:
    assert not stems_of(separator, [np.zeros((50_000, 2), np.float32)]).any()


@pytest.mark.parametrize("name", ["stemlab-4", "stemlab-4-fast"])
def test_what_is_centred_stays_centred(name: str, music: Samples) -> None:
    """No stem wanders between the ears: what they differ by lies 60 dB below the mix."""
    separator = Separator(name)
    centred = music.mean(1, keepdims=True).repeat(2, 1)
    stems = stems_of(separator, [centred])
    apart = stems[..., 0] - stems[..., 1]
    assert energy(apart) < 1e-6 * energy(centred)


@pytest.mark.parametrize("name", ["stemlab-4", "stemlab-4-fast"])
def test_a_second_repeated_sounds_alike_wherever_windows_lie(name: str) -> None:
    """Over four windows and their joins no stem that is well heard changes by more than 2 dB."""
    separator = Separator(name)
    card = separator.model.card
    period = separator.rate // card.hop * card.hop
    mix = np.tile(load(demo.path()).samples[20 * separator.rate :][:period], (40, 1))
    stems = stems_of(separator, [mix]).reshape(len(separator.stems), 40, -1)[:, 2:-2]
    levels = 10 * np.log10(np.square(stems, dtype=np.float64).sum(2) / energy(mix[:period]))
    heard = levels[levels.mean(1) > -12]
    assert len(heard) > 1
    assert np.ptp(heard, axis=1).max() < 2


def test_one_ear_stays_silent(separator: Separator, music: Samples) -> None:
    left = music[:100_000] * np.array([1, 0], np.float32)
    assert not stems_of(separator, [left])[..., 1].any()


def test_over_full_scale_is_kept(separator: Separator, music: Samples) -> None:
    loud = music[:200_000] * 30
    assert conservation(loud, stems_of(separator, [loud])) < -120


def test_sharper_masks_move_stems_apart(separator: Separator, music: Samples) -> None:
    excerpt = music[:200_000]
    energies = []
    for exponent in (0.5, 1, 4):
        stems = stems_of(Separator(separator.model, exponent=exponent), [excerpt])
        assert conservation(excerpt, stems) < -120
        energies.append(float(np.square(stems).sum()))
    assert energies == sorted(energies)


WINDOWS = [(448, 32, 16), (256, 64, 0), (128, 256, 256), (0, 0, 0)]


@pytest.mark.parametrize(("past", "lookahead", "overlap"), WINDOWS)
def test_stems_sum_to_the_mix_with_any_windows(
    separator: Separator, music: Samples, past: int, lookahead: int, overlap: int
) -> None:
    windows = {"past": past, "lookahead": lookahead, "overlap": overlap}
    other = Separator(separator.model, **windows)  # type: ignore[arg-type]
    excerpt = music[: 6 * 44_100]
    stems = stems_of(other, np.split(excerpt, 7))
    assert stems.shape == (len(other.stems), *excerpt.shape)
    assert conservation(excerpt, stems) < -120
    usual = stems_of(separator, [excerpt])
    assert sdr(usual, stems) > 3


def test_a_mask_sees_no_further_than_the_lookahead(separator: Separator, music: Samples) -> None:
    """What comes after window and look-ahead does not change what was before."""
    near = Separator(separator.model, past=256, lookahead=32, overlap=32)
    cut = near.step
    heard = cut + 32 * near.model.card.hop + near.model.card.n_fft
    excerpt, other = music[: heard + 50_000], music[: heard + 50_000].copy()
    other[heard:] = 0
    # The last frames before the cut reach into the cross-fade with the next window.
    settled = cut - near.model.card.n_fft
    first, second = (stems_of(near, [sound])[:, :settled] for sound in (excerpt, other))
    assert alike(first, second)


def test_stream_with_a_past_may_start_inside_a_song(separator: Separator, music: Samples) -> None:
    near = Separator(separator.model, past=64, lookahead=128, overlap=64)
    start, settled = near.step, near.step + near.lead_in
    later = stems_of(near, [music[start:]], before=music[:start])
    assert alike(later[:, near.lead_in :], stems_of(near, [music])[:, settled:])


def test_separate_gives_stems_by_name_and_reports_progress(separator: Separator) -> None:
    seconds: list[float] = []
    song = separator.separate(demo.path(), seconds.append)
    mix = load(demo.path())
    assert tuple(song.stems) == separator.stems
    assert song.rate == 44_100
    assert abs(sum(seconds) - mix.duration) < 1e-6
    assert len(seconds) > 5
    np.testing.assert_array_equal(song.mix.samples, mix.samples)
    assert sdr(load(demo.stem_paths()["vocals"]).samples, song.stems["vocals"].samples) > 6


def test_progress_may_cancel(separator: Separator) -> None:
    def cancel(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        separator.separate(demo.path(), cancel)


def test_two_streams_share_a_model(separator: Separator, music: Samples) -> None:
    one, other = music[: 14 * 44_100], music[-14 * 44_100 :]
    apart = [stems_of(separator, [part]) for part in (one, other)]
    streams = [separator.stream([part]) for part in (one, other)]
    together: list[list[Samples]] = [[], []]
    for blocks in zip(*streams, strict=True):
        for parts, block in zip(together, blocks, strict=True):
            parts.append(block.stems)
    for whole, parts in zip(apart, together, strict=True):
        assert alike(whole, np.concatenate(parts, axis=1))


def test_what_makes_no_sense_is_refused(separator: Separator) -> None:
    for exponent in (0, -1, math.nan, math.inf):
        with pytest.raises(SettingError, match="a number above 0"):
            Separator(separator.model, exponent=exponent)
    with pytest.raises(SettingError, match="leave a frame of the"):
        Separator(separator.model, past=separator.model.card.frames)
    with pytest.raises(SettingError, match="within the look-ahead"):
        Separator(separator.model, lookahead=8, overlap=9)
    with pytest.raises(SettingError, match="no such band extension"):
        Separator(separator.model, extension="zeros")
    with pytest.raises(SettingError, match="48000 Hz"):
        separator.separate(Audio(np.zeros((10, 2), np.float32), 48_000))
    with pytest.raises(AudioError, match="no samples"):
        separator.separate(Audio(np.zeros((0, 2), np.float32)))
