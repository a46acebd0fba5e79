"""Many settings on many songs with references: what each gives, and what it costs."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from importlib.metadata import version
from itertools import chain, product
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from tqdm.auto import tqdm

from stemlab.cluster import Failure, connect, run
from stemlab.errors import SettingError, StemlabError
from stemlab.model import DEFAULT, StemModel, find
from stemlab.research.account import Account, measure
from stemlab.research.evaluation import METRICS, USUAL, ceilings, check_metrics, grouped, score
from stemlab.research.layouts import find_songs
from stemlab.research.metrics import BSS
from stemlab.research.parquet import check, write
from stemlab.research.record import record, turned
from stemlab.research.references import Song, match, read_stretch, unmatched
from stemlab.separator import Separator
from stemlab.sound.audio import writing
from stemlab.spectral import Stft

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pandas as pd

    from stemlab.card import Card
    from stemlab.cluster import Where
    from stemlab.research.references import Source, Target
    from stemlab.spectral import Samples, Window

    Row: TypeAlias = dict[str, Any]

SETTINGS = (
    "n_fft", "hop", "window", "exponent", "past", "lookahead", "overlap", "extension", "model",
    "runtime", "threads",
)  # fmt: skip
COSTS = (
    "window_latency", "lookahead_latency", "buffer", "step", "compute", "algorithmic", "latency",
    "speed", "cpu", "memory", "conservation", "nola", "cola",
)  # fmt: skip
COLUMNS = (
    "song", "start", "estimate", "stem", *SETTINGS, *METRICS, *COSTS, "error",
)  # fmt: skip

MODEL = "model"
"""What the column ``estimate`` says of a model's rows; in the others it names the oracle."""


@dataclass(frozen=True)
class Setting:
    """Everything that can be turned; None is the model's own.

    Attributes
    ----------
    n_fft, hop, window
        The transform, see `stemlab.spectral.Stft`.
    exponent, past, lookahead, overlap, extension
        See `stemlab.separator.Separator`.
    model
        Name of a model or its file.
    runtime, threads
        See `stemlab.model.StemModel`.

    Examples
    --------
    >>> stft = Setting(n_fft=2048, hop=512).separator().stft
    >>> stft.n_fft, stft.hop, stft.window
    (2048, 512, 'hann')
    """

    n_fft: int | None = None
    hop: int | None = None
    window: Window | None = None
    exponent: float = 1.0
    past: int = 0
    lookahead: int | None = None
    overlap: int | None = None
    extension: str = "octave"
    model: str = DEFAULT
    runtime: str | None = None
    threads: int = 1

    def stft(self) -> Stft:
        """Return the transform.

        Raises
        ------
        ModelError, SettingError
            If there is no such model, or no such transform.
        """
        own = find(self.model).stft
        return Stft(
            own.n_fft if self.n_fft is None else self.n_fft,
            own.hop if self.hop is None else self.hop,
            own.window if self.window is None else self.window,
        )

    def separator(self, model: StemModel | None = None) -> Separator:
        """Return a separator with these settings; models are loaded once.

        Parameters
        ----------
        model
            The model, if it is loaded already.

        Raises
        ------
        ModelError, SettingError
            If the model cannot run, or a setting has no meaning.
        """
        return Separator(
            model or _model(find(self.model), self.runtime, self.threads),
            stft=self.stft(),
            exponent=self.exponent,
            past=self.past,
            lookahead=self.lookahead,
            overlap=self.overlap,
            extension=self.extension,
        )


class Stretch(NamedTuple):
    """What of a song is heard: from where, so many seconds or to the end."""

    start: float = 0
    seconds: float | None = None


