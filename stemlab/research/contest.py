"""Models on songs whose stems are known: what `stemlab evaluate` measures, tells and keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm.auto import tqdm

from stemlab.errors import SettingError, StemlabError
from stemlab.model import find
from stemlab.research.comparison import Difference, difference, interval, of_songs
from stemlab.research.evaluation import USUAL, evaluate, summed_up
from stemlab.research.layouts import find_songs
from stemlab.research.record import record, turned
from stemlab.research.references import match, unmatched
from stemlab.separator import Separator

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    import pandas as pd

    from stemlab.card import Card
    from stemlab.research.evaluation import Scores
    from stemlab.research.references import Song


class Contest:
    """Models that are heard on the same songs.

    Parameters
    ----------
    place
        Where `stemlab.research.layouts.find_songs` finds them.
    models
        Their names or files. The first one is compared with each of the others.
    wanted
        What is compared, see `stemlab.research.references.match`.
    metrics
        Names of `stemlab.research.evaluation.METRICS`.

    Attributes
    ----------
    scores
        By model, song, stem and metric.
    errors
        What went wrong, by song.

    Raises
    ------
    ModelError
        If a model is not there or cannot run.
    SettingError
        If two have one name.

    Examples
    --------
    >>> from stemlab import demo
    >>> contest = Contest(demo.path().parent, ["spleeter-2stems"], "vocals")
    >>> list(contest.run())
    []
    >>> [*contest.table().columns]
    ['model', 'song', 'stem', 'sdr', 'si_sdr']
    """

    def __init__(
        self,
        place: Path,
        models: Sequence[str],
        wanted: str = "",
        metrics: Sequence[str] = USUAL,
    ) -> None:
        self._place, self._wanted, self._metrics = place, wanted, tuple(metrics)
        cards = _told_apart(map(find, models))
        self._separators = [Separator(card) for card in cards.values()]
        self.scores: dict[str, dict[str, dict[str, Scores]]] = {name: {} for name in cards}
        self.errors: dict[str, str] = {}

    def run(self) -> Generator[str, None, None]:
        """Measure; yield a sentence on each song that is not as it should be.

        Raises
        ------
        AudioError
            If there are no songs.
        """
        songs = find_songs(self._place)
        with tqdm(
            total=len(songs) * len(self._separators), unit=" songs", disable=None, leave=False
        ) as bar:
            for song in songs:
                yield from self._lacks(song)
                for separator in self._separators:
                    try:
                        self._measure(song, separator)
                    except StemlabError as error:
                        self.errors[song.name] = str(error)
                        yield f"{song.name}: {error}"
                    bar.update()

    def _lacks(self, song: Song) -> Iterator[str]:
        """Yield what a song has no reference for, once for all models that say the same."""
        found = set()
        for separator in self._separators:
            try:
                targets = match(separator.stems, song.stems, self._wanted)
            except StemlabError:
                continue  # told when it is measured
            found.add(", ".join(unmatched(separator.stems, targets, self._wanted)))
        for missing in sorted(found - {""}):
            yield f"warning: {song.name}: no reference for {missing}"

    def _measure(self, song: Song, separator: Separator) -> None:
        if separator is self._separators[0]:
            song.warn_short(separator.rate)
        own = self.scores[separator.model.card.name]
        own[song.name] = evaluate(song, separator, self._wanted, self._metrics)

    def songs(self) -> Iterator[tuple[str, ...]]:
        """Yield a head, the first model's scores of each song and stem, median and mean."""
        [scores, *_] = self.scores.values()
        yield ("dB", "stem", *map(_title, self._metrics))
        for song, stems in (scores | _totals(scores)).items():
            for stem, values in stems.items():
                yield (song, stem, *(_number(values[name], 2) for name in self._metrics))

    def ranking(self) -> Iterator[tuple[str, ...]]:
        """Yield a head and a row for each stem, metric and model."""
        first, *_ = self.scores
        yield ("stem", "metric", "model", "songs", "median", "95 %", "mean", "95 %",
               f"{first} is")  # fmt: skip
        for stem, metric in self._disciplines():
            for model, scores in self.scores.items():
                values = [*of_songs(scores, stem, metric).values()]
                if values:
                    compared = None if model == first else self.compared(model, stem, metric)
                    against = "" if compared is None else str(compared)
                    yield (stem, _title(metric), model, str(len(values)), *_sure(values), against)

    def compared(self, model: str, stem: str, metric: str) -> Difference | None:
        """Tell how much better the first model is than another."""
        [first, *_] = self.scores.values()
        return difference(first, self.scores[model], stem, metric)

    def told(self) -> dict[str, Any]:
        """Return all of it as JSON has it."""
        [(name, scores), *others] = self.scores.items()
        found: dict[str, Any] = {"model": name} | _all(scores)
        if others:
            found = {"models": {model: _all(s) for model, s in self.scores.items()}}
            found["differences"] = [
                {"model": name, "other": other, "stem": stem, "metric": metric} | vars(gain)
                for other, _ in others
                for stem, metric in self._disciplines()
                if (gain := self.compared(other, stem, metric))
            ]
        return found | {"errors": self.errors, "run": self._record()}

    def table(self) -> pd.DataFrame:
        """Return a row for each model, song and stem, and in ``attrs["run"]`` what it rests on."""
        import pandas as pd

        rows = [
            {"model": model, "song": song, "stem": stem} | values
            for model, songs in self.scores.items()
            for song, stems in songs.items()
            for stem, values in stems.items()
        ]
        table = pd.DataFrame(rows, columns=["model", "song", "stem", *self._metrics])
        table.attrs["run"] = self._record()
        return table

    def _disciplines(self) -> list[tuple[str, str]]:
        """Return each stem with each metric."""
        songs = [stems for scores in self.scores.values() for stems in scores.values()]
        found = dict.fromkeys(stem for stems in songs for stem in stems)
        return [(stem, metric) for stem in found for metric in self._metrics]

    def _record(self) -> dict[str, Any]:
        return record(
            [separator.model.card for separator in self._separators],
            songs=str(self._place),
            stems=self._wanted,
            metrics=[*self._metrics],
            settings=[turned(separator) for separator in self._separators],
        )


