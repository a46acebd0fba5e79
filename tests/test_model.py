from __future__ import annotations

import json
import shutil
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from stemlab.card import Card
from stemlab.errors import ModelError
from stemlab.model import (
    RUNTIMES,
    ModelWarning,
    StemModel,
    find,
    installed_runtimes,
    song_models,
)

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT = find("spleeter-2stems")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a copy of a model that may be damaged."""
    shutil.copy(DEFAULT.path, tmp_path / "copy.tflite")
    shutil.copy(DEFAULT.path.with_suffix(".json"), tmp_path / "copy.json")
    return tmp_path / "copy.tflite"


def rewrite(network: Path, **changes: Any) -> None:
    """Change a card, and keep its sha256 true."""
    import hashlib

    card = network.with_suffix(".json")
    facts = json.loads(card.read_text()) | changes
    facts["sha256"] = hashlib.sha256(network.read_bytes()).hexdigest()
    card.write_text(json.dumps(facts))


@pytest.mark.parametrize("name", song_models())
def test_cards_are_whole(name: str) -> None:
    card = find(name)
    card.verify()
    assert card.name == name
    assert card.licence
    assert card.measured
    assert card.bins <= card.stft.bins
    assert set(card.runtimes) <= set(RUNTIMES)


@pytest.mark.parametrize("name", song_models())
def test_runtimes_agree(name: str) -> None:
    card = find(name)
    magnitude = np.random.default_rng(0).gamma(1, 2, (card.frames, card.bins, 2))
    one, *others = (
        StemModel(name, runtime=runtime).masks(magnitude.astype(np.float32))
        for runtime in installed_runtimes()
        if runtime in card.runtimes
    )
    np.testing.assert_allclose(one.sum(-1), 1, atol=1e-5)
    assert one.min() >= 0
    apart = 0.03 if card.precision == "int8" else 2e-3  # each rounds what it convolves in its way
    for other in others:
        np.testing.assert_allclose(one, other, atol=apart)


@pytest.mark.skipif(
    sys.version_info >= (3, 12) or sys.platform != "linux", reason="tflite-runtime ends there"
)
def test_both_runtimes_are_installed_where_both_exist() -> None:
    assert installed_runtimes() == list(RUNTIMES)


def test_the_faster_runtime_is_taken() -> None:
    assert StemModel().runtime == "ai-edge-litert"


def test_models_of_the_user_are_found(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEMLAB_MODELS", str(copy.parent))
    assert find("copy").path == copy
    assert StemModel(str(copy)).card.stems == DEFAULT.stems


def test_a_delegate_that_cannot_be_loaded_leaves_the_work_to_the_cpu() -> None:
    with pytest.warns(ModelWarning, match=r"libnone\.so\.1 cannot be used .* runs on the CPU"):
        model = StemModel(delegates=["libnone.so.1"])
    silence = np.zeros((model.card.frames, model.card.bins, 2), np.float32)
    assert model.masks(silence).shape == (*silence.shape, len(model.card.stems))


@pytest.mark.parametrize("runtime", installed_runtimes())
def test_shorter_windows_tell_nearly_the_same(runtime: str) -> None:
    whole, short = (StemModel(DEFAULT, runtime=runtime, frames=frames) for frames in (None, 128))
    assert (whole.card.frames, short.card.frames) == (512, 128)
    magnitude = np.random.default_rng(0).gamma(1, 2, (512, 1024, 2)).astype(np.float32)
    known = whole.masks(magnitude)[:64]
    assert np.abs(short.masks(magnitude[:128])[:64] - known).mean() < 0.01
    with pytest.raises(ModelError, match="not made for windows of 100 frames"):
        StemModel(DEFAULT, runtime=runtime, frames=100)


def test_unknown_names() -> None:
    with pytest.raises(ModelError, match=r"kazoo: no such model; installed are .*spleeter-2stems"):
        StemModel("kazoo")
    with pytest.raises(ModelError, match="no such runtime"):
        StemModel(runtime="onnx")
    with pytest.raises(ModelError, match=r"kazoo\.tflite is not there"):
        StemModel("kazoo.tflite")


def test_a_missing_card(copy: Path) -> None:
    copy.with_suffix(".json").unlink()
    with pytest.raises(ModelError, match=r"copy\.json is not there"):
        StemModel(copy)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"name": "x"}', "null"])
def test_a_card_that_is_none(copy: Path, text: str) -> None:
    copy.with_suffix(".json").write_text(text)
    with pytest.raises(ModelError, match="not a model card"):
        Card.read(copy)


def test_a_changed_file(copy: Path) -> None:
    copy.write_bytes(copy.read_bytes()[:-100])
    with pytest.raises(ModelError, match="sha256"):
        StemModel(copy)


@pytest.mark.parametrize("content", [b"", b"no network at all", bytes(5000)])
@pytest.mark.parametrize("runtime", installed_runtimes())
def test_a_foreign_file_explains_itself(copy: Path, content: bytes, runtime: str) -> None:
    copy.write_bytes(content)
    rewrite(copy)
    with pytest.raises(ModelError, match="is not a TensorFlow Lite model"):
        StemModel(copy, runtime=runtime)


def test_another_network_than_the_card_says(copy: Path) -> None:
    rewrite(copy, frames=64)
    with pytest.raises(ModelError, match=r"takes \[1, 512, 1024, 2\] .* not a stemlab model"):
        StemModel(copy)


@pytest.mark.parametrize("other", RUNTIMES)
def test_a_runtime_the_model_does_not_run_on(copy: Path, other: str) -> None:
    rewrite(copy, runtimes=[other])
    for runtime in set(RUNTIMES) - {other}:
        with pytest.raises(ModelError, match=f"runs on {other}, {runtime} was asked for"):
            StemModel(copy, runtime=runtime)
    if other in installed_runtimes():
        assert StemModel(copy).runtime == other
