"""How masks work, step by step: what `01_masks.ipynb` opens.

Each function takes an `Excerpt` and returns an `Experiment`: controls, words, picture and a player
that follow each other. Unless a step says otherwise its player has two faders: what is kept of the
mixture, and the rest of it; both together are the mixture.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING

import ipywidgets
import numpy as np

from stemlab.labs import figures
from stemlab.labs.blind import blind
from stemlab.labs.coarse import BITS, FLOAT, INT8, Tried, try_bits
from stemlab.labs.excerpt import Excerpt, Score
from stemlab.labs.experiment import (
    Experiment,
    Outcome,
    choice,
    db,
    kept_and_rest,
    menu,
    slider,
    steps,
    wide,
)
from stemlab.labs.tables import bars, leaks
from stemlab.masks import (
    apply,
    ideal_binary_mask,
    ideal_ratio_mask,
    normalise,
    phase_sensitive_mask,
)
from stemlab.pictures.drawing import cells
from stemlab.pictures.picture import Axis, Picture
from stemlab.research.metrics import conservation, energy, sdr
from stemlab.spectral import Stft, beside
from stemlab.widgets.paint import PaintMask, gathered, spread

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from stemlab.masks import Masks
    from stemlab.spectral import Samples, Spectrum

__all__ = [
    "Excerpt",
    "bleed",
    "blind",
    "kinds",
    "network",
    "paint",
    "phase",
    "precision",
    "sums",
    "true_mask",
    "windows",
]


# ------------------------------------------------------------------ 1: window and hop

CLOSE = 0.3  # seconds of a waveform that are drawn


def windows(excerpt: Excerpt) -> Experiment:
    """Step 1: the trade of time for frequency, heard by what the loudest cells alone sound like."""
    sources = {
        "the song": excerpt.mix,
        "clicks": clicks(len(excerpt.mix), excerpt.rate),
        "two tones": tones(len(excerpt.mix), excerpt.rate),
    }

    axes = {"two tones": Axis("linear", 350, 560, 128)}  # where both have room

    def make(sound: str, window: int, hop: int, cells: float) -> Outcome:
        before, stft = sources[sound], Stft(window, window // hop)
        spectrum = stft.analyse(before)
        loudest = spectrum * strongest(spectrum, cells / 100)

        @cache
        def after() -> Samples:
            return stft.synthesise(loudest, len(before))

        def words() -> str:
            length, step = 1000 * window / excerpt.rate, 1000 * stft.hop / excerpt.rate
            return (
                f"Each column looks at <b>{length:.0f} ms</b>, a new one every {step:.1f} ms; rows "
                f"lie <b>{excerpt.rate / window:.1f} Hz</b> apart. {cells:g} % of the cells give "
                f"the sound back with {db(sdr(before, after()))} SDR."
            )

        start = onset(before, excerpt.rate)
        stop = start + round(CLOSE * excerpt.rate)
        heard = _part(loudest, stft, start, stop)
        picture = Picture((), len(loudest), stft=stft, rate=excerpt.rate, axis=axes.get(sound))
        around = slice(max(0, start - excerpt.rate) // stft.hop, (stop + excerpt.rate) // stft.hop)
        picture.paint(around.start, loudest[around])
        drawing = figures.close_up(before[start:stop], heard, start, picture, around)
        return Outcome(lambda: kept_and_rest(before, after()), words, drawing)

    controls = {
        "sound": menu("sound", list(sources)),
        "window": steps("window in samples", [2**k for k in range(9, 15)], 4096),
        "hop": steps("hop", [("window / 2", 2), ("window / 4", 4), ("window / 8", 8)], 4),
        "cells": steps("keep the loudest", _percent(0.3, 1, 3, 10, 30, 100), 1),
    }
    return Experiment(make, controls, solo="kept")


def onset(sound: Samples, rate: int, step: int = 256) -> int:
    """Return where to look: half of `CLOSE` before the level of a sound rises most, in samples."""
    power = np.square(sound[: len(sound) // step * step]).reshape(-1, step, 2).sum((1, 2))
    rise: NDArray[np.float32] = np.diff(power)
    return max(0, (int(rise.argmax()) + 1) * step - round(CLOSE / 2 * rate))


def _part(spectrum: Spectrum, stft: Stft, start: int, stop: int) -> Samples:
    """Return a part of the sound of a spectrum, from only the frames that reach into it."""
    first = start // stft.hop
    last = -(-(stop + stft.n_fft) // stft.hop)
    skip = start - first * stft.hop
    return stft.synthesise(spectrum[first:last], stop - first * stft.hop)[skip:]


def clicks(count: int, rate: int) -> Samples:
    """Return a burst of noise every half second that falls to a third within 3 ms, [count, 2]."""
    noise = np.random.default_rng(0).standard_normal(count)
    since = (np.arange(count) + rate // 4) % (rate // 2) / rate
    sound = 0.3 * noise * np.exp(-since / 0.003)
    return np.repeat(sound[:, None], 2, 1).astype(np.float32)


def tones(count: int, rate: int, hertz: Sequence[float] = (440.0, 466.16)) -> Samples:
    """Return tones a semitone apart, [count, 2]."""
    time = np.arange(count) / rate
    waves = 0.25 * np.sin(2 * np.pi * np.outer(time, hertz))
    return np.repeat(waves.sum(1, keepdims=True), 2, 1).astype(np.float32)


def strongest(spectrum: Spectrum, share: float) -> NDArray[np.bool_]:
    """Return which cells are among the loudest, so many of all; bool like the spectrum.

    Examples
    --------
    >>> strongest(np.array([1, 4, 2, 3], np.complex64), 0.5)
    array([False,  True, False,  True])
    """
    level = np.abs(spectrum)
    weaker = level.size - max(1, round(share * level.size))
    loud: NDArray[np.bool_] = level >= np.partition(level, weaker, axis=None)[weaker]
    return loud


# ------------------------------------------------------------------ 2, 3: masks


def true_mask(excerpt: Excerpt) -> Experiment:
    """Step 2: the mask that a true stem has, times the mixture, beside the stem itself."""

    def make(stem: str, hear: str) -> Outcome:
        mask = oracle(excerpt, stem, "ratio")
        kept = mask * excerpt.spectrum

        def words() -> str:
            share = energy(excerpt.sound(kept)) / energy(excerpt.mix)
            return (
                f"The mask keeps {100 * share:.0f} % of the mixture's energy. Against the true "
                f"{stem}: <b>SDR {db(excerpt.score(stem, mask).sdr)}</b>; the mixture itself has "
                f"{db(sdr(excerpt.stems[stem], excerpt.mix))}."
            )

        heard = {"mask × mixture": kept, "the true stem": excerpt.spectra[stem]}[hear]
        return keep(excerpt, heard, words)

    controls = {
        "stem": menu("stem", list(excerpt.stems)),
        "hear": choice("hear", ["mask × mixture", "the true stem"]),
    }
    return Experiment(make, controls, solo="kept", view=True)


def kinds(excerpt: Excerpt) -> Experiment:
    """Step 3: binary, ratio and phase-sensitive masks, what leaks through and what is cut out."""
    settings = {"binary": "threshold", "ratio": "exponent"}

    @cache
    def measured(stem: str, kind: str, setting: float) -> Score:
        return excerpt.score(stem, oracle(excerpt, stem, kind, setting))

    @cache
    def model(stem: str) -> Score:
        return excerpt.score(stem, excerpt.mask(stem))

    def make(stem: str, kind: str, threshold: float, exponent: float, hear: str) -> Outcome:
        setting = {"binary": threshold, "ratio": exponent}.get(kind, 0.0)
        for name in settings.values():
            controls[name].disabled = settings.get(kind) != name
        mask = oracle(excerpt, stem, kind, setting)
        own, rest = np.moveaxis(excerpt.against_rest(stem), -1, 0)
        share, part = {
            "what is kept": (mask, excerpt.spectrum),
            "what leaks in": (mask, rest),
            "what is cut out": (1 - mask, own),
            "the true stem": (np.ones_like(mask), own),
        }[hear]

        def words() -> str:
            found = {
                "binary": measured(stem, "binary", threshold),
                "ratio, p = 1": measured(stem, "ratio", 1),
                "ratio, p = 2 (Wiener)": measured(stem, "ratio", 2),
                f"ratio, p = {exponent:g} (yours)": measured(stem, "ratio", exponent),
                "phase-sensitive": measured(stem, "phase-sensitive", 0),
            }
            if excerpt.known:  # else it would be compared with itself
                found["the model"] = model(stem)
            chosen = f"ratio, p = {exponent:g} (yours)" if kind == "ratio" else kind
            table = scores({kind: found[chosen], "the model": model(stem)})
            sdrs = {name: score.sdr for name, score in found.items()}
            return table + bars(sdrs, chosen, f"SDR of {stem} in dB")

        return keep(excerpt, share * part, words)

    controls: dict[str, ipywidgets.Widget] = {
        "stem": menu("stem", list(excerpt.stems)),
        "kind": choice("mask", ["binary", "ratio", "phase-sensitive"]),
        "threshold": slider("threshold in dB", 0, -18, 18, 3),
        "exponent": slider("exponent p", 2, 0.5, 8, 0.5),
        "hear": choice(
            "hear", ["what is kept", "what leaks in", "what is cut out", "the true stem"]
        ),
    }
    return Experiment(make, controls, solo="kept", view=True)


def oracle(
    excerpt: Excerpt, stem: str, kind: str, setting: float | None = None
) -> NDArray[np.float32]:
    """Return the mask that is known where a stem and the rest of the mixture are known.

    Parameters
    ----------
    excerpt, stem
        Of what.
    kind
        ``"binary"``, ``"ratio"`` or ``"phase-sensitive"``; see `stemlab.masks`.
    setting
        Of a binary mask by how many dB the stem must be above the rest, 0 if not said; of a ratio
        mask the exponent, 2 if not said.

    Returns
    -------
    float32 [frames, bins, 2].
    """
    both = excerpt.against_rest(stem)
    if kind == "binary":
        raised = both * np.array([1, 10 ** ((setting or 0) / 20)], np.float32)
        return ideal_binary_mask(raised)[..., 0]
    if kind == "ratio":
        return ideal_ratio_mask(both, 2 if setting is None else setting)[..., 0]
    return phase_sensitive_mask(both)[..., 0]


# ------------------------------------------------------------------ 4: paint


def paint(excerpt: Excerpt) -> Experiment:
    """Step 4: a mask painted by hand, played and scored beside the model's and the oracle's."""
    axis = Axis("log", 40, 16_000, 192)
    canvas = PaintMask(Picture.of(excerpt.spectrum, stft=excerpt.stft, axis=axis))

    @cache
    def rivals(stem: str) -> dict[str, Score]:
        model = excerpt.score(stem, excerpt.mask(stem))
        return {"the model": model, "the oracle": excerpt.score(stem, best(stem))}

    @cache
    def best(stem: str) -> NDArray[np.float32]:
        return oracle(excerpt, stem, "ratio")

    @cache
    def rows(stem: str, whose: str) -> bytes:
        mask = excerpt.mask(stem) if whose == "the model's" else best(stem)
        return gathered(mask, excerpt.spectrum, canvas.picture)

    def make(stem: str, hear: str, painted: bytes) -> Outcome:
        mine = spread(painted, canvas.picture)[..., None]
        masks = {"mine": mine, "the model's": excerpt.mask(stem), "the oracle's": best(stem)}
        canvas.goal = rows(stem, "the oracle's")
        canvas.other = b"" if hear == "mine" else rows(stem, hear)
        true = hear == "the true stem"
        heard = excerpt.spectra[stem] if true else masks[hear] * excerpt.spectrum

        def words() -> str:
            return scores({"yours": excerpt.score(stem, mine), **rivals(stem)})

        return keep(excerpt, heard, words)

    controls: dict[str, ipywidgets.Widget] = {
        "stem": menu("stem", list(excerpt.stems)),
        "hear": choice("hear", ["mine", "the model's", "the oracle's", "the true stem"]),
        "painted": canvas,
    }
    # Who paints wants to hear what was painted.
    canvas.observe(lambda _: controls["hear"].set_trait("value", "mine"), "value")
    experiment = Experiment(make, controls, solo="kept", starts="painted", view=True)
    canvas.player = experiment.player
    return experiment


# ------------------------------------------------------------------ 5: phase


def phase(excerpt: Excerpt) -> Experiment:
    """Step 5: a stem's true magnitudes with the mixture's phase, its own, none, or any."""
    noise = np.random.default_rng(0).uniform(-np.pi, np.pi, excerpt.spectrum.shape)
    anything = np.exp(1j * noise).astype(np.complex64)

    def make(stem: str, angle: str) -> Outcome:
        true = excerpt.spectra[stem]
        turns = {"the mixture's": excerpt.spectrum, "its own": true, "random": anything}
        turn = np.angle(turns[angle]) if angle in turns else np.zeros(true.shape, np.float32)
        rebuilt = excerpt.sound((np.abs(true) * np.exp(1j * turn)).astype(np.complex64))
        found = np.abs(excerpt.stft.analyse(rebuilt))
        words = (
            f"The chosen magnitudes and those of the resulting sound agree to "
            f"<b>{db(sdr(np.abs(true), found))}</b>; the waveforms to "
            f"<b>{db(sdr(excerpt.stems[stem], rebuilt))}</b> (SDR)."
        )

        drawing = figures.wave(excerpt.stems[stem], rebuilt, excerpt.rate)
        return Outcome(kept_and_rest(excerpt.mix, rebuilt), words, drawing)

    controls = {
        "stem": menu("stem", list(excerpt.stems)),
        "angle": choice("phase", ["the mixture's", "its own", "zero", "random"]),
    }
    return Experiment(make, controls, solo="kept")


# ------------------------------------------------------------------ 8: the network


def network(excerpt: Excerpt) -> Experiment:
    """Step 8a: what the network reads and answers, frame by frame, and where it is unsure.

    The player has the model's stems; what has not arrived yet is silent.
    """
    names = list(excerpt.stems)
    picture = Picture.of(excerpt.spectrum, excerpt.masks, names, stft=excerpt.stft)
    unsure = entropy(picture.masks())
    doubt = cells(picture, unsure / np.float32(np.log2(len(names))))
    last = int(len(excerpt.mix) / excerpt.stft.hop)

    def make(frame: int) -> Outcome:
        whole = frame == last
        arrived = len(excerpt.mix) if whole else max(0, int(excerpt.stft.centre(frame + 0.5)))
        shares = excerpt.masks[frame].mean((0, 1))
        listed = ", ".join(f"{n} {share:.2f}" for n, share in zip(names, shares, strict=True))
        words = (
            f"Frame {frame} of {last}: mean masks {listed}; entropy "
            f"<b>{unsure[frame].mean():.2f}</b> of at most {np.log2(len(names)):.0f} bits."
        )

        def heard() -> dict[str, Samples]:
            return {name: _until(stem, arrived) for name, stem in excerpt.separated.items()}

        return Outcome(heard, words, figures.frame(picture, names, frame, doubt))

    slider = ipywidgets.IntSlider(last, 0, last, description="frames arrived", **wide(420))
    clock = ipywidgets.Play(last, 0, last, 10, interval=600, repeat=True)
    ipywidgets.jslink((clock, "value"), (slider, "value"))
    experiment = Experiment(make, {"frame": slider}, view=True)
    row = experiment.children[0]
    row.children = [clock, *row.children]
    return experiment


def entropy(masks: Masks) -> NDArray[np.float32]:
    """Return how undecided masks [..., stems] are, in bits: 0 sure, log₂ of the stems none at all.

    Examples
    --------
    >>> entropy(np.array([[1, 0, 0, 0], [0.25, 0.25, 0.25, 0.25]], np.float32)).round(3)
    array([0., 2.], dtype=float32)
    """
    shares = normalise(masks)
    bits: NDArray[np.float32] = -(shares * np.log2(shares)).sum(-1)
    return np.abs(bits)


def bleed(excerpt: Excerpt) -> Experiment:
    """Step 8b: predict how much of one stem turns up in the model's estimate of another."""
    names = list(excerpt.stems)
    table = leakage(excerpt)

    def make(true: str, estimate: str, guess: float, show: bool) -> Outcome:
        i, j = names.index(true), names.index(estimate)
        leak = excerpt.sound(excerpt.mask(estimate) * excerpt.spectra[true])
        seen = table.copy() if show else np.full_like(table, np.nan)
        if not show:
            seen[i, j] = guess
        question = f"How much of the true {true} is in the model's {estimate}? "
        said = f"You say {db(guess)}. "
        words = question + said + (_verdict(guess, table[i, j]) if show else "")
        heard = kept_and_rest(excerpt.mix, leak if show else np.zeros_like(leak))
        return Outcome(heard, words + leaks(seen, names, (i, j)))

    controls = {
        "true": menu("of the true", names),
        "estimate": menu("in the model's", names, names[-1]),
        "guess": slider("my guess in dB", -15, -30, 0, 1),
        "show": ipywidgets.ToggleButton(description="Show and hear", tooltip="Show and hear"),
    }
    return Experiment(make, controls, solo="kept")


