"""Decks: two songs side by side as a DJ plays them, stem by stem and beat on beat."""

from __future__ import annotations

import uuid
from dataclasses import asdict
from threading import Thread
from typing import TYPE_CHECKING, Any

import anywidget
import ipywidgets
import numpy as np
import traitlets as t

from stemlab.audio import Audio
from stemlab.errors import StemlabError
from stemlab.rhythm import Rhythm, analyse
from stemlab.separator import Separator
from stemlab.store import STEPS, Store
from stemlab.widgets import module, source
from stemlab.widgets.crate import entries, keep_rhythm, kept_rhythm
from stemlab.widgets.player import StemPlayer

if TYPE_CHECKING:
    from pathlib import Path

    from stemlab.separator import Separation
    from stemlab.store import Track

CUES = 4
"""Hot cues of a deck."""
CURVES = ("constant power", "linear", "cut")
"""How the two decks share the sound as the crossfader moves."""
PRESETS = ("All", "Acapella", "Instrumental", "Vocals 50 %", "Drums only", "No drums")
"""What `Deck.blend` can go over to."""

# The library ends with a processor of its own, which mixes nothing; ours takes its place.
_LIBRARY = source("vendor/signalsmith-stretch.mjs").partition("function registerWorkletProcessor(")
_STRETCH = f"{_LIBRARY[0]}\n{module('tape.js', 'stretch.js')}"


class Deck(StemPlayer):
    """A player whose tempo, key, cues and channel can be worked; `Decks` shows it.

    Parameters
    ----------
    song, separator, store
        As for `StemPlayer`.
    rhythm
        Where the beats are; found in a thread if it is not given.

    Attributes
    ----------
    bpm, first_beat, key
        As in `stemlab.rhythm.Rhythm`; assign to correct them.
    tempo
        Speed with the pitch kept: 1 as recorded, the fader reaches from 0.84 to 1.16.
    semitones
        Shift of the key, -6 to 6, with the tempo kept.
    synced
        Whether the deck keeps to the other's tempo.
    cue, cues
        Seconds of the cue point and of the four hot cues; -1 where there is none.
    eq, kills
        Decibels of low, middle and high, and which of them are silent.
    filter
        -1 to 0 takes the highs away, 0 to 1 the lows.

    Examples
    --------
    >>> tone = Audio(np.zeros((44_100, 2), np.float32))
    >>> deck = Deck({"vocals": tone, "drums": tone}, rhythm=Rhythm(120, 0.25, "A minor", 1))
    >>> deck.bpm, deck.rhythm.camelot
    (120.0, '8A')
    >>> deck.close()
    """

    _esm = "export default {};"
    _css = ""
    _worklet = t.Unicode().tag(sync=True)  # the page has it from `Decks`
    bpm = t.Float(min=0).tag(sync=True)
    first_beat = t.Float().tag(sync=True)
    key = t.Unicode().tag(sync=True)
    tempo = t.Float(1.0, min=0.5, max=2).tag(sync=True)
    semitones = t.Int(0, min=-6, max=6).tag(sync=True)
    synced = t.Bool().tag(sync=True)
    cue = t.Float().tag(sync=True)
    cues = t.List(t.Float(), [-1.0] * CUES, minlen=CUES, maxlen=CUES).tag(sync=True)
    eq = t.List(t.Float(min=-26, max=6), [0.0] * 3, minlen=3, maxlen=3).tag(sync=True)
    kills = t.List(t.Bool(), [False] * 3, minlen=3, maxlen=3).tag(sync=True)
    filter = t.Float(0.0, min=-1, max=1).tag(sync=True)
    listening = t.Bool().tag(sync=True)

    def __init__(
        self,
        song: str | Path | Audio | Separation | dict[str, Audio],
        separator: Separator | None = None,
        *,
        store: Store | None = None,
        rhythm: Rhythm | None = None,
    ) -> None:
        super().__init__(song, separator, store=store)
        if not self.track:
            return
        rhythm = rhythm or kept_rhythm(self.track)
        if rhythm:
            self.rhythm = rhythm
        else:
            Thread(target=self._listen, args=(self.track,), daemon=True).start()
        self.observe(self._keep, ["bpm", "first_beat", "key"])

    @property
    def rhythm(self) -> Rhythm:
        """Tempo, beats and key as they stand; assign another to correct them."""
        return Rhythm(self.bpm, self.first_beat, self.key, float(self.bpm > 0))

    @rhythm.setter
    def rhythm(self, rhythm: Rhythm) -> None:
        with self.hold_sync():
            self.bpm, self.first_beat, self.key = rhythm.bpm, rhythm.first_beat, rhythm.key

    def blend(self, preset: str, beats: float = 0) -> None:
        """Have the page go over to one of `PRESETS` in some beats."""
        self.send({"kind": "blend", "preset": preset, "beats": beats})

    def _listen(self, track: Track) -> None:
        self.listening = True
        found = analyse(Audio(track.mix.astype(np.float32) / STEPS, track.rate))
        if not self.bpm:  # nobody was quicker
            self.rhythm = found
        self.listening = False

    def _keep(self, _change: Any) -> None:
        """Keep what was found or corrected beside the stems."""
        if self.track:
            keep_rhythm(self.track, self.rhythm)


