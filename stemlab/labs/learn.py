"""A small network of one's own: it learns masks from the demo song's stems while one watches."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import cached_property
from threading import Thread
from typing import TYPE_CHECKING

import ipywidgets
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from stemlab import demo
from stemlab.labs import figures
from stemlab.labs.experiment import (
    ROW,
    Experiment,
    Outcome,
    db,
    kept_and_rest,
    menu,
    steps,
    wide,
)
from stemlab.masks import apply, normalise
from stemlab.research.metrics import sdr
from stemlab.sound.audio import RATE, load
from stemlab.spectral import Stft, beside

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from stemlab.masks import Masks
    from stemlab.spectral import Samples, Spectrum

BANDS, TOP = 64, 16_000.0  # bands of the mel scale up to so many Hz
HIDDEN = 128  # units between input and output
EPOCHS = 20  # times that all it learns from is gone through
LIMIT = 40.0  # seconds of the song: what comes later is never learnt from
HEARD, UNHEARD = "music it learns from", "music it has not heard"
PIECES = {HEARD: 16.0, UNHEARD: 46.0}  # where in the song each begins, s
SECONDS = 6.0  # of each piece


@dataclass(frozen=True)
class Recipe:
    """How a network learns.

    Attributes
    ----------
    seconds
        How much of the song it learns from.
    context
        Frames that it sees on either side of the one whose masks it makes.
    log
        Whether levels come to it as logarithms.
    """

    seconds: float
    context: int
    log: bool

    def __str__(self) -> str:
        frames = f"{2 * self.context + 1} frame{'s' if self.context else ''}"
        return f"{self.seconds:g} s, {frames}, {'log' if self.log else 'linear'}"


class Network:
    """One hidden layer between levels in bands and masks in bands.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> stems = rng.standard_normal((99, 2049, 1, 2)).astype(np.complex64)
    >>> network = Network(Recipe(1, 0, log=True), Stft())
    >>> first, *_, last = [loss for loss, _ in zip(network.learn(stems), range(3))]
    >>> bool(last < first), network.masks(np.abs(stems[..., 0, 0])).shape
    (True, (99, 64, 2))
    """

    def __init__(self, recipe: Recipe, stft: Stft) -> None:
        from sklearn.neural_network import MLPRegressor

        self.recipe = recipe
        self._bands = bands(stft.bins)
        self._full = np.float32(stft.taper.sum() / 2)
        self._layers = MLPRegressor(
            hidden_layer_sizes=(HIDDEN,), learning_rate_init=2e-3, batch_size=64, random_state=0
        )

    def learn(self, stems: Spectrum) -> Iterator[float]:
        """Go once through spectra [frames, bins, channels, stems] for each loss that is asked."""
        seen = self._see(np.abs(stems.sum(-1)).mean(2))
        self._middle, self._spread = seen.mean(0), seen.std(0) + np.float32(1e-3)
        seen = (seen - self._middle) / self._spread
        wanted = shares(np.abs(stems).mean(2), self._bands)
        wanted = wanted.reshape(len(seen), -1)
        while True:
            self._layers.partial_fit(seen, wanted)  # in an order of its own
            yield float(self._layers.loss_)

    def masks(self, level: NDArray[np.float32]) -> Masks:
        """Return the masks of levels [frames, bins] in bands, [frames, BANDS, stems]."""
        seen = (self._see(level) - self._middle) / self._spread
        found = self._layers.predict(seen).reshape(len(level), BANDS, -1).clip(1e-3, 1)
        return normalise(found.astype(np.float32))

    def _see(self, level: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what the network reads for each frame, [frames, bands × frames around it]."""
        banded = np.sqrt(np.square(level) @ self._bands.T) / self._full
        if self.recipe.log:
            banded = np.log10(banded + np.float32(1e-4))
        around = self.recipe.context
        padded = np.pad(banded, ((around, around), (0, 0)), "edge")
        windows = sliding_window_view(padded, 2 * around + 1, 0)
        seen: NDArray[np.float32] = windows.reshape(len(level), -1)
        return seen


