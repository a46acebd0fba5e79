"""The speech sounds of the singer: formants, voicing and noise of each phone.

Vowel formants: mean of the women in Hillenbrand, Getty, Clark and Wheeler (1995), "Acoustic
characteristics of American English vowels". Consonants: after Klatt (1980), "Software for a
cascade/parallel formant synthesizer", scaled to a woman's vocal tract.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Phone:
    """One steady speech sound; levels are amplitudes with an open vowel at 1."""

    formants: tuple[float, float, float]
    """First three formants in hertz; all zero means: those of the phone that follows."""
    voice: float = 1.0
    breath: float = 0.03
    noise: float = 0.0
    """Level of the noise made at a narrow place in the mouth."""
    noise_centre: float = 5000.0
    noise_width: float = 2000.0
    nasal: float = 0.0
    length: float = 0.07
    """Usual duration in seconds; vowels fill their note instead."""


VOWELS: dict[str, Phone] = {
    "IY": Phone((437, 2650, 3300)),
    "IH": Phone((483, 2300, 3050)),
    "EH": Phone((700, 2020, 2980)),
    "AE": Phone((720, 2050, 2970)),
    "AA": Phone((936, 1480, 2815)),
    "AO": Phone((740, 1136, 2824)),
    "OH": Phone((570, 1035, 2828)),
    "UH": Phone((519, 1225, 2827)),
    "UW": Phone((459, 1105, 2735)),
    "AH": Phone((753, 1426, 2933)),
    "ER": Phone((523, 1588, 1950)),
}

GLIDES = {"EY": ("EH", "IY"), "AY": ("AA", "IY"), "AW": ("AA", "UW"), "OW": ("OH", "UW")}
"""Vowels that move, from and to."""

CONSONANTS: dict[str, Phone] = {
    "L": Phone((400, 1250, 3000), 0.55, length=0.07),
    "R": Phone((440, 1300, 1800), 0.55, length=0.08),
    "W": Phone((370, 780, 2500), 0.5, length=0.08),
    "Y": Phone((350, 2600, 3350), 0.55, length=0.07),
    "M": Phone((300, 1150, 2500), 0.4, nasal=1.0, length=0.08),
    "N": Phone((300, 1750, 2750), 0.4, nasal=1.0, length=0.07),
    "NG": Phone((300, 2200, 2700), 0.4, nasal=1.0, length=0.08),
    "DH": Phone((350, 1500, 2800), 0.4, 0.05, 0.05, 6000, 3500, length=0.05),
    "V": Phone((350, 1200, 2500), 0.4, 0.05, 0.06, 6500, 4000, length=0.06),
    "Z": Phone((350, 1750, 2800), 0.25, 0.05, 0.22, 7200, 1600, length=0.08),
    "F": Phone((400, 1200, 2500), 0.0, 0.05, 0.12, 6500, 4500, length=0.1),
    "S": Phone((400, 1750, 2800), 0.0, 0.02, 0.42, 7300, 1500, length=0.11),
    "SH": Phone((400, 1900, 2700), 0.0, 0.05, 0.4, 3900, 1100, length=0.12),
    "HH": Phone((0, 0, 0), 0.0, 0.35, length=0.07),
}

SILENCE = Phone((0, 0, 0), 0.0, 0.0)
INHALE = Phone((650, 1500, 2700), 0.0, 0.3)

STOPS: dict[str, tuple[Phone, ...]] = {
    "P": (
        Phone((400, 950, 2400), 0.0, 0.0, length=0.06),
        Phone((400, 950, 2400), 0.0, 0.25, 0.15, 1200, 1200, length=0.012),
        Phone((0, 0, 0), 0.0, 0.3, length=0.03),
    ),
    "T": (
        Phone((400, 1850, 2950), 0.0, 0.0, length=0.05),
        Phone((400, 1850, 2950), 0.0, 0.1, 0.5, 5500, 2500, length=0.014),
        Phone((0, 0, 0), 0.0, 0.3, length=0.035),
    ),
    "K": (
        Phone((400, 2100, 2700), 0.0, 0.0, length=0.055),
        Phone((400, 2100, 2700), 0.0, 0.2, 0.35, 2600, 900, length=0.018),
        Phone((0, 0, 0), 0.0, 0.3, length=0.035),
    ),
    "B": (
        Phone((300, 950, 2400), 0.12, 0.0, length=0.05),
        Phone((350, 950, 2400), 0.4, 0.1, 0.06, 1200, 1200, length=0.01),
    ),
    "D": (
        Phone((300, 1850, 2950), 0.12, 0.0, length=0.04),
        Phone((350, 1850, 2950), 0.4, 0.1, 0.2, 5000, 2500, length=0.01),
    ),
    "G": (
        Phone((300, 2100, 2700), 0.12, 0.0, length=0.045),
        Phone((350, 2100, 2700), 0.4, 0.1, 0.15, 2500, 900, length=0.014),
    ),
}
"""Stops: closure, burst and, where unvoiced, the breath after it."""
