"""`stemlab lab` as somebody who types it meets it."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest

from stemlab.errors import SettingError
from stemlab.lab import FIRST, copy_notebooks, open_lab, shipped_notebooks

if TYPE_CHECKING:
    from pathlib import Path

NOTICES = "@jupyterlab/apputils-extension:notification"


def test_notebooks_are_copied_but_never_overwritten(tmp_path: Path) -> None:
    mine = tmp_path / "notebooks" / FIRST
    copy_notebooks(mine.parent)
    assert mine.read_bytes() == (shipped_notebooks() / FIRST).read_bytes()
    mine.write_text("changed")
    copy_notebooks(mine.parent)
    assert mine.read_text() == "changed"


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingError, match="cannot be put here"):
        open_lab(tmp_path / "file")


def test_the_lab_opens_on_the_first_notebook_and_asks_nobody(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "stemlab", "lab", str(tmp_path), "--no-browser"]
    command += ["--port", port]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    try:
        address = next(
            found[0] for line in server.stderr if (found := re.search(r"http://\S+token=\w+", line))
        )
        assert f":{port}/lab/tree/{FIRST}" in address
        page = fetched(address)
        assert '"news": {"disabled": true}' in page
        asked = address.replace(f"lab/tree/{FIRST}", f"lab/api/settings/{NOTICES}")
        defaults = json.loads(fetched(asked))["schema"]["properties"]
        assert defaults["fetchNews"]["default"] == "false"
        [unseen] = re.findall(r'"untracked_message_types": \[(.*?)\]', page)
        assert {'"comm_msg"', '"status"'} <= set(unseen.split(", "))
    finally:
        server.terminate()
        server.communicate(timeout=30)


def fetched(address: str) -> str:
    """Read a page; JupyterLab tells its address a moment before it listens."""
    for _ in range(100):
        with contextlib.suppress(urllib.error.URLError):
            with urllib.request.urlopen(address) as answer:  # noqa: S310 - our own server
                page: str = answer.read().decode()
            return page
        time.sleep(0.1)
    raise TimeoutError(address)
