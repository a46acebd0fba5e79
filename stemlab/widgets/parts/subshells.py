"""Which thread of a kernel reads what a page sends to a widget.

JupyterLab sends it to a subshell, a thread that reads on while a cell runs. From 7.4 on, ipykernel
hands it to the thread that the widget last spoke from instead, as libraries need that wait for an
answer. After a cell that is the thread that runs cells: who presses Play while later cells run
would hear nothing until they end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ipywidgets


def read_as_sent(widget: ipywidgets.Widget) -> None:
    """Have a page's messages read in the thread that it sends them to."""
    if hasattr(widget.comm, "_reply_subshell_for"):
        widget.comm._reply_subshell_for = _sent_to  # noqa: SLF001 - no public way


def _sent_to(_message: Any, subshell: str | None) -> str | None:
    return subshell
