from __future__ import annotations

import re
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from stemlab import demo
from stemlab.errors import SettingError, StemlabError
from stemlab.labs import tune
from stemlab.labs.bill import bill
from stemlab.labs.coarse import coarse
from stemlab.labs.grids import compare
from stemlab.labs.memory import remembering
from stemlab.labs.trial import SECONDS, Passage, Trial, parse_window
from stemlab.model import StemModel, find
from stemlab.research.account import Account
from stemlab.research.evaluation import ORACLES, USUAL
from stemlab.research.layouts import find_songs
from stemlab.research.references import match, read_stretch
from stemlab.research.sweep import MODEL, Job, Setting, Stretch
from stemlab.sound.audio import Audio, load, save

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from stemlab.labs.tune import Tune

LONG = 240  # seconds that anything may take on a machine that does much else
FAST = "stemlab-4-fast"
SONG, REFERENCES = demo.path(), demo.path().parent


@pytest.fixture(scope="module")
def panel() -> Iterator[Tune]:
    panel = tune()
    panel.controls["model"].value = FAST
    assert panel.wait(LONG)
    yield panel
    panel.close()


@pytest.fixture
def rested(panel: Tune) -> Iterator[Tune]:
    """Give the panel, and set its controls back to what they were."""
    values = {name: control.value for name, control in panel.controls.items()}
    yield panel
    for name in ("song", *values):
        panel.controls[name].value = values[name]
    assert panel.wait(LONG)
    assert panel.faults == {}


def turn(panel: Tune, **values: Any) -> None:
    for name, value in values.items():
        panel.controls[name].value = value
    assert panel.wait(LONG)


def test_what_is_heard_is_what_is_accounted_for(rested: Tune) -> None:
    turn(rested, n_fft=2048, hop="1/4", window="kaiser 8.6", exponent=2)
    assert rested.setting == Setting(
        2048, 512, ("kaiser", 8.6), 2.0, 0, 64, 64, "octave", FAST, rested.setting.runtime,
        rested.setting.threads,
    )  # fmt: skip
    assert rested.outcome
    assert rested.player
    assert rested.player.track
    mix, stems = rested.player.track.read(0, 20_000)
    for stem, name in zip(stems, rested.player.stems, strict=True):
        wanted = rested.outcome.stems[name].samples[:20_000]
        np.testing.assert_allclose(stem, wanted, atol=1e-4)
    np.testing.assert_allclose(stems.sum(0), mix, atol=3e-4)
    assert rested.view
    assert rested.view.picture.stft == rested.setting.stft()
    assert "PSM" in rested._bill.value


def test_a_trial_scores_as_a_sweep_does() -> None:
    setting = Setting(hop=512, model=FAST)
    trial = Trial(setting, Passage(SONG, REFERENCES, 27))
    [song] = find_songs(REFERENCES)
    stretch = Stretch(27, SECONDS)
    swept = Job(song, setting, stretch, USUAL).rows()
    swept += Job(song, setting, stretch, USUAL, stems=find(FAST).stems).rows()
    found = {MODEL: trial.run().sdr, **trial.ceilings()}
    assert found.keys() == {MODEL, *ORACLES}
    for row in swept:
        assert found[row["estimate"]][row["stem"]] == pytest.approx(row["sdr"], abs=1e-3)


@pytest.mark.parametrize(
    ("change", "where", "sentence"),
    [
        ({"hop": "8192"}, "hop", "hop 8192 is longer than the window of 4096 samples"),
        ({"n_fft": 1}, "n_fft", "no whole number of samples of a window of 1"),
        ({"hop": "quarter"}, "hop", "write a share of the window such as 1/4"),
        ({"hop": "1/1"}, "hop", "cannot reconstruct"),
        ({"window": "hahn"}, "window", "name one that scipy.signal.get_window knows"),
        ({"window": "kaiser"}, "window", "kaiser"),
        ({"window": "kaiser x"}, "window", "cannot be read: write hann, kaiser 8.6"),
        ({"past": 480}, "past", "leave a frame of the 512"),
        ({"overlap": 65}, "overlap", "the cross-fade lies within the look-ahead"),
        ({"song": "nowhere.mp3"}, "song", "nowhere.mp3: there is no such file"),
        ({"references": "nowhere"}, "references", "nowhere: not a folder"),
    ],
)
def test_what_cannot_be_is_told_where_it_is_wrong(
    rested: Tune, change: dict[str, Any], where: str, sentence: str
) -> None:
    before = rested.outcome
    turn(rested, **change)
    assert list(rested.faults) == [where]
    assert sentence in rested.faults[where]
    assert sentence[:20] in rested._told[where].value.replace("&#x27;", "'")
    assert rested.outcome is before


def test_each_of_several_faults_is_told(rested: Tune) -> None:
    turn(rested, window="foo", hop="8192", exponent=2)
    assert set(rested.faults) == {"window", "hop"}
    turn(rested, window="cosine")
    assert set(rested.faults) == {"hop"}
    turn(rested, n_fft=16_384)
    assert rested.faults == {}
    assert rested.setting.window == "cosine"


