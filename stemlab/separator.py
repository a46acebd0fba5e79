"""The way of a sound: STFT, model, masks, inverse STFT; whole songs and streams alike."""

from __future__ import annotations

import math
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from stemlab.errors import AudioError, SettingError
from stemlab.masks import (
    EXTENSIONS,
    AnyMasks,
    Masks,
    Regridder,
    apply,
    extend,
    magnitudes,
    sharpen,
)
from stemlab.model import DEFAULT, StemModel
from stemlab.sound.audio import Audio, Reader
from stemlab.sound.fifo import Fifo, reblock
from stemlab.sound.hearing import bundle
from stemlab.spectral import BATCH, Samples, Spectrum, Stft

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from stemlab.card import Card

Item = TypeVar("Item")
Result = TypeVar("Result")

# Frames over which the masks of neighbouring windows are cross-faded, if nothing else is asked for.
# The rest, the step from window to window, stays a multiple of the U-Net's stride of 64 frames.
OVERLAP = 64


@dataclass(frozen=True)
class StemBlock:
    """A stretch of separated sound and the masks that made it.

    Attributes
    ----------
    start
        Index of its first sample in the song.
    mix
        The mixture, [samples, 2].
    stems
        The stems in the model's order, [stems, samples, 2]; they sum to the mix.
    frame
        Index of its first frame in the song.
    spectrum
        The mixture's spectrum, [frames, bins, 2].
    band
        Masks of the bins that the model knows, the lower ones, [frames, F, 2, stems].
    extension
        How they go on above, see `stemlab.masks.extend`.
    """

    start: int
    mix: Samples
    stems: Samples
    frame: int
    spectrum: Spectrum
    band: AnyMasks
    extension: str = "octave"

    @cached_property
    def masks(self) -> Masks:
        """The stems' masks, [frames, bins, 2, stems]; of complex ones the shares of magnitudes."""
        return extend(magnitudes(self.band), self.spectrum.shape[1], self.extension)


@dataclass(frozen=True)
class Separation:
    """A separated song: its mixture and its stems by name."""

    mix: Audio
    stems: dict[str, Audio]

    @property
    def rate(self) -> int:
        """Samples per second."""
        return self.mix.rate

    def _repr_mimebundle_(self, **_asked: object) -> dict[str, str]:
        """Show small players in a notebook: of the mixture and of each stem."""
        sounds = {"mixture": self.mix, **self.stems}
        return bundle({name: sound.samples for name, sound in sounds.items()}, self.rate)


