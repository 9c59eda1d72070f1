"""OKX's REST calls: what is asked, what the answers say, what its errors mean; from its own recorded answers."""

import gzip
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tapeline.errors import (
    AuthenticationRefused,
    BadData,
    ClockWrong,
    ConfigError,
    RateLimited,
    Refused,
    Retry,
    UnknownInstrument,
)
from tapeline.model.event import Bar, BookSnapshot, Trade
from tapeline.model.instrument import Instrument
from tapeline.venues.okx import OKX
from tapeline.venues.okx.instruments import Listing, listing
from tapeline.venues.okx.rest import calls
from tapeline.venues.spec import Ask, Request, ServerTime

IDS = {"BTC-USDT": "okx:BTC/USDT"}
RECEIVED_NS = 7
MS_NS = 1_000_000


def body(*rows: Any, code: str = "0", msg: str = "") -> bytes:
    return json.dumps({"code": code, "msg": msg, "data": rows}).encode()


def parsed(ask: Ask, answer: bytes) -> list[Any]:
    return list(OKX.rest[ask.call].parse(answer, ask, IDS, RECEIVED_NS))


def sample(shared: Path, name: str) -> bytes:
    with (shared / "samples" / "okx.jsonl").open(encoding="utf-8") as rows:
        return next(row["raw"] for row in map(json.loads, rows) if row["id"] == name).encode()  # type: ignore[no-any-return]  # JSON


def recorded(shared: Path) -> dict[str, bytes]:
    """Bodies by the end of their URL."""
    path = shared / "captures" / "okx_v5_cryptofeed_20220513.rest.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as rows:
        return {row["url"].partition("instType=")[2]: row["body"].encode() for row in map(json.loads, rows)}


def listed(shared: Path, part: str) -> dict[str, Instrument]:
    found = parsed(Ask("instruments", part=part), recorded(shared)[part])
    return {each.native: each for each in found}


def test_every_recorded_instrument_has_a_name_of_its_own(shared: Path) -> None:
    for part, count in (("SPOT", 513), ("SWAP", 166), ("FUTURES", 104), ("OPTION&uly=BTC-USD", 346)):
        found = listed(shared, part)
        assert len(found) == len({each.symbol for each in found.values()}) == count


def test_spot_and_contracts_of_every_kind(shared: Path) -> None:
    spot = listed(shared, "SPOT")["BTC-USDT"]
    assert spot == Instrument(
        venue="okx", symbol="BTC/USDT", native="BTC-USDT", kind="spot", base="BTC", quote="USDT", tick=Decimal("0.1"),
        lot=Decimal("0.00000001"), min_size=Decimal("0.00001"),
    )  # fmt: skip
    inverse = listed(shared, "SWAP")["BTC-USD-SWAP"]
    assert inverse == Instrument(
        venue="okx", symbol="BTC/USD:BTC", native="BTC-USD-SWAP", kind="perpetual", base="BTC", quote="USD",
        settle="BTC", tick=Decimal("0.1"), lot=Decimal(1), min_size=Decimal(1), size_unit="contract",
        contract_size=Decimal(100), inverse=True,
    )  # fmt: skip
    linear = listed(shared, "SWAP")["BTC-USDT-SWAP"]
    assert (linear.symbol, linear.contract_size, linear.inverse) == ("BTC/USDT:USDT", Decimal("0.01"), False)
    future = listed(shared, "FUTURES")["BTC-USD-220527"]
    assert (future.symbol, future.kind, future.expiry_ns) == (
        "BTC/USD:BTC-220527", "future", 1_653_638_400_000_000_000,
    )  # fmt: skip
    option = listed(shared, "OPTION&uly=BTC-USD")["BTC-USD-220514-22000-C"]
    assert (option.symbol, option.kind, option.contract_size, option.inverse) == (
        "BTC/USD:BTC-220514-22000-C", "option", Decimal("0.1"), False,
    )  # fmt: skip


def test_our_listing_of_every_recorded_instrument_reads_back_as_the_same(shared: Path) -> None:
    for part in recorded(shared):
        found = list(listed(shared, part).values())
        rows = [msgspec.to_builtins(row) for row in map(listing, found)]
        assert parsed(Ask("instruments", part=part), body(*rows)) == found


def test_the_number_of_an_instrument_comes_along_and_reads_back() -> None:
    row = {"instType": "SPOT", "instId": "A-B", "baseCcy": "A", "quoteCcy": "B", "instIdCode": 10458}
    (found,) = parsed(Ask("instruments", part="SPOT"), body(row))
    assert found.code == "10458"
    assert msgspec.to_builtins(listing(found))["instIdCode"] == 10458
    assert parsed(Ask("instruments", part="SPOT"), body(row | {"instIdCode": "7"}))[0].code == "7"


