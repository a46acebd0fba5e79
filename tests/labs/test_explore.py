from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import ipywidgets
import numpy as np
import pytest
from sounds import snr

from stemlab import demo
from stemlab.errors import AudioError, SettingError
from stemlab.labs import exercises, explore
from stemlab.labs.coarse import coarsen, round_weights, try_bits
from stemlab.labs.excerpt import Excerpt
from stemlab.labs.experiment import Experiment, Outcome
from stemlab.masks import normalise
from stemlab.model import StemModel, find
from stemlab.pictures.picture import Picture
from stemlab.research.metrics import sdr
from stemlab.sound.audio import Audio, load, save
from stemlab.widgets.paint import spread

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray


STEPS = (
    explore.windows,
    explore.true_mask,
    explore.kinds,
    explore.paint,
    explore.phase,
    explore.network,
    explore.bleed,
    explore.sums,
    explore.precision,
    explore.blind,
)


@pytest.fixture(scope="module")
def excerpt() -> Excerpt:
    return Excerpt.of(demo.path(), start=16, seconds=2)


@pytest.fixture
def opened() -> Iterator[list[Experiment]]:
    """Collect experiments, to be closed at the end."""
    experiments: list[Experiment] = []
    yield experiments
    for experiment in experiments:
        experiment.close()


def heard(experiment: Experiment) -> dict[str, NDArray[np.float32]]:
    track = experiment.player.track
    assert track is not None
    _, stems = track.read(0, track.length)
    return dict(zip(experiment.player.stems, stems, strict=True))


def move(experiment: Experiment, **values: Any) -> None:
    for name, value in values.items():
        experiment.controls[name].value = value
        experiment.settle()


# ------------------------------------------------------------------ the excerpt


def test_the_excerpt_is_the_part_that_was_asked_for(excerpt: Excerpt) -> None:
    part = slice(16 * 44_100, 18 * 44_100)
    np.testing.assert_array_equal(excerpt.mix, load(demo.path()).samples[part])
    vocals = load(demo.stem_paths()["vocals"]).samples[part]
    np.testing.assert_array_equal(excerpt.stems["vocals"], vocals)
    assert snr(sum(excerpt.separated.values(), np.zeros_like(excerpt.mix)), excerpt.mix) > 120


def test_a_score_is_that_of_the_masked_mixture(excerpt: Excerpt) -> None:
    mask = excerpt.mask("vocals")
    kept = excerpt.sound(mask * excerpt.spectrum)
    found = excerpt.score("vocals", mask)
    assert found.sdr == pytest.approx(sdr(excerpt.stems["vocals"], kept), abs=0.01)
    leaked, cut = excerpt.errors("vocals", mask)
    assert snr(excerpt.stems["vocals"] + leaked - cut, kept) > 90
    assert found.leakage > found.sdr
    assert found.damage > found.sdr


def test_without_true_stems_the_models_serve(tmp_path: Path, opened: list[Experiment]) -> None:
    song = tmp_path / "song.ogg"
    shutil.copy(demo.path(), song)
    own = Excerpt.of(song, start=10, seconds=1)
    assert not own.known
    assert list(own.stems) == ["vocals", "drums", "bass", "other"]
    assert own.score("bass", own.mask("bass")).sdr > 15
    for step in STEPS:
        opened.append(step(own))
        assert opened[-1].words.value


def test_some_true_stems_are_not_enough(tmp_path: Path) -> None:
    for name in ("mix", "vocals", "drums"):
        shutil.copy(demo.path().with_name(f"{name}.ogg"), tmp_path)
    assert not Excerpt.of(tmp_path / "mix.ogg", 10, 1).known


@pytest.mark.parametrize(("start", "seconds"), [(-1, 5), (0, 0.5), (0, 12)])
def test_times_without_meaning_are_refused(start: float, seconds: float) -> None:
    with pytest.raises(SettingError, match="take 1 to 11 seconds"):
        Excerpt.of(demo.path(), start, seconds)


