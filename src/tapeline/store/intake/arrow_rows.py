"""Bars and trades from Parquet and Arrow files, as `tapeline export` writes them, and those with the same columns."""

from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from math import isnan
from pathlib import Path
from typing import Any

from tapeline.errors import BadData
from tapeline.model.event import Bar, Trade
from tapeline.model.interval import interval as interval_named
from tapeline.model.number import number
from tapeline.store.extras import optional
from tapeline.store.intake.row import (
    FIRST,
    LAST,
    Refused,
    bar_at,
    event_or_refusal,
    filled,
    number_of,
    side_of,
    trade_at,
)

_BATCH = 50_000
_BAR_NEEDS = ("open_at_ns", "open", "high", "low", "close", "volume")
_TRADE_NEEDS = ("id", "price", "size")
_BAR_USUAL: dict[str, Any] = {"certificate": "", "reason": "", "source": "file"}


def read_arrow(path: Path, instrument: str, channel: str) -> Iterator[Trade | Bar | Refused]:
    """The rows of a .parquet or .arrow file as events of this series; floats by their shortest text."""
    pa = optional("pyarrow", f"reading {path.suffix}")
    bars = channel.startswith("bars:")
    line = 0
    try:
        for batch in batches(path):
            missing = [name for name in (_BAR_NEEDS if bars else _TRADE_NEEDS) if name not in batch.schema.names]
            if missing:
                yield Refused(str(path), 0, f"{channel} need the columns {', '.join(missing)}")
                return
            for row in batch.to_pylist():
                line += 1
                make = partial(_bar if bars else _trade, row, instrument, channel)
                found = event_or_refusal(make, str(path), line, str(row))
                if found is not None:
                    yield found
    except (pa.ArrowException, OSError) as error:
        yield Refused(str(path), line, f"cannot be read further: {error}")


def batches(path: Path) -> Iterator[Any]:
    """The rows of such a file, some at a time."""
    if path.suffix == ".parquet":
        with optional("pyarrow.parquet", "reading Parquet").ParquetFile(path) as file:
            yield from file.iter_batches(_BATCH)
        return
    with optional("pyarrow.ipc", "reading Arrow").open_file(str(path)) as file:
        for number in range(file.num_record_batches):
            yield file.get_batch(number)


def _trade(row: dict[str, Any], instrument: str, channel: str) -> Trade:
    at_ns, received_ns = _whole(row, "at_ns"), _whole(row, "received_ns")
    if at_ns is not None and received_ns is None:  # not a row of ours
        trade_at(at_ns, f"at_ns {at_ns}", "nanoseconds")
    received_ns = at_ns if received_ns is None else received_ns
    if received_ns is None:
        raise BadData("a trade needs a time: at_ns is empty", kind="bad_time")
    ident = _text(row, "id")
    return Trade(
        instrument, channel, at_ns, received_ns, row.get("source") or "file", ident,
        _whole(row, "seq") if "seq" in row else number_of(ident), side_of(_text(row, "side"), "side"),
        _number(row, "price"), _number(row, "size"), _whole(row, "first_id"), _whole(row, "last_id"),
    )  # fmt: skip


def _bar(row: dict[str, Any], instrument: str, channel: str) -> Bar:
    name, _, built = channel.removeprefix("bars:").partition("@")
    open_ns, of = _whole(row, "open_at_ns"), interval_named(name)
    if open_ns is None:
        raise BadData("open_at_ns is empty", kind="bad_time")
    bar_at(open_ns, f"open_at_ns {open_ns}", "nanoseconds", of)
    received_ns, revision = _whole(row, "received_ns"), _whole(row, "revision")
    rest = {key: row[key] if row.get(key) is not None else usual for key, usual in _BAR_USUAL.items()}
    return Bar(
        instrument=instrument, channel=channel, at_ns=_whole(row, "at_ns"), interval=name, open_at_ns=open_ns,
        received_ns=of.next(open_ns) if received_ns is None else received_ns, open=_number(row, "open"),
        high=_number(row, "high"), low=_number(row, "low"), close=_number(row, "close"),
        volume=_number(row, "volume"), quote_volume=_maybe(row.get("quote_volume")), trades=_whole(row, "trades"),
        taker_buy_volume=_maybe(row.get("taker_buy_volume")), first_id=_whole(row, "first_id"),
        last_id=_whole(row, "last_id"), closed=True, revision=1 if revision is None else revision,
        origin=row.get("origin") or built or "venue", known_at_ns=_whole(row, "known_at_ns"), **rest,
    )  # fmt: skip


def _told(row: dict[str, Any], name: str) -> Any:
    """A cell, as it was before pandas made its column floats: whole again, and None where it is empty."""
    value = row.get(name)
    if isinstance(value, float):
        return None if isnan(value) else int(value) if value.is_integer() else value
    return value


def _whole(row: dict[str, Any], name: str) -> int | None:
    """A whole number; None where it is empty. Raises BadData."""
    value = _told(row, name)
    if value is None:
        return None
    if type(value) is not int or not FIRST <= value <= LAST:
        unit = ": give it as whole nanoseconds" if name.endswith("_ns") else ""
        raise BadData(f"{name} {value!r:.60} is not a whole number{unit}", kind="bad_number")
    return value


def _text(row: dict[str, Any], name: str) -> str:
    """Text; a number's digits where that is what there is."""
    value = _told(row, name)
    return "" if value is None else str(value)


def _number(row: dict[str, Any], name: str) -> Decimal:
    return filled(_maybe(row[name]), name)


def _maybe(value: Any) -> Decimal | None:
    if isinstance(value, str):
        return number(value)
    if isinstance(value, float):
        value = Decimal(repr(value))
    if value is None or (isinstance(value, Decimal) and value.is_finite()):
        return value
    if isinstance(value, int):
        return Decimal(value)
    raise BadData(f"{value!r} is not a number", kind="bad_number")
