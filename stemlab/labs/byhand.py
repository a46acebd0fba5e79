"""Separators of a few lines, without a network: a student's mask from nothing but levels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stemlab.errors import SettingError
from stemlab.labs.exercises import fault
from stemlab.labs.experiment import Experiment, Outcome, choice
from stemlab.labs.explore import keep, oracle, scores

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from stemlab.labs.excerpt import Excerpt


def try_mask(
    excerpt: Excerpt, function: Callable[[NDArray[np.float32]], Any], stem: str
) -> Experiment:
    """Play, show and score the mask that a function makes of the mixture's levels.

    Parameters
    ----------
    excerpt
        What it is tried on.
    function
        Takes the magnitudes of the mixture, mean of both channels, [frames, bins], and returns the
        mask of the stem, of the same shape.
    stem
        Which stem it is after.

    Raises
    ------
    SettingError
        If what the function returns is no mask.
    """
    mine = made(function, np.abs(excerpt.spectrum).mean(2))[..., None]
    masks = {
        "mine": mine,
        "the model's": excerpt.mask(stem),
        "the oracle's": oracle(excerpt, stem, "ratio"),
    }
    table = scores({name: excerpt.score(stem, mask) for name, mask in masks.items()})

    def make(hear: str) -> Outcome:
        return keep(excerpt, masks[hear] * excerpt.spectrum, table)

    return Experiment(make, {"hear": choice("hear", list(masks))}, solo="kept", view=True)


def made(
    function: Callable[[NDArray[np.float32]], Any], level: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the mask that a function makes of levels [frames, bins], if it is one."""
    try:
        mask = np.asarray(function(level.copy()), np.float32)
    except Exception as error:
        raise SettingError(f"Your function stopped: {error!r}.") from error
    if wrong := fault(mask, level.shape):
        raise SettingError(wrong)
    return mask
