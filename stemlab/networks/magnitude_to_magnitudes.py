"""Networks that read the mixture's magnitudes and give those of stems, such as Open-Unmix's.

The ratio of a stem's magnitude to the mixture's is a mask, which keeps the mixture's phase.
"""

from __future__ import annotations

from stemlab.networks import magnitude_to_masks, spectrum_to_spectra

READS, hear, read = magnitude_to_masks.READS, magnitude_to_masks.hear, magnitude_to_masks.read
GIVES: tuple[str, ...] = ("tfcs",)
SAME_UNIT = True
masks = spectrum_to_spectra.masks
