from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from stemlab.card import Card
from stemlab.errors import ModelError, ModelWarning
from stemlab.model import StemModel, find, song_models
from stemlab.networks.runtimes import RUNTIMES, installed_runtimes

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
    sys.version_info >= (3, 12) or sys.platform != "linux" or np.__version__ >= "2",
    reason="tflite-runtime ends there",
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
    with pytest.raises(ModelError, match=r"takes \[1, 512, 1024, 2\] .* `stemlab models check`"):
        StemModel(copy)


@pytest.mark.parametrize("other", RUNTIMES)
def test_a_runtime_the_model_does_not_run_on(copy: Path, other: str) -> None:
    rewrite(copy, runtimes=[other])
    for runtime in set(RUNTIMES) - {other}:
        with pytest.raises(ModelError, match=f"runs on {other}, {runtime} was asked for"):
            StemModel(copy, runtime=runtime)
    if other in installed_runtimes():
        assert StemModel(copy).runtime == other


DYING = """
import os

class Interpreter:
    def __init__(self, **_: object) -> None:
        with open({log!r}, "a") as log:
            log.write(f"{{os.getppid()}} ")

    def get_input_details(self) -> None:
        {deed}
"""


@pytest.mark.parametrize(
    ("deed", "said"),
    [("os.abort()", "crashes"), ("os.kill(os.getpid(), 11)", "crashes"), ("os._exit(7)", "code 7")],
)
def test_a_network_that_ends_its_process_ends_another(
    copy: Path, monkeypatch: pytest.MonkeyPatch, deed: str, said: str
) -> None:
    """It is tried once; the models that come with stemlab are not tried."""
    name = f"dying_{copy.parent.name}"
    log = copy.with_suffix(".log")
    copy.with_name(f"{name}.py").write_text(DYING.format(deed=deed, log=str(log)))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(copy.parent), *sys.path]))
    monkeypatch.setitem(RUNTIMES, name, name)
    monkeypatch.syspath_prepend(copy.parent)
    copy.write_bytes(b"another network")
    rewrite(copy, runtimes=[name])
    for _ in range(2):
        with pytest.raises(ModelError, match=rf"copy\.tflite: {name} .*{said}"):
            StemModel(copy, runtime=name)
    assert log.read_text().split() == [str(os.getpid())]


def test_broken_networks_end_in_a_sentence(tmp_path: Path) -> None:
    """In a process of its own, should that be wrong; some of them crash tflite-runtime."""
    live = find("stemlab-4-live")
    script = tmp_path / "load.py"
    script.write_text(
        "import sys\n"
        "from pathlib import Path\n"
        "from stemlab.errors import ModelError\n"
        "from stemlab.networks.runtimes import installed_runtimes\n"
        "from stemlab.live.model import StreamModel\n"
        "for path in sorted(Path(sys.argv[1]).glob('*.tflite')):\n"
        "    for runtime in installed_runtimes():\n"
        "        try:\n"
        "            StreamModel(path, runtime=runtime)\n"
        "        except ModelError as error:\n"
        "            assert path.name in str(error)\n"
        "            print(path.name, runtime)\n"
    )
    for seed in range(4):
        chance = np.random.default_rng(seed)
        network = bytearray(live.path.read_bytes())
        for place in chance.integers(len(network) - 20_000, len(network), 40):
            network[place] = chance.integers(256)
        path = tmp_path / f"{seed}.tflite"
        path.write_bytes(network)
        shutil.copy(live.path.with_suffix(".json"), path.with_suffix(".json"))
        rewrite(path)
    command = [sys.executable, str(script), str(tmp_path)]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    assert len(said.stdout.splitlines()) == 4 * len(installed_runtimes())


def test_shipped_models_are_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("subprocess.run", None)
    assert StemModel(DEFAULT).card == DEFAULT
