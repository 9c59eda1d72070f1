"""Calls through the bridge: what ccxt is asked, and what comes of its errors."""

import asyncio
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from ccxt_fakes import (
    KEY,
    LONG,
    SECRET,
    START_MS,
    AuthenticationError,
    ClientConnectorError,
    ExchangeNotAvailable,
    FakeExchange,
    NetworkError,
    OrderNotFound,
    bridged,
)
from tapeline.errors import ConfigError, TapelineError, TimedOut, Unsent
from tapeline.sim.loop import run
from tapeline.venues.request import Request
from tapeline.wire.ccxt.exchange import check_able

SPOT, SWAP = "ccxt://fakex/spot", "ccxt://fakex/swap"
LIMIT = {"symbol": "BTC/USD", "type": "limit", "side": "buy", "amount": "0.5", "price": "100", "client_id": "t1"}
MARKET = {"symbol": "BTC/USD", "type": "market", "side": "buy", "amount": "0.5", "client_id": "t1"}


def requested(call: str, asked: dict[str, Any]) -> Request:
    keys = (("key", KEY), ("secret", SECRET), ("passphrase", "words-of-it"))
    return Request("POST", f"/{call}", headers=keys, body=json.dumps({"symbol": None, **asked}).encode())


def answers(exchange: FakeExchange, *calls: tuple[str, dict[str, Any]], url: str = SPOT, within_s: float = 10.0) -> Any:
    """What each call gives: rows, or an error's names and text; the last one's."""

    async def main() -> Any:
        said: Any = None
        async with bridged(exchange, within_s) as bridge:
            for call, asked in calls:
                said = json.loads((await bridge.fetch(url, requested(call, asked))).body)
        return said["ok"] if "ok" in said else (said["error"][0], said["text"])

    return run(main())


def without(*flags: str) -> FakeExchange:
    exchange = FakeExchange()
    exchange.has |= dict.fromkeys(flags, False)
    return exchange


# ---- the market ------------------------------------------------------------------------------------------------------


def test_instruments_of_the_kind_that_is_meant() -> None:
    assert [each["symbol"] for each in answers(FakeExchange(), ("instruments", {}))] == ["BTC/USD", "ETH/USD"]
    assert [each["symbol"] for each in answers(FakeExchange(), ("instruments", {}), url=SWAP)] == ["BTC/USDT:USDT"]

    class Empty(FakeExchange):
        def set_markets(self, markets: list[Any], currencies: Any) -> None:
            super().set_markets(markets[:2], currencies)

    name, text = answers(Empty(), ("instruments", {}), url=SWAP)
    assert (name, text) == ("BadSymbol", "fakex lists no swap markets in ccxt")


def test_the_clock_is_the_exchanges_where_it_has_one() -> None:
    assert answers(FakeExchange(), ("time", {})) == START_MS + 250
    assert answers(without("fetchTime"), ("time", {})) == START_MS
    read: list[int] = []

    class Stamping(FakeExchange):
        async def load_time_difference(self) -> None:
            read.append(1)

    assert answers(Stamping({"options": {"timeDifference": 0}}), ("time", {})) == START_MS + 250
    assert read == [1]


def test_depth_and_trades() -> None:
    (book,) = answers(FakeExchange(), ("depth", {"symbol": "BTC/USD", "limit": 1}))
    assert book == {"bids": [["59999", LONG]], "asks": [["60001", "0.5"]], "timestamp": START_MS}
    exchange = FakeExchange()
    exchange.tape = [{"id": str(at), "price": "1", "amount": LONG, "side": "buy"} for at in range(3)]
    assert [each["id"] for each in answers(exchange, ("trades", {"symbol": "BTC/USD", "limit": 2}))] == ["1", "2"]


# ---- acting ----------------------------------------------------------------------------------------------------------


def test_an_order_is_placed_as_it_was_meant() -> None:
    exchange = FakeExchange()
    (row,) = answers(exchange, ("place", LIMIT | {"amount": "0.12345678", "price": "60000.01"}))
    assert (row["id"], row["client_id"], row["status"]) == ("1", "t1", None)
    (sent,) = exchange.calls("create_order")
    assert sent == ("BTC/USD", "limit", "buy", Decimal("0.12345678"), Decimal("60000.01"), {"clientOrderId": "t1"})
    assert (exchange.apiKey, exchange.secret, exchange.password) == (KEY, SECRET, "words-of-it")


