"""A setting tried on a few bars of a song: how it sounds, what it costs, what was possible."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING, TypeAlias

from stemlab.errors import AudioError, SettingError
from stemlab.labs.memory import Memory, remembering
from stemlab.research.account import Account, measure
from stemlab.research.evaluation import ceilings, grouped, score
from stemlab.research.layouts import find_songs
from stemlab.research.references import Song, Source, Target, match, read_stretch, unmatched
from stemlab.sound.audio import Audio

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from stemlab.research.sweep import Setting
    from stemlab.separator import Separator
    from stemlab.spectral import Samples, Stft, Window

# SDR in dB by the name of the stem.
Sdrs: TypeAlias = dict[str, float]

SECONDS = 12 * 60 / 106
"""Length of what is tried: three bars of the demo song."""


@dataclass(frozen=True)
class Passage:
    """A few seconds of a song.

    Attributes
    ----------
    song
        The sound file.
    references
        The folder, or stem file, with its true stems; None where they are not known.
    start
        Where it begins, in seconds.
    """

    song: Path
    references: Path | None = None
    start: float = 0


@dataclass(frozen=True)
class Outcome:
    """What came of a trial: the stems by name, their SDR where it is known, how to account."""

    stems: dict[str, Audio]
    sdr: Sdrs
    tell: Callable[[], Account]

    @cached_property
    def account(self) -> Account:
        """What the stems cost: may take a run of the model, so hear them first."""
        return self.tell()


@dataclass(frozen=True)
class Trial:
    """A setting on a passage.

    Examples
    --------
    >>> from stemlab import demo
    >>> from stemlab.research.sweep import Setting
    >>> trial = Trial(Setting(hop=512), Passage(demo.path(), demo.path().parent, 27))
    >>> outcome = trial.run()
    >>> best = trial.ceilings()["IRM"]
    >>> all(outcome.sdr[stem] < best[stem] for stem in best)
    True
    """

    setting: Setting
    passage: Passage

    def _model(self) -> Memory:
        return remembering(self.setting.model, self.setting.runtime, self.setting.threads)

    def check(self) -> None:
        """Make sure that it can be run.

        Raises
        ------
        StemlabError
            If it cannot: the sentence says why.
        """
        separator = self.setting.separator(self._model())
        _read(self.passage, _targets(self.passage, separator), separator.rate)

    def run(self, progress: Callable[[float], object] | None = None) -> Outcome:
        """Separate the passage.

        Parameters
        ----------
        progress
            See `stemlab.research.account.measure`.

        Raises
        ------
        StemlabError
            If files, model or settings do not allow it.
        """
        model = self._model()
        separator = self.setting.separator(model)
        targets = _targets(self.passage, separator)
        mix, references = _read(self.passage, targets, separator.rate)
        model.used.clear()
        stems, account = measure(separator, mix, progress=progress)
        named = {
            name: Audio(stem, separator.rate)
            for name, stem in zip(separator.stems, stems, strict=True)
        }
        sdr = _sdrs(targets, mix, references, grouped(stems, targets)) if targets else {}
        tell = partial(model.complete, account, separator, len(mix), list(model.used))
        return Outcome(named, sdr, tell)

    def ceilings(self) -> dict[str, Sdrs]:
        """Return what each oracle mask reaches in the setting's transform."""
        separator = self.setting.separator(self._model())
        targets = _targets(self.passage, separator)
        whole = not unmatched(separator.stems, targets)
        how = (separator.rate, separator.stft, whole)
        return _ceilings(self.passage, targets, *how) if targets else {}


def parse_window(text: str) -> Window:
    """Return the window that a text names, spelt as in Python or with blanks.

    Raises
    ------
    SettingError
        If it is neither.

    Examples
    --------
    >>> parse_window("hann"), parse_window("kaiser 8.6"), parse_window("('tukey', 0.5)")
    ('hann', ('kaiser', 8.6), ('tukey', 0.5))
    """
    try:
        if text.lstrip().startswith("("):
            name, *numbers = ast.literal_eval(text.strip())
            return (str(name), *(tuple(n) if isinstance(n, list) else n for n in numbers))
        name, *words = text.split()
        return (name, *map(float, words)) if words else name
    except (ValueError, SyntaxError, TypeError) as error:
        raise SettingError(
            f"window {text!r} cannot be read: write hann, kaiser 8.6 or ('kaiser', 8.6)"
        ) from error


def parse_hop(text: str, n_fft: int) -> int:
    """Return the hop that a text names: a share of the window, or samples.

    Raises
    ------
    SettingError
        If it is neither, or no whole number of samples.

    Examples
    --------
    >>> parse_hop("1/4", 1024), parse_hop("512", 4096)
    (256, 512)
    """
    try:
        number = Fraction(text.replace(" ", ""))
    except (ValueError, ZeroDivisionError) as error:
        raise SettingError(
            f"hop {text!r} cannot be read: write a share of the window such as 1/4, or samples"
        ) from error
    samples = number * n_fft if "/" in text else number
    if samples.denominator != 1:
        raise SettingError(f"hop {text}: no whole number of samples of a window of {n_fft}")
    return int(samples)


def _targets(passage: Passage, separator: Separator) -> tuple[Target, ...]:
    song = _song(passage.song, passage.references, separator.rate)
    return tuple(match(separator.stems, song.stems)) if song.stems else ()


def _sdrs(
    targets: tuple[Target, ...], mix: Samples, references: Samples, estimates: Samples
) -> Sdrs:
    scores = score(mix, references, estimates, rate=0)
    return {target.name: one["sdr"] for target, one in zip(targets, scores, strict=True)}


@lru_cache(maxsize=4)
def _song(path: Path, references: Path | None, rate: int) -> Song:
    """Return a song with its references, all of which are as long as it is."""
    if references is None:
        return Song(path.name, Source(path), {})
    found = find_songs(references)
    if len(found) > 1:
        raise AudioError(f"{references}: holds {len(found)} songs; name the folder of one")
    song = Song(path.name, Source(path), found[0].stems)
    for sentence in song.short(rate):
        raise AudioError(f"{sentence}; give a reference as long as the mix")
    return song


@lru_cache(maxsize=4)
def _read(passage: Passage, targets: tuple[Target, ...], rate: int) -> tuple[Samples, Samples]:
    song = _song(passage.song, passage.references, rate)
    return read_stretch(song, targets, rate, passage.start, SECONDS)


@lru_cache(maxsize=64)
def _ceilings(
    passage: Passage, targets: tuple[Target, ...], rate: int, stft: Stft, whole: bool
) -> dict[str, Sdrs]:
    mix, references = _read(passage, targets, rate)
    return {
        oracle: _sdrs(targets, mix, references, stems)
        for oracle, stems in ceilings(mix, references, stft, whole=whole).items()
    }
