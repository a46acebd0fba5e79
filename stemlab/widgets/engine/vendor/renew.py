"""Fetch what others wrote for the audio thread: ``python stemlab/widgets/engine/vendor/renew.py``.

Wants npm. What is written is what lies here, unless a version or a sum below was changed.
"""

from __future__ import annotations

import gzip
import hashlib
import subprocess
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
LITERT = (
    "@litertjs/core@2.5.3",
    "a97660833e9e7e1063c95e12016718881240b14f7438728a2f62785e912d30fd",
)
FFT = ("fft.js@4.0.4", "3cec438c8b33746ebd8cad8fced7a8694a8aeef1b356ed1fcec5430743ef1652")
# The second is for browsers without relaxed SIMD.
PAIRS = ("litert_wasm_internal", "litert_wasm_compat_internal")


def main() -> None:
    """Write the files anew; the licences beside them are kept."""
    litert, fft = package(*LITERT), package(*FFT)
    for pair in PAIRS:
        glue, wasm = litert[f"package/wasm/{pair}.js"], litert[f"package/wasm/{pair}.wasm"]
        (HERE / f"litert/{pair}.mjs").write_bytes(glue + b"\nexport { ModuleFactory };\n")
        (HERE / f"litert/{pair}.wasm.gz").write_bytes(gzip.compress(wasm, mtime=0))
    text = fft["package/lib/fft.js"].replace(b"module.exports = FFT;", b"export { FFT };")
    (HERE / "fft/fft.mjs").write_bytes(text)


def package(name: str, sha256: str) -> dict[str, bytes]:
    """Return the files of an npm package by their path in it."""
    with tempfile.TemporaryDirectory() as folder:
        pack = ["npm", "pack", "--silent", "--pack-destination", folder, name]
        subprocess.run(pack, check=True, capture_output=True)  # noqa: S603 - names from above
        archive = next(Path(folder).iterdir())
        found = hashlib.sha256(archive.read_bytes()).hexdigest()
        if found != sha256:
            raise ValueError(f"{name} has sha256 {found}, not {sha256}")
        with tarfile.open(archive) as tar:
            return {file.name: tar.extractfile(file).read() for file in tar if file.isfile()}  # type: ignore[union-attr]


if __name__ == "__main__":
    main()
