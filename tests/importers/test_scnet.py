"""SCNet imported from a checkpoint of random weights, against an implementation of others.

`scnet_reference.py` made both; it tells with what.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
from local_http import serving

from stemlab.cli import main
from stemlab.errors import ModelError
from stemlab.importers import official, scnet, scnet_graph
from stemlab.importers.torch_file import tensors
from stemlab.masks import apply
from stemlab.model import StemModel
from stemlab.networks import spectrum_to_spectra
from stemlab.networks.onnx import OnnxNetwork
from stemlab.separator import Separator
from stemlab.sound.audio import Audio

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

HERE = Path(__file__).with_name("scnet")
CHECKPOINT = HERE / "checkpoint.ckpt"
N_FFT, HOP, FRAMES = 256, 64, 16


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> Callable[..., bytes]:
    """Make a small checkpoint the published one, at an address."""

    def publish(url: str = "http://127.0.0.1:9/never-asked") -> bytes:
        data = CHECKPOINT.read_bytes()
        design = scnet.Design(url, hashlib.sha256(data).hexdigest(), len(data), N_FFT, HOP, FRAMES)
        monkeypatch.setattr(scnet, "DESIGN", design)
        return data

    return publish


@pytest.fixture
def stemlab(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Return a function that runs `stemlab …` and returns code, output and errors."""

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["stemlab", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main()
        return int(end.value.code or 0), *capsys.readouterr()

    return run


def reference() -> tuple[NDArray[np.complex64], NDArray[np.complex64]]:
    """Return what was heard [T, F, 2] and the stems' spectra [T, F, 2, stems] of the others."""
    with np.load(HERE / "reference.npz") as arrays:
        return arrays["heard"], arrays["given"]


def test_the_network_is_that_of_others(tmp_path: Path) -> None:
    heard, given = reference()
    path = tmp_path / "small.onnx"
    scnet_graph.write(tensors(CHECKPOINT), path, N_FFT // 2 + 1, FRAMES)
    network = OnnxNetwork(path, "onnxruntime")
    parts = np.stack([heard.real, heard.imag], -1).transpose(2, 3, 1, 0)[None]
    mean, spread = parts.mean(), parts.std(ddof=1)
    levelled = ((parts - mean) / (1e-5 + spread)).reshape(1, 4, N_FFT // 2 + 1, FRAMES)
    [stems] = network.run(levelled.astype(np.float32))
    apart = stems.reshape(4, 2, 2, N_FFT // 2 + 1, FRAMES).transpose(4, 3, 1, 0, 2) * spread + mean
    assert given.std(axis=(0, 1, 2)).min() > 0.01, "stems that say nothing prove nothing"
    np.testing.assert_allclose(apart[..., 0] + 1j * apart[..., 1], given, rtol=0, atol=1e-6)


def test_masks_are_those_of_the_reference(models: Path, published: Any) -> None:
    """By the card: transform, order of the axes, level and scale."""
    published()
    assert official.add("scnet", CHECKPOINT).parent == models
    model, (heard, given) = StemModel("scnet"), reference()
    card = model.card
    assert (card.stems, card.stft.window) == (("drums", "bass", "other", "vocals"), "boxcar")
    masks = model.masks((heard / card.scale).astype(np.complex64))
    expected = spectrum_to_spectra.masks(given, heard, 4)
    got, wanted = apply(masks, heard), apply(expected, heard)
    np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-4 * np.abs(wanted).max())
    np.testing.assert_allclose(got.sum(-1), heard, rtol=0, atol=1e-5)


def test_a_name_is_enough(stemlab: Any, models: Path, published: Any, tmp_path: Path) -> None:
    """From the name to a song's stems, which sum to it."""
    data = CHECKPOINT.read_bytes()
    assert "not installed" in listed(stemlab)
    with serving([data], length=len(data)) as url:
        published(url)
        code, out, err = stemlab("models", "add", "scnet")
    assert (code, out.strip()) == (0, str(models / "scnet.onnx"))
    assert f"downloading 0 MB, {url}" in err
    assert "100%" in err
    assert sorted(path.name for path in models.iterdir()) == ["scnet.json", "scnet.onnx"]
    assert "not installed" not in listed(stemlab)
    assert "OK" in stemlab("models", "verify", "scnet")[1]
    assert "not measured here" in stemlab("models", "show", "scnet")[1]

    song = tmp_path / "song.wav"
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, (9000, 2)).astype(np.float32)
    soundfile.write(song, noise, 44_100, subtype="FLOAT")
    assert stemlab("separate", song, "-o", tmp_path, "--model", "scnet")[0] == 0
    assert {path.stem for path in (tmp_path / "song").glob("*.wav")} >= {*scnet.STEMS}
    separated = Separator("scnet").separate(Audio(noise, 44_100))
    rest = sum(stem.samples for stem in separated.stems.values()) - noise
    assert 20 * np.log10(np.abs(rest).max() / np.abs(noise).max()) < -120


def listed(stemlab: Any) -> str:
    """Return what `models list` says of it."""
    lines: list[str] = stemlab("models", "list")[1].splitlines()
    return next(line for line in lines if line.startswith("scnet"))


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"pieces": [b"other"]}, "damaged or not the official file"),
        ({"pieces": [b"off"], "length": 8}, "broke off"),
        ({"pieces": [bytes(1 << 20)]}, "sends more than"),
        ({"pieces": [], "status": 404}, "answers 404 Not Found"),
    ],
    ids=["wrong hash", "cut off", "too long", "refused"],
)
def test_what_is_not_the_checkpoint_is_refused_in_one_line(
    stemlab: Any, models: Path, published: Any, answer: dict[str, Any], told: str
) -> None:
    with serving(**answer) as url:
        published(url)
        code, out, err = stemlab("models", "add", "scnet")
    assert (code, out) == (1, "")
    assert told in err.splitlines()[-1]
    assert not [*models.iterdir()]


