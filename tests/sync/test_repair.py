"""One errand: what it asks, which rows were missing, what the ledger is told."""

from decimal import Decimal

from tapeline.model.event import Bar, Trade
from tapeline.model.fact import Stretch
from tapeline.model.interval import MINUTE_NS
from tapeline.sync.plan import Errand
from tapeline.sync.repair import Mending
from tapeline.venues import venue_named
from tapeline.venues.spec import Ask

BTC = "binance:BTC/USDT"
REST = venue_named("binance").rest


def trade(seq: int, at_ns: int, of: str = "trades", first: int | None = None, last: int | None = None) -> Trade:
    return Trade(BTC, of, at_ns, 1, "rest", str(seq), seq, "buy", Decimal(1), Decimal(1), first, last)


def bar(open_ns: int, *, closed: bool = True) -> Bar:
    one = Decimal(1)
    return Bar(
        BTC, "bars:1m", None, 1, "rest", "1m", open_ns, one, one, one, one, one, one, 1, one, None, None, closed,
        revision=1,
    )  # fmt: skip


def test_ids_are_asked_for_and_what_was_held_between_two_holes_does_not_come_out() -> None:
    errand = Errand(BTC, "trades", (Stretch(100, 121, 5, 6, "link_down"), Stretch(130, 151, 9, 9, "id_jump")))
    mending = Mending(errand, REST["trades"], "BTCUSDT")
    assert mending.next() == Ask("trades", "BTCUSDT", from_id=5, limit=5)
    rows = mending.took([trade(5, 101), trade(6, 120), trade(7, 121), trade(8, 130), trade(9, 140), trade(10, 150)])
    assert [row.seq for row in rows if isinstance(row, Trade)] == [5, 6, 9]
    assert mending.next() is None
    facts = mending.settled(77)
    assert [(fact.from_ns, fact.to_ns, fact.state, fact.evidence, fact.why) for fact in facts] == [
        (100, 121, "repaired", "ids", "fetched after link_down"),
        (130, 151, "repaired", "ids", "fetched after id_jump"),
    ]  # fmt: skip
    assert [(fact.first_seq, fact.last_seq, fact.source, fact.known_at_ns) for fact in facts] == [
        (5, None, "rest", 77), (None, 9, "rest", 77),
    ]  # fmt: skip
    assert mending.settled(78) == [], "nothing new"
    assert (mending.count, mending.part) == (3, 1.0)


def test_a_long_hole_is_told_piece_by_piece_from_its_end() -> None:
    mending = Mending(Errand(BTC, "trades", (Stretch(0, 3001, 1, 3000, "restart"),)), REST["trades"], "BTCUSDT")
    assert mending.next() == Ask("trades", "BTCUSDT", from_id=2001, limit=1000)
    mending.took([trade(seq, seq) for seq in range(2001, 3001)])
    facts = mending.settled(1)
    assert mending.count == 1000
    assert [(fact.from_ns, fact.to_ns, fact.first_seq) for fact in facts] == [(2002, 3001, 2001)]
    mending.took([trade(seq, seq) for seq in range(1001, 2001)])
    assert mending.next() == Ask("trades", "BTCUSDT", from_id=1, limit=1000)
    mending.failed("nobody answers")
    facts = mending.settled(2)
    assert mending.count == 2000
    assert [(fact.from_ns, fact.to_ns, fact.state) for fact in facts] == [(1002, 3001, "repaired")]
    assert mending.next() is None


def test_what_the_venue_has_not_got_is_lost_with_the_cause_of_the_hole() -> None:
    mending = Mending(Errand(BTC, "trades", (Stretch(0, 50, 1, 4, "silence"),)), REST["trades"], "BTCUSDT")
    mending.took([trade(4, 40)])
    mending.took([])
    facts = mending.settled(1)
    assert [(fact.from_ns, fact.to_ns, fact.state, fact.cause) for fact in facts] == [
        (0, 41, "unrecoverable", "silence"), (41, 50, "repaired", ""),
    ]  # fmt: skip


def test_bars_that_were_held_do_not_come_again_and_an_open_one_is_left() -> None:
    holes = (Stretch(0, MINUTE_NS, cause="link_down"), Stretch(2 * MINUTE_NS, 4 * MINUTE_NS))
    mending = Mending(Errand(BTC, "bars:1m", holes), REST["bars"], "BTCUSDT")
    assert mending.next() == Ask("bars", "BTCUSDT", "1m", 0, 4 * MINUTE_NS, limit=4)
    rows = mending.took([bar(0), bar(MINUTE_NS), bar(2 * MINUTE_NS), bar(3 * MINUTE_NS, closed=False)])
    assert [row.open_at_ns for row in rows if isinstance(row, Bar)] == [0, 2 * MINUTE_NS]
    facts = mending.settled(1)
    assert [(fact.from_ns, fact.to_ns, fact.state, fact.why) for fact in facts] == [
        (0, MINUTE_NS, "repaired", "fetched after link_down"),
        (2 * MINUTE_NS, 3 * MINUTE_NS, "repaired", "fetched later"),
    ]


def test_aggregates_are_numbered_by_themselves_and_not_by_the_trades_they_hold() -> None:
    call = REST["aggtrades"]
    mending = Mending(Errand(BTC, "aggtrades", (Stretch(0, 50, 7, 8),)), call, "BTCUSDT")
    rows = mending.took([trade(seq, seq, "aggtrades", seq * 100, seq * 100 + 9) for seq in (6, 7, 8, 9)])
    assert [row.seq for row in rows if isinstance(row, Trade)] == [7, 8]


def test_merged_trades_are_numbered_by_the_trades_they_hold() -> None:
    mending = Mending(Errand("okx:BTC/USDT", "trades", (Stretch(0, 50, 7, 8),)), venue_named("okx").rest["trades"], "B")
    assert mending.next() == Ask("trades", "B", from_id=7, limit=2)
    rows = mending.took([trade(6, 1, first=6, last=6), trade(7, 2, first=7, last=7), trade(8, 3, first=8, last=8)])
    assert [row.seq for row in rows if isinstance(row, Trade)] == [7, 8]


def test_trades_whose_ids_nobody_knows_are_found_by_time() -> None:
    usdm = venue_named("binance-usdm").rest["aggtrades"]
    mending = Mending(Errand("x", "aggtrades", (Stretch(1000, 2000),)), usdm, "BTCUSDT", (41, 49))
    assert mending.next() == Ask("aggtrades", "BTCUSDT", from_ns=1000, to_ns=2000, limit=usdm.page)
    rows = mending.took([trade(42, 1500, "aggtrades")])
    assert [row.seq for row in rows if isinstance(row, Trade)] == [42]
