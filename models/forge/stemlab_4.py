"""Make `stemlab-4` and `stemlab-4-fast` from trained weights: convert, measure, install.

    python models/forge/stemlab_4.py WEIGHTS.npz DATA POOL VALIDATION

WEIGHTS is what `four_stems/train.py` kept, DATA and POOL what it learnt from, VALIDATION the songs
that `music/gather.py` held back.
Spleeter's checkpoint is fetched as for `spleeter_2stems.py`. Needs the extra `forge`.
"""

from __future__ import annotations

import hashlib
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from four_stems import measure
from music.pool import STEMS as JUDGED
from music.pool import list_songs
from spleeter_2stems import MODELS, speed

from stemlab.importers import spleeter
from stemlab.importers.install import install
from stemlab.networks.runtimes import installed_runtimes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Song = dict[str, NDArray[np.float32]]

FORGE = Path(__file__).parent
WORK = MODELS.parent / ".cache" / "stemlab-4"
SECONDS = 60  # of each song, from its middle
STEMS = ["vocals", "drums", "bass", "other"]
FAST = "stemlab-4-fast"
SOURCES = {
    "stemlab-4": "models/forge/four_stems; vocals and encoders: Spleeter 2 stems 1.4.0",
    FAST: "models/forge/four_stems; encoders: Spleeter 2 stems 1.4.0",
}
VERSIONS = {"stemlab-4": "1.5.0", FAST: "1.3.0"}
PRECISION = "int8"


def main(weights: Path, data: Path, pool: Path, validation: Path) -> None:
    """Make, measure and install."""
    convert(weights, data, pool)
    songs = read(validation)
    for name in VERSIONS:
        exact = measured(name, "float32", songs)
        shipped = measured(name, PRECISION, songs)
        shipped["sdr_loss"] = loss(exact["sdr_by_song"], shipped["sdr_by_song"])
        made = described(name, PRECISION, {"measured": shipped})
        install(made, MODELS, json.loads(made.with_suffix(".json").read_text()))
        print(name, json.dumps(shipped, indent=1))
        if name == FAST:
            keep_exact(exact)


def read(validation: Path) -> dict[str, Song]:
    """Return what is judged of each song."""
    return {
        f"{folder.parent.name}/{folder.name}": measure.read(folder, SECONDS)
        for folder in list_songs(validation)
    }


def keep_exact(facts: dict[str, Any]) -> None:
    """Install the fast network as it is before its weights are rounded, to compare."""
    made = described(FAST, "float32", {"measured": facts})
    card = json.loads(made.with_suffix(".json").read_text()) | {"name": f"{FAST}-float32"}
    install(made.rename(made.with_stem(card["name"])), MODELS, card)


def convert(weights: Path, data: Path, pool: Path) -> None:
    """Write both networks in both precisions, apart: tflite-runtime cannot live with TensorFlow."""
    sharper = WORK / "sharper.npz"
    WORK.mkdir(parents=True, exist_ok=True)
    for script, *arguments in (
        ("sharpen.py", weights, data, sharper),
        ("graphs.py", weights, sharper, WORK),
        ("fast_graph.py", weights, pool, WORK),
    ):
        command = [sys.executable, str(FORGE / "four_stems" / script), *map(str, arguments)]
        subprocess.run(command, check=True)  # noqa: S603


def described(name: str, precision: str, facts: dict[str, Any]) -> Path:
    """Write the card of a network in the work folder; return the network."""
    network = WORK / precision / f"{name}.tflite"
    card = spleeter.card("spleeter-2stems", network.read_bytes()) | {
        "name": name,
        "version": VERSIONS[name],
        "licence": "MIT; encoders and vocals MIT, Deezer SA",
        "source": SOURCES[name],
        "sha256": hashlib.sha256(network.read_bytes()).hexdigest(),
        "stems": STEMS,
        "precision": precision,
        "training_data": "see models/README.md; Spleeter's part: Deezer's own, not public",
    }
    network.with_suffix(".json").write_text(json.dumps(card | facts, indent=2) + "\n")
    return network


def measured(name: str, precision: str, songs: dict[str, Song]) -> dict[str, Any]:
    """Return size, speed and quality."""
    network = described(name, precision, {})
    return {
        "bytes": network.stat().st_size,
        "seconds_per_window": {
            runtime: speed(network, runtime) for runtime in installed_runtimes()
        },
        **quality(network, songs),
    }


def quality(network: Path, songs: dict[str, Song]) -> dict[str, Any]:
    """Return the SDR, in the median and by song."""
    separate = measure.separation(network)
    by_song = {title: measure.scores(separate, song) for title, song in songs.items()}
    known = {stem: [row[stem] for row in by_song.values() if stem in row] for stem in JUDGED}
    return {
        "sdr": {stem: round(statistics.median(row), 2) for stem, row in known.items() if row},
        "sdr_by_song": by_song,
        "material": f"{len(songs)} songs, at most {SECONDS} s each; see models/README.md",
    }


def loss(
    exact: dict[str, dict[str, float]], shipped: dict[str, dict[str, float]]
) -> dict[str, float]:
    """Return by how much the worst song's SDR falls, by stem."""
    falls: dict[str, float] = {}
    for title, row in exact.items():
        for stem, value in row.items():
            falls[stem] = max(falls.get(stem, -99.0), round(value - shipped[title][stem], 3))
    return falls


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
