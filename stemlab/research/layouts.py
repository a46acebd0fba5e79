"""Where songs with known stems lie: the data sets of music separation, each as it comes.

=============  =====================================================================================
MUSDB18        ``SONG.stem.mp4``
MUSDB18-HQ     ``SONG/{mixture,vocals,drums,bass,other}.wav``, as any folder of stems
MoisesDB       ``ID/data.json`` and ``ID/STEM/ID.wav`` (Pereira et al., 2023)
Slakh2100      ``TrackN/{metadata.yaml,mix.flac,stems/SN.flac}`` (Manilow et al., 2019)
MedleyDB       ``SONG/SONG_MIX.wav`` and ``SONG_STEMS/SONG_STEM_N.wav``; ``SONG_METADATA.yaml``
               there or in ``Metadata`` (Bittner et al., 2014)
MSST           a folder for each stem, the files of a song named alike; or a list of files, a CSV of
               ``instrum,path`` or ``type,path`` (Music-Source-Separation-Training, dataset types)
=============  =====================================================================================
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stemlab.errors import AudioError, need
from stemlab.research.references import Song, Source
from stemlab.sound.audio import AUDIO_SUFFIXES
from stemlab.sound.stem_mp4 import SLOTS, stem_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

MIXTURES = ("mix", "mixture")
STEM_FILES = (".stem.mp4", ".stem.m4a")
# Other names of stems, as in MUSDB18's files.
ALIASES = {"vox": "vocals", "vocal": "vocals"}
# Names of folders that hold one stem of many songs.
STEMS = (
    "vocals", "drums", "bass", "other", "guitar", "piano", "accompaniment", "instrumental",
    "percussion", "strings", "keys", "wind",
)  # fmt: skip
# MedleyDB's instruments by the stem of MUSDB18 they were mixed into; the rest keep their names.
INSTRUMENTS = {
    **dict.fromkeys(
        ("male singer", "female singer", "male speaker", "female speaker", "male rapper",
         "female rapper", "male screamer", "female screamer", "vocalists", "choir", "beatboxing"),
        "vocals",
    ),
    **dict.fromkeys(("electric bass", "double bass"), "bass"),
    **dict.fromkeys(
        ("drum set", "drum machine", "kick drum", "snare drum", "bass drum", "toms", "high hat",
         "cymbal", "timpani", "bongo", "conga", "darbuka", "doumbek", "tabla", "tambourine", "gong",
         "auxiliary percussion", "triangle", "cowbell", "sleigh bells", "cabasa", "guiro", "claps",
         "castanet", "rattle", "shaker", "maracas", "snaps"),
        "drums",
    ),
}  # fmt: skip


def find_songs(place: Path) -> list[Song]:
    """Return the songs with references at a place, and in all folders below it.

    Raises
    ------
    AudioError
        If there is none, or a data set's own description of a song cannot be read.
    SettingError
        If that needs a library which is not installed.
    """
    if place.is_file():
        is_list = place.suffix.lower() == ".csv"
        return _listed(place) if is_list else [_stem_file(place, place.name)]
    if not place.is_dir():
        raise AudioError(f"{place}: not a folder; give one that holds a mix and its stems")
    songs = [*_below(place)]
    if not songs:
        raise AudioError(
            f"{place}: no song with reference stems; expected files such as "
            "mix.wav, vocals.wav, drums.wav here or in folders inside, .stem.mp4 files, "
            "or a data set as it comes: MUSDB18, MoisesDB, Slakh2100, MedleyDB, MSST"
        )
    return _told_apart(songs)


def _below(place: Path) -> Iterator[Song]:
    for inner, folders, files in os.walk(place, followlinks=True):
        folder = Path(inner)
        name = place.name if folder == place else folder.relative_to(place).as_posix()
        folders[:] = sorted(part for part in folders if not _left_out(folder / part))
        for layout in LAYOUTS:
            if found := layout(folder, name):
                yield from found
                folders.clear()
                break
        else:
            yield from _folder(folder, name)
        for file in sorted(files):
            if file.lower().endswith(STEM_FILES) and not file.startswith("."):
                path = folder / file
                yield _stem_file(path, path.relative_to(place).as_posix())


def _left_out(folder: Path) -> bool:
    """Whether a folder is hidden, or a link that leads round in circles."""
    return folder.name.startswith(".") or folder.resolve() in folder.absolute().parents


def _told_apart(songs: list[Song]) -> list[Song]:
    """Add numbers to songs of one name, as a data set may have them."""
    total, seen = Counter(song.name for song in songs), Counter[str]()
    named = []
    for song in songs:
        seen[song.name] += 1
        number = f" ({seen[song.name]})" if total[song.name] > 1 else ""
        named.append(replace(song, name=song.name + number))
    return named


def _sounds(folder: Path) -> Iterator[Path]:
    """Yield the sound files in a folder that hold one sound each."""
    for path in sorted(folder.iterdir()):
        if (
            path.suffix.lower() in AUDIO_SUFFIXES
            and not path.name.startswith(".")
            and not path.name.lower().endswith(STEM_FILES)
        ):
            yield path


def _song(name: str, sounds: Iterable[tuple[str, Path]]) -> list[Song]:
    """Return a song of sounds by the name of their stem, or none where they are too few."""
    stems: dict[str, tuple[Source, ...]] = {}
    for stem, path in sounds:
        stems[stem] = (*stems.get(stem, ()), Source(path))
    mixes = [stems.pop(mixture)[0] for mixture in MIXTURES if mixture in stems]
    known = len(stems) > (not mixes)
    return [Song(name, mixes[0] if mixes else None, stems)] if known else []


def _folder(folder: Path, name: str) -> list[Song]:
    return _song(name, ((path.stem.lower(), path) for path in _sounds(folder)))


def _stem_file(path: Path, name: str) -> Song:
    try:
        names = [ALIASES.get(stem.lower(), stem.lower()) for stem in stem_names(path)]
    except AudioError:
        names = list(SLOTS)  # MUSDB18 keeps Native Instruments' order and no names
    stems = {stem: (Source(path, i),) for i, stem in enumerate(names, 1)}
    stems.pop("(empty)", None)
    return Song(name.removesuffix(path.suffix).removesuffix(".stem"), Source(path), stems)


def _moises(folder: Path, name: str) -> list[Song]:
    file = folder / "data.json"
    if not file.is_file():
        return []

    def read(known: Any) -> list[Song]:
        sounds = [
            (stem["stemName"], folder / stem["stemName"] / f"{track['id']}.{track['extension']}")
            for stem in known["stems"]
            for track in stem["tracks"]
        ]
        title = " - ".join(filter(None, (known.get("artist"), known.get("song"))))
        return _song(title or name, sounds)

    return _described(file, json.loads, read)


def _slakh(folder: Path, name: str) -> list[Song]:
    file, inner = folder / "metadata.yaml", folder / "stems"
    if not (file.is_file() and inner.is_dir()):
        return []

    def read(known: Any) -> list[Song]:
        kinds = {
            key: "drums" if stem["is_drum"] else str(stem["inst_class"]).lower()
            for key, stem in known["stems"].items()
        }
        # Some that are described were not rendered.
        sounds = [(kinds[path.stem], path) for path in _sounds(inner) if path.stem in kinds]
        mix = [("mix", path) for path in _sounds(folder) if path.stem == "mix"]
        return _song(name, sounds + mix)

    return _described(file, _yaml, read)


def _medley(folder: Path, name: str) -> list[Song]:
    title = folder.name
    own = f"{title}_METADATA.yaml"
    places = (folder / own, *(up / "Metadata" / own for up in folder.parents[:2]))
    file = next((path for path in places if path.is_file()), None)
    if not (file and (folder / f"{title}_STEMS").is_dir()):
        return []

    def read(known: Any) -> list[Song]:
        sounds = [
            (_instrument(stem["instrument"]), folder / f"{title}_STEMS" / stem["filename"])
            for stem in known["stems"].values()
        ]
        mix = folder / f"{title}_MIX.wav"
        return _song(name, [*sounds, *([("mix", mix)] if mix.is_file() else [])])

    return _described(file, _yaml, read)


def _instrument(instrument: str | list[str]) -> str:
    """Return the stem of an instrument, of the first where there are several.

    Examples
    --------
    >>> _instrument("male singer"), _instrument("clean electric guitar")
    ('vocals', 'clean electric guitar')
    """
    first = instrument if isinstance(instrument, str) else instrument[0]
    return INSTRUMENTS.get(first.lower(), first.lower())


def _described(
    file: Path, parse: Callable[[str], Any], read: Callable[[Any], list[Song]]
) -> list[Song]:
    """Read what a data set says of a song; the file may be anybody's."""
    try:
        return read(parse(file.read_text(encoding="utf-8")))
    except (KeyError, TypeError, AttributeError, IndexError, ValueError, OSError) as error:
        what = f"no {error}" if isinstance(error, KeyError) else error
        raise AudioError(
            f"{file}: does not describe the stems of a song ({what}); get the data set again"
        ) from error


