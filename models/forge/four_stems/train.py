"""Train the four-stem network: checkpoints every few minutes, resumes where it stopped.

    python models/forge/four_stems/train.py POOL RUN --encoders ENCODERS.npz --steps 5000

Without Spleeter's encoders it is a live network that is trained. RUN is a folder: `state.keras`
(all that is needed to go on), `weights-STEP.npz` (averaged weights) and `log.jsonl` (one line every
20 steps).
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
sys.path.insert(0, str(Path(__file__).parents[1]))

import keras
import numpy as np
import typer
from keras import ops

from four_stems import live_network, mixtures, network

if TYPE_CHECKING:
    from collections.abc import Iterator

LOG_EVERY = 20
KEEP_EVERY = 50
AS_TAUGHT = 0.75  # how far a teacher's masks replace true ones


def mask_loss(wanted: Any, masks: Any) -> Any:
    """Return 0.4·|m − t| + 1.2·(m − t)², weighted by the mixture's magnitude.

    Parameters
    ----------
    wanted
        Targets t [..., cells · stems] and weights [..., cells] of the cells of a block, and, where
        bass is part of other, 1 [..., 1].
    masks
        The masks m [..., cells · stems]; see `network.build`.
    """
    size = masks.shape[-1]
    masks = comparable(masks, wanted)
    targets = ops.reshape(wanted[..., :size], ops.shape(masks))
    weights = wanted[..., size:-1, None]
    error = masks - targets
    return ops.mean(weights * (0.4 * ops.abs(error) + 1.2 * ops.square(error)))


def comparable(masks: Any, wanted: Any) -> Any:
    """Return masks as cells [..., cells, stems], bass in other where it is so in what is wanted."""
    stems = len(network.STEMS)
    masks = ops.cast(masks, "float32")
    cells = ops.reshape(masks, (-1, *masks.shape[1:3], masks.shape[-1] // stems, stems))
    merged = wanted[..., -1:, None]
    vocals, drums, bass, other = (cells[..., i : i + 1] for i in range(stems))
    return ops.concatenate([vocals, drums, bass * (1 - merged), other + bass * merged], -1)


def compiled(model: Any, steps: int, rate: float) -> Any:
    """Give a network its optimiser and its loss."""
    schedule = keras.optimizers.schedules.CosineDecay(
        rate / 20, steps, alpha=0.02, warmup_target=rate, warmup_steps=min(200, steps // 5)
    )
    optimiser = keras.optimizers.AdamW(
        schedule,
        weight_decay=1e-3,
        clipnorm=1.0,
        use_ema=True,
        ema_momentum=1 - 10 / max(steps, 500),  # what came first is forgotten at the end
    )
    optimiser.build(model.trainable_variables)  # else the first step is traced twice
    model.compile(optimizer=optimiser, loss=mask_loss, jit_compile=False)
    return model


def main(
    pool: Path,
    run: Path,
    encoders: Annotated[
        Path | None, typer.Option(help="Spleeter's; without, a live network is trained")
    ] = None,
    live: Annotated[str, typer.Option(help="which live network")] = "stemlab-4-live",
    steps: Annotated[int, typer.Option(help="steps in all")] = 5000,
    batch: Annotated[int, typer.Option(help="mixtures of three seconds in a step")] = 8,
    rate: Annotated[float, typer.Option(help="highest learning rate")] = 2e-3,
    seed: int = 0,
    threads: Annotated[int, typer.Option(help="0: all")] = 0,
    policy: Annotated[str, typer.Option(help="Keras' dtype policy")] = "mixed_bfloat16",
    start: Annotated[Path | None, typer.Option(help="weights to start from")] = None,
    teacher: Annotated[
        Path | None, typer.Option(help="weights of stemlab-4-live-100, to learn its masks")
    ] = None,
) -> None:
    """Train."""
    run.mkdir(parents=True, exist_ok=True)
    _limit(threads)
    keras.mixed_precision.set_global_policy(policy)
    shape = live_network.SHAPES[live]
    grid = mixtures.Grid() if encoders else shape.grid
    state = run / "state.keras"
    if state.exists():
        model = keras.saving.load_model(state, custom_objects={"mask_loss": mask_loss})
    else:
        built = (
            network.build(network.load_encoders(encoders), grid.frames)
            if encoders
            else live_network.build(shape)
        )
        model = compiled(built, steps, rate)
        if start:
            load_weights(model, start)
    done = int(model.optimizer.iterations)
    batches = mixtures.batches(pool, batch, seed + done, grid)
    if teacher:
        teaching = live_network.build(live_network.at_the_hop_of(live, "stemlab-4-live-100"))
        load_weights(teaching, teacher)
        batches = taught(batches, teaching)
    _learn(model, run, batches, done, steps)


def taught(batches: Iterator[mixtures.Batch], teacher: Any) -> Iterator[mixtures.Batch]:
    """Yield the batches with targets that lie between the true ones and the masks of a teacher.

    So a network learns what one that is larger makes of a mixture, besides what no network can
    tell from it (Hinton, Vinyals and Dean, "Distilling the knowledge in a neural network", 2015).
    """
    for magnitudes, true in batches:
        masks = teacher.predict_on_batch(magnitudes)
        wanted = true.copy()  # the true ones come again, with their sides swapped
        targets = wanted[..., : masks.shape[-1]]
        told = np.asarray(comparable(masks, true)).reshape(targets.shape)
        targets += AS_TAUGHT * (told - targets)
        yield magnitudes, wanted


def _learn(model: Any, run: Path, batches: Iterator[mixtures.Batch], done: int, steps: int) -> None:
    losses: list[float] = []
    began = time.monotonic()
    for step in range(done + 1, steps + 1):
        losses.append(float(model.train_on_batch(*next(batches))))
        model.reset_metrics()
        if step % LOG_EVERY == 0:
            seconds = time.monotonic() - began
            line = {"step": step, "loss": round(np.mean(losses), 5), "seconds": round(seconds)}
            with (run / "log.jsonl").open("a") as log:
                log.write(json.dumps(line) + "\n")
            print(line, flush=True)
            losses.clear()
        if step % KEEP_EVERY == 0 or step == steps:
            keep(model, run, step)


def keep(model: Any, run: Path, step: int) -> None:
    """Write the state and the averaged weights."""
    model.save(run / "unfinished.keras")
    (run / "unfinished.keras").replace(run / "state.keras")
    averages = dict(
        zip(
            (variable.path for variable in model.trainable_variables),
            model.optimizer._model_variables_moving_average,  # noqa: SLF001 no public way
            strict=True,
        )
    )
    arrays = {
        variable.path: np.asarray(ops.cast(averages.get(variable.path, variable), "float32"))
        for variable in model.variables
    }
    np.savez(run / f"weights-{step:06d}.npz", **arrays)


def save_weights(model: Any, file: Path) -> None:
    """Write a network's weights as `keep` does, but as they are."""
    np.savez(file, **{each.path: np.asarray(each.value) for each in model.variables})


def load_weights(model: Any, file: Path) -> None:
    """Fill a network with the weights that `keep` or `save_weights` wrote."""
    with np.load(file) as stored:
        for variable, (_, array) in zip(model.variables, stored.items(), strict=True):
            variable.assign(array)


def _limit(threads: int) -> None:
    if threads and keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)


if __name__ == "__main__":
    typer.run(main)
