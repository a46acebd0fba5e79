"""Decks: two songs side by side as a DJ plays them, stem by stem and beat on beat."""

from __future__ import annotations

import functools
import time
import uuid
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import ipywidgets
import numpy as np
import traitlets as t

from stemlab.errors import AudioError, SettingError, StemlabError
from stemlab.library import playlists
from stemlab.library.export import STEM_FILE, export_mix, export_stem_file, free_path
from stemlab.library.facts import (
    Facts,
    keep,
    keep_rhythm,
    remembered,
    said_loudness,
)
from stemlab.library.loudness import loudness
from stemlab.library.prepared import CUES, TRIM, Prepared, valid_cue
from stemlab.library.rhythm import Rhythm, analyse, warm_up
from stemlab.library.store import FINAL, Store
from stemlab.separator import Separation
from stemlab.sound.audio import RATE
from stemlab.widgets import WORKLET, module, source
from stemlab.widgets.decks.crate import Crate
from stemlab.widgets.parts.feed import usual_separator
from stemlab.widgets.parts.lifetime import Fleeting, weakly
from stemlab.widgets.parts.recorder import Recording
from stemlab.widgets.player import StemPlayer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stemlab.library.store import Track
    from stemlab.separator import Separator
    from stemlab.sound.audio import Audio

CURVES = ("constant power", "linear", "cut", "by stem")
"""How the two decks share the sound as the crossfader moves.

By stem, drums go over in its first third, so that the new beat carries what follows; of two basses
only one is heard, A's before the middle and B's from there on; vocals go over in the last third;
any other stem in between. Where stems cross over, it is at constant power.
"""
PRESETS = ("All", "Acapella", "Instrumental", "Vocals 50 %", "Drums only", "No drums")
"""What `Deck.blend` can go over to."""
KINDS = ("wav", "flac")
"""Formats of recordings and exports."""
MIX = "mix"
"""What `Decks.save` calls a deck's stems as the faders stand."""

