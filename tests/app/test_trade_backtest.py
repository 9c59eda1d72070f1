"""Backtests in process: determinism, latency, exact sums, and every example."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tapeline.app.trade.backtesting import Outcome, backtest
from tapeline.app.trade.candles import Candles
from tapeline.app.trade.feed import StoreFeed, Timed, with_bars
from tapeline.app.trade.loading import load, with_settings
from tapeline.app.trade.record import Sample
from tapeline.app.trade.setting_up import feeds_of
from tapeline.app.trade.statistics import drawdown, drawdowns
from tapeline.config import Config, StrategyConfig, TradeConfig
from tapeline.errors import ConfigError
from tapeline.model.account import Fill
from tapeline.model.event import Bar, Quote, Trade
from tapeline.model.instrument import Instrument
from tapeline.model.order import Order
from tapeline.store.reader import open_store
from tapeline.trading.strategy import Strategy
from trade_fixtures import SECOND, START_NS, spot, stored, walk

D = Decimal
EXAMPLES = Path(__file__).parents[2] / "examples"
BTC = "binance:BTC/USDT"


def timed(trades: Iterable[Trade]) -> Iterator[Timed]:
    return ((trade.at_ns or 0, trade) for trade in trades)


def played(
    strategies: Sequence[Strategy], events: Iterable[Timed], *instruments: Instrument, seconds: int = 3600,
    limited: bool = False, **trade: Any,
) -> Outcome:  # fmt: skip
    listed = {each.id: each for each in instruments or (spot(),)}
    settings: dict[str, Any] = {"send_ms": 0.0, "answer_ms": 0.0, "balances": {"USDT": D(100_000)}} | trade
    return backtest(
        Config(trade=TradeConfig(**settings)), strategies, feeds_of(strategies), events, instruments=listed,
        from_ns=START_NS, to_ns=START_NS + seconds * SECOND, limited=limited,
    )  # fmt: skip


class OneBuy(Strategy):
    """Buys at the first trade, and writes down when it heard of what."""

    instruments = (BTC,)

    def on_start(self) -> None:
        self.heard: list[tuple[str, int]] = []

    def on_trade(self, _trade: Trade) -> None:
        if not self.heard:
            self.heard.append(("asked", self.now_ns))
            self.buy(BTC, "0.1")

    def on_order(self, order: Order) -> None:
        self.heard.append((order.state, self.now_ns))

    def on_fill(self, _fill: Fill) -> None:
        self.heard.append(("fill", self.now_ns))


def test_the_same_data_and_settings_give_the_same_run_to_the_last_digit() -> None:
    def run(seed: int) -> Outcome:
        strategy = load(StrategyConfig(run=f"{EXAMPLES}/ma_cross.py:MovingAverageCross"))
        events = with_bars(walk(3600, seed=seed), spot(), "trades", ["1m"], START_NS + 3600 * SECOND)
        return played([strategy], events)

    first, again, other = run(1), run(1), run(2)
    assert (first.digest, first.statistics) == (again.digest, again.statistics)
    assert first.digest != other.digest
    assert first.statistics.fills >= 2


def test_orders_and_answers_take_their_time() -> None:
    strategy = OneBuy()
    played([strategy], timed(walk(10)), seconds=10, send_ms=300.0, answer_ms=200.0)
    asked_ns = START_NS
    assert strategy.heard[0] == ("asked", asked_ns)
    assert ("submitted", asked_ns) in strategy.heard
    assert ("fill", asked_ns + SECOND // 2) in strategy.heard
    assert strategy.heard[-1] == ("filled", asked_ns + SECOND // 2)


def test_equity_is_what_is_in_the_account_to_the_last_digit() -> None:
    strategy = OneBuy()
    outcome = played([strategy], timed(walk(60)), seconds=60)
    (deal,) = outcome.record.deals
    last = list(walk(60))[-1].price
    held = D("0.1") - deal.fee / deal.price
    assert outcome.statistics.equity_end == D(100_000) - deal.value + held * last
    (trip,) = outcome.record.trips
    assert (trip.open, trip.side, trip.fills, trip.entry_price) == (True, "long", 1, deal.price)


def test_limits_hold_in_a_backtest_only_where_they_are_asked_for() -> None:
    config = Config(trade=TradeConfig(balances={"USDT": D(100_000)}, send_ms=0.0, answer_ms=0.0))
    risk = type(config.risk)(max_order_value=D(10))
    config = Config(trade=config.trade, risk=risk)
    for limited, fills in ((True, 0), (False, 1)):
        outcome = backtest(
            config, [OneBuy()], {BTC: ("trades",)}, timed(walk(10)), instruments={BTC: spot()}, from_ns=START_NS,
            to_ns=START_NS + 10 * SECOND, limited=limited,
        )  # fmt: skip
        assert outcome.statistics.fills == fills
        assert outcome.statistics.denied == 1 - fills


def test_a_turn_through_flat_is_two_trips_and_wins_and_losses_are_counted() -> None:
    perp = Instrument(
        venue="binance", symbol="BTC/USDT:USDT", native="BTCUSDT", kind="perpetual", base="BTC", quote="USDT",
        settle="USDT", tick=D("0.1"), lot=D("0.001"),
    )  # fmt: skip

    class Turns(Strategy):
        instruments = (perp.id,)
        step = 0

        def on_trade(self, _trade: Trade) -> None:
            self.step += 1
            if self.step == 1:
                self.buy(perp.id, 1)
            elif self.step == 2:
                self.sell(perp.id, 3)
            elif self.step == 3:
                self.buy(perp.id, 2)

    prices = ["100", "110", "130", "130"]
    trades = [
        Trade(perp.id, "trades", START_NS + at * SECOND, START_NS, "ws", str(at), at, "buy", D(price), D(50))
        for at, price in enumerate(prices)
    ]
    outcome = played([Turns()], timed(trades), perp, seconds=5, taker_fee=D(0), maker_fee=D(0))
    assert [(each.side, each.won) for each in outcome.record.trips] == [("long", D(10)), ("short", D(-40))]
    found = outcome.statistics
    assert (found.trades, found.win_rate, found.profit_factor, found.won) == (2, 0.5, 0.25, D(-30))
    assert (found.best, found.worst, found.expectancy) == (D(10), D(-40), D(-15))


def test_bars_alone_fill_at_the_next_open() -> None:
    def bar(minute: int, price: str) -> Timed:
        open_ns, at = START_NS + minute * 60 * SECOND, D(price)
        made = Bar(
            BTC, "bars:1m", open_ns, open_ns, "rest", interval="1m", open_at_ns=open_ns, open=at, high=at, low=at,
            close=at, volume=D(1), quote_volume=None, trades=1, taker_buy_volume=None, first_id=None, last_id=None,
            closed=True, revision=1,
        )  # fmt: skip
        return open_ns + 60 * SECOND, made

    class Buyer(Strategy):
        instruments = (BTC,)
        channels = ("bars:1m",)

        def on_bar(self, _bar: Bar) -> None:
            if not self.position(BTC) and not self.orders():
                self.buy(BTC, "0.1")

    outcome = played([Buyer()], [bar(at, str(100 + at)) for at in range(4)], seconds=300)
    (deal,) = outcome.record.deals
    assert (deal.price, deal.slippage) == (D(101), D("0.1"))


def test_a_store_is_played_with_bars_at_their_close_and_never_before(tmp_path: Path) -> None:
    with open_store(stored(tmp_path, 300)) as store:
        feed = StoreFeed(store, {BTC: ("trades", "bars:1m@trades", "bars:5m")}, START_NS, START_NS + 300 * SECOND)
        events = list(feed)
        assert feed.missing() == {}
    assert all(before[0] <= after[0] for before, after in pairwise(events))
    for at_ns, event in events:
        if isinstance(event, Bar):
            length = 300 if event.interval == "5m" else 60
            assert at_ns >= event.open_at_ns + length * SECOND
    assert [event.interval for _, event in events if isinstance(event, Bar)] == ["1m"] * 5 + ["5m"]
    assert {event.channel for _, event in events} == {"trades", "bars:1m@trades", "bars:5m"}


def test_what_a_store_does_not_hold_is_said(tmp_path: Path) -> None:
    with open_store(stored(tmp_path, 10, proven=False)) as store:
        span = (START_NS, START_NS + 10 * SECOND)
        with pytest.raises(ConfigError, match="knows no binance:XRP/USDT"):
            StoreFeed(store, {"binance:XRP/USDT": ("trades",)}, *span)
        with pytest.raises(ConfigError, match="holds no quotes"):
            list(StoreFeed(store, {BTC: ("quotes",)}, *span))
        assert StoreFeed(store, {BTC: ("trades",)}, *span).missing() == {(BTC, "trades"): [span]}


def test_candles_are_what_was_played() -> None:
    candles = Candles(START_NS, START_NS + 100 * SECOND, most=10)
    trades = list(timed(walk(20)))
    quote = Quote("binance:Q/X", "quotes", START_NS, START_NS, "ws", D(1), D(1), D(3), D(1))
    assert list(candles.through([*trades, (START_NS, quote)]))[:20] == trades
    first, second = candles.of(BTC)
    prices = [float(event.price) for _, event in trades if isinstance(event, Trade)]
    assert (first.open, first.high, first.low, first.close) == (
        prices[0],
        max(prices[:10]),
        min(prices[:10]),
        prices[9],
    )
    assert second.at_ns == START_NS + 10 * SECOND
    assert [each.open for each in candles.of("binance:Q/X")] == [2.0]
    assert candles.instruments() == [BTC, "binance:Q/X"]


def test_drawdown_is_from_the_peak_in_depth_and_in_time() -> None:
    samples = [Sample(at * SECOND, D(value), exposed=False) for at, value in enumerate((100, 120, 90, 110, 130, 125))]
    assert drawdown(samples) == (0.25, D(30), 3.0)
    assert drawdowns(samples)[2] == 0.25


def test_what_only_rises_was_never_below_its_peak() -> None:
    rising = [Sample(at * SECOND, D(value), exposed=False) for at, value in enumerate((100, 110, 110, 120))]
    assert drawdown(rising) == (0.0, D(0), 0.0)
    assert drawdown([*rising, Sample(9 * SECOND, D(119), exposed=False)])[2] == 6.0, "from the peak to the end"


@pytest.mark.parametrize(
    ("run", "settings", "names", "fills"),
    [
        ("ma_cross.py:MovingAverageCross", {"channels": ("trades", "bars:1m@trades")}, ("BTC/USDT",), 4),
        ("grid_maker.py:GridMaker", {}, ("BTC/USDT",), 10),
        ("rebalancer.py:Rebalancer", {}, ("BTC/USDT", "ETH/USDT"), 2),
    ],
)
def test_every_example_runs_and_trades(
    run: str, settings: Mapping[str, Any], names: tuple[str, ...], fills: int
) -> None:
    strategy = load(StrategyConfig(run=f"{EXAMPLES}/{run}", **settings))
    instruments = [spot(name) for name in names]
    end_ns = START_NS + 7200 * SECOND
    streams = [
        with_bars(walk(7200, instrument=each.id, seed=at), each, "trades", ["1m"], end_ns)
        for at, each in enumerate(instruments)
    ]
    events = sorted((pair for stream in streams for pair in stream), key=lambda pair: pair[0])
    outcome = played([strategy], events, *instruments, seconds=7200)
    assert (outcome.paused, outcome.statistics.fills >= fills) == ({}, True)
    assert set(outcome.record.denied) <= {"there is nothing left to sell"}


def test_the_example_of_two_venues_buys_here_and_sells_there() -> None:
    here, there = spot(), spot(venue="okx")
    strategy = load(StrategyConfig(run=f"{EXAMPLES}/cross_venue_spread.py:CrossVenueSpread"))
    events = sorted(
        (pair for at, each in enumerate((here, there)) for pair in timed(walk(3600, instrument=each.id, seed=at))),
        key=lambda pair: pair[0],
    )
    outcome = played([strategy], events, here, there, balances={"USDT": D(10_000), "BTC": D(1)})
    assert outcome.paused == {}
    assert {deal.account for deal in outcome.record.deals} == {"binance", "okx"}
    assert len(outcome.record.deals) >= 4


def test_a_function_is_a_strategy_where_it_is_said_what_it_watches(tmp_path: Path) -> None:
    code = tmp_path / "plain.py"
    code.write_text("def once(desk, event):\n    if not desk.positions:\n        desk.buy(event.instrument, '0.01')\n")
    asked = StrategyConfig(run="plain.py:once", instruments=(BTC,))
    assert played([load(asked, tmp_path)], timed(walk(10)), seconds=10).statistics.fills == 1
    with pytest.raises(ConfigError, match="say what it watches"):
        load(StrategyConfig(run="plain.py:once"), tmp_path)


@pytest.mark.parametrize(
    ("run", "said"),
    [
        ("plain", "names no strategy"), ("plain.py:twice", "has no 'twice'"), ("plain.py:NUMBER", "neither a Strategy"),
        ("broken.py:X", "does not load: ValueError: oh"), ("nowhere.at.all:X", "strategy module"),
    ],
)  # fmt: skip
def test_a_strategy_that_cannot_be_found_is_said(tmp_path: Path, run: str, said: str) -> None:
    (tmp_path / "plain.py").write_text("NUMBER = 1\n")
    (tmp_path / "broken.py").write_text("raise ValueError('oh')\n")
    with pytest.raises(ConfigError, match=said):
        load(StrategyConfig(run=run), tmp_path)


def test_settings_of_the_command_line_are_read_as_the_code_has_them() -> None:
    asked = StrategyConfig(run=f"{EXAMPLES}/grid_maker.py:GridMaker")
    found = with_settings(asked, ["levels=5", "size=0.02", "instruments=okx:BTC/USDT, okx:ETH/USDT"])
    strategy: Any = load(found)
    assert (strategy.levels, strategy.size, strategy.instruments) == (5, D("0.02"), ("okx:BTC/USDT", "okx:ETH/USDT"))
    with pytest.raises(ConfigError, match="'many' is not a number"):
        with_settings(asked, ["levels=many"])


def test_a_strategy_that_watches_nothing_or_nonsense_is_said() -> None:
    with pytest.raises(ConfigError, match="watches nothing"):
        feeds_of([Strategy(name="idle")])
    with pytest.raises(ConfigError, match="is no instrument"):
        feeds_of([Strategy(name="idle", instruments=("BTC",))])


WRONG = """
from tapeline import Strategy

