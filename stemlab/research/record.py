"""What a result was measured with: versions, models, settings, machine."""

from __future__ import annotations

import platform
from dataclasses import asdict
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stemlab.model import cores

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stemlab.card import Card
    from stemlab.separator import Separator

PACKAGES = (
    "stemlab", "numpy", "scipy", "tflite-runtime", "ai-edge-litert", "onnxruntime", "soundfile",
    "av", "soxr", "museval", "librosa",
)  # fmt: skip


def record(models: Iterable[Card], **asked: Any) -> dict[str, Any]:
    """Return what one has to know to measure the same again; it can be written as JSON.

    Parameters
    ----------
    models
        Those that were measured.
    asked
        What else was asked for.

    Examples
    --------
    >>> from stemlab.model import find
    >>> run = record([find("stemlab-4")], metrics=["sdr"])
    >>> [*run["models"]], run["metrics"], len(run["machine"]["cpu"]) > 0
    (['stemlab-4'], ['sdr'], True)
    """
    return {
        "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version(), **dict(_versions())},
        "models": {card.name: {"version": card.version, "sha256": card.sha256} for card in models},
        "machine": {"system": platform.platform(), "cpu": _processor(), "cores": cores()},
        **asked,
    }


def turned(separator: Separator) -> dict[str, Any]:
    """Return the settings of a separator by the names of `stemlab.research.sweep.SETTINGS`."""
    model, stft = separator.model, separator.stft
    names = ("exponent", "past", "lookahead", "overlap", "extension")
    return {
        **asdict(stft),
        **{name: getattr(separator, name) for name in names},
        "model": model.card.name,
        "runtime": model.runtime,
        "threads": model.threads,
    }


def _versions() -> Iterable[tuple[str, str]]:
    for package in PACKAGES:
        try:
            yield package, version(package)
        except PackageNotFoundError:
            continue


def _processor() -> str:
    """Return the name of the processor, which Python knows on some systems only."""
    told = Path("/proc/cpuinfo")
    if told.exists():
        for line in told.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