def _told_apart(cards: Iterable[Card]) -> dict[str, Card]:
    """Return cards by name, which is all that tells models apart in a result."""
    named: dict[str, Card] = {}
    for card in cards:
        if (other := named.setdefault(card.name, card)) is not card:
            raise SettingError(
                f"two models are called {card.name}, {other.path} and {card.path}; "
                'give each once, or change "name" in the card of one'
            )
    return named


def _totals(scores: Mapping[str, Mapping[str, Scores]]) -> dict[str, dict[str, Scores]]:
    return {name: summed_up(scores.values(), name) for name in ("median", "mean")}


def _all(scores: Mapping[str, Mapping[str, Scores]]) -> dict[str, Any]:
    return {"songs": scores, **_totals(scores)}


def _sure(values: Sequence[float]) -> Iterator[str]:
    for statistic in (np.median, np.mean):
        yield _number(float(statistic(values)), 2)
        yield "[{}, {}]".format(*(_number(end, 1) for end in interval(values, statistic)))


def _title(metric: str) -> str:
    """Write a metric's name as papers do.

    >>> _title("si_sdr"), _title("bleedless")
    ('SI-SDR', 'bleedless')
    """
    return metric if metric in {"bleedless", "fullness"} else metric.upper().replace("_", "-")


def _number(value: float, digits: int) -> str:
    """Write a number, a dash for one that is not known.

    >>> _number(float("nan"), 1), _number(2.345, 1)
    ('–', '2.3')
    """
    return "–" if np.isnan(value) else f"{value:.{digits}f}"
