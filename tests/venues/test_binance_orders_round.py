"""Both halves against each other, with a real exchange between them: what we asked for is what we hear of."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeline.errors import OrderRefused, TapelineError
from tapeline.model.account import Balance, Fill, OrderUpdate, Position
from tapeline.model.event import BookSnapshot, Trade
from tapeline.model.instrument import Instrument
from tapeline.model.number import EXACT, ZERO
from tapeline.model.order import FINAL, Intent
from tapeline.model.secret import Credentials, Secret
from tapeline.sim.paper.desk import Desk
from tapeline.sim.paper.streams import Streams
from tapeline.trading.paper.exchange import Exchange
from tapeline.venues.binance import BINANCE, BINANCE_USDM
from tapeline.venues.orders import ListenKey, OrderAsk, OrderRequest
from tapeline.venues.spec import Venue

D = Decimal
START = 1_700_000_000_000_000_000
SECOND = 1_000_000_000
KEYS = Credentials(key=Secret("key-1"), sign=lambda text: hmac.digest(b"secret", text, hashlib.sha256))
RULES: dict[str, Any] = {
    "native": "BTCUSDT", "base": "BTC", "quote": "USDT", "tick": D("0.5"), "lot": D("0.1"), "min_size": D("0.1"),
    "min_notional": D(5),
}  # fmt: skip
INSTRUMENT = {
    "binance": Instrument(venue="binance", symbol="BTC/USDT", kind="spot", **RULES),
    "binance-usdm": Instrument(
        venue="binance-usdm", symbol="BTC/USDT:USDT", kind="perpetual", settle="USDT", **RULES
    ),
}  # fmt: skip
VENUES = pytest.mark.parametrize("venue", [BINANCE, BINANCE_USDM], ids=lambda venue: venue.name)


class Round:
    """One account at a paper exchange, asked by REST in the venue's own words, and heard on its private stream."""

    def __init__(self, venue: Venue) -> None:
        assert venue.orders is not None
        assert venue.orders.server is not None
        self.orders, self.server = venue.orders, venue.orders.server
        self.instrument = INSTRUMENT[venue.name]
        self.by_native: Mapping[str, Instrument] = {"BTCUSDT": self.instrument}
        by_id = {self.instrument.id: self.instrument}
        self.exchange = Exchange(by_id)
        self.exchange.open_account("main", {"USDT": D(100_000), "BTC": D(10)})
        self.desk = Desk(self.exchange, Streams(self.server, by_id, 1))
        self.by_id = by_id
        self.decode = self.orders.private.decoder(venue.name, "main", self.by_native)
        self.now_ns = START
        self.fills: dict[str, Fill] = {}
        self.states: dict[str, OrderUpdate] = {}
        self.balances: dict[str, Balance] = {}
        self.positions: dict[str, Position] = {}
        self.market(BookSnapshot(self.instrument.id, "book", START, START, "ws", [("99.5", "5")], [("100", "5")]))

    def ask(self, call: str, **fields: Any) -> Sequence[Any]:
        """Ask, and hear what came of it on the stream. Raises what the venue's answer means."""
        self.now_ns += SECOND
        ask = OrderAsk(call=call, account="main", **{"instrument": self.instrument, **fields})
        known = self.orders.calls[call]
        request = self.orders.sign(known.build(ask), KEYS, self.now_ns)
        headers = {name.lower(): value for name, value in request.headers}
        heard = OrderRequest(
            method=request.method, path=request.path, query=request.query_text, headers=headers, body=request.body
        )
        assert self.server.verify(heard, lambda _key: KEYS, self.now_ns) == "key-1"
        asked = self.server.read(heard, self.by_native)
        assert asked is not None
        try:
            done = self.desk.perform("main", asked, self.now_ns)
            self.hear(done.told)
            body = self.server.answer(asked, done.answers, self.now_ns)
        except TapelineError as error:
            _, body = self.server.refuse(error)
        return known.parse(body, ask, {"BTCUSDT": self.instrument.id}, self.now_ns)

    def place(self, client_id: str, **fields: Any) -> Sequence[Any]:
        intent = Intent(**{"instrument": self.instrument.id, "side": "buy", "kind": "limit", **fields})
        return self.ask("place", client_id=client_id, intent=intent)

    def market(self, event: BookSnapshot | Trade) -> None:
        self.now_ns += SECOND
        self.hear(self.exchange.market(event, self.now_ns))

    def trade(self, price: str, size: str) -> None:
        at_ns = self.now_ns
        self.market(
            Trade(self.instrument.id, "trades", at_ns, at_ns, "ws", str(at_ns), at_ns, "sell", D(price), D(size))
        )

    def hear(self, events: Sequence[Any]) -> None:
        for frame in self.server.encode(events, self.by_id):
            for item in self.decode(frame, self.now_ns):
                match item:
                    case Fill():
                        assert self.fills.setdefault(item.id, item) == item
                    case OrderUpdate():
                        self.states[item.client_id] = item
                    case Balance():
                        self.balances[item.currency] = item
                    case Position():
                        self.positions[item.position] = item

    def check(self) -> None:
        """What we heard is what there is."""
        theirs = {one.client_id: one for one in self.exchange.orders("main")}
        assert {name: (one.state, one.filled) for name, one in self.states.items()} == {
            name: (one.state, one.filled) for name, one in theirs.items()
        }
        assert [(one.id, one.price, one.size, one.fee) for one in self.fills.values()] == [
            (one.id, one.price, one.size, one.fee) for one in self.exchange.fills("main")
        ]
        for one in self.exchange.balances("main"):
            if one.currency in self.balances:
                assert self.balances[one.currency].total == one.total
        held = sum((one.size for one in self.exchange.positions("main")), ZERO)
        assert sum((one.size for one in self.positions.values()), ZERO) == held
        listed = [one for part in self.orders.calls["open_orders"].parts for one in self.ask("open_orders", part=part)]
        assert {one.client_id for one in listed} == {one.client_id for one in self.exchange.open_orders("main")}


