from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import mutagen
import numpy as np
import pytest
import soundfile
from hypothesis import example, given, settings
from hypothesis import strategies as st
from memory import traced
from sounds import SONGS, encode, lag, noise, snr

from stemlab.errors import AudioError
from stemlab.sound import audio
from stemlab.sound.audio import (
    AUDIO_SUFFIXES,
    RATE,
    WRITE_SUFFIXES,
    Audio,
    AudioWarning,
    Reader,
    Tags,
    Writer,
    load,
    resample,
    save,
)
from stemlab.sound.decoders import default_layout, downmix

if TYPE_CHECKING:
    from pathlib import Path

    from sounds import Samples

LOSSLESS = (".wav", ".flac")
LOSSY = (".ogg", ".mp3")
JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 4
TAGS = Tags("Tür zu", "Die „Ärzte“", "Größe", "1999", "House", "3/12", JPEG)


def read(path: Path, rate: int = RATE, size: int = 65_536, start: int = 0) -> Samples:
    with Reader(path, rate) as reader:
        return np.concatenate([np.zeros((0, 2), np.float32), *reader.blocks(size, start)])


@pytest.fixture(scope="session")
def songs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Write two seconds of one sound at 48 kHz in every readable kind of file."""
    folder = tmp_path_factory.mktemp("songs")
    sound = noise(96_000)
    files = {}
    for suffix in WRITE_SUFFIXES:
        files[suffix] = folder / f"song{suffix}"
        save(files[suffix], Audio(sound, 48_000))
    for name, codec in {"song.m4a": "aac", "alac.m4a": "alac", "song.webm": "libopus"}.items():
        files[name.removeprefix("song")] = encode(folder / name, sound, 48_000, codec)
    soundfile.write(folder / "song.aiff", sound, 48_000, subtype="PCM_24")
    soundfile.write(folder / "song.opus", sound, 48_000, format="OGG", subtype="OPUS")
    return files | {suffix: folder / f"song{suffix}" for suffix in (".aiff", ".opus")}


# Round trips


@pytest.mark.parametrize("samples", [1, 2, 4095, 4096, 4097, 70_001])
@pytest.mark.parametrize("suffix", LOSSLESS)
def test_lossless_round_trip(tmp_path: Path, suffix: str, samples: int) -> None:
    path = tmp_path / f"x{suffix}"
    sound = noise(samples)
    save(path, Audio(sound))
    with Reader(path) as reader:
        assert reader.length == samples
    back = load(path)
    assert back.samples.shape == sound.shape
    assert back.samples.dtype == np.float32
    assert np.abs(back.samples - sound).max() <= (0 if suffix == ".wav" else 2**-23)


@pytest.mark.parametrize("samples", [1, 1000, 70_001])
@pytest.mark.parametrize("suffix", LOSSY)
def test_lossy_round_trip_keeps_length(tmp_path: Path, suffix: str, samples: int) -> None:
    path = tmp_path / f"x{suffix}"
    save(path, Audio(noise(samples)))
    assert len(load(path).samples) == samples


@pytest.mark.parametrize(
    "kind", [".wav", ".flac", ".ogg", ".mp3", ".m4a", "alac.m4a", ".webm", ".aiff", ".opus"]
)
def test_every_kind_is_in_time_and_true(songs: dict[str, Path], kind: str) -> None:
    sound = noise(96_000)
    back = read(songs[kind], 48_000)
    assert lag(back, sound) == 0
    # An m4a states its length in milliseconds, webm in whole packets.
    assert abs(len(back) - len(sound)) <= {".m4a": 48, ".webm": 960}.get(kind, 0)
    shared = min(len(back), len(sound))
    assert snr(back[:shared], sound[:shared]) > 12


def test_raw_aac_is_read_with_its_encoders_delay(tmp_path: Path) -> None:
    sound = noise(44_100)
    back = read(encode(tmp_path / "x.aac", sound, RATE, "aac"))
    assert lag(back, sound) == 1024
    assert snr(back[1024:40_000], sound[: 40_000 - 1024]) > 14


@pytest.mark.parametrize(
    "kind", [".wav", ".flac", ".ogg", ".mp3", "alac.m4a", ".webm", ".aiff", ".opus"]
)
def test_a_stream_may_start_anywhere(songs: dict[str, Path], kind: str) -> None:
    whole = read(songs[kind], 48_000)
    for start in (1, 17_000, 60_001, len(whole) - 3, len(whole), len(whole) + 9):
        part = read(songs[kind], 48_000, start=start)
        np.testing.assert_allclose(part, whole[start:], atol=2e-5)


def test_a_stream_of_aac_may_start_anywhere(songs: dict[str, Path]) -> None:
    whole = read(songs[".m4a"], 48_000)
    for start in (1, 17_000, 60_001, len(whole) - 100):
        part = read(songs[".m4a"], 48_000, start=start)
        assert len(part) == len(whole) - start
        # AAC fills noisy bands with noise of the decoder's own, which a jump draws anew.
        assert snr(part, whole[start:]) > 25


@pytest.mark.parametrize("kind", [".flac", "alac.m4a"])
@pytest.mark.parametrize("rate", [44_100, 22_050, 47_999, 96_000])
def test_a_resampled_stream_may_start_anywhere(
    songs: dict[str, Path], kind: str, rate: int
) -> None:
    whole = read(songs[kind], rate)
    for start in (1, 30_000, 43_001):
        part = read(songs[kind], rate, start=start)
        np.testing.assert_allclose(part, whole[start:], atol=3e-6)


@pytest.mark.parametrize("size", [1, 7, 4096, 100_000, 10**12])
def test_block_size_changes_nothing(songs: dict[str, Path], size: int) -> None:
    with Reader(songs[".flac"]) as reader:
        blocks = list(reader.blocks(size))
    assert {len(block) for block in blocks[:-1]} <= {size}
    np.testing.assert_array_equal(np.concatenate(blocks), read(songs[".flac"]))


def test_a_new_stream_ends_the_one_before(songs: dict[str, Path]) -> None:
    whole = read(songs[".wav"])
    with Reader(songs[".wav"]) as reader:
        first = next(reader.blocks(100))
        again = np.concatenate(list(reader.blocks(1000, start=5)))
    np.testing.assert_array_equal(first, whole[:100])
    np.testing.assert_allclose(again, whole[5:], atol=3e-6)


def test_a_real_song() -> None:
    with Reader(SONGS / "caesium" / "vocals.opus") as reader:
        block = next(reader.blocks(10 * RATE, start=60 * RATE))
        assert (reader.length or 0) > 100 * RATE
    assert block.shape == (10 * RATE, 2)
    assert 0.001 < np.abs(block).max() < 1.5


# Rates and channels


@pytest.mark.parametrize("rate", [1000, 8000, 22_050, 48_000, 96_000, 192_000, 768_000])
def test_any_rate_becomes_ours(tmp_path: Path, rate: int) -> None:
    seconds = np.arange(rate // 2 + 7) / rate
    sine = 0.5 * np.sin(2 * np.pi * 200 * seconds).astype(np.float32)
    soundfile.write(tmp_path / "x.wav", sine, rate, subtype="FLOAT")
    back = load(tmp_path / "x.wav").samples
    assert len(back) == int(len(sine) * RATE / rate + 0.5)
    middle = slice(len(back) // 4, 3 * len(back) // 4)
    expected = 0.5 * np.sin(2 * np.pi * 200 * np.arange(len(back)) / RATE)
    assert np.abs(back[middle, 0] - expected[middle]).max() < 1e-4


def test_resample_keeps_pitch_and_length() -> None:
    sine = np.sin(2 * np.pi * 1000 * np.arange(48_001) / 48_000).astype(np.float32)
    out = resample(Audio(np.stack([sine, -sine], axis=1), 48_000), RATE)
    assert (out.rate, len(out.samples)) == (RATE, 44_101)
    expected = np.sin(2 * np.pi * 1000 * np.arange(44_101) / RATE)
    assert np.abs(out.samples[2000:-2000, 0] - expected[2000:-2000]).max() < 1e-5
    assert resample(out, RATE).samples.shape == (44_101, 2)


@settings(deadline=None)
@example(samples=480, source=96_000, rate=RATE)  # 220.5, of which floats make less
@example(samples=80, source=8000, rate=22_050)  # 220.5, too
@given(
    samples=st.integers(1, 20_000),
    source=st.sampled_from([8000, 11_025, 22_050, 32_000, 44_100, 47_999, 88_200, 96_000]),
    rate=st.sampled_from([22_050, 44_100, 48_000]),
)
def test_length_is_known_beforehand(
    tmp_path_factory: pytest.TempPathFactory, samples: int, source: int, rate: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "known.wav"
    soundfile.write(path, np.ones((samples, 2)), source)
    with Reader(path, rate) as reader:
        assert sum(len(block) for block in reader.blocks(5000)) == reader.length


def test_mono_is_doubled(tmp_path: Path) -> None:
    sound = noise(1000, channels=1)
    soundfile.write(tmp_path / "x.wav", sound, RATE, subtype="FLOAT")
    np.testing.assert_array_equal(load(tmp_path / "x.wav").samples, np.repeat(sound, 2, axis=1))


def test_eight_channels_are_mixed_down(tmp_path: Path) -> None:
    sound = noise(1000, channels=8)
    soundfile.write(tmp_path / "x.wav", sound, RATE, subtype="FLOAT")
    left, right, centre, _, back_left, back_right, side_left, side_right = sound.T
    sides = [left + 0.5**0.5 * (centre + back_left + side_left)]
    sides += [right + 0.5**0.5 * (centre + back_right + side_right)]
    expected = np.stack(sides, axis=1) / (1 + 3 * 0.5**0.5)
    np.testing.assert_allclose(load(tmp_path / "x.wav").samples, expected, atol=1e-6)


@pytest.mark.parametrize("channels", range(1, 65))
def test_a_mixdown_never_clips_what_did_not_clip(channels: int) -> None:
    gains = downmix(default_layout(channels))
    assert gains.shape == (channels, 2)
    assert gains.min() >= 0
    np.testing.assert_allclose(gains.sum(axis=0).max(), 1, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [("x.opus", "libopus", 48_000), ("x.m4a", "aac", 48_000), ("x.flac", "flac", 48_000)],
)
def test_the_centre_is_found_in_every_channel_order(
    tmp_path: Path, name: str, codec: str, rate: int
) -> None:
    sound = np.zeros((rate, 6), np.float32)
    sound[:, 2] = 0.5 * np.sin(2 * np.pi * 400 * np.arange(rate) / rate)
    back = read(encode(tmp_path / name, sound, rate, codec, "5.1"), rate)
    expected = np.repeat(sound[:, 2:3], 2, axis=1) * 0.5**0.5 / (1 + 2 * 0.5**0.5)
    assert snr(back[1000:40_000], expected[1000:40_000]) > 20


def test_vorbis_has_an_order_of_its_own(tmp_path: Path) -> None:
    sound = np.zeros((RATE, 3), np.float32)
    sound[:, 1] = noise(RATE, 1)[:, 0]  # the centre comes second
    soundfile.write(tmp_path / "x.ogg", sound, RATE, format="OGG", subtype="VORBIS")
    left, right = load(tmp_path / "x.ogg").samples.T
    assert snr(left[:, None], right[:, None]) > 20


def test_sixteen_channels_of_aac_are_mixed_by_number(tmp_path: Path) -> None:
    path = encode(tmp_path / "x.m4a", noise(9000, 16), RATE, "aac", "hexadecagonal")
    assert load(path).samples.shape[1] == 2


# Odd but valid


@pytest.mark.parametrize("name", ["with space", "q\"uo'te", "Ünïcödé 音", "a:b%d", "-x", "#1?&"])
@pytest.mark.parametrize("suffix", [".wav", ".ogg", ".mp3"])
def test_odd_names(tmp_path: Path, name: str, suffix: str) -> None:
    save(tmp_path / f"{name}{suffix}", Audio(noise(3000)), TAGS)
    assert len(load(tmp_path / f"{name}{suffix}").samples) == 3000
    assert [path.name for path in tmp_path.iterdir()] == [f"{name}{suffix}"]


def test_odd_names_through_libav(tmp_path: Path, songs: dict[str, Path]) -> None:
    path = tmp_path / "a:b 'Ü' %d.m4a"
    path.write_bytes(songs[".m4a"].read_bytes())
    assert len(load(path).samples) > 80_000


def test_silence_and_over_full_scale(tmp_path: Path) -> None:
    loud = np.full((500, 2), 3.5, np.float32)
    for sound in (np.zeros((500, 2), np.float32), loud, -loud):
        save(tmp_path / "x.wav", Audio(sound))
        np.testing.assert_array_equal(load(tmp_path / "x.wav").samples, sound)


@pytest.mark.parametrize("suffix", [".flac", ".ogg", ".mp3"])
def test_clipping_is_told(tmp_path: Path, suffix: str) -> None:
    with pytest.warns(AudioWarning, match=r"x\.\w+: peaks 6\.0 dB over full scale"):
        save(tmp_path / f"x{suffix}", Audio(np.full((5000, 2), 2, np.float32)))
    assert np.abs(load(tmp_path / f"x{suffix}").samples).max() < 2.5


def test_float_wav_of_integers_is_read_as_it_is(tmp_path: Path) -> None:
    sound = noise(100) * 32_768
    soundfile.write(tmp_path / "x.wav", sound, RATE, subtype="FLOAT")
    np.testing.assert_array_equal(load(tmp_path / "x.wav").samples, sound)


@pytest.mark.parametrize("kind", [".flac", ".mp3", ".m4a"])
def test_a_truncated_file_gives_what_is_there(
    tmp_path: Path, songs: dict[str, Path], kind: str
) -> None:
    data = songs[kind].read_bytes()
    path = tmp_path / f"cut{kind}"
    path.write_bytes(data[: len(data) // 2])
    whole = read(songs[kind])
    with pytest.warns(AudioWarning, match=rf"cut\{kind}: breaks off after \d\.\d\d of 2\.00 s"):
        part = read(path)
    assert 0.3 * len(whole) < len(part) < 0.7 * len(whole)
    np.testing.assert_allclose(part[:30_000], whole[:30_000], atol=1e-5)


def test_an_mp3_that_does_not_state_its_length_is_read_to_its_end(tmp_path: Path) -> None:
    # Quiet, then loud: a length guessed from the first frames' bit rate would be far too short.
    sound = noise(10 * RATE) * np.repeat([[1.0], [1e-4]], 5 * RATE, axis=0).astype(np.float32)
    save(tmp_path / "x.mp3", Audio(sound))
    data = (tmp_path / "x.mp3").read_bytes()
    (tmp_path / "x.mp3").write_bytes(data[data.index(data[:2], 4) :])
    assert abs(len(load(tmp_path / "x.mp3").samples) - len(sound)) < 4000


def test_damage_in_the_middle_becomes_silence_in_time(
    tmp_path: Path, songs: dict[str, Path]
) -> None:
    data = bytearray(songs[".m4a"].read_bytes())
    middle = len(data) - 20_000
    data[middle : middle + 300] = b"\xff" * 300
    (tmp_path / "x.m4a").write_bytes(data)
    with pytest.warns(AudioWarning, match=r"x\.m4a: is damaged, some of it is silent; copy"):
        back = read(tmp_path / "x.m4a", 48_000)
    whole = read(songs[".m4a"], 48_000)
    assert len(back) == len(whole)
    assert snr(back[-5000:], whole[-5000:]) > 25


# Bad input


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    """Make a folder of files that are no sound."""
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / "song.xyz").write_text("x")
    (tmp_path / "playlist.m4a").write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/x.mp3\n")
    for suffix in AUDIO_SUFFIXES:
        (tmp_path / f"empty{suffix}").touch()
        (tmp_path / f"text{suffix}").write_text("This is no music.\n" * 500)
    for suffix in WRITE_SUFFIXES:
        save(tmp_path / f"whole{suffix}", Audio(noise(9000)))
        data = (tmp_path / f"whole{suffix}").read_bytes()
        (tmp_path / f"header{suffix}").write_bytes(data[:80])
    for suffix in LOSSLESS:
        soundfile.write(tmp_path / f"none{suffix}", np.zeros((0, 2)), RATE)
    for value in (np.nan, np.inf, -np.inf, 1e30):
        sound = noise(3 * RATE)
        sound[2 * RATE + 1, 1] = value
        soundfile.write(tmp_path / f"{value}.wav", sound, RATE, subtype="FLOAT")
    os.mkfifo(tmp_path / "pipe.wav")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("missing.wav", "there is no such file; check"),
        ("folder.wav", "is a folder; name"),
        ("pipe.wav", "is not a regular file; copy"),
        ("song.xyz", r"not a sound file that can be read here; use one of \.aac"),
        ("playlist.m4a", "is damaged or not the sound its name says; export"),
        *[(f"empty{suffix}", r"is empty \(0 bytes\); copy") for suffix in sorted(AUDIO_SUFFIXES)],
        *[(f"text{suffix}", "is damaged or not the sound") for suffix in sorted(AUDIO_SUFFIXES)],
        *[
            (f"header{suffix}", "is damaged or not the sound|contains no sound")
            for suffix in sorted(WRITE_SUFFIXES)
        ],
        ("none.wav", "has a header but contains no sound; copy"),
        ("none.flac", "is empty|has a header but contains no sound"),
        ("nan.wav", r"a sample 2\.000 s after the start is infinite or not a number; export"),
        ("inf.wav", r"a sample 2\.000 s after the start is infinite"),
        ("-inf.wav", r"a sample 2\.000 s after the start is infinite"),
        ("1e+30.wav", r"a sample 2\.000 s after the start is infinite"),
    ],
)
def test_bad_input_explains_itself(bad: Path, name: str, cause: str) -> None:
    with pytest.raises(AudioError, match=cause) as caught:
        load(bad / name)
    message = str(caught.value)
    assert message.startswith(f"{bad / name}: ")
    assert "\n" not in message


WAV_FIELDS: dict[str, tuple[int, int, int, str]] = {
    "channels": (22, 2, 65_535, "channels|is damaged"),
    "no channels": (22, 2, 0, "is damaged"),
    "rate": (24, 4, 2**31 - 1, "samples per second"),
    "negative rate": (24, 4, 2**32 - 1, "samples per second|is damaged"),
    "no rate": (24, 4, 0, "is damaged|samples per second"),
    "slow": (24, 4, 999, "claims 999 samples per second"),
}


@pytest.mark.parametrize("field", WAV_FIELDS)
def test_absurd_headers_are_refused(tmp_path: Path, field: str) -> None:
    at, size, value, cause = WAV_FIELDS[field]
    soundfile.write(tmp_path / "x.wav", noise(1000), RATE, subtype="PCM_16")
    data = bytearray((tmp_path / "x.wav").read_bytes())
    data[at : at + size] = value.to_bytes(size, "little")
    (tmp_path / "x.wav").write_bytes(data)
    with pytest.raises(AudioError, match=cause):
        load(tmp_path / "x.wav")


def test_a_sound_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audio, "LONGEST", 2)
    for seconds in (2, 3):
        save(tmp_path / f"{seconds}.flac", Audio(np.zeros((seconds * RATE, 2), np.float32)))
    assert len(load(tmp_path / "2.flac").samples) == 2 * RATE
    with pytest.raises(AudioError, match=r"3\.flac: goes on for more than 0 hours; cut it"):
        load(tmp_path / "3.flac")


def test_a_length_that_cannot_be_is_not_believed(tmp_path: Path) -> None:
    save(tmp_path / "x.flac", Audio(noise(9000)))
    data = bytearray((tmp_path / "x.flac").read_bytes())
    data[21] |= 0x0F  # the 36-bit count of samples, RFC 9639, 8.2
    data[22:26] = b"\xff" * 4
    (tmp_path / "x.flac").write_bytes(data)
    with traced() as peak:
        assert Reader(tmp_path / "x.flac").length is None
        assert len(load(tmp_path / "x.flac").samples) == 9000
        assert peak() < 2e6


def test_memory_does_not_grow_with_length(tmp_path: Path) -> None:
    peaks = []
    for minutes in (1, 8):
        with Writer(tmp_path / f"{minutes}.flac", 48_000) as writer:
            for _ in range(minutes * 60):
                writer.write(np.zeros((48_000, 2), np.float32))
        with traced() as peak:
            with Reader(tmp_path / f"{minutes}.flac") as reader:
                assert sum(len(block) for block in reader.blocks()) == minutes * 60 * RATE
            peaks.append(peak())
    assert peaks[1] < 8e6
    assert peaks[1] < 1.2 * peaks[0]


# Writing


@pytest.mark.parametrize("suffix", sorted(WRITE_SUFFIXES))
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, OSError])
def test_an_abort_leaves_nothing(tmp_path: Path, suffix: str, error: type[BaseException]) -> None:
    path = tmp_path / f"x{suffix}"
    path.write_bytes(b"as it was")

    def interrupted() -> None:
        with Writer(path) as writer:
            writer.write(noise(5000))
            raise error

    with pytest.raises(error):
        interrupted()
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == b"as it was"


def test_what_is_no_sound_is_not_written(tmp_path: Path) -> None:
    sound = noise(100)
    sound[3, 0] = np.nan
    with pytest.raises(AudioError, match="a sample is infinite or not a number"):
        save(tmp_path / "x.wav", Audio(sound))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "rate", "cause"),
    [
        ("x.xyz", RATE, r"not a format that can be written; use one of \.flac \.mp3"),
        ("missing/x.wav", RATE, "cannot be written .No such file or directory.; choose"),
        ("x.mp3", 96_000, "only supports sample rates of 8000"),
    ],
)
def test_what_cannot_be_written_explains_itself(
    tmp_path: Path, name: str, rate: int, cause: str
) -> None:
    with pytest.raises(AudioError, match=cause) as caught:
        save(tmp_path / name, Audio(noise(100), rate))
    assert str(caught.value).startswith(f"{tmp_path / name}: ")
    assert not list(tmp_path.iterdir())


def test_wav_ends_at_4_gib(tmp_path: Path) -> None:
    def write_on() -> None:
        with Writer(tmp_path / "x.wav") as writer:
            writer._length = 2**29 - 100
            writer.write(np.zeros((200, 2), np.float32))

    with pytest.raises(AudioError, match="too long for wav, which ends at 4 GiB; use flac"):
        write_on()
    assert not list(tmp_path.iterdir())


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from stemlab.sound.audio import Audio, save
from stemlab.errors import AudioError
from stemlab.sound.stem_mp4 import StemFileWriter

def write(path, sound):
    if not path.name.endswith(".mp4"):
        return save(path, Audio(sound))
    with StemFileWriter(path, ["vocals"]) as writer:
        writer.write(sound, sound[None])

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
sound = np.random.default_rng(0).uniform(-0.5, 0.5, (50_000, 2)).astype(np.float32)
path = Path(sys.argv[1])
write(path, sound)
size = path.stat().st_size
path.unlink()
for room in (100, size // 2, size - 3000, size - 1):
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    try:
        write(path, sound)
        print("not noticed:", room, "of", size)
    except AudioError as error:
        assert "cannot be written" in str(error) and "has room" in str(error), error
    assert not list(path.parent.iterdir())
"""


