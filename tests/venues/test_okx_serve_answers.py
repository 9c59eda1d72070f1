"""What the venue answers about orders and accounts by REST is read as it happened; refusals, and what is fixed."""

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from okx_fixtures import IDS, MS_NS, SPOT, SWAP
from tapeline.errors import AuthenticationRefused, ClockWrong, OrderRefused, OutcomeUnknown, RateLimited
from tapeline.model.account import AccountEvent, AccountMode, Balance, Fill, OrderUpdate, Payment, Position
from tapeline.model.order import REASONS
from tapeline.venues.okx import OKX
from tapeline.venues.okx.serve_orders import ALGO_PART
from tapeline.venues.orders import OrderAsk, OrderRequest

D = Decimal
NOW_NS = 1_704_876_947_000_000_000
assert OKX.orders is not None
ORDERS = OKX.orders
assert ORDERS.server is not None
SERVER = ORDERS.server
CALLS = ORDERS.calls


def common(instrument: str | None, channel: str, at_ns: int | None = 5 * MS_NS) -> dict[str, Any]:
    return {
        "instrument": instrument, "channel": channel, "at_ns": at_ns, "received_ns": 7, "source": "rest",
        "account": "main",
    }  # fmt: skip


def answered(ask: OrderAsk, *events: AccountEvent) -> list[Any]:
    """Told by the venue's side, and read by ours."""
    body = SERVER.answer(ask, events, NOW_NS)
    return list(CALLS[ask.call].parse(body, msgspec.structs.replace(ask, account="main"), IDS, 7))


OPEN = OrderUpdate(
    **common(SPOT.id, "orders"), client_id="a1", venue_id="5", state="open", side="buy", kind="limit", size=D(2),
    price=D(100), filled=D(0), time_in_force="gtc",
)  # fmt: skip
STOP = OrderUpdate(
    **common(SWAP.id, "orders"), client_id="s1", venue_id="6", state="open", side="sell", kind="stop_limit", size=D(2),
    price=D(89), stop_price=D(90), filled=D(0), reduce_only=True,
)  # fmt: skip
change = msgspec.structs.replace


@pytest.mark.parametrize(
    "update",
    [
        OPEN, change(OPEN, post_only=True),
        change(OPEN, time_in_force="ioc", state="partly_filled", filled=D(1), average=D(99)),
        change(OPEN, kind="market", price=None, time_in_force="", state="filled", filled=D(2), average=D(99)),
        change(OPEN, kind="market", price=None, time_in_force="", size=None, state="filled", filled=D(2), average=D(9)),
        change(OPEN, state="cancelled", why="by the user"),
        change(OPEN, state="cancelled", reason="would_cross", why="it would take"),
        change(OPEN, state="expired", time_in_force="fok", reason="not_fillable", why="not all of it"),
        change(OPEN, state="expired", time_in_force="ioc", reason="not_fillable", why="not all of it"),
        change(OPEN, instrument=SWAP.id, position="short", reduce_only=True),
        change(OPEN, instrument=SWAP.id, origin="liquidation", kind="market", price=None, time_in_force=""),
        change(OPEN, instrument=SWAP.id, kind="market", price=None, time_in_force="ioc"),
        change(OPEN, reason="would_cross", why="an amend that failed"),
    ],
)  # fmt: skip
def test_an_order_is_read_as_it_was_told(update: OrderUpdate) -> None:
    ask = OrderAsk(call="order", instrument=SPOT, venue_id="5")
    assert answered(ask, update) == [update]
    assert answered(OrderAsk(call="closed_orders"), update) == ([update] if update.state in {
        "filled", "cancelled", "expired"} else [])  # fmt: skip


