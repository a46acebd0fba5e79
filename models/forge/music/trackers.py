"""Tracker modules: electronic music made of samples, each instrument of which can be heard alone.

Modules of games in Debian, played by libopenmpt. An instrument's stem is told by its name, else by
the notes it plays and by how it sounds. Who cannot be sorted for sure is left out of the song, for
a song is the sum of its stems. Licences are in `FOLDERS`.
"""

from __future__ import annotations

import ctypes
import re
import zlib
from contextlib import closing
from ctypes.util import find_library
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.signal
from tqdm.auto import tqdm

from music.pool import RATE, has_song, write_song

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    Samples = npt.NDArray[np.float32]

SOURCE = "trackers"
SHARE = Path("/usr/share")
SUFFIXES = {".xm", ".s3m", ".it", ".mod"}
FOLDERS = {
    "bb": "GPL-2.0-or-later",
    "games/biniax2": "Zlib",
    "games/bomberclone": "GPL-2.0",
    "games/circuslinux": "GPL-2.0",
    "games/flobopuyo": "GPL-2.0",
    "games/freedroid": "GPL-2.0-or-later",
    "games/gl-117": "GPL-2.0",
    "games/heroes": "GPL-2.0-or-later",
    "games/madbomber": "GPL-2.0",
    "games/njam": "GPL-2.0-or-later",
    "games/pekka-kana-2": "BSD-2-Clause",
    "games/penguin-command": "GPL-2.0-or-later",
    "games/pingus": "GPL-2.0-or-later",
    "games/rafkill": "LGPL-2.0",
    "games/tecnoballz": "GPL-3.0-or-later",
    "games/vodovod": "GPL-2.0-or-later",
    "pachi": "GPL-2.0",
}
"""Where packages keep modules, with their licences."""
HELD_BACK = 15
"""One song in so many is kept for validation."""

SECONDS = 150
"""Of a song, at most."""
SHORTEST = 20
"""Seconds of a song, at least: fanfares are left out."""
EXCERPT = 60
"""Seconds in which an instrument is judged by its sound."""
AUDIBLE = 1e-3
"""RMS of an instrument that is heard."""
NAMES = {
    "": r"vox|voice|vocal|choir|aah|ooh|sing|speak|speech|scream|laugh|\bfx|effect",
    "drums": r"drum|kick|\bbd\b|snare|\bsd\b|hat\b|hats|hi-?hat|\bhh\b|cymbal|crash|\bride|"
    r"\btoms?\b|clap|percus|conga|bongo|shaker|tambo|cowbell|maraca",
    "bass": r"bass(?!oon|.?oboe|.?clar)",
    "other": r"piano|string|guitar|\bpad|lead|organ|flute|brass|trumpet|violin|bells?\b|chord|arp|"
    r"harp|sax|marimba|xylo|clarinet|oboe|horn|accord|harmonica|pluck|sitar|banjo|rhodes",
}
"""What names tell, asked in this order; "": to be left out."""
LOW, HIGH = 250.0, 130.0
"""Hertz: a bass has most power below the one, what is no bass next to none below the other."""
SHORT = 0.3
"""Share of the time for which a drum is heard while it plays, at most."""
LAST_NOTE = 120
"""Higher numbers end a note."""
MELODY = 4
"""Pitches that make a melody; a drum has at most half as many."""


def gather(data: Path, pool: Path, validation: Path) -> None:  # noqa: ARG001
    """Write every song of which at least two stems are heard."""
    for folder, file in tqdm(shuffled(list(modules())), SOURCE):
        name = re.sub(r"[^a-z0-9]+", "-", f"{Path(folder).name}-{file.stem}".lower())
        root = pool if zlib.crc32(name.encode()) % HELD_BACK else validation
        if not has_song(root, SOURCE, name):
            stems = perform(Module(file.read_bytes()))
            if len(stems) > 1 and min(map(len, stems.values())) > SHORTEST * RATE:
                write_song(root, SOURCE, name, stems, FOLDERS[folder])


def modules() -> Iterator[tuple[str, Path]]:
    """Yield every module and the folder of its package."""
    for folder in FOLDERS:
        for file in sorted((SHARE / folder).rglob("*")):
            if file.suffix.lower() in SUFFIXES:
                yield folder, file


def shuffled(files: list[tuple[str, Path]]) -> list[tuple[str, Path]]:
    """Mix the modules, so that training on the first ones hears all kinds."""
    return [files[index] for index in np.random.default_rng(0).permutation(len(files))]


def perform(module: Module) -> dict[str, Samples]:
    """Play the instruments of each stem together; the sounds are float32 [samples, 2]."""
    sorted_: dict[str, list[int]] = {}
    for number in range(len(module.names)):
        if stem := role(module, number):
            sorted_.setdefault(stem, []).append(number)
    return {stem: module.play(numbers, SECONDS) for stem, numbers in sorted_.items()}


def role(module: Module, number: int) -> str:
    """Tell an instrument's stem, "" if it is silent or cannot be told."""
    pitches = module.pitches[number]
    sound = module.play([number], EXCERPT) if pitches else np.zeros((0, 2), np.float32)
    if not len(sound) or np.sqrt(np.mean(sound**2)) < AUDIBLE:
        return ""
    name = module.names[number].lower()
    for stem, pattern in NAMES.items():
        if re.search(pattern, name):
            return stem
    return by_sound(sound.mean(1), len(pitches))


