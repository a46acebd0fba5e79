"""Cards of strangers: whatever stands in one, it is read, or refused in a sentence."""

from __future__ import annotations

import copy
import json
import math
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stemlab.card import CHECKS, USUAL, Card
from stemlab.cli import main
from stemlab.errors import ModelError
from stemlab.model import find, paths, song_models

GOOD = json.loads(find("stemlab-4").path.with_suffix(".json").read_text())
# What stands for a value where none like it belongs.
EVIL: list[Any] = [
    *(None, True, False, 0, -1, 1, 1 << 16, 1 << 31, 1 << 64, 10**300, 0.5, 1e308, -0.0),
    *(math.nan, math.inf, "", " ", "nan", "../../../etc", "/etc/passwd", "C:\\x", "con"),
    *("\x1b[31mred", "a\0b", "\ud800", "\u202egpj.exe", "x" * 10_000, "é" * 300, "\n", "hann\n"),
    *([], {}, [[]], [None], {"": None}, ["vocals"] * 4, ["vocals", "VOCALS"], ["a/b"], [".."]),
    *(["..."], ["a."], ["a "], [" a"], ["NUL"], ["com1"], [""], ["\x1b]0;x\x07"], ["a\\b"]),
    *([1], [["vocals"]], [{}], list("abcdefghijklmnopqrstuvwxyz"), ["x" * 300], "vocals", "ab"),
    *({"x": math.nan}, {"x": [math.inf]}, {"\x1b": 1}, {"x": None}, ["\ufb01", "fi"]),
]
FACTS = {name: getattr(find("stemlab-4"), name) for name in CHECKS}


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """Return a network of which only the card matters."""
    path = tmp_path / "mine.tflite"
    path.touch()
    return path


def write(network: Path, text: str | bytes) -> Path:
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    network.with_suffix(".json").write_bytes(data)
    return network


def test_the_card_is_read_whole(network: Path) -> None:
    card = Card.read(write(network, json.dumps(GOOD)))
    assert {name: getattr(card, name) for name in CHECKS} == FACTS
    assert card.path == network


@pytest.mark.parametrize("stems", [["Lead vocals (L+R)", "808"], ["música", "шум"], ["a", "b-c"]])
def test_stems_may_have_names(network: Path, stems: list[str]) -> None:
    assert Card.read(write(network, json.dumps(GOOD | {"stems": stems}))).stems == tuple(stems)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("stems", ["../../../ESC", "drums", "bass", "other"]),
        ("stems", ["vocals"] * 4),
        ("stems", ["vocals", "Vocals"]),
        ("stems", ["é", "e\u0301"]),
        ("stems", ["aux"]),
        ("stems", ["vocals\n"]),
        ("stems", "abcd"),
        ("stems", []),
        ("frames", "512"),
        ("frames", True),
        ("bins", 2050),
        ("hop", 8192),
        ("window", "nan"),
        ("n_fft", 1 << 40),
        ("synthesis", 4098),
        ("sample_rate", 44_100.0),
        ("sha256", "0" * 63),
        ("name", "\x1b[2Jmine"),
        ("licence", None),
        ("measured", {"sdr": math.nan}),
        ("runtimes", [7]),
        ("lookahead", -1),
        ("kind", "spectrum"),
        ("reads", "1 t t f c"),
        ("gives", "1 t f c r s"),
        ("scale", -1),
        ("scale", math.nan),
        ("level", "loud"),
    ],
)
def test_a_field_that_cannot_be(network: Path, field: str, value: object) -> None:
    with pytest.raises(ModelError, match=rf"mine\.json: not a model card \(.*({field}|bins|hop)"):
        Card.read(write(network, json.dumps(GOOD | {field: value})))


def test_each_field_is_wanted(network: Path) -> None:
    for name in set(CHECKS) - {"synthesis", "lookahead", *USUAL}:
        rest = {key: value for key, value in GOOD.items() if key != name}
        with pytest.raises(ModelError, match=f"{name} is missing"):
            Card.read(write(network, json.dumps(rest)))


@pytest.mark.parametrize(
    "text",
    [
        b"\xff\xfe{",
        b"",
        b"[" * 100_000,
        b'{"measured": ' + b'{"x": ' * 900 + b"1" + b"}" * 901,
        b'{"frames": ' + b"9" * 10_000 + b"}",
        b" " * (2 << 20),
    ],
)
def test_a_file_that_is_no_card(network: Path, text: bytes) -> None:
    with pytest.raises(ModelError, match="not a model card"):
        Card.read(write(network, text))


def test_a_thousand_evil_cards(network: Path) -> None:
    """Each is refused in a sentence, or harmless: names of files, numbers in range."""
    chance = np.random.default_rng(13)
    found = [read(write(network, evil(chance))) for _ in range(1000)]
    refused = [each for each in found if isinstance(each, ModelError)]
    assert len(refused) > 800
    assert not [error for error in refused if "\n" in str(error)]
    for card in (each for each in found if isinstance(each, Card)):
        assert len({stem.casefold() for stem in card.stems}) == len(card.stems)
        assert all(Path(f"{stem}.wav").name == f"{stem}.wav" for stem in card.stems)
        assert json.loads(json.dumps(card.measured, allow_nan=False)) == card.measured
        assert 1 <= card.bins <= card.stft.bins


def read(network: Path) -> Card | ModelError:
    try:
        return Card.read(network)
    except ModelError as error:
        return error


def evil(chance: np.random.Generator) -> str | bytes:
    """Return a card with some fields changed, left out, nested, or bytes that are broken."""
    facts = copy.deepcopy(GOOD)
    for name in chance.choice([*CHECKS], chance.integers(1, 4), replace=False).tolist():
        act = chance.integers(5)
        if act == 0:
            facts.pop(name, None)
        elif act == 1:
            facts[name] = {name: facts.get(name)}
        else:
            facts[name] = EVIL[chance.integers(len(EVIL))]
    text = json.dumps(facts, ensure_ascii=bool(chance.integers(2)))
    if chance.random() > 0.1:
        return text
    broken = bytearray(text.encode("utf-8", "surrogatepass"))
    for place in chance.integers(len(broken), size=3):
        broken[place] = chance.integers(256)
    return bytes(broken[: chance.integers(1, len(broken))])


def test_a_broken_card_is_named_and_the_rest_is_listed(
    network: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = os.fspath(find("stemlab-4").path)
    monkeypatch.setenv("STEMLAB_MODELS", os.fspath(network.parent))
    write(network, '{"name": "mine"}')
    assert "mine" in paths()
    assert "stemlab-4" in song_models()
    assert "mine" not in song_models()
    for words in ([], ["--json"]):
        monkeypatch.setattr(sys, "argv", ["stemlab", "models", "list", *words])
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        assert not end.value.code
        assert "mine.json: not a model card (version is missing)" in said.err
        assert "stemlab-4" in said.out
        if words:
            assert whole in [model["file"] for model in json.loads(said.out)["installed"]]
