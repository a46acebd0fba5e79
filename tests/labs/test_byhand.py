from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.ndimage import median_filter

from stemlab import demo
from stemlab.errors import SettingError
from stemlab.labs.byhand import made, try_mask
from stemlab.labs.excerpt import Excerpt

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Levels = NDArray[np.float32]


@pytest.fixture(scope="module")
def excerpt() -> Excerpt:
    return Excerpt.of(demo.path(), start=16, seconds=6)


def hits(level: Levels) -> Levels:
    lasting, sudden = median_filter(level, (9, 1)), median_filter(level, (1, 9))
    share: Levels = sudden**2 / (sudden**2 + lasting**2 + np.float32(1e-9))
    return share


def voice(level: Levels) -> Levels:
    rounds = level[: len(level) // 49 * 49].reshape(-1, 49, level.shape[1])
    again = np.resize(np.median(rounds, axis=0), level.shape)
    mask: Levels = 1 - np.minimum(again, level) / (level + np.float32(1e-9))
    mask[:, :14] = 0
    return mask


@pytest.mark.parametrize(
    ("function", "stem", "least"), [(hits, "drums", 1.5), (voice, "vocals", 4.5)]
)
def test_a_mask_of_two_lines_is_heard_and_scored(
    excerpt: Excerpt, function: Any, stem: str, least: float
) -> None:
    """What the notebook's answers reach on the demo song."""
    step = try_mask(excerpt, function, stem)
    level = np.abs(excerpt.spectrum).mean(2)
    score = excerpt.score(stem, made(function, level)[..., None])
    assert score.sdr > least
    assert f"{score.sdr:.1f} dB" in step.words.value
    assert step.player.track is not None
    _, (kept, rest) = step.player.track.read(0, len(excerpt.mix))
    np.testing.assert_allclose(kept + rest, excerpt.mix, atol=2e-4)
    step.close()


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (lambda level: level[1:], "a value for each cell"),
        (lambda level: 2 + 0 * level, "between 0 and 1"),
        (lambda _: 1 / 0, "Your function stopped: ZeroDivisionError"),
    ],
)
def test_what_is_no_mask_is_told(excerpt: Excerpt, function: Any, told: str) -> None:
    with pytest.raises(SettingError, match=told):
        try_mask(excerpt, function, "drums")