def test_an_instrument_that_cannot_be_named_does_not_take_the_list_with_it() -> None:
    good = {"instType": "SPOT", "instId": "A-B", "baseCcy": "A", "quoteCcy": "B", "state": "suspend"}
    bad = [
        {"instType": "EVENTS", "instId": "X"}, {"instType": "SWAP", "instId": "X-Y-SWAP"},
        {"instType": "FUTURES", "instId": "X-Y-1", "uly": "X-Y"}, good | {"tickSz": "1,300"},
        {"instType": "FUTURES", "instId": "X-Y-1", "uly": "X-Y", "expTime": "soon"},
    ]  # fmt: skip
    *unnamed, only = parsed(Ask("instruments", part="SPOT"), body(*bad, {"instId": 7}, 7, good))
    assert (only.symbol, only.status) == ("A/B", "halted")
    assert [each.native for each in unnamed] == ["X", "X-Y-SWAP", "X-Y-1", "A-B", "X-Y-1", "", ""]
    assert unnamed[0].text == "okx: X is of unknown type 'EVENTS'"
    (pair,) = parsed(Ask("instruments"), body(good | {"instType": "SWAP", "instFamily": "A-B", "settleCcy": "B"}))
    assert pair.symbol == "A/B:B"
    assert listing(pair).state == Listing("SWAP", "A-B", "suspend").state


def test_the_newest_answers_of_samples(shared: Path) -> None:
    (swap,) = parsed(Ask("instruments", part="SWAP"), sample(shared, "okx-0216"))[:1]
    assert (swap.kind, swap.size_unit, swap.status) == ("perpetual", "contract", "trading")
    (time,) = parsed(Ask("time"), sample(shared, "okx-0078"))
    assert time == ServerTime(1_597_026_383_085 * MS_NS)
    (book,) = parsed(Ask("depth", "BTC-USDT"), sample(shared, "okx-0066"))
    assert book == BookSnapshot(
        "okx:BTC/USDT", "book", 1_629_966_436_396 * MS_NS, RECEIVED_NS, "rest", [("41006.3", "0.30178218")],
        [("41006.8", "0.60038921")],
    )  # fmt: skip
    older, newer = parsed(Ask("trades", "BTC-USDT"), sample(shared, "okx-0069"))
    assert newer == Trade(
        "okx:BTC/USDT", "trades", 1_654_161_646_974 * MS_NS, RECEIVED_NS, "rest", "242720720", 242720720, "sell",
        Decimal("29963.2"), Decimal("0.00001"), 242720720, 242720720,
    )  # fmt: skip
    assert older.id == "242720719"
    bars = parsed(Ask("bars", "BTC-USDT", interval="1m"), sample(shared, "okx-0060"))
    assert [(bar.close, bar.volume, bar.closed) for bar in bars] == [
        (Decimal("3.72"), Decimal(24912403), False), (Decimal("3.708"), Decimal(8422410), False),
    ]  # fmt: skip


def test_a_depth_answer_of_today_has_a_sequence() -> None:
    row = {"asks": [], "bids": [["1", "2", "0", "1"]], "ts": "5", "seqId": 42}
    (book,) = parsed(Ask("depth", "NEW-USDT"), body(row))
    assert (book.instrument, book.last_seq, book.bids, book.asks) == ("okx:NEW-USDT", 42, [("1", "2")], [])
    (book,) = calls("okx-demo")["depth"].parse(body(row), Ask("depth", "NEW-USDT"), {}, 7)
    assert book.instrument == "okx-demo:NEW-USDT"  # type: ignore[union-attr]  # a snapshot


