from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stemlab import demo
from stemlab.errors import AudioError
from stemlab.masks import apply
from stemlab.research.evaluation import (
    METRICS,
    ORACLES,
    ceilings,
    evaluate,
    grouped,
    score,
    summed_up,
)
from stemlab.research.layouts import find_songs
from stemlab.research.metrics import conservation, sdr
from stemlab.research.references import Song, Source, match, read_stretch
from stemlab.separator import Separator
from stemlab.sound.audio import Audio, load, save
from stemlab.spectral import Stft

SECONDS = slice(20 * 44_100, 26 * 44_100)


@pytest.fixture(scope="module")
def references(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds of the demo's stems without a mixture, the bass ending early."""
    folder = tmp_path_factory.mktemp("songs") / "song"
    folder.mkdir()
    for name, path in demo.stem_paths().items():
        samples = load(path).samples[SECONDS]
        save(folder / f"{name}.wav", Audio(samples[: 100_000 if name == "bass" else None]))
    return folder


def test_songs_are_found_at_both_depths(references: Path) -> None:
    [song] = find_songs(references)
    assert song == find_songs(references.parent)[0]
    assert song.mix is None
    assert set(song.stems) == {"vocals", "drums", "bass", "other"}
    [shipped] = find_songs(Path(demo.__file__).parent)
    assert shipped.mix == Source(demo.path())


def test_scores_are_those_of_the_separated_arrays(references: Path) -> None:
    separator = Separator()
    [song] = find_songs(references)
    targets = match(separator.stems, song.stems)
    mix, known = read_stretch(song, targets, separator.rate)
    separation = separator.separate(Audio(mix))
    stems = np.stack([stem.samples for stem in separation.stems.values()])
    seconds: list[float] = []
    scores = evaluate(song, separator, progress=seconds.append)
    assert abs(sum(seconds) - 6) < 1e-6
    expected = score(mix, known, grouped(stems, targets), separator.rate)
    assert [*scores] == [target.name for target in targets]
    for given, wanted, reference, stem in zip(scores.values(), expected, known, stems, strict=True):
        assert given == pytest.approx(wanted, abs=0.01)
        assert given["sdr"] == pytest.approx(sdr(reference, stem), abs=0.01)


def test_more_metrics_are_added_where_asked_for(tmp_path: Path) -> None:
    for name in ("vocals", "other"):
        samples = load(demo.stem_paths()[name]).samples[20 * 44_100 : 22 * 44_100]
        save(tmp_path / f"{name}.wav", Audio(samples))
    [song] = find_songs(tmp_path)
    scores = evaluate(song, Separator("spleeter-2stems"), metrics=METRICS)
    for stem in scores.values():
        assert [*stem] == [*METRICS]
        assert np.isfinite([*stem.values()]).all()


@pytest.mark.parametrize("stft", [Stft(), Stft(1024, 300, "blackman")])
def test_ceilings_are_those_of_the_masks(references: Path, stft: Stft) -> None:
    [song] = find_songs(references)
    mix, known = read_stretch(song, match(demo.STEMS, song.stems), 44_100)
    spectra = np.stack([stft.analyse(stem) for stem in known], axis=-1)
    for name, stems in ceilings(mix, known, stft).items():
        masked = apply(ORACLES[name](spectra), stft.analyse(mix))
        whole = np.moveaxis(stft.synthesise(masked, len(mix)), -1, 0)
        assert sdr(whole, stems) > 100
        assert conservation(mix, stems) < -120
        assert min(sdr(*pair) for pair in zip(known, stems, strict=True)) > 3


def test_what_references_lack_gets_a_mask_of_its_own(references: Path) -> None:
    [song] = find_songs(references)
    mix, known = read_stretch(song, match(demo.STEMS, song.stems), 44_100)
    all_known = ceilings(mix, known, Stft())
    some = ceilings(mix, known[:2], Stft(), whole=False)
    for name, stems in some.items():
        for reference, few, many in zip(known, stems, all_known[name], strict=False):
            assert sdr(reference, few) == pytest.approx(sdr(reference, many), abs=2)


def test_ceilings_are_above_the_model(references: Path) -> None:
    separator = Separator()
    [song] = find_songs(references)
    mix, known = read_stretch(song, match(separator.stems, song.stems), separator.rate)
    scores = evaluate(song, separator).values()
    for stems in ceilings(mix, known, separator.stft).values():
        for own, reference, stem in zip(scores, known, stems, strict=True):
            assert sdr(reference, stem) > own["sdr"]


def test_unknown_scores_are_left_out_of_median_and_mean() -> None:
    songs = [{"vocals": {"sdr": value}} for value in (1.0, 2.0, 6.0, float("nan"))]
    assert summed_up(songs, "median") == {"vocals": {"sdr": 2.0}}
    assert summed_up(songs, "mean") == {"vocals": {"sdr": 3.0}}
    assert np.isnan(summed_up(songs[3:], "mean")["vocals"]["sdr"])


def test_damaged_references_are_named(tmp_path: Path) -> None:
    (tmp_path / "vocals.wav").write_text("no sound")
    stems = {"vocals": (Source(tmp_path / "vocals.wav"),), "rest": (Source(demo.path()),)}
    with pytest.raises(AudioError, match=r"vocals\.wav"):
        evaluate(Song("song", Source(demo.path()), stems), Separator("spleeter-2stems"))