@dataclass(frozen=True)
class Job:
    """One task: the model's rows of a song and a setting, or the oracles' of a song and a grid."""

    song: Song
    setting: Setting
    stretch: Stretch
    metrics: tuple[str, ...]
    stems: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Digest of all that decides the result, files by name, size and time."""
        paths = self._paths
        with suppress(StemlabError):  # told by the job itself
            network = find(self.setting.model).path
            paths |= {network, network.with_suffix(".json")}
        known = repr((self, _stamps(paths), version("stemlab")))
        return hashlib.sha256(known.encode()).hexdigest()[:32]

    def rows(self) -> list[Row]:
        """Do the work.

        Raises
        ------
        StemlabError
            If files, model or settings do not allow it.
        """
        return self._oracle_rows() if self.stems else self._model_rows()

    def _model_rows(self) -> list[Row]:
        separator = self.setting.separator()
        targets = match(separator.stems, self.song.stems)
        mix, references = self._read(targets, separator.rate)
        stems, account = measure(separator, mix)
        scores = score(mix, references, grouped(stems, targets), separator.rate, self.metrics)
        known = self._known() | turned(separator) | _costs(account)
        return [
            known | {"estimate": MODEL, "stem": target.name} | values
            for target, values in zip(targets, scores, strict=True)
        ]

    def _oracle_rows(self) -> list[Row]:
        rate, stft = find(self.setting.model).sample_rate, self.setting.stft()
        targets = match(self.stems, self.song.stems)
        mix, references = self._read(targets, rate)
        whole = not unmatched(self.stems, targets)
        known = self._known() | asdict(stft) | {"nola": stft.evenness, "cola": stft.cola}
        return [
            known | {"estimate": oracle, "stem": target.name} | values
            for oracle, stems in ceilings(mix, references, stft, whole=whole).items()
            for target, values in zip(
                targets, score(mix, references, stems, rate, self.metrics), strict=True
            )
        ]

    def failed(self, why: str) -> Row:
        """Return the row that stands for a failure."""
        asked = {name: value for name, value in asdict(self.setting).items() if value is not None}
        estimate = "oracles" if self.stems else MODEL
        return self._known() | asked | {"estimate": estimate, "error": why}

    def _known(self) -> Row:
        return {"song": self.song.name, "start": self.stretch.start}

    @property
    def _paths(self) -> set[Path]:
        """The song's files."""
        return {path for path, _ in (*self.song.mixed, *chain(*self.song.stems.values()))}

    def _read(self, targets: Sequence[Target], rate: int) -> tuple[Samples, Samples]:
        song, stamps = self.song, _stamps(self._paths)
        stems = tuple(song.stems.items())
        return _read(song.name, song.mix, stems, stamps, tuple(targets), rate, self.stretch)


def _stamps(paths: Iterable[Path]) -> tuple[tuple[int, int], ...]:
    """Return size and time of files, by which is known whether they are still the same."""
    found = (path.stat() for path in sorted(paths) if path.exists())
    return tuple((stat.st_size, stat.st_mtime_ns) for stat in found)


def _costs(account: Account) -> Row:
    """Return an account by the names of its columns; some are those of settings already."""
    costs = asdict(account) | {"algorithmic": account.algorithmic, "latency": account.latency}
    taken = {"window", "lookahead"}
    return {f"{name}_latency" if name in taken else name: cost for name, cost in costs.items()}


def sweep(
    settings: Mapping[str, Sequence[Any]] | Iterable[Setting],
    songs: Path | str | Sequence[Song],
    out: Path | str,
    *,
    where: Where = None,
    start: float = 0,
    seconds: float | None = None,
    metrics: Sequence[str] = (*USUAL, *BSS),
) -> pd.DataFrame:
    """Separate songs with many settings and tell how well each does and what it costs.

    Beside the model's stems stand those of the oracle masks (see
    `stemlab.research.evaluation.ORACLES`) in the same transform: where they are
    poor, the STFT setting is the bottleneck, not the model.

    Parameters
    ----------
    settings
        A full grid, lists of values by the name of a `Setting`'s field; or a list of settings.
    songs
        From `stemlab.research.layouts.find_songs`, or the folder where it finds them.
    out
        The ``.parquet`` file for the result. Beside it, in a file of the same name that ends in
        ``.jsonl``, each song and setting is kept as it is done: a sweep that was interrupted, or
        is asked for more settings, goes on from there. Failures are tried again.
    where
        Who does the work, see `stemlab.cluster.Where`: by default as many processes as there are
        cores.
    start, seconds
        The stretch of each song that is separated; all of it by default.
    metrics
        Names of `stemlab.research.evaluation.METRICS`. Those of BSSEval, which are among them
        by default, take far longer than all else.

    Returns
    -------
    One row for each song, setting and stem. Columns: song, start, estimate (``"model"`` or the
    oracle), stem; the settings; the metrics; those of
    `stemlab.research.account.Account` in seconds and bytes, algorithmic and whole latency among
    them; error. Its ``attrs["run"]``, which the file keeps, is a `stemlab.research.record.record`.

    Raises
    ------
    AudioError
        If there are no songs.
    SettingError
        If a setting is unknown, a library is missing or there is no cluster.
    """
    out = Path(out)
    check(out)
    found = find_songs(Path(songs).absolute()) if isinstance(songs, str | Path) else list(songs)
    asked = _settings(settings)
    jobs = list(_jobs(asked, found, Stretch(start, seconds), check_metrics(metrics)))
    journal = _Journal(out.with_suffix(".jsonl"))
    known = {job.key: job for job in jobs}
    failures = _work(known, journal, where)
    rows = journal.rows | failures
    table = _table([row for key in known for row in rows[key]])
    table.attrs["run"] = record(_cards(asked), metrics=[*metrics], start=start, seconds=seconds)
    write(table, out)
    return table


def _cards(settings: Sequence[Setting]) -> Iterator[Card]:
    for name in dict.fromkeys(setting.model for setting in settings):
        with suppress(StemlabError):  # told by the jobs
            yield find(name)