def test_candles_are_turned_round_and_cut_to_what_was_asked() -> None:
    rows = [[str(minute * 60_000), "1", "2", "1", "2", "3", "4", "5", "1"] for minute in (4, 3, 2, 1)]
    ask = Ask("bars", "BTC-USDT", "1m", from_ns=2 * 60_000 * MS_NS, to_ns=4 * 60_000 * MS_NS)
    bars = parsed(ask, body(*rows))
    assert [bar.open_at_ns // (60_000 * MS_NS) for bar in bars] == [2, 3]
    assert bars[0] == Bar(
        "okx:BTC/USDT", "bars:1m", None, RECEIVED_NS, "rest", "1m", 120_000 * MS_NS, Decimal(1), Decimal(2), Decimal(1),
        Decimal(2), Decimal(3), Decimal(5), None, None, None, None, closed=True, revision=1,
    )  # fmt: skip


def test_trades_are_cut_to_what_was_asked() -> None:
    rows = [{"instId": "BTC-USDT", "side": "buy", "sz": "1", "px": "2", "tradeId": str(number), "ts": str(number)}
            for number in (14, 12, 11, 9)]  # fmt: skip
    assert [trade.seq for trade in parsed(Ask("trades", "BTC-USDT", from_id=11, limit=4), body(*rows))] == [11, 12, 14]
    ask = Ask("trades", "BTC-USDT", from_ns=9 * MS_NS, to_ns=12 * MS_NS)
    assert [trade.seq for trade in parsed(ask, body(*rows))] == [9, 11]


@pytest.mark.parametrize(
    ("ask", "path", "query", "budget"),
    [
        (Ask("instruments", part="SWAP"), "public/instruments", {"instType": "SWAP"}, "instruments"),
        (Ask("time"), "public/time", {}, "time"),
        (Ask("depth", "A-B"), "market/books", {"instId": "A-B", "sz": "400"}, "depth"),
        (Ask("depth", "A-B", limit=5), "market/books", {"instId": "A-B", "sz": "5"}, "depth"),
        (Ask("bars", "A-B", "1h"), "market/candles", {"instId": "A-B", "bar": "1H", "limit": "300"}, "bars"),
        (
            Ask("bars", "A-B", "1d", from_ns=5 * MS_NS, limit=10), "market/candles",
            {"instId": "A-B", "bar": "1Dutc", "before": "4", "limit": "10"}, "bars",
        ),
        (
            Ask("bars", "A-B", "1m", from_ns=5 * MS_NS, to_ns=9 * MS_NS + 1), "market/history-candles",
            {"instId": "A-B", "bar": "1m", "after": "10", "before": "4", "limit": "300"}, "older bars",
        ),
        (Ask("trades", "A-B", limit=999), "market/history-trades", {"instId": "A-B", "limit": "100"}, "trades"),
        (
            Ask("trades", "A-B", from_id=7, limit=50), "market/history-trades",
            {"instId": "A-B", "type": "1", "after": "57", "limit": "50"}, "trades",
        ),
        (
            Ask("trades", "A-B", to_ns=9 * MS_NS), "market/history-trades",
            {"instId": "A-B", "type": "2", "after": "9", "limit": "100"}, "trades",
        ),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_asked(ask: Ask, path: str, query: dict[str, str], budget: str) -> None:
    built = OKX.rest[ask.call].build(ask)
    assert built == Request("GET", f"/api/v5/{path}", tuple(built.query), 1, budget)
    assert budget in {allowance.name for allowance in OKX.limits.rest}
    assert dict(built.query) == query


def test_bars_of_a_span_that_candles_still_knows_are_asked_of_it() -> None:
    minute_ns = 60_000 * MS_NS
    for back, path in ((1399, "candles"), (1401, "history-candles")):
        ask = Ask("bars", "A-B", "1m", (5000 - back) * minute_ns, 5000 * minute_ns, venue_ns=5000 * minute_ns)
        assert OKX.rest["bars"].build(ask).path == f"/api/v5/market/{path}"
    months = Ask("bars", "A-B", "1M", 0, 5000 * minute_ns, venue_ns=5000 * minute_ns)
    assert OKX.rest["bars"].build(months).path == "/api/v5/market/candles"
    with pytest.raises(ConfigError, match="7m"):
        OKX.rest["bars"].build(Ask("bars", "A-B", "7m"))


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("50001", Retry), ("50011", RateLimited), ("50061", RateLimited), ("51001", UnknownInstrument),
        ("50113", AuthenticationRefused), ("51000", Refused), ("99999", Refused), ("50102", ClockWrong),
    ],
)  # fmt: skip
def test_an_error_of_the_venue_says_what_to_do(code: str, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=f"{code} the reason") as caught:
        parsed(Ask("depth", "BTC-USDT"), body(code=code, msg="the reason"))
    assert type(caught.value) is kind
    if isinstance(caught.value, Refused):
        assert caught.value.code == code
    if isinstance(caught.value, RateLimited):
        assert caught.value.after_s == 2.0


@pytest.mark.parametrize("call", ["instruments", "time", "depth", "bars", "trades"])
@pytest.mark.parametrize(
    "answer", [b"", b"<html>", b"[]", b'{"code":"0"}', b'{"code":"0","data":[7]}', b"\xff", b"[" * 100_000]
)
def test_an_answer_that_means_nothing_is_bad_data(call: str, answer: bytes) -> None:
    with pytest.raises(BadData):
        parsed(Ask(call, "BTC-USDT", interval="1m"), answer)


def test_rows_that_mean_nothing_are_bad_data() -> None:
    trade = {"instId": "BTC-USDT", "side": "buy", "sz": "1", "px": "x", "tradeId": "1", "ts": "1"}
    for bad in (trade, trade | {"px": "1", "tradeId": "12a"}):
        with pytest.raises(BadData):
            parsed(Ask("trades", "BTC-USDT"), body(bad))
    with pytest.raises(BadData):
        parsed(Ask("bars", "BTC-USDT", "1m"), body(["0", "1", "1", "1", "1", "1", "1", "1"]))
