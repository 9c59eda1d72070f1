"""Every private sample of the family decodes to the right value; and ccxt reads the same in it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tapeline.model.account import AccountEvent, Fill, OrderUpdate
from tapeline.venues.binance import BINANCE, BINANCE_USDM
from tapeline.venues.binance.orders.private import decoder
from tapeline.venues.binance.orders.stream_spot import SPOT
from tapeline.venues.binance.orders.stream_usdm import USDM
from tapeline.venues.orders import Answered, ListenKey, OrderAnswer, OrderAsk, PrivateControl

AT = 1_800_000_000_000_000_000
DIALECTS = {"binance_spot": ("binance", SPOT), "binance_usdm": ("binance-usdm", USDM)}
# Filed as public, yet of an account.
ACCOUNT = {
    "ConditionalTrigger", "GridUpdate", "Leverage", "MarginUpdate", "MultiAssetMode", "StrategyUpdate", "TradeUpdate",
    "ws_futures_algo_update_finished", "ws_futures_algo_update_finished_canceled", "ws_futures_algo_update_triggered",
}  # fmt: skip
# What nothing is made of, and why that is right.
NOTHING = {
    "USER_LIABILITY_CHANGE": "of margin accounts",
    "MARGIN_LEVEL_STATUS_CHANGE": "of margin accounts", "GRID_UPDATE": "of the venue's own strategies",
    "STRATEGY_UPDATE": "of the venue's own strategies", "ACCOUNT_CONFIG_UPDATE": "asked for where it matters",
    "TRADE_LITE": "the order update says the same, with its fee",
    "externalLockUpdate": "what is locked elsewhere comes with the balances it changes",
}  # fmt: skip


def brief(event: AccountEvent | PrivateControl | None) -> str:
    """An event in a line: what differs from its defaults, without what all of them share."""
    if event is None:
        return "nothing"
    shared = {"channel", "received_ns", "source", "account"}
    default = {field.name: field.default for field in msgspec.structs.fields(event)}
    said = {name: value for name, value in msgspec.structs.asdict(event).items() if name not in shared}
    words = [f"{name}={value}" for name, value in said.items() if value != default[name] and value is not None]
    return f"{type(event).__name__} {' '.join(words)}"


def samples(shared: Path) -> Iterator[tuple[dict[str, Any], list[Any]]]:
    for name, (venue, dialect) in DIALECTS.items():
        decode = decoder(dialect, venue, "main", {})
        for line in (shared / "samples" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            document = row["kind"] == "doc_json" and row["src"].endswith("user-data-stream.md")
            if row["kind"] == "ws_private" or row["channel"] in ACCOUNT or document:
                yield row, list(decode(row["raw"].encode(), AT))


def test_every_private_sample_is_read(shared: Path) -> None:
    found = {row["id"]: (row, items) for row, items in samples(shared)}

    lines = (Path(__file__).parent / "binance_private_samples.txt").read_text(encoding="utf-8").splitlines()
    ours = [f"{name} {brief(item)}" for name, (_, items) in found.items() for item in items or [None]]
    assert ours == lines
    for row, items in found.values():
        payload = json.loads(row["raw"])
        name = payload.get("event", payload.get("data", payload))["e"]
        assert bool(items) is (name not in NOTHING), row["id"]
        for item in items:
            assert (item.source, item.account, item.received_ns) == ("ws", "main", AT)


def same(ours: Any, theirs: float | str | None) -> bool:
    if ours is None or theirs is None:
        return theirs is None or ours == 0
    return abs(float(ours) - float(theirs)) <= 1e-9 * abs(float(theirs))


STATES = {
    "open": {"open", "partly_filled", "cancelling"}, "closed": {"filled", "cancelled", "open"},
    "canceled": {"cancelled"}, "expired": {"expired"}, "canceling": {"cancelling"}, "NEW_INSURANCE": {"filled"},
}  # fmt: skip


def test_ccxt_reads_the_same(shared: Path) -> None:
    found = {row["id"]: (row, items) for row, items in samples(shared)}
    compared = {"orders": 0, "myTrades": 0}
    for line in (shared / "expected" / "samples.ccxt.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        for kind, (value, *_) in [
            pair for pair in row["resolved"] if pair[0] in compared and row["sample_id"] in found
        ]:
            algo = "algo_update" in row["channel"]
            compared[kind] += 1
            ours = found[row["sample_id"]][1]
            if kind == "orders":
                same_order(next(each for each in ours if isinstance(each, OrderUpdate)), value, algo=algo)
            else:
                fills = [each for each in ours if isinstance(each, Fill)]
                assert bool(fills) is bool(value["price"] and value["amount"]), row["sample_id"]
                for fill in fills:
                    same_fill(fill, value)
    assert compared == {"orders": 33, "myTrades": 9}


def same_order(ours: OrderUpdate, theirs: dict[str, Any], *, algo: bool) -> None:
    assert (ours.client_id or None, ours.side) == (theirs["clientOrderId"], theirs["side"])
    assert same(ours.size, theirs["amount"])
    assert same(ours.stop_price, theirs["triggerPrice"])
    assert ours.post_only is theirs["postOnly"]
    assert theirs["status"] is None or ours.state in STATES[theirs["status"]]
    if algo:  # it takes a triggered order for a filled one, by the id of the conditional order
        return
    assert ours.venue_id.removeprefix("algo-") == theirs["id"]
    assert same(ours.filled, theirs["filled"])
    assert ours.average is None or same(ours.average, theirs["average"])
    if ours.kind != "market":  # it gives a market order its average as its price
        assert same(ours.price, theirs["price"])


def same_fill(ours: Fill, theirs: dict[str, Any]) -> None:
    assert (ours.id, ours.venue_id, ours.side) == (theirs["id"], theirs["order"], theirs["side"])
    assert ours.liquidity == theirs["takerOrMaker"]
    assert ours.at_ns == theirs["timestamp"] * 1_000_000
    assert same(ours.price, theirs["price"])
    assert same(ours.size, theirs["amount"])
    assert theirs["fee"] is None or same(ours.fee, theirs["fee"]["cost"])


@pytest.mark.parametrize(("name", "dialect"), [("spot", SPOT), ("usdm", USDM)])
def test_what_is_ignored_has_a_reason(name: str, dialect: Any) -> None:
    assert name
    assert all(reason for reason in dialect.ignored.values())
    assert dialect.readers.keys().isdisjoint(dialect.ignored)


# Answers of order calls: the call that reads those of this method and path, or of this channel of the WebSocket API.
READ = {
    "POST /api/v3/order": "place", "DELETE /api/v3/order": "cancel", "GET /api/v3/order": "order",
    "PUT /api/v3/order/amend/keepPriority": "amend", "DELETE /api/v3/openOrders": "cancel_all",
    "GET /api/v3/account": "balances", "POST /fapi/v1/order": "place", "PUT /fapi/v1/order": "amend",
    "DELETE /fapi/v1/order": "cancel", "GET /fapi/v1/order": "order", "POST /fapi/v1/algoOrder": "place",
    "DELETE /fapi/v1/algoOrder": "cancel", "GET /fapi/v1/algoOrder": "order", "GET /fapi/v1/openAlgoOrders": "algo",
    "GET /fapi/v1/allOrders": "open_orders", "GET /fapi/v1/forceOrders": "open_orders",
    "GET /fapi/v1/userTrades": "fills", "GET /fapi/v3/balance": "balances", "GET /fapi/v3/positionRisk": "positions",
    "GET /fapi/v2/positionRisk": "positions", "GET /fapi/v1/income": "payments", "GET /fapi/v1/accountConfig": "mode",
    "POST /fapi/v1/countdownCancelAll": "dead_man", "POST /fapi/v1/leverage": "leverage",
}  # fmt: skip
CHANNELS = {
    "PlaceOrder": "place", "CancelOrder": "cancel", "GetOrder": "order", "EditOrder": "amend",
    "CancelAllOrders": "cancel_all", "GetOpenOrders": "open_orders", "PlaceConditionalOrder": "place",
    "CancelConditionalOrder": "cancel", "GetPositions": "positions", "balance": "balances",
    "position_risk": "positions", "open_algo_orders": "algo", "http_futures_account_orders": "open_orders",
    "http_futures_account_positions_one_way": "positions",
}  # fmt: skip


def answers(shared: Path) -> Iterator[str]:
    for name, venue in (("binance_spot", BINANCE), ("binance_usdm", BINANCE_USDM)):
        assert venue.orders is not None
        assert venue.orders.entry is not None
        for line in (shared / "samples" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            spoken = row["kind"] == "ws_api_response"
            if row["kind"] != "rest_private" and not spoken:
                continue
            call = READ.get(f"{row.get('method')} {row.get('url')}") or CHANNELS.get(row["channel"])
            if call is None or "/sapi/" in row.get("url", "") or "/papi/" in row.get("url", ""):
                continue
            body = row["raw"].encode()
            if spoken:
                (answered,) = venue.orders.entry.decoder(body, AT)
                assert isinstance(answered, Answered)
                assert answered.status == 200
                body = answered.body
            ask = OrderAsk(call="open_orders", account="main", part="algo") if call == "algo" else None
            ask = ask or OrderAsk(call=call, account="main")
            events: list[OrderAnswer | None] = [*venue.orders.calls[ask.call].parse(body, ask, {}, AT)]
            for event in events or [None]:
                assert not isinstance(event, ListenKey)
                yield f"{row['id']} {ask.call}: {brief(event)}"


def test_every_sample_of_an_answer_is_read(shared: Path) -> None:
    lines = (Path(__file__).parent / "binance_answer_samples.txt").read_text(encoding="utf-8").splitlines()
    assert list(answers(shared)) == lines
