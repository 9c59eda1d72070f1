import pytest

from tapeline.venues.binance.window import window
from tapeline.venues.orders import OrderAsk
from tapeline.venues.spec import Ask


@pytest.mark.parametrize(
    ("from_ns", "to_ns", "expected"),
    [
        (None, None, ()),
        (5_000_000, None, (("startTime", "5"),)),
        (5_000_001, 7_000_000, (("startTime", "6"), ("endTime", "6"))),  # the end is exclusive, the venue's is not
        (None, 7_000_001, (("endTime", "7"),)),
        (0, 0, (("startTime", "0"), ("endTime", "-1"))),
    ],
)
def test_both_ends_of_the_venue_are_inclusive(
    from_ns: int | None, to_ns: int | None, expected: tuple[tuple[str, str], ...]
) -> None:
    assert window(Ask("trades", "BTCUSDT", from_ns=from_ns, to_ns=to_ns)) == expected
    assert window(OrderAsk(call="fills", from_ns=from_ns, to_ns=to_ns)) == expected
