from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeline.model.event import Bar, BookDelta, BookSnapshot, Event, Gap, Quote, Trade
from tapeline.model.instrument import Instrument
from tapeline.model.interval import interval
from tapeline.model.number import plain
from tapeline.trading.paper.matching import Matcher
from tapeline.trading.paper.outcome import Hit, Lapsed, Matching, Triggered
from tapeline.trading.paper.ticket import Ticket

D = Decimal
BTC = Instrument(
    venue="toy", symbol="BTC/USDT", native="BTCUSDT", kind="spot", base="BTC", quote="USDT",
    tick=D("0.01"), lot=D("0.001"),
)  # fmt: skip
MINUTE_NS = interval("1m").length_ns


def snapshot(
    bids: Sequence[tuple[str, str]], asks: Sequence[tuple[str, str]], *, at_ns: int = 1, seq: int = 1
) -> BookSnapshot:
    return BookSnapshot(BTC.id, "book", at_ns, at_ns, "ws", bids, asks, last_seq=seq)


def delta(bids: Sequence[tuple[str, str]], asks: Sequence[tuple[str, str]], *, at_ns: int, seq: int) -> BookDelta:
    return BookDelta(BTC.id, "book", at_ns, at_ns, "ws", bids, asks, first_seq=seq, last_seq=seq)


def trade(
    price: str, size: str, side: str = "sell", *, at_ns: int | None = 10, channel: str = "trades", source: str = "ws"
) -> Trade:
    return Trade(BTC.id, channel, at_ns, 10, source, "1", 1, side, D(price), D(size))


def quote(bid: str, bid_size: str, ask: str, ask_size: str, *, at_ns: int = 1) -> Quote:
    return Quote(BTC.id, "quotes", at_ns, at_ns, "ws", D(bid), D(bid_size), D(ask), D(ask_size))


def bar(minute: int, open_: str, high: str, low: str, close: str, *, closed: bool = True, name: str = "1m") -> Bar:
    return Bar(
        BTC.id, f"bars:{name}", None, 1, "ws", name, minute * MINUTE_NS, D(open_), D(high), D(low), D(close), D(9),
        None, None, None, None, None, closed,
    )  # fmt: skip


def limit(name: str, side: str, size: str, price: str | None, number: int = 1) -> Ticket:
    return Ticket(name, number, side, D(size), None if price is None else D(price))


def stop(name: str, side: str, trigger: str | None, kind: str = "stop", trail: str | None = None) -> Ticket:
    ticket = Ticket(name, 1, side, D(1), None)
    ticket.kind = kind
    ticket.trigger = None if trigger is None else D(trigger)
    ticket.trail = None if trail is None else D(trail)
    return ticket


def _text(price: Decimal | None) -> str:
    return "None" if price is None else plain(price)


def hits(matcher: Matcher, *events: Event) -> list[tuple[str, str, str, str]]:
    """What comes of it: (order, price, size, liquidity), or (order, "triggered" | "lapsed", "", "")."""
    found = []
    for event in events:
        for outcome in matcher.market(event):
            match outcome:
                case Hit(ticket, price, size, liquidity):
                    found.append((ticket.name, plain(price), plain(size), liquidity))
                case Triggered(ticket):
                    found.append((ticket.name, "triggered", _text(matcher.last), ""))
                case Lapsed(ticket):
                    found.append((ticket.name, "lapsed", "", ""))
    return found


def with_book(settings: Matching | None = None) -> Matcher:
    matcher = Matcher(BTC, settings)
    hits(matcher, snapshot([("99", "5"), ("98", "4")], [("100", "2"), ("101", "3"), ("103", "9")]))
    return matcher


# ---- taking


def test_an_order_walks_the_book_to_its_limit() -> None:
    matcher = with_book()
    assert matcher.preview("buy", D(4), limit=D(102)) == [(D(100), D(2)), (D(101), D(2))]
    assert matcher.preview("buy", D(10), limit=D(102)) == [(D(100), D(2)), (D(101), D(3))]
    assert matcher.preview("sell", D(6)) == [(D(99), D(5)), (D(98), D(1))]
    assert matcher.preview("sell", D(6), limit=D("99.5")) == []


