"""Where in a series a time is."""

import sqlite3
from decimal import Decimal
from pathlib import Path

from tapeline.model.event import Gap, Trade
from tapeline.store import queries
from tapeline.store.place import SLACK_NS, numbers_of
from tapeline.store.reader import open_store
from tapeline.store.series import SeriesStore

BTC, SECOND_NS = "binance:BTC/USDT", 1_000_000_000


def trade(seq: int, at_ns: int) -> Trade:
    return Trade(BTC, "trades", at_ns, at_ns, "ws", str(seq), seq, "buy", Decimal(1), Decimal(1))


def kept(folder: Path, trades: list[Trade]) -> None:
    store = SeriesStore(folder)
    store.write(trades)
    store.close()


def test_a_stretch_of_trades_is_found_without_reading_the_series(tmp_path: Path) -> None:
    kept(tmp_path, [trade(1000 + 3 * second, second * SECOND_NS) for second in range(10_000)])
    with open_store(tmp_path) as store:
        found = store.trades_near(BTC, "trades", 5000 * SECOND_NS, 5010 * SECOND_NS)
        assert [each.at_ns for each in found] == [second * SECOND_NS for second in range(5000, 5010)]
        assert [each.seq for each in found][:2] == [16_000, 16_003]
        assert list(store.trades(BTC, 5000 * SECOND_NS, 5010 * SECOND_NS)) == found
        assert store.trades_near(BTC, "trades", 20_000 * SECOND_NS, 20_010 * SECOND_NS) == []
        low, high = numbers_of(store._connection, 1, 5000 * SECOND_NS, 5010 * SECOND_NS)
    slack = 3 * SLACK_NS // SECOND_NS
    assert 16_000 - slack - 9 <= low <= 16_000 - slack + 9
    assert 16_030 + slack - 9 <= high <= 16_030 + slack + 9


def test_a_wild_stamp_leads_nobody_astray(tmp_path: Path) -> None:
    wild = {512: 9_000_000 * SECOND_NS, 256: -5, 768: 1}
    kept(tmp_path, [trade(number, wild.get(number, number * SECOND_NS)) for number in range(1024)])
    with open_store(tmp_path) as store:
        found = store.trades_near(BTC, "trades", 700 * SECOND_NS, 703 * SECOND_NS)
    assert [each.seq for each in found] == [700, 701, 702]


def test_an_empty_series_has_no_place(tmp_path: Path) -> None:
    SeriesStore(tmp_path).close()
    with sqlite3.connect(tmp_path / "series.sqlite") as connection:
        assert numbers_of(connection, 1, 0, 5) == (0, 0)


def test_where_a_venue_numbered_anew_nothing_is_missed(tmp_path: Path) -> None:
    store = SeriesStore(tmp_path)
    store.write([trade(5000 + second, second * SECOND_NS) for second in range(1000)])
    store.write([Gap(BTC, "trades", 1, 1, "built", 999 * SECOND_NS, 1000 * SECOND_NS, 5999, 10, "id_jump")])
    store.write([trade(10 + second, (1000 + second) * SECOND_NS) for second in range(1000)])
    store.close()
    with open_store(tmp_path) as held:
        found = held.trades_near(BTC, "trades", 990 * SECOND_NS, 1010 * SECOND_NS)
    assert sorted(each.at_ns or 0 for each in found) == [second * SECOND_NS for second in range(990, 1010)]


def test_a_read_of_a_range_reads_only_near_it_and_one_without_ends_reads_all(tmp_path: Path) -> None:
    wild = trade(50_000, 7 * SECOND_NS)
    kept(tmp_path, [*(trade(number, number * SECOND_NS) for number in range(40_000)), wild])
    with open_store(tmp_path) as store:
        assert [each.seq for each in store.trades(BTC, 5 * SECOND_NS, 9 * SECOND_NS)] == [5, 6, 7, 8]
        assert [each.seq for each in store.trades(BTC, 39_998 * SECOND_NS)] == [39_998, 39_999]
        assert [each.seq for each in store.trades(BTC, end=2 * SECOND_NS)] == [0, 1]
        assert list(store.trades(BTC))[-1] == wild
        plan = store._connection.execute(
            "EXPLAIN QUERY PLAN " + queries.TRADES.format(columns="seq"), (1, 5, 9, 0, 10, 10)
        ).fetchall()
    assert "seq>? AND seq<?" in plan[0][3].replace(" ", "").replace("AND", " AND ")


def test_numbers_that_jump_lose_no_trade_at_the_end_of_a_range(tmp_path: Path) -> None:
    """A thin market whose venue merges trades: minutes apart, and three numbers each."""
    kept(tmp_path, [trade(337 + 3 * number, number * 200 * SECOND_NS) for number in range(50)])
    with open_store(tmp_path) as store:
        for number in range(50):
            at_ns = number * 200 * SECOND_NS
            assert [each.at_ns for each in store.trades_near(BTC, "trades", at_ns, at_ns + 1)] == [at_ns]
            assert [each.at_ns for each in store.trades(BTC, at_ns - 5, at_ns + 5)] == [at_ns]
