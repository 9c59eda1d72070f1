"""Every OKX message in the samples: decoded, or refused with a reason; equal to what others make of it."""

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tapeline.errors import BadData
from tapeline.model.event import Bar, BookDelta, BookSnapshot, Event, Funding, Mark, OpenInterest, Quote, Trade
from tapeline.model.plausible import impossible
from tapeline.venues.okx import OKX
from tapeline.venues.spec import Control

FILES = ("okx.jsonl", "tardis_node.jsonl")
KINDS = {"ws_public", "ws_private", "ws_api_response", "ack"}
# Public by their kind, and yet refused: rows of one column, and bare lists that were never a frame.
REFUSED_PUBLIC = {"okx-0149", "okx-0150", "okx-0209", "okx-0234"}
SPOT = {"BTC-USDT", "CRV-USDT", "ETH-USDT"}
NAMES = {"ETH/USDT": "ETH-USDT", "BTC/USDT": "BTC-USDT"}


def lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as rows:
        yield from map(json.loads, rows)


@pytest.fixture(scope="module")
def samples(shared: Path) -> dict[str, dict[str, Any]]:
    rows = [row for name in FILES for row in lines(shared / "samples" / name)]
    return {row["id"]: row for row in rows if row["venue"] == "okx" and row["kind"] in KINDS}


def decoded(row: dict[str, Any]) -> list[Event | Control]:
    return list(OKX.decoder("okx", {})(row["raw"].encode(), 7))


def test_every_sample_is_read_or_refused_with_its_reason(samples: dict[str, dict[str, Any]]) -> None:
    refused = {}
    for name, row in samples.items():
        try:
            items = decoded(row)
        except BadData as bad:
            refused[name] = bad.kind
        else:
            assert [impossible(item) for item in items if hasattr(item, "instrument")].count("") == sum(  # type: ignore[arg-type]  # events have one
                hasattr(item, "instrument") for item in items
            ), name
    assert len(samples) > 100
    for name, kind in refused.items():
        assert kind == ("schema" if name in REFUSED_PUBLIC else "private"), name
    private = {name for name, row in samples.items() if row["kind"] in {"ws_private", "ws_api_response"}}
    assert private - refused.keys() == {"okx-0178"}  # a book, whatever its kind says
    assert {name for name in refused if samples[name]["kind"] == "ws_public"} == REFUSED_PUBLIC


def near(ours: Decimal | None, theirs: float | None) -> bool:
    return theirs is None if ours is None else theirs is not None and float(ours) == pytest.approx(theirs, rel=1e-12)


def same_trade(ours: Any, theirs: dict[str, Any]) -> bool:
    return (
        isinstance(ours, Trade)
        and (ours.id, ours.side, ours.at_ns) == (theirs["id"], theirs["side"], theirs["timestamp"] * 1_000_000)
        and near(ours.price, theirs["price"])
        and near(ours.size, theirs["amount"])
    )


def same_quote(ours: Any, theirs: dict[str, Any]) -> bool:
    sizes = not isinstance(ours, Quote) or (
        near(ours.bid_size, theirs["bidVolume"]) and near(ours.ask_size, theirs["askVolume"])
    )
    return (
        sizes
        and near(ours.bid, theirs["bid"])
        and near(ours.ask, theirs["ask"])
        and ours.at_ns == theirs["timestamp"] * 1_000_000
    )


def same_bar(ours: Any, theirs: list[float]) -> bool:
    prices = (ours.open, ours.high, ours.low, ours.close)
    spot = ours.instrument.removeprefix("okx:") in SPOT
    return (
        isinstance(ours, Bar)
        and ours.open_at_ns == theirs[0] * 1_000_000
        and all(map(near, prices, theirs[1:5]))
        and (not spot or near(ours.volume, theirs[5]))  # of contracts it says the base volume, which is not ours to say
    )


