"""Checkpoints of PyTorch: read as they are, refused in one line where they hold anything else."""

from __future__ import annotations

import collections
import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stemlab.errors import ModelError
from stemlab.importers.torch_file import tensors

WRITTEN_BY_TORCH = Path(__file__).with_name("scnet") / "checkpoint.ckpt"
NUMBERS = np.arange(24, dtype="<f4")


class Named:
    """Pickled, it is the name of something that is imported when it is read."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self) -> None:
        """Be what a pickle may call."""


class Called:
    """Pickled, it is a call."""

    def __init__(self, name: str, *arguments: Any) -> None:
        self.call = Named(name), arguments

    def __reduce__(self) -> Any:
        return self.call


class Stored(tuple[Any, ...]):
    """Pickled, it is a reference to a storage."""

    __slots__ = ()


PYTHONS: Any = pickle._Pickler  # the one that can be changed


class Pickler(PYTHONS):  # type: ignore[misc]
    """Writes names of what is not installed."""

    def persistent_id(self, thing: object) -> Any:
        return tuple(thing) if isinstance(thing, Stored) else None

    def save_name(self, thing: Named) -> None:
        module, name = thing.name.rsplit(".", 1)
        self.write(f"c{module}\n{name}\n".encode())
        self.memoize(thing)

    dispatch = PYTHONS.dispatch | {Named: save_name}


def storage(numbers: str = "torch.FloatStorage", key: Any = "0") -> Stored:
    return Stored(("storage", Named(numbers), key, "cpu", len(NUMBERS)))


def tensor(where: Any = None, offset: Any = 0, size: Any = (2, 3), stride: Any = (3, 1)) -> Called:
    hooks = Called("collections.OrderedDict")
    place = where or storage()
    return Called("torch._utils._rebuild_tensor_v2", place, offset, size, stride, False, hooks)


def checkpoint(path: Path, made: Any, **how: Any) -> Path:
    pickled = made
    if not isinstance(made, bytes):
        stream = io.BytesIO()
        Pickler(stream, protocol=2).dump(made)
        pickled = stream.getvalue()
    with zipfile.ZipFile(path, "w", **how) as archive:
        archive.writestr("any/data.pkl", pickled)
        archive.writestr("any/data/0", NUMBERS.tobytes())
    return path


def test_what_torch_writes() -> None:
    read = tensors(WRITTEN_BY_TORCH)
    assert len(read) == 276
    weights = read["encoder.0.SDlayer.convs.2.weight"]
    assert (weights.shape, str(weights.dtype)) == ((8, 4, 16, 1), "float32")
    assert 0.05 < weights.std() < 0.1  # uniform within 1 / sqrt(4 · 16)
    assert np.isfinite(sum(float(tensor.sum()) for tensor in read.values()))


def test_places_and_steps(tmp_path: Path) -> None:
    """Tensors may share numbers, lie somewhere in them, and be turned."""
    turned, one = tensor(offset=5, size=(3, 2), stride=(1, 4)), tensor(size=(), stride=())
    read = tensors(checkpoint(tmp_path / "x.ckpt", {"a": tensor(), "b": turned, "c": one}))
    np.testing.assert_array_equal(read["a"], NUMBERS[:6].reshape(2, 3))
    np.testing.assert_array_equal(read["b"], [[5, 9], [6, 10], [7, 11]])
    assert read["c"] == 0


MARKER = "/tmp/stemlab-test-was-run"  # noqa: S108 - never made
EVIL: dict[str, tuple[Any, str]] = {
    "a command": ({"a": Called("os.system", f"touch {MARKER}")}, "wants os.system"),
    "an evaluation": ({"a": Called("builtins.eval", "1")}, "wants builtins.eval"),
    "another rebuilder": (
        {"a": Called("torch._utils._rebuild_from_type_v2", 1, 2, 3, 4)},
        "wants torch._utils._rebuild_from_type_v2",
    ),
    "a storage that is called": ({"a": Called("torch.FloatStorage", 1 << 30)}, "calls something"),
    "whole numbers": ({"a": tensor(storage("torch.LongStorage"))}, "wants torch.LongStorage"),
    "no tensors": ({"a": 1}, "another thing"),
    "no dictionary": (tensor(), "another thing"),
    "a list": ([tensor()], "says EMPTY_LIST"),
    "behind the end": ({"a": tensor(offset=20)}, "outside its 24 numbers"),
    "before the start": ({"a": tensor(offset=-1)}, "outside its 24 numbers"),
    "backwards": ({"a": tensor(stride=(-3, 1))}, "outside its 24 numbers"),
    "much of nothing": (
        {"a": tensor(size=(1 << 20, 1 << 20), stride=(0, 0))},
        "describes more than it holds",
    ),
    "numbers many times": ({"a": tensor(size=(5, 6), stride=(0, 1))}, "outside its 24 numbers"),
    "the same again and again": (
        dict.fromkeys(map(str, range(1000)), tensor(size=(24,), stride=(1,))),
        "describes more than it holds",
    ),
    "odd axes": ({"a": tensor(stride=(1,))}, "zip"),
    "a size of text": ({"a": tensor(size=("2", "3"))}, "describes no tensor"),
    "numbers elsewhere": ({"a": tensor(storage(key="../../etc/passwd"))}, "passwd"),
    "an attribute": (b"\x80\x02}X\x01\x00\x00\x00ac__main__\nx\nb.", "wants __main__.x"),
    "too short": (b"\x80\x02}q\x00", "STOP"),
    "nothing there": (b"\x80\x020.", "says POP"),
    "more than there is": (b"\x80\x02R.", "takes more than there is"),
    "what was never kept": (b"\x80\x02h\x07.", "7"),
    "very long": (b"\x80\x02" + b"}" * (5 << 20) + b".", "describes too much"),
}


@pytest.mark.parametrize("name", EVIL)
def test_what_is_more_than_tensors_is_refused(tmp_path: Path, name: str) -> None:
    made, told = EVIL[name]
    assert told in refused(checkpoint(tmp_path / "evil.ckpt", made))
    assert not Path(MARKER).exists()


def refused(path: Path) -> str:
    with pytest.raises(ModelError) as error:
        tensors(path)
    said = str(error.value)
    assert "\n" not in said
    assert "nothing was installed" in said
    return said


def test_compressed_ones_are_refused(tmp_path: Path) -> None:
    """They may be much larger than their file."""
    made = checkpoint(tmp_path / "x.ckpt", {"a": tensor()}, compression=zipfile.ZIP_DEFLATED)
    assert "compressed" in refused(made)


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "empty.ckpt").touch()
    (tmp_path / "old.ckpt").write_bytes(pickle.dumps(collections.OrderedDict()))
    with zipfile.ZipFile(tmp_path / "other.ckpt", "w") as archive:
        archive.writestr("word/document.xml", "")
    for path in tmp_path.iterdir():
        refused(path)
    refused(tmp_path / "missing.ckpt")


def test_mutants_are_read_or_refused(tmp_path: Path) -> None:
    good = checkpoint(tmp_path / "good.ckpt", {"a": tensor(), "b": tensor(offset=5)}).read_bytes()
    chance, told = np.random.default_rng(17), 0
    for _ in range(400):
        bad = bytearray(good)
        for place in chance.integers(len(bad), size=3):
            bad[place] = chance.integers(256)
        path = tmp_path / "bad.ckpt"
        path.write_bytes(bad)
        try:
            tensors(path)
        except ModelError:
            told += 1
    assert told > 100
