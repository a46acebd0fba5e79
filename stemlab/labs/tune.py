"""The tuning lab: turn everything there is on a few bars that play; hear it, see what it costs."""

from __future__ import annotations

from functools import partial
from html import escape
from pathlib import Path
from threading import Condition, Thread
from typing import TYPE_CHECKING, Any, NamedTuple

import ipywidgets
from traitlets import TraitError

from stemlab import demo
from stemlab.errors import StemlabError
from stemlab.labs.bill import STYLE, bill
from stemlab.labs.coarse import coarse
from stemlab.labs.history import History
from stemlab.labs.trial import SECONDS, Passage, Trial, parse_hop, parse_window
from stemlab.masks import EXTENSIONS
from stemlab.model import DEFAULT, cores, find, song_models
from stemlab.networks.runtimes import installed_runtimes
from stemlab.research.sweep import Setting, known_settings, window_name
from stemlab.separator import OVERLAP
from stemlab.sound.audio import Reader
from stemlab.widgets.maskview import MaskView
from stemlab.widgets.parts.lifetime import Fleeting, weakly
from stemlab.widgets.player import StemPlayer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stemlab.labs.trial import Outcome
    from stemlab.spectral import Stft

    Values = dict[str, Any]

START = 12 * 4 * 60 / 106
"""Where the demo song's chorus begins, in seconds."""

WINDOWS = ("hann", "hamming", "blackman", "cosine", "boxcar", "kaiser 8.6", "tukey 0.5")
HOPS = ("1/2", "1/4", "1/8", "1/16")
PRECISIONS = {"as in the file": 0, **{f"{bits}-bit weights": bits for bits in (6, 5, 4, 3)}}
LABELS = {"n_fft": "window", "window": "shape", "lookahead": "look-ahead"}
COLUMNS = (
    {
        "Transform and masks": ("n_fft", "hop", "window", "exponent", "extension"),
        "Sound": ("song", "references", "start"),
    },
    {
        "Model": ("model", "precision", "runtime", "threads"),
        "Its windows, in frames": ("past", "lookahead", "overlap"),
    },
)
CSS = """<style>
.stemlab-tune { overflow: hidden; }
.stemlab-tune .stemlab-player .overview { height: 44px; margin-bottom: 6px; }
.stemlab-tune .stemlab-player .row { padding-block: 2px; }
.stemlab-tune h2 { margin: 4px 0 0; font-size: 1em; }
.stemlab-tune .widget-html { width: auto; height: auto; }
.stemlab-tune .widget-html-content { line-height: 1.4; white-space: normal; }
.stemlab-tune .widget-readout { min-width: 34px; }
.stemlab-tune .stemlab-fault .widget-html-content {
  padding-left: 8px;
  color: var(--jp-error-color1, #c62828);
  overflow-wrap: anywhere;
}
</style>"""


class Order(NamedTuple):
    """What the controls say, and which of them was moved last."""

    turn: int
    values: Values
    moved: str


class Outdated(Exception):  # noqa: N818 - nothing is wrong
    """Ends work on an order when there is a newer one."""