@VENUES
def test_a_life_of_orders(venue: Venue) -> None:
    life = Round(venue)
    (open_,) = life.place("rest1", size=D(2), price=D(99))
    assert (open_.state, open_.client_id, open_.size) == ("open", "rest1", D(2))
    *_, filled = life.place("take1", size=D(3), kind="market")
    assert (filled.state, filled.average, filled.filled) == ("filled", D(100), D(3))
    life.trade("98.5", "1")
    assert (life.states["rest1"].state, life.states["rest1"].filled) == ("partly_filled", D(1))
    (asked,) = life.ask("order", client_id="rest1")
    assert (asked.state, asked.filled, asked.average) == ("partly_filled", D(1), D(99))
    (gone,) = life.ask("cancel", client_id="rest1")
    assert (gone.state, gone.filled) == ("cancelled", D(1))
    life.check()
    with pytest.raises(OrderRefused) as again:
        life.ask("cancel", client_id="rest1")
    assert again.value.reason == "unknown_order"
    assert [one.id for one in life.ask("fills")] == list(life.fills)
    with pytest.raises(OrderRefused) as late:
        life.place("late1", size=D(1), price=D(101), post_only=True)
    assert late.value.reason == "would_cross"


@VENUES
def test_a_stop_waits_goes_off_and_is_one_order_all_the_time(venue: Venue) -> None:
    life = Round(venue)
    life.place("take1", size=D(3), kind="market")
    (waiting,) = life.place("stop1", side="sell", kind="stop", size=D(2), stop_price=D(95))
    assert (waiting.state, waiting.kind, waiting.stop_price, waiting.triggered) == ("open", "stop", D(95), False)
    life.check()
    life.market(BookSnapshot(life.instrument.id, "book", 1, 1, "ws", [("94", "9")], [("95", "9")]))
    life.trade("94.5", "1")
    assert (life.states["stop1"].state, life.states["stop1"].triggered) == ("filled", True)
    assert life.states["stop1"].average == D(94)
    life.check()
    (second,) = life.place("stop2", side="sell", kind="stop", size=D(1), stop_price=D(80))
    (gone,) = life.ask("cancel", client_id="stop2", venue_id=second.venue_id)
    assert (gone.state, gone.client_id) == ("cancelled", "stop2")
    life.check()