# The library ends with a processor of its own, which mixes nothing; ours takes its place.
_VENDORED = 'import { SignalsmithStretch } from "./vendor/signalsmith-stretch.mjs";\n'
_LIBRARY = source("engine/vendor/signalsmith-stretch.mjs").partition(
    "function registerWorkletProcessor("
)
_STRETCH = f"{_LIBRARY[0]}\n{module('engine/stretch.js').replace(_VENDORED, '')}"


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
    bpm, first_beat, key, metre, tuning, knots
        As in `stemlab.library.rhythm.Rhythm`; assign to correct them.
    tempo
        Speed with the pitch kept: 1 as recorded, the fader reaches from 0.84 to 1.16.
    semitones, cents
        Shift of the key, -6 to 6 semitones and -100 to 100 cents, with the tempo kept.
    synced
        Whether the deck keeps to the other's tempo.
    loudness
        LUFS of the song; 0 until it is known.
    cue
        Seconds of the cue point.
    cues, trim, last_loop
        Hot cues, decibels, and the last loop, as in `stemlab.library.prepared.Prepared`. They are
        kept with the song.
    quantise
        Whether cues and loops fall on beats.
    slip
        Whether the song goes on silently below a loop, to be heard where it has come to.
    eq, kills
        Decibels of low, middle and high, and which of them are silent.
    filter, stem_filters
        -1 to 0 takes the highs away, 0 to 1 the lows: of all, and of each stem.
    pfl
        Whether the headphones hear the deck, ahead of the crossfader (pre-fader listen).

    Examples
    --------
    >>> from stemlab.sound.audio import Audio
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
    metre = t.Enum((3, 4, 6, 12), 4).tag(sync=True)
    tuning = t.Float().tag(sync=True)
    knots = t.List(t.Tuple(t.Float(), t.Float())).tag(sync=True)
    key = t.Unicode().tag(sync=True)
    tempo = t.Float(1.0, min=0.5, max=2).tag(sync=True)
    semitones = t.Int(0, min=-6, max=6).tag(sync=True)
    cents = t.Float(0.0, min=-100, max=100).tag(sync=True)
    synced = t.Bool().tag(sync=True)
    cue = t.Float().tag(sync=True)
    cues = t.List(t.Dict(), [{}] * CUES, minlen=CUES, maxlen=CUES).tag(sync=True)
    last_loop = t.List(t.Float(), maxlen=2).tag(sync=True)
    trim = t.Float(0.0, min=-TRIM, max=TRIM).tag(sync=True)
    loudness = t.Float().tag(sync=True)
    quantise = t.Bool(True).tag(sync=True)
    slip = t.Bool().tag(sync=True)
    eq = t.List(t.Float(min=-26, max=6), [0.0] * 3, minlen=3, maxlen=3).tag(sync=True)
    kills = t.List(t.Bool(), [False] * 3, minlen=3, maxlen=3).tag(sync=True)
    filter = t.Float(0.0, min=-1, max=1).tag(sync=True)
    stem_filters = t.List(t.Float(min=-1, max=1)).tag(sync=True)
    pfl = t.Bool().tag(sync=True)
    listening = t.Bool().tag(sync=True)

    def __init__(
        self,
        song: str | Path | Audio | Separation | dict[str, Audio],
        separator: Separator | None = None,
        *,
        store: Store | None = None,
        rhythm: Rhythm | None = None,
    ) -> None:
        self.path = Path(song).resolve() if isinstance(song, (str, Path)) else None
        store = store or Store()
        super().__init__(song, separator, store=store)
        if not self.track:
            return
        self._note = None if isinstance(song, (dict, Separation)) else store.note(song)
        known = self._recall(rhythm)
        if self._note and not known:
            self.listening = True
            wanted = (not self.loudness, not self.bpm)
            told = (self.track, weakly(self._heard), *wanted)
            Thread(target=_listen, args=told, daemon=True).start()
        self.observe(self._keep, ["bpm", "first_beat", "key", "metre", "knots"])
        self.observe(self._keep_loudness, "loudness")
        self.observe(self._keep_prepared, ["cue", "cues", "trim", "last_loop"])

    def _describe(self, track: Track) -> dict[str, Any]:
        """Return the values of all traits; both decks are mixed at one sample rate."""
        if track.rate != RATE:
            raise SettingError(f"this song has {track.rate} Hz and decks {RATE}; resample it")
        return super()._describe(track)

    def _with_stems(self, stems: Sequence[str]) -> dict[str, Any]:
        return super()._with_stems(stems) | {"stem_filters": [0.0] * len(stems)}

    def _recall(self, rhythm: Rhythm | None) -> bool:
        """Take what was prepared for the song and is known of it; return whether that is all."""
        note = remembered(self.path, self._note) if self._note else {}
        facts, prepared = Facts.read(note), Prepared.read(note)
        if found := rhythm or facts.rhythm:
            self.rhythm = found
        said = said_loudness(self.path) if self.path and facts.loudness is None else None
        self.loudness = facts.loudness or said or 0.0
        self.cue, self.cues = prepared.cue, prepared.cues
        self.trim, self.last_loop = prepared.trim, prepared.loop
        return bool(found and self.loudness)

    @t.validate("cues")
    def _valid_cues(self, proposal: Any) -> list[dict[str, Any]]:
        return [valid_cue(cue) for cue in proposal["value"]]

    @t.observe("loop")
    def _remember_loop(self, change: Any) -> None:
        if change["new"]:
            self.last_loop = change["new"]

    @property
    def rhythm(self) -> Rhythm:
        """Tempo, beats and key as they stand; assign another to correct them."""
        return Rhythm(
            self.bpm,
            self.first_beat,
            self.key,
            float(self.bpm > 0),
            self.metre,
            self.tuning,
            tuple(self.knots),
        )

    @rhythm.setter
    def rhythm(self, rhythm: Rhythm) -> None:
        with self.hold_sync():
            # The tempo last: who sees it may correct the others.
            self.key, self.tuning = rhythm.key, rhythm.tuning
            self.metre, self.knots = rhythm.metre, list(rhythm.knots)
            self.first_beat, self.bpm = rhythm.first_beat, rhythm.bpm

    def blend(self, preset: str, beats: float = 0) -> None:
        """Have the page go over to one of `PRESETS` in some beats."""
        self.send({"kind": "blend", "preset": preset, "beats": beats})

    def whole(self) -> Track:
        """Return the track when all of it is separated, waiting for that.

        Raises
        ------
        AudioError
            If there is none.
        """
        while not self.error and self.track and (self.track.states < FINAL).any():
            if self.comm is None:
                raise AudioError(f"{self.title}: taken off the deck before it was separated")
            time.sleep(0.1)
        if not self.track or self.error:
            raise AudioError(self.error or "there is no song on this deck; load one")
        return self.track

    def _heard(self, loudness: float, rhythm: Rhythm | None = None, *, last: bool = False) -> None:
        """Take what was found; who corrects it meanwhile is right."""
        self.loudness = self.loudness or loudness
        if rhythm and not self.bpm:
            self.rhythm = rhythm
        self.listening = not last

    def _keep(self, _change: Any) -> None:
        keep_rhythm(self._note, self.rhythm)

    def _keep_loudness(self, change: Any) -> None:
        keep(self._note, loudness=change["new"])

    def _keep_prepared(self, _change: Any) -> None:
        keep(self._note, **self._prepared.note())

    @property
    def _prepared(self) -> Prepared:
        return Prepared(self.cue, self.cues, self.last_loop, self.trim)

    @property
    def known(self) -> dict[str, Any]:
        """What is known and was prepared of the song, as its note has it."""
        loudness = {"loudness": self.loudness} if self.loudness else {}
        rhythm = {"rhythm": asdict(self.rhythm)} if self.bpm else {}
        return rhythm | loudness | self._prepared.note()


