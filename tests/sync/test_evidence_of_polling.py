"""What polling proves in place of a stream: the same, as another source, and nothing is lost where one follows the
other.
"""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeline.app.bookkeeping import Bookkeeping
from tapeline.model.event import Bar, Gap, Trade
from tapeline.model.fact import Fact, Wanted
from tapeline.sync.coverage import Coverage
from tapeline.sync.evidence import Evidence, evidence_for
from tapeline.venues.spec import Feed

WHO, MINUTE, ONE = "v:A/B", 60_000_000_000, Decimal(1)
FEEDS = {
    "ids": Feed(channel="trades", wire_name="t", endpoint="p", continuity="seq", evidence="ids", repair="trades"),
    "count": Feed(channel="trades", wire_name="t", endpoint="p", continuity="ids", evidence="count", repair="trades"),
    "bars": Feed(channel="bars", wire_name="k", endpoint="p", intervals=("1m",), evidence="bars", repair="bars"),
    "none": Feed(channel="quotes", wire_name="q", endpoint="p"),
}


def event(kind: str, number: int, source: str, *, closed: bool = True) -> Any:
    if kind == "bars":
        at_ns = number * MINUTE
        return Bar(WHO, "bars:1m", None, at_ns + MINUTE, source, "1m", at_ns, ONE, ONE, ONE, ONE, ONE, None, None,
                   None, None, None, closed)  # fmt: skip
    return Trade(WHO, "trades", number * 10, number * 10 + 1, source, str(number), number, "buy", ONE, ONE,
                 number, number)  # fmt: skip


def tell(evidence: Evidence, told: Any) -> list[Any]:
    """As the application does: a polled row is told before it is published, and then heard like a repair."""
    notes = list(evidence.polled(told)) if told.source == "rest" else []
    return [*notes, *evidence.take(told), *evidence.due()]


def facts(kind: str, *events: Any, resumed: Fact | None = None) -> list[Fact]:
    evidence = evidence_for(WHO, "bars:1m" if kind == "bars" else "trades", FEEDS[kind], resumed=resumed)
    return [note for each in events for note in tell(evidence, each) if isinstance(note, Fact)]


def spans(found: list[Fact]) -> list[tuple[int, int, str, str]]:
    """The last state of every fact, as the ledger keeps them."""
    last = {(fact.run, fact.from_ns): fact for fact in found}
    return [(fact.from_ns, fact.to_ns, fact.state, fact.source) for fact in last.values()]


@pytest.mark.parametrize("kind", ["ids", "count"])
def test_trades_go_on_by_polling_and_back_without_a_hole(kind: str) -> None:
    numbers = [(1, "ws"), (2, "ws"), (3, "rest"), (4, "rest"), (5, "ws"), (6, "ws")]
    found = facts(kind, *(event(kind, n, source) for n, source in numbers))
    assert spans(found) == [(11, 20, "proven", "ws"), (20, 40, "proven", "rest"), (40, 60, "proven", "ws")]
    assert [(fact.first_seq, fact.last_seq) for fact in {f.from_ns: f for f in found}.values()] == [
        (1, 2), (3, 4), (5, 6)
    ]  # fmt: skip
    assert Coverage(found).missing((11, 60)) == []


def test_bars_go_on_by_polling_and_back_and_an_open_one_changes_nothing() -> None:
    found = facts(
        "bars", event("bars", 1, "ws"), event("bars", 2, "ws", closed=False), event("bars", 2, "rest"),
        event("bars", 3, "rest"), event("bars", 4, "ws", closed=False), event("bars", 4, "ws"),
    )  # fmt: skip
    assert spans(found) == [
        (MINUTE, 2 * MINUTE, "proven", "ws"), (2 * MINUTE, 4 * MINUTE, "proven", "rest"),
        (4 * MINUTE, 5 * MINUTE, "proven", "ws"),
    ]  # fmt: skip


def test_polling_from_the_start_is_evidence_like_any() -> None:
    assert spans(facts("bars", *(event("bars", n, "rest") for n in (5, 6)))) == [
        (5 * MINUTE, 7 * MINUTE, "proven", "rest")
    ]
    assert spans(facts("ids", *(event("ids", n, "rest") for n in (5, 6, 7)))) == [(51, 70, "proven", "rest")]


@pytest.mark.parametrize("kind", ["ids", "bars"])
def test_what_polling_jumps_over_is_a_hole(kind: str) -> None:
    found = facts(kind, event(kind, 1, "ws"), event(kind, 2, "ws"), event(kind, 5, "rest"), event(kind, 6, "rest"))
    missing = [fact for fact in found if fact.state == "missing"]
    assert len(missing) == 1
    assert (missing[0].from_ns, missing[0].to_ns) == ((20, 51) if kind == "ids" else (3 * MINUTE, 5 * MINUTE))


