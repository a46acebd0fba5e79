from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
import pytest

from stemlab.pictures.colours import USUAL, hues, magma, oklab, ramp

if TYPE_CHECKING:
    from numpy.typing import NDArray

FOUR = ["vocals", "drums", "bass", "other"]
# Machado, Oliveira and Fernandes, "A Physiologically-based Model for Simulation of Color Vision
# Deficiency" (2009), severity 1; for linear red, green and blue.
SIGHT = {
    "full": np.eye(3),
    "without red cones": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "without green cones": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "without blue cones": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def rgb(hue: str) -> NDArray[np.float64]:
    return np.frombuffer(bytes.fromhex(hue[1:]), np.uint8) / 255


def seen(colour: NDArray[np.float64], sight: str) -> NDArray[np.float64]:
    linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.array(SIGHT[sight]) @ linear, 0, 1)
    return oklab(np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055))


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize("dark", [None, True, False])
def test_stems_are_told_apart_with_any_sight(sight: str, *, dark: bool | None) -> None:
    full = [rgb(h) if dark is None else ramp(h, dark=dark)[255] / 255 for h in hues(FOUR)]
    for one, other in itertools.combinations(full, 2):
        # 0.02 is about the least difference that is seen at all.
        assert np.linalg.norm(seen(one, sight) - seen(other, sight)) > 0.12


def test_every_stem_has_a_hue_of_its_own() -> None:
    for stems in (FOUR, [*FOUR, "piano"], ["strings", "vocals", "horns", "other", "choir"]):
        assert len(set(hues(stems))) == len(stems)
    assert len(hues([f"part {i}" for i in range(12)])) == 12
    assert hues(["bass"]) == [USUAL["bass"]]


def test_magma_is_matplotlibs() -> None:
    wanted = np.array(mpl.colormaps["magma"].resampled(256)(np.arange(256)))[:, :3] * 255
    assert np.abs(magma() - wanted).max() <= 3.5


@pytest.mark.parametrize("hue", sorted(set(USUAL.values())))
def test_ramps_go_in_even_steps(hue: str) -> None:
    for dark in (True, False):
        steps = np.linalg.norm(np.diff(oklab(ramp(hue, dark=dark)[::15] / 255), axis=0), axis=1)
        assert steps.std() < 0.2 * steps.mean()
        lightness = oklab(ramp(hue, dark=dark)[::15] / 255)[:, 0]
        assert (np.diff(lightness) > 0).all() if dark else (np.diff(lightness) < 0).all()
