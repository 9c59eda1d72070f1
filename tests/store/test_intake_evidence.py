from collections.abc import Callable

import pytest

from tapeline.market.coverage import Coverage
from tapeline.model.event import Bar, Trade
from tapeline.model.fact import Fact
from tapeline.store.intake.evidence import Runs, worth_noting

MINUTE_NS = 60_000_000_000


def none(_seq: int) -> None:
    return None


def test_trades_that_follow_each_other(trade: Callable[..., Trade]) -> None:
    runs = Runs("seq")
    for seq in (1, 2, 3, 3, 7, 8, 20):
        runs.add(trade(seq, at_ns=seq * 10))
    first, second = runs.facts(none)
    assert (first.from_ns, first.to_ns, first.first_seq, first.last_seq) == (11, 30, 1, 3)
    assert (first.state, first.evidence, first.source, second.from_ns, second.to_ns) == (
        "proven",
        "ids",
        "file",
        71,
        80,
    )
    joined = list(runs.facts({6: 65, 9: 95, 21: 500, 19: 190}.get))
    assert [(fact.from_ns, fact.to_ns) for fact in joined] == [(11, 30), (66, 95), (191, 500)]
    met = list(
        runs.facts({0: 5, -1: 4, 4: 40, 5: 40, 9: 95, 10: 95, 11: 96, **dict.fromkeys(range(21, 3000), 200)}.get)
    )
    assert [(fact.from_ns, fact.to_ns) for fact in met] == [(5, 40), (71, 96)]


def test_aggregates_by_their_ids_and_trades_without_stamps(trade: Callable[..., Trade]) -> None:
    runs = Runs("ids")
    for seq, first_id, last_id in ((1, 10, 12), (5, 13, 13), (6, 20, 22)):
        runs.add(trade(seq, at_ns=seq * 10, first_id=first_id, last_id=last_id))
    assert [(fact.from_ns, fact.to_ns) for fact in runs.facts({0: 1}.get)] == [(11, 50)]
    unstamped = Runs("seq")
    unstamped.add(trade(1, at_ns=None))
    unstamped.add(trade(2, at_ns=None))
    assert list(unstamped.facts(none)) == []
    assert list(Runs("seq").facts(none)) == []


def test_bars_without_a_hole(bar: Callable[..., Bar]) -> None:
    runs = Runs("bars")
    for minute in (0, 1, 2, 5):
        runs.add(bar(open_at_ns=minute * MINUTE_NS))
    assert [(fact.from_ns // MINUTE_NS, fact.to_ns // MINUTE_NS, fact.evidence) for fact in runs.facts(none)] == [
        (0, 3, "bars"), (5, 6, "bars"),
    ]  # fmt: skip


def fact(low: int, high: int, state: str) -> Fact:
    return Fact("v:A", "trades", low, high, state, "ids", "file", "", 0)


@pytest.mark.parametrize(
    ("known", "given", "noted"),
    [
        ([], "proven", "proven"), ([(0, 10, "proven")], "proven", None), ([(0, 5, "proven")], "proven", "proven"),
        ([(3, 5, "missing")], "proven", "repaired"), ([(3, 5, "unrecoverable")], "repaired", "repaired"),
        ([], "missing", "missing"), ([(0, 1, "proven")], "missing", None),
    ],
)  # fmt: skip
def test_what_is_worth_noting(known: list[tuple[int, int, str]], given: str, noted: str | None) -> None:
    found = worth_noting(fact(0, 10, given), Coverage(fact(*each) for each in known))
    assert (found.state if found else None) == noted