class Decks(Fleeting, Crate):
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
    autogain, target
        Whether songs are made equally loud, and how loud, in LUFS.
    zoom
        Seconds that the close-ups show.
    folder, folders, songs, preparing, history, error
        See `stemlab.widgets.decks.crate.Crate`.
    out
        Where recordings and exports go; by default where the kernel works.
    kind
        Their format, one of `KINDS`.
    recording
        Whether what is heard is being recorded, on the page where that was asked for.
    note
        What became of the last recording or export, in one sentence.
    """

    _esm = module("decks/face.js")
    _css = source("player.css") + source("decks/console.css")
    _worklet = t.Unicode(WORKLET).tag(sync=True)
    _stretch = t.Unicode(_STRETCH).tag(sync=True)
    _key = t.Unicode().tag(sync=True)
    a = t.Instance(Deck, allow_none=True).tag(sync=True, **ipywidgets.widget_serialization)
    b = t.Instance(Deck, allow_none=True).tag(sync=True, **ipywidgets.widget_serialization)
    crossfader = t.Float(0.5, min=0, max=1).tag(sync=True)
    curve = t.Enum(CURVES, CURVES[0]).tag(sync=True)
    curves = t.List(t.Unicode(), list(CURVES)).tag(sync=True)
    master = t.Float(1.0, min=0, max=1.5).tag(sync=True)
    beats = t.Int(4, min=0, max=32).tag(sync=True)
    autogain = t.Bool(True).tag(sync=True)
    target = t.Float(-14.0, min=-30, max=-6).tag(sync=True)
    zoom = t.Float(8.0, min=1, max=64).tag(sync=True)
    out = t.Unicode().tag(sync=True)
    kind = t.Enum(KINDS, KINDS[0]).tag(sync=True)
    recording = t.Bool().tag(sync=True)
    note = t.Unicode().tag(sync=True)
    _recordist = t.Unicode().tag(sync=True)  # the page that records
    _recorder = t.Any(None, allow_none=True).tag(sync=True, **ipywidgets.widget_serialization)
    _stream = t.Any(None, allow_none=True).tag(sync=True, **ipywidgets.widget_serialization)

    def __init__(self, a: Deck | None = None, b: Deck | None = None) -> None:
        # The page must know the name from the start.
        key = uuid.uuid4().hex
        self._take: Recording | None = None
        super().__init__(model_id=key, _key=key, a=a, b=b, out=str(Path.cwd()))
        self.on_msg(self._receive)
        if not (a and a.listening) and not (b and b.listening):
            _warm_up_once()

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

    @t.observe("a", "b")
    def _follow(self, change: Any) -> None:
        if change["new"]:
            change["new"].observe(weakly(self._learn), ["bpm", "key", "loudness", "separated"])
            change["new"].observe(weakly(self._played), "playing")

    def _learn(self, change: Any) -> None:
        """Let the crate know what a deck found out about its song."""
        path = change["owner"].path
        if path and (change["name"] != "separated" or change["new"] == 1):
            self._look_again(str(path))

    def _played(self, change: Any) -> None:
        """Remember what was played."""
        deck = change["owner"]
        if change["new"] and deck.path:
            self._remember(str(deck.path), deck.title, deck.duration)

    def save(self, side: str, what: str) -> Path:
        """Write what is on deck ``"a"`` or ``"b"``, when it is separated, to a new file in `out`.

        Parameters
        ----------
        side
            Which deck.
        what
            A stem, ``"mix"`` for all of them as the faders stand, or ``"stem.mp4"``, which keeps
            cues, loop, trim, layouts and beat grid as well.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        AudioError, SettingError
            If there is no such deck or stem, or the file cannot be written.
        """
        deck: Deck | None = getattr(self, side)
        if not deck:
            raise AudioError(f"there is no song on deck {side.upper()}; load one")
        track, folder = deck.whole(), Path(self.out).expanduser()
        if what == STEM_FILE:
            path = free_path(folder, track.title, STEM_FILE)
            export_stem_file(track, path, deck.known)
            return path
        if what not in (*track.names, MIX):
            raise SettingError(f"no stem {what!r} here; there are {', '.join(track.names)}")
        title = f"{track.title} ({what})" if track.title else what
        only = np.repeat(np.array([[name == what] for name in track.names], np.float32), 2, axis=1)
        path = free_path(folder, title, self.kind)
        export_mix(track, path, deck.mix.gains() if what == MIX else only, title)
        return path

    @t.observe("recording")
    def _record(self, change: Any) -> None:
        if change["new"] and not self._take:
            self._begin()

    def _begin(self) -> None:
        """Open a file, and give the page the recorder that fills it."""
        import ipywebrtc

        name = time.strftime("stemlab %Y-%m-%d %H.%M.%S")
        try:
            path = free_path(Path(self.out).expanduser(), name, self.kind)
        except StemlabError as error:
            self.recording, self.note = False, str(error)
            return
        self._take = Recording(path, weakly(self._recorded))
        self.note = f"Recording to {path}"
        if self._recorder is None:
            self._recorder = ipywebrtc.AudioRecorder(stream=self.stream)

    def _recorded(self, sentence: str) -> None:
        self._take = None
        self.recording, self.note = False, sentence

    def _save(self, side: str, what: str) -> None:
        """Save as the page asked, and tell it where."""
        self.note = f"Saving {what} of deck {side.upper()}…"
        try:
            self.note = f"Saved {self.save(side, what)}"
        except Exception as error:  # noqa: BLE001 - a thread has nobody above it to raise to
            self.note = f"Not saved: {error}"

    def _receive(self, _widget: Any, message: dict[str, Any], buffers: Any) -> None:
        match message:
            case {"kind": "load", "side": "a" | "b" as side, "path": str(path)}:
                self.load(side, path)
            case {"kind": "save", "side": "a" | "b" as side, "what": str(what)}:
                Thread(target=self._save, args=(side, what), daemon=True).start()
            case {"kind": "recorded", "last": True} if self._take:
                self._take.end()
            case {"kind": "recorded"} if self._take:
                self._take.add(bytes(buffers[0]))
            case {"kind": "export history"}:
                self.note = self._export_history()
            case {"kind": "dropped", "side": str(side), **dropped}:
                self._drop(side, dropped, buffers)
            case _:
                self._serve(message)

    def _drop(self, side: str, dropped: dict[str, Any], buffers: Any) -> None:
        """Take in a piece of a file that was dropped; put the whole on a deck, if on one."""
        try:
            path = self._receive_file(dropped, buffers)
        except StemlabError as error:
            self.error = str(error)
            return
        if path and side in ("a", "b"):
            self.load(side, path)

    def _export_history(self) -> str:
        """Write what was played as a playlist; return a sentence on that."""
        try:
            name = time.strftime("stemlab played %Y-%m-%d")
            path = free_path(Path(self.out).expanduser(), name, "m3u8")
            songs = [(Path(song["path"]), song["title"], song["seconds"]) for song in self.history]
            playlists.write(path, songs)
        except StemlabError as error:
            return f"Not saved: {error}"
        return f"Saved {path}"

    def play(self) -> None:
        """Start both decks at the same sample; one that plays already plays on."""
        self.send({"kind": "together"})

    def mashup(self, beats: float = 0) -> None:
        """Go over to the vocals of A above the rest of B in some beats."""
        self.crossfader = 0.5
        for deck, preset in ((self.a, "Acapella"), (self.b, "Instrumental")):
            if deck:
                deck.blend(preset, beats)

    def end(self) -> None:
        """Stop what is under way."""
        self._close_crate()
        if self._take:
            self._take.close()

    def close(self) -> None:
        """Stop both decks, and what is under way."""
        for deck in (self.a, self.b):
            if deck:
                deck.close()
        super().close()


def _listen(track: Track, told: Callable[..., None], level: bool, rhythm: bool) -> None:
    told(loudness(track) if level else 0.0)
    told(0.0, analyse(track) if rhythm else None, last=True)


@functools.cache
def _warm_up_once() -> None:
    """Have the model loaded and librosa compiled before the first song is."""
    Thread(target=_warm_up, name="stemlab warm-up", daemon=True).start()


def _warm_up() -> None:
    with suppress(StemlabError):  # it is told where a song is loaded
        usual_separator()
    warm_up()
