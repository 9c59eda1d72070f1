"""A recording as a source: what was recorded, and what follows from it. With real sessions where they are at hand."""

import gzip
import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
import toy_venue as toy

from tapeline.model.event import Bar, Trade
from tapeline.model.interval import INTERVALS
from tapeline.model.topic import Topic
from tapeline.sim.load import recording
from tapeline.sim.recording import Recorded, Recording
from tapeline.venues import venue_named
from tapeline.venues.spec import Ask

TRADES = [toy.trade(n, at_s=n * 20, price=str(100 + n)) for n in range(1, 10)]


def bar(open_s: int, close: str, *, at_s: float, closed: bool) -> tuple[int, bytes]:
    at_ns, open_ns = toy.START_NS + round(at_s * 1e9), toy.START_NS + open_s * 10**9
    one = Decimal(close)
    event = Bar(
        "toy:AB", "bars:1m", at_ns, at_ns, "ws", "1m", open_ns, one, one, one, one, one, one, 1, one, 1, 1, closed
    )
    return at_ns, toy.frame(event, "AB")


def rows(source: Recording, call: str, **how: Any) -> list[Any]:
    ask = Ask(call, "AB", **how)
    body = source.answer(ask, source.at_ns)
    assert body is not None
    return list(toy.parse(body, ask, {}, 0))


def test_the_timeline() -> None:
    source = Recording(toy.TOY, [*TRADES[3:], *TRADES[:3], (toy.START_NS, b"pong"), (toy.START_NS, b'{"op":"ok"}')])
    assert source.topics == [Topic("trades", "AB")]
    assert source.start_ns == source.at_ns == TRADES[0][0]
    assert [frame for _, _, frame in source.take(None, 2, ())] == [frame for _, frame in TRADES[:2]]
    assert source.take(TRADES[2][0], 9, ()) == []
    source.skip_to(TRADES[5][0])
    assert (source.at_ns, source.next_ns()) == (TRADES[5][0], TRADES[5][0])
    assert len(source.take(None, 99, ())) == 4
    assert source.next_ns() is None
    source.skip_to(TRADES[0][0])
    assert source.next_ns() is None


