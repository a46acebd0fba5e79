"""What a setting costs and what it is worth, as a page shows it: a bar, words and a table."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from stemlab.research.account import STEPS_HELD

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stemlab.labs.trial import Sdrs
    from stemlab.research.account import Account

# Of the parts of latency: Okabe and Ito's hues that no stem of the usual four has, and a grey.
HUES = {"window": "#009e73", "look-ahead": "#cc79a7", "buffer": "#999999", "compute": "#f0e442"}
MEBI = 1 << 20

STYLE = """<style>
.stemlab-bill { line-height: 1.45; font-variant-numeric: tabular-nums; }
.stemlab-bill .bar { display: flex; height: 26px; margin: 4px 0; }
.stemlab-bill .bar span { min-width: 3px; }
.stemlab-bill .bar span + span { border-left: 1px solid var(--jp-layout-color1, #fff); }
.stemlab-bill .part { display: inline-block; margin-right: 14px; white-space: nowrap; }
.stemlab-bill .part::before {
  content: "";
  display: inline-block;
  width: 11px;
  height: 11px;
  margin-right: 5px;
  border: 1px solid var(--jp-border-color1, #888);
  background: var(--hue);
}
.stemlab-bill table { margin: 6px 0 2px; border-collapse: collapse; font-size: 12px; }
.stemlab-bill :is(td, th) {
  padding: 1px 7px 1px 0;
  font-weight: 400;
  text-align: right;
  white-space: nowrap;
}
.stemlab-bill :is(th, td):first-child { text-align: left; }
.stemlab-bill thead th {
  border-bottom: 1px solid var(--jp-border-color1, #888);
  vertical-align: bottom;
  white-space: normal;
}
.stemlab-bill caption { text-align: left; caption-side: bottom; }
.stemlab-bill .own { font-weight: 700; }
</style>"""


def bill(
    account: Account,
    sdr: Sdrs,
    ceilings: Mapping[str, Sdrs],
    before: Sdrs | None = None,
) -> str:
    """Write an account as HTML.

    Parameters
    ----------
    account
        Of the setting.
    sdr
        Of the model's stems in dB, empty where there are no references.
    ceilings
        SDR of the stems by the name of the oracle; empty while they are not known.
    before
        SDR of the setting that was tried before.
    """
    return (
        f'<div class="stemlab-bill">{_latency(account)}{_facts(account)}'
        + (_table(sdr, ceilings, before or {}) if sdr else "No references, so no SDR.")
        + "</div>"
    )


def duration(seconds: float) -> str:
    """Write a time with three digits.

    >>> duration(0.0929), duration(1.579)
    ('92.9 ms', '1.58 s')
    """
    return f"{1000 * seconds:#.3g} ms".replace(". ", " ") if seconds < 1 else f"{seconds:.2f} s"


def _latency(account: Account) -> str:
    parts = {
        "window": account.window,
        "look-ahead": account.lookahead,
        "buffer": account.buffer,
        "compute": account.compute,
    }
    words = {name: f"{name} {duration(seconds)}" for name, seconds in parts.items()}
    words["buffer"] += f" ({STEPS_HELD} steps of {duration(account.step)} and a block)"
    total = f"Latency {duration(account.algorithmic)}"
    worst = f"{duration(account.latency)} at worst as a stream, with buffer and compute"
    bars = "".join(
        f'<span style="flex: {seconds:.6f}; background: {HUES[name]}" title="{words[name]}"></span>'
        for name, seconds in parts.items()
    )
    legend = "".join(
        f'<span class="part" style="--hue: {HUES[name]}">{text}</span>'
        for name, text in words.items()
    )
    said = f"{total}; {worst}: {', '.join(words.values())}"
    return (
        f"<div><b>{total}</b> (algorithmic: window + look-ahead); {worst}"
        f'</div><div class="bar" role="img" aria-label="{said}">{bars}</div><div>{legend}</div>'
    )


def _facts(account: Account) -> str:
    facts = (
        f"<b>{account.speed:.1f} × real time</b>",
        f"{account.cpu:.3f} CPU s per second",
        f"peak memory {account.memory / MEBI:.0f} MiB",
        f"NOLA {account.nola:.2f}, COLA {'yes' if account.cola else 'no'}",
        f"stems minus mix −{-account.conservation:.0f} dB",
    )
    return f"<div>{' · '.join(facts)}</div>"


def _table(sdr: Sdrs, ceilings: Mapping[str, Sdrs], before: Sdrs) -> str:
    head = "".join(f'<th scope="col">{name}</th>' for name in ("stem", "model", *ceilings))
    last = '<th scope="col">gap to the best oracle</th>' if ceilings else ""
    rows = "".join(_row(stem, sdr[stem], ceilings, before.get(stem)) for stem in sdr)
    note = (
        "SDR in dB. Model far below the oracles: the model is the bottleneck. Oracles low: "
        "the STFT setting is."
        if ceilings
        else "SDR in dB. The oracles are being computed."
    )
    return (
        f"<table><caption>{note}</caption><thead><tr>{head}{last}</tr></thead>"
        f"<tbody>{rows}</tbody></table>"
    )


def _row(stem: str, own: float, ceilings: Mapping[str, Sdrs], before: float | None) -> str:
    gain = math.nan if before is None else own - before
    change = "" if math.isnan(gain) else f" ({gain:+.2f})".replace("-", "−")
    best = [found[stem] for found in ceilings.values()]
    cells = "".join(f"<td>{_decibels(value)}</td>" for value in best)
    gap = f"<td>{_decibels(max(best) - own)}</td>" if best else ""
    return (
        f'<tr><th scope="row">{stem}</th><td class="own">{_decibels(own)}{change}</td>'
        f"{cells}{gap}</tr>"
    )


def _decibels(value: float) -> str:
    """Write an SDR; that of a silent stem is none.

    >>> _decibels(5.678), _decibels(float("nan"))
    ('5.68', '–')
    """
    return "–" if math.isnan(value) else f"{value:.2f}"
