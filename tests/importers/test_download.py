"""Fetching and unpacking, with servers and archives that mean no good."""

from __future__ import annotations

import gzip
import hashlib
import io
import socket
import tarfile
from itertools import repeat
from pathlib import Path
from random import Random
from threading import Event
from typing import TYPE_CHECKING

import pytest
from local_http import serving

from stemlab.errors import ModelError
from stemlab.importers import download
from stemlab.importers.download import MEBIBYTE, fetch, unpack, verify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DATA = Random(0).randbytes(256_000)  # noqa: S311 no secret
LIMIT = MEBIBYTE


@pytest.fixture(autouse=True)
def _direct(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.mark.parametrize("length", [len(DATA), None])
def test_fetch_brings_what_was_sent(tmp_path: Path, length: int | None) -> None:
    steps: list[tuple[int, int]] = []
    with serving([DATA], length=length) as url:
        fetch(url, tmp_path / "got", LIMIT, lambda *step: steps.append(step))
    assert (tmp_path / "got").read_bytes() == DATA
    assert steps[-1] == (len(DATA), length or 0)
    assert steps == sorted(steps)


def test_fetch_refuses_more_than_the_limit(tmp_path: Path) -> None:
    with (
        serving(repeat(DATA)) as url,
        pytest.raises(ModelError, match=r"archive\.tar\.gz: sends more than 1 MiB"),
    ):
        fetch(url, tmp_path / "got", LIMIT)


def test_fetch_notices_a_cut_off_transfer(tmp_path: Path) -> None:
    with (
        serving([DATA[:1000]], length=len(DATA)) as url,
        pytest.raises(ModelError, match="broke off"),
    ):
        fetch(url, tmp_path / "got", LIMIT)


def test_fetch_does_not_wait_for_a_silent_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "SILENCE_SECONDS", 0.2)
    tested = Event()

    def stalling() -> Iterator[bytes]:
        yield DATA
        tested.wait(60)

    with serving(stalling(), length=2 * len(DATA)) as url:
        with pytest.raises(ModelError, match="broke off"):
            fetch(url, tmp_path / "got", LIMIT)
        tested.set()


def test_fetch_says_what_the_server_answers(tmp_path: Path) -> None:
    with serving([], status=404) as url, pytest.raises(ModelError, match="answers 404 Not Found"):
        fetch(url, tmp_path / "got", LIMIT)


def test_fetch_without_network(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/x"
        with pytest.raises(ModelError, match="no connection"):
            fetch(url, tmp_path / "got", LIMIT)


def test_fetch_onto_a_full_disk() -> None:
    with serving([DATA]) as url, pytest.raises(ModelError, match="No space left"):
        fetch(url, Path("/dev/full"), LIMIT)


def test_verify_tells_the_file_from_any_other(tmp_path: Path) -> None:
    file = tmp_path / "4stems.tar.gz"
    file.write_bytes(DATA)
    verify(file, hashlib.sha256(DATA).hexdigest())
    with pytest.raises(ModelError, match=r"4stems\.tar\.gz: damaged or not the official file"):
        verify(file, hashlib.sha256(DATA[1:]).hexdigest())
    with pytest.raises(ModelError, match="cannot be read"):
        verify(tmp_path / "absent", "")


def archive(path: Path, *members: tarfile.TarInfo, data: bytes = b"") -> Path:
    """Write an archive of `members`; those with a size hold `data`."""
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(data))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, size, "/etc/passwd"
    return info


