"""A song's stems as files: one folder a song, whole or not at all, never made twice."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from stemlab.errors import AudioError, SettingError
from stemlab.library import sidecar
from stemlab.library.prepared import Prepared
from stemlab.library.songs import PLACE, RECORD, SONG, note
from stemlab.library.store import BLOCK, digest
from stemlab.sound.audio import WRITE_SUFFIXES, Reader, Tags, Writer
from stemlab.sound.drafts import drafting, sweep
from stemlab.sound.stem_mp4 import StemFileWriter
from stemlab.sound.unbroken import unbroken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from stemlab.library.store import Track
    from stemlab.separator import Separator, StemBlock
    from stemlab.spectral import Samples

STEM_FILE = "stem.mp4"
FORMATS = (*sorted(suffix.lstrip(".") for suffix in WRITE_SUFFIXES), STEM_FILE)

_PIECE = 16 * BLOCK  # samples of a track that are read at once
# Bytes of a name, of the 255 that a file's may have, that leave room for a number and a suffix.
_ROOM = 235


@dataclass(frozen=True)
class Export:
    """What `export` wrote, or found written already.

    Attributes
    ----------
    files
        Path by stem name; for a stem file one path named ``"stem.mp4"``.
    seconds
        Length of the song.
    reused
        True if the files were there already, made from the same song in the same way.
    """

    files: dict[str, Path]
    seconds: float
    reused: bool


def export(
    song: Path,
    folder: Path,
    separator: Separator,
    *,
    kind: str = "wav",
    stems: Sequence[str] = (),
    force: bool = False,
    progress: Callable[[float, float], object] | None = None,
) -> Export:
    """Separate a song into files.

    Parameters
    ----------
    song
        The file to separate.
    folder
        Where its stems go, as ``<stem>.<kind>``, or all in one ``<folder name>.stem.mp4``.
    kind
        One of `FORMATS`.
    stems
        Names of the stems wanted; all by default.
    force
        Separate again even if the files are there.
    progress
        Called with the seconds done and the seconds in all as blocks are finished.

    Raises
    ------
    AudioError, SettingError
        If the song cannot be read, the files cannot be written, or a name is unknown; if what they
        would replace is not ours or, unless forced, of another song. Then, as after an
        interruption, everything is as it was before.
    """
    wanted = check(separator, kind, stems)
    names = {STEM_FILE: f"{shortened(folder.name)}.{STEM_FILE}"} if kind == STEM_FILE else {}
    names = names or {stem: f"{stem}.{kind}" for stem in wanted}
    with Reader(song, separator.rate) as reader:
        files = {name: folder / file for name, file in names.items()}
        key = digest(song, separator)
        made = sidecar.read(folder / RECORD)
        sweep(folder)
        if not force and all(made.get(f.name) == key and f.is_file() for f in files.values()):
            return Export(files, (reader.length or 0) / reader.rate, reused=True)
        owner = {SONG: song.name, PLACE: _place(song)}
        _check_ours(files.values(), folder, made)
        if not force:
            _check_owner(folder, made, owner)
        with (
            unbroken() as hear,  # but between two blocks
            _new_folder(folder),
            drafting(folder) as part,
            contextlib.closing(separator.stream(reader.blocks())) as blocks,
        ):
            counted = _Counted(blocks, reader, progress)
            with ExitStack() as writers:
                write = _opened(writers, part, names, reader, separator)
                for block in counted:
                    write(block)
                    hear()
            _move(part, folder, made | owner, dict.fromkeys(names.values(), key))
    return Export(files, counted.seconds, reused=False)


def export_mix(track: Track, path: Path, gains: NDArray[np.float32], title: str = "") -> None:
    """Write the sum of a track's stems, each with its gain.

    Parameters
    ----------
    track
        What is separated already.
    path
        Where to; the suffix chooses the format.
    gains
        Left and right of each stem, [stems, 2], as from `stemlab.mixer.Mix.gains`.
    title
        What the file says it is; by default the track's title.

    Raises
    ------
    AudioError
        If the file cannot be written. Nothing is left then.

    Examples
    --------
    >>> from pathlib import Path
    >>> import tempfile
    >>> import numpy as np
    >>> from stemlab.sound.audio import Audio, load
    >>> from stemlab.library.store import Track
    >>> track = Track.of({name: Audio(np.full((100, 2), 0.25, np.float32)) for name in "ab"})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     export_mix(track, Path(folder) / "mix.wav", np.array([[1, 1], [1, 0]], np.float32))
    ...     load(Path(folder) / "mix.wav").samples[0].tolist()
    [0.5, 0.25]
    """
    with contextlib.suppress(OSError):  # the writer says why
        note(path)
    with Writer(path, track.rate, Tags(title=title or track.title)) as writer:
        for _, stems in _pieces(track):
            writer.write((stems * gains[:, None]).sum(0))


def export_stem_file(track: Track, path: Path, note: dict[str, Any] | None = None) -> None:
    """Write a track as a ``.stem.mp4``.

    Parameters
    ----------
    track
        What is separated already.
    path
        Where to.
    note
        What is known and prepared of it, as its note has it: its cues become chapters, and a deck
        that loads the file finds all of it again.

    Raises
    ------
    AudioError
        If it has more than four stems, or the file cannot be written. Nothing is left then.
    """
    chapters, tags = Prepared.read(note or {}).chapters, Tags(title=track.title)
    with StemFileWriter(path, track.names, track.rate, tags, note, chapters) as writer:
        for mix, stems in _pieces(track):
            writer.write(mix, stems)


def _pieces(track: Track) -> Iterator[tuple[Samples, Samples]]:
    for start in range(0, track.length, _PIECE):
        yield track.read(start, _PIECE)


def free_path(folder: Path, name: str, kind: str) -> Path:
    """Return a path in a folder that no file has, numbered if need be; the folder is made.

    Raises
    ------
    AudioError
        If the folder cannot be made.

    Examples
    --------
    >>> from pathlib import Path
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     first = free_path(Path(folder), "AC/DC", "wav")
    ...     first.touch()
    ...     first.name, free_path(Path(folder), "AC/DC", "wav").name
    ('AC_DC.wav', 'AC_DC 2.wav')
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AudioError(
            f"{folder}: cannot be written ({error.strerror}); choose another folder"
        ) from error
    plain = shortened(re.sub(r'[\x00-\x1f<>:"/\\|?*]', "_", name).strip(" .") or "untitled")
    names = (f"{plain}{number}.{kind}" for number in ("", *(f" {n}" for n in range(2, 10_000))))
    return next(folder / name for name in names if not (folder / name).exists())


