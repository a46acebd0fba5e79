"""What a mixture and its masks look like: columns of bytes, as a screen shows them.

One byte per cell and plane: plane 0 is the level of the mixture, the others are the masks of the
stems. Every cell shows the **loudest** of the bins and frames that it covers, with the masks of
that bin. A tone therefore reads its own level however wide the cell, the masks of a cell sum to 1
as those of a bin do, and painting a part twice changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemlab.errors import SettingError
from stemlab.masks import phase_sensitive_mask
from stemlab.pictures import colours
from stemlab.spectral import Stft

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from stemlab.masks import Masks
    from stemlab.spectral import Samples, Spectrum

# Cells of bytes: [columns, 1 + stems, rows], low frequencies first.
Columns: TypeAlias = NDArray[np.uint8]

# Level of bytes 0 (this or less) and 255 (this or more), in dB of a full-scale sine.
FLOOR, CEILING = -96.0, 0.0
# Levels between which colours change: one cell in a thousand of loud pop music is above.
SHOWN = (-80.0, -10.0)
# A song of more frames than this has several to a column: 12.7 minutes at 43 frames per second.
MOST_COLUMNS = 1 << 15
# Frames packed at once: their working set stays in the cache.
BATCH = 64


@dataclass(frozen=True)
class Axis:
    """The frequency axis of a picture.

    Attributes
    ----------
    scale
        ``"log"``: every octave is equally high; ``"linear"``: every hertz.
    low, high
        Its ends, in Hz.
    rows
        Number of cells from bottom to top.

    Examples
    --------
    >>> Axis("log", 100, 1600, 4).edges()
    array([ 100.,  200.,  400.,  800., 1600.])
    """

    scale: Literal["log", "linear"] = "log"
    low: float = 30.0
    high: float = 20_000.0
    rows: int = 256

    def edges(self) -> NDArray[np.float64]:
        """Return the borders of the rows in Hz, [rows + 1]."""
        if self.scale == "log":
            return np.geomspace(self.low, self.high, self.rows + 1)
        return np.linspace(self.low, self.high, self.rows + 1)

    def row(self, hertz: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the places of frequencies in rows from the bottom, not rounded."""
        low, high = self.low, self.high
        if self.scale == "log":
            hertz, low, high = np.log(hertz), np.log(low), np.log(high)
        places: NDArray[np.float64] = (hertz - low) / (high - low)
        return places * self.rows


