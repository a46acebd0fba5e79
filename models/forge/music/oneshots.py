"""Recorded one-shots: drum kits and instruments, found on disk, loaded when first played."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile
import soxr

from music.draw import pick
from music.effects import RATE

if TYPE_CHECKING:
    from music.effects import Sound

HYDROGEN = Path("/usr/share/hydrogen/data/drumkits")
SONIC_PI = Path("/usr/share/sonic-pi/samples")

HEARD = 0.03
"""Of its peak, where a sound counts as begun."""

Kit = dict[str, list[Path]]
"""Files by role; within a role from soft to loud."""

ACOUSTIC: dict[str, dict[str, str]] = {
    "muldjord-kit": {
        "kick": "^Kdrum[LR]-", "snare": "Snare-", "hat": "HihatClosed", "open": "HihatOpen",
        "crash": "Crash|China", "ride": "Ride[LR]-", "tom": "Tom[1234]", "perc": "Ride.Bell",
    },
    "gogodze-kit/front_mic": {
        "kick": "ks_", "snare": "sc_", "rim": "ss_", "hat": "hc_", "open": "ho_", "tom": "t[hml]_",
        "perc": "hf_",
    },
    "gogodze-kit/oh_mic": {
        "kick": "ks_", "snare": "sc_|se_", "rim": "ss_", "hat": "hh_|hl_", "open": "ho_",
        "tom": "t[hml]_", "perc": "hf_",
    },
    "The Black Pearl 1.0": {
        "kick": "PearlKick", "snare": "PearlSnare-", "rim": "PearlSideStick", "hat": "HatClosed",
        "open": "HatOpen|SemiOpen", "ride": "PaisteRide-", "crash": "Crash-|Splash-",
        "tom": "PearlTom", "perc": "Cowbell|PaisteBell", "clap": "HandClap",
    },
    "ForzeeStereo": {
        "kick": "Kick", "snare": "SnareRim-|Snare-", "rim": "RimClick", "hat": "HiHatClosed",
        "open": "HiHat(Semio|O)pen", "ride": "Ride(Bow)?-", "crash": "Crash18-|China|Splash",
        "tom": "Tom(High|Mid|Low)", "perc": "Tambourine-|Agogo", "shaker": "TambourineFoot",
    },
    "Millo_MultiLayered2": {
        "kick": "bd", "snare": "[jr]snare", "rim": "rim", "hat": "hhclosed", "open": "hhopen",
        "ride": "ride", "crash": "crash", "tom": "tom|floor", "clap": "clap",
    },
    "Millo_MultiLayered3": {
        "kick": "bd", "snare": "sd", "rim": "rs|sr", "hat": "hh_0", "open": "ho", "ride": "rc",
        "crash": "cc", "tom": "ft|t[12]_", "perc": "mc",
    },
    "BJA_Pacific": {
        "kick": "BD", "snare": "SN_|SN4", "hat": "HH_", "open": "HH2|HH3", "ride": "RD",
        "crash": "CB", "tom": "TM", "perc": "BL",
    },
    "ColomboAcousticDrumkit": {
        "kick": "bassdrum", "snare": "snare", "rim": "stick", "hat": "hihat-closed",
        "open": "hihat-.*open", "ride": "ride", "crash": "crash1?$|crash16i__crash|crash20i__crash",
        "tom": "tom",
    },
    "Millo-Drums_v.1": {
        "kick": "bd", "snare": "snare", "clap": "clap", "hat": "closehihat", "open": "openhat",
        "ride": "ride", "crash": "cra", "tom": "tom", "rim": "stick", "perc": "Cowbell",
    },
}  # fmt: skip
"""Which files of a kit play a role; what lies in the data folder, and then Hydrogen's kits."""

