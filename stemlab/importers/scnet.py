"""Import SCNet's checkpoint as its authors published it: one `.onnx` and its card.

SCNet (Tong et al., "SCNet: Sparse Compression Network for Music Source Separation", ICASSP 2024,
https://arxiv.org/abs/2401.13276) reads the spectrum of both channels and gives those of four stems.
Its transform has no taper, and each window is brought to mean 0 and standard deviation 1, as in the
authors' code (https://github.com/starrytong/SCNet). Needs the extra ``onnx``.
"""

from __future__ import annotations

import hashlib
import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tqdm.auto import tqdm

from stemlab.errors import ModelError
from stemlab.importers import scnet_graph
from stemlab.importers.download import obtain, verify
from stemlab.importers.install import install, place, require
from stemlab.importers.torch_file import tensors
from stemlab.model import user_models

if TYPE_CHECKING:
    from pathlib import Path

NAME = "scnet"
STEMS = ("drums", "bass", "other", "vocals")


@dataclass(frozen=True)
class Design:
    """The published checkpoint, and the windows that it was trained on.

    Attributes
    ----------
    url, sha256, size
        Of the checkpoint; bytes.
    n_fft, hop
        Its transform.
    frames
        T of a window.
    """

    url: str = (
        "https://github.com/ZFTurbo/Music-Source-Separation-Training/releases/download/v.1.0.6/"
        "scnet_checkpoint_musdb18.ckpt"
    )
    sha256: str = "1bc0d1abb20bfdf966dcd07637bafd03e4bc13653d09ef18bc9b3e342eafe2aa"
    size: int = 42_434_986
    n_fft: int = 4096
    hop: int = 1024
    frames: int = 476  # 11 s


DESIGN = Design()


def add(source_file: Path | None = None, *, progress: bool = False) -> Path:
    """Install SCNet: see `stemlab.importers.official.add`."""
    require(NAME, "onnx", "onnx", "onnxruntime")
    with place(NAME) as folder:
        network = folder / f"{NAME}.onnx"
        _import(source_file, network, progress=progress)
        return install(network, user_models(), card(network.read_bytes()))


def _import(source_file: Path | None, network: Path, *, progress: bool) -> None:
    """Turn the checkpoint into the file `network`."""
    if progress and not source_file:
        tqdm.write(f"{NAME}: downloading {DESIGN.size / 1e6:.0f} MB, {DESIGN.url}", sys.stderr)
    with tqdm(desc=NAME, unit="B", unit_scale=True, disable=not progress) as bar:
        file = source_file or obtain(DESIGN.url, network.parent, 2 * DESIGN.size, bar)
        bar.set_description(f"{NAME}: converting")
        verify(file, DESIGN.sha256)
        try:
            scnet_graph.write(tensors(file), network, DESIGN.n_fft // 2 + 1, DESIGN.frames)
        except ValueError as error:
            raise ModelError(f"{file.name}: not SCNet ({error}); nothing was installed") from error
        bar.set_description(f"{NAME}: done")


def card(network: bytes) -> dict[str, Any]:
    """Return the card; see `stemlab.card.Card` for the keys."""
    return {
        "name": NAME,
        "version": "1.0.6",
        "licence": "MIT, starrytong (starrytong/SCNet#35)",
        "source": DESIGN.url,
        "sha256": hashlib.sha256(network).hexdigest(),
        "sample_rate": 44_100,
        "n_fft": DESIGN.n_fft,
        "hop": DESIGN.hop,
        "window": "boxcar",
        "frames": DESIGN.frames,
        "bins": DESIGN.n_fft // 2 + 1,
        "stems": list(STEMS),
        "precision": "float32",
        "extension": "band",
        "training_data": "MUSDB18-HQ, by its authors",
        "measured": {
            "said by its authors, not measured here": {
                "sdr": {"drums": 10.4, "bass": 8.9, "other": 6.9, "vocals": 9.9},
                "on": "MUSDB18-HQ, test songs",
            }
        },
        "runtimes": ["onnxruntime"],
        "kind": "spectrum to spectra",
        "reads": "1 (c r) f t",
        "gives": "1 (s c r) f t",
        "scale": 1 / math.sqrt(DESIGN.n_fft),
        "level": "standard",
    }
