import math
import random
from typing import Any

from tapeline.market.quality import (
    LEAST,
    BarRow,
    Flag,
    Run,
    TradeRow,
    Usual,
    bars_quality,
    trades_quality,
)
from tapeline.model.interval import DAY_NS, MINUTE_NS, SECOND_NS

T0 = 28_000_000 * MINUTE_NS


def walk(count: int, seed: int = 1) -> list[BarRow]:
    """Bars of a usual market: half a permille a minute."""
    chance, price, rows = random.Random(seed), 100.0, list[BarRow]()
    for number in range(count):
        opened, price = price, price * math.exp(chance.gauss(0, 0.0005))
        high, low = max(opened, price) * 1.0001, min(opened, price) * 0.9999
        rows.append((T0 + number * MINUTE_NS, opened, high, low, price, 5.0))
    return rows


def changed(row: BarRow, **values: Any) -> BarRow:
    names = ("at", "open", "high", "low", "close", "volume")
    return tuple(values.get(name, value) for name, value in zip(names, row, strict=True))


def test_a_usual_market_has_nothing_to_say() -> None:
    found = bars_quality(walk(3000), "1m")
    assert (found.rows, found.from_ns, found.to_ns) == (3000, T0, T0 + 3000 * MINUTE_NS)
    assert (found.impossible, found.off_grid, found.missing, found.zero_volume, found.outliers) == (0, 0, 0, 0, 0)
    assert (found.flags, found.runs_missing, found.runs_without_trades) == ((), (), ())


def test_what_no_market_can_have_produced() -> None:
    rows = walk(10)
    spoilt = {2: {"high": 1.0}, 3: {"low": 200.0}, 4: {"low": 0.0}, 5: {"volume": -1.0}, 6: {"open": float("nan")}}
    rows = [changed(row, **spoilt.get(number, {})) for number, row in enumerate(rows)]
    found = bars_quality(rows, "1m")
    assert found.impossible == 5
    assert [flag.at_ns for flag in found.flags] == [T0 + number * MINUTE_NS for number in spoilt]
    assert found.flags[0].what.startswith("open 100")
    assert found.flags[0].z is None


def test_an_outlier_is_flagged_once_and_stays_in() -> None:
    rows = walk(1000)
    at, opened, _, low, close, _ = rows[600]
    rows[600] = (at, opened, close * 1.2, low, close, 5.0)
    found = bars_quality(rows, "1m")
    assert (found.rows, found.outliers) == (1000, 1)
    (flag,) = found.flags
    assert flag.at_ns == at
    assert flag.what.startswith("from ")
    assert flag.z is not None
    assert flag.z > 100
    assert bars_quality(rows, "1m", z=1e9).outliers == 0


def test_a_price_that_jumps_away_and_back_is_two_moves_and_the_second_time_it_is_told_too() -> None:
    rows = walk(1200)
    for spot in (500, 900):
        at, opened, _, _, _, _ = rows[spot]
        rows[spot] = (at, opened, opened * 1.0001, opened * 0.7, opened * 0.7, 5.0)
    found = bars_quality(rows, "1m")
    moves = [flag.at_ns for flag in found.flags if flag.what.startswith("close ")]
    assert sorted(moves) == [T0 + number * MINUTE_NS for number in (500, 501, 900, 901)]


def test_after_what_cannot_be_nothing_is_judged_by_it() -> None:
    rows = walk(300)
    rows[200] = changed(rows[200], close=1e9)
    found = bars_quality(rows, "1m")
    assert (found.impossible, found.outliers) == (1, 0)


def test_missing_bars_and_times_off_the_grid() -> None:
    rows = walk(20)
    found = bars_quality([*rows[:5], *rows[8:12], changed(rows[13], at=rows[13][0] + 1), *rows[14:]], "1m")
    assert (found.missing, found.missing_runs, found.off_grid) == (4, 2, 1)
    assert found.runs_missing[0] == Run(T0 + 5 * MINUTE_NS, T0 + 8 * MINUTE_NS, 3)
    months = [(int(day) * DAY_NS, 1.0, 1.0, 1.0, 1.0, 1.0) for day in (19_723, 19_754, 19_814)]  # 2024: 1, 2, 4
    found = bars_quality(months, "1M")
    assert (found.missing, found.off_grid, found.runs_missing) == (
        1, 0, (Run(19_783 * DAY_NS, 19_814 * DAY_NS, 1),),
    )  # fmt: skip