def left(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_unpack_gives_the_files(tmp_path: Path) -> None:
    members = [member("."), member("./model.index", size=5), member("more/x", size=5)]
    members[0].type = tarfile.DIRTYPE
    unpack(archive(tmp_path / "a.tar.gz", *members, data=b"hello"), tmp_path / "out", LIMIT)
    assert left(tmp_path / "out") == ["model.index", "more", "more/x"]
    assert (tmp_path / "out/more/x").read_bytes() == b"hello"


@pytest.mark.parametrize(
    "hostile",
    [
        member("../outside", size=5),
        member("a/../../outside", size=5),
        member("/tmp/stemlab-outside", size=5),  # noqa: S108 the archive's claim, never written
        member("..\\outside", size=5),
        member("C:outside", size=5),
        member("link", tarfile.SYMTYPE),
        member("link", tarfile.LNKTYPE),
        member("device", tarfile.CHRTYPE),
        member("device", tarfile.BLKTYPE),
        member("pipe", tarfile.FIFOTYPE),
    ],
    ids=lambda info: f"{info.name}-{info.type.decode()}",
)
def test_unpack_writes_plain_files_inside_only(tmp_path: Path, hostile: tarfile.TarInfo) -> None:
    (tmp_path / "in").mkdir()
    packed = archive(tmp_path / "in/bad.tar.gz", hostile, data=b"hello")
    with pytest.raises(ModelError, match=r"bad\.tar\.gz: holds .* no plain file inside"):
        unpack(packed, tmp_path / "in/out", LIMIT)
    assert left(tmp_path) == ["in", "in/bad.tar.gz"]
    assert not Path("/tmp/stemlab-outside").exists()  # noqa: S108


def large_file(path: Path) -> Path:
    return archive(path, member("zeros", size=2 * LIMIT), data=bytes(2 * LIMIT))


def many_files(path: Path) -> Path:
    return archive(path, *(member(f"{n}") for n in range(LIMIT // 512 + 1)))


def large_header(path: Path) -> Path:
    info = member("x")
    info.pax_headers = {"comment": "x" * 2 * LIMIT}
    return archive(path, info)


def claimed_size(path: Path) -> Path:
    """Write a sparse file of 1 TB that takes no room in the archive."""
    info = member("sparse")
    info.pax_headers = {
        "GNU.sparse.major": "0",
        "GNU.sparse.minor": "1",
        "GNU.sparse.size": str(10**12),
        "GNU.sparse.map": f"{10**12},0",
    }
    return archive(path, info)


@pytest.mark.parametrize("bomb", [large_file, many_files, large_header, claimed_size])
def test_unpack_holds_the_bound(tmp_path: Path, bomb: Callable[[Path], Path]) -> None:
    packed = bomb(tmp_path / "bomb.tar.gz")
    with pytest.raises(ModelError, match=r"bomb\.tar\.gz: (unpacks to more than 1 MiB|holds)"):
        unpack(packed, tmp_path / "out", LIMIT)
    assert sum(path.stat().st_size for path in (tmp_path / "out").rglob("*")) <= LIMIT


@pytest.mark.parametrize("kept", [0, 1, 11, 300, 100_000])
def test_unpack_notices_a_cut_archive(tmp_path: Path, kept: int) -> None:
    packed = archive(tmp_path / "cut.tar.gz", member("x", size=len(DATA)), data=DATA)
    packed.write_bytes(packed.read_bytes()[:kept])
    with pytest.raises(ModelError, match=r"cut\.tar\.gz: not a whole \.tar\.gz archive"):
        unpack(packed, tmp_path / "out", LIMIT)


@pytest.mark.parametrize("data", [b"text, not an archive", gzip.compress(b"no tar" * 1000)])
def test_unpack_notices_what_is_no_archive(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.tar.gz").write_bytes(data)
    with pytest.raises(ModelError, match=r"x\.tar\.gz: not a whole \.tar\.gz archive"):
        unpack(tmp_path / "x.tar.gz", tmp_path / "out", LIMIT)


def test_unpack_where_it_cannot_write(tmp_path: Path) -> None:
    packed = archive(tmp_path / "a.tar.gz", member("x/y", size=5), data=b"hello")
    (tmp_path / "out").write_bytes(b"in the way")
    with pytest.raises(ModelError, match="out: cannot unpack here"):
        unpack(packed, tmp_path / "out", LIMIT)
