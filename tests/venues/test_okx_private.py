"""OKX's private frames: the venue's own samples and ccxt's reading of them, repeats, refusals, what cannot be read."""

import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from okx_fixtures import BY_NATIVE, MS_NS, OURS, SECOND_NS, okx_samples, sample
from tapeline.errors import BadData
from tapeline.model.account import Balance, Fill, OrderUpdate, Position
from tapeline.venues.okx.private import MOST_FILLS, PRIVATE, UNUSED, WAITING, decoder
from tapeline.venues.orders import Answered, Beat, Ending, Expired

NOW_NS = 7
D = Decimal


def decoded(frame: bytes) -> Sequence[Any]:
    return list(decoder("okx", "main", BY_NATIVE)(frame, NOW_NS))


def push(channel: str, *items: dict[str, Any]) -> bytes:
    return json.dumps({"arg": {"channel": channel, "instType": "ANY"}, "data": items}).encode()


def common(instrument: str | None, channel: str, at_ms: int | None) -> dict[str, Any]:
    return {
        "instrument": instrument, "channel": channel, "at_ns": None if at_ms is None else at_ms * MS_NS,
        "received_ns": NOW_NS, "source": "ws", "account": "main",
    }  # fmt: skip


# ---- the venue's own samples ------------------------------------------------------------------------------------


def test_a_filled_order_is_its_fill_and_then_the_order(shared: Path) -> None:
    assert decoded(sample(shared, 202)) == [
        Fill(
            **common("okx:BTC/USDT", "fills", 1654084353263), id="242589207", client_id="",
            venue_id="452197707845865472", side="sell", price=D("31527.1"), size=D("0.001"), fee=D("0.02522168"),
            fee_currency="USDT", liquidity="maker", realised=D("0.01"),
        ),
        OrderUpdate(
            **common("okx:BTC/USDT", "orders", 1654084353264), client_id="", venue_id="452197707845865472",
            state="filled", side="sell", kind="limit", size=D("0.001"), price=D("31527.1"), filled=D("0.001"),
            average=D("31527.1"), time_in_force="gtc",
        ),
    ]  # fmt: skip


def test_a_deleveraged_position_and_a_fill_whose_fee_only_the_order_says(shared: Path) -> None:
    fill, order = decoded(sample(shared, 235))
    assert fill == Fill(
        **common("okx:ETH-USDT-SWAP", "fills", 1746947318402), id="1518906000", client_id="",
        venue_id="2497956918703121000", side="buy", price=D("41000.0"), size=D("0.3"), fee=D("12.3"),
        fee_currency="USDT", liquidity="taker", position="short", origin="adl",
    )  # fmt: skip
    assert (order.state, order.kind, order.position, order.origin, order.filled) == (
        "filled", "market", "short", "adl", D("0.3"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (237, ("FOK-TEST-001", "filled", "limit", "fok", D("0.05"), D("0.25"))),
        (238, ("IOC-TEST-001", "partly_filled", "limit", "ioc", D("0.02"), D("0.1002"))),
        (239, ("OPTIMAL-IOC-TEST-001", "filled", "market", "ioc", D("0.1"), D("0.051875125"))),
    ],
)
def test_times_in_force(shared: Path, number: int, expected: tuple[object, ...]) -> None:
    fill, order = decoded(sample(shared, number))
    assert (order.client_id, order.state, order.kind, order.time_in_force, order.filled, fill.fee) == expected
    assert (fill.size, fill.fee_currency) == (order.filled, "USDT")


def test_what_an_algo_order_placed(shared: Path) -> None:
    fill, order = decoded(sample(shared, 240))
    assert (order.client_id, order.venue_id, order.state, order.reduce_only) == (
        "706620792746729474_0", "706620792746729999", "filled", True,
    )  # fmt: skip
    assert (fill.id, fill.price, fill.size, fill.fee, fill.position) == (
        "1518905530", D(101950), D("0.01"), D("0.020390"), "long",
    )  # fmt: skip


