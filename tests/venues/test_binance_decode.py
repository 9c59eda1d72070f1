"""Bytes in, exact events out, from real messages; and every way a frame can be wrong."""

from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeline.errors import BadData
from tapeline.model.event import (
    Bar,
    BookDelta,
    BookSnapshot,
    Funding,
    Index,
    Liquidation,
    Mark,
    Notice,
    OpenInterest,
    Quote,
    Status,
    Ticker,
    Trade,
)
from tapeline.model.instrument import Instrument
from tapeline.venues.binance import BINANCE, BINANCE_USDM, decode
from tapeline.venues.spec import Ack, Closing, Decode, Problem, Refusal

D = Decimal
AT = 1_800_000_000_000_000_000
SPOT_ID, USDM_ID = "binance:BTC/USDT", "binance-usdm:BTC/USDT:USDT"

TRADE = (
    b'{"stream":"btcusdt@trade","data":{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":3735683259,'
    b'"p":"61837.63000000","q":"0.02000000","T":1723161255342,"m":true,"M":true}}'
)
DEPTH = (
    b'{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1622363903670,"s":"BTCUSDT","U":11294093710,'
    b'"u":11294093726,"b":[["35743.98000000","0.00000000"],["35743.87000000","0.00001500"]],'
    b'"a":[["35743.88000000","0.24000000"]]}}'
)
KLINE = (
    b'{"stream":"btcusdt@kline_1m","data":{"e":"kline","E":1653818762502,"s":"BTCUSDT","k":{"t":1653818760000,'
    b'"T":1653818819999,"s":"BTCUSDT","i":"1m","f":1384844002,"L":1384844032,"o":"29038.46000000",'
    b'"c":"29038.47000000","h":"29038.47000000","l":"29038.46000000","v":"0.20926000","n":31,"x":false,'
    b'"q":"6076.58918320","V":"0.10436000","Q":"3030.45472920","B":"0"}}}'
)
MARK = (
    b'{"stream":"btcusdt@markPrice@1s","data":{"e":"markPriceUpdate","E":1597536008000,"s":"BTCUSDT",'
    b'"p":"11857.56000000","i":"11851.86949091","r":"0.00015640","T":1597564800000}}'
)
FORCED = (
    b'{"e":"forceOrder","E":1568014460893,"o":{"s":"BTCUSDT","S":"SELL","o":"LIMIT","f":"IOC","q":"0.014",'
    b'"p":"9910.00000000","ap":"9910.12345678","X":"FILLED","l":"0.014","z":"0.014","T":1568014460892}}'
)
TICKER = (
    b'{"stream":"btcusdt@ticker","data":{"e":"24hrTicker","E":1653812650349,"s":"BTCUSDT","p":"28.23000000",'
    b'"P":"1.600","w":"1781.16275609","x":"1764.61000000","c":"1792.84000000","Q":"0.55720000","b":"1792.83000000",'
    b'"B":"1.62740000","a":"1792.84000000","A":"20.29140000","o":"1764.61000000","h":"1808.98000000",'
    b'"l":"1748.94000000","v":"471703.53110000","q":"840180761.51358100","O":1653726250344,"C":1653812650344,'
    b'"F":841094172,"L":841646650,"n":552479}}'
)
QUOTE = (
    b'{"stream":"btcusdt@bookTicker","data":{"u":1127645101,"s":"BTCUSDT","b":"8010.00000000","B":"0.14245900",'
    b'"a":"8012.15000000","A":"0.03120100"}}'
)
PARTIAL = (
    b'{"stream":"btcusdt@depth20","data":{"lastUpdateId":17044571457,"bids":[["1782.00000000","6.48300000"]],'
    b'"asks":[["1782.01000000","15.46080000"]]}}'
)


def spot() -> Decode:
    listed = Instrument(venue="binance", symbol="BTC/USDT", native="BTCUSDT", kind="spot", base="BTC", quote="USDT")
    return BINANCE.decoder("binance", {"BTCUSDT": listed})


def usdm() -> Decode:
    listed = Instrument(
        venue="binance-usdm", symbol="BTC/USDT:USDT", native="BTCUSDT", kind="perpetual", base="BTC", quote="USDT"
    )
    return BINANCE_USDM.decoder("binance-usdm", {"BTCUSDT": listed})


def bad(frame: bytes, decode_frame: Decode | None = None) -> BadData:
    with pytest.raises(BadData) as caught:
        (decode_frame or spot())(frame, AT)
    return caught.value


