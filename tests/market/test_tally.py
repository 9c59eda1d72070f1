import decimal
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeline.market.tally import Tally, tally
from tapeline.model.event import Trade


def trade(  # noqa: PLR0917 -- a table of trades reads better by position
    at_ns: int,
    seq: int | None,
    price: str,
    size: str,
    side: str = "buy",
    first: int | None = None,
    last: int | None = None,
) -> Trade:
    return Trade(
        "x:A/B", "trades", at_ns, at_ns + 7, "ws", str(seq), seq, side, Decimal(price), Decimal(size), first, last
    )


def figures(*values: Any) -> tuple[Any, ...]:
    """So that exact numbers can be written as integers here."""
    return values


def summed(*trades: Trade, aggregates: bool = True) -> Tally:
    found, empty, absurd = tally(trades, aggregates=aggregates)
    assert found is not None
    assert (empty, absurd) == (0, 0)
    return found


def shown(found: Tally) -> tuple[object, ...]:
    return tuple(getattr(found, name) for name in Tally.__slots__)


def test_a_tally_says_what_the_trades_were() -> None:
    found = summed(
        trade(10, 1, "100.5", "2"), trade(11, 2, "99", "0.1", "sell"), trade(12, 3, "101", "0.25", ""),
        trade(13, 4, "100", "1e-7"),
    )  # fmt: skip
    assert (found.open, found.high, found.low, found.close) == tuple(map(Decimal, ("100.5", "101", "99", "100")))
    assert found.volume == Decimal("2.3500001")
    assert found.quote_volume == Decimal("236.15001")
    assert found.taker_buy_volume == Decimal("2.0000001")  # an unknown side counts for neither
    assert (found.trades, found.first_id, found.last_id) == (4, 1, 4)
    assert (found.open_at_ns, found.close_at_ns, found.received_ns) == (10, 13, 20)


def test_among_equal_stamps_the_sequence_decides_and_else_the_arrival() -> None:
    found = summed(trade(5, 3, "3", "1"), trade(5, 1, "1", "1"), trade(5, 9, "9", "1"), trade(5, 2, "2", "1"))
    assert figures(found.open, found.close) == (1, 9)
    found = summed(trade(5, None, "3", "1"), trade(5, None, "1", "1"), trade(5, None, "2", "1"))
    assert figures(found.open, found.close) == (3, 2)
    assert (found.first_id, found.last_id) == (None, None)


def test_aggregates_count_what_they_hold() -> None:
    one, many = trade(5, 1, "3", "1", "buy", 10, 12), trade(6, 2, "3", "1", "buy", 13, 13)
    found = summed(one, many)
    assert (found.trades, found.first_id, found.last_id) == (4, 10, 13)
    assert summed(one, trade(7, 14, "3", "1")).trades == 4  # one that repair brought singly, among merged ones
    assert summed(trade(7, 14, "3", "1"), trade(8, 15, "3", "1"), aggregates=False).trades == 2


def test_a_notional_is_asked_where_sizes_are_contracts() -> None:
    found, _, _ = tally([trade(1, 1, "50000", "3")], lambda _price, size: size * 100)
    assert found is not None
    assert figures(found.volume, found.quote_volume) == (3, 300)


def test_empty_trades_count_for_nothing() -> None:
    found, empty, absurd = tally([trade(1, 1, "100", "0"), trade(2, 2, "50", "1"), trade(3, 3, "0", "0.00")])
    assert found is not None
    assert figures(found.high, found.low, found.trades, empty, absurd) == (50, 50, 1, 2, 0)
    assert tally([trade(1, 1, "100", "0")]) == (None, 1, 0)


@pytest.mark.parametrize(
    ("price", "size"),
    [("NaN", "1"), ("sNaN", "1"), ("100", "Infinity"), ("1e30", "1"), ("1", "1e30"), ("1e25", "1e24"), ("1e-29", "1"),
     ("1", "0." + "1" * 40), ("1." + "1" * 27, "1." + "1" * 27)],
)  # fmt: skip
def test_what_no_market_made_is_left_out_and_the_rest_kept(price: str, size: str) -> None:
    good = trade(2, 2, "100", "1")
    found, empty, absurd = tally([good, trade(3, 3, price, size), trade(4, 4, "99", "2")])
    assert found is not None
    assert figures(found.high, found.low, found.close, found.volume, found.trades) == (100, 99, 99, 3, 2)
    assert (empty, absurd) == (0, 1)
    assert tally([trade(3, 3, price, size)]) == (None, 0, 1)


def test_a_notional_that_fails_makes_the_trade_absurd() -> None:
    def fails(price: Decimal, size: Decimal) -> Decimal:
        return Decimal("NaN") if price > 10 else price * size / Decimal(0)

    assert tally([trade(1, 1, "11", "1"), trade(2, 2, "1", "1")], fails) == (None, 0, 2)


def test_a_copy_is_its_own() -> None:
    first = summed(trade(1, 1, "100", "1"))
    copy = first.copy()
    copy.merge(summed(trade(2, 2, "110", "1")))
    assert figures(first.high, copy.high, first.trades, copy.trades) == (100, 110, 1, 2)


TRADES = st.lists(
    st.builds(
        lambda at, price, size, side: (at, Decimal(price).scaleb(-2), Decimal(size).scaleb(-5), side),
        st.integers(0, 5), st.integers(1, 10**6), st.integers(1, 10**9), st.sampled_from(["buy", "sell", ""]),
    ),
    min_size=2, max_size=30,
)  # fmt: skip


@given(TRADES, st.data())
def test_however_trades_are_split_and_ordered_the_sum_is_the_same(
    rows: list[tuple[int, Decimal, Decimal, str]], data: st.DataObject
) -> None:
    trades = [
        Trade("x:A/B", "trades", at_ns, at_ns, "ws", str(seq), seq, side, price, size)
        for seq, (at_ns, price, size, side) in enumerate(rows)
    ]
    trades.sort(key=lambda one: one.at_ns or 0)
    whole = summed(*trades)
    parts = data.draw(st.permutations([summed(one) for one in trades]))
    merged = parts[0].copy()
    for part in parts[1:]:
        merged.merge(part)
    assert shown(merged) == shown(whole)
    assert whole.volume == sum(one.size for one in trades)
    assert whole.low <= min(whole.open, whole.close) <= max(whole.open, whole.close) <= whole.high


@pytest.mark.parametrize("price", ["10", "NaN", "1E+40"])
def test_the_callers_own_decimal_context_is_left_alone(price: str) -> None:
    own = decimal.Context(prec=5)
    with decimal.localcontext(own):
        before = decimal.getcontext()
        tally([trade(1, 1, price, "2"), trade(2, 2, "3", "4")])
        assert decimal.getcontext() is before
        assert Decimal("1.23456") * 1 == Decimal("1.2346")