def test_what_was_taken_stays_taken_until_the_market_says_otherwise() -> None:
    matcher = with_book()
    matcher.take("buy", matcher.preview("buy", D("1.5")))
    assert matcher.preview("buy", D(1)) == [(D(100), D("0.5")), (D(101), D("0.5"))]
    hits(matcher, delta([], [("100", "2.2")], at_ns=2, seq=2))  # 0.2 more are there: they are new
    assert matcher.preview("buy", D(1), limit=D(100)) == [(D(100), D("0.7"))]
    hits(matcher, delta([], [("100", "1")], at_ns=3, seq=3))  # others took the rest
    assert matcher.preview("buy", D(1), limit=D(100)) == []
    hits(matcher, delta([], [("100", "0")], at_ns=4, seq=4), delta([], [("100", "2")], at_ns=5, seq=5))
    assert matcher.preview("buy", D(9), limit=D(100)) == [(D(100), D(2))]


def test_a_snapshot_with_the_same_levels_gives_nothing_back() -> None:
    matcher = with_book()
    matcher.take("buy", matcher.preview("buy", D(2)))
    hits(matcher, snapshot([("99", "5")], [("100", "2"), ("101", "3")], seq=9))
    assert matcher.preview("buy", D(1)) == [(D(101), D(1))]


def test_money_buys_whole_lots_level_by_level() -> None:
    matcher = with_book()
    assert matcher.preview("buy", None, spend=D("250.55")) == [(D(100), D(2)), (D(101), D("0.500"))]
    assert matcher.preview("buy", None, spend=D("0.05")) == []


def test_quotes_show_one_level_and_a_market_order_takes_the_rest_there_too() -> None:
    matcher = Matcher(BTC, Matching(slippage=D("0.001")))
    hits(matcher, quote("99", "5", "100", "2"))
    assert matcher.preview("buy", D(3), limit=D(100)) == [(D(100), D(2))]
    assert matcher.preview("buy", D(3)) == [(D(100), D(2)), (D("100.10"), D(1))]
    takes = matcher.preview("sell", D(8))
    assert takes == [(D(99), D(5)), (D("98.90"), D(3))]
    matcher.take("sell", takes)
    assert matcher.preview("sell", D(1), limit=D(99)) == []


def test_trades_alone_give_a_price() -> None:
    matcher = Matcher(BTC)
    assert matcher.preview("buy", D(1)) == []
    assert (matcher.price("buy"), matcher.mid()) == (None, None)
    hits(matcher, trade("100", "1"))
    assert matcher.preview("buy", D(7)) == [(D(100), D(7))]
    assert matcher.preview("buy", D(7), limit=D(99)) == []
    assert (matcher.crosses("buy", D(100)), matcher.crosses("sell", D(101))) == (True, False)


# ---- waiting in the queue


def test_a_queue_is_eaten_by_trades_before_we_are_filled() -> None:
    matcher = with_book()
    matcher.rest(limit("a", "buy", "2", "99"))
    assert hits(matcher, trade("99", "4")) == []
    assert hits(matcher, trade("99", "2.5")) == [("a", "99", "1.5", "maker")]
    assert hits(matcher, trade("99", "9", "buy")) == []  # it took an ask
    assert hits(matcher, trade("99", "3")) == [("a", "99", "0.5", "maker")]
    assert hits(matcher, trade("99", "3")) == []


def test_orders_of_ours_share_a_trade_by_price_and_time() -> None:
    matcher = with_book()
    matcher.rest(limit("late", "buy", "1", "99", 2))
    matcher.rest(limit("first", "buy", "1", "99", 1))
    matcher.rest(limit("best", "buy", "1", "99.5", 3))
    assert hits(matcher, trade("99", "6.5")) == [("best", "99.5", "1", "maker"), ("first", "99", "0.5", "maker")]
    assert hits(matcher, trade("99", "1")) == [("first", "99", "0.5", "maker"), ("late", "99", "0.5", "maker")]


def test_a_trade_through_the_price_fills_as_much_as_was_traded() -> None:
    matcher = with_book()
    matcher.rest(limit("a", "buy", "2", "99"))
    assert hits(matcher, trade("98.5", "0.5")) == [("a", "99", "0.5", "maker")]
    whole = with_book(Matching(whole=True))
    whole.rest(limit("a", "buy", "2", "99"))
    assert hits(whole, trade("98.5", "0.5")) == [("a", "99", "2", "maker")]