def test_orders_that_wait_for_a_price(shared: Path) -> None:
    wait, limit, gone_off, cancelled, filled = decoded(sample(shared, 236))
    assert wait == OrderUpdate(
        **common("okx:BTC/USDT:USDT", "orders", 1737400000000), client_id="STOP001BTCUSDT20250120",
        venue_id="algo-706620792746729472", state="open", side="sell", kind="stop", size=D("0.01"),
        stop_price=D(95000), filled=D(0), reduce_only=True, position="long",
    )  # fmt: skip
    assert (limit.kind, limit.stop_price, limit.price, limit.state) == ("stop_limit", D(105000), D(106000), "open")
    assert (gone_off.state, gone_off.venue_id, gone_off.filled) == ("open", "706620792746729999", None)
    assert (cancelled.state, cancelled.venue_id) == ("cancelled", "algo-706620792746729475")
    assert (filled.state, filled.venue_id, filled.filled, filled.average) == (
        "filled", "706620792746730000", D("0.005"), D(102920),
    )  # fmt: skip


def test_a_take_profit_that_spends_a_sum(shared: Path) -> None:
    (update,) = decoded(sample(shared, 196))
    assert update == OrderUpdate(
        **common("okx:BTC-USDC", "orders", 1708679675245), client_id="", venue_id="algo-581878926302093312",
        state="open", side="buy", kind="take_profit", stop_price=D(1), filled=D(0),
    )  # fmt: skip


def test_balances(shared: Path) -> None:
    assert decoded(sample(shared, 138)) == [
        Balance(
            **common(None, "balances", 1705564213903), currency="USDT", total=D("4750.426970691436"),
            free=D("4734.371190691436"), locked=D("158.57998"),
        ),
    ]  # fmt: skip
    three = decoded(sample(shared, 229))
    assert [(each.currency, each.total, each.free, each.locked) for each in three] == [
        ("USDT", D("100.52768569797846"), D("100.52768569797846"), D(0)),
        ("BTC", D("0.0000000051"), D("0.0000000051"), D(0)),
        ("ETH", D("0.000000185"), D("0.000000185"), D(0)),
    ]
    assert decoded(sample(shared, 230)) == []


def test_positions(shared: Path) -> None:
    assert decoded(sample(shared, 205)) == [
        Position(
            **common("okx:ETH-USD-210430", "positions", 1619507761462), size=D(1), position="long",
            entry_price=D("2566.31"), mark_price=D("2353.849"), unrealised=D("-0.0000009932766034"),
            liquidation_price=D("2352.8496681818233"), leverage=D(10), margin_mode="isolated",
        ),
    ]  # fmt: skip
    (warned,) = decoded(sample(shared, 199))
    assert (warned.size, warned.mark_price, warned.leverage) == (D(1), D("2353.849"), D(10))


REFUSED = {
    141: ("unused", "greeks"), 144: ("unused", "funding account"), 178: ("unknown_type", "books"),
    208: ("unused", "10 fills merged"), 241: ("unused", "spreads"),
}  # fmt: skip


def test_what_is_refused_says_why(shared: Path) -> None:
    for number, (kind, why) in REFUSED.items():
        with pytest.raises(BadData, match=why) as bad:
            decoded(sample(shared, number))
        assert bad.value.kind == kind


def test_an_iceberg_order_says_nothing_of_ours(shared: Path) -> None:
    assert decoded(sample(shared, 193)) == []