def test_terms_go_along() -> None:
    exchange = FakeExchange()
    exchange.features["spot"]["createOrder"]["timeInForce"] = {}
    answers(exchange, ("place", LIMIT | {"time_in_force": "ioc", "post_only": True, "reduce_only": True}))
    assert exchange.calls("create_order")[0][-1] == {
        "clientOrderId": "t1", "timeInForce": "IOC", "postOnly": True, "reduceOnly": True,
    }  # fmt: skip


def test_by_cost() -> None:
    exchange = FakeExchange()
    answers(exchange, ("place", MARKET | {"amount": None, "cost": "600"}))
    assert exchange.orders["1"]["amount"] == "0.01"
    for order in (MARKET | {"side": "sell", "cost": "600"}, LIMIT | {"cost": "600"}):
        assert answers(FakeExchange(), ("place", order))[0] == "NotSupported"
    assert answers(without("createMarketBuyOrderWithCost"), ("place", MARKET | {"cost": "6"}))[0] == "NotSupported"


@pytest.mark.parametrize(
    ("order", "name", "text"),
    [
        (LIMIT | {"price": "100.005"}, "Tick", "fakex would get 100.00 for 100.005 of BTC/USD"),
        (LIMIT | {"amount": LONG}, "Lot", "fakex would get 0.12345678 for " + LONG),
        (LIMIT | {"time_in_force": "fok"}, "NotSupported", "fakex has no FOK orders"),
    ],
)
def test_what_would_be_another_order_is_not_sent(order: Any, name: str, text: str) -> None:
    exchange = FakeExchange()
    said = answers(exchange, ("place", order))
    assert said[0] == name
    assert text in said[1]
    assert exchange.calls("create_order") == []


def test_no_market_buy_by_size_where_the_exchange_reads_it_as_cost() -> None:
    exchange = FakeExchange({"options": {"createMarketBuyOrderRequiresPrice": True}})
    name, text = answers(exchange, ("place", MARKET))
    assert name == "NotSupported"
    assert "give quote_size" in text
    assert exchange.calls("create_order") == []


def test_post_only_that_ccxt_knows_not_to_exist() -> None:
    exchange = FakeExchange()
    exchange.features = {"swap": {"linear": {"createOrder": {"timeInForce": {"PO": False}}}}}
    order = LIMIT | {"symbol": "BTC/USDT:USDT", "amount": "2", "post_only": True}
    assert answers(exchange, ("place", order), url=SWAP) == ("NotSupported", "fakex has no post-only orders in ccxt")


def test_amends() -> None:
    exchange = FakeExchange()
    (row,) = answers(exchange, ("place", LIMIT), ("amend", LIMIT | {"amount": "0.75", "price": "99"}))
    assert (row["amount"], row["price"], row["id"]) == ("0.75", "99", "1")
    assert exchange.calls("edit_order")[0][0] == "1", "it was looked up by our id"
    emulated = FakeExchange()
    emulated.has["editOrder"] = "emulated"
    assert answers(emulated, ("place", LIMIT), ("amend", LIMIT | {"venue_id": "1"}))[0] == "NotSupported"


def test_cancels_by_whatever_id_is_known() -> None:
    exchange = FakeExchange()
    (row,) = answers(exchange, ("place", LIMIT), ("cancel", LIMIT | {"venue_id": "1"}))
    assert (row["id"], row["status"]) == ("1", None)
    (row,) = answers(exchange, ("place", LIMIT | {"client_id": "t2"}), ("cancel", LIMIT | {"client_id": "t2"}))
    assert row["id"] == "2"
    assert exchange.calls("cancel_order")[1] == ("", "BTC/USD", {"clientOrderId": "t2"})
    assert answers(exchange, ("cancel", LIMIT | {"venue_id": "1"}))[0] == "OrderNotFound"

    class ById(FakeExchange):
        async def cancel_order(self, order_id: str, symbol: str, params: Any = None) -> Any:
            assert not params
            return await super().cancel_order(order_id, symbol)

    (row,) = answers(ById(), ("place", LIMIT), ("cancel", LIMIT | {"venue_id": "1"}))
    assert row["id"] == "1"


