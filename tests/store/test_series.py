import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from tapeline.model.event import Bar, Event, Gap, Link, Mark, Notice, Trade
from tapeline.model.instrument import Instrument
from tapeline.store.reader import open_store
from tapeline.store.series import POISON_FILE, ROW_FAULTS, PointRow, SeriesStore

BTC = "binance:BTC/USDT"
NOW_NS = 1_723_161_300_000_000_000


class Stopped:
    def now(self) -> float:
        return 0.0

    def wall_ns(self) -> int:
        return NOW_NS


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SeriesStore]:
    held = SeriesStore(tmp_path)
    yield held
    held.close()


def count(store: SeriesStore, table: str) -> int:
    return int(store.connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608  # our own names


def test_a_repeat_is_no_duplicate(store: SeriesStore, trade: Callable[..., Trade]) -> None:
    store.write([trade(1), trade(2)])
    store.write([trade(2), trade(3)])
    assert count(store, "trades") == 3
    assert store.disputes == 0


def test_another_price_for_the_same_id_is_a_dispute_and_changes_nothing(
    store: SeriesStore, trade: Callable[..., Trade], tmp_path: Path
) -> None:
    store.write([trade(1)])
    store.write([trade(1, price=Decimal("61837.64"))])
    assert store.disputes == 1
    with open_store(tmp_path) as held:
        assert [each.price for each in held.trades(BTC)] == [Decimal("61837.63")]
        (dispute,) = held.disputes()
    assert (dispute.instrument, dispute.channel, dispute.id, dispute.held[0]) == (BTC, "trades", "1", 61837.63)
    assert dispute.given == trade(1, price=Decimal("61837.64"))


def test_a_number_that_comes_again_much_later_is_another_trade_and_a_dispute(
    store: SeriesStore, trade: Callable[..., Trade]
) -> None:
    """A venue that numbers anew: price, size and side may well be the same."""
    first = trade(1)
    at_ns = first.at_ns or 0
    store.write([first])
    store.write([trade(1, at_ns=at_ns + 4 * 10**9)])
    assert store.disputes == 0, "one reading of a stamp or another"
    store.write([trade(1, at_ns=at_ns + 60 * 10**9)])
    assert store.disputes == 1
    (found,) = store.found
    assert (found.from_ns, found.to_ns, found.state) == (at_ns + 60 * 10**9, at_ns + 60 * 10**9 + 1, "disputed")


def test_a_dispute_in_a_batch_that_fails_is_not_counted(store: SeriesStore, trade: Callable[..., Trade]) -> None:
    store.write([trade(1)])
    with pytest.raises(AttributeError):
        store.write([trade(1, price=Decimal(2)), "no row"])  # type: ignore[list-item]  # what is being tested
    assert store.disputes == 0
    assert count(store, "disputes") == 0


def test_a_row_of_nonsense_takes_nothing_with_it(store: SeriesStore, trade: Callable[..., Trade]) -> None:
    with pytest.raises(ROW_FAULTS):
        store.write([trade(1), trade(2, price=Decimal("NaN"))])
    assert count(store, "trades") == 0


def test_what_sqlite_has_rolled_back_itself_is_not_rolled_back_again(
    store: SeriesStore, trade: Callable[..., Trade]
) -> None:
    store.write([trade(1)])
    pages = store.connection.execute("PRAGMA page_count").fetchone()[0]
    store.connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(sqlite3.OperationalError, match="full"):
        store.write([trade(number, channel="aggtrades") for number in range(5000)])
    assert count(store, "series") == 1
    store.connection.execute("PRAGMA max_page_count = 100000")
    store.write([trade(2, channel="aggtrades")])
    assert count(store, "series") == 2


def test_a_batch_is_written_whole_or_not_at_all(store: SeriesStore, trade: Callable[..., Trade]) -> None:
    with pytest.raises((sqlite3.Error, OverflowError)):
        store.write([trade(1), trade(2, at_ns=2**70)])
    assert count(store, "trades") == 0
    assert count(store, "series") == 0
    store.write([trade(1)])
    assert count(store, "trades") == 1


def test_digits_beyond_a_float_come_back(store: SeriesStore, trade: Callable[..., Trade], tmp_path: Path) -> None:
    price = Decimal("0.123456789012345678901")
    store.write([trade(1, price=price)])
    with open_store(tmp_path) as held:
        assert [each.price for each in held.trades(BTC)] == [price]


def test_a_trade_without_id_or_seq_is_told_apart_by_content(store: SeriesStore, trade: Callable[..., Trade]) -> None:
    same = trade(1, id="", seq=None)
    store.write([same, same, trade(1, id="", seq=None, size=Decimal(3))])
    assert count(store, "trades") == 2


def test_a_higher_revision_supersedes_and_the_older_stays(
    store: SeriesStore, bar: Callable[..., Bar], tmp_path: Path
) -> None:
    store.write([bar()])
    store.write([bar(revision=2, close=Decimal(61829), certificate="partial", reason="late trade")])
    store.write([bar(revision=1, close=Decimal(1))])
    with open_store(tmp_path) as held:
        newest = list(held.bars(BTC, "1m@trades"))
        older = list(held.bars(BTC, "1m@trades", superseded=True))
    assert [(each.revision, each.close, each.certificate) for each in newest] == [(2, Decimal(61829), "partial")]
    assert [(each.revision, each.close, each.certificate) for each in older] == [(1, Decimal(61828), "complete")]


def test_two_revisions_in_one_batch_leave_both(store: SeriesStore, bar: Callable[..., Bar], tmp_path: Path) -> None:
    first, second = bar(), bar(revision=2, close=Decimal(61829), known_at_ns=bar().received_ns + 9)
    store.write([first, second, bar(open_at_ns=bar().open_at_ns + 60 * 10**9)])
    with open_store(tmp_path) as held:
        assert [each.revision for each in held.bars(BTC, "1m@trades")] == [2, 1]
        assert list(held.bars(BTC, "1m@trades", superseded=True)) == [first]


def test_built_volumes_keep_all_their_digits(store: SeriesStore, bar: Callable[..., Bar], tmp_path: Path) -> None:
    long = bar(quote_volume=Decimal("768787.4591831000000001"), taker_buy_volume=None, high=Decimal(61900))
    store.write([bar(open_at_ns=0), long])
    with open_store(tmp_path) as held:
        assert list(held.bars(BTC, "bars:1m@trades")) == [bar(open_at_ns=0), long]
    exact = store.connection.execute("SELECT exact FROM bars ORDER BY open_at_ns").fetchall()
    assert exact == [(None,), ('{"quote_volume":"768787.4591831000000001"}',)]


def test_an_open_bar_is_not_stored(store: SeriesStore, bar: Callable[..., Bar]) -> None:
    store.write([bar(closed=False, revision=0)])
    assert count(store, "bars") == 0


def gap(**changes: object) -> Gap:
    fields: dict[str, object] = {
        "instrument": BTC, "channel": "trades", "at_ns": 20, "received_ns": 21, "source": "built", "after_ns": 10,
        "before_ns": 20, "after_seq": 1, "before_seq": 5, "cause": "link_down", "open": False,
    }  # fmt: skip
    return Gap(**(fields | changes))  # type: ignore[arg-type]  # the fields of the struct, by name


def test_an_open_gap_gives_way_to_the_closed_one(store: SeriesStore, tmp_path: Path) -> None:
    store.write([gap(before_ns=None, before_seq=None, open=True)])
    store.write([gap(cause="restart"), gap(cause="restart")])
    with open_store(tmp_path) as held:
        assert held.gaps() == [gap(cause="restart")]
        assert held.gaps(BTC, "quotes") == []


def test_instruments_get_a_version_only_where_they_change(store: SeriesStore, tmp_path: Path) -> None:
    one = Instrument(venue="binance", symbol="BTC/USDT", native="BTCUSDT", kind="spot", base="BTC", quote="USDT")
    store.write([one])
    store.write([one])
    finer = Instrument(
        venue="binance", symbol="BTC/USDT", native="BTCUSDT", kind="spot", base="BTC", quote="USDT",
        tick=Decimal("0.01"), valid_from_ns=7,
    )  # fmt: skip
    store.write([finer])
    assert count(store, "instruments") == 2
    with open_store(tmp_path) as held:
        assert held.instruments() == [finer]
        assert held.versions(BTC) == [one, finer]


def test_a_field_that_is_new_since_an_instrument_was_stored_makes_no_version(tmp_path: Path) -> None:
    one = Instrument(venue="binance", symbol="BTC/USDT", native="BTCUSDT", kind="spot", base="BTC", quote="USDT")
    with closing(SeriesStore(tmp_path)) as first:
        first.write([one])
        first.connection.execute("UPDATE instruments SET body = json_remove(body, '$.code')")
        first.connection.commit()
    with closing(SeriesStore(tmp_path)) as second:
        second.write([one])
        assert count(second, "instruments") == 1


def test_a_change_without_a_date_begins_now(tmp_path: Path) -> None:
    one = Instrument(venue="binance", symbol="BTC/USDT", native="BTCUSDT", kind="spot", base="BTC", quote="USDT")
    halted = msgspec.structs.replace(one, status="halted")
    with closing(SeriesStore(tmp_path, Stopped())) as store:
        store.write([one])
        store.write([halted])
    with open_store(tmp_path) as held:
        assert held.versions(BTC) == [one, msgspec.structs.replace(halted, valid_from_ns=NOW_NS)]


def test_a_row_that_not_even_the_store_can_set_aside_lies_beside_it(
    store: SeriesStore, trade: Callable[..., Trade], tmp_path: Path
) -> None:
    store.connection.execute("DROP TABLE poison")
    store.poison(trade(1), "it is bad")
    store.poison(object(), "it is worse")  # type: ignore[arg-type]  # what is being tested
    first, second = map(json.loads, (tmp_path / POISON_FILE).read_text().splitlines())
    assert (first["type"], first["reason"], json.loads(first["body"])["id"]) == ("Trade", "it is bad", "1")
    assert (second["type"], second["reason"]) == ("object", "it is worse")
    assert second["body"].startswith("<object object")


def test_the_point_of_trades_is_where_the_rows_end(
    store: SeriesStore, trade: Callable[..., Trade], tmp_path: Path
) -> None:
    first = trade(5)
    store.write([PointRow(BTC, "trades", first.at_ns, first.received_ns, 5), trade(6), trade(7)])
    store.write([trade(2, source="rest", received_ns=first.received_ns + 10**9)])  # a repair is no progress
    store.write([trade(1, channel="aggtrades", seq=None)])
    newest = trade(7)
    with open_store(tmp_path) as held:
        assert held.points() == [PointRow(BTC, "trades", newest.at_ns, newest.received_ns, 7)]
    store.write([trade(8), PointRow(BTC, "trades", newest.at_ns, newest.received_ns, 7)])  # noted before it was
    with open_store(tmp_path) as held:
        assert [point.seq for point in held.points()] == [8]


def test_the_last_good_point_of_a_series(
    store: SeriesStore, trade: Callable[..., Trade], bar: Callable[..., Bar]
) -> None:
    store.write([trade(1), trade(2), bar(), PointRow(BTC, "quotes", 5, 6, 7)])
    assert store.last_good(BTC, "trades") == (trade(2).at_ns, 2)
    assert store.last_good(BTC, "bars:1m@trades") == (bar().open_at_ns, None)
    assert store.last_good(BTC, "quotes") == (5, 7)
    assert store.last_good(BTC, "book") == (None, None)


def test_links_notices_points_and_slow_channels(store: SeriesStore, tmp_path: Path) -> None:
    link = Link(
        None, "link", None, 5, "ws", "binance", "binance/public/1", (), "down", "backing_off", "cut", 2, final=True
    )
    rows: list[Event | PointRow] = [
        link,
        Notice(None, "notice", None, 6, "ws", "binance", "64008", "soon"),
        PointRow(BTC, "quotes", None, 9, 77),
        PointRow(BTC, "quotes", None, 10, 78),
        Mark(BTC, "mark", 1, 2, "ws", Decimal("100.5")),
    ]
    store.write(rows)
    with open_store(tmp_path) as held:
        assert held.links() == [link]
        assert held.points() == [PointRow(BTC, "quotes", None, 10, 78)]
        assert held.events(BTC, "mark")[0]["price"] == "100.5"
        assert held.notices() == [rows[1]]


def test_series_keys_survive_a_reopening(tmp_path: Path, trade: Callable[..., Trade]) -> None:
    store = SeriesStore(tmp_path)
    store.write([trade(1)])
    store.close()
    store = SeriesStore(tmp_path)
    store.write([trade(1), trade(2)])
    assert count(store, "series") == 1
    assert count(store, "trades") == 2
    store.close()