ELECTRONIC: dict[str, tuple[tuple[str, str], ...]] = {
    "kick": (
        ("ElectricEmpireKit", "EE_Kick"), ("HardElectro1", "HardHse_K|BD"), ("VariBreaks", "Kick"),
        ("sonic-pi", r"bd_(?!boom)|drum_heavy_kick|elec_(hollow|soft)_kick|drum_bass"),
        ("rumpf_kit_z01_h2", "06-38|06-46|07-18|07-20"), ("Audiophob", "tom-0105"),
    ),
    "snare": (
        ("ElectricEmpireKit", "EE_Snare"), ("HardElectro1", "SN"), ("VariBreaks", "Snare"),
        ("sonic-pi", "sn_|drum_snare|elec_.*snare"), ("rumpf_kit_z01_h2", "01-21|06-25"),
        ("Audiophob", "snare"), ("frankensnare", "sn_"),
    ),
    "clap": (
        ("ElectricEmpireKit", "Clap"), ("HardElectro1", "Clap"), ("Gimme A Hand 1.0", "HandClap"),
        ("rumpf_kit_z01_h2", "01-26"), ("Audiophob", "stomachache"), ("sonic-pi", "perc_snap"),
    ),
    "rim": (
        ("rumpf_kit_z01_h2", "09-12"), ("ElectricEmpireKit", "Click"), ("VariBreaks", "Click"),
        ("frankensnare", "ss_"), ("Gimme A Hand 1.0", "Clave|WoodBlock|Fingersnap"),
        ("sonic-pi", "elec_(tick|pop|wood)"),
    ),
    "hat": (
        ("ElectricEmpireKit", "Hat_(Cl|Low|Ring)"), ("HardElectro1", "CHH|Chh|PowR_HH_1"),
        ("VariBreaks", "Hat . Cl"), ("sonic-pi", "drum_cymbal_(closed|pedal)|elec_cymbal"),
        ("rumpf_kit_z01_h2", "09-10|06-28"), ("Audiophob", "hat-light"),
    ),
    "open": (
        ("ElectricEmpireKit", "Hat_Op"), ("HardElectro1", "OHH|PowR_HH_2"),
        ("VariBreaks", "Hat . Op"), ("sonic-pi", "drum_cymbal_open"),
        ("rumpf_kit_z01_h2", "08-31"), ("Audiophob", "hhat-paiste"),
    ),
    "crash": (
        ("sonic-pi", "drum_(cymbal_hard|splash_hard|cymbal_soft)"),
        ("rumpf_kit_z01_h2", "06-43|08-20|06-30"), ("Audiophob", "crash"),
        ("The Black Pearl 1.0", "SabianCrash"), ("ForzeeStereo", "Crash18"),
    ),
    "tom": (
        ("sonic-pi", "drum_tom|elec_fuzz_tom"), ("VariBreaks", "Tom"), ("Audiophob", "tom"),
        ("rumpf_kit_z01_h2", "08-1[789]"), ("ElectricEmpireKit", "EE_Drum"),
    ),
    "shaker": (
        ("Gimme A Hand 1.0", "Maraca|Tambourine"), ("ForzeeStereo", "Tambourine"),
        ("Audiophob", "fxshake"), ("frankensnare", "13b_tamb|sb_"), ("sonic-pi", "perc_swash"),
    ),
    "perc": (
        ("ElectricEmpireKit", "Conga"), ("Gimme A Hand 1.0", "Bongo|Cajon|Cowbell|Waterglass"),
        ("circAfrique v4", "Djembe|Head|Bell"), ("sonic-pi", "tabla_|drum_cowbell|glitch_perc"),
        ("rumpf_kit_z01_h2", "beats_0[1-5]"),
    ),
}  # fmt: skip
"""Single sounds for mixed kits: (kit, pattern of the file name) by role."""


def kits(data: Path) -> list[Kit]:
    """Find the whole kits, each with its files by role."""
    found = []
    for name, roles in ACOUSTIC.items():
        kit = {role: matching(data, name, regex) for role, regex in roles.items()}
        if kit["kick"]:
            found.append({role: files for role, files in kit.items() if files})
    return found


def single_sound(rng: np.random.Generator, data: Path, role: str, kit: str = "") -> list[Path]:
    """Choose a sound that can play `role`, of `kit` or any; empty where none is installed."""
    named = [(name, regex) for name, regex in ELECTRONIC[role] if kit in name]
    found = [files for name, regex in named if (files := matching(data, name, regex))]
    if not found:
        return []
    files = pick(rng, found)
    folders = sorted({path.parent for path in files})
    folder = pick(rng, folders)
    return [path for path in files if path.parent == folder]


@functools.cache
def matching(data: Path, name: str, regex: str) -> list[Path]:
    """Find a kit's files whose path inside it matches `regex`, from soft to loud."""
    root, files = _files(data, name)
    inside = (path for path in files if re.search(regex, str(path.relative_to(root))))
    return sorted(inside, key=_loudness)


@functools.cache
def _files(data: Path, name: str) -> tuple[Path, list[Path]]:
    """Find a library and the sounds of one of its folders, which may lie deeper in the original."""
    library, _, folder = name.partition("/")
    root = SONIC_PI if library == "sonic-pi" else HYDROGEN / library
    root = root if root.exists() else data / "samples" / library
    sounds = sorted(path for path in root.rglob("*.*") if path.suffix in _SOUNDS)
    return root, [path for path in sounds if _flat(path.parent, root).endswith(folder)]