def test_a_gap_before_a_polled_trade_and_before_one_of_the_stream_after_polling() -> None:
    def gap(after: int, before: int) -> Gap:
        return Gap(WHO, "trades", None, 500, "built", after * 10, before * 10, after, before, "id_jump")

    found = facts(
        "ids", event("ids", 1, "ws"), event("ids", 2, "ws"), gap(2, 5), event("ids", 5, "rest"),
        event("ids", 6, "rest"), gap(6, 9), event("ids", 9, "ws"), event("ids", 10, "ws"),
    )  # fmt: skip
    assert [(fact.from_ns, fact.to_ns, fact.first_seq, fact.last_seq) for fact in found if fact.state == "missing"] == [
        (20, 51, 3, 4), (60, 91, 7, 8),
    ]  # fmt: skip
    proven = {fact.from_ns: fact for fact in found if fact.state == "proven"}
    assert [(f.from_ns, f.to_ns, f.source) for f in proven.values()] == [
        (11, 20, "ws"), (51, 60, "rest"), (91, 100, "ws")
    ]  # fmt: skip


def test_a_repair_is_still_no_evidence() -> None:
    evidence = evidence_for(WHO, "bars:1m", FEEDS["bars"])
    assert list(evidence.take(event("bars", 3, "rest"))) == []
    assert list(evidence.due()) == []


@pytest.mark.parametrize("source", ["ws", "rest"])
def test_it_goes_on_from_what_an_earlier_run_polled(source: str) -> None:
    resumed = Fact(WHO, "trades", 11, 40, "proven", "ids", "rest", "", 41, 1, 4, run=7)
    found = facts("ids", event("ids", 5, source), event("ids", 6, source), resumed=resumed)
    assert [fact for fact in found if fact.state != "proven"] == []
    assert spans(found)[-1] == ((40, 60, "proven", "ws") if source == "ws" else (11, 60, "proven", "rest"))


def test_a_channel_that_proves_nothing_proves_nothing_by_polling() -> None:
    assert evidence_for(WHO, "quotes", FEEDS["none"]).polled(event("ids", 1, "rest")) == ()


@given(
    sources=st.lists(st.sampled_from(["ws", "rest"]), min_size=3, max_size=40), kind=st.sampled_from(["ids", "bars"])
)
def test_whoever_brings_it_what_follows_is_proven_throughout(sources: list[str], kind: str) -> None:
    found = facts(kind, *(event(kind, n, source) for n, source in enumerate(sources, 1)))
    end = len(sources) * 10 if kind == "ids" else (len(sources) + 1) * MINUTE
    start = 11 if kind == "ids" else MINUTE
    assert Coverage(found).missing((start, end)) == []
    assert all(fact.state == "proven" for fact in found)


def test_the_ledger_keeps_one_account_of_a_series_whoever_tells_it_first() -> None:
    notes: list[Any] = []
    ledger = Bookkeeping(notes.append, feed_of=lambda _venue, _kind: FEEDS["bars"])
    for number in (1, 2):
        ledger.polled(event("bars", number, "rest"))
    ledger.write()
    told = [note for note in notes if isinstance(note, Fact)]
    assert [(fact.from_ns, fact.to_ns, fact.evidence, fact.source) for fact in told] == [
        (MINUTE, 3 * MINUTE, "bars", "rest")
    ]
    assert [(each.from_ns, each.to_ns) for each in notes if isinstance(each, Wanted)] == [(MINUTE, 3 * MINUTE)]
    nobody = Bookkeeping(notes.append, feed_of=lambda _venue, _kind: None)
    nobody.polled(event("bars", 1, "rest"))
    nobody.write()
    assert len([note for note in notes if isinstance(note, Fact)]) == 1


def test_rows_that_a_crash_left_untold_are_told_of_where_polling_goes_on_after_it() -> None:
    """The ledger knew of trades up to 4; trade 5 was written without it, so that what is resumed reaches to 5."""
    told = Fact(WHO, "trades", 11, 40, "proven", "ids", "ws", "", 41, 1, 4, run=7)
    resumed = Fact(WHO, "trades", 11, 50, "proven", "ids", "ws", "", 41, 1, 5, run=7)
    found = facts("ids", event("ids", 6, "rest"), event("ids", 7, "rest"), resumed=resumed)
    assert spans(found) == [(11, 50, "proven", "ws"), (50, 70, "proven", "rest")]
    assert (found[0].first_seq, found[0].last_seq, found[0].run) == (1, 5, 7)
    assert Coverage([told, *found]).missing((11, 70)) == []
