"""The command line: `stemlab separate`, `bench`, `evaluate`, `models`, `lab`, `decks`."""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import sys
import time
import warnings
from dataclasses import asdict
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TextIO, cast
from unicodedata import category

import typer
from tqdm.auto import tqdm

from stemlab.errors import AudioError, SettingError, StemlabError, told
from stemlab.model import DEFAULT
from stemlab.sound.unbroken import STOPS

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence

    from stemlab.library.batch import Report
    from stemlab.research.bench import Bench, LiveBench
    from stemlab.separator import Separator

app = typer.Typer(
    help="Stem separation on your own machine. Exit codes: 0 all done, 1 something failed, "
    "2 wrong usage, 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
models_app = typer.Typer(help="List, show, check, add and verify models.", no_args_is_help=True)
app.add_typer(models_app, name="models")

# Exit codes: 0 all done, 1 something failed, 2 wrong usage, 130 interrupted.
FAILED, INTERRUPTED = 1, 130
# What `models verify` says of a model that is undamaged.
OK = "OK"

ModelFlag = typer.Option("--model", "-m", help="Name of a model, or its file.")
ModelOption = Annotated[str, ModelFlag]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object, nothing else.")]

# Categories of Unicode that a terminal obeys: controls, directions, breaks, half characters.
ORDERS = ("Cc", "Cf", "Cs", "Zl", "Zp")

BAR = "{desc} {percentage:3.0f}%|{bar:30}| {n:.0f}/{total:.0f} s, {remaining} left{postfix}"


def main() -> NoReturn:
    """Run the command line; errors that a user can mend are one line, not a traceback."""
    warnings.showwarning = _show_warning
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # names may have what it cannot show
            stream.reconfigure(errors="backslashreplace")
    try:
        with _stoppable(), _flushed():
            app()
    except (StemlabError, OSError) as error:
        _complain(error)
    except _Interrupted:
        _complain("interrupted; no unfinished files are left")
        sys.exit(INTERRUPTED)
    sys.exit(FAILED)


class _Interrupted(BaseException):
    """Raised by a signal; typer would swallow a KeyboardInterrupt."""

    asked = False


@contextlib.contextmanager
def _stoppable() -> Iterator[None]:
    """Have signals that ask for an end raise `_Interrupted`, but those that are ignored."""
    _Interrupted.asked = False
    before = {stop: signal.getsignal(stop) for stop in STOPS}
    asked = [stop for stop in STOPS if before[stop] != signal.SIG_IGN]  # else as `nohup` has it
    try:
        for stop in asked:
            signal.signal(stop, _interrupt)
        yield
    finally:
        for stop in asked:
            signal.signal(stop, before[stop])


class _UnprintedError(OSError):
    """What was printed did not arrive."""


class _Output:
    """Standard output whose errors are told from those of files."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with _unprinted():
            return self._stream.write(text)

    def flush(self) -> None:
        with _unprinted():
            self._stream.flush()


@contextlib.contextmanager
def _unprinted() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _UnprintedError(error.errno, error.strerror) from error


@contextlib.contextmanager
def _flushed() -> Iterator[None]:
    """Say in one sentence if what was printed did not arrive."""
    output = cast("TextIO", _Output(sys.stdout))
    try:
        with contextlib.redirect_stdout(output):
            try:
                yield
            finally:
                output.flush()
    except _UnprintedError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), output.fileno())  # for what is left in it
        raise StemlabError(f"the output cannot be written ({error.strerror})") from error


@app.command()
def separate(
    songs: Annotated[list[Path], typer.Argument(metavar="SONG…", help="Files or folders.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Output folder.")] = Path(
        "stems"
    ),
    model: ModelOption = DEFAULT,
    stems: Annotated[str, typer.Option(help="Only these stems, such as vocals,drums.")] = "",
    kind: Annotated[
        str, typer.Option("--format", "-f", help="wav, flac, ogg, mp3 or stem.mp4.")
    ] = "wav",
    force: Annotated[bool, typer.Option("--force", help="Redo finished songs.")] = False,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Separate this many songs at a time, each in its own process."),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="tcp://HOST:PORT", help="Separate on a Dask cluster that sees the same folders."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Separate songs into DIR/<song>/<stem>.<format>."""
    from stemlab.library.batch import summary
    from stemlab.library.export import check
    from stemlab.library.songs import folders as place
    from stemlab.separator import Separator

    if workers and scheduler:
        raise SettingError("--workers is for this machine, --scheduler for a cluster: choose one")
    where = scheduler or workers
    separator = Separator(model)
    wanted = tuple(name.strip() for name in stems.split(",") if name.strip())
    check(separator, kind, wanted)
    folders = place(dict(pair for path in songs for pair in _found(path)), out)
    how = {"kind": kind, "stems": wanted, "force": force}
    start = time.perf_counter()
    made = _together(folders, model, where, how) if where else _in_turn(folders, separator, how)
    reports: list[Report] = []
    told: set[str] = set()
    unsaid: OSError | None = None
    with contextlib.closing(made):
        for report in made:
            reports.append(report)
            try:
                with tqdm.external_write_mode():
                    _tell(report, told, quiet=as_json)
            except OSError as error:  # told at the end: the other songs go on
                unsaid = error
            _go_on()
    total = summary(reports, time.perf_counter() - start)
    if as_json:
        found = {"model": separator.model.card.name, "songs": reports}
        print(json.dumps(found | ({"summary": total} if where else {})))
    elif where:
        _say(_summed_up(total))
    if unsaid:
        raise unsaid
    if total["failed"]:
        sys.exit(FAILED)


def _in_turn(
    folders: Mapping[Path, Path], separator: Separator, how: Mapping[str, Any]
) -> Generator[Report, None, None]:
    """Separate songs in this process; yield a report on each."""
    from stemlab.library.batch import report
    from stemlab.library.export import export

    for number, (song, folder) in enumerate(folders.items(), 1):
        start = time.perf_counter()
        try:
            with _bar(song.name, number, len(folders)) as bar:

                def show(done: float, total: float, bar: Any = bar, start: float = start) -> None:
                    bar.total = max(total, done)
                    speed = done / (time.perf_counter() - start)
                    bar.set_postfix_str(f"{speed:.0f}× real time", refresh=False)
                    bar.update(done - bar.n)
                    _go_on()

                made = export(song, folder, separator, **how, progress=show)
            yield {"song": str(song)} | report(made, start)
        except Exception as error:  # noqa: BLE001 - one odd song does not stop the others
            _go_on()
            yield {"song": str(song), "error": told(error, song)}


def _together(
    folders: Mapping[Path, Path], model: str, where: str | int, how: Mapping[str, Any]
) -> Generator[Report, None, None]:
    """Separate songs in many processes; yield a report on each."""
    from stemlab.library.batch import separate_all
    from stemlab.networks.runtimes import FORMATS

    file = Path(model)
    model = str(file.resolve()) if file.suffix in FORMATS else model
    with (
        tqdm(total=len(folders), unit=" songs", disable=None, leave=False) as bar,
        contextlib.closing(separate_all(folders, model, where, **how)) as reports,
    ):
        for report in reports:
            yield report
            bar.update()


@app.command()
def bench(
    song: Annotated[
        Path | None, typer.Argument(help="A sound file; by default the demo song.")
    ] = None,
    model: Annotated[str | None, ModelFlag] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Measure live separation: latency and dropouts.")
    ] = False,
    seconds: Annotated[float, typer.Option(min=1, help="Length of the live test.")] = 10,
    as_json: JsonOption = False,
) -> None:
    """Measure how fast this machine is."""
    from stemlab import demo
    from stemlab.live.model import LIVE, StreamModel
    from stemlab.model import StemModel
    from stemlab.research.bench import bench as bench_song
    from stemlab.research.bench import bench_live

    song = song or demo.path()
    result: Bench | LiveBench
    if live:
        result = bench_live(song, StreamModel(model or LIVE), seconds)
        about, rows = _live_table(result)
    else:
        result = bench_song(song, StemModel(model or DEFAULT))
        about, rows = _bench_table(result)
    if as_json:
        print(json.dumps(asdict(result)))
        return
    _say(about)
    _table(rows)