def test_cancel_all() -> None:
    exchange = FakeExchange()
    assert answers(exchange, ("place", LIMIT), ("cancel_all", {"symbol": "BTC/USD"})) == []
    assert exchange.orders["1"]["status"] == "canceled"
    assert answers(without("cancelAllOrders"), ("cancel_all", {"symbol": "BTC/USD"}))[0] == "NotSupported"


# ---- asking ----------------------------------------------------------------------------------------------------------


def test_lists() -> None:
    exchange = FakeExchange()
    (open_order,) = answers(exchange, ("place", LIMIT), ("open_orders", {"symbol": "BTC/USD"}))
    assert open_order["client_id"] == "t1"
    assert answers(exchange, ("balances", {}))[0] == {
        "currency": "USD",
        "total": "100000",
        "free": "100000",
        "used": "0",
    }
    assert answers(exchange, ("positions", {})) == []
    (short,) = answers(exchange, ("positions", {}), url=SWAP)
    assert (short["side"], short["contracts"], short["mark_price"]) == ("short", "3", LONG)
    assert answers(exchange, ("payments", {"symbol": "BTC/USD"})) == []
    (paid,) = answers(exchange, ("payments", {"symbol": "BTC/USDT:USDT", "since": 5}), url=SWAP)
    assert (paid["amount"], paid["currency"]) == ("-0.25", "USDT")


def test_fills_go_by_days_and_none_is_missed() -> None:
    day = 86_400_000

    class ByDay(FakeExchange):
        """It answers for a day from `since` on, as some do."""

        async def fetch_my_trades(self, symbol: str, since: int | None = None, limit: int | None = None) -> Any:
            found = await super().fetch_my_trades(symbol, since, None)
            return [each for each in found if since is None or each["timestamp"] < since + day][:limit]

    exchange = ByDay()
    answers(exchange, ("place", MARKET), ("place", MARKET), ("place", MARKET))
    for trade, days_ago in zip(exchange.trades, (12, 5, 0), strict=True):
        trade["timestamp"] = START_MS - days_ago * day
    found = answers(exchange, ("fills", {"symbol": "BTC/USD", "since": START_MS - 20 * day}))
    assert [(each["id"], each["fee"]) for each in found] == [("1", LONG), ("2", LONG), ("3", LONG)]
    assert answers(exchange, ("fills", {"symbol": "BTC/USD", "since": 1}))[0] == "BadResponse", "fifty years by weeks"


def test_one_order_is_found_by_any_way_there_is() -> None:
    exchange = FakeExchange()
    (row,) = answers(exchange, ("place", LIMIT), ("order", LIMIT | {"venue_id": "1"}))
    assert row["status"] == "open"
    (row,) = answers(exchange, ("order", LIMIT))
    assert row["id"] == "1"
    exchange.has["fetchOrder"] = False
    (row,) = answers(exchange, ("order", LIMIT))
    assert row["id"] == "1"
    assert answers(exchange, ("order", LIMIT | {"client_id": "t9"}))[0] == "OrderNotFound"
    exchange.has["fetchClosedOrders"] = False
    name, text = answers(exchange, ("order", LIMIT | {"client_id": "t9"}))
    assert name == "OrderNotCached"
    assert "what became of t9 cannot be told" in text


def test_not_found_by_our_id_is_believed_only_when_the_lists_do_not_show_it_either() -> None:
    class Deaf(FakeExchange):
        """Its adapter names clientOrderId, and its exchange does not read it."""

        async def fetch_order(self, order_id: str, symbol: str, params: Any = None) -> Any:
            if (params or {}).get("clientOrderId"):
                raise OrderNotFound("fakex no order ''")
            return await super().fetch_order(order_id, symbol, params)

    (row,) = answers(Deaf(), ("place", LIMIT), ("order", LIMIT))
    assert row["id"] == "1"
    assert answers(Deaf(), ("order", LIMIT))[0] == "OrderNotFound"


