"""A few seconds of a song, with all that a lesson on masks compares: true stems and the model's."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stemlab.errors import AudioError, SettingError
from stemlab.research.layouts import MIXTURES, STEM_FILES, find_songs
from stemlab.research.metrics import energy, sdr
from stemlab.research.references import Mixed
from stemlab.separator import Separator
from stemlab.sound.audio import Audio, Reader
from stemlab.spectral import beside

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from stemlab.masks import Masks
    from stemlab.research.references import Source
    from stemlab.spectral import Samples, Spectrum, Stft

LONGEST = 11.0  # seconds: within one window of the default model


@dataclass(frozen=True)
class Score:
    """How near a masked mixture comes to the true stem, in dB; the more the better.

    With a mask M, a stem S and the rest R of the mixture, what is kept differs from the stem by
    exactly two parts: ``M·(S + R) − S = M·R − (1 − M)·S``.

    Attributes
    ----------
    sdr
        Signal-to-distortion ratio of what is kept.
    leakage
        The stem against ``M·R``, what leaks in.
    damage
        The stem against ``(1 − M)·S``, what is cut out of it.
    """

    sdr: float
    leakage: float
    damage: float


@dataclass(frozen=True, eq=False)
class Excerpt:
    """A few seconds of a song, separated by the model.

    Attributes
    ----------
    mix
        The mixture, float32 [samples, 2].
    stems
        The true stems by name, each like the mixture; the model's where they are not known.
    known
        Whether the true stems are known.
    masks
        The model's masks, [frames, bins, 2, stems], in the order of `stems`.
    separated
        The model's stems by name, each like the mixture; they sum to it.
    separator
        What made them.

    Examples
    --------
    >>> from stemlab import demo
    >>> excerpt = Excerpt.of(demo.path(), start=16, seconds=1)
    >>> list(excerpt.stems), excerpt.known, excerpt.mix.shape
    (['vocals', 'drums', 'bass', 'other'], True, (44100, 2))
    >>> model = excerpt.score("vocals", excerpt.mask("vocals"))
    >>> model.sdr > 5
    True
    """

    mix: Samples = field(repr=False)
    stems: dict[str, Samples] = field(repr=False)
    known: bool
    masks: Masks = field(repr=False)
    separated: dict[str, Samples] = field(repr=False)
    separator: Separator = field(repr=False)

    @classmethod
    def of(cls, song: str | Path, start: float = 0, seconds: float = 6) -> Excerpt:
        """Read and separate a part of a song.

        Parameters
        ----------
        song
            A sound file. Its true stems are known if it is a ``.stem.mp4`` or a ``mix.<suffix>``
            with files named after the stems beside it.
        start, seconds
            Where the part begins and how long it is, at most 11 s.

        Raises
        ------
        AudioError
            If the file cannot be read, or ends before the part begins.
        SettingError
            If the times have no meaning.
        """
        if start < 0 or not 1 <= seconds <= LONGEST:
            raise SettingError(
                f"start {start:g} s, {seconds:g} s long: start at 0 or later "
                f"and take 1 to {LONGEST:g} seconds"
            )
        separator = Separator()
        rate = separator.rate
        first, count = round(start * rate), round(seconds * rate)
        with Reader(song, rate) as reader:
            mix = _first(reader, first, count)
        if len(mix) < rate // 2:
            raise AudioError(
                f"{song}: ends before {start:g} s or soon after it; choose an earlier start"
            )
        masks, separated = _separate(mix, separator)
        true = _references(Path(song), separator, first, len(mix))
        return cls(mix, true or separated, true is not None, masks, separated, separator)

    def sung(self, voice: Samples) -> Excerpt:
        """Return the same with another singer, as loud as the one before; separated anew.

        Parameters
        ----------
        voice
            [samples, 2]; it is repeated where it is shorter. Without any, nothing changes.
        """
        if not len(voice):
            return self
        singer = next(iter(self.stems))
        before = self.stems[singer]
        again = np.resize(voice, before.shape)
        louder = np.sqrt(energy(before) / max(energy(again), 1e-9))
        now = again * np.float32(louder)
        mix = self.mix - before + now
        masks, separated = _separate(mix, self.separator)
        stems = {**self.stems, singer: now}
        return replace(self, mix=mix, stems=stems, masks=masks, separated=separated)

    @property
    def rate(self) -> int:
        """Samples per second."""
        return self.separator.rate

    @property
    def stft(self) -> Stft:
        """The transform of spectra and masks."""
        return self.separator.stft

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return len(self.mix) / self.rate

    @cached_property
    def spectrum(self) -> Spectrum:
        """The mixture's spectrum, [frames, bins, 2]."""
        return self.stft.analyse(self.mix)

    @cached_property
    def spectra(self) -> dict[str, Spectrum]:
        """The stems' spectra by name, each [frames, bins, 2]."""
        return {name: self.stft.analyse(stem) for name, stem in self.stems.items()}

    def mask(self, stem: str) -> NDArray[np.float32]:
        """Return the model's mask of a stem, [frames, bins, 2]."""
        return self.masks[..., list(self.stems).index(stem)]

    def against_rest(self, stem: str) -> Spectrum:
        """Return the spectra of a stem and of the rest of the mixture, [frames, bins, 2, 2]."""
        own = self.spectra[stem]
        return beside([own, self.spectrum - own])

    def sound(self, spectrum: Spectrum) -> Samples:
        """Return the sound of a spectrum on the excerpt's grid, [samples, 2]."""
        return self.stft.synthesise(spectrum, len(self.mix))

    def score(self, stem: str, mask: NDArray[np.float32]) -> Score:
        """Tell how near ``mask × mixture`` comes to a stem; `mask` is [frames, bins, 2]."""
        own = self.stems[stem]
        leaked, cut = self.errors(stem, mask)
        return Score(sdr(own, own + leaked - cut), sdr(own, own + leaked), sdr(own, own - cut))

    def errors(self, stem: str, mask: NDArray[np.float32]) -> tuple[Samples, Samples]:
        """Return what a mask lets in of the rest, and what it cuts out of the stem.

        Both [samples, 2]; the stem plus the first minus the second is ``mask × mixture``.
        """
        own, rest = np.moveaxis(self.against_rest(stem), -1, 0)
        return self.sound(mask * rest), self.sound((1 - mask) * own)

    def audio(self, sounds: Mapping[str, Samples]) -> dict[str, Audio]:
        """Return sounds [samples, 2] as a player takes them."""
        return {name: Audio(sound, self.rate) for name, sound in sounds.items()}


