"""Every sample of the family is read, or refused with a stated reason; and independent implementations agree."""

import gzip
import json
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tapeline.errors import BadData
from tapeline.model.event import (
    Bar,
    BookDelta,
    BookSnapshot,
    Event,
    Funding,
    Liquidation,
    Mark,
    OpenInterest,
    Quote,
    Ticker,
    Trade,
)
from tapeline.model.instrument import Instrument
from tapeline.model.verdict import Verdict
from tapeline.venues.binance import BINANCE, BINANCE_USDM
from tapeline.venues.spec import Control, Venue

VENUES = {"binance_spot": BINANCE, "binance_usdm": BINANCE_USDM}
AT = 1_800_000_000_000_000_000
KINDS = {"ws_public", "ws_private", "ack"}

# Samples that cannot be read, and why that is right.
REFUSED = {
    "binance_spot-0232": "bad_json",  # placeholders |1| where the original test put an id
    "binance_spot-0236": "bad_json",
    "binance_spot-0247": "bad_json",
    "binance_usdm-0095": "bad_json",
    "binance_spot-0248": "schema",  # a bar of nothing but its open time
    "binance_spot-0249": "schema",
}
# Filed as public, yet of an account.
ACCOUNT = {
    "ConditionalTrigger", "GridUpdate", "Leverage", "MarginUpdate", "MultiAssetMode", "StrategyUpdate", "TradeUpdate",
    "ws_futures_algo_update_finished", "ws_futures_algo_update_finished_canceled", "ws_futures_algo_update_triggered",
}  # fmt: skip
# How often ccxt says something of each kind that we say too.
CCXT = {"trade": 10, "bidask": 8, "ohlcv": 7, "ticker": 10, "markPrice": 4, "liquidations": 2}
PASSED_OVER = {"RollingWindowTicker", "AssetIndex", "CompositIndex", "ContKlines"}


