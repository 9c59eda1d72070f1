"""Bars and trades from Parquet and Arrow files, as `tapeline export` writes them, and those with the same columns."""

from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from tapeline.errors import BadData
from tapeline.model.event import Bar, Trade
from tapeline.model.interval import interval as interval_named
from tapeline.store.extras import optional
from tapeline.store.intake.row import Refused, event_or_refusal

_BATCH = 50_000
_BAR_NEEDS = ("open_at_ns", "open", "high", "low", "close", "volume")
_TRADE_NEEDS = ("id", "price", "size")
_BAR_USUAL: dict[str, Any] = {"certificate": "", "revision": 1, "reason": "", "source": "file"}


def read_arrow(path: Path, instrument: str, channel: str) -> Iterator[Trade | Bar | Refused]:
    """The rows of a .parquet or .arrow file as events of this series; floats by their shortest text."""
    pa = optional("pyarrow", f"reading {path.suffix}")
    bars = channel.startswith("bars:")
    line = 0
    try:
        for batch in _batches(path):
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


def _batches(path: Path) -> Iterator[Any]:
    if path.suffix == ".parquet":
        with optional("pyarrow.parquet", "reading Parquet").ParquetFile(path) as file:
            yield from file.iter_batches(_BATCH)
        return
    with optional("pyarrow.ipc", "reading Arrow").open_file(str(path)) as file:
        for number in range(file.num_record_batches):
            yield file.get_batch(number)


def _trade(row: dict[str, Any], instrument: str, channel: str) -> Trade:
    at_ns, received_ns = row.get("at_ns"), row.get("received_ns")
    received_ns = at_ns if received_ns is None else received_ns
    if received_ns is None:
        raise BadData("a trade needs a time: at_ns is empty", kind="bad_time")
    ident = str(row["id"])
    numbered = int(ident) if ident.isascii() and ident.isdigit() else None
    return Trade(
        instrument, channel, at_ns, received_ns, row.get("source") or "file", ident,
        row.get("seq", numbered), row.get("side") or "", _number(row, "price"), _number(row, "size"),
        row.get("first_id"), row.get("last_id"),
    )  # fmt: skip


def _bar(row: dict[str, Any], instrument: str, channel: str) -> Bar:
    name, _, built = channel.removeprefix("bars:").partition("@")
    open_ns, of = row["open_at_ns"], interval_named(name)
    if open_ns is None or of.floor(open_ns) != open_ns:
        raise BadData(f"open_at_ns {open_ns} is no start of a bar of {name}", kind="bad_time")
    received_ns = row.get("received_ns")
    rest = {key: row[key] if row.get(key) is not None else usual for key, usual in _BAR_USUAL.items()}
    return Bar(
        instrument=instrument, channel=channel, at_ns=row.get("at_ns"), interval=name, open_at_ns=open_ns,
        received_ns=of.next(open_ns) if received_ns is None else received_ns, open=_number(row, "open"),
        high=_number(row, "high"), low=_number(row, "low"), close=_number(row, "close"),
        volume=_number(row, "volume"), quote_volume=_maybe(row.get("quote_volume")), trades=row.get("trades"),
        taker_buy_volume=_maybe(row.get("taker_buy_volume")), first_id=row.get("first_id"), last_id=row.get("last_id"),
        closed=True, origin=row.get("origin") or built or "venue", known_at_ns=row.get("known_at_ns"), **rest,
    )  # fmt: skip


def _number(row: dict[str, Any], name: str) -> Decimal:
    value = _maybe(row[name])
    if value is None:
        raise BadData(f"{name} is empty", kind="bad_number")
    return value


def _maybe(value: Any) -> Decimal | None:
    if isinstance(value, float):
        value = Decimal(repr(value))
    if value is None or (isinstance(value, Decimal) and value.is_finite()):
        return value
    if isinstance(value, int):
        return Decimal(value)
    raise BadData(f"{value!r} is not a number", kind="bad_number")
