"""The command line as its users see it: what is printed, what is written, what is left behind."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from stemlab import demo
from stemlab.cli import main
from stemlab.model import find
from stemlab.research.metrics import conservation
from stemlab.sound.audio import Audio, Tags, load, save
from stemlab.sound.stem_mp4 import read_stems
from stemlab.sound.tags import read_tags

SECOND = 44_100


class Said(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def stemlab(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Return a function that runs the command line and returns what it said."""

    def run(*words: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["stemlab", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main()
        code = end.value.code
        return Said(code if isinstance(code, int) else 0, *capsys.readouterr())

    return run


@pytest.fixture
def song(tmp_path: Path) -> Path:
    """Three seconds of the demo, tagged."""
    path = tmp_path / "My 'best' söng.flac"
    samples = load(demo.path()).samples[10 * SECOND : 13 * SECOND]
    save(path, Audio(samples), Tags(title="Song", artist="Us"))
    return path


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_separate_writes_stems_that_sum_to_the_song(
    stemlab: Any, song: Path, tmp_path: Path
) -> None:
    said = stemlab("separate", song, "-o", tmp_path / "out")
    folder = tmp_path / "out" / "My 'best' söng"
    assert said.code == 0
    assert files(folder) == {*(f"{stem}.wav" for stem in demo.STEMS), ".stemlab.json"}
    stems = [load(folder / f"{name}.wav").samples for name in demo.STEMS]
    assert conservation(load(song).samples, stems) < -120
    assert read_tags(folder / "vocals.wav").title == "Song (vocals)"


def test_json_is_one_object_and_all_there_is(stemlab: Any, song: Path, tmp_path: Path) -> None:
    said = stemlab("separate", song, "-o", tmp_path / "out", "--format", "flac", "--json")
    [report] = json.loads(said.out)["songs"]
    assert report["reused"] is False
    assert abs(report["seconds"] - 3) < 1e-3
    assert all(Path(path).is_file() for path in report["files"].values())


def test_what_is_there_is_reused_unless_forced(stemlab: Any, song: Path, tmp_path: Path) -> None:
    def separate(*more: str) -> bool:
        said = stemlab("separate", song, "-o", tmp_path / "out", "--json", *more)
        reused: bool = json.loads(said.out)["songs"][0]["reused"]
        return reused

    assert not separate("--stems", "vocals")
    assert separate("--stems", "vocals")
    assert not separate()
    assert separate()
    assert separate("--stems", "drums")
    assert not separate("--force")
    save(song, Audio(load(song).samples[:SECOND]))
    assert not separate()


def test_what_is_not_ours_is_not_replaced(stemlab: Any, song: Path, tmp_path: Path) -> None:
    own = tmp_path / song.stem / "vocals.wav"
    own.parent.mkdir()
    own.write_bytes(b"my own singing")
    for more in ((), ("--force",)):
        said = stemlab("separate", song, "-o", tmp_path, *more)
        assert said.code == 1
        assert f"{own}: was not made by stemlab and is not replaced" in said.err
        assert [*own.parent.iterdir()] == [own]
    assert own.read_bytes() == b"my own singing"
    own.rename(tmp_path / "kept.wav")
    assert stemlab("separate", song, "-o", tmp_path).code == 0


def test_two_songs_of_one_name_do_not_mix(stemlab: Any, song: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / song.name
    other.parent.mkdir()
    save(other, Audio(load(song).samples[:SECOND]))
    out = tmp_path / "out"
    assert stemlab("separate", song, "-o", out, "--stems", "vocals").code == 0
    for stem in ("vocals", "drums"):
        said = stemlab("separate", other, "-o", out, "--stems", stem)
        assert said.code == 1
        assert f"has the stems of another {song.name}; choose another folder" in said.err
    assert len(load(out / song.stem / "vocals.wav").samples) == 3 * SECOND
    assert stemlab("separate", other, "-o", out, "--stems", "vocals", "--force").code == 0
    assert len(load(out / song.stem / "vocals.wav").samples) == SECOND


def test_stem_file(stemlab: Any, song: Path, tmp_path: Path) -> None:
    assert stemlab("separate", song, "-o", tmp_path / "out", "--format", "stem.mp4").code == 0
    path = tmp_path / "out" / song.stem / f"{song.stem}.stem.mp4"
    mix, stems = read_stems(path)
    assert set(demo.STEMS) == set(stems)
    assert len(mix.samples) == 3 * SECOND
    assert read_tags(path).artist == "Us"


def test_folders_keep_their_order_and_one_bad_song_stops_nothing(
    stemlab: Any, song: Path, tmp_path: Path
) -> None:
    crate = tmp_path / "crate"
    (crate / "more").mkdir(parents=True)
    shutil.copy(song, crate / "a.flac")
    shutil.copy(song, crate / "more" / "a.flac")
    save(crate / "a.wav", Audio(np.zeros((100, 2), np.float32)))
    (crate / "bad.mp3").write_text("this is no music\n" * 99)
    (crate / "notes.txt").write_text("not a song")
    out = tmp_path / "out"
    said = stemlab("separate", crate, "-o", out, "--stems", "vocals", "--json")
    assert said.code == 1
    assert "bad.mp3" in said.err
    assert len(json.loads(said.out)["songs"]) == 4
    assert {name for name in files(out) if name.endswith("wav")} == {
        "a.flac/vocals.wav",
        "a.wav/vocals.wav",
        "more/a/vocals.wav",
    }


def test_two_songs_for_one_folder_are_refused(stemlab: Any, song: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    shutil.copy(song, tmp_path / "other")
    said = stemlab("separate", song, tmp_path / "other" / song.name, "-o", tmp_path / "out")
    assert said.code == 1
    assert "one folder" in said.err


def bad_songs(folder: Path) -> dict[str, Path]:
    """Make one of each; the key is what the message must say."""
    nan = np.zeros((1000, 2), np.float32)
    nan[500] = np.nan
    import soundfile

    soundfile.write(folder / "nan.wav", nan, SECOND, subtype="FLOAT")
    soundfile.write(folder / "none.wav", nan[:0], SECOND)
    soundfile.write(folder / "header.wav", nan[:100] * 0, SECOND)
    (folder / "header.wav").write_bytes((folder / "header.wav").read_bytes()[:30])
    (folder / "empty.wav").touch()
    (folder / "text.mp3").write_text("Dear diary, " * 500)
    (folder / "folder").mkdir()
    names = {
        "no such file": "missing.wav",
        "empty": "empty.wav",
        "text.mp3": "text.mp3",
        "header.wav": "header.wav",
        "none.wav": "none.wav",
        "not a number": "nan.wav",
        "no songs": "folder",
    }
    return {reason: folder / name for reason, name in names.items()}


def test_bad_songs_are_one_line_each_and_leave_nothing(stemlab: Any, tmp_path: Path) -> None:
    for reason, path in bad_songs(tmp_path).items():
        said = stemlab("separate", path, "-o", tmp_path / "out")
        assert said.code == 1, path
        assert said.out == ""
        [line] = said.err.splitlines()
        assert reason in line
        assert path.name in line
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--model", "nonesuch"), "no such model"),
        (("--stems", "vocals,kazoo"), "kazoo: no such stem"),
        (("--format", "aiff"), "no such format"),
        (("--format", "stem.mp4", "--stems", "vocals"), "holds all stems"),
    ],
)
def test_unknown_names_are_refused(
    stemlab: Any, song: Path, tmp_path: Path, options: tuple[str, ...], reason: str
) -> None:
    said = stemlab("separate", song, "-o", tmp_path / "out", *options)
    assert (said.code, said.out) == (1, "")
    [line] = said.err.splitlines()
    assert reason in line
    assert not (tmp_path / "out").exists()


def test_an_output_that_is_no_folder(stemlab: Any, song: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    said = stemlab("separate", song, "-o", tmp_path / "file")
    assert said.code == 1
    [line] = said.err.splitlines()
    assert "file" in line
    assert "-o" in line


def run_apart(*words: object, **how: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "stemlab", *map(str, words)]
    return subprocess.Popen(command, text=True, stderr=subprocess.PIPE, **how)


def test_a_full_disk_leaves_nothing(song: Path, tmp_path: Path) -> None:
    """A bound on the size of files acts as a disk that fills up."""
    import resource

    def bound() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    process = run_apart("separate", song, "-o", tmp_path / "out", preexec_fn=bound)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    [line] = err.splitlines()
    assert any(f"{stem}.wav" in line for stem in demo.STEMS)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_interruption_leaves_nothing(signum: signal.Signals, tmp_path: Path) -> None:
    long = tmp_path / "long.wav"
    save(long, Audio(np.tile(load(demo.path()).samples, (10, 1))))
    out = tmp_path / "out"
    process = run_apart("separate", long, "-o", out)
    deadline = time.monotonic() + 60
    while not any(path.stat().st_size for path in out.rglob("*.wav")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signum)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    [line] = err.splitlines()
    assert "interrupted" in line
    assert not out.exists()


def test_a_progress_bar_shows_speed_and_time_left(tmp_path: Path) -> None:
    """It is drawn on a terminal only."""
    screen, terminal = os.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("4H", 25, 100, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "stemlab", "separate", str(demo.path()), "-o", str(tmp_path)],
        stderr=terminal,
        stdout=subprocess.DEVNULL,
    )
    os.close(terminal)
    shown = b""
    with contextlib.suppress(OSError):  # so Linux says that the other end is closed
        while piece := os.read(screen, 10_000):
            shown += piece
    os.close(screen)
    assert process.wait(60) == 0
    for part in ("mix.ogg", "× real time", "left"):
        assert part in shown.decode()


def test_bench_tells_what_the_machine_holds(stemlab: Any) -> None:
    result = json.loads(stemlab("bench", "--json").out)
    assert set(result["stages"]) == {"decode", "stft", "model", "masks", "istft"}
    assert result["speed"] > 1
    assert result["peak_memory"] > 50e6
    said = stemlab("bench")
    assert result["runtime"] in said.out
    assert "file to stems" in said.out


def test_bench_takes_account_of_live_separation(stemlab: Any) -> None:
    result = json.loads(stemlab("bench", "--live", "--seconds", 3, "--json").out)
    assert result["model"] == "stemlab-4-live"
    assert result["algorithmic_ms"] == pytest.approx(1000 * (512 + 1024) / SECOND)
    assert 0 < result["compute_ms"] <= result["compute_p99_ms"]
    assert result["blocks"] == 3 * SECOND // 512
    assert 0 <= result["dropouts"] <= result["blocks"]
    assert "of 86 blocks" in stemlab("bench", "--live", "--seconds", 1).out


def test_evaluate_scores_the_demo(stemlab: Any) -> None:
    result = json.loads(stemlab("evaluate", Path(demo.__file__).parent, "--json").out)
    assert result["songs"]["demo"]["vocals"]["sdr"] > 6
    assert result["median"] == result["mean"] == result["songs"]["demo"]
    head, *rows = stemlab("evaluate", Path(demo.__file__).parent).out.splitlines()
    assert head.split() == ["dB", "stem", "SDR", "SI-SDR"]
    stems = [*result["median"]]
    wanted = [[name, stem] for name in ("demo", "median", "mean") for stem in stems]
    assert [row.split()[:2] for row in rows] == wanted
    assert float(rows[0].split()[2]) == pytest.approx(result["median"][stems[0]]["sdr"], abs=0.006)


def test_evaluate_scores_what_is_there_and_names_the_rest(stemlab: Any, tmp_path: Path) -> None:
    """Of three songs one lacks two stems, one has none that are known."""
    parts = {
        name: Audio(load(path).samples[20 * SECOND : 23 * SECOND])
        for name, path in demo.stem_paths().items()
    }
    for song, names in {"all": parts, "some": ("vocals", "bass"), "odd": ("a", "b")}.items():
        (tmp_path / song).mkdir()
        for name in names:
            save(tmp_path / song / f"{name}.wav", parts.get(name, parts["vocals"]))
    said = stemlab("evaluate", tmp_path, "--json")
    assert said.code == 1
    result = json.loads(said.out)
    assert {song: [*stems] for song, stems in result["songs"].items()} == {
        "all": [*demo.STEMS], "some": ["vocals", "bass"],
    }  # fmt: skip
    assert "no reference for vocals" in result["errors"]["odd"]
    assert "stemlab: warning: some: no reference for drums, other" in said.err
    assert "stemlab: odd: " in said.err
    summed = stemlab("evaluate", tmp_path / "all", "--stems", "drums,bass+other", "--json").out
    assert [*json.loads(summed)["median"]] == ["drums", "bass+other"]


def test_evaluate_compares_models_and_keeps_what_it_found(
    stemlab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for song, start in {"one": 20, "two": 30}.items():
        (tmp_path / song).mkdir()
        for name, path in demo.stem_paths().items():
            samples = load(path).samples[start * SECOND : (start + 2) * SECOND]
            save(tmp_path / song / f"{name}.wav", Audio(samples))
    monkeypatch.chdir(tmp_path)
    models = ("stemlab-4-fast", "spleeter-2stems")
    said = stemlab("evaluate", ".", "--compare", *models, "--metrics", "sdr")
    assert (said.code, said.err) == (0, "")
    head, *rows = said.out.splitlines()
    assert head.split()[-2:] == ["stemlab-4-fast", "is"]
    voices, others = rows[:2], rows[2:]
    assert [row.split()[:4] for row in voices] == [["vocals", "SDR", name, "2"] for name in models]
    assert "better on" in voices[1]
    # What only one of them gives is compared with nothing.
    assert [row.split()[0] for row in others] == ["drums", "bass", "other", "accompaniment"]
    assert all(row.endswith("]") for row in others)
    table = pd.read_parquet("evaluation.parquet")
    assert [*table.columns] == ["model", "song", "stem", "sdr"]
    assert len(table) == 12
    run = table.attrs["run"]
    assert run["models"]["stemlab-4-fast"]["sha256"] == find("stemlab-4-fast").sha256
    assert run["settings"][0]["n_fft"] == 4096
    assert {"python", "numpy", "stemlab"} <= run["versions"].keys()
    assert run["machine"]["cores"] > 0
    assert "follow --compare" in stemlab("evaluate", ".", *models).err
    assert "no such metric" in stemlab("evaluate", ".", "--metrics", "pesq").err


def test_evaluate_passes_over_links_that_lead_nowhere(stemlab: Any, tmp_path: Path) -> None:
    for name, path in demo.stem_paths().items():
        save(tmp_path / f"{name}.wav", Audio(load(path).samples[20 * SECOND : 22 * SECOND]))
    (tmp_path / "song.stem.mp4").symlink_to(tmp_path / "nowhere")
    said = stemlab("evaluate", tmp_path, "-m", "spleeter-2stems", "--json")
    assert said.code == 1
    assert [*json.loads(said.out)["songs"]] == [tmp_path.name]
    assert "song.stem.mp4: there is no such file" in said.err
    assert "output" not in said.err


def test_only_what_is_printed_is_output(stemlab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the system that nobody foresaw is told as what it is."""

    def unreadable(_: str) -> object:
        raise PermissionError(13, "Permission denied", "stemlab-4.json")

    monkeypatch.setattr("stemlab.model.find", unreadable)
    said = stemlab("models", "show")
    assert (said.code, said.out) == (1, "")
    assert said.err == "stemlab: [Errno 13] Permission denied: 'stemlab-4.json'\n"


def test_evaluate_tells_models_of_one_name_apart(stemlab: Any, tmp_path: Path) -> None:
    """Their scores would be taken for those of one."""
    other = Path(shutil.copy(find("spleeter-2stems").path, tmp_path))
    shutil.copy(find("spleeter-2stems").path.with_suffix(".json"), tmp_path)
    said = stemlab("evaluate", tmp_path, "--compare", "spleeter-2stems", other)
    assert (said.code, said.out) == (1, "")
    [line] = said.err.splitlines()
    assert all(str(path) in line for path in (find("spleeter-2stems").path, other))
    assert 'change "name"' in line


def test_evaluate_keeps_earlier_results_when_every_song_fails(stemlab: Any, tmp_path: Path) -> None:
    for name in ("mix", "vocals"):
        (tmp_path / f"{name}.wav").write_text("no sound")
    out = tmp_path / "kept.parquet"
    pd.DataFrame({"sdr": [6.0]}).to_parquet(out)
    said = stemlab("evaluate", tmp_path, "-m", "spleeter-2stems", "-o", out)
    assert said.code == 1
    assert "mix.wav" in said.err
    assert [*pd.read_parquet(out).sdr] == [6.0]


def test_evaluate_without_references(stemlab: Any, tmp_path: Path) -> None:
    said = stemlab("evaluate", tmp_path)
    assert said.code == 1
    assert "no song with reference stems" in said.err


def test_models(stemlab: Any) -> None:
    listed = stemlab("models", "list").out
    assert all(name in listed for name in ("stemlab-4", "stemlab-4-fast", "spleeter-2stems"))
    assert "spleeter-4stems" in listed
    assert json.loads(stemlab("models", "list", "--json").out)["installed"]
    card = stemlab("models", "show").out
    assert "4096" in card
    assert re.search(r"^  sdr\n    vocals +\d", card, re.MULTILINE)
    assert not set(card) & set("{}")
    assert stemlab("models", "verify").code == 0
    assert "no such model" in stemlab("models", "show", "nonesuch").err


def test_a_damaged_model_is_found(
    stemlab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from stemlab.model import find

    card = find("spleeter-2stems")
    network = bytearray(card.path.read_bytes())
    network[-1] ^= 1
    (tmp_path / "mine.tflite").write_bytes(network)
    shutil.copy(card.path.with_suffix(".json"), tmp_path / "mine.json")
    monkeypatch.setenv("STEMLAB_MODELS", str(tmp_path))
    said = stemlab("models", "verify", "mine")
    assert said.code == 1
    assert "sha256" in said.err
    said = stemlab("separate", demo.path(), "-m", "mine", "-o", tmp_path / "out")
    assert said.code == 1
    assert "sha256" in said.err


@pytest.mark.parametrize("name", ["..wav", "...wav", "....wav", " ..wav"])
def test_a_song_named_by_dots_stays_inside(
    stemlab: Any, song: Path, tmp_path: Path, name: str
) -> None:
    inside = tmp_path / "in" / "stems"
    (tmp_path / "songs").mkdir()
    save(tmp_path / "song.wav", load(song))
    (tmp_path / "song.wav").rename(tmp_path / "songs" / name)
    before = files(tmp_path)
    assert stemlab("separate", tmp_path / "songs" / name, "-o", inside).code == 0
    new = files(tmp_path) - before
    assert {Path(path).parts[:2] for path in new} == {("in", "stems")}
    assert {len(Path(path).parts) for path in new} == {4}


def test_names_give_no_orders_to_the_terminal(
    stemlab: Any, song: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither those of songs, separated or refused, nor those of models."""
    orders = "\x1b]0;owned\x07\x1b[2J\r\u202e\x9b31m"
    named = song.rename(tmp_path / f"sö {orders}ng.flac")
    (tmp_path / f"bad{orders}.mp3").write_bytes(b"no sound")
    shutil.copy(find("spleeter-2stems").path, tmp_path / f"m{orders}.tflite")
    (tmp_path / f"m{orders}.json").write_text(f'{{"name": "{orders}"}}')
    monkeypatch.setenv("STEMLAB_MODELS", str(tmp_path))
    for words in (
        ("separate", named, "-o", tmp_path / f"out{orders}"),
        ("separate", tmp_path / f"bad{orders}.mp3", "-o", tmp_path / "out"),
        ("models", "list"),
        ("models", "verify"),
        ("models", "show", f"{orders}"),
        ("bench", tmp_path / f"bad{orders}.mp3"),
        ("decks", tmp_path / f"none{orders}.mp3"),
    ):
        said = stemlab(*words)
        text = said.out + said.err
        assert len(text) > 20
        assert not set(text) & set(orders) - set("]0;owned[2J31m"), words
    assert "sö ?]0;owned??[2J???31mng.flac" in stemlab("separate", named, "-o", tmp_path / "o").out


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_each_signal_is_an_orderly_stop(tmp_path: Path, stop: signal.Signals) -> None:
    song, out = tmp_path / "song.wav", tmp_path / "out"
    save(song, Audio(np.tile(load(demo.path()).samples, (8, 1))))
    command = [sys.executable, "-m", "stemlab", "separate", str(song), "-o", str(out), "-f", "flac"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        limit = time.monotonic() + 200
        while not [*out.rglob("vocals.flac")] and time.monotonic() < limit:
            time.sleep(0.02)
        process.send_signal(stop)
        _, said = process.communicate(timeout=200)
    assert process.returncode == 130
    assert said.endswith("stemlab: interrupted; no unfinished files are left\n")
    assert not out.exists()


def test_an_output_that_is_full_is_told_and_the_songs_are_made(song: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "stemlab", "separate", str(song), "-o", str(tmp_path / "out")]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=200
        )
    assert done.returncode == 1
    assert done.stderr == "stemlab: the output cannot be written (No space left on device)\n"
    assert len([*(tmp_path / "out").rglob("*.wav")]) == 4
