from __future__ import annotations

import itertools
import json
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from dask_cluster import Cluster, wait_until

from stemlab import demo
from stemlab.cluster import Done, Failure, connect
from stemlab.errors import ClusterWarning, SettingError
from stemlab.model import find
from stemlab.research.evaluation import ORACLES, USUAL, evaluate
from stemlab.research.layouts import find_songs
from stemlab.research.sweep import COLUMNS, MODEL, Job, Setting, Stretch, sweep
from stemlab.sound.audio import Audio, save
from stemlab.spectral import Stft

SONGS = Path(demo.__file__).parent
NAME = "spleeter-2stems"
# Short, so that a sweep of many settings takes seconds.
STRETCH = {"start": 20, "seconds": 1.5, "metrics": USUAL}


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    """Sweep two settings that work and two that do not."""
    out = tmp_path_factory.mktemp("sweep") / "sweep.parquet"
    grid = {"model": [NAME], "n_fft": [1024, 4096], "hop": [1024], "exponent": [1.0, 2.0]}
    return out, sweep(grid, SONGS, out, where=1, **STRETCH)  # type: ignore[arg-type]


def test_there_is_a_row_for_each_setting_and_stem(swept: tuple[Path, pd.DataFrame]) -> None:
    out, table = swept
    assert tuple(table.columns) == COLUMNS
    done = table[table.error.isna()]
    own = done[done.estimate == MODEL]
    stems = ["vocals", "accompaniment"]
    assert [*zip(own.exponent, own.stem, strict=True)] == [*itertools.product([1.0, 2.0], stems)]
    assert np.isfinite(own[["sdr", "si_sdr", "latency", "speed", "cpu"]].to_numpy()).all()
    assert (own.memory > 50e6).all()
    assert (own.conservation < -120).all()
    assert own.cola.astype(bool).all()
    same_table(pd.read_parquet(out), table)
    run = pd.read_parquet(out).attrs["run"]
    assert len(run["models"][NAME]["sha256"]) == 64
    assert run == table.attrs["run"]


def same_table(found: pd.DataFrame, wanted: pd.DataFrame) -> None:
    """Check that two tables agree; what is missing may be None here and NaN there."""
    found, wanted = (table.where(table.notna(), None) for table in (found, wanted))
    pd.testing.assert_frame_equal(found, wanted, check_dtype=False)


def test_oracles_stand_beside_the_model_once_for_each_grid(
    swept: tuple[Path, pd.DataFrame],
) -> None:
    _, table = swept
    oracles = table[table.estimate.isin([*ORACLES])]
    assert len(oracles) == len(ORACLES) * 2
    for stem in ("vocals", "accompaniment"):
        model = table[(table.stem == stem) & (table.estimate == MODEL)].sdr.max()
        assert oracles[oracles.stem == stem].sdr.min() > model


def test_failures_are_rows_that_say_why(swept: tuple[Path, pd.DataFrame]) -> None:
    failed = swept[1][swept[1].error.notna()]
    assert [*zip(failed.n_fft, failed.exponent, strict=True)] == [(1024, 1.0), (1024, 2.0)]
    assert failed.error.str.contains("cannot reconstruct").all()


def test_scores_are_those_of_an_evaluation(tmp_path: Path) -> None:
    [song] = find_songs(SONGS)
    table = sweep([Setting(model=NAME)], [song], tmp_path / "a.parquet", where=1, metrics=USUAL)
    own = table[table.estimate == MODEL].set_index("stem").sdr
    for stem, scores in evaluate(song, Setting(model=NAME).separator()).items():
        assert own[stem] == pytest.approx(scores["sdr"], abs=0.01)