def test_streamed_bars_are_the_venues_own_and_the_rest_is_computed() -> None:
    own = [bar(40, "7", at_s=100, closed=False), bar(40, "8", at_s=101, closed=True)]
    source = Recording(toy.TOY, [*TRADES, *own])
    source.take(None, 99, ())
    bars = rows(source, "bars", interval="1m")
    assert [(item.open_at_ns - toy.START_NS) // 10**9 for item in bars] == [-20, 40, 100, 160]
    assert [str(item.close) for item in bars] == ["101", "8", "107", "109"]
    assert Recording(toy.TOY, own).answer(Ask("bars", "AB", "5m"), toy.START_NS) is None


def test_a_bad_frame_in_the_recording_is_played_and_means_nothing() -> None:
    bad = (TRADES[1][0], b"trades AB {torn")
    source = Recording(toy.TOY, [TRADES[0], bad, *TRADES[2:]])
    assert len(source.take(None, 99, ())) == 9
    assert [trade.id for trade in rows(source, "trades")] == ["1", "3", "4", "5", "6", "7", "8", "9"]


def test_trades_alone_are_listed_as_aggregates_of_one_each() -> None:
    """By time they can be listed no other way at Binance spot, and repair wants the list."""
    frame = (
        b'{"stream":"btcusdt@trade","data":{"e":"trade","E":%d,"s":"BTCUSDT","t":%d,"p":"61837.63","q":"0.02","T":%d,'
        b'"m":true,"M":true}}'
    )
    at = range(1723161255343, 1723161255346)
    venue = venue_named("binance")
    source = Recording(venue, [(ms * 10**6, frame % (ms, ms - at[0] + 7, ms)) for ms in at])
    source.take(None, 9, ())
    ask = Ask("aggtrades", "BTCUSDT", to_ns=at[2] * 10**6, limit=2)
    body = source.answer(ask, source.at_ns)
    assert body is not None
    found = [each for each in venue.rest["aggtrades"].parse(body, ask, {}, 0) if isinstance(each, Trade)]
    assert [(each.first_id, each.last_id, each.at_ns) for each in found] == [
        (7, 7, at[0] * 10**6), (8, 8, at[1] * 10**6),
    ]  # fmt: skip


def test_recorded_answers_that_cannot_be_read_are_left_out() -> None:
    good = msgspec.json.encode([toy.AB])
    answers = [
        Recorded(1, "/depth", {"limit": "x"}, b""),
        Recorded(2, "/unknown", {}, b""),
        Recorded(3, "/instruments", {}, good),
        Recorded(toy.START_NS * 2, "/instruments", {}, b"later"),
    ]
    source = Recording(toy.TOY, TRADES, answers[:3])
    assert source.answer(Ask("instruments"), toy.START_NS) == good
    assert source.answer(Ask("depth", "AB"), toy.START_NS) is None
    source = Recording(toy.TOY, TRADES, answers)
    assert source.answer(Ask("instruments"), toy.START_NS) == good
    assert source.answer(Ask("instruments"), toy.START_NS * 3) == b"later"


def _played(shared: Path, name: str, *captures: str) -> Recording:
    folder = shared / "captures"
    rest = [path for capture in captures if (path := folder / f"{capture}.rest.jsonl.gz").exists()]
    source = recording(venue_named(name), [folder / f"{capture}.ws.jsonl.gz" for capture in captures], rest)
    while source.take(None, 10_000, ()):
        pass
    return source


def _lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


def _numbers(side: Sequence[Sequence[str]]) -> list[tuple[Decimal, Decimal]]:
    return [(Decimal(level[0]), Decimal(level[1])) for level in side]


@pytest.mark.parametrize(
    ("name", "capture"),
    [
        ("binance", "binance_spot_hft_btcusdt_20240808"),
        ("binance", "binance_spot_cryptofeed_20211012"),
        ("binance-usdm", "binance_usdm_hft_btcusdt_20240808"),
        ("binance-usdm", "binance_usdm_cryptofeed_20210722"),
        ("okx", "okx_v5_cryptofeed_20220513"),
    ],
)
def test_depth_is_the_book_another_implementation_makes_of_the_recording(shared: Path, name: str, capture: str) -> None:
    source = _played(shared, name, capture)
    finals = [row for row in _lines(shared / "expected" / f"{capture}.cryptofeed.books.jsonl.gz") if row.get("final")]
    assert finals
    for final in finals:
        ask = Ask("depth", final["exch_symbol"], limit=20)
        body = source.answer(ask, source.at_ns)
        assert body is not None
        (book,) = venue_named(name).rest["depth"].parse(body, ask, {}, 0)
        assert _numbers(book.bids) == _numbers(final["bids"])[:20]  # type: ignore[union-attr]  # a book
        assert _numbers(book.asks) == _numbers(final["asks"])[:20]  # type: ignore[union-attr]


def test_klines_are_those_that_others_build_of_the_recorded_trades(shared: Path) -> None:
    source = _played(shared, "binance", "binance_spot_hft_btcusdt_20240808", "binance_spot_hft_btcusdt_20240809")
    ask = Ask("bars", "BTCUSDT", "1m", limit=500)
    body = source.answer(ask, source.at_ns)
    assert body is not None
    trades = []
    decode = venue_named("binance").decoder("binance", {})
    for _, topic, frame in source.moments:
        if topic.channel == "trades":
            trades += [item for item in decode(frame, 0) if isinstance(item, Trade)]
    assert len(trades) == 19_904
    volumes: dict[int, Decimal] = {}
    closes: dict[int, Decimal] = {}
    for trade in trades:
        open_ns = INTERVALS["1m"].floor(trade.at_ns or 0)
        volumes[open_ns] = volumes.get(open_ns, Decimal(0)) + trade.size
        closes[open_ns] = trade.price
    bars = venue_named("binance").rest["bars"].parse(body, ask, {}, source.at_ns)
    assert {item.open_at_ns: item.volume for item in bars if isinstance(item, Bar)} == volumes
    assert {item.open_at_ns: item.close for item in bars if isinstance(item, Bar)} == closes
