"""What the lesson on masks draws."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stemlab.pictures import colours
from stemlab.pictures.drawing import Drawing, Mark, Panel, Scale, area, levels, line, rule
from stemlab.pictures.picture import CEILING, FLOOR, Picture

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from stemlab.spectral import Samples

INK, WARM, FAINT = "#0072b2", "#d55e00", "#999999"
LEAST = -80.0  # dB that are drawn of a Fourier transform
TICKS = ((50, "50"), (200, "200"), (1000, "1k"), (5000, "5k"))


def transform(
    picture: Picture, piece: NDArray[np.float32], taper: NDArray[np.float32], frame: int
) -> Drawing:
    """Draw a window of a sound, its Fourier transform, and those of the windows up to it.

    Frequency is upright in both, so that a peak of the one lies beside a line of the other.

    Parameters
    ----------
    picture
        Of the whole sound.
    piece
        What the window looks at, [samples].
    taper
        The window's shape, [samples].
    frame
        Which one it is.
    """
    time = 1000 * (np.arange(len(piece)) - len(piece) / 2) / picture.rate
    loud = 1.1 * float(np.abs(piece).max()) + 1e-3
    lines = [
        line(time, piece, FAINT, "the sound", 1),
        line(time, piece * taper, INK, "through the window", 1.5),
    ]
    hertz = Scale.of(picture.axis)
    level = np.maximum(picture.levels()[frame], LEAST)
    middle = picture.origin + (frame + 0.5) / picture.pace
    at = f"time in ms, from {middle:.2f} s on"
    edges = picture.axis.edges()
    upright = (edges[:-1] + edges[1:]) / 2
    peaks = [line(level, upright, INK)]
    shown = levels(picture, slice(0, frame + 1))
    panels = [
        Panel("One window", Scale(time[0], -time[0], at), Scale(-loud, loud), lines, 3),
        Panel("Its Fourier transform", Scale(LEAST, 0, "level in dB"), hertz, peaks, 2),
        Panel(
            "Windows side by side",
            _time(0, picture.end),
            hertz,
            [shown, rule(middle)],
            4,
        ),
    ]
    return Drawing("one window of the sound, its Fourier transform, spectrogram up to it", panels)


def close_up(
    before: Samples,
    after: Samples,
    start: int,
    picture: Picture,
    columns: slice,
) -> Drawing:
    """Draw a part of two sounds, and the spectrogram of the second around it.

    Parameters
    ----------
    before, after
        The part, [samples, 2].
    start
        Where it begins, in samples.
    picture, columns
        Of the second sound, and which of it are drawn.
    """
    time = (start + np.arange(len(before))) / picture.rate
    lines = [
        line(time, before.mean(1), FAINT, "before", 2.5),
        line(time, after.mean(1), INK, "after", 1),
    ]
    loud = 1.05 * float(np.abs(before).max()) + 1e-3
    shown = levels(picture, columns)
    waveform = Panel("Waveform", _time(time[0], time[-1]), Scale(-loud, loud), lines, 2)
    around = _time(shown["left"], shown["right"])
    spectrogram = Panel("Spectrogram, after", around, Scale.of(picture.axis), [shown], 3)
    return Drawing("waveform before and after, spectrogram after", [waveform, spectrogram])


def frame(picture: Picture, stems: Sequence[str], column: int, unsure: Mark) -> Drawing:
    """Draw what the network reads in one frame, what it answers, and how unsure it is in all.

    Parameters
    ----------
    picture
        Levels and masks.
    stems
        Their names.
    column
        Which frame.
    unsure
        Entropy of the masks, as cells of the picture.
    """
    hertz = picture.axis.edges()[:-1]
    time = picture.origin + (column + 0.5) / picture.pace
    axis = Scale(50, 11_000, "frequency in Hz", scale="log", ticks=TICKS)
    tops = np.cumsum(picture.masks()[column].T, 0)
    parts = [
        area(hertz, top - share, top, hue, name)
        for name, hue, share, top in zip(
            stems, colours.hues(stems), picture.masks()[column].T, tops, strict=True
        )
    ]
    read = [line(hertz, picture.levels()[column], INK)]
    panels = [
        Panel(f"It reads, at {time:.2f} s", axis, Scale(FLOOR, CEILING, "level in dB"), read, 3),
        Panel("It answers", axis, Scale(0, float(tops[-1].max()), "mask"), parts, 4),
        Panel(
            "Where it is uncertain",
            _time(picture.origin, picture.end),
            Scale.of(picture.axis),
            [unsure, rule(time)],
            4,
        ),
    ]
    return Drawing("level and masks over frequency, entropy over time and frequency", panels)


def wave(true: Samples, rebuilt: Samples, rate: int, seconds: float = 0.025) -> Drawing:
    """Draw two sounds [samples, 2] where the first is loudest, so close that waves are seen."""
    count = round(seconds * rate)
    loudest = int(np.abs(true[count:-count]).sum(1).argmax()) + count
    part = slice(loudest - count // 2, loudest + count // 2)
    time = 1000 * np.arange(part.stop - part.start) / rate
    lines = [
        line(time, true[part].mean(1), FAINT, "true stem", 3),
        line(time, rebuilt[part].mean(1), WARM, "rebuilt", 1.2),
    ]
    loud = 1.1 * float(np.abs(true[part]).max()) + 1e-3
    axis = Scale(0, 1000 * seconds, f"time in ms, from {part.start / rate:.2f} s on")
    panel = Panel("Waveform", axis, Scale(-loud, loud), lines)
    return Drawing("waveforms of the true stem and of the rebuilt one", [panel])


def learning(
    losses: Sequence[float], sdrs: Mapping[str, Sequence[float]], epoch: int, label: str
) -> Drawing:
    """Draw how a network gets better with each epoch.

    Parameters
    ----------
    losses
        After each epoch; the first, before any, is not a number.
    sdrs
        As many values in dB for each piece of music.
    epoch
        Which one to mark.
    label
        Of the values in dB.
    """
    last = ", ".join(f"{name}: {values[-1]:.1f} dB" for name, values in sdrs.items())
    epochs = np.arange(len(losses))
    axis = Scale(-0.5, max(len(losses), 10), "epoch")
    known = np.array([loss for loss in losses if np.isfinite(loss)] or [0.01, 0.1])
    falls = Scale(0.8 * known.min(), 1.25 * known.max(), scale="log")
    fall = Panel(
        "Loss: how wrong its masks are",
        axis,
        falls,
        [rule(epoch), line(epochs, losses, INK, "", 1.5, dots=True)],
        2,
    )
    lines = [
        line(epochs, values, hue, name, 1.5, dots=True)
        for (name, values), hue in zip(sdrs.items(), (INK, WARM), strict=True)
    ]
    rise = Panel(label, axis, _around(np.array([*sdrs.values()])), [rule(epoch), *lines], 3)
    return Drawing(f"loss and SDR over epochs; at the end {last}", [fall, rise])


def quality(
    points: Mapping[int, tuple[float, Mapping[str, float]]], chosen: int, stem: str
) -> Drawing:
    """Draw the SDR of each stem against the size of the network.

    Parameters
    ----------
    points
        For each number of bits the megabytes and the SDR of each stem in dB.
    chosen
        The bits to mark.
    stem
        The stem to bring out.
    """
    stems = list(points[chosen][1])
    sizes = [size for size, _ in points.values()]
    sdrs = {name: [sdr[name] for _, sdr in points.values()] for name in stems}
    lines = [
        line(sizes, sdrs[name], hue, name, 3 if name == stem else 1, dots=True)
        for name, hue in zip(stems, colours.hues(stems), strict=True)
    ]
    ticks = [(size, f"{size:.1f}") for size in sizes]
    axis = Scale(0.9 * min(sizes), 1.3 * max(sizes), "size in MB", scale="log", ticks=ticks)
    mark = rule(points[chosen][0], f"{chosen} bits")
    every = _around(np.array([*sdrs.values()]), "SDR in dB")
    panel = Panel("Quality and size", axis, every, [mark, *lines])
    told = f"SDR over size for some bits per weight; {chosen} bits are marked"
    return Drawing(told, [panel])


def _time(start: float, end: float) -> Scale:
    return Scale(start, end, "time in s")


def _around(values: NDArray[np.float64], label: str = "") -> Scale:
    """Return an axis with some room around all values."""
    low, high = float(values.min()), float(values.max())
    room = max(0.1 * (high - low), 0.5)
    return Scale(low - room, high + room, label)
