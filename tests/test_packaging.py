"""What is installed, and how fast it is there."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell

import stemlab

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
# What everybody who asked for stemlab named.
PROMISED = {
    "jupyterlab", "ipywidgets", "ipywebrtc", "numpy", "tflite-runtime", "librosa", "matplotlib",
    "soundfile",
}  # fmt: skip


def requirements() -> set[str]:
    """Return what pyproject requires on Linux with Python 3.11, without the markers."""
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"], *project["optional-dependencies"]["lab"]]
    return {line.split(";")[0].strip() for line in lines if "!= 'linux'" not in line}


def test_the_conda_environment_agrees_with_pyproject() -> None:
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    pip = next(entry["pip"] for entry in listed if isinstance(entry, dict))
    named = {entry.split(";")[0] for entry in [*listed, *pip] if isinstance(entry, str)}
    assert "python=3.11" in named
    assert "-e .[lab,onnx,research]" in named
    versions = named - {"python=3.11", "pip", "-e .[lab,onnx,research]"}
    assert versions <= requirements()
    assert {re.split("[=<>]", entry)[0] for entry in versions} >= PROMISED


def test_nothing_heavy_at_import() -> None:
    heavy = "librosa matplotlib ipywidgets anywidget scipy numpy tensorflow av soxr pandas"
    code = (
        "import sys, time; start = time.perf_counter(); import stemlab;"
        "print(time.perf_counter() - start);"
        f"print(*(name for name in '{heavy}'.split() if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, loaded = done.stdout.split("\n")[:2]
    assert float(seconds) < 0.3
    assert loaded == ""


def test_dir_and_tab_completion_show_the_public_names_alone() -> None:
    assert sorted(dir(stemlab)) == sorted(stemlab.__all__)
    untyped: Any = InteractiveShell  # a shell of its own: `instance` would stay for other tests
    shell = untyped()
    shell.run_cell("import stemlab")
    with provisionalcompleter():
        found = shell.Completer.completions("stemlab.", len("stemlab."))
        assert {completion.text for completion in found} == set(stemlab.__all__)
    assert "exponent" in shell.object_inspect_text("stemlab.Separator")


def test_separation_loads_nothing_heavy_that_it_does_not_need() -> None:
    heavy = {"librosa", "matplotlib", "ipywidgets", "tensorflow", "scipy.signal"}
    code = f"import sys, stemlab; stemlab.Separator(); print(*({heavy} & {{*sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "-w",
        str(folder),
        str(ROOT),
    ]
    subprocess.run(command, check=True)
    return next(folder.glob("*.whl"))


def test_models_demo_and_notebooks_are_in_the_wheel(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {
        "stemlab/models/stemlab-4.tflite",
        "stemlab/models/stemlab-4-fast.json",
        "stemlab/models/stemlab-4-fast-float32.tflite",
        "stemlab/models/spleeter-2stems.tflite",
        "stemlab/models/spleeter-2stems.json",
        "stemlab/demo/mix.ogg",
        "stemlab/notebooks/00_start.ipynb",
        "stemlab/notebooks/data/transforms.parquet",
        "stemlab/widgets/player.js",
        "stemlab/py.typed",
    } <= names
    assert not any(".cache" in name or "__pycache__" in name for name in names)


def test_the_wheel_works_away_from_the_sources(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    code = (
        "import sys; sys.path.insert(0, '.'); import stemlab, stemlab.lab, stemlab.model;"
        "print(stemlab.__file__, stemlab.model.shipped_models(), stemlab.lab.shipped_notebooks());"
        "stemlab.Separator()"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert all(str(tmp_path) in place for place in done.stdout.split())