def test_cancels_ahead_count_by_the_stated_share() -> None:
    for share, then in ((D(0), "1"), (D("0.5"), "2")):
        matcher = with_book(Matching(cancel_share=share))
        hits(matcher, delta([("99", "10")], [], at_ns=2, seq=2))
        matcher.rest(limit("a", "buy", "5", "99"))
        hits(matcher, delta([("99", "13")], [], at_ns=3, seq=3))  # three joined behind us
        hits(matcher, delta([("99", "11")], [], at_ns=4, seq=4))  # two left, from somewhere
        assert hits(matcher, trade("99", "11", at_ns=5)) == [("a", "99", then, "maker")]


def test_a_level_that_shows_less_than_was_ahead_shortens_the_queue() -> None:
    matcher = with_book()
    matcher.rest(limit("a", "buy", "1", "99"))
    hits(matcher, delta([("99", "1")], [], at_ns=20, seq=2))
    assert hits(matcher, trade("99", "1.5", at_ns=21)) == [("a", "99", "0.5", "maker")]


def test_a_trade_that_the_book_told_of_first_is_counted_once() -> None:
    matcher = with_book()
    matcher.rest(limit("a", "buy", "1", "99"))  # five are ahead
    hits(matcher, delta([("99", "2")], [], at_ns=20, seq=2))  # three were traded: the book comes first
    assert hits(matcher, trade("99", "3", at_ns=19)) == []
    assert hits(matcher, trade("99", "2.5", at_ns=21)) == [("a", "99", "0.5", "maker")]


def test_a_level_that_is_not_seen_has_a_queue_once_it_is() -> None:
    matcher = with_book()
    matcher.rest(limit("deep", "buy", "1", "90"))
    assert hits(matcher, trade("90", "5", at_ns=3)) == []
    hits(matcher, delta([("90", "2"), ("98", "0"), ("99", "0")], [], at_ns=4, seq=2))
    assert hits(matcher, trade("90", "2.5", at_ns=5)) == [("deep", "90", "0.5", "maker")]


def test_the_market_comes_to_our_price() -> None:
    matcher = with_book()
    matcher.rest(limit("a", "buy", "4", "99.5"))
    event = delta([("99", "0")], [("99.2", "1"), ("99.4", "2")], at_ns=3, seq=2)
    assert hits(matcher, event) == [("a", "99.5", "1", "maker"), ("a", "99.5", "2", "maker")]
    assert hits(matcher, delta([], [("99.2", "1.5")], at_ns=4, seq=3)) == [("a", "99.5", "0.5", "maker")]
    assert hits(matcher, delta([], [("99.4", "9")], at_ns=5, seq=4)) == [("a", "99.5", "0.5", "maker")]


def test_a_trade_from_before_the_order_came_does_not_fill_it() -> None:
    matcher = with_book()
    hits(matcher, trade("99.7", "1", at_ns=50))
    matcher.rest(limit("a", "buy", "1", "99"))
    assert hits(matcher, trade("98", "9", at_ns=49)) == []
    assert hits(matcher, trade("98", "9", at_ns=None)) == [("a", "99", "1", "maker")]


def test_without_a_book_only_a_trade_through_the_price_fills_unless_touch_is_set() -> None:
    for touch, filled in ((False, []), (True, [("a", "99", "0.4", "maker")])):
        matcher = Matcher(BTC, Matching(touch=touch))
        hits(matcher, trade("100", "1"))
        matcher.rest(limit("a", "buy", "1", "99"))
        assert hits(matcher, trade("99", "0.4")) == filled
        assert hits(matcher, trade("98.9", "0.3", "buy")) == [("a", "99", "0.3", "maker")]


def test_one_of_two_channels_of_trades_counts_and_nothing_that_came_late() -> None:
    matcher = Matcher(BTC)
    matcher.rest(limit("a", "sell", "9", "100"))
    assert hits(matcher, trade("101", "1", "buy", channel="aggtrades")) == [("a", "100", "1", "maker")]
    assert hits(matcher, trade("101", "1", "buy", at_ns=11)) == [("a", "100", "1", "maker")]
    assert hits(matcher, trade("101", "1", "buy", channel="aggtrades", at_ns=12)) == []
    assert hits(matcher, trade("101", "1", "buy", at_ns=5, source="rest")) == []