def _yaml(text: str) -> Any:
    need("yaml", "Slakh2100 and MedleyDB need PyYAML", "research")
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error).splitlines()[0]) from error


def _by_stem(folder: Path, _name: str) -> list[Song]:
    folders = [folder / name for name in (*STEMS, *MIXTURES) if (folder / name).is_dir()]
    sounds = [(inner.name, path) for inner in folders for path in _sounds(inner)]
    return _paired(folder, sounds) if len({stem for stem, _ in sounds}) > 1 else []


def _listed(file: Path) -> list[Song]:
    songs = _paired(file, _rows(file))
    if not songs:
        raise AudioError(f"{file}: no two stems of one song; files of a song are named alike")
    return songs


def _rows(file: Path) -> Iterator[tuple[str, Path]]:
    """Yield the stem and the path in each line of a list."""
    rows = csv.DictReader(io.StringIO(_text(file), newline=""))
    try:
        kind = next((key for key in ("instrum", "type") if key in (rows.fieldnames or ())), "")
        if not kind or "path" not in (rows.fieldnames or ()):
            raise AudioError(f"{file}: not a list of stems; its first line must be instrum,path")
        for row in rows:
            if not (row[kind] and row["path"]):
                raise AudioError(f"{file}: line {rows.line_num} lacks a stem or a path; add it")
            yield row[kind].lower(), file.parent / row["path"]
    except csv.Error as error:
        raise AudioError(
            f"{file}: line {rows.line_num + 1} cannot be read ({error}); mend it"
        ) from error


