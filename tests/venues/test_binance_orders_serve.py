"""The venue's own side of the account: it reads what we send, and we read what it answers and tells."""

import hashlib
import hmac
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tapeline.errors import AuthenticationRefused, OrderRefused
from tapeline.model.account import AccountEvent, AccountMode, Balance, Fill, OrderUpdate, Payment, Position
from tapeline.model.event import Quote, Ticker
from tapeline.model.instrument import Instrument
from tapeline.model.order import Intent
from tapeline.model.secret import Credentials, Secret
from tapeline.venues.binance import BINANCE, BINANCE_US, BINANCE_USDM
from tapeline.venues.binance.orders.serve import listen_key_of, native_name
from tapeline.venues.binance.orders.serve_rows_usdm import usdm_order
from tapeline.venues.binance.orders.serve_stream import names, order_update
from tapeline.venues.orders import (
    Answered,
    Leg,
    ListenKey,
    Opening,
    OrderAnswer,
    OrderAsk,
    OrderEntry,
    OrderRequest,
    Orders,
    OrderServer,
    Placed,
    Summary,
)
from tapeline.venues.spec import Venue

D = Decimal
MS = 1_000_000
AT = 1_700_000_000_123 * MS
KEYS = Credentials(key=Secret("key-1"), sign=lambda text: hmac.digest(b"secret", text, hashlib.sha256))
SPOT = Instrument(venue="binance", symbol="BTC/USDT", native="BTCUSDT", kind="spot", base="BTC", quote="USDT")
PERP = Instrument(
    venue="binance-usdm", symbol="BTC/USDT:USDT", native="BTCUSDT", kind="perpetual", base="BTC", quote="USDT",
    settle="USDT",
)  # fmt: skip
INSTRUMENT = {"binance": SPOT, "binance-usdm": PERP}
BOTH = pytest.mark.parametrize("venue", [BINANCE, BINANCE_USDM], ids=lambda venue: venue.name)


def orders_of(venue: Venue) -> Orders:
    assert venue.orders is not None
    return venue.orders


def side(venue: Venue) -> OrderServer:
    found = orders_of(venue).server
    assert found is not None
    return found


def entry(venue: Venue) -> OrderEntry:
    found = orders_of(venue).entry
    assert found is not None
    return found


def secret_of(key: str) -> Credentials | None:
    return KEYS if key == "key-1" else None


def heard(venue: Venue, ask: OrderAsk) -> OrderRequest:
    """What is sent for an ask, signed, as the server hears it."""
    ours = orders_of(venue)
    call = ours.calls[ask.call]
    request = call.build(ask)
    signed = ours.sign(request, KEYS, AT) if call.signed == "signed" else ours.with_key(request, KEYS)
    headers = {name.lower(): value for name, value in signed.headers}
    return OrderRequest(
        method=signed.method, path=signed.path, query=signed.query_text, headers=headers, body=signed.body
    )


def read(venue: Venue, ask: OrderAsk) -> OrderAsk | None:
    request = heard(venue, ask)
    assert side(venue).verify(request, secret_of, AT) == "key-1"
    return side(venue).read(request, {"BTCUSDT": INSTRUMENT[venue.name]})


# ---- server.read(build(ask)) == ask -------------------------------------------------------------------------------

sizes = st.decimals(D("0.00000001"), D(10**6), places=8, allow_nan=False).filter(bool)
prices = st.decimals(D("0.01"), D(10**6), places=4, allow_nan=False).filter(bool)
ids = st.from_regex(r"[A-Za-z0-9_.:/-]{1,36}", fullmatch=True)
stamps = st.integers(1_600_000_000_000, 1_900_000_000_000).map(lambda at_ms: at_ms * MS)


@st.composite
def intents(draw: st.DrawFn, venue: Venue) -> Intent:
    usdm = venue is BINANCE_USDM
    kind = draw(st.sampled_from(sorted(orders_of(venue).kinds)))
    priced = kind in {"limit", "stop_limit", "take_profit_limit"}
    trails = kind == "trailing_stop"
    spends = kind == "market" and not usdm and draw(st.booleans())
    fields: dict[str, Any] = {"size": None if spends else draw(sizes), "quote_size": draw(prices) if spends else None}
    if priced:
        times = sorted(orders_of(venue).times_in_force)
        fields |= {"price": draw(prices), "time_in_force": draw(st.sampled_from(times))}
    if kind == "limit" and fields["time_in_force"] == "gtc":
        fields["post_only"] = draw(st.booleans())
    if fields.get("time_in_force") == "gtd":
        fields["expires_ns"] = draw(stamps) // (1000 * MS) * (1000 * MS)
    if not priced and kind not in {"market", "limit"} and (not trails or draw(st.booleans())):
        fields["stop_price"] = draw(prices)
    if kind in {"stop_limit", "take_profit_limit"}:
        fields["stop_price"] = draw(prices)
    if trails:
        fields["trail"] = draw(st.integers(10, 1000)) * D("0.0001")
    if usdm:
        fields["position"] = draw(st.sampled_from(["net", "long", "short"]))
        fields["reduce_only"] = fields["position"] == "net" and draw(st.booleans())
    instrument = INSTRUMENT[venue.name].id
    return Intent(instrument=instrument, side=draw(st.sampled_from(["buy", "sell"])), kind=kind, **fields)


@st.composite
def order_lists(draw: st.DrawFn) -> OrderAsk:
    """A limit and a stop, the one above the market first."""
    common: dict[str, Any] = {
        "instrument": SPOT.id,
        "side": draw(st.sampled_from(["buy", "sell"])),
        "size": draw(sizes),
    }
    limit = Leg(draw(ids), Intent(kind="limit", price=draw(prices), post_only=True, **common))
    stop = Leg(draw(ids), Intent(kind="stop", stop_price=draw(prices), **common))
    legs = (limit, stop) if common["side"] == "sell" else (stop, limit)
    return OrderAsk(call="place_list", instrument=SPOT, client_id=draw(ids), legs=legs)