def bands(bins: int) -> NDArray[np.float32]:
    """Return how much of each bin is each band's, [BANDS, bins]; the shares of a bin sum to 1.

    Triangles, evenly apart on the mel scale.
    """
    mel = np.log1p(np.linspace(0, RATE / 2, bins) / 700)
    place = (BANDS - 1) * np.minimum(mel / np.log1p(TOP / 700), 1)
    weights: NDArray[np.float64] = 1 - np.abs(place - np.arange(BANDS)[:, None])
    return weights.clip(0).astype(np.float32)


def shares(levels: NDArray[np.float32], bands: NDArray[np.float32]) -> Masks:
    """Return what is right: each stem's share of the power in each band, [frames, BANDS, stems]."""
    power = np.einsum("fbs,mb->fms", np.square(levels), bands, optimize=True)
    right: Masks = power / (power.sum(-1, keepdims=True) + np.float32(1e-9))
    return right


@dataclass(eq=False)
class Run:
    """A training: loss, masks in bands and SDR after each epoch; at 0, before any."""

    recipe: Recipe
    losses: list[float] = field(default_factory=lambda: [float("nan")])
    masks: list[dict[str, Masks]] = field(default_factory=list)
    sdrs: list[dict[str, dict[str, float]]] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def epochs(self) -> int:
        """How many are done."""
        return len(self.sdrs) - 1


class Song:
    """The demo song's stems, in the pieces that are listened to and in what is learnt from."""

    def __init__(self) -> None:
        self.stft = Stft()
        self.bands = bands(self.stft.bins)

    @cached_property
    def stems(self) -> dict[str, Samples]:
        """All of each stem, [samples, 2]."""
        return {name: load(path).samples for name, path in demo.stem_paths().items()}

    @cached_property
    def pieces(self) -> dict[str, dict[str, Samples]]:
        """The stems of each piece."""
        return {name: self.part(start, SECONDS) for name, start in PIECES.items()}

    @cached_property
    def mixes(self) -> dict[str, Samples]:
        """The mixture of each piece."""
        return {name: np.sum([*stems.values()], axis=0) for name, stems in self.pieces.items()}

    @cached_property
    def spectra(self) -> dict[str, Spectrum]:
        """The mixture's spectrum of each piece, [frames, bins, 2]."""
        return {name: self.stft.analyse(mix) for name, mix in self.mixes.items()}

    def part(self, start: float, seconds: float) -> dict[str, Samples]:
        """Return a part of each stem."""
        part = slice(round(start * RATE), round((start + seconds) * RATE))
        return {name: stem[part] for name, stem in self.stems.items()}

    def lesson(self, seconds: float) -> Spectrum:
        """Return the stems around the first piece, [frames, bins, 2, stems]."""
        start = min(max(0.0, PIECES[HEARD] + SECONDS / 2 - seconds / 2), LIMIT - seconds)
        parts = self.part(start, seconds).values()
        return beside([self.stft.analyse(stem) for stem in parts])

    def separate(self, music: str, masks: Masks) -> dict[str, Samples]:
        """Return what masks in bands, [frames, BANDS, stems], make of a piece's mixture."""
        spread = np.einsum("fms,mb->fbs", masks, self.bands, optimize=True)
        parts = apply(np.repeat(spread[:, :, None], 2, 2), self.spectra[music])
        sound = self.stft.synthesise(parts, len(self.mixes[music]))
        return dict(zip(self.stems, np.moveaxis(sound, -1, 0), strict=True))

    def judge(self, music: str, masks: Masks) -> dict[str, float]:
        """Return the SDR of each stem that masks make of a piece, in dB."""
        found = self.separate(music, masks)
        return {name: sdr(true, found[name]) for name, true in self.pieces[music].items()}


def train(song: Song, recipe: Recipe) -> Iterator[Run]:
    """Train a network; yield the run as it stands before the first epoch and after each."""
    run, network = Run(recipe), Network(recipe, song.stft)
    levels = {music: np.abs(mix).mean(2) for music, mix in song.spectra.items()}
    even = np.float32(1 / len(song.stems))
    shape = (BANDS, len(song.stems))
    masks = {music: np.full((len(level), *shape), even) for music, level in levels.items()}
    start = time.monotonic()
    losses = network.learn(song.lesson(recipe.seconds))
    for epoch in range(EPOCHS + 1):
        if epoch:
            run.losses.append(next(losses))
            masks = {music: network.masks(level) for music, level in levels.items()}
        run.masks.append(masks)
        run.sdrs.append({music: song.judge(music, own) for music, own in masks.items()})
        run.seconds = time.monotonic() - start
        yield run