def test_every_private_sample_is_read_or_refused_and_every_answer_answers(shared: Path) -> None:
    read = set()
    for name, row in okx_samples(shared).items():
        number = int(name[-4:])
        if row["kind"] == "ws_private" and number not in REFUSED:
            assert all(
                isinstance(each, OrderUpdate | Fill | Balance | Position) for each in decoded(sample(shared, number))
            )
            read.add(number)
        elif row["kind"] == "ws_api_response":
            assert decoded(sample(shared, number)) == [Answered("|1|", sample(shared, number))]
        elif row["kind"] == "ack":
            assert decoded(sample(shared, number)) in ([Answered("")], [Answered(json.loads(row["raw"]).get("id", ""))])
    assert read == {138, 193, 196, 199, 202, 205, 229, 230, 235, 236, 237, 238, 239, 240}


# ---- what ccxt reads --------------------------------------------------------------------------------------------


def near(ours: D | None, theirs: float | None) -> bool:
    return theirs in {None, 0.0} if not ours else theirs is not None and float(ours) == pytest.approx(theirs, rel=1e-12)


def same_order(ours: OrderUpdate, theirs: dict[str, Any]) -> bool:
    status = {"closed": "filled", "open": "open", "canceled": "cancelled", "order_placed": "open"}
    return (
        (ours.side, ours.client_id or None) == (theirs["side"], theirs["clientOrderId"])
        and ours.venue_id == theirs["id"]
        and (ours.state == status[theirs["status"]] or ours.state == "partly_filled")
        and ours.at_ns == theirs["lastUpdateTimestamp"] * MS_NS
        and near(ours.size, theirs["amount"])
        and near(ours.filled, theirs["filled"])
        and near(ours.average, theirs["average"])
        and (theirs["type"] == "market" or near(ours.price, theirs["price"]))
    )


def test_orders_fills_balances_and_positions_are_what_ccxt_reads(shared: Path) -> None:
    compared = []
    with (shared / "expected" / "samples.ccxt.jsonl").open(encoding="utf-8") as rows:
        expected = [row for row in map(json.loads, rows) if row["sample_id"].startswith("okx-")]
    for row in expected:
        number = int(row["sample_id"][-4:])
        resolved = dict(row["resolved"])
        if row["kind"] != "ws_private" or not resolved or number in REFUSED:
            continue
        events = decoded(sample(shared, number))
        if "orders" in resolved:
            fill, order = events
            (theirs,), (trade,) = resolved["orders"], resolved["orders::myTrades"]
            assert same_order(order, theirs), row["sample_id"]
            assert (fill.id, fill.side, fill.at_ns) == (trade["id"], trade["side"], trade["timestamp"] * MS_NS)
            assert near(fill.price, trade["price"])
            assert near(fill.size, trade["amount"])
            assert fill.liquidity == trade["takerOrMaker"]
            assert near(fill.fee, theirs["fee"]["cost"])
        elif "account" in resolved:
            held = resolved["account"]
            assert [each.currency for each in events] == list(held["free"])
            for each in events:
                assert each.free is not None
                # ccxt calls availEq free, which in this mode is availBal but for its last digit.
                assert float(each.free) == pytest.approx(held["free"][each.currency], rel=1e-12)
                assert near(each.locked, held["used"][each.currency])
        elif "positions" in resolved:
            (position,), (theirs,) = events, resolved["positions"]
            assert (position.position, position.margin_mode) == (theirs["side"], theirs["marginMode"])
            for ours, name in ((position.size, "contracts"), (position.entry_price, "entryPrice"),
                               (position.unrealised, "unrealizedPnl"), (position.mark_price, "markPrice"),
                               (position.liquidation_price, "liquidationPrice")):  # fmt: skip
                assert near(ours, theirs[name]), name
        else:
            by_stop = {each.stop_price: each for each in events}
            for theirs in resolved["orders-algo"]:
                ours = by_stop[D(str(theirs["triggerPrice"] or theirs["takeProfitPrice"])).normalize()]
                assert (ours.side, ours.reduce_only) == (theirs["side"], theirs["reduceOnly"])
                assert ours.size is None or near(ours.size, theirs["amount"])
        compared.append(number)
    assert compared == [138, 196, 202, 205, 229, 230, 235, 236, 237, 238, 239, 240]


