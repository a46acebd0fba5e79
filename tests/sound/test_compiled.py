"""What numba compiles when librosa is imported is compiled by one process at a time."""

from __future__ import annotations

import importlib
import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from stemlab.sound import compiled

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

# Numba keeps these in two files each; they must be made under the lock.
_MADE_LATER = """
import gc
import numpy as np
from numba.np.ufunc.gufunc import GUFunc
from stemlab.library.rhythm import warm_up
from stemlab.research.magnitudes import bleedless_and_fullness
from stemlab.sound.compiled import librosa

def made():
    return {each.__name__ for each in gc.get_objects() if type(each) is GUFunc}

librosa()
before = made()
warm_up()
noise = np.random.default_rng(0).normal(size=(44100, 2)).astype(np.float32)
bleedless_and_fullness(noise, noise / 2, 44100)
assert before, "numba's classes have other names now"
assert made() == before, made() - before
"""


def test_other_processes_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platformdirs.user_cache_path", lambda *_, **__: tmp_path)
    lock = FileLock(tmp_path / "librosa.lock")
    held = []

    def importing(name: str) -> Any:
        try:
            with lock.acquire(timeout=0):
                held.append(False)
        except Timeout:
            held.append(True)
        return importlib.import_module(name)

    monkeypatch.setattr(compiled, "importlib", SimpleNamespace(import_module=importing))
    compiled.librosa.__wrapped__()
    assert held == [True, True]
    lock.acquire(timeout=0)  # and is let go


def test_a_folder_that_cannot_be_written_does_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr("platformdirs.user_cache_path", lambda *_, **__: tmp_path / "file")
    assert compiled.librosa.__wrapped__().note_to_hz("A4") == 440


def test_nothing_that_needs_the_lock_is_made_later() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _MADE_LATER], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
