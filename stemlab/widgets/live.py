"""LivePlayer: what a microphone, a line or another sound of the page plays, as stems, at once."""

from __future__ import annotations

import contextlib
import gzip
import json
import uuid
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets
import numpy as np
import traitlets as t

from stemlab.errors import SettingError, StemlabError
from stemlab.live.model import LIVE, LIVES, delay
from stemlab.live.recording import FORMS, LiveRecording
from stemlab.live.spectra import LiveSpectra
from stemlab.model import find
from stemlab.separator import with_rest
from stemlab.spectral import Stft
from stemlab.widgets import WORKLET, module, source
from stemlab.widgets.engine.live.worklet import wasm, worklet
from stemlab.widgets.parts.faders import Faders

if TYPE_CHECKING:
    from collections.abc import Callable

    from stemlab.card import Card
    from stemlab.separator import StemBlock
    from stemlab.spectral import Samples

SILENCE = 65_536  # samples that are filled in at once


class LivePlayer(Faders):
    """Plays a live source with a fader for each stem, a known time late.

    The page separates it, in its audio thread: neither a kernel that computes nor a page that is
    busy makes a gap. It is silent until `aloud` is set: a loudspeaker beside a microphone would
    howl.

    Parameters
    ----------
    heard
        An ipywebrtc stream of the notebook to listen to, such as an `AudioStream` or a player's
        ``stream``; by default the microphone.
    model
        What separates: a model for live sound, by its name or the path of its file.

    Attributes
    ----------
    model
        The name of what separates, one of `models`; another takes over within a second or two.
    models
        What the page can choose among: ``"Sooner"`` and ``"Cleaner"``, with their delays, by name.
    source
        What it listens to: ``"microphone"``, the default microphone or line-in; an input by its
        name; ``"tab"``, another tab of the browser, for which the page then asks; or ``"heard"``.
    sources
        What the page can listen to. Inputs have names only once it may listen.
    heard
        The stream of the notebook, which the page then has among its sources.
    stems, levels, mutes, solos, pans, master
        See `stemlab.widgets.parts.faders.Faders`.
    running
        Whether it listens to the source; set it, or press Start.
    owner
        The page that listens, ``""`` for none.
    aloud
        Whether the stems are heard.
    recording
        Whether input and stems are being recorded; set it, or press Record. Each take has a folder
        of its own in the working directory.
    form
        What a take is written as: ``"flac"``, a file for the input and for each stem, or
        ``"stem.mp4"``, one file for DJ programs.
    folder
        Where the last take is. Its files grow as it is recorded, and can be read whatever happens.
    saved
        What was recorded last, and where, in a sentence or ``""``.
    account
        Seconds of latency by part, each measured in the page: the devices as far as the browser
        knows them, a block of sound, what the algorithm waits for, the limiter, the buffer; their
        total; and the time to compute a block, in the middle and at worst of 99 in 100, which the
        buffer hides. With ``measured``, once `measure` has been called: what block, algorithm and
        limiter take together, found by correlation; None if all faders are down.
    dropouts
        Gaps in the sound since the start.
    missing
        Samples that the page could not send to Python because it was busy for minutes; they are
        silence in takes and blocks.
    notice, error
        What happened last, and what is wrong, each in a sentence or ``""``.
    stft
        The transform of the blocks for `on_block`.
    """

    _esm = module("live.js")
    _css = source("player.css") + source("live.css")
    _worklet = t.Unicode(WORKLET).tag(sync=True)
    _key = t.Unicode().tag(sync=True)
    _model = t.Unicode().tag(sync=True)  # the network's sum
    model = t.Unicode().tag(sync=True)
    models = t.Dict().tag(sync=True)
    _kept = t.Bool().tag(sync=True)  # whether the page sends what it separates
    _microphone = t.Any(None, allow_none=True).tag(sync=True, **ipywidgets.widget_serialization)
    source = t.Unicode("microphone").tag(sync=True)
    sources = t.List(t.Unicode()).tag(sync=True)
    heard = t.Any(None, allow_none=True).tag(sync=True, **ipywidgets.widget_serialization)
    rate = t.Int().tag(sync=True)
    running = t.Bool().tag(sync=True)
    owner = t.Unicode().tag(sync=True)
    aloud = t.Bool().tag(sync=True)
    recording = t.Bool().tag(sync=True)
    form = t.Enum(list(FORMS), "flac").tag(sync=True)
    folder = t.Unicode().tag(sync=True)
    saved = t.Unicode().tag(sync=True)
    dropouts = t.Int().tag(sync=True)
    account = t.Dict().tag(sync=True)
    notice = t.Unicode().tag(sync=True)
    error = t.Unicode().tag(sync=True)

    def __init__(self, heard: Any = None, model: str | Path = LIVE) -> None:
        self.stft = Stft()
        self.missing = 0
        self._line, self._base, self._made = "", 0, 0
        self._watched: dict[Callable[[StemBlock], None], LiveSpectra] = {}
        self._recording: LiveRecording | None = None
        self._marked = False
        try:
            self.card = _streaming(model)
            self._cards = {card.name: card for card in (*map(find, LIVES), self.card)}
            camera = microphone()
            facts = self._with_stems(self.card.stems)
        except StemlabError as error:
            super().__init__(error=str(error))
            return
        key = uuid.uuid4().hex
        facts |= {"_key": key, "_microphone": camera, "heard": heard, "rate": self.card.sample_rate}
        facts |= {"_model": self.card.sha256, "model": self.card.name}
        facts["models"] = {name: _told(card) for name, card in self._cards.items()}
        super().__init__(model_id=key, source="heard" if heard else "microphone", **facts)
        self.on_msg(self._receive)

    def _receive(self, _widget: Any, message: dict[str, Any], buffers: Any) -> None:
        match message:
            case {"kind": "engine", "runtime": runtime, "model": wanted}:
                if wanted == self._model:  # else the page will ask for what came after it
                    self._send_engine(runtime)
            case {"kind": "sound", "line": line, "start": start}:
                self.send({"kind": "taken"})  # whatever a callback makes of it
                sound = np.frombuffer(buffers[0], np.float32).reshape(len(self.stems), 2, -1)
                self._take(line, start, sound.transpose(0, 2, 1))
            case {"kind": "mark", "on": on}:
                self.send({"kind": "taken"})
                self._mark(on=on)

    def _send_engine(self, runtime: str) -> None:
        """Send all that the page's audio thread needs, compressed."""
        card = json.loads(self.card.path.with_suffix(".json").read_text(encoding="utf-8"))
        text, network = worklet(runtime).encode(), self.card.path.read_bytes()
        buffers = [gzip.compress(text, 6), wasm(runtime), gzip.compress(network, 1)]
        self.send({"kind": "engine", "model": self._model, "card": card}, buffers)

    def _take(self, line: str, start: int, sound: Samples) -> None:
        """Take a block, [stems, n, 2]: the input and all stems but the last."""
        if line != self._line:
            self._line, self._base = line, self._made - start
        missing = start + self._base - self._made
        if missing > 0:
            self.missing += missing
            self.notice = f"{self.missing / self.rate:.1f} s did not reach Python: it was too busy"
        while missing > 0:
            silence = np.zeros((1 + len(sound), min(missing, SILENCE), 2), np.float32)
            self._pass_on(silence[0], silence[1:])
            missing -= silence.shape[1]
        self._pass_on(sound[0], with_rest(np.moveaxis(sound[1:], 0, -1), sound[0]))

    def _pass_on(self, mix: Samples, stems: Samples) -> None:
        start, self._made = self._made, self._made + len(mix)
        if self._recording and self._marked:
            self._recording.write(mix, stems)
            if self._recording.error:
                self.recording = False
        for hear, spectra in list(self._watched.items()):
            block = spectra.push(start, mix, stems)
            if len(block.mix):
                hear(block)

    @t.validate("model")
    def _check_model(self, proposal: dict[str, Any]) -> str:
        name: str = proposal["value"]
        if name not in self._cards:
            known = ", ".join(self._cards)
            raise SettingError(f"{name}: no live model here; choose one of {known}")
        self._cards[name].verify()
        return name

    @t.observe("model")
    def _change_model(self, change: Any) -> None:
        self.card = self._cards[change["new"]]
        self._model = self.card.sha256

    @t.observe("running")
    def _leave(self, change: Any) -> None:
        if not change["new"]:
            self.owner = ""

    @t.observe("recording")
    def _record(self, change: Any) -> None:
        """Begin a take, or end it: at once unless the page has yet to send its end."""
        self._keep()
        if not change["new"]:
            if self._recording and (self._recording.error or not (self._marked and self.running)):
                self._finish()
            return
        self._finish()
        folder = _take_folder()
        try:
            self._recording = LiveRecording(folder, self.stems, self.rate, self.form)
            self.folder, self.saved = str(folder), ""
        except StemlabError as error:
            self.recording, self.saved = False, str(error)

    def _mark(self, *, on: bool) -> None:
        """Follow the page to where a take begins or ends."""
        self._marked = on
        if not on:
            self._finish()

    def _finish(self) -> None:
        """End a take and tell where it is."""
        ended, self._recording, self._marked = self._recording, None, False
        if ended:
            self.saved = ended.stop()
        self._keep()

    def _keep(self) -> None:
        self._kept = bool(self._watched or self._recording or self.recording)

    def on_block(self, callback: Callable[[StemBlock], None], *, remove: bool = False) -> None:
        """Have all that is separated from now on handed to a callback, when the kernel has time.

        Samples are numbered from the first that the page sent, frames are of the player's `stft`.
        What the page could not keep for so long is silence, and counted in `missing`.
        """
        if remove:
            self._watched.pop(callback, None)
        else:
            self._watched[callback] = LiveSpectra(self.stft)
        self._keep()

    def measure(self) -> None:
        """Have the page play a hiss into the chain while it runs, and find when it comes out."""
        self.send({"kind": "measure"})

    def end(self) -> None:
        """End a take; it is whole then."""
        self._finish()


