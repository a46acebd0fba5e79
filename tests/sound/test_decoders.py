"""What is there is decoded to its end, whatever its header says, and mixed down by its layout."""

from __future__ import annotations

import math
import random
import struct
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest
import soundfile
from sounds import encode, lag, noise, snr

from stemlab.errors import AudioError, AudioWarning
from stemlab.sound.audio import RATE, Audio, Reader, load, save

if TYPE_CHECKING:
    from collections.abc import Callable

    from sounds import Samples

FRAME = 1152
HALF = math.sqrt(0.5)


def mp3(folder: Path, seconds: int = 2, seed: int = 0) -> bytes:
    save(folder / "part.mp3", Audio(noise(seconds * RATE, seed=seed)))
    return (folder / "part.mp3").read_bytes()


def written(path: Path, data: bytes | bytearray) -> Path:
    path.write_bytes(data)
    return path


def with_xing(data: bytes, frames: int) -> bytes:
    """Write another count of frames into a Xing header."""
    at = next(data.index(word) for word in (b"Xing", b"Info") if word in data) + 8
    return data[:at] + struct.pack(">I", frames) + data[at + 4 :]


def without_xing(data: bytes) -> bytes:
    return data[data.index(data[:2], 4) :]


def with_vbri(data: bytes, frames: int) -> bytes:
    """Put a frame with a VBRI header in front, as Fraunhofer's encoder does."""
    head = bytearray(417)
    head[:4] = b"\xff\xfb\x90\x00"  # 128 kbit/s at 44.1 kHz
    head[36:62] = struct.pack(">4sHHHIIHHHH", b"VBRI", 1, 0, 75, 0, frames, 0, 1, 2, 1)
    return bytes(head) + without_xing(data)


# Lengths that are not to be trusted


@pytest.mark.parametrize("suffix", [".mp3", ".wav", ".m4a", ".ogg", ".flac"])
def test_two_mp3_joined_are_both_there_under_any_suffix(tmp_path: Path, suffix: str) -> None:
    path = written(tmp_path / f"x{suffix}", mp3(tmp_path, 2) + mp3(tmp_path, 3, seed=1))
    sound = load(path).samples
    # Between them lie the second one's header, delay and padding.
    assert 5 * RATE <= len(sound) <= 5 * RATE + 4 * FRAME
    assert snr(sound[: 2 * RATE - FRAME], noise(2 * RATE)[:-FRAME]) > 12
    second = noise(3 * RATE, seed=1)
    begin = 2 * RATE + lag(sound[2 * RATE :], second)
    assert snr(sound[begin : begin + 3 * RATE], second[: len(sound) - begin]) > 12


@pytest.mark.parametrize("frames", [0, 1, 20, 1000, 2**32 - 1])
def test_a_wrong_xing_count_neither_cuts_nor_warns(tmp_path: Path, frames: int) -> None:
    path = written(tmp_path / "x.mp3", with_xing(mp3(tmp_path), frames))
    assert 0 <= len(load(path).samples) - 2 * RATE <= 2 * FRAME


def test_an_mp3_without_a_header_is_read_to_its_end(tmp_path: Path) -> None:
    path = written(tmp_path / "x.mp3", without_xing(mp3(tmp_path)))
    assert 0 <= len(load(path).samples) - 2 * RATE <= 3 * FRAME


@pytest.mark.parametrize("frames", [1, 30, 5000])
def test_a_wrong_vbri_count_neither_cuts_nor_warns(tmp_path: Path, frames: int) -> None:
    path = written(tmp_path / "x.mp3", with_vbri(mp3(tmp_path), frames))
    assert 0 <= len(load(path).samples) - 2 * RATE <= 3 * FRAME