class Bare(Strategy):
    instruments = ("binance:BTC/USDT",)
    def __init__(self):
        self.seen = 0

class Awaits(Strategy):
    instruments = ("binance:BTC/USDT",)
    async def on_trade(self, trade):
        self.buy(trade.instrument, 1)

class Narrow(Strategy):
    instruments = ("binance:BTC/USDT",)
    def __init__(self, fast):
        super().__init__()

async def later(desk, event):
    desk.buy(event.instrument, 1)
"""


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Bare", "has to call super"),
        ("Awaits", "on_trade is async, and would never run"),
        ("Narrow", "cannot be made of its settings: .*fast"),
        ("later", "is async, and would never run"),
    ],
)
def test_a_strategy_that_would_do_nothing_without_a_word_is_refused(name: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text(WRONG, encoding="utf-8")
    with pytest.raises(ConfigError, match=why):
        load(StrategyConfig(run=f"wrong.py:{name}", instruments=(BTC,) if name == "later" else None), tmp_path)


def test_coins_that_an_account_begins_with_are_worth_their_first_price_from_the_start() -> None:
    class Watches(Strategy):
        instruments = (BTC,)

        def on_trade(self, _trade: Trade) -> None:
            """Only listens."""

    falls = [
        Trade(BTC, "trades", START_NS + each * SECOND, 0, "ws", str(each), each, "sell", D(60_000 - 500 * each), D(1))
        for each in range(5, 60)
    ]
    config = Config(trade=TradeConfig(balances={"USDT": D(100_000), "BTC": D(2)}, send_ms=0.0, answer_ms=0.0))
    config = Config(trade=config.trade, risk=type(config.risk)(max_daily_loss=D(5_000), on_breach="halted"))
    outcome = backtest(
        config, [Watches()], {BTC: ("trades",)}, timed(falls), instruments={BTC: spot()}, from_ns=START_NS,
        to_ns=START_NS + 60 * SECOND, limited=True,
    )  # fmt: skip
    found = outcome.statistics
    assert (found.equity_start, found.equity_end, found.won) == (D(215_000), D(161_000), D(-54_000))
    assert found.max_drawdown_value == D(54_000)
    assert {each.equity for each in outcome.record.samples[:6]} == {D(215_000)}, "also before its first price came"
    said = [note.text for _, note in outcome.record.notes if note.kind == "halt"]
    assert said == ["halted: max_daily_loss of account binance is 5000, and it stands at 6000"]


def test_what_is_traded_against_another_currency_counts_at_its_rate() -> None:
    cross = msgspec.structs.replace(spot("ETH/BTC"), tick=D("0.00001"), lot=D("0.0001"), min_notional=None)

    class Crosses(Strategy):
        instruments = (BTC, cross.id)
        count = 0

        def on_trade(self, _trade: Trade) -> None:
            self.count += 1
            if self.count == 2:
                self.buy(cross.id, 10)
            elif self.count == 4:
                self.close(cross.id)

    def trade(instrument: str, at_s: int, price: str) -> Trade:
        at_ns = START_NS + at_s * SECOND
        return Trade(instrument, "trades", at_ns, at_ns, "ws", str(at_s), at_s, "buy", D(price), D(100))

    events = [trade(BTC, 0, "60000"), trade(cross.id, 1, "0.05"), trade(BTC, 2, "50000"), trade(cross.id, 3, "0.06")]
    outcome = played(
        [Crosses()], timed(events), spot(), cross, seconds=10, balances={"USDT": D(1000), "BTC": D(2)},
        maker_fee=D(0), taker_fee=D("0.01"), slippage=D(0),
    )  # fmt: skip
    bought, sold = outcome.record.deals
    assert [(each.value, each.rate) for each in (bought, sold)] == [(D("0.5"), D(60_000)), (D("0.594"), D(50_000))]
    found = outcome.statistics
    assert (found.currency, found.traded) == ("USDT", D(30_000 + 29_700))
    assert found.fees == D(300 + 297), "a hundredth of both"
    (trip,) = outcome.record.trips
    assert (trip.won, trip.rate, found.best, found.win_rate) == (D("0.08806"), D(50_000), D(4403), 1.0)
