"""The picture of a stream: its newest seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stemlab.pictures.picture import Picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stemlab.masks import Masks
    from stemlab.pictures.picture import Axis
    from stemlab.spectral import Spectrum, Stft

# Seconds that are kept.
KEPT = 30.0


class RollingPicture(Picture):
    """Levels and masks of the newest seconds of a stream, the oldest first.

    It is as wide at the start, and empty; each new column pushes the oldest out.

    Parameters
    ----------
    stems, stft, rate, axis
        As for `stemlab.pictures.picture.Picture`.

    Attributes
    ----------
    first
        How many columns have been pushed out.

    Examples
    --------
    >>> import numpy as np
    >>> from stemlab.spectral import Stft
    >>> picture = RollingPicture([], stft=Stft())
    >>> wide = len(picture.columns)
    >>> picture.paint(0, np.ones((10, 2049, 2), np.complex64)) == range(wide, wide + 10)
    True
    >>> picture.first, int(picture.painted.sum()), round(picture.end, 2)
    (10, 10, 0.2)
    """

    def __init__(
        self,
        stems: Sequence[str],
        *,
        stft: Stft,
        rate: int = 44_100,
        axis: Axis | None = None,
    ) -> None:
        super().__init__(stems, round(KEPT * rate / stft.hop), stft=stft, rate=rate, axis=axis)

    @property
    def origin(self) -> float:
        """Time of the left edge of the oldest column in seconds."""
        return super().origin + (self.first - len(self.columns)) / self.pace

    def paint(self, frame: int, spectrum: Spectrum, masks: Masks | None = None) -> range:
        """Paint what follows, see `Picture.paint`; frames left out between stay unknown."""
        wide = len(self.columns)
        self._roll(frame + len(spectrum) - self.first)
        touched = super().paint(frame + wide - self.first, spectrum, masks)
        return range(touched.start + self.first, touched.stop + self.first)

    def _roll(self, columns: int) -> None:
        """Push so many out, if that is more than none."""
        kept = len(self.columns) - columns
        if columns <= 0:
            return
        for cells in (self.columns, self.painted):
            cells[: max(kept, 0)] = cells[columns:]
            cells[max(kept, 0) :] = 0
        self.first += columns