# ---- single messages --------------------------------------------------------------------------------------------

ORDER = {
    "instId": "BTC-USDT-SWAP", "instType": "SWAP", "ordId": "1", "clOrdId": "a1", "state": "live", "side": "buy",
    "ordType": "limit", "px": "100", "sz": "2", "posSide": "net", "accFillSz": "0", "uTime": "5",
}  # fmt: skip
FILLED = ORDER | {
    "state": "partially_filled", "accFillSz": "1.5", "fillSz": "0.5", "fillPx": "99", "tradeId": "9", "fillTime": "6",
    "fillFee": "0.01", "fillFeeCcy": "USDT", "execType": "M", "avgPx": "99.5",
}  # fmt: skip


def test_a_rebate_is_a_negative_fee_and_a_fill_is_only_the_last_part() -> None:
    fill, order = decoded(push("orders", FILLED))
    assert (fill.fee, fill.fee_currency, fill.size, order.filled) == (D("-0.01"), "USDT", D("0.5"), D("1.5"))


def test_a_fill_without_its_own_fee_says_none_where_others_came_before() -> None:
    fill, _ = decoded(
        push("orders", {name: value for name, value in FILLED.items() if name != "fillFee"} | {"fee": "-1"})
    )
    assert (fill.fee, fill.fee_currency) == (None, "")


def test_a_fill_that_is_said_twice_comes_once_and_the_order_both_times() -> None:
    decode = decoder("okx", "main", BY_NATIVE)
    first = decode(push("orders", FILLED), NOW_NS)
    assert [type(each).__name__ for each in first] == ["Fill", "OrderUpdate"]
    assert [type(each).__name__ for each in decode(push("orders", FILLED), NOW_NS)] == ["OrderUpdate"]
    other = FILLED | {"instId": "BTC-USDT"}
    assert [type(each).__name__ for each in decode(push("orders", other), NOW_NS)] == ["Fill", "OrderUpdate"]
    for number in range(MOST_FILLS + 1):  # what is remembered is bounded
        decode(push("orders", FILLED | {"tradeId": str(100 + number)}), NOW_NS)
    assert len(decode(push("orders", FILLED), NOW_NS)) == 2


def test_an_order_that_an_algo_order_placed_goes_on_under_that_ones_name() -> None:
    (order,) = decoded(push("orders", ORDER | {"ordType": "trigger", "px": "", "algoId": "3", "algoClOrdId": "stop1",
                                               "clOrdId": ""}))  # fmt: skip
    assert (order.client_id, order.venue_id, order.kind, order.triggered) == ("stop1", "1", "market", True)
    (order,) = decoded(push("orders", ORDER | {"ordType": "trigger", "algoId": "3"}))
    assert order.kind == "limit"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"cancelSource": "31"}, ("cancelled", "would_cross", "the post-only order would take liquidity")),
        ({"cancelSource": "14", "ordType": "ioc"}, ("expired", "not_fillable", "IOC order was not filled completely")),
        ({"cancelSource": "1"}, ("cancelled", "", "")),
        ({"cancelSource": "20", "cancelSourceReason": "Cancel all after triggered"},
         ("cancelled", "", "Cancel all after triggered")),
        ({"code": "51008", "msg": "Insufficient"}, ("cancelled", "balance", "Insufficient")),
    ],
)  # fmt: skip
def test_why_an_order_ended(changes: dict[str, str], expected: tuple[str, str, str]) -> None:
    (order,) = decoded(push("orders", ORDER | {"state": "canceled"} | changes))
    assert (order.state, order.reason, order.why) == expected


def test_an_amend_that_failed_leaves_the_order_open_and_says_why() -> None:
    (order,) = decoded(push("orders", ORDER | {"amendResult": "-1", "code": "51511", "msg": "would take"}))
    assert (order.state, order.reason, order.why, order.price) == ("open", "would_cross", "would take", D(100))