class Picture:
    """Level and masks of a song, painted block by block as they become known.

    Parameters
    ----------
    stems
        Names of the stems; none for a plain spectrogram.
    frames
        Length of the song in frames of `stft`.
    stft
        The transform that the spectra come from.
    rate
        Samples per second.
    axis
        The frequency axis; cut off at half the rate.

    Attributes
    ----------
    columns
        The cells, uint8 [columns, 1 + stems, rows]. Plane 0: byte 0 is -96 dB or less, 255 is
        0 dB (a full-scale sine) or more, even steps of 0.376 dB between. Other planes: 255 times
        the mask.
    painted
        Which columns are known, bool [columns].
    stride
        Frames per column; more than 1 only for songs of more than 32 768 frames.
    starts, stop
        The first bin of each row, and the end of the last row's.

    Examples
    --------
    >>> stft = Stft()
    >>> time = np.arange(44_100) / 44_100
    >>> tone = 0.1 * np.sin(2 * np.pi * 1000 * time).astype(np.float32)[:, None]
    >>> picture = Picture.of(stft.analyse(tone))
    >>> middle = picture.levels()[20]
    >>> bool(abs(middle.max() + 20) < 1)
    True
    >>> row = middle.argmax()
    >>> picture.axis.edges()[[row, row + 1]].round()
    array([ 999., 1024.])
    """

    def __init__(
        self,
        stems: Sequence[str],
        frames: int,
        *,
        stft: Stft | None = None,
        rate: int = 44_100,
        axis: Axis | None = None,
    ) -> None:
        self.stems = tuple(stems)
        self.stft = stft or Stft()
        self.rate = rate
        axis = axis or Axis()
        self.axis = Axis(axis.scale, axis.low, min(axis.high, rate / 2), axis.rows)
        self.stride = max(1, -(-frames // MOST_COLUMNS))
        columns = -(-frames // self.stride)
        self.columns: Columns = np.zeros((columns, 1 + len(stems), axis.rows), np.uint8)
        self.painted = np.zeros(columns, bool)
        self.starts, self.stop = _bins(self.axis, rate / self.stft.n_fft, self.stft.bins)

    @classmethod
    def of(
        cls,
        spectrum: Spectrum,
        masks: Masks | None = None,
        stems: Sequence[str] = (),
        *,
        stft: Stft | None = None,
        rate: int = 44_100,
        axis: Axis | None = None,
    ) -> Picture:
        """Return the whole picture of a spectrum and its masks.

        Parameters
        ----------
        spectrum
            The mixture, [frames, bins, channels].
        masks
            Its masks, [frames, bins, channels, stems]; None for a plain spectrogram.
        stems
            The names that go with the masks.
        stft, rate, axis
            As for `Picture`.

        Raises
        ------
        SettingError
            If the shapes do not fit each other, the names or the transform.
        """
        picture = cls(stems, len(spectrum), stft=stft, rate=rate, axis=axis)
        picture.paint(0, spectrum, masks)
        return picture

    @classmethod
    def of_stems(
        cls,
        stems: Mapping[str, Samples],
        *,
        stft: Stft | None = None,
        rate: int = 44_100,
        axis: Axis | None = None,
    ) -> Picture:
        """Return the whole picture of a song that is known by its stems only.

        Their sum is the mixture, and ``Re(S / X)`` gives back the masks that made them: a
        separated stem is mask times mixture. See `stemlab.masks.phase_sensitive_mask`.

        Parameters
        ----------
        stems
            Names and sound [samples, channels] of the stems, all equally long.
        stft, rate, axis
            As for `Picture`.
        """
        stft = stft or Stft()
        sounds = list(stems.values())
        frames = stft.frames(len(sounds[0]))
        picture = cls(list(stems), frames, stft=stft, rate=rate, axis=axis)
        frame = 0
        for spectra in _spectra(sounds, stft):
            picture.paint(frame, spectra.sum(-1), phase_sensitive_mask(spectra))
            frame += len(spectra)
        return picture

    @property
    def pace(self) -> float:
        """Columns per second."""
        return self.rate / (self.stft.hop * self.stride)

    @property
    def origin(self) -> float:
        """Time of the left edge of column 0 in seconds: half a hop before frame 0's middle."""
        return float(self.stft.centre(0) - self.stft.hop / 2) / self.rate

    @property
    def end(self) -> float:
        """Time of the right edge of the last column in seconds."""
        return self.origin + len(self.columns) / self.pace

    def levels(self) -> NDArray[np.float32]:
        """Return the mixture's levels in dB, [columns, rows]."""
        return FLOOR + self.columns[:, 0] * np.float32((CEILING - FLOOR) / 255)

    def masks(self) -> Masks:
        """Return the masks, [columns, rows, stems]."""
        return np.moveaxis(self.columns[:, 1:], 1, 2) / np.float32(255)

    def heard(self, gains: Sequence[float]) -> NDArray[np.float32]:
        """Return the levels of ``mixture x Σ gain·mask`` in dB, [columns, rows].

        Examples
        --------
        >>> spectrum = np.ones((1, 2049, 1), np.complex64)
        >>> even = np.full((1, 2049, 1, 2), 0.5, np.float32)
        >>> picture = Picture.of(spectrum, even, ["vocals", "accompaniment"])
        >>> loss = picture.levels() - picture.heard([1, 0])
        >>> float(loss.mean().round(1))
        6.0
        """
        share = self.masks() @ np.asarray(gains, np.float32)
        change: NDArray[np.float32] = 20 * np.log10(np.maximum(share, np.float32(1e-5)))
        return self.levels() + change

    def paint(self, frame: int, spectrum: Spectrum, masks: Masks | None = None) -> range:
        """Paint a part that starts at a frame; return the columns it touched.

        Parameters
        ----------
        frame
            Index of the part's first frame; frames beyond the song's end are left out.
        spectrum
            The mixture, [frames, bins, channels].
        masks
            Its masks, [frames, bins, channels, stems].

        Raises
        ------
        SettingError
            If the shapes do not fit the picture.
        """
        self._check(spectrum, masks)
        count = min(len(spectrum), len(self.columns) * self.stride - frame)
        for first in range(0, count, BATCH):
            part = slice(first, min(first + BATCH, count))
            cells = self._cells(spectrum[part], None if masks is None else masks[part])
            self._merge(frame + first, cells)
        touched = range(frame // self.stride, -(-(frame + count) // self.stride))
        self.painted[touched.start : touched.stop] = True
        return touched

    def _check(self, spectrum: Spectrum, masks: Masks | None) -> None:
        if spectrum.ndim != 3 or spectrum.shape[1] != self.stft.bins:  # noqa: PLR2004 - as documented
            raise SettingError(
                f"the spectrum is {list(spectrum.shape)}: a transform of {self.stft.n_fft} samples "
                f"gives [frames, {self.stft.bins}, channels]; pass the stft it was made with"
            )
        wanted = (*spectrum.shape, len(self.stems))
        if masks.shape != wanted if masks is not None else self.stems:
            found = "missing" if masks is None else list(masks.shape)
            raise SettingError(
                f"the masks are {found}: the spectrum and {len(self.stems)} named stems ask for "
                f"{list(wanted)}"
            )

    def _cells(self, spectrum: Spectrum, masks: Masks | None) -> Columns:
        """Pack frames to bytes, [frames, 1 + stems, rows]."""
        power = np.square(spectrum.real) + np.square(spectrum.imag)
        bins = _loudest(power.mean(2)[:, : self.stop], self.starts)
        rows = (np.arange(len(spectrum))[:, None], bins)
        power = power[rows]
        cells = np.empty((len(spectrum), 1 + len(self.stems), len(self.starts)), np.uint8)
        full = np.float32(self.stft.taper.sum() / 2)
        cells[:, 0] = level_bytes(power.mean(2) / full**2)
        if masks is not None:
            # Uniform where all is silent.
            weights = power + np.float32(1e-30)
            weights /= weights.sum(2, keepdims=True)
            shown = np.einsum("frc,frcs->fsr", weights, masks[rows])
            cells[:, 1:] = np.rint(shown * 255)
        return cells

    def _merge(self, frame: int, cells: Columns) -> None:
        """Take each cell over where it is no quieter than what its column shows."""
        if self.stride == 1:
            self.columns[frame : frame + len(cells)] = cells
            return
        for i in range(min(self.stride, len(cells))):
            new = cells[i :: self.stride]
            first = (frame + i) // self.stride
            old = self.columns[first : first + len(new)]
            np.copyto(old, new, where=new[:, :1] >= old[:, :1])


def _spectra(stems: Sequence[Samples], stft: Stft) -> Iterator[Spectrum]:
    """Yield the spectra of stems [samples, channels], [frames, bins, channels, stems] a time."""
    analyser, size = stft.analyser(), BATCH * stft.hop
    shape = (stft.bins, *stems[0].shape[1:], len(stems))
    for start in range(0, len(stems[0]), size):
        block = np.stack([stem[start : start + size] for stem in stems], -1)
        yield analyser.push(block.reshape(len(block), -1)).reshape(-1, *shape)
    yield analyser.flush().reshape(-1, *shape)


def level_bytes(power: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return power relative to a full-scale sine as bytes, 0 for -96 dB or less, 255 for 0 dB.

    Examples
    --------
    >>> level_bytes(np.array([0, 1e-6, 1, 4], np.float32))
    array([  0,  96, 255, 255], dtype=uint8)
    """
    decibels = 10 * np.log10(np.maximum(power, np.float32(1e-20)))
    steps: NDArray[np.float32] = (decibels - FLOOR) * (255 / (CEILING - FLOOR))
    packed: NDArray[np.uint8] = np.rint(steps.clip(0, 255)).astype(np.uint8)
    return packed


def level_steps() -> NDArray[np.uint8]:
    """Return which of 256 colours each level byte has, [256]: the first and last at `SHOWN`."""
    levels = np.linspace(FLOOR, CEILING, 256)
    share = (levels - SHOWN[0]) / (SHOWN[1] - SHOWN[0])
    steps: NDArray[np.uint8] = np.rint(share.clip(0, 1) * 255).astype(np.uint8)
    return steps


def level_table() -> colours.Table:
    """Return the colours of level bytes, [256, 3]: magma between the levels `SHOWN`."""
    return colours.magma()[level_steps()]


def _bins(axis: Axis, width: float, bins: int) -> tuple[NDArray[np.intp], int]:
    """Return the first bin of each row and the end of the last row's.

    A row takes the bins whose centre lies in it, or the nearest one if it is narrower than a bin.
    """
    edges = axis.edges() / width
    first = np.ceil(edges).astype(np.intp)
    nearest = np.rint((edges[:-1] + edges[1:]) / 2).astype(np.intp)
    starts = np.where(first[1:] > first[:-1], first[:-1], nearest)
    stop = min(max(int(first[-1]), int(starts[-1]) + 1), bins)
    return starts.clip(0, stop - 1), stop


def _loudest(power: NDArray[np.float32], starts: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the bin of most power in each row, [frames, rows], from [frames, bins].

    Floats ≥ 0 sort as their bits do: with the bin's number below them, one maximum finds both.
    """
    bits = np.ascontiguousarray(power).view(np.int32).astype(np.int64)
    keys = bits << 32 | np.arange(power.shape[1])
    return np.maximum.reduceat(keys, starts, axis=1) & 0xFFFFFFFF
