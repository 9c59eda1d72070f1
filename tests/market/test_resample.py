from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeline.errors import BadData
from tapeline.market.bars import BarBuilder
from tapeline.market.resample import resample, worst
from tapeline.model.event import Bar, Trade
from tapeline.model.interval import interval

MINUTE_NS = 60_000_000_000
NAMES = ("5m", "1h", "1d", "1w", "1M")


def trades(steps: list[tuple[int, int, int]]) -> list[Trade]:
    at_ns, made = 1_723_161_255_342_000_000, []
    for seq, (step_ms, price, size) in enumerate(steps, 1):
        at_ns += step_ms * 1_000_000
        made.append(
            Trade("v:A", "trades", at_ns, at_ns + 5, "ws", str(seq), seq, "buy" if size % 2 else "sell",
                  Decimal(price).scaleb(-2), Decimal(size).scaleb(-8))
        )  # fmt: skip
    return made


def built(name: str, given_trades: list[Trade]) -> list[Bar]:
    builder = BarBuilder("v:A", [interval(name)])
    for trade in given_trades:
        builder.add(trade, 0)
    return list(builder.finish(0))


@given(
    st.lists(
        st.tuples(st.integers(0, 4_000_000), st.integers(1, 10**12), st.integers(1, 10**15)), min_size=1, max_size=120
    )
)
def test_minutes_make_the_very_bars_that_trades_make(steps: list[tuple[int, int, int]]) -> None:
    made = trades(steps)
    minutes = built("1m", made)
    for name in NAMES:
        assert list(resample(minutes, interval(name))) == built(name, made)


def test_the_venues_bars_are_whole_only_where_no_minute_is_missing(bar: Callable[..., Bar]) -> None:
    minutes = [
        bar(open_at_ns=i * MINUTE_NS, origin="venue", certificate="", channel="bars:1m") for i in range(15) if i != 7
    ]
    wholes = list(resample(minutes, interval("5m")))
    assert [(each.open_at_ns, each.certificate) for each in wholes] == [
        (0, "complete"), (5 * MINUTE_NS, "partial"), (10 * MINUTE_NS, "complete"),
    ]  # fmt: skip
    assert wholes[0].channel == "bars:5m"
    assert (wholes[0].source, wholes[0].interval, wholes[0].origin) == ("built", "5m", "venue")
    assert wholes[0].volume == 5 * Decimal("12.43238")
    first_of_day = list(resample(minutes[1:3], interval("1d")))
    assert [each.certificate for each in first_of_day] == ["partial"]


def test_the_worst_certificate_of_the_parts_is_the_wholes(bar: Callable[..., Bar]) -> None:
    parts = [bar(open_at_ns=0), bar(open_at_ns=MINUTE_NS, certificate="repaired", revision=3)]
    (whole,) = resample(parts, interval("5m"))
    assert (whole.certificate, whole.revision) == ("repaired", 3)
    (doubted,) = resample(
        parts, interval("5m"), lambda low, high: "partial" if (low, high) == (0, 5 * MINUTE_NS) else ""
    )
    assert doubted.certificate == "partial"
    assert worst(["", "complete"]) == "complete"


def test_what_a_part_does_not_say_the_whole_cannot(bar: Callable[..., Bar]) -> None:
    parts = [bar(open_at_ns=0), bar(open_at_ns=MINUTE_NS, quote_volume=None, trades=None, first_id=None, last_id=None)]
    (whole,) = resample(parts, interval("5m"))
    assert (whole.quote_volume, whole.trades, whole.first_id, whole.last_id) == (None, None, 1, 875)
    assert whole.taker_buy_volume == 2 * Decimal("6.32003")


def test_bars_of_the_interval_itself_pass_and_wrong_ones_are_refused(bar: Callable[..., Bar]) -> None:
    assert list(resample([bar()], interval("1m"))) == [bar()]
    with pytest.raises(BadData, match="cannot be made of 3d"):
        list(resample([bar(interval="3d", open_at_ns=0)], interval("1d")))
