"""A small SCNet with random weights, and what an implementation of others makes of a window.

Run in an environment of its own, for PyTorch's sake; it writes `scnet/` beside itself:

    python -m venv /tmp/scnet && /tmp/scnet/bin/pip install torch==2.13.0 numpy soundfile tqdm
    /tmp/scnet/bin/pip install --no-deps msst==0.1.0
    /tmp/scnet/bin/python tests/importers/scnet_reference.py

`msst` (MIT) is ZFTurbo's Music-Source-Separation-Training, whose release the checkpoint is part of.
Its `forward` takes samples: here its transforms are replaced by some that hand a spectrum in and
out, which leaves what is between. After `full FOLDER` the network has its true size, and both files
go there.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from msst.models.scnet import SCNet

HERE = Path(__file__).with_name("scnet")
SMALL = {"dims": [4, 8, 8, 12], "nfft": 256, "hop_size": 64, "win_size": 256, "num_dplayer": 2}
BINS, FRAMES = 129, 16
FULL_BINS, FULL_FRAMES = 2049, 476


def main(folder: Path, bins: int, frames: int, how: dict[str, Any]) -> None:
    """Write `checkpoint.ckpt` and `reference.npz`: `heard` [T, F, 2], `given` [T, F, 2, stems]."""
    torch.manual_seed(17)
    network = SCNet(**how).eval()
    shake(network)
    folder.mkdir(exist_ok=True)
    torch.save(network.state_dict(), folder / "checkpoint.ckpt")
    parts = 0.1 * torch.randn(2, bins, frames, 2)  # channels, bins, frames, parts
    given = run(network, parts)
    np.savez_compressed(
        folder / "reference.npz",
        heard=torch.view_as_complex(parts).permute(2, 1, 0).numpy(),
        given=torch.view_as_complex(given).permute(3, 2, 1, 0).numpy(),
    )


def shake(network: torch.nn.Module) -> None:
    """Move the norms' scales and offsets and all biases away from ones and zeros."""
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim == 1:
                parameter.add_(0.2 * torch.randn(parameter.shape))


def run(network: SCNet, parts: torch.Tensor) -> torch.Tensor:
    """Return [stems, channels, bins, frames, parts] at the level of what came in.

    The level is that of the authors' `forward`: mean 0 and standard deviation 1 over all numbers.
    """
    mean, spread = parts.mean(), parts.std()
    level = torch.view_as_complex((parts - mean) / (1e-5 + spread))
    seen: list[torch.Tensor] = []

    def leave(spectrum: torch.Tensor, **_: object) -> torch.Tensor:
        seen.append(spectrum)
        return torch.zeros(len(spectrum), 1 << 20)

    torch.stft, torch.istft = (lambda *_, **__: level), leave
    with torch.no_grad():
        network(torch.zeros(1, 2, 1000))
    stems = torch.view_as_real(seen[0]) * spread + mean
    return stems.reshape(-1, *parts.shape)


if __name__ == "__main__":
    if sys.argv[1:2] == ["full"]:
        main(Path(sys.argv[2]), FULL_BINS, FULL_FRAMES, {})
    else:
        main(HERE, BINS, FRAMES, SMALL)