def leakage(excerpt: Excerpt) -> NDArray[np.float64]:
    """Return how much of each true stem the model's masks let into each estimate.

    In dB of the true stem, [true, estimate]. Exact, since ``mask × mixture`` is the sum of
    ``mask × stem`` over the true stems.
    """
    power = np.stack([np.square(np.abs(part)).ravel() for part in excerpt.spectra.values()])
    passed = np.square(excerpt.masks).reshape(-1, len(power))
    shares: NDArray[np.float64] = (power @ passed) / power.sum(1, keepdims=True)
    decibels: NDArray[np.float64] = 10 * np.log10(np.maximum(shares, 1e-6))
    return decibels


def _verdict(guess: float, found: float) -> str:
    near = "Well predicted" if abs(guess - found) <= 3 else "Not quite"  # noqa: PLR2004 - dB
    return f"{near}: it is <b>{db(found)}</b>."


# ------------------------------------------------------------------ 9: conservation


def sums(excerpt: Excerpt) -> Experiment:
    """Step 9: stems sum to the mixture if masks sum to 1; what they miss, heard enlarged.

    The player has the stems, and what the mixture has more than their sum.
    """
    spoilt: dict[str, Callable[[Masks], Masks]] = {
        "masks that sum to 1": lambda masks: masks,
        "each mask squared": np.square,
        "each mask cut at 0.5": lambda masks: (masks > 0.5).astype(np.float32),  # noqa: PLR2004
    }

    def make(masks: str, boost: float) -> Outcome:
        parts = apply(spoilt[masks](excerpt.masks), excerpt.spectrum)
        stems = np.moveaxis(excerpt.stft.synthesise(parts, len(excerpt.mix)), -1, 0)
        missing = excerpt.mix - stems.sum(0)
        lost = conservation(excerpt.mix, stems)
        words = f"Mixture minus the sum of the stems: <b>{db(lost)}</b> relative to the mixture."
        heard = dict(zip(excerpt.stems, stems, strict=True))
        return Outcome(heard | {"missing": missing * np.float32(10 ** (boost / 20))}, words)

    controls = {
        "masks": choice("stems from", list(spoilt)),
        "boost": slider("amplify what is missing, in dB", 0, 0, 60, 6, width=380),
    }
    return Experiment(make, controls, view=True)