def _bench_table(result: Bench) -> tuple[str, list[tuple[str, str]]]:
    """Return a heading and rows."""
    rows = [(stage, f"{speed:.0f} × real time") for stage, speed in result.stages.items()]
    rows += [
        ("file to stems", f"{result.speed:.0f} × real time"),
        ("first block", f"{result.first_block:.2f} s"),
        ("peak memory", f"{result.peak_memory / 1e6:.0f} MB"),
    ]
    about = f"{result.model} ({result.precision}) on {result.runtime}, {result.threads} threads"
    return about, rows


def _live_table(result: LiveBench) -> tuple[str, list[tuple[str, str]]]:
    """Return a heading and rows."""
    rows = [
        ("algorithm", f"{result.algorithmic_ms:.1f} ms"),
        ("compute", f"{result.compute_ms:.1f} ms, p99 {result.compute_p99_ms:.1f} ms"),
        ("dropouts", f"{result.dropouts} of {result.blocks} blocks"),
    ]
    return f"{result.model} live", rows


@app.command()
def evaluate(
    place: Annotated[
        Path,
        typer.Argument(
            metavar="DIR", help="Songs with reference stems: a data set, a .stem.mp4 or a .csv."
        ),
    ],
    models: Annotated[
        list[str] | None, typer.Argument(metavar="[--compare MODEL…]", help="What to compare.")
    ] = None,
    model: ModelOption = DEFAULT,
    compare: Annotated[
        bool, typer.Option("--compare", help="Compare models; the first with each other one.")
    ] = False,
    stems: Annotated[
        str,
        typer.Option(
            help="What to compare, such as vocals,bass+other; vocals=lead+choir names references."
        ),
    ] = "",
    metrics: Annotated[
        str, typer.Option(help="Such as sdr,log_wmse, or all; most need stemlab[research].")
    ] = "sdr,si_sdr",
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="A .parquet file for the table, with all it rests on."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure the quality of the separation on songs with known stems."""
    from stemlab.research.contest import Contest
    from stemlab.research.evaluation import METRICS, check_metrics
    from stemlab.research.parquet import check, write

    if bool(models) != compare:
        raise SettingError("models follow --compare: `stemlab evaluate DIR --compare MODEL MODEL`")
    wanted = METRICS if metrics == "all" else check_metrics(n.strip() for n in metrics.split(","))
    out = out or (Path("evaluation.parquet") if compare else None)
    contest = Contest(place, models or [model], stems, wanted)
    if out:
        check(out)
    with contextlib.closing(contest.run()) as complaints:
        for complaint in complaints:
            with tqdm.external_write_mode():
                _complain(complaint)
    scored = any(contest.scores.values())
    if as_json:
        print(json.dumps(_finite(contest.told())))
    elif scored:
        _table(contest.ranking() if compare else contest.songs())
    if out and scored:  # else what it may hold is worth more
        write(contest.table(), out)
    if contest.errors:
        sys.exit(FAILED)


def _finite(value: Any) -> Any:
    """Replace what JSON has no number for by null."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@app.command()
def lab(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR", help="Folder of the notebooks; missing ones are copied into it."
        ),
    ] = Path("notebooks"),
    browser: Annotated[bool, typer.Option(help="Open a browser.")] = True,
    port: Annotated[int | None, typer.Option(help="Port; by default a free one.")] = None,
) -> None:
    """Open JupyterLab on the notebooks."""
    from stemlab.lab import open_lab

    open_lab(folder, browser=browser, port=port)


