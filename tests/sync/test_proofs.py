from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from tapeline.market.coverage import Coverage
from tapeline.model.event import Bar, Trade
from tapeline.model.fact import Fact
from tapeline.model.interval import MINUTE_NS, SECOND_NS
from tapeline.sync.proofs import by_overlap, by_sum, lacking, news, sums, sums_of

T0 = 28_000_000 * MINUTE_NS


def trade(number: int, at_s: float, size: str = "1", **changes: Any) -> Trade:
    one = Trade(
        "v:X", "trades", T0 + int(at_s * SECOND_NS), 7, "ws", str(number), None, "buy", Decimal(10), Decimal(size)
    )
    return replace(one, **changes)


def bar(minute: int, volume: str, trades: int | None = None, **changes: Any) -> Bar:
    ten = Decimal(10)
    one = Bar(
        "v:X", "bars:1m", None, 7, "rest", "1m", T0 + minute * MINUTE_NS, ten, ten, ten, ten, Decimal(volume), None,
        trades, None, None, None, closed=True, revision=1,
    )  # fmt: skip
    return replace(one, **changes)


def minute(first: int, end: int) -> tuple[int, int]:
    return T0 + first * MINUTE_NS, T0 + end * MINUTE_NS


TWO = [trade(1, 0.0, "0.3"), trade(2, 59.9, "0.2")]


def test_equal_volume_and_count_prove_the_interval() -> None:
    found = by_sum("trades", TWO, bar(0, "0.50", 2), 99)
    assert found == Fact(
        "v:X", "trades", *minute(0, 1), "proven", "sum", "rest", "our trades add up to the venue's own bar", 99
    )
    assert by_sum("trades", TWO, bar(0, "0.5"), 99) == found, "the volume will do where the venue counts no trades"


def test_anything_else_proves_nothing() -> None:
    assert by_sum("trades", TWO, bar(0, "0.5", 3), 99) is None
    assert by_sum("trades", TWO, bar(0, "0.500000000000000001", 2), 99) is None
    assert by_sum("trades", TWO, bar(0, "0.5", 2, closed=False), 99) is None
    assert by_sum("trades", [], bar(0, "0.5", 2), 99) is None
    assert by_sum("trades", [], bar(0, "0", 0), 99) is not None, "nobody traded"


def test_an_aggregate_counts_what_it_holds_and_a_marker_of_size_zero_nothing() -> None:
    aggregate = trade(1, 1.0, "2", first_id=5, last_id=8)
    assert sums([aggregate, trade(2, 2.0, "1")]) == (Decimal(3), 5)
    assert sums([trade(3, 1.0, "0")]) == (Decimal(0), 0)


def test_only_what_was_not_held_is_news_and_neighbours_are_one_fact() -> None:
    trades = {T0 + number * MINUTE_NS: [trade(number, 60.0 * number)] for number in range(5)}
    bars = [bar(number, "2" if number == 3 else "1", 1) for number in (4, 3, 2, 1, 0)]
    live = Fact("v:X", "trades", *minute(0, 1), "proven", "ids", "ws", "", 1)
    found = sums_of("trades", trades, bars, Coverage([live]), 99)
    assert [(each.from_ns, each.to_ns) for each in found] == [minute(1, 3), minute(4, 5)]


def test_a_hole_that_held_nothing_is_proven_and_a_dispute_stays() -> None:
    hole = Fact("v:X", "trades", T0 + 5, T0 + 9, "unrecoverable", "", "ws", "no REST call", 1, cause="link_down", run=3)
    trades, bars = {T0: [trade(1, 0.0)]}, [bar(0, "1", 1)]
    covered = Coverage([Fact("v:X", "trades", *minute(0, 1), "proven", "ids", "ws", "", 1, run=1), hole])
    found = sums_of("trades", trades, bars, covered, 99)
    assert [(each.from_ns, each.to_ns, each.evidence) for each in found] == [(*minute(0, 1), "sum")]
    covered.add(found[0])
    assert covered.missing(minute(0, 1)) == []
    covered.add(Fact("v:X", "trades", T0 + 5, T0 + 6, "disputed", "", "ws", "two readings", 1, cause="disputed"))
    assert sums_of("trades", trades, bars, covered, 99) == []


def test_where_the_venue_traded_more_something_is_missing() -> None:
    found = lacking("trades", TWO, bar(0, "0.6", 3), 99)
    assert found is not None
    assert (found.state, found.cause, found.from_ns, found.to_ns) == ("missing", "disputed", *minute(0, 1))
    assert found.why == "audit: volume ours 0.5 in 2 trades, theirs 0.6 in 3 trades"
    lost = lacking("trades", TWO, bar(0, "0.6"), 99, lost="nothing brings it back")
    assert lost is not None
    assert (lost.state, lost.why) == (
        "unrecoverable", "audit: volume ours 0.5 in 2 trades, theirs 0.6; nothing brings it back",
    )  # fmt: skip
    assert lacking("trades", TWO, bar(0, "0.5", 2), 99) is None
    assert lacking("trades", TWO, bar(0, "0.4", 2), 99) is None
    assert lacking("trades", TWO, bar(0, "0.6", 2, closed=False), 99) is None


def test_an_answer_of_which_all_is_held_proves_its_time_without_both_instants() -> None:
    answer = [trade(1, 1.0), trade(2, 2.0), trade(3, 3.0)]
    held = {(None, "1"), (None, "2"), (None, "3")}
    found = by_overlap(answer, held, 99)
    assert found is not None
    assert (found.from_ns, found.to_ns) == (T0 + SECOND_NS + 1, T0 + 3 * SECOND_NS)
    assert (found.state, found.evidence, found.source, found.channel) == ("proven", "overlap", "rest", "trades")


def test_an_answer_with_one_we_do_not_hold_or_too_short_proves_nothing() -> None:
    answer = [trade(1, 1.0), trade(2, 2.0), trade(3, 3.0)]
    for held in ({(None, "1"), (None, "3")}, {(None, "2"), (None, "3")}, {(None, "1"), (None, "2")}, set()):
        assert by_overlap(answer, held, 99) is None
    every = {(None, str(number)) for number in range(9)}
    assert by_overlap(answer[:1], every, 99) is None
    assert by_overlap([], every, 99) is None
    assert by_overlap([trade(1, 1.0), trade(2, 1.0)], every, 99) is None, "the stamps of both ends may hold others"
    assert by_overlap([trade(1, 1.0), trade(2, 2.0, at_ns=None)], every, 99) is None


def test_of_a_proof_only_what_was_not_held_is_told() -> None:
    proof = Fact("v:X", "trades", *minute(0, 10), "proven", "overlap", "rest", "", 99)
    covered = Coverage([
        Fact("v:X", "trades", *minute(2, 4), "proven", "ids", "ws", "", 1),
        Fact("v:X", "trades", *minute(6, 7), "disputed", "", "ws", "", 1, cause="disputed"),
    ])  # fmt: skip
    assert [(each.from_ns, each.to_ns) for each in news(proof, covered)] == [minute(0, 2), minute(4, 6), minute(7, 10)]
