"""StemPlayer: plays a song's stems in the notebook while they are being separated."""

from __future__ import annotations

import math
import time
import uuid
from threading import Thread
from typing import TYPE_CHECKING, Any
from weakref import ref

import ipywidgets
import numpy as np
import traitlets as t

from stemlab.errors import SettingError, StemlabError
from stemlab.library.store import BLOCK, Store, Track
from stemlab.separator import Separation
from stemlab.spectral import Stft
from stemlab.widgets import WORKLET, module, source
from stemlab.widgets.parts.faders import Faders
from stemlab.widgets.parts.feed import Producer, Sender, replay, usual_separator
from stemlab.widgets.parts.lifetime import weakly

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from stemlab.separator import Separator, StemBlock
    from stemlab.sound.audio import Audio

PROGRESS = 0.4  # seconds between two reports of what is separated


class StemPlayer(Faders):
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
    stems, levels, mutes, solos, pans, master
        See `stemlab.widgets.parts.faders.Faders`.
    playing, position, duration
        Transport, in seconds.
    loop
        ``[]``, or ``[a, b]`` in seconds to repeat.
    error
        What is wrong, in one sentence, or ``""``. Nothing is raised: the widget shows it.
    track
        The stems as far as they are there, a `stemlab.library.store.Track`; None after an error.
    stft
        The transform of the blocks that `on_block` hands over.

    Examples
    --------
    >>> from stemlab.sound.audio import Audio
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

    _esm = module("player.js")
    _css = source("player.css")
    _worklet = t.Unicode(WORKLET).tag(sync=True)
    _key = t.Unicode().tag(sync=True)
    _length = t.Int().tag(sync=True)
    _block = t.Int(BLOCK).tag(sync=True)
    _stream = t.Any(None, allow_none=True).tag(sync=True, **ipywidgets.widget_serialization)
    title = t.Unicode().tag(sync=True)
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
        self._replays: list[Thread] = []
        self._reported = 0.0
        try:
            if isinstance(song, (dict, Separation)):
                track = Track.of(song)
            else:
                separator = separator or usual_separator()
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
        """Return the values of all traits."""
        return self._with_stems(track.names) | {
            "title": track.title,
            "duration": track.duration,
            "rate": track.rate,
            "overview": track.overview.tobytes(),
            "separated": track.separated,
            "_length": track.length,
        }

    def _start(self, track: Track, separator: Separator | None) -> None:
        self._hold(track)
        self.on_msg(self._receive)
        if separator and track.separated < 1:
            hear, fail = weakly(self._hear), weakly(self._fail)
            self._producer = Producer(track, separator, hear, fail)
        self.stft = separator.stft if separator else Stft()

    def _hold(self, track: Track) -> None:
        self.track = track
        self._sender = Sender(track, weakly(self._send_block))

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
        >>> from stemlab.sound.audio import Audio
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

    def settle(self) -> None:
        """Wait until all that is separated already is handed to those who hear it."""
        for replaying in self._replays:
            replaying.join()

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
        again = replay(track, self.stft)
        thread = Thread(target=_replay, args=(again, ref(self), callback, track), daemon=True)
        self._replays = [*filter(Thread.is_alive, self._replays), thread]
        thread.start()

    def _hands(self, track: Track, callback: Callable[[StemBlock], None]) -> bool:
        """Whether a callback still wants to hear of a track."""
        return callback in self._listeners and track is self.track

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
        ahead = wish.pop("ahead")
        missing = self._sender.want(**wish)
        if missing is not None and self._producer:
            self._producer.urge(missing, math.inf if ahead is None else ahead)

    def _send_block(self, line: str, index: int, whole: bool) -> None:
        """Send the stems of a block, or its original."""
        if self.track:
            message = {"kind": "block", "line": line, "index": index, "whole": whole}
            samples = self.track.stems[index] if whole else self.track.original(index)
            self.send(message, [np.ascontiguousarray(samples).data])

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

    def end(self) -> None:
        """Stop the threads."""
        self._listeners.clear()
        self._release()
        self.settle()

    def _release(self) -> None:
        """End the threads."""
        if self._producer:
            self._producer.close()
            self._producer = None
        if self._sender:
            self._sender.close()


def _replay(
    blocks: Iterator[StemBlock],
    player: ref[StemPlayer],
    callback: Callable[[StemBlock], None],
    track: Track,
) -> None:
    """Hand blocks on as long as the player is there and has both callback and track."""
    for block in blocks:
        if not ((here := player()) and here._hands(track, callback)):  # noqa: SLF001 - its own
            return
        del here
        callback(block)