def test_a_market_buy_that_spends_a_sum_has_no_size_of_its_own() -> None:
    spot = ORDER | {"instId": "BTC-USDT", "instType": "SPOT", "ordType": "market", "px": "", "sz": "100"}
    for tgt, size in (("", None), ("quote_ccy", None), ("base_ccy", D(100))):
        (order,) = decoded(push("orders", spot | {"tgtCcy": tgt}))
        assert (order.size, order.price) == (size, None)


ALGO = {"algoId": "3", "algoClOrdId": "s1", "instId": "BTC-USDT-SWAP", "state": "live", "side": "sell", "sz": "1",
        "posSide": "net", "uTime": "5"}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"ordType": "conditional", "slTriggerPx": "90", "slOrdPx": "-1"}, ("stop", D(90), None)),
        ({"ordType": "conditional", "slTriggerPx": "90", "slOrdPx": "89"}, ("stop_limit", D(90), D(89))),
        ({"ordType": "conditional", "tpTriggerPx": "110", "tpOrdPx": "111"}, ("take_profit_limit", D(110), D(111))),
        ({"ordType": "trigger", "triggerPx": "90", "ordPx": ""}, ("stop", D(90), None)),
        ({"ordType": "move_order_stop", "callbackRatio": "0.05", "activePx": "120"}, ("trailing_stop", D(120), None)),
        ({"ordType": "move_order_stop", "callbackRatio": "0.05"}, ("trailing_stop", None, None)),
        ({"ordType": "oco", "slTriggerPx": "90", "tpTriggerPx": "110"}, ("", D(90), None)),
        ({"ordType": "twap"}, ("", None, None)),
    ],
)
def test_kinds_of_algo_orders(changes: dict[str, str], expected: tuple[str, D | None, D | None]) -> None:
    (order,) = decoded(push("orders-algo", ALGO | changes))
    assert (order.kind, order.stop_price, order.price) == expected
    assert (order.venue_id, order.client_id) == ("algo-3", "s1")


def test_an_algo_order_that_failed_says_why_and_one_set_off_has_the_id_of_what_it_placed() -> None:
    stop = ALGO | {"ordType": "conditional", "slTriggerPx": "90", "slOrdPx": "-1"}
    (failed,) = decoded(push("orders-algo", stop | {"state": "order_failed", "failCode": "51008"}))
    assert (failed.state, failed.reason, failed.why) == ("cancelled", "balance", "order_failed 51008")
    (gone_off,) = decoded(push("orders-algo", stop | {"state": "effective", "ordIdList": ["77", "78"]}))
    assert (gone_off.state, gone_off.venue_id, gone_off.triggered) == ("open", "77", True)
    (unsaid,) = decoded(push("orders-algo", stop | {"state": "effective", "ordIdList": []}))
    assert unsaid.venue_id == "algo-3"


TRAILING = {
    "actualPx": "", "actualSide": "", "actualSz": "0", "algoId": "355056228680335360", "cTime": "1630924001545",
    "ccy": "", "clOrdId": "", "count": "", "instId": "BTC-USDT-SWAP", "instType": "SWAP", "lever": "0",
    "notionalUsd": "", "ordPx": "", "ordId": "", "ordType": "move_order_stop", "pTime": "1630924295204",
    "posSide": "net", "pxLimit": "", "pxSpread": "", "pxVar": "", "side": "sell", "slOrdPx": "", "slTriggerPx": "",
    "state": "live", "sz": "2", "szLimit": "", "tdMode": "cross", "timeInterval": "", "tpOrdPx": "",
    "tpTriggerPx": "", "tag": "", "triggerPx": "", "triggerTime": "", "tradeQuoteCcy": "", "callbackRatio": "0.005",
    "callbackSpread": "", "activePx": "", "moveTriggerPx": "59000", "failCode": "", "algoClOrdId": "t1",
    "reduceOnly": "true", "isTradeBorrowMode": "",
}  # fmt: skip


