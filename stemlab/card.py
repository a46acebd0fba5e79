"""A model's card: what is known of a network, read from the JSON file beside it and checked."""

from __future__ import annotations

import hashlib
import json
import math
import re
import unicodedata
from dataclasses import MISSING, dataclass, field, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from stemlab.errors import ModelError, SettingError
from stemlab.networks.axes import Axes
from stemlab.networks.kinds import KINDS
from stemlab.networks.levels import LEVELS
from stemlab.networks.ports import Ports
from stemlab.spectral import Stft

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Check: TypeAlias = Callable[[Any], bool]

# No honest card comes near these.
MOST_BYTES = 1 << 20
DEEPEST = 8
MOST_CELLS = 1 << 24  # of a window

WINDOWS = ("bartlett", "blackman", "boxcar", "cosine", "hamming", "hann")
# What a card says about its model, which changes nothing in the stems.
ABOUT = (
    "name", "version", "licence", "source", "precision", "training_data", "measured", "runtimes",
    "path",
)  # fmt: skip
# Stems become names of files, on any system.
STEM = re.compile(r"\w([\w +()-]{0,38}[\w+()-])?")
DEVICE = re.compile(r"con|prn|aux|nul|(com|lpt)[0-9¹²³]", re.IGNORECASE)


@dataclass(frozen=True)
class Card:
    """What is known of a model: the JSON file beside its network.

    Attributes
    ----------
    sample_rate
        Hz.
    n_fft, hop, window
        The transform it was trained on; see `stemlab.spectral.Stft`.
    frames, bins
        T and F of the windows that it reads.
    stems
        Names of the stems, in order. Where it gives one less, the last is what the others leave.
    precision
        Of weights and activations, such as ``"int8 weights"``.
    extension
        How its masks go on above the band of F bins.
    sha256
        Of the network's file.
    measured
        Quality, size and speed, as measured.
    runtimes
        Those it runs on, names of `stemlab.networks.runtimes.FORMATS`.
    path
        The network's file, `.tflite` or `.onnx`.
    synthesis
        Length of the synthesis window where it is not that of the analysis, in samples.
    lookahead
        Frames that a network made for live sound has heard beyond the one whose masks it gives.
    kind
        What it reads and gives, a name of `stemlab.networks.kinds.KINDS`.
    reads, gives
        The order of the axes of its input and output, see `stemlab.networks.axes.Axes`. Without c
        it reads the channels one by one; without s it has one output for each stem.
    scale
        Its numbers for each of `stemlab.spectral.Stft`'s, such as 1/64 for an orthonormal transform
        of 4096.
    level
        What it wants a window's numbers to be, a name of `stemlab.networks.levels.LEVELS`.
    """

    name: str
    version: str
    licence: str
    source: str
    sha256: str
    sample_rate: int
    n_fft: int
    hop: int
    window: str
    frames: int
    bins: int
    stems: tuple[str, ...]
    precision: str
    extension: str
    training_data: str
    measured: dict[str, Any] = field(hash=False)
    runtimes: tuple[str, ...]
    path: Path = field(compare=False)
    synthesis: int | None = None
    lookahead: int = 0
    kind: str = "magnitude to masks"
    reads: str = "1 t f c"
    gives: str = "1 t f c s"
    scale: float = 1.0
    level: str = "plain"

    @classmethod
    def read(cls, path: Path) -> Card:
        """Read the card of the model whose network is the file `path`, and trust nothing in it.

        Raises
        ------
        ModelError
            If the file or its card is missing, or the card is not one.
        """
        file = path.with_suffix(".json")
        for part in (path, file):
            if not part.is_file():
                raise ModelError(
                    f"{path}: {part.name} is not there; a model is a .tflite or .onnx file "
                    "with its card, a .json file of the same name, beside it"
                )
        try:
            card = cls(**_values(_parsed(file)), path=path)
            _check_grid(card)
        except (ValueError, RecursionError, OSError) as error:
            raise ModelError(
                f"{file}: not a model card ({error}); get the model and its card again"
            ) from error
        return card

    @property
    def stft(self) -> Stft:
        """The transform whose magnitudes the model reads."""
        return Stft(self.n_fft, self.hop, self.window, self.synthesis)

    @cached_property  # asked for with every window
    def ports(self) -> Ports:
        """How windows go into the network, and masks come out of it."""
        said = {name: getattr(self, name) for name in USUAL}
        return Ports(**said, frames=self.frames, bins=self.bins, stems=len(self.stems))

    @property
    def recipe(self) -> tuple[Any, ...]:
        """All of it that decides how stems sound, the network's sha256 among it."""
        return tuple(getattr(self, each.name) for each in fields(self) if each.name not in ABOUT)

    @property
    def streams(self) -> bool:
        """Whether it reads frame by frame: a `stemlab.live.model.StreamModel`, for live sound."""
        return self.frames == 1

    def verify(self) -> None:
        """Check the network file against the card.

        Raises
        ------
        ModelError
            If the sha256 differs, or the file cannot be read.
        """
        try:
            digest = hashlib.sha256(self.path.read_bytes()).hexdigest()
        except OSError as error:
            raise ModelError(f"{self.path}: cannot be read ({error.strerror})") from error
        if digest != self.sha256:
            raise ModelError(
                f"{self.path}: damaged or not the model of its card "
                f"(sha256 {digest[:12]}…, card says {self.sha256[:12]}…); get it again"
            )


