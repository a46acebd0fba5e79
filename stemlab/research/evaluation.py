"""How well a model does on songs whose stems are known, and how well it could."""

from __future__ import annotations

import math
import statistics
from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np

from stemlab.errors import SettingError
from stemlab.masks import (
    Oracle,
    apply,
    ideal_binary_mask,
    ideal_ratio_mask,
    phase_sensitive_mask,
)
from stemlab.research.log_wmse import log_wmse
from stemlab.research.magnitudes import bleedless_and_fullness, l1_frequency
from stemlab.research.metrics import BSS, Sdr, bss_eval
from stemlab.research.references import Mixed, match, references_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import TypeAlias

    from stemlab.research.references import Song, Target
    from stemlab.separator import Separator
    from stemlab.spectral import Samples, Spectrum, Stft

    # By the names of `METRICS`.
    Scores: TypeAlias = dict[str, float]

USUAL = ("sdr", "si_sdr")
METRICS = (*USUAL, *BSS, "log_wmse", "l1_freq", "bleedless", "fullness")
"""`stemlab.research.metrics.Sdr` and `bss_eval`, in dB; `log_wmse`; those of `magnitudes`.

On 34 stems of eleven songs, ten seconds each, they differ from the programs that define them (see
``tests/research/reference_scores.py``) by at most 2·10⁻⁶ dB of SDR, 0.005 dB of SI-SDR, where MSST
adds 10⁻⁸ to each sample, 0.002 of logWMSE, 10⁻⁵ of L1 frequency, 10⁻⁴ of bleedless and 3·10⁻⁴ of
fullness. Those of BSSEval are museval's own.
"""

ORACLES: dict[str, Oracle] = {
    "IRM": ideal_ratio_mask,
    "IBM": ideal_binary_mask,
    "PSM": phase_sensitive_mask,
}
"""Masks made from the references: the most that masks in a transform can do."""

# Samples whose spectra the oracles hold at once.
PIECE = 100_000


def evaluate(
    song: Song,
    separator: Separator,
    wanted: str = "",
    metrics: Sequence[str] = USUAL,
    *,
    progress: Callable[[float], object] | None = None,
) -> dict[str, Scores]:
    """Separate a song block by block and return the scores of each stem.

    Parameters
    ----------
    song
        From `stemlab.research.layouts.find_songs`. References shorter than the mixture end
        in silence.
    wanted
        What is compared, see `stemlab.research.references.match`; by default all that can be.
    metrics
        Names of `METRICS`. All but the usual ones take in the song as a whole; those of BSSEval
        take some seconds of work and 100 MB a stem for ten seconds of it.
    progress
        Called with the seconds that have just been done.

    Raises
    ------
    AudioError
        If a file cannot be read.
    SettingError
        If nothing can be compared, or a metric is unknown.
    """
    metrics = check_metrics(metrics)
    targets = match(separator.stems, song.stems, wanted)
    accounts = [Sdr() for _ in targets]
    more = [name for name in metrics if name not in USUAL]
    kept: list[tuple[Samples, ...]] = []
    with ExitStack() as stack:
        known = [
            stack.enter_context(Mixed(references_of(song.stems, target), separator.rate))
            for target in targets
        ]
        mix = stack.enter_context(Mixed(song.mixed, separator.rate))
        for block in separator.stream(mix.blocks()):
            estimates = grouped(block.stems, targets)
            references = np.stack([reference.take(len(block.mix)) for reference in known])
            for account, reference, estimate in zip(accounts, references, estimates, strict=True):
                account.add(reference, estimate)
            if more:
                kept.append((block.mix[None], references, estimates))
            if progress:
                progress(len(block.mix) / separator.rate)
    scores = [_usual(account) for account in accounts]
    if kept:
        [mix], references, estimates = (np.concatenate(p, 1) for p in zip(*kept, strict=True))
        _add(scores, mix, references, estimates, separator.rate, more)
    return {t.name: _only(metrics, score) for t, score in zip(targets, scores, strict=True)}


def check_metrics(names: Iterable[str]) -> tuple[str, ...]:
    """Return names of metrics as a tuple.

    Raises
    ------
    SettingError
        If one is unknown.
    """
    names = tuple(names)
    if unknown := [name for name in names if name not in METRICS]:
        raise SettingError(
            f"{', '.join(unknown)}: no such metric; choose among {', '.join(METRICS)}"
        )
    return names


def score(
    mix: Samples,
    references: Samples,
    estimates: Samples,
    rate: int,
    metrics: Sequence[str] = USUAL,
) -> list[Scores]:
    """Return the scores of stems in memory.

    Parameters
    ----------
    mix
        [samples, 2].
    references, estimates
        [stems, samples, 2].
    rate
        Samples per second.
    metrics
        Names of `METRICS`.
    """
    scores = []
    for reference, estimate in zip(references, estimates, strict=True):
        account = Sdr()
        account.add(reference, estimate)
        scores.append(_usual(account))
    _add(scores, mix, references, estimates, rate, metrics)
    return [_only(metrics, known) for known in scores]


