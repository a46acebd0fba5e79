"""What Spleeter's U-Net of the accompaniment would add to its U-Net of the voice.

    python models/forge/four_stems/sharpen.py WEIGHTS.npz DATA SHARPER.npz

Spleeter shares each cell out by two U-Nets. To run the second one up again takes a third of the
time, and most of what it says can be told from the first and from what our own decoder has found:
two convolutions, `voice.sharper`, learn it from the masks of `spleeter-2stems`. They hear the songs
of `music.taught`; a third of those without a singer get one of `music.singers`. WEIGHTS is what
`train.py` kept.
"""

from __future__ import annotations

import os
import sys
import zlib
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
sys.path.insert(0, str(Path(__file__).parents[1]))

import keras
import numpy as np
import tensorflow as tf
import typer
from keras import ops
from music import singers, taught
from spleeter_2stems import checkpoint
from tqdm.auto import tqdm

from four_stems import graphs, voice
from four_stems.network import BINS, CELLS, to_blocks
from four_stems.train import LOG_EVERY
from stemlab.model import StemModel
from stemlab.sound.audio import load
from stemlab.spectral import Stft

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Array = NDArray[np.float32]

ROWS = 64  # of blocks, three seconds, in an example
BATCH = 4
WINDOWS = 2  # of a song with a singer; of music without one


def main(
    weights: Path,
    data: Path,
    sharper: Path,
    steps: Annotated[int, typer.Option(help="of training")] = 1500,
    rate: Annotated[float, typer.Option(help="highest learning rate")] = 4e-3,
    examples: Annotated[int, typer.Option(help="windows of 12 s, at most")] = 200,
) -> None:
    """Train the two convolutions and write their weights."""
    stft = Stft()
    heard, teacher = listener(weights), StemModel("spleeter-2stems", runtime="ai-edge-litert")
    known = [
        _known(heard, teacher, stft, window)
        for window in tqdm(islice(windows(data / "real", stft), examples), "Windows")
    ]
    model = voice.sharper()
    schedule = keras.optimizers.schedules.CosineDecay(rate, steps, alpha=0.01)
    model.compile(keras.optimizers.Adam(schedule), loss)
    rng, losses = np.random.default_rng(0), []
    for step in range(1, steps + 1):
        losses.append(float(model.train_on_batch(*_batch(known, rng))))
        model.reset_metrics()
        if step % LOG_EVERY == 0:
            print({"step": step, "loss": round(np.mean(losses), 5)}, flush=True)
            losses.clear()
    np.savez(sharper, *model.get_weights())


def listener(weights: Path) -> Any:
    """Return the Keras model from magnitude to what the two convolutions read."""
    reader = tf.train.load_checkpoint(str(checkpoint()))
    heard = graphs.heard(reader, graphs.load(reader, weights))
    return keras.Model(heard.magnitude, [heard.last, heard.theirs, heard.ours])


def loss(wanted: Any, logits: Any) -> Any:
    """Return (m − t)² + 0.1·|m − t| of masks m, weighted by magnitude^1.5.

    `wanted` holds the teacher's masks t and the weights, side by side.
    """
    masks, weights = wanted[..., :CELLS], wanted[..., CELLS:]
    error = ops.sigmoid(logits) - masks
    return ops.sum(weights * (ops.square(error) + 0.1 * ops.abs(error))) / ops.sum(weights)


def windows(real: Path, stft: Stft) -> Iterator[Array]:
    """Yield windows of songs, [samples, 2], some with a singer who is not of the song."""
    length = (graphs.FRAMES - 1) * stft.hop + stft.n_fft
    voices = sorted(
        file
        for name in singers.LICENCES
        for file in real.glob(f"{name}/*/vocals.opus")
        if file.parent.name not in singers.HELD_BACK
    )
    for name, file, _ in taught.songs(real):
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        samples = load(file).samples
        played = taught.GAMES in file.parents
        for _ in range(1 if played else WINDOWS):
            window = _drawn(samples, length, rng)
            if played and voices and rng.random() < 1 / 3:
                window = _over(window, load(voices[rng.integers(len(voices))]).samples, rng)
            yield window


def _drawn(samples: Array, length: int, rng: np.random.Generator) -> Array:
    start = int(rng.integers(max(1, len(samples) - length)))
    found = samples[start : start + length]
    return np.pad(found, ((0, length - len(found)), (0, 0)))


def _over(music: Array, voice: Array, rng: np.random.Generator) -> Array:
    """Return a mix with a voice twice as strong as the music."""
    voice = np.broadcast_to(_drawn(voice, len(music), rng), music.shape)
    gain = 2 * np.sqrt(np.mean(music**2) / max(float(np.mean(voice**2)), 1e-9))
    mix = music + np.float32(gain) * voice
    loudest: Array = mix / np.abs(mix).max()
    return loudest


def _known(heard: Any, teacher: StemModel, stft: Stft, window: Array) -> tuple[Array, ...]:
    """Return what the convolutions read of a window, and what `loss` wants."""
    magnitude = np.abs(stft.analyse(window))[: graphs.FRAMES, :BINS].astype(np.float32)
    masks = teacher.masks(magnitude)[..., :1]
    weights = magnitude[..., None] ** 1.5 + 1e-6
    wanted = np.concatenate([to_blocks(masks), to_blocks(weights)], -1)
    return *(np.asarray(x)[0] for x in heard(magnitude[None])), wanted


def _batch(known: list[tuple[Array, ...]], rng: np.random.Generator) -> tuple[list[Array], Array]:
    examples = []
    for _ in range(BATCH):
        window = known[rng.integers(len(known))]
        start = rng.integers(len(window[0]) - ROWS)
        examples.append([part[start : start + ROWS] for part in window])
    *read, wanted = (np.stack(parts) for parts in zip(*examples, strict=True))
    return read, wanted


if __name__ == "__main__":
    typer.run(main)
