"""Sound files for tests that `stemlab.sound.audio` itself cannot write."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, cast

import av
import numpy as np
from scipy.signal import butter, sosfilt

if TYPE_CHECKING:
    import numpy.typing as npt
    from av import AudioStream

    Samples = npt.NDArray[np.float32]

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SONGS = DATA / "stems"


def noise(samples: int, channels: int = 2, seed: int = 0) -> Samples:
    """Make noise below 4 kHz, whose shape lossy coders keep; float32 ``[samples, channels]``."""
    white = np.random.default_rng(seed).standard_normal((samples, channels))
    low: Samples = sosfilt(butter(4, 0.18, output="sos"), 0.3 * white, axis=0).astype(np.float32)
    return low


def encode(
    path: Path,
    samples: Samples,
    rate: int,
    codec: str,
    layout: str = "stereo",
    title: str = "",
) -> Path:
    """Write what only libav encodes, such as AAC and Opus in m4a, aac and webm."""
    with av.open(str(path), "w", options=_moov_first(path)) as container:
        container.metadata["title"] = title
        stream = cast("AudioStream", container.add_stream(codec, rate=rate, layout=layout))
        stream.bit_rate = 256_000
        stream.time_base = Fraction(1, rate)
        packed = np.ascontiguousarray(samples).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(packed, format="flt", layout=layout)
        frame.sample_rate = rate
        frame.pts = 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _moov_first(path: Path) -> dict[str, str]:
    return {"movflags": "faststart"} if path.suffix in {".m4a", ".mp4"} else {}


def lag(signal: Samples, reference: Samples) -> int:
    """Count, by correlation, the samples by which ``signal`` comes later than ``reference``."""
    size = 1 << (len(signal) + len(reference)).bit_length()
    spectra = np.fft.rfft(signal[:, 0], size) * np.fft.rfft(reference[:, 0], size).conj()
    shift = int(np.fft.irfft(spectra).argmax())
    return shift if shift < size // 2 else shift - size


def snr(signal: Samples, reference: Samples) -> float:
    """Compute the signal-to-error ratio in dB."""
    error = np.sum((signal.astype(float) - reference) ** 2)
    return float(10 * np.log10(np.sum(reference.astype(float) ** 2) / max(error, 1e-30)))