# ------------------------------------------------------------------ 10: precision


def precision(excerpt: Excerpt) -> Experiment:
    """Step 10a: the weights of `stemlab-4-fast` from 32 bits to 2, measured and heard."""
    tried: dict[int, Tried] = {bits: try_bits(excerpt, bits) for bits in (FLOAT, INT8)}
    worker = ThreadPoolExecutor(1)
    coming = {bits: worker.submit(try_bits, excerpt, bits) for bits in BITS if bits not in tried}
    worker.shutdown(wait=False)

    def make(bits: int, stem: str) -> Outcome:
        if bits not in tried:
            tried[bits] = coming[bits].result()
        result = tried[bits]
        change = result.sdr[stem] - tried[FLOAT].sdr[stem]
        words = (
            f"{bits} bits per weight: <b>{result.size:.1f} MB</b>, {stem} <b>SDR "
            f"{db(result.sdr[stem])}</b>, {change:+.2f} dB against 32 bits; the network runs at "
            f"{result.speed:.0f} × real time."
        ).replace("-", "−")

        points = {b: (tried[b].size, tried[b].sdr) for b in sorted(tried, reverse=True)}
        drawing = figures.quality(points, bits, stem)
        return Outcome(kept_and_rest(excerpt.mix, result.stems[stem]), words, drawing)

    controls = {
        "bits": steps("bits per weight", sorted(BITS), INT8),
        "stem": menu("stem", list(excerpt.stems)),
    }
    return Experiment(make, controls, solo="kept")