def _text(file: Path) -> str:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise AudioError(f"{file}: cannot be read ({error.strerror}); check it") from error
    try:
        return data.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = 1 + data.count(b"\n", 0, error.start)
        raise AudioError(f"{file}: line {line} is not UTF-8; save the list as that") from error


def _paired(place: Path, sounds: Iterable[tuple[str, Path]]) -> list[Song]:
    """Return the songs whose stems are named alike, apart from the name of the stem."""
    songs: dict[str, dict[str, Path]] = {}
    for stem, path in sounds:
        stems = songs.setdefault(_title(stem, path), {})
        if stem in stems:
            raise AudioError(f"{place}: {stems[stem]} and {path} are the same stem of one song")
        stems[stem] = path
    return [song for title, stems in sorted(songs.items()) for song in _song(title, stems.items())]


def _title(stem: str, path: Path) -> str:
    """Return the name of the song that a file is a stem of.

    Examples
    --------
    >>> from pathlib import Path
    >>> _title("bass", Path("bass/bass_1.wav")), _title("vocals", Path("Us - Song/vocals.wav"))
    ('1', 'Us - Song')
    """
    named = re.sub(rf"(^|[\W_]){re.escape(stem)}(?=[\W_]|$)", "", path.stem, flags=re.IGNORECASE)
    return named.strip(" _-.") or path.parent.name


LAYOUTS = (_moises, _slakh, _medley, _by_stem)
"""The data sets that are more than a folder of stems for each song; a folder is one of them."""
