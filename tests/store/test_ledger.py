"""The coverage ledger on disk: it comes forward with old stores, never claims what is not there, and folds."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tapeline.clock import SystemClock
from tapeline.errors import NotHeld, UnknownInstrument
from tapeline.model.event import Bar, Gap, Trade
from tapeline.model.fact import Fact, Span, Wanted
from tapeline.store.ledger import fold
from tapeline.store.reader import Store, open_store
from tapeline.store.schema import FILE, MIGRATIONS, connect
from tapeline.store.series import Row, SeriesStore
from tapeline.store.writer import StoreWriter

BTC = "binance:BTC/USDT"
AT_NS = 1_723_161_255_342_000_000  # as in store_fixtures
OPEN_NS = 1_723_161_240_000_000_000
MINUTE_NS = 60_000_000_000


def fact(from_ns: int, to_ns: int, state: str = "proven", **changes: Any) -> Fact:
    return msgspec.structs.replace(
        Fact(BTC, "trades", from_ns, to_ns, state, "ids", "ws", "", known_at_ns=1), **changes
    )


def written(folder: Path, *batches: list[Row]) -> Store:
    store = SeriesStore(folder)
    for batch in batches:
        store.write(batch)
    store.close()
    return open_store(folder)


def states(store: Store, channel: str = "trades") -> list[tuple[int, int, str]]:
    return [(span.from_ns, span.to_ns, span.state) for span in store.coverage(BTC, channel)]


def test_facts_come_back_as_they_were_in_order(tmp_path: Path) -> None:
    facts: list[Row] = [
        fact(0, 10, run=3, first_seq=1, last_seq=9),
        fact(10, 20, "missing", cause="link_down", why="so"),
        fact(12, 15, "repaired", source="rest", evidence="overlap"),
    ]
    with written(tmp_path, facts[:1], facts[1:]) as store:
        assert store.ledger.facts(BTC, "trades") == facts
        assert store.coverage(BTC, "trades", 5, 13) == [
            Span(5, 10, "proven", "ids", "ws", ""),
            Span(10, 12, "missing", "ids", "ws", "so", "link_down"),
            Span(12, 13, "repaired", "overlap", "rest", ""),
        ]


def test_a_live_span_is_one_row_however_often_it_grows(tmp_path: Path) -> None:
    grown: list[list[Row]] = [[fact(5, to_ns, run=7, last_seq=to_ns)] for to_ns in (6, 60, 600, 550)]
    with written(tmp_path, *grown, [fact(5, 9, run=8)]) as store:
        assert store.ledger.facts(BTC, "trades") == [fact(5, 550, run=7, last_seq=550), fact(5, 9, run=8)]
        assert store.ledger.live() == {(BTC, "trades"): fact(5, 9, run=8)}


def test_what_is_wanted_grows_over_restarts_and_never_shrinks(tmp_path: Path) -> None:
    rows: list[list[Row]] = [[Wanted(BTC, "trades", 5, to_ns, "live")] for to_ns in (6, 60, 50)]
    with written(tmp_path, *rows, [Wanted(BTC, "trades", 0, 5, "backfill"), fact(5, 60)]) as store:
        assert store.ledger.wanted() == [
            Wanted(BTC, "trades", 0, 5, "backfill"), Wanted(BTC, "trades", 5, 60, "live"),
        ]  # fmt: skip
        assert store.ledger.wanted(BTC, "bars:1m@trades") == store.ledger.wanted(BTC, "trades")
        assert store.ledger.wanted("binance:ETH/USDT") == []
        assert [(hole.from_ns, hole.to_ns, hole.state, hole.cause) for hole in store.holes()] == [
            (0, 5, "missing", "not_fetched")
        ]


def test_what_cannot_be_filled_is_unrecoverable_with_the_reason(tmp_path: Path) -> None:
    lost = "no REST call without a key"
    rows: list[Row] = [Wanted(BTC, "trades", 0, 30, "live", lost), fact(0, 10), fact(20, 30)]
    with written(tmp_path, rows) as store:
        (hole,) = store.holes(BTC, "trades")
        assert (hole.from_ns, hole.to_ns, hole.state, hole.why) == (10, 20, "unrecoverable", lost)
        assert store.holes(BTC, "quotes") == []


def test_built_bars_are_covered_as_their_trades_are(tmp_path: Path, bar: Callable[..., Bar]) -> None:
    with written(tmp_path, [fact(0, 10), bar()]) as store:
        assert store.coverage(BTC, "bars:1m@trades") == store.coverage(BTC, "trades")
        with pytest.raises(NotHeld, match="holds no bars:1m of"):
            store.coverage(BTC, "bars:1m")
        with pytest.raises(UnknownInstrument):
            store.coverage("binance:NOPE/USDT", "trades")


def test_a_trade_that_comes_again_with_another_price_stays_in_dispute(
    tmp_path: Path, trade: Callable[..., Trade]
) -> None:
    again = trade(2, price=msgspec.convert("9.5", type=type(trade().price)), source="rest")
    proven = fact(AT_NS, AT_NS + 10, run=1)
    with written(tmp_path, [trade(1), trade(2), proven], [again], [fact(AT_NS, AT_NS + 10, "repaired")]) as store:
        assert states(store) == [
            (AT_NS, AT_NS + 2, "repaired"), (AT_NS + 2, AT_NS + 3, "disputed"), (AT_NS + 3, AT_NS + 10, "repaired"),
        ]  # fmt: skip
        (hole,) = store.holes()
        assert hole.why.endswith("held sell 0.02 at 61837.63, then came sell 0.02000000 at 9.5 (rest)")


def test_a_row_that_was_set_aside_is_not_held(tmp_path: Path, trade: Callable[..., Trade]) -> None:
    writer = StoreWriter(tmp_path, clock=SystemClock())
    writer.start()
    for row in (trade(1), trade(2, first_id=2**70), trade(3), fact(AT_NS, AT_NS + 9, run=1)):
        writer.offer(row)
    writer.stop()
    with open_store(tmp_path) as store:
        assert states(store) == [
            (AT_NS, AT_NS + 2, "proven"), (AT_NS + 2, AT_NS + 3, "unrecoverable"), (AT_NS + 3, AT_NS + 9, "proven"),
        ]  # fmt: skip
        assert store.holes()[0].cause == "poison"


def overflow(folder: Path, *offered: Row) -> Store:
    """A writer whose queue holds four rows, which are there before it starts."""
    writer = StoreWriter(folder, clock=SystemClock(), batch_size=4, queue_bytes=0)
    for row in offered:
        writer.offer(row)
    writer.start()
    writer.stop()
    return open_store(folder)


def test_rows_that_never_reached_the_disk_are_a_hole_in_what_the_stream_proved(
    tmp_path: Path, trade: Callable[..., Trade]
) -> None:
    written(tmp_path, [trade(1)]).close()
    rows = [trade(number) for number in range(2, 9)]
    with overflow(tmp_path, *rows, fact(AT_NS + 1, AT_NS + 8, run=1)) as store:
        assert states(store) == [
            (AT_NS + 1, AT_NS + 7, "missing"), (AT_NS + 7, AT_NS + 8, "proven"),
        ]  # fmt: skip
        assert [hole.cause for hole in store.holes()] == ["overflow"]


def test_a_hole_that_has_not_ended_lets_no_fact_claim_what_went(tmp_path: Path, trade: Callable[..., Trade]) -> None:
    written(tmp_path, [trade(1)]).close()
    claims = [fact(AT_NS + 1, AT_NS + number, run=1) for number in (3, 4, 5, 6)]
    with overflow(tmp_path, trade(2), trade(3), *claims) as store:
        assert states(store) == []
        assert [gap.open for gap in store.gaps()] == [True]


def test_a_fact_that_tells_of_a_hole_leaves_one_when_it_is_dropped(tmp_path: Path, trade: Callable[..., Trade]) -> None:
    written(tmp_path, [trade(1)]).close()
    dropped = fact(AT_NS + 1, AT_NS + 3, "missing", run=1, cause="link_down")
    harmless = fact(AT_NS + 1, AT_NS + 2, run=1)
    with overflow(tmp_path, harmless, Wanted(BTC, "trades", 1, 2, "live"), dropped, *map(trade, range(3, 7))) as store:
        assert states(store) == [(AT_NS + 1, AT_NS + 4, "missing")]


def gap(channel: str, after_ns: int | None, before_ns: int | None, **changes: Any) -> Gap:
    return msgspec.structs.replace(
        Gap(BTC, channel, None, 7, "built", after_ns, before_ns, None, None, "overflow"), **changes
    )


def test_an_overflow_of_bars_is_a_hole_of_whole_bars(tmp_path: Path) -> None:
    rows: list[Row] = [
        gap("bars:1m", OPEN_NS, OPEN_NS + 3 * MINUTE_NS),
        gap("bars:5m", OPEN_NS, OPEN_NS + 5 * MINUTE_NS),
        gap("trades", None, 9),
        gap("quotes", 5, 9, cause="link_down"),
    ]
    with written(tmp_path, rows) as store:
        assert states(store, "bars:1m") == [(OPEN_NS + MINUTE_NS, OPEN_NS + 3 * MINUTE_NS, "missing")]
        assert states(store, "bars:5m") == []
        assert states(store, "trades") == [(9, 10, "missing")]
        assert states(store, "quotes") == [], "whoever saw that gap says what it means"


def test_a_store_of_version_1_comes_forward_with_the_holes_it_had_on_record(tmp_path: Path) -> None:
    old = connect(tmp_path, migrations=MIGRATIONS[:1])
    for series, channel in enumerate(("trades", "quotes", "bars:1m"), 1):
        old.execute("INSERT INTO series VALUES (?, ?, ?)", (series, BTC, channel))
    for series, after_ns, before_ns, after_seq, before_seq, still_open in (
        (1, 100, 200, 5, 9, 0), (1, 300, None, 9, None, 1), (2, 100, 200, None, None, 0), (3, 61, 190, 60, 180, 0),
    ):  # fmt: skip
        old.execute(
            "INSERT INTO gaps (series, received_ns, after_ns, before_ns, after_seq, before_seq, cause, open) "
            "VALUES (?, 7, ?, ?, ?, ?, 'link_down', ?)",
            (series, after_ns, before_ns, after_seq, before_seq, still_open),
        )
    old.close()
    connect(tmp_path).close()
    with open_store(tmp_path) as store:
        assert [(h.channel, h.from_ns, h.to_ns, h.state, h.cause) for h in store.holes()] == [
            ("bars:1m", 60, 180, "missing", "link_down"),
            ("quotes", 100, 201, "unrecoverable", "link_down"),
            ("trades", 100, 201, "missing", "link_down"),
        ]
        assert len(store.gaps()) == 4


def test_facts_that_change_nothing_are_folded_when_a_store_is_opened(tmp_path: Path) -> None:
    rows: list[Row] = [fact(number, number + 1, "missing") for number in range(600)]
    with written(tmp_path, [*rows, fact(0, 599, "repaired")]) as store:
        assert len(store.ledger.facts(BTC, "trades")) == 601
        before = states(store)
    with written(tmp_path) as store:
        assert len(store.ledger.facts(BTC, "trades")) == 2
        assert states(store) == before == [(0, 599, "repaired"), (599, 600, "missing")]
    with sqlite3.connect(tmp_path / FILE, isolation_level=None) as raw:
        assert fold(raw) == 0
    raw.close()


def test_a_store_with_a_version_that_has_no_ledger_says_so(tmp_path: Path) -> None:
    connect(tmp_path, migrations=MIGRATIONS[:1]).close()
    with open_store(tmp_path) as store, pytest.raises(NotHeld, match="older than the coverage ledger"):
        store.holes()