# ------------------------------------------------------------------ parts of several


def keep(excerpt: Excerpt, kept: Spectrum, words: str | Callable[[], str]) -> Outcome:
    """Return how a part of the mixture's spectrum, [frames, bins, 2], sounds, and how it looks."""
    mixture = excerpt.spectrum
    masks = normalise(np.abs(beside([kept, mixture - kept])))

    def sounds() -> dict[str, Samples]:
        return kept_and_rest(excerpt.mix, excerpt.sound(kept))

    return Outcome(sounds, words, cells=(mixture, masks))


def _until(sound: Samples, stop: int) -> Samples:
    part = sound.copy()
    part[stop:] = 0
    return part


def scores(listed: Mapping[str, Score]) -> str:
    """Return scores as a table."""
    names = ("whose mask", "SDR", "leakage (SIR)", "damage (SAR)")
    head = "".join(f"<th scope='col'>{name}</th>" for name in names)
    rows = "".join(
        f"<tr><th scope='row'>{name}</th><td>{db(score.sdr)}</td>"
        f"<td>{db(score.leakage)}</td><td>{db(score.damage)}</td></tr>"
        for name, score in listed.items()
    )
    return f"<table style='border-spacing: 14px 0; line-height: 1.4'><tr>{head}</tr>{rows}</table>"


def _percent(*values: float) -> list[tuple[str, float]]:
    return [(f"{value:g} %", value) for value in values]