@st.composite
def asks(draw: st.DrawFn, venue: Venue) -> OrderAsk:  # noqa: C901, PLR0911  # a table of calls
    """An ask of any call, as the other side can hear all of it."""
    instrument = INSTRUMENT[venue.name]
    call = draw(st.sampled_from(sorted(orders_of(venue).calls)))
    named: dict[str, Any] = draw(
        st.one_of(st.fixed_dictionaries({"client_id": ids}), st.fixed_dictionaries({"venue_id": st.just("4711")}))
    )
    window: dict[str, Any] = draw(
        st.one_of(st.just({}), st.fixed_dictionaries({"from_ns": stamps, "to_ns": stamps}))
    ) | {"limit": draw(st.integers(1, 1000))}
    match call:
        case "place":
            return OrderAsk(call=call, instrument=instrument, client_id=draw(ids), intent=draw(intents(venue)))
        case "place_list":
            return draw(order_lists())
        case "amend":
            intent = Intent(instrument=instrument.id, side="buy", kind="limit", size=D(10**7), price=D(5))
            price = None if venue is BINANCE else draw(prices)
            return OrderAsk(call=call, instrument=instrument, intent=intent, size=draw(sizes), price=price, **named)
        case "cancel" | "order":
            return OrderAsk(call=call, instrument=instrument, **named)
        case "cancel_all" | "open_orders":
            part = draw(st.sampled_from(orders_of(venue).calls[call].parts))
            return OrderAsk(call=call, instrument=instrument, part=part)
        case "closed_orders" | "payments":
            return OrderAsk(call=call, instrument=instrument, **window)
        case "fills":
            first = {"from_id": str(draw(st.integers(0, 10**9)))} if draw(st.booleans()) else window
            return OrderAsk(call=call, instrument=instrument, **{"limit": 1000, **first})
        case "positions" | "leverage" | "dead_man":
            extra = {"leverage": {"leverage": D(7)}, "dead_man": {"countdown_s": 90}}.get(call, {})
            return OrderAsk(call=call, instrument=instrument, **extra)  # type: ignore[arg-type]  # of two types
        case "position_mode":
            return OrderAsk(call=call, hedge=draw(st.booleans()))
        case "listen_key_alive" | "listen_key_close":
            return OrderAsk(call=call)
        case _:
            return OrderAsk(call=call)


def as_heard(venue: Venue, ask: OrderAsk) -> OrderAsk:
    """What is left of an ask on its way: an amend does not say what was placed, nor an account what it is asked for."""
    if ask.call == "amend":
        return replace(ask, intent=None)
    if ask.call == "mode" and venue is BINANCE:
        return OrderAsk(call="balances", part="not_zero")
    return ask


@BOTH
@given(data=st.data())
def test_what_is_built_is_read(venue: Venue, data: st.DataObject) -> None:
    ask = data.draw(asks(venue))

    assert read(venue, ask) == as_heard(venue, ask)


@BOTH
@given(data=st.data())
def test_what_is_framed_is_read(venue: Venue, data: st.DataObject) -> None:
    ask = data.draw(asks(venue).filter(lambda ask: ask.call in entry(venue).calls and entry(venue).takes(ask)))

    frame = entry(venue).frame(ask, "r1", KEYS, AT)
    placed = side(venue).hear(frame, secret_of, {"BTCUSDT": INSTRUMENT[venue.name]}, AT)

    assert isinstance(placed, Placed)
    assert (placed.key, placed.request_id) == ("key-1", "r1")
    assert placed.ask == as_heard(venue, ask)


def test_a_conditional_order_is_known_by_one_number_on_paper() -> None:
    ask = OrderAsk(call="cancel", instrument=PERP, venue_id="algo-7")

    assert read(BINANCE_USDM, ask) == OrderAsk(call="cancel", venue_id="7", part="algo")


# ---- parse(answer(events)) == events ------------------------------------------------------------------------------


def order(instrument: Instrument, **fields: Any) -> OrderUpdate:
    given = {
        "client_id": "mine1", "venue_id": "7", "state": "open", "side": "buy", "kind": "limit", "size": D(2),
        "price": D(100), "filled": D(0), "time_in_force": "gtc", **fields,
    }  # fmt: skip
    return OrderUpdate(instrument.id, "orders", AT, AT, "paper", "main", **given)


def fill(instrument: Instrument, **fields: Any) -> Fill:
    given = {
        "id": "55", "client_id": "mine1", "venue_id": "7", "side": "buy", "price": D(100), "size": D("0.5"),
        "fee": D("0.05"), "fee_currency": "USDT", "liquidity": "taker", **fields,
    }  # fmt: skip
    return Fill(instrument.id, "fills", AT, AT, "paper", "main", **given)


def answered(venue: Venue, ask: OrderAsk, events: list[OrderAnswer]) -> list[OrderAnswer]:
    """What a client makes of the answer, as if it were the exchange's own words."""
    body = side(venue).answer(ask, events, AT)
    native = {"BTCUSDT": INSTRUMENT[venue.name].id}
    found = orders_of(venue).calls[ask.call].parse(body, replace(ask, account="main"), native, AT)
    return [replace(one, source="paper") if hasattr(one, "source") else one for one in found]


def asked(venue: Venue, call: str, **fields: Any) -> OrderAsk:
    return OrderAsk(**{"call": call, "instrument": INSTRUMENT[venue.name], "client_id": "mine1", **fields})


STATES: list[dict[str, Any]] = [
    {},
    {"state": "partly_filled", "filled": D("0.5"), "average": D(100)},
    {"state": "filled", "filled": D(2), "average": D("99.5")},
    {"state": "cancelled", "filled": D("0.5"), "average": D(100)},
    {"state": "expired"},
    {"kind": "market", "price": None, "state": "filled", "filled": D(2), "average": D("99.5")},
    {"side": "sell", "time_in_force": "ioc", "state": "expired", "filled": D(1), "average": D(100)},
    {"post_only": True},
]


