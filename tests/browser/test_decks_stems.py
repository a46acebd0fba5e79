"""Stems as instruments, measured in what the decks play: filter, echo, swap, crossfader by stem."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from desk import (
    BOTH,
    FLAT,
    GONE,
    RATE,
    click,
    has,
    heard,
    make,
    pitch,
    play,
    press,
    reset,
    tell,
    true,
)
from scipy.signal import find_peaks

from stemlab.library.loudness import loudness
from stemlab.sound.audio import Audio, save

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Notebook
    from desk import Names, Samples
    from numpy.typing import NDArray

pytestmark = pytest.mark.browser

BEAT = 0.5  # seconds, of deck A
FALL = 20 * np.log10(0.6)  # dB from one echo to the next
OFF = 0.01  # seconds that a beat may be missed by


@pytest.fixture(scope="module")
def shared(notebook: Notebook) -> Names:
    """Show one pair of decks for all tests."""
    return make(notebook)


@pytest.fixture
def names(notebook: Notebook, shared: Names) -> Iterator[Names]:
    """Put all controls to rest; the page must not complain."""
    reset(notebook)
    yield shared
    notebook.run("desk.a.pause(); desk.b.pause()")
    assert not notebook.problems


def strokes(sound: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the seconds of all clicks down to -32 dB of the loudest, and their heights."""
    loud = np.abs(sound)
    found, facts = find_peaks(loud, height=0.025 * loud.max(), distance=RATE // 8)
    return found / RATE, facts["peak_heights"]


def strength(sound: NDArray[np.float32], frequency: float) -> NDArray[np.float64]:
    """Return how strong a tone is at each sample, of its most."""
    turning = sound * np.exp(-2j * np.pi * frequency * np.arange(len(sound)) / RATE)
    window = np.hanning(RATE // 110)
    found = np.abs(np.convolve(turning, window, "same"))
    return np.asarray(found / np.percentile(found, 95))


def test_filter_of_a_stem(notebook: Notebook, names: Names) -> None:
    """Only its stem is filtered; keys turn it, a double click sets it back."""
    notebook.run("desk.a.mute('drums')")
    play(notebook, names, "a")
    knob = notebook.page.get_by_role("slider", name="Other filter A").last
    knob.fill("-0.6")
    heard(notebook, names.a, lambda sound: has(sound, FLAT | {8000.0: GONE}))
    knob.dblclick()
    heard(notebook, names.a, lambda sound: has(sound, FLAT))
    bass = notebook.page.get_by_role("slider", name="Bass filter A").last
    bass.focus()
    for _ in range(16):
        bass.press("ArrowUp")
    assert bass.get_attribute("aria-valuetext") == "80 % high-pass"
    heard(notebook, names.a, lambda sound: has(sound, FLAT | {100.0: GONE}))
    true(notebook, "[round(x, 2) for x in desk.a.stem_filters] == [0, 0, 0.8, 0]")


def test_an_echo_keeps_to_the_beat_and_outlives_the_mute(notebook: Notebook, names: Names) -> None:
    """The drums leave, each click on the beat and softer, while the stem is muted already."""
    tell(notebook, "desk.a.solo('drums')")
    play(notebook, names, "a")
    times, heights = strokes(notebook.record(names.a, 8, press("Echo out drums A"))[:, 0])
    true(notebook, "desk.a.mutes[1]")
    beats = np.rint((times - times[0]) / BEAT)
    assert np.abs(times - times[0] - beats * BEAT).max() < OFF
    assert (np.diff(beats) == 1).all()
    tail = np.diff(20 * np.log10(heights[times > 5]))
    assert len(tail) > 3
    np.testing.assert_allclose(tail, FALL, atol=0.5)
    click(notebook, "Mute drums A")
    heard(notebook, names.a, lambda sound: bool(np.abs(sound).max() > 0.3), 1)


def check_swap(sound: Samples, tone: float, about: float, sides: tuple[int, int] = (0, 1)) -> None:
    """Check that a tone goes from one side to the other within 10 ms of a bar of A's drums.

    It does so in the three seconds after `about`.
    """
    first = strokes(sound[:, 0])[0][0]  # at second 4.1 of the song, bar 2
    span = slice(round(about * RATE), round((about + 3) * RATE))
    gone, come = (strength(sound[:, side], tone)[span] for side in sides)
    for moment in (int(np.argmax(gone < 0.5)), int(np.argmax(come > 0.5))):
        bar = (about + moment / RATE - first) / (4 * BEAT)
        assert abs(bar - round(bar)) * 4 * BEAT < OFF, (tone, moment, first)


def test_a_stem_is_swapped_at_the_bar(notebook: Notebook, names: Names) -> None:
    """A's vocals go and B's come within 10 ms of the first beat of a bar, and back."""
    quiet = "desk.a.mute('bass', 'other'); desk.b.mute('vocals', 'drums', 'bass', 'other')"
    tell(notebook, f"{quiet}; desk.a.seek(4)")
    play(notebook, names, "b")
    notebook.page.evaluate(BOTH, [names.a, names.b])
    acts = [press("Play A"), press("Swap vocals A"), press("Swap vocals A")]
    sound = notebook.record("both", 16, *acts)
    check_swap(sound, 440, 8.0)
    check_swap(sound, 440, 12.0, (1, 0))
    true(notebook, "desk.b.mutes == [True] * 4 and not desk.a.mutes[0]")


def test_two_stems_are_swapped_at_one_bar(notebook: Notebook, names: Names) -> None:
    """The second does not forget the first."""
    quiet = "desk.a.mute('bass'); desk.b.mute('vocals', 'drums', 'bass', 'other')"
    tell(notebook, f"{quiet}; desk.a.seek(4)")
    play(notebook, names, "b")
    notebook.page.evaluate(BOTH, [names.a, names.b])
    both = f"{press('Swap vocals A')}; {press('Swap other A')}"
    sound = notebook.record("both", 12, press("Play A"), both)
    check_swap(sound, 440, 8.0)
    check_swap(sound, 8000, 8.0)
    true(notebook, "[deck.mutes[0] for deck in (desk.a, desk.b)] == [True, False]")
    true(notebook, "[deck.mutes[3] for deck in (desk.a, desk.b)] == [True, False]")


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (0.0, {440.0: 0.0, 8000.0: 0.0, 100.0: GONE}),
        (0.49, {440.0: 0.0, 8000.0: None, 100.0: GONE}),
        (0.5, {440.0: 0.0, 8000.0: -3.01, 100.0: 0.0}),
        (5 / 6, {440.0: -3.01, 8000.0: GONE, 100.0: 0.0}),
        (1.0, {440.0: GONE, 8000.0: GONE, 100.0: 0.0}),
    ],
)
def test_crossfader_by_stem(
    notebook: Notebook, names: Names, place: float, expected: dict[float, float | None]
) -> None:
    """Of A the vocals and the rest are played, of B the bass."""
    notebook.run("desk.a.solo('vocals', 'other'); desk.b.solo('bass'); desk.play()")
    curve = notebook.page.get_by_role("combobox", name="Crossfader curve").last
    curve.select_option("by stem")
    notebook.page.get_by_role("slider", name="Crossfader").last.fill(str(place))
    known = {tone: decibels for tone, decibels in expected.items() if decibels is not None}
    heard(notebook, names.desk, lambda sound: has(sound, known))
    assert "drums cross over in the first third" in (curve.get_attribute("title") or "")