@pytest.mark.parametrize("suffix", [*sorted(WRITE_SUFFIXES), ".stem.mp4"])
def test_a_full_disk_is_noticed_and_nothing_left(tmp_path: Path, suffix: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path / f"x{suffix}")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


DENIED = """
import os, sys
from pathlib import Path
import mutagen, numpy as np, soundfile  # while they may be read
from stemlab.sound.audio import Audio, load, save
from stemlab.errors import AudioError

if not os.getuid():
    os.setuid(65534)
folder = Path(sys.argv[1])
for act in (
    lambda: load(folder / "x.wav"),
    lambda: save(folder / "y.wav", Audio(np.zeros((9, 2), np.float32))),
):
    try:
        act()
    except AudioError as error:
        print(str(error).partition("wav: ")[2])
"""


def test_what_is_not_permitted_explains_itself(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir()
    save(folder / "x.wav", Audio(noise(10)))
    (folder / "x.wav").chmod(0)
    for parent in (tmp_path, *tmp_path.parents[:2]):
        parent.chmod(0o755)
    folder.chmod(0o555)
    done = subprocess.run(
        [sys.executable, "-c", DENIED, str(folder)], capture_output=True, text=True, check=False
    )
    opened, written = done.stdout.splitlines()
    assert opened == "cannot be opened (Permission denied); check its permissions"
    assert written.startswith("cannot be written (Permission denied); choose a folder that")


# Tags


@pytest.mark.parametrize("suffix", sorted(WRITE_SUFFIXES))
def test_tags_and_cover_are_kept(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    sound = noise(5000)
    save(path, Audio(sound), TAGS)
    with Reader(path) as reader:
        assert reader.tags == TAGS
    save(tmp_path / f"bare{suffix}", Audio(sound))
    np.testing.assert_array_equal(load(path).samples, load(tmp_path / f"bare{suffix}").samples)


def test_tags_of_aiff_opus_and_webm(tmp_path: Path, songs: dict[str, Path]) -> None:
    for suffix in (".aiff", ".opus"):
        path = tmp_path / f"x{suffix}"
        path.write_bytes(songs[suffix].read_bytes())
        file = mutagen.File(path)
        if suffix == ".aiff":
            file.add_tags()
            file.tags.add(mutagen.id3.TIT2(text="Lied"))
        else:
            file["title"] = "Lied"
        file.save()
        assert Reader(path).tags == Tags(title="Lied")
    encode(tmp_path / "x.webm", noise(9000), 48_000, "libopus", title="Lied")
    assert Reader(tmp_path / "x.webm").tags == Tags(title="Lied")


@pytest.mark.parametrize("suffix", sorted(WRITE_SUFFIXES))
def test_no_tags_are_no_tags(tmp_path: Path, suffix: str) -> None:
    save(tmp_path / f"x{suffix}", Audio(noise(500)), Tags())
    assert Reader(tmp_path / f"x{suffix}").tags == Tags()


def test_damaged_tags_do_not_stop_the_music(tmp_path: Path) -> None:
    save(tmp_path / "x.flac", Audio(noise(500)), TAGS)
    data = (tmp_path / "x.flac").read_bytes()
    at = data.index("Tür zu".encode())
    broken = data[: at - 20] + b"\xff" * 12 + data[at - 8 :]
    (tmp_path / "x.flac").write_bytes(broken)
    found: Any = Reader(tmp_path / "x.flac").tags
    assert isinstance(found, Tags)


def test_importing_stays_light() -> None:
    heavy = (
        "import sys, stemlab.sound.audio\n"
        "print({'av', 'soxr', 'mutagen', 'scipy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30, -1e30])
def test_what_is_no_sound_is_no_audio(value: float) -> None:
    samples = noise(100)
    samples[50, 1] = value
    with pytest.raises(AudioError, match="sound: refused, a sample is infinite or not a number"):
        Audio(samples)


@pytest.mark.parametrize("suffix", [".flac", ".ogg", ".mp3"])
@pytest.mark.parametrize("peak", [2.0, 1e6, 3e7])
def test_whatever_is_too_loud_is_clipped_and_told(tmp_path: Path, suffix: str, peak: float) -> None:
    sound = np.clip(noise(20_000) * 4, -1, 1)
    clipped = tmp_path / f"clipped{suffix}"
    save(clipped, Audio(np.sign(sound)))
    told = f"{20 * np.log10(peak):.1f} dB over full scale and is clipped"
    with pytest.warns(AudioWarning, match=told):
        save(tmp_path / f"x{suffix}", Audio((np.sign(sound) * peak).astype(np.float32)))
    back = load(tmp_path / f"x{suffix}").samples
    np.testing.assert_array_equal(back, load(clipped).samples)


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros((2, 1000), np.float32),
        np.zeros(1000, np.float32),
        np.zeros((1000, 1), np.float32),
        np.zeros((1000, 2), np.int16),
        np.zeros((1000, 2), complex),
    ],
    ids=["channels first", "mono", "one column", "integers", "complex"],
)
def test_what_is_not_stereo_of_floats_is_refused(samples: Any) -> None:
    with pytest.raises(AudioError, match=r"not \[samples, 2\] of floats; transpose"):
        Audio(samples)


def test_a_sound_has_a_rate() -> None:
    with pytest.raises(AudioError, match="sound: 0 samples per second"):
        Audio(np.zeros((10, 2), np.float32), 0)


def test_double_precision_is_kept_as_single() -> None:
    assert Audio(np.full((10, 2), 0.1)).samples.dtype == np.float32
    single = np.zeros((10, 2), np.float32)
    assert Audio(single).samples is single