@BOTH
@pytest.mark.parametrize("fields", STATES, ids=lambda fields: fields.get("state", "open"))
def test_an_order_comes_back(venue: Venue, fields: dict[str, Any]) -> None:
    update = order(INSTRUMENT[venue.name], **fields)

    for call in ("order", "cancel", "place"):
        assert answered(venue, asked(venue, call), [update]) == [update]
    assert answered(venue, asked(venue, "order", client_id="", venue_id="7"), [update]) == [update]
    assert answered(venue, asked(venue, "open_orders"), [update]) == [update]
    assert answered(venue, asked(venue, "amend"), [update]) == [update]
    final = update.state in {"filled", "cancelled", "expired"}
    assert answered(venue, asked(venue, "closed_orders"), [update]) == ([update] if final else [])


CONDITIONAL: list[dict[str, Any]] = [
    {"kind": "stop", "price": None, "stop_price": D(90)},
    {"kind": "stop_limit", "stop_price": D(90)},
    {"kind": "take_profit", "price": None, "stop_price": D(110), "state": "cancelled"},
    {"kind": "take_profit_limit", "stop_price": D(110), "state": "expired"},
]


@pytest.mark.parametrize("fields", CONDITIONAL, ids=lambda fields: fields["kind"])
def test_a_conditional_order_comes_back(fields: dict[str, Any]) -> None:
    spot = order(SPOT, **fields)
    assert answered(BINANCE, asked(BINANCE, "order"), [spot]) == [spot]
    update = order(PERP, **fields, reduce_only=True)
    named = replace(update, venue_id="algo-7")
    for call in ("order", "cancel"):
        assert answered(BINANCE_USDM, asked(BINANCE_USDM, call, part="algo"), [update]) == [named]
    intent = Intent(instrument=PERP.id, side="buy", kind=fields["kind"], size=D(2))
    assert answered(BINANCE_USDM, asked(BINANCE_USDM, "place", intent=intent), [update]) == [named]
    assert answered(BINANCE_USDM, asked(BINANCE_USDM, "open_orders", part="algo"), [update]) == [named]
    assert answered(BINANCE_USDM, asked(BINANCE_USDM, "open_orders", part="orders"), [update]) == []


def test_a_conditional_order_that_was_filled_has_become_another() -> None:
    done = order(PERP, kind="stop", price=None, stop_price=D(90), state="filled", filled=D(2), average=D(91),
                 triggered=True)  # fmt: skip
    assert answered(BINANCE_USDM, asked(BINANCE_USDM, "order", part="algo"), [done]) == [done]
    part = replace(done, state="cancelled", filled=D(1))
    assert answered(BINANCE_USDM, asked(BINANCE_USDM, "order", part="algo"), [part]) == [part]
    assert answered(BINANCE_USDM, asked(BINANCE_USDM, "order"), [done]) == [done]


def test_a_new_spot_order_tells_of_its_fills() -> None:
    taken: list[OrderAnswer] = [
        order(SPOT), fill(SPOT), order(SPOT, state="partly_filled", filled=D("0.5"), average=D(100)),
        fill(SPOT, id="56", size=D("1.5"), price=D(101)),
        order(SPOT, state="filled", filled=D(2), average=D("100.75")), fill(SPOT, id="57", venue_id="8"),
    ]  # fmt: skip

    assert answered(BINANCE, asked(BINANCE, "place"), taken) == [taken[1], taken[3], taken[4]]


def test_the_venue_names_an_order_that_has_no_name() -> None:
    update = order(SPOT, client_id="auto1")
    assert answered(BINANCE, asked(BINANCE, "place", client_id=""), [update]) == [update]
    assert side(BINANCE).answer(asked(BINANCE, "place"), [], AT) == b"{}"
    for call in ("order", "cancel", "amend"):
        assert side(BINANCE).answer(asked(BINANCE, call), [], AT) == b"{}"
    assert side(BINANCE_USDM).answer(asked(BINANCE_USDM, "order"), [], AT) == b"{}"


def test_fills_come_back() -> None:
    spot = fill(SPOT, client_id="", liquidity="maker")
    assert answered(BINANCE, asked(BINANCE, "fills"), [spot]) == [spot]
    usdm = fill(PERP, client_id="", realised=D("-1.5"), position="short", side="sell")
    assert answered(BINANCE_USDM, asked(BINANCE_USDM, "fills"), [usdm]) == [usdm]


def balance(**fields: Any) -> Balance:
    given = {"currency": "USDT", "total": D(10), "free": D(7), "locked": D(3), **fields}
    return Balance(None, "balances", AT, AT, "paper", "main", **given)


def test_balances_come_back() -> None:
    held, none = balance(), balance(currency="BTC", total=D(0), free=D(0), locked=D(0))
    assert answered(BINANCE, asked(BINANCE, "balances"), [held, none]) == [held, none]
    assert answered(BINANCE, asked(BINANCE, "balances", part="not_zero"), [held, none]) == [held]
    assert answered(BINANCE_USDM, asked(BINANCE_USDM, "balances"), [held]) == [replace(held, locked=None)]
    mode = AccountMode(None, "account", AT, AT, "paper", "main", may_trade=False, level="SPOT")
    assert answered(BINANCE, asked(BINANCE, "mode"), [mode]) == [mode]


