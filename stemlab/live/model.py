"""Models for live sound: a frame in, masks out, and a memory of what was before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stemlab.card import Card
from stemlab.errors import ModelError
from stemlab.model import find, load_interpreter

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from stemlab.masks import Masks

LIVE = "stemlab-4-live"
"""Name of the model that is taken by default."""
LIVES = {LIVE: "Sooner", "stemlab-4-live-100": "Cleaner"}
"""Names of the models that are there, and what they are good at."""


def delay(card: Card) -> int:
    """Return the samples from a sample's coming to its stems' going out."""
    return card.stft.delay + card.lookahead * card.hop


class StreamModel:
    """A causal network that computes each frame once.

    Its layers keep what they need of the frames before; that travels through the network as one
    more input and output, `state`, so that the network itself knows nothing of time.

    Parameters
    ----------
    card
        The model, by its card, name or the path of its `.tflite` file; by default `LIVE`.
    runtime, threads
        See `stemlab.model.StemModel`; a frame is little work, and one thread does it soonest.

    Raises
    ------
    ModelError
        If the model is not there, damaged, not made for live sound, or no runtime can run it.

    Examples
    --------
    >>> model = StreamModel("stemlab-4-live")
    >>> model.masks(np.zeros((3, model.card.bins, 2), np.float32)).shape
    (3, 1024, 2, 4)
    """

    def __init__(
        self, card: Card | str | Path = LIVE, *, runtime: str | None = None, threads: int = 1
    ) -> None:
        self.card = card if isinstance(card, Card) else find(card)
        if not self.card.streams:
            raise ModelError(f"{self.card.name}: reads whole windows, not frame by frame")
        self.card.verify()
        self.threads = threads
        self.runtime, self._interpreter = load_interpreter(self.card, runtime, threads)
        self._inputs, self._outputs = self._places()
        self._state = self._interpreter.tensor(self._inputs["state"])
        self.forget()

    def masks(self, magnitude: NDArray[np.float32]) -> Masks:
        """Take the next frames, [n, F, 2]; return masks, [n, F, 2, stems].

        They are those of the frames `card.lookahead` before.
        """
        card = self.card
        masks = np.empty((len(magnitude), card.bins, 2, len(card.stems)), np.float32)
        for i, frame in enumerate(magnitude):
            masks[i] = self._step(frame)
        return masks

    def forget(self) -> None:
        """Take what was before as silence."""
        self._interpreter.tensor(self._inputs["state"])()[:] = 0

    def _step(self, frame: NDArray[np.float32]) -> NDArray[np.float32]:
        runs = self._interpreter
        runs.set_tensor(self._inputs["magnitude"], frame[None, None])
        runs.invoke()
        runs.set_tensor(self._inputs["state"], runs.get_tensor(self._outputs["state"]))
        masks: NDArray[np.float32] = runs.get_tensor(self._outputs["masks"])[0, 0]
        return masks

    def _places(self) -> tuple[dict[str, int], dict[str, int]]:
        """Return where the tensors are; the state is the only one that is flat."""
        card, runs = self.card, self._interpreter
        frame = [1, 1, card.bins, 2]
        wanted = ({"magnitude": frame}, {"masks": [*frame, len(card.stems)]})
        found = [
            {"state" if len(d["shape"]) == 2 else name: d for d in details}  # noqa: PLR2004
            for name, details in (
                ("magnitude", runs.get_input_details()),
                ("masks", runs.get_output_details()),
            )
        ]
        sizes = [{name: d["shape"].tolist() for name, d in tensors.items()} for tensors in found]
        states = [tensors.pop("state", None) for tensors in sizes]
        if tuple(sizes) != wanted or None in states or states[0] != states[1]:
            raise ModelError(
                f"{card.path}: takes {sizes[0]} and gives {sizes[1]} where its card says "
                f"{wanted[0]} and {wanted[1]}, each with a state; this is not a stemlab model"
            )
        inputs, outputs = ({name: d["index"] for name, d in tensors.items()} for tensors in found)
        return inputs, outputs
