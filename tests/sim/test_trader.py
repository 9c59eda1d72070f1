"""The strategy of trading days: the same acts for the same seed, of every kind, and none once it is quiet."""

from collections import Counter
from decimal import Decimal
from typing import Any

import msgspec

from engine_fixtures import PERP, SECOND, Bench
from tapeline.model.event import Quote
from tapeline.model.instrument import Instrument
from tapeline.sim.trading.trader import Trader, unit
from tapeline.trading.command import Amend, Cancel, Hold, Submit
from tapeline.trading.input import Timer

D = Decimal


def played(seed: str, acts: int, **settings: Any) -> list[Any]:
    """What it commands in so many acts of ten seconds; every order rests, markets are filled."""
    bench = Bench(Trader(name="s", instruments=(PERP.id,), seed=seed, **settings), instruments=(PERP,))
    bench.price("100", PERP)
    commands: list[Any] = []
    for _ in range(acts):
        bench.now_ns += 9 * SECOND
        at_ns = bench.now_ns
        bench.step(Quote(PERP.id, "quotes", at_ns, at_ns, "ws", D(100), D(1), D("100.1"), D(1)))
        new = bench.step(Timer("due", bench.now_ns))
        commands += new
        for each in new:
            if isinstance(each, Submit):
                intent = each.order.intent
                if intent.kind == "market" and intent.size is not None:
                    bench.fill(each.order.client_id, str(intent.size))
                    bench.told(each.order.client_id, "filled", str(intent.size))
                else:
                    bench.told(each.order.client_id, "open")
            if isinstance(each, Amend):
                bench.told(each.client_id, "open", size=each.size, price=each.price)
    return commands


def test_it_does_all_that_a_strategy_can() -> None:
    commands = played("x", 600)
    assert {type(each) for each in commands} >= {Submit, Hold, Amend, Cancel}
    intents = [each.order.intent for each in commands if isinstance(each, Submit)]
    seen = Counter((each.kind, each.time_in_force, each.post_only, each.reduce_only) for each in intents)
    assert {kind for kind, *_ in seen} >= {"market", "limit"}
    assert {tif for _, tif, *_ in seen} >= {"gtc", "ioc", "fok"}
    assert any(post_only for *_, post_only, _ in seen)
    assert any(reduces for *_, reduces in seen)
    assert len({each.note for each in intents if not each.group}) == sum(not each.group for each in intents)


def test_the_same_seed_does_the_same() -> None:
    assert played("x", 50) == played("x", 50)
    assert played("x", 50) != played("y", 50)


def test_it_is_quiet_when_it_is_to_be() -> None:
    assert played("x", 20, quiet_from_ns=1) == []


def test_a_unit_is_worth_a_little_more_than_the_least() -> None:
    spot = Instrument(
        venue="v", symbol="A/B", native="AB", kind="spot", base="A", quote="B", lot=D("0.01"), min_notional=D(5)
    )
    assert unit(spot, D(10)) == D("1.50")
    assert unit(msgspec.structs.replace(spot, min_size=D(7)), D(10)) == D(7)
    assert unit(msgspec.structs.replace(spot, min_notional=None), D(9)) == D("3.34")