class Lesson(Experiment):
    """A network that one trains: how it is to learn, and what it makes of music after each epoch.

    Examples
    --------
    >>> lesson = learn()
    >>> lesson.recipe
    Recipe(seconds=6, context=0, log=False)
    >>> lesson.close()
    """

    def __init__(self) -> None:
        self.song = Song()
        self.runs: list[Run] = [next(train(self.song, Recipe(6, 0, log=False)))]
        self._trainer: Thread | None = None
        self.knobs = {
            "seconds": steps("learn from", [("6 s", 6), ("20 s", 20), ("40 s", 40)], 6),
            "context": steps("frames before and after", [0, 1, 2, 4, 8], 0),
            "log": menu("levels", ["linear", "logarithmic"]),
        }
        button = ipywidgets.Button(description="Train")
        button.on_click(lambda _: self.train())
        controls = {
            "music": menu("hear", list(PIECES)),
            "stem": menu("stem", list(self.song.stems)),
            "epoch": ipywidgets.IntSlider(0, 0, EPOCHS, description="after epoch", **wide(330)),
        }
        super().__init__(self._make_outcome, controls, solo="kept", view=True)
        knobs = ipywidgets.Box([*self.knobs.values(), button], layout=ROW)
        self.children: tuple[ipywidgets.Widget, ...] = (knobs, *self.children)

    @property
    def recipe(self) -> Recipe:
        """What the controls ask for."""
        values = {name: knob.value for name, knob in self.knobs.items()}
        return Recipe(**{**values, "log": values["log"] == "logarithmic"})

    def train(self) -> None:
        """Train anew; a training that is under way is given up."""
        recipe = self.recipe
        self._trainer = Thread(target=self._train, args=(recipe,), daemon=True)
        self._trainer.start()

    def wait(self) -> None:
        """Wait until the training is over."""
        if self._trainer:
            self._trainer.join()
        self.settle()

    def _train(self, recipe: Recipe) -> None:
        mine = self._trainer
        for run in train(self.song, recipe):
            if self._trainer is not mine:
                return
            if run.epochs == 0:
                self.runs = [*[past for past in self.runs if past.epochs], run]
            self.controls["epoch"].value = run.epochs

    def close(self) -> None:
        """Stop training and sound, and remove all."""
        trainer, self._trainer = self._trainer, None
        if trainer:
            trainer.join()
        super().close()

    def _make_outcome(self, music: str, stem: str, epoch: int) -> Outcome:
        run = self.runs[-1]
        epoch = min(epoch, run.epochs)

        def sounds() -> dict[str, Samples]:
            kept = self.song.separate(music, run.masks[epoch][music])[stem]
            return kept_and_rest(self.song.mixes[music], kept)

        sdrs = {name: [at[name][stem] for at in run.sdrs] for name in PIECES}
        losses = run.losses[: run.epochs + 1]  # the next epoch may be under way
        drawing = figures.learning(losses, sdrs, epoch, f"SDR of {stem} in dB")
        return Outcome(sounds, lambda: self._words(stem, epoch), drawing)

    def _words(self, stem: str, epoch: int) -> str:
        run = self.runs[-1]
        if not run.epochs:
            return "Press <b>Train</b>. Before it, each stem gets a quarter of every cell."
        rows = "".join(_row(run, stem) for run in self.runs)
        head = "".join(f"<th scope='col'>{name}</th>" for name in ("learnt from", *PIECES))
        return (
            f"After {epoch} of {EPOCHS} epochs, {run.seconds:.0f} s: loss "
            f"<b>{run.losses[epoch]:.4f}</b>. SDR of {stem} at the end of each training:"
            f"<table style='border-spacing: 14px 0; line-height: 1.4'><tr>{head}</tr>{rows}</table>"
        )


def _row(run: Run, stem: str) -> str:
    cells = "".join(f"<td>{db(run.sdrs[-1][music][stem])}</td>" for music in PIECES)
    return f"<tr><th scope='row'>{run.recipe}</th>{cells}</tr>"


def learn() -> Lesson:
    """Open the step in which one trains a network of one's own."""
    return Lesson()
