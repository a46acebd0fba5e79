"""Electronic music as true stems: the demo projects of LMMS, each stem rendered by itself.

`lmms_tracks.json` tells for each track of each project the stem it belongs to, and which projects
are held back for validation. Decided by name, preset and measurement (pitch of the lowest strong
partial, share of energy below 80, 150 and 300 Hz, harmonic against percussive energy); a track
that belongs to no stem for certain has none and is left out. Where one synthesiser plays bass and
chords at once, it is ``bass+other``. The stems sum to LMMS's own render of the whole project
(−68 dB beside it), but for synthesised drum noise, which differs from one render to the next.
"""

from __future__ import annotations

import copy
import json
import os
import subprocess
import tempfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import numpy as np
import soundfile
from scipy.signal import butter, sosfilt
from tqdm import tqdm

from music.pool import RATE, has_song, write_song

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    Samples = npt.NDArray[np.float32]

PROJECTS = Path("/usr/share/lmms/projects")
TRACKS = Path(__file__).with_name("lmms_tracks.json")
SOURCE = "lmms"
LIMIT = 1500  # seconds for a stem; some take longer than they sound
ATTEMPTS = 3  # LMMS crashes now and then
SOUNDING = {"0", "2"}  # track types: instrument, sample


def gather(_data: Path, pool: Path, validation: Path) -> None:
    """Render each project to the pool or the validation folder."""
    labels: dict[str, Any] = json.loads(TRACKS.read_text())
    files = {file.stem: file for file in PROJECTS.rglob("*.mmp*")}
    for name, facts in tqdm(labels.items(), "LMMS projects"):
        root = validation if facts["use"] == "validation" else pool
        if not has_song(root, SOURCE, name):
            stems = render_stems(read_project(files[name]), facts["tracks"])
            write_song(root, SOURCE, name, stems, facts["licence"])


def read_project(file: Path) -> ET.Element:
    """Parse a project: XML, in ``.mmpz`` behind its length and packed by zlib."""
    content = file.read_bytes()
    xml = zlib.decompress(content[4:]) if file.suffix == ".mmpz" else content
    return ET.fromstring(xml)  # noqa: S314 (of the distribution's own package)


def numbered_tracks(project: ET.Element) -> Iterator[tuple[str, ET.Element]]:
    """Yield every track that can sound, also those inside beat patterns, as ``"03 guitar"``."""
    sounding = (track for track in project.iter("track") if track.get("type") in SOUNDING)
    for number, track in enumerate(sounding):
        yield f"{number:02d} {track.get('name', '').strip()}", track


def render_stems(project: ET.Element, labels: dict[str, str | None]) -> dict[str, Samples]:
    """Render each stem with the tracks of the others muted.

    Parameters
    ----------
    project
        From `read_project`. Tracks that its author muted stay so.
    labels
        Stem, or None, by name of `numbered_tracks`.

    Returns
    -------
    dict
        float32 ``[samples, 2]`` by stem, equally long.
    """
    stems = {}
    for stem in sorted({label for label in labels.values() if label}):
        part = copy.deepcopy(project)
        mute(part, {name for name, label in labels.items() if label != stem})
        stems[stem] = render(part)
    length = max(map(len, stems.values()))
    return {stem: np.pad(it, ((0, length - len(it)), (0, 0))) for stem, it in stems.items()}


def mute(project: ET.Element, names: set[str]) -> None:
    """Mute tracks, by their names of `numbered_tracks`."""
    for name, track in numbered_tracks(project):
        if name in names:
            track.set("muted", "1")


def render(project: ET.Element) -> Samples:
    """Play the unmuted tracks; float32 ``[samples, 2]``."""
    with tempfile.TemporaryDirectory() as folder:
        source, sound = Path(folder) / "project.mmp", Path(folder) / "sound.wav"
        ET.ElementTree(project).write(source)
        play(source, sound)
        samples, _ = soundfile.read(sound, dtype="float32", always_2d=True)
    # Some synthesisers put out a direct current, which would eat the headroom.
    above_25_hz = butter(2, 25, "highpass", fs=RATE, output="sos")
    heard: Samples = sosfilt(above_25_hz, samples, axis=0).astype(np.float32)
    return heard


def play(source: Path, sound: Path) -> None:
    """Let LMMS render a project to a float wav file.

    Raises
    ------
    RuntimeError
        If LMMS fails time and again, or takes longer than `LIMIT`.
    """
    command = ["lmms", "--allowroot", "render", str(source), "--output", str(sound)]
    command += ["--format", "wav", "--samplerate", str(RATE), "--float"]
    environment = os.environ | {"QT_QPA_PLATFORM": "offscreen"}
    for _ in range(ATTEMPTS):
        try:
            done = subprocess.run(  # noqa: S603
                command, env=environment, capture_output=True, check=False, timeout=LIMIT
            )
        except subprocess.TimeoutExpired as late:
            raise RuntimeError(
                f"LMMS did not end within {LIMIT} s; try on an idle machine"
            ) from late
        if not done.returncode:
            return
    raise RuntimeError(f"LMMS failed {ATTEMPTS} times, last with {done.returncode}; try it by hand")
