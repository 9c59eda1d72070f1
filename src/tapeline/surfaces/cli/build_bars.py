"""`tapeline build-bars`: bars from a file of trades, as CSV."""

import csv
import gzip
import sys
import zlib
from collections.abc import Iterable, Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, TextIO

from cyclopts import Parameter

from tapeline.errors import BadData, ConfigError
from tapeline.market.bars import BarBuilder
from tapeline.model.event import Bar, Trade
from tapeline.model.interval import interval as interval_named
from tapeline.model.number import number, plain
from tapeline.store import bulk

BULK_BYTES = 2_000_000  # of a file: the `[lake]` extra makes bars of larger ones, with the same result
TRADE_COLUMNS = ("ts_ms", "id", "taker_side", "price", "qty")
BAR_COLUMNS = ("start_ms", "open", "high", "low", "close", "volume", "quote_volume", "trades", "taker_buy_volume")


def build_bars(
    file: Annotated[Path, Parameter(help="The trades.")], *,
    interval: Annotated[
        str, Parameter(name=["--interval", "-i"], help="The bars' interval: 1s, 1m, 1h, 1d, 1w, 1M, ...")
    ],
) -> None:  # fmt: skip
    """Make bars of INTERVAL from FILE, a CSV (or .csv.gz) of trades in order of arrival: ts_ms,id,taker_side,price,qty.

    Prints start_ms,open,high,low,close,volume,quote_volume,trades,taker_buy_volume, one line an interval that holds
    trades, in order. ids and sides may be empty. A row that cannot be read ends it with exit code 2, before any output.
    Where `tapeline[lake]` is installed, large files take a tenth of the time.

    Example: tapeline build-bars --interval 1m trades.csv.gz > bars.csv
    """
    of = interval_named(interval)
    found = bulk.bars_of_file(file, of) if _large(file) and bulk.available() else None
    if found is not None:
        write_bars((_bar(of.name, each) for each in found.bars), sys.stdout)
        _tell(file, found.empty, 0)
        return
    builder = BarBuilder("file:TRADES", [of])
    for trade in read_trades(file):
        builder.add(trade, 0)
    write_bars(builder.finish(0), sys.stdout)
    counts = builder.statistics()
    _tell(file, counts.empty, counts.absurd)


def _large(file: Path) -> bool:
    """Whether it is worth starting DuckDB for. A file that is not there is for the reader to tell."""
    return file.is_file() and file.stat().st_size >= BULK_BYTES


def _tell(file: Path, empty: int, absurd: int) -> None:
    if empty or absurd:
        sys.stderr.write(f"{file}: left out {empty} trades of size zero, {absurd} that no market made\n")


def _bar(interval: str, found: bulk.BulkBar) -> Bar:
    return Bar(
        "file:TRADES", f"bars:{interval}@trades", found.last_at_ns, found.received_ns, "built", interval,
        found.open_at_ns, found.open, found.high, found.low, found.close, found.volume, found.quote_volume,
        found.trades, found.taker_buy_volume, found.first_id, found.last_id, closed=True, revision=1, origin="trades",
    )  # fmt: skip


def write_bars(bars: Iterable[Bar], out: TextIO) -> None:
    """Bars as CSV with a header; plain decimals without trailing zeros."""
    out.write(",".join(BAR_COLUMNS) + "\n")
    out.writelines(bar_row(bar) + "\n" for bar in bars)


def bar_row(bar: Bar) -> str:
    """One line of `BAR_COLUMNS`; what the bar's source does not say is empty."""
    sums = (bar.open, bar.high, bar.low, bar.close, bar.volume, bar.quote_volume)
    fields = [str(bar.open_at_ns // 1_000_000), *("" if value is None else plain(value) for value in sums)]
    fields.append("" if bar.trades is None else str(bar.trades))
    fields.append("" if bar.taker_buy_volume is None else plain(bar.taker_buy_volume))
    return ",".join(fields)


def read_trades(file: Path) -> Iterator[Trade]:
    """The trades of a CSV file, which may be gzipped. Raises ConfigError with file and line."""
    line = 1
    try:
        with gzip.open(file, "rb") if file.suffix == ".gz" else file.open("rb") as raw:
            rows = csv.reader(TextIOWrapper(raw, encoding="utf-8-sig", newline=""))
            header = next(rows, None)
            if header is None or tuple(header) != TRADE_COLUMNS:
                raise ConfigError(
                    f"{file}:1: the columns must be {','.join(TRADE_COLUMNS)}, not {','.join(header or ())!r}"
                )
            for row in rows:
                line = rows.line_num
                if row:
                    yield _trade(row)
    except BadData as error:
        raise ConfigError(f"{file}:{line}: {error}") from error
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{file}: after line {line}: {error}") from error


def _trade(row: list[str]) -> Trade:
    if len(row) != len(TRADE_COLUMNS):
        raise BadData(f"{len(row)} columns, not {len(TRADE_COLUMNS)}")
    stamp, ident, side, price_text, size_text = row
    price, size = number(price_text), number(size_text)
    if price is None or size is None or size < 0:
        raise BadData(f"price {price_text!r} and qty {size_text!r} must be numbers, qty not negative")
    if side not in {"buy", "sell", ""}:
        raise BadData(f"taker_side {side!r} must be buy, sell or empty")
    if not (stamp.isascii() and stamp.isdigit()):
        raise BadData(f"ts_ms {stamp!r} must be integer milliseconds")
    at_ns = int(stamp) * 1_000_000
    seq = int(ident) if ident.isascii() and ident.isdigit() else None
    return Trade("file:TRADES", "trades", at_ns, at_ns, "file", ident, seq, side, price, size)
