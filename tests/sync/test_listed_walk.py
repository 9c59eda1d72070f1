"""Trades by time: what a venue that numbers anew hides behind numbers that follow each other is found, or said."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from walking import Mischief, seconds, trade

from tapeline.model.event import Trade
from tapeline.model.interval import SECOND_NS
from tapeline.sync.listed_walk import ListedWalk
from tapeline.sync.walk import Finding, Row
from tapeline.venues import venue_named
from tapeline.venues.spec import Ask, RestCall

SPOT = replace(venue_named("binance").rest["trades"], page=10)  # its list by time is another call: aggtrades
OWN = replace(SPOT, locate="trades")
Ids = tuple[int | None, int | None]
Told = tuple[int, float]  # number, second


@dataclass
class Venue:
    """What a venue answers: by time in order, by number the later of two trades with one number."""

    told: Sequence[Told]
    aggregates: int = 1  # so many trades, all of one instant, are one row of the list
    asked: list[Ask] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.trades = [trade(seq, at_s, price=str(place + 1)) for place, (seq, at_s) in enumerate(self.told)]

    def answer(self, ask: Ask) -> list[Row]:
        limit = ask.limit or 1
        if ask.from_id is not None:
            latest: dict[int, Row] = {each.seq or 0: each for each in self.trades}
            return [latest[seq] for seq in sorted(latest) if seq >= ask.from_id][:limit]
        rows = [each for each in self.trades if (each.at_ns or 0) < (ask.to_ns or 0)]
        if ask.call == "trades":
            return list(rows[-limit:])
        found: list[Row] = []
        for at in range(0, len(rows), self.aggregates):
            group = rows[at : at + self.aggregates]
            found.append(trade_of(group[-1], group[0].seq, group[-1].seq, len(found)))
        return found[-limit:]


def trade_of(last: Trade, first_id: int | None, last_id: int | None, number: int) -> Trade:
    return Trade(
        last.instrument, "aggtrades", last.at_ns, 7, "rest", str(number), number, last.side, last.price, last.size,
        first_id, last_id,
    )  # fmt: skip


def walk(call: RestCall, from_s: float, to_s: float, ids: Ids = (None, None)) -> ListedWalk:
    """Over a hole between trades at both of these seconds."""
    from_ns, to_ns = seconds(from_s, to_s)
    return ListedWalk("trades", call, "X", (from_ns, to_ns + 1), ids)


def gone(over: ListedWalk, venue: Venue, mischief: Mischief = lambda _number, rows: rows) -> list[Told]:
    """All that it gives out, in order of time."""
    found = list[Trade]()
    while (ask := over.next()) is not None:
        assert over.next() == ask
        assert 0 <= over.part <= 1
        assert len(venue.asked) < 500, "a walk without an end"
        venue.asked.append(ask)
        rows = mischief(len(venue.asked) - 1, venue.answer(ask))
        if rows is None:
            over.failed("HTTP 500")
        else:
            found += [row for row in over.took(rows) if isinstance(row, Trade)]
    assert over.part == 1.0
    return sorted((told_of(each) for each in found), key=lambda each: (each[1], each[0]))


def told_of(each: Trade) -> Told:
    return each.seq or 0, ((each.at_ns or 0) - seconds(0, 0)[0]) / SECOND_NS


def states(over: ListedWalk) -> list[tuple[float, float, str]]:
    start_ns = seconds(0, 0)[0]
    return [
        ((each.from_ns - start_ns) / SECOND_NS, (each.to_ns - start_ns) // SECOND_NS, each.state)
        for each in over.findings()
    ]


STEADY = [(seq, seq * 10.0) for seq in range(80, 125)]
STEADY_FIRST = [trade(80, 800.0)]
# 100 is the last that is held, then 101 to 105; five numbers come again: 101 to 120; 121 is heard live.
HIDDEN = [(seq, seq * 10.0) for seq in range(80, 106)] + [(seq, seq * 10.0 + 50) for seq in range(101, 125)]


def test_the_list_comes_first_and_then_the_numbers_it_names() -> None:
    venue, over = Venue(STEADY), walk(SPOT, 1000, 1060, (101, 105))
    assert gone(over, venue) == [(seq, seq * 10.0) for seq in range(101, 106)]
    assert venue.asked == [
        Ask("aggtrades", "X", to_ns=seconds(0, 1060)[1] + 1, limit=8), Ask("trades", "X", from_id=101, limit=5),
    ]  # fmt: skip
    from_ns, to_ns = seconds(1000, 1060)
    assert over.findings() == [Finding(from_ns, to_ns + 1, "proven", "ids", "", 101, 105)]


def test_a_list_that_has_the_trades_themselves_is_all_that_is_asked() -> None:
    venue, over = Venue(STEADY), walk(OWN, 1000, 1060, (101, 105))
    assert gone(over, venue) == [(seq, seq * 10.0) for seq in range(101, 106)]
    assert [ask.from_id for ask in venue.asked] == [None]
    assert [each[2] for each in states(over)] == ["proven"]


def test_trades_that_numbers_hide_are_in_dispute_where_only_the_later_ones_can_be_had() -> None:
    """Asked by number, the venue gives 101 to 120 as if nothing had happened: five trades less than there were."""
    venue, over = Venue(HIDDEN), walk(SPOT, 1000, 1260, (101, 120))
    assert gone(over, venue) == [(seq, seq * 10.0 + 50) for seq in range(101, 121)]
    for at_s in (1010, 1020, 1030, 1040, 1050):
        assert [state for low, high, state in states(over) if low <= at_s < high] == ["disputed"]
    assert {state for low, _, state in states(over) if low >= 1060} == {"proven"}
    assert over.findings()[0].why == "the venue gives number 101 to two trades, the other one 50 s later"


def test_trades_that_numbers_hide_are_given_out_where_the_list_has_them() -> None:
    venue, over = Venue(HIDDEN), walk(OWN, 1000, 1260, (101, 120))
    assert gone(over, venue) == [each for each in HIDDEN if 1000 < each[1] < 1260]
    assert {each[2] for each in states(over)} == {"proven"}


def test_an_outage_over_which_numbers_follow_each_other() -> None:
    """100 was held, 101 is heard: by its number the next one, and five others were between them."""
    told = [(seq, seq * 10.0) for seq in range(80, 106)] + [(101, 1100.0), (102, 1110.0)]
    assert gone(walk(OWN, 1000, 1100, (101, 100)), Venue(told)) == [(seq, seq * 10.0) for seq in range(101, 106)]
    over = walk(SPOT, 1000, 1100, (101, 100))
    assert gone(over, Venue(told)) == [(seq, seq * 10.0) for seq in range(103, 106)], "102 is of another trade by now"
    assert "disputed" in {each[2] for each in states(over)}
    quiet, venue = walk(SPOT, 1000, 1100, (101, 100)), Venue([*STEADY[:21], (101, 1100.0)])
    assert gone(quiet, venue) == []
    assert len(venue.asked) == 1
    assert states(quiet) == [(1000.0, 1100.0, "proven")]


def test_a_fall_of_the_numbers_is_gone_through_on_both_sides() -> None:
    """Heard live: 100, then 42. Before that 101 to 103 were traded, and 40 and 41."""
    told = [(seq, seq * 10.0) for seq in range(80, 104)] + [(seq, 1060.0 + seq) for seq in range(40, 45)]
    missed = [(101, 1010.0), (102, 1020.0), (103, 1030.0), (40, 1100.0), (41, 1101.0)]
    for call in (SPOT, OWN):
        over = walk(call, 1000, 1102)
        assert gone(over, Venue(told)) == [(100, 1000.0), *missed, (42, 1102.0)], "whoever asked holds both ends"
        assert {each[2] for each in states(over)} == {"proven"}
        assert states(over)[0][0] == 1000.0


def test_long_holes_are_known_page_by_page_from_their_end() -> None:
    told = [(seq, float(seq)) for seq in range(50)]
    for call in (SPOT, OWN):
        venue, over = Venue(told), walk(call, 0, 49, (1, 48))
        known = list[float]()
        while (ask := over.next()) is not None:
            over.took(venue.answer(ask))
            known += [each[0] for each in states(over)[:1]]
        assert known == sorted(known, reverse=True)
        assert known[0] > 35
        assert [each[2] for each in states(over)] == ["proven"] * len(states(over))
        assert states(over)[0][0] == 0.0
        assert states(over)[-1][1] == 49.0
        for (_, high, _), (low, _, _) in itertools.pairwise(states(over)):
            assert low - high < 1e-6, "no instant between two pages is left out"


def test_one_instant_that_fills_pages() -> None:
    told = [(seq, 10.0 if 5 <= seq < 40 else float(seq)) for seq in range(5)] + [(seq, 10.0) for seq in range(5, 40)]
    told += [(seq, float(seq)) for seq in range(40, 45)]
    for call in (SPOT, OWN):
        over = walk(call, 3, 42, (4, 41))
        assert [seq for seq, _ in gone(over, Venue(told))] == list(range(4, 42)), "its numbers bring the rest"
        assert {each[2] for each in states(over)} == {"proven"}


def test_rows_of_a_list_that_stand_for_several() -> None:
    told = [(seq, seq // 3 * 10.0) for seq in range(90)]
    venue, over = Venue(told, aggregates=3), walk(SPOT, 200, 240, (63, 71))
    assert [seq for seq, _ in gone(over, venue)] == list(range(63, 72))
    assert {each[2] for each in states(over)} == {"proven"}


def test_a_short_list_is_asked_for_twice_and_an_empty_one_proves_nothing() -> None:
    over, venue = walk(OWN, 1000, 1060, (101, 105)), Venue(STEADY)
    found = gone(over, venue, lambda number, rows: rows[1:] if number == 0 else rows)
    assert [seq for seq, _ in found] == [101, 102, 103, 104, 105]
    assert len(venue.asked) == 2
    over, venue = walk(SPOT, 1000, 1060, (101, 105)), Venue(STEADY)
    found = gone(over, venue, lambda number, rows: [] if number < 2 else rows)
    assert [seq for seq, _ in found] == [101, 102, 103, 104, 105], "by their numbers"
    assert over.findings() == [], "that no others were between them nobody has said"
    over = walk(SPOT, 1000, 1060, (101, 105))
    gone(over, Venue([]))
    assert [each[2] for each in states(over)] == ["unrecoverable"]


def test_what_the_list_names_and_no_number_brings_is_lost() -> None:
    over, venue = walk(SPOT, 1000, 1060, (101, 105)), Venue(STEADY)
    found = gone(over, venue, lambda _number, rows: [row for row in rows if getattr(row, "seq", 0) != 103])
    assert [seq for seq, _ in found] == [101, 102, 104, 105]
    assert [(each.state, each.why) for each in over.findings()] == [
        ("proven", ""), ("unrecoverable", "asked twice: the venue does not have it"), ("proven", ""),
    ]  # fmt: skip


def test_what_a_list_leaves_out_where_two_of_its_pages_meet_comes_by_number_or_its_time_is_lost() -> None:
    """The page ends at 111 and 112 is not on it: it is of the time between them, not of the page below."""

    def without(lists_only: bool) -> Mischief:  # a test's own
        return lambda number, rows: [
            row for row in rows if getattr(row, "seq", 0) != 112 or (lists_only and asked[number].from_id is not None)
        ]

    over, venue = walk(OWN, 1000, 1200, (101, 119)), Venue(STEADY)
    asked = venue.asked
    assert [seq for seq, _ in gone(over, venue, without(lists_only=True))] == list(range(101, 120))
    assert {each[2] for each in states(over)} == {"proven"}
    over, venue = walk(OWN, 1000, 1200, (101, 119)), Venue(STEADY)
    asked = venue.asked
    assert [seq for seq, _ in gone(over, venue, without(lists_only=False))] == [*range(101, 112), *range(113, 120)]
    assert [state for low, high, state in states(over) if low <= 1120 < high] == ["unrecoverable"]
    assert [each for each in states(over) if each[2] == "unrecoverable"] == [(1110.0, 1130.0, "unrecoverable")]


def test_where_the_history_begins_inside_it_what_was_before_is_lost() -> None:
    over = walk(OWN, 500, 1030)
    assert [seq for seq, _ in gone(over, Venue(STEADY))] == list(range(80, 104))
    assert states(over)[0][2] == "unrecoverable"
    assert over.findings()[0].why == "the venue has no older ones"
    assert {each[2] for each in states(over)[1:]} == {"proven"}


def test_where_a_venue_can_list_onwards_it_is_asked_whether_the_oldest_is_the_first() -> None:
    """As of a hole whose older part the venue has forgotten: which number its rest begins with nobody knows."""
    onwards = replace(OWN, walk="time", window_s=600.0)
    for first, ends in ((None, ["proven"]), (79, ["unrecoverable", "proven"])):
        over, venue = walk(onwards, 600, 1030), Venue(STEADY)
        older = [] if first is None else [trade(first, 700.0)]

        def told(number: int, rows: list[Row], older: Sequence[Row] = older) -> Sequence[Row]:
            return rows if venue.asked[number].from_ns is None else [*older, *STEADY_FIRST]  # noqa: B023  # used at once

        assert [seq for seq, _ in gone(over, venue, told)] == list(range(80, 104))
        assert venue.asked[-1].from_ns == seconds(600, 600)[0]
        states_found = [each[2] for each in states(over)]
        assert states_found[: len(ends)] == ends
        assert set(states_found[1:]) == {"proven"}
    assert all(ask.from_ns is None for ask in _asked_of(replace(onwards, window_s=60.0)))


def _asked_of(call: RestCall) -> list[Ask]:
    venue = Venue(STEADY)
    gone(walk(call, 600, 1030), venue)
    return venue.asked


def test_a_list_that_cannot_be_read_leaves_the_rest_open() -> None:
    over, venue = walk(OWN, 1000, 1200, (101, 119)), Venue(STEADY)
    assert [seq for seq, _ in gone(over, venue, lambda number, rows: rows if number == 0 else None)] == list(
        range(112, 120)
    )
    assert [each[0] > 1100 for each in states(over)] == [True]
    over, venue = walk(SPOT, 1000, 1060, (101, 105)), Venue(STEADY)
    assert gone(over, venue, lambda number, rows: rows if number == 0 else None) == []
    assert over.findings() == []
    nothing = ListedWalk("trades", OWN, "X", (5, 5))
    assert nothing.next() is None
    assert (nothing.findings(), nothing.part) == ([], 1.0)


@settings(max_examples=300, deadline=None)
@given(
    kind=st.tuples(st.booleans(), st.booleans()),
    fall_at=st.integers(20, 60),
    repeated=st.integers(0, 45),
    hole=st.tuples(st.integers(15, 60), st.integers(1, 25)),
    slip=st.sampled_from(["", "empty", "short", "disorder"]),
)
def test_nothing_is_ever_proven_that_did_not_come(
    kind: tuple[bool, bool], fall_at: int, repeated: int, hole: tuple[int, int], slip: str
) -> None:
    """Wherever numbers begin anew, however many come again, in one answer that is not right or in none."""
    own, known = kind
    told = [(place if place < fall_at else place - repeated, place * 10.0) for place in range(100)]
    low, high = hole[0], hole[0] + hole[1] + 1
    (before, from_s), (after, to_s) = told[low], told[high]
    over = walk(
        OWN if own else SPOT, from_s, to_s, (before + 1, after - 1) if known and before < after else (None, None)
    )

    def slips(number: int, rows: list[Row]) -> Sequence[Row]:
        if number != 0 or not slip:
            return rows
        return {"empty": [], "short": rows[: len(rows) // 2] + rows[len(rows) // 2 + 1 :], "disorder": rows[::-1]}[slip]

    found = gone(over, Venue(told), slips)
    assert len(found) == len(set(found)), "none comes twice"
    assert set(found) <= set(told[low : high + 1])
    for missed in set(told[low + 1 : high]) - set(found):
        said = [state for begin, _, state in states(over) if begin <= missed[1]][-1]
        assert said in {"disputed", "unrecoverable"}, missed


@pytest.mark.parametrize("venue", ["binance", "binance-us", "binance-usdm", "okx"])
def test_every_venue_lists_what_it_repairs(venue: str) -> None:
    rest = venue_named(venue).rest
    assert {name: bool(call.locate) for name, call in rest.items() if call.walk in {"ids", "back", "time"}} == {
        name: True for name in ("trades", "aggtrades") if name in rest and rest[name].walk
    }  # fmt: skip
