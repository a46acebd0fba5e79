"""Live separation in the page's audio thread, as text and bytes for it."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
VENDOR = HERE.parent / "vendor"
IMPORT = re.compile(r"^import \{[^}]*\} from \"[^\"]*\";\n", re.MULTILINE)


def worklet(runtime: str) -> str:
    """Return the module of the audio thread, with the glue of a runtime, one of LiteRT's."""
    names = ("transform", "columns", "blocks", "network", "separator", "processor", "relay", "ear")
    files = (
        HERE / "scope.js",
        HERE / "aside.js",
        VENDOR / f"litert/{runtime}.mjs",
        VENDOR / "fft/fft.mjs",
        HERE.parent / "tape.js",
        *(HERE / f"{name}.js" for name in names),
    )
    return "\n".join(IMPORT.sub("", file.read_text(encoding="utf-8")) for file in files)


def wasm(runtime: str) -> bytes:
    """Return the code of a runtime, gzipped."""
    return (VENDOR / f"litert/{runtime}.wasm.gz").read_bytes()
