"""What is played and what is written: tapes, slow channels, bars, books, tables, a paper venue after a restart."""

import csv
import json
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.ipc
import pytest

from tapeline.app.bookkeeping import Bookkeeping
from tapeline.app.trade.books import EngineBooks
from tapeline.app.trade.feed import StoreFeed, with_built_bars
from tapeline.app.trade.paper_world import balances_of, deposits, gone_with_a_restart, paper_exchange
from tapeline.app.trade.record import Deal, Record, Sample
from tapeline.app.trade.setting_up import accounts_of, idle_limits, limits_of, setup_of, with_streams
from tapeline.app.trade.tables import write_arrow, write_csv
from tapeline.app.trade.tapes import TapeFeed, only
from tapeline.app.trade.warming import proven_now, stored_bars
from tapeline.config import AccountConfig, Config, RiskConfig, StreamConfig, TradeConfig
from tapeline.errors import ConfigError
from tapeline.model.account import Fill
from tapeline.model.event import Bar, BookDelta, BookSnapshot, Funding, Mark, Trade
from tapeline.model.fact import Fact, Wanted
from tapeline.model.instrument import Instrument
from tapeline.model.limits import RiskLimits
from tapeline.model.order import Intent
from tapeline.store.reader import open_store
from tapeline.store.series import SeriesStore
from tapeline.trading.accounting.ledger import Ledger
from tapeline.trading.orders import Blotter
from tapeline.trading.setup import Account
from tapeline.venues import venue_named
from trade_fixtures import SECOND, START_NS, spot, stored, walk

D = Decimal
BTC = "binance:BTC/USDT"
PERP = Instrument(
    venue="binance", symbol="BTC/USDT:USDT", native="BTCUSDT", kind="perpetual", base="BTC", quote="USDT",
    settle="USDT", tick=D("0.1"), lot=D("0.001"),
)  # fmt: skip


# ---- tapes -----------------------------------------------------------------------------------------------------------


def frame(number: int, price: str, at_s: int) -> str:
    at_ms = START_NS // 1_000_000 + at_s * 1000
    data = {
        "e": "trade",
        "E": at_ms,
        "s": "BTCUSDT",
        "t": number,
        "p": price,
        "q": "0.5",
        "T": at_ms,
        "m": False,
        "M": True,
    }
    return json.dumps({"stream": "btcusdt@trade", "data": data})


def depth(first: int, at_s: int) -> str:
    at_ms = START_NS // 1_000_000 + at_s * 1000
    data = {"e": "depthUpdate", "E": at_ms, "s": "BTCUSDT", "U": first, "u": first, "b": [["99", "1"]], "a": []}
    return json.dumps({"stream": "btcusdt@depth@100ms", "data": data})


def tape(folder: Path, frames: Iterable[tuple[int, str]]) -> Path:
    path = folder / "one.ws.jsonl"
    lines = [{"t_ns": START_NS, "conn": "c", "dir": "open"}]
    lines += [{"t_ns": START_NS + at_s * SECOND, "conn": "c", "dir": "in", "raw": raw} for at_s, raw in frames]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_a_tape_is_played_by_the_time_it_was_heard_and_bad_frames_are_counted(tmp_path: Path) -> None:
    path = tape(tmp_path, [(1, frame(1, "100", 1)), (2, "{"), (61, frame(2, "101", 61)), (130, frame(3, "102", 130))])
    feed = TapeFeed(venue_named("binance"), [path], [])
    assert feed.instruments == {}
    made = feed.assume(BTC)
    assert (made.id, made.native, made.kind, made.tick) == (BTC, "BTCUSDT", "spot", None)
    events = list(only(iter(feed), {BTC: {"trades"}}, 0, START_NS + 100 * SECOND))
    assert [(at_ns - START_NS, getattr(event, "price", None)) for at_ns, event in events] == [
        (SECOND, D(100)), (61 * SECOND, D(101))
    ]  # fmt: skip
    assert feed.bad == 1
    whole = list(
        with_built_bars(iter(feed), {BTC: ("trades", "bars:1m@trades")}, feed.instruments, START_NS + 240 * SECOND)
    )
    bars = [(at_ns - START_NS, event.close) for at_ns, event in whole if isinstance(event, Bar)]
    assert bars == [(61 * SECOND, D(100)), (130 * SECOND, D(101)), (240 * SECOND, D(102))]


