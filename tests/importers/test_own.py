"""Networks of one's own at the command line: checked, added, refused in one line."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest
from foreign import BINS, FOREIGN, model, write
from onnx import TensorProto, helper

from stemlab.cli import main
from stemlab.errors import ModelError
from stemlab.importers.guess import guess
from stemlab.importers.own import check, describe
from stemlab.model import find
from stemlab.networks import runtimes
from stemlab.networks.runtimes import FORMATS
from stemlab.networks.tensors import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Said = tuple[int, str, str]


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the user's folder of models."""
    monkeypatch.setenv("STEMLAB_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture
def stemlab(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Said]:
    """Return a function that runs `stemlab models …` and returns code, output and errors."""

    def run(*words: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["stemlab", "models", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main()
        return int(end.value.code or 0), *capsys.readouterr()

    return run


def test_from_a_file_to_a_model(stemlab: Any, models: Path, tmp_path: Path) -> None:
    """Check writes a card, says what is missing, then that all is well; add installs it."""
    network = FOREIGN["spectrum to spectra"][0](tmp_path / "mine.onnx")
    code, out, err = stemlab("check", network)
    assert (code, err) == (0, "")
    assert "1×4×513×any" in out
    assert "spectrum to spectra (a guess)" in out
    assert "Fill in licence, stems" in out
    code, _, err = stemlab("add", network)
    assert code == 1
    assert "licence cannot be null" in err
    file = network.with_suffix(".json")
    facts = json.loads(file.read_text()) | {"licence": "mine", "stems": ["low", "high", "other"]}
    file.write_text(json.dumps(facts))
    assert "× real time" in stemlab("check", network)[1]
    known = json.loads(stemlab("check", network, "--json")[1])
    assert known["missing"] == []
    assert known["speed"] > 0
    assert stemlab("add", network)[0] == 0
    assert {path.name for path in models.iterdir()} == {"mine.onnx", "mine.json"}
    assert find("mine").stems == ("low", "high", "other")
    assert "mine" in stemlab("list")[1]
    assert "OK" in stemlab("verify", "mine")[1]
    assert stemlab("add", network)[0] == 0  # again: a later training takes its place


def test_a_card_that_says_something_else(stemlab: Any, models: Path, tmp_path: Path) -> None:
    for wrong, told in (
        ({"bins": 512}, "where its card says"),
        ({"reads": "1 (c r) t f"}, "where its card says"),
        ({"reads": "1 c f t"}, "where this kind has t f c r"),
        ({"gives": "1 (c r) f t"}, "where its card says"),
        ({"stems": ["a", "b"]}, "where its card says"),
        ({"kind": "spectra"}, "kind cannot be"),
        ({"reads": "(c r) f"}, "where this kind has"),
        ({"reads": "x"}, "reads cannot be"),
        ({"level": "log"}, "for magnitudes"),
        ({"scale": 0}, "scale cannot be"),
        ({"frames": 1}, "live sound"),
        ({"frames": 1 << 16, "bins": 513}, "too much"),
    ):
        network = model("spectrum to spectra", tmp_path, **wrong)
        for act in ("check", "add"):
            code, out, err = stemlab(act, network)
            assert (code, out) == (1, ""), wrong
            assert told in err
            assert err.count("\n") == 1
    assert not models.exists()


class Evil(NamedTuple):
    nodes: list[Any]
    constants: dict[str, Any]
    told: str
    reads: list[int | str] = [1, "t", BINS, 2]  # noqa: RUF012 - read only
    gives: list[int | str] = [1, "t", BINS, 2]  # noqa: RUF012


EVIL = {
    "no number": Evil(
        [helper.make_node("Mul", ["x", "nan"], ["y"])], {"nan": np.float32(np.nan)}, "no number"
    ),
    "infinite": Evil(
        [helper.make_node("Div", ["x", "zero"], ["y"])], {"zero": np.float32(0)}, "no number"
    ),
    "foreign operation": Evil([helper.make_node("Shell", ["x"], ["y"], domain="evil")], {}, "evil"),
    "memory": Evil(
        [
            helper.make_node("Expand", ["x", "much"], ["whole"]),
            helper.make_node("ReduceSum", ["whole", "axis"], ["y"], keepdims=0),
        ],
        {"much": np.array([1 << 20, 1, 64, BINS, 2]), "axis": np.array([0])},
        "onnxruntime",
    ),
    "memory, not on silence": Evil(
        [
            helper.make_node("Abs", ["x"], ["loudness"]),
            helper.make_node("ReduceSum", ["loudness"], ["whole"]),
            helper.make_node("Mul", ["whole", "much"], ["count"]),
            helper.make_node("Cast", ["count"], ["length"], to=TensorProto.INT64),
            helper.make_node("Reshape", ["length", "one"], ["shape"]),
            helper.make_node("ConstantOfShape", ["shape"], ["zeros"]),
            helper.make_node("ReduceSum", ["zeros", "axis"], ["zero"]),
            helper.make_node("Add", ["x", "zero"], ["y"]),
        ],
        {"much": np.float32(1e7), "one": np.array([1]), "axis": np.array([0])},
        "onnxruntime cannot run this file",
    ),
    "other shape": Evil(
        [helper.make_node("Concat", ["x", "x"], ["y"], axis=1)], {}, "where its card says"
    ),
}


def test_an_endless_network_is_refused(
    stemlab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the time of a processor that it takes, which a busy machine does not make longer."""
    monkeypatch.setattr(runtimes, "LONGEST_TRIAL", 2)
    numbers = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in "vw"]
    going = [helper.make_tensor_value_info(name, TensorProto.BOOL, []) for name in ("on", "more")]
    turn = helper.make_tensor_value_info("turn", TensorProto.INT64, [])
    steps = [
        helper.make_node("Identity", ["on"], ["more"]),
        helper.make_node("Tanh", ["v"], ["w"]),
    ]
    body = helper.make_graph(steps, "body", [turn, going[0], numbers[0]], [going[1], numbers[1]])
    network = write(
        tmp_path / "endless.onnx",
        [helper.make_node("Loop", ["turns", "", "x"], ["y"], body=body)],
        [1, 64, BINS, 2],
        [1, 64, BINS, 2],
        {"turns": np.array(1 << 40)},
    )
    code, out, err = stemlab("check", network)
    assert (code, out) == (1, "")
    assert "does not come to the end within 2 s" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("name", EVIL)
def test_evil_networks_are_refused_in_one_line(
    stemlab: Any, models: Path, tmp_path: Path, name: str
) -> None:
    evil = EVIL[name]
    network = write(tmp_path / "evil.onnx", evil.nodes, evil.reads, evil.gives, evil.constants)
    card = FACTS | {"stems": ["vocals", "rest"]}
    network.with_suffix(".json").write_text(json.dumps(card | digest(network)))
    code, out, err = stemlab("add", network)
    assert (code, out) == (1, "")
    assert evil.told in err
    assert err.count("\n") == 1
    assert not models.exists()


FACTS = {
    "name": "evil", "version": "1", "licence": "none", "source": "", "sample_rate": 44_100,
    "n_fft": 1024, "hop": 256, "window": "hann", "frames": 64, "bins": BINS, "precision": "float32",
    "extension": "band", "training_data": "", "measured": {}, "runtimes": ["onnxruntime"],
    "gives": "1 t f c",
}  # fmt: skip


def digest(network: Path) -> dict[str, str]:
    import hashlib

    return {"sha256": hashlib.sha256(network.read_bytes()).hexdigest()}


def test_files_that_are_no_networks(stemlab: Any, models: Path, tmp_path: Path) -> None:
    (tmp_path / "song.wav").write_bytes(b"RIFF")
    for suffix in FORMATS:
        (tmp_path / f"empty{suffix}").write_bytes(b"")
        (tmp_path / f"junk{suffix}").write_bytes(os.urandom(5000))
        (tmp_path / f"folder{suffix}").mkdir()
    told = [stemlab("check", path) for path in sorted(tmp_path.iterdir())]
    told += [stemlab("check", tmp_path / "missing.onnx"), stemlab("add", tmp_path / "junk.onnx")]
    for code, out, err in told:
        assert (code, out) == (1, "")
        assert err.count("\n") == 1
    assert not [*tmp_path.glob("*.json")]
    assert not models.exists()


def test_weights_in_another_file_are_not_followed(stemlab: Any, tmp_path: Path) -> None:
    """Wherever it points to."""
    import onnx

    network = write(
        tmp_path / "thin.onnx",
        [helper.make_node("Mul", ["x", "w"], ["y"])],
        [1, "t", BINS, 2],
        [1, "t", BINS, 2],
        {"w": np.ones(BINS * 2, np.float32).reshape(BINS, 2)},
    )
    made = onnx.load(str(network))
    [weights] = made.graph.initializer
    weights.ClearField("raw_data")
    weights.data_location = onnx.TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="../../../../../../etc/passwd")
    network.write_bytes(made.SerializeToString())
    code, out, err = stemlab("check", network)
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    assert "passwd" not in err


def test_mutants_end_in_a_sentence(tmp_path: Path) -> None:
    """Bytes of a good file changed at random."""
    good = bytearray(model("spectrum to masks", tmp_path).read_bytes())
    chance = np.random.default_rng(17)
    refused: list[str] = []
    for number in range(6):
        bad = bytearray(good)
        for place in chance.integers(len(bad), size=4):
            bad[place] = chance.integers(256)
        network = tmp_path / f"{number}.onnx"
        network.write_bytes(bad)
        try:
            check(network)
        except ModelError as error:
            refused.append(str(error))
    assert refused
    assert not [said for said in refused if "\n" in said]


def test_shipped_models_keep_their_names(stemlab: Any, tmp_path: Path) -> None:
    network = model("magnitude to masks", tmp_path)
    for path in (network, network.with_suffix(".json")):
        path.rename(path.with_stem("stemlab-4"))
    code, _, err = stemlab("add", tmp_path / "stemlab-4.onnx")
    assert code == 1
    assert "choose another name" in err


def test_without_onnxruntime(stemlab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = model("magnitude to masks", tmp_path)
    monkeypatch.setitem(FORMATS, ".onnx", {"onnxruntime": "nonesuch"})
    for act in ("check", "add"):
        code, _, err = stemlab(act, network)
        assert code == 1
        assert "pip install 'stemlab[onnx]'" in err


@pytest.mark.parametrize(
    ("reads", "gives", "wanted"),
    [
        ([1, 512, 1024, 2], [1, 512, 1024, 2, 4], ("1 t f c", "1 t f c s", "magnitude to masks")),
        ([None, 2, 2049, None], [None, 4, 2, 2049, None],
         ("1 c f t", "1 s c f t", "magnitude to masks")),
        ([1, 2, 1025, 128, 2], [1, 2, 1025, 128, 2],
         ("1 c f t r", "1 c f t r", "spectrum to spectra")),
        ([128, 513], [128, 513], None),
        ([1, 128, 513], [1, 128, 513], ("1 t f", "1 t f", "magnitude to masks")),
        ([1, 3, 224, 224], [1, 1000], None),
    ],
)  # fmt: skip
def test_guesses(
    reads: list[int | None], gives: list[int | None], wanted: tuple[str, ...] | None
) -> None:
    found = guess([Tensor("x", reads, "float32")], [Tensor("y", gives, "float32")])
    assert tuple(found.get(name) for name in ("reads", "gives", "kind")) == (
        wanted or (None, None, None)
    )


def test_a_card_says_what_is_said(tmp_path: Path) -> None:
    network = FOREIGN["magnitude to masks"][0](tmp_path / "mine.onnx")
    facts = json.loads(describe(network, n_fft=2048, measured={"sdr": 3.5}).read_text())
    assert facts["n_fft"] == 2048
    assert facts["measured"] == {"sdr": 3.5}
    assert facts["stems"] is None
