"""Models side by side, in one run: size, speed, memory, and SDR on songs that no training saw.

    python tests/benchmarks/models.py VALIDATION [MODEL …] [--seconds 60]

VALIDATION is what `models/forge/music/gather.py` held back; models are names or files, all that
separate files if none is named. Each is timed in a process of its own, on four minutes of mp3; the
machine should do nothing else. Prints a table in Markdown, the SDR as the mean over songs.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

sys.path.insert(0, str(Path(__file__).parents[2] / "models" / "forge"))

from four_stems import measure
from music.pool import STEMS, list_songs
from speed import four_minutes

from stemlab.model import find, paths

HEAD = ("model", "precision", "MB", "× real time", "peak MB", *STEMS)


def main(
    validation: Path,
    models: Annotated[list[str] | None, typer.Argument()] = None,
    seconds: Annotated[float, typer.Option(help="of each song, from its middle")] = 60,
) -> None:
    """Print a row for each model."""
    songs = [measure.read(folder, seconds) for folder in list_songs(validation)]
    print_row(HEAD)
    print_row(["---"] * len(HEAD))
    with TemporaryDirectory() as folder:
        song = four_minutes(Path(folder))
        for model in models or offline():
            print_row((*figures(song, model), *quality(find(model).path, songs)))


def print_row(cells: tuple[str, ...] | list[str]) -> None:
    """Print a row of a table in Markdown."""
    print(f"| {' | '.join(cells)} |", flush=True)


def offline() -> list[str]:
    """Return the names of the models that separate files."""
    return [name for name in paths() if not find(name).streams]


def figures(song: Path, model: str) -> tuple[str, ...]:
    """Return name, precision, size, speed and peak memory."""
    command = [sys.executable, "-m", "stemlab", "bench", str(song), "--model", model, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    bench = json.loads(done.stdout)
    size, memory = find(model).path.stat().st_size / 1e6, bench["peak_memory"] / 1e6
    return (
        find(model).name,
        bench["precision"],
        f"{size:.1f}",
        f"{bench['speed']:.0f}",
        f"{memory:.0f}",
    )


def quality(network: Path, songs: list[measure.Stems]) -> list[str]:
    """Return the mean SDR of each stem that the model has."""
    separate = measure.separation(network)
    rows = [measure.scores(separate, song) for song in songs]
    known = ([row[stem] for row in rows if stem in row] for stem in STEMS)
    return [f"{statistics.fmean(values):.2f}" if values else "–" for values in known]


if __name__ == "__main__":
    typer.run(main)