def test_recorded_answers_give_instruments_and_the_books_beginning(tmp_path: Path) -> None:
    path = tape(tmp_path, [(1, depth(11, 1)), (3, depth(12, 3))])
    listed = {
        "timezone": "UTC", "serverTime": 1, "symbols": [{
            "symbol": "BTCUSDT", "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT",
            "filters": [{"filterType": "PRICE_FILTER", "tickSize": "0.01", "minPrice": "0", "maxPrice": "0"}],
        }],
    }  # fmt: skip
    book = {"lastUpdateId": 10, "bids": [["98", "1"]], "asks": [["101", "2"]]}
    rest = tmp_path / "one.rest.jsonl"
    rest.write_text("".join(
        json.dumps({"t_ns": START_NS + at_s * SECOND, "url": url, "body": json.dumps(body)}) + "\n"
        for at_s, url, body in (
            (0, "https://x/api/v3/exchangeInfo", listed), (2, "https://x/api/v3/depth?symbol=BTCUSDT&limit=1000", book),
            (2, "https://x/api/v3/unheard", {}), (2, "https://x/api/v3/depth?symbol=BTCUSDT", "nonsense"),
        )
    ))  # fmt: skip
    feed = TapeFeed(venue_named("binance"), [path], [rest])
    assert feed.instruments[BTC].tick == D("0.01")
    events = [event for _, event in feed]
    assert [type(event).__name__ for event in events] == ["BookDelta", "BookSnapshot", "BookDelta"]
    books = EngineBooks()
    seen = [books.apply(event, at) for at, event in enumerate(events) if isinstance(event, BookDelta | BookSnapshot)]
    assert seen[0] is None
    assert seen[-1] is not None
    assert seen[-1].top(1) == ([(D(99), D(1))], [(D(101), D(2))])
    books.lose(BTC, "book", "cut", 9)
    books.lose(BTC, "quotes", "cut", 9)
    assert not seen[-1].synchronised
    with pytest.raises(ConfigError, match="no such file"):
        TapeFeed(venue_named("binance"), [tmp_path / "none"], [])


# ---- stores ----------------------------------------------------------------------------------------------------------


def test_the_first_and_the_last_stamp_of_a_stream_are_no_holes_unless_they_were_asked_for(tmp_path: Path) -> None:
    """A stream proves what is between its first and its last trade: others may have had the very same stamps."""
    count, last_ns = 60, START_NS + 59 * SECOND
    store = SeriesStore(tmp_path)
    store.write([
        spot(), *walk(count), Wanted(BTC, "trades", START_NS, last_ns, "stream"),
        Fact(BTC, "trades", START_NS + 1, last_ns, "proven", "ids", "ws", "", last_ns),
        Fact(BTC, "trades", START_NS + 9 * SECOND, START_NS + 9 * SECOND + 1, "missing", "", "ws", "", last_ns + 1),
    ])  # fmt: skip
    store.close()
    first, inside, last = ((at_ns, at_ns + 1) for at_ns in (START_NS, START_NS + 9 * SECOND, last_ns))
    wanted, key = {BTC: ("trades",)}, (BTC, "trades")
    with open_store(tmp_path) as held:

        def missing(*asked: bool, from_ns: int = START_NS) -> object:
            return StoreFeed(held, wanted, from_ns, last_ns + 1, asked=(asked[0], asked[1])).missing()

        assert missing(False, False) == {key: [inside]}
        assert missing(True, False) == {key: [first, inside]}
        assert missing(False, True) == {key: [inside, last]}
        assert missing(False, False, from_ns=START_NS - 5) == {key: [(START_NS - 5, START_NS + 1), inside]}


