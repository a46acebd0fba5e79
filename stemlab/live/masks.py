"""Where live masks come from: a causal model, frame by frame, or one that reads whole windows."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Protocol

import numpy as np

from stemlab.errors import SettingError

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

    from numpy.typing import NDArray

    from stemlab.live.model import StreamModel
    from stemlab.masks import Masks
    from stemlab.model import StemModel

# Frames before the first that a causal model hears again; it knows of more, and cares little.
RECALLED = 64
# Share of a model's window that the mirrored past takes, in place of the future.
MIRRORED = 1 / 4
# Runs whose times are kept.
TIMES = 100


class MaskSource(Protocol):
    """Gives masks for the frames of a stream, in hops of a model.

    Attributes
    ----------
    lookahead
        Hops that the sound has to wait.
    known
        Hops before the first that make a difference.
    took
        Seconds that the newest runs of the model took, for whoever takes them out.
    setting
        How it looks, in words.
    """

    lookahead: int
    known: int
    took: deque[float]

    @property
    def setting(self) -> str:
        """How it reads, in words."""

    def recall(self, magnitudes: NDArray[np.float32]) -> None:
        """Hear what was before the first frame, [n, F, 2]."""

    def hear(self, magnitude: NDArray[np.float32]) -> None:
        """Take the next frame, [F, 2]."""

    def at(self, hop: int) -> Masks:
        """Return the masks known best for the sound at a hop since the start, [F, 2, stems]."""


class StreamedMasks:
    """Masks of a model made for live sound: those of each frame, once."""

    def __init__(self, model: StreamModel) -> None:
        self._model, self.lookahead, self.known = model, model.card.lookahead, RECALLED
        self.took: deque[float] = deque(maxlen=TIMES)
        self._newest: Masks
        model.forget()

    @property
    def setting(self) -> str:
        """How it reads, in words."""
        return f"frame by frame, look-ahead {self.lookahead}"

    def recall(self, magnitudes: NDArray[np.float32]) -> None:
        """Hear what was before the first frame, [n, F, 2]."""
        self._model.masks(magnitudes)

    def hear(self, magnitude: NDArray[np.float32]) -> None:
        """Take the next frame, [F, 2]."""
        clock = time.perf_counter()
        self._newest = self._model.masks(magnitude[None])[0]
        self.took.append(time.perf_counter() - clock)

    def at(self, hop: int) -> Masks:  # noqa: ARG002 - the sound waits at just that frame
        """Return the masks of the frame that the sound waits at, [F, 2, stems]."""
        return self._newest


class WindowedMasks:
    """Masks of the newest frames of whole windows, held until the next window is read.

    Each run reads T frames whose newest one ends with the newest sample. The frames are those of
    the asymmetric analysis, every hop of the model's: their shape differs from what the model was
    trained on, but a mask then holds for just the sound that it was made from. (With no look-ahead,
    five excerpts of 20 s: 0.2 to 0.5 dB better for vocals, bass and other than frames of the
    model's own window, 0.5 dB worse for drums.)

    The U-Nets look at whole windows, of a multiple of 64 frames, so that each run computes T frames
    anew for the few that are. A window that ended with the newest frame would tell them that the
    music stops there: the last quarter is the past in the mirror (0.4 to 0.7 dB better than none
    on five excerpts of 12 s).

    Parameters
    ----------
    model
        Loaded with as many frames as a run shall read.
    update
        Hops of the model from run to run, at least.
    lookahead
        Hops of the model that the sound waits, for masks that know what follows.
    executor
        Where the model runs: a pool of one thread, which is the caller's to shut down. The sound
        then goes on with the masks that are there, and a machine that is too busy makes masks old,
        not holes. By default the model runs in `hear`.

    Raises
    ------
    SettingError
        If a setting has no meaning.
    """

    def __init__(
        self, model: StemModel, update: int, lookahead: int, executor: Executor | None
    ) -> None:
        self._model, self._update, self.lookahead = model, update, lookahead
        self._executor = executor
        card = model.card
        self._mirrored = int(card.frames * MIRRORED)
        self.known = card.frames - self._mirrored
        self._check()
        self._history = np.zeros((self.known, card.bins, 2), np.float32)
        shape = (lookahead + 1, card.bins, 2, len(card.stems))
        self._masks: Masks = np.full(shape, 1 / len(card.stems), np.float32)
        self.took: deque[float] = deque(maxlen=TIMES)
        self._run: Future[Masks] | None = None
        self._heard = self._asked = self._ran = 0  # and where the last run, and the masks', end

    @property
    def setting(self) -> str:
        """How it reads, in words."""
        frames = self._model.card.frames
        return f"windows of {frames} frames every {self._update}, look-ahead {self.lookahead}"

    def recall(self, magnitudes: NDArray[np.float32]) -> None:
        """Hear what was before the first frame, [n, F, 2]."""
        self._history[self.known - len(magnitudes) :] = magnitudes
        self._masks = self._look(self._window())

    def hear(self, magnitude: NDArray[np.float32]) -> None:
        """Take the next frame, [F, 2]; run the model if it is time."""
        self._history[:-1] = self._history[1:]
        self._history[-1] = magnitude
        self._heard += 1
        if self._heard - self._asked < self._update or self._run:
            return
        self._asked = self._heard
        if self._executor:
            self._run = self._executor.submit(self._look, self._window())
        else:
            self._masks, self._ran = self._look(self._window()), self._heard

    def at(self, hop: int) -> Masks:
        """Return the masks known for a hop, or else the newest, [F, 2, stems]."""
        if self._run and self._run.done():
            self._masks, self._ran, self._run = self._run.result(), self._asked, None
        nearest: Masks = self._masks[-1 - min(max(self._ran - hop, 0), self.lookahead)]
        return nearest

    def _check(self) -> None:
        if self._update < 1:
            raise SettingError(f"update {self._update}: it must be 1 hop of the model or more")
        if not 0 <= self.lookahead < self.known:
            raise SettingError(
                f"look-ahead {self.lookahead}: choose 0 or more, below the {self.known} frames "
                "that the model hears"
            )

    def _window(self) -> NDArray[np.float32]:
        """Return what the model reads now, [T, F, 2]."""
        return np.concatenate([self._history, self._history[: -self._mirrored - 1 : -1]])

    def _look(self, window: NDArray[np.float32]) -> Masks:
        """Return the masks of the newest frames of a window, [look-ahead + 1, F, 2, stems]."""
        clock = time.perf_counter()
        newest = self._model.masks(window)[: self.known][-len(self._masks) :]
        self.took.append(time.perf_counter() - clock)
        return newest
