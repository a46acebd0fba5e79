"""LivePlayer: what a microphone, a line or another sound of the page plays, as stems, at once."""

from __future__ import annotations

import atexit
import contextlib
import gc
import uuid
from datetime import datetime
from pathlib import Path
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any

import ipywidgets
import numpy as np
import traitlets as t

from stemlab.errors import SettingError, StemlabError
from stemlab.library.store import STEPS
from stemlab.live.recording import FORMS, LiveRecording
from stemlab.live.tap import LiveSpectra
from stemlab.live.worker import Live, LiveWorker, be_prompt
from stemlab.spectral import Stft
from stemlab.widgets import WORKLET, module, source
from stemlab.widgets.parts.faders import Faders

if TYPE_CHECKING:
    from collections.abc import Callable

    from stemlab.separator import StemBlock
    from stemlab.spectral import Samples

WAIT = 0.1  # seconds between looks whether the player was closed
SILENCE = 4096  # samples that are filled in at once: the worker takes no more than half a second


class LivePlayer(Faders):
    """Plays a live source with a fader for each stem, a known time late.

    The page sends the sound in blocks; a process separates it; the page mixes the stems that come
    back. It is silent until `aloud` is set: a loudspeaker beside a microphone would howl.

    Parameters
    ----------
    heard
        An ipywebrtc stream of the notebook to listen to, such as an `AudioStream` or a player's
        ``stream``; by default the microphone.
    live
        How to separate; by default with the fast model.

    Attributes
    ----------
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
    saved
        What was recorded last, and where, in a sentence or ``""``.
    account
        Seconds of latency by part, each measured: what the transform and the model wait for, the
        work, the way there and back, the buffer that evens it out, their total, and the devices as
        far as the browser knows them.
    dropouts
        Gaps in the sound since the start.
    notice, error
        What happened last, and what is wrong, each in a sentence or ``""``.
    worker
        The process, a `stemlab.live.worker.LiveWorker`; None after an error.
    stft
        The transform in which it is shown.
    """

    _esm = module("live.js")
    _css = source("player.css") + source("live.css")
    _worklet = t.Unicode(WORKLET).tag(sync=True)
    _key = t.Unicode().tag(sync=True)
    _page = t.Dict().tag(sync=True)
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
    saved = t.Unicode().tag(sync=True)
    dropouts = t.Int().tag(sync=True)
    account = t.Dict().tag(sync=True)
    notice = t.Unicode().tag(sync=True)
    error = t.Unicode().tag(sync=True)

    def __init__(self, heard: Any = None, live: Live | None = None) -> None:
        self.worker: LiveWorker | None = None
        self._lock = Lock()
        self._line, self._base, self._sent = "", 0, 0
        self._closed = False
        self.stft = Stft()
        self._watched: dict[Callable[[StemBlock], None], LiveSpectra] = {}
        self._recorded: LiveRecording | None = None
        try:
            camera = microphone()
            self.worker = LiveWorker(live)
            facts = self._with_stems(self.worker.stems)
        except StemlabError as error:
            super().__init__(error=str(error))
            return
        key = uuid.uuid4().hex
        facts |= {"_key": key, "_microphone": camera, "heard": heard, "rate": self.worker.rate}
        super().__init__(model_id=key, source="heard" if heard else "microphone", **facts)
        self.on_msg(self._receive)
        self.observe(self._reckon, "_page")
        self._thread = Thread(
            target=self._give_back, args=(self.worker,), name="stemlab live stems", daemon=True
        )
        self._thread.start()
        atexit.register(self.close)

    def _receive(self, _widget: Any, message: dict[str, Any], buffers: Any) -> None:
        match message:
            case {"kind": "sound", "line": line, "start": start} if self.worker:
                sound = np.frombuffer(buffers[0], np.float32).reshape(-1, 2)
                with self._lock:
                    self._take(self.worker, line, start, sound)

    def _take(self, worker: LiveWorker, line: str, start: int, sound: Samples) -> None:
        """Pass sound on to the process; what the page could not send counts as silence."""
        if line != self._line:
            self._line, self._base = line, worker.heard - start
        here = start + self._base
        while (missing := here - worker.heard) > 0:
            worker.push(np.zeros((min(missing, SILENCE), 2), np.float32))
        if missing == 0:
            worker.push(sound)

    def _give_back(self, worker: LiveWorker) -> None:
        """Send stems to the page as they are made."""
        be_prompt()
        while not self._closed:
            waited = worker.wait(self._sent + 1, WAIT)
            self.notice = worker.notice
            if not waited:
                continue
            count = worker.made - self._sent
            stems = worker.read(self._sent, count)
            with self._lock:
                line, start = self._line, self._sent - self._base
            self._sent += count
            if stems is not None and start >= 0:
                packed = np.rint(stems * STEPS).clip(-32_768, 32_767).astype(np.int16)
                message = {"kind": "stems", "line": line, "start": start, "base": self._base}
                self.send(message, [np.ascontiguousarray(packed).data])

    @t.observe("running")
    def _leave(self, change: Any) -> None:
        if not change["new"]:
            self.owner = ""

    def _reckon(self, change: Any) -> None:
        """Tell the parts of the latency: they add up to how far behind the page plays."""
        page, worker = change["new"], self.worker
        if not worker or not page.get("behind"):
            return
        algorithmic = worker.delay / worker.rate
        compute = float(np.median(worker.compute))
        self.account = {
            "algorithmic": algorithmic,
            "compute": compute,
            "transport": page["arrival"] - algorithmic - compute,
            "blocks and buffer": page["behind"] - page["arrival"],
            "total": page["behind"],
            "output device": page["output"],
            "input device": page["input"],
        }

    @t.observe("recording")
    def _record(self, change: Any) -> None:
        """Begin a take, or end it and tell where it is."""
        try:
            if change["new"] and self.worker:
                self._folder = _take_folder()
                self._recorded = LiveRecording(self.worker, self._folder, self.form)
                self.saved = ""
            elif self._recorded:
                ended, self._recorded = self._recorded, None
                seconds = ended.stop()
                self.saved = f"{seconds:.1f} s of input and stems saved in {self._folder}"
        except StemlabError as error:
            self.recording, self.saved = False, str(error)

    def on_block(self, callback: Callable[[StemBlock], None], *, remove: bool = False) -> None:
        """Have all that is made from now on handed to a callback, ten times a second, in a thread.

        Samples are numbered from the player's first on, frames are of its `stft`.
        """
        if remove:
            watched = self._watched.pop(callback, None)
            if watched:
                watched.close()
        elif self.worker:
            self._watched[callback] = LiveSpectra(self.worker, self.stft, callback)

    def close(self) -> None:
        """Stop listening, and end the process."""
        atexit.unregister(self.close)
        self.recording = False
        self._closed = True
        for callback in list(self._watched):
            self.on_block(callback, remove=True)
        if self.worker:
            self.worker.close()
            self._thread.join()
            gc.unfreeze()
        super().close()


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
