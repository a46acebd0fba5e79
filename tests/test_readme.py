"""What the README promises is there, and its commands run."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from foreign import model

from stemlab import demo
from stemlab.sound.audio import Audio, load, save

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Somebody's home, with some seconds of the demo as the song, and a network of their own."""
    home = tmp_path_factory.mktemp("home")
    song = Audio(load(demo.path()).samples[: 3 * 44_100])
    (home / "Music").mkdir()
    (home / "FOLDER").mkdir()
    save(home / "Music" / "song.mp3", song)
    save(home / "song.flac", song)
    for name, path in demo.stem_paths().items():
        save(home / "FOLDER" / f"{name}.wav", Audio(load(path).samples[: 2 * 44_100]))
    network = model("magnitude to masks", home)
    for path in (network, network.with_suffix(".json")):
        path.rename(path.with_stem("mine"))
    return home


def test_links_lead_somewhere() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", TEXT) if "://" not in link]
    assert len(links) > 3
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.parametrize(
    "command",
    [
        line.split("#")[0].strip()
        for block in blocks("sh")
        for line in block.splitlines()
        if line.startswith("stemlab")
    ],
)
def test_commands_run(command: str, home: Path) -> None:
    words = command.replace("~", str(home)).split()[1:]
    env = os.environ | {"STEMLAB_MODELS": str(home / "models")}
    done = subprocess.run([sys.executable, "-m", "stemlab", *words], cwd=home, env=env, check=False)
    assert done.returncode == 0


def test_python_runs(home: Path) -> None:
    [code, _] = blocks("python")
    subprocess.run([sys.executable, "-c", code], cwd=home, check=True)


def test_the_sweep_runs_on_a_cluster(home: Path) -> None:
    """With the commands that start one, but for the port, which may be taken."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    [scheduler, worker] = (
        [sys.executable, "-m", *line.split("#")[0].replace("8786", port).split()]
        for block in blocks("sh")
        for line in block.splitlines()
        if line.startswith("dask")
    )
    [_, code] = blocks("python")
    with ExitStack() as stack:
        for command in ([*scheduler, "--dashboard-address", ":0"], worker):
            process = stack.enter_context(subprocess.Popen(command, cwd=home))
            stack.callback(process.terminate)
        run = [sys.executable, "-c", code.replace("8786", port)]
        said = subprocess.run(run, cwd=home, check=True, stdout=subprocess.PIPE).stdout
    assert b"vocals" in said
    assert (home / "sweep.parquet").exists()


def test_make_commands_are_targets() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`?make ([a-z0-9-]+)`", TEXT)) <= targets