def test_drums_cross_over_first(notebook: Notebook, names: Names) -> None:
    tell(notebook, "desk.a.solo('drums'); desk.curve = 'by stem'; desk.crossfader = 1 / 6")
    play(notebook, names, "a")

    def soft(sound: Samples) -> bool:
        return bool(abs(20 * np.log10(strokes(sound[:, 0])[1].max() / whole) + 3.01) < 0.3)

    whole = strokes(notebook.record(names.a, 1)[:, 0])[1].max() * np.sqrt(2)
    heard(notebook, names.desk, soft, 1)
    tell(notebook, "desk.crossfader = 0.4")
    heard(notebook, names.desk, lambda sound: not np.abs(sound).max() > 1e-3, 1)


def test_headphones_hear_ahead_of_the_crossfader_by_stem(notebook: Notebook, names: Names) -> None:
    notebook.page.evaluate(
        """id => { const { phones, context } = stemlab.players.get(id);
          (globalThis.kept ??= {}).phones = { output: phones, context }; }""",
        names.desk,
    )
    tell(notebook, "desk.curve = 'by stem'; desk.crossfader = 1; desk.a.levels = [1, 0, 1, 1]")
    play(notebook, names, "a")
    notebook.run("desk.a.pfl = True")
    heard(notebook, "phones", lambda sound: has(sound, FLAT))


def test_fit_matches_the_tuning(notebook: Notebook, names: Names) -> None:
    """B is 30 cents above 440 Hz, A 12 below: FIT takes B 42 down, and says so."""
    tell(notebook, "desk.a.tuning, desk.b.tuning = -12.0, 30.0; desk.b.solo('vocals')")
    play(notebook, names, "b")
    click(notebook, "Match key B")
    true(notebook, "(desk.b.semitones, desk.b.cents) == (0, -42)")
    notebook.page.get_by_role("button", name="Key as recorded B", exact=True).last.get_by_text(
        "±0 −42 ¢"
    ).wait_for()
    expected = 440 * 2 ** (-42 / 1200)

    def tuned(sound: Samples) -> bool:
        return bool(abs(1200 * np.log2(pitch(sound, expected) / expected)) < 1)

    heard(notebook, names.b, tuned, 1)
    click(notebook, "Key as recorded B")
    true(notebook, "desk.b.cents == 0")


def test_songs_far_apart_are_equally_loud(notebook: Notebook, names: Names, tmp_path: Path) -> None:
    """Pink noise at -26 and -14 LUFS: what the decks play is within 0.5 LU of the target."""
    size = 12 * RATE
    white = np.fft.rfft(np.random.default_rng(1).normal(size=(2, size)))
    pink = np.fft.irfft(white / np.sqrt(np.arange(size // 2 + 1) + 1000))
    for name, aim in (("soft", -26), ("loud", -14)):
        sound = np.ascontiguousarray(pink.T, np.float32)
        sound *= 10 ** ((aim - loudness(Audio(sound, RATE))) / 20)
        save(tmp_path / f"{name}.wav", Audio(sound.clip(-1, 1)))
    notebook.run(f"desk.load('a', {str(tmp_path / 'soft.wav')!r})")
    notebook.run(f"desk.load('b', {str(tmp_path / 'loud.wav')!r})")
    true(notebook, "desk.a.loudness and desk.b.loudness")
    true(notebook, "abs(desk.b.loudness - desk.a.loudness - 12) < 0.3")
    found = []
    for side in "ab":
        deck = notebook.run(f"print(desk.{side}.model_id)").strip()
        notebook.wait(f"stemlab.players.has('{deck}')")
        play(notebook, names._replace(**{side: deck}), side)
        found.append(loudness(Audio(notebook.record(deck, 5), RATE)))
        notebook.run(f"desk.{side}.pause()")
    np.testing.assert_allclose(found, -14, atol=0.5)