def test_slow_channels_and_stored_bars_are_played_where_they_are_held(tmp_path: Path) -> None:
    store = SeriesStore(tmp_path)
    bars = [
        Bar(
            PERP.id, "bars:1m", START_NS, START_NS, "rest", interval="1m", open_at_ns=START_NS + at * 60 * SECOND,
            open=D(1), high=D(1), low=D(1), close=D(at + 1), volume=D(1), quote_volume=None, trades=1,
            taker_buy_volume=None, first_id=None, last_id=None, closed=True, revision=1,
        )
        for at in range(3)
    ]  # fmt: skip
    mark = Mark(PERP.id, "mark", START_NS + 30 * SECOND, START_NS, "ws", D("1.5"))
    funding = Funding(PERP.id, "funding", START_NS + 70 * SECOND, START_NS, "ws", D("0.0001"), 28800, None)
    late = Mark(PERP.id, "mark", START_NS + 999 * SECOND, START_NS, "ws", D("1.5"))
    store.write([PERP, *bars, mark, funding, late])
    store.close()
    with open_store(tmp_path) as held:
        feed = StoreFeed(held, {PERP.id: ("bars:1m", "mark", "funding")}, START_NS, START_NS + 180 * SECOND)
        events = list(feed)
        assert feed.missing() == {(PERP.id, "bars:1m"): [(START_NS, START_NS + 180 * SECOND)]}
    assert [event for _, event in events if not isinstance(event, Bar)] == [mark, funding]
    assert [(at_ns - START_NS) // SECOND for at_ns, event in events if isinstance(event, Bar)] == [60, 120, 180]
    warm = stored_bars(tmp_path, {PERP.id: ("bars:1m", "trades", "bars:5m")})
    assert [bar.close for bar in warm] == [D(1), D(2), D(3)]
    assert stored_bars(tmp_path / "none", {PERP.id: ("bars:1m",)}) == []


def test_what_is_proven_is_the_newest_stretch_without_a_hole() -> None:
    ledger = Bookkeeping(lambda _row: None)

    def fact(from_s: int, to_s: int, state: str) -> None:
        ledger.note(
            Fact(BTC, "trades", START_NS + from_s * SECOND, START_NS + to_s * SECOND, state, "ids", "ws", "", 1)
        )

    now_ns = START_NS + 100 * SECOND
    feeds = {BTC: ("trades", "bars:1m@trades", "quotes")}
    assert list(proven_now(ledger, {BTC: ("quotes",)}, now_ns)) == []
    fact(0, 30, "proven")
    fact(30, 40, "missing")
    fact(40, 60, "repaired")
    fact(60, 90, "proven")
    found = list(proven_now(ledger, feeds, now_ns))
    assert {(each.from_ns - START_NS, each.to_ns - START_NS) for each in found} == {(40 * SECOND, 90 * SECOND)}


# ---- tables ----------------------------------------------------------------------------------------------------------


def test_tables_hold_exact_money(tmp_path: Path) -> None:
    record = Record({BTC: spot()}, lambda _venue, _one, _other: None)
    fill = Fill(
        BTC, "fills", START_NS, START_NS, "paper", "main", id="1", client_id="c", venue_id="v", side="buy",
        price=D("100.10"), size=D("0.5"), fee=D("0.0005"), fee_currency="BNB",
    )  # fmt: skip
    record.filled(fill, None)
    record.sampled(START_NS, D("1000.000000000001"))
    record.finish(START_NS + SECOND, lambda _name: D(101))
    paths = write_csv(record, tmp_path / "csv")
    assert [path.name for path in paths] == ["trades.csv", "fills.csv", "equity.csv"]
    with paths[1].open() as file:
        (row,) = list(csv.DictReader(file))
    assert (row["price"], row["value"], row["fee"], row["fee_currency"]) == ("100.1", "50.05", "0.0005", "BNB")
    assert tuple(row) == Deal.__struct_fields__
    with paths[2].open() as file:
        assert next(csv.DictReader(file)) == {
            "at_ns": str(START_NS), "equity": "1000.000000000001", "drawdown": "0.0", "exposed": "true"
        }  # fmt: skip
    with pyarrow.ipc.open_file(write_arrow(record, tmp_path / "arrow")[0]) as file:
        (trip,) = file.read_all().to_pylist()
    assert (trip["entry_price"], trip["exit_price"], trip["open"]) == (D("100.1"), D(101), True)
    assert record.samples == [Sample(START_NS, D("1000.000000000001"), exposed=True)]


def turned(*fills: tuple[str, str, str, str, str]) -> list[tuple[str, Decimal, Decimal, Decimal, int]]:
    """The round trips of fills (side, size, price, fee, its currency) on coins that an account had before."""
    record = Record({BTC: spot()}, lambda _venue, one, other: D(1) if one == other else D(90))
    for at, (side, size, price, fee, currency) in enumerate(fills):
        record.filled(
            Fill(
                BTC, "fills", at, at, "paper", "main", id=str(at), client_id="c", venue_id="v", side=side,
                price=D(price), size=D(size), fee=D(fee), fee_currency=currency,
            ),
            None,
        )  # fmt: skip
    record.finish(9, lambda _name: D(90))
    return [(each.side, each.size, each.won, each.fees, each.fills) for each in record.trips]


def test_a_purchase_that_turns_a_position_bears_its_fee_in_coins_where_it_opens() -> None:
    sold, bought = ("sell", "1", "100", "0", "USDT"), ("buy", "2", "90", "0.002", "BTC")
    assert turned(sold, bought, ("sell", "0.998", "95", "0", "USDT")) == [
        ("short", D(1), D(10), D("0.09"), 2),
        ("long", D("0.998"), D("4.81"), D("0.09"), 2),
    ], "together what came in less what was paid: 100 - 180 + 94.81"


def test_a_fee_that_was_given_in_coins_turns_no_trip_round() -> None:
    assert turned(("sell", "1", "100", "0", "USDT"), ("buy", "1", "90", "-0.002", "BTC")) == [
        ("short", D(1), D(10), D("-0.18"), 2)
    ]


# ---- what a run is made of -------------------------------------------------------------------------------------------


def test_streams_are_added_for_what_strategies_hear_and_the_configuration_lacks() -> None:
    config = Config(stream=(StreamConfig(venue="binance", symbols=("BTC/USDT",), channels=("trades",)),))
    feeds = {BTC: ("trades", "quotes"), "okx:BTC/USDT": ("trades",)}
    added = with_streams(config, feeds).stream[1:]
    assert [(each.venue, each.symbols, each.channels) for each in added] == [
        ("binance", ("BTC/USDT",), ("quotes",)), ("okx", ("BTC/USDT",), ("trades",))
    ]  # fmt: skip
    assert with_streams(config, {BTC: ("trades",)}) is config


def test_accounts_are_those_of_the_configuration_or_one_a_venue_on_paper() -> None:
    feeds = {BTC: ("trades",), "okx:BTC/USDT": ("trades",)}
    named = Config(account={"a": AccountConfig(venue="binance"), "b": AccountConfig(venue="binance", mode="live")})
    assert sorted(accounts_of(named, feeds, "paper")) == ["a", "b", "okx"]
    with pytest.raises(ConfigError, match="no live account of okx"):
        accounts_of(named, feeds, "live")
    assert list(accounts_of(named, {BTC: ("trades",)}, "live")) == ["b"]


def test_the_engine_is_told_of_limits_and_of_what_a_venue_does_itself() -> None:
    config = Config(risk=RiskConfig(max_order_size=D(1), strategy={"s": RiskLimits(max_position=D(2))}))
    assert limits_of(config).every.max_order_size == D(1)
    assert limits_of(config).strategy["s"].max_position == D(2)
    accounts = {"a": Account(name="a", venue="binance")}
    paper, live = (setup_of(config, accounts, [spot()], live=each) for each in (False, True))
    assert paper.able("binance").kinds == {"market", "limit"}
    assert "stop" in live.able("binance").kinds


def test_a_paper_venue_goes_on_with_what_the_ledger_knows() -> None:
    ledger = Ledger()
    for payment in deposits("a", {"USDT": D(1000)}, START_NS):
        ledger.pay(payment)
        ledger.pay(payment)
    shared: dict[str, Any] = {"fee": D(0), "fee_currency": "USDT", "client_id": "c", "venue_id": "v"}
    ledger.apply(
        Fill(PERP.id, "fills", 1, 1, "paper", "a", id="1", side="sell", price=D(100), size=D(2), **shared), PERP, "s"
    )
    exchange = paper_exchange({PERP.id: PERP}, TradeConfig(), [Account(name="a", venue="binance")], ledger)
    assert exchange.account("a").held(PERP.id, "net") == D(-2)
    (balance,) = balances_of(exchange, "a", START_NS)
    assert (balance.currency, balance.total) == ("USDT", D(1000))
    fresh = paper_exchange({}, TradeConfig(), [Account(name="b", venue="binance")], Ledger())
    assert balances_of(fresh, "b", START_NS)[0].total == D(100_000)


def test_a_fill_of_a_paper_venue_is_not_taken_for_one_of_the_run_before() -> None:
    ledger, intent = Ledger(), Intent(instrument=PERP.id, side="buy", kind="market", size=D(1), account="a")
    for payment in deposits("a", {"USDT": D(1000)}, START_NS):
        ledger.pay(payment)
    for run in (1, 2, 3):
        exchange = paper_exchange({PERP.id: PERP}, TradeConfig(), [Account(name="a", venue="binance")], ledger)
        exchange.market(BookSnapshot(PERP.id, "book", 1, 1, "ws", [("99", "5")], [("100", "5")], last_seq=1), 1)
        told = exchange.place("a", f"c{run}", intent, START_NS + run * SECOND)
        (fill,) = (each for each in told if isinstance(each, Fill))
        assert ledger.apply(fill, PERP, "s").changes
    assert ledger.holding("a", PERP.id).size == D(3)


def test_orders_of_the_run_before_are_told_as_gone_but_not_what_waits_with_us() -> None:
    blotter = Blotter("i")
    intent = Intent(instrument=BTC, side="buy", kind="limit", size=D(1), price=D(1), account="a")
    names = [blotter.next_id("s") for _ in range(2)]
    for name in names:
        blotter.intend(name, intent, START_NS)
    (gone,) = gone_with_a_restart(blotter, "a", {names[1]: ""}, START_NS)
    assert (gone.client_id, gone.state) == (names[0], "cancelled")


def test_the_walk_of_these_tests_is_the_same_every_time(tmp_path: Path) -> None:
    assert list(walk(5)) == list(walk(5))
    with open_store(stored(tmp_path, 5)) as store:
        assert [event for event in store.trades(BTC) if isinstance(event, Trade)] == list(walk(5))


def test_limits_that_hold_for_nobody_and_accounts_at_no_venue_are_said() -> None:
    tables = RiskConfig(strategy={"Grid": RiskLimits(), "Gird": RiskLimits()}, account={"mian": RiskLimits()})
    assert list(idle_limits(Config(risk=tables), ["main"], ["Grid"])) == [
        "risk.account.mian holds for nobody: this run has main",
        "risk.strategy.Gird holds for nobody: this run has Grid",
    ]
    with pytest.raises(ConfigError, match=r"account.a.venue: unknown venue 'binanse'"):
        accounts_of(Config(account={"a": AccountConfig(venue="binanse")}), {BTC: ("trades",)}, "paper")