SongArgument = typer.Argument(exists=True, dir_okay=False, resolve_path=True, help="A song.")


@app.command()
def decks(
    a: Annotated[Path | None, SongArgument] = None,
    b: Annotated[Path | None, SongArgument] = None,
    browser: Annotated[bool, typer.Option(help="Open a browser.")] = True,
    port: Annotated[
        int | None, typer.Option(help="Port of the app; by default a free one.")
    ] = None,
) -> None:
    """Open the DJ decks as an app."""
    from stemlab.lab import open_decks

    open_decks([song for song in (a, b) if song], browser=browser, port=port)


@models_app.command("list")
def list_models(as_json: JsonOption = False) -> None:
    """List the models that are installed and those that can be added."""
    from stemlab.importers.official import ADDABLE
    from stemlab.model import cards, paths

    read, broken = cards()
    for error in broken:
        _complain(error)
    addable = {name: stems for name, stems in ADDABLE.items() if name not in paths()}
    if as_json:
        known = [{"name": card.name, "stems": card.stems, "file": str(card.path)} for card in read]
        print(json.dumps({"installed": known, "addable": addable}))
        return
    _table(
        [(card.name, ", ".join(card.stems), card.precision, card.licence) for card in read]
        + [(name, ", ".join(stems), "not installed", "") for name, stems in addable.items()]
    )