def test_an_order_that_trails_the_price_is_heard_of_on_a_channel_that_says_no_time_of_change() -> None:
    (live,) = decoded(push("algo-advance", TRAILING))
    assert (live.kind, live.venue_id, live.client_id) == ("trailing_stop", "algo-355056228680335360", "t1")
    assert (live.state, live.size, live.reduce_only, live.at_ns) == ("open", D(2), True, 1_630_924_001_545 * MS_NS)
    (ended,) = decoded(push("algo-advance", TRAILING | {"state": "canceled"}))
    assert (ended.state, ended.at_ns) == ("cancelled", 1_630_924_295_204 * MS_NS)
    off = TRAILING | {"state": "effective", "triggerTime": "1630924295100", "ordId": "77"}
    (gone_off,) = decoded(push("algo-advance", off))
    assert (gone_off.state, gone_off.venue_id, gone_off.triggered) == ("open", "77", True)
    assert gone_off.at_ns == 1_630_924_295_100 * MS_NS, "not after the word of the order it placed"
    assert decoded(push("algo-advance", TRAILING | {"ordType": "iceberg"})) == []


def test_a_short_position_is_negative_and_borrowed_coins_are_left_out() -> None:
    item = {"instId": "BTC-USDT-SWAP", "instType": "SWAP", "pos": "3", "posSide": "short", "avgPx": "0", "uTime": "5"}
    (short,) = decoded(push("positions", item))
    assert (short.size, short.position, short.entry_price) == (D(-3), "short", None)
    (closed,) = decoded(push("positions", item | {"pos": "0"}))
    assert closed.size == 0
    (net,) = decoded(push("positions", item | {"pos": "-3", "posSide": "net"}))
    assert (net.size, net.position) == (D(-3), "net")
    assert decoded(push("positions", item | {"instType": "MARGIN"})) == []


@pytest.mark.parametrize(
    ("word", "reason"),
    [("snapshot", ""), ("filled", "fill"), ("funding_fee", "funding"), ("transferred", "transfer"),
     ("interest_deduction", "fee"), ("liquidation", "adjustment")],
)  # fmt: skip
def test_what_changed_at_once_and_why(word: str, reason: str) -> None:
    item = {
        "pTime": "8", "eventType": word, "balData": [{"ccy": "USDT", "cashBal": "10", "uTime": "5"}],
        "posData": [{"instId": "BTC-USDT-SWAP", "pos": "-1", "posSide": "net", "mgnMode": "cross", "avgPx": "100",
                     "uTime": "6"}],
        "trades": [{"instId": "BTC-USDT-SWAP", "tradeId": "2"}],
    }  # fmt: skip
    assert decoded(push("balance_and_position", item)) == [
        Balance(**common(None, "balances", 5), currency="USDT", total=D(10), reason=reason),
        Position(**common("okx:BTC/USDT:USDT", "positions", 6), size=D(-1), entry_price=D(100), margin_mode="cross"),
    ]


def test_a_single_fill_of_the_light_channel_has_no_fee() -> None:
    item = {"instId": "BTC-USDT", "fillSz": "1", "fillPx": "2", "side": "buy", "ts": "5", "ordId": "1", "tradeId": "3",
            "execType": "T", "count": "1"}  # fmt: skip
    (fill,) = decoded(push("fills", item))
    assert (fill.id, fill.fee, fill.fee_currency, fill.liquidity, fill.venue_id) == ("3", None, "", "taker", "1")


# ---- what is no push --------------------------------------------------------------------------------------------