def test_trades_quotes_and_bars_are_what_ccxt_makes_of_them(shared: Path, samples: dict[str, dict[str, Any]]) -> None:
    agreed = {"trades": 0, "bidask": 0, "candle": 0}
    for row in lines(shared / "expected" / "samples.ccxt.jsonl"):
        if row["sample_id"] not in samples or row["sample_id"] in REFUSED_PUBLIC:
            continue
        for key, said in row["resolved"]:
            kind = key.partition(":")[0]
            if kind == "trades":
                assert all(map(same_trade, decoded(samples[row["sample_id"]]), said)), row["sample_id"]
            elif kind == "bidask":
                assert same_quote(decoded(samples[row["sample_id"]])[0], said), row["sample_id"]
            elif kind.startswith("candle"):
                assert all(map(same_bar, decoded(samples[row["sample_id"]]), said)), row["sample_id"]
            agreed[kind.rstrip("0123456789mDH")] = agreed.get(kind.rstrip("0123456789mDH"), 0) + 1
    assert (agreed["trades"], agreed["bidask"], agreed["candle"]) == (9, 13, 6)


def test_all_is_what_tardis_makes_of_it(shared: Path, samples: dict[str, dict[str, Any]]) -> None:
    agreed = set()
    for row in lines(shared / "expected" / "samples.tardis.jsonl"):
        if row["sample_id"] not in samples or not row["mapped"]:
            continue
        ours: Any = decoded(samples[row["sample_id"]])[0]
        said = row["mapped"][0]
        if said["type"] == "trade":
            assert (ours.id, ours.side) == (said["id"], said["side"])
            assert near(ours.price, said["price"])
            assert near(ours.size, said["amount"])
        elif said["type"] == "book_change":
            assert isinstance(ours, BookSnapshot if said["isSnapshot"] else BookDelta)
            for side in ("bids", "asks"):
                theirs = [(level["price"], level["amount"]) for level in said[side]]
                assert [(float(price), float(size)) for price, size in getattr(ours, side)] == theirs
        elif isinstance(ours, Mark):
            assert near(ours.price, said["markPrice"])
        elif isinstance(ours, Funding):
            assert near(ours.rate, said["fundingRate"])
        elif isinstance(ours, OpenInterest):
            assert near(ours.size, said["openInterest"])
        assert ours.instrument.removeprefix("okx:").startswith(said["symbol"].removesuffix("-SWAP"))
        agreed.add(type(ours))
    assert {Trade, BookSnapshot, BookDelta, Mark, Funding, OpenInterest} <= agreed


# What its authors assert, by the field it speaks of; sizes they state in the venue's unit only for contracts.
ASSERTED = {
    "trade.price": lambda e: e.price, "trade.quantity_contract": lambda e: e.size,
    "trade.timestamp": lambda e: e.at_ns // 1_000_000, "bbo_msg.ask_price": lambda e: e.ask,
    "bbo_msg.bid_price": lambda e: e.bid, "bbo_msg.ask_quantity_contract": lambda e: e.ask_size,
    "bbo_msg.bid_quantity_contract": lambda e: e.bid_size, "bbo_msg.timestamp": lambda e: e.at_ns // 1_000_000,
    "candlestick_msg.open": lambda e: e.open, "candlestick_msg.high": lambda e: e.high,
    "candlestick_msg.low": lambda e: e.low, "candlestick_msg.close": lambda e: e.close,
    "candlestick_msg.begin_time": lambda e: e.open_at_ns // 1_000_000_000,
    "funding_rates[0].funding_rate": lambda e: e.rate,
    "funding_rates[0].funding_time": lambda e: e.next_at_ns // 1_000_000,
    "orderbook.bids[0].price": lambda e: e.bids[0][0], "orderbook.asks[0].price": lambda e: e.asks[0][0],
    "orderbook.bids[4].price": lambda e: e.bids[4][0], "orderbook.asks[4].price": lambda e: e.asks[4][0],
    "orderbook.bids[0].quantity_contract": lambda e: e.bids[0][1],
    "orderbook.asks[0].quantity_contract": lambda e: e.asks[0][1],
    "orderbook.timestamp": lambda e: e.at_ns // 1_000_000,
}  # fmt: skip


def test_live_messages_hold_the_values_crypto_msg_parser_asserts(
    shared: Path, samples: dict[str, dict[str, Any]]
) -> None:
    agreed = 0
    for row in lines(shared / "expected" / "samples.crypto_msg_parser.jsonl"):
        if row["sample_id"] not in samples:
            continue
        (event,) = decoded(samples[row["sample_id"]])
        for pair in row["asserts"]:
            for value, field in (pair, reversed(pair)):
                text = value.removeprefix("Some(").removesuffix(")")
                if field in ASSERTED and value != "None":
                    assert Decimal(str(ASSERTED[field](event))) == Decimal(text), (row["sample_id"], field)
                    agreed += 1
    assert agreed > 80
