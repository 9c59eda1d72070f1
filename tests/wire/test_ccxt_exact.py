"""No float touches money on its way through ccxt."""

import asyncio
import json
from decimal import Decimal, getcontext
from types import SimpleNamespace
from typing import Any

import pytest

from ccxt_fakes import LONG, MARKETS, START_MS, FakeExchange, bridged
from tapeline.errors import BadData
from tapeline.venues.request import Request
from tapeline.wire.ccxt import rows
from tapeline.wire.ccxt.exact import as_decimal, on_exact_frames, read_json, text, with_exact_numbers, write_json


def test_a_tenth_and_many_digits_survive_the_whole_way() -> None:
    """As an exchange that sends JSON numbers has them: from its body over ccxt's `number` to our text."""
    body = f'{{"price": 0.1, "amount": {LONG}, "big": 123456789012345678901234567890, "small": 1e-9}}'
    read = read_json(body)
    assert read == {"price": "0.1", "amount": LONG, "big": 123456789012345678901234567890, "small": "1e-9"}
    for number in (str, as_decimal):
        assert text(number(read["price"])) == "0.1"
        assert text(number(read["amount"])) == LONG
        assert text(number(read["big"])) == "123456789012345678901234567890"
        made = text(number(read["small"]))
        assert made is not None
        assert Decimal(made) == Decimal("1e-9")


def test_what_an_adapter_made_a_float_of_is_taken_only_where_it_kept_every_digit() -> None:
    assert text(0.1) == "0.1"
    assert text(60_000.25) == "60000.25"
    assert text(1e-7) == "0.0000001"
    for lost in (0.1 + 0.2, float(LONG), float("nan")):
        with pytest.raises(BadData, match="may have lost digits"):
            text(lost)


def test_numbers_that_are_none() -> None:
    assert text(None) is None
    assert text("") is None
    assert text(7) == "7"
    for bad in (True, object()):
        with pytest.raises(BadData, match="is no number"):
            text(bad)


def test_what_is_sent_is_written_exactly_and_what_is_no_json_is_not() -> None:
    assert write_json({"amount": Decimal(LONG), "n": 1, "s": "x"}) == f'{{"amount":"{LONG}","n":1,"s":"x"}}'
    with pytest.raises(TypeError, match="object is not JSON"):
        write_json(object())


def test_frames_of_a_socket_are_read_exactly() -> None:
    heard: list[Any] = []
    client = SimpleNamespace(
        decompressBinary=True, on_message_callback=lambda _client, message: heard.append(message),
        handle_text_or_binary_message=None,
    )  # fmt: skip
    exact = on_exact_frames(client)
    for frame in (f'{{"p": {LONG}}}', f" [{LONG}]".encode(), "pong", b"ping"):
        exact.handle_text_or_binary_message(frame)
    assert heard == [{"p": LONG}, [LONG], "pong", "ping"]
    client.decompressBinary = False
    exact.handle_text_or_binary_message(b"\x00packed")
    assert heard[-1] == b"\x00packed"


def test_an_exchange_is_made_exact() -> None:
    client = SimpleNamespace(decompressBinary=True, on_message_callback=lambda *_: None)
    exchange = SimpleNamespace(client=lambda url: client if url == "wss://x" else None)
    with_exact_numbers(exchange, str)
    assert exchange.number("1.50") == "1.50"
    assert exchange.on_json_response('{"a":0.10}') == {"a": "0.10"}
    assert json.loads(exchange.json({"a": Decimal("0.10")})) == {"a": "0.1"}
    assert exchange.client("wss://x") is client
    assert callable(client.handle_text_or_binary_message)


# ---- rows ----------------------------------------------------------------------------------------------------------


def test_markets_by_every_precision_of_ccxt() -> None:
    made = rows.market(MARKETS["BTC/USD"], rows.TICK_SIZE)
    assert made == {
        "symbol": "BTC/USD", "id": "btcusd", "kind": "spot", "base": "BTC", "quote": "USD", "settle": "",
        "active": True, "tick": "0.01", "lot": "0.00000001", "min_size": "0.0001", "min_notional": "10.0",
        "contract_size": None,
    }  # fmt: skip
    places = {**MARKETS["BTC/USD"], "precision": {"price": 2, "amount": -3}}
    made = rows.market(places, rows.DECIMAL_PLACES)
    assert (made["tick"], made["lot"]) == ("0.01", "1000")
    digits = rows.market(places, 3)
    assert (digits["tick"], digits["lot"]) == (None, None)
    bare = rows.market({**MARKETS["BTC/USD"], "precision": None, "limits": None}, rows.TICK_SIZE)
    assert (bare["tick"], bare["min_size"]) == (None, None)
    assert [rows.wanted(each, "spot") for each in MARKETS.values()] == [True, True, False]
    assert [rows.wanted(each, "swap") for each in MARKETS.values()] == [False, False, True]


def test_a_fee_among_fees_and_words_that_are_absent() -> None:
    bare = {"id": 7, "order": None, "symbol": "BTC/USD", "side": "buy", "price": "1", "amount": LONG}
    made = rows.fill(bare | {"fee": None, "fees": [{"cost": "0.1", "currency": "USD"}]})
    assert (made["id"], made["order"], made["fee"], made["fee_currency"]) == ("7", None, "0.1", "USD")
    assert rows.fill(bare)["fee"] is None
    assert rows.order({"id": 5, "stopPrice": "9", "timestamp": START_MS})["stop_price"] == "9"
    assert rows.quote_of_book({"bids": [], "asks": [["2", "3"]], "timestamp": None})["bid"] is None
    assert rows.balances({"total": {"BTC": LONG}, "free": None}) == [
        {"currency": "BTC", "total": LONG, "free": None, "used": None}
    ]


# ---- with ccxt's own arithmetic beside us --------------------------------------------------------------------------


def test_the_decimal_context_of_strategies_is_left_alone() -> None:
    """ccxt sets the rounding of whatever context it runs in."""

    class Careless(FakeExchange):
        def price_to_precision(self, symbol: str, price: Any) -> str:
            getcontext().prec, getcontext().rounding = 61, "ROUND_UP"
            return super().price_to_precision(symbol, price)

    async def main() -> None:
        before = (getcontext().prec, getcontext().rounding)
        async with bridged(Careless()) as bridge:
            body = {"symbol": "BTC/USD", "type": "limit", "side": "buy", "amount": "1", "price": "2"}
            keys = (("key", "a-key-of-nobody"), ("secret", "a-secret-of-nobody"))
            request = Request("POST", "/place", headers=keys, body=json.dumps(body).encode())
            answer = await bridge.fetch("ccxt://fakex/spot", request)
        assert b'"ok"' in answer.body
        assert (getcontext().prec, getcontext().rounding) == before

    asyncio.run(main())
