"""Colours of stems and of levels, the same in every widget and figure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

# Red, green and blue, 0 to 255, for each of 256 steps: [256, 3].
Table: TypeAlias = NDArray[np.uint8]

# Okabe and Ito, "Color Universal Design" (2008). The usual four stems have the four hues that lie
# furthest apart for every kind of colour vision and stand out on white and on black.
USUAL = {
    "vocals": "#d55e00",
    "drums": "#e69f00",
    "bass": "#0072b2",
    "other": "#56b4e9",
    "accompaniment": "#56b4e9",
    "piano": "#009e73",
    "guitar": "#cc79a7",
}
OKABE_ITO = ("#d55e00", "#56b4e9", "#e69f00", "#0072b2", "#009e73", "#cc79a7", "#f0e442")

# Every fifteenth colour of matplotlib's magma (Smith and van der Walt, CC0): what lies between
# differs from straight lines by at most 3 of 255.
MAGMA_KNOTS = bytes.fromhex(
    "000004 090720 1a1042 311165 4a1079 621980 792282 912b81 aa337d"
    "c23b75 d9466b ec5860 f7725c fc8e64 feaa74 fec68a fde2a3 fcfdbf"
)

# Lightness of the empty mask on a dark and on a light page, the least of the full one on a dark
# page, and how much darker than the stem's hue it is on a light page.
NIGHT, DAY, GLOW, SHADE = 0.16, 0.985, 0.60, 0.06

# Ottosson, "A perceptual color space for image processing" (2020).
RGB_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
LMS_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def hues(stems: Sequence[str]) -> list[str]:
    """Return one colour for each stem, as ``#rrggbb``.

    Well-known stems keep their colour in every model; the others get those that are left over.

    Examples
    --------
    >>> hues(["vocals", "strings"])
    ['#d55e00', '#56b4e9']
    """
    taken = {USUAL[stem] for stem in stems if stem in USUAL}
    spare = [hue for hue in OKABE_ITO if hue not in taken] + list(OKABE_ITO)
    unknown = [stem for stem in stems if stem not in USUAL]
    given = {stem: spare[i % len(spare)] for i, stem in enumerate(unknown)}
    return [USUAL.get(stem) or given[stem] for stem in stems]


def magma() -> Table:
    """Return the table for levels, [256, 3]: perceptually uniform, dark to light."""
    knots = np.frombuffer(MAGMA_KNOTS, np.uint8).reshape(-1, 3)
    places = np.linspace(0, 255, len(knots))
    columns = [np.interp(np.arange(256), places, knots[:, i]) for i in range(3)]
    return np.stack(columns, 1).round().astype(np.uint8)


def ramp(hue: str, *, dark: bool) -> Table:
    """Return the table for the masks of a stem, [256, 3], from the page's colour to the stem's.

    A straight line in the OKLab space, so that equal steps of the mask look equally large.

    Parameters
    ----------
    hue
        The stem's colour, ``#rrggbb``.
    dark
        Whether the page is dark: the full mask is then lighter than the empty one, else darker.
    """
    full = oklab(np.frombuffer(bytes.fromhex(hue[1:]), np.uint8) / 255)
    empty = np.array([NIGHT if dark else DAY, 0, 0])
    full[0] = max(full[0], GLOW) if dark else full[0] - SHADE
    line = empty + (full - empty) * np.linspace(0, 1, 256)[:, None]
    return (_srgb(line) * 255).round().astype(np.uint8)


def oklab(srgb: NDArray[Any]) -> NDArray[np.float64]:
    """Return lightness and the two colour axes of sRGB colours [..., 3] from 0 to 1."""
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)  # noqa: PLR2004 - IEC 61966-2-1
    lab: NDArray[np.float64] = np.cbrt(linear @ RGB_TO_LMS.T) @ LMS_TO_LAB.T
    return lab


def _srgb(lab: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sRGB colours of OKLab ones; what no screen can show is cut off."""
    lms = (lab @ np.linalg.inv(LMS_TO_LAB).T) ** 3
    linear = np.clip(lms @ np.linalg.inv(RGB_TO_LMS).T, 0, 1)
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)  # noqa: PLR2004 - IEC 61966-2-1