def test_positions_and_payments_come_back() -> None:
    position = Position(
        PERP.id, "positions", AT, AT, "paper", "main", size=D("-2"), position="net", entry_price=D(100),
        mark_price=D(99), unrealised=D(2), liquidation_price=D(150), leverage=D(20), margin_mode="cross",
    )  # fmt: skip
    assert answered(BINANCE_USDM, asked(BINANCE_USDM, "positions"), [position]) == [position]
    paid = Payment(
        PERP.id, "payments", AT, AT, "paper", "main", id="FUNDING_FEE-9", currency="USDT", amount=D("-0.5"),
        kind="funding",
    )  # fmt: skip
    assert answered(BINANCE_USDM, asked(BINANCE_USDM, "payments"), [paid]) == [paid]
    second = asked(BINANCE_USDM, "payments", page="2", limit=1)
    assert answered(BINANCE_USDM, second, [paid, replace(paid, id="FUNDING_FEE-10")]) == [
        replace(paid, id="FUNDING_FEE-10")
    ]
    mode = AccountMode(None, "account", None, AT, "paper", "main", hedge=True, level="single-asset")
    assert answered(BINANCE_USDM, asked(BINANCE_USDM, "mode"), [mode]) == [mode]
    dual = side(BINANCE_USDM).answer(asked(BINANCE_USDM, "mode", part="dual"), [mode], AT)
    assert json.loads(dual) == {"dualSidePosition": True}


def test_a_whole_account_of_futures() -> None:
    position = Position(
        PERP.id, "positions", AT, AT, "paper", "main", size=D(2), entry_price=D(100), mark_price=D(101),
        unrealised=D(2), leverage=D(20), margin_mode="cross",
    )  # fmt: skip

    account = json.loads(
        side(BINANCE_USDM).answer(asked(BINANCE_USDM, "balances", part="account"), [balance(), position], AT)
    )

    assert account["totalMarginBalance"] == "12.00000000"
    assert [(one["asset"], one["walletBalance"], one["availableBalance"]) for one in account["assets"]] == [
        ("USDT", "10.00000000", "7.00000000")
    ]
    assert [(one["symbol"], one["positionAmt"], one["notional"], one["leverage"]) for one in account["positions"]] == [
        ("BTCUSDT", "2.00000000", "202.00000000", "20")
    ]


def test_what_is_only_done_says_so() -> None:
    usdm = side(BINANCE_USDM)
    for call in ("cancel_all", "dead_man", "leverage", "position_mode", "listen_key_alive", "listen_key_close"):
        ask = asked(BINANCE_USDM, call, countdown_s=60, leverage=D(5))
        assert orders_of(BINANCE_USDM).calls[call].parse(usdm.answer(ask, [], AT), ask, {}, AT) == ()
    key: OrderAnswer = ListenKey("k1")
    assert answered(BINANCE_USDM, asked(BINANCE_USDM, "listen_key"), [key]) == [key]
    gone = order(SPOT, state="cancelled")
    assert answered(BINANCE, asked(BINANCE, "cancel_all"), [gone]) == [gone]


def test_a_replaced_order_answers_twice() -> None:
    ask = asked(BINANCE, "amend", part="replace")

    body = json.loads(side(BINANCE).answer(ask, [order(SPOT, size=D(3))], AT))

    assert (body["cancelResult"], body["newOrderResult"]) == ("SUCCESS", "SUCCESS")
    assert (body["newOrderResponse"]["orderId"], body["newOrderResponse"]["origQty"]) == (7, "3.00000000")


@BOTH
def test_a_list_is_cut_to_what_was_asked(venue: Venue) -> None:
    updates: list[OrderAnswer] = [order(INSTRUMENT[venue.name], venue_id=str(at), state="filled") for at in (1, 2, 3)]
    found = answered(venue, asked(venue, "closed_orders", limit=2), updates)
    assert [one.venue_id for one in found if isinstance(one, OrderUpdate)] == ["2", "3"]


def test_numbers_without_end_are_rounded() -> None:
    update = order(SPOT, state="filled", filled=D(3), size=D(3), average=D(100) / D(3))
    body = json.loads(side(BINANCE).answer(asked(BINANCE, "order"), [update], AT))
    assert body["cummulativeQuoteQty"] == "100.00000000"
    usdm = json.loads(side(BINANCE_USDM).answer(asked(BINANCE_USDM, "order"), [replace(update)], AT))
    assert usdm["avgPrice"] == "33.33333333"


# ---- decode(encode(events)) == events -----------------------------------------------------------------------------


def told(venue: Venue, events: list[Any]) -> list[Any]:
    instrument = INSTRUMENT[venue.name]
    decode = orders_of(venue).private.decoder(venue.name, "main", {"BTCUSDT": instrument})
    frames = side(venue).encode(events, {instrument.id: instrument})
    return [replace(item, source="paper") for frame in frames for item in decode(frame, AT)]


STREAMED = [
    {},
    {"state": "cancelled", "filled": D("0.5"), "average": D(100)},
    {"state": "partly_filled", "filled": D("0.5"), "average": D(100)},  # amended
    {"state": "expired", "time_in_force": "ioc"},
    {"post_only": True, "side": "sell"},
]


@BOTH
@pytest.mark.parametrize("fields", STREAMED)
def test_what_is_told_of_an_order_is_heard(venue: Venue, fields: dict[str, Any]) -> None:
    update = order(INSTRUMENT[venue.name], **fields)
    assert told(venue, [update]) == [update]


@BOTH
def test_a_fill_comes_with_what_it_makes_of_its_order(venue: Venue) -> None:
    instrument = INSTRUMENT[venue.name]
    profit = {"realised": D(1)} if venue is BINANCE_USDM else {}
    events = [
        order(instrument),
        fill(instrument, **profit), order(instrument, state="partly_filled", filled=D("0.5"), average=D(100)),
        fill(instrument, id="56", size=D("1.5"), price=D(100), liquidity="maker", **profit),
        order(instrument, state="filled", filled=D(2), average=D(100)),
    ]  # fmt: skip
    assert told(venue, events) == events


def test_an_update_may_count_several_fills() -> None:
    first, second = fill(SPOT), fill(SPOT, id="56", size=D("1.5"))
    last = order(SPOT, state="filled", filled=D(2), average=D(100))

    found = told(BINANCE, [first, second, last])

    assert found == [first, replace(last, state="partly_filled", filled=D("0.5")), second, last]


@BOTH
def test_a_fill_alone_tells_of_its_order(venue: Venue) -> None:
    instrument = INSTRUMENT[venue.name]
    alone = fill(instrument, **({"realised": D(0)} if venue is BINANCE_USDM else {}))
    heard_fill, update = told(venue, [alone])
    assert heard_fill == alone
    assert (update.state, update.filled, update.client_id) == ("partly_filled", D("0.5"), "mine1")