def _parsed(file: Path) -> dict[str, Any]:
    with file.open("rb") as stream:
        text = stream.read(MOST_BYTES + 1)
    if len(text) > MOST_BYTES:
        raise ValueError(f"longer than {MOST_BYTES >> 20} MiB")
    known = json.loads(text.decode())
    if not isinstance(known, dict):
        raise ValueError("no JSON object")  # noqa: TRY004 - as other text that is no card
    return known


def _values(known: dict[str, Any]) -> dict[str, Any]:
    """Return the values of the fields, each checked."""
    wanted = {f.name: f.default for f in fields(Card) if f.name in CHECKS}
    values = {name: known.get(name, default) for name, default in wanted.items()}
    for name, value in values.items():
        if value is MISSING:
            raise ValueError(f"{name} is missing")
        if not CHECKS[name](value):
            raise ValueError(f"{name} cannot be {json.dumps(value)[:60]}")
    return values | {name: tuple(values[name]) for name in ("stems", "runtimes")}


def _check_grid(card: Card) -> None:
    """Refuse numbers that are well each for itself, but not together."""
    try:
        bins = card.stft.bins
    except SettingError as error:
        raise ValueError(str(error)) from error
    if card.bins > bins:
        raise ValueError(f"{card.bins} bins where a transform of {card.n_fft} has {bins}")
    if card.bins * card.frames > MOST_CELLS:
        raise ValueError(f"{card.frames} frames of {card.bins} bins are too much for one window")
    ports = card.ports
    if card.streams and ports != Ports(**USUAL, frames=1, bins=card.bins, stems=len(card.stems)):
        raise ValueError("frames is 1, which only networks for live sound have")


def _whole(least: int, most: int) -> Check:
    return lambda value: type(value) is int and least <= value <= most


def _text(value: Any, most: int = 2000) -> bool:
    return isinstance(value, str) and len(value) <= most and value.isprintable()


def _label(value: Any) -> bool:
    return _text(value, 100) and bool(value.strip())


def _stem(value: Any) -> bool:
    return bool(_text(value) and STEM.fullmatch(value) and not DEVICE.fullmatch(value))


def _several(check: Check, most: int) -> Check:
    """Return a check of a list of different names: also where upper and lower case are one."""

    def holds(value: Any) -> bool:
        return (
            isinstance(value, list)
            and 1 <= len(value) <= most
            and all(map(check, value))
            and len({unicodedata.normalize("NFKC", name).casefold() for name in value})
            == len(value)
        )

    return holds


def _measured(value: Any, deep: int = 0) -> bool:
    """Whether a value is made of objects, numbers that are finite and text."""
    if isinstance(value, dict):
        return deep < DEEPEST and all(
            _text(key) and _measured(inner, deep + 1) for key, inner in value.items()
        )
    if isinstance(value, list):
        return deep < DEEPEST and all(_measured(inner, deep + 1) for inner in value)
    return _text(value) or (isinstance(value, int | float) and math.isfinite(value))


def _axes(value: Any) -> bool:
    try:
        return _text(value, 40) and bool(Axes(value).letters)
    except ValueError:
        return False


USUAL: dict[str, Any] = {
    each.name: each.default
    for each in fields(Card)
    if each.name in ("kind", "reads", "gives", "scale", "level")
}
CHECKS: dict[str, Check] = {
    **dict.fromkeys(("name", "version"), _label),
    **dict.fromkeys(("licence", "source", "precision", "extension", "training_data"), _text),
    "sha256": lambda value: _text(value) and bool(re.fullmatch("[0-9a-f]{64}", value)),
    "sample_rate": _whole(1_000, 768_000),
    "n_fft": _whole(2, 1 << 16),
    "hop": _whole(1, 1 << 16),
    "window": lambda value: value in WINDOWS,
    "frames": _whole(1, 1 << 16),
    "bins": _whole(1, 1 << 16),
    "stems": _several(_stem, 16),
    "measured": lambda value: isinstance(value, dict) and _measured(value),
    "runtimes": _several(_label, 16),
    "synthesis": lambda value: value is None or _whole(2, 1 << 16)(value),
    "lookahead": _whole(0, 1 << 10),
    "kind": lambda value: _text(value) and value in KINDS,
    **dict.fromkeys(("reads", "gives"), _axes),
    "scale": lambda value: type(value) in (int, float) and 1e-6 <= value <= 1e6,  # noqa: PLR2004
    "level": lambda value: _text(value) and value in LEVELS,
}
