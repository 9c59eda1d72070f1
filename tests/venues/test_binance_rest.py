import gzip
import json
from decimal import Decimal
from pathlib import Path

import pytest

from tapeline.errors import (
    AuthenticationRefused,
    BadData,
    ClockWrong,
    ConfigError,
    RateLimited,
    Refused,
    Retry,
    TapelineError,
    UnknownInstrument,
)
from tapeline.model.event import Bar, BookSnapshot, OpenInterest, Trade
from tapeline.model.instrument import Instrument
from tapeline.venues.binance import BINANCE, BINANCE_US, BINANCE_USDM
from tapeline.venues.spec import Ask, Request, ServerTime

D = Decimal
MS = 1_000_000
AT = 1_800_000_000_000_000_000
IDS = {"BTCUSDT": "binance:BTC/USDT"}


# ---- what is asked ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ask", "path", "query", "weight"),
    [
        (Ask("time"), "/api/v3/time", {}, 1),
        (Ask("instruments"), "/api/v3/exchangeInfo", {}, 20),
        (Ask("instruments", "BTCUSDT"), "/api/v3/exchangeInfo", {"symbol": "BTCUSDT"}, 20),
        (Ask("depth", "BTCUSDT"), "/api/v3/depth", {"symbol": "BTCUSDT", "limit": "1000"}, 50),
        (Ask("depth", "BTCUSDT", limit=7), "/api/v3/depth", {"symbol": "BTCUSDT", "limit": "7"}, 5),
        (Ask("depth", "BTCUSDT", limit=9999), "/api/v3/depth", {"symbol": "BTCUSDT", "limit": "5000"}, 250),
        (Ask("trades", "BTCUSDT"), "/api/v3/trades", {"symbol": "BTCUSDT", "limit": "1000"}, 25),
        (
            Ask("trades", "BTCUSDT", from_id=7, limit=5),
            "/api/v3/historicalTrades",
            {"symbol": "BTCUSDT", "limit": "5", "fromId": "7"},
            25,
        ),
        (
            Ask("aggtrades", "BTCUSDT", from_ns=1, to_ns=2 * MS),
            "/api/v3/aggTrades",
            {"symbol": "BTCUSDT", "startTime": "1", "endTime": "1", "limit": "1000"},
            4,
        ),
        (
            Ask("aggtrades", "BTCUSDT", from_ns=1, to_ns=2, from_id=9),
            "/api/v3/aggTrades",
            {"symbol": "BTCUSDT", "fromId": "9", "limit": "1000"},
            4,
        ),
        (
            Ask("bars", "BTCUSDT", interval="1m", from_ns=60_000 * MS, to_ns=120_000 * MS),
            "/api/v3/klines",
            {"symbol": "BTCUSDT", "interval": "1m", "startTime": "60000", "endTime": "119999", "limit": "1000"},
            2,
        ),
    ],
)
def test_what_spot_is_asked(ask: Ask, path: str, query: dict[str, str], weight: int) -> None:
    request = BINANCE.rest[ask.call].build(ask)
    assert (request.method, request.path, dict(request.query), request.weight) == ("GET", path, query, weight)


@pytest.mark.parametrize(
    ("ask", "want"),
    [
        (Ask("depth", "X", limit=7), Request("GET", "/fapi/v1/depth", (("symbol", "X"), ("limit", "10")), 2)),
        (Ask("depth", "X"), Request("GET", "/fapi/v1/depth", (("symbol", "X"), ("limit", "1000")), 20)),
        (
            Ask("bars", "X", interval="1d", limit=99),
            Request("GET", "/fapi/v1/klines", (("symbol", "X"), ("interval", "1d"), ("limit", "99")), 1),
        ),
        (Ask("open_interest", "X"), Request("GET", "/fapi/v1/openInterest", (("symbol", "X"),), 1)),
    ],
)
def test_what_usdm_is_asked(ask: Ask, want: Request) -> None:
    assert BINANCE_USDM.rest[ask.call].build(ask) == want


def test_what_cannot_be_asked_is_said_at_once() -> None:
    with pytest.raises(ConfigError, match="7m"):
        BINANCE.rest["bars"].build(Ask("bars", "BTCUSDT", interval="7m"))
    with pytest.raises(Refused, match="take a key"):
        BINANCE_USDM.rest["trades"].build(Ask("trades", "BTCUSDT", from_id=1))


# ---- what is answered ---------------------------------------------------------------------------------------------


