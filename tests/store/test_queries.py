from collections.abc import Callable

import msgspec
import pytest

from tapeline.errors import ConfigError
from tapeline.model.event import Bar, Trade
from tapeline.store import queries
from tapeline.store.numbers import exact_column
from tapeline.store.queries import TRADE_COLUMNS
from tapeline.store.series import BAR_COLUMNS, BAR_NUMBERS


def test_ranges() -> None:
    assert queries.between(None, None) == (queries.FIRST, queries.LAST)
    assert queries.between("1970-01-01T00:00:01Z", 5) == (1_000_000_000, 5)
    with pytest.raises(ConfigError, match="is not a time"):
        queries.nanoseconds("noon")


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