def test_a_song_that_ends_before_the_start_says_so(tmp_path: Path) -> None:
    save(tmp_path / "short.wav", Audio(np.zeros((44_100, 2), np.float32)))
    with pytest.raises(AudioError, match="choose an earlier start"):
        Excerpt.of(tmp_path / "short.wav", start=5)


# ------------------------------------------------------------------ oracles and their order


def test_the_better_the_oracle_the_higher_the_score(excerpt: Excerpt) -> None:
    for stem in excerpt.stems:
        wiener, binary, sensitive = (
            excerpt.score(stem, explore.oracle(excerpt, stem, kind)).sdr
            for kind in ("ratio", "binary", "phase-sensitive")
        )
        model = excerpt.score(stem, excerpt.mask(stem)).sdr
        assert sensitive > wiener > model
        assert binary > model


def test_a_higher_threshold_lets_less_in_and_cuts_more(excerpt: Excerpt) -> None:
    low, high = (
        excerpt.score("drums", explore.oracle(excerpt, "drums", "binary", threshold))
        for threshold in (-6, 6)
    )
    assert high.leakage > low.leakage
    assert high.damage < low.damage


def test_strongest_cells_are_as_many_as_asked_for() -> None:
    spectrum = np.random.default_rng(0).standard_normal((30, 40, 2)).astype(np.complex64)
    assert explore.strongest(spectrum, 0.25).mean() == pytest.approx(0.25)
    assert explore.strongest(spectrum, 1).all()


def test_entropy_has_its_ends() -> None:
    assert explore.entropy(normalise(np.ones((5, 8)))) == pytest.approx(3)
    assert explore.entropy(np.eye(4, dtype=np.float32)) == pytest.approx(0, abs=1e-4)


def test_leaks_are_measured_as_they_sound(excerpt: Excerpt) -> None:
    names = list(excerpt.stems)
    leak = excerpt.sound(excerpt.mask("bass") * excerpt.spectra["drums"])
    level = 10 * np.log10(np.sum(leak**2) / np.sum(excerpt.stems["drums"] ** 2))
    found = explore.leakage(excerpt)[names.index("drums"), names.index("bass")]
    # Windows overlap: their energies are not quite that of the sound.
    assert found == pytest.approx(level, abs=1)


# ------------------------------------------------------------------ the steps


def test_all_of_the_cells_are_the_sound_whatever_the_window(
    excerpt: Excerpt, opened: list[Experiment]
) -> None:
    step = explore.windows(excerpt)
    opened.append(step)
    for window in (512, 16_384):
        move(step, window=window, cells=100)
        assert snr(heard(step)["kept"], excerpt.mix) > 70


