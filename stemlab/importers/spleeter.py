"""Import Deezer's Spleeter checkpoints: one `.tflite` and its card from an official archive.

Spleeter (Hennequin et al., "Spleeter: a fast and efficient music source separation tool with
pre-trained models", JOSS 5(50), 2020) runs one U-Net (Jansson et al., "Singing voice separation
with deep U-Net convolutional networks", ISMIR 2017) per stem on the linear magnitude of the mix.
The TensorFlow 1 variables are copied into a Keras graph of the same layers, which ends in
Spleeter's ratio mask. Needs the extra ``forge`` (TensorFlow).
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm.auto import tqdm

from stemlab.child import FOLDER, python
from stemlab.errors import ModelError
from stemlab.importers import polyphase
from stemlab.importers.download import obtain, unpack, verify
from stemlab.importers.install import install, place, require
from stemlab.model import user_models

if TYPE_CHECKING:
    from collections.abc import Iterator

SAMPLE_RATE, N_FFT, HOP, BINS = 44_100, 4096, 1024, 1024
FRAMES = 512  # a multiple of 64: six levels of stride 2
EPSILON = 1e-10
LARGE_KERNEL = 150_000  # weights
RELEASE = "https://github.com/deezer/spleeter/releases/download/v1.4.0/{}.tar.gz"
ARCHIVE_LIMIT = 256 << 20  # bytes; the largest, of five stems, unpacks to about 200 MB
UNPACKED_LIMIT = 512 << 20


@dataclass(frozen=True)
class Design:
    """One of Spleeter's official models.

    Attributes
    ----------
    stems
        Spleeter's instruments, in the order in which its variables are numbered.
    elu
        ELU throughout; otherwise leaky ReLU on the way down and ReLU on the way up.
    softmax
        Softmax over the stems; otherwise one sigmoid per stem.
    url, sha256
        Of the official archive.
    """

    stems: tuple[str, ...]
    elu: bool
    softmax: bool
    url: str
    sha256: str


DESIGNS = {
    "spleeter-2stems": Design(
        stems=("vocals", "accompaniment"),
        elu=False,
        softmax=False,
        url=RELEASE.format("2stems"),
        sha256="f3a90b39dd2874269e8b05a48a86745df897b848c61f3958efc80a39152bd692",
    ),
    "spleeter-4stems": Design(
        stems=("vocals", "drums", "bass", "other"),
        elu=True,
        softmax=False,
        url=RELEASE.format("4stems"),
        sha256="3adb4a50ad4eb18c7c4d65fcf4cf2367a07d48408a5eb7d03cd20067429dfaa8",
    ),
    "spleeter-5stems": Design(
        stems=("vocals", "piano", "drums", "bass", "other"),
        elu=True,
        softmax=True,
        url=RELEASE.format("5stems"),
        sha256="25a1e87eb5f75cc72a4d2d5467a0a50ac75f05611f877c278793742513cc7218",
    ),
}
# The two-stem model ships with stemlab.
ADDABLE = ("spleeter-4stems", "spleeter-5stems")


def add(name: str, source_file: Path | None = None, *, progress: bool = False) -> Path:
    """Install an official Spleeter model, one of `ADDABLE`: see `stemlab.importers.official.add`.

    Needs the extra ``forge``.
    """
    require(name, "forge", "tensorflow", "keras", "ai_edge_quantizer")
    with place(name) as folder:
        network = folder / f"{name}.tflite"
        _import(name, source_file, network, progress=progress)
        return install(network, user_models(), card(name, network.read_bytes()))


def _import(name: str, source_file: Path | None, network: Path, *, progress: bool) -> None:
    """Turn the archive of model `name` into the file `network`."""
    design, folder = DESIGNS[name], network.parent
    with tqdm(desc=name, unit="B", unit_scale=True, disable=not progress) as bar:
        archive = source_file or obtain(design.url, folder, ARCHIVE_LIMIT, bar)
        bar.set_description(f"{name}: unpacking")
        verify(archive, design.sha256)
        unpack(archive, folder / "checkpoint", UNPACKED_LIMIT)
        bar.set_description(f"{name}: converting")
        convert_apart(name, _checkpoint(archive, folder / "checkpoint"), network)
        bar.set_description(f"{name}: done")


def _checkpoint(archive: Path, folder: Path) -> Path:
    """Return the prefix of the checkpoint's files in `folder`."""
    # Names that begin with a dot are what macOS adds to its archives.
    for index in folder.rglob("[!.]*.index"):
        return index.with_suffix("")
    raise ModelError(f"{archive.name}: holds no TensorFlow checkpoint; nothing was installed")