def test_the_servers_clock() -> None:
    assert BINANCE.rest["time"].parse(b'{"serverTime":1499827319559}', Ask("time"), {}, AT) == [
        ServerTime(1_499_827_319_559_000_000)
    ]


def test_a_book_is_at_its_id_and_on_usdm_at_a_time() -> None:
    body = b'{"lastUpdateId":1027024,"bids":[["4.00000000","431.00000000"]],"asks":[["4.00000200","12.00000000"]]}'
    levels = ([("4.00000000", "431.00000000")], [("4.00000200", "12.00000000")])
    assert BINANCE.rest["depth"].parse(body, Ask("depth", "BTCUSDT"), IDS, AT) == [
        BookSnapshot("binance:BTC/USDT", "book", None, AT, "rest", *levels, None, 1027024)
    ]
    timed = body.replace(b'"bids"', b'"E":1589436922972,"T":1589436922959,"bids"')
    assert BINANCE_USDM.rest["depth"].parse(timed, Ask("depth", "X"), {}, AT) == [
        BookSnapshot("binance-usdm:X", "book", 1_589_436_922_959_000_000, AT, "rest", *levels, None, 1027024)
    ]


def test_trades_come_oldest_first_as_from_the_stream() -> None:
    body = (
        b'[{"id":28458,"price":"4.1","qty":"1","quoteQty":"4.1","time":1499865549591,"isBuyerMaker":false},'
        b'{"id":28457,"price":"4.00000100","qty":"12.00000000","quoteQty":"48.000012","time":1499865549590,'
        b'"isBuyerMaker":true,"isBestMatch":true}]'
    )
    shared = ("binance:BTC/USDT", "trades")
    assert BINANCE.rest["trades"].parse(body, Ask("trades", "BTCUSDT"), IDS, AT) == [
        Trade(*shared, 1_499_865_549_590 * MS, AT, "rest", "28457", 28457, "sell", D("4.000001"), D(12)),
        Trade(*shared, 1_499_865_549_591 * MS, AT, "rest", "28458", 28458, "buy", D("4.1"), D(1)),
    ]


def test_aggregated_trades_name_the_trades_they_hold() -> None:
    body = b'[{"a":26129,"p":"0.01633102","q":"4.70443515","f":27781,"l":27782,"T":1498793709153,"m":true,"M":true}]'
    assert BINANCE.rest["aggtrades"].parse(body, Ask("aggtrades", "BTCUSDT"), IDS, AT) == [
        Trade(
            "binance:BTC/USDT", "aggtrades", 1_498_793_709_153 * MS, AT, "rest", "26129", 26129, "sell",
            D("0.01633102"), D("4.70443515"), 27781, 27782,
        )
    ]  # fmt: skip


ROW = (
    '[%d,"0.01634790","0.80000000","0.01575800","0.01577100","148976.11427815",%d,"2434.19055334",308,'
    '"1756.87402397","28.46694368","0"]'
)


def test_a_bar_is_closed_where_another_follows_or_its_end_is_well_past() -> None:
    first, second = ROW % (60_000, 119_999), ROW % (120_000, 179_999)
    ask, parse = Ask("bars", "BTCUSDT", interval="1m"), BINANCE.rest["bars"].parse
    bars = parse(f"[{second},{first}]".encode(), ask, IDS, 180_500 * MS)
    assert bars[0] == Bar(
        "binance:BTC/USDT", "bars:1m", None, 180_500 * MS, "rest", "1m", 60_000 * MS, D("0.0163479"), D("0.8"),
        D("0.015758"), D("0.015771"), D("148976.11427815"), D("2434.19055334"), 308, D("1756.87402397"), None, None,
        closed=True, certificate="", revision=1,
    )  # fmt: skip
    assert [(bar.open_at_ns, bar.closed) for bar in bars if isinstance(bar, Bar)] == [
        (60_000 * MS, True),
        (120_000 * MS, False),  # half a second after its end our clock is no proof
    ]
    later = parse(f"[{second}]".encode(), ask, IDS, 190_000 * MS)
    assert [(bar.closed, bar.revision) for bar in later if isinstance(bar, Bar)] == [(True, 1)]
    assert parse(b"[]", ask, IDS, AT) == []
    # By the venue's clock, where it is known: our own, an hour ahead here, would close an open bar.
    for venue_ms, closed in ((182_999, False), (183_000, True)):
        told = Ask("bars", "BTCUSDT", interval="1m", venue_ns=venue_ms * MS)
        (bar,) = parse(f"[{second}]".encode(), told, IDS, 3_780_000 * MS)
        assert isinstance(bar, Bar)
        assert (bar.closed, bar.revision) == (closed, int(closed))


