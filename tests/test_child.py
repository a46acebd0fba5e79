"""Code that lies where somebody works: no process that is started runs it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from stemlab import child, cluster, demo
from stemlab.cluster import connect, run

if TYPE_CHECKING:
    from pathlib import Path

# Modules that every interpreter, server or worker imports.
TRAPS = ("random", "tornado", "fnmatch", "numpy", "voila", "jupyter_server_config", "dask")


@pytest.fixture
def trapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder whose modules, when run, leave a file `sprung`."""
    folder = tmp_path / "work"
    folder.mkdir()
    for name in TRAPS:
        (folder / f"{name}.py").write_text(f"open({str(folder / 'sprung')!r}, 'a').write({name!r})")
    monkeypatch.chdir(folder)
    for name in ("HOME", "JUPYTER_CONFIG_DIR", "IPYTHONDIR", "STEMLAB_STORE"):
        monkeypatch.setenv(name, os.fspath(tmp_path))
    return folder


@pytest.mark.parametrize("what", [["lab", "notebooks"], ["decks"]])
def test_servers(trapped: Path, what: list[str]) -> None:
    start = "from stemlab.cli import main; main()"
    command = [sys.executable, "-c", f"import sys; sys.path.remove(''); {start}", *what]
    with subprocess.Popen([*command, "--no-browser"], stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        try:
            address = next(line for line in server.stderr if re.search("http://.*token=", line))
        finally:
            server.terminate()
            server.communicate(timeout=60)
    assert address
    assert not (trapped / "sprung").exists()


@pytest.mark.parametrize("safe", [("-P",), ()])
def test_workers(trapped: Path, monkeypatch: pytest.MonkeyPatch, safe: tuple[str, ...]) -> None:
    """Also where Python has no -P: there they work elsewhere."""
    if sys.version_info >= (3, 11):
        for module in (child, cluster):
            monkeypatch.setattr(module, "SAFE", safe)
    with connect(1) as client:
        [(_, found, _)] = run(client, os.path.exists, [("random.py",)])
    assert found is bool(child.SAFE)
    assert not (trapped / "sprung").exists()
    assert demo.path().is_file()