class Decks(anywidget.AnyWidget):
    """Two decks, the mixer between them, and the master.

    Parameters
    ----------
    a, b
        The decks; None is an empty one.

    Attributes
    ----------
    crossfader
        0 is deck A alone, 1 is deck B alone.
    curve
        One of `CURVES`.
    master
        Level of the sum, 0 to 1.5. A limiter follows it.
    beats
        Beats that a preset takes to come.
    folder
        Where the songs of the crate are; below the decks they can be loaded.
    songs
        What is in the crate, a dict for each `stemlab.widgets.crate.Entry`.
    error
        What is wrong with the folder, in one sentence, or ``""``.
    """

    _esm = module(
        *("engine.js", "controls.js", "transport.js"),
        *("turntable.js", "crate.js", "midi.js", "decks.js"),
    )
    _css = source("player.css") + source("decks.css")
    _worklet = t.Unicode(module("tape.js", "worklet.js")).tag(sync=True)
    _stretch = t.Unicode(_STRETCH).tag(sync=True)
    _key = t.Unicode().tag(sync=True)
    a = t.Instance(Deck, allow_none=True).tag(sync=True, **ipywidgets.widget_serialization)
    b = t.Instance(Deck, allow_none=True).tag(sync=True, **ipywidgets.widget_serialization)
    crossfader = t.Float(0.5, min=0, max=1).tag(sync=True)
    curve = t.Enum(CURVES, CURVES[0]).tag(sync=True)
    curves = t.List(t.Unicode(), list(CURVES)).tag(sync=True)
    master = t.Float(1.0, min=0, max=1.5).tag(sync=True)
    beats = t.Int(4, min=0, max=32).tag(sync=True)
    folder = t.Unicode().tag(sync=True)
    songs = t.List(t.Dict()).tag(sync=True)
    error = t.Unicode().tag(sync=True)
    _stream = t.Any(None, allow_none=True).tag(sync=True, **ipywidgets.widget_serialization)

    def __init__(self, a: Deck | None = None, b: Deck | None = None) -> None:
        # The page must know the name from the start.
        key = uuid.uuid4().hex
        super().__init__(model_id=key, _key=key, a=a, b=b)
        self.on_msg(self._receive)

    @property
    def stream(self) -> Any:
        """The sound of the master as an ipywebrtc MediaStream, to record."""
        import ipywebrtc

        if self._stream is None:
            self._stream = ipywebrtc.MediaStream()
        return self._stream

    def load(self, side: str, song: str | Path) -> None:
        """Put a song on deck ``"a"`` or ``"b"`` in place of what is there."""
        before = getattr(self, side)
        self.set_trait(side, Deck(song))
        if before:
            before.close()

    @t.observe("folder")
    def _browse(self, _change: Any) -> None:
        Thread(target=self._look, args=(self.folder,), daemon=True).start()

    def _look(self, folder: str) -> None:
        """Show the songs of a folder one by one, until another is chosen."""
        self.songs, self.error = [], ""
        try:
            for song in entries(folder, Separator(), Store()):
                if folder != self.folder:
                    return
                self.songs = [*self.songs, asdict(song)]
        except StemlabError as error:
            self.error = str(error)

    def _receive(self, _widget: Any, message: dict[str, Any], _buffers: Any) -> None:
        match message:
            case {"kind": "load", "side": "a" | "b" as side, "path": str(path)}:
                self.load(side, path)

    def play(self) -> None:
        """Start both decks at the same sample."""
        self.send({"kind": "together"})

    def mashup(self, beats: float = 0) -> None:
        """Go over to the vocals of A above the rest of B in some beats."""
        self.crossfader = 0.5
        for deck, preset in ((self.a, "Acapella"), (self.b, "Instrumental")):
            if deck:
                deck.blend(preset, beats)

    def close(self) -> None:
        """Stop both decks."""
        for deck in (self.a, self.b):
            if deck:
                deck.close()
        super().close()
