"""StemPlayer: plays a song's stems in the notebook while they are being separated."""

from __future__ import annotations

import atexit
import time
import uuid
from threading import Thread
from typing import TYPE_CHECKING, Any

import anywidget
import ipywidgets
import numpy as np
import traitlets as t

from stemlab.colours import hues
from stemlab.errors import SettingError, StemlabError
from stemlab.mixer import Mix
from stemlab.separator import Separation, Separator
from stemlab.spectral import Stft
from stemlab.store import BLOCK, Store, Track
from stemlab.widgets import module, source
from stemlab.widgets.feed import Producer, Sender, replay

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from stemlab.audio import Audio
    from stemlab.separator import StemBlock

# The lists of the mix, the scalar traits that go with them, and where they rest.
FIELDS: dict[str, tuple[str, Any]] = {
    "levels": ("", 1.0),
    "mutes": ("_mute", False),
    "solos": ("_solo", False),
    "pans": ("_pan", 0.0),
}
PROGRESS = 0.4  # seconds between two reports of what is separated


class StemPlayer(anywidget.AnyWidget):
    """A player with a fader for each stem.

    Parameters
    ----------
    song
        A sound file or an `Audio`, which is separated while it plays and kept in the
        store; or stems that are at hand, as a `Separation` or by name.
    separator
        What separates; by default the default model.
    store
        Where tracks are kept; by default the user's cache.

    Attributes
    ----------
    stems
        Names of the stems. Each is an attribute too, its level from 0 to 1.5:
        ``player.vocals = 0.5``; so are ``player.vocals_mute``, ``_solo`` and ``_pan``.
    levels, mutes, solos, pans
        The same as lists; assign a new list to change one.
    master
        Level of the sum, 0 to 1.5. A limiter follows it.
    playing, position, duration
        Transport, in seconds.
    loop
        ``[]``, or ``[a, b]`` in seconds to repeat.
    error
        What is wrong, in one sentence, or ``""``. Nothing is raised: the widget shows it.
    track
        The stems as far as they are there, a `stemlab.store.Track`; None after an error.
    stft
        The transform of the blocks that `on_block` hands over.

    Examples
    --------
    >>> from stemlab.audio import Audio
    >>> tone = Audio(np.zeros((44_100, 2), np.float32))
    >>> player = StemPlayer({"vocals": tone, "drums": tone})
    >>> player.vocals = 0.5
    >>> player.levels
    [0.5, 1.0]
    >>> player.solo("drums")
    >>> player.mix.audible.tolist()
    [0.0, 1.0]
    >>> player.close()
    """

    _esm = module("engine.js", "controls.js", "transport.js", "player.js")
    _css = source("player.css")
    _worklet = t.Unicode(module("tape.js", "worklet.js")).tag(sync=True)
    _key = t.Unicode().tag(sync=True)
    _length = t.Int().tag(sync=True)
    _block = t.Int(BLOCK).tag(sync=True)
    _stream = t.Any(None, allow_none=True).tag(sync=True, **ipywidgets.widget_serialization)
    title = t.Unicode().tag(sync=True)
    stems = t.List(t.Unicode()).tag(sync=True)
    colours = t.List(t.Unicode()).tag(sync=True)
    levels = t.List(t.Float(min=0, max=1.5)).tag(sync=True)
    mutes = t.List(t.Bool()).tag(sync=True)
    solos = t.List(t.Bool()).tag(sync=True)
    pans = t.List(t.Float(min=-1, max=1)).tag(sync=True)
    master = t.Float(1.0, min=0, max=1.5).tag(sync=True)
    playing = t.Bool().tag(sync=True)
    owner = t.Unicode().tag(sync=True)
    position = t.Float().tag(sync=True)
    duration = t.Float().tag(sync=True)
    rate = t.Int().tag(sync=True)
    loop = t.List(t.Float(), maxlen=2).tag(sync=True)
    ready = t.Bool().tag(sync=True)
    overview = t.Bytes().tag(sync=True)
    separated = t.Float().tag(sync=True)
    speed = t.Float().tag(sync=True)
    error = t.Unicode().tag(sync=True)

    def __init__(
        self,
        song: str | Path | Audio | Separation | dict[str, Audio],
        separator: Separator | None = None,
        *,
        store: Store | None = None,
    ) -> None:
        self.track: Track | None = None
        self._producer: Producer | None = None
        self._sender: Sender | None = None
        self._listeners: list[Callable[[StemBlock], None]] = []
        self._reported = 0.0
        try:
            if isinstance(song, (dict, Separation)):
                track = Track.of(song)
            else:
                separator = separator or Separator()
                track = (store or Store()).open(song, separator)
            facts = self._describe(track)
        except StemlabError as error:
            super().__init__(error=str(error))
            return
        # The page must know the player's name from the start.
        key = uuid.uuid4().hex
        super().__init__(model_id=key, _key=key, **facts)
        self._start(track, separator)

    def _describe(self, track: Track) -> dict[str, Any]:
        """Add each stem's own traits; return the values of all."""
        taken = [name for name in track.names if hasattr(self, name)]
        if taken:
            raise SettingError(f'a stem cannot be called "{taken[0]}" here; rename it')
        facts: dict[str, Any] = {
            "stems": list(track.names),
            "colours": hues(track.names),
            "title": track.title,
            "duration": track.duration,
            "rate": track.rate,
            "overview": track.overview.tobytes(),
            "separated": track.separated,
            "_length": track.length,
        }
        for field, (suffix, rest) in FIELDS.items():
            kind = self.traits()[field]._trait  # noqa: SLF001 - of the list's items
            names = [name + suffix for name in track.names]
            self.add_traits(**{name: _like(kind, rest).tag(sync=True) for name in names})
            self.observe(self._collect, names)
            facts[field] = [rest] * len(names)
        self.observe(self._spread, list(FIELDS))
        return facts

    def _start(self, track: Track, separator: Separator | None) -> None:
        self._hold(track)
        self.on_msg(self._receive)
        if separator and track.separated < 1:
            self._producer = Producer(track, separator, self._hear, self._fail)
        self.stft = separator.stft if separator else Stft()
        atexit.register(self.close)

    def _hold(self, track: Track) -> None:
        self.track = track
        self._sender = Sender(track, self._send_block)

    def replace(self, stems: dict[str, Audio] | Separation) -> None:
        """Put other sound in the stems' place; if it plays, it plays on, cross-faded.

        Parameters
        ----------
        stems
            As many samples at the same rate under the same names.

        Raises
        ------
        AudioError
            If the stems differ in length or rate.
        SettingError
            If they do not fit into the player.

        Examples
        --------
        >>> from stemlab.audio import Audio
        >>> loud, soft = (Audio(np.full((44_100, 2), level, np.float32)) for level in (0.5, 0.1))
        >>> player = StemPlayer({"tone": loud})
        >>> player.replace({"tone": soft})
        >>> round(float(player.track.read(0, 1)[0].max()), 2)
        0.1
        >>> player.close()
        """
        track = Track.of(stems, self.title)
        shape = (tuple(self.stems), self.rate, self._length)
        if (track.names, track.rate, track.length) != shape:
            raise SettingError(
                f"the player holds {', '.join(self.stems)} of {self._length} samples at {self.rate}"
                f" Hz, not {', '.join(track.names)} of {track.length} at {track.rate}"
            )
        self._release()
        self._hold(track)
        self.send({"kind": "replaced"})
        with self.hold_sync():
            self.separated = 1.0
            self.overview = track.overview.tobytes()
        for listener in list(self._listeners):
            self._repeat(listener, track)

    def play(self) -> None:
        """Play from the present position, on the page that shows the player."""
        with self.hold_sync():
            self.owner = ""
            self.playing = True

    def pause(self) -> None:
        """Stop and stay."""
        self.playing = False

    def seek(self, seconds: float) -> None:
        """Go to a position; separation follows at once."""
        self.position = min(max(float(seconds), 0.0), self.duration)
        self.send({"kind": "seek", "to": self.position})

    def mute(self, *names: str) -> None:
        """Silence these stems and no others."""
        self.mutes = self._chosen(names)

    def solo(self, *names: str) -> None:
        """Let only these stems sound; without names all that are not muted."""
        self.solos = self._chosen(names)

    def _chosen(self, names: tuple[str, ...]) -> list[bool]:
        unknown = [name for name in names if name not in self.stems]
        if unknown:
            raise SettingError(f'no stem "{unknown[0]}" here; there are {", ".join(self.stems)}')
        return [name in names for name in self.stems]

    @property
    def mix(self) -> Mix:
        """The faders as they stand; `Mix.render` makes the same sound as the page."""
        return Mix(self.levels, self.mutes, self.solos, self.pans, self.master)

    @property
    def sliders(self) -> ipywidgets.VBox:
        """All faders and buttons as ipywidgets, linked in the browser, not through the kernel."""
        rows = [self._controls(name) for name in self.stems]
        master = ipywidgets.FloatSlider(description="master", min=0, max=1.5, step=0.01)
        ipywidgets.jslink((self, "master"), (master, "value"))
        return ipywidgets.VBox([*rows, master])

    def _controls(self, name: str) -> ipywidgets.HBox:
        controls = {
            "": ipywidgets.FloatSlider(description=name, min=0, max=1.5, step=0.01),
            "_mute": ipywidgets.ToggleButton(description="mute", tooltip=f"Mute {name}"),
            "_solo": ipywidgets.ToggleButton(description="solo", tooltip=f"Solo {name}"),
            "_pan": ipywidgets.FloatSlider(description="pan", min=-1, max=1, step=0.01),
        }
        for suffix, control in controls.items():
            control.value = getattr(self, name + suffix)
            ipywidgets.jslink((self, name + suffix), (control, "value"))
        return ipywidgets.HBox(list(controls.values()))

    @property
    def stream(self) -> Any:
        """The sound as an ipywebrtc MediaStream, to record or to send; see `ready`."""
        import ipywebrtc

        if self._stream is None:
            self._stream = ipywebrtc.MediaStream()
        return self._stream

    def on_block(self, callback: Callable[[StemBlock], None], *, remove: bool = False) -> None:
        """Have every part of the song handed to a callback, in a thread of the player.

        What is separated already comes at once, with masks made from its stems; the rest comes
        as it is separated, with the model's own. Parts come in any order and may overlap. A closed
        player hands on nothing more.
        """
        if remove:  # a player that was closed has forgotten it already
            self._listeners = [other for other in self._listeners if other != callback]
            return
        self._listeners.append(callback)
        if self.track and self.track.separated:
            self._repeat(callback, self.track)

    def _repeat(self, callback: Callable[[StemBlock], None], track: Track) -> None:
        Thread(target=self._replay, args=(callback, track), daemon=True).start()

    def _replay(self, callback: Callable[[StemBlock], None], track: Track) -> None:
        for block in replay(track, self.stft):
            if callback not in self._listeners or track is not self.track:
                return
            callback(block)

    def notify_change(self, change: Any) -> None:
        """Send a trait and what follows from it to the page in one message.

        In two, the page would answer the first with the old value of the second.
        """
        with self.hold_sync():
            super().notify_change(change)

    def _collect(self, _change: Any) -> None:
        """Let the lists follow a stem's trait."""
        for field, (suffix, _) in FIELDS.items():
            setattr(self, field, [getattr(self, name + suffix) for name in self.stems])

    def _spread(self, change: Any) -> None:
        """Let the stems' traits follow a list."""
        suffix, _ = FIELDS[change["name"]]
        with self.hold_trait_notifications():
            for name, value in zip(self.stems, change["new"], strict=True):
                self.set_trait(name + suffix, value)

    def _receive(self, _widget: Any, message: dict[str, Any], _buffers: Any) -> None:
        match message:
            case {"kind": "want", **wish}:
                self._want(wish)
            case {"kind": "hang up", "line": line} if self._sender:
                self._sender.forget(line)

    def _want(self, wish: dict[str, Any]) -> None:
        """Send a page what it asks for; separate first what is not there yet."""
        if not self._sender:
            return
        self.send({"kind": "ack", "line": wish["line"]})
        missing = self._sender.want(**wish)
        if missing is not None and self._producer:
            self._producer.urge(missing)

    def _send_block(self, line: str, index: int) -> None:
        if self.track:
            message = {"kind": "block", "line": line, "index": index}
            self.send(message, [np.ascontiguousarray(self.track.stems[index]).data])

    def _hear(self, block: StemBlock) -> None:
        """Pass on a block that the producer has stored."""
        if not (self._sender and self.track and self._producer):
            return
        self._sender.notify()
        self._progress(self.track, self._producer)
        for listener in list(self._listeners):
            listener(block)

    def _progress(self, track: Track, producer: Producer) -> None:
        separated = track.separated
        if separated < 1 and time.monotonic() - self._reported < PROGRESS:
            return
        self._reported = time.monotonic()
        with self.hold_sync():
            self.separated = separated
            self.speed = producer.speed
            self.overview = track.overview.tobytes()

    def _fail(self, error: Exception) -> None:
        kind = "" if isinstance(error, StemlabError) else f"separation stopped: {error!r}; "
        self.error = f"{kind}{error}" if not kind else f"{kind}open the song again"

    def close(self) -> None:
        """Stop the sound and the threads."""
        atexit.unregister(self.close)
        self._listeners.clear()
        self._release()
        super().close()

    def _release(self) -> None:
        """End the threads."""
        if self._producer:
            self._producer.close()
            self._producer = None
        if self._sender:
            self._sender.close()


def _like(kind: t.TraitType[Any, Any], rest: Any) -> t.TraitType[Any, Any]:
    """Return a new trait of the kind of a list's items."""
    if isinstance(kind, t.Float):
        return t.Float(rest, min=kind.min, max=kind.max)
    return t.Bool(rest)