# ---- one exact value for each channel -----------------------------------------------------------------------------


def test_a_trade_where_the_buyer_was_the_maker_is_a_sell() -> None:
    want = Trade(
        SPOT_ID, "trades", 1_723_161_255_342_000_000, AT, "ws", "3735683259", 3735683259, "sell", D("61837.63"),
        D("0.02"),
    )  # fmt: skip
    read = spot()
    assert read(TRADE, AT) == (want,)
    assert read(TRADE, AT) == (want,)  # and once more by the short way
    assert read(TRADE.replace(b'"m":true', b'"m":false'), AT)[0].side == "buy"  # type: ignore[union-attr]  # a Trade


def test_a_usdm_fill_outside_the_market_keeps_its_id_and_has_no_size() -> None:
    frame = (
        b'{"stream":"btcusdt@trade","data":{"e":"trade","E":1723161256322,"T":1723161256321,"s":"BTCUSDT",'
        b'"t":5266583935,"p":"61800.30","q":"0.006","X":"MARKET","m":false}}'
    )
    assert usdm()(frame, AT) == (
        Trade(
            USDM_ID, "trades", 1_723_161_256_321_000_000, AT, "ws", "5266583935", 5266583935, "buy", D("61800.30"),
            D("0.006"),
        ),
    )  # fmt: skip
    nothing = usdm()(frame.replace(b'"0.006","X":"MARKET"', b'"0","X":"NA"'), AT)
    assert (nothing[0].id, nothing[0].size) == ("5266583935", D(0)), "it keeps its place, so that no hole is seen"  # type: ignore[union-attr]  # a Trade


def test_an_aggregated_trade_names_the_trades_it_holds() -> None:
    frame = (
        b'{"stream":"nknusdt@aggTrade","data":{"e":"aggTrade","E":1633998523963,"s":"NKNUSDT","a":15683430,'
        b'"p":"0.35280000","q":"58.00000000","f":19862790,"l":19862791,"T":1633998523962,"m":false,"M":true}}'
    )
    want = Trade(
        "binance:NKNUSDT", "aggtrades", 1_633_998_523_962_000_000, AT, "ws", "15683430", 15683430, "buy", D("0.3528"),
        D(58), 19862790, 19862791,
    )  # fmt: skip
    assert spot()(frame, AT) == (want,)  # on no list: it goes by the venue's own name
    old = frame.replace(b'"a":15683430,', b"")
    assert [(t.id, t.seq) for t in spot()(old, AT) if isinstance(t, Trade)] == [("", None)]


def test_a_spot_quote_has_no_time_and_a_usdm_quote_has() -> None:
    assert spot()(QUOTE, AT) == (
        Quote(SPOT_ID, "quotes", None, AT, "ws", D(8010), D("0.142459"), D("8012.15"), D("0.031201"), 1127645101),
    )
    frame = (
        b'{"stream":"btcusdt@bookTicker","data":{"e":"bookTicker","u":5,"s":"BTCUSDT","b":"1.5","B":"2","a":"1.6",'
        b'"A":"297","T":1626992741012,"E":1626992741017}}'
    )
    assert usdm()(frame, AT) == (
        Quote(USDM_ID, "quotes", 1_626_992_741_012_000_000, AT, "ws", D("1.5"), D(2), D("1.6"), D(297), 5),
    )


def test_a_side_of_a_quote_without_size_is_empty() -> None:
    no_bid = QUOTE.replace(b'"b":"8010.00000000","B":"0.14245900"', b'"b":"0.00000000","B":"0.00000000"')
    assert spot()(no_bid, AT) == (
        Quote(SPOT_ID, "quotes", None, AT, "ws", None, None, D("8012.15"), D("0.031201"), 1127645101),
    )
    no_ask = QUOTE.replace(b'"a":"8012.15000000","A":"0.03120100"', b'"a":"0.00000000","A":"0.00000000"')
    assert spot()(no_ask, AT) == (
        Quote(SPOT_ID, "quotes", None, AT, "ws", D(8010), D("0.142459"), None, None, 1127645101),
    )


def test_a_ticker_has_a_best_bid_on_spot_and_none_on_usdm() -> None:
    day = (D("1792.84"), D("1764.61"), D("1808.98"), D("1748.94"), D("471703.5311"), D("840180761.513581"))
    at_ns = 1_653_812_650_349_000_000
    assert spot()(TICKER, AT) == (Ticker(SPOT_ID, "ticker", at_ns, AT, "ws", *day, D("1792.83"), D("1792.84")),)
    bare = TICKER.replace(b'"b":"1792.83000000","B":"1.62740000","a":"1792.84000000","A":"20.29140000",', b"")
    assert usdm()(bare, AT) == (Ticker(USDM_ID, "ticker", at_ns, AT, "ws", *day, None, None),)