def lines(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        yield json.loads(line)


def samples(shared: Path) -> Iterator[tuple[dict[str, Any], Venue]]:
    for name in ("binance_spot", "binance_usdm", "tardis_node"):
        for row in lines(shared / "samples" / f"{name}.jsonl"):
            if row["venue"] in VENUES and row["kind"] in KINDS:
                yield row, VENUES[row["venue"]]


def read(venue: Venue, raw: str) -> list[Any]:
    return list(venue.decoder(venue.name, {})(raw.encode(), AT))


def test_every_sample_is_read_or_refused_for_a_reason(shared: Path) -> None:
    kinds: dict[str, tuple[str, str]] = {}
    seen = 0
    for row, venue in samples(shared):
        seen += 1
        try:
            items = read(venue, row["raw"])
        except BadData as refused:
            private = row["kind"] == "ws_private" or row["channel"] in ACCOUNT
            want = REFUSED.get(row["id"], "private" if private else "")
            kinds[row["id"]] = (refused.kind, want)
            continue
        assert row["id"] not in REFUSED
        assert row["kind"] == "ws_public"
        assert not [item for item in items if isinstance(item, Control)], row["id"]
        assert bool(items) is (row["channel"] not in PASSED_OVER), row["id"]
    assert {name: pair for name, pair in kinds.items() if pair[0] != pair[1]} == {}
    assert seen == 120


def readable(shared: Path) -> dict[str, list[Any]]:
    found = {}
    for row, venue in samples(shared):
        try:
            found[row["id"]] = read(venue, row["raw"])
        except BadData:
            continue
    return found


def near(ours: Decimal | None, theirs: float | str | None) -> bool:
    if ours is None or theirs is None:
        return theirs is None
    return abs(float(ours) - float(theirs)) <= 1e-9 * abs(float(theirs))


def test_ccxt_agrees(shared: Path) -> None:
    found, compared = readable(shared), dict.fromkeys(CCXT, 0)
    for row in lines(shared / "expected" / "samples.ccxt.jsonl"):
        if row["venue"] not in VENUES or row["sample_id"] not in found:
            continue
        for name, value in row["resolved"]:
            kind = name.partition(":")[0]
            if kind in compared:
                compared[kind] += 1
                event = found[row["sample_id"]][0] if found[row["sample_id"]] else None
                assert ccxt_same(kind, event, value), f"{row['sample_id']}: {event} is not {value}"
    assert compared == CCXT


def ccxt_same(kind: str, event: Event | None, value: Any) -> bool:  # noqa: PLR0911  # a table of kinds
    native = value[0] if kind == "ohlcv" else value[0]["symbol"] if isinstance(value, list) else value["symbol"]
    if event is None:
        return kind == "ticker"  # the rolling windows, which are no `ticker` of ours
    assert event.instrument is not None
    assert event.instrument.partition(":")[2] == native.partition(":")[0].replace("/", "")
    if isinstance(event, Trade):
        (trade,) = value
        at_ms = None if event.at_ns is None else event.at_ns // 1_000_000
        return (event.id or None, event.side, at_ms) == (trade["id"], trade["side"], trade["timestamp"]) and (
            near(event.price, trade["price"]) and near(event.size, trade["amount"])
        )
    if isinstance(event, Quote):
        pairs = ((event.bid, "bid"), (event.bid_size, "bidVolume"), (event.ask, "ask"), (event.ask_size, "askVolume"))
        return all(near(ours, value[theirs]) for ours, theirs in pairs)
    if isinstance(event, Bar):
        ((start, *numbers),) = value[2]
        ours = (event.open, event.high, event.low, event.close, event.volume)
        return value[1] == event.interval and start == event.open_at_ns // 1_000_000 and all(map(near, ours, numbers))
    if isinstance(event, Liquidation):
        return event.side == value[0]["side"] and near(event.price, value[0]["price"])
    if isinstance(event, Mark):
        return near(event.price, value["markPrice"])
    assert isinstance(event, Ticker)
    fields = {"last": event.last, "open": event.open, "high": event.high, "low": event.low, "bid": event.bid,
              "ask": event.ask, "baseVolume": event.volume, "quoteVolume": event.quote_volume}  # fmt: skip
    return all(near(ours, value[theirs]) for theirs, ours in fields.items())


def test_tardis_agrees(shared: Path) -> None:
    """Its mappers keep state over samples, so what it says of one may repeat an earlier one: ours must be in it."""
    found, compared = readable(shared), 0
    for row in lines(shared / "expected" / "samples.tardis.jsonl"):
        if not row["exchange"].startswith("binance"):
            continue
        for mapped in row["mapped"]:
            compared += 1
            events = found[row["sample_id"]]
            assert all(tardis_same(event, mapped) for event in events), f"{row['sample_id']}: {events} {mapped}"
    assert compared == 12


def tardis_same(event: Event, mapped: dict[str, Any]) -> bool:  # noqa: PLR0911  # a table of kinds
    at_ms = round(datetime.fromisoformat(mapped["timestamp"]).timestamp() * 1000)
    ours_ms = None if event.at_ns is None else event.at_ns // 1_000_000
    match event:
        case Trade():
            same = (event.id, event.side) == (mapped["id"], mapped["side"])
            return (
                same and ours_ms == at_ms and near(event.price, mapped["price"]) and near(event.size, mapped["amount"])
            )
        case Quote():
            return near(event.bid, mapped["bidPrice"]) and near(event.ask_size, mapped["askAmount"])
        case BookSnapshot() | BookDelta():
            theirs = [(float(level["price"]), float(level["amount"])) for level in mapped["bids"]]
            snapshot = isinstance(event, BookSnapshot)
            return snapshot == mapped["isSnapshot"] and [(float(p), float(s)) for p, s in event.bids] == theirs
        case Mark():
            return near(event.price, mapped["markPrice"])
        case Funding():
            return near(event.rate, mapped["fundingRate"])
        case OpenInterest():
            return near(event.size, mapped["openInterest"])
        case Ticker():
            return near(event.last, mapped["lastPrice"])
        case _:
            return near(event.price, mapped["indexPrice"])  # type: ignore[union-attr]  # an Index is left


def test_crypto_msg_parser_agrees(shared: Path) -> None:
    found, compared = readable(shared), 0
    for row in lines(shared / "expected" / "samples.crypto_msg_parser.jsonl"):
        events = found.get(row["sample_id"])
        if not events:
            continue
        for pair in row["asserts"]:
            name, want = pair if pair[0][0].isalpha() and "." in pair[0] else reversed(pair)
            ours = _named(events, name)
            if ours is not None and "*" not in want:
                compared += 1
                assert near(ours, want.removeprefix("Some(").removesuffix(")")), f"{row['sample_id']} {name}: {want}"
    assert compared == 67


def _named(events: list[Any], name: str) -> Decimal | None:  # noqa: PLR0911  # a table of kinds
    """Our value of what they assert, where we say the same thing."""
    event = events[0]
    if name.startswith("funding_rates[") and name.endswith("funding_rate"):
        return [each.rate for each in events if isinstance(each, Funding)][int(name[14])]
    if name.startswith("orderbook.") and isinstance(event, BookSnapshot | BookDelta):
        if name.endswith(".seq_id"):
            return Decimal(event.last_seq or 0)
        if "[" in name and name.endswith(("].price", "].quantity_base")):
            levels = event.asks if ".asks" in name else event.bids
            return Decimal(levels[int(name.partition("[")[2][0])][0 if name.endswith("price") else 1])
    if isinstance(event, Trade) and name == "trade.quantity_base":
        return event.size
    if isinstance(event, Quote):
        fields = {"ask_price": event.ask, "bid_price": event.bid, "ask_quantity_base": event.ask_size,
                  "bid_quantity_base": event.bid_size}  # fmt: skip
        return fields.get(name.partition(".")[2])
    if isinstance(event, Bar):
        bar = {"open": event.open, "high": event.high, "low": event.low, "close": event.close,
               "volume": event.volume, "quote_volume": event.quote_volume}  # fmt: skip
        return bar.get(name.partition(".")[2])
    return None


@pytest.mark.parametrize(
    ("name", "venue", "counts"),
    [
        ("binance_spot_cryptofeed_20211012", BINANCE, {"Trade": 2, "Quote": 84, "Bar": 2, "BookDelta": 177}),
        ("binance_usdm_cryptofeed_20210722", BINANCE_USDM, {"Trade": 48, "Quote": 393, "Bar": 30, "BookDelta": 444}),
    ],
)
def test_cryptofeed_agrees_on_a_whole_recording(shared: Path, name: str, venue: Venue, counts: dict[str, int]) -> None:
    def rows(folder: str, what: str) -> list[Any]:
        with gzip.open(shared / folder / f"{name}.{what}.jsonl.gz", "rt", encoding="utf-8") as opened:
            return [json.loads(line) for line in opened]

    decode, by_type = venue.decoder(venue.name, {}), dict[str, list[tuple[int, Any]]]()
    for number, row in enumerate(rows("captures", "ws")):
        if row["dir"] == "in":
            for item in decode(row["raw"].encode(), AT):
                by_type.setdefault(type(item).__name__, []).append((number, item))
    assert {kind: len(events) for kind, events in by_type.items()} == counts
    trades = [(i, e.id, e.side, str(e.price), str(e.size)) for i, e in by_type["Trade"]]
    theirs = [(r["i"], str(r["id"]), r["side"], r["price"], r["size"]) for r in rows("expected", "cryptofeed.trades")]
    assert trades == theirs
    quotes = [(i, str(e.bid), str(e.ask)) for i, e in by_type["Quote"]]
    assert quotes == [(r["i"], r["bid"], r["ask"]) for r in rows("expected", "cryptofeed.tickers")]
    bars = [
        (i, e.interval, e.open_at_ns, *map(str, (e.open, e.high, e.low, e.close, e.volume)), e.trades, e.closed)
        for i, e in by_type["Bar"]
    ]
    assert bars == [
        (r["i"], r["interval"], round(r["start"] * 1e9), r["open"], r["high"], r["low"], r["close"], r["volume"],
         r["trades"], r["closed"])
        for r in rows("expected", "cryptofeed.candles")
    ]  # fmt: skip
    judge, at = venue.feeds["book"].judge, dict[str, int]()
    assert judge is not None
    for _, delta in by_type["BookDelta"]:
        assert judge(at.get(delta.instrument), delta) is Verdict.APPLY
        at[delta.instrument] = delta.last_seq


def test_names_come_from_the_list_where_there_is_one(shared: Path) -> None:
    raw = next(row["raw"] for row, _ in samples(shared) if row["id"] == "binance_usdm-0173")
    dated = Instrument(
        venue="binance-usdm", symbol="ETH/USDT:USDT-210625", native="ETHUSDT_210625", kind="future", base="ETH",
        quote="USDT",
    )  # fmt: skip
    (event,) = BINANCE_USDM.decoder("binance-usdm", {dated.native: dated})(raw.encode(), AT)
    assert isinstance(event, BookDelta)
    assert event.instrument == "binance-usdm:ETH/USDT:USDT-210625"