def test_open_interest_is_asked_of_usdm_only() -> None:
    body = b'{"openInterest":"10659.509","symbol":"BTCUSDT","time":1589437530011}'
    assert BINANCE_USDM.rest["open_interest"].parse(body, Ask("open_interest", "BTCUSDT"), {}, AT) == [
        OpenInterest("binance-usdm:BTCUSDT", "open_interest", 1_589_437_530_011 * MS, AT, "rest", D("10659.509"))
    ]
    assert "open_interest" not in BINANCE.rest


# ---- instruments --------------------------------------------------------------------------------------------------


def listed(symbol: str) -> bytes:
    return b'{"timezone":"UTC","rateLimits":[{}],"symbols":[%b]}' % symbol.encode()


def test_a_pair_has_its_steps_wherever_the_filters_stand() -> None:
    body = listed(
        '{"symbol":"ETHBTC","status":"CANCEL_ONLY","baseAsset":"ETH","quoteAsset":"BTC","filters":['
        '{"filterType":"NOTIONAL","minNotional":"0.00010000"},{"filterType":"SOMETHING_NEW"},'
        '{"filterType":"LOT_SIZE","minQty":"0.00010000","stepSize":"0.00010000"},'
        '{"filterType":"PRICE_FILTER","minPrice":"0","tickSize":"0.00001000"}]}'
    )
    want = Instrument(
        venue="binance-us", symbol="ETH/BTC", native="ETHBTC", kind="spot", base="ETH", quote="BTC",
        status="cancel_only", tick=D("0.00001"), lot=D("0.0001"), min_size=D("0.0001"), min_notional=D("0.0001"),
    )  # fmt: skip
    assert BINANCE_US.rest["instruments"].parse(body, Ask("instruments"), {}, AT) == [want]


def test_a_pair_without_rules_has_none_and_an_unknown_status_is_no_trading() -> None:
    body = listed('{"symbol":"AB","status":"NEW","baseAsset":"A","quoteAsset":"B","filters":[{"filterType":"X"}]}')
    (pair,) = BINANCE.rest["instruments"].parse(body, Ask("instruments"), {}, AT)
    assert isinstance(pair, Instrument)
    assert (pair.status, pair.tick, pair.lot, pair.min_notional) == ("halted", None, None, None)
    free = listed(
        '{"symbol":"AB","baseAsset":"A","quoteAsset":"B","filters":[{"filterType":"PRICE_FILTER","tickSize":"0.00"}]}'
    )
    (pair,) = BINANCE.rest["instruments"].parse(free, Ask("instruments"), {}, AT)
    assert isinstance(pair, Instrument)
    assert pair.tick is None  # zero disables the rule


@pytest.mark.parametrize(
    ("kind", "delivery", "symbol", "what", "expiry_ns"),
    [
        ("PERPETUAL", 4133404800000, "BTC/USDT:USDT", "perpetual", None),
        ("TRADIFI_PERPETUAL", 4133404800000, "BTC/USDT:USDT", "perpetual", None),
        ("", 4133404800000, "BTC/USDT:USDT", "perpetual", None),
        ("CURRENT_QUARTER", 1632470400000, "BTC/USDT:USDT-210924", "future", 1_632_470_400_000 * MS),
    ],
)
def test_contracts(kind: str, delivery: int, symbol: str, what: str, expiry_ns: int | None) -> None:
    body = listed(
        f'{{"symbol":"N","contractType":"{kind}","deliveryDate":{delivery},"status":"PENDING_TRADING",'
        '"baseAsset":"BTC","quoteAsset":"USDT","marginAsset":"USDT","filters":['
        '{"notional":"5","filterType":"MIN_NOTIONAL"}]}'
    )
    (contract,) = BINANCE_USDM.rest["instruments"].parse(body, Ask("instruments"), {}, AT)
    assert contract == Instrument(
        venue="binance-usdm", symbol=symbol, native="N", kind=what, base="BTC", quote="USDT", settle="USDT",
        status="preopen", min_notional=D(5), expiry_ns=expiry_ns, size_unit="base",
    )  # fmt: skip


