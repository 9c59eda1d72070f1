from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

import tapeline
from tapeline.clock import SystemClock
from tapeline.errors import ConfigError, NotHeld, UnknownInstrument
from tapeline.market.bars import BarBuilder
from tapeline.model.event import Bar, Gap, Trade
from tapeline.model.fact import Fact, Wanted
from tapeline.model.instrument import Instrument
from tapeline.model.interval import interval
from tapeline.store.compact import compact
from tapeline.store.export import export_series
from tapeline.store.reader import open_store
from tapeline.store.series import Row, SeriesStore

BTC = "binance:BTC/USDT"
MINUTE_NS = 60_000_000_000
HOUR_NS = 60 * MINUTE_NS


def keep(folder: Path, *rows: Row) -> None:
    store = SeriesStore(folder)
    store.write(rows)
    store.close()


def minutes(bar: Callable[..., Bar], opens: range, **changes: object) -> list[Bar]:
    return [bar(open_at_ns=i * MINUTE_NS, **changes) for i in opens]


def test_the_venues_minutes_make_hours(tmp_path: Path, bar: Callable[..., Bar]) -> None:
    venue = minutes(bar, range(30, 200), origin="venue", channel="bars:1m", certificate="")
    keep(tmp_path, *venue, bar())
    with open_store(tmp_path) as held:
        hours = list(held.resample(BTC, "1h"))
        assert [(each.open_at_ns // HOUR_NS, each.certificate) for each in hours] == [
            (0, "partial"), (1, "complete"), (2, "complete"), (3, "partial"),
        ]  # fmt: skip
        assert hours[1].trades == 60 * 875
        assert list(held.resample(BTC, "1h", HOUR_NS, 2 * HOUR_NS)) == hours[1:2]
        assert list(held.resample(BTC, "1h", 1, HOUR_NS + 1)) == hours[1:2]
        assert held.resample(BTC, "1h").to_arrow(numbers="decimal")["volume"][1].as_py() == 60 * Decimal("12.43238")
        assert [each.open_at_ns for each in held.resample(BTC, "1m", 0, 31 * MINUTE_NS)] == [30 * MINUTE_NS]


def test_the_series_that_reaches_furthest_is_taken(tmp_path: Path, bar: Callable[..., Bar]) -> None:
    coarse = [
        bar(open_at_ns=i * 5 * MINUTE_NS, origin="venue", channel="bars:5m", interval="5m", close=Decimal(61830))
        for i in range(24)
    ]
    keep(tmp_path, *minutes(bar, range(60, 120), origin="venue", channel="bars:1m"), *coarse)
    with open_store(tmp_path) as held:
        assert [each.close for each in held.resample(BTC, "1h")] == [61830, 61830]
        assert [each.close for each in held.resample(BTC, "1h", HOUR_NS)] == [61830]  # the coarser among equals
        with pytest.raises(NotHeld, match=r"no bars of 1s can be made.*bars:1m, bars:5m"):
            held.resample(BTC, "1s")
        with pytest.raises(NotHeld, match="no bars of 1h can be made"):
            held.resample(BTC, "1h@aggtrades")
        with pytest.raises(UnknownInstrument):
            held.resample("binance:ETH/USD", "1h")


def test_a_hole_makes_built_bars_partial_though_no_part_is(tmp_path: Path, bar: Callable[..., Bar]) -> None:
    parts = [*minutes(bar, range(25)), *minutes(bar, range(65, 185))]
    hole = Gap(BTC, "trades", None, 7, "built", 25 * MINUTE_NS, 65 * MINUTE_NS, None, None, "restart")
    keep(tmp_path, *parts, hole)
    with open_store(tmp_path) as held:
        found = {each.open_at_ns // HOUR_NS: each.certificate for each in held.resample(BTC, "1h@trades")}
        assert found == {0: "partial", 1: "partial", 2: "complete", 3: "partial"}  # nothing is known after 03:05
        earlier = list(held.resample(BTC, "1h@trades", at=6))
        assert earlier == []


def series(trade: Callable[..., Trade], opens: range) -> list[Trade]:
    return [trade(n + 1, at_ns=n * MINUTE_NS + n, price=Decimal(100 + n % 7), received_ns=n) for n in opens]


def test_trades_make_bars_where_no_bars_are_stored(tmp_path: Path, trade: Callable[..., Trade]) -> None:
    made = series(trade, range(30, 300))
    hole = Gap(BTC, "trades", None, 7, "built", 130 * MINUTE_NS, 131 * MINUTE_NS, None, None, "id_jump")
    open_hole = Gap(BTC, "trades", None, 9, "built", 299 * MINUTE_NS, None, None, None, "link_down", open=True)
    keep(tmp_path, *made, hole, open_hole)
    builder = BarBuilder(BTC, [interval("1h")])
    for each in made:
        builder.add(each, 0)
    builder.hole(130 * MINUTE_NS, 131 * MINUTE_NS)
    wanted = builder.finish(299)
    with open_store(tmp_path) as held:
        assert list(held.resample(BTC, "1h")) == list(wanted)
        assert [each.certificate for each in wanted] == ["partial", "complete", "partial", "complete", "partial"]
        middle = list(held.resample(BTC, "1h@trades", HOUR_NS, 2 * HOUR_NS))
        assert [(each.open_at_ns, each.volume, each.certificate) for each in middle] == [
            (HOUR_NS, wanted[1].volume, "complete")
        ]
        assert [each.certificate for each in held.resample(BTC, "1h", at=6)] == []


def test_bars_by_activity(tmp_path: Path, trade: Callable[..., Trade]) -> None:
    contract = Instrument(
        venue="binance", symbol="BTC/USDT", native="BTCUSDT", kind="perpetual", base="BTC", quote="USDT",
        size_unit="contract", contract_size=Decimal(10),
    )  # fmt: skip
    hole = Gap(BTC, "trades", None, 7, "built", 1, 2 * MINUTE_NS, None, None, "id_jump")
    keep(tmp_path, *series(trade, range(10)), contract, hole)
    with open_store(tmp_path) as held:
        assert [(each.trades, each.certificate) for each in held.tick_bars(BTC, 4)] == [
            (4, "partial"), (4, "complete"), (2, "partial"),
        ]  # fmt: skip
        assert [each.trades for each in held.volume_bars(BTC, "0.1")] == [5, 5]
        assert held.value_bars(BTC, 80).to_arrow()["quote_volume"][0].as_py() == 81.2
        with pytest.raises(ConfigError, match="'much' is not a number"):
            list(held.volume_bars(BTC, "much"))
        with pytest.raises(NotHeld, match="no aggtrades"):
            held.tick_bars(BTC, 4, channel="aggtrades")


def test_an_empty_series_has_no_bars(tmp_path: Path, trade: Callable[..., Trade]) -> None:
    keep(tmp_path, Gap(BTC, "trades", None, 7, "built", 1, 2, None, None, "id_jump"), trade(channel="aggtrades"))
    with open_store(tmp_path) as held:
        assert list(held.resample(BTC, "1h@trades")) == []
        assert held.extent(BTC, "trades") is None
        assert held.extent(BTC, "aggtrades") == (trade().at_ns, trade().at_ns)


def fetched(low: int, high: int) -> list[Row]:
    """A backfill of these minutes of trades, as the ledger has it."""
    of = (BTC, "trades", low * MINUTE_NS, high * MINUTE_NS)
    return [Wanted(*of, "backfill"), Fact(*of, "proven", "ids", "rest", "because", high * MINUTE_NS)]


@pytest.fixture(params=["store", "archive", "archive of bars"])
def apart(request: pytest.FixtureRequest, tmp_path: Path, trade: Callable[..., Trade], bar: Callable[..., Bar]) -> Path:
    """Two backfills, to 01:10 and from 01:40, and built bars of both; nobody asked for what lies between."""
    keep(
        tmp_path / "data", *(trade(n + 1, at_ns=n * MINUTE_NS) for n in [*range(70), *range(100, 180)]),
        *minutes(bar, range(70)), *minutes(bar, range(100, 180)), *fetched(0, 70), *fetched(100, 180),
    )  # fmt: skip
    if request.param != "store":
        with open_store(tmp_path / "data") as store:
            for channel in ("trades", "bars:1m@trades")[request.param == "archive of bars" :]:
                export_series(store, BTC, channel, tmp_path / "archive", partition="none")
    return tmp_path / ("data" if request.param == "store" else "archive")


def test_bars_over_a_hole_that_nobody_asked_for_are_partial(apart: Path) -> None:
    with tapeline.open(apart) as held:
        assert [each.certificate for each in held.resample(BTC, "1h@trades")] == ["complete", "partial", "complete"]
        if (BTC, "trades") in held.series():
            assert [each.certificate for each in held.tick_bars(BTC, 40)] == [
                "complete", "partial", "complete", "partial",
            ]  # fmt: skip


def test_bars_of_trades_over_a_hole_that_nobody_asked_for_are_partial(
    tmp_path: Path, trade: Callable[..., Trade]
) -> None:
    apart = [trade(n + 1, at_ns=n * MINUTE_NS) for n in [*range(70), *range(100, 180)]]
    keep(tmp_path / "data", *apart, *fetched(0, 70), *fetched(100, 180))
    with open_store(tmp_path / "data") as store:
        export_series(store, BTC, "trades", tmp_path / "archive", partition="none")
    for name in ("data", "archive"):
        with tapeline.open(tmp_path / name) as held:
            assert [each.certificate for each in held.resample(BTC, "1h")] == ["complete", "partial", "complete"]


def test_a_bar_that_was_not_over_at_that_moment_was_not_whole(tmp_path: Path, trade: Callable[..., Trade]) -> None:
    """Nor was one of which some trades came later."""
    late = {20, 21}
    rows = [
        trade(n + 1, at_ns=n * MINUTE_NS, received_ns=(200 if n in late else n) * MINUTE_NS + 1) for n in range(180)
    ]
    keep(tmp_path, *rows, *fetched(0, 180))
    with open_store(tmp_path) as held:
        then = list(held.resample(BTC, "1h", at=150 * MINUTE_NS))
        assert [(each.trades, each.certificate) for each in then] == [
            (58, "partial"),
            (60, "complete"),
            (30, "partial"),
        ]
        one = list(held.resample(BTC, "1h", 2 * HOUR_NS, 3 * HOUR_NS, at=150 * MINUTE_NS))
        assert [(each.trades, each.certificate) for each in one] == [(30, "partial")]
        after = list(held.resample(BTC, "1h", at=201 * MINUTE_NS))
        assert [(each.trades, each.certificate) for each in after] == [(60, "complete")] * 3


def test_a_bar_of_built_bars_that_was_not_over_at_that_moment_was_not_whole(
    tmp_path: Path, bar: Callable[..., Bar]
) -> None:
    """Nor was one of which a part was made later."""
    parts = [
        bar(open_at_ns=n * MINUTE_NS, known_at_ns=(200 if n == 20 else n + 1) * MINUTE_NS, certificate="complete")
        for n in range(180)
    ]
    keep(tmp_path, *parts, *fetched(0, 180))
    with open_store(tmp_path) as held:
        then = list(held.resample(BTC, "1h@trades", at=150 * MINUTE_NS))
        assert [(each.trades, each.certificate) for each in then] == [
            (59 * 875, "partial"), (60 * 875, "complete"), (30 * 875, "partial"),
        ]  # fmt: skip
        after = list(held.resample(BTC, "1h@trades", at=201 * MINUTE_NS))
        assert [each.certificate for each in after] == ["complete"] * 3


def test_bars_of_built_bars_stay_whole_when_their_trades_are_too_old_to_keep(
    tmp_path: Path, trade: Callable[..., Trade], bar: Callable[..., Bar]
) -> None:
    rows = [trade(n + 1, at_ns=n * MINUTE_NS) for n in range(120)]
    keep(tmp_path, *rows, *minutes(bar, range(120), certificate="complete"), *fetched(0, 120))
    compact(tmp_path, SystemClock(), keep_trades_ns=HOUR_NS)
    with open_store(tmp_path) as held:
        assert list(held.trades(BTC)) == []
        assert [each.certificate for each in held.resample(BTC, "1h@trades")] == ["complete", "complete"]