def test_orders_that_wait_have_lists_of_their_own() -> None:
    waiting = change(STOP, venue_id="algo-6")
    trailing = change(STOP, kind="trailing_stop", price=None, venue_id="8")
    profit = change(STOP, kind="take_profit", price=None, venue_id="9")
    every = (OPEN, STOP, trailing, profit)
    assert answered(OrderAsk(call="open_orders"), *every) == [OPEN]
    assert answered(OrderAsk(call="open_orders", part="conditional,oco"), *every) == [
        waiting, change(profit, venue_id="algo-9"),
    ]  # fmt: skip
    assert answered(OrderAsk(call="open_orders", part="move_order_stop"), *every) == [
        change(trailing, venue_id="algo-8")
    ]
    assert answered(OrderAsk(call="open_orders", part="trigger"), *every) == [waiting]
    mine = OrderAsk(call="order", venue_id="algo-6", part=ALGO_PART)
    assert answered(mine, STOP) == [waiting]
    gone_off = change(STOP, triggered=True, state="partly_filled", filled=D(1))
    assert answered(mine, gone_off) == [change(STOP, state="open", filled=None, triggered=True)]
    assert answered(OrderAsk(call="open_orders"), gone_off) == [
        change(gone_off, kind="limit", time_in_force="gtc", stop_price=None)
    ]
    dropped = change(STOP, state="cancelled")
    body = json.loads(SERVER.answer(OrderAsk(call="closed_orders", part=ALGO_PART), [dropped, OPEN], NOW_NS))
    assert [(row["algoId"], row["state"]) for row in body["data"]] == [("6", "canceled")]
    assert answered(OrderAsk(call="closed_orders"), dropped) == []


def test_what_was_placed_and_cancelled_is_answered_by_name() -> None:
    fill = Fill(**common(SPOT.id, "fills"), id="1", client_id="a1", venue_id="5", side="buy", price=D(1), size=D(1))
    named = OrderUpdate(**common(SPOT.id, "orders", None), client_id="a1", venue_id="5", state="open")
    assert answered(OrderAsk(call="place", instrument=SPOT), fill, OPEN) == [named]
    assert answered(OrderAsk(call="cancel", instrument=SPOT), OPEN) == [change(named, state="cancelling")]
    assert answered(OrderAsk(call="amend", instrument=SPOT), OPEN) == []
    waiting = change(named, instrument=SWAP.id, client_id="s1", venue_id="algo-6")
    assert answered(OrderAsk(call="place", instrument=SWAP), STOP) == [waiting]
    gone = OrderAsk(call="cancel_all", instrument=SPOT, venue_ids=("4", "5"))
    assert answered(gone, change(OPEN, state="cancelled")) == [change(named, state="cancelling")]
    assert answered(OrderAsk(call="cancel", instrument=SPOT, client_id="a9")) == [
        change(named, client_id="a9", venue_id="", state="cancelling")
    ]


def test_fills_balances_positions_payments_and_the_mode() -> None:
    fill = Fill(
        **common(SWAP.id, "fills"), id="9", client_id="a1", venue_id="5", side="sell", price=D(100), size=D(2),
        fee=D("-0.5"), fee_currency="USDT", liquidity="maker", realised=D(3), position="long",
    )  # fmt: skip
    free = change(fill, id="10", fee=D(0), liquidity="", realised=None)
    unsaid = change(fill, id="11", fee=None, fee_currency="")
    assert answered(OrderAsk(call="fills"), fill, free, unsaid) == [fill, free, unsaid]
    spot = change(fill, instrument=SPOT.id, position="net")
    assert answered(OrderAsk(call="fills", part="SPOT"), fill, spot) == [spot]
    held = Balance(**common(None, "balances"), currency="USDT", total=D("10.5"), free=D(10), locked=D("0.5"))
    assert answered(OrderAsk(call="balances"), held, change(held, currency="BTC")) == [
        held, change(held, currency="BTC"),
    ]  # fmt: skip
    assert answered(OrderAsk(call="balances")) == []
    short = Position(
        **common(SWAP.id, "positions"), size=D(-3), position="short", entry_price=D(100), mark_price=D(101),
        unrealised=D("-0.03"), liquidation_price=D(200), leverage=D(3), margin_mode="cross",
    )  # fmt: skip
    net = change(short, position="net", liquidation_price=None)
    assert answered(OrderAsk(call="positions"), short, net) == [short, net]
    paid = Payment(**common(SWAP.id, "payments"), id="1", currency="USDT", amount=D("-0.4"), kind="funding")
    moved = Payment(**common(None, "payments"), id="2", currency="USDT", amount=D(5), kind="transfer")
    assert answered(OrderAsk(call="payments"), paid, moved) == [paid, moved]
    mode = AccountMode(**common(None, "account", None), hedge=True, may_trade=False, level="futures")
    assert answered(OrderAsk(call="mode"), mode) == [mode]
    assert answered(OrderAsk(call="mode"), change(mode, level="paper")) == [mode]
    for ask in (
        OrderAsk(call="position_mode", hedge=True),
        OrderAsk(call="dead_man", countdown_s=60),
        OrderAsk(call="dead_man", countdown_s=0),
        OrderAsk(call="leverage", instrument=SWAP, leverage=D(3)),
    ):
        assert answered(ask) == []


