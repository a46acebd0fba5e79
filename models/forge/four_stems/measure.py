"""SDR of models on songs that no training saw, stem by stem.

    python models/forge/four_stems/measure.py VALIDATION MODEL.tflite … [--seconds 60] [--json FILE]

VALIDATION has the layout of `music.pool`. Where a song holds several stems as one, such as
bass+other, the model's estimates of them are added up.
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import soundfile
import typer
from music.pool import STEMS, list_songs

from stemlab.card import Card
from stemlab.live.model import StreamModel
from stemlab.live.separator import LiveSeparator
from stemlab.masks import apply, ideal_ratio_mask
from stemlab.research.metrics import sdr
from stemlab.separator import Separator
from stemlab.sound.audio import Audio

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from stemlab.spectral import Stft

    Samples = NDArray[np.float32]
    Stems = dict[str, Samples]
    Separation = Callable[[Samples], Stems]

RATE = 44_100
AUDIBLE = 1e-3  # RMS below which a stem is not scored


def main(
    validation: Path,
    models: list[Path],
    seconds: Annotated[float, typer.Option(help="of each song, from its middle")] = 60,
    exponent: Annotated[float, typer.Option(help="of the masks")] = 1.0,
    result: Annotated[Path | None, typer.Option("--json", help="file for all figures")] = None,
) -> None:
    """Measure each model and the oracle ratio mask."""
    songs = {
        f"{folder.parent.name}/{folder.name}": read(folder, seconds)
        for folder in list_songs(validation)
    }
    figures = {}
    for model in models:
        separate = separation(model, exponent)
        figures[model.stem] = {name: scores(separate, song) for name, song in songs.items()}
    stft = Card.read(models[0]).stft
    figures["oracle"] = {name: ceiling(stft, song) for name, song in songs.items()}
    for name, table in figures.items():
        show(name, table)
    if result:
        result.write_text(json.dumps(figures, indent=1) + "\n")


def read(folder: Path, seconds: float) -> Stems:
    """Return the stems of a stretch from the middle of a song."""
    stems = {
        file.stem: soundfile.read(file, dtype="float32", always_2d=True)[0]
        for file in sorted(folder.glob("*.wav"))
    }
    length = min(len(stem) for stem in stems.values())
    start = max(0, (length - int(seconds * RATE)) // 2)
    return {name: stem[start : length - start] for name, stem in stems.items()}


def separation(model: Path, exponent: float = 1.0) -> Separation:
    """Return what separates a mixture with a model: as a whole, or live, as it is made for."""
    if Card.read(model).streams:
        return live(StreamModel(model))
    separator = Separator(model, exponent=exponent)

    def separate(mix: Samples) -> Stems:
        stems = separator.separate(Audio(mix, RATE)).stems
        return {name: stem.samples for name, stem in stems.items()}

    return separate


def live(model: StreamModel) -> Separation:
    """Return what separates a mixture live, without waiting for the clock."""

    def separate(mix: Samples) -> Stems:
        separator = LiveSeparator(model)
        ended = np.concatenate([mix, np.zeros((separator.delay, 2), np.float32)])
        blocks = [separator.push(ended[i : i + RATE]).stems for i in range(0, len(ended), RATE)]
        stems = np.concatenate(blocks, axis=1)[:, : len(mix)]
        return dict(zip(model.card.stems, stems, strict=True))

    return separate


def scores(separate: Separation, song: Stems) -> dict[str, float]:
    """Return the SDR of each stem that is heard."""
    found = separate(np.sum(list(song.values()), axis=0))
    for name in song.keys() - found.keys():
        if found.keys() >= (parts := set(name.split("+"))):
            found[name] = np.sum([found[part] for part in parts], axis=0)
    return _sdrs(song, found)


def ceiling(stft: Stft, song: Stems) -> dict[str, float]:
    """Return what the oracle ratio mask reaches."""
    references = np.stack([stft.analyse(stem) for stem in song.values()], axis=-1)
    spectra = apply(ideal_ratio_mask(references), references.sum(-1))
    length = len(next(iter(song.values())))
    return _sdrs(
        song,
        {name: stft.synthesise(spectra[..., i], length) for i, name in enumerate(song)},
    )


def _sdrs(song: Stems, found: Stems) -> dict[str, float]:
    return {
        name: round(float(sdr(stem, found[name])), 3)
        for name, stem in song.items()
        if name in found and np.sqrt(np.mean(stem**2)) > AUDIBLE
    }


def show(model: str, table: dict[str, dict[str, float]]) -> None:
    """Print a table: a row for each song, medians and means below."""
    stems = [stem for stem in STEMS if any(stem in row for row in table.values())]
    print(f"\n{model:34}" + "".join(f"{stem:>17}" for stem in stems))
    for song, row in table.items():
        print(
            f"{song[-34:]:34}" + "".join(f"{row.get(stem, float('nan')):17.2f}" for stem in stems)
        )
    columns = [[row[stem] for row in table.values() if stem in row] for stem in stems]
    for name, average in (("median", statistics.median), ("mean", statistics.fmean)):
        print(f"{name:34}" + "".join(f"{average(column):17.2f}" for column in columns), flush=True)


if __name__ == "__main__":
    typer.run(main)