class Orders:
    """The newest order, and how far it is followed."""

    def __init__(self, first: Order) -> None:
        self.newest = first
        self._done = 0
        self._closed = False
        self._changed = Condition()

    def add(self, values: Values, moved: str) -> None:
        """Order something else."""
        with self._changed:
            self.newest = Order(self.newest.turn + 1, values, moved)
            self._changed.notify_all()

    def close(self) -> None:
        """Order no more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def next(self) -> Order | None:
        """Wait for an order; None ends the work."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._done < self.newest.turn)
            return None if self._closed else self.newest

    def finish(self, order: Order) -> None:
        """Say that an order was followed, or could not be."""
        with self._changed:
            self._done = order.turn
            self._changed.notify_all()

    def go_on(self, order: Order) -> None:
        """Raise `Outdated` unless an order still is the newest."""
        if self._closed or self.newest is not order:
            raise Outdated

    def wait(self, seconds: float) -> bool:
        """Wait until the newest is finished; return whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: self._done == self.newest.turn, seconds)


def _serve(orders: Orders, work: Callable[[Order], None]) -> None:
    while (order := orders.next()) is not None:
        work(order)
        orders.finish(order)


class Tune(Fleeting, ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """A player, all that can be turned, and the account of what is heard.

    Parameters
    ----------
    song, references
        See `tune`.

    Attributes
    ----------
    controls
        By the name of the setting, ipywidgets whose ``value`` can be set.
    player, view
        The `StemPlayer` and its `MaskView`; others when a model with other stems is chosen, None
        before the first sound.
    outcome
        What is heard: stems, account and SDR; None before the first sound.
    faults
        What is wrong: a sentence by the name of the control that shows it.
    history
        What was heard before, to go back to.
    """

    def __init__(self, song: Path, references: Path | None) -> None:
        self.controls = _controls()
        self._good = self._values()
        if song != demo.path():
            self.controls["song"].value = str(song)
            self.controls["references"].value = str(references or "")
            self.controls["start"].value = 0
        self._told = {name: ipywidgets.HTML() for name in self.controls}
        self._state, self._bill = ipywidgets.HTML(), ipywidgets.HTML()
        self.history = History(LABELS, self.choose)
        self._stage, self._sight = ipywidgets.VBox(), ipywidgets.VBox()
        self.player: StemPlayer | None = None
        self.view: MaskView | None = None
        self.outcome: Outcome | None = None
        self.faults: dict[str, str] = {}
        self._choosing = False
        self._orders = Orders(Order(1, self._values(), "song"))
        super().__init__([self._stage, self._desk(), self._sight])
        self.add_class("stemlab-tune")
        for name, control in self.controls.items():
            control.observe(partial(self._move, name), "value")
        how = (self._orders, weakly(self._work))
        self._thread = Thread(target=_serve, args=how, name="stemlab tune", daemon=True)
        self._thread.start()

    @property
    def setting(self) -> Setting:
        """What is heard, as a sweep takes it."""
        return _trial(self._good).setting

    def show(self, row: Mapping[str, Any]) -> None:
        """Hear settings by the names of `stemlab.research.sweep.SETTINGS`; others are not read.

        A row of a sweep is one such mapping, ``dataclasses.asdict`` of a `Setting` another. What is
        None or nan stays as it is.
        """
        asked = known_settings(row)
        if "hop" in asked:
            asked["hop"] = f"{asked['hop']:.0f}"
        if "window" in asked:
            asked["window"] = window_name(asked["window"])
        if "model" in asked:
            asked["precision"] = 0
        self.choose(asked)

    def choose(self, values: Values) -> None:
        """Set several controls as one change; a choice that is not there is told beside it."""
        start = self.controls["start"]  # of another song it may lie behind the end of this one
        start.max = max(start.max, values.get("start", 0))
        before = self._values()
        self._choosing = True
        try:
            for name, value in values.items():
                self.controls[name].value = value
        except TraitError:
            self._refuse({name: f"{value}: no such choice here"})
            for name, value in before.items():
                self.controls[name].value = value
            return
        finally:
            self._choosing = False
        self._orders.add(self._values(), next(iter(values)))

    def wait(self, seconds: float = 60) -> bool:
        """Wait until what was asked for last is heard or refused; return whether it is."""
        return self._orders.wait(seconds)

    def end(self) -> None:
        """Stop the work."""
        self._orders.close()
        self._thread.join()

    def close(self) -> None:
        """Stop the sound and the work."""
        self.end()  # first: it may make others
        for part in (self.view, self.player):
            if part:
                part.close()
        super().close()

    # What is shown

    def _desk(self) -> ipywidgets.HBox:
        """Return the controls, below each what is wrong with it, and the account beside them."""
        columns = [
            [part for title, names in column.items() for part in self._group(title, names)]
            for column in COLUMNS
        ]
        account = [ipywidgets.HTML(CSS + STYLE), self._state, self._bill, self.history]
        return ipywidgets.HBox(
            [
                ipywidgets.VBox(parts, layout=ipywidgets.Layout(width=width))
                for parts, width in zip((*columns, account), ("27%", "27%", "46%"), strict=True)
            ]
        )

    def _group(self, title: str, names: tuple[str, ...]) -> list[ipywidgets.Widget]:
        parts = [ipywidgets.HTML(f"<h2>{title}</h2>")]
        for name in names:
            self._told[name].add_class("stemlab-fault")
            parts += [self.controls[name], self._told[name]]
        return parts

    def _say(self, text: str) -> None:
        self._state.value = f'<div role="status"><b>{text}</b></div>'

    def _refuse(self, faults: dict[str, str]) -> None:
        self._tell(faults)
        heard = "; the previous setting plays on" if self.outcome else ""
        self._say(f"⚠ Not possible{heard}.")

    def _tell(self, faults: dict[str, str]) -> None:
        """Show what is wrong beside the controls."""
        self.faults = faults
        for name, told in self._told.items():
            sentence = faults.get(name)
            told.value = f'<div role="alert">⚠ {escape(sentence)}</div>' if sentence else ""
            told.layout.display = None if sentence else "none"

    # What is asked for

    def _values(self) -> Values:
        return {name: control.value for name, control in self.controls.items()}

    def _move(self, name: str, _: Any) -> None:
        if self._choosing:
            return
        song = self.controls["song"].value.strip()
        if name == "song" and (not song or Path(song).is_file()):
            self.choose({"song": song, "references": "", "start": 0})  # those were another song's
        else:
            self._orders.add(self._values(), name)

    # The work, in a thread

    def _work(self, order: Order) -> None:
        """Follow the controls; what is under way stops for a newer order."""
        try:
            self._follow(order)
        except Outdated:
            pass
        except Exception as error:  # noqa: BLE001 - a thread has nobody above it to raise to
            self._say(f"The trial stopped ({escape(repr(error))}); change a setting.")

    def _follow(self, order: Order) -> None:
        """Hear and account for what is asked for, or say why not."""
        self._say("⏳ Computing …")
        if faults := _faults(order, self._good):
            self._refuse(faults)
            return
        self._tell({})
        trial, before = _trial(order.values), self._good
        known = self.outcome.sdr if self.outcome and _same_sound(order.values, before) else {}
        outcome = self._run(trial, order)
        self.outcome, self._good = outcome, order.values
        self._hear(outcome, trial)
        self._bill.value = bill(outcome.account, outcome.sdr, {}, known)
        self.history.add(order.values, outcome)
        self._orders.go_on(order)
        self._bill.value = bill(outcome.account, outcome.sdr, trial.ceilings(), known)
        self._say("✓ This is what you hear.")

    def _run(self, trial: Trial, order: Order) -> Outcome:
        done = 0.0

        def progress(seconds: float) -> None:
            nonlocal done
            done += seconds
            self._orders.go_on(order)
            self._say(f"⏳ Computing … {done / SECONDS:.0%}")

        return trial.run(progress)

    # The sound

    def _hear(self, outcome: Outcome, trial: Trial) -> None:
        """Put the stems in the place of those that play; others need a player of their own."""
        stft, player = trial.setting.stft(), self.player
        fits = player is not None and _fits(player, outcome, trial.passage)
        if self.view and not (fits and player and player.stft == stft):
            self.view.close()
            self.view = None
        if player is not None and fits:
            player.stft = stft
            player.replace(outcome.stems)
        else:
            player = self._open(outcome, trial.passage, stft)
        if self.view is None:
            self.view = MaskView(player)
            self._sight.children = (self.view,)

    def _open(self, outcome: Outcome, passage: Passage, stft: Stft) -> StemPlayer:
        """Show another player; it goes on if one was playing."""
        old, player = self.player, StemPlayer(outcome.stems)
        player.stft = stft
        player.title = passage.song.name
        player.loop = [0, player.duration]
        player.playing = old is not None and old.playing
        self.player = player
        self._stage.children = (player,)
        if old:
            old.close()
        with Reader(passage.song) as song:
            self.controls["start"].max = max(0, (song.length or 0) / song.rate - player.duration)
        return player


def tune(song: str | Path | None = None, references: str | Path | None = None) -> Tune:
    """Open the tuning lab on a few bars of a song.

    Parameters
    ----------
    song
        A sound file; by default the demo song, whose references are known.
    references
        The folder with its true stems, named as the model's, or a ``.stem.mp4`` file. Without them
        there is no SDR.

    Returns
    -------
    Tune
        What to show.

    Examples
    --------
    >>> panel = tune()
    >>> panel.controls["exponent"].value = 2
    >>> panel.wait(), panel.setting.exponent, panel.outcome.account.cola
    (True, 2.0, True)
    >>> panel.close()
    """
    if song is None:
        return Tune(demo.path(), demo.path().parent)
    return Tune(Path(song), Path(references) if references else None)


def _controls() -> dict[str, Any]:
    """Return the control of each setting, on the chorus of the demo song with the default model."""
    card = find(DEFAULT)
    frames = {"min": 0, "max": card.frames - 1}
    controls = {
        "n_fft": ipywidgets.IntText(card.n_fft, step=512),
        "hop": ipywidgets.Combobox(value=f"1/{card.n_fft // card.hop}", options=HOPS),
        "window": ipywidgets.Combobox(value=card.window, options=WINDOWS),
        "exponent": ipywidgets.FloatSlider(1, min=0.1, max=4, step=0.1),
        "extension": ipywidgets.Dropdown(options=list(EXTENSIONS)),
        "song": ipywidgets.Text(placeholder="the demo"),
        "references": ipywidgets.Text(placeholder="its stems"),
        "start": ipywidgets.FloatSlider(START, min=0, max=60, step=0.1, readout_format=".1f"),
        "model": ipywidgets.Dropdown(options=song_models(), value=DEFAULT),
        "precision": ipywidgets.Dropdown(options=PRECISIONS),
        "runtime": ipywidgets.Dropdown(options=installed_runtimes()),
        "threads": ipywidgets.IntSlider(min(4, cores()), min=1, max=cores()),
        "past": ipywidgets.IntSlider(0, **frames),
        "lookahead": ipywidgets.IntSlider(OVERLAP, **frames),
        "overlap": ipywidgets.IntSlider(OVERLAP, **frames),
    }
    for name, control in controls.items():
        control.description = LABELS.get(name, name)
        control.style.description_width = "74px"
        control.layout.width = "97%"
        if hasattr(control, "continuous_update"):
            control.continuous_update = False
    return controls


def _trial(values: Values) -> Trial:
    """Return what the controls ask for.

    Raises
    ------
    StemlabError
        If a hop, a window or a precision has no meaning.
    """
    names = ("n_fft", "exponent", "past", "lookahead", "overlap", "extension", "threads")
    bits, model = values["precision"], values["model"]
    runtime = values["runtime"] if find(model).path.suffix == ".tflite" else None
    setting = Setting(
        hop=parse_hop(values["hop"], values["n_fft"]),
        window=parse_window(values["window"]),
        model=str(coarse(model, bits).card.path) if bits else model,
        runtime=runtime,
        **{name: values[name] for name in names},
    )
    song, references = (values[name].strip() for name in ("song", "references"))
    if not song:
        song, references = demo.path(), references or demo.path().parent
    return Trial(
        setting, Passage(Path(song), Path(references) if references else None, values["start"])
    )


def _faults(order: Order, good: Values) -> dict[str, str]:
    """Tell what is wrong, by the name of the control: each change alone, else the last of them."""
    whole = _fault(order.values)
    if not whole:
        return {}
    changed = [name for name, value in order.values.items() if value != good[name]]
    alone = {name: _fault(good | {name: order.values[name]}) for name in changed}
    return {name: fault for name, fault in alone.items() if fault} or {order.moved: whole}


def _fault(values: Values) -> str:
    try:
        _trial(values).check()
    except StemlabError as error:
        return str(error)
    return ""


def _same_sound(one: Values, other: Values) -> bool:
    return all(one[name] == other[name] for name in ("song", "references", "start"))


def _fits(player: StemPlayer, outcome: Outcome, passage: Passage) -> bool:
    """Whether stems can take the place of a player's."""
    if player.title != passage.song.name:
        return False
    lengths = {len(stem.samples) for stem in outcome.stems.values()}
    return player.track is not None and (player.stems, {player.track.length}) == (
        list(outcome.stems),
        lengths,
    )
