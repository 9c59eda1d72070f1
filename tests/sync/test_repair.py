"""One errand: what it asks, which rows were missing, what the ledger is told."""

from dataclasses import replace
from decimal import Decimal

from tapeline.model.event import Bar, Trade
from tapeline.model.fact import Fact, Stretch
from tapeline.model.interval import MINUTE_NS
from tapeline.sync.plan import Errand
from tapeline.sync.repair import Mending, unbroken
from tapeline.sync.repair import listed as as_listed
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


def listed(*orders: tuple[int, int, int]) -> list[Trade]:
    """Aggregates as the venue lists them by time: (first, last, at)."""
    return [trade(at_ns, at_ns, "aggtrades", first, last) for first, last, at_ns in orders]


def in_full(mending: Mending, *orders: tuple[int, int, int]) -> Mending:
    """A list that goes back far enough, though shorter than a page: it is asked for twice."""
    ask = mending.next()
    assert ask is not None
    assert (ask.call, ask.from_id) == ("aggtrades", None)
    assert mending.took(listed(*orders)) == []
    assert mending.next() == ask
    assert mending.took(listed(*orders)) == []
    return mending


def test_ids_are_asked_for_and_what_was_held_between_two_holes_does_not_come_out() -> None:
    errand = Errand(BTC, "trades", (Stretch(100, 121, 5, 6, "link_down"), Stretch(130, 151, 9, 9, "id_jump")))
    mending = Mending(errand, REST["trades"], "BTCUSDT")
    assert mending.next() == Ask("aggtrades", "BTCUSDT", to_ns=151, limit=8), "by time first: numbers may begin anew"
    in_full(mending, (1, 3, 90), (4, 4, 100), (5, 5, 101), (6, 6, 120), (7, 8, 130), (9, 9, 140), (10, 10, 150))
    assert mending.next() == Ask("trades", "BTCUSDT", from_id=5, limit=5)
    rows = mending.took([trade(5, 101), trade(6, 120), trade(7, 130), trade(8, 130), trade(9, 140), trade(10, 150)])
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
    in_full(mending, (0, 0, 0), (1, 3000, 1), (3001, 3001, 3000))
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
    in_full(mending, (0, 0, 0), (1, 3, 20), (4, 4, 40), (5, 5, 49))
    mending.took([trade(4, 40)])
    mending.took([])
    facts = mending.settled(1)
    assert [(fact.from_ns, fact.to_ns, fact.state, fact.cause) for fact in facts] == [
        (0, 41, "unrecoverable", "silence"), (41, 50, "repaired", ""),
    ]  # fmt: skip


def test_the_store_is_asked_once_before_numbers_that_brought_nothing_are_given_up() -> None:
    errand = Errand(BTC, "trades", (Stretch(0, 50, 1, 4, "restart"),))
    mending = Mending(errand, REST["trades"], "BTCUSDT")
    assert not mending.asks_the_store([]), "it is the list that is empty"
    in_full(mending, (0, 0, 0), (1, 3, 20), (4, 4, 40), (5, 5, 49))
    assert not mending.asks_the_store([trade(4, 40)])
    mending.took([trade(4, 40)])
    assert [mending.asks_the_store([]), mending.asks_the_store([])] == [True, False]
    mending.given([trade(2, 20), trade(9, 30), trade(3, 20 + 10**10)])  # the last two are none of the hole's
    assert mending.took([]) == []
    facts = mending.settled(1)
    assert (mending.next(), mending.count) == (None, 1)
    assert [(fact.from_ns, fact.to_ns, fact.state) for fact in facts] == [
        (0, 21, "unrecoverable"), (21, 41, "unrecoverable"), (41, 50, "repaired"),
    ]  # fmt: skip