# ---- what goes wrong -------------------------------------------------------------------------------------------------


def test_errors_of_ccxt_are_answers_without_keys_in_them() -> None:
    exchange = FakeExchange()
    url = f"https://api.fakex.com/v2/order?apiKey={KEY}&signature=abcdef"
    exchange.fail["create_order"] = [NetworkError(f"fakex POST {url} {SECRET} failed")]
    name, text = answers(exchange, ("place", LIMIT))
    assert (name, text) == ("NetworkError", "fakex POST https://api.fakex.com/v2/order?*** *** failed")


def test_an_error_whose_cause_says_that_nothing_left() -> None:
    exchange = FakeExchange()
    error = ExchangeNotAvailable("fakex GET https://api.fakex.com")
    error.__cause__ = ClientConnectorError("refused")
    exchange.fail["create_order"] = [error]
    assert answers(exchange, ("place", LIMIT))[0] == "ClientConnectorError"


def test_an_answer_that_does_not_come_is_given_up() -> None:
    class Slow(FakeExchange):
        async def create_order(self, *_arguments: Any) -> Any:
            await asyncio.sleep(3600)

    with pytest.raises(TimedOut, match="ccxt-fakex place: no answer within 4 s"):
        answers(Slow(), ("place", LIMIT), within_s=4)


def test_numbers_that_ccxt_may_have_rounded_are_bad() -> None:
    class Floats(FakeExchange):
        async def fetch_balance(self) -> Any:
            return {"total": {"USD": 0.1 + 0.2}}

    async def main() -> None:
        async with bridged(Floats()) as bridge:
            await bridge.fetch(SPOT, requested("balances", {}))

    with pytest.raises(TapelineError, match="may have lost digits"):
        run(main())


def test_an_exchange_that_does_not_tell_its_markets_could_not_be_asked() -> None:
    exchange = FakeExchange()
    exchange.fail["load_markets"] = [ExchangeNotAvailable(f"down for {SECRET}"), ExchangeNotAvailable("down")]
    with pytest.raises(Unsent, match=r"ccxt-fakex could not be opened: down for \*\*\*"):
        answers(exchange, ("place", LIMIT))
    assert exchange.closed
    with pytest.raises(Unsent):
        answers(exchange, ("place", LIMIT))
    assert answers(exchange, ("place", LIMIT))[0]["id"] == "1", "the third time it works"


def test_markets_are_read_once_for_all_who_need_them() -> None:
    exchange = FakeExchange()

    async def main() -> None:
        async with bridged(exchange) as bridge:
            for call in ("instruments", "time", "balances"):
                await bridge.fetch(SPOT, requested(call, {}))
            assert exchange.loads == 1
            await asyncio.sleep(601)
            async with bridge.dial(SPOT):
                assert exchange.loads == 2

    run(main())


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda it: it.has.update(fetchMyTrades=None), "ccxt-fakex cannot be traded: ccxt has no fetchMyTrades there"),
        (lambda it: it.requiredCredentials.update(uid=True), 'requires "uid" credential'),
    ],
)
def test_accounts_that_cannot_be_kept(change: Callable[[Any], None], text: str) -> None:
    exchange = FakeExchange()
    change(exchange)
    with pytest.raises(ConfigError, match=text):
        answers(exchange, ("balances", {}))
    assert exchange.closed


def test_an_exchange_without_client_order_ids_is_refused_plainly() -> None:
    with pytest.raises(ConfigError, match="carries no client order ids"):
        check_able(_bare(), "ccxt-bare")


def _bare() -> Any:
    class Bare:
        def __init__(self) -> None:
            self.has = dict.fromkeys(
                ("createOrder", "cancelOrder", "fetchOpenOrders", "fetchBalance", "fetchMyTrades"), True
            )

        async def create_order(self, symbol: str, params: Any) -> Any:
            return {"id": symbol, "label": params["label"]}

    return Bare()


def test_a_key_that_is_refused() -> None:
    exchange = FakeExchange()
    exchange.fail["fetch_balance"] = [AuthenticationError("fakex invalid key " + KEY)]
    assert answers(exchange, ("balances", {})) == ("AuthenticationError", "fakex invalid key ***")
