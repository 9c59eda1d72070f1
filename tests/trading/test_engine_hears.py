"""What the engine makes of every kind of event: who hears it, what it wakes, what it is worth."""

from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from engine_fixtures import BTC, PERP, Bench
from tapeline.model.account import AccountMode, Fill, Payment, Position
from tapeline.model.event import Bar, BookDelta, BookSnapshot, Gap, Link, Mark, Quote, Repair, Status, Ticker
from tapeline.trading.command import Note, Submit
from tapeline.trading.desk import BookView
from tapeline.trading.input import Healthy
from tapeline.trading.strategy import Strategy

D = Decimal


class Ears(Strategy):
    instruments = (BTC.id, PERP.id)
    channels = ("trades", "quotes", "book", "mark", "ticker", "bars:1m")

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.heard: list[str] = []

    def on_quote(self, quote: Quote) -> None:
        self.heard.append(f"quote {quote.bid}")

    def on_bar(self, bar: Bar) -> None:
        self.heard.append(f"bar {bar.revision}")

    def on_book(self, book: BookView) -> None:
        self.heard.append(f"book {book.top(1)[0][0][0]}")

    def on_event(self, event: Any) -> None:
        self.heard.append(type(event).__name__)

    def on_payment(self, payment: Payment) -> None:
        self.heard.append(payment.kind)

    def on_health(self, health: Healthy) -> None:
        self.heard.append(health.check)


class Shelf:
    """A keeper whose books are what the last snapshot said; deltas break them."""

    def __init__(self) -> None:
        self.instrument, self.synchronised = BTC.id, True
        self._bid, self.lost = D(0), ""

    def apply(self, event: BookSnapshot | BookDelta, _now_ns: int) -> BookView | None:
        if isinstance(event, BookSnapshot):
            self._bid = D(event.bids[0][0])
        else:
            self.synchronised = False
        return self if event.bids else None

    def lose(self, _instrument: str, _channel: str, why: str, _now_ns: int) -> None:
        self.synchronised, self.lost = False, why

    def top(self, count: int) -> tuple[list[tuple[Decimal, Decimal]], list[tuple[Decimal, Decimal]]]:
        return [(self._bid, D(1))][:count], [(self._bid + 1, D(1))][:count]


def bar(close: str, *, closed: bool = True, revision: int = 1, low: str = "", high: str = "") -> Bar:
    price = D(close)
    return Bar(
        BTC.id, "bars:1m", 1, 1, "ws", interval="1m", open_at_ns=0, open=price, high=D(high or close),
        low=D(low or close), close=price, volume=D(1), quote_volume=None, trades=1, taker_buy_volume=None,
        first_id=None, last_id=None, closed=closed, revision=revision,
    )  # fmt: skip


def quote(bid: str, ask: str) -> Quote:
    return Quote(BTC.id, "quotes", 1, 1, "ws", D(bid), D(1), D(ask), D(1))


def test_every_event_goes_to_its_own_hook_and_no_other() -> None:
    ears = Ears()
    bench = Bench(ears)
    bench.engine._books = Shelf()
    for event in (
        quote("99", "101"), bar("5", closed=False), bar("100"), Mark(BTC.id, "mark", 1, 1, "ws", D(100)),
        Ticker(BTC.id, "ticker", 1, 1, "ws", D(100)), BookSnapshot(BTC.id, "book", 1, 1, "ws", [("98", "1")], []),
        BookDelta(BTC.id, "book", 1, 1, "ws", [], []), BookDelta(BTC.id, "book", 1, 1, "ws", [("97", "1")], []),
        Link(None, "link", 1, 1, "ws", "sim", "c", (), "down", "backing_off", "cut"), Healthy("clock", "warn", "", 1),
        Mark("sim:ETH/USDT", "mark", 1, 1, "ws", D(100)),
    ):  # fmt: skip
        bench.step(event)
    assert ears.heard == ["quote 99", "bar 1", "Mark", "Ticker", "book 98", "clock"]


def test_a_book_whose_stream_is_gone_is_lost_at_once_and_one_with_a_hole_behind_it_is_not() -> None:
    bench, shelf = Bench(), Shelf()
    bench.engine._books = shelf
    bench.step(BookSnapshot(BTC.id, "book", 1, 1, "ws", [("98", "1")], []))
    hole = Gap(BTC.id, "book", 2, 2, "built", 1, 2, 7, 9, "link_down")
    bench.step(hole)
    assert (shelf.lost, bench.strategy.book(BTC.id).synchronised) == ("", True), "its keeper judges by what follows"
    bench.step(replace(hole, open=True))
    assert (shelf.lost, bench.strategy.book(BTC.id).synchronised) == ("link_down", False)
    assert bench.strategy.price(BTC.id) is None, "stale levels are no price"


def test_without_a_keeper_books_are_nobodys() -> None:
    ears = Ears()
    bench = Bench(ears)
    bench.step(BookSnapshot(BTC.id, "book", 1, 1, "ws", [("98", "1")], []))
    assert ears.heard == []


def test_where_no_trades_are_heard_bids_and_asks_set_off_what_waits() -> None:
    bench = Bench()
    bench.step(quote("99", "101"))
    bench.free("BTC", "1")
    stop = bench.strategy.sell(BTC.id, "0.1", stop="95")
    assert not [each for each in bench.step(quote("95.1", "95.2")) if isinstance(each, Submit)]
    (sent,) = bench.submitted(bench.step(quote("95", "95.2")))
    assert sent.order.client_id == stop.client_id


