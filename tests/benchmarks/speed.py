"""From file to stems: each model on each runtime beside Spleeter's own TensorFlow graph.

    python tests/benchmarks/speed.py [SONG]

Without a song, four minutes of the demo as mp3. All in one run, since only ratios of one run mean
something; each figure is the best of three, the machine otherwise idle. Spleeter's graph reads the
samples from memory and gives stems; stemlab decodes the file as well. Needs the extra `forge`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "models" / "forge"))

from spleeter_2stems import checkpoint

from stemlab import demo
from stemlab.model import StemModel, paths
from stemlab.networks.runtimes import installed_runtimes
from stemlab.separator import Separator
from stemlab.sound.audio import Audio, Reader, load, save

RUNS = 3
SPLEETER = """
import json, sys, time, numpy as np, tensorflow.compat.v1 as tf
tf.disable_eager_execution()
samples, checkpoint, runs = np.load(sys.argv[1]), sys.argv[2], int(sys.argv[3])
with tf.Session() as session:
    tf.train.import_meta_graph(checkpoint + ".meta").restore(session, checkpoint)
    def separate():
        start = time.perf_counter()
        session.run(["strided_slice_13:0", "strided_slice_23:0"], {"waveform:0": samples})
        return time.perf_counter() - start
    separate()
    print(json.dumps(min(separate() for _ in range(runs))))
"""


def main(song: Path | None) -> None:
    """Print × real time of each."""
    with TemporaryDirectory() as folder:
        song = song or four_minutes(Path(folder))
        length = load(song).duration
        rows = {
            f"{model}, {runtime}": stemlab(song, model, runtime)
            for model in paths()
            for runtime in installed_runtimes()
        }
        rows["Spleeter's TensorFlow graph"] = spleeter(song, Path(folder))
    for name, seconds in rows.items():
        print(f"{name:34} {seconds:6.2f} s  {length / seconds:6.1f} × real time")


def four_minutes(folder: Path) -> Path:
    """Write the demo four times over."""
    samples = np.tile(load(demo.path()).samples, (5, 1))[: 240 * 44_100]
    save(folder / "song.mp3", Audio(samples))
    return folder / "song.mp3"


def stemlab(song: Path, model: str, runtime: str) -> float:
    """Return the seconds of the best run, and print when the first block came."""
    separator = Separator(StemModel(model, runtime=runtime))
    best = first = float("inf")
    for _ in range(RUNS + 1):
        start = time.perf_counter()
        with Reader(song, separator.rate) as reader:
            blocks = separator.stream(reader.blocks())
            next(blocks)
            first = min(first, time.perf_counter() - start)
            for _block in blocks:
                pass
        best = min(best, time.perf_counter() - start)
    print(f"{model}, {runtime}: first block after {first:.2f} s")
    return best


def spleeter(song: Path, folder: Path) -> float:
    """Return the seconds of the best run of the original graph."""
    np.save(folder / "samples.npy", load(song).samples)
    command = [sys.executable, "-c", SPLEETER, folder / "samples.npy", checkpoint(), RUNS]
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [*map(str, command)], env=os.environ | quiet, check=True, stdout=subprocess.PIPE
    )
    seconds: float = json.loads(done.stdout)
    return seconds


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
