"""A `.tflite` network that leaves its frames open, made by Keras in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from stemlab import demo
from stemlab.importers.own import check, describe
from stemlab.model import StemModel
from stemlab.networks.runtimes import RUNTIMES, installed_runtimes
from stemlab.research.metrics import conservation
from stemlab.separator import Separator
from stemlab.sound.audio import load

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.forge

MAKE = """
import sys
import keras
import tensorflow as tf

x = keras.Input((None, 257, 4), name="x")
y = keras.layers.Conv2D(12, 3, padding="same", kernel_initializer=keras.initializers.RandomNormal(
    stddev=0.05, seed=1))(x)
network = tf.lite.TFLiteConverter.from_keras_model(keras.Model(x, y)).convert()
open(sys.argv[1], "wb").write(network)
"""


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keras") / "keras.tflite"
    quiet = os.environ | {"KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": ""}
    subprocess.run([sys.executable, "-c", MAKE, path], env=quiet, check=True, capture_output=True)
    return path


def test_spectra_by_both_runtimes(network: Path) -> None:
    """What it is can be told from its shapes, though the stems share an axis."""
    found = check(network)
    assert set(found.missing) == {"licence", "stems"}
    assert found.kind == "spectrum to spectra"
    card = describe(network, stems=["a", "b", "c"], licence="none", frames=40)
    facts = json.loads(card.read_text())
    assert (facts["reads"], facts["gives"]) == ("1 t f (c r)", "1 t f (s c r)")
    assert (facts["bins"], facts["n_fft"], facts["hop"]) == (257, 512, 128)
    music = load(demo.path()).samples[:60_000]
    for runtime in installed_runtimes():
        assert runtime in RUNTIMES
        for frames in (40, 24):
            model = StemModel(network, runtime=runtime, frames=frames)
            blocks = [*Separator(model).stream([music])]
            stems = np.concatenate([block.stems for block in blocks], axis=1)
            assert conservation(music, stems) < -120
            assert stems.any(axis=(1, 2)).all()
