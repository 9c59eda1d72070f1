"""Events for the store's tests."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tapeline.model.event import Bar, Trade

AT_NS = 1_723_161_255_342_000_000
OPEN_NS = 1_723_161_240_000_000_000


@pytest.fixture
def trade() -> Callable[..., Trade]:
    """A trade, as changed."""
    one = Trade(
        "binance:BTC/USDT", "trades", AT_NS, AT_NS + 5, "ws", "100", 100, "sell", Decimal("61837.63000000"),
        Decimal("0.02000000"),
    )  # fmt: skip

    def make(number: int = 100, **changes: Any) -> Trade:
        return msgspec.structs.replace(one, **{"id": str(number), "seq": number, "at_ns": AT_NS + number} | changes)

    return make


@pytest.fixture
def bar() -> Callable[..., Bar]:
    """A closed bar, as changed."""
    one = Bar(
        "binance:BTC/USDT", "bars:1m@trades", AT_NS, AT_NS + 7, "built", "1m", OPEN_NS, Decimal("61837.63"),
        Decimal("61855.37"), Decimal(61824), Decimal(61828), Decimal("12.43238"), Decimal("768787.4591831"), 875,
        Decimal("6.32003"), 1, 875, closed=True, certificate="complete", revision=1, origin="trades",
        known_at_ns=AT_NS + 7,
    )  # fmt: skip

    def make(**changes: Any) -> Bar:
        return msgspec.structs.replace(one, **changes)

    return make