def test_a_mini_ticker_is_a_ticker_with_less() -> None:
    frame = (
        b'{"stream":"!miniTicker@arr","data":[{"e":"24hrMiniTicker","E":1672515782136,"s":"BTCUSDT","c":"0.0025",'
        b'"o":"0.0010","h":"0.0030","l":"0.0009","v":"10000","q":"18"}]}'
    )
    assert spot()(frame, AT) == [
        Ticker(
            SPOT_ID, "ticker", 1_672_515_782_136_000_000, AT, "ws", D("0.0025"), D("0.001"), D("0.003"), D("0.0009"),
            D(10000), D(18),
        )
    ]  # fmt: skip


def test_a_change_of_the_book_keeps_the_venues_own_text() -> None:
    want = BookDelta(
        SPOT_ID, "book", 1_622_363_903_670_000_000, AT, "ws",
        [("35743.98000000", "0.00000000"), ("35743.87000000", "0.00001500")], [("35743.88000000", "0.24000000")],
        11294093710, 11294093726,
    )  # fmt: skip
    assert spot()(DEPTH, AT) == (want,)


@pytest.mark.parametrize(
    ("stream", "channel"),
    [
        ("depth", "book@250ms"),
        ("depth@100ms", "book"),
        ("depth@500ms", "book@500ms"),
        ("depth@0ms", "book@0ms"),  # undocumented, yet recorded
    ],
)
def test_a_usdm_change_is_at_the_engines_time_and_names_the_one_before(stream: str, channel: str) -> None:
    frame = (
        b'{"stream":"btcusdt@%b","data":{"e":"depthUpdate","E":1626992741037,"T":1626992741024,"s":"BTCUSDT",'
        b'"U":600859599090,"u":600859600917,"pu":600859598061,"b":[["7.5040","813"]],"a":[]}}'
    ) % stream.encode()
    assert usdm()(frame, AT) == (
        BookDelta(
            USDM_ID, channel, 1_626_992_741_024_000_000, AT, "ws", [("7.5040", "813")], [], 600859599090, 600859600917,
            600859598061,
        ),
    )  # fmt: skip


def test_the_top_of_a_book_is_a_snapshot_each_time() -> None:
    top = ([("1782.00000000", "6.48300000")], [("1782.01000000", "15.46080000")])
    assert spot()(PARTIAL, AT) == (BookSnapshot(SPOT_ID, "book:20@1000ms", None, AT, "ws", *top, None, 17044571457),)
    frame = (
        b'{"stream":"btcusdt@depth5@100ms","data":{"e":"depthUpdate","E":1571889248277,"T":1571889248276,'
        b'"s":"BTCUSDT","U":390497796,"u":390497878,"pu":390497794,"b":[["7403.89","0.002"]],"a":[["7405.96","3.340"]]}}'
    )
    assert usdm()(frame, AT) == (
        BookSnapshot(
            USDM_ID, "book:5", 1_571_889_248_276_000_000, AT, "ws", [("7403.89", "0.002")], [("7405.96", "3.340")],
            None, 390497878,
        ),
    )  # fmt: skip


def test_a_bar_counts_as_revised_once_it_closed() -> None:
    want = Bar(
        SPOT_ID, "bars:1m", 1_653_818_762_502_000_000, AT, "ws", "1m", 1_653_818_760_000_000_000, D("29038.46"),
        D("29038.47"), D("29038.46"), D("29038.47"), D("0.20926"), D("6076.5891832"), 31, D("0.10436"), 1384844002,
        1384844032, closed=False, certificate="", revision=0, origin="venue",
    )  # fmt: skip
    assert spot()(KLINE, AT) == (want,)
    closed = spot()(KLINE.replace(b'"x":false', b'"x":true'), AT)[0]
    assert isinstance(closed, Bar)
    assert (closed.closed, closed.revision) == (True, 1)


def test_a_bar_without_trades_has_no_ids() -> None:
    frame = KLINE.replace(b'"f":1384844002,"L":1384844032', b'"f":-1,"L":-1').replace(b'"n":31', b'"n":0')
    bar = spot()(frame, AT)[0]
    assert isinstance(bar, Bar)
    assert (bar.first_id, bar.last_id, bar.trades) == (None, None, 0)