def by_sound(sound: Samples, pitches: int) -> str:
    """Tell a stem by how many pitches are played and how they sound, "" if that is not sure.

    Parameters
    ----------
    sound
        An instrument alone, mono.
    pitches
        How many different ones it plays.
    """
    hertz, power = scipy.signal.welch(sound, RATE, nperseg=8192)
    below = np.cumsum(power) / power.sum()
    low, lower = (float(below[np.searchsorted(hertz, edge)]) for edge in (LOW, HIGH))
    if pitches <= MELODY // 2:
        return "drums" if heard(sound) < SHORT else ""
    if pitches < MELODY:
        return ""
    if low > 0.8:  # noqa: PLR2004
        return "bass"
    return "other" if lower < 0.05 else ""  # noqa: PLR2004


def heard(sound: Samples) -> float:
    """Return the share of time in which a sound is less than 20 dB below its loudest."""
    frame = RATE // 100
    levels = np.square(sound[: len(sound) // frame * frame]).reshape(-1, frame).mean(1)
    return float(np.mean(levels > levels.max() / 100))


@cache
def library() -> Any:
    """Load libopenmpt and tell it how its functions are called."""
    made = ctypes.CDLL(find_library("openmpt"))
    handle, text, integer, size = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int32, ctypes.c_size_t
    signatures = {
        "module_ext_create_from_memory": (handle, [text, size, *[handle] * 7]),
        "module_ext_get_module": (handle, [handle]),
        "module_ext_get_interface": (ctypes.c_int, [handle, text, handle, size]),
        "module_ext_destroy": (None, [handle]),
        "module_get_num_instruments": (integer, [handle]),
        "module_get_num_samples": (integer, [handle]),
        "module_get_num_channels": (integer, [handle]),
        "module_get_num_patterns": (integer, [handle]),
        "module_get_pattern_num_rows": (integer, [handle, integer]),
        "module_get_pattern_row_channel_command": (
            ctypes.c_uint8,
            [handle, integer, integer, integer, ctypes.c_int],
        ),
        "module_get_instrument_name": (text, [handle, integer]),
        "module_get_sample_name": (text, [handle, integer]),
        "module_read_interleaved_float_stereo": (size, [handle, integer, size, handle]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(made, f"openmpt_{name}")
        function.restype, function.argtypes = result, arguments
    return made


class Interactive(ctypes.Structure):
    """libopenmpt's interface of this name (libopenmpt_ext.h), of which one function is needed."""

    _fields_ = (
        ("before", ctypes.c_void_p * 12),
        ("mute", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int32, ctypes.c_int)),
        ("after", ctypes.c_void_p * 3),
    )


@dataclass
class Module:
    """A module, as the bytes of its file.

    Where it has no instruments its samples count as such.
    """

    content: bytes

    @cached_property
    def names(self) -> list[str]:
        """Of the instruments."""
        with closing(Player(self.content)) as player:
            module = player.module
            count = library().openmpt_module_get_num_instruments(module)
            kind = "instrument" if count else "sample"
            count = count or library().openmpt_module_get_num_samples(module)
            name = getattr(library(), f"openmpt_module_get_{kind}_name")
            return [name(module, i).decode(errors="replace") for i in range(count)]

    @cached_property
    def pitches(self) -> list[set[int]]:
        """Which notes each instrument plays, as numbers."""
        played: list[set[int]] = [set() for _ in self.names]
        with closing(Player(self.content)) as player:
            for note, instrument in player.notes():
                if 0 < instrument <= len(played):
                    played[instrument - 1].add(note)
        return played

    def play(self, instruments: Sequence[int], seconds: float) -> Samples:
        """Play some of the instruments, and none of the others."""
        with closing(Player(self.content)) as player:
            player.mute(set(range(len(self.names))) - set(instruments))
            return player.read(round(seconds * RATE))


class Player:
    """A module that is played once, then closed."""

    def __init__(self, content: bytes) -> None:
        self._handle = library().openmpt_module_ext_create_from_memory(
            content, len(content), *[None] * 7
        )
        if not self._handle:
            raise ValueError("libopenmpt cannot read the module.")
        self.module = library().openmpt_module_ext_get_module(self._handle)

    def close(self) -> None:
        """Give its memory back."""
        library().openmpt_module_ext_destroy(self._handle)

    def mute(self, instruments: set[int]) -> None:
        """Silence some instruments."""
        interactive = Interactive()
        size = ctypes.sizeof(interactive)
        library().openmpt_module_ext_get_interface(
            self._handle, b"interactive", ctypes.byref(interactive), size
        )
        for number in instruments:
            interactive.mute(self._handle, number, 1)

    def read(self, length: int) -> Samples:
        """Return the sound, [samples, 2], to the song's end or `length`."""
        sound = np.zeros((length, 2), np.float32)
        done = 0
        while done < length:
            place = sound[done:].ctypes.data
            count = library().openmpt_module_read_interleaved_float_stereo(
                self.module, RATE, min(4096, length - done), place
            )
            if not count:
                break
            done += count
        return sound[:done]

    def notes(self) -> Iterator[tuple[int, int]]:
        """Yield each note of the patterns and the number, from 1, of the instrument that has it."""
        tell = library().openmpt_module_get_pattern_row_channel_command
        channels = range(library().openmpt_module_get_num_channels(self.module))
        for pattern in range(library().openmpt_module_get_num_patterns(self.module)):
            rows = range(library().openmpt_module_get_pattern_num_rows(self.module, pattern))
            for channel in channels:
                for row in rows:
                    note, instrument = (tell(self.module, pattern, row, channel, i) for i in (0, 1))
                    if 0 < note <= LAST_NOTE:
                        yield note, instrument
