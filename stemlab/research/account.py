"""What a setting costs: latency in its parts, speed, memory; and what it keeps."""

from __future__ import annotations

import sys
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stemlab.research.metrics import conservation

if TYPE_CHECKING:
    from collections.abc import Callable

    from stemlab.separator import Separator
    from stemlab.spectral import Samples


# Steps of the model that a stream holds: the one that fills, and the next two, which are read while
# the model runs and while its masks become sound.
STEPS_HELD = 3


@dataclass(frozen=True)
class Account:
    """What it costs to separate a stream with some settings, measured on this machine.

    Attributes
    ----------
    window
        Seconds until a sample has passed through all windows it lies in; with a transform that is
        not the model's, also until the masks of the model's own frames reach as far.
    lookahead
        Seconds of sound that the model wants to hear after a frame.
    buffer
        Seconds that a sample may wait at worst for others to go on together: in `STEPS_HELD` steps
        of the model; in the blocks that a stream takes in; in the blocks of whoever plays it.
    step
        Seconds of sound from one window of the model to the next.
    compute
        Seconds of work for one step of the model, all stages.
    speed
        Of the whole, in × real time, where all windows of the model are full; below 1 it cannot
        keep up with a live source.
    cpu
        CPU seconds for one second of sound, on all cores together, likewise.
    memory
        Peak of this process while it ran, in bytes.
    conservation
        By how many dB what the stems lack or add lies below the mix.
    nola
        Weakest to strongest overlap of the windows, see `stemlab.spectral.Stft.evenness`.
    cola
        Whether that overlap is constant.
    """

    window: float
    lookahead: float
    buffer: float
    step: float
    compute: float
    speed: float
    cpu: float
    memory: int
    conservation: float
    nola: float
    cola: bool

    @property
    def algorithmic(self) -> float:
        """Seconds of latency on an infinitely fast machine that takes single samples."""
        return self.window + self.lookahead

    @property
    def latency(self) -> float:
        """Seconds from a sample's coming to its stems, at worst."""
        return self.algorithmic + self.buffer + self.compute


def window_latency(separator: Separator) -> float:
    """Return the seconds until a sample has left all windows, see `Account.window`."""
    own, native = separator.stft, separator.model.card.stft
    masks = own.delay // 2
    if (own.n_fft, own.hop) != (native.n_fft, native.hop):
        # A new frame's masks lie between those of the native frames around its centre.
        masks = max(masks, native.n_fft // 2 + native.hop)
    return (own.delay // 2 + masks) / separator.rate


def windows(separator: Separator, samples: int) -> int:
    """Return how often the model runs for a sound of so many samples.

    Examples
    --------
    >>> from stemlab.separator import Separator
    >>> windows(Separator(), 44_100), windows(Separator(past=384), 6 * 44_100)
    (1, 4)
    """
    card = separator.model.card
    frames = separator.past + card.stft.frames(samples)
    step = separator.step // card.hop
    return 1 + max(0, -(-(frames - card.frames) // step))


def measure(
    separator: Separator,
    mix: Samples,
    block: int = 0,
    progress: Callable[[float], object] | None = None,
) -> tuple[Samples, Account]:
    """Separate a sound and take account of it.

    Parameters
    ----------
    separator
        With the settings in question. Its first sound ever takes longer.
    mix
        [samples, 2], at the separator's rate.
    block
        Samples that the player of a live stream takes at once.
    progress
        Called with the seconds that have just been done. To cancel, raise from it.

    Returns
    -------
    stems
        [stems, samples, 2].
    account
        What it took.

    Examples
    --------
    >>> from stemlab.separator import Separator
    >>> stems, account = measure(Separator(), np.zeros((44_100, 2), np.float32))
    >>> round(account.algorithmic, 3)  # a window of 4096 and 64 frames of look-ahead
    1.579
    >>> account.cola
    True
    """
    reset_peak_memory()
    rate, parts = separator.rate, []
    start, cpu = time.perf_counter(), time.process_time()
    with closing(separator.stream([mix])) as stream:
        for part in stream:
            parts.append(part.stems)
            if progress:
                progress(len(part.mix) / rate)
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    memory = peak_memory()
    stems = np.concatenate(parts, axis=1)
    # The last window costs as much as the others, however little of it is sound.
    runs, step = windows(separator, len(mix)), separator.step / rate
    return stems, Account(
        window=window_latency(separator),
        lookahead=separator.lookahead * separator.model.card.hop / rate,
        buffer=(STEPS_HELD * separator.step + separator.batch + block) / rate,
        step=step,
        compute=wall / runs,
        speed=runs * step / wall,
        cpu=cpu / (runs * step),
        memory=memory,
        conservation=conservation(mix, stems),
        nola=separator.stft.evenness,
        cola=separator.stft.cola,
    )


def peak_memory() -> int:
    """Return the most bytes this process has held since `reset_peak_memory`, or since its start."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def reset_peak_memory() -> None:
    """Begin anew to watch for the peak of memory; without effect on other systems than Linux."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return