def card(name: str, network: bytes) -> dict[str, Any]:
    """Return the card of an imported model; see `stemlab.card.Card` for the keys."""
    return {
        "name": name,
        "version": "1.4.0",
        "licence": "MIT, Deezer SA",
        "source": DESIGNS[name].url,
        "sha256": hashlib.sha256(network).hexdigest(),
        "sample_rate": SAMPLE_RATE,
        "n_fft": N_FFT,
        "hop": HOP,
        "window": "hann",
        "frames": FRAMES,
        "bins": BINS,
        "stems": list(DESIGNS[name].stems),
        "precision": "int8 weights",
        "extension": "band",
        "training_data": "Deezer's own (Bean and other internal sets), not public",
        "measured": {},
        "runtimes": ["ai-edge-litert", "tflite-runtime"],
    }


def convert_apart(name: str, checkpoint: Path, network: Path) -> None:
    """Convert in a process of its own: TensorFlow is large, and noisy beyond hushing.

    Parameters
    ----------
    checkpoint
        Prefix of the checkpoint's files, such as ``2stems/model``.
    network
        The `.tflite` file to write.

    Raises
    ------
    ModelError
        If the checkpoint is not one of model `name`.
    """
    command = python("-m", __name__, name, str(checkpoint.absolute()), str(network.absolute()))
    quiet = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(  # noqa: S603 our own module, no shell
        command,
        cwd=FOLDER,
        env=os.environ | quiet,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode < 0:
        raise ModelError(
            f"{name}: conversion was killed, perhaps because memory ran out; it needs 4 GB"
        )
    if done.returncode:
        cause = done.stderr.strip().splitlines()[-1]
        raise ModelError(f"{name}: conversion failed ({cause}); nothing was installed")


def convert(design: Design, checkpoint: Path, frames: int = FRAMES) -> bytes:
    """Convert a checkpoint into a float32 TFLite network.

    Parameters
    ----------
    checkpoint
        Prefix of the checkpoint's files.
    frames
        T, a multiple of 64.

    Returns
    -------
    bytes
        Network from `magnitude` [1, T, F, 2] to `masks` [1, T, F, 2, stems].
    """
    import tensorflow as tf

    model = _graph(design, tf.train.load_checkpoint(str(checkpoint)), frames)
    network: bytes = tf.lite.TFLiteConverter.from_keras_model(model).convert()
    return network


def quantise(network: bytes, smallest: int = LARGE_KERNEL) -> bytes:
    """Store the large kernels of a float32 network as int8, one scale per output channel.

    Everything is still computed in float32. The small kernels near the input and the output
    stay float32: they are 2 % of the weights and most of the error.

    Parameters
    ----------
    network
        The `.tflite` file's bytes.
    smallest
        Weights of the smallest kernel that is stored as int8.
    """
    from ai_edge_quantizer import qtyping, quantizer

    work = quantizer.Quantizer(bytearray(network))
    work.update_quantization_recipe(
        ".*", qtyping.TFLOperationName.ALL_SUPPORTED, op_config=int8_kernels(smallest)
    )
    return bytes(work.quantize().quantized_model)


def int8_kernels(smallest: int, *, multiplied: bool = False) -> Any:
    """Describe kernels as int8, one scale per output channel, to ai-edge-quantizer.

    Parameters
    ----------
    smallest
        Weights of the smallest kernel that is one.
    multiplied
        Whether they are also multiplied as int8; else they are stored so, and multiplied as floats.
    """
    from ai_edge_quantizer import qtyping

    precision = qtyping.ComputePrecision
    return qtyping.OpQuantizationConfig(
        weight_tensor_config=qtyping.TensorQuantizationConfig(
            num_bits=8, symmetric=True, granularity=qtyping.QuantGranularity.CHANNELWISE
        ),
        compute_precision=precision.INTEGER if multiplied else precision.FLOAT,
        explicit_dequantize=not multiplied,
        min_weight_elements=smallest,
    )


def _graph(design: Design, checkpoint: Any, frames: int) -> Any:
    """Return the Keras model: the U-Nets, then Spleeter's ratio mask.

    With u the sigmoid or softmax of a U-Net's output and x the magnitude,
    mask = ((u x)² + ε/S) / (Σ (u x)² + ε), which sums to 1 over the S stems.
    """
    import keras
    from keras import ops

    count = len(design.stems)
    magnitude = keras.Input(batch_shape=(1, frames, BINS, 2), name="magnitude")
    outputs = [
        ops.depth_to_space(_unet(magnitude, checkpoint, stem, elu=design.elu), 4)
        for stem in range(count)
    ]
    shares = _softmax(outputs) if design.softmax else [ops.sigmoid(output) for output in outputs]
    powers = [ops.square(share * magnitude) for share in shares]
    total = reduce(ops.add, powers) + EPSILON
    masks = ops.stack([(power + EPSILON / count) / total for power in powers], axis=-1)
    return keras.Model(magnitude, {"masks": masks})


def _softmax(outputs: list[Any]) -> list[Any]:
    """Return the softmax over the stems; a list, since TFLite's own stops at four dimensions."""
    from keras import ops

    top = reduce(ops.maximum, outputs)
    powers = [ops.exp(output - top) for output in outputs]
    total = reduce(ops.add, powers)
    return [power / total for power in powers]


def _unet(magnitude: Any, checkpoint: Any, stem: int, *, elu: bool) -> Any:
    """Build the U-Net of one stem, filled from a checkpoint.

    Skips are taken before the norm, and the deepest level has neither norm nor activation: the
    checkpoint holds a sixth encoder norm that Spleeter computes and drops. What is slow on cells
    runs on their 2 × 2 blocks; see `stemlab.importers.polyphase`.

    Parameters
    ----------
    magnitude
        Keras tensor [1, T, F, 2].
    checkpoint
        A reader of the checkpoint's variables.
    stem
        Number of the stem in the order of the design.
    elu
        See `Design`.

    Returns
    -------
    Its output before sigmoid or softmax, as 4 × 4 blocks [1, T/4, F/4, 32].
    """
    from keras import ops

    layers = _Layers(checkpoint, stem, elu=elu)
    skips = [layers.strided(ops.space_to_depth(magnitude, 2))]
    for level in range(1, 6):
        x = layers.norm(skips[-1])
        x = ops.elu(x) if elu else ops.leaky_relu(x, 0.2)
        skips.append(layers.convolution(x, f"down{level}"))
    layers.skip_norm()
    x = skips.pop()
    seen = {"below5": x}
    for level in (4, 3, 2, 1, 0):
        x = ops.depth_to_space(layers.transposed(seen), 2)
        seen = {f"skip{level}": skips.pop(), f"below{level}": x}
    return layers.dilated(layers.twice_transposed(seen))


class _Layers:
    """The layers of one stem's U-Net, filled from the checkpoint in the order of their use.

    TensorFlow numbered the layers of each kind through all stems: `conv2d`, `conv2d_1`, …
    """

    def __init__(self, checkpoint: Any, stem: int, *, elu: bool) -> None:
        self._checkpoint = checkpoint
        self._name = f"unet{stem}_"
        self._elu = elu
        self._convolutions = _numbered("conv2d", 7, stem)
        self._transposed = _numbered("conv2d_transpose", 6, stem)
        self._norms = _numbered("batch_normalization", 12, stem)
        self._loudness: Any = np.ones(1, np.float32)

    def strided(self, blocks: Any) -> Any:
        """Apply the next convolution of stride 2, from 2 × 2 blocks to cells."""
        kernel, bias = self._weights(self._convolutions, "kernel", "bias")
        return _convolved(blocks, polyphase.strided(kernel), bias)

    def convolution(self, x: Any, name: str) -> Any:
        """Apply the next convolution of stride 2."""
        kernel, bias = self._weights(self._convolutions, "kernel", "bias")
        return _convolved(x, kernel, bias, strides=2, name=self._name + name)

    def transposed(self, seen: dict[str, Any]) -> Any:
        """Apply the next transposed convolution, activation and norm, from cells to blocks.

        `seen` is what it reads side by side, by name; each is convolved by itself, so that its
        numbers can be rounded in steps of its own.
        """
        kernel, bias = self._weights(self._transposed, "kernel", "bias")
        x = self._summed(seen, polyphase.transposed(self._loud(kernel)), np.tile(bias, 4))
        return self._activated(x, 4)

    def twice_transposed(self, seen: dict[str, Any]) -> Any:
        """Apply the last transposed convolution, activation and norm, to blocks of 4 × 4."""
        kernel, bias = self._weights(self._transposed, "kernel", "bias")
        kernel = polyphase.twice_transposed(self._loud(kernel))
        x = self._summed(seen, kernel, np.tile(bias, 16), strides=2)
        return self._activated(x, 16)

    def dilated(self, blocks: Any) -> Any:
        """Apply the last convolution, of dilation 2, on blocks of 4 × 4."""
        kernel, bias = self._weights(self._convolutions, "kernel", "bias")
        kernel = polyphase.dilated(kernel)
        return _convolved(blocks, kernel, np.tile(bias, 16), name=self._name + "masks")

    def norm(self, x: Any) -> Any:
        """Apply the next batch norm."""
        return _normed(x, self._norm_weights())

    def skip_norm(self) -> None:
        """Pass over a norm that no output depends on."""
        next(self._norms)

    def _summed(self, seen: dict[str, Any], kernel: Any, bias: Any, **how: Any) -> Any:
        """Return the convolution of what lies side by side, as the sum of one of each."""
        from keras import ops

        splits = np.cumsum([x.shape[-1] for x in seen.values()])[:-1]
        kernels = np.split(kernel, splits, axis=2)
        parts = [
            _convolved(x, part, bias if last else None, name=self._name + name, **how)
            for (name, x), part, last in zip(
                seen.items(), kernels, [True, *[False] * len(splits)], strict=True
            )
        ]
        return reduce(ops.add, parts)

    def _loud(self, kernel: Any) -> Any:
        """Return a transposed kernel, its inputs last but one, for what `_activated` made even."""
        kernel = kernel.swapaxes(2, 3).copy()
        kernel[:, :, -len(self._loudness) :] *= self._loudness[:, None]
        return kernel

    def _activated(self, x: Any, cells: int) -> Any:
        """Apply activation and norm, to each of the cells in a block.

        The norm makes its channels more even in loudness, for steps of 8 bits; the next kernel
        takes that back.
        """
        from keras import ops

        gamma, beta, mean, variance = self._norm_weights()
        loudness = np.abs(gamma) + EPSILON
        self._loudness = np.sqrt(loudness / np.median(loudness))
        even = (gamma / self._loudness, beta / self._loudness, mean, variance)
        return _normed(
            ops.elu(x) if self._elu else ops.relu(x), [np.tile(part, cells) for part in even]
        )

    def _norm_weights(self) -> list[Any]:
        return self._weights(self._norms, "gamma", "beta", "moving_mean", "moving_variance")

    def _weights(self, names: Iterator[str], *parts: str) -> list[Any]:
        name = next(names)
        return [self._checkpoint.get_tensor(f"{name}/{part}") for part in parts]


def _numbered(kind: str, per_stem: int, stem: int) -> Iterator[str]:
    """Yield TensorFlow's names of one stem's layers.

    >>> list(_numbered("conv2d", 2, stem=0)), list(_numbered("conv2d", 2, stem=1))
    (['conv2d', 'conv2d_1'], ['conv2d_2', 'conv2d_3'])
    """
    first = per_stem * stem
    return (f"{kind}_{n}" if n else kind for n in range(first, first + per_stem))


def _convolved(x: Any, kernel: Any, bias: Any, **how: Any) -> Any:
    import keras

    weights = [kernel] if bias is None else [kernel, bias]
    layer = keras.layers.Conv2D(
        kernel.shape[-1], kernel.shape[:2], padding="same", use_bias=bias is not None, **how
    )
    return _filled(layer, x, weights)


def _normed(x: Any, weights: list[Any]) -> Any:
    import keras

    return _filled(keras.layers.BatchNormalization(epsilon=1e-3), x, weights)


def _filled(layer: Any, x: Any, weights: list[Any]) -> Any:
    y = layer(x)
    layer.set_weights(weights)
    return y


def _main(name: str, checkpoint: str, network: str) -> None:
    Path(network).write_bytes(quantise(convert(DESIGNS[name], Path(checkpoint))))


if __name__ == "__main__":
    _main(*sys.argv[1:])