def test_a_refusal_says_why() -> None:
    refused = order(SPOT, state="rejected", reason="balance", why="INSUFFICIENT_BALANCES")
    assert told(BINANCE, [refused]) == [refused]
    expired = order(SPOT, state="expired", reason="not_fillable", why="INSUFFICIENT_LIQUIDITY")
    assert told(BINANCE, [expired]) == [expired]
    (late,) = told(BINANCE_USDM, [order(PERP, state="expired", reason="reduce_only")])
    assert (late.reason, late.state) == ("reduce_only", "expired")


@pytest.mark.parametrize("fields", CONDITIONAL, ids=lambda fields: fields["kind"])
def test_what_is_told_of_a_conditional_order_is_heard(fields: dict[str, Any]) -> None:
    update = order(PERP, **fields)
    assert told(BINANCE_USDM, [update]) == [replace(update, venue_id="algo-7")]
    assert told(BINANCE, [order(SPOT, **fields)]) == [order(SPOT, **fields)]


def test_a_triggered_order_says_so_while_it_rests() -> None:
    resting = order(PERP, kind="stop_limit", stop_price=D(90), triggered=True)
    assert told(BINANCE_USDM, [resting]) == [resting]
    assert answered(BINANCE_USDM, asked(BINANCE_USDM, "order", part="algo"), [resting]) == [resting]
    assert answered(BINANCE_USDM, asked(BINANCE_USDM, "open_orders", part="orders"), [resting]) == [resting]
    spot = order(SPOT, kind="stop_limit", stop_price=D(90), triggered=True)
    assert told(BINANCE, [spot]) == [spot]
    assert answered(BINANCE, asked(BINANCE, "order"), [spot]) == [spot]


def test_a_triggered_order_tells_of_its_fills() -> None:
    done = order(PERP, kind="stop", price=None, stop_price=D(90), state="filled", filled=D(2), average=D(91),
                 triggered=True)  # fmt: skip
    bought = fill(PERP, size=D(2), price=D(91), realised=D(0))
    assert told(BINANCE_USDM, [bought, done]) == [bought, done]


def test_an_order_of_the_venues_own_is_named_as_the_venue_does() -> None:
    forced = order(PERP, client_id="liquidation7", venue_id="7", kind="market", price=None, origin="liquidation")
    row = usdm_order(forced, names({PERP.id: PERP}), 1)
    assert row["clientOrderId"] == "autoclose-7"
    assert order_update(forced, None, names({PERP.id: PERP}))["o"]["c"] == "autoclose-7"
    ours = order(PERP, client_id="x", venue_id="8")
    assert usdm_order(ours, names({PERP.id: PERP}), 1)["clientOrderId"] == "x"


def test_a_liquidation_is_told_as_one() -> None:
    gone = order(PERP, client_id="autoclose-1", kind="market", price=None, state="filled", filled=D(2), average=D(90),
                 origin="liquidation", side="sell")  # fmt: skip
    sold = fill(PERP, client_id="autoclose-1", size=D(2), price=D(90), realised=D(-9), origin="liquidation",
                side="sell")  # fmt: skip
    assert told(BINANCE_USDM, [sold, gone]) == [sold, gone]


def test_balances_are_told_together() -> None:
    held: list[AccountEvent] = [balance(), balance(currency="BTC", total=D(2), free=D(1), locked=D(1))]
    instruments = {SPOT.id: SPOT}
    assert len(side(BINANCE).encode(held, instruments)) == 1
    assert told(BINANCE, held) == held
    (unlocked,) = told(BINANCE, [balance(free=None)])
    assert unlocked == balance()


def test_a_transfer_is_told() -> None:
    paid = Payment(None, "payments", AT, AT, "paper", "main", id="", currency="USDT", amount=D(5), kind="transfer")
    assert told(BINANCE, [paid]) == [paid]
    total = balance(total=D(15), free=None, locked=None, reason="transfer")
    assert told(BINANCE_USDM, [paid, total]) == [paid, total]


def test_an_account_of_futures_is_told_by_reason() -> None:
    position = Position(
        PERP.id, "positions", AT, AT, "paper", "main", size=D(-2), entry_price=D(100), unrealised=D(1),
        margin_mode="cross",
    )  # fmt: skip
    spent = balance(free=None, locked=None, reason="fill")
    funding = Payment(
        PERP.id, "payments", AT, AT, "paper", "main", id="", currency="USDT", amount=D(-1), kind="funding"
    )
    after = balance(total=D(9), free=None, locked=None, reason="funding")

    events: list[AccountEvent] = [spent, position, funding, after]

    assert told(BINANCE_USDM, events) == events
    words = [json.loads(frame)["a"]["m"] for frame in side(BINANCE_USDM).encode(events, {PERP.id: PERP})]
    assert words == ["ORDER", "FUNDING_FEE"]
    assert [type(one).__name__ for one in told(BINANCE_USDM, [position])] == ["Position"]


def test_funding_of_two_instruments_at_once_is_told_of_each() -> None:
    other = replace(PERP, symbol="ETH/USDT:USDT", native="ETHUSDT", base="ETH")
    events: list[AccountEvent] = []
    for instrument, amount, total in ((PERP, D(-1), D(9)), (other, D(-3), D(6))):
        events += [
            Payment(
                instrument.id, "payments", AT, AT, "paper", "main", id="", currency="USDT", amount=amount,
                kind="funding",
            ),
            balance(total=total, free=None, locked=None, reason="funding"),
        ]  # fmt: skip
    frames = side(BINANCE_USDM).encode(events, {PERP.id: PERP, other.id: other})
    decode = orders_of(BINANCE_USDM).private.decoder(BINANCE_USDM.name, "main", {"BTCUSDT": PERP, "ETHUSDT": other})
    assert [replace(item, source="paper") for frame in frames for item in decode(frame, AT)] == events