def test_where_numbers_are_not_known_the_store_is_not_asked() -> None:
    mending = Mending(Errand(BTC, "trades", (Stretch(100, 200, cause="late_start"),)), REST["trades"], "BTCUSDT")
    in_full(mending, (0, 0, 0), (1, 3, 120), (4, 4, 140), (5, 5, 199))
    assert not mending.asks_the_store([])
    bars = Mending(Errand(BTC, "bars:1m", (Stretch(0, MINUTE_NS),)), REST["bars"], "BTCUSDT")
    assert not bars.asks_the_store([])
    bars.given([trade(1, 1)])
    assert bars.settled(1) == []


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
    page = [
        trade(seq, at_ns, "aggtrades", seq * 100, seq * 100 + 9) for seq, at_ns in ((6, 0), (7, 20), (8, 30), (9, 49))
    ]
    assert mending.took(page) == [], "short of the five that were asked for"
    assert [row.seq for row in mending.took(page) if isinstance(row, Trade)] == [7, 8]
    assert mending.next() is None


def test_merged_trades_are_numbered_by_the_trades_they_hold() -> None:
    mending = Mending(Errand("okx:BTC/USDT", "trades", (Stretch(0, 50, 7, 8),)), venue_named("okx").rest["trades"], "B")
    assert mending.next() == Ask("trades", "B", to_ns=50, limit=5)
    rows = mending.took(
        [trade(seq, at_ns, first=seq, last=seq) for seq, at_ns in ((5, -9), (6, 0), (7, 2), (8, 9), (9, 49))]
    )
    assert [row.seq for row in rows if isinstance(row, Trade)] == [7, 8]
    assert mending.next() is None
    assert [(fact.from_ns, fact.to_ns, fact.state) for fact in mending.settled(1)] == [(0, 50, "repaired")]


def test_trades_whose_ids_nobody_knows_are_found_by_time() -> None:
    usdm = venue_named("binance-usdm").rest["aggtrades"]
    mending = Mending(Errand("x", "aggtrades", (Stretch(1000, 2000),)), usdm, "BTCUSDT")
    assert mending.next() == Ask("aggtrades", "BTCUSDT", to_ns=2000, limit=usdm.page)
    page = [trade(seq, seq + 900, "aggtrades") for seq in range(42, 42 + usdm.page)]
    rows = mending.took(page)
    assert [row.seq for row in rows if isinstance(row, Trade)] == list(range(100, 1042))


def test_what_lies_in_a_hole_by_its_time_was_missed_whatever_its_number() -> None:
    """Another numbering began in it: the first two have numbers beyond those that look missing."""
    call = venue_named("binance-usdm").rest["aggtrades"]
    second = 10**9
    mending = Mending(Errand(BTC, "aggtrades", (Stretch(0, 99 * second + 1, 11, 12),)), call, "BTCUSDT")
    told = ((9, -9), (10, 0), (11, 20), (12, 30), (13, 40), (11, 70), (12, 80), (13, 99))
    page = [trade(seq, at_s * second, "aggtrades") for seq, at_s in told]
    rows = mending.took(page)
    assert sorted((row.at_ns or 0) // second for row in rows if isinstance(row, Trade)) == [20, 30, 40, 70, 80]


def test_a_trade_that_the_venue_lists_and_does_not_give_is_in_dispute() -> None:
    """Of an outage over which numbers followed each other: nobody would know of it but by the list."""
    call = replace(REST["trades"], page=10)
    second, of_list = 10**9, "aggtrades"
    mending = Mending(Errand(BTC, "trades", (Stretch(0, 99 * second + 1, 11, 10),)), call, "BTCUSDT")
    told = [(10, 0), (11, 50), (11, 99)]
    listing = [trade(seq, at_s * second, of_list, seq, seq) for seq, at_s in told]
    while (ask := mending.next()) is not None:
        mending.took(listing[-(ask.limit or 1) :] if ask.call == of_list else ())
    states = {fact.state for fact in map(as_listed, mending.settled(1)) if fact.from_ns <= 50 * second < fact.to_ns}
    assert states == {"disputed"}


def test_what_else_is_lost_stays_as_it_was_said() -> None:
    lost = Fact(BTC, "trades", 0, 9, "unrecoverable", "", "rest", "the venue has no older ones", 1)
    whole = Fact(BTC, "trades", 0, 9, "repaired", "ids", "rest", "fetched after link_down", 1)
    assert as_listed(lost) == lost
    assert (unbroken(lost), unbroken(whole).state, unbroken(whole).why) == (
        lost, "proven", "asked for again: nothing was missing",
    )  # fmt: skip
