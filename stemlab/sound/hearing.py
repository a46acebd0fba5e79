"""What a notebook shows of a sound: a small player, with the sound inside."""

from __future__ import annotations

import base64
import io
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

LONGEST = 600  # seconds of all sounds of an output together: what is longer would swell the page
_RATES = (8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)  # of MP3


def bundle(sounds: Mapping[str, Samples], rate: int) -> dict[str, str]:
    """Return a player for each sound [samples, 2], by the kinds of output that Jupyter knows."""
    seconds = [len(samples) / rate for samples in sounds.values()]
    lines = [f"{name or 'Audio'}: {s:.1f} s" for name, s in zip(sounds, seconds, strict=True)]
    text = f"{', '.join(lines)} at {rate} Hz"
    if sum(seconds) > LONGEST:
        return {"text/plain": f"{text}; too long to be played here: give it to a StemPlayer"}
    rows = "".join(_row(name, samples, rate) for name, samples in sounds.items())
    return {"text/plain": text, "text/html": f"<table>{rows}</table>"}


def _row(name: str, samples: Samples, rate: int) -> str:
    label = escape(name or "sound")
    return (
        f"<tr><th scope='row' style='text-align: left'>{escape(name)}</th>"
        f"<td><audio controls aria-label='{label}' preload='metadata' "
        f"src='data:audio/mpeg;base64,{_mp3(samples, rate)}'></audio></td></tr>"
    )


def _mp3(samples: Samples, rate: int) -> str:
    """Return a sound as MP3, which every browser plays, in base64."""
    import numpy as np
    import soundfile
    import soxr

    if rate not in _RATES:
        samples, rate = soxr.resample(samples, rate, _RATES[-1]), _RATES[-1]
    file = io.BytesIO()
    # LAME ends the process far above full scale.
    soundfile.write(file, np.clip(samples, -1, 1), rate, format="MP3")
    return base64.b64encode(file.getvalue()).decode()
