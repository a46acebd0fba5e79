"""A blind listening test, to tell whether one can hear what the numbers say."""

from __future__ import annotations

import random
from functools import cache
from math import comb
from typing import TYPE_CHECKING

import ipywidgets
import numpy as np

from stemlab.labs.coarse import try_bits
from stemlab.labs.experiment import Experiment, Outcome, choice, kept_and_rest, menu
from stemlab.research.metrics import energy

if TYPE_CHECKING:
    from stemlab.labs.excerpt import Excerpt
    from stemlab.spectral import Samples

PAIRS = {
    "8 bits against 2": (8, 2),
    "8 bits against 3": (8, 3),
    "8 bits against 4": (8, 4),
    "32 bits against 8": (32, 8),
    "stemlab-4 against stemlab-4-fast": (0, 8),
}


def blind(excerpt: Excerpt, seed: int | None = None) -> Experiment:
    """Step 10b: the ABX test. X is A or B, by chance; say which.

    Clark, "High-resolution subjective testing using a double-blind comparator", 1982. The player
    changes from one to the other where it plays; the score tells how often mere guessing would do
    as well.

    Parameters
    ----------
    excerpt
        What is heard.
    seed
        Makes the chance repeatable, for tests.
    """
    coin = random.Random(seed)  # noqa: S311 - a game, no secret
    hidden = [coin.choice("AB")]
    answers: dict[str, list[bool]] = {}

    @cache
    def version(bits: int) -> dict[str, Samples]:
        return try_bits(excerpt, bits).stems if bits else excerpt.separated

    def make(pair: str, stem: str, hear: str, trial: int) -> Outcome:
        which = hidden[trial - 1] if hear == "X" else hear
        rivals = [version(bits)[stem] for bits in PAIRS[pair]]
        heard = as_loud(rivals["AB".index(which)], rivals[0])
        return Outcome(kept_and_rest(excerpt.mix, heard), score(answers.get(pair, [])))

    controls = {
        "pair": menu("compare", list(PAIRS)),
        "stem": menu("stem", list(excerpt.stems)),
        "hear": choice("hear", ["A", "B", "X"]),
        "trial": ipywidgets.IntText(
            1, description="trial", disabled=True, layout={"width": "150px"}
        ),
    }
    test = Experiment(make, controls, solo="kept")
    test.player.add_class("stemlab-blind")  # what is heard is not seen

    def answer(button: ipywidgets.Button) -> None:
        right = button.description == f"X is {hidden[-1]}"
        answers.setdefault(controls["pair"].value, []).append(right)
        hidden.append(coin.choice("AB"))
        controls["trial"].value += 1

    buttons = [ipywidgets.Button(description=f"X is {name}") for name in "AB"]
    for button in buttons:
        button.on_click(answer)
    row, *rest = test.children
    test.children = [row, ipywidgets.HBox(buttons), *rest]
    return test


def as_loud(sound: Samples, model: Samples) -> Samples:
    """Return a sound as loud as another: the louder of two passes for the better.

    Examples
    --------
    >>> as_loud(np.full((1, 2), 0.5, np.float32), np.full((1, 2), -0.25, np.float32))
    array([[0.25, 0.25]], dtype=float32)
    """
    power = energy(sound)
    return sound * np.float32(np.sqrt(energy(model) / power)) if power else sound


def score(answers: list[bool]) -> str:
    """Return a score in words, with how often guessing does as well.

    Examples
    --------
    >>> score([True, True, True, False, True])
    'The last answer was <b>right</b>: 4 of 5 so far. Guessing would do as well in 19 % of tests.'
    """
    if not answers:
        return "Listen to A, B and X, then say what X is. Ten answers are enough to mean something."
    right, count = sum(answers), len(answers)
    luck = sum(comb(count, k) for k in range(right, count + 1)) / 2**count
    last = "right" if answers[-1] else "wrong"
    return (
        f"The last answer was <b>{last}</b>: {right} of {count} so far. "
        f"Guessing would do as well in {100 * luck:.0f} % of tests."
    )
