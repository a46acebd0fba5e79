"""The forge of the four-stem models, on a pool of one song: mixtures, loss, training, export."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
from four_stems import average, live_network, measure
from four_stems.mixtures import TAUGHT, Grid, Mixtures, sides_swapped
from four_stems.network import BINS, CELLS, STEMS, to_blocks
from music.pool import REST, write_song
from sounds import encode

from stemlab import demo
from stemlab.importers import spleeter
from stemlab.live.model import StreamModel
from stemlab.model import StemModel
from stemlab.networks.runtimes import installed_runtimes
from stemlab.sound.audio import load
from stemlab.spectral import Stft

if TYPE_CHECKING:
    from numpy.typing import NDArray

pytestmark = [pytest.mark.forge, pytest.mark.timeout(900)]

FORGE = Path(__file__).resolve().parents[2] / "models" / "forge" / "four_stems"
SHARES = CELLS * len(STEMS)
STEPS = 20
CENTRE = 0.2  # see `graphs.CENTRE`
GRID = Grid()
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
LOSSES = """
import sys
from types import SimpleNamespace
import numpy as np
from four_stems import train
masks, wanted, merged = np.load(sys.argv[1]).values()
print([float(train.mask_loss(given, masks)) for given in (wanted, merged)])
teacher = SimpleNamespace(predict_on_batch=lambda magnitudes: masks)
taught = train.taught(iter([(None, wanted), (None, merged)]), teacher)
print([float(train.mask_loss(given, masks)) for _, given in taught])
print([float(train.mask_loss(given, masks)) for given in (wanted, merged)])
"""
WHOLE = """
import sys
import numpy as np
from four_stems import average, live_network
from four_stems.train import load_weights
name, weights, folder = sys.argv[1:]
magnitude = np.load(folder + "/magnitude.npy")
model = live_network.build(live_network.SHAPES[name], len(magnitude))
load_weights(model, weights)
np.save(folder + "/masks.npy", np.reshape(model(magnitude[None]), (*magnitude.shape, 4)))
"""
RESTORED = """
import sys
import numpy as np
from four_stems import network
from four_stems.train import load_weights
encoders, weights, folder = sys.argv[1:]
magnitude = np.load(folder + "/magnitude.npy")
model = network.build(network.load_encoders(encoders), len(magnitude))
load_weights(model, weights)
blocks = np.reshape(model(magnitude[None]), (len(magnitude) // 2, 512, 2, 2, 2, 4))
np.save(folder + "/masks.npy", blocks.swapaxes(1, 2).reshape(*magnitude.shape, 4))
"""

VOICE = """
import sys
import keras
import numpy as np
import tensorflow as tf
from four_stems import voice
from four_stems.spleeter_encoders import read_encoders
from spleeter_2stems import checkpoint
from stemlab.importers import spleeter
reader = tf.train.load_checkpoint(str(checkpoint()))
magnitude = keras.Input(batch_shape=(1, 256, 1024, 2))
blocks = keras.ops.space_to_depth(magnitude, 2)
skips, normed = voice.encode(blocks, read_encoders(reader)[0], "voice")
ours = voice.decode(skips, normed[-1], reader)
theirs = spleeter._unet(magnitude, reader, 0, elu=False)
noise = np.random.default_rng(0).gamma(0.5, 10, magnitude.shape).astype(np.float32)
noise[:, :100] = 0
np.savez(sys.argv[1], *keras.Model(magnitude, [ours, theirs])(noise))
"""


SILENT = """
import sys
import numpy as np
from four_stems import live_network, shrink
from four_stems.restore import trained
from four_stems.train import save_weights
large, small, weights, folder = sys.argv[1:]
chance = np.random.default_rng(0)
model = live_network.build(live_network.at_the_hop_of(small, large), 100)
shapes = (live_network.SHAPES[name] for name in (small, large))
sizes = zip(*((*shape.channels, shape.vector) for shape in shapes))
silent = [chance.permutation(many)[few:] for few, many in sizes]
for norm, wires in zip(trained(model, "BatchNormalization"), shrink.WIRES):
    for weight in (norm.gamma, norm.beta):
        values = chance.uniform(0.5, 1, weight.shape)
        for group in wires.writes[:1]:
            values[silent[group]] = 0
        weight.assign(values)
save_weights(model, weights)
magnitude = np.load(folder + "/magnitude.npy")
np.save(folder + "/masks.npy", np.reshape(model(magnitude[None]), (*magnitude.shape, 4)))
"""


def run(script: str, *arguments: object) -> None:
    """Run a script of the forge apart: beside TensorFlow tflite-runtime cannot load a model."""
    command = [sys.executable, str(FORGE / script), *map(str, arguments)]
    subprocess.run(command, env=os.environ | QUIET, check=True)


def forge(program: str, *arguments: object) -> str:
    """Run a program with the forge's modules apart, too; return what it prints."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    modules = {"KERAS_BACKEND": "tensorflow", "PYTHONPATH": str(FORGE.parent)}
    told = subprocess.run(
        command, env=os.environ | QUIET | modules, check=True, stdout=subprocess.PIPE, text=True
    )
    return told.stdout


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a pool of the demo song, once whole and once with bass and other in one."""
    folder = tmp_path_factory.mktemp("pool")
    stems = {name: load(path).samples for name, path in demo.stem_paths().items()}
    write_song(folder, "demo", "whole", stems, "CC0")
    both = stems.pop("bass") + stems.pop("other")
    write_song(folder, "demo", "merged", {**stems, "bass+other": both}, "CC0")
    return folder


def data(folder: Path) -> Path:
    """Write the demo song as one of those that the voice's mask is learnt from; return `folder`."""
    song = folder / "real" / "zmij" / "demo" / "mixture.opus"
    song.parent.mkdir(parents=True)
    encode(song, load(demo.path()).samples, 48_000, "libopus")
    return folder


def test_blocks_hold_the_cells() -> None:
    cells = np.arange(4 * 6 * 2 * 4, dtype=np.float32).reshape(4, 6, 2, 4)
    blocks = to_blocks(cells)
    assert blocks.shape == (2, 3, SHARES)
    np.testing.assert_array_equal(blocks[1, 2].reshape(2, 2, 2, 4), cells[2:, 4:])


def test_a_seed_draws_the_same_mixtures(pool: Path) -> None:
    first, second, other = (Mixtures(pool, seed, GRID).example() for seed in (1, 1, 2))
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])
    assert not np.array_equal(first[0], other[0])