def test_lists_come_in_pages_newest_first() -> None:
    every = [change(OPEN, venue_id=str(number)) for number in range(1, 251)]
    ask, seen = OrderAsk(call="open_orders"), []
    following: OrderAsk | None = ask
    while following is not None:
        body = SERVER.answer(following, every, NOW_NS)
        seen += [row["ordId"] for row in json.loads(body)["data"]]
        following = CALLS["open_orders"].next(following, body)
    assert seen == [str(number) for number in range(250, 0, -1)]
    few = OrderAsk(call="open_orders", limit=2, page="250")
    assert [each.venue_id for each in answered(few, *every)] == ["248", "249"]
    unknown = OrderAsk(call="open_orders", limit=1, page="9999")
    assert [each.venue_id for each in answered(unknown, *every)] == ["250"]


# ---- refusals ---------------------------------------------------------------------------------------------------


def test_every_refusal_reads_as_the_same_reason_or_the_nearest() -> None:
    nearest = {
        "min_notional": "min_size", "other": "parameter", "margin": "balance", "already_final": "unknown_order",
    }  # fmt: skip
    for reason in REASONS:
        status, body = SERVER.refuse(OrderRefused("no", reason=reason))
        assert status == 200
        with pytest.raises(OrderRefused) as refused:
            CALLS["place"].parse(body, OrderAsk(call="place", instrument=SPOT), IDS, 7)
        assert refused.value.reason == nearest.get(reason, reason)


def test_refusals_that_are_about_no_order() -> None:
    for error, status, kind in (
        (AuthenticationRefused("Invalid Sign", code="50113"), 401, AuthenticationRefused),
        (AuthenticationRefused("log in first"), 401, AuthenticationRefused),
        (ClockWrong("late"), 401, ClockWrong), (RateLimited("slow"), 429, RateLimited),
        (OutcomeUnknown("?"), 400, OutcomeUnknown),
    ):  # fmt: skip
        said, body = SERVER.refuse(error)
        assert said == status
        with pytest.raises(kind):
            CALLS["place"].parse(body, OrderAsk(call="place", instrument=SPOT), IDS, 7)


# ---- what is the same for everybody -----------------------------------------------------------------------------


def fixed(path: str, query: str = "", method: str = "GET") -> Any:
    request = OrderRequest(method=method, path=f"/api/v5/{path}", query=query)
    body = SERVER.fixed(request, [SPOT, SWAP], NOW_NS)
    return None if body is None else json.loads(body)["data"]


def test_what_clients_ask_at_start() -> None:
    assert [row["ccy"] for row in fixed("asset/currencies")] == ["BTC", "USDT"]
    (fee,) = fixed("account/trade-fee", "instType=SWAP")
    assert (fee["instType"], fee["maker"], fee["taker"], fee["ts"]) == ("SWAP", "-0.0008", "-0.001", "1704876947000")
    assert [row["instFamily"] for row in fixed("public/position-tiers", "instType=SWAP&instFamily=BTC-USDT")] == [
        "BTC-USDT"
    ]
    assert fixed("public/position-tiers", "instFamily=ETH-USDT") == []
    assert fixed("public/position-tiers", "instFamily=%zz") is None
    assert fixed("asset/balances") == []
    assert fixed("market/books") is None
    assert fixed("asset/currencies", method="POST") is None
