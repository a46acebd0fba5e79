"""The forge of the four-stem models, on a pool of one song: mixtures, loss, training, export."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from four_stems.mixtures import FRAMES, Mixtures, sides_swapped
from four_stems.network import BINS, CELLS, STEMS, to_blocks
from music.pool import write_song

from stemlab import demo, spleeter
from stemlab.audio import load
from stemlab.model import StemModel, installed_runtimes

pytestmark = [pytest.mark.forge, pytest.mark.timeout(900)]

FORGE = Path(__file__).resolve().parents[1] / "models" / "forge" / "four_stems"
SHARES = CELLS * len(STEMS)
STEPS = 20
LOSSES = """
import sys
import numpy as np
import train
masks, wanted, merged = np.load(sys.argv[1]).values()
print([float(train.mask_loss(given, masks)) for given in (wanted, merged)])
"""


def run(script: str, *arguments: object) -> None:
    """Run a script of the forge apart: beside TensorFlow tflite-runtime cannot load a model."""
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, str(FORGE / script), *map(str, arguments)]
    subprocess.run(command, env=os.environ | quiet, check=True)


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a pool of the demo song, once whole and once with bass and other in one."""
    folder = tmp_path_factory.mktemp("pool")
    stems = {name: load(path).samples for name, path in demo.stem_paths().items()}
    write_song(folder, "demo", "whole", stems, "CC0")
    both = stems.pop("bass") + stems.pop("other")
    write_song(folder, "demo", "merged", {**stems, "bass+other": both}, "CC0")
    return folder


def test_blocks_hold_the_cells() -> None:
    cells = np.arange(4 * 6 * 2 * 4, dtype=np.float32).reshape(4, 6, 2, 4)
    blocks = to_blocks(cells)
    assert blocks.shape == (2, 3, SHARES)
    np.testing.assert_array_equal(blocks[1, 2].reshape(2, 2, 2, 4), cells[2:, 4:])


def test_a_seed_draws_the_same_mixtures(pool: Path) -> None:
    first, second, other = (Mixtures(pool, seed).example() for seed in (1, 1, 2))
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])
    assert not np.array_equal(first[0], other[0])


def test_mixtures_are_whole(pool: Path) -> None:
    magnitudes, wanted = Mixtures(pool, 0).batch(12)
    assert magnitudes.shape == (12, FRAMES, BINS, 2)
    assert wanted.shape == (12, FRAMES // 2, BINS // 2, SHARES + CELLS + 1)
    assert np.isfinite(magnitudes).all()
    targets = wanted[..., :SHARES].reshape(-1, len(STEMS))
    weights = wanted[..., SHARES:-1].reshape(-1)
    assert targets.min() >= 0
    assert targets.max() <= 1
    # In the cells that count the shares nearly make up the whole; opposite phases take some away.
    loud = weights > 1
    assert np.median(targets[loud].sum(-1)) == pytest.approx(1, abs=0.05)
    for stem in range(len(STEMS)):
        assert targets[loud, stem].mean() > 0.02
    merged = wanted[:, 0, 0, -1] == 1
    assert merged.any()
    assert not merged.all()
    assert not wanted[merged][..., 2:SHARES:4].any()


def test_sides_swapped_swaps_sides() -> None:
    chance = np.random.default_rng(0)
    magnitude, cells, weights = (
        chance.random((1, 4, 8, 2, *stems), np.float32) for stems in ((), (4,), (1,))
    )
    flag = np.ones((1, 2, 4, 1), np.float32)
    wanted, expected = (
        np.concatenate([to_blocks(cells[:, :, :, way]), to_blocks(weights[:, :, :, way]), flag], -1)
        for way in (slice(None), slice(None, None, -1))
    )
    swapped, found = sides_swapped(magnitude, wanted)
    np.testing.assert_array_equal(swapped, magnitude[..., ::-1])
    np.testing.assert_array_equal(found, expected)


def test_loss_adds_what_the_song_cannot_tell_apart(tmp_path: Path) -> None:
    """Bass given to other costs nothing where a recording holds both as one."""
    masks = np.zeros((1, 1, 1, CELLS, 4), np.float32)
    masks[..., 2] = 1
    targets = np.zeros_like(masks)
    targets[..., 3] = 1
    ones = np.ones((1, 1, 1, CELLS), np.float32)
    flags = [np.full((1, 1, 1, 1), flag, np.float32) for flag in (0, 1)]
    wanted, merged = (
        np.concatenate([targets.reshape(1, 1, 1, -1), ones, flag], -1) for flag in flags
    )
    np.savez(tmp_path / "case.npz", masks.reshape(1, 1, 1, -1), wanted, merged)
    told = subprocess.run(
        [sys.executable, "-c", LOSSES, str(tmp_path / "case.npz")],
        env=os.environ | {"PYTHONPATH": str(FORGE)},
        check=True,
        stdout=subprocess.PIPE,
    )
    apart, together = json.loads(told.stdout)
    assert apart == pytest.approx((0.4 + 1.2) * 2 / 4)
    assert together == pytest.approx(0)


def test_training_learns_resumes_and_exports(pool: Path, tmp_path: Path) -> None:
    encoders, learnt = tmp_path / "encoders.npz", tmp_path / "run"
    run("spleeter_encoders.py", encoders)
    settings = ("--batch", 4, "--rate", 0.004)
    run("train.py", pool, encoders, learnt, "--steps", STEPS, *settings)
    run("train.py", pool, encoders, learnt, "--steps", 2 * STEPS, *settings)
    lines = [json.loads(line) for line in (learnt / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [STEPS, 2 * STEPS]
    assert lines[1]["loss"] < lines[0]["loss"]

    run("graphs.py", learnt / f"weights-{2 * STEPS:06}.npz", tmp_path)
    for name in ("stemlab-4", "stemlab-4-fast"):
        check_network(tmp_path / "int8 weights" / f"{name}.tflite", name)


def check_network(network: Path, name: str) -> None:
    """Check that both runtimes take it, that it shares out cells and leaves the centre centred."""
    card = spleeter.card("spleeter-2stems", network.read_bytes())
    network.with_suffix(".json").write_text(
        json.dumps(card | {"name": name, "stems": list(STEMS)}), encoding="utf-8"
    )
    magnitude = np.random.default_rng(0).gamma(0.5, 10, (512, BINS, 2)).astype(np.float32)
    magnitude[:100] = 0
    magnitude[100:200, :, 1] = magnitude[100:200, :, 0]
    for runtime in installed_runtimes():
        masks = StemModel(network, runtime=runtime).masks(magnitude)
        assert masks.min() >= 0
        np.testing.assert_allclose(masks.sum(-1), 1, atol=1e-5)
        np.testing.assert_allclose(masks[100:200, :, 0], masks[100:200, :, 1], atol=1e-6)
        assert (masks[200:].reshape(-1, 4).std(0) > 1e-3).all()
