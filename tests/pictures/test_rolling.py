from __future__ import annotations

import numpy as np
import pytest

from stemlab.pictures.picture import Picture
from stemlab.pictures.rolling import RollingPicture
from stemlab.spectral import Spectrum, Stft

STFT = Stft()


@pytest.fixture(scope="module")
def spectrum() -> Spectrum:
    sound = np.random.default_rng(0).standard_normal((34 * 44_100, 2), dtype=np.float32)
    return STFT.analyse(sound)


def test_it_ends_as_the_whole_songs_picture_does(spectrum: Spectrum) -> None:
    whole, rolling = Picture.of(spectrum), RollingPicture([], stft=STFT)
    wide = len(rolling.columns)
    assert len(spectrum) > wide
    for frame in range(0, len(spectrum), 100):
        touched = rolling.paint(frame, spectrum[frame : frame + 100])
    assert touched.stop == rolling.first + wide == wide + len(spectrum)
    np.testing.assert_array_equal(rolling.columns, whole.columns[-wide:])
    assert rolling.painted.all()
    assert rolling.end == pytest.approx(whole.end)


def test_what_was_left_out_is_unknown(spectrum: Spectrum) -> None:
    rolling = RollingPicture([], stft=STFT)
    rolling.paint(0, spectrum[:10])
    rolling.paint(15, spectrum[15:20])
    np.testing.assert_array_equal(rolling.painted[-20:], [True] * 10 + [False] * 5 + [True] * 5)
    rolling.paint(5000, spectrum[:3])
    assert rolling.painted.sum() == 3
    assert rolling.painted[-3:].all()
