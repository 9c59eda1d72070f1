"""The invariants of bars: nothing twice, nothing lost, corrected in the open, never claimed complete when it is not."""

import csv
import gzip
import random
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeline.errors import ConfigError
from tapeline.market.bars import BarBuilder
from tapeline.model.event import Bar, Trade
from tapeline.model.interval import HOUR_NS, INTERVALS, MINUTE_NS, SECOND_NS, Interval
from tapeline.model.plausible import impossible

S = SECOND_NS
M = MINUTE_NS
M1 = INTERVALS["1m"]


def trade(
    at_ns: int | None, price: str = "100", size: str = "1", *, seq: int | None = None, source: str = "ws"
) -> Trade:
    return Trade(
        "x:A/B", "trades", at_ns, (at_ns or 0) + 5, source, str(seq), seq, "buy", Decimal(price), Decimal(size)
    )


def builder(*names: str, **options: Any) -> BarBuilder:
    return BarBuilder("x:A/B", [INTERVALS[name] for name in names or ("1m",)], **options)


def figures(*values: Any) -> tuple[Any, ...]:
    """So that exact numbers can be written as integers here."""
    return values


def brief(bars: Any) -> list[tuple[int, str, str, int, str]]:
    """(minute, close, certificate, revision, reason) of each."""
    return [(bar.open_at_ns // M, str(bar.close), bar.certificate, bar.revision, bar.reason) for bar in bars]


# ---- the plain day ----------------------------------------------------------------------------------------------


def test_a_bar_closes_by_watermark_and_says_everything() -> None:
    ours = builder(origin="aggtrades")
    ours.join(0, continues=True)
    assert ours.add(trade(1 * S, "100", "2", seq=7), 1) == ()
    assert ours.add(trade(59 * S, "101", "0.5", seq=8), 2) == ()
    assert ours.add(trade(60 * S, "99", "1", seq=9), 3) == ()  # the next trade closes nothing
    assert ours.advance(60 * S - 1, 4) == ()
    (bar,) = ours.advance(60 * S, 5)
    assert bar == Bar(
        "x:A/B", "bars:1m@aggtrades", 59 * S, 59 * S + 5, "built", interval="1m", open_at_ns=0, open=Decimal(100),
        high=Decimal(101), low=Decimal(100), close=Decimal(101), volume=Decimal("2.5"), quote_volume=Decimal("250.5"),
        trades=2, taker_buy_volume=Decimal("2.5"), first_id=7, last_id=8, closed=True, certificate="complete",
        revision=1, origin="aggtrades", reason="", known_at_ns=5,
    )  # fmt: skip
    assert ours.advance(60 * S, 6) == ()
    assert ours.advance(30 * S, 6) == ()  # a watermark never goes back


def test_a_quiet_bar_closes_without_another_trade_and_no_trade_makes_no_bar() -> None:  # landscape 3, fault 8
    ours = builder()
    ours.add(trade(1 * S), 0)
    assert brief(ours.advance(10 * M, 0)) == [(0, "100", "partial", 1, "")]
    assert ours.advance(20 * M, 0) == ()


def test_late_trades_correct_their_bars_and_open_no_second_one() -> None:  # landscape 3, fault 7
    ours, bars = builder(), list[Bar]()
    ours.join(0, continues=True)
    for second in (0, 59, 61, 58, 62, 121):
        bars += ours.add(trade(second * S, str(100 + second)), 0)
        bars += ours.advance(second * S, 0)  # no lateness at all: the harshest
    bars += ours.finish(0)
    assert brief(bars) == [
        (0, "159", "complete", 1, ""),
        (0, "159", "complete", 2, "late trade"),  # 58 s came after 61 s: the close stays the later trade's
        (1, "162", "complete", 1, ""),
        (2, "221", "partial", 1, ""),
    ]
    assert [bar.volume for bar in bars] == [2, 3, 2, 1]


def test_with_lateness_the_same_trades_make_each_bar_once() -> None:
    ours, bars = builder(), list[Bar]()
    for second in (0, 59, 61, 58, 62, 121):
        bars += ours.add(trade(second * S), 0)
        bars += ours.advance(second * S - 5 * S, 0)
    assert [figures(bar.open_at_ns // M, bar.volume) for bar in [*bars, *ours.finish(0)]] == [(0, 3), (1, 2), (2, 1)]


def test_volumes_are_sums_of_trades_whatever_runs_beside() -> None:  # landscape 3, fault 9
    ours = builder("1s", "1m")
    for second in range(60):
        ours.add(trade(second * S, size="0.1"), 0)
    bars = ours.finish(0)
    assert sum(bar.volume for bar in bars if bar.interval == "1s") == Decimal("6.0")
    assert [bar.volume for bar in bars if bar.interval == "1m"] == [Decimal("6.0")]


def test_bars_are_utc_whatever_the_machine_thinks(monkeypatch: pytest.MonkeyPatch) -> None:  # landscape 3, fault 6
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    ours = builder("1d", "1w", "1M")
    ours.add(trade(1_723_161_255_342_000_000), 0)  # 2024-08-08 23:54:15 UTC, a Thursday
    assert [bar.open_at_ns // (24 * HOUR_NS) for bar in ours.finish(0)] == [19943, 19940, 19936]


# ---- joining, holes, proof --------------------------------------------------------------------------------------


def test_the_first_bar_is_partial_unless_it_continues() -> None:
    ours = builder()
    ours.add(trade(10 * S), 0)
    ours.add(trade(70 * S), 0)
    assert [bar.certificate for bar in ours.advance(2 * M, 0)] == ["partial", "complete"]
    ours = builder()
    ours.join(10 * S)
    ours.add(trade(70 * S), 0)
    ours.add(trade(20 * S), 0)
    assert [bar.certificate for bar in ours.advance(2 * M, 0)] == ["partial", "complete"]
    ours = builder()
    ours.join(M)  # from the very start of minute 1
    ours.add(trade(70 * S), 0)
    assert [bar.certificate for bar in ours.advance(2 * M, 0)] == ["complete"]
    ours = builder()
    ours.join(10 * S, continues=True)
    ours.add(trade(10 * S), 0)
    assert [bar.certificate for bar in ours.advance(2 * M, 0)] == ["complete"]


def test_a_hole_makes_every_bar_it_touches_partial_closed_ones_too() -> None:
    ours = builder("1m", "5m")
    ours.join(0, continues=True)
    for minute in (0, 1, 4, 5):
        ours.add(trade(minute * M), 0)
    ours.advance(2 * M, 0)
    assert brief(ours.hole(M + 30 * S, 4 * M, 9)) == [(1, "100", "partial", 2, "gap")]
    assert brief(ours.advance(6 * M, 0)) == [
        (4, "100", "partial", 1, ""),
        (0, "100", "partial", 1, ""),  # five minutes, worst of its parts
        (5, "100", "complete", 1, ""),
    ]
    assert ours.hole(M + 30 * S, 4 * M, 9) == ()  # told twice, issued once


def test_an_open_hole_lasts_until_something_comes_live() -> None:
    ours = builder()
    ours.join(0, continues=True)
    ours.add(trade(10 * S), 0)
    assert ours.hole(None, None) == ()  # from the last trade seen
    ours.add(trade(65 * S, source="rest"), 0)  # repair does not end it
    ours.add(trade(130 * S), 0)
    ours.add(trade(200 * S), 0)
    assert [bar.certificate for bar in ours.advance(4 * M, 0)] == ["partial", "partial", "partial", "complete"]


def test_what_is_polled_is_known_since_then_and_what_is_repaired_is_not() -> None:
    ours = builder()
    ours.repair([trade(10 * S, source="rest")], 0)
    assert ours.since_ns is None
    ours.add(trade(80 * S, source="rest"), 0)
    ours.add(trade(90 * S), 0)
    assert ours.since_ns == 80 * S


def test_a_hole_before_anything_was_seen_reaches_back_for_ever() -> None:
    ours = builder()
    ours.hole(None, 70 * S)
    ours.add(trade(70 * S), 0)
    ours.add(trade(130 * S), 0)
    assert [bar.certificate for bar in ours.advance(3 * M, 0)] == ["partial", "complete"]


def test_a_repair_re_issues_each_bar_once_and_proof_mends_it() -> None:
    ours = builder()
    ours.join(0, continues=True)
    for second in (10, 50, 130, 190):
        ours.add(trade(second * S, seq=second), 0)
    ours.hole(50 * S, 130 * S)
    assert brief(ours.advance(3 * M, 1)) == [(0, "100", "partial", 1, ""), (2, "100", "partial", 1, "")]
    missing = [trade(second * S, "90", seq=second, source="rest") for second in (55, 70, 80, 125)]
    assert brief(ours.repair(missing, 2)) == [
        (0, "90", "partial", 2, "repair"),
        (1, "90", "partial", 1, "repair"),  # it had no trade, so it had no bar
        (2, "100", "partial", 2, "repair"),
    ]
    assert [(bar[0], *bar[2:]) for bar in brief(ours.proven(50 * S, 70 * S, 3))] == [(0, "repaired", 3, "repair")]
    assert [(bar[0], *bar[2:]) for bar in brief(ours.proven(70 * S, 130 * S + 1, 4))] == [
        (1, "repaired", 2, "repair"),
        (2, "repaired", 3, "repair"),
    ]
    assert ours.proven(0, 10 * M, 5) == ()
    assert brief(ours.advance(4 * M, 6)) == [(3, "100", "complete", 1, "")]


def test_an_open_bar_mended_in_time_closes_as_repaired() -> None:
    ours = builder("1m", "1h")
    ours.join(0, continues=True)
    ours.add(trade(10 * S), 0)
    ours.hole(10 * S, 20 * S)
    ours.add(trade(15 * S, source="rest"), 0)
    ours.proven(10 * S, 21 * S)
    ours.add(trade(20 * S), 0)
    assert [bar.certificate for bar in ours.advance(HOUR_NS, 0)] == ["repaired", "repaired"]


# ---- limits -----------------------------------------------------------------------------------------------------


def test_what_comes_too_late_is_counted_and_changes_nothing() -> None:
    ours = builder(late_limit_ns=2 * M, keep_bars=2)
    for minute in range(5):
        ours.add(trade(minute * M), 0)
    ours.advance(5 * M, 0)
    assert ours.add(trade(1 * M), 0) == ()  # over the limit
    ours = builder(keep_bars=2)
    for minute in range(5):
        ours.add(trade(minute * M), 0)
    ours.advance(5 * M, 0)
    assert ours.add(trade(1 * M), 0) == ()  # within it, but its bar is gone
    assert len(ours.add(trade(4 * M), 0)) == 1
    counts = ours.statistics()
    assert (counts.too_late, counts.late, counts.revisions, counts.kept_bars, counts.bars) == (1, 2, 1, 2, 5)


def test_trades_without_stamp_or_size_or_sense_are_counted() -> None:
    ours = builder()
    ours.add(trade(None), 0)
    ours.add(trade(1 * S, "500", "0"), 0)
    ours.add(trade(2 * S, "NaN", "1"), 0)
    ours.add(trade(3 * S), 0)
    assert [figures(bar.high, bar.trades) for bar in ours.advance(M, 0)] == [(100, 1)]
    assert ours.add(trade(4 * S, "500", "0"), 0) == ()  # late, and nothing
    counts = ours.statistics()
    assert (counts.unstamped, counts.empty, counts.absurd, counts.trades) == (1, 2, 1, 4)


def test_empty_intervals_carry_the_close_where_asked() -> None:
    ours = builder(empty="carry")
    ours.join(0, continues=True)
    ours.add(trade(10 * S, "100"), 0)
    ours.add(trade(190 * S, "200"), 0)
    bars = ours.advance(5 * M, 7)
    assert brief(bars) == [(m, c, "complete", 1, "") for m, c in enumerate(["100", "100", "100", "200", "200"])]
    assert figures(bars[1].volume, bars[1].trades, bars[1].at_ns, bars[1].first_id) == (0, 0, None, None)
    assert brief(ours.advance(6 * M, 8)) == [(5, "200", "complete", 1, "")]
    assert brief(ours.add(trade(50 * S, "90"), 9)) == [(m, "90", "complete", 2, "late trade") for m in (0, 1, 2)]


def test_a_wrong_setting_is_refused() -> None:
    for options in ({"keep_bars": 0}, {"empty": "fill"}):
        with pytest.raises(ConfigError):
            builder(**options)
    with pytest.raises(ConfigError):
        BarBuilder("x:A/B", [])


# ---- properties -------------------------------------------------------------------------------------------------

NAMES = ["1s", "1m", "3m", "5m", "15m"]
ROWS = st.lists(
    st.tuples(
        st.integers(0, 20 * 60 * 4).map(lambda quarter: quarter * S // 4),
        st.integers(1, 10**7).map(lambda price: Decimal(price).scaleb(-3)),
        st.integers(0, 10**7).map(lambda size: Decimal(size).scaleb(-6)),
        st.sampled_from(["buy", "sell", ""]),
    ),
    max_size=40,
)  # fmt: skip
INTERVAL_SETS = st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True).map(
    lambda names: [INTERVALS[name] for name in names]
)
Row = tuple[int, Decimal, Decimal, str]


def trades_of(rows: list[Row]) -> list[Trade]:
    return [
        Trade("x:A/B", "trades", at_ns, at_ns, "ws", str(seq), seq, side, price, size)
        for seq, (at_ns, price, size, side) in enumerate(rows)
    ]


def value(bar: Bar) -> tuple[Any, ...]:
    return (bar.open, bar.high, bar.low, bar.close, bar.volume, bar.quote_volume, bar.trades, bar.taker_buy_volume,
            bar.first_id, bar.last_id)  # fmt: skip


def by_hand(trades: list[Trade], intervals: list[Interval]) -> dict[tuple[str, int], tuple[Any, ...]]:
    """Every bar, the slow and obvious way."""
    found = {}
    for interval in intervals:
        groups = defaultdict(list)
        for one in trades:
            if one.size and one.at_ns is not None:
                groups[interval.floor(one.at_ns)].append(one)
        for open_ns, group in groups.items():
            group.sort(key=lambda one: (one.at_ns or 0, one.seq or 0))
            prices = [one.price for one in group]
            found[interval.name, open_ns] = (
                prices[0], max(prices), min(prices), prices[-1], sum(one.size for one in group),
                sum(one.price * one.size for one in group), len(group),
                sum(one.size for one in group if one.side == "buy"), group[0].seq, group[-1].seq,
            )  # fmt: skip
    return found


@given(ROWS, INTERVAL_SETS)
def test_offline_every_bar_is_what_a_hand_would_make_it(rows: list[Row], intervals: list[Interval]) -> None:
    trades = trades_of(rows)
    ours = BarBuilder("x:A/B", intervals)
    for one in trades:
        assert ours.add(one, 0) == ()
    bars = ours.finish(0)
    made = {(bar.interval, bar.open_at_ns): value(bar) for bar in bars}
    assert len(made) == len(bars)
    assert made == by_hand(trades, intervals)


@given(ROWS, INTERVAL_SETS, st.randoms(use_true_random=False), st.sampled_from(["skip", "carry"]))
@settings(max_examples=200)
def test_however_trades_and_watermarks_come_the_last_revisions_are_the_same(
    rows: list[Row], intervals: list[Interval], chance: random.Random, empty: Any
) -> None:
    trades = trades_of(rows)
    shuffled = chance.sample(trades, len(trades))
    ours, bars = BarBuilder("x:A/B", intervals, empty=empty), list[Bar]()
    for one in shuffled:
        bars += ours.add(one, 0) if chance.random() < 0.8 else ours.repair([one], 0)
        if chance.random() < 0.3:
            bars += ours.advance((one.at_ns or 0) + chance.randrange(-60, 60) * S, 0)
        if chance.random() < 0.1:
            bars += ours.hole(one.at_ns, (one.at_ns or 0) + chance.randrange(90) * S, 0)
        if chance.random() < 0.1:
            bars += ours.proven((one.at_ns or 0) - 30 * S, (one.at_ns or 0) + 30 * S, 0)
    bars += ours.finish(0)
    last: dict[tuple[str, int], Bar] = {}
    for bar in bars:
        key = (bar.interval, bar.open_at_ns)
        assert bar.revision == (last[key].revision + 1 if key in last else 1)
        assert not impossible(bar)
        last[key] = bar
    assert {key: value(bar) for key, bar in last.items() if bar.trades} == by_hand(trades, intervals)
    for bar in last.values():
        if not bar.trades:
            assert empty == "carry"
            before = last[bar.interval, bar.open_at_ns - INTERVALS[bar.interval].length_ns]
            assert bar.open == bar.close == before.close
    counts = ours.statistics()
    assert (counts.bars, counts.bars + counts.revisions, counts.trades) == (len(last), len(bars), len(trades))


@given(ROWS)
def test_a_coarser_bar_is_the_same_derived_or_built_directly(rows: list[Row]) -> None:
    trades = trades_of(rows)
    together, alone = builder("1s", "1m", "5m"), builder("5m")
    for one in trades:
        together.add(one, 0)
        alone.add(one, 0)
    derived = [bar for bar in together.finish(0) if bar.interval == "5m"]
    assert derived == list(alone.finish(0))


def test_many_trades_in_one_bar_are_summed_in_parts() -> None:
    ours = builder("1m", "1h")
    for n in range(2000):
        ours.add(trade(n * S // 100, str(1000 + n % 7), "0.001", seq=n), 0)
    bars = ours.finish(0)
    assert [figures(bar.trades, bar.volume, bar.high, bar.first_id, bar.last_id) for bar in bars] == [
        (2000, Decimal("2.000"), 1006, 0, 1999)
    ] * 2


@pytest.mark.parametrize("name", ["1s", "1m", "5m", "1h"])
def test_real_trades_give_the_bars_that_two_others_made(shared: Path, name: str) -> None:
    series = "binance_spot_BTCUSDT_trade_20240808T2354_20240809T0005"
    ours = builder(name)
    with gzip.open(shared / "series" / "trades" / f"{series}.csv.gz", "rt") as lines:
        for row in csv.DictReader(lines):
            at_ns, ident = int(row["ts_ms"]) * 1_000_000, int(row["id"])
            price, size = Decimal(row["price"]), Decimal(row["qty"])
            ours.add(Trade("x:A/B", "trades", at_ns, 0, "file", row["id"], ident, row["taker_side"], price, size), 0)
    columns = ["start_ms", "open", "high", "low", "close", "volume", "quote_volume", "trades", "taker_buy_volume"]
    with gzip.open(shared / "expected" / "bars" / f"{series}.{name}.csv.gz", "rt") as lines:
        want = [tuple(Decimal(row[column]) for column in columns) for row in csv.DictReader(lines)]
    got = [(Decimal(bar.open_at_ns // 1_000_000), *value(bar)[:8]) for bar in ours.finish(0)]
    assert got == want