@VENUES
def test_amends_and_a_cancel_of_all(venue: Venue) -> None:
    life = Round(venue)
    life.place("a1", size=D(3), price=D(98))
    intent = Intent(instrument=life.instrument.id, side="buy", kind="limit", size=D(3), price=D(98))
    (smaller,) = life.ask("amend", client_id="a1", intent=intent, size=D(2))
    assert (smaller.size, smaller.price, smaller.state) == (D(2), D(98), "open")
    life.place("a2", size=D(1), price=D(97))
    for part in life.orders.calls["cancel_all"].parts:
        life.ask("cancel_all", part=part)
    assert [one.state for one in life.states.values()] == ["cancelled", "cancelled"]
    life.check()


def test_an_account_of_futures() -> None:
    life = Round(BINANCE_USDM)
    life.ask("leverage", leverage=D(5))
    life.ask("dead_man", countdown_s=60)
    life.place("long1", size=D(2), kind="market")
    (position,) = life.ask("positions")
    assert (position.size, position.entry_price, position.leverage) == (D(2), D(100), D(5))
    life.place("close1", side="sell", size=D(2), kind="market", reduce_only=True)
    with pytest.raises(OrderRefused) as flat:
        life.place("close2", side="sell", size=D(2), kind="market", reduce_only=True)
    assert flat.value.reason == "reduce_only"
    life.ask("position_mode", hedge=True)
    (mode,) = life.ask("mode")
    assert mode.hedge
    life.place("hedge1", size=D(1), kind="market", position="long")
    life.place("hedge2", side="sell", size=D(1), kind="market", position="short")
    life.check()
    assert {name: one.size for name, one in life.positions.items() if one.size} == {"long": D(1), "short": D(-1)}
    with pytest.raises(OrderRefused) as mode_now:
        life.ask("position_mode", hedge=False)
    assert mode_now.value.reason == "position_mode"
    (key,) = life.ask("listen_key")
    assert isinstance(key, ListenKey)


REFUSALS: list[tuple[dict[str, Any], str]] = [
    ({"size": D("0.15"), "price": D(99)}, "lot"),
    ({"size": D(1), "price": D("99.3")}, "tick"),
    ({"size": D("0.1"), "price": D(1)}, "min_notional"),
    ({"size": D(100_000), "price": D(99)}, ""),
]


@VENUES
@pytest.mark.parametrize(("fields", "reason"), REFUSALS)
def test_a_refusal_keeps_its_reason_all_the_way(venue: Venue, fields: dict[str, Any], reason: str) -> None:
    life = Round(venue)
    with pytest.raises(OrderRefused) as refused:
        life.place("x1", **fields)
    assert refused.value.reason == (reason or ("balance" if venue is BINANCE else "margin"))
    life.place("x2", size=D(1), price=D(99))
    with pytest.raises(OrderRefused) as twice:
        life.place("x2", size=D(1), price=D(99))
    assert twice.value.reason == "duplicate"


@VENUES
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_whatever_is_done_is_heard(venue: Venue, data: st.DataObject) -> None:
    life, names = Round(venue), [f"n{at}" for at in range(20)]
    for name in names:
        if data.draw(st.integers(0, 3)) == 0:
            life.trade(
                data.draw(st.sampled_from(["98", "98.5", "99", "99.5"])), data.draw(st.sampled_from(["0.5", "3"]))
            )
            continue
        if life.states and data.draw(st.integers(0, 3)) == 0:
            gone = data.draw(st.sampled_from(sorted(life.states)))
            over = life.states[gone].state in FINAL
            with pytest.raises(OrderRefused) if over else nullcontext():
                life.ask("cancel", client_id=gone, venue_id=life.states[gone].venue_id)
            continue
        size = EXACT.multiply(D("0.1"), data.draw(st.integers(1, 40)))
        kind = data.draw(st.sampled_from(["market", "limit", "stop"]))
        extra = {
            "limit": {"price": data.draw(st.sampled_from([D("98.5"), D(99), D(100)]))},
            "stop": {"stop_price": D(97)},
        }
        side = "sell" if kind == "stop" else data.draw(st.sampled_from(["buy", "sell"]))
        try:
            life.place(name, side=side, kind=kind, size=size, **extra.get(kind, {}))
        except OrderRefused:
            continue
    life.check()
