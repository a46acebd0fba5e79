"""Fetch a file whose sha256 is known, and unpack an archive, trusting nothing inside."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import tarfile
import zlib
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, Any, cast

from stemlab.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tqdm.auto import tqdm

MEBIBYTE = 1 << 20
CONNECT_SECONDS = 10
SILENCE_SECONDS = 30  # longest wait for the next piece


def fetch(
    url: str,
    target: Path,
    limit: int,
    progress: Callable[[int, int], object] | None = None,
) -> None:
    """Download `url` into the file `target`.

    Parameters
    ----------
    limit
        Most bytes to accept.
    progress
        Called with the bytes so far and the bytes expected (0: unknown).

    Raises
    ------
    ModelError
        If there is no connection, the server refuses, falls silent, ends early or
        sends more than `limit` bytes, or the disk is full.
    """
    import requests

    try:
        with requests.get(url, stream=True, timeout=(CONNECT_SECONDS, SILENCE_SECONDS)) as answer:
            if not answer.ok:
                raise ModelError(
                    f"{url}: the server answers {answer.status_code} {answer.reason}; try again "
                    "later, or get the file elsewhere and use --from FILE"
                )
            expected = int(answer.headers.get("Content-Length", 0))
            with target.open("wb") as file:
                for piece in answer.iter_content(MEBIBYTE):
                    file.write(piece)
                    if file.tell() > limit:
                        raise ModelError(
                            f"{url}: sends more than {limit // MEBIBYTE} MiB, so it is not "
                            "the file it should be; nothing was installed"
                        )
                    if progress:
                        progress(file.tell(), expected)
    except requests.RequestException as error:
        raise ModelError(
            f"{url}: no connection, or one that broke off ({type(error).__name__}); check the "
            "network and try again, or get the file elsewhere and use --from FILE"
        ) from error
    except OSError as error:
        raise ModelError(f"{target.parent}: cannot keep the download ({error.strerror})") from error


def obtain(url: str, folder: Path, limit: int, bar: tqdm[Any]) -> Path:
    """Download `url` into a folder, shown by a bar; return the file. See `fetch`."""
    file = folder / PurePosixPath(url).name

    def show(done: int, expected: int) -> None:
        bar.total = expected or None
        bar.update(done - bar.n)

    fetch(url, file, limit, show)
    return file


def verify(file: Path, sha256: str) -> None:
    """Check a file against its known hash.

    Raises
    ------
    ModelError
        If the file cannot be read or its sha256 is another.
    """
    digest = hashlib.sha256()
    try:
        with file.open("rb") as stream:
            while piece := stream.read(MEBIBYTE):
                digest.update(piece)
    except OSError as error:
        raise ModelError(f"{file}: cannot be read ({error.strerror})") from error
    if digest.hexdigest() != sha256:
        raise ModelError(
            f"{file.name}: damaged or not the official file (sha256 "
            f"{digest.hexdigest()[:12]}…, expected {sha256[:12]}…); nothing was installed, "
            "get it again"
        )


def unpack(archive: Path, folder: Path, limit: int) -> None:
    """Unpack the plain files of a `.tar.gz` into `folder`.

    Parameters
    ----------
    limit
        Most bytes to unpack, headers included.

    Raises
    ------
    ModelError
        If a member is a link, a device or would land outside `folder`, the whole is
        larger than `limit`, the archive is damaged, or the disk is full.
    """
    try:
        with gzip.open(archive) as stream:
            bounded = _Bounded(stream, archive, limit)
            # "r|" reads straight through, so the bound also holds for what tarfile skips.
            with tarfile.open(fileobj=cast("IO[bytes]", bounded), mode="r|") as tar:
                for member in tar:
                    if not member.isdir():
                        _write(tar, member, folder / _safe(member, archive))
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise ModelError(
            f"{archive.name}: not a whole .tar.gz archive ({error}); get it again"
        ) from error
    except OSError as error:
        raise ModelError(f"{folder}: cannot unpack here ({error.strerror})") from error


class _Bounded:
    """A stream that refuses to give more than `limit` bytes."""

    def __init__(self, stream: gzip.GzipFile, archive: Path, limit: int) -> None:
        self._stream, self._archive, self._limit, self._left = stream, archive, limit, limit

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise ModelError(
                f"{self._archive.name}: unpacks to more than {self._limit // MEBIBYTE} MiB, so it "
                "is not the archive it should be; nothing was installed"
            )
        return data


def _safe(member: tarfile.TarInfo, archive: Path) -> PurePosixPath:
    """Return the path of a member, refusing whatever is not a plain file inside."""
    path = PurePosixPath(member.name)
    inside = not path.is_absolute() and ".." not in path.parts and not set("\\:") & set(member.name)
    # A sparse file's size is only claimed, so no bound on the bytes read would hold it.
    if not (inside and member.isreg() and not member.issparse()):
        raise ModelError(
            f"{archive.name}: holds {member.name!r}, which is no plain file inside the archive's "
            "folder; do not trust this archive, nothing was installed"
        )
    return path


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with cast("IO[bytes]", tar.extractfile(member)) as source, target.open("wb") as file:
        shutil.copyfileobj(source, file)