def _flat(folder: Path, root: Path) -> str:
    return "_".join(folder.relative_to(root).parts)


_SOUNDS = {".wav", ".flac", ".aiff", ".opus"}
_FORCE = ("softest", "soft", "med", "hard", "hardest")


def _loudness(path: Path) -> tuple[int, str]:
    """Order by the loudness layer that is written in the name."""
    word = path.stem.lower().rsplit("-", 1)[-1]
    if word in _FORCE:
        return _FORCE.index(word), path.stem
    layer = re.search(r"vl(\d+)", path.stem)
    return (int(layer[1]) if layer else 0), path.stem


@dataclass(frozen=True)
class Recorded:
    """An instrument whose notes were recorded: files by MIDI pitch, from soft to loud."""

    name: str
    notes: dict[int, list[Path]]

    def nearest(self, pitch: float) -> int:
        """Return the recorded pitch next to `pitch`."""
        return min(self.notes, key=lambda note: abs(note - pitch))


# Where names are an octave above what sounds, measured with YIN.
_INSTRUMENTS: tuple[tuple[str, str, int], ...] = (
    ("growlybass/sustain", r"^([a-g]b?\d)_", -12),
    ("growlybass/staccato", r"^([a-g]b?\d)_", -12),
    ("pastabass/fetuccine", r"^([a-g]b?\d)_vl", -12),
    ("pastabass/linguine", r"^([a-g]b?\d)_vl", -12),
    ("pastabass/spaghetti", r"^([a-g]b?\d)_vl", -12),
    ("pastabass/tagliatelle", r"^([a-g]b?\d)_vl", -12),
    ("double-bass/pizz", r"^pizz_([a-g]b?\d)_", 0),
    ("double-bass/arco", r"^arco_([a-g]b?\d)_", 0),
    ("electric-bass/samples_finger", r"^([A-G]#?\d?)$", 0),
    ("electric-bass/samples_pick", r"^([A-G]#?\d?)$", 0),
    ("guitars/black_ord", r"_([a-g]b?\d)_", -12),
    ("guitars/green_ord", r"_([a-g]b?\d)_", -12),
    ("guitars/black_stac", r"_([a-g]b?\d)_", -12),
    ("guitars/green_stac", r"_([a-g]b?\d)_", -12),
)
_STEPS = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
_LAYERS = ("pp", "p", "mp", "m", "mf", "f", "ff")


@functools.cache
def instruments(data: Path, kind: str) -> list[Recorded]:
    """Find the recorded instruments whose folder begins with one of `kind`, parted by ``|``."""
    found = []
    for name, regex, shift in _INSTRUMENTS:
        if re.match(kind, name):
            notes: dict[int, list[Path]] = {}
            for path in sorted(_files(data, name)[1], key=_dynamics):
                if matched := re.search(regex, path.stem):
                    notes.setdefault(midi(matched[1]) + shift, []).append(path)
            if notes:
                found.append(Recorded(name, notes))
    return found


def midi(name: str) -> int:
    """Return the MIDI pitch of a note's name; without an octave, the lowest of a bass guitar.

    >>> midi("a4"), midi("Bb2"), midi("E")
    (69, 46, 28)
    """
    letter, rest = name[0].lower(), name[1:]
    step = _STEPS[letter] + rest.count("#") - rest.count("b")
    octave = rest.strip("#b")
    lowest = 28
    return 12 * (int(octave) + 1) + step if octave else lowest + (step - lowest) % 12


def _dynamics(path: Path) -> tuple[int, str]:
    parts = path.stem.split("_")
    named = [_LAYERS.index(part) for part in parts if part in _LAYERS]
    letter = parts[-1][:1] if path.stem.startswith("pizz") else ""
    return (named or ["pmf".find(letter)] if letter or named else [_loudness(path)[0]])[
        0
    ], path.stem


@functools.lru_cache(512)
def read(path: Path, ratio: float = 1.0) -> Sound:
    """Read a one-shot from its attack, `ratio` times higher, peak 1; float32 ``[2, samples]``."""
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    stereo = samples[:, :2] if samples.shape[1] > 1 else np.repeat(samples, 2, axis=1)
    peak = np.abs(stereo).max() + 1e-9
    heard = np.abs(stereo).max(axis=1) > HEARD * peak
    start = max(0, int(np.argmax(heard)) - rate // 500)
    moved = soxr.resample(stereo[start:] / peak, rate * ratio, RATE, "HQ")
    return np.ascontiguousarray(moved.T, np.float32)