@pytest.mark.parametrize(("window", "lines"), [(1024, 1), (4096, 2), (16_384, 2)])
def test_two_tones_are_seen_apart_where_the_window_is_long(
    excerpt: Excerpt, opened: list[Experiment], window: int, lines: int
) -> None:
    step = explore.windows(excerpt)
    opened.append(step)
    drawing = step._make("two tones", window, 4, 100).drawing
    assert drawing is not None
    [cells] = drawing.panels[1].marks
    columns = np.frombuffer(cells["bytes"], np.uint8).reshape(cells["columns"], -1)
    column = columns[len(columns) // 2].astype(int)
    loud = column > column.max() - 18  # 5 dB
    borders = np.flatnonzero(np.diff(loud.astype(int)) == 1)
    assert len(borders) == lines


@pytest.mark.parametrize(("window", "hop"), [(512, 2), (4096, 4), (16_384, 8)])
def test_the_waveform_that_is_drawn_is_the_one_that_is_heard(
    excerpt: Excerpt, opened: list[Experiment], window: int, hop: int
) -> None:
    """Though it is drawn before all of it is worked out."""
    step = explore.windows(excerpt)
    opened.append(step)
    outcome = step._make("the song", window, hop, 1)
    assert outcome.drawing is not None
    assert not isinstance(outcome.sounds, dict)
    drawn = np.frombuffer(outcome.drawing.panels[0].marks[1]["y"], np.float32)
    start = explore.onset(excerpt.mix, excerpt.rate)
    kept = outcome.sounds()["kept"][start : start + len(drawn)].mean(1)
    np.testing.assert_allclose(drawn, kept, atol=1e-5)


def test_long_windows_hear_clicks_before_they_come(
    excerpt: Excerpt, opened: list[Experiment]
) -> None:
    step = explore.windows(excerpt)
    opened.append(step)
    early = []
    for window in (512, 16_384):
        move(step, sound="clicks", window=window, cells=0.3)
        before = heard(step)["kept"][44_100 // 4 - 4000 : 44_100 // 4 - 1000]
        early.append(float(np.sum(before**2)))
    assert early[1] > 100 * early[0] + 1e-6


def test_a_binary_mask_is_seen_as_it_is(excerpt: Excerpt, opened: list[Experiment]) -> None:
    """Its sound would look softer: overlapping windows fill what it leaves out."""
    step = explore.kinds(excerpt)
    opened.append(step)
    move(step, stem="drums", threshold=6)
    assert step.view
    seen = step.view.picture
    mask = explore.oracle(excerpt, "drums", "binary", 6)
    both = np.stack([mask, 1 - mask], -1)
    right = Picture.of(excerpt.spectrum, both, seen.stems, stft=excerpt.stft, axis=seen.axis)
    assert np.abs(seen.masks() - right.masks()).max() < 0.01


def test_what_is_kept_and_the_rest_sum_to_the_mixture(
    excerpt: Excerpt, opened: list[Experiment]
) -> None:
    steps = [explore.true_mask, explore.kinds, explore.paint, explore.phase]
    for make in steps:
        step = make(excerpt)
        opened.append(step)
        move(step, stem="bass")
        parts = heard(step)
        assert snr(parts["kept"] + parts["rest"], excerpt.mix) > 70


def test_a_painted_rectangle_is_heard_and_scored(
    excerpt: Excerpt, opened: list[Experiment]
) -> None:
    step = explore.paint(excerpt)
    opened.append(step)
    assert not heard(step)["kept"].any()
    canvas = step.controls["painted"]
    painted = np.zeros((len(canvas.picture.columns), canvas.picture.axis.rows), np.uint8)
    low, high = canvas.picture.axis.row(np.array([300.0, 4000.0])).astype(int)
    painted[:, low:high] = 255
    move(step, painted=painted.tobytes())
    power = np.abs(np.fft.rfft(heard(step)["kept"][:, 0])) ** 2
    hertz = np.fft.rfftfreq(len(excerpt.mix), 1 / 44_100)
    assert power[(hertz > 280) & (hertz < 4100)].sum() > 0.999 * power.sum()
    score = excerpt.score("vocals", spread(painted.tobytes(), canvas.picture)[..., None])
    assert score.sdr > 2
    assert f"{score.sdr:.1f} dB" in step.words.value


def test_painting_looks_at_the_mask_it_hears_and_starts_the_sound(
    excerpt: Excerpt, opened: list[Experiment]
) -> None:
    step = explore.paint(excerpt)
    opened.append(step)
    canvas = step.controls["painted"]
    move(step, hear="the oracle's")
    assert canvas.other == canvas.goal
    move(step, hear="the model's")
    assert canvas.other not in {canvas.goal, b""}
    started: list[bool] = []
    step.player.observe(lambda change: started.append(change["new"]), "playing")
    move(step, painted=bytes([255]) * len(canvas.cells))
    assert started == [True]
    assert (step.controls["hear"].value, canvas.other) == ("mine", b"")


def test_its_own_phase_gives_the_stem_back(excerpt: Excerpt, opened: list[Experiment]) -> None:
    step = explore.phase(excerpt)
    opened.append(step)
    move(step, angle="its own")
    assert snr(heard(step)["kept"], excerpt.stems["vocals"]) > 60
    move(step, angle="random")
    assert snr(heard(step)["kept"], excerpt.stems["vocals"]) < 3


def test_frames_that_have_not_arrived_are_silent(
    excerpt: Excerpt, opened: list[Experiment]
) -> None:
    step = explore.network(excerpt)
    opened.append(step)
    move(step, frame=30)
    arrived = int(excerpt.stft.centre(30.5))
    for name, stem in heard(step).items():
        assert snr(stem[:arrived], excerpt.separated[name][:arrived]) > 40
        assert not stem[arrived:].any()


def test_a_leak_is_heard_once_it_is_shown(excerpt: Excerpt, opened: list[Experiment]) -> None:
    step = explore.bleed(excerpt)
    opened.append(step)
    move(step, true="drums", estimate="bass")
    assert not heard(step)["kept"].any()
    before = step.words.value
    move(step, show=True)
    assert heard(step)["kept"].any()
    assert "it is <b>" in step.words.value.removeprefix(before)


def test_what_stems_miss_is_silence_until_masks_are_spoilt(
    excerpt: Excerpt, opened: list[Experiment]
) -> None:
    step = explore.sums(excerpt)
    opened.append(step)
    move(step, boost=60)
    assert np.abs(heard(step)["missing"]).max() < 1e-3
    move(step, masks="each mask squared", boost=0)
    parts = heard(step)
    assert np.abs(parts["missing"]).max() > 0.05
    assert snr(np.sum(list(parts.values()), axis=0), excerpt.mix) > 70


def test_of_experiments_only_one_plays(excerpt: Excerpt, opened: list[Experiment]) -> None:
    opened += [explore.phase(excerpt), explore.phase(excerpt)]
    for step, other in (opened, opened[::-1]):
        step.player.play()
        assert not other.player.playing


def test_a_wrong_setting_is_told_and_nothing_else_changes(opened: list[Experiment]) -> None:
    def make(level: float) -> Outcome:
        if level > 0.5:
            raise SettingError(f"level {level} is too loud; choose less than <half>")
        return Outcome({"tone": np.full((1000, 2), level, np.float32)}, "fine")

    step = Experiment(make, {"level": ipywidgets.FloatText(0.25)})
    opened.append(step)
    move(step, level=0.75)
    assert step.words.value == "<b>level 0.75 is too loud; choose less than &lt;half&gt;</b>"
    assert heard(step)["tone"].max() == pytest.approx(0.25, abs=1e-3)
    move(step, level=0.5)
    assert step.words.value == "fine"
    assert heard(step)["tone"].max() == pytest.approx(0.5, abs=1e-3)


# ------------------------------------------------------------------ bits


def test_eight_bits_are_the_model_itself(excerpt: Excerpt, tmp_path: Path) -> None:
    card = find("stemlab-4-fast")
    same = coarsen(card, 8, tmp_path)
    assert same.card.sha256 == card.sha256
    assert same.size == card.path.stat().st_size
    assert try_bits(excerpt, 8).size > 2 * try_bits(excerpt, 2).size


def test_bits_are_rounded_from_floats(excerpt: Excerpt, tmp_path: Path) -> None:
    exact = find("stemlab-4-fast-float32")
    half = coarsen(exact, 16, tmp_path)
    assert half.size < 0.55 * exact.path.stat().st_size
    tried = {bits: try_bits(excerpt, bits) for bits in (32, 16, 8)}
    assert tried[32].size > 1.8 * tried[16].size > 3 * tried[8].size
    vocals = {bits: one.stems["vocals"] for bits, one in tried.items()}
    assert 45 < sdr(vocals[32], vocals[16]) < 100
    assert 20 < sdr(vocals[32], vocals[8]) < sdr(vocals[32], vocals[16])
    assert all(abs(one.sdr["vocals"] - tried[32].sdr["vocals"]) < 0.1 for one in tried.values())


def test_fewer_bits_change_the_masks_and_fit_the_card(tmp_path: Path) -> None:
    few = coarsen(find("stemlab-4-fast"), 2, tmp_path)
    noise = np.random.default_rng(0).random((512, 1024, 2), dtype=np.float32)
    away = np.abs(StemModel(few.card).masks(noise) - StemModel("stemlab-4-fast").masks(noise))
    assert 0.01 < away.mean() < 0.5


def test_so_many_bits_hold_so_many_values() -> None:
    weights = np.arange(-127, 128).astype(np.int8)
    for bits in range(2, 9):
        assert len(np.unique(round_weights(weights, bits))) == 2**bits - 1


@pytest.mark.parametrize(
    ("model", "bits", "fault"),
    [
        ("stemlab-4-fast", 1, "choose 2 to 8"),
        ("stemlab-4-fast", 9, "9 bits"),
        ("stemlab-4-fast-float32", 4, "no int8"),
    ],
)
def test_bits_that_cannot_be_are_refused(model: str, bits: int, fault: str, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=fault):
        coarsen(find(model), bits, tmp_path)
    assert not list(tmp_path.iterdir())


# ------------------------------------------------------------------ the blind test


def test_a_blind_test_counts(excerpt: Excerpt, opened: list[Experiment]) -> None:
    step = explore.blind(excerpt, seed=0)
    opened.append(step)
    move(step, pair="8 bits against 2", hear="A")
    sounds = {"A": heard(step)["kept"]}
    move(step, hear="B")
    sounds["B"] = heard(step)["kept"]
    assert snr(sounds["A"], sounds["B"]) < 20
    buttons = {button.description: button for button in step.children[1].children}
    for count in range(1, 5):
        move(step, hear="X")
        x = heard(step)["kept"]
        [truth] = [name for name, sound in sounds.items() if np.array_equal(sound, x)]
        buttons[f"X is {truth}"].click()
        step.settle()
        assert f"{count} of {count} so far" in step.words.value
    move(step, hear="X")
    x = heard(step)["kept"]
    [lie] = [name for name, sound in sounds.items() if not np.array_equal(sound, x)]
    buttons[f"X is {lie}"].click()
    step.settle()
    assert "wrong" in step.words.value
    assert "4 of 5 so far" in step.words.value


# ------------------------------------------------------------------ exercises


@pytest.mark.parametrize(
    ("answer", "right", "why"),
    [
        (512, False, "longer"),
        (2048, False, "longer"),
        (4096, True, "smears time"),
        (8192, False, "Half the window"),
        (1000, False, "power of two"),
        ("long", False, "power of two"),
    ],
)
def test_the_exercise_of_windows(answer: object, *, right: bool, why: str) -> None:
    verdict = exercises.shortest_window(answer)
    assert verdict.right is right
    assert why in str(verdict)


@pytest.mark.parametrize(
    ("function", "right", "why"),
    [
        (lambda stem, rest: stem > rest, True, "sum to 1"),
        (lambda stem, rest: stem**2 / (stem**2 + rest**2 + 1e-9), True, "sum to 1"),
        (lambda stem, rest: (stem > 2 * rest).astype(float), False, "lose or add"),
        (lambda stem, rest: stem + rest, False, "between 0 and 1"),
        (lambda stem, rest: stem - rest, False, "between 0 and 1"),
        (lambda stem, rest: 0.5 + 0 * (stem + rest), False, "louder"),
        (lambda stem, rest: (stem + rest) * np.nan, False, "Add 1e-9"),
        (lambda stem, rest: (stem + rest).mean(), False, "each cell"),
        (lambda stem: stem, False, "stopped"),
    ],
)
def test_the_exercise_of_masks(excerpt: Excerpt, function: Any, *, right: bool, why: str) -> None:
    verdict = exercises.mask_function(function, excerpt)
    assert verdict.right is right, verdict
    assert why in verdict.why


def test_the_other_exercises(excerpt: Excerpt) -> None:
    assert exercises.best_phase("mixture", excerpt).right
    assert not exercises.best_phase("random", excerpt).right
    assert "one of" in exercises.best_phase(3, excerpt).why
    assert [exercises.half_fader(answer).right for answer in (-6.02, 6, -3, "x")] == [
        *(True, True),
        *(False, False),
    ]
    assert "−3 dB" in exercises.half_fader(-3).why
    assert "whole number" in exercises.fewest_bits(9, excerpt).why
    rights = [bits for bits in range(2, 9) if exercises.fewest_bits(bits, excerpt).right]
    assert len(rights) == 1
    assert "✔" in exercises.half_fader(6)._repr_html_()