small = st.decimals(D("0.0001"), D(10**4), places=4, allow_nan=False)


@st.composite
def lives(draw: st.DrawFn, venue: Venue) -> list[AccountEvent]:
    """An order of any kind that rests or is over, with the fill that made it so where there is one."""
    usdm, instrument = venue is BINANCE_USDM, INSTRUMENT[venue.name]
    market = draw(st.booleans())
    post_only = not market and draw(st.booleans())
    state = draw(st.sampled_from(["open", "partly_filled", "filled", "cancelled", "expired"]))
    some = state in {"partly_filled", "filled"} or (state in {"cancelled", "expired"} and draw(st.booleans()))
    filled, left = (draw(small) if some else D(0)), (D(0) if state == "filled" else draw(small))
    average = draw(small) if some else None
    shared: dict[str, Any] = {
        "client_id": draw(ids), "venue_id": str(draw(st.integers(1, 2**53))),
        "side": draw(st.sampled_from(["buy", "sell"])),
    }  # fmt: skip
    if usdm:
        shared["position"] = draw(st.sampled_from(["net", "long", "short"]))
    update = order(
        instrument, **shared, state=state, kind="market" if market else "limit", size=filled + left,
        price=None if market else draw(small), filled=filled, average=average,
        time_in_force="gtc" if market or post_only else draw(st.sampled_from(["gtc", "ioc", "fok"])),
        post_only=post_only, **({"reduce_only": draw(st.booleans())} if usdm else {}),
        **({"reason": "would_cross", "why": "post-only, and it would have taken"}
           if usdm and post_only and state == "expired" else {}),
    )  # fmt: skip
    if state not in {"partly_filled", "filled"} or draw(st.booleans()):
        return [update]
    made = fill(
        instrument, **shared, id=str(draw(st.integers(1, 2**53))), price=draw(small), size=draw(small), fee=draw(small),
        fee_currency=draw(st.sampled_from(["USDT", "BNB"])), liquidity=draw(st.sampled_from(["maker", "taker"])),
        **({"realised": draw(small)} if usdm else {}),
    )  # fmt: skip
    return [made, update]


@BOTH
@given(data=st.data())
def test_what_is_told_is_heard(venue: Venue, data: st.DataObject) -> None:
    events = data.draw(lives(venue))

    assert told(venue, events) == events


@BOTH
@given(data=st.data())
def test_what_is_answered_is_understood(venue: Venue, data: st.DataObject) -> None:
    *_, update = data.draw(lives(venue))
    assert isinstance(update, OrderUpdate)
    expected = replace(update, reason="", why="")  # lists do not say why

    asked_for = asked(venue, "order", client_id=update.client_id)
    assert answered(venue, asked_for, [update]) == [expected]
    assert answered(venue, asked(venue, "open_orders"), [update]) == [expected]


# ---- connections --------------------------------------------------------------------------------------------------


def spoken(venue: Venue, **frame: Any) -> Any:
    return side(venue).hear(json.dumps(frame).encode(), secret_of, {"BTCUSDT": INSTRUMENT[venue.name]}, AT)


def test_a_subscription_by_signature() -> None:
    (opening,) = orders_of(BINANCE).private.opening

    found = side(BINANCE).hear(opening(KEYS, AT, "s1"), secret_of, {}, AT)

    assert isinstance(found, Opening)
    assert (found.key, found.login, found.off) == ("key-1", True, False)
    assert found.subscribe == ("orders", "fills", "balances", "positions", "payments")
    decode = orders_of(BINANCE).private.decoder("binance", "main", {})
    assert [decode(frame, AT) for frame in found.answers] == [(Answered("s1"),)]


