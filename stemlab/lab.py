"""JupyterLab on stemlab's notebooks, and the decks as an app."""

from __future__ import annotations

import json
import os
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from stemlab.child import FOLDER, python
from stemlab.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Sequence

FIRST = "00_start.ipynb"

# Where JupyterLab finds `labconfig`: with its settings, unless the user has others, no news.
CONFIG = Path(__file__).parent / "labs"

# No news, no look for updates or extensions: nothing leaves the machine.
OFFLINE = (
    "--LabApp.news_url=None",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    "--LabApp.extension_manager=readonly",
)

# Where Voilà finds the template of the decks' page.
PAGES = Path(__file__).parent / "labs" / "pages"

EXTENSIONS = {"voila.server_extension": True} | dict.fromkeys(
    ("jupyterlab", "jupyter_lsp", "jupyter_server_terminals", "notebook_shim"), False
)
# Nothing but the app, and for each of its pages a kernel, which ends when the page is gone.
APP = (
    "--ServerApp.default_url=/voila/render/app.ipynb",
    f"--ServerApp.jpserver_extensions={EXTENSIONS}",
    "--VoilaConfiguration.template=decks",
    "--VoilaConfiguration.theme=dark",  # the template's own, which follows the system
    "--ServerApp.identity_provider_class=stemlab.labs.app.Gate",
    "--ServerApp.kernel_manager_class=stemlab.labs.app.Kernels",
    "--ServerApp.kernel_websocket_connection_class=stemlab.labs.app.Connection",
    "--MappingKernelManager.cull_idle_timeout=60",
    "--MappingKernelManager.cull_interval=10",
)


def open_lab(folder: Path, *, browser: bool = True, port: int | None = None) -> NoReturn:
    """Become JupyterLab on the notebooks.

    Parameters
    ----------
    folder
        Where the notebooks are; those that are not there yet are copied in, none is overwritten.
    browser
        Open the first notebook in a browser.
    port
        Where it is served; by default one that is free.

    Raises
    ------
    SettingError
        If JupyterLab is not installed, or the folder cannot be written to.
    """
    if find_spec("jupyterlab") is None:
        raise SettingError("JupyterLab is not installed; pip install 'stemlab[lab]'")
    try:
        copy_notebooks(folder)
    except OSError as error:
        raise SettingError(
            f"{folder}: the notebooks cannot be put here ({error.strerror}); name another folder"
        ) from error
    options = [f"--notebook-dir={folder.resolve()}", *OFFLINE, unseen()]
    options += [f"--LabApp.default_url=/lab/tree/{FIRST}"]
    _look_here_first("JUPYTER_CONFIG_PATH", CONFIG)
    _become("jupyterlab", options, browser=browser, port=port)


def unseen() -> str:
    """Return the option that keeps JupyterLab from showing a kernel busy for each widget's message.

    A player that fills up or a take that is recorded makes many a second: icon, toolbar and status
    bar would be drawn anew twice for each.
    """
    from jupyter_server.services.kernels.kernelmanager import MappingKernelManager

    usual = MappingKernelManager.class_traits()["untracked_message_types"].default() or []
    return f"--MappingKernelManager.untracked_message_types={[*usual, 'comm_msg']}"


def _look_here_first(variable: str, folder: Path) -> None:
    """Put a folder before those in which Jupyter looks."""
    places = [str(folder), *filter(None, [os.environ.get(variable)])]
    os.environ[variable] = os.pathsep.join(places)


def _become(module: str, options: list[str], *, browser: bool, port: int | None) -> NoReturn:
    """Let a server take over, signals and all."""
    options += [] if browser else ["--no-browser"]
    options += [f"--ServerApp.port={port}"] if port else []
    options += ["--allow-root"] if _is_root() else []  # as in a container; Jupyter would refuse
    os.chdir(FOLDER)
    command = python("-m", module, *options)
    os.execv(command[0], command)  # noqa: S606 - all of it is ours


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def open_decks(songs: Sequence[Path], *, browser: bool = True, port: int | None = None) -> NoReturn:
    """Become a Jupyter server with the decks, an app without code.

    Its pages are Voilà's. Who opens one must know the token in the link that is shown.

    Parameters
    ----------
    songs
        Sound files for deck A and deck B.
    browser
        Open the app in a browser.
    port
        Where it is served; by default one that is free.

    Raises
    ------
    SettingError
        If Voilà is not installed.
    """
    if find_spec("voila") is None:
        raise SettingError("Voilà is not installed; pip install 'stemlab[lab]'")
    options = [f"--ServerApp.root_dir={Path(__file__).parent / 'labs'}", *APP]
    _look_here_first("JUPYTER_PATH", PAGES)
    os.environ["STEMLAB_DECKS"] = json.dumps([str(song.resolve()) for song in songs])
    _become("jupyter_server", options, browser=browser, port=port)


def copy_notebooks(folder: Path) -> None:
    """Copy the notebooks that come with stemlab into a folder, but overwrite none."""
    folder.mkdir(parents=True, exist_ok=True)
    for notebook in shipped_notebooks().glob("*.ipynb"):
        if not (folder / notebook.name).exists():
            shutil.copyfile(notebook, folder / notebook.name)


def shipped_notebooks() -> Path:
    """Return the folder of the notebooks that come with stemlab."""
    package = Path(__file__).parent
    inside = package / "notebooks"
    return inside if inside.is_dir() else package.parent / "notebooks"
