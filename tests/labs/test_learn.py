from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from stemlab.labs import learn as learning
from stemlab.labs.learn import HEARD, UNHEARD, Recipe, Song, bands, shares, train
from stemlab.spectral import Stft

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stemlab.labs.learn import Lesson


@pytest.fixture(scope="module")
def song() -> Song:
    return Song()


@pytest.fixture
def lesson(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lesson]:
    monkeypatch.setattr(learning, "EPOCHS", 2)
    lesson = learning.learn()
    yield lesson
    lesson.close()


def test_bands_share_every_bin_out() -> None:
    weights = bands(2049)
    assert weights.min() >= 0
    np.testing.assert_allclose(weights.sum(0), 1, atol=1e-6)


def test_what_is_right_in_bands_separates_nearly_as_well_as_in_bins(song: Song) -> None:
    stems = np.stack([song.stft.analyse(s) for s in song.pieces[HEARD].values()], -1)
    right = shares(np.abs(stems).mean(2), song.bands)
    np.testing.assert_allclose(right.sum(-1).max(), 1, atol=1e-4)
    found = song.judge(HEARD, right)
    assert min(found.values()) > 4
    assert found["vocals"] > 10


def test_equal_masks_are_a_quarter_of_the_mixture(song: Song) -> None:
    first = next(train(song, Recipe(6, 0, log=False)))
    found = song.separate(HEARD, first.masks[0][HEARD])
    np.testing.assert_allclose(found["bass"], song.mixes[HEARD] / 4, atol=1e-4)


def test_the_music_that_is_not_heard_is_never_learnt_from(song: Song) -> None:
    for seconds in (6, 20, 40):
        frames = len(song.lesson(seconds))
        assert frames == Stft().frames(seconds * 44_100)
    whole = song.lesson(40)
    np.testing.assert_array_equal(whole[:, :, :, 0], Stft().analyse(song.part(0, 40)["vocals"]))
    assert learning.PIECES[UNHEARD] >= learning.LIMIT


def test_more_music_helps_on_music_that_it_has_not_heard(
    song: Song, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learning, "EPOCHS", 8)
    ends = {}
    for seconds in (6, 40):
        *_, run = train(song, Recipe(seconds, 0, log=False))
        assert run.losses[1:] == sorted(run.losses[1:], reverse=True)
        ends[seconds] = run.sdrs[-1]
    assert ends[6][HEARD]["vocals"] > ends[6][UNHEARD]["vocals"] + 0.5  # learnt by heart
    assert ends[40][UNHEARD]["vocals"] > ends[6][UNHEARD]["vocals"] + 1
    assert ends[40][UNHEARD]["vocals"] > 6


def test_the_step_follows_the_training_and_lists_it(lesson: Lesson) -> None:
    before = lesson.player.track
    lesson.knobs["log"].value = "logarithmic"
    lesson.train()
    lesson.wait()
    assert lesson.controls["epoch"].value == 2
    assert "6 s, 1 frame, log" in lesson.words.value
    assert lesson.player.track is not before
    lesson.knobs["context"].value = 1
    lesson.train()
    lesson.wait()
    assert [run.recipe.context for run in lesson.runs] == [0, 1]
    lesson.controls["epoch"].value = 1
    lesson.settle()
    assert f"{lesson.runs[-1].losses[1]:.4f}" in lesson.words.value


def test_masks_in_bands_sum_to_one(song: Song, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning, "EPOCHS", 1)
    *_, run = train(song, Recipe(6, 2, log=True))
    for masks in run.masks[-1].values():
        np.testing.assert_allclose(masks.sum(-1), 1, atol=1e-5)