def test_a_signature_that_is_wrong_is_answered_and_opens_nothing() -> None:
    params = {"apiKey": "key-1", "timestamp": AT // MS, "signature": "00"}
    found = spoken(BINANCE, id=3, method="userDataStream.subscribe.signature", params=params)
    assert (found.key, found.login, found.subscribe) == ("", False, ())
    answer = json.loads(found.answers[0])
    assert (answer["id"], answer["status"], answer["error"]["code"]) == (3, 401, -1022)
    nobody = spoken(BINANCE, id="x", method="session.logon", params={})
    assert json.loads(nobody.answers[0])["error"]["code"] == -2015
    assert not nobody.login


def test_a_session() -> None:
    params = {"apiKey": "key-1", "timestamp": AT // MS}
    text = f"apiKey=key-1&timestamp={AT // MS}".encode()
    signed = {**params, "signature": hmac.digest(b"secret", text, hashlib.sha256).hex()}
    logon = spoken(BINANCE, id="l", method="session.logon", params=signed)
    assert (logon.key, logon.login) == ("key-1", True)
    assert json.loads(logon.answers[0])["result"]["apiKey"] == "key-1"
    assert json.loads(spoken(BINANCE, id="s", method="session.status").answers[0])["status"] == 200
    assert spoken(BINANCE, id="o", method="session.logout").off
    assert spoken(BINANCE, id="u", method="userDataStream.subscribe").subscribe
    assert spoken(BINANCE, id="v", method="userDataStream.unsubscribe").off
    unsigned = spoken(BINANCE, id=9, method="order.status", params={"symbol": "BTCUSDT", "orderId": 7})
    assert unsigned == Placed(ask=OrderAsk(call="order", instrument=SPOT, venue_id="7"), request_id="#9")


def test_what_needs_nobodys_key() -> None:
    assert json.loads(spoken(BINANCE, id=1, method="ping").answers[0]) == {
        "id": 1, "status": 200, "result": {}, "rateLimits": [],
    }  # fmt: skip
    clock = json.loads(spoken(BINANCE, id=1, method="time").answers[0])
    assert clock["result"] == {"serverTime": AT // MS}
    assert spoken(BINANCE, id=1, method="SUBSCRIBE", params=["btcusdt@trade"]) is None
    assert spoken(BINANCE, id=1, method="klines") is None
    assert spoken(BINANCE, id=1, method="no.such.method") is None
    assert side(BINANCE).hear(b"{", secret_of, {}, AT) is None


def test_a_request_that_says_too_little_is_answered() -> None:
    found = spoken(BINANCE, id=1, method="order.place", params={"symbol": "BTCUSDT"})
    assert json.loads(found.answers[0])["error"]["code"] == -1102
    usdm = spoken(BINANCE_USDM, id=1, method="userDataStream.start", params={"apiKey": "key-1"})
    assert usdm == Placed(ask=OrderAsk(call="listen_key"), request_id="#1", key="key-1")


def test_an_order_call_is_told_by_its_id() -> None:
    ask = asked(BINANCE, "place")
    (answer,) = entry(BINANCE).decoder(side(BINANCE).told("r1", ask, [order(SPOT)], AT), AT)
    assert isinstance(answer, Answered)
    assert (answer.request_id, answer.status) == ("r1", 200)
    (update,) = orders_of(BINANCE).calls["place"].parse(answer.body, ask, {"BTCUSDT": SPOT.id}, AT)
    assert isinstance(update, OrderUpdate)
    assert update.client_id == "mine1"
    refused = side(BINANCE).told("#12", ask, OrderRefused("no", reason="balance"), AT)
    assert json.loads(refused)["id"] == 12
    (said,) = entry(BINANCE).decoder(refused, AT)
    assert isinstance(said, Answered)
    with pytest.raises(OrderRefused) as why:
        orders_of(BINANCE).calls["place"].parse(said.body, ask, {}, AT)
    assert (why.value.reason, said.status) == ("balance", 400)


@pytest.mark.parametrize(
    ("path", "query", "key"),
    [
        ("/private/ws", "listenKey=k1&events=ORDER_TRADE_UPDATE", "k1"),
        ("/ws/k1", "", "k1"),
        ("/stream", "streams=k1", "k1"),
        ("/ws/btcusdt@trade", "", ""),
        ("/stream", "streams=btcusdt@trade/ethusdt@trade", ""),
        ("/ws", "", ""),
        ("/ws/0", "", ""),
        ("/public/ws/12", "", ""),
    ],
)
def test_the_key_in_a_streams_url(path: str, query: str, key: str) -> None:
    assert listen_key_of(path, query) == key


@pytest.mark.parametrize(
    ("name", "native"),
    [
        ("binance:BTC/USDT", "BTCUSDT"), ("binance-usdm:BTC/USDT:USDT", "BTCUSDT"),
        ("binance-usdm:ETH/USDT:USDT-251226", "ETHUSDT_251226"), ("binance:ODD", "ODD"),
    ],
)  # fmt: skip
def test_symbols_by_name(name: str, native: str) -> None:
    assert native_name(name) == native


# ---- what else clients ask ----------------------------------------------------------------------------------------


def got(venue: Venue, path: str, query: str = "") -> Any:
    body = side(venue).fixed(OrderRequest(method="GET", path=path, query=query), [INSTRUMENT[venue.name]], AT)
    return None if body is None else json.loads(body)


def test_calls_at_start() -> None:
    assert got(BINANCE, "/sapi/v1/margin/allPairs") == []
    assert got(BINANCE, "/sapi/v1/margin/isolated/allPairs") == []
    assert [coin["coin"] for coin in got(BINANCE, "/sapi/v1/capital/config/getall")] == ["BTC", "USDT"]
    assert got(BINANCE, "/sapi/v1/asset/tradeFee")[0]["symbol"] == "BTCUSDT"
    assert got(BINANCE, "/sapi/v1/asset/tradeFee", "symbol=ETHUSDT") == []
    assert got(BINANCE, "/api/v3/account/commission", "symbol=BTCUSDT")["standardCommission"]["maker"] == "0.00100000"
    assert got(BINANCE, "/api/v3/ping") == {}
    assert got(BINANCE, "/api/v3/rateLimit/order")[0]["limit"] == 50
    assert got(BINANCE, "/sapi/v1/account/apiRestrictions")["enableWithdrawals"] is False
    assert got(BINANCE, "/api/v3/no-such-path") is None
    assert got(BINANCE_USDM, "/fapi/v1/leverageBracket")[0]["brackets"][0]["initialLeverage"] == 125
    assert got(BINANCE_USDM, "/fapi/v1/commissionRate", "symbol=BTCUSDT")["takerCommissionRate"] == "0.000500"
    assert got(BINANCE_USDM, "/fapi/v1/symbolConfig")[0]["marginType"] == "CROSSED"
    assert got(BINANCE_USDM, "/fapi/v1/fundingInfo")[0]["fundingIntervalHours"] == 8
    assert got(BINANCE_USDM, "/fapi/v1/rateLimit/order")[1]["limit"] == 1200
    assert got(BINANCE_USDM, "/fapi/v1/multiAssetsMargin") == {"multiAssetsMargin": False}
    assert got(BINANCE_USDM, "/fapi/v1/apiTradingStatus")["indicators"] == {}
    assert got(BINANCE_USDM, "/sapi/v1/system/status")["status"] == 0
    assert got(BINANCE_USDM, "/api/v3/time") == {"serverTime": AT // MS}


def summary(instrument: Instrument) -> Summary:
    shared = (instrument.id, "ticker", AT, AT, "ws")
    return Summary(
        Ticker(*shared, D(110), D(100), D(120), D(90), D(4), D(420), None, None),
        Quote(*shared, D(109), D(2), D(111), D(3), 7),
    )


def ticked(venue: Venue, path: str, query: str = "") -> Any:
    request = OrderRequest(method="GET", path=path, query=query)
    body = side(venue).tickers(request, {"BTCUSDT": INSTRUMENT[venue.name]}, summary, AT)
    return None if body is None else json.loads(body)


def test_prices_that_stand_for_others() -> None:
    assert ticked(BINANCE, "/api/v3/avgPrice", "symbol=BTCUSDT") == {
        "mins": 5, "price": "110.00000000", "closeTime": AT // MS,
    }  # fmt: skip
    (premium,) = ticked(BINANCE_USDM, "/fapi/v1/premiumIndex")
    assert (premium["markPrice"], premium["indexPrice"]) == ("110.00000000", "110.00000000")
    assert 0 < premium["nextFundingTime"] - premium["time"] <= 8 * 3_600_000
    assert ticked(BINANCE, "/api/v3/depth") is None


def post(venue: Venue, path: str, body: str, method: str = "POST") -> Any:
    request = OrderRequest(method=method, path=path, body=body.encode())
    return side(venue).read(request, {"BTCUSDT": INSTRUMENT[venue.name]})


def test_other_clients_words() -> None:
    """ccxt sends forms, floats and names of its own; older paths ask the same."""
    ask = post(
        BINANCE, "/api/v3/order", "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=0.01&price=61000.0&timeInForce=GTC"
    )
    assert ask.intent == Intent(instrument=SPOT.id, side="buy", kind="limit", size=D("0.01"), price=D(61000))
    replaced = post(
        BINANCE, "/api/v3/order/cancelReplace",
        "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=2&price=5&timeInForce=GTC&cancelReplaceMode=STOP_ON_FAILURE&"
        "cancelOrderId=7",
    )  # fmt: skip
    assert replaced == OrderAsk(call="amend", instrument=SPOT, venue_id="7", size=D(2), price=D(5), part="replace")
    for version in ("v1", "v2", "v3"):
        assert post(BINANCE_USDM, f"/fapi/{version}/account", "", "GET") == OrderAsk(call="balances", part="account")
        assert post(BINANCE_USDM, f"/fapi/{version}/positionRisk", "", "GET") == OrderAsk(call="positions")
    assert post(BINANCE_USDM, "/fapi/v1/positionSide/dual", "", "GET") == OrderAsk(call="mode", part="dual")
    assert post(BINANCE_USDM, "/fapi/v1/openOrder", "symbol=BTCUSDT&orderId=7", "GET").call == "order"
    assert post(BINANCE_USDM, "/fapi/v1/allAlgoOrders", "symbol=BTCUSDT", "GET").part == "algo"
    assert post(BINANCE, "/api/v3/klines", "", "GET") is None
    assert post(BINANCE_USDM, "/fapi/v1/income", "page=2&limit=5", "GET") == OrderAsk(
        call="payments", page="2", limit=5
    )


@pytest.mark.parametrize(
    ("venue", "path", "body", "code"),
    [
        (BINANCE, "order", "side=BUY&type=MARKET&quantity=1", "-1102"),
        (BINANCE, "order", "symbol=NOPE&side=BUY&type=MARKET&quantity=1", "-1121"),
        (BINANCE, "order", "symbol=BTCUSDT&side=HOLD&type=MARKET&quantity=1", "-1117"),
        (BINANCE, "order", "symbol=BTCUSDT&side=BUY&type=ICEBERG&quantity=1", "-1116"),
        (BINANCE, "order", "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=1&timeInForce=DAY", "-1115"),
        (BINANCE, "order", "symbol=BTCUSDT&side=BUY&type=MARKET", "-1102"),
        (BINANCE, "order", "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1", "-1102"),
        (BINANCE, "order", "symbol=BTCUSDT&side=BUY&type=STOP_LOSS&quantity=1", "-1102"),
        (BINANCE, "order", "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=1_000", "-1100"),
        (BINANCE, "order/cancelReplace", "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=1", "-1102"),
        (BINANCE_USDM, "order", "symbol=BTCUSDT&side=BUY&type=TRAILING_STOP_MARKET&quantity=1", "-1102"),
        (BINANCE_USDM, "countdownCancelAll", "symbol=BTCUSDT", "-1102"),
        (BINANCE_USDM, "countdownCancelAll", "symbol=BTCUSDT&countdownTime=soon", "-1100"),
        (BINANCE_USDM, "leverage", "symbol=BTCUSDT", "-1102"),
        (BINANCE_USDM, "positionSide/dual", "dualSidePosition=maybe", "-1102"),
    ],
)
def test_what_is_malformed_is_refused_as_the_venue_does(venue: Venue, path: str, body: str, code: str) -> None:
    prefix = "/api/v3/" if venue is BINANCE else "/fapi/v1/"
    with pytest.raises(OrderRefused) as refused:
        post(venue, prefix + path, body)
    assert refused.value.code == code
    assert json.loads(side(venue).refuse(refused.value)[1])["code"] == int(code)


@pytest.mark.parametrize(
    ("venue", "path", "method"),
    [
        (BINANCE, "/api/v3/order", "DELETE"), (BINANCE_USDM, "/fapi/v1/algoOrder", "DELETE"),
        (BINANCE_USDM, "/fapi/v1/allOpenOrders", "DELETE"),
    ],
)  # fmt: skip
def test_a_cancel_names_something(venue: Venue, path: str, method: str) -> None:
    with pytest.raises(OrderRefused):
        post(venue, path, "", method)


def test_only_listen_keys_go_by_a_key_alone() -> None:
    headers = {"x-mbx-apikey": "key-1"}
    keys = OrderRequest(method="POST", path="/fapi/v1/listenKey", headers=headers)
    assert side(BINANCE_USDM).verify(keys, secret_of, AT) == "key-1"
    with pytest.raises(AuthenticationRefused):
        side(BINANCE_USDM).verify(replace(keys, path="/fapi/v1/order"), secret_of, AT)


def test_binance_us_tells_bare_payloads() -> None:
    update = order(SPOT)
    (frame,) = side(BINANCE_US).encode([update], {SPOT.id: SPOT})
    assert json.loads(frame)["e"] == "executionReport"
    decode = orders_of(BINANCE_US).private.decoder("binance", "main", {"BTCUSDT": SPOT})
    assert [replace(item, source="paper") for item in decode(frame, AT) if isinstance(item, OrderUpdate)] == [update]