def stems_of(folder: Path, seconds: float, *names: str) -> Path:
    folder.mkdir()
    for name, path in demo.stem_paths().items():
        if name in names:
            whole = load(path)
            save(folder / f"{name}.wav", Audio(whole.samples[: int(seconds * whole.rate)]))
    return folder


def test_references_that_do_not_fit_are_told(rested: Tune, tmp_path: Path) -> None:
    before = rested.outcome
    short = stems_of(tmp_path / "short", 40, *demo.STEMS)
    turn(rested, references=str(short))
    assert "bass ends at 40.0 s, the mix at 57.7 s" in rested.faults["references"]
    stems_of(tmp_path / "more", 60, "vocals", "drums")
    turn(rested, references=str(tmp_path))
    assert "holds 2 songs" in rested.faults["references"]
    assert rested.outcome is before


def test_some_references_are_better_than_none(rested: Tune, tmp_path: Path) -> None:
    turn(rested, references=str(stems_of(tmp_path / "some", 60, "vocals", "drums")))
    assert rested.outcome
    assert set(rested.outcome.sdr) == {"vocals", "drums"}


def test_a_model_with_other_stems_gets_a_player_of_its_own(rested: Tune) -> None:
    old = rested.player
    assert old
    old.playing = True
    turn(rested, model="spleeter-2stems")
    assert rested.player is not old
    assert rested.player
    assert rested.player.stems == ["vocals", "accompaniment"]
    assert rested.player.playing
    assert rested.outcome
    assert set(rested.outcome.sdr) == {"vocals", "accompaniment"}


def test_a_song_without_references_has_an_account_without_sdr(rested: Tune, tmp_path: Path) -> None:
    turn(rested, song=str(stems_of(tmp_path / "song", 10, "other") / "other.wav"))
    assert rested.faults == {}
    assert rested.controls["references"].value == ""
    assert rested.controls["start"].max == pytest.approx(10 - SECONDS, abs=0.1)
    assert rested.outcome
    assert rested.outcome.sdr == {}
    assert "no SDR" in rested._bill.value


def test_a_mistyped_song_changes_nothing_else(rested: Tune) -> None:
    start, references = rested.controls["start"].value, rested.controls["references"].value
    turn(rested, references=str(REFERENCES))
    turn(rested, song="nowhere.mp3")
    assert list(rested.faults) == ["song"]
    assert rested.controls["start"].value == start
    assert rested.controls["references"].value == str(REFERENCES)
    turn(rested, song="")
    assert rested.controls["references"].value == references


def test_what_was_heard_comes_back(rested: Tune) -> None:
    first, known = rested._values(), len(rested.history.tried)
    turn(rested, n_fft=1024)
    second = rested._values()
    assert (rested.setting.n_fft, rested.setting.hop) == (1024, 256)
    assert len(rested.history.tried) == known + 1
    assert rested.history._list.index == 0
    assert "window 1024" in rested.history._list.options[0]
    for wanted in (first, second, first):
        rested.history._swap.click()
        assert rested.wait(LONG)
        assert (rested._good, rested._values()) == (wanted, wanted)
    rested.history._list.index = 0
    assert rested.wait(LONG)
    assert rested._good == second
    assert len(rested.history.tried) == known + 1


def test_a_setting_of_a_sweep_is_heard(rested: Tune) -> None:
    setting = Setting(2048, 256, ("kaiser", 8.6), 2.0, model=FAST, overlap=32)
    row = {"sdr": 5.0, "threads": float("nan"), **asdict(setting), "window": "kaiser 8.6"}
    for settings in (row, asdict(setting)):
        rested.show(settings)
        assert rested.wait(LONG)
        assert rested.faults == {}
        runtime = rested.setting.runtime
        assert rested.setting == replace(setting, lookahead=64, runtime=runtime, threads=1)
    rested.show({"n_fft": 1024, "model": "nowhere.tflite"})
    assert rested.faults == {"model": "nowhere.tflite: no such choice here"}
    assert rested.controls["n_fft"].value == 2048


def test_a_song_that_is_not_there_is_told_and_can_be_mended() -> None:
    panel = tune("nowhere.mp3")
    assert panel.wait(LONG)
    assert list(panel.faults) == ["song"]
    assert not panel._stage.children
    turn(panel, model=FAST, song=str(SONG))
    assert panel.faults == {}
    assert len(panel._stage.children) == 1
    panel.close()