def _settings(settings: Mapping[str, Sequence[Any]] | Iterable[Setting]) -> list[Setting]:
    if not isinstance(settings, Mapping):
        return list(settings)
    known = [field.name for field in fields(Setting)]
    unknown = [name for name in settings if name not in known]
    if unknown:
        raise SettingError(
            f"{', '.join(unknown)}: no such setting; choose among {', '.join(known)}"
        )
    grid = product(*settings.values())
    return [Setting(**dict(zip(settings, values, strict=True))) for values in grid]


def _jobs(
    asked: Sequence[Setting], songs: Sequence[Song], stretch: Stretch, metrics: tuple[str, ...]
) -> Iterator[Job]:
    """Yield each setting's job for each song, the oracles' once for each grid and set of stems."""
    for song in songs:
        grids = set()
        for setting in asked:
            yield Job(song, setting, stretch, metrics)
            try:
                stft, card = setting.stft(), find(setting.model)
                match(card.stems, song.stems)
            except StemlabError:
                continue  # the model's job says why
            if (stft, card.stems) not in grids:
                grids.add((stft, card.stems))
                grid = Setting(stft.n_fft, stft.hop, stft.window, model=setting.model)
                yield Job(song, grid, stretch, metrics, card.stems)


class _Journal:
    """Results kept on disk one by one, by the key of their job."""

    def __init__(self, path: Path) -> None:
        self.rows: dict[str, list[Row]] = {}
        self._path = path
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                with suppress(ValueError):  # a line that was cut off
                    entry = json.loads(line)
                    self.rows[entry["key"]] = entry["rows"]

    def keep(self, key: str, rows: list[Row]) -> None:
        """Write down the rows of a job that is done."""
        self.rows[key] = rows
        with writing(self._path), self._path.open("a", encoding="utf-8") as file:
            # The line feed comes first: it ends a line that was cut off.
            file.write("\n" + json.dumps({"key": key, "rows": rows}))


def _work(jobs: Mapping[str, Job], journal: _Journal, where: Where) -> dict[str, list[Row]]:
    """Do the jobs that are not in the journal; return rows that tell of those that failed."""
    todo = {key: job for key, job in jobs.items() if key not in journal.rows}
    failures: dict[str, list[Row]] = {}
    shares: Counter[str] = Counter()
    done = len(jobs) - len(todo)
    with tqdm(total=len(jobs), initial=done, unit=" jobs", disable=None) as bar:
        if todo:
            with (
                connect(where) as client,
                closing(run(client, Job.rows, [(job,) for job in todo.values()])) as results,
            ):
                for index, result, worker in results:
                    key, job = [*todo.items()][index]
                    if isinstance(result, Failure):
                        failures[key] = [job.failed(result.why)]
                    else:
                        journal.keep(key, result)
                    shares[worker] += 1
                    bar.set_postfix_str(_told(shares, len(failures)), refresh=False)
                    bar.update()
    return failures


def _told(shares: Mapping[str, int], failed: int) -> str:
    """Tell which worker did how many jobs.

    >>> _told({"one": 12, "two": 9}, 3)
    'workers one: 12, two: 9; 3 failed'
    """
    each = ", ".join(f"{worker or '?'}: {count}" for worker, count in sorted(shares.items()))
    return f"workers {each}" + (f"; {failed} failed" if failed else "")


def _table(rows: Sequence[Row]) -> pd.DataFrame:
    import pandas as pd

    named = [row | {"window": window_name(row.get("window"))} for row in rows]
    return pd.DataFrame(named, columns=COLUMNS)


def window_name(window: Any) -> str | None:
    """Write a window as text.

    >>> window_name(("kaiser", 8.6)), window_name("hann")
    ('kaiser 8.6', 'hann')
    """
    return " ".join(map(str, window)) if isinstance(window, list | tuple) else window


def known_settings(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the settings that a row of a table knows: those that are neither None nor nan.

    >>> known_settings({"stem": "bass", "n_fft": 1024, "past": float("nan"), "model": None})
    {'n_fft': 1024}
    """
    known = {name: row[name] for name in SETTINGS if row.get(name) is not None}
    return {name: value for name, value in known.items() if value == value}  # noqa: PLR0124 - nan


@lru_cache(maxsize=2)
def _model(card: Card, runtime: str | None, threads: int) -> StemModel:
    """Return a model that has run once: its first time is not like the others."""
    model = StemModel(card, runtime=runtime, threads=threads)
    model.masks(np.zeros((model.card.frames, model.card.bins, 2), np.float32))
    return model


@lru_cache(maxsize=1)
def _read(
    name: str,
    mix: Source | None,
    stems: tuple[tuple[str, tuple[Source, ...]], ...],
    _as_of: tuple[tuple[int, int], ...],
    targets: tuple[Target, ...],
    rate: int,
    stretch: Stretch,
) -> tuple[Samples, Samples]:
    """Read a stretch of a song; jobs that follow each other mostly want the same."""
    return read_stretch(Song(name, mix, dict(stems)), targets, rate, *stretch)