def test_mixtures_are_whole(pool: Path) -> None:
    magnitudes, wanted = Mixtures(pool, 0, GRID).batch(12)
    assert magnitudes.shape == (12, GRID.frames, BINS, 2)
    assert wanted.shape == (12, GRID.frames // 2, BINS // 2, SHARES + CELLS + 1)
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


def test_what_is_judged_came_before_what_is_heard(pool: Path) -> None:
    """The weight of a cell is its magnitude in the mixture."""
    grid = live_network.SHAPES["stemlab-4-live"].grid
    heard, wanted = Mixtures(pool, 1, grid).example()
    assert heard.shape == (grid.frames, BINS, 2)
    judged = wanted[..., -1 - live_network.CELLS : -1].reshape(heard.shape)
    loudest = judged.max()  # or more
    before, same = (
        np.corrcoef(heard[: len(weights)][weights < loudest], weights[weights < loudest])[0, 1]
        for weights in (judged[1:], judged)
    )
    assert same < 0.99
    assert before > 0.9999


def test_taught_songs_are_at_times_heard_as_their_teacher_heard_them(tmp_path: Path) -> None:
    """Else their stems are treated one by one, and meet those of other songs."""
    sound = np.random.default_rng(0).normal(0, 0.1, (10 * 44_100, 2)).astype(np.float32)
    write_song(tmp_path, TAUGHT[0], "song", {"vocals": sound, "other": sound / 2}, "CC0")
    mixtures = Mixtures(tmp_path, 0, GRID)
    pairs = [mixtures._together()[0][[0, 3]] for _ in range(12)]
    untreated = [np.allclose(vocals, 2 * other, atol=1e-3) for vocals, other in pairs]
    assert 3 < sum(untreated) < 12


def test_silence_after_sound_does_not_break_the_compressor(pool: Path) -> None:
    """A running mean of what fell silent may round to less than nothing."""
    chance = np.random.default_rng(0)
    mix = np.zeros((30_000, 2), np.float32)
    mix[:10_000] = chance.standard_normal((10_000, 2)) * 10 ** chance.uniform(-4, 0, (10_000, 1))
    mixtures = Mixtures(pool, 0, GRID)
    gains = [mixtures._glue(mix) for _ in range(20)]
    assert any(len(gain) > 1 for gain in gains)
    assert all(np.isfinite(gain).all() for gain in gains)


@pytest.mark.parametrize("grid", [GRID, *(shape.grid for shape in live_network.SHAPES.values())])
def test_sides_swapped_swaps_sides(grid: Grid) -> None:
    chance = np.random.default_rng(0)
    magnitude, cells, weights = (
        chance.random((1, 4, 16, 2, *stems), np.float32) for stems in ((), (4,), (1,))
    )
    flag = np.ones((1, 4 // grid.rows, 16 // grid.columns, 1), np.float32)
    wanted, expected = (
        np.concatenate([*(grid.blocks(each[:, :, :, way]) for each in (cells, weights)), flag], -1)
        for way in (slice(None), slice(None, None, -1))
    )
    swapped, found = sides_swapped(magnitude, wanted)
    np.testing.assert_array_equal(swapped, magnitude[..., ::-1])
    np.testing.assert_array_equal(found, expected)


def test_weights_are_averaged_in_their_order(tmp_path: Path) -> None:
    """Networks built later in a process have other names for the same weights."""
    np.savez(tmp_path / "a.npz", kernel=np.full((2, 3), 1.0), bias=np.zeros(3))
    np.savez(tmp_path / "b.npz", kernel_1=np.full((2, 3), 2.0), bias_1=np.ones(3))
    average.main(*(str(tmp_path / f"{name}.npz") for name in "ab"), str(tmp_path / "mean.npz"))
    with np.load(tmp_path / "mean.npz") as mean:
        np.testing.assert_array_equal(mean["kernel"], np.full((2, 3), 1.5))
        np.testing.assert_array_equal(mean["bias"], np.full(3, 0.5))


def test_stems_held_as_one_are_judged_by_their_sum() -> None:
    parts = np.random.default_rng(0).normal(0, 1, (4, 1000, 2)).astype(np.float32)
    found = dict(zip(STEMS, parts, strict=True))
    song = {"vocals": 1.1 * parts[0], REST: 0.9 * parts[1:].sum(0)}
    told = measure.scores(lambda _: dict(found), song)
    assert told == {"vocals": pytest.approx(20.83, abs=0.01), REST: pytest.approx(19.08, abs=0.01)}


def test_loss_adds_what_the_song_cannot_tell_apart(tmp_path: Path) -> None:
    """Bass given to other costs nothing where a recording holds both as one.

    A teacher that says the same brings the targets three quarters of the way to it.
    """
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
    told = forge(LOSSES, tmp_path / "case.npz")
    (apart, together), (nearer, still_together), after = map(json.loads, told.splitlines())
    assert after == [apart, together]
    assert apart == pytest.approx((0.4 + 1.2) * 2 / 4)
    assert nearer == pytest.approx((0.4 * 0.25 + 1.2 * 0.25**2) * 2 / 4)
    assert together == still_together == pytest.approx(0)


def test_training_learns_resumes_and_exports(pool: Path, tmp_path: Path) -> None:
    encoders, learnt = tmp_path / "encoders.npz", tmp_path / "run"
    run("spleeter_encoders.py", encoders)
    settings = ("--encoders", encoders, "--batch", 2, "--rate", 0.004)
    run("train.py", pool, learnt, "--steps", STEPS, *settings)
    run("train.py", pool, learnt, "--steps", 2 * STEPS, *settings)
    lines = [json.loads(line) for line in (learnt / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [STEPS, 2 * STEPS]
    assert lines[1]["loss"] < lines[0]["loss"]

    weights = learnt / f"weights-{2 * STEPS:06}.npz"
    sharper = tmp_path / "sharper.npz"
    run("sharpen.py", weights, data(tmp_path / "data"), sharper, "--steps", 8, "--examples", 2)
    run("graphs.py", weights, sharper, tmp_path)
    run("fast_graph.py", weights, pool, tmp_path, 2)
    check_network(tmp_path / "int8" / "stemlab-4.tflite", "stemlab-4")
    exact, quick = (
        check_network(tmp_path / precision / "stemlab-4-fast.tflite", "stemlab-4-fast")
        for precision in ("float32", "int8")
    )
    assert np.abs(exact - quick).mean() < 0.15 * exact.std()


def test_the_voice_is_spleeters_but_in_corners(tmp_path: Path) -> None:
    file = tmp_path / "logits.npz"
    forge(VOICE, file)
    with np.load(file) as stored:
        ours, theirs = (logits[0] for logits in stored.values())
    reach = 20  # blocks: 80 frames, 80 bins
    for inside in ((slice(reach, -reach), slice(None)), (slice(None), slice(reach, -reach))):
        np.testing.assert_allclose(ours[inside], theirs[inside], atol=1e-4 * np.abs(theirs).max())


def test_shipped_weights_come_back(pool: Path, tmp_path: Path) -> None:
    """What is not voice is shared out as `stemlab-4` does; it gives powers of 1.5, not 2."""
    encoders, weights = tmp_path / "encoders.npz", tmp_path / "weights.npz"
    run("spleeter_encoders.py", encoders)
    run("restore.py", pool, weights, "--encoders", encoders, "--examples", 2)
    stems = [soundfile.read(file)[0] for file in (pool / "demo" / "whole").glob("*.wav")]
    magnitude = np.abs(Stft().analyse(np.sum(stems, 0, dtype=np.float32)))[:512, :BINS]
    np.save(tmp_path / "magnitude.npy", magnitude)
    forge(RESTORED, encoders, weights, tmp_path)
    restored = np.load(tmp_path / "masks.npy")[..., 1:] ** 0.75
    shipped = StemModel("stemlab-4").masks(magnitude)[..., 1:]
    restored, shipped = (each / each.sum(-1, keepdims=True) for each in (restored, shipped))
    loud = magnitude > np.median(magnitude)
    assert np.abs(restored - shipped)[loud].mean() < 0.02  # what multiplies in int8 is rounded


@pytest.mark.parametrize("name", live_network.SHAPES)
def test_shipped_live_weights_come_back(pool: Path, tmp_path: Path, name: str) -> None:
    weights = tmp_path / "weights.npz"
    run("restore.py", pool, weights, "--live", name, "--examples", 2)
    magnitude = noise()[200:300]
    whole = whole_masks(name, weights, magnitude, tmp_path)
    shipped = StreamModel(name).masks(magnitude)
    free = np.abs(np.subtract(*magnitude.T) / magnitude.sum(-1).T).T > CENTRE
    assert np.abs(shipped - whole)[free].max() < 1e-3


def test_channels_that_nothing_hears_are_those_that_shrinking_leaves_out(
    pool: Path, tmp_path: Path
) -> None:
    small, large = live_network.SHAPES
    weights, shrunk = tmp_path / "weights.npz", tmp_path / "shrunk.npz"
    magnitude = noise()[200:300]
    np.save(tmp_path / "magnitude.npy", magnitude)
    forge(SILENT, large, small, weights, tmp_path)
    whole = np.load(tmp_path / "masks.npy")
    assert whole.std() > 0.01
    run("shrink.py", large, small, pool, weights, shrunk, "--examples", 2)
    forge(WHOLE, small, shrunk, tmp_path)
    np.testing.assert_allclose(np.load(tmp_path / "masks.npy"), whole, atol=1e-5)


@pytest.mark.parametrize("name", live_network.SHAPES)
def test_live_network_knows_in_steps_what_it_knows_as_a_whole(
    pool: Path, tmp_path: Path, name: str
) -> None:
    learnt, network = tmp_path / "run", tmp_path / "live.tflite"
    run("train.py", pool, learnt, "--live", name, "--steps", 6, "--batch", 2)
    weights = learnt / "weights-000006.npz"
    run("live_graph.py", name, weights, network)
    card = spleeter.card("spleeter-2stems", network.read_bytes())
    facts = {"name": "live", "stems": list(STEMS), "hop": 512, "frames": 1}
    network.with_suffix(".json").write_text(json.dumps(card | facts), encoding="utf-8")

    magnitude = np.random.default_rng(0).gamma(1, 10, (200, BINS, 2)).astype(np.float32) + 0.1
    magnitude[..., 1] = 0.2 * magnitude[..., 0]  # where the ears differ they are not drawn together
    whole = whole_masks(name, weights, magnitude, tmp_path)
    for runtime in installed_runtimes():
        model = StreamModel(network, runtime=runtime)
        model.masks(magnitude[:9])
        model.forget()
        masks = model.masks(magnitude)
        np.testing.assert_allclose(masks.sum(-1), 1, atol=1e-5)
        np.testing.assert_allclose(masks, whole, atol=1e-3)


def whole_masks(
    name: str, weights: Path, magnitude: NDArray[np.float32], folder: Path
) -> NDArray[np.float32]:
    """Return the masks of a live network as trained; of its u², the powers u^1.5 as shipped."""
    np.save(folder / "magnitude.npy", magnitude)
    forge(WHOLE, name, weights, folder)
    powers = np.load(folder / "masks.npy") ** 0.75
    shares: NDArray[np.float32] = powers / powers.sum(-1, keepdims=True)
    return shares


def noise() -> NDArray[np.float32]:
    """Return magnitudes of a window: silence, then both ears alike, then apart."""
    magnitude = np.random.default_rng(0).gamma(0.5, 10, (512, BINS, 2)).astype(np.float32)
    magnitude[:100] = 0
    magnitude[100:200, :, 1] = magnitude[100:200, :, 0]
    return magnitude


def check_network(network: Path, name: str) -> NDArray[np.float32]:
    """Check that both runtimes take it, that it shares out cells and leaves the centre centred.

    Return its masks of `noise`.
    """
    card = spleeter.card("spleeter-2stems", network.read_bytes())
    network.with_suffix(".json").write_text(
        json.dumps(card | {"name": name, "stems": list(STEMS)}), encoding="utf-8"
    )
    for runtime in installed_runtimes():
        masks = StemModel(network, runtime=runtime).masks(noise())
        assert masks.min() >= 0
        np.testing.assert_allclose(masks.sum(-1), 1, atol=1e-5)
        np.testing.assert_allclose(masks[100:200, :, 0], masks[100:200, :, 1], atol=1e-6)
        assert (masks[200:].reshape(-1, 4).std(0) > 1e-3).all()
    return masks
