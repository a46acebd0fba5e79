"""The command line: `stemlab separate`, `bench`, `evaluate`, `models`, `lab`, `decks`."""

from __future__ import annotations

import json
import signal
import statistics
import sys
import time
import warnings
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from tqdm.auto import tqdm

from stemlab.errors import AudioError, SettingError, StemlabError
from stemlab.model import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stemlab.export import Export

app = typer.Typer(
    help="Stem separation on your own machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
models_app = typer.Typer(help="List, show, add and verify models.", no_args_is_help=True)
app.add_typer(models_app, name="models")

# Exit codes: 0 all done, 1 something failed, 2 wrong usage, 130 interrupted.
FAILED, INTERRUPTED = 1, 130

ModelOption = Annotated[str, typer.Option("--model", "-m", help="Name of a model, or its file.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object, nothing else.")]

BAR = "{desc} {percentage:3.0f}%|{bar:30}| {n:.0f}/{total:.0f} s, {remaining} left{postfix}"


def main() -> NoReturn:
    """Run the command line; errors that a user can mend are one line, not a traceback."""
    for interruption in (signal.SIGINT, signal.SIGTERM):
        signal.signal(interruption, _interrupt)
    warnings.showwarning = _show_warning
    try:
        app()
    except StemlabError as error:
        _complain(error)
    except _Interrupted:
        _complain("interrupted; nothing half-written is left")
        sys.exit(INTERRUPTED)
    sys.exit(FAILED)


class _Interrupted(BaseException):
    """Raised by a signal; typer would swallow a KeyboardInterrupt."""


@app.command()
def separate(
    songs: Annotated[list[Path], typer.Argument(metavar="SONG…", help="Files or folders.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Where to.")] = Path(
        "stems"
    ),
    model: ModelOption = DEFAULT,
    stems: Annotated[str, typer.Option(help="Only these, such as vocals,drums.")] = "",
    kind: Annotated[
        str, typer.Option("--format", "-f", help="wav, flac, ogg, mp3 or stem.mp4.")
    ] = "wav",
    force: Annotated[bool, typer.Option("--force", help="Make again what is there.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Separate songs into DIR/<song>/<stem>.<format>."""
    from stemlab.export import check, export
    from stemlab.separator import Separator

    separator = Separator(model)
    wanted = tuple(name.strip() for name in stems.split(",") if name.strip())
    check(separator, kind, wanted)
    folders = _folders(songs, out)
    reports = []
    for number, (song, folder) in enumerate(folders.items(), 1):
        start = time.perf_counter()
        try:
            with _bar(song.name, number, len(folders)) as bar:

                def show(done: float, total: float, bar: Any = bar, start: float = start) -> None:
                    bar.total = max(total, done)
                    bar.set_postfix_str(f"{_speed(done, start):.0f}× real time", refresh=False)
                    bar.update(done - bar.n)

                made = export(
                    song, folder, separator, kind=kind, stems=wanted, force=force, progress=show
                )
            reports.append(_report(song, made, start))
        except StemlabError as error:
            _complain(error)
            reports.append({"song": str(song), "error": str(error)})
        if not as_json:
            _tell(reports[-1])
    if as_json:
        print(json.dumps({"model": separator.model.card.name, "songs": reports}))
    if any("error" in report for report in reports):
        sys.exit(FAILED)


@app.command()
def bench(
    song: Annotated[Path | None, typer.Argument(help="By default the demo.")] = None,
    model: ModelOption = DEFAULT,
    as_json: JsonOption = False,
) -> None:
    """Measure what this machine holds."""
    from stemlab import demo
    from stemlab.bench import bench as measure
    from stemlab.model import StemModel

    result = measure(song or demo.path(), StemModel(model))
    if as_json:
        print(json.dumps(asdict(result)))
        return
    print(f"{result.model} ({result.precision}) on {result.runtime}, {result.threads} threads")
    rows = [(stage, f"{speed:.0f} × real time") for stage, speed in result.stages.items()]
    rows += [
        ("file to stems", f"{result.speed:.0f} × real time"),
        ("first block", f"{result.first_block:.2f} s"),
        ("peak memory", f"{result.peak_memory / 1e6:.0f} MB"),
    ]
    _table(rows)


@app.command()
def evaluate(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Songs with reference stems.")],
    model: ModelOption = DEFAULT,
    as_json: JsonOption = False,
) -> None:
    """Separate songs whose stems are known and print the SDR of each stem in dB."""
    from stemlab.evaluation import evaluate as measure
    from stemlab.evaluation import find_songs
    from stemlab.separator import Separator

    separator = Separator(model)
    scores = {}
    for song in tqdm(find_songs(folder), unit=" songs", disable=None, leave=False):
        scores[song.name] = measure(song, separator)
    medians = {
        stem: statistics.median(score[stem] for score in scores.values())
        for stem in separator.stems
    }
    if as_json:
        print(json.dumps({"model": separator.model.card.name, "sdr": scores, "median": medians}))
        return
    _table([("SDR, dB", *separator.stems)])
    for name, score in [*scores.items(), ("median", medians)]:
        _table([(name, *(f"{value:.2f}" for value in score.values()))])


@app.command()
def lab(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where the notebooks are, or are put.")
    ] = Path("notebooks"),
    browser: Annotated[bool, typer.Option(help="Open a browser.")] = True,
) -> None:
    """Open JupyterLab on the notebooks."""
    from stemlab.lab import open_lab

    open_lab(folder, browser=browser)


SongArgument = typer.Argument(exists=True, dir_okay=False, resolve_path=True, help="A song.")


@app.command()
def decks(
    a: Annotated[Path | None, SongArgument] = None,
    b: Annotated[Path | None, SongArgument] = None,
    browser: Annotated[bool, typer.Option(help="Open a browser.")] = True,
    port: Annotated[int | None, typer.Option(help="Where to serve it.")] = None,
) -> None:
    """Open the DJ decks as an app."""
    from stemlab.lab import open_decks

    open_decks([song for song in (a, b) if song], browser=browser, port=port)


@models_app.command("list")
def list_models(as_json: JsonOption = False) -> None:
    """List the models that are installed and those that can be added."""
    from stemlab.model import Card, paths
    from stemlab.spleeter import ADDABLE, DESIGNS

    installed = paths()
    cards = [Card.read(path) for path in installed.values()]
    addable = {name: DESIGNS[name].stems for name in ADDABLE if name not in installed}
    if as_json:
        known = [{"name": card.name, "stems": card.stems, "file": str(card.path)} for card in cards]
        print(json.dumps({"installed": known, "addable": addable}))
        return
    _table(
        [(card.name, ", ".join(card.stems), card.precision, card.licence) for card in cards]
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
    _table([(key, _plain(value)) for key, value in card.items()])


@models_app.command("verify")
def verify_models(
    names: Annotated[list[str] | None, typer.Argument(help="By default all.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Check the sha256 of models against their cards."""
    from stemlab.model import find, paths

    verdicts = {}
    for name in names or paths():
        try:
            find(name).verify()
            verdicts[name] = "whole"
        except StemlabError as error:
            _complain(error)
            verdicts[name] = str(error)
    if as_json:
        print(json.dumps(verdicts))
    else:
        _table([(name, verdict) for name, verdict in verdicts.items() if verdict == "whole"])
    if set(verdicts.values()) != {"whole"}:
        sys.exit(FAILED)


@models_app.command("add")
def add_model(
    name: Annotated[str, typer.Argument(help="One that `models list` shows as not installed.")],
    source: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="An archive already on disk.")
    ] = None,
) -> None:
    """Download an official model, check and convert it: the one command that uses the network."""
    from stemlab.spleeter import add

    print(add(name, source, progress=True))


def _folders(songs: Sequence[Path], out: Path) -> dict[Path, Path]:
    """Return the output folder of each song; songs of one name get their suffix, too."""
    found = dict(pair for path in songs for pair in _found(path))
    names = Counter(place.with_suffix("") for place in found.values())
    folders = {
        song: out / (place if names[place.with_suffix("")] > 1 else place.with_suffix(""))
        for song, place in found.items()
    }
    twice = [song for song, folder in folders.items() if [*folders.values()].count(folder) > 1]
    if twice:
        raise SettingError(
            f"{' and '.join(map(str, twice))} would be written to one folder; "
            "separate them one by one, each with another -o"
        )
    return folders


def _found(path: Path) -> Iterator[tuple[Path, Path]]:
    """Yield the songs at a path, each with its place below it."""
    from stemlab.audio import AUDIO_SUFFIXES

    if not path.is_dir():
        yield path, Path(path.name)
        return
    songs = [song for song in sorted(path.rglob("*")) if song.suffix.lower() in AUDIO_SUFFIXES]
    if not songs:
        raise AudioError(f"{path}: no songs in this folder; give a folder with sound files")
    yield from ((song, song.relative_to(path)) for song in songs)


def _bar(name: str, number: int, count: int) -> Any:
    label = name if count == 1 else f"{name} ({number}/{count})"
    return tqdm(desc=label, total=1, bar_format=BAR, disable=None, leave=False)


def _report(song: Path, made: Export, start: float) -> dict[str, Any]:
    return {
        "song": str(song),
        "files": {name: str(path) for name, path in made.files.items()},
        "seconds": round(made.seconds, 3),
        "speed": None if made.reused else round(_speed(made.seconds, start), 1),
        "reused": made.reused,
    }


def _tell(report: dict[str, Any]) -> None:
    if "error" in report:
        return
    how = "already there" if report["reused"] else f"{report['speed']:.0f}× real time"
    print(f"{report['song']} → {', '.join(report['files'].values())} ({how})")


def _speed(seconds: float, start: float) -> float:
    return seconds / (time.perf_counter() - start)


def _plain(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _table(rows: Sequence[Sequence[str]]) -> None:
    for row in rows:
        print("  ".join(f"{cell:16}" for cell in row).rstrip())


def _complain(problem: object) -> None:
    print(f"stemlab: {problem}", file=sys.stderr)


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    _complain(f"warning: {message}")


def _interrupt(*_: object) -> NoReturn:
    raise _Interrupted
