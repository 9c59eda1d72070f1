"""OKX's calls about orders and accounts: what is asked, to the byte, and what the venue's own answers mean."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from okx_fixtures import IDS, MS_NS, SPOT, SWAP, okx_samples, sample
from tapeline.errors import BadData, OrderRefused
from tapeline.model.account import AccountMode, Balance, Fill, OrderUpdate, Payment, Position
from tapeline.model.order import Intent
from tapeline.venues.okx import OKX
from tapeline.venues.okx.orders import ORDER_ALLOWANCES, calls
from tapeline.venues.orders import OrderAsk
from tapeline.venues.request import Request

D = Decimal
NOW_NS = 7
CALLS = calls("okx")


def ask(call: str, **changes: Any) -> OrderAsk:
    return OrderAsk(**({"call": call, "account": "main"} | changes))


def parsed(asked: OrderAsk, body: bytes) -> list[Any]:
    return list(CALLS[asked.call].parse(body, asked, IDS, NOW_NS))


def body(*rows: Any, code: str = "0", msg: str = "") -> bytes:
    return json.dumps({"code": code, "msg": msg, "data": rows}).encode()


def common(instrument: str | None, channel: str, at_ms: int | None) -> dict[str, Any]:
    return {
        "instrument": instrument, "channel": channel, "at_ns": None if at_ms is None else at_ms * MS_NS,
        "received_ns": NOW_NS, "source": "rest", "account": "main",
    }  # fmt: skip


def sent(asked: OrderAsk) -> tuple[str, str, Any]:
    """What goes out: method, path with query, and the body read as JSON."""
    request = CALLS[asked.call].build(asked)
    query = f"?{request.query_text}" if request.query else ""
    return request.method, request.path + query, json.loads(request.body) if request.body else None


# ---- asking -----------------------------------------------------------------------------------------------------

STOP = Intent(instrument=SWAP.id, side="sell", kind="stop", size=D(1), stop_price=D(90))


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (ask("cancel", instrument=SPOT, client_id="a1", venue_id="5"),
         ("POST", "/api/v5/trade/cancel-order", {"instId": "BTC-USDT", "ordId": "5"})),
        (ask("cancel", instrument=SPOT, client_id="a1"),
         ("POST", "/api/v5/trade/cancel-order", {"instId": "BTC-USDT", "clOrdId": "a1"})),
        (ask("cancel", instrument=SWAP, venue_id="algo-5"),
         ("POST", "/api/v5/trade/cancel-algos", [{"instId": "BTC-USDT-SWAP", "algoId": "5"}])),
        (ask("cancel", instrument=SWAP, client_id="s1", intent=STOP),
         ("POST", "/api/v5/trade/cancel-algos", [{"instId": "BTC-USDT-SWAP", "algoClOrdId": "s1"}])),
        # A stop that was set off has the id of the order that it placed.
        (ask("cancel", instrument=SWAP, client_id="s1", venue_id="6", intent=STOP),
         ("POST", "/api/v5/trade/cancel-order", {"instId": "BTC-USDT-SWAP", "ordId": "6"})),
        (ask("cancel_all", instrument=SPOT, venue_ids=("1", "2")),
         ("POST", "/api/v5/trade/cancel-batch-orders",
          [{"instId": "BTC-USDT", "ordId": "1"}, {"instId": "BTC-USDT", "ordId": "2"}])),
        (ask("cancel_all", instrument=SWAP, venue_ids=("algo-1",)),
         ("POST", "/api/v5/trade/cancel-algos", [{"instId": "BTC-USDT-SWAP", "algoId": "1"}])),
        (ask("order", instrument=SPOT, client_id="a1"),
         ("GET", "/api/v5/trade/order?instId=BTC-USDT&clOrdId=a1", None)),
        (ask("order", client_id="s1", intent=STOP), ("GET", "/api/v5/trade/order-algo?algoClOrdId=s1", None)),
        (ask("order", venue_id="algo-5"), ("GET", "/api/v5/trade/order-algo?algoId=5", None)),
        (ask("open_orders"), ("GET", "/api/v5/trade/orders-pending", None)),
        (ask("open_orders", instrument=SPOT, page="77", limit=500),
         ("GET", "/api/v5/trade/orders-pending?instId=BTC-USDT&after=77&limit=100", None)),
        (ask("open_orders", part="conditional,oco"),
         ("GET", "/api/v5/trade/orders-algo-pending?ordType=conditional%2Coco", None)),
        (ask("closed_orders", part="SWAP"), ("GET", "/api/v5/trade/orders-history?instType=SWAP", None)),
        (ask("fills", instrument=SPOT, from_ns=5_400_001, to_ns=9_000_001),
         ("GET", "/api/v5/trade/fills?instId=BTC-USDT&begin=5&end=10", None)),
        (ask("fills", venue_id="12"), ("GET", "/api/v5/trade/fills?ordId=12", None)),
        (ask("fills", venue_id="algo-12"), ("GET", "/api/v5/trade/fills", None)),
        (ask("older_fills", part="SPOT"), ("GET", "/api/v5/trade/fills-history?instType=SPOT", None)),
        (ask("balances"), ("GET", "/api/v5/account/balance", None)),
        (ask("positions", instrument=SWAP), ("GET", "/api/v5/account/positions?instId=BTC-USDT-SWAP", None)),
        (ask("payments", page="3"), ("GET", "/api/v5/account/bills?after=3", None)),
        (ask("older_payments"), ("GET", "/api/v5/account/bills-archive", None)),
        (ask("mode"), ("GET", "/api/v5/account/config", None)),
        (ask("position_mode", hedge=True),
         ("POST", "/api/v5/account/set-position-mode", {"posMode": "long_short_mode"})),
        (ask("position_mode", hedge=False), ("POST", "/api/v5/account/set-position-mode", {"posMode": "net_mode"})),
        (ask("leverage", instrument=SWAP, leverage=D("5.0")),
         ("POST", "/api/v5/account/set-leverage", {"instId": "BTC-USDT-SWAP", "lever": "5", "mgnMode": "cross"})),
        (ask("dead_man", countdown_s=60), ("POST", "/api/v5/trade/cancel-all-after", {"timeOut": "60"})),
        (ask("dead_man", countdown_s=0), ("POST", "/api/v5/trade/cancel-all-after", {"timeOut": "0"})),
    ],
)  # fmt: skip
def test_what_is_asked(asked: OrderAsk, expected: tuple[str, str, Any]) -> None:
    assert sent(asked) == expected


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (ask("cancel_all", instrument=SPOT), "unsupported"),
        (ask("cancel_all", instrument=SPOT, venue_ids=("1", "algo-2")), "parameter"),
        (ask("cancel", instrument=SPOT), "parameter"),
        (ask("cancel", client_id="a1"), "parameter"),
        (ask("order", client_id="a1"), "parameter"),
        (ask("dead_man", countdown_s=5), "parameter"),
        (ask("dead_man", countdown_s=121), "parameter"),
        (ask("dead_man"), "parameter"),
        (ask("leverage", instrument=SWAP), "parameter"),
        (ask("place", instrument=SPOT), "parameter"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_it_is_sent(asked: OrderAsk, reason: str) -> None:
    with pytest.raises(OrderRefused) as refused:
        CALLS[asked.call].build(asked)
    assert refused.value.reason == reason


def test_every_request_draws_on_an_allowance_that_there_is() -> None:
    known = {each.name for each in OKX.limits.rest}
    assert {each.name for each in ORDER_ALLOWANCES} < known
    limit = Intent(instrument=SPOT.id, side="buy", kind="limit", size=D(1), price=D(1))
    for call in CALLS:
        asked = ask(
            call,
            instrument=SWAP,
            client_id="a1",
            venue_ids=("1", "2", "3"),
            intent=limit,
            leverage=D(2),
            countdown_s=60,
        )
        request: Request = CALLS[call].build(asked)
        assert request.budget in known, call
        assert request.weight == (3 if call == "cancel_all" else 1)
        waiting: Request = CALLS[call].build(
            ask(call, instrument=SWAP, client_id="a1", venue_ids=("algo-1",), intent=STOP, leverage=D(2),
                countdown_s=60, part="trigger")
        )  # fmt: skip
        assert waiting.budget in known, call


# ---- the venue's own answers ------------------------------------------------------------------------------------


def update(client_id: str, venue_id: str, state: str, instrument: str = SPOT.id) -> OrderUpdate:
    return OrderUpdate(**common(instrument, "orders", None), client_id=client_id, venue_id=venue_id, state=state)


def test_what_was_placed_amended_and_cancelled(shared: Path) -> None:
    place = ask("place", instrument=SPOT, client_id="mine")
    assert parsed(place, sample(shared, 120)) == [update("oktswap6", "312269865356374016", "open")]
    assert parsed(place, sample(shared, 134)) == [update("mine", "12345689", "open")]  # over the WebSocket
    assert parsed(place, sample(shared, 118)) == [update("mine", "algo-12345689", "open")]
    assert parsed(place, sample(shared, 225)) == [update("test_algo_1", "algo-12345", "open")]
    amend = ask("amend", instrument=SPOT, client_id="mine")
    for number in (99, 100, 101, 124, 126):
        assert parsed(amend, sample(shared, number)) == []
    cancel = ask("cancel", instrument=SPOT, client_id="mine")
    assert parsed(cancel, sample(shared, 105)) == [update("oktswap6", "12345689", "cancelling")]
    assert parsed(cancel, sample(shared, 130)) == [update("mine", "2510789768709120", "cancelling")]
    assert parsed(cancel, sample(shared, 102)) == [update("mine", "algo-1234", "cancelling")]
    both = [update("oktswap6", "12345689", "cancelling"), update("oktswap7", "12344", "cancelling")]
    assert parsed(ask("cancel_all", instrument=SPOT), sample(shared, 104)) == both
    assert [each.venue_id for each in parsed(ask("cancel_all", instrument=SPOT), sample(shared, 128))] == [
        "2517748157541376", "2517748155771904",
    ]  # fmt: skip


def test_orders(shared: Path) -> None:
    bought = OrderUpdate(
        **common(SPOT.id, "orders", 1708587373362), client_id="", venue_id="680800019749904384", state="filled",
        side="buy", kind="market", filled=D("0.00192834"), average=D(51858),
    )  # fmt: skip
    for number, call in ((114, "order"), (113, "closed_orders"), (115, "closed_orders")):
        assert parsed(ask(call), sample(shared, number)) == [bought]
    assert parsed(ask("open_orders"), sample(shared, 116)) == [
        OrderUpdate(
            **common(SPOT.id, "orders", 1618235248028), client_id="", venue_id="301835739059335168", state="open",
            side="buy", kind="limit", size=D(1), price=D(59200), filled=D(0), time_in_force="gtc",
        ),
    ]  # fmt: skip
    (swap,) = parsed(ask("closed_orders"), sample(shared, 220))
    assert (swap.instrument, swap.size, swap.filled, swap.position) == (SWAP.id, D("0.03"), D("0.03"), "long")
    (trailing,) = parsed(ask("order", venue_id="algo-681187161907138560"), sample(shared, 109))
    assert (trailing.kind, trailing.state, trailing.venue_id, trailing.size) == (
        "trailing_stop", "open", "algo-681187161907138560", D(10),
    )  # fmt: skip
    (trigger,) = parsed(ask("open_orders", part="trigger"), sample(shared, 110))
    assert (trigger.kind, trigger.stop_price, trigger.price) == ("stop", D(100), None)
    (effective,) = parsed(ask("open_orders", part="trigger"), sample(shared, 219))
    assert (effective.instrument, effective.client_id, effective.venue_id, effective.state) == (
        "okx:ETH-USDT-SWAP", "client_algo_2", "ord_456", "open",
    )  # fmt: skip


def test_fills() -> None:
    row = {
        "instType": "SWAP", "instId": "BTC-USDT-SWAP", "tradeId": "9", "ordId": "5", "clOrdId": "a1", "billId": "12",
        "fillPx": "100", "fillSz": "2", "side": "sell", "posSide": "long", "execType": "M", "feeCcy": "USDT",
        "fee": "-0.5", "fillPnl": "3", "ts": "8", "fillTime": "7",
    }  # fmt: skip
    assert parsed(ask("fills"), body(row | {"tradeId": "10", "fee": ""}, row)) == [
        Fill(
            **common(SWAP.id, "fills", 7), id="9", client_id="a1", venue_id="5", side="sell", price=D(100), size=D(2),
            fee=D("0.5"), fee_currency="USDT", liquidity="maker", realised=D(3), position="long",
        ),
        Fill(
            **common(SWAP.id, "fills", 7), id="10", client_id="a1", venue_id="5", side="sell", price=D(100), size=D(2),
            liquidity="maker", realised=D(3), position="long",
        ),
    ]  # fmt: skip


def test_balances_and_positions(shared: Path) -> None:
    assert parsed(ask("balances"), sample(shared, 2)) == [
        Balance(
            **common(None, "balances", 1705449605015), currency="USDT", total=D("4850.435693622894"),
            free=D("4834.317093622894"), locked=D("158.573"),
        ),
    ]  # fmt: skip
    held = parsed(ask("balances"), sample(shared, 94))
    assert [(each.currency, each.total, each.free) for each in held] == [
        ("USDT", D("9930359.9998"), D("9930359.9998")), ("BTC", D("33.2009985"), D("33.6799714158199414")),
    ]  # fmt: skip
    (one,) = parsed(ask("balances"), sample(shared, 211))
    assert (one.total, one.locked) == (D("94.42612990333333"), D("5.468566666666667"))
    detail = json.loads(sample(shared, 210))
    (bare,) = parsed(ask("balances"), body({"details": [detail]}))
    assert (bare.currency, bare.total, bare.at_ns) == ("USDT", D("100.0"), 1234567890 * MS_NS)
    assert parsed(ask("positions"), sample(shared, 222)) == [
        Position(
            **common(SWAP.id, "positions", 1622559930237), size=D("0.5"), position="long", entry_price=D(10000),
            mark_price=D(10000), unrealised=D(0), liquidation_price=D(9000), leverage=D(10), margin_mode="isolated",
        ),
    ]  # fmt: skip


def test_payments_are_what_no_fill_explains(shared: Path) -> None:
    assert parsed(ask("payments"), sample(shared, 9)) == []  # a fill's
    bill = {"billId": "1", "ccy": "USDT", "type": "8", "balChg": "-0.4", "pnl": "-0.4", "instId": "BTC-USDT-SWAP",
            "tradeId": "", "ts": "5"}  # fmt: skip
    rows = (
        bill | {"billId": "5", "type": "99"}, bill | {"billId": "4", "balChg": "0", "pnl": "0"},
        bill | {"billId": "3", "balChg": "0", "pnl": "2"}, bill | {"billId": "2", "type": "1", "instId": ""}, bill,
    )  # fmt: skip
    told = parsed(ask("payments"), body(*rows))
    assert told[0] == Payment(
        **common(SWAP.id, "payments", 5), id="1", currency="USDT", amount=D("-0.4"), kind="funding"
    )
    assert [(each.id, each.instrument, each.amount, each.kind) for each in told[1:]] == [
        ("2", None, D("-0.4"), "transfer"), ("3", SWAP.id, D(2), "funding"), ("5", SWAP.id, D("-0.4"), "adjustment"),
    ]  # fmt: skip


def test_the_mode_of_an_account() -> None:
    row = {"acctLv": "2", "posMode": "net_mode", "perm": "read_only,trade"}
    assert parsed(ask("mode"), body(row)) == [AccountMode(**common(None, "account", None), level="futures")]
    (other,) = parsed(ask("mode"), body(row | {"acctLv": "9", "posMode": "long_short_mode", "perm": "read_only"}))
    assert (other.hedge, other.may_trade, other.level) == (True, False, "9")
    with pytest.raises(BadData, match="position mode"):
        parsed(ask("mode"), body(row | {"posMode": "?"}))


def test_what_was_set_says_no_more(shared: Path) -> None:
    for number, call in ((34, "leverage"), (36, "position_mode"), (226, "position_mode"), (103, "dead_man")):
        assert parsed(ask(call), sample(shared, number)) == []


READ = {2, 9, 34, 36, 94, 99, 100, 101, 102, 103, 104, 105, 109, 110, 113, 114, 115, 116, 118, 119, 120, 210, 211, 219,
        220, 222, 225, 226}  # fmt: skip
# REST rows that no call of ours asks for, and why.
UNASKED = {
    "leverage and limits that are looked up": {3, 10, 16, 25, 26, 27, 106, 108, 221},
    "fees, interest, greeks, risk": {5, 6, 17, 21, 22, 23, 223},
    "closed positions: their fills tell of them": {4},
    "closing without an order of ours": {107},
    "the funding account, deposits, withdrawals, transfers, savings, loans, conversions":
        {0, 1, 8, 11, 12, 13, 14, 15, 18, 19, 20, 24, 28, 29, 30, 33, 40, 41, 111, 112, 117},
    "settings we leave alone": {31, 32, 35, 37, 38, 39},
    "sub-accounts, affiliates, copy trading, announcements":
        {7, 42, 43, 44, 47, 86, 87, 88, 89, 90, 91, 92, 93, 95, 96, 97, 98},
}  # fmt: skip


def test_every_private_answer_of_the_samples_is_read_here_or_has_a_reason_not_to_be(shared: Path) -> None:
    private = {int(name[-4:]) for name, row in okx_samples(shared).items() if row["kind"] == "rest_private"}
    assert private == READ | set().union(*UNASKED.values())


# ---- pages ------------------------------------------------------------------------------------------------------


def test_lists_go_on_after_their_last_row_until_a_page_is_not_full() -> None:
    rows = [{"ordId": str(200 - n)} for n in range(100)]
    following = CALLS["open_orders"].next(ask("open_orders"), body(*rows))
    assert following == ask("open_orders", page="101")
    assert CALLS["open_orders"].next(ask("open_orders"), body(*rows[:99])) is None
    assert following is not None
    assert CALLS["open_orders"].next(following, body(*rows)) is None  # the same page again goes nowhere
    algos = [{"algoId": str(200 - n), "ordId": ""} for n in range(100)]
    assert CALLS["open_orders"].next(ask("open_orders", part="trigger"), body(*algos)) == ask(
        "open_orders", part="trigger", page="101"
    )
    assert CALLS["fills"].next(ask("fills", limit=1), body({"billId": "7"})) == ask("fills", limit=1, page="7")
    assert CALLS["fills"].next(ask("fills", limit=1), body({"tradeId": "7"})) is None
    assert CALLS["balances"].next(ask("balances"), body()) is None
