"""How long widgets live: as long as a cell shows them, or somebody holds them.

ipywidgets keeps every widget until its kernel ends, so that each run of a cell adds some. Here
those that no cell shows any more are let go of: Python collects them as it does all else.
"""

from __future__ import annotations

import atexit
import gc
import re
from contextlib import suppress
from functools import cache
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any
from weakref import WeakMethod, WeakSet

import ipywidgets
from IPython import get_ipython
from ipywidgets.widgets import widget as registry
from ipywidgets.widgets.widget_link import Link

from stemlab.widgets.parts.subshells import read_as_sent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    Widgets = dict[str, ipywidgets.Widget]

_OUTPUT = re.compile(r"_{1,3}|_\d+")  # IPython's names for what cells showed
_LINKS = "_stemlab_links"  # where a widget that was let go of holds its links


class Fleeting(ipywidgets.Widget):  # type: ignore[misc]  # ipywidgets has no types
    """A widget that ends by itself when no cell shows it and nobody holds it, or with its kernel.

    Its threads may hold it only by methods that are bound `weakly`.
    """

    def __init__(self, *args: Any, **traits: Any) -> None:
        super().__init__(*args, **traits)
        read_as_sent(self)
        _alive.add(self)
        if shell := get_ipython():
            _watch(shell)

    def end(self) -> None:
        """Let go of threads and files of its own; not of other widgets, which may be shown."""

    def close(self) -> None:
        """End, and vanish from the page."""
        self.end()
        super().close()

    def __del__(self) -> None:
        if self.comm is not None:
            _lost.put(self)


_alive: WeakSet[Fleeting] = WeakSet()
# Wait to be ended: that takes locks and joins threads, which Python's collector must not do.
_lost: SimpleQueue[Fleeting] = SimpleQueue()


def weakly(method: Callable[..., None]) -> Callable[..., None]:
    """Return a bound method that keeps nobody alive, and does nothing when its owner is gone."""
    known = WeakMethod(method)

    def call(*values: Any, **more: Any) -> None:
        if alive := known():
            alive(*values, **more)

    return call


@atexit.register
def _end_all() -> None:
    for widget in list(_alive):
        widget.end()


def _end_lost() -> None:
    with suppress(Empty):
        while True:
            Fleeting.close(_lost.get_nowait())  # not its parts, which may be shown
    gc.collect()


@cache
def _watch(shell: Any) -> _Cells:
    return _Cells(shell)


class _Cells:
    """What each cell of a notebook shows."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._shown: dict[str | None, list[ipywidgets.Widget]] = {}
        self._past: Widgets = {}
        self._format = shell.display_formatter.format
        shell.display_formatter.format = self._show
        shell.events.register("pre_run_cell", self._begin)
        shell.events.register("post_run_cell", self._finish)

    def _request(self) -> tuple[str | None, list[str]]:
        """Return the name of the cell that runs, None for a page's message, and those deleted."""
        parent: dict[str, Any] = getattr(self._shell, "get_parent", dict)()
        facts, code = parent.get("metadata", {}), parent.get("content", {}).get("code")
        return facts.get("cellId") or code, facts.get("deletedCells", [])

    def _show(self, shown: Any, *how: Any, **more: Any) -> Any:
        if isinstance(shown, ipywidgets.Widget):
            place = None if _captured() else self._request()[0]
            self._shown.setdefault(place, []).append(shown)
            parts = _parts([shown])
            _kept().update(parts)
            if any(isinstance(each, Fleeting) for each in parts.values()):
                for each in parts.values():
                    read_as_sent(each)
        return self._format(shown, *how, **more)

    def _begin(self, _info: Any) -> None:
        """Note that what cells showed that run again or were deleted is not shown there."""
        cell, deleted = self._request()
        for name in (cell, *deleted) if cell else ():
            self._past |= _parts(self._shown.pop(name, []))

    def _finish(self, _result: Any) -> None:
        if self._let_go():
            gc.collect()  # they come back to be ended
        if not _lost.empty():  # a window of the model may be under way: nobody shall wait for it
            Thread(target=_end_lost, name="stemlab end", daemon=True).start()

    def _let_go(self) -> bool:
        """Let go of widgets that are not shown; return whether there are any."""
        shown = _parts(widget for widgets in self._shown.values() for widget in widgets)
        ours = _parts(widget for widget in [*_kept().values()] if isinstance(widget, Fleeting))
        unshown, self._past = self._past | ours, {}
        gone = {name: unshown[name] for name in (unshown.keys() & _kept().keys()) - shown.keys()}
        if gone:
            self._forget(set(map(id, gone.values())))
            _release(gone)
        return bool(gone)

    def _forget(self, gone: set[int]) -> None:
        """Take widgets from the outputs that IPython remembers."""
        user = self._shell.user_ns
        for outputs in (
            user["_oh"],
            user,
            self._shell.user_ns_hidden,
            vars(self._shell.displayhook),
        ):
            for name in [name for name, value in [*outputs.items()] if id(value) in gone]:
                if _OUTPUT.fullmatch(f"_{name}" if isinstance(name, int) else name):
                    outputs[name] = ""


def _kept() -> Widgets:
    """Return all that ipywidgets keeps."""
    kept: Widgets = registry._instances  # noqa: SLF001 - it has no other name any more
    return kept


def _captured() -> bool:
    """Whether what is shown now goes into a widget, wherever that is shown."""
    return any(isinstance(each, ipywidgets.Output) and each.msg_id for each in [*_kept().values()])


def _parts(widgets: Iterable[ipywidgets.Widget]) -> Widgets:
    """Return widgets and all that they are made of."""
    found: Widgets = {}
    waiting = list(widgets)
    while waiting:
        widget = waiting.pop()
        if widget.comm is not None and widget.model_id not in found:
            found[widget.model_id] = widget
            waiting += _inside(vars(widget))  # its traits among them
    return found


def _inside(value: Any) -> Iterator[ipywidgets.Widget]:
    kind = type(value)  # `isinstance` fails on a weak proxy of what is gone
    if issubclass(kind, ipywidgets.Widget):
        yield value
    elif issubclass(kind, (list, tuple, dict)):
        # A copy: threads of a widget may add to it meanwhile.
        for part in [*value.values()] if issubclass(kind, dict) else [*value]:
            yield from _inside(part)


def _release(gone: Widgets) -> None:
    """Leave it to Python how long widgets live."""
    for link in [each for each in [*_kept().values()] if isinstance(each, Link)]:
        for end, _ in (link.source, link.target):
            if end.model_id in gone:  # it holds its links from now on
                vars(end).setdefault(_LINKS, []).append(link)
                _release_one(link)
    for widget in gone.values():
        _release_one(widget)


def _release_one(widget: ipywidgets.Widget) -> None:
    _kept().pop(widget.model_id, None)
    widget.comm.on_msg(weakly(widget._handle_msg))  # noqa: SLF001 - as it does itself