class Separator:
    """Takes music apart with a model.

    Parameters
    ----------
    model
        A loaded model, or what `StemModel` loads.
    stft
        The transform the masks are applied in; by default the model's own. For another one the
        masks are carried over to its grid, see `stemlab.masks.Regridder`; of complex masks the
        magnitudes, since phases hold only for the transform in which they were found.
    exponent
        Sharpens (above 1) or softens (below 1) the masks.
    past, lookahead
        Frames at the start and at the end of each of the model's windows whose masks are not used:
        what every mask knows of the sound before and after it, at least. What is between, the
        step from window to window, costs one run of the model. By default no past, and as much
        look-ahead as the cross-fade needs.
    overlap
        Frames over which the masks of neighbouring windows are cross-faded, within the look-ahead.
    extension
        How the masks go on above the model's band, a name of `stemlab.masks.EXTENSIONS`.

    Raises
    ------
    ModelError
        If the model is not there or cannot run.
    SettingError
        If a setting has no meaning.

    Examples
    --------
    >>> from stemlab import demo
    >>> separator = Separator()
    >>> with Reader(demo.path(), separator.rate) as song:
    ...     first = next(separator.stream(song.blocks()))
    >>> first.stems.shape == (len(separator.stems), *first.mix.shape)
    True
    """

    def __init__(
        self,
        model: StemModel | Card | str | Path = DEFAULT,
        *,
        stft: Stft | None = None,
        exponent: float = 1.0,
        past: int = 0,
        lookahead: int | None = None,
        overlap: int | None = None,
        extension: str = "octave",
    ) -> None:
        if not 0 < exponent < math.inf:
            raise SettingError(f"mask exponent {exponent}: it must be a number above 0")
        self.model = model if isinstance(model, StemModel) else StemModel.shared(model)
        self.stft = stft or self.model.card.stft
        self.exponent = exponent
        self.past = past
        if overlap is None:
            usual = min(OVERLAP, self.model.card.frames // 4)
            overlap = usual if lookahead is None else min(usual, lookahead)
        self.overlap = overlap
        self.lookahead = overlap if lookahead is None else lookahead
        self.extension = extension
        self._check()

    @property
    def stems(self) -> tuple[str, ...]:
        """Names of the stems, in order."""
        return self.model.card.stems

    @property
    def rate(self) -> int:
        """Samples per second of all that goes in and comes out."""
        return self.model.card.sample_rate

    @property
    def step(self) -> int:
        """Samples from one of the model's windows to the next."""
        return self._step * self.model.card.hop

    @property
    def batch(self) -> int:
        """Samples that a stream takes in at once."""
        return min(BATCH, self._step) * self.model.card.hop

    @property
    def settings(self) -> tuple[Stft, float, int, int, int, str]:
        """All that shapes the stems beside the model."""
        windows = (self.past, self.lookahead, self.overlap)
        return (self.stft, self.exponent, *windows, self.extension)

    @property
    def lead_in(self) -> int:
        """Samples at the start of a stream inside a song that differ from the whole song's.

        Their windows lack the past, they lack the cross-fade with the window before and the overlap
        of its last frames.
        """
        card = self.model.card
        without_past = -(-self.past // self._step) * self._step
        return (without_past + self.overlap) * card.hop + max(self.stft.n_fft, card.n_fft)

    @property
    def _step(self) -> int:
        return self.model.card.frames - self.past - self.lookahead

    def _check(self) -> None:
        if self.past < 0 or self.lookahead < 0 or self._step < 1:
            raise SettingError(
                f"past {self.past} and look-ahead {self.lookahead}: both must be 0 or more and "
                f"leave a frame of the {self.model.card.frames} that {self.model.card.name} reads"
            )
        if not 0 <= self.overlap <= self.lookahead:
            raise SettingError(
                f"overlap {self.overlap}: the cross-fade lies within the look-ahead; "
                f"choose 0 to {self.lookahead} frames, or a longer look-ahead"
            )
        if self.extension not in EXTENSIONS:
            raise SettingError(
                f"{self.extension}: no such band extension; choose one of {', '.join(EXTENSIONS)}"
            )

    def separate(
        self,
        song: str | Path | Audio,
        progress: Callable[[float], object] | None = None,
    ) -> Separation:
        """Separate a whole song into memory.

        Parameters
        ----------
        song
            A file, or sound at `rate`.
        progress
            Called with the seconds that have just been done. To cancel, raise from it.

        Raises
        ------
        AudioError
            If the file cannot be read, or there are no samples.
        SettingError
            If the sound has another rate than the model.
        """
        blocks = []
        for block in self._stream_song(song):
            blocks.append((block.mix, block.stems))
            if progress:
                progress(len(block.mix) / self.rate)
        mix = np.concatenate([mix for mix, _ in blocks])
        stems = np.concatenate([stems for _, stems in blocks], axis=1)
        parts = {name: Audio(stem, self.rate) for name, stem in zip(self.stems, stems, strict=True)}
        return Separation(Audio(mix, self.rate), parts)

    def stream(
        self, blocks: Iterable[Samples], before: Samples | None = None
    ) -> Generator[StemBlock, None, None]:
        """Separate sound as it comes.

        A stream may start inside a song: at a multiple of `step`, given what is `before` that
        place, it yields what the whole song's stream does after its first `lead_in` samples.

        Parameters
        ----------
        blocks
            The mixture in blocks [samples, 2] of any lengths, at `rate`.
        before
            The sound before the first block, [n, 2]; n_fft samples are enough.

        Yields
        ------
        StemBlock
            Stretches of some 1.5 s, in order and without gaps, as soon as they are final. Their
            lengths add up to what came in. Close the generator to stop early.
        """
        mixture = _Mixture(self, before)
        synthesis = _Synthesis(self.stft, mixture, self.extension)
        pieces = synthesis.pieces(self._carried(mixture, blocks))
        # As many as a window completes, so that the next one is made ready meanwhile.
        most = max(1, self.step // (BATCH * self.stft.hop))
        for made in _ahead(synthesis.make, pieces, most):
            if made is not None:
                yield synthesis.block(*made)

    def _stream_song(self, song: str | Path | Audio) -> Iterator[StemBlock]:
        if isinstance(song, Audio):
            if not len(song.samples):
                raise AudioError("the sound has no samples; nothing to separate")
            if song.rate != self.rate:
                raise SettingError(
                    f"the sound has {song.rate} Hz, {self.model.card.name} takes {self.rate} Hz; "
                    "resample it with stemlab.sound.audio.resample"
                )
            yield from self.stream([song.samples])
            return
        with Reader(song, self.rate) as reader:
            yield from self.stream(reader.blocks())

    def _carried(self, mixture: _Mixture, blocks: Iterable[Samples]) -> Iterator[AnyMasks | None]:
        """Yield the masks in the grid of `stft`."""
        card = self.model.card
        if self.stft == card.stft:
            for own in self._masks(mixture.heard(blocks)):
                yield None if own is None else sharpen(own, self.exponent)
            return
        regridder = Regridder(card.stft, self.stft, card.bins)
        for masks in self._masks(mixture.heard(blocks)):
            carried = None if masks is None else regridder.push(magnitudes(masks))
            yield None if carried is None else sharpen(carried, self.exponent)
        rest = regridder.flush(self.stft.frames(mixture.length))
        if rest is not None:
            yield sharpen(rest, self.exponent)

    def _masks(self, heard: Iterable[NDArray[np.inexact[Any]]]) -> Iterator[AnyMasks | None]:
        """Run the model over overlapping windows and cross-fade their masks into one stream."""
        fade_in = np.linspace(0, 1, self.overlap + 2, dtype=np.float32)[1:-1, None, None, None]
        step = self._step
        tail: AnyMasks | None = None
        for done in _ahead(self._run, self._windows(heard), 1):
            if done is None:
                yield None
                continue
            window, last = done
            masks = window[self.past :]
            if tail is not None:
                faded = min(len(tail), len(masks))
                weight = fade_in[:faded]
                masks[:faded] = masks[:faded] * weight + tail[:faded] * (1 - weight)
            yield masks if last else masks[:step]
            tail = masks[step : step + self.overlap]

    def _windows(
        self, heard: Iterable[NDArray[np.inexact[Any]]]
    ) -> Iterator[tuple[NDArray[np.inexact[Any]], bool] | None]:
        """Cut frames into windows of T that overlap; the flag marks the last, shorter one.

        Where new frames complete no window, None lets finished work go on.
        """
        frames, step = self.model.card.frames, self._step
        silence: NDArray[np.inexact[Any]] = np.zeros(
            (self.past, self.model.card.bins, 2), np.float32
        )
        held, count = [silence], self.past
        for new in heard:
            held.append(new)
            count += len(new)
            while count > frames:
                whole = np.concatenate(held)
                yield whole[:frames], False
                held, count = [whole[step:]], count - step
            yield None
        if count > self.past:
            yield np.concatenate(held), True

    def _run(self, window: tuple[NDArray[np.inexact[Any]], bool]) -> tuple[AnyMasks, bool]:
        heard, last = window
        missing = self.model.card.frames - len(heard)
        padded = np.pad(heard, ((0, missing), (0, 0), (0, 0))) if missing else heard
        return self.model.masks(padded)[: len(heard)], last


class _Mixture:
    """The mixture's way to the model; samples and spectrum wait here for their masks."""

    def __init__(self, separator: Separator, before: Samples | None) -> None:
        stft, native = separator.stft, separator.model.card.stft
        self._band, self._batch = separator.model.card.bins, separator.batch
        self._hear = separator.model.hear
        self._own = stft.analyser(before)
        self._native = self._own if stft == native else native.analyser(before)
        self.samples: Fifo[np.float32] = Fifo()
        self.spectrum: Fifo[np.complex64] = Fifo()
        self.length = 0

    def heard(self, blocks: Iterable[Samples]) -> Iterator[NDArray[np.inexact[Any]]]:
        """Yield what the model hears, [frames, F, 2]."""
        for block in reblock(blocks, self._batch):
            self.length += len(block)
            self.samples.push(block)
            spectrum = self._own.push(block)
            self.spectrum.push(spectrum)
            own = self._native is self._own
            yield self._hear((spectrum if own else self._native.push(block))[:, : self._band])
        spectrum = self._own.flush()
        self.spectrum.push(spectrum)
        last = spectrum if self._native is self._own else self._native.flush()
        yield self._hear(last[:, : self._band])


class _Synthesis:
    """Masks in, stem blocks out: cut into pieces, made in a thread, joined with the mixture."""

    def __init__(self, stft: Stft, mixture: _Mixture, extension: str) -> None:
        self._mixture, self._extension = mixture, extension
        self._synthesiser = stft.synthesiser()
        self._masks: Fifo[Any] = Fifo()
        self._start = 0
        self._frame = 0

    def pieces(
        self, masks: Iterable[AnyMasks | None]
    ) -> Iterator[tuple[AnyMasks, Spectrum] | None]:
        """Yield masks [frames, F, 2, stems] and the spectrum they belong to."""
        for new in masks:
            if new is None:
                yield None
                continue
            self._masks.push(new)
            while count := min(BATCH, len(self._masks), len(self._mixture.spectrum)):
                yield self._masks.take(count), self._mixture.spectrum.take(count)

    def make(self, piece: tuple[AnyMasks, Spectrum]) -> tuple[AnyMasks, Spectrum, Samples]:
        """Return masks, the spectrum they belong to, and all stems but the last."""
        masks, spectrum = piece
        full = extend(masks, spectrum.shape[1], self._extension)
        parts = self._synthesiser.push(apply(full[..., :-1], spectrum))
        return masks, spectrum, parts

    def block(self, masks: AnyMasks, spectrum: Spectrum, parts: Samples) -> StemBlock:
        """Return the block that these complete."""
        mix = self._mixture.samples.take(min(len(parts), len(self._mixture.samples)))
        stems = with_rest(parts[: len(mix)], mix)
        block = StemBlock(self._start, mix, stems, self._frame, spectrum, masks, self._extension)
        self._start += len(mix)
        self._frame += len(masks)
        return block


def with_rest(parts: Samples, mix: Samples) -> Samples:
    """Return the stems, of which the last is what the others leave, so that they sum to the mix.

    One synthesis less.

    Parameters
    ----------
    parts
        All stems but the last as a synthesis gives them, [n, 2, stems − 1].
    mix
        [n, 2].

    Returns
    -------
    float32 [stems, n, 2].

    Examples
    --------
    >>> stems = with_rest(np.full((3, 2, 1), 0.25, np.float32), np.ones((3, 2), np.float32))
    >>> stems[:, 0, 0]
    array([0.25, 0.75], dtype=float32)
    """
    stems = np.empty((parts.shape[-1] + 1, *mix.shape), np.float32)
    for channel in range(mix.shape[1]):  # a synthesis lays them out apart: copied one by one
        stems[:-1, :, channel] = parts[:, channel].T
    stems[-1] = mix - stems[:-1].sum(0)
    return stems


def _ahead(
    function: Callable[[Item], Result], items: Iterable[Item | None], most: int
) -> Iterator[Result | None]:
    """Map in a thread, at most so many items ahead of whoever takes the results.

    Where an item is None, so is a result: there is nothing new, but others may go on.
    """
    pool = ThreadPoolExecutor(1)
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            if item is not None:
                waiting.append(pool.submit(function, item))
            while len(waiting) > most or (waiting and waiting[0].done()):
                yield waiting.popleft().result()
            if item is None:
                yield None
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
