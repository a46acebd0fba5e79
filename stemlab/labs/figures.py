"""The figures of the lesson on masks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from stemlab.pictures import colours
from stemlab.pictures.picture import Axis, Picture
from stemlab.pictures.plots import draw_cells, draw_levels

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from stemlab.spectral import Samples, Spectrum, Stft

INK, FAINT = "#0072b2", "#999999"
TICKS = {
    50: "50",
    100: "100",
    200: "200",
    500: "500",
    1000: "1k",
    2000: "2k",
    5000: "5k",
    10_000: "10k",
}


def close_up(
    before: Samples,
    after: Samples,
    rate: int,
    spectrum: Spectrum,
    stft: Stft,
    *,
    axis: Axis | None = None,
    seconds: float = 0.3,
) -> Figure:
    """Draw two sounds where the first has its sharpest onset, and the spectrogram of the second.

    Parameters
    ----------
    before, after
        [samples, 2].
    rate
        Samples per second.
    spectrum
        Of the second sound, [frames, bins, 2] of `stft`.
    stft
        The transform.
    axis
        Of the spectrogram.
    seconds
        How much of the sounds is drawn.
    """
    figure = _figure(9.4, 3.2, "waveform before and after, spectrogram after")
    left, right = _row(figure, 2, 3, right=0.6)
    start = max(0, _onset(before) - round(seconds / 2 * rate))
    part = slice(start, start + round(seconds * rate))
    time = (start + np.arange(len(before[part]))) / rate
    left.plot(time, before[part].mean(1), color=FAINT, lw=2.5, label="before")
    left.plot(time, after[part].mean(1), color=INK, lw=0.9, label="after")
    left.set_title("Waveform", loc="left")
    left.set_xlabel("time in s")
    left.set_ylabel("amplitude")
    left.legend(loc="upper right", fontsize="small")
    picture = Picture.of(spectrum, stft=stft, rate=rate, axis=axis)
    draw_levels(right, picture, picture.levels(), "Spectrogram")
    right.set_xlim(max(picture.origin, time[0] - 1), min(picture.end, time[-1] + 1))
    right.set_xlabel("time in s")
    return figure


def _onset(sound: Samples, step: int = 256) -> int:
    """Return the sample where the level of a sound [samples, 2] rises most."""
    power = np.square(sound[: len(sound) // step * step]).reshape(-1, step, 2).sum((1, 2))
    rise: NDArray[np.float32] = np.diff(power)
    return (int(rise.argmax()) + 1) * step


def frame(
    picture: Picture, stems: Sequence[str], column: int, unsure: NDArray[np.float32]
) -> Figure:
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
        Entropy of the masks in bits, [columns, rows].
    """
    figure = _figure(9.4, 3.4, "level and masks over frequency, entropy over time and frequency")
    read, answer, doubt = _row(figure, 3, 3, 4, right=0.6)
    hertz = picture.axis.edges()[:-1]
    time = picture.origin + (column + 0.5) / picture.pace
    read.plot(hertz, picture.levels()[column], color=INK, lw=1)
    read.set_ylim(-96, 0)
    read.set_ylabel("level in dB")
    read.set_title(f"It reads, at {time:.2f} s", loc="left")
    shares = picture.masks()[column].T
    hues = colours.hues(stems)
    answer.stackplot(hertz, shares, labels=stems, colors=hues)
    answer.set_ylim(0, shares.sum(0).max())
    answer.set_ylabel("mask")
    answer.set_title("It answers", loc="left")
    answer.legend(fontsize="x-small", loc="upper left", framealpha=0.9)
    for axes in (read, answer):
        _logarithmic(axes)
    draw_cells(doubt, picture, unsure, "Where it is uncertain", colours.magma(), (0, 2), "bits")
    doubt.axvline(time, color="white", lw=2)
    doubt.axvline(time, color="black", lw=0.8)
    doubt.set_xlabel("time in s")
    return figure


def _logarithmic(axes: Axes) -> None:
    axes.set_xscale("log")
    axes.set_xlim(50, 11_000)
    axes.set_xticks(list(TICKS), list(TICKS.values()), fontsize="small")
    axes.minorticks_off()
    axes.set_xlabel("frequency in Hz")