def test_one_mark_price_message_serves_three_channels() -> None:
    at_ns = 1_597_536_008_000_000_000
    funding = Funding(USDM_ID, "funding", at_ns, AT, "ws", D("0.0001564"), None, 1_597_564_800_000_000_000)
    assert usdm()(MARK, AT) == [
        Mark(USDM_ID, "mark", at_ns, AT, "ws", D("11857.56")),
        Index(USDM_ID, "index", at_ns, AT, "ws", D("11851.86949091")),
        funding,
    ]
    delivery = MARK.replace(b'"r":"0.00015640","T":1597564800000', b'"r":"","T":0')
    assert [type(event) for event in usdm()(delivery, AT)] == [Mark, Index]
    assert bad(MARK.replace(b"11857.56000000", b"").replace(b"11851.86949091", b"").replace(b"0.00015640", b"")).kind


def test_a_forced_order_is_a_liquidation_at_what_it_was_filled_at() -> None:
    at_ns = 1_568_014_460_892_000_000
    want = Liquidation(USDM_ID, "liquidations", at_ns, AT, "ws", "sell", D("9910.12345678"), D("0.014"))
    assert usdm()(FORCED, AT) == (want,)
    assert usdm()(b'{"stream":"!forceOrder@arr","data":%b}' % FORCED, AT) == (want,)
    unfilled = Liquidation(USDM_ID, "liquidations", at_ns, AT, "ws", "sell", D(9910), D("0.014"))
    assert usdm()(FORCED.replace(b'"ap":"9910.12345678"', b'"ap":"0"'), AT) == (unfilled,)
    assert bad(FORCED.replace(b'"SELL"', b'"BOTH"')).kind == "bad_value"


@pytest.mark.parametrize(
    ("word", "status", "text"),
    [("TRADING", "trading", ""), ("PRE_SETTLE", "settling", "PRE_SETTLE"), ("NEW_WORD", "halted", "NEW_WORD")],
)
def test_contract_information_is_a_status(word: str, status: str, text: str) -> None:
    frame = (
        b'{"stream":"!contractInfo","data":{"e":"contractInfo","E":1669356423908,"s":"BTCUSDT","ps":"BTCUSDT",'
        b'"ct":"PERPETUAL","dt":4133404800000,"ot":1569398400000,"cs":"%b","bks":[{"bs":1,"bnf":0}]}}'
    ) % word.encode()
    want = Status(USDM_ID, "status", 1_669_356_423_908_000_000, AT, "ws", status, text)
    assert usdm()(frame, AT) == (want,)


def test_rest_books_and_open_interest_inside_a_recording_by_tardis_are_read() -> None:
    book = b'{"stream":"btcusdt@depthSnapshot","generated":true,"data":{"lastUpdateId":7,"bids":[["1","2"]],"asks":[]}}'
    assert usdm()(book, AT) == (BookSnapshot(USDM_ID, "book", None, AT, "ws", [("1", "2")], [], None, 7),)
    interest = (
        b'{"stream":"btcusdt@openInterest","generated":true,"data":{"symbol":"BTCUSDT","openInterest":"26286.181"}}'
    )
    assert usdm()(interest, AT) == (OpenInterest(USDM_ID, "open_interest", None, AT, "ws", D("26286.181")),)
    assert bad(interest.replace(b'"26286.181"', b'""'), usdm()).kind == "bad_value"


# ---- control ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "want"),
    [
        (b'{"result":null,"id":1}', Ack(1)),
        (b'{"result":["btcusdt@aggTrade"],"id":3}', Ack(3)),
        (b'{"result":true,"id":"abc"}', Ack(None)),
        (b'{"id":1,"status":200,"result":{"subscriptionId":0},"rateLimits":[]}', Ack(1)),
        (
            b'{"code":2,"msg":"Invalid request: unknown method","id":7}',
            Refusal("2", "Invalid request: unknown method", 7),
        ),
        (b'{"error":{"code":-1121,"msg":"Invalid symbol."},"id":7}', Refusal("-1121", "Invalid symbol.", 7)),
        (b'{"code":3,"msg":"Invalid JSON"}', Refusal("3", "Invalid JSON")),
    ],
)
def test_answers_to_requests(frame: bytes, want: object) -> None:
    assert spot()(frame, AT) == (want,)


