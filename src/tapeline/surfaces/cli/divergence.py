"""`tapeline divergence`: what a strategy did on paper beside what it did live, from the journals of both runs."""

import csv as csv_files
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from tapeline.errors import BadData, ConfigError
from tapeline.model.number import ROUNDING, plain
from tapeline.model.stamp import iso
from tapeline.store.journal import FILE, Journal
from tapeline.surfaces.options import instant_or_none
from tapeline.surfaces.rows import Cell, write_rows
from tapeline.trading.divergence import WITHIN_NS, Divergence, Pair, Part
from tapeline.trading.divergence import divergence as compared
from tapeline.trading.outcomes import Run, run_of

COLUMNS = (
    "decided", "strategy", "instrument", "side", "kind", "paper_state", "live_state", "paper_filled", "live_filled",
    "paper_price", "live_price", "worse", "cost", "currency", "paper_ms", "live_ms", "paper_id", "live_id",
)  # fmt: skip
SHOWN = COLUMNS[:14]  # on a terminal
DIGITS = Decimal("1e-8")
BASIS_POINTS = Decimal(10_000)


def divergence(
    paper: Annotated[Path, Parameter(help="The store's folder of the paper run, or its journal.sqlite.")],
    live: Annotated[Path, Parameter(help="The same of the live run.")],
    /,
    *,
    from_: Annotated[
        str | None,
        Parameter(name="--from", help="From this time on; where it is not given, from when the later run began."),
    ] = None,
    to: Annotated[str | None, Parameter(help="Up to, not including, this time: ISO 8601 in UTC.")] = None,
    within: Annotated[float, Parameter(help="How many seconds apart the two runs may decide the same.")] = WITHIN_NS
    / 1e9,
    json: Annotated[bool, Parameter(negative=(), help="Print all of it as one JSON object.")] = False,
    csv: Annotated[Path | None, Parameter(help="Write the orders into this file too.")] = None,
) -> None:
    """Compare two runs of the same strategies, on paper and live, order by order and in sum.

    Orders are paired by strategy, instrument, side and kind, and by when they were decided; those that only one run
    decided are listed with the other side empty. Of each pair: what was filled, the average prices, how much worse the
    live one was and what that cost, and how long the first fill took. Either run may still be going.

    Exit codes: 0 compared, 1 a journal cannot be read, 2 bad usage, or there is no journal.

    Example: `tapeline divergence ./paper ./live --csv orders.csv`
    """
    if within < 0:
        raise ConfigError(f"--within {within:g}: write seconds, zero or more")
    found = compared(
        _run(paper), _run(live), from_ns=instant_or_none(from_),
        to_ns=instant_or_none(to), within_ns=round(within * 1e9),
    )  # fmt: skip
    if csv is not None:
        _write(csv, found)
    if json:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
        return
    if found.pairs:
        write_rows(SHOWN, (row(pair)[: len(SHOWN)] for pair in found.pairs), "table")
    sys.stdout.writelines(line + "\n" for line in lines(found))


def _write(path: Path, found: Divergence) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv_files.writer(out, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(map(row, found.pairs))


def lines(found: Divergence) -> Iterator[str]:
    """The sums, for people."""
    until = "" if found.to_ns is None else f" to {iso(found.to_ns)}"
    yield f"from {iso(found.from_ns)}{until}"
    paired = len(found.pairs) - found.alone_on_paper - found.alone_live
    yield (
        f"orders: {paired} of both, {found.alone_on_paper} of the paper run alone, {found.alone_live} of the live run "
        "alone"
    )
    if found.denied_on_paper or found.denied_live:
        yield f"refused by limits: {found.denied_on_paper} on paper, {found.denied_live} live"
    for part in found.parts:
        yield from _part(part)
    if found.later_ns is not None:
        yield (
            f"first fill, median: {_ms(found.paper_delay_ns)} ms on paper, {_ms(found.live_delay_ns)} ms live; live is "
            f"{_ms(found.later_ns)} ms later"
        )
    yield f"fees: {_money(found.paper_fees)} on paper, {_money(found.live_fees)} live"
    if not paired:
        yield (
            "nothing was decided by both: compare the same hours (--from, --to), the same strategy names, and say "
            "--within where they decide at other times"
        )


def row(pair: Pair) -> tuple[Cell, ...]:
    """One pair as `COLUMNS` name it."""
    either = pair.paper or pair.live
    assert either is not None
    of = either.intent
    sides = (pair.paper, pair.live)
    return (
        iso(either.decided_ns), of.strategy, of.instrument, of.side, of.kind,
        *(None if side is None else side.state for side in sides),
        *(None if side is None else plain(side.filled) for side in sides),
        *(None if side is None else _short(side.price) for side in sides),
        _short(pair.worse), _short(pair.cost), pair.currency,
        *(None if side is None or side.delay_ns is None else _ms(side.delay_ns) for side in sides),
        *(None if side is None else side.client_id for side in sides),
    )  # fmt: skip


def _part(part: Part) -> Iterator[str]:
    ratio = "-" if part.fill_ratio is None else f"{part.fill_ratio:.1%}"
    yield (
        f"{part.instrument}: filled on both sides {part.both}, only on paper {part.only_paper}, only live "
        f"{part.only_live}; live filled {ratio} of what paper did"
    )
    if part.worse_share is not None:
        share = ROUNDING.multiply(part.worse_share, BASIS_POINTS)
        yield f"  live was worse by {_short(part.cost)} {part.currency}, {share:.2f} bp of the value"


def _run(path: Path) -> Run:
    folder = path.parent if path.name == FILE else path
    if not (folder / FILE).is_file():
        raise ConfigError(f"no journal in {folder}: name the store's folder of a `tapeline trade` run")
    try:
        journal = Journal(folder)
        try:
            return run_of(journal.replay())
        finally:
            journal.close()
    except sqlite3.Error as error:
        raise BadData(f"the journal in {folder} cannot be read: {error}", kind="journal") from error


def _short(value: Decimal | None) -> str | None:
    """At most eight digits behind the point: an average may have sixty."""
    return None if value is None else plain(ROUNDING.quantize(value, DIGITS))


def _ms(span_ns: int | None) -> str:
    return "-" if span_ns is None else f"{span_ns / 1e6:.1f}"


def _money(amounts: Mapping[str, Decimal]) -> str:
    return ", ".join(f"{_short(amount)} {currency}" for currency, amount in amounts.items() if amount) or "none"
