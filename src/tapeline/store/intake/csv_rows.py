"""Bars and trades from CSV: as `tapeline export`, `bars` and `trades` print them, and as `build-bars` reads them."""

import csv
import gzip
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from io import TextIOWrapper
from pathlib import Path

from tapeline.errors import BadData
from tapeline.model.event import Bar, Trade
from tapeline.model.interval import interval as interval_named
from tapeline.model.number import number
from tapeline.store.intake.row import Refused, bar_at, event_or_refusal, needed, number_of, side_of, trade_at, whole

_BAR_NEEDS = ("start_ms", "open", "high", "low", "close", "volume")
_TRADE_NEEDS = ("ts_ms", "id", "taker_side", "price", "qty")
_MS_NS = 1_000_000
_FAULTS = (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error)
Row = Mapping[str, str]


def read_csv(path: Path, instrument: str, channel: str) -> Iterator[Trade | Bar | Refused]:
    """The rows of a CSV file, which may be gzipped, as events of this series; columns are told by their names."""
    needs, make = (_BAR_NEEDS, _bar) if channel.startswith("bars:") else (_TRADE_NEEDS, _trade)
    line = 0
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as raw:
            rows = csv.DictReader(TextIOWrapper(raw, encoding="utf-8-sig", newline=""), restkey="", restval="")
            missing = [name for name in needs if name not in (rows.fieldnames or ())]
            if missing:
                yield Refused(str(path), 1, f"{channel} need the columns {', '.join(needs)}: no {', '.join(missing)}")
                return
            for row in rows:
                line = rows.line_num
                text = ",".join(str(value) for value in row.values())
                made = partial(_made, make, row, instrument, channel)
                found = event_or_refusal(made, str(path), line, text)
                if found is not None:
                    yield found
    except _FAULTS as error:
        yield Refused(str(path), line, f"cannot be read further: {error}")


def _made(make: Callable[[Row, str, str], Trade | Bar], row: Row, instrument: str, channel: str) -> Trade | Bar:
    if "" in row:
        raise BadData("more columns than the header has", kind="bad_row")
    return make(row, instrument, channel)


def _trade(row: Row, instrument: str, channel: str) -> Trade:
    at_ns = whole(row.get("at_ns"), "at_ns")
    if at_ns is None and row["ts_ms"]:
        at_ms = whole(row["ts_ms"], "ts_ms")
        at_ns = None if at_ms is None else trade_at(at_ms * _MS_NS, f"ts_ms {at_ms}", "milliseconds")
    received_ns = whole(row.get("received_ns"), "received_ns")
    if received_ns is None:
        received_ns = at_ns
    if received_ns is None:
        raise BadData("a trade needs a time: ts_ms is empty", kind="bad_time")
    ident, side = row["id"], side_of(row["taker_side"], "taker_side")
    seq = number_of(ident) if not row.get("seq") else whole(row["seq"], "seq")
    return Trade(
        instrument, channel, at_ns, received_ns, row.get("source") or "file", ident, seq,
        side, needed(row["price"], "price"), needed(row["qty"], "qty"), whole(row.get("first_id"), "first_id"),
        whole(row.get("last_id"), "last_id"),
    )  # fmt: skip


def _bar(row: Row, instrument: str, channel: str) -> Bar:
    name, _, built = channel.removeprefix("bars:").partition("@")
    start_ms, of = whole(row["start_ms"], "start_ms"), interval_named(name)
    if start_ms is None:
        raise BadData("start_ms is empty", kind="bad_time")
    open_ns = bar_at(start_ms * _MS_NS, f"start_ms {row['start_ms']!r}", "milliseconds", of)
    received_ns = whole(row.get("received_ns"), "received_ns")
    return Bar(
        instrument, channel, whole(row.get("at_ns"), "at_ns"),
        of.next(open_ns) if received_ns is None else received_ns, row.get("source") or "file", name, open_ns,
        needed(row["open"], "open"), needed(row["high"], "high"), needed(row["low"], "low"),
        needed(row["close"], "close"), needed(row["volume"], "volume"), number(row.get("quote_volume")),
        whole(row.get("trades"), "trades"), number(row.get("taker_buy_volume")),
        whole(row.get("first_id"), "first_id"), whole(row.get("last_id"), "last_id"), closed=True,
        certificate=row.get("certificate", ""), revision=whole(row.get("revision"), "revision") or 1,
        origin=row.get("origin") or built or "venue", reason=row.get("reason", ""),
        known_at_ns=whole(row.get("known_at_ns"), "known_at_ns"),
    )  # fmt: skip
