from collections.abc import Callable

import msgspec

from tapeline.model.event import Bar, Trade
from tapeline.store import queries
from tapeline.store.numbers import exact_column
from tapeline.store.queries import TRADE_COLUMNS
from tapeline.store.series import BAR_COLUMNS, BAR_NUMBERS


def test_rows_are_events_again(bar: Callable[..., Bar], trade: Callable[..., Trade]) -> None:
    one, other = bar(), trade(3)
    numbers = {name: getattr(one, name) for name in BAR_NUMBERS}
    row = tuple(
        float(value) if name in numbers and value is not None else value
        for name, value in ((name, getattr(one, name)) for name in BAR_COLUMNS)
    )
    assert queries.bar_of(one.instrument, one.channel, (*row, exact_column(numbers))) == one
    values = [getattr(other, name) for name in TRADE_COLUMNS]
    values[6:8] = [float(other.price), 1.0]
    exact = msgspec.json.encode({"size": str(other.size)}).decode()
    assert queries.trade_of(other.instrument, "trades", (*values, exact)) == other
