"""A loss limit that a crash forgets is none."""

from decimal import Decimal

import msgspec

from tapeline.app.trade.remembering import Remembering
from tapeline.trading.record import Remembered
from tapeline.trading.risk.losses import Losses

D = Decimal
DAY_NS = 86_400 * 10**9
MAIN = ("account", "main")


def test_what_a_day_begins_with_and_costs_is_written_at_once_and_its_best_now_and_then() -> None:
    losses, written = Losses(), list[Remembered]()
    remembering = Remembering(losses.memo, written.append)
    remembering.look(0)
    assert written == [], "nothing was seen yet"
    losses.mark(MAIN, D(10_000), 1)
    remembering.look(2)
    losses.mark(MAIN, D("9999.1"), 3)
    remembering.look(4)
    assert [(each.at_ns, each.losses["account/main"].at_start) for each in written] == [(2, D(10_000))]
    losses.paid(MAIN, D("0.9"))
    remembering.look(5)
    losses.moved(MAIN, D(500))
    remembering.look(6)
    losses.mark(MAIN, D(10_400), DAY_NS)
    remembering.look(DAY_NS)
    remembering.look(DAY_NS + 1)
    assert [(each.at_ns, *_day(each)) for each in written[1:]] == [
        (5, 0, D(10_000), D("0.9")),
        (6, 0, D(10_500), D("0.9")),
        (DAY_NS, 1, D("10499.1"), D(0)),
    ]
    losses.mark(MAIN, D(11_000), DAY_NS + 2)
    remembering.look(DAY_NS + 3)
    assert len(written) == 4
    remembering.write(DAY_NS + 4)
    assert written[4].losses["account/main"].peak == D(11_000)


def test_what_was_written_is_not_what_goes_on() -> None:
    losses, written = Losses(), list[Remembered]()
    remembering = Remembering(losses.memo, written.append)
    losses.mark(MAIN, D(10_000), 1)
    remembering.look(2)
    before = msgspec.json.encode(written[0])
    losses.mark(MAIN, D(5_000), 3)
    assert msgspec.json.encode(written[0]) == before


def _day(of: Remembered) -> tuple[object, ...]:
    since = of.losses["account/main"]
    return since.day, since.at_start, since.fees