def shortened(name: str) -> str:
    """Return as much of a name as leaves room for a number and a suffix.

    Examples
    --------
    >>> len(shortened("ä" * 300)), shortened("a song")
    (117, 'a song')
    """
    coded = os.fsencode(name)
    return name if len(coded) <= _ROOM else coded[:_ROOM].decode(errors="ignore")


def check(separator: Separator, kind: str, stems: Sequence[str]) -> tuple[str, ...]:
    """Return the stems wanted, in the model's order.

    Raises
    ------
    SettingError
        If the format or a stem is unknown, or the two do not go together.
    """
    if kind not in FORMATS:
        raise SettingError(f"{kind}: no such format; choose one of {', '.join(FORMATS)}")
    unknown = [stem for stem in stems if stem not in separator.stems]
    if unknown:
        raise SettingError(
            f"{', '.join(unknown)}: no such stem; {separator.model.card.name} gives "
            f"{', '.join(separator.stems)}"
        )
    if stems and kind == STEM_FILE:
        raise SettingError("a stem.mp4 file holds all stems; leave out --stems or choose wav")
    return tuple(stem for stem in separator.stems if not stems or stem in stems)


def _place(song: Path) -> str:
    return hashlib.sha256(os.fsencode(song.resolve())).hexdigest()[:16]


def _check_ours(files: Iterable[Path], folder: Path, record: dict[str, str]) -> None:
    """Refuse to replace what a record does not name; a damaged one vouches for all beside it."""
    damaged = not record and (folder / RECORD).exists()
    for file in files:
        if file.exists() and file.name not in record and not damaged:
            raise AudioError(
                f"{file}: was not made by stemlab and is not replaced; "
                "move it away, or choose another folder with -o"
            )


def _check_owner(folder: Path, record: dict[str, str], owner: dict[str, str]) -> None:
    """Refuse to mix two songs of one name up, where stems of the other are still there."""
    same = record.get(PLACE) in (None, owner[PLACE])
    if not same and any((folder / name).is_file() for name in record):
        raise AudioError(
            f"{folder}: has the stems of another {owner[SONG]}; choose another folder with -o, "
            "or replace them with --force"
        )


@contextlib.contextmanager
def _new_folder(folder: Path) -> Iterator[None]:
    """Make a folder and its parents; on any error take away those that are new."""
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException as error:
        for path in new:
            with contextlib.suppress(OSError):
                path.rmdir()
        if isinstance(error, OSError):
            raise AudioError(
                f"{folder}: cannot be written ({error.strerror}); choose another folder with -o"
            ) from error
        raise


def _move(part: Path, folder: Path, record: dict[str, str], keys: dict[str, str]) -> None:
    """Put finished files in their place; a record first says that they are ours, then vouches."""
    sidecar.write(folder / RECORD, record | dict.fromkeys(keys, ""))
    for name in keys:
        (part / name).replace(folder / name)
    sidecar.write(folder / RECORD, record | keys)


class _Counted:
    """Blocks on their way, the seconds done counted and reported."""

    def __init__(
        self,
        blocks: Iterator[StemBlock],
        reader: Reader,
        progress: Callable[[float, float], object] | None,
    ) -> None:
        self.seconds = 0.0
        self._blocks, self._reader, self._progress = blocks, reader, progress

    def __iter__(self) -> Iterator[StemBlock]:
        total = (self._reader.length or 0) / self._reader.rate
        for block in self._blocks:
            yield block
            self.seconds += len(block.mix) / self._reader.rate
            if self._progress:
                self._progress(self.seconds, total)


def _opened(
    files: ExitStack, part: Path, names: dict[str, str], reader: Reader, separator: Separator
) -> Callable[[StemBlock], None]:
    """Open what is written; return what writes a block."""
    if STEM_FILE in names:
        path = part / names[STEM_FILE]
        stem_file = StemFileWriter(path, separator.stems, reader.rate, reader.tags)
        files.enter_context(stem_file)
        return lambda block: stem_file.write(block.mix, block.stems)
    writers = {
        separator.stems.index(stem): files.enter_context(
            Writer(part / file, reader.rate, _titled(reader.tags, stem))
        )
        for stem, file in names.items()
    }

    def write(block: StemBlock) -> None:
        for index, writer in writers.items():
            writer.write(block.stems[index])

    return write


def _titled(tags: Tags, stem: str) -> Tags:
    return replace(tags, title=f"{tags.title} ({stem})") if tags.title else tags
