"""Loudness against EBU's own conformance signals and what arithmetic says."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from stemlab.errors import AudioError
from stemlab.library.loudness import SILENCE, loudness
from stemlab.sound.audio import RATE, Audio, save

if TYPE_CHECKING:
    from pathlib import Path


def tones(*parts: tuple[float, float], rate: int = RATE) -> Audio:
    """Make a sine of 1 kHz on both sides: (dB, seconds) of each part."""
    level = np.concatenate([np.full(round(rate * t), 10 ** (dB / 20)) for dB, t in parts])
    one = level * np.sin(2 * np.pi * 1000 * np.arange(len(level)) / rate)
    return Audio(np.stack([one, one], axis=1).astype(np.float32), rate)


@pytest.mark.parametrize("rate", [22_050, 44_100, 48_000])
@pytest.mark.parametrize(
    ("parts", "expected"),
    # EBU Tech 3341, table 1, cases 1 to 5, tolerance 0.1 LU.
    [
        ([(-23, 20)], -23),
        ([(-33, 20)], -33),
        ([(-36, 10), (-23, 60), (-36, 10)], -23),
        ([(-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10)], -23),
        ([(-26, 20), (-20, 20.1), (-26, 20)], -23),
    ],
)
def test_conformance(parts: list[tuple[float, float]], expected: float, rate: int) -> None:
    assert loudness(tones(*parts, rate=rate)) == pytest.approx(expected, abs=0.1)


def test_a_side_alone_is_half_as_strong() -> None:
    both = tones((-20, 5))
    left = Audio(both.samples * np.array([1, 0], np.float32))
    assert loudness(both) - loudness(left) == pytest.approx(10 * math.log10(2), abs=0.01)


def test_a_gain_moves_it_by_as_much() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, (5 * RATE, 2)).astype(np.float32)
    louder = Audio(noise * np.float32(10 ** (-12 / 20)))
    assert loudness(Audio(noise)) - loudness(louder) == pytest.approx(12, abs=0.01)


def test_file_is_as_loud_as_its_sound(tmp_path: Path) -> None:
    song = tones((-20, 3), (-30, 3))
    save(tmp_path / "song.flac", song)
    assert loudness(tmp_path / "song.flac") == pytest.approx(loudness(song), abs=0.01)


@pytest.mark.parametrize("samples", [0, 1, RATE // 4, 5 * RATE])
def test_silence(samples: int) -> None:
    assert loudness(Audio(np.zeros((samples, 2), np.float32))) == SILENCE


def test_damaged_file(tmp_path: Path) -> None:
    (tmp_path / "bad.mp3").write_bytes(b"not sound")
    with pytest.raises(AudioError, match=r"bad\.mp3"):
        loudness(tmp_path / "bad.mp3")