# ---- refusals -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (-1003, RateLimited),
        (-1015, RateLimited),
        (-1001, Retry),
        (-1007, Retry),
        (-1121, UnknownInstrument),
        (-2015, AuthenticationRefused),
        (-1102, Refused),
        (-1021, ClockWrong),
        (-5028, ClockWrong),
        (-9999, Refused),
    ],
)
def test_the_venues_own_errors(code: int, kind: type[TapelineError]) -> None:
    body = b'{"code":%d,"msg":"its own words"}' % code
    for call in BINANCE_USDM.rest:
        ask = Ask(call, "BTCUSDT", interval="1m")
        with pytest.raises(TapelineError, match="its own words") as caught:
            BINANCE_USDM.rest[call].parse(body, ask, {}, AT)
        assert type(caught.value) is kind
        if isinstance(caught.value, Refused):
            assert caught.value.code == str(code)


def test_a_ban_says_until_when() -> None:
    text = "Way too much request weight used; IP banned until 1659146400000. Please use WebSocket Streams."
    body = json.dumps({"code": -1003, "msg": text}).encode()
    for now_ms, after_s in ((1_659_146_370_000, 30.0), (1_659_146_500_000, None), (0, 3 * 86400.0)):
        with pytest.raises(RateLimited) as caught:
            BINANCE.rest["time"].parse(body, Ask("time"), {}, now_ms * MS)
        assert caught.value.after_s == after_s


def test_every_request_draws_on_a_budget_that_the_venue_declares() -> None:
    for venue in (BINANCE, BINANCE_US, BINANCE_USDM):
        for name, call in venue.rest.items():
            request = call.build(Ask(name, "BTCUSDT", interval="1m"))
            assert request.budget in {allowance.name for allowance in venue.limits.rest}
    assert [each.weight for each in BINANCE.limits.rest + BINANCE_USDM.limits.rest] == [6000, 50, 2400, 300]
    assert BINANCE.limits.rest[0].used == "x-mbx-used-weight-1m"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[", b"null", b"{}", b"[1]", b"\xff", b'{"code":"x"}', b"[" * 9000])
def test_a_body_that_means_nothing(body: bytes) -> None:
    for venue in (BINANCE, BINANCE_USDM):
        for name, call in venue.rest.items():
            with pytest.raises(BadData):
                call.parse(body, Ask(name, "BTCUSDT", interval="1m"), {}, AT)


def test_numbers_are_numbers() -> None:
    good = b'[{"id":1,"price":"4","qty":"1","time":1,"isBuyerMaker":true}]'
    for wrong in (b'"1_0"', b'"NaN"', b'""', b'"1,300"'):
        with pytest.raises(BadData, match="number"):
            BINANCE.rest["trades"].parse(good.replace(b'"4"', wrong), Ask("trades", "X"), {}, AT)


# ---- recordings ---------------------------------------------------------------------------------------------------


def test_the_recorded_lists_and_books(shared: Path) -> None:
    found: dict[str, list[object]] = {}
    for name, venue in (
        ("binance_spot_cryptofeed_20211012", BINANCE),
        ("binance_usdm_cryptofeed_20210722", BINANCE_USDM),
    ):
        assert venue.server is not None
        with gzip.open(shared / "captures" / f"{name}.rest.jsonl.gz", "rt", encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                path, _, query = row["url"].partition("binance.com")[2].partition("?")
                ask = venue.server.read_rest(path, dict(part.split("=") for part in query.split("&") if part))
                assert ask is not None
                found[venue.name + ask.native] = list(venue.rest[ask.call].parse(row["body"].encode(), ask, {}, AT))
    spot, usdm = (
        {i.native: i for i in found[name] if isinstance(i, Instrument)} for name in ("binance", "binance-usdm")
    )
    assert len(spot) == 1695
    assert spot["NKNUSDT"] == Instrument(
        venue="binance", symbol="NKN/USDT", native="NKNUSDT", kind="spot", base="NKN", quote="USDT",
        tick=D("0.0001"), lot=D(1), min_size=D(1), min_notional=D(10),
    )  # fmt: skip
    assert len(usdm) == 122
    assert usdm["BTCUSDT_210924"].id == "binance-usdm:BTC/USDT:USDT-210924"
    assert len({instrument.id for instrument in usdm.values()}) == 122
    (book,) = found["binanceNKNUSDT"]
    assert isinstance(book, BookSnapshot)
    assert (book.last_seq, book.bids[0], len(book.bids)) == (499869752, ("0.35210000", "672.00000000"), 609)
    (book,) = found["binance-usdmSUSHIUSDT"]
    assert isinstance(book, BookSnapshot)
    assert (book.last_seq, book.at_ns) == (600859605926, 1_626_992_741_261 * MS)
