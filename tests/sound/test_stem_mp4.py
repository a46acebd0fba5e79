from __future__ import annotations

import itertools
import json
import struct
from typing import TYPE_CHECKING, Any

import av
import mutagen.mp4
import numpy as np
import pytest
from sounds import encode, lag, noise, snr

from stemlab.errors import AudioError
from stemlab.sound.audio import RATE, AudioWarning, Reader, Tags, load
from stemlab.sound.stem_mp4 import (
    StemFileWriter,
    _with_moved_chunks,
    read_stems,
    slots,
    stem_names,
)
from stemlab.sound.tags import read_note, read_tags

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from sounds import Samples

FOUR = ("vocals", "drums", "bass", "other")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40
TAGS = Tags("Tür zu", "Die „Ärzte“", "Größe", "1999", "House", "3/12", PNG)


def stems_of(count: int, samples: int = 50_001) -> Samples:
    """Make noise with a click in each stem; ``[stems, samples, 2]``."""
    stems = np.stack([noise(samples, seed=seed) for seed in range(count)]) / 4
    stems[:, samples // 2] += 0.1
    return stems


def write(path: Path, names: Sequence[str], stems: Samples, tags: Tags | None = None) -> Path:
    with StemFileWriter(path, names, RATE, tags) as writer:
        writer.write(stems.sum(axis=0), stems)
    return path


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stems")
    return write(folder / 'Ü "x".stem.mp4', FOUR, stems_of(4), TAGS)


def boxes(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Take MP4 boxes apart independently of `stemlab.sound.stem_mp4`."""
    at = 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        yield kind.decode("latin1"), data[at + 8 : at + size]
        at += size


def only(data: bytes, *kinds: str) -> bytes:
    for kind in kinds:
        [data] = [body for found, body in boxes(data) if found == kind]
    return data


# The format


def test_layout_is_that_of_native_instruments(song: Path) -> None:
    data = song.read_bytes()
    assert [kind for kind, _ in boxes(data)] == ["ftyp", "moov", "mdat"]
    assert data[8:12] == b"M4A "
    moov = only(data, "moov")
    tracks = [body for kind, body in boxes(moov) if kind == "trak"]
    assert len(tracks) == 5
    # Bit 0 of the track header: enabled. Only the mix is.
    assert [only(track, "tkhd")[3] & 1 for track in tracks] == [1, 0, 0, 0, 0]
    assert [only(track, "mdia", "hdlr")[8:12] for track in tracks] == [b"soun"] * 5
    assert [kind for kind, _ in boxes(only(moov, "udta"))] == ["meta", "stem"]


def test_manifest_is_that_of_native_instruments(song: Path) -> None:
    manifest = json.loads(only(song.read_bytes(), "moov", "udta", "stem"))
    assert set(manifest) == {"mastering_dsp", "version", "stems"}
    assert manifest["version"] == 1
    assert manifest["stems"] == [
        {"name": "drums", "color": "#009E73"},
        {"name": "bass", "color": "#D55E00"},
        {"name": "other", "color": "#CC79A7"},
        {"name": "vocals", "color": "#56B4E9"},
    ]
    compressor, limiter = (manifest["mastering_dsp"][key] for key in ("compressor", "limiter"))
    assert set(compressor) == {
        *("ratio", "output_gain", "enabled", "release", "attack", "input_gain", "threshold"),
        *("hp_cutoff", "dry_wet"),
    }
    assert set(limiter) == {"release", "threshold", "ceiling", "enabled"}
    assert not compressor["enabled"]
    assert not limiter["enabled"]


def test_streams_are_five_of_stereo_aac(song: Path) -> None:
    with av.open(str(song)) as container:
        streams = container.streams.audio
        assert [stream.codec.name for stream in streams] == ["aac"] * 5
        assert [stream.layout.name for stream in streams] == ["stereo"] * 5
        assert [bool(stream.disposition & 1) for stream in streams] == [True, *[False] * 4]
        assert {stream.duration for stream in streams} == {50_001}


# Round trips


def test_streams_are_in_time_with_each_other_and_the_song(song: Path) -> None:
    stems = stems_of(4)
    mix, back = read_stems(song)
    assert list(back) == ["drums", "bass", "other", "vocals"]
    for audio, sound in [
        (mix, stems.sum(axis=0)),
        *((back[n], stems[FOUR.index(n)]) for n in FOUR),
    ]:
        assert audio.samples.shape == sound.shape
        assert lag(audio.samples, sound) == 0
        assert snr(audio.samples, sound) > 12
    difference = mix.samples - sum(stem.samples for stem in back.values())
    assert snr(mix.samples, mix.samples - difference) > 10


@pytest.mark.parametrize("samples", [1, 1023, 1024, 1025, 4097])
def test_length_is_exact(tmp_path: Path, samples: int) -> None:
    mix, stems = read_stems(write(tmp_path / "x.stem.mp4", FOUR, stems_of(4, samples)))
    assert {len(audio.samples) for audio in (mix, *stems.values())} == {samples}


def test_block_size_changes_nothing(tmp_path: Path, song: Path) -> None:
    stems = stems_of(4)
    edges = [0, 1, 1000, 2024, 2025, 30_000, 50_001]
    with StemFileWriter(tmp_path / "x.stem.mp4", FOUR, tags=TAGS) as writer:
        for begin, end in itertools.pairwise(edges):
            part = stems[:, begin:end]
            writer.write(part.sum(axis=0), part)
    assert (tmp_path / "x.stem.mp4").read_bytes() == song.read_bytes()


def test_the_loader_reads_the_mix(song: Path) -> None:
    mix, _ = read_stems(song)
    np.testing.assert_array_equal(load(song).samples, mix.samples)


def test_at_another_rate(song: Path) -> None:
    mix, stems = read_stems(song, 22_050)
    assert mix.rate == 22_050
    assert {len(audio.samples) for audio in (mix, *stems.values())} == {25_001}


@pytest.mark.parametrize(
    ("names", "places"),
    [
        (["vocals", "drums", "bass", "other"], [1, 2, 3, 0]),
        (["Vocals", "DRUMS"], [1, None, None, 0]),
        (["vocals", "accompaniment"], [None, None, 1, 0]),
        (["piano"], [None, None, 0, None]),
        (["other", "piano", "guitar"], [1, 2, 0, None]),
        (["a", "b", "c", "d"], [1, 2, 0, 3]),
        (["vocals", "vocals"], [None, None, 1, 0]),
    ],
)
def test_stems_of_any_name_find_a_place(names: list[str], places: list[int | None]) -> None:
    assert slots(names) == places


@pytest.mark.parametrize("names", [["Geige „1“"], ["vocals", "accompaniment"], ["a", "b", "c"]])
def test_fewer_than_four_are_filled_with_silence(tmp_path: Path, names: list[str]) -> None:
    stems = stems_of(len(names), 9000)
    path = write(tmp_path / "x.stem.mp4", names, stems)
    _, back = read_stems(path)
    assert set(back) == set(names)
    for name, sound in zip(names, stems, strict=True):
        assert snr(back[name].samples, sound) > 12
    manifest: Any = json.loads(only(path.read_bytes(), "moov", "udta", "stem"))
    empty = [i for i, stem in enumerate(manifest["stems"]) if stem["name"] == "(empty)"]
    assert len(empty) == 4 - len(names)
    for i in empty:
        with Reader(path, stream=1 + i) as reader:
            assert np.abs(next(reader.blocks())).max() == 0


def test_foreign_files_may_end_their_text_with_zeros(tmp_path: Path) -> None:
    path = write(tmp_path / "x.stem.mp4", FOUR, stems_of(4, 3000))
    data = path.read_bytes()
    assert data.count(b'56B4E9"}]}') == 1
    path.write_bytes(data.replace(b'56B4E9"}]}', b'56B"}]}\0\0\0'))
    assert list(read_stems(path)[1]) == ["drums", "bass", "other", "vocals"]


# Tags


def test_tags_and_cover_are_kept(song: Path) -> None:
    assert Reader(song).tags == TAGS


def test_other_programs_may_change_the_tags(tmp_path: Path, song: Path) -> None:
    path = tmp_path / "x.stem.mp4"
    path.write_bytes(song.read_bytes())
    file = mutagen.mp4.MP4(path)
    file["\xa9nam"] = "x" * 10_000
    file["covr"] = [mutagen.mp4.MP4Cover(bytes(100_000))]
    file.save()
    assert only(path.read_bytes(), "moov", "udta", "stem") == only(
        song.read_bytes(), "moov", "udta", "stem"
    )
    before, after = read_stems(song), read_stems(path)
    np.testing.assert_array_equal(before[0].samples, after[0].samples)
    for name in FOUR:
        np.testing.assert_array_equal(before[1][name].samples, after[1][name].samples)


# What does not work


@pytest.mark.parametrize(
    ("name", "names", "rate", "cause"),
    [
        ("x.stem.mp4", [*FOUR, "piano"], RATE, "holds one to four stems, not 5; choose fewer"),
        ("x.stem.mp4", [], RATE, "holds one to four stems, not 0"),
        ("x.mp4", FOUR, RATE, r"not a stem file by its name; let it end in \.stem\.mp4"),
        ("x.stem.mp4", FOUR, 192_000, "AAC cannot hold 192000 samples per second; use 44100"),
        ("missing/x.stem.mp4", FOUR, RATE, "cannot be written .No such file"),
    ],
)
def test_what_cannot_be_written_explains_itself(
    tmp_path: Path, name: str, names: Sequence[str], rate: int, cause: str
) -> None:
    with pytest.raises(AudioError, match=cause), StemFileWriter(tmp_path / name, names, rate):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_abort_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    def interrupted() -> None:
        with StemFileWriter(tmp_path / "x.stem.mp4", FOUR) as writer:
            writer.write(noise(5000), stems_of(4, 5000))
            raise error

    with pytest.raises(error):
        interrupted()
    assert not list(tmp_path.iterdir())


def test_what_is_no_sound_is_not_written(tmp_path: Path) -> None:
    stems = stems_of(4, 3000)
    stems[2, 5, 1] = np.inf
    with pytest.raises(AudioError, match="a sample is infinite or not a number"):
        write(tmp_path / "x.stem.mp4", FOUR, stems)
    assert not list(tmp_path.iterdir())


def test_clipping_is_told(tmp_path: Path) -> None:
    with pytest.warns(AudioWarning, match=r"x\.stem\.mp4: peaks 6\.0 dB over full scale"):
        write(tmp_path / "x.stem.mp4", ["a"], np.full((1, 3000, 2), 2, np.float32))


def test_a_plain_mp4_is_no_stem_file(tmp_path: Path) -> None:
    encode(tmp_path / "x.stem.mp4", noise(3000), RATE, "aac")
    with pytest.raises(AudioError, match="does not name its stems, so it is no stem file; sep"):
        read_stems(tmp_path / "x.stem.mp4")


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"x\.stem\.mp4: cannot be read .No such file"):
        stem_names(tmp_path / "x.stem.mp4")


@pytest.mark.parametrize(("length", "fits"), [(2**20, True), (2**20 + 1, False)])
def test_names_longer_than_any_are_damage(tmp_path: Path, length: int, fits: bool) -> None:
    text = b'{"stems": [{"name": "drums"}]}'.ljust(length)
    for kind in (b"stem", b"udta", b"moov"):
        text = struct.pack(">I4s", 8 + len(text), kind) + text
    path = tmp_path / "x.stem.mp4"
    path.write_bytes(text)
    if fits:
        assert stem_names(path) == ["drums"]
    else:
        with pytest.raises(AudioError, match="does not name its stems"):
            stem_names(path)


def test_large_files_have_large_offsets() -> None:
    def box(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I4s", 8 + len(body), kind) + body

    def moov(offsets: tuple[int, ...]) -> bytes:
        body = box(b"co64", struct.pack(f">II{len(offsets)}Q", 0, len(offsets), *offsets))
        for kind in (b"stbl", b"minf", b"mdia", b"trak", b"moov"):
            body = box(kind, body)
        return body

    assert _with_moved_chunks(moov((2**33, 2**40)), -7) == moov((2**33 - 7, 2**40 - 7))


# What was prepared


NOTE = {"cues": [{"at": 0.25, "name": "Größe"}, {}], "trim": -2.5}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("stems") / "song.stem.mp4"
    marks = [(0.25, "Größe"), (0.75, "ü" * 200)]
    with StemFileWriter(path, FOUR, RATE, TAGS, NOTE, marks) as writer:
        writer.write(stems_of(4).sum(axis=0), stems_of(4))
    return path


def test_cues_are_chapters_to_others(prepared: Path) -> None:
    """FFmpeg and mutagen read them; names are cut between letters."""
    names = ["Größe", "ü" * 127]
    with av.open(str(prepared)) as container:
        assert len(container.streams.audio) == 5
        chapters = container.chapters()
    assert [one["metadata"]["title"] for one in chapters] == names
    found: Any = mutagen.mp4.MP4(prepared).chapters
    assert [(mark.start, mark.title) for mark in found] == [*zip((0.25, 0.75), names, strict=True)]


def test_a_note_comes_back(prepared: Path, song: Path) -> None:
    assert read_note(prepared) == NOTE
    assert read_tags(prepared).title == TAGS.title
    assert read_note(song) == {}
    assert list(read_stems(prepared)[1]) == list(read_stems(song)[1])


def test_a_damaged_note_is_none(prepared: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.stem.mp4"
    damaged.write_bytes(prepared.read_bytes().replace(b'{"cues": [', b'{"cues" [['))
    assert read_note(damaged) == {}
