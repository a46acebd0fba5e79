"""Mutated sound files through the loader: each loads or raises AudioError, none crashes or hangs.

A crash of a native decoder ends its process, so each kind of file is read in a process of its own,
which says what it reads before it reads it.
"""

from __future__ import annotations

import faulthandler
import os
import random
import resource
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile
from sounds import encode, noise

from stemlab.errors import AudioError, AudioWarning
from stemlab.sound.audio import WRITE_SUFFIXES, Audio, Reader, Tags, save
from stemlab.sound.stem_mp4 import StemFileWriter, read_stems

KINDS = (".wav", ".flac", ".ogg", ".mp3", ".aiff", ".opus", ".m4a", ".aac", ".webm", ".stem.mp4")
MUTANTS, MANY = 240, 600
SECONDS_EACH = 60
MEMORY = 4 * 2**30  # so that a length believed unseen fails
TAGS = Tags(title="Title", artist="Artist", track="1/2", cover=b"\xff\xd8\xff" + bytes(500))


def original(kind: str, folder: Path) -> bytes:
    """Make a short sound file of a kind."""
    path = folder / f"original{kind}"
    sound = noise(24_000)
    if kind in WRITE_SUFFIXES:
        save(path, Audio(sound, 48_000), TAGS)
    elif kind == ".aiff":
        soundfile.write(path, sound, 48_000, subtype="PCM_24")
    elif kind == ".opus":
        soundfile.write(path, sound, 48_000, format="OGG", subtype="OPUS")
    elif kind == ".stem.mp4":
        with StemFileWriter(path, ["vocals"], 48_000, TAGS) as writer:
            writer.write(sound, sound[None])
    else:
        encode(path, sound, 48_000, "libopus" if kind == ".webm" else "aac", title="Title")
    return path.read_bytes()


def flipped(data: bytes, chance: random.Random) -> bytes:
    mutant = bytearray(data)
    for _ in range(chance.choice([1, 2, 8, 64])):
        mutant[chance.randrange(len(mutant))] = chance.randrange(256)
    return bytes(mutant)


def flipped_header(data: bytes, chance: random.Random) -> bytes:
    head = chance.choice([64, 512, 4096])
    return flipped(data[:head], chance) + data[head:]


def extreme(data: bytes, chance: random.Random) -> bytes:
    """Overwrite a number of the header by one that is absurd."""
    at = chance.randrange(min(len(data), chance.choice([64, 512, 8192])))
    number = chance.choice([b"\0" * 4, b"\xff" * 4, b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f"])
    return data[:at] + number + data[at + 4 :]


def cut(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data))]


def extended(data: bytes, chance: random.Random) -> bytes:
    more = chance.choice([chance.randbytes(3000), bytes(3000), data, data[100:]])
    at = chance.choice([len(data), chance.randrange(len(data))])
    return data[:at] + more + data[at:]


def left_out(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    return data[:at] + data[at + chance.choice([1, 2, 100, 3000]) :]


MUTATIONS = (flipped, flipped_header, extreme, cut, extended, left_out)


def survive(path: Path) -> str:
    """Read a file by every way in; say what came of it."""
    try:
        read(path)
    except AudioError as error:
        return "refused" if str(error).startswith(f"{path}: ") else f"badly refused: {error}"
    return "read"


def read(path: Path) -> None:
    with Reader(path) as reader:
        assert isinstance(reader.tags, Tags)
        assert reader.length is None or reader.length > 0 or path.suffix in {".wav", ".aiff"}
        for start in (0, 21_000):  # the second far enough on to need a jump
            for block in reader.blocks(start=start):
                assert block.shape[1:] == (2,)
                assert np.isfinite(block).all()
    if path.name.endswith(".stem.mp4"):
        read_stems(path)


def main(kind: str, seed: int, count: int, folder: Path) -> None:
    """Read mutants one after the other, saying which; `faulthandler` ends what hangs."""
    warnings.simplefilter("ignore", AudioWarning)
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    chance = random.Random(f"{kind} {seed}")  # noqa: S311
    data = original(kind, folder)
    path = folder / f"mutant{kind}"
    for i in range(count):
        mutate = chance.choice(MUTATIONS)
        path.write_bytes(mutate(data, chance))
        sys.stdout.write(f"\n{kind} {seed} {i} {mutate.__name__} ")
        sys.stdout.flush()
        faulthandler.dump_traceback_later(SECONDS_EACH, exit=True)
        begin = time.process_time()
        sys.stdout.write(f"{survive(path)} {time.process_time() - begin:.2f}")
        faulthandler.cancel_dump_traceback_later()
    sys.stdout.write("\nall read\n")


@pytest.mark.parametrize("kind", KINDS)
def test_no_mutant_crashes_or_hangs_the_loader(tmp_path: Path, kind: str) -> None:
    assert_survived(tmp_path, kind, 0, MUTANTS)


@pytest.mark.soak
@pytest.mark.parametrize("kind", KINDS)
def test_none_of_many_mutants_does(tmp_path: Path, kind: str) -> None:
    assert_survived(tmp_path, kind, 1, MANY)


def assert_survived(folder: Path, kind: str, seed: int, count: int) -> None:
    command = [sys.executable, __file__, kind, str(seed), str(count)]
    root = Path(__file__).parents[2]
    paths = os.pathsep.join([str(root), str(root / "tests")])
    done = subprocess.run(
        [*command, str(folder)],
        cwd=root,
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    *outcomes, last = done.stdout.strip().splitlines()
    assert (last, done.returncode) == ("all read", 0), f"{last}: {done.stderr[-2000:]}"
    assert len(outcomes) == count
    # Mutants that all load, or all fail, would test little.
    loaded = sum(" read " in outcome for outcome in outcomes)
    refused = sum(" refused " in outcome for outcome in outcomes)
    print(f"{kind}: {count} mutants, {loaded} read, {refused} refused")
    assert loaded + refused == count, outcomes
    assert count // 10 < loaded < count


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
