"""Read the tensors of a PyTorch checkpoint without running what is in it.

A checkpoint is a zip file: `data.pkl` says which tensors there are, `data/KEY` holds their numbers.
A pickle is a program for a small stack machine, and `pickle.load` would call whatever function it
names. Here only the instructions that describe a dictionary of tensors are known, and only the
three names that PyTorch writes for one; everything else is refused, and nothing is ever called. See
`pickletools` for the instructions and PyTorch's "Serialization semantics" for the layout.
"""

from __future__ import annotations

import math
import pickletools
from typing import TYPE_CHECKING, Any, NamedTuple
from zipfile import ZIP_STORED, BadZipFile, ZipFile

import numpy as np

from stemlab.errors import ModelError
from stemlab.networks.tensors import first_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from numpy.typing import NDArray

# What can go wrong with a file that is no zip of such a pickle.
WRONG = (ValueError, LookupError, TypeError, OSError, EOFError, RuntimeError, BadZipFile)
LONGEST_PICKLE = 4 << 20  # bytes; some 100 for each tensor are usual
NUMBER = 4  # bytes


def tensors(path: Path) -> dict[str, NDArray[np.float32]]:
    """Return the float32 tensors of a checkpoint that is a dictionary of such, by their names.

    Raises
    ------
    ModelError
        If it is damaged, or holds anything else.
    """
    try:
        with ZipFile(path) as archive:
            members = {info.filename.partition("/")[2]: info for info in archive.infolist()}
            if any(info.compress_type != ZIP_STORED for info in members.values()):
                raise ValueError("it is compressed")
            pickled = members["data.pkl"]
            if pickled.file_size > LONGEST_PICKLE:
                raise ValueError("it describes too much")
            described = _Machine().run(archive.read(pickled))
            if sum(math.prod(t.size) for t in described.values()) * NUMBER > path.stat().st_size:
                raise ValueError("it describes more than it holds")
            return {
                name: tensor.of(archive.read(members[f"data/{tensor.storage.key}"]))
                for name, tensor in described.items()
            }
    except WRONG as error:
        raise ModelError(
            f"{path.name}: not a checkpoint that holds tensors and nothing else "
            f"({first_line(error)}); nothing was installed"
        ) from error


class _Name(NamedTuple):
    """What a pickle would import."""

    text: str


class _Storage(NamedTuple):
    """Where numbers lie."""

    key: str


class _Tensor(NamedTuple):
    """A tensor as it is described: `offset` and `stride` count numbers of its storage."""

    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    def of(self, storage: bytes) -> NDArray[np.float32]:
        """Return its numbers out of its storage's."""
        numbers = np.frombuffer(storage, "<f4")
        last = self.offset + sum(
            (n - 1) * step for n, step in zip(self.size, self.stride, strict=True)
        )
        whole = (self.offset, *self.stride, *(n - 1 for n in self.size))
        if min(whole) < 0 or last >= len(numbers) or math.prod(self.size) > len(numbers):
            raise ValueError(f"a tensor of {self.size} lies outside its {len(numbers)} numbers")
        steps = [NUMBER * step for step in self.stride]
        view = np.lib.stride_tricks.as_strided(numbers[self.offset :], self.size, steps)
        return view.astype(np.float32)


ORDERED, REBUILD = _Name("collections OrderedDict"), _Name("torch._utils _rebuild_tensor_v2")
FLOATS = _Name("torch FloatStorage")
MARK = object()