@models_app.command("show")
def show_model(
    name: Annotated[str, typer.Argument(help="Name of a model, or its file.")] = DEFAULT,
    as_json: JsonOption = False,
) -> None:
    """Show a model's card."""
    from stemlab.model import find

    found = find(name)
    card = asdict(found) | {"path": str(found.path)}
    if as_json:
        print(json.dumps(card))
        return
    _table(_card_rows(card))


@models_app.command("verify")
def verify_models(
    names: Annotated[
        list[str] | None, typer.Argument(help="Names of models; by default all.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check that model files are undamaged: compare their sha256 with their cards."""
    from stemlab.model import find, paths

    verdicts = {}
    for name in names or paths():
        try:
            find(name).verify()
            verdicts[name] = OK
        except StemlabError as error:
            _complain(error)
            verdicts[name] = str(error)
    if as_json:
        print(json.dumps(verdicts))
    else:
        _table([(name, verdict) for name, verdict in verdicts.items() if verdict == OK])
    if set(verdicts.values()) != {OK}:
        sys.exit(FAILED)


@models_app.command("check")
def check_model(
    file: Annotated[Path, typer.Argument(help="A .tflite or .onnx file.")],
    as_json: JsonOption = False,
) -> None:
    """Run a network of your own, say what it is, and write a card to fill in if it has none."""
    from stemlab.importers.own import check

    found = check(file)
    if as_json:
        print(json.dumps(asdict(found) | {"card": str(found.card)}))
        return
    kind = found.kind or "cannot be told: the card must say"
    _table(
        [
            *(("input", line) for line in found.inputs),
            *(("output", line) for line in found.outputs),
            ("kind", kind if found.speed else f"{kind} (a guess)" if found.kind else kind),
            ("card", f"{found.card}{' (written now)' if found.written else ''}"),
        ]
    )
    if found.missing:
        _say(f"Fill in {', '.join(found.missing)}, look at the rest, and check again.")
    elif found.speed:
        _say(f"OK, {found.speed:.0f} × real time. `stemlab models add {file}` installs it.")


@models_app.command("add")
def add_model(
    name: Annotated[
        str,
        typer.Argument(help="A model that `models list` shows as not installed, or your own file."),
    ],
    source: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", help="Its download, already on disk."),
    ] = None,
) -> None:
    """Install your own network by its card, or download and convert an official model.

    No other command uses the network.
    """
    from stemlab.importers import official, own
    from stemlab.networks.runtimes import FORMATS

    file = Path(name)
    _say(own.add(file) if file.suffix in FORMATS else official.add(name, source, progress=True))


def _found(path: Path) -> Iterator[tuple[Path, Path]]:
    """Yield the songs at a path, each with its place below it."""
    from stemlab.library.songs import find_songs

    if not path.is_dir():
        yield path, Path(path.name)
        return
    songs = [*find_songs(path)]
    if not songs:
        raise AudioError(f"{path}: no songs in this folder; give a folder with sound files")
    yield from ((song, song.relative_to(path)) for song in songs)


def _bar(name: str, number: int, count: int) -> Any:
    name = _shown(name)
    label = name if count == 1 else f"{name} ({number}/{count})"
    return tqdm(desc=label, total=1, bar_format=BAR, disable=None, leave=False)


def _tell(report: Report, told: set[str], *, quiet: bool) -> None:
    """Say what became of a song; what is wrong with all that is left is said once."""
    for warning in report.get("warnings", ()):
        _show_warning(warning)
    if "error" in report:
        if report["error"] not in told:
            _complain(report["error"])
        told.add(report["error"])
    elif not quiet:
        how = "already there" if report["reused"] else f"{report['speed']:.0f}× real time"
        _say(f"{report['song']} → {', '.join(report['files'].values())} ({how})")


def _summed_up(total: Mapping[str, Any]) -> str:
    """Write a summary as a line.

    >>> _summed_up({"separated": 9, "reused": 2, "failed": 1, "sound": 1800.0, "seconds": 60.0,
    ...             "speed": 30.0})
    '9 separated, 2 already there, 1 failed; 30.0 min of sound in 1.0 min, 30× real time'
    """
    counts = (("separated", "separated"), ("reused", "already there"), ("failed", "failed"))
    songs = ", ".join(f"{total[key]} {said}" for key, said in counts)
    minutes = (total["sound"] / 60, total["seconds"] / 60)
    return (
        f"{songs}; {minutes[0]:.1f} min of sound in {minutes[1]:.1f} min, "
        f"{total['speed']:.0f}× real time"
    )


def _card_rows(entries: Mapping[str, Any], indent: str = "") -> Iterator[tuple[str, str]]:
    """Yield what is known as lines; what belongs to a line stands indented below it."""
    for key, value in entries.items():
        if isinstance(value, dict):
            yield indent + key, ""
            yield from _card_rows(value, indent + "  ")
        elif isinstance(value, list | tuple):
            yield indent + key, ", ".join(map(str, value))
        elif value is not None:
            yield indent + key, str(value)


def _table(rows: Iterable[Sequence[str]]) -> None:
    lines = list(rows)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        _say("  ".join(map(str.ljust, line, widths)).rstrip())


def _say(line: object, stream: TextIO | None = None) -> None:
    print(_shown(line), file=stream)


def _complain(problem: object) -> None:
    with contextlib.suppress(OSError):  # the terminal may be gone
        _say(f"stemlab: {problem}", sys.stderr)


def _shown(line: object) -> str:
    r"""Replace what a terminal would obey, not show: names and tags are written by strangers.

    >>> _shown("\x1b[2Jsong\r\u202e.wav")
    '?[2Jsong??.wav'
    """
    return "".join("?" if category(sign) in ORDERS else sign for sign in str(line))


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    _complain(f"warning: {message}")


def _interrupt(*_: object) -> NoReturn:
    """Stop in order; further signals, as of a terminal that closes, do not disturb that."""
    for stop in STOPS:
        signal.signal(stop, signal.SIG_IGN)
    _Interrupted.asked = True
    raise _Interrupted


def _go_on() -> None:
    """Stop if a signal asked for it where Python lets nothing be raised, as in a finalizer."""
    if _Interrupted.asked:
        raise _Interrupted