def wave(true: Samples, rebuilt: Samples, rate: int, seconds: float = 0.025) -> Figure:
    """Draw two sounds [samples, 2] where the first is loudest, so close that waves are seen."""
    figure = _figure(9.4, 2.6, "waveforms of the true stem and of the rebuilt one")
    [axes] = _row(figure, 1)
    count = round(seconds * rate)
    loudest = int(np.abs(true[count:-count]).sum(1).argmax()) + count
    part = slice(loudest - count // 2, loudest + count // 2)
    time = 1000 * np.arange(part.stop - part.start) / rate
    axes.plot(time, true[part].mean(1), color=FAINT, lw=3, label="true stem")
    axes.plot(time, rebuilt[part].mean(1), color="#d55e00", lw=1.2, label="rebuilt")
    axes.set_xlabel(f"time in ms, from {part.start / rate:.2f} s on")
    axes.set_ylabel("amplitude")
    axes.legend(loc="upper right", fontsize="small")
    return figure


def leaks(table: NDArray[np.float64], stems: Sequence[str], asked: tuple[int, int]) -> Figure:
    """Draw how much of each true stem goes where, [true, estimate] in dB of the true stem."""
    figure = _figure(6.8, 3.2, "what of each true stem, in rows, turns up in each estimate")
    [axes] = _row(figure, 1, left=0.9, right=0.6)
    image = axes.imshow(table, vmin=-30, vmax=0, cmap="magma", aspect="auto")
    for (i, j), value in np.ndenumerate(table):
        if np.isnan(value):
            continue
        ink = "black" if value > -10 else "white"  # noqa: PLR2004 - where magma turns light
        axes.text(j, i, f"{value:.1f}".replace("-", "−"), ha="center", va="center", color=ink)
    corner = (asked[1] - 0.5, asked[0] - 0.5)
    axes.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor="#56b4e9", lw=3))
    axes.set_xticks(range(len(stems)), stems)
    axes.set_yticks(range(len(stems)), stems)
    axes.set_xlabel("turns up in the model's …")
    axes.set_ylabel("of the true …")
    figure.colorbar(image, ax=axes, label="dB of the true stem")
    return figure


def learning(
    losses: Sequence[float], sdrs: Mapping[str, Sequence[float]], epoch: int, label: str
) -> Figure:
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
    figure = _figure(9.4, 2.8, f"loss and SDR over epochs; at the end {last}")
    loss, quality = _row(figure, 2, 3)
    loss.plot(losses, "o-", color=INK, ms=3)
    loss.set_yscale("log")
    loss.set_title("Loss: how wrong its masks are", loc="left")
    for (name, values), hue, mark in zip(sdrs.items(), (INK, "#d55e00"), "os", strict=True):
        quality.plot(values, mark + "-", color=hue, ms=4, label=name)
    quality.set_title(label, loc="left")
    quality.legend(fontsize="small", loc="lower right")
    for axes in (loss, quality):
        axes.axvline(epoch, color=FAINT, ls="--", zorder=0)
        axes.set_xlim(-0.5, max(len(losses), 10))
        axes.set_xlabel("epoch")
        axes.grid(alpha=0.3)
    return figure


def bars(values: Mapping[str, float], chosen: str, label: str) -> Figure:
    """Draw a bar for each value, the chosen one in colour."""
    figure = _figure(
        9.4, 0.9 + 0.32 * len(values), ", ".join(f"{k}: {v:.1f} dB" for k, v in values.items())
    )
    [axes] = _row(figure, 1, left=2)
    hues = [INK if name == chosen else "#bbbbbb" for name in values]
    axes.barh(list(values), list(values.values()), color=hues)
    axes.bar_label(axes.containers[0], fmt="%.1f", padding=3)  # type: ignore[arg-type]
    axes.invert_yaxis()
    axes.margins(x=0.08)
    axes.set_xlabel(label)
    return figure


def quality(
    points: Mapping[int, tuple[float, Mapping[str, float]]], chosen: int, stem: str
) -> Figure:
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
    figure = _figure(9.4, 3, f"SDR over size for some bits per weight; {chosen} bits are marked")
    [axes] = _row(figure, 1)
    sizes = [size for size, _ in points.values()]
    for name, hue, mark in zip(stems, colours.hues(stems), "osD^v" * len(stems), strict=False):
        sdrs = [sdr[name] for _, sdr in points.values()]
        width = 3 if name == stem else 1
        axes.plot(sizes, sdrs, mark + "-", color=hue, lw=width, ms=3 + 2 * width, label=name)
    axes.axvline(points[chosen][0], color=FAINT, ls="--", zorder=0)
    for bits, (size, _) in points.items():
        axes.annotate(f"{bits}", (size, 1), xycoords=("data", "axes fraction"),
                      xytext=(2, -10), textcoords="offset points", fontsize="small")  # fmt: skip
    axes.margins(y=0.15)
    axes.set_xscale("log")
    axes.set_xlim(0.9 * min(sizes), 1.3 * max(sizes))
    axes.set_xticks(sizes, [f"{size:.1f}" for size in sizes], minor=False)
    axes.set_xticks([], minor=True)
    axes.set_xlabel("size in MB; above, bits per weight")
    axes.set_ylabel("SDR in dB")
    axes.legend(fontsize="small", loc="lower right", ncols=len(stems))
    axes.grid(alpha=0.3)
    return figure


def _figure(width: float, height: float, told: str) -> Figure:
    """Return an empty figure with what it shows in words."""
    figure = Figure(figsize=(width, height))
    figure.set_label(told)
    return figure


def _row(figure: Figure, *widths: float, left: float = 0.8, right: float = 0.2) -> list[Axes]:
    """Return axes side by side, with room on the left and right in inches.

    Margins are fixed, since finding them would take most of the time.
    """
    width, height = figure.get_size_inches()
    grid = figure.add_gridspec(
        1,
        len(widths),
        width_ratios=widths,
        left=left / width,
        right=1 - right / width,
        bottom=0.55 / height,
        top=1 - 0.32 / height,
        wspace=0.3,
    )
    return [figure.add_subplot(grid[i]) for i in range(len(widths))]