def test_runs_without_a_trade() -> None:
    rows = [changed(row, volume=0.0) if number in {*range(5, 8), *range(20, 35), 39} else row
            for number, row in enumerate(walk(40))]  # fmt: skip
    found = bars_quality(rows, "1m")
    assert (found.zero_volume, found.longest_zero_run) == (19, 15)
    assert found.runs_without_trades == (Run(T0 + 20 * MINUTE_NS, T0 + 35 * MINUTE_NS, 15),)
    apart = bars_quality([changed(row, volume=0.0) for row in (*rows[:4], *rows[30:34])], "1m")
    assert apart.longest_zero_run == 4, "what is missing between two is no bar without a trade"


def test_nothing_at_all() -> None:
    found = bars_quality([], "1m")
    assert (found.rows, found.from_ns, found.to_ns, found.flags) == (0, None, None, ())
    none = trades_quality([])
    assert (none.rows, none.from_ns, none.to_ns, none.latency_min_s, none.clock_behind_s) == (0, None, None, None, 0.0)


def test_the_scale_is_robust_and_does_without_a_median_of_nothing() -> None:
    usual = Usual()
    assert [usual.score(0.0) for _ in range(400)] == [0.0] * 400
    assert usual.score(1.0) == 0.0, "of a price that never moved nothing is usual"
    usual = Usual()
    scores = [usual.score(0.0 if number % 10 else -0.1) for number in range(400)]
    assert max(scores) < 25, "it mostly stands still: the median size is 0, the mean is not"
    assert scores[LEAST] == 0.0
    assert usual.score(3.0) > 25
    usual = Usual()
    for number in range(400):
        usual.score(1e6 if number % 11 == 0 else 0.1)
    assert 0.6 < usual.score(0.1) < 0.7, "one wild one in eleven moves the scale not at all"
    thin = Usual()
    for number in range(400):
        thin.score(0.001 if number % 3 else 0.5)
    assert thin.score(0.5) < 5, "most stand nearly still, and a third moves: that is usual here"


def trade(number: int, **values: Any) -> TradeRow:
    at_ns = T0 + number * SECOND_NS
    row: dict[str, Any] = {
        "at": at_ns, "received": at_ns + 50_000_000, "price": 100.0 + number % 7 * 0.01, "size": 1.0, "source": "ws",
    } | values  # fmt: skip
    return row["at"], row["received"], row["price"], row["size"], row["source"]


def test_trades_in_time_and_how_long_they_took() -> None:
    found = trades_quality([trade(number) for number in range(10_000)])
    assert (found.rows, found.from_ns, found.to_ns) == (10_000, T0, T0 + 9999 * SECOND_NS)
    assert (found.backwards, found.ahead, found.unstamped, found.impossible, found.outliers) == (0, 0, 0, 0, 0)
    assert (found.latency_min_s, found.latency_median_s, found.latency_p99_s) == (0.05, 0.05, 0.05)
    assert found.longest_pause_s == 1.0


def test_stamps_that_go_back_lie_ahead_or_are_none() -> None:
    rows = [trade(0), trade(1), trade(9), trade(3), trade(4), trade(12, at=None), trade(20, received=T0)]
    found = trades_quality(rows)
    assert (found.backwards, found.backwards_most_s, found.unstamped, found.ahead) == (2, 6.0, 1, 1)
    assert found.latency_min_s == -20.0
    assert found.clock_behind_s == 20.0
    assert trades_quality([trade(0, source="rest", received=0)]).latency_min_s is None, "only what the stream brought"


def test_prices_that_cannot_be_that_are_unlikely_and_markers() -> None:
    rows = [trade(number) for number in range(500)]
    rows[100] = trade(100, price=0.0)
    rows[101] = trade(101, size=-1.0)
    rows[102] = trade(102, size=0.0)
    rows[400] = trade(400, price=70.0)
    found = trades_quality(rows)
    assert (found.impossible, found.empty, found.outliers) == (2, 1, 1)
    assert [flag.what for flag in found.flags[:2]] == ["price 0 size 1", "price 100.03 size -1"]
    assert [(flag.at_ns, flag.what) for flag in found.flags[2:]] == [(T0 + 400 * SECOND_NS, "price 70 among 100.03")]


def test_only_the_worst_are_listed() -> None:
    rows = walk(5000)
    for spot in range(100, 4900, 100):
        at, opened, _, low, close, _ = rows[spot]
        rows[spot] = (at, opened, close * (1.1 + spot / 10_000), low, close, 5.0)
    found = bars_quality(rows, "1m")
    assert found.outliers == 48
    assert len(found.flags) == 20
    scores = [flag.z for flag in found.flags if flag.z is not None]
    assert scores == sorted(scores, reverse=True)
    assert isinstance(found.flags[0], Flag)