def test_bars_and_books_set_off_what_waits_too() -> None:
    bench = Bench()
    bench.step(bar("100"))
    bench.strategy.buy(BTC.id, "0.1", stop="110")
    (sent,) = bench.submitted(bench.step(bar("105", low="99", high="112")))
    assert sent.order.intent.side == "buy"
    booked = Bench()
    booked.engine._books = Shelf()
    booked.step(BookSnapshot(BTC.id, "book", 1, 1, "ws", [("98", "1")], []))
    booked.strategy.buy(BTC.id, "0.1", stop="110")
    assert booked.submitted(booked.step(BookSnapshot(BTC.id, "book", 1, 1, "ws", [("109", "1")], [])))


def test_a_corrected_bar_is_told_and_moves_no_price() -> None:
    ears = Ears()
    bench = Bench(ears)
    bench.step(bar("100"))
    bench.step(bar("101", revision=2))
    assert ears.heard == ["bar 1", "bar 2"]
    assert (bench.engine.situation.sight(BTC.id).last, bench.strategy.bars(BTC.id, "1m", 1)[0].close) == (
        D(100),
        D(101),
    )


def test_holes_repairs_and_a_closed_market_are_known_to_risk() -> None:
    bench = Bench()
    bench.price("100")
    sight = bench.engine.situation.sight(BTC.id)
    bench.step(Gap(BTC.id, "trades", 1, 1, "ws", 1, None, None, None, "cut"))
    assert sight.holes_ns == bench.now_ns
    bench.step(Repair(BTC.id, "trades", 1, 1, "rest", 1, 2, "repaired", 1, "cut", ""))
    assert sight.holes_ns == bench.now_ns
    bench.step(Status(BTC.id, "status", 1, 1, "ws", "halted"))
    assert bench.strategy.buy(BTC.id, "0.1", price=100).reason == "market_closed"
    bench.step(Status("sim:NEW/USDT", "status", 1, 1, "ws", "trading"))


def test_funding_is_booked_and_told_to_those_who_watch_the_instrument() -> None:
    ears = Ears()
    bench = Bench(ears)
    payment = Payment(PERP.id, "payments", 1, 1, "ws", "main", id="1", currency="USDT", amount=D(-2), kind="funding")
    bench.step(payment)
    bench.step(payment)
    assert bench.strategy.balance("USDT").total == D(-2)
    assert ears.heard[0] == "funding"
    bench.step(Position(PERP.id, "positions", 1, 1, "ws", "main", size=D(1)))
    assert bench.strategy.position(PERP.id) == 0, "positions are reconciled, not believed"


def test_an_account_says_whether_it_hedges() -> None:
    bench = Bench()
    bench.price("100", PERP)
    bench.step(AccountMode(None, "account", 1, 1, "ws", "main", hedge=True))
    assert bench.strategy.buy(PERP.id, 1).reason == "position_mode"
    order = bench.strategy.buy(PERP.id, 1, position="long")
    bench.fill(order.client_id, "1", position="long")
    bench.told(order.client_id, "filled", "1")
    assert bench.strategy.position(PERP.id, "long") == D(1)
    closing = bench.strategy.close(PERP.id, position="long")
    assert closing is not None
    assert (closing.intent.side, closing.intent.position) == ("sell", "long")


def test_fills_of_nobody_and_of_what_nobody_knows() -> None:
    bench = Bench()
    shared: dict[str, Any] = {"side": "buy", "price": D(1), "size": D(1)}
    bench.step(Fill(BTC.id, "fills", 1, 1, "ws", "main", id="1", client_id="x", venue_id="y", **shared))
    assert bench.strategy.position(BTC.id) == 0
    assert bench.engine.situation.ledger.holding("main", BTC.id).size == D(1)
    commands = bench.step(Fill("sim:X/Y", "fills", 1, 1, "ws", "main", id="2", client_id="", venue_id="z", **shared))
    assert [each.kind for each in commands if isinstance(each, Note)] == ["unbooked"]


def test_a_fee_in_a_third_coin_is_valued_at_its_price() -> None:
    bnb = replace(BTC, symbol="BNB/USDT", native="BNBUSDT", base="BNB")
    bench = Bench(instruments=(BTC, bnb))
    fill = Fill(
        BTC.id, "fills", 1, 1, "ws", "main", id="1", client_id="", venue_id="z", side="buy", price=D(100), size=D(1),
        fee=D("0.01"), fee_currency="BNB",
    )  # fmt: skip
    assert bench.engine.fee_mark(fill) is None, "no price of it is known"
    bench.price("300", bnb)
    assert bench.engine.fee_mark(fill) == (bnb.id, D(300))
    bench.step(fill)
    assert bench.engine.situation.ledger.holding("main", BTC.id).realised == D(-3)


def test_a_strategy_that_raises_in_any_hook_is_paused_by_it() -> None:
    class Bad(Strategy):
        instruments = (BTC.id,)

        def on_timer(self, name: str) -> None:
            raise KeyError(name)

        def on_start(self) -> None:
            self.after(1, "wake")

    bench = Bench(Bad())
    bench.price("100")
    assert bench.engine.seats["Bad"].paused.startswith("on_timer: KeyError: 'wake' (test_engine_hears.py:")