@pytest.mark.parametrize("wrapped", [b"%b", b'{"stream":"!serverShutdown","data":%b}', b'{"event":%b}'])
def test_a_shutdown_is_told_in_time_and_kept_in_the_venues_words(wrapped: bytes) -> None:
    items = spot()(wrapped % b'{"e":"serverShutdown","E":1770123456789}', AT)
    text = "the venue closes this connection soon"
    notice = Notice(None, "notice", 1_770_123_456_789_000_000, AT, "ws", "binance", "serverShutdown", text)
    assert items == (Closing("serverShutdown"), notice)


# ---- other wrappings ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("frame", [TRADE, DEPTH, KLINE, QUOTE, TICKER])
def test_a_raw_payload_is_read_as_the_combined_one(frame: bytes) -> None:
    raw = frame[frame.index(b'"data":') + 7 : -1]
    assert spot()(raw, AT) == spot()(frame, AT)
    assert spot()(b" [%b,\n%b]" % (raw, raw), AT) == [*spot()(frame, AT), *spot()(frame, AT)]


def test_whatever_order_and_white_space_a_frame_has_it_is_the_same() -> None:
    payload = TRADE[TRADE.index(b'"data":') + 7 : -1]
    odd = b'\n{ "data" : %b , "more": [1], "stream" : "btcusdt@trade" }\n' % payload
    assert spot()(odd, AT) == spot()(TRADE, AT)


def test_a_payload_of_another_symbol_than_its_stream_knows_best() -> None:
    read = spot()
    assert read(TRADE, AT)
    other = read(TRADE.replace(b'"s":"BTCUSDT"', b'"s":"ETHUSDT"'), AT)
    assert [trade.instrument for trade in other if isinstance(trade, Trade)] == ["binance:ETHUSDT"]
    hour = read(KLINE.replace(b"kline_1m", b"kline_8h"), AT)
    assert [bar.channel for bar in hour if isinstance(bar, Bar)] == ["bars:1m"]


def test_a_book_of_another_symbol_is_refused_for_it_could_be_the_top_or_a_change() -> None:
    assert bad(DEPTH.replace(b'"s":"BTCUSDT"', b'"s":"ETHUSDT"')).kind == "schema"


def test_an_array_keeps_what_can_be_read_and_names_what_cannot() -> None:
    good = MARK[MARK.index(b'"data":') + 7 : -1]
    broken, unknown = good.replace(b'"s":"BTCUSDT",', b""), b'{"e":"surprise"}'
    items = usdm()(b'{"stream":"!markPrice@arr","data":[%b,%b,%b]}' % (broken, good, unknown), AT)
    assert [type(item) for item in items] == [Problem, Mark, Index, Funding, Problem]
    assert [item.kind for item in items if isinstance(item, Problem)] == ["schema", "unknown_type"]


def test_coin_margined_contracts_on_all_market_streams_are_left_out() -> None:
    frame = FORCED.replace(b'{"e"', b'{"st":2,"e"')
    assert usdm()(frame, AT) == ()


# ---- what is no event of ours --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(decode.IGNORED))
def test_documented_extras_are_passed_over(kind: str) -> None:
    assert spot()(b'{"e":"%b","E":1,"s":"BTCUSDT","T":1}' % kind.encode(), AT) == ()


@pytest.mark.parametrize("word", ["rpiDepth@500ms", "kline_1d@+08:00"])
def test_streams_that_look_like_others_are_passed_over(word: str) -> None:
    payload = DEPTH[DEPTH.index(b'"data":') + 7 : -1]
    assert usdm()(b'{"stream":"btcusdt@%b","data":%b}' % (word.encode(), payload), AT) == ()