def _streaming(model: str | Path) -> Card:
    """Return the card of a model for live sound.

    Raises
    ------
    StemlabError
        If it is not there, damaged, or reads whole windows.
    """
    card = find(model)
    if not card.streams:
        raise SettingError(f"{card.name}: reads whole windows; live, take {LIVE}")
    card.verify()
    return card


def _told(card: Card) -> str:
    """Return what the panel calls a model."""
    return f"{LIVES.get(card.name, card.name)}: {1000 * delay(card) / card.sample_rate:.0f} ms"


def _take_folder() -> Path:
    """Return a folder that is not there yet."""
    stamp = f"live {datetime.now():%Y-%m-%d %H.%M.%S}"  # noqa: DTZ005 - the user's own time
    names = (stamp, *(f"{stamp} {n}" for n in range(2, 100)))
    return next(Path(name) for name in names if not Path(name).exists())


def microphone() -> Any:
    """Return the microphone or line-in, as an ipywebrtc stream without the browser's own effects.

    In stereo, if it can.

    Raises
    ------
    SettingError
        If ipywebrtc is not installed.
    """
    with contextlib.suppress(ImportError):
        from ipywebrtc import CameraStream

        plain = dict.fromkeys(("echoCancellation", "noiseSuppression", "autoGainControl"), False)
        return CameraStream(constraints={"audio": plain | {"channelCount": 2}, "video": False})
    raise SettingError("live input needs ipywebrtc: pip install 'stemlab[lab]' installs it")