def test_what_is_done_is_not_done_again(
    swept: tuple[Path, pd.DataFrame], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, table = swept
    journal = out.with_suffix(".jsonl").read_text()
    kept = tmp_path / "again.parquet"
    kept.with_suffix(".jsonl").write_text(journal + '\n{"key": "cut o')
    asked: list[object] = []

    def refuse(_: object, __: object, tasks: list[tuple[object]]) -> object:
        asked.extend(tasks)
        yield from (Done(index, Failure("refused"), "") for index in range(len(tasks)))

    monkeypatch.setattr("stemlab.research.sweep.run", refuse)
    grid = {"model": [NAME], "n_fft": [1024, 4096], "hop": [1024], "exponent": [1.0, 2.0, 3.0]}
    again = sweep(grid, SONGS, kept, where=1, **STRETCH)  # type: ignore[arg-type]
    assert len(asked) == 4  # three that fail, and one that is new
    same = again[again.error.isna()].reset_index(drop=True)
    wanted = table[table.error.isna()].reset_index(drop=True)
    same_table(same, wanted)


def test_a_card_that_is_corrected_is_another_job_and_another_model(tmp_path: Path) -> None:
    network = Path(shutil.copy(find(NAME).path, tmp_path))
    card, setting = network.with_suffix(".json"), Setting(model=str(network))
    known = json.loads(find(NAME).path.with_suffix(".json").read_text())
    job = Job(find_songs(SONGS)[0], setting, Stretch(), USUAL)
    found = []
    for stems in (known["stems"], ["voice", "rest"]):
        card.write_text(json.dumps(known | {"stems": stems}))
        found.append((job.key, setting.separator().stems))
        assert job.key == found[-1][0]
        assert setting.separator().model is setting.separator().model
    (key, stems), (other_key, other_stems) = found
    assert key != other_key
    assert (stems, other_stems) == (("vocals", "accompaniment"), ("voice", "rest"))


def test_a_song_that_changed_is_read_again(tmp_path: Path) -> None:
    for seconds in (1, 2):
        for name in ("vocals", "drums"):
            save(tmp_path / f"{name}.wav", Audio(np.zeros((seconds * 44_100, 2), np.float32)))
        [song] = find_songs(tmp_path)
        mix, _ = Job(song, Setting(model=NAME), Stretch(), USUAL)._read((), 44_100)
        assert len(mix) == seconds * 44_100


def test_a_list_of_settings_on_a_cluster_of_ones_own(tmp_path: Path) -> None:
    settings = [Setting(model=NAME, past=384, lookahead=64), Setting(model="none such")]
    with connect(1) as client:
        table = sweep(settings, SONGS, tmp_path / "a.parquet", where=client, **STRETCH)  # type: ignore[arg-type]
    own = table[table.estimate == MODEL]
    assert [*own.past] == [384, 384, 0]
    assert own.error.iloc[-1].startswith("none such: no such model")


def restart(cluster: Cluster, journal: Path) -> None:
    """Restart it when the first job is done."""
    wait_until(journal.exists)
    cluster.restart()


def test_a_sweep_ends_though_the_scheduler_dies(tmp_path: Path) -> None:
    grid: dict[str, list[Any]] = {"model": [NAME], "exponent": [1 + i / 16 for i in range(16)]}
    out = tmp_path / "sweep.parquet"
    journal = out.with_suffix(".jsonl")
    with Cluster(tmp_path) as cluster, ThreadPoolExecutor(1) as apart:
        restarted = apart.submit(restart, cluster, journal)
        with pytest.warns(ClusterWarning, match="waiting"):
            table = sweep(grid, SONGS, out, where=cluster.address, **STRETCH)  # type: ignore[arg-type]
        restarted.result()
    assert len(table) == 16 * 2 + 3 * 2
    assert table.error.isna().all()
    keys = [json.loads(line)["key"] for line in journal.read_text().split("\n")[1:]]
    assert len(keys) == len({*keys}) == 17


def test_an_interrupted_sweep_goes_on_where_it_stopped(tmp_path: Path) -> None:
    out = tmp_path / "sweep.parquet"
    script = tmp_path / "script.py"
    # Without a guard against being imported by the workers.
    script.write_text(
        "import sys\nfrom stemlab.research.sweep import sweep\n"
        f"grid = {{'model': [{NAME!r}], 'exponent': [1 + i / 100 for i in range(40)]}}\n"
        f"sweep(grid, {str(SONGS)!r}, "
        f"{str(out)!r}, where=2, start=20, seconds=1.5, metrics=('sdr', 'si_sdr'))\n"
    )
    journal = out.with_suffix(".jsonl")
    with subprocess.Popen([sys.executable, script], stderr=subprocess.DEVNULL) as process:
        while not journal.exists() or journal.read_text().count("key") < 3:
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        assert process.wait(240) != 0
    assert not out.exists()
    done = [json.loads(line)["key"] for line in journal.read_text().split("\n")[1:]]
    assert 3 <= len(done) < 41
    subprocess.run([sys.executable, script], check=True, stderr=subprocess.DEVNULL)
    keys = [json.loads(line)["key"] for line in journal.read_text().split("\n")[1:]]
    assert keys[: len(done)] == done
    assert len(keys) == len(set(keys)) == 41
    assert len(pd.read_parquet(out)) == 40 * 2 + 3 * 2


def test_what_cannot_be_swept_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingError, match=r"such a name"):
        sweep([], SONGS, tmp_path / "a.csv")
    with pytest.raises(SettingError, match="no folder"):
        sweep([], SONGS, tmp_path / "none" / "a.parquet")
    with pytest.raises(SettingError, match="nfft: no such setting"):
        sweep({"nfft": [1024]}, SONGS, tmp_path / "a.parquet")
    monkeypatch.setattr("stemlab.errors.find_spec", lambda _: None)
    with pytest.raises(SettingError, match=r"stemlab\[research\]"):
        sweep([], SONGS, tmp_path / "a.parquet")


def test_settings_are_the_models_own_where_none_are_given() -> None:
    assert Setting(model=NAME).stft() == Stft()
    assert Setting(model=NAME, window=("kaiser", 8.6)).stft() == Stft(window=("kaiser", 8.6))
