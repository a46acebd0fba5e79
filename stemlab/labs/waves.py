"""The lesson begins: from a wave to its Fourier transform, and from many of them to the picture."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import ipywidgets
import numpy as np

from stemlab.errors import SettingError
from stemlab.labs import figures
from stemlab.labs.experiment import Experiment, Outcome, menu, slider, steps, wide
from stemlab.pictures.picture import Axis, Picture
from stemlab.spectral import Stft
from stemlab.widgets.voice import Voice, samples_of

if TYPE_CHECKING:
    from stemlab.labs.excerpt import Excerpt
    from stemlab.spectral import Samples

__all__ = ["Voice", "waves"]

SECONDS = 3.0
SINE, SINES, STEM, OWN = "a sine", "two sines", "a voice", "your voice"
FIFTH = 1.5  # the second sine's frequency, of the first's
AXIS = Axis("linear", 0, 4000, 256)
STEP = 50  # ms that the slider moves


def waves(excerpt: Excerpt, voice: Voice) -> Experiment:
    """Step 1a: a sound, one window of it, its Fourier transform, and those up to it side by side.

    Parameters
    ----------
    excerpt
        Where the voice comes from that is not one's own.
    voice
        Stands among the controls; what it records is shown and heard at once.
    """
    rate = excerpt.rate
    count = round(SECONDS * rate)

    def sound_of(name: str, pitch: float, recorded: bytes) -> Samples:
        if name == OWN:
            return own(samples_of(recorded), count)
        if name == STEM:
            return np.resize(next(iter(excerpt.stems.values())), (count, 2))
        return sines([pitch] if name == SINE else [pitch, FIFTH * pitch], count, rate)

    @lru_cache(maxsize=1)  # while the clock moves
    def seen(sound: str, pitch: float, window: int, recorded: bytes) -> tuple[Samples, Picture]:
        whole, stft = sound_of(sound, pitch, recorded), Stft(window, window // 4)
        return whole, Picture.of(stft.analyse(whole), stft=stft, rate=rate, axis=AXIS)

    def make(sound: str, pitch: float, window: int, until: int, recorded: bytes) -> Outcome:
        controls["pitch"].disabled = sound not in (SINE, SINES)
        whole, picture = seen(sound, pitch, window, recorded)
        stft = picture.stft
        frame = full((until / 1000 - picture.origin) * picture.pace, stft, count)
        first = frame * stft.hop - stft.lead
        piece = whole[first : first + window].mean(1)
        drawing = figures.transform(picture, piece, stft.taper, frame)
        words = (
            f"The window is <b>{1000 * window / rate:.0f} ms</b> long. Its Fourier transform "
            f"tells the level of {stft.bins} frequencies, {rate / window:.1f} Hz apart."
        )
        heard = whole.copy()
        heard[round(until * rate / 1000) :] = 0
        return Outcome({"wave": heard}, words, drawing)

    last = round(1000 * SECONDS)
    until = ipywidgets.IntSlider(
        last, 0, last, STEP, description="windows up to, in ms", **wide(400)
    )
    controls = {
        "sound": menu("sound", [SINE, SINES, STEM, OWN]),
        "pitch": slider("pitch in Hz", 440, 110, 880, 10),
        "window": steps("window in samples", [2**k for k in range(9, 14)], 2048),
        "until": until,
        "recorded": voice,
    }
    # Who records wants to hear what was recorded.
    voice.observe(lambda _: controls["sound"].set_trait("value", OWN), "value")
    clock = ipywidgets.Play(last, 0, last, STEP, interval=150, repeat=True)
    ipywidgets.jslink((clock, "value"), (until, "value"))
    experiment = Experiment(make, controls, starts="recorded")
    row = experiment.children[0]
    row.children = [clock, *row.children]
    return experiment


def full(frame: float, stft: Stft, count: int) -> int:
    """Return the frame nearest to a place whose window lies within a sound of `count` samples.

    Examples
    --------
    >>> [full(frame, Stft(1024, 256), 44_100) for frame in (0, 50.2, 999)]
    [3, 50, 171]
    """
    return int(np.clip(frame, stft.lead // stft.hop, count // stft.hop - 1))


def own(recorded: Samples, count: int) -> Samples:
    """Return what was recorded, [count, 2], as loud as a sine of the lesson.

    Raises
    ------
    SettingError
        If nothing was.
    """
    if not len(recorded):
        raise SettingError("Nothing is recorded yet: press Record, and sing or say something.")
    peak = np.float32(max(1e-6, np.abs(recorded).max()))
    return np.resize(recorded * (np.float32(0.5) / peak), (count, 2))


def sines(hertz: list[float], count: int, rate: int) -> Samples:
    """Return sines together, each half as loud as the one before it, [count, 2].

    Examples
    --------
    >>> sines([11_025.0], 4, 44_100)[:, 0].round(3) + 0.0
    array([ 0. ,  0.4,  0. , -0.4], dtype=float32)
    """
    time = np.arange(count) / rate
    loud = 0.4 * 0.5 ** np.arange(len(hertz))
    wave: Samples = (np.sin(2 * np.pi * np.outer(time, hertz)) @ loud).astype(np.float32)
    return wave[:, None].repeat(2, 1)