def _separate(mix: Samples, separator: Separator) -> tuple[Masks, dict[str, Samples]]:
    """Return the model's masks of a mixture, and its stems by name."""
    blocks = list(separator.stream([mix]))
    masks = np.concatenate([block.masks for block in blocks])
    stems = np.concatenate([block.stems for block in blocks], axis=1)
    return masks, dict(zip(separator.stems, stems, strict=True))


def _references(
    song: Path, separator: Separator, first: int, count: int
) -> dict[str, Samples] | None:
    """Return the part of the true stems, or None where not all of the model's are known."""
    if song.stem.lower() in MIXTURES:
        found = find_songs(song.parent)[0]
    elif song.name.lower().endswith(STEM_FILES):
        found = find_songs(song)[0]
    else:
        return None
    if not set(separator.stems) <= found.stems.keys():
        return None
    return {
        name: _part(found.stems[name], separator.rate, first, count) for name in separator.stems
    }


def _part(sources: Sequence[Source], rate: int, first: int, count: int) -> Samples:
    with Mixed(sources, rate, first) as stem:
        return stem.take(count)


def _first(reader: Reader, start: int, count: int) -> Samples:
    """Return at most so many samples from a place on, [samples, 2]."""
    taken, pieces = 0, [np.zeros((0, 2), np.float32)]
    for block in reader.blocks(start=start):
        pieces.append(block)
        taken += len(block)
        if taken >= count:
            break
    return np.concatenate(pieces)[:count]
