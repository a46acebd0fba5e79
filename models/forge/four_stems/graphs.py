"""The inference graph of stemlab-4, from trained weights to `.tflite`.

    python models/forge/four_stems/graphs.py WEIGHTS.npz SHARPER.npz FOLDER

writes stemlab-4.tflite to FOLDER/float32 and, convolving int8 numbers, to FOLDER/int8.
WEIGHTS is what `train.py` kept, SHARPER what `sharpen.py` wrote.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
sys.path.insert(0, str(Path(__file__).parents[1]))

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from spleeter_2stems import checkpoint

from four_stems import network, voice
from four_stems.spleeter_encoders import read_encoders
from four_stems.train import load_weights
from stemlab.importers import spleeter

if TYPE_CHECKING:
    from numpy.typing import NDArray

FRAMES = spleeter.FRAMES
SIZE = network.CELLS * len(network.STEMS)
SMALLEST_KERNEL = 2_000  # weights; of those that convolve int8, the others are soon done
# Of Spleeter's, those that lose by steps of 8 bits, on instrumental music above all.
EXACT = r"voice_(down[123]|below0|skip0|masks)|rest_down1"
# Where the ears' levels differ by more than this share of their sum, masks of both may differ.
CENTRE = 0.2


class Heard(NamedTuple):
    """What is known of a magnitude before masks are made of it, in blocks.

    Attributes
    ----------
    magnitude
        The input.
    last
        Our decoder's last features.
    logits
        What it makes of them, for each stem.
    ours, theirs
        The logits of the voice: our decoder's and those of Spleeter's U-Net.
    """

    magnitude: Any
    last: Any
    logits: Any
    ours: Any
    theirs: Any


def main(weights: str, sharper: str, folder: str) -> None:
    """Write the network in both precisions."""
    reader = tf.train.load_checkpoint(str(checkpoint()))
    trained = load(reader, Path(weights))
    graph = best(heard(reader, trained), voice.sharper(Path(sharper)))
    exact = tf.lite.TFLiteConverter.from_keras_model(graph).convert()
    write(Path(folder, "float32", "stemlab-4.tflite"), exact)
    write(Path(folder, "int8", "stemlab-4.tflite"), quantise(exact, EXACT))


def load(reader: Any, weights: Path) -> Any:
    """Return the trained network."""
    trained = network.build(read_encoders(reader), FRAMES)
    load_weights(trained, weights)
    return trained


def write(file: Path, made: bytes) -> None:
    """Write a network into a folder that may not be there yet."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(made)


def quantise(exact: bytes, but: str = "$^") -> bytes:
    """Let the larger convolutions multiply int8 by int8, `but` those of names with this pattern.

    Kernels have one scale per output channel; their inputs are scaled anew in each window, by its
    own loudest place. The exact ones are computed in floats; if large, they are stored as int8.
    """
    from ai_edge_quantizer import qtyping, quantizer

    multiplied = spleeter.int8_kernels(SMALLEST_KERNEL, multiplied=True)
    stored = spleeter.int8_kernels(spleeter.LARGE_KERNEL)
    work = quantizer.Quantizer(bytearray(exact))
    for names, config in ((f"^(?!.*({but})).*", multiplied), (f".*({but}).*", stored)):
        work.update_quantization_recipe(names, qtyping.TFLOperationName.CONV_2D, op_config=config)
    return bytes(work.quantize().quantized_model)


def best(known: Heard, sharper: Any) -> Any:
    """Return the voice of Spleeter's U-Net, and our split of what it leaves."""
    vocals = ops.sigmoid(sharper([known.last, known.theirs, known.ours]))
    powers = softened(known.logits)
    shares = powers / network.total(powers, (1, 2, 3))
    masks = _spread(vocals, (0,)) + _spread(1 - vocals, (1, 2, 3)) * shares
    return keras.Model(known.magnitude, {"masks": _cells(masks, known.magnitude)})


def heard(reader: Any, trained: Any) -> Heard:
    """Return what Spleeter's U-Net of the voice and our decoder say of a magnitude."""
    magnitude = keras.Input(batch_shape=(1, FRAMES, network.BINS, 2), name="magnitude")
    blocks = ops.space_to_depth(magnitude, 2)
    encoders = zip(read_encoders(reader), ("voice", "rest"), strict=True)
    (skips, normed), (_, beside) = (voice.encode(blocks, *encoder) for encoder in encoders)
    last, logits = _decoder(trained)([magnitude, *normed, *beside])
    of_voice = np.eye(len(network.STEMS))[:, :1]
    theirs = ops.depth_to_space(voice.decode(skips, normed[-1], reader), 4)
    return Heard(
        magnitude,
        last,
        logits,
        ours=times(logits, np.kron(np.eye(network.CELLS), of_voice)),
        theirs=ops.space_to_depth(theirs, 2),
    )


def softened(logits: Any) -> Any:
    """Return u^1.5 of the sigmoids u, trained as u²: on other music masks are over-confident."""
    share = ops.sigmoid(logits)
    return share * ops.sqrt(share) + network.EPSILON


def _decoder(trained: Any) -> Any:
    """Return the trained decoder alone, from magnitude and the encoders' activations.

    It gives its last features and the logits of the masks.
    """
    activations = [
        trained.get_layer(f"encoder{stem}_norm{level}").output
        for stem in range(2)
        for level in range(network.LEVELS)
    ]
    masks = trained.get_layer("masks")
    return keras.Model([trained.input, *activations], [masks.input, masks.output])


def steady(masks: Any, magnitude: Any, cells: int) -> Any:
    """Draw the masks of both ears together where both hear the same: no stem leaves the centre.

    Masks and magnitude come as blocks, of so many cells for each ear.
    """
    centred = ops.relu(1 - apart(magnitude, cells)) / 2
    places = np.eye(cells)
    stems = len(network.STEMS)
    ears_swapped = np.kron(places, np.kron([[0, 1], [1, 0]], np.eye(stems)))
    share = times(centred, np.kron(places, np.ones((1, 2 * stems))))
    return masks + share * (times(masks, ears_swapped) - masks)


def apart(magnitude: Any, cells: int) -> Any:
    """Return how far the ears' levels differ at each of the cells of a block, in shares of CENTRE.

    Two equal ears are 0 apart, from 1 on their masks are free.
    """
    places = np.eye(cells)  # of a block; an ear each makes them twice as many
    difference, total = (times(magnitude, np.kron(places, [[1], [ear]])) for ear in (-1, 1))
    return ops.abs(difference) / (total + network.EPSILON) / CENTRE


def _spread(x: Any, stems: tuple[int, ...]) -> Any:
    """Copy [..., cells] to the places of some stems in [..., cells · stems], 0 elsewhere."""
    chosen = np.isin(np.arange(len(network.STEMS)), stems)
    return times(x, np.kron(np.eye(network.CELLS), chosen))


def times(x: Any, matrix: NDArray[np.float64]) -> Any:
    """Multiply [..., n] by [n, m], as the convolution that runs fastest."""
    return ops.conv(x, ops.convert_to_tensor(matrix[None, None], "float32"))


def _cells(masks: Any, magnitude: Any) -> Any:
    """Return masks [1, T, F, 2, stems] from their blocks, steady in the centre."""
    blocks = steady(masks, ops.space_to_depth(magnitude, 2), network.CELLS // 2)
    cells = ops.depth_to_space(blocks, 2)
    return ops.reshape(cells, (1, -1, network.BINS, 2, len(network.STEMS)))


if __name__ == "__main__":
    main(*sys.argv[1:])