class _Machine:
    """The stack machine of pickles, as far as a dictionary of tensors needs it."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def run(self, program: bytes) -> dict[str, _Tensor]:
        """Return the tensors that a program describes.

        Raises
        ------
        ValueError, LookupError, TypeError
            If it does anything else.
        """
        for instruction, argument, _ in pickletools.genops(program):
            step = STEPS.get(instruction.name)
            if step is None:
                raise ValueError(f"it says {instruction.name}")
            step(self, argument)
        [made] = self.stack
        if not isinstance(made, dict) or not all(isinstance(t, _Tensor) for t in made.values()):
            raise ValueError("it is another thing")
        return made

    def push(self, value: object) -> None:
        """Put a value on the stack."""
        self.stack.append(value)

    def to_mark(self) -> list[Any]:
        """Take all down to the last mark, and the mark."""
        place = len(self.stack) - 1 - self.stack[::-1].index(MARK)
        taken = self.stack[place + 1 :]
        del self.stack[place:]
        return taken

    def last(self, count: int) -> tuple[Any, ...]:
        """Take the last values."""
        if count > len(self.stack):
            raise ValueError("it takes more than there is")
        taken = tuple(self.stack[-count:])
        del self.stack[-count:]
        return taken


def _name(machine: _Machine, argument: str) -> None:
    known = _Name(argument)
    if known not in (ORDERED, REBUILD, FLOATS):
        raise ValueError(f"it wants {argument.replace(' ', '.')}")
    machine.push(known)


def _storage(machine: _Machine, _: None) -> None:
    [(kind, numbers, key, *_where)] = machine.last(1)
    if kind != "storage" or numbers != FLOATS or not isinstance(key, str):
        raise ValueError("its numbers are of another kind")
    machine.push(_Storage(key))


def _called(machine: _Machine, _: None) -> None:
    """Note what a call would make; none is made."""
    function, arguments = machine.last(2)
    if function == ORDERED and arguments == ():
        machine.push({})
    elif function == REBUILD:
        storage, offset, size, stride, *_more = arguments
        if not isinstance(storage, _Storage) or not _whole((offset, *size, *stride)):
            raise ValueError("it describes no tensor")
        machine.push(_Tensor(storage, offset, tuple(size), tuple(stride)))
    else:
        raise ValueError("it calls something")


def _whole(numbers: Iterable[Any]) -> bool:
    return all(type(number) is int for number in numbers)


def _set(machine: _Machine, pairs: list[Any]) -> None:
    made = machine.stack[-1]
    if not isinstance(made, dict) or not all(isinstance(name, str) for name in pairs[::2]):
        raise ValueError("it fills what is no dictionary of names")
    made.update(zip(pairs[::2], pairs[1::2], strict=True))


def _attributes(machine: _Machine, _: None) -> None:
    """Pass over the versions of its layers that PyTorch hangs on a dictionary of tensors."""
    made, _versions = machine.last(2)
    if not isinstance(made, dict):
        raise ValueError("it changes what is no dictionary")  # noqa: TRY004
    machine.push(made)


def _kept(machine: _Machine, place: int) -> None:
    machine.memo[place] = machine.stack[-1]


STEPS: dict[str, Callable[[_Machine, Any], object]] = {
    **dict.fromkeys(("PROTO", "STOP"), lambda _machine, _: None),
    **dict.fromkeys(("BINUNICODE", "BININT", "BININT1", "BININT2"), _Machine.push),
    "NONE": lambda machine, _: machine.push(None),
    "NEWTRUE": lambda machine, _: machine.push(value=True),
    "NEWFALSE": lambda machine, _: machine.push(value=False),
    "EMPTY_DICT": lambda machine, _: machine.push({}),
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    "TUPLE1": lambda machine, _: machine.push(machine.last(1)),
    "TUPLE2": lambda machine, _: machine.push(machine.last(2)),
    "TUPLE3": lambda machine, _: machine.push(machine.last(3)),
    "TUPLE": lambda machine, _: machine.push(tuple(machine.to_mark())),
    "MARK": lambda machine, _: machine.push(MARK),
    "SETITEM": lambda machine, _: _set(machine, [*machine.last(2)]),
    "SETITEMS": lambda machine, _: _set(machine, machine.to_mark()),
    **dict.fromkeys(("BINPUT", "LONG_BINPUT"), _kept),
    **dict.fromkeys(
        ("BINGET", "LONG_BINGET"), lambda machine, place: machine.push(machine.memo[place])
    ),
    "GLOBAL": _name,
    "BINPERSID": _storage,
    "REDUCE": _called,
    "BUILD": _attributes,
}
"""What each instruction that is known does."""