def test_without_a_connection(stemlab: Any, models: Path, published: Any) -> None:
    published()
    code, out, err = stemlab("models", "add", "scnet")
    assert (code, out) == (1, "")
    assert "no connection" in err.splitlines()[-1]
    assert "--from FILE" in err.splitlines()[-1]
    assert not [*models.iterdir()]


def test_another_file_than_the_published_one(models: Path) -> None:
    with pytest.raises(ModelError, match=r"checkpoint\.ckpt: damaged or not the official file"):
        official.add("scnet", CHECKPOINT)
    assert not [*models.iterdir()]


def test_without_onnx(stemlab: Any, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    code, _, err = stemlab("models", "add", "scnet")
    assert code == 1
    assert "needs onnx; pip install 'stemlab[onnx]'" in err
    assert not models.exists()


def test_an_unknown_name(models: Path) -> None:
    with pytest.raises(ModelError, match="there are spleeter-4stems, spleeter-5stems, scnet"):
        official.add("spleeter-3stems")
    assert not models.exists()


def test_tensors_that_are_not_the_networks(tmp_path: Path) -> None:
    known, path = tensors(CHECKPOINT), tmp_path / "x.onnx"
    more = known | {"head.weight": np.zeros(1, np.float32)}
    with pytest.raises(ValueError, match=r"head\.weight has no place"):
        scnet_graph.write(more, path, 129, 16)
    del known["decoder.2.1.convtrs.0.bias"]
    with pytest.raises(ValueError, match=r"convtrs\.0\.bias is missing"):
        scnet_graph.write(known, path, 129, 16)


def test_a_window_is_that_of_its_training() -> None:
    """11 s, of an even number of frames, as the spectrum along time needs it."""
    assert scnet.DESIGN.frames % 2 == 0
    assert 11 <= scnet.DESIGN.frames * scnet.DESIGN.hop / 44_100 < 11.1