def test_a_removed_order_is_not_filled() -> None:
    matcher = with_book()
    first, second = limit("a", "buy", "1", "99.5", 1), limit("b", "buy", "1", "99.5", 2)
    matcher.rest(first)
    matcher.rest(second)
    found = []
    for outcome in matcher.market(trade("99.4", "5")):
        assert isinstance(outcome, Hit)
        found.append(outcome.ticket.name)
        matcher.remove(second)
    assert found == ["a"]


def test_a_lost_book_is_not_traded_on() -> None:
    matcher = with_book()
    hits(matcher, Gap(BTC.id, "book", 1, 1, "ws", 1, None, 1, None, "link_down"))
    assert matcher.preview("buy", D(1)) == []
    hits(matcher, delta([], [("100", "1")], at_ns=3, seq=7))
    assert matcher.preview("buy", D(1)) == []
    hits(matcher, snapshot([("99", "5")], [("100", "2"), ("101", "1")], seq=6))
    assert matcher.preview("buy", D(3)) == [(D(100), D(1)), (D(101), D(1))]


# ---- triggers


@pytest.mark.parametrize(
    ("kind", "side", "before", "at"),
    [("stop", "sell", "95.01", "95"), ("stop", "buy", "94.99", "95"), ("take_profit", "sell", "94.99", "95"),
     ("take_profit", "buy", "95.01", "95"), ("stop_limit", "sell", "95.01", "94"),
     ("take_profit_limit", "buy", "96", "95")],
)  # fmt: skip
def test_an_order_leaves_when_its_price_is_traded(kind: str, side: str, before: str, at: str) -> None:
    matcher = Matcher(BTC)
    hits(matcher, trade(before, "1"))
    waiting = stop("a", side, "95", kind)
    assert not matcher.would_trigger(waiting)
    matcher.wait(waiting)
    assert hits(matcher, trade(before, "1")) == []
    assert hits(matcher, trade(at, "1"), trade(at, "1")) == [("a", "triggered", at, "")]


def test_a_stop_that_is_reached_already_is_known() -> None:
    matcher = Matcher(BTC)
    assert not matcher.would_trigger(stop("a", "sell", "95"))
    hits(matcher, trade("95", "1"))
    assert matcher.would_trigger(stop("a", "sell", "95"))


def test_a_trailing_stop_follows_and_never_goes_back() -> None:
    matcher = Matcher(BTC)
    hits(matcher, trade("100", "1"))
    matcher.wait(stop("a", "sell", None, "trailing_stop", "0.1"))
    assert hits(matcher, trade("120", "1"), trade("109", "1")) == []
    assert hits(matcher, trade("108", "1")) == [("a", "triggered", "108", "")]
    matcher.wait(stop("b", "buy", None, "trailing_stop", "0.1"))
    assert hits(matcher, trade("50", "1"), trade("54", "1")) == []
    assert hits(matcher, trade("55", "1")) == [("b", "triggered", "55", "")]


def test_without_trades_a_trigger_looks_at_the_book() -> None:
    matcher = Matcher(BTC)
    hits(matcher, quote("99", "1", "100", "1"))
    matcher.wait(stop("a", "sell", "98"))
    matcher.wait(stop("gone", "sell", "98"))
    matcher.remove(matcher._waiting[1])
    assert hits(matcher, quote("98", "1", "100", "1")) == [("a", "triggered", "None", "")]


# ---- bars


def test_an_order_placed_between_bars_takes_at_the_next_open() -> None:
    matcher = Matcher(BTC)
    hits(matcher, bar(1, "100", "101", "99", "100"))
    assert matcher.deferred
    brief = limit("ioc", "buy", "1", "100", 3)
    brief.brief = True
    for ticket in (limit("market", "buy", "2", None, 1), limit("limit", "sell", "1", "101", 2), brief):
        matcher.rest(ticket)
    assert hits(matcher, bar(2, "102", "102", "102", "102", closed=False)) == []
    assert hits(matcher, bar(2, "102", "103", "101.5", "103")) == [
        ("market", "102", "2", "taker"), ("limit", "102", "1", "taker"), ("ioc", "lapsed", "", ""),
    ]  # fmt: skip
    assert hits(matcher, bar(2, "1", "1", "1", "1"), bar(0, "1", "1", "1", "1", name="1h")) == []