def _usual(account: Sdr) -> Scores:
    return {"sdr": account.value, "si_sdr": account.scale_invariant}


def _only(metrics: Sequence[str], scores: Scores) -> Scores:
    return {name: scores[name] for name in metrics}


def _add(
    scores: Sequence[Scores],
    mix: Samples,
    references: Samples,
    estimates: Samples,
    rate: int,
    metrics: Sequence[str],
) -> None:
    """Add to the scores of each stem what cannot be gathered block by block."""
    wanted = {*metrics}
    for known, reference, estimate in zip(scores, references, estimates, strict=True):
        if "log_wmse" in wanted:
            known["log_wmse"] = log_wmse(mix, reference, estimate, rate)
        if "l1_freq" in wanted:
            known["l1_freq"] = l1_frequency(reference, estimate)
        if wanted & {"bleedless", "fullness"}:
            both = bleedless_and_fullness(reference, estimate, rate)
            known["bleedless"], known["fullness"] = both
    if wanted & {*BSS}:
        for known, more in zip(scores, bss_eval(references, estimates, rate), strict=True):
            known.update(more)


def summed_up(songs: Iterable[Mapping[str, Scores]], how: str) -> dict[str, Scores]:
    """Return the median or mean over songs of each stem's scores, leaving out unknown ones.

    The median of ``bss_sdr`` is that of papers on MUSDB18: over songs, of medians over seconds.

    Examples
    --------
    >>> known = {"vocals": {"sdr": 5.0}}
    >>> summed_up([known, {"vocals": {"sdr": float("nan")}}, known], "mean")
    {'vocals': {'sdr': 5.0}}
    """
    values: dict[str, dict[str, list[float]]] = {}
    for song in songs:
        for stem, scores in song.items():
            for name, value in scores.items():
                known = values.setdefault(stem, {}).setdefault(name, [])
                known += [] if math.isnan(value) else [value]
    middle = statistics.median if how == "median" else statistics.fmean
    return {
        stem: {name: middle(known) if known else math.nan for name, known in scores.items()}
        for stem, scores in values.items()
    }


def grouped(stems: Samples, targets: Sequence[Target]) -> Samples:
    """Sum stems [stems, samples, 2] to what targets compare, [targets, samples, 2]."""
    return np.stack([stems[list(target.stems)].sum(0) for target in targets])


def ceilings(
    mix: Samples, references: Samples, stft: Stft, *, whole: bool = True
) -> dict[str, Samples]:
    """Separate a mixture with the masks of `ORACLES`.

    Parameters
    ----------
    mix
        [samples, 2].
    references
        [stems, samples, 2].
    stft
        The transform the masks are made and applied in.
    whole
        Whether the references are all there is; else what the mixture has beside them gets a mask
        of its own.

    Returns
    -------
    Stems [stems, samples, 2] by the name of the oracle.

    Examples
    --------
    >>> from stemlab.research.metrics import sdr
    >>> from stemlab.spectral import Stft
    >>> low, high = (np.sin(np.arange(9000) * f)[:, None].repeat(2, 1) for f in (0.1, 1))
    >>> found = ceilings(low + high, np.stack([low, high]), Stft(1024, 256))
    >>> sdr(low, found["IRM"][0]) > 40
    True
    """
    if not whole:
        left = (mix - references.sum(0))[None]
        found = ceilings(mix, np.concatenate([references, left]), stft)
        return {name: sounds[:-1] for name, sounds in found.items()}
    stems, length = references.shape[:2]
    # The channels of the mixture and of all references, transformed together.
    channels = np.concatenate([mix, *references], axis=1, dtype=np.float32)
    analyser, synthesiser = stft.analyser(), stft.synthesiser()

    def separate(spectra: Spectrum) -> Samples:
        """Return the samples [n, 2, stems, oracles] that these frames complete."""
        spectra = spectra.reshape(*spectra.shape[:2], 1 + stems, 2).swapaxes(2, 3)
        masks = [oracle(spectra[..., 1:]) for oracle in ORACLES.values()]
        return synthesiser.push(np.stack([apply(mask, spectra[..., 0]) for mask in masks], axis=-1))

    pieces = (channels[start : start + PIECE] for start in range(0, length, PIECE))
    done = [separate(analyser.push(piece)) for piece in pieces]
    sound = np.concatenate([*done, separate(analyser.flush())])[:length]
    return {
        name: np.ascontiguousarray(np.moveaxis(sound[..., i], -1, 0))
        for i, name in enumerate(ORACLES)
    }