def test_control() -> None:
    assert decoded(b"pong") == [Beat()]
    assert decoded(b'{"event":"login","code":"0","msg":"","connId":"a4d3ae55"}') == [Answered("")]
    assert decoded(b'{"id":"4","event":"subscribe","arg":{"channel":"account"},"connId":"a"}') == [Answered("4")]
    assert decoded(b'{"event":"unsubscribe","arg":{"channel":"account"}}') == []
    assert decoded(b'{"event":"channel-conn-count","channel":"orders","connCount":"2","connId":"a"}') == []
    (lost,) = decoded(b'{"event":"channel-conn-count-error","channel":"orders","connCount":"31","connId":"a"}')
    assert isinstance(lost, Expired)
    notice = {"event": "notice", "code": "64008", "msg": "The connection will soon be closed", "connId": "a"}
    assert decoded(json.dumps(notice).encode()) == [Ending("The connection will soon be closed")]
    assert decoded(json.dumps(notice | {"code": "1"}).encode()) == []


@pytest.mark.parametrize(
    "frame",
    [
        b'{"event":"error","code":"60009","msg":"Login failed.","connId":"a4d3ae55"}',
        b'{"id":"4","event":"error","code":"60012","msg":"Invalid request","connId":"a4d3ae55"}',
        b'{"event":"login","code":"60022","msg":"Bulk login partially succeeded"}',
    ],
)
def test_a_refusal_is_its_own_body(frame: bytes) -> None:
    (answer,) = decoded(frame)
    assert (answer.request_id, answer.body) == (json.loads(frame).get("id", ""), frame)
    assert answer.status != 200


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        (b"", "bad_json"),
        (b"{", "bad_json"),
        (b"[]", "schema"),
        (b'{"event":"what"}', "unknown_type"),
        (b'{"arg":{"channel":"trades","instId":"BTC-USDT"},"data":[]}', "unknown_type"),
        (b'{"arg":{"channel":"orders"},"data":{}}', "schema"),
        (push("orders", {"instId": "BTC-USDT"}), "schema"),
        (push("orders", ORDER | {"state": "asleep"}), "schema"),
        (push("orders", ORDER | {"side": "both"}), "schema"),
        (push("orders", ORDER | {"sz": "1,000"}), "bad_number"),
        (push("orders", ORDER | {"uTime": "soon"}), "bad_number"),
        (push("orders", ORDER | {"uTime": "9" * 20}), "bad_number"),
        (push("orders", FILLED | {"fillPx": ""}), "bad_number"),
        (push("orders-algo", ALGO | {"state": "asleep"}), "schema"),
        (push("positions", {"instId": "BTC-USDT-SWAP", "pos": ""}), "bad_number"),
    ],
)
def test_what_cannot_be_read(frame: bytes, kind: str) -> None:
    with pytest.raises(BadData) as bad:
        decoded(frame)
    assert bad.value.kind == kind


def test_why_a_channel_is_unused_is_said() -> None:
    for channel in UNUSED:
        with pytest.raises(BadData, match=channel) as bad:
            decoded(push(channel))
        assert bad.value.kind == "unused"


def test_a_stream_logs_in_and_then_asks_for_one_channel_a_frame() -> None:
    frames = [step(OURS, 1_704_876_947 * SECOND_NS, str(n)) for n, step in enumerate(PRIVATE.opening)]
    login, *asked = map(json.loads, frames)
    assert login["args"][0]["sign"] == "V1ZO27Y6mKZsDI1lb+VzNELOYRPkdTNFXuVaUkBjk/c="
    assert [(each["id"], each["args"]) for each in asked] == [
        ("1", [{"channel": "orders", "instType": "ANY"}]), ("2", [{"channel": "account"}]),
        ("3", [{"channel": "positions", "instType": "ANY"}]), ("4", [{"channel": "balance_and_position"}]),
    ]  # fmt: skip
    waiting = json.loads(WAITING.opening[1](OURS, 0, "9"))
    both = [{"channel": "orders-algo", "instType": "ANY"}, {"channel": "algo-advance", "instType": "ANY"}]
    assert waiting == {"id": "9", "op": "subscribe", "args": both}
    assert (PRIVATE.endpoint, WAITING.endpoint, PRIVATE.url("wss://x", "")) == ("private", "business", "wss://x")