def test_an_mp3_cut_in_a_frame_says_so(tmp_path: Path) -> None:
    data = mp3(tmp_path)
    path = written(tmp_path / "x.mp3", data[: len(data) // 2])
    with pytest.warns(AudioWarning, match=r"x\.mp3: breaks off after \d\.\d\d of 2\.00 s"):
        load(path)


@pytest.mark.parametrize("count", [0, 1000, 4 * RATE])
def test_a_flac_of_another_count_is_read_to_its_end(tmp_path: Path, count: int) -> None:
    sound = noise(2 * RATE + 77)
    save(tmp_path / "x.flac", Audio(sound))
    data = bytearray((tmp_path / "x.flac").read_bytes())
    data[22:26] = struct.pack(">I", count)  # RFC 9639, 8.2; 0 as from a pipe
    written(tmp_path / "x.flac", data)
    with Reader(tmp_path / "x.flac") as reader:
        assert reader.length == (count or None)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        back = load(tmp_path / "x.flac").samples
    assert np.abs(back - sound).max() <= 2**-23
    assert len(told) == (count > len(sound))


def test_mono_and_stereo_mp3_joined_are_both_there(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "mono.mp3", noise(RATE, 1), RATE)
    data = (tmp_path / "mono.mp3").read_bytes() + mp3(tmp_path, 2)
    sound = load(written(tmp_path / "x.mp3", data)).samples
    assert 3 * RATE <= len(sound) <= 3 * RATE + 4 * FRAME
    np.testing.assert_array_equal(sound[: RATE // 2, 0], sound[: RATE // 2, 1])
    assert snr(sound[-RATE:, :1], sound[-RATE:, 1:]) < 3


def test_two_flac_joined_are_both_there(tmp_path: Path) -> None:
    parts = [noise(count, seed=count) for count in (50_000, 70_001)]
    for i, part in enumerate(parts):
        save(tmp_path / f"{i}.flac", Audio(part))
    joined = b"".join((tmp_path / f"{i}.flac").read_bytes() for i in range(2))
    back = load(written(tmp_path / "x.flac", joined)).samples
    assert np.abs(back - np.concatenate(parts)).max() <= 2**-23


@pytest.mark.parametrize("coding", ["VORBIS", "OPUS"])
@pytest.mark.parametrize("counts", [(40_000, 40_000), (1, 50_001, 3000)])
def test_chained_ogg_is_read_to_the_sample(
    tmp_path: Path, coding: str, counts: tuple[int, ...]
) -> None:
    data, parts = b"", []
    for i, count in enumerate(counts):
        name = tmp_path / f"{i}.ogg"
        soundfile.write(name, noise(count, seed=i), 48_000, format="OGG", subtype=coding)
        data += name.read_bytes()
        parts.append(soundfile.read(name, dtype="float32")[0])
    whole = np.concatenate(parts)
    path = written(tmp_path / "x.ogg", data)
    with Reader(path, 48_000) as reader:
        assert reader.length == sum(counts)
        np.testing.assert_allclose(np.concatenate(list(reader.blocks())), whole, atol=2e-5)
        later = np.concatenate(list(reader.blocks(start=counts[0] + 5)))
        np.testing.assert_allclose(later, whole[counts[0] + 5 :], atol=2e-5)


def _open_files() -> int:
    return len([*Path("/proc/self/fd").iterdir()])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists what is open in /proc")
def test_of_many_links_one_is_open_at_a_time(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "x.ogg", noise(500), RATE, format="OGG", subtype="VORBIS")
    link = (tmp_path / "x.ogg").read_bytes()
    before = _open_files()
    with Reader(written(tmp_path / "x.ogg", 50 * link)) as reader:
        blocks = reader.blocks(size=400)
        most = max(_open_files() for _ in blocks)
        assert reader.length == 25_000
    assert most <= before + 4
    assert _open_files() <= before


def test_links_of_different_rates_are_refused(tmp_path: Path) -> None:
    data = b""
    for rate in (44_100, 48_000):
        soundfile.write(tmp_path / "x.ogg", noise(9000), rate, format="OGG", subtype="VORBIS")
        data += (tmp_path / "x.ogg").read_bytes()
    with pytest.raises(AudioError, match="changes its rate halfway"):
        load(written(tmp_path / "x.ogg", data))


@pytest.mark.parametrize("size", [0, 2**32 - 1, 2**31 - 1])
def test_a_wav_from_a_pipe_is_read_to_its_end(tmp_path: Path, size: int) -> None:
    soundfile.write(tmp_path / "x.wav", noise(5000), RATE, subtype="PCM_16")
    data = bytearray((tmp_path / "x.wav").read_bytes())
    for at in (4, data.index(b"data") + 4):
        data[at : at + 4] = struct.pack("<I", size)
    assert len(load(written(tmp_path / "x.wav", data)).samples) == 5000


# Channels

# What each is worth on the left and on the right, after ITU-R BS.775-3; scaled by the louder side.
GAINS = {
    "FL": (1, 0),
    "FR": (0, 1),
    "FC": (HALF, HALF),
    "LFE": (0, 0),
    "BL": (HALF, 0),
    "BR": (0, HALF),
    "SL": (HALF, 0),
    "SR": (0, HALF),
    "BC": (0.5, 0.5),
    "FLC": (1, 0),
    "FRC": (0, 1),
}
# The order in which Vorbis and Opus code them.
ORDER = ("FL", "FC", "FR", "SL", "SR", "BL", "BR", "BC", "LFE")
LAYOUTS = [
    "mono", "2.1", "3.0", "3.0(back)", "4.0", "quad", "quad(side)", "3.1", "4.1", "5.0",
    "5.0(side)", "5.1", "5.1(side)", "6.0", "6.0(front)", "hexagonal", "6.1", "6.1(back)",
    "7.0", "7.1", "7.1(wide)", "octagonal",
]  # fmt: skip


def expected(sound: Samples, layout: str) -> Samples:
    names = [channel.name for channel in av.AudioLayout(layout).channels]
    gains = np.array([(1, 1)] if names == ["FC"] else [GAINS[name] for name in names])
    mixed: Samples = (sound @ (gains / gains.sum(0).max())).astype(np.float32)
    return mixed


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_any_layout_is_mixed_down_by_its_names(tmp_path: Path, suffix: str, layout: str) -> None:
    sound = noise(8000, av.AudioLayout(layout).nb_channels)
    codec = "pcm_f32le" if suffix == ".wav" else "flac"
    path = encode(tmp_path / f"x{suffix}", sound, RATE, codec, layout)
    np.testing.assert_allclose(load(path).samples, expected(sound, layout), atol=1e-4)


@pytest.mark.parametrize(
    ("suffix", "codec", "layout"),
    [
        (".m4a", "aac", "7.1"),
        (".aac", "aac", "7.1"),
        (".m4a", "aac", "5.1"),
        (".m4a", "aac", "4.0"),
        (".webm", "libopus", "7.1"),
        (".webm", "libopus", "5.1"),
        (".mp4", "alac", "5.1"),
        (".mp4", "flac", "7.1"),
    ],
)
def test_layouts_of_lossy_files(tmp_path: Path, suffix: str, codec: str, layout: str) -> None:
    sound = noise(30_000, av.AudioLayout(layout).nb_channels)
    back = load(encode(tmp_path / f"x{suffix}", sound, 48_000, codec, layout), 48_000).samples
    mixed = expected(sound, layout)
    late = lag(back, mixed)
    assert 0 <= late <= 1024
    assert snr(back[late : late + 25_000], mixed[:25_000]) > 6


@pytest.mark.parametrize("coding", ["VORBIS", "OPUS"])
@pytest.mark.parametrize("layout", ["mono", "stereo", "3.0", "quad", "5.0", "5.1", "6.1", "7.1"])
def test_vorbis_and_opus_of_any_layout(tmp_path: Path, coding: str, layout: str) -> None:
    names = [channel.name for channel in av.AudioLayout(layout).channels]
    order = sorted(names, key=ORDER.index)
    sound = noise(30_000, len(names))
    with soundfile.SoundFile(
        tmp_path / "x.ogg", "w", 48_000, len(names), format="OGG", subtype=coding
    ) as file:
        for i in range(0, len(sound), 4096):
            file.write(sound[i : i + 4096, [names.index(name) for name in order]])
    back = load(tmp_path / "x.ogg", 48_000).samples
    assert back.shape == (30_000, 2)
    assert snr(back, expected(sound, layout)) > 6


@pytest.mark.parametrize("channels", [9, 10, 16, 24, 64])
@pytest.mark.parametrize("suffix", [".wav", ".aiff"])
def test_many_channels_are_mixed_down(tmp_path: Path, suffix: str, channels: int) -> None:
    path = tmp_path / f"x{suffix}"
    soundfile.write(path, noise(500, channels), RATE)
    assert load(path).samples.shape == (500, 2)


@pytest.mark.parametrize("channels", [65, 200])
def test_too_many_channels_are_refused_in_a_line(tmp_path: Path, channels: int) -> None:
    soundfile.write(tmp_path / "x.wav", noise(500, channels), RATE)
    with pytest.raises(AudioError, match=rf"claims {channels} channels; export it again with 1"):
        load(tmp_path / "x.wav")


# All of it at random


@pytest.mark.parametrize("rounds", [25, pytest.param(2500, marks=pytest.mark.soak)])
def test_mp3_joined_cut_and_relabelled_at_random(tmp_path: Path, rounds: int) -> None:
    chance = random.Random(rounds)  # noqa: S311
    whole = [mp3(tmp_path, seconds, seed=seconds) for seconds in (1, 2)]
    changes: list[Callable[[bytes], bytes]] = [
        lambda data: with_xing(data, chance.randrange(2**32)),
        lambda data: with_vbri(data, chance.randrange(2**16)),
        without_xing,
        bytes,
    ]
    for _ in range(rounds):
        picks = chance.choices([0, 1], k=chance.randrange(1, 5))
        data = b"".join(chance.choice(changes)(whole[i]) for i in picks)
        path = written(tmp_path / f"x{chance.choice(['.mp3', '.wav', '.m4a'])}", data)
        least = sum(i + 1 for i in picks) * RATE
        assert 0 <= len(load(path).samples) - least <= 4 * FRAME * len(picks)
