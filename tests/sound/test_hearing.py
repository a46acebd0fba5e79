from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
import soundfile

from stemlab.separator import Separation
from stemlab.sound.audio import Audio
from stemlab.sound.hearing import LONGEST

RATE = 44_100


def tone(seconds: float, hertz: float = 440) -> Audio:
    wave = 0.3 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)
    return Audio(np.repeat(wave[:, None], 2, 1).astype(np.float32))


def played(html: str) -> list[np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    """Return the sounds in a page, [samples, 2]."""
    found = re.findall("base64,([^']+)'", html)
    return [soundfile.read(io.BytesIO(base64.b64decode(data)))[0] for data in found]


def test_a_sound_shows_as_a_player_with_the_sound() -> None:
    shown = tone(2)._repr_mimebundle_()
    assert shown["text/plain"] == "Audio: 2.0 s at 44100 Hz"
    [sound] = played(shown["text/html"])
    middle = np.abs(np.fft.rfft(sound[RATE // 2 : 3 * RATE // 2, 0]))
    assert middle.argmax() == 440
    assert np.abs(sound).max() == pytest.approx(0.3, abs=0.03)


@pytest.mark.parametrize("rate", [44_100, 96_000, 1000])
def test_any_rate_and_level_can_be_heard(rate: int) -> None:
    loud = Audio((1e6 * np.sign(tone(2).samples)).astype(np.float32), rate)
    [sound] = played(loud._repr_mimebundle_()["text/html"])
    heard_at = RATE if rate == RATE else 48_000  # MP3 knows no other of these
    assert len(sound) / heard_at == pytest.approx(loud.duration, rel=0.01)
    assert np.abs(sound).max() < 2


def test_a_separation_shows_each_stem_by_name() -> None:
    parts = {"vocals": tone(1), "<b>": tone(1, 880)}
    html = Separation(tone(1), parts)._repr_mimebundle_()["text/html"]
    assert len(played(html)) == 3
    assert re.findall("aria-label='([^']+)'", html) == ["mixture", "vocals", "&lt;b&gt;"]


def test_what_would_swell_the_page_is_only_named() -> None:
    long = Audio(np.zeros((LONGEST * 8000 + 1, 2), np.float32), 8000)
    shown = long._repr_mimebundle_()
    assert list(shown) == ["text/plain"]
    assert "StemPlayer" in shown["text/plain"]