def test_a_newer_change_ends_an_older_one(rested: Tune, monkeypatch: pytest.MonkeyPatch) -> None:
    """The older one would take many runs of the model; none of it is heard."""
    runs, own = [], StemModel.masks

    def counted(self: StemModel, magnitude: Any) -> Any:
        runs.append(1)
        if len(runs) == 3:  # while the first is under way
            rested.controls["past"].value = 0
        return own(self, magnitude)

    heard: list[float] = []
    monkeypatch.setattr(StemModel, "masks", counted)
    rested.controls["exponent"].value = 1.5
    assert rested.wait(LONG)
    runs.clear()
    assert rested.player
    orders = rested._orders
    monkeypatch.setattr(rested.player, "replace", lambda _: heard.append(orders.newest.turn))
    turn(rested, past=440)
    assert heard == [orders.newest.turn]
    assert rested.setting.past == 0
    assert len(runs) < 12  # of some 30


def test_the_model_runs_once_for_what_is_turned_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    runs, own = [], StemModel.masks

    def counted(self: StemModel, magnitude: Any) -> Any:
        runs.append(1)
        return own(self, magnitude)

    passage = Passage(SONG, REFERENCES, 30)
    settings = [
        Setting(model=FAST),
        Setting(1024, 256, "cosine", 2.0, extension="even", model=FAST),
    ]
    first = Trial(settings[0], passage).run()
    monkeypatch.setattr(StemModel, "masks", counted)
    again, other = (Trial(setting, passage).run() for setting in settings)
    assert not runs
    assert again.sdr == first.sdr
    assert other.sdr != first.sdr
    model = remembering(FAST, None, 1)
    took = model._kept[next(reversed(model._kept))]
    took = model._again if took is model._first else took
    for outcome in (first, again, other):
        assert outcome.account.compute > took.wall
        assert outcome.account.cpu > took.cpu / 11
    Trial(Setting(model=FAST, past=64), passage).run()
    assert runs


def test_coarser_weights_are_worth_less() -> None:
    passage = Passage(SONG, REFERENCES, 27.2)
    few = str(coarse(FAST, 2).card.path)
    whole, rough = (Trial(Setting(model=model), passage).run().sdr for model in (FAST, few))
    assert find(few).precision == "2-bit weights"
    assert np.mean([*rough.values()]) < np.mean([*whole.values()]) - 0.1


def test_windows_are_spelt_as_scipy_does() -> None:
    assert parse_window("('general_cosine', [0.5, 0.5])") == ("general_cosine", (0.5, 0.5))
    for text in ("", "('kaiser', 8.6", "kaiser b", "(8,)"):
        with pytest.raises(StemlabError):
            Setting(window=parse_window(text)).stft()


def account(**values: Any) -> Account:
    known = {
        "window": 0.1, "lookahead": 0.2, "buffer": 1.5, "step": 0.4, "compute": 0.25,
        "speed": 3.0, "cpu": 0.2, "memory": 300 << 20, "conservation": -140.0, "nola": 0.5,
        "cola": False,
    }  # fmt: skip
    return Account(**(known | values))


def test_the_bill_names_each_part_of_latency_and_its_share() -> None:
    text = bill(account(), {}, {})
    assert 'aria-label="Latency 300 ms; 2.05 s at worst' in text
    assert "window 100 ms, look-ahead 200 ms, buffer 1.50 s (3 steps of 400 ms and a block)" in text
    shares = [float(share) for share in re.findall(r"flex: ([\d.]+)", text)]
    assert shares == [0.1, 0.2, 1.5, 0.25]
    assert "<b>Latency 300 ms</b> (algorithmic: window + look-ahead)" in text
    for words in ("3.0 × real time", "300 MiB", "NOLA 0.50, COLA no", "−140 dB", "no SDR"):
        assert words in text


def test_a_silent_stem_has_a_dash_for_its_sdr() -> None:
    silent = {"bass": float("nan")}
    for before in (None, {"bass": 5.0}):
        text = bill(account(), silent, {"IRM": silent}, before)
        assert "nan" not in text
        assert text.count("–") == 3


def test_the_bill_tells_masks_from_grid() -> None:
    text = bill(account(), {"bass": 5.0}, {"IRM": {"bass": 7.5}, "PSM": {"bass": 8.0}}, {})
    assert re.findall(r"<td[^>]*>([^<]*)</td>", text) == ["5.00", "7.50", "8.00", "3.00"]
    assert "5.00 (+0.50)" in bill(account(), {"bass": 5.0}, {}, {"bass": 4.5})
    assert "5.00 (−0.50)" in bill(account(), {"bass": 5.0}, {}, {"bass": 5.5})


def test_grids_are_measured_against_the_models_own() -> None:
    [song] = find_songs(REFERENCES)
    model = StemModel(FAST)
    mix, true = read_stretch(song, match(demo.STEMS, song.stems), 44_100, 27.2, 3)
    own, short = compare(model, mix, true, [(4096, 1024), (1024, 256)])
    assert own.carried == own.oracle
    assert short.carried < short.oracle < own.oracle
    assert own.model < own.oracle


def test_a_bad_number_of_bits_is_refused() -> None:
    with pytest.raises(SettingError, match="choose 2 to 8"):
        coarse(FAST, 9)
