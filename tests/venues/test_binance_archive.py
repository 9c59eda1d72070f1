from decimal import Decimal

import pytest

from tapeline.errors import BadData
from tapeline.model.event import Bar, Trade
from tapeline.venues.binance.archive import read, series

BTC = "binance:BTC/USDT"
JAN_MS = 1704067200000


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("BTCUSDT-1m-2024-01.zip", ("BTCUSDT", "bars:1m")), ("BTCUSDT-1M-2024-01.zip", ("BTCUSDT", "bars:1M")),
        ("BTCUSDT-1mo-2024-01.zip", ("BTCUSDT", "bars:1M")), ("ETHUSDT-trades-2024-01-02.csv", ("ETHUSDT", "trades")),
        ("ETHUSDT_240329-aggTrades-2024-01-02.zip", ("ETHUSDT_240329", "aggtrades")),
        ("BTCUSDT-7m-2024-01.zip", None), ("BTCUSDT-bookTicker-2024-01.zip", None), ("notes.zip", None),
    ],
)  # fmt: skip
def test_names_say_the_series(name: str, told: tuple[str, str] | None) -> None:
    assert series(name) == told


def test_klines_in_milliseconds_and_microseconds() -> None:
    row = [str(JAN_MS), "42283.58", "42298.62", "42261.02", "42298.61", "35.92724", str(JAN_MS + 59_999),
           "1519032.94497", "1327", "23.18766", "980394.35", "0"]  # fmt: skip
    bar = read(row, BTC, "bars:1m")
    assert isinstance(bar, Bar)
    assert (bar.open_at_ns, bar.close, bar.volume, bar.trades) == (
        JAN_MS * 10**6, Decimal("42298.61"), Decimal("35.92724"), 1327,
    )  # fmt: skip
    assert (bar.quote_volume, bar.taker_buy_volume) == (Decimal("1519032.94497"), Decimal("23.18766"))
    assert (bar.source, bar.origin, bar.certificate, bar.revision, bar.received_ns) == (
        "file", "venue", "", 1, (JAN_MS + 60_000) * 10**6,
    )  # fmt: skip
    assert read([str(JAN_MS * 1000), *row[1:]], BTC, "bars:1m") == bar


def test_trades_and_aggregates() -> None:
    trade = read(["3", "1.5", "2", "3.0", f"{JAN_MS}001", "True", "True"], BTC, "trades")
    assert trade == Trade(
        BTC, "trades", JAN_MS * 10**6 + 1000, JAN_MS * 10**6 + 1000, "file", "3", 3, "sell", Decimal("1.5"), Decimal(2)
    )
    both = read(["7", "1.5", "2", "20", "22", str(JAN_MS), "false"], BTC, "aggtrades")
    assert isinstance(both, Trade)
    assert (both.seq, both.first_id, both.last_id, both.side, both.at_ns) == (7, 20, 22, "buy", JAN_MS * 10**6)


def test_a_header_is_no_row() -> None:
    assert read(["open_time", "open"], BTC, "bars:1m") is None
    assert read(["id", "price"], BTC, "trades") is None


@pytest.mark.parametrize(
    ("channel", "row", "told"),
    [
        ("trades", ["3", "1.5"], "2 columns, not 6 or more"),
        ("trades", ["3x", "1", "2", "3", "4", "True"], "'3x' is not a whole number"),
        ("trades", ["3", "1", "2", "3", "4", "maybe"], "neither true nor false"),
        ("aggtrades", ["3", "", "2", "3", "4", "5", "True"], "an empty price"),
        ("bars:1m", ["61000", *["1"] * 9], "61000 is no start of a bar of 1m"),
        ("bars:1m", ["60000", "1,5", *["1"] * 9], "is not a number"),
    ],
)
def test_what_cannot_be_read(channel: str, row: list[str], told: str) -> None:
    with pytest.raises(BadData, match=told):
        read(row, BTC, channel)