@pytest.mark.parametrize("kind", sorted(decode.PRIVATE))
def test_private_messages_are_refused_until_trading(kind: str) -> None:
    refused = bad(b'{"stream":"abc","data":{"e":"%b","E":1,"k":"EXCHANGE"}}' % kind.encode())
    assert (refused.kind, "the stream of an account" in str(refused)) == ("private", True)


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        (b"", "bad_json"),
        (b"{", "bad_json"),
        (b"\xff\xfe", "bad_json"),
        (TRADE[:-1], "bad_json"),
        (TRADE[:-1] + b"]", "bad_json"),
        (TRADE.replace(b"BTCUSDT", b"BTC\xffSDT"), "bad_json"),
        (b'{"a":' * 5000, "bad_json"),
        (b"[" * 5000 + b"]" * 5000, "bad_json"),
        (b"null", "schema"),
        (b'"x"', "schema"),
        (b"1" * 5000, "schema"),
        (TRADE.replace(b'"t":3735683259,', b""), "schema"),
        (TRADE.replace(b'"t":3735683259', b'"t":"3735683259"'), "schema"),
        (TRADE.replace(b'"q":"0.02000000"', b'"q":"1,300"'), "bad_number"),
        (TRADE.replace(b'"q":"0.02000000"', b'"q":""'), "bad_number"),
        (TRADE.replace(b'"q":"0.02000000"', b'"q":" 1"'), "bad_number"),
        (TRADE.replace(b'"q":"0.02000000"', b'"q":1.5'), "schema"),
        (QUOTE.replace(b'"8012.15000000"', b'"%b"' % (b"1" * 61)), "bad_number"),
        (TRADE.replace(b'"q":"0.02000000"', b'"q":"1_000"'), "bad_number"),
        (QUOTE.replace(b'"8012.15000000"', b'"8_012.15"'), "bad_number"),
        (KLINE.replace(b'"0.20926000"', b'"2_0.9"'), "bad_number"),
        (TICKER.replace(b'"1792.84000000","Q"', b'"NaN","Q"'), "bad_number"),
        (TRADE.replace(b'"T":1723161255342', b'"T":99999999999999999'), "schema"),
        (DEPTH.replace(b'["35743.98000000","0.00000000"]', b'["35743.98000000"]'), "schema"),
        (PARTIAL.replace(b'"lastUpdateId":17044571457', b'"lastUpdateId":null'), "schema"),
        (b'{"stream":"btcusdt@depth20","data":[]}', "schema"),
        (b"{}", "unknown_type"),
        (b'{"e":"surprise","s":"BTCUSDT"}', "unknown_type"),
        (b'{"e":"trade"}', "unknown_type"),
        (b'{"e":"kline","s":"BTCUSDT","k":{"i":"7m"}}', "unknown_type"),
        (b'{"lastUpdateId":160,"bids":[],"asks":[]}', "unknown_type"),  # of which symbol, only a stream's name tells
    ],
)
def test_what_cannot_be_read_is_refused_by_kind(frame: bytes, kind: str) -> None:
    assert bad(frame).kind == kind
    known = spot()
    for good in (TRADE, QUOTE, KLINE, DEPTH, PARTIAL, TICKER):
        known(good, AT)
    assert bad(frame, known).kind == kind  # the same by the short way


def test_a_dated_contract_has_an_underscore_in_its_name_only() -> None:
    frame = TRADE.replace(b"btcusdt", b"btcusdt_240927").replace(b"BTCUSDT", b"BTCUSDT_240927")
    read = usdm()
    for _ in range(2):
        trade = read(frame, AT)[0]
        assert isinstance(trade, Trade)
        assert (trade.instrument, trade.price) == ("binance-usdm:BTCUSDT_240927", D("61837.63"))
    assert bad(frame.replace(b"61837.63", b"61_837.63"), read).kind == "bad_number"


def test_symbols_need_not_be_ascii() -> None:
    frame = TRADE.replace(b"btcusdt", "币安人生usdt".encode()).replace(b"BTCUSDT", "币安人生USDT".encode())
    assert [trade.instrument for trade in spot()(frame, AT) if isinstance(trade, Trade)] == ["binance:币安人生USDT"]


def test_hostile_stream_names_do_not_grow_memory() -> None:
    heads: dict[bytes, object] = {}
    reader = decode._Reader(BINANCE.decoder.args[0], "binance", {}, heads)  # type: ignore[attr-defined, arg-type]
    for i in range(decode.MOST_HANDLERS + 50):
        reader.read(PARTIAL.replace(b"btcusdt", b"x%d" % i), AT)
    reader.read(PARTIAL.replace(b"btcusdt", b"y" * 5000), AT)
    assert len(heads) == decode.MOST_HANDLERS


@settings(max_examples=400, deadline=None)
@given(
    frame=st.sampled_from([TRADE, DEPTH, KLINE, MARK, FORCED, TICKER, QUOTE, PARTIAL]),
    edits=st.lists(st.tuples(st.integers(0, 400), st.binary(max_size=3), st.integers(0, 30)), max_size=4),
)
def test_no_frame_however_broken_raises_anything_but_bad_data(
    frame: bytes, edits: list[tuple[int, bytes, int]]
) -> None:
    read = spot()
    read(frame, AT)
    for at, piece, cut in edits:
        frame = frame[:at] + piece + frame[at + cut :]
    with suppress(BadData):
        read(frame, AT)