def test_a_bar_is_played_along_its_path() -> None:
    matcher = Matcher(BTC)
    hits(matcher, bar(1, "100", "100", "100", "100"))
    matcher.rest(limit("buy", "buy", "1", "98"))
    matcher.rest(limit("touched", "buy", "1", "97"))
    matcher.rest(limit("sell", "sell", "1", "103"))
    matcher.wait(stop("stop", "sell", "99"))
    matcher.wait(stop("profit", "buy", "98", "take_profit"))
    up = bar(2, "100", "104", "97", "102")
    assert hits(matcher, up) == [
        ("stop", "triggered", "99", ""), ("buy", "98", "1", "maker"), ("profit", "triggered", "98", ""),
        ("sell", "103", "1", "maker"),
    ]  # fmt: skip
    matcher.wait(stop("trail", "sell", None, "trailing_stop", "0.1"))
    assert hits(matcher, bar(3, "102", "110", "99", "100")) == [("trail", "triggered", "99", "")]
    assert hits(matcher, bar(4, "90", "91", "89", "90")) == [("touched", "97", "1", "maker")]


def test_orders_that_waited_for_a_bar_take_from_what_is_better_known() -> None:
    matcher = Matcher(BTC)
    hits(matcher, bar(1, "100", "100", "100", "100"))
    matcher.rest(limit("market", "buy", "2", None))
    matcher.rest(limit("rests", "buy", "2", "98", 2))
    found = hits(matcher, snapshot([("99", "5")], [("100", "1"), ("101", "3")]))
    assert found == [("market", "100", "1", "taker"), ("market", "101", "1", "taker")]
    assert hits(matcher, bar(2, "1", "1", "1", "1")) == []
    assert hits(matcher, trade("97", "1", at_ns=9 * MINUTE_NS)) == [("rests", "98", "1", "maker")]


# ---- against an independent model


class Naive:
    """One resting buy order at 100, told as a list of units: market units "m", ours "o"."""

    def __init__(self, ahead: int, ours: int, behind: int) -> None:
        self.line = ["m"] * ahead + ["o"] * ours + ["m"] * behind

    def traded(self, size: int) -> int:
        """The market's queue is taken from the front by what was traded; ours by what of it reached us."""
        ahead = self.line.index("o") if "o" in self.line else 0
        ours = self.line.count("o")
        filled = min(ours, max(0, size - ahead))
        eaten = min(ahead, size)
        self.line = self.line[eaten:]
        for _ in range(filled):
            self.line.remove("o")
        return filled

    def shows(self, size: int) -> None:
        """Cancels come from behind as long as there are any, then from ahead; what joins stands behind."""
        market = self.line.count("m")
        while market > size:
            last = len(self.line) - 1 - self.line[::-1].index("m")
            del self.line[last]
            market -= 1
        self.line += ["m"] * (size - market)


@settings(max_examples=300, deadline=None)
@given(
    st.integers(0, 8), st.integers(1, 6),
    st.lists(st.tuples(st.sampled_from(["trade", "join", "cancel"]), st.integers(1, 6)), max_size=30),
)  # fmt: skip
def test_the_queue_is_that_of_a_model_made_of_units(ahead: int, ours: int, steps: list[tuple[str, int]]) -> None:
    matcher, naive = Matcher(BTC), Naive(ahead, ours, 0)
    shown, at_ns, seq = ahead, 10, 1
    hits(matcher, snapshot([("100", str(shown)), ("99", "1")], [("101", "1")], at_ns=at_ns, seq=seq))
    matcher.rest(limit("a", "buy", str(ours), "100"))
    for what, size in steps:
        at_ns, seq = at_ns + 1, seq + 1
        if what == "trade":
            filled = sum(int(hit[2]) for hit in hits(matcher, trade("100", str(size), at_ns=at_ns)))
            assert filled == naive.traded(size)
            shown = max(0, shown - size)
        else:
            shown = shown + size if what == "join" else max(0, shown - size)
        if "o" not in naive.line:
            return
        naive.shows(shown)
        at_ns += 1
        hits(matcher, delta([("100", str(shown))], [], at_ns=at_ns, seq=seq))
